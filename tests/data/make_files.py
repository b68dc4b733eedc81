"""Make the model files that later versions must still read: ``python tests/data/make_files.py``.

They are named after the format that this version writes. Those of older formats were made by
older versions, and stay as they are.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from nnlite.persistence import FORMAT
from nnlite.table import TableEncoder

import nnlite as nn

FOLDER = Path(__file__).parent


def main() -> None:
    """Train small nets, and write them with an input and their predictions for it."""
    rng = np.random.default_rng(0)
    X = rng.normal(5.0, 3.0, (60, 3))
    folds = rng.normal(5.0, 3.0, (2, 60, 3))
    table = {"size": X[:, 0].tolist(), "city": rng.choice(["Bern", "Genf", "Zürich"], 60).tolist()}
    table["size"][7] = None
    encoder = TableEncoder(min_count=2).fit(table)
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
    single.feature_names = ("a", "b", "größe")
    several = nn.Sequential([nn.Dense(3, 4), nn.Tanh(), nn.Dense(4, 2)], dtype="float64", replicas=2, rng=2)
    of_folds = nn.Sequential(
        [nn.Standardize(3), nn.Dense(3, 5), nn.ReLU(), nn.Dense(5, 2)], replicas=2, rng=3
    )
    of_folds[1].freeze("W")
    of_table = nn.Sequential(
        [encoder.layer(), nn.Dense(encoder.width, 4), nn.SiLU(), nn.Dense(4, 2)], rng=4, preprocessing=encoder
    )
    written = {
        "": (single, X, X[:5]),
        "_replicas": (several, X, X[:5]),
        "_folds": (of_folds, folds, folds[0, :5]),
        "_table": (of_table, table, {name: column[5:10] for name, column in table.items()}),
    }
    for kind, (model, data, few) in written.items():
        y = (np.asarray(X if data is table else data)[..., 0] > 5.0).astype(int)
        model.fit(data, y, loss=nn.SoftmaxCrossEntropy(), optimizer=nn.Adam(0.01), epochs=5)
        name = f"format_{FORMAT}{kind}"
        model.save(FOLDER / f"{name}.safetensors")
        expected = {"X": few if data is table else few.tolist(), "predictions": model.predict(few).tolist()}
        (FOLDER / f"{name}.json").write_text(json.dumps(expected, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
