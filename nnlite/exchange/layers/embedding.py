"""Embeddings of categories and of tokens, elsewhere."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from nnlite.core.aliases import AnyArray
from nnlite.exchange.description import Description, Layout, loop, renamed
from nnlite.exchange.onnx.found import Found
from nnlite.exchange.onnx.graph import Graph
from nnlite.exchange.onnx.patterns import Pattern
from nnlite.layers import Embedding, TokenEmbedding

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
    rows = graph.node("Add", graph.cast(ids, np.int64), graph.constant(_first_rows(layer), name="offsets"))
    found = _looked_up(ids, rows, np.subtract(layer.categories, 1.0), layer.W, graph)
    found = graph.node("Reshape", found, graph.constant([-1, columns * layer.features], name="shape"))
    if not layer.numeric:
        return found
    numbers = graph.node("Slice", x, graph.constant([0], name="start"), width, axis)
    return graph.node("Concat", numbers, found, axis=1)


def _looked_up(ids: str, rows: str, last: ArrayLike, W: AnyArray, graph: Graph) -> str:
    """Write what looks up rows of `W`, if the ids are from 0 to `last`."""
    # An id that is none must not reach the rows of another column: it becomes a row that is not there,
    # which Gather refuses.
    low = graph.node("GreaterOrEqual", ids, graph.constant(0.0, name="first"))
    high = graph.node("LessOrEqual", ids, graph.constant(last, name="last"))
    fits = graph.node("And", low, high)
    rows = graph.node("Where", fits, rows, graph.constant(len(W), name="no_row"))
    return graph.node("Gather", graph.constant(W, name="W"), rows, axis=0)


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


# Tokens.


def _rows_of(layer: TokenEmbedding) -> AnyArray:
    """Return the rows of all tokens: that for padding counts as 0, whatever stands there."""
    W: AnyArray = layer.W.copy()
    if layer.padding is not None:
        W[layer.padding] = 0
    return W


def _tokens_onnx(layer: TokenEmbedding, x: str, graph: Graph) -> str:
    ids = graph.node("Round", x)
    return _looked_up(ids, graph.cast(ids, np.int64), layer.tokens - 1.0, _rows_of(layer), graph)


_IDS: Pattern = ("Round", "x")
_FITS: Pattern = ("And", ("GreaterOrEqual", _IDS, "first"), ("LessOrEqual", _IDS, "last"))
_TOKENS: Pattern = [
    ("Gather", "W[]", ("Where", _FITS, ("Cast", _IDS), "no_row")),
    ("Gather", "W[]", ("Cast", "x")),
    ("Gather", "W[]", "x"),
]


def _read_tokens(found: Found) -> tuple[TokenEmbedding, dict[str, AnyArray]]:
    W = found["W"]
    last = found.get("last", len(W) - 1)
    if W.ndim != 2 or found.attributes.get("axis", 0) or found.get("first", 0) != 0 or last != len(W) - 1:
        raise found.refused("Gather of other things than a row for each id")
    if found.shape is not None and len(found.shape) != 1:
        raise found.refused(f"Gather by ids of shape {found.shape}")
    empty = np.flatnonzero(~W.any(axis=1))
    # A row of nothing but 0 is one that learns nothing, if there is no other.
    layer = TokenEmbedding(*W.shape, padding=int(empty[0]) if len(empty) == 1 else None)
    return layer, {"W": found.finite(W)}


def _tokens_numpy(layer: TokenEmbedding, source: Any) -> list[str]:
    return [
        "ids = np.rint(x)",
        f"if not ((ids >= 0) & (ids < {layer.tokens})).all():",
        f'    raise ValueError("expected ids of at least 0 and below {layer.tokens}")',
        f"x = {source.constant('W', _rows_of(layer))}[ids.astype(int)]",
    ]


def _tokens_c(layer: TokenEmbedding, source: Any) -> list[str]:
    x, y = source.x, source.into()
    W = source.constant("W", _rows_of(layer))
    return loop(
        "t",
        source.inputs,
        f"const {source.real} id = {source.call('rint')}({x}[t]);",
        f"if (!(id >= 0 && id < {layer.tokens})) {{  /* no such id: no answer */",
        *(f"    {line}" for line in loop("k", source.macro("OUTPUTS"), "y[k] = NAN;")),
        "    return;",
        "}",
        *loop("j", layer.features, f"{y}[t * {layer.features} + j] = {W}[(long)id][j];"),
    )


def _padding_is_0(layer: TokenEmbedding, numbers: dict[str, AnyArray]) -> dict[str, AnyArray]:
    if layer.padding is None:
        return numbers
    W = numbers["W"].copy()
    W[layer.padding] = 0
    return numbers | {"W": W}


def _tokens_torch(layer: TokenEmbedding) -> str:
    padding = "" if layer.padding is None else f", padding_idx={layer.padding}"
    return f"t.Embedding({layer.tokens}, {layer.features}{padding})"


_WEIGHT = renamed({"W": "weight"})

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
        torch_layout=_WEIGHT,
    ),
    Description(
        TokenEmbedding,
        words="a learned row of numbers in the place of each token",
        samples=(lambda: TokenEmbedding(5, 3), lambda: TokenEmbedding(7, 2, padding=0)),
        onnx=_tokens_onnx,
        onnx_formulas=((_TOKENS, _read_tokens),),
        numpy=_tokens_numpy,
        c=_tokens_c,
        torch=_tokens_torch,
        keras=lambda one: f"k.Embedding({one.tokens}, {one.features})",
        torch_layout=Layout(
            lambda one, numbers: _WEIGHT.there(one, _padding_is_0(one, numbers)),
            lambda one, theirs: _padding_is_0(one, _WEIGHT.back(one, theirs)),
        ),
        keras_layout=Layout(_padding_is_0, _padding_is_0),
    ),
]
