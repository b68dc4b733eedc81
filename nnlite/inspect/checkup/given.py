"""Rows that have been checked and cast, as the doctor hands them around."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from nnlite.core.aliases import AnyArray, Array

__all__ = ["Data", "batches", "take"]


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


def batches(data: Data, size: int, steps: int, seed: int = 0) -> Iterator[Data]:
    """Give the batches of a trial: rows in random order, the same in every trial.

    Parameters
    ----------
    data : Data
        The rows; those that are left at the end of an epoch, and are too few for a batch, are left out.
    size : int
        Rows in a batch; all, if there are fewer.
    steps : int
        How many batches.
    seed : int
        Another gives another order.

    Yields
    ------
    Data

    Examples
    --------
    >>> import numpy as np
    >>> [batch.x.tolist() for batch in batches(Data(np.arange(3), None, None), 2, 2)]
    [[2, 0], [2, 1]]
    """
    rows = data.x.shape[0]
    size = min(size, rows)
    order, queue = np.random.default_rng(seed), np.empty(0, np.intp)
    for _ in range(steps):
        if len(queue) < size:
            queue = order.permutation(rows)
        chosen, queue = queue[:size], queue[size:]
        yield take(data, chosen)
