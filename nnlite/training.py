"""The training loop: epoch after epoch, batch after batch, forward, blame, step."""

from __future__ import annotations

import math
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

from nnlite._typing import AnyArray, Array
from nnlite.callbacks import Callback, TrainingState
from nnlite.checks import check_bool, check_integer, is_own
from nnlite.divergence import explain
from nnlite.errors import ArgumentError, ArgumentTypeError, DivergenceError, ReplicaWarning
from nnlite.evaluation import Outputs, score
from nnlite.history import History
from nnlite.losses import Loss, MeanSquaredError, Value
from nnlite.metrics import Metric, named_metrics
from nnlite.model import Sequential
from nnlite.optimizers import Optimizer
from nnlite.per_example import outputs_and_jacobian
from nnlite.second_order import FullBatchOptimizer
from nnlite.sources import Arrays, Batch, Source, Stream, training_source, validation_source
from nnlite.streams import Generators, Seeds, check_rngs, get_state, set_state

__all__ = ["fit"]


def fit(
    model: Sequential,
    X: Any,
    y: Any,
    *,
    loss: Loss,
    optimizer: Optimizer | FullBatchOptimizer,
    epochs: int,
    batch_size: int | None,
    weight: Any,
    validation: Any,
    metrics: Sequence[Metric] | Mapping[str, Metric],
    callbacks: Sequence[Callback],
    shuffle: bool,
    rng: Seeds,
) -> History:
    """Train a model; see `Sequential.fit`, which calls this."""
    # All checks come first: an error in them leaves everything as it was.
    model.boundary.check_loss(loss)
    _check_optimizer(model, optimizer, loss)
    epochs = check_integer("fit(epochs=)", epochs, low=1)
    if batch_size is not None:
        batch_size = check_integer("fit(batch_size=)", batch_size, low=1)
    hooks = _check_callbacks(callbacks)
    chosen = named_metrics(metrics)
    shuffle = check_bool("fit(shuffle=)", shuffle)
    replicas = model.params.replicas
    generator = model.rng if rng is None else check_rngs("fit(rng=)", rng, replicas=replicas)
    data = training_source(model, X, y, weight, loss)
    held_out = validation_source(model, validation, loss, data)
    if isinstance(data, Arrays):
        full = isinstance(optimizer, FullBatchOptimizer)
        data.batch_size = batch_size or (data.rows if full else 32)
        data.rng = generator if shuffle and not full else None

    columns = ["epoch", "loss", *chosen]
    if held_out is not None:
        columns += [f"validation_{name}" for name in ("loss", *chosen)]
    state = TrainingState(
        model,
        optimizer,
        loss,
        epochs=epochs,
        columns=(*columns, "learning_rate", "seconds"),
        metrics=chosen,
    )
    for callback in hooks:
        callback.check(state)
    loop = _Loop(state, data, held_out, chosen, hooks, generator)
    try:
        loop.run()
    except DivergenceError:
        raise
    except (ArgumentError, ArgumentTypeError):
        if loop.before is not None:
            loop.before.restore()
        raise
    return state.history


class _Before:
    """What training changes, as it was before it."""

    def __init__(
        self,
        model: Sequential,
        optimizer: Optimizer | FullBatchOptimizer,
        rng: np.random.Generator | Generators,
    ) -> None:
        self.model, self.optimizer, self.rng = model, optimizer, rng
        self.values = model.params.values.copy()
        self.grads = model.params.grads.copy()
        self.buffers = [
            {name: array.copy() for name, array in layer.buffers.items()} for layer in model.layers
        ]
        self.draws = get_state(rng)
        if isinstance(optimizer, Optimizer):
            self.steps = optimizer.steps, optimizer.rate_factor
            self.state = {slot: array.copy() for slot, array in optimizer.state.items()}
            self.owner = optimizer._owner

    def restore(self) -> None:
        """Put it back."""
        self.model.params.values[...] = self.values
        self.model.params.grads[...] = self.grads
        for layer, buffers in zip(self.model.layers, self.buffers, strict=True):
            layer.buffers = buffers
        set_state(self.rng, self.draws)
        if isinstance(self.optimizer, Optimizer):
            self.optimizer.reset()
            self.optimizer.steps, self.optimizer.rate_factor = self.steps
            self.optimizer.state, self.optimizer._owner = self.state, self.owner


class _Loop:
    """One training: its state, its data, and the callbacks by the moment they act at."""

    def __init__(
        self,
        state: TrainingState,
        data: Source,
        validation: Source | float | None,
        metrics: Mapping[str, Metric],
        callbacks: Sequence[Callback],
        rng: np.random.Generator | Generators,
    ) -> None:
        self.state = state
        self.data = data
        self.validation = validation
        self.metrics = metrics
        self.callbacks = callbacks
        self.rng = rng
        # Batches, metrics and schedules are met for the first time in the first epoch. What goes
        # wrong later than that is no reason to throw away what was learned.
        self.before: _Before | None = _Before(state.model, state.optimizer, rng)
        self.ctx = state.model.context(rng=rng)
        params = state.model.params
        # The largest weight of each net, to tell later whether they have grown.
        self.start_size = np.abs(params.values).reshape(len(state.active), -1).max(axis=1, initial=0.0)
        self.rate: float | Array | None = None  # of the first step of the epoch
        self.stepped = False
        self.backup = np.empty_like(params.values)  # before the last step, which a finite loss led to

    def hooks(self, moment: str) -> list[Callable[[TrainingState], None]]:
        """Return the callbacks that do something at a moment."""
        base = getattr(Callback, moment)
        return [getattr(c, moment) for c in self.callbacks if getattr(type(c), moment) is not base]

    def run(self) -> None:
        """Go from the first epoch to the last."""
        state, history = self.state, self.state.history
        started: list[Callback] = []
        # A loss that is not finite ends training with an error that says more than NumPy's warnings.
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"), _stop_at_ctrl_c(state):
            try:
                for callback in self.callbacks:
                    callback.on_train_begin(state)
                    started.append(callback)
                if isinstance(self.validation, float) and isinstance(self.data, Arrays):
                    self.data, self.validation = self.data.split(self.validation, self.rng)
                state.model._adapt(self.data.inputs)
                if isinstance(state.optimizer, FullBatchOptimizer):
                    self.run_full_batch(state.optimizer)
                else:
                    self.run_batches(state.optimizer)
            except KeyboardInterrupt:
                if history.interrupted:  # the second one: the user does not want to wait
                    raise
                # From a handler that is not ours, or raised by a callback.
                history.interrupted = True
                state.stop("Ctrl-C")
            finally:
                with ExitStack() as ends:  # each is called, even if another one fails
                    for callback in reversed(started):
                        ends.callback(callback.on_train_end, state)
        history.stop_reason = state.stop_reason or f"all {state.epochs} epochs done"
        self.settle_replicas()
        if history.interrupted:
            warnings.warn(
                f"fit: stopped by Ctrl-C in epoch {state.epoch} after batch {state.batch}; "
                "the model and the history are usable",
                stacklevel=4,
            )

    # Step by step.

    def run_batches(self, optimizer: Optimizer) -> None:
        """Make one step a batch."""
        state, ctx, backup = self.state, self.ctx, self.backup
        model, loss, params = state.model, state.loss, state.model.params
        values = params.values
        batch_begin, grad_computed, batch_end = map(
            self.hooks, ("on_batch_begin", "on_grad_computed", "on_batch_end")
        )
        keep_outputs = bool(self.metrics)
        for epoch in range(1, state.epochs + 1):
            begun = self.begin_epoch(epoch)
            self.rate = optimizer.rate
            total: Value = 0.0 if params.replicas is None else np.zeros(params.replicas)
            count: Value = 0.0
            outputs: list[Outputs] = []
            for number, (x, y, weight) in enumerate(self.data, start=1):
                state.batch = number
                for hook in batch_begin:
                    hook(state)
                pred = model._forward(x, ctx)
                value, dy = loss.value_and_grad(pred, y, weight)
                if not _is_finite(value):
                    self.diverged(np.isfinite(value), x, y)
                model._backward(dy, ctx)
                state.batch_loss = value
                for hook in grad_computed:
                    hook(state)
                backup[...] = values  # to come back to, should the next loss not be finite
                optimizer.step(params)
                if state.ended is not None:
                    values[state.ended] = backup[state.ended]
                self.stepped = True
                rows = pred.shape[-2] if weight is None else weight.sum(axis=-1, dtype=np.float64)
                total = total + value * rows
                count = count + rows
                if keep_outputs:
                    outputs.append((pred, y, weight))
                for hook in batch_end:
                    hook(state)
                if state.stop_reason:
                    break
            finite = np.isfinite(values).all(axis=-1)  # there is no further batch to show it
            if not finite.all():
                self.diverged(finite, x, y, got="weights that are not finite after the step")
            mean = total / np.maximum(count, np.finfo(float).tiny)  # if no row counts, the loss is 0
            self.end_epoch(mean, self.train_metrics(outputs), begun)
            if state.stop_reason:
                return

    # When a loss is no number any more.

    def diverged(
        self, finite: Any, x: Array, y: AnyArray, *, got: str = "one that is not", place: str = ""
    ) -> None:
        """Give up the nets whose loss is not finite; if there are no others, say so by an error.

        They go back to the last weights that gave a finite loss.
        """
        state = self.state
        optimizer, values = state.optimizer, state.model.params.values
        where = f"fit, epoch {state.epoch}, {place or f'batch {state.batch}'}"
        lost = ~np.reshape(finite, -1) & state.active
        if not lost.any():  # it was over for them before
            return
        places = np.flatnonzero(lost).tolist()
        errors = [self.explain(place, x, y, where, got) for place in places]
        # A full-batch optimizer puts back by itself what it had accepted.
        if self.stepped and isinstance(optimizer, Optimizer):
            rows, kept = (a.reshape(len(lost), -1) for a in (values, self.backup))
            rows[lost] = kept[lost]
        for index, error in zip(places, errors, strict=True):
            if state.history.replicas:
                state.history.replicas[index]["diverged"] = True
                state.stop(f"{error}", replicas=np.arange(len(lost)) == index)
        if not state.history.replicas or not state.history.survivors:
            state.stop("the loss was not finite")
            if isinstance(optimizer, Optimizer):
                optimizer.reset()  # what it kept led here
            raise errors[0]

    def explain(self, index: int, x: Array, y: AnyArray, where: str, got: str) -> DivergenceError:
        """Say what made the loss of one net infinite or NaN."""
        state = self.state
        model, replicas = state.model, state.model.params.replicas
        kept = rate = None
        if self.stepped and isinstance(state.optimizer, Optimizer):
            kept = self.backup if replicas is None else self.backup[index]
            rate = state.optimizer.rate_at(max(state.optimizer.steps - 1, 0))  # of the step that led here
        elif self.rate is not None:
            rate = self.rate
        if replicas is not None:
            where = f"{where}, replica {index}"
            model = model.replica(index)
            y = y[index] if is_own(y, (*state.model.boundary.rows(x), *y.shape[2:])) else y
            x = x[index] if state.model.boundary.row_axis(x) else x
        return explain(
            model,
            x,
            y,
            where=where,
            got=got,
            rate=float(rate[index]) if isinstance(rate, np.ndarray) else rate,
            start_size=float(self.start_size[index]),
            stepped=self.stepped,
            kept=kept,
        )

    def settle_replicas(self) -> None:
        """Write down why the training of each replica ended, and warn of those that diverged."""
        history, optimizer = self.state.history, self.state.optimizer
        lost = [index for index, one in enumerate(history.replicas) if one["diverged"]]
        for one in history.replicas:
            one["stop_reason"] = one["stop_reason"] or history.stop_reason
        if not lost:
            return
        if isinstance(optimizer, Optimizer):
            for array in optimizer.state.values():
                array[lost] = 0.0  # what it kept for them led there
        shown = ", ".join(map(str, lost[:5])) + (", ..." if len(lost) > 5 else "")
        warnings.warn(
            f"fit: {len(lost)} of {len(history.replicas)} replicas diverged and keep the last weights that "
            f"gave a finite loss: {shown}. history.replicas says why.",
            ReplicaWarning,
            stacklevel=5,
        )

    # All at once.

    def run_full_batch(self, optimizer: FullBatchOptimizer) -> None:
        """Hand the loss over all data to an optimizer that looks at it as one function."""
        state = self.state
        begun = self.begin_epoch(1)

        def end_epoch(value: float) -> None:
            metrics = self.measure(self.data, "training data", loss=None) if self.metrics else {}
            self.end_epoch(value, metrics, begun)

        def on_iteration(value: float) -> bool:
            nonlocal begun
            end_epoch(value)
            if not state.stop_reason and state.epoch < state.epochs:
                begun = self.begin_epoch(state.epoch + 1)
            return bool(state.stop_reason)

        evaluate = _Residuals(self) if optimizer.least_squares else self.full_loss
        reason = optimizer.minimize(
            state.model.params, evaluate, max_iterations=state.epochs, on_iteration=on_iteration
        )
        if not state.history.rows:  # at the minimum from the start: there was nothing to iterate
            end_epoch(self.full_loss())
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
            if not _is_finite(value):
                self.diverged(False, x, y)
            rows = x.shape[0] if weight is None else float(weight.sum())
            total += float(value) * rows
            count += rows
            grads += params.grads * rows
        count = count or 1.0  # if no row counts, the loss is 0
        params.grads[...] = grads / count
        self.stepped = True
        return total / count

    # The edges of an epoch.

    def begin_epoch(self, epoch: int) -> float:
        """Call the callbacks and look at the clock."""
        if epoch > 1:
            self.before = None
        self.state.epoch = epoch
        self.state.batch = 0
        for hook in self.hooks("on_epoch_begin"):
            hook(self.state)
        return time.perf_counter()

    def end_epoch(self, loss: Value, metrics: dict[str, Any], begun: float) -> None:
        """Write the row of the epoch and call the callbacks."""
        state = self.state
        row: dict[str, Any] = {"loss": loss, **metrics}
        if isinstance(self.validation, Arrays | Stream):
            for name, value in self.measure(self.validation, "validation", loss=state.loss).items():
                row[f"validation_{name}"] = value
        row = {name: self.plain(name, value) for name, value in row.items()}
        rate = self.rate.tolist() if isinstance(self.rate, np.ndarray) else self.rate
        row = {"epoch": state.epoch, **row, "learning_rate": rate}
        state.history.rows.append(row | {"seconds": time.perf_counter() - begun})
        for hook in self.hooks("on_epoch_end"):
            hook(state)

    def plain(self, name: str, value: Any) -> Any:
        """Make numbers that JSON can hold; those of replicas whose training is over are None."""
        if self.state.ended is None or not isinstance(value, list | np.ndarray):
            return _plain(name, value)
        pairs = zip(value, self.state.active, strict=True)
        return [_plain(name, one) if active else None for one, active in pairs]

    def train_metrics(self, outputs: list[Outputs]) -> dict[str, Any]:
        """Compute the metrics from what the batches of the epoch gave."""
        if not outputs:
            return {}
        model = self.state.model
        return score(model, outputs, loss=None, metrics=self.metrics, active=self.state.active)

    def measure(self, data: Source, place: str, *, loss: Loss | None) -> dict[str, Any]:
        """Compute loss and metrics without dropout."""
        model = self.state.model
        outputs = []
        for x, y, weight in data.in_order():
            pred = model.predict(x)
            finite = np.isfinite(pred).all(axis=(-2, -1))
            if not finite.all():
                self.diverged(finite, x, y, place=place)
            outputs.append((pred, y, weight))
        found = score(model, outputs, loss=loss, metrics=self.metrics, active=self.state.active)
        if loss is not None and not np.isfinite(found["loss"]).all():
            self.diverged(np.isfinite(found["loss"]), x, y, place=place)
        return found


class _Residuals:
    """The mean squared error over all data as a sum of squares, one for each output of each row.

    It is computed in float64, on a copy of the model: what remains of a good fit is a small
    difference of large numbers.
    """

    def __init__(self, loop: _Loop) -> None:
        self.loop = loop
        self.model = loop.state.model._in_float64()
        batches: Iterable[Batch] = loop.data
        if isinstance(loop.data, Arrays):
            ((x, y, weight),) = loop.data.in_order()
            starts = range(0, len(x), loop.data.batch_size)
            cuts = [slice(start, start + loop.data.batch_size) for start in starts]
            batches = [(x[cut], y[cut], None if weight is None else weight[cut]) for cut in cuts]
        # Copies: the same rows in the same order in every pass, which a stream does not promise.
        copies = [
            (
                x.astype(np.float64),
                y.astype(np.float64),
                np.ones(len(x)) if weight is None else weight.astype(np.float64),
            )
            for x, y, weight in batches
        ]
        total = sum(float(weight.sum()) for _, _, weight in copies) or 1.0  # if no row counts, the loss is 0
        self.batches = [(x, y, np.sqrt(weight[:, None] / (total * y.shape[-1]))) for x, y, weight in copies]

    def __call__(self, values: Array, with_jacobian: bool) -> tuple[Array, Array | None]:
        """Compute the residuals, and the Jacobian if asked."""
        self.model.params.values[...] = values
        residuals, jacobians = [], []
        for number, (x, y, scale) in enumerate(self.batches, start=1):
            self.loop.state.batch = number
            if not with_jacobian:
                residuals.append(scale * (self.model._forward(x) - y))
                continue
            pred, jacobian = outputs_and_jacobian(self.model, x)
            # A step that leads to where nothing is finite is not taken; a place to step from is needed.
            if not (np.isfinite(pred).all() and np.isfinite(jacobian).all()):
                self.loop.diverged(False, x, y)
            residuals.append(scale * (pred - y))
            jacobian *= scale[..., None]
            jacobians.append(jacobian.reshape(-1, self.model.params.size))
        if with_jacobian:
            self.loop.stepped = True
        joined = np.concatenate(residuals).reshape(-1)
        if len(jacobians) < 2:  # without a copy, which may be a gigabyte
            return joined, jacobians[0] if jacobians else None
        return joined, np.concatenate(jacobians)


def _is_finite(value: Value) -> bool:
    """Tell whether a loss, or that of every replica, is a finite number."""
    # NumPy's functions take two microseconds for one number, this one next to nothing.
    return math.isfinite(value) if isinstance(value, float) else bool(np.isfinite(value).all())


def _plain(name: str, value: Any) -> Any:
    """Return what JSON can hold: a number, or a list of numbers."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list):
        return [_plain(name, item) for item in value]
    if isinstance(value, int | float):
        return value
    fix = "Return a float."
    raise ArgumentTypeError(f"metric {name!r}", "a function that returns a number", f"{value!r}", fix)


def _check_optimizer(model: Sequential, optimizer: Any, loss: Loss) -> None:
    if not isinstance(optimizer, Optimizer | FullBatchOptimizer):
        is_class = isinstance(optimizer, type)
        raise ArgumentTypeError(
            "fit(optimizer=)",
            "an Optimizer instance",
            f"the class {optimizer.__name__}" if is_class else f"{optimizer!r}",
            f"Write {optimizer.__name__}()." if is_class else "Use one of nnlite.optimizers.",
        )
    if not model.params.trainable_slices:
        fix = "Call unfreeze() on a layer." if model.params.size else "Add a Dense layer."
        raise ArgumentError("fit", "a model with something to train", "no trainable parameters", fix)
    if isinstance(optimizer, FullBatchOptimizer):
        name = type(optimizer).__name__
        if model.params.replicas is not None:
            raise ArgumentError(
                "fit(optimizer=)",
                "SGD, Adam or the like for replicas",
                name,
                "Use SGD or Adam: a line search is for one net.",
            )
        noisy = [layer for layer in model.layers if layer.stochastic]
        if noisy:
            raise ArgumentError(
                "fit(optimizer=)",
                f"an optimizer that bears noise, for a model with {noisy[0]}",
                name,
                "Use SGD or Adam, or leave that layer out.",
            )
        # A subclass may compute something else.
        if optimizer.least_squares and type(loss) is not MeanSquaredError:
            raise ArgumentError(
                "fit(optimizer=)",
                f"an optimizer that takes any loss, for {loss}",
                name,
                f"Use LBFGS or Adam; {name} needs a sum of squares, MeanSquaredError().",
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
                f"the class {item.__name__}" if isinstance(item, type) else f"{item!r}",
                f"Write {item.__name__}()."
                if isinstance(item, type)
                else "Write callbacks=[EarlyStopping()], for instance, or subclass nnlite.Callback.",
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
