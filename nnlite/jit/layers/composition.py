"""Layers made of layers, compiled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nnlite.core import model as core
from nnlite.core.aliases import Array
from nnlite.core.chain import Chain
from nnlite.jit.kernel import flat
from nnlite.jit.layers import activations, dense
from nnlite.jit.native import loops
from nnlite.jit.program import Backward, Program, SparseBatch
from nnlite.layers import Dense, ParameterGroup, Residual
from nnlite.model import Sequential

__all__ = ["WRITERS"]


#: Multiplications of a batch from which on its buffers are too large for the caches next to a core.
LARGE = 2**20


def _chain(layer: Chain, prefix: str, x: Array, program: Program) -> tuple[Array, Backward]:
    ways: list[Backward] = []
    bias: Array | None = None  # of a product that waits for it
    for index, child in enumerate(layer.children):
        name = f"{prefix}{index}."
        if bias is not None:
            way = activations.IN_PLACE[type(child)](child, x, bias, program)
            bias = None
        elif _is_joined(layer.children[index : index + 3], x, program):
            bias = dense.bias_of(child, name, program)
            x, way = dense.write_product(child, name, x, program, program.array(0))
        else:
            x, way = program.write(child, name, x)
        ways.append(way)

    def back(dy: Array, needed: bool) -> Array:
        for index in reversed(range(len(ways))):
            asked = needed or index > layer._first_learning
            dy = ways[index](dy, asked)
            if not asked:
                break
        return dy

    return x, back


def _is_joined(layers: Sequence[Any], x: Any, program: Program) -> bool:
    """Tell whether an activation is made in place of a product: large, and with one behind that blames it."""
    return (
        program.joins
        and [type(one) for one in layers[::2]] == [Dense, Dense]
        and type(layers[1]) in activations.IN_PLACE
        and not isinstance(x, SparseBatch)
        and program.batch * layers[0].in_features * layers[0].out_features >= LARGE
    )


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


WRITERS = {Residual: _residual, ParameterGroup: _chain, Sequential: _chain, core.Sequential: _chain}
