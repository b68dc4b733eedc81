"""Going on from a checkpoint: what must be the same is compared, what may be another is not."""

import functools
import subprocess
import sys

import numpy as np
import pytest

import nnlite as nn
from nnlite.errors import ArgumentError
from nnlite.training.likeness import function_of, without_code

X = np.linspace(-1, 1, 24).reshape(12, 2)
Y = np.sin(3 * X[:, :1])


class Own(nn.Callback):
    """A callback of a user's, with arguments that it keeps in several ways."""

    may_change = frozenset({"free"})

    def __init__(self, factor=1.0, levels=(1, 2), rule=None, free=0, where="."):
        self.factor = factor
        self._levels = list(levels)
        self.rule = rule
        self.free = free
        self.log = []

    def on_epoch_end(self, state):
        self.log.append(state.epoch)
        self.factor *= 1.0


def train(path, *, resume=False, epochs=3, optimizer=None, metrics=(), callbacks=(), **options):
    model = nn.Sequential([nn.Dense(2, 4), nn.Tanh(), nn.Dense(4, 1)], rng=0)
    history = model.fit(
        X,
        Y,
        loss=nn.MeanSquaredError(),
        optimizer=optimizer or nn.SGD(0.1),
        epochs=epochs,
        metrics=metrics,
        callbacks=[nn.Checkpoint(path), *callbacks],
        resume=path if resume else None,
        **options,
    )
    return model, history


def stopping(**options):
    return nn.EarlyStopping(monitor="loss", **options)


def plateau(**options):
    return nn.ReduceOnPlateau(monitor="loss", **options)


def one(pred, target):
    return float(pred.mean())


def other(pred, target):
    return float(pred.std())


def times(factor):
    return lambda pred, target: factor * float(pred.mean())


def halving(step):
    return 0.1 * 0.5**step


CALLBACKS = {
    "factor": (
        plateau(factor=0.5),
        plateau(factor=0.1),
        "the same factor of ReduceOnPlateau in the arg",
    ),
    "min_rate": (plateau(min_rate=0.01), plateau(), "min_rate of ReduceOnPlateau"),
    "min_delta": (stopping(min_delta=0.1), stopping(), "min_delta of EarlyStopping"),
    "higher": (
        stopping(higher_is_better=False),
        stopping(higher_is_better=True),
        "higher_is_better of E",
    ),
    "own": (Own(1.0), Own(2.0), "factor of Own in the arguments of the callbacks"),
    "private": (Own(levels=(1, 2)), Own(levels=(1, 3)), "levels of Own"),
    "array": (Own(rule=np.arange(3)), Own(rule=np.arange(3)[::-1]), "rule of Own"),
    "function": (Own(rule=one), Own(rule=other), "rule of Own"),
    "lambda": (Own(rule=lambda x: x + 1), Own(rule=lambda x: x + 2), "rule of Own"),
    "method": (Own(rule="a".count), Own(rule="a".index), "rule of Own"),
}


@pytest.mark.parametrize("name", CALLBACKS)
def test_arguments_of_callbacks(tmp_path, name):
    first, second, said = CALLBACKS[name]
    train(tmp_path / "run", callbacks=[first])
    with pytest.raises(ArgumentError, match=rf"expected the same {said}" if "same" not in said else said):
        train(tmp_path / "run", epochs=4, callbacks=[second], resume=True)


def test_the_second_of_two_is_named(tmp_path):
    train(tmp_path / "run", callbacks=[Own(1.0), Own(2.0)])
    with pytest.raises(ArgumentError, match="factor of Own 2 in the arguments of the callbacks"):
        train(tmp_path / "run", epochs=4, callbacks=[Own(1.0), Own(3.0)], resume=True)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (stopping(patience=2), stopping(patience=20)),
        (plateau(patience=2), plateau(patience=20)),
        (nn.TimeLimit(1000), nn.TimeLimit(2000)),
        (Own(free=1), Own(free=2)),
        (Own(where="here"), Own(where="there")),
        (Own(rule=lambda x: x + 1), Own(rule=lambda x: x + 1)),
    ],
)
def test_what_may_be_another(tmp_path, first, second):
    train(tmp_path / "run", callbacks=[first])
    _, history = train(tmp_path / "run", epochs=4, callbacks=[second], resume=True)
    assert len(history) == 4


def test_the_same_objects_go_on(tmp_path):
    """As in a notebook, with callbacks that have been used."""
    callbacks = [Own(rule=one), stopping(patience=5), plateau()]
    train(tmp_path / "run", callbacks=callbacks, metrics={"m": times(2.0)})
    train(tmp_path / "run", epochs=5, callbacks=callbacks, metrics={"m": times(2.0)}, resume=True)


FUNCTIONS = {
    "another": (one, other),
    "another lambda": (lambda p, t: float(p.mean()), lambda p, t: float(p.std())),
    "another constant": (lambda p, t: 2 * float(p.mean()), lambda p, t: 3 * float(p.mean())),
    "another that was taken along": (times(2.0), times(3.0)),
    "another part": (functools.partial(lambda f, p, t: f, 1.0), functools.partial(lambda f, p, t: f, 2.0)),
    "another of nnlite": (nn.r2, nn.mean_absolute_error),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_metrics_of_the_same_name(tmp_path, name):
    first, second = FUNCTIONS[name]
    train(tmp_path / "run", metrics={"m": first})
    with pytest.raises(ArgumentError, match="expected the same m of the metrics"):
        train(tmp_path / "run", epochs=4, metrics={"m": second}, resume=True)
    train(tmp_path / "run", epochs=4, metrics={"m": first}, resume=True)


def test_schedules_and_orders(tmp_path):
    def later(step):
        return 0.1 * 0.5**step if step < 1000 else 1.0

    def order(rows):
        return np.arange(rows)

    train(tmp_path / "run", optimizer=nn.SGD(halving), shuffle=order)
    later.__module__, later.__qualname__ = halving.__module__, halving.__qualname__
    with pytest.raises(ArgumentError, match="learning_rate of the functions of the optimizer"):
        train(tmp_path / "run", optimizer=nn.SGD(later), shuffle=order, resume=True)
    with pytest.raises(ArgumentError, match="expected the same name of the function of shuffle"):
        train(tmp_path / "run", optimizer=nn.SGD(halving), shuffle=lambda n: np.arange(n)[::-1], resume=True)
    train(tmp_path / "run", optimizer=nn.SGD(halving), shuffle=order, epochs=4, resume=True)


PRINT = """
from nnlite.training.likeness import function_of
def f(x, *, kind={"a", "b", "c"}):
    '''Words.'''
    if x in {"one", "two", "three"}:
        return lambda y: x + y
print(function_of(f)["code"])
"""


def test_the_same_in_another_process_and_with_other_words():
    texts = [PRINT, PRINT, PRINT.replace("Words", "Others").replace("def f", "# A comment.\ndef f")]
    runs = [subprocess.run([sys.executable, "-c", text], capture_output=True, text=True) for text in texts]
    assert len({run.stdout for run in runs}) == 1, runs[0].stderr
    assert runs[0].stdout.startswith(sys.implementation.cache_tag)


def test_another_python_is_compared_by_names_only(tmp_path, monkeypatch):
    train(tmp_path / "run", metrics={"m": one})
    python = type("Other", (), {"cache_tag": "another-1"})
    monkeypatch.setattr("nnlite.training.identity.sys.implementation", python)
    train(tmp_path / "run", metrics={"m": one}, epochs=4, resume=True)
    with pytest.raises(ArgumentError, match="expected the same m of the metrics"):
        train(tmp_path / "run", metrics={"m": other}, epochs=5, resume=True)
    assert without_code(function_of(one)) == {"name": f"{__name__}.one", "with": [None, None]}


def test_what_stood_elsewhere_in_nnlite_is_the_same(tmp_path, monkeypatch):
    with monkeypatch.context() as before:
        before.setattr(nn.CosineDecay, "__module__", "nnlite.schedules")
        train(tmp_path / "run", callbacks=[Own(rule=nn.CosineDecay)])
    train(tmp_path / "run", callbacks=[Own(rule=nn.CosineDecay)], epochs=4, resume=True)
    with pytest.raises(ArgumentError, match=r"rule of Own .* 'nnlite\.CosineDecay', got 'nnlite\.WarmUp'"):
        train(tmp_path / "run", callbacks=[Own(rule=nn.WarmUp)], epochs=5, resume=True)


class TestPatience:
    """A training that patience has ended goes on if there is more of it."""

    def run(self, path, patience, **options):
        hook = stopping(patience=patience, min_delta=0.01)
        return train(path, epochs=60, optimizer=nn.SGD(0.05), callbacks=[hook], **options)

    @pytest.mark.parametrize("more", [3, 4, 10, 100])
    def test_it_comes_to_what_it_had_come_to_at_once(self, tmp_path, more):
        _, short = self.run(tmp_path / "run", 2)
        assert short.stop_reason == "no better loss for 2 epochs"
        model, history = self.run(tmp_path / "run", more, resume=True)
        expected, whole = self.run(tmp_path / "other", more)
        np.testing.assert_array_equal(model.params.values, expected.params.values)
        assert (history["loss"], history.stop_reason) == (whole["loss"], whole.stop_reason)
        assert history.best_epoch == whole.best_epoch
        assert len(history) > len(short)

    @pytest.mark.parametrize("patience", [1, 2])
    def test_without_more_it_returns_at_once(self, tmp_path, patience):
        model, short = self.run(tmp_path / "run", 2)
        again, history = self.run(tmp_path / "run", patience, resume=True)
        assert history.rows == short.rows
        assert history.stop_reason == short.stop_reason
        np.testing.assert_array_equal(model.params.values, again.params.values)
