"""nnlite: `fit` with all its features, and the explicit loop of two lines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import nnlite as nn
from benchmarks.epochs import Densified, Epochs
from benchmarks.job import Prediction, Training
from benchmarks.many import Many, kind_of
from benchmarks.nets import BETA1, BETA2, EPSILON, MOMENTUM, Array, Net


def make_model(net: Net, weights: list[tuple[Array, Array]], **options: Any) -> nn.Sequential:
    """Build the net with given weights."""
    layers: list[Any] = []
    for fan_in, fan_out in zip(net.sizes, net.sizes[1:], strict=False):
        layers += [nn.Dense(fan_in, fan_out), nn.Tanh() if net.activation == "tanh" else nn.ReLU()]
    model = nn.Sequential(layers[:-1], rng=0, **options)
    set_weights(model, weights)
    return model


def set_weights(model: nn.Sequential, weights: list[tuple[Array, Array]]) -> None:
    """Put given weights in."""
    dense = [layer for layer in model if isinstance(layer, nn.Dense)]
    for layer, (W, b) in zip(dense, weights, strict=True):
        layer.W[...], layer.b[...] = W, b


def make_optimizer(net: Net, rate: Any = None) -> Any:
    """Build the optimizer of the net, perhaps with another learning rate than that of the net."""
    rate = net.rate if rate is None else rate
    if net.optimizer == "adam":
        return nn.Adam(rate, beta1=BETA1, beta2=BETA2, epsilon=EPSILON)
    return nn.SGD(rate, momentum=MOMENTUM if net.optimizer == "momentum" else 0.0)


class Step(Training):
    """``loss_and_grad`` and ``step``, over batches that are there already."""

    def __init__(self, case: str, threads: int) -> None:
        super().__init__(case, threads)
        self.model = make_model(self.net, self.weights)
        self.loss = nn.MeanSquaredError() if self.net.loss == "mse" else nn.SoftmaxCrossEntropy()

    def reset(self) -> None:
        set_weights(self.model, self.weights)
        self.optimizer = make_optimizer(self.net)

    def step(self, x: Any, y: Any) -> Any:
        loss = self.model.loss_and_grad(x, y, self.loss)
        self.optimizer.step(self.model.params)
        return loss


class _Losses(nn.Callback):
    """Keep the loss of every batch, or the losses of all replicas."""

    def __init__(self) -> None:
        self.losses: list[float] = []

    def on_batch_end(self, state: Any) -> None:
        self.losses.extend(np.ravel(state.batch_loss).tolist())


class Fit(Step):
    """`fit` on arrays, shuffled, at least two epochs at a time."""

    def __init__(self, case: str, threads: int) -> None:
        super().__init__(case, threads)
        self.multiple = 2 * self.net.batches

    def run(self, count: int) -> None:
        """Fit for as many epochs as have so many steps."""
        net = self.net
        self.model.fit(
            self.X,
            self.y,
            loss=self.loss,
            optimizer=self.optimizer,
            epochs=max(1, count // net.batches),
            batch_size=net.batch,
            rng=0,
        )

    def check(self) -> list[float]:
        """Fit in the order of the rows, with a callback that sees every loss."""
        self.reset()
        seen, net = _Losses(), self.net
        self.model.fit(
            self.X,
            self.y,
            loss=self.loss,
            optimizer=self.optimizer,
            epochs=-(-self.checked // net.batches),
            batch_size=net.batch,
            shuffle=False,
            callbacks=[seen],
        )
        return seen.losses[: self.checked * self.replicas]


class Predict(Prediction):
    """`predict`."""

    def __init__(self, case: str, threads: int) -> None:
        super().__init__(case, threads)
        self.model = make_model(self.net, self.weights)

    def predict(self, x: Any) -> Any:
        return self.model.predict(x)


class ManyStep(Many, Step):
    """``loss_and_grad`` and ``step`` of all nets at once, perhaps with a learning rate for each."""

    def __init__(self, case: str, threads: int, *, rates: bool = False) -> None:
        super().__init__(case, threads)
        self.all_weights = [(W, b[:, None]) for W, b in self.all_weights]
        self.model = make_model(self.net, self.all_weights, replicas=self.replicas)
        # All the same, so that the losses can be compared: nobody looks for that.
        self.rates = np.full(self.replicas, self.net.rate) if rates else None

    def reset(self) -> None:
        set_weights(self.model, self.all_weights)
        self.optimizer = make_optimizer(self.net, self.rates)


class ManyFit(ManyStep, Fit):
    """`fit` of all nets at once."""


class OneOfMany(Fit):
    """`fit` of one of the nets."""

    def load(self, case: str) -> tuple[Net, Any, Any]:
        return super().load(kind_of(case))

    def check(self) -> list[float]:
        return []


class _Until(nn.Callback):
    """Stop when it is enough."""

    def __init__(self, enough: Callable[[], bool]) -> None:
        self.enough = enough

    def on_epoch_end(self, state: Any) -> None:
        if self.enough():
            state.stop("enough")


class FitEpochs(Epochs, Step):
    """`fit` with validation rows."""

    def _fit(self, epochs: int, rows: int | None = None, **options: Any) -> Any:
        return self.model.fit(
            self.X[:rows],
            self.y[:rows],
            loss=self.loss,
            optimizer=self.optimizer,
            epochs=epochs,
            batch_size=self.net.batch,
            shuffle=rows is None,
            rng=self.seed,
            **options,
        )

    def train(self, epochs: int, *, rows: int | None = None) -> list[float]:
        return self._fit(epochs, rows, validation=(self.X_val, self.y_val))["validation_loss"]

    def until(self, enough: Callable[[], bool], epochs: int) -> None:
        self._fit(epochs, callbacks=[_Until(enough)])

    def scores(self) -> Any:
        return self.model.predict(self.X_val)


class DenseFitEpochs(Densified, FitEpochs):
    """`fit` on sparse rows that were made dense."""
