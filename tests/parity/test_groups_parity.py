"""Penalties, bounds, rates of groups and averaged weights against PyTorch: 100 steps, in float64."""

from __future__ import annotations

import numpy as np
import pytest
from parity_tools import assert_close, assert_same_parameters, tensor, torch, torch_step, twin

from nnlite import (
    SGD,
    Adam,
    AdamW,
    AveragedWeights,
    BatchNorm,
    Callback,
    Dense,
    MeanSquaredError,
    ParameterGroup,
    Sequential,
    Tanh,
)

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
        self.bounded = 0

    def on_batch_end(self, state):
        loss = self.step()
        assert_close(np.float64(state.batch_loss), loss, f"loss at step {state.epoch}")
        for name, theirs in self.weights.items():
            assert_close(state.model.params[name], theirs, f"{name} after step {state.epoch}")
        self.bounded += np.isclose(np.linalg.norm(state.model[0][0].W, axis=0), LIMIT).any()


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

    alongside = Alongside(step, w)
    history = model.fit(
        X, y, loss=MeanSquaredError(), optimizer=ours(), epochs=STEPS, batch_size=32, shuffle=False,
        callbacks=[alongside],
    )  # fmt: skip
    assert history["loss"][-1] < history["loss"][0]
    assert alongside.bounded > STEPS / 10


def test_averages_are_those_of_swa_utils():
    model = Sequential([Dense(4, 8), Tanh(), BatchNorm(8), Dense(8, 2)], rng=0, dtype=np.float64)
    net = twin(model)
    X, y = data()
    average = torch.optim.swa_utils.AveragedModel(
        net, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9), use_buffers=True
    )
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)

    class Beside(Callback):
        def on_batch_end(self, state):
            torch_step(net, optimizer, torch.nn.MSELoss(), X, y)
            average.update_parameters(net)

        def on_epoch_end(self, state):
            assert_same_parameters(state.model, average.module, f"epoch {state.epoch}")

        def on_batch_begin(self, state):
            assert_same_parameters(state.model, net, f"epoch {state.epoch - 1}")

    model.fit(
        X, y, loss=MeanSquaredError(), optimizer=Adam(0.01), epochs=STEPS, batch_size=32, shuffle=False,
        callbacks=[AveragedWeights(0.9), Beside()],
    )  # fmt: skip
    assert_same_parameters(model, average.module, "all")
