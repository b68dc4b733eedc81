"""Series and sequences as rows: windows that do not look into the future, and sequences of one length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from nnlite.core.aliases import AnyArray
from nnlite.data.checks import check_rows
from nnlite.data.conversion import is_frame
from nnlite.errors import ArgumentError, ArgumentTypeError, ShapeError
from nnlite.errors.arguments import explained
from nnlite.errors.checks import check_finite, check_integer, check_number

__all__ = ["as_series", "pad_sequences", "windows"]


@explained
def windows(
    series: ArrayLike | Sequence[ArrayLike],
    steps: int,
    *,
    horizon: int = 1,
    stride: int = 1,
    targets: int | str | Sequence[int | str] | None = None,
) -> tuple[AnyArray, AnyArray]:
    """Make rows of a series: some steps as what is known, and those that come next as what is to be told.

    A row never holds a step that is later than the first one of its targets. But neighbouring rows share
    most of their steps: what is held out to measure a forecast must be a later part of the series, cut off
    *before* windows are made, and not rows chosen at random.

    Parameters
    ----------
    series : array_like of shape (time,) or (time, features), or list of such arrays
        Numbers in the order of time, at equal distances. Of several series no window reaches from one into
        another. A list of numbers is one series.
    steps : int
        How many steps a row holds.
    horizon : int
        How many of the steps behind it are its targets.
    stride : int
        How many steps a row begins after the one before it.
    targets : int, str, or sequence of int or of str, optional
        Which columns are to be told, by number, or by name if the series is a frame; all by default.

    Returns
    -------
    X : ndarray of shape (rows, steps, features)
        It is a view of a single series, which holds each number once, and cannot be written to.
    y : ndarray of shape (rows, horizon * targets)
        All columns of the first step, then all of the second one, and so on.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If an argument is no positive integer, or `targets` are no columns of the series.
    ShapeError
        If a series has another number of axes, or fewer than ``steps + horizon`` steps, or several have
        different columns.

    See Also
    --------
    nnlite.forecast : Let a net that was trained on such rows go on by itself.

    Examples
    --------
    >>> X, y = windows([1, 2, 3, 4, 5], 3)
    >>> X[..., 0].tolist(), y.tolist()
    ([[1, 2, 3], [2, 3, 4]], [[4], [5]])

    Two series of two columns, of which the second one is to be told two steps ahead:

    >>> a, b = np.arange(10).reshape(5, 2), np.arange(100, 108).reshape(4, 2)
    >>> X, y = windows([a, b], 2, horizon=2, targets=1)
    >>> X.shape, y.tolist()
    ((3, 2, 2), [[5, 7], [7, 9], [105, 107]])
    """
    steps = check_integer("windows(steps)", steps, low=1)
    horizon = check_integer("windows(horizon=)", horizon, low=1)
    stride = check_integer("windows(stride=)", stride, low=1)
    several = isinstance(series, list | tuple) and len(series) > 0 and _has_steps(series[0])
    parts: list[AnyArray] = []
    for index, one in enumerate(series if several else [series]):  # type: ignore[arg-type]
        where = f"windows(series), series {index}" if several else "windows(series)"
        part = as_series(where, one)
        if len(part) < steps + horizon:
            what = f"at least {steps + horizon} steps, {steps} to look at and {horizon} to tell"
            raise ShapeError(where, what, f"{len(part)}", "Give a longer series, or take fewer steps.")
        if parts and part.shape[1:] != parts[0].shape[1:]:
            what, got = f"{parts[0].shape[1]} columns, as the first has", f"{part.shape[1]}"
            raise ShapeError(where, what, got, "Give series of the same quantities.")
        parts.append(part)
    first: Any = series[0] if several else series  # type: ignore[index]
    chosen = _columns(targets, parts[0].shape[1], list(first.columns) if is_frame(first) else [])
    rows = [_windows(part, steps, horizon, stride, chosen) for part in parts]
    if len(rows) == 1:
        return rows[0]
    inputs, wanted = zip(*rows, strict=True)
    return np.concatenate(inputs), np.concatenate(wanted)


def _windows(
    part: AnyArray, steps: int, horizon: int, stride: int, chosen: list[int]
) -> tuple[AnyArray, AnyArray]:
    """Cut one series."""
    view = np.lib.stride_tricks.sliding_window_view
    X = view(part[: len(part) - horizon], steps, axis=0)[::stride].swapaxes(1, 2)
    y = view(part[steps:, chosen], horizon, axis=0)[::stride].swapaxes(1, 2)
    return X, y.reshape(len(y), -1)


def _columns(targets: Any, features: int, names: list[Any]) -> list[int]:
    """Return the columns that are to be told."""
    if targets is None:
        return list(range(features))
    given: Any = targets if _has_steps(targets) else [targets]
    where = "windows(targets=)"
    for name in given:
        if isinstance(name, str) and name not in names:
            what = f"one of {', '.join(map(str, names))}" if names else "numbers of columns"
            fix = "Use a name from that list." if names else "Names are those of a frame; count from 0."
            raise ArgumentError(where, what, f"{name!r}", fix)
    given = [names.index(one) if isinstance(one, str) else one for one in given]
    columns = [check_integer(where, column) for column in given]
    if not columns or max(columns) >= features or len(set(columns)) < len(columns):
        what = f"different columns from 0 to {features - 1}"
        raise ArgumentError(where, what, f"{targets!r}", "Count them from 0.")
    return columns


def _has_steps(candidate: Any) -> bool:
    """Tell a list, or an array with axes, from a single number; what is in it is looked at later."""
    return isinstance(candidate, list | tuple) or np.ndim(candidate) > 0


def as_series(where: str, series: Any) -> AnyArray:
    """Return a series as an array with an axis of features.

    Parameters
    ----------
    where : str
        Names it in the message.
    series : array_like of shape (time,) or (time, features)
        The candidate.

    Returns
    -------
    ndarray of shape (time, features)

    Raises
    ------
    ShapeError
        If it has another number of axes.

    Examples
    --------
    >>> as_series("here", [1.0, 2.0]).shape
    (2, 1)
    """
    array = check_rows(where, series)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2:
        what = "shape (time,) or (time, features)"
        raise ShapeError(where, what, f"{array.shape}", "Give several series as a list of them.")
    return array


@explained
def pad_sequences(
    sequences: Sequence[ArrayLike],
    *,
    length: int | None = None,
    value: float = 0.0,
    keep: Literal["first", "last"] | None = None,
) -> AnyArray:
    """Bring sequences of different lengths to one, by steps of padding behind their ends.

    Layers over time that are told so, ``GRU(..., padding=0.0)``, take such steps for none.

    Parameters
    ----------
    sequences : sequence of array_like, each of shape (time,) or (time, features)
        Ids of tokens, or numbers. One of no steps may be an empty list.
    length : int, optional
        How many steps each is to have; those of the longest one by default.
    value : float
        What the padding consists of. No sequence may end in a step of nothing else, which could not be told
        from padding. NaN fills up targets, for `SequenceLoss`.
    keep : {"first", "last"}, optional
        Which steps are kept of a sequence that is longer than `length`. Without it such a one is refused.

    Returns
    -------
    ndarray of shape (rows, length) or (rows, length, features)

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If `length` is no positive integer, a sequence holds NaN or infinity, is longer, or ends in what means
        padding, which is no finite number that such sequences can hold.
    ShapeError
        If there are no sequences, none has a step, or they have different features.

    Examples
    --------
    >>> pad_sequences([[5, 3, 8], [2], []])
    array([[5, 3, 8],
           [2, 0, 0],
           [0, 0, 0]])
    """
    if not isinstance(sequences, list | tuple):
        fix = "Write list(sequences)."
        raise ArgumentTypeError("pad_sequences(sequences)", "a list", f"{type(sequences).__name__}", fix)
    arrays = []
    for index, sequence in enumerate(sequences):
        listed = isinstance(sequence, list | tuple)
        empty = not sequence if listed else np.shape(sequence)[:1] == (0,)
        where = f"pad_sequences(sequences), sequence {index}"
        array = None if empty else check_rows(where, sequence)
        if array is not None:
            check_finite(where, array)
        arrays.append(array)
    known = [array for array in arrays if array is not None]
    if not known:
        fix = "Give at least one with a step."
        raise ShapeError("pad_sequences(sequences)", "sequences with steps", "none", fix)
    if keep is not None and not (isinstance(keep, str) and keep in ("first", "last")):
        fix = 'Write keep="last" to cut off the start.'
        raise ArgumentError("pad_sequences(keep=)", '"first" or "last"', f"{keep!r}", fix)
    longest = max(map(len, known))
    length = longest if length is None else check_integer("pad_sequences(length=)", length, low=1)
    dtype = np.result_type(*(one.dtype for one in known))
    value = _check_value(value, dtype)
    padded = np.full((len(arrays), length, *known[0].shape[1:]), value, dtype)
    for index, array in enumerate(arrays):
        if array is None:
            continue
        where = f"pad_sequences(sequences), sequence {index}"
        if array.shape[1:] != known[0].shape[1:] or array.ndim > 2:
            what = f"steps of shape {known[0].shape[1:]}, as those of the others"
            what = what if known[0].ndim < 3 else "steps that are numbers, or rows of them"
            raise ShapeError(where, what, f"{array.shape[1:]}", "Give steps of the same features.")
        if len(array) > length and keep is None:
            fix = 'Write keep="last", or leave length= out.'
            raise ArgumentError(where, f"at most {length} steps", f"{len(array)}", fix)
        array = array[-length:] if keep == "last" else array[:length]
        if np.all(array[-1] == value):
            what = f"a last step that is not all {value!r}, which means padding"
            raise ArgumentError(where, what, f"{array[-1].tolist()}", "Choose another value=.")
        padded[index, : len(array)] = array
    return padded


def _check_value(value: Any, dtype: np.dtype[Any]) -> Any:
    """Return what padding consists of, or refuse what sequences of a dtype cannot hold."""
    where = "pad_sequences(value=)"
    if isinstance(value, float | np.floating) and np.isnan(value) and dtype.kind == "f":
        return value  # of targets that are missing
    number = check_number(where, value)
    with np.errstate(all="ignore"):
        held = np.asarray(number).astype(dtype)
    if dtype.kind in "iub" and held != number:
        whole = "a whole number" if number % 1 else f"one that {dtype} holds,"
        fix = "Write a whole number." if number % 1 else "Choose another one, or give sequences of int64."
        raise ArgumentError(where, f"{whole} beside whole numbers", f"{value!r}", fix)
    if not np.isfinite(held):
        raise ArgumentError(where, f"a finite number of {dtype}", f"{value!r}", "Choose a smaller one.")
    return value
