"""The layer of neurons: weighted sums of the inputs, plus a bias."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from nnlite.core.aliases import Array
from nnlite.core.context import Context
from nnlite.core.initializers import InitializerLike
from nnlite.core.layer import Layer
from nnlite.core.parameters import Parameter
from nnlite.core.sums import sum_over_batch
from nnlite.errors.checks import check_bool, check_integer
from nnlite.errors.layers import wrong_features

__all__ = ["Dense"]


def product(a: Array, b: Array, out: Array | None = None) -> Array:
    """Multiply two matrices, or stacks of them: ``a @ b``, written to `out` if there is one.

    Examples
    --------
    >>> product(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]))
    array([[11.]])
    """
    # On small matrices `dot` takes half the time of np.matmul, 0.5 against 1.2 us for 4 x 8, but it
    # knows no stacks, and writes only into a contiguous array of the factors' own dtype.
    if a.ndim == b.ndim == 2:
        try:
            return a.dot(b, out)
        except ValueError:  # what np.matmul can write to, or say more of
            pass
    return np.matmul(a, b, out=out)


def sparse_product(x: Any, stack: Array, out: Array | None = None) -> Array:
    """Multiply a CSR matrix, or its transpose, by a matrix, or by each of a stack, without making it dense.

    Examples
    --------
    >>> import scipy.sparse
    >>> x = scipy.sparse.csr_array([[0.0, 2.0]])
    >>> sparse_product(x, np.array([[1.0], [3.0]]))
    array([[6.]])
    """
    if out is None:
        out = np.empty((*stack.shape[:-2], x.shape[0], stack.shape[-1]), stack.dtype)
    # One after the other: all side by side in one product would need a copy of all weights in every step.
    for place in np.ndindex(out.shape[:-2]):
        out[place] = x.dot(stack[place])
    return out


class Dense(Layer):
    """Every output neuron adds up all inputs, each times its weight, plus a bias.

    ``y = x @ W + b``

    Parameters
    ----------
    in_features, out_features : int
        Number of inputs and of neurons.
    bias : bool
        Whether there is a `b`.
    weight_initializer : callable (rng, shape) -> ndarray, optional
        How `W` is drawn. By default as suits what follows in the model: He's normal rule in front of
        the ReLU family; a tenth of its variance, ``HeNormal(negative_slope=3)``, where the layer is
        the last that learns and no activation follows, so that the first answers are small beside
        standardised targets; Glorot's uniform rule otherwise.
    bias_initializer : callable (rng, shape) -> ndarray, optional
        How `b` is drawn; zeros by default.

    Attributes
    ----------
    W : ndarray of shape (in_features, out_features)
        The weights.
    b : ndarray of shape (out_features,)
        The biases.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If a size is no positive integer or an initializer cannot be called.

    Notes
    -----
    With dy = dL/dy, the chain rule gives dL/dW = x.T @ dy, dL/db = the sum of dy
    over the batch, and dL/dx = dy @ W.T.

    As the first layer it also takes a CSR matrix of SciPy, which is multiplied as it is, forward
    and backward. dL/dx, if it is asked for, is dense.

    Examples
    --------
    >>> layer = Dense(2, 1)
    >>> layer.W[...] = [[0.15], [0.20]]
    >>> layer.b[...] = 0.35
    >>> layer.forward(np.array([[0.05, 0.10]])).round(4)
    array([[0.3775]])
    """

    takes_sparse: ClassVar[bool] = True

    W = Parameter()
    b = Parameter()

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        bias: bool = True,
        weight_initializer: InitializerLike | None = None,
        bias_initializer: InitializerLike | None = None,
    ) -> None:
        self.in_features = check_integer("Dense(in_features)", in_features, low=1)
        self.out_features = check_integer("Dense(out_features)", out_features, low=1)
        self.bias = check_bool("Dense(bias=)", bias)
        self.weight_initializer = weight_initializer
        self.bias_initializer = bias_initializer
        self.declare("W", (self.in_features, self.out_features), initializer=weight_initializer)
        if self.bias:
            self.declare("b", (self.out_features,), initializer=bias_initializer, decay=False)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input sample."""
        return (self.in_features,)

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of one output sample."""
        return (self.out_features,)

    def forward(self, x: Array, ctx: Context | None = None) -> Array:
        """Compute ``x @ W + b``."""
        if x.ndim < 2 or x.shape[-1] != self.in_features:
            raise wrong_features(self, self.in_features, x.shape)
        if ctx is not None:
            ctx.save(x)
        y = product(x, self.W) if isinstance(x, np.ndarray) else sparse_product(x, self.W)
        if self.bias:
            y += self.b
        return y

    def backward(self, dy: Array, ctx: Context) -> Array | None:
        """Write dL/dW and dL/db, return dL/dx."""
        (x,) = ctx.saved
        if isinstance(x, np.ndarray):
            product(x.mT, dy, out=ctx.grads.W)
        else:
            sparse_product(x.T, dy, out=ctx.grads.W)
        if self.bias:
            sum_over_batch(dy, out=ctx.grads.b)
        if not ctx.needs_dx:
            return None
        W_T = self.W.mT
        if W_T.ndim > 2:
            # A stack of transposed matrices is multiplied at two thirds of the speed of a copy in C order.
            W_T = np.ascontiguousarray(W_T)
        return product(dy, W_T)
