"""The width: whether more neurons would learn what a narrow net cannot."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from nnlite.core.optimizers import Optimizer
from nnlite.exchange.table import described
from nnlite.inspect.checkup.codes import SEVERITIES
from nnlite.inspect.checkup.diagnosis import Finding, finding
from nnlite.inspect.checkup.patient import Patient, Skip
from nnlite.inspect.checkup.settings import NEARLY_NOTHING, WELL_TRIED, asked, goes_well, judged_steps
from nnlite.inspect.checkup.trials import Variant, falls, race, worth
from nnlite.layers import Dense, Dropout, Layer
from nnlite.model import Sequential

__all__ = ["width"]

#: Hidden layers below this are tried with so many neurons. A judgment; of the 66 healthy trainings of the
#: clinic those with narrower layers, of 2 to 16 neurons, raise nothing by it.
USUAL_WIDTH = 32
#: What does not keep a wider net from being tried: it is what a narrow one shows.
OF_A_NARROW_NET = ("NN208", "NN402", "NN403", "NN405")


def width(p: Patient) -> Iterator[Finding]:
    """Try more neurons where nothing else is wrong and the training does not go well."""
    if not isinstance(p.optimizer, Optimizer):
        raise Skip(f"{type(p.optimizer).__name__} is not tried out")
    if p.went_well:
        raise Skip("the training went well")
    if any(one.severity != SEVERITIES[-1] and one.code not in OF_A_NARROW_NET for one in p.found):
        raise Skip("something else is wrong")
    if p.outputs > 1 and p.all.x.shape == p.targets.shape:
        raise Skip("an autoencoder is narrow inside")
    layers = _wider(copy.deepcopy(list(p.model.layers)))
    if layers is None:
        raise Skip(f"no hidden Dense layer has fewer than {USUAL_WIDTH} neurons")

    def rebuild(model: Sequential) -> Sequential:
        other = Sequential(copy.deepcopy(layers), dtype=model.dtype, rng=0)
        other._adapt(lambda: iter([(p.all.x, p.all.weight)]))
        return other

    fresh, steps, needed = p.fresh, judged_steps(p), asked(p)
    if goes_well(p, steps):
        raise Skip(WELL_TRIED)
    wider = Variant(f"with {USUAL_WIDTH} neurons", rebuild=rebuild)
    gained = worth(fresh, wider, needed, steps=steps)
    if not gained > needed:
        return
    base, other = race(fresh, steps=steps), race(fresh, wider, steps=steps)
    p.found[:] = [one for one in p.found if one.code != "NN208"]
    narrow = [layer for layer in p.model.layers if isinstance(layer, Dense)][:-1]
    yield finding(
        "NN208",
        "error" if p.constant - base.late < NEARLY_NOTHING * p.way else "warning",
        f"The net has {' and '.join(str(layer.out_features) for layer in narrow)} hidden "
        f"neuron{'' if [layer.out_features for layer in narrow] == [1] else 's'}: with {USUAL_WIDTH} in each "
        f"layer the loss {falls(base, other, steps=steps)}.",
        f"Write {', '.join(str(layer) for layer in layers if isinstance(layer, Dense))}: add neurons.",
        neurons=[layer.out_features for layer in narrow],
        steps=steps,
        loss=base.late,
        loss_of_wider=other.late,
        gain=gained,
    )


def _wider(layers: list[Layer]) -> list[Layer] | None:
    """Return the layers with more neurons between Dense layers; None if there are no few ones."""
    dense = [at for at, layer in enumerate(layers) if isinstance(layer, Dense)]
    changed = False
    for one, two in pairwise(dense):
        first: Any = layers[one]
        second: Any = layers[two]
        between = layers[one + 1 : two]
        if first.out_features >= USUAL_WIDTH or not all(map(_takes_any_width, between)):
            continue
        layers[one] = Dense(first.in_features, USUAL_WIDTH, bias=first.bias)
        layers[two] = Dense(USUAL_WIDTH, second.out_features, bias=second.bias)
        changed = True
    return layers if changed else None


def _takes_any_width(layer: Layer) -> bool:
    known = described(layer)
    return isinstance(layer, Dropout) or (known is not None and known.slope is not None)
