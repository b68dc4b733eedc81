"""Many nets of one kind: the work of ``64 x 2-8-1``."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from benchmarks.job import Training
from benchmarks.nets import Array, Net, make_weights


def kind_of(case: str) -> str:
    """Name the net of which there are many."""
    return case.partition(" x ")[2]


class Many(Training):
    """Training steps of many nets, each with initial weights of its own, on the same data.

    To be put in front of the library's own way to make steps. `starts` holds the initial
    weights of each net; `all_weights` holds them layer by layer, with an axis for the nets in front.
    """

    def __init__(self, case: str, threads: int, **options: Any) -> None:
        self.replicas = int(case.partition(" x ")[0])
        # Known before the library asks for it, as some reset themselves while they are made.
        net, *_ = self.load(case)
        self.starts = [make_weights(net, seed) for seed in range(self.replicas)]
        self.all_weights: list[tuple[Array, Array]] = [
            (np.stack([W for W, _ in layer]), np.stack([b for _, b in layer]))
            for layer in zip(*self.starts, strict=True)
        ]
        super().__init__(case, threads, **options)

    def load(self, case: str) -> tuple[Net, Any, Any]:
        return super().load(kind_of(case))


class InTurn(Many):
    """One net after the other; a subclass names the job of `one`."""

    one: ClassVar[type[Training]]

    def __init__(self, case: str, threads: int, **options: Any) -> None:
        super().__init__(case, threads)
        self.runs = [self.one(kind_of(case), threads, **options) for _ in self.starts]
        for run, weights in zip(self.runs, self.starts, strict=True):
            run.weights = weights

    def reset(self) -> None:
        for run in self.runs:
            run.reset()

    def run(self, count: int) -> None:
        """Make so many steps with each net."""
        for run in self.runs:
            run.run(count)

    def check(self) -> list[float]:
        """Compute the losses in the order in which they come when all are trained at once."""
        return np.stack([run.check() for run in self.runs], axis=1).ravel().tolist()
