"""From an ONNX file to a model: the formula of its output, taken apart into layers."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from heapq import heapify, heappop, heappush
from os import PathLike
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from nnlite.core.aliases import AnyArray
from nnlite.core.chain import follow_shapes, joined
from nnlite.errors import ArgumentError, ArgumentTypeError, ModelFileError
from nnlite.exchange.description import OnnxReader
from nnlite.exchange.onnx.axes import around, inverse, permuted, settled
from nnlite.exchange.onnx.external import Folder
from nnlite.exchange.onnx.found import Found
from nnlite.exchange.onnx.package import import_onnx
from nnlite.exchange.onnx.parsing import DAMAGED, INPUT, NOT_SUPPORTED, Parsed, cannot_bring_back, cut, parse
from nnlite.exchange.onnx.patterns import Value, find, shortest
from nnlite.exchange.onnx.steps import padding_of
from nnlite.exchange.table import DESCRIPTIONS
from nnlite.files.safetensors import check_path, parse_json
from nnlite.layers import Add, Concatenate, Dropout, Input, Layer, Permute, Residual, TimeDistributed
from nnlite.model import Sequential

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["load"]

#: Protocol Buffers hold no more.
LARGEST = 2**31
#: How many numbers a model may have beyond the bytes of its file: a scalar can stand for many.
SPARE = 2**20
#: How often layers made of others may be inside of each other. Nets have two of them or three.
DEEPEST = 32


def load(path: str | PathLike[str], *, output: str | None = None) -> Sequential:
    """Read a multi-layer perceptron from an ONNX file, whoever wrote it.

    Parameters
    ----------
    path : str or path-like
        The file. Numbers in other files that it names are read if those are in its own folder, or in one
        inside of that; others are never opened.
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
    What is taken for which layer is listed in ``help(nnlite.onnx)``. Ways that part at one result and meet
    again become branches: a sum with the result itself is `Residual`, other sums are `Add`, products
    `Multiply`, and what stands side by side is `Concatenate`, also inside of each other. Ways that cross
    are refused. What is done for each step of a sequence is `TimeDistributed`.

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
            return _build(where, parse(where, _read(where, source), output, onnx, Folder(source)), onnx)
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
    data = source.read_bytes()
    if data[8:9] == b"{" and int.from_bytes(data[:8], "little") <= len(data) - 8:
        fix = "Write nnlite.load(path)."
        raise ModelFileError(where, "an ONNX file", "a safetensors file, as model.save writes it", fix)
    return data


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
    kind : type of Layer, optional
        Of a layer that is made of others, its class.
    ways : tuple of tuple of Part
        What the layers inside are made from: of each branch, or of one row.
    padding : float, optional
        Of a `TimeDistributed`.
    """

    value: Value
    inner: Value
    make: OnnxReader
    places: Mapping[str, Any] = MappingProxyType({})
    kind: type[Layer] | None = None
    ways: tuple[tuple[Part, ...], ...] = ()
    padding: float | None = None

    @property
    def nodes(self) -> tuple[Value, ...]:
        """All results that it consists of, the last first; dropout may have been asked of any."""
        return tuple(self.places.get("nodes", (self.value,)))

    def walk(self) -> Iterator[Part]:
        """Give it, and those inside."""
        yield self
        for way in self.ways:
            for one in way:
                yield from one.walk()


def _build(where: str, parsed: Parsed, onnx: Any) -> Sequential:
    """Make the model, once it is certain that it takes no more memory than its file justifies."""
    parts, start = _Apart().row(parsed.value)
    parts = [*_dropouts((start,)), *parts]
    if parsed.dtype.kind == "i" and not (parts and parts[0].value.op in ("Cast", "Gather")):
        raise ModelFileError(where, "an input of floats, or a Cast behind it", "whole numbers", NOT_SUPPORTED)
    maker = _Maker(where, parsed)
    layers = maker.layers(parts, parsed.shape)
    if not layers:
        got = "one that gives its input as it is"
        raise ModelFileError(where, "a net of at least one layer", got, NOT_SUPPORTED)
    wanted = follow_shapes(layers)[0]
    if None in (wanted or ()) or (wanted is None and len(parsed.shape or ()) > 1):
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
        made: list[Layer] = []
        for part in parts:
            with _named(part.value):
                some = self._layers(part, shape) if part.kind is None else self._holder(part, shape)
                for layer in some:
                    wanted = layer.input_shape
                    if part.value.op in _ALONG_LAST:  # it does so whatever is in front, as for each step
                        while shape is not None and wanted is not None and len(wanted) < len(shape):
                            layer = TimeDistributed([layer])
                            wanted = layer.input_shape
                    if shape is not None and wanted is not None and joined(wanted, shape) is None:
                        expected = f"a node that takes samples of shape {shape}"
                        raise ModelFileError(part.value.place, expected, f"{wanted}", NOT_SUPPORTED)
                    shape = shape or wanted
                    shape = None if shape is None else layer.shape_after(shape)
                    made.append(layer)
        return settled(made, self.numbers)

    def _layers(self, part: Part, shape: Shape) -> list[Layer]:
        made = part.make(Found(part.value, part.places, shape, self.parsed))
        every = made if isinstance(made, list) else [] if made is None else [made]
        return [self._layer(*one) if isinstance(one, tuple) else one for one in every]

    def _layer(self, layer: Layer, numbers: dict[str, AnyArray]) -> Layer:
        self.numbers += [(layer, name, array) for name, array in numbers.items()]
        self.room -= sum(array.size for array in numbers.values())
        if self.room < 0:
            got = "one that uses them again and again"
            raise ModelFileError(self.where, "a net with numbers of its own for each layer", got, DAMAGED)
        return layer

    def _holder(self, part: Part, shape: Shape) -> list[Layer]:
        """Make a layer with all that it is made of."""
        if part.kind is TimeDistributed:
            inside = self.layers(part.ways[0], None if shape is None else shape[1:])
            return [TimeDistributed(inside, padding=part.padding)] if inside else []
        ways = [self.layers(way, shape) for way in part.ways]
        axis, rank = part.value.attributes.get("axis"), None if shape is None else len(shape)
        in_front = (
            rank if axis == 1 and rank not in (None, 1) else None
        )  # where channels are put side by side
        # What is put side by side on the last axis has another one in the order before a Permute.
        along_last = part.kind is Concatenate and in_front is None
        order, ways = ((), ways) if along_last else around(ways, self.numbers, channels=in_front)
        if order:
            inside = self._joined(
                part, ways, None if shape is None else permuted(shape, inverse(order)), None
            )
            return [Permute(inverse(order)), *inside, Permute(order)]
        return self._joined(part, ways, shape, axis)

    def _joined(self, part: Part, ways: list[list[Layer]], shape: Shape, axis: int | None) -> list[Layer]:
        if part.kind is Add and len(ways) == 2 and (not ways[0]) != (not ways[1]):
            return [Residual(ways[0] or ways[1])]
        branches = [self._branch(part, way, shape) for way in ways]
        known = shape or next((one.input_shape for one in branches if one.input_shape), None)
        rank = 1 if known is None else len(branches[0].shape_after(known))
        if axis not in (None, -1, rank):
            raise cannot_bring_back(part.value.place, f"{part.value.op} along axis {axis}")
        return [part.kind(branches)]  # type: ignore[misc]

    def _branch(self, part: Part, layers: list[Layer], shape: Shape) -> Layer:
        if len(layers) == 1:
            return layers[0]
        if layers:
            return Sequential._blank(layers, dtype=np.float32, replicas=None)
        if shape is None:
            fix = "Give the input of the graph a fixed shape."
            raise ModelFileError(part.value.place, "a known shape of a sample", "an open one", fix)
        return Input(shape)


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
    whole = (onnx.TensorProto.INT32, onnx.TensorProto.INT64)
    for part in (one for outer in parts for one in outer.walk()):
        # The last in a formula: one before it is undone there. Whole numbers inside of one are ids or counts.
        casts = [one for one in part.nodes if one.op == "Cast"]
        for cast in [one for one in casts if one is part.value or one.attributes.get("to") not in whole][:1]:
            if cast.attributes.get("to") != code:
                raise cannot_bring_back(cast.place, f"Cast to another type than {dtype}, that of the numbers")


class _Apart:
    """Takes the formula of a result apart into layers. Each node becomes part of one of them."""

    def __init__(self) -> None:
        self.seen: set[int] = set()

    def row(self, value: Value) -> tuple[list[Part], Value]:
        """Return the parts of a formula from the input on, and the input."""
        parts: list[Part] = []
        while value.op != INPUT:
            value = self.step_back(value, parts, 0)
        return parts[::-1], value

    def step_back(self, value: Value, parts: list[Part], depth: int) -> Value:
        """Put the last layer of a formula to those behind it, and return what it takes."""
        part = self.part(value, depth)
        parts += [part, *_dropouts(part.nodes)][::-1]
        return part.inner

    def part(self, value: Value, depth: int) -> Part:
        """Return the last layer of a formula."""
        with _named(value):
            part = self.steps(value, depth) or _formula(value) or self.joined(value, depth)
        if part is None:
            raise _unknown(value)
        mine = {id(node): node for node in part.nodes}
        if twice := next((mine[key] for key in mine if key in self.seen), None):
            what = f"{twice.op}, which two ways lead to that do not begin there"
            raise cannot_bring_back(twice.place, what)
        self.seen |= mine.keys()
        return part

    def joined(self, value: Value, depth: int) -> Part | None:
        """Recognize what joins several ways from one result: each is followed back to where all of them meet.

        The one furthest from the input goes back a layer, and so on, until all stand at the same result.
        """
        ends: list[Any] = list(value.arguments)
        if value.op not in _JOINS or len(ends) < 2 or not all(isinstance(end, Value) for end in ends):
            return None
        _check_depth(value, depth)
        ways: list[list[Part]] = [[] for _ in ends]
        waiting = [(-end.depth, place) for place, end in enumerate(ends)]
        heapify(waiting)
        apart = Counter(map(id, ends))
        while len(apart) > 1:
            place = heappop(waiting)[1]
            end = ends[place]
            apart[id(end)] -= 1
            if not apart[id(end)]:
                del apart[id(end)]
            ends[place] = end = self.step_back(end, ways[place], depth + 1)
            apart[id(end)] += 1
            heappush(waiting, (-end.depth, place))
        kind = _JOINS[value.op]
        found = tuple(tuple(way[::-1]) for way in ways)
        first = found[0][0] if len(found[0]) == 1 and kind is not Concatenate else None
        if first is not None and first.kind is kind and all(first.ways):  # written as two and two
            found = (*first.ways, *found[1:])
        return Part(value, ends[0], lambda _: None, kind=kind, ways=found)

    def steps(self, value: Value, depth: int) -> Part | None:
        """Recognize layers between two reshapes that join steps with the rows, and part them again."""
        padding, real, end = None, None, value
        if value.op == "Where" and len(value.arguments) == 3:
            real, end, fill = value.arguments  # type: ignore[assignment]
            if not isinstance(fill, np.ndarray) or fill.size != 1 or not isinstance(end, Value):
                return None
            padding = shortest(fill.item())
        if not _parts_steps(end):
            return None
        _check_depth(value, depth)
        shape: Any = end.shape
        rows, time = shape[:2]
        parts: list[Part] = []
        inner: Any = end.arguments[0]
        while not _joins_steps(inner, rows, time):
            if inner.op == INPUT:
                return None
            inner = self.step_back(inner, parts, depth + 1)
        start = inner.arguments[0]
        nodes = (value,) if value is end else (value, end)
        if isinstance(real, Value) and real.op == "Reshape":  # to as many axes as the steps have
            real = real.arguments[0]
        if padding is not None and padding_of(real, start) != padding:
            raise cannot_bring_back(value.place, "Where of other things than steps and what pads them")
        places = {"nodes": (*nodes, inner)}
        return Part(value, start, lambda _: None, places, TimeDistributed, (tuple(parts[::-1]),), padding)


def _check_depth(value: Value, depth: int) -> None:
    if depth == DEEPEST:
        raise cannot_bring_back(value.place, f"{value.op} inside of {DEEPEST} others")


def _parts_steps(value: Value) -> bool:
    """Tell whether a node makes ``(rows, steps, ...)`` of ``(rows * steps, ...)``."""
    before = value.arguments[0] if value.op == "Reshape" else None
    if not isinstance(before, Value) or before.shape is None or value.shape is None or len(value.shape) < 3:
        return False
    return before.shape == (value.shape[0] * value.shape[1], *value.shape[2:]) and value.shape[1] > 0


def _joins_steps(value: Value, rows: int, time: int) -> bool:
    """Tell whether a node makes ``(rows * steps, ...)`` of ``(rows, steps, ...)``."""
    before = value.arguments[0] if value.op == "Reshape" else None
    if not isinstance(before, Value) or before.shape is None or value.shape is None:
        return False
    return before.shape[:2] == (rows, time) and value.shape == (rows * time, *before.shape[2:])


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
#: Operators that join branches, and of which layer.
_JOINS = {op: known.layer for known in DESCRIPTIONS.values() for op in known.onnx_joins}
#: Operators with constants that do the same for each step as for a row.
_ALONG_LAST = ("Add", "Cast", "Div", "Gather", "MatMul", "Mul", "Slice", "Split", "Sub")
_FORMULAS["Cast"].append((("Cast", "x"), lambda _: None))  # which is none


def _formula(value: Value) -> Part | None:
    """Recognize a layer that is written as one node or several."""
    for pattern, make in _FORMULAS.get(value.op, ()):
        if (places := find(pattern, value)) is not None:
            return Part(value, places["x"], make, places)
    return None


def _unknown(value: Value) -> ModelFileError:
    """Return the error for what is no layer; say so if its operator can be one with constants."""
    got, known = value.op.partition(":")[0], _FORMULAS.get(value.op, ())
    if any(len(pattern) > 2 and all(isinstance(part, str) for part in pattern) for pattern, _ in known):
        what = "a constant" if got in ("Add", "Sub", "Mul", "Div") else "constants"
        got += f" of other things than one result and {what}"
    return cannot_bring_back(value.place, got)
