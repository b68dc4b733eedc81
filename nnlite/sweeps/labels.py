"""The rules that call a learning rate too small, right or too large, from the losses of its runs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nnlite.core.aliases import AnyArray, Array

__all__ = ["LABELS", "Judgement", "judge", "upper_median"]

#: The labels, from too small to too large.
LABELS = ("crawls", "learns", "overshoots", "diverges")
CRAWLS, LEARNS, OVERSHOOTS, DIVERGES = range(4)

#: A run that has gone less than this part of the way down has not learned.
HALF = 0.5
#: A way shorter than this part of that from its top to the least loss is none: nothing was learned by anyone.
SLIGHT = 0.01
#: Taken for what can be learned of the logarithm of a density, which has no least value: deviations that are
#: e times smaller.
NAT = 1.0
#: A loss rises in an epoch if it does so by more than this part of the way; less is noise.
RISE = 0.01
#: A run goes to and fro between the slopes if it rises in more than this part of its epochs, and climbs more
#: than this part of the way an epoch, on average over all of them.
OFTEN = 0.1
BOUNCE = 0.05
#: A run that ends so many times the way above its top diverges, though its loss is a finite number.
BLOWN_UP = 1000.0


class Judgement(NamedTuple):
    """What was found about each run; see `judge`.

    Parameters
    ----------
    labels : ndarray of int of shape (rates, seeds)
        Indices of `LABELS`.
    progress : ndarray of shape (rates, seeds)
        The part of the way down that the run went; minus infinity if its loss stopped being
        finite.
    rises : ndarray of shape (rates, seeds)
        The share of its epochs in which the loss rose.
    climb : ndarray of shape (rates, seeds)
        All its rises together, in ways.
    top, goal : float
        The loss at the top of the way, and that at its end.
    best : int or None
        Index of the rate that ended with the lowest loss of those that learn, or, if none does, of
        all; None if most runs at every rate diverged.

    Examples
    --------
    >>> LABELS[2]
    'overshoots'
    """

    labels: AnyArray
    progress: Array
    rises: Array
    climb: Array
    top: float
    goal: float
    best: int | None


def upper_median(values: AnyArray) -> AnyArray:
    """Return the middle value of each row; of an even number, the larger of the two in the middle.

    It is one of the values, so it serves for labels too, and is finite if most of them are.

    Parameters
    ----------
    values : ndarray of shape (..., n)
        Numbers, of which some may be infinite.

    Returns
    -------
    ndarray of shape (...)

    Examples
    --------
    >>> upper_median(np.array([[3, 1, 2], [1, 0, 3]])).tolist()
    [2, 1]
    """
    middle: AnyArray = np.sort(values, axis=-1)[..., values.shape[-1] // 2]
    return middle


def judge(curves: Array, finals: Array, *, average: float, least: float | None = 0.0) -> Judgement:
    """Label every run of a sweep.

    The rules stand in the notes of `nnlite.sweep`.

    Parameters
    ----------
    curves : ndarray of shape (1 + epochs, rates, seeds)
        The loss at the start and of every epoch, by rising rate; NaN once a run is over.
    finals : ndarray of shape (rates, seeds)
        The loss at the end; infinite if it stopped being finite.
    average : float
        The loss of the best constant answer.
    least : float or None
        The loss of answers that are as right as can be; None if there is none.

    Returns
    -------
    Judgement

    Examples
    --------
    Losses that halve, and that double, with one seed each:

    >>> curves = np.array([[1.0, 1.0], [0.5, 2.0], [0.25, 4.0]])[..., None]
    >>> found = judge(curves, curves[-1], average=1.0)
    >>> [LABELS[index] for index in found.labels[:, 0]]
    ['learns', 'overshoots']
    >>> found.climb[:, 0].tolist()  # from 1 to 4, where the way is from 1 to 0.25
    [0.0, 4.0]
    """
    middle = upper_median(finals)
    finite = np.isfinite(middle)
    start = float(upper_median(curves[0]).min())
    if not np.isfinite(average):  # some losses have no lower end
        average = start

    def slight(top: float) -> float:
        return SLIGHT * (NAT if least is None else abs(top - least))

    top, goal = min(start, average), float(middle.min() if finite.any() else finals.min())
    if not top - goal > slight(top):
        top, goal = start, min(goal, average)
    way = max(top - goal, slight(top), float(np.finfo(float).tiny))
    with np.errstate(over="ignore", invalid="ignore"):  # losses on their way to infinity; NaN marks the end
        progress = np.where(np.isfinite(finals), (top - finals) / way, -np.inf)
        moves = np.diff(curves, axis=0) / way
        epochs = np.maximum(np.isfinite(moves).sum(axis=0), 1)
        rises = (moves > RISE).sum(axis=0) / epochs
        climb = np.where(moves > 0, moves, 0.0).sum(axis=0)
    labels = np.select(
        [progress < -BLOWN_UP, (rises > OFTEN) & (climb > BOUNCE * epochs), progress >= HALF],
        [DIVERGES, OVERSHOOTS, LEARNS],
        default=CRAWLS,
    )
    learning = upper_median(labels) == LEARNS
    best = int(np.where(learning if learning.any() else finite, middle, np.inf).argmin())
    too_large = np.arange(len(finals)) > best
    labels[too_large[:, None] & (labels == CRAWLS)] = OVERSHOOTS
    return Judgement(labels, progress, rises, climb, top, goal, best if finite.any() else None)
