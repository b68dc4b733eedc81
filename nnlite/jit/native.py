"""What compiled code needs and Python has no word for: arrays at an address, calls of one, meetings."""

from __future__ import annotations

import ctypes
import platform
import sys
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import carray, types
from numba.core import cgutils
from numba.extending import intrinsic, overload

__all__ = [
    "OPTIONS",
    "SUMMING",
    "WORDS",
    "at",
    "bits",
    "compiled",
    "count_up",
    "flush",
    "gemm",
    "in_line",
    "in_rows",
    "inlined",
    "invoke",
    "look",
    "loops",
    "named",
    "pointer",
    "share",
    "sums",
    "unflush",
    "words",
    "yield_address",
]

#: A list of 64-bit numbers, of unknown length: addresses, sizes.
WORDS = types.CPointer(types.int64)
#: Products and sums may be one instruction; nothing else is assumed, so NaN and infinity stay what they are.
OPTIONS: dict[str, Any] = {"error_model": "numpy", "fastmath": {"contract"}}
#: Numbers may also be added up in any order, several side by side.
SUMMING: dict[str, Any] = {"error_model": "numpy", "fastmath": {"contract", "reassoc", "nsz"}}

#: Decorators of functions that are compiled into a kernel: loops over numbers that do not meet, and sums.
loops = numba.njit(**OPTIONS)
#: Of functions of single numbers, which the loops around them must contain to be vectorised.
inlined = numba.njit(**OPTIONS, forceinline=True)
sums = numba.njit(**SUMMING)

#: All that was compiled: machine code goes when what it belongs to does.
_kept: list[Any] = []


def compiled(signature: Any, function: Any) -> int:
    """Compile a function, or take it from the cache, and return its address."""
    made = numba.cfunc(signature, nopython=True, cache=True, **OPTIONS)(function)
    _kept.append(made)
    return int(made.address)


@loops
def share(size, thread, team):
    """Return where the share of a thread begins in a list, in blocks of 16."""
    return min(size, (size * thread // team + 15) // 16 * 16) if team > 1 else size * thread


@loops
def in_rows(flat, columns):
    """See a list of numbers as rows of so many."""
    return flat.reshape((flat.size // columns, columns))


def at(numbers: Any, place: Any) -> Any:
    """Return the number at a place, or the one that is for all: in compiled code only."""


def in_line(numbers: Any) -> Any:
    """See a list of numbers as a table of one row; leave a table as it is: in compiled code only."""


@overload(at, jit_options={**OPTIONS, "forceinline": True})
def _make_at(numbers, place):
    if isinstance(numbers, types.Array):
        return lambda numbers, place: numbers[place]
    return lambda numbers, place: numbers


@overload(in_line, jit_options={**OPTIONS, "forceinline": True})
def _make_in_line(numbers):
    if numbers.ndim > 1:
        return lambda numbers: numbers
    kind = numbers.dtype
    return lambda numbers: carray(pointer(np.int64(numbers.ctypes.data)), (1, numbers.size), kind)


@loops
def bits(value):
    """Return the number of float64 whose bits these are."""
    return np.int64(value).view(np.float64)


def named(kernel: Any, function: Any) -> Any:
    """Give a kernel that was made around a function a name of its own, by which it is kept."""
    kernel.__name__ = kernel.__qualname__ = f"{kernel.__name__}_of_{function.py_func.__name__}"
    return kernel


_INT = ir.IntType(64)
_X86 = platform.machine().lower() in ("x86_64", "amd64")


@intrinsic
def pointer(typing_context, address):
    """Make a pointer of an address, for `numba.carray`."""

    def generate(context, builder, signature, arguments):
        return builder.inttoptr(arguments[0], context.get_value_type(types.voidptr))

    return types.voidptr(types.int64), generate


@intrinsic
def words(typing_context, address):
    """Make a list of words of an address."""

    def generate(context, builder, signature, arguments):
        return builder.inttoptr(arguments[0], context.get_value_type(WORDS))

    return WORDS(types.int64), generate


@intrinsic
def invoke(typing_context, address, operation, frame):
    """Call a compiled kernel: ``void kernel(int64 *operation, int64 *frame)``."""

    def generate(context, builder, signature, arguments):
        kind = ir.FunctionType(ir.VoidType(), [one.type for one in arguments[1:]])
        builder.call(builder.inttoptr(arguments[0], kind.as_pointer()), arguments[1:])
        return context.get_dummy_value()

    return types.void(types.int64, WORDS, WORDS), generate


@intrinsic
def gemm(typing_context, address, turned, rows, columns, depth, a, lda, b, ldb, start, c, ldc):
    """Call a BLAS's ``gemm``: ``c = a @ b + start * c``, all in C order and each a pointer.

    `turned` is 1 if `a` is to be transposed, 2 if `b` is. `start` says by its type what is multiplied.
    """

    def generate(context, builder, signature, arguments):
        address, turned, rows, columns, depth, a, lda, b, ldb, start, c, ldc = arguments

        def kept(value):
            place = cgutils.alloca_once(builder, value.type)
            builder.store(value, place)
            return place

        def turn(bit):
            letters = (ir.Constant(ir.IntType(8), ord(letter)) for letter in "TN")
            return kept(builder.select(builder.icmp_signed("==", turned, ir.Constant(_INT, bit)), *letters))

        def numbers(place):
            return builder.bitcast(place, start.type.as_pointer())

        # What lies in C order is, to Fortran, the transpose: c.T = b.T @ a.T. Sizes are 64-bit numbers in
        # memory, of which a BLAS of 32-bit sizes reads the lower half, where the byte order is the usual one.
        one = ir.Constant(start.type, 1.0)
        given = [
            turn(2), turn(1), kept(columns), kept(rows), kept(depth), kept(one), numbers(b), kept(ldb),
            numbers(a), kept(lda), kept(start), numbers(c), kept(ldc),
        ]  # fmt: skip
        kind = ir.FunctionType(ir.VoidType(), [one.type for one in given])
        builder.call(builder.inttoptr(address, kind.as_pointer()), given)
        return context.get_dummy_value()

    size, place = types.int64, types.voidptr
    kinds = (size, size, size, size, size, place, size, place, size, start, place, size)
    return types.void(*kinds), generate


@intrinsic
def count_up(typing_context, address):
    """Add 1 to a word that several threads count with, and return what it was."""

    def generate(context, builder, signature, arguments):
        place = builder.inttoptr(arguments[0], _INT.as_pointer())
        return builder.atomic_rmw("add", place, ir.Constant(_INT, 1), "seq_cst")

    return types.int64(types.int64), generate


@intrinsic
def look(typing_context, address):
    """Read such a word."""

    def generate(context, builder, signature, arguments):
        place = builder.inttoptr(arguments[0], _INT.as_pointer())
        return builder.load_atomic(place, "seq_cst", 8)

    return types.int64(types.int64), generate


def _control(name: str, builder: Any, place: Any) -> None:
    byte = ir.PointerType(ir.IntType(8))
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(ir.VoidType(), [byte]), name)
    builder.call(function, [builder.bitcast(place, byte)])


@intrinsic
def flush(typing_context):
    """Let numbers nearer to 0 than floats hold in full be 0, in this thread; return what it did before.

    Arithmetic with such numbers takes up to a hundred times as long, and the averages of Adam run into them
    where a gradient stays 0. A processor that is not known is left alone.
    """

    def generate(context, builder, signature, arguments):
        place = cgutils.alloca_once_value(builder, ir.Constant(ir.IntType(32), 0))
        if _X86:
            _control("llvm.x86.sse.stmxcsr", builder, place)
            before = builder.load(place)
            builder.store(builder.or_(before, ir.Constant(ir.IntType(32), 0x8040)), place)
            _control("llvm.x86.sse.ldmxcsr", builder, place)
            return before
        return builder.load(place)

    return types.uint32(), generate


@intrinsic
def unflush(typing_context, before):
    """Do as before `flush`."""

    def generate(context, builder, signature, arguments):
        if _X86:
            _control("llvm.x86.sse.ldmxcsr", builder, cgutils.alloca_once_value(builder, arguments[0]))
        return context.get_dummy_value()

    return types.void(types.uint32), generate


def yield_address() -> int:
    """Return the address of the function by which a thread that waits lets another one have its core."""
    system: Any = ctypes
    function = (
        system.windll.kernel32.SwitchToThread if sys.platform == "win32" else ctypes.CDLL(None).sched_yield
    )
    return ctypes.cast(function, ctypes.c_void_p).value or 0
