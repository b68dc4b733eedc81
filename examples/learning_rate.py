"""Is the suggested learning rate a good one? Beside the best of 25 rates, on 14 kinds of nets and data."""

from itertools import pairwise

import numpy as np

import nnlite as nn
from nnlite.inspect import find_learning_rate

SEEDS = 2
RATES = np.geomspace(1e-5, 10, 25)


def net(*sizes, activation=nn.Tanh, first=()):
    layers = [*first]
    for inputs, outputs in pairwise(sizes[:-1]):
        layers += [nn.Dense(inputs, outputs), activation()]
    return [*layers, nn.Dense(*sizes[-2:])]


def problems():
    """Give a name, a function that makes the layers, data, loss, optimizer and epochs."""
    squared, classes, yes_no = nn.MeanSquaredError(), nn.SoftmaxCrossEntropy(), nn.BinaryCrossEntropy()
    X, y = nn.datasets.xor()  # 4 rows: all in one batch
    yield "XOR, SGD", lambda: net(2, 8, 1), X, y[:, None] * 1.0, squared, nn.SGD(), 300
    yield "XOR, momentum", lambda: net(2, 4, 1), X, y[:, None], yes_no, nn.SGD(momentum=0.9), 200
    X, y = nn.datasets.sine(200, rng=0)
    yield "sine, SGD", lambda: net(1, 32, 1), X, y, squared, nn.SGD(), 60
    yield "sine, Adam", lambda: net(1, 32, 1), X, y, squared, nn.Adam(), 60
    deep = {"activation": nn.ReLU}
    yield "sine, deep, RMSProp", lambda: net(1, 32, 32, 32, 1, **deep), X, y, squared, nn.RMSProp(), 60
    yield "sine, error bars, Adam", lambda: net(1, 32, 2), X, y, nn.GaussianNLL(), nn.Adam(), 60
    X, y = nn.datasets.moons(300, rng=0)
    yield "moons, SGD", lambda: net(2, 16, 1), X, y[:, None], yes_no, nn.SGD(), 40
    yield "moons, momentum", lambda: net(2, 16, 1), X, y[:, None], yes_no, nn.SGD(momentum=0.9), 40
    yield "20 moons, SGD", lambda: net(2, 16, 1), X[:20], y[:20, None], yes_no, nn.SGD(), 100
    X, y = nn.datasets.spirals(600, rng=0)
    yield "spirals, Adam", lambda: net(2, 32, 32, 3), X, y, classes, nn.Adam(), 40
    X, y = nn.datasets.iris()
    yield "iris, SGD", lambda: net(4, 16, 3, first=[nn.Standardize(4)]), X, y, classes, nn.SGD(), 40
    yield "iris in centimetres, SGD", lambda: net(4, 16, 3), X, y, classes, nn.SGD(), 40
    X, y = nn.datasets.digits()
    yield "digits, Adam", lambda: net(64, 32, 10, **deep), X / 16, y, classes, nn.Adam(), 8
    yield "digits from 0 to 16, SGD", lambda: net(64, 32, 10, **deep), X, y, classes, nn.SGD(), 8


print("Loss after training: with the best of 25 rates, and with the suggested one.")
print("Way: the part of the way down that it goes; 100% is where the best rate goes.\n")
print(f"{'problem':25} {'best rate':>9} {'loss':>8} {'suggested':>9} {'loss':>8} {'way':>5}")
ways = []
for name, layers, X, y, loss, optimizer, epochs in problems():
    result = nn.sweep(
        nn.Sequential(layers()),
        X,
        y,
        learning_rate=RATES,
        seeds=SEEDS,
        loss=loss,
        optimizer=optimizer,
        epochs=epochs,
    )
    best = result.rows[result.best_index]
    for seed in range(SEEDS):
        model = nn.Sequential(layers(), rng=seed)
        found = find_learning_rate(model, X, y, loss, optimizer)
        optimizer.learning_rate = found.rate
        history = model.fit(X, y, loss=loss, optimizer=optimizer, epochs=epochs)
        optimizer.reset()
        bottom, reached = best["loss"], history["loss"][-1]
        ways.append((found.start - reached) / (found.start - bottom))
        print(
            f"{name:25} {best['learning_rate']:9.2g} {bottom:8.4f} "
            f"{found.rate:9.2g} {reached:8.4f} {ways[-1]:5.0%}",
            flush=True,
        )
print(f"\nway: median {np.median(ways):.1%}, worst {min(ways):.1%}")
