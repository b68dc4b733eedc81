"""Dense, elsewhere."""

from __future__ import annotations

from typing import Any

from nnlite.core.aliases import AnyArray
from nnlite.exchange.description import Description, loop, renamed
from nnlite.exchange.onnx.found import Found
from nnlite.exchange.onnx.graph import Graph
from nnlite.exchange.onnx.parsing import cannot_bring_back
from nnlite.exchange.onnx.patterns import Pattern
from nnlite.layers import Dense

__all__ = ["DESCRIPTIONS"]


def _onnx(layer: Dense, x: str, graph: Graph) -> str:
    numbers = [graph.constant(getattr(layer, name), name=name) for name in layer.parameter_names]
    return graph.node("Gemm", x, *numbers)


_PRODUCT: list[Pattern] = [("MatMul", "x", "W[]"), ("Gemm", "x", "W[]")]
_BEFORE_SUM: Pattern = [_PRODUCT, ("Cast", _PRODUCT)]
_FORMULAS: Pattern = [
    ("Add", _BEFORE_SUM, "b[]"),
    ("Sub", _BEFORE_SUM, "minus b[]"),
    ("Gemm", "x", "W[]", "b[]"),
    *_PRODUCT,
]


def _read_onnx(found: Found) -> tuple[Dense, dict[str, AnyArray]]:
    product, W = found["nodes"][-1], found["W"]
    given = product.attributes if product.op == "Gemm" else {}
    if given.get("transA", 0):
        raise cannot_bring_back(product.place, "Gemm with transA=1")
    W = _times(W.T if given.get("transB", 0) else W, given.get("alpha", 1.0))
    if W.ndim != 2 or not W.size or W.dtype.kind != "f":
        raise found.wrong("weights of shape (in, out)", W)
    if "b" not in found and "minus b" not in found:
        return Dense(*W.shape, bias=False), {"W": W}
    b = -found["minus b"] if "minus b" in found else found["b"]
    b = _times(b, given.get("beta", 1.0)) if product is found.value else found.finite(b)
    return Dense(*W.shape), {"W": W, "b": found.vector(b, W.shape[1])}


def _times(array: AnyArray, factor: float) -> AnyArray:
    return array if factor == 1 else array * array.dtype.type(factor)


def _numpy(layer: Dense, source: Any) -> list[str]:
    product = f"x @ {source.constant('W', layer.W)}"
    return [f"x = {product} + {source.constant('b', layer.b)}" if layer.bias else f"x = {product}"]


def _c(layer: Dense, source: Any) -> list[str]:
    x, y = source.x, source.into()
    W = source.constant("W", layer.W)
    start = f"{source.constant('b', layer.b)}[j]" if layer.bias else source.number(0.0)
    return [
        *loop("j", layer.out_features, f"{y}[j] = {start};"),
        *loop("i", layer.in_features, *loop("j", layer.out_features, f"{y}[j] += {x}[i] * {W}[i][j];")),
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
        onnx_formulas=((_FORMULAS, _read_onnx),),
        numpy=_numpy,
        c=_c,
        torch=lambda one: f"t.Linear({one.in_features}, {one.out_features}{_arguments(one, 'bias')})",
        keras=lambda one: f"k.Dense({one.out_features}{_arguments(one, 'use_bias')})",
        torch_layout=renamed({"W": "weight", "b": "bias"}, {"W": (1, 0)}),
    )
]
