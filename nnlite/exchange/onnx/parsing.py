"""From the bytes of an ONNX file to the formula of its output; nothing in the file is believed."""

from __future__ import annotations

import math
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from nnlite.core.aliases import AnyArray
from nnlite.errors import ModelFileError
from nnlite.exchange.onnx.external import Folder
from nnlite.exchange.onnx.folding import Step, fold, holds_rows, settled
from nnlite.exchange.onnx.ml import MlNode, rewrite, two_classes
from nnlite.exchange.onnx.noops import RECURRENT, ROWS, left_out, shape_of, type_of
from nnlite.exchange.onnx.patterns import Value
from nnlite.exchange.onnx.wire import count_entries
from nnlite.files.safetensors import short

__all__ = ["DAMAGED", "INPUT", "NOT_SUPPORTED", "Parsed", "cannot_bring_back", "cut", "parse"]

#: The order that puts rows before steps, and steps before rows.
_TURNED = [1, 0, 2]

DAMAGED = "The file is damaged, or was made by something else."
NOT_SUPPORTED = "It is not supported: help(nnlite.onnx) lists what is."

#: The operator of the value that is the input of the graph.
INPUT = "input"

#: A node has about ten. Parsed, so many take up to 50 MB.
MOST_ENTRIES = 200_000

#: Texts of a file are cut there in messages.
LONGEST_TEXT = 300

#: The other set of operators.
ML = "ai.onnx.ml"

#: Before it, operators broadcast by other rules.
OLDEST_OPSET = 7


class Parsed(NamedTuple):
    """What a file says.

    Parameters
    ----------
    value : Value
        The formula of the output.
    rows : int or None
        The number of rows, if the file fixes one.
    shape : tuple of int or None
        Shape of one sample of the input; None if the file leaves it open.
    dtype : dtype
        Of the input.
    opset : int
        Version of the operators.
    metadata : dict of str to str
        Notes.
    size : int
        Length of the file in bytes, with what was read from files beside it.
    """

    value: Value
    rows: int | None
    shape: tuple[int, ...] | None
    dtype: np.dtype[Any]
    opset: int
    metadata: dict[str, str]
    size: int


def parse(where: str, content: bytes, output: str | None, onnx: ModuleType, folder: Folder) -> Parsed:
    """Read a file.

    Parameters
    ----------
    where : str
        Names the call in messages.
    content : bytes
        The file.
    output : str or None
        Which output of the graph; None for the only one.
    onnx : module
        The package.
    folder : Folder
        Where the file is.

    Returns
    -------
    Parsed

    Raises
    ------
    ModelFileError
        If it holds what cannot be brought back. Of bytes that are no ONNX file, the package raises
        errors of its own.
    """
    if count_entries(content, limit=MOST_ENTRIES) > MOST_ENTRIES:
        got = "more"
        raise ModelFileError(where, f"a net of at most {MOST_ENTRIES:,} entries", got, DAMAGED)
    proto = onnx.ModelProto.FromString(content)
    graph = proto.graph
    size = len(content)
    constants = _Constants(where, graph.initializer, size, onnx, folder)
    del content  # the numbers are in memory twice otherwise
    inputs = [entry for entry in graph.input if entry.name not in constants]
    chosen = _choose_output(where, graph.output, output, onnx)
    if len(inputs) != 1:
        raise ModelFileError(
            where,
            "a graph with one input",
            f"{len(inputs)}: {', '.join(short(entry.name) for entry in inputs[:10]) or 'none'}",
            "Only nets that take rows of numbers can be brought back." if inputs else DAMAGED,
        )
    rows, shape, dtype = _read_input(where, inputs[0], onnx)
    values = _Values(where, constants, rows, onnx)
    values.known[inputs[0].name] = Value(
        INPUT,
        (),
        {},
        f"{where}: input {short(inputs[0].name)}",
        shape=None if shape is None else (ROWS, *shape),
        dtype=dtype,
    )
    needed = _needed(where, graph.node, chosen)
    last_use = {name: place for place, node in enumerate(needed) for name in node.input if name != chosen}
    for place, node in enumerate(needed):
        values.add(node)
        for name in node.input:
            if last_use.get(name) == place:
                values.known.pop(name, None)  # numbers that nothing needs any more
    value = values.get(where, chosen)
    if not isinstance(value, Value):
        raise ModelFileError(where, "an output that depends on the input", "a constant", NOT_SUPPORTED)
    metadata = {entry.key: entry.value for entry in proto.metadata_props}
    size += folder.read_so_far
    return Parsed(value, rows, shape, dtype, _read_opset(where, proto, onnx), metadata, size)


def _choose_output(where: str, entries: Any, output: str | None, onnx: ModuleType) -> str:
    outputs = [entry.name for entry in entries]
    # Of a classifier there are labels too, and its probabilities may have names.
    floats = (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE)
    numbers = [
        entry.name
        for entry in entries
        if entry.type.WhichOneof("value") == "sequence_type" or entry.type.tensor_type.elem_type in floats
    ]
    if output is None and (len(outputs) == 1 or len(numbers) == 1):
        return str(outputs[0] if len(outputs) == 1 else numbers[0])
    if output is not None and output in outputs:
        return output
    listed = ", ".join(map(short, outputs[:10])) or "none"
    if output is None:
        fix = f"Say which, as in load(path, output={short(outputs[-1])})." if outputs else DAMAGED
        raise ModelFileError(where, "a graph with one output", f"{len(outputs)}: {listed}", fix)
    raise ModelFileError(where, f"a graph with an output {short(output)}", listed, "Name one of these.")


def _read_opset(where: str, proto: Any, onnx: ModuleType) -> int:
    versions = sorted({entry.version for entry in proto.opset_import if entry.domain in ("", "ai.onnx")})
    newest = onnx.defs.onnx_opset_version()
    if len(versions) != 1 or not OLDEST_OPSET <= versions[0] <= newest:
        raise ModelFileError(
            where,
            f"operators of one version from {OLDEST_OPSET} to {newest}",
            ", ".join(map(str, versions[:10])) or "none",
            "Convert it with onnx.version_converter, or update onnx.",
        )
    return int(versions[0])


def _read_input(
    where: str, entry: Any, onnx: ModuleType
) -> tuple[int | None, tuple[int, ...] | None, np.dtype[Any]]:
    """Return the number of rows, the shape of a sample and the dtype of an input."""
    kind = entry.type.tensor_type
    types = onnx.TensorProto
    dtypes = {types.FLOAT: "float32", types.DOUBLE: "float64", types.INT32: "int32", types.INT64: "int64"}
    if kind.elem_type not in dtypes:
        raise ModelFileError(
            f"{where}: input {short(entry.name)}",
            "float32, float64, int32 or int64",
            _type_name(kind.elem_type, onnx),
            "Only nets that take rows of numbers can be brought back.",
        )
    dtype = np.dtype(dtypes[kind.elem_type])
    if not kind.HasField("shape"):
        return None, None, dtype
    sizes = [size.dim_value if size.HasField("dim_value") else None for size in kind.shape.dim]
    if len(sizes) < 2 or any(size is not None and size < 1 for size in sizes):
        raise ModelFileError(
            f"{where}: input {short(entry.name)}",
            "a shape (batch, features)",
            f"{tuple(sizes[:10])}",
            "Only nets that take a batch of rows can be brought back.",
        )
    rows, *sample = sizes
    known = tuple(size for size in sample if size is not None)
    return rows, known if len(known) == len(sample) else None, dtype


def _type_name(code: int, onnx: ModuleType) -> str:
    names = onnx.TensorProto.DataType
    return str(names.Name(code)) if code in names.values() else f"type {code}"


def _needed(where: str, nodes: Any, output: str) -> list[Any]:
    """Return the nodes that the output depends on, in their order."""
    wanted, found = {output}, []
    made: set[str] = set()
    for node in reversed(nodes):
        if any(name in made for name in node.output if name):
            raise ModelFileError(where, "names that differ", f"{short(node.output[0])} twice", DAMAGED)
        made.update(name for name in node.output if name)
        if wanted.intersection(node.output):
            found.append(node)
            wanted.update(name for name in node.input if name)
    return found[::-1]


class _Constants:
    """The numbers in a file, looked at when they are asked for."""

    def __init__(self, where: str, tensors: Any, size: int, onnx: ModuleType, folder: Folder) -> None:
        self.where = where
        self.onnx = onnx
        self.folder = folder
        self.tensors = {tensor.name: tensor for tensor in tensors}
        if len(self.tensors) < len(tensors):
            raise ModelFileError(where, "constants with names that differ", "one twice", DAMAGED)
        #: Bytes that may be copied in computing constants. Each copy pays, whatever makes it, so that the
        #: length of the file bounds memory and work. A net turns its weights once.
        self.room = 8 * size + 2**20

    def __contains__(self, name: object) -> bool:
        return name in self.tensors

    def get(self, name: str) -> AnyArray:
        """Return the constant of that name."""
        return self.read(f"{self.where}: constant {short(name)}", self.tensors[name])

    def read(self, place: str, tensor: Any) -> AnyArray:
        """Make an array of a tensor, if all its numbers are in the file, or in one beside it."""
        types = self.onnx.TensorProto
        external = tensor.data_location == types.EXTERNAL
        if tensor.external_data and not external:
            got = "a name of another file besides"
            raise ModelFileError(place, "numbers here or in another file", got, DAMAGED)
        fields: dict[int, tuple[np.dtype[Any], Any]] = {
            types.FLOAT: (np.dtype("<f4"), tensor.float_data),
            types.DOUBLE: (np.dtype("<f8"), tensor.double_data),
            types.INT32: (np.dtype("<i4"), tensor.int32_data),
            types.INT64: (np.dtype("<i8"), tensor.int64_data),
        }
        if tensor.data_type not in fields:
            fix = "Convert it to float32 before."
            got = _type_name(tensor.data_type, self.onnx)
            raise ModelFileError(place, "float32, float64, int32 or int64", got, fix)
        dtype, listed = fields[tensor.data_type]
        shape = tuple(tensor.dims)
        raw = tensor.raw_data if tensor.HasField("raw_data") else None
        held = len(listed) if raw is None else len(raw) / dtype.itemsize
        # Before any array is made: a few bytes can declare any shape.
        fits = all(size >= 0 for size in shape) and len(shape) <= 32
        if not fits or (math.prod(shape) != held if not external else held):
            got = f"{held:g} for the shape {shape[:10]}"
            raise ModelFileError(place, "as many numbers as its shape says", got, DAMAGED)
        if external:
            entries = {entry.key: entry.value for entry in tensor.external_data}
            raw = self.folder.read(place, entries, math.prod(shape) * dtype.itemsize)
            self.room += 8 * len(raw)
        array: AnyArray = np.array(listed, dtype) if raw is None else np.frombuffer(raw, dtype)
        return array.astype(dtype.newbyteorder("="), copy=False).reshape(shape)

    def spend(self, place: str, size: int) -> None:
        """Note how many bytes a step takes."""
        self.room -= size
        if self.room < 0:
            raise ModelFileError(
                place, "constants that are used as they are", "many that are computed", DAMAGED
            )


class _Values:
    """What each name in the graph stands for: a constant, or a formula of the input."""

    def __init__(self, where: str, constants: _Constants, rows: int | None, onnx: ModuleType) -> None:
        self.where = where
        self.constants = constants
        self.rows = rows
        self.onnx = onnx
        self.known: dict[str, Value | AnyArray] = {}

    def get(self, place: str, name: str) -> Value | AnyArray:
        """Return what a name stands for."""
        if name not in self.known:
            if name not in self.constants:
                raise ModelFileError(
                    place,
                    "what an earlier node gives as its first output",
                    short(name),
                    "Only nets that are one chain of layers can be brought back.",
                )
            self.known[name] = self.constants.get(name)
        return self.known[name]

    def add(self, node: Any) -> None:
        """Follow one node."""
        label = (
            short(node.name)
            if node.name
            else f"that gives {short(next(filter(None, node.output), 'nothing'))}"
        )
        place = f"{self.where}: node {label} ({cut(node.op_type)})"
        if node.domain not in ("", "ai.onnx", ML):
            raise cannot_bring_back(place, f"{node.op_type} of {node.domain}")
        attributes = {entry.name: self.onnx.helper.get_attribute_value(entry) for entry in node.attribute}
        names = list(node.input)
        while names and not names[-1]:  # left out, as all that is not there
            names.pop()
        arguments = tuple(self.get(place, name) if name else None for name in names)
        if node.domain == ML:
            results = self._rewrite(place, node.op_type, arguments, attributes)
        elif any(isinstance(argument, Value) for argument in arguments):
            # Of a recurrent net the second result is the last state.
            ops = [node.op_type, f"{node.op_type}:1"] if node.op_type in RECURRENT else [node.op_type]
            results = [self._follow(place, op, arguments, attributes) for op in ops]
        else:
            results = [self._compute(place, node.op_type, list(arguments), attributes)]
        self.known.update({name: one for name, one in zip(node.output, results, strict=False) if name})
        if node.op_type == "Split" and isinstance(results[0], Value):
            self._part(place, node, arguments, attributes)

    def _rewrite(
        self, place: str, op: str, arguments: tuple[Any, ...], attributes: dict[str, Any]
    ) -> list[Any]:
        """Put operators of ONNX in the place of one of ai.onnx.ml."""

        def refused(got: str) -> ModelFileError:
            return cannot_bring_back(place, got)

        return [*rewrite(MlNode(op, arguments, attributes, self._adder(place), refused, place))]

    def _adder(self, place: str) -> Any:
        """Return what adds a node in the place of another one."""

        def follow(op: str, *arguments: Any, **attributes: Any) -> Value | AnyArray:
            return self._follow(place, op, arguments, attributes)

        return follow

    def _part(self, place: str, node: Any, arguments: tuple[Any, ...], attributes: dict[str, Any]) -> None:
        """Follow each result of Split: some of the last axis of what goes in."""
        whole, count = arguments[0], len(node.output)
        axis = attributes.get("axis", 0)
        if not isinstance(whole, Value) or whole.shape is None or axis not in (-1, len(whole.shape) - 1):
            raise cannot_bring_back(place, "Split of another axis than the last, or of an open one")
        given = arguments[1] if len(arguments) > 1 else attributes.get("split")
        size = whole.shape[-1]
        sizes = [-(-size // count)] * (count - 1) if given is None else [int(one) for one in np.ravel(given)]
        if given is None:
            sizes.append(size - sum(sizes))
        if isinstance(given, Value) or len(sizes) != count or min(sizes) < 1 or sum(sizes) != size:
            raise cannot_bring_back(place, f"Split of {size} into {count} parts of other sizes")
        ends = np.cumsum(sizes).tolist()
        for name, own, stop in zip(node.output, sizes, ends, strict=True):
            part = {"axis": -1, "start": stop - own, "stop": stop}
            shape = (*whole.shape[:-1], own)
            self.known[name] = Value("Split", (whole,), part, place, shape=shape, dtype=whole.dtype)

    def _follow(
        self, place: str, op: str, arguments: tuple[Value | AnyArray | None, ...], attributes: dict[str, Any]
    ) -> Value | AnyArray:
        """Return what a node gives, or what goes into it if it changes nothing."""
        if op == "Shape":
            return self._sizes(place, arguments[0], attributes)
        arguments = tuple(_as_shape(one) if op == "Reshape" else one for one in arguments)
        if op == "Transpose" or op.partition(":")[0] in RECURRENT:
            arguments, attributes = _rows_first(op, arguments, attributes)
        if any(map(holds_rows, arguments)):
            raise cannot_bring_back(place, f"{op} by the number of rows")
        if op == "Concat" and (both := two_classes(arguments, attributes, self._adder(place))) is not None:
            return both
        known = attributes | {"to": self._dtype(attributes["to"])} if "to" in attributes else attributes
        shape = shape_of(op, arguments, known, self.rows)
        same = left_out(op, arguments, known, shape)
        if same is None:
            if op in ("Squeeze", "Unsqueeze") and shape is not None and shape[0] == ROWS:  # of each sample
                op, arguments, attributes = "Reshape", (arguments[0], np.array([-1, *shape[1:]])), {}
            if op == "Reshape" and (start := _reshaped_from(arguments[0], shape)) is not arguments[0]:
                arguments, attributes = (start, np.array([-1, *(shape or ())[1:]])), {}
            return Value(op, arguments, attributes, place, shape=shape, dtype=type_of(op, arguments, known))
        if op == "Dropout":
            same.dropout.append(_dropout_rate(place, arguments, attributes))
        return same

    def _dtype(self, code: Any) -> np.dtype[Any] | None:
        """Return the dtype of NumPy that a number of ONNX stands for."""
        try:
            dtype: np.dtype[Any] = self.onnx.helper.tensor_dtype_to_np_dtype(code)
        except (KeyError, TypeError):
            return None
        return dtype

    def _sizes(self, place: str, value: Any, attributes: dict[str, Any]) -> AnyArray:
        """Return the shape of a result."""
        if value.shape is None:
            fix = "Give the input of the graph a fixed shape."
            raise ModelFileError(place, "a result whose shape is known", "an open one", fix)
        sizes = value.shape[attributes.get("start", 0) : attributes.get("end")]
        return settled(np.array(sizes, object))

    def _compute(self, place: str, op: str, arguments: list[Any], attributes: dict[str, Any]) -> AnyArray:
        """Compute a constant of constants, as far as exporters leave that to the reader."""
        if op == "Constant":
            return self._constant(place, attributes)
        if op == "Cast":
            return self._cast(place, attributes, *arguments)
        if op == "ConstantOfShape" and "value" in attributes:
            attributes = {"value": self.constants.read(place, attributes["value"])}
        step = Step(arguments, attributes, lambda size: self.constants.spend(place, size))
        folded = fold(op, step)
        if folded is None:
            raise cannot_bring_back(place, f"{op} of constants")
        return folded

    def _cast(self, place: str, attributes: dict[str, Any], array: AnyArray) -> AnyArray:
        dtype = self._dtype(attributes.get("to"))
        if dtype not in (np.float32, np.float64, np.int32, np.int64):
            raise cannot_bring_back(place, f"Cast of constants to {dtype}")
        if holds_rows(array):
            if dtype != np.int64:
                raise cannot_bring_back(place, "Cast of the number of rows")
        elif dtype != array.dtype:
            self.constants.spend(place, array.size * dtype.itemsize)
            array = array.astype(dtype)
        return array

    def _constant(self, place: str, attributes: dict[str, Any]) -> AnyArray:
        if len(attributes) == 1:
            name, value = next(iter(attributes.items()))
            if name == "value":
                return self.constants.read(place, value)
            if name in ("value_float", "value_floats"):
                return np.array(value, np.float32)
            if name in ("value_int", "value_ints"):
                return np.array(value, np.int64)
        raise cannot_bring_back(place, f"Constant with {', '.join(attributes) or 'nothing'}")


def _as_shape(argument: Any) -> Any:
    """Say in a shape that counts all rows which of its sizes is open: ``[0, ...]``, or -1 further behind."""
    if not holds_rows(argument) or argument.ndim != 1 or argument.tolist().count(ROWS) != 1:
        return argument
    place = argument.tolist().index(ROWS)
    sizes = argument.copy()
    sizes[place] = -1 if place else 0
    return argument if sizes.tolist().count(-1) > 1 else settled(sizes)


def _rows_first(op: str, arguments: Any, attributes: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Take a Transpose before a recurrent net, or behind its states, for two: one turns rows and steps.

    Exporters join these two with others, so that there is none between two recurrent nets.
    """
    x, order = arguments[0], attributes.get("perm", _TURNED)
    if not isinstance(x, Value) or x.shape is None or len(x.shape) != 3 or x.shape[1] != ROWS:
        return arguments, attributes
    if op == "Transpose":
        if order == _TURNED or x.op not in ("Squeeze", "Reshape") or len(order) != 3:
            return arguments, attributes
        return (_turned(x, _TURNED),), {"perm": [_TURNED[axis] for axis in order]}
    if x.op != "Transpose":
        return (_turned(_turned(x, _TURNED), _TURNED), *arguments[1:]), attributes
    before, order = x.arguments[0], x.attributes.get("perm", _TURNED)
    if order == _TURNED or not isinstance(before, Value) or before.shape is None:
        return arguments, attributes
    return (_turned(_turned(before, [order[axis] for axis in _TURNED]), _TURNED), *arguments[1:]), attributes


def _turned(value: Value, order: list[int]) -> Value:
    """Put the axes of a result, of known shape, into an order."""
    shape = tuple((value.shape or ())[axis] for axis in order)
    return Value("Transpose", (value,), {"perm": order}, value.place, shape=shape, dtype=value.dtype)


def _reshaped_from(value: Any, shape: Any) -> Any:
    """Return what samples were before they were reshaped to what is reshaped now, once more.

    But for what the formula of a layer ends with: all states of a recurrent net, or sums of groups.
    """
    while (
        isinstance(value, Value)
        and value.op == "Reshape"
        and not value.dropout
        and all(known is not None and known[0] == ROWS for known in (shape, value.shape))
        and isinstance(value.arguments[0], Value)
        and value.arguments[0].op not in ("Einsum", "Transpose")
        and value.arguments[0].shape is not None
        and value.arguments[0].shape[0] == ROWS
    ):
        value = value.arguments[0]
    return value


def _dropout_rate(place: str, arguments: tuple[Any, ...], attributes: dict[str, Any]) -> float:
    """Return the rate of a Dropout that does nothing in prediction."""
    _, rate, training = [*arguments, None, None][:3]  # inputs since opset 12, attributes before
    if isinstance(training, Value) or (isinstance(training, np.ndarray) and training.any()):
        raise cannot_bring_back(place, "Dropout in prediction")
    if isinstance(rate, Value):
        raise cannot_bring_back(place, "Dropout whose rate depends on the input")
    return float(attributes.get("ratio", 0.5) if rate is None else np.asarray(rate).reshape(()))


def cut(text: str) -> str:
    """Return a text of a file, or its beginning if it is too long for a message.

    Parameters
    ----------
    text : str
        The text.

    Returns
    -------
    str
    """
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…"


def cannot_bring_back(place: str, got: str) -> ModelFileError:
    """Return the error for what has no layer in nnlite.

    Parameters
    ----------
    place : str
        Names the file and the node.
    got : str
        What is there.

    Returns
    -------
    ModelFileError
    """
    return ModelFileError(
        place,
        "an operator that is a layer of nnlite, or part of one",
        cut(got),
        "help(nnlite.onnx) lists those; nnlite.load reads what model.save wrote.",
    )
