"""Batches: the rows of a data set, some at a time, in a new order for every epoch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnlite.core.aliases import AnyArray

__all__ = ["GATHERED", "WHOLE", "Batches", "Cut"]


class Cut:
    """How rows come to be batches: one behind the other, all of each; several processes share by a subclass.

    Attributes
    ----------
    total : int or None
        Rows of all processes together, if they have different ones; None if all have the same.

    Examples
    --------
    >>> Cut().slices(5, 2)
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """

    total: int | None = None

    def note(self, batch: tuple[Any, ...]) -> None:
        """Take note of a batch from a user's iterator, before it is shared out.

        Parameters
        ----------
        batch : tuple
            Inputs, targets, and weights or None.
        """

    def slices(self, rows: int, batch_size: int) -> list[slice]:
        """Cut an order of the rows.

        Parameters
        ----------
        rows : int
            How many there are.
        batch_size : int
            Rows in a batch.

        Returns
        -------
        list of slice
            One for each batch.
        """
        return [slice(start, min(start + batch_size, rows)) for start in range(0, rows, batch_size)]

    def order(self, rng: Any, rows: int) -> NDArray[np.int64]:
        """Draw an order of the rows.

        Parameters
        ----------
        rng : Generator, or what has its ``permutation``
            Draws it.
        rows : int
            How many there are.

        Returns
        -------
        ndarray of shape (rows,) or (replicas, rows)
        """
        return rng.permutation(rows)  # type: ignore[no-any-return]

    def share(self, rows: int) -> slice:
        """Return which of some rows, such as those of a block, are for this process.

        Parameters
        ----------
        rows : int
            How many there are.

        Returns
        -------
        slice
        """
        return slice(0, rows)


#: Bytes of small batches that are gathered at a time, and then cut: less than what the cache holds.
GATHERED = 262_144

#: All rows are for this process.
WHOLE = Cut()


class Batches:
    """The rows of a data set, some at a time; `batches` makes one.

    It can be iterated any number of times, and its length is the number of batches. Small batches are
    gathered some at a time: what changes in `arrays` while they are gone through may be seen a little later.

    Parameters
    ----------
    arrays : tuple of ndarray of shape (rows, ...), or objects with its `take`
        Cut together, along the first axis.
    batch_size : int
        The rows in a batch; the last batch holds what is left.
    rng : Generator, or what has its ``permutation``, or None
        Draws a new order for every pass, or one for each replica; None keeps the order of
        the rows.
    own : tuple of bool, optional
        Of each array, whether it has an axis of replicas in front of its rows: other data
        for each. By default none has.
    cut : Cut
        Which rows each batch has.

    Attributes
    ----------
    rows : int
        The number of rows in a pass.
    batch_size : int
        The number of rows in every batch but the last.

    Examples
    --------
    >>> import numpy as np
    >>> from nnlite.core.batches import Batches
    >>> data = Batches((np.arange(5),), batch_size=2, rng=None)
    >>> [x.tolist() for (x,) in data]
    [[0, 1], [2, 3], [4]]
    """

    def __init__(
        self,
        arrays: tuple[AnyArray, ...],
        *,
        batch_size: int,
        rng: Any,
        own: tuple[bool, ...] = (),
        cut: Cut = WHOLE,
    ) -> None:
        own = own or (False,) * len(arrays)
        self._rng = rng
        self._cut = cut
        self._in_order = rng is None and not any(own)
        self.batch_size = batch_size
        self.rows = int(arrays[0].shape[own[0]])
        self._arrays = arrays if self._in_order else tuple(map(_as_one_list, arrays, own))
        # Where the rows of each replica begin in the one long list.
        starts = [np.arange(0, len(array), self.rows)[:, None] for array in self._arrays]
        self._starts = [start if mine else None for start, mine in zip(starts, own, strict=True)]
        self._slices = cut.slices(self.rows, batch_size)
        plain = cut is WHOLE and not any(own) and all(isinstance(array, np.ndarray) for array in arrays)
        size = sum(array[:batch_size].nbytes for array in arrays) if plain else GATHERED
        self._together = max(1, GATHERED // max(1, size))

    def __len__(self) -> int:
        return len(self._slices)

    def __iter__(self) -> Iterator[tuple[AnyArray, ...]]:
        if self._in_order:
            return (tuple([array[part] for array in self._arrays]) for part in self._slices)
        # A user's function is called here: the generator would turn its StopIteration into something else.
        order = self._cut.order(self._rng, self.rows) if hasattr(self._rng, "draw") else None
        return self._in(order)

    def _in(self, order: AnyArray | None) -> Iterator[tuple[AnyArray, ...]]:
        if order is None:
            order = np.arange(self.rows) if self._rng is None else self._cut.order(self._rng, self.rows)
        drawn = list(zip(self._arrays, self._starts, strict=True))
        together = self._together if order.ndim == 1 else 1
        for first in range(0, len(self._slices), together):
            parts = self._slices[first : first + together]
            begin = parts[0].start
            rows = order[..., begin : parts[-1].stop]
            # The method: the function np.take costs four times as much on small batches.
            taken = tuple([a.take(rows if start is None else rows + start, 0) for a, start in drawn])
            if together == 1:
                yield taken
                continue
            for part in parts:
                yield tuple([a[part.start - begin : part.stop - begin] for a in taken])

    def __repr__(self) -> str:
        return f"Batches({self.rows} rows, {len(self)} batches of {self.batch_size})"


def _as_one_list(array: Any, own: bool) -> Any:
    """Make one long, contiguous list of rows: of others `take` would copy all for every batch."""
    if not isinstance(array, np.ndarray):
        return array.as_one_list() if own else array
    return np.ascontiguousarray(array.reshape(-1, *array.shape[2:]) if own else array)
