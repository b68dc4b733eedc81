"""What is beside a net: an even guess, the best answer that is always the same, and a linear model."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from nnlite.core.aliases import AnyArray, Array
from nnlite.core.cross_entropy import SoftmaxCrossEntropy
from nnlite.core.losses import Loss, PointwiseLoss
from nnlite.data.splits import k_folds
from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.inspect.float64_copy import Float64Copy, paid
from nnlite.inspect.numbers import number, plain
from nnlite.layers import BatchNorm, Dense, Embedding, Flatten, Layer, Standardize
from nnlite.losses import Hinge, Masked
from nnlite.losses.binary_cross_entropy import BinaryCrossEntropy
from nnlite.model import Sequential
from nnlite.optimizers.second_order import LBFGS
from nnlite.sweeps.evidence import best_constant, first_answer
from nnlite.training.inside import stops

__all__ = ["NoBaseline", "baseline", "constant_answer", "fit_linear", "linear_model"]

#: So many outputs of the best constant answer are named.
NAMED = 4
#: Iterations of L-BFGS, which a smooth problem without hidden layers needs.
ITERATIONS = 100
#: So many parts of the rows, each held out once, say when a linear model is to stop.
FOLDS = 5


class NoBaseline(Exception):
    """There is nothing to compare with; the message says why."""


def baseline(loss: Loss, net: Float64Copy, pred: Array) -> dict[str, Any]:
    """Measure what a net would score that knows nothing.

    Parameters
    ----------
    loss : Loss
        What is measured.
    net : Float64Copy
        The net and the batch.
    pred : ndarray of shape (rows, outputs)
        The prediction, of which only the shape counts.

    Returns
    -------
    dict
        ``"value"``, a float or None if there is no such answer, and ``"text"``.

    Examples
    --------
    >>> import nnlite as nn
    >>> model = nn.Sequential([nn.Dense(1, 3)], rng=0)
    >>> net = Float64Copy(model, np.ones((2, 1)), np.array([0, 2]), None, nn.SoftmaxCrossEntropy())
    >>> baseline(nn.SoftmaxCrossEntropy(), net, np.zeros((2, 3)))["text"]
    'an even guess between 3 classes, ln 3'
    """
    inner = loss.loss if isinstance(loss, Masked) else loss
    even = _even_guess(inner, pred.shape[-1])
    if even is not None and inner is not loss:
        even += "; 0 where the target is missing"
    with np.errstate(all="ignore"):
        if even is not None:
            value = paid(loss, np.zeros(pred.shape), net.y, net.weight)
            return {"value": plain(value), "text": even}
        if not _differ(net.y):
            # One constant fits them all, and that is no sign of knowing anything.
            answer = net.predict(np.zeros_like(net.start))
            value = paid(loss, answer, net.y, net.weight)
            text = f"a net whose weights are all 0, which answers {_list(answer[0])}"
            return {"value": plain(value), "text": text}
        value, constant = constant_answer(loss, net.y, net.weight, pred.shape)
    if not math.isfinite(value):
        return {"value": None, "text": "no constant answer with a finite loss was found"}
    return {"value": value, "text": f"the best constant answer, {_list(constant)}"}


def _even_guess(loss: Loss, outputs: int) -> str | None:
    if type(loss) is SoftmaxCrossEntropy:
        return f"an even guess between {outputs} classes, ln {outputs}"
    if type(loss) is BinaryCrossEntropy and loss.pos_weight is None:
        return "an even guess between yes and no, ln 2"
    if type(loss) is Hinge:
        return "an answer of 0, undecided between -1 and +1"
    return None


def _differ(target: AnyArray) -> bool:
    """Tell whether the rows have targets that differ."""
    first = target[:1]
    return not np.array_equal(
        target, np.broadcast_to(first, target.shape), equal_nan=target.dtype.kind == "f"
    )


def constant_answer(
    loss: Loss, y: AnyArray, weight: Array | None, shape: tuple[int, ...]
) -> tuple[float, Array]:
    """Find the best answer that is the same for every row.

    Parameters
    ----------
    loss : Loss
        What is to be low.
    y, weight : ndarray, or None for equal weights
        Targets and weights of rows, prepared.
    shape : tuple of int
        That of the predictions, (rows, outputs).

    Returns
    -------
    float, ndarray of shape (outputs,)
        The loss, infinite if none is finite, and the answer.

    Examples
    --------
    >>> from nnlite import MeanAbsoluteError
    >>> constant_answer(MeanAbsoluteError(), np.array([[0.0], [2.0], [9.0]]), None, (3, 1))
    (3.0, array([2.]))
    """
    return best_constant(loss, y, weight, shape, _starts(loss, y, weight, shape))


def _starts(loss: Loss, y: AnyArray, weight: Array | None, shape: tuple[int, ...]) -> Iterator[Array]:
    """Give constant answers from which the best one is looked for."""
    yield first_answer(loss, y, weight, shape)
    if y.shape == shape:
        yield _middle(y, weight)
        if isinstance(loss, PointwiseLoss):
            yield _best_targets(loss, y, weight)


def _middle(target: Array, weight: Array | None) -> Array:
    """Return the mean of each column, without what is missing."""
    share = np.ones(len(target)) if weight is None else weight
    there = ~np.isnan(target) * share[:, None]
    count = np.maximum(there.sum(axis=0), np.finfo(float).tiny)
    middle: Array = (np.nan_to_num(target) * there).sum(axis=0) / count
    return middle


def _best_targets(loss: PointwiseLoss, y: AnyArray, weight: Array | None) -> Array:
    """Return for each column the target that is the best constant answer, as losses with kinks have it."""
    share = np.ones(len(y)) if weight is None else weight
    columns = []
    for column in y.T:
        candidates = np.unique(column[~np.isnan(column)])
        if not candidates.size:
            columns.append(0.0)
            continue
        # Not all of many: first some that lie far apart, then those around the best of these.
        apart = math.ceil(math.sqrt(len(candidates)))
        coarse = apart * _cheapest(loss, candidates[::apart], column, share)
        near = candidates[max(coarse - apart, 0) : coarse + apart + 1]
        columns.append(float(near[_cheapest(loss, near, column, share)]))
    return np.array(columns)


def _cheapest(loss: PointwiseLoss, candidates: Array, column: Array, share: Array) -> int:
    """Return the place of the constant answer that costs least in one column of targets."""
    paid = np.array(
        [
            share @ loss.pointwise(np.full((len(column), 1), each), column[:, None])[0][:, 0]
            for each in candidates
        ]
    )
    return int(np.where(np.isnan(paid), np.inf, paid).argmin())


def _list(values: Array) -> str:
    shown = ", ".join(number(value) for value in values.ravel()[:NAMED].tolist())
    return shown + (", ..." if values.size > NAMED else "")


def linear_model(model: Sequential, x: Any, *, takes_ids: bool = False) -> Sequential:
    """Make a model without hidden layers for the same data, which `fit_linear` trains.

    Parameters
    ----------
    model : Sequential
        The net beside which it is to stand.
    x : ndarray or CSR matrix
        Its input, checked.
    takes_ids : bool
        Whether there is one too where the net begins with an `Embedding`, with a number for each category.

    Returns
    -------
    Sequential

    Raises
    ------
    NoBaseline
        If there is none: the net is linear itself, or takes ids of categories.

    Examples
    --------
    >>> from nnlite import ReLU
    >>> net = Sequential([Dense(2, 8), ReLU(), Dense(8, 3)], rng=0)
    >>> linear_model(net, np.zeros((5, 2)))
    Sequential([Standardize(2), Dense(2, 3)], dtype=float64)
    """
    of_ids = [layer for _, layer in model.walk() if isinstance(layer, Embedding) and layer.categories]
    if of_ids and not (takes_ids and len(of_ids) == 1 and type(model.layers[0]) is Embedding):
        raise NoBaseline("ids of categories are no numbers for a linear model")
    learned = [stop.layer for stop in stops(model) if stop.learned]
    if sum(not isinstance(layer, BatchNorm | Embedding) for layer in learned) < 2:
        raise NoBaseline("the model is linear itself")
    width, outputs = math.prod(x.shape[1:]), model.boundary.pred_shape(x)[-1]
    layers: list[Layer] = [Flatten(x.shape[1:])] if x.ndim > 2 else []
    if of_ids:  # which has a number for each category and output, as Dense has behind a one-hot encoding
        first = Embedding(of_ids[0].categories, outputs, numeric=of_ids[0].numeric)
        layers, width = [first], first.output_shape(x.shape[1:])[0]
    elif isinstance(x, np.ndarray):
        layers.append(Standardize(width))
    layers.append(Dense(width, outputs))
    return Sequential(layers, dtype=np.float64, rng=0)


def fit_linear(
    linear: Sequential, x: Any, y: AnyArray, weight: Array | None, loss: Loss, *, stop_early: bool = False
) -> None:
    """Train a linear model.

    Parameters
    ----------
    linear : Sequential
        What `linear_model` made.
    x, y, weight : ndarray, or None for equal weights
        The rows, prepared.
    loss : Loss
        What is lowered.
    stop_early : bool
        Whether it is trained only for as many iterations as are best in a cross-validation with five folds.
        A linear model that has learned its rows by heart is easily beaten.

    Raises
    ------
    NoBaseline
        If the targets are the input, as those of an autoencoder, or `fit` refuses.

    Examples
    --------
    >>> from nnlite import MeanSquaredError
    >>> x = np.linspace(0, 1, 20)[:, None]
    >>> linear = Sequential([Standardize(1), Dense(1, 1)], dtype=np.float64, rng=0)
    >>> fit_linear(linear, x, 2 * x + 1, None, MeanSquaredError(), stop_early=True)
    >>> linear.predict([[3.0]]).round(3)
    array([[7.]])
    """
    if isinstance(x, np.ndarray) and x.shape == y.shape and (x == y).all():
        raise NoBaseline("the targets are the input, which a linear model repeats")
    options: dict[str, Any] = {"loss": loss, "epochs": ITERATIONS, "rng": 0}
    curves = []
    try:
        for kept, held_out in zip(*k_folds(len(y), FOLDS, rng=0), strict=True) if stop_early else ():
            some, others = ((None if weight is None else weight[rows]) for rows in (kept, held_out))
            history = copy.deepcopy(linear).fit(
                x[kept],
                y[kept],
                optimizer=LBFGS(),
                weight=some,
                validation=(x[held_out], y[held_out], others)[: 2 if weight is None else 3],
                **options,
            )
            # It has converged where there are fewer.
            curves.append(np.pad(history["validation_loss"], (0, ITERATIONS - len(history)), mode="edge"))
        if stop_early:
            options["epochs"] = 1 + int(np.mean(curves, axis=0).argmin())
        linear.fit(x, y, optimizer=LBFGS(), weight=weight, **options)
    except (ArgumentError, ArgumentTypeError) as error:
        raise NoBaseline(f"the linear model could not be fitted: {error.got}") from None
