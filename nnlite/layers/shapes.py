"""The shape of a sample: `Input` says what it is, `Flatten` lays it out as one row of features."""

from __future__ import annotations

import math

from nnlite.core.aliases import Array
from nnlite.core.context import Context
from nnlite.core.layer import Layer
from nnlite.errors import ArgumentError, ShapeError
from nnlite.errors.checks import check_integer

__all__ = ["Flatten", "Input"]


class Input(Layer):
    """Say what shape a sample has, and pass it on as it is.

    A convolution takes images of any height and width, a recurrent layer sequences of any length. A net
    knows all of its sizes when it is built, so one that begins with such a layer has an `Input` before it.

    Parameters
    ----------
    shape : int or sequence of int
        Shape of one sample: ``(height, width, channels)`` of an image, ``(time, features)`` of a sequence.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If `shape` is empty or has a size below 1.
    ShapeError
        In ``forward``, if the samples have another shape.

    Examples
    --------
    >>> import numpy as np
    >>> from nnlite import Input, Sequential, Tanh
    >>> Sequential([Input((28, 28, 1)), Tanh()]).output_shape
    (28, 28, 1)
    """

    def __init__(self, shape: int | tuple[int, ...]) -> None:
        sizes = shape if isinstance(shape, tuple | list) else (shape,)
        where = f"{type(self).__name__}(shape)"
        self.shape = tuple(check_integer(where, size, low=1) for size in sizes)
        if not self.shape:
            raise ArgumentError(where, "at least one size", "()", "Give the shape of one sample.")

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input sample."""
        return self.shape

    def forward(self, x: Array, ctx: Context | None = None) -> Array:
        """Return the input."""
        self._rows(x)
        return x

    def backward(self, dy: Array, ctx: Context) -> Array:
        """Return the blame."""
        return dy

    def _rows(self, x: Array) -> tuple[int, ...]:
        """Return the axes before those of a sample, or refuse samples of another shape."""
        leading = x.shape[: x.ndim - len(self.shape)]
        if not leading or x.shape[len(leading) :] != self.shape:
            sizes = ", ".join(map(str, self.shape))
            raise ShapeError(
                f"{self}", f"input of shape (batch, {sizes})", f"{x.shape}", "Give samples of that shape."
            )
        return leading


class Flatten(Input):
    """Reshape every sample to one row.

    Parameters
    ----------
    shape : int or sequence of int
        Shape of one sample, such as ``(8, 8)``.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If `shape` is empty or has a size below 1.
    ShapeError
        In ``forward``, if the samples have another shape.

    Examples
    --------
    >>> import numpy as np
    >>> Flatten((8, 8)).forward(np.zeros((5, 8, 8))).shape
    (5, 64)
    """

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of one output sample."""
        return (math.prod(self.shape),)

    def forward(self, x: Array, ctx: Context | None = None) -> Array:
        """Reshape to ``(..., batch, features)``."""
        rows = self._rows(x)
        if ctx is not None:
            ctx.save(x.shape)
        return x.reshape(*rows, math.prod(self.shape))

    def backward(self, dy: Array, ctx: Context) -> Array:
        """Reshape the blame back."""
        (shape,) = ctx.saved
        return dy.reshape(shape)
