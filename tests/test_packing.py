"""Plain data as a JSON document and arrays: what comes back is what went in, and nothing is believed."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnlite.files.documents import LONG, MAX_DICTS, PackedRows, pack, unpack, unpack_rows

ONE = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=5)
KEYS = st.text("abc", min_size=1, max_size=2)
DATA = st.recursive(ONE, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=3))


def there_and_back(data):
    document, arrays = pack("here", data)
    text = json.dumps(document, allow_nan=False)
    return unpack(json.loads(text), arrays.__getitem__), text, arrays


@given(DATA, st.lists(DATA, max_size=4), st.integers(0, 3 * LONG))
@settings(max_examples=80)
def test_it_comes_back(alone, few, times):
    data = {
        "one": alone,
        "many": few * times,
        "of one kind": [alone] * times,
        "or none": [alone, None] * times,
    }
    found, _, _ = there_and_back(data)
    assert repr(found) == repr(data)


@pytest.mark.parametrize(
    "item",
    [
        1,
        2**70,
        None,
        True,
        1.5,
        "text, with: {signs}",
        "\ud800",
        [],
        [1, 2],
        [[]],
        {},
        {"a": 1},
        {"a": [{"b": None}]},
    ],
)
def test_a_long_list_of_one_kind_takes_no_room_in_the_document(item):
    found, text, arrays = there_and_back([item] * 50_000)
    assert found == [item] * 50_000
    assert len(text) < 300
    assert sum(array.nbytes for array in arrays.values()) < 50_000 * 150


@pytest.mark.parametrize("dtype", [np.float32, np.int8, bool])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_arrays_in_a_long_list(shape, dtype):
    data = [np.full(shape, index % 5, dtype) for index in range(100)]
    found, _, arrays = there_and_back(data)
    assert len(arrays) == 1
    for one, other in zip(found, data, strict=True):
        np.testing.assert_array_equal(one, other, strict=True)


def test_the_order_in_memory_is_kept():
    found, _, _ = there_and_back([np.asfortranarray(np.ones((2, 3)))] * 100)
    assert all(array.flags.f_contiguous for array in found)


@pytest.mark.parametrize(
    ("document", "arrays"),
    [
        ({"$texts": "a", "ends": "b"}, {"a": np.zeros(4, np.uint8), "b": np.array([2, 1, 4])}),
        ({"$texts": "a", "ends": "b"}, {"a": np.zeros(4, np.uint8), "b": np.array([2, 8])}),
        ({"$texts": "a", "ends": "b"}, {"a": np.full(4, 255, np.uint8), "b": np.array([2, 4])}),
        ({"$lists": "a", "values": [1, 2]}, {"a": np.array([-1, 3])}),
        ({"$lists": "a", "values": [1, 2]}, {"a": np.array([1.0, 1.0])}),
        ({"$optional": "a", "values": [1, 2]}, {"a": np.array([True, False])}),
        ({"$optional": "a", "values": [1, 2]}, {"a": np.array([1, 1])}),
        ({"$integers": ["1", "x"]}, {}),
        ({"$table": [["a", None, [1, 2]], ["b", None, [1]]]}, {}),
        ({"$table": [[1, None, [1, 2]]]}, {}),
        ({"$table": [["a", "m", []]]}, {"m": np.zeros(MAX_DICTS + 1, bool)}),
        ({"$other": 1}, {}),
    ],
)
def test_what_is_no_such_document(document, arrays):
    with pytest.raises((ValueError, LookupError, TypeError)):
        unpack(document, arrays.__getitem__)


def test_rows_are_packed_once():
    class Counted(dict):
        looks = 0

        def get(self, *key):
            Counted.looks += 1
            return super().get(*key)

    pack_history, rows = PackedRows("here"), []
    for epoch in range(100):
        rows.append(Counted(epoch=epoch, loss=0.5, each=[1.0, None]))
        columns = pack_history(rows)
    assert Counted.looks == 3 * 100
    assert unpack_rows(columns, 100) == rows


NUMBER = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False)
ROW = st.dictionaries(KEYS, NUMBER | st.lists(NUMBER, max_size=3), max_size=3)


@given(st.lists(ROW, max_size=8), st.lists(st.integers(0, 8), max_size=4))
@settings(max_examples=80)
def test_rows_come_back_however_often_they_are_packed(rows, stops):
    pack_history = PackedRows("here")
    for stop in [*stops, len(rows)]:
        some = rows[:stop]
        found, _, _ = there_and_back(pack_history(some))
        assert [sorted(row.items(), key=repr) for row in unpack_rows(found, len(some))] == [
            sorted(row.items(), key=repr) for row in some
        ]
        assert repr(unpack_rows(found, len(some))[:1]) == repr(some[:1])
