"""The rules that call a learning rate too small, right or too large, from the losses of its runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from nnlite._typing import AnyArray, Array

__all__ = ["LABELS", "Judgement", "judge", "upper_median"]

#: The labels, from too small to too large.
LABELS = ("crawls", "learns", "overshoots", "diverges")
CRAWLS, LEARNS, OVERSHOOTS, DIVERGES = range(4)

#: A run that has gone less than this part of the way down has not learned.
HALF = 0.5
#: A way shorter than this part of the loss at its top is none: nothing was learned by anyone.
SLIGHT = 0.01
#: A loss rises in an epoch if it does so by more than this part of the way; less is noise.
RISE = 0.01
#: Rises in more than this part of the epochs, that together climb more than this many times the way, are
#: those of a run that goes to and fro between the slopes.
OFTEN = 0.1
CLIMB = 1.0
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
        Index of the rate with the lowest loss at the end; None if most seeds of every rate diverged.

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


def judge(curves: Array, finals: Array, *, average: float) -> Judgement:
    """Label every run of a sweep.

    The *way* is what there was to learn: from the top, which is the loss of the best answer that
    ignores the input, or that of the start if it is lower, down to the goal, the loss at which the
    best rate ended. (If no rate came more than `SLIGHT` below the top, it leads from the start to the
    loss of that answer, or to the best rate's if that is lower.) Losses of rates are those of their middle seed,
    and so is the label of a rate. A run

    - *diverges* if its loss stopped being finite, or ended more than `BLOWN_UP` ways above the top;
    - *overshoots* if it rose in more than the part `OFTEN` of the epochs, by more than `RISE` of
      the way each time and more than `CLIMB` ways in all;
    - *learns* if it has gone at least the part `HALF` of the way, and did not overshoot;
    - *overshoots* also if it has not, with a rate above the best one: what is too long a step
      need not go to and fro, it may have landed where nothing slopes;
    - *crawls* if it has not, with a rate below.

    Parameters
    ----------
    curves : ndarray of shape (1 + epochs, rates, seeds)
        The loss at the start and of every epoch, by rising rate; NaN once a run is over.
    finals : ndarray of shape (rates, seeds)
        The loss at the end; infinite if it stopped being finite.
    average : float
        The loss of the best constant answer.

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
    best = int(middle.argmin()) if np.isfinite(middle).any() else None
    start = float(upper_median(curves[0]).min())
    top, goal = min(start, average), float(middle.min() if best is not None else finals.min())
    if not top - goal > SLIGHT * abs(top):
        top, goal = start, min(goal, average)
    way = max(top - goal, SLIGHT * abs(top), float(np.finfo(float).tiny))
    with np.errstate(over="ignore", invalid="ignore"):  # losses on their way to infinity; NaN marks the end
        progress = (top - finals) / way
        moves = np.diff(curves, axis=0) / way
        rises = (moves > RISE).sum(axis=0) / np.maximum(np.isfinite(moves).sum(axis=0), 1)
        climb = np.where(moves > 0, moves, 0.0).sum(axis=0)
    return Judgement(_label(progress, rises, climb, best), progress, rises, climb, top, goal, best)


def _label(progress: Array, rises: Array, climb: Array, best: int | None) -> AnyArray:
    above = np.arange(len(progress)) > (len(progress) if best is None else best)
    labels = np.where(above[:, None], OVERSHOOTS, CRAWLS)
    rules: tuple[tuple[Callable[[], AnyArray], int], ...] = (
        (lambda: progress >= HALF, LEARNS),
        (lambda: (rises > OFTEN) & (climb > CLIMB), OVERSHOOTS),
        (lambda: progress < -BLOWN_UP, DIVERGES),
    )
    for holds, label in rules:
        labels = np.where(holds(), label, labels)
    return labels
