"""Shards: the rows of a data set that one rank has, and the others have not."""

from __future__ import annotations

from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from nnlite.core.aliases import AnyArray
from nnlite.data.checks import check_rows
from nnlite.distributed.cuts import PartOfEach
from nnlite.distributed.world import rank, size
from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.files.safetensors import check_path

__all__ = ["Shard", "shard"]


class Shard:
    """Rows that this rank has and no other; `shard` makes one of a file that all ranks see.

    ``fit(..., distributed=True)`` takes shards in the place of `X`, `y` and `weight`, and of those
    of ``validation=(X, y)``. Alone, a shard holds all rows.

    Parameters
    ----------
    rows : array-like of shape (rows, ...)
        Any rows that `fit` takes: an array, also a memory-mapped one, a frame, a sparse matrix.

    Attributes
    ----------
    rows : array-like
        What was given.

    Examples
    --------
    >>> Shard(np.ones((5, 2)))
    Shard(5 rows on rank 0 of 1)
    """

    def __init__(self, rows: Any) -> None:
        if isinstance(rows, Shard):
            raise ArgumentTypeError("Shard(rows)", "rows", "a Shard", "It is one already.")
        if not hasattr(rows, "__getitem__") or not getattr(rows, "shape", ()):
            rows = check_rows("Shard(rows)", rows)
        self.rows = rows

    def __array__(self, *arguments: Any, **options: Any) -> AnyArray:
        raise ArgumentTypeError(
            "Shard",
            "fit(..., distributed=True), which knows that these are some of the rows",
            "a shard in the place of an array",
            "Write distributed=True, or take its rows: shard.rows.",
        )

    def __len__(self) -> int:
        return int(self.rows.shape[0])

    def __repr__(self) -> str:
        return f"Shard({len(self)} rows on rank {rank()} of {size()})"


def shard(path_or_array: str | PathLike[str] | ArrayLike) -> Shard:
    """Take the rows of this rank out of a file, or out of an array.

    Rank r of N has rows ``n * r // N`` to ``n * (r + 1) // N`` of n. Those of a file stay there:
    they are memory-mapped, and read batch by batch.

    Parameters
    ----------
    path_or_array : str, path-like, or array-like of shape (rows, ...)
        An ``.npy`` file that `numpy.save` wrote, or rows in memory.

    Returns
    -------
    Shard

    Raises
    ------
    ArgumentError, ArgumentTypeError
        If it is no array of numbers, or has fewer rows than there are ranks.
    OSError
        If the file cannot be read.

    Examples
    --------
    Alone, it is all rows:

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "X.npy"
    ...     np.save(path, np.arange(6.0).reshape(3, 2))
    ...     len(shard(path))
    3
    """
    array: AnyArray
    where = "distributed.shard"
    if isinstance(path_or_array, str | PathLike):
        path = check_path(where, path_or_array)
        try:
            # NumPy maps plain numbers only, and never runs what a file says.
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except (ValueError, EOFError):
            raise ArgumentError(
                f"{where}({path.name!r})",
                "an .npy file of numbers",
                "something else",
                "Write it with numpy.save.",
            ) from None
        if not isinstance(array, np.ndarray):  # of an .npz there are several
            raise ArgumentError(
                f"{where}({path.name!r})", "one array", "an archive of arrays", "Write it with numpy.save."
            )
    else:
        array = check_rows(where, path_or_array)
    if array.ndim < 1 or len(array) < size():
        raise ArgumentError(
            where,
            f"at least one row for each of {size()} ranks",
            f"shape {array.shape}",
            "Start fewer ranks, or give more rows.",
        )
    return Shard(array[PartOfEach(rank(), size()).share(len(array))])
