"""Broken on purpose: set-ups, the code that each must be named by first, and what its fix must say."""

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
    net,
    normal,
    shuffled,
    tabular,
    wine,
)

#: From each set-up to its code and a pattern that is in the fix of the first finding.
BROKEN = {}

SOFTMAX, SIGMOID, SQUARED = nn.SoftmaxCrossEntropy(), nn.BinaryCrossEntropy(), nn.MeanSquaredError()


def broken(code, fix):
    """Note what the doctor must say of a set-up."""

    def note(build):
        BROKEN[build] = code, fix
        return build

    return note


# The data.


@broken("NN101", r"Standardize\(4\)")
def one_column_in_thousands(seed):
    X, y = iris(seed)
    return SetUp(net(4, 16, 3), (X * [1000, 1, 1, 1], y), SOFTMAX, nn.Adam(0.01), seed=seed)


@broken("NN101", r"Standardize\(13\)")
def wines_as_they_come(seed):
    layers = net(13, 32, 3, activation=nn.ReLU)
    return SetUp(layers, wine(seed), SOFTMAX, nn.SGD(0.01), seed=seed, epochs=20)


@broken("NN102", "integer division")
def pixels_divided_as_integers(seed):
    X, y = digits(seed)
    zeros = (16 * X).astype(int) // 17
    layers = net(64, 32, 10, activation=nn.ReLU)
    return SetUp(layers, (zeros, y), SOFTMAX, nn.Adam(0.003), seed=seed)


@broken("NN103", "Drop|Fill|fill|Replace|missing")
def a_missing_value(seed):
    X, y = iris(seed)
    X[7, 2] = np.nan
    return SetUp(net(4, 16, 3), (X, y), SOFTMAX, nn.Adam(0.01), seed=seed)


@broken("NN104", r"y - 1")
def labels_count_from_one(seed):
    X, y = iris(seed)
    return SetUp(tabular(4, 16, 3), (X, y + 1), SOFTMAX, nn.Adam(0.01), seed=seed)


@broken("NN104", "255|return_inverse")
def labels_divided_with_the_pixels(seed):
    X, y = digits(seed)
    layers = net(64, 32, 10, activation=nn.ReLU)
    return SetUp(layers, (X, y / 255), SOFTMAX, nn.Adam(0.003), seed=seed)


@broken("NN105", r"std\(")
def targets_in_hundreds(seed):
    X, y = nn.datasets.sine(200, rng=seed)
    return SetUp(net(1, 32, 1), (X, 300 + 100 * y), SQUARED, nn.Adam(0.01), seed=seed)


@broken("NN105", r"std\(")
def prices_in_millions(seed):
    X, y = diabetes(seed)
    y = 2e6 + 4e5 * y
    return SetUp(tabular(10, 32, 1), (X, y), SQUARED, nn.Adam(0.001), seed=seed, epochs=30).train()


@broken("NN106", "how y was made")
def all_labels_the_same(seed):
    X, y = iris(seed)
    return SetUp(tabular(4, 16, 3), (X, y * 0), SOFTMAX, nn.Adam(0.01), seed=seed)


@broken("NN107", "these rows")
def two_who_labelled_the_same_rows_disagree(seed):
    X, y = nn.datasets.moons(200, rng=seed)
    other = np.where(np.random.default_rng(seed).random(200) < 0.4, 1 - y, y)
    data = np.concatenate([X, X]), np.concatenate([y, other])
    return SetUp(net(2, 16, 2), data, SOFTMAX, nn.Adam(0.01), seed=seed, epochs=60).train()


@broken("NN108", "[Ss]plit|other rows")
def validation_rows_from_training(seed):
    X, y = digits(seed)
    layers = net(64, 32, 10, activation=nn.ReLU)
    return SetUp(layers, (X, y), SOFTMAX, nn.Adam(0.003), seed=seed, validation=(X[:200], y[:200]))


@broken("NN108", "[Ss]plit")
def rare_rows_repeated_before_the_split(seed):
    X, y = cancer(seed)
    rare = np.flatnonzero(y[:, 0] == 0)[:20]
    often = np.flatnonzero(y[:, 0] == 1)
    repeated = np.concatenate([often, np.random.default_rng(seed).choice(rare, 340)])
    train, held = held_out(shuffled(X[repeated], y[repeated], seed), seed)
    return SetUp(
        tabular(30, 16, 1), train, SIGMOID, nn.Adam(0.01), seed=seed, epochs=20, validation=held
    ).train()


@broken("NN108", "[Ss]plit")
def every_row_twice_before_the_split(seed):
    X, y = diabetes(seed)
    train, held = held_out(shuffled(np.repeat(X, 3, axis=0), np.repeat(y, 3, axis=0), seed), seed)
    return SetUp(
        tabular(10, 32, 1), train, SQUARED, nn.Adam(0.01), seed=seed, epochs=40, validation=held
    ).train()


@broken("NN109", r"class_weight=\"balanced\"")
def three_rows_of_a_class_against_three_thousand(seed):
    rng = np.random.default_rng(seed)
    y = np.zeros((3003, 1))
    y[rng.permutation(3003)[:3]] = 1
    X = rng.normal(size=(3003, 5))
    X[:, :2] += 2 * y
    return SetUp(
        net(5, 16, 1, activation=nn.ReLU), (X, y), SIGMOID, nn.Adam(0.001), seed=seed, epochs=20
    ).train()


@broken("NN109", r"class_weight=\"balanced\"")
def a_rare_one_of_three_classes_never_said(seed):
    X, y = nn.datasets.blobs(6000, classes=3, noise=0.5, rng=seed)
    kept = np.ones(6000, bool)
    kept[np.flatnonzero(y == 2)[4:]] = False
    return SetUp(net(2, 16, 3), (X[kept], y[kept]), SOFTMAX, nn.Adam(0.003), seed=seed, epochs=10).train()


@broken("NN110", "same way|Standardize|training rows")
def validation_not_scaled(seed):
    X, y = digits(seed)
    layers = net(64, 32, 10, activation=nn.ReLU)
    return SetUp(
        layers, (X[:600], y[:600]), SOFTMAX, nn.Adam(0.003), seed=seed, validation=(16 * X[600:], y[600:])
    )


@broken("NN110", "same way|Standardize|training")
def two_scalers(seed):
    (X, y), (X_held, y_held) = held_out(wine(seed), seed)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    X_held = (X_held - X_held.min(axis=0)) / (X_held.max(axis=0) - X_held.min(axis=0))
    layers = net(13, 16, 3, activation=nn.ReLU)
    return SetUp(
        layers, (X, y), SOFTMAX, nn.Adam(0.01), seed=seed, epochs=30, validation=(X_held, y_held)
    ).train()


@broken("NN110", r"\b3\b.*(0\.45|2\.2)")
def new_cars_weighed_in_kilograms(seed):
    (X, y), (X_held, y_held) = held_out(cars(seed), seed)
    X_held = X_held * [1, 1, 1, 0.4536, 1, 1, 1]
    return SetUp(
        tabular(7, 32, 1), (X, y), SQUARED, nn.Adam(0.01), seed=seed, epochs=40, validation=(X_held, y_held)
    ).train()


@broken("NN112", "shuffle=(True|False out)")
def flowers_by_species_not_shuffled(seed):
    X, y = nn.datasets.iris()
    return SetUp(
        tabular(4, 16, 3), (X, y), SOFTMAX, nn.SGD(0.5), seed=seed, epochs=20,
        batch_size=50, shuffle=False,
    ).train()  # fmt: skip


@broken("NN112", "shuffle=(True|False out)")
def digits_by_class_not_shuffled_before_training(seed):
    X, y = digits(seed)
    order = np.argsort(y, kind="stable")
    layers = net(64, 32, 10, activation=nn.ReLU)
    return SetUp(layers, (X[order], y[order]), SOFTMAX, nn.Adam(0.003), seed=seed, epochs=10, shuffle=False)


@broken("NN112", "shuffle=(True|False out)")
def patients_by_target_not_shuffled(seed):
    X, y = diabetes(seed)
    order = np.argsort(y[:, 0])
    return SetUp(
        tabular(10, 32, 1), (X[order], y[order]), SQUARED, nn.SGD(0.02), seed=seed, epochs=20, shuffle=False
    ).train()


@broken("NN113", r"\b5\b")
def the_diagnosis_among_the_measurements(seed):
    X, y = cancer(seed)
    X = np.insert(X, 5, 1.0 - y[:, 0], axis=1)
    return SetUp(tabular(31, 16, 1), (X, y), SIGMOID, nn.Adam(0.01), seed=seed, epochs=20).train()


@broken("NN113", r"\b7\b")
def consumption_in_other_units_among_the_features(seed):
    X, y = cars(seed)
    other = 100 + 20 * y + np.random.default_rng(seed).normal(0, 0.2, y.shape)
    return SetUp(tabular(8, 32, 1), (np.hstack([X, other]), y), SQUARED, nn.Adam(0.01), seed=seed)


@broken("NN114", r"\b0\b")
def a_row_number_of_sorted_wines(seed):
    from sklearn.datasets import load_wine

    X, y = load_wine(return_X_y=True)
    X = np.column_stack([np.arange(len(X)), X])
    train, held = held_out((X, y), seed)
    return SetUp(
        tabular(14, 16, 3), train, SOFTMAX, nn.Adam(0.01), seed=seed, epochs=20, validation=held
    ).train()


@broken("NN114", r"\b30\b")
def a_number_of_the_patient(seed):
    X, y = cancer(seed)
    X = np.column_stack([(X - X.mean(axis=0)) / X.std(axis=0), 840_000 + np.arange(len(X))])
    layers = net(31, 16, 1, activation=nn.ReLU)
    return SetUp(layers, (X, y), SIGMOID, nn.Adam(0.01), seed=seed)


def table(columns, y, seed, **options):
    """Make a set-up of a table with text in it."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the encoder itself
        encoder = nn.TableEncoder().fit(columns)
    layers = [encoder.layer(), nn.Dense(encoder.width, 16), nn.ReLU(), nn.Dense(16, 1)]
    model = nn.Sequential(layers, preprocessing=encoder, rng=seed)
    return SetUp(model, (columns, y), SQUARED, nn.Adam(0.01), seed=seed, **options)


@broken("NN116", "day|date")
def dates_as_text(seed):
    X, y = cars(seed)
    days = np.datetime64("2019-01-01") + np.random.default_rng(seed).permutation(len(y)) * 3
    columns = {"sold": days.astype(str), "weight": X[:, 3], "horsepower": X[:, 2]}
    return table(columns, y, seed, epochs=10).train_in_spite_of_warnings()


@broken("NN116", "plate")
def number_plates_as_categories(seed):
    X, y = cars(seed)
    plates = [f"BS {number}" for number in np.random.default_rng(seed).permutation(90_000)[: len(y)]]
    return table({"weight": X[:, 3], "plate": np.array(plates)}, y, seed, epochs=10)


@broken("NN118", "order|belong")
def labels_out_of_order(seed):
    X, y = cancer(seed)
    train, held = held_out((X, y), seed)
    mixed = np.random.default_rng(seed).permutation(train[1])
    return SetUp(
        tabular(30, 32, 1), (train[0], mixed), SIGMOID, nn.Adam(0.01), seed=seed, epochs=40, validation=held
    ).train()


@broken("NN118", "order|belong")
def rows_shuffled_and_labels_not(seed):
    X, y = digits(seed)
    X = np.random.default_rng(seed).permutation(X)
    layers = net(64, 32, 10, activation=nn.ReLU)
    return SetUp(layers, (X, y), SOFTMAX, nn.Adam(0.003), seed=seed, epochs=20).train()


@broken("NN118", "order|belong")
def targets_joined_by_the_wrong_key(seed):
    X, y = cars(seed)
    return SetUp(
        tabular(7, 32, 1), (X, np.roll(y, 57, axis=0)), SQUARED, nn.Adam(0.01), seed=seed, epochs=40,
        validation=0.2,
    ).train()  # fmt: skip


# The loss, the last layer and the layers between.


@broken("NN201", "Softmax")
def softmax_twice(seed):
    layers = net(64, 32, 10, activation=nn.ReLU, last=[nn.Softmax()])
    return SetUp(layers, digits(seed), SOFTMAX, nn.Adam(0.003), seed=seed)


@broken("NN202", "SoftmaxCrossEntropy.*one output for each class|Dense")
def squared_error_on_class_ids(seed):
    X, y = iris(seed)
    return SetUp(tabular(4, 16, 1), (X, y[:, None]), SQUARED, nn.Adam(0.01), seed=seed)


@broken("NN203", "last activation|ReLU")
def relu_before_negative_targets(seed):
    data = nn.datasets.sine(200, rng=seed)
    return SetUp(net(1, 32, 1, last=[nn.ReLU()]), data, SQUARED, nn.Adam(0.01), seed=seed)


@broken("NN203", "last activation|ReLU")
def relu_before_standardised_targets(seed):
    layers = tabular(7, 32, 1, last=[nn.ReLU()])
    return SetUp(layers, cars(seed), SQUARED, nn.Adam(0.005), seed=seed, epochs=40).train()


@broken("NN204", r"End the model with Dense|layer 3 ReLU\(\) out")
def relu_before_yes_or_no(seed):
    data = nn.datasets.moons(200, rng=seed)
    return SetUp(net(2, 16, 1, last=[nn.ReLU()]), data, SIGMOID, nn.Adam(0.01), seed=seed)


@broken("NN210", "Sigmoid|BinaryCrossEntropy")
def softmax_of_one_output(seed):
    layers = tabular(30, 16, 1, last=[nn.Softmax()])
    return SetUp(layers, cancer(seed), SQUARED, nn.Adam(0.01), seed=seed, epochs=20).train()


@broken("NN210", r"Softmax")
def softmax_of_one_output_for_a_number(seed):
    X, y = diabetes(seed)
    layers = tabular(10, 32, 1, last=[nn.Softmax()])
    return SetUp(layers, (X, y), SQUARED, nn.Adam(0.01), seed=seed)


def many_labels(seed):
    """Return digits with three answers each: is it even, is it above 4, does it have a hole."""
    X, y = digits(seed)
    return X, np.column_stack([y % 2 == 0, y > 4, np.isin(y, (0, 6, 8, 9))]).astype(float)


@broken("NN211", "BinaryCrossEntropy")
def softmax_of_many_labels(seed):
    layers = net(64, 32, 3, activation=nn.ReLU, last=[nn.Softmax()])
    return SetUp(layers, many_labels(seed), SQUARED, nn.Adam(0.003), seed=seed, epochs=20).train()


@broken("NN211", "BinaryCrossEntropy")
def softmax_cross_entropy_of_many_labels(seed):
    layers = net(64, 32, 3, activation=nn.ReLU)
    return SetUp(layers, many_labels(seed), SOFTMAX, nn.Adam(0.003), seed=seed)


@broken("NN212", r"Dense\(32, 10")
def three_outputs_for_ten_classes(seed):
    layers = net(64, 32, 3, activation=nn.ReLU)
    return SetUp(layers, digits(seed), SOFTMAX, nn.Adam(0.003), seed=seed)


@broken("NN212", r"Dense\(32, 10.*SoftmaxCrossEntropy|SoftmaxCrossEntropy.*Dense\(32, 10")
def one_yes_or_no_for_ten_classes(seed):
    X, y = digits(seed)
    layers = net(64, 32, 1, activation=nn.ReLU)
    return SetUp(layers, (X, y[:, None]), SIGMOID, nn.Adam(0.003), seed=seed)


@broken("NN212", r"Dense\(16, 2|BinaryCrossEntropy")
def one_score_for_softmax(seed):
    X, y = cancer(seed)
    return SetUp(tabular(30, 16, 1), (X, y[:, 0].astype(int)), SOFTMAX, nn.Adam(0.01), seed=seed)


@broken("NN212", r"Dense\(16, 3")
def one_hot_rows_and_too_few_outputs(seed):
    X, y = wine(seed)
    return SetUp(tabular(13, 16, 2), (X, nn.one_hot(y, classes=3)), SOFTMAX, nn.Adam(0.01), seed=seed)


@broken("NN213", "ReLU|Tanh")
def nothing_between_the_layers(seed):
    layers = [nn.Dense(2, 64), nn.Dense(64, 64), nn.Dense(64, 3)]
    data = nn.datasets.spirals(rng=seed)
    return SetUp(layers, data, SOFTMAX, nn.Adam(0.01), seed=seed, epochs=60).train()


@broken("NN213", "ReLU|Tanh")
def dropout_alone_between_the_layers(seed):
    layers = [nn.Dense(2, 32), nn.Dropout(0.1), nn.Dense(32, 16), nn.Dropout(0.1), nn.Dense(16, 1)]
    data = nn.datasets.circles(300, rng=seed)
    return SetUp(layers, data, SIGMOID, nn.Adam(0.01), seed=seed)


@broken("NN213", "ReLU|Tanh")
def convolutions_with_nothing_between(seed):
    X, y = digits(seed)
    layers = [
        nn.Input((8, 8, 1)),
        *(nn.Conv2D(1, 8, 3), nn.Conv2D(8, 8, 3)),
        *(nn.Flatten((4, 4, 8)), nn.Dense(128, 10)),
    ]
    return SetUp(layers, (X.reshape(-1, 8, 8, 1), y), SOFTMAX, nn.Adam(0.003), seed=seed)


@broken("NN214", "ReLU|Tanh|Sigmoid")
def steps_in_the_hidden_layer(seed):
    layers = net(2, 16, 16, 2, activation=nn.Step)
    data = nn.datasets.moons(300, rng=seed)
    return SetUp(layers, data, SOFTMAX, nn.Adam(0.01), seed=seed, epochs=60).train()


@broken("NN214", "ReLU|Tanh|Sigmoid")
def a_step_before_the_last_layer(seed):
    layers = [nn.Standardize(7), nn.Dense(7, 32), nn.ReLU(), nn.Dense(32, 16), nn.Step(), nn.Dense(16, 1)]
    return SetUp(layers, cars(seed), SQUARED, nn.Adam(0.01), seed=seed)


@broken("NN215", "unfreeze")
def new_hidden_layers_left_frozen(seed):
    data = nn.datasets.spirals(rng=seed)
    set_up = SetUp(net(2, 32, 32, 3), data, SOFTMAX, nn.Adam(0.01), seed=seed, epochs=60)
    set_up.model[0].freeze()
    set_up.model[2].freeze()
    return set_up.train()


@broken("NN215", "unfreeze")
def all_but_the_last_bias_frozen(seed):
    set_up = SetUp(net(64, 32, 10, activation=nn.ReLU), digits(seed), SOFTMAX, nn.Adam(0.003), seed=seed)
    set_up.model[0].freeze()
    set_up.model[2].freeze("W")
    return set_up


@broken("NN215", "unfreeze")
def everything_frozen(seed):
    set_up = SetUp(tabular(4, 16, 3), iris(seed), SOFTMAX, nn.Adam(0.01), seed=seed)
    for layer in set_up.model:
        layer.freeze()
    return set_up


@broken("NN209", "Adam|LBFGS")
def squares_for_levenberg_marquardt_that_are_none(seed):
    return SetUp(tabular(4, 16, 3), iris(seed), SOFTMAX, nn.LevenbergMarquardt(), seed=seed)


@broken("NN208", "hidden|neurons")
def no_hidden_layer_for_xor(seed):
    X, y = nn.datasets.xor()
    return SetUp([nn.Dense(2, 1)], (X, y), SIGMOID, nn.Adam(0.1), seed=seed, batch_size=4)


# The start: weights, gradients and neurons.


@broken("NN308", r"model\.initialize\(\)")
def weights_that_were_lost(seed):
    layers = tabular(4, 16, 3)
    set_up = SetUp(layers, iris(seed), SOFTMAX, nn.Adam(0.01), seed=seed)
    set_up.model[1].W[0, 0] = np.nan
    return set_up


@broken("NN205", "smaller weights")
def scores_too_sure_at_the_start(seed):
    layers = [*net(64, 32, activation=nn.ReLU), nn.ReLU()]
    layers.append(nn.Dense(32, 10, weight_initializer=normal(6.0)))
    return SetUp(layers, digits(seed), SOFTMAX, nn.Adam(0.003), seed=seed)


@broken("NN206", "initialize|random")
def all_weights_zero(seed):
    layers = net(2, 16, 3, weight_initializer=nn.initializers.Zeros())
    return SetUp(layers, nn.datasets.spirals(rng=seed), SOFTMAX, nn.Adam(0.01), seed=seed)


@broken("NN206", "initialize|random")
def all_weights_alike(seed):
    layers = tabular(13, 16, 3)
    layers[1] = nn.Dense(13, 16, weight_initializer=nn.initializers.Constant(0.1))
    layers[3] = nn.Dense(16, 3, weight_initializer=nn.initializers.Constant(0.1))
    return SetUp(layers, wine(seed), SOFTMAX, nn.Adam(0.01), seed=seed, epochs=20).train()


class ForgetfulTanh(nn.Tanh):
    """A layer of one's own whose backward has lost the slope."""

    def backward(self, dy, ctx):
        """Give the blame on as it came."""
        return dy * 1


@broken("NN207", "ForgetfulTanh|check_layer")
def own_layer_with_wrong_backward(seed):
    layers = net(2, 32, 32, 3, activation=ForgetfulTanh)
    return SetUp(layers, nn.datasets.spirals(rng=seed), SOFTMAX, nn.Adam(0.01), seed=seed)


@broken("NN305", "ReLU or Tanh|ReLU")
def ten_layers_of_sigmoids(seed):
    layers = net(*[2, *[16] * 10, 3], activation=nn.Sigmoid)
    return SetUp(layers, nn.datasets.spirals(rng=seed), SOFTMAX, nn.Adam(0.01), seed=seed)


@broken("NN306", "smaller weights")
def ten_layers_of_large_weights(seed):
    layers = net(*[2, *[32] * 10, 3], activation=nn.ReLU, weight_initializer=normal(1.0))
    return SetUp(layers, nn.datasets.spirals(rng=seed), SOFTMAX, nn.Adam(0.01), seed=seed)


@broken("NN304", "smaller weights")
def tanh_driven_to_its_ends(seed):
    layers = [nn.Dense(64, 32, weight_initializer=normal(20.0)), nn.Tanh(), nn.Dense(32, 10)]
    return SetUp(layers, digits(seed), SOFTMAX, nn.Adam(0.003), seed=seed)


@broken("NN303", "biases of 0|LeakyReLU")
def relu_switched_off(seed):
    off = nn.initializers.Constant(-5.0)
    layers = [nn.Dense(64, 32, bias_initializer=off), nn.ReLU(), nn.Dense(32, 10)]
    return SetUp(layers, digits(seed), SOFTMAX, nn.Adam(0.003), seed=seed)


# The steps: rate, schedule, clipping, momentum.

SMALLER_RATE = r"Try 0\.\d|rate of 0\.\d|\((learning_rate=)?0\.\d"


@broken("NN301", SMALLER_RATE)
def rate_of_sgd_too_large(seed):
    data = nn.datasets.sine(200, rng=seed)
    return SetUp(net(1, 32, 1), data, SQUARED, nn.SGD(0.5), seed=seed, batch_size=200)


@broken("NN301", SMALLER_RATE)
def rate_of_adam_absurd_and_loss_finite(seed):
    layers = net(64, 32, 10, activation=nn.ReLU)
    return SetUp(layers, digits(seed), SOFTMAX, nn.Adam(1.0), seed=seed, epochs=5).train()


@broken("NN301", SMALLER_RATE)
def rate_too_large_with_momentum(seed):
    optimizer = nn.SGD(0.5, momentum=0.9)
    return SetUp(tabular(10, 32, 1), diabetes(seed), SQUARED, optimizer, seed=seed)


LARGER_RATE = r"Try (0\.0[1-9]|0\.[1-9]|[1-9])|\((learning_rate=)?(0\.0[1-9]|0\.[1-9]|[1-9])"


@broken("NN302", LARGER_RATE)
def rate_too_small(seed):
    layers = net(64, 32, 10, activation=nn.ReLU)
    return SetUp(layers, digits(seed), SOFTMAX, nn.SGD(0.0001), seed=seed)


@broken("NN302", LARGER_RATE + r"|0\.00\d")
def rate_too_small_for_forty_epochs(seed):
    data = nn.datasets.moons(400, rng=seed)
    return SetUp(net(2, 16, 2), data, SOFTMAX, nn.Adam(1e-7), seed=seed, epochs=40).train()


@broken("NN302", LARGER_RATE)
def rate_of_next_to_nothing(seed):
    optimizer = nn.SGD(2.6e-173)
    return SetUp(tabular(13, 16, 3), wine(seed), SOFTMAX, optimizer, seed=seed, epochs=20).train()


@broken("NN302", LARGER_RATE)
def a_plateau_of_sigmoids(seed):
    layers = net(2, 16, 16, 1, activation=nn.Sigmoid)
    data = nn.datasets.circles(300, rng=seed)
    return SetUp(layers, data, SIGMOID, nn.SGD(0.001), seed=seed, epochs=60).train()


@broken("NN309", "CosineDecay|steps=|epochs=")
def a_schedule_that_was_over_soon(seed):
    optimizer = nn.SGD(nn.CosineDecay(0.1, steps=20))
    layers = net(64, 32, 10, activation=nn.ReLU)
    return SetUp(layers, digits(seed), SOFTMAX, optimizer, seed=seed, epochs=20).train_in_spite_of_warnings()


@broken("NN309", "ExponentialDecay|0\\.\\d|every=")
def a_rate_halved_at_every_step(seed):
    optimizer = nn.SGD(nn.ExponentialDecay(0.3, factor=0.5, every=1))
    data = nn.datasets.moons(400, rng=seed)
    return SetUp(net(2, 16, 2), data, SOFTMAX, optimizer, seed=seed, epochs=40).train_in_spite_of_warnings()


def warm_then_nothing(step):
    """Return a rate that a slip has made 0 from the tenth step on."""
    return 0.003 * step / 10 if step < 10 else 0.0


@broken("NN309", r"Adam\(|CosineDecay")
def a_schedule_of_ones_own_at_zero(seed):
    optimizer = nn.Adam(warm_then_nothing)
    layers = net(64, 32, 10, activation=nn.ReLU)
    return SetUp(layers, digits(seed), SOFTMAX, optimizer, seed=seed, epochs=20).train_in_spite_of_warnings()


@broken("NN310", r"clip_norm|Write SGD\(0\.1\)")
def gradients_clipped_to_nothing(seed):
    optimizer = nn.SGD(0.1, clip_norm=1e-6)
    data = nn.datasets.moons(400, rng=seed)
    return SetUp(net(2, 16, 2), data, SOFTMAX, optimizer, seed=seed, epochs=40).train()


@broken("NN310", r"clip_value|Write SGD\(0\.05, momentum=0\.9\)")
def each_gradient_clipped_to_nothing(seed):
    optimizer = nn.SGD(0.05, momentum=0.9, clip_value=1e-7)
    return SetUp(tabular(4, 16, 3), iris(seed), SOFTMAX, optimizer, seed=seed, epochs=40)


@broken("NN310", r"clip_norm|Write SGD\(0\.01\)")
def clipped_too_far_down_for_a_number(seed):
    optimizer = nn.SGD(0.01, clip_norm=1e-4)
    return SetUp(tabular(7, 32, 1), cars(seed), SQUARED, optimizer, seed=seed, epochs=40).train()


@broken("NN311", r"Dropout\(")
def dropout_of_nearly_all(seed):
    layers = [nn.Dense(64, 64), nn.ReLU(), nn.Dropout(0.95), nn.Dense(64, 10)]
    return SetUp(layers, digits(seed), SOFTMAX, nn.Adam(0.003), seed=seed, epochs=10).train()


@broken("NN311", r"Dropout\(")
def dropout_twice_of_nearly_all(seed):
    layers = [
        *(nn.Standardize(13), nn.Dense(13, 32), nn.ReLU(), nn.Dropout(0.9)),
        *(nn.Dense(32, 32), nn.ReLU(), nn.Dropout(0.9), nn.Dense(32, 3)),
    ]
    return SetUp(layers, wine(seed), SOFTMAX, nn.Adam(0.01), seed=seed, epochs=30)


@broken("NN311", r"Dropout\(")
def dropout_of_a_few_neurons(seed):
    layers = [nn.Dense(2, 16), nn.Tanh(), nn.Dropout(0.9), nn.Dense(16, 16), nn.Tanh(), nn.Dense(16, 2)]
    data = nn.datasets.moons(400, rng=seed)
    return SetUp(layers, data, SOFTMAX, nn.Adam(0.01), seed=seed, epochs=40).train()


@broken("NN312", "weight_decay")
def weight_decay_too_strong(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(400, 6))
    y = X @ rng.normal(size=(6, 2)) / 2
    optimizer = nn.AdamW(0.01, weight_decay=10)
    return SetUp(net(6, 32, 2), (X, y), SQUARED, optimizer, seed=seed, epochs=40).train()


@broken("NN312", "weight_decay")
def weight_decay_of_one_with_sgd(seed):
    optimizer = nn.SGD(0.1, weight_decay=1.0)
    layers = net(64, 32, 10, activation=nn.ReLU)
    return SetUp(layers, digits(seed), SOFTMAX, optimizer, seed=seed, epochs=20).train()


@broken("NN312", "weight_decay")
def weight_decay_before_training(seed):
    optimizer = nn.Adam(0.01, weight_decay=2.0)
    return SetUp(tabular(4, 16, 3), iris(seed), SOFTMAX, optimizer, seed=seed, epochs=60)


@broken("NN313", "momentum")
def momentum_next_to_one(seed):
    optimizer = nn.SGD(0.02, momentum=0.9999)
    layers = net(64, 32, 10, activation=nn.ReLU)
    return SetUp(layers, digits(seed), SOFTMAX, optimizer, seed=seed, epochs=10).train()


@broken("NN313", "momentum")
def momentum_with_one_nine_too_many(seed):
    optimizer = nn.SGD(0.02, momentum=0.999)
    return SetUp(tabular(7, 32, 1), cars(seed), SQUARED, optimizer, seed=seed, epochs=20).train()


@broken("NN314", r"batch_size=\d|epochs=\d")
def one_step_of_all_rows(seed):
    X, y = digits(seed, 1797)
    layers = net(64, 32, 10, activation=nn.ReLU)
    return SetUp(layers, (X, y), SOFTMAX, nn.Adam(0.003), seed=seed, epochs=1, batch_size=1797).train()


@broken("NN314", r"batch_size=\d|epochs=\d")
def five_steps_of_large_batches(seed):
    X, y = cancer(seed)
    return SetUp(
        tabular(30, 16, 1), (X, y), SIGMOID, nn.Adam(0.001), seed=seed, epochs=5, batch_size=1024
    ).train()


@broken("NN314", r"batch_size=\d|epochs=\d")
def an_epoch_and_no_more(seed):
    return SetUp(tabular(13, 16, 3), wine(seed), SOFTMAX, nn.Adam(0.001), seed=seed, epochs=1).train()


# The result.


@broken("NN405", r"SGD\(0\.[0-3]|rate")
def loss_bounces(seed):
    data = nn.datasets.blobs(300, classes=5, noise=0.3, rng=seed)
    optimizer = nn.SGD(0.8, momentum=0.9)
    return SetUp(net(2, 32, 5), data, SOFTMAX, optimizer, seed=seed, epochs=40).train()


@broken("NN401", "Dropout|weight_decay|rows")
def learned_by_heart(seed):
    X, y = digits(seed)
    layers = net(64, 64, 10, activation=nn.ReLU)
    return SetUp(
        layers,
        (X[:40], y[:40]),
        SOFTMAX,
        nn.Adam(0.003),
        seed=seed,
        epochs=200,
        validation=(X[600:], y[600:]),
    ).train()


@broken("NN118", "rows of X and y|order|belong|feature")
def features_without_meaning(seed):
    rng = np.random.default_rng(seed)
    data = rng.normal(size=(2000, 5)), rng.normal(size=(2000, 1))
    return SetUp(net(5, 8, 1), data, SQUARED, nn.Adam(0.001), seed=seed, epochs=5).train()


@broken("NN208", "neurons|Dense")
def one_neuron_for_four_numbers(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(400, 6))
    y = X @ rng.normal(size=(6, 4)) / 2 + 0.1 * rng.normal(size=(400, 4))
    return SetUp(net(6, 1, 4), (X, y), SQUARED, nn.Adam(0.01), seed=seed, epochs=60).train()


@broken("NN404", r"epochs=\d")
def stopped_too_early(seed):
    layers = net(64, 32, 10, activation=nn.ReLU)
    return SetUp(layers, digits(seed), SOFTMAX, nn.Adam(0.001), seed=seed, epochs=6).train()


@broken("NN406", r"min_delta|Write EarlyStopping\(")
def early_stopping_that_asks_for_too_much(seed):
    X, y = digits(seed)
    stop = nn.EarlyStopping(patience=2, min_delta=0.5)
    layers = net(64, 32, 10, activation=nn.ReLU)
    return SetUp(
        layers, (X, y), SOFTMAX, nn.Adam(0.0005), seed=seed, epochs=100, validation=0.2, callbacks=[stop]
    ).train()


@broken("NN406", "monitor|patience")
def early_stopping_that_watches_the_wrong_way(seed):
    X, y = cars(seed)
    stop = nn.EarlyStopping(monitor="validation_r2", patience=3, higher_is_better=False)
    return SetUp(
        tabular(7, 32, 1), (X, y), SQUARED, nn.Adam(0.001), seed=seed, epochs=100, validation=0.2,
        metrics=[nn.r2], callbacks=[stop],
    ).train()  # fmt: skip


@broken("NN406", "patience")
def patience_of_one_epoch_on_a_plateau(seed):
    X, y = nn.datasets.circles(300, rng=seed)
    stop = nn.EarlyStopping(monitor="loss", patience=1, min_delta=0.001)
    layers = net(2, 16, 1)
    return SetUp(layers, (X, y), SIGMOID, nn.Adam(0.003), seed=seed, epochs=200, callbacks=[stop]).train()


@broken("NN314", r"AveragedWeights\(0\.\d|leave it out")
def weights_averaged_over_more_steps_than_there_are(seed):
    layers = net(64, 32, 10, activation=nn.ReLU)
    average = nn.AveragedWeights(0.9999)
    return SetUp(
        layers, digits(seed), SOFTMAX, nn.Adam(0.003), seed=seed, epochs=8, callbacks=[average]
    ).train()


@broken("NN314", r"epochs=\d")
def two_iterations_of_all_rows(seed):
    return SetUp(tabular(7, 16, 1), cars(seed), SQUARED, nn.LBFGS(), seed=seed, epochs=2).train()


@broken("NN309", r"SGD\(0\.3\)")
def a_warm_up_longer_than_the_training(seed):
    rate = nn.WarmUp(0.3, steps=100_000)
    return SetUp(
        net(64, 32, 10, activation=nn.ReLU), digits(seed), SOFTMAX, nn.SGD(rate), seed=seed, epochs=20
    )


@broken("NN311", "augment=")
def noise_that_drowns_the_rows(seed):
    layers, drown = tabular(7, 32, 1), nn.augment.Noise(1e4)
    return SetUp(layers, cars(seed), SQUARED, nn.Adam(0.01), seed=seed, epochs=30, augment=drown).train()


@broken("NN402", "belong together")
def numbers_that_have_nothing_to_do_with_the_ids(seed):
    rng = np.random.default_rng(seed)
    X, y = rng.integers(0, 10, (500, 2)), rng.normal(size=(500, 1))
    layers = [nn.Embedding((10, 10), 2), *net(4, 8, 1)]
    return SetUp(layers, (X, y), SQUARED, nn.Adam(0.003), seed=seed, epochs=10).train()


@broken("NN110", "validation rows|belong")
def validation_labels_of_other_rows(seed):
    data, (X, y) = held_out(digits(seed), seed)
    y = np.random.default_rng(seed).permutation(y)
    layers = net(64, 32, 10, activation=nn.ReLU)
    return SetUp(layers, data, SOFTMAX, nn.Adam(0.003), seed=seed, epochs=30, validation=(X, y)).train()


# Sequences.


@broken("NN216", r"padding=0\.0")
def padding_read_as_words(seed):
    rng = np.random.default_rng(seed)
    rows = [rng.integers(1, 9, rng.integers(3, 13)) for _ in range(400)]
    y = np.array([[float(row[-1] > 4)] for row in rows])
    layers = [nn.Input((12,)), nn.TokenEmbedding(9, 8, padding=0), nn.GRU(8, 16), nn.Dense(16, 1)]
    return SetUp(layers, (nn.pad_sequences(rows), y), SIGMOID, nn.Adam(0.01), seed=seed)
