"""Cross-entropy: the loss for yes or no, and for one of several classes, both from logits."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from nnlite.core.aliases import AnyArray, Array, Value
from nnlite.core.losses import Loss, as_arrays, is_ids
from nnlite.core.quiet import quiet
from nnlite.core.sums import constant, row_max, row_sum
from nnlite.core.weights import average, clear, in_place_of_others, row_shares
from nnlite.errors.checks import check_share
from nnlite.errors.targets import (
    check_class_ids,
    check_class_targets,
    check_probabilities,
    check_same_shape,
    settle_target,
)

__all__ = ["SoftmaxCrossEntropy"]


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
        self.label_smoothing = check_share("SoftmaxCrossEntropy(label_smoothing)", label_smoothing)

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
        array = settle_target(self, target, pred_shape, dtype)
        ids = is_ids(array, pred_shape)
        check_class_targets(self, array, pred_shape, ids=ids)
        if ids:
            return array.astype(np.intp, copy=False)
        array = self._cast(array, dtype)
        check_probabilities(self, array)
        return array
