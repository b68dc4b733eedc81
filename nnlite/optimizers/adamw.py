"""AdamW: Adam, with weight decay of its own."""

from __future__ import annotations

from collections.abc import Callable

from nnlite.core.aliases import Array
from nnlite.core.optimizers import Rate, acts
from nnlite.optimizers.adam import Adam

__all__ = ["AdamW"]


class AdamW(Adam):
    """Adam with weight decay that is apart from the gradient, on weights only.

    Before each step of Adam, ``w *= 1 - rate * weight_decay`` for weights, not for biases.

    Parameters
    ----------
    learning_rate : float, ndarray of shape (replicas,), or callable
        The rate, one for each replica, or a schedule from step to rate.
    weight_decay : float or ndarray of shape (replicas,)
        Decoupled: how strongly weights are pulled to zero, apart from the gradient.
    beta1, beta2, epsilon : float
        See `Adam`.
    amsgrad : bool
        See `Adam`.
    clip_norm, clip_value : float, optional
        See `Optimizer`.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If an argument cannot be used.

    References
    ----------
    I. Loshchilov and F. Hutter, "Decoupled Weight Decay Regularization", ICLR 2019,
    algorithm 2.

    Examples
    --------
    >>> AdamW(weight_decay=0.1).weight_decay
    0.1
    """

    def __init__(
        self,
        learning_rate: Rate | Callable[[int], Rate] = 0.001,
        *,
        weight_decay: Rate = 0.01,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        amsgrad: bool = False,
        clip_norm: float | None = None,
        clip_value: float | None = None,
    ) -> None:
        super().__init__(
            learning_rate,
            beta1=beta1,
            beta2=beta2,
            epsilon=epsilon,
            amsgrad=amsgrad,
            weight_decay=weight_decay,
            clip_norm=clip_norm,
            clip_value=clip_value,
        )

    def update(self, w: Array, g: Array, rate: float | Array, decay: float | Array, *state: Array) -> None:
        """Pull the weights to zero, then step as Adam does."""
        if acts(decay):
            w *= 1 - rate * decay
        super().update(w, g, rate, 0.0, *state)
