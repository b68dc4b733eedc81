"""Between arrays and the training loop: batches, one-hot rows, a held-out test set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from nnlite.core.random import Generators
from nnlite.core.types import RNG, AnyArray
from nnlite.data.checks import check_ids, check_rows, check_weight, is_own
from nnlite.data.conversion import is_frame, is_sparse
from nnlite.data.lazy import SparseRows, as_csr
from nnlite.data.splits import check_same_rows, held_out_rows, k_folds, train_test_split
from nnlite.errors import ArgumentError, ArgumentTypeError, ShapeError
from nnlite.errors.arguments import explained
from nnlite.errors.checks import check_bool, check_integer, check_rng

__all__ = [
    "WHOLE",
    "Batches",
    "Cut",
    "Fresh",
    "Order",
    "batches",
    "check_reiterable",
    "checked_batches",
    "held_out_rows",
    "is_reiterable",
    "k_folds",
    "one_hot",
    "split_batch",
    "train_test_split",
]


def is_reiterable(candidate: object) -> bool:
    """Tell whether something can be iterated over more than once.

    Parameters
    ----------
    candidate : object
        A list, a `Batches` or a DataLoader of PyTorch can; a generator, a file or an array of
        data is not what is meant.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_reiterable([1]), is_reiterable(iter([1]))
    (True, False)
    """
    return isinstance(candidate, Iterable) and not isinstance(candidate, Iterator | np.ndarray | str | dict)


class Fresh:
    """Batches from a function that makes a new iterator at each call.

    Parameters
    ----------
    where : str
        Names the argument in messages.
    make : callable () -> iterator of batches
        Such as a generator function.

    Examples
    --------
    >>> def squares():
    ...     for number in range(3):
    ...         yield number**2
    >>> data = Fresh("here", squares)
    >>> list(data), list(data)
    ([0, 1, 4], [0, 1, 4])
    """

    def __init__(self, where: str, make: Callable[[], Iterable[Any]]) -> None:
        self.where = where
        self.make = make
        self._last: object = None

    def __iter__(self) -> Iterator[Any]:
        made = self.make()
        if not isinstance(made, Iterable):
            raise ArgumentTypeError(
                self.where,
                "a function that returns an iterator of batches",
                f"one that returns {type(made).__name__}",
                "Write a generator function, with yield x, y.",
            )
        if isinstance(made, Iterator) and made is self._last:
            raise ArgumentError(
                self.where,
                "a function that makes a new iterator at each call",
                "one that returns the same again",
                "Make the iterator inside the function.",
            )
        self._last = made
        return iter(made)


def check_reiterable(where: str, candidate: Any) -> Iterable[Any]:
    """Return batches that can be gone through again and again, or refuse what cannot.

    Parameters
    ----------
    where : str
        Names the argument in the message.
    candidate : object
        What was given without targets beside it.

    Returns
    -------
    iterable of batches

    Raises
    ------
    ArgumentTypeError
        If it cannot be iterated over again and again, and is no function without arguments.

    Examples
    --------
    >>> check_reiterable("fit(X)", [1, 2])
    [1, 2]
    """
    if is_reiterable(candidate) and not is_frame(candidate) and not hasattr(candidate, "dtype"):
        return candidate  # type: ignore[no-any-return]
    if is_maker(candidate):
        return Fresh(where, candidate)
    fix = "Give the targets too."
    if isinstance(candidate, Iterator):
        fix = "A generator can be used only once: give a list, or the function that makes it, uncalled."
    raise ArgumentTypeError(
        where,
        "arrays X and y, or a re-iterable of batches (x, y)",
        f"{type(candidate).__name__} and no y",
        fix,
    )


def is_maker(candidate: object) -> bool:
    """Tell whether something may be a function that makes batches.

    Parameters
    ----------
    candidate : object
        A function or another callable, but no class, and nothing that can be iterated over.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_maker(lambda: iter([])), is_maker([])
    (True, False)
    """
    return callable(candidate) and not isinstance(candidate, type | Iterable)


def split_batch(batch: object) -> tuple[Any, Any, Any]:
    """Return the three parts of a batch; the weight is None if there is none.

    Parameters
    ----------
    batch : tuple or list of two or three
        ``(x, y)`` or ``(x, y, weight)``.

    Returns
    -------
    x, y, weight : array-like

    Raises
    ------
    ArgumentTypeError
        If it is anything else.

    Examples
    --------
    >>> split_batch((1, 2))
    (1, 2, None)
    """
    if not isinstance(batch, tuple | list) or len(batch) not in (2, 3):
        got = f"{len(batch)} items" if isinstance(batch, tuple | list) else type(batch).__name__
        fix = "Yield tuples of two or three."
        if isinstance(batch, dict):
            parts = ", ".join(f"b[{name!r}]" for name in list(batch)[:2])
            fix = f"Give a function with `for b in batches: yield {parts}` in it."
        raise ArgumentTypeError("batch", "(x, y) or (x, y, weight)", got, fix)
    x, y, *rest = batch
    return x, y, rest[0] if rest else None


def checked_batches(
    batches: Iterable[Any],
    check: Callable[[Any, Any, Any], tuple[AnyArray, AnyArray, AnyArray | None]],
    *,
    where: str,
    pred_shape: Callable[[Any], tuple[int, ...]],
) -> Iterator[tuple[Any, Any, Any]]:
    """Give the checked parts of each batch; an error in one names the batch.

    Parameters
    ----------
    batches : iterable of (x, y) or (x, y, weight)
        What comes from outside.
    check : callable (x, y, weight) -> (x, y, weight)
        Refuses what does not fit, and returns arrays; the weight may be None.
    where : str
        Names the argument in the message.
    pred_shape : callable (x) -> tuple of int
        Gives the shape of the predictions for the first part of what `check` returned.

    Returns
    -------
    iterator of (x, y, weight)
        What `check` returned.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If there is no batch, `check` refuses one, or batches do not go together.

    Examples
    --------
    >>> def check(x, y, weight):
    ...     return x, np.array([y]), weight
    >>> list(checked_batches([(1, 2)], check, where="here", pred_shape=lambda x: (1, 1)))
    [(1, array([2]), None)]
    """
    # Begun here: the generator would turn a StopIteration of the user's into something else.
    return _checked_batches(iter(batches), check, where, pred_shape)


def _checked_batches(
    batches: Iterator[Any],
    check: Callable[[Any, Any, Any], tuple[AnyArray, AnyArray, AnyArray | None]],
    where: str,
    pred_shape: Callable[[Any], tuple[int, ...]],
) -> Iterator[tuple[Any, Any, Any]]:
    first: tuple[int, bool, tuple[int, ...]] | None = None
    for number, batch in enumerate(batches, start=1):
        try:
            parts = check(*split_batch(batch))
            own = is_own(parts[1], pred_shape(parts[0]))
            kind = (0 if parts[2] is None else parts[2].ndim, own, parts[1].shape[1 + own :])
            first = kind if first is None else first
            _check_same_kind(first, kind)
        except (ArgumentError, ArgumentTypeError) as error:
            raise error.within(f"{where}, batch {number}") from None
        yield parts
    if first is None:
        raise ArgumentError(where, "at least one batch", "none", "Give some data.")


def _check_same_kind(
    first: tuple[int, bool, tuple[int, ...]], kind: tuple[int, bool, tuple[int, ...]]
) -> None:
    if kind[0] != first[0]:
        words = {0: "a batch without weights", 1: "a batch with weights", 2: "weights for each replica"}
        raise ArgumentError(
            "weight",
            f"{words[first[0]]}, like the first",
            words[kind[0]],
            "Give weights in all or in none, always of one shape.",
        )
    if kind[1:] != first[1:]:
        front = {False: "rows", True: "replicas, rows"}
        sizes = [
            f"({', '.join([front[own], *map(str, shape)]) if shape or own else 'rows,'})"
            for _, own, shape in (first, kind)
        ]
        raise ShapeError(
            "y",
            f"shape {sizes[0]}, like the first batch",
            sizes[1],
            "Give targets of one kind in all batches.",
        )


class Cut:
    """How the rows of a data set come to be batches: one batch behind the other, and all of each.

    A process that trains together with others has a subclass, which leaves it its share.

    Attributes
    ----------
    total : int or None
        Rows of all processes together, if they have different ones; None if all have the same.

    Examples
    --------
    >>> Cut().slices(5, 2)
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """

    total: int | None = None

    def note(self, batch: tuple[Any, ...]) -> None:
        """Take note of a batch from a user's iterator, before it is shared out.

        Parameters
        ----------
        batch : tuple
            Inputs, targets, and weights or None.
        """

    def slices(self, rows: int, batch_size: int) -> list[slice]:
        """Cut an order of the rows.

        Parameters
        ----------
        rows : int
            How many there are.
        batch_size : int
            Rows in a batch.

        Returns
        -------
        list of slice
            One for each batch.
        """
        return [slice(start, min(start + batch_size, rows)) for start in range(0, rows, batch_size)]

    def order(self, rng: np.random.Generator | Generators | Order, rows: int) -> NDArray[np.int64]:
        """Draw an order of the rows.

        Parameters
        ----------
        rng : Generator, Generators or Order
            Draws it.
        rows : int
            How many there are.

        Returns
        -------
        ndarray of shape (rows,) or (replicas, rows)
        """
        return rng.permutation(rows)

    def share(self, rows: int) -> slice:
        """Return which of some rows, such as those of a block, are for this process.

        Parameters
        ----------
        rows : int
            How many there are.

        Returns
        -------
        slice
        """
        return slice(0, rows)


#: All rows are for this process.
WHOLE = Cut()


class Batches:
    """The rows of a data set, some at a time; `batches` makes one.

    It can be iterated any number of times, and its length is the number of batches.

    Parameters
    ----------
    arrays : tuple of ndarray of shape (rows, ...), or of rows that are taken as those of one are
        Cut together, along the first axis.
    batch_size : int
        The rows in a batch; the last batch holds what is left.
    rng : Generator, Generators, Order or None
        Draws a new order for every pass, or one for each replica; None keeps the order of
        the rows.
    own : tuple of bool, optional
        Of each array, whether it has an axis of replicas in front of its rows: other data
        for each. By default none has.
    cut : Cut
        Which rows each batch has.

    Attributes
    ----------
    rows : int
        The number of rows in a pass.
    batch_size : int
        The number of rows in every batch but the last.

    Examples
    --------
    >>> import numpy as np
    >>> from nnlite.data.batching import Batches
    >>> data = Batches((np.arange(5),), batch_size=2, rng=None)
    >>> [x.tolist() for (x,) in data]
    [[0, 1], [2, 3], [4]]
    """

    def __init__(
        self,
        arrays: tuple[AnyArray, ...],
        *,
        batch_size: int,
        rng: np.random.Generator | Generators | Order | None,
        own: tuple[bool, ...] = (),
        cut: Cut = WHOLE,
    ) -> None:
        own = own or (False,) * len(arrays)
        self._rng = rng
        self._cut = cut
        self._in_order = rng is None and not any(own)
        self.batch_size = batch_size
        self.rows = int(arrays[0].shape[own[0]])
        self._arrays = arrays if self._in_order else tuple(map(_as_one_list, arrays, own))
        # In which the rows of each replica begin here.
        starts = [np.arange(0, len(array), self.rows)[:, None] for array in self._arrays]
        self._starts = [start if mine else None for start, mine in zip(starts, own, strict=True)]
        self._slices = cut.slices(self.rows, batch_size)

    def __len__(self) -> int:
        return len(self._slices)

    def __iter__(self) -> Iterator[tuple[AnyArray, ...]]:
        # A user's function is called here: the generator would turn its StopIteration into something else.
        order = self._cut.order(self._rng, self.rows) if isinstance(self._rng, Order) else None
        return self._each(order)

    def _each(self, order: AnyArray | None) -> Iterator[tuple[AnyArray, ...]]:
        parts = self._slices
        if self._in_order:
            for part in parts:
                yield tuple([array[part] for array in self._arrays])
            return
        if order is None:
            order = np.arange(self.rows) if self._rng is None else self._cut.order(self._rng, self.rows)
        drawn = list(zip(self._arrays, self._starts, strict=True))
        for part in parts:
            rows = order[..., part]
            # The method: the function np.take costs four times as much on small batches.
            yield tuple([a.take(rows if start is None else rows + start, 0) for a, start in drawn])

    def __repr__(self) -> str:
        return f"Batches({self.rows} rows, {len(self)} batches of {self.batch_size})"


class Order:
    """A user's function that says in which order the rows come, in the place of a generator.

    Parameters
    ----------
    draw : callable (int) -> array-like of int
        From the number of rows to an order of them.

    Examples
    --------
    >>> import numpy as np
    >>> data = Batches((np.arange(3),), batch_size=2, rng=Order(lambda rows: range(rows)[::-1]))
    >>> [x.tolist() for (x,) in data]
    [[2, 1], [0]]
    """

    def __init__(self, draw: Callable[[int], ArrayLike]) -> None:
        self.draw = draw

    def permutation(self, rows: int) -> NDArray[np.int64]:
        """Return the order of the next pass.

        Parameters
        ----------
        rows : int
            How many there are.

        Returns
        -------
        ndarray of shape (rows,)

        Raises
        ------
        ArgumentError, ArgumentTypeError
            If the function gave no order of all rows.
        """
        order = np.asarray(self.draw(rows))
        whole = order.shape == (rows,) and order.dtype.kind in "iu"
        if not whole or not np.array_equal(np.sort(order), np.arange(rows)):
            raise ArgumentError(
                "fit(shuffle=)",
                f"a function that gives each number from 0 to {rows - 1} once, for {rows} rows",
                f"an array of shape {order.shape} and dtype {order.dtype}"
                + (", in which numbers are missing" if whole else ""),
                "Write shuffle=True for random orders, or return rng.permutation(rows), for instance.",
            )
        return order.astype(np.int64, copy=False)


def _as_one_list(array: Any, own: bool) -> Any:
    """Make one long, contiguous list of rows: of others `take` would copy all for every batch."""
    if not isinstance(array, np.ndarray):
        return array.as_one_list() if own else array
    return np.ascontiguousarray(array.reshape(-1, *array.shape[2:]) if own else array)


@explained
def batches(
    X: ArrayLike,
    y: ArrayLike,
    weight: ArrayLike | None = None,
    *,
    batch_size: int = 32,
    shuffle: bool = True,
    rng: RNG = None,
) -> Batches:
    """Cut a data set into batches, in a new random order for every pass.

    Parameters
    ----------
    X : array_like of shape (rows, ...), or sparse matrix
        The inputs. Batches of a sparse matrix are CSR matrices.
    y : array_like of shape (rows, ...)
        The targets.
    weight : array_like of shape (rows,) or None
        A weight for each row. With it, batches are ``(x, y, weight)``, else ``(x, y)``.
    batch_size : int
        The rows in a batch, at least 1. The last batch holds what is left.
    shuffle : bool
        Whether each pass draws a new order. If so, batches are copies; if not, they are
        views of the data, in the order of the rows.
    rng : int, numpy.random.Generator or None
        The source of the orders.

    Returns
    -------
    Batches
        To be iterated once for each epoch.

    Raises
    ------
    ShapeError
        If there are no rows, or the numbers of rows differ.
    ArgumentTypeError, ArgumentError
        If the data are not numbers, or an option is outside its range.

    Examples
    --------
    >>> from nnlite.data.batching import batches
    >>> data = batches([[1.0], [2.0], [3.0]], [10, 20, 30], batch_size=2, rng=0)
    >>> len(data)
    2
    >>> for x, y in data:
    ...     print(x.ravel(), y)
    [3. 1.] [30 10]
    [2.] [20]
    """
    rows: Any = as_csr("batches(X=)", X, None) if is_sparse(X) else check_rows("batches(X=)", X)
    y = check_rows("batches(y=)", y)
    check_same_rows("batches", rows, y)
    rows = SparseRows(rows) if is_sparse(rows) else rows
    size = check_integer("batches(batch_size=)", batch_size, low=1)
    generator = check_rng("batches(rng=)", rng) if check_bool("batches(shuffle=)", shuffle) else None
    if weight is None:
        return Batches((rows, y), batch_size=size, rng=generator)
    weight = check_weight("batches(weight=)", weight, rows=(len(y),))
    return Batches((rows, y, weight), batch_size=size, rng=generator)


@explained
def one_hot(ids: ArrayLike, *, classes: int | None = None, dtype: DTypeLike = np.float32) -> AnyArray:
    """Turn class ids into rows that are 1 at the class and 0 elsewhere.

    Parameters
    ----------
    ids : array_like of shape (rows,)
        Integers that count from 0.
    classes : int or None
        The number of columns; None takes one more than the largest id.
    dtype : dtype
        The dtype of the result.

    Returns
    -------
    ndarray of shape (rows, classes)

    Raises
    ------
    ArgumentTypeError, ShapeError, ArgumentError
        If `ids` are no class ids below `classes`.

    Examples
    --------
    >>> from nnlite.data.batching import one_hot
    >>> one_hot([0, 2, 1])
    array([[1., 0., 0.],
           [0., 0., 1.],
           [0., 1., 0.]], dtype=float32)
    """
    if classes is not None:
        classes = check_integer("one_hot(classes=)", classes, low=1)
    ids = check_ids("one_hot(ids=)", ids, classes=classes)
    rows = np.zeros((len(ids), classes or int(ids.max()) + 1), dtype=dtype)
    rows[np.arange(len(ids)), ids] = 1
    return rows
