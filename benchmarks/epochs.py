"""Whole epochs: a new order of the rows, steps over all of them, and a look at other rows."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.job import Training
from benchmarks.nets import Net, make_weights
from benchmarks.tables import TABLES

#: Steps of an epoch of those whose validation losses are compared, and how many such epochs there are.
CHECKED_STEPS, CHECKED_EPOCHS = 10, 2


class Epochs(Training):
    """Epochs over a table, each followed by a look at the validation rows.

    To be put in front of the library's own way to make steps. A subclass writes either
    `epoch`, `validate` and `scores`, or, if the library has a loop of its own, `train`
    and `until`.
    """

    def load(self, case: str) -> tuple[Net, Any, Any]:
        table = TABLES[case]()
        self.X_val: Any = table.X_val
        self.y_val: Any = table.y_val
        self.classes, self.classes_val = table.y, table.y_val
        self.seed = 0
        self.rng = np.random.default_rng(self.seed)
        return table.net, table.X, table.y

    def cut(self) -> list[tuple[Any, ...]]:
        """Leave the data whole: the batches of an epoch are others in the next."""
        return []

    def epoch(self, order: Any) -> None:
        """Make the steps of an epoch over the rows in a given order, and read their mean loss."""
        raise NotImplementedError

    def validate(self) -> float:
        """Compute the loss on the validation rows."""
        raise NotImplementedError

    def scores(self) -> Any:
        """Compute the output for the validation rows, in a form that NumPy can read."""
        raise NotImplementedError

    def train(self, epochs: int, *, rows: int | None = None) -> list[float]:
        """Train for some epochs, and give the validation loss after each.

        Parameters
        ----------
        epochs : int
            How many.
        rows : int, optional
            Take only so many rows, in their order, instead of all in a new order each epoch.
        """
        losses = []
        for _ in range(epochs):
            self.epoch(self.new_order() if rows is None else self.in_order(rows))
            losses.append(self.validate())
        return losses

    def new_order(self) -> Any:
        """Draw an order of all rows."""
        return self.rng.permutation(len(self.classes))

    def in_order(self, rows: int) -> Any:
        """Give the first rows as they stand."""
        return np.arange(rows)

    def until(self, enough: Callable[[], bool], epochs: int) -> None:
        """Train until it is enough, which is asked after each epoch, or there were so many."""
        for _ in range(epochs):
            self.epoch(self.new_order())
            if enough():
                return

    def run(self, count: int) -> None:
        """Train for so many epochs."""
        self.train(count)

    def check(self) -> list[float]:
        """Compute the validation losses after short epochs over rows in order."""
        self.reset()
        return self.train(CHECKED_EPOCHS, rows=CHECKED_STEPS * self.net.batch)

    def reach(self, seed: int, accuracy: float, epochs: int) -> dict[str, Any]:
        """Train from a start of its own until the validation rows are told apart so well.

        Returns
        -------
        dict
            "seconds", "epochs" and the last "accuracy".
        """
        self.seed, self.rng = seed, np.random.default_rng(seed)
        self.weights = make_weights(self.net, seed)
        self.reset()
        found: list[float] = []

        def enough() -> bool:
            found.append(float(np.mean(np.asarray(self.scores()).argmax(axis=1) == self.classes_val)))
            return found[-1] >= accuracy

        begun = time.perf_counter()
        self.until(enough, epochs)
        return {
            "seconds": time.perf_counter() - begun,
            "epochs": len(found),
            "accuracy": found[-1],
        }


class Densified(Epochs):
    """Epochs over a table of sparse rows that are made dense beforehand; to be put in front of all else."""

    def load(self, case: str) -> tuple[Net, Any, Any]:
        net, X, y = super().load(case)
        self.X_val = self.X_val.toarray()
        return net, X.toarray(), y
