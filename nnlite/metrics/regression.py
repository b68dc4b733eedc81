"""Metrics of numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from nnlite.checks import check_weight
from nnlite.metrics.directions import less_is_better, more_is_better
from nnlite.metrics.inputs import check_pairs, row_mean

__all__ = ["mean_absolute_error", "r2"]


@more_is_better
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
    guess, truth = check_pairs("r2", pred, target)
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


@less_is_better
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
    guess, truth = check_pairs("mean_absolute_error", pred, target)
    return row_mean("mean_absolute_error", np.abs(guess - truth).mean(axis=1), weight)
