"""The examination: all checks in their order, on copies."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from nnlite.checks.inputs import column_names
from nnlite.checks.nets import check_net
from nnlite.core.aliases import AnyArray
from nnlite.core.losses import Loss
from nnlite.core.optimizers import Optimizer
from nnlite.data.batching import check_reiterable, is_maker, is_reiterable
from nnlite.data.conversion import is_frame, is_sparse
from nnlite.data.lazy import Blockwise, join
from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.errors.checks import check_bool, check_integer
from nnlite.inspect.checkup import (
    after,
    columns,
    data,
    held_out,
    labels,
    last_layer,
    proof,
    rate,
    refusals,
    settings,
    start,
    structure,
    units,
)
from nnlite.inspect.checkup.causes import settle
from nnlite.inspect.checkup.diagnosis import Diagnosis, Finding
from nnlite.inspect.checkup.given import Data, take
from nnlite.inspect.checkup.mending import as_given, mend
from nnlite.inspect.checkup.patient import SAMPLE, Patient, Skip
from nnlite.model import Sequential
from nnlite.optimizers.second_order import FullBatchOptimizer
from nnlite.training.callbacks import Callback
from nnlite.training.class_weights import ClassWeights, balanced
from nnlite.training.fit import _check_callbacks, _check_optimizer
from nnlite.training.history import History
from nnlite.training.settings import call_text
from nnlite.training.sources import Stream

__all__ = [
    "BEGINNING",
    "END",
    "MEANWHILE",
    "THOROUGH",
    "admit",
    "check_pair",
    "doctor",
    "examine",
]


#: Why the other checks are not made.
FAILS = "a pass through the model fails"


#: A rule, which looks at a training and gives what it finds.
Rule = Callable[[Patient], Iterable[Finding]]

#: Checks that look at data, weights and one pass.
BEGINNING: dict[str, Rule] = {
    "features": data.features,
    "row numbers": columns.row_number,
    "the target among the features": columns.target_among_features,
    "names and dates as categories": columns.categories,
    "targets": data.targets,
    "classes": labels.classes,
    "equal rows with different labels": labels.repeats,
    "order of the rows": labels.sorted_rows,
    "rows in training and validation": held_out.leaks,
    "training beside validation features": held_out.validation,
    "loss and last layer": last_layer.last_layer,
    "activations between layers": structure.no_activation,
    "layers that blame comes through": structure.no_slope,
    "frozen layers": structure.frozen,
    "weights and loss are finite": start.finite,
    "neurons that are equal": start.symmetry,
    "loss at the start": start.start_loss,
}
#: Checks of what training changes from step to step.
MEANWHILE: dict[str, Rule] = {
    "dead and saturated neurons": units.units,
    "gradients layer by layer": units.gradients,
}
#: Checks of what has been learned, which train nothing.
END: dict[str, Rule] = {
    "weights and loss are finite": start.finite,
    "what simple rules see": labels.unrelated,
    "course of the loss": after.course,
    "better than a constant answer": after.answers,
    "training beside validation loss": after.gap,
}
#: Checks that train copies.
TRIALS: dict[str, Rule] = {
    "update-to-weight ratios": rate.updates,
    "gradient against differences": proof.wrong_gradient,
    "one batch by heart": start.one_batch,
    "better than a linear model": after.linear,
    "shorter steps where the loss bounces": rate.bounces,
    "schedule, clipping, momentum, dropout and decay": settings.settings,
    "a longer training": settings.length,
    "learning rate": rate.learning_rate,
}
THOROUGH = BEGINNING | MEANWHILE | END | TRIALS


def doctor(
    model: Sequential,
    X: Any,
    y: Any,
    loss: Loss,
    optimizer: Optimizer | FullBatchOptimizer,
    *,
    weight: Any = None,
    class_weight: Any = None,
    validation: Any = None,
    history: History | None = None,
    batch_size: int | None = None,
    epochs: int | None = None,
    shuffle: bool | Callable[[int], ArrayLike] | None = None,
    callbacks: Sequence[Callback] | None = None,
    trained: bool | None = None,
) -> Diagnosis:
    """Say what is wrong with a training, the likeliest cause first, with numbers and what to do.

    Call it before `fit`, with what `fit` will get, and after it, with the history too; `Doctor`
    is the same as a callback. What `fit` would refuse is a finding here. Everything is measured
    on copies: model, optimizer and their generators remain as they are.

    Parameters
    ----------
    model : Sequential
        One net.
    X : array-like of shape (rows, features)
        The input, as for `fit`.
    y : array-like
        The targets; None if X is a re-iterable of batches ``(x, y)``.
    loss : Loss
        What is lowered.
    optimizer : Optimizer or FullBatchOptimizer
        How it steps.
    weight : array-like of shape (rows,), optional
        How much each row counts, as for `fit`.
    class_weight : "balanced" or dict, optional
        How much the rows of each class count, as for `fit`.
    validation : tuple, optional
        ``(X, y)`` or ``(X, y, weight)``, as for `fit`, or a re-iterable of batches. Of a part of the
        training rows, such as 0.2, the history says what there is to say.
    history : History, optional
        What `fit` returned. It says what of the arguments below, and of `class_weight`, is not given.
    batch_size : int, optional
        Rows in one step, 32 by default.
    epochs : int, optional
        As for `fit`.
    shuffle : bool or callable, optional
        As for `fit`.
    callbacks : sequence of Callback, optional
        As for `fit`; none of them is called.
    trained : bool, optional
        Whether the model has been trained. By default it has if there is a history or the optimizer
        has made steps.

    Returns
    -------
    Diagnosis
        The findings, what was checked, and what could not be.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If model, loss, optimizer or history are none, the model has replicas, or an option cannot
        be used.

    Notes
    -----
    Up to 2,000 rows, drawn at random, are passed through the net; duplicates are looked for in all.
    Of a file or a dask array the first block is read, of batches the first that have so many rows.
    docs/doctor.md lists the codes; each has a page with the numbers that lead to it.

    References
    ----------
    A. Karpathy, "A Recipe for Training Neural Networks", 2019.
    Y. LeCun, L. Bottou, G. Orr and K.-R. Müller, "Efficient BackProp", 1998.

    Examples
    --------
    >>> import nnlite as nn
    >>> X, y = nn.datasets.iris()
    >>> model = nn.Sequential([nn.Dense(4, 16), nn.Tanh(), nn.Dense(16, 3)], rng=0)
    >>> found = doctor(model, 1000 * X, y, nn.SoftmaxCrossEntropy(), nn.Adam(0.01))
    >>> print(found[0])
    error NN101 unscaled-features: Column 0 reaches the first weights with a typical size of 5.9e+03;
    a net learns from numbers near 1. So neurons are saturated, and not even one batch can be learned by
    heart.
      -> Put Standardize(4) before layer 0 Dense(4, 16). (docs/doctor/NN101.md)
    """
    admitted = admit(
        model,
        X,
        y,
        loss,
        optimizer,
        weight=weight,
        class_weight=class_weight,
        validation=validation,
        history=history,
        asked=_asked(history, batch_size, epochs, shuffle, callbacks),
        trained=trained,
    )
    patient, _ = admitted
    if trained is None and not patient.trained and _exploded(patient):
        patient.trained = True
    return examine(*admitted, THOROUGH)


def _exploded(patient: Patient) -> bool:
    try:
        with np.errstate(all="ignore"):
            return patient.exploded
    except Exception:  # which a rule will meet too, and name
        return False


def _asked(history: Any, batch_size: Any, epochs: Any, shuffle: Any, callbacks: Any) -> dict[str, Any]:
    """Check what `fit` is to be called with, and put it over what it was called with."""
    given: dict[str, Any] = {}
    if batch_size is not None:
        given["batch_size"] = check_integer("doctor(batch_size=)", batch_size, low=1)
    if epochs is not None:
        given["epochs"] = check_integer("doctor(epochs=)", epochs, low=1)
    if shuffle is not None:
        given["shuffle"] = True if callable(shuffle) else check_bool("doctor(shuffle=)", shuffle)
    if callbacks is not None:
        given["callbacks"] = [call_text(one) for one in _check_callbacks(callbacks)]
    return (history.settings if isinstance(history, History) else {}) | given


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
    batch_size = asked.get("batch_size") or 32
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


def examine(patient: Patient, findings: list[Finding], checks: Mapping[str, Rule]) -> Diagnosis:
    """Make the checks.

    Parameters
    ----------
    patient : Patient
        Who is examined.
    findings : list of Finding
        What is known already.
    checks : dict of str to callable
        The rules by their titles.

    Returns
    -------
    Diagnosis
    """
    patient.found = found = list(findings)
    checked, skipped = ["input, targets, loss and optimizer as fit does"], {}
    with np.errstate(all="ignore"):  # what is no number any more is among what is looked for
        for title, rule in checks.items():
            try:
                found.extend(rule(patient))
                checked.append(title)
            except Skip as reason:
                skipped[title] = str(reason)
            except Exception as raised:
                # Of a layer or a loss of the user's own, if it refuses something or a step raises as well.
                is_refusal = isinstance(raised, ArgumentError | ArgumentTypeError)
                error = raised if is_refusal else _raised_by_a_step(patient)
                if error is None:
                    raise
                if all(one.code != "NN209" for one in found):
                    found.append(refusals.failed(error))
                skipped[title] = FAILS
    rows = 0 if patient.data is None else patient.data.x.shape[0]
    return Diagnosis(settle(found, patient), checked, skipped, rows=rows, trained=patient.trained)


def _raised_by_a_step(patient: Patient) -> Exception | None:
    """Make the pass of a step as `fit` does, on a copy, and return what it raises."""
    if patient.data is None or patient.data.y is None:
        return None
    model, rng = copy.deepcopy(patient.model), np.random.default_rng(0)
    few = take(patient.data, np.arange(min(patient.batch_size, patient.data.x.shape[0])))
    try:
        model._loss_and_grad(few.x, few.y, few.weight, patient.loss, model.context(rng=rng))
    except Exception as error:
        return error
    return None
