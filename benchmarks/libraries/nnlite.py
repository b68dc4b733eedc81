"""nnlite: `fit` with all its features, and the explicit loop of two lines."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np

import nnlite as nn
from benchmarks.epochs import Densified, Epochs
from benchmarks.job import Prediction, Training, losses_by_sums, need
from benchmarks.many import Many, kind_of
from benchmarks.nets import BETA1, BETA2, EPSILON, GRU, MOMENTUM, Array, Conv, Net, Part, Weights


def make_part(part: Part, activation: type[nn.Layer]) -> list[Any]:
    """Build what stands in front of the dense layers."""
    if isinstance(part, Conv):
        return [nn.Conv2D(part.inputs, part.outputs, part.size, padding=part.padding), activation()]
    return [nn.GRU(part.inputs, part.units) if isinstance(part, GRU) else nn.MaxPool2D(part.size)]


def make_model(net: Net, weights: Weights, **options: Any) -> nn.Sequential:
    """Build the net with given weights."""
    activation = nn.Tanh if net.activation == "tanh" else nn.ReLU
    layers: list[Any] = [nn.Input(net.shape)] if net.shape else []
    layers += [layer for part in net.front for layer in make_part(part, activation)]
    if len(net.shape) == 3:
        layers.append(nn.Flatten(reduce(lambda shape, layer: layer.shape_after(shape), layers, net.shape)))
    for fan_in, fan_out in zip(net.sizes, net.sizes[1:], strict=False):
        layers += [nn.Dense(fan_in, fan_out), activation()]
    model = nn.Sequential(layers[:-1], rng=0, **options)
    set_weights(model, weights)
    return model


def reset_first(array: Array) -> Array:
    """Turn columns of update, reset and new state into nnlite's order, in which reset comes first."""
    update, reset, new = np.split(array, 3, axis=-1)
    return np.concatenate([reset, update, new], axis=-1)


def set_weights(model: nn.Sequential, weights: Weights) -> None:
    """Put given weights in."""
    layers = [layer for layer in model if layer.parameter_names]
    for layer, arrays in zip(layers, weights, strict=True):
        for name, array in zip(layer.parameter_names, arrays, strict=True):
            getattr(layer, name)[...] = reset_first(array) if isinstance(layer, nn.GRU) else array


def make_optimizer(net: Net, rate: Any = None) -> Any:
    """Build the optimizer of the net, perhaps with another learning rate than that of the net."""
    rate = net.rate if rate is None else rate
    if net.optimizer == "adam":
        return nn.Adam(rate, beta1=BETA1, beta2=BETA2, epsilon=EPSILON)
    return nn.SGD(rate, momentum=MOMENTUM if net.optimizer == "momentum" else 0.0)


def ask_for_jit(call: Callable[..., Any], jit: bool) -> dict[str, bool]:
    """Give the argument with which a call is compiled, if that is wanted.

    Raises
    ------
    NotImplementedError
        If it is wanted and the call does not have it.
    """
    if not jit:
        return {}
    need(call, "jit")
    return {"jit": True}


def describe_engine(history: Any) -> str:
    """Say what a training has run on, as far as it tells."""
    return f"engine: {getattr(history, 'engine', 'not said')}"


class Step(Training):
    """``loss_and_grad`` and ``step``, over batches that are there already."""

    def __init__(self, case: str, threads: int, *, jit: bool = False) -> None:
        self.compiled = ask_for_jit(nn.Sequential.fit, jit)
        super().__init__(case, threads)
        self.model = make_model(self.net, self.weights)
        self.loss = nn.MeanSquaredError() if self.net.loss == "mse" else nn.SoftmaxCrossEntropy()

    def reset(self) -> None:
        set_weights(self.model, self.weights)
        self.optimizer = make_optimizer(self.net)

    def fit(self, X: Any, y: Any, **options: Any) -> Any:
        """Call `fit`, compiled if that was asked for, and note what it says of its engine."""
        options |= self.compiled
        history = self.model.fit(
            X, y, loss=self.loss, optimizer=self.optimizer, batch_size=self.net.batch, **options
        )
        if self.compiled:
            self.remark = describe_engine(history)
        return history

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

    def __init__(self, case: str, threads: int, **options: Any) -> None:
        super().__init__(case, threads, **options)
        self.multiple = 2 * self.net.batches

    def run(self, count: int) -> None:
        """Fit for as many epochs as have so many steps."""
        self.fit(self.X, self.y, epochs=max(1, count // self.net.batches), rng=0)

    def check(self) -> list[float]:
        """Fit in the order of the rows, with a callback that sees every loss."""
        if self.compiled:
            return self._check_epochs()
        self.reset()
        seen = _Losses()
        epochs = -(-self.checked // self.net.batches)
        self.fit(self.X, self.y, epochs=epochs, shuffle=False, callbacks=[seen])
        return seen.losses[: self.checked * self.replicas]

    def _check_epochs(self) -> list[float]:
        """Fit for epochs of 1, 2, 3 ... batches: a callback for batches would take the epoch apart."""
        repeated = -(-self.checked // self.net.batches)
        X, y = (np.concatenate([array] * repeated) for array in (self.X, self.y))

        def mean_loss(number: int) -> Any:
            self.reset()
            rows = number * self.net.batch
            return self.fit(X[:rows], y[:rows], epochs=1, shuffle=False)["loss"][0]

        losses = losses_by_sums(mean_loss, self.checked)
        self.reset()
        self.run(self.multiple)  # what is compiled for shuffled epochs only must be there too
        return losses


class Predict(Prediction):
    """`predict`."""

    def __init__(self, case: str, threads: int, *, jit: bool = False) -> None:
        self.compiled = ask_for_jit(nn.Sequential.predict, jit)
        super().__init__(case, threads)
        self.model = make_model(self.net, self.weights)

    def predict(self, x: Any) -> Any:
        return self.model.predict(x, **self.compiled)


class ManyStep(Many, Step):
    """``loss_and_grad`` and ``step`` of all nets at once, perhaps with a learning rate for each."""

    def __init__(self, case: str, threads: int, *, rates: bool = False, **options: Any) -> None:
        super().__init__(case, threads, **options)
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
        X, y, shuffle = self.X[:rows], self.y[:rows], rows is None
        return self.fit(X, y, epochs=epochs, shuffle=shuffle, rng=self.seed, **options)

    def train(self, epochs: int, *, rows: int | None = None) -> list[float]:
        return self._fit(epochs, rows, validation=(self.X_val, self.y_val))["validation_loss"]

    def until(self, enough: Callable[[], bool], epochs: int) -> None:
        self._fit(epochs, callbacks=[_Until(enough)])

    def scores(self) -> Any:
        return self.model.predict(self.X_val)

    def check(self) -> list[float]:
        found = super().check()
        if self.compiled:
            self.run(1)  # what is compiled for shuffled epochs only must be there too
        return found


class WholeFits(FitEpochs):
    """A call of `fit` for every epoch, with all that it does before the first batch and after the last."""

    def run(self, count: int) -> None:
        for _ in range(count):
            self.train(1)


class DenseFitEpochs(Densified, FitEpochs):
    """`fit` on sparse rows that were made dense."""
