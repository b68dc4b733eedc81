"""Would more rows help? A model is trained on more and more of them, and measured on others."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from nnlite.checks.nets import check_net
from nnlite.core.aliases import RNG, AnyArray, Array
from nnlite.core.losses import Loss
from nnlite.data.checks import check_weight
from nnlite.data.conversion import is_frame, is_sparse, take_rows
from nnlite.data.splits import train_test_split
from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.errors.arguments import explained
from nnlite.errors.checks import check_integer, check_number, check_rng
from nnlite.metrics import Metric
from nnlite.model import Sequential
from nnlite.optimizers.second_order import FullBatchOptimizer
from nnlite.training.anew import like
from nnlite.training.attribution import scorer
from nnlite.training.work import only_ours, takes_replicas

__all__ = ["LearningCurve", "learning_curve"]

#: The first number of rows, as a part of all.
FIRST = 0.1


class LearningCurve(NamedTuple):
    """How well a model does after training on more and more rows; made by `learning_curve`.

    Parameters
    ----------
    sizes : ndarray of int of shape (sizes,)
        Numbers of rows that were trained on.
    training, validation : ndarray of shape (sizes, repeats)
        The score on these rows, and on the ones held out.
    metric : str
        What the score is.

    Examples
    --------
    >>> LearningCurve(np.array([10, 20]), np.zeros((2, 3)), np.zeros((2, 3)), "loss").metric
    'loss'
    """

    sizes: AnyArray
    training: Array
    validation: Array
    metric: str


@explained
def learning_curve(
    model: Any,
    X: Any,
    y: Any,
    *,
    metric: Metric | Loss | None = None,
    sizes: int | Sequence[int] = 6,
    repeats: int = 3,
    validation: float = 0.25,
    weight: Any = None,
    rng: RNG = 0,
    **fit: Any,
) -> LearningCurve:
    """Train on more and more rows, several times each, and measure on them and on rows held out.

    Where the two scores have met, more rows like these will not help, but another net may; where
    they are far apart, more rows will.

    Parameters
    ----------
    model : Sequential, or estimator with ``fit`` and ``predict``
        Is left as it is: nets like it with new weights are trained, as replicas for each number of rows; with
        `LBFGS` and the like, or with a layer or loss of your own, in turn, as copies of an estimator are.
    X, y : array-like
        The data.
    metric : function (pred, target) or Loss, optional
        What is measured; by default the loss that is given for training, and of an estimator its ``score``.
    sizes : int or sequence of int
        The numbers of rows, or how many of them: from a tenth of those for training up to all, in equal
        ratios.
    repeats : int
        How many times each is trained, each time with other rows held out, other rows, and other weights.
    validation : float
        The part that is held out. Of class ids it has their proportions.
    weight : array-like of shape (rows,), optional
        How much each row counts, in training and in what is measured. An estimator is given it as
        ``sample_weight``.
    rng : int, Generator or None
        Draws rows and seeds.
    **fit : object
        For `Sequential.fit`, such as `loss`, `optimizer` and `epochs`; or for the ``fit`` of the estimator.
        Optimizers and callbacks are copied.

    Returns
    -------
    LearningCurve

    Raises
    ------
    ShapeError, ArgumentError, ArgumentTypeError
        If the data do not fit, or there are not so many rows.

    Examples
    --------
    >>> from nnlite import Adam, Dense, MeanSquaredError
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(80, 5))
    >>> y = X.sum(axis=1, keepdims=True) + rng.normal(size=(80, 1))
    >>> options = {"loss": MeanSquaredError(), "optimizer": Adam(0.1), "epochs": 60}
    >>> found = learning_curve(Sequential([Dense(5, 1)], rng=0), X, y, sizes=[6, 60], **options)
    >>> found.validation.mean(axis=1).round(1).tolist()
    [4.6, 1.2]
    """
    where = "learning_curve"
    metric = fit.get("loss") if metric is None else metric
    if isinstance(model, Sequential):
        model = check_net(where, model)
        # Encoded once, for all.
        X = model.boundary.check_input(X, where=f"{where}(X)", finite=True)
        if not isinstance(X, np.ndarray):
            fix = "Write X.toarray()."
            raise ArgumentTypeError(f"{where}(X)", "rows in memory", type(X).__name__, fix)
    elif not callable(getattr(model, "fit", None)):
        fix = "Give a Sequential, or an estimator."
        raise ArgumentTypeError(f"{where}(model)", "a model with fit", type(model).__name__, fix)
    name = scorer(where, model, metric, y)[2]
    X = X if is_frame(X) or is_sparse(X) else np.asarray(X)
    y = np.asarray(y)
    if not (X.shape and y.shape):
        what, got = "rows in memory, and a target for each", f"shapes {X.shape} and {y.shape}"
        raise ArgumentTypeError(f"{where}(X, y)", what, got, "Give arrays or tables.")
    repeats = check_integer(f"{where}(repeats=)", repeats, low=1)
    generator = check_rng(f"{where}(rng=)", rng)
    validation = check_number(
        f"{where}(validation=)", validation, low=0, high=1, low_open=True, high_open=True
    )
    if weight is not None:
        weight = check_weight(f"{where}(weight=)", weight, rows=X.shape[:1])
    cuts = [_cut(where, y, X.shape[0], validation, generator) for _ in range(repeats)]
    counts = _sizes(f"{where}(sizes=)", sizes, len(cuts[0][0]))
    seeds = [int(seed) for seed in generator.integers(2**31, size=repeats)]
    train = _train_nets if isinstance(model, Sequential) else _train_in_turn
    scores = np.empty((2, len(counts), repeats))
    for place, count in enumerate(counts):
        rows = [(known[:count], other) for known, other in cuts]
        for repeat, trained in enumerate(train(model, X, y, weight, rows, seeds, copy.deepcopy(fit))):
            for side, chosen in enumerate(rows[repeat]):
                own = None if weight is None else weight[chosen]
                score = scorer(where, trained, metric, y[chosen], own)[0]
                scores[side, place, repeat] = score(take_rows(X, chosen))
    return LearningCurve(counts, scores[0], scores[1], name)


def _cut(
    where: str, y: AnyArray, rows: int, validation: float, rng: np.random.Generator
) -> tuple[AnyArray, AnyArray]:
    """Return the rows to train on, in random order, and those that are held out."""
    if len(y) != rows:
        raise ArgumentError(f"{where}(y)", f"{rows} targets, one for each row", f"{len(y)}", "Give them all.")
    numbers = np.arange(rows)
    # Of whole numbers that are no classes, or of which some are rare, neither side could have some of each.
    least = np.unique(y, return_counts=True)[1].min() if y.ndim == 1 and y.dtype.kind != "f" else 0
    classes = least * min(validation, 1 - validation) >= 1
    cut = train_test_split(
        numbers, numbers, test=validation, stratify=y.tolist() if classes else False, rng=rng
    )
    return cut[0], cut[1]


def _sizes(where: str, sizes: Any, most: int) -> AnyArray:
    """Return the numbers of rows, from few to many."""
    if isinstance(sizes, list | tuple | np.ndarray | range):
        found = sorted({check_integer(where, size, low=1) for size in sizes})
        if not found or found[-1] > most:
            fix = "Leave it out, or lower validation=."
            raise ArgumentError(where, f"numbers of rows up to {most}", f"{list(sizes)}", fix)
        return np.array(found)
    count = check_integer(where, sizes, low=2)
    return np.unique(np.geomspace(max(FIRST * most, 1), most, count).round().astype(int))


def _train_nets(
    model: Sequential, X: Any, y: Any, weight: Any, rows: Any, seeds: Any, fit: Any
) -> list[Sequential]:
    """Train as many nets as there are cuts, each on its own rows; all at once if that can be."""
    arrays = (X, y) if weight is None else (X, y, weight)
    in_turn = isinstance(fit.get("optimizer"), FullBatchOptimizer) or not only_ours(model)
    loss = fit.get("loss")
    if in_turn or fit.get("accumulate", 1) != 1 or (isinstance(loss, Loss) and not takes_replicas(loss)):
        found = []
        for (known, other), seed in zip(rows, seeds, strict=True):
            found.append(one := like(model, seed))
            one.takes_encoded = True
            own, held_out = (tuple(array[side] for array in arrays) for side in (known, other))
            one.fit(own[0], own[1], **_weighted(own), **({"validation": held_out} | copy.deepcopy(fit)))
        return found
    nets = like(model, seeds, replicas=len(seeds))
    nets.takes_encoded = True
    own, held_out = (
        tuple(np.stack([array[one] for one in side]) for array in arrays) for side in zip(*rows, strict=True)
    )
    nets.fit(own[0], own[1], **_weighted(own), **({"validation": held_out} | fit))
    return [nets.replica(place) for place in range(len(seeds))]


def _weighted(arrays: tuple[AnyArray, ...]) -> dict[str, Any]:
    """Return the weights among what is trained on, if there are some."""
    return {"weight": arrays[2]} if len(arrays) > 2 else {}


def _train_in_turn(model: Any, X: Any, y: Any, weight: Any, rows: Any, seeds: Any, fit: Any) -> list[Any]:
    """Train copies of an estimator, one after the other."""
    trained = []
    for (known, _), seed in zip(rows, seeds, strict=True):
        one = copy.deepcopy(model)
        if getattr(one, "random_state", None) is not None:
            one.random_state = seed
        own = {} if weight is None else {"sample_weight": weight[known]}
        trained.append(one.fit(take_rows(X, known), y[known], **own, **fit))
    return trained
