"""Maps of a net with two features: what it answers everywhere, and what each of its neurons does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nnlite.checks.inputs import column_names
from nnlite.checks.nets import check_net
from nnlite.core.activations import sigmoid
from nnlite.core.aliases import AnyArray, Array
from nnlite.core.losses import Loss
from nnlite.data.checks import check_ids, check_rows
from nnlite.data.table import NumericColumn
from nnlite.errors import ArgumentError, ShapeError
from nnlite.errors.arguments import explained
from nnlite.errors.checks import check_bool, check_integer
from nnlite.layers.activations import log_softmax
from nnlite.model import Sequential
from nnlite.plot.given import check_layer, check_names, check_place
from nnlite.plot.style import (
    GREY,
    SMALL,
    around_zero,
    class_colour,
    class_marker,
    diverging,
    legend,
    new_axes,
    pyplot,
    sequential,
    text_width,
)
from nnlite.training.inside import Stop, pass_through, stops

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "Grid",
    "Question",
    "decision_boundary",
    "draw_answers",
    "draw_points",
    "make_grid",
    "name_classes",
    "neurons",
    "settle",
]

#: How far a map goes beyond the data, as a part of their range.
MARGIN = 0.08
#: How strongly a region is coloured where the net is undecided, and where it is sure.
PALE, STRONG = 0.12, 0.62
#: Lines of equal answers on the map of a regression.
LINES = 7


class Grid(NamedTuple):
    """A grid of rows over the range of two features.

    Parameters
    ----------
    horizontal, vertical : ndarray of shape (resolution,)
        Where its columns and rows are, in the units of the features.
    rows : ndarray of shape (resolution ** 2, 2), or dict of columns
        The places row by row, as the model takes them.
    points : ndarray of shape (rows, 2)
        The data that it was made for.
    names : (str, str)
        What the features are called.

    Examples
    --------
    >>> from nnlite.layers import Dense
    >>> grid = make_grid("here", Sequential([Dense(2, 1)]), [[0.0, 0.0], [1.0, 2.0]], resolution=3)
    >>> grid.horizontal.round(2).tolist(), grid.vertical.round(2).tolist()
    ([-0.08, 0.5, 1.08], [-0.16, 1.0, 2.16])
    """

    horizontal: Array
    vertical: Array
    rows: Any
    points: Array
    names: tuple[str, str]

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Where the edges of an image are whose pixels have their middle on the grid."""
        dx, dy = (side[1] - side[0] for side in (self.horizontal, self.vertical))
        return (
            float(self.horizontal[0] - dx / 2),
            float(self.horizontal[-1] + dx / 2),
            float(self.vertical[0] - dy / 2),
            float(self.vertical[-1] + dy / 2),
        )

    def image(self, numbers: AnyArray) -> AnyArray:
        """Bring one number, or several, for each row of the grid into its shape."""
        return numbers.reshape(len(self.vertical), len(self.horizontal), *numbers.shape[1:])


class Question(NamedTuple):
    """What the outputs of a net mean, and what they should be.

    Parameters
    ----------
    classes : int
        How many there are; 0 where the answer is a number.
    reading : {"logits", "probabilities", "logarithms", "values"}
        What the outputs are.
    low, high : float
        With one output, what stands for the first and the second class.
    labels : ndarray of int of shape (rows,) or None
        The class of each row.
    values : ndarray of shape (rows,) or None
        The number that each row should have.
    names : tuple of str
        Of the classes.
    coloured : bool
        Whether dots have the colours of what they should be; else classes are from white to black, as on the
        map of a neuron, whose colours are its answers.

    Examples
    --------
    >>> question = Question(2, "logits", 0.0, 1.0, None, None, ("no", "yes"))
    >>> question.shares(np.array([[0.0]]))
    array([[0.5, 0.5]])
    """

    classes: int
    reading: str
    low: float
    high: float
    labels: AnyArray | None
    values: Array | None
    names: tuple[str, ...]
    coloured: bool = True

    def colour(self, index: int) -> str:
        """Return the colour of the dots of a class."""
        return class_colour(index) if self.coloured else f"{1.0 - index / max(self.classes - 1, 1):.3f}"

    def shares(self, outputs: Array) -> Array:
        """Return what the net gives to each class, from 0 to 1.

        Parameters
        ----------
        outputs : ndarray of shape (rows, outputs)
            What the model predicts.

        Returns
        -------
        ndarray of shape (rows, classes)
        """
        numbers = outputs.astype(np.float64)
        if numbers.shape[1] == 1:
            one = numbers[:, 0]
            share = (one - self.low) / (self.high - self.low)
            second = sigmoid(one) if self.reading == "logits" else np.clip(share, 0.0, 1.0)
            return np.stack([1.0 - second, second], axis=1)
        if self.reading in ("logits", "logarithms"):
            numbers = np.exp(log_softmax(numbers))
        return np.clip(numbers, 0.0, 1.0)

    def margins(self, outputs: Array) -> Array:
        """Return by how much each class is ahead of the best other one, or behind it.

        Parameters
        ----------
        outputs : ndarray of shape (rows, outputs)
            What the model predicts.

        Returns
        -------
        ndarray of shape (rows, classes)
            Above 0 for one class. Where it is 0 there is the boundary.
        """
        numbers = outputs.astype(np.float64)
        if numbers.shape[1] == 1:
            middle = 0.0 if self.reading == "logits" else (self.low + self.high) / 2
            numbers = np.concatenate([middle - numbers, numbers - middle], axis=1)
        others = np.sort(numbers, axis=1)[:, -2:]
        # That of the best one is measured against the second, that of all others against the best.
        best = numbers == others[:, 1:]
        return np.where(best, numbers - others[:, :1], numbers - others[:, 1:])

    def right(self, outputs: Array) -> float:
        """Return the share of rows with a label that are on the right side.

        Parameters
        ----------
        outputs : ndarray of shape (rows, outputs)
            What the model predicts for them.

        Returns
        -------
        float
        """
        return float(np.mean(self.margins(outputs).argmax(axis=1) == self.labels))


def make_grid(where: str, model: Sequential, X: Any, *, resolution: int) -> Grid:
    """Make a grid over the range of the data; see `Grid`."""
    resolution = check_integer(f"{where}(resolution=)", resolution, low=2)
    names = column_names(X)
    if model.preprocessing is not None and names is not None:
        columns = model.preprocessing.columns
        if len(columns) != 2 or not all(isinstance(column, NumericColumn) for column in columns):
            raise ShapeError(
                f"{where}(X)",
                "a table encoded from two columns of numbers",
                f"{', '.join(column.name for column in columns)}",
                "Train a model on two columns of numbers.",
            )
        names = tuple(column.name for column in columns)
        points: Array = np.stack(
            [check_rows(f"{where}(X)", X[name]).astype(np.float64) for name in names], axis=1
        )
    else:
        if model.input_shape not in (None, (2,)):
            raise ShapeError(
                f"{where}(model)",
                "a net with two features",
                f"samples of shape {model.input_shape}",
                "Train a model on two columns, or on two principal components.",
            )
        points = model.boundary.check_input(X, where=f"{where}(X)", finite=True).astype(np.float64)
        if points.shape[1:] != (2,):
            raise ShapeError(f"{where}(X)", "shape (rows, 2)", f"{points.shape}", "Give two columns.")
    low, high = np.nanmin(points, axis=0), np.nanmax(points, axis=0)
    room = np.where(high > low, MARGIN * (high - low), 0.5)
    horizontal, vertical = (
        np.linspace(low[axis] - room[axis], high[axis] + room[axis], resolution) for axis in (0, 1)
    )
    rows: Any = np.stack(np.meshgrid(horizontal, vertical), axis=-1).reshape(-1, 2)
    if model.preprocessing is not None and names is not None:
        rows = {name: rows[:, axis] for axis, name in enumerate(names)}
    first, second = names or model.feature_names or ("feature 0", "feature 1")
    return Grid(horizontal, vertical, rows, points, (first, second))


def settle(
    where: str, model: Sequential, X: Any, y: Any, *, loss: Loss | None, classes: Sequence[str] | None
) -> Question:
    """Find out what the outputs mean, from the last layer, the loss and the targets; see `Question`."""
    if loss is not None:
        model.boundary.check_loss(loss)
    outputs = model.predict(X)
    if outputs.ndim != 2:
        raise ShapeError(
            f"{where}(model)",
            "a row of numbers for each sample",
            f"{outputs.shape}",
            "End the model with Flatten.",
        )
    reading = _reading(model, loss, outputs[0])
    if y is not None:
        y = model.boundary.check_target_rows(y, outputs)
    if outputs.shape[1] > 1:
        labels = None if y is None else _labels(where, y, outputs.shape[1])
        count, low, high, values = outputs.shape[1], 0.0, 1.0, None
    else:
        count, low, high, labels, values = _one_output(where, y, loss)
        if count and loss is None and labels is not None and reading == "logits":
            target = np.where(labels, high, low)
            # Nobody has said what the net was trained with. A net that learned to give the targets
            # themselves is nearer to them than the sigmoid of what it gives.
            one = outputs[:, 0].astype(np.float64)
            if np.mean((one - target) ** 2) < np.mean((sigmoid(one) * (high - low) + low - target) ** 2):
                reading = "values"
    if not count:
        reading = "values"
    return Question(
        count, reading, low, high, labels, values, _class_names(where, classes, count, low, high, outputs)
    )


def _reading(model: Sequential, loss: Loss | None, first: Array) -> str:
    """Tell what the outputs are, as far as the last layer and the loss say it."""
    if stops(model)[-1].layer.gives_probabilities:
        # LogSoftmax gives what is 0 at most, the others what is 0 at least.
        return "logarithms" if first.min() < 0 else "probabilities"
    return "values" if loss is not None and not loss.from_logits else "logits"


def _labels(where: str, y: AnyArray, count: int) -> AnyArray:
    """Return class ids for several outputs."""
    if y.ndim == 2 and y.shape[1] == count:
        if not np.allclose(y.sum(axis=1), 1.0, atol=1e-3) or (y < 0).any():
            raise ArgumentError(
                f"{where}(y)",
                "one class for each row: ids, one-hot rows or rows of probabilities",
                f"rows of {count} numbers",
                "Write layer=-1, unit=0 for a map of the first output.",
            )
        best: AnyArray = y.argmax(axis=1)
        return best
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.dtype.kind == "f" and (y == np.round(y)).all():
        y = y.astype(np.int64)
    return check_ids(f"{where}(y)", y, classes=count)


def _one_output(
    where: str, y: AnyArray | None, loss: Loss | None
) -> tuple[int, float, float, AnyArray | None, Array | None]:
    """Tell from the targets of one output whether they are two classes or numbers."""
    if y is None:
        return (0 if loss is not None and not loss.from_logits else 2), 0.0, 1.0, None, None
    if y.ndim > 2 or (y.ndim == 2 and y.shape[1] != 1):
        raise ShapeError(f"{where}(y)", "one target for each row", f"shape {y.shape}", "Give one column.")
    values = y.reshape(-1).astype(np.float64)
    low = -1.0 if values.min() < 0 else 0.0
    two = np.isin(values, (low, 1.0)).all()
    if two or (loss is not None and loss.from_logits):
        return 2, low, 1.0, (values > (low + 1.0) / 2).astype(np.int64), None
    return 0, 0.0, 1.0, None, values


def _class_names(
    where: str, classes: Any, count: int, low: float, high: float, outputs: Array
) -> tuple[str, ...]:
    if classes is None:
        ids = [low, high] if outputs.shape[1] == 1 else range(count)
        return tuple(f"class {number:g}".replace("-", "\N{MINUS SIGN}") for number in ids)
    if not count:
        what, fix = "None, since the answer is a number", "Leave them out."
        raise ArgumentError(f"{where}(classes=)", what, f"{classes!r}", fix)
    return tuple(check_names(f"{where}(classes=)", classes, count, "classes"))


@explained
def decision_boundary(
    model: Sequential,
    X: Any,
    y: Any = None,
    *,
    layer: int | str | None = None,
    unit: int | None = None,
    loss: Loss | None = None,
    classes: Sequence[str] | None = None,
    resolution: int = 150,
    legend: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Draw what a net with two features answers everywhere.

    Of a classifier each class has a colour, the stronger the surer the net is; black lines are the
    boundaries between them. Of a regression the colour is the answer. With `layer` and `unit` it is
    the answer of one neuron, and the black line is where its weighted sum is zero.

    Parameters
    ----------
    model : Sequential
        One net with two features. It is left as it is.
    X : array-like of shape (rows, 2), or table with two columns
        The map goes a little beyond it. Names of columns become those of the axes.
    y : array-like, optional
        The targets as in `fit`: a dot for each row is drawn, with a colour and a marker for each
        class, and the title says how many are on the right side. For one output, targets of 0 and
        1 or -1 and 1 are two classes, and others are numbers. Without targets one output is taken
        for the logit of two classes.
    layer, unit : int or str and int, optional
        A layer of ``model.layers`` (a `Dense`, or the activation behind it) and one of its neurons,
        both from 0, -1 being the last layer. One inside of another is named by its place, such as
        ``"1.0"``.
    loss : Loss, optional
        What the net was trained with, which says whether one output is a logit. Without it, it is
        taken for one, unless the answers themselves are nearer to the targets than their sigmoids.
    classes : sequence of str, optional
        Names of the classes.
    resolution : int
        How many places along each side the net is asked at.
    legend : bool
        Whether to name the classes, or to show which colour is which number.
    ax : matplotlib.axes.Axes, optional
        Where to draw; in a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ModuleNotFoundError
        If matplotlib is not installed.
    ShapeError, ArgumentError, ArgumentTypeError
        If the net has other than two features, or the data do not fit it.

    Examples
    --------
    >>> import matplotlib; matplotlib.use("Agg")
    >>> import nnlite as nn
    >>> X, y = nn.datasets.moons(100, rng=0)
    >>> model = nn.Sequential([nn.Dense(2, 8), nn.Tanh(), nn.Dense(8, 2)], rng=0)
    >>> history = model.fit(X, y, loss=nn.SoftmaxCrossEntropy(), optimizer=nn.Adam(0.1), epochs=50)
    >>> ax = decision_boundary(model, X, y)
    >>> ax.get_title()
    '100 of 100 rows right'
    >>> ax = decision_boundary(model, X, y, layer=1, unit=3)
    >>> ax.get_title()
    'unit 3 of Dense(2, 8), Tanh()'
    >>> import matplotlib.pyplot as plt; plt.close("all")
    """
    where = "plot.decision_boundary"
    check_net(where, model)
    legend = check_bool(f"{where}(legend=)", legend)
    grid = make_grid(where, model, X, resolution=resolution)
    if (layer is None) != (unit is None):
        fix = "Leave out both, or write layer=0, unit=0."
        raise ArgumentError(where, "both layer and unit, or neither", "one of them", fix)
    if layer is None:
        question = settle(where, model, X, y, loss=loss, classes=classes)
        own = new_axes(where, ax)
        draw_answers(own, grid, question, model.predict(grid.rows))
        if legend and not question.classes:
            own.figure.colorbar(own.images[-1], ax=own, label="answer")
        draw_points(own, grid, question)
        if question.labels is not None:
            rows = len(question.labels)
            right = round(question.right(model.predict(X)) * rows)
            own.set_title(f"{right} of {rows} rows right")
        if legend and question.classes:
            name_classes(own, question, inside=ax is not None)
        return own
    stage = _stage(where, model, layer)
    unit = check_place(f"{where}(unit=)", unit, (stage[0].shape or (0,))[0], "units")
    targets = None
    if y is not None:
        targets = settle(where, model, X, y, loss=loss, classes=classes)._replace(coloured=False)
    own = new_axes(where, ax)
    answers, sums = _answers(model, grid, stage)
    image = _draw_unit(own, grid, answers[:, unit], sums[:, unit], scale=answers[:, unit])
    if legend:
        own.figure.colorbar(image, ax=own, label="answer")
    draw_points(own, grid, targets)
    if legend and targets is not None and targets.labels is not None:
        name_classes(own, targets, inside=True)
    own.set_title(f"unit {unit} of {_text(stage)}")
    return own


@explained
def neurons(
    model: Sequential,
    X: Any,
    y: Any = None,
    *,
    layer: int | str,
    columns: int | None = None,
    max_units: int = 64,
    resolution: int = 60,
) -> AnyArray:
    """Draw a small map for each neuron of a layer: which part of the plane makes it answer.

    Blue is an answer above zero and vermilion one below, on the same scale for all. The black line is
    where the weighted sum of the neuron is zero.

    Parameters
    ----------
    model : Sequential
        One net with two features. It is left as it is.
    X : array-like of shape (rows, 2), or table with two columns
        The maps go a little beyond it.
    y : array-like, optional
        The targets as in `fit`, for dots: the classes from white to black, since colours are answers.
    layer : int or str
        Which of ``model.layers``: a `Dense`, or the activation behind it. One inside of another is named by
        its place, such as ``"1.0"``.
    columns : int, optional
        Maps side by side, by default as many as make the picture about square.
    max_units : int
        If the layer has more neurons, so many of them are drawn, from the first.
    resolution : int
        How many places along each side of a map the net is asked at.

    Returns
    -------
    ndarray of matplotlib.axes.Axes of shape (units,)
        One for each neuron, in a new figure.

    Raises
    ------
    ModuleNotFoundError
        If matplotlib is not installed.
    ShapeError, ArgumentError, ArgumentTypeError
        If the net has other than two features, or the data do not fit it.

    Examples
    --------
    >>> import matplotlib; matplotlib.use("Agg")
    >>> import nnlite as nn
    >>> X, y = nn.datasets.xor()
    >>> model = nn.Sequential([nn.Dense(2, 6), nn.Tanh(), nn.Dense(6, 1)], rng=0)
    >>> maps = neurons(model, X, y, layer=0)
    >>> len(maps), maps[2].get_title()
    (6, 'unit 2')
    >>> import matplotlib.pyplot as plt; plt.close("all")
    """
    where = "plot.neurons"
    check_net(where, model)
    most = check_integer(f"{where}(max_units=)", max_units, low=1)
    grid = make_grid(where, model, X, resolution=resolution)
    stage = _stage(where, model, layer)
    question = None
    if y is not None:
        question = settle(where, model, X, y, loss=None, classes=None)._replace(coloured=False)
    answers, sums = _answers(model, grid, stage)
    total = answers.shape[1]
    units = min(total, most)
    side = check_integer(f"{where}(columns=)", columns, low=1) if columns is not None else _columns(units)
    side = min(side, units)
    lines = -(-units // side)
    # A narrow picture still has room for its title; a few maps are larger.
    cell = max(1.25, 4.0 / side)
    width, rise, foot = max(cell * side + 0.9, 3.6), cell + 0.15, 0.25
    height = rise * lines + 0.4 + foot
    figure = pyplot(where).figure(figsize=(width, height))
    # Places in inches: a layout that is computed takes longer than all else.
    step, low = (width - 0.9) / side, height - 0.4
    axes: AnyArray = np.empty(units, object)
    for index in range(units):
        line, column = divmod(index, side)
        box = (0.1 + column * step, low - rise * (line + 1) + 0.05, step - 0.1, rise - 0.3)
        ax = figure.add_axes((box[0] / width, box[1] / height, box[2] / width, box[3] / height))
        image = _draw_unit(ax, grid, answers[:, index], sums[:, index], scale=answers[:, :units])
        draw_points(ax, grid, question, size=7.0)
        ax.set_title(f"unit {index}", fontsize=SMALL + 1, pad=3)
        ax.set(xticks=[], yticks=[], xlabel="", ylabel="")
        axes[index] = ax
    tall = min(low - 0.35 - foot, 3.0)
    place = (1 - 0.7 / width, (low - 0.25 - tall) / height, 0.15 / width, tall / height)
    bar = figure.colorbar(image, cax=figure.add_axes(place))
    bar.ax.tick_params(labelsize=SMALL)
    handles, names = axes[0].get_legend_handles_labels()
    if names and sum(text_width(name) + 2.5 * SMALL for name in names) < 72 * width:
        how: dict[str, Any] = {
            "loc": "lower left",
            "borderaxespad": 0.2,
            "handletextpad": 0.2,
            "markerscale": 2.0,
        }
        keys = figure.legend(
            handles, names, ncols=len(names), fontsize=SMALL, frameon=False, columnspacing=0.8, **how
        )
        for text in keys.get_texts():
            text.set_parse_math(False)
    some = f"{units} of {total} units of " if units < total else ""
    figure.suptitle(f"{some}{_text(stage)}", fontsize=SMALL + 2, y=1 - 0.1 / height, va="top")
    return axes


def _columns(units: int) -> int:
    """Return how many maps side by side make the picture about square, the last line full if possible."""
    square = int(np.ceil(np.sqrt(units)))
    full = [side for side in range(square, min(units, 2 * square) + 1) if units % side == 0]
    return full[0] if full else square


def _stage(where: str, model: Sequential, layer: Any) -> list[Stop]:
    """Return the layer that makes the neurons of `layer`, and those behind it that keep them apart."""
    way, number = check_layer(f"{where}(layer=)", model, layer)
    shapes = [model.input_shape, *(stop.shape for stop in way)]
    opens = [
        index
        for index, one in enumerate(way[: number + 1])
        if one.mixes or shapes[index + 1] != shapes[index]
    ]
    if not opens or len(way[opens[-1]].shape or ()) != 1:
        raise ArgumentError(
            f"{where}(layer=)",
            "a layer of neurons, which has weights",
            f"layer {way[number].place}, {way[number].layer}",
            "Name a Dense, or the activation behind it.",
        )
    found = [way[opens[-1]]]
    for index, one in enumerate(way[opens[-1] + 1 :], start=opens[-1] + 1):
        # What a block adds is no part of a neuron inside of it.
        if one.mixes or one.shape != found[0].shape or (one.joins and index > number):
            break
        found.append(one)
    return found


def _text(stage: list[Stop]) -> str:
    return ", ".join("+ input" if stop.joins else repr(stop.layer) for stop in stage)


def _answers(model: Sequential, grid: Grid, stage: list[Stop]) -> tuple[Array, Array]:
    """Return what the neurons answer on the grid, and their weighted sums."""
    x = model.boundary.check_input(grid.rows, where="plot(X)")
    outputs = pass_through(model, x).outputs
    return outputs[stage[-1].place].astype(np.float64), outputs[stage[0].place].astype(np.float64)


# Drawing.


def draw_answers(
    ax: Axes, grid: Grid, question: Question, outputs: Array, *, ends: tuple[float, float] | None = None
) -> None:
    """Draw regions and boundaries, or the map of a number.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to.
    grid : Grid
        Where the net was asked.
    question : Question
        What its outputs mean.
    outputs : ndarray of shape (resolution ** 2, outputs)
        What it predicts there.
    ends : (float, float), optional
        Which numbers have the first and the last colour; by default the lowest and the highest.
    """
    if not question.classes:
        answers = grid.image(outputs[:, 0].astype(np.float64))
        if ends is None:
            every = answers if question.values is None else np.append(answers, question.values)
            ends = (float(every.min()), float(every.max()))
        _image(ax, grid, answers, cmap=sequential(), vmin=ends[0], vmax=ends[1])
        if answers.max() > answers.min():
            levels = np.linspace(answers.min(), answers.max(), LINES + 2)[1:-1]
            ax.contour(
                grid.horizontal,
                grid.vertical,
                answers,
                levels,
                colors="black",
                linewidths=0.5,
                linestyles="solid",
            )
        return
    from matplotlib.colors import to_rgb

    shares = grid.image(question.shares(outputs))
    margins = grid.image(question.margins(outputs))
    winner = margins.argmax(axis=-1)
    colours = np.array([to_rgb(class_colour(index)) for index in range(question.classes)])
    sure = np.take_along_axis(shares, winner[..., None], axis=-1)
    # An even guess is pale and a certain answer strong, however many classes there are.
    least = 1.0 / question.classes
    strength = PALE + (STRONG - PALE) * np.clip((sure - least) / (1.0 - least), 0.0, 1.0)
    _image(ax, grid, 1.0 - strength * (1.0 - colours[winner]), interpolation="nearest")
    # Every boundary is that of a class which is not the last.
    for index in range(question.classes - 1):
        _zero_line(ax, grid, margins[..., index], width=1.2)


def _image(ax: Axes, grid: Grid, numbers: AnyArray, *, interpolation: str = "bilinear", **how: Any) -> Any:
    image = ax.imshow(
        numbers,
        origin="lower",
        extent=grid.extent,
        aspect="auto",
        interpolation=interpolation,
        zorder=0,
        **how,
    )
    ax.set(
        xlim=(grid.horizontal[0], grid.horizontal[-1]),
        ylim=(grid.vertical[0], grid.vertical[-1]),
    )
    # A dollar sign in a name begins no formula.
    ax.set_xlabel(grid.names[0], parse_math=False)
    ax.set_ylabel(grid.names[1], parse_math=False)
    return image


def _zero_line(ax: Axes, grid: Grid, numbers: Array, *, width: float) -> None:
    if numbers.min() < 0 < numbers.max():  # or matplotlib warns that there is no line
        ax.contour(grid.horizontal, grid.vertical, numbers, [0.0], colors="black", linewidths=width, zorder=1)


def _draw_unit(ax: Axes, grid: Grid, answers: Array, sums: Array, *, scale: Array) -> Any:
    """Draw the map of one neuron, coloured on the scale of all those in `scale`."""
    if scale.min() < 0:
        how: dict[str, Any] = {"cmap": diverging(), "norm": around_zero(scale)}
    else:
        how = {"cmap": sequential(), "vmin": 0.0, "vmax": float(scale.max()) or 1.0}
    image = _image(ax, grid, grid.image(answers), **how)
    _zero_line(ax, grid, grid.image(sums), width=1.0)
    return image


def draw_points(ax: Axes, grid: Grid, question: Question | None, *, size: float = 18.0) -> None:
    """Draw the data.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to.
    grid : Grid
        Holds them.
    question : Question or None
        Knows what they should be; None draws nothing.
    size : float
        Area of a marker, in square points.
    """
    if question is None:
        return
    style: dict[str, Any] = {
        "s": size,
        "edgecolors": "black",
        "linewidths": 0.4 if size > 10 else 0.2,
        "zorder": 2,
    }
    if question.labels is not None:
        for index in range(question.classes):
            points = grid.points[question.labels == index]
            if len(points):
                own: dict[str, Any] = {"color": question.colour(index), "marker": class_marker(index)}
                ax.scatter(points[:, 0], points[:, 1], label=question.names[index], **own, **style)
    elif question.values is not None:
        across, along = grid.points.T
        if question.coloured:
            norm: Any = ax.images[-1].norm
            ax.scatter(across, along, c=question.values, cmap=sequential(), norm=norm, **style)
        else:
            ax.scatter(across, along, color="white", **style)


def name_classes(ax: Axes, question: Question, *, inside: bool) -> None:
    """Name the classes in a legend.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to.
    question : Question
        Knows them.
    inside : bool
        Whether within the Axes, as in those of the user, whose surroundings are not ours; else beside them.
    """
    from matplotlib.lines import Line2D

    handles = [
        Line2D(
            [], [], ls="", marker="s" if question.labels is None else class_marker(index),
            color=question.colour(index), mec="black", mew=0.4, ms=6, label=name,
        )
        for index, name in enumerate(question.names)
    ]  # fmt: skip
    place: dict[str, Any] = {"loc": "best"} if inside else {
        "loc": "upper left", "bbox_to_anchor": (1.01, 1.0), "borderaxespad": 0.0,
    }  # fmt: skip
    legend(ax, handles=handles, fontsize=SMALL + 1, framealpha=0.9, edgecolor=GREY, **place)
