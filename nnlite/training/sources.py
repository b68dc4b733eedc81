"""Where the batches of a training come from: arrays, a file, blocks or a stream; checked in any case."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from numbers import Real
from typing import Any

import numpy as np

from nnlite.checks.inputs import check_columns, column_names
from nnlite.core.aliases import AnyArray, Array
from nnlite.core.batches import WHOLE, Batches, Cut
from nnlite.core.losses import Loss
from nnlite.core.weights import take_rows
from nnlite.data.batching import check_reiterable, checked_batches, is_maker, is_reiterable, split_batch
from nnlite.data.checks import is_own
from nnlite.data.conversion import is_dask, is_frame, is_sparse
from nnlite.data.lazy import DaskRows, FileRows, SparseRows, is_in_file, join
from nnlite.data.order import Order
from nnlite.data.row_weights import MeanWeight, RowWeights, RunningMean, counting_rows
from nnlite.data.splits import HeldOut, classes_of, encode_labels, held_out_rows
from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.errors.checks import check_number
from nnlite.model import Sequential
from nnlite.training.class_weights import ClassWeights
from nnlite.training.random_states import Generators

__all__ = [
    "Arrays",
    "Batch",
    "Blocks",
    "Files",
    "Rows",
    "Source",
    "Stream",
    "share",
    "training_source",
    "validation_source",
]

#: What to do about tables whose columns differ inside one training, before the model knows any.
_SAME_COLUMNS = "Give the same columns in the same order everywhere."
#: Input, targets and weights of one batch.
Batch = tuple[Array, AnyArray, Array | None]
#: Input and weights.
Rows = tuple[Array, AnyArray | None]


class Arrays:
    """Data in memory, checked and cast once.

    Parameters
    ----------
    x : ndarray of shape (rows, features), or SparseRows
        The input. With replicas each of the three may have an axis for them in front:
        other data for each.
    y : ndarray
        The targets.
    weight : ndarray of shape (rows,) or None
        How much each row counts.
    own : tuple of bool
        Whether each of the three has that axis.

    Attributes
    ----------
    rows : int
        How many there are, for one replica.
    batch_size : int
        Rows in a batch; all, until `cut` says otherwise.
    cutter : Cut
        Which rows each batch has.
    columns : tuple of str or None
        Names of the columns of the table that the input was; None for another input.
    rule : MeanWeight or None
        What the loss of a batch is divided by; None for the mean weight of these rows.

    Examples
    --------
    >>> data = Arrays(np.arange(3.0)[:, None], np.arange(3), None)
    >>> data.cut(2, None)
    >>> [y.tolist() for x, y, weight in data]
    [[0, 1], [2]]
    """

    x: Any
    y: Any
    weight: Any
    columns: tuple[str, ...] | None = None
    rule: MeanWeight | None = None
    rng: np.random.Generator | Generators | Order | None = None
    cutter: Cut = WHOLE
    drawn_by: Sequence[np.random.Generator] = ()  # as of a `Stream`
    _batches: Batches | None = None  # not all data are gone through in batches

    def __init__(self, x: Any, y: Any, weight: Any, *, own: tuple[bool, bool, bool] = (False,) * 3) -> None:
        # Contiguous, since taking some rows of another array would copy all of it first.
        self.x, self.y, self.weight = (
            np.ascontiguousarray(array) if isinstance(array, np.ndarray) else array
            for array in (x, y, weight)
        )
        self.own = own
        self.rows = self.batch_size = x.shape[own[0]]

    def cut(
        self, batch_size: int, rng: np.random.Generator | Generators | Order | None, cutter: Cut = WHOLE
    ) -> None:
        """Say how the rows are cut into batches.

        Parameters
        ----------
        batch_size : int
            Rows in a batch.
        rng : Generator, Generators, Order or None
            Draws a new order for every pass; None keeps the order.
        cutter : Cut
            Which rows each batch has.

        Raises
        ------
        ArgumentError
            If replicas have orders of their own, and the data cannot be given in several at once.
        """
        if isinstance(self.x, SparseRows) and isinstance(rng, Generators):
            raise _one_order_for_all("a sparse X")
        self.batch_size, self.rng, self.cutter = batch_size, rng, cutter
        self._batches = None

    @property
    def batches_in_epoch(self) -> int:
        """How many batches each pass has."""
        return len(self.cutter.slices(self.rows, self.batch_size))

    def __iter__(self) -> Iterator[Batch]:
        if self._batches is None:
            arrays = (self.x, self.y) if self.weight is None else (self.x, self.y, self.weight)
            own = self.own[: len(arrays)]
            self._batches = Batches(
                arrays, batch_size=self.batch_size, rng=self.rng, own=own, cut=self.cutter
            )
        if self.weight is None:
            return ((x, y, None) for x, y in self._batches)
        return iter(self._batches)  # type: ignore[arg-type]

    def in_order(self) -> Iterator[Batch]:
        """Give all rows at once, in the order they came in."""
        yield self.x.matrix if isinstance(self.x, SparseRows) else self.x, self.y, self.weight

    def inputs(self) -> Iterator[Rows]:
        """Give the inputs of the rows that count, and how much they do."""
        for x, _, weight in self.in_order():
            yield counting_rows(x, weight, int(self.own[0]))

    @property
    def row_weights(self) -> AnyArray:
        """The weights of the rows that take part, if rows have weights."""
        return self.weight  # type: ignore[no-any-return]

    def class_sums(self, classes: ClassWeights) -> Array:
        """Add up the weights of the rows of each class that take part.

        Parameters
        ----------
        classes : ClassWeights
            Knows the classes.

        Returns
        -------
        ndarray of shape (classes,) or (replicas, classes)
        """
        return classes.sums(self.y, self.weight, own=self.own[1])

    def weigh(self, classes: ClassWeights, dtype: Any) -> None:
        """Multiply the weights of the rows by those of their classes.

        Parameters
        ----------
        classes : ClassWeights
            Those of the classes.
        dtype : dtype
            That of the model.

        Raises
        ------
        ArgumentError
            If the targets are no classes.
        """
        weight = classes.applied(self.y, self.weight, dtype, own=self.own[1])
        self.weight, self.own = weight, (*self.own[:2], weight.ndim > 1)
        self.cut(self.batch_size, self.rng, self.cutter)

    def split(self, part: HeldOut, rng: np.random.Generator | Generators) -> tuple[Arrays, Arrays]:
        """Hold out a part of the rows.

        Parameters
        ----------
        part : HeldOut
            How large a part, and of which rows.
        rng : Generator or Generators
            Draws the rows, or those of each replica.

        Returns
        -------
        training, held_out : Arrays

        Raises
        ------
        ArgumentError
            If one side would be empty, or replicas cannot have parts of their own.
        """
        train_rows, test_rows = part.split(self._draw(part, rng))
        train, test = self._take(train_rows), self._take(test_rows)
        train.cut(self.batch_size, self.rng, self.cutter)
        train.rule = self.rule
        test.cutter = self.cutter
        return train, test

    def _draw(self, part: HeldOut, rng: np.random.Generator | Generators) -> AnyArray:
        if part.in_order:
            return np.arange(self.rows)
        if isinstance(self.x, SparseRows) and isinstance(rng, Generators):
            raise _one_order_for_all("a sparse X")
        return self.cutter.order(rng, self.rows)

    def _take(self, rows: AnyArray) -> Arrays:
        def pick(array: Any, mine: bool) -> Any:
            if not isinstance(array, np.ndarray):
                return array.pick(rows)
            return take_rows(array, rows, int(mine))

        parts = [
            None if array is None else pick(array, mine)
            for array, mine in zip((self.x, self.y, self.weight), self.own, strict=True)
        ]
        own = (True,) * 3 if rows.ndim > 1 else self.own
        return type(self)(*parts, own=own)


def _one_order_for_all(what: str) -> ArgumentError:
    return ArgumentError(
        "fit(rng=)",
        f"one seed for all replicas, with {what}",
        "one for each",
        "Write rng=0, for instance, or give X as an array.",
    )


class Files(Arrays):
    """Data of which at least the input lies in a file, and is checked and cast batch by batch.

    Otherwise as `Arrays`: the same rows make the same batches. What is measured on them is
    measured block by block, and a part that is held out is a list of rows, not a copy.

    Examples
    --------
    >>> x = FileRows(np.arange(3.0)[:, None], lambda read, rows: read)
    >>> from nnlite.data.splits import HeldOut
    >>> train, held_out = Files(x, np.arange(3), None).split(HeldOut(0.34), np.random.default_rng(0))
    >>> [y.tolist() for x, y, weight in held_out.in_order()]
    [[2]]
    """

    def in_order(self) -> Iterator[Batch]:
        """Give all rows, a block at a time, in the order they came in."""
        size = self.x.block_rows()
        for start in range(0, self.rows, size):
            part = slice(start, start + size)
            cuts: list[Any] = [
                array if array is None else array[:, part] if mine else array[part]
                for array, mine in zip((self.x, self.y, self.weight), self.own, strict=True)
            ]
            yield cuts[0], cuts[1], cuts[2]


class Blocks(Arrays):
    """Data in the blocks of a dask array, of which one at a time is computed.

    Shuffling draws an order of the blocks, and an order of the rows inside each. A batch takes
    from the next block what the last one left open.

    Parameters
    ----------
    x : DaskRows
        The input.
    y : DaskRows with blocks of the same sizes, or ndarray
        The targets.
    weight : ndarray of shape (rows,) or None
        How much each row counts.
    kept : list of ndarray, optional
        Of each block, the rows that take part, in order; all by default.

    Attributes
    ----------
    rows, batch_size : int
        As of `Arrays`.
    """

    def __init__(self, x: DaskRows, y: Any, weight: Any, *, kept: list[AnyArray] | None = None) -> None:
        self.x, self.y, self.weight = x, y, weight
        self.own = (False,) * 3
        self.kept = [np.arange(size) for size in x.sizes] if kept is None else kept
        self.rows = self.batch_size = sum(map(len, self.kept))
        self.starts = np.cumsum((0, *x.sizes))

    def cut(
        self, batch_size: int, rng: np.random.Generator | Generators | Order | None, cutter: Cut = WHOLE
    ) -> None:
        """Say how the rows are cut into batches; see `Arrays.cut`."""
        if isinstance(rng, Generators):
            raise _one_order_for_all("a dask array")
        if isinstance(rng, Order):
            raise ArgumentError(
                "fit(shuffle=)",
                "True or False, for data in blocks",
                "a function",
                "Write shuffle=True: blocks come in random order, and so do the rows of each.",
            )
        self.batch_size, self.cutter = batch_size, cutter
        self.rng: np.random.Generator | None = rng

    def __iter__(self) -> Iterator[Batch]:
        for batch in self._whole_batches():
            yield share(batch, self.cutter)

    def _whole_batches(self) -> Iterator[Batch]:
        size, rng = self.batch_size, self.rng
        if rng is not None:
            # One draw at the beginning of a pass, as `Batches` makes, so that dropout may draw in between.
            rng = np.random.default_rng(rng.integers(2**63))
        order = np.arange(len(self.kept)) if rng is None else rng.permutation(len(self.kept))
        rest: Batch | None = None  # the rows behind the last full batch
        for number in order:
            rows = self.kept[number]
            if not len(rows):
                continue
            piece = self._read(number, rows if rng is None else rows[rng.permutation(len(rows))])
            start = 0
            if rest is not None:
                start = size - rest[0].shape[0]
                rest = _join((rest, _part(piece, 0, start)))
                if rest[0].shape[0] == size:
                    yield rest
                    rest = None
            count = len(rows)
            while start + size <= count:
                yield _part(piece, start, start + size)
                start += size
            if start < count:
                rest = _part(piece, start, count)
        if rest is not None:
            yield rest

    def _read(self, number: int, rows: AnyArray) -> Batch:
        """Compute some rows of a block."""
        x = self.x.block(number)
        if isinstance(self.y, DaskRows):
            y = self.y.block(number)
        else:
            y = self.y[self.starts[number] : self.starts[number + 1]]
        weight = None if self.weight is None else self.weight[self.starts[number] + rows]
        return x[rows], y[rows], weight

    def in_order(self) -> Iterator[Batch]:
        """Give all rows, a block at a time, in the order they came in."""
        for number, rows in enumerate(self.kept):
            if len(rows):
                yield self._read(number, rows)

    def inputs(self) -> Iterator[Rows]:
        """Give the inputs of the rows that count, and how much they do, a block at a time."""
        for number, rows in enumerate(self.kept):
            if len(rows):
                weight = None if self.weight is None else self.weight[self.starts[number] + rows]
                yield counting_rows(self.x.block(number)[rows], weight, 0)

    @property
    def _taking_part(self) -> AnyArray:
        """The numbers of the rows that take part."""
        starts = self.starts[:-1].tolist()
        return np.concatenate([start + kept for start, kept in zip(starts, self.kept, strict=True)])

    @property
    def row_weights(self) -> AnyArray:
        """The weights of the rows that take part, if rows have weights."""
        return self.weight[self._taking_part]  # type: ignore[no-any-return]

    def class_sums(self, classes: ClassWeights) -> Array:
        """Add up the weights of the rows of each class that take part; see `Arrays.class_sums`."""
        weight = np.zeros(self.starts[-1])
        rows = self._taking_part
        weight[rows] = 1 if self.weight is None else self.weight[rows]
        return classes.sums(self.y, weight)

    def _take(self, rows: AnyArray) -> Arrays:
        taken = np.zeros(self.rows, bool)
        taken[rows] = True
        marks = np.split(taken, self.starts[1:-1])
        return Blocks(self.x, self.y, self.weight, kept=list(map(np.flatnonzero, marks)))

    def _draw(self, part: HeldOut, rng: np.random.Generator | Generators) -> AnyArray:
        if isinstance(rng, Generators) and not part.in_order:
            raise _one_order_for_all("a dask array")
        return np.arange(self.rows) if part.in_order else rng.permutation(self.rows)


def share(batch: Batch, cutter: Cut) -> Batch:
    """Return the rows of a batch that are for this process.

    Parameters
    ----------
    batch : (x, y, weight)
        All its rows.
    cutter : Cut
        Says which.

    Returns
    -------
    x, y, weight

    Examples
    --------
    >>> from nnlite.core.batches import WHOLE
    >>> share((np.ones((1, 2)), np.ones(1), None), WHOLE)
    (array([[1., 1.]]), array([1.]), None)
    """
    if cutter is WHOLE:
        return batch
    cutter.note(batch)
    mine = cutter.share(batch[0].shape[0])
    return _part(batch, mine.start, mine.stop)


def _part(batch: Batch, start: int, stop: int) -> Batch:
    x, y, weight = batch
    return x[start:stop], y[start:stop], None if weight is None else weight[start:stop]


def _join(batches: tuple[Batch, Batch]) -> Batch:
    x, y, weight = zip(*batches, strict=True)
    return join(list(x)), join(list(y)), None if weight[0] is None else join(list(weight))


def _arrays(model: Sequential, X: Any, y: Any, weight: Any, loss: Loss, *, where: str) -> Arrays:
    """Check arrays, as a whole or, if they lie in a file or in blocks, as they are read."""
    edge = model.boundary
    blocks = edge.in_blocks(X, where=where)
    if blocks is not None:
        return _in_blocks(model, blocks, y, weight, loss)
    x = edge.check_input(X, where=where, finite=True)
    y, weight = edge.check_targets(y, weight, loss, x)
    own = (False,) * 3 if edge.replicas is None else _own_of_each(model, x, y, weight)
    return Arrays(x if isinstance(x, np.ndarray) else SparseRows(x), y, weight, own=own)


def _own_of_each(model: Sequential, x: Any, y: AnyArray, weight: Array | None) -> tuple[bool, bool, bool]:
    """Tell which of them hold other data for each replica."""
    edge = model.boundary
    return edge.row_axis(x) > 0, is_own(y, edge.pred_shape(x)), weight is not None and weight.ndim > 1


def _in_blocks(model: Sequential, x: Any, y: Any, weight: Any, loss: Loss) -> Arrays:
    """Leave the targets where they are too, if they do not lie in memory."""
    edge = model.boundary
    outputs = edge.pred_shape(x)[len(edge.rows(x)) :]

    def prepare(read: AnyArray) -> AnyArray:
        return loss.prepare(read, (len(read), *outputs), edge.dtype)

    def of_file(read: AnyArray, rows: Any) -> AnyArray:
        try:
            return prepare(read)
        except (ArgumentError, ArgumentTypeError):
            numbers = range(len(y))[rows] if isinstance(rows, slice) else rows
            for place, number in enumerate(numbers):  # which one it is of the file
                _within(f"y, row {number} of the file", prepare)(read[place : place + 1])
            raise

    lies_there = is_dask(y) if isinstance(x, DaskRows) else is_in_file(y)
    # One number a row has room in memory, and the whole of it says more about what is wrong.
    lies_there = lies_there and y.ndim > 1 and edge.replicas is None
    if not lies_there:
        target, weight = edge.check_targets(y, weight, loss, x)
        own = _own_of_each(model, x, target, weight)
        if isinstance(x, FileRows):
            return Files(x, target, weight, own=own)
        if any(own):
            raise ArgumentError(
                "X",
                "arrays in memory, for targets or weights of each replica",
                "a dask array",
                "Write X.compute(), or give all replicas the same targets.",
            )
        return Blocks(x, target, weight)

    def of_block(read: AnyArray, number: int) -> AnyArray:
        checked: AnyArray = _within(f"y, block {number} of the dask array", prepare)(read)
        return checked

    left = FileRows(y, of_file) if isinstance(x, FileRows) else DaskRows("y", y, of_block)
    if y.shape[:1] != x.shape[:1]:
        edge.check_target_rows(np.broadcast_to(False, y.shape), x)
    if weight is not None:
        weight = edge.check_weight(weight, edge.rows(x))
    if isinstance(x, FileRows):
        return Files(x, left, weight)
    return Blocks(x, DaskRows("y", y, of_block, sizes=x.sizes), weight)


def _within(where: str, convert: Callable[..., Any]) -> Callable[..., Any]:
    """Make the function that says `where` too, if what it is called for does not fit."""

    def convert_within(*read: Any) -> Any:
        try:
            return convert(*read)
        except (ArgumentError, ArgumentTypeError) as error:
            raise error.within(where) from None

    return convert_within


class Stream:
    """Batches from an object that can be iterated over again and again; each is checked as it comes.

    Parameters
    ----------
    model : Sequential
        What they are for.
    batches : re-iterable of (x, y) or (x, y, weight)
        What comes from outside.
    loss : Loss
        Knows what targets it takes.
    where : str
        Names the argument in messages.
    columns : tuple of str, optional
        The columns that a table must have; by default those of the first batch that is one.

    Attributes
    ----------
    rule : RunningMean
        The loss of a batch is divided by the mean weight of all batches so far.
    drawn_by : list of Generator
        What draws the order of the batches, if they were made by `nnlite.batches`.
    on_rows : callable (int) -> None, or None
        Is told how many rows the next batch has, once.

    Examples
    --------
    >>> from nnlite import Dense, MeanSquaredError
    >>> stream = Stream(Sequential([Dense(1, 1)]), [([[1.0]], [[2.0]])], MeanSquaredError(), where="fit")
    >>> next(iter(stream))
    (array([[1.]], dtype=float32), array([[2.]], dtype=float32), None)
    """

    def __init__(
        self,
        model: Sequential,
        batches: Any,
        loss: Loss,
        *,
        where: str,
        columns: tuple[str, ...] | None = None,
    ) -> None:
        self._told: set[str] = set()
        self.columns = columns
        self.class_weights: ClassWeights | None = None
        self.rule = RunningMean()
        self.model = model
        self.batches = batches
        self.loss = loss
        self.where = where
        self.cutter = WHOLE
        self.on_rows: Callable[[int], None] | None = None
        rng = batches._rng if isinstance(batches, Batches) else None
        self.drawn_by = [rng] if isinstance(rng, np.random.Generator) else []

    @property
    def batches_in_epoch(self) -> int | None:
        """How many batches each pass has, if their source has a length."""
        try:
            return len(self.batches)
        except (TypeError, NotImplementedError):  # a function, or a DataLoader over what has no length
            return None

    def __iter__(self) -> Iterator[Batch]:
        return (share(batch, self.cutter) for batch in self.in_order())

    def in_order(self) -> Iterator[Batch]:
        """Give all batches, whole."""

        def check(x: Any, y: Any, weight: Any) -> Batch:
            self._check_columns(x)
            edge = self.model.boundary
            x = edge.check_input(x, where="x", finite=True, told=self._told)
            y, weight = edge.check_targets(y, weight, self.loss, x, part=True)
            if self.on_rows is not None:
                told, self.on_rows = self.on_rows, None
                told(x.shape[edge.row_axis(x)])
            if self.class_weights is not None:
                own = is_own(y, edge.pred_shape(x))
                weight = self.class_weights.times(y, weight, own=own).astype(self.model.params.dtype)
            return x, y, weight

        return checked_batches(
            self.batches, check, where=self.where, pred_shape=self.model.boundary.pred_shape
        )

    def _check_columns(self, x: Any) -> None:
        check_columns("x", x, self.columns, fix=_SAME_COLUMNS)
        if self.columns is None:
            self.columns = _columns(self.model, x)

    def inputs(self) -> Iterator[Rows]:
        """Give the inputs of the rows that count, and how much they do."""
        axis = self.model.boundary.row_axis
        return (counting_rows(x, weight, axis(x)) for x, _, weight in self.in_order())


#: Files and blocks are kinds of `Arrays`.
Source = Arrays | Stream


def training_source(model: Sequential, X: Any, y: Any, weight: Any, loss: Loss) -> Source:
    """Take what ``fit`` was given as training data.

    Parameters
    ----------
    model : Sequential
        What is to be trained.
    X : array-like, or re-iterable of batches, or function that makes an iterator of them
        The input; without `y`, batches.
    y : array-like or None
        The targets.
    weight : array-like or None
        How much each row counts.
    loss : Loss
        Knows what targets it takes.

    Returns
    -------
    Arrays or Stream

    Raises
    ------
    ShapeError, ArgumentError, ArgumentTypeError
        If they do not fit.

    Examples
    --------
    >>> from nnlite import Dense, MeanSquaredError
    >>> model = Sequential([Dense(1, 1)])
    >>> training_source(model, [[1.0], [2.0]], [[3.0], [4.0]], None, MeanSquaredError()).rows
    2
    """
    if y is not None:
        weight, rule = weight if isinstance(weight, RowWeights) else (weight, None)
        data = _arrays(model, X, y, weight, loss, where="fit(X)")
        if not isinstance(X, np.ndarray):
            data.columns = _columns(model, X)
        data.rule = rule
        return data
    if weight is not None:
        raise ArgumentError(
            "fit(weight=)",
            "weights inside the batches",
            "an array beside them",
            "Give batches (x, y, weight).",
        )
    return Stream(model, check_reiterable("fit(X)", X), loss, where="fit")


def validation_source(
    model: Sequential,
    validation: Any,
    loss: Loss,
    data: Source,
    *,
    groups: Any = None,
    in_order: bool = False,
) -> Source | HeldOut | None:
    """Take what ``fit`` was given as validation data.

    Parameters
    ----------
    model : Sequential
        What is to be measured.
    validation : tuple, float, re-iterable of batches, function that makes an iterator, or None
        The candidate.
    loss : Loss
        Knows what targets it takes.
    data : Arrays or Stream
        The training data, of which a fraction may be held out.
    groups : sequence of hashable of shape (rows,), optional
        Of a fraction: rows of one group stay together.
    in_order : bool
        Of a fraction: whether the last rows are held out.

    Returns
    -------
    Arrays, Stream, HeldOut or None

    Raises
    ------
    ShapeError, ArgumentError, ArgumentTypeError
        If it does not fit.

    Examples
    --------
    >>> from nnlite import Dense, MeanSquaredError
    >>> data = Arrays(np.ones((10, 1)), np.ones((10, 1)), None)
    >>> validation_source(Sequential([Dense(1, 1)]), 0.2, MeanSquaredError(), data).fraction
    0.2
    """
    where = "fit(validation=)"
    if isinstance(validation, Real):
        fraction = _check_fraction(where, validation, data)
        return _held_out(fraction, loss, data, groups=groups, in_order=in_order)
    if groups is not None:
        raise ArgumentError(
            "fit(groups=)",
            "validation= a fraction, of which rows of one group are on one side",
            "no validation" if validation is None else "validation data of their own",
            "Write validation=0.2, for instance, or leave groups= out.",
        )
    if validation is None:
        return None
    if isinstance(validation, tuple) and len(validation) in (2, 3):
        try:
            check_columns("X", validation[0], data.columns, fix=_SAME_COLUMNS)
            held_out = _arrays(model, *split_batch(validation), loss, where="X")
        except (ArgumentError, ArgumentTypeError) as error:
            raise error.within(where) from None
        for rows in (held_out.x, held_out.y):
            if isinstance(rows, FileRows):  # are checked when they are read
                rows.convert = _within(where, rows.convert)
            elif isinstance(rows, DaskRows):
                rows.block = _within(where, rows.block)  # type: ignore[method-assign]
        return held_out
    looks_like_arrays = isinstance(validation, list) and any(
        isinstance(part, np.ndarray) or is_frame(part) or is_sparse(part) for part in validation
    )
    looks_like_arrays = looks_like_arrays or isinstance(validation, tuple) or is_frame(validation)
    if is_maker(validation) or (is_reiterable(validation) and not looks_like_arrays):
        batches = check_reiterable(where, validation)
        return Stream(model, batches, loss, where=where, columns=data.columns)
    kind = type(validation).__name__
    raise ArgumentTypeError(
        where,
        "a tuple (X, y) or (X, y, weight), a fraction, or a re-iterable of batches",
        f"{kind} of {len(validation)} items" if isinstance(validation, tuple | list) else kind,
        "Write validation=(X, y); a generator can be used only once, so give the function that makes it.",
    )


def _columns(model: Sequential, x: Any) -> tuple[str, ...] | None:
    """Return the columns that the tables behind must have too; an encoder finds its own by their names."""
    return column_names(x) if model.preprocessing is None else None


def _check_fraction(where: str, validation: Any, data: Source) -> float:
    fraction = check_number(where, validation, low=0, high=1, low_open=True, high_open=True)
    if isinstance(data, Stream):
        raise ArgumentError(
            where,
            "validation data of their own, for training data that come in batches",
            f"the fraction {fraction:g}",
            "Give a second re-iterable, or arrays (X, y).",
        )
    held_out_rows(where, fraction, data.rows)  # refuses what leaves a side empty
    return fraction


def _held_out(fraction: float, loss: Loss, data: Any, *, groups: Any, in_order: bool) -> HeldOut:
    """Say which part of the rows is held out; what cannot be is refused before training begins."""
    classes = numbers = None
    if not in_order:
        classes = classes_of(data.y, logits=loss.from_logits, own=data.own[1])
        if classes is not None and classes.ndim > 1 and isinstance(data.x, SparseRows):
            classes = None  # whose replicas have one order, and classes of their own
    if groups is not None:
        numbers = encode_labels("fit(groups=)", groups, data.rows)
        if not numbers.any():
            what = "at least two groups"
            raise ArgumentError("fit(groups=)", what, "one", "Leave groups= out, or give others.")
    part = HeldOut(fraction, in_order=in_order, classes=classes, groups=numbers)
    if classes is not None or numbers is not None:
        part.split(np.arange(data.rows))
    return part
