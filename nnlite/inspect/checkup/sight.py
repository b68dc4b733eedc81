"""What simple rules see of the targets, out of sample: straight lines and nearest neighbours."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nnlite.core.aliases import AnyArray, Array

__all__ = ["Sight", "agreement", "columns_of", "standardized", "what_is_seen"]

#: How many neighbours are asked.
NEIGHBOURS = 10
#: What keeps a line from following single rows, by the number of rows.
RIDGE = 0.01
#: More columns than this are not looked at one by one; random sums of them are.
MOST_COLUMNS = 1000


class Sight(NamedTuple):
    """What rules that were learned on other rows know of the targets.

    Parameters
    ----------
    skill : float
        The part of the squared differences that the better of them explains; 0 for a constant answer.
    sure : float
        The correlation of what is said with what is true, in standard errors of none.

    Examples
    --------
    >>> Sight(skill=0.9, sure=20.0).skill
    0.9
    """

    skill: float
    sure: float


def standardized(x: AnyArray) -> Array:
    """Return rows as columns of mean 0 and standard deviation 1, without those that are constant.

    Parameters
    ----------
    x : ndarray of shape (rows, ...)
        The rows.

    Returns
    -------
    ndarray of shape (rows, columns)

    Examples
    --------
    >>> standardized(np.array([[1.0, 5.0], [3.0, 5.0]]))
    array([[-1.],
           [ 1.]])
    """
    flat = np.asarray(x, np.float64).reshape(len(x), -1)
    spread = flat.std(axis=0)
    there = spread > 0
    found: Array = (flat[:, there] - flat[:, there].mean(axis=0)) / spread[there]
    return found


def what_is_seen(x: AnyArray, y: AnyArray) -> Sight:
    """Learn a line and neighbours on each half of the rows, and ask for the other half.

    Parameters
    ----------
    x : ndarray of shape (rows, ...)
        The features.
    y : ndarray of shape (rows,) or (rows, columns)
        Class ids as integers, or numbers.

    Returns
    -------
    Sight

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(200, 3))
    >>> what_is_seen(x, x @ [1, 2, 0]).skill > 0.9, what_is_seen(x, rng.normal(size=200)).sure < 3
    (True, True)
    """
    columns = standardized(x)
    target = columns_of(y)
    rng = np.random.default_rng(0)
    if not columns.shape[1] or not target.shape[1]:
        return Sight(0.0, 0.0)
    if columns.shape[1] > MOST_COLUMNS:
        columns = columns @ rng.normal(size=(columns.shape[1], MOST_COLUMNS)) / np.sqrt(columns.shape[1])
    order = rng.permutation(len(columns))
    halves = order[: len(order) // 2], order[len(order) // 2 :]
    said = {rule: np.zeros_like(target) for rule in (_line, _neighbours)}
    for here, there in (halves, halves[::-1]):
        middle = target[here].mean(axis=0)
        for rule, answers in said.items():
            answers[there] = middle + rule(columns[here], target[here] - middle, columns[there])
    error = [float(np.square(answers - target).mean()) for answers in said.values()]
    sure = [agreement(answers, target) for answers in said.values()]
    return Sight(1 - min(error), max(sure))


def columns_of(y: AnyArray) -> Array:
    """Return targets as columns of one size: a column for each class of class ids.

    Parameters
    ----------
    y : ndarray of shape (rows,) or (rows, columns)
        Class ids as integers, or numbers.

    Returns
    -------
    ndarray of shape (rows, columns)

    Examples
    --------
    >>> columns_of(np.array([0, 1]))
    array([[ 1., -1.],
           [-1.,  1.]])
    """
    ids = y.ndim == 1 and y.dtype.kind in "iu"
    return standardized(np.eye(int(y.max()) + 1)[y] if ids else y)


def _line(x: Array, y: Array, asked: Array) -> Array:
    rows, columns = x.shape
    if columns <= rows:
        weights = np.linalg.solve(x.T @ x + RIDGE * rows * np.eye(columns), x.T @ y)
        return asked @ weights
    return asked @ (x.T @ np.linalg.solve(x @ x.T + RIDGE * rows * np.eye(rows), y))


def _neighbours(x: Array, y: Array, asked: Array) -> Array:
    distance = np.square(x).sum(axis=1) - 2 * (asked @ x.T)
    count = min(NEIGHBOURS, len(x))
    near = np.argpartition(distance, count - 1, axis=1)[:, :count]
    found: Array = y[near].mean(axis=1)
    return found


def agreement(said: Array, true: Array) -> float:
    """Return the correlation of answers with what is true, in standard errors of none.

    Parameters
    ----------
    said, true : ndarray of shape (rows, columns)
        Of one shape.

    Returns
    -------
    float

    Examples
    --------
    >>> agreement(np.array([[1.0], [-1.0]] * 50), np.array([[3.0], [1.0]] * 50))
    10.0
    """
    said, true = said - said.mean(axis=0), true - true.mean(axis=0)
    size = float(np.sqrt(np.square(said).sum() * np.square(true).sum()))
    return float((said * true).sum()) / size * float(np.sqrt(len(true))) if size > 0 else 0.0
