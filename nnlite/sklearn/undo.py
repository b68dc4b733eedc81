"""What was refused has changed nothing: an estimator as it was before a training."""

from __future__ import annotations

import copy
from typing import Any, Self

import numpy as np

__all__ = ["Attempt"]


class Attempt:
    """A training that may be refused, and the estimator as it was before it.

    In a ``with`` statement an error puts back what was there, unless the net has learned something.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        What is to be trained.

    Attributes
    ----------
    learned : bool
        Whether its numbers are no longer those that were there before; an error then takes nothing back.

    Examples
    --------
    >>> from nnlite.sklearn import MLPRegressor
    >>> net = MLPRegressor()
    >>> attempt = Attempt(net)
    >>> net.n_features_in_ = 3
    >>> attempt.undo()
    >>> hasattr(net, "n_features_in_")
    False
    """

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator
        self.learned = False
        self.attributes = vars(estimator).copy()
        if "_mean_weight" in self.attributes:  # which counts the batches
            self.attributes["_mean_weight"] = copy.copy(self.attributes["_mean_weight"])
        # These lists are continued in place: copies of long ones would make each `partial_fit` slower.
        lists = (self.attributes.get(name) for name in ("loss_curve_", "validation_scores_"))
        self.lists = [(one, len(one)) for one in lists if isinstance(one, list)]
        random_state = estimator.random_state
        self.random_state = random_state if isinstance(random_state, np.random.RandomState) else None
        self.draws = None if self.random_state is None else self.random_state.get_state()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: Any, *_: object) -> None:
        if kind is not None and not self.learned:
            self.undo()

    @property
    def continues(self) -> bool:
        """Whether it is the net that was there before which is trained."""
        return vars(self.estimator).get("model_") is self.attributes.get("model_")

    def undo(self) -> None:
        """Put back what was there."""
        vars(self.estimator).clear()
        vars(self.estimator).update(self.attributes)
        for one, length in self.lists:
            del one[length:]
        if self.random_state is not None and self.draws is not None:
            self.random_state.set_state(self.draws)
