"""Threads and Ctrl-C: prediction from many threads at once, training beside it, and how it is interrupted."""

from __future__ import annotations

import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import nnlite as nn
from nnlite.errors import DivergenceError, ShapeError

THREADS = 8
CALLS = 10_000
SIZE = 6


@pytest.fixture
def eager_switching():
    """Let threads take turns as often as can be."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.fixture(autouse=True)
def same_signal_handler():
    """Start with Python's own handler, which a shell may have switched off, and see that it stays."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.signal(signal.SIGINT, before) is signal.default_int_handler


def dense():
    return nn.Dense(SIZE, SIZE)


def net(*layers, seed=0, **options):
    return nn.Sequential([dense(), *layers, nn.Dense(SIZE, 2)], rng=seed, **options)


def data(rows=40):
    rng = np.random.default_rng(1)
    return rng.normal(size=(rows, SIZE)), rng.normal(size=(rows, 2))


def fit(model, **options):
    X, y = data()
    options = {"loss": nn.MeanSquaredError(), "optimizer": nn.Adam(), "epochs": 5, "batch_size": 10} | options
    return model.fit(X, y, **options)


def wrong_results(model, calls=CALLS):
    """Predict from all threads at once, and count the results that differ from those computed alone."""
    rng = np.random.default_rng(2)
    inputs = [rng.normal(size=(rows, SIZE)).astype(np.float32) for rows in range(1, 2 * THREADS + 1)]
    alone = [model.predict(x, batch_size=5).tobytes() for x in inputs]
    start = threading.Barrier(THREADS)

    def work(thread):
        start.wait()
        wrong = 0
        for call in range(calls // THREADS):
            chosen = (thread + call) % len(inputs)
            try:
                wrong += model.predict(inputs[chosen], batch_size=5).tobytes() != alone[chosen]
            except ShapeError:  # it was given the rows of another thread
                wrong += 1
        return wrong

    with ThreadPoolExecutor(THREADS) as pool:
        return sum(pool.map(work, range(THREADS)))


@pytest.mark.usefixtures("eager_switching")
class TestPrediction:
    @pytest.mark.parametrize(
        "layers",
        [
            (nn.ReLU(), dense(), nn.Dropout(0.5), nn.LeakyReLU(), dense(), nn.ELU()),
            (nn.GELU(), dense(), nn.GELU(approximate=True), nn.SiLU(), nn.Softplus()),
            (nn.Sigmoid(), dense(), nn.Tanh(), nn.Softmax(), dense(), nn.LogSoftmax(), nn.Step()),
        ],
        ids=["rectifiers", "smooth", "bounded"],
    )
    def test_ten_thousand_calls_from_eight_threads_give_no_wrong_result(self, layers):
        model = nn.Sequential([nn.Standardize(SIZE), dense(), *layers, dense()], rng=0)
        model.adapt(data()[0])
        assert wrong_results(model) == 0

    def test_replicas_too(self):
        assert wrong_results(net(nn.Tanh(), replicas=3), calls=1000) == 0

    def test_the_count_finds_a_layer_that_keeps_its_pass_on_itself(self):
        class Forgetful(nn.Layer):
            def forward(self, x, ctx=None):
                self.x = x
                time.sleep(0)  # lets another thread in
                return self.x * 2

        assert wrong_results(net(Forgetful()), calls=1000) > 0

    def test_prediction_goes_on_while_another_model_is_trained(self):
        busy, expected, model = net(nn.Tanh(), seed=1), net(nn.Tanh(), seed=1), net(nn.ReLU())
        fit(expected, epochs=40)
        with ThreadPoolExecutor(1) as pool:
            training = pool.submit(fit, busy, epochs=40)
            wrong = wrong_results(model, calls=1000)
            training.result()
        assert wrong == 0
        np.testing.assert_array_equal(busy.params.values, expected.params.values)

    def test_two_trainings_at_once_do_not_disturb_each_other(self):
        def train(seed):
            model = net(nn.Dropout(0.3), nn.Tanh(), seed=seed)
            fit(model, epochs=20)
            return model.params.values

        alone = [train(seed) for seed in range(4)]
        with ThreadPoolExecutor(4) as pool:
            together = list(pool.map(train, range(4)))
        np.testing.assert_array_equal(together, alone)


def press_ctrl_c():
    signal.raise_signal(signal.SIGINT)


class Press(nn.Callback):
    """Press Ctrl-C in the middle of a batch, as often as asked for."""

    def __init__(self, *, epoch, batch, times=1):
        self.place = (epoch, batch)
        self.times = times
        self.steps = self.ends = 0

    def on_grad_computed(self, state):
        if (state.epoch, state.batch) == self.place:
            for _ in range(self.times):
                press_ctrl_c()

    def on_batch_end(self, state):
        self.steps += 1

    def on_train_end(self, state):
        self.ends += 1


def test_training_in_a_thread_works_and_leaves_the_signals_alone():
    model, expected = net(nn.Tanh()), net(nn.Tanh())
    fit(expected)
    seen = []

    class Look(nn.Callback):
        def on_epoch_begin(self, state):
            seen.append(signal.getsignal(signal.SIGINT))

    before = signal.getsignal(signal.SIGINT)
    with ThreadPoolExecutor(1) as pool:
        history = pool.submit(fit, model, callbacks=[Look()]).result()
    assert seen == [before] * 5
    assert not history.interrupted
    np.testing.assert_array_equal(model.params.values, expected.params.values)


def test_ctrl_c_ends_training_after_the_batch():
    model, expected, press = net(nn.Tanh()), net(nn.Tanh()), Press(epoch=2, batch=3)
    with pytest.warns(
        UserWarning, match="stopped by Ctrl-C in epoch 2 after batch 3; the model and"
    ) as warned:
        history = fit(model, callbacks=[press], validation=data(10), metrics=[nn.r2])
    assert warned[0].filename == __file__
    assert history.interrupted
    assert history.stop_reason == "Ctrl-C"
    assert press.steps == 4 + 3
    assert press.ends == 1
    assert [row["epoch"] for row in history] == [1, 2]
    assert np.isfinite(history["validation_loss"]).all()

    class Stop(nn.Callback):
        def on_batch_end(self, state):
            if (state.epoch, state.batch) == (2, 3):
                state.stop("as far as the other")

    fit(expected, callbacks=[Stop()])
    np.testing.assert_array_equal(model.params.values, expected.params.values)
    assert len(fit(model)) == 5


def test_ctrl_c_again_ends_it_at_once():
    model, press = net(nn.Tanh()), Press(epoch=1, batch=2, times=2)
    with pytest.raises(KeyboardInterrupt):
        fit(model, callbacks=[press])
    assert press.steps == 1
    assert press.ends == 1
    assert np.isfinite(model.predict(data()[0])).all()
    assert not fit(model).interrupted


def test_early_stopping_gives_the_best_weights_back_at_ctrl_c():
    best = []

    class Keep(nn.Callback):
        def on_epoch_end(self, state):
            best.append(state.model.params.values.copy())
            state.history[-1]["loss"] = [3.0, 1.0, 2.0, 2.0][state.epoch - 1]

    model = net(nn.Tanh())
    callbacks = [Keep(), nn.EarlyStopping(monitor="loss"), Press(epoch=4, batch=1)]
    with pytest.warns(UserWarning, match="Ctrl-C"):
        history = fit(model, callbacks=callbacks)
    assert history.best_epoch == 2
    np.testing.assert_array_equal(model.params.values, best[1])


def test_ctrl_c_ends_l_bfgs_after_the_iteration():
    class PressAtEnd(nn.Callback):
        def on_epoch_end(self, state):
            if state.epoch == 2:
                press_ctrl_c()

    with pytest.warns(UserWarning, match="Ctrl-C"):
        history = fit(
            net(nn.Tanh()), optimizer=nn.LBFGS(), epochs=50, batch_size=None, callbacks=[PressAtEnd()]
        )
    assert len(history) == 2
    assert history.interrupted


def test_an_interrupt_that_a_callback_raises_ends_training_too():
    class Interrupt(nn.Callback):
        def on_batch_begin(self, state):
            if state.epoch == 3:
                raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="Ctrl-C in epoch 3"):
        history = fit(net(nn.Tanh()), callbacks=[Interrupt()])
    assert history.interrupted
    assert len(history) == 2


def test_a_handler_of_the_users_own_is_left_in_charge():
    calls = []

    def handler(number, frame):
        calls.append(number)

    before = signal.signal(signal.SIGINT, handler)
    try:
        press = Press(epoch=1, batch=1)
        history = fit(net(nn.Tanh()), callbacks=[press])
        assert signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert calls == [signal.SIGINT]
    assert not history.interrupted
    assert press.steps == 20


@pytest.mark.parametrize("error", [RuntimeError, DivergenceError])
def test_the_handler_is_put_back_after_an_error(error):
    class Fail(nn.Callback):
        def on_epoch_end(self, state):
            assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
            if error is RuntimeError:
                raise RuntimeError
            state.model.params.values[...] = np.nan

    with pytest.raises(error):
        fit(net(nn.Tanh()), callbacks=[Fail()])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
