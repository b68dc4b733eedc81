"""How sure an estimator may be: temperatures and intervals from rows that it was not trained on."""

from __future__ import annotations

import warnings
from typing import Any, Self

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from nnlite.core.aliases import AnyArray, Array
from nnlite.errors import ArgumentError
from nnlite.errors.checks import check_number
from nnlite.sklearn.base import BaseMLP
from nnlite.sklearn.holdout import by_class, counting
from nnlite.sklearn.objectives import class_ids
from nnlite.training.calibration import conformal_radius, find_temperature

__all__ = ["Intervals", "Temperature"]


class Temperature(BaseMLP):
    """Gives a classifier `calibrate`, after which its probabilities are as high as it is right.

    Attributes
    ----------
    temperature_ : float
        What the raw outputs are divided by; 1 until `calibrate` was called.
    """

    def calibrate(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Find the temperature that makes the probabilities honest, on rows not trained on.

        Predictions stay the same; probabilities move towards or away from certainty.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (rows, features)
            Inputs that `fit` has not seen.
        y : array-like of shape (rows,) or (rows, labels)
            Their classes.
        sample_weight : array-like of shape (rows,), optional
            How much each row counts.

        Returns
        -------
        MLPClassifier
            The estimator itself. Training it again drops the temperature.

        Raises
        ------
        ValueError
            If the data do not fit, or the loss gives no probabilities.

        References
        ----------
        C. Guo, G. Pleiss, Y. Sun and K. Weinberger, "On Calibration of Modern Neural Networks",
        ICML 2017.
        """
        check_is_fitted(self)
        self._check_chances()
        if doubt := self._measure(*self._check_rows(X, y, sample_weight, incremental=True, reset=False)):
            warnings.warn(doubt, stacklevel=2)
        return self

    def _check_chances(self) -> None:
        """Refuse to calibrate what gives no probabilities."""
        if not hasattr(self, "predict_proba"):
            raise ArgumentError(
                f"{type(self).__name__}.calibrate",
                "a loss that gives probabilities",
                f"{self.loss}",
                "Fit with loss='log_loss'.",
            )

    def _measure(self, X: Any, Y: AnyArray, weight: AnyArray | None) -> str:
        target = class_ids(Y) if self.out_activation_ == "softmax" else Y
        self.temperature_, doubt = find_temperature(
            self._outputs(X), target, weight=weight, where=f"{type(self).__name__}.calibrate"
        )
        return doubt

    def _cut(self, Y: AnyArray, weight: AnyArray | None) -> tuple[AnyArray, AnyArray]:
        self._check_chances()
        if self._several:
            return super()._cut(Y, weight)
        random_state = check_random_state(self.random_state)
        where = f"{type(self).__name__}(calibration_fraction=)"
        return by_class(class_ids(Y), weight, self.calibration_fraction, random_state, where=where)

    def _forget_calibration(self) -> None:
        self.temperature_ = 1.0

    def _logits(self, X: Any) -> Array:
        """Compute the raw outputs, divided by the temperature."""
        return self._raw(X) / self.temperature_


class Intervals(BaseMLP):
    """Gives a regressor `calibrate`, and after it `predict_interval`.

    Attributes
    ----------
    calibration_errors_ : ndarray of shape (rows, outputs)
        Truth minus prediction of the rows that `calibrate` was given. There are none before.
    """

    def calibrate(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Measure the errors on rows not trained on, from which `predict_interval` takes its widths.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (rows, features)
            Inputs that `fit` has not seen.
        y : array-like of shape (rows,) or (rows, outputs)
            Their targets.
        sample_weight : array-like of shape (rows,), optional
            Rows of weight 0 are left out; otherwise it is not used: intervals are for rows as they come.

        Returns
        -------
        MLPRegressor
            The estimator itself. Training it again drops the errors.

        Raises
        ------
        ValueError
            If the data do not fit.
        """
        check_is_fitted(self)
        self._measure(*self._check_rows(X, y, sample_weight, incremental=True, reset=False))
        return self

    def _measure(self, X: Any, Y: AnyArray, weight: AnyArray | None) -> str:
        rows = counting(Y, weight)
        if not len(rows):
            raise ArgumentError(
                f"{type(self).__name__}.calibrate",
                "a target that is there, in a row that counts",
                "none",
                "Give more.",
            )
        errors = Y[rows] - self._predictions(self._outputs(X[rows]))
        self.calibration_errors_: AnyArray = errors
        return ""

    def _forget_calibration(self) -> None:
        self.__dict__.pop("calibration_errors_", None)

    def _predictions(self, raw: Array) -> Array:
        """Make numbers of raw outputs."""
        raise NotImplementedError

    def predict_interval(self, X: Any, coverage: float = 0.9) -> tuple[Array, Array]:
        """Predict between which numbers the target lies so often.

        If new rows come from where those of `calibrate` came from, that holds whatever the noise
        and the net: with at least this probability for each output, on average over rows.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (rows, features)
            The inputs.
        coverage : float
            In (0, 1).

        Returns
        -------
        lower, upper : ndarray of the shape that `predict` gives
            All intervals of an output are equally wide. Of counts, none begins below 0.

        Raises
        ------
        NotFittedError
            If `calibrate` was not called, and there was no `calibration_fraction`.
        ValueError
            If `coverage` is no such number, or the rows are too few for it.

        References
        ----------
        H. Papadopoulos, K. Proedrou, V. Vovk and A. Gammerman, "Inductive confidence machines for
        regression", ECML 2002.
        """
        check_is_fitted(self)
        if not hasattr(self, "calibration_errors_"):
            raise NotFittedError(
                f"{type(self).__name__}.predict_interval: expected an estimator that is calibrated, got one "
                "that is not. Call calibrate(X, y) with rows that fit has not seen, or fit with "
                "calibration_fraction=0.2."
            )
        where = f"{type(self).__name__}.predict_interval(coverage=)"
        coverage = check_number(where, coverage, low=0.0, high=1.0, low_open=True, high_open=True)
        errors = self.calibration_errors_
        # Of an output whose truth is missing in some rows, the others count.
        radius = np.array([conformal_radius(column[~np.isnan(column)], coverage) for column in errors.T])
        pred = self._predictions(self._raw(X))
        lower, upper = pred - radius.astype(pred.dtype), pred + radius.astype(pred.dtype)
        if self.out_activation_ == "exp":
            lower = np.maximum(lower, 0)
        return (lower[:, 0], upper[:, 0]) if pred.shape[1] == 1 else (lower, upper)
