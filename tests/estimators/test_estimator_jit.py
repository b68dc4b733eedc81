"""Estimators with ``jit=True``: the same answers, and an engine that says what it covered."""

import pickle
import sys

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.9")
pytest.importorskip("numba")

from estimator_data import quick
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

import nnlite as nn
from nnlite.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings(f"ignore::{ConvergenceWarning.__module__}.ConvergenceWarning")
each = pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])


def rows_of(data, kind):
    return (data.iris, data.species) if kind is MLPClassifier else (data.X, data.y)


def assert_close(found, expected):
    for ours, theirs in zip(found.coefs_, expected.coefs_, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.loss_curve_, expected.loss_curve_, rtol=1e-9)


@each
def test_it_is_a_parameter_like_others(kind):
    assert kind().jit is False
    assert kind().get_params()["jit"] is False
    net = kind().set_params(jit=True)
    assert clone(net).jit is True
    assert "jit=True" in repr(net)
    with pytest.raises(ValueError, match="jit"):
        kind(jit="fast").fit([[0.0], [1.0]], [0, 1])


@each
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"alpha": 0.0},
        {"solver": "sgd", "learning_rate": "adaptive", "tol": 0.1, "n_iter_no_change": 2, "alpha": 0.1},
        {"solver": "sgd", "learning_rate": "invscaling", "nesterovs_momentum": False, "batch_size": 17},
        {"early_stopping": True, "hidden_layer_sizes": (8, 4), "activation": "tanh", "alpha": 1.0},
        {"batch_size": 33, "solver": "sgd", "momentum": 0.0, "shuffle": False},
        {"scale_inputs": True, "callbacks": [nn.ReduceOnPlateau(monitor="loss", patience=1)]},
    ],
    ids=lambda settings: ", ".join(settings) or "plain",
)
def test_the_same_net_comes_of_it(data, kind, settings):
    X, y = rows_of(data, kind)
    expected = quick(kind, max_iter=20, **settings).fit(X, y)
    found = quick(kind, max_iter=20, jit=True, **settings).fit(X, y)
    assert_close(found, expected)
    assert expected.history_.engine == "numpy"
    assert found.history_.engine == "jit"
    assert found.n_iter_ == expected.n_iter_
    assert found.t_ == expected.t_
    np.testing.assert_allclose(found.score(X, y), expected.score(X, y), rtol=1e-9)


@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("kind", "target", "settings"),
    [
        (MLPRegressor, "y", {}),
        (MLPRegressor, "several", {}),
        (MLPRegressor, "counts", {"loss": "poisson"}),
        (MLPRegressor, "several", {"loss": nn.Huber(0.5)}),
        (MLPClassifier, "labels", {}),
        (MLPClassifier, "binary", {}),
        (MLPClassifier, "binary", {"class_weight": "balanced"}),
        (MLPClassifier, "binary", {"loss": nn.Hinge()}),
    ],
    ids=lambda value: getattr(value, "__name__", repr(value)),
)
def test_every_loss_and_rule_of_weights(data, kind, target, settings, weighted, solver):
    y, settings = getattr(data, target), {"solver": solver, "alpha": 0.03, "batch_size": 50, **settings}
    weight = data.weight if weighted else None
    expected = quick(kind, **settings).fit(data.X, y, weight)
    found = quick(kind, jit=True, **settings).fit(data.X, y, weight)
    assert found.history_.engine == "jit"
    assert_close(found, expected)


@pytest.mark.parametrize("target", ["y", "several"])
def test_missing_targets(data, target):
    y = getattr(data, target).copy()
    y[::7] = np.nan
    nets = [
        quick(MLPRegressor, mask_missing_targets=True, scale_targets=True, jit=jit).fit(data.X, y)
        for jit in (False, True)
    ]
    assert nets[1].history_.engine == "jit"
    assert_close(nets[1], nets[0])


def test_counts_of_zero_and_large_ones(data):
    counts = np.where(np.arange(120) % 2, 0.0, data.counts * 10)
    nets = [quick(MLPRegressor, loss="poisson", jit=jit).fit(data.X, counts) for jit in (False, True)]
    assert_close(nets[1], nets[0])


@each
def test_a_step_at_a_time_it_is_the_same(data, kind):
    class Look(nn.Callback):
        def on_batch_end(self, state):
            """See each batch."""

    X, y = rows_of(data, kind)
    settings = {"alpha": 0.1, "batch_size": 40, "jit": True}
    found = quick(kind, callbacks=[Look()], **settings).fit(X, y)
    assert found.history_.engine == "jit by the step: Look looks at each batch"
    assert_close(found, quick(kind, **settings).fit(X, y))
    slowly = quick(kind, max_time=60, **settings).fit(X, y)
    assert slowly.history_.engine == "jit"
    assert_close(slowly, found)


@each
@pytest.mark.nonfinite
def test_divergence_is_told_in_the_same_words(data, kind):
    X, y = rows_of(data, kind)
    said = []
    for jit in (False, True):
        net = quick(kind, solver="sgd", learning_rate_init=1e200, activation="identity", jit=jit)
        with pytest.raises(ValueError, match="non-finite parameter weights") as error:
            net.fit(X, y)
        said.append(f"{error.value}".partition("(fit")[0])
    assert said[0] == said[1]


@each
def test_calls_that_go_on_are_compiled_too(data, kind):
    X, y = rows_of(data, kind)
    nets = [quick(kind, jit=jit, warm_start=True) for jit in (False, True)]
    for net in nets:
        net.fit(X, y).fit(X, y)
        for _ in range(3):
            net.partial_fit(X, y)
    assert_close(nets[1], nets[0])
    assert nets[1].history_.engine.startswith("jit")
    # It may be changed between two calls.
    assert nets[1].set_params(jit=False).partial_fit(X, y).history_.engine == "numpy"
    assert nets[0].set_params(jit=True).partial_fit(X, y).history_.engine.startswith("jit")


def test_one_seed_gives_the_same_bits_again(data):
    settings = {"jit": True, "dropout": 0.3, "hidden_layer_sizes": (16,)}
    first, again = (quick(MLPClassifier, **settings).fit(data.iris, data.species) for _ in range(2))
    for one, other in zip(first.coefs_, again.coefs_, strict=True):
        assert one.tobytes() == other.tobytes()


def test_sparse_rows(data):
    sparse = pytest.importorskip("scipy.sparse").csr_matrix(data.digits)
    nets = [quick(MLPClassifier, jit=jit).fit(sparse, data.digit) for jit in (False, True)]
    assert nets[1].history_.engine == "jit"
    assert_close(nets[1], nets[0])
    assert (nets[1].predict(sparse) == nets[0].predict(sparse)).all()


def test_what_is_not_covered_says_so(data):
    class Own(nn.Tanh):
        """Might compute anything."""

    net = quick(MLPClassifier, jit=True, activation=Own()).fit(data.iris, data.species)
    assert net.history_.engine == "numpy: Own has no kernel"
    net = quick(MLPRegressor, jit=True, solver="lbfgs").fit(data.X, data.y)
    assert net.history_.engine.startswith("numpy: ")
    assert net.history_.engine.endswith("has no kernel")


def test_it_outlives_a_pickle_which_may_be_older_than_it(data):
    net = quick(MLPClassifier, jit=True).fit(data.iris, data.species)
    loaded = pickle.loads(pickle.dumps(net))
    assert loaded.jit is True
    assert loaded.history_.engine == net.history_.engine
    assert (loaded.predict(data.iris) == net.predict(data.iris)).all()
    del vars(loaded)["jit"]
    assert loaded.get_params()["jit"] is False
    loaded.partial_fit(data.iris, data.species)
    assert loaded.history_.engine == "numpy"


def test_a_search_passes_it_on(data):
    net = quick(MLPClassifier, jit=True)
    search = GridSearchCV(net, {"alpha": [1e-4, 1e-2]}, cv=2).fit(data.iris, data.species)
    assert search.best_estimator_.history_.engine.startswith("jit")
    plain = GridSearchCV(net.set_params(jit=False), {"alpha": [1e-4, 1e-2]}, cv=2)
    expected = plain.fit(data.iris, data.species).cv_results_["mean_test_score"]
    np.testing.assert_allclose(search.cv_results_["mean_test_score"], expected)


@each
def test_prediction_is_compiled_too(data, kind, monkeypatch):
    X, y = rows_of(data, kind)
    settings = {"early_stopping": True, "calibration_fraction": 0.2}
    nets = [quick(kind, jit=jit, **settings).fit(X, y) for jit in (False, True)]
    np.testing.assert_allclose(nets[1].model_.predict(X), nets[0].model_.predict(X), rtol=1e-9, atol=1e-12)
    asked = []

    def predict(model, x, out=None):
        asked.append(x.shape)
        return model._predict(x[0] if x.ndim > 2 else x, 512)

    monkeypatch.setattr("nnlite.jit.predict.predict", predict)
    monkeypatch.setattr(
        "nnlite.jit.predict.Programs.again", lambda self, model, x: None
    )  # which would answer
    nets[0].predict(X)
    assert asked == []
    assert (nets[1].predict(X) == nets[1].set_params(jit=False).predict(X)).all()
    assert len(asked) == 1


@each
def test_without_numba_nothing_is_changed(data, kind, monkeypatch):
    X, y = rows_of(data, kind)
    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.setattr("nnlite.jit._is_there", False)
    net = quick(kind, jit=True)
    before = vars(net).copy()
    with pytest.raises(
        ModuleNotFoundError, match=rf"{kind.__name__}\(jit=True\): expected numba .*pip install"
    ):
        net.fit(X, y)
    assert vars(net) == before
    with pytest.raises(ModuleNotFoundError, match="numba"):
        net.partial_fit(X, y, **({"classes": [0, 1, 2]} if kind is MLPClassifier else {}))
    assert vars(net) == before
