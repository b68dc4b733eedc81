"""The start: equal neurons, a loss that is too high, a batch that cannot be learned."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from nnlite.inspect.checkup.diagnosis import Finding, finding
from nnlite.inspect.checkup.given import Data, take
from nnlite.inspect.checkup.patient import LITTLE, NO_WAY, Patient, Skip, measured_loss
from nnlite.layers import Dense
from nnlite.layers.normalization import BatchNorm
from nnlite.losses import Hinge
from nnlite.optimizers.adam import Adam
from nnlite.sweeps.evidence import least
from nnlite.training.inside import Stop

__all__ = ["finite", "one_batch", "start_loss", "symmetry"]

#: A share of neurons of a layer that are copies of others. Random weights have none.
TWINS = 0.25
#: Times the loss of an even guess. 92 nets with the layers' own initializers started between 0.5 and 2.8
#: times it. Digits with larger last weights: started at 4.5 times it, 0.930 right instead of 0.953; at 14.7,
#: 0.857.
HIGH_START = 4.0
#: And so much above it, which for few classes is more: of 120 starts of nets on the correlated columns of the
#: breast cancer data, ln 2, the highest was 2.4 above it and harmless.
HIGH_ABOVE = 4.0
#: Steps of Adam(0.01) on one batch. 120 nets on seven data sets brought its loss down by 84 to 97 % of what
#: the best constant answer has (the search ends at 95 %). Where a fifth of the labels is noise, 16 neurons on
#: moons come to 41 % in 300 steps and to 80 % in 1,200, so those that are not halfway get as many.
BATCH_STEPS = 300
MOST_STEPS = 1200
BATCH_RATE = 0.01
FEWEST_ROWS, MOST_ROWS = 2, 64
BY_HEART = 0.95
HALF_LEARNED = 0.5
HARDLY_LEARNED = 0.1


def finite(p: Patient) -> Iterator[Finding]:
    """Look whether weights and loss are numbers."""
    from nnlite.training.divergence import explain

    numbers = p.model.params.numbers  # running statistics too
    if not np.isfinite(numbers).all():
        count = int((~np.isfinite(numbers)).sum())
        yield finding(
            "NN308",
            "error",
            f"{count:,} of {numbers.size:,} weights are not finite: an earlier training diverged.",
            "Draw new ones with model.initialize(), and train with a tenth of the rate.",
            weights=count,
        )
        return
    part = p.sample
    if np.isfinite(measured_loss(p.model, part, p.loss, training=not p.trained)):
        return
    error = explain(
        p.model,
        part.x,
        part.y,
        where="doctor",
        got="one that is not",
        rate=None,
        start_size=float(np.abs(p.model.params.values).max(initial=0)),
        stepped=False,
        kept=None,
    )
    yield finding("NN308", "error", f"The loss is not finite: {error.got}.", error.fix, got=error.got)


def symmetry(p: Patient) -> Iterator[Finding]:
    """Look for neurons of a layer that start, and so stay, equal."""
    for place, layer, following in _in_a_row(p):
        units = layer.out_features
        if units < 2 or following.in_features != units:
            continue
        parts = [layer.W.T, following.W]
        if layer.bias:
            parts.append(layer.b.reshape(-1, 1))
        # Units are twins if they hear the same and are heard the same.
        different = len(np.unique(np.concatenate(parts, axis=1), axis=0))
        twins = units - different
        if twins / units < TWINS:
            continue
        zero = not layer.W.any()
        yield finding(
            "NN206",
            "error",
            f"Of the {units} neurons of {place.words} only {different} "
            f"{'are' if different > 1 else 'is'} different{', all weights being 0' if zero else ''}: equal "
            f"neurons get equal blame and stay equal, so the layer is worth {different} "
            f"neuron{'s' if different > 1 else ''}.",
            "Draw random weights: model.initialize(), and leave out an initializer of constants.",
            layer=int(place.place) if place.place.isdecimal() else place.place,
            units=units,
            different=different,
        )
        return


def _in_a_row(p: Patient) -> Iterator[tuple[Stop, Dense, Dense]]:
    """Give each Dense with the next one, where that is all that hears it.

    What a `Residual` adds is heard elsewhere too, and within a layer of the user's own nobody knows.
    """
    marks = [stop for stop in p.way_through if isinstance(stop.layer, Dense) or stop.layer.children]
    for one, two in pairwise(marks):
        if isinstance(one.layer, Dense) and isinstance(two.layer, Dense) and one.block == two.block:
            yield one, one.layer, two.layer


def start_loss(p: Patient) -> Iterator[Finding]:
    """Compare the loss at the start with that of a net that knows nothing."""
    if p.trained:
        if p.went(LITTLE):
            raise Skip("the model is trained")
        p = p.fresh  # what led nowhere may have begun badly
    if p.kind == "numbers":
        raise Skip(f"a net that knows nothing has no known loss with {p.loss}")
    if isinstance(p.loss, Hinge):
        even, name = 1.0, "1"
    else:
        classes = p.outputs if p.kind == "classes" else 2
        even, name = math.log(classes), f"ln {classes} = {math.log(classes):.3g}"
    start = p.start
    if start < max(HIGH_START * even, even + HIGH_ABOVE):
        return
    size = float(np.sqrt(np.mean(np.square(p.passage.pred))))
    yield finding(
        "NN205",
        "warning",
        f"The loss starts at {start:.3g}; a net that knows nothing and says so starts near {name}. Its "
        f"scores are of size {size:.3g} before it has learned anything, so it is sure of wrong answers.",
        "Start from smaller weights: leave the initializers to the layers, and scale the features.",
        loss=start,
        even_guess=even,
        score_size=size,
    )


def one_batch(p: Patient) -> Iterator[Finding]:
    """Try to learn one batch by heart, on a copy, with Adam and without dropout."""
    if not np.isfinite(p.start):
        raise Skip("the loss is not finite")
    part = _mixed_batch(p)
    constant = p.constant_of(part)
    lowest_of_all = least(p.loss, part.y, part.weight, outputs=p.outputs)
    if lowest_of_all is None:
        raise Skip(f"{p.loss} has no lower end to measure by")
    way = constant - lowest_of_all
    if not way > NO_WAY:
        raise Skip("the rows of a batch have the same target")
    model = copy.deepcopy(p.model)
    before = lowest = measured_loss(model, part, p.loss, training=True)
    optimizer = Adam(BATCH_RATE)
    ctx = model._quiet_context()
    for step in range(MOST_STEPS):
        value = float(model._loss_and_grad(part.x, part.y, part.weight, p.loss, ctx))
        goal = BY_HEART if step < BATCH_STEPS else HALF_LEARNED
        if not np.isfinite(value) or constant - lowest > goal * way:
            break
        lowest = min(lowest, value)
        optimizer.step(model.params)
    lowest = min(lowest, measured_loss(model, part, p.loss, training=True))
    learned = (constant - lowest) / way
    linear = sum(not isinstance(stop.layer, BatchNorm) for stop in p.learning) < 2  # learns little by heart
    if learned >= (HARDLY_LEARNED if linear else HALF_LEARNED):
        return
    yield finding(
        "NN208",
        "error" if learned < HARDLY_LEARNED else "warning",
        f"{optimizer.steps:,} steps of Adam on the same {part.x.shape[0]} rows bring the loss from "
        f"{before:.3g} to {lowest:.3g} only, where the same answer for every row has {constant:.3g}: a net "
        "that cannot learn one batch by heart cannot learn the rest.",
        "See the other findings first; then add neurons, and check layers of your own with "
        "nnlite.testing.check_layer.",
        before=before,
        after=lowest,
        constant=constant,
        rows=part.x.shape[0],
        learned=learned,
    )


def _mixed_batch(p: Patient) -> Data:
    """Pick the rows of a batch at random, so that sorted data give all classes, and more than one target."""
    part = p.sample
    rows = np.random.default_rng(0).permutation(part.x.shape[0])
    if part.weight is not None:
        rows = rows[part.weight[rows] > 0]
    flat = part.y[rows].reshape(len(rows), -1)
    others = np.flatnonzero((flat != flat[:1]).any(axis=1))
    if not len(others):
        raise Skip("the rows have the same target")
    # Of a rare class there may be none among the first rows.
    count = min(max(p.batch_size, FEWEST_ROWS), MOST_ROWS)
    chosen = np.append(rows[: count - 1], rows[max(count - 1, others[0])]) if count <= len(rows) else rows
    return take(part, chosen)
