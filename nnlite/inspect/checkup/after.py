"""The result: what was learned, beside a constant answer, a linear model, and rows that were held out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from nnlite.core.aliases import Array
from nnlite.core.optimizers import Optimizer
from nnlite.inspect.baseline import NoBaseline, fit_linear, linear_model
from nnlite.inspect.checkup.codes import SEVERITIES
from nnlite.inspect.checkup.diagnosis import Finding, finding
from nnlite.inspect.checkup.patient import Patient, Skip, measured_loss
from nnlite.inspect.checkup.settings import judged_steps
from nnlite.inspect.checkup.trials import ENOUGH_ROWS, race
from nnlite.layers import Dense
from nnlite.sweeps.labels import BOUNCE, OFTEN, RISE, SLIGHT

__all__ = ["answers", "course", "gap", "linear"]

# Losses are compared in parts of the way from that of the best constant answer to the least one. The numbers
# are those of 104 nets on seven data sets that ended below 0.3 of it after 40 epochs of Adam.

#: A loss above this: nothing was learned.
NOTHING_LEARNED = 0.95
#: With a class below this part of the most frequent one, `fit` may have been given weights: where they
#: balanced 117 of 1,200 rows, the loss without them was 0.42, and one answer for all had 0.32.
UNEVEN = 0.5
#: Answers that vary by less than this part of their size are the same for every row.
SAME = 1e-3
#: Validation above training: up to 0.23.
GAP = 0.3
#: With such a gap, rows were learned by heart to some harm if the validation loss has risen, or went less
#: than half of the way; of classes, only if so many more rows are wrong: a loss also rises where a net is
#: surer.
HALF, MORE_WRONG = 0.5, 0.05
#: Or if this many more are wrong, whatever the loss: of 24 healthy classifiers it came to 0.085 at most.
MANY_MORE_WRONG = 0.15
#: Validation worse than the best constant answer asks for less: training must have come below it by so much.
LEARNED = 0.05
#: Of validation rows that only the history knows, the best constant answer is that of the training rows: by
#: so much the loss must lie above it, and may at its lowest have lain below.
SURELY_WORSE = 0.05
HARDLY_BELOW = 0.01
#: A rise above the lowest validation loss that is worth naming.
RISEN = 0.1
#: In the first epochs the mean loss of an epoch is far above that at its end. How many those are is a
#: judgment.
SETTLED = 2
#: The fall of the loss in the last third of the epochs: 0.016 as a rule, below 0.085 in 95 of 100.
STILL_FALLING = 0.12
LAST_PART = 3
#: Where so little is left, it may fall on; cross-entropy never stops.
LEFT = 0.05
#: Fewer moves say nothing about going up and down. What counts as that are the constants of `nnlite.sweep`;
#: the rises of healthy nets came to 0.033 an epoch at most, where 0.05 is asked for.
ENOUGH_MOVES = 5
#: By so much a linear model must be better for a warning, and so near for a note.
WORSE_THAN_LINEAR = 0.1
AS_GOOD = 0.01
#: With fewer rows a number, a linear model learns them by heart, and training rows say nothing of it.
ROWS_A_NUMBER = 10


def answers(p: Patient) -> Iterator[Finding]:
    """Compare the loss with that of the best constant answer."""
    _needs_training(p)
    loss, constant = p.start, p.constant
    if constant - loss > (1 - NOTHING_LEARNED) * p.way:
        return
    pred = p.passage.pred
    moves = float(pred.std(axis=0).max())
    same = (
        " It gives nearly the same answer to every row."
        if moves < SAME * max(1.0, float(np.abs(pred).max()))
        else ""
    )
    yield finding(
        "NN402",
        "error",
        f"After training the loss is {loss:.3g}; the best answer that is the same for every row has "
        f"{constant:.3g}. Nothing was learned.{same}",
        "See what else was found; if nothing, look whether the rows of X and y still belong together."
        + (" If fit had weight= or class_weight=, give them here too." if _asks_for_weights(p) else ""),
        loss=loss,
        constant=constant,
        spread_of_answers=moves,
    )


def _asks_for_weights(p: Patient) -> bool:
    """Tell whether training may have had weights of which nothing was said here."""
    try:
        sizes = np.bincount(p.class_ids)
    except Skip:
        return False
    return p.all.weight is None and bool(sizes[sizes > 0].min() < UNEVEN * sizes.max())


def course(p: Patient) -> Iterator[Finding]:
    """Look at the losses of the epochs: still falling, or going up and down."""
    if p.history is None:
        raise Skip("no history was given")
    if p.history.replicas:
        raise Skip("the history is that of replicas")
    losses = np.array(p.history["loss"], dtype=np.float64)
    way = max(min(losses[0], p.constant) - losses.min(), SLIGHT * p.way)
    moves = np.diff(losses) / way
    if len(moves) >= ENOUGH_MOVES:
        rises, climb = float((moves > RISE).mean()), float(np.where(moves > 0, moves, 0).sum() / len(moves))
        if rises > OFTEN and climb > BOUNCE:
            scheduled = callable(getattr(p.optimizer, "learning_rate", None))
            yield finding(
                "NN405",
                "warning",
                f"The loss rose in {rises:.0%} of {len(moves)} epochs, by {climb:.1%} of the whole way down "
                "in each on average: the steps jump from one slope to the other.",
                "Train with a third or a tenth of the rate"
                + ("." if scheduled else ", or let nnlite.schedules.CosineDecay lower it."),
                rises=rises,
                climb=climb,
                losses=losses.tolist()[-100:],
            )
            return
    stopped = p.history.stop_reason
    if stopped and not stopped.startswith("all "):
        return
    validated = "validation_loss" in p.history.columns
    watched = np.array(p.history["validation_loss"], dtype=np.float64) if validated else losses
    part = max(1, len(losses) // LAST_PART)
    if len(losses) < 2:
        return
    fell, fell_watched = (_fall(curve, part) for curve in (losses, watched))
    if min(fell, fell_watched) > STILL_FALLING * p.way and losses[-1] - p.least > LEFT * p.way:
        yield finding(
            "NN404",
            "warning",
            f"In the last {f'{part} ' if part > 1 else ''}of {len(losses)} epochs the "
            f"{'validation ' if validated else ''}loss still fell by {fell_watched:.3g}, to "
            f"{watched[-1]:.3g}: it would have gone on.",
            f"Train on, with epochs={4 * len(losses)} and EarlyStopping on validation rows.",
            fell=fell_watched,
            epochs=len(losses),
            last=part,
            loss=float(watched[-1]),
        )


def _fall(curve: Array, part: int) -> float:
    """Return by how much a curve fell in its last part, by medians, which one jump does not move."""
    width = max(1, part // 2)
    return float(np.median(curve[-part - width : -part]) - np.median(curve[-width:]))


def gap(p: Patient) -> Iterator[Finding]:
    """Compare the loss on training rows with that on validation rows."""
    _needs_training(p)
    curve: list[float] = []
    if p.history is not None and "validation_loss" in p.history.columns and not p.history.replicas:
        curve = np.array(p.history["validation_loss"], dtype=np.float64).tolist()
    train, constant = p.start, p.constant
    theirs, margin = constant, SURELY_WORSE * p.way
    if p.held_out is not None and p.held_out.y is not None:
        held_out = measured_loss(p.model, p.held_out, p.loss)
        theirs, margin = p.constant_of(p.held_out), 0.0
    elif curve:  # a part of the training rows, which `fit` has drawn
        kept = p.history.best_epoch if p.history is not None else None
        held_out = curve[kept - 1 if kept and kept <= len(curve) else -1]
    else:
        raise Skip("no validation rows were given")
    lowest = min((value for value in curve if np.isfinite(value)), default=held_out)
    if not np.isfinite(held_out):
        raise Skip("the validation loss is not finite")
    # Rows at hand say it themselves; of a curve, it must never have been better than such an answer.
    never = lowest > theirs - HARDLY_BELOW * p.way
    useless = held_out > theirs + margin and (not margin or never)
    # Each beside its own constant answer: some rows are harder than others.
    gap = (constant - train) - (theirs - held_out)
    wide = min(gap, held_out - train) >= (LEARNED if useless else GAP) * p.way
    if not (wide or _errs_more(p, MANY_MORE_WRONG)) or constant - train < LEARNED * p.way:
        return
    when = ""
    risen = held_out - lowest > RISEN * p.way
    if curve and risen:
        when = f" It was lowest, {lowest:.3g}, in epoch {curve.index(lowest) + 1} of {len(curve)}."
    if useless and margin == 0.0 and (told := _of_another_kind(p, held_out, theirs)):
        yield told
        return
    easier = ""
    if curve and p.history is not None and len(curve) == len(p.history["loss"]):
        best = curve.index(lowest)
        noisy = any(layer.stochastic for _, layer in p.model.walk()) or p.settings.get("augment")
        if best >= SETTLED and not noisy and p.history["loss"][best] - lowest > RISEN * p.way:
            easier = (
                "Look at the labels of the training rows first: validation rows were easier then, and "
                "nnlite.inspect.blame says which may be mislabelled. "
            )
    low = theirs - held_out < HALF * p.way and (risen or len(curve) < ENOUGH_MOVES)
    harmful = useless or _errs_more(p, MORE_WRONG if risen or low else MANY_MORE_WRONG)
    yield finding(
        "NN401",
        "warning" if harmful else "note",
        f"The loss is {train:.3g} on training rows and {held_out:.3g} on validation rows, where the best "
        f"constant answer has {theirs:.3g}: the net has learned rows by heart.{when}"
        + (" On other rows it is worse than a constant answer." if useless else ""),
        easier
        + (
            "See whether the rows of X and y still belong together. If they do: add"
            if useless and never
            else "Add"
        )
        + " rows, Dropout or weight_decay, take fewer neurons, and stop with EarlyStopping().",
        training_loss=train,
        validation_loss=held_out,
        constant=theirs,
        lowest_validation_loss=lowest,
        worse_than_constant=useless,
    )


def _of_another_kind(p: Patient, held_out: float, constant: float) -> Finding | None:
    """Train a copy on some training rows: if it does well on the others, validation rows are unlike them."""
    told = any(one.code == "NN110" and one.severity != SEVERITIES[-1] for one in p.found)
    if told or not p.trials or not isinstance(p.optimizer, Optimizer) or p.sample.x.shape[0] < ENOUGH_ROWS:
        return None
    other = p.renewed()
    other.held_out = None
    course = race(other, steps=judged_steps(p))
    if p.constant - course.late_held_out < HALF * p.way:
        return None
    return finding(
        "NN110",
        "error",
        f"On validation rows the loss is {held_out:.3g}, where the best answer that is the same for all of "
        f"them has {constant:.3g}; a fifth of the training rows, held out in a trial, has "
        f"{course.late_held_out:.3g}: the validation rows are of another kind.",
        "Look whether validation rows were made in the same way as the training rows: columns in the same "
        "order, the same units for X and y, and row i of y belonging to row i of X.",
        validation_loss=held_out,
        constant=constant,
        held_out_of_training=course.late_held_out,
    )


def _errs_more(p: Patient, margin: float) -> bool:
    """Tell whether more validation rows than training rows are taken for another class; of numbers, yes."""
    try:
        _ = p.class_ids
    except Skip:
        return margin < MANY_MORE_WRONG
    if p.held_out is None or p.held_out.y is None:  # rows that only `fit` has seen
        return margin < MANY_MORE_WRONG
    return p.wrong(p.held_out) - p.wrong(p.sample) > margin


def linear(p: Patient) -> Iterator[Finding]:
    """Fit a linear model to the same rows with the same loss, and compare."""
    _needs_training(p)
    part = p.sample
    widths = [stop.layer.out_features for stop in p.learning if isinstance(stop.layer, Dense)]
    if min(widths, default=p.outputs) < min(p.outputs, part.x.shape[1]):
        raise Skip("the net is narrower inside than a linear model")
    held_out = p.held_out if p.held_out is not None and p.held_out.y is not None else None
    try:
        model = linear_model(p.model, p.all.x)
        if held_out is None and part.x.shape[0] < ROWS_A_NUMBER * model.params.size:
            raise Skip("a linear model may learn so few rows by heart; give validation rows")
        fit_linear(model, part.x, part.y, part.weight, p.loss)
    except NoBaseline as reason:
        raise Skip(str(reason)) from None
    judged, where = (part, "training") if held_out is None else (held_out, "validation")
    theirs, ours = measured_loss(model, judged, p.loss), measured_loss(p.model, judged, p.loss)
    if not np.isfinite(ours):
        raise Skip("the loss is not finite")
    constant = p.constant
    evidence: dict[str, Any] = {"loss": ours, "linear": theirs, "constant": constant, "rows": where}
    if ours - theirs > WORSE_THAN_LINEAR * p.way:
        yield finding(
            "NN403",
            "warning",
            f"On {where} rows the loss is {ours:.3g}; a linear model has {theirs:.3g} (and a constant "
            f"answer {constant:.3g}).",
            f"Write Sequential([{', '.join(map(str, model.layers))}]): the hidden layers do harm as they are "
            "trained.",
            **evidence,
        )
    elif ours > theirs - AS_GOOD * p.way:
        yield finding(
            "NN403",
            "note",
            f"On {where} rows the loss is {ours:.3g}, that of a linear model {theirs:.3g}: the hidden "
            "layers add nothing.",
            "A net without hidden layers would do, and is easier to read.",
            **evidence,
        )


def _needs_training(p: Patient) -> None:
    if not p.trained:
        raise Skip("the model is not trained")
