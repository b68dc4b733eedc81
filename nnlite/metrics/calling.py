"""How metrics are named and called, also for several replicas."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nnlite._typing import AnyArray
from nnlite.checks import is_own
from nnlite.errors import ArgumentError, ArgumentTypeError

__all__ = ["Metric", "call_metric", "named_metrics"]

#: A function (pred, target) or (pred, target, weight) that gives a number.
Metric = Callable[..., Any]


def named_metrics(metrics: Any) -> dict[str, Metric]:
    """Give every metric the name under which its numbers are written down.

    Parameters
    ----------
    metrics : sequence of functions, or dict of str to function
        Functions in a sequence are called by their own names.

    Returns
    -------
    dict of str to function

    Raises
    ------
    ArgumentTypeError
        If one cannot be called, or has no name.
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
    for name, metric in pairs:
        if not callable(metric) or not isinstance(name, str):
            fix = 'Give functions such as nnlite.accuracy; write {"name": function} for one without a name.'
            raise ArgumentTypeError("metrics", "functions (pred, target) with names", f"{metric!r}", fix)
    names = [name for name, _ in pairs]
    taken = {"loss", "epoch", "learning_rate", "seconds"} & set(names)
    if len(set(names)) < len(names) or taken or any(name.startswith("validation_") for name in names):
        what = "names that differ from each other and from the other columns of the history"
        fix = "Write metrics={...} with a name of its own for each."
        raise ArgumentError("metrics", what, f"{names}", fix)
    return dict(pairs)


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
        What to compute.
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
        If there are weights, and the function takes none.

    Examples
    --------
    >>> import numpy as np
    >>> from nnlite.metrics import accuracy, call_metric
    >>> call_metric(accuracy, np.array([[0.0, 1.0]]), np.array([1]), None)
    1.0
    """
    if pred.ndim == 3:
        count = len(pred)
        targets = target if is_own(target, pred.shape) else [target] * count
        weights = weight if weight is not None and weight.ndim > 1 else [weight] * count
        wanted = [True] * count if active is None else active
        return [
            call_metric(metric, *one, name=name) if asked else None
            for *one, asked in zip(pred, targets, weights, wanted, strict=True)
        ]
    if weight is None:
        return metric(pred, target)
    if not _takes_weight(metric):
        what, fix = (
            "a function (pred, target, weight), since rows have weights",
            "Add an argument weight=None.",
        )
        raise ArgumentTypeError(f"metric {name!r}", what, "one that takes no weight", fix)
    return metric(pred, target, weight)


def _takes_weight(metric: Metric) -> bool:
    import inspect  # slow to import, and asked for with weights only

    try:
        inspect.signature(metric).bind("pred", "target", "weight")
    except TypeError:
        return False
    except ValueError:  # a built-in function that does not tell
        return True
    return True
