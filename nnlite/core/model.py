"""Sequential: layers in a row, forward from input to output and backward from blame to blame."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Self, overload

import numpy as np

from nnlite.core.chain import default_initializer, follow_shapes
from nnlite.core.context import Context
from nnlite.core.layer import Layer
from nnlite.core.parameters import Parameters, join_specs
from nnlite.core.random import Generators, Seeds, check_rngs
from nnlite.core.types import Array
from nnlite.errors import ArgumentError, ArgumentTypeError, ShapeError
from nnlite.errors.arguments import Explained, explained
from nnlite.errors.checks import check_dtype, check_integer

__all__ = ["ModelContext", "Sequential"]

#: What the layers do in a pass, one after the other, each with what it keeps of it.
Steps = tuple[tuple[Callable[[Any, Context], Any], Context], ...]


class ModelContext:
    """What a model keeps from one forward pass: one `Context` for each layer.

    Made by `Sequential.context`. It can be used for one pass after another.

    Parameters
    ----------
    layers : sequence of Context
        One for each layer.
    owner : tuple of Layer
        The layers of the model that it is for.
    spread : bool
        Whether an input that replicas share is repeated for each of them.

    Attributes
    ----------
    layers : tuple of Context
        What was given.

    Examples
    --------
    >>> from nnlite.layers import Dense, Tanh
    >>> model = Sequential([Dense(2, 3), Tanh()], rng=0)
    >>> ctx = model.context()
    >>> y = model.forward(np.ones((1, 2), np.float32), ctx)
    >>> ctx.layers[0].saved[0]  # what Dense needs again: its input
    array([[1., 1.]], dtype=float32)
    """

    __slots__ = ("layers", "output_shape", "owner", "spread", "steps", "steps_back")

    def __init__(self, layers: Sequence[Context], owner: tuple[Layer, ...], *, spread: bool = False) -> None:
        self.layers = tuple(layers)
        self.owner = owner
        self.spread = spread
        # Paired once and not in every pass, which for three small layers takes a tenth of it.
        pairs = list(zip(owner, self.layers, strict=True))
        self.steps: Steps = tuple((layer.forward, kept) for layer, kept in pairs)
        self.steps_back: Steps = tuple((layer.backward, kept) for layer, kept in reversed(pairs))
        self.output_shape: tuple[int, ...] | None = None  # None until a forward pass has been made


class Sequential(Explained):
    """A network: a list of layers, each fed by the one before.

    This one computes. `nnlite.Sequential` adds checks of what it is given, and all that is done
    with a net: ``fit``, ``predict``, ``save`` and more.

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

    def _assemble(
        self, layers: Sequence[Layer], dtype: Any, replicas: int | None, rng: Seeds, *, draw: bool
    ) -> None:
        """Check everything and draw the weights; only then tie the layers to this model."""
        if replicas is not None:
            replicas = check_integer("Sequential(replicas=)", replicas, low=1)
        dtype = check_dtype("Sequential(dtype=)", dtype)
        self._layers = tuple(layers)
        if not self._layers or len(set(map(id, self._layers))) < len(self._layers):
            got = "one twice" if self._layers else "none"
            raise ArgumentError(
                "Sequential(layers)", "one layer or more, all of them others", got, "Make each anew."
            )
        self.input_shape, self._output_shapes = follow_shapes(self.layers)
        self.output_shape = self._output_shapes[-1]
        self.rng = check_rngs("Sequential(rng=)", rng, replicas=replicas)
        params = self._make_parameters(dtype, replicas)
        untouched = [index for index, layer in enumerate(self.layers) if layer._params is None]
        drawn = self._draw(self.rng, untouched, replicas) if draw else {}
        self._join(params)
        self._fill(drawn)

    def _make_parameters(self, dtype: Any, replicas: int | None) -> Parameters:
        """Make one pair of buffers for what all layers declare."""
        parts = [(f"{index}.", layer._specs.values()) for index, layer in enumerate(self.layers)]
        return Parameters(join_specs(parts), dtype=dtype, replicas=replicas)

    def _join(self, params: Parameters) -> None:
        """Move the layers' parameters into the buffers."""
        self.params = params
        frozen: set[str] = set()
        for index, layer in enumerate(self.layers):
            own, kept, prefix = layer._params, layer.frozen, f"{index}."
            frozen.update(prefix + name for name in kept)
            layer._bind(params, prefix)
            layer._in_model = True
            for name in own or ():
                layer._views[name][...] = own[name]  # type: ignore[index]
        params.frozen = frozen
        learning = [index for index, layer in enumerate(self.layers) if layer.parameter_names]
        # Nobody asks for dL/dx of the first layer that learns, nor for anything before it.
        self._first_learning = learning[0] if learning else len(self.layers)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers, from input to output."""
        return self._layers

    @layers.setter
    def layers(self, layers: Any) -> None:
        raise ArgumentError(
            "Sequential.layers",
            "to stay as they are, since the model has one array for the parameters of all",
            f"{layers!r}",
            "Make a new model, of copies: Sequential([*copy.deepcopy(model.layers), Dense(8, 1)]).",
        )

    @explained
    def initialize(self, rng: Seeds = None) -> None:
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
        self._fill(self._draw(generator, range(len(self.layers)), replicas))

    def _draw(
        self, rng: np.random.Generator | Generators, chosen: Iterable[int], replicas: int | None
    ) -> dict[int, dict[str, Array]]:
        """Draw values for the chosen layers. An initializer that fails has changed nothing."""
        # One stream for each replica, and from it one for each layer: replica r starts as a
        # single net with the r-th spawned generator does, and a layer more changes no other.
        sources: Iterable[np.random.Generator] = (rng,) if isinstance(rng, np.random.Generator) else rng.each
        if replicas is not None and isinstance(rng, np.random.Generator):
            sources = rng.spawn(replicas)
        streams = [source.spawn(len(self.layers)) for source in sources]
        return {
            index: self.layers[index]._draw(
                [stream[index] for stream in streams], default_initializer(self.layers, index)
            )
            for index in chosen
        }

    def _fill(self, drawn: Mapping[int, Mapping[str, Array]]) -> None:
        for index, values in drawn.items():
            self.layers[index]._fill(values)

    # Forward and backward.

    @explained
    def context(
        self,
        *,
        training: bool = True,
        rng: Seeds = None,
        grads: Array | None = None,
        input_gradient: bool = False,
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
        return ModelContext(
            [
                Context(
                    layer._grads if views is None else layer.gradients(views),
                    training=training,
                    rng=generator,
                    needs_dx=input_gradient or index > self._first_learning,
                )
                for index, layer in enumerate(self.layers)
            ],
            self.layers,
            # Each replica has a dL/dx of its own, and a noise of its own, also with an input that they share.
            spread=replicas is not None
            and (
                input_gradient
                or (isinstance(generator, Generators) and any(layer.stochastic for layer in self.layers))
            ),
        )

    def forward(self, x: Array, ctx: ModelContext | None = None) -> Array:
        """Run the input through all layers, from the first to the last.

        Parameters
        ----------
        x : ndarray of shape (..., batch, features)
            The input, in the dtype of the model.
        ctx : ModelContext, optional
            Where to keep what `backward` needs. None means inference.

        Returns
        -------
        ndarray of shape (..., batch, outputs)
            The output of the last layer.
        """
        if ctx is None:
            for layer in self._layers:
                x = layer.forward(x)
            return x
        if ctx.spread and x.ndim == 1 + len(self.input_shape or (1,)):
            x = self._spread(x, ctx)
        for forward, kept in ctx.steps:
            kept.x_shape = x.shape
            x = forward(x, kept)
        ctx.output_shape = x.shape
        return x

    def _spread(self, x: Any, ctx: ModelContext) -> Array:
        """Give each replica an input of its own that they share."""
        return np.broadcast_to(x, (self.params.replicas, *x.shape))  # type: ignore[arg-type]

    def backward(self, dy: Array, ctx: ModelContext) -> Array | None:
        """Trace the blame from the output back to every parameter.

        Parameters
        ----------
        dy : ndarray of the shape of the output
            dL/dy, as a loss gives it.
        ctx : ModelContext
            The one that `forward` got.

        Returns
        -------
        ndarray of the shape of the input, or None
            dL/dx if the context was made with ``input_gradient=True``. The gradients of
            the parameters are in ``params.grads``.

        Raises
        ------
        ShapeError
            If `dy` has another shape than the output.
        ArgumentTypeError
            If a layer's ``backward`` gives nothing, or an array of another shape than its input.
        """
        if dy.shape != ctx.output_shape:
            raise ShapeError(
                "Sequential.backward(dy)",
                f"the shape of the output, {ctx.output_shape}",
                f"{dy.shape}",
                "Give what the loss returned; a loss of your own must not broadcast (n, 1) against (n,).",
            )
        blame = dy
        for backward, kept in ctx.steps_back:
            dx = backward(blame, kept)
            if not kept.needs_dx:
                return None
            if dx is None or dx.shape != kept.x_shape:
                index = ctx.layers.index(kept)
                raise ArgumentTypeError(
                    f"layer {index} {self.layers[index]}.backward",
                    f"dL/dx of shape {kept.x_shape}, that of its input",
                    "None" if dx is None else f"{dx.shape}",
                    "End it with `return dx`."
                    if dx is None
                    else "nnlite.testing.check_layer says what is wrong with it.",
                )
            blame = dx
        return blame

    def __repr__(self) -> str:
        copies = "" if self.params.replicas is None else f", replicas={self.params.replicas}"
        return f"Sequential([{', '.join(map(repr, self.layers))}], dtype={self.params.dtype.name}{copies})"

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.layers)

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Layer, ...]: ...
    def __getitem__(self, index: int | slice) -> Any:
        """Return one layer, or a tuple of layers for a slice."""
        return self.layers[index]

    # Each layer takes its own numbers into a copy; here they are joined again.
    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        del state["params"]
        return {**state, "_dtype": self.params.dtype, "_replicas": self.params.replicas}

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "layers" in state:  # as it was called once
            state["_layers"] = state.pop("layers")
        dtype, replicas = state.pop("_dtype"), state.pop("_replicas")
        self.__dict__.update(state)
        self._join(self._make_parameters(dtype, replicas))

    def __copy__(self) -> Self:
        """Copy the layers too: two models that share them would each cut them off from the other."""
        return copy.deepcopy(self)
