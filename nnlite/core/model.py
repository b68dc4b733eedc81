"""Sequential: layers in a row with numbers of their own, in flat arrays, that can be trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from nnlite.core.chain import Chain, ModelContext, Shape
from nnlite.core.context import Rows, Watcher
from nnlite.core.layer import Layer
from nnlite.core.parameters import Parameters
from nnlite.core.random import Generators, Seeds, check_rngs
from nnlite.core.types import Array
from nnlite.errors import ArgumentError, ArgumentTypeError, ShapeError
from nnlite.errors.arguments import explained
from nnlite.errors.checks import check_dtype, check_integer

__all__ = ["Sequential"]


class _OwnParameters:
    """Says, where a model has no `params` of its own, that it is a part of another one."""

    def __get__(self, model: Any, kind: type) -> Any:
        if model is None:
            return self
        raise ArgumentError(
            f"{kind.__name__}.params",
            "a model on its own",
            "one that is a layer of another",
            "Train, save and copy the whole model, or take this part out of it: copy.deepcopy(part).",
        )


class Sequential(Chain):
    """A network: a list of layers, each fed by the one before.

    It is a layer too, and so may be in the list of another one; see Notes. This one computes.
    `nnlite.Sequential` adds checks of what it is given, and all that is done with a net: ``fit``,
    ``predict``, ``save`` and more.

    Parameters
    ----------
    layers : list of Layer
        From input to output. Each belongs to this model from now on.
    dtype : dtype
        float32, or float64 for gradient checks.
    replicas : int, optional
        Train this many nets as one: every parameter gets a leading axis, and so does
        the output.
    rng : int, Generator or None, or one of them for each replica
        The seed of the initial weights. Each layer draws from a stream of its own.

    Attributes
    ----------
    layers : tuple of Layer
        The layers.
    params : Parameters
        All parameters and gradients, in two flat buffers.
    rng : Generator or Generators
        What dropout draws from.
    input_shape, output_shape : tuple of int or None
        Shape of one sample; None if any will do.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If an option or an initializer cannot be used.
    ShapeError
        If a layer does not take what the one before it gives.

    Notes
    -----
    In another model its numbers are a part of that one's, ``"1.0.W"``. If it was made without a seed and its
    weights are still those of its random start, they are drawn anew with that model's seed; others it keeps.

    Examples
    --------
    Forward, blame, and one small step downhill:

    >>> from nnlite.core.dense import Dense
    >>> from nnlite.core.model import Sequential
    >>> model = Sequential([Dense(1, 1)], dtype=np.float64, rng=0)
    >>> x = np.array([[0.0], [1.0]])
    >>> for step in range(500):
    ...     ctx = model.context()
    ...     y = model.forward(x, ctx)
    ...     dx = model.backward(y - (3 * x + 1), ctx)  # dL/dy of half the squared error
    ...     model.params.values -= 0.5 * model.params.grads
    >>> model.params.values.round(3)
    array([3., 1.])
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        *,
        dtype: Any = np.float32,
        replicas: int | None = None,
        rng: Seeds = None,
    ) -> None:
        self._assemble(layers, dtype, replicas, rng, draw=True)

    params: Parameters = _OwnParameters()  # type: ignore[assignment]
    rng: np.random.Generator | Generators
    #: Not copied: made anew where the numbers are.
    _made_anew: ClassVar[frozenset[str]] = Chain._made_anew | {"params"}
    _of_a_model = frozenset(("dtype", "replicas", "rng", "preprocessing"))
    #: What draws again what a start without a seed has drawn, and for which layers that was.
    _blind: tuple[Any, frozenset[str]] | None = None

    def _assemble(
        self, layers: Sequence[Layer], dtype: Any, replicas: int | None, rng: Seeds, *, draw: bool
    ) -> None:
        """Check everything and draw the weights; only then tie the layers to this model."""
        if replicas is not None:
            replicas = check_integer("Sequential(replicas=)", replicas, low=1)
        dtype = check_dtype("Sequential(dtype=)", dtype)
        self.rng = check_rngs("Sequential(rng=)", rng, replicas=replicas)
        self._line_up(layers)
        try:
            params = Parameters(self._specs.values(), dtype=dtype, replicas=replicas)
            undrawn = self._undrawn() if draw else set()
            if rng is None and undrawn and isinstance(self.rng, np.random.Generator):
                drawing = frozenset(place for place, layer in self.walk() if id(layer) in undrawn)
                self._blind = self.rng.bit_generator.seed_seq, drawing
            drawn = self._draw_all(self.rng, undrawn, replicas) if draw else {}
        except BaseException:
            for layer in self.children:
                layer._in_model = False
            raise
        self._move_into(params)
        self._fill(drawn)

    def _bind(self, params: Parameters, prefix: str) -> None:
        super()._bind(params, prefix)
        if prefix:
            vars(self).pop("params", None)
            self._blind = None
        else:
            self.params = params

    def _draw_all(
        self, rng: np.random.Generator | Generators, chosen: set[int], replicas: int | None
    ) -> dict[str, Array]:
        """Draw values for the chosen layers. An initializer that fails has changed nothing."""
        # One stream for each replica, and from it one for each layer: replica r starts as a
        # single net with the r-th spawned generator does, and a layer more changes no other.
        sources: Sequence[np.random.Generator] = (rng,) if isinstance(rng, np.random.Generator) else rng.each
        if replicas is not None and isinstance(rng, np.random.Generator):
            sources = rng.spawn(replicas)
        streams = [source.spawn(len(self.children)) for source in sources]
        starts = self._starts(chosen)
        return {
            f"{index}.{name}": values
            for index, layer in enumerate(self.children)
            for name, values in layer._draw([stream[index] for stream in streams], starts).items()
        }

    def _undrawn(self) -> set[int]:
        """Return also what a start without a seed has drawn, if nobody has changed it since."""
        found = super()._undrawn()
        if self._blind is None or self._params is None:
            return found
        seed, places = self._blind
        blind = {id(layer) for place, layer in self.walk() if place in places}
        again = np.random.default_rng(np.random.SeedSequence(seed.entropy, spawn_key=seed.spawn_key))
        drawn = self._draw_all(again, blind, self._params.replicas)
        as_drawn = all(
            np.array_equal(self._views[name].ravel(), values.astype(self.dtype).ravel())
            for name, values in drawn.items()
        )
        return found | blind if as_drawn else found

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers, from input to output."""
        return self.children

    @layers.setter
    def layers(self, layers: Any) -> None:
        raise ArgumentError(
            "Sequential.layers",
            "to stay as they are, since the model has one array for the parameters of all",
            f"{layers!r}",
            "Make a new model, of copies: Sequential([*copy.deepcopy(model.layers), Dense(8, 1)]).",
        )

    @property
    def output_shape(self) -> Shape:  # type: ignore[override]  # a model has one, a layer gives one for each
        """Shape of one output sample; None if any will do."""
        return self._output_shapes[-1]

    # Users may keep what they like on a model.
    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    @explained
    def initialize(self, rng: Seeds = None) -> None:  # type: ignore[override]  # it knows how each layer starts
        """Draw all parameters anew.

        Parameters
        ----------
        rng : int, Generator or None, or one of them for each replica
            The seed; by default the model's own generator goes on.

        Raises
        ------
        ArgumentTypeError, ArgumentError
            If the seed or an initializer cannot be used.

        Examples
        --------
        >>> from nnlite.layers import Dense
        >>> model = Sequential([Dense(2, 1)], rng=0)
        >>> before = model.params.values.copy()
        >>> model.initialize(rng=1)
        >>> bool((model.params.values[:2] == before[:2]).any())
        False
        """
        replicas = self.params.replicas
        generator = (
            self.rng if rng is None else check_rngs("Sequential.initialize(rng=)", rng, replicas=replicas)
        )
        self._fill(self._draw_all(generator, {id(layer) for _, layer in self.walk()}, replicas))

    # Forward and backward.

    @explained
    def context(
        self,
        *,
        training: bool = True,
        rng: Seeds = None,
        grads: Array | None = None,
        input_gradient: bool = False,
        watch: Watcher | None = None,
    ) -> ModelContext:
        """Make the place where a forward pass leaves what the backward pass needs.

        Parameters
        ----------
        training : bool
            False for gradients without dropout.
        rng : int, Generator or None, or one of them for each replica
            What dropout draws from; the model's own generator by default.
        grads : ndarray of shape (..., size), optional
            Where gradients are written, laid out as ``params.grads``, which it is by
            default.
        input_gradient : bool
            Whether `backward` shall return dL/dx.
        watch : Watcher, optional
            Is told of the forward and the backward of every layer.

        Returns
        -------
        ModelContext

        Raises
        ------
        ArgumentTypeError, ArgumentError
            If the seed cannot be used, or `grads` is no ndarray.
        ShapeError
            If `grads` is not laid out as the parameters are.
        """
        replicas = self.params.replicas
        generator = (
            self.rng if rng is None else check_rngs("Sequential.context(rng=)", rng, replicas=replicas)
        )
        if grads is not None and not isinstance(grads, np.ndarray):
            raise ArgumentTypeError(
                "Sequential.context(grads=)",
                "an ndarray to write to",
                type(grads).__name__,
                "Write np.zeros_like(model.params.grads).",
            )
        if grads is not None and grads.shape[-1:] != (self.params.size,):
            raise ShapeError(
                "Sequential.context(grads=)",
                f"an array of shape (..., {self.params.size})",
                f"{grads.shape}",
                "Write np.zeros_like(model.params.grads).",
            )
        views = None if grads is None else self.params.split(grads)
        ctx: ModelContext = self._context(
            views, training=training, rng=generator, needs_dx=input_gradient, watch=watch, rows=Rows()
        )
        ctx.owner = self.layers
        # Each replica has a dL/dx of its own, and a noise of its own, also with an input that they share.
        ctx.spread = replicas is not None and (
            input_gradient
            or (isinstance(generator, Generators) and any(layer.stochastic for _, layer in self.walk()))
        )
        return ctx

    def _spread(self, x: Any, ctx: ModelContext) -> Array:
        """Give each replica an input of its own that they share."""
        return np.broadcast_to(x, (self.params.replicas, *x.shape))  # type: ignore[arg-type]

    def __repr__(self) -> str:
        own = vars(self).get("params")  # of a part of another model the whole one says it
        if own is None:
            return super().__repr__()
        copies = "" if own.replicas is None else f", replicas={own.replicas}"
        return f"Sequential([{', '.join(map(repr, self.layers))}], dtype={own.dtype.name}{copies})"

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "_dtype" in state:  # as it was before a model was a layer
            own = Parameters((), dtype=state.pop("_dtype"), replicas=state.pop("_replicas"))
            layers = state.pop("_layers") if "_layers" in state else state.pop("layers")
            blank = vars(type(self).__new__(type(self)))
            state = {**blank, **state, "_params": own}
            state.pop("output_shape", None)
            state["_input_shape"] = state.pop("input_shape")
            state["children"] = tuple(layers)
            state["_specs"] = {
                f"{index}.{name}": spec._replace(name=f"{index}.{name}")
                for index, layer in enumerate(layers)
                for name, spec in layer._specs.items()
            }
        super().__setstate__(state)
