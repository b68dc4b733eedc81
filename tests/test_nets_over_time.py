"""Whole nets of layers over time: replicas, one example at a time, files, and what is not to be seen."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import nnlite as nn
from nnlite.testing.differences import measure_slopes, relative_error

STEPS = 6
LENGTHS = (6, 3, 1, 0, 5, 6, 2, 4)


def net(**options):
    """Make a net of all kinds, each of which must know where a sequence ends."""
    layers = [
        nn.Input((STEPS,)),
        nn.TokenEmbedding(7, 4, padding=0),
        nn.PositionEmbedding(STEPS, 4, padding=0.0),
        nn.Residual([nn.SelfAttention(4, 2, padding=0.0)]),
        nn.GRU(4, 3, sequences=True, direction="both", padding=0.0),
        nn.SimpleRNN(6, 4, sequences=True, direction="backward", padding=0.0),
        nn.Concatenate([nn.LSTM(4, 3, padding=0.0), nn.GlobalAveragePool(1, padding=0.0)]),
        nn.Dense(7, 2),
    ]
    return nn.Sequential(layers, dtype=np.float64, **({"rng": 0} | options))


@pytest.fixture
def data(rng):
    ids = rng.integers(1, 7, (len(LENGTHS), STEPS))
    ids[np.arange(STEPS) >= np.array(LENGTHS)[:, None]] = 0
    return ids.astype(float), rng.normal(size=(len(LENGTHS), 2))


def test_gradients_of_the_whole(data):
    model = net()
    X, y = data
    loss = nn.MeanSquaredError()
    model.loss_and_grad(X, y, loss)
    found = model.params.grads.copy()

    def value():
        return np.array([loss.value_and_grad(model.forward(X), y)[0]])

    slopes = measure_slopes(value, model.params.values, tolerance=1e-7)
    assert relative_error(found, slopes.low) <= 1e-7


def test_replicas_are_separate_nets(data):
    X, y = data
    options = {"loss": nn.MeanSquaredError(), "epochs": 20, "batch_size": 3, "rng": 0}
    together = net(replicas=3, rng=[5, 6, 7])
    together.fit(X, y, optimizer=nn.Adam(np.array([0.01, 0.03, 0.002])), **options)
    for replica, (seed, rate) in enumerate(((5, 0.01), (6, 0.03), (7, 0.002))):
        alone = net(rng=seed)
        alone.fit(X, y, optimizer=nn.Adam(rate), **options)
        np.testing.assert_allclose(together.params.values[replica], alone.params.values, rtol=0, atol=1e-8)
        np.testing.assert_allclose(together.predict(X)[replica], alone.predict(X), rtol=0, atol=1e-8)


@pytest.mark.parametrize("replicas", [None, 2])
def test_gradients_of_examples_add_up(replicas, data):
    model = net(replicas=replicas)
    X, y = data
    loss = nn.MeanSquaredError()
    each = model.per_example_gradients(X, y, loss)
    assert each.shape[-2:] == (len(X), model.params.size)
    model.loss_and_grad(X, y, loss, ctx=model.context(training=False))
    np.testing.assert_allclose(each.mean(axis=-2), model.params.grads, rtol=1e-10, atol=1e-14)


def test_the_jacobian(data):
    model = net()
    X, _ = data
    jacobian = model.jacobian(X)
    for output in range(2):
        blame = np.zeros((len(X), 2))
        blame[:, output] = 1
        ctx = model.context(training=False)
        model.forward(X, ctx)
        model.backward(blame, ctx)
        np.testing.assert_allclose(jacobian[:, output].sum(axis=0), model.params.grads, rtol=1e-9, atol=1e-13)


def test_what_pads_is_nothing(data):
    """Whatever stands in the rows for padding, and in places behind the end, changes no answer."""
    model = net()
    X, y = data
    before = model.predict(X)
    model[1].W[0] = 7.0
    np.testing.assert_array_equal(model.predict(X), before)
    model.loss_and_grad(X, y, nn.MeanSquaredError())
    assert not model.params.grad("1.W")[0].any()


def test_files_and_copies(data, tmp_path):
    model = net()
    X, y = data
    model.fit(X, y, loss=nn.MeanSquaredError(), optimizer=nn.Adam(0.01), epochs=2)
    model.save(tmp_path / "net.safetensors")
    for other in (
        nn.load(tmp_path / "net.safetensors"),
        copy.deepcopy(model),
        pickle.loads(pickle.dumps(model)),
    ):
        assert repr(other) == repr(model)
        np.testing.assert_array_equal(other.predict(X), model.predict(X))


def test_a_sequence_per_step_needs_another_loss(rng):
    """All states are no rows of numbers; the error says what to do."""
    model = nn.Sequential([nn.Input((STEPS, 2)), nn.GRU(2, 3, sequences=True)], rng=0)
    with pytest.raises(nn.errors.ShapeError, match=r"sequences=True\).*End the model with Flatten"):
        model.fit(
            rng.normal(size=(5, STEPS, 2)), rng.normal(size=(5, STEPS, 3)), loss=nn.MeanSquaredError(),
            optimizer=nn.SGD(0.1), epochs=1,
        )  # fmt: skip


def test_tools_see_what_is_done_for_each_step_as_one_layer(rng):
    """Its layers see steps, of which there are more than rows."""
    each_step = nn.TimeDistributed([nn.Dense(3, 4), nn.Tanh(), nn.LayerNorm(4)])
    model = nn.Sequential([nn.Input((4, 3)), each_step, nn.GlobalAveragePool(1), nn.Dense(4, 2)], rng=0)
    X, y = rng.normal(size=(6, 4, 3)), rng.normal(size=(6, 2))
    loss = nn.MeanSquaredError()
    trace = nn.inspect.explain_step(model, X, y, loss, nn.SGD(0.1))
    assert "with 1.0 Dense(3, 4), 1.1 Tanh(), 1.2 LayerNorm(4)" in trace.to_html()
    assert "TimeDistributed" in str(trace)
    assert len(nn.inspect.blame(model, X, y, loss).scores()) == 6
    pytest.importorskip("matplotlib")
    nn.plot.network(model, X[0])
