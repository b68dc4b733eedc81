"""Penalties, bounds, rates of groups and averaged weights against PyTorch: 100 steps, in float64."""

from __future__ import annotations

import numpy as np
import pytest
from parity_tools import assert_close, tensor, torch

from nnlite import SGD, Adam, AdamW, Callback, Dense, MeanSquaredError, ParameterGroup, Sequential, Tanh

STEPS = 100
OPTIMIZERS = {
    "sgd": (lambda: SGD(0.05, momentum=0.9), lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9)),
    "adam": (lambda: Adam(0.01), lambda p: torch.optim.Adam(p, lr=0.01)),
    "adamw": (
        lambda: AdamW(0.01, weight_decay=0.1),
        lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.0),
    ),
}
L1, L2, LIMIT, FACTOR = 0.003, 0.002, 0.5, 0.3


def nets():
    """Make the net, and its weights as tensors."""
    group = ParameterGroup([Dense(4, 8), Tanh()], l1=L1, l2=L2, max_norm=LIMIT, rate_factor=FACTOR)
    model = Sequential([group, Dense(8, 2)], rng=0, dtype=np.float64)
    return model, {name: tensor(model.params[name]).requires_grad_() for name in model.params}


def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(32, 4))
    return X, np.sin(X[:, :2]) + X[:, 2:]


def answer(w, x):
    return torch.tanh(x @ w["0.0.W"] + w["0.0.b"]) @ w["1.W"] + w["1.b"]


class Alongside(Callback):
    """Makes PyTorch's step beside each of ours, and compares."""

    def __init__(self, step, weights):
        self.step, self.weights = step, weights

    def on_batch_end(self, state):
        loss = self.step()
        assert_close(np.float64(state.batch_loss), loss, f"loss at step {state.epoch}")
        for name, theirs in self.weights.items():
            assert_close(state.model.params[name], theirs, f"{name} after step {state.epoch}")


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_hundred_steps_of_a_group(name):
    ours, theirs = OPTIMIZERS[name]
    model, w = nets()
    X, y = data()
    x, target = tensor(X), tensor(y)
    optimizer = theirs([
        {"params": [w["0.0.W"]]}, {"params": [w["0.0.b"]]}, {"params": [w["1.W"]]}, {"params": [w["1.b"]]}
    ])  # fmt: skip
    for place, group in enumerate(optimizer.param_groups):
        group["lr"] *= FACTOR if place < 2 else 1
        if name == "adamw" and place % 2 == 0:
            group["weight_decay"] = 0.1

    def step():
        optimizer.zero_grad()
        W = w["0.0.W"]
        loss = ((answer(w, x) - target) ** 2).mean() + L1 * W.abs().sum() + L2 * (W**2).sum()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            norms = torch.linalg.vector_norm(W, dim=0, keepdim=True)
            W *= LIMIT / torch.clamp(norms, min=LIMIT)
        return loss

    history = model.fit(
        X, y, loss=MeanSquaredError(), optimizer=ours(), epochs=STEPS, batch_size=32, shuffle=False,
        callbacks=[Alongside(step, w)],
    )  # fmt: skip
    assert history["loss"][-1] < 0.8 * history["loss"][0]
    assert np.isclose(np.linalg.norm(model[0][0].W, axis=0), LIMIT).any()
