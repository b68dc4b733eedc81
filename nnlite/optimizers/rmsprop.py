"""RMSProp: each gradient is measured by what it has been of late."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nnlite.core.aliases import Array
from nnlite.core.optimizers import Optimizer, Rate, acts
from nnlite.errors.checks import check_number, check_share

__all__ = ["RMSProp"]


class RMSProp(Optimizer):
    """Divide each gradient by a running root mean square of its own past.

    ``s = rho * s + (1 - rho) * g**2``, ``w -= rate * g / (sqrt(s) + epsilon)``

    Parameters
    ----------
    learning_rate : float, ndarray of shape (replicas,), or callable
        The rate, one for each replica, or a schedule from step to rate.
    rho : float
        In [0, 1): how slowly the past is forgotten.
    momentum : float
        In [0, 1): how much of the last step goes into this one.
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
    T. Tieleman and G. Hinton, "Lecture 6.5: rmsprop", Neural Networks for Machine
    Learning, 2012.

    Examples
    --------
    >>> RMSProp(0.001)
    RMSProp(learning_rate=0.001, steps=0)
    """

    def __init__(
        self,
        learning_rate: Rate | Callable[[int], Rate] = 0.01,
        *,
        rho: float = 0.99,
        momentum: float = 0.0,
        epsilon: float = 1e-8,
        weight_decay: Rate = 0.0,
        clip_norm: float | None = None,
        clip_value: float | None = None,
    ) -> None:
        super().__init__(learning_rate, clip_norm=clip_norm, clip_value=clip_value, weight_decay=weight_decay)
        self.rho = check_share("RMSProp(rho=)", rho)
        self.momentum = check_share("RMSProp(momentum=)", momentum)
        self.epsilon = check_number("RMSProp(epsilon=)", epsilon, low=0, low_open=True)

    @property
    def slots(self) -> tuple[str, ...]:
        """The mean square, and the velocity if there is momentum."""
        return ("mean_square", "velocity") if self.momentum else ("mean_square",)

    def update(self, w: Array, g: Array, rate: float | Array, decay: float | Array, *state: Array) -> None:
        """Step by the gradient over its root mean square."""
        if acts(decay):
            g = g + decay * w
        mean_square = state[0]
        mean_square *= self.rho
        mean_square += (1 - self.rho) * (g * g)
        move = np.sqrt(mean_square)
        move += self.epsilon
        np.divide(g, move, out=move)
        if self.momentum:
            velocity = state[1]
            velocity *= self.momentum
            velocity += move
            move = velocity
        w -= rate * move
