"""Several losses on one net: each looks at some of the outputs, and at some columns of a table of targets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from nnlite.core.aliases import AnyArray, Array, Value
from nnlite.core.config import Setting
from nnlite.core.losses import Loss, as_arrays
from nnlite.core.weights import stand_ins, take_rows
from nnlite.errors import ArgumentError, ArgumentTypeError, ShapeError
from nnlite.errors.arguments import is_ours
from nnlite.errors.arrays import check_array
from nnlite.errors.checks import check_instance, check_integer, check_number
from nnlite.losses.class_ids import asks_for_ids, check_whole

__all__ = ["MultiTaskLoss", "Task"]


class Task(Setting):
    """One of the losses of a `MultiTaskLoss`, and the columns that it looks at.

    It is a metric too: called with predictions and targets it gives the mean loss over the rows that
    have a target here, whatever its `weight`.

    Parameters
    ----------
    loss : Loss
        What is paid. Where it takes class ids (`SoftmaxCrossEntropy`), they are one column of whole numbers.
    outputs : int or sequence of int
        Which columns of the predictions it is given, from 0: those of one head of the net.
    targets : int or sequence of int
        Which columns of the table of targets.
    weight : float
        How much it counts in the sum, at least 0.

    Attributes
    ----------
    takes_ids : bool
        Whether the column of targets holds class ids.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If `loss` is no loss of one task, columns are no whole numbers from 0 that differ, or `weight` is no
        number of at least 0.

    Examples
    --------
    >>> from nnlite import SoftmaxCrossEntropy
    >>> kind = Task(SoftmaxCrossEntropy(), outputs=[1, 2], targets=1)
    >>> kind
    Task(SoftmaxCrossEntropy(), outputs=(1, 2), targets=(1,))
    >>> pred = np.array([[3.0, 0.0, 0.0], [5.0, 0.0, 0.0]])
    >>> round(kind(pred, np.array([[2.0, 1.0], [7.0, np.nan]])), 4)
    0.6931
    """

    higher_is_better: ClassVar[bool] = False
    takes_ids: bool

    def __init__(self, loss: Loss, *, outputs: Any, targets: Any, weight: float = 1.0) -> None:
        fix = "Write Task(MeanSquaredError(), outputs=0, targets=0), for instance."
        check_instance("Task(loss)", loss, Loss, "a Loss instance", fix=fix)
        if isinstance(loss, MultiTaskLoss):
            fix = "Put its tasks into the one around it."
            raise ArgumentTypeError("Task(loss)", "the loss of one task", "a MultiTaskLoss", fix)
        self.loss = loss
        self.outputs = _check_columns("Task(outputs=)", outputs)
        self.targets = _check_columns("Task(targets=)", targets)
        self.weight = check_number("Task(weight=)", weight, low=0)
        self.takes_ids = len(self.targets) == 1 < len(self.outputs) and asks_for_ids(loss, len(self.outputs))

    def __call__(self, pred: Array, target: AnyArray, weight: Array | None = None) -> float:
        """Compute the mean loss over the rows that have a target here.

        Parameters
        ----------
        pred : ndarray of shape (rows, outputs)
            What the whole net gave.
        target : ndarray of shape (rows, columns)
            The whole table of targets, in which NaN is a missing one.
        weight : ndarray of shape (rows,), optional
            How much each row counts.

        Returns
        -------
        float

        Raises
        ------
        ShapeError, ArgumentError, ArgumentTypeError
            If they are no arrays that fit, or no row that counts has a target.
        """
        pred, target, there = self.checked(pred, target)
        if weight is not None:
            there = there & (weight > 0)
        if not there.any():
            what, fix = "a target that is there, in a row that counts", "Give rows of which some are known."
            raise ArgumentError(f"{self} target", what, "missing ones only", fix)
        weight = None if weight is None else weight[there]
        value, _ = self.loss.value_and_grad(pred[there], target[there], weight)
        return float(np.asarray(value))

    def select(self, pred: Array, target: AnyArray) -> tuple[Array, AnyArray, AnyArray]:
        """Take what this task looks at.

        Parameters
        ----------
        pred : ndarray of shape (..., rows, outputs)
            What the whole net gave.
        target : ndarray of shape (..., rows, columns)
            The whole table of targets.

        Returns
        -------
        pred : ndarray of shape (..., rows, len(outputs))
        target : ndarray of shape (..., rows, len(targets)), or of int of shape (..., rows)
            Class ids if the loss takes these, which are 0 where the target is missing.
        there : ndarray of bool of shape (..., rows)
            Which rows have a target.

        Raises
        ------
        ShapeError
            If the targets are no table with a row for each of `pred`, or a column is not there.
        ArgumentError
            If class ids are no whole numbers.

        Examples
        --------
        >>> from nnlite import MeanSquaredError
        >>> task = Task(MeanSquaredError(), outputs=1, targets=0)
        >>> task.select(np.array([[3.0, 5.0]]), np.array([[np.nan, 4.0]]))
        (array([[5.]]), array([[nan]]), array([False]))
        """
        self._check_shapes(self, target.shape, pred.shape)
        # `take` and not a list of columns as an index: that would lie in memory column by column.
        pred, target = pred.take(self.outputs, axis=-1), target.take(self.targets, axis=-1)
        missing = np.isnan(target)
        there = ~(missing.all(axis=-1) if self.loss.takes_missing else missing.any(axis=-1))
        if self.takes_ids:
            target = np.where(there, target[..., 0], 0)
            check_whole(self, target)
            target = target.astype(np.intp)
        return pred, target, np.asarray(there)

    def checked(self, pred: Any, target: Any) -> tuple[Array, AnyArray, AnyArray]:
        """Do what `select` does with what a user gives, which may be anything.

        Parameters
        ----------
        pred : array_like of shape (..., batch, outputs)
            All outputs of the model.
        target : array_like of shape (batch, columns)
            The whole table of targets.

        Returns
        -------
        tuple of ndarray
            As `select`.
        """
        target = check_array(f"{self} target", target, missing=True)
        return self.select(check_array(f"{self} pred", pred), target)

    def _check_shapes(self, where: object, shape: tuple[int, ...], pred_shape: tuple[int, ...]) -> None:
        """Refuse targets that are no table with a row for each prediction, and columns that are not there."""
        if len(shape) < 2 or shape[:-1] != pred_shape[-len(shape) : -1]:
            what = f"a table of shape {(*pred_shape[-2:-1], 'columns')}".replace("'", "")
            fix = (
                "Write target[:, None]." if len(shape) == 1 else "Give one row of targets for each row of X."
            )
            raise ShapeError(f"{where} target", what, f"{shape}", fix)
        if (last := max(self.outputs)) >= pred_shape[-1]:
            fix = "Outputs count from 0: give the last layer more, or the task others."
            raise ShapeError(f"{where}", f"a model with an output {last}", f"{pred_shape[-1]} in all", fix)
        if (last := max(self.targets)) >= shape[-1]:
            fix = "Columns count from 0: give a table with all targets, or the task others."
            raise ShapeError(f"{where} target", f"a column {last}", f"{shape[-1]} in all", fix)

    def value_and_grad(
        self, pred: Array, target: AnyArray, weight: Array | None = None
    ) -> tuple[Value, Array]:
        """Compute loss and slope as a part of the average over all rows; one without target pays nothing.

        Parameters
        ----------
        pred, target, weight : ndarray
            As for `Loss.value_and_grad`, with all outputs and all columns.

        Returns
        -------
        value : float or ndarray of shape (replicas,)
        grad : ndarray of shape (..., rows, len(outputs))
            With respect to the outputs of this task.
        """
        pred, target, there = self.select(pred, target)
        if there.all() or self.loss.takes_missing:  # which says itself what is paid for a missing one
            return self.loss.value_and_grad(pred, target, weight)
        if not self.takes_ids:
            target = np.where(there[..., None], target, 1)  # counts for nothing, and every loss takes it
        given = np.ones(there.shape[-1], pred.dtype) if weight is None else np.asarray(weight)
        known = np.where(there, given, 0).astype(pred.dtype, copy=False)
        value, grad = self.loss.value_and_grad(pred, target, known)
        # The loss is an average over the rows that are known, and these are a part of all.
        some, total = (one.sum(axis=-1, dtype=np.float64) for one in (known, given))
        part: Any = np.asarray(some / np.where(total > 0, total, 1))
        grad = grad * part.astype(grad.dtype)[..., None, None]
        return value * (part if part.ndim else part.item()), grad

    def check_targets(
        self, where: str, target: AnyArray, pred_shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> None:
        """Refuse targets that the loss does not take.

        Parameters
        ----------
        where : str
            Names the task in messages.
        target : ndarray of shape (..., rows, columns)
            The whole table.
        pred_shape : tuple of int
            Shape of the predictions of the whole net.
        dtype : dtype
            That of the model.

        Raises
        ------
        ShapeError, ArgumentError, ArgumentTypeError
            If they do not fit, or a row has some targets of the task and not all.
        """
        self._check_shapes(where, target.shape, pred_shape)
        wanted = target.take(self.targets, axis=-1).reshape(-1, len(self.targets))
        missing = np.isnan(wanted)
        if not self.loss.takes_missing:
            there = np.asarray(~missing.any(axis=-1))
            wrong = ~there & ~missing.all(axis=-1)
            if wrong.any():
                row = int(wrong.argmax()) % target.shape[-2]
                what, got = "all targets of a row, or none", f"some of them in row {row}"
                fix = "Make a task of each column, or write Masked around the loss."
                raise ArgumentError(f"{where} target", what, got, fix)
            if not there.any():  # as may be in a batch
                return
            if (rows := stand_ins(there)) is not None:
                wanted = take_rows(wanted, rows, 0)
        if self.takes_ids:
            wanted = wanted[:, 0]
            check_whole(where, wanted)
            wanted = wanted.astype(np.intp)
        try:
            self.loss.prepare(wanted, (len(wanted), len(self.outputs)), dtype)
        except (ArgumentError, ArgumentTypeError) as error:
            if not is_ours(type(error)):
                raise
            fix = error.fix.replace("the last layer", "the task")  # whose outputs are some of its
            if isinstance(error, ShapeError):
                fix = f"Give the task other outputs than {self.outputs}, or targets than {self.targets}."
            raise type(error)(f"{where}, {error.where}", error.expected, error.got, fix) from None


class MultiTaskLoss(Loss):
    """Several losses on one net: a weighted sum, each of some outputs and some columns of the targets.

    The targets are one table of shape (rows, columns): numbers beside class ids, which are whole numbers
    in it. NaN is a missing target: in a task a row without one pays nothing, and counts in the others as
    ever. What the average divides by stays the same, the rows or the sum of their weights, so a task of which
    a tenth of the targets is known counts a tenth; give it a larger `weight` if that is too little.

    In the history every task has a column, ``"loss_price"`` for one called "price", and
    ``"validation_loss_price"`` with validation data: the mean loss over the rows that have a target, without
    the weight of the task. `TaskMetric` measures anything else of one task.

    Parameters
    ----------
    tasks : dict of str to Task
        The losses by their names. Every output of the net belongs to one or more of them.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If `tasks` is no dict of at least one task by its name.

    References
    ----------
    R. Caruana, "Multitask Learning", Machine Learning 28, 1997.

    Examples
    --------
    A net with three outputs: a price, and scores of two kinds.

    >>> from nnlite import MeanSquaredError, SoftmaxCrossEntropy
    >>> loss = MultiTaskLoss(
    ...     {
    ...         "price": Task(MeanSquaredError(), outputs=0, targets=0),
    ...         "kind": Task(SoftmaxCrossEntropy(), outputs=[1, 2], targets=1, weight=0.5),
    ...     }
    ... )
    >>> pred = np.array([[3.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    >>> value, grad = loss.value_and_grad(pred, np.array([[1.0, 1.0], [1.0, np.nan]]))
    >>> round(value, 4)
    2.1733
    >>> grad
    array([[ 2.   ,  0.125, -0.125],
           [ 0.   ,  0.   ,  0.   ]])
    """

    takes_missing: ClassVar[bool] = True

    def __init__(self, tasks: Mapping[str, Task]) -> None:
        where, what = "MultiTaskLoss(tasks)", "a dict of at least one Task by its name"
        fix = 'Write MultiTaskLoss({"price": Task(MeanSquaredError(), outputs=0, targets=0), ...}).'
        if not isinstance(tasks, Mapping) or not tasks:
            raise ArgumentTypeError(where, what, f"{tasks!r}", fix)
        for name, task in tasks.items():
            if not isinstance(name, str) or not name or not isinstance(task, Task):
                raise ArgumentTypeError(where, what, f"{name!r}: {task!r}", fix)
        self.tasks = dict(tasks)
        # For whoever asks whether there are such outputs at all; `logits` says which.
        vars(self)["from_logits"] = any(task.loss.from_logits for task in tasks.values())

    @property
    def logits(self) -> frozenset[int]:
        """Which outputs are given to a loss that applies a sigmoid or softmax itself."""
        tasks = self.tasks.values()
        return frozenset(column for task in tasks if task.loss.from_logits for column in task.outputs)

    @property
    def parts(self) -> dict[str, Task]:
        """What of it goes into the history, by name: the tasks as they are now."""
        return dict(self.tasks)

    def value_and_grad(
        self, pred: Array, target: AnyArray, weight: Array | None = None
    ) -> tuple[Value, Array]:
        """Add up the losses of the tasks, each times its weight."""
        pred, target = as_arrays(self, pred, target)
        total: Any = 0.0 if pred.ndim == 2 else np.zeros(pred.shape[:-2], pred.dtype)
        grad = np.zeros(pred.shape, pred.dtype if pred.dtype.kind == "f" else np.float64)
        for task in self.tasks.values():
            if not task.weight:  # nothing, whatever was predicted
                continue
            value, slopes = task.value_and_grad(pred, target, weight)
            total = total + task.weight * value
            grad[..., task.outputs] += task.weight * slopes
        return total, grad

    def prepare(self, target: Any, pred_shape: tuple[int, ...], dtype: np.dtype[Any]) -> AnyArray:
        """Check the targets that are there as the loss of each task does, and cast the table.

        Parameters
        ----------
        target : array-like of shape (rows, columns)
            The table, or one for each replica.
        pred_shape : tuple of int
            Shape of the predictions for it.
        dtype : dtype
            That of the model.

        Returns
        -------
        ndarray of the shape of `target`
            NaN where a target is missing.

        Raises
        ------
        ShapeError, ArgumentError, ArgumentTypeError
            If a task lacks a column, its loss does not take what is in it, or an output is in no task.
        """
        array = check_array("MultiTaskLoss target", target, missing=True)
        for name, task in self.tasks.items():
            task.check_targets(f"MultiTaskLoss, task {name!r}", array, pred_shape, dtype)
        learned = {output for task in self.tasks.values() for output in task.outputs}
        if idle := sorted(set(range(pred_shape[-1])) - learned):
            what, got = "each output of the model in a task", f"none for output {idle[0]} of {pred_shape[-1]}"
            raise ArgumentError(
                "MultiTaskLoss", what, got, "Name it in outputs=, or leave it out of the model."
            )
        with np.errstate(over="ignore"):  # in a column that no task looks at
            return array.astype(dtype, copy=False)


def _check_columns(where: str, given: Any) -> tuple[int, ...]:
    """Check numbers of columns, one or several, that differ."""
    several = np.iterable(given) and not isinstance(given, str)
    columns = tuple(check_integer(where, one, low=0) for one in (given if several else (given,)))
    if not columns or len(set(columns)) < len(columns):
        raise ArgumentError(
            where, "numbers of columns that differ", f"{list(columns)}", "Name each column once."
        )
    return columns
