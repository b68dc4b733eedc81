"""The rate: a few steps on copies, with it and with others, and what the curvature of the loss allows."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np

from nnlite.core.aliases import Array
from nnlite.core.optimizers import SGD, Optimizer
from nnlite.inspect.checkup.diagnosis import Finding, finding
from nnlite.inspect.checkup.given import Data, take
from nnlite.inspect.checkup.patient import STEPS, Patient, Skip, measured_loss
from nnlite.inspect.length import end_of_schedule
from nnlite.inspect.numbers import plain
from nnlite.losses import Hinge, Quantile
from nnlite.losses.robust import MeanAbsoluteError
from nnlite.sweeps.limit import stability_limit
from nnlite.training.groups import Groups

__all__ = ["judge_updates", "learning_rate", "ratios_of", "updates"]

# What a rate does was compared with what came of it: 160 random nets on seven data sets, trained 40 epochs at
# rates from 1e-5 to 10 with SGD, momentum, Adam, AdamW and RMSProp.

#: How often the loss is looked at in a trial, and how many of the last looks count: one bad batch does not.
LOOKS = 10
LATE = 3
#: Rows that the loss is looked at, and the curvature measured, on.
MEASURED_ROWS = 512
#: A rate is too large if a lower one ends below it by this part of the way from a constant answer down, and
#: of what is left of the present loss. All 29 rates above 0.01 that ended at 1.5 times the
#: constant answer or worse were named before training, and two of the 41 that ended below a tenth of it: 0.14
#: with RMSProp, 1.4 with Adam.
WORSE = 0.25
NOISE = 0.1
#: Where so little of the loss is left, no rate is too small.
LEARNED_BY_NOW = 0.1
#: A rate is too small if one at least FAR_ABOVE times as large comes FAR_DOWN the way or farther, and it has
#: come less than CRAWLS of what that one did. The best of 28 nets that were named before training ended at
#: 0.22 of the loss of a constant answer.
FAR_DOWN = 0.5
FAR_ABOVE = 100.0
CRAWLS = 0.2
#: How far rates are raised, in what steps, and by what part of the way a loss may differ by chance.
HIGHEST = 1e8
#: How far rates are lowered where training explodes, by this many times the loss that it began with: a rate
#: may be off by as much as float32 can hold.
LOWEST = 1e-36
EXPLODED = 10.0
TIMES = 10.0
STILL = 0.01
#: So many times below what the curvature allows is worth a note.
FAR_BELOW = 1000.0
#: Above this part of their length, weights are replaced rather than corrected. It is only a note: of rates
#: that do so in the first step, a third still ended well. A step of USUAL is what is suggested.
REPLACED = 0.5
USUAL = 0.01
#: Where a training has come no farther than this part of the way, a rate is judged from new weights: what is
#: left of a net whose neurons are nearly all dead may still learn a little at any rate.
LEARNED = 0.2


def trial(p: Patient, factor: float) -> list[float]:
    """Make some steps on a copy with the rate times a factor, and look at the loss on the way.

    Parameters
    ----------
    p : Patient
        Left as it is.
    factor : float
        Multiplies the rate.

    Returns
    -------
    list of float
        The loss of the measured rows before the first step and at even distances; infinite from where it
        was no number.
    """
    model, optimizer = copy.deepcopy((p.model, p.optimizer))
    if not isinstance(optimizer, Optimizer):
        raise Skip(f"{optimizer} has no rate")
    optimizer.rate_factor = optimizer.rate_factor * factor
    part, seen = p.sample, measured_rows(p)
    rows = part.x.shape[0]
    order = np.random.default_rng(0)  # the same batches and the same dropout for every factor
    ctx = model.context(training=True, rng=np.random.default_rng(1))
    groups = Groups(model)
    # All looks with BatchNorm as in training: its running statistics lag behind by more steps than are made.
    losses = [measured_loss(model, seen, p.loss, training=True)]
    queue: Array = np.empty(0, np.intp)
    for step in range(1, STEPS + 1):
        if len(queue) < min(p.batch_size, rows):
            queue = order.permutation(rows)
        chosen, queue = queue[: p.batch_size], queue[p.batch_size :]
        batch = take(part, chosen)
        value = model._loss_and_grad(batch.x, batch.y, batch.weight, p.loss, ctx)
        if not np.isfinite(value):
            return losses + [float("inf")] * (1 + STEPS // LOOKS - len(losses))
        groups.penalize()
        before = model.params.values.copy()
        optimizer.step(model.params)
        groups.bound(before)
        if step % LOOKS == 0:
            losses.append(measured_loss(model, seen, p.loss, training=True))
    return losses


def measured_rows(p: Patient) -> Data:
    """Pick the rows on which losses along the way, and the curvature, are measured.

    Parameters
    ----------
    p : Patient
        Has the rows.

    Returns
    -------
    Data
    """
    part = p.sample
    rows = part.x.shape[0]
    if rows <= MEASURED_ROWS:
        return part
    return take(part, np.sort(np.random.default_rng(2).choice(rows, MEASURED_ROWS, replace=False)))


def learning_rate(p: Patient) -> Iterator[Finding]:
    """Compare some steps at the rate with some at a tenth, a hundredth, ten and a hundred times it."""
    if not isinstance(p.optimizer, Optimizer):
        raise Skip(f"{type(p.optimizer).__name__} has no rate")
    if not np.isfinite(p.start):
        raise Skip("the loss is not finite")
    fresh = p.trained and p.constant - p.start < LEARNED * p.way
    if fresh:
        p = p.renewed()
    optimizer: Any = p.optimizer
    rate, schedule = float(optimizer.rate), optimizer.learning_rate
    if over := end_of_schedule(optimizer):
        raise Skip(over)
    if rate == 0:
        raise Skip("the rate of the next step is 0")
    losses = {factor: trial(p, factor) for factor in (0.01, 0.1, 1.0, TIMES, FAR_ABOVE)}
    start, way = losses[1.0][0], p.way
    low = min(losses)
    while low > LOWEST and not min(loss[-1] for factor, loss in losses.items() if factor < 1) < (
        EXPLODED * max(start, p.constant)
    ):  # where a hundredth diverges too, look further
        low /= TIMES
        losses[low] = trial(p, low)
    high = FAR_ABOVE
    while (
        high < HIGHEST
        and _hardly_better(losses, high, way)
        and _late(losses[high]) - p.least > FAR_DOWN * way
    ):
        high *= TIMES  # and where a hundred times the rate hardly moves either
        losses[high] = trial(p, high)
    late = {factor: _late(losses[factor]) for factor in sorted(losses)}
    limit = _limit(p)
    evidence: dict[str, Any] = {
        "rate": rate,
        "loss_before": start,
        "losses_after": {f"{rate * factor:g}": plain(loss) for factor, loss in late.items()},
        "steps": STEPS,
        "constant": p.constant,
        "from_new_weights": fresh,
        **limit,
    }
    begin = "From new weights, " if fresh else ""
    at = f"from the rate {rate:g} on, by {schedule}," if callable(schedule) else f"at the rate {rate:g}"
    begin += f"{STEPS} steps {at} bring the loss from {start:.3g} to "
    top = limit.get("limit")
    allowed = f" The curvature allows {top:.3g} ({limit['formula']})." if top is not None else ""
    lower = {factor: loss for factor, loss in late.items() if factor < 1 and np.isfinite(loss)}
    best = min(lower.values(), default=np.inf)
    if best < np.inf and late[1.0] - best > max(WORSE * way, NOISE * (start - p.least)):
        factor = max(factor for factor, loss in lower.items() if loss <= best + WORSE * way)
        after = f"{late[1.0]:.3g}" if late[1.0] < np.inf else "no number any more"
        yield finding(
            "NN301",
            "error" if late[1.0] >= min(start, p.constant) else "warning",
            f"{begin}{after}; at {rate * factor:.3g} it comes to {late[factor]:.3g}. The steps "
            f"overshoot.{allowed}",
            _other_rate(rate, schedule, factor),
            **evidence,
        )
        return
    rises = float(optimizer.rate_at(optimizer.steps + STEPS)) > rate  # and will be larger than in the trial
    if not rises and start - p.least > LEARNED_BY_NOW * way and late[TIMES] < late[1.0] + STILL * way:
        factor = min((factor for factor in late if factor >= FAR_ABOVE), key=lambda factor: late[factor])
        goal = p.least + FAR_DOWN * (min(start, p.constant) - p.least)
        if late[factor] < goal and start - late[1.0] < CRAWLS * (start - late[factor]):
            yield finding(
                "NN302",
                "warning",
                f"{begin}{late[1.0]:.3g}; at {rate * factor:.3g} it comes to {late[factor]:.3g}. The steps "
                f"barely move.{allowed}",
                _other_rate(rate, schedule, factor),
                **evidence,
            )
            return
    if top is not None and not top / FAR_BELOW < rate <= top:
        yield finding(
            "NN301" if rate > top else "NN302",
            "note",
            f"The rate is {rate:g}.{allowed} But {STEPS} steps bring the loss from {start:.3g} to "
            f"{late[1.0]:.3g}, and other rates did not do much better.",
            "Keep an eye on the loss.",
            **evidence,
        )


def _other_rate(rate: float, schedule: Any, factor: float) -> str:
    """Advise to multiply the rate, or all rates of a schedule."""
    other = f"{factor:g} times its rates" if callable(schedule) else f"{rate * factor:.1g}"
    return f"Try {other}; nnlite.inspect.find_learning_rate measures more."


def _hardly_better(losses: dict[float, list[float]], factor: float, way: float) -> bool:
    """Tell whether a rate came no worse than a tenth of it, so that a larger one may do better."""
    return _late(losses[factor]) < _late(losses[factor / TIMES]) + STILL * way


def _late(losses: list[float]) -> float:
    """Return the loss towards the end, by the median of the last looks."""
    return float(np.median(losses[-LATE:]))


def _limit(p: Patient) -> dict[str, Any]:
    """Measure the largest rate at which plain descent is stable here; nothing where there is none."""
    optimizer = p.optimizer
    if type(optimizer) is not SGD or optimizer.clip_norm is not None or optimizer.clip_value is not None:
        return {}
    if isinstance(p.loss, MeanAbsoluteError | Quantile | Hinge):
        return {}
    seen = measured_rows(p)
    own = copy.deepcopy(p.model)
    own.takes_encoded = True  # as the rows are
    found = stability_limit(optimizer, [own], None, seen.x, seen.y, p.loss, seen.weight)
    if found.start is None:  # Lanczos has found nothing, or a gradient was not finite
        return {}
    return {"sharpness": found.sharpness_start[0], "limit": found.start, "formula": found.formula}


def updates(p: Patient) -> Iterator[Finding]:
    """Compare the length of one step with the length of the weights, layer by layer."""
    if not isinstance(p.optimizer, Optimizer):
        raise Skip(f"{type(p.optimizer).__name__} has no rate")
    model, optimizer = copy.deepcopy((p.model, p.optimizer))
    part = take(p.sample, np.random.default_rng(0).permutation(p.sample.x.shape[0])[: p.batch_size])
    before = model.params.values.copy()
    model._loss_and_grad(part.x, part.y, part.weight, p.loss, model.context(rng=np.random.default_rng(1)))
    optimizer.step(model.params)
    ratios = ratios_of(model, before)
    if not ratios:
        raise Skip("there are no weights")
    yield from judge_updates(ratios, p.optimizer.rate)


def judge_updates(ratios: dict[str, float], rate: Any) -> Iterator[Finding]:
    """Tell of steps that replace weights rather than correct them.

    Parameters
    ----------
    ratios : dict of str to float
        How long a step was for each array of weights, over their length.
    rate : float or None
        The learning rate.

    Yields
    ------
    Finding

    Examples
    --------
    >>> [one.code for one in judge_updates({"0.W": 2.0, "2.W": 0.1}, 1.0)]
    ['NN307']
    """
    worst = max(ratios, key=lambda name: ratios[name], default="")
    if not ratios or ratios[worst] <= REPLACED or rate is None:
        return
    yield finding(
        "NN307",
        "note",
        f"One step changes {worst} by {ratios[worst]:.2g} of its length; about a thousandth is usual, and "
        "more than a hundredth is much.",
        f"Try a rate of {float(rate) * USUAL / ratios[worst]:.1g}.",
        ratios=ratios,
        rate=float(rate),
    )


def ratios_of(model: Any, before: Array) -> dict[str, float]:
    """Return how far each array of weights has moved, over its length before.

    Parameters
    ----------
    model : Sequential
        With the values behind the step.
    before : ndarray of shape (size,)
        The values before it.

    Returns
    -------
    dict of str to float
        Without biases, which begin at 0, and without what is frozen.

    Examples
    --------
    >>> from nnlite import Dense, Sequential
    >>> model = Sequential([Dense(2, 1)], rng=0)
    >>> before = model.params.values.copy()
    >>> model[0].W *= 2
    >>> ratios_of(model, before)
    {'0.W': 1.0}
    """
    params = model.params
    old = params.split(before)
    found = {}
    for spec in params.specs:
        if not spec.decay or spec.name in params.frozen:
            continue
        length = float(np.linalg.norm(old[spec.name].astype(np.float64)))
        moved = float(np.linalg.norm((params[spec.name] - old[spec.name]).astype(np.float64)))
        if length > 0 and np.isfinite(moved):
            found[spec.name] = moved / length
    return found
