"""Layers made of layers that are no plain row: ways past each other, and side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nnlite.core.aliases import Array
from nnlite.core.chain import Chain, follow_shapes
from nnlite.core.layer import Layer
from nnlite.errors import ShapeError
from nnlite.errors.layers import check_block

__all__ = ["Residual"]


class Residual(Chain):
    """Add the input to the output of some layers: ``y = x + f(x)``.

    Blame comes to the layers before on two ways, through `f` and past it. The second one is never weakened,
    so a net of many such blocks learns where the same layers in one row would not.

    Parameters
    ----------
    layers : list of Layer
        They are `f`, and give the shape that they take.

    Raises
    ------
    ShapeError
        If they give another shape than they take, or a layer does not take what the one before it gives.
    ArgumentTypeError, ArgumentError
        If it cannot hold one of them.

    Notes
    -----
    With ``dy = dL/dy``, the chain rule gives ``dL/dx = dy + f'(x) dy``.

    References
    ----------
    K. He, X. Zhang, S. Ren and J. Sun, "Deep Residual Learning for Image Recognition", CVPR 2016, equation 1.

    Examples
    --------
    >>> import numpy as np
    >>> from nnlite.layers import Dense
    >>> block = Residual([Dense(2, 2)])
    >>> block.layers[0].W[...] = [[0.0, 1.0], [0.0, 0.0]]
    >>> block.forward(np.array([[3.0, 5.0]]))
    array([[3., 8.]])
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        try:
            shape, behind = follow_shapes(self._holdable(layers))
        except ShapeError as error:
            raise error.within("Residual(layers)") from None
        check_block(shape, behind[-1])
        super().__init__(layers)

    def shape_after(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape that comes in, or refuse one that the layers change."""
        behind = super().shape_after(input_shape)
        check_block(input_shape, behind)
        return behind

    def forward(self, x: Array, ctx: Any = None) -> Array:
        """Compute ``x + f(x)``."""
        return x + super().forward(x, ctx)

    def backward(self, dy: Array, ctx: Any) -> Array | None:
        """Let the blame pass, and add what comes back through the layers."""
        through = super().backward(dy, ctx)
        return None if through is None else dy + through
