"""Checks of what a user gives, shared by the whole package: each returns the value or says what is wrong."""

from __future__ import annotations

import math
import operator
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nnlite._typing import AnyArray, Array
from nnlite.errors import ArgumentError, ArgumentTypeError, ShapeError
from nnlite.foreign import to_numpy

__all__ = [
    "check_bool",
    "check_dtype",
    "check_finite",
    "check_ids",
    "check_instance",
    "check_integer",
    "check_labels",
    "check_number",
    "check_numbers",
    "check_rng",
    "check_rows",
    "check_weight",
    "is_finite",
    "is_own",
    "not_finite",
    "settle_rows",
]


def check_instance(where: str, value: Any, kind: Any, what: str, *, fix: str, arguments: str = "") -> None:
    """Refuse what is no object of a kind; for a class itself, write the call that makes one.

    Examples
    --------
    >>> check_instance("here", 0.5, float, "a number", fix="Write one.")
    """
    if not isinstance(value, kind):
        got = f"{value!r}"
        if isinstance(value, type):
            got, fix = f"the class {value.__name__}", f"Write {value.__name__}({arguments})."
        raise ArgumentTypeError(where, what, got, fix)


def check_bool(where: str, value: Any) -> bool:
    """Return `value` as a Python bool; nothing else counts as true or false.

    Parameters
    ----------
    where : str
        Names the argument in the message.
    value : object
        The candidate.

    Returns
    -------
    bool

    Raises
    ------
    ArgumentTypeError
        If it is neither True nor False.

    Examples
    --------
    >>> check_bool("Dense(bias=)", np.True_)
    True
    """
    if not isinstance(value, bool | np.bool_):
        raise ArgumentTypeError(where, "True or False", f"{value!r}", "Give a bool.")
    return bool(value)


def check_number(
    where: str,
    value: Any,
    *,
    low: float = -np.inf,
    high: float = np.inf,
    low_open: bool = False,
    high_open: bool = False,
) -> float:
    """Return `value` as a Python float, or say what was wrong with it.

    A Python float is what the arithmetic needs: a ``np.float64`` scalar would
    promote a whole float32 array. An array or a tensor without axes holds a number too.

    Parameters
    ----------
    where : str
        Names the argument in the message, such as ``"SGD(momentum=)"``.
    value : object
        The candidate.
    low, high : float
        The limits of the interval.
    low_open, high_open : bool
        Whether the limit itself is excluded.

    Returns
    -------
    float

    Raises
    ------
    ArgumentTypeError
        If `value` is no real number.
    ArgumentError
        If it is not finite or outside the interval.
    """
    anything = (low, high) == (-np.inf, np.inf)
    what = "a finite number"
    if not anything and high == np.inf:
        what += f" {'above' if low_open else 'of at least'} {low:g}"
    elif not anything:
        what += f" in {'(' if low_open else '['}{low:g}, {high:g}{')' if high_open else ']'}"
    if isinstance(value, bool | np.bool_) or not (isinstance(value, Real) or _holds_a_number(value)):
        raise ArgumentTypeError(where, what, f"{value!r}", "Give a plain number.")
    try:
        number = float(value.detach() if hasattr(value, "detach") else value)
    except OverflowError:  # an int or a fraction that no float can hold
        number = np.inf
    too_low = number <= low if low_open else number < low
    too_high = number >= high if high_open else number > high
    if not np.isfinite(number) or too_low or too_high:
        fix = "Give an ordinary number." if anything else "Give a number in that range."
        raise ArgumentError(where, what, f"{number:g}", fix)
    return number


def _holds_a_number(value: Any) -> bool:
    """Tell whether it is an array or a tensor without axes, of any library, around one real number."""
    kind = getattr(getattr(value, "dtype", None), "kind", "f")  # a tensor of PyTorch has no kinds
    return (
        hasattr(type(value), "__float__")
        and getattr(value, "ndim", None) == 0
        and kind in "iufV"  # V: bfloat16 of JAX
        and not any(word in str(value.dtype) for word in ("bool", "complex"))
    )


def check_numbers(where: str, value: Any, *, low: float = 0.0, low_open: bool = False) -> float | Array:
    """Return one number as a Python float, or one number a replica as a float64 array.

    Parameters
    ----------
    where : str
        Names the argument in the message.
    value : object
        The candidate: a number, or a sequence of them.
    low : float
        The lower limit.
    low_open : bool
        Whether the limit itself is excluded.

    Returns
    -------
    float, or ndarray of shape (replicas,)
        The array is a copy that cannot be written.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If they are no finite numbers, or below the limit.
    ShapeError
        If an array has another number of axes than one, or no entries.

    Examples
    --------
    >>> check_numbers("SGD(learning_rate)", 1), check_numbers("SGD(learning_rate)", [0.1, 1])
    (1.0, array([0.1, 1. ]))
    """
    if not isinstance(value, list | tuple) and not getattr(value, "ndim", 0):
        return check_number(where, value, low=low, low_open=low_open)
    array = check_rows(where, value)
    if array.ndim != 1:
        raise ShapeError(
            where,
            "a number, or shape (replicas,)",
            f"shape {array.shape}",
            "Give one number for each replica.",
        )
    numbers = np.array([check_number(where, number, low=low, low_open=low_open) for number in array.tolist()])
    numbers.flags.writeable = False
    return numbers


def check_integer(where: str, value: Any, *, low: int = 0) -> int:
    """Return `value` as a Python int that is at least `low`.

    Parameters
    ----------
    where : str
        Names the argument in the message.
    value : object
        The candidate.
    low : int
        The smallest integer that is allowed.

    Returns
    -------
    int

    Raises
    ------
    ArgumentTypeError
        If `value` is no integer.
    ArgumentError
        If it is below `low`.
    """
    what = f"an integer of at least {low}"
    found: Any = value
    if getattr(value, "ndim", None) == 0 and _holds_a_number(value):
        found = value.item()
    if isinstance(found, bool | np.bool_) or not isinstance(found, Integral):
        raise ArgumentTypeError(where, what, f"{value!r}", "Give a whole number.")
    number = operator.index(found)
    if number < low:
        raise ArgumentError(where, what, f"{number}", f"Give {low} or more.")
    return number


def check_rng(where: str, value: Any) -> np.random.Generator:
    """Return ``np.random.default_rng(value)``, with an error in nnlite's form.

    Parameters
    ----------
    where : str
        Names the argument in the message.
    value : int, Generator, SeedSequence or None
        The seed.

    Returns
    -------
    numpy.random.Generator

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If NumPy takes no such seed.
    """
    what = "a non-negative integer, a numpy.random.Generator or None"
    fix = "Give a seed such as 0, or np.random.default_rng(0)."
    try:
        return np.random.default_rng(value)
    except TypeError:
        raise ArgumentTypeError(where, what, f"{value!r}", fix) from None
    except ValueError:
        raise ArgumentError(where, what, f"{value!r}", fix) from None


def check_dtype(where: str, dtype: Any) -> np.dtype[np.floating[Any]]:
    """Return the dtype if it is float32 or float64, and say so if it is not.

    Parameters
    ----------
    where : str
        Names the argument in the message.
    dtype : dtype-like
        The candidate.

    Returns
    -------
    numpy.dtype

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If it is no dtype, or another one.

    Examples
    --------
    >>> check_dtype("Sequential(dtype=)", "float64")
    dtype('float64')
    """
    fix = "Use np.float32 for speed or np.float64 for gradient checks."
    try:
        if dtype is None:  # which NumPy takes for float64
            raise TypeError
        found: np.dtype[Any] = np.dtype(dtype)
    except TypeError:
        raise ArgumentTypeError(where, "float32 or float64", f"{dtype!r}", fix) from None
    if found not in (np.float32, np.float64):
        raise ArgumentError(where, "float32 or float64", f"{found}", fix)
    return np.dtype(found.type)  # NumPy's own, of which a copied one is a slower equal


def check_finite(where: str, array: Array) -> None:
    """Refuse NaN and infinity, and say where the first one is.

    Parameters
    ----------
    where : str
        Names the array in the message.
    array : ndarray
        The candidate.

    Raises
    ------
    ArgumentError
        If a value is not finite.

    Examples
    --------
    >>> check_finite("X", np.array([1.0, 2.0]))
    """
    if not is_finite(array):
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise not_finite(where, array[place], place)


def is_finite(array: Array) -> bool:
    """Tell whether an array holds neither NaN nor infinity.

    Examples
    --------
    >>> is_finite(np.array([1.0, np.inf]))
    False
    """
    # One pass without a temporary array. Squares of finite numbers can overflow, so look again then.
    if array.flags.c_contiguous:
        total = np.vdot(array, array)  # 0.7 us where a sum takes 3: no warning that must be kept quiet
    else:
        with np.errstate(over="ignore", invalid="ignore"):
            total = np.add.reduce(array, axis=None)
    return math.isfinite(total) or bool(np.isfinite(array).all())


def not_finite(where: str, value: np.floating[Any], place: tuple[int, ...]) -> ArgumentError:
    """Make the error for a number that is not finite.

    Parameters
    ----------
    where : str
        Names the array in the message.
    value : NumPy number
        What is not finite.
    place : tuple of int
        Where it is.

    Returns
    -------
    ArgumentError

    Examples
    --------
    >>> str(not_finite("X", np.float32("nan"), (3, 0)))
    'X: expected finite numbers, got NaN at index (3, 0). Fill or drop such values before.'
    """
    kind = "NaN" if np.isnan(value) else f"infinity (or a number too large for {value.dtype})"
    return ArgumentError(
        where, "finite numbers", f"{kind} at index {place}", "Fill or drop such values before."
    )


def check_rows(where: str, value: ArrayLike, *, missing: bool = False) -> AnyArray:
    """Return `value` as an array of numbers with at least one row.

    Parameters
    ----------
    where : str
        Names the argument in the message, such as ``"batches(X=)"``.
    value : array_like of shape (rows, ...)
        The candidate: an array, which is returned as it is, a list, a frame or a series of
        pandas or polars, a tensor of PyTorch, or a dask array.
    missing : bool
        Whether NaN stands for a missing number here, as in the targets of `Masked`. Masked entries,
        and what frames and series mark as missing, then become NaN; otherwise they are refused.

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
        If an entry is masked, in an array or in a list, or missing in a table.

    Examples
    --------
    >>> from nnlite.checks import check_rows
    >>> check_rows("here", [[1, 2], [3, 4]]).shape
    (2, 2)
    """
    try:
        array = np.asarray(to_numpy(where, value, missing=missing))
    except ArgumentError:
        raise
    except ValueError:
        raise ShapeError(
            where, "rows of one length", "rows of different lengths", "Cut or pad them to one length."
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


def check_ids(where: str, value: ArrayLike, *, classes: int | None = None) -> NDArray[np.int64]:
    """Return `value` as an array of class ids: integers that count from 0.

    Parameters
    ----------
    where : str
        Names the argument in the message, such as ``"one_hot(ids=)"``.
    value : array_like of shape (rows,)
        The candidate. Truth values count as the ids 0 and 1.
    classes : int or None
        The number of classes; None puts no upper limit on an id.

    Returns
    -------
    ndarray of shape (rows,)
        Of dtype int64.

    Raises
    ------
    ArgumentTypeError
        If the dtype is no integer.
    ShapeError
        If it is not one-dimensional or is empty.
    ArgumentError
        If an id is negative, or `classes` or more.

    Examples
    --------
    >>> from nnlite.checks import check_ids
    >>> check_ids("here", [0, 3], classes=3)
    Traceback (most recent call last):
    ...
    nnlite.errors.ArgumentError: here: expected class ids from 0 to 2, got 3 in row 1.
        Ids count from 0; np.unique(y, return_inverse=True)[1] makes them so.
    """
    ids = check_labels(where, check_rows(where, value))
    wrong = ids < 0 if classes is None else (ids < 0) | (ids >= classes)
    if wrong.any():
        row = int(wrong.argmax())
        what = "class ids of at least 0" if classes is None else f"class ids from 0 to {classes - 1}"
        fix = "Ids count from 0; np.unique(y, return_inverse=True)[1] makes them so."
        raise ArgumentError(where, what, f"{ids[row]} in row {row}", fix)
    return ids


def check_labels(where: str, ids: AnyArray) -> NDArray[np.int64]:
    """Return an array as labels: one integer a row, of any sign.

    Parameters
    ----------
    where : str
        Names the argument in the message.
    ids : ndarray of shape (rows,)
        The candidate.

    Returns
    -------
    ndarray of shape (rows,)
        Of dtype int64.

    Raises
    ------
    ArgumentTypeError
        If the dtype is no integer.
    ShapeError
        If it is not one-dimensional.

    Examples
    --------
    >>> from nnlite.checks import check_labels
    >>> check_labels("here", np.array([-1, 1]))
    array([-1,  1])
    """
    if ids.ndim != 1:
        fix = "Write [:, 0] behind the column." if ids.shape[1:] == (1,) else "Give one id for each row."
        raise ShapeError(where, "class ids of shape (rows,)", f"shape {ids.shape}", fix)
    if ids.dtype.kind == "f":
        fix = "Write .astype(int) behind them if they are whole numbers."
        raise ArgumentTypeError(where, "class ids of an integer dtype", f"dtype {ids.dtype}", fix)
    return ids.astype(np.int64, copy=False)


def check_weight(where: str, value: ArrayLike, *, rows: tuple[int, ...], part: bool = False) -> AnyArray:
    """Return `value` as an array of per-row weights.

    Parameters
    ----------
    where : str
        Names the argument in the message, such as ``"accuracy(weight=)"``.
    value : array_like of shape `rows`
        The candidate. Axes at the front, those of replicas, may be missing.
    rows : tuple of int
        What must be weighted: ``(rows,)`` or ``(replicas, rows)``.
    part : bool
        Whether there are more rows than these, so that all of these may weigh 0.

    Returns
    -------
    ndarray of the shape of `value`

    Raises
    ------
    ArgumentTypeError
        If it holds anything but real numbers.
    ShapeError
        If the shape differs.
    ArgumentError
        If a weight is negative or not finite, or all are zero and there are no more rows.

    Examples
    --------
    >>> from nnlite.checks import check_weight
    >>> check_weight("here", [0.5, 2.0], rows=(2,))
    array([0.5, 2. ])
    """
    weight = check_rows(where, value)
    if weight.shape != rows[-weight.ndim :]:
        fix = "Give one weight for each row."
        raise ShapeError(where, f"weights of shape {rows}", f"shape {weight.shape}", fix)
    wrong = ~(np.isfinite(weight) & (weight >= 0))
    if wrong.any():
        place = tuple(np.argwhere(wrong)[0])
        what = "finite weights of at least 0"
        raise ArgumentError(
            where, what, f"{weight[place]} in row {place[-1]}", "Use 0 for a row to leave out."
        )
    if not part and not weight.any(axis=-1).all():
        raise ArgumentError(where, "a weight above 0", "only zeros", "Give some row a weight.")
    return weight


def is_own(target: AnyArray, pred_shape: tuple[int, ...]) -> bool:
    """Tell whether targets have an axis of replicas: other targets for each.

    Parameters
    ----------
    target : ndarray
        Targets that fit the predictions, after `settle_rows`: integers in two axes are class
        ids for each replica.
    pred_shape : tuple of int
        ``(rows, outputs)`` or ``(replicas, rows, outputs)``.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_own(np.zeros((5, 2)), (3, 5, 2)), is_own(np.zeros((3, 5, 2)), (3, 5, 2))
    (False, True)
    """
    if len(pred_shape) < 3 or target.shape[:2] != pred_shape[:2]:
        return False
    return target.ndim > 2 or target.dtype.kind in "iub"  # class ids have no axis for outputs


def settle_rows(target: AnyArray, pred_shape: tuple[int, ...], dtype: Any) -> AnyArray:
    """Decide what integers are where as many replicas as rows as outputs leave it open: rows of outputs.

    Parameters
    ----------
    target : ndarray
        All targets, as the user gives them. Of a single batch nobody could tell.
    pred_shape : tuple of int
        ``(rows, outputs)`` or ``(replicas, rows, outputs)``.
    dtype : dtype
        That of the model.

    Returns
    -------
    ndarray
        Rows of outputs as `dtype`, so that they are no integers any more; others as they are.

    Examples
    --------
    >>> settle_rows(np.eye(3, dtype=int), (3, 3, 3), np.float32).dtype
    dtype('float32')
    >>> settle_rows(np.arange(3), (3, 3, 3), np.float32)
    array([0, 1, 2])
    """
    open_question = len(pred_shape) > 2 and target.shape == pred_shape[:2] == pred_shape[-2:]
    return target.astype(dtype) if open_question and target.dtype.kind in "iub" else target
