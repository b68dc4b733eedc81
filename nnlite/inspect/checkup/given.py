"""Rows that have been checked and cast, as the doctor hands them around."""

from __future__ import annotations

from typing import Any, NamedTuple

from nnlite.core.aliases import AnyArray, Array

__all__ = ["Data", "take"]


class Data(NamedTuple):
    """Rows that have been checked and cast.

    Parameters
    ----------
    x : ndarray or CSR matrix
        The input.
    y : ndarray or None
        The targets; None if they are refused.
    weight : ndarray or None
        How much each row counts.

    Examples
    --------
    >>> import numpy as np
    >>> len(Data(np.zeros((3, 2)), None, None).x)
    3
    """

    x: Any
    y: Any
    weight: Array | None


def take(data: Data, rows: AnyArray) -> Data:
    """Pick rows.

    Parameters
    ----------
    data : Data
        What to pick from.
    rows : ndarray of int
        Which.

    Returns
    -------
    Data

    Examples
    --------
    >>> import numpy as np
    >>> take(Data(np.arange(6).reshape(3, 2), np.arange(3), None), np.array([2])).x
    array([[4, 5]])
    """
    return Data(
        data.x[rows],
        None if data.y is None else data.y[rows],
        None if data.weight is None else data.weight[rows],
    )
