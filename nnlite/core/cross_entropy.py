"""Cross-entropy: the loss for yes or no, and for one of several classes, both from logits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from nnlite.core.losses import Loss, PointwiseLoss, as_arrays, is_ids
from nnlite.core.quiet import quiet
from nnlite.core.sums import constant, row_max, row_sum
from nnlite.core.types import AnyArray, Array, Value
from nnlite.core.weights import average, clear, in_place_of_others, row_shares, settle_rows
from nnlite.errors import ShapeError
from nnlite.errors.arrays import check_array
from nnlite.errors.checks import check_number
from nnlite.errors.targets import (
    check_class_ids,
    check_each,
    check_no_ids,
    check_probabilities,
    check_same_shape,
)

__all__ = ["BinaryCrossEntropy", "SoftmaxCrossEntropy"]


class BinaryCrossEntropy(PointwiseLoss):
    """For yes or no, once or for several labels at a time, from logits.

    With ``p = sigmoid(pred)``: ``-(w * target * log(p) + (1 - target) * log(1 - p))``, where w is
    `pos_weight`. The slope is ``p - target`` if that is 1. Both are computed as sums of what is
    wrong, without a difference of large numbers, so that they lose nothing at any logit.

    Targets are 0 and 1, or anything between, in the shape of the predictions; or, for a
    model with one output, integers 0 and 1 of shape (batch,).

    Parameters
    ----------
    label_smoothing : float
        In [0, 1): targets become ``target * (1 - s) + s / 2``.
    pos_weight : float or sequence of float, optional
        How much a yes counts beside a no, at least 0; with several outputs one number for all, or one
        for each, such as no's over yes's. It multiplies the loss of the yes, as in PyTorch's
        BCEWithLogitsLoss; what the average divides by stays the same.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If `label_smoothing` is no number in [0, 1), or `pos_weight` is not finite or negative.
    ShapeError
        When it is called, if `pos_weight` has not one number for each output.

    Examples
    --------
    >>> BinaryCrossEntropy(pos_weight=3.0).value_and_grad(np.array([[0.0], [0.0]]), np.array([1, 0]))[1]
    array([[-0.75],
           [ 0.25]])
    >>> value, grad = BinaryCrossEntropy().value_and_grad(np.array([[0.0], [1e4]]), np.array([1, 1]))
    >>> round(value, 6)
    0.346574
    >>> grad
    array([[-0.25],
           [ 0.  ]])
    """

    from_logits: ClassVar[bool] = True

    def __init__(
        self, *, label_smoothing: float = 0.0, pos_weight: float | Sequence[float] | None = None
    ) -> None:
        self.label_smoothing = _check_smoothing(self, label_smoothing)
        self.pos_weight = None if pos_weight is None else _check_pos_weight(pos_weight)

    def pointwise(self, pred: Array, target: Array) -> tuple[Array, Array]:
        """Compute the loss and its slope, ``sigmoid(pred) - target`` without `pos_weight`."""
        # The loss is log(1 + exp(-|pred|)) + pred * gap, where gap is what the logit is wrong about, with
        # its sign: 1 - target for a yes and -target for a no.
        yes = ~np.signbit(pred)  # what the logit says
        tail = np.exp(-np.abs(pred))  # never above 1
        smooth = self.label_smoothing
        gap = yes - target
        if smooth:
            gap *= 1 - smooth
            gap += np.copysign(pred.dtype.type(0.5 * smooth), pred)
        values = np.log1p(tail)
        tail /= 1 + tail  # the chance of the other answer
        if self.pos_weight is not None:
            return self._weighted(pred, yes, gap, tail, values)
        values += pred * gap
        return values, gap - np.copysign(tail, pred)  # sigmoid(pred) - target

    def _weighted(
        self, pred: Array, yes: AnyArray, gap: Array, other: Array, sure: Array
    ) -> tuple[Array, Array]:
        """Let what is paid for a yes in the target count more."""
        factor = self._factors(pred)
        wrong = np.abs(gap)
        right = (1 - wrong) * np.where(yes, factor, 1)
        wrong *= np.where(yes, 1, factor)
        slopes = wrong * (1 - other) - right * other
        return sure * (wrong + right) + np.abs(pred) * wrong, np.where(yes, slopes, -slopes)

    def _factors(self, pred: Array) -> Array:
        factor = np.asarray(self.pos_weight, pred.dtype)
        if factor.ndim and factor.shape != pred.shape[-1:]:
            what = f"one pos_weight, or one for each of {pred.shape[-1]} outputs"
            fix = "Give as many numbers as the last layer has outputs."
            raise ShapeError(f"{self}", what, f"{len(factor)}", fix)
        return factor

    def _arrange(self, target: AnyArray, pred_shape: tuple[int, ...]) -> AnyArray:
        if pred_shape[-1] == 1 and is_ids(target, pred_shape):
            return target[..., None]
        return super()._arrange(target, pred_shape)

    def prepare(self, target: Any, pred_shape: tuple[int, ...], dtype: np.dtype[Any]) -> AnyArray:
        """Check also that every target is in [0, 1]."""
        array = super().prepare(target, pred_shape, dtype)
        fix = "Use 0 and 1; for several classes use SoftmaxCrossEntropy."
        check_each(self, array, (array >= 0) & (array <= 1), "targets in [0, 1]", fix)
        return array


class SoftmaxCrossEntropy(Loss):
    """For one of several classes, from logits.

    With ``p = softmax(pred)``: minus the logarithm of the probability that the model gives
    to the true class. The gradient of a row is ``p - target``. Both are computed from the sum of the
    other classes, so that they lose nothing where p is nearly 1.

    Targets are integers of shape (batch,), the class ids; or rows of shape
    (batch, classes) that sum to 1, one-hot or soft.

    Parameters
    ----------
    label_smoothing : float
        In [0, 1): targets become ``target * (1 - s) + s / classes``.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If `label_smoothing` is no number in [0, 1).

    References
    ----------
    C. Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", CVPR
    2016, section 7 (label smoothing).

    Examples
    --------
    A net that knows nothing about three classes scores log(3):

    >>> value, grad = SoftmaxCrossEntropy().value_and_grad(np.zeros((1, 3)), np.array([2]))
    >>> round(value, 4)
    1.0986
    >>> grad.round(4)
    array([[ 0.3333,  0.3333, -0.6667]])
    """

    from_logits: ClassVar[bool] = True

    def __init__(self, *, label_smoothing: float = 0.0) -> None:
        self.label_smoothing = _check_smoothing(self, label_smoothing)

    @quiet("under")
    def value_and_grad(
        self, pred: Array, target: AnyArray, weight: Array | None = None
    ) -> tuple[Value, Array]:
        """Average the cross-entropy: divide by the rows, or by the sum of the weights."""
        pred, target = as_arrays(self, pred, target)
        shares = row_shares(self, weight, pred)
        ids = is_ids(target, pred.shape)
        if ids:
            check_class_ids(self, target, pred.shape[-1])
        else:
            check_same_shape(self, target.shape, pred.shape)
        if weight is not None:
            pred, target = in_place_of_others(pred, target, shares, ids=ids)
        pred = np.ascontiguousarray(pred)  # so that places in the flat array are rows and classes
        highest = row_max(pred)
        logits = pred - highest  # none above 0: exp cannot overflow
        starts = np.arange(0, pred.size, pred.shape[-1]).reshape(highest.shape)  # where each row begins
        rows, grad = (self._of_ids if ids else self._of_rows)(logits, starts, target, shares)
        return average(rows, shares), grad if weight is None else clear(grad, shares)

    # A row loses log(total) - logits[true], where total is the sum of exp(logits); the slope is
    # p - target, where p is exp(logits) / total.
    # Both set one class of each row aside, and add up the others without it: where that class is nearly
    # certain, log(total) and p - 1 would be differences of numbers near 1, in which few digits are left.

    def _of_ids(
        self, logits: Array, starts: AnyArray, ids: AnyArray, shares: float | Array
    ) -> tuple[Array, Array]:
        true = starts + ids.astype(np.intp, copy=False)[..., None]  # ids may be shared by all replicas
        at_true = logits.take(true)
        grad = np.exp(logits)
        grad.put(true, 0)
        others = row_sum(grad)
        rows = np.expm1(at_true)
        rows += others  # total - 1
        total = rows + constant(1.0, rows.dtype.char)
        np.log1p(rows, out=rows)
        smooth = self.label_smoothing
        if smooth:
            each = smooth / logits.shape[-1]
            rows -= (1 - smooth) * at_true + each * row_sum(logits)
            grad.put(true, smooth * total - others)
            grad *= shares / total  # the probabilities, times the share of the row
            grad -= each * shares
        else:
            rows -= at_true
            grad.put(true, np.negative(others, out=others))  # (p - 1) * total
            # NumPy takes a number of Python's for a division at twice the time.
            part = constant(shares, rows.dtype.char) if isinstance(shares, float) else shares
            grad *= part / total
        return rows, grad

    def _of_rows(
        self, logits: Array, starts: AnyArray, target: AnyArray, shares: float | Array
    ) -> tuple[Array, Array]:
        given, target = target, np.empty_like(logits)
        target[...] = given  # of another dtype, or one for all replicas
        if self.label_smoothing:
            target *= 1 - self.label_smoothing
            target += self.label_smoothing / logits.shape[-1]
        likely = starts + logits.argmax(axis=-1)[..., None]
        grad = np.exp(logits)
        grad.put(likely, 0)
        others = row_sum(grad)
        total = others + np.exp(logits.take(likely))  # 1, or NaN where the largest logit is infinite
        sums = row_sum(target)
        rows = sums * np.log1p(others) - row_sum(target * logits)
        at_target = target.take(likely)
        grad *= sums / total
        grad -= target
        target.put(likely, 0)
        grad.put(likely, (row_sum(target) - at_target * others) / total)
        grad *= shares
        return rows, grad

    def prepare(self, target: Any, pred_shape: tuple[int, ...], dtype: np.dtype[Any]) -> AnyArray:
        """Check class ids or rows of probabilities."""
        array = settle_rows(check_array(f"{self} target", target), pred_shape, dtype)
        if pred_shape[-1] < 2:
            what = "one output for each of two or more classes"
            fix = "Give the last layer more outputs, or use BinaryCrossEntropy."
            raise ShapeError(f"{self}", what, f"{pred_shape[-1]} output", fix)
        if is_ids(array, pred_shape):
            check_class_ids(self, array, pred_shape[-1])
            return array.astype(np.intp, copy=False)
        check_no_ids(self, array, pred_shape)
        check_same_shape(self, array.shape, pred_shape)
        array = self._cast(array, dtype)
        check_probabilities(self, array)
        return array


def _check_pos_weight(value: Any) -> float | tuple[float, ...]:
    """Check one number, or one for each output; what is stored is written into files as it is."""
    where = "BinaryCrossEntropy(pos_weight=)"
    if np.ndim(value) == 0:
        return check_number(where, value, low=0)
    numbers = check_array(where, value)
    if numbers.ndim != 1:
        fix = "Give one number for each output."
        raise ShapeError(where, "a number, or a list of numbers", f"shape {numbers.shape}", fix)
    return tuple(check_number(f"{where}[{place}]", one, low=0) for place, one in enumerate(numbers.tolist()))


def _check_smoothing(loss: Loss, value: float) -> float:
    where = f"{type(loss).__name__}(label_smoothing)"
    return check_number(where, value, low=0, high=1, high_open=True)
