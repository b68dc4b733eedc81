"""Losses for targets among which some lie far off: their pull has a limit."""

from __future__ import annotations

import numpy as np

from nnlite.core.aliases import Array
from nnlite.core.losses import PointwiseLoss
from nnlite.errors.checks import check_number

__all__ = ["Huber", "MeanAbsoluteError", "Quantile"]


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
