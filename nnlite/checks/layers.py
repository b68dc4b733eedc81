"""Checks of the layers of a model: that each does what a model asks of it, those inside of others too."""

from __future__ import annotations

from collections.abc import Sequence

from nnlite.checks.undeclared import check_declared
from nnlite.core.layer import Layer
from nnlite.errors import ArgumentError
from nnlite.errors.arguments import check_method

__all__ = ["check_layers"]


def check_layers(layers: Sequence[Layer], *, replicas: int | None) -> None:
    """Refuse layers that cannot be in a new model.

    Parameters
    ----------
    layers : sequence of Layer
        The candidates.
    replicas : int or None
        How many nets the model trains as one.

    Raises
    ------
    ArgumentTypeError
        If a method of one does not take what a model gives it.
    ArgumentError
        If one brings the numbers of another count of replicas, or holds layers or arrays that it has not
        declared, or is a model that was made for tables.

    Examples
    --------
    >>> from nnlite.layers import Tanh
    >>> check_layers([Tanh()], replicas=None)
    """
    every = [pair for index, layer in enumerate(layers) for pair in layer.walk(f"{index}.")]
    for place, layer in every:
        where = f"Sequential(layers[{place[:-1]}])"
        if layer._params is not None and layer._params.replicas not in (None, replicas):
            raise ArgumentError(
                where,
                f"a layer with the numbers of {replicas or 'one'} net{'s' if replicas else ''}",
                f"{layer} with those of {layer._params.replicas} replicas",
                f"Write replicas={layer._params.replicas}, or make a new layer.",
            )
        for name in ("preprocessing", "feature_names"):
            if getattr(layer, name, None) is not None and hasattr(layer, "boundary"):
                fix = "Put its layers into the list, *copy.deepcopy(part.layers), "
                fix += f"and give {name} to the model."
                raise ArgumentError(
                    where, f"a model without {name}, since numbers reach it", f"{layer} with it", fix
                )
        for name in ("forward", "backward"):
            check_method(layer, name, Layer)
    check_declared("Sequential(layers[{}])", every)
