"""Sweeps: one net at many learning rates, all trained as one, and what became of each."""

from nnlite.sweeps.labels import LABELS
from nnlite.sweeps.result import StabilityLimit, SweepResult
from nnlite.sweeps.run import sweep

__all__ = ["LABELS", "StabilityLimit", "SweepResult", "sweep"]
