"""Pooling, compiled: the largest number, or the mean, of windows and of whole samples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nnlite.core.aliases import Array
from nnlite.jit.kernel import THREAD, Operand, own, rows, word
from nnlite.jit.layers.places import Places, crop, pad, table
from nnlite.jit.layers.steps import write_lengths
from nnlite.jit.native import loops
from nnlite.jit.program import Backward, Program, in_lines
from nnlite.jit.tiles import lanes, most
from nnlite.layers import (
    AveragePool1D,
    AveragePool2D,
    GlobalAveragePool,
    GlobalMaxPool,
    MaxPool1D,
    MaxPool2D,
)
from nnlite.layers.windows import Window

__all__ = ["WRITERS"]


@loops
def largest(x, y, chosen, padded, sizes, corners, taps, channels, thread):
    """Find the largest number of each window, and where it stands; NaN is the largest of all."""
    zero, size = x.dtype.type(0), x.itemsize
    room, beside = padded[thread], lanes(size)
    room[:] = -np.inf
    for i in range(len(x)):
        if room.size:
            pad(x[i], room, sizes)
        sample = (room if room.size else x[i]).ctypes.data
        for window in range(corners.size):
            for c in range(0, channels, beside):
                place = window * channels + c
                most(
                    zero, sample, corners[window] + c, taps.ctypes.data, taps.size,
                    y[i].ctypes.data + place * size, chosen[i].ctypes.data + place * 4,
                    min(beside, channels - c),
                )  # fmt: skip


@loops
def largest_back(dy, chosen, dx, padded, sizes, thread):
    """Give the blame for each window to its largest number."""
    room = padded[thread]
    for i in range(len(dy)):
        blame, places, out = dy[i], chosen[i], room if room.size else dx[i]
        for j in range(out.size):
            out[j] = 0
        for j in range(blame.size):
            out[places[j]] += blame[j]
        if room.size:
            crop(room, dx[i], sizes)


@loops
def mean(x, y, begins, ends):
    """Average each window; `begins` and `ends` are those of `_covered`."""
    channels = x.shape[3]
    lines, columns = y.shape[1:3]
    for i in range(len(x)):
        for line in range(lines):
            for column in range(columns):
                out = y[i, line, column]
                top, bottom, left, right = (
                    begins[line], ends[line], begins[lines + column], ends[lines + column],
                )  # fmt: skip
                for c in range(channels):
                    out[c] = 0
                for r in range(top, bottom):
                    for s in range(left, right):
                        row = x[i, r, s]
                        for c in range(channels):
                            out[c] += row[c]
                count = y.dtype.type((bottom - top) * (right - left))
                for c in range(channels):
                    out[c] /= count


@loops
def mean_back(dy, dx, begins, ends):
    """Share the blame for each window among its numbers."""
    channels = dx.shape[3]
    lines, columns = dy.shape[1:3]
    for i in range(len(dx)):
        dx[i] = 0
        for line in range(lines):
            for column in range(columns):
                blame = dy[i, line, column]
                top, bottom, left, right = (
                    begins[line], ends[line], begins[lines + column], ends[lines + column],
                )  # fmt: skip
                part = dx.dtype.type(1) / dx.dtype.type((bottom - top) * (right - left))
                for r in range(top, bottom):
                    for s in range(left, right):
                        out = dx[i, r, s]
                        for c in range(channels):
                            out[c] += blame[c] * part


@loops
def mean_of_steps(x, lengths, y):
    """Average the steps of each row that are no padding; 0 where there is none."""
    for i in range(len(x)):
        out = y[i]
        for c in range(out.size):
            out[c] = 0
        for t in range(lengths[i]):
            step = x[i, t]
            for c in range(out.size):
                out[c] += step[c]
        count = y.dtype.type(max(lengths[i], 1))
        for c in range(out.size):
            out[c] /= count


@loops
def mean_of_steps_back(dy, lengths, dx):
    """Share the blame for each row among its steps."""
    for i in range(len(dx)):
        blame = dy[i]
        count = dx.dtype.type(max(lengths[i], 1))
        for t in range(dx.shape[1]):
            out = dx[i, t]
            for c in range(out.size):
                out[c] = blame[c] / count if t < lengths[i] else dx.dtype.type(0)


def _covered(windows: tuple[Window, ...], shape: tuple[int, ...]) -> tuple[Operand, Operand]:
    """Give where each line, and behind them each column, of windows begins and ends inside of a sample."""
    begins, ends = [], []
    for window, length in zip(windows, shape, strict=False):
        starts = np.arange(window.count(length) or 0) * window.stride - window.pads(length)[0]
        begins.append(np.maximum(starts, 0))
        ends.append(np.minimum(starts + window.size, length))
    first, last = (np.concatenate(some).astype(np.int64) for some in (begins, ends))
    return own(first[None]), own(last[None])


def _in_images(buffer: Array) -> Array:
    """See samples, which may be sequences, as images."""
    nets, batch, *sample = buffer.shape
    return buffer.reshape(nets, batch, *(1,) * (3 - len(sample)), *sample)


def _largest(windows: tuple[Window, ...], x: Array, y: Array, program: Program) -> tuple[Array, Backward]:
    channels = x.shape[-1]
    places = Places(windows, x.shape[2:], channels, channels)
    chosen = program.buffer(places.outs.size * channels, dtype=np.int32)
    padded, sizes = own(program.scratch(places.size if places.padded else 0)), table(places.sizes)
    program.add(
        largest, rows(in_lines(x)), rows(in_lines(y)), rows(chosen), padded, sizes, table(places.corners),
        table(places.taps), word(channels), THREAD,
    )  # fmt: skip

    def back(dy: Array, needed: bool) -> Array:
        if not needed:
            return dy
        dx = program.like(x)
        program.add(largest_back, rows(in_lines(dy)), rows(chosen), rows(in_lines(dx)), padded, sizes, THREAD)
        return dx

    return y, back


def _mean(windows: tuple[Window, ...], x: Array, y: Array, program: Program) -> tuple[Array, Backward]:
    images, out = _in_images(x), _in_images(y)
    covered = _covered(windows, images.shape[2:])
    program.add(mean, rows(images), rows(out), *covered)

    def back(dy: Array, needed: bool) -> Array:
        if not needed:
            return dy
        dx = program.like(x)
        program.add(mean_back, rows(dy.reshape(out.shape)), rows(_in_images(dx)), *covered)
        return dx

    return y, back


#: Writes a pooling of windows, from a buffer to another one.
OfWindows = Callable[[tuple[Window, ...], Array, Array, Program], tuple[Array, Backward]]


def _sliding(of_windows: OfWindows) -> Callable[..., tuple[Array, Backward]]:
    def write(layer: Any, prefix: str, x: Array, program: Program) -> tuple[Array, Backward]:
        y = program.buffer(*layer.output_shape(x.shape[2:]))
        windows = (Window(1), *layer.windows)[-2:]
        return of_windows(windows, x, y, program)

    return write


def _overall(of_windows: OfWindows) -> Callable[..., tuple[Array, Backward]]:
    """Make the writer of one whose only window is the whole sample."""

    def write(layer: Any, prefix: str, x: Array, program: Program) -> tuple[Array, Backward]:
        images = _in_images(x)
        windows = tuple(map(Window, images.shape[2:4]))
        y = program.buffer(1, 1, x.shape[-1])
        _, back = of_windows(windows, x, y, program)
        return y.reshape(*y.shape[:2], -1), back

    return write


def _average(layer: GlobalAveragePool, prefix: str, x: Array, program: Program) -> tuple[Array, Backward]:
    padding = program.read(layer, "padding")
    if padding is None:
        return _overall(_mean)(layer, prefix, x, program)
    lengths, y = write_lengths(x, padding, program), program.buffer(x.shape[-1])
    program.add(mean_of_steps, rows(x), rows(lengths), rows(y))

    def back(dy: Array, needed: bool) -> Array:
        if not needed:
            return dy
        dx = program.like(x)
        program.add(mean_of_steps_back, rows(dy), rows(lengths), rows(dx))
        return dx

    return y, back


WRITERS = {
    MaxPool1D: _sliding(_largest),
    MaxPool2D: _sliding(_largest),
    AveragePool1D: _sliding(_mean),
    AveragePool2D: _sliding(_mean),
    GlobalMaxPool: _overall(_largest),
    GlobalAveragePool: _average,
}
