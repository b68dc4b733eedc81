"""Directions: of which metrics more is better."""

from __future__ import annotations

from nnlite.metrics.calling import Metric

__all__ = ["is_better_higher"]

#: Metrics of which more is better; of everything else, losses above all, less is.
HIGHER_IS_BETTER = frozenset({"accuracy", "binary_accuracy", "top_k_accuracy", "r2"})


def is_better_higher(column: str, metric: Metric | None = None) -> bool:
    """Tell whether more is better in a column of the history.

    Parameters
    ----------
    column : str
        Such as ``"validation_accuracy"``.
    metric : function, optional
        What fills it, if its name is not that of the metric.

    Returns
    -------
    bool
        True for the metrics of nnlite that grow; anything else is taken for a loss.

    Examples
    --------
    >>> is_better_higher("validation_accuracy"), is_better_higher("loss")
    (True, False)
    """
    function = getattr(metric, "func", metric)  # that of a functools.partial
    names = {column.removeprefix("validation_"), getattr(function, "__name__", "")}
    return bool(names & HIGHER_IS_BETTER)
