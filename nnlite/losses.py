"""Losses: how wrong the predictions are, and which way each of them should move.

To write your own, subclass `Loss` and write ``value_and_grad``, or subclass
`PointwiseLoss` and write the value and slope for a single number.
`nnlite.testing.check_loss` proves that the two agree.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from nnlite.checks import check_rows, settle_rows
from nnlite.core.config import Configured
from nnlite.core.quiet import quiet
from nnlite.core.sums import row_max, row_sum
from nnlite.core.types import AnyArray, Array
from nnlite.errors import ArgumentError, ArgumentTypeError, ShapeError
from nnlite.errors.arrays import unmasked
from nnlite.errors.checks import check_finite, check_number
from nnlite.errors.habits import answering, missing_names
from nnlite.weighting import stand_ins, take_rows

__all__ = [
    "BinaryCrossEntropy",
    "GaussianNLL",
    "Hinge",
    "Huber",
    "Loss",
    "Masked",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "PointwiseLoss",
    "PoissonNLL",
    "Quantile",
    "SoftmaxCrossEntropy",
]

#: One number, or one number a replica.
Value = float | Array


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
            All targets.
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
        array = settle_rows(check_rows(f"{self} target", target), pred_shape, dtype)
        if pred_shape[-1] > 1 and _is_ids(array, pred_shape):
            return array
        _check_same_shape(self, array.shape, pred_shape)
        return self._cast(array, dtype)

    def _cast(self, target: AnyArray, dtype: np.dtype[Any]) -> Array:
        """Cast checked numbers, and refuse NaN and infinity."""
        with np.errstate(over="ignore"):  # what is too large for float32 becomes inf, and is refused
            array: Array = target.astype(dtype, copy=False)
        check_finite(f"{self} target", array)
        return array


def _given(loss: Loss, pred: Any, target: Any) -> tuple[AnyArray, AnyArray]:
    """Return predictions and targets as arrays, which a plain array, as `fit` gives it, is already."""
    if type(pred) is not np.ndarray:
        pred = np.asarray(unmasked(f"{loss} pred", pred))
    if type(target) is not np.ndarray:
        target = np.asarray(unmasked(f"{loss} target", target, missing=loss.takes_missing))
    return pred, target


def _is_ids(target: AnyArray, pred_shape: tuple[int, ...]) -> bool:
    """Tell whether `target` holds one integer a row: class ids."""
    rows = pred_shape[:-1]
    return target.dtype.kind in "iub" and target.ndim >= 1 and target.shape == rows[-target.ndim :]


def _check_same_shape(loss: Loss, target_shape: tuple[int, ...], pred_shape: tuple[int, ...]) -> None:
    """Refuse targets that would broadcast against the predictions in the last two axes."""
    if len(target_shape) >= 2 and target_shape == pred_shape[-len(target_shape) :]:
        return
    if target_shape == pred_shape[-2:-1] and pred_shape[-1] == 1:
        fix = "Write target[:, None]."
    elif target_shape == pred_shape[-2:][::-1]:
        fix = "Write target.T, which has one row for each row of X."
    elif target_shape[1:] == pred_shape:
        fix = "Give the targets without the first axis: all replicas learn the same."
    elif target_shape == pred_shape[-2:-1]:
        fix = "For class ids use SoftmaxCrossEntropy; for one output write target[:, None]."
    elif target_shape[:-1] == pred_shape[-2:-1]:
        fix = "Give the last layer as many outputs as the targets have columns."
    else:
        fix = "Give one target for each row and output."
    raise ShapeError(f"{loss} target", f"shape {pred_shape}", f"{target_shape}", fix)


def _row_weights(loss: Loss, weight: Array | None, pred: Array, part: float = 1.0) -> float | Array:
    """Return the share of each row in the average, of shape (..., batch, 1), times `part`.

    Without weights it is one number for all rows.
    """
    rows = pred.shape[:-1]
    if weight is None:
        share: float = part / rows[-1]
        return share
    if type(weight) is not np.ndarray:
        weight = unmasked(f"{loss} weight", weight)
    weight = np.asarray(weight, pred.dtype)
    if weight.ndim < 1 or weight.shape != rows[-weight.ndim :]:
        raise ShapeError(f"{loss}", f"weight of shape {rows}", f"{weight.shape}", "Give one weight a row.")
    total = weight.sum(axis=-1, keepdims=True)
    # A batch in which no row counts has loss 0 and gradient 0, not 0 / 0.
    scaled = weight / np.where(total > 0, total, 1) * part
    shares: Array = scaled[..., None]
    return shares


def _in_place_of_others(
    pred: Array, target: AnyArray, shares: float | Array, *, ids: bool = False
) -> tuple[Array, AnyArray]:
    """Put a row that counts in the place of each of weight 0, whose loss may overflow or be no number."""
    rows = None if isinstance(shares, float) else stand_ins(shares[..., 0])
    if rows is None:
        return pred, target
    return take_rows(pred, rows, pred.ndim - 2), take_rows(target, rows, target.ndim - (1 if ids else 2))


def _clear(array: Array, shares: float | Array) -> Array:
    """Make 0 of what rows of weight 0 have come to; where none counts, nothing could stand in."""
    if not isinstance(shares, float) and not shares.all():
        np.copyto(array, 0, where=shares == 0)
    return array


def _average(values: Array, shares: float | Array) -> Value:
    """Add up what each row, or each output of it, adds to the loss: one number, or one a replica."""
    # Where all shares are equal, one sum and then one product. np.add.reduce is np.sum less 1 us of wrapping.
    total: Any
    if isinstance(shares, float):
        total = np.add.reduce(values, axis=(-2, -1)) * shares
    else:
        total = np.add.reduce(_clear(values * shares, shares), axis=(-2, -1))
    return float(total) if values.ndim == 2 else total


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
        pred, target = _given(self, pred, target)
        if target.shape != pred.shape or pred.ndim < 2:
            target = self._arrange(target, pred.shape)
        if target.dtype != pred.dtype:
            target = target.astype(pred.dtype)
        shares = _row_weights(self, weight, pred, 1 / pred.shape[-1])
        if weight is None:
            values, slopes = self.pointwise(pred, target)
            return _average(values, shares), slopes * shares
        values, slopes = self.pointwise(*_in_place_of_others(pred, target, shares))
        return _average(values, shares), _clear(slopes * shares, shares)

    def _arrange(self, target: AnyArray, pred_shape: tuple[int, ...]) -> AnyArray:
        """Bring the targets into the shape of the predictions, or refuse them."""
        _check_same_shape(self, target.shape, pred_shape)
        return target

    def prepare(self, target: Any, pred_shape: tuple[int, ...], dtype: np.dtype[Any]) -> AnyArray:
        """Check the shape and the numbers, and cast."""
        array = settle_rows(check_rows(f"{self} target", target), pred_shape, dtype)
        return self._cast(self._arrange(array, pred_shape), dtype)


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


class MeanAbsoluteError(PointwiseLoss):
    """The average of ``|pred - target|``: outliers pull no harder than other rows.

    The slope is the sign of the gap, and 0 where there is no gap.

    Examples
    --------
    >>> MeanAbsoluteError().value_and_grad(np.array([[1.0], [4.0]]), np.array([[1.0], [2.0]]))
    (1.0, array([[0. ],
           [0.5]]))
    """

    def pointwise(self, pred: Array, target: Array) -> tuple[Array, Array]:
        """Compute the size of the gap and its sign."""
        gap = pred - target
        return np.abs(gap), np.sign(gap)


class Huber(PointwiseLoss):
    """Half the squared gap for small gaps, linear beyond `delta`.

    ``0.5 * gap**2 if |gap| <= delta else delta * (|gap| - 0.5 * delta)``; the slope is the
    gap, clipped to ``[-delta, delta]``.

    Parameters
    ----------
    delta : float
        Where the parabola goes over into straight lines, in units of the target.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If `delta` is no positive number.

    References
    ----------
    P. J. Huber, "Robust Estimation of a Location Parameter", Annals of Mathematical
    Statistics 35, 1964.

    Examples
    --------
    >>> Huber(1.0).value_and_grad(np.array([[0.5], [3.0]]), np.array([[0.0], [0.0]]))
    (1.3125, array([[0.25],
           [0.5 ]]))
    """

    def __init__(self, delta: float = 1.0) -> None:
        self.delta = check_number("Huber(delta)", delta, low=0, low_open=True)

    def pointwise(self, pred: Array, target: Array) -> tuple[Array, Array]:
        """Compute the loss and the clipped gap."""
        gap = pred - target
        clipped = np.clip(gap, -self.delta, self.delta)
        return clipped * (gap - 0.5 * clipped), clipped


class Quantile(PointwiseLoss):
    """The pinball loss: its best prediction is the q-th quantile, not the mean.

    ``q * (target - pred)`` where the prediction is too low, ``(1 - q) * (pred - target)``
    where it is too high.

    Parameters
    ----------
    q : float
        The quantile, in (0, 1): 0.9 is the value that nine of ten targets stay below.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If `q` is no number in (0, 1).

    References
    ----------
    R. Koenker and G. Bassett, "Regression Quantiles", Econometrica 46, 1978.

    Examples
    --------
    >>> Quantile(0.9).value_and_grad(np.array([[0.0], [2.0]]), np.array([[1.0], [1.0]]))
    (0.5, array([[-0.45],
           [ 0.05]]))
    """

    def __init__(self, q: float = 0.5) -> None:
        self.q = check_number("Quantile(q)", q, low=0, high=1, low_open=True, high_open=True)

    def pointwise(self, pred: Array, target: Array) -> tuple[Array, Array]:
        """Compute the tilted absolute gap and its slope."""
        gap = pred - target
        slopes = np.where(gap > 0, pred.dtype.type(1 - self.q), pred.dtype.type(-self.q))
        slopes *= gap != 0
        return slopes * gap, slopes


class PoissonNLL(PointwiseLoss):
    """For counts: the model predicts the logarithm of the expected count.

    ``exp(pred) - target * pred``, the negative log-likelihood of a Poisson distribution
    without the term ``log(target!)``, which does not depend on the model. The slope is
    ``exp(pred) - target``.

    Examples
    --------
    >>> value, grad = PoissonNLL().value_and_grad(np.array([[0.0]]), np.array([[3.0]]))
    >>> value, grad
    (1.0, array([[-2.]]))
    """

    def pointwise(self, pred: Array, target: Array) -> tuple[Array, Array]:
        """Compute the loss and its slope."""
        rate = np.exp(pred)
        return rate - target * pred, rate - target

    def prepare(self, target: Any, pred_shape: tuple[int, ...], dtype: np.dtype[Any]) -> AnyArray:
        """Check also that no count is negative."""
        array = super().prepare(target, pred_shape, dtype)
        if (array < 0).any():
            raise ArgumentError(
                f"{self} target",
                "counts of at least 0",
                f"{array.min():g}",
                "Use MeanSquaredError for numbers that can be negative.",
            )
        return array


class Hinge(PointwiseLoss):
    """For two classes called -1 and +1: nothing to pay beyond a margin of 1.

    ``max(0, 1 - target * pred)``; the slope is ``-target`` inside the margin, else 0.

    References
    ----------
    C. Cortes and V. Vapnik, "Support-Vector Networks", Machine Learning 20, 1995.

    Examples
    --------
    >>> Hinge().value_and_grad(np.array([[2.0], [0.5]]), np.array([[1.0], [1.0]]))
    (0.25, array([[-0. ],
           [-0.5]]))
    """

    from_logits: ClassVar[bool] = True

    def pointwise(self, pred: Array, target: Array) -> tuple[Array, Array]:
        """Compute what is missing to the margin, and the slope."""
        missing = 1 - target * pred
        return np.maximum(missing, 0), -target * (missing > 0)

    def prepare(self, target: Any, pred_shape: tuple[int, ...], dtype: np.dtype[Any]) -> AnyArray:
        """Check also that every target is -1 or +1."""
        array = super().prepare(target, pred_shape, dtype)
        wrong = np.abs(array) != 1
        if wrong.any():
            raise ArgumentError(
                f"{self} target",
                "targets -1 and +1",
                f"{array[wrong][0]:g}",
                "Write 2 * target - 1 for targets 0 and 1.",
            )
        return array


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
        yes = ~np.signbit(pred)  # what the logit says
        tail = np.exp(-np.abs(pred))  # never above 1
        smooth = self.label_smoothing
        # What the logit is wrong about, with its sign: 1 - target for a yes and -target for a no.
        gap = yes - target
        if smooth:
            gap *= 1 - smooth
            gap += np.copysign(pred.dtype.type(0.5 * smooth), pred)
        values = np.log1p(tail)
        tail /= 1 + tail  # the chance of the other answer
        if self.pos_weight is not None:
            return self._weighted(pred, yes, gap, tail, values)
        values += pred * gap
        return values, gap - np.copysign(tail, pred)

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
            raise ShapeError(
                f"{self}",
                f"one pos_weight, or one for each of {pred.shape[-1]} outputs",
                f"{len(factor)}",
                "Give as many numbers as the last layer has outputs.",
            )
        return factor

    def _arrange(self, target: AnyArray, pred_shape: tuple[int, ...]) -> AnyArray:
        if pred_shape[-1] == 1 and _is_ids(target, pred_shape):
            return target[..., None]
        return super()._arrange(target, pred_shape)

    def prepare(self, target: Any, pred_shape: tuple[int, ...], dtype: np.dtype[Any]) -> AnyArray:
        """Check also that every target is in [0, 1]."""
        array = super().prepare(target, pred_shape, dtype)
        wrong = (array < 0) | (array > 1)
        if wrong.any():
            raise ArgumentError(
                f"{self} target",
                "targets in [0, 1]",
                f"{array[wrong][0]:g}",
                "Use 0 and 1; for several classes use SoftmaxCrossEntropy.",
            )
        return array


class Masked(PointwiseLoss):
    """Another loss, for targets of which some are missing: a NaN adds nothing to loss and gradient.

    A masked entry, and what frames and series of pandas and polars have for a missing one, is NaN too.
    A row of three targets of which one is missing so counts as if that one were predicted without
    error. What the average divides by stays the same: rows times outputs, or the sum of the weights
    times outputs. A batch may have no target at all; what ``evaluate`` measures, and ``validation=``,
    may not.

    Parameters
    ----------
    loss : PointwiseLoss
        What is paid for the targets that are there.

    Raises
    ------
    ArgumentTypeError
        If `loss` is no loss of single numbers.

    Examples
    --------
    >>> target = np.array([[1.0, np.nan], [1.0, 1.0]])
    >>> Masked(MeanSquaredError()).value_and_grad(np.array([[3.0, 9.0], [1.0, 1.0]]), target)
    (1.0, array([[1., 0.],
           [0., 0.]]))
    """

    takes_missing: ClassVar[bool] = True

    def __init__(self, loss: PointwiseLoss) -> None:
        if not isinstance(loss, PointwiseLoss):
            raise ArgumentTypeError(
                "Masked(loss)",
                "an instance of a PointwiseLoss",
                f"the class {loss.__name__}" if isinstance(loss, type) else f"{loss!r}",
                "Write Masked(MeanSquaredError()), for instance.",
            )
        self.loss = loss
        vars(self)["from_logits"] = loss.from_logits  # that of the loss it stands for

    def pointwise(self, pred: Array, target: Array) -> tuple[Array, Array]:
        """Compute the loss and its slope, both 0 where the target is missing."""
        missing = np.isnan(target)
        values, slopes = self.loss.pointwise(pred, self._fill(target, missing))
        return np.where(missing, 0, values), np.where(missing, 0, slopes)

    def _fill(self, target: AnyArray, missing: AnyArray) -> AnyArray:
        """Put a target that every loss takes in the place of those that are missing."""
        return np.where(missing, target.dtype.type(1), target)

    def _arrange(self, target: AnyArray, pred_shape: tuple[int, ...]) -> AnyArray:
        return self.loss._arrange(target, pred_shape)

    def prepare(self, target: Any, pred_shape: tuple[int, ...], dtype: np.dtype[Any]) -> AnyArray:
        """Check the targets that are there as the loss does."""
        array = check_rows(f"{self} target", target, missing=True)
        if array.dtype.kind != "f":
            return self.loss.prepare(array, pred_shape, dtype)
        array = settle_rows(array, pred_shape, dtype)
        missing = np.isnan(array)
        prepared = self.loss.prepare(self._fill(array, missing), pred_shape, dtype)
        if not missing.any():
            return prepared
        return np.where(missing.reshape(prepared.shape), prepared.dtype.type(np.nan), prepared)


class SoftmaxCrossEntropy(Loss):
    """For one of several classes, from logits.

    With ``p = softmax(pred)``: minus the logarithm of the probability that the model gives
    to the true class. The gradient of a row is ``p - target``. Of a row that is nearly certain both
    are computed from the sum of the other classes, so that they lose nothing where p is 1.

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
        pred, target = _given(self, pred, target)
        shares = _row_weights(self, weight, pred)
        ids = _is_ids(target, pred.shape)
        if ids:
            self._check_ids(target, pred.shape[-1])
        else:
            _check_same_shape(self, target.shape, pred.shape)
        if weight is not None:
            pred, target = _in_place_of_others(pred, target, shares, ids=ids)
        pred = np.ascontiguousarray(pred)  # so that places in the flat array are rows and classes
        highest = row_max(pred)
        logits = pred - highest  # none above 0: exp cannot overflow
        starts = np.arange(0, pred.size, pred.shape[-1]).reshape(highest.shape)  # where each row begins
        rows, grad = (self._of_ids if ids else self._of_rows)(logits, starts, target, shares)
        return _average(rows, shares), grad if weight is None else _clear(grad, shares)

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
        total = rows + 1
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
            grad *= shares / total
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
        total = others + 1
        sums = row_sum(target)
        rows = sums * np.log1p(others) - row_sum(target * logits)
        at_target = target.take(likely)
        grad *= sums / total
        grad -= target
        target.put(likely, 0)
        grad.put(likely, (row_sum(target) - at_target * others) / total)
        grad *= shares
        return rows, grad

    def _check_ids(self, ids: AnyArray, classes: int) -> None:
        # As unsigned numbers negative ids are the largest of all, and one look finds both kinds of error.
        if ids.dtype.kind == "b" or np.maximum.reduce(ids.astype(np.uintp), axis=None, initial=0) < classes:
            return
        low, high = int(ids.min(initial=0)), int(ids.max(initial=0))
        if low < 0 or high >= classes:
            raise ArgumentError(
                f"{self} target",
                f"class ids from 0 to {classes - 1}",
                f"{low if low < 0 else high}",
                f"Number the classes from 0, or give the last layer {high + 1} outputs."
                if low >= 0
                else "Number the classes from 0.",
            )

    def prepare(self, target: Any, pred_shape: tuple[int, ...], dtype: np.dtype[Any]) -> AnyArray:
        """Check class ids or rows of probabilities."""
        where = f"{self} target"
        array = settle_rows(check_rows(where, target), pred_shape, dtype)
        if pred_shape[-1] < 2:
            raise ShapeError(
                f"{self}",
                "one output for each of two or more classes",
                f"{pred_shape[-1]} output",
                "Give the last layer more outputs, or use BinaryCrossEntropy.",
            )
        if _is_ids(array, pred_shape):
            self._check_ids(array, pred_shape[-1])
            return array.astype(np.intp, copy=False)
        if array.ndim == 1 and array.shape == pred_shape[-2:-1]:
            check_finite(where, array)
            fix = "Write target.astype(int)."
            raise ArgumentTypeError(where, "class ids that are integers", f"dtype {array.dtype}", fix)
        if array.ndim == 2 and array.shape == (*pred_shape[-2:-1], 1):
            what = f"class ids of shape {pred_shape[-2:-1]} or rows of shape {pred_shape[-2:]}"
            raise ShapeError(where, what, f"{array.shape}", "Write target[:, 0] for class ids in a column.")
        _check_same_shape(self, array.shape, pred_shape)
        array = self._cast(array, dtype)
        fix = "Give class ids, one-hot rows, or divide each row by its sum."
        if (array < 0).any():
            place = tuple(int(i) for i in np.argwhere(array < 0)[0])
            raise ArgumentError(where, "probabilities", f"{array[place]:g} at index {place}", fix)
        sums = array.sum(axis=-1)
        wrong = np.abs(sums - 1) > 1e-3
        if wrong.any():
            row = int(np.argwhere(wrong)[0][-1])
            got = f"a sum of {sums[wrong][0]:g} in row {row}"
            raise ArgumentError(where, "rows of probabilities that sum to 1", got, fix)
        return array


class GaussianNLL(Loss):
    """For regression with its own error bars: the model predicts mean and log-variance.

    The model has two outputs for each target column: first all means m, then all
    log-variances s. The loss is the average of ``(s + (m - target)**2 / exp(s)) / 2``, the
    negative log-likelihood of a normal distribution without its constant.

    Parameters
    ----------
    min_variance : float
        The variance is taken to be at least this, so that a perfect fit does not run off
        to minus infinity.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If `min_variance` is no positive number.

    References
    ----------
    D. Nix and A. Weigend, "Estimating the mean and variance of the target probability
    distribution", ICNN 1994, eq. 4.

    Examples
    --------
    >>> value, grad = GaussianNLL().value_and_grad(np.array([[1.0, 0.0]]), np.array([[3.0]]))
    >>> value, grad
    (2.0, array([[-2. , -1.5]]))
    """

    def __init__(self, *, min_variance: float = 1e-6) -> None:
        self.min_variance = check_number("GaussianNLL(min_variance)", min_variance, low=0, low_open=True)

    @quiet("under")
    def value_and_grad(
        self, pred: Array, target: AnyArray, weight: Array | None = None
    ) -> tuple[Value, Array]:
        """Average: divide by target columns times rows, or times the sum of the weights."""
        pred, target = _given(self, pred, target)
        _check_same_shape(self, target.shape, self._target_shape(pred.shape))
        columns = pred.shape[-1] // 2
        shares = _row_weights(self, weight, pred, 1 / columns)
        if weight is not None:
            pred, target = _in_place_of_others(pred, target, shares)
        mean, log_variance = pred[..., :columns], pred[..., columns:]
        floor = math.log(self.min_variance)
        s = np.maximum(log_variance, floor)
        deviations = np.exp(-0.5 * s)  # by the root of the variance, or the square of the gap could overflow
        gap = mean - target.astype(pred.dtype, copy=False)
        gap *= deviations
        surprise = gap * gap
        grad = np.empty_like(pred)
        np.multiply(gap, deviations, out=grad[..., :columns])
        grad[..., columns:] = 0.5 * (1 - surprise) * (log_variance > floor)
        grad *= shares
        return _average(0.5 * (s + surprise), shares), _clear(grad, shares)

    def _target_shape(self, pred_shape: tuple[int, ...]) -> tuple[int, ...]:
        if pred_shape[-1] % 2:
            raise ShapeError(
                f"{self}",
                "an even number of outputs",
                f"{pred_shape[-1]}",
                "Give the last layer two outputs for each target column: mean and log-variance.",
            )
        return (*pred_shape[:-1], pred_shape[-1] // 2)

    def prepare(self, target: Any, pred_shape: tuple[int, ...], dtype: np.dtype[Any]) -> AnyArray:
        """Check the shape and the numbers, and cast."""
        array = check_rows(f"{self} target", target)
        _check_same_shape(self, array.shape, self._target_shape(pred_shape))
        return self._cast(array, dtype)


def _check_pos_weight(value: Any) -> float | tuple[float, ...]:
    """Check one number, or one for each output; what is stored is written into files as it is."""
    where = "BinaryCrossEntropy(pos_weight=)"
    if np.ndim(value) == 0:
        return check_number(where, value, low=0)
    numbers = check_rows(where, value)
    if numbers.ndim != 1:
        fix = "Give one number for each output."
        raise ShapeError(where, "a number, or a list of numbers", f"shape {numbers.shape}", fix)
    return tuple(check_number(f"{where}[{place}]", one, low=0) for place, one in enumerate(numbers.tolist()))


def _check_smoothing(loss: Loss, value: float) -> float:
    where = f"{type(loss).__name__}(label_smoothing)"
    return check_number(where, value, low=0, high=1, high_open=True)


__getattr__ = missing_names(__name__)
