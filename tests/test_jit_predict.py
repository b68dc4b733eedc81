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
from tests.samples import before, draw

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
    X = X.astype(np.float32)
    assert (model.predict(X, jit=True) == expected).all()
    assert len(model._programs) == threads
    for row in (0, 1500, 2999):  # whoever of them meets it
        X[row, 3] = np.nan
        with pytest.raises(ArgumentError, match=rf"NaN at index \({row}, 3\)"):
            model.predict(X, jit=True)
        X[row, 3] = 0


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


def test_it_follows_the_net_where_rows_are_like_the_last_ones():
    X = rows(4).astype(np.float32)
    layers = [nn.Standardize(6), nn.Dense(6, 4), nn.LeakyReLU(0.1), nn.Dense(4, 2)]
    model = nn.Sequential(layers, rng=0)
    model[0].adapt(X)
    seen_before(model, X)
    for change in (
        lambda: model[0].adapt(X * 3),
        lambda: setattr(model[2], "negative_slope", 0.5),
        lambda: model.params.values.__imul__(2),
        lambda: model.fit(X, X[:, :2], loss=nn.MeanSquaredError(), optimizer=nn.SGD(0.1), epochs=1),
    ):
        before = model.predict(X)
        change()
        assert (model.predict(X) != before).any()
        assert_close(model.predict(X, jit=True), model.predict(X), 1e-6)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        twin[1].W[...] += 1
        assert_close(twin.predict(X, jit=True), twin.predict(X), 1e-6)
    assert_close(model.predict(X, jit=True), model.predict(X), 1e-6)


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


@pytest.mark.parametrize("count", [3, 200])
def test_several_threads_at_once(count):
    model = net()
    inputs = [rows(count, seed=seed).astype(np.float32) for seed in range(8)]
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


def seen_before(model, X):
    """Let a model predict for such rows, so that it knows them when they come again."""
    model.predict(X, jit=True)
    assert model._programs.again(model, np.ones((1, 6), model.dtype)) is not None
    return model


@pytest.mark.parametrize("replicas", [None, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_like_the_last_ones(replicas, dtype):
    """They go another way, without most of the checks, to the same bits."""
    X = rows(20).astype(dtype)
    model = seen_before(net(replicas, dtype), rows(5))
    apart = np.asfortranarray(X[10:15])
    others = X[:5].astype(np.float64), X[:5].tolist(), X[:4], X[:1], np.tile(X, (50, 1)), np.tile(X.T, 50).T
    for given in (X[:5], X[5:10], X[15:10:-1], apart, *others):
        found, expected = model.predict(given, jit=True), net(replicas, dtype).predict(given, jit=True)
        assert found.dtype == dtype
        assert found.shape == expected.shape
        assert (found == expected).all()
    if replicas:
        own = rows(15).astype(dtype).reshape(3, 5, 6)
        for given in (own, own[::-1], X[:5]):
            expected = net(replicas, dtype).predict(given, jit=True)
            assert (model.predict(given, jit=True) == expected).all()


def test_rows_in_float64_go_the_short_way_too():
    X = rows(200)
    model = seen_before(net(), X[:5])
    for count in (1, 5, 200):
        found = model._programs.again(model, X[:count])
        assert (found == net().predict(X[:count].astype(np.float32), jit=True)).all()
        bad = X[:count].copy()
        bad[-1, 2] = 1e300
        with pytest.raises(ArgumentError, match="too large for float32") as told:
            model.predict(bad)
        with pytest.raises(ArgumentError) as also:
            model.predict(bad, jit=True)
        assert str(also.value) == str(told.value)


@pytest.mark.parametrize("count", [1, 64, 65])
def test_few_rows_go_where_they_are_to_go(count):
    X, out = rows(count), np.zeros((count, 3), np.float32)
    model = net()
    assert model.predict(X, out=out, jit=True) is out
    assert (out == model.predict(X, jit=True)).all()


@pytest.mark.parametrize("replicas", [None, 3])
def test_a_net_that_takes_any_number_of_axes(replicas):
    model = nn.Sequential([nn.Tanh()], replicas=replicas)
    for shape in ((5, 3), (3, 5, 3), (4, 5, 3)):
        X = rows(shape[0], shape[1:])
        for _ in range(2):
            np.testing.assert_array_equal(model.predict(X, jit=True), model.predict(X))


def test_a_method_that_is_put_on_a_layer_is_called():
    model, X = net(), rows(5)
    before = model.predict(X, jit=True)
    plain = model[1].forward
    model[1].forward = lambda *given, **more: 0 * plain(*given, **more)
    assert (model.predict(X, jit=True) == model.predict(X)).all()
    assert (model.predict(X, jit=True) != before).any()


def test_an_output_is_the_users():
    X = rows(3).astype(np.float32)
    model = seen_before(net(), X)
    first = model.predict(X, jit=True)
    kept = first.copy()
    model.predict(X + 1, jit=True)
    assert (first == kept).all()
    first[...] = 0
    assert (model.predict(X, jit=True) == kept).all()
    X *= 2
    assert_close(model.predict(X, jit=True), model.predict(X), 1e-6)


@pytest.mark.parametrize("replicas", [None, 2])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_not_finite_among_rows_like_the_last_ones(replicas, value):
    X = rows(3).astype(np.float32)
    model, expected = seen_before(net(replicas), X), net(replicas).predict(X, jit=True)
    for place in np.ndindex(X.shape):
        bad = X.copy()
        bad[place] = value
        with pytest.raises(ArgumentError) as told:
            net(replicas).predict(bad)
        with pytest.raises(ArgumentError) as found:
            model.predict(bad, jit=True)
        assert str(found.value) == str(told.value)
        again = model._programs.again(model, X)
        assert again is not None
        assert (again == expected).all()
    many = np.concatenate([X] * 100)
    expected = model.predict(many, jit=True)
    assert (model._programs.again(model, many) == expected).all()
    for place in ((0, 0), (63, 5), (64, 0), (299, 5)):
        bad = many.copy()
        bad[place] = value
        with pytest.raises(ArgumentError, match="finite") as told:
            model.predict(bad)
        for out in (None, np.full(expected.shape, 7, np.float32)):
            with pytest.raises(ArgumentError, match="finite") as found:
                model.predict(bad, jit=True, out=out)
            assert str(found.value) == str(told.value)
            assert out is None or (out == 7).all()
    assert (model.predict(many, jit=True) == expected).all()
    X[0] = 1e25  # whose square float32 does not hold
    assert model.predict(X[:, ::-1], jit=True).shape == model.predict(X).shape


@pytest.mark.parametrize(
    "given",
    [
        *(np.ones(shape, np.float32) for shape in ((3, 5), (6,), (0, 6), (1, 3, 6))),
        *(np.ones((3, 6)).astype(dtype) for dtype in (complex, str)),
        np.ma.masked_array(np.ones((3, 6), np.float32), mask=np.eye(3, 6)),
        "a",
        None,
    ],
)
def test_what_does_not_fit_is_refused_as_the_first_time(given):
    def say(model):
        try:
            return model.predict(given, jit=True)
        except (ArgumentError, ArgumentTypeError) as error:
            return str(error)

    expected = say(net())
    assert isinstance(expected, str)
    assert str(say(seen_before(net(), rows(3)))) == expected


def test_what_is_looked_at_each_time():
    X = rows(3).astype(np.float32)
    with pytest.raises(ArgumentTypeError, match="batch_size"):
        seen_before(net(), X).predict(X, jit=True, batch_size="all")
    ids = nn.Sequential([nn.Embedding(3, 2), nn.Dense(2, 1)], rng=0)
    ids.predict(np.ones((2, 1), np.float32), jit=True)
    with pytest.raises(ArgumentError, match="ids from 0 to 2"):
        ids.predict(np.full((2, 1), 3, np.float32), jit=True)
    exact = nn.Sequential([nn.Standardize(6), nn.Dense(6, 1)], rng=0)
    exact[0].adapt(rows(9))
    exact.predict(rows(2), jit=True)
    with pytest.raises(ArgumentError, match="finite"):
        exact.predict(rows(2) * 1e200, jit=True)


def test_a_table_goes_by_its_encoder_each_time():
    table = {"a": [1.0, 2.0], "b": [3.0, 5.0]}
    encoder = nn.TableEncoder().fit(table)
    model = nn.Sequential([nn.Dense(2, 1)], preprocessing=encoder, rng=0)
    rows_of_numbers = encoder.transform(table).astype(np.float32)
    expected = model.predict(table, jit=True)
    with pytest.raises(ArgumentTypeError, match="a table"):
        model.predict(rows_of_numbers, jit=True)
    model.takes_encoded = True
    assert (model.predict(rows_of_numbers, jit=True) == expected).all()


@pytest.mark.parametrize("layer", sorted(DESCRIPTIONS, key=lambda one: one.__name__))
def test_every_layer(layer):
    for make in DESCRIPTIONS[layer].samples:
        one = make()
        model = nn.Sequential([*before(one), one], rng=0, dtype=np.float64)
        X = draw(one, np.random.default_rng(0), 20)
        if not model.adapted:
            one.adapt(X)
        assert_close(model.predict(X, jit=True), model.predict(X), 1e-12, repr(one))
        assert_close(model.predict(X[::-1], jit=True), model.predict(X)[::-1], 1e-12, repr(one))


def test_evaluate():
    model, X, y = net(), rows(300), rows(300, (3,), seed=1)
    given = {"loss": nn.MeanSquaredError(), "metrics": [nn.r2]}
    found, expected = model.evaluate(X, y, **given, jit=True), model.evaluate(X, y, **given)
    assert found.keys() == expected.keys()
    np.testing.assert_allclose(list(found.values()), list(expected.values()), rtol=1e-5)


@pytest.mark.parametrize("replicas", [None, 3])
def test_block_by_block(replicas):
    model, X = net(replicas), rows(300)
    blocks = [X[:0], X[:128], X[:0], X[128:192], X[192:]]
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
    part, X = nn.Sequential([nn.Dense(6, 6), nn.Tanh()], rng=0), rows(30).astype(np.float32)
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
