"""The activations, elsewhere."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nnlite.exchange.description import Description, each, lines, measured, node
from nnlite.exchange.onnx.found import Found
from nnlite.exchange.onnx.graph import Graph
from nnlite.exchange.onnx.patterns import Pattern
from nnlite.layers import (
    ELU,
    GELU,
    Layer,
    LeakyReLU,
    LogSoftmax,
    Mish,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Step,
    Tanh,
)

__all__ = ["DESCRIPTIONS"]

_IS_POSITIVE: Pattern = ("Greater", "x", 0.0)


def _is_positive(x: str, graph: Graph) -> str:
    return graph.node("Greater", x, graph.constant(0.0))


# LeakyReLU and ELU: onnxruntime and others have them for float32 only.


def _leaky_relu_onnx(layer: LeakyReLU, x: str, graph: Graph) -> str:
    if graph.dtype == np.float32:
        return graph.node("LeakyRelu", x, alpha=layer.negative_slope)
    quiet = graph.node("Mul", x, graph.constant(layer.negative_slope))
    return graph.node("Where", _is_positive(x, graph), x, quiet)


def _leaky_relu_c(layer: LeakyReLU, source: Any) -> Any:
    return source.each(f"v > 0 ? v : {source.number(layer.negative_slope)} * v")


def _leaky_relu_keras(layer: LeakyReLU) -> str:
    slope = layer.negative_slope
    if slope >= 0:
        return f"k.LeakyReLU({slope})"
    return f"k.Activation(lambda x: keras.activations.leaky_relu(x, {slope}))"  # the layer refuses it


def _elu_onnx(layer: ELU, x: str, graph: Graph) -> str:
    if graph.dtype == np.float32:
        return graph.node("Elu", x, alpha=layer.alpha)
    growth = graph.node("Exp", graph.node("Min", x, graph.constant(0.0)))
    floor = graph.node("Mul", graph.node("Sub", growth, graph.constant(1.0)), graph.constant(layer.alpha))
    return graph.node("Where", _is_positive(x, graph), x, floor)


def _elu_c(layer: ELU, source: Any) -> Any:
    return source.each(f"v > 0 ? v : {source.number(layer.alpha)} * <expm1>(v)")


# A factor of 1 has been left out.
_LEAKY_RELU: Pattern = ("Where", _IS_POSITIVE, "x", [("Mul", "x", "slope"), "x"])
_GROWTH: Pattern = ("Sub", ("Exp", ("Min", "x", 0.0)), 1.0)
_ELU: Pattern = ("Where", _IS_POSITIVE, "x", [("Mul", _GROWTH, "alpha"), _GROWTH])


# Softplus.


def _softplus_onnx(_layer: Softplus, x: str, graph: Graph) -> str:
    if graph.dtype == np.float32:
        return graph.node("Softplus", x)
    decay = graph.node("Exp", graph.node("Neg", graph.node("Abs", x)))  # nothing overflows
    corner = graph.node("Log", graph.node("Add", decay, graph.constant(1.0)))
    return graph.node("Add", graph.node("Max", x, graph.constant(0.0)), corner)


_SOFTPLUS: Pattern = [
    ("Add", ("Max", "x", 0.0), ("Log", ("Add", ("Exp", ("Neg", ("Abs", "x"))), 1.0))),
    ("Where", ("Greater", "x", 20.0), "x", ("Softplus", "x")),  # PyTorch; above 20 both are x
]


# GELU.

#: What is inside its tanh: ``TANH_SCALE * (x + CUBIC * x**3)``.
_TANH_SCALE = math.sqrt(2 / math.pi)
_CUBIC = 0.044715


def _gelu_onnx(layer: GELU, x: str, graph: Graph) -> str:
    if layer.approximate:
        cubic = graph.node("Mul", graph.node("Pow", x, graph.constant(3.0)), graph.constant(_CUBIC))
        inner = graph.node("Mul", graph.node("Add", x, cubic), graph.constant(_TANH_SCALE))
        curve = graph.node("Tanh", inner)
    else:
        curve = _erf(graph.node("Mul", x, graph.constant(math.sqrt(0.5))), graph)
    gate = graph.node("Mul", graph.node("Add", curve, graph.constant(1.0)), graph.constant(0.5))
    return graph.node("Mul", x, gate)


def _erf(x: str, graph: Graph) -> str:
    if graph.dtype == np.float32:
        return graph.node("Erf", x)
    return graph.cast(graph.node("Erf", graph.cast(x, np.float32)), np.float64)


def _gelu_numpy(layer: GELU, source: Any) -> list[str]:
    if layer.approximate:
        inner = f"{_TANH_SCALE!r} * (x + {_CUBIC} * x * x * x)"
        return [f"x = x * (0.5 * (1 + np.tanh({inner})))"]
    return [f"x = x * {source.helper('chance_below')}(x)"]


def _gelu_c(layer: GELU, source: Any) -> Any:
    if not layer.approximate:
        return source.each(f"[0.5] * v * <erfc>(-v * {source.number(math.sqrt(0.5))})")
    inner = f"{source.number(_TANH_SCALE)} * (v + {source.number(_CUBIC)} * v * v * v)"
    return source.each(f"[0.5] * v * ([1.0] + <tanh>({inner}))")


def _times_gate(gate: Pattern) -> list[Any]:
    """Return the three ways to multiply x, the gate and 1/2."""
    return [
        ("Mul", "x", ("Mul", 0.5, gate)),
        ("Mul", 0.5, ("Mul", "x", gate)),
        ("Mul", gate, ("Mul", 0.5, "x")),
    ]


_SCALED = [("Mul", "x", math.sqrt(0.5)), ("Div", "x", math.sqrt(2.0))]
_ERF = ("Erf", [*_SCALED, ("Cast", _SCALED)])  # which has no float64 form, so it may stand between casts
_GELU: Pattern = _times_gate(("Add", 1.0, [_ERF, ("Cast", _ERF)]))
_CUBE = [("Pow", "x", 3.0), ("Mul", "x", ("Mul", "x", "x"))]
_GELU_TANH: Pattern = _times_gate(
    ("Add", 1.0, ("Tanh", ("Mul", _TANH_SCALE, ("Add", "x", ("Mul", _CUBIC, _CUBE)))))
)


# Mish.


def _mish_onnx(_layer: Mish, x: str, graph: Graph) -> str:
    return graph.node("Mul", x, graph.node("Tanh", _softplus_onnx(Softplus(), x, graph)))


# Sigmoid and SiLU.


def _sigmoid_numpy(_layer: Sigmoid, source: Any) -> list[str]:
    return [f"x = {source.helper('sigmoid')}(x)"]


def _silu_numpy(_layer: SiLU, source: Any) -> list[str]:
    return [f"x = x * {source.helper('sigmoid')}(x)"]


def _silu_onnx(_layer: SiLU, x: str, graph: Graph) -> str:
    return graph.node("Mul", x, graph.node("Sigmoid", x))


# Softmax and LogSoftmax: they look at the last axis of a sample as a whole.


def _read_softmax(found: Found, layer: Layer) -> Layer:
    axis, shape = found.attributes.get("axis", 1 if found.parsed.opset < 13 else -1), found.shape
    # Before opset 13, all axes from the given one on were one row.
    is_last = axis == -1 if shape is None else axis in (-1, len(shape))
    if not is_last or (found.parsed.opset < 13 and len(shape or (1,)) > 1):
        raise found.refused(f"{found.value.op} along axis {axis} of samples of shape {shape}")
    return layer


_FROM_TOP = "x = x - x.max(axis=-1, keepdims=True)  # the same result, and exp does not overflow"


def _softmax_c(_layer: Layer, source: Any) -> list[str]:
    return _by_rows(source, "{a}[r + i] = {exp}({a}[r + i] - top) / sum;")


def _log_softmax_c(_layer: Layer, source: Any) -> list[str]:
    return _by_rows(source, "{a}[r + i] = {a}[r + i] - top - {log}(sum);")


def _by_rows(source: Any, ending: str) -> list[str]:
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


def _step_onnx(_layer: Step, x: str, graph: Graph) -> str:
    return graph.cast(_is_positive(x, graph), graph.dtype)


DESCRIPTIONS = [
    Description(
        ReLU,
        words="negative sums become 0, positive ones pass",
        samples=(ReLU,),
        onnx=node("Relu"),
        onnx_nodes={"Relu": lambda _: ReLU()},
        numpy=lines("x = np.maximum(x, 0)"),
        c=each("v < 0 ? 0 : v"),
        torch=lambda _: "t.ReLU()",
        keras=lambda _: "k.ReLU()",
        slope=1.0,
        bounds=measured,
    ),
    Description(
        LeakyReLU,
        words="negative sums are made small, positive ones pass",
        samples=(LeakyReLU, *(lambda slope=slope: LeakyReLU(slope) for slope in (0.3, -0.5, 1.5))),
        onnx=_leaky_relu_onnx,
        onnx_nodes={"LeakyRelu": lambda found: LeakyReLU(found.number("alpha", 0.01))},
        onnx_formulas=((_LEAKY_RELU, lambda found: LeakyReLU(found.get("slope", 1.0))),),
        numpy=lambda one, _source: [f"x = np.where(x > 0, x, x * {one.negative_slope!r})"],
        c=_leaky_relu_c,
        torch=lambda one: f"t.LeakyReLU({one.negative_slope})",
        keras=_leaky_relu_keras,
        slope=1.0,
    ),
    Description(
        ELU,
        words="negative sums sink to a smooth floor, positive ones pass",
        samples=(ELU, lambda: ELU(0.3), lambda: ELU(2.0)),
        onnx=_elu_onnx,
        onnx_nodes={"Elu": lambda found: ELU(found.number("alpha", 1.0))},
        onnx_formulas=((_ELU, lambda found: ELU(found.get("alpha", 1.0))),),
        numpy=lambda one, _source: [f"x = np.where(x > 0, x, np.expm1(np.minimum(x, 0)) * {one.alpha!r})"],
        c=_elu_c,
        torch=lambda one: f"t.ELU({one.alpha})",
        keras=lambda one: f"k.ELU({one.alpha})",
        slope=1.0,
        bounds=measured,
    ),
    Description(
        GELU,
        words="each number times the chance that a normal random one is below it",
        samples=(GELU, lambda: GELU(approximate=True)),
        onnx=_gelu_onnx,
        onnx_nodes={
            "Gelu": lambda found: GELU(
                approximate={b"none": False, b"tanh": True}[found.attributes.get("approximate", b"none")]
            )
        },
        onnx_formulas=((_GELU, lambda _: GELU()), (_GELU_TANH, lambda _: GELU(approximate=True))),
        numpy=_gelu_numpy,
        c=_gelu_c,
        torch=lambda one: "t.GELU(approximate='tanh')" if one.approximate else "t.GELU()",
        keras=lambda one: f"k.Activation(lambda x: keras.activations.gelu(x, {one.approximate}))",
        slope=1.0,
        bounds=measured,
    ),
    Description(
        Mish,
        words="each number times the tanh of its softplus",
        samples=(Mish,),
        onnx=_mish_onnx,
        onnx_nodes={"Mish": lambda _: Mish()},
        onnx_formulas=((("Mul", "x", ("Tanh", [("Softplus", "x"), _SOFTPLUS])), lambda _: Mish()),),
        numpy=lines("x = x * np.tanh(np.logaddexp(x, 0))"),
        c=each("v * <tanh>(<fmax>(v, 0) + <log1p>(<exp>(-<fabs>(v))))"),
        torch=lambda _: "t.Mish()",
        keras=lambda _: "k.Activation('mish')",
        slope=1.0885,
        bounds=measured,
    ),
    Description(
        SiLU,
        words="each number times its own sigmoid",
        samples=(SiLU,),
        onnx=_silu_onnx,
        onnx_formulas=((("Mul", "x", ("Sigmoid", "x")), lambda _: SiLU()),),
        numpy=_silu_numpy,
        c=each("v / ([1.0] + <exp>(-v))"),
        torch=lambda _: "t.SiLU()",
        keras=lambda _: "k.Activation('silu')",
        slope=1.0,
        bounds=measured,
    ),
    Description(
        Sigmoid,
        words="any number squashed into (0, 1)",
        samples=(Sigmoid,),
        onnx=node("Sigmoid"),
        onnx_nodes={"Sigmoid": lambda _: Sigmoid()},
        numpy=_sigmoid_numpy,
        c=each("[1.0] / ([1.0] + <exp>(-v))"),
        torch=lambda _: "t.Sigmoid()",
        keras=lambda _: "k.Activation('sigmoid')",
        slope=0.25,
        flat_on_both_sides=True,
        bounds=measured,
    ),
    Description(
        Tanh,
        words="any number squashed into (-1, 1)",
        samples=(Tanh,),
        onnx=node("Tanh"),
        onnx_nodes={"Tanh": lambda _: Tanh()},
        numpy=lines("x = np.tanh(x)"),
        c=each("<tanh>(v)"),
        torch=lambda _: "t.Tanh()",
        keras=lambda _: "k.Activation('tanh')",
        slope=1.0,
        flat_on_both_sides=True,
        bounds=measured,
    ),
    Description(
        Softplus,
        words="a ReLU with a smooth corner",
        samples=(Softplus,),
        onnx=_softplus_onnx,
        onnx_nodes={"Softplus": lambda _: Softplus()},
        onnx_formulas=((_SOFTPLUS, lambda _: Softplus()),),
        numpy=lines("x = np.logaddexp(x, 0)"),
        c=each("<fmax>(v, 0) + <log1p>(<exp>(-<fabs>(v)))"),
        torch=lambda _: "t.Softplus()",
        keras=lambda _: "k.Activation('softplus')",
        slope=1.0,
        bounds=measured,
    ),
    Description(
        Softmax,
        words="probabilities that sum to 1",
        samples=(Softmax,),
        onnx=node("Softmax", axis=-1),
        onnx_nodes={"Softmax": lambda found: _read_softmax(found, Softmax())},
        numpy=lines(_FROM_TOP, "x = np.exp(x)", "x = x / x.sum(axis=-1, keepdims=True)"),
        c=_softmax_c,
        torch=lambda _: "t.Softmax(-1)",
        keras=lambda _: "k.Softmax()",
        bounds=lambda _: (0.0, 1.0),
    ),
    Description(
        LogSoftmax,
        words="logarithms of probabilities",
        samples=(LogSoftmax,),
        onnx=node("LogSoftmax", axis=-1),
        onnx_nodes={"LogSoftmax": lambda found: _read_softmax(found, LogSoftmax())},
        numpy=lines(_FROM_TOP, "x = x - np.log(np.exp(x).sum(axis=-1, keepdims=True))"),
        c=_log_softmax_c,
        torch=lambda _: "t.LogSoftmax(-1)",
        keras=lambda _: "k.Activation('log_softmax')",
        bounds=lambda _: (-math.inf, 0.0),
    ),
    Description(
        Step,
        words="1 where positive, else 0",
        samples=(Step,),
        onnx=_step_onnx,
        onnx_formulas=((("Cast", _IS_POSITIVE), lambda _: Step()),),
        numpy=lines("x = (x > 0).astype(x.dtype)"),
        c=each("v > 0 ? 1 : 0"),
        bounds=measured,
    ),
]
