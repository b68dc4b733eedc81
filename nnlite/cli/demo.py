"""What `python -m nnlite` does: train a net on a data set, and show how well it does and how it got there."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nnlite._version import __version__
from nnlite.cli.recipes import RECIPES
from nnlite.cli.terminal import Canvas, Screen, bar, image, loss_curves, side_by_side
from nnlite.core.aliases import AnyArray, Array
from nnlite.core.cross_entropy import SoftmaxCrossEntropy
from nnlite.core.losses import Loss, MeanSquaredError
from nnlite.data.batching import train_test_split
from nnlite.files.models import load
from nnlite.layers import Softmax
from nnlite.metrics import Metric, accuracy, confusion_matrix, mean_absolute_error, r2
from nnlite.model import Sequential
from nnlite.optimizers.adam import Adam
from nnlite.schedules import OneCycle
from nnlite.training.callbacks import Callback, ProgressBar, TrainingState
from nnlite.training.history import History

__all__ = ["Options", "run"]


class Options(NamedTuple):
    """What the user chose; None leaves it to the recipe.

    Attributes
    ----------
    data : str
        Key of `RECIPES`.
    epochs : int or None
        How many times to go over the training data.
    learning_rate : float or None
        The highest rate of the schedule.
    batch_size : int or None
        Rows in one step.
    seed : int
        Of the data, the split, the weights and the training.
    save : Path or None
        Where to keep the net.
    quiet : bool
        Whether to print one line only.
    jit : bool
        Whether to train by compiled loops.
    """

    data: str
    epochs: int | None = None
    learning_rate: float | None = None
    batch_size: int | None = None
    seed: int = 0
    save: Path | None = None
    quiet: bool = False
    jit: bool = False


class _Hush(Callback):
    """Leaves Ctrl-C to the report, which says it in its own place."""

    def on_train_begin(self, state: TrainingState) -> None:
        state._warns_of_ctrl_c = False


class _Demo:
    """One run: the data, the net, and what came out."""

    def __init__(self, options: Options) -> None:
        recipe = RECIPES[options.data]
        data_rng, split_rng, model_rng = np.random.default_rng(options.seed).spawn(3)
        self.options = options
        self.data = recipe.data(data_rng)
        self.names = self.data.class_names
        self.batch_size = options.batch_size or recipe.batch_size
        self.epochs = options.epochs or recipe.epochs
        self.rate = options.learning_rate or recipe.learning_rate
        self.model = Sequential(recipe.layers(), rng=model_rng)
        self.loss: Loss = SoftmaxCrossEntropy() if self.names else MeanSquaredError()
        self.metric: Metric = accuracy if self.names else r2
        self.split(split_rng)

    def split(self, rng: np.random.Generator) -> None:
        """Hold out a fifth for the test, and a tenth of the rest for validation."""
        X, y = self.data
        if len(X) < 10:  # xor: all rows are needed for everything
            self.train = self.test = X, y
            self.validation: tuple[AnyArray, AnyArray] | None = None
            return
        classes = bool(self.names)
        X, X_test, y, y_test = train_test_split(X, y, test=0.2, stratify=classes, rng=rng)
        X, X_valid, y, y_valid = train_test_split(X, y, test=0.1, stratify=classes, rng=rng)
        self.train, self.validation, self.test = (X, y), (X_valid, y_valid), (X_test, y_test)

    @property
    def steps_per_epoch(self) -> int:
        return -(-len(self.train[0]) // self.batch_size)

    def fit(self) -> None:
        """Train, with a bar if somebody watches, and predict the test rows."""
        schedule = OneCycle(self.rate)  # as long as the training
        begun = time.perf_counter()
        self.history: History = self.model.fit(
            *self.train,
            loss=self.loss,
            optimizer=Adam(schedule),
            epochs=self.epochs,
            batch_size=self.batch_size,
            validation=self.validation,
            metrics=[self.metric],
            callbacks=[_Hush(), *([] if self.options.quiet else [ProgressBar()])],
            jit=self.options.jit,
        )
        self.seconds = time.perf_counter() - begun
        self.pred: Array = self.model.predict(self.test[0])
        self.score: float = self.metric(self.pred, self.test[1])
        if self.names:
            self.guess = self.pred.argmax(axis=1)
            self.sure = Softmax().forward(self.pred).max(axis=1)

    def beats_guessing(self) -> bool:
        """Tell whether the net does better than the one answer that suits the test rows best."""
        if not self.names:
            return self.score > 0  # R^2 of the mean
        return self.score > float(np.bincount(self.test[1]).max()) / len(self.test[1])

    def trouble_with_files(self) -> str:
        """Save the net, load it, and compare what both predict, bit by bit; say what went wrong."""
        if self.options.save is not None:
            return self._trouble_with(self.options.save)
        with tempfile.TemporaryDirectory() as folder:
            return self._trouble_with(Path(folder) / "net.safetensors")

    def _trouble_with(self, path: Path) -> str:
        where, fix = f"saving the net to {path}", "Choose another place with --save."
        try:
            self.model.save(path)
            same = load(path).predict(self.test[0]).tobytes() == self.pred.tobytes()
        except OSError as error:
            return (
                f"{where}: expected a file that can be written and read, got {error.strerror or error}. {fix}"
            )
        return "" if same else f"{where}: expected the same predictions from the file, got others. {fix}"


def run(options: Options, screen: Screen) -> str:
    """Train as the options say and write the report.

    Parameters
    ----------
    options : Options
        What to do.
    screen : Screen
        Where to write.

    Returns
    -------
    str
        What went wrong with the file of the net; empty if nothing did.

    Raises
    ------
    DivergenceError
        If the loss stops being finite.
    OSError
        If the report cannot be written.
    """
    demo = _Demo(options)
    if options.quiet:
        demo.fit()
        trouble = demo.trouble_with_files()
        ending = ", stopped by Ctrl-C" if demo.history.interrupted else ""
        score = _score_text(demo.metric.__name__, demo.score, screen.glyphs.squared)
        engine = f", {demo.history.engine}" if options.jit else ""
        screen.line(f"{options.data}: test {score}, {demo.seconds:.1f} s{engine}{ending}")
        return trouble
    _show_plan(demo, screen)
    demo.fit()
    trouble = demo.trouble_with_files()  # before the report, whose reader may go away in the middle of it
    _show_training(demo, screen)
    for show in _PICTURES.get(options.data, (_show_classes, _show_map)):
        show(demo, screen)
    screen.line()
    if not trouble:
        where = "" if options.save is None else f" to {options.save}"
        screen.paragraph(f"Saved{where} and loaded back: the predictions are identical, bit for bit.")
    *others, last = (name for name in RECIPES if name != options.data)
    screen.paragraph(f"Now try --data {', '.join(others)} or {last}.")
    return trouble


# The parts of the report, from top to bottom.


def _show_plan(demo: _Demo, screen: Screen) -> None:
    data = demo.data
    rows, features = data.X.shape
    kind = f"{len(demo.names)} classes" if demo.names else "a number to predict"
    screen.paragraph(
        f"nnlite {__version__} learns {data.name}: {rows:,} rows of {_count(features, 'feature')}, {kind}"
    )
    if data.source != "generated":
        screen.paragraph(f"Source: {data.source}")
    screen.line()
    screen.lines(str(demo.model.summary()).splitlines())
    screen.line()
    if demo.validation is None:
        screen.paragraph(f"All {rows} rows for training, and for the test too.")
    else:
        screen.paragraph(
            f"{len(demo.train[0]):,} rows for training, {len(demo.validation[0]):,} for validation, "
            f"{len(demo.test[0]):,} for the test."
        )
    screen.paragraph(
        f"{_count(demo.epochs, 'epoch')} of {_count(demo.steps_per_epoch, 'step')}, Adam, "
        f"learning rate up to {demo.rate:g} and down again."
    )
    screen.stream.flush()  # to be read while the bar grows


def _show_training(demo: _Demo, screen: Screen) -> None:
    history, glyphs = demo.history, screen.glyphs
    if history.interrupted:
        screen.paragraph(
            f"Stopped by Ctrl-C in epoch {len(history):,} of {demo.epochs:,}; this is the net so far."
        )
    else:
        screen.paragraph(f"Done in {demo.seconds:.1f} s.")
    if demo.options.jit:
        whole = "by compiled loops, whole epochs at a time"
        screen.paragraph(f"Trained {whole if history.engine == 'jit' else 'through ' + history.engine}.")
    score = _score_text(demo.metric.__name__, demo.score, glyphs.squared)
    if demo.names:
        right = int((demo.guess == demo.test[1]).sum())
        screen.heading(f"Test {score}: {right:,} of {len(demo.guess):,} right.")
    else:
        error = mean_absolute_error(demo.pred, demo.test[1])
        screen.heading(f"Test {score}; the predictions are off by {error:.3f} on average.")
    if not demo.beats_guessing():
        screen.paragraph(
            f"That is no better than the same answer for every row: try more --epochs, or another "
            f"--learning-rate than {demo.rate:g}."
        )
    if len(history) < 2:
        return
    dropout = any(layer.stochastic for layer in demo.model)
    legend = [f"{glyphs.dot} training{' with dropout' if dropout else ''}"]
    curves = [(glyphs.dot, history["loss"])]
    if demo.validation is not None:
        legend.append(f"{glyphs.ring} validation in front")
        curves.append((glyphs.ring, history["validation_loss"]))
    screen.heading(f"Loss, on a logarithmic scale: {', '.join(legend)}")
    screen.lines(loss_curves(curves, width=screen.width - 2))


def _show_classes(demo: _Demo, screen: Screen) -> None:
    counts = confusion_matrix(demo.guess, demo.test[1], classes=len(demo.names))
    screen.heading("Test accuracy of each class:")
    longest = max(map(len, demo.names))
    width = max(min(24, screen.width - longest - 22), 4)
    for name, row, right in zip(demo.names, counts, counts.diagonal(), strict=True):
        total = row.sum()
        text = f"{name:>{longest}}  {bar(right / total, width, screen.glyphs)} {100 * right / total:6.1f} %  "
        text += f"{right:>2} of {total:>2}"
        others = [(count, other) for count, other in zip(row, demo.names, strict=True) if other != name]
        others = sorted((pair for pair in others if pair[0]), key=lambda pair: -pair[0])
        taken_for = ", ".join(f"{other} ({count})" if count > 1 else other for count, other in others[:3])
        taken_for = f", else {taken_for}{' ...' if len(others) > 3 else ''}" if others else ""
        screen.line(text + taken_for if len(text + taken_for) <= screen.width else text)


def _show_digits(demo: _Demo, screen: Screen) -> None:
    def draw(row: int) -> list[str]:
        return image(demo.test[0][row].reshape(8, 8) / 16, screen.glyphs)

    _show_three(demo, screen, "digits", draw)


def _show_flowers(demo: _Demo, screen: Screen) -> None:
    longest = max(map(len, demo.data.feature_names))

    def describe(row: int) -> list[str]:
        pairs = zip(demo.data.feature_names, demo.test[0][row], strict=True)
        return [f"{name:<{longest}}  {value:g}" for name, value in pairs]

    _show_three(demo, screen, "flowers", describe)


def _show_three(demo: _Demo, screen: Screen, things: str, draw: Callable[[int], list[str]]) -> None:
    """Show three test rows, each with the truth, the answer, and how sure the net is."""
    rows = _three_rows(demo.guess, demo.test[1], demo.sure)
    wrong = int((demo.guess != demo.test[1]).sum())
    if not wrong:
        what = "all answers being right"
    else:
        what = f"{'the only mistake' if wrong == 1 else f'the surest of {wrong:,} mistakes'} among them"
    screen.heading(f"Three test {things}, {what}:")
    blocks = []
    for row in rows:
        truth, guess = demo.test[1][row], demo.guess[row]
        verdict = f"net says {demo.names[guess]}" + ("" if guess == truth else ", wrong")
        blocks.append([*draw(row), f"is {demo.names[truth]}", verdict, f"{_percent(demo.sure[row])} sure"])
    screen.lines(side_by_side(blocks, screen.width))


def _three_rows(guess: AnyArray, truth: AnyArray, sure: AnyArray) -> list[int]:
    """Choose the surest error, if there is one, and right answers from different classes."""
    wrong = np.flatnonzero(guess != truth)
    right = np.flatnonzero(guess == truth)
    first_of_each = right[np.sort(np.unique(truth[right], return_index=True)[1])]
    surest = wrong[np.argsort(-sure[wrong], kind="stable")]
    chosen = [*surest[:1], *first_of_each, *surest[1:], *right]
    unique = list(dict.fromkeys(map(int, chosen)))[:3]
    return unique[1:] + unique[:1] if len(wrong) else unique


def _show_truth_table(demo: _Demo, screen: Screen) -> None:
    names = demo.names
    screen.heading("What the net has learned:")
    longest = max(map(len, names))
    screen.line(f"x1  x2  {'is':<{longest}}  {'net says':<{longest}}  sure")
    for (x1, x2), truth, guess, sure in zip(*demo.test, demo.guess, demo.sure, strict=True):
        verdict = f"{names[truth]:<{longest}}  {names[guess]:<{longest}}  {_percent(sure):>7}"
        screen.line(f"{x1:2g}  {x2:2g}  {verdict}" + ("" if guess == truth else "  wrong"))


def _show_map(demo: _Demo, screen: Screen) -> None:
    (X, y), areas = demo.test, screen.glyphs.areas
    canvas = Canvas(*_map_size(screen), x=_limits(X[:, 0]), y=_limits(X[:, 1]))
    centres = canvas.centres()
    predicted = demo.model.predict(centres).argmax(axis=1)
    canvas.put(centres[:, 0], centres[:, 1], np.array(list(areas))[predicted])
    wrong = demo.guess != y
    canvas.put(X[~wrong, 0], X[~wrong, 1], y[~wrong].astype("<U1"))
    canvas.put(X[wrong, 0], X[wrong, 1], "X")
    named = [f"{i} {name}" if name != str(i) else name for i, name in enumerate(demo.names)]
    shades = ", ".join(f"[{areas[i]}] {name}" for i, name in enumerate(demo.names))
    screen.heading(
        f"What the net says where: {shades}. On it the test points by their true class: "
        f"{', '.join(named)}; X if the net is wrong."
    )
    screen.lines(_framed(canvas))


def _show_function(demo: _Demo, screen: Screen) -> None:
    X, y = (part[:, 0] for part in demo.test)
    glyphs = screen.glyphs
    width, height = _map_size(screen)
    canvas = Canvas(width, height, x=_limits(X), y=_limits(y))
    across = np.linspace(*canvas.x, 4 * width)
    canvas.put(X, y, glyphs.ring)
    canvas.put(across, demo.model.predict(across[:, None])[:, 0], glyphs.dot)
    screen.heading(f"What the net predicts ({glyphs.dot}) and the test points ({glyphs.ring}):")
    screen.lines(_framed(canvas))


_PICTURES: dict[str, tuple[Callable[[_Demo, Screen], None], ...]] = {
    "digits": (_show_classes, _show_digits),
    "iris": (_show_classes, _show_flowers),
    "xor": (_show_truth_table,),
    "sine": (_show_function,),
}


# How things look.


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}" + ("" if number == 1 else "s")


def _score_text(metric: str, score: float, squared: str = "^2") -> str:
    return f"accuracy {100 * score:.1f} %" if metric == "accuracy" else f"R{squared} {score:.4f}"


def _percent(share: Any) -> str:
    """Write a probability; only what is exactly 1 is written as 100 %."""
    return ">99.9 %" if 0.9995 <= share < 1 else f"{100 * float(share):.1f} %"


def _map_size(screen: Screen) -> tuple[int, int]:
    width = min(screen.width - 10, 66)
    return width, max(width // 3, 8)


def _limits(values: AnyArray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    margin = 0.03 * (high - low)
    return low - margin, high + margin


def _framed(canvas: Canvas) -> list[str]:
    (left, right), (low, high) = canvas.x, canvas.y
    return canvas.framed([f"{high:.2g}", f"{low:.2g}"], [f"{left:.2g}", f"{right:.2g}"])
