"""The doctor's clinic: broken set-ups, each named by its code, and healthy ones in which it finds nothing."""

import copy
import time
import warnings
from itertools import pairwise

import numpy as np

import nnlite as nn
from nnlite.inspect import doctor


class SetUp:
    """What is given to `fit` and to the doctor, and how to train it first if that is needed."""

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

    def train(self):
        """Train it as it stands."""
        self.history = self.model.fit(
            self.X,
            self.y,
            loss=self.loss,
            optimizer=self.optimizer,
            epochs=self.epochs,
            validation=self.validation,
            **self.fit,
        )
        return self

    def examine(self):
        """Let the doctor look."""
        return doctor(
            self.model, self.X, self.y, self.loss, self.optimizer,
            validation=self.validation, history=self.history, batch_size=self.fit.get("batch_size"),
        )  # fmt: skip


def digits(seed, rows=800):
    """Return some digits, with pixels from 0 to 1."""
    X, y = nn.datasets.digits()
    chosen = np.random.default_rng(seed).permutation(len(X))[:rows]
    return X[chosen] / 16, y[chosen]


def iris(seed):
    """Return iris in random order."""
    X, y = nn.datasets.iris()
    order = np.random.default_rng(seed).permutation(len(X))
    return X[order], y[order]


def net(*widths, activation=nn.Tanh, first=(), last=(), **dense):
    """Make the layers of a net with one activation between all of its Dense layers."""
    layers = list(first)
    for inputs, outputs in pairwise(widths):
        layers += [nn.Dense(inputs, outputs, **dense), activation()]
    return [*layers[:-1], *last]


def normal(size):
    """Return an initializer of weights that are too large."""
    return lambda rng, shape: size * rng.standard_normal(shape)


# Broken: the data.


def one_column_in_thousands(seed):
    X, y = iris(seed)
    return SetUp(net(4, 16, 3), (X * [1000, 1, 1, 1], y), nn.SoftmaxCrossEntropy(), nn.Adam(0.01), seed=seed)


def pixels_divided_as_integers(seed):
    X, y = digits(seed)
    zeros = (16 * X).astype(int) // 17
    return SetUp(
        net(64, 32, 10, activation=nn.ReLU), (zeros, y), nn.SoftmaxCrossEntropy(), nn.Adam(0.003), seed=seed
    )


def a_missing_value(seed):
    X, y = iris(seed)
    X[7, 2] = np.nan
    return SetUp(net(4, 16, 3), (X, y), nn.SoftmaxCrossEntropy(), nn.Adam(0.01), seed=seed)


def labels_count_from_one(seed):
    X, y = iris(seed)
    return SetUp(
        net(4, 16, 3), (X - X.mean(axis=0), y + 1), nn.SoftmaxCrossEntropy(), nn.Adam(0.01), seed=seed
    )


def targets_in_hundreds(seed):
    X, y = nn.datasets.sine(200, rng=seed)
    return SetUp(net(1, 32, 1), (X, 300 + 100 * y), nn.MeanSquaredError(), nn.Adam(0.01), seed=seed)


def all_labels_the_same(seed):
    X, y = iris(seed)
    return SetUp(
        net(4, 16, 3), (X - X.mean(axis=0), y * 0), nn.SoftmaxCrossEntropy(), nn.Adam(0.01), seed=seed
    )


def labels_out_of_order(seed):
    X, y = iris(seed)
    X, y = np.round(np.repeat(X, 4, axis=0)), np.repeat(y, 4)
    shuffled = np.random.default_rng(seed).permutation(y)
    return SetUp(
        net(4, 16, 3, first=[nn.Standardize(4)]),
        (X, shuffled),
        nn.SoftmaxCrossEntropy(),
        nn.Adam(0.01),
        seed=seed,
    )


def validation_rows_from_training(seed):
    X, y = digits(seed)
    layers = net(64, 32, 10, activation=nn.ReLU)
    return SetUp(
        layers, (X, y), nn.SoftmaxCrossEntropy(), nn.Adam(0.003), seed=seed, validation=(X[:200], y[:200])
    )


def validation_not_scaled(seed):
    X, y = digits(seed)
    held_out = (16 * X[600:], y[600:])
    layers = net(64, 32, 10, activation=nn.ReLU)
    return SetUp(
        layers, (X[:600], y[:600]), nn.SoftmaxCrossEntropy(), nn.Adam(0.003), seed=seed, validation=held_out
    )


# Broken: the loss, the last layer and the start.


def softmax_twice(seed):
    layers = net(64, 32, 10, activation=nn.ReLU, last=[nn.Softmax()])
    return SetUp(layers, digits(seed), nn.SoftmaxCrossEntropy(), nn.Adam(0.003), seed=seed)


def squared_error_on_class_ids(seed):
    X, y = iris(seed)
    return SetUp(
        net(4, 16, 1, first=[nn.Standardize(4)]),
        (X, y[:, None]),
        nn.MeanSquaredError(),
        nn.Adam(0.01),
        seed=seed,
    )


def relu_before_negative_targets(seed):
    data = nn.datasets.sine(200, rng=seed)
    return SetUp(net(1, 32, 1, last=[nn.ReLU()]), data, nn.MeanSquaredError(), nn.Adam(0.01), seed=seed)


def relu_before_yes_or_no(seed):
    data = nn.datasets.moons(200, rng=seed)
    return SetUp(net(2, 16, 1, last=[nn.ReLU()]), data, nn.BinaryCrossEntropy(), nn.Adam(0.01), seed=seed)


def all_weights_zero(seed):
    layers = net(2, 16, 3, weight_initializer=nn.initializers.Zeros())
    return SetUp(layers, nn.datasets.spirals(rng=seed), nn.SoftmaxCrossEntropy(), nn.Adam(0.01), seed=seed)


class ForgetfulTanh(nn.Tanh):
    """A layer of one's own whose backward has lost the slope."""

    def backward(self, dy, ctx):
        """Give the blame on as it came."""
        return dy * 1


def own_layer_with_wrong_backward(seed):
    layers = net(2, 32, 32, 3, activation=ForgetfulTanh)
    return SetUp(layers, nn.datasets.spirals(rng=seed), nn.SoftmaxCrossEntropy(), nn.Adam(0.01), seed=seed)


def scores_too_sure_at_the_start(seed):
    layers = [*net(64, 32, activation=nn.ReLU), nn.ReLU()]
    layers.append(nn.Dense(32, 10, weight_initializer=normal(6.0)))
    return SetUp(layers, digits(seed), nn.SoftmaxCrossEntropy(), nn.Adam(0.003), seed=seed)


def everything_frozen(seed):
    set_up = SetUp(
        net(4, 16, 3, first=[nn.Standardize(4)]),
        iris(seed),
        nn.SoftmaxCrossEntropy(),
        nn.Adam(0.01),
        seed=seed,
    )
    for layer in set_up.model:
        layer.freeze()
    return set_up


def no_hidden_layer_for_xor(seed):
    X, y = nn.datasets.xor()
    return SetUp([nn.Dense(2, 1)], (X, y), nn.BinaryCrossEntropy(), nn.Adam(0.1), seed=seed, batch_size=4)


# Broken: units, gradients and the rate.


def ten_layers_of_sigmoids(seed):
    widths = [2, *[16] * 10, 3]
    layers = net(*widths, activation=nn.Sigmoid)
    return SetUp(layers, nn.datasets.spirals(rng=seed), nn.SoftmaxCrossEntropy(), nn.Adam(0.01), seed=seed)


def ten_layers_of_large_weights(seed):
    widths = [2, *[32] * 10, 3]
    layers = net(*widths, activation=nn.ReLU, weight_initializer=normal(1.0))
    return SetUp(layers, nn.datasets.spirals(rng=seed), nn.SoftmaxCrossEntropy(), nn.Adam(0.01), seed=seed)


def tanh_driven_to_its_ends(seed):
    layers = [nn.Dense(64, 32, weight_initializer=normal(20.0)), nn.Tanh(), nn.Dense(32, 10)]
    return SetUp(layers, digits(seed), nn.SoftmaxCrossEntropy(), nn.Adam(0.003), seed=seed)


def relu_switched_off(seed):
    off = nn.initializers.Constant(-5.0)
    layers = [nn.Dense(64, 32, bias_initializer=off), nn.ReLU(), nn.Dense(32, 10)]
    return SetUp(layers, digits(seed), nn.SoftmaxCrossEntropy(), nn.Adam(0.003), seed=seed)


def padding_read_as_words(seed):
    rng = np.random.default_rng(seed)
    rows = [rng.integers(1, 9, rng.integers(3, 13)) for _ in range(400)]
    y = np.array([[float(row[-1] > 4)] for row in rows])
    layers = [nn.Input((12,)), nn.TokenEmbedding(9, 8, padding=0), nn.GRU(8, 16), nn.Dense(16, 1)]
    return SetUp(layers, (nn.pad_sequences(rows), y), nn.BinaryCrossEntropy(), nn.Adam(0.01), seed=seed)


def rate_of_sgd_too_large(seed):
    data = nn.datasets.sine(200, rng=seed)
    return SetUp(net(1, 32, 1), data, nn.MeanSquaredError(), nn.SGD(0.5), seed=seed, batch_size=200)


def rate_of_adam_absurd_and_loss_finite(seed):
    layers = net(64, 32, 10, activation=nn.ReLU)
    return SetUp(layers, digits(seed), nn.SoftmaxCrossEntropy(), nn.Adam(1.0), seed=seed, epochs=5).train()


def rate_too_small(seed):
    layers = net(64, 32, 10, activation=nn.ReLU)
    return SetUp(layers, digits(seed), nn.SoftmaxCrossEntropy(), nn.SGD(0.0001), seed=seed)


# Broken: the result.


def loss_bounces(seed):
    data = nn.datasets.blobs(300, classes=5, noise=0.3, rng=seed)
    optimizer = nn.SGD(0.8, momentum=0.9)
    return SetUp(net(2, 32, 5), data, nn.SoftmaxCrossEntropy(), optimizer, seed=seed, epochs=40).train()


def learned_by_heart(seed):
    X, y = digits(seed)
    noisy = np.random.default_rng(seed).permuted(y[:60], axis=0)
    layers = net(64, 64, 10, activation=nn.ReLU)
    held_out = (X[600:], y[600:])
    return SetUp(
        layers,
        (X[:60], noisy),
        nn.SoftmaxCrossEntropy(),
        nn.Adam(0.003),
        seed=seed,
        epochs=80,
        validation=held_out,
    ).train()


def features_without_meaning(seed):
    rng = np.random.default_rng(seed)
    data = rng.normal(size=(2000, 5)), rng.normal(size=(2000, 1))
    return SetUp(net(5, 8, 1), data, nn.MeanSquaredError(), nn.Adam(0.001), seed=seed, epochs=5).train()


def stopped_too_early(seed):
    layers = net(64, 32, 10, activation=nn.ReLU)
    return SetUp(layers, digits(seed), nn.SoftmaxCrossEntropy(), nn.Adam(0.001), seed=seed, epochs=6).train()


def weight_decay_too_strong(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(400, 6))
    y = X @ rng.normal(size=(6, 2)) / 2
    optimizer = nn.AdamW(0.01, weight_decay=10)
    return SetUp(net(6, 32, 2), (X, y), nn.MeanSquaredError(), optimizer, seed=seed, epochs=40).train()


BROKEN = {
    one_column_in_thousands: "NN101",
    pixels_divided_as_integers: "NN102",
    a_missing_value: "NN103",
    labels_count_from_one: "NN104",
    targets_in_hundreds: "NN105",
    all_labels_the_same: "NN106",
    labels_out_of_order: "NN107",
    validation_rows_from_training: "NN108",
    validation_not_scaled: "NN110",
    softmax_twice: "NN201",
    squared_error_on_class_ids: "NN202",
    relu_before_negative_targets: "NN203",
    relu_before_yes_or_no: "NN204",
    scores_too_sure_at_the_start: "NN205",
    all_weights_zero: "NN206",
    own_layer_with_wrong_backward: "NN207",
    no_hidden_layer_for_xor: "NN208",
    padding_read_as_words: "NN216",
    everything_frozen: "NN209",
    rate_of_sgd_too_large: "NN301",
    rate_of_adam_absurd_and_loss_finite: "NN301",
    rate_too_small: "NN302",
    relu_switched_off: "NN303",
    tanh_driven_to_its_ends: "NN304",
    ten_layers_of_sigmoids: "NN305",
    ten_layers_of_large_weights: "NN306",
    learned_by_heart: "NN401",
    features_without_meaning: "NN402",
    weight_decay_too_strong: "NN403",
    stopped_too_early: "NN404",
    loss_bounces: "NN405",
}


# Healthy: examined before and after training.


def digits_relu(seed):
    X, y = digits(seed, 1797)
    parts = (X[:1400], y[:1400]), (X[1400:], y[1400:])
    layers = net(64, 64, 10, activation=nn.ReLU)
    return SetUp(
        layers, parts[0], nn.SoftmaxCrossEntropy(), nn.Adam(0.003), seed=seed, epochs=20, validation=parts[1]
    )


def digits_with_dropout(seed):
    X, y = digits(seed, 1797)
    parts = (X[:1400], y[:1400]), (X[1400:], y[1400:])
    layers = [nn.Dense(64, 128), nn.ReLU(), nn.Dropout(0.3), nn.Dense(128, 10)]
    return SetUp(
        layers, parts[0], nn.SoftmaxCrossEntropy(), nn.Adam(0.003), seed=seed, epochs=25, validation=parts[1]
    )


def iris_with_standardize(seed):
    layers = net(4, 16, 3, first=[nn.Standardize(4)])
    return SetUp(layers, iris(seed), nn.SoftmaxCrossEntropy(), nn.Adam(0.02), seed=seed, epochs=60)


def spirals_with_adam(seed):
    data = nn.datasets.spirals(500, rng=seed)
    return SetUp(net(2, 64, 64, 3), data, nn.SoftmaxCrossEntropy(), nn.Adam(0.01), seed=seed, epochs=80)


def moons_with_sgd(seed):
    data = nn.datasets.moons(400, rng=seed)
    return SetUp(net(2, 16, 2), data, nn.SoftmaxCrossEntropy(), nn.SGD(0.3), seed=seed, epochs=100)


def circles_yes_or_no(seed):
    data = nn.datasets.circles(400, rng=seed)
    return SetUp(
        net(2, 16, 1, activation=nn.ReLU), data, nn.BinaryCrossEntropy(), nn.Adam(0.02), seed=seed, epochs=50
    )


def sine_with_tanh(seed):
    data = nn.datasets.sine(300, rng=seed)
    return SetUp(net(1, 32, 1), data, nn.MeanSquaredError(), nn.Adam(0.01), seed=seed, epochs=100)


def xor_on_all_rows(seed):
    X, y = nn.datasets.xor()
    data = X, y[:, None].astype(float)
    return SetUp(net(2, 8, 1), data, nn.MeanSquaredError(), nn.SGD(0.2), seed=seed, epochs=3000, batch_size=4)


def digits_with_momentum(seed):
    optimizer = nn.SGD(0.05, momentum=0.9)
    layers = net(64, 32, 10, activation=nn.ReLU)
    return SetUp(layers, digits(seed, 1797), nn.SoftmaxCrossEntropy(), optimizer, seed=seed, epochs=20)


def two_outputs_at_once(seed):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, (500, 3))
    y = np.column_stack([np.sin(3 * X[:, 0]) * X[:, 1], X[:, 2] ** 2 - X[:, 0]]) + 0.05 * rng.normal(
        size=(500, 2)
    )
    return SetUp(net(3, 32, 32, 2), (X, y), nn.MeanSquaredError(), nn.Adam(0.005), seed=seed, epochs=60)


HEALTHY = (
    digits_relu,
    digits_with_dropout,
    iris_with_standardize,
    spirals_with_adam,
    moons_with_sgd,
    circles_yes_or_no,
    sine_with_tanh,
    xor_on_all_rows,
    digits_with_momentum,
    two_outputs_at_once,
)


def line(name, expected, diagnosis, seconds):
    """Print a line of the table."""
    first = diagnosis[0] if diagnosis.findings else None
    found = "nothing" if first is None else f"{first.severity} {first.code} {first.name}"
    print(f"{name.replace('_', ' '):45} {expected:8} {found:45} {seconds:5.2f} s")


def timed(examine):
    """Return what it says and how long it took."""
    begun = time.perf_counter()
    diagnosis = examine()
    return diagnosis, time.perf_counter() - begun


def main(seed=0):
    """Examine all of them."""
    print(f"{'set-up':45} {'expected':8} {'first finding':45} {'time':>7}")
    right = 0
    for build, code in BROKEN.items():
        diagnosis, seconds = timed(build(seed).examine)
        right += diagnosis.codes[:1] == (code,)
        line(build.__name__, code, diagnosis, seconds)
    print(f"{right} of {len(BROKEN)} named by the right code first\n")
    healthy = 0
    for build in HEALTHY:
        before = build(seed)
        for moment, set_up in (("before", before), ("after", copy.copy(before))):
            if moment == "after":
                set_up.train()
            diagnosis, seconds = timed(set_up.examine)
            healthy += diagnosis.healthy
            line(f"{build.__name__}, {moment}", "healthy", diagnosis, seconds)
    print(f"{healthy} of {2 * len(HEALTHY)} with nothing above a note")


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        main()
