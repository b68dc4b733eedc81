"""Flatten, elsewhere."""

from __future__ import annotations

import math
from typing import Any

from nnlite.exchange.description import Description, lines
from nnlite.exchange.onnx.found import Found
from nnlite.exchange.onnx.graph import Graph
from nnlite.layers import Flatten

__all__ = ["DESCRIPTIONS"]


def _onnx(layer: Flatten, x: str, graph: Graph) -> str:
    return graph.node("Reshape", x, graph.constant([-1, math.prod(layer.shape)], name="shape"))


def _read_flatten(found: Found) -> Flatten | None:
    if found.attributes.get("axis", 1) != 1:
        raise found.refused(f"Flatten from axis {found.attributes['axis']}")
    return _flat(found)


def _read_reshape(found: Found) -> Flatten | None:
    flat, shape = _flat(found), found.shape or ()
    target = tuple(found["shape"].reshape(-1).tolist())
    rows = {-1, found.parsed.rows} if found.attributes.get("allowzero", 0) else {-1, 0, found.parsed.rows}
    features = {math.prod(shape), -1}
    if len(target) == 2 and target[0] in rows and target[1] in features and target != (-1, -1):
        return flat
    raise found.refused(f"Reshape of samples of shape {shape} to {target[:10]}")


def _flat(found: Found) -> Flatten | None:
    """Return what makes a row of each sample; None if it is one."""
    if found.shape is None:
        fix = "Give the input of the graph a fixed shape."
        raise found.wrong("a known shape of a sample", "an open one", fix)
    return Flatten(found.shape) if len(found.shape) > 1 else None


def _numpy(layer: Flatten, _source: Any) -> list[str]:
    return [f"x = x.reshape(len(x), {math.prod(layer.shape)})"]


DESCRIPTIONS = [
    Description(
        Flatten,
        words="each sample as one row",
        samples=(lambda: Flatten((2, 2)), lambda: Flatten((4,)), lambda: Flatten((2, 3, 2))),
        onnx=_onnx,
        onnx_nodes={"Flatten": _read_flatten},
        onnx_formulas=((("Reshape", "x", "shape[]"), _read_reshape),),
        numpy=_numpy,
        c=lines(),  # the numbers stand in this order already
        torch=lambda _: "t.Flatten()",
        keras=lambda _: "k.Flatten()",
    )
]
