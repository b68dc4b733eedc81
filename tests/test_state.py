"""What is kept and not learned, and layers made of layers, in every kind of training.

`BatchNorm` keeps running statistics and looks from row to row, so it shows where a training forgets one or
the other.
"""

from __future__ import annotations

import signal
import warnings
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import nnlite as nn
import nnlite.core.model
from nnlite import (
    LBFGS,
    SGD,
    Adam,
    BatchNorm,
    Dense,
    Dropout,
    EarlyStopping,
    LevenbergMarquardt,
    MeanSquaredError,
    Residual,
    Sequential,
    SoftmaxCrossEntropy,
    Tanh,
)
from nnlite.core.loop import Loop
from nnlite.errors import ArgumentError, DivergenceError, ReplicaWarning, ShapeError
from nnlite.inspect import doctor, find_learning_rate
from tests.samples import LAYERS, again, draw

SQUARE = MeanSquaredError()


def net(*, noise: float = 0.0, **options: Any) -> Sequential:
    """Make a net with state inside and outside of blocks."""
    block = [
        Dense(8, 8, bias=False),
        BatchNorm(8, momentum=0.3),
        Tanh(),
        *([Dropout(noise)] if noise else []),
    ]
    inner = Sequential([BatchNorm(8), Dense(8, 1)])
    return Sequential(
        [BatchNorm(3), Dense(3, 8), Residual(block), inner], **{"rng": 0, "dtype": np.float64, **options}
    )


def some_data(rows: int = 60, seed: int = 0, *, replicas: int | None = None) -> tuple[Any, Any]:
    """Make a problem that is noisy enough to stop early."""
    rng = np.random.default_rng(seed)
    ahead = () if replicas is None else (replicas,)
    X = rng.normal(size=(*ahead, rows, 3)) * [1.0, 3.0, 0.2] + [0.0, 5.0, -1.0]
    return X, np.sin(X[..., :1]) + 0.5 * rng.normal(size=(*ahead, rows, 1))


class At(nn.Callback):
    """Does something behind one batch."""

    def __init__(self, epoch: int, batch: int, act: Callable[[nn.TrainingState], None]) -> None:
        self.place, self.act = (epoch, batch), act

    def on_batch_end(self, state: nn.TrainingState) -> None:
        if (state.epoch, state.batch) == self.place:
            self.act(state)


class Kept(nn.Callback):
    """Keeps a copy of all numbers behind each batch."""

    def on_train_begin(self, state: nn.TrainingState) -> None:
        self.numbers = [state.model.params.numbers.copy()]

    def on_batch_end(self, state: nn.TrainingState) -> None:
        self.numbers.append(state.model.params.numbers.copy())


# Early stopping.


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("seed", range(3))
def test_early_stopping_gives_back_what_scored_best(dtype: Any, seed: int) -> None:
    validation = some_data(33, seed=seed + 10)
    model, kept = net(dtype=dtype, rng=seed), Kept()
    history = model.fit(
        *some_data(seed=seed), loss=SQUARE, optimizer=Adam(0.05), epochs=40, batch_size=16,
        validation=validation, callbacks=[EarlyStopping(patience=4), kept],
    )  # fmt: skip
    assert history.best_epoch is not None
    assert history.best_epoch < len(history)
    assert model.evaluate(*validation, loss=SQUARE)["loss"] == min(history["validation_loss"])
    batches = (len(kept.numbers) - 1) // len(history)
    assert np.array_equal(model.params.numbers, kept.numbers[history.best_epoch * batches])


def test_early_stopping_gives_each_replica_its_own() -> None:
    validation = some_data(33, seed=10)
    model = net(replicas=4, rng=[0, 1, 2, 3])
    rates = [0.001, 0.01, 0.05, 0.1]
    history = model.fit(
        *some_data(), loss=SQUARE, optimizer=Adam(rates), epochs=25, batch_size=16,
        validation=validation, callbacks=[EarlyStopping(patience=3)],
    )  # fmt: skip
    best = [
        min(number for number in column if number is not None)
        for column in zip(*history["validation_loss"], strict=True)
    ]
    assert model.evaluate(*validation, loss=SQUARE)["loss"] == best
    assert len({one["best_epoch"] for one in history.replicas}) > 1
    for index, expected in enumerate(best):
        one = model.replica(index)
        assert one.evaluate(*validation, loss=SQUARE)["loss"] == pytest.approx(expected, abs=1e-12)


# Ends.


def test_replicas_that_have_ended_keep_all_their_numbers() -> None:
    model, kept = net(replicas=3, noise=0.2), Kept()
    ends = {(2, 2): 0, (3, 1): 2}

    class End(nn.Callback):
        def on_batch_begin(self, state: nn.TrainingState) -> None:
            if (state.epoch, state.batch) == (3, 1):
                state.stop("enough", replicas=np.arange(3) == 2)

    def end(state: nn.TrainingState) -> None:
        state.stop("enough", replicas=np.arange(3) == 0)

    model.fit(
        *some_data(), loss=SQUARE, optimizer=Adam(0.01), epochs=5, batch_size=20,
        callbacks=[At(2, 2, end), End(), kept],
    )  # fmt: skip
    numbers = np.array(kept.numbers)  # of the start, and behind each of 15 batches
    for (epoch, batch), replica in ends.items():
        last = (epoch - 1) * 3 + batch - (replica == 2)
        assert (numbers[last:, replica] == numbers[last, replica]).all()
        assert (numbers[last, replica] != numbers[last - 1, replica]).all()
        assert np.array_equal(model.params.numbers[replica], numbers[last, replica])
    assert all((one != other).any() for one, other in pairwise(numbers[:, 1]))


def test_a_replica_that_ends_is_as_one_that_never_had_company() -> None:
    X, y = some_data()
    given = {"loss": SQUARE, "batch_size": 20, "shuffle": False}
    together = net(replicas=2)

    def end(state: nn.TrainingState) -> None:
        state.stop("enough", replicas=np.array([True, False]))

    one = together.replica(0)
    together.fit(X, y, optimizer=SGD(0.05), epochs=4, callbacks=[At(2, 3, end)], **given)
    one.fit(X, y, optimizer=SGD(0.05), epochs=2, **given)
    np.testing.assert_allclose(together.params.numbers[0], one.params.numbers, rtol=0, atol=1e-12)


class Broken(MeanSquaredError):
    """Is not finite in one batch, of one replica if there are some."""

    def __init__(self, batch: int, replica: int | None = None) -> None:
        self.batch, self.replica, self.asked = batch, replica, 0

    def value_and_grad(self, pred: Any, target: Any, weight: Any = None) -> Any:
        value, grad = super().value_and_grad(pred, target, weight)
        self.asked += 1
        if self.asked == self.batch:
            if self.replica is None:
                return np.inf, grad
            value[self.replica] = np.nan
        return value, grad


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_divergence_gives_state_back(batch: int) -> None:
    model, kept = net(), Kept()
    with pytest.raises(DivergenceError, match=f"epoch {1 + (batch > 3)}, batch {(batch - 1) % 3 + 1}"):
        model.fit(
            *some_data(), loss=Broken(batch), optimizer=SGD(0.01), epochs=3, batch_size=20, callbacks=[kept],
        )  # fmt: skip
    size, numbers = model.params.size, kept.numbers
    # The weights that gave the last finite loss, and what the layers had measured by then.
    back = max(batch - 2, 0)
    assert np.array_equal(model.params.values, numbers[back][:size])
    assert np.array_equal(model.params.state, numbers[max(batch - 1, 0)][size:])
    assert len(numbers) == batch


@pytest.mark.parametrize("batch", [1, 4])
def test_divergence_gives_the_state_of_one_replica_back(batch: int) -> None:
    X, y = some_data()
    given = {"epochs": 3, "batch_size": 20, "shuffle": False}
    model, kept = net(replicas=3), Kept()
    whole = net(replicas=3)
    with pytest.warns(ReplicaWarning, match="1 of 3 replicas diverged"):
        model.fit(X, y, loss=Broken(batch, 1), optimizer=SGD(0.01), callbacks=[kept], **given)
    whole.fit(X, y, loss=SQUARE, optimizer=SGD(0.01), **given)
    size, first = model.params.size, kept.numbers[0]
    expected = (
        first if batch == 1 else np.hstack([kept.numbers[batch - 2][:, :size], kept.numbers[3][:, size:]])
    )
    assert np.array_equal(model.params.numbers[1], expected[1])
    for replica in (0, 2):  # the others do not notice
        assert np.array_equal(model.params.numbers[replica], whole.params.numbers[replica])


def test_a_failed_fit_restores_state() -> None:
    X, y = some_data()
    model = net()
    before = model.params.numbers.copy()

    def two_batches() -> Any:
        yield X[:20], y[:20]
        yield X[20:40], np.zeros((3, 1))

    with pytest.raises(ShapeError):
        model.fit(two_batches, loss=SQUARE, optimizer=SGD(0.1), epochs=2)
    assert np.array_equal(model.params.numbers, before)


def test_ctrl_c_leaves_the_numbers_of_the_end_of_a_batch() -> None:
    X, y = some_data()
    given = {"loss": SQUARE, "batch_size": 20, "shuffle": False}

    class Press(BatchNorm):
        """Sends Ctrl-C in the middle of a forward pass."""

        passes = 0

        def forward(self, x: Any, ctx: Any = None) -> Any:
            if ctx is not None and ctx.training:
                self.passes += 1
                if self.passes == 5:
                    signal.raise_signal(signal.SIGINT)
            return super().forward(x, ctx)

    def make(kind: type[BatchNorm]) -> Sequential:
        return Sequential([Dense(3, 4), Residual([Dense(4, 4), kind(4)]), Dense(4, 1)], rng=0)

    model, whole = make(Press), make(BatchNorm)
    kept = Kept()
    with pytest.warns(UserWarning, match="Ctrl-C in epoch 2 after batch 2"):
        model.fit(X, y, optimizer=SGD(0.005), epochs=9, **given)
    whole.fit(X, y, optimizer=SGD(0.005), epochs=2, callbacks=[kept], **given)
    assert np.array_equal(model.params.numbers, kept.numbers[5])


# Replicas.


@pytest.mark.parametrize("case", range(6))
def test_replicas_are_as_separate_runs(case: int) -> None:
    """Own seeds, own or shared data, own or shared weights, with and without noise; some weights are 0."""
    rng = np.random.default_rng(case)
    replicas = 3
    own_data, own_weights, noise = bool(case % 2), case % 3, (0.0, 0.3)[case // 3]
    X, y = some_data(41, seed=case, replicas=replicas if own_data else None)
    weight: Any = None
    if own_weights:
        weight = rng.choice([0.0, 0.5, 1.0, 2.5], size=(replicas, 41) if own_weights == 2 else 41)
    seeds = [int(seed) for seed in rng.integers(1000, size=replicas)]
    given = {"loss": SQUARE, "epochs": 4, "batch_size": 9}
    together = net(replicas=replicas, rng=seeds, noise=noise)
    history = together.fit(X, y, weight=weight, optimizer=Adam(0.02), **given)
    for index, seed in enumerate(seeds):
        one = net(rng=seed, noise=noise)
        own = history.replica(index)
        alone = one.fit(
            X[index] if own_data else X,
            y[index] if own_data else y,
            weight=weight[index] if own_weights == 2 else weight,
            optimizer=Adam(0.02),
            **given,
        )
        np.testing.assert_allclose(together.params.numbers[index], one.params.numbers, rtol=1e-8, atol=1e-8)
        np.testing.assert_allclose(own["loss"], alone["loss"], rtol=1e-8)
        taken = together.replica(index)
        assert np.array_equal(taken.params.numbers, together.params.numbers[index])


def test_replicas_of_which_one_has_no_row_that_counts() -> None:
    """Others have some: it goes by its running statistics, and what overflows in its rows reaches nobody."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(2, 6, 3)), rng.normal(size=(6, 1))
    X[1] *= 1e200  # whose squares overflow
    weight = np.array([[1.0, 1.0, 2.0, 0.0, 1.0, 1.0], np.zeros(6)])
    model = Sequential([BatchNorm(3), Dense(3, 1)], replicas=2, rng=0, dtype=np.float64)
    before = model.params.numbers.copy()
    with np.errstate(all="ignore"):
        model.loss_and_grad(X, y, SQUARE, weight=weight)
    assert np.array_equal(model.params.state[1], before[1, model.params.size :])
    assert np.isfinite(model.params.state).all()
    assert not np.array_equal(model.params.state[0], before[0, model.params.size :])
    one = Sequential([BatchNorm(3), Dense(3, 1)], rng=1, dtype=np.float64)
    one.params.numbers[...] = before[0]
    one.loss_and_grad(X[0], y, SQUARE, weight=weight[0])
    np.testing.assert_allclose(model.params.grads[0], one.params.grads, rtol=1e-12)
    np.testing.assert_allclose(model.params.state[0], one.params.state, rtol=1e-12)


# Weights of rows.


def _repeat(weight: Any, *arrays: Any) -> list[Any]:
    return [np.repeat(array, weight, axis=0) for array in arrays]


@pytest.mark.parametrize("seed", range(4))
def test_weight_2_is_the_row_twice_and_weight_0_is_no_row(seed: int) -> None:
    rng = np.random.default_rng(seed)
    X, y = some_data(12, seed=seed)
    weight = rng.integers(0, 4, size=12)
    many, few = net(rng=seed), net(rng=seed)
    ctx, other = many.context(), few.context()
    repeated = _repeat(weight, X, y)
    value = many.loss_and_grad(*repeated, SQUARE, ctx=ctx)
    assert few.loss_and_grad(X, y, SQUARE, weight=weight, ctx=other) == pytest.approx(value, rel=1e-12)
    np.testing.assert_allclose(few.params.grads, many.params.grads, rtol=1e-9, atol=1e-12)
    for kept, others in zip(ctx.layers[:1], other.layers[:1], strict=True):  # what is normalized
        np.testing.assert_allclose(
            np.repeat(others.saved[0], weight, axis=0), kept.saved[0], rtol=1e-9, atol=1e-12
        )


@pytest.mark.parametrize("given", ["weight", "class_weight"])
def test_whole_trainings_on_full_batches_know_no_other_weights(given: str) -> None:
    """The running variances differ by n / (n - 1), of n rows that count, and by nothing else."""
    X, y = some_data(14)
    if given == "weight":
        loss: Any = SQUARE
        weight = np.array([0, 2, 1, 1, 3, 1, 1, 0, 2, 1, 1, 1, 1, 1])
        more: dict[str, Any] = {"weight": weight}
    else:
        loss, y = nn.BinaryCrossEntropy(), (y > 0).astype(int)
        weight = np.where(y[:, 0] == 1, 3, 1)
        more = {"class_weight": {1: 3.0}}
    many, few = net(), net()
    common = {"loss": loss, "epochs": 6, "shuffle": False}
    many.fit(*_repeat(weight, X, y), optimizer=SGD(0.02), batch_size=64, **common)
    few.fit(X, y, optimizer=SGD(0.02), batch_size=14, **more, **common)
    np.testing.assert_allclose(few.params.values, many.params.values, rtol=1e-9, atol=1e-12)
    n, twice = np.count_nonzero(weight), int(weight.sum())
    for prefix, layer in many.walk():
        if isinstance(layer, BatchNorm):
            mean, variance = (few.params[f"{prefix}running_{name}"] for name in ("mean", "variance"))
            np.testing.assert_allclose(mean, layer.running_mean, rtol=1e-9, atol=1e-12)
            left = (1 - layer.momentum) ** 6  # of the 1 that it began with
            expected = (layer.running_variance - left) * (twice - 1) / twice * n / (n - 1) + left
            np.testing.assert_allclose(variance, expected, rtol=1e-8)


def test_weights_that_are_all_larger_change_nothing_and_those_of_0_leave_no_trace() -> None:
    X, y = some_data(20)
    weight = np.random.default_rng(0).choice([0.0, 1.0, 1.5], size=20)
    ends = []
    for rows, numbers in ((slice(None), weight), (slice(None), weight * 3), (weight > 0, weight[weight > 0])):
        model = net()
        model.fit(X[rows], y[rows], weight=numbers, loss=SQUARE, optimizer=SGD(0.05), epochs=5, shuffle=False)
        ends.append(model.params.numbers)
    np.testing.assert_allclose(ends[1], ends[0], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(ends[2], ends[0], rtol=1e-9, atol=1e-12)


def test_weights_in_streams_act_as_those_of_arrays() -> None:
    X, y = some_data(20)
    weight = np.random.default_rng(0).choice([0.0, 1.0, 1.5], size=20)
    ends = []
    for given in ((X, y, {"weight": weight, "batch_size": 20}), ([(X, y, weight)], None, {}), (X, y, {})):
        model = net()
        model.fit(*given[:2], loss=SQUARE, optimizer=SGD(0.05), epochs=3, shuffle=False, **given[2])
        ends.append(model.params.numbers)
    np.testing.assert_allclose(ends[1], ends[0], rtol=1e-9, atol=1e-12)
    assert not np.allclose(ends[2], ends[0])


# A row alone.


def test_a_batch_of_one_row_goes_by_the_running_statistics_and_leaves_them() -> None:
    rng = np.random.default_rng(0)
    model = net()
    for block in (model[0], model[2].layers[1], model[3].layers[0]):
        block.running_mean[...] = rng.normal(size=block.features)
        block.running_variance[...] = rng.uniform(0.5, 2, size=block.features)
    X, y = some_data(4)
    state = model.params.state.copy()
    for x, target, weight in ((X[:1], y[:1], None), (X, y, [1.0, 0.0, 0.0, 0.0])):
        ctx = model.context()
        value = model.loss_and_grad(x, target, SQUARE, weight=weight, ctx=ctx)
        assert value == pytest.approx(float(np.mean((model.predict(X[:1]) - y[:1]) ** 2)), rel=1e-12)
        assert np.array_equal(model.params.state, state)
        for number in range(0, model.params.size, 7):
            steps = []
            for step in (1e-6, -1e-6):
                model.params.values[number] += step
                steps.append(model.loss_and_grad(x, target, SQUARE, weight=weight, ctx=model.context()))
                model.params.values[number] -= step
            model.loss_and_grad(x, target, SQUARE, weight=weight)
            slope = (steps[0] - steps[1]) / 2e-6
            assert model.params.grads[number] == pytest.approx(slope, rel=1e-5, abs=1e-7)
    assert np.array_equal(model.params.state, state)


def test_the_last_batch_may_have_one_row() -> None:
    X, y = some_data(33)
    model, kept = net(), Kept()
    model.fit(
        X, y, loss=SQUARE, optimizer=SGD(0.05), epochs=1, batch_size=32, callbacks=[kept], shuffle=False
    )
    size = model.params.size
    assert len(kept.numbers) == 3
    assert np.array_equal(kept.numbers[2][size:], kept.numbers[1][size:])
    assert not np.array_equal(kept.numbers[2][:size], kept.numbers[1][:size])


def test_batches_of_one_row_are_refused_before_anything_changes() -> None:
    X, y = some_data(5)
    model = Sequential([Dense(3, 4), Residual([Sequential([Dense(4, 4), BatchNorm(4)])]), Dense(4, 1)])
    before = model.params.numbers.copy()
    with pytest.raises(ArgumentError, match=r"^fit\(batch_size=\): .* BatchNorm\(4\).*, got 1\. .*LayerNorm"):
        model.fit(X, y, loss=SQUARE, optimizer=SGD(0.001), batch_size=1)
    assert np.array_equal(model.params.numbers, before)
    model[1].layers[0].layers[1].freeze()  # then it goes by its running statistics, and rows are alone
    model.fit(X, y, loss=SQUARE, optimizer=SGD(0.001), epochs=1, batch_size=1)
    assert np.array_equal(model.params.state, before[model.params.size :])
    net().fit(
        [(X[:1], y[:1])], loss=SQUARE, optimizer=SGD(0.001), epochs=1
    )  # nobody knows what a stream gives


# Optimizers that search.


@pytest.mark.parametrize("make", [LBFGS, LevenbergMarquardt])
def test_searches_refuse_layers_that_mix_rows(make: Any) -> None:
    model = net()
    before = model.params.numbers.copy()
    words = rf"^fit\(optimizer=\): .*BatchNorm\(3\), which mixes rows .*, got {make.__name__}\. Use SGD"
    with pytest.raises(ArgumentError, match=words):
        model.fit(*some_data(), loss=SQUARE, optimizer=make(), epochs=3)
    noisy = Sequential([Dense(3, 4), Residual([Dense(4, 4), Dropout(0.5)]), Dense(4, 1)])
    with pytest.raises(ArgumentError, match=r"bears noise, for a model with Dropout\(0\.5\)"):
        noisy.fit(*some_data(), loss=SQUARE, optimizer=make(), epochs=3)
    assert np.array_equal(model.params.numbers, before)


@pytest.mark.parametrize("make", [LBFGS, LevenbergMarquardt, lambda: Adam(0.02)])
def test_composites_train_as_the_same_numbers_in_a_row(make: Any) -> None:
    """`Sequential` in `Sequential` is what all its layers in one row are."""
    nested = Sequential(
        [Sequential([Dense(3, 5), Sequential([Tanh()])]), Sequential([Dense(5, 4), Tanh()]), Dense(4, 1)],
        rng=3, dtype=np.float64,
    )  # fmt: skip
    flat = Sequential([Dense(3, 5), Tanh(), Dense(5, 4), Tanh(), Dense(4, 1)], rng=0, dtype=np.float64)
    flat.params.numbers[...] = nested.params.numbers
    histories = [
        model.fit(*some_data(), loss=SQUARE, optimizer=make(), epochs=8, shuffle=False)
        for model in (nested, flat)
    ]
    assert np.array_equal(nested.params.numbers, flat.params.numbers)
    assert histories[0]["loss"] == histories[1]["loss"]
    assert histories[0]["loss"][-1] < histories[0]["loss"][0]


@pytest.mark.parametrize("make", [LBFGS, LevenbergMarquardt])
def test_searches_train_blocks_and_leave_frozen_statistics(make: Any) -> None:
    model = net()
    blocks = [layer for _, layer in model.walk() if isinstance(layer, BatchNorm)]
    model.fit(*some_data(), loss=SQUARE, optimizer=SGD(0.05), epochs=2)
    for block in blocks:
        block.freeze()
    state = model.params.state.copy()
    history = model.fit(*some_data(), loss=SQUARE, optimizer=make(), epochs=5)
    assert history["loss"][-1] < 0.9 * history["loss"][0]
    assert np.array_equal(model.params.state, state)


class Doubled(nn.Layer):
    """A layer of a user's own; with `mixed`, one that takes a leading axis for its batch."""

    def __init__(self, *, mixed: bool = False) -> None:
        self.mixed = mixed

    def forward(self, x: Any, ctx: Any = None) -> Any:
        return 2 * x

    def backward(self, dy: Any, ctx: Any) -> Any:
        return 2 * dy + (dy.sum(axis=0) if self.mixed else 0)


@pytest.mark.parametrize("inside", [False, True])
def test_derivatives_of_single_rows_beside_and_inside_of_blocks(inside: bool) -> None:
    def make(own: Doubled) -> Sequential:
        block = Residual([Dense(4, 4), Tanh(), own] if inside else [Dense(4, 4), Tanh()])
        ahead = [Dense(3, 4)] if inside else [Dense(3, 4), own]
        return Sequential([*ahead, block, Dense(4, 1)], rng=0, dtype=np.float64)

    X, y = some_data(7)
    model = make(Doubled())
    each = model.per_example_gradients(X, y, SQUARE)
    model.loss_and_grad(X, y, SQUARE)
    np.testing.assert_allclose(each.mean(axis=0), model.params.grads, rtol=1e-12, atol=1e-15)
    history = model.fit(X, y, loss=SQUARE, optimizer=LevenbergMarquardt(), epochs=3)
    assert history["loss"][-1] < history["loss"][0]
    with pytest.raises(ArgumentError, match=r"all axes before .* to be left alone"):
        make(Doubled(mixed=True)).jacobian(X)


# Looking without touching.


def test_prediction_goes_by_running_statistics_whatever_comes_along() -> None:
    X, _ = some_data(40)
    model = Sequential([BatchNorm(3), Residual([BatchNorm(3), Tanh()])], rng=0)
    model.fit(X, X, loss=SQUARE, optimizer=SGD(0.01), epochs=3)
    before = model.params.numbers.copy()
    whole = model.predict(X)
    for size in (1, 7, 512):
        assert np.array_equal(model.predict(X, batch_size=size), whole)
        found = model.evaluate(X, X, loss=SQUARE, batch_size=size)
        assert found == model.evaluate(X, X, loss=SQUARE)
    ctx = model.context(training=False)
    assert np.array_equal(model.forward(X, ctx), whole)
    model.loss_and_grad(X, X, SQUARE, ctx=ctx)
    model.per_example_gradients(X, X, SQUARE)
    model.activations(X)
    assert np.array_equal(model.params.numbers, before)
    assert not np.array_equal(model.forward(X, model.context()), whole)
    assert not np.array_equal(model.params.state, before[model.params.size :])


def test_what_looks_at_a_model_leaves_its_state() -> None:
    X, y = some_data(64)
    model = net(dtype=np.float32)
    model.fit(X, y, loss=SQUARE, optimizer=SGD(0.01), epochs=1)
    before = model.params.numbers.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        find_learning_rate(model, X, y, loss=SQUARE, optimizer=Adam(0.01), rng=0)
        doctor(model, X, y, loss=SQUARE, optimizer=Adam(0.01))
    nn.sweep(model, X, y, loss=SQUARE, optimizer=SGD(0.1), learning_rate=[0.01, 0.1], seeds=1, epochs=2)
    assert np.array_equal(model.params.numbers, before)


# One step, as it is written down.


def test_a_step_with_class_weights_is_that_of_the_weights() -> None:
    X, y = some_data(30)
    ids = (y[:, 0] > 0.3).astype(int)
    ends = []
    for more in ({"class_weight": {1: 4.0}}, {"weight": np.where(ids == 1, 4.0, 1.0)}):
        model = Sequential([Dense(3, 4), BatchNorm(4), Dense(4, 2)], rng=0, dtype=np.float64)
        model.fit(X, ids, loss=SoftmaxCrossEntropy(), optimizer=SGD(0.1), epochs=3, rng=0, **more)
        ends.append(model.params.numbers)
    assert np.array_equal(*ends)


# What several processes ask of layers; tests/ranks has the rest.


@pytest.mark.parametrize("layer", [*map(again, LAYERS), BatchNorm(4), Residual([BatchNorm(4)])], ids=repr)
def test_a_batch_of_no_rows_gives_gradients_of_0(layer: nn.Layer) -> None:
    """A rank with no row of a batch goes forward and back all the same, if other layers look at all rows."""
    x = draw(layer, np.random.default_rng(0))
    if not layer.adapted:
        layer.adapt(x)
    model = Sequential([layer], dtype=np.float64)
    model.params.grads[...] = 7.0
    before = model.params.numbers.copy()
    ctx = model.context(rng=0, input_gradient=True)
    y = model._forward(x[:0], ctx)
    assert y.shape[0] == 0
    dx = model._backward(y, ctx)
    assert dx is not None
    assert dx.shape == x[:0].shape
    assert not model.params.grads.any()
    assert np.array_equal(model.params.numbers, before)


def test_nobody_is_asked_where_rows_are_not_compared() -> None:
    X, y = some_data()
    model = net()
    asked: list[Any] = []

    def add_up(numbers: Any) -> Any:
        asked.append(numbers.shape)
        return numbers

    def step(*, training: bool) -> int:
        asked.clear()
        ctx = model.context(training=training)
        ctx.rows.add_up = add_up
        model.loss_and_grad(X, y, SQUARE, ctx=ctx)
        return len(asked)

    assert step(training=True) == 3 * 5  # counts, two means, a variance; and two sums at once on the way back
    assert step(training=False) == 0
    for _, layer in model.walk():
        if isinstance(layer, BatchNorm):
            layer.freeze()
    assert step(training=True) == 0


def test_numbers_that_a_callback_sets_stay_when_the_first_batch_diverges(rng):
    class Seven(nn.Callback):
        def on_epoch_begin(self, state):
            state.model.params.values[...] = 7

    X = rng.normal(size=(8, 2))
    X[0, 0] = 3e38
    model = nn.Sequential([nn.Dense(2, 1), nn.BatchNorm(1)], rng=0)
    options = {"loss": nn.MeanSquaredError(), "optimizer": nn.SGD(0.1), "epochs": 1, "shuffle": False}
    with pytest.raises(DivergenceError):
        model.fit(X, X[:, 1:], callbacks=[Seven()], **options)
    np.testing.assert_array_equal(model.params.values, 7)
    np.testing.assert_array_equal(model.params.state, [0, 1])


@pytest.mark.parametrize("kind", [nn.Sequential, nn.core.model.Sequential])
def test_weights_are_those_of_their_own_batch(kind, rng):
    x, y = rng.normal(size=(2, 6, 2)).astype(np.float32)
    weight = np.array([0, 1, 2, 3, 0, 1], np.float32)

    def means(batches):
        model = kind([nn.Dense(2, 2), nn.BatchNorm(2)], rng=0)
        Loop(model, batches, nn.MeanSquaredError(), nn.SGD(1e-9), epochs=1).run()
        return model[1].running_mean

    weighted, plain = means([(x, y, weight)]), means([(x, y)])
    assert not np.allclose(weighted, plain)
    np.testing.assert_allclose(means([(x, y, np.ones(6, np.float32))]), plain, rtol=1e-6)
    first, second = (x, y, weight), (x[:4], y[:4])  # which has none, and fewer rows
    all_alike = (*second, np.ones(4, np.float32))
    np.testing.assert_allclose(means([first, second]), means([first, all_alike]), rtol=1e-5)


def test_a_momentum_that_a_callback_sets_may_be_an_array_without_axes(rng):
    x, y = rng.normal(size=(2, 6, 2))
    optimizer = nn.SGD(0.1, momentum=0.5)
    optimizer.momentum = np.array(0.9)
    model = nn.Sequential([nn.Dense(2, 2)], rng=0)
    model.fit(x, y, loss=nn.MeanSquaredError(), optimizer=optimizer, epochs=1)
