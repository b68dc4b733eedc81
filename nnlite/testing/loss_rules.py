"""The rules that every loss keeps, apart from its gradient being right."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from nnlite._typing import AnyArray, Array
from nnlite.errors import ArgumentError, ArgumentTypeError, GradientCheckError
from nnlite.losses import Loss, Value
from nnlite.testing.differences import relative_error
from nnlite.testing.report import Snapshot, check_dtype, check_shape, guarded

__all__ = ["check_no_broadcasting", "check_replicas", "check_row_weights", "evaluate", "refuses_weights"]

#: Largest relative difference between two ways to compute the same number in float64.
ROUNDING = 1e-12


def evaluate(loss: Loss, pred: Array, target: AnyArray, weight: Array | None = None) -> tuple[Value, Array]:
    """Call ``value_and_grad`` and check what it returns.

    Parameters
    ----------
    loss : Loss
        What is checked.
    pred, target, weight
        What it gets.

    Returns
    -------
    value : float or ndarray of shape (replicas,)
    grad : ndarray of the shape of `pred`

    Raises
    ------
    GradientCheckError
        If it fails, returns something else or changes what it was given.
    """
    where = f"{loss}.value_and_grad"
    given = {"pred": pred, "target": target} | ({} if weight is None else {"weight": weight})
    snapshot = Snapshot(given)
    with_weight = "" if weight is None else " and weights"
    result = guarded(
        where,
        f"a result for pred of shape {pred.shape}, target of shape {target.shape}{with_weight}",
        _explain_exception,
        loss.value_and_grad,
        pred,
        target,
        weight,
    )
    snapshot.check(where)
    if not isinstance(result, tuple) or len(result) != 2:
        raise GradientCheckError(
            where, "two results", f"{type(result).__name__}", "End it with `return value, grad`."
        )
    value, grad = result
    _check_value(where, value, pred)
    check_shape(where, grad, pred.shape, "The gradient has one entry for each of pred.")
    check_dtype(where, grad, pred.dtype)
    for name, array in given.items():
        if np.may_share_memory(grad, array):
            raise GradientCheckError(
                where, "a new array for the gradient", f"one that shares memory with {name}", "Copy it."
            )
    return value, grad


def _explain_exception(message: str) -> str:
    if "positional argument" in message:
        return "A model calls it as value_and_grad(pred, target, weight); weight may be None."
    return "The traceback above shows the line."


def _check_value(where: str, value: Any, pred: Array) -> None:
    replicas = pred.shape[:-2]
    if not replicas and not isinstance(value, float):
        raise GradientCheckError(where, "a float", f"{type(value).__name__}", "Return float(value).")
    if replicas and np.shape(value) != replicas:
        raise GradientCheckError(
            where,
            f"one number for each replica, shape {replicas}",
            f"shape {np.shape(value)}",
            "Average over the last two axes only: axis=(-2, -1).",
        )
    if not np.isfinite(value).all():
        raise GradientCheckError(
            where,
            "a finite value",
            f"{value}",
            "If it takes only some numbers, give check_loss a pred and target of those.",
        )


def refuses_weights(loss: Loss, pred: Array, target: AnyArray, weight: Array) -> bool:
    """Tell whether the loss says, by an `ArgumentError`, that it takes no weights."""
    try:
        loss.value_and_grad(pred, target, weight)
    except (ArgumentError, ArgumentTypeError, NotImplementedError):
        return True
    except Exception:
        return False  # and `evaluate` will say what is wrong
    return False


def check_row_weights(loss: Loss, pred: Array, target: AnyArray) -> None:
    """Check that a weight of 2 is the same as having the row twice, and 0 as not having it.

    Parameters
    ----------
    loss : Loss
        What is checked.
    pred, target : ndarray of shape (batch, ...)
        Some data.

    Raises
    ------
    GradientCheckError
        If it is not so.
    """
    where = f"{loss}.value_and_grad"
    rows = np.arange(len(pred))
    twice, absent = np.ones(len(pred)), np.ones(len(pred))
    twice[0], absent[-1] = 2.0, 0.0
    cases = [("a weight of 2 to be the same as having the row twice", twice, np.append(rows, 0))]
    if len(pred) > 1:
        cases.append(("a weight of 0 to be the same as not having the row", absent, rows[:-1]))
    for expected, given, repeated in cases:
        value, grad = evaluate(loss, pred, target, given)
        same_value, parts = evaluate(loss, pred[repeated], target[repeated])
        same_grad = np.zeros_like(grad)
        np.add.at(same_grad, repeated, parts)
        if _differ(value, same_value) or _differ(grad, same_grad):
            ignored = len(pred) > 1 and not _differ(value, evaluate(loss, pred, target)[0])
            raise GradientCheckError(
                where,
                expected,
                "a value that ignores the weights" if ignored else _gap(value, same_value),
                "Multiply loss and gradient of each row by weight / weight.sum() in place of 1/n; "
                "PointwiseLoss does it for you. If the loss takes no weights, let it raise an ArgumentError "
                "when it gets some.",
            )


def check_no_broadcasting(loss: Loss, pred: Array, target: AnyArray) -> None:
    """Check that targets whose shape does not fit are refused.

    Parameters
    ----------
    loss : Loss
        What is checked.
    pred, target : ndarray of shape (batch, ...)
        Data that fit.

    Raises
    ------
    GradientCheckError
        If ``prepare`` and ``value_and_grad`` both take targets that do not.
    """
    for some_pred, wrong in _misfits(pred, target):
        try:
            prepared = loss.prepare(wrong, some_pred.shape, some_pred.dtype)
            loss.value_and_grad(some_pred, prepared, None)
        except Exception:  # any complaint will do
            continue
        raise GradientCheckError(
            f"{loss}",
            f"to refuse a target of shape {wrong.shape} for pred of shape {some_pred.shape}",
            "a value, made by broadcasting",
            "Compare the shapes in prepare; PointwiseLoss does it for you.",
        )


def _misfits(pred: Array, target: AnyArray) -> Iterator[tuple[Array, AnyArray]]:
    """Give targets that NumPy would broadcast against the predictions, with the predictions."""
    if len(target) > 1:
        yield pred, target[:1]
    if target.ndim == 1:
        if pred.shape[-1] > 1:
            yield pred, target[:, None]
        return
    if target.shape[-1] > 1:
        yield pred, target[:, :1]
    if len(target) > 1:
        # As floats, since whole numbers of this shape may be class ids.
        yield pred[:, :1], target[:, 0].astype(np.float64)


def check_replicas(loss: Loss, pred: Array, target: AnyArray, weight: Array | None) -> None:
    """Check that each replica gets the value and gradient that it gets alone.

    Parameters
    ----------
    loss : Loss
        What is checked.
    pred, target : ndarray of shape (replicas, batch, ...)
        Data for each replica.
    weight : ndarray of shape (batch,), optional
        Weights that the replicas share.

    Raises
    ------
    GradientCheckError
        If it gets another, or all replicas cannot share one target.
    """
    where = f"{loss}.value_and_grad"
    rolled = None if weight is None else np.stack([np.roll(weight, r) for r in range(len(pred))])
    for share in (False, True):
        targets, weights = (target[0], weight) if share else (target, rolled)
        value, grad = evaluate(loss, pred, targets, weights)
        for r in range(len(pred)):
            own_weight = weights if share or weights is None else weights[r]
            alone, grad_alone = evaluate(loss, pred[r], targets if share else targets[r], own_weight)
            found = np.asarray(value)[r]
            if _differ(found, alone) or _differ(grad[r], grad_alone):
                raise GradientCheckError(
                    where,
                    f"for replica {r} of {len(pred)}{', which share a target,' if share else ''} what it "
                    "gets alone",
                    _gap(found, alone),
                    "Count axes from the end, and average over the last two only: axis=(-2, -1).",
                )


def _gap(value: Value, right: Value) -> str:
    return f"{value:.6g} instead of {right:.6g}" if _differ(value, right) else "another gradient"


def _differ(a: Value, b: Value) -> bool:
    return relative_error(np.asarray(a), np.asarray(b)) > ROUNDING
