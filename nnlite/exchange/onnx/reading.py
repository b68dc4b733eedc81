"""From an ONNX file to a model: the formula of its output, taken apart into layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
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
from nnlite.layers import Dense, Dropout, Flatten, Layer, LayerNorm, LogSoftmax, Softmax, Standardize
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
    What is taken for which layer is listed in ``help(nnlite.onnx)``. BatchNormalization becomes
    `Standardize`, or a frozen `Dense` if one of its factors is 0; that does what it does in prediction, and
    is not learned any more.

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
        For its parameters or buffers.
    """

    layer: Layer | None
    numbers: dict[str, AnyArray]


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
    """

    value: Value
    inner: Value
    make: Maker
    within: tuple[Value, ...] = ()


def _build(where: str, parsed: Parsed, onnx: Any) -> Sequential:
    """Make the model, once it is certain that it takes no more memory than its file justifies."""
    parts = list(_take_apart(parsed))[::-1]
    if parsed.dtype.kind == "i" and not (parts and parts[0].value.op == "Cast"):
        raise ModelFileError(where, "an input of floats, or a Cast behind it", "whole numbers", NOT_SUPPORTED)
    made = _make_all(where, parts, parsed.shape, parsed.size + SPARE)
    if not made:
        got = "one that gives its input as it is"
        raise ModelFileError(where, "a net of at least one layer", got, NOT_SUPPORTED)
    arrays = [array for one in made for array in one.numbers.values()]
    dtype = np.result_type(*arrays) if arrays else parsed.dtype
    _check_casts(parts, dtype, onnx)
    model = Sequential._blank([one.layer for one in made if one.layer], dtype=dtype, replicas=None)
    for layer, one in zip(model.layers, made, strict=True):
        for name, array in one.numbers.items():
            if name in layer.parameter_names:
                getattr(layer, name)[...] = array
            else:
                layer.buffers[name] = np.array(array, dtype)
    if "nnlite_version" in parsed.metadata and "feature_names" in parsed.metadata:
        model.feature_names = parse_json(parsed.metadata["feature_names"])
    return model


def _make_all(where: str, parts: list[Part], shape: Shape, room: int) -> list[Made]:
    """Make the layers that do anything, of at most so many numbers."""
    made = []
    for part in parts:
        one = part.make(shape)
        if one.layer is None:
            continue
        wanted = one.layer.input_shape
        if shape is not None and wanted is not None and shape != wanted:
            raise ModelFileError(
                part.value.place, f"a node that takes samples of shape {shape}", f"{wanted}", NOT_SUPPORTED
            )
        shape = shape or wanted
        shape = None if shape is None else one.layer.output_shape(shape)
        room -= sum(array.size for array in one.numbers.values())
        if room < 0:
            got = "one that uses them again and again"
            raise ModelFileError(where, "a net with numbers of its own for each layer", got, DAMAGED)
        made.append(one)
    return made


def _check_casts(parts: list[Part], dtype: Any, onnx: Any) -> None:
    """Refuse changes of the type inside the net, which computes in one."""
    code = onnx.helper.np_dtype_to_tensor_dtype(dtype)
    for value in (one for part in parts for one in (part.value, *part.within)):
        if value.op == "Cast" and value.attributes.get("to") != code:
            raise cannot_bring_back(value.place, f"Cast to another type than {dtype}, that of the numbers")


def _take_apart(parsed: Parsed) -> Iterator[Part]:
    """Give the parts of a formula, from the output to the input."""
    value = parsed.value
    try:
        while value.op != INPUT:
            part = _formula(value) or _single(value, parsed)
            yield from _dropouts(value, *part.within)
            yield part
            value = part.inner
        yield from _dropouts(value)
    except ModelFileError:
        raise
    except ArgumentError as error:  # of a layer, about a number that it cannot use
        place = f"{value.place}: {error.where}"
        raise ModelFileError(place, error.expected, error.got, NOT_SUPPORTED) from error


def _dropouts(*values: Value) -> Iterator[Part]:
    """Give the dropout of some results: doing nothing in prediction, it follows the layer of them all."""
    for value in values:
        for rate in reversed(value.dropout):
            yield Part(value, value, _just(Dropout(shortest(rate))))


def _just(layer: Layer | None) -> Maker:
    return lambda _: Made(layer, {})


def _formula(value: Value) -> Part | None:
    """Recognize a layer that is written as several nodes."""
    for known in DESCRIPTIONS.values():
        for pattern, layer in known.onnx_formulas:
            found = find(pattern, value)
            if found is not None:
                return Part(value, found["x"], _just(layer(found)))
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
    return Part(
        value,
        inner,
        lambda shape: _scaled(value, shape, centre, 1 / number, lambda: (number, -centre * number)),
        within,
    )


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


def _scaled(
    value: Value,
    shape: Shape,
    mean: AnyArray,
    scale: AnyArray,
    line: Callable[[], tuple[AnyArray, AnyArray]],
) -> Made:
    """Make a layer of ``(x - mean) / scale``, or, where a factor is 0, of the factor and what is added."""
    if _usable(scale) and _usable(mean):
        return _standardize(value, shape, mean, scale)
    factor, shift = line()
    if not (_usable(factor) and _usable(shift)):
        return _standardize(value, shape, mean, scale)  # which says what is wrong
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
    gain, bias, mean, variance = (np.asarray(array) for array in value.arguments[1:])

    def make(shape: Shape) -> Made:
        # gain * (x - mean) / sqrt(variance + epsilon) + bias = (x - centre) / scale
        spread = np.sqrt(variance + variance.dtype.type(value.attributes.get("epsilon", 1e-5)))
        scale = spread / gain
        return _scaled(
            value,
            shape,
            mean - bias * scale,
            scale,
            lambda: (gain / spread, bias - mean * gain / spread),
        )

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
