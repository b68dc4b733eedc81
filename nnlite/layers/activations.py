"""Smooth activations, softmax, a ReLU with a slope on its quiet side; those of the core are named here."""

from __future__ import annotations

import math

import numpy as np

from nnlite.core.activations import ReLU, Sigmoid, Step, Tanh, bare_sigmoid, sigmoid
from nnlite.core.aliases import Array
from nnlite.core.context import Context
from nnlite.core.initializers import GlorotUniform, HeNormal, InitializerLike
from nnlite.core.layer import Layer
from nnlite.core.quiet import quiet
from nnlite.errors.checks import check_bool, check_number
from nnlite.initializers.others import LeCunNormal

__all__ = [
    "ELU",
    "GELU",
    "SELU",
    "LeakyReLU",
    "LogSoftmax",
    "Mish",
    "ReLU",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Step",
    "Tanh",
    "log_softmax",
    "sigmoid",
]


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


class SELU(Layer):
    """Scaled exponential linear unit: an ELU that brings a deep net's numbers to mean 0 and variance 1.

    ``y = scale * (x if x > 0 else alpha * (exp(x) - 1))`` with ``scale`` = 1.0507 and ``alpha`` = 1.6733; the
    slope below 0 is ``y + scale * alpha``.

    References
    ----------
    G. Klambauer, T. Unterthiner, A. Mayr and S. Hochreiter, "Self-Normalizing Neural Networks", NIPS 2017,
    eq. 2 and 14. What feeds it is drawn by LeCun's rule, as there.

    Examples
    --------
    >>> SELU().forward(np.array([[-1e4, 1.0]])).round(4)
    array([[-1.7581,  1.0507]])
    """

    feeding_initializer: InitializerLike | None = LeCunNormal()

    @quiet("under")
    def forward(self, x: Array, ctx: Context | None = None) -> Array:
        """Compute the unit."""
        y = np.expm1(np.minimum(x, 0))  # the minimum keeps large x from overflowing
        y *= SELU_ALPHA
        np.copyto(y, x, where=x > 0)
        y *= SELU_SCALE
        if ctx is not None:
            ctx.save(y)
        return y

    @quiet("under")
    def backward(self, dy: Array, ctx: Context) -> Array:
        """Scale the blame by the slope: ``scale`` above zero, ``y + scale * alpha`` below."""
        (y,) = ctx.saved
        dx: Array = np.minimum(y, 0)
        dx += np.where(y > 0, y.dtype.type(SELU_SCALE), y.dtype.type(SELU_SCALE * SELU_ALPHA))
        dx *= dy
        return dx


#: The fixed point of mean and variance, to the last digit of float64.
SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805


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
        gate = bare_sigmoid(x)
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


class Mish(Layer):
    """x times the tanh of its own softplus: like `SiLU`, and a little steeper.

    ``y = x * t`` with ``t = tanh(log(1 + exp(x)))``; the slope is ``t + x * s * (1 - t**2)`` with
    ``s = sigmoid(x)``.

    References
    ----------
    D. Misra, "Mish: A Self Regularized Non-Monotonic Activation Function", BMVC 2020.

    Examples
    --------
    >>> Mish().forward(np.array([[-1e4, 0.0, 1.0]])).round(4)
    array([[-0.    ,  0.    ,  0.8651]])
    """

    feeding_initializer: InitializerLike | None = HeNormal()

    @quiet("over", "under")
    def forward(self, x: Array, ctx: Context | None = None) -> Array:
        """Compute ``x * tanh(softplus(x))``."""
        gate = np.tanh(np.logaddexp(x, 0))
        if ctx is not None:
            ctx.save(x, gate)
        y: Array = x * gate
        return y

    @quiet("over", "under")
    def backward(self, dy: Array, ctx: Context) -> Array:
        """Scale the blame by the slope ``t + x * s * (1 - t**2)``."""
        x, gate = ctx.saved
        dx: Array = 1 - gate * gate
        dx *= bare_sigmoid(x)
        dx *= np.maximum(x, -1e3)  # further down the slope is 0, and 0 times infinity would be no number
        dx += gate
        dx *= dy
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
        dx = bare_sigmoid(x)
        dx *= dy
        return dx


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
