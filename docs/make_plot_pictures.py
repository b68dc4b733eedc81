"""Draw the pictures of docs/plot.md.

Run ``python -m pip install ".[plot]" && python docs/make_plot_pictures.py``; it writes
``docs/images/plot/*.png``.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np

import nnlite as nn
from nnlite import plot

FOLDER = Path(__file__).parent / "images" / "plot"


def moons() -> tuple[nn.Sequential, nn.History, np.ndarray, np.ndarray]:
    """Train the net that most of the pictures show."""
    X, y = nn.datasets.moons(300, noise=0.2, rng=0)
    model = nn.Sequential([nn.Dense(2, 6), nn.Tanh(), nn.Dense(6, 2)], rng=0)
    history = model.fit(
        X, y, loss=nn.SoftmaxCrossEntropy(), optimizer=nn.Adam(0.02), epochs=80, validation=0.3
    )
    return model, history, X, y


def digits() -> tuple[nn.Sequential, np.ndarray, np.ndarray]:
    """Train a net on images."""
    X, X_test, y, y_test = nn.train_test_split(*nn.datasets.digits(), stratify=True, rng=0)
    model = nn.Sequential([nn.Standardize(64), nn.Dense(64, 25), nn.ReLU(), nn.Dense(25, 10)], rng=0)
    model.fit(X, y, loss=nn.SoftmaxCrossEntropy(), optimizer=nn.AdamW(0.005, weight_decay=0.1), epochs=20)
    return model, X_test, y_test


def deep() -> nn.Sequential:
    """Make a net whose gradients vanish."""
    layers = [layer for _ in range(5) for layer in (nn.Dense(8, 8), nn.Sigmoid())]
    return nn.Sequential([nn.Dense(2, 8), nn.Sigmoid(), *layers, nn.Dense(8, 2)], rng=0)


def main() -> None:
    """Train, draw, save."""
    mpl.use("Agg")
    FOLDER.mkdir(parents=True, exist_ok=True)
    model, history, X, y = moons()
    images, X_test, y_test = digits()
    axes = {
        "network": plot.network(model, X[0], feature_names=["left to right", "down to up"]),
        "activations": plot.activations([nn.Sigmoid(), nn.Tanh(), nn.ReLU(), nn.GELU()]),
        "neuron": plot.neuron(model, X, layer=0, unit=1),
        "history": plot.history(history),
        "gradient_flow": plot.gradient_flow(deep(), X, y, nn.SoftmaxCrossEntropy()),
        "confusion_matrix": plot.confusion_matrix(images.predict(X_test), y_test),
        "weights": plot.weights(images, layer=1),
        "decision_boundary": plot.decision_boundary(model, X, y),
    }
    for name, ax in axes.items():
        path = FOLDER / f"{name}.png"
        ax.figure.savefig(path, dpi=80)
        print(f"{path} written")


if __name__ == "__main__":
    main()
