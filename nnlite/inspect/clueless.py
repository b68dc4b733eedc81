"""What a net would score that knows nothing: an even guess, or the best answer that is always the same."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nnlite.core.cross_entropy import SoftmaxCrossEntropy
from nnlite.core.losses import Loss, PointwiseLoss
from nnlite.core.types import AnyArray, Array
from nnlite.inspect.numbers import number
from nnlite.inspect.twin import Twin
from nnlite.losses import Hinge, Masked
from nnlite.losses.binary_cross_entropy import BinaryCrossEntropy

__all__ = ["clueless"]

#: So many outputs of the best constant answer are named.
NAMED = 4


def clueless(loss: Loss, twin: Twin, pred: Array) -> dict[str, Any]:
    """Measure what a net would score that knows nothing.

    Parameters
    ----------
    loss : Loss
        What is measured.
    twin : Twin
        The net and the batch.
    pred : ndarray of shape (rows, outputs)
        The prediction, of which only the shape counts.

    Returns
    -------
    dict
        ``"value"``, a float or None if there is no such answer, and ``"text"``.

    Examples
    --------
    >>> import nnlite as nn
    >>> model = nn.Sequential([nn.Dense(1, 3)], rng=0)
    >>> twin = Twin(model, np.ones((2, 1)), np.array([0, 2]), None, nn.SoftmaxCrossEntropy())
    >>> clueless(nn.SoftmaxCrossEntropy(), twin, np.zeros((2, 3)))["text"]
    'an even guess between 3 classes, ln 3'
    """
    inner = loss.loss if isinstance(loss, Masked) else loss
    even = _even_guess(inner, pred.shape[-1])
    if even is not None and inner is not loss:
        even += "; 0 where the target is missing"
    with np.errstate(all="ignore"):
        if even is not None:
            zeros = np.zeros(pred.shape)
            return {"value": _value(loss, zeros, twin), "text": even}
        if not _differ(twin.y):
            # One constant fits them all, and that is no sign of knowing anything.
            answer = twin.predict(np.zeros_like(twin.start))
            value = _value(loss, answer, twin)
            return {
                "value": value,
                "text": f"a net whose weights are all 0, which answers {_list(answer[0])}",
            }
        value, constant = _best_constant(loss, twin, pred.shape)
    if value is None or constant is None:
        return {"value": None, "text": "no constant answer with a finite loss was found"}
    return {"value": value, "text": f"the best constant answer, {_list(constant)}"}


def _even_guess(loss: Loss, outputs: int) -> str | None:
    if type(loss) is SoftmaxCrossEntropy:
        return f"an even guess between {outputs} classes, ln {outputs}"
    if type(loss) is BinaryCrossEntropy and loss.pos_weight is None:
        return "an even guess between yes and no, ln 2"
    if type(loss) is Hinge:
        return "an answer of 0, undecided between -1 and +1"
    return None


def _differ(target: AnyArray) -> bool:
    """Tell whether the rows have targets that differ."""
    first = target[:1]
    return not np.array_equal(
        target, np.broadcast_to(first, target.shape), equal_nan=target.dtype.kind == "f"
    )


def _value(loss: Loss, pred: Array, twin: Twin) -> float | None:
    try:
        value = float(loss.value_and_grad(pred, twin.y, twin.weight)[0])
    except ArithmeticError:  # a loss of the user's own may use Python's mathematics
        return None
    return value if math.isfinite(value) else None


def _best_constant(loss: Loss, twin: Twin, shape: tuple[int, ...]) -> tuple[float | None, Array | None]:
    """Find the constant answer with the lowest loss: down the slope, and among the targets."""
    from scipy.optimize import minimize

    def value_and_slope(answer: Array) -> tuple[float, Array]:
        try:
            value, grad = loss.value_and_grad(np.broadcast_to(answer, shape).copy(), twin.y, twin.weight)
        except ArithmeticError:
            return math.inf, np.zeros(shape[1:])
        return float(value), grad.sum(axis=0)

    alike = twin.y.shape == shape
    starts: list[Array] = [np.zeros(shape[1:])]
    if alike:
        starts.append(_middle(twin.y, twin.weight))
        if isinstance(loss, PointwiseLoss):
            starts.append(_best_targets(loss, twin))
    best: tuple[float | None, Array | None] = None, None
    for start in starts:
        reached = minimize(value_and_slope, start, jac=True, method="L-BFGS-B").x
        for answer in (start, reached):
            value = value_and_slope(answer)[0]
            if math.isfinite(value) and (best[0] is None or value < best[0]):
                best = value, np.array(answer)
    return best


def _middle(target: Array, weight: Array | None) -> Array:
    """Return the mean of each column, without what is missing."""
    share = np.ones(len(target)) if weight is None else weight
    there = ~np.isnan(target) * share[:, None]
    count = np.maximum(there.sum(axis=0), np.finfo(float).tiny)
    middle: Array = (np.nan_to_num(target) * there).sum(axis=0) / count
    return middle


def _best_targets(loss: PointwiseLoss, twin: Twin) -> Array:
    """Return for each column the target that is the best constant answer, as losses with kinks have it."""
    share = np.ones(len(twin.y)) if twin.weight is None else twin.weight
    columns = []
    for column in twin.y.T:
        candidates = np.unique(column[~np.isnan(column)])
        if not candidates.size:
            columns.append(0.0)
            continue
        # Not all of many: first some that lie far apart, then those around the best of these.
        apart = math.ceil(math.sqrt(len(candidates)))
        coarse = apart * _cheapest(loss, candidates[::apart], column, share)
        near = candidates[max(coarse - apart, 0) : coarse + apart + 1]
        columns.append(float(near[_cheapest(loss, near, column, share)]))
    return np.array(columns)


def _cheapest(loss: PointwiseLoss, candidates: Array, column: Array, share: Array) -> int:
    """Return the place of the constant answer that costs least in one column of targets."""
    paid = np.array(
        [
            share @ loss.pointwise(np.full((len(column), 1), each), column[:, None])[0][:, 0]
            for each in candidates
        ]
    )
    return int(np.where(np.isnan(paid), np.inf, paid).argmin())


def _list(values: Array) -> str:
    shown = ", ".join(number(value) for value in values.ravel()[:NAMED].tolist())
    return shown + (", ..." if values.size > NAMED else "")
