"""One rise to a high rate, and one long fall."""

from __future__ import annotations

from nnlite.schedules.base import NEXT_TO_NOTHING, Lasting, cosine

__all__ = ["OneCycle"]


class OneCycle(Lasting):
    """One rise to a high rate and one long fall to a very low one, both along a cosine.

    The rate rises from ``peak / start_divisor`` to `peak`, which it reaches at step
    ``warm_up * steps - 1``, and falls to ``peak / start_divisor / final_divisor``,
    which it reaches at step ``steps - 1`` and keeps.

    Parameters
    ----------
    peak : float
        The highest learning rate, greater than 0.
    steps : int, optional
        The number of updates in the whole cycle, at least 1. A step is one batch.
    epochs : float, optional
        The same in epochs of the training. Without either it is the whole training.
    warm_up : float
        The part of the steps that the rise takes, from 0 to less than 1.
    start_divisor : float
        How many times lower than `peak` the first rate is, at least 1.
    final_divisor : float
        How many times lower than the first rate the last one is, at least 1.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If an argument is outside its range.

    References
    ----------
    Smith, Topin: Super-Convergence, Very Fast Training of Neural Networks Using Large
    Learning Rates, 2018. https://arxiv.org/abs/1708.07120

    Examples
    --------
    >>> from nnlite.schedules import OneCycle
    >>> rate = OneCycle(1.0, steps=100)
    >>> print(f"{rate(0):.2g} {rate(29):.2g} {rate(99):.2g}")
    0.04 1 4e-06
    """

    def __init__(
        self,
        peak: float,
        *,
        steps: int | None = None,
        epochs: float | None = None,
        warm_up: float = 0.3,
        start_divisor: float = 25.0,
        final_divisor: float = 1e4,
    ) -> None:
        self.peak = self._number("peak", peak, low_open=True)
        self._set_length(steps, epochs)
        self.warm_up = self._number("warm_up", warm_up, high=1.0, high_open=True)
        self.start_divisor = self._number("start_divisor", start_divisor, low=1.0)
        self.final_divisor = self._number("final_divisor", final_divisor, low=1.0)

    @property
    def over(self) -> int | None:
        """The end, if the last rate is next to nothing."""
        return self.steps if NEXT_TO_NOTHING * self.start_divisor * self.final_divisor > 1 else None

    def __call__(self, step: int) -> float:
        """Return the rate on the way up or on the way down."""
        first = self.peak / self.start_divisor
        length = self._length
        last_step = length - 1
        # Not a whole number as a rule, and below 0 where there is no room for a rise.
        peak_step = self.warm_up * length - 1.0
        if step < peak_step:
            return cosine(first, self.peak, step / peak_step)
        progress = (min(step, last_step) - peak_step) / (last_step - peak_step)
        return cosine(self.peak, first / self.final_divisor, progress)
