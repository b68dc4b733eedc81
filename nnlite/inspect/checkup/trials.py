"""Trials: copies train for some steps, one as things stand and others with one setting changed."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from nnlite.core.optimizers import Optimizer
from nnlite.errors import DivergenceError
from nnlite.inspect.checkup.given import Data, batches, take
from nnlite.inspect.checkup.patient import STEPS, Patient, measured_loss
from nnlite.layers import GRU, LSTM, SimpleRNN
from nnlite.model import Sequential
from nnlite.optimizers.second_order import LevenbergMarquardt
from nnlite.training.groups import Groups
from nnlite.training.identity import arguments
from nnlite.training.inside import Stop
from nnlite.training.settings import value_text
from nnlite.training.work import measure_work

__all__ = [
    "AS_IS",
    "Change",
    "Course",
    "Variant",
    "affordable",
    "falls",
    "gain",
    "line_of",
    "measured_rows",
    "race",
    "worth",
]

#: How often the loss is looked at in a trial, and how many of the last looks count: one bad batch does not.
LOOKS = 10
LATE = 3
#: Rows that the loss is looked at on.
MEASURED_ROWS = 512
#: With so many rows a fifth is held out in trials, where no validation rows are given: what is learned by
#: heart is no gain. Fewer say little.
ENOUGH_ROWS = 100
HELD_OUT = 0.2
#: What a step of time in a recurrent layer costs, of that: it takes twice as much, but a trial of a GRU over
#: 24 steps would then be too short to say anything.
STEP_OF_TIME = 0.5
#: What one iteration of an optimizer of all rows comes to, in passes.
ITERATION = 10
#: What one trial may cost, in multiplications, of which a core makes 40 million in a millisecond; what a
#: layer costs in a step beside its products; and passes of a step over its rows. It is the budget of all that
#: is tried: of digits, 64-32-10, a trial has 1,800 steps then and takes 0.15 s, and a doctor makes up to 20.
BUDGET = 6e9
LAYER = 1e6
PASSES = 3
#: A gain of less may be the luck of an order of the rows, and must come with another one too: of 600 walks a
#: recurrent net of 12 neurons came to 0.10 to 0.15 of a loss of 0.69 by chance (five seeds), 0.06 of the way.
CERTAIN = 0.2
#: No trial is longer.
MOST_STEPS = 4000


#: Changes copies in place, and returns the optimizer to train with.
Change = Callable[[Sequential, Optimizer], Optimizer]


class Variant(NamedTuple):
    """A training with one setting changed.

    Parameters
    ----------
    name : str
        Says what is changed; trials of one name are made once.
    change : callable (Sequential, Optimizer) -> Optimizer, optional
        Changes the copies in place, and returns the optimizer to train with.
    batch_size : int, optional
        Rows in one step.
    rebuild : callable (Sequential) -> Sequential, optional
        Makes another net of the copy.

    Examples
    --------
    >>> Variant("as it is").batch_size is None
    True
    """

    name: str
    change: Change | None = None
    batch_size: int | None = None
    rebuild: Callable[[Sequential], Sequential] | None = None


#: Nothing is changed.
AS_IS = Variant("as it is")


class Course(NamedTuple):
    """How the loss went in a trial; infinite from where it was no number.

    Parameters
    ----------
    losses : list of float
        Of the measured rows, before the first step and at even distances.
    held_out : list of float
        The same of rows that were not trained on; empty if there are none.

    Examples
    --------
    >>> Course([2.0, 1.0, 0.5, 0.7, 0.6], []).late
    0.6
    """

    losses: list[float]
    held_out: list[float]

    @property
    def late(self) -> float:
        """The loss towards the end, by the median of the last looks."""
        return _late(self.losses)

    @property
    def late_held_out(self) -> float:
        """The same of the rows that were not trained on."""
        return _late(self.held_out)

    @property
    def best(self) -> float:
        """The lowest loss of the rows that were not trained on, where `EarlyStopping` would have stopped."""
        return min(self.held_out)


def race(p: Patient, variant: Variant = AS_IS, *, steps: int = STEPS, seed: int = 0) -> Course:
    """Train a copy, from the same weights, with the same batches and the same dropout as any other.

    Parameters
    ----------
    p : Patient
        Left as it is; it remembers the course.
    variant : Variant
        What is changed.
    steps : int
        How many.
    seed : int
        Another gives other batches and other dropout.

    Returns
    -------
    Course
    """
    key = variant.name, steps, seed
    if key not in p.courses:
        p.courses[key] = _run(p, variant, steps, seed)
    course: Course = p.courses[key]
    return course


def _run(p: Patient, variant: Variant, steps: int, seed: int) -> Course:
    if not isinstance(p.optimizer, Optimizer):
        return _run_full_batch(p, steps)
    model, optimizer = copy.deepcopy((p.model, p.optimizer))
    if variant.rebuild is not None:
        model = variant.rebuild(model)
    part, unseen = _parts(p)
    seen, rows = measured_rows(part), part.x.shape[0]
    batch_size = variant.batch_size or p.batch_size
    if variant.change is not None:
        optimizer = variant.change(model, optimizer)
    if p.waits:
        optimizer.take_time(optimizer.steps, steps, math.ceil(rows / batch_size))
    # The same dropout for every variant.
    ctx = model.context(training=True, rng=np.random.default_rng(seed + 1))
    groups = Groups(model)
    # All looks with BatchNorm as in training: its running statistics lag behind by more steps than are made.
    look = partial(measured_loss, model, loss=p.loss, training=True)
    held_out = [] if unseen is None else [look(unseen)]
    course = Course([look(seen)], held_out)
    left = iter(np.maximum(1, np.linspace(0, steps, LOOKS + 1).round()[1:]))
    due = next(left)
    for step, batch in enumerate(batches(part, batch_size, steps, seed), start=1):
        if not np.isfinite(model._loss_and_grad(batch.x, batch.y, batch.weight, p.loss, ctx)):
            break
        groups.penalize()
        before = model.params.values.copy()
        optimizer.step(model.params)
        groups.bound(before)
        while step == due:
            course.losses.append(look(seen))
            if unseen is not None:
                course.held_out.append(look(unseen))
            due = next(left, math.inf)
    for losses in course if unseen is not None else course[:1]:
        losses += [math.inf] * (1 + LOOKS - len(losses))
    return course


def _run_full_batch(p: Patient, steps: int) -> Course:
    """Let an optimizer that looks at all rows at once make so many iterations."""
    model, optimizer = copy.deepcopy((p.model, p.optimizer))
    model.takes_encoded = True  # as the rows are
    part, unseen = _parts(p)
    course = Course([measured_loss(model, part, p.loss)], [])
    validation = None
    if unseen is not None:
        course.held_out.append(measured_loss(model, unseen, p.loss))
        validation = (unseen.x, unseen.y) if unseen.weight is None else tuple(unseen)
    try:
        rows = model.fit(
            part.x,
            part.y,
            weight=part.weight,
            loss=p.loss,
            optimizer=optimizer,
            epochs=steps,
            validation=validation,
        ).rows
    except DivergenceError:
        return Course([*course.losses, *[math.inf] * LOOKS], course.held_out and [math.inf] * (1 + LOOKS))
    course.losses.extend(row["loss"] for row in rows)
    if unseen is not None:
        course.held_out.extend(row["validation_loss"] for row in rows)
    return course


def _parts(p: Patient) -> tuple[Data, Data | None]:
    """Return the rows to train on in trials, and those to judge by."""
    part = p.sample
    if p.held_out is not None and p.held_out.y is not None:
        return part, measured_rows(p.held_out)
    rows = part.x.shape[0]
    if rows < ENOUGH_ROWS:
        return part, None
    order = np.random.default_rng(3).permutation(rows)
    cut = round(HELD_OUT * rows)
    return take(part, np.sort(order[cut:])), measured_rows(take(part, np.sort(order[:cut])))


def measured_rows(part: Data) -> Data:
    """Pick the rows on which losses along the way, and the curvature, are measured.

    Parameters
    ----------
    part : Data
        Has the rows.

    Returns
    -------
    Data

    Examples
    --------
    >>> len(measured_rows(Data(np.zeros((1000, 2)), None, None)).x)
    512
    """
    rows = part.x.shape[0]
    if rows <= MEASURED_ROWS:
        return part
    return take(part, np.sort(np.random.default_rng(2).choice(rows, MEASURED_ROWS, replace=False)))


def _late(losses: list[float]) -> float:
    return float(np.median(losses[-LATE:]))


def affordable(p: Patient) -> int:
    """Return how many steps a trial may have.

    Parameters
    ----------
    p : Patient
        Small nets may have more.

    Returns
    -------
    int
    """
    rows = min(p.batch_size, p.sample.x.shape[0])
    times = [_steps(stop) for stop in p.way_through]
    cost = LAYER * sum(times) + PASSES * measure_work(p.model).total * rows
    if not isinstance(p.optimizer, Optimizer):
        cost *= ITERATION
    if isinstance(p.optimizer, LevenbergMarquardt):  # which has a Jacobian
        cost += rows * p.outputs * p.model.params.size**2
    return int(np.clip(BUDGET / cost, STEPS, MOST_STEPS))


def _steps(stop: Stop) -> float:
    """Return what a layer costs beside its products: a recurrent one calls itself for each step of time."""
    recurrent = isinstance(stop.layer, SimpleRNN | GRU | LSTM)
    return max(1.0, STEP_OF_TIME * stop.shape[0]) if recurrent and stop.shape else 1.0


def gain(p: Patient, base: Course, other: Course) -> float:
    """Return by how much lower the loss comes, in parts of the way from a constant answer to the least one.

    Of training rows and of others the one that gains less counts. What is worse than a constant answer is
    worth no more than one way.

    Parameters
    ----------
    p : Patient
        Whose courses they are.
    base, other : Course
        As things stand, and with a setting changed.

    Returns
    -------
    float
    """
    top = p.constant + p.way
    pairs = [(base.late, other.late)]
    if base.held_out and other.held_out:  # by what it would be stopped at, and not by a lucky moment now
        pairs.append((base.late_held_out, other.best))
    return float(min(min(ours, top) - min(theirs, top) for ours, theirs in pairs) / p.way)


def worth(
    p: Patient,
    variant: Variant,
    needed: float,
    *,
    steps: int,
    base: Variant = AS_IS,
    longer: int | None = None,
) -> float:
    """Return what a change gains; if that may be luck, the less of what it gains twice.

    Parameters
    ----------
    p : Patient
        Who is tried.
    variant, base : Variant
        With the change, and without it.
    needed : float
        What it is asked to gain.
    steps : int
        How many.
    longer : int, optional
        How many with the change, if that is another number.

    Returns
    -------
    float
    """
    gained = np.inf
    for seed in (0, 1):
        ours, theirs = (
            race(p, base, steps=steps, seed=seed),
            race(p, variant, steps=longer or steps, seed=seed),
        )
        gained = min(gained, gain(p, ours, theirs))
        if not needed < gained < CERTAIN:
            break
    return gained


def falls(base: Course, other: Course, *, steps: int) -> str:
    """Say what a change makes of the fall of the loss.

    Parameters
    ----------
    base, other : Course
        As things stand, and with a setting changed.
    steps : int
        How many were made.

    Returns
    -------
    str

    Examples
    --------
    >>> falls(Course([2.0, 1.9, 1.9, 1.9], []), Course([2.0, 1.0, 1.0, 1.0], []), steps=100)
    'comes to 1 in 100 steps where it comes to 1.9 now: it falls 10 times as fast'
    """
    start = base.losses[0]
    ours, theirs = start - base.late, start - other.late
    before = f"{base.late:.3g} now" if np.isfinite(base.late) else "no number at all now"
    text = f"comes to {other.late:.3g} in {steps:,} steps where it comes to {before}"
    return f"{text}: it falls {theirs / ours:.2g} times as fast" if ours > 0 and theirs > 2 * ours else text


def line_of(optimizer: Optimizer, **changed: Any) -> str:
    """Write an optimizer with some of its arguments changed, as a call.

    Parameters
    ----------
    optimizer : Optimizer
        What is there now.
    **changed : object
        New values.

    Returns
    -------
    str

    Examples
    --------
    >>> from nnlite import SGD
    >>> line_of(SGD(0.1, momentum=0.9, clip_norm=1e-6), clip_norm=None)
    'SGD(0.1, momentum=0.9)'
    """

    def given() -> Iterator[str]:
        from nnlite.core.config import arguments_of

        stored = dict(arguments(optimizer)) | changed
        for name, one in arguments_of(type(optimizer)).items():  # type: ignore[arg-type]
            if name not in stored or one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD):
                continue
            value = stored[name]
            if name == "learning_rate":
                yield f"{value:.3g}" if isinstance(value, float) else value_text(value)
            elif one.default is one.empty or (value is not one.default and value != one.default):
                yield f"{name}={value_text(value)}"

    return f"{type(optimizer).__name__}({', '.join(given())})"
