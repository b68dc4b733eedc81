"""Admission: what the doctor is given, checked as `fit` checks it, and copied."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from nnlite.checks.inputs import column_names
from nnlite.checks.nets import check_net
from nnlite.core.aliases import AnyArray
from nnlite.core.losses import Loss
from nnlite.core.optimizers import Optimizer
from nnlite.data.batching import check_reiterable, is_maker, is_reiterable
from nnlite.data.conversion import is_frame, is_sparse
from nnlite.data.lazy import Blockwise, join
from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.errors.checks import check_bool
from nnlite.inspect.checkup import refusals
from nnlite.inspect.checkup.diagnosis import Finding
from nnlite.inspect.checkup.given import Data, take
from nnlite.inspect.checkup.mending import as_given, mend
from nnlite.inspect.checkup.patient import SAMPLE, Patient
from nnlite.model import Sequential
from nnlite.optimizers.second_order import FullBatchOptimizer
from nnlite.training.class_weights import ClassWeights, balanced
from nnlite.training.fit import _check_optimizer, _refuse_rows_alone
from nnlite.training.history import History
from nnlite.training.sources import Stream

__all__ = ["admit", "check_pair"]

#: Rows in a batch where nothing is said, as in `fit`.
USUAL_BATCH = 32


def admit(
    model: Any,
    X: Any,
    y: Any,
    loss: Any,
    optimizer: Any,
    *,
    weight: Any,
    class_weight: Any,
    validation: Any,
    trained: bool | None,
    asked: dict[str, Any],
    history: Any = None,
) -> tuple[Patient, list[Finding]]:
    """Check what was given, and copy it; what `fit` would refuse becomes findings.

    Parameters
    ----------
    model, X, y, loss, optimizer, weight, class_weight, validation, trained, history
        As in `doctor`.
    asked : dict
        As `History.settings` has them; of `class_weight` and `batch_size` they say what is not given.

    Returns
    -------
    patient : Patient
    findings : list of Finding
    """
    where = "doctor"
    if not isinstance(model, Sequential):
        raise ArgumentTypeError(f"{where}(model)", "a Sequential", _kind(model), "Give the model itself.")
    check_net(where, model)
    if not isinstance(loss, Loss):
        model.boundary.check_loss(loss)
    if not isinstance(optimizer, Optimizer | FullBatchOptimizer):
        _check_optimizer(model, optimizer, loss)
    if history is not None and not isinstance(history, History):
        fix = "Give what fit returned."
        raise ArgumentTypeError(f"{where}(history=)", "a History", _kind(history), fix)
    if trained is not None:
        trained = check_bool(f"{where}(trained=)", trained)
    else:
        trained = bool(history) or bool(getattr(optimizer, "steps", 0))
    held_out = check_pair(f"{where}(validation=)", validation)

    class_weight = asked.get("class_weight") if class_weight is None else class_weight
    batch_size = asked.get("batch_size") or USUAL_BATCH
    if isinstance(class_weight, Mapping):
        asked = asked | {"class_weight": class_weight}
    patient = Patient(model, optimizer, loss, batch_size, trained=trained, history=history, settings=asked)
    findings: list[Finding] = []
    if patient.model.feature_names is None and patient.model.preprocessing is None:
        names = column_names(X)
        if names is not None and patient.model.input_shape == (len(names),) and len(set(names)) == len(names):
            patient.model.feature_names = names
    batches, given = y is None and _is_batches(X), X
    try:
        if batches:
            patient.settings = patient.settings | {"shuffle": False}  # they come in the order of their maker
            X, y, weight = _gathered(patient.model, X, loss, "doctor(X)")
        x, kept = _input(patient.model, X, "X")
    except (ArgumentError, ArgumentTypeError) as error:
        return patient, [refusals.refused_input(error, given)]
    raw, outputs = as_given(y, x, kept), patient.model.boundary.pred_shape(x)[-1]
    findings += _refusals(patient, model, optimizer, raw, outputs)
    refused = bool(findings)
    if batch_size == 1:
        try:
            _refuse_rows_alone(model)
        except ArgumentError as error:
            found = refusals.refused(error, "NN209")
            findings.append(found._replace(fix=f"Write batch_size={USUAL_BATCH}. {found.fix}"))
            patient.batch_size = USUAL_BATCH  # to look at the rest
            patient.settings = {name: value for name, value in asked.items() if name != "epochs"}
    target = shares = classes = None
    try:
        target, shares = _targets(patient, y, weight, x, kept)
        if class_weight is not None and not refused:
            classes = ClassWeights(class_weight, loss, outputs, counted=not batches)
            if classes.balanced:
                classes.table = balanced(classes.sums(target, shares))
            shares = classes.applied(target, shares, patient.model.params.dtype)
    except (ArgumentError, ArgumentTypeError) as error:
        found = refusals.refused_targets(error, patient.model, loss, raw, outputs)
        findings += [] if found.code in [one.code for one in findings] else [found]
    whole = mend(patient, findings, raw) if findings and raw is not None else None
    if whole is not None:
        try:
            target, shares = _targets(patient, whole, None, x, None)
            loss, refused = patient.loss, False
        except (ArgumentError, ArgumentTypeError):
            whole = None
    rows = _counting(Data(x, None if refused else target, shares))
    try:
        patient.model._adapt(lambda: iter([(rows.x, rows.weight)]))
    except (ArgumentError, ArgumentTypeError) as error:
        return patient, [refusals.refused(error, "NN103")]
    patient.data = rows
    if isinstance(optimizer, FullBatchOptimizer) and not asked.get("batch_size"):
        patient.batch_size = max(1, rows.x.shape[0])
    patient.settle_schedule()
    if held_out is not None:
        try:
            if held_out[1] is None:
                held_out = _gathered(patient.model, held_out[0], loss, "X")
            other, kept = _input(patient.model, held_out[0], "validation X")
            patient.held_out = Data(other, None, None)
            if whole is not None:
                return patient, findings
            target, shares = _targets(patient, held_out[1], held_out[2], other, kept)
            if classes is not None:
                shares = classes.applied(target, shares, patient.model.params.dtype)
            patient.held_out = _counting(Data(other, None if refused else target, shares))
        except (ArgumentError, ArgumentTypeError) as error:
            findings.append(refusals.refused(error.within("validation"), "NN104"))
    return patient, findings


def _counting(data: Data) -> Data:
    """Leave out the rows of weight 0, which count as no rows."""
    return data if data.weight is None or data.weight.all() else take(data, np.flatnonzero(data.weight))


def _is_batches(candidate: Any) -> bool:
    """Tell what `fit` takes for batches rather than for arrays."""
    if is_frame(candidate) or is_sparse(candidate):
        return False
    if isinstance(candidate, tuple | list):
        return all(isinstance(part, tuple) for part in candidate)
    return is_maker(candidate) or is_reiterable(candidate)


def _gathered(model: Sequential, batches: Any, loss: Loss, where: str) -> tuple[Any, Any, Any]:
    """Read batches until there are as many rows as are looked at."""
    parts, count = [], 0
    for part in Stream(model, check_reiterable(where, batches), loss, where=where):
        parts.append(part)
        count += part[0].shape[0]
        if count >= SAMPLE:
            break
    x, y, weight = (None if rows[0] is None else join(list(rows)) for rows in zip(*parts, strict=True))
    return tuple(take(Data(x, y, weight), np.arange(min(count, SAMPLE))))


def _refusals(
    patient: Patient, model: Sequential, optimizer: Any, raw: AnyArray | None, outputs: int
) -> Iterator[Finding]:
    """Tell what `fit` would refuse about loss and optimizer."""
    loss = patient.loss
    try:
        model.boundary.check_loss(loss)
    except (ArgumentError, ArgumentTypeError) as error:
        yield refusals.refused_loss(error, model, loss, raw, outputs)
        return
    try:
        _check_optimizer(model, optimizer, loss)
    except (ArgumentError, ArgumentTypeError) as error:
        yield refusals.refused_optimizer(error, model)


def _targets(patient: Patient, y: Any, weight: Any, x: Any, rows: int | None) -> tuple[Any, Any]:
    edge = patient.model.boundary
    if rows is not None:  # as many as were read of a file
        y = y[:rows]
        weight = None if weight is None else weight[:rows]
    raw = edge.check_target_rows(y, x)
    patient.integers = raw.dtype.kind in "iub"
    return edge.check_targets(raw, weight, patient.loss, x)


def _input(model: Sequential, X: Any, where: str) -> tuple[Any, int | None]:
    """Check an input; of one that is not in memory, read as many rows as are looked at."""
    blocks = model.boundary.in_blocks(X, where=where)
    if not isinstance(blocks, Blockwise):
        return model.boundary.check_input(X, where=where, finite=True), None
    first = next(iter(blocks))
    return first, len(first)


def check_pair(where: str, validation: Any) -> tuple[Any, Any, Any] | None:
    """Return validation data as (X, y, weight).

    Parameters
    ----------
    where : str
        Names them in the message.
    validation : tuple, re-iterable of batches, float or None
        The candidate; of batches, y and weight are None.
        A float is a part of the training rows, which `fit` draws: there are none to look at.

    Returns
    -------
    tuple or None
    """
    if validation is None or isinstance(validation, float):
        return None
    if not isinstance(validation, tuple) and _is_batches(validation):
        return validation, None, None
    if not isinstance(validation, tuple) or len(validation) not in (2, 3):
        raise ArgumentTypeError(
            where, "(X, y) or (X, y, weight)", _kind(validation), "Give a tuple of arrays."
        )
    return (*validation, None)[:3]


def _kind(value: Any) -> str:
    return f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__
