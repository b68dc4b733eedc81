"""Nets for a sweep: as many like one as there are rates and seeds, trained together."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from nnlite.core.optimizers import Optimizer
from nnlite.errors import DivergenceError
from nnlite.model import PREDICT_ROWS, Sequential
from nnlite.schedules.base import Schedule, ScheduleLike
from nnlite.training.anew import like
from nnlite.training.callbacks import Callback, TrainingState
from nnlite.training.history import History
from nnlite.training.inside import inside
from nnlite.training.random_states import Generators

__all__ = ["Part", "ScheduleMaker", "bytes_for_one", "cut", "join", "train"]

#: Function from a rate to a schedule.
ScheduleMaker = Callable[[float], Callable[[int], float]]

#: Arrays that a fit holds: as large as the parameters (values, gradients, state, what it can go back
#: to), and as large as the outputs of all layers.
COPIES = 10
OUTPUT_COPIES = 4


class Part(NamedTuple):
    """What came of some nets of a sweep that were trained as one."""

    model: Sequential
    history: History


def bytes_for_one(model: Sequential, rows: int) -> int:
    """Estimate the memory that one replica takes in a fit."""
    params = model.params
    outputs = sum(math.prod(shape or (1,)) for _, _, shape in inside(model, shape=model.input_shape))
    numbers = COPIES * params.numbers.size + OUTPUT_COPIES * min(rows, PREDICT_ROWS) * outputs
    return int(numbers * params.dtype.itemsize)


def cut(pairs: Sequence[tuple[float, int]], largest: int) -> list[Sequence[tuple[float, int]]]:
    """Cut a list into as few parts of at most `largest` as it takes, of equal size or nearly so."""
    count = -(-len(pairs) // largest)
    edges = [len(pairs) * number // count for number in range(count + 1)]
    return [pairs[begin:end] for begin, end in pairwise(edges)]


class _Keep(Callback):
    """Holds the history, which an error would lose; of replicas that diverge the result says more."""

    state: TrainingState

    def on_train_begin(self, state: TrainingState) -> None:
        self.state = state
        state._warns_of_replicas = False


class _Each(Schedule):
    """Schedules of as many replicas."""

    def __init__(self, schedules: tuple[ScheduleLike, ...]) -> None:
        self.schedules = schedules

    @property
    def lasts(self) -> bool:
        return any(isinstance(one, Schedule) and one.lasts for one in self.schedules)

    @property
    def over(self) -> int | None:
        ends = [one.over if isinstance(one, Schedule) else None for one in self.schedules]
        known = [end for end in ends if end is not None]
        return max(known) if len(known) == len(ends) else None

    def settle(self, steps: int | None, steps_per_epoch: int | None) -> Schedule:
        settled = (
            one.settle(steps, steps_per_epoch) if isinstance(one, Schedule) else one for one in self.schedules
        )
        return _Each(tuple(settled))

    def __call__(self, step: int) -> Any:
        return [float(rate(step)) for rate in self.schedules]

    def __repr__(self) -> str:
        return f"{self.schedules[0]}"  # they differ in the rate alone


def train(
    model: Sequential,
    pairs: Sequence[tuple[float, int]],
    template: Optimizer,
    schedule: ScheduleMaker | None,
    X: Any,
    y: Any,
    options: Mapping[str, Any],
) -> Part:
    """Train some pairs of rate and seed as replicas."""
    twin = like(model, [seed for _, seed in pairs], replicas=len(pairs))
    optimizer, keep = copy.deepcopy(template), _Keep()
    optimizer.learning_rate = np.array([rate for rate, _ in pairs])
    if schedule is not None:
        optimizer.learning_rate = _Each(tuple(schedule(rate) for rate, _ in pairs))
    options = {**options, "callbacks": [keep, *options["callbacks"]]}
    try:
        twin.fit(X, y, optimizer=optimizer, **options)
    except DivergenceError:  # all of them: the labels will say so
        keep.state.history.stop_reason = keep.state.stop_reason
        keep.state.put_back()
    return Part(twin, keep.state.history)


def join(model: Sequential, parts: Sequence[Part]) -> Part:
    """Make one model and one history of those of several fits, which do not show in it."""
    history = _join_histories([part.history for part in parts])
    if len(parts) == 1:
        return Part(parts[0].model, history)
    models = [part.model for part in parts]
    joined = like(model, 0, replicas=len(history.replicas))
    joined.rng = Generators([rng for net in models for rng in net.rng.each])  # type: ignore[union-attr]
    joined.feature_names = models[0].feature_names
    joined.params.numbers[...] = np.concatenate([net.params.numbers for net in models])
    each = [[layer for _, layer in net.walk()] for net in (joined, *models)]
    for layer, *parts_of in zip(*each, strict=True):
        for name, shape in layer.buffer_shapes().items():
            found = [one.buffers[name] for one in parts_of]
            # What was measured on other data for each replica has an axis for them.
            layer.buffers[name] = found[0].copy() if found[0].shape == shape else np.concatenate(found)
    return Part(joined, history)


def _join_histories(parts: Sequence[History]) -> History:
    """Join the histories of several fits."""
    counts = [len(part.replicas) for part in parts]
    history = History()
    for part in parts:
        first = len(history.replicas)
        for number, one in enumerate(part.replicas):
            reason = one["stop_reason"].replace(f" replica {number}:", f" replica {first + number}:", 1)
            history.replicas.append({**one, "stop_reason": reason})
    history.higher_is_better = parts[0].higher_is_better
    history.interrupted = any(part.interrupted for part in parts)
    history.engine = "; ".join(dict.fromkeys(part.engine for part in parts))
    longest = max(map(len, parts))
    # Nets that went on to the end have its reason; else all have ended before, each for a reason of its own.
    ends = [
        part.stop_reason
        for part in parts
        if any(one["stop_reason"] == part.stop_reason for one in part.replicas)
    ]
    history.stop_reason = (ends or [part.stop_reason for part in parts])[0]
    for number in range(longest):
        history.rows.append(_join_rows([part.rows[number : number + 1] for part in parts], counts))
    return history


def _join_rows(rows: Sequence[list[dict[str, Any]]], counts: Sequence[int]) -> dict[str, Any]:
    """Join the rows of one epoch; a part that has ended has none, which makes None for its replicas."""
    (first, *_) = [row for found in rows for row in found]
    joined = dict(first)
    for name, value in first.items():
        if isinstance(value, list):
            parts = [found[0][name] if found else [None] * n for found, n in zip(rows, counts, strict=True)]
            joined[name] = [one for part in parts for one in part]
    # Where others of its part go on, a net that has ended has a rate still.
    pairs = zip(joined["learning_rate"], joined["loss"], strict=True)
    joined["learning_rate"] = [None if loss is None else rate for rate, loss in pairs]
    return joined | {"seconds": sum(row["seconds"] for found in rows for row in found)}
