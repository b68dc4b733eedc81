"""Adam: each number gets a step of its own length, by how large its gradients have been."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from nnlite.core.aliases import Array
from nnlite.core.optimizers import Optimizer, Rate, acts
from nnlite.core.sums import constant
from nnlite.errors.checks import check_bool, check_number, check_share

__all__ = ["Adam"]


class Adam(Optimizer):
    """Momentum over a running root mean square, both corrected for their start at zero.

    ``m = beta1 * m + (1 - beta1) * g``, ``v = beta2 * v + (1 - beta2) * g**2``,
    ``w -= rate * m / (1 - beta1**t) / (sqrt(v / (1 - beta2**t)) + epsilon)``

    Parameters
    ----------
    learning_rate : float, ndarray of shape (replicas,), or callable
        The rate, one for each replica, or a schedule from step to rate.
    beta1, beta2 : float
        In [0, 1): how slowly the mean gradient and the mean square are forgotten.
    epsilon : float
        Keeps the division finite.
    amsgrad : bool
        Divide by the largest mean square so far in the place of the present one, so that no step of a number
        becomes longer because its gradients have become small. It takes another array.
    weight_decay : float or ndarray of shape (replicas,)
        Coupled: ``weight_decay * w`` is added to the gradient of weights, not of biases, before
        anything else, as in PyTorch's Adam. So it goes through the two means, and acts less where
        gradients are large; that of `AdamW` is apart from them.
    clip_norm, clip_value : float, optional
        See `Optimizer`.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If an argument cannot be used.

    Notes
    -----
    The state holds ``m / (1 - beta1)`` and ``v / (1 - beta2)``: the same rule, with three
    passes over the arrays fewer.

    References
    ----------
    D. Kingma and J. Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015,
    algorithm 1. AMSGrad: S. Reddi, S. Kale and S. Kumar, "On the Convergence of Adam and Beyond", ICLR 2018,
    algorithm 2; with both corrections for the start, as PyTorch has it.

    Examples
    --------
    >>> Adam()
    Adam(learning_rate=0.001, steps=0)
    >>> Adam(amsgrad=True).slots
    ('first_moment', 'second_moment', 'largest_second_moment')
    """

    amsgrad: bool = False  # also of one that was pickled when there was none

    def __init__(
        self,
        learning_rate: Rate | Callable[[int], Rate] = 0.001,
        *,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        amsgrad: bool = False,
        weight_decay: Rate = 0.0,
        clip_norm: float | None = None,
        clip_value: float | None = None,
    ) -> None:
        super().__init__(learning_rate, clip_norm=clip_norm, clip_value=clip_value, weight_decay=weight_decay)
        name = type(self).__name__
        self.beta1 = check_share(f"{name}(beta1=)", beta1)
        self.beta2 = check_share(f"{name}(beta2=)", beta2)
        self.epsilon = check_number(f"{name}(epsilon=)", epsilon, low=0, low_open=True)
        self.amsgrad = check_bool(f"{name}(amsgrad=)", amsgrad)

    @property
    def slots(self) -> tuple[str, ...]:
        """The two moments, scaled; and the largest second one, if that is asked for."""
        moments = ("first_moment", "second_moment")
        return (*moments, "largest_second_moment") if self.amsgrad else moments

    def update(self, w: Array, g: Array, rate: float | Array, decay: float | Array, *state: Array) -> None:
        """Step by the first moment over the root of the second."""
        first, second, *largest = state
        if acts(decay):
            g = g + decay * w
        first *= constant(float(self.beta1), w.dtype.char)  # m / (1 - beta1)
        first += g
        second *= constant(float(self.beta2), w.dtype.char)  # v / (1 - beta2)
        second += g * g
        if largest:
            second = np.maximum(largest[0], second, out=largest[0])
        # The square root in the formula is sqrt(second) / scale. Both sides of the bar times scale:
        scale = math.sqrt((1 - self.beta2**self.steps) / (1 - self.beta2))
        move = np.sqrt(second)
        move += self.epsilon * scale
        np.divide(first, move, out=move)
        move *= rate * scale * (1 - self.beta1) / (1 - self.beta1**self.steps)
        w -= move
