"""Sequential: layers in a row, forward from input to output and backward from blame to blame."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from itertools import chain
from os import PathLike
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import numpy as np
from numpy.typing import ArrayLike

from nnlite._threads import Hold, spread
from nnlite.checks.inputs import Boundary, check_feature_names, check_preprocessing, each
from nnlite.checks.layers import check_layers
from nnlite.core import model as core
from nnlite.core.aliases import AnyArray, Array, Value
from nnlite.core.chain import Chain, ModelContext, follow_shapes
from nnlite.core.context import Watcher
from nnlite.core.layer import Layer
from nnlite.core.losses import Loss
from nnlite.core.parameters import Parameters
from nnlite.data.batching import is_maker
from nnlite.data.conversion import is_sparse
from nnlite.data.lazy import Blockwise
from nnlite.data.row_weights import side_by_side
from nnlite.errors import ArgumentError, ArgumentTypeError, ShapeError
from nnlite.errors.arguments import explained
from nnlite.errors.arrays import unmasked
from nnlite.errors.checks import check_bool, check_integer
from nnlite.errors.layers import is_part
from nnlite.jit import check_jit
from nnlite.metrics import Metric
from nnlite.training.history import History
from nnlite.training.inside import check_chosen_names, inside, joins_branches, starts, weighed_reaching
from nnlite.training.random_states import Generators, Seeds, check_rngs
from nnlite.training.replica import replica_of
from nnlite.training.summary import LayerSummary, Summary, shown
from nnlite.training.work import BLOCK_SHARE, SMALL, Work, blas_threads, measure_work, only_ours

if TYPE_CHECKING:
    from nnlite.core.optimizers import Optimizer
    from nnlite.distributed import DataParallel
    from nnlite.optimizers.second_order import FullBatchOptimizer
    from nnlite.training.callbacks import Callback

__all__ = ["Ensemble", "ModelContext", "Sequential"]


#: Rows that go through the layers at a time in prediction. The arrays between the layers then stay
#: small enough for the allocator to keep: with 4,096 rows, 64-128-10 took twice as long, in page faults.
PREDICT_ROWS = 512


_WITHOUT_NUMBERS: ContextVar[bool] = ContextVar("_WITHOUT_NUMBERS", default=False)


@contextmanager
def without_numbers() -> Iterator[None]:
    """Leave models that are made here without numbers, as parts of another one, from which they get them.

    While a file is read, a model inside of another one must take no memory, whoever makes it: what it would
    take is compared with what the file holds first.
    """
    token = _WITHOUT_NUMBERS.set(True)
    try:
        yield
    finally:
        _WITHOUT_NUMBERS.reset(token)


class Ensemble(NamedTuple):
    """What several nets predict for the same rows; see `Sequential.ensemble`.

    Parameters
    ----------
    mean : ndarray of shape (rows, outputs)
        Their average.
    spread : ndarray of shape (rows, outputs)
        Their standard deviation, in the units of the prediction.
    members : ndarray of shape (replicas, rows, outputs)
        What each of them says.

    Examples
    --------
    >>> Ensemble(mean=np.zeros((1, 1)), spread=np.ones((1, 1)), members=np.array([[[-1.0]], [[1.0]]])).spread
    array([[1.]])
    """

    mean: Array
    spread: Array
    members: Array


class Sequential(core.Sequential):
    """A network: a list of layers, each fed by the one before.

    Parameters
    ----------
    layers : list of Layer
        From input to output. Each belongs to this model from now on.
    dtype : dtype
        float32, or float64 for gradient checks. Inputs are cast to it.
    replicas : int, optional
        Train this many nets as one: every parameter gets a leading axis, and so does
        the output.
    rng : int, Generator or None, or one of them for each replica
        The seed of the initial weights, and then of shuffling and dropout in `fit`. Each
        layer draws from a stream of its own. A layer whose parameters were read or set
        before it came into the model keeps them, but for a part that is a Sequential without a seed
        and still as it was drawn. With one seed for each replica, each
        starts, shuffles and drops out as a net on its own with that seed does; with one
        seed for all they start differently and see the same batches.
    preprocessing : TableEncoder, optional
        Fitted. It makes rows of numbers of every table that the model is given, and is saved
        with the model. Arrays have no columns to be encoded, and are refused; see `takes_encoded`.

    Attributes
    ----------
    layers : tuple of Layer
        The layers.
    preprocessing : TableEncoder or None
        What was given.
    params : Parameters
        All parameters and gradients, in two flat buffers.
    takes_encoded : bool
        Whether arrays are taken for rows that `preprocessing` has made of a table: False, unless it
        is set. It is not saved: a model that is loaded takes tables.
    rng : Generator or Generators
        What `fit` draws from if it is given no seed of its own.
    input_shape, output_shape : tuple of int or None
        Shape of one sample; None if any will do.
    feature_names : tuple of str or None
        Names of the columns of the first table that the model was trained on without
        `preprocessing`. Tables with other columns, or in another order, are refused from then on.

    Raises
    ------
    ArgumentTypeError
        If `layers` is no list of layers.
    ArgumentError
        If it is empty, a layer is in it twice or in another model, or an option or an
        initializer cannot be used. The layers are then free for another model.
    ShapeError
        If a layer does not take what the one before it gives.

    Notes
    -----
    In another model its numbers are a part of that one's, ``"1.0.W"``. If it was made without a seed and its
    weights are still those of its random start, they are drawn anew with that model's seed; others it keeps.

    Examples
    --------
    >>> from nnlite.layers import Dense, Tanh
    >>> model = Sequential([Dense(2, 8), Tanh(), Dense(8, 1)], rng=0)
    >>> model.predict([[0.0, 1.0], [1.0, 1.0]]).shape
    (2, 1)
    >>> model.params.size
    33
    """

    boundary: Boundary
    rng: np.random.Generator | Generators
    _takes_encoded = False
    #: By what `predict` has predicted with ``jit=True``.
    _programs: Any = None
    #: What draws again what a start without a seed has drawn, and for which layers that was.
    _blind: tuple[Any, frozenset[str]] | None = None

    def __init__(
        self,
        layers: Sequence[Layer],
        *,
        dtype: Any = np.float32,
        replicas: int | None = None,
        rng: Seeds = None,
        preprocessing: Any = None,
    ) -> None:
        self._begin(layers, dtype, replicas, rng, preprocessing, draw=True)

    @classmethod
    def _blank(
        cls, layers: Sequence[Layer], *, dtype: Any, replicas: int | None, preprocessing: Any = None
    ) -> Sequential:
        """Make a model whose weights are not drawn, to be filled in from a file."""
        model = cls.__new__(cls)
        model._begin(layers, dtype, replicas, None, preprocessing, draw=False)
        return model

    def _begin(
        self,
        layers: Sequence[Layer],
        dtype: Any,
        replicas: int | None,
        rng: Seeds,
        preprocessing: Any,
        *,
        draw: bool,
    ) -> None:
        """Check what is given, and let the core put it together."""
        if replicas is not None:
            replicas = check_integer("Sequential(replicas=)", replicas, low=1)
        checked = self._holdable(layers)
        check_layers(checked, replicas=replicas)
        self.preprocessing = check_preprocessing(preprocessing, follow_shapes(checked)[0])
        self._feature_names: tuple[str, ...] | None = None
        if _WITHOUT_NUMBERS.get():
            self.rng = np.random.default_rng()
            self._line_up(checked)
            return
        undrawn = {id(self)}.union(*(layer._undrawn() for layer in checked))
        self._assemble(checked, dtype, replicas, rng, draw=draw)
        if rng is None and draw and isinstance(self.rng, np.random.Generator):
            drawn = frozenset(place for place, layer in self.walk() if id(layer) in undrawn)
            self._blind = self.rng.bit_generator.seed_seq, drawn

    def _bind(self, params: Parameters, prefix: str) -> None:
        """Make the boundary too."""
        super()._bind(params, prefix)
        self._work: Work | None = None
        if prefix:
            self._blind = None
        self.boundary = Boundary(
            self.layers,
            self.input_shape,
            self.output_shape,
            params.dtype,
            params.replicas,
            preprocessing=self.preprocessing,
            feature_names=self._feature_names,
            takes_encoded=self._takes_encoded,
        )

    def _starts(self, chosen: set[int]) -> dict[int, Any]:
        """Return how each of the chosen layers starts, of branches by what follows behind them."""
        return starts(self, chosen)

    def _generator(self, where: str, rng: Any, replicas: int | None) -> Any:
        """Take a seed for each replica too."""
        return check_rngs(where, rng, replicas=replicas)

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

    def _spread(self, x: Any, ctx: ModelContext) -> Any:
        if not is_sparse(x):
            return super()._spread(x, ctx)
        # dL/dx is dense too, and each replica has its own; else Dense gives each an output of its own.
        return super()._spread(x.toarray(), ctx) if ctx.layers[0].needs_dx else x

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

    # Users may keep what they like on a model.
    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    @property
    def feature_names(self) -> tuple[str, ...] | None:
        """Names of the columns of the table that the model was trained on."""
        return self._feature_names

    @feature_names.setter
    def feature_names(self, names: Sequence[str] | None) -> None:
        if names is not None and self._in_model:
            fix = "Name the columns of the whole model."
            raise ArgumentError("Sequential.feature_names", "a model on its own", "a layer of another", fix)
        checked = check_feature_names(names, self.input_shape)
        if checked is not None:
            check_chosen_names(self, checked)
        self._feature_names = self.boundary.feature_names = checked

    @property
    def takes_encoded(self) -> bool:
        """Whether arrays are taken for rows that `preprocessing` has made of a table."""
        return self.boundary.takes_encoded

    @takes_encoded.setter
    def takes_encoded(self, value: bool) -> None:
        self._takes_encoded = check_bool("Sequential.takes_encoded", value)
        self.boundary.takes_encoded = self._takes_encoded or self.preprocessing is None

    # Forward and backward, checked; without checks they are those of the core.

    _forward = core.Sequential.forward
    _backward = core.Sequential.backward

    @np.errstate(under="ignore")
    @explained
    def forward(self, x: Any, ctx: Any = None) -> Array:
        """Run the input through all layers.

        Parameters
        ----------
        x : array-like of shape (..., batch, features)
            The input.
        ctx : ModelContext, optional
            Where to keep what `backward` needs. None means inference.

        Returns
        -------
        ndarray of shape (..., batch, outputs)
            The output of the last layer.

        Raises
        ------
        ShapeError, ArgumentError, ArgumentTypeError
            If the input does not fit.
        """
        if self._in_model:  # a layer of another one, which has checked what comes in
            return self._forward(x, ctx)
        self._check_context("Sequential.forward(ctx)", ctx)
        return self._forward(self.boundary.check_input(x, where="Sequential.forward(x)"), ctx)

    @np.errstate(under="ignore")
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
        ArgumentError
            If no forward pass was made with `ctx`.
        ShapeError
            If `dy` has another shape than the output.
        """
        if self._in_model:
            return self._backward(dy, ctx)
        self._check_context("Sequential.backward(ctx)", ctx)
        if ctx is None or ctx.output_shape is None:
            raise ArgumentError(
                "Sequential.backward",
                "a context that a forward pass has filled",
                "None" if ctx is None else "an empty one",
                "Call model.forward(x, ctx) first.",
            )
        return self._backward(np.asarray(unmasked("Sequential.backward(dy)", dy), self.params.dtype), ctx)

    @np.errstate(under="ignore")
    @explained
    def loss_and_grad(
        self, x: Any, y: Any, loss: Loss, *, weight: Any = None, ctx: ModelContext | None = None
    ) -> Value:
        """Compute the loss of a batch, and fill ``params.grads``: forward, then blame.

        With ``optimizer.step(model.params)`` after it, this is the whole training loop.

        Parameters
        ----------
        x : array-like of shape (batch, features)
            The input.
        y : array-like
            The targets, as the loss takes them.
        loss : Loss
            What to lower.
        weight : array-like of shape (batch,), optional
            How much each row counts.
        ctx : ModelContext, optional
            To look at the pass afterwards, or to write the gradients elsewhere.

        Returns
        -------
        float, or ndarray of shape (replicas,)
            The loss.

        Raises
        ------
        ShapeError, ArgumentError, ArgumentTypeError
            If the batch does not fit the model or the loss.

        Examples
        --------
        >>> from nnlite import Dense, MeanSquaredError, SGD
        >>> model = Sequential([Dense(1, 1)], rng=0)
        >>> optimizer = SGD(0.1)
        >>> x = np.array([[0.0], [1.0], [2.0]])
        >>> for step in range(200):
        ...     value = model.loss_and_grad(x, 3 * x + 1, MeanSquaredError())
        ...     optimizer.step(model.params)
        >>> model[0].W.round(2), model[0].b.round(2)
        (array([[3.]], dtype=float32), array([1.], dtype=float32))
        """
        self.boundary.check_loss(loss)
        self._check_context("Sequential.loss_and_grad(ctx=)", ctx)
        x = self.boundary.check_input(x, where="Sequential.loss_and_grad(x)", finite=True)
        y, weight = self.boundary.check_targets(y, weight, loss, x, part=True)
        return self._loss_and_grad(x, y, weight, loss, self.context() if ctx is None else ctx)

    def _loss_and_grad(
        self, x: Array, y: AnyArray, weight: Array | None, loss: Loss, ctx: ModelContext
    ) -> Value:
        if weight is not None:
            x, y = self.boundary.in_place_of_others(x, y, weight)
        ctx.rows.weight = weight
        value, dy = loss.value_and_grad(self._forward(x, ctx), y, weight)
        self._backward(dy, ctx)
        ctx.rows.weight = None  # it is that of these rows alone
        return value

    def per_example_gradients(self, x: Any, y: Any, loss: Loss, *, weight: Any = None) -> Array:
        """Compute the gradient of the loss of every single example, without dropout.

        Row i is the gradient that `loss_and_grad` gives for example i alone. With weights
        it is multiplied by ``weight[i] / weight.mean()``. Either way the mean over the rows
        is the gradient of the batch; but with `BatchNorm`, which goes by its running statistics here,
        it is not that of a batch in training.

        Parameters
        ----------
        x : array-like of shape (rows, features)
            The input.
        y : array-like
            The targets, as the loss takes them.
        loss : Loss
            What the gradients are of.
        weight : array-like of shape (rows,), optional
            How much each row counts.

        Returns
        -------
        ndarray of shape (rows, size) or (replicas, rows, size)
            The last axis is laid out as ``params.values``; ``params.split`` names its parts.

        Raises
        ------
        ShapeError, ArgumentError, ArgumentTypeError
            If the data do not fit, the result would be larger than 4 GiB, or a layer of
            your own does not leave the axes before (batch, features) alone.

        Notes
        -----
        The examples lie on an axis of their own in front of (batch, features), so one
        forward and one backward pass do it, with no loop. ``params.grads`` is left alone.

        Examples
        --------
        >>> from nnlite import Dense, MeanSquaredError
        >>> model = Sequential([Dense(1, 1)], rng=0)
        >>> x, y = np.array([[0.0], [1.0], [2.0]]), np.array([[1.0], [0.0], [1.0]])
        >>> each = model.per_example_gradients(x, y, MeanSquaredError())
        >>> each.shape
        (3, 2)
        >>> value = model.loss_and_grad(x, y, MeanSquaredError())
        >>> bool(np.allclose(each.mean(axis=0), model.params.grads))
        True
        """
        from nnlite.training.per_example import per_example_gradients

        return per_example_gradients(self, x, y, loss, weight=weight)

    def jacobian(self, x: Any) -> Array:
        """Compute the derivative of every output by every parameter, without dropout.

        Parameters
        ----------
        x : array-like of shape (rows, features)
            The input.

        Returns
        -------
        ndarray of shape (rows, outputs, size) or (replicas, rows, outputs, size)
            The last axis is laid out as ``params.values``; ``params.split`` names its parts.

        Raises
        ------
        ShapeError, ArgumentError, ArgumentTypeError
            If the input does not fit, the result would be larger than 4 GiB, or a layer of
            your own does not leave the axes before (batch, features) alone.

        Examples
        --------
        Of ``y = w * x + b`` the derivatives are x and 1:

        >>> from nnlite import Dense
        >>> Sequential([Dense(1, 1)], rng=0).jacobian([[3.0], [4.0]])
        array([[[3., 1.]],
               [[4., 1.]]], dtype=float32)
        """
        from nnlite.training.per_example import jacobian

        return jacobian(self, x)

    # Using it.

    @explained
    def predict(
        self, X: Any, *, batch_size: int = PREDICT_ROWS, out: Array | None = None, jit: bool = False
    ) -> Array:
        """Compute the output for any number of rows.

        Nothing on the model is written, so several threads may predict at once.

        Parameters
        ----------
        X : array-like of shape (rows, features)
            The input: an array, a frame, a sparse matrix, a memory-mapped or a dask array. The
            last two are read block by block.
        batch_size : int
            Rows that go through the layers at a time.
        out : ndarray of shape (rows, outputs) or (replicas, rows, outputs), optional
            Where the predictions are written, of the dtype of the model. With a memory-mapped
            one, such as ``np.lib.format.open_memmap`` makes, predictions of any number of rows
            take the memory of one block.
        jit : bool
            Use compiled loops, as `fit` with ``jit=True``: the same numbers but for the last digits.
            What they do not cover, such as a sparse matrix or a layer of your own, runs through NumPy.

        Returns
        -------
        ndarray of shape (rows, outputs) or (replicas, rows, outputs)
            The output of the last layer; `out` if it was given. After training with a loss that
            takes logits these are logits: ``Softmax().forward(...)`` or ``Sigmoid().forward(...)``
            makes probabilities of them, and ``argmax(axis=-1)`` class ids.

        Raises
        ------
        ShapeError, ArgumentError, ArgumentTypeError
            If the input does not fit, or holds NaN or infinity, or `out` does not fit. Then `out`
            is as it was, unless the error is in a number of a memory-mapped or a dask array,
            which is found when its block is read: the rows before that block are written by then.

        See Also
        --------
        predict_blocks : The same for rows that come block by block.

        Examples
        --------
        >>> from nnlite.layers import Dense
        >>> model = Sequential([Dense(2, 3)], rng=0)
        >>> model.predict([[1, 2]]).shape
        (1, 3)
        >>> out = np.empty((4, 3), np.float32)
        >>> model.predict(np.ones((4, 2)), out=out) is out
        True
        """
        if batch_size is not PREDICT_ROWS:
            batch_size = check_integer("Sequential.predict(batch_size=)", batch_size, low=1)
        if jit is True and out is None and self._programs:
            found: Array | None = self._programs.again(self, X)
            if found is not None:
                return found
        return self._check_and_predict(X, batch_size, out, jit)

    @np.errstate(under="ignore")
    def _check_and_predict(self, X: Any, batch_size: int, out: Array | None, jit: bool) -> Array:
        where = "Sequential.predict(X)"
        x: Array | Blockwise | None = None
        if type(X) is not np.ndarray or X.dtype != self.boundary.dtype:
            if isinstance(X, Iterator) or is_maker(X):
                fix = "Write predict_blocks(X), which predicts block by block."
                raise ArgumentTypeError(where, "an array of numbers", type(X).__name__, fix)
            x = self.boundary.in_blocks(X, where=where)
        if x is None:
            x = self.boundary.check_input(X, where=where, finite=True)
        if out is not None:
            self.boundary.check_out(out, x, where="Sequential.predict(out=)")
        return self._predict(
            x, batch_size, out, jit=jit is not False and check_jit("Sequential.predict", jit)
        )

    @explained
    def predict_blocks(
        self, blocks: Any, *, batch_size: int = PREDICT_ROWS, jit: bool = False
    ) -> Iterator[Array]:
        """Predict block by block, for more rows than memory holds.

        A block is taken when its prediction is asked for, and let go then.

        Parameters
        ----------
        blocks : iterable of array-likes of shape (rows, features)
            An iterator, such as a generator, or anything else to iterate over, or a function that
            makes an iterator. Each block is what `predict` takes: an array, a frame, a sparse
            matrix. Of a dask array each block is computed in its turn, also where their numbers
            of rows are not known; an ndarray, which may be memory-mapped, is cut into blocks of
            about 4 MiB.
        batch_size : int
            Rows that go through the layers at a time.
        jit : bool
            Use compiled loops, as `predict` with ``jit=True``.

        Returns
        -------
        iterator of ndarray of shape (rows, outputs) or (replicas, rows, outputs)
            One prediction for each block, in their order; of no rows for a block of none.

        Raises
        ------
        ShapeError, ArgumentError, ArgumentTypeError
            At once if these are no blocks, or if the array does not fit. When its turn comes, if
            a block does not fit, or holds NaN or infinity; the error names it, counted from 0.
            What the iterator itself raises is passed on.

        See Also
        --------
        predict : All at once, and into a file by ``out=``.

        Notes
        -----
        If all blocks but the last have a multiple of `batch_size` rows, the results are bit by bit
        those of `predict` for all rows together, since the same rows go through the layers
        together. With other blocks they may differ in the last digits: matrix products add up in
        another order for another number of rows. With ``jit=True`` 64 rows go through the layers together,
        whatever `batch_size` says.

        Examples
        --------
        >>> from nnlite.layers import Dense
        >>> model = Sequential([Dense(2, 3)], rng=0)
        >>> def blocks():
        ...     for rows in (4, 4, 1):
        ...         yield np.ones((rows, 2))
        >>> [pred.shape for pred in model.predict_blocks(blocks)]
        [(4, 3), (4, 3), (1, 3)]
        """
        batch_size = check_integer("Sequential.predict_blocks(batch_size=)", batch_size, low=1)
        jit = check_jit("Sequential.predict_blocks", jit)
        checked = self.boundary.each_block(blocks, where="Sequential.predict_blocks(blocks)")
        return each(partial(self._predict, batch_size=batch_size, jit=jit), checked)

    def _predict(
        self, x: Array | Blockwise, batch_size: int, out: Array | None = None, *, jit: bool = False
    ) -> Array:
        """Predict for a checked input, into `out` if there is one."""
        if jit and isinstance(x, np.ndarray):
            from nnlite.jit.predict import predict

            if (found := predict(self, x, out)) is not None:
                return found
        rows = x.shape[self.boundary.row_axis(x)]
        if not isinstance(x, Blockwise):
            if out is None and rows <= batch_size:
                return (
                    self._forward_some(x, rows) if rows else np.empty(self.boundary.pred_shape(x), self.dtype)
                )
            if (threads := self._threads_for(x, rows, batch_size)) > 1:
                return self._forward_apart(x, batch_size, threads, out)
        start, rank = 0, self.boundary.output_rank
        behind = (slice(None),) * rank
        for part in self._parts(x, batch_size):
            if out is None:
                out = np.empty((*part.shape[: -1 - rank], rows, *part.shape[-rank:]), part.dtype)
            stop = start + part.shape[-1 - rank]
            at: tuple[Any, ...] = (..., slice(start, stop), *behind)
            place = out[at]
            if place.shape != part.shape:
                raise self._not_as_said(f"predictions of shape {place.shape}", f"{part.shape}")
            place[...] = part
            start = stop
        if out is None or start != rows:
            raise self._not_as_said(f"{rows} rows of predictions", f"{start}")
        return out

    def _not_as_said(self, expected: str, got: str) -> ShapeError:
        fix = "Layers of your own must give a row for each row, of the shape that their output_shape says."
        return ShapeError("Sequential.predict", expected, got, fix)

    def _parts(self, x: Array | Blockwise, batch_size: int) -> Iterator[Array]:
        """Give the predictions for some rows after the other."""
        if isinstance(x, Blockwise):
            # No loop, whose variable would hold a block while the next one is read.
            yield from chain.from_iterable(map(partial(self._block_parts, batch_size=batch_size), x))
            return
        axis = self.boundary.row_axis(x)
        rows = x.shape[axis]
        ahead = (slice(None),) * axis
        places = ((*ahead, slice(start, start + batch_size)) for start in range(0, rows, batch_size))
        largest = min(rows, batch_size) * (self._work or self._measured()).largest
        if largest <= SMALL:
            for place in places:
                yield self._forward(x[place])
        elif blas_threads(largest, BLOCK_SHARE) > 1:
            for place in places:
                part = x[place]
                yield self._forward_some(part, part.shape[axis])
        else:
            with Hold(1):
                for place in places:
                    yield self._forward(x[place])

    def _block_parts(self, x: Array, batch_size: int) -> Iterable[Array]:
        """Give those for the rows of one block."""
        threads = self._threads_for(x, x.shape[self.boundary.row_axis(x)], batch_size)
        if threads > 1:
            return (self._forward_apart(x, batch_size, threads),)
        return self._parts(x, batch_size)

    def _measured(self) -> Work:
        """Return what a row comes to."""
        if self._work is None:
            self._work = measure_work(self)
        return self._work

    def _forward_some(self, x: Array, rows: int) -> Array:
        """Run rows through the layers at once, with as many threads in the BLAS as help there."""
        largest = rows * (self._work or self._measured()).largest
        if largest <= SMALL:
            return self._forward(x)
        with Hold(blas_threads(largest, BLOCK_SHARE)):
            return self._forward(x)

    def _threads_for(self, x: Any, rows: int, batch_size: int) -> int:
        """Return on how many threads blocks of rows shall be spread."""
        work = self._work or self._measured()
        threads = work.threads_for(rows)
        if threads == 1 or rows <= batch_size or type(x) is not np.ndarray:
            return 1
        # Larger blocks are left to the BLAS, also where there are many: the bits of a block must not depend
        # on how many others there are, or `predict_blocks` would come to other ones.
        if blas_threads(batch_size * work.largest, BLOCK_SHARE) > 1 or not only_ours(self):
            return 1
        return threads

    def _forward_apart(self, x: Array, batch_size: int, threads: int, out: Array | None = None) -> Array:
        """Run blocks of rows through the layers, several at a time."""
        axis, rank = self.boundary.row_axis(x), self.boundary.output_rank
        ahead, behind, rows = (slice(None),) * axis, (slice(None),) * rank, x.shape[axis]
        lock = Lock()

        def forward(number: int) -> None:
            nonlocal out
            some = slice(number * batch_size, (number + 1) * batch_size)
            part = self._forward(x[(*ahead, some)])
            with lock:
                if out is None:
                    out = np.empty((*part.shape[: -1 - rank], rows, *part.shape[-rank:]), part.dtype)
            at: tuple[Any, ...] = (..., some, *behind)
            out[at] = part

        spread(forward, -(-rows // batch_size), threads)
        return out  # type: ignore[return-value]  # there is at least one block

    @explained
    def ensemble(
        self,
        X: Any,
        *,
        members: Sequence[int] | None = None,
        batch_size: int = PREDICT_ROWS,
        jit: bool = False,
    ) -> Ensemble:
        """Let all replicas predict, and say what they agree on and how far they differ.

        Parameters
        ----------
        X : array-like of shape (rows, features)
            The input.
        members : sequence of int, optional
            Which replicas take part; all by default. ``history.survivors`` leaves out those
            that diverged.
        batch_size : int
            Rows that go through the layers at a time.
        jit : bool
            Use compiled loops, as `predict` with ``jit=True``.

        Returns
        -------
        Ensemble
            With ``mean`` and ``spread``, the standard deviation over the replicas, of shape
            (rows, outputs), and ``members`` of shape (replicas, rows, outputs).

        Raises
        ------
        ShapeError, ArgumentError, ArgumentTypeError
            If the input does not fit, or there are no such replicas.

        References
        ----------
        B. Lakshminarayanan, A. Pritzel and C. Blundell, "Simple and Scalable Predictive
        Uncertainty Estimation using Deep Ensembles", NIPS 2017.

        Examples
        --------
        >>> from nnlite.layers import Dense
        >>> model = Sequential([Dense(2, 1)], rng=0, replicas=5)
        >>> together = model.ensemble([[1.0, 2.0]])
        >>> together.mean.shape, together.spread.shape, together.members.shape
        ((1, 1), (1, 1), (5, 1, 1))
        """
        where = "Sequential.ensemble(members=)"
        chosen = range(self._replica_count("Sequential.ensemble")) if members is None else members
        if not isinstance(chosen, Iterable):
            raise ArgumentTypeError(
                where, "a list of replicas", f"{members!r}", f"Write members=[{members!r}]."
            )
        indices = [self._replica_index(where, index) for index in chosen]
        if not indices:
            raise ArgumentError(where, "at least one replica", "none", "Name some, or leave it out for all.")
        x = self.boundary.check_input(X, where="Sequential.ensemble(X)", finite=True)
        if self.boundary.row_axis(x):
            raise ShapeError(
                "Sequential.ensemble(X)",
                "the same rows for all replicas",
                f"other rows for each, {x.shape}",
                "Write predict(X) for what each replica says of its own.",
            )
        batch_size = check_integer("Sequential.ensemble(batch_size=)", batch_size, low=1)
        each = self._predict(x, batch_size, jit=check_jit("Sequential.ensemble", jit))[indices]
        return Ensemble(each.mean(axis=0), each.std(axis=0), each)

    if not TYPE_CHECKING:  # for which every name would be one of a model

        def __getattr__(self, name: str) -> NoReturn:
            from nnlite.errors.habits import no_such_method

            if name == "params":
                raise is_part(type(self).__name__)
            raise no_such_method(type(self), name)

    # One of many.

    def _replica_count(self, where: str) -> int:
        if self.boundary.replicas is None:
            fix = "Write Sequential(..., replicas=8), for instance."
            if where.endswith("best"):
                fix += " One net has its best weights by fit(callbacks=[EarlyStopping()])."
            raise ArgumentError(where, "a model with replicas", "one net", fix)
        return self.boundary.replicas

    def _replica_index(self, where: str, index: Any) -> int:
        count = self._replica_count(where)
        number = check_integer(where, index)
        if number >= count:
            raise ArgumentError(where, f"a replica from 0 to {count - 1}", f"{number}", "They count from 0.")
        return number

    def replica(self, index: int) -> Sequential:
        """Copy one of the nets that were trained as one into a model of its own.

        Parameters
        ----------
        index : int
            Which, from 0.

        Returns
        -------
        Sequential
            Without replicas. What happens to it does not change this model.

        Raises
        ------
        ArgumentError, ArgumentTypeError
            If there is no such replica.

        Examples
        --------
        >>> from nnlite.layers import Dense
        >>> model = Sequential([Dense(2, 1)], rng=0, replicas=3)
        >>> one = model.replica(2)
        >>> bool((one.predict([[1, 2]]) == model.predict([[1, 2]])[2]).all())
        True
        """
        number = self._replica_index("Sequential.replica(index)", index)
        rng = self.rng.each[number] if isinstance(self.rng, Generators) else self.rng
        layers = [replica_of(layer, number) for layer in self.layers]
        one = Sequential(layers, dtype=self.dtype, rng=copy.deepcopy(rng), preprocessing=self.preprocessing)
        one.feature_names = self.feature_names
        one.takes_encoded = self._takes_encoded
        return one

    def best(
        self, history: History, *, monitor: str | None = None, higher_is_better: bool | None = None
    ) -> Sequential:
        """Copy the best of the nets that were trained as one.

        Parameters
        ----------
        history : History
            What `fit` returned.
        monitor : str, optional
            The column that decides, by its last number, or that of the epoch whose weights
            `EarlyStopping` put back. By default the validation loss if there is one, else the
            loss. Replicas that diverged do not compete.
        higher_is_better : bool, optional
            By default the loss and the metrics of nnlite are known, and those with an attribute
            ``higher_is_better``; for any other column it must be said.

        Returns
        -------
        Sequential
            What `replica` gives for it.

        Raises
        ------
        ArgumentError, ArgumentTypeError
            If there are no replicas, the history is that of another model or has no such column, or
            it is not known whether more is better in it.

        Examples
        --------
        >>> from nnlite import SGD, Dense, MeanSquaredError
        >>> model = Sequential([Dense(1, 1)], rng=0, replicas=3)
        >>> rates = SGD(learning_rate=[0.001, 0.01, 0.1])
        >>> history = model.fit([[1.0]], [[2.0]], loss=MeanSquaredError(), optimizer=rates, epochs=50)
        >>> history.best_replica("loss", higher_is_better=False)
        2
        >>> model.best(history).predict([[1.0]]).round(2)
        array([[2.]], dtype=float32)
        """
        where = "Sequential.best"
        count = self._replica_count(where)
        if not isinstance(history, History):
            fix = "Give what fit of this model returned."
            raise ArgumentTypeError(f"{where}(history)", "a History", f"{history!r}", fix)
        if len(history.replicas) != count:
            raise ArgumentError(
                f"{where}(history)",
                f"the history of {count} replicas",
                f"one of {len(history.replicas) or 'a single net'}",
                "Give what fit of this model returned.",
            )
        if monitor is None:
            monitor = "validation_loss" if "validation_loss" in history.columns else "loss"
        if monitor in history.columns:  # or `best_replica` says which there are
            higher_is_better = history.direction(where, monitor, higher_is_better=higher_is_better)
        return self.replica(history.best_replica(monitor, higher_is_better=bool(higher_is_better)))

    @np.errstate(under="ignore")
    @explained
    def evaluate(
        self,
        X: Any,
        y: Any = None,
        *,
        loss: Loss | None = None,
        metrics: Sequence[Metric] | Mapping[str, Metric] = (),
        weight: Any = None,
        batch_size: int = PREDICT_ROWS,
        jit: bool = False,
    ) -> dict[str, Any]:
        """Compute loss and metrics on data, without dropout.

        Parameters
        ----------
        X : array-like of shape (rows, features), or re-iterable of batches
            The input; without `y`, batches ``(x, y)`` or ``(x, y, weight)``.
        y : array-like, optional
            The targets.
        loss : Loss, optional
            Adds the entry ``"loss"``.
        metrics : sequence or dict of functions (pred, target) -> float
            Adds an entry for each, under its name. A function whose parameters are named as those of
            scikit-learn, ``(y_true, y_pred, sample_weight)``, is called in that order.
        weight : array-like of shape (rows,), optional
            How much each row counts.
        batch_size : int
            Rows that go through the layers at a time.
        jit : bool
            Predict by compiled loops, see `predict`.

        Returns
        -------
        dict of str to float

        Raises
        ------
        ShapeError, ArgumentError, ArgumentTypeError
            If the data do not fit.

        Examples
        --------
        >>> from nnlite import Dense, MeanSquaredError
        >>> model = Sequential([Dense(1, 1)], rng=0)
        >>> sorted(model.evaluate([[1.0]], [[2.0]], loss=MeanSquaredError()))
        ['loss']
        """
        from nnlite.training.evaluation import evaluate

        jit = check_jit("Sequential.evaluate", jit)
        return evaluate(self, X, y, loss=loss, metrics=metrics, weight=weight, batch_size=batch_size, jit=jit)

    def activations(self, x: Any) -> list[Array]:
        """Compute the output of every layer of `layers`, as in prediction.

        Of a layer that is made of others that is one, what comes out of it. A `Watcher`, see
        `Sequential.context`, sees the layers inside too.

        Parameters
        ----------
        x : array-like of shape (batch, features)
            The input.

        Returns
        -------
        list of ndarray
            One for each layer; the last is what `predict` gives.

        Raises
        ------
        ShapeError, ArgumentError, ArgumentTypeError
            If the input does not fit.

        Examples
        --------
        >>> from nnlite.layers import Dense, ReLU
        >>> model = Sequential([Dense(2, 3), ReLU()], rng=0)
        >>> [a.shape for a in model.activations([[1, 2]])]
        [(1, 3), (1, 3)]
        """
        x = self.boundary.check_input(x, where="Sequential.activations(x)")
        outputs = []
        for layer in self.layers:
            x = layer.forward(x)
            outputs.append(x)
        return outputs

    # As in training, but without noise: what a loss and a gradient are that are the same in every pass.

    @property
    def _mixes_rows(self) -> bool:
        """Whether what it says of a row in training depends on the other rows of the batch."""
        return any(layer.mixes_rows for _, layer in self.walk())

    def _quiet_context(self, watch: Watcher | None = None) -> ModelContext:
        """Make a context for a pass without noise, in which layers that mix rows go by the batch.

        They keep what they see of it, as in training.
        """
        ctx = self.context(training=False, watch=watch)
        contexts = [*ctx.inner]
        for layer, kept in contexts:
            kept.training = layer.mixes_rows and not layer.stochastic
            contexts += kept.inner
        return ctx

    def _quiet_forward(self, x: Array, weight: Array | None = None, watch: Watcher | None = None) -> Array:
        """Compute the output in such a pass, and put back what was kept of it."""
        if watch is None and not self._mixes_rows:
            return self._forward(x)
        ctx, state = self._quiet_context(watch), self.params.state.copy()
        ctx.rows.weight = weight
        try:
            return self._forward(x, ctx)
        finally:
            self.params.state[...] = state

    def adapt(self, X: Any) -> None:
        """Show data to the layers that must see some and have not, such as `Standardize`.

        `fit` does so by itself.

        Parameters
        ----------
        X : array-like of shape (rows, features)
            The training data.

        Raises
        ------
        ShapeError, ArgumentError, ArgumentTypeError
            If a layer cannot use the data.

        Examples
        --------
        >>> from nnlite.layers import Standardize
        >>> model = Sequential([Standardize(1)])
        >>> model.adapt([[1.0], [3.0]])
        >>> model.predict([[5.0]])
        array([[3.]], dtype=float32)
        """
        where = "Sequential.adapt(X)"
        blocks: Iterable[Array] | None = self.boundary.in_blocks(X, where=where)
        if blocks is None:
            blocks = (self.boundary.check_input(X, where=where, finite=True),)
        self._adapt(lambda: ((block, None) for block in blocks))

    def _adapt(self, blocks: Callable[[], Iterator[tuple[Array, AnyArray | None]]]) -> None:
        """Do so block by block; `blocks` gives the data, and the weights of the rows, again at each call."""
        waiting = []
        for prefix, layer in self.walk():
            if layer.children or layer.adapted:
                continue
            place = [int(number) for number in prefix.split(".")[:-1]]
            holder: Layer = self
            for index in place:
                if not (isinstance(holder, Chain) or joins_branches(holder)):
                    raise ArgumentError(
                        f"layer {prefix[:-1]} {layer}",
                        f"to have seen data, as only {holder}, which holds it, knows what reaches it",
                        "a layer that has seen none",
                        f"Call the adapt(X) of that layer, or put it in front of {type(holder).__name__}.",
                    )
                holder = holder.children[index]
            waiting.append((place, layer))
        for place, layer in waiting:
            reaching = (weighed_reaching(self, place, block, weight) for block, weight in blocks())
            inputs, weights = side_by_side(reaching)
            adapt: Any = layer.adapt
            adapt(inputs, **{"weight": weights} if _takes_weight(adapt) else {})

    @explained
    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        loss: Loss,
        optimizer: Optimizer | FullBatchOptimizer,
        epochs: int = 100,
        batch_size: int | None = None,
        weight: Any = None,
        class_weight: Any = None,
        validation: Any = None,
        groups: Any = None,
        metrics: Sequence[Metric] | Mapping[str, Metric] = (),
        callbacks: Sequence[Callback] = (),
        shuffle: bool | Callable[[int], ArrayLike] = True,
        rng: Seeds = None,
        resume: str | PathLike[str] | None = None,
        distributed: bool | DataParallel = False,
        jit: bool = False,
        accumulate: int = 1,
        augment: Callable[[Array, np.random.Generator], Array] | None = None,
    ) -> History:
        """Train: thousands of times forward, loss, blame, and a small step downhill.

        Parameters
        ----------
        X : array-like of shape (rows, features), or re-iterable of batches
            The input: an array, a frame, a sparse matrix, a memory-mapped or a dask array, which
            are read batch by batch (docs/data.md). Without `y`, anything that can be iterated
            over again and again, or a function that makes a new iterator, of batches ``(x, y)``
            or ``(x, y, weight)``. With replicas, `X`, `y` and
            `weight` may each have an axis for them in front: other data for each, such as
            the folds of `k_folds`.
        y : array-like, optional
            The targets, as the loss takes them.
        loss : Loss
            What to lower.
        optimizer : Optimizer, LBFGS or LevenbergMarquardt
            How to step. Given again to a second ``fit``, it goes on where it stopped.
        epochs : int
            How many times to go over the data; with `LBFGS` and
            `LevenbergMarquardt`, the number of iterations.
        batch_size : int, optional
            Rows in one step: 32 by default. With those two, which need the whole data for
            every step, the rows that go through the layers at a time, all by default.
        weight : array-like of shape (rows,), optional
            How much each row counts. The gradient of a batch is its part of the
            weighted average over the data: the sum of weight times loss over its rows, divided by
            their number times the mean weight of the rows that are trained on. Rows of weight 0
            are counted in neither. Of batches from an iterator the mean is that of all so far.
        class_weight : "balanced" or dict, optional
            How much the rows of each class count, for targets that are class ids, 0 and 1 (-1 and 1 for
            `Hinge`) for one output, or one-hot rows: a dict from class ids to weights, in which those
            left out are 1, or "balanced", which is rows / (classes * rows of the class), of the rows that
            are trained on, so that all classes that there are have the same weight in sum. It multiplies
            `weight`, by which rows are counted here too, and acts with the same numbers on validation
            data, so that the two losses of the history measure the same. Metrics count rows by `weight`
            alone, and leave out those of a class of weight 0. Batches from an iterator take a dict.
        validation : tuple, float, re-iterable of batches or function that makes them, optional
            Data to measure on after every epoch: ``(X, y)`` or ``(X, y, weight)``, or a part
            of the training rows in (0, 1), which is kept out of training. Of classes it has their
            proportions, as nearly as whole rows allow, and a row of each stays in training; other
            rows are drawn at random. With ``shuffle=False`` it is the last rows.
        groups : sequence of hashable of shape (rows,), optional
            For a part of the training rows: rows of one group, such as those of one patient, are
            all held out or none is.
        metrics : sequence or dict of functions (pred, target) -> float
            Measured on training and validation data, and named in the history. Functions of
            scikit-learn are called as the names of their parameters say.
        callbacks : sequence of Callback
            What else to do: stop early, show progress, save.
        shuffle : bool or callable (int) -> array-like of int
            Whether to draw a new order of the rows for every epoch; or a function from the
            number of rows to an order, called once an epoch. False keeps the order of the rows.
        rng : int, Generator or None, or one of them for each replica
            Seed of order, dropout and validation part; the model's own generator by
            default, so that a seeded model trains to the same bits again. With one for each
            replica, each has an order of its own, and trains as a net on its own would.
        resume : str or path-like, optional
            A file that `Checkpoint` wrote in the same training. It goes on from there to the
            same bits as if it had not been stopped; `epochs`, limits of time and patience, and
            where and when checkpoints are written may be others.
        distributed : bool or DataParallel
            Whether to share the work with the other processes of an ``mpiexec``, see
            `nnlite.distributed`. Alone, True changes nothing.
        jit : bool
            Train by compiled loops, which give the same numbers but for the last digits, and several
            times as fast on small nets; it needs the extra ``nnlite[jit]``. What they do not cover runs
            through NumPy, and ``history.engine`` says what and why. The first use on a machine compiles
            for some seconds. See docs/jit.md.
        accumulate : int
            Gradient accumulation: each batch goes through the net in so many pieces, whose gradients are
            added up for one step, in the memory that one piece takes. The step is that of the whole batch,
            but for rounding and for the noise that `Dropout` draws; steps and schedules count batches. A
            layer that compares the rows of a batch, such as `BatchNorm`, is refused.
        augment : callable (x, rng) -> ndarray, optional
            What is done to the inputs of each training batch, and to nothing else: a function from a batch of
            shape (batch, ...), which it must not change, and a generator to another one of the same shape.
            `nnlite.augment` has some. The generator is that of the training. Replicas that share the rows
            share what it makes of them, unless each has a seed of its own in `rng`.

        Returns
        -------
        History
            One row an epoch: loss, metrics, learning rate, seconds.

        Raises
        ------
        ShapeError, ArgumentError, ArgumentTypeError
            If anything does not fit; then nothing has changed. (What fits in the first epoch
            and not in a later one, such as a stream that gives other batches then, ends
            training with the weights it has come to.)
        ModelFileError
            If `resume` is no whole checkpoint; then nothing has changed.
        RankError
            If the processes of a distributed training do not go together, or one of them cannot begin.
        OSError
            If a checkpoint cannot be read or written.
        DivergenceError
            If the loss stops being finite, with replicas that of all of them. The model keeps
            the last weights that gave a finite loss, and the optimizer is reset.

        Warns
        -----
        UserWarning
            If Ctrl-C ended the training. The model and the history are usable.
        ReplicaWarning
            If some replicas diverged. They keep the last weights that gave a finite loss, and
            the others are trained on.
        UserWarning
            If `distributed` was forgotten in a job of several processes, which would all write the
            same checkpoint, or draw the same.

        Notes
        -----
        While it trains, model, optimizer and callbacks belong to this training: a second ``fit`` with
        one of them, in another thread or inside a callback, is refused with an ArgumentError. Copies
        may train, and any thread may predict.

        The training loss and metrics of an epoch are gathered from its batches, while the
        weights change and with dropout on; those of validation are measured at its end.

        Examples
        --------
        >>> from nnlite import SGD, Dense, MeanSquaredError, Sequential, Tanh, datasets
        >>> X, y = datasets.xor()
        >>> model = Sequential([Dense(2, 8), Tanh(), Dense(8, 1)], rng=0)
        >>> history = model.fit(
        ...     X, y[:, None], loss=MeanSquaredError(), optimizer=SGD(0.1), epochs=1000, batch_size=4
        ... )
        >>> history["loss"][-1] < 0.01
        True
        """
        from nnlite.training.fit import fit

        return fit(
            self,
            X,
            y,
            loss=loss,
            optimizer=optimizer,
            epochs=epochs,
            batch_size=batch_size,
            weight=weight,
            class_weight=class_weight,
            validation=validation,
            groups=groups,
            metrics=metrics,
            callbacks=callbacks,
            shuffle=shuffle,
            rng=rng,
            resume=resume,
            distributed=distributed,
            jit=jit,
            accumulate=accumulate,
            augment=augment,
        )

    def save(self, path: str | PathLike[str], *, card: Any = None) -> None:
        """Write architecture and numbers to one safetensors file.

        `nnlite.load` reads it. Nothing in the file can run code.

        Parameters
        ----------
        path : str or path-like
            Where to; an old file is replaced once the new one is complete.
        card : nnlite.inspect.Card, optional
            A run card to be kept with it, which ``nnlite.inspect.Card.load(path)`` reads.

        Raises
        ------
        ArgumentError, ArgumentTypeError
            If a layer's arguments cannot be written as JSON, or `card` is none.
        OSError
            If the file cannot be written.

        Examples
        --------
        >>> import tempfile, pathlib, nnlite
        >>> model = nnlite.Sequential([nnlite.Dense(2, 1)], rng=0)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder) / "net.safetensors"
        ...     model.save(path)
        ...     bool((nnlite.load(path).predict([[1, 2]]) == model.predict([[1, 2]])).all())
        True
        """
        from nnlite.files.models import save

        save(self, path, card=card)

    def _check_context(self, where: str, ctx: Any) -> None:
        if ctx is None or (isinstance(ctx, ModelContext) and ctx.owner is self.layers):
            return
        got = "that of another model" if isinstance(ctx, ModelContext) else f"{ctx!r}"
        raise ArgumentTypeError(where, "a context of this model", got, "Write ctx = model.context().")

    # Looking at it.

    def summary(self) -> Summary:
        """Make a table of the layers, their output shapes and parameter counts.

        Returns
        -------
        Summary
            Prints as text and shows as a table in notebooks.

        Examples
        --------
        >>> from nnlite.layers import Dense, Tanh
        >>> Sequential([Dense(2, 8), Tanh(), Dense(8, 1)]).summary()
        layer            output shape  parameters
        -----------------------------------------
        0  Dense(2, 8)   (batch, 8)            24
        1  Tanh()        (batch, 8)             -
        2  Dense(8, 1)   (batch, 1)             9
        -----------------------------------------
        33 parameters, float32

        The layers that a layer is made of stand below it, with their places; each number is counted
        where it is declared. What is kept and not learned, such as running statistics, is counted apart:

        >>> from nnlite import BatchNorm, Residual
        >>> Sequential([Dense(2, 3), Residual([Dense(3, 3), BatchNorm(3)])], rng=0).summary()
        layer                  output shape  parameters
        -----------------------------------------------
        0  Dense(2, 3)         (batch, 3)             9
        1  Residual            (batch, 3)             -
           1.0  Dense(3, 3)    (batch, 3)            12
           1.1  BatchNorm(3)   (batch, 3)    6 + 6 kept
        -----------------------------------------------
        27 parameters and 6 numbers kept and not learned, float32
        """
        rows = []
        for place, layer, shape in inside(self, shape=self.input_shape):
            own = [layer._specs[name] for name in layer._own()]
            rows.append(
                LayerSummary(
                    shown(layer),
                    shape,
                    sum(spec.size for spec in own if spec.learned),
                    sum(layer._specs[name].size for name in layer._own_frozen()),
                    sum(spec.size for spec in own if not spec.learned),
                    place,
                )
            )
        return Summary(rows, self.dtype.name, self.boundary.replicas)

    def __repr__(self) -> str:
        own = vars(self).get("params")  # of a part of another model the whole one says it
        if own is None:
            return super().__repr__()
        copies = "" if own.replicas is None else f", replicas={own.replicas}"
        return f"Sequential([{', '.join(map(repr, self.layers))}], dtype={own.dtype.name}{copies})"

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()

    _made_anew = core.Sequential._made_anew | {"_programs", "_work", "boundary"}

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

    def _in_float64(self) -> Sequential:
        """Make a copy that computes in float64."""
        twin = object.__new__(type(self))
        state = copy.deepcopy(self.__getstate__())
        twin.__setstate__(
            state | {"_params": Parameters((), dtype=np.float64, replicas=self.params.replicas)}
        )
        return twin


def _takes_weight(adapt: Callable[..., None]) -> bool:
    """Tell whether a layer's `adapt` takes the weights of the rows."""
    import inspect  # slow to import, and asked for by layers that must see data only

    parameters = inspect.signature(adapt).parameters.values()
    return any(one.name == "weight" or one.kind is one.VAR_KEYWORD for one in parameters)
