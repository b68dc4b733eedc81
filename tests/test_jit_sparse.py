"""Sparse rows, trained on by compiled loops."""

from __future__ import annotations

import numpy as np
import pytest

import nnlite as nn
from nnlite.errors import DivergenceError
from tests.compiled import CLOSE, assert_same_numbers, assert_same_rows, train

pytest.importorskip("numba")
sparse = pytest.importorskip("scipy.sparse")


def data(kind=np.int32):
    rng = np.random.default_rng(0)
    X = np.where(rng.random((90, 30)) < 0.1, rng.normal(size=(90, 30)), 0)
    matrix = sparse.csr_array(X)
    matrix.indices, matrix.indptr = matrix.indices.astype(kind), matrix.indptr.astype(kind)
    return matrix, rng.integers(0, 3, 90)


@pytest.mark.parametrize("kind", [np.int32, np.int64])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("replicas", [None, 3, 12])
@pytest.mark.parametrize("bias", [True, False])
def test_one_step(kind, dtype, replicas, bias):
    X, y = data(kind)
    layers = [nn.Dense(30, 8, bias=bias), nn.ReLU(), nn.Dense(8, 3)]
    model = nn.Sequential(layers, rng=0, dtype=dtype, replicas=replicas)
    given = {"optimizer": nn.SGD(0.1), "loss": nn.SoftmaxCrossEntropy(), "batch_size": 90}
    mine, theirs = (train(model, X, y, jit=jit, **given) for jit in (True, False))
    assert mine[2].engine == "jit"
    assert_same_numbers(mine[:2], theirs[:2], CLOSE[np.dtype(dtype)])


def test_whole_trainings():
    X, y = data()
    model = nn.Sequential([nn.Dense(30, 8), nn.Tanh(), nn.Dense(8, 3)], rng=0, dtype=np.float64)
    given = {
        "optimizer": nn.Adam(0.01), "loss": nn.SoftmaxCrossEntropy(), "batch_size": 16, "epochs": 5,
        "validation": 0.2, "metrics": [nn.accuracy], "weight": np.linspace(0.5, 2, 90),
    }  # fmt: skip
    mine, theirs = (train(model, X, y, jit=jit, **given) for jit in (True, False))
    assert_same_numbers(mine[:2], theirs[:2], 1e-9)
    assert_same_rows(mine[2], theirs[2], 1e-9)


def test_a_divergence_names_the_batch():
    X, y = data()
    messages = []
    for jit in (True, False):
        model = nn.Sequential([nn.Dense(30, 8), nn.Dense(8, 1)], rng=0)
        with pytest.raises(DivergenceError) as error:
            model.fit(
                X,
                y.astype(float)[:, None],
                loss=nn.MeanSquaredError(),
                optimizer=nn.SGD(1e12),
                rng=0,
                jit=jit,
            )
        messages.append(str(error.value))
    assert messages[0] == messages[1]


def test_what_goes_through_numpy():
    X, y = data()
    given = {"optimizer": nn.SGD(0.1), "loss": nn.SoftmaxCrossEntropy()}
    model = nn.Sequential([nn.Dense(30, 3)], rng=0)
    assert train(model, X, y, jit=True, by_step=True, **given)[2].engine == "numpy: X is sparse"
