"""Pooling, elsewhere."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from nnlite.exchange.description import Description, OnnxReader, OnnxWriter, float32_only, loop
from nnlite.exchange.layers.steps import end_c, real_numpy
from nnlite.exchange.layers.windows import (
    GATHERED,
    between,
    channels_first,
    channels_last,
    einsum,
    equation_of,
    gathered,
    lengths_of,
    many,
    one_or_both,
    pad_of,
    padded,
    places,
    read_gathered,
    read_padding,
    seen,
)
from nnlite.exchange.onnx.found import Found
from nnlite.exchange.onnx.graph import Graph
from nnlite.exchange.onnx.patterns import Pattern
from nnlite.exchange.onnx.steps import padding_of, write_filled, write_real
from nnlite.exchange.onnx.windows import attributes_of
from nnlite.layers import (
    AveragePool1D,
    AveragePool2D,
    GlobalAveragePool,
    GlobalMaxPool,
    Layer,
    MaxPool1D,
    MaxPool2D,
    Reshape,
)
from nnlite.layers.pooling import AveragePooling, GlobalPooling, MaxPooling, Pooling

__all__ = ["DESCRIPTIONS"]


def _onnx(op: str) -> Any:
    def write(layer: Pooling, x: str, graph: Graph) -> str:
        attributes = attributes_of(layer.windows, (graph.shape or ())[:-1])
        kernel = [window.size for window in layer.windows]
        x = channels_first(x, layer.axes, graph)
        return channels_last(graph.node(op, x, kernel_shape=kernel, **attributes), layer.axes, graph)

    return write


def _exact_average(layer: AveragePooling, x: str, graph: Graph) -> str:
    sums = graph.node("Einsum", gathered(layer, x, graph), equation=einsum(layer, weights=False))
    counts = layer._counts((1, *(graph.shape or ())), np.float64)
    return graph.node("Div", sums, graph.constant(counts, name="counts"))


#: A division by 1, as of a single place, has been left out.
_MEANS: Pattern = [("Div", ("Einsum", GATHERED), "counts[]"), ("Einsum", GATHERED)]


def _read_means(found: Found) -> Layer:
    size, how = read_gathered(found)
    kind: type[AveragePooling] = AveragePool2D if "rows" in found else AveragePool1D
    if how.pop("dilation") != 1:
        raise found.refused("the mean of dilated windows")
    layer = kind(size, stride=None if how["stride"] == size else how["stride"], padding=how["padding"])
    shape, said = found.shape or (), equation_of(found) == einsum(layer, weights=False)
    given = found.get("counts", np.ones((1,) * len(shape)))
    said = said and given.size == math.prod(layer.output_shape(shape)[:-1])
    if not said or not np.array_equal(given, layer._counts((1, *shape), np.float64)):
        raise found.refused(f"Div of Einsum as {equation_of(found)} by other numbers than counts")
    return layer


def _reader(*kinds: type[Pooling]) -> OnnxReader:
    """Read a pooling over one axis or two, by its classes for them."""

    def read(found: Found) -> list[Any]:
        sizes = list(found.attributes["kernel_shape"])
        lengths_of(found, (len(sizes),))
        how = read_padding(found, sizes, found.attributes)
        if how.pop("dilation") != 1:
            raise found.refused(f"{found.value.op} of dilated windows")
        if found.attributes.get("count_include_pad", 0) and how["padding"] != 0:
            raise found.refused(f"{found.value.op} that counts its padding")
        size, stride = one_or_both(sizes), how["stride"]
        own = {} if stride == size else {"stride": stride}
        axes = len(sizes)
        return between(axes, kinds[axes - 1](size, **own, padding=how["padding"]))

    return read


def _max_numpy(layer: MaxPooling, source: Any) -> list[str]:
    fill = ", constant_values=-np.inf"
    return [*padded(pad_of(layer, source.shape), fill), *seen(layer), f"x = x.max(axis={many(layer.axes)})"]


def _average_numpy(layer: AveragePooling, source: Any) -> list[str]:
    pads = pad_of(layer, source.shape)
    if not any(map(any, pads)):
        return [*seen(layer), f"x = x.mean(axis={many(layer.axes)})"]
    counts = source.constant("counts", layer._counts((1, *source.shape), np.float64))
    return [*padded(pads), *seen(layer), f"x = x.sum(axis={many(layer.axes)}) / {counts}"]


def _max_c(layer: MaxPooling, source: Any) -> list[str]:
    channels = source.shape[-1]
    body = loop("c", channels, "if (p[c] > q[c] || p[c] != p[c]) q[c] = p[c];")
    return places(layer, source, *body, first=loop("c", channels, "q[c] = -INFINITY;"))


def _average_c(layer: AveragePooling, source: Any) -> list[str]:
    channels = source.shape[-1]
    numbers = layer._counts((1, *source.shape), np.float64)
    counts = source.constant("counts", numbers.reshape(-1, numbers.shape[-2]))
    body = loop("c", channels, f"q[c] += p[c] / {counts}[t][u];")
    return places(layer, source, *body, first=loop("c", channels, f"q[c] = {source.number(0.0)};"))


def _torch(layer: Pooling) -> str | None:
    if layer.padding == "same":
        return None
    stride = "" if layer.stride is None else f", stride={layer.stride}"
    padding = f", padding={layer.padding}" if layer.padding else ""
    if isinstance(layer, MaxPooling):
        return f"t.MaxPool{layer.axes}d({layer.size}{stride}{padding})"
    inside = ", count_include_pad=False" if layer.padding else ""
    return f"t.AvgPool{layer.axes}d({layer.size}{stride}{padding}{inside})"


def _keras(layer: Pooling) -> str | None:
    if layer.padding not in (0, "same"):
        return None
    stride = "" if layer.stride is None else f", strides={layer.stride}"
    padding = ", padding='same'" if layer.padding else ""
    name = "Max" if isinstance(layer, MaxPooling) else "Average"
    return f"k.{name}Pooling{layer.axes}D({layer.size}{stride}{padding})"


def _description(
    kinds: tuple[type[Pooling], type[Pooling]],
    op: str,
    words: str,
    numpy: Any,
    c: Any,
    onnx: OnnxWriter,
    formulas: Any = (),
) -> list[Description]:
    line, plane = kinds
    samples: dict[type[Pooling], tuple[Callable[[], Layer], ...]] = {
        line: (
            lambda: line(2),
            lambda: line(3, stride=2, padding=1),
            lambda: line(3, stride=4, padding="same"),
        ),
        plane: (
            lambda: plane(2),
            lambda: plane((2, 3), stride=1, padding=(1, 0)),
            lambda: plane(4, stride=(2, 3), padding="same"),
        ),
    }
    return [
        Description(
            kind,
            words=words,
            samples=samples[kind],
            onnx=onnx,
            onnx_nodes={op: _reader(*kinds)} if kind is plane else {},  # it reads both
            onnx_formulas=formulas if kind is plane else (),
            numpy=numpy,
            c=c,
            torch=_torch,
            keras=_keras,
        )
        for kind in kinds
    ]


def _global_onnx(op: str) -> Any:
    def write(layer: GlobalPooling, x: str, graph: Graph) -> str:
        y = graph.node(op, channels_first(x, layer.axes, graph))
        return graph.node("Reshape", y, graph.constant([-1, (graph.shape or ())[-1]], name="shape"))

    return write


def _exact_mean(layer: GlobalPooling, x: str, graph: Graph) -> str:
    shape = graph.shape or ()
    sums = graph.node("Einsum", x, equation="nrsc->nc" if layer.axes == 2 else "nsc->nc")
    return graph.node("Div", sums, graph.constant(float(math.prod(shape[:-1])), name="count"))


def _exact_max(layer: GlobalPooling, x: str, graph: Graph) -> str:
    shape = graph.shape or ()
    y = graph.node("MaxPool", channels_first(x, layer.axes, graph), kernel_shape=list(shape[:-1]))
    return graph.node("Reshape", y, graph.constant([-1, shape[-1]], name="shape"))


def _mean_onnx(layer: GlobalAveragePool, x: str, graph: Graph) -> str:
    if layer.padding is None:
        return float32_only(_global_onnx("GlobalAveragePool"), _exact_mean)(layer, x, graph)
    time, features = graph.shape or (0, 0)
    real = write_real(x, (features,), time, layer.padding, graph)
    sums = graph.node("Einsum", write_filled(real, x, time, 0.0, graph), equation="nsc->nc")
    ones = graph.constant(np.ones((time, 1)), name="ones")
    count = graph.node("MatMul", graph.cast(real, graph.dtype), ones)
    return graph.node("Div", sums, graph.node("Max", count, graph.constant(1.0, name="least")))


_FILLED: Pattern = ("Where", ("Reshape", "real()", "real_shape[]"), "x", "padding")
_COUNT: Pattern = ("Max", ("MatMul", ("Cast", "real()"), "ones[]"), 1.0)
_REAL_MEAN: Pattern = ("Div", ("Einsum", _FILLED), _COUNT)


def _read_real_mean(found: Found) -> GlobalAveragePool:
    padding = padding_of(found["real"], found["x"])
    said = equation_of(found) == "nsc->nc" and found["padding"] == 0 and (found["ones"] == 1).all()
    if padding is None or not said:
        raise found.refused("the mean of other things than the steps that are no padding")
    return GlobalAveragePool(1, padding=padding)


_MEAN: Pattern = [("Div", ("Einsum", "x"), "count"), ("Einsum", "x")]


def _read_sums(found: Found) -> Layer:
    shape = found.shape or ()
    said = {"nrsc->nc": 2, "nsc->nc": 1}.get(equation_of(found), 0)
    if len(shape) != said + 1 or math.prod(shape[:-1]) != found.get("count", 1.0):
        raise found.refused(f"Einsum as {equation_of(found)} of samples of shape {shape}")
    return GlobalAveragePool(said)


def _global_reader(kind: type[GlobalPooling]) -> OnnxReader:
    """Read what is made of all places of channels-first samples; each stays an axis of length 1."""

    def read(found: Found) -> list[Layer]:
        return _pooled(found, kind, keep=True)

    return read


def _pooled(found: Found, kind: type[GlobalPooling], *, keep: bool) -> list[Layer]:
    axes, channels = len(lengths_of(found)), (found.shape or ())[0]
    layers = between(axes, kind(axes))[:-1]
    return [*layers, Reshape((channels,), (channels, *(1,) * axes))] if keep else layers


_REDUCED: Pattern = [("ReduceMean", "x", "axes[]"), ("ReduceMean", "x")]


def _read_mean(found: Found) -> list[Layer]:
    """Read a mean over all axes of a sample but one, the first of all or the last."""
    given = found["axes"].reshape(-1).tolist() if "axes" in found else found.attributes.get("axes", ())
    rank = 1 + len(found.shape or ())
    axes = sorted(int(axis) % rank for axis in given) if rank > 1 else []
    keep = bool(found.attributes.get("keepdims", 1))
    if rank > 2 and axes == list(range(2, rank)):
        return _pooled(found, GlobalAveragePool, keep=keep)
    if rank in (3, 4) and axes == list(range(1, rank - 1)) and not keep:
        return [GlobalAveragePool(rank - 2)]
    raise found.refused(f"ReduceMean along axes {tuple(given)} of samples of shape {found.shape}")


def _over_all(what: str, layer: GlobalPooling) -> list[str]:
    return [f"x = x.{what}(axis={1 if layer.axes == 1 else (1, 2)})"]


def _mean_numpy(layer: GlobalAveragePool, source: Any) -> list[str]:
    if layer.padding is None:
        return _over_all("mean", layer)
    return [
        *real_numpy("x", layer.padding),
        f"x = np.where(real[..., None], x, np.{source.dtype}(0)).sum(axis=1)",
        "x = x / np.maximum(real.sum(axis=1, keepdims=True), 1).astype(x.dtype)",
    ]


def _global_mean_c(layer: GlobalAveragePool, source: Any) -> list[str]:
    x, y, channels = source.x, source.into(), source.shape[-1]
    count: int | str = math.prod(source.shape[:-1])
    divisor, end = source.number(float(count)), []
    if layer.padding is not None:
        end = end_c(layer.padding, math.prod(source.shape), channels, source)
        count, divisor = "end", f"({source.real})(end > 1 ? end : 1)"
    lines = [
        *end,
        *loop("c", channels, f"{y}[c] = {source.number(0.0)};"),
        *loop("r", count, *loop("c", channels, f"{y}[c] += {x}[r * {channels} + c];")),
        *loop("c", channels, f"{y}[c] /= {divisor};"),
    ]
    return ["{", *(f"    {line}" for line in lines), "}"] if end else lines


def _global_max_c(_layer: GlobalPooling, source: Any) -> list[str]:
    x, y, channels = source.x, source.into(), source.shape[-1]
    value = f"{x}[r * {channels} + c]"
    return [
        *loop("c", channels, f"{y}[c] = -INFINITY;"),
        *loop(
            "r",
            math.prod(source.shape[:-1]),
            *loop("c", channels, f"if ({value} > {y}[c] || {value} != {value}) {y}[c] = {value};"),
        ),
    ]


def _mean_torch(layer: GlobalAveragePool) -> str | None:
    if layer.padding is not None:
        return None
    return f"t.Sequential(t.AdaptiveAvgPool{layer.axes}d(1), t.Flatten())"


def _mean_keras(layer: GlobalAveragePool) -> str | None:
    if layer.padding is not None:
        return None  # there it is a mask that goes beside the numbers
    return f"k.GlobalAveragePooling{layer.axes}D()"


DESCRIPTIONS = [
    *_description(
        (MaxPool1D, MaxPool2D),
        "MaxPool",
        "the largest number of each window",
        _max_numpy,
        _max_c,
        _onnx("MaxPool"),
    ),
    *_description(
        (AveragePool1D, AveragePool2D),
        "AveragePool",
        "the mean of each window",
        _average_numpy,
        _average_c,
        float32_only(_onnx("AveragePool"), _exact_average),
        ((_MEANS, _read_means),),
    ),
    Description(
        GlobalAveragePool,
        words="the mean of each channel",
        samples=(
            lambda: GlobalAveragePool(),
            lambda: GlobalAveragePool(1),
            lambda: GlobalAveragePool(1, padding=0.0),
            lambda: GlobalAveragePool(1, padding=-1.0),
        ),
        onnx=_mean_onnx,
        onnx_nodes={"GlobalAveragePool": _global_reader(GlobalAveragePool)},
        onnx_formulas=((_REDUCED, _read_mean), (_REAL_MEAN, _read_real_mean), (_MEAN, _read_sums)),
        numpy=_mean_numpy,
        c=_global_mean_c,
        torch=_mean_torch,
        keras=_mean_keras,
    ),
    Description(
        GlobalMaxPool,
        words="the largest number of each channel",
        samples=(lambda: GlobalMaxPool(), lambda: GlobalMaxPool(1)),
        onnx=float32_only(_global_onnx("GlobalMaxPool"), _exact_max),
        onnx_nodes={"GlobalMaxPool": _global_reader(GlobalMaxPool)},
        numpy=lambda layer, _: _over_all("max", layer),
        c=_global_max_c,
        torch=lambda one: f"t.Sequential(t.AdaptiveMaxPool{one.axes}d(1), t.Flatten())",
        keras=lambda one: f"k.GlobalMaxPooling{one.axes}D()",
    ),
]
