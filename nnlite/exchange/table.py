"""The descriptions of all layers, and whether a layer is one of ours."""

from __future__ import annotations

from typing import Literal

from nnlite.exchange.description import Description
from nnlite.exchange.layers import (
    activations,
    attention,
    composition,
    convolution,
    dense,
    dropout,
    embedding,
    normalization,
    pooling,
    positions,
    recurrent,
    shapes,
    standardize,
)
from nnlite.layers import Layer

__all__ = ["DESCRIPTIONS", "described", "twin"]

#: By class.
DESCRIPTIONS: dict[type[Layer], Description] = {
    one.layer: one
    for module in (
        activations,
        attention,
        recurrent,  # before what takes columns: its last state may be written as one
        composition,
        convolution,
        dense,
        dropout,
        embedding,
        normalization,
        pooling,
        positions,
        shapes,
        standardize,
    )
    for one in module.DESCRIPTIONS
}


def described(layer: Layer) -> Description | None:
    """Return what is known of a layer.

    Parameters
    ----------
    layer : Layer
        Any.

    Returns
    -------
    Description or None
        None for a layer of the user's own, also for one that inherits from one of ours: it
        computes something else.

    Examples
    --------
    >>> from nnlite.layers import ReLU
    >>> described(ReLU()).words
    'negative sums become 0, positive ones pass'
    """
    return DESCRIPTIONS.get(type(layer))


def twin(layer: Layer, library: Literal["torch", "keras"]) -> str | None:
    """Return Python source of what a layer is in another library, with all that it is made of.

    Parameters
    ----------
    layer : Layer
        Any.
    library : {"torch", "keras"}
        Which.

    Returns
    -------
    str or None
        None if the library has nothing that does the same.

    Examples
    --------
    >>> from nnlite.layers import Dense, ReLU
    >>> from nnlite.model import Sequential
    >>> twin(Sequential([Dense(4, 3), ReLU()]), "torch")
    't.Sequential(t.Linear(4, 3), t.ReLU())'
    """
    known = described(layer)
    words = known and getattr(known, library)
    inner = [twin(one, library) for one in layer.children]
    return None if words is None or None in inner else words(layer, *inner)
