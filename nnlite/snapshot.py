"""Where a training stands, as plain data and arrays: taken from a loop, checked, and put back."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from nnlite.callbacks import Callback
from nnlite.errors import ArgumentError, ModelFileError
from nnlite.evaluation import _join
from nnlite.files import short
from nnlite.full_batch_loop import FullBatchLoop
from nnlite.identity import arguments, changed_arguments, check_same, scheduled_rate
from nnlite.loop import CTRL_C, Epoch, GoOn, Loop, unusable
from nnlite.optimizers import Optimizer
from nnlite.packing import pack_rows, unpack_rows
from nnlite.second_order import FullBatchOptimizer
from nnlite.sources import Arrays
from nnlite.streams import Generators, check_state, get_states

__all__ = ["capture", "check", "restore"]

_DAMAGED = "The file is damaged, or was made by something else."

#: What Python raises when plain data are not what they were taken for.
_WRONG = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


# Taking it.


def capture(loop: Loop, training: dict[str, Any], callbacks: Sequence[Callback]) -> dict[str, Any]:
    """Return all that a later training needs to go on from here.

    Parameters
    ----------
    loop : Loop
        A training, between two batches or two epochs.
    training : dict
        What `describe` returned before it began.
    callbacks : sequence of Callback
        Those whose state belongs to it.

    Returns
    -------
    dict
        Plain data and arrays, which are not copied.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        If there is something that cannot be stored.
    """
    state, now = loop.state, loop.now
    optimizer, history = state.optimizer, state.history
    if isinstance(loop, FullBatchLoop) and isinstance(optimizer, FullBatchOptimizer):
        loop.begin_anew = not optimizer.keeps_all
    stop = state.stop_reason  # Ctrl-C can come at any moment, so it is read once
    stepped = loop.stepped and isinstance(optimizer, Optimizer)
    return {
        "training": training,
        "done": len(history),
        "batch": 0 if now is None else state.batch,
        "stop": "" if stop == CTRL_C else stop,
        "history": pack_rows("Checkpoint, history", history.rows),
        "replicas": history.replicas,
        "active": state.active,
        "left": [
            {"replica": index, "slots": slots, "draws": draws}
            for index, (slots, draws) in state._left.items()
        ],
        "values": state.model.params.values,
        "frozen": sorted(state.model.params.frozen),
        "buffers": [layer.buffers for layer in state.model.layers],
        "optimizer": optimizer.state_dict(),
        "changed": changed_arguments(optimizer, training),
        "scheduled": scheduled_rate(optimizer, optimizer.steps) if isinstance(optimizer, Optimizer) else None,
        "draws": [loop.start_draws, None if now is None else loop.epoch_draws, get_states(loop.rngs)],
        "epoch": None if now is None else _epoch(loop, now),
        "stepped": loop.stepped,
        "backup": loop.backup if stepped else None,
        "start_size": loop.start_size,
        "batch_loss": state.batch_loss,
        "batch_rows": state.batch_rows,
        "callbacks": [callback.state_dict() for callback in callbacks],
    }


def _epoch(loop: Loop, now: Epoch) -> dict[str, Any]:
    if len(now.outputs) > 1:  # also for the loop: what is joined once need not be joined again
        now.outputs[:] = [_join(loop.state.model, now.outputs)]
    return {
        "total": now.total,
        "count": now.count,
        "outputs": now.outputs,
        "seconds": time.perf_counter() - now.begun,
        "rate": loop.rate,
        "listed": loop.listed,
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
    check_same(where, then, training)
    try:
        _check_position(loop, saved)
        _check_arrays(loop, saved)
        _check_epoch(loop, saved)
        begun = saved["done"] + (saved["batch"] > 0)
        if begun <= loop.state.epochs:  # or the number of rows may be anything
            unpack_rows(saved["history"], saved["done"])
        rate = saved["scheduled"]
    except _WRONG as error:
        got = f"one that is none ({short(str(error), length=120)[1:-1]})"
        raise ModelFileError(where, "a whole checkpoint", got, _DAMAGED) from error
    if loop.state.epochs < begun:
        raise ArgumentError(
            "fit(epochs=)",
            f"at least {begun}, of which {where} has begun the last",
            f"{loop.state.epochs}",
            "Give all epochs, with those that are done.",
        )
    optimizer = loop.state.optimizer
    if isinstance(optimizer, Optimizer):
        name = "rate of the next step by the schedule"
        now = scheduled_rate(optimizer, saved["optimizer"]["steps"])
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
        return not isinstance(value, bool) and abs(value) < 2**60
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
    _need(_is_like(saved["values"], shape, dtype) and np.isfinite(saved["values"]).all(), "other weights")
    backup = saved["backup"]
    needed = saved["stepped"] and isinstance(optimizer, Optimizer)
    _need(_is_like(backup, shape, dtype) if needed else backup is None, "other weights before the last step")
    _need(
        isinstance(saved["frozen"], list) and all(name in params for name in saved["frozen"]), "other names"
    )
    _need(len(saved["buffers"]) == len(state.model.layers), "other layers")
    for layer, buffers in zip(state.model.layers, saved["buffers"], strict=True):
        declared = layer.buffer_shapes()
        for name, array in buffers.items():
            _need(isinstance(array, np.ndarray), "buffers that are none")
            if name in declared:
                shapes = {declared[name], (params.replicas, 1, *declared[name])}
                _need(array.shape in shapes and array.dtype == dtype, f"{name} of another shape")
    slots = optimizer.slots if isinstance(optimizer, Optimizer) else ()
    found = saved["optimizer"]
    for name in slots:
        _need(name not in found or _is_like(found[name], shape, dtype), f"{name} of another shape")
    if isinstance(optimizer, Optimizer):
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
    _need(_is_like(epoch["listed"], loop.state.active.shape, bool), "no mark of the nets in the history")
    _need(isinstance(epoch["outputs"], list) and len(epoch["outputs"]) == bool(loop.metrics), "no outputs")
    for pred, target, weight in epoch["outputs"]:
        leading = () if replicas is None else (replicas,)
        rows = pred.shape[len(leading)]
        shape = (*leading, rows, *pred.shape[len(leading) + 1 :])
        _need(_is_like(pred, shape, model.params.dtype), "outputs that are none")
        _need(pred.ndim == len(leading) + 1 + model.boundary.output_rank, "outputs that are none")
        _need(isinstance(target, np.ndarray), "targets that are none")
        _need(weight is None or weight.shape in {(rows,), (*leading, rows)}, "weights that are none")
        if isinstance(loop.data, Arrays):
            y, own = loop.data.y, loop.data.own[1]
            each = tuple(y.shape[1 + own :])
            _need(target.shape in {(rows, *each), (*leading, rows, *each)}, "other targets")
            _need(target.dtype == getattr(y, "dtype", target.dtype), "other targets")
            _need((weight is None) == (loop.data.weight is None), "other weights of rows")


# Putting it back.


def restore(loop: Loop, saved: dict[str, Any], callbacks: Sequence[Callback], *, where: str) -> None:
    """Put everything where it was; the callbacks and generators follow when training begins.

    Parameters
    ----------
    loop : Loop
        A training that has not begun.
    saved : dict
        What `check` has found right.
    callbacks : sequence of Callback
        Those whose state belongs to it.
    where : str
        Names the file in the message.

    Raises
    ------
    ModelFileError
        If the optimizer cannot use what belongs to it.
    """
    state = loop.state
    model, optimizer, history = state.model, state.optimizer, state.history
    params = model.params
    try:
        for name, value in saved["changed"].items():
            setattr(optimizer, name, value)
        optimizer.load_state_dict(saved["optimizer"])
        if set(saved["frozen"]) != params.frozen:
            params.frozen = saved["frozen"]
    except Exception as error:  # whatever an optimizer makes of a state that it did not expect
        raise unusable(where, optimizer, error) from error
    params.values[...] = saved["values"]
    for layer, buffers in zip(model.layers, saved["buffers"], strict=True):
        layer.buffers = buffers
    history.rows, history.replicas = unpack_rows(saved["history"], saved["done"]), saved["replicas"]
    state.epoch, state.batch = saved["done"] + (saved["batch"] > 0), saved["batch"]
    state.batch_loss, state.batch_rows = saved["batch_loss"], saved["batch_rows"]
    state.stop_reason = saved["stop"]
    state.active[...] = saved["active"]
    state.ended = None if state.active.all() else np.flatnonzero(~state.active)
    state._left = {one["replica"]: (one["slots"], one["draws"]) for one in saved["left"]}
    start, epoch, now = saved["draws"]
    loop.go_on = GoOn(where, list(zip(callbacks, saved["callbacks"], strict=True)), start, epoch, now)
    loop.done = saved["done"]
    loop.stepped, loop.start_size = saved["stepped"], saved["start_size"]
    if saved["backup"] is not None:
        loop.backup[...] = saved["backup"]
    if saved["epoch"] is not None:
        _restore_epoch(loop, saved["epoch"])


def _restore_epoch(loop: Loop, saved: dict[str, Any]) -> None:
    loop.now = loop.epoch
    loop.now.total, loop.now.count = saved["total"], saved["count"]
    loop.now.outputs = [(pred, target, weight) for pred, target, weight in saved["outputs"]]
    loop.now.begun = time.perf_counter() - saved["seconds"]
    loop.rate, loop.listed = saved["rate"], saved["listed"]
