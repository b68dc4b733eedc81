"""What a layer is: a ``forward``, a ``backward``, and perhaps some parameters, or other layers.

To write your own, subclass `Layer`, write the two methods in NumPy, and let
`nnlite.testing.check_layer` prove them. How its numbers come into the flat arrays of a model is in `wiring`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from nnlite.core.aliases import AnyArray, Array
from nnlite.core.context import Context, Watched, Watcher
from nnlite.core.initializers import InitializerLike
from nnlite.core.parameters import Parameter, ParameterSpec, State
from nnlite.core.wiring import Wired
from nnlite.errors.checks import check_integer
from nnlite.errors.habits import answering
from nnlite.errors.layers import check_initializer, check_layers, check_new

__all__ = ["Layer"]


@answering
class Layer(Wired):
    """Base class of all layers.

    A layer treats the last axes of its input as (batch, features) and broadcasts over any axes before
    them, which are replicas; an input that they share comes without that axis. It changes no array that
    it did not make, and keeps nothing of a pass on itself. What it has is declared: parameters and state
    with `declare`, layers with `hold`, other arrays in `buffers` or as an argument. A layer, or an array,
    that is not declared would be neither trained nor saved, and models refuse it.

    A subclass writes `forward` and `backward`. If it has parameters, it names them
    with `Parameter` in the class body and gives their shapes with `declare` in
    ``__init__``. If it takes arguments, it stores each under its own name: that is
    what its ``repr`` shows and what a model file holds.

    Attributes
    ----------
    input_shape : tuple of int or None
        Shape of one sample, or None if any will do.
    children : tuple of Layer
        The layers that it is made of, see `hold`.
    buffers : dict of str to ndarray
        Arrays that `adapt` measures once, before training. They are saved with the layer. What
        changes in training is `State`.
    feeding_initializer : Initializer or None
        How to draw the weights of a Dense layer whose output this layer gets; None leaves
        it to the layer after it.
    gives_probabilities : bool
        True if the output is a probability or its logarithm, which a loss that wants
        logits refuses.
    stochastic : bool
        True if ``forward`` draws random numbers in training.
    mixes_rows : bool
        True if what ``forward`` gives for a row in training depends on the other rows of the batch.
    takes_sparse : bool
        True if ``forward`` and ``backward`` know what to do with a CSR matrix of SciPy in the
        place of `x`. A sparse input is refused if the first layer does not.
    exact_buffers : tuple of str
        Names of buffers that stay in float64, if they are, in a model of float32.
    adapted : bool
        False while the layer has an ``adapt(X)`` that must see data before ``forward``
        can work; the first ``fit`` then calls it.

    Examples
    --------
    >>> import numpy as np
    >>> class Square(Layer):
    ...     def forward(self, x, ctx=None):
    ...         if ctx is not None:
    ...             ctx.save(x)
    ...         return x * x
    ...     def backward(self, dy, ctx):
    ...         (x,) = ctx.saved
    ...         return 2 * x * dy
    >>> Square().forward(np.array([[3.0]]))
    array([[9.]])
    """

    feeding_initializer: InitializerLike | None = None
    gives_probabilities: ClassVar[bool] = False
    stochastic: ClassVar[bool] = False
    mixes_rows: ClassVar[bool] = False
    takes_sparse: ClassVar[bool] = False
    adapted: Any = True  # a property, where it depends on what the layer has seen
    #: The last layer it holds that is not asked for dL/dx when nobody asks for its own; -1: all are asked.
    _first_learning: int = -1
    #: What its context is made of.
    _context_kind: ClassVar[type[Context]] = Context

    # What a subclass writes.

    def forward(self, x: Array, ctx: Context | None = None) -> Array:
        """Compute the output.

        Parameters
        ----------
        x : ndarray of shape (..., batch, features)
            The input. It must not be changed.
        ctx : Context, optional
            Where to `save` what the backward pass needs. None means inference:
            nothing is saved.

        Returns
        -------
        ndarray
            The output, of the dtype of `x`.

        Raises
        ------
        NotImplementedError
            If the subclass has none.
        """
        raise NotImplementedError(f"{type(self).__name__}.forward is not written yet")

    def backward(self, dy: Array, ctx: Context) -> Array | None:
        """Trace the blame back: from dL/dy to dL/dx and to the gradients of the parameters.

        Parameters
        ----------
        dy : ndarray of the shape of the output
            dL/dy. It must not be changed.
        ctx : Context
            The one that `forward` got. Gradients are written to ``ctx.grads.<name>``,
            and overwrite what was there.

        Returns
        -------
        ndarray of the shape of the input, or None
            dL/dx; it may be None if ``ctx.needs_dx`` is False.

        Raises
        ------
        NotImplementedError
            If the subclass has none.
        """
        raise NotImplementedError(f"{type(self).__name__}.backward is not written yet")

    @property
    def input_shape(self) -> tuple[int, ...] | None:
        """Shape of one sample, or None if any will do."""
        return None

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of one output sample for one input sample; of any layer ask `shape_after`.

        Parameters
        ----------
        input_shape : tuple of int
            Shape of one input sample.

        Returns
        -------
        tuple of int
            The same shape, unless a subclass says otherwise.
        """
        return input_shape

    def adapt(self, X: AnyArray | Iterator[AnyArray]) -> None:
        """Measure on data what the layer needs to know; nothing, unless a subclass says otherwise.

        Parameters
        ----------
        X : ndarray of shape (..., rows, features), or an iterator of such blocks
            What would reach the layer. Rows of weight 0 are left out.

        Notes
        -----
        If a subclass has another parameter, ``adapt(X, weight=None)``, it is given the weights of the
        rows too: for an iterator of blocks an iterator of their weights, of shape (rows,) or
        (replicas, rows), or None for a block without.
        """

    def buffer_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the names and shapes of `buffers` once the layer is ready for use.

        Returns
        -------
        dict of str to tuple of int
            Empty, unless a subclass says otherwise.
        """
        return {}

    # What a subclass uses.

    def declare(
        self,
        name: str,
        shape: tuple[int, ...],
        *,
        initializer: InitializerLike | None = None,
        decay: bool = True,
    ) -> None:
        """Say in ``__init__`` that the layer has a parameter, or a state.

        Parameters
        ----------
        name : str
            The name of a `Parameter` or a `State` in the class body.
        shape : tuple of int
            Its shape.
        initializer : callable (rng, shape) -> ndarray, optional
            How its first values are drawn. By default weights are drawn as suits what
            follows, an activation or nothing, and what does not decay starts at zero.
        decay : bool
            True for weights, False for biases and gains. It says nothing of a state.

        Raises
        ------
        ArgumentTypeError
            If the class body has no such `Parameter`.
        ArgumentError
            If the name is declared already or the shape has a size below 1.
        """
        check_new(type(self), name, Parameter, self._specs)
        where = f"{type(self).__name__}.declare(shape=)"
        sizes = tuple(check_integer(where, size, low=1) for size in shape)
        check_initializer(type(self), initializer)
        learned = not isinstance(getattr(type(self), name), State)
        self._specs[name] = ParameterSpec(name, sizes, decay and learned, learned)
        self._initializers[name] = initializer

    def hold(self, layers: Sequence[Layer]) -> tuple[Any, ...]:
        """Say in ``__init__`` that the layer is made of others.

        Their parameters are its own from then on, ``"0.W"`` for the `W` of the first. In ``forward`` and
        ``backward`` go through `held`, which has the context of each.

        Parameters
        ----------
        layers : sequence of Layer
            In the order in which `held` gives them. They belong to this layer from now on.

        Returns
        -------
        tuple of Layer
            The same, which are `children` too.

        Raises
        ------
        ArgumentTypeError
            If one of them is no layer.
        ArgumentError
            If there is none, or one of them is there twice, or belongs to another layer or model, or if
            the layer holds some already.

        Examples
        --------
        Two ways side by side, added up:

        >>> from nnlite import Dense, Layer, Sequential, Tanh
        >>> class Sum(Layer):
        ...     def __init__(self, first, second):
        ...         self.first, self.second = self.hold([first, second])
        ...     def forward(self, x, ctx=None):
        ...         (first, a), (second, b) = self.held(ctx)
        ...         return first.forward(x, a) + second.forward(x, b)
        ...     def backward(self, dy, ctx):
        ...         (first, a), (second, b) = self.held(ctx)
        ...         return first.backward(dy, a) + second.backward(dy, b)
        >>> layer = Sum(Dense(2, 2), Sequential([Dense(2, 4), Tanh(), Dense(4, 2)]))
        >>> layer.parameter_names
        ('0.W', '0.b', '1.0.W', '1.0.b', '1.2.W', '1.2.b')
        """
        self.children = self._holdable(layers, "self.hold")
        for index, layer in enumerate(self.children):
            layer._in_model = True
            for name, spec in layer._specs.items():
                self._specs[f"{index}.{name}"] = spec._replace(name=f"{index}.{name}")
        return self.children

    def _holdable(self, layers: Sequence[Layer], call: str = "") -> tuple[Any, ...]:
        """Return the layers as a tuple, or say which of them cannot be held by whom `call` is a method of."""
        check_layers(type(self).__name__, call, layers, Layer, holds=bool(self.children))
        return tuple(layers)

    def held(self, ctx: Context | None) -> Sequence[tuple[Any, Any]]:
        """Return the layers that it is made of, each with its own context.

        Call those that it gives, and not those on `self`: in a pass that is watched others stand in their
        places. Their ``backward`` gives dL/dx; in a `Chain` only if ``ctx.needs_dx``.

        Parameters
        ----------
        ctx : Context or None
            What ``forward`` or ``backward`` got.

        Returns
        -------
        sequence of (Layer, Context or None)
            In the order of `hold`.
        """
        return [(layer, None) for layer in self.children] if ctx is None else ctx.inner

    # What a model does with it.

    def shape_after(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of one output sample, of any layer: what one that holds others asks them.

        Parameters
        ----------
        input_shape : tuple of int
            Shape of one input sample.

        Returns
        -------
        tuple of int
            What `output_shape` says; of a `Sequential`, whose `output_shape` is one shape and no method, what
            comes behind its last layer.
        """
        return self.output_shape(input_shape)

    def _context(
        self,
        views: Mapping[str, Array] | None = None,
        *,
        watch: Watcher | None = None,
        needs_dx: bool = True,
        **shared: Any,
    ) -> Any:
        """Make a context, with those of the layers that it is made of; gradients go to `views`, if given."""
        inner = []
        for index, child in enumerate(self.children):
            asked = needs_dx or index > self._first_learning
            kept = child._context(views, watch=watch, needs_dx=asked, **shared)
            place = f"{self._prefix}{index}"
            inner.append((child if watch is None else Watched(child, place, watch), kept))
        grads = self._grads if views is None else self.gradients(views)
        return self._context_kind(grads, needs_dx=needs_dx, inner=tuple(inner), **shared)
