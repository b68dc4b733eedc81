"""TableEncoder: any table in, the right numbers out, whichever library the table is of."""

from __future__ import annotations

import copy
import datetime as dt
import json
import math
import pickle
import re
import subprocess
import sys
import warnings
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nnlite as nn
from nnlite.data.table import CategoricalColumn, NumericColumn, TableEncoder
from nnlite.errors import ArgumentError, ArgumentTypeError, DataWarning, NotFittedError, ShapeError
from nnlite.layers import Embedding

TABLE = {
    "age": [20, 40, None, 30],
    "smokes": [True, False, True, True],
    "city": ["Genf", "Bern", "Genf", None],
}


@pytest.fixture
def pd():
    return pytest.importorskip("pandas")


@pytest.fixture
def pl():
    return pytest.importorskip("polars")


def encode(column, **options):
    """Fit on one column and encode it."""
    table = {"x": column}
    return TableEncoder(**options).fit(table).transform(table)


def kind(column, **options):
    return TableEncoder(**options).fit({"x": column}).columns[0].kind


# What comes out.


def test_numbers_then_marks_then_ids():
    encoder = TableEncoder().fit(TABLE)
    assert encoder.columns == (
        NumericColumn("age", 30.0, math.sqrt(200 / 3), missing=True),
        NumericColumn("smokes", 0.75, math.sqrt(3) / 4, missing=False),
        CategoricalColumn("city", ("Bern", "Genf"), missing=True),
    )
    assert encoder.feature_names == ("age", "smokes", "age is missing", "city")
    found = encoder.transform(TABLE)
    assert found.dtype == np.float64
    age = 10 / math.sqrt(200 / 3)
    yes, no = 1 / math.sqrt(3), -math.sqrt(3)
    np.testing.assert_allclose(
        found, [[-age, yes, 0, 2], [age, no, 0, 1], [0, yes, 1, 2], [0, yes, 0, 3]], rtol=1e-12
    )


def test_widths_and_the_layer_belong_together():
    encoder = TableEncoder(embedding=5).fit(TABLE)
    layer = encoder.layer()
    assert (encoder.features, encoder.width, encoder.embedding_features) == (4, 8, 5)
    assert isinstance(layer, Embedding)
    assert layer.config() == {
        "categories": (4,), "features": 5, "numeric": 3, "weight_initializer": None
    }  # fmt: skip
    assert layer.input_shape == (encoder.features,)
    assert layer.output_shape(layer.input_shape) == (encoder.width,)
    assert encoder.layer() is not layer
    assert layer.forward(encoder.transform(TABLE)).shape == (4, 8)


@pytest.mark.parametrize(
    ("table", "width"),
    [({"a": [1.0, 2.0], "b": [3, 5]}, 2), ({"a": [1.0, None]}, 2), ({"a": ["x", "y"]}, 2)],
)
def test_tables_of_one_kind_of_column(table, width):
    encoder = TableEncoder().fit(table)
    assert encoder.width == width
    model = nn.Sequential([encoder.layer(), nn.Dense(width, 1)], preprocessing=encoder, rng=0)
    assert model.predict(table).shape == (2, 1)


def test_training_data_come_out_standardised(rng):
    table = {"a": rng.normal(1e6, 1e-3, 100), "b": rng.uniform(size=100)}
    table |= {"small": table["b"] * 1e-200, "large": table["b"] * 1.7e308}
    found = TableEncoder().fit(table).transform(table)
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(found.std(axis=0), 1, rtol=1e-5)


@pytest.mark.parametrize("value", [0, 7, 0.1, 1e300, -1e-300])
def test_a_constant_stays_finite_and_other_values_move_away_from_it(value):
    encoder = TableEncoder().fit({"x": [value] * 7 + [None]})
    assert encoder.columns[0].scale == 1
    found = encoder.transform({"x": [value, value + 1, None]})
    expected = [[0, 0], [value + 1 - value, 0], [0, 1]]
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15 * abs(value))


def test_a_column_without_any_number():
    for column in ([None, None], [math.nan, None], np.full(2, np.nan)):
        encoder = TableEncoder().fit({"x": column})
        assert encoder.columns == (NumericColumn("x", 0.0, 1.0, missing=True),)
        np.testing.assert_array_equal(encoder.transform({"x": [None, 3]}), [[0, 1], [3, 0]])


@pytest.mark.parametrize("gap", [math.nan, Decimal("NaN"), np.datetime64("NaT")], ids=repr)
@pytest.mark.parametrize("column", [[1.0, None, 3.0], ["a", None, "b"]], ids=["numbers", "words"])
def test_whatever_says_that_there_is_nothing_is_a_missing_cell(column, gap):
    first, _, last = column
    right = TableEncoder().fit({"x": np.array(column, object)})
    assert TableEncoder().fit({"x": np.array([first, gap, last], object)}).columns == right.columns


def test_a_signalling_nan_is_a_missing_number_and_an_array_is_no_number():
    right = TableEncoder().fit({"x": [1.0, None, 3.0]})
    cells = np.array([1.0, Decimal("sNaN"), 3.0], object)
    assert TableEncoder().fit({"x": cells}).columns == right.columns
    cells[1] = np.array([np.nan])
    with pytest.raises(ArgumentTypeError, match="got ndarray in row 1"):
        right.transform({"x": cells})


def test_numbers_missing_only_later_become_the_mean():
    encoder = TableEncoder().fit({"x": [1, 3]})
    np.testing.assert_array_equal(encoder.transform({"x": [None, 3]}), [[0], [1]])


def test_categories_missing_only_later_are_unseen_ones():
    encoder = TableEncoder().fit({"x": ["a", "b"]})
    np.testing.assert_array_equal(encoder.transform({"x": [None, "b", "c"]}), [[0], [2], [0]])


def test_rare_categories_are_taken_for_unseen_ones():
    cities = ["Bern"] * 3 + ["Genf"] * 2 + ["Chur", None]
    encoder = TableEncoder(min_count=2).fit({"city": cities})
    assert encoder.columns == (CategoricalColumn("city", ("Bern", "Genf"), missing=True),)
    np.testing.assert_array_equal(encoder.transform({"city": cities})[:, 0], [1, 1, 1, 2, 2, 0, 3])
    assert TableEncoder(min_count=9).fit({"city": cities}).layer().categories == (2,)


def test_one_and_true_and_the_text_one_are_three_categories():
    column = ["1", 1, True, "True", "b", 10, 9]
    encoder = TableEncoder(categorical=["x"]).fit({"x": column})
    (found,) = encoder.columns
    assert [(type(value), value) for value in found.categories] == [
        (bool, True), (int, 1), (int, 9), (int, 10), (str, "1"), (str, "True"), (str, "b"),
    ]  # fmt: skip
    np.testing.assert_array_equal(encoder.transform({"x": column})[:, 0], [5, 2, 1, 6, 7, 4, 3])
    # In a table of whole numbers only, a float that pandas made of one is that number.
    np.testing.assert_array_equal(encoder.transform({"x": [1.0, 9.0, 10.0, math.nan]})[:, 0], [2, 3, 4, 0])
    assert np.array_equal(encode(np.array([1, 0]), categorical=["x"])[:, 0], [2, 1])


def test_the_order_of_rows_does_not_change_the_ids(rng):
    column = rng.choice(["a", "b", "c", "d"], 50)
    encoder = TableEncoder().fit({"x": column})
    assert TableEncoder().fit({"x": rng.permutation(column)}).columns == encoder.columns


def test_the_width_of_an_embedding_by_default():
    def width(count):
        table = {"x": [f"c{i}" for i in range(count)], "y": ["a"] * count}
        return TableEncoder(categorical=["x"]).fit(table).width // 2

    # The fourth root of the ids of the larger column, which has one id for unseen categories.
    assert [width(count) for count in (1, 15, 16, 80, 81, 1295)] == [2, 2, 3, 3, 4, 6]


# What goes in.


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ([1, 2], "numeric"),
        ([1.5, None], "numeric"),
        ([True, None], "numeric"),
        ((1, 2), "numeric"),
        ([Fraction(1, 2), 1], "numeric"),
        ([np.True_, None, np.float32(2)], "numeric"),
        ([10**400 // 10**399, None], "numeric"),
        (np.arange(3, dtype=np.uint8), "numeric"),
        (np.array([True, False]), "numeric"),
        (np.array([1, None], object), "numeric"),
        (np.ma.masked_greater([1.0, 9.0], 5), "numeric"),
        (["a", "b"], "categorical"),
        (["1", "2"], "categorical"),
        ([1, "a"], "categorical"),
        (np.array(["a", "b"]), "categorical"),
        (np.array(["a", None], object), "categorical"),
        ([None, math.nan, "a"], "categorical"),
    ],
    ids=repr,
)
def test_kinds_of_columns(column, expected):
    assert kind(column) == expected


def test_masked_entries_are_missing():
    np.testing.assert_array_equal(encode(np.ma.masked_greater([1.0, 3.0, 9.0], 5)), [[-1, 0], [1, 0], [0, 1]])
    assert np.array_equal(encode(np.ma.masked_equal([1, 3, 9], 9), categorical=["x"])[:, 0], [1, 2, 3])
    masked = np.ma.masked
    for column in ([1.0, masked, 3.0], (1.0, masked, 3.0), np.array([1.0, masked, 3.0], object)):
        np.testing.assert_array_equal(encode(column), encode([1.0, None, 3.0]))
    for column in (["a", masked, "b"], np.ma.array(["a", "hidden", "b"], mask=[0, 1, 0])):
        np.testing.assert_array_equal(encode(column), encode(["a", None, "b"]))


def test_text_is_read_as_numbers_on_request():
    encoder = TableEncoder(numeric=["x"]).fit({"x": ["1", " 3e0 ", None, "nan"]})
    assert encoder.columns == (NumericColumn("x", 2.0, 1.0, missing=True),)
    np.testing.assert_array_equal(encoder.transform({"x": ["5", 1]}), [[3, 0], [-1, 0]])
    with pytest.raises(ArgumentError, match=r"frame\['x'\].*expected numbers, got 'many' in row 1"):
        encoder.transform({"x": ["5", "many"]})


def test_columns_are_found_by_name():
    encoder = TableEncoder().fit(TABLE)
    turned = {"extra": ["?"] * 4, **dict(reversed(TABLE.items()))}
    np.testing.assert_array_equal(encoder.transform(turned), encoder.transform(TABLE))


def pandas_columns(pd):
    """The same columns in every dtype of pandas that can hold them."""
    whole, text, truth = [3, 1, None, 1], ["a", "b", None, "a"], [True, None, False, True]
    return {
        "numbers": [
            pd.Series(whole), pd.Series(whole, dtype="Int64"), pd.Series(whole, dtype="Float32"),
            pd.Series(whole, dtype=object), pd.Series(pd.array([3, 1, pd.NA, 1], dtype=object)),
        ],
        "whole": [
            pd.Series(whole, dtype="category"), pd.Series(whole, dtype="Int64").astype("category"),
        ],
        "text": [
            pd.Series(text), pd.Series(text, dtype="string"), pd.Series(text, dtype=object),
            pd.Series(text, dtype="category"), pd.Series(text, dtype="category").cat.add_categories("new"),
        ],
        "truth": [pd.Series(truth, dtype="boolean"), pd.Series(truth, dtype=object)],
        "truth as categories": [pd.Series(truth).astype("category")],
    }  # fmt: skip


LISTS = {
    "numbers": ([3, 1, None, 1], {}),
    "whole": ([3, 1, None, 1], {"categorical": ["x"]}),
    "text": (["a", "b", None, "a"], {}),
    "truth": ([True, None, False, True], {}),
    "truth as categories": ([True, None, False, True], {"categorical": ["x"]}),
}


@pytest.mark.parametrize("name", LISTS)
def test_every_dtype_of_pandas_is_read_as_the_same_lists_are(name, pd):
    column, options = LISTS[name]
    expected = encode(column, **options)
    variants = pandas_columns(pd)[name]
    known = [TableEncoder().fit(pd.DataFrame({"x": series})) for series in variants]
    for series, encoder in zip(variants, known, strict=True):
        frame = pd.DataFrame({"x": series})
        np.testing.assert_array_equal(encoder.transform(frame), expected, err_msg=str(series.dtype))
        for other in known:  # fitted on one dtype, used on the others
            np.testing.assert_array_equal(other.transform(frame), expected, err_msg=str(series.dtype))


@pytest.mark.parametrize("name", LISTS)
def test_every_dtype_of_polars_is_read_as_the_same_lists_are(name, pl):
    column, options = LISTS[name]
    dtypes = {
        "numbers": [pl.Int64, pl.UInt8, pl.Float32],
        "whole": [pl.Int64, pl.Int8],
        "text": [pl.String, pl.Categorical, pl.Enum(["b", "a", "c"])],
        "truth": [pl.Boolean],
        "truth as categories": [pl.Boolean],
    }[name]
    for dtype in dtypes:
        frame = pl.DataFrame({"x": pl.Series(column, dtype=dtype)})
        found = TableEncoder(**options).fit(frame).transform(frame)
        np.testing.assert_array_equal(found, encode(column, **options), err_msg=str(dtype))


def test_large_whole_numbers_stay_apart_as_categories(pl):
    column = [2**60, 2**60 + 1, None]
    for table in ({"x": column}, pl.DataFrame({"x": column})):
        encoder = TableEncoder(categorical=["x"]).fit(table)
        assert encoder.columns[0].categories == (2**60, 2**60 + 1)


def test_frames_whose_columns_are_numbered(pd):
    frame = pd.DataFrame([[1.0, "a"], [3.0, "b"]])
    encoder = TableEncoder(numeric=["0"]).fit(frame)
    assert encoder.feature_names == ("0", "1")
    np.testing.assert_array_equal(encoder.transform(frame), [[-1, 1], [1, 2]])


def test_no_library_of_frames_is_imported():
    code = (
        "import sys; from nnlite.table import TableEncoder; TableEncoder().fit({'x': ['a']}); "
        "sys.exit(bool({'pandas', 'polars', 'pyarrow'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# Whole jobs.


def made_table(rng, rows):
    """Make a mixed table: the target depends on the city, on the size by a slope of the kind, and on noise.

    A tenth of the sizes is missing, and larger ones more often, so that the mark says something.
    """
    effect = {f"city {i}": value for i, value in enumerate(np.linspace(-3, 3, 12))}
    slope = {"flat": 1.0, "house": 3.0}
    city = rng.choice(list(effect), rows)
    kinds = rng.choice(list(slope), rows)
    size = rng.normal(100, 30, rows)
    balcony = rng.random(rows) < 0.5
    y = np.array([effect[c] for c in city]) + np.array([slope[k] for k in kinds]) * (size - 100) / 30
    y += balcony + rng.normal(0, 0.3, rows)
    size = np.where(rng.random(rows) < np.clip((size - 60) / 400, 0, 1), np.nan, size)
    kinds = np.where(rng.random(rows) < 0.05, None, kinds)
    return {"city": city, "kind": kinds, "size": size, "balcony": balcony, "noise": rng.normal(size=rows)}, y


def trained(encoder, table, y, *, takes_encoded=False, **options):
    model = nn.Sequential(
        [encoder.layer(), nn.Dense(encoder.width, 32), nn.ReLU(), nn.Dense(32, 1)],
        preprocessing=encoder,
        rng=0,
    )
    model.takes_encoded = takes_encoded
    options = {"loss": nn.MeanSquaredError(), "optimizer": nn.Adam(0.01), "epochs": 30} | options
    model.fit(table, y[:, None], **options)
    return model


def explained(model, table, y):
    return nn.metrics.r2(model.predict(table), y[:, None])


def test_a_mixed_table_is_learned_better_than_its_numbers_alone(pd, rng):
    train, y = made_table(rng, 600)
    test, y_test = made_table(rng, 300)
    train, test = pd.DataFrame(train), pd.DataFrame(test)
    encoder = TableEncoder().fit(train)
    assert [column.kind for column in encoder.columns] == ["categorical"] * 2 + ["numeric"] * 3
    model = trained(encoder, train, y)
    numbers = ["size", "balcony", "noise"]
    without = trained(TableEncoder().fit(train[numbers]), train[numbers], y)
    assert explained(model, test, y_test) > 0.85
    assert explained(model, test, y_test) > explained(without, test[numbers], y_test) + 0.3
    # A city that was not there, and every value missing: an answer nevertheless, near what is usual.
    unseen = test.assign(city="nowhere", kind=None, size=np.nan)
    with pytest.warns(DataWarning, match="none of the 300 values"):
        pred = model.predict(unseen)
    assert np.isfinite(pred).all()
    assert np.abs(pred - y.mean()).max() < 3 * y.std()


def test_a_table_is_what_its_rows_are(pd, rng):
    table, y = made_table(rng, 60)
    encoder = TableEncoder().fit(table)
    options = {"epochs": 3, "validation": 0.2, "batch_size": 7}
    by_table = trained(encoder, pd.DataFrame(table), y, **options)
    by_rows = trained(encoder, encoder.transform(table), y, takes_encoded=True, **options)
    by_table.takes_encoded = True
    np.testing.assert_array_equal(by_table.params.values, by_rows.params.values)
    np.testing.assert_array_equal(by_table.predict(table), by_rows.predict(encoder.transform(table)))
    scores = by_table.evaluate(table, y[:, None], loss=nn.MeanSquaredError())
    rows = by_table.evaluate(encoder.transform(table), y[:, None], loss=nn.MeanSquaredError())
    assert scores == rows


#: Everything that takes rows, by what the error names.
TAKERS = {
    "fit": lambda m, X, y: m.fit(X, y, **fitting()),
    "fit beside a table": lambda m, X, y: m.fit(X, y, validation=(TAKEN, y), **fitting()),
    "validation": lambda m, X, y: m.fit(TAKEN, y, validation=(X, y), **fitting()),
    "a batch": lambda m, X, y: m.fit([(X, y)], **fitting()),
    "a batch of validation": lambda m, X, y: m.fit(TAKEN, y, validation=[(X, y)], **fitting()),
    "predict": lambda m, X, y: m.predict(X),
    "predict_blocks": lambda m, X, y: list(m.predict_blocks([TAKEN, X])),
    "predict_blocks of one": lambda m, X, y: list(m.predict_blocks(X)),
    "evaluate": lambda m, X, y: m.evaluate(X, y, loss=MSE),
    "forward": lambda m, X, y: m.forward(X),
    "activations": lambda m, X, y: m.activations(X),
    "adapt": lambda m, X, y: m.adapt(X),
    "loss_and_grad": lambda m, X, y: m.loss_and_grad(X, y, MSE),
    "per_example_gradients": lambda m, X, y: m.per_example_gradients(X, y, MSE),
    "jacobian": lambda m, X, y: m.jacobian(X),
    "explain_step": lambda m, X, y: nn.inspect.explain_step(m, X, y, MSE, nn.SGD(0.1)),
    "blame": lambda m, X, y: nn.inspect.blame(m, X, y, MSE),
    "sharpness": lambda m, X, y: nn.curvature.sharpness(m, X, y, MSE),
}
MSE = nn.MeanSquaredError()


def fitting(epochs=1):
    return {"loss": MSE, "optimizer": nn.SGD(0.001), "epochs": epochs}


TAKEN = {"size": [1.0, 2.0, 4.0, 8.0], "kind": ["a", "b", "a", "b"]}


def taker():
    encoder = TableEncoder().fit(TAKEN)
    layers = [encoder.layer(), nn.Dense(encoder.width, 3), nn.Tanh(), nn.Dense(3, 1)]
    return encoder, nn.Sequential(layers, preprocessing=encoder, rng=0), np.ones((4, 1))


@pytest.mark.parametrize("name", TAKERS)
def test_an_array_is_no_table(name):
    """Once it was taken for encoded rows: R2 fell from .997 to -5.1, without a word."""
    encoder, model, y = taker()
    before = model.params.values.copy()
    encoded = encoder.transform(TAKEN)
    for X in (np.array([[1.0, 0.0]] * 4), encoded, encoded.astype(np.float32), np.ones((4, 3))):
        with pytest.raises(
            ArgumentTypeError, match=r"the columns \['size', 'kind'\], .* Give a frame or a dict"
        ):
            TAKERS[name](model, X, y)
    np.testing.assert_array_equal(model.params.values, before)
    model.takes_encoded = True
    TAKERS[name](model, encoded, y)
    if name != "predict_blocks of one":  # a table would be gone through by columns
        TAKERS[name](taker()[1], TAKEN, y)


def test_nor_is_any_other_thing_without_names(tmp_path):
    _, model, _ = taker()
    X = np.ones((4, 2))
    np.save(tmp_path / "x.npy", X)
    things = [X.tolist(), tuple(X.tolist()), np.load(tmp_path / "x.npy", mmap_mode="r"), X[0], np.ma.array(X)]
    things += [np.ones((4, 2), int), X[:0]]
    for module, make in (
        ("scipy.sparse", lambda m: m.csr_array(X)),
        ("dask.array", lambda m: m.from_array(X)),
        ("torch", lambda m: m.tensor(X)),
    ):
        things.append(make(pytest.importorskip(module)))
    for thing in things:
        with pytest.raises(ArgumentTypeError, match="a table with the columns"):
            model.predict(thing)


def test_a_model_is_told_that_rows_come_encoded(tmp_path):
    encoder, model, _ = taker()
    encoded = encoder.transform(TAKEN)
    assert not model.takes_encoded
    with pytest.raises(ArgumentTypeError, match=r"set model\.takes_encoded = True before\."):
        model.predict(encoded)
    with pytest.raises(ArgumentTypeError, match=r"got ndarray of shape \(4, 5\)\. .* fitted on\.$"):
        model.predict(np.ones((4, 5)))
    with pytest.raises(ArgumentTypeError, match=r"takes_encoded: expected True or False, got 1"):
        model.takes_encoded = 1
    model.takes_encoded = True
    np.testing.assert_array_equal(model.predict(encoded), model.predict(TAKEN))
    with pytest.raises(ShapeError, match=r"got \(4, 5\)"):
        model.predict(np.ones((4, 5)))
    assert pickle.loads(pickle.dumps(model)).takes_encoded
    model.save(tmp_path / "net.safetensors")
    assert not nn.load(tmp_path / "net.safetensors").takes_encoded
    assert nn.Sequential([nn.Dense(2, 1)]).takes_encoded  # nothing else can be meant


def test_what_looks_at_a_net_on_tables_still_does(pd, rng):
    table, y = made_table(rng, 60)
    encoder = TableEncoder().fit(table)
    model = trained(encoder, table, y, epochs=2, validation=0.2)
    text = str(nn.inspect.doctor(model, table, y[:, None], MSE, nn.SGD(0.01)))
    assert "refuse" not in text
    assert nn.inspect.blame(model, table, y[:, None], MSE).gradients is not None
    result = nn.sweep(model, table, y[:, None], learning_rate=[0.01, 0.1], epochs=2)
    assert not result.model.takes_encoded
    assert not result.model.replica(0).takes_encoded


# What an encoder warns of.

CITIES = {"city": ["Bern", "Genf", "Zug", None] * 20, "zip": [3000, 1200, 6300, 8000] * 20}


def cities(city, zips=3000, rows=20):
    return {"city": [city] * rows, "zip": [zips] * rows}


def city_net():
    encoder = TableEncoder(categorical=["zip"]).fit(CITIES)
    layers = [encoder.layer(), nn.Dense(encoder.width, 1)]
    return encoder, nn.Sequential(layers, preprocessing=encoder, rng=0)


UNSEEN = (
    r"'city'\]\): none of the 20 values is one that fit has seen: they are 'bern', and fit saw 'Bern', 'Ge"
)


@pytest.mark.parametrize(
    "call",
    [
        lambda e, m, y: e.transform(cities("bern")),
        lambda e, m, y: m.predict(cities("bern")),
        lambda e, m, y: m.evaluate(cities("bern"), y, loss=MSE),
        lambda e, m, y: m.fit(cities("Bern"), y, validation=(cities("bern"), y), **fitting(3)),
        lambda e, m, y: m.fit([(cities("bern"), y)] * 4, **fitting(3)),
        lambda e, m, y: m.evaluate([(cities("bern"), y)] * 4, loss=MSE),
        lambda e, m, y: list(m.predict_blocks([cities("bern")] * 4)),
    ],
)
def test_a_column_of_unseen_values_is_told_once(call):
    with pytest.warns(DataWarning, match=UNSEEN) as told:
        call(*city_net(), np.ones((20, 1)))
    assert len(told) == 1


def test_unseen_whole_numbers_are_told_too():
    message = r"'zip'\]\): none of the 20 values .* are 99, and fit saw 1200, 3000, 6300"
    with pytest.warns(DataWarning, match=message):
        city_net()[0].transform(cities("Bern", 99))


def test_values_of_which_half_are_unseen_are_told_unless_rare_ones_were_trained_as_such():
    table = {"city": ["bern"] * 90 + ["Bern"] * 10, "zip": [3000] * 100}
    with pytest.warns(DataWarning, match=r"90 of the 100 values are none that fit has seen: they are 'bern'"):
        city_net()[0].transform(table)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        TableEncoder(min_count=2).fit({"city": ["Bern"] * 9 + ["Genf"], "zip": [3000] * 10}).transform(table)


def test_numbers_in_another_unit_are_told_once_and_at_the_line_of_the_caller():
    metres = {"size": [1.7, 1.8, 1.6, 1.75, None, 1.9]}
    encoder = TableEncoder().fit(metres)
    model = nn.Sequential([encoder.layer(), nn.Dense(encoder.width, 1)], preprocessing=encoder, rng=0)
    other = {"size": [170.0, 180.0, None, 165.0, 175.0, 190.0]}
    message = r"\(frame\['size'\]\): the median of 5 numbers is 175, where fit saw 1.75 give or take 0.1"
    with pytest.warns(DataWarning, match=message) as told:
        list(model.predict_blocks([other] * 3))
    assert len(told) == 1
    with pytest.warns(DataWarning, match=message) as told:
        model.predict(other)
    assert told[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.predict({"size": [170.0, 180.0, 165.0, 175.0]})  # of four rows nothing is said
        model.predict({"size": [1.0, 1.1, 1.0, 2.0, 2.6, 170.0]})  # one may be wrong, or a giant


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (
            [*map(str, range(30, 60)), "?"],
            r"31 categories, such as '30', .* text \('\?' is not\) .*to_numeric",
        ),
        (
            [f"{n:,}" for n in range(900, 1900, 50)],
            r"20 categories.*str\.replace\(',', ''\), errors='coerce'\)",
        ),
        (
            [f"{n / 7:.3f}" for n in range(2000)],
            "2,000 categories, such as '0.000', .* are numbers as text and",
        ),
    ],
)
def test_numbers_as_text_are_told(column, message):
    with pytest.warns(DataWarning, match=message):
        TableEncoder().fit({"x": column})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        TableEncoder(categorical=["x"]).fit({"x": column})


def test_what_the_warnings_say_to_write_runs(pd):
    days = [f"{1 + n % 28:02}/{1 + n % 12:02}/2023" for n in range(90)]
    frame = pd.DataFrame({"sold": days, "size": [f"{900 + 50 * n:,}" for n in range(89)] + ["n/a"]})
    with pytest.warns(DataWarning) as told:
        TableEncoder().fit(frame)
    expressions = [
        re.search(r"(?:Count days, |Write )(.*?)(?:, which|, or)", str(one.message))[1] for one in told
    ]
    sold, size = (np.asarray(eval(code, {"np": np, "pandas": pd, "frame": frame})) for code in expressions)
    assert sold[1] == (np.datetime64("2023-02-02") - np.datetime64("2000-01-01")) / np.timedelta64(1, "D")
    assert size[1] == 950
    assert np.isnan(size[-1])


@pytest.mark.parametrize(
    "table",
    [
        cities("bern", rows=1),
        cities("bern", rows=4),
        {"city": ["bern"] * 4 + [None] * 90, "zip": [3000] * 94},
        {"city": ["bern"] * 40 + ["Bern"] * 41, "zip": [3000] * 81},
        cities(None),
    ],
)
def test_of_a_few_rows_and_of_some_known_values_nothing_is_said(table):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        city_net()[0].transform(table)


def days(count, rows):
    return [str(np.datetime64("2020-01-31") + row % count) for row in range(rows)]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (
            days(1231, 3000),
            r"1,231 dates as text in 3,000 rows, such as '2020-01-31'.*np\.asarray\(frame\['x'\]",
        ),
        (days(40, 3000), "40 dates as text in 3,000 rows"),
        (
            [f"{1 + d}.12.2020" for d in range(28)],
            r"28 dates as text in 28 rows, .*Count days, \(pandas\.to_datetime\(frame\['x'\], d",
        ),
        ([f"2020/12/{1 + d} 10:30" for d in range(28)], "28 dates as text"),
        (
            [f"user{n}" for n in range(300)],
            r"300 categories in 300 rows, such as 'user0', .*categorical=\['x'\]",
        ),
        ([f"user{n % 120}" for n in range(300)] + [None] * 900, "120 categories in 300 rows"),
        ([f"street {n % 1500}" for n in range(6000)], "1,500 categories in 6,000 rows"),
    ],
)
def test_text_that_names_rows_or_days_is_told(column, message):
    with pytest.warns(DataWarning, match=rf"TableEncoder\.fit\(frame\['x'\]\): {message}"):
        TableEncoder().fit({"x": column})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        TableEncoder(categorical=["x"]).fit({"x": column})  # who names it means it


@pytest.mark.parametrize(
    "column",
    [
        [f"user{n}" for n in range(49)],
        [f"city{n % 60}" for n in range(600)],
        [f"3.11.{n}" for n in range(30)],
        list(range(500)),
        days(9, 9),
        [f"{n:05}" for n in range(500, 540)] * 3,  # codes
        [*map(str, range(9))] * 3,
    ],
)
def test_of_ordinary_text_nothing_is_said(column):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        TableEncoder().fit({"x": column})
        TableEncoder(min_count=5).fit({"x": [f"user{n}" for n in range(300)]})


def test_replicas_on_a_table(rng):
    table, y = made_table(rng, 60)
    encoder = TableEncoder().fit(table)
    model = nn.Sequential(
        [encoder.layer(), nn.Dense(encoder.width, 1)], preprocessing=encoder, replicas=3, rng=[1, 2, 3]
    )
    model.fit(table, y[:, None], loss=nn.MeanSquaredError(), optimizer=nn.Adam(0.01), epochs=2)
    assert model.predict(table).shape == (3, 60, 1)
    np.testing.assert_allclose(model.replica(1).predict(table), model.predict(table)[1], rtol=1e-6)


def test_saved_with_the_model(tmp_path, rng):
    table, y = made_table(rng, 60)
    model = trained(TableEncoder(min_count=3, embedding=3).fit(table), table, y, epochs=2)
    model.save(tmp_path / "net.safetensors")
    again = nn.load(tmp_path / "net.safetensors")
    assert again.preprocessing.to_dict() == model.preprocessing.to_dict()
    np.testing.assert_array_equal(again.predict(table), model.predict(table))


def test_copies_of_a_model_take_the_encoder_along(rng):
    table, y = made_table(rng, 60)
    model = trained(TableEncoder().fit(table), table, y, epochs=1)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(twin.predict(table), model.predict(table))


# To plain data and back.

CELLS = st.none() | st.booleans() | st.integers() | st.text(max_size=3)
NUMBERS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(-1e100, 1e100)


@given(
    st.lists(st.tuples(CELLS, NUMBERS), min_size=1, max_size=20),
    st.lists(st.tuples(CELLS, NUMBERS), min_size=1, max_size=5),
    st.integers(1, 3),
)
def test_through_json_and_back(rows, others, min_count):
    def table(rows):
        return {"c": [cell for cell, _ in rows], "n": [number for _, number in rows]}

    encoder = TableEncoder(categorical=["c"], numeric=["n"], min_count=min_count).fit(table(rows))
    again = TableEncoder.from_dict(json.loads(json.dumps(encoder.to_dict(), allow_nan=False)))
    assert repr(again) == repr(encoder)
    assert again.columns == encoder.columns
    assert again.config() == encoder.config()
    kinds = {type(category) for category in encoder.columns[0].categories}
    given_kinds = {type(c) for c, _ in others if c is not None}
    if kinds and given_kinds and not kinds & given_kinds:
        with pytest.raises(ArgumentTypeError, match="like the categories that fit saw"):
            encoder.transform(table(others))
        return
    found = encoder.transform(table(others))
    np.testing.assert_array_equal(again.transform(table(others)), found)
    # The definition, cell by cell: 1 and True are no one category.
    known = {(type(c), c): i for i, c in enumerate(encoder.columns[0].categories, start=1)}
    counts = {key: sum((type(c), c) == key for c, _ in rows) for key in {(type(c), c) for c, _ in rows}}
    assert known.keys() == {key for key, n in counts.items() if n >= min_count and key[1] is not None}
    missing = len(known) + 1 if any(c is None for c, _ in rows) else 0
    ids = [missing if c is None else known.get((type(c), c), 0) for c, _ in others]
    np.testing.assert_array_equal(found[:, -1], ids)


def changed(**entries):
    return TableEncoder().fit(TABLE).to_dict() | entries


def changed_column(index, **entries):
    state = TableEncoder().fit(TABLE).to_dict()
    state["columns"][index] |= entries
    return state


@pytest.mark.parametrize(
    "state",
    [
        None, [], {}, 3,
        {"columns": []},
        changed(extra=1),
        changed(columns=[]), changed(columns=None), changed(columns=[3]), changed(columns={"a": 1}),
        changed(columns=[{}]), changed(columns=TableEncoder().fit(TABLE).to_dict()["columns"][:1] * 2),
        changed(min_count=0), changed(min_count=1.5), changed(min_count=True),
        changed(embedding=0), changed(embedding="2"), changed(embedding_features=None),
        changed(embedding_features=0), changed(embedding_features=True),
        changed(numeric="age"), changed(numeric=[1]), changed(categorical=["a", "a"]),
        changed(numeric=["a"], categorical=["a"]),
        changed_column(0, kind="text"), changed_column(0, kind=[]), changed_column(0, name=1),
        changed_column(0, name="city"), changed_column(0, mean=None), changed_column(0, mean="0"),
        changed_column(0, mean=math.nan), changed_column(0, mean=True), changed_column(0, scale=0),
        changed_column(0, scale=-1.0), changed_column(0, scale=math.inf), changed_column(0, missing=1),
        changed_column(0, extra=1), changed_column(0, categories=[]),
        changed_column(2, categories=None), changed_column(2, categories="ab"),
        changed_column(2, categories=[1.5]), changed_column(2, categories=[None]),
        changed_column(2, categories=[["a"]]), changed_column(2, categories=["a", "a"]),
        changed_column(2, missing=None), changed_column(2, mean=0.0),
    ],
    ids=repr,
)  # fmt: skip
def test_plain_data_that_no_encoder_wrote(state):
    with pytest.raises(ArgumentError):
        TableEncoder.from_dict(state)


def test_one_and_true_are_no_repetition_in_plain_data():
    state = changed_column(2, categories=[True, 1, "1"])
    assert TableEncoder.from_dict(json.loads(json.dumps(state))).columns[2].categories == (True, 1, "1")


# How it looks.


def test_it_shows_what_it_has_found():
    assert repr(TableEncoder(min_count=2)) == "TableEncoder(min_count=2)"
    table = TABLE | {"letter": list("abcd"), "x" * 8: ["a", "b", "c", "e"]}
    assert repr(TableEncoder(numeric=["age"]).fit(table | {"one": ["?", "?", "?", "?"]})).splitlines() == [
        "TableEncoder, fitted: 6 columns -> 7 features -> 11 inputs",
        "  age       numeric      mean 30, scale 8.165; missing values are marked",
        "  smokes    numeric      mean 0.75, scale 0.433",
        "  city      categorical  2 categories: 'Bern', 'Genf'; missing is one more",
        "  letter    categorical  4 categories: 'a', 'b', 'c', 'd'",
        "  xxxxxxxx  categorical  4 categories: 'a', 'b', 'c', 'e'",
        "  one       categorical  1 category: '?'",
    ]
    many = TableEncoder().fit({"x": list("abcdef")})
    assert "6 categories: 'a', 'b', 'c', 'd', ...\n" in repr(many) + "\n"


# Mistakes: one a line, as a table that can be read.
# ruff: noqa: E501

MOMENT = dt.datetime(2020, 1, 2)
FITTED = TableEncoder().fit(TABLE)
ZIPS = TableEncoder(categorical=["x"]).fit({"x": [3000, 8000]})


class Named:
    columns = (("a", "b"),)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: TableEncoder(numeric="age"), ArgumentTypeError, r"numeric=\): expected a list of names.*'age'"),
        (lambda: TableEncoder(categorical=[1]), ArgumentTypeError, r"categorical=\): expected a list of names"),
        (lambda: TableEncoder(numeric=["a", "a"]), ArgumentError, "'a' twice"),
        (lambda: TableEncoder(numeric=["a"], categorical=["a"]), ArgumentError, "'a' in both"),
        (lambda: TableEncoder(min_count=0), ArgumentError, r"min_count=\): .* at least 1, got 0"),
        (lambda: TableEncoder(embedding=0), ArgumentError, r"embedding=\): .* at least 1, got 0"),
        (lambda: TableEncoder(embedding=2.0), ArgumentTypeError, r"embedding=\)"),
        (lambda: TableEncoder().transform(TABLE), NotFittedError, r"TableEncoder\(\): .*Call its fit\(frame\)"),
        (lambda: TableEncoder().features, NotFittedError, "fit"),
        (lambda: TableEncoder().width, NotFittedError, "fit"),
        (lambda: TableEncoder().layer(), NotFittedError, "fit"),
        (lambda: TableEncoder().to_dict(), NotFittedError, "fit"),
        (lambda: nn.Sequential([Embedding(2, 2)], preprocessing=TableEncoder()), NotFittedError, "fit"),
        (lambda: TableEncoder().fit(np.ones((3, 2))), ArgumentTypeError, "a table with named columns, got ndarray"),
        (lambda: TableEncoder().fit(Named), ArgumentTypeError, "a table with named columns"),
        (lambda: TableEncoder().fit(Named()), ArgumentTypeError, "columns named by text"),
        (lambda: TableEncoder().fit({}), ShapeError, "at least one column, got none"),
        (lambda: TableEncoder().fit({"x": []}), ShapeError, "at least one row, got none"),
        (lambda: FITTED.transform({k: [] for k in TABLE}), ShapeError, "at least one row, got none"),
        (lambda: TableEncoder().fit({"x": 3}), ShapeError, r"frame\['x'\]\): expected one value for each row, got int"),
        (lambda: TableEncoder().fit({"x": {3, 1, 2}}), ShapeError, "one value for each row, got set"),
        (lambda: TableEncoder().fit({"x": {0: "a"}}), ShapeError, "one value for each row, got dict"),
        (lambda: TableEncoder().fit({"x": "abc"}), ShapeError, "one value for each row, got str"),
        (lambda: TableEncoder().fit({"x": np.ones((3, 1))}), ShapeError, r"got shape \(3, 1\)"),
        (lambda: TableEncoder().fit({"x": [1], "y": [1, 2]}), ShapeError, "as many rows in each column"),
        (lambda: TableEncoder(numeric=["size"]).fit(TABLE), ArgumentError, "'size' among them, got .*'age'"),
        (lambda: TableEncoder().fit({1: [1], "1": [2]}), ArgumentError, "two columns called '1'"),
        (lambda: FITTED.transform({"age": [1], "town": ["x"]}), ArgumentError, "'smokes', 'city' among them, got .*'town'"),
        (lambda: encode([1.0, math.inf]), ArgumentError, r"frame\['x'\]\): expected finite numbers, got inf in row 1"),
        (lambda: encode([1, None, -(10**400)]), ArgumentError, "finite numbers, got inf in row 2"),
        (lambda: FITTED.transform(TABLE | {"age": [1, 2, 3, -math.inf]}), ArgumentError, "got -inf in row 3"),
        (lambda: TableEncoder().fit({"x": [0, 1e-150]}).transform({"x": [1e300]}), ArgumentError, r"got 1e\+300 in row 0"),
        (lambda: FITTED.transform(TABLE | {"age": [1, "old", 3, 4]}), ArgumentError, r"expected numbers, got 'old' in row 1\. .*numeric=\['age'\]"),
        (lambda: FITTED.transform(TABLE | {"age": list("1234")}), ArgumentError, r"expected numbers, got '1' in row 0"),
        (lambda: encode([1.5, "a"]), ArgumentError, r"whole numbers or truth values for categories, got 1\.5\. Name 'x' in"),
        (lambda: encode([1, math.inf], categorical=["x"]), ArgumentError, "categories, got inf"),
        (lambda: encode([1j, 2j]), ArgumentTypeError, "numbers, text or truth values, got complex in row 0"),
        (lambda: encode([[1], [2, 3]]), ArgumentTypeError, "got list in row 0. For categories write"),
        (lambda: encode([[1], [2]]), ArgumentTypeError, "got list in row 0"),
        (lambda: encode(["a", ["b"]]), ArgumentTypeError, "got list in row 1"),
        (lambda: encode([b"a"]), ArgumentTypeError, "got bytes in row 0"),
        (lambda: encode([b"a"], categorical=["x"]), ArgumentTypeError, "got bytes"),
        (lambda: FITTED.transform(TABLE | {"city": [1, 2, 3, None]}), ArgumentTypeError, r"expected text, like .* only whole numbers\. Write \[str\(value\) for"),
        (lambda: ZIPS.transform({"x": ["3000"]}), ArgumentTypeError, r"frame\['x'\]\): expected whole numbers, .* only text\. Write \[int\(value\) for"),
        (lambda: ZIPS.transform({"x": [True]}), ArgumentTypeError, "only truth values"),
    ],
)  # fmt: skip
def test_mistakes(call, error, message):
    with pytest.raises(error, match=message) as caught:
        call()
    assert re.fullmatch(r"\S.*: expected \S.*, got \S.*\. [A-Z].*[^.]\.", str(caught.value))


def test_a_table_that_cannot_be_used_leaves_the_encoder_as_it_was():
    encoder = TableEncoder().fit(TABLE)
    before = encoder.to_dict()
    with pytest.raises(ArgumentError):
        encoder.fit(TABLE | {"weight": [1, 2, math.inf, 3]})
    assert encoder.to_dict() == before


def test_one_category_of_a_kind_that_fit_saw_is_enough():
    np.testing.assert_array_equal(ZIPS.transform({"x": ["Bern", 8000, None]}), [[0], [2], [0]])
    nothing = TableEncoder(categorical=["x"]).fit({"x": [None]})
    np.testing.assert_array_equal(nothing.transform({"x": ["Bern", None]}), [[0], [1]])


def test_a_table_of_arrow_is_not_taken_for_encoded_numbers(rng):
    pa = pytest.importorskip("pyarrow")
    encoder = TableEncoder().fit({"a": [1.0, 3.0], "b": [0.0, 9.0]})
    model = nn.Sequential([encoder.layer(), nn.Dense(encoder.width, 1)], preprocessing=encoder, rng=0)
    table = pa.table({"a": [1.0, 2.0], "b": [2.0, 30.0]})
    for call in (lambda: model.predict(table), lambda: TableEncoder().fit(table)):
        with pytest.raises(ArgumentTypeError, match=r"got Table\. Write \w+\.to_pandas\(\)\."):
            call()


def test_only_an_encoder_encodes():
    class Scaler:
        def transform(self, frame):
            return frame

    with pytest.raises(ArgumentTypeError, match=r"a fitted TableEncoder, got .*Scaler"):
        nn.Sequential([nn.Dense(2, 1)], preprocessing=Scaler())


def test_long_names_of_categories_are_shown_in_part():
    assert len(repr(TableEncoder().fit({"x": ["a" * 1000, "b"]}))) < 150


def test_frames_that_are_only_plans(pl):
    with pytest.raises(ArgumentTypeError, match=r"a table in memory, got LazyFrame\. Write frame\.collect"):
        TableEncoder().fit(pl.LazyFrame(TABLE))


def test_columns_with_the_same_name(pd):
    frame = pd.DataFrame([[1, 2, 3]], columns=["a", "a", "b"])
    with pytest.raises(ArgumentError, match="two columns called 'a'"):
        TableEncoder().fit(frame)
    # Of columns that are not needed it makes no difference.
    encoder = TableEncoder().fit({"b": [1, 3]})
    np.testing.assert_array_equal(encoder.transform(frame), [[1]])
    with pytest.raises(ArgumentError, match="two columns called 'a'"):
        TableEncoder().fit({"a": [1, 3]}).transform(frame)


TIMES = {
    "list of dates": lambda pd, pl: [MOMENT.date(), None],
    "list of moments": lambda pd, pl: [MOMENT, None],
    "array": lambda pd, pl: np.array([MOMENT, None], "datetime64[ns]"),
    "pandas": lambda pd, pl: pd.Series([MOMENT, None]),
    "pandas, with a time zone": lambda pd, pl: pd.Series([MOMENT, None]).dt.tz_localize("UTC"),
    "polars dates": lambda pd, pl: pl.Series([MOMENT.date(), None]),
    "polars moments": lambda pd, pl: pl.Series([MOMENT, None]),
    "list of durations": lambda pd, pl: [dt.timedelta(days=2), None],
    "pandas durations": lambda pd, pl: pd.Series([dt.timedelta(days=2), None]),
    "polars durations": lambda pd, pl: pl.Series([dt.timedelta(days=2), None]),
}


@pytest.mark.parametrize("options", [{}, {"categorical": ["x"]}, {"numeric": ["x"]}], ids=str)
@pytest.mark.parametrize("name", TIMES)
def test_times_are_refused_and_what_the_error_says_helps(name, options, pd, pl):
    frame = {"x": TIMES[name](pd, pl)}
    with pytest.raises(ArgumentTypeError, match=r"frame\['x'\]\): expected numbers, text") as caught:
        TableEncoder(**options).fit(frame)
    written = caught.value.fix.split(": ")[1].rstrip(".")
    days = eval(written, {"np": np, "frame": frame})
    since = 2 if "durations" in name else (MOMENT - dt.datetime(2000, 1, 1)).days
    np.testing.assert_array_equal(days, [since, np.nan])
    assert TableEncoder().fit({"x": days}).columns == (NumericColumn("x", since, 1.0, missing=True),)


@pytest.mark.parametrize("options", [{}, {"categorical": ["x"]}], ids=str)
def test_other_things_are_refused_and_what_the_error_says_helps(options, pd):
    frame = {"x": pd.cut(pd.Series([1, 2, 3]), 2)}
    with pytest.raises(ArgumentTypeError, match="got Interval") as caught:
        TableEncoder(**options).fit(frame)
    written = caught.value.fix.split("write ")[1].split(", for")[0]
    names = eval(written, {"frame": frame})
    assert TableEncoder().fit({"x": names}).columns[0].categories == ("(0.998, 2.0]", "(2.0, 3.0]")
