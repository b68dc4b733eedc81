"""Layers that say or change the shape of a sample, elsewhere."""

from __future__ import annotations

import math

from nnlite.exchange.description import Description, formula, lines
from nnlite.exchange.onnx.found import Found
from nnlite.exchange.onnx.patterns import Pattern
from nnlite.layers import Flatten, Input

__all__ = ["DESCRIPTIONS"]

_RESHAPE: Pattern = ("Reshape", "x", "shape[]")


def _read_flatten(found: Found) -> Flatten | None:
    if found.attributes.get("axis", 1) != 1:
        raise found.refused(f"Flatten from axis {found.attributes['axis']}")
    return _flat(found)


def _read_reshape(found: Found) -> Flatten | None:
    flat, shape = _flat(found), found.shape or ()
    target = tuple(found["shape"].reshape(-1).tolist())
    rows = {-1, found.parsed.rows} if found.attributes.get("allowzero", 0) else {-1, 0, found.parsed.rows}
    features = {math.prod(shape), -1}
    if len(target) == 2 and target[0] in rows and target[1] in features and target != (-1, -1):
        return flat
    raise found.refused(f"Reshape of samples of shape {shape} to {target[:10]}")


def _flat(found: Found) -> Flatten | None:
    """Return what makes a row of each sample; None if it is one."""
    if found.shape is None:
        fix = "Give the input of the graph a fixed shape."
        raise found.wrong("a known shape of a sample", "an open one", fix)
    return Flatten(found.shape) if len(found.shape) > 1 else None


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
]
