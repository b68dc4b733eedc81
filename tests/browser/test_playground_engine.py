"""The engine of the playground in Chromium beside `fit`: the same start, order, noise, and 100 steps."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import nnlite as nn
from browser.browser_tools import Page
from nnlite.inspect.page import read
from nnlite.inspect.play.contents import LAYERS, LOSSES, OPTIMIZERS, contents

FILES = ("random", "layers", "losses", "optimizers", "net", "training")
ENGINE = "\n".join(read("nnlite.inspect.play.engine", f"{name}.js") for name in FILES)
#: Trains and gives the start, the weights and the losses.
TRAIN = """
const { page, x, y, rows, wanted, steps } = arguments[0];
const net = new Net(page.layers, page.inputs, page.dtype);
const generator = new Generator(new SeedSequence(page.seed.entropy, page.seed.key));
net.draw(generator);
const start = Array.from(net.values);
const data = { x: Float64Array.from(x), y: Float64Array.from(y), rows, inputs: page.inputs, outputs: wanted };
const training = new Training(net, data, page.loss, new Optimizer(page.optimizer), {
  batch: page.batch,
  order: generator,
});
for (let n = 0; n < steps; n++) training.step();
return { start, end: Array.from(net.values), losses: training.losses, state: generator.state };
"""
RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(100, 3))
NUMBERS = np.stack([np.sin(ROWS[:, 0]), ROWS[:, 1] * ROWS[:, 2]], axis=1)
YES = (NUMBERS[:, :1] > 0).astype(float)
IDS = np.digitize(NUMBERS[:, 0], [-0.4, 0.4])
STEPS = 100


def trained(page: Page, layers: list[Any], y: Any, loss: Any, optimizer: Any, dtype: str = "float32") -> Any:
    """Train 100 steps in the browser and in Python; return both ends."""
    model = nn.Sequential(layers, dtype=dtype, rng=3)
    for layer in model.layers:
        if isinstance(layer, nn.Standardize):
            layer.adapt(ROWS)
    found = contents(model, ROWS, y, loss, optimizer, batch_size=10)
    given = {
        "page": found,
        "x": model.boundary.check_input(ROWS, where="x").ravel().tolist(),
        "y": np.ravel(model.boundary.check_targets(y, None, loss, ROWS)[0]).astype(float).tolist(),
        "rows": len(ROWS),
        "wanted": np.size(y) // len(ROWS),
        "steps": STEPS,
    }
    page.driver.get("about:blank")
    seen = page.run(f"{ENGINE}\n{TRAIN}", json.loads(json.dumps(given)))
    np.testing.assert_allclose(seen["start"], model.params.values, rtol=1e-13, atol=1e-15)
    history = model.fit(ROWS, y, loss=loss, optimizer=optimizer, epochs=STEPS // 10, batch_size=10)
    state = model.rng.bit_generator.state
    assert seen["state"]["state"] == str(state["state"]["state"])  # so many numbers were drawn, no more
    np.testing.assert_allclose(seen["losses"], history["loss"], rtol=1e-5)
    return np.array(seen["end"]), model.params.values


def apart(ends: tuple[np.ndarray, np.ndarray]) -> float:
    """Return the largest difference, in proportion to the largest weight."""
    ours, theirs = ends
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


ACTIVATIONS = [
    layer
    for layer in LAYERS
    if layer not in (nn.Dense, nn.Standardize, nn.Flatten, nn.Dropout, nn.Softmax, nn.Step)
]
SPECIAL = {
    "GELU by tanh": [nn.GELU(approximate=True)],
    "LeakyReLU(0.2)": [nn.LeakyReLU(0.2)],
    "Dropout": [nn.Tanh(), nn.Dropout(0.3)],
    "Softmax inside": [nn.Softmax()],
    "Step": [nn.Step()],
}


@pytest.mark.parametrize("kind", ACTIVATIONS, ids=lambda kind: kind.__name__)
def test_activations(page: Page, kind: Any) -> None:
    layers = [nn.Dense(3, 8), kind(), nn.Dense(8, 3)]
    assert apart(trained(page, layers, IDS, nn.SoftmaxCrossEntropy(), nn.SGD(0.1))) < 1e-5


@pytest.mark.parametrize("name", SPECIAL)
def test_what_else_stands_between_layers(page: Page, name: str) -> None:
    layers = [nn.Standardize(3), nn.Dense(3, 8), *SPECIAL[name], nn.Dense(8, 3)]
    assert apart(trained(page, layers, IDS, nn.SoftmaxCrossEntropy(), nn.SGD(0.1))) < 1e-5


TRAINED = {
    nn.MeanSquaredError: (nn.MeanSquaredError(), NUMBERS),
    nn.losses.MeanAbsoluteError: (nn.losses.MeanAbsoluteError(), NUMBERS),
    nn.Huber: (nn.Huber(0.5), NUMBERS),
    nn.losses.Quantile: (nn.losses.Quantile(0.8), NUMBERS),
    nn.losses.Hinge: (nn.losses.Hinge(), 2 * YES - 1),
    nn.BinaryCrossEntropy: (nn.BinaryCrossEntropy(label_smoothing=0.1, pos_weight=2.0), YES),
    nn.SoftmaxCrossEntropy: (nn.SoftmaxCrossEntropy(label_smoothing=0.1), np.eye(3)[IDS]),
}


@pytest.mark.parametrize("kind", LOSSES, ids=lambda kind: kind.__name__)
def test_losses(page: Page, kind: Any) -> None:
    loss, y = TRAINED[kind]
    layers = [nn.Dense(3, 8), nn.Tanh(), nn.Dense(8, y.shape[1])]
    assert apart(trained(page, layers, y, loss, nn.SGD(0.05))) < 1e-5


STEPPERS = [
    nn.SGD(0.1),
    nn.SGD(0.1, momentum=0.9),
    nn.SGD(0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    nn.SGD(0.5, clip_norm=0.1),
    nn.SGD(0.5, clip_value=0.01),
    nn.Adam(0.01),
    nn.Adam(0.01, amsgrad=True, weight_decay=0.01),
    nn.AdamW(0.01),
    nn.NAdam(0.01),
    nn.RMSProp(0.01),
    nn.RMSProp(0.003, momentum=0.9),
    nn.Adagrad(0.05),
    nn.Lion(0.003, weight_decay=0.01),
]


def test_every_optimizer_of_the_page_is_tried() -> None:
    assert {type(optimizer) for optimizer in STEPPERS} == set(OPTIMIZERS)
    assert set(TRAINED) == set(LOSSES)


@pytest.mark.parametrize("number", range(len(STEPPERS)), ids=lambda n: repr(STEPPERS[n]))
def test_optimizers(page: Page, number: int) -> None:
    layers = [nn.Standardize(3), nn.Dense(3, 8), nn.Tanh(), nn.Dense(8, 2)]
    assert apart(trained(page, layers, NUMBERS, nn.MeanSquaredError(), STEPPERS[number])) < 1e-5


def test_float64_agrees_to_rounding(page: Page) -> None:
    layers = [nn.Dense(3, 8), nn.Tanh(), nn.Dropout(0.2), nn.Dense(8, 3)]
    ends = trained(page, layers, IDS, nn.SoftmaxCrossEntropy(), nn.Adam(0.01), dtype="float64")
    assert apart(ends) < 1e-13


STARTS = [
    nn.initializers.HeUniform(),
    nn.initializers.GlorotNormal(),
    nn.initializers.LeCunUniform(),
    nn.initializers.Constant(0.1),
]


@pytest.mark.parametrize("start", STARTS, ids=repr)
def test_starts_of_its_own(page: Page, start: Any) -> None:
    first = nn.Dense(3, 8, weight_initializer=start, bias_initializer=nn.initializers.Constant(0.2))
    layers = [first, nn.ReLU(), nn.Dense(8, 2, bias=False)]
    assert apart(trained(page, layers, NUMBERS, nn.MeanSquaredError(), nn.SGD(0.1))) < 1e-5


def test_random_numbers_are_those_of_numpy(page: Page) -> None:
    page.driver.get("about:blank")
    draw = """
    const one = new Generator(new SeedSequence("12345678901234567890123", [3, 1]));
    return [one.double(), one.single(), one.standardNormal(), one.uniform(-2, 3),
            Array.from(one.permutation(50)), Array.from({ length: 20000 }, () => one.standardNormal()),
            one.spawn(2)[1].double()];
    """
    seen = page.run(f"{ENGINE}\n{draw}")
    rng = np.random.default_rng(np.random.SeedSequence(12345678901234567890123, spawn_key=(3, 1)))
    assert seen[0] == rng.random()
    assert np.float32(seen[1]) == rng.random(dtype=np.float32)
    assert seen[2] == pytest.approx(rng.normal(), rel=1e-14)
    assert seen[3] == rng.uniform(-2, 3)
    assert seen[4] == rng.permutation(50).tolist()
    # Twenty thousand reach into the tail beyond 3.65, which has a way of its own.
    assert np.abs(seen[5]).max() > 3.66
    np.testing.assert_allclose(seen[5], rng.normal(size=20000), rtol=1e-12)
    assert seen[6] == rng.spawn(2)[1].random()
