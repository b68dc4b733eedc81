"""Where windows lie in samples: tables that kernels go by, made when a program is written.

Places are counted inside of one sample with its padding, number by number.
"""

from __future__ import annotations

import numpy as np

from nnlite.core.aliases import AnyArray
from nnlite.jit.kernel import Operand, own
from nnlite.jit.native import loops
from nnlite.jit.tiles import ROWS
from nnlite.layers.windows import Window

__all__ = ["Places", "crop", "pad", "table"]


@loops
def pad(x, padded, sizes):
    """Copy a sample to where its padding is around it; `sizes` are those of `Places`."""
    lines, line, padded_line, begin = sizes[0], sizes[1], sizes[2], sizes[3]
    for i in range(lines):
        source, target = x[i * line : (i + 1) * line], padded[begin + i * padded_line :]
        for j in range(source.size):
            target[j] = source[j]


@loops
def crop(padded, x, sizes):
    """Copy a sample from where its padding is around it."""
    lines, line, padded_line, begin = sizes[0], sizes[1], sizes[2], sizes[3]
    for i in range(lines):
        source, target = padded[begin + i * padded_line :], x[i * line : (i + 1) * line]
        for j in range(target.size):
            target[j] = source[j]


class Places:
    """Tables of places, for a layer of windows and samples of one size; a sequence is an image of height 1.

    Parameters
    ----------
    windows : tuple of Window
        How windows lie along each axis.
    shape : tuple of int
        That of a sample.
    groups, outputs : int
        Of channels; channels that come out.
    """

    def __init__(
        self, windows: tuple[Window, ...], shape: tuple[int, ...], groups: int, outputs: int
    ) -> None:
        down, along = (Window(1), *windows)[-2:]
        height, width, channels = (1, *shape)[-3:]
        (top, bottom), (left, right) = down.pads(height), along.pads(width)
        line = (left + width + right) * channels
        self.size = (top + height + bottom) * line
        self.padded = top + bottom + left + right > 0
        self.groups, self.of_group = groups, channels // groups
        #: Lines of a sample, numbers of one, the same with padding, where the first begins; channels of a
        #: group.
        self.sizes = np.array([height, width * channels, line, top * line + left * channels, self.of_group])
        lines, columns = down.count(height) or 0, along.count(width) or 0
        #: Where each window begins, by lines and columns.
        self.corners = _grid(lines, down.stride * line, columns, along.stride * channels)
        #: Where its numbers stand behind that: those of a run beside each other.
        self.runs = _grid(down.size, down.dilation * line, along.size, along.dilation * channels)
        self.run = self.of_group
        if along.dilation == 1 and groups == 1:
            self.runs, self.run = self.runs[:, 0], along.size * channels
        self.taps = (self.runs.reshape(-1, 1) + np.arange(self.run)).ravel()
        self.outs = np.arange(lines * columns).reshape(lines, columns) * outputs

    @property
    def behind(self) -> int:
        """Numbers up to the end of a window, for rows of a tile that are none."""
        return int(self.taps[-1]) + 1 + (self.groups - 1) * self.of_group


def _grid(lines: int, further: int, columns: int, along: int) -> AnyArray:
    return np.arange(lines)[:, None] * further + np.arange(columns) * along


def table(places: AnyArray, filled: int | None = None) -> Operand:
    """Give a table of places; with `filled` for whole tiles: what is missing of the last one is there."""
    table = places.ravel()
    if filled is not None:
        table = np.concatenate([table, np.full(-table.size % ROWS, filled)])
    return own(np.ascontiguousarray(table, np.int64)[None])
