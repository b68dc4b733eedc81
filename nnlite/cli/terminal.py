"""Drawings in plain characters: images, bars, curves and maps, with no control characters in them."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TextIO

import numpy as np
from numpy.typing import ArrayLike

from nnlite.core.aliases import AnyArray

__all__ = ["ASCII", "UNICODE", "Canvas", "Glyphs", "Screen", "bar", "image", "loss_curves", "side_by_side"]


class Glyphs(NamedTuple):
    """The characters that drawings are made of.

    Attributes
    ----------
    shades : str
        From empty to full.
    areas : str
        Shades for the areas of a map, light enough to read a sign on.
    full : str
        What a bar is filled with.
    dot, ring : str
        Two marks that are easily told apart.
    squared : str
        The exponent 2.
    """

    shades: str
    areas: str
    full: str
    dot: str
    ring: str
    squared: str


UNICODE = Glyphs(" ░▒▓█", " ░▒", "█", "•", "○", "²")
ASCII = Glyphs(" .:-=+*#%@", " .:", "#", "*", "o", "^2")


class Screen:
    """Where the text goes: knows how wide it is and which characters it takes.

    Parameters
    ----------
    stream : text file
        Such as ``sys.stdout``.
    width : int, optional
        Columns; by default those of the terminal, and never more than 80.

    Attributes
    ----------
    glyphs : Glyphs
        `UNICODE` if the encoding of the stream has them all, `ASCII` otherwise.

    Examples
    --------
    >>> import sys
    >>> Screen(sys.stdout, width=20).paragraph("one two three four five")
    one two three four
    five
    """

    def __init__(self, stream: TextIO, *, width: int | None = None) -> None:
        self.stream = stream
        self.encoding = stream.encoding or "utf-8"
        if width is None:
            width = min(shutil.get_terminal_size().columns, 80)
        self.width = max(width, 20)
        try:
            "".join(UNICODE).encode(self.encoding)
            self.glyphs = UNICODE
        except UnicodeEncodeError:
            self.glyphs = ASCII

    def line(self, text: str = "") -> None:
        """Write one line as it is; characters that the stream does not have are written as escapes."""
        safe = text.rstrip().encode(self.encoding, "backslashreplace").decode(self.encoding)
        self.stream.write(safe + "\n")

    def lines(self, texts: Iterable[str]) -> None:
        """Write several lines."""
        for text in texts:
            self.line(text)

    def paragraph(self, text: str) -> None:
        """Write text, broken between words where a line is full."""
        self.lines(textwrap.wrap(text, self.width, break_long_words=False, break_on_hyphens=False))

    def heading(self, text: str) -> None:
        """Write an empty line and the heading of what follows."""
        self.line()
        self.paragraph(text)


def bar(share: float, width: int, glyphs: Glyphs) -> str:
    """Draw a share of 1 as a bar.

    Parameters
    ----------
    share : float
        From 0 to 1.
    width : int
        Columns of a full bar.
    glyphs : Glyphs
        What to draw with.

    Returns
    -------
    str
        As wide as a full bar.

    Examples
    --------
    >>> bar(0.5, 6, ASCII)
    '###   '
    """
    return (glyphs.full * round(share * width)).ljust(width)


def image(pixels: ArrayLike, glyphs: Glyphs) -> list[str]:
    """Draw a grey image, each pixel two characters wide, as characters are twice as high as wide.

    Parameters
    ----------
    pixels : array-like of shape (lines, columns)
        From 0, which stays empty, to 1.
    glyphs : Glyphs
        What to draw with.

    Returns
    -------
    list of str

    Examples
    --------
    >>> image([[0.0, 1.0], [0.3, 0.0]], ASCII)
    ['  @@', '--  ']
    """
    shades = glyphs.shades
    levels = np.rint(np.clip(pixels, 0.0, 1.0) * (len(shades) - 1)).astype(int)
    return ["".join(2 * shades[level] for level in line) for line in levels]


def side_by_side(blocks: Sequence[Sequence[str]], width: int, *, gap: int = 4) -> list[str]:
    """Put blocks of lines next to each other, as many as fit, and the rest below.

    Parameters
    ----------
    blocks : sequence of lists of str
        What to arrange.
    width : int
        Columns there are.
    gap : int
        Columns between two blocks.

    Returns
    -------
    list of str

    Examples
    --------
    >>> side_by_side([["a", "bb"], ["c"], ["d"]], 10)
    ['a     c', 'bb', '', 'd']
    """
    shelves: list[list[list[str]]] = []
    room = 0
    for block in blocks:
        columns = max(map(len, block))
        room -= gap + columns
        if not shelves or room < 0:
            shelves.append([])
            room = width - columns
        shelves[-1].append([line.ljust(columns) for line in block])
    lines: list[str] = []
    for shelf in shelves:
        if lines:
            lines.append("")
        for row in range(max(map(len, shelf))):
            parts = [block[row] if row < len(block) else " " * len(block[0]) for block in shelf]
            lines.append((" " * gap).join(parts).rstrip())
    return lines


class Canvas:
    r"""A part of the plane, drawn on a grid of characters.

    Parameters
    ----------
    width, height : int
        Columns and lines.
    x, y : (float, float)
        The numbers at the left and right, and at the lower and upper edge.

    Examples
    --------
    >>> canvas = Canvas(5, 3, x=(0, 4), y=(0, 1))
    >>> canvas.put([0, 1, 2, 3, 4], [0, 0.5, 1, 0.5, 0], "*")
    >>> print("\n".join(canvas.framed(["1", "0"], ["0", "4"])))
    1 |  *
      | * *
    0 |*   *
      +-----
       0   4
    """

    def __init__(self, width: int, height: int, *, x: tuple[float, float], y: tuple[float, float]) -> None:
        self.x = _widened(x)
        self.y = _widened(y)
        self.cells = np.full((height, width), " ", dtype="<U1")

    def put(self, x: ArrayLike, y: ArrayLike, marks: str | AnyArray) -> None:
        """Draw one mark at each point; what is outside, or no number, is left out.

        Parameters
        ----------
        x, y : array-like of shape (points,)
            Where.
        marks : str, or ndarray of str of shape (points,)
            What.
        """
        height, width = self.cells.shape
        column = self._place(x, self.x, width)
        line = height - 1 - self._place(y, self.y, height)
        inside = (column >= 0) & (column < width) & (line >= 0) & (line < height)
        chosen = np.broadcast_to(marks, column.shape)[inside]
        self.cells[line[inside].astype(int), column[inside].astype(int)] = chosen

    def centres(self) -> AnyArray:
        """Return the points in the middle of the cells.

        Returns
        -------
        ndarray of shape (height * width, 2)
            Line by line from the upper edge.
        """
        height, width = self.cells.shape
        across, down = np.linspace(*self.x, width), np.linspace(*self.y, height)[::-1]
        return np.column_stack([np.tile(across, height), np.repeat(down, width)])

    def framed(self, y_labels: Sequence[str], x_labels: Sequence[str]) -> list[str]:
        """Return the drawing with an axis on the left and one below.

        Parameters
        ----------
        y_labels, x_labels : sequence of str
            Spread evenly along the axes, from the upper edge and from the left.

        Returns
        -------
        list of str
        """
        height, width = self.cells.shape
        margin = max(map(len, y_labels))
        beside = dict(zip(np.linspace(0, height - 1, len(y_labels)).round(), y_labels, strict=True))
        lines = [
            f"{beside.get(i, ''):>{margin}} |{''.join(row)}".rstrip() for i, row in enumerate(self.cells)
        ]
        left, right = x_labels[0], x_labels[-1]
        lines.append(f"{'':{margin}} +{'-' * width}")
        lines.append(f"{'':{margin}}  {left}{right:>{width - len(left)}}")
        return lines

    @staticmethod
    def _place(values: ArrayLike, limits: tuple[float, float], cells: int) -> AnyArray:
        low, high = limits
        place = (np.asarray(values, dtype=float) - low) / (high - low) * (cells - 1)
        return np.rint(np.where(np.isfinite(place), place, -1.0))


def _widened(limits: tuple[float, float]) -> tuple[float, float]:
    """Give a range without width some."""
    low, high = map(float, limits)
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def loss_curves(curves: Sequence[tuple[str, Sequence[float]]], *, width: int, height: int = 10) -> list[str]:
    r"""Draw losses over epochs, on a logarithmic scale.

    Parameters
    ----------
    curves : sequence of (str, list of float)
        The mark of each and its numbers, one an epoch. The later is drawn over the earlier.
    width : int
        Columns of the whole drawing.
    height : int
        Lines of the curves alone.

    Returns
    -------
    list of str

    Examples
    --------
    >>> print("\n".join(loss_curves([("*", [1.0, 0.1, 0.01])], width=17, height=3)))
       1 |***
     0.1 |   *****
    0.01 |        ***
         +-----------
          epoch 1   3
    """
    # A loss of exactly 0 has no logarithm, and one that overflowed has no place; neither shall stop a report.
    logs = [(mark, np.log10(np.clip(values, 1e-12, 1e30))) for mark, values in curves]
    everything = np.concatenate([values for _, values in logs])
    everything = everything[np.isfinite(everything)]
    low, high = _widened((everything.min(initial=30.0), everything.max(initial=-12.0)))
    labels = [f"{10**power:.2g}" for power in (high, (high + low) / 2, low)]
    epochs = len(logs[0][1])
    columns = max(width - max(map(len, labels)) - 2, 1)
    canvas = Canvas(columns, height, x=(1, epochs), y=(low, high))
    across = np.linspace(1, epochs, columns)
    for mark, values in logs:
        canvas.put(across, np.interp(across, np.arange(1, epochs + 1), values), mark)
    return canvas.framed(labels, ["epoch 1", f"{epochs}"])
