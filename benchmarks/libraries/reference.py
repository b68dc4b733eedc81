"""What every library must compute: the same steps in float64, in the plainest form."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.epochs import Densified, Epochs
from benchmarks.job import Prediction, Training
from benchmarks.libraries import parts
from benchmarks.many import InTurn
from benchmarks.nets import BETA1, BETA2, EPSILON, MOMENTUM


class Step(Training):
    """Gradients by the chain rule, update rules as in the books; not timed."""

    def reset(self) -> None:
        layers = [[part.astype(np.float64) for part in layer] for layer in self.weights]
        behind = len(layers) - len(self.net.sizes) + 1
        self.front = layers[:behind]
        self.dense = [part for layer in layers[behind:] for part in layer]
        self.params = [*(part for layer in self.front for part in layer), *self.dense]
        self.first = [np.zeros_like(w) for w in self.params]
        self.second = [np.zeros_like(w) for w in self.params]
        self.steps = 0

    def step(self, x: Any, y: Any) -> float:
        tanh = self.net.activation == "tanh"
        x, backs = self._through(x.astype(np.float64))
        Ws, outputs = self.dense[::2], self.forward(x.reshape(len(x), -1))
        loss, dz = self._loss(outputs[-1], y)
        grads: list[Any] = []
        for number in reversed(range(len(Ws))):
            h = outputs[number]
            grads = [h.T @ dz, dz.sum(axis=0), *grads]
            slope = 1 if not number else 1 - h**2 if tanh else h > 0
            dz = dz @ Ws[number].T * slope
        dz = dz.reshape(x.shape)
        for back in reversed(backs):
            dz, own = back(dz)
            grads = [*own, *grads]
        self._update(grads)
        return float(loss)

    def _through(self, x: Any) -> tuple[Any, list[parts.Back]]:
        """Compute what the dense layers get, and the ways back."""
        backs, params = [], iter(self.front)
        for part in self.net.front:
            given = next(params) if part.shapes else []
            x, back = parts.run(part, x, given, self.net.activation == "tanh")
            backs.append(back)
        return x, backs

    def forward(self, x: Any) -> list[Any]:
        """Compute the input and the output of each dense layer."""
        tanh = self.net.activation == "tanh"
        Ws, bs = self.dense[::2], self.dense[1::2]
        outputs = [x.astype(np.float64)]
        for number, (W, b) in enumerate(zip(Ws, bs, strict=True), start=1):
            z = outputs[-1] @ W + b
            if number < len(Ws):
                z = np.tanh(z) if tanh else np.maximum(z, 0)
            outputs.append(z)
        return outputs

    def _loss(self, pred: Any, y: Any) -> tuple[Any, Any]:
        if self.net.loss == "mse":
            return np.mean((pred - y) ** 2), 2 * (pred - y) / pred.size
        exps = np.exp(pred - pred.max(axis=1, keepdims=True))
        p = exps / exps.sum(axis=1, keepdims=True)
        hot = np.eye(pred.shape[1])[y]
        return -np.log((p * hot).sum(axis=1)).mean(), (p - hot) / len(p)

    def _update(self, grads: list[Any]) -> None:
        self.steps += 1
        rate, rule = self.net.rate, self.net.optimizer
        for w, g, m, v in zip(self.params, grads, self.first, self.second, strict=True):
            if rule == "adam":
                m[...] = BETA1 * m + (1 - BETA1) * g
                v[...] = BETA2 * v + (1 - BETA2) * g**2
                w -= rate * m / (1 - BETA1**self.steps) / (np.sqrt(v / (1 - BETA2**self.steps)) + EPSILON)
            else:
                m[...] = (MOMENTUM if rule == "momentum" else 0) * m + g
                w -= rate * m


class Predict(Prediction):
    """The forward pass."""

    def predict(self, x: Any) -> Any:
        for number, (W, b) in enumerate(self.weights, start=1):
            x = x.astype(np.float64) @ W + b
            if number < len(self.weights):
                x = np.maximum(x, 0)
        return x


class Many(InTurn):
    """One net after the other."""

    one = Step


class ShortEpochs(Epochs, Step):
    """Epochs, only to compare with."""

    def epoch(self, order: Any) -> None:
        for rows in order.reshape(-1, self.net.batch):
            self.step(self.X[rows], self.y[rows])

    def scores(self) -> Any:
        return self.forward(self.X_val)[-1]

    def validate(self) -> float:
        loss, _ = self._loss(self.scores(), self.y_val)
        return float(loss)


class DenseShortEpochs(Densified, ShortEpochs):
    """The same on sparse rows that were made dense."""
