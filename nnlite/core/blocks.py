"""The flat arrays as optimizers go over them: in blocks that stay in the cache, and cut to a length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nnlite.core.aliases import Array
from nnlite.core.parameters import Parameters

__all__ = ["Block", "blocks_of", "clip_to_norm"]

#: Values, gradients, weight decay, which replicas they are of, and what a rule keeps for them.
Block = tuple[Array, Array, float | Array, slice, list[Array]]

#: Values that are updated in one go: few enough that the half-dozen arrays of a rule stay in the cache.
CHUNK = 131_072


def blocks_of(params: Parameters, decay: float | Array, state: Sequence[Array]) -> list[Block]:
    """Cut all that is trainable into blocks: whole replicas if they are small, else parts of one.

    They are views of values, gradients and `state`, what is kept for them, so what changes in them changes
    there. If there is weight decay, each lies on one side of the border between weights and biases, on which
    none acts.

    Examples
    --------
    >>> from nnlite.core.parameters import ParameterSpec
    >>> params = Parameters([ParameterSpec("W", (2, 3)), ParameterSpec("b", (3,), decay=False)])
    >>> [(len(w), decay) for w, g, decay, nets, state in blocks_of(params, 0.01, [])]
    [(6, 0.01), (3, 0.0)]
    """
    border = params.decayed if np.any(decay) else 0
    blocks = []
    for run in params.trainable_slices:
        middle = min(max(border, run.start), run.stop)
        blocks += _cut(params, run.start, middle, decay, state)
        blocks += _cut(params, middle, run.stop, 0.0, state)
    return blocks


def _cut(
    params: Parameters, low: int, high: int, decay: float | Array, state: Sequence[Array]
) -> list[Block]:
    if isinstance(decay, np.ndarray):
        decay = decay.astype(params.dtype)[:, None]
    replicas = params.replicas or 1
    # Rows that lie far apart in memory get in each other's way in the cache: 64 slices of a
    # row of 4,547 values take four times as long as the same number of values side by side.
    height = max(1, CHUNK // max(1, high - low))
    blocks = []
    for top in range(0, replicas, height):
        nets = slice(top, min(top + height, replicas))
        for start in range(low, high, CHUNK):
            columns = slice(start, min(start + CHUNK, high))
            part: Any = columns if params.replicas is None else (nets, columns)
            pulled = decay[nets] if isinstance(decay, np.ndarray) else decay
            kept = [array[part] for array in state]
            blocks.append((params.values[part], params.grads[part], pulled, nets, kept))
    return blocks


def clip_to_norm(params: Parameters, limit: float) -> None:
    """Scale the gradient down if its Euclidean norm is above a limit: ``g *= limit / max(norm, limit)``.

    The norm is over all trainable parameters, with replicas of each one.

    Examples
    --------
    >>> from nnlite.core.parameters import ParameterSpec
    >>> params = Parameters([ParameterSpec("W", (2,))])
    >>> params.grads[...] = [3.0, -4.0]
    >>> clip_to_norm(params, 1.0)
    >>> params.grads
    array([ 0.6, -0.8], dtype=float32)
    """
    # In float64, where neither the squares of float32 nor the division overflow. NaN stays and shows.
    squares = [
        np.square(params.grads[..., run], dtype=np.float64).sum(axis=-1) for run in params.trainable_slices
    ]
    norm = np.sqrt(np.sum(squares, axis=0))[..., None]
    factor = limit / np.maximum(norm, limit)
    params.grads *= factor.astype(params.dtype)
