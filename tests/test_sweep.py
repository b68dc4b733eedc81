"""Sweeps: labels where the truth is known, nets as if trained one at a time, every face of the result."""

from __future__ import annotations

import copy
import json
import re
import sys

import numpy as np
import pytest
import scipy.sparse

import nnlite as nn
from nnlite.errors import ArgumentError, ArgumentTypeError, ShapeError
from nnlite.sweeps import run
from nnlite.sweeps.evidence import average_loss
from nnlite.sweeps.labels import LABELS, judge, upper_median

FORM = re.compile(r"\S.*?: expected \S.*, got \S(.*[^.])?\. [A-Z].*[^.]\.", re.DOTALL)

X, Y = nn.datasets.xor()
Y = Y[:, None].astype(float)


def xor_net(**options):
    return nn.Sequential([nn.Dense(2, 8), nn.Tanh(), nn.Dense(8, 1)], **({"rng": 0} | options))


#: Inputs of mean square 2, so that the loss of ``w * x`` curves by 4, and rates are stable below 1/2.
QUADRATIC = np.array([[2.0], [0.0], [2.0], [0.0]])


def quadratic(relative_rates, optimizer=None, *, limit=0.5, epochs=100, **options):
    """Sweep over the one weight of ``y = 3 * x``, at rates given as parts of the limit."""
    model = nn.Sequential([nn.Dense(1, 1, bias=False)], dtype=np.float64)
    rates = np.array(relative_rates) * limit
    return nn.sweep(
        model, QUADRATIC, 3 * QUADRATIC, learning_rate=rates, optimizer=optimizer, epochs=epochs, **options
    )


class TestLabels:
    def test_a_quadratic(self):
        # The distance to the minimum is multiplied by 1 - 2 * rate / limit in every step.
        result = quadratic([0.0005, 0.001, 0.02, 0.5, 0.95, 1.003, 1.01, 1.2, 20])
        assert result.labels == [
            "crawls", "crawls", "learns", "learns", "learns",
            "overshoots", "overshoots", "diverges", "diverges",
        ]  # fmt: skip
        assert result.limit.formula == "2/lambda_max"
        assert result.limit.start == pytest.approx(0.5)
        assert result.limit.end == pytest.approx(0.5)
        assert result.limit.sharpness_start == pytest.approx([4, 4, 4])
        assert result.rows[4]["of_limit"] == pytest.approx(0.95)
        assert result.best_rate == pytest.approx(0.25)  # which is at the minimum after one step
        # The numbers: of the way from what the best constant loses down to 0, and each step up.
        start = result.curves[0]
        average = 3**2 * QUADRATIC.var()  # y less its mean
        losses = start * (1 - 2 * 0.001) ** (2 * 99)
        row = result.rows[1]
        assert row["seed_losses"] == pytest.approx(losses[1])
        top = min(average, np.median(start))
        assert row["progress"] == pytest.approx(1 - np.median(losses[1]) / top)
        up = result.rows[5]
        assert up["rises"] == pytest.approx(1, abs=0.02)
        growth = np.median(start[5]) * (1.006 ** (2 * 99) - 1)
        assert up["climb"] == pytest.approx(growth / top)
        assert up["diverged"] == 0
        assert result.rows[-1]["diverged"] == 1

    @pytest.mark.parametrize(
        ("optimizer", "limit", "formula"),
        [
            (nn.SGD(momentum=0.9), 3.8 / 4, "3.8/lambda_max"),
            (nn.SGD(momentum=0.9, nesterov=True), 3.8 / 2.8 / 4, "1.357/lambda_max"),
            (nn.SGD(weight_decay=4.0), 2 / 8, "2/lambda_max"),
        ],
        ids=["momentum", "Nesterov", "weight decay"],
    )
    def test_the_limit_is_that_of_the_dynamics(self, optimizer, limit, formula):
        # The start is near the goal of weight decay, so only the divergence is looked at.
        result = quadratic([0.98, 1.02], optimizer, limit=limit, epochs=1000)
        assert result.limit.formula == formula
        assert result.limit.start == pytest.approx(limit)
        assert result.rows[0]["rises"] < 0.1
        assert result.labels[1] == "diverges"

    @pytest.mark.parametrize("loss", ["mean squared error", "cross-entropy"])
    def test_xor_comes_in_order(self, loss):
        y = Y if loss == "mean squared error" else Y.astype(int)
        result = nn.sweep(xor_net(), X, y, learning_rate=np.geomspace(1e-4, 10, 16), epochs=400)
        order = [LABELS.index(label) for label in result.labels]
        assert order == sorted(order)
        assert {"crawls", "learns"} < set(result.labels)
        assert set(result.labels) & {"overshoots", "diverges"}
        predictions = result.best.predict(X)
        assert np.array_equal(predictions > (0.5 if loss == "mean squared error" else 0), Y > 0.5)
        crawling = [row["of_limit"] for row in result.rows if row["label"] == "crawls"]
        assert max(crawling) < 0.2

    def test_batches_of_spirals_with_adam(self):
        X, y = nn.datasets.spirals(150, rng=0)
        model = nn.Sequential([nn.Dense(2, 16), nn.ReLU(), nn.Dense(16, 3)])
        result = nn.sweep(
            model,
            X,
            y,
            learning_rate=[1e-5, 0.02, 30.0],
            optimizer=nn.Adam(),
            epochs=30,
            metrics=[nn.accuracy],
        )
        assert result.labels == ["crawls", "learns", "overshoots"]
        assert result.rows[1]["accuracy"] > result.rows[0]["accuracy"]
        assert result.limit.reason == "it is that of SGD, and Adam scales its steps"

    def test_if_all_rates_crawl_the_best_of_them_does_too(self):
        result = nn.sweep(xor_net(), X, Y, learning_rate=[1e-6, 1e-5], epochs=10)
        assert result.labels == ["crawls", "crawls"]
        assert "No rate has learned: sweep larger rates" in str(result)

    @pytest.mark.nonfinite
    def test_if_all_diverge_they_are_labelled_too(self):
        result = nn.sweep(xor_net(), X, Y, learning_rate=[1e3, 1e5])
        assert result.labels == ["diverges", "diverges"]
        assert result.best_rate is None
        assert [row["diverged"] for row in result.rows] == [1, 1]
        assert result.rows[0]["loss"] is None
        assert result.rows[0]["diverged_epochs"][0] >= result.rows[1]["diverged_epochs"][0] > 1
        assert "most runs diverged at every rate" in str(result)
        assert "Sweep smaller rates." in str(result)
        assert len(result.history.replicas) == result.model.params.replicas == 6
        assert result.history.stop_reason
        with pytest.raises(ArgumentError, match="expected a rate at which most runs stay finite, got none"):
            _ = result.best

    def test_divergence_in_the_first_epoch(self):
        result = nn.sweep(xor_net(), X, Y, learning_rate=[1e20, 1e30], batch_size=1, epochs=3)
        assert result.labels == ["diverges", "diverges"]
        assert result.rows[1]["diverged_epochs"] == [1, 1, 1]
        assert len(result.history) == 0
        assert "diverges" in str(result)


def curves_of(*runs):
    """Make curves of one seed a rate."""
    return np.array(runs, dtype=float).T[..., None]


def labels_of(*runs, average=1.0, least=0.0):
    curves = curves_of(*runs)
    return [LABELS[label] for label in judge(curves, curves[-1], average=average, least=least).labels[:, 0]]


class TestRules:
    LEARNS = tuple(np.geomspace(1, 0.01, 21))

    def test_half_of_the_way(self):
        assert labels_of((1.0,) * 20 + (0.51,), self.LEARNS) == ["crawls", "learns"]
        assert labels_of((1.0,) * 20 + (0.5,), self.LEARNS) == ["learns", "learns"]

    def test_above_the_best_rate_it_has_overshot(self):
        assert labels_of(self.LEARNS, (1.0,) * 20 + (0.51,)) == ["learns", "overshoots"]

    def test_to_and_fro(self):
        def zigzag(size):
            return tuple(loss + size * (index % 2) for index, loss in enumerate(self.LEARNS))

        assert labels_of(self.LEARNS, zigzag(0.05)) == ["learns", "learns"]
        assert labels_of(self.LEARNS, zigzag(0.5)) == ["learns", "overshoots"]

    def test_one_catapult_is_no_to_and_fro(self):
        catapult = (1.0, 50.0, *self.LEARNS[2:])
        assert labels_of(self.LEARNS, catapult) == ["learns", "learns"]

    def test_a_loss_that_never_became_infinite_may_have_diverged(self):
        assert labels_of(self.LEARNS, (1.0,) * 20 + (900.0,)) == ["learns", "overshoots"]
        assert labels_of(self.LEARNS, (1.0,) * 20 + (1100.0,)) == ["learns", "diverges"]

    def test_the_best_of_those_that_learn_counts(self):
        # The wildest ends lowest by luck; the one before has not learned, and lies above the best.
        wild = (1.0, *(2.0 * (index % 2) + 0.001 for index in range(1, 21)))
        lost = (1.0,) * 20 + (0.9,)
        found = judge(curves := curves_of(self.LEARNS, lost, wild), curves[-1], average=1.0)
        assert found.best == 0
        assert [LABELS[label] for label in found.labels[:, 0]] == ["learns", "overshoots", "overshoots"]

    def test_what_ignores_the_input_has_learned_nothing(self):
        # All the way down to the best constant answer, where XOR has its plateau.
        plateau = tuple(np.geomspace(5, 1, 21))
        assert labels_of(plateau, self.LEARNS) == ["crawls", "learns"]
        assert labels_of(plateau, plateau) == ["learns", "learns"]  # there was no more to learn

    def test_losses_below_zero(self):
        assert labels_of((-1.0, -1.0, -1.1), (-1.0, -2.0, -3.0), average=-1.0) == ["crawls", "learns"]

    @pytest.mark.parametrize("level", [-5000.0, 0.0, 5000.0])
    def test_where_losses_lie_does_not_matter(self, level):
        plateau, learns = ([level + loss for loss in np.geomspace(5, end, 21)] for end in (1.0, 0.1))
        assert labels_of(plateau, learns, average=level + 1, least=level) == ["crawls", "learns"]
        assert labels_of(plateau, learns, average=level + 1, least=None) == ["crawls", "learns"]

    def test_counts_that_are_large(self, rng):
        X = rng.normal(size=(200, 2))
        y = rng.poisson(1000 * np.exp(0.1 * X[:, :1])).astype(float)
        net = nn.Sequential([nn.Dense(2, 8), nn.Tanh(), nn.Dense(8, 1)], rng=0)
        found = nn.sweep(
            net,
            X,
            y,
            learning_rate=[1e-3, 1e-2],
            seeds=1,
            optimizer=nn.Adam(0.1),
            epochs=100,
            loss=nn.PoissonNLL(),
        )
        assert [row["label"] for row in found.rows] == ["crawls", "learns"]

    @pytest.mark.parametrize(("size", "place"), [(1.0, 0.0), (1e4, 1e5), (1.0, 1e6), (1e-2, 0.0)])
    def test_the_best_constant_of_a_normal_distribution(self, size, place, rng):
        y, weight = place + size * rng.exponential(size=(200, 2)), rng.integers(0, 3, 200).astype(float)
        rows = np.repeat(y, weight.astype(int), axis=0)
        found = average_loss(nn.GaussianNLL(), y, weight, (200, 4))
        assert found == pytest.approx(np.mean(np.log(rows.var(axis=0)) + 1) / 2, rel=1e-5)

    def test_an_average_that_is_not_finite_is_left_out(self):
        assert labels_of((1.0, 1.0, 1.0), (1.0, 0.5, 0.1), average=-np.inf) == ["crawls", "learns"]

    def test_the_middle_seed_decides(self):
        assert upper_median(np.array([0, 1, 1])) == 1
        assert upper_median(np.array([1, 1, 3])) == 1
        assert upper_median(np.array([1, 3])) == 3
        assert upper_median(np.array([0.1, np.inf, np.inf])) == np.inf


class TestTraining:
    RATES = (0.01, 0.1, 0.3)

    def same_as_alone(self, result, model, X, y, optimizer, **options):
        pairs = [(rate, seed) for rate in result.rates for seed in result.seeds]
        assert result.model.params.replicas == len(pairs)
        for index, (rate, seed) in enumerate(pairs):
            one = model(rng=seed)
            record = one.fit(X, y, optimizer=optimizer(rate), **options)
            np.testing.assert_allclose(result.model.params.values[index], one.params.values, rtol=1e-9)
            assert result.history.replica(index)["loss"] == pytest.approx(record["loss"], rel=1e-9)
            rate_index, seed_index = divmod(index, len(result.seeds))
            assert result.curves[1:, rate_index, seed_index] == pytest.approx(record["loss"], rel=1e-9)

    def test_each_net_is_as_trained_alone(self, rng):
        X, y = rng.normal(size=(20, 3)), rng.integers(0, 3, 20)

        def model(**options):
            layers = [nn.Standardize(3), nn.Dense(3, 5), nn.Tanh(), nn.Dropout(0.2), nn.Dense(5, 3)]
            return nn.Sequential(layers, dtype=np.float64, **options)

        options = {"epochs": 5, "batch_size": 6, "weight": rng.integers(1, 4, 20)}
        template = nn.SGD(99.0, momentum=0.5, weight_decay=0.1)
        template.step(model().params)  # what it has done before does not matter
        result = nn.sweep(
            model(), X, y, learning_rate=self.RATES[::-1], seeds=[7, 3], optimizer=template, **options
        )
        assert result.rates == list(self.RATES)
        assert result.seeds == (7, 3)
        assert (template.learning_rate, template.steps) == (99.0, 1)

        def alone(rate):
            return nn.SGD(rate, momentum=0.5, weight_decay=0.1)

        self.same_as_alone(result, model, X, y, alone, loss=nn.SoftmaxCrossEntropy(), **options)

    def blocks(self, **options):
        inner = nn.Sequential([nn.Dense(5, 5), nn.Tanh(), nn.Dropout(0.2)])
        layers = [nn.Dense(3, 5), nn.BatchNorm(5), nn.Residual([nn.Standardize(5), inner, nn.BatchNorm(5)])]
        return nn.Sequential([*layers, nn.Dense(5, 1)], dtype=np.float64, **options)

    def test_each_net_with_blocks_and_state_is_as_trained_alone(self, rng):
        X, y = rng.normal(size=(20, 3)), rng.normal(size=(20, 1))
        options = {"epochs": 4, "batch_size": 6, "weight": rng.integers(0, 4, 20)}
        model = self.blocks()
        result = nn.sweep(model, X, y, learning_rate=[0.001, 0.01], seeds=[7, 3], **options)
        self.same_as_alone(result, self.blocks, X, y, nn.SGD, loss=nn.MeanSquaredError(), **options)
        one = self.blocks(rng=3)
        one.fit(X, y, optimizer=nn.SGD(0.01), loss=nn.MeanSquaredError(), **options)
        np.testing.assert_allclose(result.model.params.numbers[3], one.params.numbers, rtol=1e-9)
        np.testing.assert_allclose(result.model.replica(3).predict(X), one.predict(X), rtol=1e-9)

    def test_several_fits_of_blocks_give_the_same(self, monkeypatch, rng):
        X, y = rng.normal(size=(20, 3)), rng.normal(size=(20, 1))
        options = {"learning_rate": [0.001, 0.01, 0.05], "seeds": 2, "epochs": 5, "batch_size": 8}
        whole = nn.sweep(self.blocks(), X, y, **options)
        monkeypatch.setattr(run, "LARGEST_FIT", 2 * run.bytes_for_one(self.blocks(), 8))
        parts = nn.sweep(self.blocks(), X, y, **options)
        np.testing.assert_allclose(parts.model.params.numbers, whole.model.params.numbers, rtol=1e-9)
        for one, other in zip(parts.model.measured(), whole.model.measured(), strict=True):
            assert one.keys() == other.keys()
            for name in one:
                np.testing.assert_allclose(one[name], other[name], rtol=1e-9)
        np.testing.assert_allclose(parts.best.predict(X), whole.best.predict(X), rtol=1e-9)

    def test_a_trained_net_begins_anew_but_for_what_is_frozen(self, rng):
        X, y = rng.normal(size=(20, 3)), rng.normal(size=(20, 1))
        model = self.blocks(rng=0)
        model.fit(X, y, optimizer=nn.SGD(0.1), loss=nn.MeanSquaredError(), epochs=3)
        model[1].freeze()
        result = nn.sweep(model, X, y, learning_rate=self.RATES, epochs=2)
        mean, own = model[1].running_mean, result.model[1].running_mean
        assert mean.any()
        np.testing.assert_array_equal(own, np.broadcast_to(mean, own.shape))
        assert (result.model[2].layers[2].running_mean != model[2].layers[2].running_mean).all()
        assert (result.model[2].layers[1][0].W != model[2].layers[1][0].W).all()

    def test_what_one_net_takes_is_counted_inside_of_layers(self):
        plain = nn.Sequential([nn.Dense(4, 8), nn.Tanh(), nn.Dense(8, 4)])
        assert run.bytes_for_one(plain, 10) == 4 * (10 * 76 + 4 * 10 * 20)
        for block in (nn.Sequential, nn.Residual):
            inner = nn.Sequential([block([nn.Dense(4, 8), nn.Tanh(), nn.Dense(8, 4)])])
            assert run.bytes_for_one(inner, 10) == 4 * (10 * 76 + 4 * 10 * 24)
        kept = nn.Sequential([nn.Residual([nn.BatchNorm(4), nn.Tanh()])])
        assert run.bytes_for_one(kept, 10) == 4 * (10 * 16 + 4 * 10 * 12)

    def test_schedules(self):
        def schedule(rate):
            return nn.StepDecay(rate, every=3, factor=0.5)

        def model(**options):
            return xor_net(dtype=np.float64, **options)

        result = nn.sweep(model(), X, Y, learning_rate=self.RATES, seeds=2, schedule=schedule, epochs=7)
        assert result.limit.reason == "the rates change during training"
        self.same_as_alone(
            result, model, X, Y, lambda rate: nn.SGD(schedule(rate)), loss=nn.MeanSquaredError(), epochs=7,
            shuffle=False,
        )  # fmt: skip

    def test_the_model_is_left_as_it_is(self):
        model = nn.Sequential([nn.Standardize(2), nn.Dense(2, 4), nn.Tanh(), nn.Dense(4, 1)], rng=0)
        values, draws = model.params.values.copy(), model.rng.bit_generator.state
        spawned = model.rng.bit_generator.seed_seq.n_children_spawned
        nn.sweep(model, X, Y, learning_rate=self.RATES, epochs=2)
        assert np.array_equal(model.params.values, values)
        assert model.rng.bit_generator.state == draws
        assert model.rng.bit_generator.seed_seq.n_children_spawned == spawned
        assert not model[0].adapted

    def test_frozen_parameters_keep_their_values(self):
        model = xor_net()
        model[0].freeze()
        model[2].b[...] = 5.0
        result = nn.sweep(model, X, Y, learning_rate=self.RATES, epochs=2)
        assert (result.model[0].W == model[0].W).all()
        assert result.best[0].frozen == {"W", "b"}
        assert not (np.abs(result.model[2].b - 5.0) < 1).any()  # drawn anew

    @pytest.mark.parametrize("validation", [None, 0.25])
    def test_several_fits_give_the_same(self, validation, monkeypatch, rng):
        X, y = rng.normal(size=(20, 3)), rng.normal(size=(20, 1))
        model = nn.Sequential(
            [nn.Standardize(3), nn.Dense(3, 4), nn.Tanh(), nn.Dense(4, 1)], dtype=np.float64
        )
        options = {
            "learning_rate": [0.05, 0.1, 1e3, 1e4], "seeds": 2, "epochs": 30, "batch_size": 8,
            "validation": validation, "metrics": [nn.r2],
        }  # fmt: skip
        whole = nn.sweep(model, X, y, **options)
        fits = []
        monkeypatch.setattr(run, "LARGEST_FIT", 3 * run.bytes_for_one(model, 8 if validation is None else 20))
        train = run.train
        monkeypatch.setattr(run, "train", lambda *args: fits.append(1) or train(*args))
        parts = nn.sweep(model, X, y, **options)
        assert len(fits) == 3
        np.testing.assert_allclose(parts.model.params.values, whole.model.params.values, rtol=1e-9)
        np.testing.assert_allclose(parts.model.predict(X), whole.model.predict(X), rtol=1e-9)
        np.testing.assert_allclose(parts.best.predict(X), whole.best.predict(X), rtol=1e-9)
        np.testing.assert_allclose(parts.curves, whole.curves, rtol=1e-9)
        assert parts.labels == whole.labels
        assert whole.labels[::3] == ["learns", "diverges"]
        assert parts.history.survivors == whole.history.survivors == [0, 1, 2, 3]
        for one, other in zip(parts.history, whole.history, strict=True):
            assert list(one) == list(other)
            assert one["r2"] == pytest.approx(other["r2"])
            # A fit that has ended has no rates any more.
            assert one["learning_rate"][:6] == other["learning_rate"][:6]

    def test_ctrl_c(self, monkeypatch):
        class Stop(nn.Callback):
            def on_epoch_end(self, state):
                if state.epoch == 3:
                    raise KeyboardInterrupt

        options = {"learning_rate": self.RATES, "callbacks": Stop()}
        with pytest.warns(UserWarning, match=r"stopped by Ctrl-C"):
            result = nn.sweep(xor_net(), X, Y, **options)
        assert len(result.history) == 3
        assert len(result.labels) == 3
        monkeypatch.setattr(run, "LARGEST_FIT", 1)
        with pytest.warns(UserWarning, match=r"stopped by Ctrl-C"), pytest.raises(KeyboardInterrupt):
            nn.sweep(xor_net(), X, Y, **options)

    def test_validation_and_early_stopping(self, rng):
        X, y = rng.normal(size=(20, 3)), rng.normal(size=(20, 1))
        model = nn.Sequential([nn.Dense(3, 8), nn.Tanh(), nn.Dense(8, 1)])
        held_out = rng.normal(size=(20, 3)), rng.normal(size=(20, 1))
        result = nn.sweep(
            model, X, y, learning_rate=[0.001, 0.03, 0.2], epochs=200, seeds=4, validation=held_out,
            callbacks=[nn.EarlyStopping(patience=3)],
        )  # fmt: skip
        best = [row["validation_loss"] for row in result.rows]
        learning = [loss for loss, label in zip(best, result.labels, strict=True) if label == "learns"]
        assert result.rows[result.rates.index(result.best_rate)]["validation_loss"] == min(learning)
        epochs = [one["best_epoch"] for one in result.history.replicas]
        assert len(set(epochs)) > 2
        # The numbers are those of the epochs whose weights the nets have.
        last = result.model.evaluate(*held_out, loss=nn.MeanSquaredError())["loss"]
        middles = upper_median(np.reshape(last, (3, 4)))
        assert best == pytest.approx(middles, rel=1e-5)

    def test_one_replica_at_each_rate_is_its_best(self):
        result = nn.sweep(xor_net(), X, Y, learning_rate=[0.05, 0.2], epochs=100, seeds=[4, 2, 9])
        losses = result.rows[result.best_index]["seed_losses"]
        seed = losses.index(min(losses))
        replica = result.best_index * 3 + seed
        assert np.array_equal(result.best.params.values, result.model.params.values[replica])

    @pytest.mark.parametrize(
        ("outputs", "y", "loss"),
        [
            (1, [[0.0], [1.0], [0.5], [2.0]], nn.MeanSquaredError()),
            (1, [0, 1, 1, 0], nn.BinaryCrossEntropy()),
            (1, [[False], [True], [True], [False]], nn.BinaryCrossEntropy()),
            (3, [0, 1, 2, 0], nn.SoftmaxCrossEntropy()),
        ],
    )
    def test_the_loss_that_goes_with_the_targets(self, outputs, y, loss):
        model = nn.Sequential([nn.Dense(2, outputs)])
        options = {"learning_rate": [0.01, 0.1], "epochs": 3}
        chosen, named = nn.sweep(model, X, y, **options), nn.sweep(model, X, y, loss=loss, **options)
        assert chosen.rows == named.rows


class TestLimit:
    @pytest.mark.parametrize(
        ("options", "reason"),
        [
            ({"optimizer": nn.RMSProp()}, "SGD, and RMSProp scales its steps"),
            ({"optimizer": nn.SGD(clip_norm=1.0)}, "gradients are clipped"),
            ({"optimizer": nn.SGD(clip_value=1.0)}, "gradients are clipped"),
            ({"batch_size": 2}, "batches differ"),
            ({"validation": 0.5}, "held out at random"),
            ({"loss": nn.MeanAbsoluteError()}, "MeanAbsoluteError() is made of straight lines"),
            ({"loss": nn.Hinge(), "y": 2 * Y - 1}, "Hinge() is made of straight lines"),
            (
                {"callbacks": [nn.ReduceOnPlateau(monitor="loss", patience=1, min_delta=9.0)]},
                "the rates change",
            ),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_where_it_does_not_apply_the_result_says_why(self, options, reason):
        y = options.pop("y", Y)
        result = nn.sweep(xor_net(), X, y, learning_rate=[0.01, 0.1], epochs=9, **options)
        assert reason in result.limit.reason
        assert result.limit.start is result.limit.end is result.rows[0]["of_limit"] is None
        assert f"no limit from curvature: {result.limit.reason}" in str(result)
        assert "of limit" not in str(result)

    def test_dropout(self):
        model = nn.Sequential([nn.Dense(2, 8), nn.Dropout(0.5), nn.Dense(8, 1)])
        assert (
            nn.sweep(model, X, Y, learning_rate=[0.1, 0.2], epochs=2).limit.reason
            == "Dropout(0.5) makes noise"
        )

    def test_noise_inside_of_other_layers(self):
        block = nn.Residual([nn.Sequential([nn.Dropout(0.5)]), nn.Dense(8, 8)])
        model = nn.Sequential([nn.Dense(2, 8), block, nn.Dense(8, 1)])
        limit = nn.sweep(model, X, Y, learning_rate=[0.1, 0.2], epochs=2).limit
        assert limit.reason == "Dropout(0.5) makes noise"

    def test_weights_of_rows_and_order(self):
        weight = [3, 1, 3, 1]
        result = quadratic([0.1, 0.5], weight=weight)
        assert result.limit.start == pytest.approx(2 / (2 * np.average(QUADRATIC[:, 0] ** 2, weights=weight)))
        # All rows in one batch: nothing was drawn for their order.
        state = np.random.default_rng(1).bit_generator.state
        assert result.model.rng.each[1].bit_generator.state == state

    def test_a_part_that_diverged_does_not_hide_it(self, monkeypatch):
        monkeypatch.setattr(run, "LARGEST_FIT", 1)
        result = quadratic([0.5, 20.0], seeds=1)
        assert result.labels == ["learns", "diverges"]
        assert result.limit.start == pytest.approx(0.5)

    def test_no_curvature(self):
        zeros = np.zeros_like(X)
        model = nn.Sequential([nn.Dense(2, 1, bias=False)])
        reason = nn.sweep(model, zeros, Y, learning_rate=[0.1, 0.2], epochs=2).limit.reason
        assert reason.startswith("the loss has no curvature upwards")

    def test_at_a_large_rate_training_stops_at_the_edge_of_stability(self):
        result = nn.sweep(xor_net(), X, Y, learning_rate=[0.01, 0.2], epochs=100)
        assert result.best_rate == 0.2
        assert result.limit.end == pytest.approx(0.2, rel=0.5)


@pytest.fixture(scope="module")
def result():
    return nn.sweep(xor_net(), X, Y, learning_rate=[1e-4, 0.1, 0.2, 10.0], epochs=200, metrics=[nn.r2])


class TestFaces:
    def test_table(self, result):
        lines = str(result).splitlines()
        assert lines[0].split() == (
            [
                "learning",
                "rate",
                "label",
                "loss",
                "progress",
                "rises",
                "climb",
                "diverged",
                "of",
                "limit",
                "r2",
            ]
        )
        assert lines[2].split()[:2] == ["0.0001", "crawls"]
        assert re.search(r"^ +0\.2 \*  learns  .* 100% ", str(result), flags=re.MULTILINE)
        assert re.search(r"3 of 3, epoch \d+", lines[5])
        assert lines[-2] == "middle of 3 seeds; * is the best rate"
        assert re.fullmatch(
            r"limit from curvature, 2/lambda_max: [\d.]+ at the start, [\d.]+ where the best run ended",
            lines[-1],
        )
        assert repr(result) == str(result)
        assert str(result).isascii()

    def test_hints(self):
        def hint(*rates):
            return str(nn.sweep(xor_net(), X, Y, learning_rate=rates, epochs=100)).splitlines()[-1]

        assert hint(0.05, 0.2) == "The best rate is the largest one: sweep larger rates too."
        assert hint(0.2, 5.0) == "The best rate is the smallest one: sweep smaller rates too."

    def test_html(self, result):
        text = result._repr_html_()
        assert text.count("<tr>") == 5
        assert ">crawls</td>" in text
        assert "&lt;0%" in text
        assert "limit from curvature" in text

    def test_plain_data(self, result):
        plain = json.loads(json.dumps(result.to_dict(), allow_nan=False))
        assert plain == result.to_dict()
        assert [row["label"] for row in plain["rows"]] == ["crawls", "learns", "learns", "diverges"]
        assert plain["seeds"] == [0, 1, 2]
        assert plain["limit"]["start"] == result.limit.start
        assert plain["best_rate"] == 0.2
        assert plain["rows"][3]["loss"] is None
        assert plain["rows"][3]["r2"] is None
        plain_rows = result.to_dict()["rows"]
        plain_rows[0]["seed_losses"].clear()
        assert len(result.rows[0]["seed_losses"]) == 3

    def test_zones(self, result):
        assert result.zones() == [("crawls", 0, 0), ("learns", 1, 2), ("diverges", 3, 3)]


class TestPicture:
    @pytest.fixture(autouse=True)
    def pyplot(self):
        mpl = pytest.importorskip("matplotlib")
        mpl.use("Agg")
        import matplotlib.pyplot as plt

        yield plt
        plt.close("all")

    def drawn(self, result, **options):
        ax = result.plot(**options)
        ax.figure.canvas.draw()
        return ax, [text.get_text() for text in ax.texts], [line.get_label() for line in ax.lines]

    def test_all_zones_and_the_limit(self):
        result = quadratic([0.0005, 0.5, 1.01, 3])
        ax, words, labels = self.drawn(result)
        assert words == ["crawls", "learns", "overshoots", "diverges"]
        assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
        limits = [line for line in ax.lines if "λ_max" in line.get_label()]
        assert [line.get_xdata()[0] for line in limits] == pytest.approx([0.5, 0.5])
        assert any("best rate, 0.25" in label for label in labels)
        others = [other for other in ax.figure.axes if other is not ax]
        assert len(others) == 4
        assert [len(other.lines) for other in others] == [3] * 4

    def test_on_axes_that_are_given(self, pyplot):
        figure, given = pyplot.subplots()
        ax, _, _ = self.drawn(quadratic([0.0005, 0.5], nn.Adam()), ax=given)
        assert ax is given
        assert figure.axes == [given]
        assert not any("λ" in line.get_label() for line in ax.lines)

    @pytest.mark.nonfinite
    def test_if_all_diverge(self):
        _, words, labels = self.drawn(nn.sweep(xor_net(), X, Y, learning_rate=[1e3, 1e5]))
        assert words == ["diverges"]
        assert "infinite, or above the picture" in labels

    def test_losses_below_zero(self, rng):
        X = rng.normal(size=(30, 1))
        model = nn.Sequential([nn.Dense(1, 2)])
        result = nn.sweep(
            model, X, 0.01 * X, loss=nn.GaussianNLL(), learning_rate=[1e-4, 0.05, 0.1], epochs=200
        )
        ax, words, _ = self.drawn(result)
        assert result.rows[1]["loss"] < 0
        assert ax.get_yscale() == "linear"
        assert "crawls" in words

    def test_bad_axes(self):
        with pytest.raises(
            ArgumentTypeError, match=r"plot.sweep\(ax=\): expected a matplotlib Axes, got int"
        ):
            quadratic([0.1, 0.5]).plot(3)


def test_without_matplotlib_the_error_names_the_extra(monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(
        ModuleNotFoundError, match=r"expected matplotlib .* pip install \"\.\[plot\]\""
    ) as error:
        quadratic([0.1, 0.5]).plot()
    assert FORM.fullmatch(str(error.value))


RATES = [0.01, 0.1]
CASES = {
    "no model": (lambda: nn.sweep("net", X, Y), ArgumentTypeError, "a Sequential, got str"),
    "a class": (lambda: nn.sweep(nn.Sequential, X, Y), ArgumentTypeError, "the class Sequential"),
    "replicas": (lambda: nn.sweep(xor_net(replicas=2), X, Y), ArgumentError, "one net, .* got 2 replicas"),
    "one rate": (lambda: nn.sweep(xor_net(), X, Y, learning_rate=0.1), ArgumentError, "two different rates"),
    "equal rates": (
        lambda: nn.sweep(xor_net(), X, Y, learning_rate=[0.1, 0.1]), ArgumentError, "two different rates"
    ),
    "a rate of 0": (
        lambda: nn.sweep(xor_net(), X, Y, learning_rate=[0, 0.1]), ArgumentError, "number above 0, got 0"
    ),
    "rates in a table": (
        lambda: nn.sweep(xor_net(), X, Y, learning_rate=[[0.1, 0.2]]), ShapeError, r"got shape \(1, 2\)"
    ),
    "no seeds": (lambda: nn.sweep(xor_net(), X, Y, seeds=[]), ArgumentError, "all different.* got none"),
    "0 seeds": (lambda: nn.sweep(xor_net(), X, Y, seeds=0), ArgumentError, r"seeds=\): .* at least 1, got 0"),
    "the same seeds": (lambda: nn.sweep(xor_net(), X, Y, seeds=[1, 1]), ArgumentError, r"got \[1, 1\]"),
    "a name for a seed": (lambda: nn.sweep(xor_net(), X, Y, seeds="a"), ArgumentTypeError, "an integer"),
    "an optimizer class": (
        lambda: nn.sweep(xor_net(), X, Y, optimizer=nn.Adam), ArgumentTypeError, r"Write Adam\(\)"
    ),
    "an optimizer without rates": (
        lambda: nn.sweep(xor_net(), X, Y, optimizer=nn.LBFGS()), ArgumentTypeError, "with a learning rate"
    ),
    "an optimizer with a schedule": (
        lambda: nn.sweep(xor_net(), X, Y, optimizer=nn.SGD(nn.CosineDecay(0.1, steps=9))),
        ArgumentError,
        "whose rate is a number.* Write schedule=lambda rate",
    ),
    "an optimizer with many decays": (
        lambda: nn.sweep(xor_net(), X, Y, optimizer=nn.SGD(0.1, weight_decay=[0.1, 0.2])),
        ArgumentError,
        "one weight decay for all nets, got 2",
    ),
    "a schedule in place of its maker": (
        lambda: nn.sweep(xor_net(), X, Y, schedule=nn.CosineDecay(0.1, steps=9)),
        ArgumentTypeError,
        "a function from a rate to a schedule, got CosineDecay.* which gives",
    ),
    "no schedule at all": (
        lambda: nn.sweep(xor_net(), X, Y, schedule=3), ArgumentTypeError, "a function from a rate .* got 3"
    ),
    "one epoch": (lambda: nn.sweep(xor_net(), X, Y, epochs=1), ArgumentError, r"epochs=.* at least 2, got 1"),
    "no batch": (lambda: nn.sweep(xor_net(), X, Y, batch_size=0), ArgumentError, r"sweep\(batch_size=\)"),
    "too few features": (lambda: nn.sweep(xor_net(), X[:, :1], Y), ShapeError, r"sweep\(X\): expected"),
    "too few targets": (lambda: nn.sweep(xor_net(), X, Y[:3]), ShapeError, "4 rows, as many as X"),
    "numbers for one output": (
        lambda: nn.sweep(xor_net(), X, [3, 1, 2, 0]),
        ArgumentError,
        "integers 0 and 1, for a model with one output, got integers from 0 to 3",
    ),
    "a table of integers": (
        lambda: nn.sweep(nn.Sequential([nn.Dense(2, 2)]), X, np.ones((4, 2), int)),
        ArgumentError,
        r"class ids, got shape \(4, 2\)",
    ),
    "probabilities": (
        lambda: nn.sweep(nn.Sequential([nn.Dense(2, 1), nn.Sigmoid()]), X, Y.astype(int)),
        ArgumentError,
        "got probabilities",
    ),
    "a sparse matrix": (
        lambda: nn.sweep(xor_net(), scipy.sparse.csr_array(X), Y),
        ArgumentTypeError,
        r"rows in memory, .*, got csr_array\. Write X\.toarray\(\)",
    ),
    "validation": (
        lambda: nn.sweep(xor_net(), X, Y, learning_rate=RATES, validation=3), ArgumentError,
        r"fit\(validation=\)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_bad_input(name):
    call, kind, message = CASES[name]
    with pytest.raises(kind, match=message) as error:
        call()
    assert FORM.fullmatch(str(error.value)), str(error.value)


def test_a_dask_array_is_refused():
    da = pytest.importorskip("dask.array")
    with pytest.raises(ArgumentTypeError, match=r"rows in memory.*X\.compute\(\) of a dask array"):
        nn.sweep(xor_net(), da.from_array(X, chunks=(2, 2)), Y)


def test_the_result_can_be_copied():
    result = nn.sweep(xor_net(), X, Y, learning_rate=RATES, epochs=5)
    assert str(copy.deepcopy(result)) == str(result)
