"""The numbers of a run card: the net beside baselines, over seeds, and how sure the differences are."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

from nnlite.core.aliases import AnyArray, Array
from nnlite.core.cross_entropy import SoftmaxCrossEntropy
from nnlite.core.losses import Loss, MeanSquaredError
from nnlite.core.optimizers import Optimizer
from nnlite.data.conversion import is_sparse
from nnlite.errors import ArgumentError, ArgumentTypeError, DivergenceError
from nnlite.inspect.baseline import NoBaseline, constant_answer, fit_linear, linear_model
from nnlite.inspect.checkup.after import ROWS_A_NUMBER
from nnlite.inspect.row_attribution import row_losses
from nnlite.losses import Huber, MeanAbsoluteError
from nnlite.losses.binary_cross_entropy import BinaryCrossEntropy
from nnlite.metrics import (
    Metric,
    accuracy,
    binary_accuracy,
    brier_score,
    call_metric,
    expected_calibration_error,
    is_better_higher,
    r2,
    root_mean_squared_error,
)
from nnlite.model import PREDICT_ROWS, Sequential
from nnlite.optimizers.second_order import FullBatchOptimizer
from nnlite.sweeps.replicas import train
from nnlite.training.anew import like
from nnlite.training.class_weights import ClassWeights
from nnlite.training.evaluation import score
from nnlite.training.work import only_ours, takes_replicas

__all__ = [
    "CONSTANT",
    "LEVEL",
    "LINEAR",
    "NET",
    "RESAMPLES",
    "Measure",
    "Rows",
    "answerers",
    "differences",
    "over_seeds",
]

#: What answers, as the card names it.
NET, LINEAR, CONSTANT = "net", "linear model", "constant answer"
#: Intervals hold so much; the bootstrap draws so many samples, with a seed of its own.
LEVEL, RESAMPLES, SEED = 0.95, 1000, 0
#: With fewer rows nobody can say when a linear model has learned them by heart.
ENOUGH = 20
#: Of fewer rows there is no interval: that all of them speak for one side happens by chance in 1 of
#: 2 ** (rows - 1) cases, and samples of them all speak for that side too.
FEWEST = 6


class Rows(NamedTuple):
    """Rows that count, checked and cast.

    Parameters
    ----------
    x : ndarray or CSR matrix
        The input.
    y : ndarray
        The targets, as the loss takes them.
    weight : ndarray of shape (rows,) or None
        How much each row counts in the loss, that of its class included.
    plain : ndarray of shape (rows,) or None
        How much it counts in a metric.

    Examples
    --------
    >>> Rows(np.zeros((3, 2)), np.arange(3), None, None).y
    array([0, 1, 2])
    """

    x: Any
    y: AnyArray
    weight: Array | None
    plain: Array | None


class Measure:
    """What is measured on predictions: the loss, metrics, and for probabilities their calibration.

    Parameters
    ----------
    model : Sequential
        The net.
    loss : Loss
        What was lowered.
    metrics : dict of str to function, or None
        None for those that go with the loss.
    classes : ClassWeights or None
        They count in the loss only.
    y : ndarray
        Targets, as the loss takes them.

    Attributes
    ----------
    metrics : dict of str to function
        All of them.
    main : str
        The first one of which it is known which way is up, else ``"loss"``: what decides.
    higher : bool
        Whether more of it is better.

    Examples
    --------
    >>> from nnlite import Dense
    >>> model = Sequential([Dense(2, 3)], rng=0)
    >>> list(Measure(model, SoftmaxCrossEntropy(), None, None, np.array([0, 2])).metrics)
    ['accuracy', 'brier_score', 'expected_calibration_error']
    """

    def __init__(
        self,
        model: Sequential,
        loss: Loss,
        metrics: Mapping[str, Metric] | None,
        classes: ClassWeights | None,
        y: AnyArray,
    ) -> None:
        self.model, self.loss, self.classes = model, loss, classes
        chances: list[Metric] = []
        usual: list[Metric] = []
        if isinstance(loss, SoftmaxCrossEntropy):
            usual, chances = [accuracy], [brier_score, expected_calibration_error]
        elif isinstance(loss, BinaryCrossEntropy) and np.isin(y, (0, 1)).all():
            usual, chances = [binary_accuracy], [brier_score, expected_calibration_error]
        elif isinstance(loss, MeanSquaredError | MeanAbsoluteError | Huber):
            usual = [r2, root_mean_squared_error]
        named = {one.__name__: one for one in usual} if metrics is None else dict(metrics)
        directed = (name for name, metric in named.items() if is_better_higher(metric) is not None)
        self.main = next(directed, "loss")
        self.higher = bool(is_better_higher(named.get(self.main)))
        labels = y.ndim == 2 and isinstance(loss, BinaryCrossEntropy)
        own = {one.__name__: _each_label(one) if labels else one for one in chances}
        self.metrics = named | {name: metric for name, metric in own.items() if name not in named}

    def scores(self, pred: Array, rows: Rows) -> dict[str, float]:
        """Measure predictions for some rows.

        Parameters
        ----------
        pred : ndarray of shape (rows, outputs)
            The predictions.
        rows : Rows
            What they are for.

        Returns
        -------
        dict of str to float
        """
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is shown as that
            parts = [(pred, rows.y, rows.weight)]
            return score(self.model, parts, loss=self.loss, metrics=self.metrics, classes=self.classes)


def _each_label(metric: Metric) -> Metric:
    """Let a metric of one question see each label of a row as a question of its own."""

    def measured(pred: Array, target: AnyArray, weight: Array | None = None) -> float:
        shares = None if weight is None else np.repeat(weight, target.shape[1])
        return float(metric(pred.reshape(-1, 1), target.reshape(-1, 1), shares))

    return measured


def answerers(
    model: Sequential, loss: Loss, rows: Rows
) -> tuple[dict[str, Callable[[Any], Array]], dict[str, str]]:
    """Give the net, and what it is compared with, made of its training rows.

    Parameters
    ----------
    model : Sequential
        The net.
    loss : Loss
        What all lower.
    rows : Rows
        The training rows.

    Returns
    -------
    answers : dict of str to function
        From an input to predictions, by name.
    left_out : dict of str to str
        Why there is none of that name.
    """
    left_out, shape = {}, model.boundary.pred_shape
    answers: dict[str, Callable[[Any], Array]] = {NET: lambda x: model._predict(x, PREDICT_ROWS)}
    try:
        linear = linear_model(model, rows.x, takes_ids=True)
        few = ENOUGH <= len(rows.y) < ROWS_A_NUMBER * linear.params.size
        fit_linear(linear, rows.x, rows.y, rows.weight, loss, stop_early=few)
        answers[LINEAR] = linear.predict
    except NoBaseline as reason:
        left_out[LINEAR] = str(reason)
    y = rows.y.astype(np.float64) if rows.y.dtype.kind == "f" else rows.y
    with np.errstate(all="ignore"):
        value, constant = constant_answer(loss, y, rows.weight, shape(rows.x))
    if np.isfinite(value):
        answers[CONSTANT] = lambda x: np.broadcast_to(constant, shape(x)).astype(model.dtype)
    else:
        left_out[CONSTANT] = "none with a finite loss was found"
    return answers, left_out


def differences(measure: Measure, preds: Mapping[str, Array], rows: Rows) -> dict[str, Any]:
    """Compare the net with the baselines, with intervals by a paired bootstrap over the rows.

    Parameters
    ----------
    measure : Measure
        What is compared: the loss and the metric that decides.
    preds : mapping of str to ndarray
        The predictions of the net and of the baselines, for the same rows.
    rows : Rows
        Those rows.

    Returns
    -------
    dict
        For each baseline and number ``difference``, that of the net less that of the baseline, and the ends
        of its interval, ``low`` and ``high``: NaN where there is none.

    References
    ----------
    B. Efron and R. Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13 (percentiles).
    P. Koehn, "Statistical significance tests for machine translation evaluation", EMNLP 2004 (pairs).
    """
    count = len(rows.y)
    shares = np.ones(count) if rows.weight is None else rows.weight.astype(np.float64)
    whole = {name: measure.scores(pred, rows) for name, pred in preds.items()}
    paid = {name: row_losses(measure.loss, pred, rows.y).astype(np.float64) for name, pred in preds.items()}
    # A loss of one's own need be no average over rows.
    is_mean = all(
        np.isclose(np.average(each, weights=shares), whole[name]["loss"], rtol=1e-3)
        for name, each in paid.items()
    )
    metric = measure.metrics.get(measure.main)
    names = ["loss"] * is_mean + [measure.main] * (metric is not None)

    def numbers(pred: Array, paid: Array, some: AnyArray) -> list[float]:
        found = [float(np.average(paid[some], weights=shares[some]))] if is_mean else []
        if metric is not None:
            plain = None if rows.plain is None else rows.plain[some]
            try:
                found.append(call_metric(metric, pred[some], rows.y[some], plain))
            except (ArgumentError, ArgumentTypeError):  # such as a sample of one class
                found.append(np.nan)
        return found

    drawn = []
    rng = np.random.default_rng(SEED)
    for _ in range(RESAMPLES):
        some = rng.integers(count, size=count)
        drawn.append([numbers(pred, paid[name], some) for name, pred in preds.items()])
    values = np.array(drawn)  # of shape (samples, who answers, numbers), the net first
    gaps = values[:, :1] - values
    known = ~np.isnan(gaps).all(axis=0) & (count >= FEWEST)
    ends = np.full((2, *known.shape), np.nan)
    ends[:, known] = np.nanquantile(gaps[:, known], [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    found: dict[str, Any] = {name: {} for name in preds if name != NET}
    for who, name in enumerate(found, start=1):
        for place, key in enumerate(names):
            low, high = ends[:, who, place].tolist()
            gap = whole[NET][key] - whole[name][key]
            found[name][key] = {"difference": gap, "low": low, "high": high}
    return found


def over_seeds(
    model: Sequential,
    optimizer: Optimizer | FullBatchOptimizer,
    data: tuple[Any, Any],
    options: Mapping[str, Any],
    seeds: Sequence[int],
    measure: Measure,
    rows: Rows,
) -> dict[str, Any]:
    """Train the net anew from some seeds, and measure each.

    Parameters
    ----------
    model : Sequential
        The net, which is left as it is.
    optimizer : Optimizer or FullBatchOptimizer
        Is copied, and begins anew.
    data : tuple of (X, y)
        As `fit` takes them.
    options : mapping
        Other arguments of `fit`.
    seeds : sequence of int
        One for each net.
    measure : Measure
        What is measured.
    rows : Rows
        On which rows.

    Returns
    -------
    dict
        ``seeds``, how many ``diverged``, the ``scores`` of the others, and of these by name ``mean``,
        ``standard_deviation``, and the ends of the t interval of the mean, ``low`` and ``high``.

    References
    ----------
    X. Bouthillier et al., "Accounting for Variance in Machine Learning Benchmarks", MLSys 2021.
    """
    from scipy.special import stdtrit

    template = copy.deepcopy(optimizer)
    together = not is_sparse(rows.x) and options["accumulate"] == 1 and only_ours(model)
    if isinstance(template, Optimizer):
        template.reset()
        template.rate_factor = 1.0
    if isinstance(template, Optimizer) and together and takes_replicas(measure.loss):
        rate = template.learning_rate
        schedule: Any = (lambda _: copy.deepcopy(rate)) if callable(rate) else None
        pairs = [(1.0 if callable(rate) else float(rate), seed) for seed in seeds]
        part = train(model, pairs, template, schedule, *data, options)
        preds = list(part.model._predict(rows.x, PREDICT_ROWS)[part.history.survivors])
    else:  # what is there need not be made for replicas
        preds = []
        for seed in seeds:
            one = like(model, seed)
            with suppress(DivergenceError):
                one.fit(*data, optimizer=copy.deepcopy(template), **options)
                preds.append(one._predict(rows.x, PREDICT_ROWS))
    found = [measure.scores(pred, rows) for pred in preds]
    scores = {name: [one[name] for one in found] for name in (found[0] if found else ())}
    summary = {}
    for name, values in scores.items():
        mean, deviation, half = float(np.mean(values)), np.nan, np.nan
        if len(values) > 1:
            deviation = float(np.std(values, ddof=1))
            half = float(stdtrit(len(values) - 1, (1 + LEVEL) / 2)) * deviation / len(values) ** 0.5
        ends = {"low": mean - half, "high": mean + half}
        summary[name] = {"mean": mean, "standard_deviation": deviation, **ends}
    return {"seeds": list(seeds), "diverged": len(seeds) - len(found), "scores": scores, "summary": summary}
