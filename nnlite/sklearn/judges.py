"""What decides, after every epoch on rows that were held out, whether a net has become better."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from numbers import Real
from typing import Any

import numpy as np
from sklearn.metrics import check_scoring

from nnlite.core.aliases import AnyArray
from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.training.callbacks import TrainingState

__all__ = ["Judge", "judge_by"]

#: Gives a number after an epoch; the higher, the better.
Judge = Callable[[TrainingState], float]


def judge_by(estimator: Any, scoring: Any, X: Any, y: AnyArray, weight: AnyArray | None) -> Judge:
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

    Returns
    -------
    callable (TrainingState) -> float
        Gives the score of the present net.

    Raises
    ------
    ValueError
        If there is no scorer of that name.

    Examples
    --------
    >>> from nnlite.sklearn import MLPRegressor
    >>> X, y = np.arange(4.0)[:, None], np.arange(4.0)
    >>> net = MLPRegressor(solver="lbfgs", random_state=0).fit(X, y)
    >>> judge_by(net, "neg_max_error", X, y, None)(None) > -0.1
    True
    """
    where = f"{type(estimator).__name__}(scoring=)"
    scorer = check_scoring(estimator, scoring)
    own = getattr(scorer, "_score_func", scorer)
    takes = weight is not None and "sample_weight" in signature(own).parameters
    options = {"sample_weight": weight} if takes else {}
    worked = False

    def judge(_: TrainingState) -> float:
        nonlocal worked
        # Another estimator around the same net: a scorer shall change nothing here, and the rows are
        # arrays already, which have no names of columns that could be missed.
        other = object.__new__(type(estimator))
        vars(other).update(vars(estimator))
        vars(other).pop("feature_names_in_", None)
        try:
            score = scorer(other, X, y, **options)
        except Exception as error:
            if worked:
                raise
            raise ArgumentError(
                where,
                "a scorer that can judge this estimator on the validation data",
                f"{scoring!r}, which raises {type(error).__name__}: {error}",
                'Use another one, or scoring="loss".',
            ) from error
        if not isinstance(score, Real | np.bool_):
            raise ArgumentTypeError(where, "a scorer that returns a number", f"{score!r}", "Return a float.")
        worked = True
        return float(score)

    return judge
