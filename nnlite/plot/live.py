"""LivePlot: the history, drawn while it is being made, for a fixed share of the time."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from nnlite.core.aliases import Array
from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.errors.checks import check_number
from nnlite.plot.history import HELD_OUT, colours_of, set_scales, sides
from nnlite.plot.style import SMALL, legend, new_axes, open_frame, pyplot
from nnlite.training.callbacks import Callback, TrainingState
from nnlite.training.history import History

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["LivePlot"]

#: Seconds that the first picture is taken to need, before one has been measured.
FIRST = 0.06
#: Time that is kept for the last picture, in pictures: a busy machine may take longer for it.
RESERVE = 1.5
#: Pictures a second at most, however cheap they are.
FASTEST = 10.0
#: Points of a line that are drawn, since more than the picture is wide are not seen and cost time.
POINTS = 2000


class LivePlot(Callback):
    """Draw the history during training.

    In a notebook the picture below the cell is renewed; with a window of matplotlib, the window.
    Elsewhere, as in a script without a screen, nothing is shown, and `ax` has the curves when
    training ends.

    It is drawn as often as a share of the time allows: the next picture waits until the time that
    all of them have taken, with it and the last one, is within that share. The last picture, after
    the last epoch, is drawn in any case. So a training shorter than the time of one picture divided
    by `share` (some seconds) spends more than its share, but never more than this one picture. What the
    first one takes is estimated, since nobody knows before.

    Parameters
    ----------
    columns : sequence of str, optional
        Of the history, such as ``["loss", "accuracy"]``; by default the loss. The same of the
        validation data is drawn beside each, dashed.
    share : float
        In (0, 1]: the part of the training time that may go to drawing.
    ax : matplotlib.axes.Axes, optional
        Where to draw; in a figure of its own by default. The lines are added to what is there.

    Attributes
    ----------
    ax : matplotlib.axes.Axes or None
        Where it is drawn; None before the first training with a figure of its own.
    pictures : int
        How many have been drawn in the present training, or in the last one.
    seconds : float
        What they took together.
    last_seconds : float
        What the last one took.

    Raises
    ------
    ModuleNotFoundError
        If matplotlib is not installed.
    ArgumentTypeError, ArgumentError
        If an argument cannot be used; in `fit`, if there will be no such column.

    Notes
    -----
    With replicas there is a thin line for each.

    Examples
    --------
    >>> import matplotlib; matplotlib.use("Agg")
    >>> from nnlite import SGD, Dense, MeanSquaredError, Sequential
    >>> live = LivePlot()
    >>> history = Sequential([Dense(1, 1)], rng=0).fit(
    ...     [[1.0]], [[1.0]], loss=MeanSquaredError(), optimizer=SGD(0.1), epochs=20, callbacks=[live]
    ... )
    >>> (live.ax.lines[0].get_ydata() == history["loss"]).all()
    np.True_
    """

    pictures: int
    seconds: float
    last_seconds: float

    first_rank_only = True

    def __init__(
        self, columns: Sequence[str] | None = None, *, share: float = 0.05, ax: Axes | None = None
    ) -> None:
        pyplot("plot.LivePlot")  # imported now, and not in the time of the training
        if columns is not None and (
            isinstance(columns, str)
            or not isinstance(columns, Sequence)
            or not all(isinstance(name, str) for name in columns)
        ):
            fix = "Write columns=['loss', 'accuracy']."
            raise ArgumentTypeError("plot.LivePlot(columns)", "a list of names", f"{columns!r}", fix)
        if columns is not None and not columns:
            fix = "Leave it out for the loss."
            raise ArgumentError("plot.LivePlot(columns)", "at least one name", f"{columns!r}", fix)
        self.columns = None if columns is None else tuple(columns)
        self.share = check_number("plot.LivePlot(share=)", share, low=0, high=1, low_open=True)
        self._given = ax is not None
        self.ax: Any = None if ax is None else new_axes("plot.LivePlot", ax)
        self.pictures = 0
        self.seconds = self.last_seconds = 0.0

    def check(self, state: TrainingState) -> None:
        """Check that there will be such columns."""
        for name in self.columns or ():
            if name not in state.columns:
                known = ", ".join(state.columns)
                fix = "Give fit a metric of that name."
                raise ArgumentError("plot.LivePlot(columns)", f"one of {known}", f"{name!r}", fix)

    def on_train_begin(self, state: TrainingState) -> None:
        """Look at the clock."""
        self._colours = colours_of(self.columns or ("loss",), state.columns)
        self._lines: dict[str, list[Any]] | None = None
        self._show: Callable[[], None] | None = None
        self.pictures = 0
        self.seconds = self.last_seconds = 0.0
        self._need = FIRST
        self._begin = self._latest = time.perf_counter()

    def on_epoch_end(self, state: TrainingState) -> None:
        """Draw if there is time for it, and for the last picture."""
        now = time.perf_counter()
        allowed = self.share * (now - self._begin)
        if self.seconds + (1.0 + RESERVE) * self._need <= allowed and now - self._latest >= 1.0 / FASTEST:
            self._draw(state)

    def on_train_end(self, state: TrainingState) -> None:
        """Draw what training has come to."""
        if len(state.history):
            self._draw(state)

    def _draw(self, state: TrainingState) -> None:
        begin = time.perf_counter()
        if self._lines is None:
            self._prepare(state)
        self._update(state.history)
        if self._show is not None:
            self._show()
        self._latest = time.perf_counter()
        self.last_seconds = self._latest - begin
        self.seconds += self.last_seconds
        # One that took long, as the first does, which makes the figure, is forgotten by and by.
        self._need = max(self.last_seconds, 0.9 * self._need)
        self.pictures += 1

    # The picture.

    def _prepare(self, state: TrainingState) -> None:
        """Find out where it can be shown, and make the lines."""
        screen = _screen()
        if not self._given:
            self.ax = _own_axes(windows=screen == "window")
        ax = self.ax
        self._show = self._on(screen)
        self._lines = {}
        # On Axes of the user nothing is changed, and no scale added.
        self._where = dict.fromkeys(self._colours, ax) if self._given else sides(ax, self._colours)
        if len({*self._where.values()}) > 1:
            ax.figure.subplots_adjust(right=0.87)
        count = state.model.params.replicas
        for name, colour in self._colours.items():
            style: dict[str, Any] = {"color": colour, "ls": "--" if name.startswith(HELD_OUT) else "-"}
            style |= {"lw": 1.5} if count is None else {"lw": 0.6, "alpha": 0.7}
            many = [self._where[name].plot([], [], **style)[0] for _ in range(count or 1)]
            many[0].set_label(_words(name))
            for line in many[1:]:
                line.set_label("_replica")
            self._lines[name] = many
        if not self._given:
            ax.set_xlabel("epoch")
            open_frame(ax)
        if len(self._colours) > 1:
            legend(*dict.fromkeys(self._where.values()), fontsize=SMALL + 1, loc="upper right")

    def _on(self, screen: str) -> Callable[[], None] | None:
        """Return what shows the figure, or None if there is nobody to see it."""
        if screen == "notebook":
            return _Notebook(self.ax.figure)
        if screen == "window" and getattr(self.ax.figure.canvas, "manager", None) is not None:
            return _Window(self.ax.figure)
        return None

    def _update(self, history: History) -> None:
        lines = self._lines or {}
        rows = len(history)
        chosen = np.unique(np.linspace(0, rows - 1, min(rows, POINTS)).astype(int))
        epochs = np.array([history[int(index)]["epoch"] for index in chosen])
        numbers: dict[str, Array] = {}
        for name, many in lines.items():
            values = np.array([history[int(index)][name] for index in chosen], dtype=np.float64)
            numbers[name] = values
            for index, line in enumerate(many):
                own = values if values.ndim == 1 else values[:, index]
                line.set_data(epochs, own)
                line.set_marker("." if rows == 1 else "")
        if not self._given:
            set_scales(self._where, numbers)
        for ax in dict.fromkeys(self._where.values()):
            ax.relim()
            ax.autoscale_view()

    def __repr__(self) -> str:
        return f"LivePlot({list(self.columns) if self.columns else None!r}, share={self.share!r})"


def _words(column: str) -> str:
    """Name a column in words."""
    plain = column.removeprefix(HELD_OUT).replace("_", " ")
    return f"{plain}, {'validation' if column.startswith(HELD_OUT) else 'training'}"


def _own_axes(*, windows: bool) -> Axes:
    """Make a figure; only one with a window is made known to pyplot, which would show all others again."""
    if windows:
        return new_axes("plot.LivePlot", None, layout=None)
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure()
    FigureCanvasAgg(figure)
    ax: Axes = figure.add_subplot()
    # Fixed margins: a layout that is computed doubles the time of every picture.
    figure.subplots_adjust(left=0.13, right=0.97, bottom=0.12, top=0.95)
    return ax


# Where it is shown.


def _screen() -> str:
    """Tell where a picture can be shown: ``"notebook"``, ``"window"``, or nowhere, ``""``."""
    IPython = sys.modules.get("IPython")  # whoever runs in a notebook has imported it
    shell = IPython.get_ipython() if IPython is not None else None
    if getattr(shell, "kernel", None) is not None:
        return "notebook"
    import matplotlib as mpl
    from matplotlib.backends import registry

    known: Any = registry.backend_registry
    windows = known.list_builtin(registry.BackendFilter.INTERACTIVE)
    return "window" if mpl.get_backend().lower() in [name.lower() for name in windows] else ""


class _Notebook:
    """Renews one picture below the cell."""

    def __init__(self, figure: Any) -> None:
        self.figure = figure
        self.handle: Any = None

    def __call__(self) -> None:
        shown: Any = import_module("IPython.display")
        file = io.BytesIO()
        self.figure.savefig(file, format="png")
        image = shown.Image(data=file.getvalue(), format="png")
        if self.handle is None:
            self.handle = shown.display(image, display_id=True)
        else:
            self.handle.update(image)


class _Window:
    """Renews the content of a window, for as long as it is open."""

    def __init__(self, figure: Any) -> None:
        self.figure = figure
        self.shown = False

    def __call__(self) -> None:
        from matplotlib.pyplot import fignum_exists

        if not fignum_exists(self.figure.number):
            return
        if not self.shown:
            self.figure.show()
            self.shown = True
        self.figure.canvas.draw()
        self.figure.canvas.flush_events()
