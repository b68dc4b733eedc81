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
and `fan_out` the second.

In a model, a layer that names none gets the one that suits the activation which follows it;
without any in front of another layer that learns it is Glorot's, and the last layer starts small,
with a tenth of He's variance (a = 3).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from nnlite.core.config import Setting
from nnlite.core.types import Array
from nnlite.errors import ShapeError
from nnlite.errors.checks import check_number

__all__ = [
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Initializer",
    "InitializerLike",
    "LeCunNormal",
    "LeCunUniform",
    "Orthogonal",
    "Zeros",
]

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
            The shape of the parameter; ``(fan_in, fan_out)`` for a weight matrix.

        Returns
        -------
        ndarray of float64
            The caller casts it to the dtype of the model.
        """

    def _fans(self, shape: tuple[int, ...]) -> tuple[int, int]:
        if len(shape) != 2 or min(shape) < 1:
            raise ShapeError(
                type(self).__name__,
                "a weight shape (fan_in, fan_out) with both at least 1",
                f"{tuple(shape)}",
                "For a bias or a gain use Zeros() or Constant(value); for more axes a function of your own.",
            )
        fan_in, fan_out = shape
        return fan_in, fan_out


class _Around(Initializer):
    """Draws around zero, with a variance that goes by the shape."""

    @abstractmethod
    def _variance(self, shape: tuple[int, ...]) -> float: ...


class _Normal(_Around):
    def __call__(self, rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """Draw from a normal distribution around zero."""
        return rng.normal(0.0, math.sqrt(self._variance(shape)), shape)


class _Uniform(_Around):
    def __call__(self, rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """Draw from an interval around zero."""
        # A uniform variable on [-limit, limit] has the variance limit**2 / 3.
        limit = math.sqrt(3.0 * self._variance(shape))
        return rng.uniform(-limit, limit, shape)


class _He(_Around):
    def __init__(self, negative_slope: float = 0.0) -> None:
        where = f"{type(self).__name__}(negative_slope=)"
        self.negative_slope = check_number(where, negative_slope)

    def _variance(self, shape: tuple[int, ...]) -> float:
        fan_in, _ = self._fans(shape)
        return 2.0 / ((1.0 + self.negative_slope**2) * fan_in)


class HeNormal(_Normal, _He):
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
        When called with a shape that is not ``(fan_in, fan_out)``.

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


class HeUniform(_Uniform, _He):
    """Uniform weights for layers that feed a ReLU or a LeakyReLU.

    The variance is that of `HeNormal`, so the limits are plus and minus
    ``sqrt(6 / ((1 + negative_slope**2) * fan_in))``.

    Parameters
    ----------
    negative_slope : float
        The slope of the activation for negative inputs; 0 for ReLU.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If `negative_slope` is no finite number.
    ShapeError
        When called with a shape that is not ``(fan_in, fan_out)``.

    References
    ----------
    He, Zhang, Ren, Sun: Delving Deep into Rectifiers, ICCV 2015, equations 10 and 15.
    https://arxiv.org/abs/1502.01852

    Examples
    --------
    >>> import numpy as np
    >>> from nnlite.initializers import HeUniform
    >>> W = HeUniform()(np.random.default_rng(0), (6, 300))
    >>> bool(abs(W).max() <= 1.0)  # the square root of 6 / 6 is 1
    True
    """


class _Glorot(_Around):
    def _variance(self, shape: tuple[int, ...]) -> float:
        return 2.0 / sum(self._fans(shape))


class GlorotNormal(_Normal, _Glorot):
    """Normal weights for layers that feed a Tanh, a Sigmoid or a Softmax.

    The variance is ``2 / (fan_in + fan_out)``, between what the forward pass asks for,
    ``1 / fan_in``, and what the backward pass asks for, ``1 / fan_out``. The
    distribution is not truncated.

    Raises
    ------
    ShapeError
        When called with a shape that is not ``(fan_in, fan_out)``.

    References
    ----------
    Glorot, Bengio: Understanding the Difficulty of Training Deep Feedforward Neural
    Networks, AISTATS 2010, equation 12.
    https://proceedings.mlr.press/v9/glorot10a.html

    Examples
    --------
    >>> import numpy as np
    >>> from nnlite.initializers import GlorotNormal
    >>> W = GlorotNormal()(np.random.default_rng(0), (100, 100))
    >>> round(W.std(), 2)  # the square root of 2 / 200 is 0.1
    np.float64(0.1)
    """


class GlorotUniform(_Uniform, _Glorot):
    """Uniform weights for layers that feed a Tanh, a Sigmoid or a Softmax.

    The variance is that of `GlorotNormal`, so the limits are plus and minus
    ``sqrt(6 / (fan_in + fan_out))``.

    Raises
    ------
    ShapeError
        When called with a shape that is not ``(fan_in, fan_out)``.

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


class _LeCun(_Around):
    def _variance(self, shape: tuple[int, ...]) -> float:
        fan_in, _ = self._fans(shape)
        return 1.0 / fan_in


class LeCunNormal(_Normal, _LeCun):
    """Normal weights that keep the variance of the signal where no activation changes it.

    The variance is ``1 / fan_in``. The distribution is not truncated.

    Raises
    ------
    ShapeError
        When called with a shape that is not ``(fan_in, fan_out)``.

    References
    ----------
    LeCun, Bottou, Orr, Müller: Efficient BackProp, in Neural Networks: Tricks of the
    Trade, Springer 1998, section 4.6.

    Examples
    --------
    >>> import numpy as np
    >>> from nnlite.initializers import LeCunNormal
    >>> W = LeCunNormal()(np.random.default_rng(0), (100, 100))
    >>> round(W.std(), 2)  # the square root of 1 / 100 is 0.1
    np.float64(0.1)
    """


class LeCunUniform(_Uniform, _LeCun):
    """Uniform weights that keep the variance of the signal where no activation changes it.

    The variance is ``1 / fan_in``, so the limits are plus and minus ``sqrt(3 / fan_in)``.

    Raises
    ------
    ShapeError
        When called with a shape that is not ``(fan_in, fan_out)``.

    References
    ----------
    LeCun, Bottou, Orr, Müller: Efficient BackProp, in Neural Networks: Tricks of the
    Trade, Springer 1998, section 4.6.

    Examples
    --------
    >>> import numpy as np
    >>> from nnlite.initializers import LeCunUniform
    >>> W = LeCunUniform()(np.random.default_rng(0), (3, 50))
    >>> bool(abs(W).max() <= 1.0)  # the square root of 3 / 3 is 1
    True
    """


class Orthogonal(Initializer):
    """A random rotation, times a gain: the signal keeps its length through the layer.

    A wide matrix has orthonormal rows, a tall one orthonormal columns, a square one
    both. All such matrices are equally likely (Haar measure).

    Parameters
    ----------
    gain : float
        The factor on the rotation, greater than 0. The square root of 2 suits ReLU.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If `gain` is no finite number above 0.
    ShapeError
        When called with a shape that is not ``(fan_in, fan_out)``.

    References
    ----------
    Saxe, McClelland, Ganguli: Exact Solutions to the Nonlinear Dynamics of Learning in
    Deep Linear Neural Networks, ICLR 2014. https://arxiv.org/abs/1312.6120
    Mezzadri: How to Generate Random Matrices from the Classical Compact Groups,
    Notices of the AMS 54, 2007, section 5. https://arxiv.org/abs/math-ph/0609050

    Examples
    --------
    >>> import numpy as np
    >>> from nnlite.initializers import Orthogonal
    >>> W = Orthogonal()(np.random.default_rng(0), (2, 5))
    >>> bool(np.allclose(W @ W.T, np.eye(2)))
    True
    """

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = check_number("Orthogonal(gain=)", gain, low=0.0, low_open=True)

    def __call__(self, rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """Draw a matrix whose rows or columns are orthogonal."""
        fans = self._fans(shape)
        Q, R = np.linalg.qr(rng.normal(size=(max(fans), min(fans))))
        # QR leaves the signs to the LAPACK routine. With the diagonal of R made
        # positive the factors are unique, and only then is Q uniformly distributed.
        Q *= np.where(np.diagonal(R) < 0.0, -1.0, 1.0)
        tall = Q if shape[0] >= shape[1] else Q.T
        return np.asarray(self.gain * tall, order="C")


class Constant(Initializer):
    """The same value everywhere, for biases and gains.

    A weight matrix must not start so: all the neurons of the layer would stay equal.

    Parameters
    ----------
    value : float
        The value.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If `value` is no finite number.

    Examples
    --------
    >>> import numpy as np
    >>> from nnlite.initializers import Constant
    >>> Constant(0.1)(np.random.default_rng(0), (3,))
    array([0.1, 0.1, 0.1])
    """

    def __init__(self, value: float) -> None:
        self.value = check_number("Constant(value=)", value)

    def __call__(self, rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """Fill an array with the value."""
        return np.full(shape, self.value)


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
