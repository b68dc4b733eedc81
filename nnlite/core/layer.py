"""What a layer is: a ``forward``, a ``backward``, and perhaps some parameters.

To write your own, subclass `Layer`, write the two methods in NumPy, and let
`nnlite.testing.check_layer` prove them.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from nnlite.core.config import Configured
from nnlite.core.context import Context, Gradients
from nnlite.core.initializers import GlorotUniform, InitializerLike, Zeros
from nnlite.core.parameters import Parameter, Parameters, ParameterSpec
from nnlite.core.types import RNG, AnyArray, Array
from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.errors.checks import check_bool, check_integer, check_rng
from nnlite.errors.habits import answering

__all__ = ["Layer"]


@answering
class Layer(Configured):
    """Base class of all layers.

    A layer treats the last axes of its input as (batch, features) and broadcasts
    over any axes before them, which are replicas. It changes no array that it did
    not make, and keeps nothing of a pass on itself. What it holds is declared: parameters
    with `declare`, other arrays in `buffers` or as an argument. Another layer, or an array
    that is not declared, would be neither trained nor saved, and models refuse it.

    A subclass writes `forward` and `backward`. If it has parameters, it names them
    with `Parameter` in the class body and gives their shapes with `declare` in
    ``__init__``. If it takes arguments, it stores each under its own name: that is
    what its ``repr`` shows and what a model file holds.

    Attributes
    ----------
    input_shape : tuple of int or None
        Shape of one sample, or None if any will do.
    buffers : dict of str to ndarray
        Arrays that belong to the layer and are saved with it, but are not learned.
    feeding_initializer : Initializer or None
        How to draw the weights of a Dense layer whose output this layer gets; None leaves
        it to the layer after it.
    gives_probabilities : bool
        True if the output is a probability or its logarithm, which a loss that wants
        logits refuses.
    stochastic : bool
        True if ``forward`` draws random numbers in training.
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
    takes_sparse: ClassVar[bool] = False
    exact_buffers: ClassVar[tuple[str, ...]] = ()

    _specs: dict[str, ParameterSpec]
    _initializers: dict[str, InitializerLike | None]
    _views: dict[str, Array]
    _params: Parameters | None
    _grads: Gradients
    _in_model: bool
    _frozen: frozenset[str]
    buffers: dict[str, AnyArray]

    def __new__(cls, *_args: Any, **_kwargs: Any) -> Self:
        """Give a new layer the state that every layer has."""
        # Here and not in __init__, so that a subclass has no super().__init__() to forget.
        layer = super().__new__(cls)
        layer._specs = {}
        layer._initializers = {}
        layer._views = {}
        layer._params = None
        layer._grads = Gradients({})
        layer._in_model = False
        layer._frozen = frozenset()
        layer.buffers = {}
        return layer

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
        """Return the shape of one output sample for one input sample.

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

    @property
    def adapted(self) -> bool:
        """Whether the layer has seen the data that it needs to see."""
        return True

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
        """Say in ``__init__`` that the layer has a parameter.

        Parameters
        ----------
        name : str
            The name of a `Parameter` in the class body.
        shape : tuple of int
            Its shape.
        initializer : callable (rng, shape) -> ndarray, optional
            How its first values are drawn. By default weights are drawn as suits what
            follows, an activation or nothing, and what does not decay starts at zero.
        decay : bool
            True for weights, False for biases and gains.

        Raises
        ------
        ArgumentTypeError
            If the class body has no such `Parameter`.
        ArgumentError
            If the name is declared already or the shape has a size below 1.
        """
        if not isinstance(getattr(type(self), name, None), Parameter):
            raise ArgumentTypeError(
                f"{type(self).__name__}.declare",
                f"a Parameter called {name!r} in the class body",
                "none",
                f"Add the line `{name} = Parameter()` to the class.",
            )
        if name in self._specs:
            raise ArgumentError(
                f"{type(self).__name__}.declare", "a new name", f"{name!r} twice", "Declare it once."
            )
        where = f"{type(self).__name__}.declare(shape=)"
        sizes = tuple(check_integer(where, size, low=1) for size in shape)
        if initializer is not None and (isinstance(initializer, type) or not callable(initializer)):
            is_class = isinstance(initializer, type)
            raise ArgumentTypeError(
                f"{type(self).__name__}(initializer)",
                "a callable (rng, shape) -> array",
                f"the class {initializer.__name__}" if is_class else f"{initializer!r}",
                "Give an instance such as nnlite.initializers.HeNormal().",
            )
        self._specs[name] = ParameterSpec(name, sizes, decay)
        self._initializers[name] = initializer

    # What a model and a user do with it.

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Names of the parameters, in the order they were declared."""
        return tuple(self._specs)

    @property
    def parameter_count(self) -> int:
        """How many numbers the layer learns, frozen ones included, in one replica."""
        return sum(spec.size for spec in self._specs.values())

    @property
    def dtype(self) -> np.dtype[np.floating[Any]]:
        """The dtype of the parameters: that of the model, or float32 for a layer on its own."""
        return np.dtype(np.float32) if self._params is None else self._params.dtype

    @property
    def trainable(self) -> bool:
        """Whether training changes any parameter; setting it freezes or unfreezes all."""
        return len(self.frozen) < len(self._specs)

    @trainable.setter
    def trainable(self, value: bool) -> None:
        if check_bool(f"{self}.trainable", value):
            self.unfreeze()
        else:
            self.freeze()

    @property
    def frozen(self) -> frozenset[str]:
        """Names of the parameters that training leaves as they are."""
        if self._params is None:
            return self._frozen
        return frozenset(name for name in self._specs if self._prefix + name in self._params.frozen)

    def freeze(self, *names: str) -> None:
        """Mark parameters as not trainable: optimizers leave them as they are.

        Their gradients are still computed, so that they can be looked at.

        Parameters
        ----------
        *names : str
            Which; without any, all of this layer's.

        Raises
        ------
        ArgumentError
            If the layer has no such parameter.

        Examples
        --------
        >>> from nnlite.layers import Dense
        >>> layer = Dense(2, 3)
        >>> layer.freeze("b")
        >>> sorted(layer.frozen)
        ['b']
        """
        self._set_frozen(self.frozen | {self._known(name) for name in names or self._specs})

    def unfreeze(self, *names: str) -> None:
        """Make parameters trainable again.

        Parameters
        ----------
        *names : str
            Which; without any, all of this layer's.

        Raises
        ------
        ArgumentError
            If the layer has no such parameter.
        """
        self._set_frozen(self.frozen - {self._known(name) for name in names or self._specs})

    def _set_frozen(self, names: frozenset[str]) -> None:
        if self._params is None:
            # Noted until there are parameters: drawing them here would take them from the model's seed.
            self._frozen = names
            return
        others = self._params.frozen - {self._prefix + name for name in self._specs}
        self._params.frozen = others | {self._prefix + name for name in names}

    def initialize(self, rng: RNG = None, *, default: InitializerLike | None = None) -> None:
        """Draw new values for the parameters.

        Parameters
        ----------
        rng : int, Generator or None
            The seed. With replicas, each replica draws from a stream of its own.
        default : callable (rng, shape) -> ndarray, optional
            For weights that were declared without an initializer; Glorot's uniform
            rule if not given.

        Raises
        ------
        ArgumentError
            If an initializer gives an array of another shape.
        """
        params = self._materialized()
        generator = check_rng(f"{self}.initialize(rng=)", rng)
        streams = [generator] if params.replicas is None else generator.spawn(params.replicas)
        self._fill(self._draw(streams, default))

    def _draw(
        self, streams: Sequence[np.random.Generator], default: InitializerLike | None
    ) -> dict[str, Array]:
        """Draw values of shape (streams, *shape) for each parameter; nothing is changed yet."""
        return {
            name: np.stack([self._draw_one(name, stream, default) for stream in streams])
            for name in self._specs
        }

    def _draw_one(self, name: str, stream: np.random.Generator, default: InitializerLike | None) -> Array:
        spec, initializer = self._specs[name], self._initializers[name]
        if initializer is None:
            initializer = (default or GlorotUniform()) if spec.decay else Zeros()
        drawn = np.asarray(initializer(stream, spec.shape))
        if drawn.shape != spec.shape:
            raise ArgumentError(
                f"{self}.initialize",
                f"the initializer of {name} to give shape {spec.shape}",
                f"{drawn.shape}",
                "An initializer takes (rng, shape) and returns an array of that shape.",
            )
        return drawn

    def _fill(self, drawn: Mapping[str, Array]) -> None:
        """Take over values that were drawn."""
        for name, values in drawn.items():
            self._views[name][...] = values.reshape(self._views[name].shape)

    # The wiring to the flat buffers.

    _prefix: str = ""

    def _known(self, name: str) -> str:
        if name not in self._specs:
            if not self._specs:
                raise ArgumentError(
                    f"{self}", "a layer with parameters", "one without", "Name another layer."
                )
            raise ArgumentError(
                f"{self}", f"one of {', '.join(self._specs)}", f"{name!r}", "Use a name from that list."
            )
        return name

    def _bind(self, params: Parameters, prefix: str = "") -> None:
        """Make the layer's views point into `params`."""
        self._params = params
        self._prefix = prefix
        self._views = {name: params[prefix + name] for name in self._specs}
        self._grads = Gradients({name: params.grad(prefix + name) for name in self._specs})
        self.buffers = {
            name: self._buffer_as(name, array, params.dtype) for name, array in self.buffers.items()
        }

    def _buffer_as(self, name: str, array: AnyArray, dtype: np.dtype[Any]) -> AnyArray:
        """Copy a buffer into the dtype of a model."""
        exact = name in self.exact_buffers and array.dtype == np.float64
        return array.copy() if exact else array.astype(dtype)

    def gradients(self, views: Mapping[str, Array]) -> Gradients:
        """Pick this layer's part of a split gradient buffer.

        Parameters
        ----------
        views : mapping of str to ndarray
            What `Parameters.split` gives for the model's buffer.

        Returns
        -------
        Gradients
        """
        return Gradients({name: views[self._prefix + name] for name in self._specs})

    def _materialized(self) -> Parameters:
        """Give a layer that is in no model parameters of its own."""
        if self._params is not None:
            return self._params
        own = Parameters(self._specs.values())
        own.frozen = self._frozen
        self._bind(own)
        self.initialize()
        return own

    def _materialize(self, name: str) -> Array:
        if name not in self._specs:
            raise AttributeError(f"{self} has no parameter {name!r}")
        self._materialized()
        return self._views[name]

    def _replica(self, index: int) -> Self:
        """Copy the layer as one of its replicas has it, out of the model."""
        state = {
            k: v for k, v in self.__dict__.items() if k not in {"_params", "_views", "_grads", "buffers"}
        }
        layer = type(self).__new__(type(self))
        layer.__dict__.update(
            copy.deepcopy(state) | {"_in_model": False, "_frozen": self.frozen, "_prefix": ""}
        )
        shapes = self.buffer_shapes()
        layer.buffers = {
            # What was measured on other data for each replica has an axis for them.
            name: array.copy() if array.shape == shapes.get(name, array.shape) else array[index, 0].copy()
            for name, array in self.buffers.items()
        }
        if self._params is not None:
            own = Parameters(self._specs.values(), dtype=self.dtype)
            own.frozen = self.frozen
            layer._bind(own)
            for name, view in self._views.items():
                layer._views[name][...] = view[index].reshape(self._specs[name].shape)
        return layer

    # A copy of a layer is a layer on its own: it takes its numbers along and leaves the model.
    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        if self._params is not None:
            own = Parameters(self._specs.values(), dtype=self.dtype, replicas=self._params.replicas)
            own.frozen = self.frozen
            for name, view in self._views.items():
                own[name][...] = view
            state["_params"] = own
        state["_prefix"] = ""
        state["_in_model"] = False
        del state["_views"], state["_grads"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self._params is not None:
            self._bind(self._params)
