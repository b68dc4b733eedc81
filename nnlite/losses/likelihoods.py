"""Losses for counts, and for regression with error bars: the likelihood of the targets, as a loss."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nnlite.core.aliases import AnyArray, Array, Value
from nnlite.core.losses import Loss, PointwiseLoss, as_arrays
from nnlite.core.quiet import quiet
from nnlite.core.weights import average, clear, in_place_of_others, row_shares
from nnlite.errors import ArgumentError, ShapeError
from nnlite.errors.arrays import check_array
from nnlite.errors.checks import check_number
from nnlite.errors.targets import check_same_shape

__all__ = ["GaussianNLL", "PoissonNLL"]


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
        pred, target = as_arrays(self, pred, target)
        check_same_shape(self, target.shape, self._target_shape(pred.shape))
        columns = pred.shape[-1] // 2
        shares = row_shares(self, weight, pred, 1 / columns)
        if weight is not None:
            pred, target = in_place_of_others(pred, target, shares)
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
        return average(0.5 * (s + surprise), shares), clear(grad, shares)

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
        array = check_array(f"{self} target", target)
        check_same_shape(self, array.shape, self._target_shape(pred_shape))
        return self._cast(array, dtype)
