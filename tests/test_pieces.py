"""Gradient accumulation on one process: a batch in pieces makes the step of the whole batch."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

import nnlite as nn
from nnlite.errors import ArgumentError


@pytest.fixture
def rows(rng):
    X = rng.normal(size=(50, 4))
    return X, np.sin(X[:, :2]), rng.uniform(0.1, 3, 50)


def net():
    layers = [nn.ParameterGroup([nn.Dense(4, 6)], l2=0.01), nn.LayerNorm(6), nn.Tanh(), nn.Dense(6, 2)]
    return nn.Sequential(layers, rng=0, dtype=np.float64)


def train(model, X, y, **given):
    options = {
        "loss": nn.MeanSquaredError(), "optimizer": nn.Adam(nn.CosineDecay(0.05)), "epochs": 3,
        "batch_size": 16, "rng": 0, "metrics": [nn.r2],
    }  # fmt: skip
    return model.fit(X, y, **options | given)


@pytest.mark.parametrize("pieces", [2, 3, 16, 10**9])
@pytest.mark.parametrize("weighted", [False, True, "zeros"])
def test_the_step_is_that_of_the_whole_batch(pieces, weighted, rows):
    X, y, weight = rows
    if weighted == "zeros":  # a whole batch of rows that do not count, and some in others
        weight[:20] = 0
    given = {"weight": weight if weighted else None, "shuffle": False, "validation": (X, y)}
    whole, parts = net(), net()
    expected, found = train(whole, X, y, **given), train(parts, X, y, accumulate=pieces, **given)
    np.testing.assert_allclose(parts.params.values, whole.params.values, rtol=1e-10, atol=1e-12)
    for name in ("loss", "r2", "validation_loss", "learning_rate"):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-10)


def test_batches_from_an_iterator(rows):
    X, y, _ = rows
    source = [(X[:20], y[:20]), (X[20:27], y[20:27]), (X[27:], y[27:])]
    whole, parts = net(), net()
    train(whole, source, None, batch_size=None)
    train(parts, source, None, batch_size=None, accumulate=4)
    np.testing.assert_allclose(parts.params.values, whole.params.values, rtol=1e-10, atol=1e-12)


def test_no_more_rows_at_a_time_than_a_piece_has(rows):
    class Count(nn.Layer):
        seen = ()

        def forward(self, x, ctx=None):
            type(self).seen += (len(x),)
            return x

        def backward(self, dy, ctx):
            return dy

    X, y, _ = rows
    model = nn.Sequential([Count(), nn.Dense(4, 2)])
    train(model, X, y, accumulate=3, epochs=1, metrics=[])
    assert Count.seen == (5, 5, 6) * 3 + (1, 1)
    assert sum(Count.seen) == 50


def test_a_training_goes_on_to_the_same_bits(tmp_path, rows):
    X, y, _ = rows
    path = tmp_path / "run.checkpoint"

    class Keep(nn.Callback):
        def on_batch_begin(self, state):
            if (state.epoch, state.batch) == (2, 2):
                shutil.copy(path, f"{path}.kept")

    def make():
        return nn.Sequential([nn.Dense(4, 6), nn.Dropout(0.3), nn.Dense(6, 2)], rng=0)

    callbacks = [Keep(), nn.Checkpoint(path, unit="steps")]
    whole, again = make(), make()
    train(whole, X, y, accumulate=3, callbacks=callbacks)
    train(again, X, y, accumulate=3, callbacks=callbacks, resume=f"{path}.kept")
    np.testing.assert_array_equal(again.params.values, whole.params.values)
    with pytest.raises(ArgumentError, match=r"the same accumulate as in the .* 3, got None"):
        train(make(), X, y, callbacks=callbacks, resume=path)


def test_compiled_loops_say_so(rows):
    pytest.importorskip("numba")
    X, y, _ = rows
    assert train(net(), X, y, accumulate=2, jit=True).engine == "numpy: batches in pieces"


@pytest.mark.parametrize(
    ("given", "model", "said"),
    [
        ({"accumulate": 0}, net, "an integer of at least 1, got 0"),
        ({"optimizer": nn.LBFGS()}, net, "an optimizer that .*, got LBFGS. Write batch_size="),
        ({"distributed": True}, net, "distributed=False, got distributed=True"),
        ({}, lambda: nn.Sequential([nn.Dense(4, 2)], replicas=3), "one net, got 3 replicas"),
        (
            {},
            lambda: nn.Sequential([nn.Dense(4, 4), nn.BatchNorm(4), nn.Dense(4, 2)]),
            "1, for a model with BatchNorm",
        ),
    ],
)
def test_what_does_not_come_in_pieces(given, model, said, rows):
    X, y, _ = rows
    model = model()
    before = model.params.values.copy()
    with pytest.raises(ArgumentError, match=rf"fit\(accumulate=\): expected {said}"):
        train(model, X, y, **{"accumulate": 2, **given})
    np.testing.assert_array_equal(model.params.values, before)
