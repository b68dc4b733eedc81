"""Sums of products whose numbers stand where tables say: what convolutions are made of.

``c[i, j] = sum over k of a[i, k] * b[k, j]``, where row i of `a` begins at one place of memory, number k of
it stands so far behind that, and row i of `c` begins at another place. With rows that overlap this is a
convolution, without a copy of every window for a product of matrices. So many rows, and so many numbers of
each, as the registers of a processor hold are made at a time.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from nnlite.jit.native import loops

__all__ = ["ROWS", "lanes", "tile", "tile_more"]

#: Rows of a tile. A processor begins two sums a cycle, each of which takes four: so eight keep it busy.
ROWS = 8
#: Bytes of a row that are made at a time: those of a register, or of two.
BYTES = 64 if llvmlite.binding.get_host_cpu_features().get("avx512f") else 32

_INT = ir.IntType(64)
_BIT = ir.IntType(1)


@loops
def lanes(itemsize):
    """Return how many numbers of a row a tile has."""
    return BYTES // itemsize


def _masked(builder: Any, name: str, vector: Any, given: Any, result: Any) -> Any:
    """Call LLVM's load or store of some lanes."""
    scalar = "float" if vector.element == ir.FloatType() else "double"
    short = {"float": "f32", "double": "f64"}[scalar]
    function = cgutils.get_or_insert_function(
        builder.module,
        ir.FunctionType(result, [one.type for one in given]),
        f"llvm.masked.{name}.v{vector.count}{short}.p0",
    )
    return builder.call(function, given)


def _make(adds: bool) -> Any:
    def write(typing_context, kind, a, a_rows, depths, depth, b, b_stride, start, c, c_rows, count):
        def generate(context, builder, signature, arguments):
            _, a, a_rows, depths, depth, b, b_stride, start, c, c_rows, count = arguments
            scalar = context.get_value_type(kind)
            size = kind.bitwidth // 8
            width = BYTES // size
            vector = ir.VectorType(scalar, width)

            def words(address):
                return builder.inttoptr(address, _INT.as_pointer())

            def number(address):
                return builder.inttoptr(address, scalar.as_pointer())

            a, b, c, start = number(a), number(b), number(c), number(start)
            a_rows, depths, c_rows = words(a_rows), words(depths), words(c_rows)
            places = [ir.Constant(_INT, place) for place in range(ROWS)]
            of_a = [builder.gep(a, [builder.load(builder.gep(a_rows, [place]))]) for place in places]

            numbered = ir.Constant(ir.VectorType(_INT, width), list(range(width)))
            zero = ir.Constant(ir.IntType(32), 0)

            def splat(value, kind):
                one = builder.insert_element(ir.Constant(kind, ir.Undefined), value, zero)
                order = ir.Constant(ir.VectorType(ir.IntType(32), width), [0] * width)
                return builder.shuffle_vector(one, ir.Constant(kind, ir.Undefined), order)

            nothing = ir.Constant(vector, [0.0] * width)
            mask = builder.icmp_signed("<", numbered, splat(count, ir.VectorType(_INT, width)))
            align = ir.Constant(ir.IntType(32), size)

            def load(place, some):
                place = builder.bitcast(place, vector.as_pointer())
                if some:
                    return _masked(builder, "load", vector, [place, align, mask, nothing], vector)
                return builder.load(place, align=size)

            def store(value, place, some):
                place = builder.bitcast(place, vector.as_pointer())
                if some:
                    _masked(builder, "store", vector, [value, place, align, mask], ir.VoidType())
                else:
                    builder.store(value, place, align=size)

            def through(some):
                first = nothing if adds else load(start, some)
                sums = [cgutils.alloca_once(builder, vector) for _ in places]
                for one in sums:
                    builder.store(first, one)
                with cgutils.for_range(builder, depth) as loop:
                    row = load(builder.gep(b, [builder.mul(loop.index, b_stride)]), some)
                    further = builder.load(builder.gep(depths, [loop.index]))
                    for own, one in zip(of_a, sums, strict=True):
                        factor = splat(builder.load(builder.gep(own, [further])), vector)
                        product = builder.fmul(factor, row, flags=("contract",))
                        total = builder.fadd(builder.load(one), product, flags=("contract",))
                        builder.store(total, one)
                for place, one in zip(places, sums, strict=True):
                    target = builder.gep(c, [builder.load(builder.gep(c_rows, [place]))])
                    value = builder.load(one)
                    if adds:
                        value = builder.fadd(load(target, some), value)
                    store(value, target, some)

            full = builder.icmp_signed("==", count, ir.Constant(_INT, width))
            with builder.if_else(full) as (whole, part):
                with whole:
                    through(some=False)
                with part:
                    through(some=True)
            return context.get_dummy_value()

        return types.void(kind, *[types.int64] * 10), generate

    return intrinsic(write)


#: Of a number whose type says what is multiplied; addresses of `a`, of where its rows begin and of where the
#: numbers of a row stand; how many; the address of `b` and the distance of its rows; the address of what the
#: sums begin with; those of `c` and of where its rows begin; how many numbers of a row there are.
tile = _make(adds=False)
#: The same, added to what is there, one row after the other: rows may overlap. It begins with 0.
tile_more = _make(adds=True)
