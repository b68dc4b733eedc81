"""Arrays of dask: their chunks are a promise about their blocks, held to when a block is computed."""

from __future__ import annotations

import math
from typing import Any

from nnlite.errors import ShapeError

__all__ = ["is_dask", "with_checked_blocks"]


def is_dask(x: Any) -> bool:
    """Tell whether something is an array of dask.

    Parameters
    ----------
    x : object
        The candidate.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_dask([0.0])
    False
    """
    return all(hasattr(type(x), name) for name in ("__dask_graph__", "blocks", "chunks"))


def with_checked_blocks(where: str, array: Any) -> Any:
    """Make the dask array that refuses a block of another shape than its chunks say.

    dask cuts and joins by the chunks alone: rows that a block has beyond them would be dropped
    without a word. So this comes before anything else is done with the array.

    Parameters
    ----------
    where : str
        Names it in the message.
    array : dask array
        The candidate. Sizes that are not known are not compared.

    Returns
    -------
    dask array
        Of the same blocks. Computing one raises ShapeError if it is not as declared.
    """
    # The dtype and the kind of the blocks are known, so that dask does not call the function to find out.
    return array.map_blocks(
        _checked, where=where, dtype=array.dtype, meta=array._meta, enforce_ndim=False, name=None
    )


def _checked(block: Any, *, where: str, block_info: Any = None) -> Any:
    """Compare a block with what dask was told about it."""
    about = block_info[0]
    declared = tuple(stop - start for start, stop in about["array-location"])
    got = tuple(block.shape)
    same = len(got) == len(declared) and all(
        math.isnan(told) or size == told for size, told in zip(got, declared, strict=True)
    )
    if same:
        return block
    place = about["chunk-location"]
    number = place[0] if not any(place[1:]) else place
    place_words = f"{where}, block {number} of the dask array"
    fix = "Declare by chunks= what the blocks have, or call compute_chunk_sizes(), which counts."
    if got[1:] == declared[1:]:
        raise ShapeError(place_words, f"{declared[0]} rows, as its chunks say", f"{got[0]}", fix)
    raise ShapeError(place_words, f"shape {declared}, as its chunks say", f"{got}", fix)
