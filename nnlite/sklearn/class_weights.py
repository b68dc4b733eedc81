"""How much the rows of each class count."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nnlite.core.types import AnyArray, Array
from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.errors.checks import check_number
from nnlite.training.class_weights import balanced

__all__ = ["ClassWeights"]

_WHERE = "MLPClassifier(class_weight=)"


class ClassWeights:
    """Weights of rows from those of classes, which are settled once, by the training data.

    Parameters
    ----------
    given : "balanced", dict, or list of dict
        For classes that exclude each other a dict, in which those left out have weight 1; for several
        labels a list with one dict ``{0: ..., 1: ...}`` for each.
    classes : ndarray
        All classes, or the labels if there are several in a row.
    indicator : ndarray of bool of shape (rows, columns)
        Which class the training data have: a column for each, or one for the second of two.
    weight : ndarray of shape (rows,), optional
        How much each row counts besides, of which "balanced" takes the sums: 2 is the same as two rows.
    several : bool
        Whether a row may have several labels.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        If the weights do not fit the classes.

    Examples
    --------
    >>> weights = ClassWeights({"b": 3.0}, np.array(["a", "b"]), np.array([[False], [True]]), several=False)
    >>> weights.rows(np.array([[True], [True], [False]]))
    array([3., 3., 1.])
    """

    def __init__(
        self,
        given: Any,
        classes: AnyArray,
        indicator: AnyArray,
        weight: AnyArray | None = None,
        *,
        several: bool,
    ) -> None:
        if several:
            tables = self._one_for_each(given, classes, indicator, weight)
        else:
            if indicator.shape[1] == 1:
                indicator = np.hstack([~indicator, indicator])[:, : len(classes)]
            tables = [
                _balanced(indicator, weight) if isinstance(given, str) else _listed(given, classes, _WHERE)
            ]
        self.several = several
        self.tables = tables

    @staticmethod
    def _one_for_each(
        given: Any, classes: AnyArray, indicator: AnyArray, weight: AnyArray | None
    ) -> list[Array]:
        columns = indicator.shape[1]
        if isinstance(given, str):
            return [_balanced(np.stack([~column, column], axis=1), weight) for column in indicator.T]
        if not isinstance(given, list | tuple):
            raise ArgumentTypeError(
                _WHERE,
                f"a list with a dict for each of {columns} labels",
                f"{given!r}",
                "Write [{0: 1, 1: 5}, ...], or 'balanced'.",
            )
        if len(given) != columns:
            raise ArgumentError(
                _WHERE, f"a dict for each of {columns} labels", f"{len(given)}", "Give as many as labels."
            )
        two = np.array([0, 1])
        return [
            _listed(one, two, f"{_WHERE}, label {label}")
            for label, one in zip(classes.tolist(), given, strict=True)
        ]

    def rows(self, indicator: AnyArray) -> Array:
        """Return the weight of each row.

        Parameters
        ----------
        indicator : ndarray of bool of shape (rows, columns)
            Which class each has, as for the class.

        Returns
        -------
        ndarray of shape (rows,)
            With several labels, the product over them, as scikit-learn's forests have it.
        """
        if self.several:
            columns = [
                table[column.astype(int)] for table, column in zip(self.tables, indicator.T, strict=True)
            ]
            product: Array = np.prod(columns, axis=0)
            return product
        ids = indicator.argmax(axis=1) if indicator.shape[1] > 1 else indicator[:, 0].astype(int)
        chosen: Array = self.tables[0][ids]
        return chosen


def _balanced(indicator: AnyArray, weight: AnyArray | None) -> Array:
    return balanced(np.bincount(indicator.argmax(axis=1), weight, minlength=indicator.shape[1]))


def _listed(given: Any, classes: AnyArray, where: str) -> Array:
    if not isinstance(given, Mapping):
        fix = "Write {label: weight, ...}; a list of dicts is for several labels in a row."
        raise ArgumentTypeError(where, "a dict of weights by class", f"{given!r}", fix)
    labels = classes.tolist()
    unknown = [label for label in given if label not in labels]
    # A fold may lack a class that has a weight. If another one has none, a key is likely to be misspelt.
    if unknown and any(label not in given for label in labels):
        raise ArgumentError(
            where,
            f"weights of the classes {labels}",
            f"one of {unknown[0]!r}",
            "Use the labels of y as keys.",
        )
    return np.array(
        [check_number(f"{where}, class {label!r}", given.get(label, 1.0), low=0) for label in labels]
    )
