"""Dropout, compiled; its noise is a stream of its own.

Which numbers are dropped follows from the key of the step, which is drawn from the training's own generator,
by Philox4x32-10: the number at place i of the batch, of the l-th layer that makes noise, is word ``i % 4`` of
the block of counter ``(i // 4, l, 0, 0)``. So it depends on no other number, and on no number of threads.

References
----------
J. Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011.
"""

from __future__ import annotations

import numpy as np
from numba import uint32, uint64

from nnlite.core.aliases import Array
from nnlite.jit.kernel import LOW, flat, number, step, word
from nnlite.jit.native import loops
from nnlite.jit.program import Backward, Program
from nnlite.layers import Dropout

__all__ = ["WRITERS", "philox"]


@loops
def _times(factor, value):
    """Return the upper and the lower half of a product of two 32-bit numbers."""
    product = uint64(factor) * uint64(value)
    return uint32(product >> uint64(32)), uint32(product)


@loops
def philox(c0, c1, key):
    """Return the four numbers of a block: ten rounds, in which each half goes through a product."""
    k0, k1 = uint32(key), uint32(key >> 32)
    a, b, c, d = uint32(c0), uint32(c1), uint32(0), uint32(0)
    for _ in range(10):
        high, low = _times(0xD2511F53, a)
        high2, low2 = _times(0xCD9E8D57, c)
        a, b, c, d = high2 ^ b ^ k0, low2, high ^ d ^ k1, low
        k0, k1 = uint32(k0 + uint32(0x9E3779B9)), uint32(k1 + uint32(0xBB67AE85))
    return a, b, c, d


@loops
def forward(x, mask, y, rate, key, layer, first_row, columns):
    """Drop some numbers, and divide the others by the share that stays."""
    kept = x.dtype.type(1 / (1 - rate))
    zero = x.dtype.type(0)
    limit = uint32(min(rate * 4294967296.0, 4294967295.0))
    # The share of a thread may begin inside of a block.
    start = first_row * columns
    for block in range(start // 4, (start + x.size + 3) // 4):
        a, b, c, d = philox(block, layer, key)
        place = block * 4 - start
        if place >= 0 and place + 4 <= x.size:
            mask[place] = kept if a >= limit else zero
            mask[place + 1] = kept if b >= limit else zero
            mask[place + 2] = kept if c >= limit else zero
            mask[place + 3] = kept if d >= limit else zero
        else:
            for more in range(4):
                if 0 <= place + more < x.size:
                    drawn = a if more == 0 else b if more == 1 else c if more == 2 else d
                    mask[place + more] = kept if drawn >= limit else zero
    for i in range(x.size):
        y[i] = x[i] * mask[i]


@loops
def backward(mask, dy, dx):
    """Let the blame through where the signal went through."""
    for i in range(dy.size):
        dx[i] = dy[i] * mask[i]


def _dropout(layer: Dropout, prefix: str, x: Array, program: Program) -> tuple[Array, Backward]:
    if not program.training or not (rate := program.read(layer, "rate")):  # nothing is drawn either
        return x, lambda dy, needed: dy
    mask, y = program.like(x), program.like(x)
    keys, place = program.noise()
    columns = int(np.prod(x.shape[2:]))
    program.add(
        forward,
        flat(x),
        flat(mask),
        flat(y),
        number(rate),
        step(keys),
        word(place),
        LOW,
        word(columns),
    )

    def back(dy: Array, needed: bool) -> Array:
        if not needed:
            return dy
        dx = program.like(x)
        program.add(backward, flat(mask), flat(dy), flat(dx))
        return dx

    return y, back


WRITERS = {Dropout: _dropout}
