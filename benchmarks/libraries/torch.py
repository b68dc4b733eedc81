"""PyTorch: eager, with the fused optimizer, and compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.epochs import Epochs
from benchmarks.job import Prediction, Training
from benchmarks.many import InTurn, Many
from benchmarks.nets import BETA1, BETA2, EPSILON, MOMENTUM, Array, Net


def make_model(net: Net, weights: list[tuple[Array, Array]]) -> nn.Sequential:
    """Build the net with given weights."""
    layers: list[nn.Module] = []
    for fan_in, fan_out in zip(net.sizes, net.sizes[1:], strict=False):
        layers += [nn.Linear(fan_in, fan_out), nn.Tanh() if net.activation == "tanh" else nn.ReLU()]
    model = nn.Sequential(*layers[:-1])
    set_weights(model, weights)
    return model


def set_weights(model: nn.Sequential, weights: list[tuple[Array, Array]]) -> None:
    """Put given weights in."""
    linear = [layer for layer in model if isinstance(layer, nn.Linear)]
    with torch.no_grad():
        for layer, (W, b) in zip(linear, weights, strict=True):
            layer.weight.copy_(torch.from_numpy(W.T.copy()))
            layer.bias.copy_(torch.from_numpy(b))


def make_optimizer(net: Net, params: Any, **options: Any) -> Any:
    """Build the optimizer of the net."""
    if net.optimizer == "adam":
        return torch.optim.Adam(params, lr=net.rate, betas=(BETA1, BETA2), eps=EPSILON, **options)
    momentum = MOMENTUM if net.optimizer == "momentum" else 0.0
    return torch.optim.SGD(params, lr=net.rate, momentum=momentum, **options)


class Step(Training):
    """Forward, ``backward()``, ``step()``; options of the optimizer as given."""

    def __init__(self, case: str, threads: int, *, compiled: bool = False, **options: Any) -> None:
        super().__init__(case, threads)
        torch.set_num_threads(threads)
        self.batches = [(torch.from_numpy(x), torch.from_numpy(y)) for x, y in self.batches]
        self.model = make_model(self.net, self.weights)
        self.loss = nn.MSELoss() if self.net.loss == "mse" else nn.CrossEntropyLoss()
        self.options = options
        self.reset()
        if compiled:
            self.value = torch.compile(self._value)
            self.step = self._compiled_step
            self.check()
        else:
            self.value = self._value

    def reset(self) -> None:
        set_weights(self.model, self.weights)
        self.optimizer = make_optimizer(self.net, self.model.parameters(), **self.options)

    def _value(self, x: Any, y: Any) -> Any:
        return self.loss(self.model(x), y)

    def step(self, x: Any, y: Any) -> Any:
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.value(x, y)
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    _compiled_step = step


class Predict(Prediction):
    """The forward pass in inference mode."""

    def __init__(self, case: str, threads: int, *, kind: str = "eager") -> None:
        super().__init__(case, threads)
        torch.set_num_threads(threads)
        self.model = make_model(self.net, self.weights).eval()
        self.x = torch.from_numpy(self.X)
        with torch.inference_mode():
            if kind == "frozen":
                self.model = torch.jit.freeze(torch.jit.trace(self.model, self.x))
            elif kind == "compiled":
                self.model = torch.compile(self.model)
            for _ in range(5):
                self.model(self.x)

    def predict(self, x: Any) -> Any:
        with torch.inference_mode():
            return self.model(x)


class ManyInTurn(InTurn):
    """One net after the other."""

    one = Step


class ManyStep(Many, Step):
    """All nets at once by `torch.func.vmap`, as in PyTorch's tutorial on ensembles."""

    def __init__(self, case: str, threads: int, **options: Any) -> None:
        super().__init__(case, threads, **options)
        one, loss = self.model, self.loss

        def value(params: Any, x: Any, y: Any) -> Any:
            return loss(torch.func.functional_call(one, params, (x,)), y)

        self.values = torch.func.vmap(value, in_dims=(0, None, None))

    def reset(self) -> None:
        parts = [
            part for W, b in self.all_weights for part in (np.ascontiguousarray(W.swapaxes(1, 2)), b.copy())
        ]
        names = [name for name, _ in self.model.named_parameters()]
        self.params = {
            name: torch.from_numpy(part).requires_grad_() for name, part in zip(names, parts, strict=True)
        }
        self.optimizer = make_optimizer(self.net, self.params.values(), **self.options)

    def step(self, x: Any, y: Any) -> Any:
        self.optimizer.zero_grad(set_to_none=True)
        losses = self.values(self.params, x, y)
        losses.sum().backward()
        self.optimizer.step()
        return losses.detach()


class LoopEpochs(Epochs, Step):
    """The loop of PyTorch's tutorials, on tensors in memory and with a shuffled tensor of row numbers."""

    def __init__(self, case: str, threads: int, **options: Any) -> None:
        super().__init__(case, threads, **options)
        self.X, self.y = torch.from_numpy(self.X), torch.from_numpy(self.y)
        self.X_val, self.y_val = torch.from_numpy(self.X_val), torch.from_numpy(self.y_val)

    def reset(self) -> None:
        super().reset()
        torch.manual_seed(self.seed)

    def new_order(self) -> Any:
        return torch.randperm(len(self.X))

    def in_order(self, rows: int) -> Any:
        return torch.arange(rows)

    def epoch(self, order: Any) -> None:
        X, y, step = self.X, self.y, self.step
        total = torch.zeros(())
        for rows in order.split(self.net.batch):
            total += step(X[rows], y[rows])
        self.mean_loss = total.item() / (len(order) / self.net.batch)

    @torch.inference_mode()
    def scores(self) -> Any:
        return self.model(self.X_val)

    @torch.inference_mode()
    def validate(self) -> float:
        return self.loss(self.model(self.X_val), self.y_val).item()
