"""From an ONNX file to a model: the formula of its output, taken apart into layers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from os import PathLike
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from nnlite.core.aliases import AnyArray
from nnlite.core.chain import joined
from nnlite.errors import ArgumentError, ArgumentTypeError, ModelFileError
from nnlite.exchange.description import OnnxReader
from nnlite.exchange.onnx.found import Found
from nnlite.exchange.onnx.package import import_onnx
from nnlite.exchange.onnx.parsing import DAMAGED, INPUT, NOT_SUPPORTED, Parsed, cannot_bring_back, cut, parse
from nnlite.exchange.onnx.patterns import Value, find, shortest
from nnlite.exchange.table import DESCRIPTIONS
from nnlite.files.safetensors import check_path, parse_json
from nnlite.layers import Dropout, Input, Layer, Residual
from nnlite.model import Sequential

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["load"]

#: Protocol Buffers hold no more.
LARGEST = 2**31
#: How many numbers a model may have beyond the bytes of its file: a scalar can stand for many.
SPARE = 2**20
#: How often blocks that add their input may be inside of each other. Nets have two of them or three.
DEEPEST = 32


def load(path: str | PathLike[str], *, output: str | None = None) -> Sequential:
    """Read a multi-layer perceptron from an ONNX file, whoever wrote it.

    Parameters
    ----------
    path : str or path-like
        The file. Numbers in other files that it names are not read.
    output : str, optional
        Which output of the graph, if there are several.

    Returns
    -------
    Sequential
        A model that computes the same, in the precision of the numbers in the file, and can be
        trained further.

    Raises
    ------
    ModuleNotFoundError
        If the package onnx is not installed.
    ArgumentTypeError, ArgumentError
        If `path` is no path of a file, or `output` no name.
    ModelFileError
        If it is no valid ONNX file, or holds something that is no layer of nnlite; the message
        names the node and its operator.
    OSError
        If the file cannot be read.

    Notes
    -----
    What is taken for which layer is listed in ``help(nnlite.onnx)``. A sum of a result and of what layers
    make of that result becomes `Residual`, also inside of another one.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from nnlite import Dense, Sequential
    >>> from nnlite.onnx import export, load
    >>> model = Sequential([Dense(2, 1)], rng=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     export(model, pathlib.Path(folder) / "net.onnx")
    ...     copy = load(pathlib.Path(folder) / "net.onnx")
    >>> bool((copy.predict([[1, 2]]) == model.predict([[1, 2]])).all())
    True
    """
    source = check_path("nnlite.onnx.load(path)", path)
    if output is not None and not isinstance(output, str):
        fix = "Give the name of an output."
        raise ArgumentTypeError("nnlite.onnx.load(output=)", "a name", f"{output!r}", fix)
    if source.exists() and not (source.is_file() or source.is_dir()):
        fix = "Add the name of a file."
        raise ArgumentError("nnlite.onnx.load(path)", "the path of a file", f"{path}, which is none", fix)
    where = f"nnlite.onnx.load({source.name!r})"
    onnx = import_onnx("nnlite.onnx.load")
    try:
        with np.errstate(all="ignore"):
            return _build(where, parse(where, _read(where, source), output, onnx), onnx)
    except (ModelFileError, OSError):
        raise
    except Exception as error:  # whatever onnx, NumPy or a layer make of what they did not expect
        raise ModelFileError(
            where,
            "a graph that can be read",
            f"one that fails with {type(error).__name__}: {cut(str(error).strip()).rstrip('.')}",
            DAMAGED,
        ) from error


def _read(where: str, source: Path) -> bytes:
    """Return what is in the file, unless it is too large for one of ONNX."""
    size = source.stat().st_size
    if size >= LARGEST:
        raise ModelFileError(where, f"an ONNX file, below {LARGEST:,} bytes", f"one of {size:,}", DAMAGED)
    return source.read_bytes()


#: Shape of one sample, if it is known.
Shape: TypeAlias = tuple[int, ...] | None


class Part(NamedTuple):
    """What one layer is made from.

    Parameters
    ----------
    value : Value
        What it gives.
    inner : Value
        What it takes.
    make : callable (found) -> Layer, (Layer, dict) or None
        Makes it. The numbers are only computed then: a file can name the same ones a thousand times.
    places : dict of str to object
        What was found in the formula.
    block : tuple of Part
        What the layers inside are made from, if it is a `Residual`.
    """

    value: Value
    inner: Value
    make: OnnxReader
    places: Mapping[str, Any] = MappingProxyType({})
    block: tuple[Part, ...] = ()

    @property
    def nodes(self) -> tuple[Value, ...]:
        """All results that it consists of, the last first; dropout may have been asked of any."""
        return tuple(self.places.get("nodes", (self.value,)))

    def walk(self) -> Iterator[Part]:
        """Give it, and those inside."""
        yield self
        for one in self.block:
            yield from one.walk()


def _build(where: str, parsed: Parsed, onnx: Any) -> Sequential:
    """Make the model, once it is certain that it takes no more memory than its file justifies."""
    parts, start = _take_apart(parsed.value)
    parts = [*_dropouts((start,)), *parts]
    if parsed.dtype.kind == "i" and not (parts and parts[0].value.op == "Cast"):
        raise ModelFileError(where, "an input of floats, or a Cast behind it", "whole numbers", NOT_SUPPORTED)
    maker = _Maker(where, parsed)
    layers = maker.layers(parts, parsed.shape)
    if not layers:
        got = "one that gives its input as it is"
        raise ModelFileError(where, "a net of at least one layer", got, NOT_SUPPORTED)
    if None in (layers[0].input_shape or ()):
        if parsed.shape is None:
            fix = "Give the input of the graph a fixed shape."
            raise ModelFileError(where, "a known shape of a sample", "an open one", fix)
        layers.insert(0, Input(parsed.shape))
    arrays = [array for _, _, array in maker.numbers]
    dtype = np.result_type(*arrays) if arrays else parsed.dtype
    _check_casts(parts, dtype, onnx)
    model = Sequential._blank(layers, dtype=dtype, replicas=None)
    for layer, name, array in maker.numbers:
        if name in layer.buffer_shapes():
            layer.buffers[name] = np.array(array, dtype)
        else:
            getattr(layer, name)[...] = array
    if "nnlite_version" in parsed.metadata and "feature_names" in parsed.metadata:
        model.feature_names = parse_json(parsed.metadata["feature_names"])
    return model


class _Maker:
    """Makes the layers that do anything, of at most so many numbers."""

    def __init__(self, where: str, parsed: Parsed) -> None:
        self.where = where
        self.parsed = parsed
        #: What goes into the layers once they are in a model: parameters, state and buffers.
        self.numbers: list[tuple[Layer, str, AnyArray]] = []
        self.room = parsed.size + SPARE

    def layers(self, parts: Sequence[Part], shape: Shape) -> list[Layer]:
        """Make the layers of some parts in a row, for samples of a shape."""
        made = []
        for part in parts:
            with _named(part.value):
                layer = self._block(part, shape) if part.block else self._layer(part, shape)
            if layer is None:
                continue
            wanted = layer.input_shape
            if shape is not None and wanted is not None and joined(wanted, shape) is None:
                expected = f"a node that takes samples of shape {shape}"
                raise ModelFileError(part.value.place, expected, f"{wanted}", NOT_SUPPORTED)
            shape = shape or wanted
            shape = None if shape is None else layer.shape_after(shape)
            made.append(layer)
        return made

    def _layer(self, part: Part, shape: Shape) -> Layer | None:
        made = part.make(Found(part.value, part.places, shape, self.parsed))
        if not isinstance(made, tuple):
            return made
        layer, numbers = made
        self.numbers += [(layer, name, array) for name, array in numbers.items()]
        self.room -= sum(array.size for array in numbers.values())
        if self.room < 0:
            got = "one that uses them again and again"
            raise ModelFileError(self.where, "a net with numbers of its own for each layer", got, DAMAGED)
        return layer

    def _block(self, part: Part, shape: Shape) -> Layer:
        inside = self.layers(part.block, shape)
        if not inside:
            raise cannot_bring_back(part.value.place, "Add of a result and the same again")
        return Residual(inside)


@contextmanager
def _named(value: Value) -> Iterator[None]:
    """Name the node if its layer cannot use a number, or a shape."""
    try:
        yield
    except ArgumentError as error:
        if isinstance(error, ModelFileError):
            raise
        place = f"{value.place}: {error.where}"
        raise ModelFileError(place, error.expected, error.got, NOT_SUPPORTED) from error


def _check_casts(parts: list[Part], dtype: Any, onnx: Any) -> None:
    """Refuse changes of the type inside the net, which computes in one."""
    code = onnx.helper.np_dtype_to_tensor_dtype(dtype)
    for part in (one for outer in parts for one in outer.walk()):
        # The last in a formula: one before it is undone there.
        cast = next((value for value in part.nodes if value.op == "Cast"), None)
        if cast is not None and cast.attributes.get("to") != code:
            raise cannot_bring_back(cast.place, f"Cast to another type than {dtype}, that of the numbers")


def _take_apart(value: Value, start: Value | None = None, depth: int = 0) -> tuple[list[Part], Value]:
    """Return the parts of a formula, from a value or from the input on; and what they begin with."""
    parts: list[Part] = []
    while value is not start and value.op != INPUT:
        with _named(value):
            part = _formula(value) or _residual(value, depth)
        if part is None:
            raise _unknown(value)
        parts += [part, *_dropouts(part.nodes)][::-1]
        value = part.inner
    return parts[::-1], value


def _dropouts(values: tuple[Value, ...]) -> Iterator[Part]:
    """Give the dropout of some results: doing nothing in prediction, it follows the layer of them all."""
    for value in values[::-1]:
        for rate in value.dropout:
            yield Part(value, value, _dropout, {"rate": rate})


def _dropout(found: Found) -> Dropout:
    return Dropout(shortest(found["rate"]))


#: All formulas that are a layer, each with what makes it, by the operator of the last node.
_FORMULAS: dict[str, list[tuple[Any, OnnxReader]]] = defaultdict(list)
for _known in DESCRIPTIONS.values():
    for _op, _make in _known.onnx_nodes.items():
        _FORMULAS[_op].append(((_op, "x"), _make))
    for _pattern, _make in _known.onnx_formulas:
        _patterns: list[Any] = _pattern if isinstance(_pattern, list) else [_pattern]
        for _pattern in _patterns:
            _FORMULAS[_pattern[0]].append((_pattern, _make))
_FORMULAS["Cast"].append((("Cast", "x"), lambda _: None))  # which is none


def _formula(value: Value) -> Part | None:
    """Recognize a layer that is written as one node or several."""
    for pattern, make in _FORMULAS.get(value.op, ()):
        if (places := find(pattern, value)) is not None:
            return Part(value, places["x"], make, places)
    return None


def _residual(value: Value, depth: int) -> Part | None:
    """Recognize a sum of a result and of what layers make of it."""
    results = [one for one in value.arguments if isinstance(one, Value)]
    if value.op != "Add" or len(results) < 2:
        return None
    if depth == DEEPEST:
        raise cannot_bring_back(value.place, f"Add inside of {DEEPEST} others")
    first, last = sorted(results, key=lambda one: one.depth)
    parts, start = _take_apart(last, first, depth + 1)
    if start is not first or not parts:
        what = "one result and a constant, or one and what layers make of it"
        raise cannot_bring_back(value.place, f"Add of other things than {what}")
    return Part(value, first, lambda _: None, block=tuple(parts))


def _unknown(value: Value) -> ModelFileError:
    """Return the error for what is no layer; say so if its operator can be one with constants."""
    got, known = value.op, _FORMULAS.get(value.op, ())
    if any(len(pattern) > 2 and all(isinstance(part, str) for part in pattern) for pattern, _ in known):
        what = "a constant" if got in ("Add", "Sub", "Mul", "Div") else "constants"
        got += f" of other things than one result and {what}"
    return cannot_bring_back(value.place, got)
