"""The layers that tests go through: what `nnlite.exchange` describes, so that no new one is forgotten."""

from __future__ import annotations

import copy
import math

import numpy as np

import nnlite
from nnlite import core, layers
from nnlite.exchange.table import DESCRIPTIONS
from nnlite.layers import Context, Dense, Flatten, Input, Layer

#: One of each kind that is worth a test. Not to be trained: see `again`.
LAYERS = [make() for known in DESCRIPTIONS.values() for make in known.samples]
#: Steps, lines or columns of a sample, where a layer takes any number of them.
OPEN = 6
#: All public layers, and the two models, which may be layers of another.
PUBLIC = {
    thing
    for name in layers.__all__
    if isinstance(thing := getattr(layers, name), type) and issubclass(thing, Layer) and thing is not Layer
} | {core.model.Sequential, nnlite.Sequential}


def _fits(layer: Layer, width: int) -> bool:
    return layer.input_shape in (None, (width,)) and layer.shape_after((width,)) == (width,)


#: For each layer one that makes of rows of 4 numbers rows of 4 numbers, if it takes rows.
OF_FOUR = {
    cls.__name__: fitting[0]
    for cls, known in DESCRIPTIONS.items()
    if (fitting := [make for make in known.samples if _fits(make(), 4)])
}


def again(layer: Layer) -> Layer:
    """Make another one with the same arguments."""
    return copy.deepcopy(layer)


def shape_for(layer: Layer, width: int = 4) -> tuple[int, ...]:
    """Return the shape of a sample that a layer takes: `width` numbers if any will do, and `OPEN` steps."""
    return tuple([size or OPEN for size in layer.input_shape or (width,)])


def draw(layer: Layer, rng: np.random.Generator, rows: int = 5, *, width: int = 4) -> np.ndarray:
    """Draw rows that a layer takes: normal numbers, ids where it wants them, padding where it knows of it."""
    shape = (rows, *shape_for(layer, width))
    x = layer.draw_input(rng, shape) if hasattr(layer, "draw_input") else rng.normal(size=shape)
    if (padding := padding_of(layer)) is not None:  # none in the first row, nothing else in the last one
        lengths = np.linspace(shape[1], 0, rows).astype(int)
        x[np.arange(shape[1]) >= lengths[:, None]] = padding
    return x


def padding_of(layer: Layer) -> float | None:
    """Return the number that a layer over time takes for padding; places at the edge are integers."""
    padding = getattr(layer, "padding", None)
    return padding if isinstance(padding, float) else None


def before(layer: Layer) -> list[Layer]:
    """Return what stands before a layer that begins a net: what says how large a sample is."""
    return [Input(shape_for(layer))] if None in (layer.input_shape or ()) else []


def behind(layer: Layer, outputs: int = 2, *, width: int = 4) -> list[Layer]:
    """Return what makes rows of `outputs` numbers of what a layer gives."""
    shape = layer.shape_after(shape_for(layer, width))
    rows = [Flatten(shape)] if len(shape) > 1 else []
    return [*rows, Dense(math.prod(shape), outputs)]


def has(layer: Layer, *kinds: type[Layer]) -> bool:
    """Tell whether it is one of those, or made of one."""
    return any(isinstance(one, kinds) for _, one in layer.walk())


def context_of(layer: Layer, rng: np.random.Generator) -> Context:
    """Make a context for a layer on its own."""
    if isinstance(layer, core.model.Sequential):
        return layer.context(rng=rng, input_gradient=True)
    return layer._context(rng=rng)
