"""The settings: schedule, clipping, dropout, decay, momentum and length, each tried out without it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from nnlite.core.optimizers import Optimizer, acts
from nnlite.inspect.checkup.codes import SEVERITIES, SYMPTOMS
from nnlite.inspect.checkup.diagnosis import Finding, finding
from nnlite.inspect.checkup.patient import STEPS, Patient, Skip
from nnlite.inspect.checkup.trials import AS_IS, Change, Variant, affordable, falls, line_of, race, worth
from nnlite.layers import Dropout, ParameterGroup
from nnlite.model import Sequential
from nnlite.schedules import Schedule
from nnlite.training.settings import value_text

__all__ = ["COSTS", "WELL_TRIED", "asked", "goes_well", "judged_steps", "length", "settings"]

#: A setting is to blame if without it the loss comes so much of the way from a constant answer further down,
#: on rows that were not trained on too. In the clinic, seed 0, broken settings cost 0.23 to 1.1; those that
#: are suspect in six healthy trainings cost 0.001 at most.
COSTS = 0.2
#: So much is enough if something is wrong with what came of the training: the loss bounces, neurons have
#: died, a linear model is better; or if so little is left to gain, since the training went well. A judgment:
#: above what chance made of those six, and far below COSTS.
COSTS_WITH_SYMPTOM = 0.05
#: A training that went so much of the way, on validation rows too, has nothing to gain from its settings: a
#: judgment.
ALL_BUT_DONE = 0.95
#: An error if with it next to nothing is learned.
NEARLY_NOTHING = 0.1
#: Dropout above this is tried at USUAL_DROPOUT; momentum (or beta1) from this on is tried at USUAL_MOMENTUM.
MUCH_DROPOUT, USUAL_DROPOUT = 0.5, 0.2
MUCH_MOMENTUM, USUAL_MOMENTUM = 0.95, 0.9
#: Clipping that only holds back what is rare, and tames a rate that is a little too large.
USUAL_CLIP = 1.0
#: A rate below this part of the largest one moves nothing, and in more than this part of the steps is early.
#: A judgment: `CosineDecay` is below a hundredth in 6 % of its steps, a `PolynomialDecay` of power 2 in 10 %,
#: the schedules of the clinic that were over too soon in 96 % and more.
NOTHING, EARLY = 1e-2, 0.3
#: A training that comes to less than this part of the largest rate ends in the warm-up; so many times its
#: length is looked ahead. Judgments, as are the two below.
HARDLY_BEGUN, AHEAD = 0.3, 1000.0
#: Where it makes up this part of an average of weights, the first of them has not been forgotten.
REMEMBERED = 0.1
#: Longer trainings are tried at so many times the length, with no fewer steps than learn small tables by
#: heart, and at least at twice.
LONGER, NO_FEWER, AT_LEAST = 10, 1000, 2
#: One long trial may cost as much as so many others.
LONG = 3
#: Fewer steps than this are called few, and the fix is then the number of steps and not patience. On digits,
#: 64-32-10, the mean loss of the epoch that ended with step 57 of Adam(0.01) was 1.2, with step 114 0.28.
FEW_STEPS = 100
#: A larger part of the rows held out is part of the reason, too.
MOST_HELD_OUT, USUAL_HELD_OUT = 0.5, 0.2
#: Batches so much larger than usual ones are part of the reason.
USUAL_BATCH, LARGE_BATCH = 32, 128
#: What a rate of 0 is tried at, and the part of a decay that may do good.
ORDINARY_RATE, LESS_DECAY = 0.01, 100.0
#: Why nothing is changed in trials.
WELL_TRIED = "as it is, a trial goes well"
#: Patience that is suggested, at least.
PATIENCE = 20


class Suspect(NamedTuple):
    """A setting, how a training goes without it, and how one writes that.

    Parameters
    ----------
    code : str
        What it is called if it is to blame.
    setting : str
        As the user has it.
    variant : Variant
        The training without it.
    fix : str
        What to write.
    evidence : dict
        More numbers.
    base : Variant
        The training with it.

    Examples
    --------
    >>> Suspect("NN310", "clip_norm=1e-06", Variant("no clipping"), "Leave it out.", {}).code
    'NN310'
    """

    code: str
    setting: str
    variant: Variant
    fix: str
    evidence: dict[str, Any]
    base: Variant = AS_IS


def settings(p: Patient) -> Iterator[Finding]:
    """Try each suspect setting on copies."""
    if not isinstance(p.optimizer, Optimizer):
        raise Skip(f"{type(p.optimizer).__name__} has no such settings")
    if p.went(ALL_BUT_DONE, validated=True):
        raise Skip("the training went well")
    yield from _left_out(p)
    for suspects in (_schedule, _clipping, _momentum, _dropout, _decay):
        # Of a setting there may be several remedies: the first that helps is told.
        yield from next(filter(None, (list(_tried(p, one)) for one in suspects(p))), [])


def _tried(p: Patient, one: Suspect) -> Iterator[Finding]:
    fresh, steps = p.fresh, judged_steps(p)
    base = race(fresh, one.base, steps=steps)
    # Without rows to judge by, what keeps a net from learning by heart seems to cost.
    needed = asked(p) if base.held_out else COSTS
    gained = worth(fresh, one.variant, needed, base=one.base, steps=steps)
    if not gained > needed:
        return
    other = race(fresh, one.variant, steps=steps)
    went = (p.constant - base.late) / p.way
    held_out = {"held_out": base.late_held_out, "held_out_without": other.best} if base.held_out else {}
    yield finding(
        one.code,
        "error" if went < NEARLY_NOTHING else "warning",
        f"With {one.setting} training is held back. {one.variant.name}, the loss "
        f"{falls(base, other, steps=steps)}.",
        one.fix,
        setting=one.setting,
        steps=steps,
        loss=base.late,
        loss_without=other.late,
        gain=gained,
        **held_out,
        **one.evidence,
    )


def asked(p: Patient) -> float:
    """Return what a change must gain, in parts of the way, for a setting to be to blame.

    Parameters
    ----------
    p : Patient
        It has what was found so far.

    Returns
    -------
    float
    """
    wrong = p.trained and any(one.code in SYMPTOMS and one.severity != SEVERITIES[-1] for one in p.found)
    return COSTS_WITH_SYMPTOM if wrong or p.went_well else COSTS


def goes_well(p: Patient, steps: int) -> bool:
    """Tell whether a trial of the training as it is comes so low that no change could gain what is asked.

    Parameters
    ----------
    p : Patient
        It has what was found so far.
    steps : int
        How many to try.

    Returns
    -------
    bool
    """
    late = race(p.fresh, steps=steps).late
    return bool(p.fresh.constant - late >= (1 - asked(p)) * p.fresh.way)


def judged_steps(p: Patient) -> int:
    """Return how many steps a setting is judged by: those of the training, if they can be afforded.

    Parameters
    ----------
    p : Patient
        If nobody has said how long its training is, it is as many as can be afforded.

    Returns
    -------
    int
    """
    most = affordable(p)
    return most if p.length is None else int(np.clip(p.length, STEPS, most))


def _changed(**arguments: Any) -> Change:
    """Return what changes arguments of an optimizer."""

    def change(_: Sequential, optimizer: Optimizer) -> Optimizer:
        for name, value in arguments.items():
            setattr(optimizer, name, value)
        return optimizer

    return change


def _schedule(p: Patient) -> Iterator[Suspect]:
    """Suspect a schedule, or a callback, that has brought the rate to nothing long before the end."""
    optimizer: Any = p.fresh.optimizer
    steps = judged_steps(p)
    used = [] if p.history is None else p.history.rows
    by = value_text(optimizer.learning_rate) if callable(optimizer.learning_rate) else _callback(p, "Plateau")
    if callable(optimizer.learning_rate):
        ahead = optimizer.steps + np.linspace(0, (p.length or steps) - 1, STEPS).astype(int)
        rates = np.array([float(optimizer.rate_at(int(step))) for step in ahead])
        largest = np.append(rates, [float(optimizer.rate_at(step)) for step in (0, optimizer.steps // 2)])
    elif used and all(isinstance(row.get("learning_rate"), float) for row in used):
        rates = largest = np.array([row["learning_rate"] for row in used])
    else:
        return
    top = float(largest.max())
    if isinstance(optimizer.learning_rate, Schedule) and p.length is not None:
        beyond = optimizer.steps + np.geomspace(p.length, AHEAD * p.length, STEPS)
        later = max(float(optimizer.rate_at(int(step))) for step in beyond)
        if top < HARDLY_BEGUN * later:
            yield Suspect(
                "NN309",
                f"{by}, which comes to {later:.3g} only after the {p.length:,} steps of the training,",
                Variant(f"At {later:.3g} throughout", _changed(learning_rate=later)),
                f"Write {line_of(optimizer, learning_rate=later)}, or a warm-up of fewer steps.",
                {"largest": top, "later": later},
            )
    sunk = (rates < NOTHING * top) & (np.arange(len(rates)) >= rates.argmax())  # a warm-up begins low
    still = float(sunk.mean()) if top else 1.0
    if not still > EARLY:
        return

    def recorded(step: int) -> float:
        return float(rates[min(len(rates) * step // steps, len(rates) - 1)])

    for part in (1.0, 0.1):  # a peak may be too high for long
        again = part * (top or ORDINARY_RATE)
        yield Suspect(
            "NN309",
            f"{by or 'a callback'}, by which the rate is "
            + (f"below {NOTHING:.0%} of {top:.3g} in {still:.0%} of the steps," if top else "0,"),
            Variant(f"At {again:.3g} throughout", _changed(learning_rate=again)),
            f"Write {line_of(optimizer, learning_rate=again)}, or CosineDecay({again:.3g}), which lasts as "
            "long as fit does.",
            {"largest": top, "last": float(rates[-1]), "share": still},
            Variant("with the rates of the training", _changed(learning_rate=recorded)),
        )


def _callback(p: Patient, kind: str) -> str:
    """Return the text of the first callback of a kind; empty if there is none that is known."""
    return next((text for text in p.settings.get("callbacks", ()) if kind in text.partition("(")[0]), "")


def _left_out(p: Patient) -> Iterator[Finding]:
    """Look whether what trials leave out is to blame: augmentation, or an average of old weights."""
    text, augment = _callback(p, "AveragedWeights"), p.settings.get("augment")
    if not p.trained or p.length is None or not (text or augment):
        return
    decay = float(text.partition("decay=")[2].partition(")")[0]) if text else 0.0
    course = race(p.fresh, steps=judged_steps(p))
    late = max(course.late, course.late_held_out) if course.held_out else course.late
    gained = (p.start - late) / p.way
    if not gained > asked(p):
        return
    severity = "error" if p.constant - p.start < NEARLY_NOTHING * p.way else "warning"
    without = f"The loss is {p.start:.3g}; without it, it comes to {late:.3g} in a trial."
    if decay**p.length > REMEMBERED:
        shorter = float(f"{REMEMBERED ** (LONGER / p.length):.2g}")
        yield finding(
            "NN314",
            severity,
            f"{p.length:,} steps are few for {text}: the first weights still make up {decay**p.length:.0%} "
            f"of the average. {without}",
            f"Write AveragedWeights({shorter:g}), or leave it out.",
            steps=p.length,
            decay=decay,
            gain=gained,
        )
    elif augment:
        yield finding(
            "NN311",
            severity,
            f"With augment={augment} training is held back. {without}",
            f"Leave augment={augment} out, or change the rows less.",
            augment=augment,
            gain=gained,
        )


def _clipping(p: Patient) -> Iterator[Suspect]:
    optimizer: Any = p.optimizer
    for name in ("clip_norm", "clip_value"):
        value = getattr(optimizer, name)
        for instead in (None, USUAL_CLIP) if value is not None else ():
            other = {name: None, "clip_norm": instead}
            yield Suspect(
                "NN310",
                f"{name}={value:g}",
                Variant(f"With clip_norm={instead}" if instead else f"Without {name}", _changed(**other)),
                f"Leave {name}={value:g} out: write {line_of(optimizer, **other)}.",
                {name: value},
            )


def _momentum(p: Patient) -> Iterator[Suspect]:
    optimizer: Any = p.optimizer
    for name in ("momentum", "beta1"):
        value = getattr(optimizer, name, 0.0)
        if isinstance(value, float) and value >= MUCH_MOMENTUM:
            usual = {name: USUAL_MOMENTUM}
            yield Suspect(
                "NN313",
                f"{name}={value:g}, which adds up the steps of the last {1 / (1 - value):,.0f},",
                Variant(f"With {USUAL_MOMENTUM}", _changed(**usual)),
                f"Write {line_of(optimizer, **usual)}.",
                {name: value},
            )


def _dropout(p: Patient) -> Iterator[Suspect]:
    much = {place[:-1]: layer.rate for place, layer in p.model.walk() if _drops_much(layer)}
    if not much:
        return

    def change(model: Sequential, optimizer: Optimizer) -> Optimizer:
        for _, layer in model.walk():
            if _drops_much(layer):
                layer.rate = USUAL_DROPOUT
        return optimizer

    place = max(much, key=lambda place: much[place])
    yield Suspect(
        "NN311",
        f"layer {place} Dropout({much[place]:g}), which leaves {1 - much[place]:.0%} of the neurons,",
        Variant(f"With {USUAL_DROPOUT}", change),
        f"Write Dropout({USUAL_DROPOUT}) for layer {' and '.join(much)}.",
        {"rates": much},
    )


def _drops_much(layer: Any) -> bool:
    return isinstance(layer, Dropout) and layer.rate > MUCH_DROPOUT


def _decay(p: Patient) -> Iterator[Suspect]:
    optimizer: Any = p.optimizer
    if acts(optimizer.weight_decay):
        less = line_of(optimizer, weight_decay=optimizer.weight_decay / LESS_DECAY)
        yield Suspect(
            "NN312",
            f"weight_decay={optimizer.weight_decay:g}",
            Variant("Without weight_decay", _changed(weight_decay=0.0)),
            f"Write {line_of(optimizer, weight_decay=0.0)}; a smaller one that may do good is {less}.",
            {"weight_decay": optimizer.weight_decay},
        )
    for place, layer in p.model.walk():
        if not isinstance(layer, ParameterGroup):
            continue
        asked = {name: getattr(layer, name) for name in ("l1", "l2", "max_norm") if getattr(layer, name)}
        if asked:
            text = ", ".join(f"{name}={value:g}" for name, value in asked.items())
            yield Suspect(
                "NN312",
                f"{text} of layer {place[:-1]} ParameterGroup",
                Variant(f"Without {text}", _free(place)),
                f"Leave out {text}, or take a hundredth of it.",
                {"layer": place[:-1], **asked},
            )


def _free(place: str) -> Change:
    def change(model: Sequential, optimizer: Optimizer) -> Optimizer:
        group: Any = dict(model.walk())[place]
        group.l1, group.l2, group.max_norm = 0.0, 0.0, None
        return optimizer

    return change


def length(p: Patient) -> Iterator[Finding]:
    """Try a longer training: too few steps, or stopped too soon."""
    if p.length is None:
        raise Skip("nobody has said for how many epochs")
    if p.went_well:
        raise Skip("the training went well")
    stopped = "" if p.history is None else p.history.stop_reason
    if stopped and not stopped.startswith(("all ", "no better", "time limit")):
        raise Skip(f"it ended by {stopped}")
    steps, most = p.length, LONG * affordable(p)
    if goes_well(p, steps):
        raise Skip(WELL_TRIED)
    planned = (p.settings.get("epochs") or 0) * p.steps_an_epoch
    longer = min(max(LONGER * steps, planned, NO_FEWER), most)
    if longer < AT_LEAST * steps:
        raise Skip(f"{AT_LEAST} times the length would take too long")
    large = (
        isinstance(p.optimizer, Optimizer) and p.batch_size >= LARGE_BATCH and p.all.x.shape[0] > USUAL_BATCH
    )
    longer = int(longer)
    name = f"with {longer} steps" + (f" of {USUAL_BATCH} rows" if large else "")
    variant = Variant(name, batch_size=USUAL_BATCH if large else None)
    gained = worth(p.fresh, variant, asked(p), steps=steps, longer=longer)
    if not gained > asked(p):
        return
    base, other = race(p.fresh, steps=steps), race(p.fresh, variant, steps=longer)
    an_epoch = math.ceil(p.all.x.shape[0] / USUAL_BATCH) if large else p.steps_an_epoch
    epochs = math.ceil(longer / an_epoch)
    fix = f"Train with epochs={epochs}" + (f", batch_size={USUAL_BATCH}." if large else ".")
    share = p.settings.get("validation")
    if isinstance(share, float) and share > MOST_HELD_OUT:
        fix = f"Hold out less: write validation={USUAL_HELD_OUT}. {fix}"
    out_of_time, stopped = stopped.startswith("time"), stopped if stopped.startswith("no better") else ""
    code = "NN406" if stopped else "NN314" if steps < FEW_STEPS else "NN404"
    if any(one.code == code for one in p.found):  # seen in the history
        return
    one = steps == 1
    made = f"{steps:,} step{'' if one else 's'}"
    if p.settings.get("epochs") or p.history is not None:
        batches = "one batch" if p.steps_an_epoch == 1 else f"{p.steps_an_epoch:,} batches"
        each = f"{batches} of {min(p.batch_size, p.all.x.shape[0]):,} rows"
        epochs_made = steps // p.steps_an_epoch
        made += f" ({epochs_made:,} epoch{'' if epochs_made == 1 else 's'} of {each})"
    begin = f"{made} {'is' if one else 'are'} few"
    if out_of_time:
        begin = f"The time limit came after {made}"
        fix = f"Give TimeLimit {math.ceil(longer / steps)} times as many seconds."
    if stopped:
        begin = f"After {made} fit stopped, with {stopped}"
        epochs = max(epochs, AT_LEAST * PATIENCE)
        more = f", with epochs={epochs}" if epochs * p.steps_an_epoch > planned else ""
        text = _callback(p, "EarlyStopping")
        odd = re.findall(r"min_delta=[^,)]*[1-9][^,)]*|higher_is_better=(?:True|False)", text)
        without = f", without {' and '.join(odd)}" if odd else ""
        fix = f"Write EarlyStopping(patience={PATIENCE}){without}{more}."
    rows = "loss of rows that were not trained on" if other.held_out else "loss"
    now, then = (base.late_held_out, other.best) if other.held_out else (base.late, other.late)
    yield finding(
        code,
        "error" if (p.constant - base.late) / p.way < NEARLY_NOTHING else "warning",
        f"{begin}: from new weights the {rows} comes to {now:.3g}, with {longer:,} steps"
        f"{f' of {USUAL_BATCH} rows' if large else ''} to {then:.3g}.",
        fix,
        steps=steps,
        epochs=steps // p.steps_an_epoch,
        batch_size=p.batch_size,
        longer=longer,
        loss=now,
        loss_of_longer=then,
        gain=gained,
    )
