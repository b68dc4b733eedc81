"""What a worker process runs: the work of one library for one case."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from inspect import signature
from itertools import cycle, islice
from typing import Any

import numpy as np

from benchmarks.nets import NETS, Net, batches, find_net, make_data, make_weights


def need(call: Callable[..., Any], argument: str) -> None:
    """Refuse what the installed version cannot be asked for, so that it is left out with the reason.

    Raises
    ------
    NotImplementedError
        If the call takes no such argument.
    """
    if argument not in signature(call).parameters:
        raise NotImplementedError(f"{call.__qualname__} has no argument {argument} yet")


def losses_by_sums(mean_loss: Callable[[int], Any], steps: int) -> list[float]:
    """Compute the loss of each step from the mean losses of the first 1, 2, 3 ... steps.

    For what only tells the mean over an epoch: the losses are the differences of the sums.

    Parameters
    ----------
    mean_loss : callable (int) -> float or array-like of shape (replicas,)
        Makes so many steps, from the start.
    steps : int
        How many losses.
    """
    sums = [number * np.asarray(mean_loss(number), np.float64) for number in range(1, steps + 1)]
    return np.ravel(np.diff([np.zeros_like(sums[0]), *sums], axis=0)).tolist()


class Job:
    """One piece of work that can be repeated and timed.

    A subclass is made in the worker with the name of the case, the number of threads and
    the options of its contender; it does all preparation when it is made, and the work
    itself in `run`.

    Attributes
    ----------
    multiple : int
        `run` is asked for a multiple of this count.
    remark : str
        What a reader of the table must know that only the work itself can tell; set by `check`.
    """

    multiple: int = 1
    remark: str = ""

    def __init__(self, case: str, threads: int) -> None:
        self.case = case
        self.threads = threads

    def reset(self) -> None:
        """Go back to the start, so that every turn does the same work; not timed."""

    def run(self, count: int) -> None:
        """Do the work so many times, and return when all of it is done."""
        raise NotImplementedError

    def check(self) -> list[float]:
        """Compute the numbers that must be the same for every contender of the case.

        It is called once, before the work is timed, and may compile what must be compiled.
        """
        return []


class Training(Job):
    """Training steps of one of the nets.

    A subclass sets `batches` to what its `step` takes, in the library's own form, and
    writes `reset` and `step`.
    """

    #: Steps whose losses are compared. In very deep nets, and in those whose weights serve many places,
    #: rounding turns the sign of some gradient close to zero sooner, and Adam then moves that weight by its
    #: whole rate the other way.
    checked = 10
    checked_deep = 4
    #: Nets that are trained at once.
    replicas = 1

    def __init__(self, case: str, threads: int) -> None:
        super().__init__(case, threads)
        self.net, self.X, self.y = self.load(case)
        if len(self.net.sizes) > 20 or self.net.front:
            self.checked = self.checked_deep
        self.weights = make_weights(self.net)
        self.batches: Iterable[tuple[Any, ...]] = self.cut()

    def load(self, case: str) -> tuple[Net, Any, Any]:
        """Give the net of a case, and its data: whole batches."""
        net = find_net(case)
        return net, *make_data(net)

    def cut(self) -> list[tuple[Any, ...]]:
        """Cut the data into batches."""
        return batches(self.net, self.X, self.y)

    def step(self, x: Any, y: Any) -> Any:
        """Make one step, and give its loss, which may still be being computed."""
        raise NotImplementedError

    def run(self, count: int) -> None:
        """Make so many steps, over the batches in turn."""
        step = self.step
        for x, y in islice(cycle(self.batches), count):
            step(x, y)

    def check(self) -> list[float]:
        """Compute the loss at each of the first steps."""
        self.reset()
        losses = [np.ravel(self.step(x, y)) for x, y in islice(cycle(self.batches), self.checked)]
        return np.concatenate(losses).tolist()


class Prediction(Job):
    """Predictions of a net that is not trained, for so many rows: the case is "net, rows".

    A subclass sets `x` to the library's own form of the input, and writes `predict`.
    """

    def __init__(self, case: str, threads: int) -> None:
        super().__init__(case, threads)
        name, rows = case.split(", ")
        self.net = NETS[name]
        self.weights = make_weights(self.net)
        rng = np.random.default_rng(2)
        self.X = rng.standard_normal((int(rows.split()[0].replace(",", "")), self.net.sizes[0]), np.float32)
        self.x: Any = self.X

    def predict(self, x: Any) -> Any:
        """Compute the output, before any softmax."""
        raise NotImplementedError

    def run(self, count: int) -> None:
        """Predict so many times."""
        predict, x = self.predict, self.x
        for _ in range(count):
            predict(x)

    def check(self) -> list[float]:
        """Measure each column of the output in two ways, of which one knows the order of the rows."""
        out = np.asarray(self.predict(self.x), dtype=np.float64)
        ramp = np.linspace(0.5, 1.0, len(out))[:, None]
        return [
            *np.sqrt(np.mean(out**2, axis=0)).tolist(),
            *np.sqrt(np.mean((ramp * out) ** 2, axis=0)).tolist(),
        ]
