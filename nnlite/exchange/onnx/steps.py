"""Which steps of a padded sequence are real, as nodes of ONNX."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nnlite.exchange.onnx.graph import Graph
from nnlite.exchange.onnx.patterns import Pattern, Value, find, shortest

__all__ = ["FAR", "padding_of", "write_filled", "write_real"]

#: The score of what is not to be seen: where nothing else is, no NaN comes of it.
FAR = -1e30

_OTHER: Pattern = ("Cast", ("Not", ("Equal", "x", "padding")))
_COUNT: Pattern = ("MatMul", [("Reshape", _OTHER, "steps[]"), _OTHER], "ones[]")
#: As `write_real` writes it; a Reshape that changes nothing has been left out.
_REAL: Pattern = ("Greater", ("CumSum", [("Reshape", _COUNT, "times[]"), _COUNT], "axis"), 0.5)


def write_real(x: str, part: tuple[int, ...], time: int, padding: float, graph: Graph) -> str:
    """Write which steps are real: all up to the last one that is not all padding.

    Parameters
    ----------
    x : str
        The sequences, of shape (batch, time, *part).
    part : tuple of int
        Shape of a step.
    time : int
        How many steps there are.
    padding : float
        What a step that is none is full of.
    graph : Graph
        What is written to.

    Returns
    -------
    str
        The name of truth values of shape (batch, time).
    """
    size = math.prod(part)
    equal = graph.node("Equal", x, graph.constant(padding, name="padding"))
    other = graph.cast(graph.node("Not", equal), graph.dtype)
    # How many numbers from a step on are none: first of each step, then added up over those behind it.
    steps = graph.node("Reshape", other, graph.constant([-1, time, size], name="steps"))
    count = graph.node("MatMul", steps, graph.constant(np.ones((size, 1)), name="ones"))
    flat = graph.node("Reshape", count, graph.constant([-1, time], name="times"))
    left = graph.node("CumSum", flat, graph.constant(1, name="axis"), reverse=1)
    return graph.node("Greater", left, graph.constant(0.5, name="half"))


def write_filled(real: str, y: str, time: int, padding: float, graph: Graph) -> str:
    """Write that the steps which are not real come out as they went in: full of the padding."""
    there = graph.node("Reshape", real, graph.constant([-1, time, 1], name="real"))
    return graph.node("Where", there, y, graph.constant(padding, name="padding"))


def padding_of(real: Any, x: Value) -> float | None:
    """Return the padding, of a formula that says which steps of `x` are real; None of any other."""
    found = find(_REAL, real)
    if found is None or found["x"] is not x or not (found["ones"] == 1).all() or found["axis"] != 1:
        return None
    added = next(node.attributes for node in found["nodes"] if node.op == "CumSum")
    backwards = added.get("reverse", 0) == 1 and not added.get("exclusive", 0)
    return shortest(found["padding"]) if backwards else None
