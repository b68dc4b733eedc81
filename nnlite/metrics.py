"""Numbers that say how good predictions are; unlike losses, they need no gradient.

Every metric is called as ``metric(pred, target, weight)`` and returns a Python float
(`confusion_matrix` an array). Nothing is broadcast: shapes that differ are an error.
A NaN among the predictions is an error too, since it would pass for a guess.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nnlite._typing import AnyArray
from nnlite.checks import check_ids, check_integer, check_number, check_rows, check_weight, is_own
from nnlite.errors import ArgumentError, ArgumentTypeError, ShapeError

__all__ = [
    "Metric",
    "accuracy",
    "binary_accuracy",
    "call_metric",
    "confusion_matrix",
    "is_better_higher",
    "mean_absolute_error",
    "named_metrics",
    "r2",
    "top_k_accuracy",
]


#: A function (pred, target) or (pred, target, weight) that gives a number.
Metric = Callable[..., Any]

#: Metrics of which more is better; of everything else, losses above all, less is.
HIGHER_IS_BETTER = frozenset({"accuracy", "binary_accuracy", "top_k_accuracy", "r2"})


def is_better_higher(column: str, metric: Metric | None = None) -> bool:
    """Tell whether more is better in a column of the history.

    Parameters
    ----------
    column : str
        Such as ``"validation_accuracy"``.
    metric : function, optional
        What fills it, if its name is not that of the metric.

    Returns
    -------
    bool
        True for the metrics of nnlite that grow; anything else is taken for a loss.

    Examples
    --------
    >>> is_better_higher("validation_accuracy"), is_better_higher("loss")
    (True, False)
    """
    function = getattr(metric, "func", metric)  # that of a functools.partial
    names = {column.removeprefix("validation_"), getattr(function, "__name__", "")}
    return bool(names & HIGHER_IS_BETTER)


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
    scores = _scores("accuracy", pred)
    ids = _class_ids("accuracy", target, scores)
    return _mean("accuracy", scores.argmax(axis=1) == ids, weight)


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
    scores = _scores("top_k_accuracy", pred)
    ids = _class_ids("top_k_accuracy", target, scores)
    k = check_integer("top_k_accuracy(k=)", k, low=1)
    classes = scores.shape[1]
    if k > classes:
        fix = "Give a smaller k."
        raise ArgumentError("top_k_accuracy(k=)", f"at most the {classes} classes", f"{k}", fix)
    own = np.take_along_axis(scores, ids[:, None], axis=1)
    ahead = (scores > own) | ((scores == own) & (np.arange(classes) < ids[:, None]))
    return _mean("top_k_accuracy", ahead.sum(axis=1) < k, weight)


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
    _check_same_shape("binary_accuracy", scores, truth)
    _check_no_nan("binary_accuracy(pred=)", scores)
    if not np.isin(truth, (0, 1)).all():
        fix = "Write target > 0 for labels of -1 and 1."
        wrong = truth[~np.isin(truth, (0, 1))][0]
        raise ArgumentError("binary_accuracy(target=)", "zeros and ones", f"{wrong}", fix)
    return _mean("binary_accuracy", ((scores > limit) == truth).mean(axis=1), weight)


def r2(pred: ArrayLike, target: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Give the coefficient of determination: the share of the variance that is explained.

    It is ``1 - SS_res / SS_tot``: 1 for exact predictions, 0 for predicting the mean of
    the targets, negative for worse. With more than one output it is the mean over
    outputs. An output whose target never varies has no variance to explain and counts
    as 1 if predicted exactly, else as 0.

    Parameters
    ----------
    pred, target : array_like of shape (rows,) or (rows, outputs)
        Of the same shape.
    weight : array_like of shape (rows,) or None
        How much each row counts; None counts all alike.

    Returns
    -------
    float
        At most 1.

    Raises
    ------
    ShapeError
        If the shapes differ, or there are no rows.
    ArgumentTypeError, ArgumentError
        If an entry is not a finite number.

    Examples
    --------
    >>> from nnlite.metrics import r2
    >>> r2([[1.0], [2.0], [4.0]], [[1.0], [2.0], [3.0]])
    0.5
    """
    guess, truth = _numbers("r2", pred, target)
    if weight is None:
        w = np.ones(len(truth))
    else:
        w = check_weight("r2(weight=)", weight, rows=(len(truth),)).astype(np.float64)
        guess, truth, w = guess[w > 0], truth[w > 0], w[w > 0]
    residual = w @ (truth - guess) ** 2
    total = w @ (truth - np.average(truth, axis=0, weights=w)) ** 2
    # Rounding in the mean can make `total` a little more than 0, so the numbers themselves are asked too.
    constant = (total == 0.0) | (truth == truth[0]).all(axis=0)
    explained = 1.0 - residual / np.where(constant, 1.0, total)
    exact = np.where(residual == 0.0, 1.0, 0.0)
    return float(np.where(constant, exact, explained).mean())


def mean_absolute_error(pred: ArrayLike, target: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Give the mean distance between prediction and target, in the target's own units.

    Parameters
    ----------
    pred, target : array_like of shape (rows,) or (rows, outputs)
        Of the same shape.
    weight : array_like of shape (rows,) or None
        How much each row counts; None counts all alike.

    Returns
    -------
    float
        At least 0, the mean over rows and outputs.

    Raises
    ------
    ShapeError
        If the shapes differ, or there are no rows.
    ArgumentTypeError, ArgumentError
        If an entry is not a finite number.

    Examples
    --------
    >>> from nnlite.metrics import mean_absolute_error
    >>> mean_absolute_error([[1.0], [2.0]], [[2.0], [4.0]])
    1.5
    """
    guess, truth = _numbers("mean_absolute_error", pred, target)
    return _mean("mean_absolute_error", np.abs(guess - truth).mean(axis=1), weight)


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
        _check_same_shape("confusion_matrix", guess, truth)
        size = classes or int(max(guess.max(), truth.max())) + 1
    else:
        scores = _scores("confusion_matrix", pred)
        size = scores.shape[1]
        if classes not in (None, size):
            fix = "Leave classes= out, or give it the number of columns."
            raise ArgumentError("confusion_matrix(classes=)", f"the {size} of the scores", f"{classes}", fix)
        guess, truth = scores.argmax(axis=1), _class_ids("confusion_matrix", target, scores)
    if weight is not None:
        weight = check_weight("confusion_matrix(weight=)", weight, rows=(len(truth),))
    return np.bincount(truth * size + guess, weights=weight, minlength=size * size).reshape(size, size)


def named_metrics(metrics: Any) -> dict[str, Metric]:
    """Give every metric the name under which its numbers are written down.

    Parameters
    ----------
    metrics : sequence of functions, or dict of str to function
        Functions in a sequence are called by their own names.

    Returns
    -------
    dict of str to function

    Raises
    ------
    ArgumentTypeError
        If one cannot be called, or has no name.
    ArgumentError
        If two have the same name, or one has that of another column of the history.

    Examples
    --------
    >>> from functools import partial
    >>> from nnlite.metrics import named_metrics
    >>> list(named_metrics([accuracy])), list(named_metrics({"top 3": partial(top_k_accuracy, k=3)}))
    (['accuracy'], ['top 3'])
    """
    if isinstance(metrics, Mapping):
        pairs = list(metrics.items())
    elif isinstance(metrics, Sequence) and not isinstance(metrics, str):
        pairs = [(getattr(metric, "__name__", None), metric) for metric in metrics]
    else:
        fix = f"Write metrics=[{getattr(metrics, '__name__', 'accuracy')}]."
        raise ArgumentTypeError("metrics", "a list or dict of functions", f"{metrics!r}", fix)
    for name, metric in pairs:
        if not callable(metric) or not isinstance(name, str):
            fix = 'Give functions such as nnlite.accuracy; write {"name": function} for one without a name.'
            raise ArgumentTypeError("metrics", "functions (pred, target) with names", f"{metric!r}", fix)
    names = [name for name, _ in pairs]
    taken = {"loss", "epoch", "learning_rate", "seconds"} & set(names)
    if len(set(names)) < len(names) or taken or any(name.startswith("validation_") for name in names):
        what = "names that differ from each other and from the other columns of the history"
        fix = "Write metrics={...} with a name of its own for each."
        raise ArgumentError("metrics", what, f"{names}", fix)
    return dict(pairs)


def call_metric(
    metric: Metric,
    pred: AnyArray,
    target: AnyArray,
    weight: AnyArray | None,
    *,
    name: str = "metric",
    active: AnyArray | None = None,
) -> Any:
    """Compute a metric, for each replica if there are several.

    Parameters
    ----------
    metric : function (pred, target) or (pred, target, weight)
        What to compute.
    pred : ndarray of shape (rows, outputs) or (replicas, rows, outputs)
        The predictions.
    target : ndarray of shape (rows,) or (rows, outputs)
        The targets; with an axis of replicas in front, other ones for each.
    weight : ndarray of shape (rows,) or (replicas, rows), or None
        Left out of the call if None.
    name : str
        Names the metric in the message.
    active : ndarray of bool of shape (replicas,), optional
        Whose metric is wanted; that of the others is None.

    Returns
    -------
    float, or list of float

    Raises
    ------
    ArgumentTypeError
        If there are weights, and the function takes none.

    Examples
    --------
    >>> from nnlite.metrics import call_metric
    >>> call_metric(accuracy, np.array([[0.0, 1.0]]), np.array([1]), None)
    1.0
    """
    if pred.ndim == 3:
        count = len(pred)
        targets = target if is_own(target, pred.shape) else [target] * count
        weights = weight if weight is not None and weight.ndim > 1 else [weight] * count
        wanted = [True] * count if active is None else active
        return [
            call_metric(metric, *one, name=name) if asked else None
            for *one, asked in zip(pred, targets, weights, wanted, strict=True)
        ]
    if weight is None:
        return metric(pred, target)
    if not _takes_weight(metric):
        what, fix = (
            "a function (pred, target, weight), since rows have weights",
            "Add an argument weight=None.",
        )
        raise ArgumentTypeError(f"metric {name!r}", what, "one that takes no weight", fix)
    return metric(pred, target, weight)


def _takes_weight(metric: Metric) -> bool:
    import inspect  # slow to import, and asked for with weights only

    try:
        inspect.signature(metric).bind("pred", "target", "weight")
    except TypeError:
        return False
    except ValueError:  # a built-in function that does not tell
        return True
    return True


def _mean(where: str, value: AnyArray, weight: ArrayLike | None) -> float:
    """Average one value for each row."""
    if weight is not None:
        weight = check_weight(f"{where}(weight=)", weight, rows=(len(value),)).astype(np.float64)
    return float(np.average(value, weights=weight))


def _check_no_nan(where: str, pred: AnyArray) -> None:
    wrong = np.isnan(pred)
    if wrong.any():
        row = int(np.argwhere(wrong)[0, 0])
        raise ArgumentError(where, "no NaN", f"NaN in row {row}", "Find the layer or the data it comes from.")


def _check_same_shape(where: str, pred: AnyArray, target: AnyArray) -> None:
    if pred.shape == target.shape:
        return
    if target.ndim == 1 and pred.shape == (len(target), 1):
        fix = "Write target[:, None] to make a column of the targets."
    elif pred.ndim == 1 and target.shape == (len(pred), 1):
        fix = "Write target[:, 0] to make the column of targets flat."
    else:
        fix = "Give one target for each prediction."
    raise ShapeError(where, f"a target of shape {pred.shape}, the shape of pred", f"{target.shape}", fix)


def _scores(where: str, pred: ArrayLike) -> AnyArray:
    scores = check_rows(f"{where}(pred=)", pred)
    if scores.ndim != 2 or scores.shape[1] < 2:
        fix = "With one score for each row, use binary_accuracy."
        if scores.dtype.kind in "iu" and scores.ndim == 1:
            fix = "Give the scores and not their argmax; of two arrays of ids it is (ids == target).mean()."
        what = "scores of shape (rows, classes), at least two classes"
        raise ShapeError(f"{where}(pred=)", what, f"shape {scores.shape}", fix)
    _check_no_nan(f"{where}(pred=)", scores)
    return scores


def _class_ids(where: str, target: ArrayLike, scores: AnyArray) -> NDArray[np.int64]:
    """Give the true class of each row, from class ids or from one-hot or soft targets."""
    truth = check_rows(f"{where}(target=)", target)
    rows, classes = scores.shape
    if truth.shape == scores.shape:
        _check_no_nan(f"{where}(target=)", truth)
        highest: NDArray[np.int64] = truth.argmax(axis=1)
        return highest
    ids = check_ids(f"{where}(target=)", truth, classes=classes)
    if len(ids) != rows:
        fix = "Take both from the same rows of the data."
        raise ShapeError(
            f"{where}(target=)", f"{rows} class ids, one for each row of pred", f"{len(ids)}", fix
        )
    return ids


def _numbers(
    where: str, pred: ArrayLike, target: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give both as float64 of shape (rows, outputs), once their shapes agree."""
    guess, truth = check_rows(f"{where}(pred=)", pred), check_rows(f"{where}(target=)", target)
    _check_same_shape(where, guess, truth)
    if guess.ndim > 2:
        fix = "Write .reshape(len(pred), -1) behind both."
        raise ShapeError(where, "shapes (rows,) or (rows, outputs)", f"shape {guess.shape}", fix)
    for name, array in (("pred", guess), ("target", truth)):
        if not np.isfinite(array).all():
            fix = "Find the layer or the data it comes from."
            raise ArgumentError(f"{where}({name}=)", "finite numbers", "NaN or infinity", fix)
    column = (len(guess), -1)
    return guess.astype(np.float64).reshape(column), truth.astype(np.float64).reshape(column)
