"""From an ONNX file to a model: the formula of its output, taken apart into layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from os import PathLike
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from nnlite.core.types import AnyArray
from nnlite.errors import ArgumentError, ArgumentTypeError, ModelFileError
from nnlite.exchange.onnx.package import import_onnx
from nnlite.exchange.onnx.parsing import DAMAGED, INPUT, NOT_SUPPORTED, Parsed, cannot_bring_back, cut, parse
from nnlite.exchange.onnx.patterns import Value, find, shortest
from nnlite.exchange.table import DESCRIPTIONS
from nnlite.files.safetensors import check_path, parse_json
from nnlite.layers import (
    BatchNorm,
    Dense,
    Dropout,
    Flatten,
    Layer,
    LayerNorm,
    LogSoftmax,
    Residual,
    Softmax,
    Standardize,
)
from nnlite.layers.normalization import SMALLEST
from nnlite.model import Sequential

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["load"]

#: Protocol Buffers hold no more.
LARGEST = 2**31
#: A factor of 0 becomes a Dense layer with one weight for each pair of features.
WIDEST_DIAGONAL = 1024
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


class Made(NamedTuple):
    """A layer, and the numbers that go into it once it is in a model.

    Parameters
    ----------
    layer : Layer or None
        None if nothing needs to be done.
    numbers : dict of str to ndarray
        For its parameters, state or buffers.
    inside : tuple of Made
        What the layer is made of.
    """

    layer: Layer | None
    numbers: dict[str, AnyArray]
    inside: tuple[Made, ...] = ()

    def walk(self) -> Iterator[Made]:
        """Give it, and all that it is made of."""
        yield self
        for one in self.inside:
            yield from one.walk()


#: Makes a layer for samples of a shape.
Maker: TypeAlias = Callable[[Shape], Made]


class Part(NamedTuple):
    """What one layer is made from.

    Parameters
    ----------
    value : Value
        What it gives.
    inner : Value
        What it takes.
    make : callable (shape) -> Made
        Makes it. The numbers are only computed then: a file can name the same ones a thousand times.
    within : tuple of Value
        Results between the two, of which dropout may have been asked.
    block : tuple of Part
        What the layers inside are made from, if it is a `Residual`.
    """

    value: Value
    inner: Value
    make: Maker
    within: tuple[Value, ...] = ()
    block: tuple[Part, ...] = ()

    def values(self) -> Iterator[Value]:
        """Give all results that it consists of."""
        yield from (self.value, *self.within)
        for one in self.block:
            yield from one.values()


def _build(where: str, parsed: Parsed, onnx: Any) -> Sequential:
    """Make the model, once it is certain that it takes no more memory than its file justifies."""
    parts, start = _take_apart(parsed.value, None, parsed)
    parts = [*_dropouts(start), *parts]
    if parsed.dtype.kind == "i" and not (parts and parts[0].value.op == "Cast"):
        raise ModelFileError(where, "an input of floats, or a Cast behind it", "whole numbers", NOT_SUPPORTED)
    made = _Makers(where, parsed.size + SPARE).make_all(parts, parsed.shape)
    if not made:
        got = "one that gives its input as it is"
        raise ModelFileError(where, "a net of at least one layer", got, NOT_SUPPORTED)
    every = [(one.layer, *pair) for outer in made for one in outer.walk() for pair in one.numbers.items()]
    arrays = [array for _, _, array in every]
    dtype = np.result_type(*arrays) if arrays else parsed.dtype
    _check_casts(parts, dtype, onnx)
    model = Sequential._blank([one.layer for one in made if one.layer], dtype=dtype, replicas=None)
    for layer, name, array in every:
        if layer is not None and name in layer.buffer_shapes():
            layer.buffers[name] = np.array(array, dtype)
        else:
            getattr(layer, name)[...] = array
    if "nnlite_version" in parsed.metadata and "feature_names" in parsed.metadata:
        model.feature_names = parse_json(parsed.metadata["feature_names"])
    return model


class _Makers:
    """Makes the layers that do anything, of at most so many numbers."""

    def __init__(self, where: str, room: int) -> None:
        self.where = where
        self.room = room

    def make_all(self, parts: Sequence[Part], shape: Shape) -> tuple[Made, ...]:
        """Make the layers of some parts in a row, for samples of a shape."""
        made = []
        for part in parts:
            with _named(part.value):
                one = self._make(part, shape)
            if one.layer is None:
                continue
            wanted = one.layer.input_shape
            if shape is not None and wanted is not None and shape != wanted:
                expected = f"a node that takes samples of shape {shape}"
                raise ModelFileError(part.value.place, expected, f"{wanted}", NOT_SUPPORTED)
            shape = shape or wanted
            shape = None if shape is None else one.layer.shape_after(shape)
            self.room -= sum(array.size for array in one.numbers.values())
            if self.room < 0:
                got = "one that uses them again and again"
                raise ModelFileError(self.where, "a net with numbers of its own for each layer", got, DAMAGED)
            made.append(one)
        return tuple(made)

    def _make(self, part: Part, shape: Shape) -> Made:
        if not part.block:
            return part.make(shape)
        inside = self.make_all(part.block, shape)
        if not inside:
            raise cannot_bring_back(part.value.place, "Add of a result and the same again")
        return Made(Residual([one.layer for one in inside if one.layer]), {}, inside)


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
    for value in (one for part in parts for one in part.values()):
        if value.op == "Cast" and value.attributes.get("to") != code:
            raise cannot_bring_back(value.place, f"Cast to another type than {dtype}, that of the numbers")


def _take_apart(
    value: Value, start: Value | None, parsed: Parsed, depth: int = 0
) -> tuple[list[Part], Value]:
    """Return the parts of a formula, from a value or from the input on; and what they begin with."""
    parts: list[Part] = []
    while value is not start and value.op != INPUT:
        with _named(value):
            part = _formula(value) or _residual(value, parsed, depth) or _single(value, parsed)
        parts += [part, *_dropouts(value, *part.within)][::-1]
        value = part.inner
    return parts[::-1], value


def _residual(value: Value, parsed: Parsed, depth: int) -> Part | None:
    """Recognize a sum of a result and of what layers make of it."""
    results = [one for one in value.arguments if isinstance(one, Value)]
    if value.op != "Add" or len(results) < 2:
        return None
    if depth == DEEPEST:
        raise cannot_bring_back(value.place, f"Add inside of {DEEPEST} others")
    first, last = sorted(results, key=lambda one: one.depth)
    parts, start = _take_apart(last, first, parsed, depth + 1)
    if start is not first or not parts:
        what = "one result and a constant, or one and what layers make of it"
        raise cannot_bring_back(value.place, f"Add of other things than {what}")
    return Part(value, first, _just(None), block=tuple(parts))


def _dropouts(*values: Value) -> Iterator[Part]:
    """Give the dropout of some results: doing nothing in prediction, it follows the layer of them all."""
    for value in reversed(values):
        for rate in value.dropout:
            yield Part(value, value, _just(Dropout(shortest(rate))))


def _just(layer: Layer | None, numbers: Mapping[str, AnyArray] | None = None) -> Maker:
    return lambda _: Made(layer, dict(numbers or {}))


def _formula(value: Value) -> Part | None:
    """Recognize a layer that is written as several nodes."""
    for known in DESCRIPTIONS.values():
        for pattern, layer in known.onnx_formulas:
            found = find(pattern, value)
            made = None if found is None else layer(found)
            if found is not None and made is not None:
                return Part(value, found["x"], _just(*made) if isinstance(made, tuple) else _just(made))
    return None


#: Layers that are one node, and how they are made of its attributes.
_NODES: dict[str, Callable[[dict[str, Any]], Layer | None]] = {
    "Cast": lambda _: None,
    **{op: make for known in DESCRIPTIONS.values() for op, make in known.onnx_nodes.items()},
}


def _single(value: Value, parsed: Parsed) -> Part:
    """Recognize a layer that is one node, or a product and a sum."""
    op, arguments = value.op, value.arguments
    first = arguments[0]
    if op in _NODES and len(arguments) == 1 and isinstance(first, Value):
        return Part(value, first, _just(_NODES[op](value.attributes)))
    if op in ("Add", "Sub", "Mul", "Div") and len(arguments) == 2:
        return _arithmetic(value)
    if op not in _READERS:
        raise cannot_bring_back(value.place, op)
    if not isinstance(first, Value) or any(isinstance(argument, Value) for argument in arguments[1:]):
        raise cannot_bring_back(value.place, f"{op} of other things than one result and constants")
    return Part(value, first, _READERS[op](value, parsed))


# Sums and products.


def _arithmetic(value: Value) -> Part:
    """Read a sum, difference, product or quotient with a constant: a bias, or a Standardize layer."""
    op, (left, right) = value.op, value.arguments
    if op in ("Add", "Mul") and isinstance(right, Value):
        left, right = right, left
    if not isinstance(left, Value) or not isinstance(right, np.ndarray):
        raise cannot_bring_back(value.place, f"{op} of other things than one result and a constant")
    number = right
    if op in ("Add", "Sub"):
        sign = 1 if op == "Add" else -1
        product = _without_bias(left)
        if product is not None:
            inner, W, within = product
            return Part(value, inner, lambda _: _dense(value, W(), _finite(value, sign * number)), within)
        return Part(
            value, left, lambda shape: _standardize(value, shape, -sign * number, np.ones_like(number))
        )
    inner, centre, within = left, np.zeros((), number.dtype), tuple[Value, ...]()
    if left.op == "Sub":
        minuend, subtrahend = left.arguments
        if isinstance(minuend, Value) and isinstance(subtrahend, np.ndarray):
            inner, centre, within = minuend, subtrahend, (left,)
    if op == "Div":
        return Part(value, inner, lambda shape: _standardize(value, shape, centre, number), within)
    return Part(value, inner, lambda shape: _scaled(value, shape, centre, number), within)


def _without_bias(value: Value) -> tuple[Value, Callable[[], AnyArray], tuple[Value, ...]] | None:
    """Return what goes into a product without bias, what computes its weights, and the results between."""
    if value.op == "Cast" and isinstance(value.arguments[0], Value):
        product = _without_bias(value.arguments[0])
        return product and (*product[:2], (value, *product[2]))
    inner, W = [*value.arguments, None, None][:2]
    if not isinstance(inner, Value) or not isinstance(W, np.ndarray):
        return None
    if value.op == "MatMul":
        return inner, lambda: W, (value,)
    if value.op == "Gemm" and (len(value.arguments) == 2 or value.arguments[2] is None):
        return inner, lambda: _gemm_weights(value, W), (value,)
    return None


def _gemm_weights(value: Value, W: AnyArray) -> AnyArray:
    if value.attributes.get("transA", 0):
        raise cannot_bring_back(value.place, "Gemm with transA=1")
    return _times(W.T if value.attributes.get("transB", 0) else W, value.attributes.get("alpha", 1.0))


def _times(array: AnyArray, factor: float) -> AnyArray:
    return array if factor == 1 else array * array.dtype.type(factor)


def _dense(value: Value, W: AnyArray, b: AnyArray | None) -> Made:
    if W.ndim != 2 or not W.size or W.dtype.kind != "f":
        raise ModelFileError(value.place, "weights of shape (in, out)", _described(W), NOT_SUPPORTED)
    layer = Dense(*W.shape, bias=b is not None)
    return Made(layer, {"W": W} if b is None else {"W": W, "b": _vector(value, b, W.shape[1])})


def _described(array: AnyArray) -> str:
    return f"{array.dtype} of shape {array.shape[:10]}"


def _vector(value: Value, array: AnyArray, features: int) -> AnyArray:
    """Return a constant as one number a feature."""
    fits = array.size == 1 or (array.size == features and array.shape[-1] == features)
    if not fits or array.ndim > 2 or array.dtype.kind != "f":
        raise ModelFileError(
            value.place, f"floats for {features} features, or one for all", _described(array), NOT_SUPPORTED
        )
    return np.broadcast_to(array.reshape(-1), (features,))


def _standardize(value: Value, shape: Shape, mean: AnyArray, scale: AnyArray) -> Made:
    features = _features(value, shape, max(mean.size, scale.size))
    numbers = {"mean": _vector(value, mean, features), "scale": _vector(value, scale, features)}
    # A single number may stand for a declared shape of any size: looked at as it is in the file.
    _finite(value, mean, divisor=scale)
    return Made(Standardize(features), numbers)


def _scaled(value: Value, shape: Shape, centre: AnyArray, factor: AnyArray) -> Made:
    """Make a layer of ``(x - centre) * factor``, also where a factor is 0, which no scale stands for."""
    shift = -centre * factor
    if (_usable(1 / factor) and _usable(centre)) or not (_usable(factor) and _usable(shift)):
        return _standardize(value, shape, centre, 1 / factor)  # which says what is wrong
    features = _features(value, shape, max(factor.size, shift.size))
    if features > WIDEST_DIAGONAL:
        raise cannot_bring_back(
            value.place, f"{value.op} with a factor of 0, of more than {WIDEST_DIAGONAL} features"
        )
    layer = Dense(features, features)
    layer.freeze()
    return Made(layer, {"W": np.diag(_vector(value, factor, features)), "b": _vector(value, shift, features)})


def _usable(array: AnyArray) -> bool:
    return bool(np.isfinite(array).all())


def _finite(value: Value, array: AnyArray, *, divisor: AnyArray | float = 1.0) -> AnyArray:
    """Return the numbers of a sum or a product, or refuse them."""
    if not (_usable(array) and np.isfinite(divisor).all() and np.all(divisor)):
        got = f"{value.op} with numbers that are not, or a division by 0"
        raise ModelFileError(value.place, "finite numbers", got, NOT_SUPPORTED)
    return array


def _features(value: Value, shape: Shape, constants: int) -> int:
    """Return how many features a sample has, of which a node has so many constants."""
    if shape is None and constants == 1:
        fix = "Give the input of the graph a fixed number of features."
        raise ModelFileError(value.place, "a known number of features", "an open one", fix)
    return constants if shape is None else shape[-1]


def _read_gemm(value: Value, _parsed: Parsed) -> Maker:
    _, W, b = [*value.arguments, None, None][:3]

    def make(_shape: Shape) -> Made:
        bias = _times(b, value.attributes.get("beta", 1.0)) if isinstance(b, np.ndarray) else None
        return _dense(value, _gemm_weights(value, np.asarray(W)), bias)

    return make


def _read_matmul(value: Value, _parsed: Parsed) -> Maker:
    _, W = value.arguments
    return lambda _: _dense(value, np.asarray(W), None)


def _read_batch_normalization(value: Value, _parsed: Parsed) -> Maker:
    if value.attributes.get("training_mode", 0):
        raise cannot_bring_back(value.place, "BatchNormalization in training")
    names = ("gain", "bias", "running_mean", "running_variance")
    numbers = dict(zip(names, map(np.asarray, value.arguments[1:]), strict=True))
    epsilon = shortest(value.attributes.get("epsilon", 1e-5))
    # There it is the share that is kept; in a file for prediction it may be anything.
    renewed = shortest(1 - shortest(value.attributes.get("momentum", 0.9)))

    def make(shape: Shape) -> Made:
        for array in numbers.values():
            _finite(value, array)
        spread = np.sqrt(numbers["running_variance"] + epsilon)
        _finite(value, spread, divisor=spread)
        features = _features(value, shape, numbers["gain"].size)
        momentum = renewed if 0 < renewed <= 1 else 0.1
        layer = BatchNorm(features, momentum=momentum, epsilon=epsilon or SMALLEST)
        return Made(layer, {name: _vector(value, array, features) for name, array in numbers.items()})

    return make


# Everything else that is one node.


def _read_softmax(value: Value, parsed: Parsed) -> Maker:
    axis = value.attributes.get("axis", 1 if parsed.opset < 13 else -1)
    layer = Softmax() if value.op == "Softmax" else LogSoftmax()

    def make(shape: Shape) -> Made:
        # Before opset 13, all axes from the given one on were one row.
        is_last = axis == -1 if shape is None else axis in (-1, len(shape))
        if not is_last or (parsed.opset < 13 and len(shape or (1,)) > 1):
            raise cannot_bring_back(value.place, f"{value.op} along axis {axis} of samples of shape {shape}")
        return Made(layer, {})

    return make


def _read_layer_normalization(value: Value, _parsed: Parsed) -> Maker:
    _, gain, bias = [*value.arguments, None, None][:3]
    axis, epsilon = value.attributes.get("axis", -1), value.attributes.get("epsilon", 1e-5)

    def make(shape: Shape) -> Made:
        numbers = np.asarray(gain)
        if axis not in (-1, 1) or (shape is not None and len(shape) > 1):
            what = f"LayerNormalization along axis {axis} of samples of shape {shape}"
            raise cannot_bring_back(value.place, what)
        features = _features(value, shape, numbers.size)
        given = {"gain": numbers, "bias": np.zeros(1, numbers.dtype) if bias is None else np.asarray(bias)}
        if not all(map(_usable, given.values())):
            got = "a gain or a bias that is none"
            raise ModelFileError(value.place, "finite numbers", got, NOT_SUPPORTED)
        layer = LayerNorm(features, epsilon=shortest(epsilon))
        return Made(layer, {name: _vector(value, array, features) for name, array in given.items()})

    return make


def _read_flatten(value: Value, _parsed: Parsed) -> Maker:
    if value.attributes.get("axis", 1) != 1:
        raise cannot_bring_back(value.place, f"Flatten from axis {value.attributes['axis']}")
    return lambda shape: _flatten(value, shape)


def _flatten(value: Value, shape: Shape) -> Made:
    if shape is None:
        fix = "Give the input of the graph a fixed shape."
        raise ModelFileError(value.place, "a known shape of a sample", "an open one", fix)
    return Made(Flatten(shape) if len(shape) > 1 else None, {})


def _read_reshape(value: Value, parsed: Parsed) -> Maker:
    target = tuple(np.asarray(value.arguments[1]).reshape(-1).tolist())
    rows = {-1, parsed.rows} if value.attributes.get("allowzero", 0) else {-1, 0, parsed.rows}

    def make(shape: Shape) -> Made:
        flat = _flatten(value, shape)
        features = {math.prod(shape or ()), -1}
        if len(target) == 2 and target[0] in rows and target[1] in features and target != (-1, -1):
            return flat
        raise cannot_bring_back(value.place, f"Reshape of samples of shape {shape} to {target[:10]}")

    return make


_READERS: dict[str, Callable[[Value, Parsed], Maker]] = {
    "BatchNormalization": _read_batch_normalization,
    "Flatten": _read_flatten,
    "Gemm": _read_gemm,
    "LayerNormalization": _read_layer_normalization,
    "LogSoftmax": _read_softmax,
    "MatMul": _read_matmul,
    "Reshape": _read_reshape,
    "Softmax": _read_softmax,
}
