"""Estimators with the interface of scikit-learn: the same call of `fit`, whoever has written the class."""

from __future__ import annotations

import time
import warnings
from importlib import import_module
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from benchmarks.job import Job, need
from benchmarks.tables import TABLES

#: What the class takes by default: units of its hidden layer, and rows of a batch.
HIDDEN, BATCH = 100, 200
#: Epochs of those fits whose losses are compared.
CHECKED_EPOCHS = 5

warnings.simplefilter("ignore", ConvergenceWarning)  # it is told to stop after so many epochs


class Classifier(Job):
    """`MLPClassifier` on a table, with the default parameters and a fixed number of epochs.

    Parameters
    ----------
    case : str
        A table of `benchmarks.tables`.
    threads : int
        Of the process.
    module : str
        Where the class is imported from: the one line that a user changes.
    data : {"float64", "float32"}
        In which the rows are given.
    options : dict
        Further parameters of the class.
    """

    def __init__(
        self, case: str, threads: int, *, module: str, data: str = "float64", **options: Any
    ) -> None:
        super().__init__(case, threads)
        self.kind = import_module(module).MLPClassifier
        if "jit" in options:
            need(self.kind, "jit")
        self.options = options
        table = TABLES[case]()
        self.X, self.y = table.X.astype(data), table.y
        self.X_val, self.y_val = table.X_val.astype(data), table.y_val

    def make(self, seed: int, epochs: int) -> Any:
        """Make an estimator that stops after so many epochs, and never before."""
        return self.kind(random_state=seed, max_iter=epochs, tol=0.0, n_iter_no_change=np.inf, **self.options)

    def fit(self, seed: int, epochs: int) -> dict[str, Any]:
        """Fit once, and then score it on the other rows.

        Returns
        -------
        dict
            "seconds" of `fit` alone, the "epochs" it made, and the "score" after them.
        """
        estimator = self.make(seed, epochs)
        begun = time.perf_counter()
        estimator.fit(self.X, self.y)
        seconds = time.perf_counter() - begun
        return {
            "seconds": seconds,
            "epochs": estimator.n_iter_,
            "score": float(estimator.score(self.X_val, self.y_val)),
        }

    def check(self) -> list[float]:
        """Compute the losses of the first epochs: they begin with the same weights and the same orders."""
        return self.make(0, CHECKED_EPOCHS).fit(self.X, self.y).loss_curve_


class Floor(Job):
    """Only the matrix products of such a fit.

    Parameters
    ----------
    case : str
        A table of `benchmarks.tables`.
    threads : int
        Of the process.
    data : {"float64", "float32"}
        In which they are computed.
    """

    def __init__(self, case: str, threads: int, *, data: str = "float64") -> None:
        super().__init__(case, threads)
        table = TABLES[case]()
        X, classes = table.X.astype(data), table.net.sizes[-1]
        W, last = np.ones((X.shape[1], HIDDEN), data), np.ones((HIDDEN, classes), data)
        dW, dlast = np.zeros_like(W), np.zeros_like(last)
        self.products: list[tuple[Any, Any, Any]] = []
        for start in range(0, len(X), BATCH):
            x = X[start : start + BATCH]
            h, dh, out = (np.zeros((len(x), width), data) for width in (HIDDEN, HIDDEN, classes))
            self.products += [(x, W, h), (h, last, out), (h.T, out, dlast), (out, last.T, dh), (x.T, dh, dW)]

    def fit(self, seed: int, epochs: int) -> dict[str, Any]:
        """Multiply as often as a fit does.

        Returns
        -------
        dict
            "seconds" and "epochs", as of a fit.
        """
        dot, products = np.dot, self.products
        begun = time.perf_counter()
        for _ in range(epochs):
            for a, b, product in products:
                dot(a, b, product)
        return {"seconds": time.perf_counter() - begun, "epochs": epochs}
