"""Which rows are held out: the last, a share of every class, whole groups; and folds of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nnlite as nn
from nnlite.errors import ArgumentError, ArgumentTypeError, ShapeError

MSE, CE, BCE = nn.MeanSquaredError(), nn.SoftmaxCrossEntropy(), nn.BinaryCrossEntropy()


def trained_rows(X, y, outputs=1, *, loss=MSE, epochs=1, rng=0, replicas=None, optimizer=None, **options):
    """Return the numbers of the rows of each batch; X has them in its first column."""
    seen = []

    class Record(nn.Layer):
        def forward(self, x, ctx=None):
            if ctx is not None:
                seen.append(np.rint(x[..., 0]).astype(int))
            return x

        def backward(self, dy, ctx):
            return dy

    model = nn.Sequential([Record(), nn.Dense(np.shape(X)[-1], outputs)], rng=rng, replicas=replicas)
    model.fit(X, y, loss=loss, optimizer=optimizer or nn.SGD(1e-6), epochs=epochs, **options)
    return seen


def numbered(rows):
    return np.arange(float(rows))[:, None]


def held_out(batches, rows):
    """Return the rows that were not trained on in the first epoch."""
    return np.setdiff1d(np.arange(rows), np.concatenate(batches))


# The last rows.


@pytest.mark.parametrize("optimizer", [None, nn.LBFGS()])
@pytest.mark.parametrize("kind", ["array", "mapped", "dask", "classes", "one-hot"])
def test_without_shuffling_the_order_is_kept_and_the_last_rows_are_held_out(kind, optimizer, tmp_path):
    X, y, loss, outputs = numbered(25) * 1.0, numbered(25) / 25, MSE, 1
    if kind == "mapped":
        np.save(tmp_path / "X.npy", X)
        X = np.load(tmp_path / "X.npy", mmap_mode="r")
    elif kind == "dask":
        X = pytest.importorskip("dask.array").from_array(X, chunks=(7, 1))
    elif kind == "classes":
        y, loss, outputs = np.arange(25) % 3, CE, 3
    elif kind == "one-hot":
        y, loss, outputs = nn.one_hot(np.arange(25) % 3), CE, 3
    batches = trained_rows(
        X, y, outputs, loss=loss, optimizer=optimizer, shuffle=False, validation=0.2, batch_size=8
    )
    np.testing.assert_array_equal(np.concatenate(batches[:3]), np.arange(20))
    assert [len(batch) for batch in batches[:3]] == [8, 8, 4]


def test_without_shuffling_the_validation_loss_is_that_of_the_last_rows():
    X, y = numbered(10) / 10, numbered(10) / 5
    model = nn.Sequential([nn.Dense(1, 1)], rng=0)
    found = model.fit(X, y, loss=MSE, optimizer=nn.SGD(0.1), epochs=2, shuffle=False, validation=0.3)
    alone = nn.Sequential([nn.Dense(1, 1)], rng=0)
    expected = alone.fit(
        X[:7], y[:7], loss=MSE, optimizer=nn.SGD(0.1), epochs=2, shuffle=False, validation=(X[7:], y[7:])
    )
    assert found["validation_loss"] == expected["validation_loss"]
    np.testing.assert_array_equal(model.params.values, alone.params.values)


def test_replicas_without_shuffling_keep_the_order_too():
    X = np.stack([numbered(10), numbered(10) + 100])
    batches = trained_rows(X, X / 100, replicas=2, rng=[0, 1], shuffle=False, validation=0.2)
    np.testing.assert_array_equal(batches[0], [np.arange(8), np.arange(8) + 100])


def test_a_function_that_orders_rows_leaves_the_draw_to_the_seed():
    batches = trained_rows(numbered(20), numbered(20), shuffle=np.arange, validation=0.2, batch_size=20)
    assert len(batches[0]) == 16
    assert not np.array_equal(np.sort(batches[0]), np.arange(16))


def test_a_sweep_over_whole_batches_draws_what_it_holds_out():
    """It does not shuffle one batch of all rows; that must not mean that the last ones are held out."""
    X = np.linspace(-1, 1, 40)[:, None]
    y = np.abs(X)
    rows = {"learning_rate": [0.01, 0.02], "seeds": 1, "epochs": 2, "validation": 0.25, "batch_size": 40}
    model = nn.Sequential([nn.Dense(1, 1)], rng=0)
    found = nn.sweep(model, X, y, **rows).history["validation_loss"]
    net = nn.Sequential([nn.Dense(1, 1)], replicas=2, rng=[0, 0])
    rates = nn.SGD([0.01, 0.02])
    expected = net.fit(
        X, y, loss=MSE, optimizer=rates, epochs=2, batch_size=40, shuffle=np.arange, validation=0.25
    )
    np.testing.assert_allclose(found, expected["validation_loss"], rtol=1e-6)


# Classes.

COUNTS = [70, 20, 9, 1]  # of 100 rows


def classes_in_order():
    return np.random.default_rng(5).permutation(np.repeat(np.arange(4), COUNTS))


KINDS = {
    "ids": lambda ids: (ids, CE, 4),
    "int8": lambda ids: (ids.astype(np.int8), CE, 4),
    "one-hot": lambda ids: (nn.one_hot(ids), CE, 4),
    "one loss of one's own": lambda ids: (ids, Own(), 4),
    "zeros and ones": lambda ids: ((ids > 0).astype(int), BCE, 1),
    "a column of zeros and ones": lambda ids: ((ids > 0)[:, None] * 1.0, BCE, 1),
    "signs": lambda ids: (np.where(ids > 0, 1.0, -1.0)[:, None], nn.Hinge(), 1),
}


class Own(nn.Loss):
    def value_and_grad(self, pred, target, weight=None):
        return CE.value_and_grad(pred, target, weight)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", KINDS)
def test_a_fraction_of_classes_has_their_proportions(kind, seed):
    ids = classes_in_order()
    y, loss, outputs = KINDS[kind](ids)
    batches = trained_rows(numbered(100), y, outputs, loss=loss, rng=seed, validation=0.2)
    test = held_out(batches, 100)
    assert len(test) == 20
    two = outputs == 1
    counts = np.bincount((ids > 0)[test] if two else ids[test], minlength=2 if two else 4)
    expected = np.array([70, 30] if two else COUNTS) * 0.2
    assert (np.abs(counts - expected) < 1).all()
    if not two:
        assert counts[3] == 0  # the only row of its class stays in training


@pytest.mark.parametrize("kind", ["mapped", "dask", "sparse", "frame"])
def test_all_kinds_of_data_hold_out_the_same_rows(kind, tmp_path):
    ids = classes_in_order()
    X, y = np.hstack([numbered(100), np.ones((100, 1))]), nn.one_hot(ids)

    def train(*given):
        model = nn.Sequential([nn.Dense(2, 4)], rng=3)
        options = {"loss": CE, "epochs": 1, "validation": 0.2, "metrics": [share_of_first]}
        return model.fit(*given, optimizer=nn.SGD(1e-12), **options)[0]

    if kind == "mapped":
        for name, array in (("X", X), ("y", y)):
            np.save(tmp_path / f"{name}.npy", array)
        given = [np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in ("X", "y")]
    elif kind == "dask":
        da = pytest.importorskip("dask.array")
        given = [da.from_array(X, chunks=(30, 2)), da.from_array(y, chunks=(40, 4))]
    elif kind == "sparse":
        given = [pytest.importorskip("scipy.sparse").csr_array(X), y]
    else:
        given = [pytest.importorskip("pandas").DataFrame(X, columns=["a", "b"]), y]
    found, expected = train(*given), train(X, y)
    assert found["validation_loss"] == pytest.approx(expected["validation_loss"], rel=1e-5)
    assert found["validation_share_of_first"] == 0.7


def share_of_first(pred, target):
    ids = target.argmax(axis=1) if target.ndim > 1 else target
    return float((ids == 0).mean())


def test_replicas_hold_out_shares_of_their_own_classes():
    rng = np.random.default_rng(0)
    ids = np.stack([rng.permutation(np.repeat([0, 1], [40 - 10 * r, 10 + 10 * r])) for r in range(2)])
    for seeds in ([0, 1], 0):
        batches = trained_rows(numbered(50), ids, 2, loss=CE, replicas=2, rng=seeds, validation=0.2)
        for replica, classes in enumerate(ids):
            test = held_out([batch[replica] for batch in batches], 50)
            np.testing.assert_array_equal(np.bincount(classes[test]), np.bincount(classes) // 5)


def test_replicas_hold_out_what_nets_on_their_own_do():
    ids = classes_in_order()
    together = trained_rows(numbered(100), ids, 4, loss=CE, replicas=3, rng=[7, 8, 9], validation=0.3)
    for replica, seed in enumerate((7, 8, 9)):
        alone = trained_rows(numbered(100), ids, 4, loss=CE, rng=seed, validation=0.3)
        for one, all_of_them in zip(alone, together, strict=True):
            np.testing.assert_array_equal(one, all_of_them[replica])


def test_fewer_rows_are_held_out_where_classes_are_too_rare():
    ids = np.array([0, 1, 2, 3, 4, 4])
    batches = trained_rows(numbered(6), ids, 5, loss=CE, validation=0.5)
    assert len(held_out(batches, 6)) == 1
    assert held_out(batches, 6)[0] in (4, 5)
    with pytest.raises(
        ArgumentError, match=r"two rows of some class.*got one row of each\. Give validation=\(X, y\)"
    ):
        trained_rows(numbered(5), np.arange(5), 5, loss=CE, validation=0.4)


def test_other_targets_are_drawn_as_ever():
    """Numbers, several labels a row and soft targets; the bits of old seeds."""
    rng = np.random.default_rng(0)
    order = nn.Sequential([nn.Dense(1, 1)], rng=1).rng.permutation(30)
    several, soft = rng.integers(0, 2, (30, 2)).astype(float), rng.uniform(size=(30, 1))
    for y, loss, outputs in [
        (numbered(30), MSE, 1), ((numbered(30) > 15) * 1.0, MSE, 1), (several, BCE, 2), (soft, BCE, 1)
    ]:  # fmt: skip
        seen = trained_rows(numbered(30), y, outputs, loss=loss, rng=drawing(order), validation=0.3)
        np.testing.assert_array_equal(held_out(seen, 30), np.sort(order[:9]))


def drawing(order):
    """Make a generator that gives a known order first."""

    class First(np.random.Generator):
        used = False

        def permutation(self, x, **options):
            first, self.used = not self.used, True
            return order if first else super().permutation(x, **options)

    return First(np.random.PCG64(0))


# Groups.

groups_of_rows = st.lists(st.integers(0, 12), min_size=10, max_size=60).filter(
    lambda found: len(set(found)) > 3
)


@given(groups=groups_of_rows, fraction=st.floats(0.1, 0.9), seed=st.integers(0, 99))
def test_no_group_is_on_both_sides_and_sizes_are_close(groups, fraction, seed):
    rows = np.arange(len(groups))
    names = [f"patient {one}" for one in groups]
    if not 0 < round(fraction * len(rows)) < len(rows):
        return
    train, test, y_train, _ = nn.train_test_split(rows, rows, test=fraction, groups=names, rng=seed)
    assert sorted([*train, *test]) == rows.tolist()
    np.testing.assert_array_equal(train, y_train)
    sides = [{names[row] for row in side} for side in (train, test)]
    assert not sides[0] & sides[1]
    assert all(sides)
    largest = max(groups.count(one) for one in set(groups))
    assert abs(len(test) - fraction * len(rows)) <= max(largest, 1)


@given(
    groups=groups_of_rows,
    fraction=st.floats(0.1, 0.9),
    shuffle=st.booleans(),
    classes=st.booleans(),
    seed=st.integers(0, 99),
)
def test_fit_holds_out_whole_groups(groups, fraction, shuffle, classes, seed):
    count = len(groups)
    if not 0 < round(fraction * count) < count:
        return
    y, loss, outputs = (np.arange(count) % 2, CE, 2) if classes else (numbered(count), MSE, 1)
    try:
        batches = trained_rows(
            numbered(count), y, outputs, loss=loss, rng=seed,
            validation=fraction, groups=[(one, "x") for one in groups], shuffle=shuffle,
        )  # fmt: skip
    except ArgumentError:
        assert classes  # of which one lies in one group only
        return
    train, codes = np.concatenate(batches), np.array(groups)
    test = held_out(batches, count)
    assert len(test)
    assert len(train)
    assert not set(codes[train]) & set(codes[test])
    if not shuffle:
        np.testing.assert_array_equal(train, np.sort(train))
        first = {one: groups.index(one) for one in groups}
        assert max(first[one] for one in codes[train]) < min(first[one] for one in codes[test])
    elif not classes:
        largest = np.bincount(codes).max()
        assert abs(len(test) - fraction * count) <= largest


def test_groups_and_classes_together_keep_proportions():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(60), 5)
    y = (rng.uniform(size=300) < np.repeat(rng.choice([0.05, 0.5], 60), 5)).astype(int)
    shares = []
    for seed in range(5):
        batches = trained_rows(numbered(300), y, 1, loss=BCE, rng=seed, validation=0.25, groups=groups)
        test = held_out(batches, 300)
        assert abs(len(test) - 75) <= 5
        assert abs(y[test].mean() - y.mean()) < 0.03
        shares.append(tuple(test))
    assert len(set(shares)) == 5
    for test in nn.k_folds(300, 5, stratify=y, groups=groups, rng=0)[1]:
        assert abs(len(test) - 60) <= 5
        assert abs(y[test].mean() - y.mean()) < 0.03


LABELS = {
    "words": lambda g: [f"p{one}" for one in g],
    "tuples": lambda g: [(one, "a") for one in g],
    "an array": lambda g: np.array(g) * 10 - 30,
    "an array of words": lambda g: np.array([f"p{one}" for one in g]),
    "an array of objects": lambda g: np.array([f"p{one}" for one in g], object),
    "floats": lambda g: np.array(g) / 4,
    "dates": lambda g: np.datetime64("2026-01-01") + np.array(g),
    "series": lambda g: pytest.importorskip("pandas").Series([f"p{one}" for one in g], index=g),
    "categories": lambda g: pytest.importorskip("pandas").Series([f"p{one}" for one in g], dtype="category"),
    "polars": lambda g: pytest.importorskip("polars").Series([f"p{one}" for one in g]),
    "a range of them": lambda g: iter(g),
}


@pytest.mark.parametrize("kind", LABELS)
def test_labels_of_any_kind_make_the_same_groups(kind):
    groups = [3, 3, 0, 1, 1, 2, 0, 5, 5, 4]
    rows = np.arange(10)
    expected = nn.train_test_split(rows, rows, test=0.4, groups=groups, rng=0)
    found = nn.train_test_split(rows, rows, test=0.4, groups=LABELS[kind](groups), rng=0)
    np.testing.assert_array_equal(found[1], expected[1])


# Folds.


@given(
    counts=st.lists(st.integers(2, 20), min_size=1, max_size=5),
    folds=st.integers(2, 6),
    seed=st.integers(0, 9),
)
def test_stratified_folds_have_each_class_within_one_row(counts, folds, seed):
    y = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    if folds > len(y):
        return
    train, test = nn.k_folds(len(y), folds, stratify=y - 3, rng=seed)
    assert test.shape == (folds, len(y) // folds)
    assert train.shape == (folds, len(y) - len(y) // folds)
    assert len(set(test.ravel())) == test.size
    for fit_on, measure_on in zip(train, test, strict=True):
        assert sorted([*fit_on, *measure_on]) == list(range(len(y)))
        found = np.bincount(y[measure_on], minlength=len(counts))
        assert (np.abs(found - np.array(counts) / folds) < 1).all()


@given(groups=groups_of_rows, folds=st.integers(2, 4), seed=st.integers(0, 9), stratified=st.booleans())
def test_grouped_folds_use_every_row_once(groups, folds, seed, stratified):
    count = len(groups)
    y = None if not stratified else np.arange(count) % 3
    train, test = nn.k_folds(count, folds, groups=groups, stratify=y, rng=seed)
    assert sorted(np.concatenate(test)) == list(range(count))
    codes = np.array(groups)
    for fit_on, measure_on in zip(train, test, strict=True):
        assert sorted([*fit_on, *measure_on]) == list(range(count))
        assert not set(codes[fit_on]) & set(codes[measure_on])
    if not stratified:
        sizes = [len(one) for one in test]
        assert max(sizes) - min(sizes) <= np.bincount(codes).max()


def test_folds_without_more_keep_the_bits_of_their_seeds():
    train, test = nn.k_folds(10, 3, rng=0)
    order = np.random.default_rng(0).permutation(10)
    np.testing.assert_array_equal(test.ravel(), order[:9])
    np.testing.assert_array_equal(train[0], order[3:])
    y = np.arange(10)
    np.testing.assert_array_equal(nn.train_test_split(y, y, test=0.3, rng=0)[1], order[:3])


def test_stratify_takes_classes_of_any_kind():
    names = np.array(["yes", "no"])[(np.arange(40) % 4 == 0) * 1]
    X = numbered(40)
    X_train, X_test, _, _ = nn.train_test_split(X, X, test=0.2, stratify=names, rng=0)
    assert (names[X_test[:, 0].astype(int)] == "no").sum() == 2
    assert len(X_test) == 8
    by_ids = nn.train_test_split(X, (names == "no") * 1, test=0.2, stratify=True, rng=0)
    np.testing.assert_array_equal(by_ids[1], X_test)
    assert len(X_train) == 32


# ruff: noqa: E501
# What is refused.

ROWS = numbered(6)
GROUPS = [0, 0, 1, 1, 2, 2]


def fit(**options):
    """Try what must be refused, and see that nothing has changed."""
    model = nn.Sequential([nn.Dense(1, 1)], rng=0)
    before, draws = model.params.values.copy(), model.rng.bit_generator.state
    usual = {"X": ROWS, "y": ROWS, "loss": MSE, "optimizer": nn.SGD(1e-3), "epochs": 1, "validation": 0.3}
    try:
        model.fit(**usual | options)
    finally:
        np.testing.assert_array_equal(model.params.values, before)
        assert model.rng.bit_generator.state == draws


def split(**options):
    return nn.train_test_split(ROWS, ROWS, **options)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: fit(groups=GROUPS, validation=None), ArgumentError, r"fit\(groups=\): expected validation= a fraction.*got no validation\. Write validation=0.2"),
        (lambda: fit(groups=GROUPS, validation=(ROWS, ROWS)), ArgumentError, "got validation data of their own"),
        (lambda: fit(groups=GROUPS, X=[(ROWS, ROWS)], y=None), ArgumentError, "training data that come in batches"),
        (lambda: fit(groups=GROUPS[:5]), ShapeError, r"fit\(groups=\): expected one label for each of 6 rows, got 5\."),
        (lambda: fit(groups=[GROUPS]), ArgumentTypeError, "a list in row 0. Give numbers, words or tuples"),
        (lambda: fit(groups=np.array(GROUPS)[:, None]), ShapeError, r"got shape \(6, 1\)\. Write \[:, 0\]"),
        (lambda: fit(groups=["a"] * 6), ArgumentError, "at least two groups, got one"),
        (lambda: fit(groups=[0, 0, None, 1, 1, 1]), ArgumentError, "a missing one in row 2"),
        (lambda: fit(groups=np.array([0, 0, np.nan, 1, 1, 1])), ArgumentError, "a missing one in row 2"),
        (lambda: fit(groups=np.array(["2026", "NaT"] * 3, "M8[Y]")), ArgumentError, "a missing one in row 1"),
        (lambda: fit(groups=np.ma.array(GROUPS, mask=[0, 0, 0, 0, 0, 1])), ArgumentError, "a missing one in row 5"),
        (lambda: fit(groups="patient"), ArgumentTypeError, "got str"),
        (lambda: fit(groups=3), ArgumentTypeError, "got 3"),
        (lambda: fit(groups={"a": 1}), ArgumentTypeError, "got dict"),
        (lambda: fit(groups=[0] * 3 + [1] * 3, y=np.array([0, 0, 0, 1, 1, 1]), loss=BCE), ArgumentError, "classes that lie in one group each"),
        (lambda: split(groups=["a"] * 6), ArgumentError, "at least two groups"),
        (lambda: split(stratify="y"), ArgumentTypeError, r"train_test_split\(stratify=\)"),
        (lambda: split(stratify=[0, 1]), ShapeError, "one label for each of 6 rows"),
        (lambda: split(stratify=["a"] * 5 + ["b"], test=0.5), ArgumentError, r"1 rows of the class of row 5|class of row 5 for the test"),
        (lambda: nn.k_folds(6, 2, stratify=True), ArgumentTypeError, r"Write stratify=y\."),
        (lambda: nn.k_folds(6, 2, stratify=[0, 0, 0, 0, 0, 1]), ArgumentError, "two rows of every class, got one, row 5"),
        (lambda: nn.k_folds(6, 4, groups=GROUPS), ArgumentError, "at most one fold for each of 3 groups, got 4"),
    ],
)  # fmt: skip
def test_what_cannot_be_split_so_is_refused_and_changes_nothing(call, kind, message):
    with pytest.raises(kind, match=message):
        call()


def test_refused_options_leave_a_generator_alone():
    rng = np.random.default_rng(0)
    before = rng.bit_generator.state
    for call in (
        lambda: split(groups=[1], rng=rng), lambda: split(stratify="x", rng=rng),
        lambda: nn.k_folds(6, 2, groups=[1], rng=rng), lambda: nn.k_folds(6, 2, stratify=True, rng=rng),
    ):  # fmt: skip
        with pytest.raises((ValueError, TypeError)):
            call()
    assert rng.bit_generator.state == before


@pytest.mark.parametrize(
    ("then", "now"),
    [
        ({"groups": GROUPS * 4}, {"groups": [0, 1, 2, 0, 1, 2] * 4}),
        ({"groups": GROUPS * 4}, {"groups": None}),
        ({}, {"groups": GROUPS * 4}),
        ({}, {"validation": 0.5}),
        ({"y": (numbered(24) > 9).astype(int), "loss": BCE}, {"validation": 0.5}),
        ({"shuffle": False}, {"validation": 0.5}),
    ],
)
def test_a_checkpoint_goes_on_with_the_same_part_only(tmp_path, then, now):
    path = tmp_path / "run.ck"

    def train(epochs, resume=None, **more):
        model = nn.Sequential([nn.Dense(1, 1)], rng=0)
        options = {"y": numbered(24) / 24, "loss": MSE, "validation": 0.3} | more
        rest = {"optimizer": nn.SGD(0.1), "callbacks": [nn.Checkpoint(path)], "resume": resume}
        model.fit(numbered(24) / 24, epochs=epochs, **options, **rest)
        return model.params.values

    whole = train(4, **then)
    train(2, **then)
    with pytest.raises(ArgumentError, match=r"the same .*validation.* as in the training that wrote it"):
        train(4, resume=path, **then | now)
    np.testing.assert_array_equal(train(4, resume=path, **then), whole)
