"""What is quick for small arrays: sums and maxima along one axis, and numbers that NumPy need not convert.

NumPy's reductions run along one row after another, and starting on a row costs as much as some
twenty numbers. A product with a vector of ones adds up all rows in one call of the BLAS.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from nnlite.core.aliases import Array

__all__ = ["constant", "row_max", "row_sum", "sum_over_batch"]

#: Rows of more numbers than this are long enough for NumPy's own maximum.
SHORT = 64


#: Longer vectors of ones are not kept: next to what is added up by them, making them takes no time.
LONGEST_KEPT = 16_384
#: At most so many are kept, which are 8 MB.
MOST_KEPT = 64


class _Ones(dict[tuple[int, str], Array]):
    """Vectors of ones by length and kind, made once: making one takes longer than a short sum does."""

    def __missing__(self, key: tuple[int, str]) -> Array:
        count, kind = key
        ones = np.ones(count, kind)
        ones.flags.writeable = False
        if count <= LONGEST_KEPT:
            if len(self) >= MOST_KEPT:
                self.clear()
            self[key] = ones
        return ones


_ones = _Ones()


@lru_cache(maxsize=256)
def constant(number: float, kind: str) -> Any:
    """Make an array without axes of a number that comes again and again, by the character of a dtype.

    NumPy multiplies a small array by it in half the time that a Python number takes, 0.45 us against 0.9, and
    to the same bits. It is always the same one, and cannot be written to.

    Examples
    --------
    >>> constant(0.5, "f") * np.ones(2, "f")
    array([0.5, 0.5], dtype=float32)
    """
    array = np.array(number, kind)
    array.flags.writeable = False
    return array


def sum_over_batch(x: Array, out: Array) -> None:
    """Add up all rows of a batch ``(..., batch, features)`` into `out`, ``(..., features)``.

    Examples
    --------
    >>> out = np.empty(2)
    >>> sum_over_batch(np.array([[1.0, 2.0], [3.0, 4.0]]), out)
    >>> out
    array([4., 6.])
    """
    # 0.5 us against 1.5 for np.add.reduce on (32, 64), and 10 against 43 on 64 of those. The method: the
    # function np.dot first asks whether another library has one.
    if x.dtype != out.dtype:  # not `is`: copies and pickles have equal dtypes that are other objects
        np.add.reduce(x, axis=-2, out=out)
    elif x.ndim == 2 and out.flags.c_contiguous:
        _ones[x.shape[0], x.dtype.char].dot(x, out)
    else:
        np.matmul(_ones[x.shape[-2], x.dtype.char], x, out=out)


def row_sum(x: Array) -> Array:
    """Add up the numbers of each row of ``(..., features)``, which is in C order; that gives ``(..., 1)``.

    Examples
    --------
    >>> row_sum(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([[3.],
           [7.]])
    """
    # 1.4 us against 2.2 for np.add.reduce on (32, 10), and 8 against 44 on 64 of those. One product over the
    # rows of all replicas would take 5, but how the BLAS adds up a row depends on how many rows follow it,
    # so a replica's bits would depend on those beside it.
    ones = _ones[x.shape[-1], x.dtype.char]
    sums: Array = x.dot(ones) if x.ndim <= 2 else np.matmul(x, ones)
    return sums[..., None]


def row_max(x: Array) -> Array:
    """Find the largest number of each row of ``(..., features)``, in C order; that gives ``(..., 1)``.

    Examples
    --------
    >>> row_max(np.array([[1.0, 2.0], [4.0, 3.0]]))
    array([[2.],
           [4.]])
    """
    columns = x.shape[-1]
    if columns > SHORT:
        return np.maximum.reduce(x, axis=-1, keepdims=True)
    # Column against column: on (128, 10) 3 us against 7 for the reduction along rows, on 64 x (32, 10) 12
    # against 93.
    largest: Array = np.maximum.reduce(np.ascontiguousarray(x.reshape(-1, columns).T), axis=0)
    return largest.reshape(*x.shape[:-1], 1)
