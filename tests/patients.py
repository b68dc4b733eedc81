"""Rows and nets that the tests of the doctor examine."""

from itertools import pairwise

import numpy as np

import nnlite as nn
from nnlite.inspect import doctor


def clusters(rows=600, *, classes=3, columns=6, spread=1.2, seed=0):
    """Return rows around a centre for each class, and their classes."""
    rng = np.random.default_rng(seed)
    centres = spread * rng.normal(size=(classes, columns))
    y = rng.integers(0, classes, rows)
    return centres[y] + rng.normal(size=(rows, columns)), y


def surface(rows=600, *, noise=0.3, seed=0):
    """Return rows of six columns, of which three say a number, and this."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, 6))
    return X, np.sin(2 * X[:, :1]) + X[:, 1:2] * X[:, 2:3] + noise * rng.normal(size=(rows, 1))


def digits(rows=900):
    """Return digits with pixels from 0 to 1."""
    X, y = nn.datasets.digits()
    return X[:rows] / 16, y[:rows]


def net(*widths, activation=nn.ReLU, first=(), last=()):
    """Make a net with one activation between all of its Dense layers."""
    layers = list(first)
    for inputs, outputs in pairwise(widths):
        layers += [nn.Dense(inputs, outputs), activation()]
    return nn.Sequential([*layers[:-1], *last], rng=0)


def examined(model, data, loss, optimizer=None, **options):
    """Let the doctor look at a training with Adam."""
    return doctor(model, *data, loss, nn.Adam(0.01) if optimizer is None else optimizer, **options)


def trained(model, data, loss, epochs, validation=None, rate=0.005):
    """Train, and let the doctor look at what came of it."""
    optimizer = nn.Adam(rate)
    history = model.fit(*data, loss=loss, optimizer=optimizer, epochs=epochs, validation=validation)
    return doctor(model, *data, loss, optimizer, validation=validation, history=history)


def first(diagnosis, code):
    """Return the first finding, which has this code and is more than a note."""
    assert diagnosis.codes[:1] == (code,), f"{diagnosis}"
    assert not diagnosis.healthy, f"{diagnosis}"
    return diagnosis[0]
