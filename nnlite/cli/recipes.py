"""How `python -m nnlite` learns each data set: the net, and the numbers that training needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from nnlite import datasets
from nnlite.datasets import Dataset
from nnlite.layers import Dense, Dropout, Layer, ReLU, Standardize, Tanh

__all__ = ["RECIPES", "Recipe"]


class Recipe(NamedTuple):
    """How a data set is learned unless the user says otherwise.

    Attributes
    ----------
    data : callable (rng) -> Dataset
        Makes the data set.
    layers : callable () -> list of Layer
        Makes the layers of the net.
    epochs : int
        How many times to go over the training data.
    learning_rate : float
        The highest rate of the one-cycle schedule.
    batch_size : int
        Rows in one step.
    """

    data: Callable[[np.random.Generator], Dataset]
    layers: Callable[[], list[Layer]]
    epochs: int
    learning_rate: float = 0.02
    batch_size: int = 32


def _pixels_to_unit() -> Standardize:
    """Divide by 16, the ink of the darkest pixel, inside the net: its file then takes pixels as they are.

    One scale for all pixels does better than one for each, which would magnify the
    specks in pixels that are nearly always white.
    """
    layer = Standardize(64)
    layer.adapt(np.full((2, 64), [[-16.0], [16.0]]))  # of mean 0 and standard deviation 16
    return layer


def _plane_net(classes: int, hidden: int) -> list[Layer]:
    return [
        Standardize(2),
        Dense(2, hidden),
        Tanh(),
        Dense(hidden, hidden),
        Tanh(),
        Dense(hidden, classes),
    ]


RECIPES = {
    "digits": Recipe(
        lambda _: datasets.digits(),
        lambda: [
            _pixels_to_unit(),
            Dense(64, 128),
            ReLU(),
            Dropout(0.3),
            Dense(128, 64),
            ReLU(),
            Dropout(0.2),
            Dense(64, 10),
        ],
        epochs=40,
        learning_rate=0.01,
    ),
    "iris": Recipe(
        lambda _: datasets.iris(),
        lambda: [Standardize(4), Dense(4, 16), Tanh(), Dense(16, 3)],
        epochs=100,
        batch_size=16,
    ),
    "spirals": Recipe(lambda rng: datasets.spirals(1000, rng=rng), lambda: _plane_net(3, 64), epochs=100),
    "moons": Recipe(lambda rng: datasets.moons(500, rng=rng), lambda: _plane_net(2, 16), epochs=50),
    "circles": Recipe(lambda rng: datasets.circles(500, rng=rng), lambda: _plane_net(2, 16), epochs=50),
    "blobs": Recipe(lambda rng: datasets.blobs(500, rng=rng), lambda: _plane_net(3, 16), epochs=30),
    "xor": Recipe(
        lambda _: datasets.xor(),
        lambda: [Dense(2, 8), Tanh(), Dense(8, 2)],
        epochs=200,
        learning_rate=0.1,
        batch_size=4,
    ),
    "sine": Recipe(
        lambda rng: datasets.sine(500, rng=rng),
        lambda: [Standardize(1), Dense(1, 32), Tanh(), Dense(32, 32), Tanh(), Dense(32, 1)],
        epochs=100,
        learning_rate=0.01,
    ),
}
