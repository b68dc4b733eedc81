"""Metrics of numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nnlite.errors import ArgumentError
from nnlite.errors.arguments import explained
from nnlite.metrics.directions import less_is_better, more_is_better
from nnlite.metrics.inputs import check_pairs, row_mean

__all__ = [
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "median_absolute_error",
    "r2",
    "root_mean_squared_error",
]


@more_is_better
@explained
def r2(
    pred: ArrayLike, target: ArrayLike, weight: ArrayLike | None = None, *, average: str = "outputs"
) -> float:
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
    average : {"outputs", "variance"}
        How several outputs are averaged: all alike, or by the variance of their targets.

    Returns
    -------
    float
        At most 1.

    Raises
    ------
    ShapeError
        If the shapes differ, or there are no rows.
    ArgumentTypeError, ArgumentError
        If an entry of a row that counts is not a finite number, or there is no such average.

    Examples
    --------
    >>> from nnlite.metrics import r2
    >>> r2([[1.0], [2.0], [4.0]], [[1.0], [2.0], [3.0]])
    0.5
    """
    where = "r2"
    if average not in ("outputs", "variance"):
        fix = "Leave it out for the mean over outputs."
        raise ArgumentError(f"{where}(average=)", "'outputs' or 'variance'", f"{average!r}", fix)
    guess, truth, weights = check_pairs(where, pred, target, weight)
    if max(np.abs(guess).max(), np.abs(truth).max()) > 1e280:
        guess, truth = np.ldexp(guess, -90), np.ldexp(truth, -90)  # the gaps, and their sum, are finite
    w = np.ones(len(truth)) if weights is None else weights
    residual, residual_scale = _sum_of_squares(truth - guess, w)
    total, scale = _sum_of_squares(truth - np.average(truth, axis=0, weights=w), w)
    # Rounding in the mean can make `total` a little more than 0, so the numbers themselves are asked too.
    constant = (total == 0.0) | (truth == truth[0]).all(axis=0)
    with np.errstate(over="ignore"):
        share = np.ldexp(residual / np.where(constant, 1.0, total), residual_scale - scale)
    exact = np.where(residual == 0.0, 1.0, 0.0)
    scores = np.where(constant, exact, 1.0 - share)
    if average == "variance" and not constant.all():
        variances = np.where(constant, 0.0, np.ldexp(total, scale - scale[~constant].max()))
        return float(np.average(scores, weights=variances))
    return float(scores.mean())


def _sum_of_squares(
    gap: NDArray[np.float64], w: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Give the weighted sum of each column, over a power of two, whose exponent comes second.

    That changes no digit, and no square overflows or vanishes.
    """
    exponents = np.frexp(np.abs(gap).max(axis=0))[1].astype(np.int64)
    total: NDArray[np.float64] = w @ np.ldexp(gap, -exponents) ** 2
    return total, 2 * exponents


@less_is_better
@explained
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
        If an entry of a row that counts is not a finite number.

    Examples
    --------
    >>> from nnlite.metrics import mean_absolute_error
    >>> mean_absolute_error([[1.0], [2.0]], [[2.0], [4.0]])
    1.5
    """
    guess, truth, weights = check_pairs("mean_absolute_error", pred, target, weight)
    with np.errstate(over="ignore"):
        return row_mean(np.abs(guess - truth).mean(axis=1), weights)


@less_is_better
@explained
def root_mean_squared_error(pred: ArrayLike, target: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Give the root of the mean squared gap, in the target's own units: large gaps count for more.

    With more than one output it is the mean over outputs of the root of each, as in scikit-learn.

    Parameters
    ----------
    pred, target : array_like of shape (rows,) or (rows, outputs)
        Of the same shape.
    weight : array_like of shape (rows,) or None
        How much each row counts; None counts all alike.

    Returns
    -------
    float
        At least 0.

    Raises
    ------
    ShapeError
        If the shapes differ, or there are no rows.
    ArgumentTypeError, ArgumentError
        If an entry of a row that counts is not a finite number.

    Examples
    --------
    >>> from nnlite.metrics import root_mean_squared_error
    >>> root_mean_squared_error([[1.0], [2.0]], [[2.0], [9.0]])
    5.0
    """
    guess, truth, weights = check_pairs("root_mean_squared_error", pred, target, weight)
    with np.errstate(over="ignore"):
        gap = guess - truth
        scale = np.frexp(np.abs(gap).max(axis=0))[1]  # no square overflows or vanishes
        roots = np.sqrt(np.average(np.ldexp(gap, -scale) ** 2, axis=0, weights=weights))
        return float(np.ldexp(roots, scale).mean())


@less_is_better
@explained
def mean_absolute_percentage_error(
    pred: ArrayLike, target: ArrayLike, weight: ArrayLike | None = None
) -> float:
    """Give the mean distance between prediction and target as a share of the target: 0.1 is 10 %.

    Targets near 0 make it as large as they are small; at 0 the distance is divided by 2.2e-16, the
    smallest step of a float64 at 1, as in scikit-learn.

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
        If an entry of a row that counts is not a finite number.

    Examples
    --------
    >>> from nnlite.metrics import mean_absolute_percentage_error
    >>> mean_absolute_percentage_error([[1.5], [2.0]], [[1.0], [4.0]])
    0.5
    """
    guess, truth, weights = check_pairs("mean_absolute_percentage_error", pred, target, weight)
    with np.errstate(over="ignore"):
        share = np.abs(guess - truth) / np.maximum(np.abs(truth), np.finfo(np.float64).eps)
        return row_mean(share.mean(axis=1), weights)


@less_is_better
@explained
def median_absolute_error(pred: ArrayLike, target: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Give the distance that half of the predictions keep: a few that are far off do not matter.

    With more than one output it is the mean over outputs.

    Parameters
    ----------
    pred, target : array_like of shape (rows,) or (rows, outputs)
        Of the same shape.
    weight : array_like of shape (rows,) or None
        How much each row counts; None counts all alike. The median is then the distance at which half
        of the weight is reached, or the middle between two if it is reached exactly.

    Returns
    -------
    float
        At least 0.

    Raises
    ------
    ShapeError
        If the shapes differ, or there are no rows.
    ArgumentTypeError, ArgumentError
        If an entry of a row that counts is not a finite number.

    Examples
    --------
    >>> from nnlite.metrics import median_absolute_error
    >>> median_absolute_error([[1.0], [2.0], [90.0]], [[2.0], [4.0], [3.0]])
    2.0
    """
    guess, truth, weights = check_pairs("median_absolute_error", pred, target, weight)
    with np.errstate(over="ignore"):
        gap = np.abs(guess - truth)
    if weights is None:
        return float(np.median(gap, axis=0).mean())
    order = np.argsort(gap, axis=0)
    gap = np.take_along_axis(gap, order, axis=0)
    reached = np.cumsum(weights[order], axis=0)
    half = reached[-1] / 2
    rounding = 1e-13 * reached[-1]
    columns = np.arange(gap.shape[1])
    first = np.argmax(reached >= half - rounding, axis=0)
    exactly = reached[first, columns] - half <= rounding
    second = np.where(exactly, np.minimum(first + 1, len(gap) - 1), first)
    return float(((gap[first, columns] + gap[second, columns]) / 2).mean())
