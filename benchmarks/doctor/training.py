"""A training that can be changed by a program: what is in it, how it is made, and how well it does."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import nnlite as nn
from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.inspect import Diagnosis, doctor

__all__ = ["Outcome", "Task", "Trained", "Training", "layers_of", "run", "train"]

Array = NDArray[Any]

ACTIVATIONS = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "softmax": nn.Softmax,
    "elu": nn.ELU,
    "leaky": nn.LeakyReLU,
}
RECURRENT = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.SimpleRNN}
LOSSES = {
    "mse": nn.MeanSquaredError,
    "mae": nn.MeanAbsoluteError,
    "bce": nn.BinaryCrossEntropy,
    "sce": nn.SoftmaxCrossEntropy,
}


class Task(NamedTuple):
    """Rows to learn from, and rows to judge by that no training sees.

    Attributes
    ----------
    X, y : ndarray
        The rows of the program, in its order; class ids, numbers, or several labels as whole ones and zeros.
    X_test, y_test : ndarray
        The others.
    classes : int
        How many classes there are; 0 for numbers and for several labels.
    """

    X: Array
    y: Array
    X_test: Array
    y_test: Array
    classes: int


@dataclass(frozen=True)
class Training:
    """A program that trains a net, in the form in which it can be changed.

    Attributes
    ----------
    task : callable
        Makes the data.
    net : str
        The layers in their order: a number is a Dense layer of so many outputs, `conv8x3` eight kernels of
        3 x 3, `lstm16` a layer of 16 units that gives its last output; `std`, `bn`, `flat`, `pool2`,
        `drop.5`, and activations.
    loss : str
        A key of `LOSSES`.
    optimizer : str
        The name of its class.
    rate : float
        Its learning rate.
    options : dict
        Its other arguments.
    epochs, batch, shuffle, class_weight
        As for `Sequential.fit`.
    validation : float
        The share of rows to validate on: drawn at random, or the last ones if it is negative.
    divide : float
        What the features are divided by.
    first : int
        The id of the first class, which is subtracted.
    scale_y : bool
        Whether targets are standardised, and predictions turned back.
    start : str
        Empty for the layers' own first weights, `zeros`, a number for normal ones of that size, or `bias-5`
        for biases of -5 in the hidden layers.
    seed : int
        Of weights, order and dropout.
    """

    task: Callable[[], Task]
    net: str
    loss: str
    optimizer: str
    rate: float
    options: dict[str, Any] = field(default_factory=dict)
    epochs: int = 20
    batch: int = 32
    shuffle: bool = True
    class_weight: str | None = None
    validation: float = 0.0
    divide: float = 1.0
    first: int = 0
    scale_y: bool = False
    start: str = ""
    seed: int = 0

    @property
    def tokens(self) -> list[str]:
        """The layers, one by one."""
        return self.net.split()

    @property
    def outputs(self) -> int:
        """How many outputs the last Dense layer has."""
        return int([one for one in self.tokens if one.isdecimal()][-1])


class Outcome(NamedTuple):
    """What came of a training.

    Attributes
    ----------
    diagnosis : Diagnosis
        What the doctor says.
    skill : float
        The share of the way from a constant answer to the right ones, on the other rows.
    """

    diagnosis: Diagnosis
    skill: float


def layers_of(training: Training, shape: tuple[int, ...]) -> list[Any]:
    """Make the layers that the net names.

    Parameters
    ----------
    training : Training
        Says which.
    shape : tuple of int
        Of one row.

    Returns
    -------
    list of Layer
    """
    made: list[Any] = [] if len(shape) == 1 else [nn.Input(shape)]
    tokens = training.tokens
    last = max(place for place, token in enumerate(tokens) if token.isdecimal())
    for place, token in enumerate(tokens):
        size = shape[-1]
        start: dict[str, Any] = {}
        if training.start == "zeros":
            start = {"weight_initializer": nn.initializers.Zeros()}
        elif training.start.startswith("bias"):
            if place != last:
                start = {"bias_initializer": nn.initializers.Constant(float(training.start[4:]))}
        elif training.start:
            start = {"weight_initializer": _normal(float(training.start))}
        if token.isdecimal():
            made.append(nn.Dense(size, int(token), **start))
            shape = (*shape[:-1], int(token))
        elif token in ACTIVATIONS:
            made.append(ACTIVATIONS[token]())
        elif token == "std":
            made.append(
                nn.Standardize(size) if len(shape) == 1 else nn.TimeDistributed([nn.Standardize(size)])
            )
        elif token == "bn":
            made.append(nn.BatchNorm(size))
        elif token == "flat":
            made.append(nn.Flatten(shape))
            shape = (int(np.prod(shape)),)
        elif token.startswith("drop"):
            made.append(nn.Dropout(float(token[4:])))
        elif token.startswith("pool"):
            made.append(nn.MaxPool2D(int(token[4:])))
            shape = (*(side // int(token[4:]) for side in shape[:2]), size)
        elif found := re.fullmatch(r"conv(\d+)x(\d+)", token):
            kernels, side = map(int, found.groups())
            made.append(nn.Conv2D(size, kernels, side))
            shape = (*(one - side + 1 for one in shape[:2]), kernels)
        elif found := re.fullmatch(r"(lstm|gru|rnn)(\d+)", token):
            made.append(RECURRENT[found[1]](size, int(found[2])))
            shape = (int(found[2]),)
        else:
            raise ValueError(f"net: expected layers, got {token!r}. See Training.")
    return made


def _normal(size: float) -> Callable[[np.random.Generator, tuple[int, ...]], Array]:
    """Return an initializer of normal numbers of a size."""
    return lambda rng, shape: size * rng.standard_normal(shape)


class Trained(NamedTuple):
    """What a training leaves behind, as the doctor takes it.

    Attributes
    ----------
    model, X, y, loss, optimizer
        What was trained, on what.
    given : dict
        Everything else: validation, history, batch size and weights of classes.
    skill : float
        As in `Outcome`.
    """

    model: Any
    X: Array
    y: Array
    loss: Any
    optimizer: Any
    given: dict[str, Any]
    skill: float


def train(training: Training) -> Trained:
    """Train from new weights, and judge by the rows that were held back.

    Parameters
    ----------
    training : Training
        The program.

    Returns
    -------
    Trained
        Without a history if `fit` has refused it, or the loss was no number.
    """
    task = training.task()
    if training.first:
        task = task._replace(
            y=task.y - training.first,
            y_test=task.y_test - training.first,
            classes=task.classes - training.first,
        )
    X, y = (task.X / training.divide).astype(np.float32), _targets(training, task, task.y)
    loss = LOSSES[training.loss]()
    optimizer = getattr(nn, training.optimizer)(training.rate, **training.options)
    validation = None
    if training.validation:
        order = np.arange(len(X))
        if training.validation > 0:
            order = np.random.default_rng(training.seed).permutation(order)
        kept = len(X) - round(abs(training.validation) * len(X))
        validation = X[order[kept:]], y[order[kept:]]
        X, y = X[order[:kept]], y[order[:kept]]
    middle, spread = 0.0, 1.0
    if training.scale_y:
        middle, spread = float(y.mean()), float(y.std()) or 1.0
        y = (y - middle) / spread
        validation = validation and (validation[0], (validation[1] - middle) / spread)
    model = nn.Sequential(layers_of(training, X.shape[1:]), rng=training.seed)
    given: dict[str, Any] = {"validation": validation, "batch_size": training.batch}
    given["class_weight"] = training.class_weight
    history, skill = None, 0.0
    try:
        history = model.fit(
            X, y, loss=loss, optimizer=optimizer, epochs=training.epochs, shuffle=training.shuffle,
            rng=training.seed, **given,
        )  # fmt: skip
        skill = _skill(training, task, middle + spread * model.predict(task.X_test / training.divide))
    except (ArgumentError, ArgumentTypeError):  # refused, or the loss was no number: nothing was learned
        pass
    if history is None:  # which else knows how it was called
        given |= {"epochs": training.epochs, "shuffle": training.shuffle}
    return Trained(model, X, y, loss, optimizer, given | {"history": history}, skill)


def run(training: Training) -> Outcome:
    """Train, and ask the doctor.

    Parameters
    ----------
    training : Training
        The program.

    Returns
    -------
    Outcome
    """
    trained = train(training)
    return Outcome(doctor(*trained[:5], **trained.given), trained.skill)


def _targets(training: Training, task: Task, y: Array) -> Array:
    """Write targets in the form that the program would give to its loss."""
    if training.loss == "sce":
        return y
    if task.classes and training.outputs > 1:
        return np.eye(max(task.classes, training.outputs), dtype=np.float32)[y]
    return y.reshape(len(y), -1).astype(np.float32)


def _skill(training: Training, task: Task, pred: Array) -> float:
    """Return the share of the way from always the same answer to the right ones."""
    pred = np.nan_to_num(np.asarray(pred, np.float64).reshape(len(pred), -1))
    y = task.y_test
    if np.issubdtype(y.dtype, np.integer):
        edge = 0.0 if training.loss == "bce" and training.tokens[-1].isdecimal() else 0.5
        if task.classes == 0:
            said, y = pred > edge, y.astype(bool)
            usual = y.mean(axis=0)
            base = float(np.maximum(usual, 1 - usual).mean())
        else:
            if pred.shape[1] > 1:
                said = pred.argmax(axis=1)
            elif training.loss in ("mse", "mae"):
                said = np.rint(pred[:, 0]).astype(int)
            else:
                said = (pred[:, 0] > edge).astype(int)
            base = float(np.bincount(y).max() / len(y))
        right = float((said == y).mean())
        return max(0.0, (right - base) / (1 - base))
    if training.loss == "bce":  # numbers from 0 to 1
        pred = 1 / (1 + np.exp(-pred))
    y = y.reshape(pred.shape).astype(np.float64)
    return max(0.0, 1.0 - float(((pred - y) ** 2).sum() / ((y - y.mean(axis=0)) ** 2).sum()))
