"""Schedules: the learning rate as a function of the number of steps made so far.

A schedule is called with the step, an integer that counts from 0, and returns the
learning rate of that step. Any function of this form is a schedule too.

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
from collections.abc import Callable
from typing import Any, Self

from nnlite.core.config import Setting
from nnlite.errors import ArgumentError
from nnlite.errors.checks import check_integer, check_number

__all__ = ["ConstantRate", "CosineDecay", "Lasting", "Schedule", "ScheduleLike", "WarmUp", "cosine"]

#: What an optimizer takes besides a plain number: a `Schedule`, or any function of this form.
ScheduleLike = Callable[[int], float]

#: A schedule is over where its rate has come down to less than this part of the highest, and stays there.
NEXT_TO_NOTHING = 0.01


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

    def settle_from(self, start: int, steps: int | None, steps_per_epoch: int | None) -> Schedule:
        """Settle it for a training; what is as long as the training counts from its beginning.

        Parameters
        ----------
        start : int
            How many steps the optimizer has made before.
        steps, steps_per_epoch : int or None
            See `settle`.

        Returns
        -------
        Schedule

        Examples
        --------
        >>> CosineDecay(0.5).settle_from(100, 10, 5)(105)
        0.25
        """
        settled = self.settle(steps, steps_per_epoch)
        return From(settled, start) if self.lasts and start else settled

    def _number(self, name: str, value: float, *, low: float = 0.0, **limits: Any) -> float:
        return check_number(f"{type(self).__name__}({name}=)", value, low=low, **limits)

    def _with(self, **changes: Any) -> Self:
        """Return a copy with other arguments, which are known to be right."""
        other = copy.copy(self)
        vars(other).update(changes)
        return other

    def _in_steps(self, count: float, steps: int | None) -> int:
        """Return the length of so many epochs, or whole trainings, of so many steps each."""
        if steps is None:
            raise ArgumentError(
                "fit(optimizer=)",
                f"a length in steps for {self}, since the number of batches is not known",
                "none",
                "Write steps=, the number of epochs times that of the batches in one.",
            )
        return max(1, round(count * steps))

    def _unsettled(self, fix: str) -> ArgumentError:
        what = "steps to count in, outside of fit, which alone knows how many there are"
        return ArgumentError(f"{self}", what, "none", fix)


class Lasting(Schedule):
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
        count, of = (1, steps) if self.epochs is None else (self.epochs, steps_per_epoch)
        return self._with(steps=self._in_steps(count, of), epochs=None)

    @property
    def _length(self) -> int:
        if self.steps is None:
            raise self._unsettled("Write steps=.")
        return self.steps


class From(Schedule):
    """A schedule that counts from the beginning of a training, by an optimizer that has made steps before.

    Parameters
    ----------
    schedule : Schedule
        With all its lengths in steps.
    start : int
        How many steps were made before.
    """

    def __init__(self, schedule: Schedule, start: int) -> None:
        self.schedule, self.start = schedule, start

    @property
    def over(self) -> int | None:
        """The end of the schedule."""
        return None if self.schedule.over is None else self.start + self.schedule.over

    def __call__(self, step: int) -> float:
        """Return the rate of the step that it is in this training."""
        return self.schedule(max(step - self.start, 0))


def cosine(start: float, end: float, progress: float) -> float:
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


class CosineDecay(Lasting):
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
        return cosine(self.rate, self.final, min(step / self._length, 1.0))


class WarmUp(Lasting):
    """A gentle start for another schedule, whose rate is multiplied by a factor that rises to 1.

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
