"""Attention over time: every step looks at all steps of its sequence, and takes from those that fit it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnlite.core.aliases import Array
from nnlite.core.context import Context
from nnlite.core.dense import product
from nnlite.core.initializers import GlorotUniform, InitializerLike
from nnlite.core.layer import Layer
from nnlite.core.parameters import Parameter
from nnlite.core.quiet import quiet
from nnlite.core.sums import row_max, row_sum, sum_over_batch
from nnlite.errors import ArgumentError, ShapeError
from nnlite.errors.checks import check_bool, check_integer
from nnlite.layers.padding import check_padding, check_sequence, check_sequence_shape, real_steps
from nnlite.layers.places import as_rows

__all__ = ["PositionEmbedding", "SelfAttention"]


class SelfAttention(Layer):
    """Let every step of a sequence take up what fits it from all of them: scaled dot-product attention.

    ``q, k, v = x @ W + b``, of each step a query, a key and a value
    ``P = softmax(q @ k.T / sqrt(features / heads))``, how much each query takes from each step
    ``y = (P @ v) @ W_out + b_out``

    Each head does so with its own share of the features, and `W_out` puts together what they have found.

    Parameters
    ----------
    features : int
        Numbers of a step.
    heads : int
        Must divide `features`.
    causal : bool
        Whether a step sees only itself and the steps before it.
    padding : float, optional
        Steps at the end of a row all of whose features are this number are none: no step sees them, and
        what comes out for them is this number again. By default every step counts.
    weight_initializer : callable (rng, shape) -> ndarray, optional
        How `W` and `W_out` are drawn; by Glorot's uniform rule, as in PyTorch.
    bias_initializer : callable (rng, shape) -> ndarray, optional
        How `b` and `b_out` are drawn; zeros by default.

    Attributes
    ----------
    W : ndarray of shape (features, 3 * features)
        The weights of queries, keys and values, side by side; in each part the heads one after the other.
    W_out : ndarray of shape (features, features)
        The weights of what the heads have found.
    b, b_out : ndarray of shape (3 * features,), (features,)
        The biases.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If an argument cannot be used, or the heads do not divide the features.
    ShapeError
        In ``forward``, if the input is not of shape (batch, time, features).

    Notes
    -----
    It does not know the order of the steps: put `PositionEmbedding` before it. Time and memory grow with the
    square of the number of steps: ``batch * heads * time**2`` numbers are kept for the way back.

    With ``dP = dO @ v.T``, where dO is dL/d(P @ v), the softmax gives
    ``dS = P * (dP - the sum of dP * P over the keys)``, and so dL/dq is ``dS @ k`` and dL/dk ``dS.T @ q``,
    either times the scale; dL/dv is ``P.T @ dO``.

    References
    ----------
    A. Vaswani et al., "Attention Is All You Need", NIPS 2017, section 3.2. https://arxiv.org/abs/1706.03762

    Examples
    --------
    >>> layer = SelfAttention(4, heads=2, causal=True, padding=0.0)
    >>> layer.forward(np.ones((5, 10, 4))).shape
    (5, 10, 4)
    """

    W = Parameter()
    W_out = Parameter()
    b = Parameter()
    b_out = Parameter()

    def __init__(
        self,
        features: int,
        heads: int = 1,
        *,
        causal: bool = False,
        padding: float | None = None,
        weight_initializer: InitializerLike | None = None,
        bias_initializer: InitializerLike | None = None,
    ) -> None:
        self.features = check_integer("SelfAttention(features)", features, low=1)
        self.heads = check_integer("SelfAttention(heads=)", heads, low=1)
        if self.features % self.heads:
            fitting = [count for count in range(1, self.features + 1) if not self.features % count]
            what = f"a number that divides {self.features}"
            fix = f"Use one of {', '.join(map(str, fitting))}."
            raise ArgumentError("SelfAttention(heads=)", what, f"{self.heads}", fix)
        self.causal = check_bool("SelfAttention(causal=)", causal)
        self.padding = check_padding("SelfAttention(padding=)", padding)
        self.weight_initializer = weight_initializer
        self.bias_initializer = bias_initializer
        drawn = GlorotUniform() if weight_initializer is None else weight_initializer
        self.declare("W", (self.features, 3 * self.features), initializer=drawn)
        self.declare("W_out", (self.features, self.features), initializer=drawn)
        self.declare("b", (3 * self.features,), initializer=bias_initializer, decay=False)
        self.declare("b_out", (self.features,), initializer=bias_initializer, decay=False)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input sample: any number of steps."""
        return (None, self.features)  # type: ignore[return-value]

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of one output sample: that of the input."""
        check_sequence_shape(self, input_shape, self.features)
        return input_shape

    @quiet("over", "under")
    def forward(self, x: Array, ctx: Context | None = None) -> Array:
        """Let every step take up what fits it."""
        check_sequence(self, x, self.features)
        real = None if self.padding is None else real_steps(x, self.padding)
        projected = product(as_rows(x), self.W)
        projected += self.b
        q, k, v = self._heads(projected, x, 3)
        P = self._shares(q @ k.mT, real)
        found = as_rows((P @ v).swapaxes(-3, -2), 2)  # (..., batch, time, heads, share)
        y = product(found, self.W_out)
        y += self.b_out
        if ctx is not None:
            ctx.save(x, real, q, k, v, P, found)
        return _with_padding(y.reshape(*y.shape[:-2], *x.shape[-3:]), real, self.padding)

    @quiet("over", "under")
    def backward(self, dy: Array, ctx: Context) -> Array | None:
        """Write the gradients, return dL/dx."""
        x, real, q, k, v, P, found = ctx.saved
        dy = as_rows(_with_padding(dy, real, 0.0))
        product(found.mT, dy, out=ctx.grads.W_out)
        sum_over_batch(dy, out=ctx.grads.b_out)
        (dO,) = self._heads(product(dy, np.ascontiguousarray(self.W_out.mT)), x, 1)
        dS = dO @ v.mT
        dS -= row_sum(dS * P)
        dS *= P
        dS *= self._scale
        each = np.stack([dS @ k, dS.mT @ q, P.mT @ dO], axis=-4)  # (..., batch, 3, heads, time, share)
        d = as_rows(np.moveaxis(each, -2, -4), 3)
        product(as_rows(x).mT, d, out=ctx.grads.W)
        sum_over_batch(d, out=ctx.grads.b)
        if not ctx.needs_dx:
            return None
        dx = product(d, np.ascontiguousarray(self.W.mT))
        return dx.reshape(*dx.shape[:-2], *x.shape[-3:])

    @property
    def _scale(self) -> float:
        return 1 / math.sqrt(self.features // self.heads)

    def _heads(self, projected: Array, x: Array, count: int) -> tuple[Array, ...]:
        """Cut rows of so many times the features into heads, each (..., batch, heads, time, share)."""
        batch, time = x.shape[-3:-1]
        share = self.features // self.heads
        cut = projected.reshape(*projected.shape[:-2], batch, time, count, self.heads, share)
        cut = np.moveaxis(cut, (-3, -2, -4), (0, -3, -2))
        return tuple(np.ascontiguousarray(part) for part in cut)

    def _shares(self, S: Array, real: NDArray[np.bool_] | None) -> Array:
        """Compute the softmax of the scores over what a query may see; 0 where that is nothing."""
        S *= self._scale
        seen = None if real is None else real[..., None, None, :]
        if self.causal:
            earlier = np.tri(S.shape[-1], dtype=bool)
            seen = earlier if seen is None else seen & earlier
        if seen is not None:
            S = np.where(seen, S, S.dtype.type(-np.inf))
        # The largest score is subtracted, so exp cannot overflow, and the sum is 1 or more: unless there is
        # nothing to see, where the largest is -inf and the sum 0.
        S -= np.maximum(row_max(S), np.finfo(S.dtype).min)
        np.exp(S, out=S)
        S /= np.maximum(row_sum(S), 1)
        return S


class PositionEmbedding(Layer):
    """Add to every step a learned row for its place in the sequence.

    ``y[t] = x[t] + W[t]``

    Parameters
    ----------
    steps : int
        The most steps that a sequence may have.
    features : int
        Numbers of a step.
    padding : float, optional
        Steps at the end of a row all of whose features are this number are none, and stay as they are. By
        default every step counts.
    weight_initializer : callable (rng, shape) -> ndarray, optional
        How `W` is drawn; by Glorot's uniform rule by default.

    Attributes
    ----------
    W : ndarray of shape (steps, features)
        A row for each place.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If an argument cannot be used.
    ShapeError
        If the input is not of shape (batch, time, features), or has more steps.

    Notes
    -----
    dL/dx is dL/dy, and dL/dW[t] the sum of dL/dy[t] over the batch.

    References
    ----------
    J. Gehring et al., "Convolutional Sequence to Sequence Learning", ICML 2017, section 3.1.

    Examples
    --------
    >>> layer = PositionEmbedding(3, 1)
    >>> layer.W[...] = [[0.1], [0.2], [0.3]]
    >>> layer.forward(np.zeros((1, 2, 1), np.float32))
    array([[[0.1],
            [0.2]]], dtype=float32)
    """

    W = Parameter()

    def __init__(
        self,
        steps: int,
        features: int,
        *,
        padding: float | None = None,
        weight_initializer: InitializerLike | None = None,
    ) -> None:
        self.steps = check_integer("PositionEmbedding(steps)", steps, low=1)
        self.features = check_integer("PositionEmbedding(features)", features, low=1)
        self.padding = check_padding("PositionEmbedding(padding=)", padding)
        self.weight_initializer = weight_initializer
        drawn = GlorotUniform() if weight_initializer is None else weight_initializer
        self.declare("W", (self.steps, self.features), initializer=drawn)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input sample: any number of steps, up to its own."""
        return (None, self.features)  # type: ignore[return-value]

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of one output sample: that of the input."""
        check_sequence_shape(self, input_shape, self.features)
        self._check_steps(input_shape[0])
        return input_shape

    def forward(self, x: Array, ctx: Context | None = None) -> Array:
        """Add the rows."""
        check_sequence(self, x, self.features)
        time = x.shape[-2]
        self._check_steps(time)
        real = None if self.padding is None else real_steps(x, self.padding)
        if ctx is not None:
            ctx.save(real, time)
        W = self.W[..., :time, :]
        y = x + (W if W.ndim == 2 else W[..., None, :, :])
        return _with_padding(y, real, self.padding)

    def backward(self, dy: Array, ctx: Context) -> Array:
        """Write dL/dW, return dL/dx."""
        real, time = ctx.saved
        dy = _with_padding(dy, real, 0.0)
        ctx.grads.W[..., time:, :] = 0
        np.sum(dy, axis=-3, out=ctx.grads.W[..., :time, :])
        return dy

    def _check_steps(self, time: int | None) -> None:
        if time is not None and time > self.steps:
            fix = f"Write PositionEmbedding({time}, {self.features}), or shorten the sequences."
            raise ShapeError(f"{self}", f"at most {self.steps} steps", f"{time}", fix)


def _with_padding(y: Array, real: NDArray[np.bool_] | None, number: Any) -> Array:
    """Put a number where there is no step."""
    return y if real is None else np.where(real[..., None], y, y.dtype.type(number))
