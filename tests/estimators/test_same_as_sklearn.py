"""For the same seed, the estimators take the same steps as scikit-learn's: same weights, same loss curve."""

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.9")

from sklearn import neural_network as theirs
from sklearn.exceptions import ConvergenceWarning

from nnlite.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings(f"ignore::{ConvergenceWarning.__module__}.ConvergenceWarning")

BASE = {"hidden_layer_sizes": 12, "max_iter": 15, "batch_size": 32, "learning_rate_init": 0.01}
SETTINGS = {
    "adam": {},
    "adam, other betas": {"beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-3},
    "sgd": {"solver": "sgd"},
    "sgd without momentum": {"solver": "sgd", "momentum": 0},
    "sgd, momentum 1": {"solver": "sgd", "momentum": 1, "learning_rate_init": 1e-4},
    "sgd, not Nesterov": {"solver": "sgd", "nesterovs_momentum": False},
    "invscaling": {"solver": "sgd", "learning_rate": "invscaling", "power_t": 0.25},
    "adaptive": {"solver": "sgd", "learning_rate": "adaptive", "tol": 0.05, "n_iter_no_change": 2},
    "adaptive to its end": {
        "solver": "sgd",
        "learning_rate": "adaptive",
        "tol": 1.0,
        "n_iter_no_change": 1,
        "max_iter": 100,
    },
    "logistic": {"activation": "logistic"},
    "tanh": {"activation": "tanh", "hidden_layer_sizes": (9, 7)},
    "identity": {"activation": "identity"},
    "no hidden layer": {"hidden_layer_sizes": ()},
    "strong penalty": {"alpha": 3.0},
    "no penalty": {"alpha": 0.0},
    "in order": {"shuffle": False},
    "auto batches": {"batch_size": "auto"},
    "stops by tol": {"tol": 0.05, "n_iter_no_change": 2, "max_iter": 100},
    "early stopping": {"early_stopping": True, "max_iter": 40, "n_iter_no_change": 5},
    "early stopping, adaptive": {
        "early_stopping": True,
        "solver": "sgd",
        "learning_rate": "adaptive",
        "max_iter": 40,
        "n_iter_no_change": 2,
        "validation_fraction": 0.3,
    },
    "lbfgs": {"solver": "lbfgs"},
    "lbfgs, tanh": {"solver": "lbfgs", "activation": "tanh"},
}


def tasks(data):
    """Return for every kind of task: both estimators, and what `fit` is given."""
    of_classes, of_numbers = (MLPClassifier, theirs.MLPClassifier), (MLPRegressor, theirs.MLPRegressor)
    return {
        "ten classes": (of_classes, {}, (data.digits, data.digit)),
        "two classes": (of_classes, {}, (data.X, data.binary)),
        "two classes, weights": (of_classes, {}, (data.X, data.binary, data.weight)),
        "labels": (of_classes, {}, (data.X, data.labels)),
        "numbers": (of_numbers, {}, (data.X, data.y)),
        "numbers, weights": (of_numbers, {}, (data.X, data.y, data.weight)),
        "several numbers": (of_numbers, {}, (data.X, data.several)),
        "counts": (of_numbers, {"loss": "poisson"}, (data.X, data.counts)),
    }


def both(data, task, settings, how=lambda net, *given: net.fit(*given)):
    kinds, more, given = tasks(data)[task]
    return [how(kind(**BASE | {"random_state": 7} | settings | more), *given) for kind in kinds]


def assert_same(ours, their):
    assert len(ours.coefs_) == len(their.coefs_)
    for a, b in zip([*ours.coefs_, *ours.intercepts_], [*their.coefs_, *their.intercepts_], strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6)
        assert a.dtype == b.dtype
    np.testing.assert_allclose(ours.loss_, their.loss_, rtol=0, atol=1e-6)
    for name in ("loss_curve_", "validation_scores_", "best_loss_", "best_validation_score_"):
        a, b = getattr(ours, name, "missing"), getattr(their, name, "missing")
        if b is None or isinstance(b, str):
            assert a is None or isinstance(b, str), name
        else:
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-6)
    for name in ("n_iter_", "t_", "n_layers_", "n_outputs_", "out_activation_", "n_features_in_"):
        assert getattr(ours, name) == getattr(their, name), name
    if hasattr(their, "classes_"):
        np.testing.assert_array_equal(ours.classes_, their.classes_)


KINDS = (
    "ten classes",
    "two classes",
    "two classes, weights",
    "labels",
    "numbers",
    "numbers, weights",
    "several numbers",
    "counts",
)
# With L-BFGS and several numbers scikit-learn's loss is not that of its gradient: a test of its own is below.
CASES = [
    (task, name) for task in KINDS for name in SETTINGS if (task, name[:5]) != ("several numbers", "lbfgs")
]


@pytest.mark.parametrize(("task", "name"), CASES)
def test_training(data, task, name):
    ours, their = both(data, task, SETTINGS[name])
    assert_same(ours, their)
    X, y = tasks(data)[task][2][:2]
    np.testing.assert_allclose(ours.predict(X), their.predict(X), rtol=0, atol=1e-6)
    assert ours.score(X, y) == pytest.approx(their.score(X, y))
    if hasattr(their, "predict_proba"):
        chances = their.predict_proba(X)
        np.testing.assert_allclose(ours.predict_proba(X), chances, rtol=0, atol=1e-6)
        likely = chances > 1e-6  # of others the logarithm of what is left of 1 - p has few digits
        np.testing.assert_allclose(ours.predict_log_proba(X)[likely], np.log(chances[likely]), atol=1e-6)


@pytest.mark.parametrize("task", ["ten classes", "two classes, weights", "labels", "numbers", "counts"])
def test_loss_curve_of_lbfgs(data, task):
    """scikit-learn keeps none, so it is run again and again."""
    kinds, more, given = tasks(data)[task]
    settings = BASE | {"random_state": 7, "solver": "lbfgs", "activation": "tanh"} | more
    curve = kinds[0](**settings | {"max_iter": 21}).fit(*given).loss_curve_
    steps = [n for n in (1, 2, 3, 5, 8, 13, 21) if n <= len(curve)]
    assert len(steps) >= 5
    after = [kinds[1](**settings | {"max_iter": n}).fit(*given).loss_ for n in steps]
    np.testing.assert_allclose([curve[n - 1] for n in steps], after, rtol=0, atol=1e-6)


def test_lbfgs_with_several_outputs_lowers_what_it_says(data):
    """The loss that scikit-learn hands to SciPy is a third of that whose gradient it hands over.

    With a third of the gradient's scale both are the same function, up to the penalty.
    """
    settings = BASE | {"random_state": 7, "solver": "lbfgs", "max_iter": 100, "alpha": 0.0, "tol": 1e-8}
    ours = MLPRegressor(**settings).fit(data.X, data.several)
    their = theirs.MLPRegressor(**settings).fit(data.X, data.several)
    gap = (ours.predict(data.X) - data.several) ** 2
    assert ours.loss_ == pytest.approx(0.5 * gap.mean())  # the number is counted as scikit-learn counts it
    assert ours.loss_ < 1.05 * their.loss_


@pytest.mark.parametrize(
    "settings", [{}, {"solver": "sgd", "learning_rate": "invscaling"}, {"solver": "lbfgs"}]
)
@pytest.mark.parametrize("task", ["ten classes", "numbers, weights"])
def test_warm_start(data, task, settings):
    def twice(net, *given):
        net.fit(*given)
        return net.set_params(max_iter=8, alpha=0.1).fit(*given)

    ours, their = both(data, task, {"warm_start": True} | settings, twice)
    assert_same(ours, their)


def test_warm_start_with_a_random_state_that_goes_on(data):
    nets = []
    for kind in (MLPClassifier, theirs.MLPClassifier):
        net = kind(**BASE, random_state=np.random.RandomState(3), warm_start=True)
        nets.append(net.fit(data.digits, data.digit).fit(data.digits, data.digit))
    assert_same(*nets)


@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("task", ["ten classes", "labels", "numbers, weights"])
def test_partial_fit(data, task, solver):
    def often(net, X, y, weight=None):
        for rows in (slice(0, 60), slice(60, 120), slice(0, 120)):
            first = hasattr(net, "predict_proba") and not hasattr(net, "coefs_")
            classes = {"classes": np.unique(y) if y.ndim == 1 else range(y.shape[1])} if first else {}
            net.partial_fit(X[rows], y[rows], None if weight is None else weight[rows], **classes)
        return net

    ours, their = both(data, task, {"solver": solver, "learning_rate": "invscaling"}, often)
    assert_same(ours, their)


def test_fit_then_partial_fit(data):
    def then(net, *given):
        return net.fit(*given).partial_fit(*given).partial_fit(*given)

    for settings in ({}, {"solver": "sgd", "learning_rate": "adaptive"}):
        assert_same(*both(data, "ten classes", settings, then))


def test_weights_go_over_from_one_to_the_other(data):
    their = theirs.MLPClassifier(**BASE, random_state=1).fit(data.digits, data.digit)
    ours = MLPClassifier(**BASE, random_state=2).fit(data.digits, data.digit)
    assert np.abs(ours.predict_proba(data.digits) - their.predict_proba(data.digits)).max() > 0.01
    ours.coefs_, ours.intercepts_ = their.coefs_, their.intercepts_
    np.testing.assert_allclose(ours.predict_proba(data.digits), their.predict_proba(data.digits), atol=1e-12)


def test_float32_is_the_same_to_its_precision(data):
    ours, their = (
        kind(**BASE, random_state=0).fit(data.digits.astype(np.float32), data.digit)
        for kind in (MLPClassifier, theirs.MLPClassifier)
    )
    assert ours.coefs_[0].dtype == their.coefs_[0].dtype == np.float32
    np.testing.assert_allclose(ours.loss_curve_, their.loss_curve_, rtol=1e-3)


def test_a_sparse_matrix_is_the_same_as_a_dense_one(data):
    sparse = pytest.importorskip("scipy.sparse")
    X = np.where(data.digits > 0.5, data.digits, 0)
    for solver in ("adam", "lbfgs"):
        for early in (False, True):
            settings = BASE | {"random_state": 0, "solver": solver, "early_stopping": early}
            dense = MLPClassifier(**settings).fit(X, data.digit)
            for kind in (sparse.csr_matrix, sparse.csc_array):
                thin = MLPClassifier(**settings).fit(kind(X), data.digit)
                np.testing.assert_allclose(thin.coefs_[0], dense.coefs_[0], atol=1e-6)
                np.testing.assert_allclose(thin.predict_proba(kind(X)), dense.predict_proba(X), atol=1e-6)
