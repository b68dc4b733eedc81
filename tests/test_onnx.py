"""ONNX files: what onnxruntime makes of those that are written, and what is made of those of others."""

import json
import os
import subprocess
import sys
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest
from samples import LAYERS, again, before, behind, has, shape_for

import nnlite
import nnlite.layers
from nnlite import (
    ELU,
    GELU,
    BatchNorm,
    Dense,
    Dropout,
    Flatten,
    Layer,
    LayerNorm,
    LeakyReLU,
    LogSoftmax,
    Parameter,
    ReLU,
    Residual,
    Sequential,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Standardize,
    Tanh,
)
from nnlite.data.table import TableEncoder
from nnlite.errors import ArgumentError, ArgumentTypeError, ModelFileError, NotFittedError
from nnlite.exchange.onnx.wire import count_entries
from nnlite.initializers import Constant
from nnlite.layers import (
    GRU,
    LSTM,
    Embedding,
    GlobalMaxPool,
    Input,
    Permute,
    Reshape,
    SelfAttention,
    SimpleRNN,
)
from nnlite.layers.windows import Sliding
from nnlite.onnx import export, load

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")

helper = onnx.helper
FLOAT, DOUBLE, INT64 = onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE, onnx.TensorProto.INT64


# Helpers.


def run(path, feeds, options=None):
    """Compute the first output with onnxruntime, on one thread."""
    options = options or ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = ort.InferenceSession(os.fspath(path), options, providers=["CPUExecutionProvider"])
    return session.run(None, feeds)[0]


def assert_same(found, wanted):
    """Compare within 1e-6, of numbers above 1 relative to them."""
    assert found.dtype == wanted.dtype
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-6)


def by_size(found, wanted):
    """Divide by the largest number of each row: of a sum of many large numbers little may be left."""
    size = np.abs(wanted).max(axis=tuple(range(1, wanted.ndim)), keepdims=True).clip(1)
    return found / size, wanted / size


def inputs(layer, rng, dtype=np.float32):
    """Draw rows that a layer takes: small, large, zero and negative numbers."""
    shape = shape_for(layer, 6)
    x = rng.normal(size=(40, *shape)) * np.geomspace(0.01, 30, 40).reshape(40, *[1] * len(shape))
    x[0] = 0
    if hasattr(layer, "draw_input"):
        x = layer.draw_input(rng, (40, *shape))
    return x.astype(dtype)


def ready(layer, rng):
    """Give a layer numbers of its own, so that no two of its parameters are alike."""
    for _, one in layer.walk():
        if isinstance(one, Standardize):
            one.adapt(rng.normal(size=(50, one.features)) * np.arange(1, one.features + 1) - 5)
        for name in one.parameter_names if not one.children else ():
            getattr(one, name)[...] = rng.normal(size=getattr(one, name).shape)
    return layer


def in_a_row(layers):
    """Return layers as text, as they come back: those of a net in its place, none that does nothing."""
    text = []
    for layer in layers:
        if isinstance(layer, nnlite.core.model.Sequential):
            text += in_a_row(layer.layers)
        elif isinstance(layer, Residual):
            text.append(f"Residual([{', '.join(in_a_row(layer.layers))}])")
        elif type(layer) is not Dropout and repr(layer) != "Flatten((4,))":
            text.append(repr(layer))
    return text


#: What may come back as other layers that do the same: in front of Flatten and Dense, which then has its rows
#: in another order, or as a MaxPool of the whole image.
REWRITTEN = [Permute, Reshape, GlobalMaxPool]
#: What `load` brings back as something else.
NOT_READ = [Embedding, Input]
#: What onnxruntime computes in float32 only.
IN_FLOAT32 = (SimpleRNN, GRU, LSTM)


def each_of(layers):
    """Go through layers, each with the types that it can be written in."""
    return pytest.mark.parametrize(
        ("layer", "dtype"),
        [
            pytest.param(layer, dtype, id=f"{layer!r}-{dtype.__name__}")
            for layer in layers
            for dtype in (np.float32, np.float64)
            if dtype == np.float32 or not has(layer, *IN_FLOAT32)
        ],
    )


# What is written.


@each_of(LAYERS)
def test_every_layer_equals_onnxruntime(layer, dtype, rng, tmp_path):
    model = Sequential([*before(layer), ready(again(layer), rng)], dtype=dtype)
    x = inputs(layer, rng, dtype)
    export(model, tmp_path / "net.onnx")
    found, wanted = run(tmp_path / "net.onnx", {"input": x}), model.predict(x)
    if isinstance(layer, Sliding | SelfAttention):
        found, wanted = by_size(found, wanted)
    assert_same(found, wanted)


@each_of([layer for layer in LAYERS if type(layer) not in NOT_READ])
def test_every_layer_but_embedding_comes_back(layer, dtype, rng, tmp_path):
    layers = [ready(again(layer), rng), *behind(layer, width=6)]
    first = [Dense(6, 6)] if layer.input_shape in (None, (6,)) else before(layer)
    layers = [*first, *layers]
    model = Sequential(layers, dtype=dtype, rng=0)
    export(model, tmp_path / "net.onnx")
    back = load(tmp_path / "net.onnx")
    assert back.params.dtype == dtype
    x = inputs(layer if isinstance(model.layers[0], Input) else model.layers[0], rng, dtype)
    if type(layer) in REWRITTEN:
        assert_same(*by_size(back.predict(x), model.predict(x)))
        return
    assert list(map(repr, back.layers)) == in_a_row(model)
    np.testing.assert_array_equal(back.predict(x), model.predict(x))


def test_a_whole_net_equals_onnxruntime_also_in_newer_versions(rng, tmp_path):
    layers = [Flatten((8, 8)), Standardize(64), Dense(64, 32), GELU(), Dropout(0.2), Dense(32, 10), Softmax()]
    model = Sequential(layers, rng=0)
    X = rng.uniform(0, 16, size=(100, 8, 8)).astype(np.float32)
    model.adapt(X)
    wanted = model.predict(X)
    for opset in (13, 17, 21):
        export(model, tmp_path / "net.onnx", opset=opset)
        written = onnx.load(tmp_path / "net.onnx")
        assert [entry.version for entry in written.opset_import] == [opset]
        assert_same(run(tmp_path / "net.onnx", {"input": X}), wanted)
        assert_same(load(tmp_path / "net.onnx").predict(X), wanted)


def test_an_old_runtime_can_read_the_file(tmp_path):
    export(Sequential([Dense(2, 1)], rng=0), tmp_path / "net.onnx")
    written = onnx.load(tmp_path / "net.onnx")
    assert (written.ir_version, written.opset_import[0].version) == (7, 13)  # as of onnxruntime 1.6
    assert len(written.opset_import) == 1


def test_the_number_of_rows_is_free(rng, tmp_path):
    model = Sequential([Dense(3, 2)], rng=0)
    export(model, tmp_path / "net.onnx")
    session = ort.InferenceSession(tmp_path / "net.onnx", providers=["CPUExecutionProvider"])
    assert [(entry.name, entry.shape) for entry in session.get_inputs()] == [("input", ["batch", 3])]
    assert [(entry.name, entry.shape) for entry in session.get_outputs()] == [("output", ["batch", 2])]
    for rows in (1, 7):
        x = rng.normal(size=(rows, 3)).astype(np.float32)
        assert_same(session.run(["output"], {"input": x})[0], model.predict(x))


def test_the_file_says_what_it_is(tmp_path):
    model = Sequential([Dense(2, 3)], rng=0)
    model.feature_names = ["age", "size"]
    export(model, tmp_path / "net.onnx", classes=["a", "b", "c"])
    written = onnx.load(tmp_path / "net.onnx")
    notes = {entry.key: json.loads(entry.value) for entry in written.metadata_props}
    assert notes == {
        "nnlite_version": nnlite.__version__,
        "feature_names": ["age", "size"],
        "classes": ["a", "b", "c"],
    }
    assert (written.producer_name, written.producer_version) == ("nnlite", nnlite.__version__)
    assert "Dense(2, 3)" in written.doc_string
    assert load(tmp_path / "net.onnx").feature_names == ("age", "size")


def test_ids_that_are_none_are_refused_by_the_graph_too(tmp_path):
    """Not even one that would be a row of another column."""
    model = Sequential([Embedding([3, 4], 2, numeric=1)], rng=0)
    export(model, tmp_path / "net.onnx")
    good = np.array([[0.5, 2.4, 0.6]], np.float32)  # rounded, as the layer does
    assert_same(run(tmp_path / "net.onnx", {"input": good}), model.predict(good))
    for ids in ([3, 0], [-1, 0], [0, 4], [np.nan, 0]):
        with pytest.raises(Exception, match=r"out of data bounds|INVALID_ARGUMENT"):
            run(tmp_path / "net.onnx", {"input": np.array([[0.5, *ids]], np.float32)})


class Square(Layer):
    gain = Parameter()

    def __init__(self, features):
        self.features = features
        self.declare("gain", (features,), initializer=Constant(0.7))

    def forward(self, x, ctx=None):
        return x * x * self.gain


def write_square(layer, x, graph):
    return graph.node("Mul", graph.node("Mul", x, x), graph.constant(layer.gain, name="gain"))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_layer_of_the_user_writes_its_own_nodes(dtype, rng, tmp_path):
    model = Sequential([Dense(3, 4), Square(4), ReLU()], dtype=dtype, rng=0)
    export(model, tmp_path / "net.onnx", custom={Square: write_square})
    x = rng.normal(size=(9, 3)).astype(dtype)
    assert_same(run(tmp_path / "net.onnx", {"input": x}), model.predict(x))


class LeakierReLU(LeakyReLU):
    def forward(self, x, ctx=None):
        return super().forward(x) * 2


@pytest.mark.parametrize("layer", [Square(2), LeakierReLU()], ids=repr)
def test_a_layer_without_an_onnx_form_is_named(layer, tmp_path):
    model = Sequential([Dense(2, 2), again(layer)], rng=0)
    name = type(layer).__name__
    with pytest.raises(ArgumentError, match=rf"layer 1 {name}.*custom={{{name}: function}}"):
        export(model, tmp_path / "net.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("inside", [Residual, Sequential])
def test_a_layer_without_an_onnx_form_is_named_inside_of_others_too(inside, tmp_path):
    model = Sequential([Dense(2, 2), inside([Residual([Tanh(), Square(2)])])])
    message = r"layer 1\.0\.1 Square\(2\): .*the class Square\..*custom={Square: function}"
    with pytest.raises(ArgumentError, match=message):
        export(model, tmp_path / "net.onnx")
    assert list(tmp_path.iterdir()) == []
    export(model, tmp_path / "net.onnx", custom={Square: write_square})
    x = np.ones((3, 2), np.float32)
    assert_same(run(tmp_path / "net.onnx", {"input": x}), model.predict(x))


class Difference(Layer):
    """Two ways side by side."""

    def __init__(self, first, second):
        self.first, self.second = self.hold([first, second])

    def forward(self, x, ctx=None):
        (first, a), (second, b) = self.held(ctx)
        return first.forward(x, a) - second.forward(x, b)


def test_a_layer_of_the_user_has_those_inside_written(rng, tmp_path):
    def write(layer, x, graph):
        return graph.node("Sub", graph.layer(layer.first, x), graph.layer(layer.second, x))

    model = Sequential([Difference(Dense(3, 3), Residual([Dense(3, 3), Tanh()])), Tanh()], rng=0)
    export(model, tmp_path / "net.onnx", custom={Difference: write})
    x = rng.normal(size=(9, 3)).astype(np.float32)
    assert_same(run(tmp_path / "net.onnx", {"input": x}), model.predict(x))
    names = {entry.name for entry in onnx.load(tmp_path / "net.onnx").graph.initializer}
    assert {"0.0.W", "0.1.0.W"} <= names
    with pytest.raises(ModelFileError, match=r"'0\.Sub' \(Sub\).*Sub of other things than one result"):
        load(tmp_path / "net.onnx")
    with pytest.raises(ArgumentTypeError, match=r"layer 0\.1 .*the function for Residual to return the name"):
        export(model, tmp_path / "net.onnx", custom={Difference: write, Residual: lambda *_: 3})


def test_what_was_measured_in_training_is_in_the_file(rng, tmp_path):
    X = rng.normal(size=(60, 4)) * 3 + 1
    model = Sequential([Dense(4, 5), Residual([BatchNorm(5), Tanh(), Dense(5, 5)]), Dense(5, 1)], rng=0)
    model.fit(X, X[:, :1], loss=nnlite.MeanSquaredError(), optimizer=nnlite.Adam(0.01), epochs=5, rng=0)
    export(model, tmp_path / "net.onnx")
    x = X.astype(np.float32)
    assert_same(run(tmp_path / "net.onnx", {"input": x}), model.predict(x))
    back = load(tmp_path / "net.onnx")
    assert (back.params.numbers == model.params.numbers).all()
    assert not back.params.frozen


def test_a_mean_in_float64_inside_of_a_block_is_warned_of(tmp_path):
    layer = Standardize(1)
    layer.adapt(1.7e9 + np.arange(50.0)[:, None])
    model = Sequential([Residual([layer, Dense(1, 1)])], rng=0)
    message = r"layer 0\.0 Standardize\(1\) takes a mean of about 1\.7e"
    with pytest.warns(nnlite.errors.DataWarning, match=message):
        export(model, tmp_path / "net.onnx")


# Tables.


def frame(rows=30, seed=0):
    rng = np.random.default_rng(seed)
    age = rng.normal(40, 10, rows)
    age[::7] = np.nan
    return {
        "age": age,
        "born": rng.normal(1.5e9, 1e8, rows),  # more digits than float32 has
        "city": list(rng.choice(["Bern", "Genf", "Zürich"], rows)),
        "plan": [None if row % 5 == 0 else str(row % 3) for row in range(rows)],
        "floor": [int(row) for row in rng.integers(-2, 4, rows)],
        "zone": [None if row % 4 == 0 else 10**12 + row % 3 for row in range(rows)],
    }


def table_model(table, dtype=np.float32, **arguments):
    encoder = TableEncoder(**arguments).fit(table)
    layers = [encoder.layer(), Dense(encoder.width, 8), Tanh(), Dense(8, 2)]
    model = Sequential(layers, preprocessing=encoder, dtype=dtype, rng=0)
    model.layers[0].W[...] = np.random.default_rng(1).normal(size=model.layers[0].W.shape)
    return model


def feeds(table, missing=None):
    """Write a table as the inputs of its graph."""
    missing = {"plan": "", "zone": np.iinfo(np.int64).min, "floor": 0, "city": "", **(missing or {})}
    made = {}
    for name, column in table.items():
        if name not in missing:
            made[name] = np.asarray(column, np.float64)
            continue
        filled = [missing[name] if value is None else value for value in column]
        made[name] = np.asarray(filled, object if isinstance(missing[name], str) else np.int64)
    return made


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("min_count", [1, 5])
def test_the_graph_encodes_tables(dtype, min_count, tmp_path):
    model = table_model(frame(), dtype, categorical=["floor", "zone"], min_count=min_count)
    floors = model.preprocessing.columns[4].categories
    assert len(floors) == 6 if min_count == 1 else 0 < len(floors) < 6
    export(model, tmp_path / "net.onnx")
    for table in (frame(), frame(seed=5)):
        assert_same(run(tmp_path / "net.onnx", feeds(table)), model.predict(table))


def test_the_graph_takes_what_was_never_seen(tmp_path):
    model = table_model(frame(), categorical=["floor", "zone"])
    export(model, tmp_path / "net.onnx")
    table = {
        "age": [np.nan, 1.0],
        "born": [np.nan, 0.0],
        "city": ["Basel", None],
        "plan": [None, "9"],
        "floor": [99, -1],
        "zone": [5, None],
    }
    assert_same(run(tmp_path / "net.onnx", feeds(table)), model.predict(table))


def test_the_inputs_of_a_table_say_what_they_take(tmp_path):
    model = table_model(frame(), categorical=["floor", "zone"])
    export(model, tmp_path / "net.onnx")
    session = ort.InferenceSession(tmp_path / "net.onnx", providers=["CPUExecutionProvider"])
    assert {entry.name: (entry.type, entry.shape) for entry in session.get_inputs()} == {
        "age": ("tensor(double)", ["batch"]),
        "born": ("tensor(double)", ["batch"]),
        "city": ("tensor(string)", ["batch"]),
        "plan": ("tensor(string)", ["batch"]),
        "floor": ("tensor(int64)", ["batch"]),
        "zone": ("tensor(int64)", ["batch"]),
    }
    written = onnx.load(tmp_path / "net.onnx")
    texts = {entry.name: entry.doc_string for entry in written.graph.input}
    assert texts["age"] == "numbers; NaN where one is missing"
    assert texts["plan"] == "categories, text; '' where one is missing"
    notes = {entry.key: json.loads(entry.value) for entry in written.metadata_props}
    assert notes["feature_names"] == list(frame())


def test_a_category_that_is_an_empty_text_is_no_missing_one(tmp_path):
    table = {"plan": ["", None, "?", "a"], "zone": [np.iinfo(np.int64).min, None, 3, 4]}
    model = table_model(table, categorical=["zone"])
    export(model, tmp_path / "net.onnx")
    texts = {entry.name: entry.doc_string for entry in onnx.load(tmp_path / "net.onnx").graph.input}
    assert "'??' where one is missing" in texts["plan"]
    given = feeds(table, missing={"plan": "??", "zone": np.iinfo(np.int64).min + 1})
    found = run(tmp_path / "net.onnx", given)
    assert_same(found, model.predict(table))
    assert len(np.unique(found, axis=0)) == 4


@pytest.mark.parametrize(
    "table",
    [
        {"age": [1.0, 2.0, 4.0]},
        {"age": [1.0, None, 4.0]},
        {"output": [1.0, None, 4.0], "input": [3.0, 1.0, 1.0]},
        {"city": ["a", "b", "a"]},
        {"is_new": [True, False, True]},
    ],
    ids=str,
)
def test_tables_of_one_kind_of_columns(table, tmp_path):
    encoder = TableEncoder().fit(table)
    model = Sequential([encoder.layer(), Dense(encoder.width, 2)], preprocessing=encoder, rng=0)
    export(model, tmp_path / "net.onnx")
    given = feeds(table, missing={"city": ""})
    assert_same(run(tmp_path / "net.onnx", given), model.predict(table))


def test_a_column_that_has_only_rare_categories_takes_text(tmp_path):
    """Of what type they were the encoder does not know any more."""
    table = {"age": [1.0, 2.0, 3.0], "id": [3, 4, None]}
    for missing, ids in ((False, ["3", "4", "5"]), (True, ["3", "4", ""])):
        column = table["id"] if missing else [3, 4, 5]
        model = table_model({**table, "id": column}, categorical=["id"], min_count=2)
        export(model, tmp_path / "net.onnx")
        given = {"age": np.array(table["age"]), "id": np.array(ids, object)}
        assert_same(run(tmp_path / "net.onnx", given), model.predict({**table, "id": column}))


def test_truth_values_as_categories_are_0_and_1(tmp_path):
    table = {"is_new": [True, False, True]}
    model = table_model(table, categorical=["is_new"])
    export(model, tmp_path / "net.onnx")
    given = {"is_new": np.array([1, 0, 1])}
    assert_same(run(tmp_path / "net.onnx", given), model.predict(table))


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (["a", 1], r"column 'x': expected categories of one type.*int and str.*Make text"),
        ([True, 1], r"column 'x': expected categories of one type.*bool and int"),
        (["a", "\ud800"], r"expected names and categories that UTF-8 can hold, got '\\ud800'\. Rename it"),
        ([1, 2**63], r"column 'x': expected whole numbers that int64 holds, got 9223372036854775808"),
    ],
)
def test_columns_that_onnx_cannot_hold_are_named(column, message, tmp_path):
    model = table_model({"x": column}, categorical=["x"])
    with pytest.raises(ArgumentError, match=message):
        export(model, tmp_path / "net.onnx")


# What is refused.


def test_a_name_of_a_column_that_onnx_cannot_hold_is_named(tmp_path):
    model = table_model({"\ud800": [1.0, 2.0], "city": ["a", "b"]})
    with pytest.raises(ArgumentError, match="expected names and categories that UTF-8 can hold"):
        export(model, tmp_path / "net.onnx")


def test_replicas_are_refused_with_the_fix(tmp_path):
    model = Sequential([Dense(2, 1)], replicas=3, rng=0)
    with pytest.raises(ArgumentError, match=r"expected a single net, got 3 replicas.*model\.replica\(0\)"):
        export(model, tmp_path / "net.onnx")
    export(model.replica(1), tmp_path / "net.onnx")
    x = np.ones((2, 2), np.float32)
    assert_same(run(tmp_path / "net.onnx", {"input": x}), model.predict(x)[1])


def test_preprocessing_of_another_class_is_refused(tmp_path):
    class Doubling(TableEncoder):
        def transform(self, frame):
            return 2 * super().transform(frame)

    encoder = Doubling().fit({"age": [1.0, 2.0]})
    model = Sequential([encoder.layer(), Dense(1, 1)], preprocessing=encoder, rng=0)
    with pytest.raises(ArgumentError, match=r"expected a TableEncoder as preprocessing.*class Doubling"):
        export(model, tmp_path / "net.onnx")


def test_a_layer_that_has_seen_no_data_is_refused(tmp_path):
    with pytest.raises(NotFittedError, match=r"layer 0 Standardize\(3\)"):
        export(Sequential([Standardize(3)]), tmp_path / "net.onnx")
    with pytest.raises(NotFittedError, match=r"layer 0\.0\.1 Standardize\(3\)"):
        export(Sequential([Residual([Sequential([Tanh(), Standardize(3)])])]), tmp_path / "net.onnx")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"opset": 12}, ArgumentError, r"opset=\): expected a version from 13"),
        ({"opset": 10**6}, ArgumentError, r"opset=\): expected a version from 13"),
        ({"opset": "13"}, ArgumentTypeError, r"opset=\)"),
        ({"classes": "ab"}, ArgumentTypeError, r"classes=\): expected a list"),
        ({"classes": [1.5, 2.5]}, ArgumentTypeError, r"classes=\): expected a list"),
        ({"classes": ["a", "b", "c"]}, ArgumentError, r"classes=\): expected 2 classes"),
        ({"classes": ["a", "a"]}, ArgumentError, r"classes=\): expected 2 classes that differ"),
        ({"custom": [Square]}, ArgumentTypeError, r"custom=\): expected a dict"),
        ({"custom": {Square: 3}}, ArgumentTypeError, r"custom=\): expected a dict"),
        ({"custom": {Square(2): write_square}}, ArgumentTypeError, r"custom=\): expected a dict"),
        ({"custom": {Dense: lambda layer, x, graph: None}}, ArgumentTypeError, r"return the name of a node"),
        (
            {"custom": {Dense: lambda layer, x, graph: graph.node("Tanh", x, x)}},
            ArgumentError,
            r"expected nodes that onnx\.checker accepts",
        ),
        (
            {"custom": {Dense: lambda layer, x, graph: graph.node("NoSuchThing", x)}},
            ArgumentError,
            r"expected nodes that onnx\.checker accepts",
        ),
    ],
    ids=map(str, range(100)),  # a function shows its address
)
def test_bad_arguments(arguments, error, message, tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(b"old")
    with pytest.raises(error, match=message):
        export(Sequential([Dense(2, 2)], rng=0), path, **arguments)
    assert path.read_bytes() == b"old"


def test_bad_models_and_paths(tmp_path):
    with pytest.raises(ArgumentTypeError, match=r"export\(model\): expected a Sequential"):
        export(Dense(2, 2), tmp_path / "net.onnx")
    with pytest.raises(ArgumentTypeError, match=r"export\(path\): expected a path"):
        export(Sequential([Dense(2, 2)], rng=0), 3)
    with pytest.raises(FileNotFoundError):
        export(Sequential([Dense(2, 2)], rng=0), tmp_path / "nowhere" / "net.onnx")
    with pytest.raises(ArgumentTypeError, match=r"load\(path\): expected a path"):
        load(None)
    with pytest.raises(ArgumentTypeError, match=r"load\(output=\): expected a name"):
        load(tmp_path / "net.onnx", output=0)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none.onnx")


def test_a_model_larger_than_a_file_can_be_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("nnlite.exchange.onnx.writing.LARGEST", 15)
    with pytest.raises(ArgumentError, match=r"at most 15 bytes.*got 16"):
        export(Sequential([Dense(1, 2)], rng=0), tmp_path / "net.onnx")


def test_onnx_is_imported_when_it_is_called_and_named_if_it_is_missing(tmp_path):
    code = """
import sys
import nnlite.onnx
assert not any(name.split(".")[0] == "onnx" for name in sys.modules), "imported too early"
sys.modules["onnx"] = None
model = nnlite.Sequential([nnlite.Dense(2, 1)], rng=0)
open("net.onnx", "wb").close()
for call in (lambda: nnlite.onnx.export(model, "net.onnx"), lambda: nnlite.onnx.load("net.onnx")):
    try:
        call()
    except ModuleNotFoundError as error:
        print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True,
        env=os.environ | {"PYTHONPATH": os.fspath(Path(nnlite.__file__).parents[1])},
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    for line in lines:
        assert (
            'expected onnx to be installed, got no such package. Run python -m pip install ".[onnx]"' in line
        )


# Nets of others.


def graph(nodes, constants=(), *, shape=("n", 4), kind=FLOAT, opset=17, outputs=("y",), inputs=("x",)):
    """Make the bytes of a file."""
    made = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(name, kind, shape) for name in inputs],
        [
            helper.make_tensor_value_info(
                name, INT64 if name == "label" else DOUBLE if kind == DOUBLE else FLOAT, None
            )
            for name in outputs
        ],
        [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in dict(constants).items()],
    )
    return helper.make_model(
        made, opset_imports=[helper.make_opsetid("", opset)], ir_version=8
    ).SerializeToString()


def node(op, *inputs, to="y", **attributes):
    return helper.make_node(
        op, inputs, [to], name=f"the {op}" if to == "y" else f"{to} of {op}", **attributes
    )


def both(content, path, x, **arguments):
    """Load a file and check that the model computes what onnxruntime does."""
    path.write_bytes(content)
    model = load(path, **arguments)
    names = [entry.name for entry in onnx.load(path).graph.output]
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    wanted = session.run([arguments.get("output", names[0])], {session.get_inputs()[0].name: x})[0]
    assert_same(model.predict(x), wanted)
    return model


W = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
B = np.random.default_rng(1).normal(size=3).astype(np.float32)
V = np.array([1.5, -2.0, 0.5, 3.0], np.float32)


@pytest.mark.parametrize(
    ("nodes", "layers"),
    [
        ([node("MatMul", "x", "W")], "Dense(4, 3, bias=False)"),
        ([node("MatMul", "x", "W", to="a"), node("Add", "a", "b")], "Dense(4, 3)"),
        ([node("MatMul", "x", "W", to="a"), node("Add", "b", "a")], "Dense(4, 3)"),
        ([node("Gemm", "x", "W", "b")], "Dense(4, 3)"),
        ([node("Gemm", "x", "W")], "Dense(4, 3, bias=False)"),
        ([node("Gemm", "x", "W", to="a"), node("Add", "a", "b")], "Dense(4, 3)"),
        ([node("MatMul", "x", "W", to="a"), node("Sub", "a", "b")], "Dense(4, 3)"),
        ([node("Gemm", "x", "W", to="a"), node("Sub", "a", "one")], "Dense(4, 3)"),
        ([node("Gemm", "x", "W", "b", alpha=0.5, beta=-2.0)], "Dense(4, 3)"),
        ([node("Gemm", "x", "W", "one")], "Dense(4, 3)"),
        ([node("Transpose", "W", to="t"), node("Gemm", "x", "t", "b", transB=1)], "Dense(4, 3)"),
        ([node("Gemm", "x", "W", "b", to="a"), node("Add", "a", "b")], "Dense(4, 3), Standardize(3)"),
        ([node("Identity", "W", to="w"), node("MatMul", "x", "w")], "Dense(4, 3, bias=False)"),
        ([node("Cast", "W64", to="w"), node("MatMul", "x", "w")], None),
        ([node("Sub", "x", "v", to="a"), node("Div", "a", "v")], "Standardize(4)"),
        ([node("Sub", "x", "v", to="a"), node("Mul", "v", "a")], "Standardize(4)"),
        ([node("Mul", "x", "v")], "Standardize(4)"),
        ([node("Div", "x", "v")], "Standardize(4)"),
        ([node("Add", "v", "x")], "Standardize(4)"),
        ([node("Sub", "x", "one")], "Standardize(4)"),
        ([node("BatchNormalization", "x", "v", "v", "v", "one4", epsilon=0.01)],
         "BatchNorm(4, epsilon=0.01)"),
        ([node("BatchNormalization", "x", "v", "v", "v", "one4", momentum=0.7)],
         "BatchNorm(4, momentum=0.3)"),
        ([node("BatchNormalization", "x", "v", "v", "v", "one4", momentum=1.0)], "BatchNorm(4)"),
        ([node("BatchNormalization", "x", "v", "v", "v", "one4", epsilon=0.0)],
         "BatchNorm(4, epsilon=1e-30)"),
        ([node("Gemm", "x", "W", "b", to="a"), node("BatchNormalization", "a", "b", "b", "b", "one3", to="n"),
          node("Relu", "n")], "Dense(4, 3), BatchNorm(3), ReLU()"),
        ([node("Mul", "x", "v", to="a"), node("Sigmoid", "a", to="s"), node("Mul", "s", "a")],
         "Standardize(4), SiLU()"),
        ([node("Dropout", "x", "third", to="a"), node("Relu", "a")], "Dropout(0.3), ReLU()"),
        ([node("Softmax", "x", axis=1)], "Softmax()"),
        ([node("LogSoftmax", "x")], "LogSoftmax()"),
        ([node("Elu", "x", alpha=0.5)], "ELU(alpha=0.5)"),
        ([node("LeakyRelu", "x")], None),
        ([node("Flatten", "x", to="a"), node("Tanh", "a")], "Tanh()"),
        ([node("Greater", "x", "zero", to="a"), node("Cast", "a")], None),
        ([node("Reshape", "x", "minus1_4", to="a"), node("Softplus", "a")], "Softplus()"),
        ([node("Reshape", "x", "zero_minus1", to="a"), node("Softplus", "a")], "Softplus()"),
        # GELU as PyTorch writes it, and as Keras does.
        ([node("Div", "x", "root2", to="a"), node("Erf", "a", to="e"), node("Add", "e", "one", to="g"),
          node("Mul", "x", "g", to="m"), node("Mul", "m", "half")], "GELU()"),
        ([node("Mul", "x", "half", to="h"), node("Mul", "x", "root_half", to="a"), node("Erf", "a", to="e"),
          node("Add", "one", "e", to="g"), node("Mul", "h", "g")], "GELU()"),
        ([node("Mul", "x", "x", to="s"), node("Mul", "x", "s", to="c"), node("Mul", "cubic", "c", to="k"),
          node("Add", "x", "k", to="i"), node("Mul", "i", "scale", to="a"), node("Tanh", "a", to="e"),
          node("Add", "one", "e", to="g"), node("Mul", "x", "half", to="h"), node("Mul", "h", "g")],
         "GELU(approximate=True)"),
    ],
    ids=lambda value: "-".join(one.op_type for one in value) if isinstance(value, list) else "",
)  # fmt: skip
def test_forms_in_which_others_write_layers(nodes, layers, rng, tmp_path):
    for one in nodes:
        if one.op_type == "Cast":
            one.attribute.append(helper.make_attribute("to", FLOAT))
    constants = {
        "W": W, "W64": W.astype(np.float64), "b": B, "v": V, "one": np.float32(1), "zero": np.float32(0),
        "one4": np.ones(4, np.float32), "one3": np.ones(3, np.float32), "third": np.float32(0.3),
        "half": np.float32(0.5),
        "root2": np.float32(2**0.5), "root_half": np.float32(0.5**0.5), "cubic": np.float32(0.044715),
        "scale": np.float32((2 / np.pi) ** 0.5), "minus1_4": np.array([-1, 4]),
        "zero_minus1": np.array([0, -1]),
    }  # fmt: skip
    model = both(graph(nodes, constants), tmp_path / "net.onnx", rng.normal(size=(20, 4)).astype(np.float32))
    if layers is not None:
        assert repr(model) == f"Sequential([{layers}], dtype=float32)"


#: Nodes that do nothing in prediction, from "a" to "z", for rows of three numbers.
NOTHING = {
    "Identity": [node("Identity", "a", to="z")],
    "Cast": [node("Cast", "a", to="z")],
    "Dropout": [node("Dropout", "a", "third", to="z")],
    "two": [node("Dropout", "a", "third", to="c"), node("Identity", "c", to="z")],
    "Reshape": [node("Reshape", "a", "minus1_3", to="z")],
    "Reshape by 0": [node("Reshape", "a", "zero_minus1", to="z")],
    "Flatten": [node("Flatten", "a", to="z")],
    "Unsqueeze": [node("Unsqueeze", "a", "axis", to="c"), node("Squeeze", "c", "axis", to="z")],
    "there and back": [node("Reshape", "a", "three", to="c"), node("Reshape", "c", "minus1_3", to="z")],
    "Transpose": [node("Transpose", "a", perm=[1, 0], to="c"), node("Transpose", "c", perm=[1, 0], to="z")],
    "Mul": [node("Mul", "one", "a", to="z")],
    "Add": [node("Add", "a", "nought", to="z")],
    "Sub": [node("Sub", "a", "nought", to="z")],
    "Div": [node("Div", "a", "one", to="z")],
    "Pow": [node("Pow", "a", "one", to="z")],
}
NOTHING["Cast"][0].attribute.append(helper.make_attribute("to", FLOAT))
CONSTANTS_OF_NOTHING = {
    "third": np.float32(0.3), "minus1_3": np.array([-1, 3]), "zero_minus1": np.array([0, -1]),
    "axis": np.array([1]), "three": np.array([-1, 3, 1, 1]), "one": np.float32(1),
    "nought": np.zeros((1, 1), np.float32),
}  # fmt: skip


@pytest.mark.parametrize("kind", NOTHING)
@pytest.mark.parametrize("product", ["MatMul", "Gemm"])
def test_the_bias_is_found_behind_nodes_that_do_nothing(kind, product, rng, tmp_path):
    nodes = [node(product, "x", "W", to="a"), *NOTHING[kind], node("Add", "b", "z")]
    constants = CONSTANTS_OF_NOTHING | {"W": W, "b": B}
    x = rng.normal(size=(20, 4)).astype(np.float32)
    model = both(graph(nodes, constants), tmp_path / "net.onnx", x)
    dropout = ", Dropout(0.3)" if kind in ("Dropout", "two") else ""
    assert repr(model) == f"Sequential([Dense(4, 3){dropout}], dtype=float32)"
    assert model.params.size == 15
    assert not model.params.frozen


@pytest.mark.parametrize("kind", NOTHING)
@pytest.mark.parametrize("place", range(5))
def test_formulas_are_found_behind_nodes_that_do_nothing(kind, place, rng, tmp_path):
    gelu = [("Div", "h", "root2"), ("Erf", "e"), ("Add", "e", "one"), ("Mul", "h", "e"), ("Mul", "e", "half")]
    nodes = [node("MatMul", "x", "W", to="h")]
    e = None
    for step, (op, *names) in enumerate(gelu):
        nodes.append(node(op, *(e if name == "e" else name for name in names), to=f"g{step}"))
        e = f"g{step}"
        if step == place:  # in the chain, so that x itself stays what it is
            renamed = {"a": e, "c": "middle", "z": "past"}
            nodes += [
                helper.make_node(
                    one.op_type,
                    [renamed.get(name, name) for name in one.input],
                    [renamed[one.output[0]]],
                    **{entry.name: helper.get_attribute_value(entry) for entry in one.attribute},
                )
                for one in NOTHING[kind]
            ]
            e = "past"
    nodes.append(node("Identity", e))
    constants = CONSTANTS_OF_NOTHING | {"W": W, "root2": np.float32(2**0.5), "half": np.float32(0.5)}
    x = rng.normal(size=(20, 4)).astype(np.float32)
    model = both(graph(nodes, constants), tmp_path / "net.onnx", x)
    assert [type(layer) for layer in model][:2] == [Dense, GELU]
    assert {type(layer) for layer in model[2:]} <= {Dropout}


def test_dropout_in_front_of_everything_stays_there(rng, tmp_path):
    nodes = [node("Dropout", "x", "third", to="a"), node("Sigmoid", "a", to="s"), node("Mul", "a", "s")]
    model = both(
        graph(nodes, CONSTANTS_OF_NOTHING), tmp_path / "net.onnx", rng.normal(size=(9, 4)).astype(np.float32)
    )
    assert repr(model) == "Sequential([Dropout(0.3), SiLU()], dtype=float32)"


def test_the_bias_is_found_behind_a_cast_to_the_type_of_the_net(rng, tmp_path):
    nodes = [node("MatMul", "x", "W", to="a"), node("Cast", "a", to="z"), node("Add", "z", "b")]
    nodes[1].attribute.append(helper.make_attribute("to", DOUBLE))
    path = tmp_path / "net.onnx"
    made = onnx.ModelProto.FromString(graph(nodes, {"W": W, "b": B.astype(np.float64)}))
    made.graph.output[0].type.tensor_type.elem_type = DOUBLE
    x = rng.normal(size=(9, 4)).astype(np.float32)
    model = both(made.SerializeToString(), path, x)
    assert repr(model) == "Sequential([Dense(4, 3)], dtype=float64)"


def test_zeros_for_each_feature_are_a_bias_and_stay(tmp_path):
    nodes = [node("MatMul", "x", "W", to="a"), node("Add", "a", "b")]
    (tmp_path / "net.onnx").write_bytes(graph(nodes, {"W": W, "b": 0 * B}))
    assert repr(load(tmp_path / "net.onnx")[0]) == "Dense(4, 3)"


def test_what_changes_the_shape_is_not_left_out(tmp_path):
    path = tmp_path / "net.onnx"
    for nodes, what in (
        ([node("Transpose", "x", perm=[1, 0], to="t"), node("Relu", "t")], "Transpose"),
        ([node("Reshape", "x", "two", to="t"), node("Relu", "t")], "Reshape"),
        ([node("Mul", "x", "square", to="t"), node("Relu", "t")], "floats for 4 features"),
    ):
        square = np.ones((1, 1, 1), np.float32)
        path.write_bytes(graph(nodes, {"two": np.array([-1, 2]), "square": square}))
        with pytest.raises(ModelFileError, match=what):
            load(path)


# Factors that are negative or 0.


GAIN = np.array([-1.5, 0.0, 0.5, 1e-30], np.float32)


def saved_and_exported(model, x, tmp_path):
    """Check that a model that was loaded can be saved, and exported again."""
    model.save(tmp_path / "net.safetensors")
    np.testing.assert_array_equal(nnlite.load(tmp_path / "net.safetensors").predict(x), model.predict(x))
    export(model, tmp_path / "again.onnx")
    both((tmp_path / "again.onnx").read_bytes(), tmp_path / "again.onnx", x)


@pytest.mark.parametrize(
    ("nodes", "layer"),
    [
        ([node("BatchNormalization", "x", "gain", "v", "v", "one4")], BatchNorm),
        ([node("BatchNormalization", "x", "minus", "v", "v", "one4")], BatchNorm),
        ([node("Mul", "x", "gain")], Dense),
        ([node("Mul", "x", "minus")], Standardize),
        ([node("Mul", "zero", "x")], Dense),
        ([node("Sub", "x", "v", to="a"), node("Mul", "a", "gain")], Dense),
        ([node("Sub", "x", "v", to="a"), node("Div", "a", "minus")], Standardize),
    ],
    ids=lambda value: "-".join(one.op_type for one in value) if isinstance(value, list) else value.__name__,
)
def test_factors_may_be_negative_or_0(nodes, layer, rng, tmp_path):
    constants = {
        "gain": GAIN, "minus": -np.abs(V), "v": V, "one4": np.ones(4, np.float32), "zero": np.float32(0),
    }  # fmt: skip
    x = rng.normal(size=(9, 4)).astype(np.float32)
    model = both(graph(nodes, constants), tmp_path / "net.onnx", x)
    assert [type(one) for one in model] == [layer]
    saved_and_exported(model, x, tmp_path)
    if layer is Dense:  # as Standardize: not learned
        assert model.params.frozen == {"0.W", "0.b"}


# Sums of a result and of what is made of it.


S = np.random.default_rng(2).normal(size=(4, 4)).astype(np.float32) / 2
BLOCK = [node("MatMul", "x", "S", to="a"), node("Add", "a", "v", to="d"), node("Relu", "d", to="r")]


@pytest.mark.parametrize(
    ("nodes", "layers"),
    [
        ([*BLOCK, node("Add", "x", "r")], "Residual([Dense(4, 4), ReLU()])"),
        ([*BLOCK, node("Add", "r", "x")], "Residual([Dense(4, 4), ReLU()])"),
        ([*BLOCK, node("Add", "r", "d")], "Dense(4, 4), Residual([ReLU()])"),
        ([*BLOCK, node("Add", "x", "r", to="s"), node("Add", "x", "s")],
         "Residual([Residual([Dense(4, 4), ReLU()])])"),
        ([*BLOCK, node("Add", "d", "r", to="s"), node("Tanh", "s", to="t"), node("Add", "t", "x")],
         "Residual([Dense(4, 4), Residual([ReLU()]), Tanh()])"),
        ([*BLOCK, node("Identity", "x", to="i"), node("Add", "i", "r")], "Residual([Dense(4, 4), ReLU()])"),
        ([node("Sigmoid", "x", to="a"), node("Mul", "x", "a", to="s"), node("Add", "s", "x")],
         "Residual([SiLU()])"),
        ([node("BatchNormalization", "x", "v", "v", "v", "one4", to="n"), node("Relu", "n", to="r"),
          node("Gemm", "r", "S", "v", to="g"), node("Dropout", "g", "third", to="o"), node("Add", "x", "o")],
         "Residual([BatchNorm(4), ReLU(), Dense(4, 4), Dropout(0.3)])"),
        ([node("Dropout", "x", "third", to="o"), node("Relu", "o", to="r"), node("Add", "x", "r")],
         "Dropout(0.3), Residual([ReLU()])"),
        ([*BLOCK, node("Add", "r", "v", to="b"), node("Mul", "b", "v", to="m"), node("Add", "m", "x")],
         "Residual([Dense(4, 4), ReLU(), Standardize(4), Standardize(4)])"),
    ],
    ids=lambda value: "-".join(one.op_type for one in value) if isinstance(value, list) else "",
)  # fmt: skip
@pytest.mark.parametrize("shape", [("n", 4), ("n", "features")], ids=str)
def test_blocks_of_others_that_add_their_input(nodes, layers, shape, rng, tmp_path):
    constants = {"S": S, "v": V, "one4": np.ones(4, np.float32), "third": np.float32(0.3)}
    x = rng.normal(size=(9, 4)).astype(np.float32)
    model = both(graph(nodes, constants, shape=shape), tmp_path / "net.onnx", x)
    assert repr(model) == f"Sequential([{layers}], dtype=float32)"
    export(model, tmp_path / "again.onnx")
    assert_same(run(tmp_path / "again.onnx", {"input": x}), model.predict(x))


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([node("Erf", "x", to="a"), node("Add", "a", "x")], r"'a of Erf' \(Erf\)"),
        ([node("MatMul", "x", "W", to="a"), node("Relu", "a", to="r"), node("Add", "r", "x")],
         r"'the Add' \(Add\): Residual\(layers\): expected layers that give the shape that they take"),
        ([node("MatMul", "x", "column", to="a"), node("Add", "a", "x")],
         r"'the Add' \(Add\): Residual\(layers\): expected layers that give the shape that they take"),
        ([node("Relu", "x", to="a"), node("Sub", "a", "x")], r"'the Sub' \(Sub\)"),
        ([node("BatchNormalization", "x", "v", "v", "v", "v")],
         r"'the BatchNormalization' \(BatchNormalization\): expected finite numbers"),
        ([node("BatchNormalization", "x", "v", "v", "v", "one4", epsilon=2.0)],
         r"'the BatchNormalization' \(BatchNormalization\): BatchNorm\(epsilon=\): expected .* got 2"),
        ([node("BatchNormalization", "x", "v", "v", "v", "one4", training_mode=1)], "in training"),
    ],
    ids=lambda value: "-".join(one.op_type for one in value) if isinstance(value, list) else "",
)  # fmt: skip
def test_sums_and_statistics_that_are_no_layer_are_named(nodes, message, tmp_path):
    constants = {"W": W, "v": V, "column": V[:, None], "one4": np.ones(4, np.float32)}
    (tmp_path / "net.onnx").write_bytes(graph(nodes, constants))
    with pytest.raises(ModelFileError, match=message):
        load(tmp_path / "net.onnx")


@pytest.mark.parametrize("deep", [32, 33, 3000])
def test_blocks_deep_inside_of_each_other(deep, tmp_path):
    nodes = [node("Relu", "x", to="s0")] + [node("Add", "x", f"s{i}", to=f"s{i + 1}") for i in range(deep)]
    (tmp_path / "net.onnx").write_bytes(graph(nodes, outputs=(f"s{deep}",)))
    if deep > 32:
        with pytest.raises(ModelFileError, match=r"\(Add\).*got Add inside of 32 others"):
            load(tmp_path / "net.onnx")
    else:
        np.testing.assert_array_equal(
            load(tmp_path / "net.onnx").predict([[1.0, -1, 0, 2]]), [[33, -32, 0, 66]]
        )


def test_a_factor_of_0_among_very_many_is_refused_by_name(tmp_path):
    gain = np.zeros(2000, np.float32)
    (tmp_path / "net.onnx").write_bytes(graph([node("Mul", "x", "gain")], {"gain": gain}, shape=("n", 2000)))
    with pytest.raises(ModelFileError, match=r"\(Mul\).*a factor of 0, of more than 1024 features"):
        load(tmp_path / "net.onnx")


def test_double_nets_stay_double(rng, tmp_path):
    nodes = [node("MatMul", "x", "W", to="a"), node("Add", "a", "b")]
    content = graph(nodes, {"W": W.astype(np.float64), "b": B.astype(np.float64)}, kind=DOUBLE)
    model = both(content, tmp_path / "net.onnx", rng.normal(size=(5, 4)))
    assert model.params.dtype == np.float64


def test_a_net_without_numbers_has_the_type_of_its_input(rng, tmp_path):
    model = both(graph([node("Tanh", "x")], kind=DOUBLE), tmp_path / "net.onnx", rng.normal(size=(5, 4)))
    assert model.params.dtype == np.float64


def test_whole_numbers_go_through_a_cast(rng, tmp_path):
    nodes = [node("Cast", "x", to="a"), node("MatMul", "a", "W")]
    nodes[0].attribute.append(helper.make_attribute("to", FLOAT))
    both(graph(nodes, {"W": W}, kind=INT64), tmp_path / "net.onnx", rng.integers(0, 9, size=(5, 4)))


def test_one_of_several_outputs(rng, tmp_path):
    nodes = [node("MatMul", "x", "W", to="a"), node("Softmax", "a", to="p"), node("ArgMax", "p", to="label")]
    content = graph(nodes, {"W": W}, outputs=("label", "p"))
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    assert repr(load(path)) == repr(load(path, output="p"))  # a label is none
    two = graph(nodes, {"W": W}, outputs=("a", "p"))
    (tmp_path / "two.onnx").write_bytes(two)
    with pytest.raises(ModelFileError, match=r"one output, got 2: 'a', 'p'.*load\(path, output='p'\)"):
        load(tmp_path / "two.onnx")
    with pytest.raises(ModelFileError, match=r"an output 'q', got 'label', 'p'"):
        load(path, output="q")
    with pytest.raises(ModelFileError, match=r"node 'label of ArgMax' \(ArgMax\)"):
        load(path, output="label")
    both(content, path, rng.normal(size=(5, 4)).astype(np.float32), output="p")


def test_a_net_that_came_back_can_be_trained(rng, tmp_path):
    X = rng.normal(size=(64, 4))
    export(Sequential([Dense(4, 8), Tanh(), Dense(8, 1)], rng=0), tmp_path / "net.onnx")
    model = load(tmp_path / "net.onnx")
    arguments = {"loss": nnlite.MeanSquaredError(), "optimizer": nnlite.Adam(0.02), "epochs": 30, "rng": 0}
    history = model.fit(X, X[:, :1], **arguments)
    assert history["loss"][-1] < 0.1 * history["loss"][0]


# Files of other exporters.


def test_blocks_of_pytorch(rng, tmp_path):
    torch = pytest.importorskip("torch")
    nn = torch.nn

    class Block(nn.Sequential):
        def forward(self, x):
            return x + super().forward(x)

    torch.manual_seed(0)
    inner = Block(nn.Linear(6, 6), nn.BatchNorm1d(6), nn.GELU())
    net = nn.Sequential(
        nn.Linear(4, 6),
        Block(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 6)),
        nn.ReLU(),
        Block(inner, nn.SiLU()),
    )
    net(torch.randn(50, 4))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net.eval(), (torch.zeros(2, 4),), tmp_path / "net.onnx", dynamo=False, do_constant_folding=False,
            training=torch.onnx.TrainingMode.PRESERVE, verbose=False,
        )  # fmt: skip
    model = load(tmp_path / "net.onnx")
    assert repr(model) == (
        "Sequential([Dense(4, 6), Residual([Dense(6, 8), ReLU(), Dense(8, 6)]), ReLU(), "
        "Residual([Residual([Dense(6, 6), BatchNorm(6), GELU()]), SiLU()])], dtype=float32)"
    )
    x = rng.normal(size=(30, 4)).astype(np.float32)
    with torch.no_grad():
        assert_same(model.predict(x), net(torch.from_numpy(x)).numpy())


def torch_net(torch):
    nn = torch.nn
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Flatten(), nn.Linear(12, 8), nn.ReLU(), nn.BatchNorm1d(8), nn.Dropout(0.3),
        nn.Linear(8, 8, bias=False), nn.GELU(), nn.Linear(8, 8), nn.SiLU(), nn.LeakyReLU(0.2), nn.ELU(),
        nn.Linear(8, 8), nn.Softplus(), nn.GELU(approximate="tanh"), nn.Sigmoid(), nn.Linear(8, 3),
        nn.LogSoftmax(-1),
    )  # fmt: skip
    net(torch.randn(50, 3, 4))  # something for BatchNorm1d to measure
    return net.eval()


LAYERS_OF_TORCH = [
    Flatten, Dense, ReLU, BatchNorm, Dense, GELU, Dense, SiLU, LeakyReLU, ELU, Dense, Softplus, GELU,
    Sigmoid, Dense, LogSoftmax,
]  # fmt: skip


@pytest.mark.parametrize("dynamo", [False, True], ids=["script", "dynamo"])
def test_a_net_of_pytorch(dynamo, rng, tmp_path):
    torch = pytest.importorskip("torch")
    if dynamo:
        pytest.importorskip("onnxscript")
    net, path = torch_net(torch), tmp_path / "net.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporters, about themselves
        torch.onnx.export(
            net, (torch.zeros(2, 3, 4),), path, dynamo=dynamo, external_data=False, verbose=False
        )
    model = load(path)
    assert [type(layer) for layer in model] == LAYERS_OF_TORCH
    x = rng.normal(size=(30, 3, 4)).astype(np.float32)
    with torch.no_grad():
        wanted = net(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(model.predict(x), wanted, rtol=1e-5, atol=2e-6)


def test_nets_of_scikit_learn(rng, tmp_path):
    skl2onnx = pytest.importorskip("skl2onnx")
    sklearn = pytest.importorskip("sklearn.neural_network")
    X = rng.normal(size=(60, 4)).astype(np.float32)
    path = tmp_path / "net.onnx"
    arguments = {"hidden_layer_sizes": (5, 6), "max_iter": 5, "random_state": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they have not converged, and that is meant
        regressor = sklearn.MLPRegressor(**arguments).fit(X, X[:, 0])
        classifier = sklearn.MLPClassifier(**arguments, activation="tanh").fit(X, np.arange(60) % 3)
        path.write_bytes(skl2onnx.to_onnx(regressor, X).SerializeToString())
    model = load(path)
    assert [type(layer) for layer in model] == [Dense, ReLU, Dense, ReLU, Dense]
    np.testing.assert_allclose(model.predict(X)[:, 0], regressor.predict(X), rtol=1e-5, atol=1e-5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path.write_bytes(skl2onnx.to_onnx(classifier, X, options={"zipmap": False}).SerializeToString())
    model = load(path, output="probabilities")
    assert [type(layer) for layer in model] == [Dense, Tanh, Dense, Tanh, Dense, Softmax]
    np.testing.assert_allclose(model.predict(X), classifier.predict_proba(X), rtol=1e-5, atol=1e-5)


def random_node(rng, width, opset):
    """Choose an operator, constants of shapes that may fit, and attributes that `load` may know."""

    def one_of(*choices):
        return choices[rng.integers(len(choices))]

    def a_number_each():
        return one_of(numbers(width), numbers(1, width), numbers(1), numbers(), numbers(width, width))

    def numbers(*shape):
        drawn = rng.normal(size=shape).astype(np.float32)
        keep = one_of(1, 1, 1, 1, 0, rng.random(shape) < 0.5)
        return np.asarray(drawn * keep, np.float32)

    op = one_of(
        *("Relu", "Tanh", "Elu", "LeakyRelu", "Softplus", "Softmax", "LogSoftmax", "Flatten", "Identity"),
        *("Gemm", "Gemm", "MatMul", "Add", "Sub", "Mul", "Div", "BatchNormalization", "Reshape", "Dropout"),
    )
    if op == "Gemm":
        turned, out = one_of(0, 1), one_of(1, 3, 4)
        constants = [numbers(out, width) if turned else numbers(width, out)]
        constants += one_of([], [numbers(out)], [numbers(1, out)], [numbers(1)], [numbers()])
        return op, constants, {"transB": turned, "alpha": one_of(1.0, 0.5, 0.0), "beta": one_of(1.0, 2.0)}
    if op == "MatMul":
        return op, [numbers(width, one_of(1, 3, 4))], {}
    if op in ("Add", "Sub", "Mul", "Div"):
        return op, [a_number_each()], {}
    if op == "BatchNormalization":
        parts = [numbers(width), numbers(width), numbers(width), np.square(numbers(width))]
        return op, parts, one_of({}, {"epsilon": 0.1})
    if op == "Reshape":
        return op, [np.array(one_of([-1, width], [0, -1], [0, width], [width, -1], [-1, width, 1]))], {}
    if op == "Dropout":
        return op, [], {"ratio": 0.3} if opset < 12 else {}
    return (
        op,
        [],
        {
            "Elu": one_of({}, {"alpha": 0.3}),
            "LeakyRelu": one_of({}, {"alpha": 0.3}, {"alpha": -1.0}),
            "Softmax": one_of({}, {"axis": 1}, {"axis": -1}, {"axis": 0}),
            "LogSoftmax": one_of({}, {"axis": 1}, {"axis": 0}),
            "Flatten": one_of({}, {"axis": 1}, {"axis": 0}),
        }.get(op, {}),
    )


def test_random_nets_are_refused_or_compute_what_onnxruntime_does(tmp_path):
    """Also where products and sums stand the other way round, or a constant has a shape that is unusual."""
    rng = np.random.default_rng(0)
    path = tmp_path / "net.onnx"
    loaded = refused = called_damaged = sums = blocks = 0
    for _ in range(600):
        opset = int(rng.choice([11, 12, 13, 17]))
        x, width, nodes, constants, earlier = "x", 3, [], {}, []
        for place in range(rng.integers(1, 7)):
            op, numbers, attributes = random_node(rng, width, opset)
            names = [f"c{place}_{number}" for number in range(len(numbers))]
            constants |= dict(zip(names, numbers, strict=True))
            inputs = [x, *names]
            if earlier and rng.random() < 0.2:  # a sum of two results
                op, attributes, inputs = "Add", {}, [x, str(rng.choice(earlier))]
                sums += 1
            earlier.append(x)
            if op in ("Add", "Sub", "Mul", "Div") and rng.random() < 0.3:
                inputs.reverse()
            if op in ("Gemm", "MatMul"):
                width = numbers[0].shape[0 if attributes.get("transB") else 1]
            x = f"h{place}"
            nodes.append(node(op, *inputs, to=x, **attributes))
        content = graph(nodes, constants, shape=("n", 3), opset=opset, outputs=(x,))
        given = rng.normal(size=(2, 3)).astype(np.float32)
        try:
            model = load_bytes(content, path)
        except ModelFileError as error:
            refused += 1
            called_damaged += "damaged" in str(error)
            continue
        loaded += 1
        blocks += "Residual" in repr(model)
        with np.errstate(all="ignore"):
            wanted = run(path, {"x": given})
            np.testing.assert_allclose(model.predict(given), wanted, rtol=1e-4, atol=1e-4)
            if loaded % 5 == 0:
                export(model, path)
                np.testing.assert_allclose(run(path, {"input": given}), wanted, rtol=1e-4, atol=1e-4)
                model.save(tmp_path / "net.safetensors")
    assert loaded > 100
    assert refused > 100
    assert 20 < blocks < sums
    assert not called_damaged


# What is no such net.


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        (
            [node("Conv", "x", "W")],
            r"node 'the Conv' \(Conv\): expected weights of shape \(out, in, window\)",
        ),
        ([node("Erf", "x")], r"node 'the Erf' \(Erf\)"),
        ([node("Sub", "v", "x")], r"node 'the Sub' \(Sub\).*one result and a constant"),
        ([node("MatMul", "W", "x")], r"node 'the MatMul' \(MatMul\)"),
        ([node("Gemm", "x", "W", transA=1)], r"\(Gemm\).*transA"),
        ([node("Gemm", "x", "W", "v")], r"\(Gemm\): expected floats for 3 features.*shape \(4,\)"),
        ([node("MatMul", "x", "v")], r"\(MatMul\): expected weights of shape \(in, out\)"),
        (
            [node("MatMul", "x", "W", to="a"), node("MatMul", "a", "W")],
            r"samples of shape \(3,\), got \(4,\)",
        ),
        ([node("Add", "x", "column")], r"\(Add\).*other constants than a row for each step"),
        ([node("Div", "x", "zero")], r"\(Div\): expected finite numbers.*division by 0"),
        ([node("Softmax", "x", axis=0)], r"\(Softmax\).*along axis 0"),
        ([node("Flatten", "x", axis=0)], r"\(Flatten\).*axis 0"),
        ([node("Reshape", "x", "two_two")], r"\(Reshape\).*Reshape of samples of shape \(4,\) to \(-1, 2\)"),
        ([node("Dropout", "x", "half", "yes")], r"\(Dropout\).*in prediction"),
        ([node("Exp", "v", to="a"), node("Add", "x", "a")], r"\(Exp\).*Exp of constants"),
        ([node("Relu", "nowhere")], r"\(Relu\): expected what an earlier node gives.*'nowhere'"),
        ([node("Relu", "a"), node("Relu", "x", to="a")], r"\(Relu\): expected what an earlier node gives"),
        ([node("Relu", "x"), node("Tanh", "x")], r"names that differ, got 'y' twice"),
        ([node("Identity", "v")], r"an output that depends on the input, got a constant"),
        ([node("Identity", "x")], r"at least one layer, got one that gives its input as it is"),
        ([node("Reshape", "x", "minus1_4")], r"at least one layer, got one that gives its input as it is"),
        ([node("Mul", "x", "nan")], r"\(Mul\): expected finite numbers"),
        ([node("MatMul", "x", "W", to="a"), node("Sub", "a", "inf")], r"\(Sub\): expected finite numbers"),
        ([node("Gemm", "x", "W", to="a"), node("Add", "nan", "a")], r"\(Add\): expected finite numbers"),
        ([helper.make_node("Relu", ["x"], ["y"], domain="my.domain")], r"Relu of my\.domain"),
        ([helper.make_node("Abs", ["x"], ["y"])], r"node that gives 'y' \(Abs\)"),
        ([helper.make_node("Split", ["x"], ["a", "y"])], r"\(Split\).*Split of another axis than the last"),
        ([node("Elu", "x", alpha=-1.0)], r"node 'the Elu' \(Elu\): ELU\(alpha\): expected .* got -1\."),
        ([node("LeakyRelu", "x", alpha=np.nan)], r"node 'the LeakyRelu' \(LeakyRelu\): LeakyReLU"),
        ([node("MatMul", "x", "half_precision")], r"'half_precision': expected float32.*got FLOAT16"),
    ],
    ids=lambda value: "-".join(one.op_type for one in value) if isinstance(value, list) else "",
)
def test_what_cannot_be_brought_back_is_named(nodes, message, tmp_path):
    constants = {
        "W": W, "v": V, "column": V[:, None], "zero": np.float32(0), "half": np.float32(0.5),
        "yes": np.int64(1), "two_two": np.array([-1, 2]), "half_precision": W.astype(np.float16),
        "minus1_4": np.array([-1, 4]), "nan": np.float32(np.nan), "inf": np.float32([1, np.inf, 2]),
    }  # fmt: skip
    path = tmp_path / "net.onnx"
    path.write_bytes(graph(nodes, constants))
    with pytest.raises(ModelFileError, match=message) as caught:
        load(path)
    assert str(caught.value).startswith("nnlite.onnx.load('net.onnx')")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"shape": (4,)}, r"input 'x': expected a shape \(batch, features\)"),
        ({"shape": ("n", 0)}, r"input 'x': expected a shape \(batch, features\)"),
        ({"shape": ("n", "m")}, r"known number of features, got an open one"),
        ({"kind": onnx.TensorProto.STRING}, r"input 'x': expected float32.*STRING"),
        ({"kind": INT64}, r"an input of floats, or a Cast behind it"),
        ({"inputs": ("x", "z")}, r"one input, got 2: 'x', 'z'"),
        ({"inputs": ()}, r"one input, got 0"),
        ({"outputs": ()}, r"one output, got 0"),
        ({"opset": 6}, r"operators of one version from 7 to \d+, got 6"),
        ({"opset": 10**6}, r"operators of one version from 7"),
        ({"shape": ("n", 10**12)}, r"numbers of its own for each layer"),
    ],
    ids=str,
)
def test_graphs_that_are_no_nets(arguments, message, tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(graph([node("Sub", "x", "one")], {"one": np.float32(1)}, **arguments))
    with pytest.raises(ModelFileError, match=message):
        load(path)


def test_a_table_does_not_come_back(tmp_path):
    export(table_model(frame()), tmp_path / "net.onnx")
    with pytest.raises(ModelFileError, match=r"one input, got 6"):
        load(tmp_path / "net.onnx")
    export(Sequential([Embedding((3, 4), 2), Dense(4, 1)], rng=0), tmp_path / "net.onnx")
    with pytest.raises(ModelFileError, match=r"node '0\.\w+' \(\w+\).*nnlite\.load reads"):
        load(tmp_path / "net.onnx")


def test_one_column_of_categories_comes_back_as_tokens(tmp_path):
    model = Sequential([Embedding(3, 2), Dense(2, 1)], rng=0)
    export(model, tmp_path / "net.onnx")
    back = load(tmp_path / "net.onnx")
    assert [type(layer).__name__ for layer in back] == ["Input", "TokenEmbedding", "Flatten", "Dense"]
    ids = np.array([[2.0], [0.0], [1.0]])
    np.testing.assert_array_equal(back.predict(ids), model.predict(ids))


# Hostile files.


def sample():
    """Make a file with most of what is read."""
    net = Sequential([Flatten((2, 3)), Standardize(6), Dense(6, 4), GELU(), Dense(4, 2), Softmax()], rng=0)
    net.adapt(np.random.default_rng(0).normal(size=(9, 2, 3)))
    return net


def load_bytes(content, path):
    path.write_bytes(content)
    return load(path)


def outcome(path):
    """Load a file: a model, or None if it is refused."""
    try:
        return load(path)
    except ModelFileError:
        return None


def test_truncated_files_are_refused(tmp_path):
    """Up to the notes behind the net: ONNX has no checksum and no length by which one could miss those."""
    path = tmp_path / "net.onnx"
    export(sample(), path)
    content = path.read_bytes()
    whole = content.index(b"nnlite_version") - 10
    for length in range(len(content)):
        path.write_bytes(content[:length])
        model = outcome(path)
        assert model is None or length > whole, length
        assert model is None or repr(model) == repr(load_bytes(content, path)), length


@pytest.mark.nonfinite
def test_damaged_files_give_only_model_file_errors(tmp_path):
    path = tmp_path / "net.onnx"
    export(sample(), path)
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for trial in range(2000):
        damaged = bytearray(content)
        for _ in range(rng.integers(1, 5)):
            place = int(rng.integers(len(damaged)))
            kind = trial % 4
            if kind == 0:
                damaged[place] ^= 1 << int(rng.integers(8))
            elif kind == 1:
                damaged[place] = int(rng.integers(256))
            elif kind == 2:
                del damaged[place : place + int(rng.integers(1, 9))]
            else:
                damaged[place:place] = rng.bytes(int(rng.integers(1, 9)))
        path.write_bytes(damaged)
        model = outcome(path)
        refused += model is None
        if model is not None and model.input_shape == (2, 3):
            model.predict(np.zeros((1, 2, 3)))
    assert 500 < refused < 2000


def huge_tensor(**changes):
    tensor = onnx.numpy_helper.from_array(W, "W")
    for name, value in changes.items():
        tensor.ClearField(name)
        field = getattr(tensor, name)
        if hasattr(field, "extend"):
            field.extend(value)
        else:
            setattr(tensor, name, value)
    return tensor


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dims": [2**40, 2**20]}, r"constant 'W': expected as many numbers as its shape says, got 12"),
        ({"dims": [2**62, 2**62, 2**62]}, r"as many numbers as its shape says"),
        ({"dims": [-4, -3]}, r"as many numbers as its shape says"),
        ({"dims": [4, 3] + [1] * 60}, r"as many numbers as its shape says"),
        ({"dims": [0, 2**50], "raw_data": b""}, r"\(MatMul\): expected weights of shape"),
        ({"raw_data": b"\0" * 47}, r"as many numbers as its shape says"),
        ({"data_type": 77}, r"expected float32.*got type 77"),
        ({"data_type": onnx.TensorProto.STRING}, r"expected float32.*got STRING"),
        (
            {"data_location": onnx.TensorProto.EXTERNAL},
            r"expected as many numbers as its shape says, got 12 for",
        ),
        (
            {"external_data": [onnx.StringStringEntryProto(key="location", value="/etc/passwd")]},
            r"expected numbers here or in another file, got a name of another file besides",
        ),
    ],
    ids=str,
)
def test_lying_tensors(changes, message, tmp_path):
    proto = onnx.ModelProto.FromString(graph([node("MatMul", "x", "W")]))
    proto.graph.initializer.append(huge_tensor(**changes))
    path = tmp_path / "net.onnx"
    path.write_bytes(proto.SerializeToString())
    with pytest.raises(ModelFileError, match=message):
        load(path)


def test_entries_are_counted_before_they_take_memory(tmp_path, monkeypatch):
    """Two bytes can be an empty node, which takes a hundred in memory."""
    path = tmp_path / "net.onnx"
    export(sample(), path)
    content = path.read_bytes()
    counted = count_entries(content, limit=10**6)
    assert 100 < counted < 400
    assert count_entries(content, limit=50) > 50
    # A larger net has no more of them; each node, or input, or attribute more is one more.
    export(Sequential([Dense(500, 500), ReLU()], rng=0), path)
    assert count_entries(path.read_bytes(), limit=10**6) < counted
    proto = onnx.ModelProto.FromString(content)
    proto.graph.node[0].attribute.add()
    proto.graph.node.add()
    assert count_entries(proto.SerializeToString(), limit=10**6) == counted + 2
    proto.graph.input[0].type.tensor_type.shape.dim.add()
    assert count_entries(proto.SerializeToString(), limit=10**6) > counted + 2
    monkeypatch.setattr("nnlite.exchange.onnx.parsing.MOST_ENTRIES", counted - 1)
    with pytest.raises(ModelFileError, match=rf"a net of at most {counted - 1} entries"):
        load_bytes(content, path)


@pytest.mark.parametrize("content", [b"\x3a", b"\x3a\x05\x00", b"\xff" * 12, b"\x0b", b"\x39\x00"])
def test_what_is_no_message_is_refused(content, tmp_path):
    with pytest.raises(ModelFileError, match=r"a graph that can be read, got one that fails with ValueError"):
        load_bytes(content, tmp_path / "net.onnx")


LONG = "é" * 100_000


@pytest.mark.parametrize(
    "nodes",
    [
        [helper.make_node("Nope", ["x"], ["y"], name=LONG)],
        [helper.make_node(LONG, ["x"], ["y"])],
        [helper.make_node("Nope", ["x"], ["y"], domain=LONG)],
        [helper.make_node("MatMul", ["x", LONG], ["y"])],
        [helper.make_node("Relu", ["x"], [LONG]), helper.make_node("Relu", ["x"], [LONG, "y"])],
        [helper.make_node("Gelu", ["x"], ["y"], approximate=LONG)],
        [helper.make_node("Constant", [], ["y"], **{LONG: 1})],
    ],
    ids=["name", "operator", "domain", "input", "output twice", "argument", "name of an argument"],
)
def test_messages_are_short_whatever_a_file_says(nodes, tmp_path):
    with pytest.raises(ModelFileError) as caught:
        load_bytes(graph(nodes, opset=20), tmp_path / "net.onnx")
    assert len(str(caught.value)) < 1500


def peak_mebibytes(path):
    """Measure what loading takes beyond what is there before, in a process of its own."""
    code = """
import resource, sys
import onnx, onnx.numpy_helper, onnx.checker, onnx.shape_inference
import nnlite.onnx
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    nnlite.onnx.load(sys.argv[1])
    print("loaded", end=" ")
except nnlite.errors.ModelFileError as error:
    print("refused", end=" ")
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, os.fspath(path)], capture_output=True, text=True, check=True,
        env=os.environ | {"PYTHONPATH": os.fspath(Path(nnlite.__file__).parents[1])},
    )  # fmt: skip
    answer, peak = done.stdout.split()
    return answer, float(peak)


def turned(op):
    """Make a file that turns a constant of 1 MiB and brings it into another shape, again and again."""
    nodes = [node("Identity", "W", to="w0")]
    for place in range(300):
        nodes.append(node("Transpose", f"w{place}", to=f"t{place}"))
        if op == "Unsqueeze":
            nodes.append(node("Unsqueeze", f"t{place}", "axis", to=f"u{place}"))
        nodes.append(node("Reshape", nodes[-1].output[0], "shape", to=f"w{place + 1}"))
    nodes.append(node("MatMul", "x", "w300"))
    constants = {"W": np.eye(512, dtype=np.float32), "shape": np.array([256, 1024]), "axis": np.array([0])}
    return graph(nodes, constants, shape=("n", 512))


@pytest.mark.parametrize("op", ["Reshape", "Unsqueeze"])
def test_every_copy_of_a_constant_pays(op, tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(turned(op))
    tracemalloc.start()
    try:
        with pytest.raises(ModelFileError, match="constants that are used as they are, got many that are"):
            load(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16 * 2**20


def test_a_net_may_turn_each_of_its_weights(rng, tmp_path):
    drawn = [rng.normal(size=(64, 64)).astype(np.float32) / 8 for _ in range(3)]
    nodes, constants = [], {"shape": np.array([64, 64])}
    for place, weights in enumerate(drawn):
        constants[f"W{place}"] = weights
        nodes.append(node("Transpose", f"W{place}", to=f"t{place}"))
        nodes.append(node("Reshape", f"t{place}", "shape", to=f"w{place}"))
        nodes.append(node("Cast", f"w{place}", to=f"c{place}"))
        nodes[-1].attribute.append(helper.make_attribute("to", FLOAT))
        nodes.append(node("MatMul", f"h{place - 1}" if place else "x", f"c{place}", to=f"h{place}"))
    content = graph(nodes, constants, shape=("n", 64), outputs=("h2",))
    both(content, tmp_path / "net.onnx", rng.normal(size=(5, 64)).astype(np.float32))


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss has other units elsewhere")
@pytest.mark.parametrize(
    "kind", ["shared weights", "shared and scaled", "casts", "long chain", "block", "blocks"]
)
def test_a_small_file_takes_little_memory(kind, tmp_path):
    wide = np.eye(512, dtype=np.float32)  # 1 MiB
    if kind == "shared weights":
        nodes = [node("MatMul", f"h{i}", "W", to=f"h{i + 1}") for i in range(300)]
    elif kind == "shared and scaled":
        nodes = [node("Gemm", f"h{i}", "W", to=f"h{i + 1}", alpha=2.0) for i in range(300)]
    elif kind == "casts":
        nodes = [node("Cast", f"w{i}", to=f"w{i + 1}") for i in range(300)]
        for place, one in enumerate(nodes):
            one.attribute.append(helper.make_attribute("to", FLOAT if place % 2 else DOUBLE))
        nodes += [node("Identity", "W", to="w0"), node("MatMul", "h0", "w300", to="h300")]
        nodes = [nodes[-2], *nodes[:-2], nodes[-1]]
    elif kind == "block":
        nodes = [node("MatMul", f"h{i}", "W", to=f"h{i + 1}") for i in range(300)]
        nodes.append(node("Add", "h0", "h300", to="h301"))
    elif kind == "blocks":
        nodes = [node("Relu", "h0", to="h1")]
        nodes += [node("Add", f"h{i}", f"h{i - 1}", to=f"h{i + 1}") for i in range(1, 10_000)]
    else:
        nodes = [node("Relu", f"h{i}", to=f"h{i + 1}") for i in range(20_000)]
    last = nodes[-1].output[0]
    path = tmp_path / "net.onnx"
    path.write_bytes(graph(nodes, {"W": wide}, shape=("n", 512), inputs=("h0",), outputs=(last,)))
    answer, peak = peak_mebibytes(path)
    assert answer == ("loaded" if kind == "long chain" else "refused")
    assert peak < 50


def test_numbers_for_a_name_are_refused_with_what_makes_one_of_them(tmp_path):
    class Double(Layer):
        def forward(self, x, ctx=None):
            return 2 * x

        def backward(self, dy, ctx):
            return 2 * dy

    def write(layer, x, graph):
        return graph.node("Mul", x, np.float32(2))

    with pytest.raises(
        ArgumentTypeError, match=r"expected names, got float32\. Write graph\.constant\(value\)"
    ):
        export(Sequential([Double()]), tmp_path / "net.onnx", custom={Double: write})


def test_layer_normalization_along_another_axis_is_refused(tmp_path):
    numbers = {"gain": np.ones(4, np.float32), "bias": np.zeros(4, np.float32)}
    for axis in (0, -2, 2):
        for shape in (("n", 4), ("n", "f")):
            content = graph(
                [helper.make_node("LayerNormalization", ["x", "gain", "bias"], ["y"], axis=axis)],
                numbers,
                shape=shape,
            )
            with pytest.raises(ModelFileError):
                load_bytes(content, tmp_path / "net.onnx")
    with pytest.raises(ArgumentError, match=r"opset=\): expected at least 17"):
        export(Sequential([LayerNorm(3)]), tmp_path / "net.onnx", opset=13)
