"""The loop: what fit does with data, seeds, callbacks, and optimizers."""

import copy
import json

import numpy as np
import pytest

import nnlite as nn
from nnlite.errors import ArgumentError, ArgumentTypeError


def classification(rng, rows=60):
    X = rng.normal(size=(rows, 4))
    return X, (X[:, 0] + 0.5 * X[:, 1] > 0).astype(int)


def net(rng=0, **options):
    return nn.Sequential([nn.Dense(4, 8), nn.Tanh(), nn.Dense(8, 2)], rng=rng, **options)


def fit(model, X, y=None, **options):
    defaults = {"loss": nn.SoftmaxCrossEntropy(), "optimizer": nn.Adam(0.01), "epochs": 3}
    return model.fit(X, y, **{**defaults, **options})


def test_fit_is_the_explicit_loop(rng):
    X, y = classification(rng)
    model, by_hand = net(dtype=np.float64), net(dtype=np.float64)
    history = fit(model, X, y, shuffle=False, batch_size=25)
    optimizer, loss = nn.Adam(0.01), nn.SoftmaxCrossEntropy()
    for epoch in range(3):
        total = 0.0
        for start in (0, 25, 50):
            x_batch, y_batch = X[start : start + 25], y[start : start + 25]
            total += by_hand.loss_and_grad(x_batch, y_batch, loss) * len(x_batch)
            optimizer.step(by_hand.params)
        assert history["loss"][epoch] == pytest.approx(total / 60, rel=1e-14)
    np.testing.assert_array_equal(model.params.values, by_hand.params.values)


@pytest.mark.parametrize(
    "optimizer", [lambda: nn.Adam(0.01), lambda: nn.SGD(0.1, momentum=0.9), lambda: nn.LBFGS()]
)
def test_the_same_seed_gives_the_same_bits(rng, optimizer):
    X, y = classification(rng)

    def run(seed):
        layers = [nn.Dense(4, 8), nn.Tanh(), nn.Dense(8, 2)]
        if not isinstance(optimizer(), nn.LBFGS):
            layers.insert(2, nn.Dropout(0.2))
        model = nn.Sequential(layers, rng=seed)
        history = fit(model, X, y, optimizer=optimizer(), validation=0.2, metrics=[nn.accuracy])
        return model.params.values, [{**row, "seconds": None} for row in history]

    (a, rows_a), (b, rows_b), (c, _) = run(0), run(0), run(1)
    np.testing.assert_array_equal(a, b)
    assert rows_a == rows_b
    assert (a != c).any()


def test_a_seed_for_fit_alone(rng):
    X, y = classification(rng)
    results = []
    for fit_seed in (5, 5, 6):
        model = net()
        fit(model, X, y, rng=fit_seed)
        results.append(model.params.values)
    np.testing.assert_array_equal(results[0], results[1])
    assert (results[0] != results[2]).any()


def test_a_second_fit_goes_on_where_the_first_stopped(rng):
    X, y = classification(rng)
    once, twice = net(), net()
    fit(once, X, y, epochs=5)
    optimizer = nn.Adam(0.01)
    fit(twice, X, y, epochs=2, optimizer=optimizer)
    history = fit(twice, X, y, epochs=3, optimizer=optimizer)
    np.testing.assert_array_equal(once.params.values, twice.params.values)
    assert optimizer.steps == 10
    assert history["epoch"] == [1, 2, 3]


def test_history_is_plain_data(rng):
    X, y = classification(rng)
    history = fit(net(), X, y, validation=(X[:10], y[:10]), metrics=[nn.accuracy])
    assert history.columns == [
        "epoch",
        "loss",
        "accuracy",
        "validation_loss",
        "validation_accuracy",
        "learning_rate",
        "seconds",
    ]
    assert len(history) == len(history["loss"]) == 3
    assert history.stop_reason == "all 3 epochs done"
    assert json.loads(history.to_json()) == history.to_dict()
    assert all(type(value) in (int, float) for row in history for value in row.values())
    assert repr(history).startswith("History(3 epochs: loss 0.")
    with pytest.raises(ArgumentError, match="one of epoch, loss"):
        history["los"]


def test_validation_numbers_are_those_of_evaluate(rng):
    X, y = classification(rng)
    weight = rng.uniform(0.5, 2, 60)
    for validation, arguments in (
        ((X, y), (X, y, None)),
        ((X, y, weight), (X, y, weight)),
        (nn.batches(X, y, weight, batch_size=7), (X, y, weight)),
    ):
        model = nn.Sequential([nn.Dense(4, 8), nn.Dropout(0.5), nn.Dense(8, 2)], rng=0)
        history = fit(model, X, y, validation=validation, metrics={"share": nn.accuracy})
        found = model.evaluate(
            *arguments[:2], weight=arguments[2], loss=nn.SoftmaxCrossEntropy(), metrics={"share": nn.accuracy}
        )
        assert history["validation_loss"][-1] == pytest.approx(found["loss"], rel=1e-6)
        assert history["validation_share"][-1] == pytest.approx(found["share"])


def test_a_validation_fraction_is_kept_out_of_training(rng):
    X = np.arange(50.0)[:, None]
    seen = set()

    class Record(nn.Layer):
        def forward(self, x, ctx=None):
            if ctx is not None:
                seen.update(x[:, 0].tolist())
            return x

        def backward(self, dy, ctx):
            return dy

    model = nn.Sequential([Record(), nn.Dense(1, 1)], rng=0)
    fit(model, X / 50, X / 50, loss=nn.MeanSquaredError(), optimizer=nn.SGD(0.01), validation=0.3, epochs=4)
    assert len(seen) == 35


def test_training_metrics_are_of_the_training_batches(rng):
    X, y = classification(rng)
    model = net(dtype=np.float64)
    before = model.evaluate(X, y, loss=nn.SoftmaxCrossEntropy(), metrics=[nn.accuracy])
    history = fit(model, X, y, epochs=1, batch_size=60, metrics=[nn.accuracy])
    # One batch: what was measured on the way is what the model was before its one step.
    assert history["loss"][0] == pytest.approx(before["loss"], rel=1e-12)
    assert history["accuracy"][0] == before["accuracy"]


@pytest.mark.parametrize("with_weight", [False, True])
def test_streams_equal_arrays(rng, with_weight):
    X, y = classification(rng)
    # Of one mean in all batches: of a stream it is that of the batches so far, of arrays that of all rows.
    weight = np.tile([0.5, 1.5], 30) if with_weight else None
    parts = [slice(start, start + 16) for start in range(0, 60, 16)]
    if with_weight:
        stream = [(X[p].tolist(), y[p], weight[p]) for p in parts]
    else:
        stream = [[X[p], y[p]] for p in parts]
    a, b = net(), net()
    options = {"metrics": [nn.accuracy], "shuffle": False}
    first = fit(a, X, y, weight=weight, batch_size=16, **options)
    second = fit(b, stream, **options)
    np.testing.assert_array_equal(a.params.values, b.params.values)
    assert first["loss"] == second["loss"]
    assert first["accuracy"] == second["accuracy"]


def test_weights_count_as_rows(rng):
    X, y = classification(rng, rows=5)
    counts = np.array([1, 2, 0, 3, 1])
    a, b = net(dtype=np.float64), net(dtype=np.float64)
    fit(a, X, y, weight=counts, batch_size=5, shuffle=False, optimizer=nn.SGD(0.1))
    fit(b, np.repeat(X, counts, 0), np.repeat(y, counts), batch_size=7, shuffle=False, optimizer=nn.SGD(0.1))
    np.testing.assert_allclose(a.params.values, b.params.values, rtol=1e-12)


def test_an_error_in_a_stream_names_the_batch(rng):
    X, y = classification(rng)
    X[33, 2] = np.nan
    stream = [(X[p : p + 20], y[p : p + 20]) for p in (0, 20, 40)]
    with pytest.raises(
        ArgumentError, match=r"batch 2: x: expected finite numbers, got NaN at index \(13, 2\)"
    ):
        fit(net(), stream)
    with pytest.raises(ArgumentTypeError, match="batch 1"):
        fit(net(), [(X, y, y, y)])


def test_standardize_adapts_on_first_fit_and_never_again(rng):
    X, y = classification(rng)
    X = 100 + 7 * X
    for data in ((X, y), ([(X[:40], y[:40]), (X[40:], y[40:])], None)):
        model = nn.Sequential([nn.Standardize(4), nn.Dense(4, 2)], rng=0)
        fit(model, *data)
        np.testing.assert_allclose(model[0].mean, X.mean(axis=0), rtol=1e-5)
        np.testing.assert_allclose(model[0].scale, X.std(axis=0), rtol=1e-4)
        kept = model[0].mean
        fit(model, X + 1000, y)
        assert model[0].mean is kept


def test_standardize_sees_the_training_part_only(rng):
    X = rng.normal(size=(100, 1))
    X[:50] += 1000
    seen = []

    class Spy(nn.Standardize):
        def adapt(self, data):
            blocks = list(data)
            seen.extend(np.concatenate(blocks)[:, 0])
            super().adapt(iter(blocks))

    model = nn.Sequential([Spy(1), nn.Dense(1, 1)], rng=0)
    fit(model, X, X, loss=nn.MeanSquaredError(), optimizer=nn.SGD(1e-9), validation=0.25)
    assert len(seen) == 75


def test_standardize_in_the_middle_sees_what_reaches_it(rng):
    X, y = classification(rng)
    model = nn.Sequential([nn.Dense(4, 3), nn.ReLU(), nn.Standardize(3), nn.Dense(3, 2)], rng=0)
    expected = model.layers[1].forward(model.layers[0].forward(X.astype(np.float32)))
    fit(model, X, y)
    np.testing.assert_allclose(model[2].mean, expected.mean(axis=0), rtol=1e-5)


def test_frozen_layers_stay(rng):
    X, y = classification(rng)
    for optimizer in (nn.Adam(0.1), nn.LBFGS()):
        model = net()
        model[0].freeze()
        model[2].freeze("b")
        kept, bias = model[0].W.copy(), model[2].b.copy()
        fit(model, X, y, optimizer=optimizer)
        np.testing.assert_array_equal(model[0].W, kept)
        np.testing.assert_array_equal(model[2].b, bias)
        model[0].unfreeze("W")
        fit(model, X, y)
        assert (kept != model[0].W).any()


class TestLBFGS:
    def test_it_trains_like_the_others_and_says_why_it_ended(self, rng):
        X, y = classification(rng)
        model = net(dtype=np.float64)
        history = fit(model, X, y, optimizer=nn.LBFGS(), epochs=400, validation=(X, y), metrics=[nn.accuracy])
        assert history["accuracy"][-1] == 1.0
        assert history["loss"] == sorted(history["loss"], reverse=True)
        assert history["loss"] == pytest.approx(history["validation_loss"], rel=1e-9)
        assert len(history) < 400
        assert history.stop_reason.startswith("CONVERGENCE")
        assert history["learning_rate"][0] is None

    def test_epochs_are_iterations(self, rng):
        X, y = classification(rng)
        history = fit(net(), X, y, optimizer=nn.LBFGS(), epochs=4)
        assert history["epoch"] == [1, 2, 3, 4]
        assert history.stop_reason == "all 4 epochs done"

    def test_batches_are_added_up(self, rng):
        X, y = classification(rng)
        weight = rng.uniform(0.5, 2, 60)
        a, b, c = (net(dtype=np.float64) for _ in range(3))
        fit(a, X, y, weight=weight, optimizer=nn.LBFGS(), epochs=5)
        fit(b, X, y, weight=weight, optimizer=nn.LBFGS(), epochs=5, batch_size=7)
        fit(c, nn.batches(X, y, weight, batch_size=13, rng=0), optimizer=nn.LBFGS(), epochs=5)
        np.testing.assert_allclose(a.params.values, b.params.values, rtol=1e-8)
        np.testing.assert_allclose(a.params.values, c.params.values, rtol=1e-8)

    def test_callbacks_end_it(self, rng):
        X, y = classification(rng)

        class StopAtThree(nn.Callback):
            def on_epoch_end(self, state):
                if state.epoch == 3:
                    state.stop("three is enough")

        history = fit(net(), X, y, optimizer=nn.LBFGS(), epochs=50, callbacks=[StopAtThree()])
        assert len(history) == 3
        assert history.stop_reason == "three is enough"

    def test_no_noise_and_no_replicas(self, rng):
        X, y = classification(rng)
        noisy = nn.Sequential([nn.Dense(4, 2), nn.Dropout(0.5)])
        with pytest.raises(ArgumentError, match=r"bears noise, for a model with Dropout\(0\.5\)"):
            fit(noisy, X, y, optimizer=nn.LBFGS())
        with pytest.raises(ArgumentError, match="for replicas"):
            fit(net(replicas=2), X, y, optimizer=nn.LBFGS())


def test_replicas_train_as_single_nets_do(rng):
    X, y = classification(rng)
    together = net(replicas=3, dtype=np.float64)
    singles = []
    for values in together.params.values:
        alone = net(dtype=np.float64)
        alone.params.values[...] = values
        singles.append((alone, fit(alone, X, y, rng=5, metrics=[nn.accuracy], validation=(X, y))))
    history = fit(together, X, y, rng=5, metrics=[nn.accuracy], validation=(X, y))
    for replica, (alone, record) in enumerate(singles):
        np.testing.assert_allclose(together.params.values[replica], alone.params.values, rtol=1e-9)
        for column in ("loss", "accuracy", "validation_loss", "validation_accuracy"):
            assert [values[replica] for values in history[column]] == pytest.approx(record[column])
    json.dumps(history.to_dict())


def test_an_own_loss_and_an_own_metric(rng):
    class HalfSquares(nn.Loss):
        def value_and_grad(self, pred, target, weight=None):
            gap = pred - target
            return 0.5 * float(np.mean(gap**2)), gap / gap.size

    def largest_gap(pred, target):
        return float(np.abs(pred - target).max())

    X = rng.normal(size=(40, 1))
    model = nn.Sequential([nn.Dense(1, 1)], rng=0)
    history = model.fit(
        X, 2 * X - 1, loss=HalfSquares(), optimizer=nn.SGD(0.3), epochs=60, metrics=[largest_gap]
    )
    assert history["largest_gap"][-1] < 1e-3


@pytest.mark.parametrize("optimizer", [nn.SGD(0.1), nn.LBFGS()])
def test_a_batch_in_which_no_row_counts(rng, optimizer):
    X, y = rng.normal(size=(8, 2)), rng.normal(size=(8, 1))
    weight = np.array([1.0, 2.0, 1.0, 3.0, 0.0, 0.0, 0.0, 0.0])
    stream = nn.batches(X, y, weight, batch_size=4, shuffle=False)
    one, two = (nn.Sequential([nn.Dense(2, 1)], rng=0) for _ in range(2))
    options = {"loss": nn.MeanSquaredError(), "epochs": 3, "metrics": [nn.r2], "shuffle": False}
    streamed = one.fit(stream, optimizer=optimizer, **options)
    again = copy.deepcopy(optimizer)
    if isinstance(again, nn.Optimizer):
        again.reset()
    whole = two.fit(X, y, weight=weight, batch_size=4, optimizer=again, **options)
    assert streamed["loss"] == whole["loss"]
    assert one.evaluate(stream, loss=nn.MeanSquaredError())["loss"] == pytest.approx(
        one.evaluate(X, y, weight=weight, loss=nn.MeanSquaredError())["loss"]
    )
    explicit = nn.Sequential([nn.Dense(2, 1)], rng=0)
    assert explicit.loss_and_grad(X[4:], y[4:], nn.MeanSquaredError(), weight=weight[4:]) == 0.0
    assert not explicit.params.grads.any()


class Whole(nn.Loss):
    def value_and_grad(self, pred, target, weight=None):
        return 0, np.zeros_like(pred)


def test_a_loss_of_ones_own_may_be_a_whole_number(rng):
    X, y = rng.normal(size=(8, 2)), rng.normal(size=(8, 1))
    model = nn.Sequential([nn.Dense(2, 1)], rng=0)
    history = model.fit(X, y, loss=Whole(), optimizer=nn.SGD(0.1), epochs=1, validation=(X, y))
    assert history["validation_loss"] == [0]


def test_lbfgs_at_the_minimum_still_has_a_row(rng):
    X = rng.normal(size=(20, 1))
    model = nn.Sequential([nn.Dense(1, 1)], rng=0, dtype=np.float64)
    model[0].W[...] = 2
    history = fit(model, X, 2 * X, loss=nn.MeanSquaredError(), optimizer=nn.LBFGS(), metrics=[nn.r2])
    assert history["loss"] == [0.0]
    assert history["r2"] == [1.0]
    assert history.stop_reason.startswith("CONVERGENCE")
