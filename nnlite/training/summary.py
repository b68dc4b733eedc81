"""A table of what a model is made of: layer, output shape, parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from nnlite.core.layer import Layer
from nnlite.errors.layers import sizes_of
from nnlite.layers.composition import Columns

__all__ = ["LayerSummary", "Summary", "shown"]


def shown(layer: Layer) -> str:
    """Write a layer in the table: without the layers inside, which have rows of their own.

    Parameters
    ----------
    layer : Layer
        Any.

    Returns
    -------
    str
        Of a choice by names only how many there are.

    Examples
    --------
    >>> from nnlite import Columns, Dense, ParameterGroup
    >>> shown(ParameterGroup([Dense(2, 1)], l2=0.1)), shown(Columns(["a"], of=["a", "b"]))
    ('ParameterGroup(l2=0.1)', "Columns(['a'], of=2 names)")
    """
    text, name = repr(layer), type(layer).__name__
    if isinstance(layer, Columns) and not isinstance(layer.of, int):
        return text.replace(f"of={layer.of!r}", f"of={len(layer.of)} names")
    if not layer.children:
        return text
    inside = f"{name}([{', '.join(map(repr, layer.children))}]"
    rest = text.removeprefix(inside).removeprefix(", ") if text.startswith(inside) else ")"
    return name if rest == ")" else f"{name}({rest}"


class LayerSummary(NamedTuple):
    """One row of the table.

    Attributes
    ----------
    name : str
        The layer, as it was written.
    output_shape : tuple of int or None
        Shape of one output sample; None if any input shape will do.
    parameters : int
        How many numbers it learns.
    frozen : int
        How many of them training leaves as they are.
    kept : int
        How many numbers it keeps and does not learn, such as running statistics.
    place : str or None
        Where it is, such as ``"1.0"`` for one inside of another; None for the number of the row.

    Examples
    --------
    >>> LayerSummary("Dense(2, 8)", (8,), 24, 0).parameters
    24
    """

    name: str
    output_shape: tuple[int, ...] | None
    parameters: int
    frozen: int
    kept: int = 0
    place: str | None = None


class Summary:
    """What ``model.summary()`` returns: a table in a terminal and in a notebook.

    Parameters
    ----------
    layers : sequence of LayerSummary
        The rows.
    dtype : str
        Name of the model's dtype.
    replicas : int or None
        How many nets are trained as one.

    Attributes
    ----------
    layers : tuple of LayerSummary
        The rows, as data.

    Examples
    --------
    >>> print(Summary([LayerSummary("Dense(2, 8)", (8,), 24, 0)], "float32", None))
    layer            output shape  parameters
    -----------------------------------------
    0  Dense(2, 8)   (batch, 8)            24
    -----------------------------------------
    24 parameters, float32
    """

    _HEAD = ("layer", "output shape", "parameters")

    def __init__(self, layers: Sequence[LayerSummary], dtype: str, replicas: int | None) -> None:
        self.layers = tuple(layers)
        self._dtype = dtype
        self._replicas = replicas

    def _cells(self) -> list[tuple[str, str, str]]:
        cells = []
        places = [f"{index}" if one.place is None else one.place for index, one in enumerate(self.layers)]
        widths: dict[str, int] = {}  # of the places in one holder, whose names begin in one line
        for place in places:
            holder = place.rpartition(".")[0]
            widths[holder] = max(widths.get(holder, 0), len(place))
        for place, layer in zip(places, self.layers, strict=True):
            sizes = "any" if layer.output_shape is None else sizes_of(layer.output_shape)
            count = f"{layer.parameters:,}" if layer.parameters else "-"
            if layer.frozen:
                count += f" ({layer.frozen:,} frozen)"
            if layer.kept:
                count += f" + {layer.kept:,} kept" if layer.parameters else f" {layer.kept:,} kept"
            wide = widths[place.rpartition(".")[0]]
            # What a browser does not join to one space, as it does others.
            indent = "\N{NO-BREAK SPACE}" * 3 * place.count(".")
            cells.append((f"{indent}{place:<{wide}}  {layer.name}", f"(batch, {sizes})", count))
        return cells

    def _foot(self) -> str:
        total = sum(layer.parameters for layer in self.layers)
        frozen = sum(layer.frozen for layer in self.layers)
        kept = sum(layer.kept for layer in self.layers)
        also = f" and {kept:,} numbers kept and not learned" if kept else ""
        text = f"{total:,} parameters{also}, {self._dtype}"
        if frozen:
            text += f", {frozen:,} of them frozen"
        if self._replicas is not None:
            text += f", in each of {self._replicas} replicas"
        return text

    def __str__(self) -> str:
        cells = [self._HEAD, *self._cells()]
        first, second, third = (max(map(len, column)) for column in zip(*cells, strict=True))
        lines = [f"{a:<{first}}   {b:<{second}}  {c:>{third}}" for a, b, c in cells]
        rule = "-" * len(lines[0])
        return "\n".join([lines[0], rule, *lines[1:], rule, self._foot()]).replace("\N{NO-BREAK SPACE}", " ")

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from html import escape

        head = "".join(f"<th>{name}</th>" for name in self._HEAD)
        rows = "".join(
            f"<tr><td>{escape(a)}</td><td>{escape(b)}</td><td style='text-align:right'>{escape(c)}</td></tr>"
            for a, b, c in self._cells()
        )
        return (
            f"<table><caption style='caption-side:bottom'>{escape(self._foot())}</caption>"
            f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        )
