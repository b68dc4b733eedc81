"""Standardize, elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlite.exchange.description import Description
from nnlite.exchange.onnx.graph import Graph
from nnlite.layers import Standardize

__all__ = ["DESCRIPTIONS"]


def _onnx(layer: Standardize, x: str, graph: Graph) -> str:
    centred = graph.node("Sub", x, graph.constant(layer.mean, name="mean"))
    return graph.node("Div", centred, graph.constant(layer.scale, name="scale"))


def _numpy(layer: Standardize, source: Any) -> list[str]:
    mean, scale = source.constant("mean", layer.mean, layer.mean.dtype), source.constant("scale", layer.scale)
    y = f"(x - {mean}) / {scale}"
    return [f"x = {y}" if source.dtype == np.float64 else f"x = ({y}).astype(np.{source.dtype})"]


def _c(layer: Standardize, source: Any) -> list[str]:
    mean, scale = source.constant("mean", layer.mean), source.constant("scale", layer.scale)
    lines: list[str] = source.each(f"(v - {mean}[i]) / {scale}[i]")
    return lines


DESCRIPTIONS = [
    Description(
        Standardize,
        words="each feature to mean 0 and standard deviation 1",
        samples=(lambda: Standardize(4), lambda: Standardize(3)),
        onnx=_onnx,
        numpy=_numpy,
        c=_c,
    )
]
