"""Layers that say or change the shape of a sample, elsewhere."""

from __future__ import annotations

import math
from typing import Any

from nnlite.exchange.description import Description, formula, lines, loop
from nnlite.exchange.onnx.found import Found
from nnlite.exchange.onnx.patterns import Pattern
from nnlite.layers import Flatten, Input, Permute, Reshape

__all__ = ["DESCRIPTIONS"]

_RESHAPE: Pattern = ("Reshape", "x", "shape[]")


def _read_flatten(found: Found) -> Flatten | None:
    if found.attributes.get("axis", 1) != 1:
        raise found.refused(f"Flatten from axis {found.attributes['axis']}")
    return _flat(found)


def _read_reshape(found: Found) -> Flatten | Reshape | None:
    """Read what reshapes each sample: the rows are left as they are, and at most one other size is open."""
    flat, shape = _flat(found), found.shape or ()
    target = tuple(found["shape"].reshape(-1).tolist())
    as_it_is = bool(found.attributes.get("allowzero", 0))
    rows, *into = target or (0,)
    if not as_it_is:
        into = [shape[place] if size == 0 and place < len(shape) else size for place, size in enumerate(into)]
    if into.count(-1) == 1 and rows != -1:
        known = math.prod(size for size in into if size != -1)
        into = [math.prod(shape) // known if size == -1 and known > 0 else size for size in into]
    rows_kept = rows in ({-1, found.parsed.rows} if as_it_is else {-1, 0, found.parsed.rows})
    if not (rows_kept and into and min(into) > 0 and math.prod(into) == math.prod(shape)):
        raise found.refused(f"Reshape of samples of shape {shape} to {target[:10]}")
    return flat if len(into) == 1 else Reshape(shape, tuple(into))


def _read_transpose(found: Found) -> Permute:
    order = tuple(found.attributes.get("perm", ()))
    if not order or order[0] != 0:
        raise found.refused("Transpose of the rows with other axes")
    return Permute(tuple(axis - 1 for axis in order[1:]))


def _flat(found: Found) -> Flatten | None:
    """Return what makes a row of each sample; None if it is one."""
    if found.shape is None:
        fix = "Give the input of the graph a fixed shape."
        raise found.wrong("a known shape of a sample", "an open one", fix)
    return Flatten(found.shape) if len(found.shape) > 1 else None


def _permute_c(layer: Permute, source: Any) -> list[str]:
    shape, x, y = source.shape, source.x, source.into()
    strides = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
    names = [f"i{place}" for place in range(len(shape))]
    behind = layer.output_shape(shape)
    to = " + ".join(f"{name} * {math.prod(behind[place + 1 :])}" for place, name in enumerate(names))
    of = " + ".join(f"{name} * {strides[axis]}" for name, axis in zip(names, layer.axes, strict=True))
    body = [f"{y}[{to}] = {x}[{of}];"]
    for name, size in zip(names[::-1], behind[::-1], strict=True):
        body = loop(name, size, *body)
    return body


DESCRIPTIONS = [
    Description(
        Input,
        words="what comes in, as it is",
        samples=(lambda: Input(4), lambda: Input((2, 3))),
        onnx=lambda _one, x, _graph: x,
        numpy=lines(),
        c=lines(),
        torch=lambda _: "t.Identity()",
        keras=lambda _: "k.Identity()",
    ),
    Description(
        Flatten,
        words="each sample as one row",
        samples=(lambda: Flatten((2, 2)), lambda: Flatten((4,)), lambda: Flatten((2, 3, 2))),
        onnx=formula(_RESHAPE, shape=lambda one: [-1, math.prod(one.shape)]),
        onnx_nodes={"Flatten": _read_flatten},
        onnx_formulas=((_RESHAPE, _read_reshape),),
        numpy=lambda one, _: [f"x = x.reshape(len(x), {math.prod(one.shape)})"],
        c=lines(),  # the numbers stand in this order already
        torch=lambda _: "t.Flatten()",
        keras=lambda _: "k.Flatten()",
    ),
    Description(
        Reshape,
        words="the same numbers in another shape",
        samples=(
            lambda: Reshape((4,), (2, 2, 1)),
            lambda: Reshape((2, 6), (3, 4)),
        ),
        onnx=formula(_RESHAPE, shape=lambda one: [-1, *one.into]),
        numpy=lambda one, _: [f"x = x.reshape(len(x), {', '.join(map(str, one.into))})"],
        c=lines(),
        keras=lambda one: f"k.Reshape({one.into})",
    ),
    Description(
        Permute,
        words="the axes of each sample in another order",
        samples=(lambda: Permute((1, 2, 0)), lambda: Permute((1, 0))),
        onnx=lambda one, x, graph: graph.node("Transpose", x, perm=[0, *(axis + 1 for axis in one.axes)]),
        onnx_nodes={"Transpose": _read_transpose},
        numpy=lambda one, _: [f"x = x.transpose(0, {', '.join(str(axis + 1) for axis in one.axes)})"],
        c=_permute_c,
        keras=lambda one: f"k.Permute({tuple(axis + 1 for axis in one.axes)})",
    ),
]
