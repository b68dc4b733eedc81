"""Draw the pictures of the pages on learning rates and on blame.

Run ``python -m pip install ".[plot]" && python docs/make_inspect_pictures.py``; it writes
``docs/images/range_test.png`` and ``docs/images/suspects.png``.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np

import nnlite as nn
from nnlite.inspect import blame, find_learning_rate


def range_test(path: Path) -> None:
    """Draw a sweep above the range test for the same net and data."""
    import matplotlib.pyplot as plt

    X, y = nn.datasets.sine(200, rng=0)
    model = nn.Sequential([nn.Dense(1, 32), nn.Tanh(), nn.Dense(32, 1)], rng=0)
    loss = nn.MeanSquaredError()
    rates = np.geomspace(1e-5, 10, 31)
    result = nn.sweep(model, X, y, learning_rate=rates, loss=loss, optimizer=nn.Adam(), epochs=60)
    found = find_learning_rate(model, X, y, loss, nn.Adam())
    figure, (above, below) = plt.subplots(2, sharex=True, figsize=(7, 7.5), layout="constrained")
    result.plot(above)
    above.set(xlabel="", title="nnlite.sweep: trained to the end at 31 rates, three seeds each")
    found.plot(below)
    below.set(title="find_learning_rate: a range test and short trials", xlim=(1e-6, 10))
    figure.savefig(path, dpi=110)


def suspects(path: Path) -> None:
    """Draw the most suspicious digits, and what they are said to be."""
    import matplotlib.pyplot as plt

    X, truth = nn.datasets.digits()
    X /= 16
    rng = np.random.default_rng(0)
    wrong = rng.choice(len(X), 36, replace=False)
    y = truth.copy()
    y[wrong] = (y[wrong] + rng.integers(1, 10, len(wrong))) % 10
    model = nn.Sequential([nn.Dense(64, 64), nn.ReLU(), nn.Dense(64, 10)], rng=0)
    model.fit(X, y, loss=nn.SoftmaxCrossEntropy(), optimizer=nn.Adam(0.005), epochs=100)
    found = blame(model, X, y, nn.SoftmaxCrossEntropy()).suspects(10)
    figure, places = plt.subplots(2, 5, figsize=(8, 4), layout="constrained")
    for ax, suspect in zip(places.flat, found, strict=True):
        ax.imshow(X[suspect.row].reshape(8, 8), cmap="Greys")
        ax.set_axis_off()
        ax.set_title(f"called {suspect.target}\nthose like it: {suspect.expected}", fontsize=9)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Draw both."""
    mpl.use("Agg")
    folder = Path(__file__).parent / "images"
    folder.mkdir(exist_ok=True)
    for name, draw in (("range_test", range_test), ("suspects", suspects)):
        draw(folder / f"{name}.png")
        print(f"{folder / name}.png written")


if __name__ == "__main__":
    main()
