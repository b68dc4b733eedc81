"""Draw the picture of the README: a net that learns to tell three spirals apart.

Run ``python -m pip install ".[plot]" && python docs/make_picture.py``; it writes
``docs/images/spirals.png``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

import nnlite as nn

#: Three colours of Okabe and Ito, which colour-blind people can tell apart, and a marker for each class.
COLOURS = ("#0072B2", "#E69F00", "#009E73")
MARKERS = ("o", "s", "^")
EPOCHS = (1, 20, 60)


class Snapshots(nn.Callback):
    """Keep what the net answers on a grid after some of the epochs."""

    def __init__(self, grid: np.ndarray) -> None:
        self.grid = grid
        self.classes: dict[int, np.ndarray] = {}

    def on_epoch_end(self, state: nn.TrainingState) -> None:
        if state.epoch in EPOCHS:
            self.classes[state.epoch] = state.model.predict(self.grid).argmax(axis=1)


def main() -> None:
    """Train, draw, save."""
    X, X_test, y, y_test = nn.train_test_split(*nn.datasets.spirals(900, rng=0), stratify=True, rng=0)
    model = nn.Sequential([nn.Dense(2, 32), nn.Tanh(), nn.Dense(32, 32), nn.Tanh(), nn.Dense(32, 3)], rng=0)
    side = np.linspace(-1.15, 1.15, 300)
    grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    snapshots = Snapshots(grid)
    history = model.fit(
        X,
        y,
        loss=nn.SoftmaxCrossEntropy(),
        optimizer=nn.Adam(0.01),
        epochs=EPOCHS[-1],
        validation=(X_test, y_test),
        metrics=[nn.accuracy],
        callbacks=[snapshots],
    )

    figure = Figure(figsize=(14, 3.7), layout="constrained")
    axes = figure.subplots(1, 4)
    for axis, epoch in zip(axes, EPOCHS, strict=False):
        row = history[epoch - 1]
        regions = snapshots.classes[epoch].reshape(len(side), len(side))
        axis.pcolormesh(side, side, regions, cmap=ListedColormap(COLOURS), vmin=0, vmax=2, alpha=0.3)
        for kind in range(3):
            points = X_test[y_test == kind]
            axis.scatter(*points.T, s=14, c=COLOURS[kind], marker=MARKERS[kind], edgecolors="black", lw=0.4)
        plural = "epoch" if epoch == 1 else "epochs"
        axis.set_title(f"after {epoch} {plural}: {row['validation_accuracy']:.0%} right")
        axis.set(aspect="equal", xticks=[], yticks=[])
    axes[3].plot(history["epoch"], history["loss"], label="training", color="black")
    axes[3].plot(history["epoch"], history["validation_loss"], "--", label="held-out rows", color="#D55E00")
    axes[3].set(title="loss", xlabel="epoch", ylim=(0, None))
    axes[3].spines[["top", "right"]].set_visible(False)
    axes[3].legend(frameon=False)
    path = Path(__file__).parent / "images" / "spirals.png"
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=110)
    print(f"{path} written")


if __name__ == "__main__":
    main()
