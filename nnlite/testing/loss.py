"""`check_loss`: proves that a loss's value and gradient agree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import ArrayLike

from nnlite.core.aliases import RNG, AnyArray, Array
from nnlite.core.losses import Loss
from nnlite.data.checks import check_rows, check_weight
from nnlite.errors import ArgumentError, ArgumentTypeError, GradientCheckError, ShapeError
from nnlite.errors.arguments import check_method
from nnlite.errors.checks import check_finite, check_integer, check_number, check_rng
from nnlite.losses import MultiTaskLoss, SequenceLoss, Task
from nnlite.testing.diagnosis import compare
from nnlite.testing.differences import measure_slopes
from nnlite.testing.loss_rules import REPLICAS, RULES, WEIGHTS, Given, evaluate, refuses_weights
from nnlite.testing.report import CheckReport

__all__ = ["check_loss"]

#: What the report says of a loss that raises an error when it gets weights.
REFUSED = "weights are refused"


def check_loss(
    loss: Loss,
    pred: ArrayLike | None = None,
    target: ArrayLike | None = None,
    *,
    weight: ArrayLike | None = None,
    outputs: int = 3,
    batch: int = 5,
    replicas: int | None = None,
    weighted: bool = True,
    rng: RNG = 0,
    tolerance: float = 1e-7,
) -> CheckReport:
    """Prove that a loss's gradient is right, and that it keeps the rules of `Loss`.

    The gradient from ``value_and_grad`` is compared with central differences of its value,
    in float64, without and with weights.

    Parameters
    ----------
    loss : Loss
        What to check.
    pred : array-like of shape (batch, outputs), optional
        The predictions; normal random numbers by default.
    target : array-like, optional
        The targets for `pred`. By default the first kind that ``loss.prepare`` accepts:
        normal random numbers; -1 and +1; counts; rows of probabilities; class ids; or
        normal random numbers for a loss with two outputs a column, which then gets twice
        as many outputs. For a `MultiTaskLoss` it is so for each task, in one table; for a
        `SequenceLoss` for each step.
    weight : array-like of shape (batch,), optional
        The weights of the rows; random numbers from 0.5 to 2 by default.
    outputs, batch : int
        Size of random predictions. The defaults differ, so that a wrong factor can be told
        from its size.
    replicas : int, optional
        Check that many nets at once, each with the rows in another order: the value is then
        one number for each, as if it were alone.
    weighted : bool
        Whether to check that the weights count. A loss that ignores them would train
        wrongly without a word, so it fails; one that raises an `ArgumentError` when it
        gets weights passes. False leaves these checks out.
    rng : int, Generator or None
        The seed.
    tolerance : float
        The largest relative error: the largest gap between the gradient and its central
        differences, over the largest entry of the two.

    Returns
    -------
    CheckReport

    Raises
    ------
    GradientCheckError
        If something is wrong. The message says what and where, and which usual slip fits.
    ArgumentTypeError, ArgumentError, ShapeError
        If an argument cannot be used.

    Notes
    -----
    The report lists what was tried, and nothing else is certified: without `replicas` it says
    nothing of replicas.

    Examples
    --------
    >>> from nnlite import Huber, PointwiseLoss
    >>> check_loss(Huber()).largest_error < 1e-8
    True
    >>> class Squared(PointwiseLoss):
    ...     def pointwise(self, pred, target):
    ...         gap = pred - target
    ...         return gap * gap, gap
    >>> check_loss(Squared(), [[3.0]], [[1.0]])
    Traceback (most recent call last):
    ...
    nnlite.errors.GradientCheckError: Squared().value_and_grad: expected dL/dpred to be 4 at index (0, 0),
        as central differences say, got 2, off by 0.5 of the largest entry (1 of 1 entries are wrong).
        It is half the slope: a missing factor of 2, as in the derivative 2 * x of x**2.
    """
    if not isinstance(loss, Loss):
        raise ArgumentTypeError("check_loss(loss)", "a loss", f"{loss!r}", "Give an instance of a Loss.")
    check_method(loss, "value_and_grad", Loss, in_short=False, kind=GradientCheckError)
    outputs = check_integer("check_loss(outputs=)", outputs, low=1)
    batch = check_integer("check_loss(batch=)", batch, low=1)
    if replicas is not None:
        replicas = check_integer("check_loss(replicas=)", replicas, low=1)
    tolerance = check_number("check_loss(tolerance=)", tolerance, low=0, low_open=True)
    generator = check_rng("check_loss(rng=)", rng)
    data, raw, known = _make_data(loss, pred, target, outputs, batch, generator)
    if weight is None:
        weights: Array = generator.uniform(0.5, 2.0, size=len(data))
    else:
        weights = check_weight("check_loss(weight=)", weight, rows=(len(data),)).astype(np.float64)

    usable = weighted and not refuses_weights(loss, data, known, weights)
    given = Given(loss, data, raw, weights if usable else None)
    cases: dict[str, Array | None] = {"dL/dpred": None}
    if usable:
        cases["dL/dpred with weights"] = weights
    errors = {}
    for rule in RULES[:3]:  # which the comparison takes for granted
        rule.check(given)
    for name, case in cases.items():
        errors[name] = _compare(loss, data, known, case, name, tolerance)
    for rule in RULES[3:]:
        rule.check(given)
    checked = [rule.sentence for rule in RULES]
    if usable:
        WEIGHTS.check(given)
        checked.append(WEIGHTS.sentence)
    elif weighted:
        checked.append(REFUSED)
    if replicas is not None:
        many = np.stack([np.roll(data, r, axis=0) for r in range(replicas)])
        targets = np.stack([np.roll(known, -r, axis=0) for r in range(replicas)])
        for name, case in cases.items():
            REPLICAS.check(loss, many, targets, case)
            label = f"{name} with {replicas} replicas"
            errors[label] = _compare(loss, many, targets, case, label, tolerance)
        checked.append(REPLICAS.sentence.format(replicas))
    return CheckReport(f"{loss}", errors, tuple(checked))


def _make_data(
    loss: Loss,
    pred: ArrayLike | None,
    target: ArrayLike | None,
    outputs: int,
    batch: int,
    rng: np.random.Generator,
) -> tuple[Array, AnyArray, AnyArray]:
    """Return predictions in float64, and the targets before and after ``loss.prepare``."""
    if (pred is None) != (target is None):
        raise ArgumentError(
            "check_loss(pred, target)", "both of them or none", "one", "Give the targets for the predictions."
        )
    if pred is not None and target is not None:
        data: Array = check_rows("check_loss(pred)", pred).astype(np.float64)
        check_finite("check_loss(pred)", data)
        if data.ndim != 2:
            raise ShapeError(
                "check_loss(pred)", "shape (batch, outputs)", f"{data.shape}", "Give one row a sample."
            )
        raw = check_rows("check_loss(target)", target, missing=loss.takes_missing)
        return data, raw, loss.prepare(raw, data.shape, data.dtype)
    if isinstance(loss, MultiTaskLoss):
        data, raw = _tables(loss, batch, rng)
        return data, raw, loss.prepare(raw, data.shape, data.dtype)
    if isinstance(loss, SequenceLoss):  # of `outputs` at each step
        each, truth, _ = _make_data(loss.loss, None, None, outputs, batch * loss.steps, rng)
        data, raw = each.reshape(batch, -1), truth.reshape(batch, loss.steps, *truth.shape[1:])
        return data, raw, loss.prepare(raw, data.shape, data.dtype)
    complaint = None
    for data, raw in _guesses(outputs, batch, rng):
        try:
            return data, raw, loss.prepare(raw, data.shape, data.dtype)
        except (ArgumentError, ArgumentTypeError) as error:
            complaint = error
    raise ArgumentError(
        "check_loss(target)",
        f"targets that {loss} accepts",
        f"none: it accepts no kind of random ones, the last because {complaint}",
        "Give pred and target.",
    )


def _guesses(outputs: int, batch: int, rng: np.random.Generator) -> Iterator[tuple[Array, AnyArray]]:
    """Give random predictions with every usual kind of targets."""
    pred = rng.normal(size=(batch, outputs))
    normal = rng.normal(size=(batch, outputs))
    yield pred, normal
    yield pred, np.where(normal > 0, 1.0, -1.0)
    yield pred, rng.poisson(2.0, size=(batch, outputs)).astype(np.float64)
    positive = np.exp(normal)
    yield pred, positive / positive.sum(axis=-1, keepdims=True)
    yield pred, rng.integers(outputs, size=batch)
    yield rng.normal(size=(batch, 2 * outputs)), normal


def _tables(loss: MultiTaskLoss, batch: int, rng: np.random.Generator) -> tuple[Array, AnyArray]:
    """Give random predictions for all tasks, and a table with targets for each."""

    def size(columns: Iterable[tuple[int, ...]]) -> int:
        return 1 + max(map(max, columns))

    tasks: list[Task] = list(loss.tasks.values())
    pred = rng.normal(size=(batch, size(task.outputs for task in tasks)))
    table = np.zeros((batch, size(task.targets for task in tasks)))
    for task in tasks:
        # As many as it has target columns, of which a loss may have two outputs for each.
        outputs = len(task.outputs) if task.takes_ids else len(task.targets)
        raw = _make_data(task.loss, None, None, outputs, batch, rng)[1]
        table[:, list(task.targets)] = raw.argmax(axis=1)[:, None] if task.takes_ids else raw
    return pred, table


def _compare(
    loss: Loss, pred: Array, target: AnyArray, weight: Array | None, name: str, tolerance: float
) -> float:
    """Compare the gradient with central differences of the value."""
    where = f"{loss}.value_and_grad"
    _, grad = evaluate(loss, pred, target, weight)
    moved = pred.copy()

    def value() -> Array:
        return np.asarray(evaluate(loss, moved, target, weight)[0])

    def suspects() -> Iterator[tuple[Array, str]]:
        if weight is not None:
            yield evaluate(loss, pred, target)[1], "It ignores the weights, and the value does not."

    rows, outputs = pred.shape[-2:]
    factors = {}
    for count, what in ((outputs, "outputs"), (rows, "rows"), (rows * outputs, "rows times outputs")):
        factors[1 / count] = (
            f"It is 1/{count} of the slope, and there are {count} {what}: it is divided by their number, and "
            "the value is not."
        )
        factors[count] = (
            f"It is {count} times too large, and there are {count} {what}: a missing 1/n. The value is a "
            "mean, so divide the gradient by their number too."
        )
    slopes = measure_slopes(value, moved, tolerance=tolerance)
    return compare(where, name, grad, slopes, tolerance=tolerance, factors=factors, suspects=suspects)
