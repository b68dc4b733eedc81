"""Make the files of format 1 that later versions must still read: ``python tests/data/make_format_1.py``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

import nnlite as nn

FOLDER = Path(__file__).parent


def main() -> None:
    """Train two small nets, and write them with an input and their predictions for it."""
    rng = np.random.default_rng(0)
    X = rng.normal(5.0, 3.0, (60, 3))
    y = (X[:, 0] > X[:, 1]).astype(int)
    single = nn.Sequential(
        [
            nn.Standardize(3),
            nn.Dense(3, 6, weight_initializer=nn.initializers.HeUniform(0.1)),
            nn.LeakyReLU(0.1),
            nn.Dropout(0.25),
            nn.Dense(6, 4, bias=False),
            nn.GELU(approximate=True),
            nn.Dense(4, 2, bias_initializer=nn.initializers.Constant(0.5)),
        ],
        rng=1,
    )
    single[1].freeze("b")
    replicas = nn.Sequential([nn.Dense(3, 4), nn.Tanh(), nn.Dense(4, 2)], dtype="float64", replicas=2, rng=2)
    for name, model in {"format_1": single, "format_1_replicas": replicas}.items():
        model.fit(X, y, loss=nn.SoftmaxCrossEntropy(), optimizer=nn.Adam(0.01), epochs=5)
        model.save(FOLDER / f"{name}.safetensors")
        expected = {"X": X[:5].tolist(), "predictions": model.predict(X[:5]).tolist()}
        (FOLDER / f"{name}.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()
