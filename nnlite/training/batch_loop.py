"""The training loop: batch after batch forward, loss, blame, and one step downhill."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable
from contextlib import suppress

import numpy as np

from nnlite.core.optimizers import Optimizer
from nnlite.core.quiet import bare
from nnlite.core.types import AnyArray, Array, Value
from nnlite.data.row_weights import is_ignored, share, sum_and_rows
from nnlite.errors import calls_to_user
from nnlite.errors.arguments import is_ours
from nnlite.training.callbacks import CTRL_C
from nnlite.training.loop import Loop

__all__ = ["BatchLoop"]


class BatchLoop(Loop):
    """Training by an optimizer that makes one step a batch; see `Loop`."""

    def train(self, optimizer: Optimizer) -> None:
        """Make one step a batch."""
        state, backup = self.state, self.backup
        params = state.model.params
        numbers = params.numbers
        batch_begin, grad_computed = self.hooks["on_batch_begin"], self.hooks["on_grad_computed"]
        batch_end = self.hooks["on_batch_end"]
        keep_outputs = bool(self.metrics)
        # Without guards against words of NumPy: there is one around all of this.
        step, ctx = bare(optimizer.step), self.ctx
        ctx.steps = tuple((bare(forward), kept) for forward, kept in ctx.steps)
        ctx.steps_back = tuple((bare(backward), kept) for backward, kept in ctx.steps_back)
        self.forward, self.backward = state.model._forward, state.model._backward
        for epoch in self.epochs():
            now = self.begin_epoch(epoch)
            self.value_and_grad = bare(state.loss.value_and_grad)  # a callback may have changed the loss
            first = self.before is not None and not is_ours(self.value_and_grad)
            gradient = self.watched_gradient if first else self.gradient
            for number, (x, y, weight) in self.batches():
                state.batch = number
                for hook in batch_begin:
                    hook(state)
                pred, value, rows, total = gradient(x, y, weight)
                state.batch_loss, state.batch_rows = value, rows
                for hook in grad_computed:
                    hook(state)
                value = state.batch_loss  # a penalty adds to it
                backup[...] = numbers  # to come back to, should the next loss not be finite
                step(params)
                if state.ended is not None:
                    numbers[state.ended] = backup[state.ended]
                self.stepped = True
                if state.ended is not None:  # some may have been stopped in the middle of the epoch
                    # Only the count: rows for each net would make float64 of their losses' product, and the
                    # last digit of a net's loss would tell whether another one has ended.
                    value, total = np.where(state.active, value, 0), total * state.active
                now.total = now.total + value * rows
                now.count = now.count + total
                if keep_outputs:
                    now.outputs.append((pred, y, weight))
                state._interrupted = state.history.interrupted  # read once: Ctrl-C comes at any moment
                for hook in batch_end:
                    hook(state)
                if state._interrupted:
                    state.stop(CTRL_C)
                if state.stop_reason:
                    break
            finite = np.isfinite(numbers).all(axis=-1)  # there is no further batch to show it
            if not finite.all():
                self.diverged(finite, x, y, got="weights that are not finite after the step")
            self.end_epoch(_mean(now.total, now.count), self.train_metrics(now.outputs), now)
            if state.stop_reason:
                return

    # Looked up once: a class with words for names that it does not have answers for all names slowly.
    forward: Callable[..., Array]
    backward: Callable[..., Array | None]
    value_and_grad: Callable[..., tuple[Value, Array]]
    #: Whether a loss of a user's own was asked if it takes note of weights.
    watched = False

    def gradient(self, x: Array, y: AnyArray, weight: Array | None) -> tuple[Array, Value, Value, Value]:
        """Fill ``params.grads`` for a batch.

        Return its predictions, its loss, what that is divided by, and its rows or the sum of their weights.
        """
        state, ctx = self.state, self.ctx
        if weight is not None:
            x, y = state.model.boundary.in_place_of_others(x, y, weight)
            ctx.rows.weight = weight
        ended, kept = state.ended, state.model.params.state
        before = None if ended is None else kept[ended]
        pred = self.forward(x, ctx)
        if before is not None:  # what a forward pass has measured is not for those whose training is over
            kept[ended] = before
        value, dy = self.value_and_grad(pred, y, weight)
        rows = total = pred.shape[-2]
        if weight is not None:
            value, dy, rows, total = self.part_of_all(value, dy, weight)
        # NumPy's functions take two microseconds for one number, this one next to nothing.
        if not (math.isfinite(value) if isinstance(value, float) else np.isfinite(value).all()):
            self.diverged(np.isfinite(value), x, y)
        self.backward(dy, ctx)
        if weight is not None and not np.all(total):  # no row of the batch counts: nothing could stand in
            state.model.params.grads[np.equal(total, 0)] = 0
        return pred, value, rows, total

    def watched_gradient(
        self, x: Array, y: AnyArray, weight: Array | None
    ) -> tuple[Array, Value, Value, Value]:
        """Do the same in the first epoch; warn of a loss of a user's own that takes no note of weights."""
        found = self.gradient(x, y, weight)
        if weight is None or self.watched or not np.ptp(weight, axis=-1).any():
            return found
        self.watched = True  # once, whatever comes of it
        _, y = self.state.model.boundary.in_place_of_others(x, y, weight)
        told = False
        # Of copies: it may count, or draw random numbers. One that cannot be copied is not asked.
        with suppress(Exception):
            plain, weighed = (
                np.array(copy.deepcopy(self.state.loss).value_and_grad(found[0], y, some)[1])
                for some in (np.ones_like(weight), weight)
            )
            told = is_ignored(weight, plain, weighed)
        if told:
            given = "weight" if self.class_weights is None else "class_weight"
            warnings.warn(
                f"fit({given}=): expected a loss that weighs the rows, got {self.state.loss}, whose gradient "
                "is the same with other weights. Multiply loss and gradient of each row by weight / "
                "weight.sum() in place of 1 / rows, as nnlite.testing.check_loss tests; a PointwiseLoss "
                "does it by itself.",
                stacklevel=calls_to_user(),
            )
        return found

    def part_of_all(self, value: Value, dy: Array, weight: Array) -> tuple[Value, Array, Value, Value]:
        """Make of the average over a batch its part of the average over the data, and say what divides it."""
        total, rows = sum_and_rows(weight)
        divisor = self.mean_weight.divisor(total, rows)
        part = share(total, divisor)
        if isinstance(part, float):
            # A new array: a loss of one's own may keep the one that it gave.
            return (value, dy, divisor, total) if part == 1 else (value * part, dy * part, divisor, total)
        if (part == 1).all():
            return value, dy, divisor, total
        return value * part, dy * part.astype(dy.dtype)[:, None, None], divisor, total


def _mean(total: Value, count: Value) -> Value:
    """Divide, or give 0 where no row counts."""
    if isinstance(count, np.ndarray):
        return total / np.where(count > 0, count, 1)
    return total / count if count else total
