"""How much the rows of each class count, from `class_weight` of `Sequential.fit`."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from typing import Any

import numpy as np

from nnlite.core.aliases import AnyArray, Array
from nnlite.core.losses import Loss
from nnlite.data.checks import check_weight
from nnlite.data.splits import classes_of
from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.errors.checks import check_number
from nnlite.losses import Hinge, MultiTaskLoss, SequenceLoss

__all__ = ["ClassWeights", "balanced"]

_WHERE = "fit(class_weight=)"


def balanced(sums: AnyArray) -> Array:
    """Give all classes that there are the same weight in sum, and keep the sum over all.

    Parameters
    ----------
    sums : ndarray of shape (classes,) or (replicas, classes)
        Over all rows of each class: how many, or how much they weigh.

    Returns
    -------
    ndarray of the shape of `sums`
        The weight of each class, as scikit-learn has it; that of a class without rows is 1.

    Examples
    --------
    >>> balanced(np.array([4, 1, 0]))
    array([0.625, 2.5  , 1.   ])
    """
    there = sums > 0
    total, count = sums.sum(axis=-1, keepdims=True), there.sum(axis=-1, keepdims=True)
    return np.where(there, total / np.where(there, count * sums, 1), 1.0)


class ClassWeights:
    """Weights of rows from those of their classes.

    Parameters
    ----------
    given : "balanced" or dict
        Weights by class id, in which those left out are 1; or the same sum for all classes.
    loss : Loss
        Says how targets name classes: by ids from 0, or as -1 and +1 (`Hinge`).
    outputs : int
        Of the model; one output tells two classes apart.
    counted : bool
        Whether all rows are at hand; of batches from an iterator nobody can balance the classes.

    Attributes
    ----------
    balanced : bool
        Whether `table` is still to come, by the function `balanced`.
    table : ndarray of shape (classes,) or (replicas, classes)
        The weights.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        If `given` is something else, names a class that there is not, or cannot be balanced.

    Examples
    --------
    >>> from nnlite import BinaryCrossEntropy
    >>> weights = ClassWeights({1: 3.0}, BinaryCrossEntropy(), 1)
    >>> weights.times(np.array([[1.0], [0.0]]), None)
    array([3., 1.])
    """

    def __init__(self, given: Any, loss: Loss, outputs: int, *, counted: bool = True) -> None:
        if isinstance(loss, MultiTaskLoss | SequenceLoss):
            fix = "Give rows a weight, fit(..., weight=)."
            if isinstance(loss, MultiTaskLoss):
                fix = "Give tasks a weight, Task(..., weight=), or rows, fit(..., weight=)."
            what = "a loss whose targets are a class for each row and nothing else"
            raise ArgumentError(_WHERE, what, f"a {type(loss).__name__}", fix)
        self.loss = loss
        self.classes = [-1, 1] if isinstance(loss, Hinge) else list(range(max(outputs, 2)))
        self.balanced = isinstance(given, str) and given == "balanced"
        self.table: Array = np.ones(len(self.classes))
        if self.balanced:
            if not counted:
                raise ArgumentError(
                    _WHERE,
                    "a dict of weights, for batches that come one by one",
                    "'balanced'",
                    "Count the classes before: nobody knows what the batches to come will hold.",
                )
            return
        if not isinstance(given, Mapping):
            fix = "Write class_weight={1: 5.0}, for instance."
            raise ArgumentTypeError(_WHERE, "'balanced' or a dict of weights by class id", f"{given!r}", fix)
        for key, value in given.items():
            if not isinstance(key, Integral) or key not in self.classes:
                what = f"class ids from {self.classes[0]} to {self.classes[-1]}"
                raise ArgumentError(_WHERE, what, f"{key!r}", "Use what the targets have, as keys.")
            self.table[self.classes.index(int(key))] = check_number(f"{_WHERE}, class {key}", value, low=0)

    def sums(self, y: Any, weight: AnyArray | None, *, own: bool = False) -> Array:
        """Add up the weights of the rows of each class, or count the rows if they have none.

        Parameters
        ----------
        y : ndarray, or rows that are read block by block
            Targets, as the loss prepared them.
        weight : ndarray of shape (rows,) or (replicas, rows), or None
            The weights of the rows.
        own : bool
            Whether the targets have an axis of replicas.

        Returns
        -------
        ndarray of shape (classes,) or (replicas, classes)

        Raises
        ------
        ArgumentError
            If the targets are no classes.
        """
        places = self._places(y, own=own)
        ones = np.ones(places.shape[-1]) if weight is None else weight.astype(np.float64)
        if places.ndim == ones.ndim == 1:
            return self._count(places, ones)
        pairs = zip(*np.broadcast_arrays(places, ones), strict=True)
        return np.stack([self._count(*pair) for pair in pairs])

    def _count(self, places: AnyArray, weight: AnyArray) -> Array:
        found: Array = np.bincount(places, weight, minlength=len(self.classes)).astype(np.float64)
        return found

    def times(self, y: Any, weight: AnyArray | None, *, own: bool = False) -> AnyArray:
        """Multiply the weights of rows by those of their classes.

        Parameters
        ----------
        y, weight, own : object
            See `sums`.

        Returns
        -------
        ndarray of shape (rows,) or (replicas, rows)

        Raises
        ------
        ArgumentError
            If the targets are no classes.
        """
        places = self._places(y, own=own)
        if self.table.ndim == 1:
            found = self.table[places]
        else:
            found = np.take_along_axis(
                self.table, np.broadcast_to(places, (len(self.table), places.shape[-1])), -1
            )
        return found if weight is None else found * weight

    def applied(self, y: Any, weight: AnyArray | None, dtype: Any, *, own: bool = False) -> AnyArray:
        """Multiply as `times`, and check what comes out.

        Parameters
        ----------
        y, weight, own : object
            See `sums`.
        dtype : dtype
            That of the model.

        Returns
        -------
        ndarray of shape (rows,) or (replicas, rows)

        Raises
        ------
        ArgumentError
            If the targets are no classes, or no row would count.
        """
        found = self.times(y, weight, own=own).astype(dtype)
        check_weight(_WHERE, found, rows=found.shape, part=self.balanced)
        return found

    def without(self, y: AnyArray, weight: AnyArray, *, own: bool = False) -> AnyArray | None:
        """Take the weights of the classes out of those of rows: metrics count rows as they are.

        Rows of a class of weight 0 count for nothing there either.

        Parameters
        ----------
        weight : ndarray of shape (rows,) or (replicas, rows)
            What `times` gave.
        y, own : object
            See `sums`.

        Returns
        -------
        ndarray of the shape of `weight`, or None
            None if all rows count the same.

        Examples
        --------
        >>> from nnlite import SoftmaxCrossEntropy
        >>> weights = ClassWeights({1: 3.0}, SoftmaxCrossEntropy(), 2)
        >>> weights.without(np.array([1, 0]), np.array([3.0, 2.0]))
        array([1., 2.])
        >>> weights.without(np.array([1, 0]), np.array([3.0, 1.0])) is None
        True
        """
        factor = self.times(y, None, own=own)
        # In the place of a row of a class of weight 0 another one may stand.
        found: AnyArray = np.where(factor > 0, weight / np.where(factor > 0, factor, 1), 0)
        return None if np.allclose(found, 1, rtol=0, atol=1e-6) else found

    def _places(self, y: Any, *, own: bool) -> AnyArray:
        """Find the class of each row, by its place in `classes`."""
        ids = classes_of(y, logits=self.loss.from_logits, own=own) if self.loss.from_logits else None
        if ids is None:
            raise ArgumentError(
                _WHERE,
                "targets that are classes: ids, 0 and 1 for one output, or one-hot rows",
                f"other numbers, for {self.loss}",
                "Give each row a weight: fit(..., weight=).",
            )
        return (ids + 1) // 2 if self.classes[0] < 0 else ids

    def __repr__(self) -> str:
        return "balanced" if self.balanced else f"{self.table.tolist()}"
