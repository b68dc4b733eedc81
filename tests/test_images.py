"""Convolution, pooling and reshaping: gradients, other libraries' numbers, leading axes, and memory."""

from __future__ import annotations

import pickle
import time
import tracemalloc

import numpy as np
import pytest
import scipy.signal
from samples import context_of

import nnlite as nn
from nnlite.layers import convolution
from nnlite.layers.windows import Window
from nnlite.testing import check_layer

CONVOLUTIONS = [
    (nn.Conv2D(2, 3, 3), (5, 6, 2)),
    (nn.Conv2D(1, 2, (2, 3), bias=False), (4, 5, 1)),
    (nn.Conv2D(2, 3, 1), (3, 4, 2)),
    (nn.Conv2D(2, 3, 3, padding=1, stride=2), (5, 6, 2)),
    (nn.Conv2D(2, 2, (1, 2), stride=3, padding=(2, 0)), (3, 5, 2)),
    (nn.Conv2D(4, 6, 3, padding="same", stride=(2, 1), dilation=2, groups=2), (4, 5, 4)),
    (nn.Conv2D(3, 6, (3, 2), padding=(2, 0), groups=3), (4, 5, 3)),
    (nn.Conv1D(2, 3, 3), (5, 2)),
    (nn.Conv1D(1, 3, 2, stride=2, padding=1), (6, 1)),
    (nn.Conv1D(2, 3, 3, dilation=2, padding="causal"), (6, 2)),
    (nn.Conv1D(2, 4, 4, stride=2, padding="same", groups=2), (7, 2)),
]
POOLINGS = [
    (cls(*sizes, **options), sample)
    for cls in (nn.MaxPool2D, nn.AveragePool2D)
    for sizes, options, sample in [
        ((2,), {}, (4, 5, 2)),
        ((3,), {"stride": 2, "padding": 1}, (5, 6, 2)),
        (((2, 3),), {"stride": 1, "padding": "same"}, (4, 5, 1)),
        ((2,), {"stride": (3, 2)}, (6, 5, 3)),
    ]
] + [
    (cls(*sizes, **options), sample)
    for cls in (nn.MaxPool1D, nn.AveragePool1D)
    for sizes, options, sample in [((2,), {}, (5, 2)), ((3,), {"stride": 2, "padding": 1}, (6, 2))]
]
OTHERS = [
    (nn.GlobalAveragePool(), (3, 4, 2)),
    (nn.GlobalAveragePool(1), (4, 2)),
    (nn.GlobalMaxPool(), (3, 4, 2)),
    (nn.GlobalMaxPool(1), (4, 2)),
    (nn.Reshape((6,), (3, 1, 2)), (6,)),
    (nn.Permute((2, 0, 1)), (2, 3, 4)),
]
EVERY = [pytest.param(layer, sample, id=f"{layer}") for layer, sample in CONVOLUTIONS + POOLINGS + OTHERS]
CONVOLVING = [pytest.param(layer, sample, id=f"{layer}") for layer, sample in CONVOLUTIONS]


@pytest.mark.parametrize(("layer", "sample"), EVERY)
@pytest.mark.parametrize("replicas", [None, 3])
def test_gradients(layer, sample, replicas, rng):
    x = rng.normal(size=(3, *sample))
    assert check_layer(layer, x, replicas=replicas).largest_error < 1e-7


@pytest.mark.parametrize(("layer", "sample"), CONVOLVING)
def test_small_blocks_come_to_the_same(layer, sample, rng, monkeypatch):
    monkeypatch.setattr(convolution, "COLUMNS", 100)  # bytes: one row of windows at a time
    assert check_layer(layer, rng.normal(size=(2, *sample))).largest_error < 1e-7


@pytest.mark.parametrize("padding", [0, 2, "same"])
def test_convolution_is_what_scipy_calls_correlation(padding, rng):
    layer = nn.Conv2D(3, 2, (3, 5), padding=padding)
    x = rng.normal(size=(2, 8, 9, 3)).astype(np.float32)
    framed = np.pad(x, ((0, 0), (2, 2), (2, 2), (0, 0))) if padding == 2 else x
    mode = "same" if padding == "same" else "valid"
    expected = [
        [
            sum(scipy.signal.correlate2d(image[..., c], layer.W[..., c, out], mode) for c in range(3))
            for out in range(2)
        ]
        for image in framed
    ]
    np.testing.assert_allclose(layer.forward(x), np.moveaxis(expected, 1, -1), atol=1e-5)


def test_a_sequence_is_an_image_of_one_row(rng):
    line = nn.Conv1D(2, 3, 4, stride=2, padding=1, dilation=2)
    image = nn.Conv2D(2, 3, (1, 4), stride=2, padding=(0, 1), dilation=2)
    image.W[...] = line.W[None]
    x = rng.normal(size=(2, 12, 2))
    np.testing.assert_array_equal(line.forward(x), image.forward(x[:, None])[:, 0])


@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (1, 3), (2, 2)])
def test_causal_outputs_see_no_later_step(stride, dilation, rng):
    layer = nn.Conv1D(1, 1, 3, padding="causal", stride=stride, dilation=dilation)
    x = rng.normal(size=(1, 12, 1))
    before = layer.forward(x)
    assert before.shape[1] == -(-12 // stride)
    for step in range(12):
        moved = x.copy()
        moved[0, step] += 1.0
        changed = np.flatnonzero(layer.forward(moved)[0, :, 0] != before[0, :, 0])
        assert (changed * stride >= step).all()
    assert before[0, -1, 0] != layer.forward(moved)[0, -1, 0] or stride > 1


@pytest.mark.parametrize("length", range(1, 9))
@pytest.mark.parametrize("window", [Window(3, 2, 1, "same"), Window(2, 3, 2, "same"), Window(4, 1, 1, 2)])
def test_span_says_which_numbers_of_a_window_are_inside(length, window):
    before, _ = window.pads(length)
    count = window.count(length)
    if window.padding == "same":
        assert count == -(-length // window.stride)
    for offset in range(window.size):
        windows, places = window.span(length, offset)
        expected = [
            (t, place)
            for t in range(max(count, 0))
            if 0 <= (place := t * window.stride - before + offset * window.dilation) < length
        ]
        found = zip(range(count)[windows], range(length)[places], strict=True) if count > 0 else ()
        assert list(found) == expected


@pytest.mark.parametrize(
    ("layer", "blamed"),
    [
        (nn.MaxPool2D(2, stride=1), [[0, 2, 0], [1, 1, 0], [0, 0, 0]]),
        (nn.MaxPool2D(3, stride=1, padding=1), [[0, 6, 0], [2, 1, 0], [0, 0, 0]]),
    ],
)
def test_the_first_of_equals_gets_the_blame(layer, blamed):
    x = np.array([[1.0, 5.0, 0.0], [5.0, 5.0, 0.0], [0.0, 0.0, 0.0]])[None, :, :, None]
    ctx = layer._context()
    y = layer.forward(x, ctx)
    np.testing.assert_array_equal(layer.backward(np.ones_like(y), ctx)[0, :, :, 0], blamed)


def test_the_largest_number_beside_nan_is_nan():
    x = np.array([1.0, np.nan, 3.0, 4.0]).reshape(1, 2, 2, 1)
    for layer in (nn.MaxPool2D(2), nn.GlobalMaxPool()):
        assert np.isnan(layer.forward(x)).all()


def test_padding_is_never_the_largest_and_does_not_count():
    x = -np.ones((1, 4, 4, 1))
    assert (nn.MaxPool2D(3, stride=1, padding=1).forward(x) == -1).all()
    assert (nn.AveragePool2D(3, stride=1, padding="same").forward(x) == -1).all()


def small_net(**options):
    layers = [
        nn.Input((7, 6, 2)),
        nn.Conv2D(2, 4, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2D(2),
        nn.Conv2D(4, 6, 2, groups=2, stride=(1, 2)),
        nn.Tanh(),
        nn.AveragePool2D(2, stride=1, padding=1),
        nn.GlobalMaxPool(),
        nn.Dense(6, 3),
    ]
    return nn.Sequential(layers, rng=0, dtype=np.float64, **options)


@pytest.mark.parametrize("replicas", [None, 3])
def test_gradients_of_examples_add_up(replicas, rng):
    model = small_net(replicas=replicas)
    x, y = rng.normal(size=(5, 7, 6, 2)), rng.integers(0, 3, 5)
    each = model.per_example_gradients(x, y, nn.SoftmaxCrossEntropy())
    model.loss_and_grad(x, y, nn.SoftmaxCrossEntropy())
    np.testing.assert_allclose(each.mean(axis=-2), model.params.grads, atol=1e-12)


def test_replicas_are_separate_nets(rng):
    many = small_net(replicas=3)
    x, y = rng.normal(size=(3, 8, 7, 6, 2)), rng.integers(0, 3, (3, 8))
    loss = nn.SoftmaxCrossEntropy()
    alone = [many.replica(index) for index in range(3)]
    ours, optimizer = nn.SGD(0.1), [nn.SGD(0.1) for _ in alone]
    for _ in range(10):
        many.loss_and_grad(x, y, loss)
        ours.step(many.params)
        for index, model in enumerate(alone):
            model.loss_and_grad(x[index], y[index], loss)
            optimizer[index].step(model.params)
    for index, model in enumerate(alone):
        np.testing.assert_allclose(many.params.values[index], model.params.values, atol=1e-12)


def test_weights_start_as_what_follows_asks():
    model = nn.Sequential(
        [
            nn.Input((9, 9, 8)),
            nn.Conv2D(8, 64, 3),
            nn.MaxPool2D(2),
            nn.ReLU(),
            nn.Conv2D(64, 64, 3, groups=4),
            nn.GlobalAveragePool(),
            nn.Tanh(),
        ],
        rng=0,
    )
    assert model[1].W.std() == pytest.approx(np.sqrt(2 / (9 * 8)), rel=0.05)  # He, past the pooling
    assert model[4].W.std() == pytest.approx(np.sqrt(2 / (9 * 16 + 9 * 64)), rel=0.05)  # Glorot


def test_a_small_net_learns_where_a_bar_is():
    rng = np.random.default_rng(0)
    x, y = rng.normal(scale=0.3, size=(200, 8, 8, 1)), rng.integers(0, 2, 200)
    for image, lies in zip(x, y, strict=True):
        place = rng.integers(0, 8)
        image[place if lies else slice(None), slice(None) if lies else place] += 1.0
    layers = [nn.Input((8, 8, 1)), nn.Conv2D(1, 4, 3), nn.ReLU(), nn.GlobalMaxPool(), nn.Dense(4, 2)]
    model = nn.Sequential(layers, rng=0)
    model.fit(x, y, loss=nn.SoftmaxCrossEntropy(), optimizer=nn.Adam(0.02), epochs=40)
    assert nn.accuracy(model.predict(x), y) > 0.95


@pytest.mark.parametrize("padding", [0, 1])
def test_memory_beside_input_and_output_is_bounded(padding, rng):
    layer = nn.Conv2D(8, 8, 3, padding=padding)
    x = rng.normal(size=(16, 128, 128, 8)).astype(np.float32)
    assert x.nbytes * 9 > 70 * convolution.COLUMNS  # all windows at once
    y = layer.forward(x)  # which draws its numbers
    ctx = layer._context()
    dy = np.ones_like(y)
    tracemalloc.start()
    try:
        layer.forward(x, ctx)
        forward = tracemalloc.get_traced_memory()[1] - y.nbytes
        tracemalloc.reset_peak()
        layer.backward(dy, ctx)
        backward = tracemalloc.get_traced_memory()[1] - x.nbytes
    finally:
        tracemalloc.stop()
    assert forward < 4 * convolution.COLUMNS
    assert backward < 4 * convolution.COLUMNS


def test_counts_of_long_windows_take_no_time():
    started = time.perf_counter()
    counts = nn.AveragePool1D(5000, stride=1, padding=7)._counts((1, 30_000, 1), np.float64)
    assert time.perf_counter() - started < 2  # number by number it takes ten seconds
    assert counts[:, 0].tolist() == [*range(4993, 5000), *[5000] * 25_001, *range(4999, 4992, -1)]


@pytest.mark.parametrize("padding", [0.0, -1.0])
def test_a_mean_over_real_steps(padding, rng):
    lengths = [4, 1, 6, 0]
    x = rng.normal(size=(4, 6, 3))
    x[1, 0] = padding  # of which there is nothing behind, so that it is none
    x[2, 3] = padding  # and this is one
    for row, length in enumerate(lengths):
        x[row, length:] = padding
    layer = nn.GlobalAveragePool(1, padding=padding)
    ctx = context_of(layer, rng)
    y = layer.forward(x, ctx)
    np.testing.assert_allclose(y[[0, 2]], [x[0, :4].mean(axis=0), x[2].mean(axis=0)], rtol=1e-12)
    assert not y[[1, 3]].any()
    dx = layer.backward(np.ones_like(y), ctx)
    np.testing.assert_allclose(dx[0], np.repeat([[0.25], [0.0]], [4, 2], axis=0) * np.ones(3))
    assert (dx[2] == 1 / 6).all()
    assert not dx[[1, 3]].any()
    longer = np.pad(x, ((0, 0), (0, 9), (0, 0)), constant_values=padding)
    np.testing.assert_array_equal(layer.forward(longer), y)


def test_a_mean_that_was_pickled_before_there_was_padding():
    layer = nn.GlobalAveragePool(1)
    del vars(layer)["padding"]
    x = np.arange(6.0).reshape(1, 3, 2)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(layer)).forward(x), [[2.0, 3.0]])
