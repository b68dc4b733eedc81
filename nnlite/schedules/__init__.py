"""The learning rate as a function of the number of steps made so far; `nnlite.schedules.base` says how."""

from nnlite.errors.habits import missing_names
from nnlite.schedules.base import ConstantRate, CosineDecay, Schedule, ScheduleLike, WarmUp
from nnlite.schedules.decay import ExponentialDecay, StepDecay
from nnlite.schedules.one_cycle import OneCycle
from nnlite.schedules.piecewise import PiecewiseConstant
from nnlite.schedules.polynomial import PolynomialDecay
from nnlite.schedules.restarts import CosineRestarts

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

__getattr__ = missing_names(__name__)
