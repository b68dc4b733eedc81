"""Initializers: the variance, the limits and the distribution that the papers give."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import nnlite as nn
from nnlite.errors import ArgumentError, ArgumentTypeError, ShapeError
from nnlite.initializers import (
    Constant,
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    Initializer,
    LeCunNormal,
    LeCunUniform,
    Orthogonal,
    Zeros,
)

SHAPE = (300, 500)

# The initializer and the variance of a weight, from the equations in the papers.
VARIANCE = [
    (HeNormal(), 2 / 300),
    (HeUniform(), 2 / 300),
    (HeNormal(negative_slope=0.5), 2 / (1.25 * 300)),
    (HeUniform(negative_slope=0.5), 2 / (1.25 * 300)),
    (GlorotNormal(), 2 / 800),
    (GlorotUniform(), 2 / 800),
    (LeCunNormal(), 1 / 300),
    (LeCunUniform(), 1 / 300),
]
WEIGHTS = [*(initializer for initializer, _ in VARIANCE), Orthogonal()]
ALL = [*WEIGHTS, Constant(0.5), Zeros()]


@pytest.mark.parametrize(("initializer", "variance"), VARIANCE, ids=lambda value: repr(value))
def test_mean_and_variance_are_those_of_the_paper(initializer, variance, rng):
    W = initializer(rng, SHAPE)
    # 150,000 draws: the relative standard error of the variance is 0.4 % at most.
    assert W.var() == pytest.approx(variance, rel=0.02)
    assert abs(W.mean()) < 5 * np.sqrt(variance / W.size)


@pytest.mark.parametrize(("initializer", "variance"), VARIANCE, ids=lambda value: repr(value))
def test_the_places_of_a_window_count_in_both_fans(initializer, variance, rng):
    W = initializer(rng, (2, 3, SHAPE[0] // 6, SHAPE[1] // 6))
    assert W.var() == pytest.approx(variance, rel=0.04)


def test_orthogonal_takes_a_window_as_more_inputs(rng):
    W = Orthogonal()(rng, (2, 3, 4, 5))
    assert W.shape == (2, 3, 4, 5)
    np.testing.assert_allclose(W.reshape(24, 5).T @ W.reshape(24, 5), np.eye(5), atol=1e-12)


@pytest.mark.parametrize(
    ("initializer", "limit"),
    [
        (HeUniform(), np.sqrt(6 / 300)),
        (HeUniform(negative_slope=1.0), np.sqrt(3 / 300)),
        (GlorotUniform(), np.sqrt(6 / 800)),
        (LeCunUniform(), np.sqrt(3 / 300)),
    ],
    ids=repr,
)
def test_uniform_weights_fill_their_interval(initializer, limit, rng):
    W = initializer(rng, SHAPE)
    assert abs(W).max() <= limit
    assert W.max() > 0.999 * limit
    assert W.min() < -0.999 * limit


@pytest.mark.parametrize("initializer", [HeNormal(), GlorotNormal(), LeCunNormal()], ids=repr)
def test_normal_weights_are_not_truncated(initializer, rng):
    W = initializer(rng, SHAPE)
    beyond = np.mean(abs(W) > 2 * W.std())
    assert beyond == pytest.approx(0.0455, abs=0.003)  # two-sided tail of the normal distribution


@pytest.mark.parametrize("shape", [(40, 40), (60, 20), (20, 60), (1, 5), (5, 1)])
def test_orthogonal_rows_or_columns_are_orthonormal(shape, rng):
    W = Orthogonal(gain=2.0)(rng, shape)
    assert W.shape == shape
    assert W.flags.c_contiguous
    small = W.T @ W if shape[0] >= shape[1] else W @ W.T
    np.testing.assert_allclose(small, 4.0 * np.eye(min(shape)), atol=1e-12)


def test_orthogonal_matrices_are_uniformly_distributed(rng):
    # Under the Haar measure every entry is symmetric around zero, and the trace of a 3 by 3
    # matrix has the mean 0 and the variance 1. QR without the correction of signs gives a
    # diagonal of mostly one sign.
    matrices = np.array([Orthogonal()(rng, (3, 3)) for _ in range(2000)])
    traces = np.trace(matrices, axis1=1, axis2=2)
    assert abs(traces.mean()) < 5 / np.sqrt(2000)
    assert traces.var() == pytest.approx(1.0, abs=0.2)
    assert np.mean(np.linalg.det(matrices) > 0) == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize("initializer", ALL, ids=repr)
def test_same_seed_same_weights_in_float64(initializer):
    first = initializer(np.random.default_rng(7), (4, 6))
    again = initializer(np.random.default_rng(7), (4, 6))
    assert first.dtype == np.float64
    assert first.shape == (4, 6)
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("initializer", WEIGHTS, ids=repr)
def test_another_seed_gives_other_weights(initializer):
    first = initializer(np.random.default_rng(1), (4, 6))
    assert not np.array_equal(first, initializer(np.random.default_rng(2), (4, 6)))


@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_constant_and_zeros_take_any_shape(shape, rng):
    np.testing.assert_array_equal(Constant(-1.5)(rng, shape), np.full(shape, -1.5))
    np.testing.assert_array_equal(Zeros()(rng, shape), np.zeros(shape))


@pytest.mark.parametrize("initializer", WEIGHTS, ids=repr)
@pytest.mark.parametrize("shape", [(), (3,), (0, 3), (3, 0), (0, 3, 4)])
def test_weights_need_two_axes(initializer, shape, rng):
    with pytest.raises(
        ShapeError, match=r"expected a weight shape .*Zeros\(\) or Constant\(value\)"
    ) as error:
        initializer(rng, shape)
    assert error.value.where == type(initializer).__name__


@pytest.mark.parametrize(
    ("make", "kind", "where"),
    [
        (lambda: HeNormal(negative_slope=np.nan), ArgumentError, r"HeNormal\(negative_slope=\)"),
        (lambda: HeUniform("0.1"), ArgumentTypeError, r"HeUniform\(negative_slope=\)"),
        (lambda: Orthogonal(gain=0.0), ArgumentError, r"Orthogonal\(gain=\)"),
        (lambda: Orthogonal(gain=-1), ArgumentError, r"Orthogonal\(gain=\)"),
        (lambda: Constant(np.inf), ArgumentError, r"Constant\(value=\)"),
        (lambda: Constant(None), ArgumentTypeError, r"Constant\(value=\)"),
    ],
)
def test_settings_are_checked(make, kind, where):
    with pytest.raises(kind, match=where):
        make()


def test_settings_become_python_floats():
    assert type(HeNormal(np.float32(0.25)).negative_slope) is float
    assert type(Orthogonal(np.int64(2)).gain) is float
    assert type(Constant(1).value) is float


@pytest.mark.parametrize("initializer", ALL, ids=repr)
def test_initializers_are_values(initializer):
    assert isinstance(initializer, Initializer)
    for other in (copy.deepcopy(initializer), pickle.loads(pickle.dumps(initializer))):
        assert other == initializer
        assert hash(other) == hash(initializer)
        assert repr(other) == repr(initializer)
    for field in initializer.config():
        with pytest.raises(ArgumentError):
            setattr(initializer, field, 3.0)


def test_kinds_and_settings_tell_initializers_apart():
    assert len(set(ALL)) == len(ALL)
    assert HeNormal() != LeCunNormal()
    assert repr(HeNormal(0.1)) == "HeNormal(negative_slope=0.1)"


def start_of(*layers, index=-1):
    return nn.Sequential([nn.Dense(400, 500, weight_initializer=Zeros()), nn.ReLU(), *layers], rng=0)[index].W


@pytest.mark.parametrize("behind", [[], [nn.Dropout(0.5)], [nn.Standardize(300)]], ids=repr)
def test_the_last_layer_starts_with_a_tenth_of_hes_variance(behind):
    W = start_of(nn.Dense(500, 300), *behind, index=2)
    assert W.var() == pytest.approx(0.2 / 500, rel=0.02)
    assert np.abs(W).max() > 4 * W.std()  # normal, not uniform
    layers = [nn.Dense(500, 300), *(layer.__class__(**layer.config()) for layer in behind)]
    alone = nn.Sequential(layers, replicas=2, rng=[3, 4])
    assert alone[0].W.var(axis=(1, 2)) == pytest.approx(0.2 / 500, rel=0.02)
    before = alone[0].W.copy()
    alone.initialize(rng=[5, 4])
    assert not np.array_equal(alone[0].W[0], before[0])
    np.testing.assert_array_equal(alone[0].W[1], before[1])


@pytest.mark.parametrize("end", [nn.Sigmoid(), nn.Softmax(), nn.Tanh()], ids=repr)
def test_what_feeds_an_activation_at_the_end_starts_as_that_asks(end):
    assert start_of(nn.Dense(500, 300), end, index=2).var() == pytest.approx(2 / 800, rel=0.02)
    assert start_of(nn.Dense(500, 300), nn.ReLU(), index=2).var() == pytest.approx(2 / 500, rel=0.02)


def test_only_the_last_starts_small_and_only_if_it_names_no_start():
    model = nn.Sequential([nn.Dense(400, 500), nn.Dense(500, 300), nn.ReLU(), nn.Dense(300, 400)], rng=0)
    assert model[0].W.var() == pytest.approx(2 / 900, rel=0.02)  # no activation, but more to learn
    assert model[1].W.var() == pytest.approx(2 / 500, rel=0.02)
    assert model[3].W.var() == pytest.approx(0.2 / 300, rel=0.02)
    assert start_of(nn.Dense(500, 300, weight_initializer=HeNormal())).var() == pytest.approx(
        2 / 500, rel=0.02
    )
    layer = nn.Dense(500, 300)
    read = layer.W.copy()
    np.testing.assert_array_equal(start_of(layer), read)
