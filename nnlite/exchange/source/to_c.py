"""From a model to a C99 header that needs only ``math.h``."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np

from nnlite._version import __version__
from nnlite.data.table import CategoricalColumn, NumericColumn
from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.exchange.checks import check_custom, warn_of_rounding
from nnlite.exchange.description import SourceWriter, loop
from nnlite.exchange.source.ending import c_body, c_labels, c_text
from nnlite.exchange.source.text import (
    WIDTH,
    Source,
    Step,
    decimal,
    on_one_line,
    sentence,
    wrap,
    write_out,
)
from nnlite.exchange.table import DESCRIPTIONS, described
from nnlite.exchange.whole import Ending, take_whole
from nnlite.layers import Layer
from nnlite.model import Sequential

__all__ = ["CSource", "to_c"]

#: C99 tells names apart by 63 characters, and something is put behind this one.
LONGEST_NAME = 31


class CSource(Source):
    r"""C source that is being written; functions for `to_c` write their constants to it.

    Parameters
    ----------
    where : str
        Names the function in messages.
    dtype : dtype
        That of the model.
    prefix : str
        What all names begin with.
    writers : mapping of class to function
        What writes each kind of layer.

    Attributes
    ----------
    place : str
        The place of the layer that is being written, such as ``"1"``, or ``"1.0"`` inside of that one.
    shape : tuple of int or None
        Shape of a sample as it comes to the next layer.
    real : str
        ``"float"`` or ``"double"``.
    x : str
        The array with the numbers that the layer gets. It may be written over.
    inputs, outputs : int
        How many numbers the layer gets, and how many it gives.
    width : int
        How many of the inputs are on the last axis of a sample.
    constants : list of str
        What has been written so far.

    Examples
    --------
    >>> source = CSource("here", np.dtype(np.float32), "net")
    >>> source.constant("gain", [0.5, 2.0])
    'net_gain0'
    >>> print(*source.constants, sep="\n")
    static const float net_gain0[2] = {0.5f, 2.0f};
    """

    def __init__(
        self,
        where: str,
        dtype: np.dtype[np.floating[Any]],
        prefix: str,
        writers: Mapping[type[Layer], SourceWriter] | None = None,
    ) -> None:
        super().__init__(where, dtype, writers)
        self.prefix = prefix
        self.real = "float" if dtype == np.float32 else "double"
        self.x = "a"
        self.inputs = self.outputs = self.width = 0
        self.sizes = {"a": 0}
        self._other: str | None = None
        self._count = 0  # how many numbers there are in x

    def _body(self, step: Step, writer: SourceWriter) -> list[str]:
        if step.before is None or step.behind is None:
            raise ArgumentError(
                self.where,
                "a model that knows how many numbers come in and go out",
                "one that takes any number of them",
                "Begin it with a layer of a fixed size, such as Dense.",
            )
        outer = self.inputs, self.outputs, self.width
        self.inputs, self.outputs = math.prod(step.before), math.prod(step.behind)
        self.width = step.before[-1]
        self.sizes[self.x] = max(self.sizes[self.x], self.inputs)
        self._other, self._count = None, self.inputs
        lines = super()._body(step, writer)
        if self._other is not None:
            self.x = self._other
        elif self._count != self.outputs:
            raise ArgumentError(
                self.where,
                f"lines that write {self.outputs} numbers to another array than the {self.inputs} inputs",
                "none",
                "Write to the array that source.into() names.",
            )
        self._other, self._count = None, self.outputs
        self.inputs, self.outputs, self.width = outer
        return lines

    def _comment(self, text: str) -> list[str]:
        return sentence(f"{_comment(text)} */", "/* ")

    def _words(self, step: Step, lines: list[str]) -> str:
        return "" if lines else ": nothing to do"

    def into(self) -> str:
        """Say that the layer writes its numbers to another array than `x`.

        Returns
        -------
        str
            The name of that array, of at least `outputs` numbers.
        """
        self._other = "b" if self.x == "a" else "a"
        self.sizes[self._other] = max(self.sizes.get(self._other, 0), self.outputs)
        return self._other

    def array(self, name: str, size: int) -> str:
        """Have one more array for the numbers of a row, that lasts while the layer is being computed.

        Parameters
        ----------
        name : str
            What it is called; behind it comes how deep inside of others the layer is. Layers in a row
            share it.
        size : int
            How many numbers it shall hold.

        Returns
        -------
        str
            Its name.
        """
        name = f"{name}{self.place.count('.')}"
        self.sizes[name] = max(self.sizes.get(name, 0), size)
        return name

    def call(self, function: str) -> str:
        """Return the name of a function of ``math.h`` for the dtype.

        Parameters
        ----------
        function : str
            Its name for double, such as ``"exp"``.

        Returns
        -------
        str
        """
        return function + ("f" if self.real == "float" else "")

    def number(self, value: float) -> str:
        """Write one number of the dtype.

        Parameters
        ----------
        value : float
            The number.

        Returns
        -------
        str

        Raises
        ------
        ArgumentError
            If the dtype has no such number.
        """
        return decimal(self.checked(f"{value:g}", value)[()]) + ("f" if self.real == "float" else "")

    def each(self, expression: str) -> list[str]:
        """Write a loop over all numbers that come in.

        Parameters
        ----------
        expression : str
            What becomes of the number ``v``, the one at ``i``. ``<exp>`` is a function of
            ``math.h`` and ``[0.5]`` a number, as the dtype has them.

        Returns
        -------
        list of str
        """
        expression = re.sub(r"<(\w+)>", lambda found: self.call(found[1]), expression)
        expression = re.sub(r"\[(\d+\.\d+)\]", lambda found: self.number(float(found[1])), expression)
        return loop("i", self.inputs, f"const {self.real} v = {self.x}[i];", f"{self.x}[i] = {expression};")

    def constant(self, name: str, values: Any, *, integers: bool = False) -> str:
        """Write numbers down.

        Parameters
        ----------
        name : str
            What to call them; the prefix and the place of the layer are put around it.
        values : array-like
            The numbers.
        integers : bool
            Whether they are whole numbers, of type long.

        Returns
        -------
        str
            The name of an array of their shape.

        Raises
        ------
        ArgumentError
            If they are not finite, or that is no name.
        """
        array = np.atleast_1d(np.asarray(values) if integers else self.checked(name, values))
        name = f"{self.prefix}_{self.name(name)}"
        sizes = "".join(f"[{size}]" for size in array.shape)
        start = f"static const {'long' if integers else self.real} {name}{sizes} = {{"
        rows = self._rows(array, integers, "    ")
        if len(rows) == 1 and len(start) + len(rows[0]) <= WIDTH:
            self.constants.append(f"{start}{rows[0].strip().removesuffix(',')}}};")
        else:
            self.constants += [start, *rows, "};"]
        return name

    def _rows(self, array: Any, integers: bool, indent: str) -> list[str]:
        if array.ndim == 1:
            parts = map(str, array.tolist()) if integers else map(self._literal, array)
            return wrap(parts, indent)
        lines = []
        for row in array:
            inner = self._rows(row, integers, indent + "    ")
            if len(inner) == 1:
                lines.append(f"{indent}{{{inner[0].strip()[:-1]}}},")
            else:
                lines += [f"{indent}{{", *inner, f"{indent}}},"]
        return lines

    def _literal(self, value: Any) -> str:
        return decimal(value) + ("f" if self.real == "float" else "")

    def macro(self, name: str) -> str:
        """Return the name of a macro.

        Parameters
        ----------
        name : {"INPUTS", "OUTPUTS"}
            Which.

        Returns
        -------
        str
        """
        return f"{self.prefix.upper()}_{name}"


def to_c(
    model: Any,
    path: str | PathLike[str] | None = None,
    *,
    name: str = "net",
    custom: Mapping[type[Layer], SourceWriter] | None = None,
) -> str:
    """Write a model as a C99 header with a function that computes one row.

    The header has ``static inline void net_predict(const float *x, float *y)``, and the sizes of
    the two arrays as ``NET_INPUTS`` and ``NET_OUTPUTS``. It includes ``math.h`` and nothing else,
    takes no memory but a little of the stack, whose size it names, and writes to nothing but `y`:
    any number of threads may call it. A float64 model has ``double`` in the place of ``float``.

    Of a classifier of `nnlite.sklearn`, `y` holds probabilities, and scores after `Hinge`. If each row has
    one label there is a table of the labels too, ``net_labels``, of text, ``long long`` or ``double``, and
    ``static inline long net_classify(const float *x, float *y)``, which also returns the place of the
    likeliest in it, or -1 if `y` is NaN. Of a regressor, `y` is in the units of the targets.

    Parameters
    ----------
    model : Sequential, estimator of `nnlite.sklearn` or Pipeline
        A single net, for prediction: dropout is left out. For a Pipeline see `nnlite.onnx.export`.
    path : str or path-like, optional
        Write the source to this file too; an old one is replaced once the new one is complete.
    name : str
        What all names in the header begin with, so that several nets fit into one program.
    custom : mapping of class to function, optional
        How layers of your own are written: a function for each class. It takes the layer and the
        `CSource`, and returns lines of C that change the numbers in the array ``source.x``, or
        write others to ``source.into()``. Those of layers that it is made of ``source.layer`` gives.

    Returns
    -------
    str
        The source.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If that is no model, no path or no name, the model has replicas or weights that are not
        finite, its size is not fixed, or a layer has no form.
    NotFittedError
        If a layer must see data first.
    OSError
        If the file cannot be written.

    Notes
    -----
    Numbers are written with the fewest digits that give the same number again. The sums are added
    up in another order than by NumPy, so results differ in the last digits.

    With preprocessing, the input is the encoded row; the header says which place holds what.

    Where an id is none that the model knows, all outputs are NaN.

    Examples
    --------
    >>> from nnlite import Dense, Sequential, Tanh
    >>> model = Sequential([Dense(2, 8), Tanh(), Dense(8, 1)], rng=0)
    >>> header = to_c(model, name="xor")
    >>> [line for line in header.splitlines() if line.startswith(("#include", "#define", "static inline"))]
    ['#define XOR_H', '#include <math.h>', '#define XOR_INPUTS 2', '#define XOR_OUTPUTS 1',
    'static inline void xor_predict(const float *x, float *y)']

    A layer of your own:

    >>> from nnlite import Layer
    >>> class Square(Layer):
    ...     def forward(self, x, ctx=None):
    ...         return x * x
    >>> model = Sequential([Dense(2, 1), Square()], rng=0)
    >>> header = to_c(model, custom={Square: lambda layer, source: source.each("v * v")})
    """
    where = "to_c"
    model, ending = take_whole(where, model, choose=f"{where}(model.replica(0))")
    warn_of_rounding(where, model)
    writers = {cls: one.c for cls, one in DESCRIPTIONS.items()} | check_custom(where, custom)
    source = CSource(where, model.params.dtype, _check_name(f"{where}(name=)", name), writers)
    body = source.model(model)
    end = None if ending is None else c_body(ending, source)
    text = "\n".join(
        [
            *_head(model, source, ending),
            *source.constants,
            "",
            *_function(source, body, end),
            *([] if ending is None else c_labels(ending, source)),
            "",
            "#endif",
            "",
        ]
    )
    return write_out(where, path, text)


def _check_name(where: str, name: Any) -> str:
    if not isinstance(name, str):
        raise ArgumentTypeError(where, "a name", f"{name!r}", "Write it as 'net'.")
    if not re.fullmatch(rf"[A-Za-z][A-Za-z0-9_]{{0,{LONGEST_NAME - 1}}}", name):
        raise ArgumentError(
            where,
            f"a letter, and up to {LONGEST_NAME - 1} letters, digits and underscores behind it",
            f"{name!r}",
            "Such a name begins all names in the header.",
        )
    return name


def _head(model: Sequential, source: CSource, ending: Ending | None) -> list[str]:
    prefix = source.prefix
    size = sum(source.sizes.values()) * model.params.dtype.itemsize
    about = [
        f"A neural network as a function, written by nnlite {__version__}.",
        "",
        *_table_of_layers(source.steps),
        "",
        f"{prefix}_predict computes one row: it reads {source.macro('INPUTS')} numbers from x and writes",
        f"{source.macro('OUTPUTS')} to y. It needs math.h (link with -lm) and {size:,} bytes of the stack.",
        "Several threads may call it.",
        *c_text(ending, prefix),
        *_inputs(model),
        *_order(source.steps[0].before or ()),
    ]
    inputs, outputs = math.prod(source.steps[0].before or ()), math.prod(source.shape or ())
    outputs = outputs if ending is None else ending.width
    return [
        "/*",
        *(f" * {line}".rstrip() for line in about),
        " */",
        f"#ifndef {prefix.upper()}_H",
        f"#define {prefix.upper()}_H",
        "",
        "#include <math.h>",
        "",
        f"#define {source.macro('INPUTS')} {inputs}",
        f"#define {source.macro('OUTPUTS')} {outputs}",
        "",
    ]


def _table_of_layers(layers: Sequence[Step]) -> list[str]:
    lines = []
    for step in layers:
        known = described(step.layer)
        text = f"{on_one_line(step.layer)}{f': {known.words}' if known else ''}"
        lines += sentence(f"{_comment(text)} -> {math.prod(step.behind or ())}", f"{step.place:>3}  ")
    return lines


def _inputs(model: Sequential) -> list[str]:
    """Say what the numbers of a row are, where that is known."""
    encoder, names = model.preprocessing, model.feature_names
    if encoder is not None:
        numeric = [column for column in encoder.columns if isinstance(column, NumericColumn)]
        said = [
            *(
                f"({_text(column.name)} - {column.mean!r}) / {column.scale!r}, 0 if missing"
                for column in numeric
            ),
            *(f"1 if {_text(column.name)} is missing, else 0" for column in numeric if column.missing),
            *(_ids(column) for column in encoder.columns if isinstance(column, CategoricalColumn)),
        ]
    elif names is not None:
        said = [_text(name) for name in names]
    else:
        return []
    lines = ["", "x is a row of"]
    for place, words in enumerate(said):
        lines += sentence(words, f"  x[{place}]  ")
    return lines


def _order(shape: tuple[int, ...]) -> list[str]:
    """Say where in x the numbers of a sequence or an image are."""
    if len(shape) == 2:
        return ["", "x is a sequence, its steps one after the other:", f"  x[step * {shape[1]} + feature]"]
    if len(shape) == 3:
        place = f"x[(row * {shape[1]} + column) * {shape[2]} + channel]"
        return ["", "x is an image, its rows one after the other:", f"  {place}"]
    return []


def _ids(column: CategoricalColumn) -> str:
    known = [f"{number} for {_text(category)}" for number, category in enumerate(column.categories, start=1)]
    missing = f", {column.missing_id} if missing" if column.missing else ""
    return f"the id of {_text(column.name)}: {', '.join([*known, '0 for any other'])}{missing}"


def _text(value: Any) -> str:
    return _comment(ascii(value))


def _comment(text: str) -> str:
    """Change what would end a comment, or what compilers warn of in one."""
    text = text.encode("ascii", "backslashreplace").decode()
    return re.sub(r"\?(?=\?)", "? ", text.replace("*/", "* /").replace("/*", "/ *"))


def _function(source: CSource, body: list[str], end: list[str] | None) -> list[str]:
    real = source.real
    arrays = ", ".join(f"{name}[{size}]" for name, size in source.sizes.items())
    between = "/* the numbers between the layers */"
    declared = f"{real} {arrays};"
    short = len(declared) + len(between) + 6 <= WIDTH
    lines = [
        *([f"{declared}  {between}"] if short else [between, *sentence(declared, "", "    ")]),
        "",
        *loop("i", source.macro("INPUTS"), "a[i] = x[i];"),
        *body,
        "",
        *(loop("i", source.macro("OUTPUTS"), f"y[i] = {source.x}[i];") if end is None else end),
    ]
    return [
        f"static inline void {source.prefix}_predict(const {real} *x, {real} *y)",
        "{",
        *(f"    {line}" if line else "" for line in lines),
        "}",
    ]
