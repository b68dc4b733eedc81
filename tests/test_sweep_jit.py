"""Sweeps with ``jit=True``: the same table, in this process and in others; numba is looked for once."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import nnlite as nn
from nnlite.errors import ArgumentTypeError
from nnlite.sweeps import run

pytest.importorskip("numba")

RATES = [0.003, 0.1, 30.0]
OPTIONS = {"learning_rate": RATES, "seeds": 2, "epochs": 40, "batch_size": 16}


def data():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 4))
    return X, X[:, :1] * X[:, 1:2] + X[:, 2:3]


def net():
    return nn.Sequential([nn.Dense(4, 9), nn.Tanh(), nn.Dense(9, 1)], dtype=np.float64)


def assert_close(found, expected):
    assert found.labels == expected.labels
    assert found.best_rate == expected.best_rate
    for row, other in zip(found.rows, expected.rows, strict=True):
        assert row["diverged"] == other["diverged"]
        if row["loss"] is not None and row["label"] != "diverges":
            assert row["loss"] == pytest.approx(other["loss"], rel=1e-6)


def test_the_same_table_comes_of_it():
    expected = nn.sweep(net(), *data(), **OPTIONS)
    found = nn.sweep(net(), *data(), **OPTIONS, jit=True)
    assert expected.labels[1] == "learns"
    assert expected.history.engine == "numpy"
    assert found.history.engine == "jit"
    assert_close(found, expected)


def test_several_fits_are_one(monkeypatch):
    expected = nn.sweep(net(), *data(), **OPTIONS, jit=True)
    monkeypatch.setattr(run, "LARGEST_FIT", 1)
    found = nn.sweep(net(), *data(), **OPTIONS, jit=True)
    assert found.history.engine == "jit"
    assert_close(found, expected)


def test_what_runs_through_numpy_is_said():
    class Look(nn.Callback):
        def on_batch_end(self, state):
            """See each batch."""

    found = nn.sweep(net(), *data(), **OPTIONS | {"epochs": 3}, jit=True, callbacks=[Look()])
    assert found.history.engine == "jit by the step: Look looks at each batch"


@pytest.mark.engines
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
class TestInOtherProcesses:
    """All engines hand it on, and one result comes of them all."""

    def test_the_same_bits_from_each_engine(self, engine):
        pytest.importorskip("cloudpickle")
        pytest.importorskip("threadpoolctl")
        expected = nn.sweep(net(), *data(), **OPTIONS, jit=True)
        found = nn.sweep(net(), *data(), **OPTIONS, jit=True, backend=engine, workers=2)
        assert found.history.engine == "jit"
        assert_close(found, expected)
        again = nn.sweep(net(), *data(), **OPTIONS, jit=True, backend=engine, workers=1)
        assert found.model.params.values.tobytes() == again.model.params.values.tobytes()


@pytest.mark.parametrize("backend", [None, "loky"])
def test_without_numba_nothing_begins(monkeypatch, backend):
    if backend:
        pytest.importorskip("joblib")
        pytest.importorskip("threadpoolctl")
    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.setattr("nnlite.jit._is_there", False)  # as other tests may have found it
    for name in ("train", "spread", "like"):
        monkeypatch.setattr(run, name, None)  # would fail if it were called
    with pytest.raises(
        ModuleNotFoundError, match=r"^sweep\(jit=True\): expected numba .*pip install"
    ) as found:
        nn.sweep(net(), *data(), **OPTIONS, jit=True, backend=backend)
    assert found.value.name == "numba"
    with pytest.raises(ArgumentTypeError, match=r"^sweep\(jit=\): expected True or False, got 'yes'"):
        nn.sweep(net(), *data(), **OPTIONS, jit="yes", backend=backend)
