"""Layers made of layers, compiled."""

from __future__ import annotations

from nnlite.core import model as core
from nnlite.core.aliases import Array
from nnlite.core.chain import Chain
from nnlite.jit.kernel import flat
from nnlite.jit.native import loops
from nnlite.jit.program import Backward, Program
from nnlite.layers import Residual
from nnlite.model import Sequential

__all__ = ["WRITERS"]


def _chain(layer: Chain, prefix: str, x: Array, program: Program) -> tuple[Array, Backward]:
    ways = []
    for index, child in enumerate(layer.children):
        x, way = program.write(child, f"{prefix}{index}.", x)
        ways.append(way)

    def back(dy: Array, needed: bool) -> Array:
        for index in reversed(range(len(ways))):
            asked = needed or index > layer._first_learning
            dy = ways[index](dy, asked)
            if not asked:
                break
        return dy

    return x, back


@loops
def add(a, b, y):
    """Compute ``a + b``."""
    for i in range(y.size):
        y[i] = a[i] + b[i]


def _residual(layer: Residual, prefix: str, x: Array, program: Program) -> tuple[Array, Backward]:
    through, way = _chain(layer, prefix, x, program)
    y = program.like(through)
    program.add(add, flat(x), flat(through), flat(y))

    def back(dy: Array, needed: bool) -> Array:
        through = way(dy, needed)
        if not needed:
            return dy
        dx = program.like(dy)
        program.add(add, flat(dy), flat(through), flat(dx))
        return dx

    return y, back


WRITERS = {Residual: _residual, Sequential: _chain, core.Sequential: _chain}
