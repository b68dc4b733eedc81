"""Units and gradients, layer by layer: neurons that are dead or stuck, blame that fades or grows."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, pairwise
from typing import Any

import numpy as np

from nnlite.core.aliases import Array
from nnlite.exchange.table import described
from nnlite.inspect.checkup.diagnosis import Finding, finding
from nnlite.inspect.checkup.patient import LITTLE, Patient, Skip
from nnlite.inspect.checkup.rows import row_keys
from nnlite.layers.normalization import BatchNorm
from nnlite.training.inside import Stop

__all__ = ["gradients", "units"]

#: A slope below this part of the largest one passes nothing on. ReLU's is 0, that of ELU or GELU nearly.
DEAD = 1e-6
#: Where tanh is above 0.995 or a sigmoid above 0.9975, a hundredth of the blame comes through.
FLAT = 0.01
#: To each of so many distinct rows half of the neurons of new weights are silent, to all of 4 a sixteenth. As
#: many rows are looked at for them.
DISTINCT, LOOKED_AT = 4, 256
#: Flat for so many rows, a neuron answers a constant.
STUCK_ROWS = 0.95
#: Shares of dead neurons. 95 healthy nets had up to 38 % of a layer dead before training, and 41 % after it.
#: Digits with biases that switch neurons off: 44 % dead, 0.923 right instead of 0.947; 78 %, 0.757; 97 %,
#: 0.09.
SOME_DEAD, MOST_DEAD, NEARLY_ALL_DEAD = 0.25, 0.5, 0.9
#: Shares of saturated neurons. Healthy nets of tanh had none before training. Digits with larger first
#: weights: 9 % saturated, 0.877 right instead of 0.950; 19 %, 0.800; 47 %, 0.753; 84 %, 0.730.
SOME_STUCK, MOST_STUCK, NEARLY_ALL_STUCK = 0.05, 0.15, 0.9
#: Parts of the last layer's blame. 120 healthy nets had 0.045 or more. Sigmoids on spirals: 4 layers, 2e-3
#: and 0.85 right; 5 layers, 5e-4 and 0.66; 9 layers, 9e-7 and 0.43.
FADED = 1e-3
GONE = 1e-6
#: Healthy nets had up to 5.4. Five layers of ReLU with weights of size 2 on spirals: 9e3, and a loss that
#: starts at twenty thousand times that of an even guess.
GROWN = 1e3
BURST = 1e6


def units(p: Patient) -> Iterator[Finding]:
    """Count neurons that answer the same to every row, or stand where their activation is flat."""
    if len(set(islice(row_keys(p.sample.x), LOOKED_AT))) < DISTINCT:
        raise Skip(f"fewer than {DISTINCT} distinct rows say nothing about neurons")
    dead: list[dict[str, Any]] = []
    stuck: list[dict[str, Any]] = []
    for stop in p.way_through:
        slopes, known = p.passage.slopes.get(stop.place), described(stop.layer)
        if slopes is None or known is None or known.slope is None:
            continue
        index = _number(stop)
        flat = np.abs(slopes).reshape(-1, slopes.shape[-1]) / known.slope
        width = flat.shape[1]
        if known.flat_on_both_sides:
            counts = int(((flat < FLAT).mean(axis=0) >= STUCK_ROWS).sum())
            share = float((flat < FLAT).mean())
            stuck.append(
                {"layer": index, "units": counts, "of": width, "share": counts / width, "flat": share}
            )
        else:
            counts = int((flat.max(axis=0) < DEAD).sum())
            dead.append({"layer": index, "units": counts, "of": width, "share": counts / width})
    if dead:
        yield from _report(p, "NN303", dead, (SOME_DEAD, MOST_DEAD, NEARLY_ALL_DEAD))
    if stuck:
        yield from _report(p, "NN304", stuck, (SOME_STUCK, MOST_STUCK, NEARLY_ALL_STUCK))
    if not dead and not stuck:
        raise Skip("there is no activation between two layers that learn")


def _report(
    p: Patient, code: str, layers: list[dict[str, Any]], limits: tuple[float, float, float]
) -> Iterator[Finding]:
    some, most, nearly_all = limits
    worst = max(layers, key=lambda one: one["share"])
    share = worst["share"]
    if share < some:
        return
    severity = "error" if share >= nearly_all else "warning" if share >= most else "note"
    place = next(stop for stop in p.way_through if _number(stop) == worst["layer"]).words
    if code == "NN303":
        message = (
            f"{worst['units']} of {worst['of']} neurons of {place} answer 0 to every row: no blame reaches "
            "them, and they cannot come back."
        )
        fix = "Write LeakyReLU() in its place, and train anew from model.initialize()."
        if not p.trained or _dead_at_the_start(p, worst["layer"]):
            fix = "Leave initializers and biases of 0 to the layers, scale the features, or use LeakyReLU()."
    else:
        # A neuron that has learned to say a clear yes or no stands there by right.
        if p.trained:
            severity = "warning" if severity == "error" else "note"
        message = (
            f"{worst['units']} of {worst['of']} neurons of {place} stand where it is flat for nearly every "
            f"row: their slope is below {FLAT:.0%} of its largest, so they hardly learn."
        )
        fix = "Scale the features, start from smaller weights, or take a smaller rate."
    yield finding(code, severity, message, fix, layers=layers, share=share)


def _dead_at_the_start(p: Patient, layer: int | str) -> bool:
    """Tell whether new weights leave half of the neurons of a layer dead too."""
    fresh = p.fresh
    stop = next(stop for stop in p.way_through if _number(stop) == layer)
    slopes = np.abs(fresh.passage.slopes[stop.place])
    return bool((slopes.reshape(-1, slopes.shape[-1]).max(axis=0) < DEAD).mean() >= MOST_DEAD)


def gradients(p: Patient) -> Iterator[Finding]:
    """Compare the blame that reaches each layer that learns with that at the last one."""
    if p.trained and p.constant - p.start < LITTLE * p.way:
        # Steps that led nowhere leave weights behind that say little: how blame goes is seen at the start.
        p = p.fresh
    blames = p.passage.blames
    # BatchNorm brings what comes in to one scale, and its blame to another: of a layer in front of it the
    # size of the blame says nothing.
    scaled = {one.place for one, two in pairwise(p.way_through) if isinstance(two.layer, BatchNorm)}
    learning = [stop for stop in p.learning if stop.place in blames and stop.place not in scaled]
    if len(learning) < 2:
        raise Skip("there is one layer that learns")
    sizes = [_size(blames[stop.place]) for stop in learning]
    if sizes[-1] == 0 or not np.isfinite(sizes).all():
        raise Skip("there is no blame at the last layer")
    ratios = [size / sizes[-1] for size in sizes]
    listed = [
        {"layer": _number(stop), "blame": size, "ratio": ratio, "gradient": _gradient_size(p, stop)}
        for stop, size, ratio in zip(learning, sizes, ratios, strict=True)
    ]
    low, high = int(np.argmin(ratios)), int(np.argmax(ratios))
    behind = len(learning) - 1 - low
    if 0 < ratios[low] < FADED:
        yield finding(
            "NN305",
            "error" if ratios[low] < GONE else "warning",
            f"Of the blame at the last layer {ratios[low]:.1e} reaches {learning[low].words}, "
            f"{behind} {'layer' if behind == 1 else 'layers'} before it, which so hardly learns.",
            "Use ReLU or Tanh in place of Sigmoid, fewer layers, and the layers' own initializers.",
            layers=listed,
            ratio=ratios[low],
        )
    if ratios[high] > GROWN:
        yield finding(
            "NN306",
            "error" if ratios[high] > BURST else "warning",
            f"The blame grows on its way back: {learning[high].words} gets {ratios[high]:.1e} "
            "times that of the last layer.",
            "Start from smaller weights: leave the initializers to the layers; clip_norm=1.0 is a stopgap.",
            layers=listed,
            ratio=ratios[high],
        )


def _number(stop: Stop) -> int | str:
    """Return the place of a layer: a number, or a text such as "1.0" for one inside of another."""
    return int(stop.place) if stop.place.isdecimal() else stop.place


def _gradient_size(p: Patient, stop: Stop) -> float:
    views = p.model.params.split(p.passage.grads)
    return _size(np.concatenate([views[name].ravel() for name in stop.learned]))


def _size(array: Array) -> float:
    """Return the root mean square."""
    return float(np.sqrt(np.mean(np.square(array))))
