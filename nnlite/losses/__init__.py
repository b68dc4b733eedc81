"""Losses: how wrong the predictions are, and which way each of them should move.

To write your own, subclass `Loss` and write ``value_and_grad``, or subclass
`PointwiseLoss` and write the value and slope for a single number.
`nnlite.testing.check_loss` proves that the two agree.
"""

from nnlite.core.cross_entropy import SoftmaxCrossEntropy
from nnlite.core.losses import Loss, MeanSquaredError, PointwiseLoss
from nnlite.errors.habits import missing_names
from nnlite.losses.binary_cross_entropy import BinaryCrossEntropy
from nnlite.losses.hinge import Hinge
from nnlite.losses.likelihoods import GaussianNLL, PoissonNLL
from nnlite.losses.masked import Masked
from nnlite.losses.multi_task import MultiTaskLoss, Task
from nnlite.losses.robust import Huber, MeanAbsoluteError, Quantile
from nnlite.losses.sequence import SequenceLoss

__all__ = [
    "BinaryCrossEntropy",
    "GaussianNLL",
    "Hinge",
    "Huber",
    "Loss",
    "Masked",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "MultiTaskLoss",
    "PointwiseLoss",
    "PoissonNLL",
    "Quantile",
    "SequenceLoss",
    "SoftmaxCrossEntropy",
    "Task",
]

__getattr__ = missing_names(__name__)
