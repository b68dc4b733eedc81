"""Neurons in columns, and lines between them as thick as the weights: the drawing under `plot.network`."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nnlite.core.aliases import Array
from nnlite.plot.style import (
    GREY,
    NEGATIVE,
    POSITIVE,
    SMALL,
    around_zero,
    brief,
    diverging,
    ink_on,
    short,
    size_of,
    text_width,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Column", "draw_columns", "figure_size"]

#: All lengths are in points. A line of text; the empty space around what is written; the widest circle.
LINE, GAP, LARGEST = 1.25 * SMALL, 4.0, 34.0
#: Lines of a column's text at most, and characters of a name, from much room to little.
LINES, LETTERS = 5, (18, 12, 9, 0)
#: How much wider bold letters are.
BOLD = 1.12
#: Between two columns at least.
CLOSEST = 30.0
#: The width of the line of the largest weight, from few lines between two columns to many.
THICK, THIN = 6.0, 2.0
#: How all texts are written; a dollar sign in a name begins no formula.
_WRITTEN: dict[str, Any] = {"fontsize": SMALL, "ha": "center", "va": "center", "parse_math": False}
#: Numbers between two columns at most.
NUMBERS = 12
#: Parts of the way along a line at which its number may stand.
STOPS = (0.3, 0.24, 0.38, 0.7, 0.62, 0.5, 0.76, 0.18)
#: Where the neurons of a column stand.
_Places = dict[int, tuple[float, float]]


class Column(NamedTuple):
    """One column of neurons, with what comes in from the column before.

    Parameters
    ----------
    label : sequence of str
        What it is, from the longest way to say so to the shortest.
    layers : sequence of str
        Its layers, written under the label.
    units : int
        How many neurons.
    W : ndarray of shape (units before, units), optional
        The weights of the lines from the column before; None draws an arrow.
    b : ndarray of shape (units,), optional
        The biases.
    answers : ndarray of shape (units,), optional
        What the neurons answer.
    names : sequence of str, optional
        Written beside the neurons: to the left in the first column, to the right in the last.
    skips : sequence of int
        Columns before, what comes out of which is added here.

    Examples
    --------
    >>> Column(("input",), (), 2).units
    2
    """

    label: Sequence[str]
    layers: Sequence[str]
    units: int
    W: Array | None = None
    b: Array | None = None
    answers: Array | None = None
    names: Sequence[str] | None = None
    skips: Sequence[int] = ()


def figure_size(columns: Sequence[Column], max_units: int) -> tuple[float, float]:
    """Choose the size of a figure in which the columns have room.

    Parameters
    ----------
    columns : sequence of Column
        What will be drawn.
    max_units : int
        How many neurons of a column are shown at most.

    Returns
    -------
    (float, float)
        Width and height in inches.

    Examples
    --------
    >>> figure_size([Column(("input",), (), 2), Column(("output",), (), 1)], 12)
    (6.4, 4.8)
    """
    rows = max(len(_shown(column.units, max_units)) for column in columns)
    return min(max(6.4, 1.6 * len(columns)), 14.0), min(max(4.8, 0.5 * rows + 1.2), 10.0)


def draw_columns(ax: Axes, columns: Sequence[Column], *, max_units: int = 12) -> None:
    """Draw columns of neurons.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where.
    columns : sequence of Column
        From input to output.
    max_units : int
        How many neurons of a column are shown at most: the first ones and the last.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> figure, ax = plt.subplots()
    >>> columns = [Column(("in",), (), 1), Column(("out",), (), 1, W=np.array([[-2.0]]))]
    >>> draw_columns(ax, columns)
    >>> ax.collections[0].get_linewidths().tolist()
    [6.0]
    >>> plt.close(figure)
    """
    plan = _Plan(ax, columns, max_units)
    ax.set(xlim=(0, plan.width), ylim=(0, plan.height))
    ax.set_aspect("equal")
    ax.axis("off")
    _draw_lines(plan)
    _draw_skips(plan)
    _draw_neurons(plan)
    _draw_biases(plan)
    _write_names(plan)
    _write_labels(plan)
    _draw_key(plan)
    _write_weights(plan)


def _shown(units: int, most: int) -> list[int | None]:
    """Choose the neurons that are shown; None stands for those that are left out."""
    if units <= most:
        return list(range(units))
    return [*range(most - 1), None, units - 1]


class _Plan:
    """Where everything goes, in points."""

    def __init__(self, ax: Axes, columns: Sequence[Column], max_units: int) -> None:
        self.ax, self.columns = ax, columns
        self.width, self.height = (72 * side for side in size_of(ax))
        self.lanes = _lanes(columns)
        for most in range(max_units, 1, -1):  # fewer where names would lie upon each other
            self.shown = [_shown(column.units, most) for column in columns]
            left, right = self._across()
            self.foot = LINE * max(map(len, self.labels)) + GAP
            # Below the labels the key; above the neurons a little air.
            low, high = self.foot + LINE + 3 * GAP, self.height - GAP - LINE * len(self.lanes)
            self.pitch = (high - low) / max(map(len, self.shown))
            if self.pitch >= 1.15 * LINE:
                break
        step = max((self.width - left - right) / (len(columns) - 1), 1.0) if len(columns) > 1 else 0.0
        self.radius = max(min(0.76 * self.pitch, 0.4 * step or LARGEST, LARGEST), 2) / 2
        self.biased = any(column.b is not None for column in columns)
        middle = (low + high) / 2 + (0.1 * self.pitch if self.biased else 0)
        self.x = [
            left + index * step if len(columns) > 1 else self.width / 2 for index in range(len(columns))
        ]
        self.places: list[dict[int, tuple[float, float]]] = []
        self.dots: list[tuple[float, float]] = []
        for x, shown in zip(self.x, self.shown, strict=True):
            pitch = min((high - low) / len(shown), max(1.5 * self.pitch, 6 * self.radius))
            top = middle + pitch * (len(shown) - 1) / 2
            self.places.append(
                {unit: (x, top - row * pitch) for row, unit in enumerate(shown) if unit is not None}
            )
            self.dots += [(x, top - row * pitch) for row, unit in enumerate(shown) if unit is None]
        weights = [np.abs(column.W).max(initial=0) for column in columns if column.W is not None]
        self.heaviest = float(max(weights, default=0))
        count = max(
            len(here) * len(there) for here, there in itertools.pairwise([self.places[0], *self.places])
        )
        self.thickest = min(THICK, max(THIN, 36 / np.sqrt(count)), self.radius)
        biases = [np.abs(column.b).max(initial=0) for column in columns if column.b is not None]
        self.scale = self.thickest / (max(self.heaviest, *biases, 0.0) or 1.0)
        #: Boxes that are taken: (left, bottom, right, top).
        self.taken = [
            (x - self.radius, y - self.radius, x + self.radius, y + self.radius)
            for places in self.places
            for x, y in places.values()
        ]

    def _across(self) -> tuple[float, float]:
        """Choose the names and the texts under the columns that fit; return the margins at both sides."""
        gaps = max(len(self.columns) - 1, 1)
        for letters, level in itertools.product(LETTERS, range(4)):
            self.names = [
                _cut(column.names, shown, letters)
                for column, shown in zip(self.columns, self.shown, strict=True)
            ]
            wide = [max((text_width(name) for name in names.values()), default=0.0) for names in self.names]
            self.labels = [self._label(index, level) for index in range(len(self.columns))]
            widths = [max(BOLD * text_width(label[0]), *map(text_width, label), 0.0) for label in self.labels]
            # The largest circle may be wider than what will be drawn.
            sides = [LARGEST / 2 + (width + 3 * GAP if width else 0) for width in (wide[0], wide[-1])]
            if len(self.columns) == 1:
                sides[1] = 0.0
            left, right = (max(side, widths[end] / 2 + GAP) for side, end in zip(sides, (0, -1), strict=True))
            step = (self.width - left - right) / gaps
            if step >= CLOSEST and all(
                (one + other) / 2 + GAP < step for one, other in itertools.pairwise(widths)
            ):
                return left, right
        return LARGEST / 2, LARGEST / 2

    def _label(self, index: int, level: int) -> list[str]:
        """Return the lines under a column: the label, the layers, and how many neurons are not shown."""
        column = self.columns[index]
        label = column.label[min(level, len(column.label) - 1)]
        layers = list(column.layers)
        if level:
            layers = [text.partition("(")[0] for text in layers]
        if level > 1:
            layers = [text if len(text) < 8 else text[:6] + "…" for text in layers]
        if level > 2:  # "1" of "hidden 1"
            label, layers = label.split()[-1], []
        if len(layers) > LINES - 2:
            layers = [*layers[: LINES - 3], "…"]
        hidden = column.units - sum(unit is not None for unit in self.shown[index])
        more = [[f"{column.units - hidden} of {column.units} shown"], [f"of {column.units}"]][level > 0]
        return [label, *layers, *(more if hidden else [])]

    def free(self, box: tuple[float, float, float, float]) -> bool:
        """Tell whether nothing is written there yet."""
        left, low, right, high = box
        if left < 0 or low < 0 or right > self.width or high > self.height:
            return False
        return not any(left < r and right > l and low < h and high > b for l, b, r, h in self.taken)  # noqa: E741

    def write(self, x: float, y: float, text: str, **options: Any) -> None:
        """Write in the smallest size."""
        self.ax.text(x, y, text, **{**_WRITTEN, **options})


def _cut(names: Sequence[str] | None, shown: Sequence[int | None], letters: int) -> dict[int, str]:
    """Return the names of the neurons that are shown, the long ones shortened."""
    if names is None or not letters:
        return {}
    found = {}
    for unit in shown:
        if unit is not None:
            # What cannot be printed, such as a line break of a table's head, would be an empty box.
            name = "".join(letter if letter.isprintable() else " " for letter in names[unit])
            found[unit] = name if len(name) <= letters else name[: letters - 1] + "…"
    return found


def _style(value: float) -> tuple[str, str]:
    """Return colour and dashes of a weight."""
    return (POSITIVE, "solid") if value >= 0 else (NEGATIVE, "dashed")


def _draw_lines(plan: _Plan) -> None:
    from matplotlib.collections import LineCollection

    for index, column in enumerate(plan.columns[1:], start=1):
        if column.W is None:
            start, end = plan.x[index - 1] + 2 * plan.radius, plan.x[index] - 2 * plan.radius
            y = np.mean([y for _, y in plan.places[index].values()])
            plan.ax.annotate(
                "", (end, y), (start, y), arrowprops={"arrowstyle": "->", "color": GREY, "lw": 1.5}
            )
            continue
        before, here = plan.places[index - 1], plan.places[index]
        weights = {pair: float(column.W[pair]) for pair in itertools.product(before, here)}
        pairs = sorted(
            weights, key=lambda pair: abs(weights[pair])
        )  # the heaviest last, so that they lie on top
        values = [weights[pair] for pair in pairs]
        lines = LineCollection(
            [(before[i], here[j]) for i, j in pairs],
            linewidths=[plan.scale * abs(value) for value in values],
            colors=[_style(value)[0] for value in values],
            linestyles=[_style(value)[1] for value in values],
            alpha=0.8,
            zorder=1,
        )
        plan.ax.add_collection(lines, autolim=False)


def _lanes(columns: Sequence[Column]) -> list[list[tuple[int, int]]]:
    """Sort the ways past columns into lanes above these, the short ones lowest; none lies on another."""
    lanes: list[list[tuple[int, int]]] = []
    ways = [(start, end) for end, column in enumerate(columns) for start in column.skips]
    for start, end in sorted(ways, key=lambda way: way[1] - way[0]):
        free = (lane for lane in lanes if all(end <= one or start >= other for one, other in lane))
        lane = next(free, None)
        if lane is None:
            lanes.append(lane := [])
        lane.append((start, end))
    return lanes


def _draw_skips(plan: _Plan) -> None:
    """Draw ways past columns, to where what comes that way is added."""
    top = max((y for places in plan.places for _, y in places.values()), default=0.0) + plan.radius
    for number, lane in enumerate(plan.lanes):
        height = top + (number + 0.6) * (plan.height - top) / len(plan.lanes)
        for start, end in lane:
            # Beside each other where one way ends and the next begins.
            ends = [
                (plan.x[column] + side * plan.radius / 3, max(y for _, y in plan.places[column].values()))
                for column, side in ((start, 1), (end, -1))
            ]
            (left, low), (right, below) = ((x, y + plan.radius) for x, y in ends)
            plan.ax.plot(
                [left, left, right], [low, height, height], color=GREY, lw=1.5, scalex=False, scaley=False
            )
            arrow = {"arrowstyle": "->", "color": GREY, "lw": 1.5, "shrinkA": 0, "shrinkB": 0}
            plan.ax.annotate("", (right, below), (right, height), arrowprops=arrow)
            plan.write((left + right) / 2, height, "+", color=GREY, bbox=_ground(), zorder=2)


def _draw_neurons(plan: _Plan) -> None:
    from matplotlib.patches import Circle

    colours = diverging()
    texts = [
        {} if column.answers is None else {unit: brief(float(column.answers[unit])) for unit in places}
        for column, places in zip(plan.columns, plan.places, strict=True)
    ]
    widths = [text_width(text) for column in texts for text in column.values()]
    fits = max(widths, default=0.0) + 3 <= 2 * plan.radius
    for column, places, written in zip(plan.columns, plan.places, texts, strict=True):
        scale = around_zero([] if column.answers is None else column.answers)
        for unit, place in places.items():
            fill = "white" if column.answers is None else colours(scale(float(column.answers[unit])))
            circle = Circle(place, plan.radius, facecolor=fill, edgecolor="black", linewidth=1, zorder=3)
            plan.ax.add_patch(circle)
            if fits and written:
                plan.write(*place, written[unit], color=ink_on(fill), zorder=4)
    for place in plan.dots:
        plan.write(*place, "⋮", fontsize=14, color=GREY)


def _draw_biases(plan: _Plan) -> None:
    """Draw a bias as a line into its neuron from below, with its number if there is room."""
    from matplotlib.collections import LineCollection

    for column, places in zip(plan.columns, plan.places, strict=True):
        if column.b is None:
            continue
        heights = sorted(y for _, y in places.values())
        room = min([plan.pitch, *np.diff(heights)]) - 2 * plan.radius
        length = min(LINE, 0.75 * room)
        values = [float(column.b[unit]) for unit in places]
        ends = [((x, y - plan.radius - length), (x, y - plan.radius)) for x, y in places.values()]
        lines = LineCollection(
            ends,
            linewidths=[plan.scale * abs(value) for value in values],
            colors=[_style(value)[0] for value in values],
            zorder=2,
        )
        plan.ax.add_collection(lines, autolim=False)
        for value, ((x, low), (_, high)) in zip(values, ends, strict=True):
            text = _signed(value)
            colour = _style(value)[0]
            middle, width = (low + high) / 2, text_width(text)
            for left in (x + GAP, x - GAP - width):
                box = (left, middle - LINE / 2, left + width, middle + LINE / 2)
                if length >= 0.8 * LINE and plan.free(box):
                    plan.taken.append(box)
                    plan.write(left, middle, text, ha="left", color=colour, zorder=5, bbox=_ground())
                    break


def _write_names(plan: _Plan) -> None:
    sides = [(0, -1, "right")] if len(plan.columns) == 1 else [(0, -1, "right"), (-1, 1, "left")]
    for index, side, alignment in sides:
        for unit, name in plan.names[index].items():
            x, y = plan.places[index][unit]
            plan.write(x + side * (plan.radius + GAP), y, name, ha=alignment)


def _write_labels(plan: _Plan) -> None:
    for x, lines in zip(plan.x, plan.labels, strict=True):
        for row, text in enumerate(lines):
            y = LINE + 2 * GAP + plan.foot - (row + 0.5) * LINE
            plan.write(x, y, text, weight="bold" if not row else "normal", color="black" if not row else GREY)


def _draw_key(plan: _Plan) -> None:
    """Say at the bottom what the lines mean, as long as there is room."""
    if not plan.heaviest:
        return
    sample = 18.0
    ways = (
        ("positive weight", "negative weight", f"thickest line: {short(plan.heaviest)}"),
        ("positive", "negative", f"thickest: {short(plan.heaviest)}"),
        ("+", "\N{MINUS SIGN}", f"up to {short(plan.heaviest)}"),
    )
    for plus, minus, thick in ways:
        widths = [sample + GAP + text_width(plus), sample + GAP + text_width(minus), text_width(thick)]
        total = sum(widths) + 6 * GAP
        if total <= plan.width:
            break
    else:
        return
    x, y = (plan.width - total) / 2, LINE / 2
    for sign, text, width in ((1.0, plus, widths[0]), (-1.0, minus, widths[1])):
        colour, dashes = _style(sign)
        plan.ax.plot([x, x + sample], [y, y], color=colour, ls=dashes, lw=2, scalex=False, scaley=False)
        plan.write(x + sample + GAP, y, text, ha="left", color=GREY)
        x += width + 3 * GAP
    plan.write(x, y, thick, ha="left", color=GREY)


def _write_weights(plan: _Plan) -> None:
    """Write the weights on the lines of a column if all of them find a place."""
    for index, column in enumerate(plan.columns[1:], start=1):
        if column.W is None or plan.places[index - 1].keys() != set(range(plan.columns[index - 1].units)):
            continue
        before, here = plan.places[index - 1], plan.places[index]
        if len(before) * len(here) > NUMBERS:
            continue
        found: list[tuple[float, float, str, str]] = []
        taken = len(plan.taken)
        for i, j in itertools.product(before, here):
            value = float(column.W[i, j])
            text = _signed(value)
            half = text_width(text) / 2 + 1
            heights = {stop: _heights(before, here, stop) for stop in STOPS}
            # Where no other line runs through it, as far as there is such a place.
            for stop in sorted(STOPS, key=lambda stop: -_clear(heights[stop], (i, j))):
                x = before[i][0] + stop * (here[j][0] - before[i][0])
                y = heights[stop][i, j]
                box = (x - half, y - LINE / 2, x + half, y + LINE / 2)
                if plan.free(box):
                    plan.taken.append(box)
                    found.append((x, y, text, _style(value)[0]))
                    break
            else:
                break
        if len(found) < len(before) * len(here):
            del plan.taken[taken:]
            continue
        for x, y, text, colour in found:
            plan.write(x, y, text, color=colour, zorder=2.5, bbox=_ground())


def _heights(before: _Places, here: _Places, stop: float) -> dict[tuple[int, int], float]:
    """Return how high each line runs after that part of its way."""
    pairs = itertools.product(before, here)
    return {(i, j): before[i][1] + stop * (here[j][1] - before[i][1]) for i, j in pairs}


def _clear(heights: dict[tuple[int, int], float], own: tuple[int, int]) -> float:
    """Return how far the next line is, up to what two lines of text need."""
    others = (abs(height - heights[own]) for pair, height in heights.items() if pair != own)
    return min(2 * LINE, min(others, default=2 * LINE))


def _signed(value: float) -> str:
    text = brief(value)
    return text if value <= 0 else f"+{text}"


def _ground() -> dict[str, Any]:
    """Return a ground on which a text can be read above lines."""
    return {"boxstyle": "square,pad=0.05", "facecolor": "white", "edgecolor": "none", "alpha": 0.9}
