"""Adagrad: each gradient is measured by all that it has been."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nnlite.core.aliases import Array
from nnlite.core.optimizers import Optimizer, Rate, acts
from nnlite.errors.checks import check_number

__all__ = ["Adagrad"]


class Adagrad(Optimizer):
    """Divide each gradient by the root of the sum of its squares so far.

    ``s += g**2``, ``w -= rate * g / (sqrt(s) + epsilon)``

    Parameters
    ----------
    learning_rate : float, ndarray of shape (replicas,), or callable
        The rate, one for each replica, or a schedule from step to rate.
    epsilon : float
        Keeps the division finite.
    weight_decay : float or ndarray of shape (replicas,)
        Coupled: ``weight_decay * w`` is added to the gradient of weights, not of biases, before
        anything else, as in PyTorch.
    clip_norm, clip_value : float, optional
        See `Optimizer`.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If an argument cannot be used.

    References
    ----------
    J. Duchi, E. Hazan and Y. Singer, "Adaptive Subgradient Methods for Online Learning
    and Stochastic Optimization", JMLR 12, 2011.

    Examples
    --------
    >>> Adagrad(0.1)
    Adagrad(learning_rate=0.1, steps=0)
    """

    def __init__(
        self,
        learning_rate: Rate | Callable[[int], Rate] = 0.01,
        *,
        epsilon: float = 1e-10,
        weight_decay: Rate = 0.0,
        clip_norm: float | None = None,
        clip_value: float | None = None,
    ) -> None:
        super().__init__(learning_rate, clip_norm=clip_norm, clip_value=clip_value, weight_decay=weight_decay)
        self.epsilon = check_number("Adagrad(epsilon=)", epsilon, low=0, low_open=True)

    @property
    def slots(self) -> tuple[str, ...]:
        """The sum of squares."""
        return ("sum_of_squares",)

    def update(self, w: Array, g: Array, rate: float | Array, decay: float | Array, *state: Array) -> None:
        """Step by the gradient over the root of its summed squares."""
        (squares,) = state
        if acts(decay):
            g = g + decay * w
        squares += g * g
        move = np.sqrt(squares)
        move += self.epsilon
        np.divide(g, move, out=move)
        move *= rate
        w -= move
