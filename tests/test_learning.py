"""Nets that learn what they should, from several seeds."""

import numpy as np
import pytest

import nnlite as nn


def learned_xor(seed):
    X, y = nn.datasets.xor()
    model = nn.Sequential([nn.Dense(2, 8), nn.Tanh(), nn.Dense(8, 1)], rng=seed)
    model.fit(X, y[:, None], loss=nn.MeanSquaredError(), optimizer=nn.SGD(0.1), epochs=1000, batch_size=4)
    return bool((np.abs(model.predict(X)[:, 0] - y) < 0.1).all())


def test_xor_is_learned_from_every_seed():
    assert [seed for seed in range(20) if not learned_xor(seed)] == []


def test_spirals():
    scores = []
    for seed in range(3):
        X, X_test, y, y_test = nn.train_test_split(
            *nn.datasets.spirals(1000, rng=seed), stratify=True, rng=seed
        )
        layers = [nn.Dense(2, 64), nn.Tanh(), nn.Dense(64, 64), nn.Tanh(), nn.Dense(64, 3)]
        model = nn.Sequential(layers, rng=seed)
        model.fit(X, y, loss=nn.SoftmaxCrossEntropy(), optimizer=nn.Adam(0.01), epochs=100)
        scores.append(model.evaluate(X_test, y_test, metrics=[nn.accuracy])["accuracy"])
    assert np.median(scores) >= 0.99


def digits_accuracy(seed):
    X, X_test, y, y_test = nn.train_test_split(*nn.datasets.digits(), stratify=True, rng=seed)
    layers = [nn.Dense(64, 128), nn.ReLU(), nn.Dropout(0.3), nn.Dense(128, 10)]
    model = nn.Sequential(layers, rng=seed)
    epochs = 50
    schedule = nn.OneCycle(0.005, steps=epochs * 45)
    model.fit(X / 16, y, loss=nn.SoftmaxCrossEntropy(), optimizer=nn.Adam(schedule), epochs=epochs)
    return model.evaluate(X_test / 16, y_test, metrics=[nn.accuracy])["accuracy"]


def test_digits():
    assert np.median([digits_accuracy(seed) for seed in range(5)]) >= 0.975


@pytest.mark.parametrize(
    ("optimizer", "epochs"),
    [
        (nn.SGD(0.3), 300),
        (nn.SGD(0.05, momentum=0.9, nesterov=True), 300),
        (nn.RMSProp(0.003), 300),
        (nn.Adagrad(0.1), 300),
        (nn.Adam(0.01), 300),
        (nn.AdamW(0.01), 300),
        (nn.Lion(0.002), 300),
        (nn.LBFGS(), 200),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_optimizer_fits_moons(optimizer, epochs):
    X, y = nn.datasets.moons(200, noise=0.1, rng=0)
    model = nn.Sequential([nn.Dense(2, 16), nn.Tanh(), nn.Dense(16, 1)], rng=0)
    model.fit(X, y, loss=nn.BinaryCrossEntropy(), optimizer=optimizer, epochs=epochs)
    assert model.evaluate(X, y, metrics=[nn.binary_accuracy])["binary_accuracy"] >= 0.98


def test_step_learns_nothing():
    X, y = nn.datasets.xor()
    model = nn.Sequential([nn.Dense(2, 8), nn.Step(), nn.Dense(8, 1)], rng=0)
    kept = model[0].W.copy()
    model.fit(X, y[:, None], loss=nn.MeanSquaredError(), optimizer=nn.SGD(0.1), epochs=10)
    np.testing.assert_array_equal(model[0].W, kept)


def test_quantiles_and_error_bars(rng):
    """The pinball loss finds a quantile, and the Gaussian one the spread of the noise."""
    X = rng.uniform(-1, 1, (2000, 1))
    y = 0.5 * rng.normal(size=(2000, 1))
    model = nn.Sequential([nn.Dense(1, 1)], rng=0, dtype=np.float64)
    model.fit(X, y, loss=nn.Quantile(0.9), optimizer=nn.Adam(0.01), epochs=30)
    assert np.mean(y < model.predict(X)) == pytest.approx(0.9, abs=0.02)
    model = nn.Sequential([nn.Dense(1, 2)], rng=0, dtype=np.float64)
    model.fit(X, y, loss=nn.GaussianNLL(), optimizer=nn.Adam(0.01), epochs=30)
    assert np.exp(model.predict(X)[:, 1] / 2).mean() == pytest.approx(y.std(), rel=0.05)
