"""A metric of one task of a net that has several."""

from __future__ import annotations

from typing import Any

from nnlite.core.aliases import AnyArray
from nnlite.core.config import Setting
from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.errors.checks import check_instance
from nnlite.losses import Task
from nnlite.metrics.calling import Metric, call_metric
from nnlite.metrics.directions import is_better_higher
from nnlite.metrics.order import find_order

__all__ = ["TaskMetric"]


class TaskMetric(Setting):
    """Another metric, of one task of a `MultiTaskLoss`: it sees the outputs and targets of that task.

    Rows without a target there are left out.

    Parameters
    ----------
    metric : function (pred, target) or (pred, target, weight)
        What to measure. It gets class ids where the loss of the task does.
    task : Task
        Says which columns.

    Attributes
    ----------
    higher_is_better : bool or None
        What the metric inside says of itself.

    Raises
    ------
    ArgumentTypeError
        If `metric` cannot be called so, or `task` is no Task.

    Examples
    --------
    >>> import numpy as np
    >>> from nnlite import SoftmaxCrossEntropy, accuracy
    >>> kind = Task(SoftmaxCrossEntropy(), outputs=[1, 2], targets=1)
    >>> pred = np.array([[3.0, 0.0, 1.0], [5.0, 0.0, 1.0]])
    >>> TaskMetric(accuracy, kind)(pred, np.array([[2.0, 1.0], [7.0, np.nan]]))
    1.0
    """

    def __init__(self, metric: Metric, task: Task) -> None:
        fix = "Write TaskMetric(accuracy, task), with the Task that the loss has."
        check_instance("TaskMetric(task)", task, Task, "a Task of a MultiTaskLoss", fix=fix)
        if not callable(metric):
            fix = "Give a function such as nnlite.accuracy."
            raise ArgumentTypeError("TaskMetric(metric)", "a function (pred, target)", f"{metric!r}", fix)
        find_order(metric, name=_name(metric))
        self.metric, self.task = metric, task

    @property
    def higher_is_better(self) -> bool | None:
        """Whether more of it is better, as far as the metric says it."""
        return is_better_higher(self.metric)

    def __call__(self, pred: AnyArray, target: AnyArray, weight: AnyArray | None = None) -> Any:
        """Compute the metric.

        Parameters
        ----------
        pred : ndarray of shape (rows, outputs)
            What the whole net gave.
        target : ndarray of shape (rows, columns)
            The whole table of targets.
        weight : ndarray of shape (rows,), optional
            How much each row counts.

        Returns
        -------
        float

        Raises
        ------
        ArgumentError, ArgumentTypeError, ShapeError
            If no row has a target, they are no arrays that fit, or the metric refuses what it is given.
        """
        name = _name(self.metric)
        guess, truth, there = self.task.checked(pred, target)
        if not there.any():
            what, fix = "a target that is there", "Give rows of which some are known."
            raise ArgumentError(f"metric {name!r} of {self.task}", what, "missing ones only", fix)
        some = None if weight is None else weight[there]
        return call_metric(self.metric, guess[there], truth[there], some, name=name)


def _name(metric: Any) -> str:
    return str(getattr(getattr(metric, "func", metric), "__name__", "metric"))
