"""Each layer as lines of NumPy, which make of the array ``x`` the next ``x``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from nnlite.export.source import Writer
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

if TYPE_CHECKING:
    from nnlite.export.numpy_source import NumpySource

__all__ = ["HELPERS", "WRITERS"]

#: Functions that some layers need: what goes into the source, by name.
HELPERS = {
    "sigmoid": '''\
def sigmoid(x):
    """Squash numbers into (0, 1): 1 / (1 + exp(-x)), written so that exp never overflows."""
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)
''',
    "chance_below": '''\
def chance_below(x):
    """Return the chance that a standard normal number is below x."""
    chance = np.vectorize(lambda number: 0.5 * math.erfc(-number * math.sqrt(0.5)), otypes=[float])
    return chance(x).astype(x.dtype)
''',
}


def _same(*lines: str) -> Writer:
    """Make the function for a layer without arguments."""
    return lambda _layer, _source: list(lines)


def _dense(layer: Dense, source: NumpySource) -> list[str]:
    product = f"x @ {source.constant('W', layer.W)}"
    return [f"x = {product} + {source.constant('b', layer.b)}" if layer.bias else f"x = {product}"]


def _standardize(layer: Standardize, source: NumpySource) -> list[str]:
    mean, scale = source.constant("mean", layer.mean, layer.mean.dtype), source.constant("scale", layer.scale)
    y = f"(x - {mean}) / {scale}"
    return [f"x = {y}" if source.dtype == np.float64 else f"x = ({y}).astype(np.{source.dtype})"]


def _embedding(layer: Embedding, source: NumpySource) -> list[str]:
    if not layer.categories:
        return []
    counts = list(layer.categories)
    first = [sum(counts[:column]) for column in range(len(counts))]
    W = source.constant("W", layer.W)
    ids = "x" if not layer.numeric else f"x[:, {layer.numeric}:]"
    rows = f"{W}[ids.astype(int) + {first}].reshape(len(x), {len(counts) * layer.features})"
    return [
        f"ids = np.rint({ids})",
        f"if not ((ids >= 0) & (ids < {counts})).all():",
        f'    raise ValueError("expected ids of at least 0 and below {counts}")',
        f"x = np.concatenate([x[:, :{layer.numeric}], {rows}], axis=1)" if layer.numeric else f"x = {rows}",
    ]


def _flatten(layer: Flatten, _source: NumpySource) -> list[str]:
    return [f"x = x.reshape(len(x), {math.prod(layer.shape)})"]


def _leaky_relu(layer: LeakyReLU, _source: NumpySource) -> list[str]:
    return [f"x = np.where(x > 0, x, x * {layer.negative_slope!r})"]


def _elu(layer: ELU, _source: NumpySource) -> list[str]:
    return [f"x = np.where(x > 0, x, np.expm1(np.minimum(x, 0)) * {layer.alpha!r})"]


def _gelu(layer: GELU, source: NumpySource) -> list[str]:
    if layer.approximate:
        inner = f"{math.sqrt(2 / math.pi)!r} * (x + 0.044715 * x * x * x)"
        return [f"x = x * (0.5 * (1 + np.tanh({inner})))"]
    return [f"x = x * {source.helper('chance_below')}(x)"]


def _silu(_layer: SiLU, source: NumpySource) -> list[str]:
    return [f"x = x * {source.helper('sigmoid')}(x)"]


def _sigmoid(_layer: Sigmoid, source: NumpySource) -> list[str]:
    return [f"x = {source.helper('sigmoid')}(x)"]


_FROM_TOP = "x = x - x.max(axis=-1, keepdims=True)  # the same result, and exp does not overflow"

#: For each layer of nnlite the function that writes it.
WRITERS: dict[type[Layer], Any] = {
    Dense: _dense,
    Dropout: _same(),
    ELU: _elu,
    Embedding: _embedding,
    Flatten: _flatten,
    GELU: _gelu,
    LeakyReLU: _leaky_relu,
    LogSoftmax: _same(_FROM_TOP, "x = x - np.log(np.exp(x).sum(axis=-1, keepdims=True))"),
    ReLU: _same("x = np.maximum(x, 0)"),
    SiLU: _silu,
    Sigmoid: _sigmoid,
    Softmax: _same(_FROM_TOP, "x = np.exp(x)", "x = x / x.sum(axis=-1, keepdims=True)"),
    Softplus: _same("x = np.logaddexp(x, 0)"),
    Standardize: _standardize,
    Step: _same("x = (x > 0).astype(x.dtype)"),
    Tanh: _same("x = np.tanh(x)"),
}
