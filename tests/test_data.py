"""Batches, one-hot rows and the held-out test set, and the checks they share."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnlite.core.batches import GATHERED, Batches
from nnlite.data.batching import batches, one_hot, train_test_split
from nnlite.data.checks import check_ids, check_rows, check_weight
from nnlite.errors import ArgumentError, ArgumentTypeError, ShapeError
from nnlite.errors.checks import check_finite

X10 = np.arange(20.0, dtype=np.float32).reshape(10, 2)
Y10 = np.arange(10)


@given(rows=st.integers(1, 40), size=st.integers(1, 50), shuffle=st.booleans())
def test_a_pass_gives_every_row_once_and_keeps_rows_together(rows, size, shuffle):
    X, y, weight = np.arange(rows)[:, None] * 1.0, np.arange(rows), np.arange(rows) + 1.0
    data = batches(X, y, weight, batch_size=size, shuffle=shuffle, rng=0)
    passed = list(data)
    assert len(passed) == len(data)
    assert [len(y) for _, y, _ in passed[:-1]] == [size] * (len(passed) - 1)
    assert 1 <= len(passed[-1][1]) <= size
    for x, y, w in passed:
        np.testing.assert_array_equal(x[:, 0], y)
        np.testing.assert_array_equal(w, y + 1.0)
    assert sorted(np.concatenate([y for _, y, _ in passed])) == list(range(rows))


def test_every_pass_has_a_new_order_and_the_seed_decides_all_of_them():
    def orders(seed):
        data = batches(X10, Y10, batch_size=3, rng=seed)
        return [np.concatenate([y for _, y in data]).tolist() for _ in range(3)]

    assert orders(1) == orders(1)
    assert orders(1) != orders(2)
    first, second, third = orders(1)
    assert first != second != third


def test_a_given_generator_is_used_and_not_copied():
    generator = np.random.default_rng(5)
    (batch,) = batches(X10, Y10, batch_size=10, rng=generator)
    assert batch[1].tolist() == np.random.default_rng(5).permutation(10).tolist()
    assert generator.random() != np.random.default_rng(5).random()


def test_shuffled_batches_are_copies_and_ordered_ones_are_views():
    for x, y in batches(X10, Y10, batch_size=4, rng=0):
        assert not np.shares_memory(x, X10)
        assert not np.shares_memory(y, Y10)
    ordered = list(batches(X10, Y10, batch_size=4, shuffle=False))
    assert all(np.shares_memory(x, X10) for x, _ in ordered)
    np.testing.assert_array_equal(np.concatenate([y for _, y in ordered]), Y10)


def test_batches_keep_dtypes_and_trailing_axes():
    images = np.zeros((5, 3, 4), dtype=np.float16)
    for x, y in batches(images, [[1], [2], [3], [4], [5]], batch_size=2, rng=0):
        assert (x.dtype, x.shape[1:]) == (np.float16, (3, 4))
        assert (y.dtype, y.shape[1:]) == (np.int64, (1,))


def test_batches_tell_their_size():
    data = batches(X10, Y10, batch_size=4)
    assert isinstance(data, Batches)
    assert (data.rows, data.batch_size, len(data)) == (10, 4, 3)
    assert repr(data) == "Batches(10 rows, 3 batches of 4)"


def test_two_passes_at_once_do_not_disturb_each_other():
    data = batches(X10, Y10, batch_size=5, rng=0)
    pairs = list(zip(data, data, strict=True))
    for side in (0, 1):
        assert sorted(np.concatenate([pair[side][1] for pair in pairs])) == list(range(10))


@pytest.mark.parametrize(
    ("call", "kind", "where"),
    [
        (lambda: batches(X10, Y10[:9]), ShapeError, "batches"),
        (lambda: batches(X10[:0], Y10[:0]), ShapeError, "batches(X=)"),
        (lambda: batches(X10, []), ShapeError, "batches(y=)"),
        (lambda: batches(3.0, Y10), ShapeError, "batches(X=)"),
        (lambda: batches([[1.0], [1.0, 2.0]], [0, 1]), ShapeError, "batches(X=)"),
        (lambda: batches([["a"], ["b"]], [0, 1]), ArgumentTypeError, "batches(X=)"),
        (lambda: batches(X10, np.array([None] * 10)), ArgumentTypeError, "batches(y=)"),
        (lambda: batches(X10, Y10, batch_size=0), ArgumentError, "batches(batch_size=)"),
        (lambda: batches(X10, Y10, batch_size=2.0), ArgumentTypeError, "batches(batch_size=)"),
        (lambda: batches(X10, Y10, rng=-1), ArgumentError, "batches(rng=)"),
        (lambda: batches(X10, Y10, rng="seed"), ArgumentTypeError, "batches(rng=)"),
        (lambda: batches(X10, Y10, np.ones(9)), ShapeError, "batches(weight=)"),
        (lambda: batches(X10, Y10, np.ones((10, 1))), ShapeError, "batches(weight=)"),
        (lambda: batches(X10, Y10, -np.ones(10)), ArgumentError, "batches(weight=)"),
        (lambda: batches(X10, Y10, np.zeros(10)), ArgumentError, "batches(weight=)"),
        (lambda: batches(X10, Y10, np.full(10, np.nan)), ArgumentError, "batches(weight=)"),
        (lambda: one_hot([0, 3], classes=3), ArgumentError, "one_hot(ids=)"),
        (lambda: one_hot([0, -1]), ArgumentError, "one_hot(ids=)"),
        (lambda: one_hot([0.0, 1.0]), ArgumentTypeError, "one_hot(ids=)"),
        (lambda: one_hot([[0], [1]]), ShapeError, "one_hot(ids=)"),
        (lambda: one_hot([]), ShapeError, "one_hot(ids=)"),
        (lambda: one_hot([0], classes=0), ArgumentError, "one_hot(classes=)"),
        (lambda: train_test_split(X10, Y10[:5]), ShapeError, "train_test_split"),
        (lambda: train_test_split(X10[:0], Y10[:0]), ShapeError, "train_test_split(X=)"),
        (lambda: train_test_split(X10, Y10, test=0.0), ArgumentError, "train_test_split(test=)"),
        (lambda: train_test_split(X10, Y10, test=1.0), ArgumentError, "train_test_split(test=)"),
        (lambda: train_test_split(X10, Y10, test=0.01), ArgumentError, "train_test_split(test=)"),
        (lambda: train_test_split(X10, Y10, test=0.99), ArgumentError, "train_test_split(test=)"),
        (lambda: train_test_split(X10, Y10, test=10), ArgumentError, "train_test_split(test=)"),
        (lambda: train_test_split(X10, Y10, test=0), ArgumentError, "train_test_split(test=)"),
        (lambda: train_test_split(X10, Y10, test=True), ArgumentTypeError, "train_test_split(test=)"),
        (lambda: train_test_split(X10, Y10, test="half"), ArgumentTypeError, "train_test_split(test=)"),
        (lambda: train_test_split(X10[:1], Y10[:1]), ArgumentError, "train_test_split(test=)"),
        (lambda: train_test_split(X10, X10, stratify=True), ShapeError, "train_test_split(y=)"),
        (lambda: train_test_split(X10, Y10 / 2, stratify=True), ArgumentTypeError, "train_test_split(y=)"),
        (lambda: train_test_split(X10, Y10, stratify=True), ArgumentError, "train_test_split(stratify=)"),
    ],
)
def test_wrong_arguments_are_refused(call, kind, where):
    with pytest.raises(kind) as error:
        call()
    assert error.value.where == where
    assert str(error.value).startswith(f"{where}: expected ")


def test_messages_say_what_to_write():
    with pytest.raises(ShapeError, match=r"Write \[:, 0\] behind the column\."):
        one_hot([[0], [1]])
    with pytest.raises(ArgumentTypeError, match=r"Write \.astype\(int\)"):
        one_hot([0.0, 1.0])
    with pytest.raises(ArgumentError, match=r"from 0 to 2, got 7 in row 1\. .*return_inverse"):
        check_ids("here", [0, 7], classes=3)
    with pytest.raises(ShapeError, match=r"got 10 and 9 \(shapes \(10, 2\) and \(9,\)\)"):
        batches(X10, Y10[:9])


def test_check_rows_does_not_copy():
    assert check_rows("here", X10) is X10
    assert check_weight("here", X10[:, 1], rows=(10,)) is not None


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint64, bool])
def test_ids_of_any_integer_dtype_become_int64(dtype):
    ids = check_ids("here", np.array([0, 1, 1], dtype=dtype))
    assert ids.dtype == np.int64
    assert ids.tolist() == [0, 1, 1]


@given(ids=st.lists(st.integers(0, 6), min_size=1), extra=st.integers(0, 3))
def test_one_hot_rows_hold_one_one_at_the_class(ids, extra):
    classes = max(ids) + 1 + extra
    rows = one_hot(ids, classes=classes)
    assert rows.shape == (len(ids), classes)
    assert rows.argmax(axis=1).tolist() == ids
    assert rows.sum() == len(ids)
    assert set(rows.ravel()) <= {0.0, 1.0}


def test_one_hot_dtype_and_width():
    assert one_hot([1, 0]).dtype == np.float32
    assert one_hot([1, 0], dtype=np.float64).dtype == np.float64
    assert one_hot([2, 0]).shape == (2, 3)
    assert one_hot(np.array([True, False])).tolist() == [[0.0, 1.0], [1.0, 0.0]]


@given(rows=st.integers(2, 50), seed=st.integers(0, 5), data=st.data())
def test_split_gives_every_row_to_one_side(rows, seed, data):
    held_out = data.draw(st.integers(1, rows - 1))
    X, y = np.arange(rows)[:, None] * 2.0, np.arange(rows)
    X_train, X_test, y_train, y_test = train_test_split(X, y, test=held_out, rng=seed)
    assert len(y_test) == held_out
    assert sorted([*y_train, *y_test]) == list(range(rows))
    np.testing.assert_array_equal(X_train[:, 0], 2.0 * y_train)
    np.testing.assert_array_equal(X_test[:, 0], 2.0 * y_test)


@pytest.mark.parametrize(("test", "held_out"), [(0.2, 2), (0.25, 2), (0.26, 3), (0.5, 5), (1, 1), (9, 9)])
def test_a_fraction_is_rounded_to_whole_rows(test, held_out):
    assert len(train_test_split(X10, Y10, test=test, rng=0)[1]) == held_out


def test_split_is_random_seeded_and_leaves_the_data_alone():
    def held_out(seed):
        return train_test_split(X10, Y10, test=0.5, rng=seed)[3].tolist()

    assert held_out(0) == held_out(0)
    assert len({tuple(held_out(seed)) for seed in range(5)}) == 5
    X_train = train_test_split(X10, Y10, rng=0)[0]
    assert X_train.dtype == np.float32
    assert not np.shares_memory(X_train, X10)


@given(
    counts=st.lists(st.integers(4, 30), min_size=2, max_size=5), fraction=st.sampled_from([0.25, 0.4, 0.5])
)
def test_stratified_split_keeps_proportions_within_one_row(counts, fraction):
    y = np.repeat(np.arange(len(counts)), counts)
    y_train, y_test = train_test_split(y[:, None], y, test=fraction, stratify=True, rng=0)[2:]
    assert len(y_test) == round(fraction * len(y))
    share = len(y_test) / len(y)
    for c, count in enumerate(counts):
        assert abs(np.sum(y_test == c) - share * count) < 1.0
        assert np.sum(y_train == c) + np.sum(y_test == c) == count


def test_stratified_split_is_not_sorted_by_class_and_takes_any_integer_labels():
    y = np.repeat([-1, 1], 50)
    _, _, y_train, y_test = train_test_split(y, y, test=0.3, stratify=True, rng=0)
    assert (np.sum(y_test == -1), np.sum(y_test == 1)) == (15, 15)
    assert np.any(np.diff(y_test) < 0)
    assert np.any(np.diff(y_train) < 0)


def test_a_class_too_small_for_both_sides_is_named():
    y = np.array([0] * 9 + [7])
    with pytest.raises(ArgumentError, match=r"got 0 of the 1 rows of class 7 for the test"):
        train_test_split(y, y, test=0.2, stratify=True)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("order", ["C", "F"])
def test_numbers_whose_squares_overflow_are_finite(dtype, order):
    largest = np.asarray(np.full((3, 4), np.finfo(dtype).max), order=order)
    check_finite("here", largest)
    for wrong in (np.nan, np.inf, -np.inf):
        broken = largest.copy(order="K")
        broken[1, 2] = wrong
        with pytest.raises(ArgumentError, match=r"at index \(1, 2\)"):
            check_finite("here", broken)


@pytest.mark.parametrize("batch_size", [1, 7, 64, 1000, 1999, 2000])
def test_batches_that_are_gathered_together_are_those_of_the_order(batch_size, rng):
    x, y = rng.normal(size=(2000, 50)), np.arange(2000)
    assert x.nbytes > 2 * GATHERED  # more than one gathering
    data = Batches((x, y), batch_size=batch_size, rng=np.random.default_rng(0))
    order = np.random.default_rng(0).permutation(2000)
    given = list(data)
    assert [len(rows) for _, rows in given] == [
        len(order[i : i + batch_size]) for i in range(0, 2000, batch_size)
    ]
    np.testing.assert_array_equal(np.concatenate([rows for _, rows in given]), order)
    for batch, rows in given:
        np.testing.assert_array_equal(batch, x[rows])


def test_an_order_is_drawn_when_the_first_batch_is_asked_for():
    ours, other = np.random.default_rng(3), np.random.default_rng(3)
    given = iter(batches(np.zeros((8, 1)), np.zeros(8), batch_size=4, rng=ours))
    assert ours.integers(1000) == other.integers(1000)
    next(given)
    assert ours.integers(2**40) != other.integers(2**40)


def test_names_of_classes_are_split_as_their_numbers_are():
    pd = pytest.importorskip("pandas")
    X, ids = np.arange(20.0)[:, None], np.arange(20) % 2
    words = np.array(["no", "yes"])[ids]
    expected = train_test_split(X, ids, test=0.3, stratify=True, rng=0)
    for y in (words, words.tolist(), words.astype(object), pd.Series(words, index=np.arange(20)[::-1])):
        found = train_test_split(X, y, test=0.3, stratify=True, rng=0)
        assert all(np.array_equal(a, b) for a, b in zip(found[:2], expected[:2], strict=True))
        assert found[3].tolist() == np.array(["no", "yes"])[expected[3]].tolist()
    with pytest.raises(ArgumentError, match=r"0 of the 1 rows of class maybe for the test"):
        train_test_split(X, ["maybe", *words[1:]], stratify=True, rng=0)
    for y in (["no", 1] * 10, ["no", None] * 10, "no" * 20, {"no": 1}):
        with pytest.raises((ArgumentTypeError, ShapeError, ArgumentError)):
            train_test_split(X, y, rng=0)
