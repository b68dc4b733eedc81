"""Dense, elsewhere."""

from __future__ import annotations

from typing import Any

from nnlite.exchange.description import Description
from nnlite.exchange.onnx.graph import Graph
from nnlite.layers import Dense

__all__ = ["DESCRIPTIONS"]


def _onnx(layer: Dense, x: str, graph: Graph) -> str:
    numbers = [graph.constant(getattr(layer, name), name=name) for name in layer.parameter_names]
    return graph.node("Gemm", x, *numbers)


def _numpy(layer: Dense, source: Any) -> list[str]:
    product = f"x @ {source.constant('W', layer.W)}"
    return [f"x = {product} + {source.constant('b', layer.b)}" if layer.bias else f"x = {product}"]


def _c(layer: Dense, source: Any) -> list[str]:
    x, y = source.x, source.into()
    W = source.constant("W", layer.W)
    start = f"{source.constant('b', layer.b)}[j]" if layer.bias else source.number(0.0)
    return [
        f"for (long j = 0; j < {layer.out_features}; j++) {{",
        f"    {y}[j] = {start};",
        "}",
        f"for (long i = 0; i < {layer.in_features}; i++) {{",
        f"    for (long j = 0; j < {layer.out_features}; j++) {{",
        f"        {y}[j] += {x}[i] * {W}[i][j];",
        "    }",
        "}",
    ]


def _arguments(layer: Dense, bias: str) -> str:
    return "" if layer.bias else f", {bias}=False"


DESCRIPTIONS = [
    Description(
        Dense,
        words="weighted sums of the inputs",
        samples=(
            lambda: Dense(4, 3),
            lambda: Dense(4, 4),
            lambda: Dense(1, 1),
            lambda: Dense(3, 4, bias=False),
        ),
        onnx=_onnx,
        numpy=_numpy,
        c=_c,
        torch=lambda one: f"t.Linear({one.in_features}, {one.out_features}{_arguments(one, 'bias')})",
        keras=lambda one: f"k.Dense({one.out_features}{_arguments(one, 'use_bias')})",
        torch_names={"W": "weight", "b": "bias"},
        torch_transposed=frozenset({"W"}),
    )
]
