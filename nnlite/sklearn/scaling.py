"""Whether inputs and targets are of a size that a net can learn from, and what to do if not."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from nnlite._typing import AnyArray
from nnlite.errors import ArgumentError
from nnlite.moments import Moments

__all__ = ["ScaleWarning", "TargetScale", "warn_of_inputs", "warn_of_targets"]

#: The typical size (root mean square) of a column of inputs from which the default net needs scaling.
#: Measured as accuracy on held-out rows without and with `scale_inputs`: digits of size 13, 0.97 and 0.98;
#: digits as bytes, 210, 0.90 and 0.98; wine, 810, 0.66 and 0.99.
LARGE_INPUT = 150.0
#: The same for targets, as R^2 without and with `scale_targets`: diabetes over ten, 17, 0.33 and 0.36;
#: Friedman's first function, 15, 0.68 and 0.93; times three, 45, 0.0 and 0.93; diabetes, 170, -1.2 and 0.36.
#: Both lie above what scikit-learn's own checks of estimators train on, 100 and 42.
LARGE_TARGET = 50.0
#: Fewer rows say little about the data.
ENOUGH_ROWS = 20


class ScaleWarning(UserWarning):
    """The data are of such a size that training is likely to fail; the message names the fix."""


def column_sizes(X: Any) -> AnyArray:
    """Compute the root mean square of each column.

    Parameters
    ----------
    X : ndarray or sparse matrix of shape (rows, columns)
        The data.

    Returns
    -------
    ndarray of shape (columns,)

    Examples
    --------
    >>> column_sizes(np.array([[3.0, 1.0], [-3.0, 1.0]]))
    array([3., 1.])
    """
    with np.errstate(over="ignore"):  # infinity is large too
        if isinstance(X, np.ndarray):
            squares = np.einsum("ij,ij->j", X, X, dtype=np.float64)
        else:
            squares = np.asarray(X.multiply(X).sum(axis=0), dtype=np.float64).ravel()
        sizes: AnyArray = np.sqrt(squares / X.shape[0])
    return sizes


def warn_of_inputs(X: Any, *, where: str, stacklevel: int) -> None:
    """Warn if a column is so large that it drowns the others, or makes the first steps far too long.

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
    sizes = column_sizes(X)
    column = int(sizes.argmax())
    if sizes[column] < LARGE_INPUT:
        return
    warnings.warn(
        f"{where}: the numbers in column {column} of X have a typical size of {sizes[column]:.3g}; a net "
        f"learns from numbers near 1. Write {where}(scale_inputs=True), or put a StandardScaler before it.",
        ScaleWarning,
        stacklevel=stacklevel + 1,
    )


def warn_of_targets(Y: AnyArray, *, where: str, stacklevel: int) -> None:
    """Warn if the targets are so large that the steps of Adam or SGD do not get there.

    Parameters
    ----------
    Y : ndarray of shape (rows, columns)
        The targets; NaN where one is missing.
    where : str
        Names the estimator in the message.
    stacklevel : int
        That of the caller.
    """
    if len(Y) < ENOUGH_ROWS:
        return
    sizes = column_sizes(np.nan_to_num(Y))
    column = int(sizes.argmax())
    if sizes[column] < LARGE_TARGET:
        return
    of = f" in column {column}" if Y.shape[1] > 1 else ""
    warnings.warn(
        f"{where}: the targets{of} have a typical size of {sizes[column]:.3g}; a net begins near 0, and its "
        f"steps are made for about 1. Write {where}(scale_targets=True), or use TransformedTargetRegressor.",
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
