"""Checks of a model that is to be looked into: it is one, and one net."""

from __future__ import annotations

from typing import Any

from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.model import Sequential

__all__ = ["check_net"]


def check_net(
    where: str, model: Any, *, what: str = "one net", fix: str = "Write model.replica(0)."
) -> Sequential:
    """Return the model if it is one net.

    Parameters
    ----------
    where : str
        Names the function in the message.
    model : object
        The candidate.
    what, fix : str
        What is expected, and what to do, if it is several nets.

    Returns
    -------
    Sequential

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If it is no model, or several nets, or a layer of another one.
    ShapeError
        If it is open how large a sample is.

    Examples
    --------
    >>> from nnlite.layers import Dense
    >>> check_net("plot.network", Sequential([Dense(2, 1)], rng=0))
    Sequential([Dense(2, 1)], dtype=float32)
    """
    if not isinstance(model, Sequential):
        got = f"the class {model.__name__}" if isinstance(model, type) else type(model).__name__
        last = model.steps[-1][1] if isinstance(getattr(model, "steps", None), list) else model
        of = "Write .model_ behind the estimator: the net inside, which takes what the estimator hands on."
        fix = of if hasattr(last, "model_") else "Write Sequential([...])."
        raise ArgumentTypeError(f"{where}(model)", "a Sequential", got, fix)
    if model._in_model:
        fix = "Give the whole model, or a copy of this part: copy.deepcopy(part)."
        raise ArgumentError(f"{where}(model)", "a model on its own", "one that is a layer of another", fix)
    if model.params.replicas is not None:
        raise ArgumentError(f"{where}(model)", what, f"{model.params.replicas} replicas", fix)
    model.boundary.check_sizes(f"{where}(model)")
    return model
