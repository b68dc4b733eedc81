"""Kernels: functions over arrays, compiled into what the machine can call with nothing but addresses.

A kernel is written as a plain function of arrays and numbers, such as ``relu(x, y)``. What it is called with,
an operation of a program says by *operands*; of these an adaptor is made that finds the arrays and calls it.
An adaptor is compiled when a program first needs it, once for each kernel, dtype and number of axes, never
for a net: sizes and places are read when it runs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numba import carray, types

from nnlite.core.aliases import AnyArray
from nnlite.jit import native
from nnlite.jit.cache import building

__all__ = [
    "FRAME", "LOW", "NET", "ROWS", "START", "STEP", "TEAM", "THREAD", "Operand", "addresses", "batch", "each",
    "every", "flat", "number", "own", "part", "rows", "step", "whole", "with_all", "word",
]  # fmt: skip

#: What a thread knows while it goes through a program, and in which of its words: the rows of the batch, the
#: first of them in the epoch, those that are this thread's share, which thread it is, of how many, the net
#: and the step in the epoch.
FRAME = {
    name: place
    for place, name in enumerate(("rows", "start", "low", "high", "thread", "team", "net", "step"))
}


class Operand(NamedTuple):
    """What a kernel is given.

    Parameters
    ----------
    kind : str
        How it is found, see the functions that make them.
    value : object
        An array with an axis of nets in front, of length 1 where all nets share it; or a number.
    own : bool
        Whether no thread writes there what another reads, for as long as the rows of a batch are shared out.
    """

    kind: str
    value: Any = None
    own: bool = True

    @property
    def form(self) -> tuple[Any, ...]:
        """What an adaptor is compiled for."""
        if isinstance(self.value, np.ndarray):
            return self.kind, self.value.ndim - 1, self.value.dtype.name
        return (self.kind,)

    def words(self) -> list[int]:
        """Return what an operation holds of it."""
        value = self.value
        if isinstance(value, np.ndarray):
            stride = value.strides[0] if len(value) > 1 else 0
            inner = value.shape[1:] if self.kind in ("whole", "part", "step", "each") else value.shape[2:]
            return [value.ctypes.data, stride, *inner]
        if self.kind == "number":
            return [int(np.float64(value).view(np.int64))]
        return [value] if self.kind == "word" else []


def rows(array: AnyArray) -> Operand:
    """Give the thread's share of the rows of a buffer of shape (nets, batch, ...)."""
    return Operand("rows", array)


def flat(array: AnyArray) -> Operand:
    """Give the same as one long list of numbers."""
    return Operand("flat", array)


def every(array: AnyArray) -> Operand:
    """Give all rows of a buffer of shape (nets, batch, ...)."""
    return Operand("every", array, own=False)


def batch(array: AnyArray) -> Operand:
    """Give the thread's share of the rows of an array that holds those of a whole epoch, in order."""
    return Operand("batch", array)


def whole(array: AnyArray) -> Operand:
    """Give an array that is no batch: of shape (nets, ...)."""
    return Operand("whole", array, own=False)


def own(array: AnyArray) -> Operand:
    """Give such an array of which each thread has a part, see `Program.scratch`, or to which none writes."""
    return Operand("whole", array)


def part(array: AnyArray) -> Operand:
    """Give the thread's share of an array of shape (nets, size)."""
    return Operand("part", array, own=False)


def step(array: AnyArray) -> Operand:
    """Give a number of each step, from an array of shape (nets, steps in an epoch)."""
    return Operand("step", array)


def each(array: AnyArray) -> Operand:
    """Give a number of each net, from an array of shape (nets or 1, 1)."""
    return Operand("each", array)


def word(value: int) -> Operand:
    """Give a whole number."""
    return Operand("word", int(value))


def number(value: float) -> Operand:
    """Give a number, as float64."""
    return Operand("number", float(value))


#: How many rows the batch has, the first of them in the epoch, the first of the thread's share, which thread
#: it is, of how many, the net and the step.
ROWS, START, LOW, THREAD, TEAM, NET, STEP = (
    Operand(f"frame {name}") for name in ("rows", "start", "low", "thread", "team", "net", "step")
)


def _at(name: str) -> str:
    return f"frame[{FRAME[name]}]"


def _source(name: str, forms: tuple[tuple[Any, ...], ...]) -> str:
    """Write an adaptor: what it finds of each operand, from where in the operation."""
    arguments, at = [], 1
    for kind, *of in forms:
        if kind.startswith("frame "):
            arguments.append(_at(kind.removeprefix("frame ")))
        elif kind == "word":
            arguments.append(f"op[{at}]")
            at += 1
        elif kind == "number":
            arguments.append(f"bits(op[{at}])")
            at += 1
        else:
            axes, dtype = of
            inside = axes if kind in ("whole", "part", "step", "each") else axes - 1
            sizes = [f"op[{at + 2 + place}]" for place in range(inside)]
            arguments.append(_array(kind, f"op[{at}] + {_at('net')} * op[{at + 1}]", sizes, dtype))
            at += 2 + inside
    return f"def {name}(op, frame):\n    kernel({', '.join(arguments)})\n"


def _array(kind: str, start: str, sizes: list[str], dtype: str) -> str:
    row = " * ".join([*sizes, str(np.dtype(dtype).itemsize)])
    mine = f"({_at('high')} - {_at('low')})"
    if kind == "every":
        shape = [_at("rows"), *sizes]
    elif kind in ("rows", "flat"):
        start += f" + {_at('low')} * {row}"
        shape = [mine, *sizes] if kind == "rows" else [" * ".join([mine, *sizes])]
    elif kind == "batch":
        start += f" + ({_at('start')} + {_at('low')}) * {row}"
        shape = [mine, *sizes]
    elif kind == "part":
        # In blocks of 64 bytes at least, or two threads would write to one line of the cache.
        first, last = (f"share({sizes[0]}, {_at('thread')} + {more}, {_at('team')})" for more in (0, 1))
        start += f" + {first} * {np.dtype(dtype).itemsize}"
        shape = [f"{last} - {first}"]
    else:
        shape = sizes
    array = f"carray(pointer({start}), ({', '.join(shape)},), np.{dtype})"
    return f"{array}[{_at('step')}]" if kind == "step" else f"{array}[0]" if kind == "each" else array


#: What was compiled, or taken from the cache, in this process.
_known: dict[Any, int] = {}
_with_all: list[tuple[Any, tuple[Any, ...]]] = []


def addresses(wanted: Sequence[tuple[Any, tuple[Any, ...]]]) -> list[int]:
    """Return the addresses of the adaptors that call kernels with operands of some forms.

    Parameters
    ----------
    wanted : sequence of (compiled function, tuple)
        The kernels, made by `native.loops` or `native.sums`, and the form of each operand.

    Returns
    -------
    list of int
        Of functions ``void adaptor(int64 *operation, int64 *frame)``.
    """
    missing = [one for one in dict.fromkeys((*_with_all, *wanted)) if one not in _known]
    if missing:
        with building(parts=len(missing)):
            for kernel, forms in missing:
                _known[kernel, forms] = _compile(kernel, forms)
    return [_known[one] for one in wanted]


def with_all(function: Any) -> Callable[[], int]:
    """Let a function be compiled with the first kernels, though it is none; return what gives its address.

    Parameters
    ----------
    function : function
        Takes what an adaptor does.

    Returns
    -------
    callable () -> int
    """
    one = function, ()
    _with_all.append(one)
    return lambda: addresses([one])[0]


def _compile(kernel: Any, forms: tuple[tuple[Any, ...], ...]) -> int:
    python = getattr(kernel, "py_func", None)
    if python is None:
        return native.compiled(types.void(native.WORDS, native.WORDS), kernel)
    name = f"{python.__name__}_{hashlib.sha256(repr(forms).encode()).hexdigest()[:12]}"  # it names a file
    # It is kept with what is compiled of the kernel's file.
    code = compile(_source(name, forms), python.__code__.co_filename, "exec")
    found: dict[str, Any] = {
        "__name__": python.__module__, "kernel": kernel, "carray": carray, "np": np,
        "pointer": native.pointer, "share": native.share, "bits": native.bits,
    }  # fmt: skip
    exec(code, found)
    return native.compiled(types.void(native.WORDS, native.WORDS), found[name])
