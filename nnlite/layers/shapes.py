"""The shape of a sample: `Input` says what it is, the others give the same numbers in another.

`Flatten` lays them out as one row, `Reshape` in any shape, `Permute` with the axes in another order.
"""

from __future__ import annotations

import math
from typing import Any

from nnlite.core.aliases import Array
from nnlite.core.context import Context
from nnlite.core.layer import Layer
from nnlite.errors import ArgumentError, ShapeError
from nnlite.errors.checks import check_integer

__all__ = ["Flatten", "Input", "Permute", "Reshape"]


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
        self.shape = _check_shape(f"{type(self).__name__}(shape)", shape)

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


class Reshaping(Input):
    """What takes samples of one shape and gives the same numbers, in the same order, in another."""

    def forward(self, x: Array, ctx: Context | None = None) -> Array:
        """Reshape each sample."""
        return x.reshape(*self._rows(x), *self.output_shape(self.shape))

    def backward(self, dy: Array, ctx: Context) -> Array:
        """Reshape the blame back."""
        return dy.reshape(*dy.shape[: dy.ndim - len(self.output_shape(self.shape))], *self.shape)


class Flatten(Reshaping):
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


class Reshape(Reshaping):
    """Reshape every sample: the same numbers, in the same order, with other axes.

    Parameters
    ----------
    shape : int or sequence of int
        Shape of one sample, such as ``(784,)``.
    into : int or sequence of int
        The shape that it gets, such as ``(28, 28, 1)``.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If a shape is empty or has a size below 1, or the two do not hold the same count of numbers.
    ShapeError
        In ``forward``, if the samples have another shape.

    Examples
    --------
    >>> import numpy as np
    >>> Reshape((784,), (28, 28, 1)).forward(np.zeros((5, 784))).shape
    (5, 28, 28, 1)
    """

    def __init__(self, shape: int | tuple[int, ...], into: int | tuple[int, ...]) -> None:
        super().__init__(shape)
        self.into = _check_shape("Reshape(into)", into)
        if math.prod(self.shape) != math.prod(self.into):
            what = f"a shape of {math.prod(self.shape)} numbers, as {self.shape} has"
            got = f"{self.into} of {math.prod(self.into)}"
            raise ArgumentError("Reshape(into)", what, got, "Give all of them a place.")

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of one output sample."""
        return self.into


class Permute(Layer):
    """Put the axes of every sample into another order, such as images with the channels in front.

    Parameters
    ----------
    axes : sequence of int
        Which axis of a sample comes first, which next, and so on, as in `numpy.transpose`; the batch does not
        count, so the first is 0. ``(1, 2, 0)`` makes (height, width, channels) of (channels, height,
        width).

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If it does not name each axis once.
    ShapeError
        In ``forward``, if the samples have fewer axes.

    Examples
    --------
    >>> import numpy as np
    >>> Permute((1, 2, 0)).forward(np.zeros((5, 3, 32, 48))).shape
    (5, 32, 48, 3)
    """

    def __init__(self, axes: tuple[int, ...]) -> None:
        where = "Permute(axes)"
        given = axes if isinstance(axes, tuple | list) else (axes,)
        self.axes = tuple(check_integer(where, axis) for axis in given)
        if sorted(self.axes) != list(range(len(self.axes))) or not self.axes:
            what = "each axis of a sample once, from 0 on"
            raise ArgumentError(where, what, f"{self.axes}", "The batch is no axis of a sample.")

    @property
    def input_shape(self) -> tuple[Any, ...]:
        """Shape of one input sample: any, of so many axes."""
        return (None,) * len(self.axes)

    def output_shape(self, input_shape: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the shape of one output sample."""
        if len(input_shape) != len(self.axes):
            raise self._wrong(input_shape)
        return tuple(input_shape[axis] for axis in self.axes)

    def forward(self, x: Array, ctx: Context | None = None) -> Array:
        """Order the axes of each sample; it is a view."""
        if x.ndim <= len(self.axes):
            raise self._wrong(x.shape[1:])
        return _ordered(x, self.axes)

    def backward(self, dy: Array, ctx: Context) -> Array:
        """Order them back."""
        return _ordered(dy, tuple(map(self.axes.index, range(len(self.axes)))))

    def _wrong(self, got: tuple[Any, ...]) -> ShapeError:
        what = f"samples of {len(self.axes)} axes"
        return ShapeError(f"{self}", what, f"shape {got}", "Name every axis of a sample, but not the batch.")


def _ordered(x: Array, axes: tuple[int, ...]) -> Array:
    leading = x.ndim - len(axes)
    return x.transpose(*range(leading), *(leading + axis for axis in axes))


def _check_shape(where: str, shape: object) -> tuple[int, ...]:
    """Return the shape of a sample."""
    sizes = shape if isinstance(shape, tuple | list) else (shape,)
    checked = tuple(check_integer(where, size, low=1) for size in sizes)
    if not checked:
        raise ArgumentError(where, "at least one size", "()", "Give the shape of one sample.")
    return checked
