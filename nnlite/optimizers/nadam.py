"""NAdam: Adam that looks ahead along its momentum, as Nesterov's variant does."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from nnlite.core.aliases import Array
from nnlite.core.optimizers import Optimizer, Rate, acts
from nnlite.core.sums import constant
from nnlite.errors.checks import check_number, check_share

__all__ = ["NAdam"]


class NAdam(Optimizer):
    """Adam whose step goes by the present gradient and by the momentum of the next step.

    With ``m`` and ``v`` of `Adam` and ``u(t) = beta1 * (1 - 0.96**(t * momentum_decay) / 2)``, a momentum
    that grows to `beta1`,

    ``w -= rate * (u(t + 1) * m / (1 - u(1) ... u(t + 1)) + (1 - u(t)) * g / (1 - u(1) ... u(t)))
    / (sqrt(v / (1 - beta2**t)) + epsilon)``

    Parameters
    ----------
    learning_rate : float, ndarray of shape (replicas,), or callable
        The rate, one for each replica, or a schedule from step to rate.
    beta1, beta2, epsilon : float
        See `Adam`.
    momentum_decay : float
        How fast the momentum comes to `beta1`; with 0 it is half of that all the time.
    weight_decay : float or ndarray of shape (replicas,)
        Coupled, as that of `Adam`.
    clip_norm, clip_value : float, optional
        See `Optimizer`.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If an argument cannot be used.

    Notes
    -----
    It is PyTorch's rule, with its defaults. There is no ``amsgrad=``, as there is none in PyTorch.

    References
    ----------
    T. Dozat, "Incorporating Nesterov Momentum into Adam", ICLR 2016 workshop, algorithm 2; the schedule
    of the momentum is that of section 3.4 of his report of the same name.

    Examples
    --------
    >>> NAdam()
    NAdam(learning_rate=0.002, steps=0)
    >>> [round(number, 3) for number in NAdam().momentum_at(1)]
    [0.45, 0.45, 0.203]
    """

    #: What the last product was made with, up to which step, and that product.
    _product: tuple[tuple[float, float], int, float] | None = None

    def __init__(
        self,
        learning_rate: Rate | Callable[[int], Rate] = 0.002,
        *,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        momentum_decay: float = 0.004,
        weight_decay: Rate = 0.0,
        clip_norm: float | None = None,
        clip_value: float | None = None,
    ) -> None:
        super().__init__(learning_rate, clip_norm=clip_norm, clip_value=clip_value, weight_decay=weight_decay)
        self.beta1 = check_share("NAdam(beta1=)", beta1)
        self.beta2 = check_share("NAdam(beta2=)", beta2)
        self.epsilon = check_number("NAdam(epsilon=)", epsilon, low=0, low_open=True)
        self.momentum_decay = check_number("NAdam(momentum_decay=)", momentum_decay, low=0)

    @property
    def slots(self) -> tuple[str, ...]:
        """The two moments, scaled as those of `Adam`."""
        return ("first_moment", "second_moment")

    def momentum_at(self, step: int) -> tuple[float, float, float]:
        """Return the momentum of a step and of the next one, and the product of all up to the next one.

        Parameters
        ----------
        step : int
            Its number, from 1.

        Returns
        -------
        present, following, product : float
        """
        settings = self.beta1, self.momentum_decay
        if self._product is None or self._product[0] != settings or self._product[1] > step:
            self._product = settings, 0, 1.0
        _, made, product = self._product
        for number in range(made + 1, step + 1):  # in this order, so that it has the same last digits later
            product *= self._momentum(number)
        self._product = settings, step, product
        following = self._momentum(step + 1)
        return self._momentum(step), following, product * following

    def _momentum(self, step: int) -> float:
        return self.beta1 * (1 - 0.5 * math.pow(0.96, step * self.momentum_decay))

    def shares_at(self, step: int) -> tuple[float, float, float]:
        """Return what a step is made of.

        Parameters
        ----------
        step : int
            Its number, from 1.

        Returns
        -------
        scale, of_moment, of_gradient : float
            The step is ``rate * (of_moment * first + of_gradient * g) / (sqrt(second) + epsilon * scale)``,
            with the two moments as they are kept.

        Examples
        --------
        >>> [round(number, 3) for number in NAdam(beta2=0.0).shares_at(1)]
        [1.0, 0.056, 1.0]
        """
        present, following, product = self.momentum_at(step)
        scale = math.sqrt((1 - self.beta2**step) / (1 - self.beta2))
        of_moment = scale * (1 - self.beta1) * following / (1 - product)
        return scale, of_moment, scale * (1 - present) / (1 - product / following)

    def update(self, w: Array, g: Array, rate: float | Array, decay: float | Array, *state: Array) -> None:
        """Step by both over the root of the second moment."""
        first, second = state
        if acts(decay):
            g = g + decay * w
        first *= constant(float(self.beta1), w.dtype.char)  # m / (1 - beta1)
        first += g
        second *= constant(float(self.beta2), w.dtype.char)  # v / (1 - beta2)
        second += g * g
        scale, of_moment, of_gradient = self.shares_at(self.steps)
        root = np.sqrt(second)
        root += self.epsilon * scale
        move = of_gradient * g
        move += of_moment * first
        move /= root
        move *= rate
        w -= move
