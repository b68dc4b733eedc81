"""What the runs of a sweep have shown, in numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from nnlite.core.aliases import AnyArray, Array
from nnlite.core.cross_entropy import SoftmaxCrossEntropy
from nnlite.core.losses import Loss
from nnlite.losses import GaussianNLL, Masked, PoissonNLL
from nnlite.losses.binary_cross_entropy import BinaryCrossEntropy
from nnlite.sweeps.labels import LABELS, LEARNS, Judgement, upper_median
from nnlite.sweeps.result import StabilityLimit
from nnlite.training.history import History

__all__ = ["Runs", "average_loss", "best_constant", "best_run", "first_answer", "least", "table"]


class Runs:
    """The losses of all runs, by rate and seed."""

    def __init__(self, history: History, starts: Sequence[float], *, rates: int) -> None:
        self.history = history
        self.shape = (rates, len(starts))
        self.diverged = np.array([one["diverged"] for one in history.replicas]).reshape(self.shape)
        losses = self.column("loss")
        self.curves = np.concatenate([np.broadcast_to(starts, (1, *self.shape)), losses])
        #: Epochs with a loss, and the epoch whose weights the net has.
        self.lengths = np.isfinite(losses).sum(axis=0)
        kept = np.array([one["best_epoch"] or 0 for one in history.replicas]).reshape(self.shape)
        self.ends = np.where(kept > 0, kept, self.lengths)

    def column(self, name: str) -> Array:
        """Return one column as an array of shape (epochs, rates, seeds), with NaN for None."""
        rows: list[Any] = self.history[name]
        return np.array(rows, dtype=np.float64).reshape(-1, *self.shape)

    def finals(self, name: str) -> Array:
        """Return the numbers at the end; they are infinite where the loss stopped being finite."""
        column = self.column(name)
        last = np.maximum(self.ends - 1, 0)[None]
        found = np.take_along_axis(column, last, axis=0)[0] if len(column) else np.full(self.shape, np.inf)
        return np.where(self.diverged, np.inf, found)


def average_loss(loss: Loss, target: AnyArray, weight: Array | None, shape: tuple[int, ...]) -> float:
    """Compute the loss of the best answer that is the same for every row; infinite if none is finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        return best_constant(loss, target, weight, shape, [first_answer(loss, target, weight, shape)])[0]


def first_answer(loss: Loss, target: AnyArray, weight: Array | None, shape: tuple[int, ...]) -> Array:
    """Return an answer from which the slope leads to the best one: 0, or the densities that slopes need."""
    if not isinstance(loss, GaussianNLL):  # whose slopes vanish with the variance, far from the end
        return np.zeros(shape[1:])
    mean = np.average(target, axis=0, weights=weight)
    variance = np.average((target - mean) ** 2, axis=0, weights=weight)
    start: Array = np.concatenate([mean, np.log(np.maximum(variance, loss.min_variance))]).astype(np.float64)
    return start


def best_constant(
    loss: Loss, target: AnyArray, weight: Array | None, shape: tuple[int, ...], starts: Iterable[Array]
) -> tuple[float, Array]:
    """Find the answer that is the same for every row and has the lowest loss, down the slope from some.

    Parameters
    ----------
    loss : Loss
        What is to be low.
    target, weight : ndarray, or None for equal weights
        Targets and weights of rows, prepared.
    shape : tuple of int
        That of the predictions, (rows, outputs).
    starts : iterable of ndarray of shape (outputs,)
        Answers to begin with.

    Returns
    -------
    float, ndarray of shape (outputs,)
        The loss, infinite if none is finite, and the answer.

    Examples
    --------
    >>> from nnlite import MeanSquaredError
    >>> target = np.array([[0.0], [2.0]])
    >>> value, answer = best_constant(MeanSquaredError(), target, None, (2, 1), [np.zeros(1)])
    >>> round(value, 4), answer.round(4)
    (1.0, array([1.]))
    """
    from scipy.optimize import minimize

    def value_and_slope(answer: Array) -> tuple[float, Array]:
        try:
            value, grad = loss.value_and_grad(np.broadcast_to(answer, shape).copy(), target, weight)
        except ArithmeticError:  # a loss of the user's own may use Python's mathematics
            return math.inf, np.zeros(shape[1:])
        return float(value), grad.sum(axis=0)

    best: tuple[float, Array] = math.inf, np.zeros(shape[1:])
    for start in starts:
        reached = minimize(value_and_slope, start, jac=True, method="L-BFGS-B").x
        for answer in (start, reached):
            value = value_and_slope(answer)[0]
            if value < best[0]:
                best = value, answer
    return best


def least(loss: Loss, y: AnyArray, weight: Array | None, *, outputs: int) -> float | None:
    """Return the loss of answers that are as right as can be.

    Parameters
    ----------
    loss : Loss
        A loss of one's own is taken to have 0.
    y : ndarray
        The targets, prepared.
    weight : ndarray of shape (rows,) or None
        How much each row counts.
    outputs : int
        The number of outputs.

    Returns
    -------
    float or None
        None if there is no lower end, or none that means anything.

    Examples
    --------
    >>> round(least(SoftmaxCrossEntropy(label_smoothing=0.5), np.array([0, 1]), None, outputs=2), 4)
    0.5623
    """
    from scipy.special import entr  # -p log p, which is 0 at 0

    if isinstance(loss, Masked):
        loss = loss.loss
    if isinstance(loss, GaussianNLL):
        return None
    y = y.astype(np.float64)
    if isinstance(loss, SoftmaxCrossEntropy):
        smooth = loss.label_smoothing
        if y.ndim == 1:
            true, other = 1 - smooth + smooth / outputs, smooth / outputs
            return float(entr(true) + (outputs - 1) * entr(other))
        each = outputs * entr(y * (1 - smooth) + smooth / outputs)
    elif isinstance(loss, BinaryCrossEntropy):
        target = y * (1 - loss.label_smoothing) + 0.5 * loss.label_smoothing
        yes = target if loss.pos_weight is None else target * np.asarray(loss.pos_weight)
        both = np.maximum(yes + 1 - target, np.finfo(np.float64).tiny)
        each = both * (entr(yes / both) + entr((1 - target) / both))
    elif isinstance(loss, PoissonNLL):
        each = y + entr(y)
    else:
        return 0.0
    # A target that is missing adds nothing.
    return float(np.average(np.where(np.isnan(each), 0, each).mean(axis=-1), weights=weight))


def table(
    rates: Sequence[float], runs: Runs, judged: Judgement, limit: StabilityLimit
) -> list[dict[str, Any]]:
    """Put the evidence together, one entry a rate."""
    losses = runs.finals("loss")
    labels = upper_median(judged.labels)
    metrics = [name for name in runs.history.columns[2:] if name not in ("learning_rate", "seconds")]
    rows = []
    for index, rate in enumerate(rates):
        lost = runs.diverged[index]
        row: dict[str, Any] = {
            "learning_rate": rate,
            "label": LABELS[labels[index]],
            "loss": _plain(upper_median(losses[index])),
            "progress": _plain(-upper_median(-judged.progress[index])),
            "rises": _plain(upper_median(judged.rises[index])),
            "climb": _plain(upper_median(judged.climb[index])),
            "diverged": float(lost.mean()),
            "diverged_epochs": [
                int(length) + 1 if gone else None
                for gone, length in zip(lost, runs.lengths[index], strict=True)
            ],
            "of_limit": None if limit.start is None else rate / limit.start,
            "seed_labels": [LABELS[label] for label in judged.labels[index]],
            "seed_losses": [_plain(loss) for loss in losses[index]],
        }
        for name in metrics:
            finals = runs.finals(name)[index]
            if name == "validation_loss":
                row[name] = _plain(upper_median(finals))
            else:
                row[name] = _plain(np.median(finals[~lost])) if not lost.all() else None
        rows.append(row)
    return rows


def best_run(finals: Array, labels: AnyArray) -> int | None:
    """Choose the best rate, of those that learn if there are any, and its best run."""
    middle = upper_median(finals)
    learning = (labels == LEARNS) & np.isfinite(middle)
    rate = int(np.where(learning, middle, np.inf).argmin() if learning.any() else middle.argmin())
    return rate * finals.shape[1] + int(finals[rate].argmin()) if np.isfinite(middle[rate]) else None


def _plain(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
