"""Averaged weights: what validation, early stopping and the trained model have of them."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

import nnlite as nn
from nnlite.errors import ArgumentError, DivergenceError

DECAY = 0.8


@pytest.fixture
def rows(rng):
    X = rng.normal(size=(40, 4))
    return X, np.sin(X[:, :2])


def net(**options):
    layers = [nn.Dense(4, 6), nn.BatchNorm(6), nn.Tanh(), nn.Dense(6, 2)]
    return nn.Sequential(layers, **{"rng": 0, "dtype": np.float64, **options})


def train(model, rows, *callbacks, **given):
    options = {
        "loss": nn.MeanSquaredError(),
        "optimizer": nn.Adam(0.05),
        "epochs": 4,
        "batch_size": 16,
        "rng": 0,
    }
    return model.fit(*rows, callbacks=list(callbacks), **{**options, **given})


class Look(nn.Callback):
    """Keeps the numbers after each step, and at the end of each epoch."""

    def on_train_begin(self, state):
        self.steps, self.epochs = [], []

    def on_batch_end(self, state):
        self.steps.append(state.model.params.numbers.copy())

    def on_epoch_end(self, state):
        self.epochs.append(state.model.params.numbers.copy())


def average(steps):
    found = steps[0].copy()
    for step in steps[1:]:
        found += (1 - DECAY) * (step - found)
    return found


@pytest.mark.parametrize("options", [{}, {"replicas": 3}, {"dtype": np.float32}], ids=str)
@pytest.mark.parametrize("jit", [False, True])
def test_validation_and_the_model_have_the_average(options, jit, rows):
    if jit:
        pytest.importorskip("numba")
    look, plain_look, model, plain = Look(), Look(), net(**options), net(**options)
    history = train(model, rows, nn.AveragedWeights(DECAY), look, validation=rows, jit=jit)
    expected = train(plain, rows, plain_look, validation=rows, jit=jit)
    for one, other in zip(look.steps, plain_look.steps, strict=True):
        np.testing.assert_array_equal(one, other)  # training itself knows nothing of it
    assert history["loss"] == expected["loss"]
    for epoch, found in enumerate(look.epochs, start=1):
        np.testing.assert_allclose(found, average(look.steps[: 3 * epoch]), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(model.params.numbers, look.epochs[-1])
    measured = model.evaluate(*rows, loss=nn.MeanSquaredError())["loss"]
    np.testing.assert_allclose(history["validation_loss"][-1], measured, rtol=1e-5)
    assert history["validation_loss"] != expected["validation_loss"]
    if jit:
        assert history.engine == "jit by the step: AveragedWeights looks at each batch"


@pytest.mark.parametrize("before", [True, False], ids=["early stopping first", "early stopping last"])
def test_early_stopping_keeps_the_best_average(before, rows):
    callbacks = [nn.AveragedWeights(DECAY), nn.EarlyStopping(patience=2)]
    look, model = Look(), net()
    history = train(model, rows, look, *callbacks[:: -1 if before else 1], validation=0.3, epochs=30,
                    optimizer=nn.SGD(0.5))  # fmt: skip
    assert history.best_epoch < len(history)
    np.testing.assert_array_equal(model.params.numbers, look.epochs[history.best_epoch - 1])
    best = min(history["validation_loss"])
    assert history["validation_loss"][history.best_epoch - 1] == best


@pytest.mark.parametrize("moment", ["a batch", "an epoch"])
def test_replicas_are_separate_runs_whenever_they_end(moment, rows):
    class Stop(nn.Callback):
        def on_batch_end(self, state):
            if moment == "a batch" and (state.epoch, state.batch) == (2, 2):
                self.stop(state)

        def on_epoch_end(self, state):
            if moment == "an epoch" and state.epoch == 2:
                self.stop(state)

        def stop(self, state):
            if state.history.replicas:
                state.stop("enough", replicas=np.array([False, True, False]))
            elif self.stops:
                state.stop("enough")

    many = net(replicas=3, rng=[1, 2, 3])
    train(many, rows, nn.AveragedWeights(DECAY), Stop(), rng=[4, 5, 6])
    for index in range(3):
        one, stop = net(rng=index + 1), Stop()
        stop.stops = index == 1
        train(one, rows, nn.AveragedWeights(DECAY), stop, rng=index + 4)
        np.testing.assert_allclose(many.params.numbers[index], one.params.numbers, atol=1e-8)


@pytest.mark.parametrize("options", [{}, {"replicas": 2}], ids=str)
def test_a_training_goes_on_to_the_same_bits(options, tmp_path, rows):
    path = tmp_path / "run.checkpoint"

    class Keep(nn.Callback):
        def on_batch_begin(self, state):
            if (state.epoch, state.batch) in {(2, 2), (3, 1)}:
                shutil.copy(path, f"{path}.{state.epoch}")

    def run(model, **given):
        callbacks = [nn.AveragedWeights(DECAY), Keep(), nn.EarlyStopping(), nn.Checkpoint(path, unit="steps")]
        return train(model, rows, *callbacks, validation=0.3, **given)

    whole = net(**options)
    expected = run(whole)
    for epoch in (2, 3):
        resumed = net(**options)
        found = run(resumed, resume=f"{path}.{epoch}")
        np.testing.assert_array_equal(resumed.params.numbers, whole.params.numbers)
        assert found["validation_loss"] == expected["validation_loss"]
    longer, again = net(**options), net(**options)
    run(longer, epochs=6)
    run(whole := net(**options))
    run(again, epochs=6, resume=path)  # it begins with the weights, not with the average
    np.testing.assert_array_equal(again.params.numbers, longer.params.numbers)


def test_snapshots_have_the_weights_and_errors_leave_what_was_there(tmp_path, rows):
    class Snap(nn.Callback):
        def on_epoch_end(self, state):
            assert (state.snapshot()["values"] == look.steps[-1]).all()
            assert (state.model.params.numbers != look.steps[-1]).any()

    look = Look()
    train(net(), rows, nn.AveragedWeights(DECAY), look, Snap(), nn.Checkpoint(tmp_path / "run.checkpoint"))

    def refuse(pred, target):
        if len(look.steps) >= 3:  # behind the batches of the first epoch, while the average is there
            raise ArgumentError("metric", "something", "else", "Give it.")
        return 0.0

    model = net()
    before = model.params.numbers.copy()
    with pytest.raises(ArgumentError, match="metric: expected something"):
        train(model, rows, nn.AveragedWeights(DECAY), look, metrics={"mine": refuse}, validation=rows)
    np.testing.assert_array_equal(model.params.numbers, before)


def test_what_diverged_has_the_last_weights_that_were_finite(rows):
    class Break(nn.Callback):
        def on_batch_begin(self, state):
            if (state.epoch, state.batch) == (2, 2):
                state.model.params.values[..., :] = np.nan

    model, look = net(), Look()
    with pytest.raises(DivergenceError):
        train(model, rows, nn.AveragedWeights(DECAY), Break(), look)
    assert np.isfinite(model.params.numbers).all()
    assert any((model.params.values == step[: model.params.size]).all() for step in look.steps)

    class BreakOne(nn.Callback):
        def on_batches_end(self, state):
            if state.epoch == 2:  # behind the average, in front of validation
                state.model.params.values[1] = np.nan

    many, look = net(replicas=3), Look()
    with pytest.warns(nn.ReplicaWarning, match="1 of 3 replicas diverged"):
        train(many, rows, BreakOne(), nn.AveragedWeights(DECAY), look, validation=rows)
    assert np.isfinite(many.params.numbers).all()


def test_it_needs_steps_and_is_alone(rows):
    with pytest.raises(ArgumentError, match="AveragedWeights: expected an optimizer that makes one"):
        train(
            nn.Sequential([nn.Dense(4, 2)]), rows, nn.AveragedWeights(), optimizer=nn.LBFGS(), batch_size=None
        )
    with pytest.raises(ArgumentError, match="at most one AveragedWeights"):
        train(net(), rows, nn.AveragedWeights(), nn.AveragedWeights(0.5))
