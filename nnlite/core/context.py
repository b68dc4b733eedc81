"""What a layer keeps of a pass, and where it writes its gradients: neither is on the layer.

A pass can also be watched, see `Watcher`; skip that at first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from nnlite.core.aliases import Array
from nnlite.errors.layers import no_gradients, refuse_new_array, without_inner

__all__ = ["Context", "Gradients", "Rows", "Watched", "Watcher"]


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
    >>> import numpy as np
    >>> grads = Gradients({"b": np.zeros(2)})
    >>> grads.b[...] = [1.0, 2.0]
    >>> grads.b
    array([1., 2.])
    """

    def __init__(self, views: Mapping[str, Array]) -> None:
        self.__dict__.update(views)

    def __getattr__(self, name: str) -> Array:
        raise no_gradients(name, self.__dict__)

    def __setattr__(self, name: str, value: Any) -> None:
        if value is not self.__dict__.get(name):  # `grads.b += a` sets the same array again
            refuse_new_array(f"ctx.grads.{name}")


class Rows:
    """What is known of the rows of a batch, beside their numbers; all layers of a pass share it.

    Attributes
    ----------
    weight : ndarray of shape (batch,) or (replicas, batch), or None
        How much each row counts, which is no weight of the net; None for all the same.
    add_up : callable (ndarray) -> ndarray
        Adds up, in place, what each of several processes has found in its part of the batch. Alone
        there is nothing to add.
    """

    __slots__ = ("add_up", "weight")

    def __init__(self) -> None:
        self.weight: Array | None = None
        self.add_up: Callable[[Array], Array] = _alone


def _alone(numbers: Array) -> Array:
    return numbers


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
        False for the first layer that learns and those before it: nobody asks for their dL/dx, and
        a layer may return None instead.
    rows : Rows, optional
        What is known of the rows of the batch.
    inner : tuple of (Layer, Context)
        Of a layer that holds others: each of them, with what it keeps. `Layer.held` gives them.

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

    __slots__ = ("grads", "inner", "needs_dx", "rng", "rows", "saved", "training", "x_shape")

    def __init__(
        self,
        grads: Gradients,
        *,
        training: bool = True,
        rng: Any = None,
        needs_dx: bool = True,
        rows: Rows | None = None,
        inner: tuple[tuple[Any, Context], ...] = (),
    ) -> None:
        self.grads = grads
        self.training = training
        self.rng = rng
        self.needs_dx = needs_dx
        self.rows = rows or Rows()
        self.inner = inner
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

    def __getattr__(self, name: str) -> NoReturn:
        raise without_inner(name)


class Watcher:
    """Sees what goes through every layer in a pass, those inside of others included; it changes nothing.

    Give one to `Sequential.context` as ``watch=``. Override a method, and call the inherited one, which lets
    the layer do its work.

    Examples
    --------
    >>> import numpy as np
    >>> from nnlite import Dense, Residual, Sequential, Tanh
    >>> class Names(Watcher):
    ...     def forward(self, place, layer, x, ctx):
    ...         y = super().forward(place, layer, x, ctx)
    ...         print(place, type(layer).__name__, y.shape)
    ...         return y
    >>> model = Sequential([Dense(2, 3), Residual([Tanh(), Dense(3, 3)])])
    >>> y = model.forward(np.zeros((1, 2)), model.context(watch=Names()))
    0 Dense (1, 3)
    1.0 Tanh (1, 3)
    1.1 Dense (1, 3)
    1 Residual (1, 3)
    """

    def forward(self, place: str, layer: Any, x: Array, ctx: Context) -> Array:
        """Let a layer compute its output.

        Parameters
        ----------
        place : str
            Where it is in the model, such as ``"1.0"``; the names of its parameters begin so.
        layer : Layer
            The layer.
        x : ndarray
            Its input.
        ctx : Context
            What it keeps.
        """
        return layer.forward(x, ctx)  # type: ignore[no-any-return]

    def backward(self, place: str, layer: Any, dy: Array, ctx: Context) -> Array | None:
        """Let a layer trace the blame back, to dL/dx or None.

        Parameters
        ----------
        place, layer, ctx
            As in `forward`.
        dy : ndarray
            dL/dy.
        """
        return layer.backward(dy, ctx)  # type: ignore[no-any-return]


class Watched:
    """Stands in the place of a layer in a pass that is watched."""

    def __init__(self, layer: Any, place: str, watcher: Watcher) -> None:
        self.layer, self.place, self.watcher = layer, place, watcher

    def forward(self, x: Array, ctx: Context) -> Array:
        """Let the watcher see the layer's forward."""
        return self.watcher.forward(self.place, self.layer, x, ctx)

    def backward(self, dy: Array, ctx: Context) -> Array | None:
        """Let the watcher see the layer's backward."""
        return self.watcher.backward(self.place, self.layer, dy, ctx)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.layer, name)
