"""Compiled loops: how a training ends, what callbacks change in its middle, and what is written down."""

from __future__ import annotations

import copy
import re
import signal
import threading
import time
import warnings
from queue import SimpleQueue

import numpy as np
import pytest

pytest.importorskip("numba")

from compiled import Look, assert_close, assert_same_rows, bits, train

import nnlite as nn
from nnlite.errors import ArgumentError, DivergenceError
from nnlite.jit import engine, machine, steps

ROWS = 48


def data(scale=1.0):
    rng = np.random.default_rng(3)
    X = rng.normal(size=(ROWS, 4))
    return scale * X, np.tanh(X[:, :2]) + 0.1 * rng.normal(size=(ROWS, 2))


def net(**options):
    return nn.Sequential([nn.Dense(4, 16), nn.ReLU(), nn.Dense(16, 2)], **{"rng": 0, **options})


def both(model, X, y, **options):
    """Train by both, and compare what they come to."""
    tolerance = options.pop("tolerance", 1e-9)
    runs = [train(model, X, y, jit=jit, **options) for jit in (True, False)]
    (one, _, history), (other, _, expected) = runs
    assert_close(one.params.numbers, other.params.numbers, tolerance)
    assert_same_rows(history.rows, expected.rows, tolerance)
    assert history.stop_reason == expected.stop_reason
    assert history.best_epoch == expected.best_epoch
    assert history.interrupted == expected.interrupted
    assert history.replicas == expected.replicas
    assert history.higher_is_better == expected.higher_is_better
    return runs[0]


# Divergence.


def caught(model, X, y, optimizer, **options):
    options = {"loss": nn.MeanSquaredError(), "epochs": 50, "batch_size": 8, "rng": 3} | options
    with pytest.raises(DivergenceError) as error:
        model.fit(X, y, optimizer=optimizer, **options)
    return error.value


@pytest.mark.nonfinite
@pytest.mark.parametrize("by_step", [False, True])
@pytest.mark.parametrize(
    "make",
    [
        lambda: (net(), *data(), nn.SGD(10.0)),
        lambda: (net(), *data(), nn.SGD(1e6)),
        lambda: (net(), *data(), nn.SGD(0.9, momentum=0.99)),
        lambda: (net(), *data(1e25), nn.Adam(0.01)),
        lambda: (net(), *data(300.0), nn.SGD(0.1)),
        lambda: (net(dtype=np.float64), *data(), nn.SGD(30.0, momentum=0.9)),
        lambda: (net(), *data(), nn.Lion(1e25)),
        lambda: (net(), *data(), nn.SGD(nn.WarmUp(1e3, steps=10))),
    ],
    ids=["10", "1e6", "slowly", "first batch", "data", "float64", "Lion", "schedule"],
)
def test_divergence_is_named_as_by_numpy(make, by_step):
    found = []
    for jit in (True, False):
        model, X, y, optimizer = make()
        error = caught(model, X, y, optimizer, jit=jit, callbacks=[Look()] if by_step else [])
        assert np.isfinite(model.params.numbers).all()
        assert optimizer.steps == 0
        assert optimizer.state == {}
        found.append((error, model.params.numbers.copy()))
    (one, numbers), (other, expected) = found
    assert one.where == other.where
    digits = re.compile(r"\d+\.\d+(e[+-]?\d+)?|\d+(e[+-]?\d+)")
    assert digits.sub("_", one.got) == digits.sub("_", other.got)
    assert digits.sub("_", one.fix) == digits.sub("_", other.fix)
    np.testing.assert_allclose(numbers, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


@pytest.mark.nonfinite
def test_the_weights_after_divergence_are_the_last_that_gave_a_finite_loss():
    X, y = data()
    whole, by_step = net(), net()
    error = caught(whole, X, y, nn.SGD(10.0), jit=True)
    assert caught(by_step, X, y, nn.SGD(10.0), jit=True, callbacks=[Look()]).where == error.where
    np.testing.assert_array_equal(whole.params.numbers, by_step.params.numbers)
    assert np.isfinite(whole.evaluate(X, y, loss=nn.MeanSquaredError())["loss"])
    whole.initialize(rng=1)
    whole.fit(X, y, loss=nn.MeanSquaredError(), optimizer=nn.SGD(1e-4), epochs=2, jit=True)


@pytest.mark.nonfinite
@pytest.mark.parametrize("replicas", [4, 20])
@pytest.mark.parametrize("by_step", [False, True])
@pytest.mark.parametrize("metrics", [[], [nn.r2]], ids=["", "metrics"])
def test_some_replicas_diverge(replicas, by_step, metrics):
    X, y = data()
    model = net(replicas=replicas, dtype=np.float64)
    lost = [1, 3]
    model.params.values[3] *= 1e200  # at once
    model.params.values[1] *= 40  # later
    options = {"optimizer": nn.SGD(0.04, momentum=0.9), "epochs": 6, "batch_size": 8, "metrics": metrics}
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        one, _, history = train(model, X, y, jit=True, by_step=by_step, **options)
        other, _, expected = train(model, X, y, jit=False, by_step=by_step, **options)
    del said
    assert [index for index, each in enumerate(history.replicas) if each["diverged"]] == lost
    for index in range(replicas):
        where = [each.replicas[index]["stop_reason"].split(": ")[0] for each in (history, expected)]
        assert where[0] == where[1]
        if index not in lost:
            assert_close(one.params.numbers[index], other.params.numbers[index], 1e-9)
    assert np.isfinite(one.params.numbers).all()
    np.testing.assert_array_equal(one.params.numbers[3], model.params.numbers[3])
    for mine, theirs in zip(history.rows, expected.rows, strict=True):
        assert [value is None for value in mine["loss"]] == [value is None for value in theirs["loss"]]
        for index in range(replicas):
            if index not in lost:
                np.testing.assert_allclose(mine["loss"][index], theirs["loss"][index], rtol=1e-9)


@pytest.mark.nonfinite
@pytest.mark.parametrize("replicas", [3, 20])
def test_all_replicas_diverge(replicas):
    X, y = data()
    found = [caught(net(replicas=replicas), X, y, nn.SGD(1e6), jit=jit) for jit in (True, False)]
    assert found[0].where == found[1].where


@pytest.mark.nonfinite
def test_the_last_step_of_all_is_watched():
    X, y = data(1e6)
    found = []
    for jit in (True, False):
        model = net()
        before = model.params.numbers.copy()
        error = caught(model, X, y, nn.SGD(1e38), jit=jit, epochs=1, batch_size=ROWS)
        found.append((error.where, error.got.split("; ")[0]))
        np.testing.assert_array_equal(model.params.numbers, before)
    assert found[0] == found[1]


@pytest.mark.nonfinite
def test_validation_that_is_not_finite():
    X, y = data()
    for jit in (True, False):
        error = caught(net(), X, y, nn.SGD(0.01), jit=jit, validation=(X * 1e38, y))
        assert error.where == "fit, epoch 1, validation"


# Ctrl-C.


def pressed(seconds):
    timer = threading.Timer(seconds, lambda: signal.raise_signal(signal.SIGINT))
    main = threading.main_thread().ident
    timer.function = lambda: signal.pthread_kill(main, signal.SIGINT)
    return timer


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="no signals to a thread")
@pytest.mark.parametrize("replicas", [None, 16])
def test_ctrl_c_in_a_long_epoch_is_heard_soon_and_the_model_is_usable(replicas):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        rng = np.random.default_rng(0)
        X, y = rng.normal(size=(400_000, 8)), rng.normal(size=(400_000, 1))
        layers = [nn.Dense(8, 32), nn.Tanh(), nn.Dense(32, 1)]
        model = nn.Sequential(layers, rng=0, replicas=replicas)
        options = {"loss": nn.MeanSquaredError(), "optimizer": nn.SGD(0.01), "batch_size": 4, "jit": True}
        model.fit(X[:400], y[:400], epochs=1, **options)  # compiled
        ended = []
        timer = pressed(0.5)
        timer.start()
        begun = time.perf_counter()
        with pytest.warns(UserWarning, match="stopped by Ctrl-C in epoch 1 after batch"):
            history = model.fit(X, y, epochs=10_000, **options)
        ended = time.perf_counter() - begun
        # A tenth of a second as a rule; this machine may have others to serve.
        assert ended < 5
        assert history.interrupted
        assert history.stop_reason == "Ctrl-C"
        assert len(history) == 1
        assert np.isfinite(model.predict(X[:10])).all()
        model.fit(X[:400], y[:400], epochs=1, **options)
    finally:
        signal.signal(signal.SIGINT, before)


class Until(nn.Callback):
    """Ends a training behind some steps."""

    def __init__(self, steps):
        self.steps = steps

    def on_batch_end(self, state):
        if state.optimizer.steps == self.steps:
            state.stop("so far")


class Cut:
    """Raises in the thread that trains, before or behind a call of the machine, as a handler may."""

    def __init__(self, call, moment, error):
        self.calls, self.thread = 0, threading.get_ident()
        self.call, self.moment, self.error = call, moment, error
        self.machine = machine.compiled()

    def __call__(self, *place):
        mine = threading.get_ident() == self.thread
        self.calls += mine
        now = mine and self.calls == self.call
        if now and self.moment == "before":
            raise self.error
        self.machine(*place)
        if now:
            raise self.error


def fit_cut(replicas, given, *, error=KeyboardInterrupt):
    """Train until something cuts in; compare with as many steps as it says that it made, and return them."""
    X, y = data()
    model = net(dtype=np.float64, replicas=replicas)
    other, optimizer = copy.deepcopy(model), nn.Adam(0.01)
    given = {"loss": nn.MeanSquaredError(), "batch_size": 8, "epochs": 40, "rng": 0, "jit": True} | given
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        if error is KeyboardInterrupt:
            model.fit(X, y, optimizer=optimizer, **given)
        else:
            with pytest.raises(error):
                model.fit(X, y, optimizer=optimizer, **given)
    for one in said:
        epoch, batch = map(int, re.findall(r"epoch (\d+) after batch (\d+)", str(one.message))[0])
        ahead = (epoch - 1) * (ROWS // 8) + batch - optimizer.steps
        assert ahead in ((0, 1) if "callbacks" in given else (0,))  # step by step, in the middle of a batch
    assert len(said) == (error is KeyboardInterrupt)
    if optimizer.steps:
        expected = nn.Adam(0.01)
        other.fit(X, y, optimizer=expected, **{**given, "callbacks": [Until(optimizer.steps)]})
        assert expected.steps == optimizer.steps
        for slot, array in expected.state.items():
            assert_close(optimizer.state[slot], array, 1e-9)
    assert_close(model.params.numbers, other.params.numbers, 1e-9)
    return optimizer.steps


@pytest.mark.parametrize("error", [KeyboardInterrupt, TimeoutError])
@pytest.mark.parametrize("moment", ["before", "behind"])
@pytest.mark.parametrize(
    ("given", "replicas", "call", "before"),
    [
        ({}, None, 2, 6),
        ({"metrics": [nn.r2]}, None, 3, 12),
        ({"callbacks": [Look()]}, None, 8, 3),
        ({}, 3, 2, 6),
        ({}, 20, 2, 6),
    ],
    ids=["several epochs a call", "an epoch a call", "two calls a step", "replicas", "side by side"],
)
def test_what_a_handler_raises_leaves_weights_and_steps_that_agree(
    given, replicas, call, before, moment, error, monkeypatch
):
    monkeypatch.setattr(steps, "allowed", lambda: 1)
    cut = Cut(call, moment, error)
    monkeypatch.setattr(machine, "compiled", lambda: cut)
    made = fit_cut(replicas, given, error=error)
    if moment == "before" or replicas == 20:  # side by side they move back behind the call
        assert made == before
    else:
        assert made > before


@pytest.fixture
def three_threads(monkeypatch):
    """Let three threads go through each program; all but one are new."""
    monkeypatch.setattr(steps, "allowed", lambda: 3)
    monkeypatch.setattr(engine, "SHARED", 0)
    monkeypatch.setattr(machine, "_idle", [])


def wait_until(true):
    """Wait for what other threads do."""
    end = time.perf_counter() + 10
    while not true() and time.perf_counter() < end:
        time.sleep(0.001)
    assert true()


@pytest.mark.parametrize("replicas", [None, 6])
@pytest.mark.parametrize("moment", ["one other thread is there", "before", "behind", "all are waited for"])
@pytest.mark.parametrize("given", [{}, {"callbacks": [Look()]}], ids=["epochs", "steps"])
def test_ctrl_c_amid_a_call_of_several_threads(replicas, moment, given, monkeypatch, three_threads):
    """No thread stays at work, and the nets of all have made what is counted; however often it comes."""
    hire, pressed = machine._hire, []
    often = 3 if moment == "all are waited for" else 1

    def press(now):
        if moment == now and len(pressed) < often and threading.current_thread() is threading.main_thread():
            pressed.append(1)
            raise KeyboardInterrupt

    def hire_and_press(work):
        found = hire(work)
        press("one other thread is there")
        return found

    class Waiting(SimpleQueue):
        def get(self):
            press("all are waited for")
            return super().get()

    cut = Cut(3 if moment in ("before", "behind") else 0, moment, KeyboardInterrupt)
    monkeypatch.setattr(machine, "compiled", lambda: cut)
    monkeypatch.setattr(machine, "_hire", hire_and_press)
    monkeypatch.setattr(machine, "SimpleQueue", Waiting)
    made = fit_cut(replicas, given)
    assert made == 0 if moment == "one other thread is there" else made >= (0 if given else 6)
    wait_until(lambda: len(machine._idle) == (1 if moment == "one other thread is there" else 2))


@pytest.mark.parametrize("replicas", [None, 6])
@pytest.mark.parametrize("given", [{}, {"callbacks": [Look()]}], ids=["epochs", "steps"])
def test_where_the_system_gives_no_thread_one_does_all(replicas, given, monkeypatch, three_threads):
    X, y = data()
    started = []

    def start(*work):
        if len(started) == 1:
            raise RuntimeError("can't start new thread")
        started.append(threading._start_new_thread(*work))

    monkeypatch.setattr(machine, "start_new_thread", start)
    given = {"batch_size": 8, "epochs": 3, "optimizer": nn.Adam(0.01), **given}
    model = net(dtype=np.float64, replicas=replicas)
    found = train(model, X, y, jit=True, **given)
    assert len(started) == 1
    wait_until(lambda: len(machine._idle) == 1)
    monkeypatch.setattr(steps, "allowed", lambda: 1)
    assert bits(*found) == bits(*train(model, X, y, jit=True, **given))


def test_calls_of_the_machine_are_short(monkeypatch):
    """Between two, Ctrl-C is seen: none takes longer than a few hundredths of a second."""
    from nnlite.jit import loop

    took = []
    plain = loop.CompiledLoop._run

    def timed(self, *given, **more):
        begun = time.thread_time()
        seconds = plain(self, *given, **more)
        took.append(time.thread_time() - begun)
        return seconds

    monkeypatch.setattr(loop.CompiledLoop, "_run", timed)
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(100_000, 8)), rng.normal(size=(100_000, 1))
    model = nn.Sequential([nn.Dense(8, 32), nn.Tanh(), nn.Dense(32, 1)], rng=0)
    model.fit(X, y, loss=nn.MeanSquaredError(), optimizer=nn.SGD(0.01), batch_size=4, epochs=1, jit=True)
    assert len(took) > 3
    assert np.median(took) < 0.1


# Callbacks.


def test_early_stopping_and_plateaus():
    X, y = data()
    given = {
        "optimizer": nn.Adam(0.02), "epochs": 40, "batch_size": 8, "validation": 0.25, "metrics": [nn.r2],
    }  # fmt: skip
    for replicas in (None, 3, 20):
        callbacks = [
            nn.EarlyStopping(patience=2, min_delta=0.02),
            nn.ReduceOnPlateau(patience=1, factor=0.5, min_delta=0.05),
        ]
        model = net(dtype=np.float64, replicas=replicas)
        _, optimizer, history = both(model, X, y, callbacks=callbacks, **given)
        assert history.engine == "jit"
        if replicas:
            assert len({one["best_epoch"] for one in history.replicas}) > 1
            assert isinstance(optimizer.rate_factor, np.ndarray)
        else:
            assert history.stop_reason == "no better validation_loss for 2 epochs"


def test_a_limit_of_time_and_checkpoints_by_the_epoch_leave_epochs_whole(tmp_path):
    X, y = data()
    for callback in (
        nn.TimeLimit(seconds=600),
        nn.Checkpoint(tmp_path / "a"),
        nn.Checkpoint(tmp_path / "b", every=9, unit="seconds"),
    ):
        history = train(net(), X, y, jit=True, optimizer=nn.SGD(0.1), callbacks=[callback])[2]
        assert history.engine == "jit"

    class Own(nn.TimeLimit):
        def on_batch_end(self, state):
            super().on_batch_end(state)

    history = train(net(), X, y, jit=True, optimizer=nn.SGD(0.1), callbacks=[Own(seconds=600)])[2]
    assert history.engine == "jit by the step: Own looks at each batch"


@pytest.mark.parametrize("replicas", [None, 3])
def test_a_limit_of_time_ends_an_epoch_in_its_middle_and_a_checkpoint_goes_on_from_there(
    replicas, tmp_path, monkeypatch
):
    monkeypatch.setattr("nnlite.jit.loop.FIRST", 2)
    monkeypatch.setattr("nnlite.jit.loop.CALL", 0.0)
    X, y = data()
    path = tmp_path / "run.checkpoint"
    layers = [nn.Dense(4, 8), nn.Dropout(0.2), nn.Dense(8, 2)]
    model = nn.Sequential(layers, rng=0, replicas=replicas)
    given = {"optimizer": nn.Adam(0.01), "epochs": 3, "batch_size": 4, "metrics": [nn.r2]}
    expected = bits(*train(model, X, y, jit=True, **given))
    with pytest.MonkeyPatch.context() as patch:
        ticks = iter(range(1000))
        patch.setattr("nnlite.training.callbacks.time.monotonic", lambda: next(ticks))
        _, _, history = train(
            model, X, y, jit=True, callbacks=[nn.TimeLimit(seconds=20), nn.Checkpoint(path)], **given
        )
    assert history.engine == "jit"
    assert history.stop_reason.startswith("time limit of")
    cut = len(history)
    assert 1 <= cut < 3
    found = train(
        model,
        X,
        y,
        jit=True,
        callbacks=[nn.TimeLimit(seconds=1000), nn.Checkpoint(path)],
        resume=path,
        **given,
    )
    assert bits(*found) == expected


class Change(nn.Callback):
    """Changes something in the middle of a training."""

    def __init__(self, change, moment="on_epoch_begin", epoch=2, batch=0):
        self.change, self.moment, self.epoch, self.batch = change, moment, epoch, batch

    def _act(self, moment, state):
        if moment == self.moment and (state.epoch, state.batch) == (self.epoch, self.batch):
            self.change(state)

    def on_epoch_begin(self, state):
        self._act("on_epoch_begin", state)

    def on_epoch_end(self, state):
        if self.moment == "on_epoch_end" and state.epoch == self.epoch:
            self.change(state)


class ChangeInside(Change):
    def on_batch_begin(self, state):
        self._act("on_batch_begin", state)

    def on_grad_computed(self, state):
        self._act("on_grad_computed", state)

    def on_batch_end(self, state):
        self._act("on_batch_end", state)


def _set(name, value, what="optimizer"):
    def change(state):
        setattr(getattr(state, what), name, value)

    return change


def _freeze(state):
    state.model[0].freeze()


def _scale(state):
    state.model.params.values[...] *= 0.5


def _other_loss(state):
    state.loss = nn.MeanAbsoluteError()


CHANGES = {
    "learning_rate": _set("learning_rate", 0.5),
    "a schedule": _set("learning_rate", lambda step: 0.1 / (1 + step)),
    "momentum": _set("momentum", 0.5),
    "momentum off": _set("momentum", 0.0),
    "nesterov": _set("nesterov", True),
    "weight_decay": _set("weight_decay", 0.3),
    "clip_norm": _set("clip_norm", 0.01),
    "freeze": _freeze,
    "weights": _scale,
    "delta": _set("delta", 0.01, "loss"),
    "another loss": _other_loss,
}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("replicas", [None, 3, 16])
def test_what_a_callback_changes_between_epochs_counts(name, replicas):
    X, y = data()
    model = net(dtype=np.float64, replicas=replicas)
    given = {"loss": nn.Huber(1.0), "epochs": 4, "batch_size": 8}
    start = both(model, X, y, optimizer=nn.SGD(0.05, momentum=0.9), **given)[0]
    for moment in ("on_epoch_begin", "on_epoch_end"):
        model_after, _, history = both(
            model,
            X,
            y,
            optimizer=nn.SGD(0.05, momentum=0.9),
            callbacks=[Change(CHANGES[name], moment)],
            **given,
        )
        assert history.engine == "jit"
        assert (model_after.params.values != start.params.values).any()


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("moment", ["on_batch_begin", "on_grad_computed", "on_batch_end"])
def test_what_a_callback_changes_inside_an_epoch_counts(name, moment):
    X, y = data()
    model = net(dtype=np.float64)
    given = {"loss": nn.Huber(1.0), "epochs": 3, "batch_size": 8, "optimizer": nn.SGD(0.05, momentum=0.9)}
    callbacks = [ChangeInside(CHANGES[name], moment, batch=3)]
    _, _, history = both(model, X, y, callbacks=callbacks, **given)
    assert history.engine == "jit by the step: ChangeInside looks at each batch"


def test_rates_of_each_replica_that_come_later():
    X, y = data()
    model = net(dtype=np.float64, replicas=16)
    rates = np.linspace(0.01, 0.1, 16)
    both(model, X, y, optimizer=nn.SGD(0.05), callbacks=[Change(_set("learning_rate", rates))], epochs=3)
    decay = Change(_set("weight_decay", rates))
    both(model, X, y, optimizer=nn.SGD(0.05), callbacks=[decay], epochs=3)


def test_a_rate_of_dropout_that_changes():
    X, y = data()
    layers = [nn.Dense(4, 400), nn.Dropout(0.0), nn.Dense(400, 2)]
    passed = []

    class Count(nn.Callback):
        def on_epoch_begin(self, state):
            state.model[1].rate = [0.0, 0.25, 0.75][state.epoch - 1]

        def on_epoch_end(self, state):
            passed.append((state.model.params.grad("0.b") != 0).mean())

    model = nn.Sequential(layers, rng=0)
    model.fit(
        X[:1],
        y[:1],
        loss=nn.MeanSquaredError(),
        optimizer=nn.SGD(1e-9),
        epochs=3,
        callbacks=[Count()],
        jit=True,
    )
    assert passed[0] == 1
    assert abs(passed[1] - 0.75) < 0.09
    assert abs(passed[2] - 0.25) < 0.09


def test_a_callback_sees_the_gradients_and_may_change_them():
    X, y = data()

    class Halve(nn.Callback):
        def on_grad_computed(self, state):
            state.model.params.grads[...] *= 0.5
            state.batch_loss = state.batch_loss + 1.0

    both(net(dtype=np.float64), X, y, optimizer=nn.SGD(0.1), callbacks=[Halve()], epochs=2, batch_size=8)


def test_a_callback_that_stops():
    X, y = data()
    stop = Change(lambda state: state.stop("enough"), "on_epoch_end")
    history = both(net(dtype=np.float64), X, y, optimizer=nn.SGD(0.1), callbacks=[stop], epochs=9)[2]
    assert history.stop_reason == "enough"
    inside = ChangeInside(lambda state: state.stop("enough"), "on_batch_end", batch=2)
    both(net(dtype=np.float64), X, y, optimizer=nn.SGD(0.1), callbacks=[inside], epochs=9, batch_size=8)
    some = Change(lambda state: state.stop("one", replicas=np.array([True, False, False])), "on_epoch_end")
    many = net(dtype=np.float64, replicas=3)
    history = both(many, X, y, optimizer=nn.Adam(0.01), callbacks=[some], epochs=4, batch_size=8)[2]
    assert history.replicas[0]["stop_reason"] == "one"


def test_what_is_written_down_is_the_same():
    X, y = nn.datasets.moons(60, rng=0)
    model = nn.Sequential([nn.Dense(2, 8), nn.Tanh(), nn.Dense(8, 1)], rng=0, dtype=np.float64)
    given = {
        "loss": nn.BinaryCrossEntropy(), "optimizer": nn.Adam(nn.CosineDecay(0.01)), "epochs": 4,
        "batch_size": 16, "validation": 0.25, "metrics": {"right": nn.binary_accuracy},
        "class_weight": "balanced",
    }  # fmt: skip
    history = both(model, X, y, **given)[2]
    assert list(history[0]) == [
        "epoch", "loss", "right", "validation_loss", "validation_right", "learning_rate", "seconds",
    ]  # fmt: skip
    assert [type(value) for value in history[0].values()] == [int, *[float] * 6]
    assert history.stop_reason == "all 4 epochs done"


def test_a_schedule_that_fails_in_the_middle_leaves_the_steps_before_it():
    X, y = data()

    def rate(step):
        if step == 9:
            raise KeyError("no more rates")
        return 0.1

    found = []
    for jit in (True, False):
        model, optimizer = net(dtype=np.float64), nn.SGD(rate)
        with pytest.raises(KeyError, match="no more"):
            model.fit(X, y, loss=nn.MeanSquaredError(), optimizer=optimizer, epochs=3, batch_size=8, jit=jit)
        assert optimizer.steps == 9
        found.append(model.params.values.copy())
    assert_close(*found, 1e-12)


@pytest.mark.parametrize("replicas", [None, 3, 20])
def test_targets_that_are_changed_while_they_are_in_use(replicas):
    """A kernel looks at no place that is none, and the error is that of NumPy."""

    class Meddle(nn.Callback):
        def on_epoch_end(self, state):
            y[:] = 10**9

    X = np.random.default_rng(0).normal(size=(64, 4))
    messages = []
    for jit in (True, False):
        y = np.zeros(64, np.int64)
        model = nn.Sequential([nn.Dense(4, 3)], rng=0, replicas=replicas)
        with pytest.raises(ArgumentError) as error:
            model.fit(
                X, y, loss=nn.SoftmaxCrossEntropy(), optimizer=nn.SGD(0.1), callbacks=[Meddle()], jit=jit
            )
        messages.append(str(error.value))
    assert messages[0] == messages[1]


def test_orders_and_shares_that_replicas_have_in_common_are_there_once(monkeypatch):
    made = []
    monkeypatch.setattr(steps, "Training", lambda *a, **k: made.append(engine.Training(*a, **k)) or made[-1])
    X, y = data()
    given = {"loss": nn.MeanSquaredError(), "epochs": 1, "jit": True}
    weight, own = np.linspace(1, 2, ROWS), np.random.default_rng(0).random((3, ROWS)) + 0.1
    for rng, some, orders, shares in [
        (0, weight, 1, 1),
        (0, own, 1, 3),
        ([0, 1, 2], None, 3, 1),
        ([0, 1, 2], weight, 3, 3),
    ]:
        net(replicas=3).fit(X, y, optimizer=nn.SGD(0.1), rng=rng, weight=some, **given)
        assert len(made[-1].order) == orders
        assert len(made[-1].share) == shares


def test_batches_that_grow_do_not_make_a_program_each(monkeypatch):
    made = []
    monkeypatch.setattr(steps, "Training", lambda *a, **k: made.append(engine.Training(*a, **k)) or made[-1])
    X, y = data()
    both(
        net(dtype=np.float64), lambda: ((X[:count], y[:count]) for count in range(1, ROWS)), None,
        loss=nn.MeanSquaredError(), optimizer=nn.SGD(0.1), epochs=2,
    )  # fmt: skip
    assert len(made) <= 7


@pytest.mark.nonfinite
@pytest.mark.parametrize("replicas", [None, 3, 20])
def test_weights_that_are_not_finite_behind_an_epoch(replicas):
    """Of several epochs in a call the last steps are looked at too, and what stays is finite."""
    found = []
    X, y = data()
    X, y = X[:, :1], 1e3 * y[:, :1]
    for jit in (True, False):
        layers = [nn.Dense(1, 6, bias=False), nn.Tanh(), nn.Dense(6, 1)]
        model = nn.Sequential(layers, rng=0, dtype=np.float64, replicas=replicas)
        model.params.frozen = {"2.W", "2.b"}
        rate = lambda step: 1e308 if step == 3 else 0.05  # noqa: E731
        error = caught(model, X, y, nn.SGD(rate, momentum=0.9), jit=jit, batch_size=ROWS)
        assert "weights that are not finite" in error.got
        assert np.isfinite(model.params.numbers).all()
        found.append((error.where, error.got.split(",")[0], model.params.numbers.copy()))
    assert found[0][:2] == found[1][:2]
    assert_close(found[0][2], found[1][2], 1e-9)


@pytest.mark.parametrize("replicas", [None, 3, 20])
@pytest.mark.parametrize("what", ["optimizer", "loss"])
def test_a_method_that_a_callback_puts_on_counts_from_the_next_epoch_on(what, replicas):
    X, y = data()

    class Puts(nn.Callback):
        def on_epoch_end(self, state):
            if state.epoch == 2 and what == "optimizer":
                plain = state.optimizer.update
                state.optimizer.update = lambda w, *more: (plain(w, *more), w.__imul__(0.9))
            elif state.epoch == 2:
                plain = state.loss.value_and_grad
                state.loss.value_and_grad = lambda *given: tuple(2 * part for part in plain(*given))

    given = {"optimizer": nn.SGD(0.01), "epochs": 4, "batch_size": 8, "callbacks": [Puts()]}
    model = net(dtype=np.float64, replicas=replicas)
    one, _, history = train(model, X, y, jit=True, **given)
    other, _, expected = train(model, X, y, jit=False, **given)
    assert_close(one.params.numbers, other.params.numbers, 1e-9)
    assert_same_rows(history.rows, expected.rows, 1e-9)
    assert "has no kernel" in history.engine
