"""The rules that every loss keeps, apart from its gradient being right."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from nnlite.core.aliases import AnyArray, Array, Value
from nnlite.core.losses import Loss
from nnlite.errors import ArgumentError, ArgumentTypeError, GradientCheckError
from nnlite.testing.differences import relative_error
from nnlite.testing.report import Rule, Snapshot, check_dtype, check_shape, guarded
from nnlite.testing.state import changed, look

__all__ = ["REPLICAS", "RULES", "WEIGHTS", "Given", "evaluate", "refuses_weights"]

#: Largest relative difference between two ways to compute the same number in float64.
ROUNDING = 1e-12
#: The same for float32, in which sums of a few rows are computed.
SINGLE = 1e-4


class Given(NamedTuple):
    """A loss and what it is tried on.

    Parameters
    ----------
    loss : Loss
        What is checked.
    pred : ndarray of shape (batch, outputs)
        Predictions.
    raw : ndarray
        The targets as a user would give them.
    weight : ndarray of shape (batch,), optional
        Weights of the rows; None for a loss that refuses them.
    """

    loss: Loss
    pred: Array
    raw: AnyArray
    weight: Array | None

    def cases(self) -> Iterator[tuple[Array, AnyArray, Array | None]]:
        """Give predictions, targets and weights: of float64 and float32, without weights and with them."""
        for dtype in (np.float64, np.float32):
            pred: Array = self.pred.astype(dtype)
            target = self.target(pred).copy()
            yield pred, target, None
            if self.weight is not None:
                yield pred, target, self.weight.astype(dtype)

    def target(self, pred: Array) -> AnyArray:
        """Return the targets as `Loss.prepare` makes them for predictions."""
        return self.loss.prepare(self.raw, pred.shape, pred.dtype)


def evaluate(loss: Loss, pred: Array, target: AnyArray, weight: Array | None = None) -> tuple[Value, Array]:
    """Call ``value_and_grad`` on copies, so that nothing depends on a call before.

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
        If it fails, or returns something else.
    """
    value, grad = _call(loss, pred.copy(), target.copy(), None if weight is None else weight.copy())
    return value, grad.copy() if isinstance(grad, np.ndarray) else grad


def _call(loss: Loss, pred: Array, target: AnyArray, weight: Array | None) -> tuple[Any, Any]:
    where = f"{loss}.value_and_grad"
    with_weight = "" if weight is None else " and weights"
    result = guarded(
        where,
        f"a result for pred of shape {pred.shape}, target of shape {target.shape}{with_weight}",
        lambda _: "The traceback above shows the line.",
        loss.value_and_grad,
        pred,
        target,
        weight,
    )
    if not isinstance(result, tuple) or len(result) != 2:
        raise GradientCheckError(
            where, "two results", f"{type(result).__name__}", "End it with `return value, grad`."
        )
    return result


def _check_values(given: Given) -> None:
    for pred, target, weight in given.cases():
        value, _ = evaluate(given.loss, pred, target, weight)
        _check_value(f"{given.loss}.value_and_grad", value, pred)


def _check_shape(given: Given) -> None:
    where = f"{given.loss}.value_and_grad"
    for pred, target, weight in given.cases():
        _, grad = evaluate(given.loss, pred, target, weight)
        check_shape(where, grad, pred.shape, "The gradient has one entry for each of pred.")


def _check_dtype(given: Given) -> None:
    for pred, target, weight in given.cases():
        _, grad = evaluate(given.loss, pred, target, weight)
        check_dtype(f"{given.loss}.value_and_grad", grad, pred.dtype)


def _check_in_place(given: Given) -> None:
    for pred, target, weight in given.cases():
        snapshot = Snapshot({"pred": pred, "target": target} | ({} if weight is None else {"weight": weight}))
        _call(given.loss, pred, target, weight)
        snapshot.check(f"{given.loss}.value_and_grad")


def _check_new(given: Given) -> None:
    for pred, target, weight in given.cases():
        arrays = {"pred": pred, "target": target} | ({} if weight is None else {"weight": weight})
        _, grad = _call(given.loss, pred, target, weight)
        arrays["that of the call before"] = _call(given.loss, pred, target, weight)[1]
        for name, array in arrays.items():
            if np.may_share_memory(grad, array):
                raise GradientCheckError(
                    f"{given.loss}.value_and_grad",
                    "a new array for the gradient",
                    f"one that shares memory with {name}",
                    "Copy it.",
                )


def _check_kept_nothing(given: Given) -> None:
    before = look(given.loss, base=Loss)
    for case in given.cases():
        evaluate(given.loss, *case)
        if written := changed(before, look(given.loss, base=Loss)):
            raise GradientCheckError(
                f"{given.loss}.value_and_grad",
                "nothing to be kept on the loss",
                f"{written[0]} written",
                "A loss is used for training and validation in turn: let it depend on its arguments alone.",
            )


def _check_repeats(given: Given) -> None:
    cases = list(given.cases())
    first = [evaluate(given.loss, *case) for case in cases]
    for case, (value, grad) in zip(cases, first, strict=True):
        again, grad_again = evaluate(given.loss, *case)
        if _differ(value, again) or _differ(grad, grad_again):
            raise GradientCheckError(
                f"{given.loss}.value_and_grad",
                "the same result for the same pred and target",
                _gap(again, value),
                "Let it depend on its arguments alone, also not on chance.",
            )


def _check_precision(given: Given) -> None:
    results = [evaluate(given.loss, *case) for case in given.cases()]
    half = len(results) // 2
    for (right, slopes), (value, grad) in zip(results[:half], results[half:], strict=True):
        gap = max(
            relative_error(np.asarray(value, np.float64), np.asarray(right)),
            relative_error(grad.astype(np.float64), slopes),
        )
        if gap > SINGLE:
            raise GradientCheckError(
                f"{given.loss}.value_and_grad",
                "the same in float32 as in float64, but for rounding",
                f"a relative gap of {gap:.3g}",
                "Does a constant that is fit for float64, such as 1e-12, come in?",
            )


def _check_layout(given: Given) -> None:
    for pred, target, weight in given.cases():
        value, grad = evaluate(given.loss, pred, target, weight)
        found, slopes = _call(given.loss, np.asfortranarray(pred), np.asfortranarray(target), weight)
        if _differ(value, found, pred.dtype) or _differ(grad, slopes, pred.dtype):
            raise GradientCheckError(
                f"{given.loss}.value_and_grad",
                "the same for pred and target in another order in memory",
                _gap(found, value),
                "Reshape with reshape, which follows the axes, and not by the order in memory.",
            )


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
        loss.value_and_grad(pred.copy(), target.copy(), weight.copy())
    except (ArgumentError, ArgumentTypeError, NotImplementedError):
        return True
    except Exception:
        return False  # and `evaluate` will say what is wrong
    return False


def _check_row_weights(given: Given) -> None:
    loss, pred = given.loss, given.pred
    target = given.target(pred)
    where = f"{loss}.value_and_grad"
    rows = np.arange(len(pred))
    twice, absent = np.ones(len(pred)), np.ones(len(pred))
    twice[0], absent[-1] = 2.0, 0.0
    ways = [("a weight of 2 to be the same as having the row twice", twice, np.append(rows, 0))]
    if len(pred) > 1:
        ways.append(("a weight of 0 to be the same as not having the row", absent, rows[:-1]))
    for expected, weight, repeated in ways:
        value, grad = evaluate(loss, pred, target, weight)
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


def _check_no_broadcasting(given: Given) -> None:
    loss = given.loss
    for some_pred, wrong in _misfits(given.pred, given.raw):
        try:
            prepared = loss.prepare(wrong, some_pred.shape, some_pred.dtype)
            loss.value_and_grad(some_pred.copy(), np.array(prepared), None)
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
        _check_value(where, value, pred)
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
    same = np.shape(value) or not _differ(value, right)
    return "another gradient" if same else f"{value:.6g} instead of {right:.6g}"


def _differ(a: Value, b: Value, dtype: Any = np.float64) -> bool:
    rounding = ROUNDING if dtype == np.float64 else SINGLE
    return relative_error(np.asarray(a), np.asarray(b)) > rounding


#: What is tried for every loss.
RULES = (
    Rule("the value is one finite float", _check_values),
    Rule("the gradient has the shape of pred", _check_shape),
    Rule("the gradient has the dtype of pred", _check_dtype),
    Rule("nothing that it is given is changed in place", _check_in_place),
    Rule("the gradient is a new array", _check_new),
    Rule("nothing is kept on the loss", _check_kept_nothing),
    Rule("the same pred and target give the same", _check_repeats),
    Rule("pred and target may lie in memory in any order", _check_layout),
    Rule("float32 gives what float64 gives, but for rounding", _check_precision),
    Rule("targets of another shape are refused", _check_no_broadcasting),
)
#: What is tried where weights and replicas are.
WEIGHTS = Rule("a weight of 2 is the row twice, and one of 0 no row", _check_row_weights)
REPLICAS = Rule("{} replicas do not mix, and may share a target", check_replicas)
