"""Metrics of classes, their probabilities, their order, and of numbers, beside scikit-learn."""

# ruff: noqa: E501

from __future__ import annotations

import warnings
from functools import partial

import numpy as np
import pytest

import nnlite as nn
from nnlite import metrics
from nnlite.errors import ArgumentError, ArgumentTypeError, DataWarning, ShapeError

TIMES = 200


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def draw(seed):
    """Draw a few rows: with ties, few classes, float32, integers; every other time with weights."""
    rng = np.random.default_rng(seed)
    rows, classes = int(rng.integers(2, 30)), int(rng.integers(2, 6))
    scores = rng.normal(size=(rows, classes))
    if seed % 3 == 0:
        scores = np.round(scores)  # ties
    if seed % 5 == 0:
        scores = scores.astype(np.float32)
    weight = None if seed % 2 else rng.uniform(0.1, 3, rows)
    if seed % 7 == 0:
        weight = rng.integers(1, 4, rows)
    return rng, rows, classes, scores, weight


@pytest.fixture(scope="module")
def theirs():
    return pytest.importorskip("sklearn.metrics")


def quiet(call, *arguments, **options):
    """Call scikit-learn, which warns where a number is not defined, without its checks."""
    import sklearn

    with warnings.catch_warnings(), sklearn.config_context(skip_parameter_validation=True):
        warnings.simplefilter("ignore")
        return call(*arguments, **options)


def same(found, expected, *about):
    assert type(found) is float
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12, err_msg=str(about))


def test_precision_recall_and_f1_are_scikit_learns(theirs):
    reference = theirs.precision_recall_fscore_support
    ours = (nn.precision, nn.recall, nn.f1)
    for seed in range(TIMES):
        rng, rows, classes, scores, weight = draw(seed)
        ids = rng.integers(0, classes - (seed % 4 == 0), rows)
        guess = scores.argmax(axis=1)
        average = ("macro", "weighted")[seed // 2 % 2]
        several = quiet(reference, ids, guess, average=average, sample_weight=weight)
        yes = rng.integers(0, 2, rows) * (seed % 11 > 0)  # now and then a single class
        threshold = seed % 3 / 4
        says = scores[:, 0] > threshold
        binary = quiet(reference, yes, says, average="binary", sample_weight=weight)
        for metric, expected, answer in zip(ours, several, binary, strict=False):
            same(metric(scores, ids, weight, average=average), expected, seed, average)
            same(metric(guess, ids, weight, average=average), expected, seed, average)
            same(metric(scores, nn.one_hot(ids, classes=classes), weight, average=average), expected, seed)
            if average == "macro":
                same(metric(scores, ids, weight), expected, seed)
            same(metric(scores[:, :1], yes, weight, threshold=threshold), answer, seed)
            same(metric(scores[:, 0], yes, weight, threshold=threshold), answer, seed)
            same(metric(scores[:, :1], yes[:, None] * 1.0, weight, threshold=threshold), answer, seed)
            same(metric(says.astype(int), yes, weight, average="binary"), answer, seed)
            two = np.where(says[:, None], [0.0, 1.0], [1.0, 0.0])
            same(metric(two, yes, weight, average="binary"), answer, seed)


@pytest.mark.parametrize("name", ["roc_auc", "average_precision"])
def test_what_ranks_is_scikit_learns(theirs, name):
    ours, reference = getattr(metrics, name), getattr(theirs, f"{name}_score")
    for seed in range(TIMES):
        rng, rows, _, scores, weight = draw(seed)
        yes = rng.integers(0, 2, rows) * (seed % 11 > 0)
        expected = quiet(reference, yes, scores[:, 0], sample_weight=weight)
        for pred, target in ((scores[:, :1], yes), (scores[:, 0], yes), (scores[:, :1], yes[:, None] * 1.0)):
            same(ours(pred, target, weight), expected, seed)
        two = np.stack([-scores[:, 0], scores[:, 0]], axis=1).astype(float)
        same(ours(two, yes, weight), expected, seed)


@pytest.mark.parametrize("name", ["roc_auc", "average_precision"])
def test_what_ranks_several_classes_is_scikit_learns(theirs, name):
    ours, reference = getattr(metrics, name), getattr(theirs, f"{name}_score")
    options = {"multi_class": "ovr"} if name == "roc_auc" else {}
    for seed in range(TIMES):
        rng, rows, classes, _, weight = draw(seed)
        classes = max(classes, 3)
        ids = np.r_[np.arange(classes), rng.integers(0, classes, rows)]
        scores = rng.normal(size=(len(ids), classes))
        weight = None if weight is None else rng.uniform(0.1, 1, len(ids))
        chances = softmax(scores)
        average = ("macro", "weighted")[seed // 2 % 2]
        expected = quiet(reference, ids, chances, average=average, sample_weight=weight, **options)
        same(ours(scores, ids, weight, average=average), expected, seed)
        same(ours(chances, ids, weight, average=average, logits=False), expected, seed)
        same(ours(scores, nn.one_hot(ids), weight, average=average), expected, seed)


def test_curves_are_scikit_learns(theirs):
    for seed in range(TIMES):
        rng, rows, classes, _, weight = draw(seed)
        classes, ids = max(classes, 3), np.r_[np.arange(max(classes, 3)), rng.integers(0, 3, rows)]
        scores = rng.integers(0, 9, size=(len(ids), classes)).astype(float)  # with equal ones among them
        weight = None if weight is None else rng.uniform(0.1, 1, len(ids))
        chosen = int(rng.integers(classes))
        chances = softmax(scores)
        for pred, target, options in (
            (chances, ids, {"class_id": chosen, "logits": False}),
            (chances[:, chosen], (ids == chosen) * 1, {}),
        ):
            truth = ids == chosen
            found = metrics.roc_curve(pred, target, weight, **options)
            expected = theirs.roc_curve(
                truth, chances[:, chosen], sample_weight=weight, drop_intermediate=False
            )
            for mine, reference in zip(found, expected, strict=True):
                np.testing.assert_allclose(mine, reference, rtol=1e-12, atol=1e-12)
            found = metrics.precision_recall_curve(pred, target, weight, **options)
            expected = theirs.precision_recall_curve(truth, chances[:, chosen], sample_weight=weight)
            for mine, reference in zip(found, expected, strict=True):
                np.testing.assert_allclose(mine, reference, rtol=1e-12, atol=1e-12)
        other = rng.normal(size=scores.shape)
        for mine, reference in zip(
            metrics.roc_curve(other, ids, weight, class_id=chosen),
            metrics.roc_curve(softmax(other), ids, weight, class_id=chosen, logits=False),
            strict=True,
        ):
            with np.errstate(over="ignore"):
                chance = 1 / (1 + np.exp(-mine)) if mine[0] == np.inf else mine  # thresholds are log-odds
            np.testing.assert_allclose(chance[1:], reference[1:], rtol=1e-9, atol=1e-12)


def test_the_other_class_of_a_single_score():
    for curve in (metrics.roc_curve, metrics.precision_recall_curve):
        zero = curve([0.1, 0.4, 0.35], [0, 0, 1], class_id=0)
        for mine, reference in zip(zero, curve([-0.1, -0.4, -0.35], [1, 1, 0]), strict=True):
            np.testing.assert_array_equal(mine, reference)


def test_a_class_without_rows_has_no_rate():
    false, true, _ = metrics.roc_curve([0.1, 0.4], [0, 0])
    assert np.isnan(true).all()
    assert false.tolist() == [0.0, 0.5, 1.0]
    assert np.isnan(metrics.precision_recall_curve([0.1, 0.4], [0, 0])[1][:-1]).all()


@pytest.mark.parametrize("curve", [metrics.roc_curve, metrics.precision_recall_curve])
def test_bad_classes_of_curves(curve):
    scores = np.eye(3)
    with pytest.raises(ArgumentError, match=r"class_id=\): expected one of the 3 classes, got None"):
        curve(scores, [0, 1, 2])
    with pytest.raises(ArgumentError, match="one of the 3 classes, got 3"):
        curve(scores, [0, 1, 2], class_id=3)


def test_calibration_curve_is_scikit_learns():
    reference = pytest.importorskip("sklearn.calibration").calibration_curve
    for seed in range(TIMES):
        rng = np.random.default_rng(seed)
        chances, bins = rng.random(80).round(1 + seed % 3), int(rng.integers(1, 12))
        yes = (rng.random(80) < chances) * 1
        observed, predicted = reference(yes, chances, n_bins=bins)
        for pred, options in (
            (chances, {"logits": False}),
            (np.stack([1 - chances, chances], axis=1), {"logits": False}),
        ):
            found = metrics.calibration_curve(pred, yes, bins=bins, **options)
            np.testing.assert_allclose(found[0], predicted, rtol=1e-9, atol=1e-12)
            np.testing.assert_allclose(found[1], observed, rtol=1e-9, atol=1e-12)
            assert found[2].sum() == 80


def test_calibration_of_several_classes_is_that_of_the_class_they_are_taken_for():
    logits = np.log([[0.7, 0.2, 0.1], [0.7, 0.2, 0.1], [0.1, 0.55, 0.35], [0.3, 0.3, 0.4]])
    predicted, observed, rows = metrics.calibration_curve(logits, [0, 1, 1, 2], [1.0, 3.0, 1.0, 0.0], bins=5)
    np.testing.assert_allclose(predicted, [0.55, 0.7])
    np.testing.assert_allclose(observed, [1.0, 0.25])
    np.testing.assert_allclose(rows, [1.0, 4.0])
    predicted, observed, rows = metrics.calibration_curve(logits, [0, 1, 1, 2], class_id=1, bins=2)
    np.testing.assert_allclose(predicted, [0.7 / 3, 0.55])
    np.testing.assert_allclose(observed, [1 / 3, 1.0])


def test_bad_input_of_a_calibration_curve():
    with pytest.raises(ArgumentError, match=r"expected probabilities, got 1\.5"):
        metrics.calibration_curve([0.2, 1.5], [0, 1], logits=False)
    with pytest.raises(ArgumentError, match=r"bins=\)"):
        metrics.calibration_curve([0.2, 0.5], [0, 1], bins=0)


def test_log_loss_is_scikit_learns(theirs):
    for seed in range(TIMES):
        rng, rows, classes, scores, weight = draw(seed)
        scores = scores.astype(float)
        ids = rng.integers(0, classes, rows)
        labels = np.arange(classes)
        chances = softmax(scores)
        expected = quiet(theirs.log_loss, ids, chances, sample_weight=weight, labels=labels)
        same(nn.log_loss(scores, ids, weight), expected, seed)
        same(nn.log_loss(scores, nn.one_hot(ids, classes=classes), weight), expected, seed)
        same(nn.log_loss(chances, ids, weight, logits=False), expected, seed)
        yes = rng.integers(0, 2, rows) * (seed % 11 > 0)
        chance = 1 / (1 + np.exp(-scores[:, 0]))
        expected = quiet(theirs.log_loss, yes, chance, sample_weight=weight, labels=[0, 1])
        same(nn.log_loss(scores[:, :1], yes, weight), expected, seed)
        same(nn.log_loss(chance, yes, weight, logits=False), expected, seed)


def test_brier_score_is_scikit_learns(theirs):
    for seed in range(TIMES):
        rng, rows, classes, scores, weight = draw(seed)
        scores = scores.astype(float)
        ids = rng.integers(0, classes, rows)
        labels = np.arange(classes)
        chances = softmax(scores)
        expected = quiet(theirs.brier_score_loss, ids, chances, sample_weight=weight, labels=labels)
        same(nn.brier_score(scores, ids, weight), expected, seed)
        same(nn.brier_score(scores, nn.one_hot(ids, classes=classes), weight), expected, seed)
        same(nn.brier_score(chances, ids, weight, logits=False), expected, seed)
        yes = rng.integers(0, 2, rows) * (seed % 11 > 0)
        chance = 1 / (1 + np.exp(-scores[:, 0]))
        expected = quiet(theirs.brier_score_loss, yes, chance, sample_weight=weight, labels=[0, 1])
        same(nn.brier_score(scores[:, :1], yes, weight), expected, seed)
        same(nn.brier_score(chance, yes, weight, logits=False), expected, seed)


def gap_of_bins(sure, right, weight, bins):
    """Return the calibration error, bin after bin."""
    total = 0.0
    for place in range(bins):
        inside = (sure > place / bins) & (sure <= (place + 1) / bins)
        if place == 0:
            inside |= sure == 0
        if inside.any() and weight[inside].sum():
            share = weight[inside] / weight[inside].sum()
            total += weight[inside].sum() * abs(share @ sure[inside] - share @ right[inside])
    return total / weight.sum()


def test_calibration_error_is_the_mean_gap_over_the_bins():
    for seed in range(TIMES):
        rng, rows, classes, scores, weight = draw(seed)
        scores = scores.astype(float)
        ids = rng.integers(0, classes, rows)
        bins = (15, 4, 1)[seed % 3]
        w = np.ones(rows) if weight is None else weight
        chances = softmax(scores)
        expected = gap_of_bins(chances.max(axis=1), chances.argmax(axis=1) == ids, w, bins)
        measured = nn.expected_calibration_error
        same(measured(scores, ids, weight, bins=bins), expected, seed)
        same(
            measured(chances, nn.one_hot(ids, classes=classes), weight, bins=bins, logits=False),
            expected,
            seed,
        )
        yes = rng.integers(0, 2, rows)
        chance = 1 / (1 + np.exp(-scores[:, 0]))
        expected = gap_of_bins(chance, yes, w, bins)
        same(measured(scores[:, :1], yes, weight, bins=bins), expected, seed)
        same(measured(chance, yes, weight, bins=bins, logits=False), expected, seed)
    assert nn.expected_calibration_error([[1.0, 0.0]] * 4, [0, 0, 1, 1], logits=False) == pytest.approx(0.5)
    assert nn.expected_calibration_error([0.0, 1.0], [0, 1], logits=False) == pytest.approx(0, abs=1e-9)


NUMBERS = {
    "r2": "r2_score",
    "mean_absolute_error": "mean_absolute_error",
    "root_mean_squared_error": "root_mean_squared_error",
    "mean_absolute_percentage_error": "mean_absolute_percentage_error",
    "median_absolute_error": "median_absolute_error",
}


@pytest.mark.parametrize("name", NUMBERS)
def test_metrics_of_numbers_are_scikit_learns(theirs, name):
    ours, reference = getattr(metrics, name), getattr(theirs, NUMBERS[name])
    for seed in range(TIMES):
        rng, rows, outputs, pred, weight = draw(seed)
        pred = pred.astype(float)
        target = pred + rng.normal(size=(rows, outputs)) * 10.0 ** rng.integers(-3, 3, outputs)
        target[0] *= 0 if seed % 13 == 0 and name != "mean_absolute_percentage_error" else 1
        same(ours(pred, target, weight), quiet(reference, target, pred, sample_weight=weight), seed)
        flat = quiet(reference, target[:, 0], pred[:, 0], sample_weight=weight)
        same(ours(pred[:, 0], target[:, 0], weight), flat, seed)
        if name == "r2":
            expected = reference(target, pred, sample_weight=weight, multioutput="variance_weighted")
            same(ours(pred, target, weight, average="variance"), expected, seed)


ALL = {
    "accuracy": ("classes", nn.accuracy), "top_k": ("classes", partial(nn.top_k_accuracy, k=2)),
    "confusion_matrix": ("classes", nn.confusion_matrix), "binary_accuracy": ("yes", nn.binary_accuracy),
    **{f"{name}, classes": ("classes", getattr(nn, name)) for name in ("precision", "recall", "f1", "log_loss", "roc_auc", "average_precision")},
    **{f"{name}, yes or no": ("yes", getattr(nn, name)) for name in ("precision", "recall", "f1", "log_loss", "roc_auc", "average_precision")},
    "f1, weighted": ("classes", partial(nn.f1, average="weighted")),
    **{name: ("numbers", getattr(nn, name)) for name in NUMBERS},
    "r2, variance": ("numbers", partial(nn.r2, average="variance")),
}  # fmt: skip


def rows_for(kind, rng, count=14):
    if kind == "numbers":
        return rng.normal(size=(count, 2)), rng.normal(size=(count, 2))
    if kind == "yes":
        return rng.normal(size=(count, 1)), np.arange(count) % 2
    return rng.normal(size=(count, 3)), np.arange(count) % 3


@pytest.mark.parametrize("name", ALL)
def test_a_weight_is_so_many_rows_and_none_is_no_row(name, rng):
    kind, metric = ALL[name]
    pred, target = rows_for(kind, rng)
    weight = rng.integers(0, 4, len(pred))
    weight[:6] = 1  # all classes are there
    copies = metric(pred.repeat(weight, axis=0), target.repeat(weight, axis=0))
    np.testing.assert_allclose(metric(pred, target, weight), copies, rtol=1e-12)
    if "confusion" not in name:
        for scale in (1e-310, 1e-3, 1e300):
            np.testing.assert_allclose(metric(pred, target, weight * scale), copies, rtol=1e-11)
    if name == "confusion_matrix":
        copies = copies.astype(float)
    # What is in a row of weight 0 does not matter.
    off = weight == 0
    kept = metric(pred[~off], target[~off], weight[~off])
    for bad in (np.nan, np.inf, -np.inf, 1e300):
        spoiled, wrong = pred.copy(), target.copy()
        spoiled[off] = bad
        wrong[off] = bad if kind == "numbers" else -7
        np.testing.assert_array_equal(metric(spoiled, wrong, weight), kept)


@pytest.mark.parametrize("name", ALL)
def test_a_bad_number_in_a_row_that_counts_is_refused(name, rng):
    kind, metric = ALL[name]
    pred, target = rows_for(kind, rng)
    weight = np.ones(len(pred))
    weight[3], pred[5, 0] = 0, np.nan
    with pytest.raises(ArgumentError, match="NaN"):
        metric(pred, target, weight)


@pytest.mark.parametrize("name", ALL)
def test_float32_is_averaged_in_float64(name, rng):
    kind, metric = ALL[name]
    pred, target = rows_for(kind, rng, 300)
    pred = pred.astype(np.float32)
    target = target.astype(np.float32) if kind == "numbers" else target
    wide = target.astype(float) if kind == "numbers" else target
    np.testing.assert_allclose(metric(pred, target), metric(pred.astype(float), wide), rtol=1e-13)


@pytest.mark.parametrize(
    "name",
    sorted(
        {
            metric.func.__name__ if isinstance(metric, partial) else metric.__name__
            for _, metric in ALL.values()
        }
        - {"confusion_matrix"}
    ),
)
def test_every_metric_says_which_way_is_up_and_is_a_public_name(name):
    metric = getattr(nn, name)
    assert metric is getattr(metrics, name)
    assert metrics.is_better_higher(metric) is (name not in {"log_loss"} and "error" not in name)


def test_what_is_not_defined():
    assert np.isnan(nn.roc_auc([[0.1], [0.2]], [1, 1]))
    assert np.isnan(nn.roc_auc(np.eye(3), [0, 1, 1]))
    assert nn.average_precision([[0.1], [0.2]], [0, 0]) == 0.0
    assert nn.precision([[-1.0], [-2.0]], [1, 0]) == 0.0
    assert nn.recall([[1.0], [2.0]], [0, 0]) == 0.0
    assert nn.f1([[-1.0], [-2.0]], [0, 0]) == 0.0
    assert nn.f1(np.eye(3)[[0, 0]], [0, 0]) == 1.0  # of the classes that are there or predicted


def test_log_loss_is_exact_at_any_logit():
    assert nn.log_loss([[800.0]], [0]) == 800.0
    assert nn.log_loss([[20.0]], [1]) == pytest.approx(2.061153620e-9, rel=1e-9)
    assert nn.log_loss([[0.0, 1e308]], [0]) == 1e308
    assert nn.log_loss([[-1e308, 1e308]], [1]) == 0.0
    assert nn.log_loss([[1.0, 0.0]], [1], logits=False) == pytest.approx(36.0436533891)
    logits, soft = np.random.default_rng(0).normal(size=(5, 3)), np.full((5, 3), 1 / 3)
    assert nn.log_loss(logits, soft) == pytest.approx(
        nn.SoftmaxCrossEntropy().value_and_grad(logits, soft)[0]
    )


@pytest.mark.parametrize("size", [1e-200, 1.0, 1e200])
def test_large_and_small_numbers(size):
    pred, target = np.array([1.0, 2.0, 5.0]) * size, np.array([1.0, 3.0, 3.0]) * size
    assert nn.root_mean_squared_error(pred, target) == pytest.approx(np.sqrt(5 / 3) * size, rel=1e-12)
    assert nn.r2(pred, target) == pytest.approx(1 - 5 / (8 / 3), rel=1e-12)
    assert nn.r2(np.c_[pred, pred], np.c_[target, target], average="variance") == pytest.approx(-0.875)
    assert nn.median_absolute_error(pred, target) == size


def test_the_largest_numbers_overflow_without_a_word():
    huge = np.array([1e308, -1e308])
    assert nn.r2(huge, -huge) == -3.0
    assert nn.r2([1e200, 0.0], [1e-10, 2e-10]) == -np.inf
    assert nn.r2([1e-10, 2e-10], [1e200, 0.0]) == pytest.approx(-1.0)
    for metric in (nn.mean_absolute_error, nn.root_mean_squared_error, nn.median_absolute_error):
        assert metric(huge, -huge) == np.inf
    assert nn.mean_absolute_percentage_error([1e308], [0.0]) == np.inf
    assert nn.mean_absolute_percentage_error([0.0], [0.0]) == 0.0


@pytest.mark.parametrize("bins", [5, 10, 15, 20])
def test_probabilities_between_two_bins_lie_in_the_same_one_for_curve_and_error(bins):
    for sure in np.linspace(0, 1, bins + 1)[1:]:
        pred, target = [sure, sure - 0.25 / bins], [1, 0]
        predicted, observed, rows = metrics.calibration_curve(pred, target, bins=bins, logits=False)
        error = nn.expected_calibration_error(pred, target, bins=bins, logits=False)
        assert error == pytest.approx(np.average(np.abs(predicted - observed), weights=rows))


def test_who_is_sure_and_right_is_off_by_nothing():
    for metric in (nn.brier_score, nn.expected_calibration_error):
        assert metric([1.0, 0.0], [1, 0], logits=False) == 0.0
        assert metric([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], [0, 2], logits=False) == 0.0


@pytest.mark.parametrize("size", [1e-320, 1e308])
def test_calibration_by_weights_of_any_size(size):
    pred, target, weight = [0.9, 0.85], [1, 0], [size, size]
    assert nn.expected_calibration_error(pred, target, weight, bins=2, logits=False) == pytest.approx(0.375)
    predicted, observed, rows = metrics.calibration_curve(pred, target, weight, bins=2, logits=False)
    assert (predicted[0], observed[0]) == (pytest.approx(0.875), 0.5)
    assert rows[0] == size + size


def test_infinite_scores_have_an_order():
    assert nn.roc_auc([[-np.inf], [0.0], [np.inf], [np.inf]], [0, 1, 1, 0]) == 0.625
    with pytest.raises(ArgumentError, match="finite logits"):
        nn.roc_auc([[np.inf, 0, 1], [np.inf, 0, 1], [0, 1, 2]], [0, 1, 2])


def test_they_can_be_given_to_fit():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 3))
    ids = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0.5)
    together = [nn.precision, nn.recall, nn.f1, nn.roc_auc, nn.average_precision, nn.log_loss]
    weighted = {"f1 of classes": partial(nn.f1, average="weighted")}
    for outputs, y, loss in ((3, ids, nn.SoftmaxCrossEntropy()), (1, (ids > 0) * 1, nn.BinaryCrossEntropy())):
        for replicas in (None, 2):
            model = nn.Sequential([nn.Dense(3, outputs)], rng=0, replicas=replicas)
            named = {metric.__name__: metric for metric in together} | weighted
            options = {"loss": loss, "metrics": named, "validation": 0.25, "weight": rng.uniform(size=80)}
            stop = nn.EarlyStopping(monitor="validation_roc_auc", patience=50)
            history = model.fit(X, y, optimizer=nn.Adam(0.05), epochs=30, callbacks=[stop], **options)
            assert np.min(history["validation_roc_auc"][-1]) > 0.9
            np.testing.assert_allclose(history["validation_log_loss"], history["validation_loss"], rtol=1e-4)
    numbers = nn.Sequential([nn.Dense(3, 2)], rng=0)
    found = numbers.evaluate(X, X[:, :2], metrics=[getattr(nn, name) for name in NUMBERS])
    assert all(np.isfinite(value) for value in found.values())


SCORES, IDS = np.eye(3), [0, 1, 2]
SINGLE = np.array([[0.5], [-1.0]])


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (
            lambda: nn.f1(SCORES, IDS, average="binary"),
            ArgumentError,
            r"f1\(average=\): expected at most two classes for 'binary', got 3\. Write average='macro'",
        ),
        (
            lambda: nn.f1(SCORES, IDS, average="micro"),
            ArgumentError,
            r"'binary', 'macro' or 'weighted', got 'micro'",
        ),
        (
            lambda: nn.f1(SCORES, [[1, 1, 0], [0, 1, 0], [0, 0, 1]]),
            ArgumentError,
            r"one class a row.*a sum of 2 in row 0\. Measure one label at a time",
        ),
        (
            lambda: nn.precision(SINGLE, [0, 2]),
            ArgumentError,
            r"precision\(target=\): expected zeros and ones, got 2",
        ),
        (lambda: nn.recall(SINGLE, [0, 1, 1]), ShapeError, "recall"),
        (lambda: nn.recall([0, 1], [0, 1, 1]), ShapeError, "recall"),
        (lambda: nn.recall([0, 1], [0.0, 1.0]), ArgumentTypeError, r"recall\(target=\)"),
        (lambda: nn.f1(SINGLE, [0, 1], threshold="half"), ArgumentTypeError, r"f1\(threshold=\)"),
        (lambda: nn.roc_auc(SCORES, IDS, average="micro"), ArgumentError, r"roc_auc\(average=\)"),
        (lambda: nn.roc_auc(SCORES, IDS, logits="no"), ArgumentTypeError, r"roc_auc\(logits=\)"),
        (lambda: nn.roc_auc(SCORES, [0, 1, 3]), ArgumentError, r"class ids from 0 to 2, got 3 in row 2"),
        (lambda: nn.average_precision(SCORES, [[1, 1, 0]] * 3), ArgumentError, "one class a row"),
        (
            lambda: nn.log_loss([[2.0, -1.0]], [0], logits=False),
            ArgumentError,
            "probabilities, got 2. Leave logits=False out",
        ),
        (lambda: nn.log_loss([[0.5, 0.2]], [0], logits=False), ArgumentError, "a sum of 0.7 in row 0"),
        (lambda: nn.log_loss([[np.inf]], [0]), ArgumentError, r"log_loss\(pred=\): expected finite numbers"),
        (lambda: nn.log_loss([[0.3]], [0.5]), ArgumentError, "zeros and ones"),
        (
            lambda: nn.brier_score([[2.0]], [0], logits=False),
            ArgumentError,
            r"brier_score\(pred=\): expected prob",
        ),
        (
            lambda: nn.expected_calibration_error([[2.0]], [0], bins=0),
            ArgumentError,
            r"error\(bins=\): expected",
        ),
        (lambda: nn.expected_calibration_error([[2.0]], [[0, 1]]), ShapeError, "calibration_error"),
        (
            lambda: nn.r2(SINGLE, SINGLE, average="mean"),
            ArgumentError,
            r"r2\(average=\): expected 'outputs' or 'variance'",
        ),
        (lambda: nn.root_mean_squared_error(SINGLE, [1.0, 2.0]), ShapeError, r"target\[:, None\]"),
        (
            lambda: nn.median_absolute_error(SINGLE, SINGLE, [0, 0]),
            ArgumentError,
            "a weight above 0, got only zeros",
        ),
        (
            lambda: nn.mean_absolute_percentage_error(SINGLE, SINGLE, [1, -1]),
            ArgumentError,
            "finite weights of at least 0",
        ),
    ],
)
def test_wrong_arguments_are_refused(call, kind, message):
    with pytest.raises(kind, match=message):
        call()


@pytest.mark.parametrize("classes", [2, 4])
def test_scores_whose_probabilities_are_rounded_to_1_have_an_order(classes):
    # Those of class 1 are 1, all; its logits tell the rows apart.
    gaps = np.array([40.0, 60.0, 50.0, -60.0, 70.0])
    logits = np.zeros((5, classes))
    logits[:, 1] = gaps
    ids = np.array([0, 1, 0, 0, 1])
    one = gaps[:, None]
    if classes == 2:
        assert nn.metrics.roc_auc(logits, ids) == nn.metrics.roc_auc(one, ids) == 1
        assert nn.metrics.average_precision(logits, ids) == nn.metrics.average_precision(one, ids) == 1
    else:
        ids[3], ids[2] = 2, 3
        others = [np.where(np.arange(4) == c, -np.inf, logits) for c in range(4)]
        odds = [logits[:, c] - np.logaddexp.reduce(others[c], axis=1) for c in range(4)]
        expected = [nn.metrics.roc_auc(odds[c][:, None], ids == c) for c in range(4)]
        assert nn.metrics.roc_auc(logits, ids) == pytest.approx(np.mean(expected), rel=1e-12)
        assert expected[1] == 1


def sure_answers(classes, rows=400):
    """Make logits that say about as much as they may, and what is true."""
    rng = np.random.default_rng(0)
    ids = rng.integers(classes, size=rows)
    logits = 1.5 * np.eye(classes)[ids] + rng.normal(size=(rows, classes))
    return logits, ids


@pytest.mark.parametrize(
    ("metric", "fix"),
    [
        (metrics.log_loss, "Write logits=False"),
        (metrics.brier_score, "Write logits=False"),
        (metrics.expected_calibration_error, "Write logits=False"),
        (metrics.calibration_curve, "Write logits=False"),
        (metrics.roc_auc, "Write logits=False"),
        (metrics.average_precision, "Write logits=False"),
        (metrics.precision, "write threshold=0.5"),
        (metrics.recall, "write threshold=0.5"),
        (metrics.f1, "write threshold=0.5"),
        (metrics.binary_accuracy, "write threshold=0.5"),
    ],
)
def test_probabilities_that_are_read_as_logits_are_told(metric, fix):
    one = "threshold" in fix
    logits, ids = sure_answers(2 if one else 3)
    score = logits[:, 1:] - logits[:, :1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        metric(score if one else logits, ids)
        metric((score > 0).astype(float) if one else np.eye(3)[ids], ids)  # classes as numbers
    shares = 1 / (1 + np.exp(-score)) if one else nn.Softmax().forward(logits)
    with pytest.warns(
        DataWarning, match=rf"{metric.__name__}\(pred=\): the 400 scores .* probabilities.*{fix}"
    ):
        metric(shares, ids)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        metric(shares, ids, **({"threshold": 0.5} if one else {"logits": False}))
        metric(shares[:9], ids[:9])  # so few may be chance


def test_one_probability_a_row_is_told_and_logits_that_lie_between_0_and_1_are_not():
    logits, ids = sure_answers(2)
    with pytest.warns(DataWarning, match="look like probabilities"):
        metrics.log_loss(1 / (1 + np.exp(logits[:, 0] - logits[:, 1])), ids)
    rng = np.random.default_rng(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for middle in np.linspace(
            0.1, 0.9, 9
        ):  # weak answers, as likely as they say; and such that say nothing
            scores = np.clip(middle + rng.normal(0, 0.1, 2000), 0, 1)
            metrics.log_loss(scores, rng.random(2000) < 1 / (1 + np.exp(-scores)))
            metrics.log_loss(scores, rng.random(2000) < 0.5)


def test_targets_in_the_place_of_predictions_are_told():
    logits, ids = sure_answers(2)
    for metric in (metrics.log_loss, metrics.roc_auc, metrics.f1):
        with pytest.raises(
            ArgumentError, match=rf"Predictions come first: write {metric.__name__}\(pred, target"
        ):
            metric(ids.astype(float), logits[:, 1])
