"""What an estimator cannot take, in the words of its user: text among numbers, labels missing or mixed."""

from __future__ import annotations

from numbers import Number
from typing import Any

import numpy as np

from nnlite.core.aliases import AnyArray
from nnlite.data.conversion import is_missing, is_sparse
from nnlite.errors import ArgumentError, ArgumentTypeError, ShapeError

__all__ = ["check_class_labels", "explain_no_numbers", "with_gaps"]

_ENCODE = (
    "Encode it first: with scikit-learn's OneHotEncoder in a Pipeline, or train a nnlite.Sequential with "
    "preprocessing=nnlite.TableEncoder(), which takes frames as they are."
)


def explain_no_numbers(where: str, X: Any) -> ArgumentError | None:
    """Find the first column that holds no numbers, in data that scikit-learn has refused.

    Parameters
    ----------
    where : str
        Names the argument in the message.
    X : object
        What the user gave.

    Returns
    -------
    ArgumentError or None
        None if it was refused for another reason.

    Examples
    --------
    >>> print(explain_no_numbers("fit(X)", [[1.0, "west"]]))  # doctest: +ELLIPSIS
    fit(X): expected numbers in every column, got 'west' in column 1. Encode it first: ...
    """
    shape = getattr(X, "shape", ())
    if len(shape) > 2:  # images, sequences
        fix = "Write X.reshape(len(X), -1), which makes one row of each."
        return ShapeError(where, "shape (rows, features)", f"{tuple(shape)}", fix)
    names = getattr(X, "columns", None)
    if names is None:
        columns = _object_columns(X)
        names = range(len(columns))
    else:
        names = list(names)
        columns = [_objects(X[name]) for name in names] if len(set(names)) == len(names) else []
    what, absent = "numbers in every column", None
    for name, column in zip(names, columns, strict=False):
        if column.dtype.kind in "mM":
            return ArgumentError(where, what, f"{column.dtype} in column {name!r}", _ENCODE)
        if column.dtype.kind != "O":
            continue
        for value in column:
            if is_missing(value):
                absent = absent or (value, name)
            elif not isinstance(value, Number | dict | list | tuple | np.ndarray):
                return ArgumentError(where, what, f"{value!r} in column {name!r}", _ENCODE)
    if absent is None:
        return None
    fix = "Fill or drop what is missing first."
    return ArgumentError(where, what, f"{absent[0]!r} in column {absent[1]!r}", fix)


def _object_columns(X: Any) -> list[AnyArray]:
    """Return the columns of a table without names; none if it is no such table."""
    if is_sparse(X):
        return []
    array = _objects(X)
    return [array] if array.ndim == 1 else list(array.T) if array.ndim == 2 else []  # a series is one column


def _objects(values: Any) -> AnyArray:
    """Return values as an array of objects; an empty one if they have no common shape."""
    try:
        array = np.asarray(values)
        # Numbers beside text would become text.
        return array if array.dtype.kind in "biufmM" else np.asarray(values, dtype=object)
    except Exception:
        return np.empty(0, object)


def with_gaps(y: Any) -> Any:
    """Put NaN in the place of whatever else says that a target is missing.

    Parameters
    ----------
    y : object
        What the user gave.

    Returns
    -------
    object
        An array of the same shape if it was one of objects, else `y`.

    Examples
    --------
    >>> with_gaps([1.0, None])
    array([1.0, nan], dtype=object)
    """
    values = _objects(y)
    if values.dtype.kind != "O" or values.size == 0:
        return y
    filled = np.array([np.nan if is_missing(value) else value for value in values.ravel()], dtype=object)
    return filled.reshape(values.shape)


def check_class_labels(where: str, y: Any) -> None:
    """Refuse labels that are missing, or of several kinds.

    Parameters
    ----------
    where : str
        Names the argument in the message.
    y : object
        What the user gave.

    Raises
    ------
    ArgumentError
        If a row has no label.
    ArgumentTypeError
        If some are text and some are not.

    Examples
    --------
    >>> check_class_labels("fit(y)", ["red", "blue"])
    >>> check_class_labels("y", ["red", None])
    Traceback (most recent call last):
    ...
    nnlite.errors.ArgumentError: y: expected a label in every row, got None in row 1. Drop rows without one.
    """
    if is_sparse(y) or getattr(getattr(y, "dtype", None), "kind", "O") in "biufSU":
        return
    labels = _objects(y)
    if labels.dtype.kind != "O" or labels.ndim == 0 or labels.size == 0:
        return
    flat = labels.ravel().tolist()
    if set(map(type, flat)) == {str}:
        return
    missing = [place for place, value in enumerate(flat) if is_missing(value)]
    if missing:
        row = missing[0] // (labels.size // len(labels))
        got = f"{flat[missing[0]]} in row {row}" + (f", and {len(missing) - 1} more" if missing[1:] else "")
        raise ArgumentError(where, "a label in every row", got, "Drop rows without one.")
    texts, others = ([one for one in flat if isinstance(one, str) is text] for text in (True, False))
    if texts and others:
        fix = "Make text of all: [str(label) for label in y]."
        raise ArgumentTypeError(where, "labels of one kind", f"{texts[0]!r} and {others[0]!r}", fix)
