"""What all training has in common: epochs, callbacks, measuring, and an end for every reason there is."""

from __future__ import annotations

import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

from nnlite._typing import AnyArray, Array
from nnlite.callbacks import Callback, TrainingState
from nnlite.checks import is_own
from nnlite.divergence import explain
from nnlite.errors import ArgumentTypeError, DivergenceError, ReplicaWarning
from nnlite.evaluation import Outputs, score
from nnlite.losses import Loss, Value
from nnlite.metrics import Metric
from nnlite.model import Sequential
from nnlite.optimizers import Optimizer
from nnlite.second_order import FullBatchOptimizer
from nnlite.sources import Arrays, Source, Stream
from nnlite.streams import Generators, get_state, set_state

__all__ = ["Loop"]


class Before:
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


class Loop:
    """One training: its state, its data, and the callbacks by the moment they act at.

    A subclass says in `train` how to get from the first epoch to the last.

    Parameters
    ----------
    state : TrainingState
        What callbacks are given.
    data : Arrays or Stream
        What to learn from.
    validation : Arrays, Stream, float or None
        What to measure on; a fraction is drawn from `data`.
    metrics : mapping of str to function
        What to measure.
    callbacks : sequence of Callback
        What else to do.
    rng : Generator or Generators
        Draws order, dropout and validation part.
    """

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
        self.epoch_begin, self.epoch_end = map(self.hooks, ("on_epoch_begin", "on_epoch_end"))
        # Batches, metrics and schedules are met for the first time in the first epoch. What goes
        # wrong later than that is no reason to throw away what was learned.
        self.before: Before | None = Before(state.model, state.optimizer, rng)
        self.ctx = state.model.context(rng=rng)
        params = state.model.params
        # The largest weight of each net, to tell later whether they have grown.
        self.start_size = np.abs(params.values).reshape(len(state.active), -1).max(axis=1, initial=0.0)
        self.listed = state.active.copy()  # whose numbers the row of the epoch has
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
                self.train(state.optimizer)
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

    def train(self, optimizer: Any) -> None:
        """Go through the epochs."""
        raise NotImplementedError(f"{type(self).__name__}.train is not written yet")

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
                self.listed[index] = False
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
            edge = model.boundary
            model = model.replica(index)
            y = y[index] if is_own(y, edge.pred_shape(x)) else y
            x = x[index] if edge.row_axis(x) else x
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
            one_of_many=replicas is not None,
        )

    def settle_replicas(self) -> None:
        """Write down why the training of each replica ended, and warn of those that diverged."""
        history = self.state.history
        lost = [index for index, one in enumerate(history.replicas) if one["diverged"]]
        for one in history.replicas:
            one["stop_reason"] = one["stop_reason"] or history.stop_reason
        self.state.put_back()
        if not lost:
            return
        shown = ", ".join(map(str, lost[:5])) + (", ..." if len(lost) > 5 else "")
        warnings.warn(
            f"fit: {len(lost)} of {len(history.replicas)} replicas diverged and keep the last weights that "
            f"gave a finite loss: {shown}. history.replicas says why, history.survivors names the others.",
            ReplicaWarning,
            stacklevel=5,
        )

    # The edges of an epoch.

    def begin_epoch(self, epoch: int) -> float:
        """Call the callbacks and look at the clock."""
        if epoch > 1:
            self.before = None
        self.state.epoch = epoch
        self.state.batch = 0
        self.listed = self.state.active.copy()
        for hook in self.epoch_begin:
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
        for hook in self.epoch_end:
            hook(state)

    def plain(self, name: str, value: Any) -> Any:
        """Make numbers that JSON can hold; those of replicas whose training was over before are None."""
        if self.state.ended is None or not isinstance(value, list | np.ndarray):
            return _plain(name, value)
        pairs = zip(value, self.listed, strict=True)
        return [_plain(name, one) if active else None for one, active in pairs]

    def train_metrics(self, outputs: list[Outputs]) -> dict[str, Any]:
        """Compute the metrics from what the batches of the epoch gave."""
        if not outputs:
            return {}
        model = self.state.model
        return score(model, outputs, loss=None, metrics=self.metrics, active=self.listed)

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
        found = score(model, outputs, loss=loss, metrics=self.metrics, active=self.listed)
        if loss is not None and not np.isfinite(found["loss"]).all():
            self.diverged(np.isfinite(found["loss"]), x, y, place=place)
        return found


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
