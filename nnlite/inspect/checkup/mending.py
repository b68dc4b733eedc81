"""What `fit` refuses, mended: the rest is examined as if the first advice had been followed."""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

import numpy as np

from nnlite.core.aliases import AnyArray
from nnlite.core.cross_entropy import SoftmaxCrossEntropy
from nnlite.core.losses import Loss, MeanSquaredError
from nnlite.core.optimizers import Optimizer
from nnlite.data.checks import check_rows
from nnlite.data.conversion import is_sparse
from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.inspect.checkup.codes import rank
from nnlite.inspect.checkup.diagnosis import Finding
from nnlite.inspect.checkup.patient import Patient
from nnlite.inspect.checkup.task import ending, targets_for, task_of
from nnlite.layers import Dense, Layer
from nnlite.losses.binary_cross_entropy import BinaryCrossEntropy
from nnlite.model import Sequential

__all__ = ["Mended", "as_given", "mend", "mended"]

#: What can be mended to look at the rest.
MENDED = {"NN104", "NN201", "NN202", "NN210", "NN211", "NN212", "NN215"}


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


def mend(patient: Patient, findings: list[Finding], raw: AnyArray) -> AnyArray | None:
    """Follow the advice about what is refused, on the copies, so that the rest can be examined too.

    Parameters
    ----------
    patient : Patient
        Its model and loss are replaced.
    findings : list of Finding
        What is refused. The first cause then says that the rest was examined with it mended.
    raw : ndarray
        The targets, as they were given.

    Returns
    -------
    ndarray or None
        The targets as the loss takes them; None if nobody can tell how, and nothing is changed then.
    """
    codes = {one.code for one in findings}
    if not codes <= MENDED:
        return None
    target = raw
    if codes != {"NN215"}:
        other = mended(patient.model, patient.loss, raw)
        if other is None:
            return None
        patient.model, patient.loss, target = other
    if not patient.model.params.trainable_slices:
        patient.model.unfreeze()
    patient.trained, patient.history = False, None
    if isinstance(patient.optimizer, Optimizer):
        patient.optimizer.reset()
    at = min(range(len(findings)), key=lambda at: rank(findings[at].code, trained=False))
    findings[at] = findings[at]._replace(
        message=f"{findings[at].message} The rest is examined with that mended.",
        evidence=findings[at].evidence | {"mended": True},
    )
    return target


def as_given(y: Any, x: Any, rows: int | None) -> AnyArray | None:
    """Return targets as an array, before any loss has seen them.

    Parameters
    ----------
    y : array-like
        The targets.
    x : ndarray
        The input, checked.
    rows : int or None
        How many were read of a file.

    Returns
    -------
    ndarray or None
        Numbers or names; None for anything else, or if there is not one for each row.

    Examples
    --------
    >>> as_given(["cat", "dog"], np.zeros((2, 1)), None)
    array(['cat', 'dog'], dtype='<U3')
    """
    try:
        array = check_rows("y", y)
    except (ArgumentError, ArgumentTypeError):
        array = np.asarray(y, dtype=object) if not is_sparse(y) else np.empty(0)
        if not array.size or not all(isinstance(one, str) for one in array.flat):
            return None
        array = array.astype(str)
    array = array if rows is None else array[:rows]
    return array if array.shape[:1] == x.shape[:1] else None
