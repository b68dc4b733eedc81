"""Recurrent layers against PyTorch's: outputs, gradients and 100 steps, with packed sequences too."""

from __future__ import annotations

import numpy as np
import pytest
from parity_tools import assert_close, leaf, tensor, torch

from nnlite.core.parameters import Parameters
from nnlite.layers import GRU, LSTM, SimpleRNN

THEIRS = {SimpleRNN: torch.nn.RNN, GRU: torch.nn.GRU, LSTM: torch.nn.LSTM}
LENGTHS = (6, 1, 4, 9, 2)

each_kind = pytest.mark.parametrize("kind", THEIRS, ids=lambda kind: kind.__name__)
each_output = pytest.mark.parametrize("sequences", [False, True], ids=["last", "all"])


def in_float64(layer, rng):
    """Move a layer into parameters of float64, all of them drawn."""
    params = Parameters(layer._specs.values(), dtype=np.float64)
    layer._in_model = True
    layer._move_into(params)
    params.values[...] = rng.normal(scale=0.4, size=params.size)
    return params


def names(layer):
    """Give the name of each parameter here, and there."""
    for name in layer.parameter_names:
        letter, _, back = name.partition("_")
        there = {"W": "weight_ih_l0", "U": "weight_hh_l0", "b": "bias_ih_l0", "c": "bias_hh_l0"}[letter]
        yield name, there + ("_reverse" if back else "")


def twin(layer):
    """Make PyTorch's layer with the same numbers; where it has a bias too many, that stays 0."""
    net = THEIRS[type(layer)](
        layer.in_features,
        layer.units,
        batch_first=True,
        bidirectional=layer.direction == "both",
        dtype=torch.float64,
    )
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if name.startswith("bias_hh") and not isinstance(layer, GRU):
                parameter.zero_()
                parameter.requires_grad_(False)
        for ours, theirs in names(layer):
            getattr(net, theirs).copy_(tensor(getattr(layer, ours).T))
    return net


def outputs(net, layer, x, lengths):
    """Run PyTorch's layer, on packed sequences if there are lengths; give what ours gives."""
    back = layer.direction == "backward"
    if lengths is None:
        every, state = net(x.flip(1) if back else x)
        every = every.flip(1) if back else every
    else:
        packed = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        every, state = net(packed)
        every, _ = torch.nn.utils.rnn.pad_packed_sequence(every, batch_first=True, total_length=x.shape[1])
    state = state[0] if isinstance(state, tuple) else state
    return every if layer.sequences else torch.cat(list(state), dim=-1)


@pytest.mark.parametrize("case", ["forward", "backward", "both", "forward packed", "both packed"])
@each_output
@each_kind
def test_hundred_steps(kind, sequences, case, rng):
    """100 steps of gradient descent, with momentum, stay together with PyTorch's."""
    direction, _, packed = case.partition(" ")
    layer = kind(3, 4, sequences=sequences, direction=direction, padding=0.0 if packed else None)
    params = in_float64(layer, rng)
    net = twin(layer)
    learned = [parameter for parameter in net.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(learned, lr=0.05, momentum=0.8)
    velocity = np.zeros_like(params.values)
    lengths = torch.tensor(LENGTHS) if packed else None
    for step in range(100):
        x = rng.normal(size=(len(LENGTHS), 9, 3))
        if packed:
            for row, length in enumerate(LENGTHS):
                x[row, length:] = 0
        ctx = layer._context()
        y = layer.forward(x, ctx)
        target = rng.normal(size=y.shape)
        there = leaf(x)
        expected = outputs(net, layer, there, lengths)
        assert_close(y, expected, f"{case} y in step {step}")
        optimizer.zero_grad()
        ((expected - tensor(target)) ** 2).mean().backward()
        dx = layer.backward(2 * (y - target) / y.size, ctx)
        assert_close(dx, there.grad, f"{case} dx in step {step}")
        for ours, theirs in names(layer):
            grad = getattr(net, theirs).grad
            assert_close(params.grad(ours), grad.numpy().T, f"{case} d{ours} in step {step}")
        velocity *= 0.8
        velocity += params.grads
        params.values -= 0.05 * velocity
        optimizer.step()
    for ours, theirs in names(layer):
        assert_close(
            getattr(layer, ours), getattr(net, theirs).detach().numpy().T, f"{case} {ours} after 100 steps"
        )
