"""Masked arrays: where NumPy makes an array of one, it drops the mask and uses what lies under it."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from nnlite.core.types import AnyArray
from nnlite.errors import ArgumentError

__all__ = ["has_masked", "unmasked"]

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
