"""What the two kinds of source code have in common: checks, names, numbers as text, and lines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from nnlite.core.chain import follow_shapes
from nnlite.core.types import AnyArray
from nnlite.errors import ArgumentError, ArgumentTypeError, NotFittedError
from nnlite.exchange.checks import check_encoder, check_single
from nnlite.exchange.description import SourceWriter
from nnlite.files.safetensors import check_path, write_atomically
from nnlite.layers import Layer
from nnlite.model import Sequential

__all__ = [
    "Source",
    "Step",
    "check_model",
    "decimal",
    "on_one_line",
    "steps",
    "wrap",
    "write_layer",
    "write_out",
]

#: Longest line that is written, where it can be broken.
WIDTH = 100


class Step(NamedTuple):
    """A layer in its place, with the shapes of a sample before and behind it; None if any will do.

    Parameters
    ----------
    place : int
        Its place, from 0.
    layer : Layer
        The layer.
    before, behind : tuple of int or None
        The shapes.
    """

    place: int
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
    """

    def __init__(self, where: str, dtype: np.dtype[np.floating[Any]]) -> None:
        self.where = where
        self.dtype = dtype
        self.place = 0
        self.constants: list[str] = []
        self._names: set[str] = set()

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
        first = name = f"{wanted}{self.place}"
        count = 0
        while name in self._names:
            count += 1
            name = f"{first}_{count}"
        self._names.add(name)
        return name

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


def check_model(where: str, model: Any) -> Sequential:
    """Return a model that can be written.

    Parameters
    ----------
    where : str
        Names the function in messages.
    model : object
        The candidate.

    Returns
    -------
    Sequential

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If it is none, one with replicas, or one with preprocessing of another kind.
    """
    single = check_single(where, model, choose=f"{where}(model.replica(0))")
    check_encoder(where, single)
    return single


def steps(model: Sequential) -> list[Step]:
    """List the layers of a model with the shapes around them.

    Parameters
    ----------
    model : Sequential
        The model.

    Returns
    -------
    list of Step

    Examples
    --------
    >>> from nnlite import Dense, Tanh
    >>> [(step.before, step.behind) for step in steps(Sequential([Tanh(), Dense(4, 2)]))]
    [((4,), (4,)), ((4,), (2,))]
    """
    first, behind = follow_shapes(model.layers)
    before = [first, *behind[:-1]]
    return [Step(*each) for each in zip(range(len(before)), model.layers, before, behind, strict=True)]


def write_layer(step: Step, source: Source, writers: Mapping[type[Layer], SourceWriter]) -> list[str]:
    """Let the function for a layer write its lines.

    Parameters
    ----------
    step : Step
        The layer.
    source : Source
        Where it writes its constants to.
    writers : mapping of class to function
        All that there are.

    Returns
    -------
    list of str

    Raises
    ------
    ArgumentError
        If there is no function for its class.
    ArgumentTypeError
        If the function gives something else than lines.
    NotFittedError
        If the layer must see data first.
    """
    layer, name = step.layer, type(step.layer).__name__
    function = source.where
    source.place = step.place
    source.where = f"{function}: layer {step.place} {on_one_line(layer)}"
    writer = writers.get(type(layer))  # of that very class: a subclass computes something else
    if writer is None:
        raise ArgumentError(
            source.where,
            "a layer of nnlite itself, or one that is written by custom=",
            f"the class {name}",
            f"Write {function}(..., custom={{{name}: function}}); "
            "the function takes (layer, source) and returns lines of source.",
        )
    if not layer.adapted:
        fix = "Call its adapt(X), or fit the model."
        raise NotFittedError(source.where, "a layer that has seen data", "one that has not", fix)
    written = writer(layer, source)
    lines = written.splitlines() if isinstance(written, str) else written
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        what = f"the function for {name} to return lines of source"
        raise ArgumentTypeError(source.where, what, f"{written!r}", "Return a string, or a list of strings.")
    source.where = function
    return lines


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
