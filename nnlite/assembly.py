"""From a list of layers to a chain: each one fits the one before, and is in no other model."""

from __future__ import annotations

from typing import Any

from nnlite.core.initializers import HeNormal, InitializerLike
from nnlite.core.layer import Layer
from nnlite.errors import ArgumentError, ArgumentTypeError, ShapeError
from nnlite.errors.arguments import check_method
from nnlite.undeclared import check_declared

__all__ = ["check_layers", "default_initializer", "follow_shapes"]

#: How the last layer starts if no activation follows it: He's rule with a tenth of its variance, which a
#: slope of 3 divides by 1 + 3**2. An answer as large as the targets would have to be unlearned first, for
#: which few rows leave no time; zeros would give no blame to the layers before. `benchmarks/starts.py`
#: measures it.
LAST = HeNormal(negative_slope=3.0)

#: Shape of one sample; None if any will do.
Shape = tuple[int, ...] | None


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


def follow_shapes(layers: tuple[Layer, ...]) -> tuple[Shape, list[Shape]]:
    """Follow the shape of a sample through the layers.

    Parameters
    ----------
    layers : tuple of Layer
        From input to output.

    Returns
    -------
    input_shape : tuple of int or None
        What the first layer takes.
    output_shapes : list of tuple of int or None
        What each layer gives.

    Raises
    ------
    ShapeError
        If a layer does not take what the one before it gives.

    Examples
    --------
    >>> from nnlite.layers import Dense, Tanh
    >>> follow_shapes((Tanh(), Dense(4, 2)))
    ((4,), [(4,), (2,)])
    """
    first: Shape = None
    shape: Shape = None
    outputs: list[Shape] = []
    for index, layer in enumerate(layers):
        wanted = layer.input_shape
        if wanted is not None and shape is None:
            # Until here any shape would do. If no layer changes it, it is this one from the input on.
            if all(earlier.output_shape(wanted) == wanted for earlier in layers[:index]):
                first, outputs = wanted, [wanted] * index
            shape = wanted
        elif wanted is not None and wanted != shape:
            raise ShapeError(
                f"layer {index} {layer}",
                f"input of shape {_with_batch(wanted)}",
                _with_batch(shape),
                f"The layer before, {layers[index - 1]}, gives {_with_batch(shape)}.",
            )
        shape = None if shape is None else layer.output_shape(shape)
        outputs.append(shape)
    return first, outputs


def _with_batch(shape: Shape) -> str:
    return f"(batch, {', '.join(map(str, shape or ()))})"


def default_initializer(layers: tuple[Layer, ...], index: int) -> InitializerLike | None:
    """Return the initializer that suits what a layer feeds: an activation, or nothing.

    Parameters
    ----------
    layers : tuple of Layer
        From input to output.
    index : int
        Which layer is to be initialized.

    Returns
    -------
    callable (rng, shape) -> ndarray, or None
        None if the next layer that learns follows without an activation between them. The last layer that
        learns, if no activation follows it either, starts small: what it gives is the answer of the net.

    Examples
    --------
    >>> from nnlite.layers import Dense, ReLU
    >>> layers = (Dense(2, 8), ReLU(), Dense(8, 1))
    >>> default_initializer(layers, 0), default_initializer(layers, 2)
    (HeNormal(), HeNormal(negative_slope=3.0))
    """
    for follower in layers[index + 1 :]:
        if follower.parameter_names:
            return None
        if follower.feeding_initializer is not None:
            return follower.feeding_initializer
    return LAST
