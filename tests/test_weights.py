"""Weights of rows: a batch gives its part of the weighted average over the data, in every kind of data."""

import numpy as np
import pytest

import nnlite as nn
from nnlite import checkpoint
from nnlite.packing import pack

ROWS = 48
LOSSES = {
    "MeanSquaredError": (nn.MeanSquaredError(), "numbers"),
    "MeanAbsoluteError": (nn.MeanAbsoluteError(), "numbers"),
    "Huber": (nn.Huber(0.5), "numbers"),
    "Quantile": (nn.Quantile(0.8), "numbers"),
    "PoissonNLL": (nn.PoissonNLL(), "counts"),
    "Hinge": (nn.Hinge(), "signs"),
    "BinaryCrossEntropy": (nn.BinaryCrossEntropy(label_smoothing=0.1), "chances"),
    "Masked": (nn.Masked(nn.MeanSquaredError()), "numbers"),
    "SoftmaxCrossEntropy, ids": (nn.SoftmaxCrossEntropy(), "ids"),
    "SoftmaxCrossEntropy, rows": (nn.SoftmaxCrossEntropy(label_smoothing=0.1), "rows"),
    "GaussianNLL": (nn.GaussianNLL(), "one number"),
}


def targets(kind, rng, leading=()):
    """Make targets for two outputs."""
    shape = (*leading, ROWS, 2)
    if kind == "ids":
        return rng.integers(0, 2, shape[:-1])
    if kind == "rows":
        drawn = rng.uniform(0.1, 1, shape)
        return drawn / drawn.sum(axis=-1, keepdims=True)
    numbers = rng.normal(size=shape)
    return {
        "numbers": numbers,
        "counts": rng.integers(0, 5, shape).astype(float),
        "signs": np.sign(numbers),
        "chances": (numbers > 0).astype(float),
        "one number": numbers[..., :1],
    }[kind]


def net(**options):
    layers = [nn.Dense(3, 4), nn.Tanh(), nn.Dense(4, 2)]
    return nn.Sequential(layers, **{"rng": 0, "dtype": np.float64} | options)


class Grads(nn.Callback):
    """Keeps the gradient, the loss, and the divisor of every batch."""

    def __init__(self):
        self.grads, self.losses, self.rows = [], [], []

    def __deepcopy__(self, memo):
        return self  # estimators train with a copy

    def on_grad_computed(self, state):
        self.grads.append(state.model.params.grads.copy())
        self.losses.append(np.array(state.batch_loss))
        self.rows.append(np.array(state.batch_rows))


def watch(model, X, y=None, **options):
    """Train with steps that do not move anything, and return what the batches gave."""
    seen = Grads()
    given = {"loss": nn.MeanSquaredError(), "epochs": 1, "callbacks": [seen], "optimizer": nn.SGD(1e-300)}
    history = model.fit(X, y, **given | options)
    return seen, history


def check_parts(seen, counting, whole):
    """The mean over the batches, each as often as it has rows that count, is the gradient of all rows."""
    parts = [np.asarray(rows) for rows in counting]
    total = sum(part[..., None] * grads for part, grads in zip(parts, seen.grads, strict=True))
    np.testing.assert_allclose(total / sum(parts)[..., None], whole, rtol=1e-10, atol=1e-13)


# The rule.


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("size", [1, 5, 16, ROWS])
def test_the_batches_of_an_epoch_are_parts_of_the_average_over_the_data(name, size, rng):
    loss, kind = LOSSES[name]
    X, y, weight = rng.normal(size=(ROWS, 3)), targets(kind, rng), rng.uniform(0.1, 9, ROWS)
    weight[::7] = 0
    model = net()
    value = model.loss_and_grad(X, y, loss, weight=weight)
    whole = model.params.grads.copy()
    seen, history = watch(model, X, y, weight=weight, loss=loss, batch_size=size, shuffle=False)
    counting = [np.count_nonzero(weight[start : start + size]) for start in range(0, ROWS, size)]
    check_parts(seen, counting, whole)
    assert history["loss"][0] == pytest.approx(value, rel=1e-12)
    assert sum(seen.rows) == pytest.approx(weight.sum(), rel=1e-12)
    if size == ROWS:
        np.testing.assert_array_equal(seen.grads[0], whole)
        assert seen.losses[0] == value


def test_weights_count_in_batches_of_one_row():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 3)), rng.normal(size=(40, 2))
    weight = np.where(y[:, 0] > 1, 20.0, 1.0)
    model, by_hand = net(), net()
    model.fit(
        X, y, weight=weight, batch_size=1, loss=nn.MeanSquaredError(), optimizer=nn.SGD(0.01), epochs=1,
        shuffle=False,
    )  # fmt: skip
    for row in range(40):
        by_hand.loss_and_grad(X[row : row + 1], y[row : row + 1], nn.MeanSquaredError())
        by_hand.params.values[...] -= 0.01 * by_hand.params.grads * weight[row] / weight.mean()
    np.testing.assert_allclose(model.params.values, by_hand.params.values, rtol=1e-12)


def test_weights_that_are_all_the_same_are_none(rng):
    X, y = rng.normal(size=(ROWS, 3)), rng.normal(size=(ROWS, 2))
    plain, weighted = net(dtype=np.float32), net(dtype=np.float32)
    options = {"loss": nn.MeanSquaredError(), "epochs": 3, "batch_size": 16}
    plain.fit(X, y, optimizer=nn.Adam(), **options)
    weighted.fit(X, y, weight=np.full(ROWS, 4.0), optimizer=nn.Adam(), **options)
    np.testing.assert_array_equal(plain.params.values, weighted.params.values)


# Every kind of data.


def kinds(X, y, weight, folder):
    import scipy.sparse

    yield "arrays", X, y, weight
    yield "sparse", scipy.sparse.csr_array(X), y, weight
    np.save(folder / "X.npy", X)
    np.save(folder / "y.npy", y)
    yield "file", np.load(folder / "X.npy", mmap_mode="r"), np.load(folder / "y.npy", mmap_mode="r"), weight
    pd = pytest.importorskip("pandas")
    yield "frame", pd.DataFrame(X), pd.DataFrame(y), pd.Series(weight)
    pl = pytest.importorskip("polars")
    yield "polars", pl.DataFrame(X), pl.DataFrame(y), pl.Series(weight)
    da = pytest.importorskip("dask.array")
    yield "dask", da.from_array(X, chunks=(20, 3)), da.from_array(y, chunks=(20, 2)), weight


def test_every_kind_of_data(rng, tmp_path):
    X, y, weight = rng.normal(size=(ROWS, 3)), rng.normal(size=(ROWS, 2)), rng.uniform(0, 5, ROWS)
    model = net()
    model.loss_and_grad(X, y, nn.MeanSquaredError(), weight=weight)
    whole = model.params.grads.copy()
    for name, *given in kinds(X, y, weight, tmp_path):
        seen, _ = watch(net(), *given[:2], weight=given[2], batch_size=8)
        assert len(seen.grads) == 6, name
        check_parts(seen, [8] * 6, whole)


@pytest.mark.parametrize("kind", ["arrays", "file", "dask"])
def test_the_mean_is_that_of_the_rows_that_are_trained_on(kind, rng, tmp_path):
    X, y = rng.normal(size=(ROWS, 3)), rng.normal(size=(ROWS, 2))
    weight = np.where(np.arange(ROWS) < 6, 50.0, 1.0)
    given = {name: parts for name, *parts in kinds(X, y, weight, tmp_path)}[kind]
    seen, _ = watch(net(), *given[:2], weight=given[2], batch_size=1, validation=0.5)
    assert len(seen.rows) == 24
    # Each batch is one row, which is divided by the mean: their sum is the weight that was not held out.
    assert np.ptp(seen.rows) == 0
    heavy = (sum(seen.rows) - 24) / 49
    assert heavy == pytest.approx(round(heavy), abs=1e-9)
    assert 0 < round(heavy) < 6


@pytest.mark.parametrize("own", ["weight", "all"])
def test_replicas_with_weights_of_their_own(own, rng):
    leading = (3,) if own == "all" else ()
    X, y = rng.normal(size=(*leading, ROWS, 3)), rng.normal(size=(*leading, ROWS, 2))
    weight = rng.integers(0, 4, (3, ROWS)).astype(float)
    model = net(replicas=3)
    values = model.loss_and_grad(X, y, nn.MeanSquaredError(), weight=weight)
    whole = model.params.grads.copy()
    seen, history = watch(model, X, y, weight=weight, batch_size=8, shuffle=False)
    check_parts(seen, np.count_nonzero(weight.reshape(3, 6, 8), axis=-1).T, whole)
    np.testing.assert_allclose(history["loss"][0], values, rtol=1e-12)


# Batches that come one by one.


def test_a_stream_takes_the_mean_of_what_it_has_given(rng):
    X, y, weight = rng.normal(size=(ROWS, 3)), rng.normal(size=(ROWS, 2)), rng.uniform(0.1, 9, ROWS)
    parts = [slice(start, start + 16) for start in range(0, ROWS, 16)]
    seen, history = watch(net(), [(X[p], y[p], weight[p]) for p in parts], epochs=2)
    value = net().evaluate(X, y, weight=weight, loss=nn.MeanSquaredError())["loss"]
    assert history["loss"] == pytest.approx([value, value], rel=1e-12)
    so_far = [*np.cumsum([weight[p].sum() for p in parts])]
    so_far += [so_far[-1] + one for one in so_far]
    model = net()
    for number, (grads, rows) in enumerate(zip(seen.grads, seen.rows, strict=True)):
        part = parts[number % 3]
        mean = so_far[number] / (16 * (number + 1))
        assert rows == pytest.approx(16 * mean, rel=1e-12)
        model.loss_and_grad(X[part], y[part], nn.MeanSquaredError(), weight=weight[part])
        np.testing.assert_allclose(
            grads, model.params.grads * weight[part].mean() / mean, rtol=1e-10, atol=1e-14
        )


def test_a_checkpoint_of_a_stream_without_the_sum_of_its_weights_is_refused(rng, tmp_path, monkeypatch):
    """Files written before it was kept; with it, tests/test_checkpoint.py compares the bits."""
    X, y, weight = rng.normal(size=(ROWS, 3)), rng.normal(size=(ROWS, 2)), rng.uniform(0.1, 9, ROWS)
    path = tmp_path / "run.checkpoint"

    def train(model, X, y=None, **options):
        given = {"loss": nn.MeanSquaredError(), "optimizer": nn.SGD(0.1), "callbacks": [nn.Checkpoint(path)]}
        return model.fit(X, y, **given | options)

    def without(where, state):
        return pack(where, {name: value for name, value in state.items() if name != "weights"})

    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, "pack", without)
        train(net(), [(X, y, weight)], epochs=2)
    model = net()
    before = model.params.values.copy()
    with pytest.raises(nn.errors.ModelFileError, match="older nnlite"):
        train(model, [(X, y, weight)], epochs=4, resume=path)
    np.testing.assert_array_equal(model.params.values, before)
    train(net(), X, y, weight=weight, epochs=2)
    assert len(train(net(), X, y, weight=weight, epochs=4, resume=path)) == 4


# Estimators.


def test_estimators_have_the_rule_of_scikit_learn_for_sample_weight_and_ours_for_classes(rng):
    pytest.importorskip("sklearn")
    from nnlite.sklearn import MLPClassifier

    X, y = rng.normal(size=(ROWS, 3)), (np.arange(ROWS) % 8 == 0).astype(int)
    options = {
        "hidden_layer_sizes": (), "alpha": 0.0, "batch_size": 6, "max_iter": 1, "solver": "sgd",
        "learning_rate_init": 1e-300, "shuffle": False, "random_state": 0,
    }  # fmt: skip

    def parts(weight, **more):
        seen = Grads()
        estimator = MLPClassifier(**options, callbacks=[seen], **more)
        with pytest.warns(UserWarning, match="Maximum iterations"):
            estimator.fit(X, y, weight)
        model = estimator.model_
        return (
            seen,
            lambda rows, weight: (
                model.loss_and_grad(X[rows], y[rows, None], nn.BinaryCrossEntropy(), weight=weight)
                and model.params.grads.copy()
            ),
        )

    balanced = np.where(y == 1, 4.0, 4 / 7)
    seen, grads = parts(None, class_weight="balanced")
    check_parts(seen, [6] * 8, grads(slice(None), balanced))
    seen, grads = parts(balanced)
    for number, found in enumerate(seen.grads):
        rows = slice(6 * number, 6 * number + 6)
        np.testing.assert_allclose(found, grads(rows, balanced[rows]), rtol=1e-12)
    together = rng.uniform(0.5, 2, ROWS)
    seen, grads = parts(together, class_weight={0: 1.0, 1: 9.0})
    check_parts(seen, [6] * 8, grads(slice(None), together * np.where(y == 1, 9.0, 1.0)))


def test_classes_count_in_calls_of_partial_fit_with_one_row(rng):
    pytest.importorskip("sklearn")
    from nnlite.sklearn import MLPClassifier

    X, y = rng.normal(size=(20, 3)), np.arange(20) % 2
    seen = Grads()
    net = MLPClassifier((), class_weight={0: 1.0, 1: 3.0}, alpha=0.0, callbacks=[seen], random_state=0)
    for row in range(20):
        net.partial_fit(X[row : row + 1], y[row : row + 1], classes=[0, 1])
    means = np.cumsum(np.where(y == 1, 3.0, 1.0)) / np.arange(1, 21)
    np.testing.assert_allclose(seen.rows, means, rtol=1e-12)
