"""What weights of rows come to in small batches: ``python -m benchmarks.weights``.

A net with balanced weights for a class of 1.7 % of the rows, trained in batches of several sizes. Where the
weighted average over the data is lowest, the weighted mean of the chances that the net gives is one half,
since the last bias can move all of them. The table shows what each batch size comes to: by the rule of
`Sequential.fit`, which divides the loss of a batch by its rows times the mean weight of the data, and in the
last column by the rule of scikit-learn, which divides it by the weights of the batch. `--epochs` says how
often a training goes over the rows.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

import nnlite as nn
from nnlite.data.row_weights import PerBatch, RowWeights

__all__ = ["main", "mean_chance"]

ROWS = 1000
POSITIVES = 17
#: Rows in a batch; the last has all of them.
SIZES = (1, 8, 32, 200, ROWS)
#: How far a batch size may be from all rows.
TOLERANCE = 0.03
#: Every training makes at least so many steps for each of its epochs, also where an epoch is one.
STEPS = 300
COLUMNS = ("one output", "softmax", "replicas", "a stream", "per batch")


def data() -> tuple[Any, Any, Any]:
    """Make inputs, classes and balanced weights."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(ROWS, 4))
    score = 1.5 * X[:, 0] + rng.logistic(size=ROWS)
    y = np.zeros(ROWS, int)
    y[np.argsort(score)[-POSITIVES:]] = 1
    return X, y, (ROWS / (2 * np.bincount(y)))[y]


def mean_chance(column: str, size: int, epochs: int) -> float:
    """Train a net in batches of some size, and average the chances of the rare class that it gives.

    Parameters
    ----------
    column : str
        What is trained, one of `COLUMNS`.
    size : int
        Rows in a batch.
    epochs : int
        How often to go over the rows; small batches make more steps of it than large ones.

    Returns
    -------
    float
        With the weights of the rows; of two replicas, the one that is further from one half.
    """
    X, y, weight = data()
    several = column == "softmax"
    model = nn.Sequential(
        [nn.Dense(4, 8), nn.Tanh(), nn.Dense(8, 2 if several else 1)],
        rng=0,
        replicas=2 if column == "replicas" else None,
    )
    batches = -(-ROWS // size)
    epochs = max(epochs, -(-epochs * STEPS // batches))
    # A rate that falls to 0, so that what is left is no noise of the last steps.
    rate = nn.CosineDecay(min(0.001 * size, 0.1), steps=epochs * batches)
    options: dict[str, Any] = {
        "loss": nn.SoftmaxCrossEntropy() if several else nn.BinaryCrossEntropy(),
        "optimizer": nn.SGD(rate, momentum=0.9),
        "epochs": epochs,
    }
    if column == "a stream":
        model.fit(nn.batches(X, y, weight, batch_size=size, rng=0), **options)
    else:
        given = {
            "replicas": np.stack([weight, 3 * weight]),  # other sums, which are to make no difference
            "per batch": RowWeights(weight, PerBatch()),
        }
        model.fit(X, y, weight=given.get(column, weight), batch_size=size, **options)
    logits = model.predict(X).astype(np.float64)
    chances = 1 / (1 + np.exp(-(logits[..., 1] - logits[..., 0] if several else logits[..., 0])))
    means = np.average(np.atleast_2d(chances), axis=1, weights=weight)
    return float(means[np.abs(means - 0.5).argmax()])


def main(arguments: list[str] | None = None) -> int:
    """Print the table; 1 if a batch size is too far from all rows.

    Parameters
    ----------
    arguments : list of str, optional
        By default those of the command line.

    Returns
    -------
    int
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.weights", description=__doc__)
    parser.add_argument("--epochs", type=int, default=6)
    epochs = parser.parse_args(arguments).epochs
    print(f"weighted mean chance, {POSITIVES} of {ROWS:,} rows positive, balanced weights\n")
    print("batch size" + "".join(f"{name:>12}" for name in COLUMNS))
    table = {}
    for size in SIZES:
        table[size] = [mean_chance(column, size, epochs) for column in COLUMNS]
        name = "all rows" if size == ROWS else f"{size}"
        print(f"{name:>10}" + "".join(f"{value:12.3f}" for value in table[size]), flush=True)
    gaps = np.abs(np.array(list(table.values())) - table[ROWS])[:, :-1]
    print(f"\nat most {gaps.max():.3f} from all rows by the rule of fit, allowed are {TOLERANCE}")
    return int(gaps.max() > TOLERANCE)


if __name__ == "__main__":
    raise SystemExit(main())
