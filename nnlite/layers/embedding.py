"""A learned row of numbers in the place of an id: of a category in a table, of a token in a sequence."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from nnlite.core.aliases import AnyArray, Array
from nnlite.core.context import Context
from nnlite.core.initializers import InitializerLike
from nnlite.core.layer import Layer
from nnlite.core.parameters import Parameter
from nnlite.errors import ArgumentError, ArgumentTypeError, ShapeError
from nnlite.errors.checks import check_integer

__all__ = ["Embedding", "TokenEmbedding"]

#: Ids come in as floats, and float32 holds every whole number up to this one.
MOST_CATEGORIES = 2**24
#: Gradients of more numbers than this are added up one replica, or one example, at a time.
LARGEST_COUNT = 2**20


class Embedding(Layer):
    """Replace the id of a category by a row of numbers that is learned.

    It is what a Dense layer without bias would do to a one-hot encoding of the category, without
    the multiplications by zero. Columns of numbers may stand in front of the ids, and go through
    as they are.

    Parameters
    ----------
    categories : int or sequence of int
        How many categories there are; a sequence has a count for each column of ids. It may be
        empty: then all columns are numbers.
    features : int
        How many numbers stand for a category.
    numeric : int
        How many columns of numbers come before the ids.
    weight_initializer : callable (rng, shape) -> ndarray, optional
        How `W` is drawn; uniformly between -0.05 and 0.05 by default.

    Attributes
    ----------
    W : ndarray of shape (sum(categories), features)
        A row for each category: first those of the first column of ids, then those of the
        second, and so on. There is none if there are no categories.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If a count is no integer in its range, or there are no columns at all. In ``forward``, if a
        number is no id: below 0, too large, or NaN. It is rounded to the nearest whole number before.
    ShapeError
        In ``forward``, if `x` has another number of columns.

    Notes
    -----
    With dy = dL/dy, dL/dW of a category is the sum of dy over the places where it stands, and zero
    if it is not in the batch. An id cannot be moved by a little, so its dL/dx is 0.

    The start is small beside standardised numbers, whose standard deviation is 1: a category that
    training never meets then says next to nothing.

    References
    ----------
    Guo, Berkhahn: Entity Embeddings of Categorical Variables, 2016. https://arxiv.org/abs/1604.06737
    The start is that of Keras: https://keras.io/api/layers/core_layers/embedding/

    Examples
    --------
    >>> layer = Embedding(3, 2, numeric=1)
    >>> layer.W[...] = [[0, 1], [2, 3], [4, 5]]
    >>> layer.forward(np.array([[0.5, 2], [0.7, 0]], dtype=np.float32))
    array([[0.5, 4. , 5. ],
           [0.7, 0. , 1. ]], dtype=float32)
    """

    W = Parameter()

    def __init__(
        self,
        categories: int | Sequence[int],
        features: int,
        *,
        numeric: int = 0,
        weight_initializer: InitializerLike | None = None,
    ) -> None:
        self.categories = _check_categories(categories)
        self.features = check_integer("Embedding(features)", features, low=1)
        self.numeric = check_integer("Embedding(numeric=)", numeric)
        self.weight_initializer = weight_initializer
        if not self.categories and not self.numeric:
            raise ArgumentError(
                "Embedding(categories)", "at least one column", "none", "Give a count, or numeric=1 or more."
            )
        if self.categories:
            shape = (sum(self.categories), self.features)
            self.declare("W", shape, initializer=_small if weight_initializer is None else weight_initializer)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input sample."""
        return (self.numeric + len(self.categories),)

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of one output sample."""
        return (self.numeric + len(self.categories) * self.features,)

    def draw_input(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        """Draw an input that the layer takes, for `nnlite.testing.check_layer`.

        Parameters
        ----------
        rng : numpy.random.Generator
            The source of all randomness.
        shape : tuple of int
            ``(..., batch, columns)``.

        Returns
        -------
        ndarray of float64
            Normal random numbers, then random ids.
        """
        x = rng.normal(size=shape)
        x[..., self.numeric :] = rng.integers(0, self.categories, size=(*shape[:-1], len(self.categories)))
        return x

    def forward(self, x: Array, ctx: Context | None = None) -> Array:
        """Look up the row of every id."""
        if x.ndim < 2 or x.shape[-1] != self.numeric + len(self.categories):
            raise ShapeError(
                f"{self}",
                f"input of shape (batch, {self.numeric + len(self.categories)})",
                f"{x.shape}",
                "Give the numbers first, then a column of ids for each count of categories.",
            )
        if not self.categories:
            return x
        rows = self._rows(x)
        if ctx is not None:
            ctx.save(rows)
        found = _look_up(self.W, rows)
        found = found.reshape(*found.shape[:-2], len(self.categories) * self.features)
        if not self.numeric:
            return found
        y = np.empty((*found.shape[:-1], self.numeric + found.shape[-1]), found.dtype)
        y[..., : self.numeric] = x[..., : self.numeric]  # to each replica, if they share the input
        y[..., self.numeric :] = found
        return y

    def backward(self, dy: Array, ctx: Context) -> Array | None:
        """Write dL/dW; return dL/dx, which is dy for the numbers and 0 for the ids."""
        if not self.categories:
            return dy
        (rows,) = ctx.saved
        blame = dy[..., self.numeric :].reshape(*dy.shape[:-1], len(self.categories), self.features)
        if rows.shape != blame.shape[:-1]:  # replicas share the input
            rows = np.broadcast_to(rows, blame.shape[:-1])
        _add_up(rows, blame, out=ctx.grads.W)
        if not ctx.needs_dx:
            return None
        dx = np.zeros((*dy.shape[:-1], self.numeric + len(self.categories)), dy.dtype)
        dx[..., : self.numeric] = dy[..., : self.numeric]
        return dx

    def _rows(self, x: Array) -> NDArray[np.intp]:
        """Return the row of `W` that each id stands for."""
        counts, offsets = _tables(self.categories)
        rows, wrong = _whole(x[..., self.numeric :], counts)
        if wrong is not None:
            row, column = wrong[-2:]
            raise ArgumentError(
                f"{self}",
                f"ids from 0 to {self.categories[column] - 1} in column {self.numeric + column}",
                f"{x[..., self.numeric :][wrong]:g} in row {row}",
                "Ids count from 0; np.unique(names, return_inverse=True)[1] makes them so.",
            )
        rows += offsets
        return rows


class TokenEmbedding(Layer):
    """Replace each token of a sequence, which is an id, by a row of numbers that is learned.

    Parameters
    ----------
    tokens : int
        How many different ones there are.
    features : int
        How many numbers stand for a token.
    padding : int, optional
        The id that fills up sequences which are shorter than others. Its row is all 0 and learns nothing,
        so that a layer behind it with ``padding=0.0`` knows where a sequence ends.
    weight_initializer : callable (rng, shape) -> ndarray, optional
        How `W` is drawn; uniformly between -0.05 and 0.05 by default, as in Keras.

    Attributes
    ----------
    W : ndarray of shape (tokens, features)
        A row for each token.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If a count is no integer in its range, or `padding` no id. In ``forward``, if a number is no id:
        below 0, too large, or NaN. It is rounded to the nearest whole number before.
    ShapeError
        In ``forward``, if the input is not of shape (batch, time).

    Notes
    -----
    With dy = dL/dy, dL/dW of a token is the sum of dy over the places where it stands. An id cannot be
    moved by a little, so its dL/dx is 0.

    References
    ----------
    Y. Bengio, R. Ducharme, P. Vincent and C. Jauvin, "A Neural Probabilistic Language Model", Journal of
    Machine Learning Research 3, 2003: the matrix C.

    Examples
    --------
    >>> layer = TokenEmbedding(3, 2, padding=0)
    >>> layer.W[...] = [[7, 7], [1, 2], [3, 4]]
    >>> layer.forward(np.array([[2.0, 1.0, 0.0]], dtype=np.float32))
    array([[[3., 4.],
            [1., 2.],
            [0., 0.]]], dtype=float32)
    """

    W = Parameter()

    #: As for `Embedding`: no column of numbers comes before the ids.
    numeric: ClassVar[int] = 0

    def __init__(
        self,
        tokens: int,
        features: int,
        *,
        padding: int | None = None,
        weight_initializer: InitializerLike | None = None,
    ) -> None:
        (self.tokens,) = _check_counts("TokenEmbedding(tokens)", (tokens,))
        self.features = check_integer("TokenEmbedding(features)", features, low=1)
        self.padding = None if padding is None else check_integer("TokenEmbedding(padding=)", padding)
        if self.padding is not None and self.padding >= self.tokens:
            what = f"an id from 0 to {self.tokens - 1}, or None"
            raise ArgumentError("TokenEmbedding(padding=)", what, f"{padding}", "Count it among the tokens.")
        self.weight_initializer = weight_initializer
        shape = (self.tokens, self.features)
        self.declare("W", shape, initializer=_small if weight_initializer is None else weight_initializer)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input sample: any number of ids."""
        return (None,)  # type: ignore[return-value]

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of one output sample."""
        return (*input_shape, self.features)

    def draw_input(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        """Draw random ids, for `nnlite.testing.check_layer`.

        Parameters
        ----------
        rng : numpy.random.Generator
            The source of all randomness.
        shape : tuple of int
            ``(..., batch, time)``.

        Returns
        -------
        ndarray of float64
        """
        return rng.integers(0, self.tokens, shape).astype(np.float64)

    def forward(self, x: Array, ctx: Context | None = None) -> Array:
        """Look up the row of every token."""
        rows = self._rows(x)
        if ctx is not None:
            ctx.save(rows)
        y = _look_up(self.W, rows)
        if self.padding is not None:
            y[np.broadcast_to(rows == self.padding, y.shape[:-1])] = 0
        return y

    def backward(self, dy: Array, ctx: Context) -> Array | None:
        """Write dL/dW; return dL/dx, which is 0."""
        (rows,) = ctx.saved
        rows = np.broadcast_to(rows, dy.shape[:-1])  # if replicas share the input
        _add_up(rows, dy, out=ctx.grads.W)
        if self.padding is not None:
            ctx.grads.W[..., self.padding, :] = 0
        return np.zeros(dy.shape[:-1], dy.dtype) if ctx.needs_dx else None

    def _rows(self, x: Array) -> NDArray[np.intp]:
        """Return the row of `W` for each token."""
        if x.ndim < 2:
            fix = "Give a row of ids for each sequence; one sequence is ids[None]."
            raise ShapeError(f"{self}", "input of shape (batch, time)", f"{x.shape}", fix)
        rows, wrong = _whole(x, self.tokens)
        if wrong is not None:
            what = f"ids from 0 to {self.tokens - 1}"
            got = f"{x[wrong]:g} in step {wrong[-1]} of row {wrong[-2]}"
            raise ArgumentError(f"{self}", what, got, "Count all tokens, that for padding too, in `tokens`.")
        return rows


def _whole(x: Array, counts: Any) -> tuple[NDArray[np.intp], tuple[int, ...] | None]:
    """Round ids to whole numbers; return also the place of one that is not from 0 up to its count."""
    ids = np.rint(x)
    fits = (ids >= 0) & (ids < counts)  # False for NaN
    if not fits.all():
        return np.empty(0, np.intp), tuple(int(i) for i in np.argwhere(~fits)[0])
    return ids.astype(np.intp), None


def _look_up(W: Array, rows: NDArray[np.intp]) -> Array:
    """Return the rows of `W`; of each replica its own."""
    if W.ndim == 2:
        return W.take(rows, axis=0)
    replica = np.arange(len(W))[:, None, None]
    found: Array = W[replica, rows]
    return found


@lru_cache(maxsize=64)
def _tables(categories: tuple[int, ...]) -> tuple[AnyArray, AnyArray]:
    """Return the count of each column, and the first row of `W` that is its."""
    counts = np.array(categories, dtype=np.float64)
    offsets = np.cumsum((0, *categories), dtype=np.intp)[:-1]
    for table in (counts, offsets):
        table.flags.writeable = False
    return counts, offsets


def _add_up(rows: AnyArray, blame: Array, out: Array) -> None:
    """Write into each row of `out` the sum of what was blamed on it.

    `rows` has the shape (..., batch, columns), `blame` one more axis, for the features, and `out`
    (..., categories, features).
    """
    if out.ndim > 2 and out.size > LARGEST_COUNT:
        for own_rows, own_blame, own_out in zip(rows, blame, out, strict=True):
            _add_up(own_rows, own_blame, own_out)
        return
    # One count over all numbers, weighted. On 32 to 512 rows of 1 to 10 columns, 5 to 10,000 categories and
    # 2 to 32 features it took 6 to 460 us. A count for each feature took 0.5 to 6 times that, sorting and
    # np.add.reduceat 0.4 to 2.6 times, np.add.at on rows 0.4 to 4.5 times, a product with a one-hot matrix
    # 0.2 times for 5 categories and 40 times for 10,000. A sparse matrix took a quarter where it mattered
    # most, 5,120 rows of 32 features, but 4 times as long on small batches, and SciPy must be imported.
    *leading, count, features = out.shape
    if leading:  # the rows of one replica behind those of the other
        rows = rows + count * np.arange(math.prod(leading)).reshape(*leading, 1, 1)
    places = rows[..., None] * features + np.arange(features)
    out[...] = np.bincount(places.ravel(), weights=blame.ravel(), minlength=out.size).reshape(out.shape)


# From standard normal numbers, as PyTorch draws them, nets with 30 epochs of Adam explained 1 to 5 % less of
# two made tables; between uniform +-0.001 and normal 0.2 the start made no difference above 0.3 %.
def _small(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
    return rng.uniform(-0.05, 0.05, shape)


def _check_categories(categories: int | Sequence[int]) -> tuple[int, ...]:
    """Return the counts, one for each column of ids."""
    where = "Embedding(categories)"
    if isinstance(categories, str):
        raise ArgumentTypeError(
            where, "a count, or a list of counts", f"{categories!r}", "Give whole numbers."
        )
    counts = np.atleast_1d(categories) if isinstance(categories, np.ndarray) else categories
    counts = counts if isinstance(counts, Sequence | np.ndarray) else (counts,)
    return _check_counts(where, counts)


def _check_counts(where: str, counts: Iterable[Any]) -> tuple[int, ...]:
    checked = tuple(check_integer(where, count, low=1) for count in counts)
    for count in checked:
        if count > MOST_CATEGORIES:
            raise ArgumentError(
                where,
                f"at most {MOST_CATEGORIES:,} different ids",
                f"{count:,}",
                "Float32 does not tell larger ones apart; put what is rare together.",
            )
    return checked
