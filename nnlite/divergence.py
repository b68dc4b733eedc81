"""Divergence: when the loss is no number any more, say where it happened and what it most likely was."""

from __future__ import annotations

import numpy as np

from nnlite._typing import AnyArray, Array
from nnlite.errors import DivergenceError
from nnlite.model import Sequential

__all__ = ["explain"]

#: Inputs or targets above this are taken for data that were never scaled.
LARGE_DATA = 1e4
#: Weights that are this many times as large as at the start, and loss that has grown so much, blame the rate.
GROWTH = 10.0


def explain(
    model: Sequential,
    x: Array,
    y: AnyArray,
    *,
    where: str,
    rate: float | None,
    start_size: float,
    losses: tuple[float, float] | None,
) -> DivergenceError:
    """Make the error for a batch whose loss is not finite.

    Parameters
    ----------
    model : Sequential
        With the weights that gave the loss.
    x : ndarray of shape (batch, features)
        The input of the batch.
    y : ndarray
        Its targets.
    where : str
        Names epoch and batch.
    rate : float or None
        The learning rate; None if there is none.
    start_size : float
        Largest weight, by its size, when training began.
    losses : (float, float) or None
        First and last finite loss; None if the first one was not finite.

    Returns
    -------
    DivergenceError
        With the first layer whose output is not finite and the likely cause: data, rate
        or overflow.
    """
    with np.errstate(all="ignore"):
        culprit = "the loss itself; the outputs of all layers are finite"
        for index, output in enumerate(model.activations(x)):
            if not np.isfinite(output).all():
                culprit = f"layer {index} {model.layers[index]}"
                break
        size = _size(model.params.values)
        largest = max(_size(x), _size(y))
    weights_grew = not size < GROWTH * max(start_size, 1.0)
    loss_grew = losses is not None and losses[1] > GROWTH * max(losses[0], 1.0)
    dtype = model.params.dtype.name
    if largest > LARGE_DATA:
        cause = f"data that were never scaled: the batch holds numbers of size {largest:.3g}"
        fix = "Start the model with Standardize(features), and scale the targets"
    elif rate is not None and losses is not None and (weights_grew or loss_grew):
        cause = f"a learning rate that is too large, {rate:g}"
        fix = f"Try {rate / 10:g}, or clip_norm=1.0"
    else:
        cause = f"an overflow of {dtype}, with weights of size {size:.3g}"
        fix = "Use dtype=np.float64, or smaller initial weights"
    return DivergenceError(
        where,
        "a finite loss",
        f"one that is not, first in {culprit}; the likely cause is {cause}",
        f"{fix}. The model is back at weights that gave a finite loss, if there were any.",
    )


def _size(array: AnyArray) -> float:
    return float(np.max(np.abs(array), initial=0.0))
