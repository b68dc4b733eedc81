"""The proof of the gradient: nudge weights, and look whether the loss changes as the gradient promises."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from nnlite.core.aliases import Array
from nnlite.errors.arguments import is_ours
from nnlite.inspect.checkup.diagnosis import Finding, finding
from nnlite.inspect.checkup.given import take
from nnlite.inspect.checkup.patient import Patient, Skip
from nnlite.inspect.float64_copy import Float64Copy, paid

__all__ = ["wrong_gradient"]

#: Rows are enough of which no error averages out.
ROWS = 64
#: Random directions, of which the worst counts: along one alone a wrong gradient may come close by chance.
DIRECTIONS = 3
#: Step of the differences in float64: the errors of rounding and of the formula are then below 1e-9 or so.
STEP = 1e-6
#: The second difference is made with a step so many times shorter.
SHORTER = 8.0
#: Two differences agree if they differ by no more than this part; a gradient is wrong if it is off by ten
#: times that. A lost factor or sign is off by far more.
WRONG = 1e-3
OFF = 10.0
#: How far off the present weights the gradient is looked at.
JITTER = 1e-3
#: Stands for the loss among the names of weights.
LOSS = ""


class Gap(NamedTuple):
    """What a gradient promises along a direction, and how the loss changes.

    Parameters
    ----------
    promised, measured : float
        Both for a nudge of the length of the direction.

    Examples
    --------
    >>> Gap(promised=1.0, measured=0.5).measured
    0.5
    """

    promised: float
    measured: float


def wrong_gradient(p: Patient) -> Iterator[Finding]:
    """Compare the gradient with differences of the loss, array by array."""
    part = take(p.sample, np.arange(min(ROWS, p.sample.x.shape[0])))
    net, rng = Float64Copy(p.model, *part, p.loss), np.random.default_rng(0)
    gaps = _gaps(p, net, rng)
    # A kink so near that both differences take it in is met by chance: what is wrong is wrong elsewhere too.
    again = _gaps(p, net, rng) if gaps else {}
    gaps = {name: gap for name, gap in gaps.items() if name in again}
    if not gaps:
        return
    if LOSS in gaps:
        yield finding(
            "NN207",
            "error",
            f"The gradient of {p.loss} is wrong: along a random direction it promises "
            f"{gaps[LOSS].promised:.4g}, the loss changes by {gaps[LOSS].measured:.4g}.",
            "Let nnlite.testing.check_loss say what is wrong with it.",
            **gaps[LOSS]._asdict(),
        )
        return
    # Blame goes from the back to the front, so what is behind the last wrong gradient is right.
    name = max(gaps, key=lambda name: _of(p, name))
    yield finding(
        "NN207",
        "error",
        f"The gradient of {name} is wrong: along a random direction it promises {gaps[name].promised:.4g}, "
        f"the loss changes by {gaps[name].measured:.4g}. The backward of "
        f"{_suspects(p, _of(p, name))} is to blame.",
        "Let nnlite.testing.check_layer say what is wrong with it.",
        parameter=name,
        **gaps[name]._asdict(),
        parameters=list(gaps),
    )


def _gaps(p: Patient, net: Float64Copy, rng: np.random.Generator) -> dict[str, Gap]:
    """Compare at a place: the loss's own gradient, and if that is right, that of each array."""
    split = net.model.params.split
    # A little off the present weights: where biases are 0 a neuron may stand exactly on the kink of ReLU,
    # where the difference is half the slope.
    values = net.start + JITTER * rng.standard_normal(net.start.size) * (1.0 + np.abs(net.start))
    value, gradient = net.loss(values), net.gradient(values)
    if not np.isfinite(value) or not np.isfinite(gradient).all():
        raise Skip("the loss is not finite")
    pred = net.predict(values)

    def beside(move: Array) -> float:
        return paid(p.loss, pred + move, net.y, net.weight)

    gap = _largest_gap(p.loss.value_and_grad(pred, net.y, net.weight)[1], beside, value, rng)
    if gap is not None:
        return {LOSS: gap}
    gaps = {}
    for name, slopes in split(gradient).items():

        def nudged(move: Array, name: str = name) -> float:
            there = values.copy()
            split(there)[name] += move
            return net.loss(there)

        gap = _largest_gap(slopes, nudged, value, rng)
        if gap is not None:
            gaps[name] = gap
    return gaps


def _largest_gap(
    gradient: Array, loss: Callable[[Array], float], value: float, rng: np.random.Generator
) -> Gap | None:
    """Compare along some directions; None if all is right, or nothing can be said."""
    # What rounding leaves of the difference of two nearly equal losses, over the shorter step.
    noise = 8 * float(np.finfo(np.float64).eps) * max(1.0, abs(value)) * SHORTER / STEP
    worst, largest = None, OFF * WRONG
    for _ in range(DIRECTIONS):
        way = rng.standard_normal(gradient.shape)
        promised = float(np.sum(gradient * way))
        first, second = (
            (loss(step * way) - loss(-step * way)) / (2 * step) for step in (STEP, STEP / SHORTER)
        )
        scale = max(abs(promised), abs(first), abs(second))
        # Where the two differ from each other, a kink lies between.
        if not np.isfinite(scale) or scale * WRONG < noise or abs(first - second) > WRONG * scale:
            continue
        if abs(promised - first) > largest * scale:
            worst, largest = Gap(promised, first), abs(promised - first) / scale
    return worst


def _of(p: Patient, name: str) -> int:
    """Return the number, on the way from input to output, of the layer that a parameter is of."""
    return next(index for index, stop in enumerate(p.way_through) if name in stop.learned)


def _suspects(p: Patient, index: int) -> str:
    """Name the layers from one that has a wrong gradient to the next that learns."""
    way = p.way_through
    behind = next((i for i in range(index + 1, len(way)) if way[i].learned), len(way) - 1)
    between = [stop for stop in way[index : behind + 1] if not stop.joins]
    own = [stop for stop in between if not is_ours(type(stop.layer))]
    return " or ".join(stop.words for stop in own or between)
