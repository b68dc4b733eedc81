"""What each layer of nnlite becomes: a function that adds its nodes to a graph, for each class."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

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
from nnlite.onnx.graph import Graph

__all__ = ["WRITERS", "Writer"]

#: Takes a layer, the name of its input and the graph; returns the name of its output.
Writer: TypeAlias = Callable[[Any, str, Graph], str]

#: What is inside the tanh of GELU: ``TANH_SCALE * (x + CUBIC * x**3)``.
TANH_SCALE = math.sqrt(2 / math.pi)
CUBIC = 0.044715


def _same(op: str, **attributes: Any) -> Writer:
    """Make the function for a layer that one node without arguments of the layer does."""
    return lambda _layer, x, graph: graph.node(op, x, **attributes)


def _dense(layer: Dense, x: str, graph: Graph) -> str:
    numbers = [graph.constant(getattr(layer, name), name=name) for name in layer.parameter_names]
    return graph.node("Gemm", x, *numbers)


def _standardize(layer: Standardize, x: str, graph: Graph) -> str:
    centred = graph.node("Sub", x, graph.constant(layer.mean, name="mean"))
    return graph.node("Div", centred, graph.constant(layer.scale, name="scale"))


def _flatten(layer: Flatten, x: str, graph: Graph) -> str:
    return graph.node("Reshape", x, graph.constant([-1, math.prod(layer.shape)], name="shape"))


def _embedding(layer: Embedding, x: str, graph: Graph) -> str:
    if not layer.categories:
        return x
    columns = len(layer.categories)
    width = graph.constant([layer.numeric], name="numeric")
    end = graph.constant([layer.numeric + columns], name="columns")
    axis = graph.constant([1], name="axis")
    ids = graph.node("Round", graph.node("Slice", x, width, end, axis))
    # An id that is none must not reach the rows of another column: it becomes a row that is not there,
    # which Gather refuses.
    low = graph.node("GreaterOrEqual", ids, graph.constant(0.0, name="first"))
    high = graph.node("LessOrEqual", ids, graph.constant(np.subtract(layer.categories, 1.0), name="last"))
    offsets = np.cumsum((0, *layer.categories))
    rows = graph.node("Add", graph.cast(ids, np.int64), graph.constant(offsets[:-1], name="offsets"))
    fits = graph.node("And", low, high)
    rows = graph.node("Where", fits, rows, graph.constant(offsets[-1], name="no_row"))
    found = graph.node("Gather", graph.constant(layer.W, name="W"), rows, axis=0)
    found = graph.node("Reshape", found, graph.constant([-1, columns * layer.features], name="shape"))
    if not layer.numeric:
        return found
    numbers = graph.node("Slice", x, graph.constant([0], name="start"), width, axis)
    return graph.node("Concat", numbers, found, axis=1)


def _leaky_relu(layer: LeakyReLU, x: str, graph: Graph) -> str:
    if graph.dtype == np.float32:
        return graph.node("LeakyRelu", x, alpha=layer.negative_slope)
    quiet = graph.node("Mul", x, graph.constant(layer.negative_slope))
    return graph.node("Where", _is_positive(x, graph), x, quiet)


def _elu(layer: ELU, x: str, graph: Graph) -> str:
    if graph.dtype == np.float32:
        return graph.node("Elu", x, alpha=layer.alpha)
    growth = graph.node("Exp", graph.node("Min", x, graph.constant(0.0)))
    floor = graph.node("Mul", graph.node("Sub", growth, graph.constant(1.0)), graph.constant(layer.alpha))
    return graph.node("Where", _is_positive(x, graph), x, floor)


def _softplus(_layer: Softplus, x: str, graph: Graph) -> str:
    if graph.dtype == np.float32:
        return graph.node("Softplus", x)
    decay = graph.node("Exp", graph.node("Neg", graph.node("Abs", x)))  # nothing overflows
    corner = graph.node("Log", graph.node("Add", decay, graph.constant(1.0)))
    return graph.node("Add", graph.node("Max", x, graph.constant(0.0)), corner)


def _gelu(layer: GELU, x: str, graph: Graph) -> str:
    if layer.approximate:
        cubic = graph.node("Mul", graph.node("Pow", x, graph.constant(3.0)), graph.constant(CUBIC))
        inner = graph.node("Mul", graph.node("Add", x, cubic), graph.constant(TANH_SCALE))
        curve = graph.node("Tanh", inner)
    else:
        curve = _erf(graph.node("Mul", x, graph.constant(math.sqrt(0.5))), graph)
    gate = graph.node("Mul", graph.node("Add", curve, graph.constant(1.0)), graph.constant(0.5))
    return graph.node("Mul", x, gate)


def _erf(x: str, graph: Graph) -> str:
    if graph.dtype == np.float32:
        return graph.node("Erf", x)
    return graph.cast(graph.node("Erf", graph.cast(x, np.float32)), np.float64)


def _silu(_layer: SiLU, x: str, graph: Graph) -> str:
    return graph.node("Mul", x, graph.node("Sigmoid", x))


def _step(_layer: Step, x: str, graph: Graph) -> str:
    return graph.cast(_is_positive(x, graph), graph.dtype)


def _is_positive(x: str, graph: Graph) -> str:
    return graph.node("Greater", x, graph.constant(0.0))


def _nothing(_layer: Layer, x: str, _graph: Graph) -> str:
    return x


#: For each layer of nnlite the function that writes it.
WRITERS: dict[type[Layer], Writer] = {
    Dense: _dense,
    Dropout: _nothing,
    ELU: _elu,
    Embedding: _embedding,
    Flatten: _flatten,
    GELU: _gelu,
    LeakyReLU: _leaky_relu,
    LogSoftmax: _same("LogSoftmax", axis=-1),
    ReLU: _same("Relu"),
    SiLU: _silu,
    Sigmoid: _same("Sigmoid"),
    Softmax: _same("Softmax", axis=-1),
    Softplus: _softplus,
    Standardize: _standardize,
    Step: _step,
    Tanh: _same("Tanh"),
}
