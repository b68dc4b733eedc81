"""What stands in the columns of a table: numbers, or categories, whichever library the table is of.

No such library is imported. What is asked of a column is an entry for each row: NumPy reads numbers
from it, and everything else comes as a list of Python objects.
"""

from __future__ import annotations

import math
import reprlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nnlite.core.aliases import AnyArray
from nnlite.data.conversion import is_missing
from nnlite.errors import ArgumentError, ArgumentTypeError, ShapeError
from nnlite.errors.arrays import has_masked

__all__ = ["KINDS", "Category", "Typed", "read_categories", "read_columns", "read_numbers", "sees_categories"]

#: What a category can be.
Category: TypeAlias = bool | int | str
#: A category with its type: for Python 1 and True are equal, in a table they are not.
Typed: TypeAlias = tuple[type, Any]
#: The types of categories, in the order in which they are sorted.
KINDS = (bool, int, str)


def read_columns(where: str, frame: Any, wanted: Sequence[str] | None = None) -> dict[str, Any]:
    """Take a table apart.

    Parameters
    ----------
    where : str
        Names the function in messages, such as ``"TableEncoder.fit"``.
    frame : pandas or polars frame, or dict of columns
        The table.
    wanted : sequence of str, optional
        The columns to take, in that order; all by default.

    Returns
    -------
    dict of str to column
        At least one, of one length, which is not 0.

    Raises
    ------
    ArgumentTypeError
        If it is no table in memory, or a name is no text.
    ArgumentError
        If a column that is wanted is missing, or there twice.
    ShapeError
        If there are no columns or rows, or columns of different lengths.

    Examples
    --------
    >>> read_columns("here", {"age": [31, 44], "city": ["Bern", "Genf"]}, ["city"])
    {'city': ['Bern', 'Genf']}
    """
    fix = "Give a pandas or polars frame, or a dict such as {'age': [31, 44], 'city': ['Bern', 'Genf']}."
    for method in ("collect", "compute"):  # polars and dask have frames that are only plans
        if hasattr(type(frame), method):
            raise ArgumentTypeError(
                f"{where}(frame)", "a table in memory", type(frame).__name__, f"Write frame.{method}()."
            )
    if hasattr(frame, "to_pandas") and hasattr(frame, "column_names"):  # a table of Arrow
        raise ArgumentTypeError(
            f"{where}(frame)", "a table", type(frame).__name__, "Write frame.to_pandas()."
        )
    labels = list(frame) if isinstance(frame, Mapping) else getattr(frame, "columns", None)
    if labels is None or isinstance(frame, type):
        raise ArgumentTypeError(f"{where}(frame)", "a table with named columns", type(frame).__name__, fix)
    label_of = _by_name(f"{where}(frame)", labels, wanted)
    if not label_of:
        raise ShapeError(f"{where}(frame)", "at least one column", "none", fix)
    absent = [name for name in wanted or () if name not in label_of]
    if absent:
        raise ArgumentError(
            f"{where}(frame)",
            f"the columns that fit saw, {', '.join(map(repr, absent))} among them",
            reprlib.repr(list(label_of)),
            "Give every column; a value that is not known may be None.",
        )
    table = {name: frame[label_of[name]] for name in wanted or label_of}
    lengths = {name: _length(where, name, column) for name, column in table.items()}
    if len(set(lengths.values())) > 1:
        got = reprlib.repr(lengths)
        raise ShapeError(f"{where}(frame)", "as many rows in each column", got, "Give columns of one length.")
    if 0 in lengths.values():
        raise ShapeError(f"{where}(frame)", "at least one row", "none", "Give some data.")
    return table


def _by_name(where: str, labels: Iterable[Any], wanted: Sequence[str] | None) -> dict[str, Any]:
    """Return what a table calls each column, which may be a number, by its name as text."""
    label_of: dict[str, Any] = {}
    for label in labels:
        if not isinstance(label, str | Integral):
            raise ArgumentTypeError(
                where, "columns named by text", f"the name {reprlib.repr(label)}", "Rename it."
            )
        name = str(label)
        if name in label_of and (wanted is None or name in wanted):
            raise ArgumentError(where, "names that differ", f"two columns called {name!r}", "Rename one.")
        label_of[name] = label
    return label_of


def _length(where: str, name: str, column: Any) -> int:
    """Return the number of rows of a column."""
    shape = getattr(column, "shape", None)
    # Of a dict or a set the entries would be read in an order that is not that of the rows.
    in_order = hasattr(column, "__len__") and hasattr(column, "__getitem__")
    wrong_kind = not in_order or isinstance(column, str | Mapping)
    if wrong_kind or (shape is not None and len(shape) != 1):
        got = type(column).__name__ if shape is None else f"shape {shape}"
        fix = "Give a list or an array with one entry for each row."
        raise ShapeError(f"{where}(frame[{name!r}])", "one value for each row", got, fix)
    return len(column)


def sees_categories(where: str, name: str, column: Any) -> bool:
    """Tell whether a column holds categories rather than numbers.

    Parameters
    ----------
    where, name : str
        Name the function and the column in messages.
    column : column of a table
        What `read_columns` gives.

    Returns
    -------
    bool
        True if its dtype says so, or if there is text in it.

    Raises
    ------
    ArgumentTypeError
        If it holds times.

    Examples
    --------
    >>> sees_categories("here", "city", ["Bern", None]), sees_categories("here", "age", [31, None])
    (True, False)
    """
    # What pandas calls category, and polars Categorical or Enum.
    if str(getattr(column, "dtype", "")).lower().startswith(("categor", "enum")):
        return True
    if _plain_numbers(where, name, column) is not None:
        return False
    return any(isinstance(cell, str) for cell in _cells(column))


def read_numbers(where: str, name: str, column: Any, *, reads_text: bool) -> NDArray[np.float64]:
    """Read a column as numbers.

    Parameters
    ----------
    where, name : str
        Name the function and the column in messages.
    column : column of a table
        What `read_columns` gives.
    reads_text : bool
        Whether text is read as numbers, not refused.

    Returns
    -------
    ndarray of shape (rows,)
        NaN where a number is missing.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If something else than numbers and truth values is in it.

    Examples
    --------
    >>> read_numbers("here", "age", [31, None, True], reads_text=False)
    array([31., nan,  1.])
    """
    values = _plain_numbers(where, name, column)
    if values is None:
        as_number = _reader(where, name, reads_text=reads_text)
        cells = _cells(column)
        values = np.fromiter(map(as_number, range(len(cells)), cells), np.float64, len(cells))
    return values


def _plain_numbers(where: str, name: str, column: Any) -> NDArray[np.float64] | None:
    """Return a column as numbers if NumPy sees numbers in it as it is, otherwise None."""
    if has_masked(column):
        return None  # the entries are read one by one, for NumPy would drop the mask
    try:
        array: AnyArray = np.asarray(column)
    except (ValueError, TypeError):  # lists of different lengths in its cells
        return None
    if array.dtype.kind in "mM":
        raise _not_a_cell(where, name, f"{array.dtype}")
    if array.ndim != 1 or array.dtype.kind not in "biuf":
        return None
    with np.errstate(over="ignore"):  # what float64 cannot hold becomes infinite, which is refused
        values: NDArray[np.float64] = array.astype(np.float64)
    return values


def _cells(column: Any) -> list[Any]:
    """Return the entries of a column as Python objects; None, NaN, NaT or NA where one is missing."""
    cells: list[Any]
    for method in ("to_list", "tolist"):  # pandas and polars; NumPy
        if hasattr(column, method):
            cells = getattr(column, method)()
            break
    else:
        cells = list(column)
    # What stands for a masked entry cannot be looked up, as categories are.
    return [None if has_masked(cell) else cell for cell in cells] if has_masked(cells) else cells


def _reader(where: str, name: str, *, reads_text: bool) -> Callable[[int, Any], float]:
    """Make the function that turns the row and the value of a cell into a number."""
    place = f"{where}(frame[{name!r}])"

    def as_number(row: int, cell: Any) -> float:
        if is_missing(cell):
            return math.nan
        if isinstance(cell, str) and not reads_text:
            fix = f"For text that is to be read as numbers write TableEncoder(numeric=[{name!r}])."
            raise ArgumentError(place, "numbers", f"{cell!r} in row {row}", fix)
        if not isinstance(cell, Real | np.bool_ | str):
            raise _not_a_cell(where, name, type(cell).__name__, row)
        try:
            return float(cell)
        except OverflowError:  # a whole number that no float can hold
            return math.inf
        except ValueError:
            fix = "Put None or NaN where a number is not known."
            if isinstance(cell, str) and "," in cell:
                fix = f"Write frame[{name!r}].str.replace(',', '') if commas stand between thousands."
            raise ArgumentError(place, "numbers", f"{cell!r} in row {row}", fix) from None

    return as_number


def read_categories(where: str, name: str, column: Any) -> tuple[list[Typed], dict[Typed, Typed | None]]:
    """Read a column as categories.

    Parameters
    ----------
    where, name : str
        Name the function and the column in messages.
    column : column of a table
        What `read_columns` gives.

    Returns
    -------
    cells : list of tuple (type, value)
        One for each row.
    meaning : dict of cell to category, or to None
        The category of each cell that there is, with its type; None for a missing one. Whole
        numbers that are stored as floats are whole numbers.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If something else than text, whole numbers and truth values is in it.

    Examples
    --------
    >>> cells, meaning = read_categories("here", "zip", [3000, 3000.0, None])
    >>> [meaning[cell] for cell in cells]
    [(<class 'int'>, 3000), (<class 'int'>, 3000), None]
    """
    if isinstance(column, np.ndarray) and column.dtype.kind in "mM":  # whose tolist() may give integers
        raise _not_a_cell(where, name, f"{column.dtype}")
    values = _cells(column)
    cells = list(zip(map(type, values), values, strict=True))
    try:
        different = set(cells)
    except TypeError:
        row = next((row for row, value in enumerate(values) if type(value).__hash__ is None), 0)
        raise _not_a_cell(where, name, type(values[row]).__name__, row) from None
    return cells, {cell: _category(where, name, cell[1]) for cell in different}


def _category(where: str, name: str, cell: Any) -> Typed | None:
    if is_missing(cell):
        return None
    if isinstance(cell, str):
        return str, str(cell)
    if isinstance(cell, bool | np.bool_):
        return bool, bool(cell)
    if isinstance(cell, Integral):
        return int, int(cell)
    if isinstance(cell, Real):
        number = float(cell)
        if number.is_integer():  # pandas makes floats of whole numbers where some are missing
            return int, int(number)
        raise ArgumentError(
            f"{where}(frame[{name!r}])",
            "text, whole numbers or truth values for categories",
            f"{number:g}",
            f"Name {name!r} in TableEncoder(numeric=), or round it.",
        )
    raise _not_a_cell(where, name, type(cell).__name__)


def _not_a_cell(where: str, name: str, got: str, row: int | None = None) -> ArgumentTypeError:
    """Say what to do about times, and about everything else that is no number, text or truth value."""
    place = f"frame[{name!r}]"
    # One way for pandas, polars, arrays and lists; and from a date that is the same for other data.
    if got.lower().startswith(("timedelta", "duration")):
        fix = f"Count days: np.asarray({place}, 'timedelta64[s]') / np.timedelta64(1, 'D')."
    elif got.lower().startswith(("date", "timestamp")):
        fix = (
            f"Count days from a date: (np.asarray({place}, 'datetime64[D]') - np.datetime64('2000-01-01')) "
            "/ np.timedelta64(1, 'D')."
        )
    else:
        fix = (
            f"For categories write [str(value) for value in {place}], for numbers np.asarray({place}, float)."
        )
    where_in = "" if row is None else f" in row {row}"
    return ArgumentTypeError(f"{where}({place})", "numbers, text or truth values", f"{got}{where_in}", fix)
