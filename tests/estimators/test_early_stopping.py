"""What early stopping judges by: the score that is asked for, or the loss that is trained."""

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.9")

from sklearn.ensemble import BaggingRegressor
from sklearn.exceptions import ConvergenceWarning, UndefinedMetricWarning
from sklearn.metrics import f1_score, log_loss, make_scorer, recall_score

import nnlite as nn
from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings(f"ignore::{ConvergenceWarning.__module__}.ConvergenceWarning")
EARLY = {"early_stopping": True, "random_state": 0, "hidden_layer_sizes": 20}


@pytest.fixture(scope="module")
def noisy():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1500, 4))
    return X, X[:, 0] + rng.normal(size=1500)


@pytest.mark.parametrize("q", [0.1, 0.9])
def test_a_quantile_is_judged_as_a_quantile(noisy, q):
    X, y = noisy
    net = MLPRegressor(loss=nn.Quantile(q), max_iter=300, learning_rate_init=0.01, **EARLY).fit(X, y)
    assert abs((y < net.predict(X)).mean() - q) < 0.03
    assert net.validation_scores_ == [-value for value in net.history_["validation_loss"]]
    assert net.best_validation_score_ == max(net.validation_scores_)


@pytest.mark.parametrize("weights", ["balanced", {0: 1, 1: 20}])
def test_class_weights_count_in_the_judgement(noisy, weights):
    X, y = noisy
    rare = (y > 2.2).astype(int)
    net = MLPClassifier(class_weight=weights, max_iter=200, **EARLY).fit(X, rare)
    assert recall_score(rare, net.predict(X)) > 0.75
    assert net.validation_scores_ == [-value for value in net.history_["validation_loss"]]


def test_the_validation_loss_has_the_weights_of_classes_and_rows(data):
    X, y, weight = data.X, data.binary, data.weight
    net = MLPClassifier(8, class_weight={0: 3.0}, max_iter=4, random_state=0)
    net.fit(X[:80], y[:80], validation=(X[80:], y[80:], weight[80:]))
    both = weight[80:] * np.where(y[80:] == 0, 3.0, 1.0)
    expected = log_loss(y[80:], net.predict_proba(X[80:]), sample_weight=both)
    assert net.history_["validation_loss"][-1] == pytest.approx(expected)


def test_balanced_is_measured_on_the_training_data(data):
    X, y = data.X, np.r_[np.zeros(60, int), np.ones(20, int), np.zeros(40, int)]
    net = MLPClassifier(8, class_weight="balanced", max_iter=2, random_state=0)
    net.fit(X[:80], y[:80], validation=(X[70:], y[70:]))
    weight = np.where(y[70:] == 1, 80 / 40, 80 / 120)
    expected = log_loss(y[70:], net.predict_proba(X[70:]), sample_weight=weight)
    assert net.history_["validation_loss"][-1] == pytest.approx(expected)


def test_balanced_does_not_count_what_is_held_out(data):
    sums = np.zeros(2)

    class Look(nn.SoftmaxCrossEntropy):
        def value_and_grad(self, pred, target, weight=None):
            if len(pred) == 90:  # the batch of all that train
                sums[:] = np.bincount(target, weight, minlength=2)
            return super().value_and_grad(pred, target, weight)

    y = (np.arange(120) % 7 == 0).astype(int)
    net = MLPClassifier(
        8, class_weight="balanced", loss=Look(), max_iter=2, batch_size=90, early_stopping=True,
        validation_fraction=0.25, random_state=0,
    )  # fmt: skip
    net.fit(data.X, y, data.weight)
    assert sums[0] == pytest.approx(sums[1])


def test_none_is_what_scikit_learn_does(data):
    nets = [
        MLPClassifier(max_iter=30, scoring=s, **EARLY).fit(data.X, data.binary) for s in (None, "accuracy")
    ]
    assert nets[0].validation_scores_ == nets[1].validation_scores_
    nets = [MLPRegressor(max_iter=30, scoring=s, **EARLY).fit(data.X, data.y) for s in (None, "r2")]
    assert nets[0].validation_scores_ == pytest.approx(nets[1].validation_scores_)


def test_names_and_functions_of_ones_own(data):
    words = np.array(["no", "yes"])[data.binary]
    given = {"validation": (data.X[80:], words[80:], data.weight[80:])}
    scorer = make_scorer(f1_score, pos_label="yes")
    net = MLPClassifier(max_iter=30, scoring=scorer, **EARLY).fit(data.X[:80], words[:80], **given)
    expected = f1_score(words[80:], net.predict(data.X[80:]), pos_label="yes", sample_weight=data.weight[80:])
    assert net.best_validation_score_ == pytest.approx(expected)

    def largest_gap(estimator, X, y):
        assert not hasattr(estimator, "feature_names_in_")
        estimator.classes_ = "nothing that a scorer sets gets through"
        return -np.abs(estimator.predict(X) - y).max()

    net = MLPRegressor(max_iter=30, scoring=largest_gap, **EARLY)
    frames = pytest.importorskip("pandas")
    X, others = (frames.DataFrame(part, columns=list("abcde")) for part in (data.X[:80], data.X[80:]))
    net.fit(X, data.y[:80], validation=(others, data.y[80:]))
    assert net.best_validation_score_ == pytest.approx(
        -np.abs(net.model_.predict(data.X[80:])[:, 0] - data.y[80:]).max()
    )
    assert not hasattr(net, "classes_")
    logs = MLPClassifier(max_iter=10, scoring="neg_log_loss", **EARLY).fit(data.iris, data.species)
    loss = MLPClassifier(max_iter=10, scoring="loss", **EARLY).fit(data.iris, data.species)
    assert logs.validation_scores_ == pytest.approx(loss.validation_scores_)


@pytest.mark.parametrize(
    ("kind", "scoring", "error", "says"),
    [
        (MLPClassifier, "ghost", ValueError, "scoring"),
        (MLPRegressor, 3, ValueError, "scoring"),
        (
            MLPClassifier,
            lambda estimator, X, y: "good",
            ArgumentTypeError,
            "a scorer that returns a number, got 'good'",
        ),
        (MLPClassifier, lambda estimator, X: 1.0, ArgumentError, "which raises TypeError"),
        (
            MLPRegressor,
            "roc_auc",
            ArgumentError,
            r"MLPRegressor\(scoring=\): .*'roc_auc', which raises",
        ),
    ],
    ids=["unknown", "a number", "gives text", "takes too little", "for classes"],
)
def test_what_cannot_judge_is_refused_and_changes_nothing(data, kind, scoring, error, says):
    net = kind(max_iter=5, **EARLY).fit(data.X, data.binary)
    before = net.predict(data.X), net.n_iter_, len(net.history_)
    with pytest.raises(error, match=says):
        net.set_params(scoring=scoring).fit(data.X, data.binary)
    assert (net.predict(data.X) == before[0]).all()
    assert (net.n_iter_, len(net.history_)) == before[1:]


@pytest.mark.filterwarnings("default")
def test_scores_that_are_no_number_never_count_as_better(data):
    scores = iter([0.5, np.nan, np.nan, 0.4] + [np.nan] * 20)
    net = MLPRegressor(scoring=lambda *_: next(scores), n_iter_no_change=5, max_iter=50, **EARLY)
    net.fit(data.X, data.y)
    assert net.best_validation_score_ == 0.5
    assert net.n_iter_ == 7
    first = MLPRegressor(max_iter=1, **EARLY)
    with pytest.warns(ConvergenceWarning):
        first.fit(data.X, data.y)
    np.testing.assert_array_equal(net.coefs_[0], first.coefs_[0])
    never = MLPRegressor(scoring=lambda *_: np.nan, n_iter_no_change=5, max_iter=50, **EARLY)
    with pytest.warns(
        ConvergenceWarning, match="no epoch had a score that is a number; the last weights are kept"
    ):
        never.fit(data.X, data.y)
    assert never.n_iter_ == 6
    assert abs(never.coefs_[0] - first.coefs_[0]).max() > 1e-4


# Targets that are missing.


@pytest.mark.parametrize("settings", [{}, {"scale_targets": True}, {"loss": nn.Huber()}], ids=str)
def test_a_column_of_which_little_is_known_is_learned(settings):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4))
    whole = np.column_stack([X[:, 0], X[:, 2]])
    Y = whole.copy()
    Y[rng.permutation(300)[15:], 1] = np.nan
    net = MLPRegressor(mask_missing_targets=True, max_iter=300, learning_rate_init=0.01, **EARLY | settings)
    assert net.fit(X, Y).score(X, whole) > 0.9
    assert np.isfinite(net.validation_scores_).all()
    given = net.fit(X[:200], whole[:200], validation=(X[200:], Y[200:]))
    assert given.score(X, whole) > 0.9


def test_only_rows_with_a_target_are_held_out(data):
    y = np.where(np.arange(120) % 6 == 0, data.y, np.nan)
    net = MLPRegressor(mask_missing_targets=True, max_iter=3, validation_fraction=0.5, **EARLY).fit(data.X, y)
    assert net.t_ == 3 * 110  # ten of the twenty that are known were held out
    weight = (np.arange(120) < 20).astype(float)
    for kind, target in ((MLPRegressor, data.y), (MLPClassifier, data.binary)):
        net = kind(max_iter=3, validation_fraction=0.5, **EARLY).fit(data.X, target, weight)
        assert net.t_ == 3 * 110


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"early_stopping": True},
        {"solver": "lbfgs"},
        {"scale_targets": True},
        {"calibration_fraction": 0.3},
    ],
    ids=str,
)
def test_targets_that_are_all_missing_are_refused(data, settings):
    net = MLPRegressor(
        hidden_layer_sizes=8, mask_missing_targets=True, max_iter=3, random_state=0, **settings
    )
    gone = np.full(120, np.nan)
    with pytest.raises(ArgumentError, match=r"none in column 0|0 in 120 rows"):
        net.fit(data.X, gone)
    with pytest.raises(ArgumentError, match="none in column 1"):
        net.fit(data.X, np.column_stack([data.y, gone]))
    with pytest.raises(ArgumentError, match="none in column 1"):
        net.fit(
            data.X,
            np.column_stack([data.y, np.where(np.arange(120) < 5, data.y, np.nan)]),
            np.arange(120) > 5,
        )
    with pytest.raises(ArgumentError, match=r"fit\(validation=\): expected a target that is there"):
        net.fit(data.X, data.y, validation=(data.X, gone))
    assert not hasattr(net, "n_features_in_")


def test_score_leaves_out_what_has_no_r2(data):
    Y = np.column_stack([data.y, np.where(np.arange(120) == 3, 1.0, np.nan)])
    net = MLPRegressor(hidden_layer_sizes=8, mask_missing_targets=True, solver="lbfgs", random_state=0).fit(
        data.X, Y
    )
    assert net.score(data.X, Y) > 0.9
    with pytest.warns(UndefinedMetricWarning, match="less than two targets"):
        assert np.isnan(net.score(data.X, np.where(np.arange(240).reshape(120, 2) < 2, Y, np.nan)))
    weight = (np.arange(120) < 60).astype(float)
    half = np.where(weight[:, None] > 0, Y, np.nan)
    assert net.score(data.X, Y, weight) == pytest.approx(net.score(data.X, half))


# Going on.


@pytest.mark.parametrize("early", [False, True])
def test_a_second_fit_by_warm_start_is_judged_by_its_own_data(data, early):
    settings = EARLY | {
        "early_stopping": early,
        "warm_start": True,
        "max_iter": 400,
        "learning_rate_init": 0.01,
    }
    net = MLPRegressor(**settings).fit(data.X, data.y)
    done = net.n_iter_
    net.fit(data.X, 3 - data.y)
    assert net.score(data.X, 3 - data.y) > 0.9
    assert len(net.loss_curve_) == done + net.n_iter_
    assert (len(net.validation_scores_) == done + net.n_iter_) if early else net.validation_scores_ is None


def test_bagging_with_few_rows(data):
    """Rows that a bag leaves out have weight 0; they judge nothing."""
    net = MLPRegressor(max_iter=5, **EARLY)
    bag = BaggingRegressor(net, n_estimators=20, random_state=0).fit(data.X[:24], data.y[:24])
    for one, rows in zip(bag.estimators_, bag.estimators_samples_, strict=True):
        assert np.isfinite(one.validation_scores_).all()
        held_out = max(2, -(-len(set(rows)) // 10))
        assert one.t_ == 5 * (24 - held_out)
    few = BaggingRegressor(net, random_state=0).fit(data.X[:12], data.y[:12])  # two rows of eight or so
    assert all(one.t_ == 5 * 10 for one in few.estimators_)
    with pytest.raises(ValueError, match="Increase 'validation_fraction'"):
        BaggingRegressor(net, random_state=0).fit(data.X[:6], data.y[:6])
