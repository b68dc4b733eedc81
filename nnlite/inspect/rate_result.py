"""What a search for a learning rate has found: the suggestion, what speaks for it, and a picture."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nnlite.core.aliases import Array
from nnlite.inspect.numbers import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["RateSearch"]


@dataclass(kw_only=True, eq=False, repr=False)
class RateSearch:
    """A suggested learning rate, and what speaks for it; `find_learning_rate` makes it.

    Parameters
    ----------
    rate : float
        The suggestion.
    reason : str
        Why that one.
    start : float
        The loss before the first step.
    rates : ndarray of shape (steps,)
        Those of the range test, rising, as far as it went.
    losses : ndarray of shape (steps,)
        The loss after the step with each of them, on the same rows throughout.
    smoothed : ndarray of shape (steps,)
        Their exponential average, corrected for its start.
    trial_rates : ndarray of shape (trials,)
        The rates that were tried, falling.
    trial_losses : ndarray of shape (trials,)
        The loss over the last three quarters of some training with each; infinite where it was no
        finite number at some time.
    trial_steps : int
        How many steps that training had.

    Attributes
    ----------
    rate, reason, start, rates, losses, smoothed, trial_rates, trial_losses, trial_steps
        What was given.

    Examples
    --------
    >>> from nnlite import Dense, MeanSquaredError, Sequential, Tanh, datasets
    >>> from nnlite.inspect import find_learning_rate
    >>> X, y = datasets.sine(100, rng=0)
    >>> model = Sequential([Dense(1, 16), Tanh(), Dense(16, 1)], rng=0)
    >>> found = find_learning_rate(model, X, y, MeanSquaredError(), rng=0)
    >>> bool(found.losses.min() < found.start), 0.01 < found.rate < 0.5
    (True, True)
    """

    rate: float
    reason: str
    start: float
    rates: Array
    losses: Array
    smoothed: Array
    trial_rates: Array
    trial_losses: Array
    trial_steps: int

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data, which ``json.dumps`` takes; what is not finite is None.

        Returns
        -------
        dict
            With the attributes as entries.
        """
        found: dict[str, Any] = plain(vars(self))
        return found

    def _table(self) -> list[tuple[str, str, str]]:
        """Say what came of each trial: its rate, its loss, and whether it is the suggestion."""
        return [
            (f"{rate:.2g}", f"{loss:.4g}" if math.isfinite(loss) else "not finite",
             "suggested" if rate == self.rate else "")
            for rate, loss in zip(self.trial_rates[::-1], self.trial_losses[::-1], strict=True)
        ]  # fmt: skip

    def __str__(self) -> str:
        lines = [f"learning rate {self.rate:.2g}", self.reason]
        if len(self.trial_rates):
            lines += ["", f"{'rate':>9}  loss over {self.trial_steps} steps"]
            lines += [f"{rate:>9}  {loss}{mark and f'  <- {mark}'}" for rate, loss, mark in self._table()]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from html import escape

        head = f"<p><b>learning rate {self.rate:.2g}</b><br>{escape(self.reason)}</p>"
        if not len(self.trial_rates):
            return head
        right = "<td style='text-align:right'>"
        rows = "".join(
            f"<tr>{right}{rate}</td>{right}{loss}</td><td>{mark}</td></tr>"
            for rate, loss, mark in self._table()
        )
        names = f"<thead><tr><th>rate</th><th>loss over {self.trial_steps} steps</th><th></th></tr></thead>"
        return f"{head}<table>{names}<tbody>{rows}</tbody></table>"

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the loss of the range test over the rate, the trials, and the suggestion.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default in a new figure.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        ModuleNotFoundError
            If matplotlib is not installed.
        ArgumentTypeError
            If `ax` is no Axes.
        """
        from nnlite.plot.style import (
            BLACK,
            BLUE,
            GREY,
            LIGHT,
            ORANGE,
            VERMILION,
            legend,
            new_axes,
            open_frame,
        )

        ax = new_axes("RateSearch.plot", ax)
        finite = np.concatenate([part[np.isfinite(part)] for part in (self.smoothed, self.trial_losses)])
        low, high = min(float(finite.min()), self.start), self.start
        way = (high - low) or abs(high) or 1.0
        bottom, top = low - 0.08 * way, high + 0.5 * way
        ax.axhline(self.start, color=LIGHT, lw=1, zorder=0)
        ax.annotate(
            "loss at the start", (0.01, self.start), xycoords=("axes fraction", "data"), xytext=(0, 3),
            textcoords="offset points", color=GREY, fontsize=8,
        )  # fmt: skip
        drawn = np.clip(self.losses, bottom, 2 * top - bottom)  # so that a jump to infinity is a line, too
        ax.plot(self.rates, drawn, color=BLUE, lw=0.8, alpha=0.5)
        ax.plot(self.rates, np.clip(self.smoothed, bottom, 2 * top - bottom), color=BLUE, label="range test")
        if len(self.trial_rates):
            held = np.clip(self.trial_losses, bottom, top)
            lost = ~(self.trial_losses <= top)
            ax.plot(self.trial_rates, np.where(lost, np.nan, held), "o-", color=ORANGE, lw=1, ms=5, mec=BLACK,
                    mew=0.5, label=f"{self.trial_steps} steps at one rate")  # fmt: skip
            if lost.any():
                ax.plot(self.trial_rates[lost], np.full(lost.sum(), top - 0.04 * way), "^", color=VERMILION,
                        mec=BLACK, mew=0.5, label="above the picture")  # fmt: skip
        ax.axvline(self.rate, color=BLACK, ls="--", lw=1.2, label=f"suggestion, {self.rate:.2g}")
        ax.set(xscale="log", xlabel="learning rate", ylabel="loss", ylim=(bottom, top))
        legend(ax)
        open_frame(ax)
        return ax
