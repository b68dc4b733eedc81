"""Metrics of an order: how well scores tell rows of a class from the others, whatever the threshold."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nnlite.core.aliases import AnyArray
from nnlite.errors import ArgumentError
from nnlite.errors.arguments import explained
from nnlite.errors.checks import check_bool
from nnlite.layers.activations import log_softmax
from nnlite.metrics.directions import more_is_better
from nnlite.metrics.inputs import check_class, check_question, counting, kept, warn_of_probabilities

__all__ = ["average_precision", "precision_recall_curve", "roc_auc", "roc_curve"]

#: A number from the weights of the true and of the false rows above each threshold, from the highest down.
_Curve = Callable[[NDArray[np.float64], NDArray[np.float64]], float]


@more_is_better
@explained
def roc_auc(
    pred: ArrayLike,
    target: ArrayLike,
    weight: ArrayLike | None = None,
    *,
    average: str = "macro",
    logits: bool = True,
) -> float:
    """Give the area under the ROC curve: how often a row of a class has a higher score than another row.

    Parameters
    ----------
    pred : array_like of shape (rows, classes), (rows, 1) or (rows,)
        One score for each row of a yes-or-no question, of which only the order counts; or logits of at
        least two classes, whose softmax is taken here. Of several classes it is the mean over
        classes of each against the rest.
    target : array_like of shape (rows,), or of the shape of `pred`
        Class ids, or one-hot or soft rows, whose highest entry is the class; of one score a row zeros and
        ones.
    weight : array_like of shape (rows,) or None
        How much each row counts; None counts all alike.
    average : {"macro", "weighted"}
        How several classes are averaged: all alike, or by how often they are there.
    logits : bool
        False for probabilities of several classes, of a model that ends in Softmax.

    Returns
    -------
    float
        From 0 to 1; .5 is what guessing gives, and equal scores count half. NaN if all rows are of one
        class, or one of several classes has no row: there is nothing to tell apart.

    Raises
    ------
    ShapeError
        If the shapes do not fit each other, or there are no rows.
    ArgumentTypeError, ArgumentError
        If ids are no integers or out of range, a score is NaN, a row has several labels, or there is no such
        average.

    References
    ----------
    T. Fawcett, "An introduction to ROC analysis", Pattern Recognition Letters 27, 2006.

    Examples
    --------
    >>> from nnlite.metrics import roc_auc
    >>> roc_auc([[0.1], [0.4], [0.35], [0.8]], [0, 0, 1, 1])
    0.75
    """
    return _each_class("roc_auc", _area, pred, target, weight, average, logits)


@more_is_better
@explained
def average_precision(
    pred: ArrayLike,
    target: ArrayLike,
    weight: ArrayLike | None = None,
    *,
    average: str = "macro",
    logits: bool = True,
) -> float:
    """Give the average precision: the mean of the precision at every row of a class that is found.

    It sums up the curve of precision over recall, without interpolation, and is the number to look at where
    one class is rare.

    Parameters
    ----------
    pred : array_like of shape (rows, classes), (rows, 1) or (rows,)
        One score for each row of a yes-or-no question, of which only the order counts; or logits of at
        least two classes, whose softmax is taken here. Of two classes it is that of class 1, of more
        the mean over classes of each against the rest.
    target : array_like of shape (rows,), or of the shape of `pred`
        Class ids, or one-hot or soft rows, whose highest entry is the class; of one score a row zeros and
        ones.
    weight : array_like of shape (rows,) or None
        How much each row counts; None counts all alike.
    average : {"macro", "weighted"}
        How several classes are averaged: all alike, or by how often they are there.
    logits : bool
        False for probabilities of several classes, of a model that ends in Softmax.

    Returns
    -------
    float
        From 0 to 1. That of a class without a row is 0.

    Raises
    ------
    ShapeError
        If the shapes do not fit each other, or there are no rows.
    ArgumentTypeError, ArgumentError
        If ids are no integers or out of range, a score is NaN, a row has several labels, or there is no such
        average.

    Examples
    --------
    >>> from nnlite.metrics import average_precision
    >>> round(average_precision([[0.1], [0.4], [0.35], [0.8]], [0, 0, 1, 1]), 6)
    0.833333
    """
    return _each_class("average_precision", _precision_sum, pred, target, weight, average, logits)


@explained
def roc_curve(
    pred: ArrayLike,
    target: ArrayLike,
    weight: ArrayLike | None = None,
    *,
    class_id: int | None = None,
    logits: bool = True,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Give the ROC curve: how many rows of a class are found, and how many others are taken for it.

    Parameters
    ----------
    pred, target, weight
        As `roc_auc` takes them.
    class_id : int, optional
        The class that is told from the rest; by default class 1 of two. Of more classes one must be named.
    logits : bool
        False for probabilities of several classes, of a model that ends in Softmax.

    Returns
    -------
    false_positive_rate, true_positive_rate : ndarray of shape (thresholds,)
        Shares of the other rows, and of those of the class, whose score is at least the threshold, from 0 up.
        NaN where there are no such rows.
    thresholds : ndarray of shape (thresholds,)
        Every score that there is, from infinity down. Of logits of classes they are log-odds; for class 0 of
        a single score they are minus the scores.

    Raises
    ------
    ShapeError
        If the shapes do not fit each other, or there are no rows.
    ArgumentTypeError, ArgumentError
        If ids are no integers or out of range, a score is NaN, a row has several labels, or there is no such
        class.

    Examples
    --------
    >>> from nnlite.metrics import roc_curve
    >>> false, true, thresholds = roc_curve([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
    >>> false.tolist(), true.tolist()
    ([0.0, 0.0, 0.5, 0.5, 1.0], [0.0, 0.5, 0.5, 1.0, 1.0])
    """
    thresholds, true, false = _one_class("roc_curve", pred, target, weight, class_id, logits)
    with np.errstate(invalid="ignore"):  # 0 of 0 is NaN
        rates = [np.append(0.0, part) / part[-1] for part in (false, true)]
    return rates[0], rates[1], np.append(np.inf, thresholds)


@explained
def precision_recall_curve(
    pred: ArrayLike,
    target: ArrayLike,
    weight: ArrayLike | None = None,
    *,
    class_id: int | None = None,
    logits: bool = True,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Give precision and recall at every threshold: how pure what is found is, and how much is found.

    Parameters
    ----------
    pred, target, weight
        As `average_precision` takes them.
    class_id : int, optional
        The class that is told from the rest; by default class 1 of two. Of more classes one must be named.
    logits : bool
        False for probabilities of several classes, of a model that ends in Softmax.

    Returns
    -------
    precision, recall : ndarray of shape (thresholds + 1,)
        From the lowest threshold up; the last of them are 1 and 0, where nothing is found. The recall of a
        class without a row is NaN.
    thresholds : ndarray of shape (thresholds,)
        Every score that there is. Of logits of classes they are log-odds; for class 0 of a single score they
        are minus the scores.

    Raises
    ------
    ShapeError
        If the shapes do not fit each other, or there are no rows.
    ArgumentTypeError, ArgumentError
        If ids are no integers or out of range, a score is NaN, a row has several labels, or there is no such
        class.

    Examples
    --------
    >>> from nnlite.metrics import precision_recall_curve
    >>> precision, recall, thresholds = precision_recall_curve([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
    >>> precision.round(2).tolist(), recall.tolist()
    ([0.5, 0.67, 0.5, 1.0, 1.0], [1.0, 1.0, 0.5, 0.5, 0.0])
    """
    thresholds, true, false = _one_class("precision_recall_curve", pred, target, weight, class_id, logits)
    with np.errstate(invalid="ignore"):
        recall = true / true[-1]
    found = np.append((true / (true + false))[::-1], 1.0), np.append(recall[::-1], 0.0)
    return *found, thresholds[::-1]


def _one_class(
    where: str,
    pred: ArrayLike,
    target: ArrayLike,
    weight: ArrayLike | None,
    class_id: int | None,
    logits: bool,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Give the thresholds, and the weights of the true and of the false rows of a class above each."""
    scores, ids, weights = _scores(where, pred, target, weight, logits)
    place = check_class(where, class_id, scores.shape[1])
    true = ids == place
    # A single score is that of class 1.
    column = scores[:, place] if scores.shape[1] > 1 else scores[:, 0] if place else -scores[:, 0]
    return _sums(column, true, weights)


def _each_class(
    where: str,
    curve: _Curve,
    pred: ArrayLike,
    target: ArrayLike,
    weight: ArrayLike | None,
    average: str,
    logits: bool,
) -> float:
    """Measure each class against the rest, or class 1 of two."""
    if average not in ("macro", "weighted"):
        fix = "Leave it out for the mean over classes."
        raise ArgumentError(f"{where}(average=)", "'macro' or 'weighted'", f"{average!r}", fix)
    scores, ids, weights = _scores(where, pred, target, weight, logits)
    classes = scores.shape[1]
    if classes <= 2:
        return curve(*_sums(scores[:, -1], ids == 1, weights)[1:])
    values = [curve(*_sums(scores[:, c], ids == c, weights)[1:]) for c in range(classes)]
    there = np.bincount(ids, weights=weights, minlength=classes)
    return float(np.average(values, weights=there if average == "weighted" else None))


def _scores(
    where: str, pred: ArrayLike, target: ArrayLike, weight: ArrayLike | None, logits: bool
) -> tuple[AnyArray, NDArray[np.int64], NDArray[np.float64] | None]:
    """Give scores of each class by which rows can be ordered, the true classes and the weights."""
    logits = check_bool(f"{where}(logits=)", logits)
    scores, truth, weights = counting(where, pred, target, weight)
    scores, ids = check_question(where, scores, truth)
    weights, scores, ids = kept(weights, scores, ids)
    if scores.shape[1] > 1:
        if logits and scores.shape[1] > 2:  # of two both have one order
            warn_of_probabilities(where, scores, ids, "Write logits=False for probabilities.")
        scores = scores.astype(np.float64)
        if logits and np.isinf(scores.max(axis=1)).any():
            fix = "Find the layer or the data it comes from."
            raise ArgumentError(f"{where}(pred=)", "finite logits", "infinity", fix)
        scores = _log_odds(scores) if logits else scores
    return scores, ids, weights


def _log_odds(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give log(p / (1 - p)) of each class, in the order of p where that is rounded to 1 too."""
    logarithms = log_softmax(logits)
    rest, top = logits.copy(), logits.argmax(axis=1)[:, None]
    np.put_along_axis(rest, top, -np.inf, axis=1)
    others = np.logaddexp.reduce(rest, axis=1, keepdims=True)
    with np.errstate(divide="ignore", under="ignore"):  # at the highest, whose place is taken
        found = (logarithms - np.log1p(-np.exp(logarithms))).astype(np.float64, copy=False)
    np.put_along_axis(found, top, np.take_along_axis(logits, top, axis=1) - others, axis=1)
    return found


def _sums(
    scores: AnyArray, true: NDArray[np.bool_], weights: NDArray[np.float64] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Add up the weights of true and false rows from the highest score down; equal scores count as one."""
    order = np.argsort(scores, kind="stable")[::-1]
    scores, true = scores[order], true[order]
    w = np.ones(len(order)) if weights is None else weights[order]
    last = np.flatnonzero(np.append(scores[1:] != scores[:-1], True))
    return scores[last].astype(np.float64), np.cumsum(w * true)[last], np.cumsum(w * ~true)[last]


def _area(true: NDArray[np.float64], false: NDArray[np.float64]) -> float:
    if not (true[-1] and false[-1]):
        return float("nan")
    steps = np.diff(false, prepend=0.0)
    heights = true - np.diff(true, prepend=0.0) / 2
    return float(steps @ heights / (true[-1] * false[-1]))


def _precision_sum(true: NDArray[np.float64], false: NDArray[np.float64]) -> float:
    if not true[-1]:
        return 0.0
    return float(np.diff(true, prepend=0.0) @ (true / (true + false)) / true[-1])
