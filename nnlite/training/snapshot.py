"""Where a training stands, as plain data and arrays: taken from a loop, checked, and put back."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from nnlite.core.loop import Epoch
from nnlite.core.optimizers import Optimizer
from nnlite.errors import ArgumentError, ModelFileError
from nnlite.files.documents import PackedRows, unpack_rows
from nnlite.files.safetensors import short
from nnlite.optimizers.second_order import FullBatchOptimizer
from nnlite.training.callbacks import CTRL_C, Callback
from nnlite.training.full_batch_loop import FullBatchLoop
from nnlite.training.identity import (
    arguments,
    changed_arguments,
    check_going_on,
    check_same,
    scheduled_rate,
    texts,
)
from nnlite.training.loop import GoOn, Loop
from nnlite.training.random_states import Generators, check_state, get_states, set_states
from nnlite.training.sources import Stream

__all__ = ["capture", "check", "restore"]

_DAMAGED = "The file is damaged, or was made by something else."

#: What Python raises when plain data are not what they were taken for.
_WRONG = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


# Taking it.


def capture(
    loop: Loop, training: dict[str, Any], callbacks: Sequence[Callback], pack_history: PackedRows
) -> dict[str, Any]:
    """Return all that a later training needs to go on from here.

    Parameters
    ----------
    loop : Loop
        A training, between two batches or two epochs.
    training : dict
        What `describe` returned before it began.
    callbacks : sequence of Callback
        Those whose state belongs to it.
    pack_history : PackedRows
        Has packed the rows of the last time.

    Returns
    -------
    dict
        Plain data and arrays, which are not copied.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        If there is something that cannot be stored.
    """
    loop.verify()
    state, now = loop.state, loop.now
    optimizer, history = state.optimizer, state.history
    if isinstance(loop, FullBatchLoop) and isinstance(optimizer, FullBatchOptimizer):
        loop.begin_anew = not optimizer.keeps_all
    stop = state.stop_reason  # Ctrl-C can come at any moment, so it is read once
    stepped = loop.stepped and isinstance(optimizer, Optimizer)
    return {
        "training": training,
        "ranks": state.ranks,
        "done": len(history),
        "batch": 0 if now is None else state.batch,
        "stop": "" if stop == CTRL_C else stop,
        "history": pack_history(history.rows),
        "replicas": history.replicas,
        "active": state.active,
        "left": [
            {"replica": index, "slots": slots, "draws": draws}
            for index, (slots, draws) in state._left.items()
        ],
        "values": state.model.params.numbers if state._weights is None else state._weights,
        "frozen": sorted(state.model.params.frozen),
        "buffers": state.model.measured()[1:],  # of the layers
        "optimizer": _kept_by(optimizer),
        "changed": changed_arguments(optimizer, training),
        "first_step": loop.first_step,
        "scheduled": scheduled_rate(optimizer, optimizer.steps) if isinstance(optimizer, Optimizer) else None,
        "draws": [loop.start_draws, None if now is None else loop.epoch_draws, get_states(loop.rngs)],
        "epoch": None if now is None else _epoch(loop, now),
        "stepped": loop.stepped,
        "backup": loop.backup if stepped else None,
        "start_size": loop.start_size,
        "batch_loss": state.batch_loss,
        "batch_rows": state.batch_rows,
        "callbacks": [callback.state_dict() for callback in callbacks],
        **({"weights": [loop.mean_weight.total, loop.mean_weight.rows]} if _is_stream(loop) else {}),
    }


def _is_stream(loop: Loop) -> bool:
    """Tell whether the mean weight of the rows is known of those so far only."""
    return isinstance(loop.data, Stream)


def _kept_by(optimizer: Optimizer | FullBatchOptimizer) -> dict[str, Any]:
    """Return what `state_dict` does, if possible without copies: they can be twice as large as the model."""
    if isinstance(optimizer, Optimizer) and type(optimizer).state_dict is Optimizer.state_dict:
        return optimizer._kept()
    return optimizer.state_dict()


def _epoch(loop: Loop, now: Epoch) -> dict[str, Any]:
    return {
        "total": now.total,
        "count": now.count,
        "outputs": loop.joined_outputs(now),  # the targets come again with the data
        "seconds": time.perf_counter() - now.begun,
        "rate": loop.rate,
        "listed": loop.listed,
        "texts": texts(loop.state),
    }


# Checking it.


def check(loop: Loop, training: dict[str, Any], saved: dict[str, Any], *, where: str) -> None:
    """Refuse what is no snapshot, or one of another training; change nothing.

    Parameters
    ----------
    loop : Loop
        The training that shall go on from it.
    training : dict
        What `describe` returns for that.
    saved : dict
        What came from a file.
    where : str
        Names the file in the message.

    Raises
    ------
    ModelFileError
        If it is not whole and valid.
    ArgumentError
        If it is that of another training.
    """
    then = saved.get("training")
    if not isinstance(then, dict) or not all(isinstance(name, str) for name in then):
        raise ModelFileError(where, "a checkpoint of a training", "something else", _DAMAGED)
    check_going_on(where, then, training, rank=loop.state.rank)
    if _is_stream(loop) and "weights" not in saved:
        raise ModelFileError(
            where,
            "the sum of the weights of the batches so far",
            "none",
            "If an older nnlite has written the file, which weighted batches by another rule, train without "
            "resume; else it is damaged.",
        )
    try:
        _check_position(loop, saved)
        _check_arrays(loop, saved)
        _check_epoch(loop, saved)
        begun = saved["done"] + (saved["batch"] > 0)
        if begun <= loop.state.epochs:  # or the number of rows may be anything
            unpack_rows(saved["history"], saved["done"])
        rate, same_schedule = saved["scheduled"], "learning_rate" not in saved["changed"]
    except _WRONG as error:
        got = f"one that is none ({short(str(error), length=120)[1:-1]})"
        raise ModelFileError(where, "a whole checkpoint", got, _DAMAGED) from error
    ranks = saved.get("ranks")
    if loop.in_shards and saved["batch"] and ranks != loop.state.ranks:  # they would take other rows
        raise ArgumentError(
            where,
            f"{short(ranks)} ranks, for shards in the middle of an epoch",
            f"{loop.state.ranks}",
            "Start as many; from a checkpoint behind an epoch, any number goes on.",
        )
    if loop.state.epochs < begun:
        raise ArgumentError(
            "fit(epochs=)",
            f"at least {begun}, of which {where} has begun the last",
            f"{loop.state.epochs}",
            "Give all epochs, with those that are done.",
        )
    optimizer = loop.state.optimizer
    if isinstance(optimizer, Optimizer) and same_schedule:
        name = "rate of the last step by the schedule"
        try:
            now = scheduled_rate(optimizer, saved["optimizer"]["steps"])
        except Exception as error:  # a function of the user's, which need not be made for so many steps
            now = f"{type(error).__name__}: {error}"
        if not np.array_equal(rate, now):
            check_same(where, {name: rate}, {name: now})


def _need(condition: object, otherwise: str) -> None:
    if not condition:
        raise ValueError(otherwise)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**60


def _is_like(value: Any, shape: tuple[int, ...], dtype: Any) -> bool:
    return isinstance(value, np.ndarray) and value.shape == shape and value.dtype == dtype


def _is_value(value: Any, replicas: int | None) -> bool:
    """Tell whether it is a number, or one for each replica."""
    if isinstance(value, np.ndarray):
        return value.shape in {(), (replicas,)} and value.dtype.kind in "fiu"
    if isinstance(value, int):
        return not isinstance(value, bool) and abs(value) < 2**53
    return isinstance(value, float | np.floating | np.integer)


def _check_position(loop: Loop, saved: dict[str, Any]) -> None:
    state = loop.state
    nets, replicas = len(state.active), state.model.params.replicas
    done, batch, epoch = saved["done"], saved["batch"], saved["epoch"]
    _need(_is_count(done) and _is_count(batch), "a position that is none")
    _need((batch > 0) == isinstance(epoch, dict) and (batch == 0) == (epoch is None), "half an epoch")
    _need(isinstance(saved["stop"], str) and isinstance(saved["stepped"], bool), "no reason for its end")
    _need(_is_like(saved["active"], (nets,), bool), "no mark of the nets that are trained")
    _need(isinstance(saved["replicas"], list) and len(saved["replicas"]) == (replicas or 0), "other replicas")
    for one in saved["replicas"]:
        _need(one.keys() == {"stop_reason", "best_epoch", "diverged"}, "replicas without their ends")
        _need(isinstance(one["stop_reason"], str) and isinstance(one["diverged"], bool), "ends that are none")
        _need(one["best_epoch"] is None or _is_count(one["best_epoch"]), "a best epoch that is none")
    for value in (saved["batch_loss"], saved["batch_rows"]):
        _need(_is_value(value, replicas), "a loss that is none")
    if _is_stream(loop):
        weights = saved["weights"]
        _need(len(weights) == 2 and all(_is_value(one, replicas) for one in weights), "weights that are none")
    _need(_is_like(saved["start_size"], (nets,), loop.start_size.dtype), "no size of weights")
    start, present, now = saved["draws"]
    _need((present is None) == (epoch is None), "no state of the generators for its epoch")
    for states in (start, now, *([] if present is None else [present])):
        _need(isinstance(states, list) and len(states) == len(loop.rngs), "other generators")
        for rng, one in zip(loop.rngs, states, strict=True):
            check_state(rng, one)
    known = saved["callbacks"]
    _need(isinstance(known, list) and len(known) == len(saved["training"]["callbacks"]), "other callbacks")
    _need(all(isinstance(one, dict) for one in known), "callbacks that are none")


def _check_arrays(loop: Loop, saved: dict[str, Any]) -> None:
    state = loop.state
    params, optimizer = state.model.params, state.optimizer
    shape, dtype = params.values.shape, params.dtype
    numbers, kept = params.numbers.shape, saved["values"]
    # What is not learned may be anything: a variance that is too large for float32 does no harm.
    _need(_is_like(kept, numbers, dtype) and np.isfinite(kept[..., : params.size]).all(), "other weights")
    backup = saved["backup"]
    needed = saved["stepped"] and isinstance(optimizer, Optimizer)
    before = _is_like(backup, numbers, dtype) if needed else backup is None
    _need(before, "other weights before the last step")
    _need(
        isinstance(saved["frozen"], list) and all(name in params for name in saved["frozen"]), "other names"
    )
    layers = [layer for _, layer in state.model.walk()][1:]
    _need(len(saved["buffers"]) == len(layers), "other layers")
    for layer, buffers in zip(layers, saved["buffers"], strict=True):
        declared = layer.buffer_shapes()
        for name, array in buffers.items():
            _need(isinstance(array, np.ndarray), "buffers that are none")
            if name in declared:
                shapes = {declared[name], (params.replicas, 1, *declared[name])}
                dtypes = {dtype, np.dtype(np.float64)} if name in layer.exact_buffers else {dtype}
                _need(array.shape in shapes and array.dtype in dtypes, f"{name} of another shape")
    slots = optimizer.slots if isinstance(optimizer, Optimizer) else ()
    found = saved["optimizer"]
    for name in slots:
        _need(name not in found or _is_like(found[name], shape, dtype), f"{name} of another shape")
    if isinstance(optimizer, Optimizer):
        first = saved.get("first_step", 0)  # missing in older files
        _need(_is_count(first) and first <= found["steps"], "no beginning")
        _need(_is_count(found["steps"]) and _is_value(found["rate_factor"], params.replicas), "no steps")
    names = {name for name, _ in arguments(optimizer)}
    for name, value in saved["changed"].items():
        _need(
            name in names and (value is None or isinstance(value, bool) or _is_value(value, params.replicas)),
            f"a changed {name}",
        )
    seen = set()
    for one in saved["left"]:
        index, kept, draws = one["replica"], one["slots"], one["draws"]
        _need(_is_count(index) and index < (params.replicas or 0) and index not in seen, "another replica")
        _need(not saved["active"][index], "the end of a replica that is trained")
        seen.add(index)
        for name, array in kept.items():
            _need(_is_like(array, shape[1:], dtype), f"{short(name)} of another shape")
        if isinstance(state.rng, Generators):
            _need(isinstance(draws, list) and len(draws) == 1, "other generators")
            check_state(state.rng.each[index], draws[0])
        else:
            _need(draws == [], "other generators")


def _check_epoch(loop: Loop, saved: dict[str, Any]) -> None:
    epoch, model = saved["epoch"], loop.state.model
    if epoch is None:
        return
    replicas = model.params.replicas
    _need(_is_value(epoch["total"], replicas) and _is_value(epoch["count"], replicas), "sums that are none")
    _need(epoch["rate"] is None or _is_value(epoch["rate"], replicas), "a rate that is none")
    _need(_is_value(epoch["seconds"], None) and 0 <= epoch["seconds"] < np.inf, "a time that is none")
    _need(isinstance(epoch["texts"], dict), "no layers")
    _need(_is_like(epoch["listed"], loop.state.active.shape, bool), "no mark of the nets in the history")
    outputs = epoch["outputs"]
    if not loop.metrics:
        _need(outputs is None, "outputs without metrics")
        return
    _need(isinstance(outputs, np.ndarray) and outputs.dtype == model.params.dtype, "no outputs")
    rank = model.boundary.output_rank
    leading = () if replicas is None else (replicas,)
    each = outputs.shape[-rank:] if model.output_shape is None else model.output_shape
    _need(outputs.shape == (*leading, *outputs.shape[-1 - rank : -rank], *each), "outputs that are none")


# Putting it back.


def restore(
    loop: Loop,
    saved: dict[str, Any],
    callbacks: Sequence[Callback],
    given: dict[str, Any],
    where: str,
    with_callbacks: bool,
) -> None:
    """Put everything where it was; what is drawn from follows when the first epoch begins.

    Parameters
    ----------
    loop : Loop
        A training that begins.
    saved : dict
        What `check` has found right.
    callbacks : sequence of Callback
        Those whose state belongs to it.
    given : dict
        The arguments of the optimizer, as it came from the user.
    where : str
        Names the file in the message.
    with_callbacks : bool
        Whether the callbacks have begun, so that they can take over what they remembered.

    Raises
    ------
    ModelFileError
        If the optimizer or a callback cannot use what belongs to it.
    ArgumentError
        If a callback had changed a layer or the loss, and has not done so again.
    """
    state = loop.state
    model, optimizer, history = state.model, state.optimizer, state.history
    params = model.params
    try:
        for name, value in (given | saved["changed"]).items():
            setattr(optimizer, name, value)
        optimizer.load_state_dict(saved["optimizer"])
        if set(saved["frozen"]) != params.frozen:
            params.frozen = saved["frozen"]
    except Exception as error:  # whatever an optimizer makes of a state that it did not expect
        raise _unusable(where, optimizer, error) from error
    params.numbers[...] = saved["values"]
    model.take_measured([{}, *saved["buffers"]])
    history.rows, history.replicas = unpack_rows(saved["history"], saved["done"]), saved["replicas"]
    state.epoch, state.batch = saved["done"] + (saved["batch"] > 0), saved["batch"]
    state.batch_loss, state.batch_rows = saved["batch_loss"], saved["batch_rows"]
    if _is_stream(loop):
        loop.mean_weight.total, loop.mean_weight.rows = saved["weights"]
    state.stop_reason = saved["stop"]
    state.active[...] = saved["active"]
    state.ended = None if state.active.all() else np.flatnonzero(~state.active)
    state._left = {one["replica"]: (one["slots"], one["draws"]) for one in saved["left"]}
    start, epoch, now = saved["draws"]
    loop.done = saved["done"]
    loop.first_step = saved.get("first_step", 0)
    loop.stepped, loop.start_size = saved["stepped"], saved["start_size"]
    loop.backup[...] = saved["values"] if saved["backup"] is None else saved["backup"]
    if saved["epoch"] is not None:
        _restore_epoch(loop, saved["epoch"])
    loop.go_on = GoOn(where, epoch, now, saved["epoch"] and saved["epoch"]["outputs"])
    if with_callbacks:
        for callback, one in zip(callbacks, saved["callbacks"], strict=True):
            if callback not in loop.called:
                continue
            try:
                callback.load_state_dict(one, state)
            except Exception as error:  # whatever a callback makes of a state that it did not expect
                raise _unusable(where, callback, error) from error
        if saved["epoch"] is not None:  # or a callback can still do it when the next one begins
            check_same(where, saved["epoch"]["texts"], texts(state))
        set_states(loop.rngs, start)


def _restore_epoch(loop: Loop, saved: dict[str, Any]) -> None:
    loop.now = loop.epoch
    loop.now.total, loop.now.count = saved["total"], saved["count"]
    loop.now.begun = time.perf_counter() - saved["seconds"]
    loop.rate, loop.listed = saved["rate"], saved["listed"]


def _unusable(
    where: str, user: Callback | Optimizer | FullBatchOptimizer, error: Exception
) -> ModelFileError:
    """Make the error for a part that the one whom it belongs to cannot use."""
    return ModelFileError(
        where,
        f"a state that {type(user).__name__}.load_state_dict can use",
        f"one that fails with {type(error).__name__}: {str(error).rstrip('.')}",
        _DAMAGED,
    )
