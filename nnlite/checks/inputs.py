"""The edge of a model: whatever comes in is checked and cast here, once, and trusted behind it."""

from __future__ import annotations

import copy
import math
import re
import reprlib
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import count
from typing import Any, TypeVar

import numpy as np

from nnlite.core.aliases import AnyArray, Array
from nnlite.core.chain import follow_shapes
from nnlite.core.layer import Layer
from nnlite.core.losses import Loss
from nnlite.core.model import Sequential
from nnlite.core.weights import stand_ins, take_rows
from nnlite.data.batching import is_maker
from nnlite.data.checks import check_rows, check_weight, is_own
from nnlite.data.conversion import is_dask, is_frame, is_sparse
from nnlite.data.lazy import (
    Blockwise,
    DaskRows,
    FileRows,
    as_csr,
    check_finite_csr,
    dask_blocks,
    is_in_file,
)
from nnlite.data.table import TableEncoder
from nnlite.errors import ArgumentError, ArgumentTypeError, ShapeError
from nnlite.errors.arguments import is_ours
from nnlite.errors.checks import check_finite, check_instance, is_finite, not_finite
from nnlite.errors.habits import one_of
from nnlite.errors.layers import sizes_of, token_embedding
from nnlite.layers.composition import Concatenate, TimeDistributed
from nnlite.layers.group import ParameterGroup
from nnlite.layers.shapes import Flatten, Input
from nnlite.layers.standardize import Standardize
from nnlite.losses import SequenceLoss

__all__ = [
    "Boundary",
    "check_columns",
    "check_feature_names",
    "check_preprocessing",
    "column_names",
    "each",
    "iterate_blocks",
    "prepare",
]

T = TypeVar("T")


def _end(layer: Any, index: int) -> Any:
    """Return the first or the last layer of a model, or of a group, however deep; others as they are."""
    while isinstance(layer, Sequential | ParameterGroup) and is_ours(type(layer).forward):
        layer = layer.children[index]
    return layer


def _sources(layer: Any, columns: range) -> Iterator[tuple[Any, range]]:
    """Give the layers that columns of the output come from: of branches side by side each has its own."""
    last = _end(layer, -1)
    if type(last) is not Concatenate:
        yield last, columns
        return
    for branch in last.children:
        width = branch.shape_after(last.input_shape)[-1] if last.input_shape else None
        # Where it is open how many one gives, it may be any of those that are left.
        yield from _sources(branch, columns if width is None else columns[:width])
        columns = columns[width or 0 :]


def _in_words(shape: tuple[int | None, ...]) -> str:
    """Write the sizes of a sample, those that are not known by what they are called."""
    names = {1: ("time",), 2: ("time", "features"), 3: ("height", "width", "channels")}.get(len(shape))
    names = names or tuple(f"size{axis}" for axis in range(len(shape)))
    words = [name if size is None else f"{size}" for name, size in zip(names, shape, strict=True)]
    return ", ".join(words) + "," * (len(words) == 1)


class Boundary:
    """What a model takes: its input, and with a loss its targets and weights.

    Parameters
    ----------
    layers : tuple of Layer
        Those of the model.
    input_shape, output_shape : tuple of int or None
        Shape of one sample; None if any will do.
    dtype : dtype
        What inputs, targets and weights are cast to.
    replicas : int or None
        How many nets are trained as one.
    preprocessing : TableEncoder, optional
        Makes rows of numbers of tables.
    feature_names : tuple of str, optional
        The columns that a table must have if nothing encodes it.
    takes_encoded : bool
        Whether arrays are taken for rows that `preprocessing` has made; without it they always are
        what they are.

    Attributes
    ----------
    input_rank, output_rank : int
        Number of axes of one sample, and of its output.
    exact : bool
        Whether inputs of float64, and integers that float32 does not hold, come to the first layer
        in float64: it is a `Standardize`, which subtracts before it casts.
    needs_sizes : bool
        Whether layers behind the first need to know the sizes of samples, of which it takes any.

    Examples
    --------
    >>> from nnlite import Dense, MeanSquaredError
    >>> edge = Boundary((Dense(2, 1),), (2,), (1,), np.dtype("float32"), None)
    >>> edge.check_input([[1, 2]], where="here")
    array([[1., 2.]], dtype=float32)
    """

    def __init__(
        self,
        layers: tuple[Layer, ...],
        input_shape: tuple[int, ...] | None,
        output_shape: tuple[int, ...] | None,
        dtype: np.dtype[np.floating[Any]],
        replicas: int | None,
        *,
        preprocessing: Any = None,
        feature_names: tuple[str, ...] | None = None,
        takes_encoded: bool = True,
    ) -> None:
        self.takes_encoded = takes_encoded or preprocessing is None
        self.layers = layers
        self.preprocessing = preprocessing
        self.feature_names = feature_names
        self.input_shape = input_shape
        self.output_shape = output_shape
        self.dtype = dtype
        self.replicas = replicas
        self.input_rank, self.output_rank = len(input_shape or (1,)), len(output_shape or (1,))
        # What only Standardize will take off is not lost on the way to it.
        first = next((layer for layer in layers if type(layer) not in (Flatten, Input)), None)
        self.exact = dtype == np.float32 and isinstance(_end(first, 0), Standardize)
        # What makes others of any samples may stand before what takes images, or sequences, of any size.
        self.needs_sizes = input_shape is None and any(
            None in (shape or ()) for shape in follow_shapes(layers)[1]
        )

    def check_sizes(self, where: str, seen: tuple[int, ...] = ()) -> None:
        """Refuse a net of which it is open how large a sample is.

        Parameters
        ----------
        where : str
            Names the net in the message.
        seen : tuple of int
            Shape of an input, for an example that fits.

        Raises
        ------
        ShapeError
            If an axis of its input may have any size.
        """
        shape = self.input_shape or ()
        if self.needs_sizes:
            got = f"{self.layers[0]} at the front, which takes samples of any shape"
            sample = seen[1:] or "shape of a sample"
            raise ShapeError(where, "sizes that are known", got, f"Put Input({sample}) before it.")
        if None in shape:
            fits = len(seen) > len(shape) and all(
                a in (None, b) for a, b in zip(shape, seen[-len(shape) :], strict=True)
            )
            sample = f"{seen[-len(shape) :]}" if fits else f"({_in_words(shape)})"
            got = f"{self.layers[0]} at the front, which takes samples of shape ({sizes_of(shape)})"
            raise ShapeError(where, "sizes that are known", got, f"Put Input({sample}) before it.")

    def row_axis(self, x: Array | Blockwise) -> int:
        """Return which axis of an input counts its rows.

        Parameters
        ----------
        x : ndarray
            A checked input.

        Returns
        -------
        int
        """
        return x.ndim - 1 - self.input_rank

    def rows(self, x: Array) -> tuple[int, ...]:
        """Return the shape of one number a row.

        Parameters
        ----------
        x : ndarray
            A checked input.

        Returns
        -------
        tuple of int
            ``(rows,)`` or ``(replicas, rows)``.
        """
        rows = x.shape[-1 - self.input_rank]
        return (rows,) if self.replicas is None else (self.replicas, rows)

    def pred_shape(self, x: Array) -> tuple[int, ...]:
        """Return the shape of the predictions for an input.

        Parameters
        ----------
        x : ndarray
            A checked input.

        Returns
        -------
        tuple of int
            ``(rows, outputs)`` or ``(replicas, rows, outputs)``.
        """
        outputs = x.shape[-self.input_rank :] if self.output_shape is None else self.output_shape
        return (*self.rows(x), *outputs)

    def check_input(self, x: Any, *, where: str, finite: bool = False, told: set[str] | None = None) -> Array:
        """Cast an input and check its shape.

        Parameters
        ----------
        x : array-like
            The candidate: an array, a frame, a sparse matrix, ...
        where : str
            Names it in the message.
        finite : bool
            Whether NaN and infinity are refused too.
        told : set of str, optional
            For one table of many: the columns of which was said already that no value is known.

        Returns
        -------
        ndarray, or CSR matrix of SciPy
            The input itself if nothing had to be changed. A sparse input stays sparse.

        Raises
        ------
        ArgumentTypeError
            If it holds no numbers.
        ShapeError
            If its shape does not fit.
        ArgumentError
            If it is empty, or not finite.
        """
        array: Array = x
        if type(x) is not np.ndarray or not self.takes_encoded:
            self._check_is_table(x, where)
            if is_sparse(x):
                sparse: Array = self._check_sparse(x, where, finite)
                return sparse
            array = self._from_table(x, where, told)
        if type(array) is not np.ndarray or array.dtype != self.dtype:
            array = self._cast_input(check_rows(where, array))
        self._check_shape(array, where)
        if finite:
            check_finite(where, array)
        return array

    def in_blocks(self, x: Any, *, where: str, in_memory: bool = False) -> Blockwise | None:
        """Leave an input where it is, if that is a file or the blocks of a dask array.

        Its shape and dtype are checked at once; its numbers are checked and cast as they are read.

        Parameters
        ----------
        x : object
            The candidate.
        where : str
            Names it in the message.
        in_memory : bool
            Whether an ndarray in memory is read in blocks too.

        Returns
        -------
        Blockwise or None
            None for an input that is to be checked as a whole, by `check_input`: one in memory,
            or one that holds other data for each replica.

        Raises
        ------
        ArgumentTypeError, ShapeError, ArgumentError
            If it does not fit.
        """
        is_array = isinstance(x, np.ndarray)
        apart = in_memory or is_in_file(x) if is_array else is_dask(x)
        if not apart or self.row_axis(x) > 0:
            return None
        self._check_is_table(x, where)
        _check_kind(where, x.dtype)
        if is_array:
            self._check_shape(x, where)
            if isinstance(x, np.ma.MaskedArray):
                return None
            return FileRows(x, partial(self._check_read, where))
        rows = DaskRows(where, x, lambda block, number: self._check_block(block, number, where))
        self._check_shape(rows, where)
        return rows

    def each_block(self, blocks: Any, *, where: str) -> Iterator[Array]:
        """Give block after block of rows, each checked and cast when it is its turn.

        Neither a block nor what was made of it is kept once the next is asked for.

        Parameters
        ----------
        blocks : iterable of array-likes, function that makes one, ndarray or dask array
            Where the rows come from. An array is cut into blocks; those of dask are its own.
        where : str
            Names it in the message, with the number of the block, from 0.

        Returns
        -------
        iterator of ndarray, or of CSR matrices of SciPy
            A block of no rows gives an array of no rows.

        Raises
        ------
        ArgumentTypeError, ShapeError, ArgumentError
            At once if these are no blocks, or an array does not fit; later if a block does not.

        Examples
        --------
        >>> from nnlite import Dense
        >>> edge = Boundary((Dense(2, 1),), (2,), (1,), np.dtype("float32"), None)
        >>> [x.shape for x in edge.each_block([[[1, 2]], np.zeros((0, 2))], where="here")]
        [(1, 2), (0, 2)]
        """
        if isinstance(blocks, np.ndarray) or is_dask(blocks):
            self._check_is_table(blocks, where)
        if isinstance(blocks, np.ndarray):
            rows = self.in_blocks(blocks, where=where, in_memory=True)
            if rows is not None:
                return iter(rows)
            blocks = [blocks]  # other rows for each replica are read as a whole, and so are masked ones
        elif is_dask(blocks):
            if self.row_axis(blocks) > 0:
                blocks = [blocks]
            else:
                _check_kind(where, blocks.dtype)
                self._check_shape(blocks, where)
                blocks = dask_blocks(where, blocks)
        else:
            blocks = iterate_blocks(where, blocks)
        # `map` and not a loop, whose variables would hold a block while the next one is made.
        return each(partial(self._check_numbered, where, set()), blocks, count())

    def _check_numbered(self, where: str, told: set[str], block: Any, number: int) -> Array:
        place = f"{where}, block {number}"
        try:
            empty = self._without_rows(block, place)
            if empty is not None:
                return empty
            return self.check_input(block, where=place, finite=True, told=told)
        except (ArgumentError, ArgumentTypeError) as error:
            if isinstance(block, tuple | list) and 2 <= len(block) <= 3:
                first = getattr(block[0], "shape", ())
                if len(first) > self.input_rank:
                    fix = "Give the inputs alone: predict_blocks(x for x, *_ in batches)."
                    got = f"a {type(block).__name__} of {len(block)}, the first of shape {tuple(first)}"
                    raise ArgumentTypeError(place, "the rows of a block", got, fix) from None
            raise (error if error.where.startswith(place) else error.within(place)) from None

    def _without_rows(self, block: Any, where: str) -> Array | None:
        """Return an input of no rows for a block that has none, and None for any other."""
        shape = tuple(getattr(block, "shape", ()))
        if self.preprocessing is not None and shape[:1] == (0,) and column_names(block) is not None:
            return np.empty((0, self.preprocessing.features), self.dtype)
        axis = len(shape) - 1 - self.input_rank
        if axis < 0 or shape[axis] != 0:
            return None
        check_columns(where, block, self.feature_names)
        empty: Array = np.empty(shape, self.dtype)
        self._check_shape(empty, where, empty=True)
        return empty

    def check_out(self, out: Any, x: Any, *, where: str) -> None:
        """Check an array that predictions are to be written to.

        Parameters
        ----------
        out : ndarray
            The candidate.
        x : ndarray, CSR matrix or Blockwise
            A checked input.
        where : str
            Names it in the message.

        Raises
        ------
        ArgumentTypeError, ShapeError, ArgumentError
            If it is no array that can be written to, of the shape and dtype of the predictions and
            apart from the input.

        Examples
        --------
        >>> from nnlite import Dense
        >>> edge = Boundary((Dense(2, 1),), (2,), (1,), np.dtype("float32"), None)
        >>> edge.check_out(np.empty((5, 1), np.float32), np.zeros((5, 2), np.float32), where="here")
        """
        shape, dtype = self.pred_shape(x), self.dtype.name
        wanted = f"an ndarray of shape {shape} and dtype {dtype}"
        fix = f"Write np.empty({shape}, np.{dtype}), or open_memmap(path, 'w+', np.{dtype}, {shape})."
        if not isinstance(out, np.ndarray) or (
            type(out) is not np.ndarray and isinstance(out, np.ma.MaskedArray)
        ):
            raise ArgumentTypeError(where, wanted, type(out).__name__, fix)
        if out.shape != shape:
            raise ShapeError(where, wanted, f"shape {out.shape}", fix)
        if out.dtype != self.dtype:
            raise ArgumentError(where, wanted, f"dtype {out.dtype}", fix)
        if not out.flags.writeable:
            fix = "Open a file with mode='r+' or 'w+', or give an array of its own."
            raise ArgumentError(where, "an array that can be written to", "a read-only one", fix)
        source = x.array if isinstance(x, FileRows) else x
        if isinstance(source, np.ndarray) and np.shares_memory(source, out):
            fix = "Give predictions a place of their own."
            raise ArgumentError(where, "an array apart from X", "one that shares memory with it", fix)

    def _check_read(self, where: str, read: AnyArray, rows: Any) -> Array:
        """Cast some rows of a file and refuse NaN and infinity, by the row of the file."""
        cast = np.ascontiguousarray(self._cast_input(read))
        if not is_finite(cast):
            place = tuple(int(i) for i in np.argwhere(~np.isfinite(cast))[0])
            behind = self.row_axis(cast) + 1
            in_order = isinstance(rows, slice)
            row = (rows.start or 0) + place[0] if in_order else int(rows[place[:behind]])
            raise not_finite(where, cast[place], (row, *place[behind:]))
        return cast

    def _check_block(self, block: Any, number: int, where: str) -> Array:
        return self.check_input(block, where=f"{where}, block {number} of the dask array", finite=True)

    def _check_shape(self, array: Any, where: str, *, empty: bool = False) -> None:
        """Check the axes of an input, and that it has rows unless it may be empty."""
        shape = self.input_shape
        if shape is not None:
            leading = array.shape[: array.ndim - len(shape)]
            # A batch, and in front of it perhaps the replicas.
            may_lead = len(leading) == 1 or leading[:-1] == (self.replicas,)
            if array.shape[len(leading) :] != shape or not may_lead:
                raise ShapeError(where, *self._expected_input(array))
        elif array.ndim < 2:
            raise ShapeError(where, "shape (batch, features)", f"{array.shape}", "Add the batch axis.")
        if 0 in array.shape and not empty:
            raise ArgumentError(where, "at least one row", f"shape {array.shape}", "Give some data.")

    def _check_sparse(self, x: Any, where: str, finite: bool) -> Any:
        """Check a sparse input and bring it into the form that the first layer takes."""
        first = _end(self.layers[0], 0)
        if not first.takes_sparse:
            fix = "Begin the model with Dense, or write X.toarray() if that fits in memory."
            if isinstance(first, Standardize):
                fix = "Divide the columns by their sizes before, and begin the model with Dense: taking "
                fix += "off the means would fill in every zero."
            elif not is_ours(type(first)):
                fix = "Set takes_sparse = True in its class if its methods take CSR matrices, or write "
                fix += "X.toarray()."
            raise ArgumentTypeError(
                where, f"a dense array, as layer 0 {first} takes it", f"a sparse {type(x).__name__}", fix
            )
        with np.errstate(over="ignore"):  # what is too large for float32 becomes inf, which can be refused
            matrix = as_csr(where, x, self.dtype)
        self._check_shape(matrix, where)
        if finite:
            check_finite_csr(where, matrix)
        return matrix

    def _from_table(self, x: Any, where: str, told: set[str] | None) -> Any:
        """Encode a table, or check that it has the columns that the model knows."""
        if self.preprocessing is None:
            check_columns(where, x, self.feature_names)
            return x
        if column_names(x) is not None:
            if told is not None and type(self.preprocessing) is TableEncoder:
                return self.preprocessing._encode(x, told)
            return self.preprocessing.transform(x)
        return x

    def _check_is_table(self, x: Any, where: str) -> None:
        """Refuse what is no table, for a model that encodes tables and was not told that it comes encoded."""
        if self.takes_encoded or column_names(x) is not None:
            return
        names = [column.name for column in getattr(self.preprocessing, "columns", ())]
        shown = f"the columns {reprlib.repr(names)}" if names else "columns"
        shape = getattr(x, "shape", None)
        got = type(x).__name__ + (f" of shape {tuple(shape)}" if isinstance(shape, tuple) else "")
        fix = "Give a frame or a dict of columns, as the encoder was fitted on"
        method = next((name for name in ("to_pandas", "collect", "compute") if hasattr(type(x), name)), None)
        if method is not None and not is_dask(x):  # tables of Arrow, and those that are only plans
            got, fix = type(x).__name__, f"Write X.{method}()"
        elif hasattr(x, "to_frame") and set(names) <= set(getattr(x, "index", ())):
            fix = "Write frame.iloc[[0]] for one row of a frame, which then is a frame"
        elif isinstance(shape, tuple) and shape[-1:] == (self.preprocessing.features,):
            fix += "; for rows that encoder.transform made, set model.takes_encoded = True before"
        raise ArgumentTypeError(where, f"a table with {shown}, which the model encodes", got, f"{fix}.")

    def _cast_input(self, array: AnyArray) -> Array:
        """Cast an input to the dtype of the model, or to float64 if the first layer subtracts in it."""
        with np.errstate(over="ignore"):  # what is too large for float32 becomes inf, which can be refused
            if not self.exact or np.can_cast(array.dtype, np.float32):
                return array.astype(self.dtype, copy=False)
            cast: Array = array.astype(np.float64, copy=False)
            # In one pass, as `is_finite`; what does not fit into float32 is too large for the layers behind.
            largest = float(np.finfo(np.float32).max)
            fits = cast.flags.c_contiguous and np.vdot(cast, cast) <= largest
            return cast if fits or np.abs(cast).max() <= largest else cast.astype(np.float32)

    def _expected_input(self, x: Array) -> tuple[str, str, str]:
        self.check_sizes("Sequential(layers)", x.shape)
        shape = self.input_shape or ()
        sizes = ", ".join(map(str, shape))
        if x.shape == shape:
            fix = "For one row write x[None]."
        elif shape[-1] == 1 and len(shape) > 1 and x.shape[1:] == shape[:-1]:
            fix = "Write X[..., None]."
        elif len(shape) > 1 and x.shape[1:] == (shape[-1], *shape[:-1]):
            order = (0, *range(2, x.ndim), 1)
            fix = f"The last axis holds the channels: write X.transpose({', '.join(map(str, order))})."
        elif shape == (1,) and x.ndim == 2 and (tokens := token_embedding(self.layers[0])):
            fix = f"For sequences of ids begin the model with Input({x.shape[1:]}), {tokens}."
        elif x.ndim == 2 and x.shape[1] == math.prod(shape):  # for one that begins with Flatten
            fix = f"Write x.reshape(len(x), {sizes}), or leave out the layer {self.layers[0]}."
        elif len(shape) == 1 and x.ndim == 2 and math.prod(x.shape) == shape[0]:
            fix = f"For one sample of shape {x.shape} write x.reshape(1, {sizes})."
        elif len(shape) == 1 and x.ndim > 2:
            fix = self._flattening(x.shape)
        elif self.replicas != x.shape[0] and x.ndim == len(shape) + 2 and x.shape[2:] == shape:
            fix = f"For other data for each replica write Sequential(..., replicas={x.shape[0]})."
        elif shape == (1,) and x.ndim == 1:
            fix = "For one feature write x[:, None]."
        elif x.ndim == 2 and x.shape[:1] == shape:
            fix = "Write x.T if each column is a sample."
        else:
            fix = f"The first layer, {self.layers[0]}, fixes the shape of a sample."
        return f"shape (batch, {sizes})", f"{x.shape}", fix

    def _flattening(self, found: tuple[int, ...]) -> str:
        """Say what to do with images, sequences and the like in front of a layer that takes rows."""
        (features,) = self.input_shape or (1,)
        sample, first = found[1:], self.layers[0]
        count = math.prod(sample)
        fix = f"If these are {found[0]:,} samples of shape {sample}, begin the model with Flatten({sample})"
        if count == features:
            fix += f", or write x.reshape(len(x), {count})"
        else:
            fix += f", and give the layer behind it {count} inputs; {first} takes {features}"
        if len(found) == 3 and found[2] == features and self.replicas != found[0]:
            fix += (
                f". For other data for each of {found[0]} replicas write Sequential(..., replicas={found[0]})"
            )
        return f"{fix}."

    def check_loss(self, loss: Any) -> None:
        """Refuse what is no loss, and a logits loss behind a layer that gives probabilities.

        Parameters
        ----------
        loss : Loss
            The candidate.

        Raises
        ------
        ArgumentTypeError
            If it is no loss.
        ArgumentError
            If the last layer applies what the loss applies itself.
        ShapeError
            If an output sample is no row of numbers.
        """
        if not isinstance(loss, Loss):
            fix = one_of("losses", loss, "Use one of nnlite.losses, or subclass nnlite.Loss.")
            check_instance("loss", loss, Loss, "a Loss instance", fix=fix)
        if not loss.from_logits and self.output_rank == 1:
            return
        number = len(self.layers) - 1
        if self.output_rank > 1:  # a loss would take the first of these axes for the batch
            self.check_sizes("Sequential(layers)")
            fix = f"End the model with Flatten({self.output_shape})"
            if len(shape := self.output_shape or ()) == 2 and not isinstance(loss, SequenceLoss):
                fix += f"; for an answer at each of {shape[0]} steps write SequenceLoss({loss}, {shape[0]})"
            raise ShapeError(
                f"layer {number} {_end(self.layers[-1], -1)}",
                "output of shape (batch, outputs), as losses take it",
                f"samples of shape {self.output_shape}",
                f"{fix}.",
            )
        # What only lies otherwise behind it does not change what the last layer says, also at each step.
        shape = self.layers[-1].shape if number and isinstance(self.layers[-1], Flatten) else ()
        number -= bool(shape)
        last = _end(self.layers[number], -1)
        last = _end(last.children[-1], -1) if isinstance(last, TimeDistributed) else last
        logits: Any = getattr(loss, "logits", None)  # of which outputs, if not of all
        outputs = range((self.output_shape or (sys.maxsize,))[-1] or sys.maxsize)
        for source, columns in _sources(last, outputs):
            if source.gives_probabilities and (logits is None or any(one in columns for one in logits)):
                some = "" if columns == outputs else f"[:, {columns.start}:{columns.stop}]"
                some = f".reshape(-1, {', '.join(map(str, shape))})" if shape else some
                raise ArgumentError(
                    f"layer {number} {source if source is last else f'{type(last).__name__}, {source}'}",
                    f"logits for {loss}, scores that are no probabilities yet",
                    "probabilities",
                    "Leave that layer out of the model; where you want probabilities, write "
                    f"{source}.forward(model.predict(X){some}).",
                )

    def check_targets(
        self, y: Any, weight: Any, loss: Loss, x: Array, *, part: bool = False
    ) -> tuple[AnyArray, Array | None]:
        """Check targets and weights against the input, and cast them.

        Parameters
        ----------
        y : array-like
            The targets.
        weight : array-like or None
            How much each row counts.
        loss : Loss
            Knows what targets it takes.
        x : ndarray
            The input, checked.
        part : bool
            Whether this is a batch of more rows, in which none need count.

        Returns
        -------
        y : ndarray
        weight : ndarray or None

        Raises
        ------
        ShapeError, ArgumentError, ArgumentTypeError
            If they do not fit.
        """
        rows = self.check_target_rows(y, x, missing=loss.takes_missing)
        target = prepare(loss, rows, self.pred_shape(x), self.dtype, given=y)
        return target, None if weight is None else self.check_weight(weight, self.rows(x), part=part)

    def check_target_rows(self, y: Any, x: Array, *, missing: bool = False) -> AnyArray:
        """Check that there is one target for each row; what a target must be only a loss knows.

        Parameters
        ----------
        y : array-like
            The targets.
        x : ndarray
            The input, checked.
        missing : bool
            Whether targets may be missing; each is NaN then.

        Returns
        -------
        ndarray

        Raises
        ------
        ShapeError, ArgumentTypeError, ArgumentError
            If there are more or fewer, they are no numbers, or one is masked or missing.
        """
        array = check_rows("y", y, missing=missing)
        rows = x.shape[-1 - self.input_rank]
        if rows not in array.shape[: 1 if self.replicas is None else 2]:
            flipped = array.ndim == 2 and array.shape[1] == rows
            fix = "Write y.T, which has a row for each of X." if flipped else "Give one target for each row."
            raise ShapeError("y", f"{rows} rows, as many as X", f"shape {array.shape}", fix)
        return array

    def in_place_of_others(self, x: Array, y: AnyArray, weight: Array) -> tuple[Array, AnyArray]:
        """Put rows that count in the place of those of weight 0, whose numbers may overflow in a layer.

        Parameters
        ----------
        x, y : ndarray
            Inputs and targets, checked.
        weight : ndarray of shape (rows,) or (replicas, rows)
            The weights.

        Returns
        -------
        x, y : ndarray
            The same arrays if all rows count.
        """
        rows = stand_ins(weight)
        if rows is None or (rows.ndim > 1 and is_sparse(x)):  # replicas share a sparse input
            return x, y
        own = int(is_own(y, self.pred_shape(x)))
        return take_rows(x, rows, self.row_axis(x)), take_rows(y, rows, own)

    def check_weight(self, weight: Any, rows: tuple[int, ...], *, part: bool = False) -> Array:
        """Check and cast the weights of rows.

        Parameters
        ----------
        weight : array-like of shape `rows`
            The candidate. The axis of replicas may be missing.
        rows : tuple of int
            What `rows` gives.
        part : bool
            Whether this is a batch of more rows, in which none need count.

        Returns
        -------
        ndarray

        Raises
        ------
        ShapeError, ArgumentError, ArgumentTypeError
            If they do not fit, or are negative, or they or their sum are not finite.
        """
        with np.errstate(over="ignore"):  # what is too large for float32 becomes inf, which is refused
            cast: Array = check_rows("weight", weight).astype(self.dtype, copy=False)
        check_weight("weight", cast, rows=rows, part=part)
        with np.errstate(over="ignore"):
            total = cast.sum(axis=-1)
        if not np.isfinite(total).all():
            what, fix = f"weights whose sum is a number of {self.dtype}", "Divide them by their largest."
            raise ArgumentError("weight", what, f"weights up to {cast.max():g}", fix)
        return cast


def prepare(
    loss: Loss, rows: AnyArray, pred_shape: tuple[int, ...], dtype: np.dtype[Any], *, given: Any
) -> AnyArray:
    """Let a loss check and cast targets; what it says of its `target` is said of `y`, as users call it.

    Parameters
    ----------
    loss : Loss
        Knows what targets it takes.
    rows : ndarray
        The targets as an array.
    pred_shape, dtype
        As for `Loss.prepare`.
    given : object
        The targets as they came from the user: what can be written behind an array cannot be
        written behind a list or a series.

    Returns
    -------
    ndarray

    Raises
    ------
    ShapeError, ArgumentError, ArgumentTypeError
        If the targets cannot be used with this loss.

    Examples
    --------
    >>> from nnlite import MeanSquaredError
    >>> prepare(MeanSquaredError(), np.ones(5), (5, 1), np.dtype("float32"), given=[1] * 5)
    Traceback (most recent call last):
    ...
    nnlite.errors.ShapeError: y for MeanSquaredError(): expected shape (5, 1), got (5,). Write
        np.asarray(y)[:, None].
    """
    try:
        return loss.prepare(rows, pred_shape, dtype)
    except (ArgumentError, ArgumentTypeError) as error:
        who, is_target, rest = error.where.rpartition(" target")
        # What a user's own code raises stays as it is.
        if rest or not is_target or not (is_ours(loss.prepare) and is_ours(type(error))):
            raise
        name = "y" if isinstance(given, np.ndarray) else "np.asarray(y)"
        fix = re.sub(r"\btarget(?=\[|\.\w| - )", name, error.fix)
        raise type(error)(f"y for {who}", error.expected, error.got, fix) from None


def _check_kind(where: str, dtype: Any) -> None:
    """Refuse rows of a dtype that holds no numbers, before any of them is read."""
    if dtype.kind not in "biuf":
        check_rows(where, np.empty(1, dtype))  # says what to do about numbers of that kind


def each(function: Callable[..., T], *iterables: Iterable[Any]) -> Iterator[T]:
    """Do the same as `map`, but without a silent end where the function raises StopIteration.

    Parameters
    ----------
    function : callable
        What is called.
    *iterables : iterable
        What with.

    Returns
    -------
    iterator

    Raises
    ------
    RuntimeError
        While it is gone through: in place of StopIteration, as in generators.

    Examples
    --------
    >>> list(each(len, ["a", "bc"]))
    [1, 2]
    """
    # No generator, whose variables would hold an item while the next one is made.
    return map(partial(_call_loudly, function), *iterables)


def _call_loudly(function: Callable[..., T], *given: Any) -> T:
    try:
        return function(*given)
    except StopIteration as error:
        raise RuntimeError(f"{type(error).__name__} raised while a block was worked on") from error


def iterate_blocks(where: str, candidate: Any) -> Iterable[Any]:
    """Return blocks of rows to iterate over, or refuse what would not give any.

    Parameters
    ----------
    where : str
        Names it in the message.
    candidate : iterable of array-likes, or function that makes one
        The candidate. Iterating over a frame would give its columns, over a matrix its rows:
        they are refused.

    Returns
    -------
    iterable of array-likes

    Raises
    ------
    ArgumentTypeError
        If it is one table, or nothing to iterate over.

    Examples
    --------
    >>> list(iterate_blocks("here", lambda: iter([1, 2])))
    [1, 2]
    """
    wanted = "an iterable of blocks of rows, a function that makes one, an ndarray or a dask array"
    if hasattr(candidate, "to_dask_array"):
        fix = "Write (part.compute() for part in X.partitions)."
        raise ArgumentTypeError(where, wanted, "a dask frame", fix)
    if hasattr(type(candidate), "collect_schema") and not is_frame(candidate):
        raise ArgumentTypeError(where, wanted, "a lazy frame", "Write X.collect().iter_slices(8192).")
    if hasattr(candidate, "shape") or is_sparse(candidate) or isinstance(candidate, str | bytes | dict):
        got = f"one {type(candidate).__name__}"
        fix = "Write predict(X), or give parts: (X[i : i + 8192] for i in range(0, X.shape[0], 8192))."
        if not hasattr(candidate, "shape"):
            fix = "Write predict(X), or give a list of blocks."
        raise ArgumentTypeError(where, wanted, got, fix)
    made = candidate() if is_maker(candidate) else candidate
    if not isinstance(made, Iterable):
        got = type(candidate).__name__
        if made is not candidate:
            got = f"a function that returns {type(made).__name__}"
        fix = "Write a generator function, with `yield x` for each block."
        raise ArgumentTypeError(where, wanted, got, fix)
    return made


def column_names(x: Any) -> tuple[str, ...] | None:
    """Return the names of the columns of a table, or None for what is no table.

    Parameters
    ----------
    x : object
        A pandas or polars frame, a dict of columns, or anything else.

    Returns
    -------
    tuple of str or None

    Examples
    --------
    >>> column_names({"age": [31, 44], "height": [1.7, 1.8]})
    ('age', 'height')
    >>> column_names([[31, 1.7]]) is None
    True
    """
    if isinstance(x, dict) and not is_sparse(x):  # one of SciPy's sparse matrices is a dict
        return tuple(map(str, x))
    return tuple(map(str, x.columns)) if is_frame(x) else None


def check_columns(where: str, x: Any, known: tuple[str, ...] | None, *, fix: str | None = None) -> None:
    """Refuse a table with other columns than are known, or the same in another order.

    Parameters
    ----------
    where : str
        Names it in the message.
    x : object
        The candidate. What is no table has no columns, and is not refused.
    known : tuple of str or None
        The columns of the table that the model was trained on; None if there was none.
    fix : str, optional
        What to do; by default, to take the columns that the model knows.

    Raises
    ------
    ArgumentError
        If the columns differ.

    Examples
    --------
    >>> check_columns("here", {"age": [31]}, ("age",))
    """
    names = None if known is None else column_names(x)
    if known is None or names is None or names == known:
        return
    if fix is None:
        fix = "X[list(model.feature_names)]."
        labels = x if isinstance(x, dict) else x.columns
        named = all(isinstance(label, str) for label in labels)
        fix = f"Write {'' if named else 'X.columns = X.columns.map(str), and then '}{fix}"
    raise ArgumentError(
        where, f"the columns {list(known)}, on which the model was trained", f"{list(names)}", fix
    )


def check_feature_names(names: Any, input_shape: tuple[int, ...] | None) -> tuple[str, ...] | None:
    """Check the names of the columns that a model takes.

    Parameters
    ----------
    names : sequence of str or None
        The candidate.
    input_shape : tuple of int or None
        Shape of one sample.

    Returns
    -------
    tuple of str or None

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If they are no names, one is there twice, or there are not as many as features.

    Examples
    --------
    >>> check_feature_names(["age", "height"], (2,))
    ('age', 'height')
    """
    if names is None:
        return None
    where = "Sequential.feature_names"
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise ArgumentTypeError(where, "a list of names", f"{names!r}", "Write list(X.columns).")
    if len(set(names)) < len(names):
        raise ArgumentError(where, "names that differ", f"{names}", "Rename a column.")
    if input_shape is not None and input_shape != (len(names),):
        raise ArgumentError(
            where,
            f"a name for each feature of a sample of shape {input_shape}",
            f"{len(names)} names",
            "Give one name a column.",
        )
    return tuple(names)


def check_preprocessing(candidate: Any, input_shape: tuple[int, ...] | None) -> Any:
    """Check that what encodes tables gives as many numbers a row as the first layer takes.

    Parameters
    ----------
    candidate : TableEncoder or None
        The candidate.
    input_shape : tuple of int or None
        Shape of one sample.

    Returns
    -------
    TableEncoder or None
        A copy.

    Raises
    ------
    ArgumentTypeError, ArgumentError, NotFittedError
        If it is no encoder, has seen no table, or does not fit.

    Examples
    --------
    >>> check_preprocessing(None, (2,)) is None
    True
    """
    if candidate is None:
        return None
    where = "Sequential(preprocessing=)"
    # What scikit-learn has does not say by `features` how many numbers it gives.
    if isinstance(candidate, type) or not all(hasattr(candidate, name) for name in ("transform", "features")):
        raise ArgumentTypeError(
            where, "a fitted TableEncoder", f"{candidate!r}", "Write TableEncoder().fit(frame)."
        )
    if input_shape is not None and input_shape != (candidate.features,):
        raise ArgumentError(
            where,
            f"an encoder that gives samples of shape {input_shape}, as the first layer takes them",
            f"{candidate.features} numbers a row",
            "Begin the model with encoder.layer().",
        )
    return copy.deepcopy(candidate)  # fitting it again must not change what the model says
