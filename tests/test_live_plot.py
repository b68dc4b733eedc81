"""LivePlot: it draws the history, keeps to its share of the time, and is in nobody's way."""

import signal
import sys
import types

import numpy as np
import pytest

import nnlite as nn

mpl = pytest.importorskip("matplotlib")
mpl.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402

from nnlite.errors import ArgumentError, ArgumentTypeError  # noqa: E402
from nnlite.plot import live  # noqa: E402
from nnlite.plot.live import LivePlot  # noqa: E402


class Clock:
    """A clock that goes on by what the test says: for each epoch, and for each picture."""

    def __init__(self, epoch, picture):
        self.now, self.epoch, self.picture = 0.0, epoch, picture
        self.shown = []

    def perf_counter(self):
        return self.now

    def show(self):
        self.now += self.picture
        self.shown.append(self.now)


class Tick(nn.Callback):
    def __init__(self, clock):
        self.clock = clock

    def on_epoch_begin(self, state):
        self.clock.now += self.clock.epoch


def fit(*callbacks, epochs=20, replicas=None, **options):
    X, y = nn.datasets.xor()
    model = nn.Sequential([nn.Dense(2, 4), nn.Tanh(), nn.Dense(4, 1)], rng=0, replicas=replicas)
    history = model.fit(
        X, y[:, None], loss=nn.MeanSquaredError(), optimizer=nn.SGD(0.1), epochs=epochs, callbacks=callbacks,
        **options,
    )  # fmt: skip
    return model, history


def timed(monkeypatch, *, epoch, picture, epochs, share=0.05):
    """Train by a clock of the test's own, and return it with the plot."""
    clock = Clock(epoch, picture)
    monkeypatch.setattr(live, "time", types.SimpleNamespace(perf_counter=clock.perf_counter))
    plot = LivePlot(share=share)
    monkeypatch.setattr(plot, "_on", lambda screen: clock.show)
    fit(Tick(clock), plot, epochs=epochs)
    return clock, plot


@pytest.mark.parametrize("share", [0.05, 0.2, 1.0])
@pytest.mark.parametrize("picture", [0.01, 0.04, 0.3])
def test_pictures_take_no_more_than_their_share(monkeypatch, share, picture):
    clock, plot = timed(monkeypatch, epoch=0.05, picture=picture, epochs=600, share=share)
    assert plot.pictures == len(clock.shown) >= 2
    assert plot.seconds == pytest.approx(picture * len(clock.shown))
    assert plot.last_seconds == pytest.approx(picture)
    # With the last one, which is drawn in any case, and at any moment before; what the first one takes
    # is not known before it has been drawn.
    for count, at in enumerate(clock.shown, start=1):
        assert (count == 1 and picture > live.FIRST) or count * picture <= share * at + 1e-9
    gaps = np.diff(clock.shown[:-1])
    assert (gaps >= 1.0 / live.FASTEST).all()


def test_the_share_is_used(monkeypatch):
    clock, plot = timed(monkeypatch, epoch=0.05, picture=0.04, epochs=600)
    assert plot.seconds > 0.8 * 0.05 * clock.now


def test_a_short_training_has_one_picture(monkeypatch):
    _, plot = timed(monkeypatch, epoch=0.01, picture=0.04, epochs=20)
    assert plot.pictures == 1
    assert plot.last_seconds == plot.seconds == pytest.approx(0.04)


def test_a_picture_that_takes_longer_and_longer_is_drawn_less_often(monkeypatch):
    clock = Clock(0.05, 0.01)
    monkeypatch.setattr(live, "time", types.SimpleNamespace(perf_counter=clock.perf_counter))
    plot = LivePlot()

    def show():
        clock.show()
        clock.picture *= 1.3

    monkeypatch.setattr(plot, "_on", lambda screen: show)
    fit(Tick(clock), plot, epochs=1000)
    assert plot.pictures > 3
    assert plot.seconds <= 0.05 * clock.now * 1.3


def test_lines_are_the_history():
    plot = LivePlot()
    _, history = fit(plot, validation=(np.eye(2), np.ones((2, 1))))
    training, held_out = plot.ax.lines
    for line, column in ((training, "loss"), (held_out, "validation_loss")):
        assert np.array_equal(line.get_xdata(), history["epoch"])
        assert np.array_equal(line.get_ydata(), history[column])
    assert (training.get_linestyle(), held_out.get_linestyle()) == ("-", "--")
    words = [text.get_text() for text in plot.ax.get_legend().get_texts()]
    assert words == ["loss, training", "loss, validation"]
    low, high = plot.ax.get_ylim()
    assert low < min(history["loss"]) < max(history["loss"]) < high


def test_columns_and_axes_of_ones_own():
    figure, ax = plt.subplots()
    ax.plot([1, 2], [3, 4], label="mine")
    ax.set(title="kept", yscale="log")

    def gap(pred, target):
        return float(np.abs(pred - target).mean())

    plot = LivePlot(["loss", "gap"], ax=ax)
    _, history = fit(plot, metrics=[gap])
    assert plot.ax is ax
    mine, loss, metric = ax.lines
    assert mine.get_label() == "mine"
    assert (ax.get_title(), ax.get_yscale()) == ("kept", "log")
    assert np.array_equal(loss.get_ydata(), history["loss"])
    assert np.array_equal(metric.get_ydata(), history["gap"])
    assert loss.get_color() != metric.get_color()
    plt.close(figure)


def test_losses_and_other_metrics_have_a_scale_each():
    plot = LivePlot(["loss", "gap"])
    _, history = fit(plot, metrics={"gap": lambda pred, target: 1000 * float(np.abs(pred - target).mean())})
    left, right = plot.ax.figure.axes
    assert left is plot.ax
    assert np.array_equal(left.lines[0].get_ydata(), history["loss"])
    assert np.array_equal(right.lines[0].get_ydata(), history["gap"])
    assert (left.get_ylabel(), right.get_ylabel()) == ("loss", "gap")
    words = [text.get_text() for text in right.get_legend().get_texts()]
    assert words == ["loss, training", "gap, training"]
    low, high = right.get_ylim()
    assert low < min(history["gap"]) < max(history["gap"]) < high


def test_each_replica_has_a_line():
    plot = LivePlot()
    _, history = fit(
        plot, nn.EarlyStopping(monitor="loss", min_delta=0.02, patience=1), replicas=3, epochs=30
    )
    lines = plot.ax.lines
    assert len(lines) == 3
    numbers = np.array(history["loss"], dtype=float)
    assert np.isnan(numbers).any(), "one has to stop before the others"
    for index, line in enumerate(lines):
        assert np.array_equal(line.get_ydata(), numbers[:, index], equal_nan=True)


def test_training_comes_to_the_same_bits():
    plain, _ = fit()
    drawn, _ = fit(LivePlot(share=1.0))
    assert np.array_equal(plain.params.values, drawn.params.values)


def test_nothing_is_left_behind_and_the_settings_stay():
    before, figures = dict(mpl.rcParams), plt.get_fignums()
    for _ in range(3):
        fit(LivePlot())
    assert dict(mpl.rcParams) == before
    assert plt.get_fignums() == figures
    assert mpl.get_backend().lower() == "agg"


def test_ctrl_c_leaves_a_picture_of_what_there_is():
    class Press(nn.Callback):
        def on_batch_end(self, state):
            if state.epoch == 5:
                signal.raise_signal(signal.SIGINT)

    plot = LivePlot()
    with pytest.warns(UserWarning, match="stopped by Ctrl-C"):
        _, history = fit(plot, Press())
    assert len(history) == 5
    assert np.array_equal(plot.ax.lines[0].get_ydata(), history["loss"])


def test_a_second_training_has_a_picture_of_its_own():
    plot = LivePlot()
    fit(plot, epochs=3)
    first = plot.ax
    _, history = fit(plot, epochs=7)
    assert plot.ax is not first
    assert np.array_equal(plot.ax.lines[0].get_ydata(), history["loss"])


def test_long_histories_are_drawn_with_fewer_points():
    plot = LivePlot()
    _, history = fit(plot, epochs=live.POINTS + 500)
    line = plot.ax.lines[0]
    assert len(line.get_xdata()) <= live.POINTS
    assert (line.get_xdata()[0], line.get_xdata()[-1]) == (1, len(history))
    assert line.get_ydata()[-1] == history["loss"][-1]


def test_in_a_notebook_one_picture_is_renewed(monkeypatch):
    shown = []

    class Handle:
        def update(self, image):
            shown.append(("update", image))

    def display(image, *, display_id):
        assert display_id is True
        shown.append(("display", image))
        return Handle()

    shell = types.SimpleNamespace(kernel=object())
    package = types.ModuleType("IPython")
    package.get_ipython = lambda: shell
    part = types.ModuleType("IPython.display")
    part.Image, part.display = (lambda *, data, **_: data), display
    monkeypatch.setitem(sys.modules, "IPython", package)
    monkeypatch.setitem(sys.modules, "IPython.display", part)
    clock = Clock(0.3, 0.0)
    monkeypatch.setattr(live, "time", types.SimpleNamespace(perf_counter=clock.perf_counter))
    fit(Tick(clock), LivePlot(), epochs=30)
    kinds = [kind for kind, _ in shown]
    assert kinds[0] == "display"
    assert kinds.count("display") == 1
    assert kinds.count("update") >= 2
    assert all(image[:8] == b"\x89PNG\r\n\x1a\n" for _, image in shown)
    assert shown[0][1] != shown[-1][1]


def test_in_a_window_until_it_is_closed(monkeypatch):
    figure, ax = plt.subplots()
    done = []
    monkeypatch.setattr(live, "_screen", lambda: "window")
    monkeypatch.setattr(type(figure), "show", lambda self: done.append("show"))
    monkeypatch.setattr(figure.canvas, "draw", lambda: done.append("draw"))
    fit(LivePlot(ax=ax), epochs=3)
    assert done == ["show", "draw"]
    plt.close(figure)
    fit(LivePlot(ax=ax), epochs=3)
    assert done == ["show", "draw"]


def test_a_backend_without_windows_shows_nothing():
    assert live._screen() == ""


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        ({"share": 0}, ArgumentError, "share="),
        ({"share": 1.5}, ArgumentError, "share="),
        ({"columns": "loss"}, ArgumentTypeError, "a list of names"),
        ({"columns": []}, ArgumentError, "at least one name"),
        ({"ax": 1}, ArgumentTypeError, "a matplotlib Axes"),
    ],
)
def test_errors_at_once(arguments, kind, words):
    with pytest.raises(kind, match=words):
        LivePlot(**arguments)


def test_a_column_that_will_not_be_there_is_refused_before_training():
    with pytest.raises(ArgumentError, match=r"one of epoch, loss.* got 'accuracy'. Give fit a metric"):
        fit(LivePlot(["accuracy"]))
