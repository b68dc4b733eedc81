"""Activations made of straight pieces: those with limits, and a ReLU whose quiet side is learned."""

from __future__ import annotations

import numpy as np

from nnlite.core.aliases import Array
from nnlite.core.context import Context
from nnlite.core.initializers import GlorotUniform, HeNormal, InitializerLike
from nnlite.core.layer import Layer
from nnlite.core.parameters import Parameter
from nnlite.core.quiet import quiet
from nnlite.core.sums import sum_over_batch
from nnlite.errors import ArgumentError
from nnlite.errors.checks import check_bool, check_number
from nnlite.initializers.others import Constant
from nnlite.layers.places import EachPlace

__all__ = ["Clip", "HardSigmoid", "HardSwish", "PReLU", "ReLU6"]


class Clip(Layer):
    """Keep numbers between two limits, like PyTorch's ``Hardtanh``.

    ``y = min(max(x, low), high)``; the slope is 1 between the limits, and 0 at them and beyond.

    Parameters
    ----------
    low, high : float
        The limits.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If one is no finite number, or `high` is not above `low`.

    References
    ----------
    R. Collobert, "Large Scale Machine Learning", thesis, Paris 6, 2004, section 5.2.2.

    Examples
    --------
    >>> Clip(-1, 1).forward(np.array([[-2.0, 0.5, 3.0]]))
    array([[-1. ,  0.5,  1. ]])
    """

    feeding_initializer: InitializerLike | None = GlorotUniform()

    def __init__(self, low: float = -1.0, high: float = 1.0) -> None:
        self.low = check_number("Clip(low)", low)
        self.high = check_number("Clip(high)", high)
        if self.high <= self.low:
            raise ArgumentError("Clip(high)", f"a number above {self.low}", f"{self.high}", "Give low first.")

    def forward(self, x: Array, ctx: Context | None = None) -> Array:
        """Compute ``min(max(x, low), high)``."""
        y: Array = np.clip(x, self.low, self.high)
        if ctx is not None:
            ctx.save(y)
        return y

    def backward(self, dy: Array, ctx: Context) -> Array:
        """Let the blame through between the limits."""
        (y,) = ctx.saved
        dx: Array = dy * ((y > self.low) & (y < self.high))
        return dx


class ReLU6(Clip):
    """A ReLU that goes up to 6, for nets that are to compute with few bits.

    ``y = min(max(x, 0), 6)``

    References
    ----------
    A. Krizhevsky, "Convolutional Deep Belief Networks on CIFAR-10", 2010; A. Howard et al., "MobileNets",
    2017. arXiv:1704.04861.

    Examples
    --------
    >>> ReLU6().forward(np.array([[-2.0, 3.0, 9.0]]))
    array([[0., 3., 6.]])
    """

    feeding_initializer: InitializerLike | None = HeNormal()

    def __init__(self) -> None:
        super().__init__(0.0, 6.0)


def _hard_sigmoid(x: Array) -> Array:
    gate: Array = np.clip(x, -3, 3)
    gate += 3
    gate /= 6
    return gate


class HardSigmoid(Layer):
    """A sigmoid of three straight pieces.

    ``y = min(max(x + 3, 0), 6) / 6``

    References
    ----------
    M. Courbariaux, Y. Bengio and J.-P. David, "BinaryConnect", NIPS 2015; the slope of 1/6 is that of
    `HardSwish`.

    Examples
    --------
    >>> HardSigmoid().forward(np.array([[-4.0, 0.0, 1.5]]))
    array([[0.  , 0.5 , 0.75]])
    """

    feeding_initializer: InitializerLike | None = GlorotUniform()
    gives_probabilities = True

    def forward(self, x: Array, ctx: Context | None = None) -> Array:
        """Compute the gate."""
        y = _hard_sigmoid(x)
        if ctx is not None:
            ctx.save(y)
        return y

    @quiet("under")
    def backward(self, dy: Array, ctx: Context) -> Array:
        """Let a sixth of the blame through where the gate is neither open nor shut."""
        (y,) = ctx.saved
        dx: Array = dy / 6
        dx *= (y > 0) & (y < 1)
        return dx


class HardSwish(Layer):
    """x times its `HardSigmoid`: a `SiLU` without an exponential.

    ``y = x * g`` with ``g = min(max(x + 3, 0), 6) / 6``; the slope is ``g + x / 6`` between -3 and 3, and
    ``g`` beyond.

    References
    ----------
    A. Howard et al., "Searching for MobileNetV3", ICCV 2019, section 5.2.

    Examples
    --------
    >>> HardSwish().forward(np.array([[-4.0, 0.0, 1.5, 4.0]]))
    array([[-0.   ,  0.   ,  1.125,  4.   ]])
    """

    feeding_initializer: InitializerLike | None = HeNormal()

    @quiet("under")
    def forward(self, x: Array, ctx: Context | None = None) -> Array:
        """Compute x times the gate."""
        gate = _hard_sigmoid(x)
        if ctx is not None:
            ctx.save(x, gate)
        return x * gate

    @quiet("under")
    def backward(self, dy: Array, ctx: Context) -> Array:
        """Scale the blame by the slope."""
        x, gate = ctx.saved
        dx: Array = np.where((gate > 0) & (gate < 1), x, 0)
        dx /= 6
        dx += gate
        dx *= dy
        return dx


class PReLU(EachPlace):
    """A ReLU whose slope for negative sums is learned, one for each feature.

    ``y = x if x > 0 else slope * x``

    Parameters
    ----------
    features : int
        Numbers in a row.
    ndim : int
        Number of axes of a sample: 1 for rows of features, 2 for sequences ``(time, features)``, 3 for images
        ``(height, width, channels)``, all places of which have the same slopes.
    shared : bool
        Whether all features have one slope.
    negative_slope : float
        What the slopes are at first.

    Attributes
    ----------
    slope : ndarray of shape (features,), or (1,) if `shared`
        Learned. Weight decay does not act on it: it would pull towards a ReLU.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If `features` or `ndim` is no positive integer, or `negative_slope` no finite number.

    References
    ----------
    K. He, X. Zhang, S. Ren and J. Sun, "Delving Deep into Rectifiers", ICCV 2015, section 2.1. The slopes
    start at .25, as there and in PyTorch; Keras starts at 0.

    Examples
    --------
    >>> PReLU(2).forward(np.array([[-2.0, 3.0]]))
    array([[-0.5,  3. ]])
    """

    slope = Parameter()

    def __init__(
        self, features: int, *, ndim: int = 1, shared: bool = False, negative_slope: float = 0.25
    ) -> None:
        self._take(features, ndim)
        self.shared = check_bool("PReLU(shared=)", shared)
        self.negative_slope = check_number("PReLU(negative_slope=)", negative_slope)
        self.feeding_initializer = HeNormal(negative_slope=self.negative_slope)
        slopes = 1 if self.shared else self.features
        self.declare("slope", (slopes,), initializer=Constant(self.negative_slope), decay=False)

    @quiet("under")
    def forward(self, x: Array, ctx: Context | None = None) -> Array:
        """Compute x where positive, ``slope * x`` elsewhere."""
        given, x = x, self._rows(x)
        if ctx is not None:
            ctx.save(x)
        y: Array = x * self.slope
        np.copyto(y, x, where=x > 0)
        return self._samples(y, given)

    @quiet("under")
    def backward(self, dy: Array, ctx: Context) -> Array:
        """Write dL/dslope, return dL/dx."""
        (x,) = ctx.saved
        given, dy = dy, self._rows(dy)
        blame = dy * np.minimum(x, 0)
        if self.shared:
            blame = blame.sum(axis=-1, keepdims=True)
        sum_over_batch(blame, out=ctx.grads.slope)
        dx: Array = dy * self.slope
        np.copyto(dx, dy, where=x > 0)
        return self._samples(dx, given)
