"""Prediction by a program: its buffers hold a block of rows, and each thread has a program of its own."""

from __future__ import annotations

import numpy as np

from nnlite._threads import allowed, spread
from nnlite.core.aliases import AnyArray, Array
from nnlite.jit.engine import copy_rows, uncovered
from nnlite.jit.kernel import batch, rows
from nnlite.jit.layers.table import WRITERS
from nnlite.jit.machine import Job
from nnlite.jit.program import Program
from nnlite.model import Sequential

__all__ = ["predict"]

#: Rows that go through the layers at a time: few enough that what is between two layers stays in the cache.
BLOCK = 64
#: Multiplications that are worth a thread of their own.
SHARED = 4_000_000


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
        self.pred, _ = program.write(model, "", self.here)
        out = np.zeros((program.nets, 1, *self.pred.shape[2:]), program.dtype)
        program.add(copy_rows, rows(_in_rows(self.pred)), batch(_in_rows(out)))
        table = program.table()
        self.count = len(table)
        self.job, self.short = (Job(table, BLOCK, np.zeros(program.nets)) for _ in range(2))
        self.short.run(1, self.count - 1, self.count - 1, rows=0)
        # The words with the address, and the stride, of what is read first and written last.
        behind = 1 + len(rows(_in_rows(self.pred)).words())
        self.source, self.target = table[0, 1:3], table[-1, behind : behind + 2]

    def fits(self, model: Sequential, x: AnyArray) -> bool:
        """Tell whether it is for such an input, and the net is as it was."""
        if self.program.params is not model.params:
            return False
        return self.inputs == (x.dtype, x.shape[2:], len(x)) and self.program.is_current()

    def some(self, x: AnyArray, count: int) -> Array:
        """Compute the output for no more rows than a block has; it is overwritten by the next one."""
        self.here[:, :count] = x
        for layer, buffer in self.program.ids:
            layer._rows(buffer[:, :count])
        self.short.again(count)
        return self.pred[:, :count]

    def run(self, x: AnyArray, out: Array, first: int, last: int) -> None:
        """Compute some blocks of the output."""
        for array, place in ((x, self.source), (out, self.target)):
            place[:] = array.ctypes.data, array.strides[0] if len(array) > 1 else 0
        self.job.run(0, self.count, self.count, rows=x.shape[1], first=first, last=last)


def _in_rows(array: AnyArray) -> AnyArray:
    return array.reshape(*array.shape[:2], -1)


def _take(model: Sequential, waiting: list[Prediction], x: AnyArray) -> Prediction | None:
    """Return a program for such an input, or None if a layer has no kernel."""
    while waiting:
        try:
            one = waiting.pop()
        except IndexError:  # another thread took it
            break
        if one.fits(model, x):
            return one
    return None if uncovered(model) else Prediction(model, x)


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
    # Those that nobody uses at present: one is used by one thread at a time. The model does not copy them.
    waiting: list[Prediction] = vars(model).setdefault("_programs", [])
    x = x if model.boundary.row_axis(x) else x[None]
    one = _take(model, waiting, x)
    if one is None:
        return None
    count = x.shape[1]
    if count <= BLOCK and out is None:
        found = one.some(x, count).copy()
    else:
        found = _in_blocks(model, waiting, one, np.ascontiguousarray(x), out)
    waiting.append(one)
    if out is not None:
        return out
    return found if model.params.replicas else found[0]


def _in_blocks(
    model: Sequential, waiting: list[Prediction], one: Prediction, x: AnyArray, out: Array | None
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
    ones = [one, *filter(None, (_take(model, waiting, x) for _ in range(pieces - 1)))]
    cuts = [blocks * piece // pieces for piece in range(pieces + 1)]
    spread(lambda piece: ones[piece].run(x, found, cuts[piece], cuts[piece + 1]), pieces, pieces)
    waiting += ones[1:]
    if out is not None and not whole:
        out[...] = found.reshape(out.shape)
    return found
