"""What users put into training: penalties, orders of their own, names of columns, what encodes a table."""

import copy
import functools
import pickle

import numpy as np
import pytest

import nnlite as nn
from nnlite.errors import ArgumentError, ArgumentTypeError


class Ridge(nn.Callback):
    """A penalty of half the squared weights, written as a user would."""

    def __init__(self, strength):
        self.strength = strength
        self.rows = []

    def on_grad_computed(self, state):
        params = state.model.params
        weights = params.values[: params.decayed]
        params.grads[: params.decayed] += self.strength * weights
        state.batch_loss += 0.5 * self.strength * float(weights @ weights)
        self.rows.append(state.batch_rows)


def line(rng, rows=30):
    X = rng.normal(size=(rows, 3))
    return X, X @ [[1.0], [-2.0], [0.5]] + 0.3


def test_lbfgs_with_a_penalty_finds_the_ridge_solution(rng):
    X, y = line(rng)
    model = nn.Sequential([nn.Dense(3, 1)], dtype=np.float64, rng=0)
    optimizer = nn.LBFGS(gradient_tolerance=1e-12, value_tolerance=0)
    history = model.fit(X, y, loss=nn.MeanSquaredError(), optimizer=optimizer, callbacks=[Ridge(0.4)])
    # 2/n X^T (X w - y) + 0.4 w = 0, with the means taken out for the bias
    centred, gap = X - X.mean(0), y - y.mean()
    w = np.linalg.solve(centred.T @ centred + 0.2 * len(X) * np.eye(3), centred.T @ gap)
    np.testing.assert_allclose(model[0].W, w, rtol=1e-6)
    residual = model.predict(X) - y
    assert history["loss"][-1] == pytest.approx((residual**2).mean() + 0.2 * (w**2).sum(), rel=1e-9)


@pytest.mark.parametrize("weight", [None, np.arange(1.0, 31.0)])
def test_the_history_adds_up_what_the_hooks_leave(rng, weight):
    X, y = line(rng)
    ridge = Ridge(0.4)
    model = nn.Sequential([nn.Dense(3, 1)], dtype=np.float64, rng=0)
    start = model.params.values[:3].copy()
    options = {"loss": nn.MeanSquaredError(), "epochs": 1, "batch_size": 30, "weight": weight}
    bare = copy.deepcopy(model).fit(X, y, optimizer=nn.SGD(0.1), **options)
    history = model.fit(X, y, optimizer=nn.SGD(0.1), callbacks=[ridge], **options)
    assert history["loss"][0] - bare["loss"][0] == pytest.approx(0.2 * (start**2).sum(), rel=1e-12)
    assert ridge.rows == [30 if weight is None else weight.sum()]


def test_an_order_of_ones_own(rng):
    X, y = line(rng, 10)
    seen = []

    class Watch(nn.Layer):
        def forward(self, x, ctx=None):
            seen.extend(x[:, 0].tolist())
            return x

        def backward(self, dy, ctx):
            return dy

    asked = []

    def order(rows):
        asked.append(rows)
        return np.roll(np.arange(rows), len(asked))

    model = nn.Sequential([Watch(), nn.Dense(3, 1)], dtype=np.float64, rng=0)
    model.fit(X, y, loss=nn.MeanSquaredError(), optimizer=nn.SGD(0.01), epochs=2, batch_size=4, shuffle=order)
    assert asked == [10, 10]
    assert seen == [X[row, 0] for shift in (1, 2) for row in np.roll(np.arange(10), shift)]


@pytest.mark.parametrize("wrong", [[0, 0, 1], [0, 1], [0.0, 1.0, 2.0], [1, 2, 3], "abc", None])
def test_an_order_that_is_none_is_refused_and_nothing_changes(wrong):
    model = nn.Sequential([nn.Dense(1, 1)], rng=0)
    before = model.params.values.copy()
    with pytest.raises(ArgumentError, match=r"fit\(shuffle=\): expected a function that gives each number"):
        model.fit(
            np.ones((3, 1)),
            np.ones((3, 1)),
            loss=nn.MeanSquaredError(),
            optimizer=nn.SGD(0.1),
            shuffle=lambda rows: wrong,
        )
    np.testing.assert_array_equal(model.params.values, before)


def test_a_limit_of_evaluations(rng):
    X, y = line(rng)
    counts = {}
    for limit in (1, None):
        ridge = Ridge(0.0)
        model = nn.Sequential([nn.Dense(3, 4), nn.Tanh(), nn.Dense(4, 1)], dtype=np.float64, rng=0)
        history = model.fit(
            X,
            y,
            loss=nn.MeanSquaredError(),
            optimizer=nn.LBFGS(max_evaluations=limit),
            callbacks=[ridge],
            epochs=20,
        )
        counts[limit] = len(ridge.rows), len(history)
    assert counts[None][1] == 20
    assert counts[1][1] == 1 < counts[1][0] < counts[None][0]  # the iteration that was begun is ended
    with pytest.raises(ArgumentError, match=r"LBFGS\(max_evaluations=\)"):
        nn.LBFGS(max_evaluations=0)


class TestFeatureNames:
    def fitted(self):
        frame = {"a": [0.0, 1.0, 2.0], "b": [1.0, 0.0, 1.0]}
        model = nn.Sequential([nn.Dense(2, 1)], rng=0)
        model.feature_names = ["a", "b"]
        return model, frame

    def test_they_go_with_the_model(self):
        model, _ = self.fitted()
        assert model.feature_names == ("a", "b")
        for copied in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
            assert copied.feature_names == copied.boundary.feature_names == ("a", "b")
        replicas = nn.Sequential([nn.Dense(2, 1)], replicas=2)
        replicas.feature_names = ("a", "b")
        assert replicas.replica(1).feature_names == ("a", "b")

    @pytest.mark.parametrize(
        ("names", "error", "message"),
        [
            ("ab", ArgumentTypeError, "a list of names"),
            ([1, 2], ArgumentTypeError, "a list of names"),
            (["a", "a"], ArgumentError, "names that differ"),
            (["a"], ArgumentError, "a name for each feature"),
        ],
    )
    def test_bad_names(self, names, error, message):
        model, _ = self.fitted()
        with pytest.raises(error, match=message):
            model.feature_names = names
        assert model.feature_names == ("a", "b")


@pytest.mark.parametrize("candidate", [object(), nn.TableEncoder, "encoder"])
def test_what_is_no_encoder_is_refused(candidate):
    with pytest.raises(ArgumentTypeError, match=r"Sequential\(preprocessing=\): expected a fitted"):
        nn.Sequential([nn.Dense(2, 1)], preprocessing=candidate)


def test_an_encoder_must_fit_the_first_layer():
    encoder = nn.TableEncoder().fit({"a": [1.0, 2.0, 3.0]})
    with pytest.raises(ArgumentError, match=r"Begin the model with encoder.layer\(\)"):
        nn.Sequential([nn.Dense(2, 1)], preprocessing=encoder)


def train(callback):
    model = nn.Sequential([nn.Dense(1, 1)], rng=0)
    options = {"loss": nn.MeanSquaredError(), "optimizer": nn.SGD(0.1), "epochs": 5}
    return model.fit([[1.0]], [[2.0]], callbacks=[callback], **options)


def test_a_callback_may_stop_without_a_reason():
    class Stop(nn.Callback):
        def on_epoch_end(self, state):
            state.stop()

    history = train(Stop())
    assert (len(history), history.stop_reason) == (1, "a callback")


def test_stop_is_called_and_not_set():
    class Stop(nn.Callback):
        def on_epoch_end(self, state):
            state.stop = True

    with pytest.raises(ArgumentTypeError, match=r'Write state.stop\("why"\)'):
        train(Stop())


def test_a_method_that_nobody_calls_is_refused():
    with pytest.raises(ArgumentTypeError, match=r"Mine.on_epoch_ends: expected one of on_train_begin, "):

        class Mine(nn.Callback):
            def on_epoch_ends(self, state):
                pass


def test_a_sweep_takes_tables_and_refuses_sparse_rows(rng):
    table = {"size": rng.normal(size=30), "kind": ["a", "b", "c"] * 10}
    encoder = nn.TableEncoder().fit(table)
    model = nn.Sequential([encoder.layer(), nn.Dense(encoder.width, 1)], preprocessing=encoder)
    y = np.array([[1.0], [2.0], [3.0]] * 10)
    result = nn.sweep(model, table, y, learning_rate=[0.001, 0.1], epochs=20)
    assert result.best.predict(table).shape == (30, 1)
    sparse = pytest.importorskip("scipy.sparse").csr_array(rng.normal(size=(30, 2)))
    with pytest.raises(ArgumentTypeError, match=r"sweep\(X\): expected rows in memory"):
        nn.sweep(nn.Sequential([nn.Dense(2, 1)]), sparse, y, learning_rate=[0.1, 1.0], epochs=2)


def test_what_a_user_has_put_around_a_method_is_called_in_training():
    calls = []

    def counted(method):
        @functools.wraps(method)
        def call(*args):
            calls.append(1)
            return method(*args)

        return call

    class Counted(nn.Sigmoid):
        forward = counted(nn.Sigmoid.forward)

    layer = nn.Sigmoid()
    layer.forward = counted(layer.forward)
    for one in (Counted(), layer):
        model = nn.Sequential([nn.Dense(1, 2), one, nn.Dense(2, 1)], rng=0)
        calls.clear()
        model.fit([[0.0], [1.0]], [[0.0], [1.0]], loss=nn.MeanSquaredError(), optimizer=nn.SGD(), epochs=3)
        assert len(calls) >= 3
