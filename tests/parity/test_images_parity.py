"""Convolution and pooling against PyTorch's: each option, ties, and 100 steps of small nets."""

from __future__ import annotations

import numpy as np
import pytest
from parity_tools import assert_close, leaf, tensor, torch

import nnlite as nn
from nnlite import (
    AveragePool1D,
    AveragePool2D,
    Conv1D,
    Conv2D,
    GlobalAveragePool,
    GlobalMaxPool,
    MaxPool1D,
    MaxPool2D,
)
from nnlite.core.parameters import Parameters
from nnlite.exchange import table
from nnlite.layers.windows import both

functional = torch.nn.functional

LAYERS = [
    (Conv2D(2, 3, 3), (6, 7, 2)),
    (Conv2D(1, 2, (2, 5), bias=False), (6, 7, 1)),
    (Conv2D(4, 6, 3, stride=2, padding=1, groups=2), (7, 6, 4)),
    (Conv2D(3, 3, (3, 2), dilation=(1, 2), padding=(2, 1), groups=3), (6, 7, 3)),
    (Conv2D(2, 3, 4, padding="same", stride=(1, 3)), (6, 7, 2)),
    (Conv1D(2, 3, 3, stride=2), (8, 2)),
    (Conv1D(4, 4, 2, padding="causal", dilation=3, groups=2), (8, 4)),
    (MaxPool2D(2), (6, 7, 2)),
    (MaxPool2D(3, stride=(1, 2), padding=1), (6, 7, 2)),
    (MaxPool1D(3, stride=2, padding="same"), (8, 2)),
    (AveragePool2D((2, 3)), (6, 7, 2)),
    (AveragePool2D(3, stride=2, padding=1), (6, 7, 2)),
    (AveragePool1D(2, stride=1), (8, 2)),
    (GlobalAveragePool(), (3, 4, 2)),
    (GlobalMaxPool(1), (5, 2)),
]


def in_float64(layer, rng):
    """Move a layer into parameters of float64, all of them drawn."""
    params = Parameters(layer._specs.values(), dtype=np.float64)
    layer._in_model = True
    layer._move_into(params)
    params.values[...] = rng.normal(scale=0.4, size=params.size)
    return params


def first(array):
    """Bring the last axis behind that of the batch, where PyTorch has the channels."""
    return np.moveaxis(array, -1, 1)


def theirs(layer, x, numbers):
    """Compute the same with PyTorch, whose padding is done before."""
    axes = layer.axes
    if isinstance(layer, GlobalAveragePool):
        return x.mean(dim=tuple(range(2, axes + 2)))
    if isinstance(layer, GlobalMaxPool):
        return x.amax(dim=tuple(range(2, axes + 2)))
    sides = [window.pads(length) for window, length in zip(layer.windows, x.shape[2:], strict=True)]
    pads = [pad for side in sides[::-1] for pad in side]
    if not isinstance(layer, Conv1D | Conv2D):
        largest = "Max" in type(layer).__name__
        pool = getattr(functional, f"{'max' if largest else 'avg'}_pool{axes}d")
        stride = None if layer.stride is None else both(layer.stride, axes)
        if largest:
            return pool(functional.pad(x, pads, value=-np.inf), layer.size, stride)
        return pool(x, layer.size, stride, layer.padding, count_include_pad=False)
    conv = getattr(functional, f"conv{axes}d")
    how = {"stride": layer.stride, "dilation": layer.dilation, "groups": layer.groups}
    return conv(functional.pad(x, pads), *numbers, **how)


@pytest.mark.parametrize(("layer", "sample"), LAYERS, ids=lambda value: f"{value}")
def test_layer(layer, sample, rng):
    params = in_float64(layer, rng) if layer.parameter_names else None
    x = rng.normal(size=(4, *sample)).round(1)  # so that some are equal
    if isinstance(layer, GlobalMaxPool):
        x = rng.normal(size=(4, *sample))  # PyTorch shares the blame among equals there
    numbers = []
    if params is not None:
        W = tensor(np.moveaxis(layer.W.swapaxes(-1, -2), (-2, -1), (0, 1))).requires_grad_()
        numbers = [W, *([leaf(layer.b)] if layer.bias else [])]
    ctx = layer._context()
    y, there = layer.forward(x, ctx), leaf(first(x))
    expected = theirs(layer, there, numbers)
    assert_close(first(y), expected, f"y of {layer}")
    dy = rng.normal(size=y.shape)
    expected.backward(tensor(first(dy)))
    assert_close(first(layer.backward(dy, ctx)), there.grad, f"dx of {layer}")
    if params is not None:
        grad = np.moveaxis(params.grad("W").swapaxes(-1, -2), (-2, -1), (0, 1))
        assert_close(grad, numbers[0].grad, f"dW of {layer}")
        if layer.bias:
            assert_close(params.grad("b"), numbers[1].grad, f"db of {layer}")


NETS = {
    "images": lambda: [
        nn.Input((9, 8, 2)),
        Conv2D(2, 4, 3, padding=1),
        nn.ReLU(),  # many zeros, of which the first is the largest
        MaxPool2D(2),
        Conv2D(4, 6, 2, groups=2, stride=(1, 2)),
        nn.Tanh(),
        AveragePool2D(2, stride=1, padding=1),
        nn.Flatten((4, 3, 6)),
        nn.Dense(72, 3),
    ],
    "sequences": lambda: [
        nn.Input((11, 2)),
        Conv1D(2, 6, 3, dilation=2),
        nn.Sigmoid(),
        MaxPool1D(3, stride=2, padding=1),
        Conv1D(6, 4, 2),
        GlobalAveragePool(1),
        nn.Dense(4, 3),
    ],
}


@pytest.mark.parametrize("name", NETS)
def test_hundred_steps(name, rng):
    model = nn.Sequential(NETS[name](), rng=0, dtype=np.float64)
    net = torch.nn.Sequential(
        *(eval(table.twin(layer, "torch"), {"t": torch.nn}) for layer in model)
    ).double()
    net.load_state_dict(nn.interop.to_torch_state_dict(model), strict=False)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.8)
    own = nn.SGD(0.05, momentum=0.8)
    loss = nn.SoftmaxCrossEntropy()
    for step in range(100):
        x, y = rng.normal(size=(6, *model.input_shape)), rng.integers(0, 3, 6)
        optimizer.zero_grad()
        expected = functional.cross_entropy(net(tensor(first(x))), tensor(y))
        expected.backward()
        assert_close(np.float64(model.loss_and_grad(x, y, loss)), expected, f"loss in step {step}")
        optimizer.step()
        own.step(model.params)
    weights = nn.interop.to_torch_state_dict(model, as_numpy=True)
    for key, found in net.state_dict().items():
        assert_close(weights[key], found, f"{key} of {name} after 100 steps")
