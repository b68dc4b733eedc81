"""Numbers that say how good predictions are; unlike losses, they need no gradient.

Every metric is called as ``metric(pred, target, weight)`` and returns a Python float
(`confusion_matrix` an array). Nothing is broadcast: shapes that differ are an error.
A NaN among the predictions is an error too, since it would pass for a guess. A metric says by
its attribute ``higher_is_better`` which way is up, for what chooses the best epoch or net by it.
"""

from nnlite.habits import missing_names
from nnlite.metrics.calling import Metric, call_metric, named_metrics
from nnlite.metrics.classification import accuracy, binary_accuracy, confusion_matrix, top_k_accuracy
from nnlite.metrics.directions import is_better_higher
from nnlite.metrics.regression import mean_absolute_error, r2

__all__ = [
    "Metric",
    "accuracy",
    "binary_accuracy",
    "call_metric",
    "confusion_matrix",
    "is_better_higher",
    "mean_absolute_error",
    "named_metrics",
    "r2",
    "top_k_accuracy",
]

__getattr__ = missing_names(__name__)
