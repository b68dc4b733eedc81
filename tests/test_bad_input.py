"""Bad input: every mistake gets one clear error, and leaves everything as it was."""

from __future__ import annotations

import json
import pickle
import re
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest

import nnlite as nn
from nnlite import initializers
from nnlite.data.table import TableEncoder
from nnlite.errors import ArgumentError, ArgumentTypeError, NotFittedError, ShapeError

#: The one form of all messages: <where>: expected <what>, got <value>. <fix>
FORM = re.compile(r"\S.*?: expected \S.*, got \S(.*[^.])?\. [A-Z].*[^.]\.", re.DOTALL)

ROWS = 24


class Recorder(nn.Callback):
    """Remember what was called, to see that nothing was."""

    def __init__(self):
        self.calls = 0

    def on_train_begin(self, state):
        self.calls += 1

    def on_epoch_end(self, state):
        self.calls += 1


class World:
    """A model, an optimizer with a state, callbacks, and data that fit: one mistake away from training."""

    def __init__(self, outputs=2, *, last=(), loss=None, target=None, noise=True, **options):
        rng = np.random.default_rng(0)
        self.X = rng.normal(3.0, 2.0, (ROWS, 3))
        self.y = rng.normal(size=(ROWS, outputs)) if target is None else target(rng)
        self.loss = nn.MeanSquaredError() if loss is None else loss
        layers = [nn.Standardize(3), nn.Dense(3, 5), nn.Tanh(), nn.Dense(5, outputs), *last]
        if noise:
            layers.insert(3, nn.Dropout(0.25))
        self.model = nn.Sequential(layers, rng=1, **options)
        self.model[1].freeze("b")
        self.optimizer = nn.Adam(0.01)
        self.callbacks = [Recorder()]
        self.callbacks += [nn.EarlyStopping(patience=50), nn.ReduceOnPlateau(patience=1, min_delta=10.0)]

    def fit(self, X="X", y="y", **options):
        """Train as the options say; what is not given fits."""
        X = self.X if isinstance(X, str) and X == "X" else X
        y = self.y if isinstance(y, str) and y == "y" else y
        options = {
            "loss": self.loss,
            "optimizer": self.optimizer,
            "epochs": 2,
            "batch_size": 10,
            "validation": (self.X[:6], self.y[:6]),
            "callbacks": self.callbacks,
        } | options
        return self.model.fit(X, y, **options)

    def own(self, *layers, **options):
        """Train another model, which the mistake may be in."""
        return nn.Sequential(layers, rng=0).fit(
            self.X, self.y, **{"loss": self.loss, "optimizer": nn.SGD(0.1), "epochs": 1} | options
        )

    def batches(self, *changed):
        """Give three good batches, with some of them changed."""
        parts = [(self.X[i : i + 8], self.y[i : i + 8]) for i in range(0, ROWS, 8)]
        for number, batch in changed:
            parts[number - 1] = batch
        return parts

    def snapshot(self, *, callbacks=True):
        """Return every bit that a failed call must leave alone."""
        model, optimizer = self.model, self.optimizer
        return {
            "values": model.params.values.tobytes(),
            "gradients": model.params.grads.tobytes(),
            "frozen": model.params.frozen,
            "buffers": [{k: v.tobytes() for k, v in layer.buffers.items()} for layer in model.layers],
            "generator": pickle.dumps(model.rng.bit_generator.state),
            "optimizer": pickle.dumps(optimizer.state_dict()),
            "owner": None if optimizer._owner is None else id(optimizer._owner()),
            "callbacks": [pickle.dumps(vars(c)) for c in self.callbacks] if callbacks else None,
        }


PRICE = nn.Task(nn.MeanSquaredError(), outputs=0, targets=0)
KIND = nn.Task(nn.SoftmaxCrossEntropy(), outputs=[1, 2, 3], targets=1)


def price_and_kind(rng):
    return np.column_stack([rng.normal(size=ROWS), rng.integers(0, 3, ROWS)])


def task(loss=None, *, outputs=0, targets=0, **options):
    """Make a task of which one thing is wrong."""
    return nn.Task(
        nn.MeanSquaredError() if loss is None else loss, outputs=outputs, targets=targets, **options
    )


def two_of_them(loss, targets):
    """Make a task with targets in both columns of `price_and_kind`, and one with the other outputs."""
    return nn.MultiTaskLoss({"both": task(loss, outputs=[0, 1], targets=targets), "kind": KIND})


def ids(classes):
    return lambda rng: rng.integers(0, classes, ROWS)


WORLDS = {
    "regression": World,
    "single": partial(World, 1),
    "classes": partial(World, 3, loss=nn.SoftmaxCrossEntropy(), target=ids(3)),
    "binary": partial(World, 1, loss=nn.BinaryCrossEntropy(), target=ids(2)),
    "margin": partial(World, 1, loss=nn.Hinge(), target=lambda rng: rng.choice([-1.0, 1.0], (ROWS, 1))),
    "counts": partial(World, 1, loss=nn.PoissonNLL(), target=lambda rng: rng.poisson(3.0, (ROWS, 1))),
    "tasks": lambda: World(4, loss=nn.MultiTaskLoss({"price": PRICE, "kind": KIND}), target=price_and_kind),
    "steps": partial(World, 3, loss=nn.SequenceLoss(nn.MeanSquaredError(), 3)),
    "replicas": partial(World, replicas=3),
    "calm": partial(World, noise=False),
}


@dataclass
class Case:
    """One mistake.

    `late` mistakes show in the first epoch, when the callbacks have begun already; `fitted` ones need a
    model that has been trained.
    """

    name: str
    call: object
    error: type
    message: str
    world: str = "regression"
    late: bool = False
    fitted: bool = False


def put(array, place, value):
    """Return a copy with one entry changed."""
    changed = np.array(array)
    changed[place] = value
    return changed


class Halves(nn.MeanSquaredError):
    @property
    def parts(self):
        return {"half": 0.5}


def fourth_power(pred, target):
    gap = pred - target
    return float(np.mean(gap**4)), 4 * gap**3 / gap.size


class Broadcasting(nn.Loss):
    """A learner's loss that flattens the predictions and so compares each row with every other."""

    def value_and_grad(self, pred, target, weight=None):
        return fourth_power(pred, target[:, 0])


class Scale(nn.Layer):
    """A learner's layer with an argument that JSON cannot hold."""

    def __init__(self, factor):
        self.factor = factor

    def forward(self, x, ctx=None):
        return x * x.dtype.type(self.factor)

    def backward(self, dy, ctx):
        return dy * dy.dtype.type(self.factor)


class NoNumber(nn.Callback):
    def check(self, state):
        raise ArgumentError("NoNumber", "a number", "none", "Give one.")


def frozen(layer):
    layer.freeze()
    return layer


def own_class(name):
    """Make a layer class of a given name."""
    return type(name, (nn.Tanh,), {})


def two_arguments(pred, target):
    return 0.0


def words(pred, target):
    return "good"


dense = nn.Dense
E = {"arg": ArgumentError, "type": ArgumentTypeError, "shape": ShapeError}

# One mistake a line: as a table they can be read, wrapped they cannot.
# fmt: off
# ruff: noqa: E501
INPUTS = [
    # What is wrong with X is the same wherever X goes.
    ("of rank 1", lambda X: X[:, 0], "shape", r"shape \(batch, 3\), got \(24,\)"),
    ("one row", lambda X: X[0], "shape", r"got \(3,\)\. For one row write x\[None\]\."),
    ("of rank 3", lambda X: X[None, None], "shape", r"got \(1, 1, 24, 3\)"),
    ("with a column too few", lambda X: X[:, :2], "shape", r"got \(24, 2\)\. The first layer, Standardize\(3\), fixes"),
    ("transposed", lambda X: X.T, "shape", r"got \(3, 24\)\. Write x\.T"),
    ("ragged", lambda X: [[1.0, 2.0, 3.0], [1.0]], "shape", "rows of one length, got rows of different lengths"),
    ("without rows", lambda X: X[:0], "shape", r"at least one row, got shape \(0, 3\)\. Give some data"),
    ("an empty list", lambda X: [], "shape", r"at least one row, got shape \(0,\)"),
    ("a number", lambda X: 3.0, "shape", r"at least one row, got shape \(\)"),
    ("words", lambda X: [["a", "b", "c"]], "type", r"numbers, got dtype <U1\. .*np\.unique\(names"),
    ("numbers in quotes", lambda X: X.astype(str), "type", r"Write \.astype\(float\) for numbers in quotes"),
    ("objects", lambda X: X.astype(object), "type", r"dtype object\. Write \.astype\(float\)"),
    ("None inside", lambda X: [[1.0, None, 3.0]], "type", "dtype object"),
    ("complex", lambda X: X * 1j, "type", "complex128. Give the real and the imaginary parts"),
    ("dates", lambda X: X.astype("M8[s]"), "type", "Count from a date"),
    ("a dict", lambda X: {"a": X}, "type", "an array of numbers, got dict. Give an array"),
    ("a class", lambda X: np.ndarray, "type", "got the class ndarray"),
    ("NaN", lambda X: put(X, (7, 1), np.nan), "arg", r"finite numbers, got NaN at index \(7, 1\)\. Fill or drop"),
    ("infinite", lambda X: put(X, (3, 2), -np.inf), "arg", r"finite numbers, got infinity .* at index \(3, 2\)"),
    ("too large", lambda X: put(X, (0, 0), 1e300), "arg", r"a number too large for float32\) at index \(0, 0\)"),
    ("masked", lambda X: np.ma.masked_greater(X, 4.0), "arg", "without a mask, got masked entries"),
]
PLACES = [
    ("fit", "fit(X)", lambda w, X: w.fit(X)),
    ("predict", "Sequential.predict(X)", lambda w, X: w.model.predict(X)),
    ("evaluate", "Sequential.evaluate(X)", lambda w, X: w.model.evaluate(X, w.y, loss=w.loss)),
    ("loss_and_grad", "Sequential.loss_and_grad(x)", lambda w, X: w.model.loss_and_grad(X, w.y, w.loss)),
    ("validation", "fit(validation=): X", lambda w, X: w.fit(validation=(X, w.y))),
]
CASES = [Case(f"{place}: X {name}", lambda w, call=call, change=change: call(w, change(w.X)), E[error], f"^{re.escape(where)}: expected .*{message}") for name, change, error, message in INPUTS for place, where, call in PLACES]

TARGETS = [
    ("too short", lambda y: y[:-1], "shape", r"y: expected 24 rows, as many as X, got shape \(23, 2\)"),
    ("flat", lambda y: y[:, 0], "shape", r"y for \w+\(\): expected shape \(24, 2\), got \(24,\)\. For class ids use SoftmaxCrossEntropy"),
    ("a column", lambda y: y[:, :1], "shape", r"y for \w+\(\): expected shape \(24, 2\), got \(24, 1\)\. Give the last layer as many outputs"),
    ("transposed", lambda y: y.T, "shape", r"y: expected 24 rows, as many as X, got shape \(2, 24\)\. Write y\.T"),
    ("ragged", lambda y: [[1.0]] * 23 + [[1.0, 2.0]], "shape", "rows of one length"),
    ("without rows", lambda y: y[:0], "shape", "at least one row"),
    ("a number", lambda y: 1.0, "shape", "at least one row"),
    ("words", lambda y: [["a", "b"]] * ROWS, "type", "an array of numbers, got dtype <U1"),
    ("objects", lambda y: y.astype(object), "type", "dtype object"),
    ("complex", lambda y: y * 1j, "type", "dtype complex128"),
    ("NaN", lambda y: put(y, (5, 0), np.nan), "arg", r"y for MeanSquaredError\(\): expected finite numbers, got NaN at index \(5, 0\)"),
    ("infinite", lambda y: put(y, (5, 1), np.inf), "arg", r"finite numbers, got infinity"),
    ("too large", lambda y: put(y, (5, 1), 1e200), "arg", r"a number too large for float32"),
]
CASES += [
    Case(f"{place}: y {name}", lambda w, call=call, change=change: call(w, change(w.y)), E[error], message, fitted=place == "evaluate")
    for name, change, error, message in TARGETS
    for place, call in [("fit", lambda w, y: w.fit(y=y)), ("loss_and_grad", lambda w, y: w.model.loss_and_grad(w.X, y, w.loss)), ("evaluate", lambda w, y: w.model.evaluate(w.X, y, loss=w.loss)), ("validation", lambda w, y: w.fit(validation=(w.X, y)))]
]

WEIGHTS = [
    ("negative", lambda n: put(np.ones(n), 4, -1.0), "arg", "weights of at least 0, got -1.0 in row 4. Use 0"),
    ("all zero", np.zeros, "arg", "a weight above 0, got only zeros"),
    ("NaN", lambda n: put(np.ones(n), 2, np.nan), "arg", "finite weights of at least 0, got nan in row 2"),
    ("infinite", lambda n: put(np.ones(n), 2, np.inf), "arg", "got inf in row 2"),
    ("too large", lambda n: np.full(n, 1e300), "arg", "got inf in row 0"),
    ("a column", lambda n: np.ones((n, 1)), "shape", r"weights of shape \(24,\), got shape \(24, 1\)"),
    ("too short", lambda n: np.ones(n - 1), "shape", r"weights of shape \(24,\), got shape \(23,\)"),
    ("words", lambda n: ["heavy"] * n, "type", "an array of numbers"),
    ("ragged", lambda n: [[1.0]] + [[1.0, 2.0]] * (n - 1), "shape", "rows of one length"),
]
CASES += [
    Case(f"{place}: weight {name}", lambda w, call=call, change=change: call(w, change(ROWS)), E[error], f"weight: expected .*{message}")
    for name, change, error, message in WEIGHTS
    for place, call in [
        ("fit", lambda w, weight: w.fit(weight=weight)),
        ("loss_and_grad", lambda w, weight: w.model.loss_and_grad(w.X, w.y, w.loss, weight=weight)),
        ("evaluate", lambda w, weight: w.model.evaluate(w.X, w.y, loss=w.loss, weight=weight)),
        ("validation", lambda w, weight: w.fit(validation=(w.X, w.y, weight))),
    ]
    if (place, name) != ("loss_and_grad", "all zero")  # one batch of many may count for nothing
]

CASES += [
    # Targets of each loss.
    Case("(n,) against (n, 1)", lambda w: w.fit(y=w.y[:, 0]), ShapeError, r"y for \w+\(\): expected shape \(24, 1\), got \(24,\)\. Write y\[:, None\]\.", "single"),
    Case("class id too large", lambda w: w.fit(y=put(w.y, 3, 3)), ArgumentError, "class ids from 0 to 2, got 3. Number the classes from 0, or give the last layer 4 outputs.", "classes"),
    Case("class id negative", lambda w: w.fit(y=put(w.y, 3, -1)), ArgumentError, "class ids from 0 to 2, got -1. Number the classes from 0.", "classes"),
    Case("class ids as floats", lambda w: w.fit(y=w.y * 1.0), ArgumentTypeError, r"ids that are integers, got dtype float64\. Write y\.astype\(int\)", "classes"),
    Case("fractions for class ids", lambda w: w.fit(y=w.y * 0.3), ArgumentTypeError, r"got dtype float64\. For numbers use MeanSquaredError", "classes"),
    Case("class ids with NaN", lambda w: w.fit(y=put(w.y * 1.0, 2, np.nan)), ArgumentError, "finite numbers, got NaN", "classes"),
    Case("class ids in a column", lambda w: w.fit(y=w.y[:, None]), ShapeError, r"class ids of shape \(24,\) or rows of shape \(24, 3\), got \(24, 1\)\. Write y\[:, 0\]", "classes"),
    Case("class names", lambda w: w.fit(y=np.array(["cat", "dog", "cow"])[w.y]), ArgumentTypeError, r"np\.unique\(names, return_inverse=True\)", "classes"),
    Case("one-hot of another width", lambda w: w.fit(y=nn.one_hot(w.y, classes=4)), ShapeError, r"y for \w+\(\): expected shape \(24, 3\), got \(24, 4\)\. Give the last layer as many outputs", "classes"),
    Case("soft targets that do not sum to 1", lambda w: w.fit(y=nn.one_hot(w.y) * 0.9), ArgumentError, r"rows of probabilities that sum to 1, got a sum of 0\.9 in row 0\. .*divide each row by its sum", "classes"),
    Case("a negative soft target", lambda w: w.fit(y=np.tile([1.5, 0.0, -0.5], (ROWS, 1))), ArgumentError, r"probabilities, got -0\.5 at index \(0, 2\)", "classes"),
    Case("one output for classes", lambda w: w.fit(y=np.zeros(ROWS, int), loss=nn.SoftmaxCrossEntropy()), ShapeError, "two or more classes, got 1 output. .*BinaryCrossEntropy", "single"),
    Case("yes or no above 1", lambda w: w.fit(y=w.y + 1), ArgumentError, r"targets in \[0, 1\], got 2\. Use 0 and 1", "binary"),
    Case("yes or no below 0", lambda w: w.fit(y=w.y[:, None] - 0.5), ArgumentError, r"targets in \[0, 1\], got -0\.5", "binary"),
    Case("yes or no as flat floats", lambda w: w.fit(y=w.y * 1.0), ShapeError, r"Write y\[:, None\]", "binary"),
    Case("margin targets 0 and 1", lambda w: w.fit(y=(w.y > 0) * 1.0), ArgumentError, r"targets -1 and \+1, got 0\. Write 2 \* y - 1", "margin"),
    Case("negative counts", lambda w: w.fit(y=w.y - 5), ArgumentError, "counts of at least 0, got -4. Use MeanSquaredError", "counts"),
    Case("an odd number of outputs for mean and variance", lambda w: w.fit(loss=nn.GaussianNLL()), ShapeError, "an even number of outputs, got 1. Give the last layer two", "single"),
    Case("a loss of one's own that broadcasts", lambda w: w.fit(loss=Broadcasting()), ShapeError, r"the shape of the output, \(10, 1\), got \(10, 10\)\. .*must not broadcast", "single", late=True),
    # Losses.
    Case("a loss class", lambda w: w.fit(loss=nn.MeanSquaredError), ArgumentTypeError, r"a Loss instance, got the class MeanSquaredError\. Write MeanSquaredError\(\)"),
    Case("a loss by name", lambda w: w.fit(loss="mse"), ArgumentTypeError, r"got 'mse'\. It is MeanSquaredError\(\)"),
    Case("a function as loss", lambda w: w.model.loss_and_grad(w.X, w.y, fourth_power), ArgumentTypeError, "a Loss instance, got <function fourth_power.* or subclass nnlite.Loss"),
    Case("evaluate with a loss class", lambda w: w.model.evaluate(w.X, w.y, loss=nn.Huber), ArgumentTypeError, r"Write Huber\(\)"),
    Case("Huber delta 0", lambda w: nn.Huber(0), ArgumentError, r"Huber\(delta\): expected a finite number above 0, got 0"),
    Case("quantile 1", lambda w: nn.Quantile(1.0), ArgumentError, r"\(0, 1\), got 1"),
    Case("label smoothing 1", lambda w: nn.SoftmaxCrossEntropy(label_smoothing=1), ArgumentError, r"\[0, 1\), got 1"),
    Case("Softmax before a logits loss", lambda w: w.own(dense(3, 3), nn.Softmax(), loss=w.loss), ArgumentError, r"layer 1 Softmax\(\): expected logits for SoftmaxCrossEntropy\(\), .*Leave that layer out", "classes"),
    Case("LogSoftmax before a logits loss", lambda w: nn.Sequential([dense(3, 3), nn.LogSoftmax()]).loss_and_grad(w.X, w.y, w.loss), ArgumentError, "got probabilities. Leave that layer out", "classes"),
    Case("Sigmoid before a logits loss", lambda w: nn.Sequential([dense(3, 1), nn.Sigmoid()]).evaluate(w.X, w.y, loss=w.loss), ArgumentError, r"logits for BinaryCrossEntropy\(\)", "binary"),
    # Several losses on one net.
    Case("a task of a loss class", lambda w: task(nn.Huber), ArgumentTypeError, r"Task\(loss\): .*got the class Huber\. Write Huber\(\)"),
    Case("a task of several", lambda w: task(w.loss), ArgumentTypeError, "the loss of one task, got a MultiTaskLoss. Put its tasks into the one around it", "tasks"),
    Case("a task that names an output", lambda w: task(outputs="price"), ArgumentTypeError, r"Task\(outputs=\): expected an integer of at least 0, got 'price'"),
    Case("a task with a column below 0", lambda w: task(targets=-1), ArgumentError, r"Task\(targets=\): expected an integer of at least 0, got -1"),
    Case("a task with a column twice", lambda w: task(outputs=[1, 1]), ArgumentError, r"numbers of columns that differ, got \[1, 1\]"),
    Case("a task without outputs", lambda w: task(outputs=[]), ArgumentError, r"numbers of columns that differ, got \[\]"),
    Case("a task of negative weight", lambda w: task(weight=-1), ArgumentError, r"Task\(weight=\): expected a finite number of at least 0, got -1"),
    Case("no task", lambda w: nn.MultiTaskLoss({}), ArgumentTypeError, "a dict of at least one Task by its name, got {}"),
    Case("tasks without names", lambda w: nn.MultiTaskLoss([PRICE]), ArgumentTypeError, r"a dict of at least one Task by its name, got \[Task\("),
    Case("a loss that is no task", lambda w: nn.MultiTaskLoss({"price": nn.Huber()}), ArgumentTypeError, r"Task by its name, got 'price': Huber\(\)"),
    Case("a metric of a task that the net does not have", lambda w: w.fit(metrics={"kind": nn.TaskMetric(nn.accuracy, KIND)}), ShapeError, r"Task\(.*: expected a model with an output 3, got 2 in all", late=True),
    Case("a metric of a task without a target", lambda w: w.fit(y=w.y[:, :1], loss=nn.MeanSquaredError(), validation=None, callbacks=[], metrics={"p": nn.TaskMetric(nn.r2, task(targets=1))}), ShapeError, "expected a column 1, got 1 in all", "single", late=True),
    Case("parts of a loss that are no functions", lambda w: w.fit(loss=Halves()), ArgumentTypeError, "functions \\(pred, target\\) with names, got 0.5"),
    Case("a metric of no task", lambda w: nn.TaskMetric(nn.r2, w.loss), ArgumentTypeError, "a Task of a MultiTaskLoss, got Mean"),
    Case("a metric of a task by name", lambda w: nn.TaskMetric("r2", PRICE), ArgumentTypeError, r"a function \(pred, target\), got 'r2'"),
    Case("flat targets for tasks", lambda w: w.fit(y=w.y[:, 0]), ShapeError, r"y for MultiTaskLoss, task 'price': expected a table of shape \(24, columns\), got \(24,\)\. Write y\[:, None\]", "tasks"),
    Case("targets for tasks with a column too few", lambda w: w.fit(y=w.y[:, :1]), ShapeError, "task 'kind': expected a column 1, got 1 in all. Columns count from 0", "tasks"),
    Case("a task of an output that there is not", lambda w: w.own(dense(3, 3)), ShapeError, "task 'kind': expected a model with an output 3, got 3 in all", "tasks"),
    Case("an output in no task", lambda w: w.own(dense(3, 6)), ArgumentError, "each output of the model in a task, got none for output 4 of 6", "tasks"),
    Case("a task with an id too high", lambda w: w.fit(y=w.y + 1), ArgumentError, r"y for MultiTaskLoss, task 'kind', SoftmaxCrossEntropy\(\): expected class ids from 0 to 2, got 3", "tasks"),
    Case("a task with ids that are no whole numbers", lambda w: w.fit(y=w.y / 2), ArgumentError, "task 'kind': expected class ids that are whole numbers, got 0.5", "tasks"),
    Case("a task with an infinite target", lambda w: w.fit(y=put(w.y, (3, 0), np.inf)), ArgumentError, r"task 'price', MeanSquaredError\(\): expected finite numbers, got infinity", "tasks"),
    Case("a task with as many targets as its loss does not take", lambda w: w.fit(loss=two_of_them(None, 0)), ShapeError, r"task 'both', MeanSquaredError\(\): expected shape \(24, 2\), got \(24, 1\)\. Give the task other outputs than \(0, 1\)", "tasks"),
    Case("a row with some targets of a task", lambda w: w.fit(y=put(w.y, (5, 1), np.nan), loss=two_of_them(None, [0, 1])), ArgumentError, "all targets of a row, or none, got some of them in row 5. Make a task of each column, or write Masked", "tasks"),
    Case("a task without any target", lambda w: w.fit(y=w.y * [np.nan, 1]), ArgumentError, r"Task\(MeanSquaredError.* target: expected a target that is there, in a row that counts", "tasks", late=True),
    Case("a metric with the name of a task's loss", lambda w: w.fit(metrics={"loss_price": nn.r2}), ArgumentError, "the other columns of the history", "tasks"),
    Case("weights of classes for tasks", lambda w: w.fit(class_weight="balanced"), ArgumentError, "a class for each row and nothing else, got a MultiTaskLoss. Give tasks a weight", "tasks"),
    Case("least squares of tasks", lambda w: w.fit(optimizer=nn.LevenbergMarquardt(), batch_size=None), ArgumentError, "got LevenbergMarquardt", "tasks"),
    Case("Softmax before tasks of which one takes logits", lambda w: w.own(dense(3, 4), nn.Softmax()), ArgumentError, r"layer 1 Softmax\(\): expected logits for MultiTaskLoss", "tasks"),
    # A loss at each step.
    Case("steps of a loss class", lambda w: nn.SequenceLoss(nn.Huber, 3), ArgumentTypeError, r"SequenceLoss\(loss\): .*got the class Huber\. "),
    Case("no steps", lambda w: nn.SequenceLoss(nn.Huber(), 0), ArgumentError, r"SequenceLoss\(steps\): expected an integer of at least 1, got 0"),
    Case("padding that is no id", lambda w: nn.SequenceLoss(nn.Huber(), 2, padding=np.nan), ArgumentTypeError, r"SequenceLoss\(padding=\)"),
    Case("more steps than the net has", lambda w: w.fit(loss=nn.SequenceLoss(nn.Huber(), 4)), ShapeError, "a model with the outputs of 4 steps side by side, got 3 outputs. End the model with Flatten", "steps"),
    Case("targets of fewer steps", lambda w: w.fit(y=w.y[:, :2]), ShapeError, r"y for SequenceLoss\(MeanSquaredError\(\), 3\): expected shape \(24, 3\) or \(24, 3, columns\), got \(24, 2\)", "steps"),
    Case("targets of more columns a step", lambda w: w.fit(y=np.stack([w.y, w.y], axis=-1)), ShapeError, r"targets for 1 output at each of 3 steps, got shape \(24, 3, 2\)", "steps"),
    Case("an infinite target at a step", lambda w: w.fit(y=put(w.y, (3, 0), np.inf)), ArgumentError, "finite numbers, got inf", "steps"),
    Case("steps of padding only", lambda w: w.model.evaluate(w.X, w.y * np.nan, loss=w.loss), ArgumentError, "a target that is there, in a row that counts, got missing ones only", "steps", fitted=True),
    Case("weights of classes for steps", lambda w: w.fit(class_weight="balanced"), ArgumentError, "a class for each row and nothing else, got a SequenceLoss", "steps"),
    Case("a metric of the steps of another loss", lambda w: nn.SequenceMetric(nn.r2, nn.Huber()), ArgumentTypeError, "a SequenceLoss, got"),
    Case("a metric of steps by name", lambda w: nn.SequenceMetric("r2", w.loss), ArgumentTypeError, r"a function \(pred, target\)", "steps"),
    # Optimizers.
    Case("a negative rate", lambda w: nn.SGD(-0.1), ArgumentError, r"SGD\(learning_rate\): expected a finite number above 0, got -0\.1"),
    Case("a rate of 0", lambda w: nn.Adam(0), ArgumentError, r"Adam\(learning_rate\): .* got 0"),
    Case("a rate of NaN", lambda w: nn.Adam(float("nan")), ArgumentError, "got nan"),
    Case("an infinite rate", lambda w: nn.Lion(np.inf), ArgumentError, "got inf"),
    Case("a rate that no float holds", lambda w: nn.SGD(10**400), ArgumentError, "got inf"),
    Case("a rate in quotes", lambda w: nn.SGD("0.1"), ArgumentTypeError, r"got '0\.1'\. Give a plain number"),
    Case("a truth value as rate", lambda w: nn.SGD(True), ArgumentTypeError, "got True. Give a plain number"),
    Case("no rate", lambda w: nn.SGD(None), ArgumentTypeError, "got None"),
    Case("rates for no replicas", lambda w: w.fit(optimizer=nn.SGD([0.1, 0.01])), ShapeError, r"SGD\(learning_rate=\): expected one number, for a model without replicas, got 2 numbers\. Write Sequential\(\.\.\., replicas=2\)"),
    Case("too few rates", lambda w: w.fit(optimizer=nn.SGD([0.1, 0.01])), ShapeError, "or one for each of 3 replicas, got 2 numbers", "replicas"),
    Case("too many decays", lambda w: w.fit(optimizer=nn.AdamW(weight_decay=np.ones(4))), ShapeError, r"AdamW\(weight_decay=\): .* each of 3 replicas, got 4", "replicas"),
    Case("a table of rates", lambda w: nn.SGD(np.full((2, 2), 0.1)), ShapeError, r"a number, or shape \(replicas,\), got shape \(2, 2\)"),
    Case("a rate of 0 among rates", lambda w: nn.SGD([0.1, 0.0]), ArgumentError, "a finite number above 0, got 0"),
    Case("words as rates", lambda w: nn.SGD(["a", "b"]), ArgumentTypeError, "SGD"),
    Case("a schedule with rates for others", lambda w: w.fit(optimizer=nn.SGD(lambda step: np.ones(2))), ShapeError, "each of 3 replicas, got 2", "replicas", late=True),
    Case("too few seeds", lambda w: w.fit(rng=[0, 1]), ArgumentError, r"fit\(rng=\): expected one seed, or one for each of 3 replicas, got 2 seeds", "replicas"),
    Case("a bad seed among seeds", lambda w: w.fit(rng=[0, 1, "x"]), ArgumentTypeError, "got 'x'", "replicas"),
    Case("no such replica", lambda w: w.model.replica(3), ArgumentError, r"Sequential\.replica\(index\): expected a replica from 0 to 2, got 3", "replicas"),
    Case("a replica of one net", lambda w: w.model.replica(0), ArgumentError, "expected a model with replicas, got one net"),
    Case("the best of one net", lambda w: w.model.best(nn.History()), ArgumentError, "expected a model with replicas"),
    Case("the best by another history", lambda w: w.model.best(nn.History()), ArgumentError, "the history of 3 replicas, got one of a single net", "replicas"),
    Case("an ensemble of nobody", lambda w: w.model.ensemble(w.X, members=[]), ArgumentError, "at least one replica, got none", "replicas"),
    Case("a schedule class", lambda w: nn.SGD(nn.CosineDecay), ArgumentTypeError, r"got the class CosineDecay\. Write CosineDecay\(\.\.\.\)"),
    Case("a schedule that goes below 0", lambda w: w.fit(optimizer=nn.SGD(lambda step: 0.1 - step)), ArgumentError, r"the schedule of SGD at step 1: expected .* of at least 0, got -0\.9", late=True),
    Case("a schedule that gives words", lambda w: w.fit(optimizer=nn.SGD(lambda step: "slow")), ArgumentTypeError, "the schedule of SGD at step 0: .* got 'slow'", late=True),
    Case("momentum 1", lambda w: nn.SGD(0.1, momentum=1.0), ArgumentError, r"SGD\(momentum=\): expected a finite number in \[0, 1\), got 1"),
    Case("negative momentum", lambda w: nn.RMSProp(0.1, momentum=-0.9), ArgumentError, r"RMSProp\(momentum=\)"),
    Case("Nesterov without momentum", lambda w: nn.SGD(0.1, nesterov=True), ArgumentError, r"a momentum above 0, got momentum=0\. Add momentum=0\.9"),
    Case("Nesterov in words", lambda w: nn.SGD(0.1, momentum=0.9, nesterov="yes"), ArgumentTypeError, "True or False, got 'yes'"),
    Case("beta1 of 1", lambda w: nn.Adam(beta1=1), ArgumentError, r"Adam\(beta1=\)"),
    Case("negative beta2", lambda w: nn.AdamW(beta2=-0.1), ArgumentError, r"AdamW\(beta2=\)"),
    Case("epsilon 0", lambda w: nn.Adam(epsilon=0), ArgumentError, r"Adam\(epsilon=\)"),
    Case("rho above 1", lambda w: nn.RMSProp(rho=1.5), ArgumentError, r"RMSProp\(rho=\)"),
    Case("negative weight decay", lambda w: nn.AdamW(weight_decay=-0.1), ArgumentError, r"AdamW\(weight_decay=\)"),
    Case("parameters for a rate", lambda w: nn.Adam(w.model.params), ArgumentTypeError, "number or a schedule, got Parameters. The optimizer meets the parameters in fit"),
    Case("a schedule for an optimizer", lambda w: w.fit(optimizer=nn.CosineDecay(0.1)), ArgumentTypeError, r"Write Adam\(CosineDecay\(0\.1\)\)"),
    Case("AMSGrad in words", lambda w: nn.Adam(amsgrad="yes"), ArgumentTypeError, r"Adam\(amsgrad=\): expected True or False, got 'yes'"),
    Case("NAdam's beta1 of 1", lambda w: nn.NAdam(beta1=1), ArgumentError, r"NAdam\(beta1=\)"),
    Case("a momentum that decays below 0", lambda w: nn.NAdam(momentum_decay=-0.1), ArgumentError, r"NAdam\(momentum_decay=\)"),
    Case("a penalty of a layer", lambda w: nn.Dense(2, 2, l2=0.01), ArgumentTypeError, r"Put the layer into a group: ParameterGroup\(\[Dense\(\.\.\.\)\], l2=0\.01\)"),
    Case("a bound of a layer", lambda w: nn.Dense(2, 2, kernel_constraint="max_norm"), ArgumentTypeError, r"ParameterGroup\(\[Dense\(\.\.\.\)\], max_norm=3\)"),
    Case("steps that are accumulated elsewhere", lambda w: w.fit(accumulate_grad_batches=4), ArgumentTypeError, r"Write accumulate=4"),
    Case("a negative penalty", lambda w: nn.ParameterGroup([nn.Dense(2, 2)], l1=-0.1), ArgumentError, r"ParameterGroup\(l1=\): expected a finite number of at least 0, got -0\.1"),
    Case("a penalty in words", lambda w: nn.ParameterGroup([nn.Dense(2, 2)], l2="L2"), ArgumentTypeError, r"ParameterGroup\(l2=\): expected a finite number of at least 0, got 'L2'"),
    Case("a penalty that becomes negative", lambda w: setattr(nn.ParameterGroup([nn.Dense(2, 2)]), "l2", -1), ArgumentError, r"ParameterGroup\(l2=\): expected a finite number of at least 0, got -1"),
    Case("a norm of 0", lambda w: nn.ParameterGroup([nn.Dense(2, 2)], max_norm=0), ArgumentError, r"ParameterGroup\(max_norm=\)"),
    Case("a factor that is no number", lambda w: nn.ParameterGroup([nn.Dense(2, 2)], rate_factor=np.nan), ArgumentError, r"ParameterGroup\(rate_factor=\)"),
    Case("a group of a layer without a list", lambda w: nn.ParameterGroup(nn.Dense(2, 2)), ArgumentTypeError, "a list"),
    Case("an average of everything", lambda w: nn.AveragedWeights(1.0), ArgumentError, r"AveragedWeights\(decay\): expected a finite number in \[0, 1\), got 1"),
    Case("two averages", lambda w: w.fit(callbacks=[nn.AveragedWeights(), nn.AveragedWeights()]), ArgumentError, "at most one AveragedWeights"),
    Case("batches in no pieces", lambda w: w.fit(accumulate=0), ArgumentError, r"fit\(accumulate=\): expected an integer of at least 1, got 0"),
    Case("replicas in pieces", lambda w: w.fit(accumulate=2), ArgumentError, r"fit\(accumulate=\): expected one net, got 3 replicas", "replicas"),
    Case("an augmentation that is no function", lambda w: w.fit(augment="flip"), ArgumentTypeError, r"fit\(augment=\): expected a function \(x, rng\)"),
    Case("an augmentation of fewer rows", lambda w: w.fit(augment=lambda x, rng: x[:1]), ShapeError, r"fit\(augment=\): expected an array of shape", late=True),
    Case("an augmentation of ragged rows", lambda w: w.fit(augment=lambda x, rng: [[1], [1, 2]]), ShapeError, r"fit\(augment=\): expected an array of shape .*, got rows of different lengths", late=True),
    Case("a shift by no pixel", lambda w: nn.augment.Shift(0), ArgumentError, r"Shift\(pixels\)"),
    Case("a flip more often than always", lambda w: nn.augment.Flip(1.5), ArgumentError, r"Flip\(probability\)"),
    Case("noise of less than nothing", lambda w: nn.augment.Noise(-0.1), ArgumentError, r"Noise\(scale\)"),
    Case("a chain of names", lambda w: nn.augment.Compose(["flip"]), ArgumentTypeError, r"Compose\(functions\)"),
    Case("both kinds of clipping", lambda w: nn.SGD(0.1, clip_norm=1.0, clip_value=1.0), ArgumentError, "clip_norm or clip_value, got both"),
    Case("clipping to 0", lambda w: nn.SGD(0.1, clip_norm=0), ArgumentError, r"SGD\(clip_norm=\)"),
    Case("L-BFGS without memory", lambda w: nn.LBFGS(memory=0), ArgumentError, r"LBFGS\(memory=\): expected an integer of at least 1, got 0"),
    Case("an optimizer class", lambda w: w.fit(optimizer=nn.SGD), ArgumentTypeError, r"an Optimizer instance, got the class SGD\. Write SGD\(\)"),
    Case("an optimizer by name", lambda w: w.fit(optimizer="adam"), ArgumentTypeError, r"got 'adam'\. Write Adam\(\)"),
    Case("an optimizer for a second model", lambda w: w.own(dense(3, 2), optimizer=w.optimizer), ArgumentError, "those of another model. Make a new Adam for each model", fitted=True),
    Case("a step for a second model", lambda w: w.optimizer.step(nn.Sequential([dense(3, 2)]).params), ArgumentError, r"call its reset\(\) first", fitted=True),
    Case("a state that is none", lambda w: w.optimizer.load_state_dict({}), ArgumentError, "Give what state_dict"),
    Case("L-BFGS with dropout", lambda w: w.fit(optimizer=nn.LBFGS()), ArgumentError, r"for a model with Dropout\(0\.25\), got LBFGS\. .*leave that layer out"),
    Case("L-BFGS with replicas", lambda w: w.fit(optimizer=nn.LBFGS()), ArgumentError, "for replicas, got LBFGS. Use SGD or Adam", "replicas"),
    # Layers.
    Case("no inputs", lambda w: dense(0, 2), ArgumentError, r"Dense\(in_features\): expected an integer of at least 1, got 0"),
    Case("half an output", lambda w: dense(2, 2.5), ArgumentTypeError, r"Dense\(out_features\): expected an integer .*got 2\.5"),
    Case("a size in quotes", lambda w: dense("2", 2), ArgumentTypeError, "got '2'. Give a whole number"),
    Case("a truth value as size", lambda w: dense(2, True), ArgumentTypeError, "got True"),
    Case("a bias in words", lambda w: dense(2, 2, bias="no"), ArgumentTypeError, r"Dense\(bias=\): expected True or False, got 'no'"),
    Case("sizes beyond any memory", lambda w: nn.Sequential([dense(10**9, 10**9)]), ArgumentError, "a size that fits into memory, got 1,000,000,001,000,000,000 numbers"),
    Case("an initializer by name", lambda w: dense(2, 2, weight_initializer="he"), ArgumentTypeError, r"got 'he'\. Give an instance such as nnlite\.initializers\.HeNormal\(\)"),
    Case("an initializer class", lambda w: dense(2, 2, weight_initializer=initializers.HeNormal), ArgumentTypeError, "got the class HeNormal. Give an instance"),
    Case("an initializer that gives another shape", lambda w: nn.Sequential([dense(2, 3, weight_initializer=lambda rng, shape: np.ones(3))]), ArgumentError, r"the initializer of W to give shape \(2, 3\), got \(3,\)"),
    Case("a matrix initializer for a bias", lambda w: nn.Sequential([dense(2, 3, bias_initializer=initializers.Orthogonal())]), ShapeError, r"For a bias or a gain use Zeros\(\)"),
    Case("dropping everything", lambda w: nn.Dropout(1.0), ArgumentError, r"Dropout\(rate\): expected a finite number in \[0, 1\), got 1"),
    Case("a negative dropout rate", lambda w: nn.Dropout(-0.1), ArgumentError, r"got -0\.1"),
    Case("limits that are one", lambda w: nn.Clip(1.0, 1.0), ArgumentError, r"Clip\(high\): expected a number above 1.0, got 1.0"),
    Case("no finite limit", lambda w: nn.Clip(0.0, float("inf")), ArgumentError, r"Clip\(high\): expected a finite number"),
    Case("slopes for no features", lambda w: nn.PReLU(0), ArgumentError, r"PReLU\(features\)"),
    Case("slopes that are shared by a word", lambda w: nn.PReLU(3, shared="yes"), ArgumentTypeError, r"PReLU\(shared=\)"),
    Case("rows of another width for PReLU", lambda w: nn.PReLU(3).forward(np.zeros((2, 4))), ShapeError, r"PReLU\(3\): expected input of shape \(batch, 3\)"),
    Case("a slope of NaN", lambda w: nn.LeakyReLU(float("nan")), ArgumentError, "a finite number, got nan. Give an ordinary number"),
    Case("ELU alpha 0", lambda w: nn.ELU(0), ArgumentError, r"ELU\(alpha\)"),
    Case("GELU in words", lambda w: nn.GELU(approximate="tanh"), ArgumentTypeError, r"GELU\(approximate=\): expected True or False"),
    Case("branches that are no list", lambda w: nn.Concatenate(dense(2, 1)), ArgumentTypeError, r"Concatenate\(branches\): expected a list of layers, got Dense"),
    Case("no branches", lambda w: nn.Add([]), ArgumentError, r"Add\(branches\): expected at least one layer"),
    Case("a function for a branch", lambda w: nn.Multiply([dense(2, 1), np.tanh]), ArgumentTypeError, r"Multiply\(branches\[1\]\): expected a layer, got <ufunc"),
    Case("a branch twice", lambda w: (lambda one: nn.Add([one, one]))(dense(2, 1)), ArgumentError, r"Add\(branches\[1\]\): expected a layer that is not in the list yet"),
    Case("a branch of a model", lambda w: nn.Add([w.model[0]]), ArgumentError, r"Add\(branches\[0\]\): expected a layer that is in no model"),
    Case("branches of different inputs", lambda w: nn.Concatenate([dense(2, 1), dense(3, 1)]), ShapeError, r"Concatenate\(branches\[1\] Dense\(3, 1\)\): expected input of shape \(batch, 2\)"),
    Case("sums of different widths", lambda w: nn.Add([dense(2, 1), dense(2, 3)]), ShapeError, r"Add\(branches\[1\] Dense\(2, 3\)\): expected output of shape \(batch, 1\)"),
    Case("products of different widths", lambda w: nn.Multiply([nn.Input(2), dense(2, 1)]), ShapeError, r"Multiply\(branches\[1\]"),
    Case("a picture beside a row", lambda w: nn.Concatenate([nn.Input((2, 2)), nn.Flatten((2, 2))]), ShapeError, r"Concatenate\(branches\[1\]"),
    Case("no columns", lambda w: nn.Columns([], of=3), ArgumentError, r"Columns\(columns\): expected columns that differ, at least one, got none"),
    Case("an empty slice", lambda w: nn.Columns(slice(2, 2), of=3), ArgumentError, r"Columns\(columns\): .* got none"),
    Case("a slice of names", lambda w: nn.Columns(slice("a", "b"), of=["a", "b"]), ArgumentTypeError, r"Columns\(columns\): expected a slice of whole numbers"),
    Case("a slice that goes on by 0", lambda w: nn.Columns(slice(0, 2, 0), of=3), ArgumentTypeError, r"Columns\(columns\): expected a slice of whole numbers"),
    Case("a column twice", lambda w: nn.Columns([0, -3], of=3), ArgumentError, r"Columns\(columns\): expected columns that differ"),
    Case("a column that is not there", lambda w: nn.Columns([3], of=3), ArgumentError, r"Columns\(columns\): expected a column of 3, from 0 to 2, got 3"),
    Case("half a column", lambda w: nn.Columns([0.5], of=3), ArgumentTypeError, r"Columns\(columns\): expected an integer"),
    Case("a truth value for a column", lambda w: nn.Columns([True], of=3), ArgumentTypeError, r"Columns\(columns\): expected an integer"),
    Case("a name without names", lambda w: nn.Columns(["age"], of=3), ArgumentError, r"Columns\(columns\): expected numbers of columns, .* of=list\(frame\)"),
    Case("an unknown name", lambda w: nn.Columns(["agee"], of=["age", "height"]), ArgumentError, r"Columns\(columns\): expected one of 'age', 'height', got 'agee'"),
    Case("names of columns twice", lambda w: nn.Columns([0], of=["a", "a"]), ArgumentError, r"Columns\(of=\): expected names that differ"),
    Case("columns of nothing", lambda w: nn.Columns([0], of=0), ArgumentError, r"Columns\(of=\): expected an integer of at least 1, got 0"),
    Case("columns of a word", lambda w: nn.Columns([0], of="age"), ArgumentTypeError, r"Columns\(of=\): expected an integer"),
    Case("columns of numbers", lambda w: nn.Columns([0], of=[1, 2]), ArgumentTypeError, r"Columns\(of=\): expected names of columns, or their number"),
    Case("columns of wider rows", lambda w: nn.Columns([0], of=3).forward(np.ones((2, 4))), ShapeError, r"Columns\(\[0\], of=3\): expected input of shape \(batch, 3\), got \(2, 4\)"),
    Case("layers for each part that are none", lambda w: nn.TimeDistributed(dense(2, 1)), ArgumentTypeError, r"TimeDistributed\(layers\): expected a list of layers"),
    Case("layers for each part that do not fit", lambda w: nn.TimeDistributed([dense(2, 1), dense(2, 1)]), ShapeError, r"TimeDistributed\(layers\): layer 1 Dense\(2, 1\): expected input"),
    Case("a word for padding", lambda w: nn.TimeDistributed([dense(2, 1)], padding="0"), ArgumentTypeError, r"TimeDistributed\(padding=\): expected a finite number, got '0'"),
    Case("padding that is no number", lambda w: nn.TimeDistributed([dense(2, 1)], padding=np.nan), ArgumentError, r"TimeDistributed\(padding=\)"),
    Case("rows for sequences", lambda w: nn.TimeDistributed([dense(2, 1)]).forward(np.ones((5, 2))), ShapeError, r"TimeDistributed: expected input of shape \(batch, time, 2\), got \(5, 2\)"),
    Case("images of which the size is open behind what takes anything", lambda w: w.own(nn.Concatenate([nn.Tanh(), nn.ReLU()]), nn.PReLU(4, ndim=3)), ShapeError, r"samples of any shape.*Put Input\("),
    Case("sequences of which the length is open", lambda w: w.own(nn.TimeDistributed([dense(2, 1)])), ShapeError, r"Put Input\("),
    Case("names that columns are not chosen from", lambda w: setattr(nn.Sequential([nn.Columns(["a"], of=["a", "b"])]), "feature_names", ["b", "a"]), ArgumentError, r"Sequential\.feature_names: expected the columns that layer 0 chooses from"),
    Case("an embedding of nothing", lambda w: nn.layers.Embedding([], 2), ArgumentError, r"Embedding\(categories\): expected at least one column, got none"),
    Case("an embedding of no category", lambda w: nn.layers.Embedding([3, 0], 2), ArgumentError, r"Embedding\(categories\): .* got 0"),
    Case("an embedding of words", lambda w: nn.layers.Embedding("ab", 2), ArgumentTypeError, r"Embedding\(categories\): .* got 'ab'"),
    Case("an embedding without width", lambda w: nn.layers.Embedding(3, 0), ArgumentError, r"Embedding\(features\): .* got 0"),
    Case("an id that is too large", lambda w: w.own(nn.layers.Embedding(3, 2, numeric=2), dense(4, 2)), ArgumentError, r"Embedding\(\(3,\), 2, numeric=2\): expected ids from 0 to 2 in column 2, got .* in row \d+\. Ids count from 0"),
    Case("an encoder for no model", lambda w: nn.Sequential([dense(2, 1)], preprocessing=TableEncoder().fit({"a": [1, 2]})), ArgumentError, r"Sequential\(preprocessing=\): .* got 1 numbers a row\. Begin the model with encoder\.layer"),
    Case("an encoder that saw no table", lambda w: nn.Sequential([dense(2, 1)], preprocessing=TableEncoder()), NotFittedError, r"TableEncoder\(\): expected a fitted encoder, .* Call its fit\(frame\)"),
    Case("a table without a column", lambda w: TableEncoder().fit({"a": [1], "b": [2]}).transform({"a": [1]}), ArgumentError, r"TableEncoder\.transform\(frame\): expected the columns that fit saw, 'b' among them"),
    Case("text in a column of numbers", lambda w: TableEncoder().fit({"a": [1]}).transform({"a": ["x"]}), ArgumentError, r"TableEncoder\.transform\(frame\['a'\]\): expected numbers, got 'x' in row 0"),
    Case("dates in a table", lambda w: TableEncoder().fit({"a": np.array(["2020-01-01"], "M8[D]")}), ArgumentTypeError, r"frame\['a'\]\): .* got datetime64\[D\]\. Count days from a date"),
    Case("sequences without an axis of steps", lambda w: nn.Sequential([nn.Input((5, 3)), nn.GRU(3, 2)], rng=0).predict(w.X), ShapeError, r"Sequential\.predict\(X\): expected shape \(batch, 5, 3\), got \(24, 3\)"),
    Case("sequences without an axis of steps, of a layer", lambda w: nn.GRU(3, 2).forward(w.X), ShapeError, r"GRU\(3, 2\): expected input of shape \(batch, time, 3\), of at least one step, got \(24, 3\)\. A sequence has"),
    Case("sequences of no steps", lambda w: nn.LSTM(3, 2).forward(np.zeros((4, 0, 3))), ShapeError, r"got \(4, 0, 3\)"),
    Case("sequences of other features", lambda w: nn.SimpleRNN(3, 2).forward(np.zeros((4, 5, 2))), ShapeError, r"\(batch, time, 3\), of at least one step, got \(4, 5, 2\)"),
    Case("a recurrent layer behind rows", lambda w: nn.Sequential([nn.Dense(3, 4), nn.GRU(4, 2)]), ShapeError, r"layer 1 GRU\(4, 2\)"),
    Case("a direction that is none", lambda w: nn.GRU(3, 2, direction="up"), ArgumentError, r"GRU\(direction=\): expected 'forward', 'backward' or 'both', got 'up'"),
    Case("a direction by a truth value", lambda w: nn.LSTM(3, 2, direction=True), ArgumentError, r"LSTM\(direction=\): .* got True"),
    Case("sequences by a number", lambda w: nn.LSTM(3, 2, sequences=1), ArgumentTypeError, r"LSTM\(sequences=\): expected True or False, got 1"),
    Case("no units", lambda w: nn.SimpleRNN(3, 0), ArgumentError, r"SimpleRNN\(units\): .* got 0"),
    Case("padding by a word", lambda w: nn.GRU(3, 2, padding="same"), ArgumentTypeError, r"GRU\(padding=\): expected a finite number, got 'same'"),
    Case("padding of NaN", lambda w: nn.GRU(3, 2, padding=np.nan), ArgumentError, r"GRU\(padding=\): expected a finite number, got nan"),
    Case("padding that float32 rounds", lambda w: nn.GRU(3, 2, padding=0.1), ArgumentError, r"GRU\(padding=\): expected a number that float32 holds exactly, got 0\.1\. Fill up with 0\.0"),
    Case("padding beyond float32", lambda w: nn.GRU(3, 2, padding=1e300), ArgumentError, r"GRU\(padding=\): expected a number that float32 holds"),
    Case("weights of a gate drawn by no function", lambda w: nn.GRU(3, 2, weight_initializer=0.1), ArgumentTypeError, r"GRU\(initializer\): .* got 0\.1"),
    Case("weights of a gate of another shape", lambda w: nn.GRU(3, 2, weight_initializer=lambda rng, shape: np.zeros((3, 5))).W, ArgumentError, r"the initializer of W to give shape \(3, 6\), got \(3, 15\)"),
    Case("heads that do not divide", lambda w: nn.SelfAttention(6, 4), ArgumentError, r"SelfAttention\(heads=\): expected a number that divides 6, got 4\. Use one of 1, 2, 3, 6"),
    Case("attention without heads", lambda w: nn.SelfAttention(6, 0), ArgumentError, r"SelfAttention\(heads=\): .* got 0"),
    Case("attention over rows", lambda w: nn.SelfAttention(3).forward(w.X), ShapeError, r"\(batch, time, 3\), of at least one step, got \(24, 3\)"),
    Case("more steps than places", lambda w: nn.Sequential([nn.Input((5, 3)), nn.PositionEmbedding(4, 3)]), ShapeError, r"PositionEmbedding\(4, 3\): expected at most 4 steps, got 5"),
    Case("a token that is none", lambda w: nn.Sequential([nn.Input((2,)), nn.TokenEmbedding(4, 3)], rng=0).predict([[0, 1], [4, 2]]), ArgumentError, r"TokenEmbedding\(4, 3\): expected ids from 0 to 3, got 4 in step 0 of row 1\. Count all tokens"),
    Case("padding that is no token", lambda w: nn.TokenEmbedding(4, 3, padding=4), ArgumentError, r"TokenEmbedding\(padding=\): expected an id from 0 to 3, or None, got 4"),
    Case("a half as padding of tokens", lambda w: nn.TokenEmbedding(4, 3, padding=0.5), ArgumentTypeError, r"TokenEmbedding\(padding=\): .* got 0\.5"),
    Case("too many tokens", lambda w: nn.TokenEmbedding(2**25, 3), ArgumentError, r"TokenEmbedding\(tokens\): expected at most 16,777,216"),
    Case("one sequence of tokens alone", lambda w: nn.TokenEmbedding(4, 3).forward(np.zeros(5)), ShapeError, r"expected input of shape \(batch, time\), got \(5,\)"),
    Case("Flatten of nothing", lambda w: nn.Flatten(()), ArgumentError, "at least one size"),
    Case("Flatten of a half", lambda w: nn.Flatten(2.5), ArgumentTypeError, r"got 2\.5"),
    Case("Reshape to fewer", lambda w: nn.Reshape((4, 2), (7,)), ArgumentError, r"of 8 numbers.* got \(7,\) of 7"),
    Case("Reshape to nothing", lambda w: nn.Reshape((4, 2), ()), ArgumentError, "at least one size"),
    Case("Permute of one axis twice", lambda w: nn.Permute((0, 0)), ArgumentError, "each axis of a sample once"),
    Case("Permute of axes from 1 on", lambda w: nn.Permute((2, 3, 1)), ArgumentError, "from 0 on"),
    Case("Permute of rows", lambda w: nn.Permute((1, 0)).forward(np.ones((5, 2))), ShapeError, "samples of 2 axes"),
    Case("a window of no size", lambda w: nn.Conv2D(1, 2, 0), ArgumentError, "at least 1, got 0"),
    Case("a window of half a size", lambda w: nn.Conv2D(1, 2, (3, 1.5)), ArgumentTypeError, r"got 1\.5"),
    Case("a window of three sizes", lambda w: nn.Conv2D(1, 2, (3, 3, 3)), ArgumentError, "height, width"),
    Case("a window of two sizes on time", lambda w: nn.Conv1D(1, 2, (3, 3)), ArgumentTypeError, r"got \(3, 3\)"),
    Case("stride 0", lambda w: nn.Conv2D(1, 2, 3, stride=0), ArgumentError, "at least 1, got 0"),
    Case("dilation 0", lambda w: nn.Conv1D(1, 2, 3, dilation=0), ArgumentError, "at least 1, got 0"),
    Case("padding below 0", lambda w: nn.Conv2D(1, 2, 3, padding=-1), ArgumentError, "at least 0, got -1"),
    Case("padding by another word", lambda w: nn.Conv2D(1, 2, 3, padding="valid"), ArgumentError, "'same'.*is 0"),
    Case("causal images", lambda w: nn.Conv2D(1, 2, 3, padding="causal"), ArgumentError, "got 'causal'"),
    Case("groups that do not divide", lambda w: nn.Conv2D(4, 6, 3, groups=4), ArgumentError, "divisor of .* 4 and 6"),
    Case("no groups", lambda w: nn.Conv2D(4, 6, 3, groups=0), ArgumentError, "at least 1, got 0"),
    Case("no channels", lambda w: nn.Conv2D(0, 6, 3), ArgumentError, "at least 1, got 0"),
    Case("pooling by nothing", lambda w: nn.MaxPool2D(0), ArgumentError, "at least 1, got 0"),
    Case("pooling by stride 0", lambda w: nn.AveragePool1D(2, stride=0), ArgumentError, "at least 1, got 0"),
    Case("pooling of padding", lambda w: nn.MaxPool2D((4, 3), padding=2), ArgumentError, "at most half the window"),
    Case("global pooling of cubes", lambda w: nn.GlobalMaxPool(3), ArgumentError, "1 or 2, got 3"),
    Case("padding of images in a mean", lambda w: nn.GlobalAveragePool(padding=0.0), ArgumentError, "None for images, got 0. Write GlobalAveragePool\\(1, padding=...\\) for sequences"),
    Case("a mean with padding that float32 does not hold", lambda w: nn.GlobalAveragePool(1, padding=0.1), ArgumentError, r"GlobalAveragePool\(padding=\): expected a number that float32 holds exactly, got 0.1"),
    Case("a mean with padding that is no number", lambda w: nn.GlobalAveragePool(1, padding="same"), ArgumentTypeError, r"GlobalAveragePool\(padding=\)"),
    Case(
        "images smaller than a window",
        lambda w: nn.Conv2D(1, 2, 3, dilation=2).forward(np.ones((5, 4, 9, 1))),
        ShapeError,
        "a height that a window of 5 fits into, got 4",
    ),
    Case(
        "sequences shorter than a window, with padding",
        lambda w: nn.Conv1D(1, 2, 7, padding=1).forward(np.ones((5, 3, 1))),
        ShapeError,
        r"a time that a window of 7 fits into, got 3 and padding of 1 \+ 1",
    ),
    Case(
        "images smaller than a pooling",
        lambda w: nn.Sequential([nn.Input((4, 1, 2)), nn.MaxPool2D(2)]),
        ShapeError,
        "a width that a window of 2 fits into, got 1",
    ),
    Case(
        "images without channels",
        lambda w: nn.Conv2D(1, 2, 3).forward(np.ones((5, 8, 8))),
        ShapeError,
        r"\(batch, height, width, 1\), got \(batch, 8, 8\).*X\[\.\.\., None\]",
    ),
    Case(
        "images with other channels",
        lambda w: nn.Conv2D(3, 2, 3).forward(np.ones((5, 3, 8, 8))),
        ShapeError,
        r"\(batch, height, width, 3\), got \(batch, 3, 8, 8\)",
    ),
    Case(
        "pooling of rows",
        lambda w: nn.MaxPool1D(2).forward(np.ones((5, 8))),
        ShapeError,
        r"\(batch, time, features\), got \(batch, 8\)",
    ),
    Case(
        "global pooling of rows",
        lambda w: nn.GlobalAveragePool().forward(np.ones((5, 8))),
        ShapeError,
        r"\(batch, height, width, channels\), got \(batch, 8\)",
    ),
    Case(
        "a convolution behind rows",
        lambda w: nn.Sequential([nn.Dense(4, 3), nn.Conv2D(3, 2, 3)]),
        ShapeError,
        r"\(batch, any, any, 3\), got \(batch, 3\)",
    ),
    Case(
        "an image of open size",
        lambda w: nn.Sequential([nn.Conv2D(1, 2, 3)]).predict(np.ones((5, 8, 8, 1))),
        ShapeError,
        r"sizes that are known.*Put Input\(\(8, 8, 1\)\) before it",
    ),
    Case("no features", lambda w: nn.Standardize(0), ArgumentError, r"Standardize\(features\)"),
    Case("adapt to words", lambda w: nn.Standardize(1).adapt([["a"]]), ArgumentTypeError, r"Standardize\(1\)\.adapt: expected an array of numbers"),
    Case("adapt to infinity", lambda w: nn.Standardize(1).adapt(np.array([[1.0], [np.inf]])), ArgumentError, "NaN, infinity or a number too large for float32 in feature 0"),
    Case("adapt to other features", lambda w: nn.Standardize(2).adapt(w.X), ShapeError, r"data of shape \(rows, 2\), got \(24, 3\)"),
    Case("adapt to nothing", lambda w: nn.Standardize(2).adapt(np.zeros((0, 2))), ArgumentError, "at least one row, got none"),
    Case("predict before anything is measured", lambda w: nn.Sequential([nn.Standardize(3)]).predict(w.X), NotFittedError, r"Call its adapt\(X\), or fit the model"),
    Case("loss_and_grad before anything is measured", lambda w: nn.Sequential([nn.Standardize(3), dense(3, 2)]).loss_and_grad(w.X, w.y, w.loss), NotFittedError, "a layer that has seen no data"),
    Case("model.adapt to NaN", lambda w: w.model.adapt(put(w.X, (0, 0), np.nan)), ArgumentError, r"Sequential\.adapt\(X\): expected finite numbers"),
    Case("a new array for a weight", lambda w: setattr(w.model[1], "W", np.zeros((3, 5))), ArgumentError, r"Dense\(3, 5\)\.W: expected to be written in place, got a new array\. Write layer\.W\[\.\.\.\] = a\."),
    Case("a new array for all values", lambda w: setattr(w.model.params, "values", w.model.params.values * 2), ArgumentError, r"Write params\.values\[\.\.\.\] = a\."),
    Case("a new array for all gradients", lambda w: setattr(w.model.params, "grads", np.zeros(3)), ArgumentError, r"Write params\.grads\[\.\.\.\] = a\."),
    Case("a new array by name", lambda w: w.model.params.__setitem__("1.W", np.zeros((3, 5))), ArgumentError, r"Write params\['1\.W'\]\[\.\.\.\] = a\."),
    Case("a new array for a gradient", lambda w: setattr(w.model.context().layers[1].grads, "W", np.zeros((3, 5))), ArgumentError, r"ctx\.grads\.W: .*Write ctx\.grads\.W\[\.\.\.\] = a\."),
    Case("a parameter that is not there", lambda w: w.model.params["1.w"], ArgumentError, "one of 1.W, 4.W, 1.b, 4.b, got '1.w'"),
    Case("freezing what is not there", lambda w: w.model[1].freeze("W", "bias"), ArgumentError, r"Dense\(3, 5\): expected one of W, b, got 'bias'"),
    Case("freezing in a layer without parameters", lambda w: w.model[2].freeze("W"), ArgumentError, r"Tanh\(\): expected a layer with parameters, got one without"),
    # Building a model.
    Case("no layers", lambda w: nn.Sequential([]), ArgumentError, "at least one layer, got an empty list"),
    Case("not a list", lambda w: nn.Sequential(dense(2, 1)), ArgumentTypeError, r"a list of layers, got Dense\(2, 1\)\. Write Sequential\(\[\.\.\.\]\)"),
    Case("a layer class", lambda w: nn.Sequential([dense(2, 1), nn.ReLU]), ArgumentTypeError, r"Sequential\(layers\[1\]\): expected a layer, got the class ReLU\. Write ReLU\(\.\.\.\)"),
    Case("a layer by name", lambda w: nn.Sequential([dense(2, 1), "relu"]), ArgumentTypeError, r"a layer, got 'relu'. Write ReLU\(\)"),
    Case("a function as layer", lambda w: nn.Sequential([dense(2, 1), np.tanh]), ArgumentTypeError, r"a layer, got <ufunc 'tanh'>. Write Tanh\(\)"),
    Case("the same layer twice", lambda w: nn.Sequential([(same := dense(2, 2)), same]), ArgumentError, r"the same Dense\(2, 2\) as at 0\. Make a new layer for each place"),
    Case("a layer of another model", lambda w: nn.Sequential([w.model[1]]), ArgumentError, r"Dense\(3, 5\), which belongs to one\. .*copy\.deepcopy\(layer\)"),
    Case("sizes that do not follow", lambda w: nn.Sequential([dense(4, 63), nn.ReLU(), dense(64, 10)]), ShapeError, r"layer 2 Dense\(64, 10\): expected input of shape \(batch, 64\), got \(batch, 63\)"),
    Case("half precision", lambda w: World(dtype=np.float16), ArgumentError, r"Sequential\(dtype=\): expected float32 or float64, got float16"),
    Case("integer weights", lambda w: World(dtype=int), ArgumentError, "got int64"),
    Case("no dtype", lambda w: World(dtype=None), ArgumentTypeError, "got None"),
    Case("a dtype that is none", lambda w: World(dtype="float23"), ArgumentTypeError, "got 'float23'"),
    Case("no replicas", lambda w: World(replicas=0), ArgumentError, r"Sequential\(replicas=\): expected an integer of at least 1, got 0"),
    Case("half a replica", lambda w: World(replicas=1.5), ArgumentTypeError, r"got 1\.5"),
    Case("a seed in words", lambda w: nn.Sequential([dense(1, 1)], rng="seed"), ArgumentTypeError, r"Sequential\(rng=\): expected a non-negative integer"),
    Case("a negative seed", lambda w: nn.Sequential([dense(1, 1)], rng=-1), ArgumentError, r"got -1\. Give a seed such as 0"),
    Case("NumPy's module as seed", lambda w: w.model.initialize(rng=np.random), ArgumentTypeError, r"Sequential\.initialize\(rng=\)"),
    # Options of fit.
    Case("a seed of 1.5", lambda w: w.fit(rng=1.5), ArgumentTypeError, r"fit\(rng=\): .*got 1\.5"),
    Case("epochs 0", lambda w: w.fit(epochs=0), ArgumentError, r"fit\(epochs=\): expected an integer of at least 1, got 0"),
    Case("half an epoch", lambda w: w.fit(epochs=0.5), ArgumentTypeError, r"got 0\.5"),
    Case("batch size 0", lambda w: w.fit(batch_size=0), ArgumentError, r"fit\(batch_size=\): expected an integer of at least 1, got 0"),
    Case("batch size -1", lambda w: w.fit(batch_size=-1), ArgumentError, "got -1"),
    Case("batch size 2.5", lambda w: w.fit(batch_size=2.5), ArgumentTypeError, r"got 2\.5\. Give a whole number"),
    Case("predict in batches of 0", lambda w: w.model.predict(w.X, batch_size=0), ArgumentError, r"Sequential\.predict\(batch_size=\)"),
    Case("evaluate in batches of 0", lambda w: w.model.evaluate(w.X, w.y, loss=w.loss, batch_size=0), ArgumentError, r"Sequential\.evaluate\(batch_size=\)"),
    Case("shuffle in words", lambda w: w.fit(shuffle="no"), ArgumentTypeError, r"fit\(shuffle=\): expected True or False, got 'no'"),
    Case("everything frozen", lambda w: w.own(frozen(dense(3, 2))), ArgumentError, r"no trainable parameters\. Call unfreeze\(\)"),
    Case("nothing to train", lambda w: w.own(nn.Tanh(), loss=w.loss), ArgumentError, "no trainable parameters. Add a Dense layer"),
    Case("X without y", lambda w: w.fit(y=None), ArgumentTypeError, "ndarray and no y. Give the targets too"),
    # Metrics.
    Case("a metric that is no list", lambda w: w.fit(metrics=nn.r2), ArgumentTypeError, r"a list or dict of functions, got <function r2.*Write metrics=\[r2\]"),
    Case("a metric by name", lambda w: w.fit(metrics=["accuracy"]), ArgumentTypeError, "got 'accuracy'. Give functions such as nnlite.accuracy"),
    Case("a metric without a name", lambda w: w.fit(metrics=[partial(nn.top_k_accuracy, k=2)]), ArgumentTypeError, 'write {"name": function} for one without a name'),
    Case("the same metric twice", lambda w: w.fit(metrics=[nn.r2, nn.r2]), ArgumentError, "names that differ .*a name of its own for each"),
    Case("a metric called loss", lambda w: w.fit(metrics={"loss": nn.r2}), ArgumentError, "the other columns of the history"),
    Case("a metric with the name of a column", lambda w: w.fit(metrics={"validation_loss": nn.r2}), ArgumentError, "the other columns of the history"),
    Case("a metric for other outputs", lambda w: w.fit(metrics=[nn.accuracy]), ShapeError, r"accuracy\(pred=\): .*use binary_accuracy", "single", late=True),
    Case("a metric without weights", lambda w: w.fit(weight=np.ones(ROWS), metrics=[two_arguments]), ArgumentTypeError, "metric 'two_arguments': expected .*got one that takes no weight. Add an argument weight=None", late=True),
    Case("a metric that gives words", lambda w: w.fit(metrics=[words]), ArgumentTypeError, "metric 'words': expected a function that returns one number, got 'good'", late=True),
    Case("evaluate nothing", lambda w: w.model.evaluate(w.X, w.y), ArgumentError, "a loss or metrics, got neither"),
    # Callbacks.
    Case("a callback class", lambda w: w.fit(callbacks=[nn.EarlyStopping]), ArgumentTypeError, r"got the class EarlyStopping\. Write EarlyStopping\(\)"),
    Case("no callbacks", lambda w: w.fit(callbacks=None), ArgumentTypeError, r"a list of Callback instances, got None\. Write callbacks=\[EarlyStopping\(\)\]"),
    Case("a function as callback", lambda w: w.fit(callbacks=[print]), ArgumentTypeError, "or subclass nnlite.Callback"),
    Case("a callback that refuses", lambda w: w.fit(callbacks=[*w.callbacks, NoNumber()]), ArgumentError, "NoNumber: expected"),
    Case("monitoring what is not there", lambda w: w.fit(callbacks=[*w.callbacks, nn.EarlyStopping(monitor="accuracy")]), ArgumentError, r"EarlyStopping\(monitor=\): expected one of .*loss, .*got 'accuracy'\. Give fit a metric of that name, or monitor='loss'"),
    Case("monitoring validation that is not there", lambda w: w.fit(validation=None), ArgumentError, "got 'validation_loss'. Give fit validation data, or monitor='loss'"),
    Case("monitoring a number", lambda w: nn.EarlyStopping(monitor=5), ArgumentTypeError, "the name of a column, got 5"),
    Case("monitoring what has no numbers", lambda w: w.fit(optimizer=nn.LBFGS(), callbacks=[nn.EarlyStopping(monitor="learning_rate")]), ArgumentTypeError, "a column of numbers, got None", "calm", late=True),
    Case("no patience", lambda w: nn.EarlyStopping(patience=0), ArgumentError, r"EarlyStopping\(patience=\)"),
    Case("a direction in words", lambda w: nn.EarlyStopping(higher_is_better="yes"), ArgumentTypeError, "True or False, got 'yes'"),
    Case("a factor of 1", lambda w: nn.ReduceOnPlateau(factor=1.0), ArgumentError, r"ReduceOnPlateau\(factor=\)"),
    Case("lowering a rate that is not there", lambda w: w.fit(optimizer=nn.LBFGS()), ArgumentError, "ReduceOnPlateau: expected an optimizer with a learning rate, got LBFGS", "calm"),
    Case("no time", lambda w: nn.TimeLimit(0), ArgumentError, r"TimeLimit\(seconds\)"),
    Case("a bar in words", lambda w: nn.ProgressBar(disable="no"), ArgumentTypeError, "True or False"),
    # Validation.
    Case("validation 0", lambda w: w.fit(validation=0.0), ArgumentError, r"fit\(validation=\): expected a finite number in \(0, 1\), got 0"),
    Case("validation 1", lambda w: w.fit(validation=1), ArgumentError, "got 1"),
    Case("validation 1.5", lambda w: w.fit(validation=1.5), ArgumentError, r"got 1\.5"),
    Case("validation True", lambda w: w.fit(validation=True), ArgumentTypeError, "got True"),
    Case("validation in words", lambda w: w.fit(validation="some"), ArgumentTypeError, r"a tuple \(X, y\) .*got str\. Write validation=\(X, y\)"),
    Case("validation of less than a row", lambda w: w.fit(validation=0.01), ArgumentError, "a part of the 24 rows that leaves some on both sides, got 0.01, which holds out 0. Give a fraction from 0.042 to 0.96"),
    Case("validation without targets", lambda w: w.fit(validation=(w.X,)), ArgumentTypeError, "got tuple of 1 items"),
    Case("validation X alone", lambda w: w.fit(validation=w.X), ArgumentTypeError, "got ndarray"),
    Case("validation as a list", lambda w: w.fit(validation=[w.X, w.y]), ArgumentTypeError, r"got list of 2 items\. Write validation=\(X, y\)"),
    Case("validation from a generator", lambda w: w.fit(validation=iter(w.batches())), ArgumentTypeError, "got list_iterator. .*a generator can be used only once"),
    Case("validation with a bad batch", lambda w: w.fit(validation=w.batches((2, (w.X, w.y[:5])))), ShapeError, r"fit\(validation=\), batch 2: y: expected 24 rows", late=True),
    Case("a fraction of a stream", lambda w: w.fit(w.batches(), None, validation=0.5), ArgumentError, "the fraction 0.5. Give a second re-iterable"),
    # Streams.
    Case("a generator", lambda w: w.fit(iter(w.batches()), None), ArgumentTypeError, "list_iterator and no y. A generator can be used only once: give a list"),
    Case("a generator and y", lambda w: w.fit(iter(w.batches())), ArgumentTypeError, "an array of numbers, got list_iterator. Give an array"),
    Case("no batches", lambda w: w.fit([], None), ArgumentError, "at least one batch, got none", late=True),
    Case("batches of one item", lambda w: w.fit(w.batches((2, (w.X,))), None), ArgumentTypeError, r"fit, batch 2: batch: expected \(x, y\) or \(x, y, weight\), got 1 items", late=True),
    Case("batches of four items", lambda w: w.fit(w.batches((2, (w.X, w.y, w.y, w.y))), None), ArgumentTypeError, "batch 2: .*got 4 items", late=True),
    Case("batches that are arrays", lambda w: w.fit(w.batches((3, w.X)), None), ArgumentTypeError, "batch 3: .*got ndarray. Yield tuples", late=True),
    Case("NaN in the last batch", lambda w: w.fit(w.batches((3, (w.X * np.nan, w.y))), None), ArgumentError, r"fit, batch 3: x: expected finite numbers, got NaN at index \(0, 0\)", late=True),
    Case("another width in the last batch", lambda w: w.fit(w.batches((3, (w.X[:, :2], w.y))), None), ShapeError, "fit, batch 3: x: expected shape", late=True),
    Case("weights in one batch only", lambda w: w.fit(w.batches((2, (w.X, w.y, np.ones(ROWS)))), None), ArgumentError, "batch 2: weight: expected a batch without weights, like the first, got a batch with weights", late=True),
    Case("weights in all batches but one", lambda w: w.fit(w.batches((1, (w.X, w.y, np.ones(ROWS)))), None), ArgumentError, "got a batch without weights. Give weights in all or in none", late=True),
    Case("ids in one batch, one-hot in the other", lambda w: w.fit(w.batches((2, (w.X, nn.one_hot(w.y)))), None), ShapeError, r"batch 2: y: expected shape \(rows,\), like the first batch, got \(rows, 3\)", "classes", late=True),
    Case("weights beside batches", lambda w: w.fit(w.batches(), None, weight=np.ones(ROWS)), ArgumentError, r"weights inside the batches, got an array beside them"),
    Case("evaluate a generator", lambda w: w.model.evaluate(iter(w.batches()), loss=w.loss), ArgumentTypeError, r"Sequential\.evaluate\(X\): .* got list_iterator and no y\. A generator can be used only once"),
    Case("evaluate no batches", lambda w: w.model.evaluate([], loss=w.loss), ArgumentError, r"Sequential\.evaluate: expected at least one batch"),
    Case("evaluate a bad batch", lambda w: w.model.evaluate(w.batches((2, (w.X, w.y[:, :1]))), loss=w.loss), ShapeError, r"Sequential\.evaluate, batch 2: y: expected shape \(rows, 2\)", fitted=True),
    Case("evaluate with weights beside batches", lambda w: w.model.evaluate(w.batches(), loss=w.loss, weight=np.ones(ROWS)), ArgumentError, "weights inside the batches"),
    # Replicas.
    Case("an X for each of others", lambda w: w.fit(np.stack([w.X] * 2)), ShapeError, r"got \(2, 24, 3\)", "replicas"),
    Case("a y for each of others", lambda w: w.fit(y=np.stack([w.y] * 2)), ShapeError, r"got \(2, 24, 2\)|got shape \(2, 24, 2\)", "replicas"),
    Case("weights for others", lambda w: w.fit(weight=np.ones((2, ROWS))), ShapeError, r"weights of shape \(3, 24\), got shape \(2, 24\)", "replicas"),
    Case("a replica without weight", lambda w: w.fit(weight=np.stack([np.ones(ROWS)] * 2 + [np.zeros(ROWS)])), ArgumentError, "a weight above 0, got only zeros", "replicas"),
    Case("an X for other replicas", lambda w: w.model.predict(np.stack([w.X] * 2)), ShapeError, r"got \(2, 24, 3\)", "replicas"),
    # The explicit passes.
    Case("forward with another width", lambda w: w.model.forward(w.X[:, :1]), ShapeError, r"Sequential\.forward\(x\): expected shape \(batch, 3\), got \(24, 1\)"),
    Case("activations of another width", lambda w: w.model.activations(w.X[:, :1]), ShapeError, r"Sequential\.activations\(x\)"),
    Case("a truth value as context", lambda w: w.model.forward(w.X, True), ArgumentTypeError, r"a context of this model, got True\. Write ctx = model\.context\(\)"),
    Case("the context of another model", lambda w: w.model.loss_and_grad(w.X, w.y, w.loss, ctx=nn.Sequential([dense(1, 1)]).context()), ArgumentTypeError, "got that of another model"),
    Case("backward before forward", lambda w: w.model.backward(w.y, w.model.context()), ArgumentError, r"Call model\.forward\(x, ctx\) first"),
    Case("backward without a context", lambda w: w.model.backward(w.y, None), ArgumentError, "got None. Call model.forward"),
    Case("a gradient buffer of another size", lambda w: w.model.context(grads=np.zeros(3)), ShapeError, r"an array of shape \(\.\.\., 32\), got \(3,\)"),
    Case("a seed in words for a context", lambda w: w.model.context(rng="seed"), ArgumentTypeError, r"Sequential\.context\(rng=\)"),
    Case("a layer with another width", lambda w: w.model[1].forward(w.X[:, :2]), ShapeError, r"Dense\(3, 5\): expected input of shape \(batch, 3\), got \(24, 2\)"),
    Case("dropout without a generator", lambda w: nn.Dropout(0.5).forward(w.X, nn.Context(nn.layers.Gradients({}))), ArgumentError, "a random generator in training"),
    # Files.
    Case("an argument that JSON cannot hold", lambda w: nn.Sequential([Scale(np.float32(2.0))]).save("never"), ArgumentError, r"save, layer 0 Scale\(np\.float32\(2\.0\)\): expected arguments that JSON can hold"),
    Case("a function as an argument", lambda w: nn.Sequential([Scale(abs)]).save("never"), ArgumentError, r"Override config\(\)"),
    Case("a class of a taken name", lambda w: nn.Sequential([own_class("ReLU")()]).save("never"), ArgumentError, "got ReLU. Rename your class"),
    Case("save to a number", lambda w: w.model.save(5), ArgumentTypeError, r"save\(path\): expected a path, got 5"),
    Case("load from nothing", lambda w: nn.load(None), ArgumentTypeError, r"load\(path\): expected a path, got None"),
    Case("custom objects in a list", lambda w: nn.load("never", custom_objects=[Scale]), ArgumentTypeError, "a dict from names to subclasses of Layer"),
    Case("a custom object that is no class", lambda w: nn.load("never", custom_objects={"Scale": Scale(1.0)}), ArgumentTypeError, "Write {'MyLayer': MyLayer}"),
]
# fmt: on


def test_no_case_is_there_twice():
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names) >= 60


@pytest.mark.parametrize(
    ("case", "fitted"),
    [
        pytest.param(case, fitted, id=f"{case.name}, {'fitted' if fitted else 'new'}")
        for case in CASES
        for fitted in (False, True)
        if fitted or not case.fitted
    ],
)
def test_a_mistake_gets_a_clear_error_and_changes_nothing(case, fitted):
    world, untouched = WORLDS[case.world](), WORLDS[case.world]()
    if fitted:
        world.fit()
        untouched.fit()
    before = world.snapshot(callbacks=not case.late)

    with pytest.raises((ValueError, TypeError)) as caught:
        case.call(world)

    error = caught.value
    text = str(error)
    assert type(error) is case.error, text
    assert FORM.fullmatch(text), text
    assert re.search(case.message, text, re.DOTALL), text
    assert (error.where, error.expected, error.got, error.fix) == error.args
    assert world.snapshot(callbacks=not case.late) == before

    # Training goes on as if nothing had happened, to the last bit.
    history, expected = world.fit(), untouched.fit()
    assert history["loss"] == expected["loss"]
    assert world.snapshot(callbacks=False)["values"] == untouched.snapshot(callbacks=False)["values"]


def test_layers_of_a_model_that_could_not_be_made_are_free_again():
    first, second = dense(2, 3), dense(3, 1, weight_initializer=lambda rng, shape: np.ones(shape[::-1]))
    kept = first.W.copy()
    with pytest.raises(ArgumentError, match="the initializer of W"):
        nn.Sequential([first, second])
    with pytest.raises(ArgumentError, match="non-negative integer"):
        nn.Sequential([first], rng=-1)
    first.freeze("b")
    model = nn.Sequential([first, dense(3, 1)], rng=0)
    np.testing.assert_array_equal(model[0].W, kept)
    assert model.params.frozen == {"0.b"}


class SpoiledLater:
    """Batches that are good in the first epoch and bad in the second."""

    def __init__(self, world):
        self.world = world
        self.passes = 0

    def __iter__(self):
        self.passes += 1
        batches = self.world.batches()
        return iter([batches[0], (batches[1][0] * np.nan, batches[1][1])] if self.passes == 2 else batches)


def test_what_was_learned_before_a_stream_went_bad_is_kept():
    world, expected = World(noise=False), World(noise=False)
    for w in (world, expected):
        w.model.adapt(w.X)
    expected.fit(expected.batches(), None, epochs=1)
    expected.fit(expected.batches()[:1], None, epochs=1)
    with pytest.raises(ArgumentError, match="fit, batch 2: x: expected finite numbers"):
        world.fit(SpoiledLater(world), None, epochs=5, callbacks=[])
    np.testing.assert_array_equal(world.model.params.values, expected.model.params.values)
    assert world.optimizer.steps == 4


def test_an_error_of_the_users_own_is_not_touched_and_keeps_the_weights():
    world = World()

    class Fails(nn.Callback):
        def on_epoch_end(self, state):
            raise RuntimeError("mine")

    before = world.snapshot()["values"]
    with pytest.raises(RuntimeError, match=r"^mine$"):
        world.fit(callbacks=[Fails()])
    assert world.snapshot()["values"] != before


def test_every_callback_hears_of_the_end():
    ended = []

    class End(nn.Callback):
        def __init__(self, name):
            self.name = name

        def on_train_end(self, state):
            ended.append(self.name)
            if self.name == "first":
                raise RuntimeError("cannot end")

    with pytest.raises(RuntimeError, match="cannot end"):
        World().fit(callbacks=[End("first"), End("second")])
    assert ended == ["first", "second"]


def test_metrics_become_plain_numbers():
    world = WORLDS["classes"]()

    def single(pred, target):
        return np.float32(0.5)

    history = world.fit(metrics=[single], callbacks=[])
    assert json.loads(history.to_json())["rows"][0]["single"] == 0.5


def test_a_context_of_the_own_model_and_a_buffer_of_the_own_size_are_taken():
    world = World()
    world.model.adapt(world.X)
    ctx = world.model.context(grads=np.zeros_like(world.model.params.grads), input_gradient=True)
    y = world.model.forward(world.X, ctx)
    assert world.model.backward(np.ones_like(y), ctx).shape == world.X.shape


def test_arithmetic_in_place_is_no_new_array():
    model = nn.Sequential([dense(1, 1)], rng=0)
    before = model.params.values.copy()
    model.params.values *= 2
    model.params["0.W"] *= 2
    model[0].W *= 2
    np.testing.assert_array_equal(model.params.values, before * [8, 2])
    model.params.grads += 1
    assert model.params.grads.tolist() == [1, 1]
