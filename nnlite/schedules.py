"""The learning rate as a function of the number of updates made so far.

A schedule is called with the step, an integer that counts from 0, and returns the
learning rate of that update. Any function of this form is a schedule too.

What has a length takes it in ``steps``, of one batch each, or in ``epochs``. Without either it lasts as
long as the training: ``epochs * math.ceil(rows / batch_size)`` steps, of the rows that are left for it.
`fit` knows how many that is, and tells the optimizer. A second `fit` with
the same optimizer begins such a schedule anew. Outside of `fit` nobody knows, so there a schedule needs its
``steps``.
"""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Self

import numpy as np

from nnlite.core.config import Setting
from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.errors.checks import check_integer, check_number
from nnlite.errors.habits import missing_names

__all__ = [
    "ConstantRate",
    "CosineDecay",
    "CosineRestarts",
    "ExponentialDecay",
    "OneCycle",
    "PiecewiseConstant",
    "PolynomialDecay",
    "Schedule",
    "ScheduleLike",
    "StepDecay",
    "WarmUp",
]

#: What an optimizer takes besides a plain number: a `Schedule`, or any function of this form.
ScheduleLike = Callable[[int], float]

#: A schedule is over where its rate has come down to less than this part of the highest, and stays there.
NEXT_TO_NOTHING = 0.01
#: The same for one that decays by a factor and has no end: it goes down to a hundredth and less on purpose.
VANISHED = 1e-6


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

        Raises
        ------
        ArgumentError
            If the schedule needs to know how long the training is; see `settle`.
        """

    @property
    def lasts(self) -> bool:
        """Whether it lasts as long as the training, having no length of its own."""
        return False

    @property
    def over(self) -> int | None:
        """From which step on the rate is next to nothing, if it comes to that and stays there."""
        return None

    def settle(self, steps: int | None, steps_per_epoch: int | None) -> Schedule:
        """Return the schedule with all its lengths in steps, as `fit` uses it.

        Parameters
        ----------
        steps : int or None
            How many the whole training has.
        steps_per_epoch : int or None
            How many an epoch has; None if that is not known before it is over.

        Returns
        -------
        Schedule
            Itself, if there is nothing to settle.

        Raises
        ------
        ArgumentError
            If what it needs is not known.

        Examples
        --------
        >>> CosineDecay(0.1).settle(200, 10)
        CosineDecay(0.1, steps=200)
        >>> WarmUp(CosineDecay(0.1), epochs=2).settle(200, 10)
        WarmUp(CosineDecay(0.1, steps=200), steps=20)
        """
        return self

    def _number(
        self, name: str, value: float, *, low: float = 0.0, high: float = np.inf, **limits: bool
    ) -> float:
        return check_number(f"{type(self).__name__}({name}=)", value, low=low, high=high, **limits)

    def _unit(self, unit: str) -> str:
        if unit not in {"steps", "epochs"}:
            where = f"{type(self).__name__}(unit=)"
            raise ArgumentError(where, "'steps' or 'epochs'", f"{unit!r}", "Write one of them.")
        return unit

    def _with(self, **changes: Any) -> Self:
        """Return a copy with other arguments, which are known to be right."""
        other = copy.copy(self)
        vars(other).update(changes)
        return other

    def _in_steps(self, epochs: float, steps_per_epoch: int | None) -> int:
        if steps_per_epoch is None:
            raise self._unknown()
        return max(1, round(epochs * steps_per_epoch))

    def _unknown(self) -> ArgumentError:
        return ArgumentError(
            "fit(optimizer=)",
            f"a length in steps for {self}, since the number of batches is not known",
            "none",
            "Write steps=, the number of epochs times that of the batches in one.",
        )

    def _unsettled(self, fix: str) -> ArgumentError:
        return ArgumentError(
            f"{self}",
            "steps to count in, outside of fit, which alone knows how many there are",
            "none",
            fix,
        )


class _Long(Schedule):
    """A schedule with a length: in steps, in epochs, or as long as the training."""

    steps: int | None
    epochs: float | None

    def _set_length(self, steps: int | None, epochs: float | None) -> None:
        name = type(self).__name__
        if steps is not None and epochs is not None:
            raise ArgumentError(name, "steps= or epochs=", "both", "Leave one of them out.")
        self.steps = None if steps is None else check_integer(f"{name}(steps=)", steps, low=1)
        if epochs is not None:
            epochs = self._number("epochs", epochs, low_open=True)
            epochs = int(epochs) if epochs.is_integer() else epochs
        self.epochs = epochs

    @property
    def lasts(self) -> bool:
        """Whether it has neither steps nor epochs."""
        return self.steps is None and self.epochs is None

    def settle(self, steps: int | None, steps_per_epoch: int | None) -> Schedule:
        """Return it with a length in steps; see `Schedule.settle`."""
        if self.steps is not None:
            return self
        if self.epochs is not None:
            steps = self._in_steps(self.epochs, steps_per_epoch)
        if steps is None:
            raise self._unknown()
        return self._with(steps=steps, epochs=None)

    @property
    def _length(self) -> int:
        if self.steps is None:
            raise self._unsettled("Write steps=.")
        return self.steps


class _Every(Schedule):
    """A schedule that multiplies the rate by a factor every so many steps or epochs."""

    every: int
    unit: str
    factor: float

    @property
    def over(self) -> int | None:
        """The first drop below what moves weights, if it was told in steps."""
        if self.unit != "steps" or self.factor == 1:
            return None
        return self.every * (math.floor(math.log(VANISHED) / math.log(self.factor)) + 1)

    def _set_every(self, every: int, unit: str) -> None:
        self.every = check_integer(f"{type(self).__name__}(every=)", every, low=1)
        self.unit = self._unit(unit)

    def settle(self, steps: int | None, steps_per_epoch: int | None) -> Schedule:
        """Return it with `every` in steps; see `Schedule.settle`."""
        if self.unit == "steps":
            return self
        return self._with(every=self._in_steps(self.every, steps_per_epoch), unit="steps")

    def _part(self, step: int) -> float:
        """Return how often it was done."""
        if self.unit != "steps":
            raise self._unsettled("Write unit='steps'.")
        return step / self.every


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


class StepDecay(_Every):
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


class ExponentialDecay(_Every):
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


class CosineDecay(_Long):
    """Half a cosine wave from the first rate down to the final one, which then stays.

    The rate is ``final + (rate - final) * (1 + cos(pi * step / steps)) / 2``.

    Parameters
    ----------
    rate : float
        The first learning rate, greater than 0.
    steps : int, optional
        The step at which `final` is reached, at least 1. A step is one batch.
    epochs : float, optional
        The same in epochs of the training. Without either it is the whole training.
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

    def __init__(
        self, rate: float, *, steps: int | None = None, epochs: float | None = None, final: float = 0.0
    ) -> None:
        self.rate = self._number("rate", rate, low_open=True)
        self._set_length(steps, epochs)
        self.final = self._number("final", final, high=self.rate)

    @property
    def over(self) -> int | None:
        """The end, if `final` is next to nothing."""
        return self.steps if self.final < NEXT_TO_NOTHING * self.rate else None

    def __call__(self, step: int) -> float:
        """Return the rate at that point of the cosine."""
        return _cosine(self.rate, self.final, min(step / self._length, 1.0))


class CosineRestarts(_Long):
    """Half a cosine wave from the first rate down to the final one, again and again.

    Behind each wave the rate jumps up to the first one. With `growth` each wave is so many times
    as long as the one before. A wave of n steps does not reach `final`: it begins anew with step n.

    Parameters
    ----------
    rate : float
        The rate at which each wave begins, greater than 0.
    steps : int, optional
        How long the first wave is, at least 1. A step is one batch.
    epochs : float, optional
        The same in epochs of the training. Without either it is the whole training,
        and there is one wave.
    growth : int
        How many times as long as the one before each wave is, at least 1.
    final : float
        The rate down to which each wave goes, from 0 to `rate`.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If an argument is outside its range.

    References
    ----------
    Loshchilov, Hutter: SGDR, Stochastic Gradient Descent with Warm Restarts, ICLR 2017,
    equation 5. https://arxiv.org/abs/1608.03983

    Examples
    --------
    >>> from nnlite.schedules import CosineRestarts
    >>> rate = CosineRestarts(0.5, steps=10, growth=2)
    >>> rate(0), rate(5), rate(10), rate(20), rate(30)
    (0.5, 0.25, 0.5, 0.25, 0.5)
    """

    def __init__(
        self,
        rate: float,
        *,
        steps: int | None = None,
        epochs: float | None = None,
        growth: int = 1,
        final: float = 0.0,
    ) -> None:
        self.rate = self._number("rate", rate, low_open=True)
        self._set_length(steps, epochs)
        self.growth = check_integer("CosineRestarts(growth=)", growth, low=1)
        self.final = self._number("final", final, high=self.rate)

    def __call__(self, step: int) -> float:
        """Return the rate at that point of the present wave."""
        length = self._length
        if self.growth == 1:
            step %= length
        while step >= length:
            step, length = step - length, length * self.growth
        return _cosine(self.rate, self.final, step / length)


class PolynomialDecay(_Long):
    """A straight line, or another power of what is left, from the first rate down to the final one.

    The rate is ``final + (rate - final) * (1 - step / steps) ** power``, and stays `final` behind
    the end.

    Parameters
    ----------
    rate : float
        The first learning rate, greater than 0.
    steps : int, optional
        The step at which `final` is reached, at least 1. A step is one batch.
    epochs : float, optional
        The same in epochs of the training. Without either it is the whole training.
    power : float
        1 for a straight line; larger than that, the rate falls early.
    final : float
        The last learning rate, from 0 to `rate`.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If an argument is outside its range.

    Examples
    --------
    >>> from nnlite.schedules import PolynomialDecay
    >>> rate = PolynomialDecay(0.5, steps=100, power=2)
    >>> rate(0), rate(50), rate(100), rate(200)
    (0.5, 0.125, 0.0, 0.0)
    """

    def __init__(
        self,
        rate: float,
        *,
        steps: int | None = None,
        epochs: float | None = None,
        power: float = 1.0,
        final: float = 0.0,
    ) -> None:
        self.rate = self._number("rate", rate, low_open=True)
        self._set_length(steps, epochs)
        self.power = self._number("power", power, low_open=True)
        self.final = self._number("final", final, high=self.rate)

    @property
    def over(self) -> int | None:
        """The end, if `final` is next to nothing."""
        return self.steps if self.final < NEXT_TO_NOTHING * self.rate else None

    def __call__(self, step: int) -> float:
        """Return the rate for what is left."""
        left = 1.0 - min(step / self._length, 1.0)
        return float(self.final + (self.rate - self.final) * left**self.power)


class PiecewiseConstant(Schedule):
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
        self.unit = self._unit(unit)
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
        if self.unit != "steps":
            raise self._unsettled("Write unit='steps'.")
        return self.rates[sum(step >= boundary for boundary in self.boundaries)]


class WarmUp(_Long):
    """A gentle start in front of another schedule.

    The rate of the wrapped schedule is multiplied by a factor that grows in a straight
    line from `start` at step 0 to 1 at step `steps`, and stays 1 from there. The wrapped
    schedule counts its own steps from 0 all the while.

    Parameters
    ----------
    schedule : Schedule, function or float
        The schedule to wrap, or a constant learning rate greater than 0.
    steps : int, optional
        The length of the warm-up, at least 1. A step is one batch.
    epochs : float, optional
        The same in epochs of the training. Without either it is the whole training.
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

    def __init__(
        self,
        schedule: ScheduleLike | float,
        *,
        steps: int | None = None,
        epochs: float | None = None,
        start: float = 0.0,
    ) -> None:
        self.schedule = schedule if callable(schedule) else self._number("schedule", schedule, low_open=True)
        self._set_length(steps, epochs)
        self.start = self._number("start", start, high=1.0)

    @property
    def lasts(self) -> bool:
        """Whether it, or what it wraps, lasts as long as the training."""
        return super().lasts or (isinstance(self.schedule, Schedule) and self.schedule.lasts)

    @property
    def over(self) -> int | None:
        """The end of what it wraps."""
        return self.schedule.over if isinstance(self.schedule, Schedule) else None

    def settle(self, steps: int | None, steps_per_epoch: int | None) -> Schedule:
        """Return it, and what it wraps, with lengths in steps; see `Schedule.settle`."""
        settled = super().settle(steps, steps_per_epoch)
        if isinstance(self.schedule, Schedule):
            inner = self.schedule.settle(steps, steps_per_epoch)
            return settled if inner is self.schedule else settled._with(schedule=inner)
        return settled

    def __call__(self, step: int) -> float:
        """Return the rate of the wrapped schedule times the warm-up factor."""
        rate = self.schedule(step) if callable(self.schedule) else self.schedule
        progress = min(step / self._length, 1.0)
        return float(rate) * (self.start + (1.0 - self.start) * progress)


class OneCycle(_Long):
    """One rise to a high rate and one long fall to a very low one, both along a cosine.

    The rate rises from ``peak / start_divisor`` to `peak`, which it reaches at step
    ``warm_up * steps - 1``, and falls to ``peak / start_divisor / final_divisor``,
    which it reaches at step ``steps - 1`` and keeps.

    Parameters
    ----------
    peak : float
        The highest learning rate, greater than 0.
    steps : int, optional
        The number of updates in the whole cycle, at least 1. A step is one batch.
    epochs : float, optional
        The same in epochs of the training. Without either it is the whole training.
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
        steps: int | None = None,
        epochs: float | None = None,
        warm_up: float = 0.3,
        start_divisor: float = 25.0,
        final_divisor: float = 1e4,
    ) -> None:
        self.peak = self._number("peak", peak, low_open=True)
        self._set_length(steps, epochs)
        self.warm_up = self._number("warm_up", warm_up, high=1.0, high_open=True)
        self.start_divisor = self._number("start_divisor", start_divisor, low=1.0)
        self.final_divisor = self._number("final_divisor", final_divisor, low=1.0)

    @property
    def over(self) -> int | None:
        """The end, if the last rate is next to nothing."""
        return self.steps if NEXT_TO_NOTHING * self.start_divisor * self.final_divisor > 1 else None

    def __call__(self, step: int) -> float:
        """Return the rate on the way up or on the way down."""
        first = self.peak / self.start_divisor
        length = self._length
        last_step = length - 1
        # Not a whole number as a rule, and below 0 where there is no room for a rise.
        peak_step = self.warm_up * length - 1.0
        if step < peak_step:
            return _cosine(first, self.peak, step / peak_step)
        progress = (min(step, last_step) - peak_step) / (last_step - peak_step)
        return _cosine(self.peak, first / self.final_divisor, progress)


__getattr__ = missing_names(__name__)
