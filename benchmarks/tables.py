"""The tables that nets are trained on in whole epochs, with rows kept for validation."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.environment import ROOT
from benchmarks.nets import NETS, SEED, Array, Net

Ids = NDArray[np.int64]


class Table(NamedTuple):
    """Rows to train on, as many as whole batches have, and rows to validate on.

    Attributes
    ----------
    net : Net
        What is trained on it.
    X, X_val : ndarray of shape (rows, features)
        The input.
    y, y_val : ndarray of int of shape (rows,)
        The class of each row.
    """

    net: Net
    X: Array
    y: Ids
    X_val: Array
    y_val: Ids


def make_table() -> Table:
    """Draw 10,000 rows whose class a net of its own decides, most of the time."""
    rng = np.random.default_rng(SEED)
    net = NETS["64-128-10"]
    X = rng.standard_normal((10_000, net.sizes[0]), np.float32)
    hidden = np.tanh(X @ rng.standard_normal((net.sizes[0], 32)) / 8)
    scores = hidden @ rng.standard_normal((32, net.sizes[-1]))
    y = (scores + 0.5 * rng.standard_normal(scores.shape)).argmax(axis=1)
    return _split(net, X, y, 8_000)


def digits() -> Table:
    """Read the handwritten digits that come with nnlite, without importing it."""
    with np.load(ROOT / "nnlite" / "data_files" / "digits.npz") as file:
        X, y = (file[key] for key in ("X", "y"))
    X = X.reshape(len(X), -1).astype(np.float32)
    return _split(NETS["64-128-10"], X / X.max(), y.astype(np.int64), 1_440)


def spirals() -> Table:
    """Draw three noisy spirals of one turn each."""
    rng = np.random.default_rng(SEED)
    y = np.arange(1_000) % 3
    radius = rng.uniform(0.1, 1.0, len(y))
    angle = 2 * np.pi * (y / 3 + radius)
    X = radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    X += 0.03 * rng.standard_normal(X.shape)
    net = NETS["2-64-64-3"]._replace(activation="tanh", rate=0.01)
    return _split(net, X.astype(np.float32), y, 800)


def _split(net: Net, X: Array, y: Ids, rows: int) -> Table:
    order = np.random.default_rng(SEED).permutation(len(X))
    train, rest = order[:rows], order[rows:]
    return Table(net._replace(batches=rows // net.batch), X[train], y[train], X[rest], y[rest])


def images() -> Table:
    """Draw as many rows, as wide and of as many classes, as the best-known set of handwritten digits has."""
    rng = np.random.default_rng(SEED)
    net = NETS["784-256-128-10"]
    rows, rows_val = 469 * net.batch, 10_000  # whole batches: 60,032 rows
    X = rng.random((rows + rows_val, net.sizes[0]), np.float32)
    y = rng.integers(net.sizes[-1], size=len(X))
    return Table(net._replace(batches=rows // net.batch), X[:rows], y[:rows], X[rows:], y[rows:])


TABLES: dict[str, Callable[[], Table]] = {
    "table of 10,000 rows": make_table,
    "digits": digits,
    "spirals": spirals,
    "60,000 images": images,
}
