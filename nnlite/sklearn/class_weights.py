"""How much the rows of each class count."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nnlite.core.aliases import AnyArray, Array
from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.errors.checks import check_number
from nnlite.sklearn.objectives import class_ids
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
        self.several = several
        if isinstance(given, str):
            count = 2 if several else len(classes)
            sums = [np.bincount(ids, weight, minlength=count) for ids in self._ids(indicator)]
            self.tables = [balanced(one) for one in sums]
        elif several:
            self.tables = _one_for_each(given, classes.tolist())
        else:
            self.tables = [_listed(given, classes.tolist(), _WHERE)]

    def _ids(self, indicator: AnyArray) -> list[AnyArray]:
        """Return which class each row has, or for each label whether the row has it."""
        return list(indicator.T.astype(np.intp)) if self.several else [class_ids(indicator)]

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
        chosen = [table[ids] for table, ids in zip(self.tables, self._ids(indicator), strict=True)]
        product: Array = np.prod(chosen, axis=0)
        return product


def _one_for_each(given: Any, labels: list[Any]) -> list[Array]:
    """Return the weights of no and yes for each of several labels."""
    if not isinstance(given, list | tuple):
        what = f"a list with a dict for each of {len(labels)} labels"
        raise ArgumentTypeError(_WHERE, what, f"{given!r}", "Write [{0: 1, 1: 5}, ...], or 'balanced'.")
    if len(given) != len(labels):
        what = f"a dict for each of {len(labels)} labels"
        raise ArgumentError(_WHERE, what, f"{len(given)}", "Give as many as labels.")
    return [
        _listed(one, [0, 1], f"{_WHERE}, label {label}") for label, one in zip(labels, given, strict=True)
    ]


def _listed(given: Any, labels: list[Any], where: str) -> Array:
    if not isinstance(given, Mapping):
        fix = "Write {label: weight, ...}; a list of dicts is for several labels in a row."
        raise ArgumentTypeError(where, "a dict of weights by class", f"{given!r}", fix)
    unknown = [label for label in given if label not in labels]
    # A fold may lack a class that has a weight. If another one has none, a key is likely to be misspelt.
    if unknown and any(label not in given for label in labels):
        what = f"weights of the classes {labels}"
        raise ArgumentError(where, what, f"one of {unknown[0]!r}", "Use the labels of y as keys.")
    return np.array(
        [check_number(f"{where}, class {label!r}", given.get(label, 1.0), low=0) for label in labels]
    )
