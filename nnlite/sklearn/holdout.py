"""Which rows are kept out of training: to stop in time by, or to calibrate with."""

from __future__ import annotations

import math

import numpy as np
from sklearn.model_selection import train_test_split

from nnlite.core.aliases import AnyArray
from nnlite.data.splits import HeldOut
from nnlite.errors import ArgumentError

__all__ = ["by_class", "counting", "cut"]


def counting(Y: AnyArray, weight: AnyArray | None) -> AnyArray:
    """Find the rows that say something: those of a weight above 0 of which a target is known.

    Parameters
    ----------
    Y : ndarray of shape (rows, columns)
        The targets; NaN where one is missing.
    weight : ndarray of shape (rows,) or None
        How much each row counts.

    Returns
    -------
    ndarray of int
        Their places.

    Examples
    --------
    >>> counting(np.array([[1.0], [np.nan], [2.0]]), np.array([1.0, 1.0, 0.0]))
    array([0])
    """
    known = ~np.isnan(Y).all(axis=1) if Y.dtype.kind == "f" else np.ones(len(Y), bool)
    return np.flatnonzero(known if weight is None else known & (weight > 0))


def cut(
    Y: AnyArray,
    weight: AnyArray | None,
    fraction: float,
    random_state: np.random.RandomState,
    *,
    stratify: AnyArray | None = None,
) -> tuple[AnyArray, AnyArray]:
    """Draw the rows to hold out as scikit-learn draws them, from those that say something.

    Parameters
    ----------
    Y : ndarray of shape (rows, columns)
        The targets; NaN where one is missing.
    weight : ndarray of shape (rows,) or None
        How much each row counts.
    fraction : float
        Which part to hold out.
    random_state : numpy.random.RandomState
        Draws them.
    stratify : ndarray of shape (rows,) or (rows, 1), optional
        What both parts are to have in equal proportions.

    Returns
    -------
    train, held_out : ndarray of int
        Places of the rows. Those that say nothing stay in the first part.

    Raises
    ------
    ValueError
        If there are too few.

    Examples
    --------
    >>> train, held_out = cut(np.zeros((4, 1)), np.array([1, 1, 0, 0]), 0.5, np.random.RandomState(0))
    >>> sorted(train.tolist()), len(held_out)
    ([0, 2, 3], 1)
    """
    rows = counting(Y, weight)
    if len(rows) < min(2, len(Y)):
        raise ArgumentError(
            "fit",
            "two rows or more with a target and a weight above 0, to hold out a part of them",
            f"{len(rows)} in {len(Y)} rows",
            "Give more.",
        )
    size: float | int = fraction
    if len(rows) < len(Y):  # as many as can judge, if so many would be held out of all rows
        enough = min(2, math.ceil(len(Y) * fraction))
        size = min(max(enough, math.ceil(len(rows) * fraction)), len(rows) - 1)
    train, held_out = train_test_split(
        rows,
        random_state=random_state,
        test_size=size,
        stratify=None if stratify is None else stratify[rows],
    )
    return np.concatenate([train, np.setdiff1d(np.arange(len(Y)), rows)]), held_out


def by_class(
    ids: AnyArray,
    weight: AnyArray | None,
    fraction: float,
    random_state: np.random.RandomState,
    *,
    where: str,
) -> tuple[AnyArray, AnyArray]:
    """Draw the same part of each class; one too rare for that stays in training.

    Parameters
    ----------
    ids : ndarray of int of shape (rows,)
        The class of each row.
    weight : ndarray of shape (rows,) or None
        How much each row counts. Rows of weight 0 stay in training too.
    fraction : float
        Which part to hold out.
    random_state : numpy.random.RandomState
        Draws the rows.
    where : str
        Names the parameter in messages.

    Returns
    -------
    train, held_out : ndarray of int
        Places of the rows.

    Raises
    ------
    ArgumentError
        If no row would be held out.

    Examples
    --------
    >>> ids = np.array([0, 0, 0, 0, 1, 1, 2])
    >>> _, held_out = by_class(ids, None, 0.4, np.random.RandomState(0), where="here")
    >>> sorted(ids[held_out].tolist())
    [0, 0, 1]
    """
    rows = counting(ids[:, None], weight)
    try:
        _, drawn = HeldOut(fraction, classes=ids[rows]).split(random_state.permutation(len(rows)))
    except ArgumentError as error:
        fix = "Give more rows, or another fraction."
        raise ArgumentError(where, error.expected, error.got, fix) from None
    return np.setdiff1d(np.arange(len(ids)), rows[drawn]), rows[drawn]
