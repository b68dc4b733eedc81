"""`history`: how the loss and the metrics went, epoch by epoch."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nnlite.core.aliases import Array
from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.errors.arguments import explained
from nnlite.plot.style import GREY, TRAINING, VALIDATION, class_colour, legend, new_axes, open_frame
from nnlite.training.history import History

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["HELD_OUT", "colours_of", "history", "set_scales", "sides"]

_WHERE = "plot.history"
#: Above this ratio of the largest to the smallest number the scale is logarithmic.
LOGARITHMIC = 100.0
#: How the columns of the validation data begin.
HELD_OUT = "validation_"


@explained
def history(history: History, *, columns: Sequence[str] | None = None, ax: Axes | None = None) -> Axes:
    """Draw columns of a history over the epochs: training solid, validation dashed.

    Losses belong to the left axis. Metrics that are drawn beside them, such as an accuracy, have a scale of
    their own on the right.

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
    callback put them back. A scale is logarithmic where all its numbers are above zero and the largest
    of one metric is more than 100 times its smallest. The Axes on the right are the last of the figure.

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
    ax = new_axes(_WHERE, ax)
    open_frame(ax)
    where = sides(ax, colours)
    epochs = history["epoch"]
    drawn: dict[str, Array] = {}
    for name, colour in colours.items():
        lines = drawn[name] = _numbers(history[name])
        many = lines.shape[1] > 1
        for index, line in enumerate(lines.T):
            where[name].plot(
                epochs,
                line,
                "--" if name.startswith(HELD_OUT) else "-",
                color=colour,
                lw=0.8 if many else 1.6,
                alpha=0.6 if many else 1.0,
                marker="o" if np.isfinite(line).sum() == 1 else "",
                label=None if index else name.replace("_", " "),
            )
    _mark_best(where[name], history, lines)
    set_scales(where, drawn)
    ax.set_xlabel("epoch")
    ax.locator_params(axis="x", integer=True, min_n_ticks=1)
    legend(*dict.fromkeys(where.values()))
    return ax


def sides(ax: Axes, columns: Iterable[str]) -> dict[str, Axes]:
    """Return the Axes of each column: losses and other metrics have a scale each, where there are both.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Whose left scale is that of the losses, or of all.
    columns : iterable of str
        What will be drawn.

    Returns
    -------
    dict of str to matplotlib.axes.Axes

    Examples
    --------
    >>> ax = new_axes("here", None)
    >>> [one is ax for one in sides(ax, ["loss", "validation_loss", "accuracy"]).values()]
    [True, True, False]
    >>> ax.figure.clear()
    """
    are_losses = {name: name.removeprefix(HELD_OUT).split("_")[0] == "loss" for name in columns}
    if len({*are_losses.values()}) == 1:
        return dict.fromkeys(are_losses, ax)
    right: Axes = ax.twinx()
    right.spines[["top", "left"]].set_visible(False)
    return {name: ax if is_loss else right for name, is_loss in are_losses.items()}


def set_scales(where: Mapping[str, Axes], drawn: Mapping[str, Array]) -> None:
    """Choose a linear or a logarithmic scale for the Axes of some columns, and name it.

    Parameters
    ----------
    where : mapping of str to matplotlib.axes.Axes
        Those of each column.
    drawn : mapping of str to ndarray
        Its numbers.

    Examples
    --------
    >>> ax = new_axes("here", None)
    >>> set_scales({"loss": ax}, {"loss": np.array([1.0, 1e-3])})
    >>> ax.get_yscale(), ax.get_ylabel()
    ('log', 'loss')
    >>> ax.figure.clear()
    """
    for ax in dict.fromkeys(where.values()):
        numbers: dict[str, Array] = {}
        for name, values in drawn.items():
            if where[name] is ax:
                metric = name.removeprefix(HELD_OUT)
                numbers[metric] = np.append(numbers.get(metric, ()), values[np.isfinite(values)])
        # What two metrics span together, such as a share and a number in euros, is no sign of anything.
        much = any(one.size and one.max() > LOGARITHMIC * one.min() for one in numbers.values())
        above = all((one > 0).all() for one in numbers.values())
        ax.set_yscale("log" if much and above else "linear")
        ax.set_ylabel(next(iter(numbers)).replace("_", " ") if len(numbers) == 1 else "")


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
