"""The rate: a few steps on copies, with it and with others, and what the curvature of the loss allows."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from nnlite.core.aliases import Array
from nnlite.core.optimizers import SGD, Optimizer
from nnlite.inspect.checkup.codes import SETTINGS, SEVERITIES, SYMPTOMS
from nnlite.inspect.checkup.diagnosis import Finding, finding
from nnlite.inspect.checkup.given import take
from nnlite.inspect.checkup.patient import STEPS, Patient, Skip
from nnlite.inspect.checkup.rebuilt import scaled
from nnlite.inspect.checkup.settings import asked, goes_well, judged_steps
from nnlite.inspect.checkup.trials import (
    AS_IS,
    Variant,
    affordable,
    gain,
    line_of,
    measured_rows,
    race,
    worth,
)
from nnlite.inspect.length import end_of_schedule
from nnlite.inspect.numbers import plain
from nnlite.losses import Hinge, MultiTaskLoss, Quantile
from nnlite.losses.robust import MeanAbsoluteError
from nnlite.optimizers.adam import Adam
from nnlite.sweeps.limit import stability_limit

__all__ = ["judge_updates", "learning_rate", "ratios_of", "updates"]

# What a rate does was compared with what came of it: 160 random nets on seven data sets, trained 40 epochs at
# rates from 1e-5 to 10 with SGD, momentum, Adam, AdamW and RMSProp.

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
#: Where it is known how long the training is, one TIMES as large is enough that comes more than twice as far,
#: and further by what is asked of any setting.
HALF = 0.5
#: What hardly moves at any rate is tried for longer: steps that bring less than this part of the way.
PLATEAU = 0.1
#: How far rates are raised, in what steps, and by what part of the way a loss may differ by chance. From a
#: rate that nothing would come of they begin at LEAST_USUAL.
HIGHEST = 1e8
LEAST_USUAL, LOW_USUAL, MOST_USUAL = 1e-4, 1e-3, 10.0
#: How far rates are lowered where training explodes, by this many times the loss that it began with: a rate
#: may be off by as much as float32 can hold.
LOWEST = 1e-36
EXPLODED = 10.0
TIMES = 10.0
STILL = 0.01
#: What a bouncing rate is multiplied by.
CALMER = (0.3, 0.1)
#: Above this rate, another optimizer that does as well is the safer advice.
LARGE = 1.0
#: What is tried where no rate of the optimizer moves anything.
ADAMS = (0.01, 0.001)
#: So many times below what the curvature allows is worth a note.
FAR_BELOW = 1000.0
#: Above this part of their length, weights are replaced rather than corrected. It is only a note: of rates
#: that do so in the first step, a third still ended well. A step of USUAL is what is suggested.
REPLACED = 0.5
USUAL = 0.01


def learning_rate(p: Patient) -> Iterator[Finding]:
    """Compare some steps at the rate with some at a tenth, a hundredth, ten and a hundred times it."""
    if not isinstance(p.optimizer, Optimizer):
        raise Skip(f"{type(p.optimizer).__name__} has no rate")
    if p.went_well:
        raise Skip("the training went well")
    blamed = [one.name for one in p.found if one.code in SETTINGS]
    if blamed:
        raise Skip(f"{blamed[0]} is to blame")
    if p.trained and end_of_schedule(p.optimizer) and p.history is None:
        raise Skip(end_of_schedule(p.optimizer))
    steps = STEPS if p.length is None else judged_steps(p)
    if goes_well(p, steps):
        yield from _noted(p.fresh, steps)
        return
    known, fresh, needed = p.length is not None, p.trained, asked(p)
    p.fresh.found = p.found
    p = p.fresh
    if not np.isfinite(p.start):
        raise Skip("the loss is not finite")
    scales = [
        one.name for one in p.found if one.code in ("NN101", "NN105") and one.severity != SEVERITIES[-1]
    ]
    if scales and _learns_scaled(p):
        raise Skip(f"{scales[0]} is to blame: scaled, the rate does well")
    tried = _Rates(p, judged_steps(p) if known else STEPS, long=known)
    if not known and tried.still:
        tried = _Rates(p, affordable(p), long=True)
    yield from _judged(tried, needed, fresh=fresh, scales=bool(scales))


def _learns_scaled(p: Patient) -> bool:
    """Tell whether at the present rate scaled rows are learned."""
    other = copy.copy(p)
    for name in ("passage", "sample", "constant", "_least"):
        vars(other).pop(name, None)
    other.courses, other.held_out, other.data = {}, None, scaled(p, p.all)
    if p.kind == "numbers" and not isinstance(p.loss, MultiTaskLoss):  # some of its targets may be classes
        spread = np.where((spread := other.targets.std(axis=0)) > 0, spread, 1)
        other.data = other.data._replace(
            y=((other.targets - other.targets.mean(axis=0)) / spread).astype(spread.dtype)
        )
    course = race(other, steps=STEPS if p.length is None else judged_steps(p))
    return other.constant - course.late > (1 - FAR_DOWN) * other.way


class _Rates:
    """What comes of some steps at the rate times some factors."""

    def __init__(self, p: Patient, steps: int, *, long: bool) -> None:
        self.p, self.steps, self.long = p, steps, long
        optimizer: Any = p.optimizer
        self.rate, self.schedule = float(optimizer.rate), optimizer.learning_rate
        self.late: dict[float, float] = {}
        self.start = race(p, steps=steps).losses[0]
        for factor in (0.01, 0.1, 1.0, TIMES, FAR_ABOVE):
            self.add(factor)
        floor, low = p.constant - p.way, 0.01  # likelihoods may be negative
        top = floor + EXPLODED * (max(self.start, p.constant) - floor)
        while low > LOWEST and (
            not min(loss for factor, loss in self.late.items() if factor < 1) < top
            or (min(self.late.values()) - p.least > FAR_DOWN * p.way and self.rate * low > LOW_USUAL)
        ):  # where a hundredth diverges too, or is as large as any usual rate and shows nothing, look further
            low /= TIMES
            self.add(low)
        high = FAR_ABOVE
        while high < HIGHEST or self.rate * high < MOST_USUAL:
            if self.late[high] > min(self.late.values()) + STILL * p.way:
                break  # it came worse than a lower one
            if self.late[high] - p.least < FAR_DOWN * p.way:
                break
            # And where a hundred times the rate hardly moves either.
            beyond = LEAST_USUAL / (self.rate * high) if self.rate else TIMES
            high *= max(TIMES, 10.0 ** math.ceil(math.log10(beyond)))
            self.add(high)

    def add(self, factor: float) -> None:
        """Try one."""
        self.late[factor] = race(self.p, _times(factor), steps=self.steps).late

    @property
    def still(self) -> bool:
        """Whether hardly anything has moved."""
        return self.start - min(self.late.values()) < PLATEAU * self.p.way


def _times(factor: float) -> Variant:
    def change(_: Any, optimizer: Optimizer) -> Optimizer:
        optimizer.rate_factor = optimizer.rate_factor * factor
        return optimizer

    return AS_IS if factor == 1 else Variant(f"rate times {factor:g}", change)


def _judged(tried: _Rates, needed: float, *, fresh: bool, scales: bool) -> Iterator[Finding]:
    p, late, start, way = tried.p, dict(sorted(tried.late.items())), tried.start, tried.p.way
    limit = _limit(p)
    top = limit.get("limit")
    evidence: dict[str, Any] = {
        "rate": tried.rate,
        "loss_before": start,
        "losses_after": {f"{tried.rate * factor:g}": plain(loss) for factor, loss in late.items()},
        "steps": tried.steps,
        "constant": p.constant,
        "from_new_weights": fresh,
        **limit,
    }
    rate, schedule = tried.rate, tried.schedule
    at = f"from the rate {rate:g} on, by {schedule}," if callable(schedule) else f"at the rate {rate:g}"
    begin = f"{tried.steps:,} steps {at} bring the loss from {start:.3g} to "
    begin = f"From new weights, {begin}" if fresh else begin
    base = race(p, steps=tried.steps)
    # The curvature at the start says something where it does not speak against what trials say.
    allowed = f" The curvature allows {top:.3g} ({limit['formula']})." if top is not None else ""
    lower = {factor: loss for factor, loss in late.items() if factor < 1 and np.isfinite(loss)}
    best = min(lower.values(), default=np.inf)
    worse = min(WORSE, needed) * way
    if best < np.inf and late[1.0] - best > max(worse, min(NOISE, needed) * (start - p.least)):
        factor = max(factor for factor, loss in lower.items() if loss <= best + min(NOISE * way, worse / 2))
        after = f"{late[1.0]:.3g}" if late[1.0] < np.inf else "no number any more"
        if gain(p, base, race(p, _times(factor), steps=tried.steps)) > 0:
            yield finding(
                "NN301",
                "error" if late[1.0] >= min(start, p.constant) else "warning",
                f"{begin}{after}; at {tried.rate * factor:.3g} it comes to {late[factor]:.3g}. The steps "
                f"overshoot.{allowed if top is None or top < rate else ''}",
                _other_rate(p, factor, tried.rate),
                **evidence,
            )
            return
    optimizer: Any = p.optimizer
    rises = callable(schedule) and float(optimizer.rate_at(optimizer.steps + tried.steps)) > rate
    if (
        not scales
        and not rises
        and start - p.least > LEARNED_BY_NOW * way
        and late[TIMES] < late[1.0] + STILL * way
    ):
        least = TIMES if tried.long else FAR_ABOVE
        higher = {factor: loss for factor, loss in late.items() if factor >= least}
        lowest = min(higher.values())
        factor = min(factor for factor, loss in higher.items() if loss <= lowest + NOISE * way)
        goal = p.least + FAR_DOWN * (min(start, p.constant) - p.least)
        fell, falls = start - late[1.0], start - late[factor]
        if tried.long:
            gained = worth(p, _times(factor), needed, steps=tried.steps)
            crawls = fell < HALF * falls and gained > needed
        else:
            gained = falls / way
            still = fell < STILL * way and falls > WORSE * way
            crawls = fell < CRAWLS * falls and (late[factor] < goal or still)
        line, reached, at = _other_rate(p, factor, tried.rate), late[factor], f"{tried.rate * factor:.3g}"
        if crawls and tried.rate * factor > LARGE and tried.long:  # low by luck, often
            sure = race(p, _adam(ADAMS[0]), steps=tried.steps)
            if sure.late < reached + NOISE * way:
                at, reached = line_of(Adam(ADAMS[0])), sure.late
                line = f"Write {at} in place of {line_of(optimizer)}."
        if crawls:
            # A longer training would do less: that it is short is not what is wrong.
            p.found[:] = [one for one in p.found if not _is_less(one, gained)]
            yield finding(
                "NN302",
                "error" if fell < NOISE * falls else "warning",
                f"{begin}{late[1.0]:.3g}; at {at} it comes to {reached:.3g}. "
                f"The steps barely move.{allowed if top is None or top > tried.rate * factor else ''}",
                line,
                gain=gained,
                **evidence,
            )
            return
    if not scales and tried.long and min(late.values()) - p.least > FAR_DOWN * way and not _is_known(p):
        courses = {rate: race(p, _adam(rate), steps=tried.steps) for rate in ADAMS}
        chosen = max(courses, key=lambda rate: gain(p, base, courses[rate]))
        if gain(p, base, courses[chosen]) > needed:
            line = line_of(Adam(chosen))
            yield finding(
                "NN302",
                "error" if start - late[1.0] < NOISE * way else "warning",
                f"{begin}{late[1.0]:.3g}, and no other rate does much better; {line} brings it to "
                f"{courses[chosen].late:.3g}. The steps do not leave the plateau.",
                f"Write {line} in place of {line_of(optimizer)}.",
                **evidence | {"adam": {f"{rate:g}": plain(course.late) for rate, course in courses.items()}},
            )
            return
    yield from _noted(p, tried.steps)


def _noted(p: Patient, steps: int) -> Iterator[Finding]:
    """Note a rate far from what the curvature allows, which does well all the same."""
    limit, base = _limit(p), race(p, steps=steps)
    optimizer: Any = p.optimizer
    top, rate = limit.get("limit"), float(optimizer.rate)
    if top is not None and not top / FAR_BELOW < rate <= top:
        yield finding(
            "NN301" if rate > top else "NN302",
            "note",
            f"The rate is {rate:g}. The curvature allows {top:.3g} ({limit['formula']}). But {steps:,} steps "
            f"bring the loss from {base.losses[0]:.3g} to {base.late:.3g}, and other rates could not do much "
            "better.",
            "Keep an eye on the loss.",
            rate=rate,
            loss_before=base.losses[0],
            steps=steps,
            **limit,
        )


def _is_less(one: Finding, gained: float) -> bool:
    return one.code in ("NN314", "NN404") and one.evidence.get("gain", gained) < gained - WORSE


def _is_known(p: Patient) -> bool:
    """Tell whether something else keeps the net from learning."""
    return any(one.severity == "error" and one.code not in SYMPTOMS for one in p.found)


def _adam(rate: float) -> Variant:
    return Variant(f"Adam({rate})", lambda *_: Adam(rate))


def _other_rate(p: Patient, factor: float, unit: float) -> str:
    """Advise to multiply the rate, or all rates of a schedule."""
    optimizer: Any = p.optimizer
    if callable(optimizer.learning_rate):
        return f"Try {factor:g} times its rates; nnlite.inspect.find_learning_rate measures more."
    line = line_of(optimizer, learning_rate=float(f"{unit * factor:.1g}"))
    return f"Write {line}; nnlite.inspect.find_learning_rate measures more."


def _limit(p: Patient) -> dict[str, Any]:
    """Measure the largest rate at which plain descent is stable here; nothing where there is none."""
    optimizer = p.optimizer
    if type(optimizer) is not SGD or optimizer.clip_norm is not None or optimizer.clip_value is not None:
        return {}
    if isinstance(p.loss, MeanAbsoluteError | Quantile | Hinge):
        return {}
    seen = measured_rows(p.sample)
    own = copy.deepcopy(p.model)
    own.takes_encoded = True  # as the rows are
    found = stability_limit(optimizer, [own], None, seen.x, seen.y, p.loss, seen.weight)
    if found.start is None:  # Lanczos has found nothing, or a gradient was not finite
        return {}
    return {"sharpness": found.sharpness_start[0], "limit": found.start, "formula": found.formula}


def bounces(p: Patient) -> Iterator[Finding]:
    """Try whether a loss that goes up and down comes lower with shorter steps; if not, it may."""
    which = next((index for index, one in enumerate(p.found) if one.code == "NN405"), None)
    if which is None:
        raise Skip("the loss does not bounce")
    if not isinstance(p.optimizer, Optimizer):
        raise Skip(f"{type(p.optimizer).__name__} has no rate")
    fresh, steps, old = p.fresh, judged_steps(p), p.found[which]
    optimizer: Any = fresh.optimizer
    base = race(fresh, steps=steps)
    gains = {factor: gain(p, base, race(fresh, _times(factor), steps=steps)) for factor in CALMER}
    factor = max(gains, key=lambda factor: gains[factor])
    if not gains[factor] > STILL:
        fix = "Let it: shorter steps came no lower in a trial."
        p.found[which] = old._replace(severity=SEVERITIES[-1], fix=fix)
    else:
        fix = (
            old.fix
            if callable(getattr(p.optimizer, "learning_rate", None))
            else (
                f"{_other_rate(fresh, factor, float(optimizer.rate)).partition(';')[0]}, "
                "or let nnlite.schedules.CosineDecay lower it."
            )
        )
        p.found[which] = old._replace(fix=fix, evidence=old.evidence | {"gains": gains})
    yield from ()


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
