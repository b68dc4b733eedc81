"""Healthy trainings, mostly on real data, in which the doctor is to find nothing above a note."""

import copy

import numpy as np

import nnlite as nn
from clinic_cases.common import (
    SetUp,
    cancer,
    cars,
    diabetes,
    digits,
    held_out,
    iris,
    linnerud,
    mnist,
    net,
    shuffled,
    tabular,
    wine,
)

HEALTHY = []

SOFTMAX, SIGMOID, SQUARED = nn.SoftmaxCrossEntropy(), nn.BinaryCrossEntropy(), nn.MeanSquaredError()


def healthy(build):
    """Note a training in which there is nothing to find."""
    HEALTHY.append(build)
    return build


def on(data, layers, loss, optimizer, seed, epochs, *, share=0.25, **fit):
    """Make a set-up with some of the rows held out."""
    train, held = held_out(data, seed, share)
    return SetUp(layers, train, loss, optimizer, seed=seed, epochs=epochs, validation=held, **fit)


# Classes.


@healthy
def digits_relu(seed):
    layers = net(64, 64, 10, activation=nn.ReLU)
    return on(digits(seed, 1797), layers, SOFTMAX, nn.Adam(0.003), seed, 20)


@healthy
def digits_with_dropout(seed):
    layers = [nn.Dense(64, 128), nn.ReLU(), nn.Dropout(0.3), nn.Dense(128, 10)]
    return on(digits(seed, 1797), layers, SOFTMAX, nn.Adam(0.003), seed, 25)


@healthy
def digits_with_momentum(seed):
    layers = net(64, 32, 10, activation=nn.ReLU)
    return on(digits(seed, 1797), layers, SOFTMAX, nn.SGD(0.05, momentum=0.9), seed, 20)


@healthy
def digits_in_large_batches(seed):
    layers = net(64, 64, 10, activation=nn.ReLU)
    return on(digits(seed, 1797), layers, SOFTMAX, nn.Adam(0.01), seed, 40, batch_size=256)


@healthy
def digits_with_weight_decay(seed):
    layers = net(64, 64, 32, 10, activation=nn.ReLU)
    return on(digits(seed, 1797), layers, SOFTMAX, nn.AdamW(0.003, weight_decay=0.01), seed, 25)


@healthy
def digits_stopped_early(seed):
    X, y = digits(seed, 1797)
    stop = nn.EarlyStopping(patience=5)
    layers = net(64, 64, 10, activation=nn.ReLU)
    return SetUp(
        layers, (X, y), SOFTMAX, nn.Adam(0.003), seed=seed, epochs=100, validation=0.2, callbacks=[stop]
    )


@healthy
def digits_whose_rate_falls_on_a_plateau(seed):
    X, y = digits(seed, 1797)
    lower = nn.ReduceOnPlateau(monitor="validation_loss", factor=0.3, patience=3)
    layers = net(64, 32, 10, activation=nn.ReLU)
    return SetUp(
        layers, (X, y), SOFTMAX, nn.Adam(0.01), seed=seed, epochs=30, validation=0.2, callbacks=[lower]
    )


@healthy
def digits_over_accumulated_batches(seed):
    layers = net(64, 64, 10, activation=nn.ReLU)
    return on(digits(seed, 1797), layers, SOFTMAX, nn.Adam(0.005), seed, 30, batch_size=16, accumulate=4)


@healthy
def digits_from_one_hot_rows(seed):
    X, y = digits(seed, 1797)
    layers = net(64, 32, 10, activation=nn.Tanh)
    return on((X, nn.one_hot(y, classes=10)), layers, SOFTMAX, nn.Adam(0.005), seed, 20)


@healthy
def digits_some_wrongly_labelled(seed):
    X, y = digits(seed, 1797)
    rng = np.random.default_rng(seed)
    y = np.where(rng.random(len(y)) < 0.1, rng.integers(0, 10, len(y)), y)
    layers = [nn.Dense(64, 32), nn.ReLU(), nn.Dropout(0.3), nn.Dense(32, 10)]
    return on((X, y), layers, SOFTMAX, nn.Adam(0.003), seed, 20)


@healthy
def digits_on_frozen_features(seed):
    """Take the layers of a net that knows the digits to 4 for those from 5 on."""
    X, y = digits(seed, 1797)
    encoder = nn.Sequential([nn.Dense(64, 64), nn.ReLU()])
    first = nn.Sequential([encoder, nn.Dense(64, 5)], rng=seed)
    first.fit(X[y < 5], y[y < 5], loss=SOFTMAX, optimizer=nn.Adam(0.003), epochs=15)
    part = copy.deepcopy(first[0])
    part.trainable = False
    X, y = X[y >= 5], y[y >= 5] - 5
    return on((X, y), [part, nn.Dense(64, 5)], SOFTMAX, nn.Adam(0.01), seed, 30)


@healthy
def iris_with_standardize(seed):
    return SetUp(
        tabular(4, 16, 3, activation=nn.Tanh), iris(seed), SOFTMAX, nn.Adam(0.02), seed=seed, epochs=60
    )


@healthy
def iris_one_row_at_a_time(seed):
    return on(iris(seed), tabular(4, 8, 3, activation=nn.Tanh), SOFTMAX, nn.SGD(0.02), seed, 30, batch_size=1)


@healthy
def iris_all_rows_at_a_time(seed):
    optimizer = nn.SGD(0.1, momentum=0.9)
    return on(iris(seed), tabular(4, 16, 3), SOFTMAX, optimizer, seed, 100, batch_size=200)


@healthy
def iris_without_hidden_layer(seed):
    return on(iris(seed), [nn.Standardize(4), nn.Dense(4, 3)], SOFTMAX, nn.Adam(0.05), seed, 60)


@healthy
def iris_with_sigmoids(seed):
    return on(iris(seed), tabular(4, 12, 3, activation=nn.Sigmoid), SOFTMAX, nn.Adam(0.03), seed, 80)


@healthy
def wine_with_momentum(seed):
    optimizer = nn.SGD(0.02, momentum=0.9)
    return on(wine(seed), tabular(13, 16, 3), SOFTMAX, optimizer, seed, 30)


@healthy
def wine_with_layer_norm(seed):
    layers = [
        *(nn.Standardize(13), nn.Dense(13, 32), nn.LayerNorm(32), nn.GELU()),
        *(nn.Dense(32, 32), nn.LayerNorm(32), nn.GELU(), nn.Dense(32, 3)),
    ]
    return on(wine(seed), layers, SOFTMAX, nn.AdamW(0.003), seed, 30)


@healthy
def wine_with_lbfgs(seed):
    return on(wine(seed), tabular(13, 8, 3, activation=nn.Tanh), SOFTMAX, nn.LBFGS(), seed, 15)


@healthy
def tumours_benign_or_not(seed):
    return on(cancer(seed), tabular(30, 16, 1), SIGMOID, nn.Adam(0.005), seed, 20)


@healthy
def tumours_with_balanced_classes(seed):
    layers = tabular(30, 16, 1)
    return on(cancer(seed), layers, SIGMOID, nn.Adam(0.005), seed, 20, class_weight="balanced")


@healthy
def tumours_with_batch_norm(seed):
    layers = [nn.BatchNorm(30), nn.Dense(30, 32), nn.BatchNorm(32), nn.ReLU(), nn.Dense(32, 1)]
    return on(cancer(seed), layers, SIGMOID, nn.Adam(0.005), seed, 20)


@healthy
def tumours_by_logistic_regression(seed):
    layers = [nn.Standardize(30), nn.Dense(30, 1)]
    return on(cancer(seed), layers, SIGMOID, nn.SGD(0.1, momentum=0.9), seed, 40)


@healthy
def tumours_by_a_margin(seed):
    X, y = cancer(seed)
    return on((X, 2 * y - 1), tabular(30, 16, 1), nn.Hinge(), nn.Adam(0.003), seed, 20)


@healthy
def tumours_by_squared_errors_of_a_sigmoid(seed):
    layers = tabular(30, 16, 1, last=[nn.Sigmoid()])
    return on(cancer(seed), layers, SQUARED, nn.Adam(0.01), seed, 30)


@healthy
def tumours_few_of_them_malignant(seed):
    X, y = cancer(seed)
    kept = np.concatenate([np.flatnonzero(y[:, 0] == 0)[:36], np.flatnonzero(y[:, 0] == 1)])
    return on(shuffled(X[kept], y[kept], seed), tabular(30, 16, 1), SIGMOID, nn.Adam(0.005), seed, 20)


@healthy
def three_questions_about_a_digit(seed):
    X, y = digits(seed, 1797)
    answers = np.column_stack([y % 2 == 0, y > 4, np.isin(y, (0, 6, 8, 9))]).astype(float)
    layers = net(64, 64, 3, activation=nn.ReLU)
    return on((X, answers), layers, SIGMOID, nn.Adam(0.003), seed, 25)


@healthy
def spirals_with_adam(seed):
    data = nn.datasets.spirals(500, rng=seed)
    return SetUp(net(2, 64, 64, 3), data, SOFTMAX, nn.Adam(0.01), seed=seed, epochs=80)


@healthy
def spirals_through_five_layers(seed):
    data = nn.datasets.spirals(600, rng=seed)
    return on(data, net(2, 32, 32, 32, 32, 3), SOFTMAX, nn.Adam(0.005), seed, 60)


@healthy
def spirals_past_the_layers(seed):
    data = nn.datasets.spirals(600, rng=seed)
    blocks = [nn.Residual([nn.BatchNorm(24), nn.Tanh(), nn.Dense(24, 24)]) for _ in range(4)]
    return on(
        data, [nn.Dense(2, 24), *blocks, nn.Dense(24, 3)], SOFTMAX, nn.Adam(0.003), seed, 60, batch_size=64
    )


@healthy
def moons_with_sgd(seed):
    data = nn.datasets.moons(400, rng=seed)
    return SetUp(net(2, 16, 2), data, SOFTMAX, nn.SGD(0.3), seed=seed, epochs=100)


@healthy
def circles_yes_or_no(seed):
    data = nn.datasets.circles(400, rng=seed)
    layers = net(2, 16, 1, activation=nn.ReLU)
    return SetUp(layers, data, SIGMOID, nn.Adam(0.02), seed=seed, epochs=50)


@healthy
def blobs_that_overlap(seed):
    data = nn.datasets.blobs(600, classes=4, noise=0.45, rng=seed)
    return on(data, net(2, 16, 4, activation=nn.ReLU), SOFTMAX, nn.Adam(0.01), seed, 30)


@healthy
def xor_on_all_rows(seed):
    X, y = nn.datasets.xor()
    data = X, y[:, None].astype(float)
    return SetUp(net(2, 8, 1), data, SQUARED, nn.SGD(0.2), seed=seed, epochs=3000, batch_size=4)


@healthy
def xor_with_four_neurons(seed):
    X, y = nn.datasets.xor()
    data = X, y[:, None].astype(float)
    return SetUp(net(2, 4, 1), data, SIGMOID, nn.Adam(0.05), seed=seed, epochs=400)


# Numbers.


@healthy
def sine_with_tanh(seed):
    data = nn.datasets.sine(300, rng=seed)
    return SetUp(net(1, 32, 1), data, SQUARED, nn.Adam(0.01), seed=seed, epochs=100)


@healthy
def sine_with_levenberg_marquardt(seed):
    data = nn.datasets.sine(300, rng=seed)
    return on(data, net(1, 10, 1), SQUARED, nn.LevenbergMarquardt(), seed, 20)


@healthy
def two_outputs_at_once(seed):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, (500, 3))
    y = np.column_stack([np.sin(3 * X[:, 0]) * X[:, 1], X[:, 2] ** 2 - X[:, 0]])
    y += 0.05 * rng.normal(size=(500, 2))
    return SetUp(net(3, 32, 32, 2), (X, y), SQUARED, nn.Adam(0.005), seed=seed, epochs=60)


@healthy
def patients_with_weight_decay(seed):
    stop = nn.EarlyStopping(patience=10)
    optimizer = nn.AdamW(0.003, weight_decay=0.05)
    return on(diabetes(seed), tabular(10, 16, 1), SQUARED, optimizer, seed, 100, callbacks=[stop])


@healthy
def patients_by_linear_regression(seed):
    return on(diabetes(seed), [nn.Standardize(10), nn.Dense(10, 1)], SQUARED, nn.SGD(0.01), seed, 40)


@healthy
def patients_and_outliers(seed):
    X, y = diabetes(seed)
    y[np.random.default_rng(seed).permutation(len(y))[:6]] += 6
    return on((X, y), tabular(10, 16, 1), nn.Huber(), nn.RMSProp(0.002), seed, 30)


@healthy
def the_worst_tenth_of_patients(seed):
    return on(diabetes(seed), tabular(10, 8, 1), nn.Quantile(0.9), nn.Adam(0.005), seed, 30)


@healthy
def patients_with_error_bars(seed):
    stop = nn.EarlyStopping(patience=5)
    return on(diabetes(seed), tabular(10, 8, 2), nn.GaussianNLL(), nn.Adam(0.005), seed, 50, callbacks=[stop])


@healthy
def cars_with_a_falling_rate(seed):
    return on(cars(seed), tabular(7, 32, 1), SQUARED, nn.Adam(nn.CosineDecay(0.01)), seed, 50)


@healthy
def cars_by_absolute_errors(seed):
    return on(cars(seed), tabular(7, 32, 1), nn.MeanAbsoluteError(), nn.Adam(0.005), seed, 50)


@healthy
def cars_counted_in_whole_miles(seed):
    from mlxtend.data import autompg_data

    X, y = autompg_data()
    data = shuffled(X[:, :7], np.rint(y)[:, None], seed)
    return on(data, tabular(7, 16, 1), nn.PoissonNLL(), nn.Adam(0.01), seed, 100)


@healthy
def cars_weighted_by_year(seed):
    X, y = cars(seed)
    weight = np.where(X[:, 5] > 75, 2.0, 1.0)
    return SetUp(
        tabular(7, 32, 1), (X, y), SQUARED, nn.Adam(0.01), seed=seed, epochs=40, validation=0.2, weight=weight
    )


@healthy
def cars_and_where_they_are_from(seed):
    X, y = cars(seed)
    origin = np.array(["", "America", "Europe", "Asia"])[X[:, 6].astype(int)]
    table = {"weight": X[:, 3], "horsepower": X[:, 2], "year": X[:, 5], "origin": origin}
    encoder = nn.TableEncoder().fit(table)
    layers = [encoder.layer(), nn.Dense(encoder.width, 32), nn.ReLU(), nn.Dense(32, 1)]
    model = nn.Sequential(layers, preprocessing=encoder, rng=seed)
    return SetUp(model, (table, y), SQUARED, nn.Adam(0.01), seed=seed, epochs=40, validation=0.2)


@healthy
def cars_wide_and_deep(seed):
    deep = nn.Sequential([nn.Dense(7, 32), nn.ReLU(), nn.Dense(32, 16), nn.ReLU()])
    wide = nn.Columns([3, 5], of=7)
    layers = [nn.Standardize(7), nn.Concatenate([wide, deep]), nn.Dense(18, 1)]
    return on(cars(seed), layers, SQUARED, nn.Adam(0.005), seed, 40)


@healthy
def twenty_men_in_the_gym(seed):
    return SetUp(
        [nn.Standardize(3), nn.Dense(3, 3)], linnerud(seed), SQUARED, nn.SGD(0.05), seed=seed, epochs=100
    )


# Images and sequences.


@healthy
def digits_by_convolution(seed):
    X, y = digits(seed, 1797)
    layers = [
        nn.Input((8, 8, 1)),
        *(nn.Conv2D(1, 8, 3, padding="same"), nn.ReLU(), nn.MaxPool2D(2)),
        *(nn.Conv2D(8, 16, 3), nn.ReLU(), nn.Flatten((2, 2, 16)), nn.Dense(64, 10)),
    ]
    return on((X.reshape(-1, 8, 8, 1), y), layers, SOFTMAX, nn.Adam(nn.OneCycle(0.01)), seed, 8)


@healthy
def digits_by_convolution_and_batch_norm(seed):
    X, y = digits(seed, 1797)
    layers = [
        nn.Input((8, 8, 1)),
        *(
            nn.Conv2D(1, 8, 3, padding="same", bias=False),
            nn.BatchNorm(8, ndim=3),
            nn.ReLU(),
            nn.MaxPool2D(2),
        ),
        *(nn.Conv2D(8, 16, 3, bias=False), nn.BatchNorm(16, ndim=3), nn.ReLU()),
        *(nn.GlobalAveragePool(), nn.Dense(16, 10)),
    ]
    return on((X.reshape(-1, 8, 8, 1), y), layers, SOFTMAX, nn.Adam(0.01), seed, 8)


@healthy
def mnist_by_convolution(seed):
    layers = [
        nn.Input((28, 28, 1)),
        *(nn.Conv2D(1, 6, 5, stride=2), nn.ReLU(), nn.MaxPool2D(2)),
        *(nn.Conv2D(6, 12, 3), nn.ReLU(), nn.Flatten((4, 4, 12)), nn.Dense(192, 10)),
    ]
    return on(mnist(seed, 1000), layers, SOFTMAX, nn.Adam(0.005), seed, 10)


@healthy
def digits_shifted_at_random(seed):
    X, y = digits(seed, 1797)
    layers = [
        nn.Input((8, 8, 1)),
        *(nn.Conv2D(1, 8, 3, padding="same"), nn.ReLU(), nn.MaxPool2D(2)),
        *(nn.Flatten((4, 4, 8)), nn.Dense(128, 10)),
    ]
    return on(
        (X.reshape(-1, 8, 8, 1), y), layers, SOFTMAX, nn.Adam(0.005), seed, 12, augment=nn.augment.Shift(1)
    )


@healthy
def digits_read_row_by_row(seed):
    X, y = digits(seed, 1797)
    layers = [nn.Input((8, 8)), nn.GRU(8, 32), nn.Dense(32, 10)]
    return on((X.reshape(-1, 8, 8), y), layers, SOFTMAX, nn.Adam(0.005, clip_norm=1.0), seed, 10)


@healthy
def digits_by_attention(seed):
    X, y = digits(seed, 1797)
    layers = [
        *(nn.Input((8, 8)), nn.TimeDistributed([nn.Dense(8, 24)]), nn.PositionEmbedding(8, 24)),
        *(nn.Residual([nn.LayerNorm(24, ndim=2), nn.SelfAttention(24, heads=2)]), nn.LayerNorm(24, ndim=2)),
        *(nn.GlobalAveragePool(1), nn.Dense(24, 10)),
    ]
    optimizer = nn.Adam(nn.WarmUp(nn.CosineDecay(0.01), epochs=1))
    return on((X.reshape(-1, 8, 8), y), layers, SOFTMAX, optimizer, seed, 12)


def waves(seed, rows=500):
    """Return a noisy wave."""
    time = np.arange(rows)
    return np.sin(2 * np.pi * time / 25) + np.random.default_rng(seed).normal(0, 0.15, rows)


@healthy
def the_next_number_of_a_wave(seed):
    X, y = nn.windows(waves(seed), 12)
    layers = [nn.Input((12, 1)), nn.LSTM(1, 12), nn.Dense(12, 1)]
    train, held = (X[:360], y[:360]), (X[372:], y[372:])  # with no number in both
    return SetUp(layers, train, SQUARED, nn.Adam(0.01, clip_norm=1.0), seed=seed, epochs=20, validation=held)


@healthy
def a_wave_by_convolution_in_order_of_time(seed):
    X, y = nn.windows(waves(seed), 16)
    layers = [
        nn.Input((16, 1)),
        *(nn.Conv1D(1, 8, 5), nn.ReLU(), nn.Flatten((12, 8)), nn.Dense(96, 1)),
    ]
    train, held = (X[:380], y[:380]), (X[380:], y[380:])
    return SetUp(layers, train, SQUARED, nn.Adam(0.005), seed=seed, epochs=30, validation=held, shuffle=False)


@healthy
def walks_of_different_lengths(seed):
    rng = np.random.default_rng(seed)
    walks = [rng.normal(size=(rng.integers(3, 13), 1)) for _ in range(800)]
    above = np.array([[float(walk.sum() > 0)] for walk in walks])
    layers = [nn.Input((12, 1)), nn.SimpleRNN(1, 12, padding=0.0), nn.Dense(12, 1)]
    data = nn.pad_sequences(walks, length=12), above
    return on(data, layers, SIGMOID, nn.Adam(0.01, clip_norm=1.0), seed, 12)


@healthy
def sentences_of_tokens(seed):
    """Tell whether a sentence has more of the first ten tokens than of the next ten."""
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 40, (900, 12))
    first, second = ((ten == X // 10).sum(axis=1) for ten in (0, 1))
    kept = first != second
    layers = [nn.Input((12,)), nn.TokenEmbedding(40, 8), nn.GlobalAveragePool(1), nn.Dense(8, 1)]
    data = X[kept], (first > second)[kept, None].astype(float)
    return on(data, layers, SIGMOID, nn.Adam(0.02), seed, 25)


# The input as the target, and several answers.


@healthy
def digits_squeezed_to_sixteen_numbers(seed):
    X, _ = digits(seed, 1797)
    layers = [nn.Dense(64, 16), nn.ReLU(), nn.Dense(16, 64)]
    return on((X, X), layers, SQUARED, nn.Adam(0.003), seed, 30)


@healthy
def digits_squeezed_and_grey_again(seed):
    X, _ = digits(seed, 1797)
    layers = [nn.Dense(64, 24), nn.ReLU(), nn.Dense(24, 64)]
    return on((X, X), layers, SIGMOID, nn.Adam(0.005), seed, 30)


@healthy
def digits_without_their_noise(seed):
    X, _ = digits(seed, 1797)
    noisy = X + np.random.default_rng(seed).normal(0, 0.15, X.shape)
    layers = [nn.Dense(64, 48), nn.ReLU(), nn.Dense(48, 64), nn.Sigmoid()]
    return on((noisy, X), layers, SQUARED, nn.Adam(0.005), seed, 30)


@healthy
def wine_squeezed_to_five_numbers(seed):
    X, _ = wine(seed)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    return on((X, X), net(13, 5, 13), SQUARED, nn.Adam(0.01), seed, 120)


@healthy
def width_and_species_of_iris(seed):
    flowers, species = iris(seed)
    tasks = {
        "width": nn.Task(nn.MeanSquaredError(), outputs=0, targets=0),
        "species": nn.Task(nn.SoftmaxCrossEntropy(), outputs=[1, 2, 3], targets=1, weight=0.5),
    }
    data = flowers[:, :3], np.column_stack([flowers[:, 3], species])
    layers = tabular(3, 16, 4, activation=nn.Tanh)
    return on(data, layers, nn.MultiTaskLoss(tasks), nn.Adam(0.01), seed, 60)


@healthy
def digit_and_how_dark_it_is(seed):
    X, y = digits(seed, 1797)
    dark = X.mean(axis=1)
    tasks = {
        "digit": nn.Task(nn.SoftmaxCrossEntropy(), outputs=list(range(10)), targets=0),
        "dark": nn.Task(nn.MeanSquaredError(), outputs=10, targets=1),
    }
    heads = nn.Concatenate([nn.Dense(32, 10), nn.Sequential([nn.Dense(32, 8), nn.Tanh(), nn.Dense(8, 1)])])
    data = X, np.column_stack([y, (dark - dark.mean()) / dark.std()])
    return on(data, [nn.Dense(64, 32), nn.ReLU(), heads], nn.MultiTaskLoss(tasks), nn.Adam(0.005), seed, 20)
