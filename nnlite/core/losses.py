"""Losses: how wrong the predictions are, and which way each of them should move."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from nnlite.core.aliases import AnyArray, Array, Value
from nnlite.core.config import Configured
from nnlite.core.quiet import quiet
from nnlite.core.sums import constant
from nnlite.core.weights import average, clear, in_place_of_others, row_shares
from nnlite.errors.arrays import unmasked
from nnlite.errors.checks import check_finite, is_finite
from nnlite.errors.habits import answering
from nnlite.errors.targets import check_same_shape, check_target, settle_target

__all__ = ["Loss", "MeanSquaredError", "PointwiseLoss", "as_arrays", "is_ids"]


@answering
class Loss(Configured):
    """Base class of all losses.

    A subclass writes `value_and_grad`. A loss is an average over the rows that it is given;
    with weights it is the weighted average, so a weight of 2 is the same as having the
    row twice, and a weight of 0 the same as not having it. What a batch adds to the average
    over all data is a matter of the training, see ``weight`` of `Sequential.fit`.

    Nothing is broadcast between predictions and targets, except that targets without a
    replica axis are shared by all replicas.

    Attributes
    ----------
    from_logits : bool
        True if the loss applies a sigmoid or softmax itself. A model that ends in one is
        then refused when training starts.
    takes_missing : bool
        True if a target may be missing: NaN, a masked entry, or what frames and series have for it.
        `prepare` then gives NaN for each, and any other loss refuses them.

    Examples
    --------
    A loss of one's own; a `PointwiseLoss` would have been less work.

    >>> class FourthPower(Loss):
    ...     def value_and_grad(self, pred, target, weight=None):
    ...         gap = pred - target
    ...         weight = np.ones(len(pred)) if weight is None else weight
    ...         shares = weight[:, None] / (weight.sum() * pred.shape[1])
    ...         return float(np.sum(shares * gap**4)), 4 * shares * gap**3
    >>> value, grad = FourthPower().value_and_grad(np.array([[2.0]]), np.array([[1.0]]))
    >>> value, grad
    (1.0, array([[4.]]))
    """

    from_logits: ClassVar[bool] = False
    takes_missing: ClassVar[bool] = False

    def value_and_grad(
        self, pred: Array, target: AnyArray, weight: Array | None = None
    ) -> tuple[Value, Array]:
        """Compute the loss and its gradient with respect to the predictions.

        Both are averages over the rows given: their sum over the rows divided by the number of
        rows; with weights, that of weight times loss divided by the sum of the weights. What a
        row pays is the mean over its outputs (`PointwiseLoss`, which says so too where some are
        `Masked`), the mean over its target columns (`GaussianNLL`), or one number
        (`SoftmaxCrossEntropy`). Where no row counts, both are 0.

        Parameters
        ----------
        pred : ndarray of shape (..., batch, outputs)
            What the model gave.
        target : ndarray
            What it should have given.
        weight : ndarray of shape (batch,) or (replicas, batch), optional
            How much each row counts.

        Returns
        -------
        value : float, or ndarray of shape (replicas,)
            The loss.
        grad : ndarray of the shape of `pred`
            d value / d pred, a new array.

        Raises
        ------
        NotImplementedError
            If the subclass has none.
        """
        raise NotImplementedError(f"{type(self).__name__}.value_and_grad is not written yet")

    def prepare(self, target: Any, pred_shape: tuple[int, ...], dtype: np.dtype[Any]) -> AnyArray:
        """Check whole targets once, before training, and cast them.

        They must have the shape of the predictions, or be class ids for several outputs. A
        loss that takes others overrides this.

        Parameters
        ----------
        target : array-like
            All targets, in a form that NumPy reads; `fit` has made an array of frames and tensors.
        pred_shape : tuple of int
            Shape of the predictions for them.
        dtype : dtype
            That of the model.

        Returns
        -------
        ndarray
            Integers of shape (rows,) as they are, anything else as `dtype`.

        Raises
        ------
        ShapeError, ArgumentError, ArgumentTypeError
            If the targets cannot be used with this loss.
        """
        array = settle_target(self, target, pred_shape, dtype)
        if pred_shape[-1] > 1 and is_ids(array, pred_shape):
            return array
        check_same_shape(self, array.shape, pred_shape)
        return self._cast(array, dtype)

    def _cast(self, target: AnyArray, dtype: np.dtype[Any]) -> Array:
        """Cast checked numbers, and refuse NaN and infinity."""
        with np.errstate(over="ignore"):  # what is too large for float32 becomes inf, and is refused
            array: Array = target.astype(dtype, copy=False)
        if not is_finite(array):
            check_finite(f"{self} target", array)
        return array


class PointwiseLoss(Loss):
    """A loss that is the average, over rows and outputs, of a function of one number.

    A subclass writes `pointwise`; shapes, weights and averages are done here.

    Examples
    --------
    >>> class LogCosh(PointwiseLoss):
    ...     def pointwise(self, pred, target):
    ...         gap = pred - target
    ...         return np.log(np.cosh(gap)), np.tanh(gap)
    >>> value, grad = LogCosh().value_and_grad(np.array([[0.0], [1.0]]), np.array([[0.0], [0.0]]))
    >>> round(value, 4)
    0.2169
    """

    def pointwise(self, pred: Array, target: Array) -> tuple[Array, Array]:
        """Compute the loss of each single output, and its derivative.

        Parameters
        ----------
        pred, target : ndarray of shape (..., batch, outputs)
            Of the same dtype.

        Returns
        -------
        values, slopes : ndarray of the shape of `pred`
            `slopes` is d values / d pred. Neither will be changed, so they may be one array.

        Raises
        ------
        NotImplementedError
            If the subclass has none.
        """
        raise NotImplementedError(f"{type(self).__name__}.pointwise is not written yet")

    @quiet("under")
    def value_and_grad(
        self, pred: Array, target: AnyArray, weight: Array | None = None
    ) -> tuple[Value, Array]:
        """Average `pointwise`: divide by outputs times rows, or times the sum of the weights."""
        if not type(pred) is type(target) is np.ndarray:  # `fit` gives plain arrays
            pred, target = as_arrays(self, pred, target)
        if target.shape != pred.shape or pred.ndim < 2:
            target = self._arrange(target, pred.shape)
        if target.dtype != pred.dtype:
            target = target.astype(pred.dtype)
        if weight is None:
            shares = 1 / pred.shape[-1] / pred.shape[-2]
            values, slopes = self.pointwise(pred, target)
            kind = slopes.dtype.char if slopes.dtype.kind == "f" else "d"  # integers become float64
            return average(values, shares), slopes * constant(shares, kind)
        shares = row_shares(self, weight, pred, 1 / pred.shape[-1])
        values, slopes = self.pointwise(*in_place_of_others(pred, target, shares))
        return average(values, shares), clear(slopes * shares, shares)

    def _arrange(self, target: AnyArray, pred_shape: tuple[int, ...]) -> AnyArray:
        """Bring the targets into the shape of the predictions, or refuse them."""
        check_same_shape(self, target.shape, pred_shape)
        return target

    def prepare(self, target: Any, pred_shape: tuple[int, ...], dtype: np.dtype[Any]) -> AnyArray:
        """Check the shape and the numbers, and cast."""
        array = check_target(self, target)
        if array.shape != pred_shape or len(pred_shape) < 2:
            array = self._arrange(array, pred_shape)
        return self._cast(array, dtype)


class MeanSquaredError(PointwiseLoss):
    """The average of ``(pred - target)**2``: a bigger mistake stings more than in proportion.

    The slope is ``2 * (pred - target)``, divided by the number of rows times outputs.

    Examples
    --------
    >>> MeanSquaredError().value_and_grad(np.array([[1.0], [4.0]]), np.array([[1.0], [2.0]]))
    (2.0, array([[0.],
           [2.]]))
    """

    def pointwise(self, pred: Array, target: Array) -> tuple[Array, Array]:
        """Compute the squared gap and twice the gap."""
        gap = pred - target
        return gap * gap, gap + gap


def as_arrays(loss: Loss, pred: Any, target: Any) -> tuple[AnyArray, AnyArray]:
    """Return predictions and targets as arrays, which a plain array, as `fit` gives it, is already."""
    if type(pred) is not np.ndarray:
        pred = np.asarray(unmasked(f"{loss} pred", pred))
    if type(target) is not np.ndarray:
        target = np.asarray(unmasked(f"{loss} target", target, missing=loss.takes_missing))
    return pred, target


def is_ids(target: AnyArray, pred_shape: tuple[int, ...]) -> bool:
    """Tell whether `target` holds one integer a row: class ids."""
    rows = pred_shape[:-1]
    return target.dtype.kind in "iub" and target.ndim >= 1 and target.shape == rows[-target.ndim :]
