"""Draw the pictures of docs/plot.md.

Run ``python -m pip install ".[plot,sklearn]" && python docs/make_plot_pictures.py``; it writes
``docs/images/plot/*.png``.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np

import nnlite as nn
from nnlite import plot
from nnlite.inspect import learning_curve, permutation_importance

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


def tumours() -> tuple[nn.Sequential, np.ndarray, np.ndarray]:
    """Train a net on a table, and hold some rows out."""
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer()
    X, X_test, y, y_test = nn.train_test_split(data.data[:, :10], data.target, test=0.4, stratify=True, rng=0)
    model = nn.Sequential([nn.Standardize(10), nn.Dense(10, 32), nn.ReLU(), nn.Dense(32, 2)], rng=0)
    model.fit(X, y, loss=nn.SoftmaxCrossEntropy(), optimizer=nn.Adam(0.01), epochs=60)
    model.feature_names = [str(name) for name in data.feature_names[:10]]
    return model, X_test, y_test


def curve() -> tuple[nn.Sequential, np.ndarray, np.ndarray]:
    """Fit a curve through points."""
    X, y = nn.datasets.sine(200, noise=0.15, rng=0)
    model = nn.Sequential([nn.Dense(1, 16), nn.Tanh(), nn.Dense(16, 1)], rng=0)
    model.fit(X, y, loss=nn.MeanSquaredError(), optimizer=nn.Adam(0.02), epochs=100)
    return model, X, y


def letters() -> tuple[np.ndarray, np.ndarray]:
    """Draw 26 classes at random, some of which are often taken for the next one."""
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 26, 2000)
    return np.where(rng.random(2000) < 0.9 - ids / 60, ids, (ids + rng.integers(1, 3, 2000)) % 26), ids


def main() -> None:
    """Train, draw, save."""
    mpl.use("Agg")
    FOLDER.mkdir(parents=True, exist_ok=True)
    model, history, X, y = moons()
    images, X_test, y_test = digits()
    table, rows, truth = tumours()
    line, x, height = curve()
    answers = table.predict(rows)
    more = learning_curve(
        table,
        rows,
        truth,
        metric=nn.accuracy,
        loss=nn.SoftmaxCrossEntropy(),
        optimizer=nn.Adam(0.01),
        epochs=40,
    )
    importance = permutation_importance(table, rows, truth, nn.accuracy, rng=0)
    classes = [chr(ord("a") + place) for place in range(26)]
    axes = {
        "network": plot.network(model, X[0], feature_names=["left to right", "down to up"]),
        "activations": plot.activations([nn.Sigmoid(), nn.Tanh(), nn.ReLU(), nn.GELU()]),
        "neuron": plot.neuron(model, X, layer=0, unit=1),
        "history": plot.history(history),
        "gradient_flow": plot.gradient_flow(deep(), X, y, nn.SoftmaxCrossEntropy()),
        "confusion_matrix": plot.confusion_matrix(images.predict(X_test), y_test),
        "weights": plot.weights(images, layer=1),
        "decision_boundary": plot.decision_boundary(model, X, y),
        "confusion_of_many": plot.confusion_matrix(*letters(), classes=classes),
        "roc_curve": plot.roc_curve(answers, truth),
        "precision_recall_curve": plot.precision_recall_curve(answers, truth),
        "calibration_curve": plot.calibration_curve(answers, truth),
        "learning_curve": plot.learning_curve(more),
        "fit_curve": plot.fit_curve(line, x, height),
        "prediction_error": plot.prediction_error(line.predict(x), height),
        "residuals": plot.prediction_error(line.predict(x), height, kind="residual_vs_predicted"),
        "permutation_importance": plot.permutation_importance(importance),
        "saliency": plot.saliency(table, rows, output=0),
        "saliency_of_an_image": plot.saliency(images, X_test[1]),
    }
    for name, ax in axes.items():
        path = FOLDER / f"{name}.png"
        ax.figure.savefig(path, dpi=80)
        plt.close(ax.figure)
        print(f"{path} written")


if __name__ == "__main__":
    main()
