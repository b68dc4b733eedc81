"""Second-order steps against first-order steps: what ``python -m benchmarks levenberg-marquardt`` runs.

A 1-16-1 tanh net learns sin(3x) from 200 points, all of them in every step. It is trained by
`LevenbergMarquardt`, by the three methods of `scipy.optimize.least_squares` on the same
residuals and Jacobian, and by Adam. Then the same for a surface with two outputs and a 2-12-2
net, without Adam. For every seed it is noted when the mean squared error fell below 1e-8, and
where it stood in the end.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import least_squares

import nnlite as nn
from benchmarks.job import Job

TARGET = 1e-8
ADAM_STEPS = 20_000
ADAM = f"Adam(0.01), {ADAM_STEPS:,} steps"

Problem = tuple[str, tuple[int, ...], Any, Any]


class Run(NamedTuple):
    """One training: seconds until the target (None if it was missed), loss and seconds at the end."""

    reached: float | None
    loss: float
    seconds: float


class OutOfTime(Exception):
    """Ends SciPy's search, which has no limit of time."""


class Watch:
    """Note the lowest loss, and when the target was reached."""

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.loss = np.inf
        self.reached: float | None = None
        self.start = time.perf_counter()

    def note(self, loss: float) -> bool:
        """Take a loss; tell whether the time is over."""
        seconds = time.perf_counter() - self.start
        self.loss = min(self.loss, loss)
        if loss < TARGET and self.reached is None:
            self.reached = seconds
        return seconds > self.limit

    def run(self) -> Run:
        return Run(self.reached, self.loss, time.perf_counter() - self.start)


class Watching(nn.Callback):
    """Show every epoch to a watch."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch

    def on_epoch_end(self, state: Any) -> None:
        if self.watch.note(state.history.rows[-1]["loss"]):
            state.stop("out of time")


def sine() -> Problem:
    x = np.linspace(-1, 1, 200)[:, None]
    return "sin(3x), 1-16-1 tanh", (1, 16, 1), x, np.sin(3 * x)


def surface() -> Problem:
    x = np.random.default_rng(1).uniform(-1, 1, (300, 2))
    y = np.column_stack([np.sin(3 * x[:, 0]) * x[:, 1], np.cos(x[:, 0] + 2 * x[:, 1])])
    return "surface of two outputs, 2-12-2 tanh", (2, 12, 2), x, y


def net(sizes: tuple[int, ...], seed: int, dtype: Any) -> nn.Sequential:
    inputs, hidden, outputs = sizes
    layers = [nn.Dense(inputs, hidden), nn.Tanh(), nn.Dense(hidden, outputs)]
    return nn.Sequential(layers, dtype=dtype, rng=seed)


def by_fit(optimizer: Callable[[], Any], epochs: int, dtype: Any) -> Callable[[Problem, int, float], Run]:
    """Train by `fit` on all rows at once."""

    def run(problem: Problem, seed: int, limit: float) -> Run:
        _, sizes, x, y = problem
        model = net(sizes, seed, dtype)
        watch = Watch(limit)
        model.fit(
            x,
            y,
            loss=nn.MeanSquaredError(),
            optimizer=optimizer(),
            epochs=epochs,
            batch_size=len(x),
            shuffle=False,
            callbacks=[Watching(watch)],
        )
        return watch.run()

    return run


def by_scipy(method: str) -> Callable[[Problem, int, float], Run]:
    """Train by `scipy.optimize.least_squares`, with the Jacobian of the model."""

    def run(problem: Problem, seed: int, limit: float) -> Run:
        _, sizes, x, y = problem
        model = net(sizes, seed, np.float64)
        scale = 1 / np.sqrt(y.size)
        watch = Watch(limit)

        def residuals(values: Any) -> Any:
            model.params.values[...] = values
            gap = scale * (model.predict(x) - y).ravel()
            if watch.note(float(gap @ gap)):
                raise OutOfTime
            return gap

        def jacobian(values: Any) -> Any:
            model.params.values[...] = values
            return scale * model.jacobian(x).reshape(y.size, -1)

        start = model.params.values.copy()
        tight = {"ftol": 1e-15, "xtol": 1e-15, "gtol": 1e-15}
        with suppress(OutOfTime):
            least_squares(residuals, start, jacobian, method=method, max_nfev=10**6, **tight)
        return watch.run()

    return run


def levenberg_marquardt() -> nn.LevenbergMarquardt:
    return nn.LevenbergMarquardt(value_tolerance=0.0)


METHODS: dict[str, Callable[[Problem, int, float], Run]] = {
    "LevenbergMarquardt": by_fit(levenberg_marquardt, 10**6, np.float64),
    "LevenbergMarquardt, float32": by_fit(levenberg_marquardt, 10**6, np.float32),
    **{f"scipy, {name}": by_scipy(name) for name in ("lm", "trf", "dogbox")},
    ADAM: by_fit(lambda: nn.Adam(0.01), ADAM_STEPS, np.float64),
}
PROBLEMS = {"sine": sine, "surface": surface}


class LeastSquares(Job):
    """One method on one problem."""

    def __init__(self, case: str, threads: int, *, method: str) -> None:
        super().__init__(case, threads)
        self.problem, self.method = PROBLEMS[case](), METHODS[method]

    def train(self, seed: int, limit: float | None) -> dict[str, Any]:
        """Train once, at most about so many seconds; give a `Run`."""
        return self.method(self.problem, seed, math.inf if limit is None else limit)._asdict()
