"""Embeddings of places, elsewhere."""

from __future__ import annotations

from typing import Any

from nnlite.core.aliases import AnyArray
from nnlite.exchange.description import Description, loop, renamed
from nnlite.exchange.layers.steps import end_c, fill_numpy, read_padding, real_numpy
from nnlite.exchange.onnx.found import Found
from nnlite.exchange.onnx.graph import Graph
from nnlite.exchange.onnx.patterns import Pattern
from nnlite.exchange.onnx.steps import write_filled, write_real
from nnlite.layers import PositionEmbedding

__all__ = ["DESCRIPTIONS"]


def _onnx(layer: PositionEmbedding, x: str, graph: Graph) -> str:
    time, features = graph.shape or (0, 0)
    y = graph.node("Add", x, graph.constant(layer.W[:time], name="W"))
    if layer.padding is None:
        return y
    real = write_real(x, (features,), time, layer.padding, graph)
    return write_filled(real, y, time, layer.padding, graph)


_ADDED: Pattern = ("Add", "x", "W[][]")
#: With padding also of a single step, of which nothing else would say more than that it is a bias.
_POSITIONS: Pattern = [
    ("Where", ("Reshape", "real()", "real_shape[]"), ("Add", "x", "W[]"), "padding"),
    _ADDED,
]


def _read(found: Found) -> tuple[PositionEmbedding, dict[str, AnyArray]]:
    W = found.finite(found["W"])
    W = W[0] if W.ndim == 3 and len(W) == 1 else W
    if W.ndim != 2 or (found.shape is not None and found.shape != W.shape):
        raise found.refused("Add of other constants than a row for each step")
    return PositionEmbedding(*W.shape, padding=read_padding(found)), {"W": W}


def _numpy(layer: PositionEmbedding, source: Any) -> list[str]:
    add = f"x = x + {source.constant('W', layer.W[: source.shape[0]])}"
    if layer.padding is None:
        return [add]
    return [*real_numpy("x", layer.padding), add, fill_numpy(layer.padding, source)]


def _c(layer: PositionEmbedding, source: Any) -> list[str]:
    time, E = source.shape
    W = source.constant("W", layer.W[:time])
    add = loop("t", "end", *loop("j", E, f"{source.x}[t * {E} + j] += {W}[t][j];"))
    return ["{", *(f"    {line}" for line in [*end_c(layer.padding, time * E, E, source), *add]), "}"]


DESCRIPTIONS = [
    Description(
        PositionEmbedding,
        words="a learned row for its place added to every step",
        # As many places as the sequences of the tests have steps: ONNX has no others.
        samples=(lambda: PositionEmbedding(6, 3), lambda: PositionEmbedding(6, 2, padding=0.0)),
        onnx=_onnx,
        onnx_formulas=((_POSITIONS, _read),),
        numpy=_numpy,
        c=_c,
        torch_layout=renamed({"W": "weight"}),
    ),
]
