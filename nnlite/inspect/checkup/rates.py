"""Other rates: what comes of them in trials, and what the curvature of the loss allows."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np

from nnlite.core.optimizers import SGD, Optimizer
from nnlite.inspect.checkup.patient import STEPS, Patient
from nnlite.inspect.checkup.rebuilt import scaled
from nnlite.inspect.checkup.settings import judged_steps
from nnlite.inspect.checkup.trials import AS_IS, Variant, line_of, measured_rows, race
from nnlite.losses import Hinge, MultiTaskLoss, Quantile
from nnlite.losses.robust import MeanAbsoluteError
from nnlite.sweeps.limit import stability_limit

__all__ = [
    "FAR_ABOVE",
    "FAR_DOWN",
    "STILL",
    "TIMES",
    "Rates",
    "in_scale",
    "learns_scaled",
    "limit_of",
    "other_rate",
    "times",
]

#: A higher rate that comes so far down the way, and is so much higher, says that a rate is too small.
FAR_DOWN, FAR_ABOVE = 0.5, 100.0
#: What hardly moves at any rate is tried for longer: steps that bring less than this part of the way.
PLATEAU = 0.1
#: How far rates are raised, in what steps, and by what part of the way a loss may differ by chance. From a
#: rate that nothing would come of they begin at LEAST_USUAL.
HIGHEST = 1e8
LEAST_USUAL, LOW_USUAL, MOST_USUAL = 1e-4, 1e-3, 10.0
#: How far rates are lowered where training explodes, by this many times the loss that it began with: a rate
#: may be off by as much as float32 can hold.
LOWEST = 1e-36
EXPLODED = 10.0
TIMES = 10.0
STILL = 0.01


class Rates:
    """What comes of some steps at the rate times some factors.

    Parameters
    ----------
    p : Patient
        Who is tried.
    steps : int
        How many.
    long : bool
        Whether these are as many as the training has, or can be afforded.

    Attributes
    ----------
    late : dict of float to float
        The loss towards the end, by the factor.
    rate : float
        What the factors multiply.
    start : float
        The loss before.

    Examples
    --------
    >>> from nnlite import SGD, Dense, MeanSquaredError, Sequential
    >>> p = Patient(Sequential([Dense(1, 1)], rng=0), SGD(0.1), MeanSquaredError(), 32, trained=False)
    >>> from nnlite.inspect.checkup.given import Data
    >>> p.data = Data(np.array([[-1.0], [1.0]], np.float32), np.array([[-1.0], [1.0]], np.float32), None)
    >>> with np.errstate(all="ignore"):  # at the largest rates the loss overflows
    ...     sorted(Rates(p, 100, long=True).late)
    [0.01, 0.1, 1.0, 10.0, 100.0]
    """

    def __init__(self, p: Patient, steps: int, *, long: bool) -> None:
        self.p, self.steps, self.long = p, steps, long
        optimizer: Any = p.optimizer
        self.rate, self.schedule = float(optimizer.rate), optimizer.learning_rate
        self.late: dict[float, float] = {}
        self.start = race(p, steps=steps).losses[0]
        for factor in (0.01, 0.1, 1.0, TIMES, FAR_ABOVE):
            self.add(factor)
        floor, low = p.constant - p.way, 0.01  # likelihoods may be negative
        top = floor + EXPLODED * (max(self.start, p.constant) - floor)
        while low > LOWEST and (
            not min(loss for factor, loss in self.late.items() if factor < 1) < top
            or (min(self.late.values()) - p.least > FAR_DOWN * p.way and self.rate * low > LOW_USUAL)
        ):  # where a hundredth diverges too, or is as large as any usual rate and shows nothing, look further
            low /= TIMES
            self.add(low)
        high = FAR_ABOVE
        while high < HIGHEST or self.rate * high < MOST_USUAL:
            if self.late[high] > min(self.late.values()) + STILL * p.way:
                break  # it came worse than a lower one
            if self.late[high] - p.least < FAR_DOWN * p.way:
                break
            # And where a hundred times the rate hardly moves either.
            beyond = LEAST_USUAL / (self.rate * high) if self.rate else TIMES
            high *= max(TIMES, 10.0 ** math.ceil(math.log10(beyond)))
            self.add(high)

    def add(self, factor: float) -> None:
        """Try one."""
        self.late[factor] = race(self.p, times(factor), steps=self.steps).late

    @property
    def still(self) -> bool:
        """Whether hardly anything has moved."""
        return self.start - min(self.late.values()) < PLATEAU * self.p.way


def times(factor: float) -> Variant:
    """Return a training at so many times the rate.

    Parameters
    ----------
    factor : float
        1 is the training as it is.

    Returns
    -------
    Variant

    Examples
    --------
    >>> times(10).name
    'rate times 10'
    """

    def change(_: Any, optimizer: Optimizer) -> Optimizer:
        optimizer.rate_factor = optimizer.rate_factor * factor
        return optimizer

    return AS_IS if factor == 1 else Variant(f"rate times {factor:g}", change)


def in_scale(p: Patient) -> Patient:
    """Return the same with its rows, and targets that are numbers, brought to size.

    Parameters
    ----------
    p : Patient
        Left as it is.

    Returns
    -------
    Patient
    """
    other = copy.copy(p)
    for name in ("passage", "sample", "constant", "_least", "fresh", "class_ids", "went_well"):
        vars(other).pop(name, None)
    other.courses, other.held_out, other.data = {}, None, scaled(p, p.all)
    if p.kind == "numbers" and not isinstance(p.loss, MultiTaskLoss):  # some of its targets may be classes
        spread = np.where((spread := other.targets.std(axis=0)) > 0, spread, 1)
        other.data = other.data._replace(
            y=((other.targets - other.targets.mean(axis=0)) / spread).astype(spread.dtype)
        )
    return other


def learns_scaled(p: Patient) -> bool:
    """Tell whether at the present rate scaled rows are learned.

    Parameters
    ----------
    p : Patient
        Who is tried.

    Returns
    -------
    bool
    """
    other = in_scale(p)
    course = race(other, steps=STEPS if p.length is None else judged_steps(p))
    return other.constant - course.late > (1 - FAR_DOWN) * other.way


def other_rate(p: Patient, factor: float, unit: float) -> str:
    """Advise to multiply the rate, or all rates of a schedule.

    Parameters
    ----------
    p : Patient
        Has the optimizer.
    factor : float
        By what.
    unit : float
        The rate.

    Returns
    -------
    str

    Examples
    --------
    >>> from nnlite import SGD, Dense, MeanSquaredError, Sequential
    >>> p = Patient(Sequential([Dense(1, 1)]), SGD(0.1), MeanSquaredError(), 32, trained=False)
    >>> other_rate(p, 0.1, 0.1)
    'Write SGD(0.01); nnlite.inspect.find_learning_rate measures more.'
    """
    optimizer: Any = p.optimizer
    if callable(optimizer.learning_rate):
        return f"Try {factor:g} times its rates; nnlite.inspect.find_learning_rate measures more."
    line = line_of(optimizer, learning_rate=float(f"{unit * factor:.1g}"))
    return f"Write {line}; nnlite.inspect.find_learning_rate measures more."


def limit_of(p: Patient) -> dict[str, Any]:
    """Measure the largest rate at which plain descent is stable here.

    Parameters
    ----------
    p : Patient
        Whose loss it is.

    Returns
    -------
    dict
        ``sharpness``, ``limit`` and ``formula``; nothing where there is none.
    """
    optimizer = p.optimizer
    if type(optimizer) is not SGD or optimizer.clip_norm is not None or optimizer.clip_value is not None:
        return {}
    if isinstance(p.loss, MeanAbsoluteError | Quantile | Hinge):
        return {}
    seen = measured_rows(p.sample)
    own = copy.deepcopy(p.model)
    own.takes_encoded = True  # as the rows are
    found = stability_limit(optimizer, [own], None, seen.x, seen.y, p.loss, seen.weight)
    if found.start is None:  # Lanczos has found nothing, or a gradient was not finite
        return {}
    return {"sharpness": found.sharpness_start[0], "limit": found.start, "formula": found.formula}
