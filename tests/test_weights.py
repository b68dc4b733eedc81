"""Weights of rows: a batch gives its part of the weighted average over the data, in every kind of data."""

import copy
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nnlite as nn
from nnlite.files.documents import pack
from nnlite.metrics import call_metric
from nnlite.training import checkpoint

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
    "MultiTaskLoss": (
        nn.MultiTaskLoss(
            {
                "squares": nn.Task(nn.MeanSquaredError(), outputs=0, targets=0, weight=0.5),
                "kind": nn.Task(nn.SoftmaxCrossEntropy(), outputs=[0, 1], targets=1),
            }
        ),
        "gaps",
    ),
    "SequenceLoss": (nn.SequenceLoss(nn.MeanSquaredError(), 2), "gaps"),
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
        "gaps": np.where(rng.random(shape) < 0.2, np.nan, (numbers > 0).astype(float)),
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
    usual = {"loss": nn.MeanSquaredError(), "epochs": 1, "callbacks": [seen], "optimizer": nn.SGD(1e-300)}
    history = model.fit(X, y, **usual | options)
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
    for name, *parts in kinds(X, y, weight, tmp_path):
        seen, _ = watch(net(), *parts[:2], weight=parts[2], batch_size=8)
        assert len(seen.grads) == 6, name
        check_parts(seen, [8] * 6, whole)


@pytest.mark.parametrize("kind", ["arrays", "file", "dask"])
def test_the_mean_is_that_of_the_rows_that_are_trained_on(kind, rng, tmp_path):
    X, y = rng.normal(size=(ROWS, 3)), rng.normal(size=(ROWS, 2))
    weight = np.where(np.arange(ROWS) < 6, 50.0, 1.0)
    data = {name: parts for name, *parts in kinds(X, y, weight, tmp_path)}[kind]
    seen, _ = watch(net(), *data[:2], weight=data[2], batch_size=1, validation=0.5)
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
        usual = {"loss": nn.MeanSquaredError(), "optimizer": nn.SGD(0.1), "callbacks": [nn.Checkpoint(path)]}
        return model.fit(X, y, **usual | options)

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


# The law: a weight of k is the same as k copies of the row, a weight of 0 as no row.

COUNTS = st.lists(st.integers(0, 3), min_size=6, max_size=6).filter(any)
HUGE = 1e300


def few(kind, rng):
    """Make six rows of targets, and predictions for them."""
    return rng.normal(size=(6, 2)), targets(kind, rng)[:6]


@pytest.mark.parametrize("name", LOSSES)
@given(counts=COUNTS, seed=st.integers(0, 9))
@settings(max_examples=20)
def test_the_law_for_every_loss(name, counts, seed):
    loss, kind = LOSSES[name]
    pred, target = few(kind, np.random.default_rng(seed))
    counts = np.array(counts)
    expected, slopes = loss.value_and_grad(np.repeat(pred, counts, 0), np.repeat(target, counts, 0))
    none = counts == 0
    for filler in (1.0, HUGE, -HUGE, np.inf, np.nan):
        pred[none] = filler
        value, grad = loss.value_and_grad(pred, target, counts)
        assert value == pytest.approx(expected, rel=1e-12)
        assert not grad[none].any()
        np.testing.assert_allclose(np.repeat(grad, counts, 0), slopes * np.repeat(counts, counts)[:, None])


@pytest.mark.parametrize("name", LOSSES)
def test_the_law_for_replicas_with_weights_of_their_own(name, rng):
    loss, kind = LOSSES[name]
    pred, target = rng.normal(size=(3, 6, 2)), targets(kind, rng)[:6]
    weight = np.array([[1, 0, 2, 0, 1, 1], [0, 0, 0, 0, 0, 3], [0, 0, 0, 0, 0, 0.0]])
    pred[0, 1] = HUGE
    pred[1, 2] = np.nan
    values, grads = loss.value_and_grad(pred, target, weight)
    for one, pulls, *given_one in zip(values, grads, pred, weight, strict=True):
        value, grad = loss.value_and_grad(given_one[0], target, given_one[1])
        assert one == pytest.approx(value, rel=1e-12)
        np.testing.assert_allclose(pulls, grad, rtol=1e-12)
    assert values[2] == 0
    assert not grads[2].any()


METRICS = {
    "accuracy": (nn.accuracy, "ids"),
    "top_k_accuracy": (lambda *given: nn.top_k_accuracy(*given, k=1), "rows"),
    "binary_accuracy": (nn.binary_accuracy, "chances"),
    "r2": (nn.r2, "numbers"),
    "mean_absolute_error": (nn.mean_absolute_error, "numbers"),
}


@pytest.mark.parametrize("name", METRICS)
@given(counts=COUNTS.filter(lambda counts: sum(map(bool, counts)) > 1), seed=st.integers(0, 9))
@settings(max_examples=20)
def test_the_law_for_metrics_as_fit_and_evaluate_call_them(name, counts, seed):
    metric, kind = METRICS[name]
    pred, target = few(kind, np.random.default_rng(seed))
    counts = np.array(counts)
    expected = metric(np.repeat(pred, counts, 0), np.repeat(target, counts, 0))
    assert metric(pred, target, counts) == pytest.approx(expected, rel=1e-12)
    pred[counts == 0] = np.nan
    assert call_metric(metric, pred, target, counts) == pytest.approx(expected, rel=1e-12)


#: Layers in which an input of 1e300 overflows, and what they save is infinite.
ACTIVATIONS = [nn.ReLU, nn.GELU, nn.SiLU, nn.Softplus, nn.Tanh]
COPIES = np.array([1, 2, 0, 3, 1, 0, 1, 2])


def overflowing(rng, activation=nn.SiLU, **options):
    """Make rows of which those of weight 0 overflow in the net, and the same without them."""
    X, y = rng.normal(size=(8, 3)), rng.normal(size=(8, 2))
    without = np.repeat(X, COPIES, 0), np.repeat(y, COPIES, 0)
    X[COPIES == 0], y[COPIES == 0] = HUGE, -HUGE
    layers = [nn.Dense(3, 4), activation(), nn.Dense(4, 4), activation(), nn.Dense(4, 2)]
    return X, y, without, lambda: nn.Sequential(layers_of(layers), rng=0, dtype=np.float64, **options)


def layers_of(layers):
    return [
        type(one)(one.in_features, one.out_features) if isinstance(one, nn.Dense) else type(one)()
        for one in layers
    ]


class OwnSquares(nn.Loss):
    """What anyone writes, without a thought of rows that overflow."""

    def value_and_grad(self, pred, target, weight=None):
        share = np.ones(pred.shape[-2]) if weight is None else weight
        share = (share / share.sum(axis=-1, keepdims=True))[..., None]
        gap = pred - target
        value = (share * gap**2).sum(axis=(-2, -1))
        return value if pred.ndim > 2 else float(value), 2 * share * gap


@pytest.mark.parametrize("replicas", [None, 2])
def test_the_law_for_a_loss_of_ones_own_in_an_evaluation(replicas, rng):
    X, y = rng.normal(size=(6, 2)), rng.normal(size=(6, 1))
    far, weight = y.copy(), np.array([0.0, 1, 2, 0, 1, 1])
    far[weight == 0] = 1e30
    model = nn.Sequential([nn.Dense(2, 1)], rng=0, replicas=replicas)
    without = model.evaluate(X[weight > 0], y[weight > 0], weight=weight[weight > 0], loss=OwnSquares())
    weights = [weight] if replicas is None else [weight, np.stack([weight, weight])]
    for one in weights:
        with_them = model.evaluate(X, far, weight=one, loss=OwnSquares())
        np.testing.assert_allclose(with_them["loss"], without["loss"], rtol=1e-6)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("optimizer", [lambda: nn.Adam(0.01), nn.LBFGS, nn.LevenbergMarquardt])
def test_the_law_where_rows_of_weight_0_overflow_inside(activation, optimizer, rng):
    X, y, without, make = overflowing(rng, activation)
    options = {"loss": nn.MeanSquaredError(), "epochs": 3, "metrics": [nn.r2]}
    one, other = make(), make()
    mine = one.fit(X, y, weight=COPIES, optimizer=optimizer(), validation=(X, y, COPIES), **options)
    theirs = other.fit(*without, optimizer=optimizer(), validation=without, **options)
    np.testing.assert_allclose(one.params.values, other.params.values, rtol=1e-6)
    for column in ("loss", "r2", "validation_loss", "validation_r2"):
        assert mine[column] == pytest.approx(theirs[column], rel=1e-6)
    found = one.evaluate(X, y, weight=COPIES, loss=nn.MeanSquaredError(), metrics=[nn.r2])
    assert found["loss"] == pytest.approx(mine["validation_loss"][-1], rel=1e-6)
    assert found["r2"] == pytest.approx(mine["validation_r2"][-1], rel=1e-6)


def test_the_law_for_every_kind_of_data(rng, tmp_path):
    X, y, without, make = overflowing(rng)
    expected = make()
    options = {"loss": nn.MeanSquaredError(), "epochs": 3}
    expected.fit(*without, optimizer=nn.Adam(0.01), **options)
    streams = {
        "stream": [(X, y, COPIES)],
        "function": lambda: iter([(X, y, COPIES)]),
        "batches": nn.batches(X, y, COPIES, batch_size=8),
    }
    cases = [(name, parts[:2], {"weight": parts[2]}) for name, *parts in kinds(X, y, COPIES, tmp_path)]
    cases += [(name, (stream,), {}) for name, stream in streams.items()]
    for name, given_data, more in cases:
        model = make()
        model.fit(*given_data, optimizer=nn.Adam(0.01), **options, **more)
        np.testing.assert_allclose(model.params.values, expected.params.values, rtol=1e-6, err_msg=name)
        value = model.evaluate(*given_data, loss=nn.MeanSquaredError(), **more)["loss"]
        assert value == pytest.approx(
            expected.evaluate(*without, loss=nn.MeanSquaredError())["loss"], rel=1e-6
        )


def test_the_law_for_replicas_where_a_row_counts_for_some_only(rng):
    X, y, _, make = overflowing(rng, replicas=2)
    X[1] = HUGE  # counts for the second one only, which it breaks
    weight = np.stack([np.where(np.arange(8) == 1, 0, COPIES), COPIES]).astype(float)
    model = make()
    with pytest.warns(nn.errors.ReplicaWarning):
        model.fit(X, y, weight=weight, loss=nn.MeanSquaredError(), optimizer=nn.SGD(0.01), epochs=2)
    counts = np.where(np.arange(8) == 1, 0, COPIES)
    alone = make().replica(0)
    copies = np.repeat(X, counts, 0), np.repeat(y, counts, 0)
    alone.fit(*copies, loss=nn.MeanSquaredError(), optimizer=nn.SGD(0.01), epochs=2)
    np.testing.assert_allclose(model.replica(0).params.values, alone.params.values, rtol=1e-9)


def test_rows_of_weight_0_are_not_measured(rng, tmp_path):
    X, y = rng.normal(size=(8, 3)), rng.normal(size=(8, 2))
    weight = (COPIES > 0) * 1.0
    cases = [
        (parts[:2], {"weight": parts[2]})
        for name, *parts in kinds(X, y, weight, tmp_path)
        if name != "sparse"
    ]
    cases.append((([(X[:3], y[:3], weight[:3]), (X[3:], y[3:], weight[3:])],), {}))
    cases.append(((X, y), {"weight": np.stack([weight, weight])}))
    for given_data, more in cases:
        replicas = 2 if np.ndim(more.get("weight")) > 1 else None
        model = nn.Sequential([nn.Standardize(3), nn.Dense(3, 2)], dtype=np.float64, rng=0, replicas=replicas)
        model.fit(*given_data, loss=nn.MeanSquaredError(), optimizer=nn.SGD(0.1), epochs=1, **more)
        for alone in [model] if replicas is None else [model.replica(0), model.replica(1)]:
            np.testing.assert_allclose(alone[0].mean, X[weight > 0].mean(axis=0), rtol=1e-12)
            np.testing.assert_allclose(alone[0].scale, X[weight > 0].std(axis=0), rtol=1e-12)


def standardized(**options):
    layers = [nn.Standardize(3), nn.Dense(3, 4), nn.Tanh(), nn.Standardize(4), nn.Dense(4, 2)]
    return nn.Sequential(layers, **{"rng": 0, "dtype": np.float64} | options)


@pytest.mark.parametrize("optimizer", [nn.Adam(0.01), nn.LBFGS()], ids=lambda one: type(one).__name__)
def test_the_law_behind_standardize(optimizer, rng, tmp_path):
    X, y = 1e4 + rng.normal(size=(8, 3)), rng.normal(size=(8, 2))
    X[COPIES == 0] = 1e9
    options = {"loss": nn.MeanSquaredError(), "epochs": 3}
    expected = standardized()
    copies = np.repeat(X, COPIES, 0), np.repeat(y, COPIES, 0)
    expected.fit(*copies, optimizer=copy.deepcopy(optimizer), **options)
    cases = [
        (name, parts[:2], {"weight": parts[2]})
        for name, *parts in kinds(X, y, COPIES, tmp_path)
        if name != "sparse"
    ]
    if isinstance(optimizer, nn.Adam):
        cases += [("stream", ([(X, y, COPIES)],), {}), ("function", (lambda: iter([(X, y, COPIES)]),), {})]
    for name, given_data, more in cases:
        model = standardized()
        model.fit(*given_data, optimizer=copy.deepcopy(optimizer), **options, **more)
        np.testing.assert_allclose(model[0].scale, copies[0].std(axis=0), rtol=1e-9, err_msg=name)
        np.testing.assert_allclose(model.predict(X), expected.predict(X), rtol=1e-7, err_msg=name)


@pytest.mark.parametrize("own", [False, True])
def test_the_law_behind_standardize_for_replicas_with_weights_of_their_own(own, rng):
    X, y = rng.normal(size=(3, 8, 3) if own else (8, 3)), rng.normal(size=(8, 2))
    weight = np.stack([COPIES, np.ones(8, int), COPIES[::-1]])
    options = {"loss": nn.MeanSquaredError(), "epochs": 3}
    for stream in (False, True):
        model = standardized(replicas=3)
        nets = [model.replica(index) for index in range(3)]
        given_data = ([(X, y, weight)],) if stream else (X, y)
        more = {} if stream else {"weight": weight}
        model.fit(*given_data, optimizer=nn.Adam(0.01), **options, **more)
        for index, (net, counts) in enumerate(zip(nets, weight, strict=True)):
            copies = np.repeat(X[index] if own else X, counts, 0), np.repeat(y, counts, 0)
            net.fit(*copies, optimizer=nn.Adam(0.01), **options)
            found = model.replica(index)
            np.testing.assert_allclose(found[0].mean, net[0].mean, rtol=1e-9)
            np.testing.assert_allclose(found[3].scale, net[3].scale, rtol=1e-9)
            np.testing.assert_allclose(found.params.values, net.params.values, rtol=1e-9)


def test_class_weights_count_behind_standardize(rng):
    X, ids = rng.normal(size=(30, 3)), np.arange(30) % 3 // 2
    options = {"loss": nn.SoftmaxCrossEntropy(), "epochs": 3}
    one, other = standardized(), standardized()
    one.fit(X, ids, class_weight={1: 2.0}, optimizer=nn.Adam(0.01), **options)
    counts = 1 + ids
    other.fit(
        np.repeat(X, counts, 0), np.repeat(ids, counts, 0), optimizer=nn.Adam(0.01), batch_size=40, **options
    )
    np.testing.assert_allclose(one[0].mean, other[0].mean, rtol=1e-9)
    np.testing.assert_allclose(one.params.values, other.params.values, rtol=1e-9)


def test_layers_are_shown_weights_if_they_ask_for_them(rng):
    seen = {}

    class Plain(nn.Standardize):
        def adapt(self, X):
            blocks = list(X)
            seen["plain"] = [len(block) for block in blocks]
            super().adapt(iter(blocks))

    class Through(nn.Standardize):
        def adapt(self, *blocks, **more):
            seen["through"] = list(more)
            super().adapt(*blocks, **more)

    class Weighing(nn.Standardize):
        def adapt(self, X, weight=None):
            blocks = list(X)
            seen["weighing"] = weights = list(weight)
            super().adapt(iter(blocks), iter(weights))

    X, y = rng.normal(size=(8, 3)), rng.normal(size=(8, 3))
    model = nn.Sequential([Plain(3), Through(3), Weighing(3)], dtype=np.float64)
    model.adapt(X)
    assert seen == {"plain": [8], "through": ["weight"], "weighing": [None]}
    model = nn.Sequential([Plain(3), Through(3), Weighing(3), nn.Dense(3, 3)], dtype=np.float64)
    model.fit(X, y, weight=COPIES, loss=nn.MeanSquaredError(), optimizer=nn.SGD(0.01), epochs=1)
    count = np.count_nonzero(COPIES)
    assert seen["plain"] == [count]
    np.testing.assert_array_equal(seen["weighing"], [COPIES[COPIES > 0]])
    np.testing.assert_allclose(model[0].mean, X[COPIES > 0].mean(axis=0))  # it asked for no weights
    reached = np.repeat(model[0].forward(X), COPIES, axis=0)
    np.testing.assert_allclose(model[1].mean, reached.mean(axis=0), atol=1e-12)


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (
            [1.0, 2.0],
            r"Standardize\(2\).adapt\(weight=\): expected weights of shape \(3,\), got shape \(2,\)",
        ),
        ([1.0, -1.0, 1.0], "finite weights of at least 0, got -1.0 in row 1"),
        ([0, 0, 0], "at least one row, got none"),
    ],
)
def test_standardize_refuses_what_are_no_weights(weight, message):
    layer = nn.Standardize(2)
    layer.adapt(np.eye(2))
    kept = layer.mean
    with pytest.raises(nn.errors.ArgumentError, match=message):
        layer.adapt(np.ones((3, 2)), weight=weight)
    with pytest.raises(nn.errors.ArgumentTypeError, match="the weights of each block, got list"):
        layer.adapt(iter([np.ones((3, 2))]), weight=weight)
    assert layer.mean is kept


def test_what_looks_at_rows_sees_none_in_those_of_weight_0(rng):
    X, y, without, make = overflowing(rng)
    model, loss = make(), nn.MeanSquaredError()
    value = model.loss_and_grad(X, y, loss, weight=COPIES)
    whole = model.params.grads.copy()
    assert value == pytest.approx(model.loss_and_grad(*without, loss), rel=1e-12)
    np.testing.assert_allclose(whole, model.params.grads, rtol=1e-9)
    trace = nn.inspect.explain_step(model, X, y, loss, nn.SGD(0.1), weight=COPIES)
    assert trace.to_dict()["loss"]["value"] == value
    with np.errstate(all="ignore"):
        found = nn.inspect.blame(model, X, y, loss, weight=COPIES)
        assert found.loss == pytest.approx(value, rel=1e-12)
        np.testing.assert_allclose(found.gradient, whole, rtol=1e-9)
        each = model.per_example_gradients(X, y, loss, weight=COPIES)
    np.testing.assert_allclose(each.mean(axis=0), whole, rtol=1e-9)
    assert not each[COPIES == 0].any()


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("kind", ["MLPRegressor", "MLPClassifier"])
def test_the_law_for_estimators(kind, scaled, rng):
    pytest.importorskip("sklearn")
    from nnlite import sklearn as estimators

    X, y, without, _ = overflowing(rng)
    labels = (np.arange(8) % 2, np.repeat(np.arange(8) % 2, COPIES))
    truth = labels if kind == "MLPClassifier" else (y, without[1])
    X[COPIES == 0] = 1e3  # scikit-learn's checks would refuse what overflows
    truth[0][COPIES == 0] = truth[0][0]
    options = {"hidden_layer_sizes": (4,), "max_iter": 20, "random_state": 0, "alpha": 0.1, "tol": 0.0}
    options["scale_inputs"] = scaled
    for solver in ("lbfgs", "sgd", "adam"):
        one, other = (getattr(estimators, kind)(solver=solver, **options) for _ in range(2))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            one.fit(X, truth[0], COPIES)
            other.fit(without[0], truth[1])
        np.testing.assert_allclose(one.model_.params.values, other.model_.params.values, rtol=1e-5, atol=1e-7)
        if scaled:
            np.testing.assert_allclose(one.model_[0].scale, other.model_[0].scale, rtol=1e-9)


def test_weights_whose_sum_overflows_are_refused(rng):
    X, y, weight = rng.normal(size=(8, 3)), rng.normal(size=(8, 2)), np.full(8, 1e38)
    model = net(dtype=np.float32)
    options = {"loss": nn.MeanSquaredError()}
    message = r"expected weights whose sum is a number of float32, got weights up to 1e\+38\. Divide them"
    with pytest.raises(nn.errors.ArgumentError, match=message):
        model.fit(X, y, weight=weight, optimizer=nn.SGD(0.1), epochs=1, **options)
    with pytest.raises(nn.errors.ArgumentError, match=message):
        model.evaluate([(X, y, weight)], **options)
    model.fit(X, y, weight=weight / 100, optimizer=nn.SGD(0.1), epochs=1, **options)


@pytest.mark.parametrize("own", [False, True])
def test_some_row_counts_on_both_sides_of_a_cut(own, rng):
    # A loss of 0, of no row at all, would be the best of all epochs.
    X, y, first = rng.normal(size=(20, 3)), rng.normal(size=(20, 2)), np.arange(20) < 16
    model = net(replicas=2 if own else None)
    start = model.params.values.copy()
    options = {"loss": nn.MeanSquaredError(), "optimizer": nn.SGD(0.1), "epochs": 2}
    for counts, message in (
        (first, "in what is measured, got only zeros"),
        (~first, "in what is trained on"),
    ):
        weight = np.stack([np.ones(20), counts]) if own else counts
        with pytest.raises(nn.errors.ArgumentError, match=message):
            model.fit(X, y, weight=weight * 1.0, validation=0.2, shuffle=False, **options)
    held_out = [(X, y, np.zeros(20))]
    with pytest.raises(nn.errors.ArgumentError, match="in what is measured, got only zeros"):
        model.fit(X, y, validation=held_out, **options)
    np.testing.assert_array_equal(model.params.values, start)
