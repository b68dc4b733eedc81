"""Normalization, elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlite.core.aliases import AnyArray
from nnlite.exchange.description import Description, formula, loop, renamed
from nnlite.exchange.layers.windows import between, channels_first, channels_last
from nnlite.exchange.onnx.found import Found
from nnlite.exchange.onnx.graph import Graph
from nnlite.exchange.onnx.noops import LENGTH_1
from nnlite.exchange.onnx.patterns import Pattern, shortest
from nnlite.layers.normalization import SMALLEST, BatchNorm, LayerNorm, RMSNorm

__all__ = ["DESCRIPTIONS", "measured_before", "of_length_1"]


def _each_row(layer: Any, source: Any, *lines: str) -> list[str]:
    """Write lines of C for each row of features, ``row``; what variables they have is theirs alone."""
    if source.inputs == layer.features:
        row = [f"{source.real} *const row = {source.x};"]
        return ["{", *(f"    {line}" for line in (*row, *lines)), "}"]
    row = [f"{source.real} *const row = {source.x} + p;"]
    head = f"for (long p = 0; p < {source.inputs}; p += {layer.features}) {{"
    return [head, *(f"    {line}" for line in (*row, *lines)), "}"]


def _layer_norm_onnx(layer: LayerNorm, x: str, graph: Graph) -> str:
    gain, bias = (graph.constant(getattr(layer, name), name=name) for name in ("gain", "bias"))
    return graph.node("LayerNormalization", x, gain, bias, axis=-1, epsilon=layer.epsilon)


_LAYER_NORM: Pattern = [
    ("LayerNormalization", "x", "gain[]"),
    ("LayerNormalization", "x", "gain[]", "bias[]"),
]


def _mean(inner: Pattern) -> list[Pattern]:
    """Return the two ways to write a mean; the axes were an attribute before version 18."""
    return [("ReduceMean", inner, "axes[]"), ("ReduceMean", inner)]


def _square(inner: Any) -> list[Pattern]:
    return [("Pow", inner, 2.0), ("Mul", inner, inner)]


def _over_root(top: Any, square: Any) -> list[Pattern]:
    """Return the ways to divide by the root of a mean."""
    root = ("Sqrt", ("Add", _mean(square), "epsilon"))
    return [("Div", top, root), ("Mul", top, ("Reciprocal", root)), ("Mul", top, ("Div", 1.0, root))]


_CENTRED = ("Sub", "x", _mean("x"))
_PLAIN = _over_root(_CENTRED, _square(_CENTRED))
_SCALED: Pattern = [("Mul", _PLAIN, "gain[]")]
#: Of several nodes, as it was written before there was an operator.
_LONG_LAYER_NORM: Pattern = [("Add", _SCALED, "bias[]"), *_SCALED, *_PLAIN]


def _read_layer_norm(found: Found) -> tuple[LayerNorm, dict[str, AnyArray]]:
    axis, shape, gain = found.attributes.get("axis", -1), found.shape, found["gain"]
    ndim = 1 if shape is None else len(shape)
    if axis not in (-1, ndim):
        raise found.refused(f"LayerNormalization along axis {axis} of samples of shape {shape}")
    return _layer_norm(found, gain, found.number("epsilon", 1e-5))


def _read_long_layer_norm(found: Found) -> tuple[LayerNorm, dict[str, AnyArray]]:
    _check_means(found)
    return _layer_norm(found, found.get("gain", np.ones(1, np.float32)), shortest(found["epsilon"]))


def _layer_norm(found: Found, gain: AnyArray, epsilon: float) -> tuple[LayerNorm, dict[str, AnyArray]]:
    features = found.features(gain.size)
    given = {"gain": gain, "bias": found.get("bias", np.zeros(1, gain.dtype))}
    if not all(np.isfinite(array).all() for array in given.values()):
        raise found.wrong("finite numbers", "a gain or a bias that is none")
    layer = LayerNorm(features, ndim=1 if found.shape is None else len(found.shape), epsilon=epsilon)
    return layer, {name: found.vector(array, features) for name, array in given.items()}


def _check_means(found: Found) -> None:
    """Refuse means over other axes than that of the features."""
    last = None if found.shape is None else len(found.shape)
    for node in found["nodes"]:
        if node.op == "ReduceMean":
            given = node.arguments[1] if len(node.arguments) > 1 else node.attributes.get("axes", ())
            axes = np.asarray(given).reshape(-1).tolist()
            if axes not in ([-1], [last]) or not node.attributes.get("keepdims", 1):
                raise found.refused(f"ReduceMean over axes {axes[:10]}")


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
    a, real, count = "row", source.real, layer.features
    many = source.number(float(count))
    scale = f"{source.call('sqrt')}(variance + {source.number(layer.epsilon)})"
    return _each_row(
        layer,
        source,
        f"{real} mean = 0, rest = 0, variance = 0;  /* rest: what rounding has left of the mean */",
        *loop("i", count, f"mean += {a}[i] / {many};"),
        *loop("i", count, f"{a}[i] -= mean;", f"rest += {a}[i] / {many};"),
        *loop("i", count, f"{a}[i] -= rest;", f"variance += {a}[i] * {a}[i] / {many};"),
        *loop("i", count, f"{a}[i] = {a}[i] / {scale} * {gain}[i] + {bias}[i];"),
    )


_RMS: Pattern = (
    "Mul",
    ("Div", "x", ("Sqrt", ("Add", ("MatMul", ("Mul", "x", "x"), "shares[]"), "epsilon"))),
    "gain[]",
)
#: As others write it.
_LONG_RMS: Pattern = ("Mul", _over_root("x", _square("x")), "gain[]")


def _read_long_rms_norm(found: Found) -> tuple[RMSNorm, dict[str, AnyArray]]:
    _check_means(found)
    features = found.features(found["gain"].size)
    layer = RMSNorm(
        features, ndim=1 if found.shape is None else len(found.shape), epsilon=shortest(found["epsilon"])
    )
    return layer, {"gain": found.vector(found.finite(found["gain"]), features)}


def _read_length_1(found: Found) -> tuple[RMSNorm, dict[str, AnyArray]]:
    layer = of_length_1(found.features(1))
    return layer, {"gain": np.full(layer.features, layer.features**-0.5, np.float32)}


def of_length_1(features: int) -> RMSNorm:
    """Make a layer that divides each row by its length, once its gain is ``features**-0.5``; it stays so.

    Parameters
    ----------
    features : int
        Numbers in a row.

    Returns
    -------
    RMSNorm
        A row of zeros stays one.
    """
    layer = RMSNorm(features, epsilon=SMALLEST)
    layer.freeze()
    return layer


def _read_rms_norm(found: Found) -> tuple[RMSNorm, dict[str, AnyArray]]:
    shares, gain = found["shares"], found["gain"]
    if gain.ndim != 1:
        raise found.refused("Mul by other numbers than one for each feature")
    if shares.shape != (gain.size, 1) or not np.allclose(shares, 1 / gain.size):
        raise found.refused("Div by the root of another sum than the mean of the squares")
    ndim = 1 if found.shape is None else len(found.shape)
    return RMSNorm(gain.size, ndim=ndim, epsilon=shortest(found["epsilon"])), {"gain": gain}


def _rms_norm_numpy(layer: RMSNorm, source: Any) -> list[str]:
    root = f"np.sqrt((x * x).mean(axis=-1, keepdims=True) + np.{source.dtype}({layer.epsilon!r}))"
    return [f"x = x / {root} * {source.constant('gain', layer.gain)}"]


def _rms_norm_c(layer: RMSNorm, source: Any) -> list[str]:
    a, gain, many = "row", source.constant("gain", layer.gain), source.number(float(layer.features))
    root = f"{source.call('sqrt')}(squares + {source.number(layer.epsilon)})"
    return _each_row(
        layer,
        source,
        f"{source.real} squares = 0;",
        *loop("i", layer.features, f"squares += {a}[i] * {a}[i] / {many};"),
        *loop("i", layer.features, f"{a}[i] = {a}[i] / {root} * {gain}[i];"),
    )


_STATISTICS = ("gain", "bias", "running_mean", "running_variance")
_ROWS: Pattern = ("BatchNormalization", "x", *(f"{name}[]" for name in _STATISTICS))
#: There the features are the axis behind the batch.


def _batch_norm_onnx(layer: BatchNorm, x: str, graph: Graph) -> str:
    numbers = [graph.constant(getattr(layer, name), name=name) for name in _STATISTICS]
    axes = layer.ndim - 1
    x = channels_first(x, axes, graph) if axes else x
    # There it is the share that is kept.
    y = graph.node("BatchNormalization", x, *numbers, epsilon=layer.epsilon, momentum=1 - layer.momentum)
    return channels_last(y, axes, graph) if axes else y


def _read_batch_norm(found: Found) -> list[Any]:
    node, axes = found.value, len(found.shape or (1,)) - 1
    if node.attributes.get("training_mode", 0):
        raise found.refused("BatchNormalization in training")
    numbers = {name: found.finite(found[name]) for name in _STATISTICS}
    epsilon = shortest(node.attributes.get("epsilon", 1e-5))
    spread = np.sqrt(numbers["running_variance"] + epsilon)
    found.finite(spread, divisor=spread)
    features = found.features(numbers["gain"].size) if axes == 0 else (found.shape or ())[0]
    # In a file for prediction it may be anything.
    renewed = shortest(1 - shortest(node.attributes.get("momentum", 0.9)))
    momentum = renewed if 0 < renewed <= 1 else 0.1
    layer = BatchNorm(features, ndim=axes + 1, momentum=momentum, epsilon=epsilon or SMALLEST)
    made = layer, {name: found.vector(array, features) for name, array in numbers.items()}
    return between(axes, made) if axes else [made]


def _batch_norm_numpy(layer: BatchNorm, source: Any) -> list[str]:
    mean = source.constant("mean", layer.running_mean)
    variance = source.constant("variance", layer.running_variance)
    gain, bias = source.constant("gain", layer.gain), source.constant("bias", layer.bias)
    return [
        f"x = (x - {mean}) / np.sqrt({variance} + np.{source.dtype}({layer.epsilon!r}))",
        f"x = x * {gain} + {bias}",
    ]


def _batch_norm_c(layer: BatchNorm, source: Any) -> list[str]:
    mean = source.constant("mean", layer.running_mean)
    variance = source.constant("variance", layer.running_variance)
    gain, bias = source.constant("gain", layer.gain), source.constant("bias", layer.bias)
    spread = f"{source.call('sqrt')}({variance}[i] + {source.number(layer.epsilon)})"
    body = loop(
        "i",
        layer.features,
        f"const {source.real} z = (row[i] - {mean}[i]) / {spread};",
        f"row[i] = z * {gain}[i] + {bias}[i];",
    )
    return _each_row(layer, source, *body)


def _batch_norm_torch(layer: BatchNorm) -> str:
    kind = f"BatchNorm{max(1, layer.ndim - 1)}d"
    return f"t.{kind}({layer.features}, eps={layer.epsilon}, momentum={layer.momentum})"


def measured_before(layer: BatchNorm) -> BatchNorm:
    """Give a layer running statistics as batches leave them: all different, and neither 0 nor 1.

    Parameters
    ----------
    layer : BatchNorm
        The layer.

    Returns
    -------
    BatchNorm
        The same.
    """
    steps = np.arange(1, layer.features + 1)
    layer.running_mean[...] = np.sin(steps)
    layer.running_variance[...] = 0.5 + steps / layer.features
    return layer


DESCRIPTIONS = [
    Description(
        LayerNorm,
        words="each row to mean 0 and variance 1, then a gain and a bias",
        samples=(
            lambda: LayerNorm(4),
            lambda: LayerNorm(3, epsilon=0.1),
            lambda: LayerNorm(70),
            lambda: LayerNorm(3, ndim=2),
            lambda: LayerNorm(8, ndim=3),
        ),
        onnx=_layer_norm_onnx,
        onnx_formulas=((_LAYER_NORM, _read_layer_norm), (_LONG_LAYER_NORM, _read_long_layer_norm)),
        numpy=_layer_norm_numpy,
        c=_layer_norm_c,
        torch=lambda one: f"t.LayerNorm({one.features}, eps={one.epsilon})",
        keras=lambda one: f"k.LayerNormalization(epsilon={one.epsilon})",
        torch_layout=renamed({"gain": "weight"}),
    ),
    Description(
        RMSNorm,
        words="each row divided by its root mean square, then a gain",
        samples=(
            lambda: RMSNorm(4),
            lambda: RMSNorm(3, epsilon=0.1),
            lambda: RMSNorm(70),
            lambda: RMSNorm(3, ndim=2),
        ),
        onnx=formula(_RMS, shares=lambda one: np.full((one.features, 1), 1 / one.features)),
        onnx_nodes={LENGTH_1: _read_length_1},
        onnx_formulas=((_RMS, _read_rms_norm), (_LONG_RMS, _read_long_rms_norm)),
        numpy=_rms_norm_numpy,
        c=_rms_norm_c,
        torch=lambda one: f"t.RMSNorm({one.features}, eps={one.epsilon})",
        keras=lambda one: f"k.RMSNormalization(epsilon={one.epsilon})",
        torch_layout=renamed({"gain": "weight"}),
    ),
    Description(
        BatchNorm,
        words="each feature by its running mean and variance, then a gain and a bias",
        samples=(
            lambda: measured_before(BatchNorm(4)),
            lambda: measured_before(BatchNorm(3, momentum=0.3, epsilon=0.1)),
            lambda: measured_before(BatchNorm(70, momentum=1.0)),
            lambda: measured_before(BatchNorm(3, ndim=2)),
            lambda: measured_before(BatchNorm(4, ndim=3)),
        ),
        onnx=_batch_norm_onnx,
        onnx_formulas=((_ROWS, _read_batch_norm),),
        numpy=_batch_norm_numpy,
        c=_batch_norm_c,
        torch=lambda one: (
            f"t.BatchNorm{max(1, one.ndim - 1)}d({one.features}, eps={one.epsilon}, momentum={one.momentum})"
        ),
        keras=lambda one: f"k.BatchNormalization(momentum={1 - one.momentum:.9g}, epsilon={one.epsilon})",
        torch_layout=renamed({"gain": "weight", "running_variance": "running_var"}),
        torch_only=frozenset({"num_batches_tracked"}),
    ),
]
