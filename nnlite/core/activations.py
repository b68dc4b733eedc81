"""Activation functions: how strongly a neuron responds to the sum of its inputs.

Each acts on every number alone; ``forward`` saves whichever of x and y gives the simplest derivative.
"""

from __future__ import annotations

import numpy as np

from nnlite.core.aliases import Array
from nnlite.core.context import Context
from nnlite.core.initializers import GlorotUniform, HeNormal, InitializerLike
from nnlite.core.layer import Layer
from nnlite.core.quiet import quiet
from nnlite.core.sums import constant

__all__ = ["ReLU", "Sigmoid", "Step", "Tanh", "bare_sigmoid", "sigmoid"]


def sigmoid(x: Array) -> Array:
    """Compute 1 / (1 + exp(-x)), exact in both tails.

    Examples
    --------
    >>> sigmoid(np.array([-1e4, 0.0, 1e4]))
    array([0. , 0.5, 1. ])
    """
    with np.errstate(over="ignore", under="ignore"):
        return bare_sigmoid(x)


def bare_sigmoid(x: Array) -> Array:
    """Compute the sigmoid without `np.errstate`, for layers that have it around all that they do."""
    # exp overflows to inf for x below -88 in float32, and 1 / (1 + inf) is the right answer, 0.
    y: Array = np.exp(-x)
    y += 1
    np.reciprocal(y, out=y)
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
        return dy * (y > 0)  # type: ignore[no-any-return]


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
        np.subtract(dy, dx, out=dx)  # dy * (1 - y * y)
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
