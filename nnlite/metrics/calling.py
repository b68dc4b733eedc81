"""How metrics are named and called, also for several replicas."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from nnlite.core.aliases import AnyArray
from nnlite.data.checks import is_own
from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.errors.arguments import explained, is_ours
from nnlite.metrics.order import Order, find_order

__all__ = ["Metric", "call_metric", "named_metrics"]

#: A function (pred, target) or (pred, target, weight) that gives a number. Another order, such as that of
#: (y_true, y_pred, sample_weight), is told by the names of its parameters.
Metric = Callable[..., Any]


def named_metrics(metrics: Any, loss: Any = None) -> dict[str, Metric]:
    """Give every metric the name under which its numbers are written down.

    Parameters
    ----------
    metrics : sequence of functions, or dict of str to function
        Of (pred, target) or (pred, target, weight). In what order a function takes them is
        told by the names of its parameters: those of scikit-learn, ``(y_true, y_pred)``, are called
        as they want to be. Functions in a sequence are listed under their own names.
    loss : Loss, optional
        One that is a sum of parts has them in ``loss.parts``, a dict of such functions by name, each with the
        attribute ``higher_is_better`` False. They are metrics too, ``"loss_price"`` for the part "price".

    Returns
    -------
    dict of str to function

    Raises
    ------
    ArgumentTypeError
        If one cannot be called with the two, or has no name.
    ArgumentError
        If two have the same name, or one has that of another column of the history.

    Examples
    --------
    >>> from functools import partial
    >>> from nnlite.metrics import accuracy, named_metrics, top_k_accuracy
    >>> list(named_metrics([accuracy])), list(named_metrics({"top 3": partial(top_k_accuracy, k=3)}))
    (['accuracy'], ['top 3'])
    """
    if isinstance(metrics, Mapping):
        pairs = list(metrics.items())
    elif isinstance(metrics, Sequence) and not isinstance(metrics, str):
        pairs = [(getattr(metric, "__name__", None), metric) for metric in metrics]
    else:
        fix = f"Write metrics=[{getattr(metrics, '__name__', 'accuracy')}]."
        raise ArgumentTypeError("metrics", "a list or dict of functions", f"{metrics!r}", fix)
    given = getattr(loss, "parts", None)
    parts = [(f"loss_{name}", part) for name, part in given.items()] if isinstance(given, Mapping) else []
    pairs = parts + pairs
    for name, metric in pairs:
        if not callable(metric) or not isinstance(name, str):
            fix = 'Give functions such as nnlite.accuracy; write {"name": function} for one without a name.'
            raise ArgumentTypeError("metrics", "functions (pred, target) with names", f"{metric!r}", fix)
        find_order(metric, name=name)  # refuses what cannot be called so
    names = [name for name, _ in pairs]
    taken = {"loss", "epoch", "learning_rate", "seconds"} & set(names)
    if len(set(names)) < len(names) or taken or any(name.startswith("validation_") for name in names):
        what = "names that differ from each other and from the other columns of the history"
        fix = "Write metrics={...} with a name of its own for each."
        raise ArgumentError("metrics", what, f"{names}", fix)
    return dict(pairs)


@explained
def call_metric(
    metric: Metric,
    pred: AnyArray,
    target: AnyArray,
    weight: AnyArray | None,
    *,
    name: str = "metric",
    active: AnyArray | None = None,
) -> Any:
    """Compute a metric, for each replica if there are several.

    Parameters
    ----------
    metric : function (pred, target) or (pred, target, weight)
        What to compute. The names of its parameters may say another order, such as
        ``(y_true, y_pred, sample_weight)``.
    pred : ndarray of shape (rows, outputs) or (replicas, rows, outputs)
        The predictions.
    target : ndarray of shape (rows,) or (rows, outputs)
        The targets; with an axis of replicas in front, other ones for each.
    weight : ndarray of shape (rows,) or (replicas, rows), or None
        Left out of the call if None.
    name : str
        Names the metric in the message.
    active : ndarray of bool of shape (replicas,), optional
        Whose metric is wanted; that of the others is None.

    Returns
    -------
    float, or list of float

    Raises
    ------
    ArgumentTypeError
        If there are weights, and the function takes none, or it returns anything but one number.
    ArgumentError, ArgumentTypeError
        If the function refuses what it is given by a ValueError or a TypeError.

    Examples
    --------
    >>> from nnlite.metrics import accuracy, call_metric
    >>> call_metric(accuracy, np.array([[0.0, 1.0]]), np.array([1]), None)
    1.0
    """
    order = find_order(metric, name=name)
    if weight is not None and order.weight is None:
        what = "a function (pred, target, weight), since rows have weights"
        fix = "Add an argument weight=None."
        raise ArgumentTypeError(f"metric {name!r}", what, "one that takes no weight", fix)
    if pred.ndim < 3:
        return _call(order, metric, pred, target, weight, name)
    count = len(pred)
    targets = target if is_own(target, pred.shape) else [target] * count
    weights = weight if weight is not None and weight.ndim > 1 else [weight] * count
    wanted = [True] * count if active is None else active
    return [
        _call(order, metric, *one, name) if asked else None
        for one, asked in zip(zip(pred, targets, weights, strict=True), wanted, strict=True)
    ]


def _call(
    order: Order, metric: Metric, pred: AnyArray, target: AnyArray, weight: AnyArray | None, name: str
) -> Any:
    if weight is not None and weight.any() and not weight.all():
        # A row of weight 0 is none, whatever its numbers are; where none counts, the metric says so.
        counts = weight > 0
        pred, target, weight = pred[counts], target[counts], weight[counts]
    try:
        found = order.call(metric, pred, target, weight)
    except (ArgumentError, ArgumentTypeError) as error:
        if hasattr(metric, "__name__") or not is_ours(type(error)):
            raise
        raise error.within(f"metric {name!r}") from None  # such as a task, which has its name from others
    except (TypeError, ValueError) as error:
        # As one of nnlite's it says more, and `fit` puts back what it has changed.
        kind = ArgumentTypeError if isinstance(error, TypeError) else ArgumentError
        what = f"a function that takes predictions of shape {pred.shape} and targets of shape {target.shape}"
        said = str(error).rstrip(".")
        fix = _remedy(metric, pred, target)
        raise kind(f"metric {name!r}", what, f"one that says: {said}", fix) from error
    if isinstance(found, np.ndarray | np.generic):
        found = found.item() if found.ndim == 0 else found
    if isinstance(found, int | float):
        return found
    got = f"an array of shape {found.shape}" if isinstance(found, np.ndarray) else reprlib.repr(found)
    fix = "Return a float, such as the mean over the rows."
    raise ArgumentTypeError(f"metric {name!r}", "a function that returns one number", got, fix)


def _remedy(metric: Metric, pred: AnyArray, target: AnyArray) -> str:
    """Say what to do about a function that wants something else than what the model gives."""
    if target.dtype.kind == "f" and not ((target == 0) | (target == 1)).all():
        return "Write a function around it that gives it what it takes."
    function = getattr(getattr(metric, "func", metric), "__name__", "metric")
    many = pred.ndim > 1 and pred.shape[-1] > 1
    chances = f"nnlite.{'Softmax' if many else 'Sigmoid'}().forward(y_pred)"
    if pred.ndim > 1 and pred.shape[-1] < 3:
        chances += f"[:, {pred.shape[-1] - 1}]"
    chosen = "y_pred.argmax(axis=1)" if many else "y_pred[:, 0] > 0"
    ways = {"class ids": chosen, "probabilities": chances}
    return "The model gives scores. " + " ".join(
        f"For {what} write {{{function!r}: lambda y_true, y_pred: {function}(y_true, {way})}}."
        for what, way in ways.items()
    )
