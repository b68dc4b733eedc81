"""Normalization: each row is brought to one scale, so that the next layer meets the same kind of numbers."""

from __future__ import annotations

import numpy as np

from nnlite.core.context import Context
from nnlite.core.initializers import Constant
from nnlite.core.layer import Layer
from nnlite.core.parameters import Parameter
from nnlite.core.sums import row_sum, sum_over_batch
from nnlite.core.types import Array
from nnlite.errors import ShapeError
from nnlite.errors.checks import check_integer, check_number

__all__ = ["LayerNorm"]

#: The smallest `epsilon`: with less, float32 could not hold the scale of a constant row.
SMALLEST = 1e-30


class LayerNorm(Layer):
    """Bring the numbers of each row to mean 0 and variance 1, then give each feature a gain and a bias.

    ``z = (x - mean) / sqrt(variance + epsilon)``, over the features of the row; ``y = gain * z + bias``

    Each row is looked at alone: other rows of the batch, weights of rows, and whether it is training
    or prediction make no difference.

    Parameters
    ----------
    features : int
        Numbers in a row.
    epsilon : float
        What keeps the root of the variance of a constant row from 0, in [1e-30, 1].

    Attributes
    ----------
    gain, bias : ndarray of shape (features,)
        Learned; 1 and 0 at first. Weight decay does not act on them.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If `features` is no positive integer, or `epsilon` no number in [1e-30, 1].

    Notes
    -----
    With ``g = gain * dL/dy`` and the means over the features of a row, the chain rule gives
    ``dL/dx = (g - mean(g) - z * mean(g * z)) / sqrt(variance + epsilon)``: mean and variance
    move along with x, which takes away what would only shift or stretch the row.

    References
    ----------
    J. L. Ba, J. R. Kiros and G. E. Hinton, "Layer Normalization", 2016. arXiv:1607.06450,
    equations 3 and 4.

    Examples
    --------
    >>> LayerNorm(2).forward(np.array([[1.0, 3.0], [10.0, 30.0]])).round(3)
    array([[-1.,  1.],
           [-1.,  1.]])
    """

    gain = Parameter()
    bias = Parameter()

    def __init__(self, features: int, *, epsilon: float = 1e-5) -> None:
        self.features = check_integer("LayerNorm(features)", features, low=1)
        self.epsilon = check_number("LayerNorm(epsilon=)", epsilon, low=SMALLEST, high=1.0)
        self.declare("gain", (self.features,), initializer=Constant(1.0), decay=False)
        self.declare("bias", (self.features,), decay=False)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input sample."""
        return (self.features,)

    def forward(self, x: Array, ctx: Context | None = None) -> Array:
        """Compute ``gain * z + bias``."""
        if x.ndim < 2 or x.shape[-1] != self.features:
            raise ShapeError(
                f"{self}",
                f"input of shape (batch, {self.features})",
                f"{x.shape}",
                "The last axis holds the features, the one before it the batch.",
            )
        z: Array = x - row_sum(np.ascontiguousarray(x)) / self.features
        z -= row_sum(z) / self.features  # what rounding has left of a mean that is large beside the spread
        scale = 1 / np.sqrt(row_sum(z * z) / self.features + self.epsilon)
        z *= scale
        if ctx is not None:
            ctx.save(z, scale)
        y: Array = z * self.gain
        y += self.bias
        return y

    def backward(self, dy: Array, ctx: Context) -> Array:
        """Write dL/dgain and dL/dbias, return dL/dx."""
        z, scale = ctx.saved
        sum_over_batch(dy * z, out=ctx.grads.gain)
        sum_over_batch(dy, out=ctx.grads.bias)
        g: Array = np.ascontiguousarray(dy * self.gain)
        dx: Array = g - row_sum(g) / self.features
        dx -= z * (row_sum(g * z) / self.features)
        dx *= scale
        return dx
