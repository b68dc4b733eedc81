"""Many nets trained as one: each must come out as the same net trained on its own."""

from __future__ import annotations

import copy
import inspect

import numpy as np
import pytest
from samples import OF_FOUR

import nnlite as nn
from nnlite import losses, optimizers
from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.training.random_states import Generators

ROWS, FEATURES, OUTPUTS, REPLICAS = 22, 4, 3, 3
SEEDS = [5, 6, 7]

#: Each public loss, with targets for it.
LOSSES = {
    "MeanSquaredError": (nn.MeanSquaredError(), "numbers"),
    "MeanAbsoluteError": (nn.MeanAbsoluteError(), "numbers"),
    "Huber": (nn.Huber(0.5), "numbers"),
    "Quantile": (nn.Quantile(0.8), "numbers"),
    "PoissonNLL": (nn.PoissonNLL(), "counts"),
    "GaussianNLL": (nn.GaussianNLL(), "half"),
    "Masked": (losses.Masked(nn.Huber(0.5)), "numbers"),
    "Hinge": (nn.Hinge(), "signs"),
    "BinaryCrossEntropy": (nn.BinaryCrossEntropy(label_smoothing=0.1), "bits"),
    "SoftmaxCrossEntropy": (nn.SoftmaxCrossEntropy(label_smoothing=0.1), "ids"),
    "MultiTaskLoss": (
        nn.MultiTaskLoss(
            {
                "huber": nn.Task(nn.Huber(), outputs=[0, 2], targets=[1, 0], weight=0.5),
                "kind": nn.Task(nn.SoftmaxCrossEntropy(), outputs=[1, 2, 3], targets=2),
            }
        ),
        "table",
    ),
    "SequenceLoss": (nn.SequenceLoss(nn.SoftmaxCrossEntropy(), 2), "steps"),
}

#: Each public optimizer that steps by batches.
OPTIMIZERS = {
    "SGD": lambda rate, decay: nn.SGD(rate, momentum=0.9, nesterov=True, weight_decay=decay, clip_norm=1.0),
    "NAdam": lambda rate, decay: nn.NAdam(rate, weight_decay=decay),
    "RMSProp": lambda rate, decay: nn.RMSProp(rate, momentum=0.5, clip_value=0.1),
    "Adagrad": lambda rate, decay: nn.Adagrad(rate),
    "Adam": lambda rate, decay: nn.Adam(rate),
    "AdamW": lambda rate, decay: nn.AdamW(rate, weight_decay=decay),
    "Lion": lambda rate, decay: nn.Lion(rate, weight_decay=decay),
}

RATES = np.array([0.001, 0.01, 0.03])
DECAYS = np.array([0.0, 0.1, 0.5])


def public(module, base):
    return {
        name
        for name in module.__all__
        if inspect.isclass(getattr(module, name))
        and issubclass(getattr(module, name), base)
        and getattr(module, name) not in (nn.Layer, nn.Loss, nn.PointwiseLoss, nn.Optimizer)
    }


def test_the_tables_are_complete():
    assert set(LOSSES) == public(losses, nn.Loss)
    assert set(OPTIMIZERS) == public(optimizers, nn.Optimizer)


def targets(kind, rng, leading=()):
    shape = (*leading, ROWS)
    return {
        "numbers": lambda: rng.normal(size=(*shape, 4)),
        "half": lambda: rng.normal(size=(*shape, 2)),
        "counts": lambda: rng.poisson(2.0, (*shape, 4)),
        "signs": lambda: rng.choice([-1.0, 1.0], (*shape, 4)),
        "bits": lambda: rng.integers(0, 2, (*shape, 4)).astype(float),
        "ids": lambda: rng.integers(0, 4, shape),
        "table": lambda: np.where(
            np.arange(ROWS)[:, None] % [1, 1, 3] == 1, np.nan, rng.integers(0, 3, (*shape, 3))
        ),
        "steps": lambda: rng.integers([0, -1], 2, (*shape, 2)),
    }[kind]()


def net(middle=None, **options):
    inner = [] if middle is None else [middle()]
    return nn.Sequential(
        [nn.Dense(FEATURES, 4), *inner, nn.Dense(4, 4)], dtype=np.float64, **({"rng": SEEDS} | options)
    )


def same_as_alone(model, history, alone, *, metrics=()):
    """Hold each replica to a net trained on its own by `alone(index)`."""
    for index in range(REPLICAS):
        one, record = alone(index)
        np.testing.assert_allclose(model.params.values[index], one.params.values, rtol=1e-8, atol=1e-12)
        for column in ("loss", "validation_loss", *metrics):
            if column in history.columns:
                assert history.replica(index)[column] == pytest.approx(record[column], rel=1e-8, abs=1e-12)
        assert history.replica(index).best_epoch == record.best_epoch
        assert len(history.replica(index)) == len(record)


def train(middle, kind, loss, optimizer, *, own, rng, metrics=(), callbacks=lambda: (), **options):
    """Train three replicas as one, and each of them alone, on shared data or on data of their own."""
    leading = (REPLICAS,) if own else ()
    X, y = rng.normal(size=(*leading, ROWS, FEATURES)), targets(kind, rng, leading)
    validation = rng.normal(size=(*leading, ROWS, FEATURES)), targets(kind, rng, leading)
    weight = rng.integers(0, 4, (*leading, ROWS)).astype(float)
    options = {"loss": loss, "epochs": 4, "batch_size": 6, "metrics": metrics} | options

    def pick(array, index):
        return array[index] if own else array

    model = net(middle, replicas=REPLICAS)
    history = model.fit(
        X,
        y,
        weight=weight,
        validation=validation,
        optimizer=optimizer(RATES, DECAYS),
        callbacks=callbacks(),
        **options,
    )

    def alone(index):
        one = net(middle, rng=SEEDS[index])
        record = one.fit(
            pick(X, index),
            pick(y, index),
            weight=pick(weight, index),
            validation=(pick(validation[0], index), pick(validation[1], index)),
            optimizer=optimizer(float(RATES[index]), float(DECAYS[index])),
            callbacks=callbacks(),
            **options,
        )
        return one, record

    same_as_alone(model, history, alone, metrics=[name for name in history.columns if "accuracy" in name])
    return model, history


@pytest.mark.parametrize("own", [False, True], ids=["shared", "own"])
@pytest.mark.parametrize("name", OF_FOUR)
def test_every_layer(name, own, rng):
    train(OF_FOUR[name], "numbers", nn.MeanSquaredError(), OPTIMIZERS["SGD"], own=own, rng=rng)


@pytest.mark.parametrize("own", [False, True], ids=["shared", "own"])
@pytest.mark.parametrize("name", LOSSES)
def test_every_loss(name, own, rng):
    loss, kind = LOSSES[name]
    metrics = [nn.accuracy] if kind == "ids" else []
    train(nn.Tanh, kind, loss, OPTIMIZERS["Adam"], own=own, rng=rng, metrics=metrics)


@pytest.mark.parametrize("own", [False, True], ids=["shared", "own"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_with_rates_and_decays_of_their_own(name, own, rng):
    train(nn.Tanh, "ids", nn.SoftmaxCrossEntropy(), OPTIMIZERS[name], own=own, rng=rng)


@pytest.mark.parametrize("size", [70, 40_000], ids=["several replicas a block", "several blocks a replica"])
def test_blocks_of_the_optimizer_are_whole_at_every_size(size, rng):
    from nnlite.core.parameters import Parameters, ParameterSpec

    specs = [ParameterSpec("W", (size,)), ParameterSpec("b", (7,), decay=False)]
    together = Parameters(specs, dtype=np.float64, replicas=300 if size < 100 else 3)
    together.values[...] = rng.normal(size=together.values.shape)
    rates, decays = np.linspace(0.01, 0.1, together.replicas), np.linspace(0, 1, together.replicas)
    optimizer = nn.AdamW(rates, weight_decay=decays)
    singles = [Parameters(specs, dtype=np.float64) for _ in rates]
    others = [nn.AdamW(r, weight_decay=d) for r, d in zip(rates.tolist(), decays.tolist(), strict=True)]
    for one, values in zip(singles, together.values, strict=True):
        one.values[...] = values
    for _ in range(3):
        together.grads[...] = rng.normal(size=together.values.shape)
        optimizer.step(together)
        for one, grads, other in zip(singles, together.grads, others, strict=True):
            one.grads[...] = grads
            other.step(one)
    np.testing.assert_allclose(together.values, [one.values for one in singles], rtol=1e-12)


def test_schedules_may_give_rates_for_each(rng):
    def optimizer(rate, decay):
        return nn.SGD(lambda step: rate * 0.9**step)

    train(nn.Tanh, "numbers", nn.MeanSquaredError(), optimizer, own=False, rng=rng)


def test_early_stopping_acts_on_each(rng):
    def callbacks():
        return [nn.EarlyStopping(patience=2)]

    _, history = train(
        nn.Tanh, "numbers", nn.MeanSquaredError(), lambda rate, decay: nn.Adam(20 * rate), own=True, rng=rng,
        callbacks=callbacks, epochs=60,
    )  # fmt: skip
    lengths = [len(history.replica(index)) for index in range(REPLICAS)]
    assert len(set(lengths)) > 1  # or the test would not see one stop before another
    assert max(lengths) < 60
    assert len(history) == max(lengths)
    assert history.stop_reason == "the training of all replicas has ended"
    assert {one["stop_reason"] for one in history.replicas} == {"no better validation_loss for 2 epochs"}
    short = lengths.index(min(lengths))
    assert history["loss"][-1][short] is None


def test_reduce_on_plateau_acts_on_each(rng):
    def callbacks():
        return [nn.ReduceOnPlateau(patience=1, factor=0.5, min_delta=0.01, min_rate=1e-4)]

    _, history = train(
        nn.Tanh, "numbers", nn.MeanSquaredError(), OPTIMIZERS["Adam"], own=False, rng=rng,
        callbacks=callbacks, epochs=30,
    )  # fmt: skip
    assert len({rate / start for rate, start in zip(history["learning_rate"][-1], RATES, strict=True)}) > 1


def test_an_own_validation_part_for_each(rng):
    X, y = rng.normal(size=(ROWS, FEATURES)), rng.normal(size=(ROWS, 4))
    options = {"loss": nn.MeanSquaredError(), "epochs": 3, "batch_size": 5, "validation": 0.3}
    model = net(replicas=REPLICAS)
    history = model.fit(X, y, optimizer=nn.SGD(0.05), **options)

    def alone(index):
        one = net(rng=SEEDS[index])
        return one, one.fit(X, y, optimizer=nn.SGD(0.05), **options)

    same_as_alone(model, history, alone)
    assert len({tuple(losses) for losses in zip(*history["validation_loss"], strict=True)}) == REPLICAS


@pytest.mark.parametrize("replicas", [2, 3])
def test_as_many_replicas_as_rows_held_out_and_classes(replicas, rng):
    """Class ids of two replicas, two rows each, could be taken for probabilities of two classes."""
    X, y = rng.normal(size=(8, 4)), np.array([0, 1] * 4)
    options = {"loss": nn.SoftmaxCrossEntropy(), "metrics": [nn.accuracy], "epochs": 2, "validation": 0.25}
    model = nn.Sequential([nn.Dense(4, 2)], replicas=replicas, rng=[*range(replicas)], dtype=np.float64)
    history = model.fit(X, y, optimizer=nn.SGD(0.1), **options)
    for index in range(replicas):
        one = nn.Sequential([nn.Dense(4, 2)], rng=index, dtype=np.float64)
        alone = one.fit(X, y, optimizer=nn.SGD(0.1), **options)
        for name in ("validation_loss", "validation_accuracy"):
            found = [losses[index] for losses in history[name]]
            np.testing.assert_allclose(found, alone[name], rtol=1e-12)


def test_one_seed_means_the_same_batches_for_all(rng):
    X, y = rng.normal(size=(ROWS, FEATURES)), rng.normal(size=(ROWS, 4))
    model = net(replicas=REPLICAS, rng=0)
    start = model.params.values.copy()
    options = {"loss": nn.MeanSquaredError(), "epochs": 3, "batch_size": 5, "rng": 9}
    history = model.fit(X, y, optimizer=nn.SGD(0.05), **options)

    def alone(index):
        one = net(rng=0)
        one.params.values[...] = start[index]
        return one, one.fit(X, y, optimizer=nn.SGD(0.05), **options)

    same_as_alone(model, history, alone)


@pytest.mark.parametrize("own", [False, True], ids=["shared", "own"])
def test_rows_in_order_and_a_noise_for_each(own, rng):
    train(
        OF_FOUR["Dropout"],
        "ids",
        nn.SoftmaxCrossEntropy(),
        OPTIMIZERS["SGD"],
        own=own,
        rng=rng,
        shuffle=False,
    )


def test_a_first_layer_that_drops_what_all_share(rng):
    X, y = rng.normal(size=(ROWS, FEATURES)), rng.normal(size=(ROWS, 4))

    def make(**options):
        return nn.Sequential([nn.Dropout(0.4), nn.Dense(FEATURES, 4)], dtype=np.float64, **options)

    model = make(replicas=REPLICAS, rng=SEEDS)
    values = model.loss_and_grad(X, y, nn.MeanSquaredError())
    for index, seed in enumerate(SEEDS):
        one = make(rng=seed)
        assert one.loss_and_grad(X, y, nn.MeanSquaredError()) == pytest.approx(values[index])
        np.testing.assert_allclose(one.params.grads, model.params.grads[index])


def test_streams_of_batches_may_hold_data_for_each(rng):
    batches = [
        (rng.normal(size=(REPLICAS, 5, FEATURES)), rng.normal(size=(REPLICAS, 5, 4))) for _ in range(3)
    ]
    options = {"loss": nn.MeanSquaredError(), "epochs": 2}
    model = net(replicas=REPLICAS)
    history = model.fit(batches, optimizer=nn.SGD(0.05), validation=batches, **options)

    def alone(index):
        mine = [(x[index], y[index]) for x, y in batches]
        one = net(rng=SEEDS[index])
        return one, one.fit(mine, optimizer=nn.SGD(0.05), validation=mine, **options)

    same_as_alone(model, history, alone)


@pytest.mark.parametrize("own", [False, True], ids=["shared", "own"])
@pytest.mark.parametrize("batch_size", [1, 2, 3, 4])
def test_ids_stay_ids_with_as_many_rows_in_a_batch_as_replicas_and_classes(batch_size, own, rng):
    leading = (REPLICAS,) if own else ()
    X, y = rng.normal(size=(*leading, 8, FEATURES)), rng.integers(0, 3, (*leading, 8))

    def make(**options):
        return nn.Sequential([nn.Dense(FEATURES, 3)], dtype=np.float64, **options)

    options = {
        "loss": nn.SoftmaxCrossEntropy(), "epochs": 3, "batch_size": batch_size, "metrics": [nn.accuracy]
    }  # fmt: skip
    model = make(replicas=REPLICAS, rng=SEEDS)
    history = model.fit(X, y, optimizer=nn.SGD(0.1), **options)

    def alone(index):
        one = make(rng=SEEDS[index])
        part = slice(None) if not own else index
        return one, one.fit(X[part], y[part], optimizer=nn.SGD(0.1), **options)

    same_as_alone(model, history, alone, metrics=["accuracy"])


def test_two_monitors_each_see_the_epoch_in_which_the_other_ends_a_replica(rng):
    def callbacks():
        return [
            nn.EarlyStopping(monitor="loss", patience=1),
            nn.EarlyStopping(patience=20),
            nn.ReduceOnPlateau(patience=1),
        ]

    for _ in range(4):
        train(
            nn.Tanh, "numbers", nn.MeanSquaredError(), lambda rate, decay: nn.Adam(20 * rate), own=True,
            rng=rng, callbacks=callbacks, epochs=12,
        )  # fmt: skip


def test_a_second_fit_goes_on_where_each_stopped(rng):
    X, y = rng.normal(size=(ROWS, FEATURES)), rng.normal(size=(ROWS, 4))
    options = {"loss": nn.MeanSquaredError(), "batch_size": 5}

    class StopAt(nn.Callback):
        """End the second net after the second epoch, or in the middle of it."""

        def __init__(self, moment):
            self.moment = moment

        def look(self, state, moment):
            if moment == self.moment and state.epoch == 2 and (moment == "epoch" or state.batch == 3):
                replicas = np.arange(REPLICAS) == 1 if state.history.replicas else None
                state.stop("enough", replicas=replicas)

        def on_epoch_end(self, state):
            self.look(state, "epoch")

        def on_batch_end(self, state):
            self.look(state, "batch")

    for moment in ("epoch", "batch"):
        model, optimizer = net(lambda: nn.Dropout(0.2), replicas=REPLICAS), nn.SGD(0.05, momentum=0.9)
        first = model.fit(X, y, optimizer=optimizer, epochs=4, callbacks=[StopAt(moment)], **options)
        assert [len(first.replica(index)) for index in range(REPLICAS)] == [4, 2, 4]
        history = model.fit(X, y, optimizer=optimizer, epochs=2, **options)

        def alone(index, moment=moment, first=first):
            one, mine = net(lambda: nn.Dropout(0.2), rng=SEEDS[index]), nn.SGD(0.05, momentum=0.9)
            before = [StopAt(moment)] if index == 1 else []
            record = one.fit(X, y, optimizer=mine, epochs=4, callbacks=before, **options)
            assert first.replica(index)["loss"] == pytest.approx(record["loss"])
            return one, one.fit(X, y, optimizer=mine, epochs=2, **options)

        if moment == "epoch":  # in the middle of an epoch the order of the rest is not drawn anew
            same_as_alone(model, history, alone)
        else:
            alone(1)


def test_streams_for_each_replica_may_end_with_a_shorter_batch(rng):
    X, y = rng.normal(size=(REPLICAS, 10, FEATURES)), rng.normal(size=(REPLICAS, 10, 4))
    batches = [(X[:, :6], y[:, :6]), (X[:, 6:], y[:, 6:])]
    history = net(replicas=REPLICAS).fit(batches, loss=nn.MeanSquaredError(), optimizer=nn.SGD(0.1), epochs=1)
    assert len(history) == 1


@pytest.mark.parametrize("metrics", [(), (nn.mean_absolute_error,)], ids=["loss only", "metric"])
def test_streams_do_not_change_whether_weights_are_for_each(metrics, rng):
    X, y = rng.normal(size=(5, FEATURES)), rng.normal(size=(5, 4))
    model, optimizer = net(replicas=REPLICAS), nn.SGD(0.1)
    before = model.params.values.copy()
    with pytest.raises(
        nn.errors.ArgumentError, match="batch 2: weight: expected a batch with weights, like the first"
    ):
        model.fit(
            [(X, y, np.ones(5)), (X, y, np.ones((REPLICAS, 5)))], loss=nn.MeanSquaredError(),
            optimizer=optimizer, metrics=metrics,
        )  # fmt: skip
    np.testing.assert_array_equal(model.params.values, before)
    assert optimizer.steps == 0


def test_one_hot_integers_with_as_many_replicas_as_rows_and_classes_are_one_hot(rng):
    X, y = rng.normal(size=(4, FEATURES)), np.eye(4, dtype=int)[[2, 0, 1, 3]]
    model = net(replicas=4, rng=0)
    ids = model.evaluate(X, np.array([2, 0, 1, 3]), loss=nn.SoftmaxCrossEntropy())["loss"]
    assert model.evaluate(X, y, loss=nn.SoftmaxCrossEntropy())["loss"] == pytest.approx(ids)
    history = model.fit(X, y, loss=nn.SoftmaxCrossEntropy(), optimizer=nn.SGD(0.1), epochs=1)
    assert history[0]["loss"] == pytest.approx(ids)


class TestDivergence:
    def test_the_others_train_on_as_if_it_had_not_been_there(self, rng):
        X, y = rng.normal(size=(ROWS, FEATURES)), rng.normal(size=(ROWS, 4))
        options = {"loss": nn.MeanSquaredError(), "epochs": 40, "batch_size": 5, "validation": (X, y)}
        model, rates = net(nn.Softplus, replicas=REPLICAS), [0.01, 1e6, 0.02]
        optimizer = nn.SGD(rates, momentum=0.5)
        with pytest.warns(
            nn.ReplicaWarning, match=r"1 of 3 replicas diverged .* 1\. history\.replicas says why"
        ):
            history = model.fit(X, y, optimizer=optimizer, metrics=[nn.mean_absolute_error], **options)
        assert history.survivors == [0, 2]
        assert "a learning rate that is too large, 1e+06" in history.replicas[1]["stop_reason"]
        assert history[-1]["loss"][1] is history[-1]["validation_mean_absolute_error"][1] is None
        assert np.isfinite(model.params.values).all()
        assert not optimizer.state["velocity"][1].any()
        for index in (0, 2):
            one = net(nn.Softplus, rng=SEEDS[index])
            record = one.fit(X, y, optimizer=nn.SGD(rates[index], momentum=0.5), **options)
            np.testing.assert_allclose(model.params.values[index], one.params.values, rtol=1e-8)
            assert history.replica(index)["validation_loss"] == pytest.approx(record["validation_loss"])
        json = history.to_json()
        assert "NaN" not in json
        assert "Infinity" not in json
        assert "1 diverged" in repr(history)

        # The optimizer goes on with all of them, once their rates are sane.
        optimizer.learning_rate = 0.01
        model.initialize(rng=SEEDS)
        again = model.fit(X, y, optimizer=optimizer, **options)
        assert again.survivors == [0, 1, 2]

    def test_it_keeps_the_last_weights_that_gave_a_finite_loss(self, rng):
        X, y = rng.normal(size=(ROWS, FEATURES)), rng.normal(size=(ROWS, 4))
        seen = []

        class Watch(nn.Callback):
            def on_batch_begin(self, state):
                seen.append(state.model.params.values.copy())

        model = net(replicas=REPLICAS)
        with pytest.warns(nn.ReplicaWarning):
            history = model.fit(
                X, y, loss=nn.MeanSquaredError(), optimizer=nn.SGD([0.01, 1e4, 0.01]), epochs=20,
                batch_size=5, callbacks=[Watch()],
            )  # fmt: skip
        kept = model.params.values[1]
        last = max(i for i, values in enumerate(seen) if np.array_equal(values[1], kept))
        first = min(i for i, values in enumerate(seen) if np.array_equal(values[1], kept))
        epoch, batch = map(int, history.replicas[1]["stop_reason"].replace(",", "").split()[2:5:2])
        assert first == (epoch - 1) * 5 + batch - 2  # the batch before: its loss was finite
        assert last == len(seen) - 1

    def test_the_bar_shows_those_that_are_left(self, rng, capsys):
        X, y = rng.normal(size=(ROWS, FEATURES)), rng.normal(size=(ROWS, 4))
        with pytest.warns(nn.ReplicaWarning):
            net(replicas=2, rng=0).fit(
                X, y, loss=nn.MeanSquaredError(), optimizer=nn.SGD([0.01, 1e9]), epochs=9,
                callbacks=[nn.ProgressBar(disable=False), nn.EarlyStopping(monitor="loss")],
            )  # fmt: skip
        assert "loss nan" not in capsys.readouterr().err

    def test_if_all_diverge_that_is_an_error(self, rng):
        X, y = rng.normal(size=(ROWS, FEATURES)), rng.normal(size=(ROWS, 4))
        model, optimizer = net(replicas=REPLICAS), nn.SGD([1e5, 1e7, 1e9])
        with pytest.raises(nn.errors.DivergenceError, match="replica 0: expected a finite loss"):
            model.fit(X, y, loss=nn.MeanSquaredError(), optimizer=optimizer, epochs=50)
        assert np.isfinite(model.params.values).all()
        assert optimizer.steps == 0

    def test_in_the_last_step_too(self, rng):
        X, y = rng.normal(size=(ROWS, FEATURES)), rng.normal(size=(ROWS, 4))
        model = net(replicas=REPLICAS)
        start = model.params.values.copy()
        with pytest.warns(nn.ReplicaWarning):
            history = model.fit(
                X, y, loss=nn.MeanSquaredError(), optimizer=nn.SGD([0.1, 1e308, 0.1], momentum=0.9), epochs=1,
                batch_size=ROWS, callbacks=[Blow()],
            )  # fmt: skip
        assert "weights that are not finite after the step" in history.replicas[1]["stop_reason"]
        np.testing.assert_array_equal(model.params.values[1], start[1])


class Blow(nn.Callback):
    def on_grad_computed(self, state):
        state.model.params.grads[1] *= 1e300


def test_a_failing_step_changes_nothing():
    from nnlite.core.parameters import Parameters, ParameterSpec

    params = Parameters([ParameterSpec("W", (2,))], replicas=3)
    params.grads[...] = 9.0
    optimizer = nn.Adam(lambda step: [0.1, 0.2], clip_value=1.0)
    with pytest.raises(nn.errors.ShapeError):
        optimizer.step(params)
    assert optimizer.steps == 0
    assert (params.grads == 9.0).all()


def test_reset_gives_the_full_rate_back():
    optimizer = nn.SGD(0.1)
    optimizer.rate_factor = np.array([0.5, 0.1])
    optimizer.reset()
    assert optimizer.rate == 0.1


class TestOneOfMany:
    def test_buffers_that_nobody_announced_come_along(self):
        class Counts(nn.Layer):
            def __init__(self):
                self.buffers["seen"] = np.arange(3.0)

            def forward(self, x, ctx=None):
                return x

        one = nn.Sequential([nn.Dense(2, 2), Counts()], replicas=2, rng=0).replica(1)
        np.testing.assert_array_equal(one[1].buffers["seen"], np.arange(3.0))

    def test_a_replica_is_a_plain_model(self, rng):
        model = nn.Sequential(
            [nn.Standardize(FEATURES), nn.Dense(FEATURES, 5), nn.Tanh(), nn.Dropout(0.5), nn.Dense(5, 2)],
            replicas=REPLICAS, rng=SEEDS, dtype=np.float64,
        )  # fmt: skip
        model[1].freeze("b")
        X = rng.normal(3, 2, (REPLICAS, ROWS, FEATURES))
        model.adapt(X)
        for index in range(REPLICAS):
            one = model.replica(index)
            assert one.params.replicas is None
            assert one.params.frozen == model.params.frozen
            assert one.params.dtype == np.float64
            np.testing.assert_allclose(one.predict(X[index]), model.predict(X)[index], rtol=1e-12)
            np.testing.assert_allclose(one[0].mean, X[index].mean(axis=0))
        before = model.params.values.copy()
        one.params.values[...] = 0.0
        np.testing.assert_array_equal(model.params.values, before)

    def test_it_goes_on_as_the_replica_would(self, rng):
        X, y = rng.normal(size=(ROWS, FEATURES)), rng.normal(size=(ROWS, 4))
        model = net(nn.Tanh, replicas=REPLICAS)
        options = {"loss": nn.MeanSquaredError(), "epochs": 2, "batch_size": 5}
        model.fit(X, y, optimizer=nn.SGD(0.1), **options)
        one = model.replica(1)
        history = model.fit(X, y, optimizer=nn.SGD(0.1), **options)
        assert one.fit(X, y, optimizer=nn.SGD(0.1), **options)["loss"] == pytest.approx(
            history.replica(1)["loss"]
        )
        np.testing.assert_allclose(one.params.values, model.params.values[1])

    def test_own_layers_come_along(self):
        class Scale(nn.Layer):
            gain = nn.Parameter()

            def __init__(self, names):
                self.names = names
                self.declare("gain", (1,), initializer=nn.initializers.Constant(2.0))

            def forward(self, x, ctx=None):
                return x * self.gain

        model = nn.Sequential([nn.Dense(2, 2), Scale(["a"])], replicas=2, rng=0)
        one = model.replica(1)
        assert one[1].names == ["a"]
        assert one[1].names is not model[1].names
        np.testing.assert_allclose(one.predict([[1.0, 2.0]]), model.predict([[1.0, 2.0]])[1], rtol=1e-6)

    def history_of_three(self):
        history = nn.History()
        history.replicas = [{"stop_reason": "", "best_epoch": None, "diverged": False} for _ in range(3)]
        history.replicas[0] |= {"diverged": True}
        history.replicas[1] |= {"best_epoch": 1}
        history.rows = [
            {"epoch": 1, "loss": [0.1, 0.3, 0.5], "validation_share": [1.0, 0.5, 0.6]},
            {"epoch": 2, "loss": [None, 0.9, 0.4], "validation_share": [None, 0.9, 0.6]},
        ]
        history.higher_is_better = {"loss": False}
        return history

    def test_the_best_is_found_by_loss_or_by_a_metric(self):
        history, model = self.history_of_three(), nn.Sequential([nn.Dense(1, 1)], replicas=3, rng=0)
        values = model.params.values
        np.testing.assert_array_equal(model.best(history).params.values, values[1])
        history.higher_is_better["validation_share"] = True
        best = model.best(history, monitor="validation_share")
        np.testing.assert_array_equal(best.params.values, values[2])
        worst = model.best(history, monitor="loss", higher_is_better=True)
        np.testing.assert_array_equal(worst.params.values, values[2])

    def test_which_way_is_up_is_asked_for(self):
        history, model = self.history_of_three(), nn.Sequential([nn.Dense(1, 1)], replicas=3, rng=0)
        with pytest.raises(
            ArgumentError, match=r"best\(monitor=\).*'validation_share'.*higher_is_better=True"
        ):
            model.best(history, monitor="validation_share")
        best = model.best(history, monitor="validation_share", higher_is_better=True)
        np.testing.assert_array_equal(best.params.values, model.params.values[2])
        with pytest.raises(ArgumentError, match="one of epoch, loss, validation_share"):
            model.best(history, monitor="validation_f1")
        with pytest.raises(ArgumentTypeError, match="True or False, got 'yes'"):
            model.best(history, monitor="loss", higher_is_better="yes")

    def test_fit_tells_the_history_which_way_is_up(self, rng):
        X = rng.normal(size=(20, 1))
        model = nn.Sequential([nn.Dense(1, 1)], replicas=3, rng=[0, 1, 2])
        history = model.fit(
            X,
            X,
            loss=nn.MeanSquaredError(),
            optimizer=nn.SGD([1e-4, 0.1, 1e-3]),
            epochs=50,
            validation=(X, X),
            metrics={"share": nn.r2, "score": lambda pred, target: 0.0},
        )
        assert history.higher_is_better["share"] is history.higher_is_better["validation_share"] is True
        assert history.higher_is_better["loss"] is history.higher_is_better["validation_loss"] is False
        assert "score" not in history.higher_is_better
        assert history.replica(0).higher_is_better == history.higher_is_better
        best = model.best(history, monitor="validation_share")
        np.testing.assert_array_equal(best.params.values, model.params.values[1])
        with pytest.raises(ArgumentError, match="'validation_score'"):
            model.best(history, monitor="validation_score")

    def test_an_ensemble_has_a_mean_and_a_spread(self, rng):
        model, X = net(replicas=REPLICAS), rng.normal(size=(ROWS, FEATURES))
        all_of_them = model.ensemble(X)
        each = np.stack([model.replica(index).predict(X) for index in range(REPLICAS)])
        np.testing.assert_allclose(all_of_them.members, each)
        np.testing.assert_allclose(all_of_them.mean, each.mean(axis=0))
        np.testing.assert_allclose(all_of_them.spread, each.std(axis=0))
        np.testing.assert_allclose(model.ensemble(X, members=[2]).mean, each[2])

    def test_copies_and_files_keep_what_was_measured_for_each(self, rng, tmp_path):
        X = rng.normal(3, 2, (REPLICAS, ROWS, FEATURES))
        model = nn.Sequential([nn.Standardize(FEATURES), nn.Dense(FEATURES, 2)], replicas=REPLICAS, rng=0)
        model.adapt(X)
        model.save(tmp_path / "many.safetensors")
        for other in (nn.load(tmp_path / "many.safetensors"), copy.deepcopy(model)):
            np.testing.assert_array_equal(other.predict(X), model.predict(X))


class TestSeeds:
    def test_each_replica_starts_as_a_net_with_its_seed(self):
        model = net(replicas=REPLICAS)
        for index, seed in enumerate(SEEDS):
            np.testing.assert_array_equal(model.params.values[index], net(rng=seed).params.values)
        model.initialize(rng=[1, 2, 3])
        np.testing.assert_array_equal(model.params.values[2], net(rng=3).params.values)

    def test_a_failed_fit_draws_nothing_from_any(self, rng):
        model = net(replicas=REPLICAS)
        state = [one.bit_generator.state for one in model.rng.each]
        with pytest.raises(nn.errors.ArgumentError):
            model.fit(
                rng.normal(size=(ROWS, FEATURES)), rng.normal(size=(ROWS, 4)), loss=nn.MeanSquaredError(),
                optimizer=nn.SGD(0.1), metrics={"wrong": lambda pred, target: nn.accuracy(pred, target[:2])},
            )  # fmt: skip
        assert [one.bit_generator.state for one in model.rng.each] == state

    def test_generators_refuse_a_size_that_is_not_for_all(self):
        both = Generators([np.random.default_rng(1), np.random.default_rng(2)])
        for size in ((3, 2), (), 2):
            with pytest.raises(nn.errors.ArgumentError, match="a size that begins with the 2 replicas"):
                both.random(size)
        with pytest.raises(AttributeError, match="there are random, standard_normal, permutation"):
            both.normal(size=(2, 3))
        assert len(copy.deepcopy(both)) == 2

    def test_generators_draw_what_each_would_draw(self):
        both = Generators([np.random.default_rng(1), np.random.default_rng(2)])
        alone = np.random.default_rng(2)
        np.testing.assert_array_equal(both.random((2, 5))[1], alone.random(5))
        np.testing.assert_array_equal(both.standard_normal((2, 5))[1], alone.standard_normal(5))
        np.testing.assert_array_equal(both.permutation(5)[1], alone.permutation(5))


def test_folds_cover_all_rows_once():
    train, test = nn.k_folds(23, 5, rng=0)
    assert train.shape == (5, 19)
    assert test.shape == (5, 4)
    assert len(set(test.ravel().tolist())) == 20
    for left, right in zip(train, test, strict=True):
        assert sorted([*left, *right]) == list(range(23))
    with pytest.raises(nn.errors.ArgumentError, match="at most one fold for each of 3 rows, got 4"):
        nn.k_folds(3, 4)


def test_one_replica_with_weights_of_its_own_is_standardized():
    rng = np.random.default_rng(0)
    X, y, weight = rng.normal(size=(1, 6, 3)), rng.normal(size=(1, 6, 2)), rng.uniform(1, 2, (1, 6))
    found = []
    for replicas, ahead in ((1, ...), (None, 0)):
        model = nn.Sequential([nn.Standardize(3), nn.Dense(3, 2)], rng=0, replicas=replicas)
        model.params.values[...] = np.linspace(-1, 1, 8)
        history = model.fit(
            X[ahead], y[ahead], weight=weight[ahead], loss=nn.MeanSquaredError(), optimizer=nn.SGD(), epochs=2
        )
        found.append(np.ravel(history["loss"]))
    np.testing.assert_allclose(*found, rtol=1e-6)
