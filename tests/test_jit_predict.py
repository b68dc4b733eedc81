"""Predictions by compiled loops, beside those of NumPy."""

from __future__ import annotations

import copy
import gc
import pickle
import threading
import weakref

import numpy as np
import pytest

import nnlite as nn
from nnlite.errors import ArgumentError, ArgumentTypeError, NotFittedError
from nnlite.exchange.table import DESCRIPTIONS
from tests.compiled import CLOSE, assert_close

pytest.importorskip("numba")


def net(replicas=None, dtype=np.float32):
    layers = [nn.Dense(6, 16), nn.Tanh(), nn.Residual([nn.Dense(16, 16), nn.ReLU()]), nn.Dense(16, 3)]
    return nn.Sequential(layers, rng=0, replicas=replicas, dtype=dtype)


def rows(count, shape=(6,), seed=0):
    return np.random.default_rng(seed).normal(size=(count, *shape))


@pytest.mark.parametrize("count", [1, 5, 128, 129, 1000, 5000])
@pytest.mark.parametrize("replicas", [None, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_any_number_of_rows(count, replicas, dtype):
    model, X = net(replicas, dtype), rows(count)
    found = model.predict(X, jit=True)
    assert found.dtype == dtype
    assert_close(found, model.predict(X), CLOSE[np.dtype(dtype)])


def test_inputs_of_each_replica():
    model, X = net(3), rows(3 * 300).reshape(3, 300, 6)
    assert_close(model.predict(X, jit=True), model.predict(X), 1e-6)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_same_bits_with_any_number_of_threads(threads, monkeypatch):
    model, X = net(), rows(3000)
    expected = model.predict(X, jit=True)
    monkeypatch.setattr("nnlite.jit.predict.SHARED", 1)
    monkeypatch.setattr("nnlite.jit.predict.allowed", lambda: threads)
    assert (model.predict(X, jit=True) == expected).all()


def test_a_place_for_the_output():
    model, X = net(), rows(700)
    expected = model.predict(X, jit=True)
    for out in (
        np.empty((700, 3), np.float32),
        np.empty((700, 6), np.float32)[:, ::2],
        np.empty((3, 700), np.float32).T,
    ):
        assert model.predict(X, jit=True, out=out) is out
        assert (out == expected).all()


def test_it_follows_the_net():
    """A program is kept for the next call, and must not be for a net as it was."""
    model, X = net(), rows(40)
    model.predict(X, jit=True)
    model[0].W[...] *= 2
    assert_close(model.predict(X, jit=True), model.predict(X), 1e-6)
    leaky = nn.Sequential([nn.Dense(6, 4), nn.LeakyReLU(0.1)], rng=0)
    leaky.predict(X, jit=True)
    leaky[1].negative_slope = 0.5
    assert_close(leaky.predict(X, jit=True), leaky.predict(X), 1e-6)
    scaled = nn.Sequential([nn.Standardize(6), nn.Dense(6, 1)], rng=0)
    for spread in (1.0, 10.0):
        scaled[0].adapt(X * spread)
        assert_close(scaled.predict(X, jit=True), scaled.predict(X), 1e-6)


def test_what_is_kept_for_a_net_goes_with_it_and_is_not_copied():
    model = nn.Sequential([nn.Dense(6, 1)], rng=0)
    size = len(pickle.dumps(model))
    assert_close(model.predict(rows(3), jit=True), model.predict(rows(3)), 1e-6)
    assert len(pickle.dumps(model)) == size
    twin = copy.deepcopy(model)
    twin[0].W[...] += 1
    assert_close(twin.predict(rows(3), jit=True), twin.predict(rows(3)), 1e-6)
    kept = weakref.ref(model._programs[0])
    del model
    gc.collect()
    assert kept() is None


def test_several_threads_at_once():
    model = net()
    inputs = [rows(200, seed=seed) for seed in range(8)]
    expected = [model.predict(X, jit=True) for X in inputs]
    wrong = []

    def work(number):
        for _ in range(50):
            found = model.predict(inputs[number], jit=True)
            wrong.extend(np.flatnonzero(found != expected[number]))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("layer", sorted(DESCRIPTIONS, key=lambda one: one.__name__))
def test_every_layer(layer):
    for make in DESCRIPTIONS[layer].samples:
        one = make()
        shape = one.input_shape or (4,)
        model = nn.Sequential([one], rng=0, dtype=np.float64)
        X = rows(20, shape)
        if hasattr(one, "draw_input"):
            X = one.draw_input(np.random.default_rng(0), (20, *shape))
        if not model.adapted:
            one.adapt(X)
        assert_close(model.predict(X, jit=True), model.predict(X), 1e-12, repr(one))


def test_evaluate():
    model, X, y = net(), rows(300), rows(300, (3,), seed=1)
    given = {"loss": nn.MeanSquaredError(), "metrics": [nn.r2]}
    found, expected = model.evaluate(X, y, **given, jit=True), model.evaluate(X, y, **given)
    assert found.keys() == expected.keys()
    np.testing.assert_allclose(list(found.values()), list(expected.values()), rtol=1e-5)


@pytest.mark.parametrize("replicas", [None, 3])
def test_block_by_block(replicas):
    model, X = net(replicas), rows(300)
    blocks = [X[:128], X[:0], X[128:192], X[192:]]
    found = list(model.predict_blocks(iter(blocks), jit=True))
    assert vars(model)["_programs"]
    assert [len(pred.swapaxes(0, -2)) for pred in found] == list(map(len, blocks))
    assert (np.concatenate(found, axis=-2) == model.predict(X, jit=True)).all()


def test_ensemble():
    model, X = net(5), rows(300)
    found = model.ensemble(X, members=[0, 3], jit=True)
    assert vars(model)["_programs"]
    assert (found.members == model.predict(X, jit=True)[[0, 3]]).all()


def test_what_is_not_covered_runs_through_numpy():
    class Mine(nn.Tanh):
        def forward(self, x, ctx=None):
            return super().forward(x, ctx) + 1

    model, X = nn.Sequential([nn.Dense(6, 3), Mine()], rng=0), rows(30)
    assert (model.predict(X, jit=True) == model.predict(X)).all()
    sparse = pytest.importorskip("scipy.sparse")
    matrix = sparse.csr_array(np.where(X > 1, X, 0))
    assert (net().predict(matrix, jit=True) == net().predict(matrix)).all()


def test_a_model_that_is_a_layer_of_another_one():
    part, X = nn.Sequential([nn.Dense(6, 6), nn.Tanh()], rng=0), rows(30)
    part.predict(X, jit=True)  # whose program was written for its own numbers
    whole = nn.Sequential([part, nn.Dense(6, 3)], rng=1)
    assert_close(whole.predict(X, jit=True), whole.predict(X), CLOSE[np.dtype(np.float32)])
    assert (part.predict(X, jit=True) == part.predict(X)).all()


def test_refused():
    with pytest.raises(ArgumentTypeError, match=r"Sequential.predict\(jit=\)"):
        net().predict(rows(2), jit="yes")
    with pytest.raises(ArgumentError, match="finite"):
        net().predict(np.full((2, 6), np.nan), jit=True)
    ids = nn.Sequential([nn.Embedding(3, 2), nn.Dense(2, 1)], rng=0)
    with pytest.raises(ArgumentError, match="ids from 0 to 2"):
        ids.predict([[7]], jit=True)
    with pytest.raises(NotFittedError):
        nn.Sequential([nn.Standardize(6)]).predict(rows(2), jit=True)


@pytest.mark.parametrize("value", [0, 1, None, "yes"])
def test_jit_is_true_or_false(value):
    model = net(2)
    for predict in (model.predict, model.predict_blocks, model.ensemble):
        where = rf"^Sequential\.{predict.__name__}\(jit=\): expected True or False"
        with pytest.raises(ArgumentTypeError, match=where):
            predict(rows(2), jit=value)
