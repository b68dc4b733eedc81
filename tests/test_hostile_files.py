"""Hostile files: whatever a file says, it is refused or gives a model that works, and does no harm."""

from __future__ import annotations

import copy
import json
import os
import re
import struct
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load as from_bytes

import nnlite as nn
from nnlite.data.table import TableEncoder
from nnlite.errors import ArgumentError, ModelFileError
from nnlite.files.safetensors import MAX_ENTRIES, MAX_HEADER, open_tensors, parse_json, write_tensors

RUNNER = Path(__file__).parent / "hostile_files.py"
ROOT = RUNNER.parents[1]
#: How many damaged files are loaded: all of them where NNLITE_THOROUGH=1, as in .ci/run.
COUNT = 20_000 if os.environ.get("NNLITE_THOROUGH") == "1" else 2_000


def run(*arguments):
    """Let hostile_files.py load its files in a process of its own, and return its report."""
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-W", "error", str(RUNNER), *arguments],
        capture_output=True,
        text=True,
        env=os.environ | one_thread,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(done.stdout)


def test_damaged_files_are_refused_or_load_as_models_that_work():
    report = run(str(COUNT), "0")
    assert report["wrong"] == []
    assert sum(report["outcomes"].values()) == COUNT
    assert max(report["memory"].values()) < 50e6
    # They are damaged in ways of many kinds, and not all at the first check.
    assert len(report["outcomes"]) >= 15
    assert COUNT / 20 < report["outcomes"]["loaded"] < COUNT / 5
    assert report["outcomes"]["a safetensors file"] < 0.6 * COUNT
    loaded = {kind for kind, count in report["loaded"].items() if count}
    assert loaded >= {"flip_bits", "change_header", "change_architecture", "change_layers", "change_numbers"}


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory is measured as Linux does")
def test_the_worst_files_take_little_memory_beyond_their_size():
    report = run("worst", "0")
    assert report["wrong"] == []
    assert len(report["memory"]) >= 20
    assert {name: taken for name, taken in report["memory"].items() if taken > 50e6} == {}
    # They reach the limits: what is just below them loads.
    assert report["outcomes"]["loaded"] >= 6


# The container, whatever it holds.


def raw_file(header, content=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + content


def tensor(start, stop, *shape, dtype="F32"):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [start, stop]}


LIES = {
    "nothing": (b"", "an empty file"),
    "half a length": (b"\x02\x00\x00", "it ends inside its header"),
    "a length beyond the end": (raw_file({})[:-1], "it ends inside its header"),
    "a length of 2**64 - 1": (b"\xff" * 8 + b"{}", "it ends inside its header"),
    "no length": (bytes(8), "Expecting value"),
    "a long header": (raw_file(b" " * (MAX_HEADER + 1)), "a header of 4,000,001 bytes, of which"),
    "no UTF-8": (raw_file(b'{"\xff": 1}'), "can't decode byte 0xff"),
    "UTF-16": (raw_file("{}".encode("utf-16")), "can't decode byte 0xff"),
    "a byte order mark": (raw_file(b"\xef\xbb\xbf{}"), "Unexpected UTF-8 BOM"),
    "a list": (raw_file([]), "a header that is a list"),
    "something behind": (raw_file(b"{} {}"), "Extra data"),
    "bytes behind": (raw_file({}, b"\x00"), "11 bytes, where the header speaks of 10"),
    "a name twice": (
        raw_file(b'{"a": {"dtype":"F32","shape":[0],"data_offsets":[0,0]}, "a": {}}'),
        "'a' twice",
    ),
    "a key twice": (raw_file(b'{"a": {"dtype":"F32","dtype":"F64"}}'), "'dtype' twice"),
    "metadata twice": (raw_file(b'{"__metadata__": {}, "__metadata__": {}}'), "'__metadata__' twice"),
    "a gap": (raw_file({"a": tensor(4, 8, 1)}, bytes(8)), "'a' does not begin where the one before it ends"),
    "an overlap": (
        raw_file({"a": tensor(0, 8, 2), "b": tensor(4, 12, 2)}, bytes(12)),
        "'b' does not begin where the one before it ends",
    ),
    "the same numbers twice": (
        raw_file({"a": tensor(0, 8, 2), "b": tensor(0, 8, 2)}, bytes(8)),
        "'b' does not begin where the one before it ends",
    ),
    "beyond the end": (raw_file({"a": tensor(0, 8, 2)}, bytes(4)), "where the header speaks of"),
    "backwards": (raw_file({"a": tensor(8, 0, 2)}, bytes(8)), r"'a' at \[8, 0\]"),
    "before the beginning": (raw_file({"a": tensor(-8, 0, 2)}, bytes(8)), r"'a' at \[-8, 0\]"),
    "half an offset": (raw_file({"a": tensor(0, 8.0, 2)}, bytes(8)), r"'a' at \[0, 8.0\]"),
    "truth for an offset": (raw_file({"a": tensor(False, 8, 2)}, bytes(8)), r"'a' at \[False, 8\]"),
    "three offsets": (
        raw_file({"a": tensor(0, 8, 2) | {"data_offsets": [0, 4, 8]}}, bytes(8)),
        r"'a' at \[0, 4, 8\]",
    ),
    "another size": (raw_file({"a": tensor(0, 8, 3)}, bytes(8)), r"'a' of the shape \[3\] in 8 bytes"),
    "another dtype": (raw_file({"a": tensor(0, 8, 2, dtype="F64")}, bytes(8)), r"'a' of the shape \[2\] in"),
    "a size beyond int64": (raw_file({"a": tensor(0, 0, 2**63, 0)}), "'a' of the shape"),
    "sizes beyond int64 together": (raw_file({"a": tensor(0, 0, 2**40, 2**40, 0)}), "'a' of the shape"),
    "a negative size": (raw_file({"a": tensor(0, 4, -1)}, bytes(4)), r"'a' of the shape \[-1\]"),
    "65 axes": (raw_file({"a": tensor(0, 4, *[1] * 65)}, bytes(4)), "'a' of the shape"),
    "objects": (raw_file({"a": tensor(0, 8, 1, dtype="OBJ")}, bytes(8)), "'a' of the unknown kind 'OBJ'"),
    "a list for a dtype": (
        raw_file({"a": tensor(0, 8, 1, dtype=["<f8"])}, bytes(8)), "'a' of the unknown kind"
    ),
    "no dtype": (raw_file({"a": {"shape": [0], "data_offsets": [0, 0]}}), "'a' without a dtype, a shape and"),
    "more than a dtype": (raw_file({"a": tensor(0, 0, 0) | {"x": 1}}), "'a' without a dtype, a shape and"),
    "a number for a tensor": (raw_file({"a": 1}), "'a' without a dtype, a shape and offsets"),
    "a number as metadata": (raw_file({"__metadata__": {"about": 5}}), "metadata that are not all texts"),
    "a list as metadata": (raw_file({"__metadata__": []}), "metadata that are not all texts"),
    "deep": (raw_file(b'{"a":' * 50_000 + b"0" + b"}" * 50_000), "too deep"),
    "many entries": (raw_file(b"[" + b"1," * MAX_ENTRIES + b"1]"), "more than 200,000 entries"),
    "NaN": (raw_file(b'{"a": NaN}'), "NaN, which JSON has not"),
    "beyond float64": (raw_file(b'{"a": 1e999}'), "'1e999', which no float can hold"),
}  # fmt: skip


def read(path):
    with open_tensors(path, key="about", where="read", made_by="a test") as file:
        return file.document, {name: file.read(name) for name in file.entries}


@pytest.mark.parametrize("lie", LIES)
def test_a_lying_header_is_refused(lie, tmp_path):
    content, message = LIES[lie]
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(ModelFileError, match=message) as caught:
        read(tmp_path / "file")
    assert caught.value.expected == "a safetensors file"
    assert len(str(caught.value)) < 500


def test_the_sum_of_the_sizes_is_taken_before_the_memory(tmp_path):
    """A tensor of 4 TB, in a sparse file that is as long as the header says it is."""
    content = raw_file({"__metadata__": {"nnlite": "{}"}, "0.W": tensor(0, 2**42, 2**40)})
    path = tmp_path / "file"
    path.write_bytes(content)
    os.truncate(path, len(content) + 2**42)
    with pytest.raises(ModelFileError, match="a format from 1 to 4, got format None"):
        nn.load(path)


@given(content=st.binary(max_size=200) | st.binary(max_size=100).map(raw_file))
def test_any_bytes_are_refused(content, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "any bytes"
    path.write_bytes(content)
    with pytest.raises(ModelFileError):
        read(path)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda values: st.lists(values) | st.dictionaries(st.text(), values),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), VALUES))
def test_any_json_comes_back(document):
    assert parse_json(json.dumps(document)) == document


@given(st.text(max_size=20))
def test_any_text_parses_as_in_the_standard_library_or_not_at_all(text):
    try:
        found = parse_json(text)
    except ValueError:
        return
    assert json.loads(text) == found


# The meaning of a model file.


def good_model():
    table = {"age": [20, 40, None, 31], "city": ["Bern", "Genf", "Bern", None]}
    encoder = TableEncoder().fit(table)
    model = nn.Sequential([encoder.layer(), nn.Standardize(4), nn.Dense(4, 2)], preprocessing=encoder, rng=0)
    model.adapt(table)
    return model


def rewrite(path, *, architecture=None, header=None, numbers=None, text=None):
    """Change parts of a file, and make length and checksum right again."""
    import zlib

    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    head, data = json.loads(content[8 : 8 + length]), bytearray(content[8 + length :])
    described = json.loads(head["__metadata__"]["nnlite"])
    for change, part in ((architecture, described), (numbers, data), (header, head)):
        if change is not None:
            change(part)
    written = json.dumps(described) if text is None else text(json.dumps(described))
    head["__metadata__"]["nnlite"] = written
    if "crc32" in head["__metadata__"]:
        head["__metadata__"]["crc32"] = f"{zlib.crc32(bytes(data), zlib.crc32(written.encode())):08x}"
    path.write_bytes(raw_file(head, bytes(data)))


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "net.safetensors"
    good_model().save(path)
    return path


def refused(path):
    with pytest.raises(ModelFileError) as caught:
        nn.load(path)
    assert len(str(caught.value)) < 1000
    return str(caught.value)


def test_rewriting_nothing_keeps_the_file_good(path):
    rewrite(path)
    assert repr(nn.load(path)) == repr(good_model())


def test_a_changed_bit_anywhere_is_found(path):
    content = path.read_bytes()
    original = nn.load(path)
    for place in range(0, len(content), 3):
        damaged = bytearray(content)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        try:
            model = nn.load(path)
        except ModelFileError:
            continue
        # What may change is the name of the checksum, or an escape that means the same.
        assert repr(model) == repr(original)
        assert model.params.values.tobytes() == original.params.values.tobytes()


def test_a_file_without_a_checksum_is_read(path):
    rewrite(path, header=lambda header: header["__metadata__"].pop("crc32"))
    assert repr(nn.load(path)) == repr(good_model())
    assert "crc32" not in path.read_bytes().decode("latin-1")


def test_the_checksum_is_that_of_description_and_numbers(path):
    import zlib

    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    metadata = json.loads(content[8 : 8 + length])["__metadata__"]
    found = zlib.crc32(metadata["nnlite"].encode() + content[8 + length :])
    assert metadata["crc32"] == f"{found:08x}"


def first(**config):
    return lambda architecture: architecture["layers"][0]["config"].update(config)


def top(**entries):
    return lambda architecture: architecture.update(entries)


def state(**entries):
    return lambda architecture: architecture["preprocessing"]["state"].update(entries)


CITY = {"name": "city", "kind": "categorical", "categories": ["Bern", "Genf"], "missing": True}
AGE = {"name": "age", "kind": "numeric", "mean": 0.0, "scale": 1.0, "missing": True}


MEANINGS = {
    "a path for a class": (top(layers=[{"class": "../../x", "config": {}}]), "nnlite, got '../../x'"),
    "a module": (top(layers=[{"class": "nnlite.layers.Dense", "config": {}}]), "got 'nnlite.layers.Dense'"),
    "an initializer for a layer": (top(layers=[{"class": "HeNormal", "config": {}}]), "got 'HeNormal'"),
    "more parts of a layer": (
        top(layers=[{"class": "Tanh", "config": {}, "x": 1}]),
        "layer 0 as class and config",
    ),
    "more parts": (top(more=1), "an architecture of dtype, feature_names"),
    "10,001 layers": (top(layers=[{"class": "Tanh", "config": {}}] * 10_001), "to 10,000 layers, got 10,001"),
    "63 axes": (
        top(layers=[{"class": "Flatten", "config": {"shape": [1] * 63}}], preprocessing=None),
        "samples of at most 62 axes, got 63",
    ),
    "huge replicas": (top(replicas=10**18), r"0.W as float32 of shape \(1000000000000000000, 4, 2\)"),
    "no replicas": (top(replicas=0), "an integer of at least 1, got 0"),
    "true replicas": (top(replicas=True), "an integer of at least 1, got True"),
    "a huge size": (first(numeric=10**300), "an architecture that can be built"),
    "a size of 1e300": (first(features=1e300), "an integer of at least 1, got 1e"),
    "a size in a list": (first(features=[2]), r"an integer of at least 1, got \[2\]"),
    "names of too few columns": (top(feature_names=["a"]), "a name for each feature .*, got 1 names"),
    "names twice": (top(feature_names=["a"] * 3), "names that differ"),
    "names that are numbers": (top(feature_names=[1, 2, 3]), "a list of names"),
    "a name that is a text": (top(feature_names="abc"), "a list of names, got 'abc'"),
    "another encoder": (
        top(preprocessing={"class": "os.system", "state": {}}),
        "a TableEncoder as preprocessing, got .*os.system",
    ),
    "an encoder without state": (
        top(preprocessing={"class": "TableEncoder"}),
        "a TableEncoder as preprocessing, got",
    ),
    "an encoder in words": (top(preprocessing="TableEncoder"), "a TableEncoder as preprocessing, got 'Tab"),
    "an encoder of nothing": (state(columns=[]), "ArgumentError: TableEncoder.from_dict"),
    "an encoder of other columns": (state(columns=[CITY]), "samples of shape .3,.*, got 1 numbers"),
    "more categories than rows": (
        state(columns=[AGE, CITY | {"categories": ["a", "b", "c", "d"]}]),
        r"an encoder for Embedding\(\(4,\), 2, numeric=2\), got one for Embedding\(\(6,\), 2, numeric=2\)",
    ),
    "numbers where ids are": (
        state(columns=[AGE, AGE | {"name": "b", "missing": False}]),
        r"an encoder for Embedding\(\(4,\), 2, numeric=2\), got one for Embedding\(\(\), 2, numeric=3\)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("meaning", MEANINGS)
def test_an_architecture_that_makes_no_sense_is_refused(meaning, path):
    change, message = MEANINGS[meaning]
    rewrite(path, architecture=change)
    assert re.search(message, refused(path))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (lambda text: text.replace('"format"', '"format": 1, "format"', 1), "'format' twice"),
        (lambda text: text.replace('"config"', '"config": {}, "config"', 1), "'config' twice"),
        (
            lambda text: text.replace('"features": 2', '"features": Infinity', 1),
            "Infinity, which JSON has not",
        ),
        (
            lambda text: text.replace('"scale": ', '"scale": 1e400, "x": ', 1),
            "'1e400', which no float can hold",
        ),
    ],
    ids=["an entry", "a config", "infinity", "beyond float64"],
)
def test_json_that_readers_disagree_about_is_refused(text, message, path):
    rewrite(path, text=text)
    assert re.search(message, refused(path))


@pytest.mark.parametrize(
    ("buffer", "value", "message"),
    [
        ("scale", 0.0, "scales that are finite and not 0, got 0.0 to"),
        ("scale", np.nan, "scales that are finite and not 0, got nan"),
        ("scale", np.inf, "scales that are finite and not 0, got .* to inf"),
        ("mean", np.nan, "means that are finite, got NaN or infinity"),
        ("mean", -np.inf, "means that are finite, got NaN or infinity"),
    ],
)
def test_what_no_data_can_have_given_is_refused_by_load_and_by_save(buffer, value, message, path, tmp_path):
    def set_first(header):
        place[:] = header[f"1.{buffer}"]["data_offsets"]

    place = []
    rewrite(path, header=set_first)
    rewrite(path, numbers=lambda data: struct.pack_into("<f", data, place[0], value))
    assert re.search(rf"layer 1 Standardize\(4\) with {message}", refused(path))
    model = good_model()
    model[1].buffers[buffer][0] = value
    with pytest.raises(ArgumentError, match=rf"save, layer 1 Standardize\(4\): expected {message}"):
        model.save(tmp_path / "other")
    assert not (tmp_path / "other").exists()


@pytest.mark.nonfinite
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_may_be_anything_so_that_a_net_that_went_wrong_can_be_looked_at(value, path):
    model = good_model()
    model[2].W[0, 0] = value
    model.save(path)
    np.testing.assert_array_equal(nn.load(path)[2].W, model[2].W)


def test_objects_of_the_user_take_part_only_by_name(path):
    """Nothing that a file names is looked up anywhere but in nnlite's layers and in custom_objects."""
    rewrite(path, architecture=top(layers=[{"class": "Own", "config": {}}], preprocessing=None))

    class Own(nn.Tanh):
        pass

    assert "custom_objects={'Own': its_class}" in refused(path)
    with pytest.raises(ModelFileError, match=r"no tensor '0\.W'"):
        nn.load(path, custom_objects={"Own": Own})
    with pytest.raises(ModelFileError, match="'Own'"):
        nn.load(path, custom_objects={"own": Own, "Own ": Own, "": Own})


# Layers inside of layers.


def good_blocks():
    block = [nn.Standardize(4), nn.Sequential([nn.Dense(4, 4), nn.ReLU()]), nn.BatchNorm(4)]
    model = nn.Sequential([nn.Dense(3, 4), nn.Residual(block)], rng=0)
    model.adapt(np.arange(12.0).reshape(4, 3))
    return model


def inner(architecture):
    return architecture["layers"][1]["config"]["layers"]


def in_inner(place, **entries):
    return lambda architecture: inner(architecture)[place].update(entries)


def deep(count, kind="Residual"):
    """Put the block into more of them."""

    def change(architecture):
        for _ in range(count):
            entry = {"class": kind, "config": {"layers": [architecture["layers"][1]]}}
            architecture["layers"][1] = entry

    return change


BLOCKS = {
    "a path for a class": (in_inner(0, **{"class": "../../x"}), "layers of nnlite, got '../../x'"),
    "an own class": (in_inner(0, **{"class": "Own"}), r"custom_objects=\{'Own': its_class\}"),
    "a class that is a list": (in_inner(0, **{"class": []}), r"layer 1 as class and config, got .*\[\]"),
    "a config that is a list": (in_inner(0, config=[]), "layer 1 as class and config, got"),
    "more than class and config": (in_inner(0, x=1), r"fails with ArgumentTypeError: Residual\(layers"),
    "no list": (lambda a: a["layers"][1]["config"].update(layers=inner(a)[2]), "a list of layers, got Batch"),
    "an empty list": (lambda a: inner(a).clear(), "can be built, got one that fails with"),
    "a layer for a number": (in_inner(2, config={"features": {"class": "Tanh", "config": {}}}), "got Tanh"),
    "a number for a layer": (lambda a: inner(a).append(5), "a list of layers|a layer, got 5"),
    "no names for more layers": (lambda a: inner(a).pop(), r"expected no tensor '1\.2\.bias'"),
    "of format 2": (top(format=2), "fails with ArgumentTypeError"),
    "31 more levels": (deep(31), "at most 10,000 layers, on 32 levels, got more"),
    "250 more levels": (deep(250, "Sequential"), "at most 10,000 layers, on 32 levels, got more"),
    "3,400 more layers": (
        lambda a: inner(a)[1]["config"]["layers"].extend([{"class": "Tanh", "config": {}}] * 3_400),
        "at most 10,000 layers, on 32 levels, got more",
    ),
    "replicas inside": (
        lambda a: inner(a)[1]["config"].update(replicas=10**18),
        r"nothing but layers in a Sequential, got \['layers', 'replicas'\]",
    ),
    "a large net inside": (
        lambda a: inner(a)[1]["config"].update(
            layers=[
                {"class": "Dense", "config": {"in_features": 4, "out_features": 10**9}},
                {"class": "Dense", "config": {"in_features": 10**9, "out_features": 4}},
            ]
        ),
        r"1\.1\.0\.W as float32 of shape \(4, 1000000000\)",
    ),
    "frozen state": (top(frozen=["1.2.running_mean"]), "expected one of .*got '1.2.running_mean'"),
    "frozen what is not inside": (top(frozen=["1.3.W"]), "expected one of .*got '1.3.W'"),
}  # fmt: skip


@pytest.fixture
def blocks(tmp_path):
    path = tmp_path / "blocks.safetensors"
    good_blocks().save(path)
    return path


def test_rewriting_nothing_keeps_blocks_good(blocks):
    rewrite(blocks)
    assert repr(nn.load(blocks)) == repr(good_blocks())


@pytest.mark.parametrize("meaning", BLOCKS)
def test_blocks_that_make_no_sense_are_refused(meaning, blocks):
    change, message = BLOCKS[meaning]
    rewrite(blocks, architecture=change)
    assert re.search(message, refused(blocks))


def test_as_deep_as_the_limit_is_read_and_one_more_is_not_written(tmp_path):
    layer = nn.Dense(2, 2)
    for _ in range(31):
        layer = nn.Residual([layer])
    model = nn.Sequential([layer], rng=0)
    model.save(tmp_path / "net")
    assert nn.load(tmp_path / "net").params.values.tobytes() == model.params.values.tobytes()
    with pytest.raises(ArgumentError, match="save: expected at most 32 levels, got 33"):
        nn.Sequential([nn.Residual([*copy.deepcopy(model.layers)])], rng=0).save(tmp_path / "other")
    many = [nn.Residual([nn.Tanh()]) for _ in range(3_334)]
    with pytest.raises(ArgumentError, match="save: expected at most 10,000 layers, got 10,002"):
        nn.Sequential(many).save(tmp_path / "other")
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("key", "entry", "message"),
    [
        ("1.2.running_mean", {"shape": [4], "dtype": "F32"}, None),
        ("1.2.running_mean", {"shape": [2, 2]}, r"1\.2\.running_mean as float32 of shape \(4,\), got F32 of"),
        ("1.2.running_mean", {"dtype": "I32"}, r"1\.2\.running_mean as float32 of shape \(4,\), got I32"),
        ("1.0.mean", {"shape": [4, 1]}, r"1\.0\.mean as float32 of shape \(4,\), got F32 of shape \(4, 1\)"),
        ("1.1.0.W", {"shape": [16]}, r"1\.1\.0\.W as float32 of shape \(4, 4\), got F32 of shape \(16,\)"),
    ],
    ids=["as it is", "shape of state", "kind of state", "shape of a buffer", "shape of weights"],
)
def test_tensors_of_layers_inside_are_compared(key, entry, message, blocks):
    rewrite(blocks, header=lambda header: header[key].update(entry))
    if message is None:
        assert nn.load(blocks)
    else:
        assert re.search(message, refused(blocks))


@pytest.mark.parametrize("name", ["1.2.running_mean", "1.0.mean", "1.1.0.W"])
def test_tensors_of_layers_inside_have_their_names(name, blocks):
    for other in (name.removeprefix("1."), "1." + name, name.rpartition(".")[0], name + "."):
        good_blocks().save(blocks)
        rewrite(blocks, header=lambda header, other=other: header.update({other: header.pop(name)}))
        assert re.search(rf"expected (no tensor '|{re.escape(name)} as)", refused(blocks))


@pytest.mark.parametrize("value", [-1e-30, -np.inf, -1.0])
def test_a_variance_that_no_data_can_have_given_is_refused_by_load_and_by_save(value, blocks, tmp_path):
    place = []
    rewrite(blocks, header=lambda header: place.extend(header["1.2.running_variance"]["data_offsets"]))
    rewrite(blocks, numbers=lambda data: struct.pack_into("<f", data, place[0], value))
    message = r"layer 1\.2 BatchNorm\(4\).* a running variance that is not below 0, got -"
    assert re.search(message, refused(blocks))
    model = good_blocks()
    model[1].layers[2].running_variance[0] = value
    with pytest.raises(ArgumentError, match=message):
        model.save(tmp_path / "other")
    assert not (tmp_path / "other").exists()


@pytest.mark.nonfinite
def test_state_may_be_anything_that_a_net_that_went_wrong_has(blocks):
    model = good_blocks()
    model[1].layers[2].running_variance[:2] = np.nan, np.inf
    model.save(blocks)
    np.testing.assert_array_equal(nn.load(blocks).params.numbers, model.params.numbers)


def test_what_is_measured_inside_is_checked_too(blocks):
    place = []
    rewrite(blocks, header=lambda header: place.extend(header["1.0.scale"]["data_offsets"]))
    rewrite(blocks, numbers=lambda data: struct.pack_into("<f", data, place[0], 0.0))
    assert "layer 1.0 Standardize(4) with scales that are finite and not 0" in refused(blocks)


class Wide(nn.Layer):
    """Makes a model of its own in its constructor."""

    def __init__(self, width):
        self.width = width
        self.hold([nn.Sequential([nn.Dense(4, width), nn.Dense(width, 4)])])

    def forward(self, x, ctx=None):
        ((net, kept),) = self.held(ctx)
        return net.forward(x, kept)


def test_a_model_that_a_layer_makes_takes_no_memory_before_the_tensors_are_compared(tmp_path):
    nn.Sequential([Wide(3)], rng=0).save(tmp_path / "net")
    rewrite(tmp_path / "net", architecture=first(width=10**9))
    tracemalloc.start()
    try:
        with pytest.raises(ModelFileError, match=r"0\.0\.0\.W as float32 of shape \(4, 1000000000\)"):
            nn.load(tmp_path / "net", custom_objects={"Wide": Wide})
        assert tracemalloc.get_traced_memory()[1] < 10e6
    finally:
        tracemalloc.stop()
    assert nn.Sequential([nn.Dense(1, 1)]).params.size == 2  # models that are made later have numbers again


# What save writes, load must read.


def test_a_model_that_could_not_be_read_back_is_not_written(tmp_path):
    model = nn.Sequential([nn.Standardize(MAX_ENTRIES + 1)])
    model.feature_names = [str(index) for index in range(MAX_ENTRIES + 1)]
    with pytest.raises(
        ArgumentError, match=r"save\(path\): expected a description of at most 4,000,000 bytes"
    ):
        model.save(tmp_path / "net")
    with pytest.raises(ArgumentError, match="save: expected at most 10,000 layers, got 10,001"):
        nn.Sequential([nn.Tanh() for _ in range(10_001)]).save(tmp_path / "net")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("count", [3_999_500, 4_000_000])
def test_the_longest_description(count, tmp_path):
    document = {"a": "x" * count}
    if count == 4_000_000:
        with pytest.raises(ArgumentError, match="at most 4,000,000 bytes and 200,000 entries, got 4,000,"):
            write_tensors(tmp_path / "file", document, {}, key="about", where="here")
    else:
        write_tensors(tmp_path / "file", document, {}, key="about", where="here")
        assert read(tmp_path / "file") == (document, {})


@pytest.mark.parametrize("name", ["", "a b", "../../x", "/etc/passwd", "ü\U0001f600", "__meta__", '"', "\\"])
def test_names_of_tensors_are_only_names(name, tmp_path):
    write_tensors(tmp_path / "file", {}, {name: np.arange(3.0)}, key="about", where="here")
    _, tensors = read(tmp_path / "file")
    np.testing.assert_array_equal(tensors[name], np.arange(3.0))
    np.testing.assert_array_equal(from_bytes((tmp_path / "file").read_bytes())[name], np.arange(3.0))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_file_that_shrinks_while_it_is_read_is_refused(tmp_path):
    path = tmp_path / "file"
    write_tensors(path, {}, {"a": np.arange(1e5)}, key="about", where="here")
    with open_tensors(path, key="about", where="here", made_by="a test") as file:
        os.truncate(path, 1000)
        with pytest.raises(ModelFileError, match="it became shorter while it was read"):
            file.read("a")


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such files")
@pytest.mark.parametrize("kind", ["a device", "a pipe"])
def test_what_is_no_file_is_not_opened(kind, tmp_path):
    path = Path("/dev/zero")
    if kind == "a pipe":
        path = tmp_path / "pipe"
        os.mkfifo(path)  # to open one waits for a writer, for ever
    with pytest.raises(
        ArgumentError, match=r"load\('.*'\): expected the path of a file, got .*, which is no file"
    ):
        nn.load(path)
