"""Augmentation: what is done to training batches, and to nothing else."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

import nnlite as nn
from nnlite.augment import Compose, Flip, Noise, Shift
from nnlite.errors import ArgumentError, ArgumentTypeError, ShapeError


@pytest.fixture
def images(rng):
    return rng.normal(size=(40, 4, 5, 2)), rng.normal(size=(40, 2))


def net(**options):
    layers = [nn.Flatten((4, 5, 2)), nn.Dense(40, 6), nn.Dropout(0.2), nn.Tanh(), nn.Dense(6, 2)]
    return nn.Sequential(layers, **{"rng": 0, "dtype": np.float64, **options})


def train(model, X, y=None, **given):
    options = {
        "loss": nn.MeanSquaredError(), "optimizer": nn.Adam(0.01), "epochs": 3, "batch_size": 16, "rng": 0,
        "augment": Compose([Shift(1), Flip(), Noise(0.1)]),
    }  # fmt: skip
    return model.fit(X, y, **options | given)


def test_shift_moves_each_image_and_fills_with_zeros(images, rng):
    X, _ = images
    seen = set()
    for image, moved in zip(X, Shift(2)(X, rng), strict=True):
        fits = []
        for down in range(-2, 3):
            for right in range(-2, 3):
                expected = np.zeros_like(image)
                for i in range(4):
                    for j in range(5):
                        if 0 <= i - down < 4 and 0 <= j - right < 5:
                            expected[i, j] = image[i - down, j - right]
                if (expected == moved).all():
                    fits.append((down, right))
        assert len(fits) == 1
        seen |= set(fits)
    assert {down for down, _ in seen} == {right for _, right in seen} == set(range(-2, 3))


def test_flip_exchanges_left_and_right_of_some(images, rng):
    X, _ = images
    found = Flip()(X, rng)
    flipped = (found == X[:, :, ::-1]).all(axis=(1, 2, 3))
    np.testing.assert_array_equal(found[~flipped], X[~flipped])
    assert 10 < flipped.sum() < 30
    np.testing.assert_array_equal(Flip(0.0)(X, rng), X)
    np.testing.assert_array_equal(Flip(1.0)(X, rng), X[:, :, ::-1])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_noise_keeps_the_dtype(dtype, rng):
    x = np.ones((500, 20), dtype)
    found = Noise(0.3)(x, rng)
    assert found.dtype == dtype
    assert abs((found - x).std() - 0.3) < 0.01
    np.testing.assert_array_equal(x, 1)


def test_compose_draws_in_order(images):
    X, _ = images
    one, other = np.random.default_rng(5), np.random.default_rng(5)
    found = Compose([Shift(1), Flip()])(X, one)
    np.testing.assert_array_equal(found, Flip()(Shift(1)(X, other), other))


class Seen:
    """Adds a number, and counts the rows that it was given."""

    def __init__(self, add=0.0):
        self.add, self.rows = add, []

    def __call__(self, x, rng):
        self.rows.append(len(x))
        return x + self.add


def test_only_training_batches_are_augmented(images):
    X, y = images
    seen, plain, added = Seen(), net(), net()
    expected = train(plain, X, y, augment=None, validation=(X, y))
    found = train(added, X, y, augment=seen, validation=(X, y))
    assert seen.rows == [16, 16, 8] * 3
    np.testing.assert_array_equal(added.params.values, plain.params.values)
    assert found["validation_loss"] == expected["validation_loss"]
    moved, by_hand = net(), net()
    train(moved, X, y, augment=Seen(1.0))
    train(by_hand, X + 1.0, y, augment=None)
    np.testing.assert_allclose(moved.params.values, by_hand.params.values, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("options", [{}, {"replicas": 2}], ids=str)
@pytest.mark.parametrize("jit", [False, True])
def test_the_same_seed_gives_the_same_bits_and_so_does_a_resumed_training(options, jit, images, tmp_path):
    if jit:
        pytest.importorskip("numba")
    path = tmp_path / "run.checkpoint"

    class Keep(nn.Callback):
        def on_batch_begin(self, state):
            if (state.epoch, state.batch) == (2, 3):
                shutil.copy(path, f"{path}.kept")

    given = {"callbacks": [Keep(), nn.Checkpoint(path, unit="steps")], "jit": jit, "metrics": [nn.r2]}
    whole, again, resumed = net(**options), net(**options), net(**options)
    expected = train(whole, *images, **given)
    train(again, *images, **given)
    np.testing.assert_array_equal(again.params.values, whole.params.values)
    found = train(resumed, *images, **given, resume=f"{path}.kept")
    np.testing.assert_array_equal(resumed.params.values, whole.params.values)
    assert found["loss"] == expected["loss"]
    assert found["r2"] == expected["r2"]
    with pytest.raises(ArgumentError, match=r"the same augment as .*'Compose\(\[Shift\(1\)"):
        train(net(**options), *images, **given | {"augment": Noise(0.1)}, resume=path)


def test_compiled_steps_are_those_of_numpy(images):
    pytest.importorskip("numba")

    def plain(**options):
        layers = [nn.Flatten((4, 5, 2)), nn.Dense(40, 6), nn.Tanh(), nn.Dense(6, 2)]
        return nn.Sequential(layers, rng=0, dtype=np.float64, **options)

    for options in ({}, {"replicas": 3}):
        one, other = plain(**options), plain(**options)
        history = train(one, *images, jit=True)
        train(other, *images)
        assert history.engine == "jit by the step: augment= makes each batch anew"
        np.testing.assert_allclose(one.params.values, other.params.values, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("own", [False, True])
def test_replicas_with_seeds_of_their_own_are_separate_runs(own, images, rng):
    X, y = images
    if own:
        X = np.stack([X, X[::-1], X + 1])
    many = net(replicas=3, rng=[1, 2, 3])
    history = train(many, X, y, rng=[4, 5, 6])
    for index in range(3):
        one = net(rng=index + 1)
        alone = train(one, X[index] if own else X, y, rng=index + 4)
        np.testing.assert_allclose(many.params.values[index], one.params.values, atol=1e-8)
        np.testing.assert_allclose([row[index] for row in history["loss"]], alone["loss"], atol=1e-8)


def test_batches_from_an_iterator_from_files_and_with_weights(images, tmp_path):
    X, y = images
    whole, stream, lazy = net(), net(), net()
    weight = np.linspace(0, 2, 40)
    given = {"shuffle": False, "weight": weight}
    train(whole, X, y, **given)
    np.save(tmp_path / "X.npy", X)
    train(lazy, np.load(tmp_path / "X.npy", mmap_mode="r"), y, **given)
    np.testing.assert_array_equal(lazy.params.values, whole.params.values)
    batches = [(X[part], y[part]) for part in (slice(0, 16), slice(16, 32), slice(32, 40))]
    train(stream, batches, batch_size=None)
    plain = net()
    train(plain, X, y, shuffle=False)
    np.testing.assert_array_equal(stream.params.values, plain.params.values)


def test_the_rows_of_the_user_cannot_be_changed(images):
    X, y = images
    kept = X.copy()

    def change(x, rng):
        x += 1
        return x

    with pytest.raises(ValueError, match="read-only"):
        train(net(), X, y, augment=change, shuffle=False)
    np.testing.assert_array_equal(X, kept)


@pytest.mark.parametrize(
    ("augment", "kind", "said"),
    [
        (3, ArgumentTypeError, r"a function \(x, rng\) that gives a batch like x, got 3"),
        (Flip, ArgumentTypeError, "a function .*, got <class"),
        (lambda x: x, ArgumentTypeError, r"a function .*, got one of \(x\)"),
        (
            lambda x, rng: x[:-1],
            ShapeError,
            r"an array of shape \(16, 4, 5, 2\), as .*, got \(15, ",
        ),
        (lambda x, rng: None, ArgumentTypeError, "an array of float64, got one of object"),
        (lambda x, rng: x.astype(str), ArgumentTypeError, "an array of float64, got one of <U"),
        (lambda x, rng: x / (x > 0), ArgumentError, "finite numbers, got others in row 0 of a batch"),
    ],
)
def test_what_it_gives_back_is_looked_at(augment, kind, said, images):
    model = net()
    before = model.params.values.copy()
    with pytest.raises(kind, match=rf"fit\(augment=\): expected {said}"), np.errstate(all="ignore"):
        train(model, *images, augment=augment)
    np.testing.assert_array_equal(model.params.values, before)


def test_what_cannot_be_augmented_is_refused(images):
    import scipy.sparse

    X, y = images
    with pytest.raises(ArgumentError, match="an optimizer that bears noise, got LBFGS"):
        train(nn.Sequential([nn.Flatten((4, 5, 2)), nn.Dense(40, 2)]), X, y, optimizer=nn.LBFGS())
    sparse = scipy.sparse.csr_array(X.reshape(40, -1))
    with pytest.raises(ArgumentTypeError, match="a dense X, got a sparse one"):
        train(nn.Sequential([nn.Dense(40, 2)]), sparse, y, augment=Noise(0.1))
    with pytest.raises(ArgumentTypeError, match="batches that are arrays, got sparse ones"):
        train(nn.Sequential([nn.Dense(40, 2)]), [(sparse, y)], augment=Noise(0.1), batch_size=None)
    flat = nn.Sequential([nn.Dense(40, 2)])
    with pytest.raises(ShapeError, match=r"Shift: expected images of shape \(batch, height"):
        train(flat, X.reshape(40, -1), y, augment=Shift(1))
    with pytest.raises(ShapeError, match="images of more than 4 pixels in each direction, got 4 x 5"):
        train(net(), X, y, augment=Shift(4))
