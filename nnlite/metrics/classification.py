"""Metrics of classes and of yes-or-no answers."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from nnlite._typing import AnyArray
from nnlite.checks import check_ids, check_integer, check_number, check_rows, check_weight
from nnlite.errors import ArgumentError, ShapeError
from nnlite.metrics.directions import more_is_better
from nnlite.metrics.inputs import check_class_ids, check_no_nan, check_same_shape, check_scores, row_mean

__all__ = ["accuracy", "binary_accuracy", "confusion_matrix", "top_k_accuracy"]


@more_is_better
def accuracy(pred: ArrayLike, target: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Give the share of rows whose highest score is at the right class.

    Of equal scores the one of the lowest class id counts as the highest.

    Parameters
    ----------
    pred : array_like of shape (rows, classes)
        Scores: logits or probabilities, for at least two classes.
    target : array_like of shape (rows,) or (rows, classes)
        Class ids, or one-hot or soft targets, whose highest entry is the class.
    weight : array_like of shape (rows,) or None
        How much each row counts; None counts all alike.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    ShapeError
        If the shapes do not fit each other, or there are no rows.
    ArgumentTypeError, ArgumentError
        If ids are no integers or out of range, or a score is NaN.

    Examples
    --------
    >>> from nnlite.metrics import accuracy
    >>> accuracy([[2.0, 1.0], [0.3, 0.4], [5.0, 0.0], [0.0, 9.0]], [0, 1, 1, 1])
    0.75
    """
    scores = check_scores("accuracy", pred)
    ids = check_class_ids("accuracy", target, scores)
    return row_mean("accuracy", scores.argmax(axis=1) == ids, weight)


@more_is_better
def top_k_accuracy(
    pred: ArrayLike, target: ArrayLike, weight: ArrayLike | None = None, *, k: int = 5
) -> float:
    """Give the share of rows whose right class is among the `k` highest scores.

    Of equal scores the one of the lower class id counts as higher, as in `accuracy`, so
    that ``k=1`` gives the same number.

    Parameters
    ----------
    pred : array_like of shape (rows, classes)
        Scores: logits or probabilities, for at least two classes.
    target : array_like of shape (rows,) or (rows, classes)
        Class ids, or one-hot or soft targets, whose highest entry is the class.
    weight : array_like of shape (rows,) or None
        How much each row counts; None counts all alike.
    k : int
        How many guesses a row has, from 1 to the number of classes.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    ShapeError
        If the shapes do not fit each other, or there are no rows.
    ArgumentTypeError, ArgumentError
        If ids are no integers or out of range, a score is NaN, or `k` is out of range.

    Examples
    --------
    >>> from nnlite.metrics import top_k_accuracy
    >>> top_k_accuracy([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0]], [1, 2], k=2)
    0.5
    """
    scores = check_scores("top_k_accuracy", pred)
    ids = check_class_ids("top_k_accuracy", target, scores)
    k = check_integer("top_k_accuracy(k=)", k, low=1)
    classes = scores.shape[1]
    if k > classes:
        fix = "Give a smaller k."
        raise ArgumentError("top_k_accuracy(k=)", f"at most the {classes} classes", f"{k}", fix)
    own = np.take_along_axis(scores, ids[:, None], axis=1)
    ahead = (scores > own) | ((scores == own) & (np.arange(classes) < ids[:, None]))
    return row_mean("top_k_accuracy", ahead.sum(axis=1) < k, weight)


@more_is_better
def binary_accuracy(
    pred: ArrayLike, target: ArrayLike, weight: ArrayLike | None = None, *, threshold: float = 0.0
) -> float:
    """Give the share of yes-or-no answers that are right.

    A score above the threshold is a yes. Logits go with the threshold 0;
    give ``threshold=0.5`` for probabilities.

    Parameters
    ----------
    pred : array_like of shape (rows, labels)
        One score for each label; a single column for a single question.
    target : array_like of shape (rows, labels), or (rows,) for a single column
        Zeros and ones, of any dtype.
    weight : array_like of shape (rows,) or None
        How much each row counts; None counts all alike.
    threshold : float
        What a score must be above.

    Returns
    -------
    float
        From 0 to 1, the mean over rows and labels.

    Raises
    ------
    ShapeError
        If the shapes do not fit each other, or there are no rows.
    ArgumentTypeError, ArgumentError
        If a target is neither 0 nor 1, or a score is NaN.

    Examples
    --------
    >>> from nnlite.metrics import binary_accuracy
    >>> binary_accuracy([[3.2], [-0.1], [0.5], [-2.0]], [1, 0, 0, 0])
    0.75
    >>> binary_accuracy([[0.9], [0.2]], [1, 0], threshold=0.5)
    1.0
    """
    scores, truth = check_rows("binary_accuracy(pred=)", pred), check_rows("binary_accuracy(target=)", target)
    limit = check_number("binary_accuracy(threshold=)", threshold)
    if scores.ndim != 2:
        fix = (
            "Write pred[:, None] for a single column." if scores.ndim == 1 else "Give one row for each case."
        )
        raise ShapeError("binary_accuracy(pred=)", "shape (rows, labels)", f"shape {scores.shape}", fix)
    if truth.ndim == 1 and scores.shape[1] == 1:
        truth = truth[:, None]
    check_same_shape("binary_accuracy", scores, truth)
    check_no_nan("binary_accuracy(pred=)", scores)
    if not np.isin(truth, (0, 1)).all():
        fix = "Write target > 0 for labels of -1 and 1."
        wrong = truth[~np.isin(truth, (0, 1))][0]
        raise ArgumentError("binary_accuracy(target=)", "zeros and ones", f"{wrong}", fix)
    return row_mean("binary_accuracy", ((scores > limit) == truth).mean(axis=1), weight)


def confusion_matrix(
    pred: ArrayLike, target: ArrayLike, weight: ArrayLike | None = None, *, classes: int | None = None
) -> AnyArray:
    """Count how often each class was taken for each other.

    The predictions come first, as everywhere in nnlite; scikit-learn's function of this name
    takes the true classes first.

    Parameters
    ----------
    pred : array_like of shape (rows, classes) or (rows,)
        Scores, or the ids of the predicted classes.
    target : array_like of shape (rows,), or (rows, classes) if `pred` is
        The ids of the true classes, or one-hot or soft targets.
    weight : array_like of shape (rows,) or None
        How much each row counts; None counts all alike.
    classes : int or None
        The number of classes; None takes it from the scores, or as one more than the
        largest id.

    Returns
    -------
    ndarray of shape (classes, classes)
        The true class chooses the row, the predicted one the column. Counts of dtype
        int64, or sums of weights of dtype float64.

    Raises
    ------
    ShapeError
        If the shapes do not fit each other, or there are no rows.
    ArgumentTypeError, ArgumentError
        If ids are no integers or out of range, or a score is NaN.

    Examples
    --------
    >>> from nnlite.metrics import confusion_matrix
    >>> confusion_matrix([0, 1, 1, 2], [0, 1, 2, 2])
    array([[1, 0, 0],
           [0, 1, 0],
           [0, 1, 1]])
    """
    if classes is not None:
        classes = check_integer("confusion_matrix(classes=)", classes, low=1)
    if np.ndim(check_rows("confusion_matrix(pred=)", pred)) == 1:
        guess = check_ids("confusion_matrix(pred=)", pred, classes=classes)
        truth = check_ids("confusion_matrix(target=)", target, classes=classes)
        check_same_shape("confusion_matrix", guess, truth)
        size = classes or int(max(guess.max(), truth.max())) + 1
    else:
        scores = check_scores("confusion_matrix", pred)
        size = scores.shape[1]
        if classes not in (None, size):
            fix = "Leave classes= out, or give it the number of columns."
            raise ArgumentError("confusion_matrix(classes=)", f"the {size} of the scores", f"{classes}", fix)
        guess, truth = scores.argmax(axis=1), check_class_ids("confusion_matrix", target, scores)
    if weight is not None:
        weight = check_weight("confusion_matrix(weight=)", weight, rows=(len(truth),))
    return np.bincount(truth * size + guess, weights=weight, minlength=size * size).reshape(size, size)
