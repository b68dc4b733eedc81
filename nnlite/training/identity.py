"""What a training is: what two of them must have in common for one to go on where the other was stopped."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from nnlite.core.config import Configured
from nnlite.core.layer import Layer
from nnlite.core.optimizers import Optimizer
from nnlite.data.splits import HeldOut
from nnlite.errors import ArgumentError
from nnlite.errors.checks import check_numbers
from nnlite.files.safetensors import short
from nnlite.optimizers.second_order import FullBatchOptimizer
from nnlite.schedules.base import Schedule
from nnlite.training.callbacks import Callback, TrainingState
from nnlite.training.likeness import function_of, settings, text_of, without_code, without_modules
from nnlite.training.loop import Loop
from nnlite.training.random_states import generators_of
from nnlite.training.sources import Arrays, Source

__all__ = [
    "arguments",
    "changed_arguments",
    "check_going_on",
    "check_same",
    "common",
    "describe",
    "difference",
    "scheduled_rate",
    "texts",
]

#: What is compared by the first rank only, and not at all with files of the first format.
_NEWER = (
    "the arguments of the callbacks",
    "the metrics",
    "the functions of the optimizer",
    "the function of shuffle",
    "python",
)

#: How many rows of each array are looked at to tell whether data are the same.
SAMPLED_ROWS = 16


def describe(loop: Loop, callbacks: Sequence[Callback], *, shuffle: Any) -> dict[str, Any]:
    """Return what two trainings must have in common for one to go on from the other.

    Parameters
    ----------
    loop : Loop
        A training that has not begun.
    callbacks : sequence of Callback
        Those that have to be the same.
    shuffle : bool or callable
        As given to `fit`.

    Returns
    -------
    dict
        What JSON can hold, by the names of the arguments.
    """
    state, model = loop.state, loop.state.model
    batch_size = loop.data.batch_size if isinstance(loop.data, Arrays) else None
    return {
        **texts(state),
        "dtype": model.params.dtype.name,
        "replicas": model.params.replicas,
        "shapes": {name: list(model.params[name].shape) for name in model.params},
        "frozen": sorted(model.params.frozen),
        "optimizer": type(state.optimizer).__name__,
        **{f"optimizer {name}": _plain(value) for name, value in arguments(state.optimizer)},
        **_length(state),
        "training data": _fingerprint(loop.data),
        "batch_size": batch_size,
        "shuffle": "a function" if callable(shuffle) else shuffle,
        "validation": _validation(loop.validation),
        "columns of the history": list(state.columns),
        "callbacks": [_name(callback) for callback in callbacks],
        "rng": [[type(one.bit_generator).__name__ for one in generators_of(rng)] for rng in loop.rngs],
        # What older files do not have.
        "the arguments of the callbacks": settings(callbacks),
        "the metrics": {name: function_of(metric) for name, metric in state.metrics.items()},
        "the functions of the optimizer": {
            name: function_of(value) for name, value in arguments(state.optimizer) if callable(value)
        },
        "the function of shuffle": function_of(shuffle) if callable(shuffle) else None,
        "python": sys.implementation.cache_tag,
    }


def _length(state: TrainingState) -> dict[str, int]:
    """Return the number of epochs, if the learning rate goes by it."""
    rate = state.optimizer.learning_rate
    lasts = isinstance(rate, Schedule) and rate.lasts
    return {f"epochs, as long as which {rate} lasts,": state.epochs} if lasts else {}


def texts(state: TrainingState) -> dict[str, Any]:
    """Return what layers and loss say of themselves; callbacks may change it.

    Parameters
    ----------
    state : TrainingState
        With the model and the loss.

    Returns
    -------
    dict
        What JSON can hold.
    """
    return {"layers": [_layer(layer) for layer in state.model.layers], "loss": text_of(state.loss)}


def _layer(layer: Layer) -> Any:
    """Describe a layer by its text, and those inside one by one, so that a difference can be named."""
    if not layer.children:
        return text_of(layer)
    return {"layers": [_layer(child) for child in layer.children], "text": text_of(layer)}


def _name(callback: Callback) -> str:
    """Return the name of the class, and of the column if it watches one: what it remembers is about that."""
    monitor = getattr(callback, "monitor", None)
    return type(callback).__name__ + (f"(monitor={monitor!r})" if isinstance(monitor, str) else "")


def arguments(optimizer: Optimizer | FullBatchOptimizer) -> Iterator[tuple[str, Any]]:
    """Give what an optimizer was made with; what changes from step to step is in its `state_dict`.

    Parameters
    ----------
    optimizer : Optimizer or FullBatchOptimizer
        Any.

    Yields
    ------
    (str, object)
        Names and values.

    Examples
    --------
    >>> from nnlite import SGD
    >>> dict(arguments(SGD(0.1)))["learning_rate"]
    0.1
    """
    if isinstance(optimizer, Optimizer):
        yield "learning_rate", optimizer.learning_rate
        yield "weight_decay", optimizer.weight_decay
    for name, value in vars(optimizer).items():
        if not name.startswith("_") and name not in {"steps", "rate_factor", "state"}:
            yield name, value


def _plain(value: Any) -> Any:
    """Return a number as it is, anything else as a text that is the same in another process."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Configured) or not callable(value):
        return text_of(value)
    return f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', type(value).__qualname__)}"


def _validation(source: Source | HeldOut | None) -> Any:
    if source is None or isinstance(source, HeldOut):
        return source and source.describe()
    return _fingerprint(source)


def _fingerprint(source: Source | None) -> dict[str, Any] | str:
    """Describe data by shapes, dtypes, and a checksum of a few rows."""
    if not isinstance(source, Arrays):
        return "batches"
    if source.cutter.total is not None:  # other rows on each rank, which may be shared out anew
        return {"rows of all shards": source.cutter.total, "X": list(map(int, source.x.shape[1:]))}
    found: dict[str, Any] = {"rows": source.rows}
    for name, rows, own in zip(
        ("X", "y", "weight"), (source.x, source.y, source.weight), source.own, strict=True
    ):
        if rows is None:
            continue
        found[name] = list(map(int, rows.shape))
        if not hasattr(rows, "take"):  # blocks that are computed: too much work for a few rows
            continue
        chosen = np.unique(np.linspace(0, source.rows - 1, SAMPLED_ROWS).astype(int))
        part = rows.take(chosen, int(own))
        array = part.toarray() if hasattr(part, "toarray") else part
        found[f"checksum of {name}"] = f"{array.dtype} {zlib.crc32(array.tobytes()):08x}"
    return found


def changed_arguments(optimizer: Optimizer | FullBatchOptimizer, training: dict[str, Any]) -> dict[str, Any]:
    """Find the arguments that callbacks have changed since training began.

    Parameters
    ----------
    optimizer : Optimizer or FullBatchOptimizer
        In training.
    training : dict
        What `describe` returned before.

    Returns
    -------
    dict
        New values by name.

    Raises
    ------
    ArgumentError
        If one is no number.
    """
    changed = {}
    for name, value in arguments(optimizer):
        if training.get(f"optimizer {name}") == _plain(value):
            continue
        if not (value is None or isinstance(value, bool | int | float | np.generic | np.ndarray)):
            raise ArgumentError(
                "Checkpoint",
                f"a number as the optimizer's {name}, which has changed since training began",
                text_of(value),
                "Give a schedule from the beginning. What a rule of your own remembers goes into its slots, "
                "or into state_dict() and a name that begins with _.",
            )
        changed[name] = value
    return changed


def scheduled_rate(optimizer: Optimizer, steps: int) -> Any:
    """Return what the schedule says of the last step, by which functions of the same name can be told apart.

    Parameters
    ----------
    optimizer : Optimizer
        Any.
    steps : int
        How many were made. A function need not be made for more.

    Returns
    -------
    float, ndarray of shape (replicas,), or None
        None without a schedule, and of one whose lengths only `fit` knows.

    Examples
    --------
    >>> from nnlite import SGD
    >>> scheduled_rate(SGD(lambda step: 0.5**step), 3)
    0.25
    """
    schedule = optimizer.learning_rate
    if isinstance(schedule, Schedule) and schedule.settle(1, 1) is not schedule:
        return None  # only fit knows its lengths; its arguments say all
    return check_numbers("the schedule", schedule(max(steps - 1, 0))) if callable(schedule) else None


def common(training: dict[str, Any]) -> dict[str, Any]:
    """Leave out what may differ from rank to rank, such as where a callback of one's own writes to.

    Parameters
    ----------
    training : dict
        What `describe` returned.

    Returns
    -------
    dict

    Examples
    --------
    >>> common({"batch_size": 32, "the metrics": {}})
    {'batch_size': 32}
    """
    return {name: value for name, value in training.items() if name not in _NEWER}


def check_going_on(where: str, then: dict[str, Any], now: dict[str, Any], *, rank: int) -> None:
    """Refuse to go on from another training, as far as can be told.

    Parameters
    ----------
    where : str
        Names the checkpoint in the message.
    then, now : dict
        What `describe` returned for the two. An older nnlite has described less, and may have had
        modules of other names; another Python makes other code of the same functions.
    rank : int
        Number of this process.

    Raises
    ------
    ArgumentError
        If they differ; it names the first difference.

    Examples
    --------
    >>> check_going_on("here", {"batch_size": 32}, {"batch_size": 32, "the metrics": {}}, rank=0)
    """
    then, now = without_modules(then), without_modules(now)
    if rank or "python" not in then:
        then, now = common(then), common(now)
    elif then["python"] != now["python"]:
        then, now = without_code({**then, "python": None}), without_code({**now, "python": None})
    check_same(where, then, now)


def check_same(where: str, then: dict[str, Any], now: dict[str, Any]) -> None:
    """Refuse to go on from another training.

    Parameters
    ----------
    where : str
        Names the checkpoint in the message.
    then, now : dict
        What `describe` returned for the two.

    Raises
    ------
    ArgumentError
        If they differ; it names the first difference.

    Examples
    --------
    >>> check_same("here", {"batch_size": 32}, {"batch_size": 32})
    """
    if f"{then.get('class_weight')}".startswith("balanced: "):  # as once, with the numbers
        then = {**then, "class_weight": "balanced"}
    # The weights of classes first, since those of the rows, which are among the data, follow from them.
    for name in dict.fromkeys(("class_weight", *now, *then)):
        if then.get(name, ...) != now.get(name, ...):
            absent = False if name == "jit" else None  # it is written down where it is on
            what, old, new = difference(name, then.get(name, absent), now.get(name, absent))
            raise ArgumentError(
                where,
                f"the same {what} as in the training that wrote it, {short(old)}",
                short(new),
                "Give the same, or train without resume.",
            )


def difference(name: str, then: Any, now: Any) -> tuple[str, Any, Any]:
    """Find the entry in which two descriptions differ.

    Parameters
    ----------
    name : str
        What they describe.
    then, now : object
        Plain data that are not equal.

    Returns
    -------
    name : str
        Of the entry, and of what it is an entry.
    then, now : object
        What it is in each.

    Examples
    --------
    >>> difference("layers", ["Dense(2, 3)", "Tanh()"], ["Dense(2, 3)", "ReLU()"])
    ('entry 1 of layers', 'Tanh()', 'ReLU()')
    """
    if isinstance(then, dict) and isinstance(now, dict):
        for key in dict.fromkeys((*now, *then)):
            if then.get(key) != now.get(key):
                joint = "in" if " of " in key else "of"
                return _further(f"{key} {joint} {name}", then.get(key), now.get(key))
    if isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        for index, (one, other) in enumerate(zip(then, now, strict=True)):
            if one != other:
                return _further(f"entry {index} of {name}", one, other)
    return name, then, now


def _further(name: str, then: Any, now: Any) -> tuple[str, Any, Any]:
    """Go on into layers that both are made of others; show one of them by its text."""
    inside = [isinstance(one, dict) and one.keys() == {"layers", "text"} for one in (then, now)]
    if all(inside) or (isinstance(then, list) and name.startswith("layers of entry")):
        return difference(name, then, now)
    then, now = (one["text"] if has else one for one, has in zip((then, now), inside, strict=True))
    return name, then, now
