"""Lion: every parameter moves equally far."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nnlite.core.aliases import Array
from nnlite.core.optimizers import Optimizer, Rate, acts
from nnlite.errors.checks import check_share

__all__ = ["Lion"]


class Lion(Optimizer):
    """Step by the sign of a mix of momentum and gradient: every parameter moves equally far.

    ``w -= rate * (sign(beta1 * m + (1 - beta1) * g) + weight_decay * w)``,
    ``m = beta2 * m + (1 - beta2) * g``. Weight decay acts on weights only.

    Parameters
    ----------
    learning_rate : float, ndarray of shape (replicas,), or callable
        The rate, one for each replica, or a schedule; three to ten times smaller than for Adam.
    beta1, beta2 : float
        In [0, 1): the share of the past in the step, and in what is kept.
    weight_decay : float or ndarray of shape (replicas,)
        Decoupled: how strongly weights, not biases, are pulled to zero, apart from the gradient, as
        in the paper.
    clip_norm, clip_value : float, optional
        See `Optimizer`.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If an argument cannot be used.

    References
    ----------
    X. Chen et al., "Symbolic Discovery of Optimization Algorithms", NeurIPS 2023,
    algorithm 2.

    Examples
    --------
    >>> Lion()
    Lion(learning_rate=0.0001, steps=0)
    """

    def __init__(
        self,
        learning_rate: Rate | Callable[[int], Rate] = 0.0001,
        *,
        beta1: float = 0.9,
        beta2: float = 0.99,
        weight_decay: Rate = 0.0,
        clip_norm: float | None = None,
        clip_value: float | None = None,
    ) -> None:
        super().__init__(learning_rate, clip_norm=clip_norm, clip_value=clip_value, weight_decay=weight_decay)
        self.beta1 = check_share("Lion(beta1=)", beta1)
        self.beta2 = check_share("Lion(beta2=)", beta2)

    @property
    def slots(self) -> tuple[str, ...]:
        """The momentum."""
        return ("momentum",)

    def update(self, w: Array, g: Array, rate: float | Array, decay: float | Array, *state: Array) -> None:
        """Step by the sign."""
        (momentum,) = state
        if acts(decay):
            w *= 1 - rate * decay
        mix = self.beta1 * momentum
        mix += (1 - self.beta1) * g
        w -= rate * np.sign(mix)
        momentum *= self.beta2
        momentum += (1 - self.beta2) * g
