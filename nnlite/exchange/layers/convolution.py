"""Convolutions, elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlite.core.aliases import AnyArray
from nnlite.exchange.description import Description, float32_only, loop, renamed
from nnlite.exchange.layers.windows import (
    GATHERED,
    between,
    channels_first,
    channels_last,
    einsum,
    equation_of,
    gathered,
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
from nnlite.exchange.onnx.windows import attributes_of
from nnlite.layers import Conv1D, Conv2D, Layer
from nnlite.layers.convolution import Convolution
from nnlite.layers.windows import both

__all__ = ["DESCRIPTIONS"]

#: Which of our axes of `W` stands in each place of PyTorch and ONNX: (out, in, window).
_ORDER = {1: (2, 1, 0), 2: (3, 2, 0, 1)}


def _onnx(layer: Convolution, x: str, graph: Graph) -> str:
    axes = layer.axes
    numbers = [graph.constant(layer.W.transpose(_ORDER[axes]), name="W")]
    if layer.bias:
        numbers.append(graph.constant(layer.b, name="b"))
    attributes = attributes_of(layer.windows, (graph.shape or ())[:-1])
    y = graph.node("Conv", channels_first(x, axes, graph), *numbers, group=layer.groups, **attributes)
    return channels_last(y, axes, graph)


def _exact_onnx(layer: Convolution, x: str, graph: Graph) -> str:
    axes, groups, W = layer.axes, layer.groups, layer.W
    x = gathered(layer, x, graph)
    if groups > 1:
        split = [0] * (2 * axes + 1) + [groups, layer.in_channels // groups]
        x = graph.node("Reshape", x, graph.constant(split, name="groups"))
        W = W.reshape(*W.shape[:-1], groups, -1)
    x = graph.node("Einsum", x, graph.constant(W, name="W"), equation=einsum(layer, groups=groups > 1))
    if groups > 1:
        x = graph.node("Reshape", x, graph.constant([0] * (axes + 1) + [layer.out_channels], name="joined"))
    return graph.node("Add", x, graph.constant(layer.b, name="b")) if layer.bias else x


_CONV: Pattern = [
    ("Conv", "x", "W[]", "b[]"),
    ("Conv", "x", "W[]"),
    ("Add", ("Transpose", ("Conv", "x", "W[]")), "b[]"),  # as Keras has it
]
_SUMS: list[Pattern] = [
    ("Reshape", ("Einsum", ("Reshape", GATHERED, "groups[]"), "W[]"), "joined[]"),
    ("Einsum", GATHERED, "W[]"),
]
_EXACT: Pattern = [("Add", _SUMS, "b[]"), *_SUMS]


def _read_onnx(found: Found) -> list[Any]:
    conv, W = found["nodes"][-1], found["W"]
    if W.ndim - 2 not in _ORDER or not W.size or W.dtype.kind != "f":
        raise found.wrong("weights of shape (out, in, window) of one axis or two", W)
    axes = W.ndim - 2
    size = W.shape[2] if axes == 1 else one_or_both(W.shape[2:])
    how = read_padding(found, W.shape[2:], conv.attributes, causal=axes == 1)
    groups = conv.attributes.get("group", 1)
    layers = between(axes, _made(found, W.transpose(np.argsort(_ORDER[axes])), groups, size, how))
    if conv is found.value:
        return layers
    order = tuple(found["nodes"][1].attributes.get("perm", ()))
    if order != (0, *range(2, axes + 2), 1):
        raise found.refused("Add of one number a column to what Conv gives")
    return layers[:-1]


def _read_exact(found: Found) -> tuple[Layer, dict[str, AnyArray]]:
    W, given = found["W"], found.get("groups")
    size, how = read_gathered(found, causal=True)
    layer, numbers = _made(
        found,
        W.reshape(*W.shape[:-2], -1) if given is not None else W,
        1 if given is None else W.shape[-2],
        size,
        how,
    )
    if equation_of(found) != einsum(layer, groups=given is not None):  # type: ignore[arg-type]
        raise found.refused(f"Einsum as {equation_of(found)}")
    return layer, numbers


def _made(
    found: Found, W: AnyArray, groups: int, size: Any, how: dict[str, Any]
) -> tuple[Layer, dict[str, AnyArray]]:
    kind: type[Conv1D | Conv2D] = Conv1D if W.ndim == 3 else Conv2D
    inner, out = W.shape[-2:]
    numbers = {"W": W}
    if "b" in found:
        b = found["b"]  # Keras has axes of length 1 in front
        numbers["b"] = found.vector(b.reshape(-1) if b.shape[-1:] == (b.size,) else b, out)
    return kind(inner * groups, out, size, groups=groups, bias="b" in found, **how), numbers


def _numpy(layer: Convolution, source: Any) -> list[str]:
    W, axes = source.constant("W", layer.W), layer.axes
    lines = padded(pad_of(layer, source.shape)) + seen(layer)
    if layer.groups == 1:
        window = list(range(axes + 1, 2 * axes + 2))
        lines.append(f"x = np.tensordot(x, {W}, axes=({window}, {[axes, *range(axes)]}))")
    else:
        groups, sums = source.name("groups"), "ntgci,icgo->ntgo" if axes == 1 else "nrsgcij,ijcgo->nrsgo"
        lines += [
            f"x = x.reshape(*x.shape[:{axes + 1}], {layer.groups}, -1, *x.shape[{axes + 2}:])",
            f"{groups} = {W}.reshape(*{W}.shape[:-1], {layer.groups}, -1)",
            f'x = np.einsum("{sums}", x, {groups}, optimize=True)',
            f"x = x.reshape(*x.shape[:{axes + 1}], {layer.out_channels})",
        ]
    return [*lines, f"x = x + {source.constant('b', layer.b)}"] if layer.bias else lines


def _c(layer: Convolution, source: Any) -> list[str]:
    out, inner = layer.out_channels, layer.in_channels // layer.groups
    W = source.constant("W", layer.W.reshape(*(1,) * (2 - layer.axes), *layer.W.shape))
    start = f"{source.constant('b', layer.b)}[o]" if layer.bias else source.number(0.0)
    # The channels of the group that the output is in.
    channel = "c" if layer.groups == 1 else f"o / {out // layer.groups} * {inner} + c"
    sums = loop("c", inner, *loop("o", out, f"q[o] += p[{channel}] * {W}[i][j][c][o];"))
    return places(layer, source, *sums, first=loop("o", out, f"q[o] = {start};"))


def _torch(layer: Convolution) -> str | None:
    if layer.padding == "causal" or (layer.padding == "same" and set(both(layer.stride, layer.axes)) != {1}):
        return None
    others = [
        f", {name}={getattr(layer, name)!r}"
        for name, default in [("stride", 1), ("padding", 0), ("dilation", 1), ("groups", 1), ("bias", True)]
        if getattr(layer, name) != default
    ]
    sizes = f"{layer.in_channels}, {layer.out_channels}, {layer.kernel_size}"
    return f"t.Conv{layer.axes}d({sizes}{''.join(others)})"


def _keras(layer: Convolution) -> str | None:
    if all(any(one > 1 for one in both(value, layer.axes)) for value in (layer.stride, layer.dilation)):
        return None  # it has no windows that do both
    others = [
        f", {theirs}={getattr(layer, name)!r}"
        for name, theirs, default in [
            ("stride", "strides", 1),
            ("dilation", "dilation_rate", 1),
            ("groups", "groups", 1),
            ("bias", "use_bias", True),
        ]
        if getattr(layer, name) != default
    ]
    words = f", padding={layer.padding!r}" if isinstance(layer.padding, str) else ""
    twin = f"k.Conv{layer.axes}D({layer.out_channels}, {layer.kernel_size}{words}{''.join(others)})"
    if words or layer.padding == 0:
        return twin
    return f"keras.Sequential([k.ZeroPadding{layer.axes}D({layer.padding}), {twin}])"


def _description(kind: type[Convolution], *samples: Any) -> Description:
    axes = kind.axes
    return Description(
        kind,
        words="weighted sums of the numbers in each window",
        samples=samples,
        onnx=float32_only(_onnx, _exact_onnx),
        onnx_formulas=((_CONV, _read_onnx), (_EXACT, _read_exact)) if axes == 2 else (),  # they read both
        numpy=_numpy,
        c=_c,
        torch=_torch,
        keras=_keras,
        torch_layout=renamed({"W": "weight", "b": "bias"}, {"W": _ORDER[axes]}),
    )


DESCRIPTIONS = [
    _description(
        Conv2D,
        lambda: Conv2D(2, 3, 3),
        lambda: Conv2D(1, 2, (2, 3), stride=2, padding=(1, 2), bias=False),
        lambda: Conv2D(2, 4, (3, 2), padding="same", stride=(2, 1), groups=2),
        lambda: Conv2D(2, 2, 3, padding=2, dilation=2),
    ),
    _description(
        Conv1D,
        lambda: Conv1D(2, 3, 3),
        lambda: Conv1D(2, 3, 2, padding="causal", dilation=2),
        lambda: Conv1D(2, 4, 3, padding="same", stride=2, groups=2),
    ),
]
