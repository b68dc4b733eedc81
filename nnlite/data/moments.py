"""Where the numbers of a column lie and how far they spread, measured in one pass over blocks of rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlite.core.aliases import AnyArray, Array

__all__ = ["Moments"]

#: Bytes that are looked at together. All that is made of them on the way is of this size too.
_PART = 2**20
#: Numbers that lie within so many units of their last place, of float64, are one: the rest is rounding.
_SAME = 2 * float(np.finfo(np.float64).eps)
#: Fewer steps of their own dtype than this, from one end of a column to the other, say that rounding has
#: left little of it.
_STEPS = 16


class Moments:
    """Mean and standard deviation of each column of rows that come block by block, in float64.

    The first row is subtracted from all before anything is added up. A column that is constant so has
    the spread 0 exactly and its own number for a mean, whatever that is and however many rows there are,
    and one that varies by little around a large number keeps every digit of it. What is added up is
    brought to a size near 1, by powers of two, so that squares neither overflow nor vanish.

    Parameters
    ----------
    columns : int
        How many there are.

    Attributes
    ----------
    rows : float
        How many have been seen, or how much they weigh together.

    References
    ----------
    T. Chan, G. Golub and R. LeVeque, "Algorithms for Computing the Sample Variance: Analysis and
    Recommendations", The American Statistician 37, 1983: shifted data, and the joining of two sets (2.1).

    Examples
    --------
    >>> moments = Moments(2)
    >>> moments.add(np.array([[1e9, 14.62], [1e9 + 1, 14.62]]))
    >>> moments.mean - [1e9, 0], moments.spread, moments.scale(np.dtype("float64"))
    (array([ 0.5 , 14.62]), array([0.5, 0. ]), array([0.5, 1. ]))
    """

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.rows = 0.0
        self._coarsest = 0.0  # the largest step of the dtypes that came, relative to a number

    def add(self, block: AnyArray, weight: AnyArray | None = None) -> None:
        """Take some more rows into account.

        Parameters
        ----------
        block : ndarray of shape (..., rows, columns)
            Real numbers. Axes in front, always the same, are measured each for itself.
        weight : ndarray of shape (rows,), optional
            How much each row counts; one of weight 0 is not there.
        """
        if weight is not None:
            block, weight = block[..., weight > 0, :], weight[weight > 0]
        count = block.shape[-2]
        if not count:
            return
        if not self.rows:
            self._start(block)
        kind = block.dtype if block.dtype.kind == "f" else np.dtype(np.float64)
        self._coarsest = max(self._coarsest, float(np.finfo(kind).eps))
        step = max(_PART // max(8 * block.size // count, 1), 1)
        for start in range(0, count, step):
            part = slice(start, start + step)
            shares = None if weight is None else weight[part, None].astype(np.float64)
            self._add(block[..., part, :].astype(np.float64), shares)

    def _start(self, block: AnyArray) -> None:
        self.origin: Array = block[..., :1, :].astype(np.float64)
        self.low = self.origin.copy()
        self.high = self.origin.copy()
        self._exponent = np.full(self.origin.shape, -1100)  # of the unit in which the next two are
        self._mean = np.zeros_like(self.origin)  # distance of the mean from the origin
        self._squares = np.zeros_like(self.origin)  # sum of squared distances from the mean

    def _add(self, part: Array, shares: Array | None) -> None:
        np.minimum(self.low, part.min(axis=-2, keepdims=True), out=self.low)
        np.maximum(self.high, part.max(axis=-2, keepdims=True), out=self.high)
        part -= self.origin
        farthest = np.maximum(part.max(axis=-2, keepdims=True), -part.min(axis=-2, keepdims=True))
        exponent = np.maximum(self._exponent, np.frexp(farthest)[1])
        np.ldexp(part, -exponent, out=part)
        finer = self._exponent - exponent
        self._mean, self._squares = np.ldexp(self._mean, finer), np.ldexp(self._squares, 2 * finer)
        self._exponent = exponent
        count = float(part.shape[-2] if shares is None else shares.sum())
        total = self.rows + count
        part_mean = _sum(part, shares) / count
        part -= part_mean
        np.square(part, out=part)
        gap = part_mean - self._mean
        self._squares += _sum(part, shares) + gap**2 * (self.rows * count / total)
        self._mean += gap * (count / total)
        self.rows = total

    # What has been found, of shape (..., columns).

    @property
    def mean(self) -> Array:
        """The mean of each column."""
        found: Array = (self.origin + np.ldexp(self._mean, self._exponent))[..., 0, :]
        return found

    @property
    def spread(self) -> Array:
        """The standard deviation of each column, of all rows; 0 of a constant one, and only of one."""
        found = np.ldexp(np.sqrt(self._squares / self.rows), self._exponent)
        return np.where(self._constant(), 0.0, found)[..., 0, :]

    def _constant(self) -> AnyArray:
        constant: AnyArray = self.high - self.low <= _SAME * self._largest()
        return constant

    def _largest(self) -> Array:
        return np.maximum(np.abs(self.low), np.abs(self.high))

    def scale(self, dtype: np.dtype[Any]) -> Array:
        """Return what to divide by.

        Parameters
        ----------
        dtype : dtype
            That in which it will be done.

        Returns
        -------
        ndarray of shape (..., columns)
            The spread; 1 where it is 0, or so small that its reciprocal, or itself, is no number of `dtype`.
        """
        spread = self.spread
        return np.where(spread < np.finfo(dtype).tiny, 1.0, spread).astype(dtype)

    def collapsed(self) -> AnyArray:
        """Tell of which columns little is left, since their dtype has no numbers between theirs.

        Returns
        -------
        ndarray of bool of shape (..., columns)
            Whole numbers that the dtype holds exactly are none of these, nor is an ordinary constant.
        """
        largest, width = self._largest(), self.high - self.low
        coarse = self._coarsest > _SAME
        beyond = largest >= 2 / self._coarsest  # where not even the whole numbers are all there
        whole = (np.rint(self.low) == self.low) & (np.rint(self.high) == self.high)
        # In float64 numbers that are nearly the same are rounding noise, unless they are as large as times in
        # nanoseconds. A large constant of float32 may have been different numbers before.
        lost = np.where(width == 0, coarse & beyond & whole, beyond | (coarse & ~whole))
        found: AnyArray = (lost & (width < _STEPS * self._coarsest * largest))[..., 0, :]
        return found


def _sum(part: Array, shares: Array | None) -> Array:
    """Add up rows."""
    total: Array = (part if shares is None else part * shares).sum(axis=-2, keepdims=True)
    return total
