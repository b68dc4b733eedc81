"""Compiled convolutions and poolings against NumPy, with options drawn at random; threads."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba")

from compiled import CLOSE, assert_close, train

import nnlite as nn

DTYPES = [np.float32, np.float64]


def drawn_convolution(rng, axes):
    """Draw a convolution, and the shape of a sample that it takes."""
    groups = int(rng.choice([1, 1, 2, 3]))
    into, out = groups * int(rng.integers(1, 5)), groups * int(rng.choice([1, 2, 5, 8, 17]))
    size, stride, dilation = (tuple(rng.integers(1, 4, axes).tolist()) for _ in range(3))
    words = ["same", "causal"] if axes == 1 else ["same"]
    padding = rng.choice([*words, "numbers", "0"])
    if padding == "numbers":
        padding = tuple(rng.integers(0, 3, axes).tolist())
    padding = 0 if isinstance(padding, str) and padding == "0" else padding
    padding = str(padding) if isinstance(padding, str) else padding
    options = {"stride": stride, "dilation": dilation, "padding": padding}
    if rng.random() < 0.15:  # each channel by itself
        groups = into = out = int(rng.integers(2, 20))
    if axes == 1:
        size, options = (
            size[0],
            {name: value[0] if isinstance(value, tuple) else value for name, value in options.items()},
        )
    make = nn.Conv1D if axes == 1 else nn.Conv2D
    layer = make(into, out, size, groups=groups, bias=bool(rng.random() < 0.8), **options)
    return layer, (*rng.integers(7, 12, axes).tolist(), into)


def drawn_pooling(rng, axes):
    """Draw a pooling, and the shape of a sample that it takes."""
    kinds = {
        1: [nn.MaxPool1D, nn.AveragePool1D, nn.GlobalMaxPool, nn.GlobalAveragePool],
        2: [nn.MaxPool2D, nn.AveragePool2D, nn.GlobalMaxPool, nn.GlobalAveragePool],
    }
    make = kinds[axes][rng.integers(4)]
    shape = (*rng.integers(5, 9, axes).tolist(), int(rng.integers(1, 20)))
    if make in (nn.GlobalMaxPool, nn.GlobalAveragePool):
        return make(axes), shape
    size = int(rng.integers(1, 4))
    stride = int(rng.integers(1, 5)) if rng.random() < 0.6 else None
    padding = "same" if rng.random() < 0.3 else int(rng.integers(0, size // 2 + 1))
    return make(size, stride=stride, padding=padding), shape


def behind_dense(layer, shape, *, dtype, **options):
    """Make a net in which a layer has another in front, so that dL/dx is asked for."""
    numbers, out = int(np.prod(shape)), layer.shape_after(shape)
    layers = [nn.Dense(3, numbers), nn.Reshape((numbers,), shape), layer]
    if len(out) > 1:
        layers.append(nn.Flatten(out))
    return nn.Sequential([*layers, nn.Dense(int(np.prod(out)), 2)], rng=0, dtype=dtype, **options)


@pytest.mark.parametrize("draw", [drawn_convolution, drawn_pooling])
@pytest.mark.parametrize("axes", [1, 2])
@pytest.mark.parametrize("seed", range(12))
def test_drawn_options_come_to_the_same(draw, axes, seed):
    rng = np.random.default_rng(seed)
    layer, shape = draw(rng, axes)
    dtype = DTYPES[seed % 2]
    model = behind_dense(layer, shape, dtype=dtype, replicas=2 if seed % 5 == 0 else None)
    X, y = rng.normal(size=(12, 3)), rng.normal(size=(12, 2))
    given = {"optimizer": nn.SGD(0.1), "batch_size": 12}
    one, _, history = train(model, X, y, jit=True, **given)
    other, _, _ = train(model, X, y, jit=False, **given)
    assert history.engine == "jit"
    largest = np.abs(other.params.grads).max()
    for name in other.params:
        assert_close(
            one.params.grad(name), other.params.grad(name), 4 * CLOSE[np.dtype(dtype)], name, least=largest
        )
    assert_close(one.predict(X, jit=True), other.predict(X), 10 * CLOSE[np.dtype(dtype)])


def small_images(**options):
    layers = [
        nn.Input((9, 8, 2)),
        nn.Conv2D(2, 6, 3, padding=1, groups=2),
        nn.ReLU(),
        nn.MaxPool2D(3, stride=2, padding=1),
        nn.Conv2D(6, 5, 2),
        nn.Tanh(),
        nn.AveragePool2D(2),
        nn.Permute((2, 0, 1)),
        nn.Flatten((5, 2, 1)),
        nn.Dense(10, 3),
    ]
    return nn.Sequential(layers, rng=0, dtype=np.float64, **options)


def test_any_number_of_threads_comes_to_the_same_and_each_to_the_same_bits(rng, monkeypatch):
    X, y = rng.normal(size=(29, 9, 8, 2)), rng.integers(0, 3, 29)
    given = {"loss": nn.SoftmaxCrossEntropy(), "optimizer": nn.Adam(0.01), "epochs": 2, "batch_size": 8}
    expected, _, _ = train(small_images(), X, y, jit=False, **given)
    monkeypatch.setattr("nnlite.jit.engine.SHARED", 0)
    for threads in (1, 2, 3, 16):  # more than there are rows, too
        monkeypatch.setattr("nnlite.jit.steps.allowed", lambda threads=threads: threads)
        found = [train(small_images(), X, y, jit=True, **given) for _ in range(2)]
        assert [history.engine for *_, history in found] == ["jit", "jit"]
        assert_close(found[0][0].params.values, expected.params.values, 1e-9)
        np.testing.assert_array_equal(found[0][0].params.values, found[1][0].params.values)


def test_frozen_convolutions(rng):
    model = small_images()
    model[4].freeze()
    X, y = rng.normal(size=(24, 9, 8, 2)), rng.integers(0, 3, 24)
    given = {"loss": nn.SoftmaxCrossEntropy(), "optimizer": nn.SGD(0.1), "batch_size": 8}
    one, _, history = train(model, X, y, jit=True, **given)
    other, _, _ = train(model, X, y, jit=False, **given)
    assert history.engine == "jit"
    assert_close(one.params.values, other.params.values, 1e-11)
    np.testing.assert_array_equal(one[4].W, model[4].W)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("make", [lambda: nn.MaxPool2D(2), lambda: nn.GlobalMaxPool()])
def test_nan_is_the_largest_number(make, place, dtype):
    """Dense makes NaN of infinities that differ in sign, so none is refused on the way in."""
    image = np.array([1.0, 3.0, 2.0, -1.0])
    model = nn.Sequential(
        [nn.Dense(4, 4, bias=False), nn.Reshape((4,), (2, 2, 1)), make()], rng=0, dtype=dtype
    )
    model[0].W[...] = np.eye(4)
    assert model.predict(image[None], jit=True).ravel() == [3.0]
    with np.errstate(invalid="ignore"):
        model[0].W[:, place] = [np.inf, -np.inf, 0, 0]
        found, expected = (model.predict(image[None], jit=jit) for jit in (True, False))
    np.testing.assert_array_equal(found, expected)
    assert np.isnan(found).all()


def test_equal_numbers_blame_the_first(rng):
    """A window of zeros, as behind ReLU: which of them is to blame shows in the gradient."""
    x = np.zeros((2, 3))
    pool = nn.MaxPool2D(3, stride=1, padding=1)
    layers = [nn.Dense(3, 16), nn.Reshape((16,), (4, 4, 1)), pool, nn.Flatten((4, 4, 1))]
    model = nn.Sequential(layers, rng=0, dtype=np.float64)
    y = rng.normal(size=(2, 16))
    one, _, _ = train(model, x, y, jit=True, optimizer=nn.SGD(0.1), batch_size=2)
    other, _, _ = train(model, x, y, jit=False, optimizer=nn.SGD(0.1), batch_size=2)
    assert_close(one.params.grads, other.params.grads, 1e-12)
    assert np.count_nonzero(one.params.grad("0.b")) < 16


@pytest.mark.parametrize("threads", [1, 3])
def test_images_of_each_step(threads, rng, monkeypatch):
    """Inside of `TimeDistributed` what a thread takes for rows are steps."""
    monkeypatch.setattr("nnlite.jit.engine.SHARED", 0)
    monkeypatch.setattr("nnlite.jit.steps.allowed", lambda: threads)
    inner = [nn.Conv2D(2, 3, 3, padding=1), nn.MaxPool2D(2), nn.Flatten((3, 2, 3)), nn.Dense(18, 4)]
    layers = [nn.Input((5, 6, 5, 2)), nn.TimeDistributed(inner), nn.Flatten((5, 4)), nn.Dense(20, 2)]
    model = nn.Sequential(layers, rng=0, dtype=np.float64)
    X, y = rng.normal(size=(12, 5, 6, 5, 2)), rng.normal(size=(12, 2))
    one, _, history = train(model, X, y, jit=True, optimizer=nn.SGD(0.1), batch_size=5)
    other, _, _ = train(model, X, y, jit=False, optimizer=nn.SGD(0.1), batch_size=5)
    assert history.engine == "jit"
    assert_close(one.params.values, other.params.values, 1e-11)
    assert_close(one.predict(X, jit=True), other.predict(X), 1e-11)
