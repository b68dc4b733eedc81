"""Sequences: whether all layers over time agree about which steps are padding."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nnlite.core.aliases import AnyArray, Array
from nnlite.data.conversion import is_sparse
from nnlite.inspect.checkup.diagnosis import Finding, finding
from nnlite.inspect.checkup.given import take
from nnlite.inspect.checkup.patient import Patient
from nnlite.layers import TimeDistributed, TokenEmbedding
from nnlite.layers.padding import real_steps
from nnlite.training.inside import pass_through

__all__ = ["padding"]

#: So many rows that end in padding are looked at.
ROWS = 32
#: How far weights are moved before: biases that start at 0 leave padding of 0 as it is, but not behind the
#: first step of training.
MOVED = 0.1
#: A change of less than this part of the largest answer is rounding.
ROUNDING = 1e-4


class Passed(NamedTuple):
    """A layer with what came in and what it answered, of rows that end in padding."""

    place: str
    layer: Any
    x: Array
    y: Array

    @property
    def words(self) -> str:
        """Place and layer, as messages name them."""
        return f"layer {self.place} {self.layer}"


def padding(p: Patient) -> Iterator[Finding]:
    """Follow steps of padding through the net, up to a layer that takes them for steps."""
    x, number = p.all.x, _told(p)
    if number is None or is_sparse(x) or x.ndim not in (2, 3):
        return
    real = real_steps(x if x.ndim == 3 else x[..., None], number)
    rows = np.flatnonzero(real.any(axis=-1) & ~real.all(axis=-1))[:ROWS]
    if not len(rows):
        return
    real = real[rows]
    before: list[Passed] = []
    for one in _way(p, take(p.all, rows).x):
        own = _own(one.layer)
        if _over_time(one.x, real):
            if own is not None and (real_steps(one.x, own) != real).any():
                yield _lost(before, one, real, own)
                return
            # Of one that holds others these say it, and those of `TimeDistributed` see one step at a time.
            alone = not one.layer.children or isinstance(one.layer, TimeDistributed)
            if own is None and alone and _mixes(one, real):
                yield _taken(one, real)
                return
        before.append(one)


def _told(p: Patient) -> float | None:
    """Return what padding is in the input, if a layer says that there is any."""
    layers = [layer for _, layer in p.model.walk()]
    ids = [layer.padding for layer in layers if isinstance(layer, TokenEmbedding)]
    told = [number for number in (*ids, *map(_own, layers)) if number is not None]
    return told[0] if told else None


def _own(layer: Any) -> float | None:
    """Return the number that a layer takes for padding; what windows add at the edge is an integer."""
    number = getattr(layer, "padding", None)
    return number if isinstance(number, float) else None


def _way(p: Patient, x: Array) -> Iterator[Passed]:
    """Let rows go through a net like the patient's, of which every weight has been moved a little."""
    model = copy.deepcopy(p.model)
    moves = np.random.default_rng(0).normal(scale=MOVED, size=model.params.values.shape)
    model.params.values += moves.astype(model.params.dtype)
    seen = pass_through(model, x)
    layers = {place.rstrip("."): layer for place, layer in model.walk()}
    for place, y in seen.outputs.items():  # in the order in which they were done
        yield Passed(place, layers[place], seen.inputs[place], y)


def _over_time(x: AnyArray, real: NDArray[np.bool_]) -> bool:
    return x.ndim > 2 and x.shape[:2] == real.shape


def _changed_by(one: Passed, steps: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Tell which answers of a layer change with some of the steps that it sees."""
    size = float(np.abs(one.x).max()) or 1.0
    noise = (size * np.random.default_rng(0).normal(size=one.x.shape)).astype(one.x.dtype)
    where = steps.reshape(*steps.shape, *(1,) * (one.x.ndim - 2))
    gap = np.abs(one.layer.forward(np.where(where, one.x + noise, one.x)) - one.y)
    return np.asarray(gap > ROUNDING * max(float(np.abs(one.y).max()), 1.0))


def _mixes(one: Passed, real: NDArray[np.bool_]) -> bool:
    """Tell whether an answer depends on real steps and on padding too."""
    both = _changed_by(one, real) & _changed_by(one, ~real)
    # What comes out for a step of padding is for the next layer to know.
    return bool((both[real] if _over_time(one.y, real) else both).any())


def _taken(one: Passed, real: NDArray[np.bool_]) -> Finding:
    share = float((~real).mean())
    message = (
        f"{one.words} takes the padding at the ends of sequences for steps, {share:.0%} of all that it sees: "
        "what it says of a sequence depends on how far that is filled up."
    )
    fix = _remedy(one.layer, _fill(one.x, real) or 0.0, alone=False)
    return finding("NN216", "warning", message, fix, layer=one.place, padded=share)


def _lost(before: list[Passed], one: Passed, real: NDArray[np.bool_], own: float) -> Finding:
    """Say which layer has made something else of the padding."""
    padded = ~real
    share = float((real_steps(one.x, own) & padded).sum() / padded.sum())
    message = f"{one.words} looks for padding of {own:g}, and {share:.0%} of the padding is none there"
    fill = _fill(one.x, real)
    # What it consisted of in front of each layer: of the last one where it was what is looked for.
    fills = [_fill(some.x, real) if _over_time(some.x, real) else None for some in before]
    kept = [place for place, number in enumerate(fills) if number == own]
    if fill is not None and not kept:
        message += f": it consists of {fill:g}"
        fix = f"Write {type(one.layer).__name__}(..., padding={fill!r})."
    else:
        known = [place for place, number in enumerate(fills) if number is not None]
        culprit = before[(kept or known or [-1])[-1]]
        message += f": {culprit.words} has made other numbers of it"
        over_time = _over_time(culprit.x, real) and _over_time(culprit.y, real)
        fix = _remedy(culprit.layer, own, alone=over_time and not _changed_by(culprit, real)[padded].any())
    evidence = {"layer": one.place, "padded": float(padded.mean()), "lost": share}
    return finding("NN216", "warning", f"{message}.", fix, **evidence)


def _remedy(layer: Any, number: float, *, alone: bool) -> str:
    """Say how a layer is told of padding; `alone` is whether it looks at each step alone."""
    kind = type(layer).__name__
    if isinstance(layer, TokenEmbedding):
        return "Write TokenEmbedding(..., padding=0), with the id that fills up."
    if hasattr(layer, "padding") and layer.padding is None:
        return f"Write {kind}(..., padding={number!r})."
    if alone:
        return f"Put {kind} into TimeDistributed([...], padding={number!r}), which leaves padding as it is."
    return (
        f"{kind} knows of no padding: give it sequences of one length, or take GRU, LSTM, SelfAttention or "
        "GlobalAveragePool(1) with padding=."
    )


def _fill(x: Array, real: NDArray[np.bool_]) -> float | None:
    """Return the one number that all steps of padding consist of; None if there are several."""
    steps = x[~real]
    first = steps.flat[0]
    return float(first) if (steps == first).all() else None
