"""Normalization by size alone: each row is brought to one length, wherever its middle is."""

from __future__ import annotations

import numpy as np

from nnlite.core.context import Context
from nnlite.core.initializers import Constant
from nnlite.core.layer import Layer
from nnlite.core.normalization import SMALLEST, check_features
from nnlite.core.parameters import Parameter
from nnlite.core.sums import row_sum, sum_over_batch
from nnlite.core.types import Array
from nnlite.errors.checks import check_integer, check_number

__all__ = ["RMSNorm"]


class RMSNorm(Layer):
    """Divide the numbers of each row by the root of their mean square, then give each feature a gain.

    ``z = x / sqrt(mean(x**2) + epsilon)``, over the features of the row; ``y = gain * z``

    It does what `LayerNorm` does for the size of a row, and leaves its mean alone; so there is no bias.

    Parameters
    ----------
    features : int
        Numbers in a row.
    epsilon : float
        What keeps the root of a row of zeros from 0, in [1e-30, 1].

    Attributes
    ----------
    gain : ndarray of shape (features,)
        Learned; 1 at first. Weight decay does not act on it.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If `features` is no positive integer, or `epsilon` no number in [1e-30, 1].

    Notes
    -----
    With ``g = gain * dL/dy`` and the mean over the features of a row, the chain rule gives
    ``dL/dx = (g - z * mean(g * z)) / sqrt(mean(x**2) + epsilon)``.

    References
    ----------
    B. Zhang and R. Sennrich, "Root Mean Square Layer Normalization", NeurIPS 2019, equation 4.

    Examples
    --------
    >>> RMSNorm(2).forward(np.array([[3.0, 4.0], [30.0, 40.0]])).round(3)
    array([[0.849, 1.131],
           [0.849, 1.131]])
    """

    gain = Parameter()

    def __init__(self, features: int, *, epsilon: float = 1e-5) -> None:
        self.features = check_integer("RMSNorm(features)", features, low=1)
        self.epsilon = check_number("RMSNorm(epsilon=)", epsilon, low=SMALLEST, high=1.0)
        self.declare("gain", (self.features,), initializer=Constant(1.0), decay=False)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input sample."""
        return (self.features,)

    def forward(self, x: Array, ctx: Context | None = None) -> Array:
        """Compute ``gain * z``."""
        check_features(self, x)
        x = np.ascontiguousarray(x)
        scale = 1 / np.sqrt(row_sum(x * x) / self.features + self.epsilon)
        z: Array = x * scale
        if ctx is not None:
            ctx.save(z, scale)
        y: Array = z * self.gain
        return y

    def backward(self, dy: Array, ctx: Context) -> Array:
        """Write dL/dgain, return dL/dx."""
        z, scale = ctx.saved
        sum_over_batch(dy * z, out=ctx.grads.gain)
        dx: Array = np.ascontiguousarray(dy * self.gain)
        dx -= z * (row_sum(dx * z) / self.features)
        dx *= scale
        return dx
