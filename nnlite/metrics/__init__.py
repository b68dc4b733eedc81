"""Numbers that say how good predictions are; unlike losses, they need no gradient.

Every metric is called as ``metric(pred, target, weight)`` and returns a Python float
(`confusion_matrix` and the curves arrays), computed in float64. Predictions are what the model
gives, logits for instance. Nothing is broadcast: shapes that differ are an error. A NaN among the
predictions is an error too, since it would pass for a guess. A row of weight 0 is as no row, whatever
it holds.
A metric says by its attribute ``higher_is_better`` which way is up, for what chooses the best
epoch or net by it.
"""

from nnlite.errors.habits import missing_names
from nnlite.metrics.calling import Metric, call_metric, named_metrics
from nnlite.metrics.classification import (
    accuracy,
    binary_accuracy,
    brier_score,
    calibration_curve,
    confusion_matrix,
    expected_calibration_error,
    f1,
    log_loss,
    precision,
    recall,
    top_k_accuracy,
)
from nnlite.metrics.directions import is_better_higher
from nnlite.metrics.ranking import average_precision, precision_recall_curve, roc_auc, roc_curve
from nnlite.metrics.regression import (
    mean_absolute_error,
    mean_absolute_percentage_error,
    median_absolute_error,
    r2,
    root_mean_squared_error,
)
from nnlite.metrics.tasks import SequenceMetric, TaskMetric

__all__ = [
    "Metric",
    "SequenceMetric",
    "TaskMetric",
    "accuracy",
    "average_precision",
    "binary_accuracy",
    "brier_score",
    "calibration_curve",
    "call_metric",
    "confusion_matrix",
    "expected_calibration_error",
    "f1",
    "is_better_higher",
    "log_loss",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "median_absolute_error",
    "named_metrics",
    "precision",
    "precision_recall_curve",
    "r2",
    "recall",
    "roc_auc",
    "roc_curve",
    "root_mean_squared_error",
    "top_k_accuracy",
]

__getattr__ = missing_names(__name__)
