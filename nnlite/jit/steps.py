"""Training by a program, a step at a time: forward, loss and blame in one call, and the step in another."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from nnlite._threads import Hold, allowed
from nnlite.core.aliases import AnyArray, Array, Value
from nnlite.core.optimizers import Optimizer
from nnlite.core.parameters import Parameters
from nnlite.data.checks import is_own
from nnlite.data.row_weights import sum_and_rows
from nnlite.errors.layers import wrong_dy
from nnlite.jit import losses, optimizers
from nnlite.jit.engine import Training, uncovered
from nnlite.training.batch_loop import BatchLoop
from nnlite.training.random_states import Generators
from nnlite.training.sources import Arrays

__all__ = ["SPARSE", "SteppedLoop"]

#: Why NumPy makes the steps of sparse inputs.
SPARSE = "X is sparse"
#: What of an optimizer changes while it trains; all else a program is written with.
CHANGING = frozenset(("steps", "rate_factor", "_learning_rate", "_schedule", "_time"))


class SteppedLoop(BatchLoop):
    """The loop of `fit` with a compiled gradient, and a compiled step.

    What has no kernel runs through NumPy: a loss or an optimizer by itself, a layer with all the others.

    Attributes
    ----------
    uncompiled : str
        Why all runs through NumPy; empty if it does not.
    loss : Loss
        That of the present epoch.
    threads : int
        How many may go through a program.
    """

    compiles = True
    uncompiled = ""
    loss: Any
    threads = 1
    #: The program, and what it was written for.
    engine: Any = None
    written_for: Any = None
    #: What the gradient was computed of; None if NumPy has computed it.
    given: Any = None

    def equip(self, model: Any, loss: Any, optimizer: Optimizer) -> None:
        """Also keep the step that NumPy makes."""
        super().equip(model, loss, optimizer)
        self.numpy_step = self.step

    def settle_threads(self, blas: Hold) -> None:
        """Take all threads that are allowed, each with a BLAS of one."""
        if self.why_uncompiled():
            super().settle_threads(blas)
        self.threads = allowed()

    def why_uncompiled(self) -> str:
        """Say why all runs through NumPy, if it does."""
        if isinstance(self.data, Arrays) and hasattr(self.data.x, "matrix"):
            return SPARSE
        return uncovered(self.state.model)

    def choose_step(self) -> None:
        """Take the compiled step, if there is one."""
        has_step = not self.uncompiled and optimizers.covered(self.state.optimizer)
        self.step = self.compiled_step if has_step else self.numpy_step

    def prepare(
        self, x: Array, y: AnyArray, weighted: bool, batch: int, *, epochs: int = 0
    ) -> tuple[AnyArray, AnyArray]:
        """Write the program, or keep it if nothing has changed that it was written for.

        Parameters
        ----------
        x, y : ndarray
            Inputs and targets of a batch, or of all rows.
        weighted : bool
            Whether rows have weights.
        batch : int
            Rows in a batch, at most.
        epochs : int
            How many there are in a call; 0 for a step at a time.

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
        now = (tuple(map(id, arrays)), shapes, epochs, weighted, id(self.loss), kinds, self._settings())
        program = None if self.engine is None else self.engine.program
        if program is None or program.batch < batch or now != self.written_for or not program.is_current():
            make = partial(
                Training, state.model, self.loss, optimizer, x, y, batch=batch, kept=self.backup,
                weighted=weighted, keeps_outputs=self.keeps_outputs, epochs=epochs, threads=self.threads,
            )  # fmt: skip
            self.engine = self.make_engine(make, x, y, weighted, batch, epochs)
            self.written_for = now
        return x, y

    def make_engine(
        self, make: Callable[[], Training], x: AnyArray, y: AnyArray, weighted: bool, batch: int, epochs: int
    ) -> Any:
        """Write the program."""
        return make()

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

    def keys(self, count: int) -> AnyArray:
        """Draw what noise is made of in the next steps: the same numbers, however many at a time."""
        rng, nets = self.rng, self.params.replicas or 1
        if isinstance(rng, Generators):
            return np.stack([one.integers(2**63, size=count) for one in rng.each])
        return rng.integers(2**63, size=(count, nets)).T

    def gradient(self, x: Any, y: AnyArray, weight: Array | None) -> tuple[Array, Value, Value, Value]:
        """Fill ``params.grads`` for a batch; see the loop of the core."""
        state = self.state
        self.given = None
        if self.uncompiled or not isinstance(x, np.ndarray):
            if not self.uncompiled:
                state.history.engine = f"numpy: {SPARSE}"
            return super().gradient(x, y, weight)
        if weight is not None:
            x, y = self.stand_in(x, y, weight)
        rows = x.shape[state.model.boundary.row_axis(x)]
        self.given = x, y, weight is not None, max(rows, self._largest())
        own_x, own_y = self.prepare(*self.given)
        engine = self.engine
        assert engine is not None  # noqa: S101
        engine.take(own_x, own_y, rows)
        if engine.keys is not None:
            engine.keys[:, :1] = self.keys(1)
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

    def _largest(self) -> int:
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
            self.prepare(*self.given)
        engine = self.engine
        engine.rates.write(0, 1, optimizer.steps)
        engine.run(engine.backward_end, engine.end, engine.end, rows=1)
        object.__setattr__(optimizer, "steps", optimizer.steps + 1)
