"""The rate: a few steps on copies, with it and with others, and what the curvature of the loss allows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from nnlite.core.optimizers import Optimizer, acts
from nnlite.inspect.checkup.codes import SETTINGS, SEVERITIES, SYMPTOMS
from nnlite.inspect.checkup.diagnosis import Finding, finding
from nnlite.inspect.checkup.patient import STEPS, Patient, Skip
from nnlite.inspect.checkup.rates import (
    FAR_ABOVE,
    FAR_DOWN,
    STILL,
    TIMES,
    Rates,
    learns_scaled,
    limit_of,
    other_rate,
    times,
)
from nnlite.inspect.checkup.settings import asked, goes_well, judged_steps
from nnlite.inspect.checkup.trials import (
    Variant,
    affordable,
    gain,
    line_of,
    race,
    worth,
)
from nnlite.inspect.length import end_of_schedule
from nnlite.inspect.numbers import plain
from nnlite.optimizers.adam import Adam

__all__ = ["bounces", "learning_rate"]

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
CRAWLS = 0.2
#: Where it is known how long the training is, one TIMES as large is enough that comes more than twice as far,
#: and further by what is asked of any setting.
HALF = 0.5
#: What a bouncing rate is multiplied by.
CALMER = (0.3, 0.1)
#: Above this rate, another optimizer that does as well is the safer advice.
LARGE = 1.0
#: What is tried where no rate of the optimizer moves anything.
ADAMS = (0.01, 0.001)
#: So many times below what the curvature allows is worth a note.
FAR_BELOW = 1000.0


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
    if scales and learns_scaled(p):
        raise Skip(f"{scales[0]} is to blame: scaled, the rate does well")
    tried = Rates(p, judged_steps(p) if known else STEPS, long=known)
    if not known and tried.still:
        tried = Rates(p, affordable(p), long=True)
    yield from _judged(tried, needed, fresh=fresh, scales=bool(scales))


def _judged(tried: Rates, needed: float, *, fresh: bool, scales: bool) -> Iterator[Finding]:
    p, late, start, way = tried.p, dict(sorted(tried.late.items())), tried.start, tried.p.way
    limit = limit_of(p)
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
        if late[1.0] == np.inf or gain(p, base, race(p, times(factor), steps=tried.steps)) > 0:
            yield finding(
                "NN301",
                "error" if late[1.0] >= min(start, p.constant) else "warning",
                f"{begin}{after}; at {tried.rate * factor:.3g} it comes to {late[factor]:.3g}. The steps "
                f"overshoot.{allowed if top is None or top < rate else ''}",
                other_rate(p, factor, tried.rate),
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
            gained = worth(p, times(factor), needed, steps=tried.steps)
            crawls = fell < HALF * falls and gained > needed
        else:
            gained = falls / way
            still = fell < STILL * way and falls > WORSE * way
            crawls = fell < CRAWLS * falls and (late[factor] < goal or still)
        line, reached, at = other_rate(p, factor, tried.rate), late[factor], f"{tried.rate * factor:.3g}"
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
        decay = float(optimizer.weight_decay)
        courses = {rate: race(p, _adam(rate, decay), steps=tried.steps) for rate in ADAMS}
        chosen = max(courses, key=lambda rate: gain(p, base, courses[rate]))
        if gain(p, base, courses[chosen]) > needed:
            line = line_of(Adam(chosen, weight_decay=decay))
            yield finding(
                "NN302",
                "error" if start - late[1.0] < NOISE * way else "warning",
                f"{begin}{late[1.0]:.3g}, and no other rate does much better; {line} brings it to "
                f"{courses[chosen].late:.3g}. The steps do not leave the plateau.",
                f"Write {line} in place of {line_of(optimizer)}.",
                **evidence | {"adam": {f"{rate:g}": plain(course.late) for rate, course in courses.items()}},
            )
            return
        free = race(p, _adam(ADAMS[0]), steps=tried.steps)
        if acts(optimizer.weight_decay) and gain(p, base, free) > needed:
            line = line_of(optimizer, weight_decay=0.0)
            yield finding(
                "NN312",
                "error" if start - late[1.0] < NOISE * way else "warning",
                f"{begin}{late[1.0]:.3g}, and no other rate does much better, nor Adam with weight_decay="
                f"{decay:g}; without it Adam({ADAMS[0]}) comes to {free.late:.3g}.",
                f"Write {line}.",
                **evidence,
            )
            return
    yield from _noted(p, tried.steps)


def _noted(p: Patient, steps: int) -> Iterator[Finding]:
    """Note a rate far from what the curvature allows, which does well all the same."""
    limit, base = limit_of(p), race(p, steps=steps)
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


def _adam(rate: float, decay: float = 0.0) -> Variant:
    return Variant(f"Adam({rate}, weight_decay={decay})", lambda *_: Adam(rate, weight_decay=decay))


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
    gains = {factor: gain(p, base, race(fresh, times(factor), steps=steps)) for factor in CALMER}
    factor = max(gains, key=lambda factor: gains[factor])
    if not gains[factor] > STILL:
        fix = "Let it: shorter steps came no lower in a trial."
        p.found[which] = old._replace(severity=SEVERITIES[-1], fix=fix)
    else:
        fix = (
            old.fix
            if callable(getattr(p.optimizer, "learning_rate", None))
            else (
                f"{other_rate(fresh, factor, float(optimizer.rate)).partition(';')[0]}, "
                "or let nnlite.schedules.CosineDecay lower it."
            )
        )
        p.found[which] = old._replace(fix=fix, evidence=old.evidence | {"gains": gains})
    yield from ()
