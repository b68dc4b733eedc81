"""What a layer keeps of a pass, and where it writes its gradients: neither is on the layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nnlite.core.random import Generators
from nnlite.core.types import Array
from nnlite.errors import ArgumentError

__all__ = ["Context", "Gradients"]


class Gradients:
    """Where a layer writes its gradients: one attribute for each of its parameters.

    They are views, so they are written with ``[...] =`` or ``out=``. Binding a new
    array to the name would leave the real gradient untouched, and is refused.

    Parameters
    ----------
    views : mapping of str to ndarray
        The place for each parameter's gradient.

    Examples
    --------
    >>> grads = Gradients({"b": np.zeros(2)})
    >>> grads.b[...] = [1.0, 2.0]
    >>> grads.b
    array([1., 2.])
    """

    def __init__(self, views: Mapping[str, Array]) -> None:
        self.__dict__.update(views)

    def __getattr__(self, name: str) -> Array:
        known = ", ".join(self.__dict__) or "none: this layer has no parameters"
        raise AttributeError(f"ctx.grads.{name}: the gradients of this layer are {known}.")

    def __setattr__(self, name: str, value: Any) -> None:
        if value is not self.__dict__.get(name):  # `grads.b += a` sets the same array again
            raise ArgumentError(
                f"ctx.grads.{name}",
                "to be written in place",
                "a new array",
                f"Write ctx.grads.{name}[...] = a.",
            )


class Context:
    """What one layer keeps from one forward pass for the backward pass.

    It lives outside the layer, so two passes can be open at once and prediction
    from several threads disturbs nothing.

    Parameters
    ----------
    grads : Gradients
        Where ``backward`` writes.
    training : bool
        False while gradients are wanted but noise such as dropout is not.
    rng : Generator or Generators, optional
        The only source of randomness in ``forward``. `Generators`, one for each replica, have
        its methods ``random`` and ``standard_normal``.
    needs_dx : bool
        False for the first layer that learns: nobody asks for its dL/dx, and a
        layer may return None instead.

    Attributes
    ----------
    saved : tuple
        What ``forward`` saved.
    x_shape : tuple of int
        Shape of the input, which is that of dL/dx; noted by the model.

    Examples
    --------
    >>> ctx = Context(Gradients({}))
    >>> ctx.save(1, 2)
    >>> ctx.saved
    (1, 2)
    """

    __slots__ = ("grads", "needs_dx", "rng", "saved", "training", "x_shape")

    def __init__(
        self,
        grads: Gradients,
        *,
        training: bool = True,
        rng: np.random.Generator | Generators | None = None,
        needs_dx: bool = True,
    ) -> None:
        self.grads = grads
        self.training = training
        self.rng = rng
        self.needs_dx = needs_dx
        self.saved: tuple[Any, ...] = ()
        self.x_shape: tuple[int, ...] = ()

    def save(self, *values: Any) -> None:
        """Keep something for the backward pass, in `saved`.

        Parameters
        ----------
        *values : object
            Arrays, or whatever ``backward`` will ask for.
        """
        self.saved = values
