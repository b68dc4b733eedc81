"""Small data of every kind of task, and quick estimators, for the tests of the estimators."""

from functools import cache
from types import SimpleNamespace

import numpy as np


@cache
def estimator_data():
    """Make them once; digits are scaled to 0..1."""
    from sklearn.datasets import load_digits, load_iris

    rng = np.random.RandomState(0)
    digits, digit = load_digits(return_X_y=True)
    X = rng.standard_normal((120, 5))
    y = np.sin(X[:, 0]) + X[:, 1]
    iris, species = load_iris(return_X_y=True)
    return SimpleNamespace(
        digits=digits[:300] / 16,
        digit=digit[:300],
        X=X,
        y=y,
        several=np.column_stack([y, X[:, 2] ** 2, X[:, 3]]),
        counts=rng.poisson(np.exp(0.5 * X[:, 0] + 1)).astype(float),
        labels=(X[:, :3] + 0.3 * rng.standard_normal((120, 3)) > 0).astype(int),
        binary=(X[:, 0] > X[:, 1]).astype(int),
        weight=rng.uniform(0.2, 2.0, 120),
        iris=iris,
        species=species,
    )


def quick(kind, **settings):
    """Make an estimator that trains for a moment."""
    return kind(**{"hidden_layer_sizes": 8, "max_iter": 5, "random_state": 0} | settings)
