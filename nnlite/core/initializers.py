"""Where the weights start: random enough to differ, scaled so that no layer fades or explodes.

A layer adds up `fan_in` products, so the variance of its output is the variance of
its input times ``fan_in * variance(W)``. The variance-scaling initializers choose
``variance(W)`` so that this product stays near one from layer to layer:

=========== ============================== ==========================
family      variance of a weight           made for
=========== ============================== ==========================
`LeCun...`  ``1 / fan_in``                 no activation, SELU
`Glorot...` ``2 / (fan_in + fan_out)``     Tanh, Sigmoid, Softmax
`He...`     ``2 / ((1 + a**2) * fan_in)``  ReLU (a = 0), LeakyReLU(a)
=========== ============================== ==========================

Weights have the shape ``(in_features, out_features)``, so `fan_in` is the first axis
and `fan_out` the second. Axes before these two are a window, such as that of a convolution,
``(height, width, in_channels, out_channels)``: a sum has all of its places, so both are
multiplied by their number.

In a model, a layer that names none gets the one that suits the activation which follows it;
without any in front of another layer that learns it is Glorot's, and the last layer starts small,
with a tenth of He's variance (a = 3).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnlite.core.aliases import Array
from nnlite.core.config import Setting
from nnlite.errors import ShapeError
from nnlite.errors.checks import check_number

__all__ = ["GlorotUniform", "HeNormal", "Initializer", "InitializerLike", "Zeros", "default_initializer"]


#: What a layer takes: one of the classes below, or any function of this form.
InitializerLike = Callable[["np.random.Generator", tuple[int, ...]], Array]


class Initializer(Setting, ABC):
    """Draws the first values of one parameter.

    A plain function ``(rng, shape) -> array`` does as well; this class is there for
    the initializers that have settings to show and to save.

    Examples
    --------
    >>> class Alternate(Initializer):
    ...     def __call__(self, rng, shape):
    ...         return np.resize([1.0, -1.0], shape)
    >>> Alternate()(np.random.default_rng(0), (3,))
    array([ 1., -1.,  1.])
    """

    @abstractmethod
    def __call__(self, rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """Return an array of the given shape.

        Parameters
        ----------
        rng : numpy.random.Generator
            The source of all randomness.
        shape : tuple of int
            The shape of the parameter; ``(fan_in, fan_out)`` for a weight matrix, with the axes of a
            window in front if there is one.

        Returns
        -------
        ndarray of float64
            The caller casts it to the dtype of the model.
        """

    def _fans(self, shape: tuple[int, ...]) -> tuple[int, int]:
        if len(shape) < 2 or min(shape) < 1:
            what = "a weight shape (..., fan_in, fan_out) with all at least 1"
            fix = "For a bias or a gain use Zeros() or Constant(value)."
            raise ShapeError(type(self).__name__, what, f"{tuple(shape)}", fix)
        *window, fan_in, fan_out = shape
        places = math.prod(window)
        return places * fan_in, places * fan_out


class Scaled(Initializer):
    """Draws around zero, with a variance that goes by the shape."""

    @abstractmethod
    def _variance(self, shape: tuple[int, ...]) -> float: ...


class DrawnNormal(Scaled):
    def __call__(self, rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """Draw from a normal distribution around zero."""
        return rng.normal(0.0, math.sqrt(self._variance(shape)), shape)


class DrawnUniform(Scaled):
    def __call__(self, rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """Draw from an interval around zero."""
        # A uniform variable on [-limit, limit] has the variance limit**2 / 3.
        limit = math.sqrt(3.0 * self._variance(shape))
        return rng.uniform(-limit, limit, shape)


class HeRule(Scaled):
    def __init__(self, negative_slope: float = 0.0) -> None:
        self.negative_slope = check_number(f"{type(self).__name__}(negative_slope=)", negative_slope)

    def _variance(self, shape: tuple[int, ...]) -> float:
        fan_in, _ = self._fans(shape)
        return 2.0 / ((1.0 + self.negative_slope**2) * fan_in)


class HeNormal(DrawnNormal, HeRule):
    """Normal weights for layers that feed a ReLU or a LeakyReLU.

    The variance is ``2 / ((1 + negative_slope**2) * fan_in)``: a ReLU drops half of
    the signal, and the 2 makes up for it. The distribution is not truncated: a weight
    further than two standard deviations from zero is kept, where some libraries draw
    again.

    Parameters
    ----------
    negative_slope : float
        The slope of the activation for negative inputs; 0 for ReLU.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If `negative_slope` is no finite number.
    ShapeError
        When called with a shape of fewer than two axes.

    References
    ----------
    He, Zhang, Ren, Sun: Delving Deep into Rectifiers, ICCV 2015, equations 10 and 15.
    https://arxiv.org/abs/1502.01852

    Examples
    --------
    >>> import numpy as np
    >>> from nnlite.initializers import HeNormal
    >>> W = HeNormal()(np.random.default_rng(0), (200, 300))
    >>> W.shape, round(W.std(), 2)  # the square root of 2 / 200 is 0.1
    ((200, 300), np.float64(0.1))
    """


class GlorotRule(Scaled):
    def _variance(self, shape: tuple[int, ...]) -> float:
        return 2.0 / sum(self._fans(shape))


class GlorotUniform(DrawnUniform, GlorotRule):
    """Uniform weights for layers that feed a Tanh, a Sigmoid or a Softmax.

    The variance is that of `GlorotNormal`, so the limits are plus and minus
    ``sqrt(6 / (fan_in + fan_out))``.

    Raises
    ------
    ShapeError
        When called with a shape of fewer than two axes.

    References
    ----------
    Glorot, Bengio: Understanding the Difficulty of Training Deep Feedforward Neural
    Networks, AISTATS 2010, equation 16.
    https://proceedings.mlr.press/v9/glorot10a.html

    Examples
    --------
    >>> import numpy as np
    >>> from nnlite.initializers import GlorotUniform
    >>> W = GlorotUniform()(np.random.default_rng(0), (2, 4))
    >>> bool(abs(W).max() <= 1.0)  # the square root of 6 / (2 + 4) is 1
    True
    """


class Zeros(Initializer):
    """Zeros, the usual start of a bias.

    A weight matrix must not start so: all the neurons of the layer would stay equal.

    Examples
    --------
    >>> import numpy as np
    >>> from nnlite.initializers import Zeros
    >>> Zeros()(np.random.default_rng(0), (3,))
    array([0., 0., 0.])
    """

    def __call__(self, rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """Fill an array with zeros."""
        return np.zeros(shape)


#: How the last layer starts if no activation follows it: He's rule with a tenth of its variance, which a
#: slope of 3 divides by 1 + 3**2. An answer as large as the targets would have to be unlearned first, for
#: which few rows leave no time; zeros would give no blame to the layers before. `benchmarks/starts.py`
#: measures it.
LAST = HeNormal(negative_slope=3.0)


def default_initializer(layers: Sequence[Any], index: int) -> InitializerLike | None:
    """Return the initializer that suits what a layer feeds, by its place in a row: an activation, or nothing.

    None if the next layer that learns follows without an activation between them. The last layer that
    learns, if no activation follows it either, starts small: what it gives is the answer of the net.

    Examples
    --------
    >>> from nnlite.layers import Dense, ReLU
    >>> layers = (Dense(2, 8), ReLU(), Dense(8, 1))
    >>> default_initializer(layers, 0), default_initializer(layers, 2)
    (HeNormal(), HeNormal(negative_slope=3.0))
    """
    for follower in layers[index + 1 :]:
        if follower.children:  # what it holds comes next
            continue
        if follower.parameter_names:
            return None
        if follower.feeding_initializer is not None:
            return follower.feeding_initializer  # type: ignore[no-any-return]
    return LAST
