"""thinc: `begin_update`, `backprop` and `finish_update`."""

from __future__ import annotations

from typing import Any

import numpy as np
from thinc.api import (
    SGD,
    Adam,
    Linear,
    Model,
    NumpyOps,
    Relu,
    Softmax_v2,
    chain,
    fix_random_seed,
    set_current_ops,
)

from benchmarks.epochs import Epochs
from benchmarks.job import Prediction, Training
from benchmarks.nets import BETA1, BETA2, EPSILON_BEFORE_CORRECTION, MOMENTUM, Net, Weights, batches, one_hot


def _tanh(model: Any, X: Any, is_train: bool) -> Any:  # noqa: ARG001 - what thinc calls it with
    Y = np.tanh(X)

    def backprop(dY: Any) -> Any:
        dX = 1 - Y * Y
        dX *= dY
        return dX

    return Y, backprop


def make_model(net: Net, weights: Weights, *, blis: bool, softmax: bool = True) -> Any:
    """Build the net with given weights."""
    set_current_ops(NumpyOps(use_blis=blis))
    layers: list[Any] = []
    for fan_in, fan_out in zip(net.sizes[:-1], net.sizes[1:-1], strict=False):
        if net.activation == "tanh":
            layers += [Linear(fan_out, fan_in), Model("tanh", _tanh)]
        else:
            layers.append(Relu(fan_out, fan_in))
    last = Softmax_v2 if net.loss == "cross_entropy" and softmax else Linear
    model = chain(*layers, last(net.sizes[-1], net.sizes[-2]))
    model.initialize()
    set_weights(model, weights)
    return model


def set_weights(model: Any, weights: Weights) -> None:
    """Put given weights in."""
    dense = [layer for layer in model.layers if layer.has_param("W")]
    for layer, (W, b) in zip(dense, weights, strict=True):
        layer.set_param("W", np.ascontiguousarray(W.T))
        layer.set_param("b", b.copy())


class Momentum:
    """SGD with momentum, which thinc does not have, written as its own optimizers are."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.velocities: dict[Any, Any] = {}

    def __call__(self, key: Any, weights: Any, gradient: Any) -> Any:
        velocity = self.velocities.setdefault(key, np.zeros_like(weights))
        velocity *= MOMENTUM
        velocity += gradient
        np.multiply(velocity, self.rate, out=gradient)
        weights -= gradient
        gradient.fill(0)
        return weights, gradient


class Step(Training):
    """The loop of thinc's own documentation."""

    def __init__(self, case: str, threads: int, *, blis: bool = True) -> None:
        super().__init__(case, threads)
        net = self.net
        self.model = make_model(net, self.weights, blis=blis)
        if net.loss == "cross_entropy":
            self.batches = batches(net, self.X, one_hot(self.y, net.sizes[-1]), self.y)
            self.batches = [(x, (hot, y)) for x, hot, y in self.batches]
            self.step = self._classify
        self.rows = np.arange(net.batch)

    def reset(self) -> None:
        net = self.net
        set_weights(self.model, self.weights)
        if net.optimizer == "adam":
            self.optimizer: Any = Adam(
                net.rate,
                beta1=BETA1,
                beta2=BETA2,
                eps=EPSILON_BEFORE_CORRECTION,
                grad_clip=0.0,
                use_averages=False,
            )
        elif net.optimizer == "momentum":
            self.optimizer = Momentum(net.rate)
        else:
            self.optimizer = SGD(net.rate, grad_clip=0.0, use_averages=False)

    def step(self, x: Any, y: Any) -> Any:
        pred, backprop = self.model.begin_update(x)
        gap = pred - y
        loss = np.vdot(gap, gap) / gap.size
        gap *= 2 / gap.size
        backprop(gap)
        self.model.finish_update(self.optimizer)
        return loss

    def _classify(self, x: Any, y: Any) -> Any:
        p, backprop = self.model.begin_update(x)
        hot, ids = y
        loss = -np.log(p[self.rows, ids]).mean()
        gap = p - hot
        gap *= 1 / len(p)
        backprop(gap)
        self.model.finish_update(self.optimizer)
        return loss


class Predict(Prediction):
    """`predict`."""

    def __init__(self, case: str, threads: int, *, blis: bool = True) -> None:
        super().__init__(case, threads)
        self.model = make_model(self.net, self.weights, blis=blis, softmax=False)

    def predict(self, x: Any) -> Any:
        return self.model.predict(x)


class LoopEpochs(Epochs, Step):
    """The loop of thinc's own documentation, over `multibatch`."""

    def __init__(self, case: str, threads: int, *, blis: bool = True) -> None:
        super().__init__(case, threads, blis=blis)
        self.hot = one_hot(self.y, self.net.sizes[-1])
        self.rows_val = np.arange(len(self.y_val))

    def reset(self) -> None:
        super().reset()
        fix_random_seed(self.seed)

    def new_order(self) -> Any:
        return None

    def epoch(self, order: Any) -> None:
        rows = None if order is None else len(order)
        data = self.X[:rows], self.hot[:rows], self.y[:rows]
        losses = [
            self.step(x, (hot, y))
            for x, hot, y in self.model.ops.multibatch(self.net.batch, *data, shuffle=order is None)
        ]
        self.mean_loss = np.mean(losses)

    def scores(self) -> Any:
        return self.model.predict(self.X_val)

    def validate(self) -> float:
        return float(-np.log(self.scores()[self.rows_val, self.y_val]).mean())
