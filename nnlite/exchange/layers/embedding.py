"""Embedding, elsewhere."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import numpy as np

from nnlite.exchange.description import Description, loop, renamed
from nnlite.exchange.onnx.graph import Graph
from nnlite.layers import Embedding

__all__ = ["DESCRIPTIONS"]


def _first_rows(layer: Embedding) -> list[int]:
    """Return where the rows of each column begin."""
    return list(accumulate(layer.categories[:-1], initial=0))


def _onnx(layer: Embedding, x: str, graph: Graph) -> str:
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
    rows = graph.node("Add", graph.cast(ids, np.int64), graph.constant(_first_rows(layer), name="offsets"))
    fits = graph.node("And", low, high)
    rows = graph.node("Where", fits, rows, graph.constant(len(layer.W), name="no_row"))
    found = graph.node("Gather", graph.constant(layer.W, name="W"), rows, axis=0)
    found = graph.node("Reshape", found, graph.constant([-1, columns * layer.features], name="shape"))
    if not layer.numeric:
        return found
    numbers = graph.node("Slice", x, graph.constant([0], name="start"), width, axis)
    return graph.node("Concat", numbers, found, axis=1)


def _numpy(layer: Embedding, source: Any) -> list[str]:
    if not layer.categories:
        return []
    counts = list(layer.categories)
    W = source.constant("W", layer.W)
    ids = "x" if not layer.numeric else f"x[:, {layer.numeric}:]"
    rows = f"{W}[ids.astype(int) + {_first_rows(layer)}].reshape(len(x), {len(counts) * layer.features})"
    return [
        f"ids = np.rint({ids})",
        f"if not ((ids >= 0) & (ids < {counts})).all():",
        f'    raise ValueError("expected ids of at least 0 and below {counts}")',
        f"x = np.concatenate([x[:, :{layer.numeric}], {rows}], axis=1)" if layer.numeric else f"x = {rows}",
    ]


def _c(layer: Embedding, source: Any) -> list[str]:
    if not layer.categories:
        return []
    x, y = source.x, source.into()
    W = source.constant("W", layer.W)
    counts = source.constant("count", layer.categories, integers=True)
    first = source.constant("first", _first_rows(layer), integers=True)
    place = f"{layer.numeric} + c" if layer.numeric else "c"
    start = f"{layer.numeric} + c * {layer.features}" if layer.numeric else f"c * {layer.features}"
    each_column = [
        f"const {source.real} id = {source.call('rint')}({x}[{place}]);",
        f"if (!(id >= 0 && id < ({source.real}){counts}[c])) {{  /* no such id: no answer */",
        *(f"    {line}" for line in loop("k", source.macro("OUTPUTS"), "y[k] = NAN;")),
        "    return;",
        "}",
        *loop("j", layer.features, f"{y}[{start} + j] = {W}[{first}[c] + (long)id][j];"),
    ]
    return [
        *(loop("i", layer.numeric, f"{y}[i] = {x}[i];") if layer.numeric else []),
        *loop("c", len(layer.categories), *each_column),
    ]


DESCRIPTIONS = [
    Description(
        Embedding,
        words="a learned row of numbers in the place of each id",
        samples=(
            lambda: Embedding(5, 3),
            lambda: Embedding((4, 1, 3), 1, numeric=2),
            lambda: Embedding([5, 3], 2, numeric=2),
            lambda: Embedding((), 1, numeric=4),
        ),
        onnx=_onnx,
        numpy=_numpy,
        c=_c,
        torch=lambda one: f"t.Embedding({sum(one.categories)}, {one.features})",
        keras=lambda one: f"k.Embedding({sum(one.categories)}, {one.features})",
        torch_layout=renamed({"W": "weight"}),
    )
]
