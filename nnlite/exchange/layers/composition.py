"""Layers that are made of layers, elsewhere: these are written one after the other."""

from __future__ import annotations

from typing import Any

from nnlite.core import model as core
from nnlite.core.chain import Chain
from nnlite.exchange.description import Description, loop
from nnlite.exchange.layers.normalization import measured_before
from nnlite.exchange.onnx.graph import Graph
from nnlite.layers import BatchNorm, Dense, ParameterGroup, ReLU, Residual, Tanh
from nnlite.model import Sequential

__all__ = ["DESCRIPTIONS"]


def _row_onnx(layer: Chain, x: str, graph: Graph) -> str:
    for inner in layer.layers:
        x = graph.layer(inner, x)
    return x


def _row(layer: Chain, source: Any) -> list[str]:
    return [line for inner in layer.layers for line in source.layer(inner)]


def _residual_onnx(layer: Residual, x: str, graph: Graph) -> str:
    return graph.node("Add", x, _row_onnx(layer, x, graph))


def _residual_numpy(layer: Residual, source: Any) -> list[str]:
    kept = source.name("kept")
    return [f"{kept} = x", *_row(layer, source), "", f"x = {kept} + x  # the end of layer {source.place}"]


def _residual_c(layer: Residual, source: Any) -> list[str]:
    kept = source.array("kept", source.inputs)
    before, row = source.x, _row(layer, source)
    return [
        *loop("i", source.inputs, f"{kept}[i] = {before}[i];"),
        *row,
        "",
        f"/* the end of layer {source.place} */",
        *loop("i", source.inputs, f"{source.x}[i] += {kept}[i];"),
    ]


_SEQUENTIAL = Description(
    Sequential,
    words="its layers, one after the other",
    samples=(
        lambda: Sequential([Dense(4, 6), Tanh(), Dense(6, 4)]),
        lambda: Sequential([Dense(4, 3), Sequential([measured_before(BatchNorm(3)), ReLU()])]),
        lambda: Sequential([Tanh()]),
    ),
    onnx=_row_onnx,
    numpy=_row,
    c=_row,
    torch=lambda _one, *inner: f"t.Sequential({', '.join(inner)})",
    keras=lambda _one, *inner: f"keras.Sequential([{', '.join(inner)}])",
)

DESCRIPTIONS = [
    Description(
        Residual,
        words="what its layers give, and what comes in added to it",
        samples=(
            lambda: Residual([Dense(4, 4), Tanh()]),
            lambda: Residual([Dense(4, 3), Residual([Tanh(), Residual([Dense(3, 3)])]), Dense(3, 4)]),
            lambda: Residual([measured_before(BatchNorm(3)), Sequential([Dense(3, 5), Tanh(), Dense(5, 3)])]),
            lambda: Residual([Tanh()]),
        ),
        onnx=_residual_onnx,
        numpy=_residual_numpy,
        c=_residual_c,
    ),
    _SEQUENTIAL,
    _SEQUENTIAL._replace(
        layer=ParameterGroup,
        words="its layers, one after the other, whose parameters train in a way of their own",
        samples=(
            lambda: ParameterGroup([Dense(4, 6), Tanh(), Dense(6, 4)], l1=0.01, l2=0.02),
            lambda: ParameterGroup([ParameterGroup([Dense(4, 3)], rate_factor=0.1), ReLU()], max_norm=0.5),
        ),
    ),
    _SEQUENTIAL._replace(layer=core.Sequential, samples=()),  # which is the same without the checks
]
