"""Pooling, compiled: the largest number, or the mean, of windows and of whole samples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nnlite.core.aliases import Array
from nnlite.jit.kernel import Operand, rows, whole
from nnlite.jit.native import loops
from nnlite.jit.program import Backward, Program, in_lines
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
def largest(x, y, chosen, begins, ends):
    """Find the largest number of each window, and where in the sample it stands; NaN is the largest of all.

    `begins` and `ends` say for each line, and behind them for each column, of windows which of x they cover.
    """
    width, channels = x.shape[2:]
    lines, columns = y.shape[1:3]
    for i in range(len(x)):
        for line in range(lines):
            for column in range(columns):
                out, places = y[i, line, column], chosen[i, line, column]
                top, left = begins[line], begins[lines + column]
                first = (top * width + left) * channels
                for c in range(channels):
                    out[c] = x[i, top, left, c]
                    places[c] = first + c
                for r in range(top, ends[line]):
                    for s in range(left, ends[lines + column]):
                        place = (r * width + s) * channels
                        row = x[i, r, s]
                        for c in range(channels):
                            v, most, there = row[c], out[c], places[c]
                            takes = (not v <= most) & (most == most)
                            out[c] = v if takes else most
                            places[c] = np.int32(place + c) if takes else there


@loops
def largest_back(dy, chosen, dx):
    """Give the blame for each window to its largest number."""
    for i in range(len(dy)):
        blame, places, out = dy[i], chosen[i], dx[i]
        for j in range(out.size):
            out[j] = 0
        for j in range(blame.size):
            out[places[j]] += blame[j]


@loops
def mean(x, y, begins, ends):
    """Average each window; `begins` and `ends` as for `largest`."""
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


def _covered(windows: tuple[Window, ...], shape: tuple[int, ...]) -> tuple[Operand, Operand]:
    """Give where each line, and behind them each column, of windows begins and ends inside of a sample."""
    begins, ends = [], []
    for window, length in zip(windows, shape, strict=False):
        starts = np.arange(window.count(length) or 0) * window.stride - window.pads(length)[0]
        begins.append(np.maximum(starts, 0))
        ends.append(np.minimum(starts + window.size, length))
    first, last = (np.concatenate(some).astype(np.int64) for some in (begins, ends))
    return whole(first[None]), whole(last[None])


def _in_images(buffer: Array) -> Array:
    """See samples, which may be sequences, as images."""
    nets, batch, *sample = buffer.shape
    return buffer.reshape(nets, batch, *(1,) * (3 - len(sample)), *sample)


def _largest(windows: tuple[Window, ...], x: Array, y: Array, program: Program) -> tuple[Array, Backward]:
    images, out = _in_images(x), _in_images(y)
    chosen = program.buffer(*out.shape[2:], dtype=np.int32)
    program.add(largest, rows(images), rows(out), rows(chosen), *_covered(windows, images.shape[2:]))

    def back(dy: Array, needed: bool) -> Array:
        if not needed:
            return dy
        dx = program.like(x)
        program.add(largest_back, rows(in_lines(dy)), rows(in_lines(chosen)), rows(in_lines(dx)))
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


def _sliding(of_windows: Any) -> Callable[..., tuple[Array, Backward]]:
    def write(layer: Any, prefix: str, x: Array, program: Program) -> tuple[Array, Backward]:
        y = program.buffer(*layer.output_shape(x.shape[2:]))
        windows = (Window(1), *layer.windows)[-2:]
        return of_windows(windows, x, y, program)

    return write


def _overall(of_windows: Any) -> Callable[..., tuple[Array, Backward]]:
    """Make the writer of one whose only window is the whole sample."""

    def write(layer: Any, prefix: str, x: Array, program: Program) -> tuple[Array, Backward]:
        images = _in_images(x)
        windows = tuple(map(Window, images.shape[2:4]))
        y = program.buffer(1, 1, x.shape[-1])
        _, back = of_windows(windows, x, y, program)
        return y.reshape(*y.shape[:2], -1), back

    return write


WRITERS = {
    MaxPool1D: _sliding(_largest),
    MaxPool2D: _sliding(_largest),
    AveragePool1D: _sliding(_mean),
    AveragePool2D: _sliding(_mean),
    GlobalMaxPool: _overall(_largest),
    GlobalAveragePool: _overall(_mean),
}
