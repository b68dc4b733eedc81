"""Flatten, elsewhere."""

from __future__ import annotations

import math
from typing import Any

from nnlite.exchange.description import Description, lines
from nnlite.exchange.onnx.graph import Graph
from nnlite.layers import Flatten

__all__ = ["DESCRIPTIONS"]


def _onnx(layer: Flatten, x: str, graph: Graph) -> str:
    return graph.node("Reshape", x, graph.constant([-1, math.prod(layer.shape)], name="shape"))


def _numpy(layer: Flatten, _source: Any) -> list[str]:
    return [f"x = x.reshape(len(x), {math.prod(layer.shape)})"]


DESCRIPTIONS = [
    Description(
        Flatten,
        words="each sample as one row",
        samples=(lambda: Flatten((2, 2)), lambda: Flatten((4,)), lambda: Flatten((2, 3, 2))),
        onnx=_onnx,
        numpy=_numpy,
        c=lines(),  # the numbers stand in this order already
        torch=lambda _: "t.Flatten()",
        keras=lambda _: "k.Flatten()",
    )
]
