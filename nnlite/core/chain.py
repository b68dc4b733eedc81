"""Layers in a row, forward from the first to the last and backward from blame to blame."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

from nnlite.core.aliases import Array
from nnlite.core.context import Context, Gradients
from nnlite.core.layer import Layer
from nnlite.errors.layers import wrong_dx, wrong_dy, wrong_width

__all__ = ["Chain", "ModelContext", "Shape", "follow_shapes", "joined"]

#: Shape of one sample; None if any will do. An axis that may have any size is None too.
Shape = tuple[int, ...] | None
#: What the layers do in a pass, one after the other, each with what it keeps of it.
Methods = tuple[tuple[Callable[[Any, Context], Any], Context], ...]


class ModelContext(Context):
    """What layers in a row keep from one pass; `Sequential.context` makes it, for one pass after another.

    Parameters
    ----------
    grads : Gradients
        Where the gradients of parameters are written that it declares itself, beside those of its layers.
    **options : object
        See `Context`; ``inner`` has the layers.

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

    __slots__ = ("backwards", "forwards", "output_shape", "owner", "spread")

    def __init__(self, grads: Gradients, **options: Any) -> None:
        super().__init__(grads, **options)
        self.owner: Any = None
        self.spread = False  # whether an input that replicas share is repeated for each of them
        # Bound once and not in every pass, which for three small layers takes a tenth of it.
        self.forwards: Methods = tuple((layer.forward, kept) for layer, kept in self.inner)
        self.backwards: Methods = tuple((layer.backward, kept) for layer, kept in reversed(self.inner))
        self.output_shape: tuple[int, ...] | None = None  # None until a forward pass has been made

    @property
    def layers(self) -> tuple[Context, ...]:
        """What each layer keeps."""
        return tuple([kept for _, kept in self.inner])


class Chain(Layer):
    """A layer made of layers in a row, each fed by the one before; they belong to it from now on.

    One that does not take what the one before it gives is refused by a `ShapeError`.
    """

    _context_kind: ClassVar[type[Context]] = ModelContext
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
        """Run the input through all layers, from the first to the last."""
        if ctx is None:
            for layer in self.children:
                x = layer.forward(x)
            return x
        if ctx.spread and x.ndim == 1 + len(self._input_shape or (1,)):
            x = self._spread(x, ctx)
        for forward, kept in ctx.forwards:
            kept.x_shape = x.shape
            x = forward(x, kept)
        ctx.output_shape = x.shape
        return x

    def _spread(self, x: Any, ctx: ModelContext) -> Array:
        """Give each replica an input of its own that they share; a model does."""
        raise NotImplementedError

    def backward(self, dy: Array, ctx: Any) -> Array | None:
        """Trace the blame from the output back to every parameter, from the last layer to the first.

        dL/dx comes back if ``ctx.needs_dx``; the gradients of the parameters go where each context says.
        """
        if dy.shape != ctx.output_shape:
            raise wrong_dy(self, dy.shape, ctx.output_shape)
        blame = dy
        for backward, kept in ctx.backwards:
            dx = backward(blame, kept)
            if not kept.needs_dx:
                return None
            if dx is None or (dx.shape != kept.x_shape and not self._is_of_shared(dx, kept)):
                index = ctx.layers.index(kept)
                raise wrong_dx(f"{self._prefix}{index}", self.children[index], kept.x_shape, dx)
            blame = dx
        return blame

    def _is_of_shared(self, dx: Array, kept: Context) -> bool:
        """Tell whether replicas have each a dL/dx of an input that they share.

        A model asks for none, but a layer that holds this one may hand such an input on.
        """
        return self._params is not None and dx.shape == (self._params.replicas, *kept.x_shape)

    @property
    def adapted(self) -> bool:
        """Whether all of its layers have seen the data that they need to see."""
        return all(layer.adapted for layer in self.children)

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.layers)

    def __getitem__(self, index: int | slice) -> Any:
        """Return one layer, or a tuple of layers for a slice."""
        return self.layers[index]

    def __repr__(self) -> str:
        return f"{type(self).__name__}([{', '.join(map(repr, self.children))}])"

    def _argument(self, name: str, kind: Any) -> Any:
        """Return the value of an argument; the layers are its children."""
        return list(self.children) if name == "layers" else super()._argument(name, kind)


def joined(one: tuple[int, ...], other: tuple[int, ...]) -> Shape:
    """Return what two who know some of the sizes of a sample know together; None if they do not agree.

    Examples
    --------
    >>> joined((None, None, 3), (8, None, 3)), joined((None, 3), (8, 4))
    ((8, None, 3), None)
    """
    if len(one) != len(other) or any(None not in (a, b) and a != b for a, b in zip(one, other, strict=True)):
        return None
    return tuple([a or b for a, b in zip(one, other, strict=True)])


def follow_shapes(layers: Sequence[Layer]) -> tuple[Shape, list[Shape]]:
    """Follow the shape of a sample through the layers, and say which of them does not take what comes.

    It returns what the first layer takes, None if any shape will do, and a list of what each of them gives.

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
        elif wanted is not None and shape is not None:
            both = joined(wanted, shape)
            if both is None:
                raise wrong_width(layers, index, wanted, shape)
            shape = both
        shape = None if shape is None else layer.shape_after(shape)
        outputs.append(shape)
    return first, outputs
