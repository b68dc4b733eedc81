"""Checks of a list of layers: each is one, is in it once, and in no other model."""

from __future__ import annotations

from typing import Any

from nnlite.checks.undeclared import check_declared
from nnlite.core.layer import Layer
from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.errors.arguments import check_method

__all__ = ["check_layers"]


def check_layers(layers: Any, *, replicas: int | None) -> tuple[Layer, ...]:
    """Return the layers as a tuple, or say which of them cannot be in a new model.

    Parameters
    ----------
    layers : list of Layer
        The candidates.
    replicas : int or None
        How many nets the model trains as one.

    Returns
    -------
    tuple of Layer

    Raises
    ------
    ArgumentTypeError
        If it is no list of layers, or a method of one does not take what a model gives it.
    ArgumentError
        If it is empty, or a layer is in it twice, is in another model, brings the
        numbers of another count of replicas, or holds layers or arrays that it has not declared.

    Examples
    --------
    >>> from nnlite.layers import Tanh
    >>> check_layers([Tanh()], replicas=None)
    (Tanh(),)
    """
    if not isinstance(layers, list | tuple):
        raise ArgumentTypeError(
            "Sequential(layers)", "a list of layers", f"{layers!r}", "Write Sequential([...])."
        )
    if not layers:
        raise ArgumentError("Sequential(layers)", "at least one layer", "an empty list", "Add a Dense layer.")
    seen: dict[int, int] = {}
    for index, layer in enumerate(layers):
        where = f"Sequential(layers[{index}])"
        if isinstance(layer, type):
            raise ArgumentTypeError(
                where, "a layer", f"the class {layer.__name__}", f"Write {layer.__name__}(...)."
            )
        if not isinstance(layer, Layer):
            raise ArgumentTypeError(where, "a layer", f"{layer!r}", _layer_for(layer))
        if id(layer) in seen:
            raise ArgumentError(
                where,
                "a layer that is not in the list yet",
                f"the same {layer} as at {seen[id(layer)]}",
                "Make a new layer for each place.",
            )
        if layer._in_model:
            raise ArgumentError(
                where,
                "a layer that is in no model yet",
                f"{layer}, which belongs to one",
                "Make a new layer, or use copy.deepcopy(layer) to take its weights along.",
            )
        if layer._params is not None and layer._params.replicas not in (None, replicas):
            raise ArgumentError(
                where,
                f"a layer with the numbers of {replicas or 'one'} net{'s' if replicas else ''}",
                f"{layer} with those of {layer._params.replicas} replicas",
                f"Write replicas={layer._params.replicas}, or make a new layer.",
            )
        for name in ("forward", "backward"):
            check_method(layer, name, Layer)
        seen[id(layer)] = index
    check_declared("Sequential(layers[{}])", layers)
    return tuple(layers)


def _layer_for(candidate: Any) -> str:
    """Say what to write in the place of something that is no layer."""
    if isinstance(getattr(candidate, "layers", None), list | tuple):
        return "Put its layers into this list, as copies: *copy.deepcopy(inner.layers)."
    import nnlite.layers as known

    name = candidate if isinstance(candidate, str) else getattr(candidate, "__name__", "")
    for layer in known.__all__:
        if layer.lower() == name.lower().replace("_", ""):
            return f"Write {layer}()."
    return "Use one of nnlite.layers, or subclass nnlite.Layer for your own."
