"""A straight line down to the last rate, or a curve that falls early."""

from __future__ import annotations

from nnlite.schedules.base import NEXT_TO_NOTHING, Lasting

__all__ = ["PolynomialDecay"]


class PolynomialDecay(Lasting):
    """A straight line, or another power of what is left, from the first rate down to the final one.

    The rate is ``final + (rate - final) * (1 - step / steps) ** power``, and stays `final` behind
    the end.

    Parameters
    ----------
    rate : float
        The first learning rate, greater than 0.
    steps : int, optional
        The step at which `final` is reached, at least 1. A step is one batch.
    epochs : float, optional
        The same in epochs of the training. Without either it is the whole training.
    power : float
        1 for a straight line; larger than that, the rate falls early.
    final : float
        The last learning rate, from 0 to `rate`.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If an argument is outside its range.

    Examples
    --------
    >>> from nnlite.schedules import PolynomialDecay
    >>> rate = PolynomialDecay(0.5, steps=100, power=2)
    >>> rate(0), rate(50), rate(100), rate(200)
    (0.5, 0.125, 0.0, 0.0)
    """

    def __init__(
        self,
        rate: float,
        *,
        steps: int | None = None,
        epochs: float | None = None,
        power: float = 1.0,
        final: float = 0.0,
    ) -> None:
        self.rate = self._number("rate", rate, low_open=True)
        self._set_length(steps, epochs)
        self.power = self._number("power", power, low_open=True)
        self.final = self._number("final", final, high=self.rate)

    @property
    def over(self) -> int | None:
        """The end, if `final` is next to nothing."""
        return self.steps if self.final < NEXT_TO_NOTHING * self.rate else None

    def __call__(self, step: int) -> float:
        """Return the rate for what is left."""
        left = 1.0 - min(step / self._length, 1.0)
        return float(self.final + (self.rate - self.final) * left**self.power)
