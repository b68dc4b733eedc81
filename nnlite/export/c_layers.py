"""Each layer as lines of C, which work on an array of numbers of one row."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from nnlite.export.source import Writer
from nnlite.layers import (
    ELU,
    GELU,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    Layer,
    LeakyReLU,
    LogSoftmax,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Standardize,
    Step,
    Tanh,
)

if TYPE_CHECKING:
    from nnlite.export.c_source import CSource

__all__ = ["WRITERS"]


def _each(expression: str) -> Writer:
    """Make the function for a layer that acts on every number, ``v``, alone.

    In the expression ``[0.5]`` is a number and ``<exp>`` a function of ``math.h``, each to be
    written as the dtype has it.
    """

    def write(_layer: Layer, source: CSource) -> list[str]:
        return source.each(expression)

    return write


def _dense(layer: Dense, source: CSource) -> list[str]:
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


def _standardize(layer: Standardize, source: CSource) -> list[str]:
    mean, scale = source.constant("mean", layer.mean), source.constant("scale", layer.scale)
    return source.each(f"(v - {mean}[i]) / {scale}[i]")


def _embedding(layer: Embedding, source: CSource) -> list[str]:
    if not layer.categories:
        return []
    x, y = source.x, source.into()
    W = source.constant("W", layer.W)
    counts = source.constant("count", layer.categories, integers=True)
    offsets = [sum(layer.categories[:column]) for column in range(len(layer.categories))]
    first = source.constant("first", offsets, integers=True)
    numbers = [
        f"for (long i = 0; i < {layer.numeric}; i++) {{",
        f"    {y}[i] = {x}[i];",
        "}",
    ]
    place = f"{layer.numeric} + c" if layer.numeric else "c"
    start = f"{layer.numeric} + c * {layer.features}" if layer.numeric else f"c * {layer.features}"
    return [
        *(numbers if layer.numeric else []),
        f"for (long c = 0; c < {len(layer.categories)}; c++) {{",
        f"    const {source.real} id = {source.call('rint')}({x}[{place}]);",
        f"    if (!(id >= 0 && id < ({source.real}){counts}[c])) {{  /* no such id: no answer */",
        f"        for (long k = 0; k < {source.macro('OUTPUTS')}; k++) {{",
        "            y[k] = NAN;",
        "        }",
        "        return;",
        "    }",
        f"    for (long j = 0; j < {layer.features}; j++) {{",
        f"        {y}[{start} + j] = {W}[{first}[c] + (long)id][j];",
        "    }",
        "}",
    ]


def _leaky_relu(layer: LeakyReLU, source: CSource) -> list[str]:
    return source.each(f"v > 0 ? v : {source.number(layer.negative_slope)} * v")


def _elu(layer: ELU, source: CSource) -> list[str]:
    return source.each(f"v > 0 ? v : {source.number(layer.alpha)} * <expm1>(v)")


def _gelu(layer: GELU, source: CSource) -> list[str]:
    if not layer.approximate:
        return source.each(f"[0.5] * v * <erfc>(-v * {source.number(math.sqrt(0.5))})")
    inner = f"{source.number(math.sqrt(2 / math.pi))} * (v + {source.number(0.044715)} * v * v * v)"
    return source.each(f"[0.5] * v * ([1.0] + <tanh>({inner}))")


def _softmax(_layer: Layer, source: CSource) -> list[str]:
    ending = "{a}[r + i] = {exp}({a}[r + i] - top) / sum;"
    return _by_rows(source, ending)


def _log_softmax(_layer: Layer, source: CSource) -> list[str]:
    return _by_rows(source, "{a}[r + i] = {a}[r + i] - top - {log}(sum);")


def _by_rows(source: CSource, ending: str) -> list[str]:
    """Write what the softmax pair has in common: it looks at the last axis of a sample as a whole."""
    a, exp, width = source.x, source.call("exp"), source.width
    last = ending.format(a=a, exp=exp, log=source.call("log"))
    return [
        f"for (long r = 0; r < {source.inputs}; r += {width}) {{",
        f"    {source.real} top = {a}[r], sum = 0;  /* with the largest exponent 0 nothing overflows */",
        f"    for (long i = 1; i < {width}; i++) {{",
        f"        top = {source.call('fmax')}(top, {a}[r + i]);",
        "    }",
        f"    for (long i = 0; i < {width}; i++) {{",
        f"        sum += {exp}({a}[r + i] - top);",
        "    }",
        f"    for (long i = 0; i < {width}; i++) {{",
        f"        {last}",
        "    }",
        "}",
    ]


def _nothing(_layer: Layer, _source: CSource) -> list[str]:
    return []


#: For each layer of nnlite the function that writes it. Comparisons are such that NaN stays NaN.
WRITERS: dict[type[Layer], Any] = {
    Dense: _dense,
    Dropout: _nothing,
    ELU: _elu,
    Embedding: _embedding,
    Flatten: _nothing,
    GELU: _gelu,
    LeakyReLU: _leaky_relu,
    LogSoftmax: _log_softmax,
    ReLU: _each("v < 0 ? 0 : v"),
    SiLU: _each("v / ([1.0] + <exp>(-v))"),
    Sigmoid: _each("[1.0] / ([1.0] + <exp>(-v))"),
    Softmax: _softmax,
    Softplus: _each("<fmax>(v, 0) + <log1p>(<exp>(-<fabs>(v)))"),
    Standardize: _standardize,
    Step: _each("v > 0 ? 1 : 0"),
    Tanh: _each("<tanh>(v)"),
}
