"""Prediction by a program: its buffers hold a block of rows, and each thread has a program of its own."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from nnlite._threads import allowed, spread
from nnlite.core.aliases import AnyArray, Array
from nnlite.jit.engine import columns_at_front, refuse_ids, uncovered
from nnlite.jit.kernel import batch, rows, whole
from nnlite.jit.layers.table import WRITERS
from nnlite.jit.machine import Job
from nnlite.jit.native import loops, sums
from nnlite.jit.program import Program, in_lines
from nnlite.model import Sequential

__all__ = ["predict"]

#: Rows that go through the layers at a time: few enough that what is between two layers stays in the cache.
BLOCK = 64
#: Multiplications that are worth a thread of their own.
SHARED = 4_000_000


@sums
def read(source, target, doubt):
    """Copy rows; `doubt` becomes NaN if a number of theirs is not finite, and else stays."""
    source, target, nothing = source.reshape(-1), target.reshape(-1), source.dtype.type(0)
    found = nothing
    for i in range(target.size):
        target[i] = source[i]
        found += source[i] * nothing
    doubt[0] += found


@loops
def write(source, target):
    """Copy rows as one list, whose loop is long enough to be vectorised."""
    source, target = source.reshape(-1), target.reshape(-1)
    for i in range(target.size):
        target[i] = source[i]


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
        here = program.buffer(*x.shape[2:], dtype=x.dtype)
        doubt: Any = np.zeros((1, 1))
        program.add(read, batch(in_lines(x)), rows(in_lines(here)), whole(doubt))
        self.pred, _ = program.write(model, "", here)
        out = np.zeros((program.nets, 1, *self.pred.shape[2:]), program.dtype)
        program.add(write, rows(in_lines(self.pred)), batch(in_lines(out)))
        table = program.table()
        self.count = len(table)
        # The words with the address, and the stride, of what is read first and written last.
        behind = 1 + len(rows(in_lines(self.pred)).words())
        self.places = table[0, 1:3], table[-1, behind : behind + 2]
        self.job = Job(table, BLOCK, np.zeros(program.nets))
        # What comes in few rows is put here, since NumPy does that sooner than it says where an array lies.
        self.few = np.zeros((len(x), *here.shape[1:]), x.dtype)
        table = table.copy()
        table[0, 1:3] = _place(self.few)
        self.short = Job(table, BLOCK, np.zeros(program.nets))
        self.short.run(0, self.count - 1, self.count - 1, rows=0)
        self.rows = -1  # of which `source` and `target` are
        # Python reads and writes it so in a fifth of the time.
        self.doubt = ctypes.c_double.from_buffer(doubt)
        self.looks = x.dtype == program.dtype and not program.ids  # a kernel takes ids for places

    def fits(self, model: Sequential, x: AnyArray) -> bool:
        """Tell whether it is for such an input, and the net is as it was."""
        if self.program.params is not model.params:
            return False
        return self.inputs == (x.dtype, x.shape[2:], len(x)) and self.program.is_current()

    def fits_unlooked(self, model: Sequential, x: AnyArray) -> bool:
        """Tell the same of an array that was not checked, without an axis of nets: of all but its numbers."""
        program, (dtype, shape, _) = self.program, self.inputs
        if not self.looks or x.shape[1:] != shape or x.dtype not in (dtype, np.float64) or not len(x):
            return False
        return program.params is vars(model).get("params") and program.is_current()

    def some(self, x: AnyArray) -> Array | None:
        """Compute the output for no more rows than a block has; None if a number is not finite.

        The input may be without an axis of nets, and so is the output if there are no replicas.
        """
        count = x.shape[-self.few.ndim + 1]
        if count != self.rows:
            self.rows = count
            self.source = self.few[:, :count]
            self.target = self.pred[:, :count] if self.program.params.replicas else self.pred[0, :count]
        self.source[...] = x
        self.doubt.value = 0.0
        self.short.again(count)
        return self.target.copy() if self.doubt.value == 0.0 else None

    def run(self, x: AnyArray, out: Array, first: int, last: int) -> None:
        """Compute some blocks of the output."""
        self.places[0][:], self.places[1][:] = _place(x), _place(out)
        self.doubt.value = 0.0
        self.job.run(0, self.count, self.count, rows=x.shape[1], first=first, last=last)


class Programs(list[Prediction]):
    """Those of a model that nobody uses at present: one is used by one thread at a time."""

    def again(self, model: Sequential, x: AnyArray) -> Array | None:
        """Compute the output for an input that was not checked, if a program is there for such ones.

        The ordinary way checks one thing after the other, each of which takes as long as a small net takes
        for a row, and goes through the numbers once more. It is also the one that says what is wrong: then,
        and for all that is out of the ordinary, this returns None.
        """
        if type(x) is not np.ndarray or not model.boundary.takes_encoded:
            return None
        try:
            one = self.pop()
        except IndexError:  # other threads use them
            return None
        found = None
        if one.fits_unlooked(model, x):
            if x.dtype != one.program.dtype:
                with np.errstate(over="ignore"):  # what is too large for float32 is seen behind it
                    x = x.astype(one.program.dtype)
            found = one.some(x) if len(x) <= BLOCK else self.in_blocks(model, one, x[None])
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

    def in_blocks(
        self, model: Sequential, one: Prediction, x: AnyArray, out: Array | None = None
    ) -> Array | None:
        """Compute the output for any number of rows, with an axis of nets in front, as `Prediction.some`."""
        x = np.ascontiguousarray(x)
        count, nets, work = x.shape[1], one.program.nets, one.program.nets * one.program.work // BLOCK
        place = out if out is not None and out.flags.c_contiguous else None
        found = np.empty(model.boundary.pred_shape(x), model.dtype) if place is None else place
        in_nets = found.reshape(nets, count, *one.pred.shape[2:])
        blocks = -(-count // BLOCK)
        pieces = max(1, min(blocks, count * work // SHARED, allowed()))
        ones = [one, *filter(None, (self.take(model, x) for _ in range(pieces - 1)))]
        cuts = [blocks * piece // pieces for piece in range(pieces + 1)]
        spread(lambda piece: ones[piece].run(x, in_nets, cuts[piece], cuts[piece + 1]), pieces, pieces)
        finite = all(each.doubt.value == 0.0 for each in ones)
        self += ones[1:]
        if not finite or out is None or out is place:
            return found if finite else None
        out[...] = found
        return out


def _place(array: AnyArray) -> tuple[int, int]:
    """Return where an array lies, and how far the net behind is from it."""
    return array.ctypes.data, array.strides[0] if len(array) > 1 else 0


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
        None if a layer has no kernel, the model has become a layer of another one or has no input shape, or a
        number is not finite.
    """
    if "params" not in vars(model) or model.boundary.input_shape is None:  # one takes any number of axes
        return None
    programs: Programs = vars(model).setdefault("_programs", Programs())  # which no copy of the model has
    in_nets = x if model.boundary.row_axis(x) else x[None]
    one = programs.take(model, in_nets)
    if one is None:
        return None
    if one.program.ids:
        refuse_ids(one.program, columns_at_front(model), in_nets)
    few = in_nets.shape[1] <= BLOCK
    found = one.some(x) if few else programs.in_blocks(model, one, in_nets, out)
    programs.append(one)
    if few and found is not None and out is not None:
        out[...] = found
        return out
    return found
