"""What the parity tests share: one tolerance, and the same numbers in both libraries."""

from __future__ import annotations

import os
from functools import cache

import numpy as np
import pytest

from nnlite import (
    Add,
    BatchNorm,
    Columns,
    Concatenate,
    Dense,
    Flatten,
    Input,
    LayerNorm,
    Multiply,
    ReLU,
    Residual,
    RMSNorm,
    Sequential,
    Sigmoid,
    Tanh,
    TimeDistributed,
    datasets,
)

# Where PyTorch is missing, this line skips every module that imports from here.
torch = pytest.importorskip("torch")

# The nets are tiny: more threads would only wait for one another, for long if the machine is busy.
torch.set_num_threads(1)

#: Largest absolute difference between a number of nnlite and PyTorch's, in float64.
TOLERANCE = 1e-10

#: The largest difference that each module found so far, and in what; shown at the end of the run.
worst_by_module: dict[str, tuple[float, str]] = {}

#: Rows in one step. It divides no row count used here, so the last batch of an epoch is short.
BATCH_SIZE = 32


class TorchResidual(torch.nn.Sequential):
    """Modules in a row, and the way past them."""

    def forward(self, x):
        return x + super().forward(x)


class TorchBatchNorm(torch.nn.BatchNorm1d):
    """PyTorch's, which knows no weights of rows, with the formulas written out where there are any."""

    weight_of_rows = None

    def forward(self, x):
        if self.weight_of_rows is None or not self.training:
            return super().forward(x)
        weight = tensor(self.weight_of_rows)[:, None]
        mean = (weight * x).sum(dim=0) / weight.sum()
        variance = (weight * (x - mean) ** 2).sum(dim=0) / weight.sum()
        count = int((weight != 0).sum())
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
        return (x - mean) / torch.sqrt(variance + self.eps) * self.weight + self.bias


class TorchBranches(torch.nn.Sequential):
    """Modules that each get the input, and a function that joins what they give."""

    def __init__(self, join, *branches):
        super().__init__(*branches)
        self.join = join

    def forward(self, x):
        return self.join([branch(x) for branch in self])


class TorchColumns(torch.nn.Module):
    """Some columns."""

    def __init__(self, numbers):
        super().__init__()
        self.numbers = numbers

    def forward(self, x):
        return x[..., self.numbers]


class TorchParts(torch.nn.Sequential):
    """Modules in a row for each part; of padded sequences only those that are no padding go through."""

    def __init__(self, padding, *modules):
        super().__init__(*modules)
        self.padding = padding

    def forward(self, x):
        batch, time = x.shape[:2]
        real = torch.ones(batch, time, dtype=bool)
        if self.padding is not None:
            other = (x != self.padding).reshape(batch, time, -1).any(dim=2)
            last = [int(row.nonzero().max()) + 1 if row.any() else 0 for row in other]
            real = torch.arange(time)[None] < torch.tensor(last)[:, None]
        norms = [one for one in self.modules() if isinstance(one, TorchBatchNorm)]
        outer = [one.weight_of_rows for one in norms]
        for one, weight in zip(norms, outer, strict=True):
            if weight is not None:
                one.weight_of_rows = np.repeat(weight, time)[real.reshape(-1).numpy()]
        found = super().forward(x[real])
        for one, weight in zip(norms, outer, strict=True):
            one.weight_of_rows = weight
        y = torch.full((batch, time, *found.shape[1:]), self.padding or 0.0, dtype=x.dtype)
        y[real] = found
        return y


def branches(join):
    """Say how a layer of branches is made again of their counterparts."""
    return lambda layer: TorchBranches(join, *(counterpart(one) for one in layer.children))


def in_a_row(kind):
    """Say how a layer made of others is made again of their counterparts."""
    return lambda layer: kind(*(counterpart(one) for one in layer.children))


#: The PyTorch module for each layer that the nets of these tests are made of.
COUNTERPARTS = {
    Add: branches(sum),
    Columns: lambda layer: TorchColumns(layer.numbers),
    Concatenate: branches(lambda parts: torch.cat(parts, dim=-1)),
    Flatten: lambda layer: torch.nn.Flatten(),
    Input: lambda layer: torch.nn.Identity(),
    Multiply: branches(lambda parts: torch.stack(parts).prod(dim=0)),
    TimeDistributed: lambda layer: TorchParts(layer.padding, *map(counterpart, layer.children)),
    BatchNorm: lambda layer: TorchBatchNorm(
        layer.features, eps=layer.epsilon, momentum=layer.momentum, dtype=torch.float64
    ),
    Dense: lambda layer: torch.nn.Linear(
        layer.in_features, layer.out_features, layer.bias, dtype=torch.float64
    ),
    LayerNorm: lambda layer: torch.nn.LayerNorm(layer.features, eps=layer.epsilon, dtype=torch.float64),
    RMSNorm: lambda layer: torch.nn.RMSNorm(layer.features, eps=layer.epsilon, dtype=torch.float64),
    ReLU: lambda layer: torch.nn.ReLU(),
    Residual: in_a_row(TorchResidual),
    Sequential: in_a_row(torch.nn.Sequential),
    Sigmoid: lambda layer: torch.nn.Sigmoid(),
    Tanh: lambda layer: torch.nn.Tanh(),
}

#: What PyTorch calls the arrays of a layer.
NAMES = {
    "W": "weight",
    "b": "bias",
    "gain": "weight",
    "bias": "bias",
    "running_mean": "running_mean",
    "running_variance": "running_var",
}


def assert_close(ours, theirs, what):
    """Fail unless two float64 results have one shape and differ nowhere by more than the tolerance."""
    ours = np.asarray(ours)
    theirs = theirs.detach().numpy() if isinstance(theirs, torch.Tensor) else np.asarray(theirs)
    assert ours.dtype == theirs.dtype == np.float64, f"{what}: {ours.dtype} against {theirs.dtype}"
    assert ours.shape == theirs.shape, f"{what}: {ours.shape} against {theirs.shape}"
    worst = np.max(np.abs(ours - theirs), initial=0.0)
    module = os.environ["PYTEST_CURRENT_TEST"].split("::")[0].split("/")[-1]
    worst_by_module[module] = max(worst_by_module.get(module, (0.0, "")), (float(worst), what))
    assert worst <= TOLERANCE, f"{what}: off by {worst:.3g}"  # NaN fails here too


def tensor(array):
    """Copy an array into a tensor of the same dtype."""
    return torch.tensor(np.asarray(array))


def leaf(array):
    """Copy an array into a tensor that gathers its gradient."""
    return tensor(array).requires_grad_()


def torch_pass(function, x, dy):
    """Give what a function of torch makes of x, and dL/dx for an upstream gradient."""
    x = leaf(x)
    y = function(x)
    y.backward(tensor(dy))
    return y, x.grad


def counterpart(layer):
    """Make the module of PyTorch that does what a layer does."""
    return COUNTERPARTS[type(layer)](layer)


def twin(model, *, replica=None):
    """Make the PyTorch net with the same layers and the same numbers."""
    net = torch.nn.Sequential(*(counterpart(layer) for layer in model))
    with torch.no_grad():
        for _, theirs, ours in number_pairs(model, net, replica=replica):
            theirs.copy_(tensor(ours))
    return net


def number_pairs(model, net, *, replica=None):
    """Give the name, the tensor of PyTorch and our array, laid out alike, of all that is learned or kept."""
    pick = slice(None) if replica is None else replica
    for index, (whole, module) in enumerate(zip(model, net, strict=True)):
        for place, layer in whole.walk(f"{index}."):
            part = module.get_submodule(place.partition(".")[2].removesuffix("."))
            for name in () if layer.children else layer._specs:
                array = getattr(layer, name)[pick]
                yield place + name, getattr(part, NAMES[name]), array.T if name == "W" else array.reshape(-1)


def parameter_pairs(model, net, *, replica=None):
    """Give the same for what is learned only."""
    pairs = number_pairs(model, net, replica=replica)
    return (pair for pair in pairs if isinstance(pair[1], torch.nn.Parameter))


def assert_same_parameters(model, net, when, *, replica=None):
    """Fail unless every number agrees that is learned or kept."""
    for name, theirs, ours in number_pairs(model, net, replica=replica):
        assert_close(ours, theirs, f"{name} after {when}")


def torch_step(net, optimizer, criterion, x, y, *, clip=None):
    """Make one training step with PyTorch and return the loss before it."""
    optimizer.zero_grad()
    value = criterion(net(tensor(x)), tensor(y))
    value.backward()
    if clip is not None:
        clip(net)
    optimizer.step()
    return value


def weighted_mean(criterion, weight):
    """Make the weighted mean over the rows out of a loss of PyTorch with ``reduction="none"``."""
    weight = tensor(weight)

    def loss(pred, target):
        rows = criterion(pred, target).reshape(len(weight), -1).mean(dim=1)
        return (rows * weight).sum() / weight.sum()

    return loss


@cache
def digits():
    """Return the digits with pixels in [0, 1] as float64, and their class ids."""
    X, y = datasets.digits()
    return X.astype(np.float64) / 16, y


@cache
def iris():
    """Return the iris measurements as float64 in a mixed order, and their class ids."""
    X, y = datasets.iris()
    order = np.random.default_rng(0).permutation(len(X))
    return X.astype(np.float64)[order], y[order]
