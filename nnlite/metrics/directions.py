"""Directions: of which metrics more is better."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

__all__ = ["is_better_higher", "less_is_better", "more_is_better"]

#: Any function, which a decorator gives back as it came.
_Function = TypeVar("_Function", bound=Callable[..., Any])


def more_is_better(metric: _Function) -> _Function:
    """Mark a metric that grows as predictions get better, by its attribute ``higher_is_better``."""
    metric.higher_is_better = True  # type: ignore[attr-defined]
    return metric


def less_is_better(metric: _Function) -> _Function:
    """Mark a metric that shrinks as predictions get better, by its attribute ``higher_is_better``."""
    metric.higher_is_better = False  # type: ignore[attr-defined]
    return metric


def is_better_higher(metric: Any) -> bool | None:
    """Tell whether more of a metric is better.

    A metric says so by its attribute ``higher_is_better``, which those of nnlite have. One of
    your own may have it too: ``my_metric.higher_is_better = True``.

    Parameters
    ----------
    metric : function, or functools.partial of one
        Any.

    Returns
    -------
    bool or None
        None if it does not say. Its name is no answer: a function of that name may compute
        anything.

    Examples
    --------
    >>> from nnlite.metrics import accuracy, mean_absolute_error
    >>> is_better_higher(accuracy), is_better_higher(mean_absolute_error)
    (True, False)
    >>> is_better_higher(lambda pred, target: 0.0) is None
    True
    """
    for thing in (metric, getattr(metric, "func", None)):  # that of a functools.partial
        said = getattr(thing, "higher_is_better", None)
        if isinstance(said, bool | np.bool_):
            return bool(said)
    return None
