"""`weights`: what each neuron of a layer listens to, as an image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nnlite.checks.nets import check_net
from nnlite.core.aliases import Array
from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.errors.arguments import explained
from nnlite.errors.checks import check_integer
from nnlite.layers.convolution import Conv2D
from nnlite.layers.shapes import Flatten
from nnlite.model import Sequential
from nnlite.plot.given import check_dense, check_names, check_place, dense_names
from nnlite.plot.style import LIGHT, SMALL, around_zero, diverging, new_axes, shortened, size_of, text_width
from nnlite.training.inside import inside

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["image_shape", "weights"]

_WHERE = "plot.weights"
#: What part of the Axes the names of inputs may take, and what part remains beside the scale of colours.
NAMES, WIDE = 0.45, 0.8
#: A square number of inputs is taken for an image from this side on.
SMALLEST = 8


@explained
def weights(
    model: Sequential,
    *,
    layer: int | str | None = None,
    shape: tuple[int, int] | None = None,
    feature_names: Sequence[str] | None = None,
    max_units: int = 64,
    ax: Axes | None = None,
) -> Axes:
    """Draw the incoming weights of each neuron of a layer as an image.

    Blue says "listen to this", vermilion "this speaks against", white "ignore that"; one scale
    serves for all neurons. Images stand row by row, from the upper left. Where the inputs are no
    image, the picture is a table with a line for each input and a column for each neuron; if there
    are more inputs than can be named, with a column for each input. Of a `Conv2D` each image is a kernel;
    of several channels a line of images is one, channel by channel.

    Parameters
    ----------
    model : Sequential
        One net.
    layer : int or str, optional
        Index in ``model.layers`` of a Dense or a Conv2D, or the place of one inside of another layer, such
        as ``"1.0"``; by default the first Dense.
    shape : (int, int), optional
        Height and width of the images. By default those of a `Flatten` in front of the layer, or
        a square if the layer is the first Dense and the net has a square number of inputs from 8 by 8 on.
    feature_names : sequence of str, optional
        Names of the inputs, for the lines of the table; by default those of the table that the
        model was trained on, if the layer is the first Dense, else 0, 1, ...
    max_units : int
        So many neurons, or kernels, are drawn at most, the first ones.
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

    Examples
    --------
    >>> import nnlite as nn
    >>> model = nn.Sequential([nn.Dense(64, 16), nn.ReLU(), nn.Dense(16, 10)], rng=0)
    >>> ax = weights(model)
    >>> ax.images[0].get_array().shape  # 4 times 4 images of 8 by 8, and lines between them
    (35, 35)
    >>> ax.figure.clear()
    """
    model = check_net(_WHERE, model)
    kernels = _convolution(model, layer)
    place, chosen = kernels or check_dense(f"{_WHERE}(layer=)", model, layer)
    max_units = check_integer(f"{_WHERE}(max_units=)", max_units, low=1)
    W = chosen.W[..., :max_units]
    names, across = None, 0
    if kernels:
        if not (shape is None and feature_names is None):
            fix = "Leave shape= and feature_names= out."
            raise ArgumentError(f"{_WHERE}(layer=)", "a Dense layer, of which these are", f"{chosen}", fix)
        size, across = W.shape[:2], W.shape[2] if W.shape[2] > 1 else 0
        W = np.swapaxes(W, 2, 3).reshape(
            math.prod(size), -1
        )  # a kernel, channel by channel, and the next one
        first = False
    else:
        first = place == check_dense(_WHERE, model, None)[0]
        size = image_shape(_WHERE, model, shape, len(W)) if first or shape is not None else None
    units = W.shape[1]
    if feature_names is not None:
        names = check_names(f"{_WHERE}(feature_names=)", feature_names, len(W), "inputs")
    elif first:
        known = dense_names(model, len(W))
        names = None if known is None else list(known)
    ax = new_axes(_WHERE, ax)
    # Many inputs without names go to the right, where there is more room, and neurons downwards.
    turned = size is None and names is None and len(W) > max(units, 72 * size_of(ax)[1] / (1.5 * SMALL))
    cells = W.T if turned else W
    if size is not None:
        cells = _mosaic(W.T.reshape(units, *size), across or _columns(units, *size))
    ax.set_facecolor(LIGHT)  # between the images
    image = ax.imshow(
        np.ma.masked_invalid(cells),
        cmap=diverging(),
        norm=around_zero(W),
        interpolation="nearest",
        aspect="auto" if size is None else "equal",
    )
    if turned:
        ax.set(xlabel="input", ylabel="neuron")
        for axis in ("x", "y"):
            ax.locator_params(axis=axis, integer=True, min_n_ticks=1)
    elif size is None:
        _name_lines(ax, [f"{line}" for line in range(len(W))] if names is None else names)
        ax.set(xlabel="neuron", ylabel="input" if names is None else "")
        ax.locator_params(axis="x", integer=True, min_n_ticks=1)
    else:
        ax.set(xticks=[], yticks=[])
    title = f"layer {place}, {chosen}"
    if max_units < chosen.W.shape[-1]:
        more = f"{max_units} of {chosen.W.shape[-1]} {'kernels' if kernels else 'neurons'}"
        # On one line, or on two in small Axes, which the scale of colours makes narrower.
        fits = text_width(f"{title}, {more}", SMALL + 1) < WIDE * 72 * size_of(ax)[0]
        title = f"{title}, {more}" if fits else f"{title}\n{more}"
    ax.set_title(title, size=SMALL + 1)
    ax.figure.colorbar(image, ax=ax, label="weight", shrink=0.8)
    return ax


def _convolution(model: Sequential, layer: Any) -> tuple[str, Conv2D] | None:
    """Return the place of the layer that is meant, and the layer, if it slides kernels over images."""
    if layer is None:
        return None
    place = layer
    if not isinstance(place, str):
        place = f"{check_place(f'{_WHERE}(layer=)', layer, len(model.layers), 'layers')}"
    found = {one: child for one, child, _ in inside(model)}.get(place)
    return (place, found) if isinstance(found, Conv2D) else None


def image_shape(where: str, model: Sequential, shape: Any, inputs: int) -> tuple[int, int] | None:
    """Return the height and the width of the images that a net reads, or None if it reads none.

    Parameters
    ----------
    where : str
        Names the function in messages.
    model : Sequential
        One net.
    shape : (int, int) or None
        What the user says; None takes that of the first `Flatten`, or a square from 8 by 8 on.
    inputs : int
        How many numbers an image has.

    Returns
    -------
    (int, int) or None

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If the user says what does not fit.

    Examples
    --------
    >>> from nnlite import Dense
    >>> image_shape("here", Sequential([Dense(64, 1)]), None, 64)
    (8, 8)
    """
    where = f"{where}(shape=)"
    if shape is not None:
        if not isinstance(shape, tuple | list) or len(shape) != 2:
            raise ArgumentTypeError(where, "height and width", f"{shape!r}", "Write shape=(8, 8).")
        height, width = (check_integer(where, side, low=1) for side in shape)
        if height * width != inputs:
            fix = f"Height times width must be {inputs}."
            raise ArgumentError(where, f"an image of the {inputs} inputs", f"{(height, width)}", fix)
        return height, width
    pixels = model.input_shape is None or math.prod(model.input_shape) == inputs
    for _, layer, _ in inside(model):
        if isinstance(layer, Flatten) and len(layer.shape) == 2 and math.prod(layer.shape) == inputs:
            return layer.shape[0], layer.shape[1]
    side = math.isqrt(inputs)
    return (side, side) if side * side == inputs and side >= SMALLEST and pixels else None


def _columns(units: int, height: int, width: int) -> int:
    """Choose how many images stand side by side, so that all together are about a square."""
    return min(max(math.ceil(math.sqrt(units * height / width)), 1), units)


def _name_lines(ax: Axes, names: Sequence[str]) -> None:
    """Name the lines of the table, or as many of them as there is room for."""
    width, height = size_of(ax)
    every = math.ceil(len(names) / max(72 * height / (1.5 * SMALL), 1))
    labels = [shortened(name, NAMES * 72 * width) for name in names[::every]]
    ax.set_yticks(range(0, len(names), every), labels, size=SMALL, parse_math=False)


def _mosaic(images: Array, columns: int) -> Array:
    """Put images side by side with empty lines between them; NaN is empty."""
    count, height, width = images.shape
    rows = math.ceil(count / columns)
    mosaic = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1), np.nan)
    for place, image in enumerate(images):
        row, column = divmod(place, columns)
        top, left = row * (height + 1), column * (width + 1)
        mosaic[top : top + height, left : left + width] = image
    return mosaic
