"""What a net would score that knows nothing: an even guess, or the best answer that is always the same."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from nnlite.core.aliases import AnyArray, Array
from nnlite.core.cross_entropy import SoftmaxCrossEntropy
from nnlite.core.losses import Loss, PointwiseLoss
from nnlite.inspect.float64_copy import Float64Copy, paid
from nnlite.inspect.numbers import number, plain
from nnlite.losses import Hinge, Masked
from nnlite.losses.binary_cross_entropy import BinaryCrossEntropy
from nnlite.sweeps.evidence import best_constant

__all__ = ["baseline"]

#: So many outputs of the best constant answer are named.
NAMED = 4


def baseline(loss: Loss, net: Float64Copy, pred: Array) -> dict[str, Any]:
    """Measure what a net would score that knows nothing.

    Parameters
    ----------
    loss : Loss
        What is measured.
    net : Float64Copy
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
    >>> net = Float64Copy(model, np.ones((2, 1)), np.array([0, 2]), None, nn.SoftmaxCrossEntropy())
    >>> baseline(nn.SoftmaxCrossEntropy(), net, np.zeros((2, 3)))["text"]
    'an even guess between 3 classes, ln 3'
    """
    inner = loss.loss if isinstance(loss, Masked) else loss
    even = _even_guess(inner, pred.shape[-1])
    if even is not None and inner is not loss:
        even += "; 0 where the target is missing"
    with np.errstate(all="ignore"):
        if even is not None:
            value = paid(loss, np.zeros(pred.shape), net.y, net.weight)
            return {"value": plain(value), "text": even}
        if not _differ(net.y):
            # One constant fits them all, and that is no sign of knowing anything.
            answer = net.predict(np.zeros_like(net.start))
            value = paid(loss, answer, net.y, net.weight)
            text = f"a net whose weights are all 0, which answers {_list(answer[0])}"
            return {"value": plain(value), "text": text}
        value, constant = best_constant(loss, net.y, net.weight, pred.shape, _starts(loss, net, pred.shape))
    if not math.isfinite(value):
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


def _starts(loss: Loss, net: Float64Copy, shape: tuple[int, ...]) -> Iterator[Array]:
    """Give constant answers from which the best one is looked for."""
    yield np.zeros(shape[1:])
    if net.y.shape == shape:
        yield _middle(net.y, net.weight)
        if isinstance(loss, PointwiseLoss):
            yield _best_targets(loss, net)


def _middle(target: Array, weight: Array | None) -> Array:
    """Return the mean of each column, without what is missing."""
    share = np.ones(len(target)) if weight is None else weight
    there = ~np.isnan(target) * share[:, None]
    count = np.maximum(there.sum(axis=0), np.finfo(float).tiny)
    middle: Array = (np.nan_to_num(target) * there).sum(axis=0) / count
    return middle


def _best_targets(loss: PointwiseLoss, net: Float64Copy) -> Array:
    """Return for each column the target that is the best constant answer, as losses with kinks have it."""
    share = np.ones(len(net.y)) if net.weight is None else net.weight
    columns = []
    for column in net.y.T:
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
