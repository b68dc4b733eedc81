"""Flatten: lay an image or any block of numbers out as one row of features."""

from __future__ import annotations

import math

from nnlite.core.aliases import Array
from nnlite.core.context import Context
from nnlite.core.layer import Layer
from nnlite.errors import ArgumentError, ShapeError
from nnlite.errors.checks import check_integer

__all__ = ["Flatten"]


class Flatten(Layer):
    """Reshape every sample to one row.

    Parameters
    ----------
    shape : sequence of int
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

    def __init__(self, shape: tuple[int, ...]) -> None:
        sizes = shape if isinstance(shape, tuple | list) else (shape,)
        self.shape = tuple(check_integer("Flatten(shape)", size, low=1) for size in sizes)
        if not self.shape:
            raise ArgumentError("Flatten(shape)", "at least one size", "()", "Give the shape of one sample.")

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input sample."""
        return self.shape

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of one output sample."""
        return (math.prod(input_shape),)

    def forward(self, x: Array, ctx: Context | None = None) -> Array:
        """Reshape to ``(..., batch, features)``."""
        leading = x.shape[: x.ndim - len(self.shape)]
        if not leading or x.shape[len(leading) :] != self.shape:
            sizes = ", ".join(map(str, self.shape))
            raise ShapeError(
                f"{self}", f"input of shape (batch, {sizes})", f"{x.shape}", "Give samples of that shape."
            )
        if ctx is not None:
            ctx.save(x.shape)
        return x.reshape(*leading, math.prod(self.shape))

    def backward(self, dy: Array, ctx: Context) -> Array:
        """Reshape the blame back."""
        (shape,) = ctx.saved
        return dy.reshape(shape)
