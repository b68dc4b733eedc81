"""Waves: the rate goes down along a cosine, and up at once."""

from __future__ import annotations

from nnlite.errors.checks import check_integer
from nnlite.schedules.base import Lasting, cosine

__all__ = ["CosineRestarts"]


class CosineRestarts(Lasting):
    """Half a cosine wave from the first rate down to the final one, again and again.

    Behind each wave the rate jumps up to the first one. With `growth` each wave is so many times
    as long as the one before. A wave of n steps does not reach `final`: it begins anew with step n.

    Parameters
    ----------
    rate : float
        The rate at which each wave begins, greater than 0.
    steps : int, optional
        How long the first wave is, at least 1. A step is one batch.
    epochs : float, optional
        The same in epochs of the training. Without either it is the whole training,
        and there is one wave.
    growth : int
        How many times as long as the one before each wave is, at least 1.
    final : float
        The rate down to which each wave goes, from 0 to `rate`.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If an argument is outside its range.

    References
    ----------
    Loshchilov, Hutter: SGDR, Stochastic Gradient Descent with Warm Restarts, ICLR 2017,
    equation 5. https://arxiv.org/abs/1608.03983

    Examples
    --------
    >>> from nnlite.schedules import CosineRestarts
    >>> rate = CosineRestarts(0.5, steps=10, growth=2)
    >>> rate(0), rate(5), rate(10), rate(20), rate(30)
    (0.5, 0.25, 0.5, 0.25, 0.5)
    """

    def __init__(
        self,
        rate: float,
        *,
        steps: int | None = None,
        epochs: float | None = None,
        growth: int = 1,
        final: float = 0.0,
    ) -> None:
        self.rate = self._number("rate", rate, low_open=True)
        self._set_length(steps, epochs)
        self.growth = check_integer("CosineRestarts(growth=)", growth, low=1)
        self.final = self._number("final", final, high=self.rate)

    def __call__(self, step: int) -> float:
        """Return the rate at that point of the present wave."""
        length = self._length
        if self.growth == 1:
            step %= length
        while step >= length:
            step, length = step - length, length * self.growth
        return cosine(self.rate, self.final, step / length)
