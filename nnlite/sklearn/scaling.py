"""Whether inputs and targets are of a size that a net can learn from, and what to do if not."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from nnlite.core.aliases import AnyArray
from nnlite.data.moments import Moments
from nnlite.errors import ArgumentError

__all__ = ["ScaleWarning", "TargetScale", "warn_of_inputs", "warn_of_targets"]

#: The typical size (root mean square) of a column of inputs from which the default net needs scaling.
#: Measured as accuracy on held-out rows without and with `scale_inputs`: digits of size 13, 0.97 and 0.98;
#: digits as bytes, 210, 0.90 and 0.98; wine, 810, 0.66 and 0.99.
LARGE_INPUT = 150.0
#: The same for targets, as R^2 without and with `scale_targets`: diabetes over ten, 17, 0.33 and 0.36;
#: Friedman's first function, 15, 0.68 and 0.93; times three, 45, 0.0 and 0.93; diabetes, 170, -1.2 and 0.36.
#: Both lie above what scikit-learn's own checks of estimators train on, 100 and 42.
LARGE_TARGET = 50.0
#: How far rows of inputs lie from their mean (root mean square) below which the default net needs scaling.
#: As R^2 or accuracy on held-out rows, of inputs whose columns spread over 1, 0.1, 0.01 and 0.001: Friedman's
#: first function (5 columns), 0.93, 0.70, 0.26, 0.0; diabetes (10), 0.22, 0.37, 0.31, 0.0; wine (13), 1.0,
#: 1.0, 0.93, 0.47; breast cancer (30), 0.97, 0.97, 0.95, 0.65. It is not said of single columns: of thousands
#: that count words each is small.
SMALL_INPUT = 0.05
#: The same for targets, as R^2 with a spread of 1, 0.1, 0.03, 0.01 and 0.001: Friedman's first function,
#: 0.93, 0.81, -0.16, -9.5, -1074; by L-BFGS 0.98, 0.94, 0.71, -1.3, -216; diabetes 0.22, -0.25, -5.1, -46,
#: -4497. The first predictions lie about 1 apart, and training ends at gains below `tol`.
SMALL_TARGET = 0.05
#: Fewer rows say little about the data.
ENOUGH_ROWS = 20


class ScaleWarning(UserWarning):
    """The data are of such a size that training is likely to fail; the message names the fix."""


def column_sizes(X: Any) -> tuple[AnyArray, AnyArray]:
    """Compute the root mean square of each column, and its standard deviation.

    Parameters
    ----------
    X : ndarray or sparse matrix of shape (rows, columns)
        The data.

    Returns
    -------
    sizes, spreads : ndarray of shape (columns,)
        That of a column that is constant, up to rounding, is 0.

    Examples
    --------
    >>> column_sizes(np.array([[3.0, 1.0], [-3.0, 1.0]]))
    (array([3., 1.]), array([3., 0.]))
    """
    rows = X.shape[0]
    with np.errstate(over="ignore", invalid="ignore"):  # infinity is large too
        if isinstance(X, np.ndarray):
            squares = np.einsum("ij,ij->j", X, X, dtype=np.float64) / rows
        else:
            squares = np.asarray(X.multiply(X).sum(axis=0), dtype=np.float64).ravel() / rows
        means = np.asarray(X.sum(axis=0, dtype=np.float64)).ravel() / rows
        # A constant is one to the last bits; beyond those the difference of the squares has too few digits.
        high, low = (_dense(extreme) for extreme in (X.max(axis=0), X.min(axis=0)))
        constant = high - low <= 1e-12 * np.maximum(np.abs(high), np.abs(low))
        spreads = np.sqrt(np.where(constant, 0, np.maximum(squares - means * means, 1e-300)))
    return np.sqrt(squares), spreads


def _dense(row: Any) -> AnyArray:
    """Make a flat array of a row, which sparse matrices give as another sparse one."""
    flat: AnyArray = np.asarray(row.todense() if hasattr(row, "todense") else row, np.float64).ravel()
    return flat


def warn_of_inputs(X: Any, *, where: str, stacklevel: int) -> None:
    """Warn if a column is so large that it drowns the others, or if all are too small to be seen.

    Parameters
    ----------
    X : ndarray or sparse matrix of shape (rows, columns)
        The training data.
    where : str
        Names the estimator in the message.
    stacklevel : int
        That of the caller.
    """
    if X.shape[0] < ENOUGH_ROWS:
        return
    sizes, spreads = column_sizes(X)
    column = int(sizes.argmax())
    apart = float(np.sqrt(np.square(spreads).sum()))
    if sizes[column] >= LARGE_INPUT:
        what = f"the numbers in column {column} of X have a typical size of {sizes[column]:.3g}"
    elif 0 < apart < SMALL_INPUT:
        what = f"the rows of X lie only {apart:.3g} from their mean"
    else:
        return
    warnings.warn(
        f"{where}: {what}; a net learns from numbers near 1. Write {where}(scale_inputs=True), or put a "
        "StandardScaler before it.",
        ScaleWarning,
        stacklevel=stacklevel + 1,
    )


def warn_of_targets(Y: AnyArray, *, where: str, steps: bool, stacklevel: int) -> None:
    """Warn if the targets are so large that steps do not get there, or so small that training ends before.

    Parameters
    ----------
    Y : ndarray of shape (rows, columns)
        The targets; NaN where one is missing.
    where : str
        Names the estimator in the message.
    steps : bool
        Whether Adam or SGD make the steps, whose length is limited; those of L-BFGS get to large targets too.
    stacklevel : int
        That of the caller.
    """
    known = [column[~np.isnan(column)][:, None] for column in Y.T]
    found = [column_sizes(column) for column in known if len(column) >= ENOUGH_ROWS]
    if not found:
        return
    places = [place for place, column in enumerate(known) if len(column) >= ENOUGH_ROWS]
    sizes, spreads = np.array(found)[:, :, 0].T
    large, small = int(sizes.argmax()), int(np.where(spreads > 0, spreads, np.inf).argmin())
    if steps and sizes[large] >= LARGE_TARGET:
        column, what = places[large], f"have a typical size of {sizes[large]:.3g}"
    elif 0 < spreads[small] < SMALL_TARGET:
        column, what = places[small], f"lie only {spreads[small]:.3g} from their mean"
    else:
        return
    of = f" in column {column}" if Y.shape[1] > 1 else ""
    warnings.warn(
        f"{where}: the targets{of} {what}; a net begins near 0, and its steps are made for about 1. Write "
        f"{where}(scale_targets=True), or use TransformedTargetRegressor.",
        ScaleWarning,
        stacklevel=stacklevel + 1,
    )


class TargetScale:
    """Brings targets to mean 0 and standard deviation 1, and predictions back.

    Parameters
    ----------
    Y : ndarray of shape (rows, columns)
        What they are measured on; NaN where one is missing.
    weight : ndarray of shape (rows,), optional
        How much each row counts.

    Attributes
    ----------
    mean, scale : ndarray of shape (columns,)
        What is subtracted and divided by. The scale of a constant column is 1.

    Raises
    ------
    ArgumentError
        If all targets of a column are missing.

    Examples
    --------
    >>> scale = TargetScale(np.array([[100.0], [300.0]]))
    >>> scale.apply(np.array([[100.0], [300.0]])).ravel(), scale.undo(np.array([[1.0]]))
    (array([-1.,  1.]), array([[300.]]))
    """

    def __init__(self, Y: AnyArray, weight: AnyArray | None = None) -> None:
        there = ~np.isnan(Y)
        shares = there * (1.0 if weight is None else weight.astype(np.float64)[:, None])
        count = shares.sum(axis=0)
        if not count.all():
            raise ArgumentError(
                "scale_targets=True",
                "targets in every column",
                f"none in column {int(count.argmin())}",
                "Leave that column out.",
            )
        measured = [Moments(1) for _ in count]
        for moments, column, share in zip(measured, Y.T, shares.T, strict=True):
            known = share > 0
            moments.add(column[known, None], None if weight is None else share[known])
        self.mean = np.concatenate([moments.mean for moments in measured])
        self.scale = np.concatenate([moments.scale(np.dtype(np.float64)) for moments in measured])

    def apply(self, Y: AnyArray) -> AnyArray:
        """Scale targets.

        Parameters
        ----------
        Y : ndarray of shape (rows, columns)
            The targets.

        Returns
        -------
        ndarray of shape (rows, columns)
        """
        scaled: AnyArray = (Y - self.mean) / self.scale
        return scaled

    def undo(self, pred: AnyArray) -> AnyArray:
        """Bring predictions back to the units of the targets.

        Parameters
        ----------
        pred : ndarray of shape (rows, columns)
            What the net gives.

        Returns
        -------
        ndarray of shape (rows, columns)
            float64: near 1.7e9 numbers of float32 lie 128 apart.
        """
        numbers: AnyArray = pred * self.scale + self.mean
        return numbers
