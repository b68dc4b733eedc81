"""`network`: the drawing of a net, with its own weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nnlite.checks.nets import check_net
from nnlite.core.aliases import Array
from nnlite.core.dense import Dense
from nnlite.errors import ArgumentError
from nnlite.errors.arguments import explained
from nnlite.errors.checks import check_integer
from nnlite.model import Sequential
from nnlite.plot.diagram import Column, draw_columns, figure_size
from nnlite.plot.given import check_names, check_row, dense_names
from nnlite.plot.style import new_axes
from nnlite.training.inside import columns, pass_through, stops

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["columns_of", "network"]

_WHERE = "plot.network"


@explained
def network(
    model: Sequential,
    x: Any = None,
    *,
    feature_names: Sequence[str] | None = None,
    target_names: Sequence[str] | None = None,
    max_units: int = 12,
    ax: Axes | None = None,
) -> Axes:
    """Draw the net: neurons in columns, and lines between them as thick as the weights.

    A positive weight is a solid blue line, a negative one a dashed vermilion line. The width of
    a line is proportional to the size of its weight, on one scale for the whole net. The short
    line that enters a neuron from below is its bias. Where there is room, the numbers are written
    beside the lines.

    Parameters
    ----------
    model : Sequential
        One net.
    x : array-like of shape (features,) or (1, features), optional
        One row. Its numbers go through the net, and every neuron is filled with what it answers:
        blue above zero, vermilion below, the darker the closer to the largest of its column.
    feature_names : sequence of str, optional
        Names of the inputs; by default those of the table that the model was trained on, else
        x0, x1, ...
    target_names : sequence of str, optional
        Names of the outputs.
    max_units : int
        How many neurons of a column are drawn at most: the first ones, dots, and the last one.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Its units are points, as long as its size is not changed.

    Raises
    ------
    ModuleNotFoundError
        If matplotlib is not installed.
    ShapeError, ArgumentError, ArgumentTypeError
        If an argument cannot be used, or the net has no neurons of which the number is known.

    Notes
    -----
    Every `Dense` opens a column, and the layers behind it that leave the number of neurons as it
    is belong to that column, as do `Flatten`, `Embedding` and `Standardize` to that of the input.
    A layer of one's own that changes the number opens a column with an arrow to it. The layers inside of
    a `Sequential` or a `Residual` are drawn as any others; above the columns of a `Residual` runs the way
    of its input, which is added at the end. What has branches, a `TimeDistributed` and a layer of one's own
    that holds others are each drawn as one.

    Examples
    --------
    >>> import nnlite as nn
    >>> from nnlite import plot
    >>> model = nn.Sequential([nn.Dense(2, 3), nn.Tanh(), nn.Dense(3, 1)], rng=0)
    >>> ax = plot.network(model, [0.5, -1.0], feature_names=["length", "width"])
    >>> len(ax.patches)  # a circle for each neuron
    6
    >>> ax.figure.clear()
    """
    model = check_net(_WHERE, model)
    max_units = check_integer(f"{_WHERE}(max_units=)", max_units, low=2)
    row = None if x is None else check_row(f"{_WHERE}(x)", model, x)
    drawn = columns_of(model, row)
    first = drawn[0]
    if feature_names is None:
        feature_names = dense_names(model, first.units) or [f"x{unit}" for unit in range(first.units)]
    names = check_names(f"{_WHERE}(feature_names=)", feature_names, first.units, "inputs")
    drawn[0] = first._replace(names=names)
    if target_names is not None:
        last = drawn[-1]
        names = check_names(f"{_WHERE}(target_names=)", target_names, last.units, "outputs")
        drawn[-1] = last._replace(names=names)
    # Without a layout, so that the sizes are known before anything is drawn.
    made = ax is None
    ax = new_axes(_WHERE, ax, figsize=figure_size(drawn, max_units), layout="none")
    if made:
        ax.set_position((0.01, 0.015, 0.98, 0.97))
    draw_columns(ax, drawn, max_units=max_units)
    return ax


def columns_of(model: Sequential, row: Array | None = None) -> list[Column]:
    """Sort the layers of a model into columns of neurons.

    Parameters
    ----------
    model : Sequential
        One net.
    row : ndarray of shape (1, features), optional
        Checked input, which fills in what the neurons answer.

    Returns
    -------
    list of Column

    Raises
    ------
    ArgumentError
        If the net has no neurons of which the number is known.

    Examples
    --------
    >>> import nnlite as nn
    >>> model = nn.Sequential([nn.Dense(2, 3), nn.Tanh(), nn.Dense(3, 1)], rng=0)
    >>> [(column.label[0], column.units) for column in columns_of(model)]
    [('input', 2), ('hidden layer 1', 3), ('output', 1)]
    """
    way = stops(model)
    groups = columns(way, model.input_shape, [stop.shape for stop in way])
    where = {stop.place: place for place, group in enumerate(groups) for stop in group}
    outputs = {} if row is None else pass_through(model, row).outputs
    found = []
    for place, group in enumerate(groups):
        own = group[-1].shape if group else model.input_shape
        opening = group[0].layer if place else None
        if own is None:
            fix = "Begin it with a Dense layer."
            raise ArgumentError(
                f"{_WHERE}(model)", "a net whose numbers of neurons are known", f"{model}", fix
            )
        answers = None
        if row is not None:
            answers = (outputs[group[-1].place] if group else row).reshape(-1)
        added = [stop.added(way) for stop in group if stop.joins]
        sources = [where[one.place] if one else 0 for one in added]
        found.append(
            Column(
                label=_labels(place, len(groups)),
                layers=["+ input" if stop.joins else repr(stop.layer) for stop in group],
                units=math.prod(own),
                W=opening.W if isinstance(opening, Dense) else None,
                b=opening.b if isinstance(opening, Dense) and opening.bias else None,
                answers=answers,
                skips=[source for source in sources if source < place],
            )
        )
    return found


def _labels(place: int, count: int) -> tuple[str, ...]:
    """Name a column, at length and shortly."""
    if not place:
        return ("input", "input", "input", "in")
    if place == count - 1:
        return ("output", "output", "output", "out")
    return (f"hidden layer {place}", f"hidden {place}")
