"""The picture of a training step: the net with what it answered, and what comes of the step."""

from __future__ import annotations

from functools import reduce
from operator import getitem
from typing import TYPE_CHECKING, Any

import numpy as np

from nnlite.inspect.numbers import number, parameters_of, result
from nnlite.plot.diagram import Column, draw_columns, figure_size
from nnlite.plot.style import SMALL, lay_out, new_axes, size_of, text_width

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw"]

#: Neurons of a column that are drawn at most.
UNITS = 12
#: Weights that are named above it, the most blamed first.
WEIGHTS = 3
#: Height of a line of the heading, in points.
LINE = 1.35 * SMALL
ARROW = "\N{RIGHTWARDS ARROW}"


def draw(data: dict[str, Any], row: int, ax: Axes | None) -> Axes:
    """Draw the net of a training step, with its answers for one row and what the step does to them.

    Parameters
    ----------
    data : dict
        What `StepTrace.to_dict` returns.
    row : int
        Which row of the batch.
    ax : matplotlib.axes.Axes or None
        Where to draw; None makes a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ModuleNotFoundError
        If matplotlib is not installed.
    ArgumentTypeError
        If `ax` is something else.
    """
    columns = [_column(data, place, row) for place in range(len(data["stages"]))]
    width, height = figure_size(columns, UNITS)
    made = ax is None
    ax = new_axes("StepTrace.plot", ax, figsize=(width, height + 0.6), layout="none")
    if made:
        ax.set_position((0.01, 0.015, 0.98, 0.97))
    lines = _heading(data, row, 72 * size_of(ax)[0])
    if made:  # before anything is drawn, since the drawing goes by the size of the Axes
        ax.set_position((0.01, 0.015, 0.98, 0.97 - LINE * (len(lines) + 0.5) / (72 * (height + 0.6))))
    # Before the drawing, which goes by the room that a layout leaves; at most a third of it for words.
    most = max(int(72 * size_of(ax)[1] / 3 / LINE), 1)
    ax.set_title("\n".join(lines if made else lines[:most]), fontsize=SMALL, loc="left")
    if not made:
        lay_out(ax)
    draw_columns(ax, columns, max_units=UNITS)
    return ax


def _column(data: dict[str, Any], place: int, row: int) -> Column:
    """Make a column of neurons as `plot.network` draws it, with the weights before the step."""
    stage, last = data["stages"][place], len(data["stages"]) - 1
    steps = stage["steps"]
    opening = steps[0]["parameters"] if place and steps and steps[0]["kind"] == "dense" else {}
    answers = (steps[-1]["out"] if steps else data["data"]["x"])[row]
    names = None
    if place == last:
        names = _targets(data["data"]["y"][row], stage["units"], data["data"]["class_names"])
    elif not place:
        names = data["data"]["feature_names"] or [f"x{unit}" for unit in range(stage["units"])]
        names = names if len(names) == stage["units"] else None
    label = stage["label"]
    return Column(
        label=(label, label.replace("layer ", "")),
        layers=["+ input" if step["kind"] == "join" else step["text"] for step in steps],
        units=stage["units"],
        W=_array(opening["W"]["before"]) if "W" in opening else None,
        b=_array(opening["b"]["before"]) if "b" in opening else None,
        answers=_array(answers),
        names=names,
        skips=[step["adds"] for step in steps if "adds" in step and step["adds"] < place],
    )


def _array(values: Any) -> Any:
    return np.array(values, dtype=np.float64)


def _targets(target: Any, units: int, names: list[str] | None) -> list[str] | None:
    """Write beside each output what it should have been."""
    if isinstance(target, int) and units > 1:
        true = ["the true class" if unit == target else "" for unit in range(units)]
        return [", ".join(filter(None, pair)) for pair in zip(names, true, strict=True)] if names else true
    values = target if isinstance(target, list) else [target]
    if len(values) != units:  # of losses that ask for two outputs a target
        return None
    return [f"target {number(value)}" if value is not None else "missing" for value in values]


def _heading(data: dict[str, Any], row: int, width: float) -> list[str]:
    """Say what the step does, in lines that fit."""
    update, fog = data["update"], data["fog"]
    old, new = result(update["loss_before"]), result(update["loss_after"])
    parts = [
        [
            f"{data['optimizer']['text']}:",
            f"loss {old} {ARROW} {new} in one step,",
            f"rate {fog['rate']:.3g}: {fog['label']}",
        ]
    ]
    parameters = parameters_of(data)
    blamed = ["most to blame:"]
    for entry in data["blame"]["top"][:WEIGHTS]:
        parameter = parameters[entry["parameter"]][2]
        before, after = (reduce(getitem, entry["index"], parameter[when]) for when in ("before", "after"))
        blamed.append(f"{entry['parameter']}{entry['index']} {result(before)} {ARROW} {result(after)},")
    blamed[-1] = blamed[-1][:-1]
    parts.append(blamed)
    if data["model"]["rows"] > 1:
        parts.append([f"in the neurons: what they answer to row {row}"])
    lines = []
    for words in parts:
        lines.append("")
        for word in words:
            longer = f"{lines[-1]} {word}".strip()
            if lines[-1] and text_width(longer) > width:
                lines.append(word)
            else:
                lines[-1] = longer
    return [line.replace("-", "\N{MINUS SIGN}") for line in lines]
