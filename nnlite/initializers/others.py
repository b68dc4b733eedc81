"""The other rules for first weights: uniform or normal, after LeCun, and orthogonal."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from nnlite.core.initializers import DrawnNormal, DrawnUniform, GlorotRule, HeRule, Initializer, Scaled
from nnlite.errors.checks import check_number

__all__ = ["Constant", "GlorotNormal", "HeUniform", "LeCunNormal", "LeCunUniform", "Orthogonal"]


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


class HeUniform(DrawnUniform, HeRule):
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
        When called with a shape of fewer than two axes.

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


class GlorotNormal(DrawnNormal, GlorotRule):
    """Normal weights for layers that feed a Tanh, a Sigmoid or a Softmax.

    The variance is ``2 / (fan_in + fan_out)``, between what the forward pass asks for,
    ``1 / fan_in``, and what the backward pass asks for, ``1 / fan_out``. The
    distribution is not truncated.

    Raises
    ------
    ShapeError
        When called with a shape of fewer than two axes.

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


class _LeCun(Scaled):
    def _variance(self, shape: tuple[int, ...]) -> float:
        fan_in, _ = self._fans(shape)
        return 1.0 / fan_in


class LeCunNormal(DrawnNormal, _LeCun):
    """Normal weights that keep the variance of the signal where no activation changes it.

    The variance is ``1 / fan_in``. The distribution is not truncated.

    Raises
    ------
    ShapeError
        When called with a shape of fewer than two axes.

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


class LeCunUniform(DrawnUniform, _LeCun):
    """Uniform weights that keep the variance of the signal where no activation changes it.

    The variance is ``1 / fan_in``, so the limits are plus and minus ``sqrt(3 / fan_in)``.

    Raises
    ------
    ShapeError
        When called with a shape of fewer than two axes.

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
    both. All such matrices are equally likely (Haar measure). Of more axes all but the last
    are taken as one.

    Parameters
    ----------
    gain : float
        The factor on the rotation, greater than 0. The square root of 2 suits ReLU.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If `gain` is no finite number above 0.
    ShapeError
        When called with a shape of fewer than two axes.

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
        self._fans(shape)
        # All that is added up in one output neuron is one row of the matrix.
        rows, columns = math.prod(shape[:-1]), shape[-1]
        Q, R = np.linalg.qr(rng.normal(size=(max(rows, columns), min(rows, columns))))
        # QR leaves the signs to the LAPACK routine. With the diagonal of R made
        # positive the factors are unique, and only then is Q uniformly distributed.
        Q *= np.where(np.diagonal(R) < 0.0, -1.0, 1.0)
        tall = Q if rows >= columns else Q.T
        return np.asarray(self.gain * tall, order="C").reshape(shape)
