"""Sums of products, and largest numbers, of what stands where tables say: convolution and pooling.

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

__all__ = ["ROWS", "lanes", "most", "tile", "tile_more"]

#: Rows of a tile. A processor begins two sums a cycle, each of which takes four: so eight keep it busy.
ROWS = 8
#: Bytes of a row that are made at a time: those of a register, or of two.
BYTES = 64 if llvmlite.binding.get_host_cpu_features().get("avx512f") else 32


@loops
def lanes(itemsize):
    """Return how many numbers of a row a tile has."""
    return BYTES // itemsize


_INT = ir.IntType(64)
_SHORT = ir.IntType(32)


class _Lanes:
    """What is written for several numbers beside each other: as many as a tile has, or some of them."""

    def __init__(self, context: Any, builder: Any, kind: Any) -> None:
        self.builder = builder
        self.scalar = context.get_value_type(kind)
        self.size = kind.bitwidth // 8
        self.count = BYTES // self.size
        self.vector = ir.VectorType(self.scalar, self.count)
        self.nothing = ir.Constant(self.vector, [0.0] * self.count)

    def numbers(self, address: Any) -> Any:
        """See an address as a list of numbers."""
        return self.builder.inttoptr(address, self.scalar.as_pointer())

    def words(self, address: Any) -> Any:
        """See an address as a list of words."""
        return self.builder.inttoptr(address, _INT.as_pointer())

    def at(self, array: Any, place: Any) -> Any:
        """Read an element."""
        return self.builder.load(self.builder.gep(array, [place]))

    def splat(self, value: Any, scalar: Any) -> Any:
        """Put the same number into all."""
        vector = ir.VectorType(scalar, self.count)
        unset, first = ir.Constant(vector, ir.Undefined), ir.Constant(_SHORT, 0)
        one = self.builder.insert_element(unset, value, first)
        return self.builder.shuffle_vector(
            one, unset, ir.Constant(ir.VectorType(_SHORT, self.count), [0] * self.count)
        )

    def numbered(self, scalar: Any) -> Any:
        """Return 0, 1, 2 and so on."""
        return ir.Constant(ir.VectorType(scalar, self.count), list(range(self.count)))

    def each(self, given: Any, write: Any) -> None:
        """Write a piece of code twice: for all, and for as many as are given."""
        full = self.builder.icmp_signed("==", given, ir.Constant(_INT, self.count))
        mask = self.builder.icmp_signed("<", self.numbered(_INT), self.splat(given, _INT))
        with self.builder.if_else(full) as (whole, part):
            with whole:
                write(None)
            with part:
                write(mask)

    def load(self, place: Any, mask: Any) -> Any:
        """Read numbers; those that the mask leaves out are 0."""
        place = self.builder.bitcast(place, self.vector.as_pointer())
        if mask is None:
            return self.builder.load(place, align=self.size)
        given = [place, ir.Constant(_SHORT, self.size), mask, self.nothing]
        return self._call("load", self.vector, given, self.vector)

    def store(self, value: Any, place: Any, mask: Any) -> None:
        """Write numbers, of floats or of 32 bits; those that the mask leaves out stay as they are."""
        size = 4 if value.type.element == _SHORT else self.size
        place = self.builder.bitcast(place, value.type.as_pointer())
        if mask is None:
            self.builder.store(value, place, align=size)
        else:
            given = [value, place, ir.Constant(_SHORT, size), mask]
            self._call("store", value.type, given, ir.VoidType())

    def _call(self, name: str, vector: Any, given: Any, result: Any) -> Any:
        short = {ir.FloatType(): "f32", ir.DoubleType(): "f64", _SHORT: "i32"}[vector.element]
        kind = ir.FunctionType(result, [one.type for one in given])
        name = f"llvm.masked.{name}.v{self.count}{short}.p0"
        return self.builder.call(cgutils.get_or_insert_function(self.builder.module, kind, name), given)


def _make(adds: bool) -> Any:
    def write(typing_context, kind, a, a_rows, depths, depth, b, b_stride, start, c, c_rows, count):
        def generate(context, builder, signature, arguments):
            _, a, a_rows, depths, depth, b, b_stride, start, c, c_rows, count = arguments
            of = _Lanes(context, builder, kind)
            a, b, c, start = map(of.numbers, (a, b, c, start))
            a_rows, depths, c_rows = map(of.words, (a_rows, depths, c_rows))
            places = [ir.Constant(_INT, place) for place in range(ROWS)]
            of_a = [builder.gep(a, [of.at(a_rows, place)]) for place in places]

            def through(mask):
                first = of.nothing if adds else of.load(start, mask)
                sums = [cgutils.alloca_once_value(builder, first) for _ in places]
                with cgutils.for_range(builder, depth) as loop:
                    row = of.load(builder.gep(b, [builder.mul(loop.index, b_stride)]), mask)
                    further = of.at(depths, loop.index)
                    for own, one in zip(of_a, sums, strict=True):
                        product = builder.fmul(of.splat(of.at(own, further), of.scalar), row, ("contract",))
                        builder.store(builder.fadd(builder.load(one), product, ("contract",)), one)
                for place, one in zip(places, sums, strict=True):
                    target, value = builder.gep(c, [of.at(c_rows, place)]), builder.load(one)
                    of.store(builder.fadd(of.load(target, mask), value) if adds else value, target, mask)

            of.each(count, through)
            return context.get_dummy_value()

        return types.void(kind, *[types.int64] * 10), generate

    return intrinsic(write)


#: Of a number whose type says what is multiplied; addresses of `a`, of where its rows begin and of where the
#: numbers of a row stand; how many; the address of `b` and the distance of its rows; the address of what the
#: sums begin with; those of `c` and of where its rows begin; how many numbers of a row there are.
tile = _make(adds=False)
#: The same, added to what is there, one row after the other: rows may overlap. It begins with 0.
tile_more = _make(adds=True)


@intrinsic
def most(typing_context, kind, x, begin, places, size, y, chosen, count):
    """Find the largest of the numbers at some places behind a first one, for several beside each other.

    Given are a number whose type says of which; the address of the numbers, how many stand before the first
    place, the address of the places, how many; the addresses of the answer and, as 32 bits, of where each was
    found, the first of equals; how many there are beside each other. NaN is the largest of all.
    """

    def generate(context, builder, signature, arguments):
        _, x, begin, places, size, y, chosen, count = arguments
        of = _Lanes(context, builder, kind)
        x, y, places = of.numbers(x), of.numbers(y), of.words(places)
        chosen = builder.inttoptr(chosen, _SHORT.as_pointer())

        def look(number, mask):
            place = builder.add(begin, of.at(places, number))
            there = builder.add(of.splat(builder.trunc(place, _SHORT), _SHORT), of.numbered(_SHORT))
            return of.load(builder.gep(x, [place]), mask), there

        def through(mask):
            largest, where = (
                cgutils.alloca_once_value(builder, one) for one in look(ir.Constant(_INT, 0), mask)
            )
            with cgutils.for_range(builder, builder.sub(size, ir.Constant(_INT, 1))) as loop:
                value, there = look(builder.add(loop.index, ir.Constant(_INT, 1)), mask)
                so_far = builder.load(largest)
                more = builder.fcmp_unordered(">", value, so_far)
                takes = builder.and_(more, builder.fcmp_ordered("ord", so_far, so_far))
                builder.store(builder.select(takes, value, so_far), largest)
                builder.store(builder.select(takes, there, builder.load(where)), where)
            of.store(builder.load(largest), y, mask)
            of.store(builder.load(where), chosen, mask)

        of.each(count, through)
        return context.get_dummy_value()

    return types.void(kind, *[types.int64] * 7), generate
