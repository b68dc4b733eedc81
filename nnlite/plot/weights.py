"""`weights`: what each neuron of a layer listens to, as an image."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from nnlite._typing import Array
from nnlite.checks import check_integer
from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.model import Sequential
from nnlite.plot.given import check_dense, check_net
from nnlite.plot.style import LIGHT, around_zero, diverging, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["weights"]

_WHERE = "plot.weights"


def weights(
    model: Sequential,
    *,
    layer: int | None = None,
    shape: tuple[int, int] | None = None,
    max_units: int = 64,
    ax: Axes | None = None,
) -> Axes:
    """Draw the incoming weights of each neuron of a layer as an image.

    Blue says "listen to this", vermilion "this speaks against", white "ignore that"; one scale
    serves for all neurons. They stand row by row, from the upper left.

    Parameters
    ----------
    model : Sequential
        One net.
    layer : int, optional
        Index in ``model.layers`` of a Dense; by default the first.
    shape : (int, int), optional
        Height and width of the images. By default square if that fits the number of inputs, such
        as 8 by 8 for 64; otherwise a single row.
    max_units : int
        So many neurons are drawn at most, the first ones.
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
    index, chosen = check_dense(f"{_WHERE}(layer=)", model, layer)
    max_units = check_integer(f"{_WHERE}(max_units=)", max_units, low=1)
    W = chosen.W[:, :max_units]
    inputs, units = W.shape
    height, width = _check_shape(shape, inputs)
    columns = math.ceil(math.sqrt(units * height / width)) if height * width > 1 else units
    columns = min(max(columns, 1), units)
    mosaic = _mosaic(W.T.reshape(units, height, width), columns)
    ax = new_axes(_WHERE, ax)
    ax.set_facecolor(LIGHT)  # between the images
    image = ax.imshow(
        np.ma.masked_invalid(mosaic), cmap=diverging(), norm=around_zero(W), interpolation="nearest"
    )
    ax.set(xticks=[], yticks=[])
    more = f" of {chosen.W.shape[1]}" if units < chosen.W.shape[1] else ""
    ax.set_title(f"layer {index}, {chosen}: the weights of {units}{more} neurons", size="medium")
    ax.figure.colorbar(image, ax=ax, label="weight", shrink=0.8)
    return ax


def _check_shape(shape: Any, inputs: int) -> tuple[int, int]:
    """Return the height and the width of an image of all inputs."""
    if shape is None:
        side = math.isqrt(inputs)
        return (side, side) if side * side == inputs else (1, inputs)
    where = f"{_WHERE}(shape=)"
    if not isinstance(shape, tuple | list) or len(shape) != 2:
        raise ArgumentTypeError(where, "height and width", f"{shape!r}", "Write shape=(8, 8).")
    height, width = (check_integer(where, side, low=1) for side in shape)
    if height * width != inputs:
        fix = f"Height times width must be {inputs}."
        raise ArgumentError(where, f"an image of the {inputs} inputs", f"{(height, width)}", fix)
    return height, width


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
