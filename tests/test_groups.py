"""Parameter groups: penalties, bounds of norms, and rates of their own."""

from __future__ import annotations

import copy
import shutil

import numpy as np
import pytest

import nnlite as nn
from nnlite.errors import ArgumentError
from nnlite.training.groups import Groups

OPTIMIZERS = {
    "SGD": lambda: nn.SGD(0.1, momentum=0.9),
    "Adam": lambda: nn.Adam(0.05),
    "AdamW": lambda: nn.AdamW(0.05, weight_decay=0.1),
    "Lion": lambda: nn.Lion(0.01),
}


@pytest.fixture
def rows(rng):
    X = rng.normal(size=(40, 4))
    return X, np.sin(X[:, :2])


def net(*, replicas=None, dtype=np.float64, rng=0, **asked):
    layers = [nn.ParameterGroup([nn.Dense(4, 6), nn.Tanh()], **asked), nn.Dense(6, 2)]
    return nn.Sequential(layers, rng=rng, replicas=replicas, dtype=dtype)


def train(model, rows, **given):
    options = {
        "loss": nn.MeanSquaredError(), "optimizer": nn.SGD(0.1), "epochs": 3, "batch_size": 16, "rng": 0,
        **given,
    }  # fmt: skip
    return model.fit(*rows, **options)


def test_a_group_that_asks_for_nothing_changes_nothing(rows):
    plain = nn.Sequential(
        [nn.Sequential([nn.Dense(4, 6), nn.Tanh()]), nn.Dense(6, 2)], rng=0, dtype=np.float64
    )
    grouped = net()
    flat = nn.Sequential([nn.Dense(4, 6), nn.Tanh(), nn.Dense(6, 2)], rng=0, dtype=np.float64)
    for model in (plain, grouped, flat):
        train(model, rows, optimizer=nn.Adam(0.01))
    np.testing.assert_array_equal(grouped.params.values, plain.params.values)
    assert repr(grouped[0]) == "ParameterGroup([Dense(4, 6), Tanh()])"
    # The start is that which the layers have without a group.
    np.testing.assert_array_equal(net()[0][0].W, nn.Sequential(
        [nn.Dense(4, 6), nn.Tanh(), nn.Dense(6, 2)], rng=0, dtype=np.float64
    )[0].W)  # fmt: skip


@pytest.mark.parametrize("replicas", [None, 3])
def test_the_slope_of_a_penalty_is_its_difference(replicas, rng):
    inner = nn.ParameterGroup([nn.Dense(3, 2)], l2=0.3)
    layers = [nn.ParameterGroup([inner, nn.LayerNorm(2), nn.Dense(2, 2)], l1=0.2, l2=0.1), nn.Dense(2, 1)]
    model = nn.Sequential(layers, rng=0, replicas=replicas, dtype=np.float64)
    params, groups = model.params, Groups(model)
    params.values[...] = rng.normal(size=params.values.shape)
    params.grads.fill(0)
    value = groups.penalize()
    found = params.grads.copy()
    assert np.shape(value) == (() if replicas is None else (3,))
    weights = {"0.0.0.W": (0.2, 0.4), "0.2.W": (0.2, 0.1)}
    axes = (-2, -1)
    expected = sum(
        l1 * np.abs(params[name]).sum(axes) + l2 * (params[name] ** 2).sum(axes)
        for name, (l1, l2) in weights.items()
    )
    np.testing.assert_allclose(value, expected, rtol=1e-12)
    for index in np.ndindex(params.values.shape):
        sides = []
        for move in (1e-6, -1e-6):
            kept = params.values[index]
            params.values[index] = kept + move
            sides.append(np.sum(groups.penalize()))
            params.values[index] = kept
        assert abs((sides[0] - sides[1]) / 2e-6 - found[index]) < 1e-7
    for name in params:
        if name not in weights:
            np.testing.assert_array_equal(params.split(found)[name], 0)


def test_the_history_has_the_penalty_and_validation_has_not(rows):
    model = net(l1=0.1, l2=0.2)
    W = model[0][0].W.copy()
    before = model.evaluate(*rows, loss=nn.MeanSquaredError())["loss"]
    history = train(model, rows, optimizer=nn.SGD(1e-12), epochs=1, batch_size=40, validation=rows)
    penalty = 0.1 * np.abs(W).sum() + 0.2 * np.square(W).sum()
    np.testing.assert_allclose(history["loss"], before + penalty, rtol=1e-9)
    np.testing.assert_allclose(history["validation_loss"], before, rtol=1e-9)


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_replicas_are_separate_runs(kind, rows):
    asked = {"l1": 0.01, "l2": 0.02, "max_norm": 0.9, "rate_factor": 0.5}
    many = net(replicas=3, rng=[1, 2, 3], **asked)
    history = train(many, rows, optimizer=OPTIMIZERS[kind](), rng=[4, 5, 6])
    for index in range(3):
        one = net(rng=index + 1, **asked)
        alone = train(one, rows, optimizer=OPTIMIZERS[kind](), rng=index + 4)
        np.testing.assert_allclose(many.params.values[index], one.params.values, atol=1e-8)
        np.testing.assert_allclose([row[index] for row in history["loss"]], alone["loss"], atol=1e-8)


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_a_factor_is_another_rate(kind, rows):
    """A net of which all is in the group trains as without it at that rate."""
    everything = nn.Sequential(
        [nn.ParameterGroup([nn.Dense(4, 6), nn.Tanh(), nn.Dense(6, 2)], rate_factor=0.1)],
        rng=0,
        dtype=np.float64,
    )
    plain = nn.Sequential([nn.Dense(4, 6), nn.Tanh(), nn.Dense(6, 2)], rng=0, dtype=np.float64)
    plain.params.values[...] = everything.params.values
    optimizer, slower = OPTIMIZERS[kind](), OPTIMIZERS[kind]()
    slower.learning_rate = 0.1 * slower.learning_rate
    train(everything, rows, optimizer=optimizer, epochs=10)
    train(plain, rows, optimizer=slower, epochs=10)
    np.testing.assert_allclose(everything.params.values, plain.params.values, atol=1e-12)


def test_factor_0_leaves_parameters_as_they_are(rows):
    model = net(rate_factor=0.0)
    W, head = model[0][0].W.copy(), model[1].W.copy()
    train(model, rows)
    np.testing.assert_array_equal(model[0][0].W, W)
    assert (head != model[1].W).all()


@pytest.mark.parametrize("replicas", [None, 2])
def test_columns_keep_to_their_norm(replicas, rows):
    model = net(max_norm=0.5, replicas=replicas, dtype=np.float32)
    train(model, rows, epochs=1)
    norms = np.linalg.norm(model[0][0].W, axis=-2)
    assert norms.max() == pytest.approx(0.5, rel=1e-6)
    assert norms.min() <= 0.5
    assert np.linalg.norm(model[1].W, axis=-2).max() > 0.5
    free = net(max_norm=1e6, replicas=replicas, dtype=np.float32)
    train(free, rows, epochs=1)
    plain = net(replicas=replicas, dtype=np.float32)
    train(plain, rows, epochs=1)
    np.testing.assert_array_equal(free.params.values, plain.params.values)


def test_what_is_frozen_is_left_alone(rows):
    model = net(l2=0.5, max_norm=0.1)
    model[0].freeze()
    W = model[0][0].W.copy()
    history = train(model, rows)
    plain = net()
    plain[0].freeze()
    expected = train(plain, rows)
    np.testing.assert_array_equal(model[0][0].W, W)
    assert history["loss"] == expected["loss"]


def test_another_number_counts_from_the_next_batch_on(rows):
    class Release(nn.Callback):
        def on_epoch_begin(self, state):
            if state.epoch == 2:
                state.model[0].rate_factor = 1.0

    model = net(rate_factor=0.0)
    W = model[0][0].W.copy()
    train(model, rows, epochs=1)
    np.testing.assert_array_equal(model[0][0].W, W)
    train(model, rows, epochs=2, callbacks=[Release()])
    assert (model[0][0].W != W).all()


def test_files_and_copies_keep_it(tmp_path, rows):
    model = net(l1=0.1, l2=0.2, max_norm=3.0, rate_factor=0.5)
    model.save(tmp_path / "net.safetensors")
    read = nn.load(tmp_path / "net.safetensors")
    assert repr(read) == repr(model) == repr(copy.deepcopy(model))
    assert "ParameterGroup([Dense(4, 6), Tanh()], l1=0.1, l2=0.2, max_norm=3.0, rate_factor=0.5)" in repr(
        read
    )
    train(read, rows)
    train(model, rows)
    np.testing.assert_array_equal(read.params.values, model.params.values)


class KeepFile(nn.Callback):
    """Copy the checkpoint in the middle of the second epoch."""

    def __init__(self, path):
        self.path = path

    def on_batch_begin(self, state):
        if (state.epoch, state.batch) == (2, 2):
            shutil.copy(self.path, f"{self.path}.kept")


def test_one_net_out_of_several_has_it_too():
    model = net(replicas=3, l2=0.2, max_norm=3.0)
    one = model.replica(1)
    assert repr(one[0]) == repr(model[0])
    one[0].l2 = 0.1
    assert model[0].l2 == 0.2


def test_a_training_goes_on_to_the_same_bits(tmp_path, rows):
    path = tmp_path / "run.checkpoint"

    def run(model, **given):
        callbacks = [KeepFile(path), nn.Checkpoint(path, unit="steps")]
        return train(model, rows, optimizer=nn.Adam(0.05), callbacks=callbacks, **given)

    asked = {"l1": 0.01, "l2": 0.02, "max_norm": 0.9, "rate_factor": 0.5}
    whole, resumed = net(**asked), net(**asked)
    expected = run(whole)
    found = run(resumed, resume=f"{path}.kept")
    np.testing.assert_array_equal(resumed.params.values, whole.params.values)
    assert found["loss"] == expected["loss"]
    with pytest.raises(ArgumentError, match="the same text of entry 0 of layers"):
        run(net(**{**asked, "l2": 0.03}), resume=path)


def test_lbfgs_heeds_penalties(rows):
    layers = [nn.ParameterGroup([nn.Dense(4, 6), nn.Tanh(), nn.Dense(6, 2)], l2=0.01)]
    model = nn.Sequential(layers, rng=0, dtype=np.float64)
    train(model, rows, optimizer=nn.LBFGS(), epochs=300, batch_size=None)
    model.loss_and_grad(*rows, nn.MeanSquaredError())
    slope = model.params.grad("0.0.W") + 0.02 * model[0][0].W
    assert np.abs(slope).max() < 1e-4 < np.abs(model.params.grad("0.0.W")).max()


@pytest.mark.parametrize(
    ("optimizer", "asked"),
    [(nn.LBFGS, {"max_norm": 1.0}), (nn.LBFGS, {"rate_factor": 0.5}), (nn.LevenbergMarquardt, {"l2": 0.1})],
)
def test_what_an_optimizer_cannot_heed_is_refused_by_name(optimizer, asked, rows):
    model = net(**asked)
    before = model.params.values.copy()
    with pytest.raises(ArgumentError, match=f"heeds the {next(iter(asked))} of layer 0 ParameterGroup"):
        train(model, rows, optimizer=optimizer(), batch_size=None)
    np.testing.assert_array_equal(model.params.values, before)
    assert train(net(), rows, optimizer=optimizer(), batch_size=None, epochs=2)["loss"]

    class Ask(nn.Callback):
        def on_epoch_end(self, state):
            vars(state.model[0]).update(asked)

    with pytest.raises(ArgumentError, match=f"heeds the {next(iter(asked))} of layer 0 ParameterGroup"):
        train(net(), rows, optimizer=optimizer(), batch_size=None, epochs=3, callbacks=[Ask()])


def test_rows_of_weight_0_and_weights_leave_the_penalty_whole(rows, rng):
    weight = rng.uniform(0.1, 2, 40)
    weight[:5] = 0
    model = net(l2=0.3)
    W = model[0][0].W.copy()
    plain = train(net(), rows, optimizer=nn.SGD(1e-12), epochs=1, weight=weight)["loss"][0]
    found = train(model, rows, optimizer=nn.SGD(1e-12), epochs=1, weight=weight)["loss"][0]
    np.testing.assert_allclose(found - plain, 0.3 * np.square(W).sum(), rtol=1e-9)


def test_explain_step_refuses_and_the_doctor_heeds(rows):
    model = net(l2=0.1)
    with pytest.raises(ArgumentError, match="of the optimizer alone, got layer 0 ParameterGroup"):
        nn.inspect.explain_step(model, *rows, nn.MeanSquaredError(), nn.SGD(0.1))
    # A penalty whose slope is too steep for the rate: the loss of the data alone would not show it.
    steep = nn.Sequential([nn.ParameterGroup([nn.Dense(4, 2)], l2=5.0)], rng=0)
    findings = nn.inspect.doctor(steep, *rows, nn.MeanSquaredError(), nn.SGD(0.3))
    assert findings[0].code == "NN312"
    free = nn.Sequential([nn.ParameterGroup([nn.Dense(4, 2)])], rng=0)
    findings = nn.inspect.doctor(free, *rows, nn.MeanSquaredError(), nn.SGD(0.3))
    assert "NN301" not in {one.code for one in findings}


def test_what_holds_at_the_ends_of_a_net_holds_at_those_of_a_group(rng):
    model = nn.Sequential([nn.Dense(4, 3), nn.ParameterGroup([nn.Dense(3, 3), nn.Softmax()], l2=0.1)])
    given = {"epochs": 1, "shuffle": False}
    with pytest.raises(ArgumentError, match=r"layer 1 Softmax\(\): expected logits"):
        model.fit(np.ones((2, 4)), [0, 1], loss=nn.SoftmaxCrossEntropy(), optimizer=nn.SGD(0.1), **given)
    X = 1e8 + rng.normal(size=(20, 2))  # of which float32 would not keep what `Standardize` leaves
    alone, group = (
        nn.Sequential([make(nn.Standardize(2)), nn.Dense(2, 1)], rng=0)
        for make in (lambda layer: layer, lambda layer: nn.ParameterGroup([layer]))
    )
    for model in (alone, group):
        model.fit(X, X[:, :1] - 1e8, loss=nn.MeanSquaredError(), optimizer=nn.SGD(0.1), **given)
    np.testing.assert_array_equal(group.predict(X), alone.predict(X))
