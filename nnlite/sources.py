"""Where the batches of a training come from: arrays in memory, or a stream; checked either way."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Real
from typing import Any

import numpy as np

from nnlite._typing import AnyArray, Array
from nnlite.checks import check_number, is_own
from nnlite.data import (
    Batches,
    Order,
    check_reiterable,
    checked_batches,
    held_out_rows,
    is_reiterable,
    split_batch,
)
from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.losses import Loss
from nnlite.model import Sequential
from nnlite.streams import Generators

__all__ = ["Arrays", "Batch", "Source", "Stream", "training_source", "validation_source"]

#: Input, targets and weights of one batch.
Batch = tuple[Array, AnyArray, Array | None]


def _checked(
    model: Sequential, X: Any, y: Any, weight: Any, loss: Loss, *, where: str, part: bool = False
) -> Batch:
    """Check and cast what goes into training together."""
    x = model.boundary.check_input(X, where=where, finite=True)
    return x, *model.boundary.check_targets(y, weight, loss, x, part=part)


class Arrays:
    """Data in memory, checked and cast once.

    Parameters
    ----------
    x : ndarray of shape (rows, features)
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

    Examples
    --------
    >>> data = Arrays(np.arange(3.0)[:, None], np.arange(3), None)
    >>> data.cut(2, None)
    >>> [y.tolist() for x, y, weight in data]
    [[0, 1], [2]]
    """

    def __init__(
        self, x: Array, y: AnyArray, weight: Array | None, *, own: tuple[bool, bool, bool] = (False,) * 3
    ) -> None:
        # Contiguous, or taking some rows would copy all of them first.
        self.x = np.ascontiguousarray(x)
        self.y = np.ascontiguousarray(y)
        self.weight = weight if weight is None else np.ascontiguousarray(weight)
        self.own = own
        self.rows = x.shape[own[0]]
        self.cut(self.rows, None)

    def cut(self, batch_size: int, rng: np.random.Generator | Generators | Order | None) -> None:
        """Say how the rows are cut into batches.

        Parameters
        ----------
        batch_size : int
            Rows in a batch.
        rng : Generator, Generators, Order or None
            Draws a new order for every pass; None keeps the order.
        """
        self.batch_size, self.rng = batch_size, rng
        arrays = (self.x, self.y) if self.weight is None else (self.x, self.y, self.weight)
        self._batches = Batches(arrays, batch_size=batch_size, rng=rng, own=self.own[: len(arrays)])

    def __iter__(self) -> Iterator[Batch]:
        if self.weight is None:
            for x, y in self._batches:
                yield x, y, None
        else:
            yield from self._batches  # type: ignore[misc]

    def in_order(self) -> Iterator[Batch]:
        """Give all rows at once, in the order they came in."""
        yield self.x, self.y, self.weight

    def inputs(self) -> Iterator[Array]:
        """Give the inputs."""
        yield self.x

    def split(self, fraction: float, rng: np.random.Generator | Generators) -> tuple[Arrays, Arrays]:
        """Draw a part of the rows to hold out.

        Parameters
        ----------
        fraction : float
            How large a part.
        rng : Generator or Generators
            Draws the rows, or those of each replica.

        Returns
        -------
        training, held_out : Arrays

        Raises
        ------
        ArgumentError
            If one side would be empty.
        """
        held_out = held_out_rows("fit(validation=)", fraction, self.rows)
        order = rng.permutation(self.rows)
        train, test = self._take(order[..., held_out:]), self._take(order[..., :held_out])
        train.cut(self.batch_size, self.rng)
        return train, test

    def _take(self, rows: AnyArray) -> Arrays:
        def pick(array: AnyArray, mine: bool) -> AnyArray:
            if not mine:
                return array[rows]
            return array[:, rows] if rows.ndim == 1 else array[np.arange(len(array))[:, None], rows]

        parts = [
            None if array is None else pick(array, mine)
            for array, mine in zip((self.x, self.y, self.weight), self.own, strict=True)
        ]
        own = (True,) * 3 if rows.ndim > 1 else self.own
        return Arrays(*parts, own=own)  # type: ignore[arg-type]


def _arrays(model: Sequential, batch: Batch) -> Arrays:
    """Find out which of the arrays hold other data for each replica."""
    x, y, weight = batch
    edge = model.boundary
    own_y = is_own(y, edge.pred_shape(x))
    own = (edge.row_axis(x) > 0, own_y, weight is not None and weight.ndim > 1)
    return Arrays(x, y, weight, own=own)


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

    Examples
    --------
    >>> from nnlite import Dense, MeanSquaredError
    >>> stream = Stream(Sequential([Dense(1, 1)]), [([[1.0]], [[2.0]])], MeanSquaredError(), where="fit")
    >>> next(iter(stream))
    (array([[1.]], dtype=float32), array([[2.]], dtype=float32), None)
    """

    def __init__(self, model: Sequential, batches: Any, loss: Loss, *, where: str) -> None:
        self.model = model
        self.batches = batches
        self.loss = loss
        self.where = where

    def __iter__(self) -> Iterator[Batch]:
        def check(x: Any, y: Any, weight: Any) -> Batch:
            return _checked(self.model, x, y, weight, self.loss, where="x", part=True)

        return checked_batches(
            self.batches, check, where=self.where, pred_shape=self.model.boundary.pred_shape
        )

    in_order = __iter__

    def inputs(self) -> Iterator[Array]:
        """Give the inputs."""
        for x, _, _ in self:
            yield x


Source = Arrays | Stream


def training_source(model: Sequential, X: Any, y: Any, weight: Any, loss: Loss) -> Source:
    """Take what ``fit`` was given as training data.

    Parameters
    ----------
    model : Sequential
        What is to be trained.
    X : array-like, or re-iterable of batches
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
        return _arrays(model, _checked(model, X, y, weight, loss, where="fit(X)"))
    if weight is not None:
        raise ArgumentError(
            "fit(weight=)",
            "weights inside the batches",
            "an array beside them",
            "Give batches (x, y, weight).",
        )
    check_reiterable("fit(X)", X)
    return Stream(model, X, loss, where="fit")


def validation_source(model: Sequential, validation: Any, loss: Loss, data: Source) -> Source | float | None:
    """Take what ``fit`` was given as validation data.

    Parameters
    ----------
    model : Sequential
        What is to be measured.
    validation : tuple, float, re-iterable of batches, or None
        The candidate.
    loss : Loss
        Knows what targets it takes.
    data : Arrays or Stream
        The training data, of which a fraction may be held out.

    Returns
    -------
    Arrays, Stream, float or None

    Raises
    ------
    ShapeError, ArgumentError, ArgumentTypeError
        If it does not fit.

    Examples
    --------
    >>> from nnlite import Dense, MeanSquaredError
    >>> data = Arrays(np.ones((10, 1)), np.ones((10, 1)), None)
    >>> validation_source(Sequential([Dense(1, 1)]), 0.2, MeanSquaredError(), data)
    0.2
    """
    where = "fit(validation=)"
    if validation is None:
        return None
    if isinstance(validation, Real):
        return _check_fraction(where, validation, data)
    if isinstance(validation, tuple) and len(validation) in (2, 3):
        try:
            return _arrays(model, _checked(model, *split_batch(validation), loss, where="X"))
        except (ArgumentError, ArgumentTypeError) as error:
            raise error.within(where) from None
    looks_like_arrays = isinstance(validation, list) and any(isinstance(a, np.ndarray) for a in validation)
    if is_reiterable(validation) and not isinstance(validation, tuple) and not looks_like_arrays:
        return Stream(model, validation, loss, where=where)
    kind = type(validation).__name__
    raise ArgumentTypeError(
        where,
        "a tuple (X, y) or (X, y, weight), a fraction, or a re-iterable of batches",
        f"{kind} of {len(validation)} items" if isinstance(validation, tuple | list) else kind,
        "Write validation=(X, y); a generator can be used only once, so give a list of batches.",
    )


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
