"""Hidden features, honest probabilities, and intervals: what they are, and what they refuse."""

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

import nnlite as nn
from nnlite.calibration import conformal_radius, fit_temperature
from nnlite.errors import ArgumentError
from nnlite.sklearn import MLPClassifier, MLPRegressor

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
        with pytest.raises(ArgumentError, match="coverage"):
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
