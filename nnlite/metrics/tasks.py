"""Metrics of a part of what a net says: of one of several tasks, of the steps that are no padding."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlite.core.aliases import AnyArray
from nnlite.core.config import Setting
from nnlite.data.checks import check_weight
from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.errors.checks import check_instance
from nnlite.losses import SequenceLoss, Task
from nnlite.metrics.calling import Metric, call_metric
from nnlite.metrics.directions import is_better_higher
from nnlite.metrics.order import find_order

__all__ = ["SequenceMetric", "TaskMetric"]


class PartMetric(Setting):
    """What they have in common: another metric, and what says which part it is given."""

    metric: Metric

    @property
    def _part(self) -> Any:
        """What gives predictions and targets of the part, and which are there, by its method `checked`."""
        raise NotImplementedError

    def _take(self, metric: Metric) -> None:
        """Check and store the metric."""
        name = type(self).__name__
        if not callable(metric):
            fix = "Give a function such as nnlite.accuracy."
            raise ArgumentTypeError(f"{name}(metric)", "a function (pred, target)", f"{metric!r}", fix)
        find_order(metric, name=_name(metric))
        self.metric = metric

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
        target : ndarray of shape (rows, ...)
            All targets.
        weight : ndarray of shape (rows,), optional
            How much each row counts.

        Returns
        -------
        float

        Raises
        ------
        ArgumentError, ArgumentTypeError, ShapeError
            If there is no target, they are no arrays that fit, or the metric refuses what it is given.
        """
        name = _name(self.metric)
        guess, truth, there = self._part.checked(pred, target)
        if weight is not None:
            weight = check_weight(f"metric {name!r} of {self._part}, weight", weight, rows=(len(pred),))
        if not there.any():
            what, fix = "a target that is there", "Give rows of which some are known."
            raise ArgumentError(f"metric {name!r} of {self._part}", what, "missing ones only", fix)
        # Of a row of several steps each counts as the row does.
        some = None if weight is None else np.repeat(weight, len(guess) // len(pred))[there]
        return call_metric(self.metric, guess[there], truth[there], some, name=name)


class TaskMetric(PartMetric):
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
    >>> from nnlite import SoftmaxCrossEntropy, accuracy
    >>> kind = Task(SoftmaxCrossEntropy(), outputs=[1, 2], targets=1)
    >>> pred = np.array([[3.0, 0.0, 1.0], [5.0, 0.0, 1.0]])
    >>> TaskMetric(accuracy, kind)(pred, np.array([[2.0, 1.0], [7.0, np.nan]]))
    1.0
    """

    def __init__(self, metric: Metric, task: Task) -> None:
        fix = "Write TaskMetric(accuracy, task), with the Task that the loss has."
        check_instance("TaskMetric(task)", task, Task, "a Task of a MultiTaskLoss", fix=fix)
        self._take(metric)
        self.task = task

    @property
    def _part(self) -> Task:
        return self.task


class SequenceMetric(PartMetric):
    """Another metric, of all steps that are no padding: it sees the outputs and targets of a `SequenceLoss`.

    Every step is a row for it, of the weight of its sequence.

    Parameters
    ----------
    metric : function (pred, target) or (pred, target, weight)
        What to measure. It gets class ids where the loss of a step does.
    loss : SequenceLoss
        Says how many steps there are, and which are padding.

    Attributes
    ----------
    higher_is_better : bool or None
        What the metric inside says of itself.

    Raises
    ------
    ArgumentTypeError
        If `metric` cannot be called so, or `loss` is no SequenceLoss.

    Examples
    --------
    Two steps are padding, and of the other two one is right:

    >>> from nnlite import SoftmaxCrossEntropy, accuracy
    >>> loss = SequenceLoss(SoftmaxCrossEntropy(), steps=2)
    >>> pred = np.array([[3.0, 0.0, 0.0, 1.0], [5.0, 0.0, 0.0, 5.0]])
    >>> SequenceMetric(accuracy, loss)(pred, np.array([[0, -1], [1, -1]]))
    0.5
    """

    def __init__(self, metric: Metric, loss: SequenceLoss) -> None:
        fix = "Write SequenceMetric(accuracy, loss), with the loss that is trained with."
        check_instance("SequenceMetric(loss)", loss, SequenceLoss, "a SequenceLoss", fix=fix)
        self._take(metric)
        self.loss = loss

    @property
    def _part(self) -> SequenceLoss:
        return self.loss


def _name(metric: Any) -> str:
    return str(getattr(getattr(metric, "func", metric), "__name__", "metric"))
