"""The learning rate as a function of the number of updates made so far.

A schedule is called with the step, an integer that counts from 0, and returns the
learning rate of that update. Any function of this form is a schedule too.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np

from nnlite._config import Setting
from nnlite.checks import check_integer, check_number
from nnlite.habits import missing_names

__all__ = [
    "ConstantRate",
    "CosineDecay",
    "ExponentialDecay",
    "OneCycle",
    "Schedule",
    "ScheduleLike",
    "StepDecay",
    "WarmUp",
]

#: What an optimizer takes besides a plain number: a `Schedule`, or any function of this form.
ScheduleLike = Callable[[int], float]


class Schedule(Setting, ABC):
    """Gives the learning rate of every update.

    A schedule has no state: it can be called for any step, in any order, which is
    what makes it easy to plot and training easy to resume. A plain function of the step
    does as well.

    Examples
    --------
    >>> class Harmonic(Schedule):
    ...     def __call__(self, step):
    ...         return 1.0 / (1 + step)
    >>> Harmonic()(3)
    0.25
    """

    @abstractmethod
    def __call__(self, step: int) -> float:
        """Return the learning rate of one update.

        Parameters
        ----------
        step : int
            How many updates were made before this one.

        Returns
        -------
        float
        """

    def _number(
        self, name: str, value: float, *, low: float = 0.0, high: float = np.inf, **limits: bool
    ) -> float:
        return check_number(f"{type(self).__name__}({name}=)", value, low=low, high=high, **limits)

    def _steps(self, name: str, value: int) -> int:
        return check_integer(f"{type(self).__name__}({name}=)", value, low=1)


def _cosine(start: float, end: float, progress: float) -> float:
    """Go from `start` to `end` along half a cosine wave, while `progress` goes from 0 to 1."""
    return end + (start - end) * (1.0 + math.cos(math.pi * progress)) / 2.0


class ConstantRate(Schedule):
    """The same rate at every step.

    Parameters
    ----------
    rate : float
        The learning rate, greater than 0.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If `rate` is no finite number above 0.

    Examples
    --------
    >>> from nnlite.schedules import ConstantRate
    >>> rate = ConstantRate(0.1)
    >>> rate(0), rate(1000)
    (0.1, 0.1)
    """

    def __init__(self, rate: float) -> None:
        self.rate = self._number("rate", rate, low_open=True)

    def __call__(self, step: int) -> float:
        """Return the one rate."""
        return self.rate


class StepDecay(Schedule):
    """A staircase: every so many steps the rate is multiplied by a factor.

    The rate is ``rate * factor ** (step // every)``.

    Parameters
    ----------
    rate : float
        The first learning rate, greater than 0.
    every : int
        The number of steps between two drops, at least 1.
    factor : float
        What each drop multiplies the rate by, greater than 0 and at most 1.

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

    def __init__(self, rate: float, *, every: int, factor: float = 0.1) -> None:
        self.rate = self._number("rate", rate, low_open=True)
        self.every = self._steps("every", every)
        self.factor = self._number("factor", factor, high=1.0, low_open=True)

    def __call__(self, step: int) -> float:
        """Return the rate after the drops so far."""
        return float(self.rate * self.factor ** (step // self.every))


class ExponentialDecay(Schedule):
    """A smooth decay by the same factor over every stretch of the same length.

    The rate is ``rate * factor ** (step / every)``.

    Parameters
    ----------
    rate : float
        The first learning rate, greater than 0.
    factor : float
        What `every` steps multiply the rate by, greater than 0 and at most 1.
    every : int
        The number of steps that multiply the rate by `factor`, at least 1.

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

    def __init__(self, rate: float, *, factor: float, every: int = 1) -> None:
        self.rate = self._number("rate", rate, low_open=True)
        self.factor = self._number("factor", factor, high=1.0, low_open=True)
        self.every = self._steps("every", every)

    def __call__(self, step: int) -> float:
        """Return the rate after `step` equal steps of decay."""
        return float(self.rate * self.factor ** (step / self.every))


class CosineDecay(Schedule):
    """Half a cosine wave from the first rate down to the final one, which then stays.

    The rate is ``final + (rate - final) * (1 + cos(pi * step / steps)) / 2``.

    Parameters
    ----------
    rate : float
        The first learning rate, greater than 0.
    steps : int
        The step at which `final` is reached, at least 1. A step is one batch: a whole ``fit`` has
        ``epochs * math.ceil(rows / batch_size)``, of the rows that are left for training.
    final : float
        The last learning rate, from 0 to `rate`.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If an argument is outside its range.

    References
    ----------
    Loshchilov, Hutter: SGDR, Stochastic Gradient Descent with Warm Restarts, ICLR 2017,
    equation 5, one cycle without a restart. https://arxiv.org/abs/1608.03983

    Examples
    --------
    >>> from nnlite.schedules import CosineDecay
    >>> rate = CosineDecay(0.5, steps=100)
    >>> rate(0), rate(50), rate(100), rate(200)
    (0.5, 0.25, 0.0, 0.0)
    """

    def __init__(self, rate: float, *, steps: int, final: float = 0.0) -> None:
        self.rate = self._number("rate", rate, low_open=True)
        self.steps = self._steps("steps", steps)
        self.final = self._number("final", final, high=self.rate)

    def __call__(self, step: int) -> float:
        """Return the rate at that point of the cosine."""
        return _cosine(self.rate, self.final, min(step / self.steps, 1.0))


class WarmUp(Schedule):
    """A gentle start in front of another schedule.

    The rate of the wrapped schedule is multiplied by a factor that grows in a straight
    line from `start` at step 0 to 1 at step `steps`, and stays 1 from there. The wrapped
    schedule counts its own steps from 0 all the while.

    Parameters
    ----------
    schedule : Schedule, function or float
        The schedule to wrap, or a constant learning rate greater than 0.
    steps : int
        The length of the warm-up, at least 1. A step is one batch, not one epoch.
    start : float
        The factor at step 0, from 0 to 1.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If an argument is outside its range.

    References
    ----------
    Goyal et al.: Accurate, Large Minibatch SGD, 2017, section 2.2.
    https://arxiv.org/abs/1706.02677

    Examples
    --------
    >>> from nnlite.schedules import CosineDecay, WarmUp
    >>> rate = WarmUp(0.5, steps=4)
    >>> [rate(step) for step in range(6)]
    [0.0, 0.125, 0.25, 0.375, 0.5, 0.5]
    >>> rate = WarmUp(CosineDecay(0.5, steps=100), steps=10)
    >>> rate(0), rate(50)
    (0.0, 0.25)
    """

    def __init__(self, schedule: ScheduleLike | float, *, steps: int, start: float = 0.0) -> None:
        self.schedule = schedule if callable(schedule) else self._number("schedule", schedule, low_open=True)
        self.steps = self._steps("steps", steps)
        self.start = self._number("start", start, high=1.0)

    def __call__(self, step: int) -> float:
        """Return the rate of the wrapped schedule times the warm-up factor."""
        rate = self.schedule(step) if callable(self.schedule) else self.schedule
        progress = min(step / self.steps, 1.0)
        return float(rate) * (self.start + (1.0 - self.start) * progress)


class OneCycle(Schedule):
    """One rise to a high rate and one long fall to a very low one, both along a cosine.

    The rate rises from ``peak / start_divisor`` to `peak`, which it reaches at step
    ``warm_up * steps - 1``, and falls to ``peak / start_divisor / final_divisor``,
    which it reaches at step ``steps - 1`` and keeps.

    Parameters
    ----------
    peak : float
        The highest learning rate, greater than 0.
    steps : int
        The number of updates in the whole training, at least 1. A step is one batch: a whole
        ``fit`` has ``epochs * math.ceil(rows / batch_size)``, of the rows that are left for training.
    warm_up : float
        The part of the steps that the rise takes, from 0 to less than 1.
    start_divisor : float
        How many times lower than `peak` the first rate is, at least 1.
    final_divisor : float
        How many times lower than the first rate the last one is, at least 1.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If an argument is outside its range.

    References
    ----------
    Smith, Topin: Super-Convergence, Very Fast Training of Neural Networks Using Large
    Learning Rates, 2018. https://arxiv.org/abs/1708.07120

    Examples
    --------
    >>> from nnlite.schedules import OneCycle
    >>> rate = OneCycle(1.0, steps=100)
    >>> print(f"{rate(0):.2g} {rate(29):.2g} {rate(99):.2g}")
    0.04 1 4e-06
    """

    def __init__(
        self,
        peak: float,
        *,
        steps: int,
        warm_up: float = 0.3,
        start_divisor: float = 25.0,
        final_divisor: float = 1e4,
    ) -> None:
        self.peak = self._number("peak", peak, low_open=True)
        self.steps = self._steps("steps", steps)
        self.warm_up = self._number("warm_up", warm_up, high=1.0, high_open=True)
        self.start_divisor = self._number("start_divisor", start_divisor, low=1.0)
        self.final_divisor = self._number("final_divisor", final_divisor, low=1.0)

    def __call__(self, step: int) -> float:
        """Return the rate on the way up or on the way down."""
        first = self.peak / self.start_divisor
        last_step = self.steps - 1
        # Not a whole number as a rule, and below 0 where there is no room for a rise.
        peak_step = self.warm_up * self.steps - 1.0
        if step < peak_step:
            return _cosine(first, self.peak, step / peak_step)
        progress = (min(step, last_step) - peak_step) / (last_step - peak_step)
        return _cosine(self.peak, first / self.final_divisor, progress)


__getattr__ = missing_names(__name__)
