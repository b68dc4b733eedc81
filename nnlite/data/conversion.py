"""Frames, series, tensors and dask arrays of other libraries; none of those libraries is imported."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nnlite.errors import ArgumentError, ArgumentTypeError, ShapeError
from nnlite.errors.arrays import unmasked

__all__ = ["is_dask", "is_frame", "is_missing", "is_sparse", "take_rows", "to_numpy", "with_checked_blocks"]


def is_sparse(x: object) -> bool:
    """Tell whether something is a sparse matrix or array, as those of SciPy are.

    Examples
    --------
    >>> import scipy.sparse
    >>> is_sparse(scipy.sparse.eye_array(2)), is_sparse(np.eye(2))
    (True, False)
    """
    return hasattr(x, "tocsr")


def is_frame(x: object) -> bool:
    """Tell whether something is a table in memory, as those of pandas and polars are.

    Examples
    --------
    >>> is_frame(np.eye(2)), is_frame({"a": [1, 2]})
    (False, False)
    """
    # The type is asked: of a lazy frame of polars, the names of the columns cost a warning and a search.
    return all(hasattr(type(x), name) for name in ("columns", "dtypes", "to_numpy"))


def is_dask(x: Any) -> bool:
    """Tell whether something is an array of dask.

    Examples
    --------
    >>> is_dask([0.0])
    False
    """
    return all(hasattr(type(x), name) for name in ("__dask_graph__", "blocks", "chunks"))


def is_missing(value: Any) -> bool:
    """Tell whether a value stands for one that is not there: None, NaN, NaT, or what pandas calls NA.

    Examples
    --------
    >>> is_missing(None), is_missing(float("nan")), is_missing(0)
    (True, True, False)
    >>> is_missing(np.array([np.nan]))
    False
    """
    if value is None or type(value).__name__ == "NAType":
        return True
    try:
        return bool(value != value) and not getattr(value, "ndim", 0)  # an array is no single value
    except ArithmeticError:  # a signalling NaN among decimals
        return True
    except Exception:  # a larger array
        return False


def take_rows(x: Any, rows: Any) -> Any:
    """Take some rows of an array, a sparse matrix or a frame, each as its own kind.

    Parameters
    ----------
    x : ndarray, sparse matrix or frame
        All rows.
    rows : ndarray of int
        Which, and in what order.

    Returns
    -------
    object of the kind of `x`

    Examples
    --------
    >>> take_rows(np.array([5, 6, 7]), [2, 0])
    array([7, 5])
    """
    return x.iloc[rows] if hasattr(x, "iloc") else x[rows]


def to_numpy(where: str, value: Any, *, missing: bool = False) -> Any:
    """Make a NumPy array of what holds numbers in a form that NumPy reads badly or not at all.

    Parameters
    ----------
    where : str
        Names the argument in the message.
    value : object
        A frame or a series of pandas or polars, a tensor, a dask array, a masked array, or anything else.
    missing : bool
        Whether NaN stands for a missing number here; otherwise masked and missing entries are refused.

    Returns
    -------
    object
        An ndarray of a frame, a series, a tensor or a dask array; anything else as it is.

    Raises
    ------
    ArgumentTypeError
        If a column holds no numbers, or an array is needed and there is none to be had.
    ArgumentError
        If an entry is missing or masked.
    ShapeError
        If a block of a dask array is not as its chunks say.

    Examples
    --------
    >>> to_numpy("here", [1, 2])
    [1, 2]
    """
    if isinstance(value, np.ndarray | list | tuple):
        return unmasked(where, value, missing=missing)
    if is_sparse(value):
        raise ArgumentTypeError(
            where, "an array of numbers", f"a sparse {type(value).__name__}", "Write .toarray() behind it."
        )
    if is_frame(value):
        return _frame_to_numpy(where, value, missing)
    if is_dask(value):
        return to_numpy(where, with_checked_blocks(where, value).compute(), missing=missing)
    if hasattr(value, "to_dask_array"):
        fix = "Write .to_dask_array(lengths=True) behind it, or .compute()."
        raise ArgumentTypeError(where, "an array or a frame in memory", "a dask frame", fix)
    if hasattr(type(value), "collect_schema"):
        raise ArgumentTypeError(where, "a frame in memory", "a lazy frame", "Write .collect() behind it.")
    if hasattr(value, "detach"):
        return _tensor_to_numpy(where, value)
    if hasattr(type(value), "to_numpy") and (
        hasattr(type(value), "dtype") or hasattr(type(value), "null_count")
    ):
        return _series_to_numpy(where, value, missing)
    return value


def with_checked_blocks(where: str, array: Any) -> Any:
    """Make the dask array that refuses a block of another shape than its chunks say.

    dask cuts and joins by the chunks alone: rows that a block has beyond them would be dropped
    without a word. So this comes before anything else is done with the array.

    Parameters
    ----------
    where : str
        Names it in the message.
    array : dask array
        The candidate. Sizes that are not known are not compared.

    Returns
    -------
    dask array
        Of the same blocks. Computing one raises ShapeError if it is not as declared.
    """
    # The dtype and the kind of the blocks are known, so that dask does not call the function to find out.
    return array.map_blocks(
        _checked, where=where, dtype=array.dtype, meta=array._meta, enforce_ndim=False, name=None
    )


def _checked(block: Any, *, where: str, block_info: Any = None) -> Any:
    """Compare a block with what dask was told about it."""
    about = block_info[0]
    declared = tuple(stop - start for start, stop in about["array-location"])
    got = tuple(block.shape)
    same = len(got) == len(declared) and all(
        math.isnan(told) or size == told for size, told in zip(got, declared, strict=True)
    )
    if same:
        return block
    place = about["chunk-location"]
    number = place[0] if not any(place[1:]) else place
    place_words = f"{where}, block {number} of the dask array"
    fix = "Declare by chunks= what the blocks have, or call compute_chunk_sizes(), which counts."
    if got[1:] == declared[1:]:
        raise ShapeError(place_words, f"{declared[0]} rows, as its chunks say", f"{got[0]}", fix)
    raise ShapeError(place_words, f"shape {declared}, as its chunks say", f"{got}", fix)


def _frame_to_numpy(where: str, frame: Any, missing: bool) -> Any:
    names, dtypes = list(frame.columns), list(frame.dtypes)
    for name, dtype in zip(names, dtypes, strict=True):
        if not _holds_numbers(dtype):
            raise ArgumentTypeError(
                where, "numbers in every column", f"dtype {dtype} in column {name!r}", _fix_of(dtype)
            )
    if hasattr(frame, "null_count"):
        gaps = [name for name, count in zip(names, frame.null_count().row(0), strict=True) if count]
        if gaps and not missing:
            raise _missing(where, frame[gaps[0]].is_null().to_numpy(), gaps[0])
        found = frame.to_numpy()
        if found.dtype.kind == "O":  # decimals, for instance
            found = np.column_stack([np.asarray(frame[name].to_numpy(), float) for name in names])
        return found
    for index, dtype in enumerate(dtypes):
        if not isinstance(dtype, np.dtype):  # NumPy's have no mark of a missing entry but NaN
            lost = frame.iloc[:, index].isna().to_numpy()
            if lost.any() and missing:
                return frame.to_numpy(dtype=np.float64, na_value=np.nan)
            if lost.any():
                raise _missing(where, lost, names[index])
    # Named, since pandas makes objects of columns of numbers beside columns of truth values.
    kinds = {getattr(dtype, "numpy_dtype", getattr(dtype, "subtype", dtype)) for dtype in dtypes}
    return frame.to_numpy(dtype=np.result_type(*kinds)) if kinds else frame.to_numpy()


def _holds_numbers(dtype: Any) -> bool:
    kind = getattr(dtype, "kind", None)
    if kind is not None:
        return kind in "biuf"
    return bool(dtype.is_numeric()) or str(dtype) == "Boolean"


def _fix_of(dtype: Any) -> str:
    if getattr(dtype, "kind", "") in ("M", "m") or (hasattr(dtype, "is_temporal") and dtype.is_temporal()):
        return "Count the days from a date, or leave the column out."
    fix = "TableEncoder().fit(X) encodes it: Sequential([encoder.layer(), ...], preprocessing=encoder)."
    # Of pandas only: polars has no such columns that it would call objects.
    return (
        f"Write .astype(float) if all its entries are numbers; if not, {fix}"
        if str(dtype) == "object"
        else fix
    )


def _missing(where: str, lost: Any, name: Any) -> ArgumentError:
    return ArgumentError(
        where,
        "no missing entries",
        f"{int(lost.sum())} in column {name!r}, the first in row {int(lost.argmax())}",
        "Fill or drop them before, or let TableEncoder mark them.",
    )


def _series_to_numpy(where: str, series: Any, missing: bool) -> Any:
    """Refuse missing entries, or make them NaN; of other numbers NumPy makes an array by itself."""
    lost = None
    if hasattr(series, "null_count"):  # a method of polars, a number of Arrow
        count = series.null_count() if callable(series.null_count) else series.null_count
        lost = np.asarray(series.is_null()) if count else None
    elif hasattr(series, "isna") and not isinstance(series.dtype, np.dtype):
        lost = np.asarray(series.isna())
    if lost is not None and lost.any() and missing:
        filled = np.full(len(series), np.nan)
        there = np.asarray(series, object)[~lost]
        try:
            filled[~lost] = there.astype(np.float64)
        except (TypeError, ValueError):  # text, which is refused as such
            return there
        return filled
    if lost is not None and lost.any():
        name = getattr(series, "name", None)
        raise ArgumentError(
            where,
            "no missing entries",
            f"{int(lost.sum())} in a series{'' if name is None else f' {name!r}'}, "
            f"the first in row {int(lost.argmax())}",
            "Fill or drop them before.",
        )
    return series.to_numpy() if hasattr(type(series), "dtype") else np.asarray(series)


def _tensor_to_numpy(where: str, tensor: Any) -> Any:
    try:
        return np.asarray(tensor.detach().cpu())
    except (TypeError, RuntimeError):  # bfloat16, sparse layouts
        raise ArgumentTypeError(
            where,
            "a tensor that NumPy can read",
            f"one of dtype {tensor.dtype} and layout {getattr(tensor, 'layout', 'unknown')}",
            "Write .float() or .to_dense() behind it.",
        ) from None
