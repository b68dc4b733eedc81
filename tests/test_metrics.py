"""Metrics against definitions written out, scikit-learn, and inputs they must refuse."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nnlite import metrics
from nnlite.data.batching import one_hot
from nnlite.errors import ArgumentError, ArgumentTypeError, ShapeError
from nnlite.metrics import (
    accuracy,
    binary_accuracy,
    confusion_matrix,
    mean_absolute_error,
    r2,
    top_k_accuracy,
)

SCORES = np.array([[2.0, 1.0, 0.0], [0.0, 3.0, 1.0], [1.0, 0.0, 5.0], [1.0, 2.0, 0.0]], dtype=np.float32)
IDS = np.array([0, 1, 2, 0])
COLUMN = np.array([[0.5], [-1.0], [2.0]])


def test_accuracy_of_ids_one_hot_and_soft_targets():
    assert accuracy(SCORES, IDS) == 0.75
    assert accuracy(SCORES, one_hot(IDS)) == 0.75
    assert accuracy(SCORES, 0.8 * one_hot(IDS) + 0.2 / 3) == 0.75
    assert accuracy(SCORES, IDS.astype(np.uint8)) == 0.75


#: What is public in nnlite.metrics and gives no single number that could be compared.
NO_NUMBER = {
    "Metric", "SequenceMetric", "TaskMetric", "calibration_curve", "call_metric", "confusion_matrix",
    "is_better_higher", "named_metrics", "precision_recall_curve", "roc_curve",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(set(metrics.__all__) - NO_NUMBER))
def test_every_metric_says_which_way_is_up(name):
    """A new metric is marked by `more_is_better` or `less_is_better`; by these a best epoch is chosen."""
    metric = getattr(metrics, name)
    assert metrics.is_better_higher(metric) in {True, False}
    assert metrics.is_better_higher(partial(metric)) == metrics.is_better_higher(metric)


@pytest.mark.parametrize(
    ("metric", "good", "bad", "target"),
    [
        (accuracy, SCORES, -SCORES, IDS),
        (partial(top_k_accuracy, k=2), SCORES, -SCORES, IDS),
        (binary_accuracy, COLUMN, -COLUMN, COLUMN > 0),
        (r2, COLUMN, -COLUMN, COLUMN),
        (mean_absolute_error, COLUMN, -COLUMN, COLUMN),
    ],
)
def test_up_is_where_better_predictions_are(metric, good, bad, target):
    assert (metric(good, target) > metric(bad, target)) == metrics.is_better_higher(metric)


def test_weights_count_rows():
    weight = np.array([1.0, 0.0, 2.0, 5.0])
    assert accuracy(SCORES, IDS, weight) == 3 / 8
    assert accuracy(SCORES.repeat([1, 0, 2, 5], axis=0), IDS.repeat([1, 0, 2, 5])) == 3 / 8
    assert binary_accuracy(COLUMN, [1, 1, 1], [1, 2, 1]) == 0.5
    assert mean_absolute_error([1.0, 2.0], [0.0, 0.0], [3, 1]) == 1.25


@given(
    pred=hnp.arrays(np.float32, (6, 4), elements=st.sampled_from([-1.0, 0.0, 0.5, 2.0])),
    target=hnp.arrays(np.int64, 6, elements=st.integers(0, 3)),
)
def test_top_1_is_accuracy_even_with_ties_and_top_k_grows_to_one(pred, target):
    shares = [top_k_accuracy(pred, target, k=k) for k in (1, 2, 3, 4)]
    assert shares[0] == accuracy(pred, target)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_of_equal_scores_the_lowest_id_wins():
    flat = np.zeros((4, 4))
    assert accuracy(flat, [0, 1, 2, 3]) == 0.25
    assert [top_k_accuracy(flat, [0, 1, 2, 3], k=k) for k in (1, 2, 3)] == [0.25, 0.5, 0.75]


def test_infinite_scores_are_scores():
    assert accuracy([[-np.inf, 0.0], [np.inf, 0.0]], [1, 0]) == 1.0


def test_binary_accuracy_thresholds_and_labels():
    assert binary_accuracy(COLUMN, [1, 0, 0]) == pytest.approx(2 / 3)
    assert binary_accuracy(COLUMN, [[1.0], [0.0], [0.0]]) == pytest.approx(2 / 3)
    assert binary_accuracy(COLUMN, [True, False, True]) == 1.0
    assert binary_accuracy([[0.5], [0.6]], [0, 1], threshold=0.5) == 1.0
    assert binary_accuracy([[0.0]], [0]) == 1.0  # a score at the threshold is a no
    assert binary_accuracy([[1.0, -1.0], [1.0, 1.0]], [[1, 0], [0, 1]]) == 0.75


def test_r2_of_the_mean_is_zero_and_of_worse_negative():
    target = np.array([1.0, 2.0, 6.0])
    assert r2(target, target) == 1.0
    assert r2(np.full(3, 3.0), target) == 0.0
    assert r2(-target, target) < 0


@pytest.mark.parametrize("value", [0.1, 3.0, 1e9 + 0.1])
def test_r2_of_a_constant_target_is_one_if_exact_else_zero(value):
    target = np.full((7, 1), value)
    assert r2(target, target) == 1.0
    assert r2(target + 1.0, target) == 0.0
    varied = np.arange(7.0)[:, None]
    assert r2(np.hstack([varied, target + 1]), np.hstack([varied, target])) == 0.5


def test_r2_looks_only_at_rows_with_weight():
    pred, target = np.array([1.0, 2.0, 5.0]), np.array([1.0, 1.0, 5.0])
    assert r2(pred, target, [1, 0, 1]) == 1.0
    assert r2(pred, target, [1, 1, 0]) == 0.0
    # Constant as far as it counts, though the weighted mean of 0.1 is rounded.
    assert r2([0.1, 0.1, 0.1, 9.0], [0.1, 0.1, 0.1, 7.0], [0.3, 0.3, 0.1, 0.0]) == 1.0
    assert r2([0.2, 0.2, 0.2, 9.0], [0.1, 0.1, 0.1, 7.0], [0.3, 0.3, 0.1, 0.0]) == 0.0


def test_confusion_matrix_counts_true_rows_and_predicted_columns():
    expected = [[1, 1, 0], [0, 1, 0], [0, 0, 1]]
    for pred in (SCORES, SCORES.argmax(axis=1)):
        counts = confusion_matrix(pred, IDS)
        assert counts.dtype == np.int64
        assert counts.tolist() == expected
    assert confusion_matrix(SCORES, one_hot(IDS)).tolist() == expected
    assert confusion_matrix([0, 1], [0, 0], classes=3).tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 0]]
    assert confusion_matrix([0, 1], [0, 0], [0.5, 2.0]).tolist() == [[0.5, 2.0], [0.0, 0.0]]


def test_results_are_python_floats_and_float32_loses_nothing():
    for value in (
        accuracy(SCORES, IDS),
        top_k_accuracy(SCORES, IDS, k=2),
        binary_accuracy(COLUMN.astype(np.float32), [1, 0, 0]),
        r2(SCORES, SCORES + 1),
        mean_absolute_error(SCORES, SCORES + 1),
    ):
        assert type(value) is float
    # In float32 the sum of squares would round: 1e8 + 1 is not a float32.
    target = np.array([0.0, 1e4, 1.0], dtype=np.float32)
    assert r2(target + 1, target) == pytest.approx(
        r2(target.astype(float) + 1, target.astype(float)), rel=1e-12
    )


@pytest.mark.parametrize("weighted", [False, True])
def test_same_numbers_as_scikit_learn(rng, weighted):
    theirs = pytest.importorskip("sklearn.metrics")
    n, classes = 200, 6
    weight = rng.uniform(0.1, 2.0, n) if weighted else None
    scores, ids = rng.normal(size=(n, classes)), rng.integers(0, classes, n)
    guess = scores.argmax(axis=1)
    pairs = [
        (accuracy(scores, ids, weight), theirs.accuracy_score(ids, guess, sample_weight=weight)),
        (
            confusion_matrix(scores, ids, weight),
            theirs.confusion_matrix(ids, guess, sample_weight=weight),
        ),
    ]
    for k in (1, 2, 5):
        expected = theirs.top_k_accuracy_score(ids, scores, k=k, sample_weight=weight)
        pairs.append((top_k_accuracy(scores, ids, weight, k=k), expected))
    # A constant last column, but not with weights: there scikit-learn divides by a rounding error.
    target = rng.normal(size=(n, 3)) * [1.0, 10.0, float(weighted)] + 4.0
    pred = target + rng.normal(size=(n, 3))
    pairs += [
        (r2(pred, target, weight), theirs.r2_score(target, pred, sample_weight=weight)),
        (
            mean_absolute_error(pred, target, weight),
            theirs.mean_absolute_error(target, pred, sample_weight=weight),
        ),
    ]
    labels = rng.integers(0, 2, n)
    logits = rng.normal(size=(n, 1))
    expected = theirs.accuracy_score(labels, logits[:, 0] > 0, sample_weight=weight)
    pairs.append((binary_accuracy(logits, labels, weight), expected))
    for ours, reference in pairs:
        np.testing.assert_allclose(ours, reference, rtol=1e-12)


NAN_SCORES = np.array([[0.0, 1.0], [np.nan, np.nan]])


@pytest.mark.parametrize(
    ("call", "kind", "where"),
    [
        (lambda: accuracy(NAN_SCORES, [1, 0]), ArgumentError, "accuracy(pred=)"),
        (lambda: top_k_accuracy(NAN_SCORES, [1, 0], k=1), ArgumentError, "top_k_accuracy(pred=)"),
        (lambda: confusion_matrix(NAN_SCORES, [1, 0]), ArgumentError, "confusion_matrix(pred=)"),
        (lambda: binary_accuracy(NAN_SCORES, [[1, 1], [0, 0]]), ArgumentError, "binary_accuracy(pred=)"),
        (lambda: r2([np.nan, 1.0], [1.0, 2.0]), ArgumentError, "r2(pred=)"),
        (lambda: r2([0.0, 1.0], [1.0, np.inf]), ArgumentError, "r2(target=)"),
        (lambda: mean_absolute_error([np.nan], [1.0]), ArgumentError, "mean_absolute_error(pred=)"),
        (lambda: accuracy(SCORES, SCORES * np.nan), ArgumentError, "accuracy(target=)"),
        (lambda: accuracy(SCORES[:0], IDS[:0]), ShapeError, "accuracy(pred=)"),
        (lambda: accuracy(SCORES, []), ShapeError, "accuracy(target=)"),
        (lambda: accuracy(SCORES, IDS[:3]), ShapeError, "accuracy(target=)"),
        (lambda: accuracy(SCORES, IDS[:, None]), ShapeError, "accuracy(target=)"),
        (lambda: accuracy(SCORES, one_hot(IDS, classes=4)), ShapeError, "accuracy(target=)"),
        (lambda: accuracy(SCORES, [0, 1, 2, 3]), ArgumentError, "accuracy(target=)"),
        (lambda: accuracy(SCORES, [0, 1, 2, -1]), ArgumentError, "accuracy(target=)"),
        (lambda: accuracy(SCORES, [0.0, 1.0, 2.0, 0.0]), ArgumentTypeError, "accuracy(target=)"),
        (lambda: accuracy(SCORES, ["a", "b", "c", "a"]), ArgumentTypeError, "accuracy(target=)"),
        (lambda: accuracy(COLUMN, [0, 0, 0]), ShapeError, "accuracy(pred=)"),
        (lambda: accuracy(IDS, IDS), ShapeError, "accuracy(pred=)"),
        (lambda: accuracy(SCORES, IDS, [1.0]), ShapeError, "accuracy(weight=)"),
        (lambda: accuracy(SCORES, IDS, [1.0, 1.0, 1.0, -1.0]), ArgumentError, "accuracy(weight=)"),
        (lambda: accuracy(SCORES, IDS, np.zeros(4)), ArgumentError, "accuracy(weight=)"),
        (lambda: top_k_accuracy(SCORES, IDS), ArgumentError, "top_k_accuracy(k=)"),
        (lambda: top_k_accuracy(SCORES, IDS, k=0), ArgumentError, "top_k_accuracy(k=)"),
        (lambda: binary_accuracy([0.5, 0.1], [1, 0]), ShapeError, "binary_accuracy(pred=)"),
        (lambda: binary_accuracy(COLUMN, [1, 0]), ShapeError, "binary_accuracy"),
        (lambda: binary_accuracy(SCORES, IDS), ShapeError, "binary_accuracy"),
        (lambda: binary_accuracy(COLUMN, [1, 0, 2]), ArgumentError, "binary_accuracy(target=)"),
        (lambda: binary_accuracy(COLUMN, [1, -1, 1]), ArgumentError, "binary_accuracy(target=)"),
        (lambda: binary_accuracy(COLUMN, [1, 0.5, 1]), ArgumentError, "binary_accuracy(target=)"),
        (
            lambda: binary_accuracy(COLUMN, [1, 0, 1], threshold=np.nan),
            ArgumentError,
            "binary_accuracy(threshold=)",
        ),
        (lambda: r2(COLUMN, COLUMN[:2]), ShapeError, "r2"),
        (lambda: r2(COLUMN[None], COLUMN[None]), ShapeError, "r2"),
        (lambda: mean_absolute_error([], []), ShapeError, "mean_absolute_error(pred=)"),
        (lambda: confusion_matrix([0, 1], [0, 1, 1]), ShapeError, "confusion_matrix"),
        (lambda: confusion_matrix([0, 3], [0, 1], classes=3), ArgumentError, "confusion_matrix(pred=)"),
        (lambda: confusion_matrix([0, 1], [0, 3], classes=3), ArgumentError, "confusion_matrix(target=)"),
        (lambda: confusion_matrix([0.2, 0.9], [0, 1]), ArgumentTypeError, "confusion_matrix(pred=)"),
        (lambda: confusion_matrix(SCORES, IDS, classes=4), ArgumentError, "confusion_matrix(classes=)"),
    ],
)
def test_wrong_arguments_are_refused(call, kind, where):
    with pytest.raises(kind) as error:
        call()
    assert error.value.where == where


@pytest.mark.parametrize("metric", [r2, mean_absolute_error])
def test_a_column_against_a_flat_array_says_what_to_write(metric):
    with pytest.raises(ShapeError, match=r"target\[:, None\]"):
        metric(COLUMN, COLUMN[:, 0])
    with pytest.raises(ShapeError, match=r"target\[:, 0\]"):
        metric(COLUMN[:, 0], COLUMN)


def test_nan_names_its_row():
    with pytest.raises(ArgumentError, match="NaN in row 1"):
        accuracy(NAN_SCORES, [1, 0])


def test_accuracy_of_ids_says_what_to_write():
    with pytest.raises(ShapeError, match=r"\(ids == target\)\.mean\(\)"):
        accuracy(np.array([0, 1, 1]), np.array([0, 1, 0]))
