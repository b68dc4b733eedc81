"""The average over the rows of a batch, in which some may count more than others, and some not at all."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlite.core.aliases import AnyArray, Array, Value
from nnlite.errors.targets import check_weight

__all__ = ["average", "clear", "in_place_of_others", "row_shares", "stand_ins", "take_rows"]


def row_shares(loss: object, weight: Array | None, pred: Array, part: float = 1.0) -> float | Array:
    """Return the share of each row in the average: its weight over the sum of the weights, times `part`.

    Parameters
    ----------
    loss : Loss
        Named in messages.
    weight : ndarray of shape (batch,) or (replicas, batch), or None
        How much each row counts; None for all the same, whose share is one number.
    pred : ndarray of shape (..., batch, outputs)
        Has the rows.
    part : float
        1 over the outputs, where an average over those is taken too.

    Examples
    --------
    >>> row_shares("here", np.array([1.0, 3.0]), np.zeros((2, 1)))
    array([[0.25],
           [0.75]])
    """
    rows = pred.shape[:-1]
    if weight is None:
        return float(part / rows[-1])
    weight = check_weight(loss, weight, rows, pred.dtype)
    total = weight.sum(axis=-1, keepdims=True)
    # A batch in which no row counts has loss 0 and gradient 0, not 0 / 0.
    return (weight / np.where(total > 0, total, 1) * part)[..., None]


def average(values: Array, shares: float | Array) -> Value:
    """Add up the values of all rows and outputs, each times the share of its row.

    Examples
    --------
    >>> average(np.array([[4.0], [8.0]]), np.array([[0.25], [0.75]]))
    7.0
    """
    # Where all shares are equal, one sum and then one product. np.add.reduce is np.sum less 1 us of wrapping.
    total: Any
    if isinstance(shares, float):
        total = np.add.reduce(values, axis=(-2, -1)) * shares
    else:
        total = np.add.reduce(clear(values * shares, shares), axis=(-2, -1))
    return float(total) if values.ndim == 2 else total


def in_place_of_others(
    pred: Array, target: AnyArray, shares: float | Array, *, ids: bool = False
) -> tuple[Array, AnyArray]:
    """Put a row that counts in the place of each of weight 0, whose loss may overflow or be no number."""
    rows = None if isinstance(shares, float) else stand_ins(shares[..., 0])
    if rows is None:
        return pred, target
    return take_rows(pred, rows, pred.ndim - 2), take_rows(target, rows, target.ndim - (1 if ids else 2))


def clear(array: Array, shares: float | Array) -> Array:
    """Make 0 of what rows of weight 0 have come to; where none counts, nothing could stand in."""
    if not isinstance(shares, float) and not shares.all():
        np.copyto(array, 0, where=shares == 0)
    return array


def stand_ins(weight: AnyArray) -> AnyArray | None:
    """Find a row that counts to stand in for each of weight 0, by its number; None if all count.

    What such a row brings about may overflow, and nothing times infinity is no number. In its place another
    one brings about nothing, exactly.

    Examples
    --------
    >>> stand_ins(np.array([0.0, 0.5, 0.0, 2.0]))
    array([1, 1, 1, 3])
    """
    counts = weight > 0
    if counts.all():
        return None
    first = counts.argmax(axis=-1)
    return np.where(counts, np.arange(weight.shape[-1]), first[..., None])


def take_rows(array: Any, rows: AnyArray, axis: int) -> Any:
    """Take rows of a batch, along their axis, by their numbers: ``(rows,)``, or ``(replicas, rows)`` of each.

    Examples
    --------
    >>> take_rows(np.array([[1.0], [2.0]]), np.array([[0, 0], [1, 1]]), 0)[..., 0]
    array([[1., 1.],
           [2., 2.]])
    """
    if rows.ndim == 1:
        return array[(*(slice(None),) * axis, rows)]
    if axis == 0:
        return array[rows]
    ahead, behind = axis + 1 - rows.ndim, array.ndim - axis - 1
    return np.take_along_axis(array, rows.reshape(*(1,) * ahead, *rows.shape, *(1,) * behind), axis)
