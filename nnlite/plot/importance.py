"""What a net looks at: features that it does worse without, and the slope of its answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nnlite.core.aliases import AnyArray, Array
from nnlite.data.conversion import is_sparse
from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.errors.arguments import explained
from nnlite.errors.checks import check_integer
from nnlite.layers.embedding import Embedding
from nnlite.layers.standardize import Standardize
from nnlite.model import Sequential
from nnlite.plot.estimators import from_estimator
from nnlite.plot.given import check_names, input_names
from nnlite.plot.style import (
    GREY,
    NEGATIVE,
    POSITIVE,
    SMALL,
    around_zero,
    diverging,
    name_axis,
    new_axes,
    open_frame,
    shortened,
    size_of,
)
from nnlite.plot.weights import image_shape
from nnlite.training.attribution import Importance
from nnlite.training.attribution import permutation_importance as shuffle
from nnlite.training.attribution import saliency as slopes
from nnlite.training.inside import at_the_front

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["permutation_importance", "saliency"]

#: What part of the Axes names may take; what is longer is cut.
NAMES = 0.4


def _shuffled(where: str, estimator: Any, X: Any, y: Any, **options: Any) -> dict[str, Any]:
    if isinstance(estimator, Sequential):
        fix = "Write plot.permutation_importance(nnlite.inspect.permutation_importance(model, X, y, metric))."
        raise ArgumentTypeError(f"{where}(estimator)", "an estimator", "a Sequential", fix)
    return {"result": shuffle(estimator, X, y, **options)}


@from_estimator(_shuffled)
@explained
def permutation_importance(result: Importance, *, max_features: int = 20, ax: Axes | None = None) -> Axes:
    """Draw how much worse a model is without each feature, the most important first.

    A bar is the mean over the times that a feature was shuffled, and the strokes are these times. A feature
    whose strokes lie on both sides of 0 may as well be left out, if no other says the same.

    Parameters
    ----------
    result : Importance
        What `nnlite.inspect.permutation_importance` returned.
    max_features : int
        So many are drawn at most.
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
        If an argument cannot be used.

    Notes
    -----
    ``permutation_importance.from_estimator(estimator, X, y, ...)`` measures an estimator first; it takes what
    `nnlite.inspect.permutation_importance` takes.

    Examples
    --------
    >>> import nnlite as nn
    >>> X, y = nn.datasets.moons(50, rng=0)
    >>> model = nn.Sequential([nn.Dense(2, 2)], rng=0)
    >>> found = nn.inspect.permutation_importance(model, X, y, nn.accuracy, repeats=3, rng=0)
    >>> ax = permutation_importance(found)
    >>> bool((np.sort([bar.get_width() for bar in ax.patches]) == np.sort(found.mean)).all())
    True
    >>> ax.figure.clear()
    """
    where = "plot.permutation_importance"
    if not isinstance(result, Importance):
        fix = "Give what nnlite.inspect.permutation_importance(model, X, y, metric) returned."
        raise ArgumentTypeError(f"{where}(result)", "an Importance", type(result).__name__, fix)
    most = check_integer(f"{where}(max_features=)", max_features, low=1)
    order = np.argsort(-result.mean, kind="stable")[:most]
    ax, shown = _bars(where, ax, result.names, result.mean, order)
    places = np.repeat(np.arange(len(shown)), result.importances.shape[1])
    ax.plot(result.importances[shown].ravel(), places, "|", color="black", ms=5, alpha=0.7)
    name = result.metric
    texts = f"by how much the {name} gets worse without it", f"{name}, worse without it", "worse without it"
    name_axis(ax, "x", *texts)
    return ax


def _inside(where: str, estimator: Any, X: Any, _: Any) -> dict[str, Any]:
    model = getattr(estimator, "model_", None)
    if not isinstance(model, Sequential):
        fix = "Give a fitted estimator of nnlite.sklearn; others have no gradient."
        raise ArgumentTypeError(
            f"{where}(estimator)", "an estimator with a net", type(estimator).__name__, fix
        )
    names = getattr(estimator, "feature_names_in_", None)
    return {"model": model, "X": np.asarray(X), "feature_names": None if names is None else list(names)}


@from_estimator(_inside)
@explained
def saliency(
    model: Sequential,
    X: Any,
    *,
    output: int | None = None,
    shape: tuple[int, int] | None = None,
    feature_names: Sequence[str] | None = None,
    max_features: int = 20,
    ax: Axes | None = None,
) -> Axes:
    """Draw what a net looks at: the gradient of an output by each input.

    Of an image, blue says that more ink there would raise the output, vermilion that it would lower it; the
    black lines are those of the image. Of a table there is a bar for each feature that is a number, its mean
    over the rows, and of a series of one feature for each step; the line goes from the smallest tenth of the
    rows to the largest. Categories have no slope; `permutation_importance` has them. All say how much the
    output moves where an input moves by one standard deviation: that of a `Standardize` in front of the net,
    else that of the rows. Of a single row, without one, it is the gradient itself.

    Parameters
    ----------
    model : Sequential
        One net.
    X : array-like of shape (rows, ...)
        One image, with or without an axis for rows, or several, whose mean is drawn; or rows of a table.
    output : int, optional
        Which output; by default the largest of each row, the class that it is taken for.
    shape : (int, int), optional
        Height and width of images that come as rows of numbers. By default those of a `Flatten` in front, or
        of a square from 8 by 8 on.
    feature_names : sequence of str, optional
        Names of the inputs; by default those of the table that the model was trained on, else x0, x1, ...
    max_features : int
        So many bars are drawn at most, the longest.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ModuleNotFoundError
        If matplotlib is not installed.
    ShapeError, ArgumentError, ArgumentTypeError
        If an argument cannot be used.

    See Also
    --------
    nnlite.inspect.saliency : The numbers alone.

    Notes
    -----
    ``saliency.from_estimator(estimator, X)`` draws the net of an estimator of `nnlite.sklearn`.

    Examples
    --------
    >>> import nnlite as nn
    >>> model = nn.Sequential([nn.Dense(2, 1)], rng=0)
    >>> model[0].W[...] = [[3.0], [-1.0]]
    >>> ax = saliency(model, [[0.0, 0.0], [2.0, 4.0]], feature_names=["length", "width"])
    >>> [label.get_text() for label in ax.get_yticklabels()], [float(bar.get_width()) for bar in ax.patches]
    (['length', 'width'], [3.0, -2.0])
    >>> ax.figure.clear()
    """
    where = "plot.saliency"
    most = check_integer(f"{where}(max_features=)", max_features, low=1)
    known = model.input_shape if isinstance(model, Sequential) else None
    if known is not None and np.shape(X) == known:
        X = np.asarray(X)[None]
    found = slopes(model, X, output=output)
    x = model.boundary.check_input(X, where=f"{where}(X)")
    x = x.toarray() if is_sparse(x) else x  # type: ignore[attr-defined]
    spread = _spread(model, x)
    found = found.astype(np.float64) * (1.0 if spread is None else spread)
    by = "one unit" if spread is None else "one standard deviation"
    which = "the output"
    if model.boundary.pred_shape(x)[-1] > 1:
        which = "the largest output" if output is None else f"output {output}"
    texts = f"change of {which} for {by}", f"change of {which}", "change of the output"
    if found.ndim == 3 and found.shape[2] == 1:
        ax = new_axes(where, ax)
        _draw_steps(ax, found[..., 0])
        name_axis(ax, "y", *texts)
        return ax
    size = found.shape[1:3] if found.ndim > 2 else image_shape(where, model, shape, found.shape[1])
    if size is not None:
        ax = new_axes(where, ax)
        _draw_image(ax, *(one.mean(axis=0).reshape(*size, -1) for one in (x, found)))
        return ax
    names = feature_names if feature_names is not None else input_names(model)
    if names is None or (feature_names is None and len(names) != found.shape[1]):
        names = [f"x{place}" for place in range(found.shape[1])]
    names = check_names(f"{where}(feature_names=)", names, found.shape[1], "inputs")
    count = _numbers(where, model, len(names))  # the others are ids of categories
    values = found[:, :count].mean(axis=0)
    ax, shown = _bars(where, ax, names[:count], values, np.argsort(-np.abs(values), kind="stable")[:most])
    if count < len(names):
        text = f"of categories there is no slope: {', '.join(names[count:])}"
        lines = ax.get_title(), shortened(text, 72 * size_of(ax)[0], SMALL + 1)
        ax.set_title("\n".join(filter(None, lines)), size=SMALL + 1, parse_math=False)
    if len(found) > 1:
        ends = np.quantile(found[:, shown], (0.1, 0.9), axis=0)
        ax.hlines(np.arange(len(shown)), *ends, color="black", lw=1)
    name_axis(ax, "x", *texts)
    return ax


def _spread(model: Sequential, x: Array) -> Array | None:
    """Return how much each input varies: as a layer in front of the net has measured it, or in the rows."""
    for _, layer, columns in at_the_front(model):
        if isinstance(layer, Standardize) and columns is None:
            return layer.scale
    return x.std(axis=0, dtype=np.float64) if len(x) > 1 else None


def _numbers(where: str, model: Sequential, inputs: int) -> int:
    """Count the inputs that are numbers: those that are not, are ids at the end."""
    ids = [
        layer.numeric
        for _, layer, columns in at_the_front(model)
        if isinstance(layer, Embedding) and columns is None
    ]
    count = min([inputs, *ids])
    if not count:
        fix = "Use permutation_importance."
        raise ArgumentError(f"{where}(X)", "a column of numbers", "ids of categories alone", fix)
    return count


def _draw_steps(ax: Axes, slopes: Array) -> None:
    """Draw a bar for each step of a sequence, from the first one on, and how much it differs between rows."""
    values, steps = slopes.mean(axis=0), np.arange(slopes.shape[1])
    ax.bar(steps, values, color=[POSITIVE if value >= 0 else NEGATIVE for value in values], width=0.8)
    if len(slopes) > 1:
        ax.vlines(steps, *np.quantile(slopes, (0.1, 0.9), axis=0), color="black", lw=1)
    ax.axhline(0.0, color=GREY, lw=0.8)
    ax.set_xlabel("step")
    ax.locator_params(axis="x", integer=True, min_n_ticks=1)
    open_frame(ax)


def _draw_image(ax: Axes, image: Array, slope: Array) -> None:
    """Draw the slope at every pixel, of several channels the steepest, with lines where the image changes."""
    steepest = np.abs(slope).argmax(axis=-1)[..., None]
    shown = np.take_along_axis(slope, steepest, axis=-1)[..., 0]
    drawn = ax.imshow(shown, cmap=diverging(), norm=around_zero(shown), interpolation="nearest")
    ink = image.mean(axis=-1, dtype=np.float64)
    if ink.max() > ink.min() and min(ink.shape) > 1:
        ax.contour(ink, [(ink.min() + ink.max()) / 2], colors="black", linewidths=1.0)
    ax.set(xticks=[], yticks=[])
    bar = ax.figure.colorbar(drawn, ax=ax, shrink=0.8)
    name_axis(bar.ax, "y", "change of the output", "change")


def _bars(
    where: str, ax: Axes | None, names: Sequence[str], values: Array, order: AnyArray
) -> tuple[Axes, AnyArray]:
    """Draw bars from the top down, as many as can be named, and return which."""
    ax = new_axes(where, ax, figsize=(6.4, min(max(2.4, 1.2 + 0.25 * len(order)), 8.0)))
    width, height = (72 * side for side in size_of(ax))
    shown = order[: max(int(0.85 * height / (1.3 * SMALL)), 1)]
    places = np.arange(len(shown))
    colours = [POSITIVE if value >= 0 else NEGATIVE for value in values[shown]]
    ax.barh(places, values[shown], color=colours, height=0.7)
    ax.axvline(0.0, color=GREY, lw=0.8)
    labels = [shortened(names[place], NAMES * width) for place in shown]
    ax.set_yticks(places, labels, size=SMALL, parse_math=False)
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(len(shown) - 0.4, -0.6)
    ax.ticklabel_format(axis="x", scilimits=(-4, 5))
    if len(shown) < len(values):
        ax.set_title(f"{len(shown)} of {len(values)} features", size=SMALL + 1)
    open_frame(ax)
    return ax, shown
