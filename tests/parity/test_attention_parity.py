"""Attention and embeddings of tokens against PyTorch's: outputs, gradients and 100 steps."""

from __future__ import annotations

import numpy as np
import pytest
from parity_tools import assert_close, leaf, tensor, torch

from nnlite.core.parameters import Parameters
from nnlite.layers import PositionEmbedding, SelfAttention, TokenEmbedding

LENGTHS = (6, 1, 4, 9, 2)
STEPS = 9


def in_float64(layer, rng):
    """Move a layer into parameters of float64, all of them drawn."""
    params = Parameters(layer._specs.values(), dtype=np.float64)
    layer._in_model = True
    layer._move_into(params)
    params.values[...] = rng.normal(scale=0.4, size=params.size)
    return params


def follow(layer, params, net, pairs, draw, theirs, rng):
    """Make 100 steps of gradient descent on both sides, and compare all that comes out in each.

    `pairs` are our name and their parameter, and what makes ours of theirs.
    """
    with torch.no_grad():
        for ours, there, turn in pairs:
            turn(there).copy_(tensor(getattr(layer, ours)))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
    for step in range(100):
        x = draw()
        ctx = layer._context()
        y = layer.forward(x, ctx)
        there = leaf(x)
        expected = theirs(there)
        assert_close(y, expected, f"y in step {step}")
        target = rng.normal(size=y.shape)
        optimizer.zero_grad()
        ((expected - tensor(target)) ** 2).mean().backward()
        dx = layer.backward(2 * (y - target) / y.size, ctx)
        if there.grad is not None:
            assert_close(dx, there.grad, f"dx in step {step}")
        for ours, parameter, turn in pairs:
            assert_close(params.grad(ours), turn(parameter.grad), f"d{ours} in step {step}")
        params.values -= 0.05 * params.grads
        optimizer.step()
    for ours, parameter, turn in pairs:
        assert_close(getattr(layer, ours), turn(parameter), f"{ours} after 100 steps")


def as_it_is(array):
    return array


def transposed(array):
    return array.mT


def steps(rng, padded):
    x = rng.normal(size=(len(LENGTHS), STEPS, 6))
    for row, length in enumerate(LENGTHS):
        if padded:
            x[row, length:] = 0
    return x


@pytest.mark.parametrize("padded", [False, True], ids=["full", "padded"])
@pytest.mark.parametrize("causal", [False, True], ids=["all", "causal"])
@pytest.mark.parametrize("heads", [1, 2, 6])
def test_hundred_steps_of_attention(heads, causal, padded, rng):
    layer = SelfAttention(6, heads, causal=causal, padding=0.0 if padded else None)
    params = in_float64(layer, rng)
    net = torch.nn.MultiheadAttention(6, heads, batch_first=True, dtype=torch.float64)
    past = torch.arange(STEPS) >= torch.tensor(LENGTHS)[:, None] if padded else None
    later = torch.triu(torch.ones(STEPS, STEPS, dtype=torch.bool), diagonal=1) if causal else None

    def theirs(x):
        y, _ = net(x, x, x, key_padding_mask=past, attn_mask=later, need_weights=False)
        return y if past is None else torch.where(past[:, :, None], 0.0, y)

    pairs = [
        ("W", net.in_proj_weight, transposed),
        ("b", net.in_proj_bias, as_it_is),
        ("W_out", net.out_proj.weight, transposed),
        ("b_out", net.out_proj.bias, as_it_is),
    ]
    follow(layer, params, net, pairs, lambda: steps(rng, padded), theirs, rng)


@pytest.mark.parametrize("padding", [None, 0, 3])
def test_hundred_steps_of_tokens(padding, rng):
    layer = TokenEmbedding(5, 4, padding=padding)
    params = in_float64(layer, rng)
    if padding is not None:
        layer.W[padding] = 0
    net = torch.nn.Embedding(5, 4, padding_idx=padding, dtype=torch.float64)
    follow(
        layer,
        params,
        net,
        [("W", net.weight, as_it_is)],
        lambda: rng.integers(0, 5, (6, 7)).astype(np.float64),
        lambda x: net(x.long()),
        rng,
    )


def test_hundred_steps_of_positions(rng):
    layer = PositionEmbedding(STEPS + 2, 6)
    params = in_float64(layer, rng)
    net = torch.nn.Embedding(STEPS + 2, 6, dtype=torch.float64)
    follow(
        layer,
        params,
        net,
        [("W", net.weight, as_it_is)],
        lambda: steps(rng, False),
        lambda x: x + net(torch.arange(x.shape[1])),
        rng,
    )
