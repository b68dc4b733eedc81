"""Prediction of more rows than memory holds: into an array that is there, block by block, and with dask."""

import os
import re
import subprocess
import sys
import tracemalloc
import weakref
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from pathlib import Path
from textwrap import indent

import numpy as np
import pytest

import nnlite as nn
from nnlite.errors import ArgumentError, ArgumentTypeError, NotFittedError, ShapeError

FORM = re.compile(r"\S.*?: expected \S.*, got \S(.*[^.])?\. [A-Z].*[^.]\.", re.DOTALL)
ROWS, FEATURES, OUTPUTS = 2300, 5, 3
PAGE = Path(__file__).resolve().parents[1] / "docs" / "inference.md"


class Grid(nn.Layer):
    """Lay a row of six numbers out as 2 x 3: a sample of two axes."""

    def output_shape(self, input_shape):
        return (2, 3)

    def forward(self, x, ctx=None):
        return x.reshape(*x.shape[:-1], 2, 3)


def net(outputs=OUTPUTS, last=(), **options):
    layers = [nn.Dense(FEATURES, 16), nn.Tanh(), nn.Dense(16, outputs), *last]
    return nn.Sequential(layers, **{"rng": 0} | options)


def data(rows=ROWS, dtype=np.float32):
    return np.random.default_rng(1).normal(size=(rows, FEATURES)).astype(dtype)


def cut(X, size):
    """Cut rows into blocks."""
    return (X[start : start + size] for start in range(0, len(X), size))


def refused(call, error, message):
    with pytest.raises(error, match=message) as caught:
        call()
    assert FORM.fullmatch(str(caught.value)), str(caught.value)


def mapped(folder, X):
    """Write rows to a file, and map it."""
    np.save(folder / "X.npy", X)
    return np.load(folder / "X.npy", mmap_mode="r")


def peak(call):
    """Return the most bytes that were held while something was called."""
    call()  # what is made once, such as what modules keep, does not count
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


# Into an array that is there.


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("batch_size", [100, 512, ROWS, 10_000])
def test_predictions_are_written_to_out_and_it_is_returned(dtype, batch_size):
    model, X = net(dtype=dtype), data(dtype=dtype)
    out = np.full((ROWS, OUTPUTS), np.nan, dtype)
    assert model.predict(X, batch_size=batch_size, out=out) is out
    np.testing.assert_array_equal(out, model.predict(X, batch_size=batch_size))


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (net(replicas=4), (4, ROWS, OUTPUTS)),
        (net(6, last=[Grid()]), (ROWS, 2, 3)),
        (net(6, last=[Grid()], replicas=2), (2, ROWS, 2, 3)),
        (net(6, last=[Grid(), nn.Flatten((2, 3))]), (ROWS, 6)),
        (nn.Sequential([nn.Tanh()]), (ROWS, FEATURES)),
    ],
    ids=["replicas", "grid", "replicas of a grid", "flat again", "any width"],
)
def test_out_has_the_axes_of_the_predictions(model, shape, tmp_path):
    X = data()
    for given in (X, X.astype(np.float64), X.tolist(), mapped(tmp_path, X)):
        expected = model.predict(given)
        assert expected.shape == shape
        np.testing.assert_array_equal(expected, model.predict(X))
        out = np.full(shape, np.nan, np.float32)
        model.predict(given, out=out)
        np.testing.assert_array_equal(out, expected)
    refused(
        lambda: model.predict(X, out=np.empty(shape[::-1], np.float32)), ShapeError, re.escape(str(shape))
    )


def test_out_holds_other_rows_for_each_replica():
    model = net(replicas=2)
    X = np.stack([data(), data()[::-1]])
    out = np.empty((2, ROWS, OUTPUTS), np.float32)
    np.testing.assert_array_equal(model.predict(X, out=out), model.predict(X))
    np.testing.assert_array_equal(out, np.concatenate(list(model.predict_blocks(X)), axis=1))
    halves = [X[:, :1024], X[:, 1024:]]
    np.testing.assert_array_equal(out, np.concatenate(list(model.predict_blocks(halves)), axis=1))


def test_out_may_be_a_part_of_an_array():
    model, X = net(), data()
    table = np.zeros((ROWS, 2 * OUTPUTS), np.float32)
    model.predict(X, out=table[:, ::2])
    np.testing.assert_array_equal(table[:, ::2], model.predict(X))
    assert not table[:, 1::2].any()


def test_from_file_to_file(tmp_path):
    model, X = net(), data(dtype=np.float64)
    shape = (ROWS, OUTPUTS)
    out = np.lib.format.open_memmap(tmp_path / "y.npy", mode="w+", dtype=np.float32, shape=shape)
    assert model.predict(mapped(tmp_path, X), out=out) is out
    out.flush()
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), model.predict(X))


def test_sparse_rows_and_tables_go_to_out(tmp_path):
    sparse = pytest.importorskip("scipy.sparse")
    model, X = net(), data()
    X[X < 0.5] = 0
    out = np.empty((ROWS, OUTPUTS), np.float32)
    np.testing.assert_array_equal(
        model.predict(sparse.csr_array(X), out=out), model.predict(sparse.csr_array(X))
    )
    table, encoded = tables()
    out = np.empty((len(table["kind"]), 1), np.float32)
    np.testing.assert_array_equal(encoded.predict(table, out=out), encoded.predict(table))


def read_only(array):
    array.flags.writeable = False
    return array


def test_an_out_that_does_not_fit_is_refused_and_left_alone(tmp_path):
    model, X = net(), data()
    shape = (ROWS, OUTPUTS)
    np.save(tmp_path / "y.npy", np.full(shape, 7, np.float32))
    inside = np.full((ROWS, FEATURES + OUTPUTS), 7, np.float32)
    inside[:, :FEATURES] = X
    cases = [
        (
            X,
            np.full((ROWS, 2), 7, np.float32),
            ShapeError,
            r"\(2300, 3\) and dtype float32, got shape \(2300, 2\)",
        ),
        (X, np.full((ROWS - 1, 3), 7, np.float32), ShapeError, r"np\.empty\(\(2300, 3\), np\.float32\)"),
        (X, np.full((1, *shape), 7, np.float32), ShapeError, "got shape"),
        (X, np.full(shape, 7, np.float64), ArgumentError, "got dtype float64"),
        (X, np.full(shape, 7, ">f4"), ArgumentError, "got dtype >f4"),
        (X, np.full(shape, 7), ArgumentError, "got dtype int"),
        (X, read_only(np.full(shape, 7, np.float32)), ArgumentError, "read-only one"),
        (X, np.load(tmp_path / "y.npy", mmap_mode="r"), ArgumentError, r"mode='r\+' or 'w\+'"),
        (X, np.ma.masked_array(np.full(shape, 7, np.float32)), ArgumentTypeError, "got MaskedArray"),
        (X, [[7.0]], ArgumentTypeError, "an ndarray of shape .*, got list"),
        (X, str(tmp_path / "y.npy"), ArgumentTypeError, "got str"),
        (
            inside[:, :FEATURES],
            inside[:, 2 : 2 + OUTPUTS],
            ArgumentError,
            "apart from X, got one that shares",
        ),
    ]
    for given, out, error, message in cases:
        call = partial(model.predict, given, out=out)
        refused(call, error, r"^Sequential\.predict\(out=\): .*" + message)
    for _, out, *_ in cases[:-3]:
        assert (out == 7).all()
    np.testing.assert_array_equal(inside[:, :FEATURES], X)


def test_out_may_be_the_columns_beside_x():
    model, X = net(), data()
    both = np.empty((ROWS, FEATURES + OUTPUTS), np.float32)
    both[:, :FEATURES] = X
    model.predict(both[:, :FEATURES], out=both[:, FEATURES:])
    np.testing.assert_array_equal(both, np.hstack([X, model.predict(X)]))


def test_bad_input_leaves_out_alone():
    bad = data()
    bad[-1, 2] = np.nan
    fresh = nn.Sequential([nn.Standardize(FEATURES), nn.Dense(FEATURES, OUTPUTS)], rng=0)
    out = np.full((ROWS, OUTPUTS), 7, np.float32)
    refused(lambda: net().predict(bad, out=out), ArgumentError, r"NaN at index \(2299, 2\)")
    refused(lambda: net().predict(data(), out=out, batch_size=0), ArgumentError, "batch_size")
    refused(lambda: net().predict(data()[:, 1:], out=out), ShapeError, "batch, 5")
    refused(lambda: fresh.predict(data(), out=out), NotFittedError, "adapt")
    assert (out == 7).all()


def test_nan_in_a_file_is_found_when_its_rows_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr("nnlite.data.lazy.BLOCK_BYTES", 1024 * FEATURES * 4)
    bad = data()
    bad[-1, 2] = np.nan
    out = np.full((ROWS, OUTPUTS), 7, np.float32)
    model, X = net(), mapped(tmp_path, bad)
    refused(lambda: model.predict(X, out=out), ArgumentError, r"predict\(X\): .* NaN at index \(2299, 2\)")
    np.testing.assert_array_equal(out[:2048], model.predict(bad[:2048]))
    assert (out[2048:] == 7).all()
    blocks = model.predict_blocks(X)
    assert [len(next(blocks)), len(next(blocks))] == [1024, 1024]
    refused(lambda: next(blocks), ArgumentError, r"predict_blocks\(blocks\): .* NaN at index \(2299, 2\)")


class Liar(nn.Layer):
    """Give fewer outputs than promised, or fewer rows."""

    def __init__(self, rows):
        self.rows = rows

    def forward(self, x, ctx=None):
        return x[..., : len(x) - self.rows, : 1 if not self.rows else None]


@pytest.mark.parametrize("rows", [0, 1])
def test_a_layer_that_gives_another_shape_than_it_says_is_found(rows):
    model = net(last=[Liar(rows)])
    out = np.empty((ROWS, OUTPUTS), np.float32)
    refused(lambda: model.predict(data(), out=out), ShapeError, "Layers of your own must give a row for each")
    if rows:
        refused(lambda: model.predict(data()), ShapeError, "2300 rows of predictions, got 2295")


# Block by block.


def test_blocks_from_anywhere_give_the_bits_of_the_whole(tmp_path, monkeypatch):
    monkeypatch.setattr("nnlite.data.lazy.BLOCK_BYTES", 600 * FEATURES * 8)
    model, X = net(), data(dtype=np.float64)
    whole = model.predict(X)

    class Shelf:
        def __iter__(self):
            return cut(X, 1024)

    kinds = {
        "generator": cut(X, 512),
        "function": lambda: cut(X, 1536),
        "list": [X],
        "something to iterate over": Shelf(),
        "lists": [block.tolist() for block in cut(X, 1024)],
        "array": X,
        "file": mapped(tmp_path, X),
        "float32 array": X.astype(np.float32),
    }
    for kind, blocks in kinds.items():
        found = list(model.predict_blocks(blocks))
        assert len(found) == (1 if kind == "list" else len(found))
        assert all(pred.dtype == np.float32 for pred in found)
        np.testing.assert_array_equal(np.concatenate(found), whole, err_msg=kind)
    assert [len(pred) for pred in model.predict_blocks(X)] == [512, 512, 512, 512, 252]


@pytest.mark.parametrize("batch_size", [64, 512])
@pytest.mark.parametrize("sizes", [(64, 128, 10), (20, 64, 64, 1)])
def test_blocks_of_whole_batches_give_the_same_bits_for_larger_nets(sizes, batch_size):
    layers = [layer for a, b in pairwise(sizes) for layer in (nn.Dense(a, b), nn.ReLU())]
    model = nn.Sequential(layers[:-1], rng=0)
    X = np.random.default_rng(0).standard_normal((ROWS, sizes[0]), np.float32)
    found = list(model.predict_blocks(cut(X, 2 * batch_size), batch_size=batch_size))
    np.testing.assert_array_equal(np.concatenate(found), model.predict(X, batch_size=batch_size))
    odd = list(model.predict_blocks(cut(X, 333)))
    np.testing.assert_allclose(np.concatenate(odd), model.predict(X), rtol=1e-4, atol=1e-5)


def test_blocks_may_be_empty_and_there_may_be_none():
    model, X = net(), data()
    given = [X[:0], X[:512], X[:0].astype(int), X[512:1024], np.zeros((0, FEATURES))]
    found = list(model.predict_blocks(given))
    assert [pred.shape for pred in found] == [(n, OUTPUTS) for n in (0, 512, 0, 512, 0)]
    assert {pred.dtype for pred in found} == {np.dtype(np.float32)}
    np.testing.assert_array_equal(np.concatenate(found), model.predict(X[:1024]))
    assert list(model.predict_blocks([])) == []
    assert [p.shape for p in net(6, last=[Grid()], replicas=2).predict_blocks([X[:0]])] == [(2, 0, 2, 3)]
    refused(
        lambda: list(model.predict_blocks([X, X[:0, 1:]])), ShapeError, r"blocks\), block 1: .*got \(0, 4\)"
    )
    refused(lambda: model.predict_blocks(X[:0]), ArgumentError, "at least one row")
    refused(lambda: model.predict("X.npy"), ArgumentTypeError, "got 'X.npy'. For a file write np.load")


def tables():
    """Make a table of numbers and words, and a model that takes it."""
    rng = np.random.default_rng(0)
    table = {"size": rng.normal(80, 20, 700), "kind": rng.choice(["loft", "attic"], 700)}
    encoder = nn.TableEncoder().fit(table)
    layers = [encoder.layer(), nn.Dense(encoder.width, 8), nn.Tanh(), nn.Dense(8, 1)]
    return table, nn.Sequential(layers, preprocessing=encoder, rng=0)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_blocks_may_be_frames(library):
    library = pytest.importorskip(library)
    X = data().round(3)
    frame = library.DataFrame(dict(zip("abcde", X.T, strict=True)))
    model = net()
    model.fit(frame, X[:, :3], loss=nn.MeanSquaredError(), optimizer=nn.SGD(0.01), epochs=1)
    parts = [frame[start : start + 1024] for start in range(0, ROWS, 1024)]
    np.testing.assert_array_equal(np.concatenate(list(model.predict_blocks(parts))), model.predict(X))
    np.testing.assert_array_equal(
        np.concatenate(list(model.predict_blocks([frame[:0], X[:512]]))), model.predict(X[:512])
    )
    turned = frame[["b", "a", "c", "d", "e"]]
    for wrong in (turned[:10], turned[:0]):
        found = model.predict_blocks([parts[0], wrong])
        next(found)
        refused(
            lambda found=found: next(found),
            ArgumentError,
            r"blocks\), block 1: .*X\[list\(model\.feature_names",
        )
    refused(
        lambda: model.predict_blocks(frame), ArgumentTypeError, r"got one DataFrame\. Write predict\(X\), or"
    )
    table, encoded = tables()
    table = library.DataFrame(table)
    parts = [table[:512], table[512:512], table[512:]]
    found = list(encoded.predict_blocks(parts))
    assert [len(pred) for pred in found] == [512, 0, 188]
    np.testing.assert_array_equal(np.concatenate(found), encoded.predict(table))
    broken = table[["size"]]
    refused(
        lambda: list(encoded.predict_blocks([table, broken])), ArgumentError, r"^Sequential.*block 1: .*kind"
    )


def test_a_file_of_text_is_read_piece_by_piece(tmp_path):
    pandas = pytest.importorskip("pandas")
    table, model = tables()
    pandas.DataFrame(table).to_csv(tmp_path / "flats.csv", index=False)
    with pandas.read_csv(tmp_path / "flats.csv", chunksize=512) as pieces:
        found = list(model.predict_blocks(pieces))
    np.testing.assert_array_equal(np.concatenate(found), model.predict(table))
    found = list(
        model.predict_blocks(
            {key: column[part] for key, column in table.items()} for part in (slice(512), slice(512, None))
        )
    )
    np.testing.assert_array_equal(np.concatenate(found), model.predict(table))


def test_blocks_may_be_sparse():
    sparse = pytest.importorskip("scipy.sparse")
    X = data()
    X[X < 0.5] = 0
    matrix, model = sparse.csr_array(X), net()
    parts = [matrix[:1024], matrix[1024:1024], matrix[1024:].tocoo()]
    found = list(model.predict_blocks(parts))
    assert [len(pred) for pred in found] == [1024, 0, ROWS - 1024]
    np.testing.assert_array_equal(np.concatenate(found), model.predict(matrix))
    refused(
        lambda: model.predict_blocks(matrix), ArgumentTypeError, r"got one csr_array\. Write predict\(X\), or"
    )
    refused(lambda: model.predict_blocks(sparse.dok_array(X)), ArgumentTypeError, "got one dok_array")


def test_a_bad_block_is_named_and_what_came_before_is_there():
    model, X = net(), data()
    bad = X[:4].copy()
    bad[3, 1] = np.inf
    where = r"^Sequential\.predict_blocks\(blocks\), block 2: "
    for block, error, message in [
        (bad, ArgumentError, r"infinity .* at index \(3, 1\)"),
        (X[:, 1:], ShapeError, r"got \(2300, 4\)"),
        (X[0], ShapeError, r"x\[None\]"),
        (None, ArgumentTypeError, "an array of numbers"),
        ([["a"] * FEATURES], ArgumentTypeError, "an array of numbers"),
        ([], ArgumentError, "at least one row"),
        (
            (X[:7], np.zeros(7)),
            ArgumentTypeError,
            r"a tuple of 2, .*predict_blocks\(x for x, \*_ in batches\)",
        ),
        ([X[:7], X[:7]], ArgumentTypeError, r"a list of 2, the first of shape \(7, 5\)"),
        ({"x": X[:7]}, ArgumentTypeError, "got dict"),
    ]:
        found = model.predict_blocks([X[:5], X[:3], block])
        assert [len(next(found)), len(next(found))] == [5, 3]
        refused(lambda found=found: next(found), error, where + ".*" + message)


def test_what_is_no_blocks_is_refused_at_once():
    model, X = net(), data()
    for blocks, message in [
        (None, "got NoneType. Write a generator function"),
        (5, "got int"),
        ("X.npy", "got one str"),
        ({"a": [1, 2]}, "got one dict. Write predict"),
        (lambda: 5, "got a function that returns int"),
        (np.float32(3), r"got one float32\. Write predict"),
    ]:
        refused(
            lambda blocks=blocks: model.predict_blocks(blocks),
            ArgumentTypeError,
            r"^Sequential\.predict_blocks\(blocks\): expected an iterable of blocks .*" + message,
        )
    refused(lambda: model.predict_blocks(X[:, 1:]), ShapeError, r"blocks\): .* got \(2300, 4\)")
    refused(lambda: model.predict_blocks(X.astype(str)), ArgumentTypeError, "an array of numbers")
    refused(lambda: model.predict_blocks([X], batch_size=0), ArgumentError, r"predict_blocks\(batch_size=\)")
    for blocks in (cut(X, 512), lambda: cut(X, 512)):
        refused(lambda blocks=blocks: model.predict(blocks), ArgumentTypeError, r"Write predict_blocks\(X\)")


def test_an_error_of_the_iterator_is_passed_on_as_it_is():
    model, X = net(), data()
    mine = ArgumentError("my file", "a header", "none", "Write one.")

    def blocks(error):
        yield X[:512]
        raise error

    for error in (OSError("the disk is gone"), mine):
        found = model.predict_blocks(blocks(error))
        np.testing.assert_array_equal(next(found), model.predict(X[:512]))
        with pytest.raises(type(error)) as caught:
            next(found)
        assert caught.value is error
        assert list(found) == []


def test_a_block_is_taken_when_it_is_asked_for_and_let_go_then():
    model, alive = net(), []

    def blocks():
        for _ in range(4):
            assert [reference() for reference in alive if reference() is not None] == []
            block = data()
            alive.append(weakref.ref(block))
            given = [block]
            del block
            yield given.pop()

    found = model.predict_blocks(blocks())
    assert alive == []
    for number in range(1, 5):
        pred = next(found)
        assert len(alive) == number
        alive.append(weakref.ref(pred))
        del pred
        alive.pop()
    assert list(found) == []


# Constant memory.

BLOCK = 1024
#: Bytes of a block of float32.
ONE = BLOCK * 64 * 4


def many(blocks):
    for _ in range(blocks):
        yield np.ones((BLOCK, 64))


def test_ten_times_the_blocks_take_no_more_memory():
    model = nn.Sequential([nn.Dense(64, 32), nn.ReLU(), nn.Dense(32, 10)], rng=0)

    def run(blocks):
        for pred in model.predict_blocks(many(blocks)):
            assert pred.shape == (BLOCK, 10)

    few, more = (peak(lambda n=n: run(n)) for n in (10, 100))
    assert more < 1.05 * few
    assert few < 3.5 * ONE  # a block of float64, the same in float32, and what stands between the layers


def test_ten_times_the_rows_take_no_more_memory_from_file_to_file(tmp_path, monkeypatch):
    monkeypatch.setattr("nnlite.data.lazy.BLOCK_BYTES", BLOCK * 64 * 8)
    model = nn.Sequential([nn.Dense(64, 32), nn.ReLU(), nn.Dense(32, 10)], rng=0)

    def run(rows):
        X = np.lib.format.open_memmap(tmp_path / "X", mode="w+", dtype=np.float64, shape=(rows, 64))
        y = np.lib.format.open_memmap(tmp_path / "y", mode="w+", dtype=np.float32, shape=(rows, 10))
        model.predict(X, out=y)

    few, more = (peak(lambda n=n: run(n)) for n in (10 * BLOCK, 100 * BLOCK))
    assert more < 1.05 * few
    assert few < 1.8 * ONE  # a block in float32; what it is read from is the file's


def test_predictions_of_an_array_are_in_memory_once():
    model = nn.Sequential([nn.Dense(4, 64)], rng=0)
    X = np.ones((100_000, 4), np.float32)
    assert peak(lambda: model.predict(X)) < 1.1 * 100_000 * 64 * 4


# dask.


@pytest.fixture
def dask():
    return pytest.importorskip("dask.array")


def test_dask_blocks_one_by_one_and_into_out(dask):
    model, X = net(), data()
    whole = model.predict(X)
    for chunks in ((512, FEATURES), (1024, 2), ((512, 0, 1788), FEATURES)):
        rows = dask.from_array(X, chunks=chunks)
        out = np.empty_like(whole)
        assert model.predict(rows, out=out) is out
        np.testing.assert_array_equal(out, whole)
        found = list(model.predict_blocks(rows))
        assert tuple(len(pred) for pred in found) == rows.chunks[0]
        np.testing.assert_array_equal(np.concatenate(found), whole)
    refused(lambda: model.predict_blocks(rows[:, 1:]), ShapeError, r"blocks\): .*got \(2300, 4\)")
    refused(lambda: model.predict_blocks(rows * 1j), ArgumentTypeError, "complex64")
    refused(lambda: model.predict(rows, out=out[1:]), ShapeError, r"out=\): .*\(2300, 3\)")
    bad = X.copy()
    bad[600, 4] = np.nan
    found = model.predict_blocks(dask.from_array(bad, chunks=(512, FEATURES)))
    next(found)
    refused(lambda: next(found), ArgumentError, r"blocks\), block 1: .*NaN at index \(88, 4\)")


def test_dask_blocks_of_unknown_length_and_of_no_rows(dask):
    model, X = net(), data()
    X[512:1024, 0] = -1
    for chunks in ((512, FEATURES), (512, 2)):
        rows = dask.from_array(X, chunks=chunks)
        kept = rows[rows[:, 0] > 0]
        found = list(model.predict_blocks(kept))
        assert len(found) == 5
        assert found[1].shape == (0, OUTPUTS)
        np.testing.assert_allclose(np.concatenate(found), model.predict(X[X[:, 0] > 0]), rtol=1e-5, atol=1e-6)


def test_dask_blocks_are_computed_when_asked_for_and_take_the_memory_of_one(dask):
    model, computed = nn.Sequential([nn.Dense(64, 4)], rng=0), []

    def make(block, block_info=None):
        computed.append(len(block))
        return np.ones((BLOCK, 64))

    def rows(blocks):
        empty = dask.zeros((blocks * BLOCK, 64), chunks=(BLOCK, 64))
        return empty.map_blocks(make, dtype=float, meta=np.empty((0, 0)))

    found = model.predict_blocks(rows(3))
    assert computed == []
    next(found)
    assert computed == [BLOCK]
    assert len(list(found)) == 2

    def run(blocks):
        for _ in model.predict_blocks(rows(blocks)):
            pass

    few, more = (peak(lambda n=n: run(n)) for n in (4, 40))
    assert more - few < BLOCK * 64 * 8  # less than a block for a graph that is ten times as large
    out = np.empty((40 * BLOCK, 4), np.float32)
    assert peak(lambda: model.predict(rows(40), out=out)) - few < BLOCK * 64 * 8


def lazily(rows, model, outputs=OUTPUTS):
    return rows.map_blocks(model.predict, dtype=np.float32, chunks=(rows.chunks[0], (outputs,)))


def test_dask_predicts_lazily_on_one_thread_and_on_many(dask):
    model, X = net(), data()
    rows = dask.from_array(X, chunks=(512, FEATURES))
    pred = lazily(rows, model)
    assert pred.shape == (ROWS, OUTPUTS)
    assert pred.dtype == np.float32
    for scheduler in ("synchronous", "threads"):
        np.testing.assert_array_equal(pred.compute(scheduler=scheduler, num_workers=4), model.predict(X))
    kept = rows[rows[:, 0] > -9].map_blocks(
        model.predict, dtype=np.float32, chunks=(rows.chunks[0], (OUTPUTS,))
    )
    np.testing.assert_array_equal(kept.compute(scheduler="threads"), model.predict(X))


def test_dask_stores_predictions_in_a_file_and_frames_are_predicted_too(dask, tmp_path):
    model, X = net(), data()
    out = np.lib.format.open_memmap(tmp_path / "y", mode="w+", dtype=np.float32, shape=(ROWS, OUTPUTS))
    dask.store(lazily(dask.from_array(X, chunks=(512, FEATURES)), model), out)
    np.testing.assert_array_equal(out, model.predict(X))
    frames = pytest.importorskip("dask.dataframe")
    table, encoded = tables()
    frame = frames.from_pandas(pytest.importorskip("pandas").DataFrame(table), npartitions=3)
    refused(
        lambda: encoded.predict_blocks(frame), ArgumentTypeError, r"Write \(part\.compute\(\) for part in"
    )
    found = list(encoded.predict_blocks(part.compute() for part in frame.partitions))
    assert len(found) == 3
    np.testing.assert_allclose(np.concatenate(found), encoded.predict(table), rtol=1e-5, atol=1e-6)
    pred = frame.map_partitions(encoded.predict, meta=np.empty((0, 1), np.float32))
    np.testing.assert_array_equal(pred.compute(), np.concatenate(found))


def test_dask_blocks_that_are_not_as_large_as_they_say_are_found(dask):
    model, rows = net(), dask.from_array(data(), chunks=(512, FEATURES))
    fewer = rows.map_blocks(lambda block: block[1:], dtype=np.float32, meta=np.empty((0, 0), np.float32))
    refused(
        lambda: model.predict(fewer), ShapeError, "block 0 .*: expected 512 rows, as its chunks say, got 511"
    )
    more = rows.map_blocks(lambda b: np.tile(b, (2, 1)), dtype=np.float32, meta=np.empty((0, 0), np.float32))
    refused(lambda: model.predict(more), ShapeError, "expected 512 rows, as its chunks say, got 1024")


def test_dask_tells_models_with_other_weights_apart(dask):
    model, rows = net(), dask.from_array(data(), chunks=(512, FEATURES))
    before = lazily(rows, model).name
    assert lazily(rows, model).name == before
    model.params.values[0] += 1
    assert lazily(rows, model).name != before
    assert lazily(rows, net(rng=1)).name != before


def test_threads_write_to_parts_of_one_array():
    model, X = net(), data()
    out = np.empty((ROWS, OUTPUTS), np.float32)
    parts = [slice(start, start + 512) for start in range(0, ROWS, 512)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda part: model.predict(X[part], out=out[part]), parts))
    np.testing.assert_array_equal(out, model.predict(X))


def page_block(word):
    """Return the block of docs/inference.md that is not run with the page and holds a word."""
    blocks = re.findall(
        r"^```py\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    (found,) = (block for block in blocks if word in block)
    return found


#: In a process of its own: what a cluster starts, logs and leaves behind is no business of the other tests.
CLUSTER = """
import os

import dask.array as da
import numpy as np
from distributed import LocalCluster

import nnlite as nn

if __name__ == "__main__":
    model = nn.Sequential([nn.Dense(5, 16), nn.Tanh(), nn.Dense(16, 10)], rng=0)
    X = np.random.default_rng(1).normal(size=(2300, 5)).astype(np.float32)
    rows = da.from_array(X, chunks=(512, 5))
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        address = cluster.scheduler_address
        {code}
        processes = set(client.run(os.getpid).values())
        client.close()
    assert len(processes - {{os.getpid()}}) == 2
    np.testing.assert_array_equal(pred, model.predict(X))
    print("the same")
"""


@pytest.mark.engines
def test_a_cluster_of_two_processes_gives_the_same_bits(tmp_path):
    pytest.importorskip("dask.array")
    try:
        version("distributed")
    except PackageNotFoundError:
        pytest.skip("distributed is not installed")
    code = page_block("Client").replace('"scheduler:8786"', "address")
    (tmp_path / "cluster.py").write_text(CLUSTER.format(code=indent(code, " " * 8).strip()), encoding="utf-8")
    path = os.pathsep.join(filter(None, [str(PAGE.parents[1]), os.environ.get("PYTHONPATH")]))
    run = subprocess.run(
        [sys.executable, "cluster.py"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.split("\n")[-2] == "the same"
