"""Layers made of layers, compiled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nnlite.core import model as core
from nnlite.core.aliases import AnyArray, Array
from nnlite.core.chain import Chain
from nnlite.jit.kernel import flat, rows, whole, word
from nnlite.jit.layers import activations, dense
from nnlite.jit.layers.steps import as_rows, joined, with_padding, write_lengths
from nnlite.jit.native import loops
from nnlite.jit.program import Backward, Program, SparseBatch
from nnlite.layers import (
    Add,
    Columns,
    Concatenate,
    Dense,
    Multiply,
    ParameterGroup,
    Residual,
    TimeDistributed,
)
from nnlite.layers.composition import Branches
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
            names = dense.names_of(child, name)
            bias = dense.bias_of(names[1], program)
            x, way = dense.write_product(*names, x, program, program.array(0))
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


@loops
def multiply(a, b, y):
    """Compute ``a * b``."""
    for i in range(y.size):
        y[i] = a[i] * b[i]


def _residual(layer: Residual, prefix: str, x: Array, program: Program) -> tuple[Array, Backward]:
    through, way = _chain(layer, prefix, x, program)
    y = _each(add, [x, through], program)
    return y, lambda dy, needed: _sum([dy, way(dy, needed)], program) if needed else _only(way, dy)


def _only(way: Backward, dy: Array) -> Array:
    way(dy, False)
    return dy


def _each(kernel: Any, parts: Sequence[Array], program: Program) -> Array:
    """Write what makes one of several arrays of one shape, two and two."""
    y = parts[0]
    for part in parts[1:]:
        both = program.like(y)
        program.add(kernel, flat(y), flat(part), flat(both))
        y = both
    return y


def _sum(parts: Sequence[Array], program: Program) -> Array:
    return _each(add, parts, program)


def _branches(
    layer: Branches, prefix: str, x: Array, program: Program
) -> tuple[list[Array], Callable[[Callable[[int], Array], bool], Array]]:
    """Write the branches; what writes their way back takes what writes the blame for each."""
    found = [program.write(child, f"{prefix}{index}.", x) for index, child in enumerate(layer.children)]

    def back(blame: Callable[[int], Array], needed: bool) -> Array:
        through = [
            way(blame(index), needed)
            for index, (_, way) in enumerate(found)
            if needed or layer.children[index].parameter_names
        ]
        return _sum(through, program) if needed else x  # nobody asks for it

    return [y for y, _ in found], back


def _add(layer: Add, prefix: str, x: Array, program: Program) -> tuple[Array, Backward]:
    parts, back = _branches(layer, prefix, x, program)
    return _sum(parts, program), lambda dy, needed: back(lambda _: dy, needed)


def _multiply(layer: Multiply, prefix: str, x: Array, program: Program) -> tuple[Array, Backward]:
    parts, back = _branches(layer, prefix, x, program)

    def way(dy: Array, needed: bool) -> Array:
        return back(lambda one: _each(multiply, [dy, *parts[:one], *parts[one + 1 :]], program), needed)

    return _each(multiply, parts, program), way


@loops
def put(part, y, start):
    """Copy to some columns of each row."""
    for i in range(len(part)):
        for j in range(part.shape[1]):
            for k in range(part.shape[2]):
                y[i, j, start + k] = part[i, j, k]


@loops
def cut(y, part, start):
    """Copy some columns of each row."""
    for i in range(len(part)):
        for j in range(part.shape[1]):
            for k in range(part.shape[2]):
                part[i, j, k] = y[i, j, start + k]


def _by_columns(array: Array) -> Array:
    """See samples as tables: (nets, batch, lines, columns)."""
    return array.reshape(*array.shape[:2], -1, array.shape[-1])


def _concatenate(layer: Concatenate, prefix: str, x: Array, program: Program) -> tuple[Array, Backward]:
    parts, back = _branches(layer, prefix, x, program)
    starts = np.cumsum([0, *(part.shape[-1] for part in parts)]).tolist()
    y = program.buffer(*parts[0].shape[2:-1], starts[-1])
    for part, start in zip(parts, starts, strict=False):
        program.add(put, rows(_by_columns(part)), rows(_by_columns(y)), word(start))

    def way(dy: Array, needed: bool) -> Array:
        def blame(one: int) -> Array:
            own = program.like(parts[one])
            program.add(cut, rows(_by_columns(dy)), rows(_by_columns(own)), word(starts[one]))
            return own

        return back(blame, needed)

    return y, way


@loops
def pick(x, places, y):
    """Take some columns."""
    for i in range(len(y)):
        for j in range(places.size):
            y[i, j] = x[i, places[j]]


@loops
def pick_back(dy, places, dx):
    """Blame those, and no other."""
    for i in range(len(dx)):
        for j in range(dx.shape[1]):
            dx[i, j] = dx.dtype.type(0)
        for j in range(places.size):
            dx[i, places[j]] = dy[i, j]


def _columns(layer: Columns, prefix: str, x: Array, program: Program) -> tuple[Array, Backward]:
    places = whole(np.array(layer.numbers, np.int64)[None])
    y = program.buffer(len(layer.numbers))
    program.add(pick, rows(x), places, rows(y))

    def back(dy: Array, needed: bool) -> Array:
        if not needed:
            return dy
        dx = program.like(x)
        program.add(pick_back, rows(dy), places, rows(dx))
        return dx

    return y, back


@loops
def weigh(weight, lengths, y):
    """Weigh each step as its row, and padding not at all; an array that is empty says nothing."""
    for i in range(len(y)):
        for j in range(y.shape[1]):
            there = lengths.size == 0 or j < lengths[i]
            y[i, j] = y.dtype.type(0) if not there else weight[i] if weight.size else y.dtype.type(1)


def _time_distributed(
    layer: TimeDistributed, prefix: str, x: Array, program: Program
) -> tuple[Array, Backward]:
    padding = program.read(layer, "padding")
    lengths = None if padding is None else write_lengths(x, padding, program)
    weight = _step_weight(x, lengths, program)
    ways: list[Backward] = []

    def forward(parts: Array) -> Array:
        y, way = _chain(layer, prefix, parts, program)
        ways.append(way)
        return y

    y = as_rows(forward, with_padding(x, lengths, 0.0, program), program, weight)
    (way,) = ways

    def back(dy: Array, needed: bool) -> Array:
        blame = with_padding(dy, lengths, 0.0, program)
        dx = as_rows(lambda part: way(part, needed), blame, program, weight)
        return with_padding(dx, lengths, 0.0, program) if needed else dy

    return with_padding(y, lengths, padding or 0.0, program), back


def _step_weight(x: Array, lengths: AnyArray | None, program: Program) -> Array | None:
    """Write how much each step counts; None if all do alike."""
    if lengths is None and program.row_weight is None:
        return None
    weight = program.buffer(x.shape[2])
    given, known = (
        whole(program.array(0, dtype=array_dtype)) if array is None else rows(array)
        for array, array_dtype in ((program.row_weight, None), (lengths, np.int64))
    )
    program.add(weigh, given, known, rows(weight))
    return joined(weight)


WRITERS = {
    Add: _add,
    Columns: _columns,
    Concatenate: _concatenate,
    Multiply: _multiply,
    ParameterGroup: _chain,
    Residual: _residual,
    TimeDistributed: _time_distributed,
    Sequential: _chain,
    core.Sequential: _chain,
}
