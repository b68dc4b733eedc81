"""The hidden layer as features for other estimators."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from nnlite.core.aliases import Array
from nnlite.errors import ArgumentError
from nnlite.layers import Dense
from nnlite.model import PREDICT_ROWS
from nnlite.sklearn.base import BaseMLP
from nnlite.training.inside import what_reaches

__all__ = ["HiddenFeatures"]


class HiddenFeatures(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseMLP):  # type: ignore[misc]
    """Gives an estimator a `transform`: what the neurons of its last hidden layer say."""

    def transform(self, X: Any) -> Array:
        """Compute what goes into the output layer: the last hidden layer's activations.

        In a `Pipeline` the net then makes features for another estimator. ``set_output`` and
        ``get_feature_names_out`` name them.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (rows, features)
            The inputs.

        Returns
        -------
        ndarray of shape (rows, hidden)
            In the dtype of the net. A net without hidden layers gives its (scaled) inputs.
        """
        check_is_fitted(self)
        rows = self._check_input(X)
        index = self._output_layer
        starts = range(0, rows.shape[0], PREDICT_ROWS)
        blocks = [
            what_reaches(
                self.model_,
                (index,),
                self.model_.boundary.check_input(rows[start : start + PREDICT_ROWS], where="transform(X)"),
            )
            for start in starts
        ]
        return np.concatenate(blocks)

    @property
    def _output_layer(self) -> int:
        """Place of the last layer that learns, a Dense: what it holds of others has no one input."""
        index = max(index for index, layer in enumerate(self.model_) if layer.parameter_names)
        last = self.model_[index]
        if not isinstance(last, Dense):
            what, fix = "a net whose last layer that learns is Dense", "End layers= with a Dense layer."
            raise ArgumentError(f"{type(self).__name__}.transform", what, f"{last}", fix)
        return index

    @property
    def _n_features_out(self) -> int:
        """How many features `transform` gives, which scikit-learn asks for."""
        return int(self.model_[self._output_layer].in_features)
