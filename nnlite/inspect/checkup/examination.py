"""The examination: all checks in their order, on copies."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from nnlite.core.losses import Loss
from nnlite.core.optimizers import Optimizer
from nnlite.data.order import Order
from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.errors.checks import check_bool, check_integer
from nnlite.inspect.checkup import (
    after,
    beside,
    columns,
    data,
    held_out,
    labels,
    last_layer,
    proof,
    rate,
    refusals,
    sequences,
    settings,
    start,
    structure,
    units,
    updates,
    width,
)
from nnlite.inspect.checkup.admission import admit
from nnlite.inspect.checkup.causes import settle
from nnlite.inspect.checkup.diagnosis import Diagnosis, Finding
from nnlite.inspect.checkup.given import take
from nnlite.inspect.checkup.patient import Patient, Skip
from nnlite.model import Sequential
from nnlite.optimizers.second_order import FullBatchOptimizer
from nnlite.training.callbacks import Callback
from nnlite.training.fit import _check_callbacks
from nnlite.training.history import History
from nnlite.training.settings import call_text

__all__ = [
    "BEGINNING",
    "END",
    "MEANWHILE",
    "THOROUGH",
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
    "steps of padding": sequences.padding,
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
    "update-to-weight ratios": updates.updates,
    "gradient against differences": proof.wrong_gradient,
    "one batch by heart": start.one_batch,
    "better than a linear model": after.linear,
    "shorter steps where the loss bounces": rate.bounces,
    "schedule, clipping, momentum, dropout and decay": settings.settings,
    "a longer training": settings.length,
    "learning rate": rate.learning_rate,
    "more neurons": width.width,
    "a second cause": beside.second_cause,
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
        asked=_asked(history, batch_size, epochs, shuffle, callbacks)
        | ({"validation": validation} if isinstance(validation, float) else {}),
        trained=trained,
    )
    patient, _ = admitted
    if callable(shuffle) and patient.data is not None and _keeps_order(shuffle, patient.data.x.shape[0]):
        patient.settings = patient.settings | {"shuffle": False}
    if trained is None and not patient.trained and _exploded(patient):
        patient.trained = True
    return examine(*admitted, THOROUGH)


def _keeps_order(draw: Callable[[int], ArrayLike], rows: int) -> bool:
    """Tell whether a function for `shuffle` leaves rows as they are; a copy of it is asked."""
    try:
        order = Order(copy.deepcopy(draw))
        order.permutation(rows)
    except Exception:  # it is the user's own: fit will say what is wrong with it
        return False
    return bool(order.sorted)


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
