"""What an estimator makes of the outputs of its net, as nodes of ONNX."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlite.errors import ArgumentError
from nnlite.exchange.onnx.graph import Graph
from nnlite.exchange.whole import Ending

__all__ = ["write_ending"]


def write_ending(ending: Ending, x: str, graph: Graph) -> list[str]:
    """Add the nodes that make predictions of raw outputs.

    Parameters
    ----------
    ending : Ending
        What is to be made.
    x : str
        The name of the raw outputs.
    graph : Graph
        What they are added to.

    Returns
    -------
    list of str
        The names of the results, in the order of ``ending.names``.
    """
    if ending.temperature != 1:
        x = graph.node("Div", x, graph.constant(ending.temperature, name="temperature"))
    if ending.classes is None:
        return [_numbers(ending, x, graph)]
    if ending.both:
        x = graph.node("Concat", graph.node("Neg", x), x, axis=1)
    if ending.activation == "softmax":
        x = graph.node("Softmax", x, axis=-1)
    elif ending.activation == "logistic":
        x = graph.node("Sigmoid", x)
    if ending.several:
        there = graph.node("Greater", x, graph.constant(ending.threshold, name="threshold"))
        return [graph.cast(there, np.int64), x]
    place = graph.node("ArgMax", x, axis=1, keepdims=0)
    return [graph.node("Gather", _labels(ending.classes, graph), place, axis=0), x]


def _labels(classes: Any, graph: Graph) -> str:
    kind = classes.dtype.kind
    if kind in "OU":
        return graph.constant(list(map(str, classes)), name="labels", dtype=object)
    if kind == "u" and classes.max() > np.iinfo(np.int64).max:
        fix = "Fit it on words, or on smaller numbers."
        raise ArgumentError("nnlite.onnx.export: labels", "numbers that int64 holds", f"{classes.max()}", fix)
    return graph.constant(classes, name="labels", dtype=np.int64 if kind in "iu" else classes.dtype)


def _numbers(ending: Ending, x: str, graph: Graph) -> str:
    """Make predictions of a regressor; in float64 where they are brought back to the units of the targets."""
    if ending.activation == "exp":
        x = graph.node("Exp", x)
    x = graph.node("Gather", x, graph.constant(list(range(ending.outputs)), name="outputs"), axis=1)
    if ending.mean is None or ending.scale is None:
        return x
    scale, mean = (
        graph.constant(array, name=name, dtype=np.float64)
        for name, array in (("target_scale", ending.scale), ("target_mean", ending.mean))
    )
    return graph.node("Add", graph.node("Mul", graph.cast(x, np.float64), scale), mean)
