"""Arrays that users give: what holds no numbers is refused, and so is a mask, which NumPy would drop."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnlite.errors import ArgumentError, ArgumentTypeError, ShapeError

__all__ = ["check_array", "has_masked", "unmasked"]

AnyArray = NDArray[Any]

#: What a long list mostly holds; nothing of these is looked into.
_PLAIN = frozenset((bool, int, float, str, type(None), np.float64, np.float32, np.int64))


def has_masked(value: Any) -> bool:
    """Tell whether an array, or an array or an entry in a list, is masked somewhere.

    Parameters
    ----------
    value : object
        Anything.

    Returns
    -------
    bool
        False for a masked array without a masked entry: it holds what it shows.

    Examples
    --------
    >>> has_masked([1.0, np.ma.masked]), has_masked(np.ma.array([1.0])), has_masked([[1.0]])
    (True, False, False)
    """
    kind = getattr(sys.modules.get("numpy.ma"), "MaskedArray", None)  # naming np.ma would import it
    return kind is not None and _has_masked(value, kind)


def _has_masked(value: Any, kind: type) -> bool:
    if isinstance(value, kind):
        mask = value.mask  # type: ignore[attr-defined]
        return bool(mask.any()) if mask.dtype == np.bool_ else any(map(any, mask.tolist()))
    if isinstance(value, np.ndarray):  # of objects, which may be anything
        return value.dtype == np.object_ and any(_has_masked(one, kind) for one in value.flat)
    if isinstance(value, list | tuple) and not set(map(type, value)) <= _PLAIN:
        return any(_has_masked(one, kind) for one in value)
    return False


def unmasked(where: str, value: Any, *, missing: bool = False) -> Any:
    """Return what was given if nothing in it is masked; otherwise refuse it, or put NaN there.

    Whatever makes an array of a user's array or list asks this first.

    Parameters
    ----------
    where : str
        Names the argument in the message.
    value : object
        An array, a list, or anything else.
    missing : bool
        Whether NaN stands for a missing number here: then it takes the place of what is masked.

    Returns
    -------
    object
        `value` itself; an ndarray of floats if NaN was put in.

    Raises
    ------
    ArgumentError
        If an entry is masked and `missing` is False.

    Examples
    --------
    >>> unmasked("y", np.ma.masked_equal([1, 9], 9), missing=True)
    array([ 1., nan])
    """
    if (type(value) is np.ndarray and value.dtype != np.object_) or not has_masked(value):
        return value
    if missing:
        return _filled(value)
    fix = "Fill or drop the masked values before."
    raise ArgumentError(where, "numbers without a mask", "masked entries", fix)


def _filled(value: Any) -> AnyArray:
    if isinstance(value, list | tuple):
        return np.array([_filled(one) for one in value])
    if not isinstance(value, np.ma.MaskedArray):
        return np.asarray(value)
    dtype = np.result_type(value.dtype, np.float32) if value.dtype.kind in "biuf" else np.float64
    return np.ma.filled(value.astype(dtype), np.nan)


def check_array(where: str, value: Any, *, missing: bool = False) -> AnyArray:
    """Return `value` as an array of numbers with at least one row.

    Parameters
    ----------
    where : str
        Names the argument in the message.
    value : array_like of shape (rows, ...)
        The candidate: an array, which is returned as it is, or what NumPy makes one of.
    missing : bool
        Whether NaN stands for a missing number here: then it takes the place of what is masked.

    Returns
    -------
    ndarray of shape (rows, ...)

    Raises
    ------
    ArgumentTypeError
        If it holds anything but real numbers or truth values.
    ShapeError
        If it is a single number, is empty, or has rows of different lengths.
    ArgumentError
        If an entry is masked and `missing` is False.

    Examples
    --------
    >>> check_array("here", [[1, 2], [3, 4]]).shape
    (2, 2)
    """
    try:
        array = np.asarray(unmasked(where, value, missing=missing))
    except ArgumentError:
        raise
    except ValueError:
        raise ShapeError(
            where,
            "rows of one length",
            "rows of different lengths",
            "Cut or pad them to one length; nnlite.pad_sequences pads sequences.",
        ) from None
    if array.ndim == 0 and array.dtype.kind == "O":
        got = f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__
        raise ArgumentTypeError(where, "an array of numbers", got, "Give an array, or a list of rows.")
    if isinstance(value, str | bytes):
        fix = "For a file write np.load(path, mmap_mode='r')."
        raise ArgumentTypeError(where, "an array of numbers", f"{value!r}", fix)
    if array.ndim == 0 or array.size == 0:
        raise ShapeError(where, "an array of at least one row", f"shape {array.shape}", "Give some data.")
    if array.dtype.kind not in "biuf":
        fix = _NUMBERS_FROM.get(array.dtype.kind, "Turn it into numbers first.")
        raise ArgumentTypeError(where, "an array of numbers", f"dtype {array.dtype}", fix)
    return array


_NAMES = "np.unique(names, return_inverse=True)[1] makes ids of names"
#: What to do about an array that holds no numbers, by the kind of its dtype.
_NUMBERS_FROM = {
    "U": f"Write .astype(float) for numbers in quotes; {_NAMES}.",
    "S": f"Write .astype(float) for numbers in quotes; {_NAMES}.",
    "O": f"Write .astype(float) behind an array if all its entries are numbers; {_NAMES}.",
    "c": "Give the real and the imaginary parts as columns of their own.",
    "M": "Count from a date, such as (t - t[0]) / np.timedelta64(1, 'D').",
    "m": "Divide by a unit, such as np.timedelta64(1, 'D').",
}
