"""Activation functions: how strongly a neuron responds to the sum of its inputs.

Each acts on every number alone, except the softmax pair, which act on a row.
``forward`` saves whichever of x and y makes the derivative shortest.
"""

from __future__ import annotations

import numpy as np

from nnlite.core.context import Context
from nnlite.core.initializers import GlorotUniform, HeNormal, InitializerLike
from nnlite.core.layer import Layer
from nnlite.core.quiet import quiet
from nnlite.core.sums import constant
from nnlite.core.types import Array

__all__ = [
    "LogSoftmax",
    "ReLU",
    "Sigmoid",
    "Softmax",
    "Step",
    "Tanh",
    "bare_sigmoid",
    "log_softmax",
    "sigmoid",
]


def sigmoid(x: Array) -> Array:
    """Compute 1 / (1 + exp(-x)), exact in both tails.

    Parameters
    ----------
    x : ndarray
        Logits.

    Returns
    -------
    ndarray of the shape of `x`
        Values in [0, 1].

    Examples
    --------
    >>> sigmoid(np.array([-1e4, 0.0, 1e4]))
    array([0. , 0.5, 1. ])
    """
    with np.errstate(over="ignore", under="ignore"):
        return bare_sigmoid(x)


def bare_sigmoid(x: Array) -> Array:
    """Compute it without a guard, for layers that have one around all that they do.

    Parameters
    ----------
    x : ndarray
        Logits.

    Returns
    -------
    ndarray of the shape of `x`

    Examples
    --------
    >>> bare_sigmoid(np.zeros(1))
    array([0.5])
    """
    # exp overflows to inf for x below -88 in float32, and 1 / (1 + inf) is the right answer, 0.
    y: Array = np.exp(-x)
    y += 1
    np.reciprocal(y, out=y)
    return y


@np.errstate(over="ignore", under="ignore")
def log_softmax(x: Array) -> Array:
    """Compute the logarithm of the softmax over the last axis.

    Parameters
    ----------
    x : ndarray of shape (..., classes)
        Logits.

    Returns
    -------
    ndarray of the shape of `x`
        Log-probabilities: their exponentials sum to 1 in each row.

    Examples
    --------
    >>> log_softmax(np.array([[0.0, 1e4]]))
    array([[-10000.,      0.]])
    """
    # The others are added up without the likeliest class, beside whose 1 they would lose their digits.
    likely = x.argmax(axis=-1, keepdims=True)
    y: Array = x - np.take_along_axis(x, likely, axis=-1)
    others = np.exp(y)
    np.put_along_axis(others, likely, 0, axis=-1)
    logs = np.log1p(others.sum(axis=-1, keepdims=True))
    logs -= np.take_along_axis(y, likely, axis=-1)  # 0, or NaN where the largest logit is infinite
    y -= logs
    return y


class ReLU(Layer):
    """Rectified linear unit: negative sums stay quiet, positive ones pass.

    ``y = max(x, 0)``, ``dL/dx = dL/dy where y > 0, else 0``

    The derivative at 0, where there is a kink, is taken as 0.

    References
    ----------
    V. Nair and G. Hinton, "Rectified Linear Units Improve Restricted Boltzmann
    Machines", ICML 2010.

    Examples
    --------
    >>> ReLU().forward(np.array([[-2.0, 3.0]]))
    array([[0., 3.]])
    """

    feeding_initializer: InitializerLike | None = HeNormal()

    def forward(self, x: Array, ctx: Context | None = None) -> Array:
        """Compute ``max(x, 0)``."""
        y = np.maximum(x, 0)
        if ctx is not None:
            ctx.save(y)
        return y

    def backward(self, dy: Array, ctx: Context) -> Array:
        """Let the blame through where the neuron fired."""
        (y,) = ctx.saved
        # Ten times as fast as np.where or a boolean assignment on random signs.
        dx: Array = dy * (y > 0)
        return dx


class Sigmoid(Layer):
    """Squash any sum into (0, 1): small inputs stay quiet, large inputs fire.

    ``y = 1 / (1 + exp(-x))``; the slope is ``y * (1 - y)``.

    For training a classifier leave it out and use a loss that takes logits.

    Examples
    --------
    >>> Sigmoid().forward(np.array([[-1e4, 0.0, 1e4]]))
    array([[0. , 0.5, 1. ]])
    """

    feeding_initializer: InitializerLike | None = GlorotUniform()
    gives_probabilities = True

    @quiet("over", "under")
    def forward(self, x: Array, ctx: Context | None = None) -> Array:
        """Compute ``1 / (1 + exp(-x))``."""
        y = bare_sigmoid(x)
        if ctx is not None:
            ctx.save(y)
        return y

    @quiet("under")
    def backward(self, dy: Array, ctx: Context) -> Array:
        """Scale the blame by the slope ``y * (1 - y)``."""
        (y,) = ctx.saved
        dx: Array = constant(1.0, y.dtype.char) - y
        dx *= y
        dx *= dy
        return dx


class Tanh(Layer):
    """Squash any sum into (-1, 1), with 0 for 0.

    ``y = tanh(x)``; the slope is ``1 - y**2``.

    Examples
    --------
    >>> Tanh().forward(np.array([[-1e4, 0.0, 1e4]]))
    array([[-1.,  0.,  1.]])
    """

    feeding_initializer: InitializerLike | None = GlorotUniform()

    def forward(self, x: Array, ctx: Context | None = None) -> Array:
        """Compute ``tanh(x)``."""
        y = np.tanh(x)
        if ctx is not None:
            ctx.save(y)
        return y

    @quiet("under")
    def backward(self, dy: Array, ctx: Context) -> Array:
        """Scale the blame by the slope ``1 - y**2``."""
        (y,) = ctx.saved
        dx: Array = y * y
        dx *= dy
        np.subtract(dy, dx, out=dx)
        return dx


class Softmax(Layer):
    """Turn a row of logits into probabilities that sum to 1.

    ``y_i = exp(x_i) / sum_j exp(x_j)`` over the last axis. The vector-Jacobian product
    is ``dL/dx = y * (dL/dy - sum_j y_j * dL/dy_j)``.

    For training a classifier leave it out and use `SoftmaxCrossEntropy`, which takes
    logits.

    Examples
    --------
    >>> Softmax().forward(np.array([[0.0, np.log(3.0)]]))
    array([[0.25, 0.75]])
    """

    feeding_initializer: InitializerLike | None = GlorotUniform()
    gives_probabilities = True

    @quiet("over", "under")
    def forward(self, x: Array, ctx: Context | None = None) -> Array:
        """Compute the probabilities."""
        y: Array = x - x.max(axis=-1, keepdims=True)  # the largest exponent is 0: nothing overflows
        np.exp(y, out=y)
        y /= y.sum(axis=-1, keepdims=True)
        if ctx is not None:
            ctx.save(y)
        return y

    @quiet("under")
    def backward(self, dy: Array, ctx: Context) -> Array:
        """Multiply by the Jacobian, which is never formed."""
        (y,) = ctx.saved
        dx: Array = y * dy
        dx -= y * dx.sum(axis=-1, keepdims=True)
        return dx


class LogSoftmax(Layer):
    """The logarithm of the softmax, computed without taking a logarithm of a small number.

    ``y_i = x_i - log(sum_j exp(x_j))`` over the last axis;
    ``dL/dx = dL/dy - exp(y) * sum_j dL/dy_j``.

    Examples
    --------
    >>> LogSoftmax().forward(np.array([[0.0, 1e4]]))
    array([[-10000.,      0.]])
    """

    feeding_initializer: InitializerLike | None = GlorotUniform()
    gives_probabilities = True

    def forward(self, x: Array, ctx: Context | None = None) -> Array:
        """Compute the log-probabilities."""
        y = log_softmax(x)
        if ctx is not None:
            ctx.save(y)
        return y

    @quiet("under")
    def backward(self, dy: Array, ctx: Context) -> Array:
        """Multiply by the Jacobian, which is never formed."""
        (y,) = ctx.saved
        dx: Array = np.exp(y)
        dx *= dy.sum(axis=-1, keepdims=True)
        np.subtract(dy, dx, out=dx)
        certain = y > -0.125
        if np.count_nonzero(certain):  # 1 - exp(y) is a difference in which few digits are left
            rest = np.where(certain, 0, dy).sum(axis=-1, keepdims=True)
            np.copyto(dx, -dy * np.expm1(y) - np.exp(y) * rest, where=certain)
        return dx


class Step(Layer):
    """The threshold neuron of the first textbooks: it fires, 1, or it does not, 0.

    ``y = 1 if x > 0 else 0``

    Notes
    -----
    A net cannot learn through it. The function is flat everywhere but at 0, so its
    slope is 0: moving a weight a little changes nothing at the output, gradient
    descent feels no hill under its feet, and ``backward`` gives zeros. At 0 itself
    there is a jump and no slope at all. Use `Sigmoid`, which is a step with a slope.

    Examples
    --------
    >>> Step().forward(np.array([[-0.1, 0.0, 0.1]]))
    array([[0., 0., 1.]])
    """

    feeding_initializer: InitializerLike | None = GlorotUniform()

    def forward(self, x: Array, ctx: Context | None = None) -> Array:
        """Compute 1 where x is positive, else 0."""
        return (x > 0).astype(x.dtype)

    def backward(self, dy: Array, ctx: Context) -> Array:
        """Give zeros: the slope of a step."""
        return np.zeros_like(dy)
