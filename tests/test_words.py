"""What people try who come from elsewhere, and the words that they are answered in."""

from __future__ import annotations

import copy
import importlib
import os
import pickle
import pydoc
import re
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest

import nnlite as nn
from nnlite.__main__ import main
from nnlite.errors import ArgumentError, ArgumentTypeError, ModelFileError, ShapeError
from nnlite.files.safetensors import write_tensors

MSE = nn.MeanSquaredError()


def net(features, **options):
    return nn.Sequential([nn.Dense(features, 1)], rng=0, **options)


# Images and sequences in front of Dense.

FLATTEN = r"begin the model with Flatten\(\(8, 8\)\), or write x.reshape\(len\(x\), 64\)\.$"
IMAGES = np.zeros((6, 8, 8))
TARGETS = np.zeros((6, 1))


def fit(model, X, **options):
    return model.fit(X, TARGETS[: len(X)], loss=MSE, optimizer=nn.SGD(0.1), epochs=1, **options)


DOORS = {
    "fit": lambda model, X: fit(model, X),
    "validation": lambda model, X: fit(model, np.zeros((6, 64)), validation=(X, TARGETS)),
    "a stream": lambda model, X: model.fit([(X, TARGETS)], loss=MSE, optimizer=nn.SGD(0.1), epochs=1),
    "predict": lambda model, X: model.predict(X),
    "predict_blocks": lambda model, X: list(model.predict_blocks([X])),
    "evaluate": lambda model, X: model.evaluate(X, TARGETS, loss=MSE),
    "forward": lambda model, X: model.forward(X),
    "adapt": lambda model, X: model.adapt(X),
    "loss_and_grad": lambda model, X: model.loss_and_grad(X, TARGETS, MSE),
    "jacobian": lambda model, X: model.jacobian(X),
    "explain_step": lambda model, X: nn.inspect.explain_step(model, X, TARGETS, MSE, nn.SGD(0.1)),
}


@pytest.mark.parametrize("door", DOORS)
def test_images_are_told_to_be_flattened(door):
    with pytest.raises(ShapeError, match=FLATTEN):
        DOORS[door](net(64), IMAGES)


def test_images_in_a_file_and_with_replicas(tmp_path):
    np.save(tmp_path / "images.npy", IMAGES)
    with pytest.raises(ShapeError, match=FLATTEN):
        fit(net(64), np.load(tmp_path / "images.npy", mmap_mode="r"))
    with pytest.raises(ShapeError, match=FLATTEN):
        fit(net(64, replicas=3), IMAGES)


@pytest.mark.parametrize(
    ("features", "X", "words"),
    [
        (
            8,
            IMAGES,
            r"Flatten\(\(8, 8\)\), and give .* Dense\(8, 1\) takes 8\. For other data .*replicas=6",
        ),
        (5, IMAGES, r"Flatten\(\(8, 8\)\), and give the layer behind it 64 inputs; Dense\(5, 1\) takes 5\.$"),
        (192, np.zeros((6, 8, 8, 3)), r"Flatten\(\(8, 8, 3\)\), or write x.reshape\(len\(x\), 192\)"),
        (64, IMAGES[0], r"For one sample of shape \(8, 8\) write x\.reshape\(1, 64\)"),
        (64, np.zeros(64), r"For one row write x\[None\]"),
    ],
)
def test_other_blocks_of_numbers(features, X, words):
    with pytest.raises(ShapeError, match=words):
        net(features).predict(X)


def test_rows_in_front_of_flatten():
    model = nn.Sequential([nn.Flatten((8, 8)), nn.Dense(64, 1)], rng=0)
    with pytest.raises(
        ShapeError, match=r"Write x\.reshape\(len\(x\), 8, 8\), or leave out the layer Flatten"
    ):
        model.predict(np.zeros((6, 64)))


# Methods of a user's own.


class NoContext(nn.Layer):
    def forward(self, x):
        return 1 * x

    def backward(self, dy, ctx):
        return 1 * dy


class NeedsContext(NoContext):
    def forward(self, x, ctx):
        return 1 * x


class BackwardAlone(NoContext):
    def forward(self, x, *args):
        return 1 * x

    def backward(self, dy):
        return 1 * dy


class NoWeight(nn.Loss):
    def value_and_grad(self, pred, target):
        return 0.0, 0 * pred


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (
            NoContext(),
            r"^NoContext\.forward: .*\(x, ctx=None\), got \(x\)\. Write def forward\(self, x, ctx=None\)",
        ),
        (
            NeedsContext(),
            r"^NeedsContext\.forward: .* got \(x, ctx\)\. Write def forward\(self, x, ctx=None\)",
        ),
        (BackwardAlone(), r"^BackwardAlone\.backward: .* got \(dy\)\. Write def backward\(self, dy, ctx\)"),
    ],
)
def test_a_layer_that_cannot_be_called_as_a_model_calls_it(layer, words):
    with pytest.raises(ArgumentTypeError, match=words):
        nn.Sequential([nn.Dense(2, 3), layer])
    with pytest.raises(nn.errors.GradientCheckError, match=words):
        nn.testing.check_layer(layer)


def test_a_loss_that_takes_no_weight_is_told_so_before_training():
    model = net(3)
    words = r"^NoWeight\.value_and_grad: .* got \(pred, target\)\. Write def value_and_grad"
    with pytest.raises(ArgumentTypeError, match=words):
        model.fit(np.zeros((6, 3)), TARGETS, loss=NoWeight(), optimizer=nn.SGD(0.1))
    with pytest.raises(nn.errors.GradientCheckError, match=words):
        nn.testing.check_loss(NoWeight())


def test_a_loss_may_always_need_the_weight(rng):
    """It is always given, as None or an array."""

    class Needs(nn.Loss):
        def value_and_grad(self, pred, target, weight):
            return MSE.value_and_grad(pred, target, weight)

    X, y = rng.normal(size=(6, 3)), rng.normal(size=(6, 1))
    options = {"loss": Needs(), "optimizer": nn.SGD(0.1)}
    model = net(3)
    model.fit(X, y, epochs=1, **options)
    nn.testing.check_loss(Needs())
    nn.inspect.doctor(model, X, y, **options)
    nn.inspect.explain_step(model, X, y, **options)
    assert nn.inspect.blame(model, X, y, loss=Needs()).losses.shape == (6,)


class Careless(nn.Loss):
    def value_and_grad(self, pred, target, weight=None):
        gap = pred - target
        return (gap * gap).mean(axis=(-2, -1)), 2 * gap / gap.shape[-2]


class Careful(Careless):
    def value_and_grad(self, pred, target, weight=None):
        gap = pred - target
        share = (np.ones(gap.shape[:-1], gap.dtype) if weight is None else weight + 0 * gap[..., 0])[
            ..., None
        ]
        share /= share.sum(axis=-2, keepdims=True)
        return (share * gap * gap).sum(axis=(-2, -1)), 2 * share * gap


@pytest.mark.parametrize("replicas", [None, 3])
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"weight": np.arange(6.0)},
            r"^fit\(weight=\): expected a loss that weighs the rows, got Careless\(\)",
        ),
        ({"weight": np.arange(6) % 2}, r"^fit\(weight=\): "),
        ({"weight": [1, 1, 1, 1, 1, 2], "batch_size": 1}, None),
        ({"weight": np.full(6, 2.0)}, None),
        ({}, None),
    ],
)
def test_a_loss_that_takes_no_note_of_weights_is_told_so_once(options, words, replicas, rng):
    X, y = rng.normal(size=(6, 3)), rng.normal(size=(6, 1))
    options = {"optimizer": nn.SGD(0.01), "epochs": 3, "batch_size": 6} | options
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net(3, replicas=replicas).fit(X, y, loss=Careful(), **options)
    options["optimizer"] = nn.SGD(0.01)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        net(3, replicas=replicas).fit(X, y, loss=Careless(), **options)
    assert len(told) == (words is not None)
    for one in told:
        assert re.search(words, str(one.message))
        assert one.filename == __file__


class Noisy(Careful):
    """Draws random numbers of its own, and counts how often it is asked."""

    def __init__(self, *held):
        self.rng, self.calls, self.held = np.random.default_rng(0), 0, held

    def value_and_grad(self, pred, target, weight=None):
        self.calls += 1
        return super().value_and_grad(pred, target + self.rng.normal(size=target.shape), weight)


@pytest.mark.parametrize("weight", [np.arange(1.0, 7.0), np.full(6, 2.0)], ids=["different", "equal"])
def test_a_loss_with_a_state_is_called_once_a_batch(weight, rng):
    X, y = rng.normal(size=(6, 3)), rng.normal(size=(6, 1))
    # A lock cannot be copied.
    losses = [Noisy(), Noisy(threading.Lock())]
    for loss in losses:
        net(3).fit(X, y, weight=weight, loss=loss, optimizer=nn.SGD(0.01), batch_size=2, epochs=2)
    assert [loss.calls for loss in losses] == [6, 6]
    drawn = np.random.default_rng(0).normal(size=(7, 2, 1))[6]
    for loss in losses:
        np.testing.assert_array_equal(loss.rng.normal(size=(2, 1)), drawn)


def test_a_loss_that_takes_no_note_of_weights_of_classes(rng):
    class Blind(Careless):
        from_logits = True

    ids = (np.arange(6) % 2)[:, None]
    with pytest.warns(UserWarning, match=r"^fit\(class_weight=\): expected a loss that weighs"):
        net(3).fit(rng.normal(size=(6, 3)), ids, loss=Blind(), optimizer=nn.SGD(0.1), class_weight={1: 3.0})


def test_methods_that_take_more_than_they_are_given_are_left_alone():
    class Open(nn.Layer):
        def forward(self, *args, **kwargs):
            return 1 * args[0]

        def backward(self, dy, ctx, scale=1):
            return scale * dy

    layer = Open()
    layer.forward = lambda x, ctx=None, scale=1: scale * x
    assert nn.Sequential([layer]).predict([[1.0]]) == 1


@pytest.mark.parametrize("replicas", [None, 3])
@pytest.mark.parametrize(
    ("metric", "got"),
    [
        (lambda pred, target: (pred - target) ** 2, r"an array of shape \(6, 1\)"),
        (lambda pred, target: np.array([0.5]), r"an array of shape \(1,\)"),
        (lambda pred, target: [0.5], r"\[0\.5\]"),
        (lambda pred, target: None, "None"),
    ],
)
def test_a_metric_that_returns_anything_but_one_number(metric, got, replicas):
    words = rf"^metric 'mine': expected a function that returns one number, got {got}\. Return a float"
    model = net(3, replicas=replicas)
    before = model.params.values.copy()
    for call in (
        lambda: fit(model, np.zeros((6, 3)), metrics={"mine": metric}),
        lambda: model.evaluate(np.zeros((6, 3)), TARGETS, metrics={"mine": metric}),
    ):
        with pytest.raises(ArgumentTypeError, match=words):
            call()
    np.testing.assert_array_equal(model.params.values, before)


@pytest.mark.parametrize("number", [np.float32(0.5), np.array(0.5), 0.5])
def test_a_metric_may_return_a_number_of_numpy(number):
    metrics = {"mine": lambda pred, target: number}
    assert fit(net(3), np.zeros((6, 3)), metrics=metrics)["mine"] == [0.5]
    found = net(3, replicas=2).evaluate(np.zeros((6, 3)), TARGETS, metrics=metrics)
    assert repr(found) == "{'mine': [0.5, 0.5]}"


# Targets.


def kinds_of(y):
    pandas, polars, torch = map(pytest.importorskip, ("pandas", "polars", "torch"))
    return [y.tolist(), pandas.Series(y), polars.Series(y), torch.tensor(y)]


def test_flat_targets_are_told_what_can_be_written_behind_them():
    flat, X = np.arange(6.0), np.zeros((6, 3))
    for y in (flat, *kinds_of(flat)):
        written = "y" if y is flat else "np.asarray(y)"
        words = f"y for MeanSquaredError(): expected shape (6, 1), got (6,). Write {written}[:, None]."
        for call in (
            lambda y=y: net(3).fit(X, y, loss=MSE, optimizer=nn.SGD(0.1)),
            lambda y=y: net(3).fit(X, TARGETS, loss=MSE, optimizer=nn.SGD(0.1), validation=(X, y)),
            lambda y=y: net(3).fit([(X, y)], loss=MSE, optimizer=nn.SGD(0.1)),
            lambda y=y: net(3).loss_and_grad(X, y, MSE),
        ):
            with pytest.raises(ShapeError, match=rf"(^|: ){re.escape(words)}$"):
                call()
        assert eval(written, {"np": np, "y": y})[:, None].shape == (6, 1)


def test_what_a_loss_says_of_its_target_is_said_of_y():
    for y, loss, words in (
        (np.arange(6) % 2.0, nn.Hinge(), r"^y for Hinge\(\): expected shape"),
        (
            np.arange(6)[:, None] % 2.0,
            nn.Hinge(),
            r"^y for Hinge\(\): .* Write 2 \* y - 1 for targets 0 and 1\.$",
        ),
        (TARGETS - 1, nn.PoissonNLL(), r"^y for PoissonNLL\(\): expected counts of at least 0, got -1"),
    ):
        with pytest.raises(ArgumentError, match=words):
            net(3).fit(np.zeros((6, 3)), y, loss=loss, optimizer=nn.SGD(0.1))
    with pytest.raises(ArgumentError, match=r"^y for Hinge\(\): expected targets -1 and \+1"):
        net(3).evaluate(np.zeros((6, 3)), TARGETS, loss=nn.Hinge())


# Names.


@pytest.mark.parametrize(
    ("module", "name", "words"),
    [
        ("nnlite", "Conv3d", "over one axis and two only"),
        ("nnlite", "MultiheadAttention", r"It is SelfAttention\(features, heads\)"),
        ("nnlite", "Bidirectional", r"direction=.both. in SimpleRNN, GRU or LSTM"),
        ("nnlite", "BatchNorm2d", r"It is BatchNorm\(features\); of images BatchNorm\(features, ndim=3\)\.$"),
        ("nnlite", "GroupNorm", r"BatchNorm\(features\) and LayerNorm\(features\), .*Standardize"),
        ("nnlite", "Skip", r"It is Residual\(\[\.\.\.\]\), which adds its input"),
        (
            "nnlite",
            "merge",
            r"It is Concatenate\(\[\.\.\.\]\), which puts what its branches give side by side",
        ),
        ("nnlite", "GLU", r"It is Multiply\(\[\.\.\.\]\), with a branch that ends in Sigmoid"),
        ("nnlite.layers", "skip", r"It is Residual\("),
        ("nnlite", "ResidualBlock", r"It is Residual\("),
        ("nnlite.layers", "ModuleList", r"a Layer that holds the others: docs/own\.md"),
        ("nnlite", "ModuleList", r"a Layer that holds the others: docs/own\.md"),
        ("nnlite", "Model", "It is Sequential, .* each of which may be made of others"),
        ("nnlite", "register_buffer", r"It is State\(\)"),
        ("nnlite", "Linear", r"It is Dense\(in_features, out_features\)"),
        ("nnlite", "Module", "It is Layer"),
        ("nnlite", "Relu", r"Did you mean nnlite\.ReLU\?"),
        ("nnlite", "HeNormal", r"It is nnlite\.initializers\.HeNormal"),
        ("nnlite", "nothing_like_it", r"dir\(nnlite\) lists"),
        ("nnlite.layers", "Conv2d", r"It is Conv2D\("),
        ("nnlite.layers", "Adam", r"It is nnlite\.Adam"),
        ("nnlite.losses", "CrossEntropyLoss", r"It is SoftmaxCrossEntropy\(\), which takes logits"),
        ("nnlite.optimizers", "Adamm", r"Did you mean nnlite\.optimizers\.Adam\?"),
        ("nnlite.metrics", "acuracy", r"Did you mean nnlite\.metrics\.accuracy\?"),
        ("nnlite.schedules", "Cosine", r"Did you mean nnlite\.schedules\.CosineDecay\?"),
        ("nnlite.training.callbacks", "ModelCheckpoint", "It is Checkpoint"),
        ("nnlite.datasets", "mnist", "digits and iris"),
        ("nnlite.initializers", "Xavier", r"dir\(nnlite\.initializers\)"),
    ],
)
def test_a_name_that_is_not_there_is_answered_by_one_that_is(module, name, words):
    with pytest.raises(AttributeError, match=rf"^{module}\.{name}: expected a name of .*{words}"):
        getattr(importlib.import_module(module), name)


def test_tools_that_look_for_names_find_none():
    assert not hasattr(nn, "__wrapped__")
    assert not hasattr(nn.layers, "Conv3D")
    assert getattr(nn, "Conv3D", None) is None
    with pytest.raises(ImportError):
        importlib.import_module("nnlite.nothing")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("compile", "nothing to compile: fit takes the loss"),
        ("parameters", "model.params.values"),
        ("add", "Give all layers at once"),
        ("eval", "Nothing needs to be switched: dropout and BatchNorm"),
        ("modules", r"model\[0\] is the first; model\.walk\(\)"),
        ("named_modules", r"model\.walk\(\)"),
        ("register_forward_hook", r"model\.context\(watch="),
        ("requires_grad", r"layer\.trainable = False"),
        ("kernel", r"layer\.W"),
        ("predict_proba", "Softmax"),
        ("predct", r"Did you mean predict\?"),
        ("nothing_like_it", "There are activations, adapt, "),
    ],
)
def test_what_a_model_has_not(name, words):
    model = net(3)
    with pytest.raises(AttributeError, match=rf"^Sequential\.{name}: expected a name of .*{words}"):
        getattr(model, name)
    assert not hasattr(model, name)
    assert not hasattr(model, "__array__")
    assert pickle.loads(pickle.dumps(model)).params.size == model.params.size


def test_what_a_model_has_is_listed_without_what_is_only_answered():
    with pytest.raises(AttributeError) as told:
        net(3).nothing_like_it  # noqa: B018
    listed = str(told.value).partition("There are ")[2].rstrip(".").split(", ")
    assert {"fit", "params", "walk"} <= set(listed)
    assert [name for name in listed if not hasattr(net(3), name)] == []


HABITS = {
    "layer.weight": (lambda: nn.Dense(2, 3).weight, AttributeError, r"^Dense\.weight: .* layer\.W"),
    "layer.modules": (lambda: nn.Dense(2, 3).modules(), AttributeError, r"^Dense\.modules: .*walk\(\)"),
    "layer.add_module": (
        lambda: nn.Residual([nn.Dense(2, 2)]).add_module("f", nn.Tanh()),
        AttributeError,
        r"^Residual\.add_module: .*self\.hold\(\[layer, \.\.\.\]\) in __init__: docs/own\.md",
    ),
    "layer.register_buffer": (
        lambda: nn.BatchNorm(2).register_buffer("seen", np.zeros(1)),
        AttributeError,
        r"`name = State\(\)` in the class body",
    ),
    "layer.register_forward_hook": (
        lambda: nn.Dense(2, 2).register_forward_hook(print),
        AttributeError,
        r"a Watcher to a pass: model\.context\(watch=",
    ),
    "layer.eval": (lambda: nn.BatchNorm(2).eval(), AttributeError, "dropout and BatchNorm act in fit"),
    "layer.requires_grad_": (
        lambda: nn.Dense(2, 2).requires_grad_(False),
        AttributeError,
        r"layer\.trainable = False, or layer\.freeze",
    ),
    "loss.backward": (
        lambda: MSE.backward(),
        AttributeError,
        r"^MeanSquaredError\.backward: .*loss_and_grad",
    ),
    "zero_grad": (lambda: nn.SGD().zero_grad(), AttributeError, r"^SGD\.zero_grad: .* need no zeroing"),
    "optimizer.lr": (lambda: nn.Adam().lr, AttributeError, r"^Adam\.lr: .* optimizer\.learning_rate"),
    "optimizer.step()": (lambda: nn.SGD().step(), TypeError, r"^SGD\.step\(\): expected the argument params"),
    "history.history": (
        lambda: nn.History().history,
        AttributeError,
        r"^History\.history: .* history\['loss'\]",
    ),
    "history.plot": (lambda: nn.History().plot(), AttributeError, r"nnlite\.plot\.history\(history\)"),
    "model.history": (lambda: net(3).history, AttributeError, r"history = model\.fit"),
    "verbose": (
        lambda: net(3).predict([[0] * 3], verbose=0),
        TypeError,
        r"^Sequential\.predict\(verbose=\): ",
    ),
    "training": (lambda: net(3).forward([[0] * 3], training=True), TypeError, r"Give model\.context\(\)"),
    "x": (
        lambda: net(3).predict(x=[[0] * 3]),
        TypeError,
        r"got x=\[\[0, 0, 0\]\]\. Write X=\[\[0, 0, 0\]\]\.$",
    ),
    "Epochs": (
        lambda: net(3).fit([[0] * 3], [[1]], loss=MSE, optimizer=nn.SGD(), Epochs=3),
        TypeError,
        r"Write epochs=3",
    ),
    "seed": (lambda: net(3).initialize(seed=0), TypeError, r"Write rng=0"),
    "sample_weight": (lambda: net(3).loss_and_grad(1, 2, MSE, sample_weight=3), TypeError, r"Write weight=3"),
    "batch size": (lambda: net(3).predict([[0] * 3], 8), TypeError, r"Name the rest: batch_size=, out="),
}


@pytest.mark.parametrize("habit", HABITS)
def test_habits_from_elsewhere(habit):
    call, kind, words = HABITS[habit]
    with pytest.raises(kind, match=words):
        call()


def test_names_that_are_answered_are_not_there():
    for thing, name in (
        (nn.Dense(2, 3), "weight"), (MSE, "forward"), (nn.SGD(), "zero_grad"), (nn.History(), "history")
    ):  # fmt: skip
        assert not hasattr(thing, name)
        assert not hasattr(type(thing), name)
        assert name not in dir(thing)
        assert "__class__" in dir(thing)
        words = pydoc.plain(pydoc.render_doc(type(thing)))
        assert re.search(rf"^ \|  {name}\n \|      There is none\. \w", words, flags=re.MULTILINE)


def test_layers_losses_and_models_are_no_functions():
    for thing in (nn.Dense(2, 3), MSE, net(3)):
        assert not callable(thing)  # or they would be taken for schedules, metrics and initializers
    with pytest.raises(TypeError, match=r"SGD\(learning_rate\)"):
        nn.SGD(MSE)


def test_a_class_of_ones_own_may_have_such_names():
    class Scaled(nn.Layer):
        weight = nn.Parameter()

        def __init__(self):
            self.kernel = 3
            self.declare("weight", (2,), decay=False)

        def __call__(self, x):
            return self.forward(x)

        def forward(self, x, ctx=None):
            return x * self.weight * self.kernel

    layer = Scaled()
    assert "weight" in dir(layer)
    assert "kernel" in dir(layer)
    assert layer(np.ones((1, 2))).shape == (1, 2)


@pytest.mark.parametrize(
    ("thing", "words"),
    [
        ("relu", r"Write ReLU\(\)"),
        (np.tanh, r"Write Tanh\(\)"),
        ([nn.Dense(3, 3)], r"Write Sequential\(\[\.\.\.\]\) for layers in a row"),
        (7, "Use one of nnlite.layers"),
    ],
    ids=["text", "function", "list", "number"],
)
def test_what_is_no_layer_in_a_list_of_layers(thing, words):
    for holder in (nn.Sequential, nn.Residual):
        with pytest.raises(ArgumentTypeError, match=rf"{holder.__name__}\(layers\[1\]\): .*{words}"):
            holder([nn.Dense(2, 3), thing])
    inner = nn.Sequential([nn.Dense(2, 3)], rng=0)
    assert len(nn.Sequential([*copy.deepcopy(inner.layers), nn.Dense(3, 1)])) == 2


def test_a_parameter_takes_no_array():
    with pytest.raises(ArgumentTypeError, match=r"Parameter\(\): expected no arguments"):
        nn.Parameter(np.ones(3))


def test_estimators_say_what_to_do_with_images():
    pytest.importorskip("sklearn")
    from nnlite import sklearn as estimators

    rows = np.random.default_rng(0).normal(size=(30, 2, 2))
    labels = np.arange(30) % 3
    with pytest.raises(ShapeError, match=r"got \(30, 2, 2\)\. Write X\.reshape\(len\(X\), -1\)"):
        estimators.MLPClassifier(random_state=0).fit(rows, labels)
    fitted = estimators.MLPRegressor(random_state=0, max_iter=1, tol=10.0, n_iter_no_change=1)
    fitted.partial_fit(rows.reshape(30, -1), labels)
    with pytest.raises(ShapeError, match=r"Write X\.reshape\(len\(X\), -1\)"):
        fitted.predict(rows)


# Data sets.


def test_a_data_set_can_be_taken_for_a_pair():
    data = nn.datasets.iris()
    X, y = data
    assert data[0] is X
    assert data[1] is data[-1] is y
    for index in (2, "X", slice(2)):
        with pytest.raises(ArgumentError, match="Write X, y = data"):
            data[index]


# Files of others.


def other_files(folder):
    """Write files that are no models, and say what the message has to name."""
    model = net(3)
    np.savez(folder / "npz", a=np.ones(3))
    np.save(folder / "npy", np.ones(3))
    (folder / "npy.npy").rename(folder / "npy")
    (folder / "npz.npz").rename(folder / "npz")
    (folder / "pickle").write_bytes(pickle.dumps(model))
    (folder / "hdf5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(500))
    (folder / "onnx").write_bytes(b"\x08\x07\x12\x06nnlite\x1a\x050.1.0" + bytes(500))
    (folder / "empty").write_bytes(b"")
    (folder / "text").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    (folder / "gzip").write_bytes(b"\x1f\x8b\x08" + bytes(50))
    fit(net(3), np.zeros((6, 3)), callbacks=[nn.Checkpoint(folder / "checkpoint")])
    write_tensors(folder / "foreign", {}, {"a": np.ones(2)}, key="about", where="here")
    return {
        "npz": "npz file.*np.load",
        "npy": "an array of NumPy.*np.load",
        "pickle": "a pickle.*can run code",
        "hdf5": "HDF5.*from_keras_weights",
        "onnx": r"ONNX file. Write nnlite\.onnx\.load",
        "empty": "an empty file. Copy",
        "text": "a text",
        "gzip": "gzip.*Unpack",
        "checkpoint": r"Write fit\(\.\.\., resume=path\)",
        "foreign": r"Use a file that model\.save wrote; weights of other programs come in by nnlite\.interop",
    }


def test_files_of_others_are_called_what_they_are(tmp_path):
    for name, words in other_files(tmp_path).items():
        with pytest.raises(ModelFileError, match=words):
            nn.load(tmp_path / name)


def test_a_model_is_no_checkpoint(tmp_path):
    net(3).save(tmp_path / "net")
    with pytest.raises(ModelFileError, match=r"Write nnlite\.load\(path\)"):
        fit(net(3), np.zeros((6, 3)), resume=tmp_path / "net")


def test_files_that_other_programs_have_written(tmp_path):
    numpy_files = pytest.importorskip("safetensors.numpy")
    from safetensors import safe_open

    path = tmp_path / "net"
    nn.Sequential([nn.Dense(3, 4), nn.Dense(4, 2)], rng=0).save(path)
    with safe_open(path, "np") as file:
        metadata = file.metadata()
    numpy_files.save_file(numpy_files.load_file(path), path, metadata=metadata)
    with pytest.raises(ModelFileError, match="Another program has written the tensors in another order"):
        nn.load(path)
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(3, dtype=torch.bfloat16)}, path)
    with pytest.raises(ModelFileError, match=r"got 'a' of the kind BF16\. .*float\(\) in PyTorch"):
        nn.load(path)
    torch.save({"a": torch.zeros(3)}, path)
    with pytest.raises(ModelFileError, match=r"a file of PyTorch\. .*from_torch_state_dict"):
        nn.load(path)


def test_an_onnx_file_of_ours_is_known(tmp_path):
    pytest.importorskip("onnx")
    nn.onnx.export(net(3), tmp_path / "net.onnx")
    with pytest.raises(ModelFileError, match=r"an ONNX file\. Write nnlite\.onnx\.load\(path\)"):
        nn.load(tmp_path / "net.onnx")


# The command line.


def test_the_name_of_a_data_set_alone(capsys):
    with pytest.raises(SystemExit) as end:
        main(["iris"])
    assert end.value.code == 2
    assert "Write --data iris." in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="a process cannot send itself Ctrl-C there")
@pytest.mark.parametrize("command", [["-m", "nnlite"], ["-c", "import nnlite"]])
def test_ctrl_c_while_it_imports(command, tmp_path):
    (tmp_path / "numpy.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    root = str(Path(nn.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, *command],
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path), root))},
        capture_output=True,
        text=True,
        check=False,
    )
    if command[0] == "-m":
        assert (done.returncode, done.stderr) == (130, "python -m nnlite: stopped by Ctrl-C\n")
    else:  # a program of the user's has its own say
        assert "KeyboardInterrupt" in done.stderr


# What stands before a layer, and what to write.

IMAGE = nn.Input((8, 8, 1))
STEPS = nn.Input((8, 4))


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ([IMAGE, nn.Conv2D(1, 4, 3), nn.Dense(144, 10)], "Put Flatten((6, 6, 4)) between."),
        ([IMAGE, nn.Dense(9, 2)], "Put Flatten((8, 8, 1)) between, which gives 64 numbers."),
        ([IMAGE, nn.Conv2D(1, 4, 3), nn.Flatten((4, 6, 6))], "Write Flatten((6, 6, 4))."),
        ([IMAGE, nn.Conv2D(1, 4, 3), nn.BatchNorm(4)], "Write BatchNorm(4, ndim=3)."),
        ([IMAGE, nn.BatchNorm(64)], "Put Flatten((8, 8, 1)) between."),
        ([IMAGE, nn.BatchNorm(3)], "Write BatchNorm(1, ndim=3)."),
        ([nn.Dense(2, 3), nn.Flatten((3, 1))], "Leave Flatten out."),
        (
            [nn.Conv2D(1, 4, 3), nn.Dense(144, 2)],
            "Put Input at the front, with the sizes, and Flatten between.",
        ),
        ([STEPS, nn.LayerNorm(4)], "Write LayerNorm(4, ndim=2)."),
        ([STEPS, nn.Dense(4, 1)], "Write TimeDistributed([Dense(4, 1)]) for each step."),
        ([STEPS, nn.GlobalAveragePool()], "Write GlobalAveragePool(1)."),
        ([STEPS, nn.GRU(4, 3), nn.LSTM(3, 2)], "Write sequences=True in GRU(4, 3)."),
        ([nn.Embedding(21, 8), nn.GRU(8, 4)], "For sequences of ids write TokenEmbedding(21, 8)."),
        ([nn.Input(15), nn.Embedding(21, 8)], "For sequences of ids write TokenEmbedding(21, 8)."),
        ([nn.Input((1, 8, 8)), nn.Conv2D(1, 4, 3)], "The last axis holds the channels: Input((8, 8, 1))."),
        ([nn.Input((8, 8)), nn.Conv2D(1, 4, 3)], "Write Input((8, 8, 1))."),
        ([nn.Dense(2, 3), nn.Dense(4, 1)], "Dense(2, 3), gives (batch, 3)."),
    ],
)
def test_a_layer_that_does_not_take_what_comes(layers, words):
    with pytest.raises(ShapeError, match=re.escape(words) + "$"):
        nn.Sequential(copy.deepcopy(layers))


@pytest.mark.parametrize(
    ("layers", "shape", "words"),
    [
        ([nn.Input((8, 8, 1))], (5, 8, 8), "Write X[..., None]."),
        ([nn.Input((8, 8, 1))], (5, 1, 8, 8), "channels: write X.transpose(0, 2, 3, 1)."),
        ([nn.Input((9, 2))], (5, 2, 9), "channels: write X.transpose(0, 2, 1)."),
        ([nn.Embedding(21, 8)], (5, 15), "begin the model with Input((15,)), TokenEmbedding(21, 8)."),
        ([nn.Conv2D(1, 2, 3)], (5, 8, 8), "Put Input((height, width, 1)) before it."),
        ([nn.GRU(3, 2)], (5, 3), "Put Input((time, 3)) before it."),
    ],
)
def test_samples_of_another_shape(layers, shape, words):
    with pytest.raises(ShapeError, match=re.escape(words) + "$"):
        nn.Sequential(copy.deepcopy(layers), rng=0).predict(np.zeros(shape))


def test_what_is_called_otherwise():
    with pytest.raises(AttributeError, match=r"It is nnlite\.augment\.Flip\(\)"):
        _ = nn.augment.RandomFlip
    with pytest.raises(ArgumentTypeError, match=r"Write augment=nnlite\.augment\.Compose\(\[\.\.\.\]\)"):
        fit(net(3), np.zeros((6, 3)), augment=[nn.augment.Noise(0.1)])
    with pytest.raises(ShapeError, match=r"nnlite\.pad_sequences"):
        fit(net(3), [np.zeros((4, 3)), np.zeros((5, 3))])
    history = fit(net(3), np.zeros((6, 3)), validation=(np.zeros((6, 3)), TARGETS))
    with pytest.raises(ArgumentError, match="Did you mean 'validation_loss'"):
        history["val_loss"]
    with pytest.raises(ArgumentError, match="Use a name from that list"):
        history["f1"]
    watch = nn.EarlyStopping(monitor="validation_los")
    with pytest.raises(ArgumentError, match="Write monitor='validation_loss', or"):
        fit(net(3), np.zeros((6, 3)), validation=(np.zeros((6, 3)), TARGETS), callbacks=[watch])


def test_a_model_of_ours_is_no_graph(tmp_path):
    pytest.importorskip("onnx")
    net(3).save(tmp_path / "net.safetensors")
    with pytest.raises(ModelFileError, match=r"got a safetensors file.*Write nnlite\.load\(path\)"):
        nn.onnx.load(tmp_path / "net.safetensors")


# What is asked of a net that is made, and of its table.


def test_the_summary_shows_what_a_holder_was_given_and_names_in_one_line():
    names = [f"column {index}" for index in range(11)]
    layers = [nn.Columns(["column 3", "column 9"], of=names), nn.Dense(2, 2), *(nn.Tanh() for _ in range(8))]
    text = str(nn.Sequential([*layers, nn.ParameterGroup([nn.Dense(2, 1)], l2=0.1, max_norm=3)]).summary())
    assert "Columns(['column 3', 'column 9'], of=11 names)" in text
    assert "\n9   Tanh()" in text
    assert "\n10  ParameterGroup(l2=0.1, max_norm=3.0)" in text
    assert "\n1  Residual " in str(nn.Sequential([nn.Tanh(), nn.Residual([nn.Dense(2, 2)])]).summary())
    over_time = nn.Sequential([nn.Input((4, 2)), nn.TimeDistributed([nn.Dense(2, 2)], padding=0.0)])
    assert "\n1  TimeDistributed(padding=0.0) " in str(over_time.summary())
