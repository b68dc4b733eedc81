"""What `fit` refuses, mended: the rest is examined as if the first advice had been followed."""

from __future__ import annotations

import copy
from typing import NamedTuple

import numpy as np

from nnlite.core.aliases import AnyArray
from nnlite.core.cross_entropy import SoftmaxCrossEntropy
from nnlite.core.losses import Loss, MeanSquaredError
from nnlite.inspect.checkup.task import ending, targets_for, task_of
from nnlite.layers import Dense, Layer
from nnlite.losses.binary_cross_entropy import BinaryCrossEntropy
from nnlite.model import Sequential

__all__ = ["Mended", "mended"]


class Mended(NamedTuple):
    """A net that ends as its targets ask for, with the loss and the targets.

    Parameters
    ----------
    model : Sequential
        A copy.
    loss : Loss
        What suits the targets.
    y : ndarray
        What the loss takes.
    """

    model: Sequential
    loss: Loss
    y: AnyArray


def mended(model: Sequential, loss: Loss, y: AnyArray) -> Mended | None:
    """Do what the advice about a refused loss, or refused targets, says, on a copy.

    Parameters
    ----------
    model : Sequential
        The net.
    loss : Loss
        What was given.
    y : ndarray
        The targets, as they were given.

    Returns
    -------
    Mended or None
        None if nobody can tell how.

    Examples
    --------
    >>> from nnlite.layers import Sigmoid
    >>> model = Sequential([Dense(4, 8), Dense(8, 1), Sigmoid()])
    >>> found = mended(model, BinaryCrossEntropy(), np.array([3, 1, 2]))
    >>> found.model.layers, found.loss, found.y
    ((Dense(4, 8), Dense(8, 3)), SoftmaxCrossEntropy(), array([2, 0, 1]))
    """
    tail = ending(model)
    if y.ndim > 2 or (y.dtype.kind not in "USO" and not np.isfinite(y).all()):
        return None
    if tail is None or not all(stop.place.isdecimal() for stop in tail):
        return None
    task = task_of(y, classifies=loss.from_logits)
    if task.kind == "numbers" and not loss.from_logits:
        return None
    dense: Dense = tail[0].layer  # type: ignore[assignment]
    right: tuple[type[Loss], ...] = (BinaryCrossEntropy,)
    outputs = task.outputs
    if task.kind == "classes":
        right = (SoftmaxCrossEntropy,)
    elif task.kind == "numbers":
        right = (MeanSquaredError,)
    elif task.kind == "yes or no" and isinstance(loss, SoftmaxCrossEntropy) and dense.out_features == 2:
        right, outputs = (SoftmaxCrossEntropy,), 2
    target = targets_for(task, y)
    if outputs == 2 and task.kind == "yes or no":
        target = target[:, 0].astype(int)
    layers: list[Layer] = copy.deepcopy(list(model.layers[: int(tail[0].place) + 1]))
    if dense.out_features != outputs:
        layers[-1] = Dense(dense.in_features, outputs)
    rng = copy.deepcopy(model.rng)
    other = Sequential(layers, dtype=model.dtype, preprocessing=model.preprocessing, rng=rng)
    other.feature_names = model.feature_names
    return Mended(other, loss if isinstance(loss, right) else right[0](), target)
