"""What a `TableEncoder` becomes: an input for each column of the table, and the nodes that encode them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any, NamedTuple

import numpy as np

from nnlite.data.table import CategoricalColumn, NumericColumn, TableEncoder
from nnlite.errors import ArgumentError
from nnlite.exchange.onnx.graph import Graph
from nnlite.files.safetensors import short

__all__ = ["Column", "describe", "write"]

#: What stands for a missing category, unless it is a category itself.
MISSING_TEXT = ""
MISSING_INTEGER = int(np.iinfo(np.int64).min)


class Column(NamedTuple):
    """An input of the graph: one column of the table.

    Parameters
    ----------
    name : str
        Its name.
    type : {"float64", "int64", "string"}
        What it holds.
    missing : float, int, str or None
        What stands for a missing value; None if any other value does.
    """

    name: str
    type: str
    missing: float | int | str | None

    @property
    def text(self) -> str:
        """A sentence for the reader of the file."""
        if self.type == "float64":
            return "numbers; NaN where one is missing"
        kind = "text" if self.type == "string" else "whole numbers, or 0 and 1 for truth values"
        what = "any other" if self.missing is None else repr(self.missing)
        return f"categories, {kind}; {what} where one is missing"


def describe(encoder: TableEncoder, *, where: str) -> list[Column]:
    """Say what the graph takes for each column.

    Parameters
    ----------
    encoder : TableEncoder
        Fitted.
    where : str
        Names the function in messages.

    Returns
    -------
    list of Column
        In the order of the table.

    Raises
    ------
    ArgumentError
        If a column has categories of several types, numbers beyond int64, or text that is no Unicode.
    """
    return [_describe(column, where) for column in encoder.columns]


def _describe(column: NumericColumn | CategoricalColumn, where: str) -> Column:
    if not column.name:
        raise ArgumentError(where, "columns with names", "one called ''", "Rename it, and fit again.")
    _check_texts(column, where)
    if isinstance(column, NumericColumn):
        return Column(column.name, "float64", None)
    kinds = sorted({type(category).__name__ for category in column.categories})
    if len(kinds) > 1:
        raise ArgumentError(
            f"{where}: column {column.name!r}",
            "categories of one type, as an input of ONNX has",
            f"{' and '.join(kinds)}",
            "Make text of all of them, and fit again.",
        )
    kind = "string" if kinds in ([], ["str"]) else "int64"
    held = range(-(2**63), 2**63)
    outside = [one for one in column.categories if isinstance(one, int) and one not in held]
    if outside:
        raise ArgumentError(
            f"{where}: column {column.name!r}",
            "whole numbers that int64 holds",
            f"{outside[0]}",
            "Make text of them, and fit again.",
        )
    return Column(column.name, kind, _mark(column, kind) if column.missing else None)


def _check_texts(column: NumericColumn | CategoricalColumn, where: str) -> None:
    """Refuse halves of characters, which text in Python can hold and UTF-8 cannot."""
    for text in (column.name, *getattr(column, "categories", ())):
        try:
            str(text).encode()
        except UnicodeEncodeError:
            fix = "Rename it, and fit again."
            raise ArgumentError(where, "names and categories that UTF-8 can hold", short(text), fix) from None


def _mark(column: CategoricalColumn, kind: str) -> str | int:
    """Choose what stands for a missing category: the first that is none of the categories."""
    texts = (MISSING_TEXT + "?" * number for number in count())
    marks: Iterator[str | int] = count(MISSING_INTEGER) if kind == "int64" else texts
    return next(mark for mark in marks if mark not in column.categories)


def write(encoder: TableEncoder, columns: Sequence[Column], graph: Graph) -> str:
    """Add the nodes that do what ``transform`` does.

    Parameters
    ----------
    encoder : TableEncoder
        Fitted.
    columns : sequence of Column
        What `describe` gave. Their names are inputs of shape (batch,).
    graph : Graph
        What they are added to.

    Returns
    -------
    str
        The name of the encoded rows, of shape (batch, features) and of the dtype of the model.
    """
    axis = graph.constant([1], name="axis")
    parts = []
    numeric = [column for column in encoder.columns if isinstance(column, NumericColumn)]
    if numeric:
        parts += _numbers(numeric, axis, graph)
    ids = [
        graph.node("Unsqueeze", _ids(column, known, graph), axis)
        for column, known in zip(columns, encoder.columns, strict=True)
        if isinstance(known, CategoricalColumn)
    ]
    if ids:
        parts.append(graph.cast(_side_by_side(ids, graph), graph.dtype))
    return _side_by_side(parts, graph)


def _numbers(columns: Sequence[NumericColumn], axis: str, graph: Graph) -> list[str]:
    """Standardise all numbers, in float64 as the encoder does, and mark the missing ones."""
    table = _side_by_side([graph.node("Unsqueeze", column.name, axis) for column in columns], graph)
    missing = graph.node("IsNaN", table)

    def vector(name: str, values: Any) -> str:
        return graph.constant(values, name=name, dtype=np.float64)

    centred = graph.node("Sub", table, vector("mean", [column.mean for column in columns]))
    scaled = graph.node("Div", centred, vector("scale", [column.scale for column in columns]))
    known = graph.node("Where", missing, vector("zero", 0.0), scaled)
    parts = [graph.cast(known, graph.dtype)]
    marked = [place for place, column in enumerate(columns) if column.missing]
    if marked:
        chosen = graph.node("Gather", missing, graph.constant(marked, name="marked"), axis=1)
        parts.append(graph.cast(chosen, graph.dtype))
    return parts


def _ids(column: Column, known: CategoricalColumn, graph: Graph) -> str:
    """Look the ids of one column of categories up; what is not in the list is 0."""
    keys: list[Any] = list(map(str if column.type == "string" else int, known.categories))
    if column.missing is not None:
        keys.append(column.missing)
    if not keys:  # all were too rare, and an empty list is no list for LabelEncoder
        keys, values = [MISSING_TEXT], [0]
    else:
        values = list(range(1, len(keys) + 1))
    lists: dict[str, Any] = {"keys_strings" if column.type == "string" else "keys_int64s": keys}
    return graph.node(
        "LabelEncoder", column.name, domain="ai.onnx.ml", values_int64s=values, default_int64=0, **lists
    )


def _side_by_side(names: Sequence[str], graph: Graph) -> str:
    return names[0] if len(names) == 1 else graph.node("Concat", *names, axis=1)
