"""What the rows that a net finds most alike say about each row: whoever disagrees may be mislabelled."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from nnlite.core.aliases import AnyArray, Array
from nnlite.core.cross_entropy import SoftmaxCrossEntropy
from nnlite.core.losses import Loss
from nnlite.data.conversion import is_sparse
from nnlite.errors import ArgumentError
from nnlite.layers.embedding import Embedding, TokenEmbedding
from nnlite.losses import GaussianNLL, Hinge, Masked, MultiTaskLoss, PoissonNLL, SequenceLoss, Task
from nnlite.losses.binary_cross_entropy import BinaryCrossEntropy
from nnlite.model import Sequential
from nnlite.training.inside import pass_through, stops

__all__ = ["TOO_FEW", "Opinion", "ask_neighbours"]

#: How many neighbours are asked, and how few rows there may be.
NEIGHBOURS = 10
TOO_FEW = 3
#: Neighbours are looked for among so many rows at most, drawn with a fixed seed, so that the time grows with
#: the rows and not with their square.
ASKED = 20_000
#: Distances that are held at a time.
BLOCK = 2**22
#: The usual distance of a number to those of the neighbours is taken for at least this part of their spread.
LEAST = 0.01


class Opinion(NamedTuple):
    """What neighbours say about each row.

    Parameters
    ----------
    scores : ndarray of shape (rows,)
        How far that is from its target.
    targets, expected, predicted : ndarray of shape (rows,) or (rows, columns)
        What it is said to be, what its neighbours are, and what the net says: class ids, or numbers.

    Examples
    --------
    >>> Opinion(*np.zeros((4, 1))).scores
    array([0.])
    """

    scores: Array
    targets: AnyArray
    expected: AnyArray
    predicted: AnyArray


def ask_neighbours(model: Sequential, x: Array, y: AnyArray, weight: Array | None, loss: Loss) -> Opinion:
    """Compare the target of each row with those of the rows that the net finds most alike.

    Parameters
    ----------
    model : Sequential
        One net.
    x, y : ndarray
        The data, checked.
    weight : ndarray of shape (rows,) or None
        Rows of weight 0 are not asked.
    loss : Loss
        Knows whether the targets are classes or numbers.

    Returns
    -------
    Opinion

    Raises
    ------
    ArgumentError
        If there are too few rows to ask.

    Examples
    --------
    >>> from nnlite import Dense
    >>> x, y = np.array([[0.0], [0.1], [0.2], [0.3]]), np.array([1, 0, 0, 0])
    >>> model = Sequential([Dense(1, 2)], dtype=float, rng=0)
    >>> ask_neighbours(model, x, y, None, SoftmaxCrossEntropy()).scores.round(2)
    array([ 1.  , -0.33, -0.33, -0.33])
    """
    count = x.shape[0]
    asked = np.arange(count) if weight is None else np.flatnonzero(weight > 0)
    if len(asked) < TOO_FEW:
        raise ArgumentError(
            "Blame.suspects",
            f"at least {TOO_FEW} rows that count, to ask the others about each",
            f"{len(asked)}",
            "Give more rows, or go by scores(by='loss').",
        )
    if len(asked) > ASKED:
        asked = np.sort(np.random.default_rng(0).choice(asked, ASKED, replace=False))
    pred = model._predict(x, 512)
    views = _Views(model, x[asked])
    near = np.empty((count, min(NEIGHBOURS, len(asked) - 1)), np.intp)
    for rows, found in views.nearest(x, asked):
        near[rows] = found
    return _opinion(loss, y, pred, near)


def _opinion(loss: Loss, y: AnyArray, pred: Array, near: AnyArray) -> Opinion:
    """Compare targets with those of the neighbours, as the loss takes them."""
    if isinstance(loss, SequenceLoss):
        loss = _steps_as_tasks(loss, y, pred)
    if isinstance(loss, MultiTaskLoss):
        return _on_tasks(loss, y, pred, near)
    inner = loss.loss if isinstance(loss, Masked) else loss
    ids = y.ndim == 1 and y.dtype.kind in "iub" and pred.shape[-1] > 1
    if isinstance(inner, SoftmaxCrossEntropy) or ids:
        return _on_classes(y, pred, near)
    if isinstance(inner, BinaryCrossEntropy | Hinge):
        return _on_yes_and_no(y, pred, near, low=-1.0 if isinstance(inner, Hinge) else 0.0)
    target = np.asarray(y, np.float64).reshape(len(y), -1)
    if isinstance(inner, GaussianNLL):
        pred = pred[:, : target.shape[1]]
    elif isinstance(inner, PoissonNLL):
        with np.errstate(over="ignore"):
            pred = np.exp(pred)
    return _on_numbers(target, pred, near)


class _Views:
    """How a net sees rows: what comes into each of its layers that have weights."""

    def __init__(self, model: Sequential, asked: Array) -> None:
        self.model = model
        way = stops(model)
        self.last = way[-1].place
        # What comes into an embedding are ids, whose distances mean nothing.
        ids = (Embedding, TokenEmbedding)
        self.places = [stop.place for stop in way if stop.learned and not isinstance(stop.layer, ids)]
        parts = self._parts(asked)
        #: Each part gets the same spread, whatever the size of its numbers and however many they are.
        self.centres = [part.mean(axis=0) for part in parts]
        spreads = [
            float(np.sqrt(np.square(part - centre).sum(axis=1).mean()))
            for part, centre in zip(parts, self.centres, strict=True)
        ]
        self.scales = [1 / spread if spread > 0 else 1.0 for spread in spreads]
        self.asked = self._join(parts)
        self.squares = np.square(self.asked).sum(axis=1)

    def nearest(self, x: Array, asked: AnyArray) -> Iterator[tuple[slice, AnyArray]]:
        """Find the nearest of those asked for each row, not counting the row itself; a block at a time."""
        count = len(asked)
        size = max(1, BLOCK // count)
        wanted = min(NEIGHBOURS, count - 1)
        for start in range(0, x.shape[0], size):
            rows = slice(start, min(start + size, x.shape[0]))
            own = self._join(self._parts(x[rows]))
            # Less the square of the row's own length, which changes nothing in the order.
            distances = self.squares - 2 * (own @ self.asked.T)
            place = np.searchsorted(asked, np.arange(rows.start, rows.stop))
            within = np.flatnonzero(asked[np.minimum(place, count - 1)] == np.arange(rows.start, rows.stop))
            distances[within, place[within]] = np.inf
            yield rows, asked[np.argpartition(distances, wanted - 1, axis=1)[:, :wanted]]

    def _parts(self, x: Array) -> list[Array]:
        passing = pass_through(self.model, x)
        given = [passing.inputs[place] for place in self.places]
        # A net without weights, or whose only weights see a sparse input or ids: what it says.
        parts = [part for part in given if not is_sparse(part)] or [passing.outputs[self.last]]
        return [part.reshape(len(part), -1) for part in parts]

    def _join(self, parts: list[Array]) -> Array:
        scaled = zip(parts, self.centres, self.scales, strict=True)
        return np.concatenate([(part - centre) * scale for part, centre, scale in scaled], axis=1)


def _steps_as_tasks(loss: SequenceLoss, y: AnyArray, pred: Array) -> MultiTaskLoss:
    """Take each step for a task of its own."""
    steps = range(loss.steps)
    outputs, targets = (np.arange(one.shape[-1]).reshape(loss.steps, -1) for one in (pred, y))
    return MultiTaskLoss({f"{t}": Task(loss.loss, outputs=outputs[t], targets=targets[t]) for t in steps})


def _on_tasks(loss: MultiTaskLoss, y: AnyArray, pred: Array, near: AnyArray) -> Opinion:
    """Compare the targets of each task; the score is the share of rows that score lower in one of them."""
    expected, predicted, scores = np.full(y.shape, np.nan), np.full(y.shape, np.nan), np.zeros(len(y))
    for task in loss.tasks.values():
        some, goals, there = task.select(pred, y)
        columns = list(task.targets)
        if task.takes_ids or isinstance(task.loss, SoftmaxCrossEntropy):
            one = _on_classes(goals, some, near, there)
        else:
            one = _opinion(task.loss, goals, some, near)
        for table, found in ((expected, one.expected), (predicted, one.predicted)):
            as_rows = found.ndim == 1 and len(columns) > 1  # classes that are given as shares
            table[:, columns] = (np.eye(len(columns))[found] if as_rows else found).reshape(len(y), -1)
        lower = np.searchsorted(np.sort(one.scores[there]), one.scores) / max(int(there.sum()), 1)
        scores = np.maximum(scores, np.where(there, lower, 0))
    return Opinion(scores, y, expected, predicted)


def _on_classes(y: AnyArray, pred: Array, near: AnyArray, there: AnyArray | None = None) -> Opinion:
    """Compare classes: the share of the commonest other one, less that of the row's own."""
    # As integers: with True and False one would choose, not count.
    said: AnyArray = y.astype(np.intp) if y.ndim == 1 else y.argmax(axis=-1)
    rows = np.arange(len(said))
    shares = np.zeros((len(said), pred.shape[-1]))
    known = np.ones(near.shape, bool) if there is None else there[near]
    each = 1 / np.maximum(known.sum(axis=1), 1)
    for column, counts in zip(near.T, known.T, strict=True):
        shares[rows, said[column]] += each * counts
    own = shares[rows, said]
    expected = shares.argmax(axis=1)
    shares[rows, said] = -1
    return Opinion(shares.max(axis=1) - own, said, expected, pred.argmax(axis=-1))


def _on_yes_and_no(y: AnyArray, pred: Array, near: AnyArray, *, low: float) -> Opinion:
    """Compare answers of yes and no: the share of those that say otherwise."""
    given = (np.asarray(y, np.float64).reshape(len(pred), -1) - low) / (1 - low)
    with_answers = given[near]
    known = ~np.isnan(with_answers)
    share = np.where(known, with_answers, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    apart = np.where(np.isnan(given) | ~known.any(axis=1), 0, np.abs(share - given))
    yes = np.where(share > 0.5, 1.0, low)
    says = np.where(pred > 0, 1.0, low)
    return Opinion(
        apart.max(axis=1), _one_column(y.reshape(given.shape)), _one_column(yes), _one_column(says)
    )


def _on_numbers(target: Array, pred: Array, near: AnyArray) -> Opinion:
    """Compare numbers: the distance to the median, in units of the distance of the middle row."""
    with warnings.catch_warnings():
        # Where all neighbours miss a number, so does the median.
        warnings.simplefilter("ignore", RuntimeWarning)
        middle = np.nanmedian(target[near], axis=1)
    apart = np.abs(target - middle)
    missing = np.isnan(apart)
    apart[missing] = 0
    for column, gone, given in zip(apart.T, missing.T, target.T, strict=True):
        usual = _usual(column[~gone], given[~np.isnan(given)])
        column /= usual
    return Opinion(apart.max(axis=1), _one_column(target), _one_column(middle), _one_column(pred))


def _usual(distances: Array, given: Array) -> float:
    """Return the distance of the middle row; not less than a part of the spread, where rows are all alike."""
    spread = float(given.std()) if len(given) else 0.0
    middle = float(np.median(distances)) if len(distances) else 0.0
    return max(middle, LEAST * spread) or 1.0


def _one_column(array: AnyArray) -> AnyArray:
    """Return numbers, where there is one a row, and not rows of one."""
    return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
