"""Draw the picture of a sweep: XOR at 40 learning rates, from too small to too large.

Run ``python -m pip install ".[plot]" && python docs/make_sweep_picture.py``; it writes
``docs/images/learning_rates.png``.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np

import nnlite as nn


def main() -> None:
    """Train, draw, save."""
    mpl.use("Agg")
    X, y = nn.datasets.xor()
    model = nn.Sequential([nn.Dense(2, 8), nn.Tanh(), nn.Dense(8, 1)])
    result = nn.sweep(
        model, X, y[:, None].astype(float), learning_rate=np.geomspace(1e-4, 2, 40), seeds=5, epochs=100
    )
    path = Path(__file__).parent / "images" / "learning_rates.png"
    path.parent.mkdir(exist_ok=True)
    result.plot().figure.savefig(path, dpi=110)
    print(f"{path} written")


if __name__ == "__main__":
    main()
