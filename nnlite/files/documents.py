"""Plain data and arrays as one JSON document and some named arrays, and back, with every number as it was."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import chain, pairwise
from typing import Any

import numpy as np

from nnlite.core.aliases import AnyArray
from nnlite.errors import ArgumentTypeError
from nnlite.files.safetensors import short

__all__ = ["PackedRows", "pack", "unpack", "unpack_rows"]

#: What a dict in the document holds that stands for something JSON has not, or for a list of many things.
_ARRAY, _FLOATS, _FLOAT = "$array", "$floats", "$float"
_NUMBERS, _TEXTS, _INTEGERS, _OPTIONAL, _LISTS, _TABLE = (
    "$numbers", "$texts", "$integers", "$optional", "$lists", "$table",
)  # fmt: skip
_NOT_FINITE = ("nan", "inf", "-inf")

#: Lists of more things are taken apart: what JSON takes for each would fill the header of a file.
LONG = 16
#: Longest list of dicts that is taken apart: each takes some hundred times the byte that can ask for it.
MAX_DICTS = 1_000_000
#: Dicts that have more names together are not of one kind.
MAX_NAMES = 100

#: Kinds of entries in a column. That of a single number, and not a list, has _ALONE added.
_KINDS: tuple[type, ...] = (type(None), float, int, bool)
_ALONE, _MISSING = 4, 8
_CODES = {kind: code for code, kind in enumerate(_KINDS)}


def pack(where: str, data: Any) -> tuple[Any, dict[str, AnyArray]]:
    """Take arrays, long lists, and numbers that are not finite out of plain data.

    What is in a long list goes into a few arrays, whatever it is made of: one for a list of numbers,
    two for one of texts, and for one of dicts what their entries need.

    Parameters
    ----------
    where : str
        Names the data in the message.
    data : dict, list, str, int, float, bool, None or ndarray
        Of these, and of NumPy's scalars, to any depth.

    Returns
    -------
    document : object
        What JSON can hold.
    arrays : dict of str to ndarray
        What was taken out. They are not copied.

    Raises
    ------
    ArgumentTypeError
        If there is something else among them.

    Examples
    --------
    >>> document, arrays = pack("here", {"best": np.ones(2), "waited": 3})
    >>> document
    {'best': {'$array': 'best'}, 'waited': 3}
    >>> unpack(document, arrays.__getitem__)
    {'best': array([1., 1.]), 'waited': 3}
    """
    arrays: dict[str, AnyArray] = {}
    return _pack(where, data, "", arrays), arrays


def _pack(where: str, value: Any, name: str, arrays: dict[str, AnyArray]) -> Any:
    def keep(array: AnyArray) -> str:
        free = name or "data"
        while free in arrays:  # {"a.b": ..., "a": {"b": ...}}
            free += "'"
        arrays[free] = array
        return free

    def inner(item: Any, key: Any) -> Any:
        return _pack(where, item, f"{name}.{key}" if name else f"{key}", arrays)

    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, np.ndarray | np.generic):
        if value.dtype.kind in "biuf" and value.dtype.itemsize <= 8:
            return _array(value, keep)
    elif isinstance(value, int):
        return int(value)
    elif isinstance(value, float):
        return float(value) if math.isfinite(value) else {_FLOAT: str(float(value))}
    elif isinstance(value, list | tuple):
        if value and all(type(item) is float for item in value):
            return {_FLOATS: keep(np.array(value))}
        apart = _take_apart(value, keep, inner) if len(value) > LONG else None
        return [inner(item, index) for index, item in enumerate(value)] if apart is None else apart
    elif isinstance(value, Mapping) and all(
        isinstance(key, str) and not key.startswith("$") for key in value
    ):
        return {key: inner(item, key) for key, item in value.items()}
    raise ArgumentTypeError(
        f"{where}, {name}" if name else where,
        "numbers, texts, truth values, None, arrays of numbers, lists of them, and dicts with texts as keys",
        f"an array of {value.dtype}" if isinstance(value, np.ndarray) else short(value),
        "Turn it into such data.",
    )


def _array(value: AnyArray | np.generic, keep: Callable[[AnyArray], str]) -> dict[str, Any]:
    """Describe an array, and keep it. It comes back in the same order in memory, on which sums depend."""
    if isinstance(value, np.generic):
        return {_ARRAY: keep(np.asarray(value)), "scalar": True}
    if value.flags.f_contiguous and not value.flags.c_contiguous:
        return {_ARRAY: keep(value.T), "transposed": True}
    return {_ARRAY: keep(value)}


def _take_apart(
    items: Sequence[Any], keep: Callable[[AnyArray], str], inner: Callable[[Any, Any], Any]
) -> dict[str, Any] | None:
    """Describe a list of many things of one kind by a few arrays; None if they are of several kinds."""
    kinds = set(map(type, items))
    if type(None) in kinds:
        there = np.array([item is not None for item in items])
        return {_OPTIONAL: keep(there), "values": inner([item for item in items if item is not None], "set")}
    if len(kinds) != 1:
        return None
    (kind,) = kinds
    if kind is bool:
        return {_NUMBERS: keep(np.array(items))}
    if kind is int:
        if min(items) >= -(2**63) and max(items) < 2**63:
            return {_NUMBERS: keep(np.array(items, np.int64))}
        return {_INTEGERS: inner([f"{item}" for item in items], "texts")}
    if kind is str:
        parts = [item.encode(errors="surrogatepass") for item in items]
        ends = np.cumsum([len(part) for part in parts])
        return {_TEXTS: keep(np.frombuffer(b"".join(parts), np.uint8)), "ends": keep(ends)}
    if kind in (list, tuple):
        lengths = np.array([len(item) for item in items])
        joined = list(chain.from_iterable(items))
        if len(joined) > LONG or not joined:
            return {_LISTS: keep(lengths), "values": inner(joined, "joined")}
    elif issubclass(kind, np.ndarray | np.generic) and len({(item.shape, item.dtype) for item in items}) == 1:
        if items[0].dtype.kind in "biuf" and items[0].dtype.itemsize <= 8 and all(map(_is_plain, items)):
            return {_NUMBERS: keep(np.stack(items)), "each": "scalar" if kind is not np.ndarray else "array"}
    elif issubclass(kind, dict):
        return _table(items, keep, inner)
    return None


def _is_plain(array: AnyArray | np.generic) -> bool:
    """Tell whether a copy in C order is the same in memory, on which sums depend."""
    return isinstance(array, np.generic) or array.flags.c_contiguous


def _table(
    rows: Sequence[Mapping[Any, Any]], keep: Callable[[AnyArray], str], inner: Callable[[Any, Any], Any]
) -> dict[str, Any] | None:
    """Describe dicts by one list for each of their keys."""
    names = dict.fromkeys(chain.from_iterable(rows))
    if (
        len(names) > MAX_NAMES
        or len(rows) > MAX_DICTS
        or any(type(name) is not str or name[:1] == "$" for name in names)
    ):
        return None
    if any([name for name in names if name in row] != list(row) for row in rows):
        return None  # in another order
    if not names:  # a column that no row has
        return {_TABLE: [["", keep(np.zeros(len(rows), bool)), []]]}
    columns = []
    for name in names:
        there = np.array([name in row for row in rows])
        values = inner([row[name] for row in rows if name in row], name)
        columns.append([name, None if there.all() else keep(there), values])
    return {_TABLE: columns}


def unpack(document: Any, read: Callable[[str], AnyArray]) -> Any:
    """Put the arrays back; see `pack`.

    Parameters
    ----------
    document : object
        What `pack` returned.
    read : callable (str) -> ndarray
        Gives an array by its name.

    Returns
    -------
    object

    Raises
    ------
    ValueError
        If the document is no such one.
    """

    def put_back(document: Any) -> Any:
        if isinstance(document, list):
            return [put_back(item) for item in document]
        if not isinstance(document, dict):
            return document
        if document.keys() == {_FLOAT} and document[_FLOAT] in _NOT_FINITE:
            return float(document[_FLOAT])
        if document.keys() == {_FLOATS}:
            return read(document[_FLOATS]).tolist()
        if _ARRAY in document:
            array = read(document[_ARRAY])
            if document.get("scalar") is True and not array.ndim:
                return array[()]
            return array.T if document.get("transposed") is True else array
        if _NUMBERS in document:
            array = read(document[_NUMBERS])
            return list(array) if document.get("each") in ("array", "scalar") else array.tolist()
        if _TEXTS in document:
            content, ends = read(document[_TEXTS]), read(document["ends"])
            return [part.decode(errors="surrogatepass") for part in _cut(content.tobytes(), ends)]
        if _INTEGERS in document:
            return [int(text) for text in put_back(document[_INTEGERS])]
        if _LISTS in document:
            lengths = read(document[_LISTS])
            return _cut(put_back(document["values"]), np.cumsum(lengths))
        if _OPTIONAL in document:
            return _where(read(document[_OPTIONAL]), put_back(document["values"]), None)
        if _TABLE in document:
            rows: list[dict[str, Any]] = []
            for name, there, values in document[_TABLE]:
                column = put_back(values)
                if there is not None:
                    column = _where(read(there), column, ...)
                if not rows:
                    _need(len(column) <= MAX_DICTS, f"more than {MAX_DICTS:,} dicts")
                    rows = [{} for _ in column]
                _need(isinstance(name, str), "names that are none")
                _fill(rows, name, column)
            return rows
        if any(key.startswith("$") for key in document):
            raise ValueError(f"the unknown entries {sorted(document)}")
        return {key: put_back(item) for key, item in document.items()}

    return put_back(document)


def _need(condition: object, otherwise: str) -> None:
    if not condition:
        raise ValueError(otherwise)


def _cut(joined: Any, ends: AnyArray) -> list[Any]:
    """Cut bytes or a list into parts, of which each begins where the one before it ends."""
    edges = [0, *ends.tolist()]
    _need(ends.dtype.kind in "iu" and ends.ndim == 1, "ends that are none")
    _need(edges == sorted(edges) and edges[-1] == len(joined), "ends of something else")
    return [joined[begin:end] for begin, end in pairwise(edges)]


def _where(there: AnyArray, values: Any, otherwise: Any) -> list[Any]:
    """Return values in the places where they belong."""
    _need(there.dtype == bool and there.ndim == 1 and there.sum() == len(values), "places of something else")
    found = iter(values)
    return [next(found) if here else otherwise for here in there.tolist()]


class PackedRows:
    """Rows of numbers, as one array or two for each column; what was packed before is not packed again.

    Parameters
    ----------
    where : str
        Names the rows in the message.

    Examples
    --------
    >>> pack_history = PackedRows("here")
    >>> rows = [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}]
    >>> columns = pack_history(rows)
    >>> columns[1]
    {'name': 'loss', 'numbers': array([0.5 , 0.25]), 'kinds': None}
    >>> unpack_rows(columns, 2)
    [{'epoch': 1, 'loss': 0.5}, {'epoch': 2, 'loss': 0.25}]
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._packed: list[dict[str, Any]] = []
        self._columns: list[dict[str, Any]] = []

    def __call__(self, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Pack all rows.

        Parameters
        ----------
        rows : sequence of dict
            With floats, integers, truth values and None, or lists of them. Most often those of the
            last call and some more.

        Returns
        -------
        list of dict
            One for each column, for `pack`.

        Raises
        ------
        ArgumentTypeError
            If there is something else among them.
        """
        done = len(self._packed)
        if rows[:done] != self._packed:  # a callback has changed one
            done = 0
        if done and done == len(rows):
            return self._columns
        columns = _pack_rows(self._where, rows[done:])
        if done:
            columns = _join(self._columns, columns) or _pack_rows(self._where, rows)
        self._columns = columns
        self._packed[done:] = [dict(row) for row in rows[done:]]
        return columns


def _pack_rows(where: str, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    names = list(dict.fromkeys(chain.from_iterable(rows)))
    return [{"name": name, **_column(where, name, [row.get(name, ...) for row in rows])} for name in names]


def _join(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[dict[str, Any]] | None:
    """Join columns of some rows and of those behind them; None if they are of another form."""

    def form(column: dict[str, Any]) -> Any:
        kinds = column.get("kinds", ...)
        return column["name"], kinds.shape[1:] if isinstance(kinds, np.ndarray) else kinds

    if [*map(form, old)] != [*map(form, new)] or any("values" in column for column in old):
        return None
    joined = []
    for one, other in zip(old, new, strict=True):
        both = {
            key: np.concatenate([one[key], other[key]])
            for key in ("numbers", "kinds")
            if one[key] is not None
        }
        joined.append({**one, **both})
    return joined


def _column(where: str, name: str, values: list[Any]) -> dict[str, Any]:
    if set(map(type, values)) == {float}:
        return {"numbers": np.array(values), "kinds": None}
    width = max([1, *(len(value) for value in values if isinstance(value, list))])
    numbers: list[float] = []
    kinds: list[int] = []
    for value in values:
        if value is ...:
            numbers += [0.0] * width
            kinds += [_MISSING] * width
            continue
        alone = not isinstance(value, list)
        found = [value] * width if alone else value
        types = set(map(type, found))
        if types == {float} and len(found) == width:  # as most are; to test each number would take longer
            numbers += found
            kinds += [_CODES[float] + _ALONE * alone] * width
            continue
        if len(found) != width or not types <= _CODES.keys() or any(map(_is_large, found)):
            return _as_values(where, name, values)
        numbers += [0.0 if number is None else number for number in found]
        kinds += [_CODES[type(number)] + _ALONE * alone for number in found]
    shape = (len(values), width)
    return {
        "numbers": np.array(numbers, np.float64).reshape(shape),
        "kinds": np.array(kinds, np.uint8).reshape(shape),
    }


def _is_large(number: Any) -> bool:
    """Tell whether it is an integer that a float need not hold."""
    return type(number) is int and abs(number) > 2**53


def _as_values(where: str, name: str, values: list[Any]) -> dict[str, Any]:
    """Keep a column as it is: lists of several lengths, or integers that no float holds."""
    found = [value for value in values if value is not ...]
    for value in found:
        if not _are_numbers(value):
            raise ArgumentTypeError(
                f"{where}, column {name!r}",
                "numbers, or lists of numbers",
                short(value),
                "Let a metric return one float.",
            )
    return {"name": name, "there": [value is not ... for value in values], "values": found}


def _are_numbers(value: Any) -> bool:
    return all(map(_are_numbers, value)) if isinstance(value, list) else type(value) in _CODES


def unpack_rows(columns: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """Turn the columns back into rows; see `PackedRows`.

    Parameters
    ----------
    columns : list of dict
        What `PackedRows` returned.
    count : int
        How many rows there are.

    Returns
    -------
    list of dict

    Raises
    ------
    ArithmeticError, AttributeError, LookupError, TypeError, ValueError
        If the columns are none, or of another number of rows.
    """
    rows: list[dict[str, Any]] = [{} for _ in range(count)]
    for column in columns:
        name, numbers = column["name"], column["values" if "values" in column else "numbers"]
        if not isinstance(name, str) or not _fit(column, count):
            raise ValueError(f"a column {short(name)} without numbers for {count} rows")
        if "values" in column:
            found = _where(np.array(column["there"], bool), numbers, ...)
        elif column["kinds"] is None:
            found = numbers.tolist()
        else:
            found = list(map(_entry, numbers.tolist(), column["kinds"].tolist()))
        _fill(rows, name, found)
    return rows


def _fit(column: dict[str, Any], count: int) -> bool:
    """Tell whether there are numbers in a column, as many as it needs."""
    if "values" in column:
        return _are_numbers(column["values"])
    numbers, kinds = column["numbers"], column["kinds"]
    shape = numbers.shape
    wide = shape[1:] == () if kinds is None else kinds.shape == shape and len(shape) == 2 and shape[1] > 0
    return bool(numbers.dtype == np.float64 and shape[:1] == (count,) and wide)


def _entry(numbers: list[float], kinds: list[int]) -> Any:
    """Return what one row has in a column: a number, a list of them, or nothing."""
    if kinds[0] == _MISSING:
        return ...
    single = kinds[0] >= _ALONE
    values = [
        _KINDS[kind - _ALONE * single](number) if kind % _ALONE else None
        for number, kind in zip(numbers, kinds, strict=True)
    ]
    return values[0] if single else values


def _fill(rows: list[dict[str, Any]], name: str, column: list[Any]) -> None:
    """Put a column into the rows; they have none of that name where it has nothing."""
    for row, value in zip(rows, column, strict=True):
        if value is not ...:
            row[name] = value
