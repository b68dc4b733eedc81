"""Data in the shapes that the threads describe: sets at hand, or generated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import nnlite as nn
from benchmarks.doctor.training import Task

__all__ = [
    "autoencoded",
    "blank",
    "cancer",
    "curve",
    "devices",
    "digits",
    "every_pair",
    "far_apart",
    "houses",
    "iris",
    "labels",
    "linear",
    "lines",
    "majority",
    "next_letter",
    "ordered",
    "pairs",
    "sequences",
    "signs",
    "spirals",
    "sums",
    "wine",
    "xor",
]  # fmt: skip

Array = NDArray[Any]
Make = Callable[[], Task]

#: The share of the rows that judges.
HELD_OUT = 0.3


def _split(X: Array, y: Array, classes: int, *, order: bool = True) -> Task:
    """Hold rows back at random; the others keep their order if that is asked for."""
    rng = np.random.default_rng(0)
    chosen = rng.permutation(len(X))
    held = round(HELD_OUT * len(X))
    rest = np.sort(chosen[held:]) if order else chosen[held:]
    return Task(X[rest], y[rest], X[chosen[:held]], y[chosen[:held]], classes)


def ordered(make: Make, *, classes: int = 0, rows: int | None = None) -> Make:
    """Sort the rows of a task by their class, perhaps of the first classes only."""

    def made() -> Task:
        task = make()
        count = classes or task.classes
        seen, judged = task.y < count, task.y_test < count
        X, y = task.X[seen], task.y[seen]
        order = np.argsort(y, kind="stable")
        if rows is not None:
            order = np.concatenate([order[y[order] == one][: rows // count] for one in range(count)])
        return Task(X[order], y[order], task.X_test[judged], task.y_test[judged], count)

    return made


def digits(
    scale: float = 1.0, *, rows: int = 1000, shape: str = "flat", zoom: int = 1, paper: bool = False
) -> Make:
    """Digits with pixels from 0 to `scale`, each repeated, perhaps on white: flat, as images, or as lines."""

    def made() -> Task:
        X, y = nn.datasets.digits()
        X, y = X[:rows].reshape(-1, 8, 8) / 16, y[:rows]
        X = scale * (1 - X if paper else X)
        X = X.repeat(zoom, axis=1).repeat(zoom, axis=2)
        return _split(
            {"flat": X.reshape(len(X), -1), "image": X[..., None], "lines": X}[shape], y, 10, order=False
        )

    return made


def spirals() -> Task:
    """Three spirals."""
    X, y = nn.datasets.spirals(500, rng=0)
    return _split(X, y, 3, order=False)


def blank(make: Make) -> Make:
    """Divide the pixels as whole numbers, which leaves zeros, in what is trained on and in what judges."""

    def made() -> Task:
        task = make()
        return task._replace(X=task.X.astype(int) // 256, X_test=task.X_test.astype(int) // 256)

    made.before = make  # type: ignore[attr-defined]  # where advice is to look at them
    return made


def autoencoded(make: Make, divide: float = 1.0) -> Make:
    """Make the pixels the targets too."""

    def made() -> Task:
        task = make()
        X, other = task.X / divide, task.X_test / divide
        return Task(X, X, other, other, 0)

    return made


def iris(*, first: int = 0) -> Make:
    """Iris as it is, with ids that count from `first`."""

    def made() -> Task:
        X, y = nn.datasets.iris()
        return _split(X, y + first, 3 + first, order=False)

    return made


def wine() -> Task:
    """Wine, standardised."""
    from sklearn.datasets import load_wine

    X, y = load_wine(return_X_y=True)
    return _split((X - X.mean(axis=0)) / X.std(axis=0), y, 3, order=False)


def cancer() -> Task:
    """Breast cancer, standardised."""
    from sklearn.datasets import load_breast_cancer

    X, y = load_breast_cancer(return_X_y=True)
    return _split((X - X.mean(axis=0)) / X.std(axis=0), y, 2, order=False)


def xor() -> Task:
    """Return the four rows of exclusive or, which judge too."""
    X, y = nn.datasets.xor()
    return Task(X, y, X, y, 2)


def pairs(rows: int = 4000) -> Task:
    """Exclusive or, each row many times."""
    X = np.random.default_rng(0).integers(0, 2, (rows, 2)).astype(np.float32)
    return _split(X, (X[:, 0] != X[:, 1]).astype(int), 2)


def majority(rows: int = 150) -> Task:
    """Three bits, and whether most of them are set."""
    X = np.random.default_rng(0).integers(0, 2, (rows, 3)).astype(np.float32)
    return _split(X, (X.sum(axis=1) > 1).astype(int), 2)


def every_pair(rows: int = 300) -> Task:
    """Two numbers from 0 to 1, and whether their sum is above one half of what it can be."""
    X = np.random.default_rng(0).uniform(0, 1, (rows, 2))
    return _split(X, (X.sum(axis=1) > 1).astype(int), 2)


def curve(of: Callable[[Array], Array], low: float, high: float, rows: int, *, whole: bool = False) -> Make:
    """Return a curve over an interval, at evenly spaced places in their order."""

    def made() -> Task:
        x = np.linspace(low, high, rows)[:, None]
        x = np.rint(x) if whole else x
        return _split(x, of(x), 0)

    return made


def linear() -> Task:
    """Twice the whole numbers from 0 to 199."""
    x = np.arange(200.0)[:, None]
    return _split(x, 2 * x, 0)


def devices() -> Task:
    """People to a television set, from 1 to 600, and years of life: forty countries."""
    rng = np.random.default_rng(0)
    x = np.exp(rng.uniform(0, np.log(600), 60))[:, None]
    return _split(x, 78 - 0.035 * x + rng.normal(0, 2, x.shape), 0)


def houses(rows: int = 600) -> Task:
    """Eight standardised features of houses, and prices up to 755,000."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(rows, 8))
    y = 180_000 + 60_000 * (X[:, :1] + 0.5 * X[:, 1:2] + 0.5 * np.tanh(X[:, 2:3]) * X[:, 3:4])
    return _split(X, np.clip(y + rng.normal(0, 5_000, y.shape), 35_000, 755_000), 0)


def far_apart(rows: int = 400) -> Task:
    """One feature up to 1 and one up to 1,000, and targets up to 1,000."""
    X = np.random.default_rng(0).uniform(0, 1, (rows, 2))
    y = 1000 * (X[:, :1] - X[:, 1:]) ** 2
    return _split(X * [1000, 1], y, 0)


def signs(rows: int = 400) -> Task:
    """Four numbers of -1, 0 and 1, and the sine of their sum."""
    X = np.random.default_rng(0).integers(-1, 2, (rows, 4)).astype(np.float32)
    return _split(X, np.sin(X.sum(axis=1, keepdims=True)), 0)


def sums(rows: int = 300) -> Task:
    """Two numbers from -2 to 2, and their sum."""
    X = np.random.default_rng(0).uniform(-2, 2, (rows, 2))
    return _split(X, X.sum(axis=1, keepdims=True), 0)


def lines(rows: int = 600) -> Task:
    """Twenty bits, and a number in the hundreds that products of them make."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 2, (rows, 20)).astype(np.float32)
    return _split(X, 200 + 100 * (X[:, :1] + X[:, 1:2] * X[:, 2:3] - X[:, 3:4]), 0)


def labels(rows: int = 800) -> Task:
    """Twenty words, and five labels of which a text may have several."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(rows, 20))
    return _split(X, (X @ rng.normal(size=(20, 5)) > 0).astype(int), 0)


def next_letter(rows: int = 400) -> Task:
    """Five letters of a text as numbers from 0 to 1, and the next."""
    text = np.tile([3, 1, 4, 1, 5, 9, 2, 6], rows // 8 + 2) / 10
    X = np.stack([text[place : place + 5] for place in range(rows)])
    return _split(X, text[5 : 5 + rows, None], 0)


def sequences(scale: float, *, low: float = 0.0, least: float = -1.0, rows: int = 400) -> Make:
    """Ten steps of three features from `least` to 1, and a number that the last steps make."""

    def made() -> Task:
        X = np.random.default_rng(0).uniform(least, 1, (rows, 10, 3))
        y = (X[:, -3:, 0].mean(axis=1) + X[:, -1, 1])[:, None]
        return _split(X, low + scale * (y - y.min()) / (y.max() - y.min()), 0)

    return made
