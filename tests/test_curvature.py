"""The largest eigenvalue of a Hessian, where it is known, and against the whole Hessian."""

from __future__ import annotations

import numpy as np
import pytest

import nnlite as nn
from nnlite.errors import ArgumentError, ArgumentTypeError, ShapeError
from nnlite.training import curvature
from nnlite.training.curvature import sharpness


def linear(features, rng, **options):
    return nn.Sequential([nn.Dense(features, 1, **options)], rng=rng)


@pytest.mark.parametrize("features", [1, 5, 60], ids=["one", "dense", "Lanczos"])
def test_least_squares(features, rng):
    X, y = rng.normal(size=(30, features)) * np.linspace(0.5, 3, features), rng.normal(size=(30, 1))
    rows = np.column_stack([X, np.ones(30)])
    found = sharpness(linear(features, 0), X, y, nn.MeanSquaredError())
    assert found.value == pytest.approx(np.linalg.eigvalsh(2 * rows.T @ rows / 30)[-1], rel=1e-5)
    assert 0 <= found.error < 1e-4 * found.value


def test_weights_of_rows_and_weight_decay(rng):
    X, y, weight = rng.normal(size=(30, 4)), rng.normal(size=(30, 1)), rng.integers(0, 4, 30)
    hessian = 2 * (X.T * weight) @ X / weight.sum() + 0.7 * np.eye(4)
    model = linear(4, 0, bias=False)
    found = sharpness(model, X, y, nn.MeanSquaredError(), weight=weight, weight_decay=0.7)
    assert found.value == pytest.approx(np.linalg.eigvalsh(hessian)[-1], rel=1e-5)


def test_weight_decay_does_not_act_on_biases():
    model = linear(1, 0)
    # The inputs are 0, so the Hessian is that of the bias, 2, and that of the decay, on the weight only.
    assert sharpness(model, [[0.0]], [[1.0]], nn.MeanSquaredError(), weight_decay=1.5).value == pytest.approx(
        2
    )
    assert sharpness(model, [[0.0]], [[1.0]], nn.MeanSquaredError(), weight_decay=3).value == pytest.approx(3)


@pytest.mark.parametrize("features", [3, 50])
def test_logistic_regression(features, rng):
    X, y = rng.normal(size=(40, features)), rng.integers(0, 2, 40)
    model = linear(features, 0, bias=False)
    p = 1 / (1 + np.exp(-X @ model[0].W.astype(float)))
    expected = np.linalg.eigvalsh((X * p * (1 - p)).T @ X / 40)[-1]
    assert sharpness(model, X, y, nn.BinaryCrossEntropy()).value == pytest.approx(expected, rel=1e-5)


def hessian_of_values(model, X, y, loss):
    """Make the Hessian from the loss alone, by second differences."""
    twin = model._in_float64()
    w, h = twin.params.values.copy(), 1e-4
    unit = np.eye(len(w)) * h

    def value(*moves):
        twin.params.values[...] = w + sum(moves)
        return twin.evaluate(X, y, loss=loss)["loss"]

    n = range(len(w))
    return np.array(
        [
            [
                (
                    value(unit[i], unit[j]) - value(unit[i], -unit[j])
                    - value(-unit[i], unit[j]) + value(-unit[i], -unit[j])
                ) / (4 * h * h)
                for j in n
            ]
            for i in n
        ]
    )  # fmt: skip


@pytest.mark.parametrize("dense", [0, 40], ids=["Lanczos", "dense"])
@pytest.mark.parametrize("activation", [nn.Tanh, nn.ReLU])
def test_small_nets_against_the_whole_hessian(activation, dense, rng, monkeypatch):
    monkeypatch.setattr(curvature, "DENSE", dense)
    X, y = rng.normal(size=(20, 2)), rng.integers(0, 3, 20)
    model = nn.Sequential([nn.Dense(2, 3), activation(), nn.Dense(3, 3)], rng=0)
    loss = nn.SoftmaxCrossEntropy()
    found = sharpness(model, X, y, loss)
    assert found.value == pytest.approx(
        np.linalg.eigvalsh(hessian_of_values(model, X, y, loss))[-1], rel=1e-4
    )
    assert found.error < 1e-4 * found.value


class Saddle(nn.Loss):
    """Curves down by 4 along every output but the last one, along which it curves up by 2."""

    def value_and_grad(self, pred, target, weight=None):
        factors = np.full(pred.shape[-1], -2.0)
        factors[-1] = 1.0
        return float((factors * pred**2).sum()), 2 * factors * pred


@pytest.mark.parametrize("outputs", [2, 50], ids=["dense", "Lanczos"])
def test_it_is_the_largest_and_not_the_largest_in_size(outputs):
    model = nn.Sequential([nn.Dense(1, outputs, bias=False)], rng=0)
    assert sharpness(model, [[1.0]], np.zeros((1, outputs)), Saddle()).value == pytest.approx(2)


def test_frozen_parameters_do_not_count(rng):
    X, y = rng.normal(size=(20, 3)), rng.normal(size=(20, 1))
    model = linear(3, 0)
    model[0].freeze("W")
    assert sharpness(model, X, y, nn.MeanSquaredError()).value == pytest.approx(2)  # that of the bias


def test_where_nothing_bends_it_is_zero(monkeypatch):
    monkeypatch.setattr(curvature, "DENSE", 0)
    found = sharpness(linear(3, 0, bias=False), np.zeros((2, 3)), np.ones((2, 1)), nn.MeanSquaredError())
    assert found == (0.0, 0.0)


def test_the_kinks_of_many_relus_do_no_harm():
    X, y = nn.datasets.digits()
    model = nn.Sequential([nn.Dense(64, 64), nn.ReLU(), nn.Dense(64, 10)], rng=0)
    found = sharpness(model, X / 16, y, nn.SoftmaxCrossEntropy())
    assert found.error < 1e-3 * found.value


def test_the_model_is_left_as_it_is_and_dropout_off(rng):
    X, y = rng.normal(size=(20, 3)), rng.normal(size=(20, 1))
    layers = [nn.Dense(3, 4), nn.Tanh(), nn.Dense(4, 1)]
    plain = nn.Sequential(layers, rng=0)
    model = nn.Sequential([nn.Dense(3, 4), nn.Tanh(), nn.Dropout(0.5), nn.Dense(4, 1)], rng=0)
    model.params.values[...] = plain.params.values
    before = model.params.values.copy(), model.params.grads.copy(), model.rng.bit_generator.state
    found = sharpness(model, X, y, nn.MeanSquaredError())
    assert found == sharpness(plain, X, y, nn.MeanSquaredError())
    assert found == sharpness(model, X, y, nn.MeanSquaredError())
    assert np.array_equal(model.params.values, before[0])
    assert np.array_equal(model.params.grads, before[1])
    assert model.rng.bit_generator.state == before[2]


def test_bad_input(monkeypatch):
    loss = nn.MeanSquaredError()
    model = linear(2, 0)
    replicas = nn.Sequential([nn.Dense(2, 1)], replicas=3, rng=0)
    frozen = linear(2, 0)
    frozen[0].freeze()
    with pytest.raises(ArgumentError, match=r"sharpness\(model\): expected one net, got 3 replicas"):
        sharpness(replicas, [[1, 2]], [[1.0]], loss)
    with pytest.raises(ArgumentError, match="expected a model with something to train, got none"):
        sharpness(frozen, [[1, 2]], [[1.0]], loss)
    with pytest.raises(
        ArgumentError, match=r"sharpness\(weight_decay=\): expected a finite number of at least 0"
    ):
        sharpness(model, [[1, 2]], [[1.0]], loss, weight_decay=-1)
    with pytest.raises(ShapeError, match=r"sharpness\(X\): expected shape \(batch, 2\)"):
        sharpness(model, [[1, 2, 3]], [[1.0]], loss)
    with pytest.raises(ArgumentTypeError, match="Write MeanSquaredError"):
        sharpness(model, [[1, 2]], [[1.0]], nn.MeanSquaredError)
    monkeypatch.setattr(curvature, "DENSE", 0)
    monkeypatch.setattr(curvature, "RESTARTS", 1)
    monkeypatch.setattr(curvature, "TOLERANCE", 1e-15)
    X = np.eye(60) + np.random.default_rng(0).normal(size=(60, 60))
    with pytest.raises(ArgumentError, match="sharpness: expected the largest eigenvalue within 1 restarts"):
        sharpness(linear(60, 0), X, np.zeros((60, 1)), loss)


@pytest.mark.nonfinite
def test_a_gradient_that_is_not_finite_is_refused(rng):
    X = rng.normal(size=(20, 1)) * 1e5
    model = nn.Sequential([nn.Dense(1, 8), nn.ReLU(), nn.Dense(8, 1)], rng=0)
    with pytest.raises(nn.errors.ArgumentError, match="sharpness: expected a finite gradient"):
        sharpness(model, X, rng.poisson(3, size=(20, 1)), nn.PoissonNLL())


def test_what_rounding_hides_is_in_the_error(rng):
    X = rng.normal(size=(20, 2))
    model = nn.Sequential([nn.Dense(2, 1)], rng=0)
    known = sharpness(model, X, np.zeros((20, 1)), nn.MeanSquaredError())
    unsure = sharpness(model, X, np.full((20, 1), 1e10), nn.MeanSquaredError())
    assert abs(unsure.value - known.value) <= unsure.error


def test_batch_norm_curves_as_in_training_and_keeps_its_statistics(rng):
    model = nn.Sequential([nn.Dense(2, 3), nn.BatchNorm(3), nn.Tanh(), nn.Dense(3, 1)], dtype=float, rng=0)
    X, y, loss = rng.normal(size=(20, 2)), rng.normal(size=(20, 1)), nn.MeanSquaredError()
    before = model.params.numbers.copy()
    found = sharpness(model, X, y, loss)
    assert (model.params.numbers == before).all()

    def gradient(values):
        model.params.numbers[...] = before
        model.params.values[...] = values
        model.loss_and_grad(X, y, loss)  # in training
        return model.params.grads.copy()

    start, step = before[: model.params.size], 1e-5
    hessian = [
        (gradient(start + step * u) - gradient(start - step * u)) / (2 * step) for u in np.eye(start.size)
    ]
    expected = np.linalg.eigvalsh((np.array(hessian) + np.array(hessian).T) / 2)[-1]
    assert found.value == pytest.approx(expected, rel=1e-4)
