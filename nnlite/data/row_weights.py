"""Weights of rows: which rows count, and what the loss of a batch is divided by."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, TypeVar

import numpy as np

from nnlite.core.aliases import AnyArray, Array
from nnlite.core.weights import take_rows

__all__ = [
    "MeanWeight",
    "PerBatch",
    "RowWeights",
    "RunningMean",
    "counting_rows",
    "is_ignored",
    "share",
    "side_by_side",
    "sum_and_rows",
]

A = TypeVar("A")
B = TypeVar("B")
#: Quotients of sums that are nearer to 1 differ from it by rounding.
ROUNDING = 1e-12


def counting_rows(x: Any, weight: AnyArray | None, axis: int) -> tuple[Any, AnyArray | None]:
    """Leave out the rows of an input that count for no net.

    Parameters
    ----------
    x : ndarray, or CSR matrix
        The input.
    weight : ndarray of shape (rows,) or (replicas, rows), or None
        The weights.
    axis : int
        That of the rows of `x`.

    Returns
    -------
    x : ndarray, or CSR matrix
    weight : ndarray or None
        The weights of the rows that are left.

    Examples
    --------
    >>> counting_rows(np.array([[1.0], [2.0]]), np.array([0.0, 3.0]), 0)
    (array([[2.]]), array([3.]))
    """
    if weight is None:
        return x, None
    counts = (weight > 0).reshape(-1, weight.shape[-1]).any(axis=0)
    return (x, weight) if counts.all() else (take_rows(x, np.flatnonzero(counts), axis), weight[..., counts])


def is_ignored(weight: AnyArray, plain: Array, weighed: Array) -> bool:
    """Tell by two gradients of a loss whether it takes no note of weights.

    Of a weighted average they can be the same only where all rows that have a slope weigh the same.

    Parameters
    ----------
    weight : ndarray of shape (rows,) or (replicas, rows)
        The weights.
    plain, weighed : ndarray of shape (..., rows, outputs)
        The gradient with weights that are all equal, and with these. Of replicas the first is looked at.

    Returns
    -------
    bool
        False too if these rows do not tell.

    Examples
    --------
    >>> slopes = np.array([[0.5], [-0.5], [0.0]])
    >>> is_ignored(np.array([1.0, 2.0, 3.0]), slopes, slopes)
    True
    >>> is_ignored(np.array([2.0, 2.0, 3.0]), slopes, slopes)
    False
    """
    if plain.ndim > 2:
        weight, plain, weighed = weight[0] if weight.ndim > 1 else weight, plain[0], weighed[0]
    some = weight[plain.any(axis=-1)]
    return bool(some.size and some.min() < some.max()) and np.array_equal(plain, weighed)


def side_by_side(pairs: Iterable[tuple[A, B]]) -> tuple[Iterator[A], Iterator[B]]:
    """Part blocks from their weights; what comes first is not kept for the sake of the other.

    Parameters
    ----------
    pairs : iterable of pairs
        Of which only one is asked for at a time.

    Returns
    -------
    first, second : iterator
        The second gives what belongs to those that the first has given.

    Examples
    --------
    >>> list(zip(*side_by_side([("a", 1), ("b", 2)]), strict=True))
    [('a', 1), ('b', 2)]
    """
    waiting: deque[B] = deque()

    def firsts() -> Iterator[A]:
        for first, second in pairs:
            waiting.append(second)
            yield first

    def seconds() -> Iterator[B]:
        while waiting:
            yield waiting.popleft()

    return firsts(), seconds()


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
