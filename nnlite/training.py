"""The training loop: epoch after epoch, batch after batch, forward, blame, step."""

from __future__ import annotations

import math
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from nnlite._typing import RNG, AnyArray, Array
from nnlite.callbacks import Callback, TrainingState
from nnlite.checks import check_integer, check_number, check_rng
from nnlite.data import Batches, held_out_rows, is_reiterable, split_batch
from nnlite.divergence import explain
from nnlite.errors import ArgumentError, ArgumentTypeError, DivergenceError, ShapeError
from nnlite.history import History
from nnlite.losses import Loss, Value
from nnlite.metrics import Metric, named_metrics
from nnlite.model import Sequential
from nnlite.optimizers import LBFGS, Optimizer

__all__ = ["fit"]

#: Input, targets and weights of one batch.
Batch = tuple[Array, AnyArray, Array | None]


def fit(
    model: Sequential,
    X: Any,
    y: Any,
    *,
    loss: Loss,
    optimizer: Optimizer | LBFGS,
    epochs: int,
    batch_size: int | None,
    weight: Any,
    validation: Any,
    metrics: Sequence[Metric] | Mapping[str, Metric],
    callbacks: Sequence[Callback],
    shuffle: bool,
    rng: RNG,
) -> History:
    """Train a model; see `Sequential.fit`, which calls this."""
    # All checks come first: an error in them leaves everything as it was.
    model.check_loss(loss)
    _check_optimizer(model, optimizer)
    epochs = check_integer("fit(epochs=)", epochs, low=1)
    if batch_size is not None:
        batch_size = check_integer("fit(batch_size=)", batch_size, low=1)
    hooks = _check_callbacks(callbacks)
    chosen = named_metrics(metrics)
    generator = model.rng if rng is None else check_rng("fit(rng=)", rng)
    data: _Arrays | _Stream
    if y is None:
        data = _Stream(model, X, loss, weight)
    else:
        data = _Arrays.checked(model, X, y, weight, loss, where="fit")
    held_out = _validation(model, validation, loss)
    if isinstance(held_out, float):
        data.check_split(held_out)
    if isinstance(data, _Arrays):
        full = isinstance(optimizer, LBFGS)
        data.batch_size = batch_size or (data.rows if full else 32)
        data.rng = generator if shuffle and not full else None

    columns = ["epoch", "loss", *chosen]
    if held_out is not None:
        columns += [f"validation_{name}" for name in ("loss", *chosen)]
    state = TrainingState(
        model, optimizer, loss, epochs=epochs, columns=(*columns, "learning_rate", "seconds")
    )
    _Loop(state, data, held_out, chosen, hooks, generator).run()
    return state.history


class _Loop:
    """One training: its state, its data, and the callbacks by the moment they act at."""

    def __init__(
        self,
        state: TrainingState,
        data: _Arrays | _Stream,
        validation: _Arrays | _Stream | float | None,
        metrics: Mapping[str, Metric],
        callbacks: Sequence[Callback],
        rng: np.random.Generator,
    ) -> None:
        self.state = state
        self.data = data
        self.validation = validation
        self.metrics = metrics
        self.callbacks = callbacks
        self.rng = rng
        self.ctx = state.model.context(rng=rng)
        params = state.model.params
        self.start_size = float(np.max(np.abs(params.values), initial=0.0))
        self.backup = np.empty_like(params.values)
        self.losses: tuple[float, float] | None = None

    def hooks(self, moment: str) -> list[Callable[[TrainingState], None]]:
        """Return the callbacks that do something at a moment."""
        base = getattr(Callback, moment)
        return [getattr(c, moment) for c in self.callbacks if getattr(type(c), moment) is not base]

    def run(self) -> None:
        """Go from the first epoch to the last."""
        state, history = self.state, self.state.history
        started: list[Callback] = []
        # A loss that is not finite ends training with an error that says more than NumPy's warnings.
        with np.errstate(over="ignore", invalid="ignore"), _stop_at_ctrl_c(state):
            try:
                for callback in self.callbacks:
                    callback.on_train_begin(state)
                    started.append(callback)
                if isinstance(self.validation, float):
                    self.data, self.validation = self.data.split(self.validation, self.rng)
                state.model.adapt(self.data.inputs)
                if isinstance(state.optimizer, LBFGS):
                    self.run_full_batch(state.optimizer)
                else:
                    self.run_batches(state.optimizer)
            except KeyboardInterrupt:
                # From a handler that is not Python's own, or raised by a callback.
                state.history.interrupted = True
                state.stop("Ctrl-C")
            finally:
                for callback in started:
                    callback.on_train_end(state)
        history.stop_reason = state.stop_reason or f"all {state.epochs} epochs done"
        if history.interrupted:
            warnings.warn(
                f"fit: stopped by Ctrl-C in epoch {state.epoch} after batch {state.batch}; "
                "the model and the history are usable",
                stacklevel=4,
            )

    # Step by step.

    def run_batches(self, optimizer: Optimizer) -> None:
        """Make one step a batch."""
        state = self.state
        model, loss, params = state.model, state.loss, state.model.params
        ctx, backup = self.ctx, self.backup
        batch_begin, grad_computed, batch_end = map(
            self.hooks, ("on_batch_begin", "on_grad_computed", "on_batch_end")
        )
        keep_outputs = bool(self.metrics)
        stepped = False
        for epoch in range(1, state.epochs + 1):
            begun = self.begin_epoch(epoch)
            rate = optimizer.rate
            total: Value = 0.0
            count = 0.0
            outputs: list[tuple[Array, AnyArray, Array | None]] = []
            for number, (x, y, weight) in enumerate(self.data, start=1):
                state.batch = number
                for hook in batch_begin:
                    hook(state)
                pred = model._forward(x, ctx)
                value, dy = loss.value_and_grad(pred, y, weight)
                if (
                    not np.isfinite(value).all()
                    if isinstance(value, np.ndarray)
                    else not math.isfinite(value)
                ):
                    raise self.diverged(x, y, optimizer, backup if stepped else None)
                model._backward(dy, ctx)
                state.batch_loss = value
                for hook in grad_computed:
                    hook(state)
                np.copyto(backup, params.values)  # to come back to, should the next loss not be finite
                optimizer.step(params)
                stepped = True
                rows = x.shape[0] if weight is None else float(weight.sum())
                total = total + value * rows
                count += rows
                if keep_outputs:
                    outputs.append((pred, y, weight))
                for hook in batch_end:
                    hook(state)
                if state.stop_reason:
                    break
            mean = total / count if count else total
            self.note_loss(mean)
            self.end_epoch(mean, self.train_metrics(outputs), rate, begun)
            if state.stop_reason:
                return

    def note_loss(self, mean: Value) -> None:
        """Remember the first and the last loss of an epoch."""
        worst = float(np.max(mean))
        self.losses = (self.losses[0] if self.losses else worst, worst)

    def diverged(
        self, x: Array, y: AnyArray, optimizer: Optimizer | None, backup: Array | None
    ) -> DivergenceError:
        """Explain the loss that is not finite, and go back to the last weights that gave one."""
        state = self.state
        state.stop("the loss was not finite")
        error = explain(
            state.model,
            x,
            y,
            where=f"fit, epoch {state.epoch}, batch {state.batch}",
            rate=None if optimizer is None else optimizer.rate,
            start_size=self.start_size,
            losses=self.losses or ((0.0, 0.0) if backup is not None else None),
        )
        if backup is not None:
            state.model.params.values[...] = backup
        if optimizer is not None:
            optimizer.reset()  # what it kept led here
        return error

    # All at once.

    def run_full_batch(self, optimizer: LBFGS) -> None:
        """Hand the loss over all data to an optimizer that looks at it as one function."""
        state = self.state
        begun = self.begin_epoch(1)

        def on_iteration(value: float) -> bool:
            nonlocal begun
            self.note_loss(value)
            metrics = self.measure(self.data, with_loss=False) if self.metrics else {}
            self.end_epoch(value, metrics, None, begun)
            if not state.stop_reason and state.epoch < state.epochs:
                begun = self.begin_epoch(state.epoch + 1)
            return bool(state.stop_reason)

        reason = optimizer.minimize(
            state.model.params, self.full_loss, max_iterations=state.epochs, on_iteration=on_iteration
        )
        if len(state.history) < state.epochs:
            state.stop(reason)

    def full_loss(self) -> float:
        """Compute the loss and the gradient over all data."""
        state = self.state
        model, params = state.model, state.model.params
        grads = np.zeros_like(params.grads)
        total = count = 0.0
        for number, (x, y, weight) in enumerate(self.data, start=1):
            state.batch = number
            value = model._loss_and_grad(x, y, weight, state.loss, self.ctx)
            if not math.isfinite(value):
                raise self.diverged(x, y, None, None)
            rows = x.shape[0] if weight is None else float(weight.sum())
            total += float(value) * rows
            count += rows
            grads += params.grads * rows
        params.grads[...] = grads / count
        return total / count

    # The edges of an epoch.

    def begin_epoch(self, epoch: int) -> float:
        """Call the callbacks and look at the clock."""
        self.state.epoch = epoch
        self.state.batch = 0
        for hook in self.hooks("on_epoch_begin"):
            hook(self.state)
        return time.perf_counter()

    def end_epoch(self, loss: Value, metrics: dict[str, Any], rate: float | None, begun: float) -> None:
        """Write the row of the epoch and call the callbacks."""
        state = self.state
        row = {"epoch": state.epoch, "loss": _plain(loss), **metrics}
        if isinstance(self.validation, _Arrays | _Stream):
            for name, value in self.measure(self.validation).items():
                row[f"validation_{name}"] = value
        row |= {"learning_rate": rate, "seconds": time.perf_counter() - begun}
        state.history.rows.append(row)
        for hook in self.hooks("on_epoch_end"):
            hook(state)

    def train_metrics(self, outputs: list[tuple[Array, AnyArray, Array | None]]) -> dict[str, Any]:
        """Compute the metrics from what the batches of the epoch gave."""
        if not outputs:
            return {}
        return self.state.model.score(*_joined(outputs), loss=None, metrics=self.metrics)

    def measure(self, data: _Arrays | _Stream, *, with_loss: bool = True) -> dict[str, Any]:
        """Compute loss and metrics without dropout."""
        model = self.state.model
        outputs = [(model.predict(x), y, weight) for x, y, weight in data.in_order()]
        loss = self.state.loss if with_loss else None
        return model.score(*_joined(outputs), loss=loss, metrics=self.metrics)


def _plain(value: Value) -> float | list[float]:
    """Return what JSON can hold."""
    return value.tolist() if isinstance(value, np.ndarray) else float(value)


def _joined(parts: list[tuple[Array, AnyArray, Array | None]]) -> tuple[Array, AnyArray, Array | None]:
    """Put the outputs, targets and weights of several batches into one array each."""
    if len(parts) == 1:
        return parts[0]
    pred, target, weight = zip(*parts, strict=True)
    return (
        np.concatenate(pred, axis=-2),
        np.concatenate(target),
        None if weight[0] is None else np.concatenate(weight),
    )


class _Arrays:
    """Data in memory, checked and cast once."""

    def __init__(self, x: Array, y: AnyArray, weight: Array | None) -> None:
        self.x = x
        self.y = y
        self.weight = weight
        self.rows = len(x)
        self.batch_size = self.rows
        self.rng: np.random.Generator | None = None

    @classmethod
    def checked(cls, model: Sequential, X: Any, y: Any, weight: Any, loss: Loss, *, where: str) -> _Arrays:
        x = model.check_input(X, where=f"{where}(X)", finite=True)
        rank = 1 + len(model.input_shape or (1,))
        if x.ndim != rank:
            raise ShapeError(
                f"{where}(X)", f"an array of rank {rank}", f"{x.shape}", "Replicas share their data."
            )
        return cls(x, *model.check_targets(y, weight, loss, x))

    def __iter__(self) -> Iterator[Batch]:
        arrays: tuple[AnyArray, ...] = (self.x, self.y)
        if self.weight is not None:
            arrays += (self.weight,)
        for parts in Batches(arrays, batch_size=self.batch_size, rng=self.rng):
            yield parts if len(parts) == 3 else (*parts, None)  # type: ignore[misc]

    def in_order(self) -> Iterator[Batch]:
        """Give all rows at once, in the order they came in."""
        yield self.x, self.y, self.weight

    def inputs(self) -> Iterator[Array]:
        """Give the inputs."""
        yield self.x

    def check_split(self, fraction: float) -> int:
        """Return how many rows a fraction holds out, or refuse it."""
        return held_out_rows("fit(validation=)", fraction, self.rows)

    def split(self, fraction: float, rng: np.random.Generator) -> tuple[_Arrays, _Arrays]:
        """Draw a part of the rows to hold out."""
        order = rng.permutation(self.rows)
        held_out = self.check_split(fraction)
        train, test = self._take(order[held_out:]), self._take(order[:held_out])
        train.batch_size, train.rng = self.batch_size, self.rng
        return train, test

    def _take(self, rows: AnyArray) -> _Arrays:
        return _Arrays(self.x[rows], self.y[rows], None if self.weight is None else self.weight[rows])


class _Stream:
    """Batches from an object that can be iterated over again and again; each is checked as it comes."""

    def __init__(self, model: Sequential, batches: Any, loss: Loss, weight: Any) -> None:
        if weight is not None:
            raise ArgumentError(
                "fit(weight=)",
                "weights inside the batches",
                "an array beside them",
                "Give batches (x, y, weight).",
            )
        if not is_reiterable(batches):
            raise ArgumentTypeError(
                "fit(X)",
                "arrays X and y, or a re-iterable of batches (x, y)",
                f"{type(batches).__name__} and no y",
                "A generator can be used only once: give a list, nnlite.batches(X, y), or an object "
                "with its own __iter__.",
            )
        self.model = model
        self.batches = batches
        self.loss = loss

    def __iter__(self) -> Iterator[Batch]:
        found = False
        for number, batch in enumerate(self.batches, start=1):
            found = True
            try:
                x, y, weight = split_batch(batch)
                x = self.model.check_input(x, where="x", finite=True)
                yield x, *self.model.check_targets(y, weight, self.loss, x)
            except (ArgumentError, ArgumentTypeError) as error:
                if error.where.startswith("batch "):
                    raise
                raise type(error)(
                    f"batch {number}: {error.where}", error.expected, error.got, error.fix
                ) from None
        if not found:
            raise ArgumentError("fit(X)", "at least one batch", "none", "Give some data.")

    in_order = __iter__

    def inputs(self) -> Iterator[Array]:
        """Give the inputs."""
        for x, _, _ in self:
            yield x

    def check_split(self, fraction: float) -> int:
        """Refuse: the rows of a stream are not there to draw from."""
        raise ArgumentError(
            "fit(validation=)",
            "validation data of their own, for training data that come in batches",
            f"the fraction {fraction:g}",
            "Give a second re-iterable, or arrays (X, y).",
        )

    def split(self, fraction: float, rng: np.random.Generator) -> tuple[_Stream, _Stream]:
        """Refuse, as `check_split` does."""
        raise NotImplementedError(self.check_split(fraction))


def _validation(model: Sequential, validation: Any, loss: Loss) -> _Arrays | _Stream | float | None:
    if validation is None:
        return None
    if isinstance(validation, tuple):
        if len(validation) not in (2, 3):
            raise ArgumentTypeError(
                "fit(validation=)",
                "(X, y) or (X, y, weight)",
                f"{len(validation)} items",
                "Give two or three.",
            )
        X, y, weight = split_batch(validation)
        return _Arrays.checked(model, X, y, weight, loss, where="fit(validation=)")
    if is_reiterable(validation):
        return _Stream(model, validation, loss, None)
    return check_number("fit(validation=)", validation, low=0, high=1, low_open=True, high_open=True)


def _check_optimizer(model: Sequential, optimizer: Any) -> None:
    if not isinstance(optimizer, Optimizer | LBFGS):
        is_class = isinstance(optimizer, type)
        raise ArgumentTypeError(
            "fit(optimizer=)",
            "an Optimizer instance",
            f"the class {optimizer.__name__}" if is_class else f"{optimizer!r}",
            f"Write {optimizer.__name__}()." if is_class else "Use one of nnlite.optimizers.",
        )
    if not model.params.trainable_slices:
        raise ArgumentError(
            "fit", "a model with something to train", "no trainable parameters", "Call unfreeze() on a layer."
        )
    if isinstance(optimizer, LBFGS):
        if model.params.replicas is not None:
            raise ArgumentError(
                "fit(optimizer=)", "SGD, Adam or the like for replicas", "LBFGS", "It has one line search."
            )
        noisy = [layer for layer in model.layers if layer.stochastic]
        if noisy:
            raise ArgumentError(
                "fit(optimizer=)",
                f"an optimizer that bears noise, for a model with {noisy[0]}",
                "LBFGS",
                "Use SGD or Adam, or leave that layer out.",
            )
    else:
        optimizer.check(model.params)


def _check_callbacks(callbacks: Any) -> tuple[Callback, ...]:
    items = tuple(callbacks) if isinstance(callbacks, list | tuple) else (callbacks,)
    for item in items:
        if not isinstance(item, Callback):
            raise ArgumentTypeError(
                "fit(callbacks=)",
                "a list of Callback instances",
                f"{item!r}",
                f"Write {item.__name__}()." if isinstance(item, type) else "Subclass nnlite.Callback.",
            )
    return items


@contextmanager
def _stop_at_ctrl_c(state: TrainingState) -> Iterator[None]:
    """End training after the current batch at the first Ctrl-C, and at once at the second."""

    def note() -> None:
        state.history.interrupted = True
        state.stop("Ctrl-C")

    def handle(number: int, frame: Any) -> None:
        if state.history.interrupted:
            signal.default_int_handler(number, frame)
        note()

    # Handlers can be set in the main thread only, and one that is not Python's own is left alone.
    ours = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
    if ours:
        signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        if ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)
