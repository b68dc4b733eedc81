"""Optimizers: how the parameters move; `nnlite.core.optimizers` says how to write your own."""

from nnlite.core.optimizers import SGD, Optimizer
from nnlite.errors.habits import missing_names
from nnlite.optimizers.adagrad import Adagrad
from nnlite.optimizers.adam import Adam
from nnlite.optimizers.adamw import AdamW
from nnlite.optimizers.lion import Lion
from nnlite.optimizers.nadam import NAdam
from nnlite.optimizers.rmsprop import RMSProp
from nnlite.schedules.base import From as _From  # noqa: F401  # pickles of earlier versions name it so, here

__all__ = ["SGD", "Adagrad", "Adam", "AdamW", "Lion", "NAdam", "Optimizer", "RMSProp"]

__getattr__ = missing_names(__name__)
