"""Normalization, elsewhere."""

from __future__ import annotations

from typing import Any

from nnlite.core.normalization import LayerNorm
from nnlite.exchange.description import Description
from nnlite.exchange.onnx.graph import Graph

__all__ = ["DESCRIPTIONS"]


def _layer_norm_onnx(layer: LayerNorm, x: str, graph: Graph) -> str:
    gain, bias = (graph.constant(getattr(layer, name), name=name) for name in ("gain", "bias"))
    return graph.node("LayerNormalization", x, gain, bias, axis=-1, epsilon=layer.epsilon)


def _layer_norm_numpy(layer: LayerNorm, source: Any) -> list[str]:
    gain, bias = source.constant("gain", layer.gain), source.constant("bias", layer.bias)
    return [
        "x = x - x.mean(axis=-1, keepdims=True)",
        "x = x - x.mean(axis=-1, keepdims=True)  # what rounding has left of a large mean",
        f"x = x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + np.{source.dtype}({layer.epsilon!r}))",
        f"x = x * {gain} + {bias}",
    ]


def _layer_norm_c(layer: LayerNorm, source: Any) -> list[str]:
    gain, bias = source.constant("gain", layer.gain), source.constant("bias", layer.bias)
    a, real, count = source.x, source.real, layer.features
    many = source.number(float(count))
    scale = f"{source.call('sqrt')}(variance + {source.number(layer.epsilon)})"
    return [
        "{",
        f"    {real} mean = 0, rest = 0, variance = 0;  /* rest: what rounding has left of the mean */",
        f"    for (long i = 0; i < {count}; i++) {{",
        f"        mean += {a}[i] / {many};",
        "    }",
        f"    for (long i = 0; i < {count}; i++) {{",
        f"        {a}[i] -= mean;",
        f"        rest += {a}[i] / {many};",
        "    }",
        f"    for (long i = 0; i < {count}; i++) {{",
        f"        {a}[i] -= rest;",
        f"        variance += {a}[i] * {a}[i] / {many};",
        "    }",
        f"    for (long i = 0; i < {count}; i++) {{",
        f"        {a}[i] = {a}[i] / {scale} * {gain}[i] + {bias}[i];",
        "    }",
        "}",
    ]


DESCRIPTIONS = [
    Description(
        LayerNorm,
        words="each row to mean 0 and variance 1, then a gain and a bias",
        samples=(lambda: LayerNorm(4), lambda: LayerNorm(3, epsilon=0.1), lambda: LayerNorm(70)),
        onnx=_layer_norm_onnx,
        numpy=_layer_norm_numpy,
        c=_layer_norm_c,
        torch=lambda one: f"t.LayerNorm({one.features}, eps={one.epsilon})",
        keras=lambda one: f"k.LayerNormalization(epsilon={one.epsilon})",
        torch_names={"gain": "weight", "bias": "bias"},
    )
]
