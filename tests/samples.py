"""The layers that tests go through: what `nnlite.exchange` describes, so that no new one is forgotten."""

from __future__ import annotations

import copy

import numpy as np

import nnlite
from nnlite import core, layers
from nnlite.exchange.table import DESCRIPTIONS
from nnlite.layers import Context, Embedding, Layer

#: One of each kind that is worth a test. Not to be trained: see `again`.
LAYERS = [make() for known in DESCRIPTIONS.values() for make in known.samples]
#: All public layers, and the two models, which may be layers of another.
PUBLIC = {
    thing
    for name in layers.__all__
    if isinstance(thing := getattr(layers, name), type) and issubclass(thing, Layer) and thing is not Layer
} | {core.model.Sequential, nnlite.Sequential}


def _fits(layer: Layer, width: int) -> bool:
    return layer.input_shape in (None, (width,)) and layer.shape_after((width,)) == (width,)


#: For each layer one that makes of rows of 4 numbers rows of 4 numbers.
OF_FOUR = {
    cls.__name__: next(make for make in known.samples if _fits(make(), 4))
    for cls, known in DESCRIPTIONS.items()
    if known.samples
}


def again(layer: Layer) -> Layer:
    """Make another one with the same arguments."""
    return copy.deepcopy(layer)


def draw(layer: Layer, rng: np.random.Generator, rows: int = 5, *, width: int = 4) -> np.ndarray:
    """Draw rows that a layer takes: normal numbers, and ids where it wants them."""
    x = rng.normal(size=(rows, *(layer.input_shape or (width,))))
    if isinstance(layer, Embedding):  # it takes numbers, and then ids
        x[:, layer.numeric :] = layer.draw_input(rng, x.shape)[:, layer.numeric :]
    return x


def has(layer: Layer, *kinds: type[Layer]) -> bool:
    """Tell whether it is one of those, or made of one."""
    return any(isinstance(one, kinds) for _, one in layer.walk())


def context_of(layer: Layer, rng: np.random.Generator) -> Context:
    """Make a context for a layer on its own."""
    if isinstance(layer, core.model.Sequential):
        return layer.context(rng=rng, input_gradient=True)
    return layer._context(rng=rng)
