"""Between arrays and the training loop: batches, one-hot rows, a held-out test set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from nnlite.core.aliases import RNG, AnyArray
from nnlite.core.batches import WHOLE, Batches, Cut
from nnlite.data.checks import check_ids, check_rows, check_weight, is_own
from nnlite.data.conversion import is_frame, is_sparse
from nnlite.data.lazy import SparseRows, as_csr
from nnlite.data.order import Order
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
