"""The start: a loss that does not suit the last layer, equal neurons, a batch that cannot be learned."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from nnlite.core.aliases import AnyArray
from nnlite.core.losses import MeanSquaredError
from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.exchange.table import described
from nnlite.inspect.checkup.diagnosis import Finding, finding
from nnlite.inspect.checkup.given import Data, take
from nnlite.inspect.checkup.patient import NO_WAY, Patient, Skip, measured_loss
from nnlite.layers import Dense
from nnlite.losses import GaussianNLL, Hinge, Huber, PoissonNLL, Quantile
from nnlite.losses.robust import MeanAbsoluteError
from nnlite.optimizers.adam import Adam
from nnlite.sweeps.evidence import least
from nnlite.training.inside import Stop

__all__ = ["failed", "finite", "last_layer", "one_batch", "start_loss", "symmetry"]

#: More whole numbers than this are counts rather than classes; so are numbers that occur fewer times than
#: this each.
MOST_CLASSES = 20
ROWS_A_CLASS = 5
#: A share of targets beyond reach that is more than a few outliers.
OUT_OF_REACH = 0.05
#: A sigmoid comes as near to 0 as one likes; a target beyond a limit by less than this is at it.
ROUNDING = 1e-6
#: What is left to pay of a loss that any net starts with near 1: less is not worth a word.
LITTLE_LEFT = 0.05
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


def last_layer(p: Patient) -> Iterator[Finding]:
    """Compare what the last layer can answer with what the loss wants."""
    y = p.targets
    end = p.way_through[-1]
    last, place = end.layer, end.words
    known = described(last)
    low, high = known.bounds(last) if known and known.bounds else (-math.inf, math.inf)
    if p.loss.from_logits:
        yield from _bounded_logits(p, place, low, high)
        return
    if isinstance(p.loss, PoissonNLL | GaussianNLL):  # they predict logarithms
        return
    below, above = y < low - ROUNDING, y > high + ROUNDING
    beyond = below | above
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
            "Leave the last activation out for regression, or scale the targets into its range.",
            low=None if low == -math.inf else low,
            high=None if high == math.inf else high,
            share=share,
            example=worst,
        )
    yield from _numbers_for_classes(p, y)


def _bounded_logits(p: Patient, place: str, low: float, high: float) -> Iterator[Finding]:
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
        "End the model with Dense.",
        low=low,
        high=None if one_sided else high,
        least_loss=least,
    )


def _numbers_for_classes(p: Patient, y: AnyArray) -> Iterator[Finding]:
    """Tell class ids that are to be predicted as numbers, by a loss of distances."""
    if not isinstance(p.loss, MeanSquaredError | MeanAbsoluteError | Huber | Quantile):
        return
    fix = "Use SoftmaxCrossEntropy() with one output for each class, and y of shape (rows,)."
    if y.ndim == 2 and y.shape[1] == 1 and (y == np.rint(y)).all():
        values = np.unique(y)
        if len(values) < 2 or len(values) > MOST_CLASSES or (values != np.arange(len(values))).any():
            return
        if (
            len(y) < ROWS_A_CLASS * len(values) and len(values) > 2
        ):  # as many numbers as rows: an ordinary count
            return
        two = len(values) == 2
        yield finding(
            "NN202",
            "warning" if p.integers and not two else "note",
            f"The targets are the whole numbers 0 to {len(values) - 1}, as class ids are, and {p.loss} "
            "takes them for amounts: class 2 would lie between 1 and 3."
            if not two
            else f"The targets are 0 and 1, as yes and no are, and {p.loss} takes them for amounts.",
            "Use BinaryCrossEntropy(), which learns faster from wrong answers it is sure of." if two else fix,
            values=values.tolist(),
        )
    elif y.ndim == 2 and y.shape[1] > 1 and np.isin(y, (0, 1)).all() and (y.sum(axis=1) == 1).all():
        yield finding(
            "NN202",
            "note",
            f"The targets are one-hot rows of {y.shape[1]} classes, and {p.loss} takes them for amounts.",
            "Use SoftmaxCrossEntropy(), which takes them too and learns faster.",
            values=[0, 1],
        )


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
        raise Skip("the model is trained")
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
    if learned >= HALF_LEARNED:
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


def refused(error: ArgumentError | ArgumentTypeError, code: str) -> Finding:
    """Make a finding of what `fit` would raise.

    Parameters
    ----------
    error : ArgumentError or ArgumentTypeError
        What it would raise.
    code : str
        The code of the finding.

    Returns
    -------
    Finding

    Examples
    --------
    >>> refused(ArgumentError("X", "finite numbers", "NaN", "Fill it."), "NN103").message
    'fit refuses this: X: expected finite numbers, got NaN.'
    """
    message = f"fit refuses this: {error.where}: expected {error.expected}, got {error.got}."
    return finding(code, "error", message, error.fix, error=type(error).__name__)


def failed(error: Exception) -> Finding:
    """Make a finding of what a step raises in a layer or a loss of the user's own.

    Parameters
    ----------
    error : Exception
        What it raises.

    Returns
    -------
    Finding

    Examples
    --------
    >>> failed(ValueError("too small")).message
    'A step of fit raises ValueError: too small.'
    """
    if isinstance(error, ArgumentError | ArgumentTypeError):
        return refused(error, "NN209")
    kind = type(error).__name__
    message = f"A step of fit raises {kind}: {f'{error}'.rstrip('.')}."
    fix = "Let nnlite.testing.check_layer or check_loss say what is wrong with those of your own."
    return finding("NN209", "error", message, fix, error=kind)
