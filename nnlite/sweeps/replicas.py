"""Nets for a sweep: as many like one as there are rates and seeds, trained together."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from nnlite.callbacks import Callback, TrainingState
from nnlite.errors import DivergenceError, ReplicaWarning
from nnlite.history import History
from nnlite.model import PREDICT_ROWS, Sequential
from nnlite.optimizers import Optimizer
from nnlite.streams import Generators, Seeds

__all__ = ["ScheduleMaker", "bytes_for_one", "join", "like", "train"]

#: Function from a rate to a schedule.
ScheduleMaker = Callable[[float], Callable[[int], float]]

#: Arrays that a fit holds: as large as the parameters (values, gradients, state, what it can go back
#: to), and as large as the outputs of all layers.
COPIES = 10
OUTPUT_COPIES = 4


def like(model: Sequential, rng: Seeds, replicas: int | None = None) -> Sequential:
    """Make a net with the same layers and frozen numbers, and new weights."""
    layers = [copy.deepcopy(layer) for layer in model.layers]
    twin = Sequential(
        layers, dtype=model.params.dtype, replicas=replicas, rng=rng, preprocessing=model.preprocessing
    )
    twin.feature_names = model.feature_names
    kept = {name: twin.params[name].copy() for name in twin.params.frozen}
    twin.initialize(rng=rng)  # from the same streams as a new model: until now none was used
    for name, values in kept.items():
        twin.params[name][...] = values
    return twin


def bytes_for_one(model: Sequential, rows: int) -> int:
    """Estimate the memory that one replica takes in a fit."""
    outputs = sum(math.prod(shape or (1,)) for shape in model._output_shapes)
    numbers = COPIES * model.params.size + OUTPUT_COPIES * min(rows, PREDICT_ROWS) * outputs
    return numbers * model.params.dtype.itemsize


class _Keep(Callback):
    """Holds the history, which an error would lose."""

    state: TrainingState

    def on_train_begin(self, state: TrainingState) -> None:
        self.state = state


def train(
    model: Sequential,
    pairs: Sequence[tuple[float, int]],
    template: Optimizer,
    schedule: ScheduleMaker | None,
    X: Any,
    y: Any,
    options: Mapping[str, Any],
) -> tuple[Sequential, History]:
    """Train some pairs of rate and seed as replicas."""
    twin = like(model, [seed for _, seed in pairs], replicas=len(pairs))
    optimizer, keep = copy.deepcopy(template), _Keep()
    optimizer.learning_rate = np.array([rate for rate, _ in pairs])
    if schedule is not None:
        schedules = [schedule(rate) for rate, _ in pairs]
        optimizer.learning_rate = lambda step: [float(rate(step)) for rate in schedules]
    options = {**options, "callbacks": [*options["callbacks"], keep]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ReplicaWarning)  # the result says so
        try:
            twin.fit(X, y, optimizer=optimizer, **options)
        except DivergenceError:  # all of them: the labels will say so
            keep.state.history.stop_reason = keep.state.stop_reason
    return twin, keep.state.history


def join(model: Sequential, parts: Sequence[tuple[Sequential, History]]) -> tuple[Sequential, History]:
    """Make one model and one history of those of several fits."""
    if len(parts) == 1:
        return parts[0]
    models, histories = zip(*parts, strict=True)
    counts = [part.params.replicas for part in models]
    joined = like(model, 0, replicas=sum(counts))
    joined.rng = Generators([rng for part in models for rng in part.rng.each])
    joined.params.values[...] = np.concatenate([part.params.values for part in models])
    for index, layer in enumerate(joined.layers):
        shapes = layer.buffer_shapes()
        for name, shape in shapes.items():
            found = [part.layers[index].buffers[name] for part in models]
            # What was measured on other data for each replica has an axis for them.
            layer.buffers[name] = found[0].copy() if found[0].shape == shape else np.concatenate(found)
    history = History()
    history.replicas = [one for part in histories for one in part.replicas]
    history.interrupted = any(part.interrupted for part in histories)
    history.stop_reason = max(histories, key=len).stop_reason
    for number in range(max(map(len, histories))):
        history.rows.append(_join_rows([part.rows[number : number + 1] for part in histories], counts))
    return joined, history


def _join_rows(rows: Sequence[list[dict[str, Any]]], counts: Sequence[int]) -> dict[str, Any]:
    """Join the rows of one epoch; a part that has ended has none, which makes None for its replicas."""
    (first, *_) = [row for found in rows for row in found]
    joined = dict(first)
    for name, value in first.items():
        if isinstance(value, list):
            parts = [found[0][name] if found else [None] * n for found, n in zip(rows, counts, strict=True)]
            joined[name] = [one for part in parts for one in part]
    return joined | {"seconds": sum(row["seconds"] for found in rows for row in found)}
