"""Hidden features, honest probabilities, and intervals: what they are, and what they refuse."""

import copy
import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.9")

from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.utils._param_validation import InvalidParameterError
from sklearn.utils.estimator_checks import estimator_checks_generator

import nnlite as nn
from nnlite.errors import ArgumentError
from nnlite.sklearn import MLPClassifier, MLPRegressor
from nnlite.sklearn.holdout import by_class
from nnlite.training.calibration import conformal_radius, fit_temperature

pytestmark = pytest.mark.filterwarnings(f"ignore::{ConvergenceWarning.__module__}.ConvergenceWarning")
each = pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])


def noisy_classes(rng, rows=600):
    X = rng.normal(size=(rows, 5))
    return X, (X[:, 0] + rng.normal(size=rows) > 0).astype(int)


def noisy_numbers(rng, rows=800, outputs=1):
    X = rng.uniform(-1, 1, size=(rows, 2))
    y = np.column_stack([np.sin(3 * X[:, 0]), 5 * X[:, 1]][:outputs])
    return X, (y + rng.standard_t(3, size=y.shape) * ([0.1, 1.0][:outputs])).squeeze()


class TestHiddenFeatures:
    @each
    def test_they_are_what_the_output_layer_gets(self, kind, rng):
        X, y = noisy_classes(rng, 1300)  # more rows than go through the net at a time
        net = kind(hidden_layer_sizes=(7, 3), max_iter=3, random_state=0).fit(X, y)
        hidden = np.maximum(
            np.maximum(X @ net.coefs_[0] + net.intercepts_[0], 0) @ net.coefs_[1] + net.intercepts_[1], 0
        )
        np.testing.assert_allclose(net.transform(X), hidden, rtol=1e-10, atol=1e-12)
        np.testing.assert_array_equal(net.fit_transform(X, y), net.transform(X))

    @each
    def test_they_have_names(self, kind, rng):
        pandas = pytest.importorskip("pandas")
        X, y = noisy_classes(rng, 60)
        net = kind(hidden_layer_sizes=3, max_iter=2, random_state=0).set_output(transform="pandas").fit(X, y)
        names = [f"{kind.__name__.lower()}{index}" for index in range(3)]
        assert net.get_feature_names_out().tolist() == names
        frame = net.transform(X)
        assert isinstance(frame, pandas.DataFrame)
        assert frame.columns.tolist() == names

    def test_they_feed_another_estimator(self, rng):
        X, y = noisy_classes(rng)
        both = make_pipeline(MLPClassifier(max_iter=20, random_state=0), LogisticRegression()).fit(X, y)
        assert both.score(X, y) > 0.7

    @each
    def test_sparse_rows_and_nets_of_ones_own(self, kind, rng):
        sparse = pytest.importorskip("scipy.sparse")
        X, y = noisy_classes(rng, 80)
        X[X < 0.5] = 0
        net = kind(hidden_layer_sizes=4, max_iter=2, random_state=0).fit(X, y)
        np.testing.assert_allclose(net.transform(sparse.csr_array(X)), net.transform(X), atol=1e-12)
        own = kind(layers=[nn.Dense(5, 6), nn.Tanh(), nn.Dense(6, 1)], max_iter=2, random_state=0).fit(X, y)
        assert own.transform(X).shape == (80, 6)
        assert kind(hidden_layer_sizes=(), max_iter=2, random_state=0).fit(X, y).transform(X).shape == (80, 5)

    @each
    def test_only_after_fit(self, kind):
        with pytest.raises(NotFittedError):
            kind().transform([[1.0]])


class TestTemperature:
    def test_a_net_that_is_too_sure_becomes_honest(self, rng):
        X, y = noisy_classes(rng, 1200)
        net = MLPClassifier((50, 50), solver="lbfgs", max_iter=300, alpha=0, random_state=0).fit(
            X[:200], y[:200]
        )
        before, decided = net.predict_proba(X[800:]), net.predict(X[800:])
        assert net.temperature_ == 1.0
        assert net.calibrate(X[200:800], y[200:800]) is net
        after = net.predict_proba(X[800:])
        assert net.temperature_ > 2
        assert log_loss(y[800:], after) < log_loss(y[800:], before) / 2
        np.testing.assert_array_equal(net.predict(X[800:]), decided)
        np.testing.assert_allclose(np.exp(net.predict_log_proba(X[800:])), after, atol=1e-12)
        raw = net.model_.predict(X[200:800])
        assert net.temperature_ == pytest.approx(fit_temperature(raw, y[200:800]))
        assert pickle.loads(pickle.dumps(net)).temperature_ == net.temperature_

    @pytest.mark.parametrize("classes", [3, "labels", "softmax of two"])
    def test_all_kinds_of_classes(self, classes, rng):
        X = rng.normal(size=(300, 4))
        score = X[:, :3] + 2 * rng.normal(size=(300, 3))
        settings = {}
        if classes == 3:
            y = np.array(["a", "b", "c"])[score.argmax(axis=1)]
        elif classes == "labels":
            y = (score > 0).astype(int)
        else:
            y = (score[:, 0] > 0).astype(int)
            settings["loss"] = nn.SoftmaxCrossEntropy()
        net = MLPClassifier((30,), solver="lbfgs", max_iter=200, random_state=0, **settings).fit(
            X[:100], y[:100]
        )
        before = net.predict_proba(X[200:])
        after = net.calibrate(X[100:200], y[100:200]).predict_proba(X[200:])
        assert net.temperature_ > 1.2
        assert (
            np.abs(after - 0.5).mean() < np.abs(before - 0.5).mean()
            if classes != 3
            else after.max() <= before.max()
        )

    def test_training_again_drops_it(self, rng):
        X, y = noisy_classes(rng, 100)
        net = MLPClassifier(max_iter=5, random_state=0).fit(X, y).calibrate(X, y[::-1])
        assert net.temperature_ != 1.0
        assert net.partial_fit(X, y).temperature_ == 1.0

    def test_a_loss_without_probabilities_is_refused(self, rng):
        X, y = noisy_classes(rng, 60)
        net = MLPClassifier(loss=nn.Hinge(), max_iter=2, random_state=0).fit(X, y)
        with pytest.raises(ValueError, match=r"MLPClassifier\.calibrate: expected a loss that gives prob"):
            net.calibrate(X, y)


class TestIntervals:
    @pytest.mark.parametrize("outputs", [1, 2])
    @pytest.mark.parametrize("coverage", [0.5, 0.9])
    def test_they_hold_the_truth_so_often(self, outputs, coverage, rng):
        X, y = noisy_numbers(rng, 3000, outputs)
        net = MLPRegressor(hidden_layer_sizes=20, solver="lbfgs", max_iter=100, random_state=0)
        net.fit(X[:300], y[:300]).calibrate(X[300:1300], y[300:1300])
        lower, upper = net.predict_interval(X[1300:], coverage)
        assert lower.shape == upper.shape == net.predict(X[1300:]).shape
        held = ((lower <= y[1300:]) & (y[1300:] <= upper)).mean(axis=0)
        np.testing.assert_allclose(held, coverage, atol=0.06)
        radius = conformal_radius((y - net.predict(X))[300:1300], coverage)
        np.testing.assert_allclose((upper - lower) / 2, np.broadcast_to(radius, lower.shape), rtol=1e-9)

    def test_missing_targets_are_left_out(self, rng):
        X, y = noisy_numbers(rng, 400, 2)
        y[rng.random(y.shape) < 0.3] = np.nan
        net = MLPRegressor(mask_missing_targets=True, max_iter=20, random_state=0).fit(X[:200], y[:200])
        lower, upper = net.calibrate(X[200:], y[200:]).predict_interval(X, 0.8)
        assert np.isfinite(lower).all()
        assert (upper > lower).all()

    def test_counts_begin_at_zero(self, rng):
        X = rng.uniform(size=(300, 2))
        y = rng.poisson(np.exp(X[:, 0] - 1))
        net = MLPRegressor(loss="poisson", max_iter=50, calibration_fraction=0.3, random_state=0).fit(X, y)
        lower, upper = net.predict_interval(X)
        assert lower.min() == 0 < upper.min()

    def test_too_few_rows_and_bad_coverage(self, rng):
        X, y = noisy_numbers(rng, 100)
        net = MLPRegressor(max_iter=5, random_state=0).fit(X, y)
        with pytest.raises(
            NotFittedError, match=r"MLPRegressor\.predict_interval: expected .* Call calibrate"
        ):
            net.predict_interval(X)
        net.calibrate(X[:5], y[:5])
        with pytest.raises(ArgumentError, match="Give at least 9 rows"):
            net.predict_interval(X, 0.9)
        with pytest.raises(ArgumentError, match=r"MLPRegressor\.predict_interval\(coverage=\)"):
            net.predict_interval(X, 1.5)
        with pytest.raises(NotFittedError):
            net.partial_fit(X, y).predict_interval(X)


@each
def test_a_part_of_the_rows_is_kept_for_it(kind, rng):
    X, y = noisy_classes(rng, 200)
    net = kind(max_iter=5, random_state=0, calibration_fraction=0.25).fit(X, y, np.ones(200))
    assert net.t_ == 5 * 150
    assert (net.temperature_ != 1.0) if kind is MLPClassifier else (len(net.calibration_errors_) == 50)
    again = clone(net).fit(X, y)
    np.testing.assert_array_equal(again.coefs_[0], net.coefs_[0])


@each
@pytest.mark.parametrize("fraction", [0, 1, -0.1, "half"])
def test_a_part_must_be_a_fraction(kind, fraction):
    with pytest.raises(InvalidParameterError, match="calibration_fraction"):
        kind(calibration_fraction=fraction).fit([[0.0], [1.0]], [0, 1])


# Rows that are kept back.


def test_each_class_has_its_part_and_a_rare_one_stays_in_training(rng):
    X = rng.normal(size=(100, 3))
    y = np.repeat(["often", "seldom", "once"], [79, 20, 1])
    for seed in range(20):
        net = MLPClassifier(max_iter=2, calibration_fraction=0.2, random_state=seed).fit(X, y)
        assert net.classes_.tolist() == ["often", "once", "seldom"]
        assert net.t_ == 2 * 80
    ids = np.repeat([0, 1, 2, 3], [79, 18, 2, 1])
    for seed in range(20):
        train, held_out = by_class(ids, None, 0.2, np.random.RandomState(seed), where="here")
        assert sorted([*train, *held_out]) == list(range(100))
        assert np.bincount(ids[held_out], minlength=4).tolist() == [16, 4, 0, 0]
    with pytest.raises(ArgumentError, match=r"MLPClassifier\(calibration_fraction=\): expected .* got"):
        MLPClassifier(calibration_fraction=0.1, random_state=0).fit(X[-4:], ["a", "b", "c", "d"])


@each
def test_rows_of_weight_0_are_not_kept_back(kind, rng):
    X, y = noisy_classes(rng, 200)
    weight = (np.arange(200) < 100).astype(float)
    X[100:] = 1e3  # would be seen in what is measured
    net = kind(max_iter=3, calibration_fraction=0.25, random_state=0).fit(X, y, weight)
    assert net.t_ == 3 * 175
    if kind is MLPRegressor:
        assert len(net.calibration_errors_) == 25
    alone = kind(max_iter=3, random_state=0).fit(X[:100], y[:100])
    both = copy.deepcopy(alone).calibrate(X, y, weight), alone.calibrate(X[:100], y[:100])
    for name in ("temperature_", "calibration_errors_"):
        np.testing.assert_array_equal(*(getattr(one, name, 0) for one in both))
    with pytest.raises(ValueError, match="at least one non-zero"):
        alone.calibrate(X, y, np.zeros(200))


@pytest.mark.filterwarnings("default")
def test_rows_that_are_all_right_are_told(rng):
    X = rng.normal(size=(400, 3))
    y = np.array(["no", "yes"])[(X[:, 0] > 0).astype(int)]
    X[:, 0] += np.sign(X[:, 0])
    net = MLPClassifier(20, max_iter=30, learning_rate_init=0.01, random_state=0).fit(X[:200], y[:200])
    assert net.score(X, y) == 1.0
    before = net.predict_proba(X)
    with pytest.warns(
        UserWarning, match=r"MLPClassifier\.calibrate: all of the 200 rows are right"
    ) as caught:
        net.calibrate(X[200:], y[200:])
    assert caught[0].filename == __file__
    assert 0.2 < net.temperature_ <= 1.0
    assert before.max(axis=1).mean() < net.predict_proba(X[200:]).max(axis=1).mean() <= 201 / 202 + 1e-9
    with pytest.warns(UserWarning, match="all of the") as caught:
        MLPClassifier(20, max_iter=300, calibration_fraction=0.5, random_state=0).fit(X, y)
    assert __file__ in [one.filename for one in caught]


# Logarithms.


@pytest.mark.parametrize("task", ["two", "three", "labels", "softmax of two"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_logarithms_are_exact_and_those_of_the_probabilities(task, dtype, rng):
    """By net outputs from 0 to 3,000, of either sign."""
    X = rng.normal(size=(60, 3)).astype(dtype)
    loss = nn.SoftmaxCrossEntropy() if task == "softmax of two" else "log_loss"
    y = {"three": X.argmax(axis=1), "labels": (X > 0).astype(int)}.get(task, (X[:, 0] > 0).astype(int))
    net = MLPClassifier((), max_iter=1, random_state=0, loss=loss).fit(X, y)
    net.coefs_[0][...] = rng.normal(size=net.coefs_[0].shape)
    rows = (X * np.geomspace(1e-3, 1e3, 60)[:, None]).astype(dtype)
    chances, logs = net.predict_proba(rows), net.predict_log_proba(rows)
    raw = net.model_.predict(rows).astype(np.longdouble)
    if task in ("three", "softmax of two"):
        gaps = raw - raw.max(axis=1, keepdims=True)
        others = np.where(gaps == 0, 0, np.exp(gaps)).sum(axis=1, keepdims=True)
        exact = gaps - np.log1p(others)
    else:
        exact = -np.log1p(np.exp(-np.hstack([raw] if task == "labels" else [-raw, raw])))
    assert np.isfinite(logs).all()
    assert logs.min() < -200
    digits = np.finfo(dtype).eps
    np.testing.assert_allclose(logs, exact, rtol=50 * digits, atol=4 * digits)
    likely = chances > np.finfo(dtype).tiny
    np.testing.assert_allclose(np.log(chances[likely]), logs[likely], rtol=200 * digits, atol=4 * digits)
    np.testing.assert_array_equal(chances.argmax(axis=1), logs.argmax(axis=1))
    if task != "labels":  # also near 1
        sure = exact > -0.5
        np.testing.assert_allclose(logs[sure], exact[sure], rtol=1000 * digits, atol=np.finfo(dtype).tiny)
    if task == "labels":
        assert 0 < chances.min() < chances.max() < 1
    else:
        np.testing.assert_allclose(chances.sum(axis=1), 1, rtol=4 * digits)
        assert chances.min() > 0
        if dtype == np.float64:
            np.testing.assert_array_equal(np.argsort(chances, axis=1), np.argsort(logs, axis=1))


@pytest.mark.nonfinite
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "name", ["check_classifiers_train", "check_classifiers_multilabel_output_format_predict_proba"]
)
def test_checks_of_scikit_learn_with_lbfgs(name):
    found = [
        check
        for estimator, check in estimator_checks_generator(MLPClassifier(solver="lbfgs"))
        if check.func.__name__ == name
    ]
    assert found
    for check in found:
        check(MLPClassifier(solver="lbfgs"))
