"""The work of a sweep: train all rates and seeds as replicas of one model, and gather the evidence."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from nnlite.checks.nets import check_net
from nnlite.core.cross_entropy import SoftmaxCrossEntropy
from nnlite.core.losses import Loss, MeanSquaredError
from nnlite.core.optimizers import SGD, Optimizer
from nnlite.data.checks import check_rows
from nnlite.data.conversion import is_dask
from nnlite.data.row_weights import counting_rows
from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.errors.arguments import explained
from nnlite.errors.checks import check_instance, check_integer, check_numbers
from nnlite.jit import check_jit
from nnlite.losses.binary_cross_entropy import BinaryCrossEntropy
from nnlite.metrics import Metric
from nnlite.model import Sequential
from nnlite.sweeps.evidence import Runs, average_loss, best_run, least, table
from nnlite.sweeps.labels import judge, upper_median
from nnlite.sweeps.limit import stability_limit, why_no_limit
from nnlite.sweeps.replicas import Part, ScheduleMaker, bytes_for_one, cut, join, train
from nnlite.sweeps.result import StabilityLimit, SweepResult
from nnlite.sweeps.spread import check_engine, pack_size, spread
from nnlite.training.anew import like
from nnlite.training.callbacks import Callback

__all__ = ["check_optimizer", "sweep"]

#: Nets that would need more bytes than this together are trained in several fits.
LARGEST_FIT = 2**30


@explained
def sweep(
    model: Sequential,
    X: Any,
    y: Any,
    *,
    learning_rate: ArrayLike | None = None,
    seeds: int | Sequence[int] = 3,
    loss: Loss | None = None,
    optimizer: Optimizer | None = None,
    schedule: ScheduleMaker | None = None,
    epochs: int = 100,
    batch_size: int | None = None,
    weight: Any = None,
    validation: Any = None,
    metrics: Sequence[Metric] | Mapping[str, Metric] = (),
    callbacks: Sequence[Callback] = (),
    backend: str | None = None,
    workers: int | None = None,
    jit: bool = False,
) -> SweepResult:
    """Train a net at many learning rates at once, and say which are too small and which too large.

    Every rate gets a label: it *crawls*, *learns*, *overshoots* or *diverges*. All rates and
    seeds are trained as replicas of one model, in one `fit`.

    Parameters
    ----------
    model : Sequential
        The net. It is left as it is: for each seed a new one like it starts from new weights,
        as ``Sequential(..., rng=seed)`` does. Frozen parameters keep the values they have.
    X : array-like of shape (rows, features)
        The input.
    y : array-like
        The targets, as the loss takes them.
    learning_rate : array-like of shape (rates,), optional
        The rates, in any order. By default 32 from 0.0001 to 10, in equal ratios.
    seeds : int or sequence of int
        How many seeds, counted from 0, or the seeds themselves. A seed starts, shuffles and
        drops out in the same way at every rate.
    loss : Loss, optional
        By default `MeanSquaredError` for targets that are no integers; for integers
        `BinaryCrossEntropy` if the model has one output, else `SoftmaxCrossEntropy`.
    optimizer : Optimizer, optional
        Is copied, and the copy given the rates in place of its own; `SGD` by default.
    schedule : function from a rate to a schedule, optional
        For rates that change during training: ``CosineDecay``, which lasts as long as each of them,
        or ``lambda rate: WarmUp(CosineDecay(rate), epochs=5)``.
    epochs : int
        How many times to go over the data, at least 2.
    batch_size, weight, validation, metrics, callbacks
        See `Sequential.fit`.
    backend : {"loky", "dask", "ray"}, optional
        What trains the nets in other processes: loky in some of this machine, dask on the cluster
        whose client there is, ray on the cluster it is connected to, or else on this machine. By
        default they are trained in this process.
    workers : int, optional
        How many packs of nets are trained at a time there. By default as many as the engine has
        processors. Without `backend` the one is used that joblib is set to by
        ``joblib.parallel_config``, loky if there is none.
    jit : bool
        Whether the nets are trained by compiled loops, in other processes too; see `Sequential.fit`.
        ``result.history.engine`` says what of it ran through NumPy, and why.

    Returns
    -------
    SweepResult
        With ``labels``, ``best_rate`` and ``best``; ``print`` shows the evidence, ``plot`` draws it.

    Raises
    ------
    ShapeError, ArgumentError, ArgumentTypeError
        If an argument cannot be used.
    ModuleNotFoundError
        If what `backend` or `jit` needs is not installed.
    KeyboardInterrupt
        If Ctrl-C comes while some nets have not been trained at all, or while other processes
        train. Else it ends the training, and what there is gets its labels.

    Notes
    -----
    The *way* is what there is to learn: from the top, which is the loss of the best answer that
    ignores the input (or that of the start, if it is lower), down to the lowest loss at which a
    rate ended. If that is less than 1 % of what can be learned below the top (which is from the top to
    the loss of answers that are right, and 1 for `GaussianNLL`), nobody has learned, and the way is
    from the start to the top. A run

    - *diverges* if its loss stops being finite, or ends more than 1000 ways above the top;
    - *overshoots* if it goes to and fro: its loss rises, by more than 1 % of the way, in more than
      a tenth of the epochs, and climbs more than a twentieth of the way an epoch on average;
    - *learns* if it goes at least half of the way, and does not overshoot;
    - else *overshoots* if its rate is above the best one (too long a step may also land where
      nothing slopes), and *crawls* if it is below.

    The best rate is the one that ends with the lowest loss of those that learn.

    A rate has the label of its middle seed, in this order: crawls, learns, overshoots,
    diverges. The numbers are constants of `nnlite.sweeps.labels`.

    For plain SGD on all rows at once theory knows a limit: along a direction of curvature c each
    step multiplies the distance to the minimum by ``1 - rate * c``, so with rates above
    ``2 / lambda_max`` it grows, where lambda_max is the largest eigenvalue of the Hessian of the
    loss (`nnlite.training.curvature.sharpness`). With momentum m the limit is
    ``2 * (1 + m) / lambda_max``, in Nesterov's form ``2 * (1 + m) / ((1 + 2 * m) * lambda_max)``.
    The curvature changes on the way, so the limit is given at the start and where the best run
    ended; a net often finds flatter ground for a rate that is too large at the start, and at a
    smaller one training goes on until the limit has come down to the rate, the edge of stability.
    The labels do not depend on it. Where it does not apply, ``result.limit.reason`` says why: with
    other optimizers, clipping, batches, dropout, rates that change, and losses made of straight
    lines.

    If one batch holds all rows they are not shuffled, since their order changes nothing. Nets
    that would need more than a gigabyte together are trained in several fits, to the same
    result.

    With `backend` or `workers` the nets are made into packs, each trained by one `fit` in a worker
    with one thread of the BLAS. What is in a pack depends on the nets only, so the result has the
    same bits whatever the engine and the number of workers; and the same as without them if this
    process has one BLAS thread too, or the nets are too small for several. Callbacks are called in
    the workers, for each pack, and a time limit is one for each pack. The work of a worker that
    dies is begun anew, up to three times.

    References
    ----------
    Y. LeCun, L. Bottou, G. Orr and K.-R. Müller, "Efficient BackProp", 1998, section 5.
    J. Cohen, S. Kaur, Y. Li, J. Z. Kolter and A. Talwalkar, "Gradient Descent on Neural Networks
    Typically Occurs at the Edge of Stability", ICLR 2021.
    B. Polyak, "Some methods of speeding up the convergence of iteration methods", 1964 (momentum).

    Examples
    --------
    >>> from nnlite import Dense, Tanh, datasets, sweep
    >>> X, y = datasets.xor()
    >>> model = Sequential([Dense(2, 8), Tanh(), Dense(8, 1)])
    >>> rates = [0.0001, 0.1, 10.0]
    >>> result = sweep(model, X, y[:, None] * 1.0, learning_rate=rates, seeds=5, epochs=300)
    >>> result.labels
    ['crawls', 'learns', 'diverges']
    """
    one = "one net, which the sweep multiplies"
    check_net("sweep", model, what=one, fix="Leave replicas= out, or give model.replica(0).")
    rates = _check_rates(learning_rate)
    chosen_seeds = _check_seeds(seeds)
    template = _template(SGD() if optimizer is None else optimizer)
    _check_schedule(schedule, rates[0])
    check_engine(backend, workers)
    jit = check_jit("sweep", jit)  # here once, and not in every worker
    # One net for each seed, as it is before training. The data are checked on the first of them.
    nets = [like(model, seed) for seed in chosen_seeds]
    if loss is None:
        loss = _choose_loss(nets[0], y)
    edge = nets[0].boundary
    edge.check_loss(loss)
    x = None if is_dask(X) else edge.check_input(X, where="sweep(X)", finite=True)
    if not isinstance(x, np.ndarray):  # each seed has an order of its own, which such rows cannot be drawn in
        fix = "Write X.toarray() of a sparse matrix, X.compute() of a dask array, or take a part of the rows."
        raise ArgumentTypeError("sweep(X)", "rows in memory, as an array or a table", type(X).__name__, fix)
    target, shares = edge.check_targets(y, weight, loss, x)
    epochs = check_integer("sweep(epochs=)", epochs, low=2)  # after one, the rates have not met the data
    if batch_size is not None:
        batch_size = check_integer("sweep(batch_size=)", batch_size, low=1)
    batch_size = min(batch_size or 32, len(x))
    for net in nets:
        net._adapt(lambda: iter([counting_rows(x, shares, 0)]))

    shuffle: Any = batch_size < len(x)
    if not shuffle and isinstance(validation, Real):  # of which False would hold out the last rows
        shuffle = np.arange
    options = {
        "loss": loss, "epochs": epochs, "batch_size": batch_size, "shuffle": shuffle,
        "weight": weight, "validation": validation, "metrics": metrics,
        "callbacks": [*callbacks] if isinstance(callbacks, list | tuple) else [callbacks], "jit": jit,
    }  # fmt: skip
    pairs = [(rate, seed) for rate in rates for seed in chosen_seeds]
    need = bytes_for_one(nets[0], batch_size if validation is None else len(x))
    at_once = max(1, LARGEST_FIT // need)
    if backend is None and workers is None:
        parts: list[Part] = []
        for some in cut(pairs, at_once):
            if parts and parts[-1].history.interrupted:
                raise KeyboardInterrupt
            parts.append(train(model, some, template, schedule, X, y, options))
    else:
        packs = cut(pairs, min(at_once, pack_size(len(pairs), need)))
        parts = spread(model, packs, template, schedule, X, y, options, backend=backend, workers=workers)
    trained, history = join(model, parts)

    with np.errstate(over="ignore", invalid="ignore"):  # what starts there diverges, and is labelled so
        starts = [net.evaluate(X, y, loss=loss, weight=weight)["loss"] for net in nets]
    runs = Runs(history, starts, rates=len(rates))
    finals = runs.finals("loss")
    shape = edge.pred_shape(x)
    judged = judge(
        runs.curves,
        finals,
        average=average_loss(loss, target, shares, shape),
        least=least(loss, target, shares, outputs=shape[-1]),
    )
    decisive = runs.finals("validation_loss") if "validation_loss" in history.columns else finals
    best_replica = best_run(decisive, upper_median(judged.labels))

    reason = why_no_limit(template, loss, nets[0], batch_size < len(x), validation, rates, runs)
    limit = StabilityLimit(reason=reason)
    if isinstance(template, SGD) and not reason:
        end = None if best_replica is None else trained.replica(best_replica)
        limit = stability_limit(template, nets, end, X, y, loss, weight)
    return SweepResult(
        rows=table(rates, runs, judged, limit),
        seeds=chosen_seeds,
        limit=limit,
        best_replica=best_replica,
        curves=runs.curves,
        history=history,
        model=trained,
    )


# What may be swept.


def _check_rates(value: ArrayLike | None) -> list[float]:
    where = "sweep(learning_rate=)"
    checked = check_numbers(where, np.geomspace(1e-4, 10, 32) if value is None else value, low_open=True)
    rates = [] if isinstance(checked, float) else np.unique(checked).tolist()
    if len(rates) < 2:
        raise ArgumentError(
            where,
            "at least two different rates",
            "one",
            "Write learning_rate=np.geomspace(1e-4, 10, 32), for instance.",
        )
    return rates


def _check_seeds(value: Any) -> list[int]:
    where = "sweep(seeds=)"
    if not isinstance(value, list | tuple | np.ndarray | range):
        return list(range(check_integer(where, value, low=1)))
    seeds = [check_integer(where, seed) for seed in value]
    if not seeds or len(set(seeds)) < len(seeds):
        got = f"{seeds}" if seeds else "none"
        raise ArgumentError(
            where, "seeds that are all different, at least one", got, "Write seeds=[0, 1, 2]."
        )
    return seeds


def check_optimizer(where: str, optimizer: Any, *, others: str, fix: str) -> None:
    """Refuse all but an optimizer whose learning rate is a number; `others` says what is put in its place."""
    what = "an optimizer with a learning rate, such as SGD() or Adam()"
    check_instance(where, optimizer, Optimizer, what, fix="Use one of nnlite.optimizers.")
    if callable(optimizer.learning_rate):
        raise ArgumentError(
            where,
            f"an optimizer whose rate is a number, in whose place {others}",
            f"one with the schedule {optimizer.learning_rate!r}",
            fix,
        )


def _template(optimizer: Any) -> Optimizer:
    """Copy an optimizer, as new."""
    where, fix = "sweep(optimizer=)", "Write schedule=lambda rate: nnlite.CosineDecay(rate), for instance."
    check_optimizer(where, optimizer, others="the rates of the sweep are put", fix=fix)
    if isinstance(optimizer.weight_decay, np.ndarray):
        raise ArgumentError(
            where,
            "one weight decay for all nets",
            f"{len(optimizer.weight_decay)}",
            "Make a sweep for each weight decay.",
        )
    template: Optimizer = copy.deepcopy(optimizer)
    template.reset()
    template.rate_factor = 1.0
    return template


def _check_schedule(schedule: Any, rate: float) -> None:
    if schedule is None:
        return
    made = schedule(rate) if callable(schedule) else schedule
    if not callable(schedule) or not callable(made):
        raise ArgumentTypeError(
            "sweep(schedule=)",
            "a function from a rate to a schedule",
            f"{schedule!r}" + (f", which gives {made!r}" if callable(schedule) else ""),
            "Write schedule=lambda rate: nnlite.CosineDecay(rate), for instance.",
        )


def _choose_loss(model: Sequential, y: Any) -> Loss:
    """Choose the loss that goes with targets."""
    targets = check_rows("y", y)
    if targets.dtype.kind == "f":
        return MeanSquaredError()
    outputs = (model.output_shape or (1,))[-1]
    if outputs > 1 and targets.ndim == 1:
        return SoftmaxCrossEntropy()
    if outputs == 1 and ((targets == 0) | (targets == 1)).all():
        return BinaryCrossEntropy()
    raise ArgumentError(
        "sweep(loss=None)",
        "integers of shape (rows,), class ids"
        if outputs > 1
        else "integers 0 and 1, for a model with one output",
        f"shape {targets.shape}" if outputs > 1 else f"integers from {targets.min()} to {targets.max()}",
        "Name a loss, such as loss=nnlite.MeanSquaredError() for numbers to be predicted.",
    )
