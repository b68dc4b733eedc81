"""Activation functions: how strongly a neuron responds to the sum of its inputs.

Each acts on every number alone, except the softmax pair, which act on a row.
``forward`` saves whichever of x and y makes the derivative shortest.
"""

from __future__ import annotations

import math

import numpy as np

from nnlite.core.initializers import GlorotUniform, HeNormal, InitializerLike
from nnlite.core.layer import Context, Layer
from nnlite.core.quiet import quiet
from nnlite.core.types import Array
from nnlite.errors.checks import check_bool, check_number

__all__ = [
    "ELU",
    "GELU",
    "LeakyReLU",
    "LogSoftmax",
    "ReLU",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Step",
    "Tanh",
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
        return _sigmoid(x)


def _sigmoid(x: Array) -> Array:
    """Compute it without a guard, for layers that have one around all that they do."""
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
    y -= np.log1p(others.sum(axis=-1, keepdims=True))
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


class LeakyReLU(Layer):
    """A ReLU whose quiet side keeps a small slope, so that no unit dies.

    ``y = x if x > 0 else negative_slope * x``

    Parameters
    ----------
    negative_slope : float
        Slope for negative sums.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If it is no finite number.

    References
    ----------
    A. Maas, A. Hannun and A. Ng, "Rectifier Nonlinearities Improve Neural Network
    Acoustic Models", ICML 2013.

    Examples
    --------
    >>> LeakyReLU(0.1).forward(np.array([[-2.0, 3.0]]))
    array([[-0.2,  3. ]])
    """

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = check_number("LeakyReLU(negative_slope)", negative_slope)
        self.feeding_initializer = HeNormal(negative_slope=self.negative_slope)

    @quiet("under")
    def forward(self, x: Array, ctx: Context | None = None) -> Array:
        """Compute x where positive, ``negative_slope * x`` elsewhere."""
        fired = x > 0
        if ctx is not None:
            ctx.save(fired)
        y = x * self.negative_slope
        np.copyto(y, x, where=fired)
        return y

    @quiet("under")
    def backward(self, dy: Array, ctx: Context) -> Array:
        """Scale the blame by the slope of each side."""
        (fired,) = ctx.saved
        dx = dy * self.negative_slope
        np.copyto(dx, dy, where=fired)
        return dx


class ELU(Layer):
    """Exponential linear unit: like a ReLU, with a smooth floor at -alpha.

    ``y = x if x > 0 else alpha * (exp(x) - 1)``; the slope below 0 is ``y + alpha``.

    Parameters
    ----------
    alpha : float
        Depth of the floor.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If it is no finite number above 0.

    References
    ----------
    D.-A. Clevert, T. Unterthiner and S. Hochreiter, "Fast and Accurate Deep Network
    Learning by Exponential Linear Units", ICLR 2016, eq. 15.

    Examples
    --------
    >>> ELU().forward(np.array([[-1e4, 3.0]]))
    array([[-1.,  3.]])
    """

    feeding_initializer: InitializerLike | None = HeNormal()

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = check_number("ELU(alpha)", alpha, low=0, low_open=True)

    @quiet("under")
    def forward(self, x: Array, ctx: Context | None = None) -> Array:
        """Compute the unit."""
        y = np.expm1(np.minimum(x, 0))  # the minimum keeps large x from overflowing
        y *= self.alpha
        np.copyto(y, x, where=x > 0)
        if ctx is not None:
            ctx.save(y)
        return y

    @quiet("under")
    def backward(self, dy: Array, ctx: Context) -> Array:
        """Scale the blame by the slope: 1 above zero, ``y + alpha`` below."""
        (y,) = ctx.saved
        dx: Array = y + self.alpha
        dx *= dy
        np.copyto(dx, dy, where=y > 0)
        return dx


class GELU(Layer):
    """Gaussian error linear unit: x times the chance that a standard normal is below x.

    ``y = x * Phi(x)``, or with ``approximate=True``
    ``y = x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3)))``.

    Parameters
    ----------
    approximate : bool
        Use the tanh form, which many trained models were made with.

    Raises
    ------
    ArgumentTypeError
        If it is no bool.

    References
    ----------
    D. Hendrycks and K. Gimpel, "Gaussian Error Linear Units", arXiv:1606.08415, section 2.

    Examples
    --------
    >>> GELU().forward(np.array([[-1e4, 0.0, 1.0]])).round(4)
    array([[-0.    ,  0.    ,  0.8413]])
    """

    feeding_initializer: InitializerLike | None = HeNormal()

    def __init__(self, *, approximate: bool = False) -> None:
        self.approximate = check_bool("GELU(approximate=)", approximate)

    @quiet("under")
    def forward(self, x: Array, ctx: Context | None = None) -> Array:
        """Compute x times its gate."""
        gate = self._gate(x)
        if ctx is not None:
            ctx.save(x, gate)
        return x * gate

    @quiet("under")
    def backward(self, dy: Array, ctx: Context) -> Array:
        """Scale the blame by ``gate + x * slope of the gate``."""
        x, gate = ctx.saved
        dx = self._gate_slope(x, gate)
        dx *= x
        dx += gate
        dx *= dy
        return dx

    def _gate(self, x: Array) -> Array:
        if self.approximate:
            x = np.clip(x, -_FLAT, _FLAT)
            gate = np.tanh(_TANH_SCALE * (x + _CUBIC * x * x * x))
            gate += 1
            gate *= 0.5
            return gate
        from scipy.special import ndtr

        phi: Array = ndtr(x)
        return phi

    def _gate_slope(self, x: Array, gate: Array) -> Array:
        x = np.clip(x, -_FLAT, _FLAT)
        if self.approximate:  # with t the tanh, 1 - t**2 = 4 * gate * (1 - gate)
            return 2 * _TANH_SCALE * gate * (1 - gate) * (1 + 3 * _CUBIC * x * x)
        slope = np.exp(-0.5 * x * x)
        slope *= 1 / math.sqrt(2 * math.pi)
        return slope


_TANH_SCALE = math.sqrt(2 / math.pi)
_CUBIC = 0.044715
#: Beyond it the gate is 0 or 1 in float64 too, and its slope 0; but squares and cubes could overflow.
_FLAT = 40.0


class SiLU(Layer):
    """Sigmoid linear unit, also called swish: x times its own sigmoid.

    ``y = x * s`` with ``s = sigmoid(x)``; the slope is ``s + y * (1 - s)``.

    References
    ----------
    S. Elfwing, E. Uchibe and K. Doya, "Sigmoid-Weighted Linear Units for Neural Network
    Function Approximation in Reinforcement Learning", Neural Networks 107, 2018.

    Examples
    --------
    >>> SiLU().forward(np.array([[-1e4, 0.0, 1.0]])).round(4)
    array([[-0.    ,  0.    ,  0.7311]])
    """

    feeding_initializer: InitializerLike | None = HeNormal()

    @quiet("over", "under")
    def forward(self, x: Array, ctx: Context | None = None) -> Array:
        """Compute ``x * sigmoid(x)``."""
        gate = _sigmoid(x)
        y = x * gate
        if ctx is not None:
            ctx.save(y, gate)
        return y

    @quiet("under")
    def backward(self, dy: Array, ctx: Context) -> Array:
        """Scale the blame by the slope ``s + y * (1 - s)``."""
        y, gate = ctx.saved
        dx: Array = 1 - gate
        dx *= y
        dx += gate
        dx *= dy
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
        y = _sigmoid(x)
        if ctx is not None:
            ctx.save(y)
        return y

    @quiet("under")
    def backward(self, dy: Array, ctx: Context) -> Array:
        """Scale the blame by the slope ``y * (1 - y)``."""
        (y,) = ctx.saved
        dx: Array = 1 - y
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


class Softplus(Layer):
    """A ReLU with a smooth corner; its output is always positive.

    ``y = log(1 + exp(x))``; the slope is ``sigmoid(x)``.

    References
    ----------
    C. Dugas et al., "Incorporating Second-Order Functional Knowledge for Better Option
    Pricing", NIPS 2000.

    Examples
    --------
    >>> Softplus().forward(np.array([[-1e4, 0.0, 1e4]])).round(4)
    array([[0.000e+00, 6.931e-01, 1.000e+04]])
    """

    feeding_initializer: InitializerLike | None = HeNormal()

    @quiet("under")
    def forward(self, x: Array, ctx: Context | None = None) -> Array:
        """Compute ``log(1 + exp(x))`` without overflow."""
        if ctx is not None:
            ctx.save(x)
        y: Array = np.logaddexp(x, x.dtype.type(0))
        return y

    @quiet("over", "under")
    def backward(self, dy: Array, ctx: Context) -> Array:
        """Scale the blame by the slope ``sigmoid(x)``."""
        (x,) = ctx.saved
        dx = _sigmoid(x)
        dx *= dy
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
