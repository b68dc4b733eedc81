"""Weights of rows: what the loss of a batch is divided by."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nnlite._typing import AnyArray, Array

__all__ = ["MeanWeight", "PerBatch", "RowWeights", "RunningMean", "share", "sum_and_rows"]

#: Quotients of sums that are nearer to 1 differ from it by rounding.
ROUNDING = 1e-12


def sum_and_rows(weight: AnyArray) -> tuple[float | Array, int | AnyArray]:
    """Add up weights, and count the rows that have one: a row of weight 0 is none.

    Parameters
    ----------
    weight : ndarray of shape (rows,) or (replicas, rows)
        The weights.

    Returns
    -------
    total : float, or ndarray of shape (replicas,)
    rows : int, or ndarray of shape (replicas,)

    Examples
    --------
    >>> sum_and_rows(np.array([0.5, 0.0, 2.0], np.float32))
    (2.5, 2)
    """
    total, rows = weight.sum(axis=-1, dtype=np.float64), np.count_nonzero(weight, axis=-1)
    return (float(total), int(rows)) if weight.ndim == 1 else (total, rows)


def share(total: float | Array, divisor: float | Array) -> float | Array:
    """Divide the sum of the weights of a batch by what its loss is to be divided by.

    Parameters
    ----------
    total, divisor : float, or ndarray of shape (replicas,)
        The two; both are 0 where no row counts.

    Returns
    -------
    float, or ndarray of shape (replicas,)
        What the weighted average over the rows of the batch is to be multiplied by.

    Examples
    --------
    >>> share(3.0, 1.5), share(0.0, 0.0)
    (2.0, 1.0)
    """
    if isinstance(total, float) and isinstance(divisor, float):
        return total / divisor if divisor else 1.0
    found: Array = np.where(divisor, total, 1.0) / np.where(divisor, divisor, 1.0)
    return found


class MeanWeight:
    """What the loss of a batch is divided by: its rows times the mean weight of the data.

    Then the gradient of a batch of rows drawn at random is, on average, that of the weighted average
    over all data. Divided by the weights of the batch it would not be: they would do nothing in a batch
    of one row, and too little in any small one. Rows of weight 0 are not counted, neither in the batch
    nor in the data.

    Parameters
    ----------
    total : float, or ndarray of shape (replicas,)
        The sum of the weights of the data.
    rows : int, or ndarray of shape (replicas,)
        How many rows have one.

    Examples
    --------
    >>> MeanWeight(12.0, 4).divisor(1.0, 1), MeanWeight(12.0, 4).divisor(12.0, 4)
    (3.0, 12.0)
    """

    def __init__(self, total: float | Array, rows: int | AnyArray) -> None:
        self.total = total
        self.rows = rows

    def divisor(self, total: float | Array, rows: int | AnyArray) -> float | Array:
        """Return what the weighted sum over a batch is divided by.

        Parameters
        ----------
        total : float, or ndarray of shape (replicas,)
            The sum of the weights of the batch.
        rows : int, or ndarray of shape (replicas,)
            How many rows of it count.

        Returns
        -------
        float, or ndarray of shape (replicas,)
            `total` itself where it differs by rounding only, as for a batch that is all of the data.
        """
        expected = rows * (self.total / np.maximum(self.rows, 1))
        same = np.abs(expected - total) <= ROUNDING * total
        if isinstance(total, float) and np.ndim(expected) == 0:
            return total if same else float(expected)
        chosen: Array = np.where(same, total, expected)
        return chosen


class RunningMean(MeanWeight):
    """The same for batches that come one by one: the mean is that of all so far, with the present one.

    Examples
    --------
    >>> rule = RunningMean()
    >>> rule.divisor(2.0, 2), rule.divisor(6.0, 2)
    (2.0, 4.0)
    """

    def __init__(self) -> None:
        super().__init__(0.0, 0)

    def divisor(self, total: float | Array, rows: int | AnyArray) -> float | Array:
        """Count the batch too; see `MeanWeight.divisor`."""
        self.total = self.total + total
        self.rows = self.rows + rows
        return super().divisor(total, rows)


class PerBatch(MeanWeight):
    """The weights of the batch itself: scikit-learn's rule.

    Examples
    --------
    >>> PerBatch().divisor(5.0, 2)
    5.0
    """

    def __init__(self) -> None:
        super().__init__(0.0, 0)

    def divisor(self, total: float | Array, rows: int | AnyArray) -> float | Array:
        """Return the sum of the weights; see `MeanWeight.divisor`."""
        return total


class RowWeights(NamedTuple):
    """Weights for ``Sequential.fit`` with another rule for batches than its own.

    Parameters
    ----------
    values : array-like of shape (rows,)
        The weights.
    rule : MeanWeight
        What the loss of a batch is divided by.

    Examples
    --------
    >>> RowWeights([1.0, 2.0], PerBatch()).values
    [1.0, 2.0]
    """

    values: AnyArray
    rule: MeanWeight
