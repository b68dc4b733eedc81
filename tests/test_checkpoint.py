"""Checkpoints: a training that goes on from one comes to the bits of the training that was never stopped."""

import copy
import gc
import json
import os
import re
import signal
import sys
import tracemalloc
import warnings
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import scipy.sparse

import nnlite as nn
from nnlite.errors import ArgumentError, ArgumentTypeError, ModelFileError
from nnlite.files.safetensors import open_tensors, write_tensors
from nnlite.optimizers.second_order import FullBatchOptimizer
from nnlite.training.checkpoint import FORMAT, Checkpoint
from nnlite.training.random_states import check_state

ROWS = 26
DATA = Path(__file__).parent / "data"
FORM = re.compile(r"\S.*?: expected \S.*, got \S(.*[^.])?\. [A-Z].*[^.]\.", re.DOTALL)


class Crash(Exception):
    """What ends a training in these tests, where a process would be killed."""


class CrashAt(nn.Callback):
    """Raise at one of the moments at which a batch or an epoch begins."""

    may_change = frozenset({"moment"})

    def __init__(self, moment=None):
        self.moment = moment
        self.moments = 0

    def on_epoch_begin(self, state):
        self.moments += 1
        if self.moments == self.moment:
            raise Crash

    on_batch_begin = on_epoch_begin


def net(*, replicas=None, rng=0, dtype=np.float32, dropout=True, outputs=2):
    noise = [nn.Dropout(0.3)] if dropout else []
    layers = [nn.Standardize(3), nn.Dense(3, 6), nn.Tanh(), *noise, nn.Dense(6, outputs)]
    return nn.Sequential(layers, replicas=replicas, rng=rng, dtype=dtype)


def data(rows=ROWS, outputs=2, replicas=None):
    rng = np.random.default_rng(5)
    shape = (rows,) if replicas is None else (replicas, rows)
    X = rng.normal(1.0, 2.0, (*shape, 3))
    return X, np.sin(X[..., :outputs]) + rng.normal(0.0, 0.1, (*shape, outputs))


class Job:
    """A training that can be made anew: `make` gives a model and what its `fit` is given."""

    def __init__(self, path, make):
        self.path, self.make = path, make

    def run(self, *, crash=None, resume=False, **changed):
        model, options = self.make()
        every = options.pop("every", (1, "steps"))
        crasher = CrashAt(crash)
        X, y = options.pop("data", None) or data()
        options = {"loss": nn.MeanSquaredError(), "epochs": 3, "batch_size": 8} | options | changed
        optimizer = options.setdefault("optimizer", nn.Adam(0.01))
        own = [Checkpoint(self.path, every=every[0], unit=every[1])]
        options["callbacks"] = [*own, *options.get("callbacks", []), crasher]
        if resume:
            options["resume"] = self.path
        history = model.fit(X, y, **options)
        rngs = [model.rng, options.get("rng")]
        self.moments = crasher.moments
        return {
            "numbers": model.params.numbers.tobytes(),
            "buffers": [{name: a.tobytes() for name, a in own.items()} for own in model.measured()],
            "optimizer": {name: np.asarray(a).tolist() for name, a in optimizer.state_dict().items()},
            "rng": repr([rng.bit_generator.state for rng in rngs if isinstance(rng, np.random.Generator)]),
            "rngs": repr([r.bit_generator.state for rng in rngs for r in getattr(rng, "each", ())]),
            "rows": [{key: row[key] for key in row if key != "seconds"} for row in history.rows],
            "types": [[type(value) for value in row.values()] for row in history.rows],
            "ends": [history.stop_reason, history.best_epoch, history.interrupted, history.replicas],
        }

    def check(self, *, moments=None):
        """Crash at every moment, or at some, and go on."""
        expected = self.run()
        count = self.moments
        assert self.run(resume=True) == expected  # a training that is over
        for moment in moments or range(1, count + 1):
            self.path.unlink()
            with pytest.raises(Crash):
                self.run(crash=moment)
            found = self.run(resume=self.path.exists())
            assert found == expected, f"after a crash at moment {moment} of {count}"
        return expected


@pytest.fixture(autouse=True)
def no_wait_for_the_disk(monkeypatch):
    """These tests write thousands of files, and none of them is about a power cut."""
    monkeypatch.setattr("nnlite.files.safetensors.os.fsync", lambda descriptor: None)


@pytest.fixture
def job(tmp_path):
    return lambda make: Job(tmp_path / "run.checkpoint", make)


OPTIMIZERS = {
    "SGD": lambda: nn.SGD(0.05),
    "SGD with momentum": lambda: nn.SGD(0.05, momentum=0.9, nesterov=True, weight_decay=0.01, clip_norm=0.5),
    "RMSProp": lambda: nn.RMSProp(0.01, clip_value=0.1),
    "Adagrad": lambda: nn.Adagrad(0.05),
    "Adam": lambda: nn.Adam(0.01),
    "AdamW": lambda: nn.AdamW(0.01, weight_decay=0.1),
    "AMSGrad": lambda: nn.Adam(0.01, amsgrad=True),
    "NAdam": lambda: nn.NAdam(0.01),
    "Lion": lambda: nn.Lion(0.001),
}


@pytest.mark.parametrize("kind", OPTIMIZERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_optimizer(job, kind, dtype):
    job(lambda: (net(dtype=dtype), {"optimizer": OPTIMIZERS[kind]()})).check(moments=[1, 2, 5, 6, 8, 15])


def test_all_optimizers_are_here():
    classes = {getattr(nn.optimizers, name) for name in nn.optimizers.__all__} - {nn.optimizers.Optimizer}
    classes -= {Ellipsis}
    assert {type(make()) for make in OPTIMIZERS.values()} == {c for c in classes if isinstance(c, type)}


SCHEDULES = {
    "ConstantRate": lambda: nn.schedules.ConstantRate(0.01),
    "StepDecay": lambda: nn.schedules.StepDecay(0.05, every=5, factor=0.5),
    "ExponentialDecay": lambda: nn.schedules.ExponentialDecay(0.05, every=5, factor=0.5),
    "CosineDecay": lambda: nn.schedules.CosineDecay(0.05, steps=12),
    "WarmUp": lambda: nn.schedules.WarmUp(nn.schedules.ConstantRate(0.05), steps=6),
    "OneCycle": lambda: nn.schedules.OneCycle(0.05, steps=12),
    "CosineRestarts": lambda: nn.schedules.CosineRestarts(0.05, steps=5),
    "PiecewiseConstant": lambda: nn.schedules.PiecewiseConstant([0.05, 0.02], boundaries=[1], unit="epochs"),
    "PolynomialDecay": lambda: nn.schedules.PolynomialDecay(0.05),
    "as long as the training": lambda: nn.schedules.WarmUp(nn.schedules.CosineDecay(0.05), epochs=1),
    "a function": lambda: lambda step: 0.05 / (1 + step),
}


@pytest.mark.parametrize("kind", SCHEDULES)
def test_every_schedule(job, kind):
    make = SCHEDULES[kind]
    expected = job(lambda: (net(), {"optimizer": nn.Adam(make())})).check(moments=[4, 7, 10])
    assert kind == "ConstantRate" or len({row["learning_rate"] for row in expected["rows"]}) > 1


def test_all_schedules_are_here():
    assert set(SCHEDULES) - {"as long as the training", "a function"} == set(nn.schedules.__all__) - {
        "Schedule",
        "ScheduleLike",
    }


@pytest.mark.parametrize(
    "every", [(1, "steps"), (3, "steps"), (1, "epochs"), (2, "epochs"), (1e-9, "seconds")]
)
def test_at_every_moment_with_everything_on(job, every):
    def make():
        callbacks = [
            nn.EarlyStopping(patience=2, monitor="validation_r2"),
            nn.ReduceOnPlateau(patience=1, factor=0.5),
        ]
        return net(), {
            "every": every,
            "callbacks": callbacks,
            "epochs": 5,
            "validation": 0.2,
            "metrics": [nn.r2, nn.mean_absolute_error],
            "weight": np.linspace(0.5, 2.0, ROWS),
            "optimizer": nn.AdamW(nn.schedules.CosineDecay(0.05, steps=20)),
        }

    expected = job(make).check()
    assert expected["ends"][1] is not None


def test_early_stopping_ends_it_as_before(job):
    def make():
        return net(), {
            "epochs": 12,
            "callbacks": [nn.EarlyStopping(patience=2, monitor="loss", min_delta=0.2)],
            "optimizer": nn.Adam(0.001),
        }

    expected = job(make).check(moments=[1, 3, 8, 12, 13, 14, 15])
    assert expected["ends"][0] == "no better loss for 2 epochs"
    assert len(expected["rows"]) == 3


WAYS = {
    "validation beside": lambda: {"validation": data(9), "metrics": [nn.r2]},
    "metrics on one batch": lambda: {"metrics": [nn.r2], "batch_size": 100},
    "no order": lambda: {"shuffle": False},
    "a seed": lambda: {"rng": 3},
    "PCG64DXSM": lambda: {"rng": np.random.Generator(np.random.PCG64DXSM(1))},
    "MT19937": lambda: {"rng": np.random.Generator(np.random.MT19937(1))},
    "Philox": lambda: {"rng": np.random.Generator(np.random.Philox(1))},
    "SFC64": lambda: {"rng": np.random.Generator(np.random.SFC64(1))},
    "a list of batches": lambda: {"data": (batches(), None), "validation": batches(), "metrics": [nn.r2]},
    "batches in random order": lambda: {
        "data": (nn.batches(*data(), batch_size=8, rng=4), None),
        "validation": nn.batches(*data(9), batch_size=4, rng=4),
        "metrics": [nn.r2],
    },
    "a sparse matrix": lambda: {"data": (scipy.sparse.csr_array(data()[0]), data()[1]), "model": plain()},
    "a stateful order": lambda: {"shuffle": np.random.default_rng(9).permutation},
    "an order from the fraction": lambda: {
        "shuffle": np.random.default_rng(9).permutation,
        "validation": 0.3,
    },
}


def plain():
    return nn.Sequential([nn.Dense(3, 6), nn.Tanh(), nn.Dropout(0.3), nn.Dense(6, 2)], rng=0)


def batches():
    X, y = data()
    weight = np.linspace(0.5, 2.0, ROWS)
    return [(X[i : i + 8], y[i : i + 8], weight[i : i + 8]) for i in range(0, ROWS, 8)]


@pytest.mark.parametrize("way", WAYS)
def test_ways_of_giving_data_and_seeds(job, way):
    def make():
        options = WAYS[way]()
        return options.pop("model", None) or net(), options

    job(make).check()


REPLICAS = {
    "one seed": lambda: (net(replicas=3), {}),
    "a seed for each": lambda: (net(replicas=3, rng=[1, 2, 3]), {"validation": 0.2}),
    "a seed of fit for each": lambda: (net(replicas=3), {"rng": [4, 5, 6], "metrics": [nn.r2]}),
    "data of each": lambda: (
        net(replicas=3, rng=[1, 2, 3]),
        {"data": data(replicas=3), "validation": data(9, replicas=3), "metrics": [nn.r2]},
    ),
    "rates and decays": lambda: (
        net(replicas=3),
        {"optimizer": nn.SGD([0.01, 0.05, 0.1], momentum=0.9, weight_decay=[0.0, 0.1, 0.2])},
    ),
}


@pytest.mark.parametrize("kind", REPLICAS)
def test_replicas(job, kind):
    job(REPLICAS[kind]).check()


@pytest.mark.parametrize("rng", [0, [1, 2, 3]])
def test_replicas_that_end_one_by_one(job, rng):
    def make():
        callbacks = [
            nn.EarlyStopping(patience=1, monitor="loss", min_delta=0.03),
            nn.ReduceOnPlateau(patience=1, monitor="validation_loss", factor=0.5),
        ]
        options = {"epochs": 8, "callbacks": callbacks, "validation": 0.2, "metrics": [nn.r2]}
        return net(replicas=3, rng=rng), options | {"optimizer": nn.Adam([0.003, 0.02, 0.05])}

    expected = job(make).check()
    assert len({one["best_epoch"] for one in expected["ends"][3]}) > 1
    assert None in expected["rows"][-1]["loss"]


def blocks(**options):
    """Make a net with state, and with layers inside of others that keep, measure and draw something."""
    inner = nn.Sequential([nn.Standardize(6), nn.Dense(6, 6), nn.BatchNorm(6), nn.Tanh()], rng=4)
    layers = [nn.Standardize(3), nn.Dense(3, 6), nn.BatchNorm(6, momentum=0.3)]
    layers += [nn.Residual([inner, nn.Dropout(0.3), nn.Dense(6, 6)]), nn.BatchNorm(6), nn.Dense(6, 2)]
    return nn.Sequential(layers, **{"rng": 0, **options})


BLOCKS = {
    "one net": lambda: (blocks(), {}),
    "float64": lambda: (blocks(dtype=np.float64), {"optimizer": nn.SGD(0.01, momentum=0.9)}),
    "once an epoch": lambda: (blocks(), {"every": (1, "epochs"), "validation": 0.2, "metrics": [nn.r2]}),
    "weights": lambda: (blocks(), {"weight": np.linspace(0.0, 2.0, ROWS)}),
    "replicas": lambda: (blocks(replicas=3), {"validation": 0.2}),
    "replicas with a seed for each": lambda: (blocks(replicas=3, rng=[1, 2, 3]), {"metrics": [nn.r2]}),
    "data of each": lambda: (blocks(replicas=3, rng=[1, 2, 3]), {"data": data(replicas=3)}),
}


@pytest.mark.parametrize("kind", BLOCKS)
def test_blocks_and_state(job, kind):
    job(BLOCKS[kind]).check()


@pytest.mark.parametrize("replicas", [None, 3])
def test_blocks_and_state_that_stop_early(job, replicas):
    def make():
        stopping = nn.EarlyStopping(patience=1, monitor="validation_loss", min_delta=0.02)
        make.model = blocks(replicas=replicas)
        return make.model, {
            "epochs": 8,
            "callbacks": [stopping],
            "validation": 0.3,
            "optimizer": nn.Adam(0.05),
            "every": (2, "steps"),
        }

    expected = job(make).check()
    ends = expected["ends"][3] if replicas else [{"best_epoch": expected["ends"][1]}]
    assert min(one["best_epoch"] for one in ends) < len(expected["rows"])
    assert np.isfinite(make.model.params.state).all()
    assert make.model.params.state.any()


@pytest.mark.nonfinite
def test_blocks_of_replicas_that_diverge(job):
    def make():
        return blocks(replicas=3, rng=[1, 2, 3]), {"optimizer": nn.SGD([0.01, 1e30, 0.05], momentum=0.5)}

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nn.ReplicaWarning)
        expected = job(make).check(moments=[1, 2, 3, 5, 6, 7, 10, 14])
    assert [one["diverged"] for one in expected["ends"][3]] == [False, True, False]


def change_inside(layers, changed):
    """Put another layer in the place of the Dropout in the block."""
    block = list(copy.deepcopy(layers[3].layers))
    block[1] = changed
    return [*layers[:3], nn.Residual(block), *layers[4:]]


@pytest.mark.parametrize(
    ("changed", "shown"),
    [
        (lambda: nn.Dropout(0.4), r"Dropout\(0\.4\)"),
        (lambda: nn.Tanh(), r"Tanh\(\)"),
        (lambda: nn.Residual([nn.Dropout(0.3)]), r"Residual\(\[Dropout\(0\.3\)\]\)"),
    ],
    ids=["another rate", "another kind", "in another block"],
)
def test_another_layer_inside_is_another_training(job, changed, shown):
    def make(layers=None):
        model = blocks()
        if layers is not None:
            model = nn.Sequential(layers(copy.deepcopy(model.layers)), rng=0)
        return model, {}

    job(make).run()
    with pytest.raises(
        ArgumentError,
        match=rf"the same entry 1 of layers of entry 3 of layers .* 'Dropout\(0\.3\)', got '{shown}'",
    ):
        job(lambda: make(lambda layers: change_inside(layers, changed()))).run(resume=True)

    def in_a_row(layers):  # of the same sizes, not added
        return [*layers[:3], nn.Sequential(copy.deepcopy(layers[3].layers)), *layers[4:]]

    with pytest.raises(ArgumentError, match=r"same text of entry 3 of layers .* got 'Seq"):
        job(lambda: make(in_a_row)).run(resume=True)


def hostile(path, **changes):
    """Write a checkpoint again with arrays or entries of its state changed."""
    with open_tensors(path, key="nnlite_checkpoint", where="here", made_by="a test") as file:
        document, arrays = file.document, {name: file.read(name) for name in file.entries}
    for name, change in changes.items():
        arrays[name] = change(arrays[name])
    write_tensors(path, document, arrays, key="nnlite_checkpoint", where="here")


@pytest.mark.nonfinite
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"values": lambda a: a[:-1]}, "other weights"),
        ({"values": lambda a: np.where(a == a[0], np.nan, a).astype("f4")}, "other weights"),
        ({"values": lambda a: a.astype(np.float64)}, "other weights"),
        ({"backup": lambda a: a[:-12]}, "other weights before the last step"),
        ({"buffers.5.mean": lambda a: a[:-1]}, "mean of another shape"),
        ({"buffers.5.scale": lambda a: a.astype(np.int32)}, "scale of another shape"),
    ],
    ids=["short", "not finite", "of float64", "short backup", "a buffer inside", "its kind"],
)
def test_a_checkpoint_of_blocks_with_wrong_arrays_is_refused(job, changes, message):
    made = job(BLOCKS["one net"])
    made.run()
    with open_tensors(made.path, key="nnlite_checkpoint", where="here", made_by="a test") as file:
        assert changes.keys() <= file.entries.keys(), file.entries.keys()
    hostile(made.path, **changes)
    with pytest.raises(ModelFileError, match=rf"a whole checkpoint, got .*{message}"):
        made.run(resume=True)


@pytest.mark.nonfinite
def test_a_state_that_is_too_large_goes_on(job):
    made = job(BLOCKS["one net"])
    made.run()
    hostile(made.path, values=lambda a: np.where(np.arange(a.size) == a.size - 1, np.inf, a).astype("f4"))
    assert np.frombuffer(made.run(resume=True)["numbers"], np.float32)[-1] == np.inf


@pytest.mark.nonfinite
def test_a_replica_that_diverges(job):
    def make():
        return net(replicas=3, rng=[1, 2, 3]), {"optimizer": nn.SGD([0.01, 1e18, 0.05], momentum=0.5)}

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nn.ReplicaWarning)
        expected = job(make).check()
    assert [one["diverged"] for one in expected["ends"][3]] == [False, True, False]


@pytest.mark.nonfinite
def test_divergence_right_behind_a_checkpoint_gives_the_same_weights_back(job):
    def poison(state):
        if state.epoch == 2 and state.batch == 2:
            state.model.params.grads[...] = 1e30

    class Poison(nn.Callback):
        on_grad_computed = staticmethod(poison)

    def make():
        make.model = net()
        return make.model, {"callbacks": [Poison()], "optimizer": nn.SGD(1e6)}

    one = job(make)
    with pytest.raises(nn.errors.DivergenceError):
        one.run()
    expected = make.model.params.values.copy()
    with pytest.raises(nn.errors.DivergenceError):
        one.run(resume=True)
    np.testing.assert_array_equal(make.model.params.values, expected)


@pytest.mark.nonfinite
def test_divergence_at_the_end_of_an_epoch_is_found_again(job):
    class Poison(nn.Callback):
        def on_grad_computed(self, state):
            if state.epoch == 2 and state.batch == 4:
                state.model.params.grads[...] = np.inf

    def make():
        make.model = net()
        return make.model, {"callbacks": [Poison()], "optimizer": nn.SGD(0.1)}

    one = job(make)
    messages = set()
    for resume in (False, True):
        with pytest.raises(nn.errors.DivergenceError) as error:
            one.run(resume=resume)
        messages.add((str(error.value), make.model.params.values.tobytes()))
    assert len(messages) == 1


class TestFullBatch:
    def smooth(self, optimizer, **options):
        return lambda: (
            net(dropout=False, dtype=np.float64),
            {"optimizer": optimizer(), "batch_size": None} | options,
        )

    @pytest.mark.parametrize("every", [(1, "epochs"), (4, "epochs"), (3, "steps")])
    def test_lbfgs(self, job, every):
        expected = job(self.smooth(nn.LBFGS, epochs=12, every=every, metrics=[nn.r2])).check()
        losses = [row["loss"] for row in expected["rows"]]
        assert losses == sorted(losses, reverse=True)

    def test_lbfgs_converges_as_before(self, job):
        expected = job(
            self.smooth(lambda: nn.LBFGS(value_tolerance=0.05), epochs=50, every=(2, "epochs"))
        ).check()
        assert len(expected["rows"]) < 50
        assert "converged" in expected["ends"][0].lower() or "CONVERGENCE" in expected["ends"][0]

    def test_lbfgs_counts_evaluations_over_all(self, job):
        limited = self.smooth(lambda: nn.LBFGS(max_evaluations=6), epochs=50, every=(1, "epochs"))
        expected = job(limited).check()
        assert 1 < len(expected["rows"]) < 8
        assert expected["ends"][0] == "more than 6 evaluations"

    def test_levenberg_marquardt(self, job):
        expected = job(self.smooth(nn.LevenbergMarquardt, epochs=10, batch_size=7)).check()
        assert expected["rows"][-1]["loss"] < expected["rows"][0]["loss"] / 2

    def test_levenberg_marquardt_converges_as_before(self, job):
        options = {"epochs": 60, "every": (1, "epochs")}
        expected = job(self.smooth(lambda: nn.LevenbergMarquardt(value_tolerance=0.02), **options)).check()
        assert len(expected["rows"]) < 60
        assert expected["ends"][0].startswith("converged")

    def test_checkpoints_change_nothing_for_levenberg_marquardt(self, job, tmp_path):
        make = self.smooth(nn.LevenbergMarquardt, epochs=6)
        with_them = job(make).run()
        model, options = make()
        del options["batch_size"]
        model.fit(*data(), loss=nn.MeanSquaredError(), **options)
        assert model.params.values.tobytes() == with_them["numbers"]

    def test_one_of_ones_own(self, job):
        class Downhill(FullBatchOptimizer):
            def minimize(self, params, evaluate, *, max_iterations, on_iteration=None):
                for _ in range(max_iterations):
                    evaluate()
                    params.values[...] -= 0.1 * params.grads
                    if on_iteration(evaluate()):
                        return "ended"
                return "done"

        job(self.smooth(Downhill, epochs=5)).check()

    def test_seconds_are_refused_for_lbfgs(self, job):
        with pytest.raises(ArgumentError, match=r"Checkpoint\(unit=\): expected 'epochs', for LBFGS"):
            job(self.smooth(nn.LBFGS, every=(1.0, "seconds"))).run()

    def test_another_every_is_refused_for_lbfgs(self, job):
        job(self.smooth(nn.LBFGS, every=(1, "epochs"))).run()
        with pytest.raises(
            ArgumentError, match=r"the same entry 0 of Checkpoint .*'every 1 epochs', got 'every 2"
        ):
            job(self.smooth(nn.LBFGS, every=(2, "epochs"))).run(resume=True)


class TestWhatUsersWrite:
    def test_an_optimizer(self, job):
        class Mean(nn.Optimizer):
            slots = ("mean",)

            def update(self, w, g, rate, decay, mean):
                mean *= 0.9
                mean += 0.1 * g
                w -= rate * mean

        job(lambda: (net(), {"optimizer": Mean(0.1)})).check()

    def test_a_callback_with_a_state(self, job):
        class Noise(nn.Callback):
            def on_train_begin(self, state):
                self.rng, self.seen, self.worst = np.random.default_rng(3), [], float("-inf")

            def on_grad_computed(self, state):
                state.model.params.grads += self.rng.normal(0, 0.1, state.model.params.grads.shape)
                self.seen.append(float(state.batch_loss))
                self.worst = max(self.worst, state.batch_loss)
                state.model.params.grads *= 1 / len(self.seen) + 0 * self.worst

            def state_dict(self):
                return {"rng": self.rng.bit_generator.state, "seen": self.seen, "worst": self.worst}

            def load_state_dict(self, saved, state):
                self.rng.bit_generator.state = saved["rng"]
                self.seen, self.worst = saved["seen"], saved["worst"]

        job(lambda: (net(), {"callbacks": [Noise()]})).check()

    def test_a_callback_that_changes_the_optimizer_and_unfreezes(self, job):
        class Thaw(nn.Callback):
            def on_epoch_begin(self, state):
                if state.epoch == 2:
                    state.optimizer.learning_rate = 0.2
                    state.optimizer.momentum = 0.9
                    state.optimizer.weight_decay = 0.1
                    state.model.params.frozen = ()

        def make():
            model = net()
            model[1].freeze()
            return model, {"callbacks": [Thaw()], "optimizer": nn.SGD(0.01)}

        expected = job(make).check()
        assert [row["learning_rate"] for row in expected["rows"]] == [0.01, 0.2, 0.2]

    @pytest.mark.parametrize("number", [0.2, np.float32(0.2)])
    def test_a_schedule_that_a_callback_replaces_by_a_number(self, job, number):
        class Late(nn.Callback):
            def on_epoch_begin(self, state):
                if state.epoch == 2:
                    state.optimizer.learning_rate = number
                    state.optimizer.momentum = number

        def make():
            return net(), {"callbacks": [Late()], "optimizer": nn.SGD(nn.schedules.CosineDecay(0.1))}

        job(make).check()

    def test_what_a_callback_does_when_training_begins_is_done_once(self, job):
        class Begin(nn.Callback):
            def on_train_begin(self, state):
                state.model.params.values *= 0.5
                state.model.params.frozen = ["1.W"]
                state.optimizer.learning_rate = 0.5

            def on_epoch_begin(self, state):
                if state.epoch == 2:
                    state.model.params.frozen = ()
                    state.optimizer.learning_rate = 0.05

        job(lambda: (net(), {"callbacks": [Begin()], "optimizer": nn.SGD(0.05)})).check()

    def test_a_callback_that_changes_a_layer_does_so_again_or_is_refused(self, job):
        class Less(nn.Callback):
            def on_epoch_begin(self, state):
                state.model[3].rate = 0.2 / state.epoch

        class LessAgain(Less):
            def load_state_dict(self, saved, state):
                self.on_epoch_begin(state)

        job(lambda: (net(), {"callbacks": [LessAgain()]})).check()
        one = job(lambda: (net(), {"callbacks": [Less()]}))
        one.path.unlink()
        expected = one.run()
        one.path.unlink()
        with pytest.raises(Crash):
            one.run(crash=8)
        with pytest.raises(ArgumentError, match=r"the same entry 3 of layers .*'Dropout\(0.1\)', got"):
            one.run(resume=True)
        one = job(lambda: (net(), {"callbacks": [Less()], "every": (1, "epochs")}))
        with pytest.raises(Crash):
            one.run(crash=8)
        assert one.run(resume=True) == expected

    def test_a_schedule_for_just_as_many_steps(self, job):
        rates = [0.1, 0.08, 0.06, 0.04, 0.03, 0.02, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01]
        one = job(lambda: (net(), {"optimizer": nn.SGD(lambda step: rates[step])}))
        one.check()
        del rates[5:]  # a list that a function has taken along may change, and is not compared
        with pytest.raises(ArgumentError, match=r"the same rate of the last step .*, 0.01, got 'IndexError"):
            one.run(resume=True)

    def test_a_schedule_given_by_a_callback_is_refused(self, job):
        class Late(nn.Callback):
            def on_epoch_begin(self, state):
                state.optimizer.learning_rate = nn.schedules.ConstantRate(0.1)

        with pytest.raises(
            ArgumentError, match="a number as the optimizer's learning_rate, which has changed since"
        ):
            job(lambda: (net(), {"callbacks": [Late()]})).run()

    def test_more_in_the_history(self, job):
        class Note(nn.Callback):
            def on_epoch_end(self, state):
                row = state.history[-1]
                row["whole"], row["several"] = state.epoch % 2 == 0, [0.5, 1, 2.0]
                if state.epoch == 2:
                    row["sometimes"] = [1, None, 2.5]

        expected = job(lambda: (net(), {"callbacks": [Note()]})).check()
        assert [row.get("sometimes") for row in expected["rows"]] == [None, [1, None, 2.5], None]

    @pytest.mark.parametrize("odd", [[], [1.0, 2.0], [[1, 2.5], [True]], 2**53, 2**53 + 1, -(2**70), [2**64]])
    def test_any_numbers_in_the_history_are_kept_as_they_are(self, job, odd):
        """Lists of several lengths; integers that no float holds."""

        class Note(nn.Callback):
            def on_epoch_end(self, state):
                state.history[-1]["odd"] = [[1.0, 2.0, 3.0], odd, 3][state.epoch - 1]

        one = job(lambda: (net(), {"callbacks": [Note()], "every": (1, "epochs")}))
        rows = one.run()["rows"]
        assert [row["odd"] for row in rows] == [[1.0, 2.0, 3.0], odd, 3]
        assert one.run(resume=True)["rows"] == rows

    def test_a_row_that_cannot_be_stored(self, job):
        class Note(nn.Callback):
            def on_epoch_end(self, state):
                state.history[-1]["said"] = "a text"

        with pytest.raises(ArgumentTypeError, match="Checkpoint, history, column 'said': expected numbers"):
            job(lambda: (net(), {"callbacks": [Note()]})).run()

    def test_a_row_that_a_callback_changes_later(self, job):
        class Revise(nn.Callback):
            def on_epoch_end(self, state):
                state.history[0]["loss"] = float(state.epoch)
                state.history[0][f"new in {state.epoch}"] = 1

        rows = job(lambda: (net(), {"callbacks": [Revise()]})).check()["rows"]
        assert rows[0]["loss"] == 3.0

    @pytest.mark.parametrize("bad", [object(), {1: 2}, {"$array": "x"}, np.array(["a"]), 1j])
    def test_a_state_that_cannot_be_stored(self, job, bad):
        class Odd(nn.Callback):
            def state_dict(self):
                return {"kept": bad}

        with pytest.raises(
            ArgumentTypeError, match=r"Checkpoint, callbacks.0.kept: expected numbers"
        ) as error:
            job(lambda: (net(), {"callbacks": [Odd()]})).run()
        assert FORM.fullmatch(str(error.value))

    def test_a_loss_that_gives_other_kinds_of_numbers(self, job):
        class Odd(nn.MeanSquaredError):
            def value_and_grad(self, pred, target, weight=None):
                value, grad = super().value_and_grad(pred, target, weight)
                return np.float32(value), grad

        job(lambda: (net(), {"loss": Odd()})).check()


class TestEnds:
    def test_more_epochs(self, job):
        one = job(lambda: (net(), {"validation": 0.2, "every": (2, "epochs")}))
        expected = one.run(epochs=7)
        one.path.unlink()
        assert len(one.run(epochs=3)["rows"]) == 3
        assert one.run(epochs=7, resume=True) == expected

    def test_fewer_epochs_are_refused(self, job):
        one = job(lambda: (net(), {}))
        one.run(epochs=3)
        with pytest.raises(ArgumentError, match=r"fit\(epochs=\): expected at least 3, of which .* got 2"):
            one.run(epochs=2, resume=True)

    @pytest.mark.parametrize("moment", ["on_batch_begin", "on_batch_end", "on_epoch_end"])
    @pytest.mark.parametrize("unit", ["epochs", "steps"])
    def test_ctrl_c(self, job, moment, unit):
        def interrupt(self, state):
            if self.armed and state.epoch == 2 and state.batch >= 2:
                self.armed = False
                state.history.interrupted = True  # what the handler of the signal does
                state.stop("Ctrl-C")

        class Interrupt(nn.Callback):
            may_change = frozenset({"armed"})

            def __init__(self, armed):
                self.armed = armed

        setattr(Interrupt, moment, interrupt)

        def make():
            armed, make.armed = make.armed, False
            return net(), {"callbacks": [Interrupt(armed)], "validation": 0.2, "every": (1, unit)}

        make.armed = False
        one = job(make)
        expected = one.run()
        one.path.unlink()
        make.armed = True
        with pytest.warns(UserWarning, match="Ctrl-C"):
            assert one.run()["ends"][2]
        assert one.run(resume=True) == expected

    @pytest.mark.parametrize("patience", [2, 9])
    def test_ctrl_c_while_validation_is_measured(self, job, patience):
        armed = []

        def measured(pred, target):
            if armed and len(pred) < 8:
                armed.pop()
                if not armed:
                    signal.raise_signal(signal.SIGINT)
            return float(np.mean(pred))

        def make():
            stopping = nn.EarlyStopping(monitor="loss", patience=patience, min_delta=100.0)
            options = {"callbacks": [stopping], "metrics": {"mean": measured}, "validation": 0.2}
            return net(), options | {"every": (100, "epochs"), "epochs": 5}

        one = job(make)
        expected = one.run()
        one.path.unlink()
        armed += [1, 2, 3]  # in epoch 3, at whose end early stopping may be due as well
        with pytest.warns(UserWarning, match="Ctrl-C in epoch 3"):
            assert len(one.run()["rows"]) == 3
        with open_tensors(one.path, key="nnlite_checkpoint", where="here", made_by="test") as file:
            assert (file.document["state"]["done"], file.document["state"]["batch"]) == (3, 0)
        assert one.run(resume=True) == expected

    @pytest.mark.parametrize("optimizer", [nn.LevenbergMarquardt, nn.LBFGS])
    def test_ctrl_c_with_all_data(self, job, optimizer):
        class Press(nn.Callback):
            def on_epoch_begin(self, state):
                if self.armed and state.epoch == 5:
                    signal.raise_signal(signal.SIGINT)

        def make():
            options = {"callbacks": [Press()], "every": (3, "epochs"), "epochs": 8, "batch_size": None}
            return net(dropout=False, dtype=np.float64), options | {"optimizer": optimizer()}

        one = job(make)
        Press.armed = False
        expected = one.run()
        one.path.unlink()
        Press.armed = True
        with pytest.warns(UserWarning, match="Ctrl-C in epoch 5"):
            assert one.run()["ends"][0] == "Ctrl-C"
        with open_tensors(one.path, key="nnlite_checkpoint", where="here", made_by="test") as file:
            # A search that was not interrupted would not have begun anew there.
            assert file.document["state"]["done"] == (3 if optimizer is nn.LBFGS else 5)
        Press.armed = False
        assert one.run(resume=True) == expected

    def test_a_stop_by_a_callback_at_the_batch_of_ctrl_c_is_an_end(self, job):
        class Both(nn.Callback):
            def on_batch_begin(self, state):
                if self.armed and (state.epoch, state.batch) == (2, 3):
                    signal.raise_signal(signal.SIGINT)

            def on_batch_end(self, state):
                if (state.epoch, state.batch) == (2, 3):
                    state.stop("enough")

        Both.armed = False
        one = job(lambda: (net(), {"callbacks": [Both()], "metrics": [nn.r2]}))
        expected = one.run()
        one.path.unlink()
        Both.armed = True
        with pytest.warns(UserWarning, match="Ctrl-C"):
            one.run()
        assert one.run(resume=True) == expected

    def test_a_search_that_is_over_leaves_nothing_for_the_next_training(self, job):
        def make():
            return net(dropout=False, dtype=np.float64), {"optimizer": make.optimizer, "batch_size": None}

        ends = []
        for resume in (False, True):
            make.optimizer = nn.LevenbergMarquardt(value_tolerance=0.5)
            job(make).run(resume=resume, epochs=1)
            X, y = data()
            model = net(dropout=False, dtype=np.float64, rng=3)
            model.fit(X, 10 * y, loss=nn.MeanSquaredError(), optimizer=make.optimizer, epochs=2)
            ends.append(model.params.values.tobytes())
        assert ends[0] == ends[1]

    @pytest.mark.parametrize("moment", ["on_batch_end", "on_epoch_end"])
    def test_a_stop_by_a_callback_is_an_end(self, job, moment):
        class Enough(nn.Callback):
            def stop(self, state):
                if state.epoch == 2 and state.batch >= 2:
                    state.stop("enough")

        setattr(Enough, moment, Enough.stop)
        expected = job(lambda: (net(), {"callbacks": [Enough()], "metrics": [nn.r2]})).check()
        assert expected["ends"][0] == "enough"
        assert len(expected["rows"]) == 2

    def test_time_counts_on_and_more_of_it_lets_training_go_on(self, job, monkeypatch):
        clock = [100.0]
        monkeypatch.setattr("nnlite.training.callbacks.time.monotonic", lambda: clock[0])

        class Tick(nn.Callback):
            def on_batch_begin(self, state):
                clock[0] += 1.0

        def make(seconds=1000.0):
            return net(), {"callbacks": [Tick(), nn.TimeLimit(seconds)], "metrics": [nn.r2], "epochs": 4}

        expected = job(make).run()  # 16 batches
        job(make).path.unlink()
        limited = job(lambda: make(6.0))
        first = limited.run()
        assert first["ends"][0] == "time limit of 6 s"
        assert len(first["rows"]) == 2
        clock[0] += 50.0  # between two trainings nothing counts
        assert limited.run(resume=True) == first
        second = job(lambda: make(9.0)).run(resume=True)
        assert second["ends"][0] == "time limit of 9 s"
        assert len(second["rows"]) == 3
        assert job(make).run(resume=True) == expected

    def test_a_finished_training_calls_no_batch(self, job):
        one = job(lambda: (net(), {}))
        expected = one.run()
        assert one.run(resume=True) == expected
        assert one.moments == 0

    def test_the_seconds_of_an_epoch_are_those_of_both_parts(self, job, monkeypatch):
        clock = [100.0]
        for module in ("loop", "snapshot"):
            monkeypatch.setattr(f"nnlite.{module}.time.perf_counter", lambda: clock[0])

        class Tick(nn.Callback):
            def on_batch_begin(self, state):
                clock[0] += 1.0

        def make():
            model = net()
            make.model = model
            return model, {"callbacks": [Tick(), Keep()], "epochs": 1}

        class Keep(nn.Callback):
            def on_train_end(self, state):
                make.rows = state.history.rows

        one = job(make)
        with pytest.raises(Crash):
            one.run(crash=4)
        clock[0] += 50.0
        one.run(resume=True)
        assert make.rows[0]["seconds"] == 4.0


def test_it_acts_behind_the_others_wherever_it_stands(tmp_path):
    # Before early stopping in the list, it would store that the epoch has not been looked at yet.
    seen = []

    class Look(nn.Callback):
        def on_epoch_end(self, state):
            seen.append(path.exists())

    path = tmp_path / "run"
    net().fit(
        *data(),
        loss=nn.MeanSquaredError(),
        optimizer=nn.SGD(0.1),
        epochs=1,
        callbacks=[Checkpoint(path), Look()],
    )
    assert seen == [False]
    assert path.exists()


def test_two_checkpoints(tmp_path):
    first, second = tmp_path / "a", tmp_path / "b"

    def run(resume=None, crash=None):
        model = net()
        marks = [Checkpoint(first, every=3, unit="steps"), Checkpoint(second), CrashAt(crash)]
        options = {"loss": nn.MeanSquaredError(), "optimizer": nn.Adam(), "epochs": 3, "batch_size": 8}
        model.fit(*data(), callbacks=marks, resume=resume, **options)
        return model.params.values.tobytes()

    expected = run()
    for path in (first, second):
        with pytest.raises(Crash):
            run(crash=13)
        assert run(resume=path) == expected


def test_checkpoints_change_nothing(tmp_path):
    # They draw nothing and round nothing, whatever the moments at which they are written.
    found = set()
    for callbacks in ([], [Checkpoint(tmp_path / "run", every=1, unit="steps")]):
        model = net()
        options = {
            "loss": nn.MeanSquaredError(),
            "optimizer": nn.Adam(),
            "metrics": [nn.r2],
            "validation": 0.2,
        }
        history = model.fit(*data(), epochs=3, batch_size=8, callbacks=callbacks, **options)
        found.add((model.params.values.tobytes(), repr(history["r2"]), repr(model.rng.bit_generator.state)))
    assert len(found) == 1


def test_memory(tmp_path):
    """A write copies no array, and what was read does not stay behind the first epoch."""
    path, taken = tmp_path / "run", []

    class Measured(Checkpoint):
        def on_epoch_end(self, state):
            gc.collect()
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            super().on_epoch_end(state)
            _, peak = tracemalloc.get_traced_memory()
            size = state.model.params.values.nbytes
            taken.append((before / size, (peak - before) / size))

    def run(epochs, **options):
        model = nn.Sequential([nn.Dense(400, 1000), nn.Dense(1000, 1)], rng=0)
        options |= {"loss": nn.MeanSquaredError(), "optimizer": nn.Adam(), "epochs": epochs}
        model.fit(np.zeros((4, 400)), np.zeros((4, 1)), callbacks=Measured(path), **options)

    tracemalloc.start()
    try:
        run(3)
        run(6, resume=path)
    finally:
        tracemalloc.stop()
    assert max(extra for _, extra in taken) < 0.5
    assert taken[5][0] < taken[2][0] + 0.5


def test_a_long_history_fits(tmp_path):
    path = tmp_path / "run"

    def run(**options):
        options |= {"loss": nn.MeanSquaredError(), "optimizer": nn.SGD(0.01), "epochs": 20_000}
        return nn.Sequential([nn.Dense(1, 1)], rng=0).fit([[1.0]], [[2.0]], **options)

    history = run(callbacks=Checkpoint(path, every=20_000))
    resumed = run(resume=path)
    assert resumed.rows == history.rows
    assert list(resumed[0]) == list(history[0])


class TestManyReplicas:
    """What there is for each replica takes room in arrays, and none in the header."""

    COUNT = 3000

    class End(nn.Callback):
        """End most of the replicas, each for a long reason of its own."""

        def on_epoch_end(self, state):
            if state.epoch == 2:
                for index in range(0, TestManyReplicas.COUNT, 3):
                    only = np.arange(TestManyReplicas.COUNT) == index
                    state.stop(f"replica {index}: " + "a reason, with all its words. " * 30, replicas=only)

    def make(self):
        rates = np.linspace(0.01, 0.1, self.COUNT)
        model = nn.Sequential([nn.Dense(3, 1)], replicas=self.COUNT, rng=range(self.COUNT))
        return model, {"data": data(8, 1), "optimizer": nn.Adam(rates), "callbacks": [self.End()]}

    def test_they_come_to_the_same(self, job):
        one = job(lambda: self.make())
        expected = one.run()
        one.path.unlink()
        with pytest.raises(Crash):
            one.run(crash=6)  # behind the batch of epoch 3
        with open_tensors(one.path, key="nnlite_checkpoint", where="here", made_by="test") as file:
            assert len(json.dumps(file.document)) < 10_000
        assert one.run(resume=True) == expected

    def test_what_a_callback_remembers_too(self, job):
        class Remember(nn.Callback):
            def on_train_begin(self, state):
                self.notes = []

            def on_batch_end(self, state):
                number = len(self.notes)
                for _ in range(6_000):
                    self.notes.append({"text": f"{number}", "rate": None, "seen": [number, 2**80]})

            def state_dict(self):
                return {"notes": self.notes}

            def load_state_dict(self, saved, state):
                self.notes = saved["notes"]

        def make():
            kept.append(Remember())
            return net(), {"callbacks": [kept[-1]], "epochs": 1}

        kept: list[Remember] = []
        one = job(make)
        one.run()
        one.run(resume=True)
        assert kept[0].notes == kept[1].notes

    def test_too_much_of_many_kinds_is_named(self, job):
        class Odd(nn.Callback):
            def state_dict(self):
                return {"kept": [1, "a", 2.5] * 100_000}

        with pytest.raises(
            ArgumentError,
            match=r"most of them in 'state\.callbacks\.0\.kept'\. Let a callback remember arrays",
        ):
            job(lambda: (net(), {"callbacks": [Odd()]})).run()


@pytest.mark.parametrize("number", range(1, FORMAT + 1))
def test_files_of_every_format_go_on(number):
    """Later versions must read what earlier ones wrote; data/make_checkpoint.py made these files."""
    sys.path.insert(0, str(DATA))
    try:
        from make_checkpoint import train
    finally:
        sys.path.pop(0)
    model, history = train(resume=DATA / f"checkpoint_{number}.safetensors")
    # As it was trained then: a fresh training may start from other weights today.
    then = [0.22206888645887374, 1.1852964162826538, 0.27268106788396834]
    np.testing.assert_allclose(history["loss"][0], then, rtol=1e-6)
    assert [one["best_epoch"] for one in history.replicas] == [3, 1, 3]
    first, _ = train(resume=DATA / "checkpoint_1.safetensors")
    np.testing.assert_array_equal(model.params.values, first.params.values)


def test_a_model_that_is_used_on(tmp_path):
    """The same objects, in the same process, after Ctrl-C in a notebook for instance."""
    path = tmp_path / "run"
    model, optimizer = net(), nn.Adam(0.01)
    options = {"loss": nn.MeanSquaredError(), "optimizer": optimizer, "batch_size": 8}
    model.fit(*data(), epochs=2, callbacks=Checkpoint(path), **options)
    model.fit(*data(), epochs=4, resume=path, **options)
    fresh = net()
    fresh.fit(*data(), epochs=4, **options | {"optimizer": nn.Adam(0.01)})
    np.testing.assert_array_equal(model.params.values, fresh.params.values)


class TestRefused:
    """What is another training is refused by name, and nothing has changed."""

    OTHERS: ClassVar = {
        "layers": lambda: (nn.Sequential([nn.Dense(3, 2)], rng=0), {}),
        "entry 1 of layers": lambda: (
            nn.Sequential([nn.Standardize(3), nn.Dense(3, 7), nn.Tanh(), nn.Dropout(0.3), nn.Dense(7, 2)]),
            {},
        ),
        "dtype": lambda: (net(dtype=np.float64), {}),
        "replicas": lambda: (net(replicas=2), {}),
        "loss": lambda: (net(), {"loss": nn.MeanAbsoluteError()}),
        "optimizer": lambda: (net(), {"optimizer": nn.SGD(0.01)}),
        "optimizer learning_rate": lambda: (net(), {"optimizer": nn.Adam(0.02)}),
        "optimizer beta1": lambda: (net(), {"optimizer": nn.Adam(0.01, beta1=0.8)}),
        "optimizer clip_norm": lambda: (net(), {"optimizer": nn.Adam(0.01, clip_norm=1.0)}),
        "batch_size": lambda: (net(), {"batch_size": 9}),
        "shuffle": lambda: (net(), {"shuffle": False}),
        "rows of training data": lambda: (net(), {"data": data(25)}),
        "checksum of X in training data": lambda: (net(), {"data": (data()[0] + 1.0, data()[1])}),
        "checksum of y in training data": lambda: (net(), {"data": (data()[0], data()[1] + 1.0)}),
        "training data": lambda: (net(), {"data": (batches(), None), "validation": None}),
        "validation": lambda: (net(), {"validation": data(9)}),
        "columns of the history": lambda: (net(), {"metrics": [nn.r2]}),
        "callbacks": lambda: (net(), {"callbacks": [nn.EarlyStopping(monitor="loss"), nn.TimeLimit(5)]}),
        "entry 0 of callbacks": lambda: (net(), {"callbacks": [nn.EarlyStopping(monitor="learning_rate")]}),
        "entry 0 of rng": lambda: (net(), {"rng": np.random.Generator(np.random.MT19937(1))}),
    }

    def given(self):
        return net(), {"callbacks": [nn.EarlyStopping(monitor="loss")], "validation": 0.2}

    @pytest.mark.parametrize("what", OTHERS)
    def test_another_training(self, job, what):
        base = job(self.given)
        base.run()

        def make():
            model, options = self.OTHERS[what]()
            self.model = model
            return model, self.given()[1] | options

        other = job(make)
        with pytest.raises(ArgumentError) as error:
            other.run(resume=True)
        assert f"expected the same {what} as in the training that wrote it" in str(error.value)
        assert FORM.fullmatch(str(error.value))
        assert not isinstance(error.value, ModelFileError)
        fresh = make()[0]
        if fresh.rng.bit_generator.state == self.model.rng.bit_generator.state:
            np.testing.assert_array_equal(fresh.params.values, self.model.params.values)

    def test_another_function_as_schedule(self, job):
        job(lambda: (net(), {"optimizer": nn.Adam(lambda step: 0.01)})).run()
        with pytest.raises(ArgumentError, match=r"the same learning_rate of the functions of the opt"):
            job(lambda: (net(), {"optimizer": nn.Adam(lambda step: 0.02)})).run(resume=True)

    def test_nothing_changes(self, job):
        one = job(lambda: (net(), {}))
        one.run()
        model, optimizer = net(rng=8), nn.Adam(0.02)
        model.fit(*data(), loss=nn.MeanSquaredError(), optimizer=optimizer, epochs=1)
        before = [copy.deepcopy(part) for part in (model.params.values, optimizer.state_dict())]
        draws = model.rng.bit_generator.state
        with pytest.raises(ArgumentError, match="the same optimizer learning_rate"):
            model.fit(*data(), loss=nn.MeanSquaredError(), optimizer=optimizer, batch_size=8, resume=one.path)
        np.testing.assert_equal([model.params.values, optimizer.state_dict()], before)
        assert model.rng.bit_generator.state == draws

    def test_no_file(self, job):
        with pytest.raises(FileNotFoundError):
            job(lambda: (net(), {})).run(resume=True)

    def test_no_path(self):
        with pytest.raises(ArgumentTypeError, match=r"fit\(resume=\): expected a path"):
            net().fit(*data(), loss=nn.MeanSquaredError(), optimizer=nn.SGD(), resume=3)

    def test_a_model_file(self, tmp_path):
        path = tmp_path / "net.safetensors"
        net().save(path)
        with pytest.raises(ModelFileError, match="nnlite_checkpoint"):
            net().fit(*data(), loss=nn.MeanSquaredError(), optimizer=nn.SGD(), resume=path)

    def test_a_stream_that_has_become_shorter(self, job):
        with pytest.raises(Crash):
            job(lambda: (net(), {"data": (batches(), None)})).run(crash=5)
        with pytest.raises(ArgumentError, match="an epoch of at least 3 batches"):
            job(lambda: (net(), {"data": (batches()[:2], None)})).run(resume=True)

    def test_a_stream_with_other_batches(self, job):
        metrics = {"metrics": [nn.r2]}
        with pytest.raises(Crash):
            job(lambda: (net(), {"data": (batches(), None)} | metrics)).run(crash=5)
        others = [batches()[0], batches()[3], *batches()[1:3]]
        with pytest.raises(ArgumentError, match=r"batches of 24 rows in all, .*, got 18 rows"):
            job(lambda: (net(), {"data": (others, None)} | metrics)).run(resume=True)

    @pytest.mark.parametrize(
        ("arguments", "error", "message"),
        [
            ((3,), ArgumentTypeError, r"Checkpoint\(path\): expected a path"),
            (("a", 0), ArgumentError, r"Checkpoint\(every=\)"),
            (("a", 1.5), ArgumentTypeError, r"Checkpoint\(every=\)"),
            (("a", 0.0, "seconds"), ArgumentError, r"Checkpoint\(every=\)"),
            (("a", 1, "hours"), ArgumentError, r"Checkpoint\(unit=\)"),
        ],
    )
    def test_arguments(self, arguments, error, message):
        options = dict(zip(("every", "unit"), arguments[1:], strict=False))
        with pytest.raises(error, match=message) as raised:
            Checkpoint(arguments[0], **options)
        assert FORM.fullmatch(str(raised.value))

    @pytest.mark.parametrize("place", ["no such folder/run", "."])
    def test_places(self, tmp_path, place):
        with pytest.raises(ArgumentError, match=r"Checkpoint\(path\)"):
            Job(tmp_path / place, lambda: (net(), {})).run()

    def test_a_device(self, tmp_path):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(ArgumentError, match=r"Checkpoint\(path\): expected a file, got .*pipe") as error:
            Job(tmp_path / "pipe", lambda: (net(), {"every": (100, "epochs")})).run()
        assert FORM.fullmatch(str(error.value))

    def test_a_folder_that_cannot_be_written_to(self, tmp_path, monkeypatch):
        folder = tmp_path.resolve()
        monkeypatch.setattr("nnlite.training.checkpoint.os.access", lambda place, mode: place != folder)
        with pytest.raises(ArgumentError, match="a file in a folder that can be written to") as error:
            Job(tmp_path / "run", lambda: (net(), {"every": (100, "epochs")})).run()
        assert FORM.fullmatch(str(error.value))

    def test_a_generator_of_somebody_else(self, job):
        class Own(np.random.PCG64):
            pass

        with pytest.raises(ArgumentError, match="a generator of NumPy"):
            job(lambda: (net(), {"rng": np.random.Generator(Own(1))})).run()

    def test_a_snapshot_without_a_checkpoint(self):
        class Take(nn.Callback):
            def on_epoch_end(self, state):
                state.snapshot()

        with pytest.raises(ArgumentError, match=r"Add a Checkpoint"):
            net().fit(*data(), loss=nn.MeanSquaredError(), optimizer=nn.SGD(), callbacks=Take())


class TestHostileFiles:
    """A file of anybody gives a `ModelFileError`, or an error about another training, and changes nothing."""

    KEY = "nnlite_checkpoint"

    def make(self):
        callbacks = [nn.EarlyStopping(monitor="loss", patience=1, min_delta=0.01), nn.TimeLimit(1e6)]
        options = {"callbacks": callbacks, "metrics": [nn.r2], "optimizer": nn.Adam([0.001, 0.05])}
        return net(replicas=2, rng=[1, 2]), options | {"epochs": 6}

    def whole(self, job):
        """Return a checkpoint from the middle of an epoch, with one replica at its end."""
        one = job(self.make)
        with pytest.raises(Crash):
            one.run(crash=18)
        with open_tensors(one.path, key=self.KEY, where="here", made_by="test") as file:
            return one, file.document, {name: file.read(name) for name in file.entries}

    def test_outputs_of_another_net(self, job):
        """Those of a stream cannot be compared with its targets before it is read again."""

        def make():
            return net(), {"data": (batches(), None), "metrics": [nn.r2]}

        one = job(make)
        with pytest.raises(Crash):
            one.run(crash=9)
        with open_tensors(one.path, key=self.KEY, where="here", made_by="test") as file:
            document, arrays = file.document, {name: file.read(name) for name in file.entries}
        outputs = arrays["epoch.outputs"]
        wrong = [outputs[:, :1], outputs[..., None], outputs[:, 0], outputs.astype(np.float64), outputs > 0]
        for other in wrong:
            write_tensors(one.path, document, arrays | {"epoch.outputs": other}, key=self.KEY, where="test")
            with pytest.raises(ModelFileError, match="outputs"):
                one.run(resume=True)
        write_tensors(one.path, document, arrays | {"epoch.outputs": outputs[1:]}, key=self.KEY, where="test")
        with pytest.raises(ArgumentError, match="Give the same batches again"):
            one.run(resume=True)

    def test_what_is_no_such_value(self, job):
        one, document, arrays = self.whole(job)
        assert document["state"]["left"]
        values = [None, -1, 1e300, "x", [], {}, [[]], {"$float": "nan"}, {"$array": "values"}, 2**70]
        cases = [(place, wrong) for place in places(document) for wrong in values]
        refused = 0
        for index in np.random.default_rng(0).permutation(len(cases))[:600]:
            changed = copy.deepcopy(document)
            put(changed, *cases[index])
            refused += self.is_refused(one, changed, arrays)
        assert refused > 400

    def test_arrays_that_are_others(self, job):
        one, document, arrays = self.whole(job)
        for name, array in arrays.items():
            for wrong in (
                None,
                array.astype(np.float16),
                array.astype(np.int64),
                array[..., None],
                np.zeros((0, 3)),
                np.full_like(array, 255 if array.dtype.kind == "u" else 1),
                np.zeros(10_000, array.dtype),
            ):
                others = {key: value for key, value in arrays.items() if key != name}
                if wrong is not None:
                    others[name] = wrong
                self.is_refused(one, document, others)

    def is_refused(self, one, document, arrays):
        """Tell whether such a file is refused; it may be right too, with other numbers in it."""
        write_tensors(one.path, document, arrays, key=self.KEY, where="test")
        model, options = self.make()
        before = model.params.values.copy(), repr([r.bit_generator.state for r in model.rng.each])
        options["callbacks"].append(CrashAt())
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                options |= {"loss": nn.MeanSquaredError(), "batch_size": 8, "resume": one.path}
                model.fit(*data(), **options)
            except nn.errors.DivergenceError:
                return False
            except ArgumentError as error:
                message = str(error)
            else:
                return False
        assert FORM.fullmatch(message), message
        np.testing.assert_array_equal(model.params.values, before[0])
        assert repr([r.bit_generator.state for r in model.rng.each]) == before[1]
        return True

    @pytest.mark.parametrize("state", [{"pos": 625}, {"pos": -1}, {"pos": 2**40}])
    def test_positions_outside_of_the_numbers(self, state):
        rng = np.random.Generator(np.random.MT19937(0))
        good = rng.bit_generator.state
        check_state(rng, [good])
        with pytest.raises(ValueError, match="MT19937"):
            check_state(rng, [good | {"state": good["state"] | state}])
        rng = np.random.Generator(np.random.Philox(0))
        with pytest.raises(ValueError, match="Philox"):
            check_state(rng, [rng.bit_generator.state | {"buffer_pos": state["pos"]}])

    def test_a_newer_format(self, job):
        one, document, arrays = self.whole(job)
        write_tensors(one.path, document | {"format": 3}, arrays, key=self.KEY, where="test")
        with pytest.raises(
            ModelFileError, match=r"expected a format from 1 to 2, got format 3.*Update nnlite"
        ):
            one.run(resume=True)

    def test_bits(self, job):
        one, _, _ = self.whole(job)
        content = one.path.read_bytes()
        rng = np.random.default_rng(0)
        for _ in range(100):
            place = rng.integers(len(content))
            flipped = bytearray(content)
            flipped[place] ^= 1 << rng.integers(8)
            one.path.write_bytes(flipped)
            with pytest.raises((ModelFileError, ArgumentError)):
                one.run(resume=True)
        for stop in rng.integers(len(content), size=50):
            one.path.write_bytes(content[:stop])
            with pytest.raises(ModelFileError):
                one.run(resume=True)


def places(document, prefix=()):
    """Give the way to every value in a document."""
    items = document.items() if isinstance(document, dict) else enumerate(document)
    for key, value in items:
        yield (*prefix, key)
        if isinstance(value, dict | list):
            yield from places(value, (*prefix, key))


def put(document, place, value):
    for key in place[:-1]:
        document = document[key]
    document[place[-1]] = value


def test_the_document_is_json_without_numbers_in_arrays(job):
    one = job(lambda: (net(), {"metrics": [nn.r2]}))
    one.run()
    with open_tensors(one.path, key="nnlite_checkpoint", where="here", made_by="test") as file:
        assert file.document["version"] == nn.__version__
        assert len(json.dumps(file.document)) < 5000
        np.testing.assert_array_equal(file.read("values").shape, (3 * 6 + 6 * 2 + 6 + 2,))
