"""The order of the rows, as a function of the user's says it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nnlite.errors import ArgumentError

__all__ = ["Order"]


class Order:
    """A user's function that says in which order the rows come, in the place of a generator.

    Parameters
    ----------
    draw : callable (int) -> array-like of int
        From the number of rows to an order of them.

    Examples
    --------
    >>> from nnlite.core.batches import Batches
    >>> data = Batches((np.arange(3),), batch_size=2, rng=Order(lambda rows: range(rows)[::-1]))
    >>> [x.tolist() for (x,) in data]
    [[2, 1], [0]]
    """

    #: Whether rows came in their own order each time, as without a function; None before the first time.
    sorted: bool | None = None

    def __init__(self, draw: Callable[[int], ArrayLike]) -> None:
        self.draw = draw

    def permutation(self, rows: int) -> NDArray[np.int64]:
        """Return the order of the next pass.

        Parameters
        ----------
        rows : int
            How many there are.

        Returns
        -------
        ndarray of shape (rows,)

        Raises
        ------
        ArgumentError, ArgumentTypeError
            If the function gave no order of all rows.
        """
        order = np.asarray(self.draw(rows))
        whole = order.shape == (rows,) and order.dtype.kind in "iu"
        in_order = np.arange(rows)
        if not whole or not np.array_equal(np.sort(order), in_order):
            raise ArgumentError(
                "fit(shuffle=)",
                f"a function that gives each number from 0 to {rows - 1} once, for {rows} rows",
                f"an array of shape {order.shape} and dtype {order.dtype}"
                + (", in which numbers are missing" if whole else ""),
                "Write shuffle=True for random orders, or return rng.permutation(rows), for instance.",
            )
        self.sorted = self.sorted is not False and np.array_equal(order, in_order)
        return order.astype(np.int64, copy=False)
