"""What a model must be to be handed over to another runtime."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from nnlite.core.layer import Layer
from nnlite.data.table import TableEncoder
from nnlite.errors import ArgumentError, ArgumentTypeError, DataWarning, NotFittedError
from nnlite.model import Sequential

__all__ = ["check_custom", "check_single", "check_written", "take_name", "warn_of_rounding", "writer_of"]


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
    ShapeError
        If it is open how large a sample is.

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
    model.boundary.check_sizes(f"{where}(model)")
    return model


def check_custom(where: str, custom: Any) -> dict[type[Layer], Any]:
    """Return the functions that a user gives for layers of their own.

    Parameters
    ----------
    where : str
        Names the function in messages.
    custom : object
        The candidate.

    Returns
    -------
    dict of class to function

    Raises
    ------
    ArgumentTypeError
        If it is something else.

    Examples
    --------
    >>> check_custom("here", None)
    {}
    """
    given = {} if custom is None else custom
    if not isinstance(given, Mapping) or not all(
        isinstance(cls, type) and issubclass(cls, Layer) and callable(function)
        for cls, function in given.items()
    ):
        raise ArgumentTypeError(
            f"{where}(custom=)",
            "a dict from subclasses of Layer to functions",
            f"{custom!r}",
            "Write {MyLayer: write_my_layer}.",
        )
    return dict(given)


def writer_of(where: str, layer: Layer, writers: Mapping[type[Layer], Any], *, call: str, takes: str) -> Any:
    """Return the function that writes a layer.

    Parameters
    ----------
    where : str
        Names the layer in the message, with its place.
    layer : Layer
        The layer.
    writers : mapping of class to function
        All that there are.
    call, takes : str
        What was called, and what such a function takes and returns, for the message.

    Returns
    -------
    callable

    Raises
    ------
    ArgumentError
        If there is none for its class.
    NotFittedError
        If the layer must see data first. Of one that is made of others they say so themselves.
    """
    writer = writers.get(type(layer))  # of that very class: a subclass computes something else
    if writer is None:
        name = type(layer).__name__
        raise ArgumentError(
            where,
            "a layer of nnlite itself, or one that is written by custom=",
            f"the class {name}",
            f"Write {call}(..., custom={{{name}: function}}); the function takes {takes}.",
        )
    if not layer.adapted and all(inner.adapted for inner in layer.children):
        fix = "Call its adapt(X), or fit the model."
        raise NotFittedError(where, "a layer that has seen data", "one that has not", fix)
    return writer


def take_name(wanted: str, taken: set[str]) -> str:
    """Make a name that is not taken, and take it.

    Parameters
    ----------
    wanted : str
        What it shall be like.
    taken : set of str
        The others; this one is added.

    Returns
    -------
    str

    Examples
    --------
    >>> take_name("gain", {"gain", "gain_1"})
    'gain_2'
    """
    name, count = wanted, 0
    while name in taken:
        count += 1
        name = f"{wanted}_{count}"
    taken.add(name)
    return name


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
    for place, layer in model.walk():
        exact = [layer.buffers[name] for name in layer.exact_buffers if name in layer.buffers]
        far = [array for array in exact if array.dtype != model.params.dtype]
        if far:
            size = float(np.abs(far[0]).max())
            apart = np.spacing(model.params.dtype.type(size))
            warnings.warn(
                f"{where}: layer {place[:-1]} {layer} takes a mean of about {size:.3g} off its input, "
                f"here in float64. There it is {model.params.dtype}, whose numbers of that size are "
                f"{apart:.3g} apart. Count from a number near them, and fit anew.",
                DataWarning,
                stacklevel=3,
            )


def check_written(where: str, model: Any, *, choose: str) -> None:
    """Refuse what `check_single` does, and a model whose tables something encodes that cannot be written.

    Parameters
    ----------
    where, model, choose
        See `check_single`.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        Also if its preprocessing is not exactly a `TableEncoder`: a subclass may compute something else.

    Examples
    --------
    >>> from nnlite.layers import Dense
    >>> check_written("here", Sequential([Dense(2, 1)]), choose="write model.replica(0)")
    """
    check_single(where, model, choose=choose)
    if model.preprocessing is not None and type(model.preprocessing) is not TableEncoder:
        raise ArgumentError(
            f"{where}(model)",
            "a TableEncoder as preprocessing, or none",
            f"the class {type(model.preprocessing).__name__}",
            "Take the model without it, Sequential([copy.deepcopy(layer) for layer in model]).",
        )
