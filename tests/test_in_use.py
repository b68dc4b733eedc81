"""One training at a time: what two would change at once is refused by the second."""

import contextlib
import copy
import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest

import nnlite as nn
from nnlite.errors import ArgumentError
from nnlite.training.in_use import InUse, _users

X = np.linspace(-1, 1, 24).reshape(12, 2)
Y = X[:, :1]


@pytest.fixture(autouse=True)
def nothing_stays_in_use():
    yield
    assert not _users


def net():
    return nn.Sequential([nn.Dense(2, 3), nn.Tanh(), nn.Dense(3, 1)], rng=0)


def fit(model, *callbacks, optimizer=None, epochs=2, **options):
    optimizer = optimizer or nn.SGD(0.1)
    options = {"loss": nn.MeanSquaredError(), "optimizer": optimizer, "epochs": epochs} | options
    return model.fit(X, Y, callbacks=callbacks, **options)


class Once(nn.Callback):
    """Do something at the end of the first epoch, and keep the error that it raises."""

    def __init__(self, action):
        self.action = action
        self.said = None

    def on_epoch_end(self, state):
        if state.epoch == 1:
            try:
                self.action(state)
            except ArgumentError as error:
                self.said = str(error)


OPTIMIZERS = {"SGD": lambda: nn.SGD(0.1), "LBFGS": nn.LBFGS, "LevenbergMarquardt": nn.LevenbergMarquardt}


@pytest.mark.parametrize("kind", OPTIMIZERS)
@pytest.mark.parametrize("where", ["in a callback", "in a thread"])
@pytest.mark.parametrize("shared", ["model", "optimizer", "callback"])
def test_what_one_training_uses_no_other_may(shared, where, kind):
    stopping = nn.EarlyStopping(monitor="loss")
    model, optimizer = net(), OPTIMIZERS[kind]()

    def other(state):
        if shared == "model":
            fit(model, nn.EarlyStopping(monitor="loss"))
        elif shared == "optimizer":
            fit(net(), optimizer=optimizer)
        else:
            fit(net(), stopping)

    def in_a_thread(state):
        raised = []

        def work():
            try:
                other(state)
            except ArgumentError as error:
                raised.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        raise raised[0]

    once = Once(other if where == "in a callback" else in_a_thread)
    history = fit(model, stopping, once, optimizer=optimizer, epochs=4)
    place = {"model": "fit", "optimizer": r"fit(optimizer=)", "callback": "fit(callbacks=)"}[shared]
    name = {"model": "Sequential", "optimizer": kind, "callback": "EarlyStopping"}[shared]
    assert once.said.startswith(f"{place}: expected a {shared} that no".replace("a opt", "an opt"))
    assert f"got {name}, which a fit in another thread or around this one is using. Give each" in once.said
    alone = net()
    expected = fit(alone, nn.EarlyStopping(monitor="loss"), optimizer=OPTIMIZERS[kind](), epochs=4)
    assert history["loss"] == expected["loss"]
    np.testing.assert_array_equal(model.params.values, alone.params.values)


def test_a_callback_twice_in_one_list():
    stopping = nn.EarlyStopping(monitor="loss")
    with pytest.raises(ArgumentError, match=r"fit\(callbacks=\): expected each once, got EarlyS"):
        fit(net(), stopping, stopping)


def test_copies_may_train_and_nothing_is_written_on_them():
    """In a callback, as `find_learning_rate` and sweeps do; by `copy`, `deepcopy` and `pickle`."""
    model, optimizer, stopping = net(), nn.Adam(0.1), nn.EarlyStopping(monitor="loss")
    attributes = vars(model).keys(), vars(optimizer).keys()

    def train_copies(state):
        assert (vars(model).keys(), vars(optimizer).keys()) == attributes
        for make in (copy.copy, copy.deepcopy, lambda thing: pickle.loads(pickle.dumps(thing))):
            fit(make(model), make(stopping), optimizer=make(optimizer))
        assert state.model.predict(X).shape == (12, 1)
        state.model.evaluate(X, Y, loss=nn.MeanSquaredError())
        nn.inspect.find_learning_rate(model, X, Y, nn.MeanSquaredError(), steps=10, trials=0)

    once = Once(train_copies)
    fit(model, stopping, once, optimizer=optimizer)
    assert once.said is None


class Fails(nn.Callback):
    def __init__(self, moment, error):
        setattr(self, moment, self.fail)
        self.error = error

    def fail(self, state):
        raise self.error

    def check(self, state):
        """Do nothing, unless replaced."""

    def on_train_begin(self, state):
        """Do nothing, unless replaced."""

    on_epoch_end = on_train_end = on_train_begin


@pytest.mark.filterwarnings("ignore:fit. stopped by Ctrl-C")
@pytest.mark.parametrize("error", [ValueError("a"), KeyboardInterrupt(), SystemExit()])
@pytest.mark.parametrize("moment", ["check", "on_train_begin", "on_epoch_end", "on_train_end"])
def test_it_is_free_after_an_error(moment, error):
    model, optimizer, other = net(), nn.SGD(0.1), nn.EarlyStopping(monitor="loss")
    with contextlib.suppress(type(error)):
        fit(model, other, Fails(moment, error), optimizer=optimizer)
    fit(model, other, optimizer=optimizer)


def test_it_is_free_after_a_refusal():
    model, optimizer, other = net(), nn.SGD(0.1), nn.EarlyStopping(monitor="loss")
    for wrong in ({"epochs": 0}, {"validation": 2.0}, {"metrics": [3]}, {"resume": "nowhere"}):
        with pytest.raises((ValueError, TypeError, OSError)):
            fit(model, other, optimizer=optimizer, **wrong)
    fit(model, other, optimizer=optimizer)


def test_many_threads_at_once():
    """Each model is trained by one of them, and comes to what it comes to alone."""
    model = net()
    barrier, ends, entered = threading.Barrier(8), [], threading.Event()

    class Hold(nn.Callback):
        def on_epoch_end(self, state):
            entered.wait(10)

    def work():
        barrier.wait()
        try:
            fit(model, Hold())
            ends.append("trained")
        except ArgumentError:
            ends.append("refused")
        if ends.count("refused") == 7:
            entered.set()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ends) == ["refused"] * 7 + ["trained"]
    alone = net()
    fit(alone)
    np.testing.assert_array_equal(model.params.values, alone.params.values)


FORK = """
import os, threading
import nnlite as nn
from nnlite.training.in_use import InUse
thing = []
with InUse() as marks:
    marks.take("here", thing, "a list")
    child = os.fork()
    if not child:
        try:
            with InUse() as own:
                own.take("here", thing, "a list")
        except ValueError:
            os._exit(1)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(sys, "getdlopenflags"), reason="Windows does not fork")
def test_a_forked_process_is_another_one():
    run = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, check=True)
    assert run.stdout == "0\n", run.stderr


def test_two_of_one_kind():
    one, other = [], []
    with InUse() as marks:
        marks.take("here", one, "a list")
        marks.take("here", other, "a list")  # equal, and another one
