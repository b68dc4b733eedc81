"""What writes each layer."""

from __future__ import annotations

from collections.abc import Mapping

from nnlite.jit.layers import (
    activations,
    attention,
    composition,
    convolution,
    dense,
    dropout,
    inputs,
    normalization,
    pooling,
    recurrent,
)
from nnlite.jit.program import Writer

__all__ = ["WRITERS"]

#: By class; a subclass may compute something else.
WRITERS: Mapping[type, Writer] = {
    layer: write
    for module in (
        activations,
        attention,
        composition,
        convolution,
        dense,
        dropout,
        inputs,
        normalization,
        pooling,
        recurrent,
    )
    for layer, write in module.WRITERS.items()
}
