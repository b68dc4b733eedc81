"""Which rows of each batch are for which rank."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnlite.core.batches import Cut
from nnlite.training.identity import SAMPLED_ROWS

__all__ = ["AllShards", "OwnRows", "PartOfEach", "PartOfSame"]


class PartOfEach(Cut):
    """Every rank has all rows, draws the same order, and takes its part of each batch.

    So N ranks see the batches that one process sees.

    Parameters
    ----------
    rank, size : int
        Number of this rank, and of how many.

    Examples
    --------
    >>> PartOfEach(0, 2).slices(5, 4), PartOfEach(1, 2).slices(5, 4)
    ([slice(0, 2, None), slice(4, 4, None)], [slice(2, 4, None), slice(4, 5, None)])
    """

    def __init__(self, rank: int, size: int) -> None:
        self.rank = rank
        self.size = size

    def slices(self, rows: int, batch_size: int) -> list[slice]:
        """Cut the part of this rank out of every batch."""
        found = []
        for batch in super().slices(rows, batch_size):
            mine = self.share(batch.stop - batch.start)
            found.append(slice(batch.start + mine.start, batch.start + mine.stop))
        return found

    def share(self, rows: int) -> slice:
        """Return the part of this rank of some rows."""
        return slice(rows * self.rank // self.size, rows * (self.rank + 1) // self.size)


class PartOfSame(PartOfEach):
    """The same for batches that an iterator gives each rank anew: they may differ, so they are noted.

    Attributes
    ----------
    seen : list of (int, int)
        Of each batch since the list was last cleared its rows, and a checksum of a few of them.

    Examples
    --------
    >>> cut = PartOfSame(0, 2)
    >>> cut.note((np.ones((3, 2)), np.ones(3), None))
    >>> [rows for rows, _ in cut.seen]
    [3]
    """

    def __init__(self, rank: int, size: int) -> None:
        super().__init__(rank, size)
        self.seen: list[tuple[int, int]] = []

    def note(self, batch: tuple[Any, ...]) -> None:
        """Append to `seen`."""
        rows = batch[0].shape[0]
        chosen = np.unique(np.linspace(0, max(rows - 1, 0), SAMPLED_ROWS).astype(int))[:rows]
        checksum = 0
        for part in batch:
            if part is not None:
                some = part[chosen]
                some = some.toarray() if hasattr(some, "toarray") else some
                checksum = zlib.crc32(np.ascontiguousarray(some).data, checksum)
        self.seen.append((rows, checksum))


class OwnRows(Cut):
    """Every rank has other rows, its shard, and takes some of them for each batch.

    An epoch has as many batches as the rows of all shards fill, less those that are held out. Each
    rank spreads its rows evenly over them, so shards of different lengths end together.

    Parameters
    ----------
    rank : int
        Number of this rank.
    total : int
        Rows of all shards together.
    training : int
        How many of them are trained on.

    Examples
    --------
    A shard of 3 rows out of 8, in batches of 4 over all ranks:

    >>> OwnRows(0, total=8, training=8).slices(3, 4)
    [slice(0, 1, None), slice(1, 3, None)]
    """

    def __init__(self, rank: int, *, total: int, training: int) -> None:
        self.rank = rank
        self.total = total
        self.training = training

    def slices(self, rows: int, batch_size: int) -> list[slice]:
        """Spread the rows over the batches of an epoch."""
        batches = -(-self.training // batch_size)
        return [slice(rows * i // batches, rows * (i + 1) // batches) for i in range(batches)]

    def order(self, rng: Any, rows: int) -> NDArray[np.int64]:
        """Draw an order of this shard; all ranks draw once from the generator that they have in common."""
        return np.random.default_rng([int(rng.integers(2**63)), self.rank]).permutation(rows)


class AllShards(Cut):
    """One process has all rows; but they were given as a shard, so that several can go on from here.

    Parameters
    ----------
    total : int
        How many rows there are.

    Examples
    --------
    >>> AllShards(total=5).slices(5, 4)
    [slice(0, 4, None), slice(4, 5, None)]
    """

    def __init__(self, *, total: int) -> None:
        self.total = total
