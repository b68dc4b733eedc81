"""What decides, after every epoch on rows that were held out, whether a net has become better."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from numbers import Real
from typing import Any

import numpy as np
from sklearn.metrics import check_scoring

from nnlite.core.types import AnyArray
from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.training.callbacks import TrainingState

__all__ = ["Judge", "Scorer"]

#: Gives a number after an epoch; the higher, the better.
Judge = Callable[[TrainingState], float]


class Scorer:
    """Judge by one of scikit-learn's scorers, or by a function of the user's own.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        What is judged.
    scoring : str or callable (estimator, X, y) -> float
        How.
    X : ndarray or CSR matrix of shape (rows, features)
        The validation data.
    y : ndarray
        Their targets, as `fit` was given them.
    weight : ndarray of shape (rows,) or None
        How much each row counts; for a scorer that takes a `sample_weight`.

    Raises
    ------
    ValueError
        If there is no scorer of that name.

    Examples
    --------
    >>> from nnlite.sklearn import MLPRegressor
    >>> X, y = np.arange(4.0)[:, None], np.arange(4.0)
    >>> net = MLPRegressor(solver="lbfgs", random_state=0).fit(X, y)
    >>> Scorer(net, "neg_max_error", X, y, None)(None) > -0.1
    True
    """

    def __init__(self, estimator: Any, scoring: Any, X: Any, y: AnyArray, weight: AnyArray | None) -> None:
        self.estimator = estimator
        self.where = f"{type(estimator).__name__}(scoring=)"
        self.scoring = scoring
        self.scorer = check_scoring(estimator, scoring)
        self.rows = X, y
        own = getattr(self.scorer, "_score_func", self.scorer)
        takes = weight is not None and "sample_weight" in signature(own).parameters
        self.options = {"sample_weight": weight} if takes else {}
        self.worked = False

    def __call__(self, state: TrainingState) -> float:
        """Return the score of the present net."""
        # Another estimator around the same net: a scorer shall change nothing here, and the rows are
        # arrays already, which have no names of columns that could be missed.
        other = object.__new__(type(self.estimator))
        vars(other).update(vars(self.estimator))
        vars(other).pop("feature_names_in_", None)
        try:
            score = self.scorer(other, *self.rows, **self.options)
        except Exception as error:
            if self.worked:
                raise
            raise ArgumentError(
                self.where,
                "a scorer that can judge this estimator on the validation data",
                f"{self.scoring!r}, which raises {type(error).__name__}: {error}",
                'Use another one, or scoring="loss".',
            ) from error
        if not isinstance(score, Real | np.bool_) or isinstance(score, complex):
            raise ArgumentTypeError(
                self.where, "a scorer that returns a number", f"{score!r}", "Return a float."
            )
        self.worked = True
        return float(score)
