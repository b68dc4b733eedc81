"""Slopes measured without any calculus: move one number a little and see what changes.

For ``f(x)`` the central difference ``(f(x + h) - f(x - h)) / (2 * h)`` is the slope up to
an error of the order ``h**2``; rounding adds one of the order ``1 / h``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from nnlite.core.aliases import Array

__all__ = ["Slopes", "measure_slopes", "relative_error"]

#: How far to move a number, relative to its size where that is above 1. Over all layers the sum of
#: both errors is smallest between 3e-6 and 3e-5, where it stays below 1e-8 of the gradient.
STEP = 1e-5
#: Where the slopes to the left and to the right differ by more than this part of themselves,
#: the function has a kink there, and any slope between the two is right.
KINK = 1e-3


class Slopes(NamedTuple):
    """Measured slopes: an interval for each entry.

    Parameters
    ----------
    low, high : ndarray
        The limits. They are equal wherever the function is smooth.
    floor : float
        The rounding noise, over the tolerance: a gradient that is smaller than this cannot
        be compared as precisely as asked, and is measured against this size instead.
    """

    low: Array
    high: Array
    floor: float

    def nearest(self, gradient: Array) -> Array:
        """Return the right slopes that are nearest to a gradient.

        Parameters
        ----------
        gradient : ndarray of the shape of `low`
            What is compared.

        Returns
        -------
        ndarray
        """
        nearest: Array = np.clip(gradient, self.low, self.high)
        return nearest


def measure_slopes(
    function: Callable[[], Array], array: Array, blame: Array | float = 1.0, *, tolerance: float
) -> Slopes:
    """Measure the slope of ``sum(blame * function())`` along every entry of an array.

    Parameters
    ----------
    function : callable () -> ndarray
        Computes its result from the present contents of `array`.
    array : ndarray of float64
        What to move, entry by entry, in place; it is put back.
    blame : ndarray or float
        The weight of each result: the gradient that comes from above.
    tolerance : float
        What the result is to be compared with; it sets the `floor`.

    Returns
    -------
    Slopes

    Examples
    --------
    >>> x = np.array([3.0])
    >>> slopes = measure_slopes(lambda: x**2, x, tolerance=1e-7)
    >>> bool(np.isclose(slopes.low[0], 6.0))
    True
    """

    def moved_to(index: tuple[int, ...], value: float) -> Array:
        array[index] = value
        return np.array(function())  # a copy: the result may be a view of `array`

    def change(above: Array, below: Array) -> float:
        # The difference first and the sum later: what did not change then adds no rounding.
        return float(np.sum(blame * (above - below)))

    middle = np.array(function())
    left, right, central = (np.empty_like(array) for _ in range(3))
    noise = 0.0
    for index in np.ndindex(array.shape):
        kept = float(array[index])
        step = STEP * max(1.0, abs(kept))
        high, low = kept + step, kept - step
        above, below = moved_to(index, high), moved_to(index, low)
        array[index] = kept
        # Over the distance really moved: `kept + step` was rounded.
        left[index] = change(middle, below) / (kept - low)
        right[index] = change(above, middle) / (high - kept)
        central[index] = change(above, below) / (high - low)
        size = float(np.sum(np.abs(blame * above) * (above != below)))
        noise = max(noise, np.finfo(np.float64).eps * size / step)
    steepness = np.minimum(np.abs(left), np.abs(right)).max(initial=0.0)
    kinked = np.abs(right - left) > KINK * steepness + noise
    return Slopes(
        np.where(kinked, np.minimum(left, right), central),
        np.where(kinked, np.maximum(left, right), central),
        noise / tolerance,
    )


def relative_error(gradient: Array, slopes: Array, *, floor: float = 0.0) -> float:
    """Compute the largest gap, over the largest entry of both arrays.

    Parameters
    ----------
    gradient, slopes : ndarray of the same shape
        What to compare.
    floor : float
        The smallest size to divide by.

    Returns
    -------
    float

    Examples
    --------
    >>> relative_error(np.array([1.0, 2.0]), np.array([1.0, 1.0]))
    0.5
    """
    gap = np.abs(gradient - slopes).max(initial=0.0)
    size = max(np.abs(gradient).max(initial=0.0), np.abs(slopes).max(initial=0.0), floor)
    return float(gap / size) if size else 0.0
