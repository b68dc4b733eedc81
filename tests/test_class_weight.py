"""Weights of classes in fit: the same bits as the weights of rows that they stand for."""

import numpy as np
import pytest

import nnlite as nn
from nnlite.errors import ArgumentError, ArgumentTypeError

ROWS = 90


@pytest.fixture
def data(rng):
    X = rng.normal(size=(ROWS, 3))
    return X, (X[:, 0] > 1).astype(int)


def train(outputs, X, y=None, *, replicas=None, **options):
    model = nn.Sequential([nn.Dense(3, outputs)], rng=0, replicas=replicas)
    usual = {"optimizer": nn.Adam(0.01), "epochs": 2, "batch_size": 16} | options
    history = model.fit(X, y, **usual)
    return model.params.values, [{k: v for k, v in row.items() if k != "seconds"} for row in history]


def same(mine, theirs):
    np.testing.assert_array_equal(mine[0], theirs[0])
    assert mine[1] == theirs[1]


def balanced(ids):
    return (len(ids) / (2 * np.bincount(ids)))[ids]


#: Loss, outputs, and what makes its targets of class ids.
TARGETS = {
    "ids": (nn.SoftmaxCrossEntropy(), 2, lambda ids: ids),
    "one-hot": (nn.SoftmaxCrossEntropy(), 2, lambda ids: np.eye(2)[ids]),
    "column": (nn.BinaryCrossEntropy(), 1, lambda ids: ids[:, None].astype(float)),
    "ids for one output": (nn.BinaryCrossEntropy(), 1, lambda ids: ids),
    "signs": (nn.Hinge(), 1, lambda ids: 2.0 * ids[:, None] - 1),
}


@pytest.mark.parametrize("kind", TARGETS)
def test_they_are_the_weights_of_rows(kind, data):
    loss, outputs, make = TARGETS[kind]
    X, ids = data
    y = make(ids)
    keys = (-1, 1) if kind == "signs" else (0, 1)
    same(
        train(outputs, X, y, loss=loss, class_weight="balanced"),
        train(outputs, X, y, loss=loss, weight=balanced(ids)),
    )
    own = np.linspace(0.5, 2, ROWS).astype(np.float32)
    same(
        train(outputs, X, y, loss=loss, weight=own, class_weight={keys[1]: 4.0}),
        train(outputs, X, y, loss=loss, weight=own * np.where(ids == 1, 4, 1)),
    )


def test_balanced_counts_rows_by_their_weights(data):
    X, ids = data
    counts = np.arange(ROWS) % 3
    options = {"loss": nn.SoftmaxCrossEntropy(), "batch_size": ROWS * 3, "class_weight": "balanced"}
    mine, _ = train(2, X, ids, weight=counts, **options)
    theirs, _ = train(2, np.repeat(X, counts, 0), np.repeat(ids, counts), **options)
    np.testing.assert_allclose(mine, theirs, rtol=1e-4)


def test_validation_is_weighted_likewise(data):
    X, ids = data
    options = {"loss": nn.SoftmaxCrossEntropy()}
    more = {"validation": (X, ids, balanced(ids)), "weight": balanced(ids)}
    same(
        train(2, X, ids, class_weight="balanced", validation=(X, ids), **options),
        train(2, X, ids, **more, **options),
    )


class Sums(nn.SoftmaxCrossEntropy):
    """Adds up the weights of each class that a batch has, net by net."""

    def __init__(self):
        super().__init__()
        self.sums = []

    def value_and_grad(self, pred, target, weight=None):
        ids = target if target.dtype.kind in "iu" else target.argmax(axis=-1)
        nets = zip(*np.broadcast_arrays(np.atleast_2d(ids), np.atleast_2d(weight)), strict=True)
        self.sums.append([np.bincount(i, w, minlength=2) for i, w in nets])
        return super().value_and_grad(pred, target, weight)


def test_what_is_held_out_is_not_counted(data, tmp_path):
    X, ids = data
    order = np.argsort(ids, kind="stable")  # most of the rare class is held out
    X, ids = X[order], ids[order]
    cut = ROWS - round(0.1 * ROWS)
    table = balanced(ids[:cut])[[0, cut - 1]]
    options = {"validation": 0.1, "shuffle": False, "loss": nn.SoftmaxCrossEntropy()}
    expected = train(2, X, ids, weight=table[ids], **options)
    same(train(2, X, ids, class_weight="balanced", **options), expected)
    rows = np.eye(2)[ids]
    for name, array in (("X", X), ("y", rows)):
        np.save(tmp_path / f"{name}.npy", array)
    kinds = [[np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in ("X", "y")]]
    da = pytest.importorskip("dask.array")
    kinds.append([da.from_array(X, chunks=(32, 3)), da.from_array(rows, chunks=(32, 2))])
    kinds.append([da.from_array(X, chunks=(32, 3)), ids])
    for given in kinds:
        found = train(2, *given, class_weight="balanced", **options)
        np.testing.assert_allclose(found[0], expected[0], rtol=1e-5)


@pytest.mark.parametrize("given", [{"rng": [0, 1, 2]}, {"rng": 0, "groups": np.arange(ROWS) // 4}])
def test_what_each_replica_holds_out_is_not_counted(given, data):
    X, ids = data
    loss = Sums()
    train(2, X, ids, replicas=3, loss=loss, class_weight="balanced", validation=0.2,
          weight=np.linspace(0, 2, ROWS), epochs=1, **given)  # fmt: skip
    found = np.sum(loss.sums[:-1], axis=0)  # the last ones are those of the part that is held out
    np.testing.assert_allclose(found[:, 0], found[:, 1], rtol=1e-5)


@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize("weighted", [False, True])
def test_metrics_count_rows_as_they_are(kind, weighted, data):
    X, ids = data
    loss, outputs, make = TARGETS[kind]
    y = make(ids)
    metrics = [nn.f1] if kind != "one-hot" and kind != "signs" else [nn.mean_absolute_error]
    weight = np.where(X[:, 1] > 0, 2.0, 0.5) if weighted else None
    held_out = (X, y) if weight is None else (X, y, weight)
    model = nn.Sequential([nn.Dense(3, outputs)], rng=0)
    history = model.fit(
        X,
        y,
        weight=weight,
        class_weight="balanced",
        validation=held_out,
        loss=loss,
        metrics=metrics,
        optimizer=nn.SGD(0.1),
        epochs=3,
    )
    asked = model.evaluate(X, y, weight=weight, metrics=metrics)
    for name, value in asked.items():
        assert history[f"validation_{name}"][-1] == pytest.approx(value, abs=1e-6)


def test_metrics_of_training_too(data):
    X, ids = data
    model = nn.Sequential([nn.Dense(3, 2)], rng=0)
    before = model.evaluate(X, ids, metrics=[nn.accuracy])
    history = model.fit(
        X, ids, class_weight={1: 9.0}, loss=nn.SoftmaxCrossEntropy(), metrics=[nn.accuracy],
        optimizer=nn.SGD(1e-30), epochs=1,
    )  # fmt: skip
    assert history["accuracy"] == [before["accuracy"]]


def test_every_kind_of_data(data, tmp_path):
    X, ids = data
    rows = np.eye(2)[ids]
    expected = train(2, X, rows, loss=nn.SoftmaxCrossEntropy(), class_weight="balanced", shuffle=False)
    for name, array in (("X", X), ("y", rows)):
        np.save(tmp_path / f"{name}.npy", array)
    mapped = [np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in ("X", "y")]
    kinds = [mapped]
    da = pytest.importorskip("dask.array")
    kinds.append([da.from_array(X, chunks=(32, 3)), da.from_array(rows, chunks=(32, 2))])
    pd = pytest.importorskip("pandas")
    kinds.append([pd.DataFrame(X), pd.DataFrame(rows)])
    scipy = pytest.importorskip("scipy.sparse")
    kinds.append([scipy.csr_array(X), rows])
    for given in kinds:
        found = train(2, *given, loss=nn.SoftmaxCrossEntropy(), class_weight="balanced", shuffle=False)
        np.testing.assert_allclose(found[0], expected[0], rtol=1e-5)
        assert found[1][-1]["loss"] == pytest.approx(expected[1][-1]["loss"], rel=1e-5)


def test_batches_take_a_dict(data):
    X, ids = data
    parts = [slice(0, 40), slice(40, ROWS)]
    options = {"loss": nn.SoftmaxCrossEntropy(), "batch_size": None}
    plain = [(X[p], ids[p]) for p in parts]
    weighted = [(X[p], ids[p], np.where(ids[p] == 1, 5.0, 1.0)) for p in parts]
    same(train(2, plain, class_weight={1: 5.0}, **options), train(2, weighted, **options))
    with pytest.raises(ArgumentError, match="Count the classes before"):
        train(2, plain, class_weight="balanced", **options)


def test_replicas_with_targets_of_their_own(data):
    X, ids = data
    both = np.stack([ids, 1 - ids])
    options = {"loss": nn.SoftmaxCrossEntropy(), "replicas": 2}
    weight = np.stack([balanced(one) for one in both])
    same(train(2, X, both, class_weight="balanced", **options), train(2, X, both, weight=weight, **options))


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({2: 1.0}, ArgumentError, "class ids from 0 to 1, got 2"),
        ({"1": 1.0}, ArgumentError, "class ids from 0 to 1, got '1'"),
        ({1: -1.0}, ArgumentError, "class 1: expected a finite number of at least 0"),
        ({0: 0.0, 1: 0.0}, ArgumentError, "a weight above 0"),
        ([1.0, 2.0], ArgumentTypeError, "'balanced' or a dict"),
        ("balance", ArgumentTypeError, "'balanced' or a dict"),
    ],
)
def test_what_is_refused_has_changed_nothing(given, error, message, data):
    model = nn.Sequential([nn.Dense(3, 2)], rng=0)
    before = model.params.values.copy(), model.rng.bit_generator.state
    options = {"loss": nn.SoftmaxCrossEntropy(), "optimizer": nn.SGD(0.1)}
    with pytest.raises(error, match=message):
        model.fit(*data, class_weight=given, **options)
    np.testing.assert_array_equal(model.params.values, before[0])
    assert model.rng.bit_generator.state == before[1]


@pytest.mark.parametrize("loss", [nn.MeanSquaredError(), nn.BinaryCrossEntropy()])
def test_targets_that_are_no_classes(loss, rng):
    X, y = rng.normal(size=(20, 3)), rng.uniform(0, 1, (20, 1))
    for given in ("balanced", {1: 2.0}):
        with pytest.raises(ArgumentError, match=r"targets that are classes: .*Give each row a weight"):
            train(1, X, y, loss=loss, class_weight=given)


def test_resume_compares_them(data, tmp_path):
    X, ids = data
    path = tmp_path / "run.checkpoint"
    options = {"loss": nn.SoftmaxCrossEntropy(), "callbacks": [nn.Checkpoint(path)]}
    expected = train(2, X, ids, class_weight="balanced", **options | {"epochs": 4})
    train(2, X, ids, class_weight="balanced", **options)
    for given, got in (({1: 2.0}, r"'\[1\.0, 2\.0\]'"), (None, "None")):
        with pytest.raises(ArgumentError, match=rf"the same class_weight .*, 'balanced', got {got}"):
            train(2, X, ids, class_weight=given, resume=path, **options | {"epochs": 4})
    same(train(2, X, ids, class_weight="balanced", resume=path, **options | {"epochs": 4}), expected)
    for given in ({1: 2.0}, None):
        train(2, X, ids, class_weight=given, **options)
        with pytest.raises(ArgumentError, match=r"the same class_weight .*, got '\[1\.0, 3\.0\]'"):
            train(2, X, ids, class_weight={1: 3.0}, resume=path, **options | {"epochs": 4})


def test_metrics_leave_out_the_rows_of_a_class_of_weight_0(rng):
    X = rng.normal(size=(40, 3))
    ids = (X[:, 0] > 0).astype(int)
    model = nn.Sequential([nn.Dense(3, 2)], rng=0)
    history = model.fit(
        X, ids, class_weight={0: 0.0}, validation=(X, ids), metrics=[nn.accuracy], batch_size=40, epochs=1,
        loss=nn.SoftmaxCrossEntropy(), optimizer=nn.SGD(1e-12),
    )  # fmt: skip
    found = model.evaluate(X[ids == 1], ids[ids == 1], metrics=[nn.accuracy])["accuracy"]
    assert history["accuracy"][-1] == pytest.approx(found)
    assert history["validation_accuracy"][-1] == pytest.approx(found)
