"""Dropout: in training, silence neurons at random, so that none is relied on alone."""

from __future__ import annotations

from nnlite.core.aliases import Array
from nnlite.core.context import Context
from nnlite.core.layer import Layer
from nnlite.errors import ArgumentError
from nnlite.errors.checks import check_number

__all__ = ["Dropout"]


class Dropout(Layer):
    """Set each input to zero with probability `rate`, and scale up the rest.

    The survivors are divided by ``1 - rate``, so the expected output is the input, and
    prediction, where nothing is dropped, needs no correction.

    Parameters
    ----------
    rate : float
        Probability of being dropped, in [0, 1).

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If `rate` is no number in [0, 1); in ``forward``, if a training pass brings no
        random generator.

    References
    ----------
    N. Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from
    Overfitting", JMLR 15, 2014 (with the scaling moved from test to training time).

    Examples
    --------
    >>> import numpy as np
    >>> from nnlite.layers import Context, Gradients
    >>> x = np.ones((1, 6))
    >>> Dropout(0.5).forward(x)
    array([[1., 1., 1., 1., 1., 1.]])
    >>> Dropout(0.5).forward(x, Context(Gradients({}), rng=np.random.default_rng(0)))
    array([[2., 2., 2., 0., 0., 0.]])
    """

    stochastic = True

    def __init__(self, rate: float) -> None:
        self.rate = check_number("Dropout(rate)", rate, low=0, high=1, high_open=True)

    def forward(self, x: Array, ctx: Context | None = None) -> Array:
        """Drop in training; return `x` itself otherwise."""
        if ctx is None:
            return x
        if not ctx.training:
            ctx.save(None)
            return x
        if ctx.rng is None:
            fix = "Give the context an rng."
            raise ArgumentError(f"{self}", "a random generator in training", "none", fix)
        # Drawn in float32 whatever the dtype of x: half the cost, and 24 bits are enough for a coin.
        mask = (ctx.rng.random(x.shape, dtype="float32") >= self.rate).astype(x.dtype)
        mask *= 1 / (1 - self.rate)
        ctx.save(mask)
        y: Array = x * mask
        return y

    def backward(self, dy: Array, ctx: Context) -> Array:
        """Let the blame through where the signal went through."""
        (mask,) = ctx.saved
        return dy if mask is None else dy * mask
