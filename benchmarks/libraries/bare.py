"""NumPy without any library: the matrix products alone, and loops written by hand.

The loops are what a good NumPy programmer writes for exactly these nets: one flat buffer
for the parameters and one for the gradients, every array made beforehand, everything in
place, Adam in ten passes. They hold nothing that needs an explanation longer than that: no
blocks that stay in cache, no threads of their own.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from benchmarks.epochs import Epochs
from benchmarks.job import Job, Prediction, Training
from benchmarks.many import kind_of
from benchmarks.nets import BETA1, BETA2, EPSILON, MOMENTUM, SEED, batches, find_net, make_data, make_weights

add_up = np.add.reduce


def make_products(x: Any, weights: list[Any]) -> list[tuple[Any, Any, Any]]:
    """List the products of a step, each with the array that it is written to: forward, then backward."""
    outputs = [np.zeros((len(x), W.shape[1]), W.dtype) for W in weights]
    grads = [np.zeros_like(W) for W in weights]
    inputs = [x, *outputs[:-1]]
    back = [np.zeros_like(output) for output in outputs]
    products = [*zip(inputs, weights, outputs, strict=True)]
    for number in reversed(range(len(weights))):
        products.append((inputs[number].T, back[number], grads[number]))
        if number:
            products.append((back[number], weights[number].T, back[number - 1]))
    return products


class Floor(Job):
    """Only the matrix products of the forward and the backward pass."""

    def __init__(self, case: str, threads: int) -> None:
        super().__init__(case, threads)
        net = find_net(case)
        (x, _), *_ = batches(net, *make_data(net))
        self.products = make_products(x, [W for W, _ in make_weights(net)])

    def run(self, count: int) -> None:
        """Multiply."""
        dot, products = np.dot, self.products  # np.dot takes half the time of np.matmul for the smallest
        for _ in range(count):
            for a, b, out in products:
                dot(a, b, out)


class ManyFloor(Floor):
    """The products of many nets, one net after the other."""

    def __init__(self, case: str, threads: int) -> None:
        replicas = int(case.partition(" x ")[0])
        super().__init__(kind_of(case), threads)
        for _ in range(replicas - 1):
            self.products += Floor(kind_of(case), threads).products


class PredictFloor(Floor):
    """Only the matrix products of a prediction."""

    def __init__(self, case: str, threads: int) -> None:
        Job.__init__(self, case, threads)
        given = Predict(case, threads)
        weights = [W for W, _ in given.weights]
        self.products = make_products(given.x, weights)[: len(weights)]


class _Flat(Training):
    """Parameters and gradients in two flat buffers, with views of each layer, and the update rules."""

    def __init__(self, case: str, threads: int) -> None:
        super().__init__(case, threads)
        net = self.net
        self.initial = np.concatenate([part.ravel() for layer in self.weights for part in layer])
        self.values = self.initial.copy()
        self.grads = np.zeros_like(self.values)
        self.first, self.second, self.move = (np.zeros_like(self.values) for _ in range(3))
        self.layers = list(zip(self._views(self.values), self._views(self.grads), strict=True))
        self.hidden = [np.empty((net.batch, width), np.float32) for width in net.sizes[1:-1]]
        self.back = [np.empty((net.batch, width), np.float32) for width in net.sizes[1:-1]]
        self.pred = np.empty((net.batch, net.sizes[-1]), np.float32)
        self.update = {"sgd": self._sgd, "momentum": self._momentum, "adam": self._adam}[net.optimizer]

    def _views(self, buffer: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        views, start = [], 0
        for W, b in self.weights:
            middle, stop = start + W.size, start + W.size + b.size
            views.append((buffer[start:middle].reshape(W.shape), buffer[middle:stop]))
            start = stop
        return views

    def reset(self) -> None:
        self.values[...] = self.initial
        self.first[...] = self.second[...] = 0
        self.steps = 0

    def _sgd(self) -> None:
        np.multiply(self.grads, self.net.rate, out=self.move)
        np.subtract(self.values, self.move, out=self.values)

    def _momentum(self) -> None:
        velocity, move = self.first, self.move
        velocity *= MOMENTUM
        velocity += self.grads
        np.multiply(velocity, self.net.rate, out=move)
        np.subtract(self.values, move, out=self.values)

    def _adam(self) -> None:
        # The moments are kept without their factors 1 - beta, which go into the two numbers below.
        first, second, move, g = self.first, self.second, self.move, self.grads
        self.steps += 1
        scale = math.sqrt((1 - BETA2**self.steps) / (1 - BETA2))
        first *= BETA1
        first += g
        second *= BETA2
        np.multiply(g, g, out=move)
        second += move
        np.sqrt(second, out=move)
        move += EPSILON * scale
        np.divide(first, move, out=move)
        move *= self.net.rate * scale * (1 - BETA1) / (1 - BETA1**self.steps)
        np.subtract(self.values, move, out=self.values)


class Regression(_Flat):
    """One hidden layer of tanh, and the mean squared error."""

    def __init__(self, case: str, threads: int) -> None:
        super().__init__(case, threads)
        self.slope = np.empty_like(self.hidden[0])

    def step(self, x: Any, y: Any) -> float:
        ((W1, b1), (gW1, gb1)), ((W2, b2), (gW2, gb2)) = self.layers
        h, p, dh, slope = self.hidden[0], self.pred, self.back[0], self.slope
        np.dot(x, W1, h)
        h += b1
        np.tanh(h, h)
        np.dot(h, W2, p)
        p += b2
        p -= y
        flat = p.ravel()
        loss = float(np.dot(flat, flat)) / p.size
        p *= 2 / p.size
        np.dot(h.T, p, gW2)
        add_up(p, 0, None, gb2)
        np.dot(p, W2.T, dh)
        np.multiply(h, h, slope)
        np.subtract(1, slope, slope)
        dh *= slope
        np.dot(x.T, dh, gW1)
        add_up(dh, 0, None, gb1)
        self.update()
        return loss


class Classification(_Flat):
    """Hidden layers of ReLU, and softmax cross-entropy of class ids."""

    def __init__(self, case: str, threads: int) -> None:
        super().__init__(case, threads)
        self.rows = np.arange(self.net.batch)
        self.largest = np.empty((self.net.batch, 1), np.float32)
        self.active = [np.empty(h.shape, bool) for h in self.hidden]

    def step(self, x: Any, y: Any) -> float:
        layers, hidden, z, rows, largest = self.layers, self.hidden, self.pred, self.rows, self.largest
        h = x
        for ((W, b), _), out in zip(layers, hidden, strict=False):
            np.dot(h, W, out)
            out += b
            h = np.maximum(out, 0, out=out)
        (W, b), _ = layers[-1]
        np.dot(h, W, z)
        z += b

        np.maximum.reduce(z, 1, None, largest, True)
        z -= largest
        picked = z[rows, y]
        np.exp(z, z)
        sums = add_up(z, 1, None, None, True)
        loss = float(add_up(np.log(sums), None) - add_up(picked)) / len(z)
        z /= sums
        z[rows, y] -= 1
        z *= 1 / len(z)

        dz = z
        for number in range(len(layers) - 1, 0, -1):
            (W, _), (gW, gb) = layers[number]
            h, dh, active = hidden[number - 1], self.back[number - 1], self.active[number - 1]
            np.dot(h.T, dz, gW)
            add_up(dz, 0, None, gb)
            np.dot(dz, W.T, dh)
            np.greater(h, 0, active)
            dz = np.multiply(dh, active, dh)
        _, (gW, gb) = layers[0]
        np.dot(x.T, dz, gW)
        add_up(dz, 0, None, gb)
        self.update()
        return loss


def bare_step(case: str, threads: int) -> Training:
    """Make the loop that fits the net: steps over batches that are there already."""
    return (Regression if find_net(case).loss == "mse" else Classification)(case, threads)


class Loop(Job):
    """The same steps with what `fit` does around them: a new order each epoch, batches, a mean loss."""

    def __init__(self, case: str, threads: int) -> None:
        super().__init__(case, threads)
        self.inner = bare_step(case, threads)
        net = self.inner.net
        self.rng = np.random.default_rng(SEED)
        self.x = np.empty((net.batch, *self.inner.X.shape[1:]), self.inner.X.dtype)
        self.y = np.empty((net.batch, *self.inner.y.shape[1:]), self.inner.y.dtype)

    def reset(self) -> None:
        self.inner.reset()

    def check(self) -> list[float]:
        return self.inner.check()

    def run(self, count: int) -> None:
        """Go over the rows in a new order again and again."""
        X, Y, x, y, step, size = (
            self.inner.X,
            self.inner.y,
            self.x,
            self.y,
            self.inner.step,
            self.inner.net.batch,
        )
        while count > 0:
            order = self.rng.permutation(len(X))
            total = 0.0
            for start in range(0, len(X), size)[:count]:
                rows = order[start : start + size]
                # mode="clip" lets take write into `out` directly; the ids are in range anyway.
                X.take(rows, 0, x, "clip")
                Y.take(rows, 0, y, "clip")
                total += step(x, y) * size
                count -= 1


class Predict(Prediction):
    """The forward pass."""

    def __init__(self, case: str, threads: int) -> None:
        super().__init__(case, threads)
        (self.first, self.last) = self.weights

    def predict(self, x: Any) -> Any:
        (W1, b1), (W2, b2) = self.first, self.last
        h = np.dot(x, W1)
        h += b1
        np.maximum(h, 0, out=h)
        z = np.dot(h, W2)
        z += b2
        return z


class LoopEpochs(Epochs, Classification):
    """Epochs of the loop."""

    def __init__(self, case: str, threads: int) -> None:
        super().__init__(case, threads)
        self.x = np.empty((self.net.batch, *self.X.shape[1:]), self.X.dtype)
        self.ids = np.empty(self.net.batch, self.y.dtype)
        self.rows_val = np.arange(len(self.y_val))

    def epoch(self, order: Any) -> None:
        total, size = 0.0, self.net.batch
        for start in range(0, len(order), size):
            rows = order[start : start + size]
            self.X.take(rows, 0, self.x, "clip")
            self.y.take(rows, 0, self.ids, "clip")
            total += self.step(self.x, self.ids) * size
        self.loss = total / len(order)

    def scores(self) -> Any:
        h = self.X_val
        for (W, b), _ in self.layers[:-1]:
            h = np.dot(h, W)
            h += b
            np.maximum(h, 0, out=h)
        (W, b), _ = self.layers[-1]
        z = np.dot(h, W)
        z += b
        return z

    def validate(self) -> float:
        z = self.scores()
        z -= z.max(axis=1, keepdims=True)
        picked = z[self.rows_val, self.y_val]
        np.exp(z, out=z)
        return float(np.mean(np.log(z.sum(axis=1)) - picked))
