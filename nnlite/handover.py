"""What a model must be to be handed over to another runtime, another framework, or as source code."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from nnlite.errors import ArgumentError, ArgumentTypeError, DataWarning
from nnlite.model import Sequential
from nnlite.table import TableEncoder

__all__ = ["check_encoder", "check_single", "warn_of_rounding"]


def check_single(where: str, model: Any, *, choose: str = "model.replica(0)") -> Sequential:
    """Refuse what is no model, and one that is many nets.

    Parameters
    ----------
    where : str
        Names the call in the message.
    model : object
        The candidate.
    choose : str
        How to hand over one of many.

    Returns
    -------
    Sequential

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If it is none, or has replicas.

    Examples
    --------
    >>> from nnlite.layers import Dense
    >>> check_single("here", Sequential([Dense(2, 1)]))
    Sequential([Dense(2, 1)], dtype=float32)
    """
    if not isinstance(model, Sequential):
        raise ArgumentTypeError(f"{where}(model)", "a Sequential", f"{model!r}", "Give a model of nnlite.")
    if model.params.replicas is not None:
        raise ArgumentError(
            f"{where}(model)",
            "a single net",
            f"{model.params.replicas} replicas",
            f"Choose one: {choose}, or model.best(history).",
        )
    return model


def warn_of_rounding(where: str, model: Sequential) -> None:
    """Warn that what the model subtracts in float64 will be subtracted in float32 elsewhere.

    Parameters
    ----------
    where : str
        Names the call in the message.
    model : Sequential
        The model.

    Warns
    -----
    DataWarning
        If the mean of a `Standardize` had to stay in float64.

    Examples
    --------
    >>> from nnlite.layers import Dense
    >>> warn_of_rounding("here", Sequential([Dense(2, 1)]))
    """
    for index, layer in enumerate(model.layers):
        exact = [layer.buffers[name] for name in layer.exact_buffers if name in layer.buffers]
        far = [array for array in exact if array.dtype != model.params.dtype]
        if far:
            size = float(np.abs(far[0]).max())
            apart = np.spacing(model.params.dtype.type(size))
            warnings.warn(
                f"{where}: layer {index} {layer} takes a mean of about {size:.3g} off its input, here in "
                f"float64. There it is {model.params.dtype}, whose numbers of that size are {apart:.3g} "
                "apart. Count from a number near them, and fit anew.",
                DataWarning,
                stacklevel=3,
            )


def check_encoder(where: str, model: Sequential) -> None:
    """Refuse a model whose tables are encoded by something that cannot be written down.

    Parameters
    ----------
    where : str
        Names the call in the message.
    model : Sequential
        The model.

    Raises
    ------
    ArgumentError
        If its preprocessing is not exactly a `TableEncoder`: a subclass may compute something else.

    Examples
    --------
    >>> from nnlite.layers import Dense
    >>> check_encoder("here", Sequential([Dense(2, 1)]))
    """
    if model.preprocessing is not None and type(model.preprocessing) is not TableEncoder:
        raise ArgumentError(
            f"{where}(model)",
            "a TableEncoder as preprocessing, or none",
            f"the class {type(model.preprocessing).__name__}",
            "Take the model without it, Sequential([copy.deepcopy(layer) for layer in model]).",
        )
