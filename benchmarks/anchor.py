"""The net with which SimpleChains.jl shows its speed: 24-8 tanh-dropout-2, 200 rows, float64.

One value and gradient through `loss_and_grad`, and a step inside an epoch of `fit`, which adds the
update of plain SGD to it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import nnlite as nn
from benchmarks.job import Job, losses_by_sums
from benchmarks.libraries.bare import Floor as Products
from benchmarks.libraries.bare import make_products
from benchmarks.libraries.nnlite import ask_for_jit, describe_engine

INPUTS, HIDDEN, OUTPUTS, ROWS, DROPPED = 24, 8, 2, 200, 0.2
#: Of those steps in an epoch that are measured, and of those whose losses are compared.
STEPS, CHECKED = 16, 10
RATE = 1e-3


def draw() -> tuple[Any, Any, Any, Any]:
    """Draw the rows as its README does, and weights: input, targets, first and last layer."""
    rng = np.random.default_rng(0)
    X = rng.random((STEPS * ROWS, INPUTS))
    y = 10 * rng.standard_normal((STEPS * ROWS, OUTPUTS))
    first, last = rng.standard_normal((INPUTS, HIDDEN)) / 5, rng.standard_normal((HIDDEN, OUTPUTS)) / 3
    return X, y, first, last


class Reference(Job):
    """The losses of the first steps without dropout."""

    def check(self) -> list[float]:
        X, y, first, last = draw()
        bias, losses = np.zeros(HIDDEN), []
        for start in range(0, CHECKED * ROWS, ROWS):
            x = X[start : start + ROWS]
            h = np.tanh(x @ first + bias)
            error = h @ last - y[start : start + ROWS]
            losses.append(float(np.mean(error**2)))
            dz = 2 * error / error.size
            dh = dz @ last.T * (1 - h**2)
            last = last - RATE * (h.T @ dz)
            first, bias = first - RATE * (x.T @ dh), bias - RATE * dh.sum(axis=0)
        return losses


class Floor(Products):
    """Only the matrix products."""

    def __init__(self, case: str, threads: int) -> None:
        Job.__init__(self, case, threads)
        X, _, first, last = draw()
        self.products = make_products(X[:ROWS], [first, last])


class Gradient(Job):
    """`loss_and_grad` of the first batch, again and again, with another mask each time.

    Every contender has random numbers of its own, so what is compared is the same net without dropout.
    """

    def __init__(self, case: str, threads: int, *, jit: bool = False) -> None:
        self.compiled = ask_for_jit(nn.Sequential.fit, jit)
        super().__init__(case, threads)
        self.X, self.y, *self.weights = draw()
        self.loss = nn.MeanSquaredError()
        self.start(DROPPED)

    def start(self, dropped: float) -> None:
        """Make the net and its optimizer anew."""
        layers = [
            nn.Dense(INPUTS, HIDDEN),
            nn.Tanh(),
            nn.Dropout(dropped),
            nn.Dense(HIDDEN, OUTPUTS, bias=False),
        ]
        self.model = nn.Sequential(layers, rng=0, dtype=np.float64)
        self.model[0].W[...], self.model[3].W[...] = self.weights
        self.optimizer = nn.SGD(RATE)

    def run(self, count: int) -> None:
        loss_and_grad, x, y, loss = self.model.loss_and_grad, self.X[:ROWS], self.y[:ROWS], self.loss
        for _ in range(count):
            loss_and_grad(x, y, loss)

    def check(self) -> list[float]:
        self.start(0.0)
        losses = []
        for start in range(0, CHECKED * ROWS, ROWS):
            rows = slice(start, start + ROWS)
            losses.append(float(self.model.loss_and_grad(self.X[rows], self.y[rows], self.loss)))
            self.optimizer.step(self.model.params)
        self.start(DROPPED)
        return losses


class Fit(Gradient):
    """A step inside an epoch: the same with the update, and with what `fit` does around it."""

    multiple = 2 * STEPS

    def fit(self, rows: int, epochs: int, **options: Any) -> Any:
        """Fit on the first rows."""
        X, y, options = self.X[:rows], self.y[:rows], options | self.compiled
        history = self.model.fit(
            X, y, loss=self.loss, optimizer=self.optimizer, epochs=epochs, batch_size=ROWS, **options
        )
        if self.compiled:
            self.remark = describe_engine(history)
        return history

    def run(self, count: int) -> None:
        self.fit(len(self.X), max(1, count // STEPS), rng=0)

    def check(self) -> list[float]:
        def mean_loss(number: int) -> Any:
            self.start(0.0)
            return self.fit(number * ROWS, 1, shuffle=False)["loss"][0]

        losses = losses_by_sums(mean_loss, CHECKED)
        self.start(DROPPED)
        self.run(self.multiple)  # whatever is compiled is compiled here
        return losses
