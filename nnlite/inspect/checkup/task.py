"""What the targets ask for: how many outputs, which loss, and how a net for that ends."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from nnlite.core.aliases import AnyArray
from nnlite.core.cross_entropy import SoftmaxCrossEntropy
from nnlite.core.losses import Loss
from nnlite.layers import Dense
from nnlite.losses import GaussianNLL, Hinge
from nnlite.losses.binary_cross_entropy import BinaryCrossEntropy
from nnlite.model import Sequential
from nnlite.training.inside import Stop, stops

__all__ = ["MOST_CLASSES", "ROWS_A_CLASS", "Task", "ending", "targets_for", "task_of", "whole_answer"]

#: More whole numbers than this are counts rather than classes; so are numbers that occur fewer times than
#: this each.
MOST_CLASSES = 20
ROWS_A_CLASS = 5
#: Rows of probabilities sum to 1 but for rounding.
NEARLY_ONE = 1e-3


class Task(NamedTuple):
    """What targets ask for.

    Parameters
    ----------
    kind : {"yes or no", "classes", "labels", "numbers"}
        Of labels several may be true of one row.
    outputs : int
        How many a net must have.
    words : str
        What the targets are.
    write : str
        What makes of ``y`` targets that the loss takes; ``"y"`` if they are.

    Examples
    --------
    >>> task_of(np.array([3, 1, 2, 3, 1]), classifies=True)
    Task(kind='classes', outputs=3, words='ids of 3 classes, 1 to 3', write='y - 1')
    """

    kind: str
    outputs: int
    words: str
    write: str

    def loss(self, given: Loss) -> str:
        """Return what loss suits it, the given one if it does."""
        if self.kind == "numbers":
            return "MeanSquaredError()" if given.from_logits else f"{given}"
        right = SoftmaxCrossEntropy if self.kind == "classes" else BinaryCrossEntropy
        return f"{given}" if isinstance(given, right) else f"{right.__name__}()"


def task_of(y: AnyArray, *, classifies: bool) -> Task:
    """Read from targets what they ask for.

    Parameters
    ----------
    y : ndarray of shape (rows,) or (rows, columns)
        The targets, as they were given.
    classifies : bool
        Whether the loss is for classes, so that numbers that come again and again are names of such.

    Returns
    -------
    Task

    Examples
    --------
    >>> task_of(np.array([[1, 1, 0], [0, 0, 1]]), classifies=False).kind
    'labels'
    >>> task_of(np.array([0.5, 2.5, 1.25]), classifies=False)
    Task(kind='numbers', outputs=1, words='numbers', write='y[:, None]')
    """
    if y.ndim > 1 and y.shape[1] > 1:
        return _of_rows(y)
    flat, column = (y[:, 0], "y[:, 0]") if y.ndim > 1 else (y, "y")
    values = np.unique(flat)
    count = len(values)
    if y.dtype.kind in "USO":
        words = f"names of {count} classes, such as {str(values[0])!r}"
        kind = "yes or no" if count == 2 else "classes"
        write = f"np.unique({column}, return_inverse=True)[1]"
        return Task(kind, 1 if count == 2 else count, words, write)
    whole = bool((values == np.rint(values)).all())
    low, high = float(values[0]), float(values[-1])
    if count == 2 and (classifies or (low, high) == (0, 1)):
        fits = (low, high) == (0, 1) and (y.ndim > 1 or y.dtype.kind in "iub")
        cast = f"{column}.astype(int)" if (low, high) == (0, 1) else f"({column} == {high:g}).astype(int)"
        return Task("yes or no", 1, f"{low:g} and {high:g}", "y" if fits else cast)
    often = len(flat) >= ROWS_A_CLASS * count
    ids = whole and low == 0 and high + 1 == count <= MOST_CLASSES and often
    if ids or (classifies and count > 2 and (whole or (often and count <= MOST_CLASSES))):
        integers = column if y.dtype.kind in "iub" else f"{column}.astype(int)"
        words = f"ids of {count} classes, {low:g} to {high:g}"
        if whole and low == 0 and high < 2 * count:  # a class that is missing is one all the same
            outputs = int(high) + 1
            return Task("classes", outputs, f"ids of {outputs} classes, 0 to {high:g}", integers)
        if whole and low == 1 and high == count:
            return Task("classes", count, words, f"{integers} - 1")
        words = words if whole else f"{count} numbers that come again and again, {low:.3g} to {high:.3g}"
        return Task("classes", count, words, f"np.unique({column}, return_inverse=True)[1]")
    return Task("numbers", 1, "numbers", "y" if y.ndim > 1 else "y[:, None]")


def targets_for(task: Task, y: AnyArray) -> AnyArray:
    """Make of targets what the loss of a task takes; it is what ``write`` says.

    Parameters
    ----------
    task : Task
        What `task_of` has read from them.
    y : ndarray
        The targets.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> y = np.array([3, 1, 2])
    >>> targets_for(task_of(y, classifies=True), y)
    array([2, 0, 1])
    """
    if y.ndim > 1 and y.shape[1] > 1:
        return y
    flat = y.reshape(len(y))
    if task.kind == "numbers":
        return flat[:, None]
    values, ids = np.unique(flat, return_inverse=True)
    if task.kind == "yes or no":
        return ids[:, None].astype(np.float64)
    numbered = y.dtype.kind not in "USO" and task.outputs == values[-1] + 1
    return flat.astype(np.intp) if numbered else ids


def _of_rows(y: AnyArray) -> Task:
    columns = y.shape[1]
    sums = y.sum(axis=1)
    if np.isin(y, (0, 1)).all():
        if (sums == 1).all():
            return Task("classes", columns, f"one-hot rows of {columns} classes", "y")
        most = int(sums.max())
        return Task("labels", columns, f"{columns} labels, of which up to {most} are 1 in a row", "y")
    if (y >= 0).all() and (np.abs(sums - 1) < NEARLY_ONE).all():
        return Task("classes", columns, f"rows of probabilities of {columns} classes", "y")
    return Task("numbers", columns, f"rows of {columns} numbers", "y")


def ending(model: Sequential) -> list[Stop] | None:
    """Return the last Dense with what stands behind it; None if the model does not end so.

    Parameters
    ----------
    model : Sequential
        Any.

    Returns
    -------
    list of Stop or None

    Examples
    --------
    >>> from nnlite.layers import Softmax
    >>> [stop.place for stop in ending(Sequential([Dense(2, 3), Dense(3, 1), Softmax()]))]
    ['1', '2']
    """
    way = stops(model)
    place = next((at for at in reversed(range(len(way))) if isinstance(way[at].layer, Dense)), None)
    tail = None if place is None else way[place:]
    if tail is None or any(stop.layer.children or stop.layer.parameter_names for stop in tail[1:]):
        return None
    return tail


def whole_answer(model: Sequential, task: Task, loss: Loss) -> str:
    """Say all that is to be changed for a task: the end of the net, the loss, and the targets.

    Parameters
    ----------
    model : Sequential
        The net as it is.
    task : Task
        What the targets ask for.
    loss : Loss
        The loss as it is.

    Returns
    -------
    str
        One sentence.

    Examples
    --------
    >>> model = Sequential([Dense(4, 8), Dense(8, 1)])
    >>> whole_answer(model, task_of(np.array([3, 1, 2]), classifies=True), BinaryCrossEntropy())
    'End the model with Dense(8, 3), and call fit with SoftmaxCrossEntropy() and y - 1.'
    """
    outputs = 2 * task.outputs if task.kind == "numbers" and isinstance(loss, GaussianNLL) else task.outputs
    two_scores = task.kind == "yes or no" and isinstance(loss, SoftmaxCrossEntropy)
    tail, parts = ending(model), []
    if two_scores and tail is not None and _width(tail) == 2:  # which is as good
        wanted, outputs = f"{loss}", 2
    else:
        wanted = f"{loss}" if task.kind == "yes or no" and isinstance(loss, Hinge) else task.loss(loss)
    if tail is None:
        parts.append(f"End the model with one output for each of {outputs} {_noun(task)}")
    else:
        dense, *behind = [stop.layer for stop in tail]
        useless = [layer for layer in behind if not layer.stochastic]
        if _width(tail) != outputs:
            without = f" and without {', '.join(map(str, useless))}" if useless else ""
            parts.append(f"End the model with {_dense(dense, outputs)}{without}")
        elif useless:
            parts.append(f"Leave {', '.join(stop.words for stop in tail[1:])} out")
    changed = [wanted] if wanted != f"{loss}" else []
    if task.write != "y":
        changed.append(task.write)
    if changed:
        parts.append(f"{'call' if parts else 'Call'} fit with {' and '.join(changed)}")
    return f"{', and '.join(parts) or 'See the other findings first'}."


def _dense(layer: Any, outputs: int) -> str:
    return f"Dense({layer.in_features}, {outputs})"


def _width(tail: list[Stop]) -> int:
    width: int = tail[0].layer.out_features  # type: ignore[attr-defined]
    return width


def _noun(task: Task) -> str:
    return task.kind if task.kind != "yes or no" else "question"
