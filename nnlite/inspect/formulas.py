"""The formula of a loss, and the same with the numbers of a batch in it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from nnlite.core.activations import sigmoid
from nnlite.core.aliases import AnyArray, Array
from nnlite.core.cross_entropy import SoftmaxCrossEntropy
from nnlite.core.losses import Loss, MeanSquaredError
from nnlite.errors.arguments import is_ours
from nnlite.inspect.numbers import behind, number, result
from nnlite.layers.activations import log_softmax
from nnlite.losses import (
    GaussianNLL,
    Hinge,
    Huber,
    Masked,
    MultiTaskLoss,
    PoissonNLL,
    Quantile,
    SequenceLoss,
    Task,
)
from nnlite.losses.binary_cross_entropy import BinaryCrossEntropy
from nnlite.losses.robust import MeanAbsoluteError

__all__ = ["fill_in", "formula", "meaning", "probabilities", "row_losses"]

#: So many outputs of a row, and so many rows in one sum, are written out.
TERMS = 4
#: A probability that is less than 1 by less than this is written as 1 minus something.
NEAR_ONE = 0.01

#: Writes what one output costs, with its numbers.
Term = Callable[[Any, float, float], str]


def _gap(pred: float, target: float) -> str:
    """Write a difference; of two numbers that are nearly alike with the digits in which they differ."""
    size, gap = max(abs(pred), abs(target)), abs(pred - target)
    alike = math.log10(size / gap) if gap and math.isfinite(size / gap) else 0.0
    digits = 4 + max(int(alike) - 1, 0)
    return f"{number(pred, digits=digits)} - {behind(target, digits=digits)}"


def _log(log: float) -> str:
    """Write the logarithm of a probability, which may be too near to 0 or 1 to be told from it."""
    p, rest = math.exp(log), -math.expm1(log)
    if not p:
        return f"ln(exp({number(log)}))"
    return f"ln(1 - {number(rest)})" if 0.0 < rest < NEAR_ONE else f"ln({number(p)})"


def _huber(loss: Huber, pred: float, target: float) -> str:
    if abs(pred - target) <= loss.delta:
        return f"0.5*({_gap(pred, target)})²"
    delta = number(loss.delta)
    return f"{delta}*(|{_gap(pred, target)}| - 0.5*{delta})"


def _quantile(loss: Quantile, pred: float, target: float) -> str:
    if pred > target:
        return f"{number(1 - loss.q)}*({_gap(pred, target)})"
    return f"{number(loss.q)}*({_gap(target, pred)})"


def _binary(loss: BinaryCrossEntropy, pred: float, target: float) -> str:
    smooth = loss.label_smoothing
    target = target * (1 - smooth) + 0.5 * smooth
    # From the logit itself, which loses nothing where p is nearly 0 or 1.
    p, q = (_log(float(-np.logaddexp(0.0, logit))) for logit in (-pred, pred))
    if target in (0.0, 1.0):
        return f"-{p if target else q}"
    return f"-({number(target)}*{p} + {number(1 - target)}*{q})"


def _poisson(_: Loss, pred: float, target: float) -> str:
    return f"(exp({number(pred)}) - {number(target)}*{behind(pred)})"


#: Of losses that are an average over outputs: the formula of one output, and the same with numbers.
POINTWISE: dict[type[Loss], tuple[str, Term]] = {
    MeanSquaredError: ("(answer - target)²", lambda _, p, t: f"({_gap(p, t)})²"),
    MeanAbsoluteError: ("|answer - target|", lambda _, p, t: f"|{_gap(p, t)}|"),
    Huber: ("0.5*gap² if |gap| <= delta, else delta*(|gap| - 0.5*delta)", _huber),
    Quantile: ("q*(target - answer) if too low, (1 - q)*(answer - target) if too high", _quantile),
    PoissonNLL: ("exp(answer) - target*answer", _poisson),
    Hinge: ("max(0, 1 - target*answer)", lambda _, p, t: f"max(0, 1 - {behind(t)}*{behind(p)})"),
    BinaryCrossEntropy: ("-(target*ln p + (1 - target)*ln(1 - p)), p = sigmoid(answer)", _binary),
}  # fmt: skip


def formula(loss: Loss) -> str:
    """Write the formula of a loss.

    Parameters
    ----------
    loss : Loss
        Any; of one of the user's own only its name is known.

    Returns
    -------
    str

    Examples
    --------
    >>> formula(MeanSquaredError())
    'mean of (answer - target)²'
    """
    if type(loss) is Masked:
        return f"{formula(loss.loss)}, and 0 where the target is missing"
    if isinstance(loss, BinaryCrossEntropy) and loss.pos_weight is not None:
        return "mean of -(pos_weight*target*ln p + (1 - target)*ln(1 - p)), p = sigmoid(answer)"
    if type(loss) in POINTWISE:
        return f"mean of {POINTWISE[type(loss)][0]}"
    if type(loss) is SoftmaxCrossEntropy:
        smoothed = " (with label smoothing, of all classes)" if loss.label_smoothing else ""
        return f"mean of -ln(probability of the true class){smoothed}, probabilities = softmax(answers)"
    if type(loss) is GaussianNLL:
        return "mean of (s + (m - target)²/exp(s))/2, with the answers m and s = log-variance"
    if type(loss) is SequenceLoss:
        return f"of each row, the mean over its steps that are no padding of: {formula(loss.loss)}"
    if type(loss) is MultiTaskLoss:
        parts = (f"{_times(task)}{name}: {formula(task.loss)}" for name, task in loss.tasks.items())
        return f"sum of {'; '.join(parts)}; nothing where the target is missing"
    return "a loss of your own"


def _times(task: Task) -> str:
    return "" if task.weight == 1 else f"{number(task.weight)}*"


def meaning(loss: Loss) -> str:
    """Say what the prediction means to a loss.

    Parameters
    ----------
    loss : Loss
        Any.

    Returns
    -------
    str

    Examples
    --------
    >>> meaning(PoissonNLL())
    'the logarithm of the expected count'
    """
    if isinstance(loss, MultiTaskLoss):
        return "; ".join(f"of {name} {meaning(task.loss)}" for name, task in loss.tasks.items())
    inner = loss.loss if isinstance(loss, Masked) else loss
    known = {
        SoftmaxCrossEntropy: "logits: scores that softmax turns into probabilities",
        BinaryCrossEntropy: "logits: scores that sigmoid turns into probabilities",
        Hinge: "scores: below 0 is class -1, above 0 is class +1",
        PoissonNLL: "the logarithm of the expected count",
        GaussianNLL: "the means, and behind them the logarithms of the variances",
    }
    return known.get(type(inner), "the answer itself")


def probabilities(loss: Loss, pred: Array) -> Array | None:
    """Turn logits into probabilities, if the loss says how.

    Parameters
    ----------
    loss : Loss
        Any.
    pred : ndarray of shape (rows, outputs)
        The prediction.

    Returns
    -------
    ndarray of shape (rows, outputs) or None

    Examples
    --------
    >>> probabilities(BinaryCrossEntropy(), np.array([[0.0]]))
    array([[0.5]])
    """
    inner = loss.loss if isinstance(loss, Masked) else loss
    if isinstance(inner, SoftmaxCrossEntropy):
        found: Array = np.exp(log_softmax(pred))
        return found
    return sigmoid(pred) if isinstance(inner, BinaryCrossEntropy) else None


def row_losses(loss: Loss, pred: Array, target: AnyArray) -> list[float] | None:
    """Compute the loss of each row alone.

    Parameters
    ----------
    loss : Loss
        Any.
    pred : ndarray of shape (rows, outputs)
        The prediction.
    target : ndarray
        The targets, one for each row.

    Returns
    -------
    list of float or None
        None for a loss of the user's own that does not take single rows.

    Examples
    --------
    >>> row_losses(MeanSquaredError(), np.array([[1.0], [3.0]]), np.array([[0.0], [0.0]]))
    [1.0, 9.0]
    """
    try:
        return [
            float(loss.value_and_grad(pred[row : row + 1], target[row : row + 1], None)[0])
            for row in range(len(pred))
        ]
    except Exception:
        if is_ours(type(loss)):
            raise
        return None  # a loss of the user's own may need the whole batch


def fill_in(
    loss: Loss, pred: Array, target: AnyArray, weight: Array | None, rows: list[float] | None, value: float
) -> tuple[str, list[str]]:
    """Write the formula of a loss with the numbers of a batch.

    Parameters
    ----------
    loss : Loss
        Any.
    pred : ndarray of shape (rows, outputs)
        The prediction.
    target : ndarray
        The targets.
    weight : ndarray of shape (rows,) or None
        How much each row counts.
    rows : list of float or None
        The loss of each row.
    value : float
        The loss.

    Returns
    -------
    whole : str
        How the loss comes about.
    each : list of str
        How the loss of each row comes about.

    Examples
    --------
    >>> pred, target = np.array([[0.5, 2.0]]), np.array([[0.0, 1.0]])
    >>> fill_in(MeanSquaredError(), pred, target, None, [0.625], 0.625)[0]
    '((0.50 - 0)² + (2 - 1)²) / 2 = 0.6250'
    """
    total = result(value)
    if rows is None:
        return f"{loss} says {total}", []
    each = [f"{_row(loss, *pair)} {result(cost)}" for *pair, cost in zip(pred, target, rows, strict=True)]
    if len(rows) == 1:
        return each[0], each
    if weight is None:
        whole = f"({_sum([result(one) for one in rows])}) / {len(rows)} = {total}"
        expected = float(np.mean(rows))
    else:
        pairs = zip(weight.tolist(), rows, strict=True)
        shown = [f"{number(share)}*{result(one)}" for share, one in pairs]
        whole = f"({_sum(shown)}) / {number(float(weight.sum()))} = {total}"
        expected = float(weight @ np.asarray(rows) / (weight.sum() or 1.0))
    if not np.isclose(expected, value, rtol=1e-3, atol=1e-6):  # of a loss of the user's own it need not be
        return f"{loss} says {total} for all rows together", each
    return whole, each


def _row(loss: Loss, pred: Array, target: Any) -> str:
    """Write what one row costs, up to the result."""
    written = _cost(loss, pred, target)
    return f"{loss} says" if written is None else f"{written} ="


def _cost(loss: Loss, pred: Array, target: Any) -> str | None:
    """Write what one row costs; None of a loss of which only the name is known."""
    if type(loss) is SoftmaxCrossEntropy:
        return _softmax(loss, pred, target)
    if type(loss) is GaussianNLL:
        return _gaussian(pred, target)
    if type(loss) is MultiTaskLoss:
        costs = [(task, _task(task, pred, target)) for task in loss.tasks.values()]
        if any(cost is None for _, cost in costs):
            return None
        return _sum([f"{_times(task)}({cost})" if _times(task) else f"{cost}" for task, cost in costs])
    inner = loss.loss if type(loss) is Masked else loss
    if type(inner) not in POINTWISE or getattr(inner, "pos_weight", None) is not None:
        return None
    term = POINTWISE[type(inner)][1]
    goals = np.ravel(target).astype(float).tolist()
    terms = [
        "0 (missing)" if math.isnan(goal) else term(inner, answer, goal)
        for answer, goal in zip(pred.tolist(), goals, strict=True)
    ]
    return _mean(terms)


def _task(task: Task, pred: Array, target: Any) -> str | None:
    some, goals, there = task.select(pred[None], target[None])
    return _cost(task.loss, some[0], goals[0]) if there[0] else "0 (missing)"


def _mean(terms: list[str]) -> str:
    return terms[0] if len(terms) == 1 else f"({_sum(terms)}) / {len(terms)}"


def _sum(terms: list[str]) -> str:
    return " + ".join(terms[:TERMS]) + (" + ..." if len(terms) > TERMS else "")


def _softmax(loss: SoftmaxCrossEntropy, pred: Array, target: Any) -> str:
    logs = log_softmax(pred.astype(np.float64))
    goal = np.zeros(len(pred))
    if np.ndim(target) == 0:
        goal[int(target)] = 1.0
    else:
        goal[:] = target
    goal = goal * (1 - loss.label_smoothing) + loss.label_smoothing / len(pred)
    chosen = np.flatnonzero(goal)
    if len(chosen) == 1 and goal[chosen[0]] == 1.0:
        return f"-{_log(float(logs[chosen[0]]))}"
    return f"-({_sum([f'{number(float(goal[index]))}*{_log(float(logs[index]))}' for index in chosen])})"


def _gaussian(pred: Array, target: Any) -> str:
    columns = len(pred) // 2
    goals = np.ravel(target).tolist()
    terms = [
        f"({number(s)} + ({_gap(m, goal)})²/exp({number(s)}))/2"
        for m, s, goal in zip(pred[:columns].tolist(), pred[columns:].tolist(), goals, strict=True)
    ]
    return _mean(terms)
