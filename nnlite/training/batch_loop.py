"""Training by an optimizer that makes one step a batch: the loop of the core, and what guards it in `fit`."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np

from nnlite.core.aliases import AnyArray, Array, Value
from nnlite.core.context import Rows
from nnlite.core.loop import Epoch
from nnlite.core.optimizers import Optimizer
from nnlite.core.quiet import bare
from nnlite.data.row_weights import is_ignored, share, sum_and_rows
from nnlite.errors import calls_to_user
from nnlite.errors.arguments import is_ours
from nnlite.training.augmentation import Augmentation
from nnlite.training.callbacks import CTRL_C, TrainingState
from nnlite.training.loop import Loop
from nnlite.training.random_states import Generators
from nnlite.training.sources import Batch

__all__ = ["BatchLoop"]


class BatchLoop(Loop):
    """Training by an optimizer that makes a step a batch; its steps are in `nnlite.core.loop`."""

    #: What is done to each batch.
    augment: Augmentation | None = None
    #: Whether it is still to be seen if the loss takes note of weights, as one of a user's own may not.
    watching = False
    #: Which replicas were over when the batch began, and their numbers.
    over: tuple[AnyArray, Array] | None = None

    def train(self, optimizer: Optimizer) -> None:
        """Make one step a batch."""
        state = self.state
        self.equip(state.model, state.loss, optimizer)
        if not self.stepped:  # callbacks, and the first of several processes, may have set other numbers
            self.backup[...] = self.params.numbers
        # The model's own check what comes in, which has been checked.
        self.forward, self.backward = state.model._forward, state.model._backward
        self.keeps_outputs = bool(self.metrics)
        self.before_batch += self.hooks["on_batch_begin"]
        self.before_step = [*self.hooks["on_grad_computed"], self.keep]
        if self.groups.all:
            self.before_step.insert(0, self.penalize)
            self.after_step.append(self.bound)
        if self.params.replicas is not None:
            self.before_batch.append(self.see_ended)
            self.after_step.append(self.leave_ended)
        self.after_batch = [self.end_batch]
        for epoch in self.epochs():
            now = self.begin_epoch(epoch)
            if self.called:  # a callback may have changed the loss
                (self.value_and_grad,) = bare(state.loss.value_and_grad)
            self.watching = self.before is not None
            batches = self.batches()
            self.train_epoch(batches if self.augment is None else self.augmented(batches), now)
            self.check_numbers(now)
            self.end_epoch(now.mean(), self.train_metrics(now.outputs), now)
            if state.stop_reason:
                return

    def check_numbers(self, epoch: Epoch) -> None:
        """Look at the numbers behind the last batch, as there is no further one to show what it did."""
        finite = np.isfinite(self.params.numbers).all(axis=-1)
        if not finite.all():
            self.diverged(finite, *epoch.last, got="weights that are not finite after the step")

    def let_go(self) -> None:
        """Part also from the guards, which lead back here."""
        super().let_go()
        self.before_batch, self.before_step, self.after_step, self.after_batch = [], [], [], []
        self.ctx.rows = Rows()

    def augmented(self, batches: Iterator[tuple[int, Batch]]) -> Iterator[tuple[int, Batch]]:
        """Give each batch as it is trained on; made in its turn, as it draws from what dropout does."""
        for number, (x, y, weight) in batches:
            yield number, (self.augment(x, self.rng_of_batch(number)), y, weight)  # type: ignore[misc]

    def rng_of_batch(self, number: int) -> np.random.Generator | Generators:
        """Return what draws the augmentation of a batch."""
        return self.rng

    # Guards of each batch.

    def keep(self, state: TrainingState) -> None:
        """Keep the numbers, to come back to, should the next loss not be finite."""
        self.backup[...] = self.params.numbers
        self.stepped = True

    def penalize(self, state: TrainingState) -> None:
        """Add the penalties to the loss, and their slopes to the gradient."""
        state.batch_loss = state.batch_loss + self.groups.penalize()

    def bound(self, state: TrainingState) -> None:
        """Make of the step what the groups of parameters allow."""
        self.groups.bound(self.backup)

    def see_ended(self, state: TrainingState) -> None:
        """Keep the numbers of replicas whose training is over: a pass forward measures, and a step moves."""
        self.over = None if state.ended is None else (state.ended, self.params.numbers[state.ended])

    def leave_ended(self, state: TrainingState) -> None:
        """Put them back, and the step of those whose training ended in this batch."""
        if state.ended is not None:
            self.params.numbers[state.ended] = self.backup[state.ended]
        if self.over is not None:
            ended, numbers = self.over
            self.params.numbers[ended] = numbers

    def end_batch(self, state: TrainingState) -> None:
        """Call the callbacks, and stop if Ctrl-C was pressed."""
        state._interrupted = state.history.interrupted  # read once: Ctrl-C comes at any moment
        for hook in self.hooks["on_batch_end"]:
            hook(state)
        if state._interrupted:
            state.stop(CTRL_C)

    # Weights of rows.

    def stand_in(self, x: Any, y: AnyArray, weight: Array) -> tuple[Any, AnyArray]:
        """Put rows that count in the place of those of weight 0."""
        return self.state.model.boundary.in_place_of_others(x, y, weight)

    def part_of_all(
        self, pred: Array, y: AnyArray, weight: Array, value: Value, dy: Array
    ) -> tuple[Value, Array, Value, Value]:
        """Make of the average over a batch its part of the average over the data, and say what divides it."""
        if self.watching and not is_ours(self.value_and_grad) and np.ptp(weight, axis=-1).any():
            self.watching = False  # once, whatever comes of it
            self.warn_of_ignored(pred, y, weight)
        total, rows = sum_and_rows(weight)
        divisor = self.mean_weight.divisor(total, rows)
        part = share(total, divisor)
        if isinstance(part, float):
            # A new array: a loss of one's own may keep the one that it gave.
            return (value, dy, divisor, total) if part == 1 else (value * part, dy * part, divisor, total)
        if (part == 1).all():
            return value, dy, divisor, total
        return value * part, dy * part.astype(dy.dtype)[:, None, None], divisor, total

    def warn_of_ignored(self, pred: Array, y: AnyArray, weight: Array) -> None:
        """Warn of a loss of a user's own that takes no note of weights."""
        told = False
        # Of copies: it may count, or draw random numbers. One that cannot be copied is not asked.
        with suppress(Exception):
            plain, weighed = (
                np.array(copy.deepcopy(self.state.loss).value_and_grad(pred, y, some)[1])
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
