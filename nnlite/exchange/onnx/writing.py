"""From a model to an ONNX file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from os import PathLike
from types import ModuleType
from typing import Any

import numpy as np

from nnlite._version import __version__
from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.errors.checks import check_integer
from nnlite.exchange.checks import check_custom, warn_of_rounding
from nnlite.exchange.description import OnnxWriter
from nnlite.exchange.onnx.columns import Column, describe, write
from nnlite.exchange.onnx.ending import write_ending
from nnlite.exchange.onnx.graph import Graph
from nnlite.exchange.onnx.package import import_onnx
from nnlite.exchange.table import DESCRIPTIONS
from nnlite.exchange.whole import Ending, Whole, take_whole
from nnlite.files.safetensors import check_path, write_atomically
from nnlite.layers import Layer
from nnlite.model import Sequential

__all__ = ["export"]

#: The oldest set of operators that has all that is written here; onnxruntime 1.6 of 2020 knows it.
OPSET = 13
#: That of ai.onnx.ml: the first whose LabelEncoder makes numbers of text.
ML_OPSET = 2
#: An ONNX file is one message of Protocol Buffers, which is never larger. What is not numbers is small.
LARGEST = 2**31 - 2**20


def export(
    model: Any,
    path: str | PathLike[str],
    *,
    opset: int | None = None,
    classes: Sequence[str | int] | None = None,
    custom: Mapping[type[Layer], OnnxWriter] | None = None,
) -> None:
    """Write a model as an ONNX file, which other programs run.

    Without preprocessing the file has one input, ``"input"`` of shape (batch, features), of the
    dtype of the model. With it there is an input of shape (batch,) for each column of the table,
    under the column's name: float64 for numbers, NaN where one is missing; string for categories
    that are text; int64 for those that are whole numbers or truth values. In a column that had
    missing categories when the encoder was fitted, an empty text stands for them, or the smallest
    int64; the description of the input says so. The output is called ``"output"``. The number of
    rows is free.

    The outputs of a classifier are called ``"label"``, of shape (batch,) and the type of its labels, and
    ``"probabilities"``, of shape (batch, classes), as those that skl2onnx writes; after `Hinge` the second
    is ``"scores"``. With several labels ``"label"`` has a 0 or 1 for each. That of a regressor is called
    ``"variable"``; it is in the units of the targets, and float64 where ``predict`` gives that.

    Parameters
    ----------
    model : Sequential, estimator of `nnlite.sklearn` or Pipeline
        What is written, for prediction: dropout is left out. A Pipeline of scikit-learn ends in such an
        estimator, and what stands before that is StandardScaler, MinMaxScaler, MaxAbsScaler or
        RobustScaler, or a `TableEncoder` as the first step.
    path : str or path-like
        Where to; an old file is replaced once the new one is complete.
    opset : int, optional
        Version of the operators of ONNX. By default the oldest that has all that is needed: 13,
        which onnxruntime has known since 1.6, or 17 with `LayerNorm`, since 1.12.
    classes : sequence of str or int, optional
        Names of the classes that the outputs stand for, to be noted in the file.
    custom : mapping of class to function, optional
        How layers of your own are written: a function for each class. It takes the layer, the
        name of its input and the `Graph`, adds nodes to that, and returns the name of its output.
        For layers that it is made of there is `Graph.layer`.

    Raises
    ------
    ModuleNotFoundError
        If the package onnx is not installed.
    ArgumentTypeError, ArgumentError
        If that is no model or no path, the model has replicas, or a layer, the preprocessing or a step of
        the Pipeline has no ONNX form.
    NotFittedError
        If a layer must see data first.
    OSError
        If the file cannot be written.

    Notes
    -----
    The file is checked by ``onnx.checker`` before it is written. Its metadata hold, as JSON, the
    version of nnlite and, where they are known, the names of the features and the classes.

    References
    ----------
    ONNX operators: https://onnx.ai/onnx/operators/

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from nnlite import Dense, Sequential, Tanh
    >>> from nnlite.onnx import export, load
    >>> model = Sequential([Dense(2, 8), Tanh(), Dense(8, 1)], rng=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     export(model, pathlib.Path(folder) / "net.onnx")
    ...     load(pathlib.Path(folder) / "net.onnx")
    Sequential([Dense(2, 8), Tanh(), Dense(8, 1)], dtype=float32)

    A layer of your own:

    >>> from nnlite import Layer
    >>> class Square(Layer):
    ...     def forward(self, x, ctx=None):
    ...         return x * x
    >>> def write_square(layer, x, graph):
    ...     return graph.node("Mul", x, x)
    >>> model = Sequential([Dense(2, 1), Square()], rng=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     export(model, pathlib.Path(folder) / "net.onnx", custom={Square: write_square})
    """
    where = "nnlite.onnx.export"
    whole = _take(where, model)
    model = whole.model
    warn_of_rounding(where, model)
    target = check_path(f"{where}(path)", path)
    onnx = import_onnx(where)
    checked = None if opset is None else _check_opset(where, opset, onnx)
    metadata = {"nnlite_version": __version__, **_notes(where, whole, classes)}
    writers = {cls: one.onnx for cls, one in DESCRIPTIONS.items()} | check_custom(where, custom)
    content = _make(where, whole, checked, metadata, writers, onnx).SerializeToString()
    write_atomically(target, content, where=where)


def _make(
    where: str,
    whole: Whole,
    opset: int | None,
    metadata: dict[str, Any],
    writers: Mapping[type[Layer], OnnxWriter],
    onnx: ModuleType,
) -> Any:
    """Build the file in memory, and have it checked."""
    model, ending = whole
    columns = None if model.preprocessing is None else describe(model.preprocessing, where=where)
    names = ["input"] if columns is None else [column.name for column in columns]
    graph = Graph(model.params.dtype, names, writers=writers, where=where)
    outputs = [graph.name(name) for name in (("output",) if ending is None else ending.names)]
    x = "input"
    if columns is not None:
        graph.scope = "table."
        x = write(model.preprocessing, columns, graph)
    graph.shape = model.input_shape
    for layer in model.layers:
        x = graph.layer(layer, x)
    graph.scope = ""
    found = [x] if ending is None else write_ending(ending, x, graph)
    for name, one in zip(outputs, found, strict=True):
        _call_output(name, one, graph)
    nodes = graph.used(*outputs)

    inputs = _inputs(model, columns, onnx)
    helper = onnx.helper
    oldest = _oldest(nodes, onnx)
    if opset is not None and opset < oldest:
        fix = "Leave opset= out: the oldest that will do is chosen."
        raise ArgumentError(
            f"{where}(opset=)", f"at least {oldest}, for what the layers are written as", f"{opset}", fix
        )
    versions = [helper.make_opsetid("", oldest if opset is None else opset)]
    if any(node.domain for node in nodes):
        versions.append(helper.make_opsetid("ai.onnx.ml", ML_OPSET))
    proto = helper.make_model(
        helper.make_graph(
            nodes,
            "nnlite",
            inputs,
            [
                helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), shape)
                for name, (dtype, shape) in zip(outputs, _results(model, ending), strict=True)
            ],
            initializer=graph.constants,
        ),
        opset_imports=versions,
        ir_version=helper.find_min_ir_version_for(versions),
        producer_name="nnlite",
        producer_version=__version__,
        doc_string=repr(model),
    )
    helper.set_model_props(proto, {key: json.dumps(value) for key, value in metadata.items()})
    try:
        onnx.checker.check_model(proto, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ArgumentError(
            where,
            "nodes that onnx.checker accepts",
            f"{str(error).strip().splitlines()[0].rstrip('.')}",
            "Correct the functions in custom=, or use another opset.",
        ) from error
    return proto


def _call_output(name: str, x: str, graph: Graph) -> None:
    """Give the last result the name of the output."""
    if not any(x in node.output for node in graph.nodes):  # no layer does anything
        graph.node("Identity", x)
        x = graph.nodes[-1].output[0]
    for node in graph.nodes:
        for names in (node.input, node.output):
            for place, used in enumerate(names):
                if used == x:
                    names[place] = name


def _results(model: Sequential, ending: Ending | None) -> list[tuple[Any, list[Any]]]:
    """Return type and shape of what comes out."""
    if ending is None:
        return [(model.params.dtype, ["batch", *(model.output_shape or ("outputs",))])]
    if ending.classes is None:
        return [(model.params.dtype if ending.mean is None else np.float64, ["batch", ending.width])]
    kind = ending.classes.dtype
    shape: list[Any] = ["batch", ending.width] if ending.several else ["batch"]
    label: Any = np.int64 if ending.several or kind.kind in "iu" else kind if kind.kind in "bf" else object
    return [(label, shape), (model.params.dtype, ["batch", ending.width])]


def _inputs(model: Sequential, columns: list[Column] | None, onnx: ModuleType) -> list[Any]:
    helper, types = onnx.helper, onnx.TensorProto
    if columns is None:
        kind = helper.np_dtype_to_tensor_dtype(model.params.dtype)
        shape = ["batch", *(model.input_shape or ("features",))]
        return [helper.make_tensor_value_info("input", kind, shape)]
    kinds = {"float64": types.DOUBLE, "int64": types.INT64, "string": types.STRING}
    return [
        helper.make_tensor_value_info(one.name, kinds[one.type], ["batch"], doc_string=one.text)
        for one in columns
    ]


def _take(where: str, given: Any) -> Whole:
    whole = take_whole(where, given, choose="write export(model.replica(0), path)")
    model = whole.model
    if model.params.numbers.nbytes > LARGEST:
        raise ArgumentError(
            f"{where}(model)",
            f"a model of at most {LARGEST:,} bytes, as an ONNX file holds",
            f"{model.params.numbers.nbytes:,}",
            "Use model.save(path), which knows no such limit.",
        )
    return whole


def _oldest(nodes: list[Any], onnx: ModuleType) -> int:
    """Find the oldest version of the operators that has all that are used, or else the newest."""
    used = {node.op_type for node in nodes if not node.domain}
    for version in range(OPSET, onnx.defs.onnx_opset_version()):
        with suppress(onnx.defs.SchemaError):
            for op in used:
                onnx.defs.get_schema(op, version)
            return version
    return int(onnx.defs.onnx_opset_version())


def _check_opset(where: str, opset: Any, onnx: ModuleType) -> int:
    checked = check_integer(f"{where}(opset=)", opset)
    newest = onnx.defs.onnx_opset_version()
    if not OPSET <= checked <= newest:
        raise ArgumentError(
            f"{where}(opset=)",
            f"a version from {OPSET} to {newest}, the newest that the installed onnx knows",
            f"{checked}",
            "Leave it out: all that run newer ones run the default.",
        )
    return checked


def _notes(where: str, whole: Whole, classes: Any) -> dict[str, Any]:
    """Collect what the file says about its inputs and outputs."""
    model, ending = whole
    notes: dict[str, Any] = {}
    if model.preprocessing is not None:
        notes["feature_names"] = [column.name for column in model.preprocessing.columns]
    elif model.feature_names is not None:
        notes["feature_names"] = list(model.feature_names)
    if ending is not None:
        if classes is not None:
            got, fix = f"{classes!r}", "Leave it out: an estimator knows its classes."
            raise ArgumentError(f"{where}(classes=)", "None, of an estimator", got, fix)
        return notes if ending.classes is None else notes | {"classes": ending.classes.tolist()}
    if classes is None:
        return notes
    names = classes.tolist() if isinstance(classes, np.ndarray) else classes
    if not isinstance(names, list | tuple) or not all(type(name) in (str, int, bool) for name in names):
        raise ArgumentTypeError(
            f"{where}(classes=)", "a list of names or numbers", f"{classes!r}", "Write ['cat', 'dog']."
        )
    outputs = (model.output_shape or (None,))[-1]
    wanted = 2 if outputs == 1 else outputs
    if len(set(names)) < len(names) or wanted not in (None, len(names)):
        raise ArgumentError(
            f"{where}(classes=)",
            f"{wanted} classes that differ",
            f"{list(names)}",
            "Give one for each output, or two for a single output.",
        )
    return notes | {"classes": list(names)}
