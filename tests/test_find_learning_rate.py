"""The learning-rate finder: good rates on many problems, and nothing of the user's is changed."""

from __future__ import annotations

import copy
import functools
import json
import warnings
from itertools import pairwise

import numpy as np
import pytest
from workpieces import net_of_blocks

import nnlite as nn
from nnlite.errors import ArgumentError, DivergenceError, ShapeError
from nnlite.inspect import RateSearch, find_learning_rate, rate_search


def net(*sizes, activation=nn.Tanh, rng=0, **options):
    layers = []
    for inputs, outputs in pairwise(sizes[:-1]):
        layers += [nn.Dense(inputs, outputs), activation()]
    return nn.Sequential([*layers, nn.Dense(*sizes[-2:])], rng=rng, **options)


def xor():
    X, y = nn.datasets.xor()
    return X, y[:, None].astype(float)


def problems():
    squared, classes, yes_no = nn.MeanSquaredError(), nn.SoftmaxCrossEntropy(), nn.BinaryCrossEntropy()
    wave, moons, flowers = nn.datasets.sine(150, rng=0), nn.datasets.moons(200, rng=0), nn.datasets.iris()
    moons_y = moons.y[:, None]
    return {
        "XOR, SGD, full batch": ((2, 8, 1), *xor(), squared, nn.SGD(), 300),
        "XOR, Adam, full batch": ((2, 8, 1), *xor(), squared, nn.Adam(), 150),
        "XOR, momentum": ((2, 8, 1), *xor(), squared, nn.SGD(momentum=0.9), 200),
        "sine, SGD": ((1, 32, 1), wave.X, wave.y, squared, nn.SGD(), 60),
        "sine, Adam": ((1, 32, 1), wave.X, wave.y, squared, nn.Adam(), 60),
        "sine, two layers, RMSProp": ((1, 16, 16, 1), wave.X, wave.y, squared, nn.RMSProp(), 60),
        "sine, negative loss": ((1, 16, 2), wave.X, wave.y, nn.GaussianNLL(), nn.Adam(), 60),
        "sine, straight loss": ((1, 32, 1), wave.X, wave.y, nn.MeanAbsoluteError(), nn.Adam(), 60),
        "moons, SGD": ((2, 16, 1), moons.X, moons_y, yes_no, nn.SGD(), 100),
        "moons, Nesterov": ((2, 16, 1), moons.X, moons_y, yes_no, nn.SGD(momentum=0.9, nesterov=True), 40),
        "20 moons, noisy": ((2, 16, 1), moons.X[:20], moons_y[:20], yes_no, nn.SGD(), 80),
        "iris, unscaled": ((4, 16, 3), flowers.X, flowers.y, classes, nn.SGD(), 60),
        "iris, Lion": ((4, 16, 3), flowers.X, flowers.y, classes, nn.Lion(), 80),
        "linear, Adagrad": ((4, 3), flowers.X, flowers.y, classes, nn.Adagrad(), 40),
    }


@pytest.mark.parametrize("name", problems())
def test_close_to_the_best_of_a_sweep(name):
    sizes, X, y, loss, optimizer, epochs = problems()[name]
    rates = np.geomspace(1e-4, 10, 16)
    result = nn.sweep(
        net(*sizes), X, y, learning_rate=rates, seeds=2, loss=loss, optimizer=optimizer, epochs=epochs
    )
    bottom = result.rows[result.best_index]["loss"]
    for seed in range(2):
        model = net(*sizes, rng=seed)
        found = find_learning_rate(model, X, y, loss, optimizer)
        optimizer.learning_rate = found.rate
        history = model.fit(X, y, loss=loss, optimizer=optimizer, epochs=epochs)
        reached = np.mean(history["loss"][-epochs // 10 :])  # a single epoch may be a bad one
        optimizer.reset()
        assert (found.start - reached) / (found.start - bottom) >= 0.9


def test_everything_stays_as_it_is(rng):
    X, y = nn.datasets.iris()
    layers = [nn.Standardize(4), nn.Dense(4, 8), nn.Dropout(0.2), nn.ReLU(), nn.Dense(8, 3)]
    model, loss = nn.Sequential(layers, rng=0), nn.SoftmaxCrossEntropy()
    optimizer = nn.Adam(0.01)
    model.fit(X, y, loss=loss, optimizer=optimizer, epochs=2)
    model[1].freeze("b")
    twin, other = copy.deepcopy((model, optimizer))
    generator = np.random.default_rng(5)
    kept = copy.deepcopy(generator.bit_generator.state), X.copy(), y.copy()
    state, grads = optimizer.state_dict(), model.params.grads.copy()
    for seed in (None, generator):
        find_learning_rate(model, X, y, loss, optimizer, trials=20, rng=seed)
    assert generator.bit_generator.state == kept[0]
    np.testing.assert_array_equal(X, kept[1])
    np.testing.assert_array_equal(y, kept[2])
    assert optimizer.learning_rate == 0.01
    assert optimizer.steps == state["steps"]
    assert model.rng.bit_generator.state == twin.rng.bit_generator.state
    np.testing.assert_array_equal(model.params.values, twin.params.values)
    np.testing.assert_array_equal(model.params.grads, grads)
    # Training goes on as if nothing had been.
    options = {"loss": loss, "epochs": 2}
    first = model.fit(X, y, optimizer=optimizer, **options)["loss"]
    assert twin.fit(X, y, optimizer=other, **options)["loss"] == first


def test_a_training_that_is_under_way_keeps_its_moments():
    X, y = nn.datasets.sine(100, rng=0)
    model, optimizer, loss = net(1, 16, 1), nn.Adam(0.01), nn.MeanSquaredError()
    model.fit(X, y, loss=loss, optimizer=optimizer, epochs=20)
    found = find_learning_rate(model, X, y, loss, optimizer, trials=0)
    assert found.rates[0] == 1e-6
    assert found.start == pytest.approx(model.evaluate(X, y, loss=loss)["loss"])


def test_the_same_again():
    X, y = nn.datasets.moons(200, rng=0)
    model = net(2, 8, 1)
    call = lambda **options: find_learning_rate(  # noqa: E731
        model, X, y[:, None], nn.BinaryCrossEntropy(), trials=40, **options
    )
    assert call().to_dict() == call().to_dict()
    assert call(rng=3).to_dict() == call(rng=np.random.default_rng(3)).to_dict()
    assert call(rng=3).losses.tolist() != call(rng=4).losses.tolist()


def test_the_steps_are_those_of_fit():
    """The range test is a training by `fit` with that schedule, so the same losses come out of one."""
    X, y = nn.datasets.moons(200, rng=0)
    y, loss = y[:, None], nn.BinaryCrossEntropy()
    found = find_learning_rate(net(2, 8, 1), X, y, loss, nn.SGD(), high=0.1, steps=14, trials=0, rng=1)
    model = net(2, 8, 1)
    rates = np.geomspace(1e-6, 0.1, 14)
    np.testing.assert_allclose(found.rates, rates, rtol=1e-12)
    schedule = nn.SGD(lambda step: float(rates[step]))
    model.fit(X, y, loss=loss, optimizer=schedule, epochs=2, batch_size=32, rng=1)
    assert found.losses[-1] == pytest.approx(model.evaluate(X, y, loss=loss)["loss"], rel=1e-5)


def test_early_spikes_fool_nobody():
    """Single rows that are far off make batches of a loss many times higher, before anything is learned."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(320, 3)).astype(np.float32)
    y = X @ np.array([[1.0], [2.0], [-1.0]], np.float32)
    y[::80] += 30  # in 4 of 10 batches or fewer there is one
    model = net(3, 8, 1, activation=nn.ReLU)
    for seed in range(5):
        for trials in (0, 200):
            found = find_learning_rate(model, X, y, nn.MeanSquaredError(), trials=trials, rng=seed)
            assert 1e-3 < found.rate < 0.3
            flat = found.rates < 1e-4
            assert np.ptp(found.losses[flat]) < 0.01 * found.start


def test_weights_and_batches(rng):
    X, y = nn.datasets.sine(100, rng=0)
    y = y.copy()
    y[::2] = 50  # rows that do not count
    weight = np.arange(100) % 2
    found = find_learning_rate(net(1, 8, 1), X, y, nn.MeanSquaredError(), weight=weight, trials=50)
    assert found.start < 2
    made = nn.batches(X, y, weight, batch_size=20, rng=3)
    state = copy.deepcopy(made._rng.bit_generator.state)
    of_batches = find_learning_rate(net(1, 8, 1), made, None, nn.MeanSquaredError(), trials=50)
    assert of_batches.start == pytest.approx(found.start)
    assert of_batches.losses.min() < of_batches.start
    assert made._rng.bit_generator.state == state


def test_sparse_rows(rng):
    sparse = pytest.importorskip("scipy.sparse")
    X = rng.normal(size=(60, 5)) * (rng.random((60, 5)) < 0.4)
    y = X[:, :1] * 2
    dense = find_learning_rate(net(5, 4, 1), X, y, nn.MeanSquaredError(), trials=30, rng=0)
    found = find_learning_rate(net(5, 4, 1), sparse.csr_matrix(X), y, nn.MeanSquaredError(), trials=30, rng=0)
    assert found.rate == pytest.approx(dense.rate, rel=1e-3)


@pytest.mark.nonfinite
def test_a_test_that_blows_up_says_no_more_than_it_should():
    X, y = nn.datasets.sine(100, rng=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = find_learning_rate(net(1, 16, 1), X, 10 * y, nn.MeanSquaredError(), high=1e8)
    assert found.rates[-1] < 100  # it ended before
    assert np.isinf(found.trial_losses).any()
    assert found.rate < 0.1
    data = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert data["rate"] == found.rate
    assert None in data["trial_losses"]
    assert "not finite" in str(found)


@pytest.mark.nonfinite
@pytest.mark.parametrize("trials", [0, 30])
def test_rates_that_are_all_too_large(trials):
    X, y = nn.datasets.sine(100, rng=0)
    with pytest.raises(ArgumentError, match=r"falls from .* Give a smaller low="):
        find_learning_rate(net(1, 16, 1), X, 100 * y, nn.MeanSquaredError(), low=100, high=1e4, trials=trials)


def test_a_loss_that_is_flat_everywhere():
    X, y = nn.datasets.sine(50, rng=0)
    model = net(1, 4, 1, activation=nn.ReLU)
    model[0].b[...] = -100  # no neuron ever fires
    model[2].freeze()
    with pytest.raises(ArgumentError, match="a loss that falls"):
        find_learning_rate(model, X, y, nn.MeanSquaredError(), trials=20)


def test_a_loss_of_zero_has_nothing_to_fall():
    X, y = nn.datasets.sine(50, rng=0)
    model = net(1, 4, 1)
    model[2].W[...] = 0
    with pytest.raises(ArgumentError, match="nothing to learn: look at the targets"):
        find_learning_rate(model, X, 0 * y, nn.MeanSquaredError(), trials=20)


@pytest.mark.nonfinite
def test_a_loss_that_is_not_finite_from_the_start():
    X, y = nn.datasets.sine(50, rng=0)
    model = net(1, 4, 1)
    model[2].W[...] = 1e30
    with pytest.raises(DivergenceError, match="weights of size 1e"):
        find_learning_rate(model, X, y, nn.MeanSquaredError())


def test_the_largest_rate_may_be_the_best():
    X, y = nn.datasets.sine(100, rng=0)
    found = find_learning_rate(net(1, 16, 1), X, y, nn.MeanSquaredError(), high=0.001)
    assert found.rate == 0.001
    assert "largest rate of the test" in found.reason


def test_the_smallest_rate_that_comes_near_the_best_is_taken():
    choose = functools.partial(rate_search._choose, start=1.2, origin=1.0, steps=400, at_the_edge=False)
    rates = [1.0, 0.3, 0.1, 0.03, 0.01, 0.003]
    assert choose(rates, [9.0, 0.0, 0.0, 0.02, 0.03, 0.5])[0] == 0.01  # two have ended at 0
    assert choose(rates, [9.0, 0.0, 0.0, 0.06, 0.3, 0.5])[0] == 0.1
    # Two that are low by luck, beyond others that are not.
    chosen, reason = choose(rates, [0.0, 0.0, 0.9, 0.3, 0.28, 0.5])
    assert chosen == 0.01
    assert "4 came as far" in reason
    # The only one has no room above it, but is better than none.
    assert choose(rates, [9.0, 0.1, 2.0, 2.0, 2.0, 2.0])[0] == 0.3


def overfitting():
    """Return a few rows, half of them mislabelled, a net that learns them by heart, and other rows."""
    X, y = nn.datasets.blobs(340, noise=0.5, rng=0)
    y = y.copy()
    y[:20] = (y[:20] + 1) % 3
    return net(2, 64, 3, activation=nn.ReLU), X[:40], y[:40], (X[40:], y[40:])


def test_validation_rows_are_what_is_watched():
    model, X, y, held_out = overfitting()
    loss, adam = nn.SoftmaxCrossEntropy(), nn.Adam()
    by_heart = find_learning_rate(model, X, y, loss, adam)
    found = find_learning_rate(model, X, y, loss, adam, validation=held_out)
    assert found.start == pytest.approx(model.evaluate(*held_out, loss=loss)["loss"])
    assert found.rate < by_heart.rate / 3
    ends = []
    for rate in (found.rate, by_heart.rate):
        nets = copy.deepcopy(model)
        history = nets.fit(X, y, loss=loss, optimizer=nn.Adam(rate), epochs=200, validation=held_out)
        ends.append(history["validation_loss"][-1])
    assert ends[0] < ends[1]


def test_a_share_of_the_rows_is_the_one_that_fit_holds_out():
    X, y = nn.datasets.moons(200, rng=0)
    given = {"loss": nn.SoftmaxCrossEntropy(), "validation": 0.25, "rng": 3}
    found = find_learning_rate(net(2, 8, 2), X, y, optimizer=nn.SGD(), steps=10, trials=0, **given)
    model = net(2, 8, 2)
    rates = np.geomspace(1e-6, 10, 10)
    optimizer = nn.SGD(lambda step: float(rates[step]))
    history = model.fit(X, y, optimizer=optimizer, epochs=2, **given)  # 5 batches each
    np.testing.assert_allclose(found.losses[[4, 9]], history["validation_loss"], rtol=1e-5)


@pytest.mark.parametrize("validation", [None, 0.25, "rows"])
def test_trials_are_judged_behind_whole_epochs(validation):
    """Where trainings end, since a last batch of one row throws the weights about."""
    X, y = nn.datasets.sine(33 if validation != 0.25 else 44, rng=0)
    given = {"loss": nn.MeanSquaredError(), "batch_size": 16, "rng": 3}
    given["validation"] = (X, y) if validation == "rows" else validation
    found = find_learning_rate(net(1, 8, 1), X, y, trials=31, **given)
    assert found.trial_steps == 30
    given["validation"] = validation if validation == 0.25 else (X, y)
    rate = float(found.rate)
    history = net(1, 8, 1).fit(X, y, optimizer=nn.SGD(rate), epochs=10, **given)  # 3 batches each
    level = found.trial_losses[found.trial_rates == rate]
    assert level == pytest.approx(np.mean(history["validation_loss"][2:]), rel=1e-5)


def test_an_epoch_longer_than_a_trial():
    X, y = nn.datasets.sine(100, rng=0)
    found = find_learning_rate(net(1, 8, 1), X, y, nn.MeanSquaredError(), batch_size=2, trials=40)
    assert found.trial_steps == 40


def test_faces():
    X, y = xor()
    found = find_learning_rate(net(2, 8, 1), X, y, nn.MeanSquaredError())
    assert isinstance(found, RateSearch)
    assert found.rates.shape == found.losses.shape == found.smoothed.shape
    assert found.trial_rates.shape == found.trial_losses.shape
    assert found.rate in found.trial_rates
    assert (np.diff(found.trial_rates) < 0).all()
    text = str(found)
    assert f"learning rate {found.rate:.2g}" in text
    assert text.count("<- suggested") == 1
    assert found.reason in text
    assert found._repr_html_().count("<tr>") == len(found.trial_rates) + 1
    assert (
        "<table>" not in find_learning_rate(net(2, 8, 1), X, y, nn.MeanSquaredError(), trials=0)._repr_html_()
    )


def test_picture():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    X, y = xor()
    found = find_learning_rate(net(2, 8, 1), X, y, nn.MeanSquaredError())
    given = plt.subplots()[1]
    assert found.plot(given) is given
    ax = found.plot()
    assert ax.get_xscale() == "log"
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert f"suggestion, {found.rate:.2g}" in labels
    marked = [line for line in ax.lines if line.get_label().startswith("suggestion")]
    assert marked[0].get_xdata()[0] == found.rate
    with pytest.raises(TypeError, match=r"RateSearch\.plot\(ax=\): expected a matplotlib Axes"):
        found.plot("ax")
    plt.close("all")


def test_smoothing_has_no_bias_to_the_start():
    rng = np.random.default_rng(0)
    assert rate_search.smooth(np.full(20, 3.0)) == pytest.approx(3.0)
    losses = rng.normal(size=30)
    weights = rate_search.KEPT ** np.arange(30)[::-1]
    assert rate_search.smooth(losses)[-1] == pytest.approx(np.average(losses, weights=weights))


def call(**changes):
    X, y = xor()
    given = {
        "model": net(2, 8, 1),
        "X": X,
        "y": y,
        "loss": nn.MeanSquaredError(),
        "optimizer": None,
    } | changes
    return find_learning_rate(**given)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"model": nn.Sequential}, TypeError, "expected a Sequential, got the class Sequential"),
        ({"model": net(2, 8, 1, replicas=3)}, ArgumentError, r"one net, got 3 replicas. Give model\.replica"),
        ({"loss": nn.MeanSquaredError}, TypeError, r"Write MeanSquaredError\(\)"),
        ({"optimizer": nn.Adam}, TypeError, r"Write Adam\(\)"),
        ({"optimizer": nn.LBFGS()}, TypeError, "an optimizer with a learning rate"),
        ({"optimizer": nn.SGD(nn.CosineDecay(0.1, steps=9))}, ArgumentError, "Leave the schedule out"),
        ({"low": 0}, ArgumentError, r"find_learning_rate\(low=\)"),
        ({"low": 1.0, "high": 0.5}, ArgumentError, r"find_learning_rate\(high=\)"),
        ({"high": np.inf}, ArgumentError, r"find_learning_rate\(high=\)"),
        ({"steps": 5}, ArgumentError, r"find_learning_rate\(steps=\)"),
        ({"trials": -1}, ArgumentError, r"find_learning_rate\(trials=\)"),
        ({"batch_size": 0}, ArgumentError, r"find_learning_rate\(batch_size=\)"),
        ({"rng": "x"}, TypeError, r"find_learning_rate\(rng=\)"),
        ({"X": np.ones((4, 3))}, ShapeError, "expected shape"),
        ({"y": np.ones(4)}, ShapeError, r"y\[:, None\]"),
        ({"weight": [1.0]}, ShapeError, "weight"),
        ({"validation": 1.5}, ArgumentError, r"validation="),
        ({"validation": np.ones((4, 2))}, TypeError, r"validation="),
    ],
)
def test_bad_input(changes, error, message):
    with pytest.raises(error, match=message):
        call(**changes)


def test_running_statistics_that_lag_behind_are_no_progress():
    # By running statistics of 0 and 1 the loss would move at any rate, as they settle.
    X, y = nn.datasets.iris()
    X = 5 + X
    model = net_of_blocks()
    before = model.params.numbers.copy()
    found = find_learning_rate(model, X, y, nn.SoftmaxCrossEntropy(), steps=40, trials=30)
    assert (model.params.numbers == before).all()
    small = found.losses[found.rates < 1e-5]
    assert len(small) >= 3
    np.testing.assert_allclose(small, found.start, rtol=5e-3)
    assert 1e-3 < found.rate < 10
