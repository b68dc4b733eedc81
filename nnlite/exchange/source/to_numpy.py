"""From a model to a Python function that needs only NumPy."""

from __future__ import annotations

import base64
import textwrap
from collections.abc import Mapping
from os import PathLike
from typing import Any

import numpy as np

from nnlite._version import __version__
from nnlite.core.aliases import AnyArray
from nnlite.errors import ArgumentError
from nnlite.exchange.checks import check_custom
from nnlite.exchange.description import SourceWriter
from nnlite.exchange.source.ending import numpy_body, numpy_labels
from nnlite.exchange.source.table import write_encoder
from nnlite.exchange.source.text import (
    WIDTH,
    Source,
    Step,
    decimal,
    sentence,
    wrap,
    write_out,
)
from nnlite.exchange.table import DESCRIPTIONS, described
from nnlite.exchange.whole import Ending, take_whole
from nnlite.layers import Layer
from nnlite.model import Sequential

__all__ = ["NumpySource", "to_numpy"]

#: Functions that some layers need: what goes into the source, by name.
HELPERS = {
    "sigmoid": '''\
def sigmoid(x):
    """Squash numbers into (0, 1): 1 / (1 + exp(-x)), written so that exp never overflows."""
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)
''',
    "chance_below": '''\
def chance_below(x):
    """Return the chance that a standard normal number is below x."""
    chance = np.vectorize(lambda number: 0.5 * math.erfc(-number * math.sqrt(0.5)), otypes=[float])
    return chance(x).astype(x.dtype)
''',
}

#: Arrays with more numbers than this are no reading: they are packed.
MOST_DECIMALS = 1000

_UNPACK = '''\
def unpack(shape, text):
    """Return the numbers that a text holds: {dtype}, lowest byte first, in base64."""
    numbers = np.frombuffer(base64.b64decode(text), dtype="{code}")
    return numbers.astype(np.{dtype}).reshape(shape)
'''


class NumpySource(Source):
    r"""Python source that is being written; functions for `to_numpy` write their constants to it.

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
    dtype : dtype
        What was given.
    place : str
        The place of the layer that is being written, such as ``"1"``, or ``"1.0"`` inside of that one.
    shape : tuple of int or None
        Shape of a sample as it comes to the next layer; None if any will do.
    imports, helpers, constants : set of str, dict of str to str, list of str
        What has been written so far.

    Examples
    --------
    >>> source = NumpySource("here", np.dtype(np.float32))
    >>> source.constant("gain", [0.5, 2.0])
    'gain0'
    >>> print(*source.constants, sep="\n")
    gain0 = np.array([0.5, 2.0], dtype=np.float32)
    """

    def __init__(
        self,
        where: str,
        dtype: np.dtype[np.floating[Any]],
        writers: Mapping[type[Layer], SourceWriter] | None = None,
    ) -> None:
        super().__init__(where, dtype, writers)
        self.imports: set[str] = set()
        self.helpers: dict[str, str] = {}
        self.unpack = ""  # a function that stands before the constants, since they call it

    def constant(self, name: str, values: Any, dtype: Any = None) -> str:
        """Write numbers down.

        Parameters
        ----------
        name : str
            What to call them; the place of the layer is put behind it.
        values : array-like
            The numbers.
        dtype : dtype, optional
            That of the model by default.

        Returns
        -------
        str
            The name of an array of that dtype.

        Raises
        ------
        ArgumentError
            If they are not finite, or that is no name.
        """
        array = np.atleast_1d(self.checked(name, values, dtype))
        name = self.name(name)
        if array.size > MOST_DECIMALS and array.dtype == self.dtype:
            self.constants += self._packed(name, array)
        else:
            self.constants += _written(name, array)
        return name

    def helper(self, name: str) -> str:
        """Have one of the small functions of `HELPERS` in the source.

        Parameters
        ----------
        name : str
            Which.

        Returns
        -------
        str
            Its name.
        """
        self.helpers[name] = HELPERS[name]
        if "math." in HELPERS[name]:
            self.imports.add("math")
        return name

    def _comment(self, text: str) -> list[str]:
        return sentence(text, "# ", "# ")

    def _words(self, step: Step, lines: list[str]) -> str:
        known = described(step.layer)
        shape = "" if step.behind is None else f" -> {_with_batch(step.behind)}"
        return f"{f': {known.words}' if known else ''}{shape}"

    def _packed(self, name: str, array: AnyArray) -> list[str]:
        self.imports.add("base64")
        code = array.dtype.newbyteorder("<").str
        self.unpack = _UNPACK.format(dtype=array.dtype, code=code)
        text = base64.b64encode(array.astype(code).tobytes()).decode()
        lines = [text[start : start + WIDTH] for start in range(0, len(text), WIDTH)]
        return [f'{name} = unpack({array.shape}, """', *lines, '""")']


def _written(name: str, array: AnyArray) -> list[str]:
    """Write an array as decimals, with a line for each row."""
    numbers = [decimal(number) for number in array.ravel()]
    short = f"{name} = np.array([{', '.join(numbers)}], dtype=np.{array.dtype})"
    if array.ndim == 1 and len(short) <= WIDTH:
        return [short]
    if array.ndim < 2:
        return [f"{name} = np.array([", *wrap(numbers, "    "), f"], dtype=np.{array.dtype})"]
    rows = []
    for start in range(0, array.size, array.shape[-1]):
        row = numbers[start : start + array.shape[-1]]
        line = f"    [{', '.join(row)}],"
        rows += [line] if len(line) <= WIDTH else ["    [", *wrap(row, "        "), "    ],"]
    end = f"], dtype=np.{array.dtype})"
    if array.ndim > 2:
        end += f".reshape({array.shape})"
    return [f"{name} = np.array([", *rows, end]


def to_numpy(
    model: Any,
    path: str | PathLike[str] | None = None,
    *,
    custom: Mapping[type[Layer], SourceWriter] | None = None,
) -> str:
    """Write a model as Python source with a function ``predict(x)`` that needs only NumPy.

    The function computes what ``model.predict`` does, layer by layer, and is meant to be read.
    A model with preprocessing becomes a function of a table: a dict of columns or a frame. Of a classifier
    of `nnlite.sklearn` there is a function ``predict_proba`` too, or ``scores`` after `Hinge`, and
    ``predict`` gives labels.

    Parameters
    ----------
    model : Sequential, estimator of `nnlite.sklearn` or Pipeline
        A single net, for prediction: dropout is left out. For a Pipeline see `nnlite.onnx.export`.
    path : str or path-like, optional
        Write the source to this file too; an old one is replaced once the new one is complete.
    custom : mapping of class to function, optional
        How layers of your own are written: a function for each class. It takes the layer and the
        `NumpySource`, and returns lines of NumPy that make of the array ``x`` the next ``x``. Those
        of layers that it is made of ``source.layer`` gives.

    Returns
    -------
    str
        The source.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If that is no model or no path, the model has replicas or weights that are not finite, or
        a layer has no form.
    NotFittedError
        If a layer must see data first.
    OSError
        If the file cannot be written.

    Notes
    -----
    Arrays of up to 1,000 numbers are written as decimals, with the fewest digits that give the
    same number again; larger ones as base64. Either way not a bit is lost. `model.predict` refuses
    NaN and infinity, and the function does not.

    Examples
    --------
    >>> from nnlite import Dense, ReLU, Sequential
    >>> model = Sequential([Dense(2, 2), ReLU(), Dense(2, 1)], rng=0)
    >>> model[0].W[...], model[2].W[...] = [[1, 1], [1, 1]], [[1], [-2]]
    >>> model[0].b[...] = [0, -1]
    >>> space = {}
    >>> exec(to_numpy(model), space)
    >>> space["predict"]([[0, 0], [0, 1], [1, 0], [1, 1]])
    array([[0.], [1.], [1.], [0.]], dtype=float32)

    A layer of your own:

    >>> from nnlite import Layer
    >>> class Square(Layer):
    ...     def forward(self, x, ctx=None):
    ...         return x * x
    >>> model = Sequential([Dense(2, 1), Square()], rng=0)
    >>> source = to_numpy(model, custom={Square: lambda layer, source: "x = x * x"})
    """
    where = "to_numpy"
    model, ending = take_whole(where, model, choose=f"{where}(model.replica(0))")
    writers = {cls: one.numpy for cls, one in DESCRIPTIONS.items()} | check_custom(where, custom)
    source = NumpySource(where, model.params.dtype, writers)
    body = source.model(model)
    if ending is not None:
        body += numpy_body(ending, source)
    blocks = [
        _head(model, source),
        source.unpack,
        "\n".join(source.constants),
        *([] if model.preprocessing is None else write_encoder(model.preprocessing)),
        *source.helpers.values(),
        _predict(model, ending, body),
        *([] if ending is None else numpy_labels(ending)),
    ]
    text = "\n\n\n".join(block.strip("\n") for block in blocks if block) + "\n"
    if custom:
        _check_source(where, text)
    return write_out(where, path, text)


def _with_batch(shape: tuple[int, ...] | None) -> str:
    return f"(batch, {'...' if shape is None else ', '.join(map(str, shape))})"


def _head(model: Sequential, source: NumpySource) -> str:
    argument = "x" if model.preprocessing is None else "table"
    return "\n".join(
        [
            f'"""A neural network as a function: predict({argument}). It needs only NumPy.',
            "",
            f"Written by nnlite {__version__}.",
            '"""',
            "",
            *(f"import {name}" for name in sorted(source.imports)),
            *([""] if source.imports else []),
            "import numpy as np",
        ]
    )


def _predict(model: Sequential, ending: Ending | None, body: list[str]) -> str:
    name, does = "predict", "Compute the outputs of the net: a row for each row that comes in."
    gives = f"{model.params.dtype} of shape {_with_batch(model.output_shape)}"
    if ending is not None and ending.classes is None:
        does = "Predict the targets of each row."
        dtype = model.params.dtype if ending.mean is None else "float64"
        gives = f"{dtype} of shape {'(batch,)' if ending.width == 1 else _with_batch((ending.width,))}"
    elif ending is not None:
        name = "scores" if ending.activation == "identity" else "predict_proba"
        does = f"Compute the {'score' if name == 'scores' else 'probability'} of each class."
        gives = f"{model.params.dtype} of shape {_with_batch((ending.width,))}"
    shape = model.input_shape
    given = _with_batch(shape)
    wrong = "x.ndim < 2" if shape is None else f"x.shape[1:] != {shape}"
    is_table = model.preprocessing is not None
    lines = [
        f'"""{does}',
        "",
        *_takes(model, given),
        f"Returns {gives}.",
        '"""',
        *(["x = table if isinstance(table, np.ndarray) else encode(table)"] if is_table else []),
        *_cast(model),
        f"if {wrong}:",
        f'    raise ValueError(f"expected an array of shape {given}, got {{x.shape}}")',
        *body,
        "",
        "return x",
    ]
    head = f"def {name}({'table' if is_table else 'x'}):"
    return "\n".join([head, *(f"    {line}" if line else "" for line in lines)])


def _cast(model: Sequential) -> list[str]:
    """Cast the input, but leave what Standardize is to subtract from in float64, as the model does."""
    if not model.boundary.exact:
        return [f"x = np.asarray(x, dtype=np.{model.params.dtype})"]
    exact = "np.float32 if np.can_cast(x.dtype, np.float32) else np.float64"
    return ["x = np.asarray(x)", f"x = x.astype({exact}, copy=False)"]


def _takes(model: Sequential, given: str) -> list[str]:
    """Say in the docstring what the function takes."""
    if model.preprocessing is not None:
        return [
            "table: a dict of columns, or a frame, with the columns that encode takes; or an array of",
            f"what encode returns, of shape {given}.",
        ]
    if model.feature_names is None:
        return [f"x: numbers of shape {given}."]
    names = ", ".join(map(repr, model.feature_names))
    # A name may hold anything; three quotes would end the docstring, and a line that ends between
    # two backslashes would change it.
    names = names.replace("\\", "\\\\").replace('"""', "'''")
    lines = textwrap.wrap(f"{names}.", WIDTH - 4, break_long_words=False, break_on_hyphens=False)
    return [f"x: numbers of shape {given}, whose columns are", *lines]


def _check_source(where: str, text: str) -> None:
    """Refuse what Python cannot read."""
    try:
        compile(text, where, "exec")
    except SyntaxError as error:
        raise ArgumentError(
            f"{where}(custom=)",
            "functions that return lines of Python",
            f"{error.msg} in {(error.text or '').strip()!r}",
            "Correct the function.",
        ) from error
