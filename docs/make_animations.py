"""Make the moving pictures of docs/animate.md: regions that bend, a ball that rolls, three learning rates.

Run ``python -m pip install ".[plot]" && python docs/make_animations.py``; it writes ``regions.gif``,
``ball.gif``, ``three_rates.gif`` and ``neurons.png`` in ``docs/images/``.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np

import nnlite as nn
from nnlite.plot import WeightPath, animate, neurons

IMAGES = Path(__file__).parent / "images"


def regions() -> None:
    """Two moons, and what each neuron of the net that tells them apart does."""
    X, y = nn.datasets.moons(200, rng=0)
    model = nn.Sequential([nn.Dense(2, 8), nn.Tanh(), nn.Dense(8, 2)], rng=0)
    path = WeightPath()
    loss = nn.SoftmaxCrossEntropy()
    model.fit(X, y, loss=loss, optimizer=nn.Adam(0.02), epochs=60, callbacks=[path])
    animate(model, X, y, path, loss=loss).save(IMAGES / "regions.gif")
    neurons(model, X, y, layer=1)[0].figure.savefig(IMAGES / "neurons.png", dpi=110)


def ball() -> None:
    """XOR: a path over a plateau and into a valley."""
    X, y = nn.datasets.xor()
    model = nn.Sequential([nn.Dense(2, 8), nn.Tanh(), nn.Dense(8, 1)], rng=0)
    path = WeightPath()
    loss = nn.MeanSquaredError()
    model.fit(X, y[:, None], loss=loss, optimizer=nn.SGD(0.1), epochs=400, callbacks=[path])
    animate(model, X, y[:, None], path, loss=loss, kind="loss_surface_3d").save(IMAGES / "ball.gif")


def three_rates() -> None:
    """One neuron with one weight and one bias, which has a surface that hides nothing."""
    rng = np.random.default_rng(0)
    x = rng.normal(loc=1.0, size=(50, 1))
    y = 2 * x + 1 + 0.3 * rng.normal(size=x.shape)
    loss = nn.MeanSquaredError()
    paths = {}
    for rate in (0.01, 0.1, 0.36):
        model = nn.Sequential([nn.Dense(1, 1)])
        model[0].W[...], model[0].b[...] = -1.5, 4.0
        path = paths[f"rate {rate}"] = WeightPath()
        model.fit(x, y, loss=loss, optimizer=nn.SGD(rate), epochs=25, batch_size=50, callbacks=[path])
    animate(model, x, y, paths, loss=loss, kind="loss_surface", seconds=0.3).save(IMAGES / "three_rates.gif")


def main() -> None:
    """Train, draw, save."""
    mpl.use("Agg")
    IMAGES.mkdir(exist_ok=True)
    for make in (regions, ball, three_rates):
        make()
    for name in ("regions.gif", "ball.gif", "three_rates.gif", "neurons.png"):
        print(f"{IMAGES / name} written, {(IMAGES / name).stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
