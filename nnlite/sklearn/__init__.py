"""Estimators that take the place of scikit-learn's `MLPClassifier` and `MLPRegressor`."""

try:
    import sklearn.base as _  # noqa: F401
except ImportError as error:
    raise ImportError(
        "nnlite.sklearn: expected scikit-learn to be installed, got none. "
        'Run `pip install -e ".[sklearn]"` in the checkout of nnlite.'
    ) from error

from nnlite.sklearn.classifier import MLPClassifier
from nnlite.sklearn.regressor import MLPRegressor
from nnlite.sklearn.scaling import ScaleWarning

__all__ = ["MLPClassifier", "MLPRegressor", "ScaleWarning"]
