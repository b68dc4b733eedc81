"""The activations, elsewhere."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nnlite.core.aliases import AnyArray
from nnlite.exchange.description import (
    Description,
    each,
    float32_only,
    formula,
    lines,
    loop,
    measured,
    node,
    renamed,
)
from nnlite.exchange.onnx.found import Found
from nnlite.exchange.onnx.patterns import Pattern, Value, shortest
from nnlite.layers import (
    ELU,
    GELU,
    SELU,
    Clip,
    HardSigmoid,
    HardSwish,
    Layer,
    LeakyReLU,
    LogSoftmax,
    Mish,
    PReLU,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Step,
    Tanh,
)
from nnlite.layers.activations import SELU_ALPHA, SELU_SCALE

__all__ = ["DESCRIPTIONS"]

# Formulas are written as they stand here, and read with all alternatives.

_IS_POSITIVE: Pattern = ("Greater", "x", 0.0)
_STEP: Pattern = ("Cast", _IS_POSITIVE)
_SILU: Pattern = ("Mul", "x", ("Sigmoid", "x"))


# LeakyReLU and ELU.


def _leaky_relu_keras(layer: LeakyReLU) -> str:
    slope = layer.negative_slope
    if slope >= 0:
        return f"k.LeakyReLU({slope})"
    return f"k.Activation(lambda x: keras.activations.leaky_relu(x, {slope}))"  # the layer refuses it


# A factor of 1 has been left out where the second alternative is found.
_LEAKY_RELU: Pattern = ("Where", _IS_POSITIVE, "x", [("Mul", "x", "negative_slope"), "x"])
_GROWTH: Pattern = ("Sub", ("Exp", ("Min", "x", 0.0)), 1.0)
_ELU: Pattern = ("Where", _IS_POSITIVE, "x", [("Mul", _GROWTH, "alpha"), _GROWTH])
_SELU: Pattern = ("Mul", ("Where", _IS_POSITIVE, "x", ("Mul", _GROWTH, SELU_ALPHA)), SELU_SCALE)


def _read_selu(found: Found) -> SELU:
    alpha, gamma = found.number("alpha", SELU_ALPHA), found.number("gamma", SELU_SCALE)
    if not (math.isclose(alpha, SELU_ALPHA, rel_tol=1e-5) and math.isclose(gamma, SELU_SCALE, rel_tol=1e-5)):
        raise found.refused(f"Selu with alpha={alpha} and gamma={gamma}")
    return SELU()


# Those with limits.

_BETWEEN: Pattern = [("Clip", "x", "low", "high"), ("Min", ("Max", "x", "low"), "high")]
#: TensorFlow writes the second.
_RELU6: Pattern = [("Clip", "x", 0.0, 6.0), ("Min", ("Relu", "x"), 6.0), ("Clip", ("Relu", "x"), 0.0, 6.0)]
_GATE: Pattern = ("Div", ("Clip", ("Add", "x", 3.0), 0.0, 6.0), 6.0)
_GATES: Pattern = [
    _GATE,
    *(
        [("Div", relu6, 6.0), ("Mul", relu6, 1 / 6)]
        for relu6 in (("Clip", ("Add", "x", 3.0), 0.0, 6.0), ("Min", ("Relu", ("Add", "x", 3.0)), 6.0))
    ),
]
_HARD_SWISH: Pattern = [
    ("Mul", "x", _GATES),
    ("Mul", "x", ("HardSigmoid", "x")),
    ("Div", ("Mul", "x", ("Clip", ("Add", "x", 3.0), 0.0, 6.0)), 6.0),
]


def _read_clip(found: Found) -> Clip | ReLU:
    """Make what Clip is: before version 11 of the operators its limits were attributes."""
    low = found.get("low", found.attributes.get("min", -math.inf))
    high = found.get("high", found.attributes.get("max", math.inf))
    if low == 0 and high >= float(np.finfo(np.float32).max):
        return ReLU()
    if (low, high) == (0.0, 6.0):
        return ReLU6()
    return Clip(shortest(low), shortest(high))


def _read_hard_sigmoid(found: Found) -> HardSigmoid:
    _check_hard_sigmoid(found, found.value)
    return HardSigmoid()


def _read_hard_swish(found: Found) -> HardSwish:
    for value in found["nodes"]:
        if value.op == "HardSigmoid":
            _check_hard_sigmoid(found, value)
    return HardSwish()


def _check_hard_sigmoid(found: Found, value: Value) -> None:
    alpha, beta = value.attributes.get("alpha", 0.2), value.attributes.get("beta", 0.5)
    if not (math.isclose(alpha, 1 / 6, rel_tol=1e-5) and math.isclose(beta, 0.5, rel_tol=1e-5)):
        raise found.refused(f"HardSigmoid with alpha={shortest(alpha)} and beta={shortest(beta)}")


# PReLU.

_PRELU_SUM: Pattern = ("Sub", ("Relu", "x"), ("Mul", ("Relu", ("Neg", "x")), "slope[]"))
_PRELU: Pattern = [
    ("PRelu", "x", "slope[]"),
    _PRELU_SUM,
    ("Add", ("Relu", "x"), ("Mul", ("Relu", ("Neg", "x")), "minus slope[]")),
]


def _read_prelu(found: Found) -> tuple[PReLU, dict[str, AnyArray]]:
    slope = found["slope"] if "slope" in found else -found["minus slope"]
    features = found.features(slope.size)
    shared = slope.size == 1
    numbers = found.vector(found.finite(slope), 1 if shared else features)
    ndim = 1 if found.shape is None else len(found.shape)
    return PReLU(features, ndim=ndim, shared=shared), {"slope": numbers}


def _slope_of(layer: PReLU) -> str:
    """Say in C which slope a number has."""
    return "0" if layer.shared else "i" if layer.ndim == 1 else f"i % {layer.features}"


# Softplus and Mish.

_SOFTPLUS: Pattern = [  # the first is that which never overflows
    ("Add", ("Max", "x", 0.0), ("Log", ("Add", ("Exp", ("Neg", ("Abs", "x"))), 1.0))),
    ("Where", ("Greater", "x", 20.0), "x", ("Softplus", "x")),  # PyTorch; above 20 both are x
]
_MISH: Pattern = ("Mul", "x", ("Tanh", [("Softplus", "x"), _SOFTPLUS]))


# GELU.

#: What is inside its tanh: ``TANH_SCALE * (x + CUBIC * x**3)``.
_TANH_SCALE = math.sqrt(2 / math.pi)
_CUBIC = 0.044715


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
    inner = [
        f"{source.real} top = {a}[r], sum = 0;  /* with the largest exponent 0 nothing overflows */",
        *loop("i", width, f"top = {source.call('fmax')}(top, {a}[r + i]);", start=1),
        *loop("i", width, f"sum += {exp}({a}[r + i] - top);"),
        *loop("i", width, last),
    ]
    head = f"for (long r = 0; r < {source.inputs}; r += {width}) {{"
    return [head, *(f"    {line}" for line in inner), "}"]


DESCRIPTIONS = [
    Description(
        ReLU,
        words="negative sums become 0, positive ones pass",
        samples=(ReLU,),
        onnx=node("Relu"),
        onnx_nodes={"Relu": lambda _: ReLU()},
        onnx_formulas=((("Max", "x", 0.0), lambda _: ReLU()),),
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
        onnx=float32_only(
            lambda one, x, graph: graph.node("LeakyRelu", x, alpha=one.negative_slope), formula(_LEAKY_RELU)
        ),
        onnx_nodes={"LeakyRelu": lambda found: LeakyReLU(found.number("alpha", 0.01))},
        onnx_formulas=((_LEAKY_RELU, lambda found: LeakyReLU(found.get("negative_slope", 1.0))),),
        numpy=lambda one, _source: [f"x = np.where(x > 0, x, x * {one.negative_slope!r})"],
        c=lambda one, source: source.each(f"v > 0 ? v : {source.number(one.negative_slope)} * v"),
        torch=lambda one: f"t.LeakyReLU({one.negative_slope})",
        keras=_leaky_relu_keras,
        slope=1.0,
    ),
    Description(
        ELU,
        words="negative sums sink to a smooth floor, positive ones pass",
        samples=(ELU, lambda: ELU(0.3), lambda: ELU(2.0)),
        onnx=float32_only(lambda one, x, graph: graph.node("Elu", x, alpha=one.alpha), formula(_ELU)),
        onnx_nodes={"Elu": lambda found: ELU(found.number("alpha", 1.0))},
        onnx_formulas=((_ELU, lambda found: ELU(found.get("alpha", 1.0))),),
        numpy=lambda one, _source: [f"x = np.where(x > 0, x, np.expm1(np.minimum(x, 0)) * {one.alpha!r})"],
        c=lambda one, source: source.each(f"v > 0 ? v : {source.number(one.alpha)} * <expm1>(v)"),
        torch=lambda one: f"t.ELU({one.alpha})",
        keras=lambda one: f"k.ELU({one.alpha})",
        slope=1.0,
        bounds=measured,
    ),
    Description(
        SELU,
        words="an ELU that keeps numbers near mean 0 and variance 1",
        samples=(SELU,),
        onnx=float32_only(node("Selu"), formula(_SELU)),
        onnx_nodes={"Selu": _read_selu},
        onnx_formulas=((_SELU, lambda _: SELU()),),
        numpy=lines(
            f"x = {SELU_SCALE} * np.where(x > 0, x, np.expm1(np.minimum(x, 0)) * {SELU_ALPHA})",
        ),
        c=lambda _, source: source.each(
            f"{source.number(SELU_SCALE)} * (v > 0 ? v : {source.number(SELU_ALPHA)} * <expm1>(v))"
        ),
        torch=lambda _: "t.SELU()",
        keras=lambda _: "k.Activation('selu')",
        slope=SELU_SCALE * SELU_ALPHA,
        bounds=measured,
    ),
    Description(
        ReLU6,
        words="negative sums become 0, those above 6 become 6",
        samples=(ReLU6,),
        onnx=formula(_RELU6),
        onnx_formulas=((_RELU6, lambda _: ReLU6()),),
        numpy=lines("x = np.clip(x, 0, 6)"),
        c=each("v < 0 ? 0 : v > 6 ? 6 : v"),
        torch=lambda _: "t.ReLU6()",
        keras=lambda _: "k.ReLU(max_value=6)",
        slope=1.0,
        flat_on_both_sides=True,
        bounds=measured,
    ),
    Description(
        HardSwish,
        words="each number times a sigmoid of three straight pieces",
        samples=(HardSwish,),
        onnx=formula(_HARD_SWISH),
        onnx_nodes={"HardSwish": lambda _: HardSwish()},
        onnx_formulas=((_HARD_SWISH, _read_hard_swish),),
        numpy=lines("x = x * ((np.clip(x, -3, 3) + 3) / 6)"),
        c=each("v < -3 ? v * 0 : v > 3 ? v : v * ((v + 3) / 6)"),
        torch=lambda _: "t.Hardswish()",
        keras=lambda _: "k.Activation('hard_silu')",
        slope=1.5,
        bounds=measured,
    ),
    Description(
        HardSigmoid,
        words="a sigmoid of three straight pieces",
        samples=(HardSigmoid,),
        onnx=formula(_GATE),
        onnx_nodes={"HardSigmoid": _read_hard_sigmoid},
        onnx_formulas=((_GATES, lambda _: HardSigmoid()),),
        numpy=lines("x = (np.clip(x, -3, 3) + 3) / 6"),
        c=each("v < -3 ? 0 : v > 3 ? 1 : (v + 3) / 6"),
        torch=lambda _: "t.Hardsigmoid()",
        keras=lambda _: "k.Activation('hard_sigmoid')",
        slope=1 / 6,
        flat_on_both_sides=True,
        bounds=measured,
    ),
    Description(
        Clip,
        words="what lies beyond two limits becomes the nearer one",
        samples=(Clip, lambda: Clip(-0.5, 2.0)),
        onnx=formula(_BETWEEN),
        onnx_nodes={"Clip": _read_clip},
        onnx_formulas=((_BETWEEN, _read_clip), (("Clip", "x", "low"), _read_clip)),
        numpy=lambda one, _source: [f"x = np.clip(x, {one.low!r}, {one.high!r})"],
        c=lambda one, source: source.each(
            f"v < {source.number(one.low)} ? {source.number(one.low)} : "
            f"v > {source.number(one.high)} ? {source.number(one.high)} : v"
        ),
        torch=lambda one: f"t.Hardtanh({one.low}, {one.high})",
        keras=lambda one: f"k.Activation(lambda x: keras.ops.clip(x, {one.low}, {one.high}))",
        slope=1.0,
        flat_on_both_sides=True,
        bounds=lambda one: (one.low, one.high),
    ),
    Description(
        PReLU,
        words="negative sums times a slope that was learned, positive ones pass",
        samples=(lambda: PReLU(4), lambda: PReLU(3, shared=True), lambda: PReLU(3, ndim=2)),
        onnx=float32_only(
            lambda one, x, graph: graph.node("PRelu", x, graph.constant(one.slope, name="slope")),
            formula(_PRELU_SUM),
        ),
        onnx_formulas=((_PRELU, _read_prelu),),
        numpy=lambda one, source: [f"x = np.where(x > 0, x, x * {source.constant('slope', one.slope)})"],
        c=lambda one, source: source.each(
            f"v > 0 ? v : {source.constant('slope', one.slope)}[{_slope_of(one)}] * v"
        ),
        torch=lambda one: f"t.PReLU({1 if one.shared else one.features})",
        keras=lambda one: f"k.PReLU({'shared_axes=[1]' if one.shared else ''})",
        torch_layout=renamed({"slope": "weight"}),
    ),
    Description(
        GELU,
        words="each number times the chance that a normal random one is below it",
        samples=(GELU, lambda: GELU(approximate=True)),
        onnx=lambda one, x, graph: formula(_GELU_TANH if one.approximate else _GELU)(one, x, graph),
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
        onnx=float32_only(formula(_MISH), formula(("Mul", "x", ("Tanh", _SOFTPLUS)))),
        onnx_nodes={"Mish": lambda _: Mish()},
        onnx_formulas=((_MISH, lambda _: Mish()),),
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
        onnx=formula(_SILU),
        onnx_formulas=((_SILU, lambda _: SiLU()),),
        numpy=lambda _, source: [f"x = x * {source.helper('sigmoid')}(x)"],
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
        numpy=lambda _, source: [f"x = {source.helper('sigmoid')}(x)"],
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
        onnx=float32_only(node("Softplus"), formula(_SOFTPLUS)),
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
        onnx=formula(_STEP),
        onnx_formulas=((_STEP, lambda _: Step()),),
        numpy=lines("x = (x > 0).astype(x.dtype)"),
        c=each("v > 0 ? 1 : 0"),
        bounds=measured,
    ),
]
