"""Evaluation: loss and metrics on data, without dropout and without learning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np

from nnlite.checks.inputs import prepare
from nnlite.core.aliases import AnyArray, Array
from nnlite.core.losses import Loss
from nnlite.core.weights import stand_ins, take_rows
from nnlite.data.batching import check_reiterable, checked_batches
from nnlite.data.checks import is_own
from nnlite.errors import ArgumentError
from nnlite.errors.checks import check_integer
from nnlite.errors.targets import settle_rows
from nnlite.metrics import Metric, call_metric, named_metrics
from nnlite.model import Sequential
from nnlite.training.class_weights import ClassWeights

__all__ = ["Outputs", "evaluate", "score"]

#: Predictions for some rows, their targets, and their weights if they have any.
Outputs = tuple[Array, AnyArray, Array | None]


def evaluate(
    model: Sequential,
    X: Any,
    y: Any,
    *,
    loss: Loss | None,
    metrics: Sequence[Metric] | Mapping[str, Metric],
    weight: Any,
    batch_size: int,
    jit: bool,
) -> dict[str, Any]:
    """Measure a model on data; see `Sequential.evaluate`, which calls this."""
    chosen = named_metrics(metrics, loss)
    size = check_integer("Sequential.evaluate(batch_size=)", batch_size, low=1)
    if loss is not None:
        model.boundary.check_loss(loss)
    elif not chosen:
        raise ArgumentError(
            "Sequential.evaluate", "a loss or metrics", "neither", "Write metrics=[nnlite.accuracy]."
        )

    told: set[str] = set()

    def predict(x: Any, y: Any, weight: Any, where: str = "x") -> Outputs:
        edge = model.boundary
        blocks = edge.in_blocks(x, where=where)
        x = edge.check_input(x, where=where, finite=True, told=told) if blocks is None else blocks
        y = model.boundary.check_target_rows(y, x, missing=loss is not None and loss.takes_missing)
        if weight is not None:
            weight = model.boundary.check_weight(weight, model.boundary.rows(x), part=where == "x")
        # Nobody looks at what rows of weight 0 come to, so an overflow there is none to hear of.
        quiet = weight is not None and not weight.all()
        with np.errstate(over="ignore", invalid="ignore") if quiet else nullcontext():
            pred = model._predict(x, size, jit=jit)
        y = settle_rows(y, pred.shape, model.dtype)
        if pred.shape[-1] == 1 and y.shape == pred.shape[:-1][-y.ndim :]:
            y = y[..., None]  # ids of two classes: a metric gets them in the shape of `pred`, as in `fit`
        return pred, y, weight

    if y is not None:
        return score(model, [predict(X, y, weight, "Sequential.evaluate(X)")], loss=loss, metrics=chosen)
    if weight is not None:
        raise ArgumentError(
            "Sequential.evaluate(weight=)",
            "weights inside the batches",
            "an array beside them",
            "Give batches (x, y, weight).",
        )
    where, given = "Sequential.evaluate", check_reiterable("Sequential.evaluate(X)", X)
    parts = list(checked_batches(given, predict, where=where, pred_shape=lambda pred: pred.shape))
    return score(model, parts, loss=loss, metrics=chosen)


def score(
    model: Sequential,
    parts: Sequence[Outputs],
    *,
    loss: Loss | None,
    metrics: Mapping[str, Metric],
    active: AnyArray | None = None,
    classes: ClassWeights | None = None,
) -> dict[str, Any]:
    """Compute loss and metrics from predictions that were made already.

    They are computed once for all rows: the mean over batches is not the same, for R^2 for
    instance.

    Parameters
    ----------
    model : Sequential
        What made them.
    parts : sequence of (pred, target, weight)
        One for each batch; the weights are all None, or none is.
    loss : Loss or None
        Adds the entry ``"loss"``.
    metrics : mapping of str to function
        Adds an entry for each.
    active : ndarray of bool of shape (replicas,), optional
        Which replicas have metrics; those of the others are None.
    classes : ClassWeights, optional
        Are in the weights, and count in the loss only.

    Returns
    -------
    dict of str to float

    Raises
    ------
    ShapeError, ArgumentError, ArgumentTypeError
        If the targets do not fit, no row counts, or all targets of those that do are missing.

    Examples
    --------
    >>> from nnlite import Dense, accuracy
    >>> parts = [(np.array([[0.0, 1.0]]), np.array([1]), None), (np.array([[0.0, 1.0]]), np.array([0]), None)]
    >>> score(Sequential([Dense(1, 2)]), parts, loss=None, metrics={"share": accuracy})
    {'share': 0.5}
    """
    pred, target, weight = parts[0] if len(parts) == 1 else _join(model, parts)
    found: dict[str, Any] = {}
    if loss is not None:
        prepared = _prepare(loss, target, pred.shape, model.dtype)
        if loss.takes_missing or weight is not None:
            _check_some_count(loss, prepared, weight, own=is_own(prepared, pred.shape))
        value, _ = loss.value_and_grad(*_in_place_of_others(model, pred, prepared, weight), weight)
        found["loss"] = np.asarray(value).tolist()  # a loss of one's own may give any kind of number
    if metrics and classes is not None and weight is not None:
        weight = classes.without(target, weight, own=is_own(target, pred.shape))
    for name, metric in metrics.items():
        found[name] = call_metric(metric, pred, target, weight, name=name, active=active)
    return found


def _check_some_count(loss: Loss, target: AnyArray, weight: AnyArray | None, *, own: bool) -> None:
    """Refuse rows of which none counts, for a replica too: its loss of 0 would be taken for the best."""
    if weight is not None and not weight.any(axis=-1).all():
        what, fix = "a weight above 0 in what is measured", "Measure rows that count."
        raise ArgumentError("weight", what, "only zeros", fix)
    if not loss.takes_missing:
        return
    there = ~np.isnan(target).reshape(*target.shape[: 1 + own], -1).all(axis=-1)
    if weight is not None:
        there = there & (weight > 0)
    if not there.any(axis=-1).all():
        what = "a target that is there, in a row that counts"
        raise ArgumentError(f"{loss} target", what, "missing ones only", "Give rows of which some are known.")


def _prepare(loss: Loss, target: AnyArray, pred_shape: tuple[int, ...], dtype: Any) -> AnyArray:
    """Let the loss prepare settled targets: class ids of each replica one by one, or it asks again."""
    if is_own(target, pred_shape) and target.ndim == 2:
        return np.stack([prepare(loss, ids, pred_shape[1:], dtype, given=ids) for ids in target])
    return prepare(loss, target, pred_shape, dtype, given=target)


def _in_place_of_others(
    model: Sequential, pred: Array, target: AnyArray, weight: Array | None
) -> tuple[Array, AnyArray]:
    """Put rows that count in the place of those of weight 0, as in training: a loss of one's own may not."""
    rows = None if weight is None else stand_ins(weight)
    if rows is None:
        return pred, target
    axis = pred.ndim - 1 - model.boundary.output_rank
    return take_rows(pred, rows, axis), take_rows(target, rows, int(is_own(target, pred.shape)))


def _join(model: Sequential, parts: Sequence[Outputs]) -> Outputs:
    pred, target, weight = zip(*parts, strict=True)
    return (
        np.concatenate(pred, axis=-1 - model.boundary.output_rank),
        np.concatenate(target, axis=int(is_own(target[0], pred[0].shape))),
        None if weight[0] is None else np.concatenate(weight, axis=-1),
    )
