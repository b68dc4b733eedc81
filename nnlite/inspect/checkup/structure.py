"""The shape of the net: layers that are one, layers that no blame reaches, layers that do not learn."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from nnlite.core.aliases import Array
from nnlite.core.context import Context, Gradients
from nnlite.data.conversion import is_sparse
from nnlite.exchange.table import described
from nnlite.inspect.checkup.diagnosis import Finding, finding
from nnlite.inspect.checkup.patient import Patient, Skip
from nnlite.inspect.checkup.rebuilt import halves, margin, right, trained
from nnlite.layers import Conv1D, Conv2D, Dense, Layer, ReLU, Standardize
from nnlite.layers.pooling import GlobalPooling, Pooling
from nnlite.training.inside import Passing, Stop

__all__ = ["frozen", "no_activation", "no_slope"]

#: What rounding leaves of the difference between a layer at a middle and the middle of what it gives.
ROUNDING = 1e-6
#: Rows of noise that layers are probed with.
PROBES = 8
#: Fewer rows than this cannot be split into rows to learn and rows to judge by.
ENOUGH_ROWS = 40
#: A standard deviation of weights within so much of that of drawn ones, by standard errors.
ERRORS = 4.0


def no_activation(p: Patient) -> Iterator[Finding]:
    """Look for layers of weights upon layers of weights with nothing between that bends."""
    way = p.way_through
    weights = [at for at, stop in enumerate(way) if _is_weights(stop)]
    bends = _bends(p)
    pairs = []
    for a, b in pairwise(weights):
        one, two = way[a], way[b]
        between = [way[at] for at in range(a + 1, b)]
        if one.block != two.block or any(stop.place in bends or stop.layer.children for stop in between):
            continue
        pairs.append((one, two, any(isinstance(s.layer, Pooling | GlobalPooling) for s in between)))
    if not pairs:
        yield from _straight(p)
        return
    bending = [way[at] for at in range(weights[0], weights[-1]) if way[at].place in bends]
    pooled = any(isinstance(stop.layer, Pooling | GlobalPooling) for stop in way)
    none = not bending and not pooled and not any(stop.layer.children for stop in way)
    narrow = all(_narrows(one, two) for one, two, _ in pairs)
    autoencoder = p.all.x.shape == p.targets.shape and bool((p.all.x == p.targets).all())
    activation = _usual(way)
    first, second, _ = pairs[0]
    then = there = None
    worse = False
    if p.trials and p.sample.x.shape[0] >= ENOUGH_ROWS and not autoencoder and (none or not narrow):
        there, then = _with_activations(p, pairs, activation)
        worse = then is not None and there is not None and then - there >= margin(halves(p).judge)
    serious = worse or (none and not p.trained and not autoencoder and not narrow)
    if none and p.trained and there is not None:
        serious = worse
    more = (
        f", and so are {len(pairs) - 1} more pairs of layers"
        if len(pairs) > 2
        else (", and so is one more pair of layers" if len(pairs) == 2 else "")
    )
    told = (
        ""
        if there is None or then is None
        else f" After a few hundred steps a copy with {activation} between is right about {then:.0%} of rows "
        f"that it has not seen, one without about {there:.0%}."
    )
    yield finding(
        "NN213",
        "warning" if serious else "note",
        f"Between {first.words} and {second.words} nothing bends what the first one says, so together they "
        f"are no more than one layer{more}."
        + (" The net has no activation at all: it is a linear model." if none else "")
        + told,
        f"Put {activation} behind "
        + ", ".join(f"{one.words}" for one, _, _ in pairs)
        + (", or leave the layer out." if len(pairs) == 1 else "."),
        pairs=[[one.place, two.place] for one, two, _ in pairs],
        linear=none,
        right=there,
        right_with_activations=then,
    )


def _straight(p: Patient) -> Iterator[Finding]:
    """Tell a net of branches that is a straight line as a whole, by noise that passes through it."""
    weights = [layer for _, layer in p.model.walk() if isinstance(layer, Dense | Conv1D | Conv2D)]
    x = p.sample.x
    if len(weights) < 2 or is_sparse(x) or not any(layer.children for layer in p.model.layers):
        return
    model = p.model._in_float64()
    noise = np.random.default_rng(0).normal(size=(2 * PROBES, *x.shape[1:]))
    if not _is_affine(lambda part: model._predict(part, len(part)), noise):
        return
    yield finding(
        "NN213",
        "note" if p.went_well or x.shape == p.targets.shape else "warning",
        f"Nothing bends between the {len(weights)} layers of weights: the whole net is a linear model, its "
        "branches too.",
        f"Put {_usual(p.way_through)} behind each layer of weights but the last.",
        linear=True,
        layers=len(weights),
    )


def _is_weights(stop: Stop) -> bool:
    return isinstance(stop.layer, Dense | Conv1D | Conv2D)


def _bends(p: Patient) -> set[str]:
    """Return the places of layers that are more than weighted sums of what they get: probed with noise.

    Pooling is left out: that of the largest bends, but is no activation. Neither is what brings to size.
    """
    found = set()
    seen = _passing(p)
    rng = np.random.default_rng(0)
    for stop in p.way_through:
        if isinstance(stop.layer, Pooling | GlobalPooling) or _is_weights(stop) or stop.joins:
            continue
        x = seen.inputs.get(stop.place)
        if x is None or not _is_affine(stop.layer.forward, rng.normal(size=(2 * PROBES, *x.shape[1:]))):
            found.add(stop.place)
    return found


def _passing(p: Patient) -> Passing:
    model, seen = p.model._in_float64(), Passing()
    few = p.sample.x[: 2 * PROBES]
    model._forward(few.astype(np.float64), model.context(training=False, watch=seen))
    return seen


def _is_affine(forward: Callable[[Array], Any], x: Array) -> bool:
    """Tell whether a layer, or a net, gives the middle of two answers at the middle of two inputs."""
    one, two = x[: len(x) // 2], x[len(x) // 2 :]
    try:
        a, b, middle = (np.asarray(forward(part), np.float64) for part in (one, two, (one + two) / 2))
    except Exception:  # one that takes ids, or of the user's own
        return False
    size = max(1.0, float(np.abs(a).max(initial=0)), float(np.abs(b).max(initial=0)))
    return bool(np.abs((a + b) / 2 - middle).max(initial=0) <= ROUNDING * size)


def _narrows(one: Stop, two: Stop) -> bool:
    """Tell a layer that makes few numbers of many for the next one, on purpose as it seems."""
    a, b = one.layer, two.layer
    if not (isinstance(a, Dense) and isinstance(b, Dense)):
        return False
    return a.out_features < min(a.in_features, b.out_features)


def _usual(way: list[Stop]) -> str:
    """Return the activation that the net has elsewhere between its layers, or ReLU."""
    names = Counter(
        f"{stop.layer}"
        for stop in way[:-1]
        if (known := described(stop.layer)) is not None and known.slope is not None
    )
    return names.most_common(1)[0][0] if names else "ReLU()"


def _with_activations(p: Patient, pairs: list[Any], activation: str) -> tuple[float | None, float | None]:
    """Train a copy as it is and one with activations between, and say how much each gets right."""
    places = [one.place for one, _, _ in pairs]
    if not all(place.isdecimal() for place in places):
        return None, None
    made = next((s.layer for s in p.way_through[:-1] if f"{s.layer}" == activation), ReLU())
    layers: list[Layer] = []
    for number, layer in enumerate(p.model.layers):
        layers.append(layer)
        if str(number) in places:
            layers.append(copy.deepcopy(made))
    train, judge = halves(p)
    there = right(trained(p, p.model.layers, train, p.loss), judge, p.loss)
    then = right(trained(p, layers, train, p.loss), judge, p.loss)
    return there, then


def no_slope(p: Patient) -> Iterator[Finding]:
    """Look for layers that answer to what they get and give no blame back."""
    way = p.way_through
    learning = [at for at, stop in enumerate(way) if stop.learned]
    if not learning:
        raise Skip("no layer learns")
    seen, rng = _passing(p), np.random.default_rng(0)
    for at, stop in enumerate(way):
        before = [way[one] for one in learning if one < at]
        if stop.layer.parameter_names or stop.layer.children or stop.layer.stochastic or not before:
            continue
        shape = seen.inputs[stop.place].shape[1:]
        if not _has_no_slope(stop.layer, rng.normal(size=(PROBES, *shape))):
            continue
        last = at == len(way) - 1
        behind = [way[one] for one in learning if one > at]
        yield finding(
            "NN214",
            "error",
            f"The slope of {stop.words} is 0 everywhere: no blame comes through it, and "
            f"{', '.join(one.words for one in before)} never "
            f"learn{'s' if len(before) == 1 else ''}{'' if behind else ', so that nothing does'}.",
            f"Leave {stop.words} out, and decide by a threshold after predict."
            if last
            else f"Put {_usual([one for one in way if one.place != stop.place])} in place of {stop.words}.",
            layer=stop.place,
            before=[one.place for one in before],
        )
        return


def _has_no_slope(layer: Layer, x: Array) -> bool:
    ctx = Context(Gradients({}), training=False)
    try:
        y = layer.forward(x, ctx)
        moves = bool((y != y[:1]).any())
        return moves and not np.asarray(layer.backward(np.ones_like(y), ctx)).any()
    except Exception:  # it takes something else than noise
        return False


def frozen(p: Patient) -> Iterator[Finding]:
    """Look for frozen weights that are as they were drawn."""
    names = p.model.params.frozen
    if not names:
        return
    stuck = [stop for stop in p.way_through if _as_drawn(p, stop, names)]
    if not stuck:
        return
    there = then = None
    costs = p.trials  # which random features need not
    if p.trials and p.sample.x.shape[0] >= ENOUGH_ROWS:
        train, judge = halves(p)
        there = right(trained(p, p.model.layers, train, p.loss), judge, p.loss)
        free = copy.deepcopy(p.model)
        free.unfreeze()
        then = right(trained(p, free.layers, train, p.loss), judge, p.loss)
        costs = then - there >= margin(judge)
    told = (
        ""
        if there is None
        else f" After a few hundred steps a copy is right about {there:.0%} of rows that it has not seen, "
        f"and one in which they learn about {then:.0%}."
    )
    place = ", ".join(stop.words for stop in stuck)
    layers = ["model" + "".join(f".layers[{one}]" for one in stop.place.split(".")) for stop in stuck]
    yield finding(
        "NN215",
        "warning" if costs else "note",
        f"{place} {'is' if len(stuck) == 1 else 'are'} frozen with weights as they were drawn at random: "
        f"nobody has trained them.{told}",
        f"Write {'; '.join(f'{layer}.unfreeze()' for layer in layers)}, or load weights first.",
        layers=[stop.place for stop in stuck],
        right=there,
        right_unfrozen=then,
    )


def _as_drawn(p: Patient, stop: Stop, names: frozenset[str]) -> bool:
    """Tell frozen weights that have the size of drawn ones, with biases exactly as these begin."""
    own = [f"{stop.place}.{name}" for name in stop.layer.parameter_names]
    if not own or stop.layer.children or isinstance(stop.layer, Standardize) or not names.issuperset(own):
        return False
    drawn = copy.deepcopy(p.model)
    drawn.initialize(rng=0)
    one, other = p.model.params.split(p.model.params.values), drawn.params.split(drawn.params.values)
    for name in own:
        if one[name].ndim < 2:
            if not np.array_equal(one[name], other[name]):
                return False
            continue
        usual = float(other[name].std())
        near = ERRORS / np.sqrt(2 * one[name].size)
        if not abs(float(one[name].std()) - usual) <= 2 * near * usual:
            return False
    return True
