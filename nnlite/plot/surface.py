"""The loss as a landscape around the trained weights, with the way that descent took through it."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nnlite.checks.nets import check_net
from nnlite.core.aliases import RNG, AnyArray, Array
from nnlite.core.losses import Loss
from nnlite.core.parameters import Parameters
from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.errors.arguments import explained, is_ours
from nnlite.errors.checks import check_bool, check_integer, check_number, check_rng
from nnlite.model import PREDICT_ROWS, Sequential
from nnlite.plot.style import BLACK, GREEN, PURPLE, VERMILION, name_axis, new_axes, short
from nnlite.plot.style import legend as name_lines
from nnlite.plot.weight_path import WeightPath, check_path
from nnlite.training.inside import inside

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap

__all__ = [
    "TRAILS",
    "Surface",
    "Trail",
    "check_loss_given",
    "check_paths",
    "copy_of",
    "draw_surface",
    "ground",
    "heights",
    "loss_surface",
    "losses_at",
    "measure",
    "short_label",
]

#: Nets are evaluated as replicas of one, so many at once that the outputs of all layers stay below this
#: many numbers.
NUMBERS_AT_ONCE = 2_000_000
#: The picture goes so far beyond the path, as a part of its size; and neither side is shorter than this
#: part of the other.
MARGIN = 0.25
NARROWEST = 0.4
#: Places on a path whose loss is more than so many times that at its start are left outside the picture.
CLIMB = 4.0
#: The colour of the surface stops at so many times the largest loss on the paths, above which all is hill.
HILL = 10.0
#: And it begins at this part of that: a net that fits its data exactly has a hole without a bottom.
VALLEY = 1e-5
#: If the largest loss is more than so many times the smallest, the colours follow its logarithm.
LOGARITHMIC = 20.0
#: Colours of several paths, and the lines of equal loss.
TRAILS = (VERMILION, GREEN, PURPLE, BLACK)
LEVELS = 16


class Trail(NamedTuple):
    """A path on a surface.

    Parameters
    ----------
    name : str
        For the legend; empty if there is one path only.
    places : ndarray of shape (points, 2)
        Where it went, in the units of the axes.
    losses : ndarray of shape (points,)
        The loss on all data at the weights themselves, which need not lie in the plane.
    numbers : ndarray of int of shape (points,)
        After how many epochs or steps.
    unit : str
        ``"epoch"`` or ``"step"``.

    Examples
    --------
    >>> Trail("", np.zeros((3, 2)), np.zeros(3), np.arange(3), "epoch").unit
    'epoch'
    """

    name: str
    places: Array
    losses: Array
    numbers: AnyArray
    unit: str


class Surface(NamedTuple):
    """The loss in a plane through the weights of a net.

    Parameters
    ----------
    origin : ndarray of shape (size,)
        The weights at the place (0, 0).
    directions : ndarray of shape (2, size)
        What one step to the right, and one upwards, adds to them.
    horizontal, vertical : ndarray of shape (resolution,)
        Where the loss was computed.
    losses : ndarray of shape (resolution, resolution)
        The loss on all data; NaN where it is not finite. Row by row from below.
    labels : (str, str)
        What the axes are.
    centre : ndarray of shape (2,)
        The place of the model's own weights.
    centre_loss : float
        The loss there.
    trails : list of Trail
        The paths.

    Examples
    --------
    >>> from nnlite import Dense, MeanSquaredError
    >>> model = Sequential([Dense(1, 1)], rng=0)
    >>> surface = measure("here", model, [[1.0]], [[2.0]], MeanSquaredError(), resolution=5)
    >>> surface.labels, surface.losses.shape
    (('0.W', '0.b'), (5, 5))
    """

    origin: Array
    directions: Array
    horizontal: Array
    vertical: Array
    losses: Array
    labels: tuple[str, str]
    centre: Array
    centre_loss: float
    trails: list[Trail]


class _Plane(NamedTuple):
    """Two directions through a point, and what they are called."""

    origin: Array
    directions: Array
    labels: tuple[str, str]


# The loss at many weights.


def losses_at(
    where: str, model: Sequential, values: Array, X: Any, y: Any, loss: Loss, *, weight: Any = None
) -> Array:
    """Compute the loss on all data for many weights, without dropout.

    Parameters
    ----------
    where : str
        Names the function in messages.
    model : Sequential
        One net, which is left as it is.
    values : ndarray of shape (points, size) or (points, size + kept)
        The weights; and behind them what is kept, such as running statistics, where it is not the model's.
    X, y, weight : array-like
        The data, as `Sequential.evaluate` takes them.
    loss : Loss
        What is computed.

    Returns
    -------
    ndarray of shape (points,)
        NaN where the loss is not finite.

    Raises
    ------
    ShapeError, ArgumentError, ArgumentTypeError
        If the data do not fit.

    Examples
    --------
    >>> from nnlite import Dense, MeanSquaredError
    >>> model = Sequential([Dense(1, 1, bias=False)], rng=0)
    >>> losses_at("here", model, np.array([[1.0], [2.0]]), [[1.0]], [[2.0]], MeanSquaredError())
    array([1., 0.])
    """
    model.boundary.check_loss(loss)
    x = model.boundary.check_input(X, where=f"{where}(X)", finite=True)
    target, weight = model.boundary.check_targets(y, weight, loss, x)
    values = values.astype(model.params.dtype)
    found = np.full(len(values), np.nan)
    with np.errstate(all="ignore"):  # far away from the trained weights anything may overflow
        if _keeps_leading_axes(model):
            many = _at_once(model, x.shape[0], len(values))
            twin = copy_of(model, replicas=many)
            for start in range(0, len(values), many):
                block = values[start : start + many]
                twin.params.numbers[: len(block), : block.shape[1]] = block
                value, _ = loss.value_and_grad(twin._predict(x, PREDICT_ROWS), target, weight)
                if np.shape(value) != (many,):  # a loss of one's own that averages over all it is given
                    break
                found[start : start + many] = np.asarray(value)[: len(block)]
            else:
                return np.where(np.isfinite(found), found, np.nan)
        twin = copy_of(model)
        for index, one in enumerate(values):
            twin.params.numbers[: len(one)] = one
            value, _ = loss.value_and_grad(twin._predict(x, PREDICT_ROWS), target, weight)
            found[index] = float(value)
    return np.where(np.isfinite(found), found, np.nan)


def _keeps_leading_axes(model: Sequential) -> bool:
    """Tell whether all layers are the package's, which tests hold to leaving replicas alone."""
    return all(is_ours(type(layer)) for prefix, layer in model.walk() if prefix)


def _at_once(model: Sequential, rows: int, points: int) -> int:
    """Return how many nets fit into the memory that one call may take."""
    shapes = [shape for _, _, shape in inside(model, shape=model.input_shape)]
    numbers = sum(math.prod(shape or (1,)) for shape in shapes) * min(rows, PREDICT_ROWS)
    numbers += rows * math.prod(model.output_shape or (1,)) + model.params.size
    return max(1, min(points, NUMBERS_AT_ONCE // max(1, int(numbers))))


def copy_of(model: Sequential, replicas: int | None = None) -> Sequential:
    """Make a net with the same layers, which draws nothing from the model's own generator.

    Parameters
    ----------
    model : Sequential
        One net.
    replicas : int, optional
        How many of it.

    Returns
    -------
    Sequential
        It takes rows of numbers, also where the model encodes tables.

    Examples
    --------
    >>> from nnlite import Dense
    >>> copy_of(Sequential([Dense(1, 1)]), replicas=3).params.values.shape
    (3, 2)
    """
    layers = [copy.deepcopy(layer) for layer in model.layers]
    return Sequential(layers, dtype=model.params.dtype, replicas=replicas, rng=0)


# The plane.


def _trainable(params: Parameters) -> AnyArray:
    """Return which numbers training changes."""
    found = np.zeros(params.size, bool)
    for run in params.trainable_slices:
        found[run] = True
    return found


def _parameter_plane(model: Sequential, free: AnyArray) -> _Plane:
    """Return the plane of all weights there are, where there are two."""
    values = model.params.values.astype(np.float64)
    names = []
    for name, marks in model.params.split(np.arange(model.params.size, dtype=np.float64)).items():
        for place in np.argwhere(free[marks.astype(int)]):
            index = f"[{', '.join(map(str, place))}]" if marks.size > 1 else ""
            names.append(f"{name}{index}")
    directions = np.eye(model.params.size)[np.flatnonzero(free)]
    return _Plane(np.where(free, 0.0, values), directions, (names[0], names[1]))


def _path_plane(model: Sequential, free: AnyArray, points: Array, rng: np.random.Generator) -> _Plane:
    """Return the plane through the trained weights along which the paths spread most."""
    centred = (points - points.mean(axis=0)) * free
    # The small matrix of products has the same large eigenvalues as the covariance of the weights.
    eigenvalues, eigenvectors = np.linalg.eigh(centred @ centred.T)
    order = np.argsort(eigenvalues)[::-1][:2]
    total = float(np.maximum(eigenvalues, 0.0).sum())
    directions: list[Array] = []
    labels: list[str] = []
    for rank, which in zip(("1st", "2nd"), order.tolist(), strict=False):
        share = max(float(eigenvalues[which]), 0.0) / total if total else 0.0
        if share > 1e-10:
            direction = centred.T @ eigenvectors[:, which]
            labels.append(f"{rank} direction: {share:.1%} of the path's variance")
        else:  # a straight path, or a single point: any direction will do
            direction = rng.normal(size=len(free)) * free
            labels.append(f"{rank} direction: random, the path is straight")
        for other in directions:
            direction = direction - (direction @ other) * other
        direction = direction / np.linalg.norm(direction)
        # From left to right, and upwards, is the way that training went.
        if (points[-1] - points[0]) @ direction < 0:
            direction = -direction
        directions.append(direction)
    return _Plane(model.params.values.astype(np.float64), np.array(directions), (labels[0], labels[1]))


def _random_plane(model: Sequential, free: AnyArray, rng: np.random.Generator) -> _Plane:
    """Return the plane of two random directions, in which each unit moves by as much as its weights."""
    values = model.params.values.astype(np.float64)
    weights = model.params.split(values)
    directions = []
    for _ in range(2):
        direction = rng.normal(size=len(values))
        for name, part in model.params.split(direction).items():
            if part.ndim < 2:  # biases and gains stay where they are
                part[...] = 0.0
                continue
            sizes = np.linalg.norm(part, axis=-2, keepdims=True)
            part *= np.linalg.norm(weights[name], axis=-2, keepdims=True) / np.where(sizes > 0, sizes, 1.0)
        directions.append(direction * free)
    labels = ("1st direction: random, filter-normalised", "2nd direction: random, filter-normalised")
    return _Plane(values, np.array(directions), labels)


def _places(plane: _Plane, points: Array) -> Array:
    """Return where the points of a path are in the plane, seen at a right angle to it."""
    found = np.linalg.lstsq(plane.directions.T, (points - plane.origin).T, rcond=None)[0]
    return found.T


def measure(
    where: str,
    model: Sequential,
    X: Any,
    y: Any,
    loss: Loss,
    *,
    path: Any = None,
    span: Any = None,
    weight: Any = None,
    resolution: int = 41,
    rng: RNG = None,
) -> Surface:
    """Compute the loss in a plane through the weights; see `loss_surface`, which draws it.

    Parameters
    ----------
    where : str
        Names the function in messages.
    model, X, y, loss, path, span, weight, resolution, rng
        As `loss_surface` takes them.

    Returns
    -------
    Surface

    Raises
    ------
    ShapeError, ArgumentError, ArgumentTypeError
        If something does not fit.
    """
    check_net(where, model)
    check_loss_given(where, loss)
    resolution = check_integer(f"{where}(resolution=)", resolution, low=3)
    generator = check_rng(f"{where}(rng=)", 0 if rng is None else rng)
    free = _trainable(model.params)
    if free.sum() < 2:
        fix = "Call unfreeze() on a layer, or add a Dense layer."
        raise ArgumentError(f"{where}(model)", "a net with two numbers to train", f"{free.sum()}", fix)
    paths = check_paths(f"{where}(path=)", path, size=model.params.size)
    points = [one.values.astype(np.float64) for one in paths.values()]
    if free.sum() == 2:
        plane = _parameter_plane(model, free)
    elif points:
        plane = _path_plane(model, free, np.concatenate(points), generator)
    else:
        plane = _random_plane(model, free, generator)
    own = model.params.values.astype(np.float64)
    centre = _places(plane, own[None])[0]
    # Each point of a path with the running statistics that it had; the plane with those of the model.
    whole = [model.params.numbers[None], *(one._whole for one in paths.values())]
    known = losses_at(where, model, np.concatenate(whole), X, y, loss, weight=weight)
    trails, start = [], 1
    for name, one in paths.items():
        stop = start + len(one)
        places = _places(plane, one.values.astype(np.float64))
        trails.append(Trail(name, places, known[start:stop], one.numbers, one.unit.removesuffix("s")))
        start = stop
    (left, right), (low, high) = _box(where, span, centre, trails, absolute=free.sum() == 2)
    horizontal, vertical = np.linspace(left, right, resolution), np.linspace(low, high, resolution)
    places = np.stack(np.meshgrid(horizontal, vertical), axis=-1).reshape(-1, 2)
    losses = np.empty(len(places))
    # A line of the picture at a time, so that the weights of all its places need never be there at once.
    lines = max(1, NUMBERS_AT_ONCE // (resolution * model.params.size)) * resolution
    for first in range(0, len(places), lines):
        block = plane.origin + places[first : first + lines] @ plane.directions
        losses[first : first + lines] = losses_at(where, model, block, X, y, loss, weight=weight)
    return Surface(
        plane.origin,
        plane.directions,
        horizontal,
        vertical,
        losses.reshape(resolution, resolution),
        plane.labels,
        centre,
        float(known[0]),
        trails,
    )


def check_paths(where: str, path: Any, *, size: int) -> dict[str, WeightPath]:
    """Return paths by their names; one alone has an empty name.

    Parameters
    ----------
    where : str
        Names the argument in the message.
    path : WeightPath, mapping of str to WeightPath, or None
        What the user gave.
    size : int
        How many parameters the net has.

    Returns
    -------
    dict of str to WeightPath

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If one of them is something else, or the path of another net.

    Examples
    --------
    >>> check_paths("here", None, size=3)
    {}
    """
    if path is None:
        return {}
    if not isinstance(path, Mapping):
        return {"": check_path(where, path, size=size)}
    if not path:
        raise ArgumentError(where, "at least one path", "none", "Leave it out, or give a WeightPath.")
    if len(path) > len(TRAILS):
        got = f"{len(path)}"
        raise ArgumentError(where, f"at most {len(TRAILS)} paths", got, "Choose those that differ most.")
    return {str(name): check_path(f"{where}, {name!r}", one, size=size) for name, one in path.items()}


def _box(
    where: str, span: Any, centre: Array, trails: Sequence[Trail], *, absolute: bool
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the edges of the picture: left and right, below and above."""
    if isinstance(span, Sequence | np.ndarray) and not isinstance(span, str):
        try:
            (left, right), (low, high) = (map(float, side) for side in span)
        except (TypeError, ValueError):
            left = right = low = high = math.nan
        if not (left < right and low < high) or not np.isfinite([left, right, low, high]).all():
            what = "a number, or ((left, right), (below, above))"
            fix = "Write span=1.0, or span=((-1, 1), (-2, 2))."
            raise ArgumentError(f"{where}(span=)", what, f"{span!r}", fix)
        return (left, right), (low, high)
    if span is not None:
        room = check_number(f"{where}(span=)", span, low=0, low_open=True)
    elif not trails:
        room = max(1.0, float(np.abs(centre).max())) if absolute else 1.0
    else:
        return _box_around(centre, trails)
    return (centre[0] - room, centre[0] + room), (centre[1] - room, centre[1] + room)


def _box_around(centre: Array, trails: Sequence[Trail]) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return edges that hold the paths, without what has left for ever."""
    seen = [centre[None]]
    for trail in trails:
        start = trail.losses[0] if np.isfinite(trail.losses[0]) else np.nanmin(trail.losses)
        with np.errstate(invalid="ignore"):
            seen.append(trail.places[trail.losses <= CLIMB * max(float(start), 1e-12)])
    places = np.concatenate(seen)
    low, high = places.min(axis=0), places.max(axis=0)
    sides = np.maximum(high - low, NARROWEST * float((high - low).max()))
    sides = np.where(sides > 0, sides, 1.0) * (1.0 + 2.0 * MARGIN)
    middle = (low + high) / 2
    (left, below), (right, above) = middle - sides / 2, middle + sides / 2
    return (float(left), float(right)), (float(below), float(above))


# Drawing.


@explained
def loss_surface(
    model: Sequential,
    X: Any,
    y: Any,
    loss: Loss,
    *,
    path: WeightPath | Mapping[str, WeightPath] | None = None,
    span: float | tuple[tuple[float, float], tuple[float, float]] | None = None,
    weight: Any = None,
    resolution: int = 41,
    rng: RNG = None,
    legend: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Draw the loss around the trained weights, and the way that descent took.

    A net has more weights than a picture has directions, so this is a plane through the trained
    weights: with a path the one along which the path spreads most, by principal components; without
    one that of two random directions. A net with two weights has just one plane, and its axes are
    the weights.

    Parameters
    ----------
    model : Sequential
        One net, as a rule a trained one. It is left as it is.
    X : array-like of shape (rows, features)
        The input. All rows are used at each of the ``resolution ** 2`` places.
    y : array-like
        The targets, as the loss takes them.
    loss : Loss
        What is drawn.
    path : WeightPath, or mapping of str to WeightPath, optional
        Where training went; several by their names, such as ``{"rate 0.1": path, ...}``. It is seen
        at a right angle to the plane. The axes say how much of its variance they show.
    span : float, or ((left, right), (below, above)), optional
        How far the picture goes from the trained weights to each side, in lengths of the directions:
        1 for random ones, which are as long as the weights. By default it holds the paths.
    weight : array-like of shape (rows,), optional
        How much each row counts.
    resolution : int
        How many places along each side.
    rng : int, Generator or None
        Draws the random directions; None draws the same ones every time.
    legend : bool
        Whether to name the lines, and to show which colour is which loss.
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
        If the data do not fit, or the path is that of another net.

    Notes
    -----
    What looks like a valley here may be a saddle in the directions that are not shown, and a path that
    seems to climb may go down in one of them. The loss of the path's own weights is computed too, and
    stands in the legend. Many nets are evaluated at once, as replicas of one.

    References
    ----------
    H. Li, Z. Xu, G. Taylor, C. Studer and T. Goldstein, "Visualizing the Loss Landscape of Neural
    Nets", NeurIPS 2018, sections 4 (filter normalisation) and 7 (paths).
    M. Gallagher and T. Downs, "Visualization of Learning in Multilayer Perceptron Networks Using
    Principal Component Analysis", IEEE Transactions on Systems, Man, and Cybernetics B 33, 2003.

    Examples
    --------
    >>> import matplotlib; matplotlib.use("Agg")
    >>> import nnlite as nn
    >>> from nnlite.plot import WeightPath, loss_surface
    >>> X, y = nn.datasets.xor()
    >>> model = nn.Sequential([nn.Dense(2, 8), nn.Tanh(), nn.Dense(8, 1)], rng=0)
    >>> path = WeightPath()
    >>> history = model.fit(
    ...     X, y[:, None], loss=nn.MeanSquaredError(), optimizer=nn.SGD(0.1), epochs=200, callbacks=[path]
    ... )
    >>> ax = loss_surface(model, X, y[:, None], nn.MeanSquaredError(), path=path, resolution=9)
    >>> ax.get_ylabel().startswith("2nd direction")
    True
    >>> import matplotlib.pyplot as plt; plt.close("all")
    """
    where = "plot.loss_surface"
    legend = check_bool(f"{where}(legend=)", legend)
    if ax is not None:
        new_axes(where, ax)  # says at once if it is none
    surface = measure(
        where, model, X, y, loss, path=path, span=span, weight=weight, resolution=resolution, rng=rng
    )
    own = new_axes(where, ax)
    draw_surface(own, surface, bar=legend)
    for index, trail in enumerate(surface.trails):
        _draw_trail(own, trail, TRAILS[index], name_start=len(surface.trails) == 1)
    if not any(np.allclose(trail.places[-1], surface.centre) for trail in surface.trails):
        own.plot(
            *surface.centre, "*", color="white", mec="black", ms=13, ls="",
            label=f"trained weights: loss {short(surface.centre_loss, 3)}",
        )  # fmt: skip
    if legend:
        name_lines(own)
    return own


def draw_surface(ax: Axes, surface: Surface, *, bar: bool) -> None:
    """Draw the loss as coloured areas with lines between them.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to.
    surface : Surface
        What.
    bar : bool
        Whether to show which colour is which loss.
    """
    from matplotlib.colors import LogNorm, Normalize

    low, high = heights(surface)
    logarithmic = low > 0 and high > LOGARITHMIC * low
    levels = np.geomspace(low, high, LEVELS) if logarithmic else np.linspace(low, high, LEVELS)
    norm = LogNorm(low, high) if logarithmic else Normalize(low, high)
    places = (surface.horizontal, surface.vertical)
    shown = np.ma.masked_invalid(surface.losses)
    with np.errstate(invalid="ignore"):
        beyond = (surface.losses < low).any() + 2 * (surface.losses > high).any()
    extend = ("neither", "min", "max", "both")[beyond]
    areas = ax.contourf(*places, shown, levels, norm=norm, cmap=ground(), extend=extend, zorder=0)
    ax.contour(*places, shown, levels, colors="black", linewidths=0.3, alpha=0.6, zorder=0)
    ax.set(
        xlim=(surface.horizontal[0], surface.horizontal[-1]),
        ylim=(surface.vertical[0], surface.vertical[-1]),
    )
    for axis, label in zip("xy", surface.labels, strict=True):
        name_axis(ax, axis, label, short_label(label), label.partition(":")[0])
    if bar:
        ticks = levels[:: (LEVELS - 1) // 5]
        side = ax.figure.colorbar(areas, ax=ax, label="loss", ticks=ticks)
        side.ax.minorticks_off()
        side.ax.set_yticks(ticks, [short(tick) for tick in ticks])


def short_label(label: str) -> str:
    """Leave out what a small picture has no room for.

    Parameters
    ----------
    label : str
        Of an axis.

    Returns
    -------
    str

    Examples
    --------
    >>> short_label("1st direction: 98.9% of the path's variance")
    '1st direction: 98.9% of variance'
    """
    return label.replace(" of the path's variance", " of variance").replace(
        " direction: random, the path is", ":"
    )


def ground() -> Colormap:
    """Return the colours of a surface: white in the valley, and never so dark that a path is lost on it.

    Returns
    -------
    matplotlib.colors.Colormap

    Examples
    --------
    >>> ground().name
    'nnlite ground'
    """
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("nnlite ground", ["#FFFFFF", "#BFD9EC", "#6BA6D0"])


def heights(surface: Surface) -> tuple[float, float]:
    """Return the losses below which, and above which, all is coloured alike.

    Parameters
    ----------
    surface : Surface
        What is to be drawn.

    Returns
    -------
    (float, float)
    """
    finite = surface.losses[np.isfinite(surface.losses)]
    if not finite.size:
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    starts = [float(trail.losses[0]) for trail in surface.trails if np.isfinite(trail.losses[0])]
    if starts:
        high = min(high, HILL * max(starts))
    low = max(low, VALLEY * high) if low > 0 else low
    if high <= low:
        high = low + max(1e-12, 1e-6 * abs(low))
    return low, high


def _draw_trail(ax: Axes, trail: Trail, colour: str, *, name_start: bool) -> None:
    """Draw a path with its start and its end."""
    name = f"{trail.name}, " if trail.name else ""
    unit = trail.unit if trail.numbers[-1] == 1 else f"{trail.unit}s"
    marker = "." if len(trail.places) <= 100 else ""
    ax.plot(*trail.places.T, color="black", lw=2.6, zorder=2)
    ax.plot(*trail.places.T, marker=marker, ms=4, color=colour, lw=1.4, zorder=3, label="_path")
    style: dict[str, Any] = {"color": colour, "mec": "black", "ls": "", "zorder": 4}
    start = f"start: loss {short(trail.losses[0], 3)}" if name_start else "_start"
    ax.plot(*trail.places[0], "o", ms=7, label=start, **style)
    after = f"after {trail.numbers[-1]} {unit}"
    ax.plot(*trail.places[-1], "*", ms=13, label=f"{name}{after}: loss {short(trail.losses[-1], 3)}", **style)


def check_loss_given(where: str, loss: Any) -> Loss:
    """Refuse a missing loss.

    Parameters
    ----------
    where : str
        Names the function in the message.
    loss : object
        The candidate.

    Returns
    -------
    Loss

    Raises
    ------
    ArgumentTypeError
        If it is none.

    Examples
    --------
    >>> from nnlite import MeanSquaredError
    >>> check_loss_given("here", MeanSquaredError())
    MeanSquaredError()
    """
    if not isinstance(loss, Loss):
        fix = "Give the one that the net was trained with, such as nnlite.MeanSquaredError()."
        raise ArgumentTypeError(f"{where}(loss=)", "a Loss instance", f"{loss!r}", fix)
    return loss
