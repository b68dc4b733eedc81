"""Medians, and ratios round by round."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Spread(NamedTuple):
    """A median, and what lies between the lowest and the highest tenth."""

    median: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    """Summarize numbers.

    Raises
    ------
    ValueError
        If there are none.
    """
    if not len(values):
        raise ValueError("spread: expected at least one number, got none")
    low, median, high = np.quantile(values, [0.1, 0.5, 0.9])
    return Spread(float(median), float(low), float(high))


def ratios(values: Sequence[float], base: Sequence[float]) -> Spread:
    """Divide round by round, and summarize: what slows a whole round down falls out.

    Raises
    ------
    ValueError
        If they are not of the same rounds.
    """
    return spread([value / by for value, by in zip(values, base, strict=True)])


def relative_error(found: Sequence[float], expected: Sequence[float]) -> float:
    """Return the largest error in units of the number expected; infinite if it makes no sense."""
    if len(found) != len(expected) or not np.isfinite(found).all():
        return float("inf")
    return float(np.max(np.abs(np.subtract(found, expected)) / np.abs(expected), initial=0.0))
