"""Make the model files that later versions must still read: ``python tests/data/make_files.py``.

They are named after the format that this version writes for nets with blocks or state, and with a run card.
Those of older formats were made by older versions, and stay as they are.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

import nnlite as nn
from nnlite.files.models import BLOCKS_FORMAT, FORMAT
from nnlite.inspect import Card, card

FOLDER = Path(__file__).parent


def main() -> None:
    """Train small nets, and write them with an input and their predictions for it."""
    rng = np.random.default_rng(0)
    X = rng.normal(5.0, 3.0, (60, 3))
    folds = rng.normal(5.0, 3.0, (2, 60, 3))
    inner = nn.Sequential([nn.Dense(4, 5, weight_initializer=nn.initializers.HeUniform(0.1)), nn.Tanh()])
    single = nn.Sequential(
        [
            nn.Dense(3, 4),
            nn.BatchNorm(4, momentum=0.5),
            nn.Residual([nn.Standardize(4), nn.Residual([nn.Dense(4, 4), nn.ReLU()]), inner, nn.Dense(5, 4)]),
            nn.Dense(4, 2),
        ],
        rng=1,
    )
    single[2].freeze("1.0.W")
    single.feature_names = ("a", "b", "größe")
    of_folds = nn.Sequential(
        [nn.Residual([nn.Standardize(3), nn.Dense(3, 3), nn.BatchNorm(3)]), nn.Dense(3, 2)],
        replicas=2,
        rng=3,
    )
    of_folds[0].freeze("1.W")
    with_card()
    for kind, (model, data) in {"": (single, X), "_folds": (of_folds, folds)}.items():
        few = data[..., :5, :] if kind == "" else data[0, :5]
        y = (data[..., 0] > 5.0).astype(int)
        model.fit(data, y, loss=nn.SoftmaxCrossEntropy(), optimizer=nn.Adam(0.01), epochs=5)
        name = f"format_{BLOCKS_FORMAT}{kind}"
        write(name, model, few)


def with_card() -> None:
    """Train a net on what no straight line tells apart, and write it with its run card."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2))
    y = (X[:, 0] * X[:, 1] > 0).astype(int)
    model = nn.Sequential([nn.Dense(2, 8), nn.Tanh(), nn.Dense(8, 2)], rng=0)
    loss, optimizer, rest = nn.SoftmaxCrossEntropy(), nn.Adam(0.02), (X[200:], y[200:])
    history = model.fit(X[:200], y[:200], loss=loss, optimizer=optimizer, epochs=60)
    found = card(model, X[:200], y[:200], loss, optimizer, validation=rest, history=history, seeds=2)
    write(f"format_{FORMAT}", model, X[:5], card=found)


def write(name: str, model: nn.Sequential, few: np.ndarray, *, card: Card | None = None) -> None:
    """Write a net, an input, and its predictions for it."""
    model.save(FOLDER / f"{name}.safetensors", card=card)
    expected = {"X": few.tolist(), "predictions": model.predict(few).tolist()}
    (FOLDER / f"{name}.json").write_text(json.dumps(expected, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
