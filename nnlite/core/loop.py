"""The training loop: batch after batch forward, loss, blame, and one small step downhill."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from nnlite.core.aliases import AnyArray, Array, Value
from nnlite.core.losses import Loss
from nnlite.core.model import Sequential
from nnlite.core.optimizers import Optimizer
from nnlite.core.quiet import bare
from nnlite.errors import DivergenceError

__all__ = ["Epoch", "Loop", "Progress"]

#: Inputs, targets, and weights of the rows or None.
Batch = tuple[Any, AnyArray, Array | None]
#: Is called at some moment of each batch, with how far the training has come.
Guard = Callable[[Any], None]


class Progress:
    """How far a training has come: what guards and callbacks are given."""

    epoch: int = 0  # both count from 1
    batch: int = 0
    batch_loss: Value = math.nan  # one number, or one a replica
    batch_rows: Value = 0.0  # what the sum over its rows is divided by
    stop_reason: str = ""  # empty while training goes on
    active: AnyArray  # of replicas, which are still being trained
    ended: AnyArray | None = None  # and the numbers of those that are not, once there are any


class Epoch:
    """The running totals of one epoch; `nothing` is the 0 of one net, or of each replica."""

    last: tuple[Any, AnyArray]  # x and y of the last batch
    begun: float  # when, by time.perf_counter

    def __init__(self, nothing: Value = 0.0) -> None:
        self.total: Value = nothing  # the sum of the losses of all rows
        self.count: Value = 0.0  # how many rows, or the sum of their weights
        self.outputs: list[Any] = []  # (pred, target, weight) of each batch, if they are to be kept

    def mean(self) -> Value:
        """Return the mean loss, which is 0 where no row counts."""
        if isinstance(self.count, np.ndarray):
            mean: Value = self.total / np.where(self.count > 0, self.count, 1)
            return mean
        return self.total / self.count if self.count else self.total


class Loop:
    """One training by an optimizer that makes a step a batch.

    What else is to happen in a training hangs on the moments of a batch: callbacks, a copy of the weights
    to go back to, an end of some replicas. `nnlite.training` has all that; here is what it hangs on.

    Parameters
    ----------
    model : Sequential
        The net.
    data : iterable of (x, y) or (x, y, weight)
        The batches of an epoch, such as `Batches`; it is gone through once in each.
    loss : Loss
        What to lower.
    optimizer : Optimizer
        How to step.
    epochs : int
        How many times to go over the data.
    rng : int, Generator or None
        What dropout draws from; the model's own generator by default.

    Attributes
    ----------
    losses : list of float, or of ndarray of shape (replicas,)
        The mean loss of each epoch, while the weights changed.
    before_batch, before_step, after_step, after_batch : list of functions
        What is called when a batch begins, when its gradient is there, after the step, and at the end.
    keeps_outputs : bool
        Whether predictions are kept in the epoch.

    Examples
    --------
    >>> from nnlite.core.batches import Batches
    >>> from nnlite.core.dense import Dense
    >>> from nnlite.core.losses import MeanSquaredError
    >>> from nnlite.core.optimizers import SGD
    >>> x = np.array([[0.0], [1.0], [2.0]], np.float32)
    >>> model = Sequential([Dense(1, 1)], rng=0)
    >>> data = Batches((x, 3 * x + 1), batch_size=3, rng=np.random.default_rng(0))
    >>> loop = Loop(model, data, MeanSquaredError(), SGD(0.1), epochs=200)
    >>> loop.run()
    >>> loop.losses[-1] < 1e-4, model[0].W.round(1)
    (True, array([[3.]], dtype=float32))
    """

    keeps_outputs = False

    def __init__(
        self,
        model: Sequential,
        data: Iterable[Any],
        loss: Loss,
        optimizer: Optimizer,
        *,
        epochs: int,
        rng: Any = None,
    ) -> None:
        self.data: Any = data
        self.count = epochs
        self.losses: list[Value] = []
        self.ctx = model.context(rng=rng)
        self.state: Any = Progress()
        self.equip(model, loss, optimizer)

    def equip(self, model: Any, loss: Any, optimizer: Optimizer) -> None:
        """Look up once what is called in every batch, and make the lists that guards hang on.

        `run` holds one `np.errstate` around everything, so methods are called without theirs (`quiet.bare`).
        """
        self.params = model.params
        self.forward: Callable[..., Array] = model.forward
        self.backward: Callable[..., Array | None] = model.backward
        self.value_and_grad, self.step = bare(loss.value_and_grad, optimizer.step)
        for way in ("forwards", "backwards"):
            methods, kept = zip(*getattr(self.ctx, way), strict=True)
            setattr(self.ctx, way, tuple(zip(bare(*methods), kept, strict=True)))
        self.before_batch: list[Guard] = []
        self.before_step: list[Guard] = []
        self.after_step: list[Guard] = []
        self.after_batch: list[Guard] = []

    def run(self) -> None:
        """Go from the first epoch to the last.

        Raises
        ------
        DivergenceError
            If the loss stops being finite.
        """
        state = self.state
        with np.errstate(all="ignore"):  # a loss that is no number ends it with an error of its own
            for state.epoch in range(1, self.count + 1):
                epoch = Epoch()
                triples = ((*batch, None)[:3] for batch in self.data)  # without weights the third is None
                self.train_epoch(enumerate(triples, start=1), epoch)
                self.losses.append(epoch.mean())
                if state.stop_reason:
                    return

    def train_epoch(self, batches: Iterable[tuple[int, Batch]], epoch: Epoch) -> None:
        """Make one step for each of some batches, which are numbered, and add up what they come to."""
        state, params, step = self.state, self.params, self.step
        before_batch, before_step = self.before_batch, self.before_step
        after_step, after_batch = self.after_step, self.after_batch
        # Forward, loss and blame are in `gradient`; then comes the step.
        for state.batch, (x, y, weight) in batches:
            for act in before_batch:
                act(state)
            pred, state.batch_loss, rows, count = self.gradient(x, y, weight)
            state.batch_rows = rows
            for act in before_step:
                act(state)
            value = state.batch_loss  # a guard may have added a penalty
            step(params)
            for act in after_step:
                act(state)
            if state.ended is not None:
                # Only the count: rows for each net would make float64 of their losses' product, and the last
                # digit of a net's loss would tell whether another one has ended.
                value, count = np.where(state.active, value, 0), count * state.active
            epoch.total = epoch.total + value * rows
            epoch.count = epoch.count + count
            epoch.last = x, y
            if self.keeps_outputs:
                epoch.outputs.append((pred, y, weight))
            for act in after_batch:
                act(state)
            if state.stop_reason:
                return

    def gradient(self, x: Any, y: AnyArray, weight: Array | None) -> tuple[Array, Value, Value, Value]:
        """Fill ``params.grads`` for a batch: forward, loss, blame.

        Returns
        -------
        pred : ndarray of shape (..., batch, outputs)
            The predictions.
        value, rows, count : float or ndarray of shape (replicas,)
            The loss, what the sum over the rows is divided by in it, and the number of rows or the sum of
            their weights.
        """
        if weight is not None:
            x, y = self.stand_in(x, y, weight)
        self.ctx.rows.weight = weight
        pred = self.forward(x, self.ctx)
        value, dy = self.value_and_grad(pred, y, weight)
        rows: Value = pred.shape[-2]
        count = rows
        if weight is not None:
            value, dy, rows, count = self.part_of_all(pred, y, weight, value, dy)
        # NumPy's functions take two microseconds for one number, this one next to nothing.
        if not (math.isfinite(value) if isinstance(value, float) else np.isfinite(value).all()):
            self.diverged(np.isfinite(value), x, y)
        self.backward(dy, self.ctx)
        if weight is not None and not np.all(count):  # no row of the batch counts: nothing could stand in
            self.params.grads[np.equal(count, 0)] = 0
        return pred, value, rows, count

    # What a training does otherwise.

    def stand_in(self, x: Any, y: AnyArray, weight: Array) -> tuple[Any, AnyArray]:
        """Put other rows in the place of those of weight 0, whose numbers may overflow in a layer."""
        return x, y

    def part_of_all(
        self, pred: Array, y: AnyArray, weight: Array, value: Value, dy: Array
    ) -> tuple[Value, Array, Value, Value]:
        """Return loss, dL/d(pred), what the loss is divided by, and the sum of the weights, of a batch."""
        total = weight.sum(axis=-1)
        return value, dy, total, total

    def diverged(self, finite: Any, x: Any, y: AnyArray) -> None:
        """Give up: the loss is no number any more."""
        where = f"epoch {self.state.epoch}, batch {self.state.batch}"
        raise DivergenceError(where, "a finite loss", "one that is not", "Try a smaller learning rate.")
