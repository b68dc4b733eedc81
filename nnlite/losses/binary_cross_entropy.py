"""Cross-entropy for yes or no, once or for several labels at a time, from logits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from nnlite.core.aliases import AnyArray, Array
from nnlite.core.losses import PointwiseLoss, is_ids
from nnlite.errors import ShapeError
from nnlite.errors.arrays import check_array
from nnlite.errors.checks import check_number, check_share
from nnlite.errors.targets import check_each

__all__ = ["BinaryCrossEntropy"]


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
        self.label_smoothing = check_share(f"{type(self).__name__}(label_smoothing)", label_smoothing)
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
