"""Training by a program: whole epochs in few calls where nobody looks at a batch, else a step at a time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from nnlite._threads import Hold, allowed
from nnlite.core.aliases import AnyArray, Array, Value
from nnlite.core.batches import WHOLE
from nnlite.core.loop import Epoch
from nnlite.core.optimizers import Optimizer
from nnlite.core.parameters import Parameters
from nnlite.core.weights import take_rows
from nnlite.data.checks import is_own
from nnlite.data.row_weights import sum_and_rows
from nnlite.errors.layers import wrong_dy
from nnlite.jit import losses, optimizers
from nnlite.jit.engine import Training, uncovered
from nnlite.jit.lanes import Lanes, has_lanes
from nnlite.training.batch_loop import BatchLoop
from nnlite.training.callbacks import CTRL_C
from nnlite.training.random_states import Generators, get_states
from nnlite.training.sources import Arrays, Batch

__all__ = ["CompiledLoop"]

#: Seconds that a call should take, after which it is seen whether Ctrl-C was pressed.
CALL = 0.04
#: Steps of the first call, which tells how long one takes.
FIRST = 16
#: Why NumPy makes the steps of sparse inputs.
SPARSE = "X is sparse"
#: What of an optimizer changes while it trains; all else a program is written with.
CHANGING = frozenset(("steps", "rate_factor", "_learning_rate", "_schedule", "_time"))


def _is_seldom(hook: Any) -> bool:
    """Tell whether it is enough to call what a callback does behind a batch a few times in a second."""
    owner = getattr(hook, "__self__", None)
    for kind in type(owner).__mro__:
        if hook.__name__ in vars(kind):  # that of a subclass may look at each batch
            return "_seldom" in vars(kind) and owner._seldom
    return False


class CompiledLoop(BatchLoop):
    """The loop of `fit` with ``jit=True``.

    What has no kernel runs through NumPy: a loss or an optimizer by itself, a layer with all the others.
    """

    compiles = True
    #: The program, None where all runs through NumPy, and what it was written for.
    engine: Any = None
    written_for: Any = None
    #: Whether the present epoch is made in few calls.
    in_whole = False
    threads = 1

    def equip(self, model: Any, loss: Any, optimizer: Optimizer) -> None:
        """Also keep the step that NumPy makes."""
        super().equip(model, loss, optimizer)
        self.numpy_step = self.step

    def settle_threads(self, blas: Hold) -> None:
        """Take all threads that are allowed, each with a BLAS of one."""
        if self._uncompiled():
            super().settle_threads(blas)
        self.threads = allowed()

    # Which way an epoch goes.

    def batches(self) -> Iterator[tuple[int, Batch]]:
        """Write the program; give batches only if the epoch goes a step at a time."""
        history, data = self.state.history, self.data
        self.uncompiled = self._uncompiled()
        self.loss = self.state.loss  # another one counts from the next epoch on
        looked_at = self._looked_at()
        if not looked_at and self.go_on is not None and self.go_on.epoch is not None:
            looked_at = "it goes on in the middle of an epoch"
        self.in_whole = not (self.uncompiled or looked_at)
        if self.in_whole:
            history.engine = "jit"
            self._prepare(data.x, data.y, data.weight is not None, data.batch_size, whole=True)
            self.go_on = None
            if self.keep_draws:
                self.epoch_draws = get_states(self.rngs)
            return iter(())
        has_step = not self.uncompiled and optimizers.covered(self.state.optimizer)
        self.step = self.compiled_step if has_step else self.numpy_step
        if self.uncompiled:
            history.engine = f"numpy: {self.uncompiled}"
        else:
            history.engine = f"jit by the step: {looked_at}"
        return super().batches()

    def _uncompiled(self) -> str:
        """Say why all runs through NumPy, if it does."""
        if isinstance(self.data, Arrays) and hasattr(self.data.x, "matrix"):
            return SPARSE
        return uncovered(self.state.model)

    def _looked_at(self) -> str:
        """Say why an epoch is made a step at a time, if it is."""
        loss, optimizer, data = self.loss, self.state.optimizer, self.data
        for one, covered in ((loss, losses.covered(loss)), (optimizer, optimizers.covered(optimizer))):
            if not covered:
                return f"{type(one).__name__} has no kernel"
        self.seldom = [hook for hook in self.hooks["on_batch_end"] if _is_seldom(hook)]
        for moment in ("on_batch_begin", "on_grad_computed", "on_batch_end"):
            for hook in self.hooks[moment]:
                if hook in self.seldom:
                    continue
                return f"{type(getattr(hook, '__self__', hook)).__name__} looks at each batch"
        if type(data) is not Arrays or data.cutter is not WHOLE or not isinstance(data.x, np.ndarray):
            return "the data come batch by batch"
        if data.weight is not None and not np.all(data.weight > 0):
            return "rows of weight 0"
        return ""

    def _prepare(self, x: Array, y: AnyArray, weighted: bool, batch: int, *, whole: bool) -> tuple[Any, Any]:
        """Write the program, or keep it if nothing has changed that it was written for.

        Returns
        -------
        x, y : ndarray
            With an axis of nets in front, of length 1 where all share them.
        """
        state, params = self.state, self.params
        optimizer: Any = state.optimizer
        edge = state.model.boundary
        own = is_own(y, edge.pred_shape(x))
        x = x if edge.row_axis(x) else x[None]
        y = y if own else y[None]
        if y.dtype.kind in "iub":
            y = y.astype(np.int64, copy=False)
        if optimizers.covered(optimizer) and (
            params.trainable_slices is not optimizer._slices or optimizer.slots != optimizer._attached
        ):
            optimizer._attach(params)
        arrays = (self.data, params.trainable_slices, optimizer._weight_decay, *optimizer.state.values())
        shapes = (x.dtype, x.shape[2:], y.dtype, y.shape[2:])
        kinds = (type(optimizer.learning_rate), type(optimizer.rate_factor))  # or one for each replica
        now = (tuple(map(id, arrays)), shapes, whole, weighted, id(self.loss), kinds, self._settings())
        program = None if self.engine is None else self.engine.program
        if program is None or program.batch < batch or now != self.written_for or not program.is_current():
            make = partial(
                Training, state.model, self.loss, optimizer, x, y, batch=batch, kept=self.backup,
                weighted=weighted, keeps_outputs=self.keeps_outputs, whole=whole, threads=self.threads,
            )  # fmt: skip
            one_order = not (isinstance(self.data, Arrays) and isinstance(self.data.rng, Generators))
            if whole and one_order and has_lanes(state.model, self.loss, optimizer, x, y, weighted=weighted):
                self.engine = Lanes(
                    state.model, self.loss, optimizer, x, y, batch=batch, kept=self.backup,
                    keeps_outputs=self.keeps_outputs, threads=self.threads, ordinary=make,
                )  # fmt: skip
            else:
                self.engine = make()
            self.written_for, self.in_a_call = now, FIRST
            self.sizes: AnyArray | None = None
        return x, y

    def _settings(self) -> tuple[Any, ...]:
        """Return what a callback may set and a program is written with."""
        if not self.called:
            return ()
        return tuple(
            (name, value.tobytes() if isinstance(value, np.ndarray) else value)
            for one in (self.state.optimizer, self.loss, losses.inner(self.loss))
            for name, value in vars(one).items()
            if isinstance(value, int | float | str | tuple | np.ndarray) and name not in CHANGING
        )

    def _keys(self, count: int) -> AnyArray:
        """Draw what noise is made of in the next steps: the same numbers, however many at a time."""
        rng, nets = self.rng, self.params.replicas or 1
        if isinstance(rng, Generators):
            return np.stack([one.integers(2**63, size=count) for one in rng.each])
        return rng.integers(2**63, size=(count, nets)).T

    # A whole epoch.

    def train_epoch(self, batches: Any, epoch: Epoch) -> None:
        """Make a step for each batch: as `BatchLoop` does, or many in a call."""
        if not self.in_whole:
            super().train_epoch(batches, epoch)
            return
        state, data, engine = self.state, self.data, self.engine
        assert engine is not None  # noqa: S101 - for the reader and the type checker
        order = np.arange(data.rows) if data.rng is None else data.cutter.order(data.rng, data.rows)
        engine.order[...] = order
        divided, counted = self._weigh(order)
        engine.look_at_ids()
        steps, first, count = divided.shape[1], 0, self.in_a_call
        while first < steps and not state.stop_reason:
            begun = time.perf_counter()
            last = self._steps(first, min(first + count, steps), order, epoch, divided, counted)
            took = (time.perf_counter() - begun) / (last - first)
            first = last
            count = self.in_a_call = max(1, min(int(CALL / took), 8 * count))
            state._interrupted = state.history.interrupted  # read once: Ctrl-C comes at any moment
            for hook in self.seldom:
                hook(state)
            if state._interrupted:
                state.stop(CTRL_C)
        if self.keeps_outputs:
            pred = self._outputs()
            done = pred.shape[1]
            y, weight = (
                None if array is None else take_rows(array, order[..., :done], int(own))
                for array, own in ((data.y, data.own[1]), (data.weight, data.own[2]))
            )
            epoch.outputs.append((pred if self.params.replicas else pred[0], y, weight))

    def _outputs(self) -> Array:
        """Return the predictions of the epoch so far: a copy, for a metric may keep it."""
        done = min(self.state.batch * self.data.batch_size, self.data.rows)
        outputs: Array = self.engine.outputs[:, :done].copy()  # type: ignore[union-attr, index]
        return outputs

    def joined_outputs(self, now: Epoch) -> Array | None:
        """Return the predictions for the batches of the present epoch that are done."""
        if not self.in_whole or not self.keeps_outputs or now.outputs:
            return super().joined_outputs(now)
        pred = self._outputs()
        return pred if self.params.replicas else pred[0]

    def _weigh(self, order: AnyArray) -> tuple[AnyArray, AnyArray]:
        """Write the share of each row in the loss of its batch.

        Returns
        -------
        divided, counted : ndarray of shape (nets or 1, steps)
            What the loss of each batch is divided by, and what it counts for: its rows, or their weights.
        """
        data, engine = self.data, self.engine
        weight = data.weight
        if self.sizes is None:
            sizes = np.array(
                [part.stop - part.start for part in data.cutter.slices(data.rows, data.batch_size)]
            )
            engine.share[...] = np.repeat(1 / sizes, sizes)
            self.sizes = sizes[None]
        if weight is None:
            return self.sizes, self.sizes
        if weight.ndim > 1 and order.ndim > 1:
            ordered = np.take_along_axis(weight, order, axis=1)
        else:
            ordered = np.atleast_2d(weight[..., order])
        starts = np.arange(0, data.rows, data.batch_size)
        total = np.add.reduceat(ordered, starts, axis=1, dtype=np.float64)
        divided = np.stack(
            [
                np.atleast_1d(self.mean_weight.divisor(total[:, step], size))
                for step, size in enumerate(self.sizes[0])
            ],
            axis=1,
        )
        engine.share[...] = ordered / np.repeat(divided, self.sizes[0], axis=1)
        engine.weight[...] = ordered
        return divided, total

    def _steps(
        self, first: int, last: int, order: AnyArray, epoch: Epoch, divided: AnyArray, counted: AnyArray
    ) -> int:
        """Make some steps in one call, and add up what they come to; return the first that was not made."""
        state, engine = self.state, self.engine
        optimizer: Any = state.optimizer
        single, made = self.params.replicas is None, optimizer.steps
        last = first + engine.rates.write(first, last, made)
        if engine.keys is not None:
            engine.keys[:, first:last] = self._keys(last - first)
        if isinstance(engine, Lanes) and not np.all(state.active):  # some nets have parted from the others
            engine = self.engine = engine.ordinary()
        engine.active[:] = state.active
        engine.run(0, engine.loss_end, engine.end, rows=self.data.rows, first=first, last=last)
        stopped = engine.stopped.copy()
        ends = np.where(stopped < 0, last, stopped)
        made_it = np.reshape(state.active, (-1, 1)) & (np.arange(first, last) < ends[:, None])
        values = np.where(made_it, engine.losses[:, first:last], 0) * divided[:, first:last]
        totals = np.concatenate([np.reshape(epoch.total, (-1, 1)), values], axis=1)
        # One after the other: the sum must not depend on how many steps there are in a call.
        total, count = (
            np.add.accumulate(totals, axis=1)[:, -1],
            (made_it * counted[:, first:last]).sum(axis=1),
        )
        epoch.total = float(total[0]) if single else total
        epoch.count = epoch.count + (count[0].item() if single else count)
        for step in sorted({int(one) for one in stopped if one >= 0}):
            object.__setattr__(optimizer, "steps", made + step - first)
            self.stepped = self.stepped or step > first
            state.batch = step + 1
            state.batch_loss = engine.losses[0, step].item() if single else engine.losses[:, step].copy()
            self.diverged(stopped != step, *self._batch(step, order))
        if not state.stop_reason:
            object.__setattr__(optimizer, "steps", made + last - first)
            state.batch = last
        self.stepped = True
        value, rows = engine.losses[:, state.batch - 1], divided[:, state.batch - 1]
        state.batch_loss = value[0].item() if single else value.copy()
        state.batch_rows = rows[0].item() if len(rows) == 1 else rows
        epoch.last = self._batch(state.batch - 1, order)
        return last

    def _batch(self, step: int, order: AnyArray) -> tuple[Any, Any]:
        """Return inputs and targets of a batch."""
        data = self.data
        rows = order[..., step * data.batch_size : (step + 1) * data.batch_size]
        return take_rows(data.x, rows, int(data.own[0])), take_rows(data.y, rows, int(data.own[1]))

    # A step at a time.

    def gradient(self, x: Any, y: AnyArray, weight: Array | None) -> tuple[Array, Value, Value, Value]:
        """Fill ``params.grads`` for a batch; see the loop of the core."""
        state = self.state
        self.given: Any = None
        if self.uncompiled or not isinstance(x, np.ndarray):
            if not self.uncompiled:
                state.history.engine = f"numpy: {SPARSE}"
            return super().gradient(x, y, weight)
        if weight is not None:
            x, y = self.stand_in(x, y, weight)
        rows = x.shape[state.model.boundary.row_axis(x)]
        self.given = x, y, weight is not None, max(rows, self.largest())
        own_x, own_y = self._prepare(*self.given, whole=False)
        engine = self.engine
        assert engine is not None  # noqa: S101
        engine.take(own_x, own_y, rows)
        if engine.keys is not None:
            engine.keys[:, :1] = self._keys(1)
        engine.active[:] = state.active
        divisor: Any = rows
        count: Any = rows
        if weight is None:
            engine.row_share[:, :rows] = 1 / rows
        else:
            count, counting = sum_and_rows(weight)
            divisor = self.mean_weight.divisor(count, counting)
            engine.row_weight[:, :rows] = weight
            column = np.reshape(np.where(divisor, divisor, 1), (-1, 1))
            engine.row_share[:, :rows] = weight / column
        if engine.has_loss:
            engine.run(engine.load, engine.loss_end, engine.backward_end, rows=rows)
            value = self._one(engine.losses[:, 0])
            if (engine.stopped >= 0).any():
                self.diverged(engine.stopped < 0, x, y)
        else:
            engine.run(engine.load, engine.forward_end, engine.forward_end, rows=rows)
        pred = engine.pred[:, :rows]
        pred = (pred if self.params.replicas else pred[0]).copy()
        if not engine.has_loss:
            self.ctx.rows.weight = weight
            value, dy = self.value_and_grad(pred, y, weight)
            if dy.shape != pred.shape:
                raise wrong_dy(state.model, dy.shape, pred.shape)
            if weight is not None:
                value, dy, divisor, count = self.part_of_all(pred, y, weight, value, dy)
            if not np.isfinite(value).all():
                self.diverged(np.isfinite(value), x, y)
            engine.dy[:, :rows] = dy
            engine.run(engine.loss_end, engine.backward_end, engine.backward_end, rows=rows)
        if weight is not None and not np.all(count):  # no row of the batch counts: nothing could stand in
            self.params.grads[np.equal(count, 0)] = 0
        return pred, value, divisor, count

    def largest(self) -> int:
        """Return how many rows a batch has at most, as far as that is known."""
        return self.data.batch_size if isinstance(self.data, Arrays) else 0

    def _one(self, values: AnyArray) -> Value:
        return values.copy() if self.params.replicas else values[0].item()

    def compiled_step(self, params: Parameters) -> None:
        """Move all trainable parameters once, as ``optimizer.step`` does."""
        if self.given is None:  # NumPy has computed the gradient
            self.numpy_step(params)
            return
        optimizer: Any = self.state.optimizer
        if self.called:  # who may have set something since the gradient was computed
            self._prepare(*self.given, whole=False)
        engine = self.engine
        engine.rates.write(0, 1, optimizer.steps)
        engine.run(engine.backward_end, engine.end, engine.end, rows=1)
        object.__setattr__(optimizer, "steps", optimizer.steps + 1)
