"""Rates that fall by the same factor again and again."""

from __future__ import annotations

import math

from nnlite.errors.checks import check_integer
from nnlite.schedules.base import Schedule
from nnlite.schedules.units import InUnits

__all__ = ["ExponentialDecay", "StepDecay"]

#: A schedule that decays by a factor, and has no end, is over where this part of its rate is left: down to a
#: hundredth and less it goes on purpose.
VANISHED = 1e-6


class Every(InUnits):
    """A schedule that multiplies the rate by a factor every so many steps or epochs."""

    every: int
    factor: float

    @property
    def over(self) -> int | None:
        """The first drop below what moves weights, if it was told in steps."""
        if self.unit != "steps" or self.factor == 1:
            return None
        return self.every * (math.floor(math.log(VANISHED) / math.log(self.factor)) + 1)

    def _set_every(self, every: int, unit: str) -> None:
        self.every = check_integer(f"{type(self).__name__}(every=)", every, low=1)
        self._set_unit(unit)

    def settle(self, steps: int | None, steps_per_epoch: int | None) -> Schedule:
        """Return it with `every` in steps; see `Schedule.settle`."""
        if self.unit == "steps":
            return self
        return self._with(every=self._in_steps(self.every, steps_per_epoch), unit="steps")

    def _part(self, step: int) -> float:
        """Return how often it was done."""
        self._check_steps()
        return step / self.every


class StepDecay(Every):
    """A staircase: every so many steps the rate is multiplied by a factor.

    The rate is ``rate * factor ** (step // every)``.

    Parameters
    ----------
    rate : float
        The first learning rate, greater than 0.
    every : int
        How much lies between two drops, at least 1.
    factor : float
        What each drop multiplies the rate by, greater than 0 and at most 1.
    unit : {"steps", "epochs"}
        What `every` counts. A step is one batch.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If an argument is outside its range.

    Examples
    --------
    >>> from nnlite.schedules import StepDecay
    >>> rate = StepDecay(0.8, every=10, factor=0.5)
    >>> rate(9), rate(10), rate(20)
    (0.8, 0.4, 0.2)
    """

    def __init__(self, rate: float, *, every: int, factor: float = 0.1, unit: str = "steps") -> None:
        self.rate = self._number("rate", rate, low_open=True)
        self._set_every(every, unit)
        self.factor = self._number("factor", factor, high=1.0, low_open=True)

    def __call__(self, step: int) -> float:
        """Return the rate after the drops so far."""
        return float(self.rate * self.factor ** math.floor(self._part(step)))


class ExponentialDecay(Every):
    """A smooth decay by the same factor over every stretch of the same length.

    The rate is ``rate * factor ** (step / every)``.

    Parameters
    ----------
    rate : float
        The first learning rate, greater than 0.
    factor : float
        What `every` of them multiply the rate by, greater than 0 and at most 1.
    every : int
        How much multiplies the rate by `factor`, at least 1.
    unit : {"steps", "epochs"}
        What `every` counts. A step is one batch.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If an argument is outside its range.

    Examples
    --------
    >>> from nnlite.schedules import ExponentialDecay
    >>> rate = ExponentialDecay(0.8, factor=0.25, every=100)
    >>> rate(0), rate(50), rate(100)
    (0.8, 0.4, 0.2)
    """

    def __init__(self, rate: float, *, factor: float, every: int = 1, unit: str = "steps") -> None:
        self.rate = self._number("rate", rate, low_open=True)
        self.factor = self._number("factor", factor, high=1.0, low_open=True)
        self._set_every(every, unit)

    def __call__(self, step: int) -> float:
        """Return the rate after `step` equal steps of decay."""
        return float(self.rate * self.factor ** self._part(step))
