"""Divergence: a loss that is no number stops training, says where and why, and leaves usable weights."""

from __future__ import annotations

import copy
import re

import numpy as np
import pytest
from workpieces import Sum

import nnlite as nn
from nnlite import initializers
from nnlite.errors import DivergenceError
from nnlite.training.divergence import explain

pytestmark = pytest.mark.nonfinite

ROWS, SIZE = 32, 8


class Watch(nn.Callback):
    """Keep the weights that each batch was computed with, and note the end."""

    def __init__(self):
        self.values = []
        self.ended = 0

    def on_batch_begin(self, state):
        self.values.append(state.model.params.values.copy())

    def on_train_end(self, state):
        self.ended += 1


def data(scale=1.0, target_scale=1.0):
    rng = np.random.default_rng(3)
    X = rng.normal(size=(ROWS, 4))
    y = np.tanh(X[:, :2]) + 0.1 * rng.normal(size=(ROWS, 2))
    return scale * X, target_scale * y


def net(*first, activation=nn.ReLU, **options):
    return nn.Sequential([*first, nn.Dense(4, 16), activation(), nn.Dense(16, 2)], rng=0, **options)


def batch(X, y, number):
    start = (number - 1) % (ROWS // SIZE) * SIZE
    return X[start : start + SIZE], y[start : start + SIZE]


def fit(model, X, y, optimizer, *, stream=False, **options):
    options = {"loss": nn.MeanSquaredError(), "epochs": 200} | options
    if stream:
        parts = [batch(X, y, number) for number in range(1, ROWS // SIZE + 1)]
        return model.fit(parts, optimizer=optimizer, **options)
    return model.fit(X, y, optimizer=optimizer, **{"batch_size": SIZE, "shuffle": False} | options)


def diverges(model, X, y, optimizer, **options):
    """Train until the error, and check all that holds for every divergence."""
    watch = Watch()
    with pytest.raises(DivergenceError) as caught:
        fit(model, X, y, optimizer, callbacks=[watch], **options)
    error = caught.value
    place = re.fullmatch(r"fit, epoch (\d+), batch (\d+)(?:, replica (\d+))?", error.where)
    assert place, error.where
    epoch, number = map(int, place.groups()[:2])
    # Of replicas the error is about one of those that were left.
    which = Ellipsis if place[3] is None else int(place[3])
    assert (place[3] is None) == (model.params.replicas is None)
    assert watch.ended == 1
    assert len(watch.values) == (epoch - 1) * (ROWS // SIZE) + number

    # The named layer is the first one that fails with the weights of that batch.
    kept = model.params.values.copy()
    model.params.values[...] = watch.values[-1]
    one = model if which is Ellipsis else model.replica(which)
    finite = [bool(np.isfinite(a).all()) for a in one.activations(batch(X, y, number)[0])]
    named = "the loss itself" if all(finite) else f"layer {(k := finite.index(False))} {model[k]}"
    assert f"first in {named}" in error.got
    model.params.values[...] = kept

    # The weights are the last ones before, and finite; with them this batch has a finite loss.
    if len(watch.values) > 1:
        np.testing.assert_array_equal(kept[which], watch.values[-2][which])
        x, target = batch(X, y, number)
        assert np.isfinite(kept).all()
        assert np.isfinite(model.evaluate(x, target, loss=nn.MeanSquaredError())["loss"]).all()
    else:
        np.testing.assert_array_equal(kept, watch.values[0])
    if isinstance(optimizer, nn.Optimizer):
        assert optimizer.steps == 0
        assert optimizer.state == {}
    return error


HUGE = [
    nn.SGD(1e6),
    nn.SGD(10.0),
    nn.SGD(3.0, momentum=0.9, nesterov=True),
    nn.RMSProp(1e25),
    nn.Adagrad(1e25),
    nn.Adam(1e25),
    nn.AdamW(1e25),
    nn.Lion(1e25),
    nn.SGD(nn.WarmUp(1e3, steps=10)),
]


@pytest.mark.parametrize("stream", [False, True], ids=["arrays", "stream"])
@pytest.mark.parametrize("replicas", [None, 3], ids=["single", "replicas"])
@pytest.mark.parametrize("optimizer", HUGE, ids=repr)
def test_a_huge_rate_is_blamed_and_a_sane_one_works_afterwards(optimizer, replicas, stream):
    X, y = data()
    model, optimizer = net(replicas=replicas), copy.deepcopy(optimizer)
    error = diverges(model, X, y, optimizer, stream=stream)
    rate = re.search(r"the likely cause is a learning rate that is too large, (\S+)$", error.got)
    assert rate, error.got
    assert float(rate[1]) >= 0.5
    assert "or clip_norm=1.0. The model keeps the last weights that gave a finite loss" in error.fix
    if "call model.initialize() before you train again" in error.fix:
        model.initialize(rng=1)
    optimizer.learning_rate = 1e-3
    history = fit(model, X, y, optimizer, epochs=30, stream=stream)
    assert np.all(np.array(history["loss"][-1]) < np.array(history["loss"][0]))


@pytest.mark.parametrize(
    ("rate", "advice"), [(0.7, "Try 0.07, or"), (1e6, "Try 0.1, or"), (1e30, "Try 0.1, or")]
)
def test_the_advice_is_a_rate_that_makes_sense(rate, advice):
    X, y = data()
    error = diverges(net(), X, y, nn.SGD(rate, momentum=0.99))
    assert f"{rate:g}" in error.got
    assert error.fix.startswith(advice)


@pytest.mark.parametrize("stream", [False, True], ids=["arrays", "stream"])
@pytest.mark.parametrize("replicas", [None, 3], ids=["single", "replicas"])
@pytest.mark.parametrize("scale", [300.0, 1e6, 1e18])
def test_unscaled_inputs_are_blamed_and_standardize_helps(scale, replicas, stream):
    X, y = data(scale)
    error = diverges(net(replicas=replicas), X, y, nn.SGD(0.1), stream=stream)
    number = int(re.search(r"batch (\d+)", error.where)[1])
    largest = np.abs(batch(X, y, number)[0]).max()
    assert f"data that were never scaled: inputs of size {largest:.3g} reach the first weights" in error.got
    assert error.fix.startswith("Start the model with Standardize(features).")
    history = fit(net(nn.Standardize(4), replicas=replicas), X, y, nn.SGD(0.1), epochs=20, stream=stream)
    assert np.all(np.array(history["loss"][-1]) < 0.5 * np.array(history["loss"][0]))


def test_adam_on_data_beyond_the_range_of_the_squares():
    X, y = data(1e25)
    error = diverges(net(), X, y, nn.Adam(0.01))
    assert "data that were never scaled: inputs" in error.got
    assert error.fix.endswith("The weights are unchanged.")


def test_unscaled_targets_are_blamed():
    X, y = data(target_scale=1e6)
    error = diverges(net(), X, y, nn.SGD(0.1))
    assert "data that were never scaled: targets of size" in error.got
    assert error.fix.startswith("Divide the targets by their standard deviation.")
    history = fit(net(), X, y / y.std(axis=0), nn.SGD(0.1), epochs=20)
    assert history["loss"][-1] < history["loss"][0]


def test_large_data_behind_a_standardize_are_not_blamed():
    X, y = data(1e6)
    error = diverges(net(nn.Standardize(4)), X, y, nn.SGD(10.0))
    assert "a learning rate that is too large, 10" in error.got


def test_ids_of_categories_are_not_blamed_but_the_numbers_beside_them_are():
    X, y = data()
    ids = np.arange(ROWS) * 30000.0
    X[:, 3] = ids

    def model():
        return nn.Sequential([nn.Embedding(10**6, 1, numeric=3), nn.Dense(4, 2)], rng=0)

    error = diverges(model(), X, y, nn.SGD(12.0))
    assert "a learning rate that is too large, 12" in error.got
    only_ids = nn.Sequential([nn.Embedding(10**6, 4), nn.Dense(4, 2)], rng=0)
    assert (
        "a learning rate that is too large, 1e+25" in diverges(only_ids, ids[:, None], y, nn.Adam(1e25)).got
    )
    X[:, 1] *= 1e5
    assert "data that were never scaled: inputs of size" in diverges(model(), X, y, nn.SGD(0.1)).got


@pytest.mark.parametrize(
    ("y", "cause"),
    [(np.full(ROWS, 4999), "a learning rate"), (np.full(ROWS, 4999.0), "data that were never")],
)
def test_class_ids_have_no_scale(y, cause):
    X, _ = data()
    model = net()
    model.params.values[...] = 1e30
    error = explain(
        model,
        X,
        y,
        where="here",
        got="none",
        rate=0.5,
        start_size=1.0,
        stepped=True,
        kept=model.params.values,
    )
    assert f"the likely cause is {cause}" in error.got


@pytest.mark.parametrize("stream", [False, True], ids=["arrays", "stream"])
@pytest.mark.parametrize("optimizer", [nn.SGD(0.01), nn.Adam(0.01)], ids=repr)
def test_huge_weights_are_an_overflow(optimizer, stream):
    X, y = data()
    model, optimizer = net(), copy.deepcopy(optimizer)
    model.params.values[...] = 1e20
    error = diverges(model, X, y, optimizer, stream=stream)
    assert error.where == "fit, epoch 1, batch 1"
    assert "an overflow of float32, from weights of size 1e+20 when training began" in error.got
    assert error.fix == "Draw new ones with model.initialize(). The weights are unchanged."
    model.initialize(rng=0)
    history = fit(model, X, y, optimizer, epochs=30, stream=stream)
    assert history["loss"][-1] < history["loss"][0]


def test_large_weights_that_a_step_makes_overflow_are_an_overflow_too():
    X, y = data()
    model = net()
    model.params.values *= 1e9
    error = diverges(model, X, y, nn.SGD(0.01))
    assert error.where == "fit, epoch 1, batch 2"
    assert "an overflow of float32, from weights of size" in error.got


def test_replicas_that_overflow_are_left_behind_and_the_others_train_on():
    X, y = data()
    model, optimizer = net(replicas=4), nn.SGD(0.01, momentum=0.9)
    model.params.values[[1, 3]] = 1e25
    before = model.params.values.copy()
    with pytest.warns(nn.ReplicaWarning, match=r"2 of 4 replicas diverged .*: 1, 3\."):
        history = fit(model, X, y, optimizer, epochs=3)
    assert [one["diverged"] for one in history.replicas] == [False, True, False, True]
    for index in (1, 3):
        assert f"epoch 1, batch 1, replica {index}: " in history.replicas[index]["stop_reason"]
        assert "an overflow of float32, from weights of size 1e+25" in history.replicas[index]["stop_reason"]
        assert len(history.replica(index)) == 0
    np.testing.assert_array_equal(model.params.values[[1, 3]], before[[1, 3]])
    assert np.isfinite(optimizer.state["velocity"]).all()
    for index in (0, 2):
        alone = net()
        alone.params.values[...] = before[index]
        np.testing.assert_allclose(
            history.replica(index)["loss"],
            fit(alone, X, y, nn.SGD(0.01, momentum=0.9), epochs=3)["loss"],
            rtol=1e-5,
        )


def test_weights_that_are_no_numbers_are_named():
    X, y = data()
    model = net()
    model[2].W[0, 0] = np.nan
    error = diverges(model, X, y, nn.Adam())
    assert "first in layer 2 Dense(16, 2); the likely cause is weights that were not finite" in error.got


def test_a_parameter_that_hides_behind_finite_outputs_is_found():
    class Floor(nn.Layer):
        floor = nn.Parameter()

        def __init__(self):
            self.declare("floor", (1,), initializer=initializers.Constant(-9.0))

        def forward(self, x, ctx=None):
            return np.maximum(x, self.floor)

        def backward(self, dy, ctx):
            ctx.grads.floor[...] = np.inf
            return dy

    X, y = data()
    with pytest.raises(DivergenceError) as caught:
        fit(net(activation=Floor), X, y, nn.SGD(0.01), epochs=1)
    assert caught.value.where == "fit, epoch 1, batch 4"
    found = "weights that are not finite after the step, first in the parameter 1.floor (the outputs of all"
    assert found in caught.value.got


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_the_last_step_of_all_is_watched_too(bad):
    X, y = data()

    class Spoil(nn.Callback):
        def on_grad_computed(self, state):
            self.before = state.model.params.values.copy()
            if state.batch == ROWS // SIZE:
                state.model.params.grads[3] = bad

    model, spoil = net(), Spoil()
    with pytest.raises(
        DivergenceError, match=r"epoch 1, batch 4: .*weights that are not finite after the step"
    ):
        fit(model, X, y, nn.SGD(0.01), epochs=1, callbacks=[spoil])
    np.testing.assert_array_equal(model.params.values, spoil.before)


@pytest.mark.parametrize("loss", [nn.MeanSquaredError(), nn.SoftmaxCrossEntropy()], ids=repr)
def test_validation_that_is_not_finite_stops_training(loss):
    X, y = data()
    target = y if isinstance(loss, nn.MeanSquaredError) else (y[:, 0] > 0).astype(int)
    options = {"loss": loss, "epochs": 3, "batch_size": ROWS}
    model = net()
    with pytest.raises(DivergenceError, match=r"fit, epoch 1, validation: .*inputs of size") as caught:
        fit(model, X, target, nn.SGD(0.01), validation=(X * 1e38, target), **options)
    assert np.isfinite(model.params.values).all()
    assert "first in layer 0 Dense(4, 16)" in caught.value.got or "the loss itself" in caught.value.got
    # One step per epoch: only validation can see what the step has done, and the metric must not be asked.
    metrics = [nn.r2] if target is y else [nn.accuracy]
    with pytest.raises(DivergenceError, match=r"validation: .*a learning rate that is too large"):
        fit(net(), X, target, nn.SGD(1e30), validation=(X, target), metrics=metrics, **options)


def test_a_function_outside_its_domain_is_not_an_overflow():
    class Log(nn.Layer):
        def forward(self, x, ctx=None):
            if ctx is not None:
                ctx.save(x)
            return np.log(x)

        def backward(self, dy, ctx):
            return dy / ctx.saved[0]

    X, y = data()
    error = diverges(net(activation=Log), X, y, nn.SGD(0.01))
    assert "first in layer 1 Log(); the likely cause is a function that is not defined" in error.got
    assert error.fix.startswith("Look at what it gets with model.activations(x).")


def test_noise_that_the_repetition_cannot_see_is_said():
    class Burst(nn.Layer):
        stochastic = True

        def forward(self, x, ctx=None):
            return x * np.float32(np.inf) if ctx is not None and ctx.training else x

        def backward(self, dy, ctx):
            return dy

    X, y = data()
    error = diverges(net(activation=Burst), X, y, nn.SGD(0.01))
    assert "the outputs of all layers are finite, without dropout" in error.got


def test_counts_that_explode_are_blamed_on_the_rate():
    X, _ = data()
    counts = np.random.default_rng(0).poisson(4.0, (ROWS, 2))
    model = net()
    with pytest.raises(DivergenceError, match=r"a learning rate that is too large, 5\. Try 0\.1"):
        fit(model, X, counts, nn.SGD(5.0), loss=nn.PoissonNLL())
    assert np.isfinite(model.evaluate(X, counts, loss=nn.PoissonNLL())["loss"])


def test_the_fit_in_float64_gets_other_advice():
    X, y = data()
    model = nn.Sequential([nn.Dense(4, 2)], rng=0, dtype=np.float64)
    model.params.values[...] = 900.0
    with pytest.raises(DivergenceError, match=r"an overflow of float64, .*Start from smaller weights"):
        fit(model, X, y, nn.LBFGS(), loss=Exploding(), batch_size=None)


class Exploding(nn.PointwiseLoss):
    """A loss that overflows at once."""

    def pointwise(self, pred, target):
        y = np.exp(np.abs(pred) * 1e3)
        return y, y


def test_l_bfgs_keeps_the_weights_of_its_last_iteration():
    X, y = data()
    model = net(dtype=np.float64)
    with pytest.raises(DivergenceError, match=r"batch 1: .*inputs of size .* The weights are unchanged\."):
        fit(model, X * 1e200, y * 1e200, nn.LBFGS(), batch_size=None)

    class Spoil(nn.Callback):
        def on_epoch_end(self, state):
            self.kept = state.model.params.values.copy()
            if state.epoch == 3:
                spoiled[...] = 1e200

    spoil = Spoil()
    spoiled = X.copy()
    with pytest.raises(DivergenceError, match=r"epoch 4, batch 1: .*inputs of size 1e\+200"):
        fit(model, spoiled, y, nn.LBFGS(), batch_size=None, callbacks=[spoil], epochs=9)
    np.testing.assert_array_equal(model.params.values, spoil.kept)


def test_early_stopping_gives_its_best_weights_back():
    X, y = data()
    model = net()
    seen = []

    class Watch(nn.Callback):
        def on_epoch_end(self, state):
            seen.append(state.model.params.values.copy())
            if state.epoch == 4:
                state.optimizer.learning_rate = 1e20

    with pytest.raises(DivergenceError, match="epoch 5, batch 2"):
        fit(model, X, y, nn.SGD(0.05), callbacks=[Watch(), nn.EarlyStopping(monitor="loss")])
    assert len(seen) == 4
    np.testing.assert_array_equal(model.params.values, seen[3])


def test_clipping_as_advised_keeps_the_loss_finite():
    X, y = data()
    error = diverges(net(), X, y, nn.SGD(3.0))
    assert "clip_norm=1.0" in error.fix
    history = fit(net(), X, y, nn.SGD(3.0, clip_norm=1.0), epochs=20)
    assert np.isfinite(history["loss"]).all()


def test_no_warning_of_numpy_escapes(recwarn):
    X, y = data()
    with np.errstate(all="warn"), pytest.raises(DivergenceError):
        fit(net(), X, y, nn.SGD(1e6))
    assert not recwarn.list


def test_targets_that_make_the_rate_too_large_are_named(rng):
    X = rng.normal(size=(64, 3))
    model = nn.Sequential([nn.Dense(3, 16), nn.ReLU(), nn.Dense(16, 1)], rng=0)
    with pytest.raises(DivergenceError) as caught:
        model.fit(X, 300 + 50 * X[:, :1], loss=nn.MeanSquaredError(), optimizer=nn.SGD(1.0), epochs=100)
    assert "(y - y.mean()) / y.std()" in caught.value.fix
    assert "clip_norm" not in caught.value.fix


@pytest.mark.nonfinite
def test_the_first_layer_that_fails_is_named_by_its_place_inside_of_blocks():
    X, y = data()
    parts = [
        nn.Dense(4, 4),
        nn.Residual([nn.BatchNorm(4), Sum(nn.Dense(4, 4), nn.Sequential([nn.Dense(4, 4), nn.ReLU()]))]),
        nn.Dense(4, 2),
    ]
    model = nn.Sequential(parts, rng=0)
    parts[1].layers[1].second.layers[0].W[...] = 3e38
    before = model.params.numbers.copy()
    with pytest.raises(DivergenceError, match=r"first in layer 1\.1\.1\.0 Dense\(4, 4\)"):
        fit(model, X, y, nn.SGD(0.1))
    assert (model.params.numbers == before).all()


@pytest.mark.nonfinite
def test_what_comes_to_batch_norm_has_no_scale_to_blame():
    X, y = data(scale=1e6)
    model = nn.Sequential([nn.BatchNorm(4), nn.Dense(4, 2)], rng=0)
    with pytest.raises(DivergenceError, match="a learning rate that is too large"):
        fit(model, X, y, nn.SGD(1e20))
