"""Metrics of classes and of yes-or-no answers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nnlite.core.aliases import AnyArray
from nnlite.data.checks import check_ids
from nnlite.errors import ArgumentError
from nnlite.errors.arguments import explained
from nnlite.errors.checks import check_bool, check_finite, check_integer, check_number
from nnlite.layers.activations import log_softmax
from nnlite.metrics.directions import less_is_better, more_is_better
from nnlite.metrics.inputs import (
    check_binary,
    check_class,
    check_class_ids,
    check_question,
    check_same_shape,
    check_scores,
    counting,
    kept,
    row_mean,
    warn_of_probabilities,
)

__all__ = [
    "accuracy",
    "binary_accuracy",
    "brier_score",
    "calibration_curve",
    "confusion_matrix",
    "expected_calibration_error",
    "f1",
    "log_loss",
    "precision",
    "recall",
    "top_k_accuracy",
]


@more_is_better
@explained
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
    scores, truth, weights = counting("accuracy", pred, target, weight)
    scores = check_scores("accuracy", scores)
    ids = check_class_ids("accuracy", truth, scores)
    return row_mean(scores.argmax(axis=1) == ids, weights)


@more_is_better
@explained
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
    scores, truth, weights = counting("top_k_accuracy", pred, target, weight)
    scores = check_scores("top_k_accuracy", scores)
    ids = check_class_ids("top_k_accuracy", truth, scores)
    k = check_integer("top_k_accuracy(k=)", k, low=1)
    classes = scores.shape[1]
    if k > classes:
        fix = "Give a smaller k."
        raise ArgumentError("top_k_accuracy(k=)", f"at most the {classes} classes", f"{k}", fix)
    own = np.take_along_axis(scores, ids[:, None], axis=1)
    ahead = (scores > own) | ((scores == own) & (np.arange(classes) < ids[:, None]))
    return row_mean(ahead.sum(axis=1) < k, weights)


@more_is_better
@explained
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
    scores, truth, weights = counting("binary_accuracy", pred, target, weight)
    limit = check_number("binary_accuracy(threshold=)", threshold)
    scores, truth = check_binary("binary_accuracy", scores, truth)
    _warn_of_threshold("binary_accuracy", scores.reshape(-1), truth, limit)
    return row_mean(((scores > limit) == truth).mean(axis=1), weights)


@explained
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
    scores, target, weights = counting("confusion_matrix", pred, target, weight)
    if scores.ndim == 1:
        guess = check_ids("confusion_matrix(pred=)", scores, classes=classes)
        truth = check_ids("confusion_matrix(target=)", target, classes=classes)
        check_same_shape("confusion_matrix", guess, truth)
        size = classes or int(max(guess.max(), truth.max())) + 1
    else:
        scores = check_scores("confusion_matrix", scores)
        size = scores.shape[1]
        if classes not in (None, size):
            fix = "Leave classes= out, or give it the number of columns."
            raise ArgumentError("confusion_matrix(classes=)", f"the {size} of the scores", f"{classes}", fix)
        guess, truth = scores.argmax(axis=1), check_class_ids("confusion_matrix", target, scores)
    return np.bincount(truth * size + guess, weights=weights, minlength=size * size).reshape(size, size)


#: What the three have in common.
_Counts = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


@more_is_better
@explained
def precision(
    pred: ArrayLike,
    target: ArrayLike,
    weight: ArrayLike | None = None,
    *,
    average: str | None = None,
    threshold: float = 0.0,
) -> float:
    """Give the share of the rows taken for a class that are of that class.

    Parameters
    ----------
    pred : array_like of shape (rows, classes), (rows, 1) or (rows,)
        Scores, logits or probabilities, of which the highest decides; one score for each row of a yes-or-no
        question, whose logits go with the threshold 0; or integers, the ids of the predicted classes.
    target : array_like of shape (rows,), or of the shape of `pred`
        Class ids, or one-hot or soft rows, whose highest entry is the class; of one score a row zeros and
        ones.
    weight : array_like of shape (rows,) or None
        How much each row counts; None counts all alike.
    average : {"binary", "macro", "weighted"}, optional
        ``"binary"`` is that of class 1 and needs at most two classes; ``"macro"`` the mean over the classes
        that are there or predicted; ``"weighted"`` the mean by how often they are there. By default
        binary for one score a row, macro for classes. For fit write
        ``metrics={"precision": partial(precision, average="weighted")}``.
    threshold : float
        What one score a row must be above to be a yes; 0.5 for probabilities.

    Returns
    -------
    float
        From 0 to 1. That of a class which is never predicted is 0.

    Raises
    ------
    ShapeError
        If the shapes do not fit each other, or there are no rows.
    ArgumentTypeError, ArgumentError
        If ids are no integers or out of range, a score is NaN, a row has several labels, or there is no such
        average.

    Examples
    --------
    >>> from nnlite.metrics import precision
    >>> precision([[2.0], [0.5], [1.0], [-3.0]], [1, 0, 1, 0])
    0.6666666666666666
    """
    hits, guessed, _ = counts = _count("precision", pred, target, weight, average, threshold)
    return _average(_ratio(hits, guessed), counts, average)


@more_is_better
@explained
def recall(
    pred: ArrayLike,
    target: ArrayLike,
    weight: ArrayLike | None = None,
    *,
    average: str | None = None,
    threshold: float = 0.0,
) -> float:
    """Give the share of the rows of a class that are found.

    Parameters
    ----------
    pred : array_like of shape (rows, classes), (rows, 1) or (rows,)
        Scores, logits or probabilities, of which the highest decides; one score for each row of a yes-or-no
        question, whose logits go with the threshold 0; or integers, the ids of the predicted classes.
    target : array_like of shape (rows,), or of the shape of `pred`
        Class ids, or one-hot or soft rows, whose highest entry is the class; of one score a row zeros and
        ones.
    weight : array_like of shape (rows,) or None
        How much each row counts; None counts all alike.
    average : {"binary", "macro", "weighted"}, optional
        ``"binary"`` is that of class 1 and needs at most two classes; ``"macro"`` the mean over the classes
        that are there or predicted; ``"weighted"`` the mean by how often they are there. By default
        binary for one score a row, macro for classes. For fit write
        ``metrics={"recall": partial(recall, average="weighted")}``.
    threshold : float
        What one score a row must be above to be a yes; 0.5 for probabilities.

    Returns
    -------
    float
        From 0 to 1. That of a class which is not there is 0.

    Raises
    ------
    ShapeError
        If the shapes do not fit each other, or there are no rows.
    ArgumentTypeError, ArgumentError
        If ids are no integers or out of range, a score is NaN, a row has several labels, or there is no such
        average.

    Examples
    --------
    >>> from nnlite.metrics import recall
    >>> recall([0, 1, 1, 2], [0, 1, 2, 2], average="macro")
    0.8333333333333334
    """
    hits, _, there = counts = _count("recall", pred, target, weight, average, threshold)
    return _average(_ratio(hits, there), counts, average)


@more_is_better
@explained
def f1(
    pred: ArrayLike,
    target: ArrayLike,
    weight: ArrayLike | None = None,
    *,
    average: str | None = None,
    threshold: float = 0.0,
) -> float:
    """Give the F1 score: the harmonic mean of precision and recall.

    Parameters
    ----------
    pred : array_like of shape (rows, classes), (rows, 1) or (rows,)
        Scores, logits or probabilities, of which the highest decides; one score for each row of a yes-or-no
        question, whose logits go with the threshold 0; or integers, the ids of the predicted classes.
    target : array_like of shape (rows,), or of the shape of `pred`
        Class ids, or one-hot or soft rows, whose highest entry is the class; of one score a row zeros and
        ones.
    weight : array_like of shape (rows,) or None
        How much each row counts; None counts all alike.
    average : {"binary", "macro", "weighted"}, optional
        ``"binary"`` is that of class 1 and needs at most two classes; ``"macro"`` the mean over the classes
        that are there or predicted; ``"weighted"`` the mean by how often they are there: of F1 itself,
        not of the two that it is made of. By default binary for one score a row, macro for classes. For
        fit write ``metrics={"f1": partial(f1, average="weighted")}``.
    threshold : float
        What one score a row must be above to be a yes; 0.5 for probabilities.

    Returns
    -------
    float
        From 0 to 1. That of a class which is neither there nor predicted is 0.

    Raises
    ------
    ShapeError
        If the shapes do not fit each other, or there are no rows.
    ArgumentTypeError, ArgumentError
        If ids are no integers or out of range, a score is NaN, a row has several labels, or there is no such
        average.

    Examples
    --------
    >>> from nnlite.metrics import f1
    >>> f1([[2.0], [0.5], [1.0], [-3.0]], [1, 0, 1, 0])
    0.8
    >>> f1([[2.0, 0.5], [1.0, 3.0]], [0, 0], average="weighted")
    0.6666666666666666
    """
    hits, guessed, there = counts = _count("f1", pred, target, weight, average, threshold)
    return _average(_ratio(2 * hits, guessed + there), counts, average)


@less_is_better
@explained
def log_loss(
    pred: ArrayLike, target: ArrayLike, weight: ArrayLike | None = None, *, logits: bool = True
) -> float:
    """Give the mean of minus the logarithm of the probability of what is true.

    It is the value of `SoftmaxCrossEntropy` or `BinaryCrossEntropy`, in float64.

    Parameters
    ----------
    pred : array_like of shape (rows, classes), or (rows, 1) or (rows,)
        Logits of at least two classes, or of a single yes-or-no question; the softmax or sigmoid is taken
        here. Their logarithms are exact at any logit, where scikit-learn clips probabilities.
    target : array_like of shape (rows,) or (rows, classes)
        Class ids, or one-hot or soft rows that sum to 1; of a single question zeros and ones.
    weight : array_like of shape (rows,) or None
        How much each row counts; None counts all alike.
    logits : bool
        False for probabilities, of a model that ends in Softmax or Sigmoid. They are clipped to what is
        2.2e-16 from 0 and 1.

    Returns
    -------
    float
        At least 0, in nats.

    Raises
    ------
    ShapeError
        If the shapes do not fit each other, or there are no rows.
    ArgumentTypeError, ArgumentError
        If ids are no integers or out of range, a score is NaN or infinite, rows do not sum to 1, or, with
        ``logits=False``, numbers are not in [0, 1].

    Examples
    --------
    >>> from nnlite.metrics import log_loss
    >>> round(log_loss([[0.0, 0.0], [9.0, -9.0]], [1, 0]), 6)
    0.346574
    >>> round(log_loss([[0.5], [0.8]], [1, 1], logits=False), 6)
    0.458145
    """
    scores, shares, weights = _asked("log_loss", pred, target, weight, logits)
    logarithms = _log_shares("log_loss", scores, logits=logits)
    paid = np.multiply(
        shares, -logarithms, out=np.zeros_like(shares), where=shares > 0
    )  # 0 times infinity too
    return row_mean(paid.sum(axis=1), weights)


@less_is_better
@explained
def brier_score(
    pred: ArrayLike, target: ArrayLike, weight: ArrayLike | None = None, *, logits: bool = True
) -> float:
    """Give the mean squared gap between the probabilities and what is true.

    As scikit-learn has it: of several classes the squares of all are added up; of two, or of a single
    yes-or-no question, it is the square of the gap at one of them.

    Parameters
    ----------
    pred : array_like of shape (rows, classes), or (rows, 1) or (rows,)
        Logits of at least two classes, or of a single yes-or-no question; the softmax or sigmoid is taken
        here.
    target : array_like of shape (rows,) or (rows, classes)
        Class ids, or one-hot or soft rows that sum to 1; of a single question zeros and ones.
    weight : array_like of shape (rows,) or None
        How much each row counts; None counts all alike.
    logits : bool
        False for probabilities, of a model that ends in Softmax or Sigmoid.

    Returns
    -------
    float
        From 0 to 1, with more than two classes to 2. Who knows nothing but how often a yes is, once in two,
        has 0.25.

    Raises
    ------
    ShapeError
        If the shapes do not fit each other, or there are no rows.
    ArgumentTypeError, ArgumentError
        As in `log_loss`.

    References
    ----------
    G. Brier, "Verification of forecasts expressed in terms of probability", Monthly Weather Review 78, 1950.

    Examples
    --------
    >>> from nnlite.metrics import brier_score
    >>> round(brier_score([0.9, 0.4], [1, 0], logits=False), 6)
    0.085
    """
    scores, shares, weights = _asked("brier_score", pred, target, weight, logits)
    squares = ((_chances("brier_score", scores, logits=logits) - shares) ** 2).sum(axis=1)
    return row_mean(squares / (2 if shares.shape[1] == 2 else 1), weights)


@less_is_better
@explained
def expected_calibration_error(
    pred: ArrayLike,
    target: ArrayLike,
    weight: ArrayLike | None = None,
    *,
    logits: bool = True,
    bins: int = 15,
) -> float:
    """Give how far, on average, probabilities lie from how often they are right.

    Rows are put into bins of equal width by how sure the net is: by the probability of the class that it
    takes, or of a yes. In each bin the mean probability is compared with the share of rows that are of
    that class; the gaps are averaged, each by the rows in its bin.

    Parameters
    ----------
    pred : array_like of shape (rows, classes), or (rows, 1) or (rows,)
        Logits of at least two classes, or of a single yes-or-no question; the softmax or sigmoid is taken
        here.
    target : array_like of shape (rows,) or (rows, classes)
        Class ids, or one-hot or soft rows, whose highest entry is the class; of a single question zeros and
        ones.
    weight : array_like of shape (rows,) or None
        How much each row counts; None counts all alike.
    logits : bool
        False for probabilities, of a model that ends in Softmax or Sigmoid.
    bins : int
        How many. With few rows in a bin, chance alone makes a gap.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    ShapeError
        If the shapes do not fit each other, or there are no rows.
    ArgumentTypeError, ArgumentError
        As in `log_loss`, or if `bins` is no number from 1.

    References
    ----------
    M. Pakdaman Naeini, G. Cooper and M. Hauskrecht, "Obtaining well calibrated probabilities using Bayesian
    binning", AAAI 2015.
    C. Guo, G. Pleiss, Y. Sun and K. Weinberger, "On Calibration of Modern Neural Networks", ICML 2017.

    Examples
    --------
    It says 90 % four times, and is right three times:

    >>> from nnlite.metrics import expected_calibration_error
    >>> round(expected_calibration_error([0.9, 0.9, 0.9, 0.9], [1, 1, 1, 0], logits=False), 6)
    0.15
    """
    where = "expected_calibration_error"
    bins = check_integer(f"{where}(bins=)", bins, low=1)
    scores, shares, weights = _asked(where, pred, target, weight, logits)
    weights, scores, shares = kept(weights, scores, shares)
    taken = np.ones(len(scores), int) if scores.shape[1] == 1 else scores.argmax(axis=1)
    sure = _chances(where, scores, logits=logits)[np.arange(len(taken)), taken]
    w = np.ones(len(sure)) if weights is None else weights
    _, sums, right = _in_bins(sure, shares.argmax(axis=1) == taken, w, bins)
    return float(np.abs(sums - right).sum() / w.sum())


def _asked(
    where: str, pred: ArrayLike, target: ArrayLike, weight: ArrayLike | None, logits: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64] | None]:
    """Give scores in columns, what is true of each class, and the weights.

    Of a single question there is one column of scores, and the classes are no and yes.
    """
    check_bool(f"{where}(logits=)", logits)
    scores, truth, weights = counting(where, pred, target, weight)
    scores, ids = check_question(where, scores, truth)
    soft = truth.shape == scores.shape and scores.shape[1] > 1
    shares = truth.astype(np.float64) if soft else np.eye(max(2, scores.shape[1]))[ids]
    check_finite(f"{where}(pred=)", scores)
    if logits:
        warn_of_probabilities(where, scores, shares[:, 1], "Write logits=False for probabilities.")
    return scores.astype(np.float64), shares, weights


def _warn_of_threshold(where: str, scores: AnyArray, yes: AnyArray, threshold: float) -> None:
    """Warn of probabilities that all lie above the threshold of logits, so that each is a yes."""
    if threshold == 0:
        fix = "Above the threshold 0 nearly all are a yes: write threshold=0.5 for probabilities."
        warn_of_probabilities(where, scores, yes, fix)


@explained
def calibration_curve(
    pred: ArrayLike,
    target: ArrayLike,
    weight: ArrayLike | None = None,
    *,
    class_id: int | None = None,
    bins: int = 10,
    logits: bool = True,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Compare how sure predictions are with how often they are right, in bins of the probability.

    Parameters
    ----------
    pred : array_like of shape (rows, classes), or (rows, 1) or (rows,)
        As `log_loss` takes them: logits of classes or of a yes-or-no question.
    target : array_like of shape (rows,) or (rows, classes)
        Class ids or one-hot rows; of a single question zeros and ones.
    weight : array_like of shape (rows,) or None
        How much each row counts; None counts all alike.
    class_id : int, optional
        The class whose probability is looked at: class 1 of two by default. Of more, by default, it is that
        of the class which the model takes each row for, and "right" is that this is the true one.
    bins : int
        How many, of equal width from 0 to 1.
    logits : bool
        False for probabilities, of a model that ends in Softmax or Sigmoid.

    Returns
    -------
    predicted, observed : ndarray of shape (filled bins,)
        The mean probability, and the share of the rows that are of the class. They are equal where the model
        is calibrated.
    rows : ndarray of shape (filled bins,)
        How many rows are there, or the sum of their weights. Bins without one are left out.

    Raises
    ------
    ShapeError
        If the shapes do not fit each other, or there are no rows.
    ArgumentTypeError, ArgumentError
        If ids are no integers or out of range, a score is NaN or infinite, rows do not sum to 1, there is no
        such class, or, with ``logits=False``, numbers are not in [0, 1].

    References
    ----------
    C. Guo, G. Pleiss, Y. Sun and K. Weinberger, "On Calibration of Modern Neural Networks", ICML 2017,
    section 2.

    Examples
    --------
    >>> from nnlite.metrics import calibration_curve
    >>> pred, target = [0.1, 0.2, 0.8, 0.9], [0, 0, 1, 0]
    >>> predicted, observed, rows = calibration_curve(pred, target, bins=2, logits=False)
    >>> predicted.round(2).tolist(), observed.tolist(), rows.tolist()
    ([0.15, 0.85], [0.0, 0.5], [2.0, 2.0])
    """
    where = "calibration_curve"
    bins = check_integer(f"{where}(bins=)", bins, low=1)
    scores, truths, weights = _asked(where, pred, target, weight, logits)
    own = np.ones(len(scores)) if weights is None else weights
    weights, scores, ids, own = kept(weights, scores, truths.argmax(axis=1), own)
    shares = _chances(where, scores, logits=logits)
    if class_id is None and shares.shape[1] > 2:
        guess = scores.argmax(axis=1)
    else:
        guess = np.full(len(ids), check_class(where, class_id, shares.shape[1]))
    sure = shares[np.arange(len(ids)), guess]
    w = own if weights is None else weights
    (rows, sums, right), counts = (
        _in_bins(sure, ids == guess, w, bins),
        _in_bins(sure, ids == guess, own, bins)[0],
    )
    filled = rows > 0
    return sums[filled] / rows[filled], right[filled] / rows[filled], counts[filled].astype(np.float64)


def _in_bins(
    sure: NDArray[np.float64], right: NDArray[np.bool_], w: NDArray[np.floating[Any]], bins: int
) -> tuple[NDArray[Any], ...]:
    """Sum weights, probabilities and what is right in bins of the probability; a bin has its upper end."""
    place = np.searchsorted(np.linspace(0.0, 1.0, bins + 1)[1:-1], sure)
    rows, sums, hits = (np.bincount(place, weights=by, minlength=bins) for by in (w, w * sure, w * right))
    return rows, sums, hits


def _chances(where: str, scores: NDArray[np.float64], *, logits: bool) -> NDArray[np.float64]:
    """Give the probability of each class; without logits the numbers themselves, which nothing rounds."""
    logarithms = _log_shares(where, scores, logits=logits)
    if logits:
        found: NDArray[np.float64] = np.exp(logarithms)
        return found
    return np.hstack([1 - scores, scores]) if scores.shape[1] == 1 else scores


def _log_shares(where: str, scores: NDArray[np.float64], *, logits: bool) -> NDArray[np.float64]:
    """Give the logarithm of the probability of each class; of a single question those of no and yes."""
    single = scores.shape[1] == 1
    if logits:
        if single:
            no_and_yes: NDArray[np.float64] = -np.logaddexp(0.0, np.hstack([scores, -scores]))
            return no_and_yes
        with np.errstate(over="ignore"):
            found: NDArray[np.float64] = np.asarray(log_softmax(scores), np.float64)
        return found
    outside = (scores < 0) | (scores > 1)
    if outside.any():
        fix = "Leave logits=False out for logits."
        raise ArgumentError(f"{where}(pred=)", "probabilities", f"{scores[outside][0]:g}", fix)
    if single:
        scores = np.hstack([1 - scores, scores])
    sums = scores.sum(axis=1)
    if (wrong := np.abs(sums - 1) > 1e-3).any():
        row = int(wrong.argmax())
        what, fix = "rows of probabilities that sum to 1", "Leave logits=False out for logits."
        raise ArgumentError(f"{where}(pred=)", what, f"a sum of {sums[row]:g} in row {row}", fix)
    step = np.finfo(np.float64).eps
    clipped: NDArray[np.float64] = np.log(np.clip(scores, step, 1 - step))
    return clipped


def _count(
    where: str,
    pred: ArrayLike,
    target: ArrayLike,
    weight: ArrayLike | None,
    average: str | None,
    threshold: float,
) -> _Counts:
    """Give the weights of the rows of each class that are found, taken for it, and there."""
    if average not in (None, "binary", "macro", "weighted"):
        fix = "Leave it out for the usual one."
        raise ArgumentError(f"{where}(average=)", "'binary', 'macro' or 'weighted'", f"{average!r}", fix)
    limit = check_number(f"{where}(threshold=)", threshold)
    scores, truth, weights = counting(where, pred, target, weight)
    if scores.ndim == 1 and scores.dtype.kind != "f":
        guess, ids = check_ids(f"{where}(pred=)", scores), check_ids(f"{where}(target=)", truth)
        check_same_shape(where, guess, ids)
        size = max(2, int(max(guess.max(), ids.max())) + 1)
    else:
        scores, ids = check_question(where, scores, truth)
        size = max(2, scores.shape[1])
        if scores.shape[1] == 1:
            _warn_of_threshold(where, scores, ids, limit)
            guess, average = (scores > limit)[:, 0].astype(int), average or "binary"
        else:
            guess = scores.argmax(axis=1)
    weights, guess, ids = kept(weights, guess, ids)
    w = np.ones(len(ids)) if weights is None else weights
    hits, guessed, there = (
        np.bincount(of, weights=by, minlength=size).astype(np.float64, copy=False)
        for of, by in ((ids, w * (guess == ids)), (guess, w), (ids, w))
    )
    if average == "binary":
        if size > 2:
            fix = "Write average='macro' or 'weighted'."
            raise ArgumentError(f"{where}(average=)", "at most two classes for 'binary'", f"{size}", fix)
        return hits[1:], guessed[1:], there[1:]
    seen = (guessed > 0) | (there > 0)
    return hits[seen], guessed[seen], there[seen]


def _ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide, or give 0 where there is nothing to divide by."""
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def _average(values: NDArray[np.float64], counts: _Counts, average: str | None) -> float:
    """Average over classes; of a single one there is nothing to average."""
    return float(np.average(values, weights=counts[2] if average == "weighted" else None))
