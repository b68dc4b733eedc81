"""Draw the picture of the README: a net that learns to tell three spirals apart.

Run ``python -m pip install ".[plot]" && python docs/make_picture.py``; it writes
``docs/images/spirals.png``.
"""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

import nnlite as nn
from nnlite import plot

EPOCHS = (1, 20, 60)


def main() -> None:
    """Train, draw, save."""
    X, X_test, y, y_test = nn.train_test_split(*nn.datasets.spirals(900, rng=0), stratify=True, rng=0)
    model = nn.Sequential([nn.Dense(2, 32), nn.Tanh(), nn.Dense(32, 32), nn.Tanh(), nn.Dense(32, 3)], rng=0)
    path = plot.WeightPath()
    history = model.fit(
        X,
        y,
        loss=nn.SoftmaxCrossEntropy(),
        optimizer=nn.Adam(0.01),
        epochs=EPOCHS[-1],
        validation=(X_test, y_test),
        callbacks=[path],
    )

    figure = Figure(figsize=(14, 3.7), layout="constrained")
    axes = figure.subplots(1, 4)
    for ax, epoch in zip(axes, EPOCHS, strict=False):
        model.params.values[...] = path.values[epoch]
        plot.decision_boundary(model, X_test, y_test, legend=False, resolution=300, ax=ax)
        right = nn.accuracy(model.predict(X_test), y_test)
        plural = "epoch" if epoch == 1 else "epochs"
        ax.set_title(f"after {epoch} {plural}: {right:.0%} right")
        ax.set(aspect="equal", xticks=[], yticks=[], xlabel="", ylabel="")
    plot.history(history, ax=axes[3])
    axes[3].set(title="loss", ylabel="")
    name = Path(__file__).parent / "images" / "spirals.png"
    name.parent.mkdir(exist_ok=True)
    figure.savefig(name, dpi=110)
    print(f"{name} written")


if __name__ == "__main__":
    main()
