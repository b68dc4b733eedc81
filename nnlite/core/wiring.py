"""How the numbers of a layer lie in the flat buffers: tied to them, drawn, and frozen.

A layer on its own gets buffers of its own when its numbers are first asked for. In a model its names get
a prefix, ``"0.W"``, and its numbers move into the model's buffers.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from nnlite.core.aliases import RNG, AnyArray, Array
from nnlite.core.config import Configured
from nnlite.core.context import Gradients
from nnlite.core.initializers import GlorotUniform, InitializerLike, Zeros, default_initializer
from nnlite.core.parameters import Parameter, Parameters, ParameterSpec
from nnlite.errors.checks import check_bool, check_rng
from nnlite.errors.layers import check_chosen, check_drawn, refuse_new_array

__all__ = ["Wired"]


class Wired(Configured):
    """The base of `Layer`: ties declared parameters to the flat buffers."""

    exact_buffers: ClassVar[tuple[str, ...]] = ()

    children: tuple[Any, ...]
    buffers: dict[str, AnyArray]
    #: By the name, what there is to draw and where it lies; of the layers that it holds too.
    _specs: dict[str, ParameterSpec]
    _initializers: dict[str, InitializerLike | None]  # of its own only
    _views: dict[str, Array]
    _grads: Gradients
    #: The flat buffers that the views point into: of the whole model, if it is in one. None at first.
    _params: Parameters | None
    _prefix: str = ""  # what its names begin with there
    _in_model: bool  # or in another layer
    _frozen: frozenset[str]  # only until there are buffers, which know it from then on
    #: What is not copied, but made anew where the numbers are.
    _made_anew: ClassVar[frozenset[str]] = frozenset(("_params", "_views", "_grads"))

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
        layer.children = ()
        return layer

    def walk(self, prefix: str = "") -> list[tuple[str, Any]]:
        """Return this layer, and then those that it is made of, however deep.

        Each comes with what the names of its parameters begin with. The order is depth first.
        """
        every: list[tuple[str, Any]] = []
        waiting: list[tuple[str, Any]] = [(prefix, self)]
        while waiting:
            place, layer = waiting.pop()
            every.append((place, layer))
            waiting += [(f"{place}{index}.", child) for index, child in enumerate(layer.children)][::-1]
        return every

    def __setattr__(self, name: str, value: Any) -> None:
        # `layer.W *= 2` sets the same view again; any other array would cut the layer off from the buffers.
        if isinstance(getattr(type(self), name, None), Parameter) and value is not self._views.get(name):
            refuse_new_array(f"{self}.{name}", f"layer.{name}")
        super().__setattr__(name, value)

    def _own(self) -> list[str]:
        """Return the names of what it has declared itself."""
        return list(self._initializers)

    def _learned(self) -> list[str]:
        """Return those that have a gradient."""
        return [name for name in self._initializers if self._specs[name].learned]

    # What a model and a user do with it.

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Names of the parameters, in the order they were declared; of layers that it holds ``"0.W"``."""
        return tuple([name for name, spec in self._specs.items() if spec.learned])

    @property
    def parameter_count(self) -> int:
        """How many numbers the layer learns, frozen ones included, in one replica."""
        return sum(spec.size for spec in self._specs.values() if spec.learned)

    @property
    def dtype(self) -> np.dtype[np.floating[Any]]:
        """The dtype of the parameters: that of the model, or float32 for a layer on its own."""
        return np.dtype(np.float32) if self._params is None else self._params.dtype

    @property
    def trainable(self) -> bool:
        """Whether training changes any parameter; setting it freezes or unfreezes all."""
        return len(self.frozen) < len(self.parameter_names)

    @trainable.setter
    def trainable(self, value: bool) -> None:
        if check_bool(f"{self}.trainable", value):
            self.unfreeze()
        else:
            self.freeze()

    @property
    def frozen(self) -> frozenset[str]:
        """Names of the parameters that training leaves as they are."""
        return frozenset(place + name for place, layer in self.walk() for name in layer._own_frozen())

    def _own_frozen(self) -> frozenset[str]:
        """Return those that it has declared itself."""
        if self._params is None:
            return self._frozen
        return frozenset(name for name in self._own() if self._prefix + name in self._params.frozen)

    def freeze(self, *names: str) -> None:
        """Mark parameters as not trainable: optimizers leave them as they are.

        Their gradients are still computed, so that they can be looked at.

        Parameters
        ----------
        *names : str
            Which; without any, all of this layer's. ``"0.W"`` is the `W` of the first layer that it holds.

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
        self._set_frozen(self.frozen | check_chosen(self, names, self.parameter_names))

    def unfreeze(self, *names: str) -> None:
        """Make parameters trainable again; without names, all of this layer's."""
        self._set_frozen(self.frozen - check_chosen(self, names, self.parameter_names))

    def _set_frozen(self, names: frozenset[str]) -> None:
        for place, layer in self.walk():
            own = frozenset(name for name in layer._own() if place + name in names)
            if layer._params is None:
                # Noted until there are parameters: drawing them here would take them from the model's seed.
                layer._frozen = own
            elif own != layer._own_frozen():
                others = layer._params.frozen - {layer._prefix + name for name in layer._own()}
                layer._params.frozen = others | {layer._prefix + name for name in own}

    # Drawing.

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
        every = [layer for _, layer in self.walk()]
        self._fill(self._draw(streams, dict.fromkeys(map(id, every), default)))

    def _draw(
        self, streams: Sequence[np.random.Generator], chosen: Mapping[int, InitializerLike | None]
    ) -> dict[str, Array]:
        """Draw values of shape (streams, *shape) for each parameter of the chosen layers, by their `id`.

        Of each it is known how it starts if it does not say so. Layers draw from the streams in turn.
        Nothing is changed yet.
        """
        return {
            place + name: np.stack([layer._draw_one(name, stream, chosen[id(layer)]) for stream in streams])
            for place, layer in self.walk()
            if id(layer) in chosen
            for name in layer._own()
        }

    def _draw_one(self, name: str, stream: np.random.Generator, default: InitializerLike | None) -> Array:
        spec, initializer = self._specs[name], self._initializers[name]
        if initializer is None:
            initializer = (default or GlorotUniform()) if spec.decay else Zeros()
        drawn = np.asarray(initializer(stream, spec.shape))
        check_drawn(self, name, drawn, spec.shape)
        return drawn

    def _fill(self, drawn: Mapping[str, Array]) -> None:
        """Take over values that were drawn."""
        for name, values in drawn.items():
            self._views[name][...] = values.reshape(self._views[name].shape)

    def _undrawn(self) -> set[int]:
        """Return the `id` of each layer here that has no numbers yet, and so may be drawn by a model."""
        found = {id(self)} if self._params is None else set()
        return found.union(*(child._undrawn() for child in self.children))

    def _starts(self, chosen: set[int]) -> dict[int, InitializerLike | None]:
        """Return, for the chosen layers, how each starts if it does not say so."""
        every = [layer for _, layer in self.walk()]
        return {
            id(layer): None if layer.children else default_initializer(every, place)
            for place, layer in enumerate(every)
            if id(layer) in chosen
        }

    # The flat buffers.

    def _move_into(self, params: Parameters, prefix: str = "") -> None:
        """Tie this layer, and all that it holds, to buffers; numbers and what is frozen come along."""
        every = self.walk(prefix)
        kept = {
            place + name: layer._views[name]
            for place, layer in every
            for name in (layer._own() if layer._views else ())
        }
        frozen = {prefix + name for name in self.frozen}
        for place, layer in every:
            layer._bind(params, place)
        for name, view in kept.items():
            params[name][...] = view
        params.frozen = params.frozen | frozen

    def _bind(self, params: Parameters, prefix: str) -> None:
        """Make the views of this layer point into buffers."""
        self._params = params
        self._prefix = prefix
        self._views = {name: params[prefix + name] for name in self._specs}
        vars(self).update({name: self._views[name] for name in self._own()})
        self._grads = Gradients({name: params.grad(prefix + name) for name in self._learned()})
        self.buffers = {
            name: self._buffer_as(name, array, params.dtype) for name, array in self.buffers.items()
        }

    def _buffer_as(self, name: str, array: AnyArray, dtype: np.dtype[Any]) -> AnyArray:
        """Copy a buffer into the dtype of a model."""
        exact = name in self.exact_buffers and array.dtype == np.float64
        return array.copy() if exact else array.astype(dtype)

    def gradients(self, views: Mapping[str, Array]) -> Gradients:
        """Pick this layer's part of a gradient buffer, split as `Parameters.split` does."""
        return Gradients({name: views[self._prefix + name] for name in self._learned()})

    def _materialized(self) -> Parameters:
        """Give a layer that is in no model parameters of its own."""
        if self._params is not None:
            return self._params
        undrawn = self._undrawn()
        # Layers that it holds may have numbers already, which must find room.
        held = [layer._params for _, layer in self.walk() if layer._params is not None]
        dtype = np.result_type(np.float32, *(params.dtype for params in held))
        replicas = max((params.replicas or 0 for params in held), default=0) or None
        own = Parameters(self._specs.values(), dtype=dtype, replicas=replicas)
        self._move_into(own)
        starts = self._starts(undrawn) if self.children else {id(self): None}
        rng = np.random.default_rng()
        self._fill(self._draw([rng] if replicas is None else rng.spawn(replicas), starts))
        return own

    def _materialize(self, name: str) -> Array:
        if name not in self._specs:
            hint = f"a layer of your own declares it in __init__: self.declare({name!r}, shape)"
            raise AttributeError(f"{self} has no parameter {name!r}; {hint}")
        self._materialized()
        return self._views[name]

    def measured(self) -> list[dict[str, AnyArray]]:
        """Return the buffers of this layer and of all that it is made of, in the order of `walk`."""
        return [layer.buffers for _, layer in self.walk()]

    def take_measured(self, buffers: Sequence[Mapping[str, AnyArray]]) -> None:
        """Give them other buffers, copies of what `measured` returned."""
        for (_, layer), own in zip(self.walk(), buffers, strict=True):
            layer.buffers = {name: array.copy() for name, array in own.items()}

    # Copies.

    def _apart(self) -> dict[str, Any]:
        """Return what it is apart from its numbers."""
        tied = self._made_anew.union(self._own())
        return {name: value for name, value in vars(self).items() if name not in tied}

    # A copy of a layer is a layer on its own: it takes its numbers along and leaves the model. Layers that it
    # holds bring theirs themselves.
    def __getstate__(self) -> dict[str, Any]:
        state, own = self._apart(), None
        if self._params is not None:
            specs = [self._specs[name] for name in self._own()]
            own = Parameters(specs, dtype=self.dtype, replicas=self._params.replicas)
            own.frozen = self._own_frozen()
            for name in self._own():
                own[name][...] = self._views[name]
        return {**state, "_params": own, "_prefix": "", "_in_model": False}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update({"children": (), "_views": {}, "_grads": Gradients({}), **state})
        own = self._params
        for child in self.children:
            child._in_model = True
        if own is not None:
            self._params = None
            self._frozen = own.frozen
            self._views = {name: own[name] for name in self._own()}
            self._move_into(Parameters(self._specs.values(), dtype=own.dtype, replicas=own.replicas))

    def __copy__(self) -> Self:
        """Copy what it holds too: two that share it would each cut it off from the other."""
        return copy.deepcopy(self)
