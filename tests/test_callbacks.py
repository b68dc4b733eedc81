"""Callbacks: when they are called, and what the built-in ones do."""

import io
import re
import sys
from functools import partial
from types import ModuleType

import numpy as np
import pytest

import nnlite as nn
from nnlite.errors import ArgumentError, DivergenceError

X = np.linspace(-1, 1, 8)[:, None]


def fit(callbacks, *, epochs=3, optimizer=None, model=None, **options):
    model = model or nn.Sequential([nn.Dense(1, 1)], rng=0)
    options = {"batch_size": 4, **options}
    return model, model.fit(
        X,
        2 * X,
        loss=nn.MeanSquaredError(),
        optimizer=optimizer or nn.SGD(0.1),
        epochs=epochs,
        callbacks=callbacks,
        **options,
    )


def scripted(*values, column="validation_loss"):
    """Make a callback that writes given numbers into a column, before others look."""

    class Scripted(nn.Callback):
        def on_epoch_end(self, state):
            state.history.rows[-1][column] = values[state.epoch - 1]

    return Scripted()


def test_the_order_of_the_moments():
    calls = []

    class Record(nn.Callback):
        pass

    for moment in [name for name in vars(nn.Callback) if name.startswith("on_")]:

        def note(self, state, moment=moment):
            calls.append((moment, state.epoch, state.batch))

        setattr(Record, moment, note)
    fit([Record()], epochs=2)
    batch = ["on_batch_begin", "on_grad_computed", "on_batch_end"]
    epoch = ["on_epoch_begin", *batch, *batch, "on_batches_end", "on_epoch_end"]
    assert [name for name, _, _ in calls] == ["on_train_begin", *epoch, *epoch, "on_train_end"]
    assert [(e, b) for name, e, b in calls if name == "on_batch_end"] == [(1, 1), (1, 2), (2, 1), (2, 2)]


def test_gradients_may_be_changed_on_the_way():
    class NoGradient(nn.Callback):
        def on_grad_computed(self, state):
            assert np.isfinite(state.batch_loss)
            state.model.params.grads[...] = 0

    model = nn.Sequential([nn.Dense(1, 1)], rng=0)
    kept = model.params.values.copy()
    fit([NoGradient()], model=model)
    np.testing.assert_array_equal(model.params.values, kept)


def test_stop_ends_after_the_batch_and_the_first_reason_counts():
    class Stop(nn.Callback):
        def on_batch_end(self, state):
            if state.epoch == 2:
                state.stop("first")
                state.stop("second")

    optimizer = nn.SGD(0.1)
    _, history = fit([Stop()], epochs=9, optimizer=optimizer)
    assert optimizer.steps == 3
    assert len(history) == 2
    assert history.stop_reason == "first"


def test_train_end_is_called_whatever_happens():
    ended = []

    class Ends(nn.Callback):
        def __init__(self, name):
            self.name = name

        def on_train_end(self, state):
            ended.append(self.name)

    class Fails(Ends):
        def on_epoch_end(self, state):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fit([Ends("a"), Fails("b")])
    assert ended == ["a", "b"]


class TestEarlyStopping:
    def run(self, values, **options):
        weights = []

        class Keep(nn.Callback):
            def on_epoch_end(self, state):
                weights.append(state.model.params.values.copy())

        stopper = nn.EarlyStopping(**{"patience": 2, **options})
        column = options.get("monitor", "validation_loss")
        model, history = fit(
            [scripted(*values, column=column), Keep(), stopper],
            epochs=len(values),
            validation=(X, 2 * X),
            metrics={"share": partial(nn.r2)},
        )
        return model, history, weights

    def test_it_stops_and_gives_the_best_weights_back(self):
        model, history, weights = self.run([5, 4, 3, 3.5, 3.2, 1, 1])
        assert len(history) == 5
        assert history.best_epoch == 3
        assert history.stop_reason == "no better validation_loss for 2 epochs"
        np.testing.assert_array_equal(model.params.values, weights[2])

    def test_it_gives_the_best_weights_back_though_it_never_stopped(self):
        model, history, weights = self.run([5, 4, 3, 3.5])
        assert len(history) == 4
        assert history.best_epoch == 3
        np.testing.assert_array_equal(model.params.values, weights[2])

    def test_more_is_better_for_metrics(self):
        _, history, _ = self.run([0.5, 0.7, 0.6, 0.6, 0.9], monitor="validation_share")
        assert history.best_epoch == 2
        assert len(history) == 4
        _, history, _ = self.run([0.5, 0.7, 0.6, 0.6, 0.9], higher_is_better=True)
        assert history.best_epoch == 2

    def test_small_gains_count_for_the_weights_but_not_for_patience(self):
        _, history, _ = self.run([5, 4.9, 4.85, 4.8], min_delta=0.5)
        assert len(history) == 3
        assert history.best_epoch == 3

    def test_a_second_fit_starts_afresh(self):
        stopper = nn.EarlyStopping(patience=2, monitor="loss")
        model, _ = fit([stopper], epochs=3)
        low, history = fit([scripted(9, 9, 9, 9, column="loss"), stopper], model=model, epochs=4)
        assert history.best_epoch == 1
        assert len(history) == 3
        assert low is model

    def test_the_column_must_exist(self):
        with pytest.raises(ArgumentError, match="Give fit validation data, or monitor='loss'"):
            fit([nn.EarlyStopping()])
        with pytest.raises(ArgumentError, match="one of epoch, loss"):
            fit([nn.EarlyStopping(monitor="accuracy")])


class TestReduceOnPlateau:
    @pytest.mark.parametrize("size", [1e-3, 0.02, 1.0, 100.0])
    def test_the_units_of_the_targets_do_not_matter(self, size):
        """A loss that falls by a tenth each epoch improves, however small it is."""
        reducer = nn.ReduceOnPlateau(monitor="loss", patience=1)
        optimizer = nn.SGD(0.1)
        losses = [size**2 * 0.9**epoch for epoch in range(20)]
        fit([scripted(*losses, column="loss"), reducer], epochs=20, optimizer=optimizer)
        assert optimizer.rate == 0.1

    def test_replicas_have_margins_of_their_own(self):
        X = np.linspace(-1, 1, 8)[:, None]
        model = nn.Sequential([nn.Dense(1, 1)], replicas=2, rng=0)
        optimizer = nn.SGD(0.1)
        columns = [[1e-6 * 0.9**epoch, 1.0 - 1e-6 * epoch] for epoch in range(6)]

        class Script(nn.Callback):
            def on_epoch_end(self, state):
                state.history[-1]["loss"] = columns[state.epoch - 1]

        model.fit(
            X,
            X,
            loss=nn.MeanSquaredError(),
            optimizer=optimizer,
            epochs=6,
            callbacks=[Script(), nn.ReduceOnPlateau(monitor="loss", patience=4)],
        )
        np.testing.assert_allclose(optimizer.rate, [0.1, 0.01])

    def test_it_lowers_the_rate(self):
        optimizer = nn.SGD(0.1)
        reducer = nn.ReduceOnPlateau(monitor="loss", factor=0.5, patience=2)
        values = [5, 4, 4, 4, 4, 4, 3]
        _, history = fit([scripted(*values, column="loss"), reducer], epochs=7, optimizer=optimizer)
        np.testing.assert_allclose(history["learning_rate"], [0.1, 0.1, 0.1, 0.1, 0.05, 0.05, 0.025])
        assert optimizer.rate == pytest.approx(0.025)

    def test_it_works_with_a_schedule_and_has_a_floor(self):
        optimizer = nn.SGD(nn.StepDecay(0.1, every=1000))
        reducer = nn.ReduceOnPlateau(monitor="loss", factor=0.1, patience=1, min_rate=0.02)
        fit([scripted(*[1] * 6, column="loss"), reducer], epochs=6, optimizer=optimizer)
        assert optimizer.rate == pytest.approx(0.02)

    def test_it_needs_a_rate(self):
        with pytest.raises(ArgumentError, match="an optimizer with a learning rate"):
            fit([nn.ReduceOnPlateau(monitor="loss")], optimizer=nn.LBFGS())


def test_time_limit(monkeypatch):
    clock = iter(np.arange(0.0, 100.0, 1.0))
    monkeypatch.setattr("nnlite.training.callbacks.time.monotonic", lambda: next(clock))
    optimizer = nn.SGD(0.1)
    _, history = fit([nn.TimeLimit(3)], epochs=50, optimizer=optimizer)
    # The clock ticks at each look: begin, after two batches, after the epoch.
    assert len(history) == 1
    assert optimizer.steps == 2
    assert history.stop_reason == "time limit of 3 s"


def test_progress_bar_shows_the_numbers(capsys):
    fit([nn.ProgressBar(disable=False)], validation=(X, 2 * X))
    shown = capsys.readouterr().err
    assert "3/3" in shown
    assert "loss 0." in shown
    assert "validation_loss 0." in shown
    assert max(map(len, shown.split("\r"))) <= 80
    fit([nn.ProgressBar(disable=False, show=["learning_rate"])])
    assert "learning_rate 0.1" in capsys.readouterr().err
    with pytest.raises(ArgumentError, match="names of epoch, loss, learning_rate, seconds, got 'lss'"):
        fit([nn.ProgressBar(show=["lss"])])


def test_progress_bar_shows_the_first_metric_and_the_span_of_replicas(capsys):
    fit(
        [nn.ProgressBar(disable=False)],
        model=nn.Sequential([nn.Dense(1, 1)], replicas=2, rng=0),
        validation=(X, 2 * X),
        metrics=[nn.mean_absolute_error],
    )
    assert re.search(
        r"loss 0\.\d+ to 0\.\d+, validation_mean_absolute_error 0\.\d+ to 0", capsys.readouterr().err
    )


def test_progress_bar_shows_in_a_notebook(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipykernel", ModuleType("ipykernel"))
    fit([nn.ProgressBar()])
    assert "3/3" in capsys.readouterr().err


def test_progress_bar_is_quiet_when_nobody_looks(capsys):
    fit([nn.ProgressBar()])
    fit([nn.ProgressBar(disable=True)])
    captured = capsys.readouterr()
    assert captured.err == captured.out == ""


@pytest.mark.parametrize("disable", [None, False, True])
def test_progress_bar_without_a_console(monkeypatch, disable):
    """Programs without a console have no standard error, or one that was closed."""
    closed = io.StringIO()
    closed.close()
    for stream in (None, closed):
        monkeypatch.setattr(sys, "stderr", stream)
        _, history = fit([nn.ProgressBar(disable=disable)])
        assert len(history) == 3


def test_progress_bar_where_something_else_takes_the_output(monkeypatch):
    class Log:
        def __init__(self):
            self.text = ""

        def write(self, text):
            self.text += text

        def flush(self):
            """Do nothing."""

    for disable, shown in ((None, False), (False, True)):
        log = Log()
        monkeypatch.setattr(sys, "stderr", log)
        fit([nn.ProgressBar(disable=disable)])
        assert ("3/3" in log.text) is shown


def test_early_stopping_gives_the_best_weights_back_after_a_divergence():
    model = nn.Sequential([nn.Dense(1, 1)], rng=0, dtype=np.float64)
    seen = []

    class Keep(nn.Callback):
        def on_epoch_end(self, state):
            seen.append((state.history[-1]["loss"], state.model.params.values.copy()))

    with pytest.raises(DivergenceError):
        fit(
            [Keep(), nn.EarlyStopping(monitor="loss", patience=10_000)],
            model=model,
            optimizer=nn.SGD(1e3),
            epochs=10_000,
        )
    best = min(seen, key=lambda pair: pair[0])
    assert len(seen) > 1
    np.testing.assert_array_equal(model.params.values, best[1])
    assert np.isfinite(model.evaluate(X, 2 * X, loss=nn.MeanSquaredError())["loss"])


def f1(pred, target):
    return float(np.mean(pred))


def marked(pred, target):
    return float(np.mean(pred))


marked.higher_is_better = True


class Score:
    higher_is_better = np.False_

    def __call__(self, pred, target):
        return float(np.mean(pred))


class Plain:
    def __call__(self, pred, target):
        return float(np.mean(pred))


class TestWhichWayIsUp:
    """By what a metric is, never by what it is called; asked for where nothing says so."""

    ASKED = r"\(monitor=\): expected a column of which it is known .*, got '.*'\. .*higher_is_better=True"

    @pytest.mark.parametrize("make", [nn.EarlyStopping, nn.ReduceOnPlateau])
    @pytest.mark.parametrize("metric", [f1, lambda pred, target: 0.0, partial(f1), Plain()])
    @pytest.mark.parametrize("prefix", ["", "validation_"])
    def test_it_is_asked_for_before_anything_changes(self, make, metric, prefix):
        # Under the name of one of nnlite's metrics too.
        optimizer, model = nn.SGD(0.1), nn.Sequential([nn.Dense(1, 1)], rng=0)
        kept = model.params.values.copy()
        for name in ("f1", "accuracy", "r2"):
            callback = make(monitor=prefix + name)
            with pytest.raises(ArgumentError, match=make.__name__ + self.ASKED):
                fit([callback], model=model, optimizer=optimizer, metrics={name: metric}, validation=(X, X))
        np.testing.assert_array_equal(model.params.values, kept)
        assert optimizer.steps == 0

    @pytest.mark.parametrize(
        ("metric", "options", "best"),
        [
            (f1, {"higher_is_better": True}, 3),
            (f1, {"higher_is_better": False}, 2),
            (marked, {}, 3),
            (marked, {"higher_is_better": False}, 2),
            (partial(marked), {}, 3),
            (Score(), {}, 2),
            (nn.r2, {}, 3),
            (nn.metrics.mean_absolute_error, {}, 2),
        ],
    )
    @pytest.mark.parametrize("prefix", ["", "validation_"])
    def test_it_is_known_or_said(self, metric, options, best, prefix):
        column = prefix + "score"
        _, history = fit(
            [scripted(0.5, 0.1, 0.9, 0.4, column=column), nn.EarlyStopping(monitor=column, **options)],
            epochs=4,
            metrics={"score": metric},
            validation=(X, 2 * X),
        )
        assert history.best_epoch == best


@pytest.mark.parametrize("metric", [nn.accuracy, partial(nn.top_k_accuracy, k=1)])
def test_a_metric_of_nnlite_is_known_under_any_name(metric):
    X, y = nn.datasets.blobs(60, rng=0)
    model = nn.Sequential([nn.Dense(2, 3)], rng=0)
    stopping = nn.EarlyStopping(monitor="validation_share", patience=50)
    history = model.fit(
        X,
        y,
        loss=nn.SoftmaxCrossEntropy(),
        optimizer=nn.Adam(0.05),
        epochs=10,
        validation=(X, y),
        metrics={"share": metric},
        callbacks=[stopping],
    )
    shares = history["validation_share"]
    assert min(shares) < max(shares)
    assert history.best_epoch == 1 + shares.index(max(shares))


def test_what_ended_training_early_is_shown(capsys):
    stopper = nn.EarlyStopping(monitor="loss", patience=1)
    bar = nn.ProgressBar(disable=False)
    _, history = fit([scripted(3, 2, 2, 1, column="loss"), stopper, bar], epochs=4)
    assert "3/4 epochs, no better loss for 1 epochs" in capsys.readouterr().err
    assert repr(history).endswith("; weights of epoch 2)")


class TestNumbersThatAreNone:
    """NaN, as a metric of a masked target may be, is never better than anything."""

    @staticmethod
    def columns(*values):
        given = iter(values)

        def measure(pred, target):
            return next(given)

        return {"measure": measure}

    @pytest.mark.parametrize("higher_is_better", [True, False])
    def test_early_stopping(self, rng, higher_is_better):
        x = rng.normal(size=(8, 2))
        numbers = [np.nan, 0.5, np.nan, 0.4 if higher_is_better else 0.6, np.nan]
        model = nn.Sequential([nn.Dense(2, 1)], rng=0)
        stop = nn.EarlyStopping(monitor="measure", patience=3, higher_is_better=higher_is_better)
        history = model.fit(
            x,
            x[:, :1],
            loss=nn.MeanSquaredError(),
            optimizer=nn.SGD(0.1),
            epochs=5,
            metrics=self.columns(*numbers),
            callbacks=[stop],
        )
        assert len(history) == 5
        assert history.best_epoch == 2

    def test_a_rate_is_lowered_as_if_nothing_had_improved(self, rng):
        x = rng.normal(size=(8, 2))
        optimizer = nn.SGD(0.1)
        plateau = nn.ReduceOnPlateau(monitor="measure", patience=2, factor=0.5, higher_is_better=True)
        nn.Sequential([nn.Dense(2, 1)], rng=0).fit(
            x,
            x[:, :1],
            loss=nn.MeanSquaredError(),
            optimizer=optimizer,
            epochs=4,
            metrics=self.columns(*[np.nan] * 4),
            callbacks=[plateau],
        )
        assert optimizer.rate == pytest.approx(0.025)

    @pytest.mark.parametrize("higher_is_better", [True, False])
    def test_the_best_replica_is_one_with_a_number(self, higher_is_better):
        history = nn.History()
        history.replicas = [{"stop_reason": "", "best_epoch": None, "diverged": False} for _ in range(4)]
        history.rows += [{"epoch": 1, "loss": [1.0] * 4, "r2": [np.nan, 0.2, np.nan, 0.3]}]
        assert history.best_replica("r2", higher_is_better=higher_is_better) == (3 if higher_is_better else 1)
        history.rows[0]["r2"] = [np.nan] * 4
        assert history.best_replica("r2", higher_is_better=higher_is_better) == 0


def test_the_column_of_keras_is_told_by_its_name_here():
    X = np.zeros((8, 1))
    options = {"loss": nn.MeanSquaredError(), "optimizer": nn.SGD(), "validation": 0.5}
    with pytest.raises(ArgumentError, match="Write monitor='validation_loss', or"):
        nn.Sequential([nn.Dense(1, 1)]).fit(X, X, callbacks=[nn.EarlyStopping(monitor="val_loss")], **options)


def test_progress_bar_says_what_trains_if_jit_was_asked_for(capsys):
    """Beside the numbers in a word; why it is not all compiled in a line of its own, once."""
    pytest.importorskip("numba")

    class Look(nn.Callback):
        def on_batch_end(self, state):
            """See each batch."""

    def shown(*more, jit=True, **options):
        _, history = fit([nn.ProgressBar(disable=False), *more], jit=jit, **options)
        return capsys.readouterr().err, history.engine

    text, engine = shown()
    assert engine == "jit"
    assert re.search(r"loss [\d.e-]+, jit *(\r|\n|$)", text)
    text, engine = shown(Look())
    assert engine == "jit by the step: Look looks at each batch"
    assert text.count("fit(jit=True): jit by the step: Look looks at each batch\n") == 1
    assert re.search(r"loss [\d.e-]+, jit by the step *(\r|\n|$)", text)
    assert max(map(len, re.split("[\r\n]", text))) <= 80

    class Own(nn.Tanh):
        """Has no kernel, whatever the one that it is made of has."""

    text, engine = shown(model=nn.Sequential([nn.Dense(1, 1), Own()], rng=0))
    assert engine == "numpy: Own has no kernel"
    assert f"fit(jit=True): {engine}\n" in text
    assert re.search(r"loss [\d.e-]+, numpy *(\r|\n|$)", text)
    text, engine = shown(jit=False)
    assert engine == "numpy"
    assert "jit" not in text
    assert "numpy" not in text
    fit([nn.ProgressBar(), Look()], jit=True)
    fit([nn.ProgressBar(disable=True), Look()], jit=True)
    captured = capsys.readouterr()
    assert captured.err == captured.out == ""
