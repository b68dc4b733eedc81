"""Compiled layers over time against NumPy: padding, both directions, layers before them, threads, length."""

from __future__ import annotations

import copy

import numpy as np
import pytest

pytest.importorskip("numba")

from compiled import CLOSE, assert_close, train

import nnlite as nn
from nnlite.jit import engine, predict
from nnlite.jit.layers import recurrent

DTYPES = [np.float32, np.float64]
CELLS = [nn.SimpleRNN, nn.GRU, nn.LSTM]
ROWS, STEPS = 7, 9


def padded(rng, rows=ROWS, steps=STEPS, features=3, padding=0.0):
    """Draw sequences of any length, one of them without a step and one of them whole."""
    x = rng.normal(size=(rows, steps, features))
    lengths = rng.integers(0, steps + 1, rows)
    lengths[:2] = 0, steps
    for row, length in zip(x, lengths, strict=True):
        row[length:] = padding
        row[: length // 2] = padding  # steps, since others follow
    return x


def compare(layers, X, *, dtype=np.float64, replicas=None, epochs=1, **options):
    """Train with and without kernels, and compare gradients, weights and predictions."""
    model = nn.Sequential(copy.deepcopy(layers), rng=0, dtype=dtype, replicas=replicas)
    y = np.random.default_rng(1).normal(size=(len(X), *model.output_shape))
    given = {"optimizer": nn.SGD(0.1), "batch_size": len(X), "epochs": epochs, **options}
    one, _, history = train(model, X, y, jit=True, **given)
    other, _, _ = train(model, X, y, jit=False, **given)
    assert history.engine == "jit"
    tolerance = 10 * CLOSE[np.dtype(dtype)]
    largest = np.abs(other.params.grads).max()
    for name in other.params:
        assert_close(one.params.grad(name), other.params.grad(name), tolerance, name, least=largest)
    assert_close(one.params.numbers, other.params.numbers, tolerance)
    assert_close(other.predict(X, jit=True), other.predict(X), tolerance)


@pytest.fixture(params=[1, 2, 3, 16])
def team(request, monkeypatch):
    """Let so many threads share each program: also more than there are rows."""
    monkeypatch.setattr("nnlite.jit.steps.allowed", lambda: request.param)
    monkeypatch.setattr(engine, "SHARED", 0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("direction", ["forward", "backward", "both"])
@pytest.mark.parametrize("make", CELLS)
def test_padded_sequences_with_a_layer_before_and_behind(make, direction, dtype, rng):
    wide = 8 if direction == "both" else 4
    layers = [
        nn.Input((STEPS, 3)),
        nn.TimeDistributed([nn.Dense(3, 5), nn.Tanh()], padding=0.0),
        make(5, 4, sequences=True, direction=direction, padding=0.0),
        make(wide, 4, direction=direction, padding=0.0),
        nn.Dense(wide, 2),
    ]
    X = padded(rng)
    compare(layers, X, dtype=dtype, weight=rng.uniform(0.2, 3, ROWS))
    many = np.stack([X, X[::-1], padded(rng)])
    model = nn.Sequential(layers, rng=0, dtype=dtype, replicas=3)
    assert_close(model.predict(many, jit=True), model.predict(many), 10 * CLOSE[np.dtype(dtype)])


@pytest.mark.parametrize("make", CELLS)
def test_some_rows_for_each_thread(make, team, rng):
    layers = [nn.Input((STEPS, 3)), make(3, 4, sequences=True, direction="both", padding=0.0)]
    layers += [make(8, 5), nn.Dense(5, 1)]
    compare(layers, padded(rng), epochs=2, batch_size=4)  # and three rows behind them


@pytest.mark.parametrize("padding", [0.0, -1.0])
@pytest.mark.parametrize("causal", [False, True])
def test_attention_to_padded_sequences(causal, padding, team, rng):
    layers = [
        nn.Input((STEPS, 3)),
        nn.PositionEmbedding(STEPS + 2, 3, padding=padding),
        nn.TimeDistributed([nn.Dense(3, 6)], padding=padding),
        nn.SelfAttention(6, heads=3, causal=causal, padding=padding),
        nn.SelfAttention(6, causal=causal, padding=padding),
        nn.Concatenate([nn.GRU(6, 2, padding=padding), nn.GlobalAveragePool(1, padding=padding)]),
    ]
    compare(layers, padded(rng, padding=padding), epochs=2, batch_size=4)


@pytest.mark.parametrize("dtype", DTYPES)
def test_tokens(dtype, team, rng):
    layers = [
        nn.Input((STEPS,)),
        nn.TokenEmbedding(5, 4, padding=2),
        nn.PositionEmbedding(STEPS, 4, padding=0.0),
        nn.LSTM(4, 3, padding=0.0),
    ]
    X = rng.integers(0, 5, (ROWS, STEPS)).astype(float)
    X[2, 3:] = X[3] = 2
    compare(layers, X, dtype=dtype, epochs=2, batch_size=4)
    model = nn.Sequential([nn.Input((STEPS,)), nn.TokenEmbedding(5, 4), nn.GRU(4, 1)], rng=0)
    X[4, 1] = 7
    for jit in (False, True):
        with pytest.raises(nn.errors.ArgumentError, match=r"ids from 0 to 4.*7 in step 1 of row 4"):
            model.predict(X, jit=jit)


def test_tokens_beside_numbers(rng):
    """Ids are looked at that only a branch gets."""
    words = nn.Sequential([nn.Columns([1, 2, 3], of=5), nn.TokenEmbedding(4, 3), nn.GRU(3, 2)])
    numbers = nn.Sequential([nn.Columns([0, 4], of=5), nn.Dense(2, 2)])
    layers = [nn.Concatenate([words, numbers]), nn.Dense(4, 1)]
    X = rng.normal(size=(ROWS, 5))
    X[:, 1:4] = rng.integers(0, 4, (ROWS, 3))
    compare(layers, X)
    X[5, 2] = 4
    with pytest.raises(nn.errors.ArgumentError, match=r"ids from 0 to 3.*4 in step 1 of row 5"):
        compare(layers, X)


@pytest.mark.parametrize("replicas", [None, 3, 20])
def test_replicas(replicas, rng):
    layers = [nn.Input((STEPS, 3)), nn.GRU(3, 4, sequences=True), nn.SelfAttention(4, 2), nn.LSTM(4, 2)]
    compare(layers, padded(rng), replicas=replicas)


@pytest.mark.parametrize("units", [3, 70])
@pytest.mark.parametrize("make", CELLS)
def test_more_steps_and_rows_than_are_kept_or_multiplied_at_a_time(make, units, rng, monkeypatch):
    """The same bits whatever threads there are, and those of a training that keeps all."""
    rows, steps = 2 * predict.BLOCK + 5, 2 * recurrent.KEPT + 3
    assert rows * 70 > recurrent.AHEAD
    layers = [nn.Input((steps, 3)), make(3, units, padding=0.0), nn.Dense(units, 1)]
    X = padded(rng, rows, steps)
    compare(layers, X)
    model = nn.Sequential(layers, rng=0)
    found = model.predict(X, jit=True)
    assert_close(found, model.predict(X), CLOSE[np.dtype(np.float32)])
    monkeypatch.setattr(predict, "SHARED", 1)
    monkeypatch.setattr(predict, "allowed", lambda: 3)
    assert (model.predict(X, jit=True) == found).all()


def test_threads_pay_by_the_steps():
    """A few weights that every step is multiplied by are much work."""

    def work(steps):
        model = nn.Sequential([nn.Input((steps, 8)), nn.GRU(8, 16), nn.Dense(16, 1)], rng=0)
        model.predict(np.zeros((1, steps, 8)), jit=True)
        return model._programs[0].program.work

    assert work(100) > 90 * work(1)


def test_other_settings_are_noticed():
    model = nn.Sequential([nn.Input((STEPS, 3)), nn.GRU(3, 4, padding=0.0)], rng=0)
    X = padded(np.random.default_rng(0))
    for padding in (0.0, None):
        model[1].padding = padding
        assert_close(model.predict(X, jit=True), model.predict(X), CLOSE[np.dtype(np.float32)])
