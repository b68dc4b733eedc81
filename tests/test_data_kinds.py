"""Data as people have it: frames, tensors, files, blocks, streams, each with the results of an array."""

import itertools
import re
import subprocess
import sys
import tracemalloc
from functools import partial

import numpy as np
import pytest

import nnlite as nn
from nnlite.data import lazy as rows_module
from nnlite.data.splits import HeldOut
from nnlite.errors import ArgumentError, ArgumentTypeError, ShapeError
from nnlite.training.sources import training_source

ROWS = 50
FORM = re.compile(r"\S.*?: expected \S.*, got \S(.*[^.])?\. [A-Z].*[^.]\.", re.DOTALL)


def data(rows=ROWS):
    rng = np.random.default_rng(7)
    X = rng.normal(size=(rows, 3)).round(3)
    return X, X @ [[1.0], [-2.0], [0.5]] + 0.3


def net(**options):
    return nn.Sequential([nn.Dense(3, 4), nn.Tanh(), nn.Dense(4, 1)], **{"rng": 0} | options)


def train(X, y, *, model=None, **options):
    """Train as the options say, and return the model and its history without the times."""
    model = net() if model is None else model
    options = {
        "loss": nn.MeanSquaredError(),
        "optimizer": nn.Adam(0.01),
        "epochs": 3,
        "batch_size": 8,
    } | options
    history = model.fit(X, y, **options)
    return model, [{k: v for k, v in row.items() if k != "seconds"} for row in history.rows]


def same(mine, theirs):
    """Compare two trainings bit by bit."""
    np.testing.assert_array_equal(mine[0].params.values, theirs[0].params.values)
    assert mine[1] == theirs[1]


def refused(call, error, message):
    with pytest.raises(error, match=message) as caught:
        call()
    assert FORM.fullmatch(str(caught.value)), str(caught.value)


# Frames, series and tensors.


@pytest.fixture(params=["pandas", "polars"])
def library(request):
    return pytest.importorskip(request.param)


@pytest.fixture
def frame(library):
    X, _ = data()
    return library.DataFrame(dict(zip("abc", X.T, strict=True)))


def test_a_frame_and_a_series_train_as_arrays_do(frame, library):
    X, y = data()
    weight = np.linspace(0.5, 2.0, ROWS)
    target = library.DataFrame({"y": y[:, 0]})
    mine = train(frame, target, weight=library.Series(weight), validation=(frame[:20], y[:20]))
    theirs = train(X, y, weight=weight, validation=(X[:20], y[:20]))
    same(mine, theirs)
    np.testing.assert_array_equal(mine[0].predict(frame), theirs[0].predict(X))
    assert mine[0].evaluate(frame, y, loss=nn.MeanSquaredError()) == theirs[0].evaluate(
        X, y, loss=nn.MeanSquaredError()
    )
    for a, b in zip(mine[0].activations(frame), theirs[0].activations(X), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_series_of_class_ids_and_metrics(frame, library):
    X, _ = data()
    ids = (X[:, 0] > 0).astype(int)

    def model():
        return nn.Sequential([nn.Dense(3, 2)], rng=0)

    options = {"loss": nn.SoftmaxCrossEntropy(), "metrics": [nn.accuracy], "validation": 0.2}
    same(train(frame, library.Series(ids), model=model(), **options), train(X, ids, model=model(), **options))
    assert nn.accuracy(np.eye(2)[ids], library.Series(ids)) == 1.0


def test_names_of_features_are_remembered_and_held_to(frame):
    X, y = data()
    model, _ = train(frame, y)
    assert model.feature_names == ("a", "b", "c")
    refused(
        lambda: model.predict(frame[["b", "a", "c"]]), ArgumentError, r"X\[list\(model\.feature_names\)\]"
    )
    np.testing.assert_array_equal(model.predict(frame[list(model.feature_names)]), model.predict(X))
    fresh = net()
    train(X, y, model=fresh)
    assert fresh.feature_names is None


def test_tables_of_one_training_have_the_same_columns(frame):
    X, y = data()
    turned = frame[["b", "a", "c"]]
    for call in (
        lambda model: train(frame, y, model=model, validation=(turned, y)),
        lambda model: train(frame, y, model=model, validation=[(X, y), (turned, y)]),
        lambda model: train([(X, y), (frame, y), (turned, y)], None, model=model, batch_size=None),
        lambda model: train([(frame, y)], None, model=model, validation=[(frame, y), (turned, y)]),
    ):
        model = net()
        before = model.params.values.copy()
        refused(lambda model=model, call=call: call(model), ArgumentError, "'b', 'a', 'c'.*the same order")
        np.testing.assert_array_equal(model.params.values, before)
        assert model.feature_names is None
    train(frame, y, validation=[(X, y), (frame, y)])


def test_names_that_are_no_text_have_a_fix_of_their_own():
    pd = pytest.importorskip("pandas")
    X, y = data()
    model, _ = train(pd.DataFrame(X), y)
    numbered = pd.DataFrame(X)[[2, 1, 0]]
    refused(lambda: model.predict(numbered), ArgumentError, r"Write X\.columns = X\.columns\.map\(str\), and")
    numbered.columns = numbered.columns.map(str)  # the fix
    np.testing.assert_array_equal(model.predict(numbered[list(model.feature_names)]), model.predict(X))


def test_a_list_of_frames_is_no_validation(frame):
    X, y = data()
    refused(lambda: train(X, y, validation=[frame, frame]), ArgumentTypeError, r"Write validation=\(X, y\)")


def test_a_column_of_words_is_named_with_the_encoder_as_the_fix(frame, library):
    X, y = data()
    mixed = library.DataFrame({"a": y[:, 0], "city": ["Rome", "Oslo"] * 25, "c": y[:, 0]})
    for call in (
        lambda: train(mixed, y),
        lambda: net().predict(mixed),
        lambda: net().loss_and_grad(mixed, y, nn.MeanSquaredError()),
        lambda: train(X, y, validation=(mixed, y)),
        lambda: net().adapt(mixed),
    ):
        refused(
            call,
            ArgumentTypeError,
            r"numbers in every column, got dtype .* in column 'city'\. .*TableEncoder",
        )


def test_integers_truth_values_and_mixtures_are_numbers(library):
    _, y = data()
    columns = {"a": np.arange(ROWS), "b": np.arange(ROWS) % 2 == 0, "c": y[:, 0]}
    mixed = library.DataFrame(columns)
    expected = np.column_stack(list(columns.values())).astype(float)
    np.testing.assert_array_equal(net().predict(mixed), net().predict(expected))
    bools = library.DataFrame(dict.fromkeys("abc", columns["b"]))
    np.testing.assert_array_equal(net().predict(bools), net().predict(np.column_stack([columns["b"]] * 3)))


def test_missing_entries_are_named(library):
    _, y = data(3)
    if library.__name__ == "pandas":
        whole = library.DataFrame({name: library.array([1, 2, 3], dtype="Int64") for name in "abc"})
        series = library.Series([1.0, None, 3.0], dtype="Float64", name="price")
    else:
        whole = library.DataFrame({name: [1, 2, 3] for name in "abc"})
        series = library.Series("price", [1.0, None, 3.0])
    np.testing.assert_array_equal(net().predict(whole), net().predict(np.arange(1, 4)[:, None] * np.ones(3)))
    gap = [1, None, 3]
    part = library.DataFrame({"a": [1, 2, 3], "b": [1.0, 2.0, 3.0], "c": gap})
    if library.__name__ == "pandas":
        part["c"] = library.array(gap, dtype="Int64")
    refused(
        lambda: net().predict(part), ArgumentError, r"1 in column 'c', the first in row 1\. .*TableEncoder"
    )
    refused(
        lambda: train(whole, y, weight=series), ArgumentError, r"1 in a series 'price', the first in row 1"
    )


def test_a_nullable_series_is_a_target():
    pandas = pytest.importorskip("pandas")
    X, _ = data()
    ids = np.arange(ROWS) % 2
    model = nn.Sequential([nn.Dense(3, 2)], rng=0)
    for dtype in ("Int64", "UInt8", "boolean", "int64[pyarrow]"):
        if "pyarrow" in dtype:
            pytest.importorskip("pyarrow")
        y = pandas.Series(ids, dtype=dtype)
        assert model.evaluate(X, y, metrics=[nn.accuracy]) == model.evaluate(X, ids, metrics=[nn.accuracy])


def test_dates_and_objects_are_refused():
    pandas = pytest.importorskip("pandas")
    X, _ = data()
    frame = pandas.DataFrame(X, columns=list("abc"))
    dates = frame.assign(b=pandas.date_range("2020", periods=ROWS))
    refused(lambda: net().predict(dates), ArgumentTypeError, r"datetime64.* in column 'b'\. Count the days")
    objects = frame.assign(b=frame["b"].astype(object))
    refused(
        lambda: net().predict(objects), ArgumentTypeError, r"object in column 'b'\. Write \.astype\(float\)"
    )
    categories = frame.assign(b=(frame["b"] > 0).astype(str).astype("category"))
    refused(lambda: net().predict(categories), ArgumentTypeError, r"category in column 'b'\. TableEncoder")


def test_a_lazy_frame_is_refused():
    polars = pytest.importorskip("polars")
    lazy = polars.DataFrame({"a": [1.0]}).lazy()
    refused(lambda: net().predict(lazy), ArgumentTypeError, r"a lazy frame\. Write \.collect\(\)")


def test_parts_of_a_frame_are_frames(frame, library):
    X, y = data()
    parts = nn.train_test_split(frame, library.Series(y[:, 0]), rng=0)
    expected = nn.train_test_split(X, y[:, 0], rng=0)
    assert type(parts[0]) is type(parts[1]) is type(frame)
    for mine, theirs in zip(parts, expected, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    for mine, theirs in zip(nn.batches(frame, y, rng=0), nn.batches(X, y, rng=0), strict=True):
        np.testing.assert_array_equal(mine[0], theirs[0])


def test_a_frame_without_targets_is_no_stream_of_batches(frame):
    refused(lambda: train(frame, None), ArgumentTypeError, r"got DataFrame and no y\. Give the targets too")
    X, y = data()
    refused(lambda: train(X, y, validation=frame), ArgumentTypeError, r"a tuple \(X, y\)")


@pytest.mark.parametrize("kind", [list, np.int16, np.uint8, bool, np.float16], ids=lambda kind: kind.__name__)
def test_lists_integers_and_truth_values(kind):
    X, y = data()
    given = X.tolist() if kind is list else np.abs(X * 10).astype(kind)
    same(train(given, y.tolist()), train(np.asarray(given, np.float64), y))


def test_tensors():
    torch = pytest.importorskip("torch")
    X, y = data()
    tensors = torch.tensor(X, requires_grad=True), torch.tensor(y)
    same(train(*tensors), train(X, y))
    half = torch.tensor(X, dtype=torch.bfloat16)
    refused(lambda: net().predict(half), ArgumentTypeError, r"bfloat16 .*\. Write \.float\(\)")


# Batches from elsewhere.


def test_a_data_loader_gives_batches():
    torch = pytest.importorskip("torch")
    X, y = (array.astype(np.float32) for array in data())
    dataset = torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(y))
    loader = torch.utils.data.DataLoader(dataset, batch_size=8)
    mine = train(loader, None, validation=loader, metrics=[nn.r2])
    same(mine, train(X, y, shuffle=False, validation=(X, y), metrics=[nn.r2]))
    loss = nn.MeanSquaredError()
    assert mine[0].evaluate(loader, loss=loss) == mine[0].evaluate(X, y, loss=loss)


def test_batches_that_are_dicts_are_refused():
    X, y = data()
    batches = [{"image": X, "label": y}]
    message = r"batch 1: batch: expected \(x, y\) or .*, got dict\. .*yield b\['image'\], b\['label'\]"
    refused(lambda: train(batches, None), ArgumentTypeError, message)


def test_a_function_that_makes_batches_is_called_for_every_pass():
    X, y = data()
    made = []

    def make():
        made.append(0)
        for start in range(0, ROWS, 8):
            made[-1] += 1
            yield X[start : start + 8], y[start : start + 8]

    mine = train(make, None, validation=make)
    assert made == [7] * 6  # three epochs of training, and of validation
    same(mine, train(X, y, shuffle=False, validation=(X, y)))
    assert mine[0].evaluate(make, loss=nn.MeanSquaredError())["loss"] == pytest.approx(
        mine[1][-1]["validation_loss"]
    )


def test_a_standardize_layer_sees_all_that_is_made():
    X, y = data()
    model = nn.Sequential([nn.Standardize(3), nn.Dense(3, 1)], rng=0)
    train(lambda: iter([(X[:30], y[:30]), (X[30:], y[30:])]), None, model=model, epochs=1)
    np.testing.assert_allclose(model[0].mean, X.mean(0), rtol=1e-5)


X0, Y0 = data()
GENERATOR = [(X0, Y0)]
# One mistake a line: as a table they can be read, wrapped they cannot.
# fmt: off
# ruff: noqa: E501
STREAM_MISTAKES = [
    ("a generator", lambda: train((b for b in GENERATOR), None), ArgumentTypeError, "give a list, or the function that makes it, uncalled"),
    ("for validation", lambda: train(X0, Y0, validation=(b for b in GENERATOR)), ArgumentTypeError, "give the function that makes it"),
    ("in evaluate", lambda: net().evaluate((b for b in GENERATOR), loss=nn.MeanSquaredError()), ArgumentTypeError, "the function that makes it"),
    ("the same iterator", lambda: train(partial(next, itertools.repeat(iter(GENERATOR))), None), ArgumentError, "a new iterator at each call, got one that returns the same again"),
    ("nothing", lambda: train(lambda: None, None), ArgumentTypeError, "one that returns NoneType. Write a generator function"),
    ("no batches", lambda: train(lambda: iter(()), None), ArgumentError, "at least one batch"),
    ("a bad batch", lambda: train(lambda: iter([(X0, Y0), (X0, Y0[:3])]), None), ShapeError, "fit, batch 2: y: expected 50 rows"),
    ("a class", lambda: train(list, None), ArgumentTypeError, "type and no y"),
    ("a fraction", lambda: train(lambda: iter(GENERATOR), None, validation=0.2), ArgumentError, "data that come in batches"),
]
# fmt: on


@pytest.mark.parametrize(
    ("call", "error", "message"), [m[1:] for m in STREAM_MISTAKES], ids=[m[0] for m in STREAM_MISTAKES]
)
def test_what_is_no_stream_is_refused(call, error, message):
    refused(call, error, message)


# Files.


@pytest.fixture(params=["float32", "float64", "uint8", "float32, Fortran order"])
def mapped(request, tmp_path):
    """Write numbers to a file, and give a view of it that is not read as a whole."""
    dtype, _, order = request.param.partition(", ")
    X, y = data()
    values = np.asarray(np.abs(X * 20) if dtype == "uint8" else X, dtype, order="F" if order else "C")
    np.save(tmp_path / "X.npy", values)
    return np.load(tmp_path / "X.npy", mmap_mode="r"), values, y


@pytest.mark.parametrize(
    "options",
    [{}, {"shuffle": False}, {"validation": 0.3}, {"batch_size": 1000}, {"optimizer": nn.LBFGS()}, {"weight": np.linspace(0, 1, ROWS)},
     {"shuffle": lambda rows: np.arange(rows)[::-1]}],
    ids=["plain", "in order", "fraction", "one batch", "lbfgs", "weights", "own order"],
)  # fmt: skip
def test_a_file_trains_to_the_bits_of_the_array(mapped, options, monkeypatch):
    monkeypatch.setattr(rows_module, "BLOCK_BYTES", 80)  # some rows
    X, values, y = mapped
    options = {"optimizer": nn.Adam(0.01), "metrics": [nn.r2]} | options
    mine = train(X, y, **options | {"optimizer": type(options["optimizer"])()})
    theirs = train(values, y, **options | {"optimizer": type(options["optimizer"])()})
    np.testing.assert_array_equal(mine[0].params.values, theirs[0].params.values)
    for one, other in zip(mine[1], theirs[1], strict=True):
        for name in set(one) - {"learning_rate"}:
            assert one[name] == pytest.approx(other[name], rel=1e-5)  # validation is read in other blocks


def test_a_file_is_read_in_blocks_to_predict_measure_and_adapt(mapped, monkeypatch):
    monkeypatch.setattr(rows_module, "BLOCK_BYTES", 80)
    X, values, y = mapped
    sizes = []
    read = rows_module.FileRows.__getitem__
    monkeypatch.setattr(
        rows_module.FileRows,
        "__getitem__",
        lambda self, key: sizes.append(key.stop - key.start) or read(self, key),
    )
    model, loss = net(), nn.MeanSquaredError()
    np.testing.assert_allclose(model.predict(X), model.predict(values), rtol=1e-5, atol=1e-6)
    assert model.evaluate(X, y, loss=loss)["loss"] == pytest.approx(
        model.evaluate(values, y, loss=loss)["loss"]
    )
    model = nn.Sequential([nn.Standardize(3), nn.Dense(3, 1)], rng=0)
    model.adapt(X)
    np.testing.assert_allclose(model[0].mean, values.astype(np.float32).mean(0), rtol=1e-5)
    rows = max(1, 80 // (3 * values.itemsize))
    assert sizes == [rows] * (3 * -(-ROWS // rows))


def test_blocks_of_a_file_give_the_bits_of_the_array(tmp_path):
    X = np.random.default_rng(0).normal(size=(1500, 999)).astype(np.float32)
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    model = nn.Sequential([nn.Dense(999, 2)], rng=0)
    assert model.boundary.in_blocks(mapped, where="here").block_rows() == 1024
    np.testing.assert_array_equal(model.predict(mapped), model.predict(X))


@pytest.mark.parametrize("kind", ["Fortran order", "odd place"])
def test_rows_are_taken_without_a_copy_of_the_file(kind, tmp_path):
    if kind == "odd place":
        (tmp_path / "X").write_bytes(bytes(3 + 1000 * 100 * 8))
        mapped = np.memmap(tmp_path / "X", np.float64, mode="r", offset=3, shape=(1000, 100))
    else:
        np.save(tmp_path / "X.npy", np.zeros((1000, 100), order="F"))
        mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    rows = rows_module.FileRows(mapped, lambda read, rows: read)
    tracemalloc.start()
    rows.take(np.array([3, 5]))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < mapped.nbytes / 4


def test_targets_in_a_file(tmp_path, monkeypatch):
    monkeypatch.setattr(rows_module, "BLOCK_BYTES", 80)
    X, y = data()
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "y.npy", y)
    np.save(tmp_path / "ids.npy", np.arange(ROWS, dtype=np.uint8) % 3)
    x, targets, ids = (np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in ("X", "y", "ids"))
    np.testing.assert_array_equal(train(x, targets)[0].params.values, train(X, y)[0].params.values)
    mine, theirs = (
        train(
            a, b, model=nn.Sequential([nn.Dense(3, 3)], rng=0), loss=nn.SoftmaxCrossEntropy(), validation=0.2
        )
        for a, b in ((x, ids), (X, np.array(ids)))
    )
    np.testing.assert_array_equal(mine[0].params.values, theirs[0].params.values)
    refused(lambda: train(x, targets[:-1]), ShapeError, "y: expected 50 rows, as many as X")
    narrow = nn.Sequential([nn.Dense(3, 2)], rng=0)
    message = r"^y for SoftmaxCrossEntropy\(\): expected .*"
    refused(lambda: train(x, ids, model=narrow, loss=nn.SoftmaxCrossEntropy()), ArgumentError, message)
    y[30] = np.nan
    np.save(tmp_path / "bad.npy", y)
    bad = np.load(tmp_path / "bad.npy", mmap_mode="r")
    message = r"^y, row 30 of the file: MeanSquaredError\(\) target: .* NaN at index \(0, 0\)"
    for shuffle in (True, False):
        refused(lambda shuffle=shuffle: train(x, bad, shuffle=shuffle), ArgumentError, message)
    refused(
        lambda: train(X[:9], y[:9], validation=(x, bad)),
        ArgumentError,
        r"^fit\(validation=\): " + message[1:],
    )


@pytest.mark.parametrize("rng", [0, [0, 1]], ids=["one seed", "a seed each"])
@pytest.mark.parametrize("options", [{}, {"validation": 0.3}], ids=["plain", "fraction"])
def test_replicas_share_a_file(mapped, rng, options, monkeypatch):
    monkeypatch.setattr(rows_module, "BLOCK_BYTES", 80)
    X, values, y = mapped
    mine, theirs = (train(a, y, model=net(replicas=2, rng=rng), **options) for a in (X, values))
    np.testing.assert_array_equal(mine[0].params.values, theirs[0].params.values)


def test_replicas_with_rows_of_their_own_in_a_file(tmp_path):
    X, y = data()
    train_rows, _ = nn.k_folds(ROWS, 5, rng=0)
    np.save(tmp_path / "X.npy", X[train_rows])
    own = np.load(tmp_path / "X.npy", mmap_mode="r")
    mine, theirs = (train(a, y[train_rows], model=net(replicas=5)) for a in (own, X[train_rows]))
    same(mine, theirs)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
@pytest.mark.parametrize("shuffle", [True, False])
def test_a_number_that_is_not_finite_is_named_by_its_row_in_the_file(value, shuffle, tmp_path, monkeypatch):
    monkeypatch.setattr(rows_module, "BLOCK_BYTES", 80)
    X, y = data()
    X[37, 1] = value
    np.save(tmp_path / "X.npy", X)
    bad = np.load(tmp_path / "X.npy", mmap_mode="r")
    model = net()
    before = model.params.values.copy()
    message = r"expected finite numbers, got (NaN|infinity .*) at index \(37, 1\)"
    refused(lambda: train(bad, y, model=model, shuffle=shuffle), ArgumentError, r"fit\(X\): " + message)
    np.testing.assert_array_equal(model.params.values, before)
    in_validation = r"^fit\(validation=\): X: " + message
    refused(lambda: train(X[:30], y[:30], validation=(bad, y)), ArgumentError, in_validation)
    refused(lambda: train(bad, y, validation=0.9, model=net(rng=4)), ArgumentError, message)
    refused(lambda: train(bad, y, model=net(replicas=2, rng=[0, 1])), ArgumentError, message)
    refused(lambda: model.predict(bad), ArgumentError, r"predict\(X\): " + message)


def test_a_file_that_does_not_fit_is_refused_before_it_is_read(tmp_path, monkeypatch):
    def no_reading(*args):
        raise AssertionError("read")

    monkeypatch.setattr(rows_module.FileRows, "__getitem__", no_reading)
    monkeypatch.setattr(rows_module.FileRows, "take", no_reading)
    X, y = data()
    for name, array in (("wide", np.ones((ROWS, 4))), ("complex", X * 1j), ("fits", X)):
        np.save(tmp_path / f"{name}.npy", array)
    wide, unreal, fits = (np.load(tmp_path / f"{n}.npy", mmap_mode="r") for n in ("wide", "complex", "fits"))
    for call in (lambda X: train(X, y), net().predict, net().adapt):
        refused(lambda call=call: call(wide), ShapeError, r"shape \(batch, 3\), got \(50, 4\)")
        refused(lambda call=call: call(unreal), ArgumentTypeError, "dtype complex128")
    refused(lambda: train(fits, y[:-1]), ShapeError, "50 rows, as many as X")
    refused(lambda: train(fits, y, weight=np.ones(3)), ShapeError, r"weights of shape \(50,\)")


MEMORY = """
import sys
import numpy as np
import nnlite as nn

features, dtype = 2**18, np.dtype(sys.argv[2])
rows = 4 * 2**30 // (features * dtype.itemsize)


def anonymous():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("RssAnon"))


class Watch(nn.Layer):
    # looks whenever rows come by, in training and after it

    def __init__(self):
        self.peak = 0

    def forward(self, x, ctx=None):
        self.peak = max(self.peak, anonymous())
        return x

    def backward(self, dy, ctx):
        return dy


class Stop(nn.Callback):
    def on_batch_end(self, state):
        if state.batch == 10:
            state.stop("seen enough")


X = np.memmap(sys.argv[1], dtype, "w+", shape=(rows, features))  # a file of 4 GiB that takes no room
y = np.zeros(rows, int)
watch, some = Watch(), rows // 8
model = nn.Sequential([watch, nn.Dense(features, 3)], rng=0)
model.fit(
    X, y, loss=nn.SoftmaxCrossEntropy(), optimizer=nn.Adam(), epochs=1, batch_size=16,
    validation=0.1, metrics=[nn.accuracy], callbacks=[Stop()],
)
assert model.predict(X[:some]).shape == (some, 3)
model.evaluate(X[:some], y[:some], metrics=[nn.accuracy])
print(X.nbytes, watch.peak)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says how much memory belongs to no file")
@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.thorough)])
def test_four_gigabytes_on_disk_train_in_under_300_megabytes(dtype, tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", MEMORY, str(tmp_path / "X"), dtype],
        capture_output=True,
        text=True,
        check=False,
    )
    (tmp_path / "X").unlink()
    assert run.returncode == 0, run.stderr
    size, peak = map(int, run.stdout.split())
    assert size == 4 * 2**30
    assert peak < 200 * 1000  # kB; so far below 300 MB that a copy of any part would show


# Blocks.


@pytest.fixture
def dask():
    return pytest.importorskip("dask.array")


def chunks(dask, array, rows=(7, 20, 3, 20)):
    return dask.from_array(array, chunks=(rows, *((1,) * size for size in array.shape[1:])))


@pytest.mark.parametrize(
    "options", [{}, {"batch_size": 30}, {"batch_size": 1000}, {"weight": np.linspace(0, 1, ROWS)}], ids=str
)
@pytest.mark.parametrize("lazy_y", [True, False])
def test_dask_arrays_train_in_order_as_arrays_do(options, lazy_y, dask):
    X, y = data()
    given = chunks(dask, y, (25, 25)) if lazy_y else y
    same(train(chunks(dask, X), given, shuffle=False, **options), train(X, y, shuffle=False, **options))


def test_dask_blocks_are_shuffled_and_every_row_comes_once(dask):
    X, _ = data()
    seen = []

    class Watch(nn.Layer):
        def forward(self, x, ctx=None):
            if ctx is not None:
                seen.append(x[:, 0].copy())
            return x

        def backward(self, dy, ctx):
            return dy

    X[:, 0] = np.arange(ROWS)
    model = nn.Sequential([Watch(), nn.Dense(3, 1)], rng=0)
    options = {"loss": nn.MeanSquaredError(), "optimizer": nn.SGD(1e-6), "epochs": 3, "batch_size": 8}
    model.fit(chunks(dask, X), X[:, :1], **options)
    epochs = [np.concatenate(seen[start : start + 7]).astype(int) for start in (0, 7, 14)]
    assert [len(part) for part in seen] == ([8] * 6 + [2]) * 3
    orders = set()
    for order in epochs:
        assert sorted(order) == list(range(ROWS))
        blocks = np.searchsorted([7, 27, 30, 50], order, side="right")
        # a block is gone through before the next one is begun, in an order of its own
        runs = [int(block) for at, block in enumerate(blocks) if at == 0 or block != blocks[at - 1]]
        assert sorted(runs) == [0, 1, 2, 3]
        assert not (np.diff(order[blocks == 1]) > 0).all()
        orders.add(tuple(runs))
    assert len(orders) > 1


def test_a_part_of_a_dask_array_is_held_out(dask):
    X, y = data()
    whole = chunks(dask, X)
    blocks = training_source(net(), whole, y, np.arange(ROWS) + 1.0, nn.MeanSquaredError())
    parts = blocks.split(HeldOut(0.3), np.random.default_rng(0))
    assert [part.rows for part in parts] == [35, 15]
    weights = [np.concatenate([w for _, _, w in part.in_order()]) for part in parts]
    assert sorted(np.concatenate(weights)) == list(range(1, ROWS + 1))
    for part in parts:
        for x, t, w in part.in_order():
            np.testing.assert_array_equal(x, X[w.astype(int) - 1].astype(np.float32))
            np.testing.assert_array_equal(t, y[w.astype(int) - 1].astype(np.float32))
    _, rows = train(whole, y, validation=0.3, metrics=[nn.r2])
    assert all(np.isfinite(row["validation_loss"]) for row in rows)


def test_dask_blocks_are_computed_one_at_a_time(dask):
    X, y = data()
    computed = []

    def look(block, block_info=None):
        computed.append(len(block))
        return block

    rows = (10,) * 5
    watched = dask.from_array(X, chunks=(rows, (3,))).map_blocks(look, dtype=X.dtype, meta=X[:0])
    model = nn.Sequential([nn.Standardize(3), nn.Dense(3, 1)], rng=0)
    model.adapt(watched)
    assert computed == [10] * 5
    np.testing.assert_allclose(model.predict(watched), model.predict(X), rtol=1e-6)
    assert computed == [10] * 10
    loss = nn.MeanSquaredError()
    assert model.evaluate(watched, y, loss=loss)["loss"] == pytest.approx(
        model.evaluate(X, y, loss=loss)["loss"]
    )
    assert computed == [10] * 15
    train(watched, chunks(dask, y), model=model, epochs=2, validation=(watched, y))
    assert computed == [10] * 35


def test_dask_blocks_may_be_empty(dask):
    X, y = data()
    given = chunks(dask, X, (20, 0, 30))
    same(train(given, y, shuffle=False), train(X, y, shuffle=False))
    model, rows = train(given, y, validation=0.05)
    assert len(rows) == 3
    assert model.predict(given).shape == (ROWS, 1)


def test_dask_blocks_may_be_sparse(dask):
    sparse = pytest.importorskip("scipy.sparse")
    X, y = data()
    X[np.abs(X) < 1] = 0
    blocks = dask.from_array(X, chunks=(20, 3)).map_blocks(sparse.csr_array, dtype=X.dtype)
    mine, theirs = (train(a, y, shuffle=False, model=net(dtype=np.float64)) for a in (blocks, X))
    np.testing.assert_allclose(mine[0].params.values, theirs[0].params.values, rtol=1e-9)


#: What dask is not told about its blocks: they are longer, shorter, empty, narrower, or of another kind.
LIES = {
    "longer": (lambda b: np.r_[b, b], ShapeError, "expected {rows} rows, as its chunks say, got {twice}"),
    "shorter": (lambda b: b[:-1], ShapeError, "expected {rows} rows, as its chunks say, got {less}"),
    "empty": (lambda b: b[:0], ShapeError, "expected {rows} rows, as its chunks say, got 0"),
    "wider": (lambda b: np.c_[b, b], ShapeError, r"expected shape \({rows}, \d\), as its chunks say, got"),
    "objects": (lambda b: b.astype(object), ArgumentTypeError, "an array of numbers, got dtype object"),
}
DOORS = {
    "fit": ("x", lambda X, y, w: train(X, y, shuffle=False)),
    "fit, targets": ("y", lambda X, y, w: train(X, y, shuffle=False)),
    "fit, targets in memory": ("y", lambda X, y, w: train(np.asarray(X), y)),
    "fit, weights": ("w", lambda X, y, w: train(X, y, weight=w[:, 0])),
    "a part held out": ("x", lambda X, y, w: train(X, y, validation=0.2)),
    "validation": ("x", lambda X, y, w: train(*data(), validation=(X, y))),
    "validation targets": ("y", lambda X, y, w: train(*data(), validation=(X, y))),
    "a batch": ("x", lambda X, y, w: train([(X, y)], None, batch_size=None)),
    "predict": ("x", lambda X, y, w: net().predict(X)),
    "predict_blocks": ("x", lambda X, y, w: list(net().predict_blocks(X))),
    "activations": ("x", lambda X, y, w: net().activations(X)),
    "evaluate": ("x", lambda X, y, w: net().evaluate(X, y, loss=nn.MeanSquaredError())),
    "adapt": ("x", lambda X, y, w: nn.Sequential([nn.Standardize(3)]).adapt(X)),
}


@pytest.mark.parametrize(
    ("lie", "door"),
    # Of the weights the test cuts one column out, and with it what is wider.
    [(lie, door) for lie in LIES for door in DOORS if (lie, door) != ("wider", "fit, weights")],
)
def test_dask_blocks_are_what_their_chunks_say(lie, door, dask):
    """Once rows that a block had beyond its chunk were dropped, and a short block was a raw IndexError."""
    change, error, message = LIES[lie]
    which, call = DOORS[door]
    X, y = data()
    parts = {"x": X, "y": y, "w": np.ones((ROWS, 1))}
    given = {name: chunks(dask, array, (25, 25)) for name, array in parts.items()}
    lazily = given[which].rechunk((25, -1)).map_blocks(lambda block: change(block), dtype=float)
    given[which] = lazily if lie != "objects" else lazily.map_blocks(lambda block: block, dtype=float)
    message = message.format(rows=25, twice=50, less=24)
    with pytest.raises(error, match=message) as caught:
        call(given["x"], given["y"], given["w"])
    assert FORM.fullmatch(str(caught.value)), str(caught.value)
    if error is ShapeError:
        assert re.search(r"block [01] of the dask array", str(caught.value))
    if door.startswith("validation"):
        assert str(caught.value).startswith("fit(validation=)") or lie == "objects"


def test_targets_are_compared_with_their_chunks_before_dask_cuts_them(dask):
    X, y = data()
    twice = dask.from_array(np.c_[y, y], chunks=(ROWS, 2)).map_blocks(lambda b: np.r_[b, b], dtype=float)
    two = nn.Sequential([nn.Dense(3, 2)], rng=0)
    refused(
        lambda: train(chunks(dask, X, (25, 25)), twice, model=two),
        ShapeError,
        "^y, block 0 of the dask array: expected 50 rows, as its chunks say, got 100",
    )
    counted = dask.from_array(X, chunks=(25, 3)).map_blocks(lambda b: b[:20], dtype=float)
    counted.compute_chunk_sizes()
    assert net().predict(counted).shape == (40, 1)


# Masked arrays.


def masked(array):
    mask = np.zeros(array.shape, bool)
    mask[1] = True
    return np.ma.array(np.where(mask, 999, array), mask=mask)


def rows_of(array):
    return [np.ma.array(row) for row in array]


def with_constants(array):
    """A list of lists in which NumPy's constant stands for what is masked."""
    return [[np.ma.masked if gone else 1.0 for gone in row] for row in array.mask.reshape(len(array), -1)]


def in_dask(array):
    return pytest.importorskip("dask.array").from_array(array, chunks=(10, *array.shape[1:]))


MASKED = {"array": lambda a: a, "rows": rows_of, "tuple": lambda a: tuple(rows_of(a)), "dask": in_dask}
MASKED_DOORS = {
    "predict": lambda X, y, w, Z, v: net().predict(Z(X)),
    "predict_blocks": lambda X, y, w, Z, v: list(net().predict_blocks([Z(X)])),
    "forward": lambda X, y, w, Z, v: net().forward(Z(X)),
    "fit X": lambda X, y, w, Z, v: train(Z(X), v(y)),
    "fit y": lambda X, y, w, Z, v: train(v(X), Z(y)),
    "fit weight": lambda X, y, w, Z, v: train(v(X), v(y), weight=Z(w)),
    "a batch": lambda X, y, w, Z, v: train([(v(X), Z(y))], None, batch_size=None),
    "validation": lambda X, y, w, Z, v: train(v(X), v(y), validation=(Z(X), v(y))),
    "evaluate": lambda X, y, w, Z, v: net().evaluate(v(X), Z(y), loss=nn.MeanSquaredError()),
    "a metric": lambda X, y, w, Z, v: nn.metrics.r2(v(y), Z(y)),
    "a loss": lambda X, y, w, Z, v: nn.MeanSquaredError().value_and_grad(v(y), Z(y)),
    "a loss, weights": lambda X, y, w, Z, v: nn.MeanSquaredError().value_and_grad(v(y), v(y), Z(w)),
    "a loss, predictions": lambda X, y, w, Z, v: nn.Huber().value_and_grad(Z(y), v(y)),
    "adapt": lambda X, y, w, Z, v: nn.Standardize(3).adapt(Z(X)),
    "train_test_split": lambda X, y, w, Z, v: nn.train_test_split(Z(X), v(y)),
    "batches": lambda X, y, w, Z, v: nn.batches(v(X), Z(y)),
    "one_hot": lambda X, y, w, Z, v: nn.one_hot(Z(w)),
}


@pytest.mark.parametrize(
    ("kind", "door"),
    [(kind, door) for kind in MASKED for door in MASKED_DOORS if kind != "dask" or "a loss" not in door],
)
def test_masked_entries_are_refused_where_nothing_may_be_missing(kind, door):
    X, y = data()
    parts = [masked(a) for a in (X, y, np.ones(ROWS, int))]
    plain = np.ma.getdata
    message = "expected numbers without a mask, got masked entries. Fill or drop"
    refused(lambda: MASKED_DOORS[door](*parts, MASKED[kind], plain), ArgumentError, message)


def test_the_constant_for_a_masked_entry_is_seen_in_lists():
    refused(lambda: net().predict([[np.ma.masked, 1.0, 2.0]]), ArgumentError, "got masked entries")
    refused(lambda: train(data()[0], with_constants(masked(data()[1]))), ArgumentError, "got masked entries")
    objects = np.array([[1.0, np.ma.masked, 2.0]], dtype=object)
    with pytest.raises((ArgumentError, ArgumentTypeError)):
        net().predict(objects)


def test_a_masked_array_without_masked_entries_is_an_array():
    X, y = data()
    same(train(np.ma.array(X), np.ma.array(y, mask=np.zeros_like(y))), train(X, y))
    np.testing.assert_array_equal(net().predict(rows_of(X)), net().predict(X))


@pytest.mark.parametrize("kind", [*MASKED, "constants"])
def test_masked_targets_are_missing_ones_for_a_loss_that_bears_it(kind):
    X, y = data()
    gaps = y.copy()
    gaps[1] = np.nan
    given = (MASKED | {"constants": lambda a: with_constants(np.ma.array(y, mask=a.mask))})[kind](masked(y))
    if kind == "constants":
        gaps[np.arange(ROWS) != 1] = 1.0
    options = {"loss": nn.Masked(nn.MeanSquaredError())}
    same(train(X, given, **options), train(X, gaps, **options))
    assert net().evaluate(X, given, **options) == net().evaluate(X, gaps, **options)
    if kind == "array":
        value, grad = options["loss"].value_and_grad(np.ones_like(y), given)
        right, slopes = options["loss"].value_and_grad(np.ones_like(y), gaps)
        assert value == right
        np.testing.assert_array_equal(grad, slopes)


def test_missing_targets_of_frames_and_series_likewise(library):
    X, _ = data(4)
    loss = nn.Masked(nn.MeanSquaredError())
    numbers = [1, None, 3, 4]
    gaps = np.array([[1], [np.nan], [3], [4]])
    frames = [library.DataFrame({"y": numbers}), library.DataFrame({"y": [True, None, True, True]})]
    if library.__name__ == "pandas":
        frames = [library.DataFrame({"y": library.array(numbers, dtype=d)}) for d in ("Int64", "Float64")]
    for frame in frames:
        assert np.isfinite(net().evaluate(X, frame, loss=loss)["loss"])
        refused(
            lambda frame=frame: net().evaluate(X, frame, loss=nn.MeanSquaredError()),
            ArgumentError,
            "1 in column 'y'",
        )
    assert net().evaluate(X, frames[0], loss=loss) == net().evaluate(X, gaps, loss=loss)


def test_arrow_says_what_is_missing():
    arrow = pytest.importorskip("pyarrow")
    X, y = data(3)
    message = "weight: expected no missing entries, got 1 in a series, the first in row 1"
    refused(lambda: train(X, y, weight=arrow.array([1, None, 3])), ArgumentError, message)
    same(train(X, y, weight=arrow.array([1, 2, 3])), train(X, y, weight=np.arange(1, 4)))


def test_what_lies_under_the_mask_of_a_sparse_matrix_is_not_used():
    sparse = pytest.importorskip("scipy.sparse")
    matrix = sparse.csr_array(data()[0])
    matrix.data = np.ma.array(matrix.data, mask=np.arange(len(matrix.data)) == 3)
    refused(lambda: net().predict(matrix), ArgumentError, "got masked entries")


def test_what_dask_blocks_cannot_do_is_refused(dask):
    X, y = data()
    blocks = chunks(dask, X)
    unknown = blocks[blocks[:, 0] > 0]
    refused(lambda: train(unknown, y), ArgumentError, r"a known number of rows, .*compute_chunk_sizes\(\)")
    refused(lambda: train(blocks, y, shuffle=np.arange), ArgumentError, "True or False, for data in blocks")
    refused(
        lambda: train(blocks, y, model=net(replicas=2, rng=[0, 1])),
        ArgumentError,
        "with a dask array, got one for each",
    )
    refused(lambda: train(blocks, y[:-1]), ShapeError, "50 rows, as many as X")
    refused(lambda: train(blocks, chunks(dask, y[:-1], (49,))), ShapeError, "50 rows, as many as X")
    refused(lambda: train(blocks[:, :2], y), ShapeError, r"got \(50, 2\)")
    refused(lambda: train(blocks * 1j, y), ArgumentTypeError, "complex128")
    bad = X.copy()
    bad[29, 1] = np.nan
    message = r"fit\(X\), block 2 of the dask array: expected finite numbers, got NaN at index \(2, 1\)"
    refused(lambda: train(chunks(dask, bad), y), ArgumentError, message)
    refused(
        lambda: train(blocks, chunks(dask, bad[:, 1:2])),
        ArgumentError,
        r"^y, block 2 of the dask array: Mean",
    )
    message = r"^fit\(validation=\): X, block 2 of the dask array: expected finite"
    refused(lambda: train(X, y, validation=(chunks(dask, bad), y)), ArgumentError, message)
    lost = chunks(dask, y)
    refused(
        lambda: train(blocks, lost[lost[:, 0] > 0]), ArgumentError, "^y: expected blocks of a known number"
    )
    refused(lambda: net().predict(blocks.sum()), ShapeError, "got a single number")
    own = np.zeros((2, ROWS, 1))
    refused(lambda: train(blocks, own, model=net(replicas=2)), ArgumentError, r"Write X\.compute\(\)")
    train(blocks, y, model=net(replicas=2))


@pytest.mark.parametrize("replicas", [None, 2])
@pytest.mark.parametrize("stream", [False, True])
def test_what_is_measured_needs_a_target_that_is_there(replicas, stream, rng):
    # Its loss would be 0, and the first epoch the best.
    X, y = rng.normal(size=(20, 3)), rng.normal(size=(20, 2))
    missing = np.full((4, 2), np.nan)
    known, weight = missing.copy(), np.ones(4)
    known[2, 1] = 1.0
    weight[2] = 0
    loss = nn.Masked(nn.MeanSquaredError())
    model = nn.Sequential([nn.Dense(3, 2)], rng=0, replicas=replicas)
    start = model.params.values.copy()
    options = {"loss": loss, "optimizer": nn.SGD(0.01), "epochs": 2}
    for held_out in ((X[:4], missing), (X[:4], known, weight)):
        with pytest.raises(
            nn.errors.ArgumentError, match="a target that is there, in a row that counts, got missing"
        ):
            model.fit(X, y, validation=[held_out] if stream else held_out, **options)
    np.testing.assert_array_equal(model.params.values, start)
    with pytest.raises(nn.errors.ArgumentError, match="got missing ones only"):
        model.evaluate(X[:4], missing, loss=loss)
    if replicas:
        with pytest.raises(nn.errors.ArgumentError, match="got missing ones only"):
            model.evaluate(X[:4], np.stack([known, missing]), loss=loss)
    assert np.isfinite(model.evaluate([(X[:4], missing), (X[:4], known)], loss=loss)["loss"]).all()
    model.fit(X, y, validation=[(X[:4], missing), (X[:4], known)] if stream else (X[:4], known), **options)
