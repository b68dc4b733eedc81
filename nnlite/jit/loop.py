"""Training by a program: whole epochs in few calls, several in one if nobody looks between them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from nnlite.core.aliases import AnyArray, Array, Value
from nnlite.core.batches import WHOLE
from nnlite.core.loop import Epoch
from nnlite.core.weights import take_rows
from nnlite.data.order import Order
from nnlite.jit import losses, optimizers
from nnlite.jit.engine import Plan
from nnlite.jit.lanes import Lanes, has_lanes
from nnlite.jit.steps import SteppedLoop
from nnlite.training.callbacks import CTRL_C, OfSteps
from nnlite.training.loop import GoOn
from nnlite.training.random_states import Generators, get_states, set_states
from nnlite.training.sources import Arrays, Batch

__all__ = ["CompiledLoop"]

#: Seconds that a call should take, after which it is seen whether Ctrl-C was pressed.
CALL = 0.04
#: Steps of the first call, which tells how long one takes.
FIRST = 16
#: Rows of several epochs in one call, together, at most; and those times the nets, each of which may have an
#: order of its own.
AHEAD, OF_ALL = 2**15, 2**21


def _is_seldom(hook: Any) -> bool:
    """Tell whether it is enough to call what a callback does behind a batch a few times in a second."""
    owner: Any = getattr(hook, "__self__", None)
    for kind in type(owner).__mro__:
        if hook.__name__ in vars(kind):  # that of a subclass may look at each batch
            return "_seldom" in vars(kind) and bool(owner._seldom)
    return False


def _in_turn(start: Value, numbers: AnyArray) -> Any:
    """Add numbers up one after the other, as where each batch is looked at: to the same last digits."""
    numbers = numbers.astype(np.float64)
    numbers[..., 0] += start
    return np.add.accumulate(numbers, axis=-1)[..., -1]


class CompiledLoop(SteppedLoop):
    """The loop of `fit` with ``jit=True``.

    An epoch is a range of steps in the arrays of its program. If nobody looks between epochs, several are
    made in one call, and what each came to is written down behind it.
    """

    #: Whether the present epoch is made in few calls.
    in_whole = False
    #: How many steps to make in a call.
    in_a_call = FIRST
    #: Rows of each batch of an epoch, and what the loss of each batch was divided by and counts for.
    sizes: AnyArray
    divided: AnyArray
    counted: AnyArray
    #: Up to which epoch each is made for itself, since in a call of several something went wrong.
    alone = 0
    #: What a handler of signals raised in a call; it waits until the steps of the call are written down.
    cut_in: BaseException | None = None

    # Which way an epoch goes.

    def batches(self) -> Iterator[tuple[int, Batch]]:
        """Write the program; give batches only if the epoch goes a step at a time."""
        if self.in_whole and not self.called:  # as the last one
            return iter(())
        history, data = self.state.history, self.data
        self.loss = self.state.loss  # another one counts from the next epoch on
        self.has_loss, self.has_step = losses.covered(self.loss), optimizers.covered(self.state.optimizer)
        looked_at = self._looked_at()
        self.in_whole = not (self.uncompiled or looked_at)
        self.groups.settle()
        if not self.in_whole:
            self.choose_step()
            why = self.uncompiled or looked_at
            history.engine = f"numpy: {why}" if self.uncompiled else f"jit by the step: {why}"
            return super().batches()
        history.engine = "jit"
        self.prepare(data.x, data.y, data.weight is not None, data.batch_size, epochs=self._most())
        if self.keep_draws:
            self.epoch_draws = get_states(self.rngs)
        return iter(())

    def _looked_at(self) -> str:
        """Say why an epoch is made a step at a time, if it is."""
        data = self.data
        if not self.has_loss:
            return f"{losses.lacking(self.loss)} has no kernel"
        if not self.has_step:
            return f"{type(self.state.optimizer).__name__} has no kernel"
        self.seldom = [hook for hook in self.hooks["on_batch_end"] if _is_seldom(hook)]
        for moment in ("on_batch_begin", "on_grad_computed", "on_batch_end"):
            for hook in self.hooks[moment]:
                if hook in self.seldom:
                    continue
                who = getattr(hook, "__self__", hook)
                if moment != "on_grad_computed" or not isinstance(who, OfSteps) or self.params.replicas:
                    return f"{type(who).__name__} looks at each batch"
        if self.augment is not None:
            return "augment= makes each batch anew"
        in_memory = type(data) is Arrays and (isinstance(data.x, np.ndarray) or self.is_sparse())
        if not in_memory or data.cutter is not WHOLE:
            return "the data come batch by batch"
        if data.weight is not None and not np.all(data.weight > 0):
            return "rows of weight 0"
        return ""

    def _most(self) -> int:
        """Return how many epochs there may be in a call."""
        looks = self.called or self.validation is not None or self.keeps_outputs or self.keep_draws
        if looks or isinstance(self.data.rng, Order):  # which may remember how often it was asked
            return 1
        rows: int = min(AHEAD, OF_ALL // (self.params.replicas or 1)) // self.data.rows
        return max(1, min(self.state.epochs - self.done, rows))

    def make_engine(self, plan: Plan) -> Any:
        """Write the program, that of tiny nets side by side if they are."""
        self.in_a_call = FIRST
        engine = Lanes(plan) if has_lanes(plan) else super().make_engine(plan)
        if plan.epochs:
            parts = self.data.cutter.slices(self.data.rows, plan.batch)
            self.sizes = np.array([[part.stop - part.start for part in parts]])
            self.divided = self.counted = np.tile(self.sizes, plan.epochs)
            engine.share[...] = np.tile(np.repeat(1 / self.sizes[0], self.sizes[0]), plan.epochs)
        return engine

    # Whole epochs.

    def epochs(self) -> Iterator[int]:  # type: ignore[override]
        """Give the numbers of the epochs to come, of which some may have been made with the one before."""
        state = self.state
        yield from super().epochs()[:1]
        while self.done < state.epoch < state.epochs:
            yield state.epoch + 1

    def train_epoch(self, batches: Any, epoch: Epoch) -> None:
        """Make a step for each batch: as `BatchLoop` does, or many in a call.

        Where further epochs are made in the same call, all but the last are written down here.
        """
        if not self.in_whole:
            super().train_epoch(batches, epoch)
            return
        state, steps = self.state, self.sizes.shape[1]
        optimizer: Any = state.optimizer
        self.steps_before = optimizer.steps - state.batch
        if state.epoch > max(self.done + 1, self.alone):  # what goes wrong in the first one undoes it
            wanted = min(self._most(), state.epochs - state.epoch + 1, self.in_a_call // steps)
            if wanted > 1 and self._several(epoch, wanted):
                return
        go_on, self.go_on = self.go_on, None
        if go_on is None or go_on.epoch is None:
            self._begin(1)
        else:
            self._begin_again(go_on)
        self._one_epoch(epoch, steps)
        if self.keeps_outputs:
            self._keep_outputs(epoch)

    def _several(self, epoch: Epoch, wanted: int) -> bool:
        """Make some epochs in one call; tell whether all went well, for else they are undone.

        What went wrong is then found as it is without this: by making them again, each for itself.
        """
        state, steps = self.state, self.sizes.shape[1]
        optimizer: Any = state.optimizer
        arrays = self.params.numbers, self.backup, *optimizer.state.values()
        before, draws = [array.copy() for array in arrays], get_states(self.rngs)
        self._begin(wanted)
        seconds = self._run(0, wanted * steps) / wanted
        finite = bool(np.isfinite(self.params.numbers).all())
        if self.usable < wanted * steps or np.any(self.engine.stopped >= 0) or not finite:
            for array, kept in zip(arrays, before, strict=True):
                array[...] = kept
            set_states(self.rngs, draws)
            object.__setattr__(optimizer, "steps", self.steps_before)
            self.alone = state.epoch + wanted - 1
            return False
        for place in range(self._write_down(wanted, seconds), wanted):
            epoch.begun = time.perf_counter() - seconds
            self._add_up(epoch, place * steps, place * steps, (place + 1) * steps)
            if place + 1 < wanted:
                self.end_epoch(epoch.mean(), {}, epoch)
                self.begin_epoch(state.epoch + 1)
        self._pass_on()
        return True

    def _write_down(self, epochs: int, seconds: float) -> int:
        """Write the rows of epochs, but for the last, if all nets are in them; return how many they are."""
        state, engine, steps = self.state, self.engine, self.sizes.shape[1]
        optimizer: Any = state.optimizer
        if not np.all(state.active):
            return 0
        good = epochs - 1
        count, shape = good * steps, (good, steps, -1)
        values = (engine.losses.T[:count] * self.divided.T[:count]).reshape(shape)
        # One after the other, as `_add_up` does, which `sum` does of many nets only.
        sums = values.sum(axis=1) if len(engine.losses) > 1 else np.add.accumulate(values, axis=1)[:, -1]
        losses: Any = sums / np.add.accumulate(self.counted.T[:count].reshape(shape), axis=1)[:, -1]
        losses = losses[:, 0].tolist() if self.params.replicas is None else losses.tolist()
        first = state.epoch
        for place, loss in enumerate(losses):
            rate = optimizer.rate_at(self.steps_before + place * steps)
            rate = rate.tolist() if isinstance(rate, np.ndarray) else rate
            row = {"epoch": first + place, "loss": loss, "learning_rate": rate, "seconds": seconds}
            state.history.rows.append(row)
        state.epoch = first + good
        self.rate = optimizer.rate_at(self.steps_before + count)
        return good

    def _one_epoch(self, epoch: Epoch, steps: int) -> None:
        """Make one epoch, or what is left of it, in as many calls as it takes."""
        state = self.state
        first = state.batch
        while first < steps and not state.stop_reason:
            last = min(first + self.in_a_call, steps)
            self._run(first, last, draws=True)
            last = min(last, self.usable)
            self._add_up(epoch, 0, first, last)
            self._pass_on()
            first = last
            state._interrupted = state.history.interrupted  # read once: Ctrl-C comes at any moment
            for hook in self.seldom:
                hook(state)
            if state._interrupted:
                state.stop(CTRL_C)

    def _begin(self, epochs: int) -> None:
        """Draw the order of some epochs, and what noise is made of."""
        data, engine = self.data, self.engine
        rows, steps = data.rows, self.sizes.shape[1]
        for place in range(epochs):
            some = slice(place * rows, (place + 1) * rows)
            order = np.arange(rows) if data.rng is None else data.cutter.order(data.rng, rows)
            engine.order[:, some] = order
            if data.weight is not None:
                self._weigh(np.asarray(order), some, slice(place * steps, (place + 1) * steps))
            if engine.keys is not None and epochs > 1:
                engine.keys[:, place * steps : (place + 1) * steps] = self.keys(steps)
        engine.look_at_ids()
        if self._penalized():
            engine.pull[...] = sum(one.pull for one in self.of_steps()) / self.divided

    def _begin_again(self, go_on: GoOn) -> None:
        """Draw the order of an epoch of which some steps were made before; put back what they came to."""
        self.epoch_draws = go_on.epoch or []
        set_states(self.rngs, self.epoch_draws)
        self._begin(1)
        set_states(self.rngs, go_on.now)
        if go_on.outputs is not None:
            done = go_on.outputs if self.params.replicas else go_on.outputs[None]
            self.engine.outputs[:, : done.shape[1]] = done

    def _weigh(self, order: AnyArray, rows: slice, steps: slice) -> None:
        """Write the share of each row of an epoch in the loss of its batch."""
        weight, engine, sizes = self.data.weight, self.engine, self.sizes[0]
        if self.divided is self.counted:
            nets = len(engine.share)
            self.divided, self.counted = (np.empty((nets, self.divided.shape[1])) for _ in range(2))
        if weight.ndim > 1 and order.ndim > 1:
            ordered = np.take_along_axis(weight, order, axis=1)
        else:
            ordered = np.atleast_2d(weight[..., order])
        starts = np.cumsum(sizes) - sizes
        total = np.add.reduceat(ordered, starts, axis=1, dtype=np.float64)
        divided = [
            np.atleast_1d(self.mean_weight.divisor(total[:, step], size)) for step, size in enumerate(sizes)
        ]
        self.divided[:, steps], self.counted[:, steps] = np.stack(divided, axis=1), total
        engine.share[:, rows] = ordered / np.repeat(self.divided[:, steps], sizes, axis=1)
        engine.weight[:, rows] = ordered

    def _run(self, first: int, last: int, *, draws: bool = False) -> float:
        """Make some steps in one call, and first draw what noise is made of; return the seconds it took."""
        engine = self.engine
        begun = time.perf_counter()
        self.usable = first + engine.rates.write(first, last, self.steps_before + first)
        if draws and engine.keys is not None:  # no more than are needed, should it end here
            engine.keys[:, first : self.usable] = self.keys(self.usable - first)
        engine.active[:] = self.state.active
        engine.job.forget()
        try:
            engine.run(0, engine.loss_end, engine.end, rows=self.data.rows, first=first, last=self.usable)
        except BaseException as error:
            # Lanes have not moved back, so the net is as it was before the call.
            if isinstance(engine, Lanes) or not engine.job.made:
                raise
            self.cut_in = error
        # At once, since a handler may raise in what follows too.
        object.__setattr__(self.state.optimizer, "steps", self.steps_before + self.usable)
        took = time.perf_counter() - begun
        self.in_a_call = max(1, min(int(CALL * (self.usable - first) / took), 8 * self.in_a_call))
        return took

    def _pass_on(self) -> None:
        """Raise what has cut into the last call."""
        error, self.cut_in = self.cut_in, None
        if error is not None:
            try:
                raise error
            finally:
                del error  # or its own frame would hold it

    def _add_up(self, epoch: Epoch, begin: int, first: int, last: int) -> None:
        """Write down what some steps of an epoch came to, of which the first one is at `begin`."""
        state, engine = self.state, self.engine
        optimizer: Any = state.optimizer
        stopped = engine.stopped
        if self.params.replicas is None:
            end = int(stopped[0])
            end = last if end < 0 else min(max(end, first), last)
            found = engine.losses[0, first:end]
            if self.called:
                found = self._tell(found, slice(first, end))
            if end > first:
                epoch.total = float(_in_turn(epoch.total, found * self.divided[0, first:end]))
                epoch.count = float(_in_turn(epoch.count, self.counted[0, first:end]))
        else:
            ends = np.where(stopped < 0, last, stopped)
            part = state.active[:, None] & (np.arange(first, last) < ends[:, None])
            values = np.where(part, engine.losses[:, first:last], 0) * self.divided[:, first:last]
            epoch.total = _in_turn(epoch.total, values)
            epoch.count = _in_turn(epoch.count, part * self.counted[:, first:last])
        for step in sorted({one for one in stopped.tolist() if first <= one < last}):
            object.__setattr__(optimizer, "steps", self.steps_before + step)
            self.stepped = self.stepped or step > 0
            state.batch = step + 1 - begin
            state.batch_loss = self._loss(step)
            x, y = self._batch(step)
            self.check_targets(x, y)
            self.diverged(stopped != step, x, y)
        if not state.stop_reason:
            object.__setattr__(optimizer, "steps", self.steps_before + last)
            state.batch = last - begin
        self.stepped = True
        self.last_step = begin + state.batch - 1
        state.batch_loss = self._loss(self.last_step)
        rows = self.divided[:, self.last_step]
        state.batch_rows = rows[0].item() if len(rows) == 1 else rows

    def _penalized(self) -> bool:
        """Tell whether a callback adds a penalty to the loss of each batch."""
        return self.engine.pull is not None

    def _tell(self, found: AnyArray, steps: slice) -> AnyArray:
        """Tell callbacks what some steps came to; return their losses with the penalties."""
        penalties = self.engine.penalties[0, steps] if self._penalized() else np.zeros(len(found))
        for one in self.of_steps():
            one.take_steps(found, penalties)
        return found + penalties

    def _loss(self, step: int) -> Value:
        losses: Any = self.engine.losses[:, step]
        if self._penalized():
            losses = losses + self.engine.penalties[:, step]
        value: Value = losses.item(0) if self.params.replicas is None else losses.copy()
        return value

    def _batch(self, step: int) -> tuple[Any, Any]:
        """Return inputs and targets of a step."""
        data, (epoch, number) = self.data, divmod(step, self.sizes.shape[1])
        start = epoch * data.rows + number * data.batch_size
        order = self.engine.order[:, start : start + self.sizes[0, number]]
        rows = order if isinstance(data.rng, Generators) else order[0]
        x = data.x.take(rows) if self.is_sparse() else take_rows(data.x, rows, int(data.own[0]))
        return x, take_rows(data.y, rows, int(data.own[1]))

    def _keep_outputs(self, epoch: Epoch) -> None:
        """Keep the predictions of an epoch, for the metrics."""
        data = self.data
        pred = self._outputs()
        order = self.engine.order[:, : pred.shape[1]]
        rows = order if isinstance(data.rng, Generators) else order[0]
        y, weight = (
            None if array is None else take_rows(array, rows, int(own))
            for array, own in ((data.y, data.own[1]), (data.weight, data.own[2]))
        )
        epoch.outputs.append((pred if self.params.replicas else pred[0], y, weight))

    def _outputs(self) -> Array:
        """Return the predictions of the epoch so far: a copy, for a metric may keep it."""
        done = min(self.state.batch * self.data.batch_size, self.data.rows)
        outputs: Array = self.engine.outputs[:, :done].copy()
        return outputs

    def joined_outputs(self, now: Epoch) -> Array | None:
        """Return the predictions for the batches of the present epoch that are done."""
        if not self.in_whole or not self.keeps_outputs or now.outputs:
            return super().joined_outputs(now)
        pred = self._outputs()
        return pred if self.params.replicas else pred[0]

    def check_numbers(self, epoch: Epoch) -> None:
        """Look at the numbers behind the last batch."""
        if self.in_whole:
            if np.isfinite(self.params.numbers).all():
                return
            epoch.last = self._batch(self.last_step)
        super().check_numbers(epoch)
