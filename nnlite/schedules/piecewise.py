"""Rates that are listed, and where each one ends."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.errors.checks import check_integer
from nnlite.schedules.base import Schedule
from nnlite.schedules.units import InUnits

__all__ = ["PiecewiseConstant"]


class PiecewiseConstant(InUnits):
    """One rate up to a boundary, another one up to the next, and so on.

    Parameters
    ----------
    rates : sequence of float
        The rates, each greater than 0, one more than there are boundaries.
    boundaries : sequence of int
        Where the next rate begins, at least 1 and growing: the step whose number it is, counted from
        0, has the new rate.
    unit : {"steps", "epochs"}
        What the boundaries count. A step is one batch.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If an argument is outside its range, or their numbers do not fit.

    Examples
    --------
    >>> from nnlite.schedules import PiecewiseConstant
    >>> rate = PiecewiseConstant([0.1, 0.01, 0.001], boundaries=[100, 150])
    >>> rate(99), rate(100), rate(149), rate(150)
    (0.1, 0.01, 0.01, 0.001)
    """

    def __init__(self, rates: Sequence[float], *, boundaries: Sequence[int], unit: str = "steps") -> None:
        for name, given in (("rates", rates), ("boundaries", boundaries)):
            if not isinstance(given, Sequence | np.ndarray) or isinstance(given, str):
                where = f"PiecewiseConstant({name}=)"
                raise ArgumentTypeError(where, "a list of numbers", f"{given!r}", "Write a list.")
        self.rates = tuple(self._number("rates", rate, low_open=True) for rate in rates)
        where = "PiecewiseConstant(boundaries=)"
        self.boundaries = tuple(check_integer(where, step, low=1) for step in boundaries)
        self._set_unit(unit)
        if any(first >= second for first, second in pairwise(self.boundaries)):
            raise ArgumentError(where, "numbers that grow", f"{list(self.boundaries)}", "Put them in order.")
        if len(self.rates) != len(self.boundaries) + 1:
            raise ArgumentError(
                "PiecewiseConstant",
                "one rate more than boundaries",
                f"{len(self.rates)} rates and {len(self.boundaries)} boundaries",
                "The first rate holds up to the first boundary, the last one behind the last.",
            )

    def settle(self, steps: int | None, steps_per_epoch: int | None) -> Schedule:
        """Return it with boundaries in steps; see `Schedule.settle`."""
        if self.unit == "steps":
            return self
        found = tuple(self._in_steps(one, steps_per_epoch) for one in self.boundaries)
        return self._with(boundaries=found, unit="steps")

    def __call__(self, step: int) -> float:
        """Return the rate of the piece."""
        self._check_steps()
        return self.rates[sum(step >= boundary for boundary in self.boundaries)]
