"""The tables that nets are trained on in whole epochs, with rows kept for validation."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.environment import ROOT
from benchmarks.nets import NETS, SEED, Array, Net, make_data

Ids = NDArray[np.int64]

#: Nets of which there is a table of rows that mean nothing.
PLAIN = ("2-8-1", "2-64-64-3", "64-128-10", "784-256-128-10")


class Table(NamedTuple):
    """Rows to train on, as many as whole batches have, and rows to validate on.

    Attributes
    ----------
    net : Net
        What is trained on it.
    X, X_val : ndarray or scipy.sparse.csr_matrix of shape (rows, features)
        The input.
    y, y_val : ndarray of int of shape (rows,)
        The class of each row; for the squared error, the numbers to hit.
    """

    net: Net
    X: Any
    y: Any
    X_val: Any
    y_val: Any


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
    with np.load(ROOT / "nnlite" / "datasets" / "files" / "digits.npz") as file:
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


def distorted_digits() -> Table:
    """Draw 28 x 28 pictures of the handwritten digits: larger, and turned, stretched and moved at random.

    A picture for validation is made of a digit of which there is no picture to train on.
    """
    rng = np.random.default_rng(SEED)
    source = digits()
    net = Net((784, 100, 10), 200, "adam", 0.001, batches=25)
    X, y = _distort(source.X, source.y, net.rows, rng)
    X_val, y_val = _distort(source.X_val, source.y_val, 2_000, rng)
    return Table(net, X, y, X_val, y_val)


def _distort(X: Array, y: Ids, rows: int, rng: np.random.Generator) -> tuple[Array, Ids]:
    """Draw 28 x 28 pictures of 8 x 8 digits, by looking up where each pixel comes from."""
    chosen = np.arange(rows) % len(X)
    # A frame of zeros is what lies outside of the digit.
    framed = np.pad(X.reshape(-1, 8, 8), ((0, 0), (1, 1), (1, 1))).ravel()
    angle = rng.uniform(-0.25, 0.25, rows)
    stretch = rng.uniform(0.8, 1.2, (2, rows)) * 8 / 24
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * stretch
    pixels = np.stack(np.meshgrid(np.arange(28), np.arange(28), indexing="ij")).reshape(2, -1) - 13.5
    places = np.einsum("abr,bp->rap", turn, pixels) + rng.uniform(-0.5, 0.5, (rows, 2, 1)) + 4.5
    places = places.clip(0, 8.999)
    low = places.astype(int)
    u, v = (places - low).swapaxes(0, 1)
    corner = 100 * chosen[:, None] + 10 * low[:, 0] + low[:, 1]
    found = (1 - u) * ((1 - v) * framed[corner] + v * framed[corner + 1])
    found += u * ((1 - v) * framed[corner + 10] + v * framed[corner + 11])
    return found.astype(np.float32), y[chosen]


@cache  # who measures memory makes it beforehand
def text(words: int, documents: int) -> Table:
    """Draw documents of 8 classes, as rows of tf-idf.

    Word number n comes about 1 / n times as often as the first (Zipf's law). Each class uses
    every word by a factor of its own more or less often, and up to about half of a document
    is in the words of another class.

    Parameters
    ----------
    words : int
        Columns.
    documents : int
        Rows to train on; there are a quarter as many for validation.
    """
    from scipy.sparse import csr_matrix, diags_array

    rng = np.random.default_rng(SEED)
    classes, rows = 8, documents + documents // 4
    net = Net((words, 64, classes), 128, "adam", 0.001, batches=documents // 128)
    usual = 1 / (np.arange(words) + 3.0)
    used = (usual * np.exp(0.5 * rng.standard_normal((classes, words)))).cumsum(axis=1)
    used /= used[:, -1:]
    y = rng.permutation(np.arange(rows) % classes)
    other = (y + rng.integers(1, classes, rows)) % classes
    lengths = np.exp(rng.normal(4.5, 0.5, rows)).astype(int) + 10
    document = np.repeat(np.arange(rows), lengths)
    strange = rng.random(len(document)) < np.repeat(rng.uniform(0, 0.5, rows), lengths)
    speaker = np.where(strange, other[document], y[document])
    word, drawn = np.empty_like(document), rng.random(len(document))
    for number in range(classes):
        mine = speaker == number
        word[mine] = used[number].searchsorted(drawn[mine])
    counts = csr_matrix((np.ones(len(word)), (document, word)), shape=(rows, words))
    seen = np.bincount(counts[:documents].indices, minlength=words)
    counts.data = 1 + np.log(counts.data)
    weighted = counts @ diags_array(np.log((1 + documents) / (1 + seen)) + 1)
    lengths_of_rows = np.sqrt(weighted.multiply(weighted).sum(axis=1))
    X = csr_matrix(diags_array(1 / np.ravel(lengths_of_rows)) @ weighted, dtype=np.float32)
    return Table(net, X[:documents], y[:documents], X[documents:], y[documents:])


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


def plain_rows(name: str) -> Table:
    """Draw 10,000 rows, or as many as whole batches have, for one of the nets, and a quarter more."""
    net = NETS[name]
    net = net._replace(batches=10_000 // net.batch)
    X, y = make_data(net._replace(batches=net.batches * 5 // 4))
    return Table(net, X[: net.rows], y[: net.rows], X[net.rows :], y[net.rows :])


TABLES: dict[str, Callable[[], Table]] = {
    "table of 10,000 rows": make_table,
    "digits": digits,
    "spirals": spirals,
    "60,000 images": images,
    "5,000 x 784": distorted_digits,
    "4,000 words": partial(text, 4_000, 1_280),
    **{f"{name}, 10,000 rows": partial(plain_rows, name) for name in PLAIN},
    "20,000 words": partial(text, 20_000, 4_096),
}
