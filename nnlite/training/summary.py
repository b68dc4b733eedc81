"""A table of what a model is made of: layer, output shape, parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from nnlite.errors.layers import sizes_of

__all__ = ["LayerSummary", "Summary"]


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
        for index, layer in enumerate(self.layers):
            sizes = "any" if layer.output_shape is None else sizes_of(layer.output_shape)
            count = f"{layer.parameters:,}" if layer.parameters else "-"
            if layer.frozen:
                count += f" ({layer.frozen:,} frozen)"
            if layer.kept:
                count += f" + {layer.kept:,} kept" if layer.parameters else f" {layer.kept:,} kept"
            place = f"{index}" if layer.place is None else layer.place
            # What a browser does not join to one space, as it does others.
            indent = "\N{NO-BREAK SPACE}" * 3 * place.count(".")
            cells.append((f"{indent}{place}  {layer.name}", f"(batch, {sizes})", count))
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
