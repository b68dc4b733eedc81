"""Sequential: layers in a row with numbers of their own, in flat arrays, that can be trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from nnlite.core.aliases import Array
from nnlite.core.chain import Chain, ModelContext, Shape
from nnlite.core.context import Rows, Watcher
from nnlite.core.layer import Layer
from nnlite.core.parameters import Parameters
from nnlite.errors.arguments import explained
from nnlite.errors.checks import check_dtype, check_rng
from nnlite.errors.layers import check_views

__all__ = ["Sequential"]


class Sequential(Chain):
    """A network: a list of layers, each fed by the one before.

    It is a layer too, and so may be in the list of another one, where its numbers are a part of that
    one's, ``"1.0.W"``. This one computes.
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
    rng : int, Generator or None
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
        rng: Any = None,
    ) -> None:
        self._assemble(layers, dtype, replicas, rng, draw=True)

    params: Parameters  # of a model on its own: the numbers of a part of another one are that one's
    #: A generator, or what has one for each replica in `each` and draws from them side by side.
    rng: Any
    #: Not copied: made anew where the numbers are.
    _made_anew: ClassVar[frozenset[str]] = Chain._made_anew | {"params"}
    _of_a_model = frozenset(("dtype", "replicas", "rng", "preprocessing"))

    def _assemble(
        self, layers: Sequence[Layer], dtype: Any, replicas: int | None, rng: Any, *, draw: bool
    ) -> None:
        """Check everything and draw the weights; only then tie the layers to this model."""
        dtype = check_dtype("Sequential(dtype=)", dtype)
        self.rng = self._generator("Sequential(rng=)", rng, replicas)
        self._line_up(layers)
        try:
            params = Parameters(self._specs.values(), dtype=dtype, replicas=replicas)
            drawn = self._draw_all(self.rng, self._undrawn(), replicas) if draw else {}
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
        else:
            self.params = params

    def _generator(self, where: str, rng: Any, replicas: int | None) -> Any:
        """Make a generator of a seed."""
        return check_rng(where, rng)

    def _draw_all(self, rng: Any, chosen: set[int], replicas: int | None) -> dict[str, Array]:
        """Draw values for the chosen layers. An initializer that fails has changed nothing."""
        # One stream for each replica, and from it one for each layer: replica r starts as a
        # single net with the r-th spawned generator does, and a layer more changes no other.
        one = isinstance(rng, np.random.Generator)
        sources = rng.each if not one else [rng] if replicas is None else rng.spawn(replicas)
        streams = [source.spawn(len(self.children)) for source in sources]
        starts = self._starts(chosen)
        return {
            f"{index}.{name}": values
            for index, layer in enumerate(self.children)
            for name, values in layer._draw([stream[index] for stream in streams], starts).items()
        }

    @property
    def output_shape(self) -> Shape:  # type: ignore[override]  # a model has one, a layer gives one for each
        """Shape of one output sample; None if any will do."""
        return self._output_shapes[-1]

    @explained
    def initialize(self, rng: Any = None) -> None:  # type: ignore[override]  # it knows how each layer starts
        """Draw all parameters anew.

        Parameters
        ----------
        rng : int, Generator or None
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
        source = self._source("Sequential.initialize(rng=)", rng)
        self._fill(self._draw_all(source, {id(layer) for _, layer in self.walk()}, self.params.replicas))

    def _source(self, where: str, rng: Any) -> Any:
        """Make a generator of a seed; without one it is that of the model."""
        return self.rng if rng is None else self._generator(where, rng, self.params.replicas)

    # Forward and backward.

    @explained
    def context(
        self,
        *,
        training: bool = True,
        rng: Any = None,
        grads: Array | None = None,
        input_gradient: bool = False,
        watch: Watcher | None = None,
    ) -> ModelContext:
        """Make the place where a forward pass leaves what the backward pass needs.

        Parameters
        ----------
        training : bool
            False for gradients without dropout.
        rng : int, Generator or None
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
        generator = self._source("Sequential.context(rng=)", rng)
        if grads is not None:
            check_views("Sequential.context(grads=)", grads, self.params.size)
        views = None if grads is None else self.params.split(grads)
        ctx: ModelContext = self._context(
            views, training=training, rng=generator, needs_dx=input_gradient, watch=watch, rows=Rows()
        )
        ctx.owner = self.children
        # Each replica has a dL/dx of its own, and a noise of its own, also with an input that they share.
        apart = not isinstance(generator, np.random.Generator)
        noise = apart and any(layer.stochastic for _, layer in self.walk())
        ctx.spread = self.params.replicas is not None and (input_gradient or noise)
        return ctx

    def _spread(self, x: Any, ctx: ModelContext) -> Array:
        """Give each replica an input of its own that they share."""
        return np.broadcast_to(x, (self.params.replicas, *x.shape))  # type: ignore[arg-type]
