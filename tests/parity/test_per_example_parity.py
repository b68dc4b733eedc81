"""Per-example gradients and Jacobians are those of torch.func."""

from __future__ import annotations

import numpy as np
import pytest
from parity_tools import assert_close, parameter_pairs, tensor, torch, twin

from nnlite import (
    BatchNorm,
    Dense,
    LayerNorm,
    MeanSquaredError,
    ReLU,
    Residual,
    Sequential,
    Sigmoid,
    SoftmaxCrossEntropy,
    Tanh,
)

NETS = {
    "one output": lambda: [Dense(3, 5), Tanh(), Dense(5, 1)],
    "three outputs": lambda: [Dense(3, 6), ReLU(), Dense(6, 4, bias=False), Sigmoid(), Dense(4, 3)],
    "blocks": lambda: [
        Dense(3, 4),
        Residual([BatchNorm(4), Tanh(), Residual([LayerNorm(4), Dense(4, 4)])]),
        Sequential([BatchNorm(4, epsilon=0.1), Dense(4, 3)]),
    ],
}


@pytest.fixture(params=NETS)
def pair(request, rng):
    """A model, its twin, the parameters of the twin by name, and some input."""
    model = Sequential(NETS[request.param](), dtype=np.float64, rng=0)
    model.params.values[...] = rng.normal(size=model.params.size)
    model.params.state[...] = rng.uniform(0.5, 2, size=model.params.state.size)
    net = twin(
        model
    ).eval()  # where each row is asked for its own gradient, statistics are those that are kept
    return model, net, {name: p.detach() for name, p in net.named_parameters()}, rng.normal(size=(7, 3))


def assert_same(model, net, ours, theirs, what):
    """Compare a flat last axis with PyTorch's dict of arrays, whose matrices are transposed."""
    views = model.params.split(ours)
    names = {id(p): name for name, p in net.named_parameters()}
    for name, parameter, _ in parameter_pairs(model, net):
        found = theirs[names[id(parameter)]]
        assert_close(views[name], found.mT if name.endswith("W") else found, f"{what} of {name}")


def test_jacobian(pair):
    model, net, parameters, x = pair

    def output(parameters, row):
        return torch.func.functional_call(net, parameters, row[None])[0]

    theirs = torch.func.vmap(torch.func.jacrev(output), in_dims=(None, 0))(parameters, tensor(x))
    assert_same(model, net, model.jacobian(x), theirs, "Jacobian")


def assert_same_gradients(model, net, parameters, x, y, loss, theirs):
    def value(parameters, row, target):
        return theirs(torch.func.functional_call(net, parameters, row[None]), target[None])

    expected = torch.func.vmap(torch.func.grad(value), in_dims=(None, 0, 0))(parameters, tensor(x), tensor(y))
    assert_same(model, net, model.per_example_gradients(x, y, loss), expected, "gradient")


def test_gradients_of_squared_errors(pair, rng):
    y = rng.normal(size=(7, *pair[0].output_shape))
    assert_same_gradients(*pair, y, MeanSquaredError(), torch.nn.MSELoss())


@pytest.mark.parametrize("pair", ["three outputs"], indirect=True)
def test_gradients_of_the_cross_entropy(pair, rng):
    y = rng.integers(3, size=7)
    assert_same_gradients(*pair, y, SoftmaxCrossEntropy(), torch.nn.CrossEntropyLoss())
