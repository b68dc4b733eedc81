"""What layers over time share, compiled: which steps are there, and steps taken for rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nnlite.core.aliases import AnyArray, Array
from nnlite.jit.kernel import FRAME, number, rows, word
from nnlite.jit.native import loops
from nnlite.jit.program import Program

__all__ = ["as_rows", "joined", "with_padding", "write_lengths"]

ROWS, START, LOW, HIGH = (FRAME[name] for name in ("rows", "start", "low", "high"))


@loops
def _is_full(step, padding):
    others = 0
    for j in range(step.size):
        others += step[j] != padding
    return others == 0


@loops
def measure(x, padded, padding, lengths):
    """Count the steps of each row up to the last one that is not full of padding."""
    for i in range(len(x)):
        length = x.shape[1]
        if padded:
            while length > 0 and _is_full(x[i, length - 1], x.dtype.type(padding)):
                length -= 1
        lengths[i] = length


def write_lengths(x: Array, padding: float | None, program: Program) -> AnyArray:
    """Write what counts the steps of each row.

    Parameters
    ----------
    x : ndarray of shape (nets, batch, time, ...)
        Buffer of the sequences.
    padding : float or None
        What steps are full of that are none; None if all count.
    program : Program
        Where to.

    Returns
    -------
    ndarray of int64, (nets, batch)
    """
    lengths = program.buffer(dtype=np.int64)
    program.add(measure, rows(_in_lines(x)), word(padding is not None), number(padding or 0.0), rows(lengths))
    return lengths


@loops
def fill(x, lengths, padding, y):
    """Copy steps, but where there is none write a number."""
    for i in range(len(x)):
        for j in range(x.shape[1]):
            for k in range(x.shape[2]):
                y[i, j, k] = x[i, j, k] if j < lengths[i] else y.dtype.type(padding)


def with_padding(x: Array, lengths: AnyArray | None, padding: float, program: Program) -> Array:
    """Write what puts a number in the place of steps that are none; `lengths` is None if all are there."""
    if lengths is None:
        return x
    y = program.like(x)
    program.add(fill, rows(_in_lines(x)), rows(lengths), number(padding), rows(_in_lines(y)))
    return y


def _in_lines(x: Array) -> Array:
    """See each step as one line of numbers."""
    return x.reshape(*x.shape[:3], -1)


def widen(operation, frame):
    """Take each step of a sequence for a row, until `narrow`."""
    for place in (ROWS, START, LOW, HIGH):
        frame[place] *= operation[1]


def narrow(operation, frame):
    """Take each row for a row again."""
    for place in (ROWS, START, LOW, HIGH):
        frame[place] //= operation[1]


def joined(array: AnyArray) -> AnyArray:
    """See the steps of sequences as rows."""
    return array.reshape(len(array), -1, *array.shape[3:])


def as_rows(
    write: Callable[[Array], Array], x: Array, program: Program, weight: Array | None = None
) -> Array:
    """Write what is done to the steps of sequences as if they were rows.

    Parameters
    ----------
    write : callable (ndarray) -> ndarray
        Writes it: takes and returns buffers of shape (nets, batch * time, ...).
    x : ndarray of shape (nets, batch, time, ...)
        Buffer of the sequences.
    program : Program
        Where to.
    weight : ndarray of shape (nets, batch * time), optional
        How much each step counts.

    Returns
    -------
    ndarray of shape (nets, batch, time, ...)
    """
    time, outer = x.shape[2], (program.batch, program.row_weight)
    program.add(widen, word(time))
    program.batch, program.row_weight = program.batch * time, weight
    y = write(joined(x))
    program.batch, program.row_weight = outer
    program.add(narrow, word(time))
    return y.reshape(len(y), -1, time, *y.shape[2:])
