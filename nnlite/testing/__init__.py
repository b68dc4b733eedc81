"""Checks for people who write their own layer, loss or optimizer.

Each returns a `CheckReport`, or raises a `GradientCheckError` that says which
gradient is wrong, where, by how much, and what usually causes that.
"""

from nnlite.testing.layer import check_layer
from nnlite.testing.loss import check_loss
from nnlite.testing.optimizer import check_optimizer
from nnlite.testing.report import CheckReport

__all__ = ["CheckReport", "check_layer", "check_loss", "check_optimizer"]
