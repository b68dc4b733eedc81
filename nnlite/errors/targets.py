"""Targets that a loss cannot take, and what to write in their place."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnlite.errors import ArgumentError, ArgumentTypeError, ShapeError
from nnlite.errors.arrays import check_array, unmasked
from nnlite.errors.checks import check_finite

__all__ = [
    "check_class_ids",
    "check_class_targets",
    "check_each",
    "check_probabilities",
    "check_same_shape",
    "check_target",
    "check_weight",
    "settle_rows",
    "settle_target",
]

AnyArray = NDArray[Any]


def check_same_shape(loss: object, target_shape: tuple[int, ...], pred_shape: tuple[int, ...]) -> None:
    """Refuse targets that would broadcast against the predictions in the last two axes.

    Examples
    --------
    >>> check_same_shape("MeanSquaredError()", (5,), (5, 1))
    Traceback (most recent call last):
    ...
    nnlite.errors.ShapeError: MeanSquaredError() target: expected shape (5, 1), got (5,). Write
        target[:, None].
    """
    if len(target_shape) >= 2 and target_shape == pred_shape[-len(target_shape) :]:
        return
    if target_shape == pred_shape[-2:-1] and pred_shape[-1] == 1:
        fix = "Write target[:, None]."
    elif target_shape == pred_shape[-2:][::-1]:
        fix = "Write target.T, which has one row for each row of X."
    elif target_shape[1:] == pred_shape:
        fix = "Give the targets without the first axis: all replicas learn the same."
    elif target_shape == pred_shape[-2:-1]:
        fix = "For class ids use SoftmaxCrossEntropy; for one output write target[:, None]."
    elif target_shape[:-1] == pred_shape[-2:-1]:
        fix = "Give the last layer as many outputs as the targets have columns."
    else:
        fix = "Give one target for each row and output."
    raise ShapeError(f"{loss} target", f"shape {pred_shape}", f"{target_shape}", fix)


def check_each(loss: object, target: AnyArray, fits: AnyArray, what: str, fix: str) -> None:
    """Refuse targets of which some do not fit, and name the first of these.

    Examples
    --------
    >>> target = np.array([0.0, 2.0])
    >>> check_each("Hinge()", target, abs(target) == 1, "targets -1 and +1", "Write 2 * target - 1.")
    Traceback (most recent call last):
    ...
    nnlite.errors.ArgumentError: Hinge() target: expected targets -1 and +1, got 0. Write 2 * target - 1.
    """
    if not fits.all():
        raise ArgumentError(f"{loss} target", what, f"{target[~fits][0]:g}", fix)


def check_class_ids(loss: object, ids: AnyArray, classes: int) -> None:
    """Refuse integers that number no class.

    Examples
    --------
    >>> check_class_ids("SoftmaxCrossEntropy()", np.array([0, 1]), 2)
    """
    # As unsigned numbers negative ids are the largest of all, and one look finds both kinds of error.
    if ids.dtype.kind == "b" or np.maximum.reduce(ids.astype(np.uintp), axis=None, initial=0) < classes:
        return
    low, high = int(ids.min()), int(ids.max())
    got, fix = (low, "") if low < 0 else (high, f", or give the last layer {high + 1} outputs")
    what = f"class ids from 0 to {classes - 1}"
    raise ArgumentError(f"{loss} target", what, f"{got}", f"Number the classes from 0{fix}.")


def check_class_targets(loss: object, target: AnyArray, pred_shape: tuple[int, ...], *, ids: bool) -> None:
    """Refuse what is neither ids of classes nor a row of numbers for each row, and a model with one output.

    Examples
    --------
    >>> check_class_targets("SoftmaxCrossEntropy()", np.eye(2), (2, 2), ids=False)
    """
    if pred_shape[-1] < 2:
        what = "one output for each of two or more classes"
        fix = "Give the last layer more outputs, or use BinaryCrossEntropy."
        raise ShapeError(f"{loss}", what, f"{pred_shape[-1]} output", fix)
    if ids:
        check_class_ids(loss, target, pred_shape[-1])
        return
    where, rows = f"{loss} target", pred_shape[-2:-1]
    if target.shape == rows:
        check_finite(where, target)
        what, fix = "class ids that are integers", "Write target.astype(int)."
        if (target != np.rint(target)).any():
            fix = "For numbers use MeanSquaredError, with one output for each; ids number the classes from 0."
        raise ArgumentTypeError(where, what, f"dtype {target.dtype}", fix)
    if target.shape == (*rows, 1):
        what = f"class ids of shape {rows} or rows of shape {pred_shape[-2:]}"
        raise ShapeError(where, what, f"{target.shape}", "Write target[:, 0] for class ids in a column.")
    check_same_shape(loss, target.shape, pred_shape)


def check_probabilities(loss: object, target: AnyArray) -> None:
    """Refuse rows that are no probabilities: at least 0, with a sum of 1.

    Examples
    --------
    >>> check_probabilities("SoftmaxCrossEntropy()", np.array([[0.5, 0.5]]))
    """
    where, fix = f"{loss} target", "Give class ids, one-hot rows, or divide each row by its sum."
    if (target < 0).any():
        place = tuple(int(i) for i in np.argwhere(target < 0)[0])
        raise ArgumentError(where, "probabilities", f"{target[place]:g} at index {place}", fix)
    sums = target.sum(axis=-1)
    wrong = np.abs(sums - 1) > 1e-3
    if wrong.any():
        got = f"a sum of {sums[wrong][0]:g} in row {int(np.argwhere(wrong)[0][-1])}"
        raise ArgumentError(where, "rows of probabilities that sum to 1", got, fix)


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


def check_target(loss: object, target: Any) -> AnyArray:
    """Return targets as an array of numbers, or say what is wrong with them.

    Examples
    --------
    >>> check_target("MeanSquaredError()", [[1], [2]]).shape
    (2, 1)
    """
    if type(target) is np.ndarray and target.dtype.kind in "biuf" and target.ndim and target.size:
        return target  # as `fit` gives it, and without a word for a message
    return check_array(f"{loss} target", target)


def settle_target(loss: object, target: Any, pred_shape: tuple[int, ...], dtype: Any) -> AnyArray:
    """Check targets, and decide what integers are: `check_target`, then `settle_rows`.

    Examples
    --------
    >>> settle_target("SoftmaxCrossEntropy()", [0, 2, 1], (3, 3), np.float32)
    array([0, 2, 1])
    """
    return settle_rows(check_target(loss, target), pred_shape, dtype)


def check_weight(loss: object, weight: Any, rows: tuple[int, ...], dtype: Any) -> AnyArray:
    """Return the weights of rows as an array, or say that there is not one for each.

    Examples
    --------
    >>> check_weight("MeanSquaredError()", [1, 3], (2,), np.float32)
    array([1., 3.], dtype=float32)
    """
    if type(weight) is not np.ndarray:
        weight = unmasked(f"{loss} weight", weight)
    array: AnyArray = np.asarray(weight, dtype)
    if array.ndim < 1 or array.shape != rows[-array.ndim :]:
        raise ShapeError(f"{loss}", f"weight of shape {rows}", f"{array.shape}", "Give one weight a row.")
    return array
