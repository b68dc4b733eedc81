"""A `TableEncoder` as Python source: what it knows as plain data, and a function ``encode``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nnlite.data.table import CategoricalColumn, NumericColumn, TableEncoder
from nnlite.exchange.source.text import WIDTH, wrap

__all__ = ["write_encoder"]

_ENCODE = '''\
def encode(table):
    """Turn the columns of a table into rows of numbers.

    First the numbers of NUMBERS, standardised; then a column for each of MARKED, with 1 where the
    number is missing; then the ids of CATEGORIES. What is missing is None, NaN, or what a frame
    has for it.
    """
    table = {str(name): table[name] for name in getattr(table, "columns", table)}
    numbers, marks, ids = [], [], []
    for name, (mean, scale) in NUMBERS.items():
        values = np.array([np.nan if is_missing(cell) else float(cell) for cell in table[name]])
        missing = np.isnan(values)
        values = np.where(missing, 0.0, (values - mean) / scale)
        if np.isinf(values).any():
            raise ValueError(f"column {name!r}: expected finite numbers")
        numbers.append(values)
        if name in MARKED:
            marks.append(missing)
    for name, categories in CATEGORIES.items():
        id_of = {category(cell): number for number, cell in enumerate(categories, start=1)}
        id_of[None] = len(categories) + 1 if name in MISSING_IS_ONE else 0
        ids.append([id_of.get(category(cell), 0) for cell in table[name]])
    return np.column_stack([*numbers, *marks, *ids])


def is_missing(cell):
    """Tell whether a cell of a table is empty."""
    return cell is None or type(cell).__name__ in ("NAType", "NaTType") or bool(cell != cell)


def category(cell):
    """Return a category with its type, since Python takes 1 and True for equal; None if missing."""
    if is_missing(cell):
        return None
    if isinstance(cell, str):
        return str, str(cell)
    if isinstance(cell, (bool, np.bool_)):
        return bool, bool(cell)
    if cell != int(cell):
        raise ValueError(f"expected text, a whole number or a truth value as a category, got {cell!r}")
    return int, int(cell)
'''


def write_encoder(encoder: TableEncoder) -> list[str]:
    """Write an encoder.

    Parameters
    ----------
    encoder : TableEncoder
        Fitted.

    Returns
    -------
    list of str
        Blocks of source.
    """
    numeric = [column for column in encoder.columns if isinstance(column, NumericColumn)]
    categorical = [column for column in encoder.columns if isinstance(column, CategoricalColumn)]
    lines = [
        "# Columns of numbers: the mean, which is subtracted, and the scale that is divided by then.",
        *_dict("NUMBERS", [(column.name, f"({column.mean!r}, {column.scale!r})") for column in numeric]),
        "# Those of them where missing numbers are marked in a column of their own.",
        *_list("MARKED = [", [column.name for column in numeric if column.missing], "]"),
        "# Columns of categories: their ids count from 1, in this order; 0 is any other category.",
        *_dict("CATEGORIES", [(column.name, column.categories) for column in categorical]),
        "# Those of them where a missing category is one more, the last.",
        *_list("MISSING_IS_ONE = [", [column.name for column in categorical if column.missing], "]"),
    ]
    return ["\n".join(lines), *_ENCODE.split("\n\n\n")]


def _list(start: str, values: Iterable[Any], end: str) -> list[str]:
    """Write a list on one line, or on several."""
    parts = list(map(repr, values))
    line = f"{start}{', '.join(parts)}{end}"
    if len(line) <= WIDTH:
        return [line]
    indent = " " * (len(start) - len(start.lstrip()) + 4)
    return [start, *wrap(parts, indent), f"{indent[4:]}{end}"]


def _dict(name: str, entries: list[tuple[str, Any]]) -> list[str]:
    """Write a dict whose values are lists, or source."""
    if not entries:
        return [f"{name} = {{}}"]
    lines = [f"{name} = {{"]
    for key, value in entries:
        if isinstance(value, str):
            lines.append(f"    {key!r}: {value},")
        else:
            lines += _list(f"    {key!r}: [", value, "],")
    return [*lines, "}"]
