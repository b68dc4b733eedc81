"""What all training has in common: epochs, callbacks, measuring, and an end for every reason there is."""

from __future__ import annotations

import copy
import math
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from nnlite._threads import Hold
from nnlite.checks.undeclared import check_declared
from nnlite.core import loop as core
from nnlite.core.aliases import AnyArray, Array, Value
from nnlite.core.loop import Epoch
from nnlite.core.losses import Loss
from nnlite.core.optimizers import Optimizer
from nnlite.data.checks import is_own
from nnlite.data.order import Order
from nnlite.data.row_weights import MeanWeight, sum_and_rows
from nnlite.data.splits import HeldOut
from nnlite.errors import (
    ArgumentError,
    ArgumentTypeError,
    DivergenceError,
    ReplicaWarning,
    calls_to_user,
)
from nnlite.metrics import Metric
from nnlite.model import PREDICT_ROWS, Sequential
from nnlite.optimizers.second_order import FullBatchOptimizer
from nnlite.training.callbacks import CTRL_C, NOT_FINITE, Callback, TrainingState
from nnlite.training.class_weights import ClassWeights, balanced
from nnlite.training.divergence import explain
from nnlite.training.evaluation import Outputs, score
from nnlite.training.groups import Groups
from nnlite.training.random_states import Generators, get_states, set_states
from nnlite.training.sources import Arrays, Batch, Rows, Source, Stream
from nnlite.training.work import STEP_SHARE, blas_threads, measure_work

__all__ = ["GoOn", "Loop", "finite_nets"]

#: When callbacks act in an epoch, and those that do.
MOMENTS = (
    "on_epoch_begin", "on_batch_begin", "on_grad_computed", "on_batch_end", "on_batches_end", "on_epoch_end"
)  # fmt: skip
Hooks = dict[str, list[Callable[[TrainingState], None]]]
#: A warning is given if a schedule is over so much of the training before its end.
WASTED = 0.05


class Before:
    """What training changes, as it was before it."""

    def __init__(
        self,
        model: Sequential,
        optimizer: Optimizer | FullBatchOptimizer,
        rngs: Sequence[np.random.Generator | Generators],
    ) -> None:
        self.model, self.optimizer, self.rngs = model, optimizer, rngs
        self.numbers = model.params.numbers.copy()
        self.grads = model.params.grads.copy()
        self.frozen = model.params.frozen
        self.buffers = copy.deepcopy(model.measured())
        self.draws = get_states(rngs)
        # Also its arguments: a checkpoint brings those that callbacks have changed.
        self.attributes = vars(optimizer).copy()
        if isinstance(optimizer, Optimizer):
            self.attributes["state"] = {slot: array.copy() for slot, array in optimizer.state.items()}

    def restore(self) -> None:
        """Put it back."""
        params = self.model.params
        params.numbers[...] = self.numbers
        params.grads[...] = self.grads
        if params.frozen != self.frozen:
            params.frozen = self.frozen
        self.model.take_measured(self.buffers)
        set_states(self.rngs, self.draws)
        vars(self.optimizer).clear()
        vars(self.optimizer).update(self.attributes)
        if isinstance(self.optimizer, Optimizer):
            self.optimizer._release()


class GoOn(NamedTuple):
    """What a loop needs in its first epoch, to go on from where another one was.

    Parameters
    ----------
    where : str
        Names the checkpoint in messages.
    epoch, now : list
        States of the generators when the present epoch began, and now. `epoch` is None between
        two epochs.
    outputs : ndarray or None
        The predictions for the batches of the epoch that are done, for the metrics.
    """

    where: str
    epoch: list[Any] | None
    now: list[Any]
    outputs: Array | None


class Loop(core.Loop):
    """One training: its state, its data, and the callbacks by the moment they act at.

    A subclass says in `train` how to get from the first epoch to the last.

    Parameters
    ----------
    state : TrainingState
        What callbacks are given.
    data : Arrays or Stream
        What to learn from.
    validation : Arrays, Stream, HeldOut or None
        What to measure on; a part is held out of `data`.
    metrics : mapping of str to function
        What to measure.
    callbacks : sequence of Callback
        What else to do.
    rng : Generator or Generators
        Draws order, dropout and validation part.
    keep_draws : bool
        Whether to remember what the generators were like at the start and at that of each epoch.

    Attributes
    ----------
    restore : callable (bool) -> None, or None
        Puts back what a checkpoint holds, with True also what the callbacks remember.
    rngs : list of Generator or Generators
        All that is drawn from.
    called : list of Callback
        Those of the callbacks that this process calls.
    done : int
        Epochs that were over before this loop began.
    now : Epoch or None
        The present epoch; None between two.
    hooks : dict of str to list of functions
        What is called at each moment of an epoch.
    mean_weight : MeanWeight
        What the loss of a batch is divided by, if rows have weights.
    class_weights : ClassWeights or None
        What is in the weights of the rows for their classes.
    """

    #: Whether it trains by compiled loops.
    compiles = False
    #: What groups of parameters ask for; most nets have none.
    groups = Groups()
    state: TrainingState
    mean_weight: MeanWeight
    hooks: Hooks

    def __init__(
        self,
        state: TrainingState,
        data: Source,
        validation: Source | HeldOut | None,
        metrics: Mapping[str, Metric],
        callbacks: Sequence[Callback],
        rng: np.random.Generator | Generators,
        *,
        keep_draws: bool = False,
    ) -> None:
        self.state = state
        self.data = data
        self.class_weights: ClassWeights | None = None
        if data.rule is not None:  # that of most arrays is settled in `run`
            self.mean_weight = data.rule
        self.validation = validation
        self.metrics = metrics
        self.callbacks = callbacks
        self.called = [one for one in callbacks if not (state.rank and one.first_rank_only)]
        self.rng = rng
        # Batches, metrics and schedules are met for the first time in the first epoch. What goes
        # wrong later than that is no reason to throw away what was learned.
        self.rngs = [rng, *data.drawn_by]
        if isinstance(validation, Stream):
            self.rngs += validation.drawn_by
        self.before: Before | None = Before(state.model, state.optimizer, self.rngs)
        # The model's own it takes by itself, and does not check again.
        self.ctx = state.model.context(rng=None if rng is state.model.rng else rng)
        params = state.model.params
        # The largest weight of each net, to tell later whether they have grown.
        self.start_size = np.abs(params.values).reshape(len(state.active), -1).max(axis=1, initial=0.0)
        self.listed = state.active.copy()  # whose numbers the row of the epoch has
        self.rate: float | Array | None = None  # of the first step of the epoch
        self.stepped = False
        # The numbers before the last step, which a finite loss led to.
        self.backup = params.numbers.copy()
        self.done = 0
        self.now: Epoch | None = None
        self.nothing: Value = 0.0 if params.replicas is None else np.zeros(params.replicas)
        self.epoch = Epoch(self.nothing)  # one for all, which saves a microsecond in each
        self.keep_draws = keep_draws
        self.first_step: int | None = None  # how many the optimizer had made before this training
        self.start_draws: list[Any] = []
        self.epoch_draws: list[Any] = []
        self.restore: Callable[[bool], None] | None = None
        self.go_on: GoOn | None = None

    def by_moment(self) -> Hooks:
        """Return, for each moment of an epoch, the callbacks that do something at it."""
        return {
            moment: [
                getattr(one, moment)
                for one in self.called
                if getattr(type(one), moment) is not getattr(Callback, moment)
            ]
            for moment in MOMENTS
        }

    # What a loop does that shares its work with others.

    @property
    def in_shards(self) -> bool:
        """Whether this process has other rows than the rest."""
        return isinstance(self.data, Arrays) and self.data.cutter.total is not None

    def inputs(self) -> Iterator[Rows]:
        """Give what layers must see that measure the inputs, and the weights of their rows."""
        rows: Iterator[Rows] = self.data.inputs()
        return rows

    def add(self, numbers: Any) -> Any:
        """Add up what each process has found in its rows, if they are others than those of the rest."""
        return numbers

    def weigh(self) -> None:
        """Give rows the weights of their classes."""
        for source in (self.data, self.validation):
            if isinstance(source, Arrays) and self.class_weights is not None:
                source.weigh(self.class_weights, self.state.model.params.dtype)
            elif isinstance(source, Stream):
                source.class_weights = self.class_weights

    def settle_weights(self) -> None:
        """Balance the classes of the rows that are trained on, and find the mean weight of these."""
        data, classes = self.data, self.class_weights
        if not isinstance(data, Arrays):
            return
        if classes is not None and classes.balanced:
            classes.table = balanced(self.add(data.class_sums(classes)))
            self.weigh()
        if data.weight is not None and data.rule is None:  # with those of the classes
            self.mean_weight = MeanWeight(*map(self.add, sum_and_rows(data.row_weights)))
            if not np.all(self.mean_weight.rows):  # as may be of those that are left when others are held out
                what = "a weight above 0 in what is trained on"
                raise ArgumentError("fit(weight=)", what, "only zeros", "Hold out other rows.")

    def settle_schedule(self) -> None:
        """Tell the optimizer how long the training is, if that is known before the first epoch is over."""
        state, optimizer = self.state, self.state.optimizer
        if not isinstance(optimizer, Optimizer):
            return
        if self.first_step is None:
            self.first_step = optimizer.steps
        count = self.data.batches_in_epoch
        steps = None if count is None else state.epochs * count
        optimizer.take_time(self.first_step, steps, count)
        if count is not None:
            self.warn_of_schedule(optimizer, count)

    def warn_of_schedule(self, optimizer: Optimizer, batches: int) -> None:
        """Warn of a schedule that is over long before the training, which has so many batches an epoch."""
        steps, first, over = self.state.epochs * batches, self.first_step or 0, optimizer.over
        if over is None or self.state.rank:
            return
        wasted = first + steps - max(over, first)
        if wasted > WASTED * steps:
            warnings.warn(
                "fit(optimizer=): expected a schedule that lasts as long as the training, "
                f"{steps} steps, got {optimizer.learning_rate}, which is over after {over} steps: "
                f"{wasted} have a rate of {np.max(optimizer.rate_at(over)):.2g} at most. Leave its length "
                f"out, and it lasts as long as each fit, or write steps={first + steps}; of a decay by a "
                "factor count in epochs, or take a factor nearer to 1.",
                stacklevel=calls_to_user(),
            )

    def note_interrupt(self) -> bool:
        """Take note of Ctrl-C; tell whether it is the second one, of a user who does not want to wait."""
        again, self.state.history.interrupted = self.state.history.interrupted, True
        return again

    def verify(self) -> None:
        """Make sure that what is about to be stored is the same everywhere."""

    def joined_outputs(self, now: Epoch) -> Array | None:
        """Return the predictions for the batches of the present epoch that are done, one behind the other."""
        preds = [pred for pred, _, _ in now.outputs]
        return np.concatenate(preds, axis=-1 - self.state.model.boundary.output_rank) if preds else None

    def settle_row(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return the row of the history that counts."""
        return row

    def settle_threads(self, blas: Hold) -> None:
        """Let the BLAS use as many threads as pay for a batch, which of a stream shows with its first one."""
        model, data, optimizer = self.state.model, self.data, self.state.optimizer
        size = model.params.size
        squared = isinstance(optimizer, FullBatchOptimizer) and optimizer.least_squares

        def settle(rows: int) -> None:
            rows = -(-rows // self.state.ranks)
            # With least squares it is that of the Jacobian with itself.
            outputs = math.prod(model.output_shape or (1,))
            largest = rows * (outputs * size**2 if squared else measure_work(model).largest)
            blas.change(blas_threads(largest, STEP_SHARE))

        if isinstance(data, Stream):
            data.on_rows = settle
        # No product has more weights than there are; of small nets it need not be known which are in one.
        elif squared or min(data.batch_size, data.rows) * size >= 2 * STEP_SHARE:
            settle(min(data.batch_size, data.rows))

    def let_go(self) -> None:
        """Part from what leads back here, or data and model would wait for the garbage collector."""
        if isinstance(self.data, Stream):
            self.data.on_rows = None
        self.restore = None
        self.state._snapshot, self.state._decide = None, bool

    def run(self) -> None:
        """Go from the first epoch to the last."""
        state, history = self.state, self.state.history
        started: list[Callback] = []
        # A loss that is not finite ends training with an error that says more than NumPy's warnings.
        with np.errstate(all="ignore"), self._noting_ctrl_c(), Hold(1) as blas:
            try:
                self.settle_threads(blas)
                if self.restore is not None:
                    self.restore(False)
                for callback in self.called:
                    callback.on_train_begin(state)
                    started.append(callback)
                self.hooks = self.by_moment()
                if self.restore is not None:
                    self.restore(True)  # all of it, since a callback may have begun by a change of the model
                    self.restore = None  # the arrays that it holds are not needed any more
                if self.keep_draws:
                    self.start_draws = get_states(self.rngs)
                if isinstance(self.validation, HeldOut) and isinstance(self.data, Arrays):
                    self.data, self.validation = self.data.split(self.validation, self.rng)
                self.settle_weights()
                self.settle_schedule()
                state.model._adapt(self.inputs)
                if self.go_on is not None:
                    self.draw_again(self.go_on)
                self.train(state.optimizer)
            except KeyboardInterrupt:
                # The second one: the user does not want to wait. Or other ranks must stop too.
                if history.interrupted or state.ranks > 1:
                    raise
                # From a handler that is not ours, or raised by a callback.
                history.interrupted = True
                state.stop(CTRL_C)
            finally:
                started.sort(key=lambda one: not one._ends_first)
                with ExitStack() as ends:  # each is called, even if another one fails
                    for callback in reversed(started):
                        ends.callback(callback.on_train_end, state)
        history.stop_reason = state.stop_reason or f"all {state.epochs} epochs done"
        self.settle_replicas()
        if history.interrupted and not state.rank and state._warns_of_ctrl_c:
            warnings.warn(
                f"fit: stopped by Ctrl-C in epoch {state.epoch} after batch {state.batch}; "
                "the model and the history are usable",
                stacklevel=calls_to_user(),
            )

    @contextmanager
    def _noting_ctrl_c(self) -> Iterator[None]:
        """Note the first Ctrl-C, to stop behind a batch or an epoch; end at once at the second."""

        def handle(number: int, frame: Any) -> None:
            if self.note_interrupt():
                signal.default_int_handler(number, frame)

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

    def train(self, optimizer: Any) -> None:
        """Go through the epochs."""
        raise NotImplementedError(f"{type(self).__name__}.train is not written yet")

    # When a loss is no number any more.

    def refuse(self, bad: tuple[Array, AnyArray] | None) -> None:
        """Give up if there was a batch, of these inputs and targets, with a loss that is not finite."""
        if bad is not None:
            self.diverged(False, *bad)

    def diverged(
        self, finite: Any, x: Array, y: AnyArray, *, got: str = "one that is not", place: str = ""
    ) -> None:
        """Give up the nets whose loss is not finite; if there are no others, say so by an error.

        They go back to the last weights that gave a finite loss.
        """
        state = self.state
        optimizer, numbers = state.optimizer, state.model.params.numbers
        where = f"fit, epoch {state.epoch}, {place or f'batch {state.batch}'}"
        lost = ~np.reshape(finite, -1) & state.active
        if not lost.any():  # it was over for them before
            return
        places = np.flatnonzero(lost).tolist()
        reasons = [self.explain(place, x, y, where, got) for place in places]
        # A full-batch optimizer puts back by itself what it had accepted.
        if isinstance(optimizer, Optimizer):
            rows, kept = (a.reshape(len(lost), -1) for a in (numbers, self.backup))
            # Before the first step only the pass itself has changed anything: what it measured.
            changed = slice(None) if self.stepped else slice(state.model.params.size, None)
            rows[lost, changed] = kept[lost, changed]
        for index, reason in zip(places, map(str, reasons), strict=True):
            if state.history.replicas:
                state.history.replicas[index]["diverged"] = True
                self.listed[index] = False
                state.stop(reason, replicas=np.arange(len(lost)) == index)
        if not state.history.replicas or not state.history.survivors:
            state.stop(NOT_FINITE)
            if isinstance(optimizer, Optimizer):
                optimizer.reset()  # what it kept led here
            raise reasons.pop(0)  # an error that its own frame holds lives until the garbage collector comes

    def explain(self, index: int, x: Array, y: AnyArray, where: str, got: str) -> DivergenceError:
        """Say what made the loss of one net infinite or NaN."""
        state = self.state
        model, replicas = state.model, state.model.params.replicas
        kept = rate = None
        if self.stepped and isinstance(state.optimizer, Optimizer):
            kept = (self.backup if replicas is None else self.backup[index])[: model.params.size]
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
        if not lost or not self.state._warns_of_replicas:
            return
        shown = ", ".join(map(str, lost[:5])) + (", ..." if len(lost) > 5 else "")
        warnings.warn(
            f"fit: {len(lost)} of {len(history.replicas)} replicas diverged and keep the last weights that "
            f"gave a finite loss: {shown}. history.replicas says why, history.survivors names the others.",
            ReplicaWarning,
            stacklevel=calls_to_user(),
        )

    # Going on from a checkpoint.

    def draw_again(self, go_on: GoOn) -> None:
        """Put back what is drawn from now."""
        if isinstance(self.data, Arrays) and isinstance(self.data.rng, Order):
            for _ in range(self.done):  # it may remember how often it was called
                self.data.rng.draw(self.data.rows)
        set_states(self.rngs, go_on.now)

    def batches_left(self, go_on: GoOn) -> Iterator[tuple[int, Batch]]:
        """Give those behind the ones that were done before this loop began."""
        state = self.state
        self.epoch_draws = go_on.epoch or []
        set_states(self.rngs, self.epoch_draws)
        numbered = enumerate(self.data, start=1)
        shapes, targets = [], []
        for _, (x, y, weight) in islice(numbered, state.batch):
            shapes.append(state.model.boundary.pred_shape(x))
            if go_on.outputs is not None:
                targets.append((y, weight))
        if len(shapes) < state.batch:
            raise ArgumentError(
                go_on.where,
                f"an epoch of at least {state.batch} batches, of which so many are done",
                f"{len(shapes)} batches",
                "Give the same batches again.",
            )
        if go_on.outputs is not None and self.now is not None:
            preds = self.cut_outputs(go_on.where, go_on.outputs, shapes)
            self.now.outputs[:] = [(pred, *target) for pred, target in zip(preds, targets, strict=True)]
        set_states(self.rngs, go_on.now)
        return iter(()) if state.stop_reason else numbered

    def cut_outputs(self, where: str, outputs: Array, shapes: list[tuple[int, ...]]) -> list[Array]:
        """Cut predictions for several batches into those for each."""
        axis = -1 - self.state.model.boundary.output_rank
        rows = [shape[axis] for shape in shapes]
        expected = list(shapes[0])
        expected[axis] = sum(rows)
        if outputs.shape != tuple(expected):
            raise ArgumentError(
                where,
                f"batches of {outputs.shape[axis]} rows in all, of which predictions are there",
                f"{expected[axis]} rows",
                "Give the same batches again.",
            )
        return np.split(outputs, np.cumsum(rows)[:-1], axis=axis)

    # The edges of an epoch.

    def epochs(self) -> range:
        """Return the numbers of the epochs to come, with that of one that has been begun."""
        over = self.state.stop_reason and self.now is None
        return range(self.done + 1, self.done + 1 if over else self.state.epochs + 1)

    def begin_epoch(self, epoch: int) -> Epoch:
        """Call the callbacks and look at the clock."""
        if self.now is not None:  # it was begun by the training that this one goes on from
            return self.now
        state = self.state
        if epoch > self.done + 1:
            self.before = None
        state.epoch = epoch
        state.batch = 0
        self.listed = state.active.copy()
        for hook in self.hooks["on_epoch_begin"]:
            hook(state)
        if isinstance(state.optimizer, Optimizer):
            self.rate = state.optimizer.rate
        now = self.now = self.epoch
        now.total, now.count, now.outputs = self.nothing, 0.0, []
        now.begun = time.perf_counter()
        return now

    def batches(self) -> Iterator[tuple[int, Batch]]:
        """Give the batches of the epoch that are still to come, with their numbers."""
        if self.go_on is not None:
            go_on, self.go_on = self.go_on, None
            if go_on.epoch is not None:
                return self.batches_left(go_on)
        if self.keep_draws:
            self.epoch_draws = get_states(self.rngs)
        return enumerate(self.data, start=1)

    def end_epoch(self, loss: Value, metrics: dict[str, Any], epoch: Epoch) -> None:
        """Write the row of the epoch and call the callbacks."""
        if self.before is not None:  # what a layer made in its first forward pass is seen now
            check_declared("fit, layer {}", self.state.model.walk()[1:])
            if self.data.batches_in_epoch is None and isinstance(self.state.optimizer, Optimizer):
                self.warn_of_schedule(self.state.optimizer, self.state.batch)
        state = self.state
        for hook in self.hooks["on_batches_end"]:
            hook(state)
        row: dict[str, Any] = {"loss": loss, **metrics}
        if isinstance(self.validation, Arrays | Stream):
            for name, value in self.measure(self.validation, "validation", loss=state.loss).items():
                row[f"validation_{name}"] = value
        row = {name: self.plain(value) for name, value in row.items()}
        rate = self.rate.tolist() if isinstance(self.rate, np.ndarray) else self.rate
        row = {"epoch": state.epoch, **row, "learning_rate": rate}
        row["seconds"] = time.perf_counter() - epoch.begun
        state.history.rows.append(self.settle_row(row))
        self.now = None
        for hook in self.hooks["on_epoch_end"]:
            hook(state)
        if "stop" in vars(state):  # set by a callback, which hides the method and would do nothing
            raise ArgumentTypeError("state.stop", "to be called", "a value", 'Write state.stop("why").')
        if state.history.interrupted:
            state.stop(CTRL_C)

    def plain(self, value: Any) -> Any:
        """Make numbers that JSON can hold; those of replicas whose training was over before are None."""
        value = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
        if self.state.ended is None or not isinstance(value, list):
            return value
        return [one if active else None for one, active in zip(value, self.listed, strict=True)]

    def train_metrics(self, outputs: list[Outputs]) -> dict[str, Any]:
        """Compute the metrics from what the batches of the epoch gave."""
        if not outputs:
            return {}
        model = self.state.model
        return score(
            model, outputs, loss=None, metrics=self.metrics, active=self.listed, classes=self.class_weights
        )

    def measure(self, data: Source, place: str, *, loss: Loss | None) -> dict[str, Any]:
        """Compute loss and metrics without dropout."""
        model = self.state.model
        outputs = []
        for x, y, weight in data.in_order():
            pred = model._predict(x, PREDICT_ROWS, jit=self.compiles)
            finite = finite_nets(pred, weight)
            if not finite.all():
                self.diverged(finite, x, y, place=place)
            outputs.append((pred, y, weight))
        found = score(
            model, outputs, loss=loss, metrics=self.metrics, active=self.listed, classes=self.class_weights
        )
        if loss is not None and not np.isfinite(found["loss"]).all():
            self.diverged(np.isfinite(found["loss"]), x, y, place=place)
        return found


def finite_nets(pred: Array, weight: Array | None) -> AnyArray:
    """Tell whether all predictions of each net are finite for rows that count."""
    finite: Any = np.isfinite(pred).all(axis=-1)
    if weight is not None:
        finite = finite | (weight == 0)
    return np.asarray(finite.all(axis=-1))
