"""Files: what is saved comes back bit by bit, and a bad file does no harm."""

from __future__ import annotations

import copy
import errno
import json
import os
import pickle
import re
import stat
import subprocess
import sys
import tempfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load as from_bytes
from safetensors.numpy import save as to_bytes
from samples import LAYERS, again, before, draw

import nnlite as nn
from nnlite import initializers
from nnlite.data.table import TableEncoder
from nnlite.errors import ArgumentError, ModelFileError
from nnlite.files.models import FORMAT
from nnlite.files.safetensors import open_tensors, write_tensors
from nnlite.schedules.base import From

FORM = re.compile(r"load\('.*?'\): expected \S.*, got \S(.*[^.])?\. [A-Z].*[^.]\.", re.DOTALL)
DATA = Path(__file__).parent / "data"

INITIALIZERS = [
    initializers.HeNormal(0.2),
    initializers.HeUniform(),
    initializers.GlorotNormal(),
    initializers.GlorotUniform(),
    initializers.LeCunNormal(),
    initializers.LeCunUniform(),
    initializers.Orthogonal(gain=1.5),
    initializers.Constant(1 / 3),
    initializers.Zeros(),
]


class Scale(nn.Layer):
    """A layer of a user's own, with an argument, a parameter and a buffer."""

    factor = nn.Parameter()

    def __init__(self, features, *, powers=(1, 2), initializer=None):
        self.features = features
        self.powers = list(powers)
        self.initializer = initializer
        self.declare("factor", (features,), initializer=initializer, decay=False)

    def buffer_shapes(self):
        return {"offset": (self.features,), "count": ()}

    def forward(self, x, ctx=None):
        y = x * self.factor ** x.dtype.type(sum(self.powers))
        return y + self.buffers["offset"] if self.buffers else y

    def backward(self, dy, ctx):  # of no matter here, but that there is one
        ctx.grads.factor[...] = dy.sum(axis=-2)
        return dy


def net(*given, **options):
    return nn.Sequential([*given, nn.Dense(4, 3)], rng=0, **options)


def data(shape=(4,)):
    return np.random.default_rng(5).normal(2.0, 3.0, (20, *shape))


def round_trip(model, folder, **options):
    path = folder / "a model.safetensors"
    model.save(path)
    return nn.load(path, **options)


def assert_same(model, copy, X):
    assert repr(copy) == repr(model)
    assert copy.params.dtype == model.params.dtype
    assert copy.params.replicas == model.params.replicas
    assert copy.params.specs == model.params.specs
    assert copy.params.frozen == model.params.frozen
    assert copy.params.values.tobytes() == model.params.values.tobytes()
    assert repr([layer.config() for layer in copy]) == repr([layer.config() for layer in model])
    for layer, original in zip(copy, model, strict=True):
        assert layer.buffers.keys() == original.buffers.keys()
        for name, array in original.buffers.items():
            np.testing.assert_array_equal(layer.buffers[name], array)
            assert layer.buffers[name].dtype == model.params.dtype
    assert copy.predict(X).tobytes() == model.predict(X).tobytes()


def listed(module, base):
    return {cls for cls in vars(module).values() if isinstance(cls, type) and issubclass(cls, base)}


def test_no_initializer_is_forgotten():
    public = {cls for cls in listed(initializers, initializers.Initializer) if cls.__name__[0] != "_"}
    assert {type(made) for made in INITIALIZERS} == public - {initializers.Initializer}


@pytest.mark.parametrize("options", [{}, {"dtype": "float64"}, {"replicas": 3}], ids=str)
@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_every_layer_comes_back_bit_by_bit(layer, options, tmp_path):
    model = nn.Sequential([*before(layer), again(layer)], rng=0, **options)
    X = draw(layer, np.random.default_rng(0), 50)
    model.adapt(X)
    assert_same(model, round_trip(model, tmp_path), X)


@pytest.mark.parametrize("initializer", INITIALIZERS, ids=repr)
def test_every_initializer_comes_back(initializer, tmp_path):
    model = net(nn.Dense(4, 4, weight_initializer=initializer))
    copy = round_trip(model, tmp_path)
    assert_same(model, copy, data())
    assert copy[0].weight_initializer == initializer
    again, expected = model.params.values.copy(), model.params.values
    copy.initialize(rng=7)
    model.initialize(rng=7)
    np.testing.assert_array_equal(copy.params.values, expected)
    assert again.shape == expected.shape


@pytest.mark.parametrize("names", [(), ("0.W",), ("0.b", "2.W"), ("0.W", "0.b", "2.W", "2.b")])
def test_what_is_frozen_stays_frozen(names, tmp_path):
    model = net(nn.Dense(4, 4), nn.Tanh())
    model.params.frozen = names
    copy = round_trip(model, tmp_path)
    assert copy.params.frozen == set(names)
    assert copy.params.trainable_slices == model.params.trainable_slices


def test_a_model_that_has_seen_no_data_can_be_saved_and_fitted_later(tmp_path):
    model = net(nn.Standardize(4))
    copy = round_trip(model, tmp_path)
    assert not copy[0].adapted
    X, y = data(), data((3,))
    options = {"loss": nn.MeanSquaredError(), "epochs": 3, "rng": 0}
    model.fit(X, y, optimizer=nn.Adam(), **options)
    copy.fit(X, y, optimizer=nn.Adam(), **options)
    np.testing.assert_array_equal(copy.params.values, model.params.values)


def test_a_model_without_parameters_can_be_saved(tmp_path):
    model = nn.Sequential([nn.Tanh(), nn.Dropout(0.5)])
    assert_same(model, round_trip(model, tmp_path), data())


def test_values_that_are_not_finite_come_back_as_they_are(tmp_path):
    model = net()
    model[0].W[0] = [np.nan, np.inf, -0.0]
    assert round_trip(model, tmp_path).params.values.tobytes() == model.params.values.tobytes()


def test_the_file_can_be_read_without_nnlite(tmp_path):
    model = net(nn.Dense(4, 4), replicas=2)
    model.save(tmp_path / "net.safetensors")
    content = (tmp_path / "net.safetensors").read_bytes()
    tensors = from_bytes(content)
    assert tensors.keys() == {"0.W", "0.b", "1.W", "1.b"}
    np.testing.assert_array_equal(tensors["0.W"], model[0].W)
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    architecture = json.loads(header["__metadata__"]["nnlite"])
    assert architecture["format"] == 2
    assert architecture["version"] == nn.__version__
    assert [entry["class"] for entry in architecture["layers"]] == ["Dense", "Dense"]


def test_a_file_says_the_same_as_the_safetensors_package(tmp_path):
    """Arrays of every kind and shape, there and back, with both readers."""
    rng = np.random.default_rng(0)
    arrays = {
        f"{kind}, {shape}": (rng.random(shape) * 2 if shape else np.array(1)).astype(kind)
        for kind in ["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8"]
        for shape in [(), (0,), (3,), (2, 3, 1), (2, 0, 3)]
    }
    path = tmp_path / "arrays"
    write_tensors(path, {"a": [1]}, arrays, key="about", where="here")
    theirs = from_bytes(path.read_bytes())
    with open_tensors(path, key="about", where="here", made_by="a test") as file:
        ours = {name: file.read(name) for name in file.entries}
        assert file.document == {"a": [1]}
    path.write_bytes(to_bytes(arrays, metadata={"about": "{}"}))
    with open_tensors(path, key="about", where="here", made_by="a test") as file:
        of_theirs = {name: file.read(name) for name in file.entries}
    for found in (theirs, ours, of_theirs):
        assert found.keys() == arrays.keys()
        for name, array in arrays.items():
            assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
            np.testing.assert_array_equal(found[name], array)


def test_the_same_model_gives_the_same_bytes(tmp_path):
    model = net(nn.Standardize(4))
    model.adapt(data())
    model.save(tmp_path / "a")
    model.save(tmp_path / "b")
    round_trip(model, tmp_path).save(tmp_path / "c")
    assert len({(tmp_path / name).read_bytes() for name in "abc"}) == 1


def test_columns_that_are_not_next_to_each_other_are_read(tmp_path):
    model = net(nn.Dense(4, 4), replicas=3)
    assert not model[0].W.flags.c_contiguous
    assert_same(model, round_trip(model, tmp_path), data())


@pytest.mark.parametrize(
    ("document", "array", "message"),
    [
        ({"a": {1, 2}}, np.zeros(1), "here: expected a description that JSON can hold, got one with: .*set"),
        ({"a": np.nan}, np.zeros(1), "here: expected a description that JSON can hold, got one with: Out of"),
        ({}, np.zeros(1, "O"), "here: expected numbers in 'x', got dtype object"),
        ({}, np.zeros(1, "c8"), "here: expected numbers in 'x', got dtype complex64"),
        ({}, np.zeros(1, "U3"), "here: expected numbers in 'x', got dtype <U3"),
    ],
)
def test_what_no_file_can_hold_is_not_written(document, array, message, tmp_path):
    with pytest.raises(ArgumentError, match=message):
        write_tensors(tmp_path / "file", document, {"x": array}, key="about", where="here")
    assert list(tmp_path.iterdir()) == []


def test_a_path_with_a_null_character_is_refused():
    with pytest.raises(ArgumentError, match=r"load\(path\): expected a path without null characters"):
        nn.load("a\0b")
    with pytest.raises(ArgumentError, match=r"save\(path\): expected a path without null characters"):
        net().save("a\0b")


# Names of columns, and tables.


@pytest.mark.parametrize("names", [None, ("a", "b", "größe", "../../x"), ("", " ", "\udcff", '"')])
def test_names_of_columns_come_back(names, tmp_path):
    model = net()
    model.feature_names = names
    assert round_trip(model, tmp_path).feature_names == names


def table_model(**options):
    table = {"age": [20, 40, None, 31], "city": ["Bern", "Genf", "Bern", None]}
    encoder = TableEncoder().fit(table)
    return nn.Sequential(
        [encoder.layer(), nn.Dense(encoder.width, 2)], preprocessing=encoder, **options
    ), table


def test_what_encodes_tables_comes_back(tmp_path):
    model, table = table_model(rng=0)
    copy = round_trip(model, tmp_path)
    assert_same(model, copy, table)
    assert copy.preprocessing.to_dict() == model.preprocessing.to_dict()
    assert copy.predict({"age": [None], "city": ["Basel"]}).shape == (1, 2)


def test_an_encoder_that_gives_ids_the_embedding_has_not_cannot_be_saved(tmp_path):
    encoder = TableEncoder().fit({"city": ["Bern", "Genf"]})
    model = nn.Sequential([nn.layers.Embedding(2, 3)], preprocessing=encoder)
    with pytest.raises(
        ArgumentError, match=r"save: expected an encoder for Embedding\(\(2,\), 3\), got one for"
    ):
        model.save(tmp_path / "net")
    assert list(tmp_path.iterdir()) == []


def test_something_else_that_encodes_tables_cannot_be_saved(tmp_path):
    class Own:
        features = 4

        def transform(self, frame):
            return frame

    for first in [nn.Dense(4, 4), nn.layers.Embedding(3, 2, numeric=3)]:
        model = nn.Sequential([first], preprocessing=Own())
        with pytest.raises(ArgumentError, match=r"save: expected a TableEncoder as preprocessing, got .*Own"):
            model.save(tmp_path / "net")
    assert list(tmp_path.iterdir()) == []


# Layers of one's own.


@pytest.mark.parametrize("replicas", [None, 2])
def test_own_layers_come_back_with_their_classes(replicas, tmp_path):
    model = net(Scale(4, powers=(1, 0), initializer=initializers.Constant(2.0)), replicas=replicas)
    model[0].buffers = {"offset": np.arange(4, dtype=np.float32), "count": np.array(3, np.float32)}
    copy = round_trip(model, tmp_path, custom_objects={"Scale": Scale})
    assert_same(model, copy, data())
    assert isinstance(copy[0], Scale)
    assert copy[0].buffers["count"].shape == ()


def test_an_own_layer_without_its_class_is_refused_and_says_what_to_do(tmp_path):
    with pytest.raises(ModelFileError, match=r"got 'Scale'\. .*custom_objects=\{'Scale': its_class\}"):
        round_trip(net(Scale(4)), tmp_path)


def test_an_own_class_can_take_the_place_of_another(tmp_path):
    class Louder(nn.Tanh):
        def forward(self, x, ctx=None):
            return 2 * super().forward(x, ctx)

    model = nn.Sequential([nn.Tanh()])
    copy = round_trip(model, tmp_path, custom_objects={"Tanh": Louder})
    np.testing.assert_array_equal(copy.predict(data()), 2 * model.predict(data()))


def test_an_own_initializer_is_left_out_and_its_numbers_are_kept(tmp_path):
    model = net(nn.Dense(4, 4, weight_initializer=lambda rng, shape: np.full(shape, 0.5)))
    copy = round_trip(model, tmp_path)
    assert copy[0].weight_initializer is None
    np.testing.assert_array_equal(copy[0].W, model[0].W)


def test_an_own_initializer_class_with_a_taken_name_is_no_initializer_of_nnlite(tmp_path):
    own = type("HeNormal", (initializers.Zeros,), {})()
    assert round_trip(net(nn.Dense(4, 4, weight_initializer=own)), tmp_path)[0].weight_initializer is None


@pytest.mark.parametrize(
    "buffers",
    [
        {"offset": np.zeros(4)},
        {"offset": np.zeros(3), "count": np.array(0)},
        {"offset": np.zeros(4), "count": np.array(0), "more": np.zeros(1)},
        {"factor": np.zeros(4)},
    ],
    ids=["missing", "misshaped", "extra", "named as a parameter"],
)
def test_buffers_that_could_not_be_read_back_are_refused(buffers, tmp_path):
    model = net(Scale(4))
    model[0].buffers = buffers
    with pytest.raises(
        ArgumentError, match=r"save, layer 0 Scale\(4, .*: expected buffers .*Override buffer_shapes"
    ):
        model.save(tmp_path / "net.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_an_own_layer_that_does_not_take_what_is_stored(tmp_path):
    class Other(nn.Layer):
        def __init__(self, size):
            raise ZeroDivisionError("its own affair")

    model = net(Scale(4))
    with pytest.raises(ModelFileError, match=r"fails with ArgumentTypeError: .*expected one of size"):
        round_trip(model, tmp_path, custom_objects={"Scale": Other})
    nn.Sequential([nn.Dropout(0.5)]).save(tmp_path / "other")
    Other.__init__ = lambda self, rate: 1 / 0
    with pytest.raises(ModelFileError, match="fails with ZeroDivisionError: division by zero"):
        nn.load(tmp_path / "other", custom_objects={"Dropout": Other})


# Layers made of layers, and what is kept and not learned.


class Sum(nn.Layer):
    """Several ways side by side, added up: layers in a list, in a dict and alone are its arguments."""

    def __init__(self, branches, more, last, *, named=None, initializers=()):
        self.branches, self.more, self.last = list(branches), dict(more), last
        self.named, self.initializers = named, list(initializers)
        self.hold([*branches, *more.values(), last])

    def forward(self, x, ctx=None):
        return sum(layer.forward(x, kept) for layer, kept in self.held(ctx))

    def backward(self, dy, ctx):
        return sum(layer.backward(dy, kept) for layer, kept in self.held(ctx))


class Count(nn.Layer):
    """Keeps how often it was trained, and the last batch's mean."""

    seen = nn.layers.State()
    gain = nn.Parameter()

    def __init__(self, features):
        self.features = features
        self.declare("seen", (1,))
        self.declare("gain", (features,), decay=False)

    def forward(self, x, ctx=None):
        if ctx is not None and ctx.training:
            self.seen[...] += 1
        return x + self.gain

    def backward(self, dy, ctx):
        ctx.grads.gain[...] = dy.sum(axis=-2)
        return dy


OWN = {"Sum": Sum, "Count": Count, "Scale": Scale}


def blocks(**options):
    inner = nn.Sequential([nn.Dense(4, 6), nn.BatchNorm(6), nn.Tanh(), nn.Dense(6, 4)], rng=5)
    own = Sum([nn.Dense(4, 4), nn.Residual([Scale(4), Count(4)])], {"a": inner}, nn.Standardize(4))
    layers = [nn.BatchNorm(4), nn.Residual([nn.Standardize(4), own, nn.Dropout(0.5)]), nn.Dense(4, 3)]
    own.last.adapt(data())
    model = nn.Sequential(layers, **{"rng": 0, **options})
    model.adapt(data())
    scale = model[1].layers[1].branches[1].layers[0]
    scale.buffers = {
        "offset": np.arange(4, dtype=model.params.dtype),
        "count": np.array(3, model.params.dtype),
    }
    X, y = data(), data((3,))
    model[1].freeze("1.1.0.factor", "1.2.1.bias")
    model.fit(X, y, loss=nn.MeanSquaredError(), optimizer=nn.SGD(0.001), epochs=2, rng=0)
    return model


def assert_same_blocks(model, again):
    assert repr(again) == repr(model)
    assert again.params.numbers.tobytes() == model.params.numbers.tobytes()
    assert again.params.frozen == model.params.frozen
    assert again.params.state_specs == model.params.state_specs
    for own, other in zip(model.measured(), again.measured(), strict=True):
        assert own.keys() == other.keys()
        assert all(np.array_equal(other[name], own[name]) for name in own)
    assert again.predict(data()).tobytes() == model.predict(data()).tobytes()
    losses = []
    for one in (model, again):
        fitted = copy.deepcopy(one).fit(
            data(), data((3,)), loss=nn.MeanSquaredError(), optimizer=nn.Adam(), epochs=2, rng=3
        )
        losses.append(fitted["loss"])
    assert losses[0] == losses[1]


@pytest.mark.parametrize("options", [{}, {"dtype": "float64"}, {"replicas": 3}], ids=str)
def test_blocks_and_state_come_back_bit_by_bit(options, tmp_path):
    model = blocks(**options)
    assert model.params.frozen == {"1.1.1.0.factor", "1.1.2.1.bias"}
    assert (model[1].layers[1].branches[1].layers[1].seen == 2).all()
    assert_same_blocks(model, round_trip(model, tmp_path, custom_objects=OWN))


def test_the_names_of_tensors_are_those_of_the_parameters(tmp_path):
    blocks().save(tmp_path / "net")
    names = from_bytes((tmp_path / "net").read_bytes()).keys()
    assert {
        "0.running_mean",
        "1.0.mean",
        "1.1.1.0.offset",
        "1.1.1.1.seen",
        "1.1.2.1.running_variance",
    } <= names


def test_layers_of_ones_own_are_named_wherever_they_are(tmp_path):
    blocks().save(tmp_path / "net")
    for name in OWN:
        known = {key: cls for key, cls in OWN.items() if key != name}
        with pytest.raises(ModelFileError, match=rf"custom_objects=\{{'{name}': its_class\}}"):
            nn.load(tmp_path / "net", custom_objects=known)


def test_initializers_and_plain_data_among_layers_come_back(tmp_path):
    mark = {"deep": [1, {"a": None}], "rule": initializers.Constant(2.0)}
    own = Sum([nn.Dense(4, 3)], {}, nn.Dense(4, 3), named=mark, initializers=INITIALIZERS[:2])
    again = round_trip(nn.Sequential([own], rng=0), tmp_path, custom_objects=OWN)[0]
    assert again.named == mark
    assert again.initializers == INITIALIZERS[:2]


@pytest.mark.parametrize("data", [{"class": "Dense", "config": {}}, {"initializer": "Zeros", "config": {}}])
def test_plain_data_that_would_come_back_as_a_layer_are_refused(data, tmp_path):
    own = Sum([nn.Dense(4, 3)], {}, nn.Dense(4, 3), named=[data])
    with pytest.raises(
        ArgumentError, match=r"save, layer 0\.0 Sum\(.*: expected arguments that JSON can hold"
    ):
        nn.Sequential([nn.Sequential([own])], rng=0).save(tmp_path / "net")
    own.named = "plain"
    with pytest.raises(ArgumentError, match=r"save, layer 0\.1 Scale\(.*: expected arguments that JSON"):
        nn.Sequential([nn.Residual([nn.Dense(4, 4), Scale(4, powers=[1j])])]).save(tmp_path / "net")
    assert list(tmp_path.iterdir()) == []


def test_two_buffers_of_one_name_are_refused(tmp_path):
    class Clash(nn.Residual):
        def buffer_shapes(self):
            return {"0.mean": (4,)}

    model = nn.Sequential([Clash([nn.Standardize(4)])])
    model.adapt(data())
    model[0].buffers["0.mean"] = np.zeros(4)
    with pytest.raises(ArgumentError, match=r"save, layer 0 .*: expected buffers as buffer_shapes\(\) says"):
        model.save(tmp_path / "net")


def test_a_class_called_as_a_model_is_refused(tmp_path):
    own = type("Sequential", (nn.Tanh,), {})
    with pytest.raises(ArgumentError, match=r"save, layer 0: .* whose name is not that of a layer of nnlite"):
        nn.Sequential([own()]).save(tmp_path / "net")


def test_only_blocks_and_state_make_a_file_of_the_third_format(tmp_path):
    for layer, number in [
        (nn.Dense(4, 4), 2),
        (nn.BatchNorm(4), 3),
        (nn.Residual([nn.Tanh()]), 3),
        (Count(4), 3),
    ]:
        nn.Sequential([layer], rng=0).save(tmp_path / "net")
        assert f'\\"format\\":{number},'.encode() in (tmp_path / "net").read_bytes().replace(b" ", b"")


def test_an_encoder_fits_the_first_layer_wherever_it_is(tmp_path):
    encoder = TableEncoder().fit({"city": ["Bern", "Genf"]})
    model = nn.Sequential([nn.Sequential([nn.Embedding(2, 3)]), nn.Dense(3, 1)], preprocessing=encoder)
    with pytest.raises(ArgumentError, match=r"save: expected an encoder for Embedding\(\(2,\), 3\), got one"):
        model.save(tmp_path / "net")


# Bad files.


def good_file():
    model = net(nn.Standardize(4), nn.Dense(4, 4, weight_initializer=initializers.HeNormal()), nn.Tanh())
    model.adapt(data())
    tensors = {name: np.array(model.params[name]) for name in model.params}
    tensors |= {f"0.{name}": array for name, array in model[0].buffers.items()}
    dense = {"bias": True, "weight_initializer": None, "bias_initializer": None}
    he = {"initializer": "HeNormal", "config": {"negative_slope": 0.0}}
    architecture = {
        "format": 1,
        "version": "0.1.0",
        "dtype": "float32",
        "replicas": None,
        "frozen": ["1.W"],
        "layers": [
            {"class": "Standardize", "config": {"features": 4}},
            {
                "class": "Dense",
                "config": {"in_features": 4, "out_features": 4, **dense, "weight_initializer": he},
            },
            {"class": "Tanh", "config": {}},
            {"class": "Dense", "config": {"in_features": 4, "out_features": 3, **dense}},
        ],
    }
    return architecture, tensors


def write(path, architecture, tensors):
    text = architecture if isinstance(architecture, str) else json.dumps(architecture)
    path.write_bytes(to_bytes(tensors, metadata={"nnlite": text}))
    return path


def refused(path):
    """Load, expect the one error, and return its text."""
    with pytest.raises(ModelFileError) as caught:
        nn.load(path)
    assert FORM.fullmatch(str(caught.value)), str(caught.value)
    return str(caught.value)


def test_the_good_file_of_these_tests_is_good(tmp_path):
    assert len(nn.load(write(tmp_path / "net", *good_file()))) == 4


def in_layer(index, **config):
    def change(architecture, tensors):
        architecture["layers"][index]["config"] |= config

    return change


def in_top(**entries):
    def change(architecture, tensors):
        architecture.update(entries)

    return change


def in_tensors(**arrays):
    def change(architecture, tensors):
        tensors.update({name.replace("_", "."): array for name, array in arrays.items()})

    return change


def without(name):
    def change(architecture, tensors):
        del (architecture if name in architecture else tensors)[name]

    return change


def one_layer(name, **config):
    return in_top(layers=[{"class": name, "config": config}])


BAD_FILES = {
    "a newer format": (
        in_top(format=5, version="0.9.0"),
        "expected a format from 1 to 4, got format 5, written by nnlite '0.9.0'. Update nnlite",
    ),
    "format 0": (in_top(format=0), "got format 0, .*damaged"),
    "format true": (in_top(format=True), "got format True"),
    "format in words": (in_top(format="1"), "got format '1'"),
    "no format": (without("format"), "got format None, .*damaged"),
    "no layers": (without("layers"), r"an architecture of dtype, .*, got \[.dtype"),
    "an empty list of layers": (in_top(layers=[]), "a list of 1 to 10,000 layers, got 0"),
    "layers that are a number": (in_top(layers=7), "a list of 1 to 10,000 layers, got 7"),
    "layers that are words": (in_top(layers="Dense"), "a list of 1 to 10,000 layers, got 'Dense'"),
    "a layer that is a list": (in_top(layers=[["Dense", {}]]), "layer 0 as class and config, got"),
    "a layer without a class": (in_top(layers=[{"config": {}}]), "layer 0 as class and config, got"),
    "a layer without a config": (in_top(layers=[{"class": "Tanh"}]), "layer 0 as class and config, got"),
    "a class that is a list": (
        in_top(layers=[{"class": [], "config": {}}]),
        "layer 0 as class and config, got",
    ),
    "a class that is null": (
        in_top(layers=[{"class": None, "config": {}}]),
        "layer 0 as class and config, got",
    ),
    "a config that is a list": (
        in_top(layers=[{"class": "Tanh", "config": [1]}]),
        "layer 0 as class and config",
    ),
    "a function of the system": (one_layer("os.system", command="true"), "layers of nnlite, got 'os.system'"),
    "a function of Python": (one_layer("eval", source="1"), "layers of nnlite, got 'eval'"),
    "a class that is no layer": (one_layer("Gradients", views={}), "layers of nnlite, got 'Gradients'"),
    "a part of a layer": (one_layer("Gradients", views={}), "layers of nnlite, got 'Gradients'"),
    "the base class": (one_layer("Layer"), "layers of nnlite, got 'Layer'"),
    "a dunder": (one_layer("__class__"), "layers of nnlite, got '__class__'"),
    "an unknown argument": (in_layer(2, volume=11), "ArgumentTypeError: .*\\(volume=\\)"),
    "a missing argument": (in_top(layers=[{"class": "Dense", "config": {}}]), "TypeError: .*in_features"),
    "a private argument": (in_layer(2, _params=1), "TypeError"),
    "a size in words": (in_layer(1, in_features="4"), "Dense.in_features.: expected an integer"),
    "a negative size": (in_layer(1, in_features=-4), "expected an integer of at least 1, got -4"),
    "half a size": (in_layer(1, in_features=4.5), "got 4.5"),
    "a bias that is a number": (in_layer(1, bias=1), "True or False, got 1"),
    "a NaN": (one_layer("LeakyReLU", negative_slope=float("nan")), "NaN, which JSON has not"),
    "an initializer in words": (in_layer(1, weight_initializer="HeNormal"), "got 'HeNormal'"),
    "an unknown initializer": (
        in_layer(1, weight_initializer={"initializer": "print", "config": {}}),
        "initializers of nnlite, got 'print'",
    ),
    "the base of initializers": (
        in_layer(1, weight_initializer={"initializer": "Initializer", "config": {}}),
        "initializers of nnlite, got 'Initializer'",
    ),
    "an initializer with other settings": (
        in_layer(1, weight_initializer={"initializer": "Zeros", "config": {"value": 1}}),
        "TypeError",
    ),
    "an initializer that is a list": (
        in_layer(1, weight_initializer={"initializer": [], "config": {}}),
        r"initializers of nnlite, got \[\]",
    ),
    "layers that do not follow": (
        in_layer(0, features=5),
        "0.mean as float32 of shape .5,., got F32 of shape .4,.",
    ),
    "another width": (in_layer(1, out_features=5), "1.W as float32 of shape .4, 5., got F32 of shape .4, 4."),
    "half precision": (in_top(dtype="float16"), "float32 or float64, got 'float16'"),
    "a dtype of objects": (in_top(dtype="O"), "float32 or float64, got 'O'"),
    "a dtype that is a dict": (in_top(dtype={"names": ["a"], "formats": ["f4"]}), "float32 or float64, got"),
    "another dtype": (in_top(dtype="float64"), "0.mean as float64 of shape .4,., got F32"),
    "no dtype": (in_top(dtype=None), "float32 or float64, got None"),
    "replicas in words": (in_top(replicas="3"), "replicas: expected an integer of at least 1, got '3'"),
    "replicas of a model without": (
        in_top(replicas=3),
        "1.W as float32 of shape .3, 4, 4., got F32 of shape .4, 4.",
    ),
    "no replica": (one_layer("Tanh"), "expected no tensor '0.mean'"),
    "frozen what is not there": (in_top(frozen=["9.W"]), "got '9.W'"),
    "frozen a number": (in_top(frozen=5), "frozen as a list of names, got 5"),
    "frozen a text": (in_top(frozen=""), "frozen as a list of names, got ''"),
    "frozen lists": (in_top(frozen=[[]]), "TypeError"),
    "a tensor too few": (without("3.W"), "3.W as float32 of shape .4, 3., got no such tensor"),
    "a buffer too few": (without("0.scale"), "0.scale as float32 of shape .4,., got no such tensor"),
    "a tensor too many": (in_tensors(_9_W=np.zeros(3, "f4")), "no tensor '.9.W', got F32 of shape .3,."),
    "a buffer of another layer": (in_tensors(**{"2_mean": np.zeros(4, "f4")}), "no tensor '2.mean'"),
    "a misshaped tensor": (
        in_tensors(**{"1_b": np.zeros((4, 1), "f4")}),
        "1.b as float32 of shape .4,., got F32 of shape .4, 1.",
    ),
    "an empty tensor": (in_tensors(**{"1_b": np.zeros(0, "f4")}), "got F32 of shape .0,."),
    "a tensor of float64": (in_tensors(**{"1_b": np.zeros(4)}), "1.b as float32 of shape .4,., got F64"),
    "a tensor of integers": (in_tensors(**{"1_b": np.zeros(4, "i4")}), "got I32"),
    "a tensor of truth values": (in_tensors(**{"1_b": np.zeros(4, bool)}), "got BOOL"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_architecture_is_refused(name, tmp_path):
    change, message = BAD_FILES[name]
    architecture, tensors = good_file()
    change(architecture, tensors)
    assert re.search(message, refused(write(tmp_path / "net", architecture, tensors)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "JSON as .nnlite., got another text .Expecting value"),
        ("{", "JSON as .nnlite., got another text .Expecting property name"),
        ("null", "a JSON object as .nnlite., got a NoneType"),
        ("[1, 2]", "got a list"),
        ('"Dense"', "got a str"),
        ("1" * 5000, "another text .Exceeds the limit"),
        ("[" * 100_000, "another text .too deep"),
        ('{"a":' * 90_000, "another text .too deep"),
        ('{"format": 1, "layers": ' + "[" * 100_000, "another text .too deep"),
    ],
    ids=[
        "empty",
        "cut off",
        "null",
        "list",
        "string",
        "long number",
        "deep list",
        "deep dict",
        "deep inside",
    ],
)
def test_an_architecture_that_is_none_is_refused(text, message, tmp_path):
    assert re.search(message, refused(write(tmp_path / "net", text, {})))


def raw_file(header, content=b""):
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + content


NO_SAFETENSORS = {
    "empty": b"",
    "seven zeros": b"\x00" * 7,
    "zeros": b"\x00" * 100,
    "ones": b"\xff" * 100,
    "a zip file": b"PK\x03\x04 and so on",
    "a pickle": pickle.dumps(net),
    "no content": raw_file({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}),
    "too short": raw_file({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}, b"\x00" * 4),
    "4 TB": raw_file(
        {"a": {"dtype": "F32", "shape": [10**12], "data_offsets": [0, 4 * 10**12]}}, b"\x00" * 8
    ),
    "beyond int64": raw_file({"a": {"dtype": "F32", "shape": [2**62, 4], "data_offsets": [0, 0]}}),
    "objects": raw_file({"a": {"dtype": "OBJ", "shape": [1], "data_offsets": [0, 8]}}, b"\x00" * 8),
    "a negative size": raw_file({"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}, b"\x00" * 4),
    "a number as metadata": raw_file({"__metadata__": {"nnlite": 5}}),
    "a list as metadata": raw_file({"__metadata__": []}),
    "a list as header": raw_file([]),
    "an endless header": (2**60).to_bytes(8, "little") + b"{}",
}


@pytest.mark.parametrize("name", NO_SAFETENSORS)
def test_what_is_no_safetensors_file_is_refused(name, tmp_path):
    path = tmp_path / "net"
    path.write_bytes(NO_SAFETENSORS[name])
    other = "an empty file|a zip file|a pickle|another .*Copy the whole file again"
    assert re.search(f"expected a safetensors file, got ({other})", refused(path))


def test_a_safetensors_file_of_something_else_is_refused(tmp_path):
    path = tmp_path / "net"
    path.write_bytes(to_bytes({"a": np.zeros(3)}))
    assert "an entry 'nnlite' in the metadata, got no metadata" in refused(path)
    path.write_bytes(to_bytes({"a": np.zeros(3)}, metadata={"format": "pt"}))
    assert "an entry 'nnlite' in the metadata, got ['format']. Use a file that model.save wrote" in refused(
        path
    )


def test_a_file_that_is_cut_off_anywhere_is_refused(tmp_path):
    path = write(tmp_path / "net", *good_file())
    content = path.read_bytes()
    for length in [*range(40), *range(40, len(content), 29), len(content) - 1]:
        path.write_bytes(content[:length])
        refused(path)


def test_a_file_that_is_damaged_anywhere_raises_nothing_else(tmp_path):
    path = write(tmp_path / "net", *good_file())
    content = path.read_bytes()
    header = 8 + int.from_bytes(content[:8], "little")
    rng = np.random.default_rng(0)
    outcomes = set()
    for _ in range(400):
        damaged = bytearray(content)
        for place in rng.integers(0, header, rng.integers(1, 4)):
            damaged[place] = (
                rng.choice(list(b'0123456789"{}[]:,.-eE aflnrstu\\')) if place > 8 else rng.integers(256)
            )
        path.write_bytes(damaged)
        try:
            nn.load(path)
            outcomes.add("loaded")
        except ModelFileError as error:
            outcomes.add(error.expected)
    assert "a safetensors file" in outcomes
    assert "an architecture that can be built" in outcomes


def dense(in_features, out_features):
    return {
        "class": "Dense",
        "config": {"in_features": in_features, "out_features": out_features, "bias": True},
    }


@pytest.mark.parametrize(
    "change",
    [
        in_top(layers=[dense(10**6, 10**6)]),
        in_top(layers=[dense(4, 10**12), dense(10**12, 10**12)]),
        in_top(layers=[dense(2**63, 2**63)]),
        in_top(layers=[dense(10**100, 3)]),
        in_top(replicas=10**12),
        one_layer("Standardize", features=10**12),
        one_layer("Flatten", shape=[10**9] * 50),
    ],
    ids=["wide", "chain", "beyond int64", "beyond float64", "replicas", "buffers", "shape"],
)
def test_sizes_that_are_only_declared_take_no_memory(change, tmp_path):
    architecture, tensors = good_file()
    change(architecture, tensors)
    path = write(tmp_path / "net", architecture, tensors)
    tracemalloc.start()
    try:
        refused(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5_000_000


def test_replicas_of_nothing_take_no_time(tmp_path):
    architecture, _ = good_file()
    architecture |= {"replicas": 10**9, "frozen": [], "layers": [{"class": "Tanh", "config": {}}]}
    assert nn.load(write(tmp_path / "net", architecture, {})).params.size == 0


def test_loading_draws_no_random_numbers(tmp_path, monkeypatch):
    path = tmp_path / "net"
    net(nn.Dense(4, 4, weight_initializer=initializers.Orthogonal())).save(path)
    monkeypatch.setattr(initializers.Orthogonal, "__call__", lambda self, rng, shape: pytest.fail("drawn"))
    nn.load(path)


def test_a_file_that_cannot_be_read_is_an_oserror(tmp_path):
    with pytest.raises(FileNotFoundError):
        nn.load(tmp_path / "missing")
    with pytest.raises(OSError, match=r"directory|denied"):
        nn.load(tmp_path)


# Writing.


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("kind", [str, Path])
@pytest.mark.parametrize("name", ["net", "a net.safetensors", "nétz 网.safetensors", "." + 200 * "n"])
def test_paths_of_any_kind(name, kind, tmp_path, monkeypatch):
    model = net()
    model.save(kind(tmp_path / name))
    assert_same(model, nn.load(kind(tmp_path / name)), data())
    monkeypatch.chdir(tmp_path)
    model[0].b[...] = 1.0
    model.save(kind(name))
    assert_same(model, nn.load(kind(name)), data())
    assert names(tmp_path) == [name]


class Fails:
    """Stands in for a function of the system, and fails."""

    def __init__(self, error):
        self.error = error

    def __call__(self, *args, **kwargs):
        raise self.error


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=repr)
@pytest.mark.parametrize("place", ["os.fsync", "os.replace"])
@pytest.mark.parametrize("exists", [False, True])
def test_a_save_that_fails_leaves_the_old_file_and_no_other(place, error, exists, tmp_path, monkeypatch):
    path = tmp_path / "net"
    model = net()
    if exists:
        model.save(path)
        old = path.read_bytes()
    model[0].W[...] = 7.0
    monkeypatch.setattr(place, Fails(error))
    with pytest.raises(type(error)):
        model.save(path)
    monkeypatch.undo()
    assert names(tmp_path) == (["net"] if exists else [])
    if exists:
        assert path.read_bytes() == old
    model.save(path)
    assert nn.load(path)[0].W[0, 0] == 7.0


def test_a_save_where_no_file_can_be_is_an_oserror(tmp_path):
    with pytest.raises(FileNotFoundError):
        net().save(tmp_path / "no folder" / "net")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match=r"the path of a file, got 'is a directory'. Add the name|denied"):
        net().save(tmp_path / "folder")
    assert names(tmp_path) == ["folder"]
    assert names(tmp_path / "folder") == []


def child(script, *arguments):
    """Run a script in a process of its own, which may set limits for itself, and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(nn.__file__).parents[1]), "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


TRY_TO_SAVE = """
try:
    model.save(path)
except OSError as error:
    print(type(error).__name__, error)
"""

FULL = """
import resource, sys
import nnlite as nn
path = sys.argv[1]
model = nn.load(path)
model.params.values[...] = 7.0
resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))  # no file can grow beyond, as on a disk that is full
"""

READ_ONLY = """
import os, sys
import nnlite as nn
path = sys.argv[1]
model = nn.load(path)
model.params.values[...] = 7.0
if os.geteuid() == 0:
    os.setuid(65534)  # the superuser may write anywhere
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits are another matter there")
def test_a_full_disk_is_a_clear_error_and_leaves_the_old_file(tmp_path):
    path = tmp_path / "net"
    net().save(path)
    old = path.read_bytes()
    said = child(FULL + TRY_TO_SAVE, path)
    assert said.startswith(
        "OSError [Errno 27] save(path): expected room for the new file, got 'file too large'."
    )
    assert "Make room, or write to another place; the old file is as it was.: " in said
    assert path.read_bytes() == old
    assert names(tmp_path) == ["net"]


@pytest.mark.skipif(sys.platform == "win32", reason="rights are another matter there")
def test_a_folder_that_cannot_be_written_to_is_a_clear_error_and_leaves_the_old_file():
    with tempfile.TemporaryDirectory() as name:  # not tmp_path, which only its owner may enter
        folder = Path(name)
        net().save(folder / "net")
        old = (folder / "net").read_bytes()
        (folder / "net").chmod(0o644)
        folder.chmod(0o555)
        said = child(READ_ONLY + TRY_TO_SAVE, folder / "net")
        folder.chmod(0o755)
        assert said.startswith(
            "PermissionError [Errno 13] save(path): expected a folder that can be written to, "
            "got 'permission denied'. "
            "Write to another folder, or ask for the right to; the old file is as it was.: "
        )
        assert (folder / "net").read_bytes() == old
        assert names(folder) == ["net"]


@pytest.mark.parametrize(
    ("code", "kind", "said"),
    [
        (errno.ENOSPC, OSError, "expected room for the new file, got 'no space left on device'. Make room,"),
        (
            errno.EROFS,
            OSError,
            "expected a folder that can be written to, got 'read-only file system'. Write to",
        ),
        (
            errno.EACCES,
            PermissionError,
            "expected a folder that can be written to, got 'permission denied'. W",
        ),
        (errno.EIO, OSError, "expected to write the file, got 'input/output error'. Look after the disk,"),
    ],
)
@pytest.mark.parametrize("exists", [False, True])
def test_what_the_system_refuses_stays_an_oserror_and_says_what_to_do(
    code, kind, said, exists, tmp_path, monkeypatch
):
    path = tmp_path / "net"
    if exists:
        net().save(path)
    monkeypatch.setattr("os.fsync", Fails(OSError(code, os.strerror(code))))
    with pytest.raises(kind) as caught:
        net().save(path)
    assert caught.value.errno == code
    assert caught.value.filename == str(path)
    assert said in str(caught.value)
    assert ("the old file is as it was" in str(caught.value)) == exists
    assert names(tmp_path) == (["net"] if exists else [])


def test_a_folder_that_the_system_cannot_flush_is_no_error(tmp_path, monkeypatch):
    """The file is whole by then, and some systems know no such thing."""
    calls = []

    def fsync(descriptor):
        calls.append(stat.S_ISDIR(os.fstat(descriptor).st_mode))
        if calls[-1]:
            raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr("os.fsync", fsync)
    net().save(tmp_path / "net")
    assert calls == ([False] if sys.platform == "win32" else [False, True])
    assert nn.load(tmp_path / "net")


WRITER = """
import sys
import nnlite as nn
model = nn.load(sys.argv[1])
print("ready", flush=True)
number = 0
while True:
    number += 1
    model.params.values[...] = number
    model.save(sys.argv[1])
"""


def test_a_reader_sees_the_old_file_or_the_new_one_at_any_moment(tmp_path):
    path = tmp_path / "net"
    model = net(nn.Dense(4, 200), nn.Dense(200, 4))
    model.params.values[...] = 0
    model.save(path)
    env = os.environ | {"PYTHONPATH": str(Path(nn.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    seen = []
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], env=env, stdout=subprocess.PIPE, text=True
    ) as writer:
        try:
            assert writer.stdout.readline() == "ready\n"
            while len(set(seen)) < 50:  # each other file is a new one under the same name
                found = set(nn.load(path).params.values.tolist())
                assert len(found) == 1
                seen.append(found.pop())
                assert writer.poll() is None
        finally:
            writer.kill()
    assert seen == sorted(seen)
    # Killed at any moment, the writer leaves a whole file, and at most one that was not finished.
    assert nn.load(path).params.values[0] >= seen[-1]
    assert [name for name in names(tmp_path) if not name.endswith(".tmp")] == ["net"]
    assert len(names(tmp_path)) <= 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="devices have other names there")
def test_a_device_is_not_replaced():
    with pytest.raises(
        ArgumentError, match=r"save\(path\): expected the path of a file, got /dev/full, which"
    ):
        net().save("/dev/full")


def test_a_model_that_cannot_be_written_leaves_the_old_file(tmp_path):
    path = tmp_path / "net"
    net().save(path)
    old = path.read_bytes()
    with pytest.raises(ArgumentError, match="JSON"):
        net(Scale(4, powers=[complex(1)])).save(path)
    assert path.read_bytes() == old


@pytest.mark.skipif(sys.platform == "win32", reason="rights are another matter there")
@pytest.mark.parametrize(("mask", "rights"), [(0o022, 0o644), (0o077, 0o600), (0o027, 0o640)])
def test_the_umask_decides_who_may_read(mask, rights, tmp_path):
    before = os.umask(mask)
    try:
        net().save(tmp_path / "net")
        assert os.umask(mask) == mask
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "net").stat().st_mode) == rights


@pytest.mark.skipif(sys.platform == "win32", reason="rights are another matter there")
@pytest.mark.parametrize(
    ("before", "after"), [(0o600, 0o600), (0o640, 0o640), (0o664, 0o664), (0o444, 0o444)]
)
def test_who_may_read_the_old_file_may_read_the_new_one_and_nobody_else(before, after, tmp_path):
    path = tmp_path / "net"
    net().save(path)
    path.chmod(before)
    net().save(path)
    assert stat.S_IMODE(path.stat().st_mode) == after


def test_the_path_of_a_folder_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "urandom", None)  # of which the name of the temporary file is made
    with pytest.raises(IsADirectoryError, match=re.escape("save(path): expected the path of a file, got")):
        net().save(tmp_path)


def test_tensors_without_numbers_may_stand_anywhere(tmp_path):
    sizes = {"a": 2, "b": 0}
    tensors = {name: {"dtype": "F32", "shape": [n], "data_offsets": [0, 4 * n]} for name, n in sizes.items()}
    head = json.dumps({"__metadata__": {"about": "{}"}, **tensors}).encode()
    (tmp_path / "file").write_bytes(len(head).to_bytes(8, "little") + head + bytes(8))
    assert {name: array.size for name, array in from_bytes((tmp_path / "file").read_bytes()).items()} == sizes
    with open_tensors(tmp_path / "file", key="about", where="here", made_by="a test") as file:
        assert {name: file.read(name).size for name in file.entries} == sizes


@pytest.mark.skipif(sys.platform == "win32", reason="links need special rights there")
def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    link = tmp_path / "net"
    link.symlink_to(tmp_path / "real" / "net")
    net().save(link)
    assert link.is_symlink()
    assert names(tmp_path / "real") == ["net"]


# Later versions must read what earlier ones wrote; data/make_files.py made these files.


@pytest.mark.parametrize("path", sorted(DATA.glob("format_*.safetensors")), ids=lambda path: path.stem)
def test_files_of_every_format_can_be_read(path):
    expected = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    model = nn.load(path)
    tolerance = 1e-12 if model.params.dtype == np.float64 else 1e-5
    np.testing.assert_allclose(
        model.predict(expected["X"]), expected["predictions"], rtol=tolerance, atol=tolerance
    )


def test_there_is_a_file_with_a_card():
    card = nn.inspect.Card.load(DATA / "format_4.safetensors")
    assert card.verdict[0].startswith("The net does better than a straight line: accuracy ")
    assert FORMAT == 4


@pytest.mark.parametrize("number", range(1, FORMAT))
def test_there_are_files_of_every_format(number):
    blocks = number == 3
    frozen = {"": {"2.1.0.W"} if blocks else {"1.b"}, "_folds": {"0.1.W"} if blocks else {"1.W"}}
    kinds = ["", "_folds"] + ["_replicas"] * (not blocks) + ["_table"] * (number == 2)
    for kind in kinds:
        model = nn.load(DATA / f"format_{number}{kind}.safetensors")
        assert model.params.replicas == {"_replicas": 2, "_folds": 2}.get(kind)
        assert model.params.frozen == frozen.get(kind, set())
        assert model.feature_names == (("a", "b", "größe") if (number > 1, kind) == (True, "") else None)
        assert isinstance(model.preprocessing, TableEncoder if kind == "_table" else type(None))
        if kind == "_folds":
            assert (model[0].layers[0] if blocks else model[0]).mean.shape == (2, 1, 3)


def test_the_settings_in_a_file_are_understood():
    for number in (1, 2):
        assert repr(nn.load(DATA / f"format_{number}.safetensors")) == (
            "Sequential([Standardize(3), Dense(3, 6, weight_initializer=HeUniform(negative_slope=0.1)), "
            "LeakyReLU(negative_slope=0.1), Dropout(0.25), Dense(6, 4, bias=False), GELU(approximate=True), "
            "Dense(4, 2, bias_initializer=Constant(0.5))], dtype=float32)"
        )
    assert repr(nn.load(DATA / "format_3.safetensors")) == (
        "Sequential([Dense(3, 4), BatchNorm(4, momentum=0.5), Residual([Standardize(4), Residual([Dense("
        "4, 4), ReLU()]), Sequential([Dense(4, 5, weight_initializer=HeUniform(negative_slope="
        "0.1)), Tanh()]), Dense(5, 4)]), Dense(4, 2)], dtype=float32)"
    )


@pytest.mark.parametrize("path", sorted(DATA.glob("format_[23]*.safetensors")), ids=lambda path: path.stem)
def test_a_net_is_written_as_it_was_when_its_file_was_made(path, tmp_path, monkeypatch):
    """So nets without blocks and state are still of format 2, which older versions read."""
    with open_tensors(path, key="nnlite", where="here", made_by="a test") as file:
        monkeypatch.setattr("nnlite.files.models.__version__", file.document["version"])
    nn.load(path).save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_what_was_pickled_by_an_earlier_version_is_read_and_goes_on() -> None:
    content = (DATA / "pickle_1.pkl").read_bytes()
    assert b"nnlite.layers.dense" in content
    kept = pickle.loads(content)
    model, X = kept["model"], kept["X"]
    np.testing.assert_allclose(model.predict(X), kept["predictions"], rtol=1e-5)
    np.testing.assert_allclose(kept["many"].predict(X[:, :2]), kept["predictions of many"], rtol=1e-5)
    assert len(kept["history"].rows) == 2
    assert kept["history"]["accuracy"][-1] <= 1
    steps = kept["optimizer"].steps
    history = model.fit(
        X, kept["ids"], optimizer=kept["optimizer"], callbacks=[kept["callback"]], **kept["options"]
    )
    assert kept["optimizer"].steps == 2 * steps
    assert np.isfinite(history["loss"]).all()
    for loss in kept["losses"]:
        target = -np.ones((2, 2)) if isinstance(loss, nn.Hinge) else np.ones((2, 2))
        if not isinstance(loss, nn.GaussianNLL):
            assert np.isfinite(loss.value_and_grad(np.ones((2, 2)), target)[0]), loss
    for other in kept["optimizers"]:
        net = nn.Sequential([nn.Dense(1, 1)], rng=0)
        net.fit([[0.0], [1.0]], [[1.0], [3.0]], loss=nn.MeanSquaredError(), optimizer=other, epochs=2)
    assert kept["metrics"][0] is nn.accuracy


@pytest.mark.parametrize(
    ("name", "thing"),
    [
        ("nnlite.optimizers Adam", nn.Adam),
        ("nnlite.optimizers _From", From),  # of an optimizer that was given to `fit` a second time
        ("nnlite.schedules CosineDecay", nn.CosineDecay),
        ("nnlite.second_order LBFGS", nn.LBFGS),
    ],
)
def test_the_names_in_pickles_of_earlier_versions_are_found(name: str, thing: type) -> None:
    module, _, kind = name.partition(" ")
    assert pickle.loads(f"c{module}\n{kind}\n.".encode()) is thing


def test_a_model_that_was_pickled_when_its_layers_were_called_so_is_read() -> None:
    kept = pickle.loads((DATA / "pickle_0.pkl").read_bytes())
    np.testing.assert_allclose(kept["model"].predict(kept["X"]), kept["predictions"], rtol=1e-5)


def test_what_was_pickled_when_more_stood_in_the_core_is_read_and_goes_on() -> None:
    content = (DATA / "pickle_2.pkl").read_bytes()
    assert b"nnlite.core.normalization" in content
    assert b"nnlite.core.schedules" in content
    kept = pickle.loads(content)
    model, X = kept["model"], kept["X"]
    np.testing.assert_allclose(model.predict(X), kept["predictions"], rtol=1e-5)
    np.testing.assert_allclose(kept["many"].predict(X), kept["predictions of many"], rtol=1e-5)
    assert [type(one) for one in model[:3]] == [nn.Dense, nn.BatchNorm, nn.Residual]
    assert type(kept["optimizer"]) is nn.Adam
    assert [type(one) for one in kept["losses"]] == [nn.BinaryCrossEntropy, nn.MeanAbsoluteError]
    assert [type(one) for one in kept["layers"]] == [nn.LogSoftmax, nn.Softmax]
    assert kept["schedules"][0] == nn.CosineDecay(0.1)
    steps = kept["optimizer"].steps
    history = model.fit(X, kept["ids"], optimizer=kept["optimizer"], **kept["options"])
    assert kept["optimizer"].steps == steps + 6
    assert np.isfinite(history["loss"]).all()
