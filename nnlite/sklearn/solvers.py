"""The update rules of scikit-learn's solvers, which differ a little from nnlite's own."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from nnlite.core.aliases import Array
from nnlite.core.optimizers import Optimizer
from nnlite.core.parameters import Parameters
from nnlite.optimizers.adam import Adam
from nnlite.optimizers.second_order import LBFGS

__all__ = ["SklearnAdam", "SklearnLBFGS", "SklearnSGD"]


class SklearnSGD(Optimizer):
    """Descent with a velocity that holds the learning rate of the step at which it was gained.

    ``v = momentum * v - rate * g``, ``w += v``; with Nesterov's variant
    ``w += momentum * v - rate * g``. As long as the rate stays the same, that is `nnlite.SGD`; when it
    falls, this velocity keeps the speed that it had, and that of `nnlite.SGD` slows down at once.

    Parameters
    ----------
    learning_rate : float
        The rate.
    momentum : float
        In [0, 1].
    nesterov : bool
        Look ahead along the velocity.

    Examples
    --------
    >>> from nnlite.core.parameters import ParameterSpec
    >>> params = Parameters([ParameterSpec("W", (2,))])
    >>> params.grads[...] = [1.0, -2.0]
    >>> SklearnSGD(0.5, momentum=0.0).step(params)
    >>> params.values
    array([-0.5,  1. ], dtype=float32)
    """

    def __init__(self, learning_rate: float, *, momentum: float = 0.9, nesterov: bool = True) -> None:
        super().__init__(learning_rate)
        self.momentum = float(momentum)
        self.nesterov = bool(nesterov)

    @property
    def slots(self) -> tuple[str, ...]:
        """The velocity, if there is momentum."""
        return ("velocity",) if self.momentum else ()

    def update(self, w: Array, g: Array, rate: float | Array, decay: float | Array, *state: Array) -> None:
        """Step along the velocity."""
        step = rate * g
        if state:
            (velocity,) = state
            velocity *= self.momentum
            velocity -= step
            if not self.nesterov:
                w += velocity
                return
            w += self.momentum * velocity
        w -= step


class SklearnAdam(Adam):
    """Adam whose epsilon is added before the mean square is corrected for its start at zero.

    ``w -= rate * sqrt(1 - beta2**t) / (1 - beta1**t) * m / (sqrt(v) + epsilon)``, the form that the
    paper names as the more efficient one at the end of its section 2.

    References
    ----------
    D. Kingma and J. Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015, section 2.

    Examples
    --------
    >>> SklearnAdam(0.01)
    SklearnAdam(learning_rate=0.01, steps=0)
    """

    def update(self, w: Array, g: Array, rate: float | Array, decay: float | Array, *state: Array) -> None:
        """Step by the first moment over the root of the second."""
        # Both moments are kept divided by (1 - beta), as in nnlite.Adam: three passes fewer.
        first, second = state
        first *= self.beta1
        first += g
        second *= self.beta2
        move = g * g
        second += move
        np.sqrt(second, out=move)
        scale = math.sqrt(1 - self.beta2)
        move += self.epsilon / scale
        np.divide(first, move, out=move)
        move *= (
            rate
            * math.sqrt(1 - self.beta2**self.steps)
            / (1 - self.beta1**self.steps)
            * ((1 - self.beta1) / scale)
        )
        w -= move


class SklearnLBFGS(LBFGS):
    """L-BFGS that remembers how it ended.

    Attributes
    ----------
    iterations : int
        How many it made in the last search.
    message : str
        What SciPy said at the end of it.

    Examples
    --------
    >>> SklearnLBFGS().iterations
    0
    """

    iterations: int = 0
    message: str = ""

    def minimize(
        self,
        params: Parameters,
        evaluate: Callable[[], float],
        *,
        max_iterations: int,
        on_iteration: Callable[[float], bool] | None = None,
    ) -> str:
        """Lower the loss; see `LBFGS.minimize`."""
        self.iterations = 0

        def count(value: float) -> bool:
            self.iterations += 1
            return on_iteration is not None and on_iteration(value)

        self.message = ""
        self.message = super().minimize(params, evaluate, max_iterations=max_iterations, on_iteration=count)
        return self.message
