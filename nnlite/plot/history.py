"""`history`: how the loss and the metrics went, epoch by epoch."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nnlite.core.aliases import Array
from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.plot.style import GREY, TRAINING, VALIDATION, class_colour, legend, new_axes, open_frame
from nnlite.training.history import History

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["HELD_OUT", "colours_of", "history", "spans_much"]

_WHERE = "plot.history"
#: Above this ratio of the largest to the smallest number the scale is logarithmic.
LOGARITHMIC = 100.0
#: How the columns of the validation data begin.
HELD_OUT = "validation_"


def history(history: History, *, columns: Sequence[str] | None = None, ax: Axes | None = None) -> Axes:
    """Draw columns of a history over the epochs: training solid, validation dashed.

    Parameters
    ----------
    history : History
        What `Sequential.fit` returned.
    columns : sequence of str, optional
        Such as ``["loss", "accuracy"]``; by default the loss. The same of the validation data,
        if there is any, is drawn beside each.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ModuleNotFoundError
        If matplotlib is not installed.
    ArgumentTypeError, ArgumentError
        If an argument cannot be used, there is no such column, or the history is empty.

    Notes
    -----
    With replicas there is a thin line for each, and a star at the epoch whose weights it has, if a
    callback put them back. The scale is logarithmic where all numbers are
    above zero and the largest is more than 100 times the smallest.

    Examples
    --------
    >>> import nnlite as nn
    >>> model = nn.Sequential([nn.Dense(1, 1)], rng=0)
    >>> found = model.fit([[1.0]], [[1.0]], loss=nn.MeanSquaredError(), optimizer=nn.SGD(0.1), epochs=20)
    >>> ax = history(found)
    >>> bool((ax.lines[0].get_ydata() == found["loss"]).all())
    True
    >>> ax.figure.clear()
    """
    colours = _check(history, columns)
    metrics = list(dict.fromkeys(name.removeprefix(HELD_OUT) for name in colours))
    ax = new_axes(_WHERE, ax)
    epochs = history["epoch"]
    drawn: list[Array] = []
    for name, colour in colours.items():
        lines = _numbers(history[name])
        drawn.append(lines)
        many = lines.shape[1] > 1
        for index, line in enumerate(lines.T):
            ax.plot(
                epochs,
                line,
                "--" if name.startswith(HELD_OUT) else "-",
                color=colour,
                lw=0.8 if many else 1.6,
                alpha=0.6 if many else 1.0,
                marker="o" if np.isfinite(line).sum() == 1 else "",
                label=None if index else name.replace("_", " "),
            )
    _mark_best(ax, history, drawn[-1])
    if spans_much(np.concatenate([lines.ravel() for lines in drawn])):
        ax.set_yscale("log")
    ax.set_xlabel("epoch")
    ax.set_ylabel(metrics[0].replace("_", " ") if len(metrics) == 1 else "")
    ax.locator_params(axis="x", integer=True, min_n_ticks=1)
    open_frame(ax)
    legend(ax)
    return ax


def _numbers(column: list[Any]) -> Array:
    """Return a column as an array of shape (epochs, replicas); what is no number is NaN."""
    count = max(len(value) if isinstance(value, list) else 1 for value in column)
    rows = [value if isinstance(value, list) else [value] * count for value in column]
    return np.array(
        [[value if isinstance(value, int | float) else np.nan for value in row] for row in rows], np.float64
    )


def _mark_best(ax: Axes, history: History, lines: Array) -> None:
    """Mark the epoch whose weights the model has; of replicas, on the last line of each."""
    if history.best_epoch is not None:
        ax.axvline(history.best_epoch, color=GREY, ls=":", lw=1.2, label=f"best: epoch {history.best_epoch}")
    epochs = history["epoch"]
    best = [
        (one["best_epoch"], lines[epochs.index(one["best_epoch"]), index])
        for index, one in enumerate(history.replicas)
        if one["best_epoch"] in epochs and index < lines.shape[1]
    ]
    if best:
        x, y = zip(*best, strict=True)
        ax.plot(x, y, "*", color=GREY, ms=8, label="best epoch of each")


def colours_of(columns: Iterable[str], known: Collection[str]) -> dict[str, str]:
    """Return the columns to draw, those of the validation data too, each with its colour.

    Parameters
    ----------
    columns : iterable of str
        What is asked for.
    known : collection of str
        The columns of the history.

    Returns
    -------
    dict of str to str

    Examples
    --------
    >>> list(colours_of(["loss"], ["epoch", "loss", "validation_loss"]))
    ['loss', 'validation_loss']
    """
    both = dict.fromkeys(name for column in columns for name in (column, f"{HELD_OUT}{column}"))
    names = [name for name in both if name in known]
    metrics = list(dict.fromkeys(name.removeprefix(HELD_OUT) for name in names))
    if len(metrics) == 1:
        return {name: VALIDATION if name.startswith(HELD_OUT) else TRAINING for name in names}
    return {name: class_colour(metrics.index(name.removeprefix(HELD_OUT))) for name in names}


def _check(history: Any, columns: Any) -> dict[str, str]:
    """Return the columns that are to be drawn, with their colours."""
    if not isinstance(history, History):
        fix = "Give what model.fit(...) returned."
        raise ArgumentTypeError(f"{_WHERE}(history)", "a History", type(history).__name__, fix)
    if not len(history):
        fix = "Train for an epoch first."
        raise ArgumentError(f"{_WHERE}(history)", "at least one epoch", "none", fix)
    if columns is None:
        columns = ["loss"]
    if isinstance(columns, str) or not isinstance(columns, Sequence) or not columns:
        fix = 'Write columns=["loss", "accuracy"].'
        raise ArgumentTypeError(f"{_WHERE}(columns=)", "a list of names", f"{columns!r}", fix)
    for name in columns:
        if name not in history.columns:
            known = ", ".join(history.columns)
            raise ArgumentError(
                f"{_WHERE}(columns=)", f"names of {known}", f"{name!r}", "Use a name from that list."
            )
        if not any(isinstance(value, int | float | list) for value in history[name]):
            fix = "Name another column."
            raise ArgumentError(f"{_WHERE}(columns=)", "a column of numbers", f"{name!r}, without any", fix)
    return colours_of(columns, history.columns)


def spans_much(values: Array) -> bool:
    """Tell whether numbers are to be drawn on a logarithmic scale.

    Parameters
    ----------
    values : ndarray
        The numbers.

    Returns
    -------
    bool

    Examples
    --------
    >>> spans_much(np.array([0.001, 1.0])), spans_much(np.array([0.0, 1.0]))
    (True, False)
    """
    finite = values[np.isfinite(values)]
    return bool(finite.size and finite.min() > 0 and finite.max() > LOGARITHMIC * finite.min())
