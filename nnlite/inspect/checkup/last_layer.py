"""The last layer and the loss: whether the net can say what the targets are, and is asked for it."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from nnlite.core.aliases import AnyArray
from nnlite.core.cross_entropy import SoftmaxCrossEntropy
from nnlite.core.losses import Loss, MeanSquaredError
from nnlite.exchange.table import described
from nnlite.inspect.checkup.diagnosis import Finding, finding
from nnlite.inspect.checkup.given import Data
from nnlite.inspect.checkup.patient import Patient
from nnlite.inspect.checkup.rebuilt import fresh, halves, margin, right, trained
from nnlite.inspect.checkup.task import Task, ending, task_of, whole_answer
from nnlite.layers import Dense, LogSoftmax, Softmax
from nnlite.losses import GaussianNLL, Hinge, Huber, PoissonNLL, Quantile
from nnlite.losses.binary_cross_entropy import BinaryCrossEntropy
from nnlite.losses.robust import MeanAbsoluteError
from nnlite.model import Sequential

__all__ = ["last_layer"]

#: A share of targets beyond reach that is more than a few outliers.
OUT_OF_REACH = 0.05
#: A sigmoid comes as near to 0 as one likes; a target beyond a limit by less than this is at it.
ROUNDING = 1e-6
#: Counts and marks have numbers that are frequent and others that are rare; classes of which each has so
#: much of an even share are names. The rarest of the three wines has 0.81 of it, of ten digits 0.97; the
#: rarest number of cylinders 0.04, of whole miles per gallon 0.09, of counts drawn from Poisson 0.02 to 0.09.
EVEN = 0.5
#: What is left to pay of a loss that any net starts with near 1: less is not worth a word.
LITTLE_LEFT = 0.05


def last_layer(p: Patient) -> Iterator[Finding]:
    """Compare what the last layer can answer with what the loss wants."""
    y = p.targets
    end = p.way_through[-1]
    last, place = end.layer, end.words
    known = described(last)
    low, high = known.bounds(last) if known and known.bounds else (-math.inf, math.inf)
    task = task_of(y.astype(np.int64) if p.integers else y, classifies=p.loss.from_logits)
    if isinstance(last, Softmax | LogSoftmax):
        found = list(_softmax(p, place, task))
        if found:
            yield from found
            return
    if p.loss.from_logits:
        yield from _bounded_logits(p, place, low, high, task)
        return
    if isinstance(p.loss, PoissonNLL | GaussianNLL):  # they predict logarithms
        return
    below, above = y < low - ROUNDING, y > high + ROUNDING
    beyond = below | above
    wrong_task = list(_numbers_for_classes(p, y, task, out_of_reach=bool(beyond.any())))
    yield from wrong_task
    if wrong_task and wrong_task[0].severity != "note":  # which says how the net is to end
        return
    if beyond.any():
        share = float(beyond.mean())
        worst = float(y[beyond].min() if below.any() else y[beyond].max())
        limits = f"at least {low:.3g}" if high == math.inf else f"from {low:.3g} to {high:.3g}"
        if low == -math.inf:
            limits = f"at most {high:.3g}"
        yield finding(
            "NN203",
            "error" if share >= OUT_OF_REACH else "warning",
            f"{place} answers {limits}, but {share:.1%} of the targets lie beyond, such as {worst:.3g}: the "
            "net cannot say them.",
            f"Leave {place} out, so that the model ends with a plain Dense.",
            low=None if low == -math.inf else low,
            high=None if high == math.inf else high,
            share=share,
            example=worst,
        )
    elif math.isfinite(low) and high == math.inf:
        yield from _silent(p, y, low, place)


def _silent(p: Patient, y: AnyArray, low: float, place: str) -> Iterator[Finding]:
    """Tell outputs that stand at their limit in every row, where the last activation has no slope."""
    pred = p.passage.pred
    if pred.shape != y.shape or len(y) < 2:
        return
    silent = np.asarray((pred <= low).all(axis=0) & (y > low).any(axis=0))
    if not silent.any():
        return
    yield finding(
        "NN203",
        "error",
        f"{int(silent.sum())} of {len(silent)} outputs of {place} are {low:g} in all rows, where its slope "
        "is 0: no blame comes through, and nothing is learned from them.",
        f"Leave {place} out, so that the model ends with a plain Dense.",
        outputs=np.flatnonzero(silent).tolist(),
        low=low,
    )


def _softmax(p: Patient, place: str, task: Task) -> Iterator[Finding]:
    """Tell a softmax over one output, and over labels of which several may be true."""
    if p.outputs == 1:
        answer = "0, the logarithm of 1," if isinstance(p.way_through[-1].layer, LogSoftmax) else "1"
        yield finding(
            "NN210",
            "error",
            f"{place} has one output, and what it gives sums to 1: its answer is {answer} for every row, and "
            "nothing is learned.",
            whole_answer(p.model, task, p.loss),
            outputs=1,
            targets=task.words,
        )
    elif task.kind == "labels":
        yield finding(
            "NN211",
            "error",
            f"The targets are {task.words}, and what {place} gives sums to 1 in each row: it cannot say two "
            "labels at once, nor none.",
            whole_answer(p.model, task, p.loss),
            outputs=p.outputs,
            targets=task.words,
        )


def _bounded_logits(p: Patient, place: str, low: float, high: float, task: Task) -> Iterator[Finding]:
    if low == -math.inf and high == math.inf:
        return
    one_sided = high == math.inf
    # What is left to pay for a row of which the net is as sure as its last layer lets it be.
    classes = p.outputs if p.kind == "classes" else 2
    if p.kind == "classes":
        gap = math.inf if one_sided else high - low
        least = math.log1p((classes - 1) * math.exp(-gap)) if gap < math.inf else 0.0
    elif isinstance(p.loss, Hinge):
        least = max(0.0, 1.0 + low)
    else:
        least = math.log1p(math.exp(low))
    serious = one_sided and p.kind != "classes"
    if not one_sided and least < LITTLE_LEFT:
        return
    limits = f"never below {low:.3g}" if one_sided else f"only from {low:.3g} to {high:.3g}"
    so = (
        f"a loss of {least:.3g} remains for each row of the other class"
        if serious
        else (
            "a class whose score is stuck at the limit learns nothing"
            if one_sided
            else f"a loss of {least:.3g} remains however sure the net is"
        )
    )
    yield finding(
        "NN204",
        "warning" if one_sided and not serious else "error",
        f"{place} gives scores {limits}, and {p.loss} takes logits of any size: {so}.",
        f"Leave {place} out, so that the model ends with Dense."
        if ending(p.model) is None or task.kind == "numbers"
        else whole_answer(p.model, task, p.loss),
        low=low,
        high=None if one_sided else high,
        least_loss=least,
    )


def _numbers_for_classes(p: Patient, y: AnyArray, task: Task, *, out_of_reach: bool) -> Iterator[Finding]:
    """Tell class ids that are to be predicted as numbers, by a loss of distances."""
    if not isinstance(p.loss, MeanSquaredError | MeanAbsoluteError | Huber | Quantile):
        return
    if task.kind not in ("classes", "yes or no") or (task.kind == "classes" and y.min() < 0):
        return
    of_ids = y.shape[1] == 1 and task.kind == "classes"
    there, then = _what_it_costs(p, task)
    costs = there is not None and then is not None and then - there >= margin(halves(p).judge)
    if of_ids:
        amounts = f"class 2 would lie between 1 and {min(3, task.outputs - 1)}" if task.outputs > 2 else ""
        message = (
            f"The targets are {task.words}, and {p.loss} takes them for amounts"
            + (f": {amounts}" if task.outputs > 3 else "")
            + (f", and {p.way_through[-1].words} cannot say most of them" if out_of_reach else "")
        )
        counts = np.unique(y, return_counts=True)[1]
        even = task.outputs > 2 and counts.min() * task.outputs >= EVEN * len(y)
        serious = costs or p.integers or out_of_reach or even
    else:
        what = "0 and 1, as yes and no are" if task.kind == "yes or no" else task.words
        message = f"The targets are {what}, and {p.loss} takes them for amounts"
        serious = costs
    if costs and there is not None and then is not None:
        message += (
            f"; after a few hundred steps a copy is right about {there:.0%} of rows that it has not seen, "
            f"and one that ends as it should about {then:.0%}"
        )
    yield finding(
        "NN202",
        "warning" if serious else "note",
        f"{message}.",
        whole_answer(p.model, task, p.loss),
        values=np.unique(y).tolist(),
        classes=task.outputs if task.kind == "classes" else 2,
        right=there,
        right_with_cross_entropy=then,
    )


def _what_it_costs(p: Patient, task: Task) -> tuple[float | None, float | None]:
    """Train a copy as it stands, and one that ends as the targets ask for; say how much each gets right."""
    tail = ending(p.model)
    if not p.trials or tail is None or not all(stop.place.isdecimal() for stop in tail) or p.went_well:
        return None, None
    train, judge = halves(p)
    if judge.x.shape[0] < 2 * task.outputs:
        return None, None
    optimizer, another = fresh(p), fresh(p)
    there = _share(p, trained(p, p.model.layers, train, p.loss, optimizer), judge, task)
    layers = [*p.model.layers[: int(tail[0].place)]]
    inputs: int = tail[0].layer.in_features  # type: ignore[attr-defined]
    loss: Loss = SoftmaxCrossEntropy() if task.kind == "classes" else BinaryCrossEntropy()
    other = train
    if task.kind == "classes" and train.y.shape[1] == 1:
        other, judge = (part._replace(y=part.y[:, 0].astype(np.intp)) for part in (train, judge))
    then = right(trained(p, [*layers, Dense(inputs, task.outputs)], other, loss, another), judge, loss)
    return there, then


def _share(p: Patient, model: Sequential, judge: Data, task: Task) -> float:
    """Return how many classes the rounded answers name."""
    if task.kind == "classes" and judge.y.shape[1] == 1:
        pred = model._predict(judge.x, judge.x.shape[0])
        return float((np.rint(pred) == judge.y).mean()) if np.isfinite(pred).all() else 0.0
    return right(model, judge, p.loss)
