"""What an estimator cannot take, in the words of its user: text among numbers, labels missing or mixed."""

from __future__ import annotations

from numbers import Number
from typing import Any

import numpy as np

from nnlite._typing import AnyArray
from nnlite.errors import ArgumentError, ArgumentTypeError

__all__ = ["check_class_labels", "explain_no_numbers"]

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
    names = getattr(X, "columns", None)
    if names is None:
        columns = _object_columns(X)
        names = range(len(columns))
    else:
        names = list(names)
        columns = [_objects(X[name]) for name in names] if len(set(names)) == len(names) else []
    for name, column in zip(names, columns, strict=False):
        for value in column:
            if not isinstance(value, Number | dict | list | tuple | np.ndarray) and not _is_missing(value):
                return ArgumentError(
                    where, "numbers in every column", f"{value!r} in column {name!r}", _ENCODE
                )
    return None


def _object_columns(X: Any) -> list[AnyArray]:
    """Return the columns of a table without names; none if it is no such table."""
    if hasattr(X, "tocsr"):
        return []
    array = _objects(X)
    return list(array.T) if array.ndim == 2 else []


def _objects(values: Any) -> AnyArray:
    """Return values as an array of objects; an empty one if they have no common shape."""
    try:
        array = np.asarray(values)
        # Numbers beside text would become text.
        return array if array.dtype.kind in "biuf" else np.asarray(values, dtype=object)
    except Exception:
        return np.empty(0, object)


def _is_missing(value: Any) -> bool:
    """Tell whether a value stands for one that is not there: None, NaN, or pandas' NA and NaT."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float | np.floating) and bool(np.isnan(value))


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
    if hasattr(y, "tocsr") or getattr(getattr(y, "dtype", None), "kind", "O") in "biufSU":
        return
    labels = _objects(y)
    if labels.dtype.kind != "O" or labels.ndim == 0 or labels.size == 0:
        return
    flat = labels.ravel().tolist()
    kinds = set(map(type, flat))
    if kinds == {str}:
        return
    for place, value in enumerate(flat):
        if _is_missing(value):
            row = place // (labels.size // len(labels))
            missing = sum(map(_is_missing, flat))
            more = f", and {missing - 1} more" if missing > 1 else ""
            raise ArgumentError(
                where, "a label in every row", f"{value} in row {row}{more}", "Drop rows without one."
            )
    if any(issubclass(kind, str) for kind in kinds) and not all(issubclass(kind, str) for kind in kinds):
        first, other = next(
            (one, two) for one in flat if isinstance(one, str) for two in flat if not isinstance(two, str)
        )
        raise ArgumentTypeError(
            where,
            "labels of one kind",
            f"{first!r} and {other!r}",
            "Make text of all: [str(label) for label in y].",
        )
