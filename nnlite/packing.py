"""Plain data and arrays as one JSON document and some named arrays, and back, with every number as it was."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from nnlite._typing import AnyArray
from nnlite.errors import ArgumentTypeError
from nnlite.files import short

__all__ = ["pack", "pack_rows", "unpack", "unpack_rows"]

#: What a dict in the document holds that stands for something JSON has not.
_ARRAY, _FLOATS, _FLOAT = "$array", "$floats", "$float"
_NOT_FINITE = ("nan", "inf", "-inf")

#: Kinds of entries in a column. That of a single number, and not a list, has _ALONE added.
_KINDS: tuple[type, ...] = (type(None), float, int, bool)
_ALONE, _MISSING = 4, 8
_CODES = {kind: code for code, kind in enumerate(_KINDS)}


def pack(where: str, data: Any) -> tuple[Any, dict[str, AnyArray]]:
    """Take arrays, long lists of floats, and numbers that are not finite out of plain data.

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
        return [inner(item, index) for index, item in enumerate(value)]
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
    if isinstance(document, list):
        return [unpack(item, read) for item in document]
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
    if any(key.startswith("$") for key in document):
        raise ValueError(f"the unknown entries {sorted(document)}")
    return {key: unpack(item, read) for key, item in document.items()}


def pack_rows(where: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Turn rows of numbers into one array, or two, for each column.

    Parameters
    ----------
    where : str
        Names the rows in the message.
    rows : list of dict
        With floats, integers, truth values and None, or lists of them.

    Returns
    -------
    list of dict
        One for each column, for `pack`.

    Raises
    ------
    ArgumentTypeError
        If there is something else among them.

    Examples
    --------
    >>> columns = pack_rows("here", [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}])
    >>> columns[1]
    {'name': 'loss', 'numbers': array([0.5 , 0.25]), 'kinds': None}
    >>> unpack_rows(columns, 2)
    [{'epoch': 1, 'loss': 0.5}, {'epoch': 2, 'loss': 0.25}]
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    return [{"name": name, **_column(where, name, [row.get(name, ...) for row in rows])} for name in names]


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
        large = int in types and any(type(number) is int and abs(number) >= 2**53 for number in found)
        if len(found) != width or not types <= _CODES.keys() or large:
            raise ArgumentTypeError(
                f"{where}, column {name!r}",
                f"numbers, or lists of {width} numbers",
                short(value),
                "Let a metric return one float.",
            )
        if types == {float}:  # as most are; a test of each number would take a few times as long
            numbers += found
            kinds += [_CODES[float] + _ALONE * alone] * width
        else:
            numbers += [0.0 if number is None else number for number in found]
            kinds += [_CODES[type(number)] + _ALONE * alone for number in found]
    shape = (len(values), width)
    return {
        "numbers": np.array(numbers, np.float64).reshape(shape),
        "kinds": np.array(kinds, np.uint8).reshape(shape),
    }


def unpack_rows(columns: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """Turn the columns back into rows; see `pack_rows`.

    Parameters
    ----------
    columns : list of dict
        What `pack_rows` returned.
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
        name, numbers, kinds = column["name"], column["numbers"], column["kinds"]
        shape = numbers.shape if kinds is None else kinds.shape[:1]
        wide = kinds is None or (kinds.shape == numbers.shape and kinds.ndim == 2 and kinds.shape[1] > 0)
        if not isinstance(name, str) or numbers.dtype != np.float64 or shape != (count,) or not wide:
            raise ValueError(f"a column {short(name)} without numbers for {count} rows")
        if kinds is None:
            for row, number in zip(rows, numbers.tolist(), strict=True):
                row[name] = number
            continue
        for row, found, what in zip(rows, numbers.tolist(), kinds.tolist(), strict=True):
            if what[0] == _MISSING:
                continue
            single = what[0] >= _ALONE
            values = [
                _KINDS[kind - _ALONE * single](number) if kind % _ALONE else None
                for number, kind in zip(found, what, strict=True)
            ]
            row[name] = values[0] if single else values
    return rows
