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
    "census",
    "codes",
    "curve",
    "devices",
    "digits",
    "divided_labels",
    "every_pair",
    "far_apart",
    "fires",
    "fractions",
    "houses",
    "iris",
    "labels",
    "lags",
    "linear",
    "lines",
    "majority",
    "mixed",
    "next_letter",
    "ones_and_zeros",
    "ordered",
    "packets",
    "pairs",
    "parabola",
    "price",
    "quality",
    "rows_of",
    "sequences",
    "several",
    "signs",
    "six_rows",
    "spirals",
    "sums",
    "tens",
    "two_boxes",
    "weighted",
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


def rows_of(make: Make, *, classes: int) -> Make:
    """Keep the rows of the first classes, in their order."""

    def made() -> Task:
        task = make()
        seen, judged = task.y < classes, task.y_test < classes
        return Task(task.X[seen], task.y[seen], task.X_test[judged], task.y_test[judged], classes)

    return made


def divided_labels(make: Make, by: float) -> Make:
    """Divide the class ids too, of the rows to learn from."""

    def made() -> Task:
        task = make()
        return task._replace(y=task.y / by)

    return made


def mixed(make: Make) -> Make:
    """Shuffle the rows of X, and leave y as it was."""

    def made() -> Task:
        task = make()
        return task._replace(X=np.random.default_rng(1).permutation(task.X))

    return made


def six_rows() -> Task:
    """Exclusive or as six rows: two of the four come twice."""
    X, y = np.array([[1, 1], [0, 0], [1, 0], [0, 1], [1, 1], [0, 0]], float), np.array([0, 0, 1, 1, 0, 0])
    return Task(X, y, X[:4], y[:4], 2)


def two_boxes(rows: int = 200) -> Task:
    """Two numbers: both from 0.2 to 0.4, or both from 0.5 to 0.7."""
    X = np.random.default_rng(0).uniform(0.2, 0.4, (rows, 2))
    y = np.arange(rows) % 2
    return _split(X + 0.3 * y[:, None], y, 2)


def lags(rows: int = 120) -> Task:
    """Two numbers from -0.4 to 2.5, and a number from -0.8 to 2 that both make."""
    X = np.random.default_rng(0).uniform(-0.4, 2.5, (rows, 2))
    return _split(X, 0.9 * X[:, :1] - 0.3 * X[:, 1:] ** 2 + 0.2, 0)


def several(rows: int = 1500) -> Task:
    """Twenty counts of words, and three labels of which a row may have several."""
    from sklearn.datasets import make_multilabel_classification

    X, y = make_multilabel_classification(rows, 20, n_classes=3, random_state=0)
    return _split(X, y, 0)


def weighted(rows: int = 1000) -> Task:
    """Three numbers up to 10,000, and a sum of them."""
    X = 10_000 * np.random.default_rng(0).uniform(0, 1, (rows, 3))
    return _split(X, X @ [[2.0], [1.0], [0.5]] + 2.2, 0)


def ones_and_zeros(rows: int = 2000, columns: int = 128) -> Task:
    """Rows of ones, which are true, and rows of zeros, which are not."""
    y = np.repeat([1, 0], rows // 2)
    return _split(np.repeat(y[:, None], columns, axis=1).astype(float), y, 2)


def codes(rows: int = 300) -> Task:
    """Three letters by their codes, 65 to 70, and whether the first two come from the second half."""
    rng = np.random.default_rng(0)
    half = rng.integers(0, 2, rows)
    X = rng.integers(65, 68, (rows, 3)) + 3 * half[:, None]
    X[:, 2] = rng.integers(65, 71, rows)
    return _split(X.astype(float), half, 2)


def parabola(rows: int = 70) -> Task:
    """Five times the square of numbers from 0 to 5, with noise that has long tails."""
    x = np.linspace(0, 5, rows)[:, None]
    return _split(x, 5 * x**2 + np.random.default_rng(0).normal(size=x.shape) ** 3, 0)


def census(rows: int = 1500) -> Task:
    """Fourteen columns of people as a table has them, from 0 to 1,000,000, and who earns more."""
    rng = np.random.default_rng(0)
    age, weight = rng.integers(17, 90, rows), np.exp(rng.normal(12, 0.5, rows))
    school, married = rng.integers(1, 17, rows), rng.integers(0, 2, rows)
    gain = np.where(rng.random(rows) < 0.08, rng.integers(100, 15_000, rows), 0)
    loss = np.where(rng.random(rows) < 0.05, rng.integers(100, 2_500, rows), 0)
    hours, others = rng.integers(10, 80, rows), rng.integers(0, 2, (rows, 7))
    X = np.column_stack([age, weight, school, married, gain, loss, hours, others])
    score = 0.4 * (school - 9) + 2 * married + 0.05 * (hours - 40) + 0.03 * (age - 40) + gain / 4000
    return _split(X, (score + rng.normal(0, 0.7, rows) > 1.5).astype(int), 2)


def fractions(rows: int = 600) -> Task:
    """Five numbers from 0 to 1, and whether the first two are more than the next two."""
    X = np.random.default_rng(0).uniform(0, 1, (rows, 5))
    return _split(X, (X[:, 0] + X[:, 1] > X[:, 2] + X[:, 3]).astype(int), 2)


def packets(rows: int = 200) -> Task:
    """Addresses, ports and sizes of packets as whole numbers up to 3,232,235,783, and which are an attack."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, rows)
    address = 3_232_235_770 + rng.integers(0, 14, (rows, 2))
    rest = [np.full(rows, 6), np.full(rows, 128), rng.choice([524_032, 524_544], rows)]
    ports = np.where(y == 1, rng.integers(40_000, 60_000, rows), rng.integers(1, 60_000, rows))
    sizes = rng.poisson(np.where(y[:, None] == 1, [12, 61, 6], [6, 40, 6]), (rows, 3))
    return _split(np.column_stack([address, *rest, ports, sizes]).astype(float), y, 2)


def price(rows: int = 999) -> Task:
    """One number near 20,000, and whether it is within its middle half."""
    x = np.random.default_rng(0).uniform(17_000, 25_000, (rows, 1))
    return _split(x, (np.abs(x[:, 0] - 21_000) < 2_000).astype(int), 2)


def tens() -> Task:
    """Return the numbers from 1 to 10, and ten times as much."""
    x = np.arange(1.0, 11)[:, None]
    return Task(x, 10 * x, np.array([[11.0], [12], [13]]), np.array([[110.0], [120], [130]]), 0)


def quality(rows: int = 600) -> Task:
    """Eleven measurements of wine as they are, up to 300, and a mark from 3 to 9."""
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(rows, 11))
    middle = np.array([7, 0.4, 0.3, 5, 0.06, 30, 115, 0.995, 3.2, 0.5, 10.5])
    spread = np.array([1.2, 0.15, 0.1, 4, 0.03, 17, 45, 0.003, 0.15, 0.13, 1.2])
    y = 6 + 0.7 * Z[:, 10] - 0.5 * Z[:, 1] + 0.3 * Z[:, 9] + 0.4 * np.tanh(Z[:, 5] * Z[:, 6])
    return _split(middle + spread * Z, y[:, None], 0)


def fires(rows: int = 42) -> Task:
    """Return fires in a part of a town, 2 to 40, and their square; and thefts, which grow with both."""
    x = np.random.default_rng(0).uniform(2, 40, (rows, 1))
    return _split(np.hstack([x**2, x]), 17 + 0.4 * x + 0.05 * x**2, 0)
