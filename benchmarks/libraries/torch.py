"""PyTorch: eager, with the fused optimizer, and compiled."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn
from torch.nn.functional import embedding_bag

from benchmarks.epochs import Densified, Epochs
from benchmarks.job import Prediction, Training
from benchmarks.many import InTurn, Many
from benchmarks.nets import BETA1, BETA2, EPSILON, GRU, MOMENTUM, Array, Conv, Net, Part, Weights


class Bag(nn.Module):
    """A linear layer for sparse rows: the column and the value of each entry, and where a row begins."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(inputs, outputs))
        self.bias = nn.Parameter(torch.empty(outputs))

    def forward(self, x: Any) -> Any:
        columns, values, begins = x
        weight = self.weight
        return embedding_bag(columns, weight, begins, mode="sum", per_sample_weights=values) + self.bias


class Product(Bag):
    """A linear layer for rows in a sparse tensor."""

    def forward(self, x: Any) -> Any:
        return torch.sparse.mm(x, self.weight) + self.bias


class LastState(nn.GRU):
    """A recurrent layer that gives its state behind the last step."""

    def forward(self, x: Any) -> Any:
        return super().forward(x)[1][0]


def make_part(part: Part, activation: type[nn.Module]) -> list[nn.Module]:
    """Build what stands in front of the linear layers."""
    if isinstance(part, Conv):
        return [nn.Conv2d(part.inputs, part.outputs, part.size, padding=part.padding), activation()]
    if isinstance(part, GRU):
        return [LastState(part.inputs, part.units, batch_first=True)]
    return [nn.MaxPool2d(part.size)]


def make_model(net: Net, weights: Weights, first: type[nn.Module] = nn.Linear) -> nn.Sequential:
    """Build the net with given weights, perhaps with a first linear layer of another kind."""
    activation = nn.Tanh if net.activation == "tanh" else nn.ReLU
    layers = [module for part in net.front for module in make_part(part, activation)]
    if len(net.shape) == 3:
        layers.append(nn.Flatten())
    for fan_in, fan_out in zip(net.sizes, net.sizes[1:], strict=False):
        layers += [first(fan_in, fan_out), activation()]
        first = nn.Linear
    model = nn.Sequential(*layers[:-1])
    set_weights(model, weights)
    return model


def set_weights(model: nn.Sequential, weights: Weights) -> None:
    """Put given weights in."""
    learning = [layer for layer in model if list(layer.parameters())]
    channels = 1  # of the images that are made one row each: here channel by channel
    with torch.no_grad():
        for layer, arrays in zip(learning, weights, strict=True):
            W, b = arrays[0], arrays[-1]
            if isinstance(layer, nn.GRU):
                for parameter, array in zip(layer.parameters(), arrays, strict=True):
                    parameter.copy_(torch.from_numpy(_gates(array)))
                continue
            if isinstance(layer, nn.Conv2d):
                W, channels = W.transpose(3, 2, 0, 1), len(b)
            elif not isinstance(layer, Bag):
                W, channels = W.reshape(-1, channels, len(b)).swapaxes(0, 1).reshape(W.shape).T, 1
            layer.weight.copy_(torch.from_numpy(W.copy()))
            layer.bias.copy_(torch.from_numpy(b))


def _gates(array: Array) -> Array:
    """Turn columns of update, reset and new state into PyTorch's rows, where reset comes first."""
    update, reset, new = np.split(array, 3, axis=-1)
    return np.concatenate([reset, update, new], axis=-1).T.copy()


def make_optimizer(net: Net, params: Any, **options: Any) -> Any:
    """Build the optimizer of the net."""
    if net.optimizer == "adam":
        return torch.optim.Adam(params, lr=net.rate, betas=(BETA1, BETA2), eps=EPSILON, **options)
    momentum = MOMENTUM if net.optimizer == "momentum" else 0.0
    return torch.optim.SGD(params, lr=net.rate, momentum=momentum, **options)


class Step(Training):
    """Forward, ``backward()``, ``step()``, one after the other; options of the optimizer as given.

    Images are there as PyTorch takes them: with their channels in front, or, with `channels_last`, in the
    layout of memory that goes by that name.
    """

    #: The kind of the first layer.
    first: ClassVar[type[nn.Module]] = nn.Linear

    def __init__(self, case: str, threads: int, *, channels_last: bool = False, **options: Any) -> None:
        super().__init__(case, threads)
        torch.set_num_threads(threads)
        self.batches = [(torch.from_numpy(x), torch.from_numpy(y)) for x, y in self.batches]
        self.model = make_model(self.net, self.weights, self.first)
        if len(self.net.shape) == 3:
            layout = torch.channels_last if channels_last else torch.contiguous_format
            self.model.to(memory_format=layout)
            self.batches = [
                (x.permute(0, 3, 1, 2).contiguous(memory_format=layout), y) for x, y in self.batches
            ]
        self.loss = nn.MSELoss() if self.net.loss == "mse" else nn.CrossEntropyLoss()
        self.options = options
        self.reset()

    def reset(self) -> None:
        set_weights(self.model, self.weights)
        self.optimizer = make_optimizer(self.net, self.model.parameters(), **self.options)

    def step(self, x: Any, y: Any) -> Any:
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(self.model(x), y)
        loss.backward()
        self.optimizer.step()
        return loss.detach()


class CompiledStep(Step):
    """The whole step in one graph of `torch.compile`, called from C++.

    Two to four times as fast on small nets as the step above with its parts compiled: what takes the
    time there is to come back to Python between the passes and the update.
    """

    def __init__(self, case: str, threads: int) -> None:
        super().__init__(case, threads)
        value = torch.func.grad_and_value(self._value)
        update = {"sgd": self._sgd, "momentum": self._momentum, "adam": self._adam}[self.net.optimizer]

        def step(params: Any, kept: Any, x: Any, y: Any) -> Any:
            grads, loss = value(params, x, y)
            for name, grad in grads.items():
                update(params[name], grad, kept, name)
            return loss

        self.compiled = torch.compile(step, options={"cpp_wrapper": True})

    def _value(self, params: Any, x: Any, y: Any) -> Any:
        return self.loss(torch.func.functional_call(self.model, params, (x,)), y)

    def _sgd(self, w: Any, g: Any, kept: Any, name: str) -> None:
        w.sub_(g, alpha=self.net.rate)

    def _momentum(self, w: Any, g: Any, kept: Any, name: str) -> None:
        w.sub_(kept["first"][name].mul_(MOMENTUM).add_(g), alpha=self.net.rate)

    def _adam(self, w: Any, g: Any, kept: Any, name: str) -> None:
        first, second, count = (kept[part][name] for part in ("first", "second", "count"))
        count += 1
        first.mul_(BETA1).add_(g, alpha=1 - BETA1)
        second.mul_(BETA2).addcmul_(g, g, value=1 - BETA2)
        corrected = second / (1 - BETA2**count)
        w.sub_(self.net.rate / (1 - BETA1**count) * first / (corrected.sqrt() + EPSILON))

    def reset(self) -> None:
        super().reset()
        self.params = {name: part.detach().clone() for name, part in self.model.named_parameters()}
        self.kept = {
            part: {name: torch.zeros_like(w) for name, w in self.params.items()}
            for part in ("first", "second")
        }
        self.kept["count"] = {name: torch.zeros(()) for name in self.params}

    @torch.no_grad()
    def step(self, x: Any, y: Any) -> Any:
        return self.compiled(self.params, self.kept, x, y)


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
        self.y, self.y_val = torch.from_numpy(self.y), torch.from_numpy(self.y_val)
        self.prepare()

    def prepare(self) -> None:
        """Turn the rows into what `take` takes from, and those for validation into what the net takes."""
        self.X, self.X_val = torch.from_numpy(self.X), torch.from_numpy(self.X_val)

    def take(self, rows: Any) -> Any:
        """Put some rows together to a batch."""
        return self.X[rows]

    def reset(self) -> None:
        super().reset()
        torch.manual_seed(self.seed)

    def new_order(self) -> Any:
        return torch.randperm(len(self.y))

    def in_order(self, rows: int) -> Any:
        return torch.arange(rows)

    def epoch(self, order: Any) -> None:
        take, y, step = self.take, self.y, self.step
        total = torch.zeros(())
        for rows in order.split(self.net.batch):
            total += step(take(rows), y[rows])
        self.mean_loss = total.item() / (len(order) / self.net.batch)

    @torch.inference_mode()
    def scores(self) -> Any:
        return self.model(self.X_val)

    @torch.inference_mode()
    def validate(self) -> float:
        return self.loss(self.model(self.X_val), self.y_val).item()


class DenseLoopEpochs(Densified, LoopEpochs):
    """The loop on sparse rows that were made dense."""


class BagEpochs(LoopEpochs):
    """Sparse rows that SciPy takes out of its matrix, and `embedding_bag` in the place of the first layer."""

    first = Bag

    def prepare(self) -> None:
        self.X_val = self.convert(self.X_val)

    def take(self, rows: Any) -> Any:
        return self.convert(self.X[rows.numpy()])

    def convert(self, x: Any) -> Any:
        """Turn rows of SciPy's into what the first layer takes."""
        return torch.from_numpy(x.indices), torch.from_numpy(x.data), torch.from_numpy(x.indptr[:-1])


class ProductEpochs(BagEpochs):
    """Sparse rows likewise, and `torch.sparse.mm` in the first layer."""

    first = Product

    def convert(self, x: Any) -> Any:
        parts = torch.from_numpy(x.indptr), torch.from_numpy(x.indices), torch.from_numpy(x.data)
        return torch.sparse_csr_tensor(*parts, size=x.shape, check_invariants=False)
