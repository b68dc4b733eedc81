"""Layers in a row: forward from the first to the last, and backward from blame to blame."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, overload

from nnlite.core.config import arguments_of
from nnlite.core.context import Context, Gradients
from nnlite.core.layer import Layer
from nnlite.core.types import Array
from nnlite.errors import ArgumentError, ArgumentTypeError, ShapeError

__all__ = ["Chain", "ModelContext", "Shape", "follow_shapes"]

#: Shape of one sample; None if any will do.
Shape = tuple[int, ...] | None
#: What the layers do in a pass, one after the other, each with what it keeps of it.
Steps = tuple[tuple[Callable[[Any, Context], Any], Context], ...]


class ModelContext(Context):
    """What a model keeps from one forward pass: one `Context` for each layer.

    Made by `Sequential.context`. It can be used for one pass after another.

    Parameters
    ----------
    grads : Gradients
        Where the gradients of parameters are written that belong to no single layer.
    **options : object
        See `Context`; ``inner`` has the layers.

    Attributes
    ----------
    layers : tuple of Context
        One for each layer.

    Examples
    --------
    >>> import numpy as np
    >>> from nnlite.layers import Dense, Tanh
    >>> from nnlite.core.model import Sequential
    >>> model = Sequential([Dense(2, 3), Tanh()], rng=0)
    >>> ctx = model.context()
    >>> y = model.forward(np.ones((1, 2), np.float32), ctx)
    >>> ctx.layers[0].saved[0]  # what Dense needs again: its input
    array([[1., 1.]], dtype=float32)
    """

    __slots__ = ("output_shape", "owner", "spread", "steps", "steps_back")

    def __init__(self, grads: Gradients, **options: Any) -> None:
        super().__init__(grads, **options)
        self.owner: Any = None
        self.spread = False  # whether an input that replicas share is repeated for each of them
        # Bound once and not in every pass, which for three small layers takes a tenth of it.
        self.steps: Steps = tuple((layer.forward, kept) for layer, kept in self.inner)
        self.steps_back: Steps = tuple((layer.backward, kept) for layer, kept in reversed(self.inner))
        self.output_shape: tuple[int, ...] | None = None  # None until a forward pass has been made

    @property
    def layers(self) -> tuple[Context, ...]:
        """What each layer keeps."""
        return tuple([kept for _, kept in self.inner])


class Chain(Layer):
    """A layer made of layers in a row, each fed by the one before.

    Parameters
    ----------
    layers : list of Layer
        From input to output. Each belongs to this one from now on.

    Raises
    ------
    ShapeError
        If a layer does not take what the one before it gives.
    ArgumentTypeError, ArgumentError
        If it cannot hold one of them.
    """

    _context_kind: ClassVar[type[Context]] = ModelContext
    #: Arguments that say how a model trains and not what it is made of.
    _of_a_model: ClassVar[frozenset[str]] = frozenset()
    _output_shapes: list[Shape]

    def __init__(self, layers: Sequence[Layer]) -> None:
        self._line_up(layers)

    def _line_up(self, layers: Sequence[Layer]) -> None:
        self._input_shape, self._output_shapes = follow_shapes(self._holdable(layers))
        self.hold(layers)
        learning = [index for index, layer in enumerate(self.children) if layer.parameter_names]
        # Nobody asks for dL/dx of the first layer that learns, nor for anything before it.
        self._first_learning = learning[0] if learning else len(self.children)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers, from input to output."""
        return self.children

    @property
    def input_shape(self) -> Shape:
        """Shape of one sample; None if any will do."""
        return self._input_shape

    def shape_after(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of one output sample: what the last layer gives."""
        for layer in self.children:
            input_shape = layer.shape_after(input_shape)
        return input_shape

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of one output sample: what the last layer gives."""
        return Chain.shape_after(self, input_shape)

    def forward(self, x: Array, ctx: Any = None) -> Array:
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
            for layer in self.children:
                x = layer.forward(x)
            return x
        if ctx.spread and x.ndim == 1 + len(self._input_shape or (1,)):
            x = self._spread(x, ctx)
        for forward, kept in ctx.steps:
            kept.x_shape = x.shape
            x = forward(x, kept)
        ctx.output_shape = x.shape
        return x

    def _spread(self, x: Any, ctx: ModelContext) -> Array:
        """Give each replica an input of its own that they share; a model does."""
        raise NotImplementedError

    def backward(self, dy: Array, ctx: Any) -> Array | None:
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
        if ctx.output_shape is None:
            fix = "Give both the same: for layer, kept in self.held(ctx): x = layer.forward(x, kept)."
            raise ArgumentError(f"{self}.backward", "the context that its forward got", "an empty one", fix)
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
            if dx is None or (dx.shape != kept.x_shape and not self._is_of_shared(dx, kept)):
                index = ctx.layers.index(kept)
                raise ArgumentTypeError(
                    f"layer {self._prefix}{index} {self.children[index]}.backward",
                    f"dL/dx of shape {kept.x_shape}, that of its input",
                    "None" if dx is None else f"{dx.shape}",
                    "End it with `return dx`."
                    if dx is None
                    else "nnlite.testing.check_layer says what is wrong with it.",
                )
            blame = dx
        return blame

    def _is_of_shared(self, dx: Array, kept: Context) -> bool:
        """Tell whether replicas have each a dL/dx of an input that they share.

        A model asks for none, but a layer that holds this one may hand such an input on.
        """
        return self._params is not None and dx.shape == (self._params.replicas, *kept.x_shape)

    # What must see data before training.

    @property
    def adapted(self) -> bool:
        """Whether all of its layers have seen the data that they need to see."""
        return all(layer.adapted for layer in self.children)

    def _reaching(self, place: Sequence[int], x: Any) -> Any:
        """Compute what reaches a layer: ``(1,)`` is the second one, ``(1, 0)`` the first inside of that."""
        for layer in self.children[: place[0]]:
            x = layer.forward(x)
        return self.children[place[0]]._reaching(place[1:], x) if place[1:] else x

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

    def __repr__(self) -> str:
        return f"{type(self).__name__}([{', '.join(map(repr, self.children))}])"

    def config(self) -> dict[str, Any]:
        """Return the arguments that make this layer again, as stored in a model file.

        Returns
        -------
        dict
        """
        wanted = [name for name in arguments_of(self) if name not in self._of_a_model]
        if wanted != ["layers"]:  # a class of a user's own, which makes its layers of other arguments
            return super().config()
        return {"layers": list(self.children)}


def follow_shapes(layers: Sequence[Layer]) -> tuple[Shape, list[Shape]]:
    """Follow the shape of a sample through the layers.

    Parameters
    ----------
    layers : sequence of Layer
        From input to output.

    Returns
    -------
    input_shape : tuple of int or None
        What the first layer takes.
    output_shapes : list of tuple of int or None
        What each layer gives.

    Raises
    ------
    ShapeError
        If a layer does not take what the one before it gives.

    Examples
    --------
    >>> from nnlite.layers import Dense, Tanh
    >>> follow_shapes((Tanh(), Dense(4, 2)))
    ((4,), [(4,), (2,)])
    """
    first: Shape = None
    shape: Shape = None
    outputs: list[Shape] = []
    for index, layer in enumerate(layers):
        wanted = layer.input_shape
        if wanted is not None and shape is None:
            # Until here any shape would do. If no layer changes it, it is this one from the input on.
            if all(earlier.shape_after(wanted) == wanted for earlier in layers[:index]):
                first, outputs = wanted, [wanted] * index
            shape = wanted
        elif wanted is not None and wanted != shape:
            raise ShapeError(
                f"layer {index} {layer}",
                f"input of shape {_with_batch(wanted)}",
                _with_batch(shape),
                f"The layer before, {layers[index - 1]}, gives {_with_batch(shape)}.",
            )
        shape = None if shape is None else layer.shape_after(shape)
        outputs.append(shape)
    return first, outputs


def _with_batch(shape: Shape) -> str:
    return f"(batch, {', '.join(map(str, shape or ()))})"
