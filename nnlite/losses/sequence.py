"""A loss over time: another one at each step of a sequence, and nothing for steps of padding."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from nnlite.core.aliases import AnyArray, Array, Value
from nnlite.core.losses import Loss, as_arrays
from nnlite.errors import ArgumentError, ArgumentTypeError, ShapeError
from nnlite.errors.arguments import is_ours
from nnlite.errors.arrays import check_array
from nnlite.errors.checks import check_instance, check_integer
from nnlite.errors.targets import check_weight
from nnlite.losses.class_ids import asks_for_ids, check_whole

__all__ = ["SequenceLoss"]


class SequenceLoss(Loss):
    """Another loss at each step of a sequence: for a label, or numbers, a step.

    The outputs of the net are those of all steps side by side, as ``Flatten((steps, outputs))`` behind the
    last layer over time gives them. Targets are class ids of shape (rows, steps), or numbers of shape
    (rows, steps, columns) or (rows, steps * columns). A step of padding, whose id is `padding` or whose
    numbers are NaN, adds nothing to loss and gradient.

    What a row pays is the mean over its steps that are no padding, 0 if there is none; the loss is the
    average over rows, as of every loss, so that short sequences count as long ones. With the number of its
    steps for the weight of a row, ``fit(weight=)``, all steps count the same: the sum over all steps,
    divided by their number. `SequenceMetric` measures anything else of the steps.

    Parameters
    ----------
    loss : Loss
        What is paid at a step.
    steps : int
        How many a row has, padding included.
    padding : int
        The class id of steps that are none; numbers say it by NaN. ``ignore_index`` is its name elsewhere.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If `loss` is no loss, or a number is no integer in its range.

    Examples
    --------
    Two sequences, of two steps and of one, and a net that knows nothing about two classes:

    >>> from nnlite import SoftmaxCrossEntropy
    >>> loss = SequenceLoss(SoftmaxCrossEntropy(), steps=2)
    >>> value, grad = loss.value_and_grad(np.zeros((2, 4)), np.array([[0, 1], [0, -1]]))
    >>> round(value, 4)
    0.6931
    >>> grad
    array([[-0.125,  0.125,  0.125, -0.125],
           [-0.25 ,  0.25 ,  0.   ,  0.   ]])
    """

    takes_missing: ClassVar[bool] = True

    def __init__(self, loss: Loss, steps: int, *, padding: int = -1) -> None:
        fix = "Write SequenceLoss(SoftmaxCrossEntropy(), steps=20), for instance."
        check_instance("SequenceLoss(loss)", loss, Loss, "a Loss instance", fix=fix)
        self.loss = loss
        self.steps = check_integer("SequenceLoss(steps)", steps, low=1)
        self.padding = check_integer("SequenceLoss(padding=)", padding, low=-(2**31))
        self._takes_ids = asks_for_ids(loss, 2)
        vars(self)["from_logits"] = loss.from_logits  # that of the loss it stands for

    def value_and_grad(
        self, pred: Array, target: AnyArray, weight: Array | None = None
    ) -> tuple[Value, Array]:
        """Average the loss over the steps of a row that are no padding, and then over the rows."""
        pred, target = as_arrays(self, pred, target)
        guess, truth, there = self._by_step(pred, target)
        if weight is not None:
            weight = check_weight(self, weight, pred.shape[:-1], pred.dtype)
        elif there.all():
            value, grad = self.loss.value_and_grad(guess, truth, None)
            return value, grad.reshape(pred.shape)
        given: Any = np.ones(pred.shape[-2], pred.dtype) if weight is None else weight
        there = there.reshape(*there.shape[:-1], -1, self.steps)
        count = there.sum(axis=-1)
        each = given / np.maximum(count, 1)  # what a step of a row weighs
        share = np.where(there, each[..., None], 0).astype(guess.dtype, copy=False)
        if not share.any():  # an average over nothing, which a loss of one's own need not know
            ahead = pred.shape[:-2]
            return np.zeros(ahead, pred.dtype) if ahead else 0.0, np.zeros_like(pred)
        value, grad = self.loss.value_and_grad(guess, truth, share.reshape(*share.shape[:-2], -1))
        # It is an average over rows with steps, and these are a part of all.
        some, total = (np.sum(one, axis=-1, dtype=np.float64) for one in (np.where(count, given, 0), given))
        part: Any = np.asarray(some / np.where(total > 0, total, 1))
        grad = grad.reshape(pred.shape) * part.astype(grad.dtype)[..., None, None]
        return value * (part if part.ndim else part.item()), grad

    def checked(self, pred: Any, target: Any) -> tuple[Array, AnyArray, AnyArray]:
        """Take steps for rows, of what a user gives, which may be anything.

        Parameters
        ----------
        pred : array_like of shape (..., batch, steps * outputs)
            What the net gave.
        target : array_like
            As for ``fit``.

        Returns
        -------
        pred : ndarray of shape (..., batch * steps, outputs)
        target : ndarray of shape (..., batch * steps, columns), or of int of shape (..., batch * steps)
            Class ids if the loss takes these. Where there is no step it is 0, or NaN or 1 for numbers.
        there : ndarray of bool of shape (..., batch * steps)
            Which steps are no padding.

        Raises
        ------
        ShapeError, ArgumentError, ArgumentTypeError
            If they are no arrays that fit, or class ids are no whole numbers.

        Examples
        --------
        >>> from nnlite import SoftmaxCrossEntropy
        >>> loss = SequenceLoss(SoftmaxCrossEntropy(), steps=2)
        >>> loss.checked([[1.0, 2.0, 3.0, 4.0]], [[1, -1]])
        (array([[1., 2.],
               [3., 4.]]), array([1, 0]), array([ True, False]))
        """
        target = check_array(f"{self} target", target, missing=True)
        return self._by_step(check_array(f"{self} pred", pred), target)

    def prepare(self, target: Any, pred_shape: tuple[int, ...], dtype: np.dtype[Any]) -> AnyArray:
        """Check the targets of the steps that are there as the loss does, and cast them.

        Parameters
        ----------
        target : array-like of shape (rows, steps), (rows, steps, columns) or (rows, steps * columns)
            The targets, or such for each replica.
        pred_shape : tuple of int
            Shape of the predictions for them.
        dtype : dtype
            That of the model.

        Returns
        -------
        ndarray of shape (..., rows, steps * columns)
            Numbers, also of class ids; NaN where there is no step.

        Raises
        ------
        ShapeError, ArgumentError, ArgumentTypeError
            If the steps do not fit those of the net, the loss does not take their targets, or some numbers of
            a step are missing and others are not.
        """
        array = check_array(f"{self} target", target, missing=True)
        flat, outputs = self._in_rows(array, pred_shape), pred_shape[-1] // self.steps
        truth, there = self._targets(flat, outputs)
        each = flat.reshape(*there.shape, -1)
        some = ~there & ~np.isnan(each).all(axis=-1)
        if some.any() and not (self.loss.takes_missing or self._are_ids(flat, outputs)):
            row, step = divmod(int(some.reshape(-1, some.shape[-1]).any(axis=0).argmax()), self.steps)
            what, got = "all numbers of a step, or none", f"some of them in row {row}, step {step}"
            raise ArgumentError(f"{self} target", what, got, "Write Masked around the loss of a step.")
        if (known := truth[there]).size:  # of a batch all steps may be padding
            self._check_steps(known, outputs, array.shape, dtype)
        cast = each.astype(dtype)
        if self._are_ids(flat, outputs):
            cast[~there] = np.nan
        return cast.reshape(flat.shape)

    def _check_steps(self, known: AnyArray, outputs: int, shape: tuple[int, ...], dtype: Any) -> None:
        """Let the loss say what is wrong with targets of steps that are there."""
        try:
            self.loss.prepare(known, (len(known), outputs), dtype)
        except (ArgumentError, ArgumentTypeError) as error:
            if not is_ours(type(error)):
                raise
            where, fix = f"{self} target", error.fix.replace("the last layer", "each step")
            if isinstance(error, ShapeError):
                what = f"targets for {outputs} output{'s' * (outputs > 1)} at each of {self.steps} steps"
                fix = f"Give {self.loss} at a step what it takes of a row."
                raise ShapeError(where, what, f"shape {shape}", fix) from None
            raise type(error)(where, error.expected, error.got, fix) from None

    def _in_rows(self, target: AnyArray, pred_shape: tuple[int, ...]) -> AnyArray:
        """Lay the targets of all steps of a row side by side, or refuse them."""
        steps, rows = self.steps, pred_shape[-2]
        if pred_shape[-1] % steps:
            fix = f"End the model with Flatten(({steps}, outputs)), or give the steps that it has."
            what = f"a model with the outputs of {steps} steps side by side"
            raise ShapeError(f"{self}", what, f"{pred_shape[-1]} outputs", fix)
        for ahead in (pred_shape[:-1], (rows,)):  # of each replica its own, or the same for all
            of_row = target.shape[len(ahead) :]
            side_by_side = len(of_row) == 1 and of_row[0] and not of_row[0] % steps
            if target.shape[: len(ahead)] == ahead and (
                side_by_side or (len(of_row) == 2 and of_row[0] == steps)
            ):
                return target.reshape(*ahead, math.prod(of_row))
        what = f"shape ({rows}, {steps}) or ({rows}, {steps}, columns)"
        fix = "Give a target for each step; pad_sequences(..., value=-1) fills up class ids."
        raise ShapeError(f"{self} target", what, f"{target.shape}", fix)

    def _are_ids(self, flat: AnyArray, outputs: int) -> bool:
        return self._takes_ids and flat.shape[-1] == self.steps and outputs > 1

    def _targets(self, flat: AnyArray, outputs: int) -> tuple[AnyArray, AnyArray]:
        """Return the targets of all steps as the loss takes them, and which of them are there."""
        count = flat.shape[-2] * self.steps
        if self._are_ids(flat, outputs):
            ids = flat.reshape(*flat.shape[:-2], count)
            there = ~np.isnan(ids) & (ids != self.padding)
            ids = np.where(there, ids, 0)
            check_whole(self, ids)
            return ids.astype(np.intp), there
        each = flat.reshape(*flat.shape[:-2], count, flat.shape[-1] // self.steps)
        missing = np.isnan(each)
        if self.loss.takes_missing:
            return each, np.asarray(~missing.all(axis=-1))
        there = np.asarray(~missing.any(axis=-1))
        return np.where(there[..., None], each, 1), there  # which counts for nothing, and every loss takes it

    def _by_step(self, pred: Array, target: AnyArray) -> tuple[Array, AnyArray, AnyArray]:
        if pred.ndim < 2:
            fix = "Give one row for each sequence."
            raise ShapeError(f"{self} pred", "shape (rows, steps * outputs)", f"{pred.shape}", fix)
        flat, outputs = self._in_rows(target, pred.shape), pred.shape[-1] // self.steps
        guess = pred.reshape(*pred.shape[:-2], pred.shape[-2] * self.steps, outputs)
        return guess, *self._targets(flat, outputs)
