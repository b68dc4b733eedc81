"""A chain of layers: what shape of a sample goes through each, and how each starts."""

from __future__ import annotations

from nnlite.core.initializers import HeNormal, InitializerLike
from nnlite.core.layer import Layer
from nnlite.errors import ShapeError

__all__ = ["LAST", "Shape", "default_initializer", "follow_shapes"]

#: How the last layer starts if no activation follows it: He's rule with a tenth of its variance, which a
#: slope of 3 divides by 1 + 3**2. An answer as large as the targets would have to be unlearned first, for
#: which few rows leave no time; zeros would give no blame to the layers before. `benchmarks/starts.py`
#: measures it.
LAST = HeNormal(negative_slope=3.0)

#: Shape of one sample; None if any will do.
Shape = tuple[int, ...] | None


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
