"""What the two kinds of source code have in common: checks, names, numbers as text, and lines."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from nnlite.core.aliases import AnyArray
from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.exchange.checks import take_name, writer_of
from nnlite.exchange.description import SourceWriter
from nnlite.files.safetensors import check_path, write_atomically
from nnlite.layers import Layer
from nnlite.model import Sequential

__all__ = [
    "Source",
    "Step",
    "decimal",
    "on_one_line",
    "sentence",
    "wrap",
    "write_out",
]

#: Longest line that is written, where it can be broken.
WIDTH = 100


class Step(NamedTuple):
    """A layer in its place, with the shapes of a sample before and behind it; None if any will do.

    Parameters
    ----------
    place : str
        Its place, such as ``"1"``, or ``"1.0"`` for the first layer inside of that one.
    layer : Layer
        The layer.
    before, behind : tuple of int or None
        The shapes.
    """

    place: str
    layer: Layer
    before: tuple[int, ...] | None
    behind: tuple[int, ...] | None


class Source:
    """Source code that is being written; the two kinds are `NumpySource` and `CSource`.

    Parameters
    ----------
    where : str
        Names the function in messages.
    dtype : dtype
        That of the model.
    writers : mapping of class to function
        What writes each kind of layer.

    Attributes
    ----------
    place : str
        The place of the layer that is being written, such as ``"1.0"``.
    shape : tuple of int or None
        Shape of a sample as it comes to the next layer; None if any will do.
    steps : list of Step
        What has been written so far.
    """

    def __init__(
        self,
        where: str,
        dtype: np.dtype[np.floating[Any]],
        writers: Mapping[type[Layer], SourceWriter] | None = None,
    ) -> None:
        self._call = self.where = where
        self.dtype = dtype
        self.place = "0"
        self.shape: tuple[int, ...] | None = None
        self.steps: list[Step] = []
        self.constants: list[str] = []
        self._writers = writers or {}
        self._names: set[str] = set()

    def model(self, model: Sequential) -> list[str]:
        """Write the layers of a model.

        Parameters
        ----------
        model : Sequential
            The model.

        Returns
        -------
        list of str
            The lines.
        """
        self.shape = model.input_shape
        return [line for layer in model.layers for line in self.layer(layer)]

    def layer(self, layer: Layer) -> list[str]:
        """Write a layer of the model, such as one that the layer being written is made of.

        Parameters
        ----------
        layer : Layer
            The layer.

        Returns
        -------
        list of str
            The lines, behind a comment.

        Raises
        ------
        ArgumentError
            If nothing says how layers of its class are written.
        NotFittedError
            If it must see data first.
        ArgumentTypeError
            If the function for its class gives something else than lines.
        """
        before = layer.input_shape if self.shape is None else self.shape
        behind = None if before is None else layer.shape_after(before)
        step = Step(layer._prefix[:-1] or self.place, layer, before, behind)
        outer = self.place, self.where
        self.place, self.where = step.place, f"{self._call}: layer {step.place} {on_one_line(layer)}"
        self.shape = before
        self.steps.append(step)
        start = len(self.constants)
        takes = "(layer, source) and returns lines of source"
        lines = self._body(step, writer_of(self.where, layer, self._writers, call=self._call, takes=takes))
        title = f"layer {step.place}, {on_one_line(layer)}"
        if len(self.constants) > start:
            self.constants[start:start] = self._comment(title)
        self.place, self.where = outer
        self.shape = behind
        return ["", *self._comment(title + self._words(step, lines)), *lines]

    def _body(self, step: Step, writer: SourceWriter) -> list[str]:
        """Let the function for a layer write its lines."""
        written = writer(step.layer, self)
        lines = written.splitlines() if isinstance(written, str) else written
        if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
            what = f"the function for {type(step.layer).__name__} to return lines of source"
            fix = "Return a string, or a list of strings."
            raise ArgumentTypeError(self.where, what, f"{written!r}", fix)
        return lines

    def _comment(self, text: str) -> list[str]:
        """Return lines that say something to the reader."""
        raise NotImplementedError

    def _words(self, step: Step, lines: list[str]) -> str:
        """Return what stands behind the name of a layer above its lines."""
        raise NotImplementedError

    def name(self, wanted: str) -> str:
        """Make a name for a constant of the layer that is being written.

        Parameters
        ----------
        wanted : str
            What it shall begin with.

        Returns
        -------
        str

        Raises
        ------
        ArgumentError
            If that cannot begin a name.
        """
        if not re.fullmatch(r"[A-Za-z]\w*", wanted, flags=re.ASCII):
            fix = "Use letters, digits and underscores."
            raise ArgumentError(f"{self.where}: constant(name)", "a name", f"{wanted!r}", fix)
        return take_name(f"{wanted}{self.place.replace('.', '_')}", self._names)

    def checked(self, name: str, values: Any, dtype: Any = None) -> AnyArray:
        """Return numbers in the dtype of the model, or in another one.

        Parameters
        ----------
        name : str
            What they are called in the message.
        values : array-like
            The numbers.
        dtype : dtype, optional
            The other one.

        Returns
        -------
        ndarray

        Raises
        ------
        ArgumentError
            If they are not finite.
        """
        with np.errstate(over="ignore"):  # refused below
            array: AnyArray = np.asarray(values).astype(self.dtype if dtype is None else dtype)
        if not np.isfinite(array).all():
            got = f"NaN or infinity in {name}"
            raise ArgumentError(self.where, f"finite numbers of {array.dtype}", got, "Train the model again.")
        return array


def write_out(where: str, path: Any, text: str) -> str:
    """Write the source to a file, if there is a path.

    Parameters
    ----------
    where : str
        Names the function in messages.
    path : str, path-like or None
        Where to.
    text : str
        The source.

    Returns
    -------
    str
        The same.
    """
    if path is not None:
        place = f"{where}(path)"
        write_atomically(check_path(place, path), text.encode(), where=place)
    return text


# Text.


def decimal(value: Any) -> str:
    """Write a number with the fewest digits from which the same number is read again.

    Parameters
    ----------
    value : numpy.float32 or numpy.float64
        A finite number.

    Returns
    -------
    str
        What Python and C take for a number with a fraction or an exponent.

    Examples
    --------
    >>> decimal(np.float32(0.1)), decimal(np.float64(3)), decimal(np.float32(1e-9))
    ('0.1', '3.0', '1e-09')
    """
    if value == 0 or 1e-4 <= abs(value) < 1e7:
        text = np.format_float_positional(value, unique=True, trim="0")
    else:
        text = np.format_float_scientific(value, unique=True, trim="-")
    # Python reads float64, which is then rounded once more: seldom, but not never, to a neighbour.
    return text if type(value)(float(text)) == value else repr(float(value))


def wrap(parts: Iterable[str], indent: str) -> list[str]:
    """Lay parts out in lines, with a comma behind each of them.

    Parameters
    ----------
    parts : iterable of str
        What is never broken, such as a number.
    indent : str
        What each line begins with.

    Returns
    -------
    list of str

    Examples
    --------
    >>> wrap(["1.0", "2.0"], "  ")
    ['  1.0, 2.0,']
    """
    lines: list[str] = []
    line = indent
    for part in parts:
        if len(line) + len(part) + 2 > WIDTH and line != indent:
            lines.append(line)
            line = indent
        line += f"{part}," if line == indent else f" {part},"
    return [*lines, line] if line != indent else lines


def on_one_line(thing: Any) -> str:
    """Return the repr of something without line breaks, for a comment.

    Parameters
    ----------
    thing : object
        Such as a layer.

    Returns
    -------
    str

    Examples
    --------
    >>> on_one_line([1, 2])
    '[1, 2]'
    """
    return " ".join(repr(thing).split())


def sentence(text: str, begin: str, go_on: str | None = None) -> list[str]:
    """Break a text into lines, but no word of it.

    Parameters
    ----------
    text : str
        The text.
    begin : str
        What the first line begins with.
    go_on : str, optional
        What the others begin with; as many spaces by default.

    Returns
    -------
    list of str

    Examples
    --------
    >>> sentence("Dense(4, 3): weighted sums", "# ")
    ['# Dense(4, 3): weighted sums']
    """
    return textwrap.wrap(
        text,
        WIDTH - 4,
        initial_indent=begin,
        subsequent_indent=" " * len(begin) if go_on is None else go_on,
        break_long_words=False,
        break_on_hyphens=False,
    )
