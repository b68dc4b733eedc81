"""What a user's own code raises comes out as it is, also what other code takes for an end of its own."""

import contextlib
import gc
import threading
import warnings
import weakref

import numpy as np
import pytest

import nnlite as nn

X = np.linspace(-1, 1, 36).reshape(18, 2)
Y = X[:, :1]


class Odd(StopIteration):
    """A kind of StopIteration, which ends loops, generators, and the searches of SciPy."""


class Raises:
    """Raise where it is told to."""

    def __init__(self, place, error):
        self.place, self.error = place, error

    def at(self, place):
        if place == self.place:
            raise self.error

    def callback(self):
        moments = [name for name in vars(nn.Callback) if name.startswith("on_")]
        bodies = {name: lambda own, state, name=name: self.at(name) for name in [*moments, "check"]}
        return type("Raising", (nn.Callback,), bodies)()

    def metric(self, pred, target):
        self.at("metric")
        return 1.0

    def rate(self, step):
        self.at("schedule")
        return 0.01

    def order(self, rows):
        self.at("shuffle")
        return np.arange(rows)

    def stream(self):
        self.at("stream")
        return iter([(X, Y)])

    def held_out(self):
        self.at("validation")
        return iter([(X, Y)])

    def layer(self):
        raising = self

        class Raising(nn.Layer):
            def forward(self, x, ctx=None):
                raising.at("forward")
                return x * 1

            def backward(self, dy, ctx):
                raising.at("backward")
                return dy * 1

        return Raising()


PLACES = {
    "SGD": "metric schedule shuffle stream validation forward backward check on_train_begin on_epoch_begin "
    "on_batch_begin on_grad_computed on_batch_end on_epoch_end on_train_end",
    "LBFGS": "metric stream validation forward backward check on_train_begin on_epoch_begin on_grad_computed "
    "on_epoch_end on_train_end",
    "LevenbergMarquardt": "metric stream validation forward backward on_epoch_begin on_epoch_end "
    "on_train_end",
}


@pytest.mark.parametrize("error", [Odd("mine"), StopIteration(), GeneratorExit(), KeyError("mine")], ids=repr)
@pytest.mark.parametrize(
    ("optimizer", "place"), [(kind, place) for kind, places in PLACES.items() for place in places.split()]
)
def test_fit(optimizer, place, error):
    raises = Raises(place, error)
    made = nn.SGD(raises.rate) if optimizer == "SGD" else getattr(nn, optimizer)()
    model = nn.Sequential([nn.Dense(2, 3), raises.layer(), nn.Dense(3, 1)], rng=0)
    data = (raises.stream, None) if place == "stream" else (X, Y)
    with pytest.raises(type(error)) as caught:
        model.fit(
            *data,
            loss=nn.MeanSquaredError(),
            optimizer=made,
            epochs=3,
            shuffle=raises.order if optimizer == "SGD" else False,
            validation=raises.held_out,
            metrics=[raises.metric],
            callbacks=[raises.callback()],
        )
    assert caught.value is error


class Mine(nn.errors.ArgumentError):
    def __init__(self, code):
        super().__init__(f"my target {code}", "mine", "another", "Change the target.")


@pytest.mark.parametrize(
    "error",
    [Mine(1), nn.errors.ArgumentError("my target", "mine", "target[0]", "Change target[0].")],
    ids=["a class of one's own", "one of ours"],
)
def test_what_a_loss_says_of_its_targets(error):
    class Picky(nn.MeanSquaredError):
        def prepare(self, target, pred_shape, dtype):
            raise error

    model = nn.Sequential([nn.Dense(2, 1)], rng=0)
    for loss in (Picky(), nn.Masked(Picky())) if isinstance(error, Mine) else (Picky(),):
        with pytest.raises(type(error)) as caught:
            model.fit(X, Y, loss=loss, optimizer=nn.SGD(0.1), epochs=1)
        assert caught.value is error
        assert caught.traceback[-1].name == "prepare"


def test_an_order_that_has_run_out():
    """Of three for five epochs: the user's `next` says so, and training is not taken to be over."""
    orders = iter([np.arange(18)] * 3)
    model = nn.Sequential([nn.Dense(2, 1)], rng=0)
    options = {"loss": nn.MeanSquaredError(), "optimizer": nn.SGD(0.1), "epochs": 5}
    with pytest.raises(StopIteration):
        model.fit(X, Y, shuffle=lambda rows: next(orders), **options)


def test_lbfgs_ends_at_a_true_answer_as_before():
    params = nn.Sequential([nn.Dense(1, 1)], rng=0, dtype=np.float64).params

    def bowl():
        params.grads[...] = 4 * (params.values - 3) ** 3
        return float(np.sum((params.values - 3) ** 4))

    seen = []

    def count(value):
        seen.append(value)
        return len(seen) == 2

    nn.LBFGS().minimize(params, bowl, max_iterations=20, on_iteration=count)
    assert len(seen) == 2


@pytest.mark.parametrize("call", ["predict", "predict_blocks", "evaluate", "evaluate a stream"])
def test_prediction(call):
    error = Odd("mine")
    raises = Raises("forward", error)
    model = nn.Sequential([raises.layer(), nn.Dense(2, 1)], rng=0)
    calls = {
        "predict": lambda: model.predict(X, batch_size=4),
        "predict_blocks": lambda: list(model.predict_blocks([X, X])),
        "evaluate": lambda: model.evaluate(X, Y, loss=nn.MeanSquaredError()),
        "evaluate a stream": lambda: model.evaluate([(X, Y)], loss=nn.MeanSquaredError()),
    }
    # An iterator that raised it would say that there is no more, so there Python has another error for it.
    with pytest.raises((Odd, RuntimeError)) as caught:
        calls[call]()
    assert error in (caught.value, caught.value.__cause__)


def test_a_sweep_in_other_processes():
    pytest.importorskip("joblib")
    pytest.importorskip("threadpoolctl")
    model = nn.Sequential([nn.Dense(2, 1)])
    with pytest.raises(StopIteration):
        nn.sweep(model, X, Y, learning_rate=[0.1, 0.2], epochs=2, seeds=1, metrics=[_run_out], workers=1)


def _run_out(pred, target):
    return next(iter(()))


# What an error leaves behind.


class Stop(Exception):
    pass


@pytest.fixture
def no_garbage_collection():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


ENDS = {
    "the end": {},
    "divergence": {"rate": 1e30},
    "replicas that diverge": {"rate": 1e30, "replicas": 3},
    "divergence at validation": {"rate": 1e30, "validation": 0.3},
    "a callback's error": {"at_end": Stop},
    "Ctrl-C": {"at_end": KeyboardInterrupt},
    "a refusal in the first epoch": {"metrics": [lambda pred, target: "text"]},
    "a refusal": {"epochs": 0},
    "a stream that diverges": {"rate": 1e30, "stream": True},
    "a refused checkpoint": {"resume": True, "rate": 0.5},
    "the end of one that goes on": {"resume": True},
}


@pytest.mark.usefixtures("no_garbage_collection")
@pytest.mark.filterwarnings("ignore:fit. stopped by Ctrl-C")
@pytest.mark.nonfinite
@pytest.mark.parametrize("checkpoint", [False, True])
@pytest.mark.parametrize("optimizer", ["SGD", "LBFGS", "LevenbergMarquardt"])
@pytest.mark.parametrize("end", ENDS)
def test_nothing_waits_for_the_garbage_collector(end, optimizer, checkpoint, tmp_path):
    """Data and model are free when the last name of them is gone, however training has ended."""

    def run(*, rate=0.01, replicas=None, at_end=None, stream=False, resume=False, **options):
        class End(nn.Callback):
            def on_epoch_end(self, state):
                if at_end is not None:
                    raise at_end()

        x, y = X.astype(np.float32), Y.astype(np.float32)
        model = nn.Sequential([nn.Dense(2, 3), nn.Tanh(), nn.Dense(3, 1)], rng=0, replicas=replicas)
        made = nn.SGD(rate) if optimizer == "SGD" else getattr(nn, optimizer)()
        hooks = [End(), nn.EarlyStopping(monitor="loss")]
        hooks += [nn.Checkpoint(tmp_path / "run")] * checkpoint
        options = {
            "loss": nn.MeanSquaredError(),
            "optimizer": made,
            "epochs": 2,
            "callbacks": hooks,
        } | options
        if resume:
            options["resume"] = tmp_path / "run"
        things = [model, made, x, *hooks[1:]]
        ended_well = False
        with contextlib.suppress(Stop, ValueError, TypeError, OSError):
            model.fit(*(([(x, y)],) if stream else (x, y)), **options)
            ended_well = True
        if optimizer == "SGD":  # the others bear targets of any size
            goes_on = end == "the end of one that goes on" and checkpoint
            assert ended_well == (
                goes_on or end in ("the end", "Ctrl-C") or ("resume" in ENDS[end] and not resume)
            )
        return [weakref.ref(thing) for thing in things]

    if checkpoint and "resume" in ENDS[end]:
        run()
    options = dict(ENDS[end])
    if optimizer != "SGD":
        options.pop("replicas", None)  # a search is for one net
    assert [found() for found in run(**options)] == [None] * (4 + checkpoint)


# What is one for the whole process.


@pytest.mark.nonfinite
def test_sweeps_in_threads_leave_the_filters_of_warnings_alone():
    before = list(warnings.filters)
    barrier = threading.Barrier(4)

    class Meet(nn.Callback):
        def on_epoch_end(self, state):
            if state.epoch == 1:
                barrier.wait(30)
            filters.append(list(warnings.filters) == before)

    filters: list[bool] = []

    def work():
        model = nn.Sequential([nn.Dense(2, 1)])
        nn.sweep(model, X, Y, learning_rate=[0.1, 1e30], epochs=3, callbacks=[Meet()])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert filters == [True] * 12
    assert list(warnings.filters) == before


@pytest.mark.nonfinite
def test_a_sweep_says_what_diverged_in_its_result_only():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = nn.sweep(nn.Sequential([nn.Dense(2, 1)]), X, Y, learning_rate=[0.1, 1e30], epochs=3)
    assert found.labels[1] == "diverges"


@pytest.mark.nonfinite
@pytest.mark.parametrize("distributed", [False, True])
def test_warnings_point_to_who_called(distributed):
    class Interrupt(nn.Callback):
        def on_epoch_end(self, state):
            raise KeyboardInterrupt

    options = {"loss": nn.MeanSquaredError(), "epochs": 2, "distributed": distributed}
    several = nn.Sequential([nn.Dense(2, 1)], replicas=2, rng=0)
    alone = nn.Sequential([nn.Dense(2, 1)], rng=0)
    with pytest.warns(nn.errors.ReplicaWarning) as diverged:
        several.fit(X, Y, optimizer=nn.SGD([0.1, 1e30]), **options)
    with pytest.warns(UserWarning, match="Ctrl-C") as interrupted:
        alone.fit(X, Y, optimizer=nn.SGD(0.1), callbacks=[Interrupt()], **options)
    assert [one.filename for one in (*diverged, *interrupted)] == [__file__] * 2
