"""What losses are held against: the best constant answer, and the least that any answer can have."""

from __future__ import annotations

import math

import numpy as np

from nnlite._typing import AnyArray, Array
from nnlite.inspect.checkup.given import Data
from nnlite.losses import BinaryCrossEntropy, GaussianNLL, Loss, Masked, PoissonNLL, SoftmaxCrossEntropy
from nnlite.model import Sequential
from nnlite.sweeps.evidence import average_loss

__all__ = ["best_constant", "least"]


def best_constant(model: Sequential, data: Data, loss: Loss) -> float:
    """Return the loss of the best answer that is the same for every row.

    Parameters
    ----------
    model : Sequential
        Says how many numbers an answer has.
    data : Data
        Rows with targets.
    loss : Loss
        What is computed.

    Returns
    -------
    float
    """
    # The answer does not depend on the input, which may be sparse and have no length.
    row = np.zeros((1, *data.x.shape[1:]), model.params.dtype)
    return average_loss(model, np.broadcast_to(row, data.x.shape), data.y, data.weight, loss)


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
    if isinstance(loss, Masked):
        loss = loss.loss
    if isinstance(loss, GaussianNLL):
        return None
    if isinstance(loss, SoftmaxCrossEntropy):
        smooth = loss.label_smoothing
        if y.ndim == 1:
            true, other = 1 - smooth + smooth / outputs, smooth / outputs
            return _surprise(true) + (outputs - 1) * _surprise(other)
        each = outputs * _surprises(y * (1 - smooth) + smooth / outputs)
    elif isinstance(loss, BinaryCrossEntropy):
        target = y * (1 - loss.label_smoothing) + 0.5 * loss.label_smoothing
        yes = target if loss.pos_weight is None else target * np.asarray(loss.pos_weight)
        both = np.maximum(yes + 1 - target, np.finfo(np.float64).tiny)
        each = both * (_surprises(yes / both) + _surprises((1 - target) / both))
    elif isinstance(loss, PoissonNLL):
        each = y + _surprises(y)
    else:
        return 0.0
    # A target that is missing adds nothing.
    return float(np.average(np.where(np.isnan(each), 0, each).mean(axis=-1), weights=weight))


def _surprise(chance: float) -> float:
    return -chance * math.log(chance) if chance > 0 else 0.0


def _surprises(chances: AnyArray) -> AnyArray:
    """Return -p log p, which is 0 at 0."""
    safe = np.where(chances > 0, chances, 1).astype(np.float64)
    surprises: AnyArray = -safe * np.log(safe)
    return surprises
