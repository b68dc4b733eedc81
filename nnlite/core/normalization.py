"""Normalization: numbers are brought to one scale, so that the next layer meets the same kind of them."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from nnlite.core.context import Context, Rows
from nnlite.core.initializers import Constant
from nnlite.core.layer import Layer
from nnlite.core.parameters import Parameter, State
from nnlite.core.sums import row_sum, sum_over_batch
from nnlite.core.types import Array
from nnlite.errors import ShapeError
from nnlite.errors.checks import check_integer, check_number

__all__ = ["BatchNorm", "LayerNorm"]

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
        _check_features(self, x)
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


class BatchNorm(Layer):
    """Bring each feature to mean 0 and variance 1 over the batch, then give it a gain and a bias.

    ``z = (x - mean) / sqrt(variance + epsilon)``, over the rows of the batch; ``y = gain * z + bias``

    That is how it trains. What it has seen is kept in running statistics, and prediction, which must not
    depend on what other rows come along, takes those in the place of the batch's own.

    Parameters
    ----------
    features : int
        Numbers in a row.
    momentum : float
        In (0, 1]: how much of the running statistics each batch renews, as in PyTorch. (Keras gives the
        name to what it leaves, .99.)
    epsilon : float
        What keeps the root of the variance of a constant feature from 0, in [1e-30, 1].

    Attributes
    ----------
    gain, bias : ndarray of shape (features,)
        Learned; 1 and 0 at first. Weight decay does not act on them.
    running_mean, running_variance : ndarray of shape (features,)
        Kept and not learned; 0 and 1 at first. The variance is that of the rows of a batch with their number
        less 1 below the bar.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If `features` is no positive integer, or another argument no number in its range.

    Notes
    -----
    With ``g = gain * dL/dy`` and means over the batch, the chain rule gives
    ``dL/dx = (g - mean(g) - z * mean(g * z)) / sqrt(variance + epsilon)``.

    - **Weights of rows** count in mean and variance as they count in the loss: a row of weight 0 is not there.
    - **A batch of one row** has no variance. It is normalized by the running statistics, and leaves them.
    - **Replicas** each have statistics of their own.
    - **Several processes** that share a batch have the statistics of the whole batch, as one would have.
    - **Frozen**, all of it (`Layer.freeze`), it goes by its running statistics and leaves them, as in a net that
      was trained elsewhere and is a part of another one now.
    - Where gradients of single rows are asked for (`Sequential.per_example_gradients`), it goes by the running
      statistics, as in prediction.

    References
    ----------
    S. Ioffe and C. Szegedy, "Batch Normalization: Accelerating Deep Network Training by Reducing Internal
    Covariate Shift", ICML 2015, algorithms 1 and 2.

    Examples
    --------
    >>> from nnlite.layers import Context, Gradients
    >>> layer = BatchNorm(2)
    >>> x = np.array([[1.0, 10.0], [3.0, 30.0]])
    >>> layer.forward(x, Context(Gradients({}))).round(3)
    array([[-1., -1.],
           [ 1.,  1.]])
    >>> layer.running_mean
    array([0.2, 2. ], dtype=float32)
    """

    mixes_rows: ClassVar[bool] = True

    gain = Parameter()
    bias = Parameter()
    running_mean = State()
    running_variance = State()

    def __init__(self, features: int, *, momentum: float = 0.1, epsilon: float = 1e-5) -> None:
        self.features = check_integer("BatchNorm(features)", features, low=1)
        self.momentum = check_number("BatchNorm(momentum=)", momentum, low=0, low_open=True, high=1.0)
        self.epsilon = check_number("BatchNorm(epsilon=)", epsilon, low=SMALLEST, high=1.0)
        self.declare("gain", (self.features,), initializer=Constant(1.0), decay=False)
        self.declare("bias", (self.features,), decay=False)
        self.declare("running_mean", (self.features,))
        self.declare("running_variance", (self.features,), initializer=Constant(1.0))

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input sample."""
        return (self.features,)

    def forward(self, x: Array, ctx: Context | None = None) -> Array:
        """Compute ``gain * z + bias``."""
        _check_features(self, x)
        mean, variance = self.running_mean, self.running_variance
        share: Any = None
        if ctx is not None and ctx.training and not self._is_settled():
            share, rest, unbiased = _shares(x, ctx.rows)
            found = _sum(x, ctx.rows, share)
            z: Array = x - (found + rest * mean)
            left = _sum(z, ctx.rows, share)  # what rounding has left of a mean that is large beside the spread
            z -= left
            spread = _sum(z * z, ctx.rows, share)
            scale = 1 / np.sqrt(spread + rest * variance + self.epsilon)
            rate = self.momentum * (1 - rest)
            for running, now in ((mean, found + left), (variance, spread * unbiased)):
                # An axis ahead that the net has not, such as one of examples, is averaged over.
                now = now.reshape(-1, self.features).mean(axis=0) if running.ndim == 1 else now
                running += (rate * (now - running)).reshape(running.shape)
        else:
            z = x - mean
            scale = 1 / np.sqrt(variance + self.epsilon)
        z *= scale
        if ctx is not None:
            ctx.save(z, scale, share)
        y: Array = z * self.gain
        y += self.bias
        return y

    def backward(self, dy: Array, ctx: Context) -> Array:
        """Write dL/dgain and dL/dbias, return dL/dx."""
        z, scale, share = ctx.saved
        sum_over_batch(dy * z, out=ctx.grads.gain)
        sum_over_batch(dy, out=ctx.grads.bias)
        dx: Array = dy * self.gain
        if share is not None:
            dx -= share * (_sum(dx, ctx.rows) + z * _sum(dx * z, ctx.rows))
        dx *= scale
        return dx

    def _is_settled(self) -> bool:
        """Tell whether it goes by its running statistics for good."""
        return bool(self._params is not None and self._params.frozen) and not self.trainable


def _shares(x: Array, rows: Rows) -> tuple[Any, Any, Any]:
    """Return what each row counts for in the batch, whether it is too small, and n / (n - 1) of n rows that count.

    The shares add up to 1. Of a batch in which fewer than two rows count they are 0, and the second is 1.
    Each is one number, or one for each replica.
    """
    weight = rows.weight
    if weight is None:
        (count,) = rows.add_up(np.array([float(x.shape[-2])])).tolist()
        return (1 / count, 0.0, count / (count - 1)) if count > 1 else (0.0, 1.0, 1.0)
    total, count = rows.add_up(np.array([weight.sum(axis=-1), np.count_nonzero(weight, axis=-1)], np.float64))
    small = (count < 2)[..., None]
    share = np.where(small, 0, weight / np.where(small, 1, total[..., None]))
    unbiased = count[..., None] / np.maximum(count[..., None] - 1, 1)
    column: Any = [number[..., None].astype(x.dtype) for number in (share, small, unbiased)]
    return tuple(column)  # type: ignore[return-value]


def _sum(x: Array, rows: Rows, share: Any = 1.0) -> Array:
    """Add up the rows of a batch, each times its share, of all processes that share the batch."""
    if not isinstance(share, float):
        x = x * share
    total = np.empty((*x.shape[:-2], 1, x.shape[-1]), x.dtype)
    sum_over_batch(x, out=total[..., 0, :])
    total = rows.add_up(total)
    return total * share if isinstance(share, float) else total


def _check_features(layer: Any, x: Array) -> None:
    if x.ndim < 2 or x.shape[-1] != layer.features:
        raise ShapeError(
            f"{layer}",
            f"input of shape (batch, {layer.features})",
            f"{x.shape}",
            "The last axis holds the features, the one before it the batch.",
        )
