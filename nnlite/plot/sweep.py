"""`sweep`: too small and it crawls, too large and it overshoots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nnlite.core.aliases import Array
from nnlite.errors.arguments import explained
from nnlite.plot.style import (
    GREEN,
    ORANGE,
    SKY,
    VERMILION,
    legend,
    new_axes,
    open_frame,
    pyplot,
    size_of,
    text_width,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


__all__ = ["sweep"]

#: A colour for each label of a sweep, from too small to too large.
COLOURS = {"crawls": SKY, "learns": GREEN, "overshoots": ORANGE, "diverges": VERMILION}
#: Losses are drawn from this part of that at the start, below which all is learned, to so many times it;
#: if some diverge, to so many times it at least.
DEPTH = 1e-6
HEIGHT = 1000.0
CLIMB = 30.0
#: The size of the words for the labels, in points.
LETTERS = 9.0


@explained
def sweep(result: Any, *, ax: Axes | None = None) -> Axes:
    """Draw the loss at the end over the rate, on a ground that shows what each rate does.

    Parameters
    ----------
    result : SweepResult
        What `nnlite.sweep` returned.
    ax : matplotlib.axes.Axes, optional
        Where to draw. By default in a new figure, with a loss curve of each label below.

    Returns
    -------
    matplotlib.axes.Axes
        The one with the loss over the rate.

    Raises
    ------
    ModuleNotFoundError
        If matplotlib is not installed.
    ArgumentTypeError
        If `ax` is no Axes.

    Examples
    --------
    >>> import nnlite as nn
    >>> model = nn.Sequential([nn.Dense(1, 1)], rng=0)
    >>> result = nn.sweep(model, [[-1.0], [1.0]], [[-3.0], [3.0]], learning_rate=[0.0001, 0.3])
    >>> ax = sweep(result)
    >>> [text.get_text() for text in ax.texts]
    ['crawls', 'learns']
    >>> ax.figure.clear()
    """
    if ax is None:
        shown = list(dict.fromkeys(result.labels))
        figure = pyplot("plot.sweep").figure(figsize=(8, 6.5), layout="constrained")
        grid = figure.add_gridspec(2, len(shown), height_ratios=(2, 1))
        ax = figure.add_subplot(grid[0, :])
        for place, label in enumerate(shown):
            _draw_curve(result, label, figure.add_subplot(grid[1, place]), first=place == 0)
    ax = new_axes("plot.sweep", ax)
    _draw_losses(result, ax)
    return ax


def _draw_losses(result: Any, ax: Axes) -> None:
    """Draw the loss at the end over the rate."""
    rates = np.array(result.rates)
    edges = np.sqrt(rates[:-1] * rates[1:])
    edges = np.concatenate([[rates[0] ** 2 / edges[0]], edges, [rates[-1] ** 2 / edges[-1]]])
    low, high = _limits(result)
    ax.set(xscale="log", xlim=(edges[0], edges[-1]), xlabel="learning rate", ylabel="loss at the end")
    tall = 1.5 * LETTERS
    for label, first, last in result.zones():
        ax.axvspan(edges[first], edges[last + 1], color=COLOURS[label], alpha=0.22, lw=0)
        middle = np.sqrt(edges[first] * edges[last + 1])
        part = np.log(edges[last + 1] / edges[first]) / np.log(edges[-1] / edges[0])
        room, long = 72 * part * size_of(ax)[0], text_width(label, LETTERS) + 4
        if room < 1.5 * LETTERS:
            continue
        upright = room < long
        tall = max(tall, long if upright else 0.0)
        ax.text(
            middle, 0.98, label, transform=ax.get_xaxis_transform(), va="top", ha="center",
            rotation=90 if upright else 0, color="#333333", fontsize=LETTERS,
        )  # fmt: skip
    words = min(0.03 + tall / (0.8 * 72 * size_of(ax)[1]), 0.5)  # the part of the picture for them
    _scale(ax, low, high, words)
    seeds = np.array([row["seed_losses"] for row in result.rows], dtype=np.float64)
    ax.plot(rates, np.clip(np.where(np.isnan(seeds), high, seeds), low, high), ".", color="#333333", ms=3)
    middle_losses = np.array([row["loss"] for row in result.rows], dtype=np.float64)
    ax.plot(rates, np.clip(middle_losses, low, high), color="black", lw=1.2)
    lost = ~(middle_losses < high)
    if lost.any():
        ax.plot(
            rates[lost], np.full(lost.sum(), high), "^", color=COLOURS["diverges"], mec="black", mew=0.5,
            label="infinite, or above the picture",
        )  # fmt: skip
    if result.best_index is not None:
        best = result.best_index
        ax.plot(
            rates[best], np.clip(middle_losses[best], low, high), "*", color="white", mec="black", ms=13,
            ls="", label=f"best rate, {rates[best]:.2g}",
        )  # fmt: skip
    limit = result.limit
    for value, where, style in (
        (limit.start, "at the start", "--"),
        (limit.end, "where the best run ended", ":"),
    ):
        if value is not None and edges[0] < value < edges[-1]:
            name = limit.formula.replace("lambda_max", "\N{GREEK SMALL LETTER LAMDA}_max")
            ax.axvline(value, ymax=1 - words, color="black", ls=style, lw=1, label=f"{name} {where}")
    if ax.get_legend_handles_labels()[0]:
        legend(ax)


def _limits(result: Any) -> tuple[float, float]:
    """Choose the smallest and the largest loss that are drawn where they are."""
    losses = np.array([row["seed_losses"] for row in result.rows], dtype=np.float64)  # None becomes NaN
    diverging = not np.isfinite(losses).all()
    losses = losses[np.isfinite(losses)]
    start = float(np.median(result.curves[0]))
    if not np.isfinite(start):
        start = float(losses.max(initial=1.0))
    low, high = float(losses.min(initial=start)), float(losses.max(initial=start))
    if low < 0 or start <= 0:  # a loss without a logarithm, so without depths
        return low, max(min(high, start + 2 * (start - low)), low + 1e-12)
    if diverging:
        high = max(high, CLIMB * start)
    return max(low, DEPTH * start), min(high, HEIGHT * start) * 2


def _scale(ax: Axes, low: float, high: float, room: float = 0.13) -> None:
    """Set the axis of the losses, with a part of it left free above."""
    above = room / (1 - room)
    if low > 0:
        ax.set_yscale("log")
        ax.set_ylim(low / 2, high * (2 * high / low) ** above)
    else:
        ax.set_ylim(low - 0.05 * (high - low), high + above * (high - low))


def _draw_curve(result: Any, label: str, ax: Axes, *, first: bool) -> None:
    """Draw the losses of the rate in the middle of a label, or of the best rate."""
    rates = [index for index, name in enumerate(result.labels) if name == label]
    index = result.best_index if result.best_index in rates else rates[len(rates) // 2]
    curves: Array = result.curves[:, index]
    low, high = _limits(result)
    _scale(ax, low, high)
    ax.plot(np.clip(curves, low, high), color=COLOURS[label], lw=1)
    last = int(np.isfinite(curves).any(axis=1).sum()) - 1  # where the last of them ended
    ax.set(xlim=(0, max(last, 1)), xlabel="epoch")
    ax.set_title(f"{label}: rate {result.rates[index]:.2g}", fontsize="small")
    ax.tick_params(labelleft=first, labelsize="small")
    open_frame(ax)
    if first:
        ax.set_ylabel("loss")
