"""Prediction by a program: its buffers hold a block of rows, and each thread has a program of its own."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from nnlite._threads import allowed, spread
from nnlite.core.aliases import AnyArray, Array
from nnlite.jit.engine import copy_rows, uncovered
from nnlite.jit.kernel import batch, flat, rows, whole
from nnlite.jit.layers.table import WRITERS
from nnlite.jit.machine import Job
from nnlite.jit.native import sums
from nnlite.jit.program import Program
from nnlite.model import Sequential

__all__ = ["predict"]

#: Rows that go through the layers at a time: few enough that what is between two layers stays in the cache.
BLOCK = 64
#: Multiplications that are worth a thread of their own.
SHARED = 4_000_000


@sums
def doubt(x, total):
    """Add nothing to a number, or make it NaN if a number of x is not finite."""
    found = x.dtype.type(0)
    for i in range(x.size):
        found += x[i] * x.dtype.type(0)
    total[0] += found


class Prediction:
    """A program that computes the output for a block of rows.

    Parameters
    ----------
    model : Sequential
        The net, of layers that have kernels.
    x : ndarray of shape (nets or 1, rows, ...)
        An input; others may have other rows.
    """

    def __init__(self, model: Sequential, x: AnyArray) -> None:
        program = self.program = Program(model.params, WRITERS, BLOCK, training=False)
        self.inputs = x.dtype, x.shape[2:], len(x)
        self.here = program.buffer(*x.shape[2:], dtype=x.dtype)
        program.add(copy_rows, batch(_in_rows(x)), rows(_in_rows(self.here)))
        total: Any = np.zeros((1, 1))
        program.add(doubt, flat(_in_rows(self.here)), whole(total))
        self.total = ctypes.c_double.from_buffer(total)  # read and written in a fifth of the time
        self.shape: tuple[int, ...] | None = None  # of an input that `again` takes
        self.pred, _ = program.write(model, "", self.here)
        out = np.zeros((program.nets, 1, *self.pred.shape[2:]), program.dtype)
        program.add(copy_rows, rows(_in_rows(self.pred)), batch(_in_rows(out)))
        table = program.table()
        self.count = len(table)
        self.job, self.short = (Job(table, BLOCK, np.zeros(program.nets)) for _ in range(2))
        self.short.run(1, self.count - 1, self.count - 1, rows=0)
        # The words with the address, and the stride, of what is read first and written last.
        behind = 1 + len(rows(_in_rows(self.pred)).words())
        self.places = table[0, 1:3], table[-1, behind : behind + 2]

    def fits(self, model: Sequential, x: AnyArray) -> bool:
        """Tell whether it is for such an input, and the net is as it was."""
        if self.program.params is not model.params:
            return False
        return self.inputs == (x.dtype, x.shape[2:], len(x)) and self.program.is_current()

    def some(self, x: AnyArray, given: AnyArray) -> Array:
        """Compute the output for no more rows than a block has; `x` has an axis of nets in front."""
        count = self.rows = x.shape[1]
        nets = slice(None) if self.program.params.replicas else 0
        self.source, self.target = self.here[nets, :count], self.pred[nets, :count]
        self.source[...] = given
        for layer, buffer in self.program.ids:
            layer._rows(buffer[:, :count])
        # A kernel takes ids for places, and what comes in float64 may be too large for float32: look first.
        as_is = x.dtype == self.program.dtype and not self.program.ids
        self.shape = given.shape if as_is else None
        self.short.again(count)
        return self.target.copy()

    def again(self, model: Sequential, given: AnyArray) -> Array | None:
        """Do the same for another input that was not checked; return None if it is not like the last one."""
        program = self.program
        if given.shape != self.shape or given.dtype != self.inputs[0]:
            return None
        if program.params is not vars(model).get("params") or not program.is_current():
            return None
        self.source[...] = given
        self.total.value = 0.0
        self.short.again(self.rows)
        return self.target.copy() if self.total.value == 0.0 else None

    def run(self, x: AnyArray, out: Array, first: int, last: int) -> None:
        """Compute some blocks of the output."""
        for array, place in zip((x, out), self.places, strict=True):
            place[:] = array.ctypes.data, array.strides[0] if len(array) > 1 else 0
        self.job.run(0, self.count, self.count, rows=x.shape[1], first=first, last=last)


class Programs(list[Prediction]):
    """Those of a model that nobody uses at present: one is used by one thread at a time."""

    def again(self, model: Sequential, x: AnyArray) -> Array | None:
        """Compute the output for an input that was not checked, if it is like the last one of few rows.

        The ordinary way does the same with all checks, one after the other, each of which takes as long as
        the net takes for a row. It is also the one to say what is wrong: then, and for all that is out of
        the ordinary, this returns None.
        """
        if type(x) is not np.ndarray or not model.boundary.takes_encoded:
            return None
        try:
            one = self.pop()
        except IndexError:  # other threads use them
            return None
        found = one.again(model, x)
        self.append(one)
        return found

    def take(self, model: Sequential, x: AnyArray) -> Prediction | None:
        """Return a program for a checked input, or None if a layer has no kernel."""
        while self:
            try:
                one = self.pop()
            except IndexError:  # another thread took it
                break
            if one.fits(model, x):
                return one
        return None if uncovered(model) else Prediction(model, x)


def _in_rows(array: AnyArray) -> AnyArray:
    return array.reshape(*array.shape[:2], -1)


def predict(model: Sequential, x: Array, out: Array | None = None) -> Array | None:
    """Compute the output for a checked input.

    Parameters
    ----------
    model : Sequential
        The net.
    x : ndarray of shape (rows, ...) or (replicas, rows, ...)
        The input.
    out : ndarray, optional
        Where to, of the shape and dtype of the output.

    Returns
    -------
    ndarray of shape (rows, ...) or (replicas, rows, ...), or None
        None if a layer has no kernel, or the model has become a layer of another one.
    """
    if "params" not in vars(model):
        return None
    programs: Programs = vars(model).setdefault("_programs", Programs())  # which no copy of the model has
    given, x = x, x if model.boundary.row_axis(x) else x[None]
    one = programs.take(model, x)
    if one is None:
        return None
    if x.shape[1] <= BLOCK and out is None:
        found = one.some(x, given)
        programs.append(one)
        return found
    found = _in_blocks(model, programs, one, np.ascontiguousarray(x), out)
    programs.append(one)
    if out is not None:
        return out
    return found if model.params.replicas else found[0]


def _in_blocks(
    model: Sequential, programs: Programs, one: Prediction, x: AnyArray, out: Array | None
) -> Array:
    """Compute the output for any number of rows, with an axis of nets in front."""
    count, nets = x.shape[1], one.program.nets
    for layer, _ in one.program.ids:
        layer._rows(_in_rows(x))
    whole = out is not None and out.flags.c_contiguous
    if out is None or not whole:
        found = np.empty((nets, count, *one.pred.shape[2:]), model.dtype)
    else:
        found = out.reshape(nets, count, *one.pred.shape[2:])
    blocks = -(-count // BLOCK)
    pieces = max(1, min(blocks, count * model.params.values.size // SHARED, allowed()))
    ones = [one, *filter(None, (programs.take(model, x) for _ in range(pieces - 1)))]
    cuts = [blocks * piece // pieces for piece in range(pieces + 1)]
    spread(lambda piece: ones[piece].run(x, found, cuts[piece], cuts[piece + 1]), pieces, pieces)
    programs += ones[1:]
    if out is not None and not whole:
        out[...] = found.reshape(out.shape)
    return found
