"""Checks of rows, targets and weights, shared by the whole package."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nnlite.core.aliases import AnyArray
from nnlite.data.conversion import to_numpy
from nnlite.errors import ArgumentError, ArgumentTypeError, ShapeError
from nnlite.errors.arrays import check_array

__all__ = [
    "check_ids",
    "check_labels",
    "check_rows",
    "check_weight",
    "is_own",
]


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
    >>> from nnlite.data.checks import check_rows
    >>> check_rows("here", [[1, 2], [3, 4]]).shape
    (2, 2)
    """
    if type(value) is np.ndarray and value.dtype.kind in "biuf" and value.ndim and value.size:
        return value  # as most are
    if not isinstance(value, np.ndarray | list | tuple):
        value = to_numpy(where, value, missing=missing)
    return check_array(where, value, missing=missing)


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
    >>> from nnlite.data.checks import check_ids
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
    >>> from nnlite.data.checks import check_labels
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
    >>> from nnlite.data.checks import check_weight
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
