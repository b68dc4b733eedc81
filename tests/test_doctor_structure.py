"""The doctor looks at the shape of the net: how it ends, what lies between its layers, what is frozen."""

from itertools import pairwise

import numpy as np
import pytest
from patients import clusters, digits, examined, first, net, surface, trained

import nnlite as nn
from nnlite.inspect import doctor
from nnlite.inspect.checkup.task import targets_for, task_of, whole_answer

CROSS_ENTROPY, BINARY, SQUARES = nn.SoftmaxCrossEntropy(), nn.BinaryCrossEntropy(), nn.MeanSquaredError()


# What targets ask for.

TARGETS = {
    "ids": (np.array([0, 2, 1, 3] * 5), "classes", 4, "y"),
    "ids as floats": (np.array([0.0, 2.0, 1.0] * 5), "classes", 3, "y.astype(int)"),
    "ids in a column": (np.array([[0], [2], [1]] * 5), "classes", 3, "y[:, 0]"),
    "ids from 1": (np.array([1, 3, 2] * 5), "classes", 3, "y - 1"),
    "ids with gaps": (np.array([3, 30, 300] * 5), "classes", 3, "np.unique(y, return_inverse=True)[1]"),
    "one that is missing": (np.array([0, 1, 3, 4] * 5), "classes", 5, "y"),
    "divided by 255": (np.arange(10) / 255, "numbers", 1, "y[:, None]"),
    "divided by 255, often": (
        np.tile(np.arange(10) / 255, 6), "classes", 10, "np.unique(y, return_inverse=True)[1]",
    ),
    "names": (np.array(["cat", "dog", "cow"]), "classes", 3, "np.unique(y, return_inverse=True)[1]"),
    "yes and no": (np.array([0, 1, 1]), "yes or no", 1, "y"),
    "yes and no as floats": (np.array([0.0, 1.0, 1.0]), "yes or no", 1, "y.astype(int)"),
    "minus and plus": (np.array([[-1.0], [1.0]]), "yes or no", 1, "(y[:, 0] == 1).astype(int)"),
    "one-hot": (np.eye(3), "classes", 3, "y"),
    "chances": (np.array([[0.2, 0.8], [0.5, 0.5]]), "classes", 2, "y"),
    "labels": (np.array([[1, 1, 0], [0, 0, 0]]), "labels", 3, "y"),
    "rows": (np.array([[1.5, -1.0]]), "numbers", 2, "y"),
}  # fmt: skip


@pytest.mark.parametrize("name", TARGETS)
def test_what_targets_ask_for(name):
    y, kind, outputs, write = TARGETS[name]
    task = task_of(y, classifies=True)
    assert (task.kind, task.outputs, task.write) == (kind, outputs, write)
    made, said = targets_for(task, y), eval(write, {"y": y, "np": np})
    assert np.array_equal(np.squeeze(made), np.squeeze(said))
    loss = {"classes": CROSS_ENTROPY, "numbers": SQUARES}.get(kind, BINARY)
    for target in (made, said):  # and what is written is taken
        loss.prepare(target, (len(y), outputs), np.dtype("float32"))


def test_numbers_of_a_regression_are_classes_only_where_they_look_like_it():
    rng = np.random.default_rng(0)
    assert task_of(rng.poisson(2.0, 30) + 3, classifies=False).kind == "numbers"
    assert task_of(np.arange(100), classifies=False).kind == "numbers"
    assert task_of(rng.integers(0, 4, 100), classifies=False).kind == "classes"
    assert task_of(np.array([0.5, 2.5]), classifies=False).kind == "numbers"


def test_the_whole_answer():
    ids = task_of(np.arange(10), classifies=True)
    model = net(8, 16, 1, last=[nn.Sigmoid()])
    said = "End the model with Dense(16, 10) and without Sigmoid(), and call fit with SoftmaxCrossEntropy()."
    assert whole_answer(model, ids, BINARY) == said
    right = net(8, 16, 10, last=[nn.Softmax()])
    assert whole_answer(right, ids, CROSS_ENTROPY) == "Leave layer 3 Softmax() out."
    own = nn.Sequential([nn.Dense(8, 4), nn.Concatenate([nn.Dense(4, 1), nn.Dense(4, 1)])])
    assert "one output for each of 10 classes" in whole_answer(own, ids, CROSS_ENTROPY)


# The number of outputs, and what is refused.


TEN = "End the model with Dense(16, 10)."


@pytest.mark.parametrize(
    ("outputs", "targets", "loss", "fix"),
    [
        (3, "ids", CROSS_ENTROPY, TEN),
        (1, "ids", CROSS_ENTROPY, TEN),
        (1, "column", BINARY, f"{TEN[:-1]}, and call fit with SoftmaxCrossEntropy() and y[:, 0]."),
        (1, "ids", BINARY, "End the model with Dense(16, 10), and call fit with SoftmaxCrossEntropy()."),
        (3, "one-hot", CROSS_ENTROPY, TEN),
        (3, "one-hot", SQUARES, "End the model with Dense(16, 10), and call fit with SoftmaxCrossEntropy()."),
        (3, "rows", SQUARES, "End the model with Dense(16, 2)."),
        (100, "ids", CROSS_ENTROPY, TEN),
    ],
)  # fmt: skip
def test_the_number_of_outputs_is_that_of_the_classes(outputs, targets, loss, fix):
    X, y = clusters(classes=10)
    y = {"ids": y, "column": y[:, None], "one-hot": np.eye(10)[y], "rows": X[:, :2]}[targets]
    one = first(examined(net(6, 16, outputs), (X, y), loss), "NN212")
    assert one.fix == fix


def test_following_the_advice_goes_in_no_circle():
    X, y = clusters(classes=10)
    one = first(examined(net(6, 16, 1, last=[nn.Sigmoid()]), (X, y), BINARY), "NN212")
    assert one.fix.startswith(
        "End the model with Dense(16, 10) and without Sigmoid(), and call fit with Softmax"
    )
    assert examined(net(6, 16, 10), (X, y), CROSS_ENTROPY).healthy


@pytest.mark.parametrize(
    ("change", "loss", "fix"),
    [
        (lambda y: y / 255, CROSS_ENTROPY, "np.unique(y, return_inverse=True)[1]"),
        (lambda y: y + 1, CROSS_ENTROPY, "y - 1"),
        (lambda y: y + 0.0, CROSS_ENTROPY, "y.astype(int)"),
        (lambda y: np.array(list("abcd"))[y], CROSS_ENTROPY, "np.unique(y, return_inverse=True)[1]"),
        (lambda y: y, SQUARES, "SoftmaxCrossEntropy()"),
    ],
)
def test_labels_that_are_refused_are_told_how_to_be_written(change, loss, fix):
    X, y = clusters(classes=4)
    diagnosis = examined(net(6, 16, 4), (X, change(y)), loss)
    assert diagnosis[0].code in ("NN104", "NN202")
    assert diagnosis[0].fix == f"Call fit with {fix}."


def test_weights_and_missing_rows_are_refused_in_their_own_words():
    X, y = clusters()
    one = first(examined(net(6, 16, 3), (X, y), CROSS_ENTROPY, weight=-np.ones(600)), "NN104")
    assert "weights" in one.message
    one = first(examined(net(6, 16, 3), (X, y[:50]), CROSS_ENTROPY), "NN104")
    assert "as many as X" in one.message


def test_what_is_refused_is_mended_and_the_rest_examined():
    X, y = clusters(spread=0.5)
    rows = np.column_stack([500 * X, np.arange(600)])
    diagnosis = examined(net(7, 16, 1, last=[nn.Sigmoid()]), (rows, y + 1), BINARY)
    assert diagnosis.codes[0] == "NN212"
    assert {"NN101", "NN114"} <= {*diagnosis.codes}
    assert "examined with that mended" in diagnosis[0].message
    alone = examined(net(6, 16, 3, last=[nn.Softmax()]), (X, y), CROSS_ENTROPY)
    assert alone.codes == ("NN201",)
    assert "one batch by heart" in alone.checked


# Softmax.


@pytest.mark.parametrize("targets", ["yes or no", "numbers", "classes"])
@pytest.mark.parametrize("last", [nn.Softmax, nn.LogSoftmax])
def test_a_softmax_over_one_output_has_one_answer(targets, last):
    X, y = surface()
    if targets != "numbers":
        X, y = clusters(classes=2 if targets == "yes or no" else 5)
        y = y[:, None].astype(float)
    one = first(examined(net(6, 16, 1, last=[last()]), (X, y), SQUARES), "NN210")
    assert {
        "yes or no": "Leave layer 3 {}() out, and call fit with BinaryCrossEntropy().",
        "numbers": "Leave layer 3 {}() out.",
        "classes": "End the model with Dense(16, 5) and without {}(), and call fit with "
        "SoftmaxCrossEntropy() and y[:, 0].astype(int).",
    }[targets].format(last.__name__) == one.fix
    if targets == "yes or no":
        assert first(examined(net(6, 16, 1, last=[last()]), (X, y), BINARY), "NN210").fix


@pytest.mark.parametrize(
    ("last", "loss"), [((), CROSS_ENTROPY), ((nn.Softmax(),), SQUARES), ((nn.Softmax(),), CROSS_ENTROPY)]
)
def test_a_softmax_cannot_say_two_labels(last, loss):
    X, _ = surface()
    y = (X[:, :4] + 0.3 * np.random.default_rng(0).normal(size=(600, 4)) > 0).astype(float)
    one = first(examined(net(6, 16, 4, last=[nn.Softmax()] if last else ()), (X, y), loss), "NN211")
    assert "BinaryCrossEntropy()" in one.fix
    assert examined(net(6, 16, 4), (X, y), BINARY).healthy


# The last layer and the loss.


@pytest.mark.parametrize("kind", ["integers", "floats", "sigmoid"])
def test_class_ids_as_amounts(kind):
    X, y = digits()
    y = y[:, None] if kind == "integers" else y[:, None] + 0.0
    model = net(64, 32, 1, last=[nn.Sigmoid()] if kind == "sigmoid" else ())
    one = first(examined(model, (X, y), SQUARES, nn.Adam(0.003)), "NN202")
    assert one.evidence["classes"] == 10
    assert one.evidence["right_with_cross_entropy"] > one.evidence["right"] + 0.3
    assert "End the model with Dense(32, 10)" in one.fix
    assert "SoftmaxCrossEntropy() and y[:, 0]" in one.fix
    after = trained(net(64, 32, 1), (X, y), SQUARES, 3)
    assert first(after, "NN202").evidence["classes"] == 10


def test_one_hot_rows_by_squared_errors_cost_where_they_slow_the_net_down():
    X, y = digits()
    slow = net(64, 32, 10, last=[nn.Sigmoid()])
    one = first(examined(slow, (X, np.eye(10)[y]), SQUARES, nn.SGD(0.05)), "NN202")
    assert one.fix == "Leave layer 3 Sigmoid() out, and call fit with SoftmaxCrossEntropy()."
    assert examined(net(64, 32, 10), (X, np.eye(10)[y]), SQUARES, nn.Adam(0.003)).healthy


def test_counts_and_yes_or_no_may_be_amounts():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 4))
    counts = rng.poisson(np.exp(0.5 * X[:, :1] + 0.5)).astype(float)
    assert examined(net(4, 16, 1), (X, counts), SQUARES).healthy
    X, y = nn.datasets.moons(300, rng=0)
    assert examined(net(2, 16, 1, activation=nn.Tanh), (X, y[:, None] + 0.0), SQUARES).healthy


@pytest.mark.parametrize("last", [nn.ReLU, nn.Tanh, nn.Sigmoid])
def test_targets_that_the_last_layer_cannot_say(last):
    X, y = surface()
    one = first(examined(net(6, 16, 1, last=[last()]), (X, 2 * y), SQUARES), "NN203")
    assert one.fix == f"Leave layer 3 {last.__name__}() out, so that the model ends with a plain Dense."
    low, high = float(y.min()), float(y.max())
    scaled = (y - low) / (high - low)
    assert "NN203" not in examined(net(6, 16, 1, last=[last()]), (X, scaled), SQUARES).codes


def test_an_output_that_stands_at_its_limit():
    X, y = surface()
    model = net(6, 16, 1, last=[nn.ReLU()])
    model[2].b[...] = -50
    one = first(examined(model, (X, np.abs(y)), SQUARES), "NN203")
    assert one.evidence["outputs"] == [0]


@pytest.mark.parametrize("last", [nn.ReLU, nn.Tanh])
@pytest.mark.parametrize("classes", [2, 5])
def test_logits_that_are_bounded(last, classes):
    X, y = clusters(classes=classes)
    outputs, loss = (1, BINARY) if classes == 2 else (classes, CROSS_ENTROPY)
    one = first(examined(net(6, 16, outputs, last=[last()]), (X, y), loss), "NN204")
    assert one.fix == f"Leave layer 3 {last.__name__}() out."


# Activations.


def linear(*widths):
    return nn.Sequential([nn.Dense(*pair) for pair in pairwise(widths)], rng=0)


@pytest.mark.parametrize("between", [(), (nn.Dropout(0.1),), (nn.BatchNorm(32),)], ids=str)
def test_layers_upon_layers_without_an_activation(between):
    X, y = surface(noise=0.1)
    model = nn.Sequential([nn.Dense(6, 32), *between, nn.Dense(32, 1)], rng=0)
    one = first(examined(model, (X, y), SQUARES), "NN213")
    assert one.evidence["linear"]
    assert one.evidence["right_with_activations"] > one.evidence["right"] + 0.2
    assert one.fix.startswith("Put ReLU() behind layer 0 Dense(6, 32)")


def test_every_pair_is_named_and_the_activation_is_that_of_the_net():
    X, y = nn.datasets.moons(400, rng=0)
    one = first(examined(linear(2, 32, 32, 2), (X, y), CROSS_ENTROPY), "NN213")
    assert one.evidence["pairs"] == [["0", "1"], ["1", "2"]]
    layers = [nn.Dense(2, 2), nn.Dense(2, 16), nn.Tanh(), nn.Dense(16, 2)]
    found = examined(nn.Sequential(layers, rng=0), (X, y), CROSS_ENTROPY)
    (one,) = [one for one in found if one.code == "NN213"]
    assert one.fix.startswith("Put Tanh() behind layer 0 Dense(2, 2)")
    assert one.severity == "note"  # one bend is enough for moons


def test_convolutions_without_an_activation():
    X, y = digits()
    images = X.reshape(-1, 8, 8, 1)
    for activation, code in (((), True), ((nn.ReLU(),), False)):
        layers = [
            nn.Input((8, 8, 1)),
            nn.Conv2D(1, 8, 3),
            *activation,
            nn.Flatten((6, 6, 8)),
            nn.Dense(288, 10),
        ]
        found = examined(nn.Sequential(layers, rng=0), (images, y), CROSS_ENTROPY, nn.Adam(0.003))
        assert ("NN213" in [one.code for one in found.problems]) is code


def no_bottleneck():
    layers = [nn.Dense(64, 8), nn.Dense(8, 64), nn.ReLU(), nn.Dense(64, 10)]
    return nn.Sequential(layers, rng=0), digits(), CROSS_ENTROPY


def a_linear_autoencoder():
    X, _ = digits()
    return linear(64, 16, 64), (X, X), SQUARES


def blocks():
    block = nn.Residual([nn.Dense(16, 16), nn.ReLU(), nn.Dense(16, 16)])
    return nn.Sequential([nn.Dense(6, 16), block, nn.Dense(16, 3)], rng=0), clusters(), CROSS_ENTROPY


def sequences():
    X = np.random.default_rng(0).normal(size=(400, 10, 2))
    layers = [nn.Input((10, 2)), nn.GRU(2, 8), nn.Dense(8, 2)]
    return nn.Sequential(layers, rng=0), (X, (X[:, :, 0].sum(axis=1) > 0).astype(int)), CROSS_ENTROPY


def own_activation():
    class Cube(nn.Layer):
        def forward(self, x, ctx=None):
            if ctx is not None:
                ctx.save(x)
            return x**3 / 3

        def backward(self, dy, ctx):
            return dy * ctx.saved[0] ** 2

    return net(6, 16, 3, activation=Cube), clusters(), CROSS_ENTROPY


@pytest.mark.parametrize("build", [no_bottleneck, a_linear_autoencoder, blocks, sequences, own_activation])
def test_nets_whose_layers_follow_each_other_for_a_reason(build):
    model, data, loss = build()
    found = examined(model, data, loss, nn.Adam(0.003))
    assert not {"NN213", "NN214"} & {one.code for one in found.problems}


class Sign(nn.Layer):
    def forward(self, x, ctx=None):
        return np.sign(x)

    def backward(self, dy, ctx):
        return np.zeros_like(dy)


@pytest.mark.parametrize("activation", [nn.Step, Sign])
def test_no_blame_comes_through_a_step(activation):
    X, y = clusters()
    one = first(examined(net(6, 16, 3, activation=activation), (X, y), CROSS_ENTROPY), "NN214")
    assert one.evidence["before"] == ["0"]
    assert one.fix == f"Put ReLU() in place of layer 1 {activation()}."
    last = net(6, 16, 1, last=[activation()])
    assert "Leave layer 3" in first(examined(last, (X, (y[:, None] > 0) + 0.0), SQUARES), "NN214").fix
    before = nn.Sequential([activation(), nn.Dense(6, 3)], rng=0)  # which keeps nobody from learning
    assert "NN214" not in examined(before, (X, y), CROSS_ENTROPY).codes


# Frozen layers.


def test_everything_frozen():
    X, y = clusters()
    model = net(6, 16, 3)
    model.freeze()
    one = first(examined(model, (X, y), CROSS_ENTROPY), "NN215")
    assert one.fix == "Write model.unfreeze()."
    assert one.severity == "error"


@pytest.mark.parametrize("epochs", [0, 5])
def test_a_frozen_layer_that_nobody_has_trained(epochs):
    X, y = digits()
    model = net(64, 16, 10)
    model[0].freeze()
    found = (
        trained(model, (X, y), CROSS_ENTROPY, epochs) if epochs else examined(model, (X, y), CROSS_ENTROPY)
    )
    one = first(found, "NN215")
    assert one.evidence["layers"] == ["0"]
    assert one.evidence["right_unfrozen"] > one.evidence["right"]
    assert "model.layers[0].unfreeze()" in one.fix
    assert model[0].frozen


def test_a_frozen_layer_that_was_trained_or_is_wide_enough():
    X, y = digits()
    model = net(64, 32, 10)
    model.fit(X, y, loss=CROSS_ENTROPY, optimizer=nn.Adam(0.003), epochs=20)
    model[0].freeze()
    model[2].initialize(rng=1)
    assert "NN215" not in examined(model, (X, y), CROSS_ENTROPY, trained=False).codes
    wide = net(6, 200, 3)
    wide[0].freeze()
    found = examined(wide, clusters(), CROSS_ENTROPY)
    assert "NN215" not in [one.code for one in found.problems]


def test_the_doctor_leaves_everything_as_it_is():
    X, y = clusters(classes=10)
    model = net(6, 16, 1, last=[nn.Softmax()])
    model[0].freeze()
    kept = model.params.values.copy(), sorted(model.params.frozen), repr(model), y.copy()
    doctor(model, X, y, CROSS_ENTROPY, nn.Adam(0.01))
    assert (model.params.values == kept[0]).all()
    assert (sorted(model.params.frozen), repr(model)) == kept[1:3]
    assert (y == kept[3]).all()


@pytest.mark.parametrize("bent", [False, True])
def test_branches_without_any_activation_are_a_straight_line(bent):
    X, y = surface(300)
    sides = [nn.Sequential([nn.Dense(6, 8), *([nn.Tanh()] if bent else []), nn.Dense(8, 4)]) for _ in "ab"]
    model = nn.Sequential([nn.Concatenate(sides), nn.Dense(8, 1)], rng=0)
    diagnosis = doctor(model, X, y, nn.MeanSquaredError(), nn.Adam(0.01))
    assert (("NN213", "warning") in [(one.code, one.severity) for one in diagnosis]) != bent
