"""Training by a program, a step at a time: forward, loss and blame in one call, and the step in another."""

from __future__ import annotations

from operator import is_
from typing import Any

import numpy as np

from nnlite._threads import Hold, allowed
from nnlite.core.aliases import AnyArray, Array, Value
from nnlite.core.optimizers import Optimizer
from nnlite.core.parameters import Parameters
from nnlite.data.checks import is_own
from nnlite.data.lazy import SparseRows
from nnlite.data.row_weights import sum_and_rows
from nnlite.errors.layers import wrong_dy
from nnlite.jit import optimizers
from nnlite.jit.engine import Plan, Training, uncovered
from nnlite.layers import Dense
from nnlite.training.batch_loop import BatchLoop
from nnlite.training.callbacks import OfSteps
from nnlite.training.random_states import Generators
from nnlite.training.sources import Arrays

__all__ = ["SPARSE", "SteppedLoop"]

#: Why NumPy makes the steps of sparse inputs.
SPARSE = "X is sparse"


class SteppedLoop(BatchLoop):
    """The loop of `fit` with a compiled gradient, and a compiled step.

    What has no kernel runs through NumPy: a loss or an optimizer by itself, a layer with all the others.

    Attributes
    ----------
    uncompiled : str
        Why all runs through NumPy; empty if it does not.
    loss : Loss
        That of the present epoch.
    has_loss, has_step : bool
        Whether there are kernels for it, and for the optimizer.
    threads : int
        How many may go through a program.
    blas : Hold
        Holds the BLAS to one thread.
    """

    compiles = True
    uncompiled = ""
    loss: Any = None
    has_loss = has_step = False
    threads = 1
    blas: Hold
    #: The program, and what it was written for and with.
    engine: Any = None
    written_for: Any = None
    written_with: list[Any]
    #: For how many rows, all with the same share, the shares are written.
    shared = 0
    #: What the gradient was computed of; None if NumPy has computed it.
    given: Any = None

    def equip(self, model: Any, loss: Any, optimizer: Optimizer) -> None:
        """Also keep the step that NumPy makes."""
        super().equip(model, loss, optimizer)
        self.numpy_step = self.step
        self.uncompiled = self.why_uncompiled()
        self.state.history.engine = f"numpy: {self.uncompiled}" if self.uncompiled else "jit"
        if self.uncompiled:
            super().settle_threads(self.blas)
        self.has_step = optimizers.covered(optimizer)

    def settle_threads(self, blas: Hold) -> None:
        """Take all threads that are allowed, each with a BLAS of one; for NumPy `equip` settles more."""
        self.blas = blas
        self.threads = allowed()

    def why_uncompiled(self) -> str:
        """Say why all runs through NumPy, if it does."""
        if self.is_sparse() and type(self.state.model.layers[0]) is not Dense:
            return SPARSE
        return uncovered(self.state.model)

    def of_steps(self) -> list[OfSteps]:
        """Return the callbacks that need not be called in each batch of whole epochs."""
        owners = [getattr(hook, "__self__", None) for hook in self.hooks["on_grad_computed"]]
        return [one for one in owners if isinstance(one, OfSteps)]

    def is_sparse(self) -> bool:
        """Tell whether the inputs are the rows of a sparse matrix, in memory."""
        return type(self.data) is Arrays and isinstance(self.data.x, SparseRows)

    def choose_step(self) -> None:
        """Take the compiled step, if there is one."""
        self.step = self.compiled_step if self.has_step and not self.uncompiled else self.numpy_step

    def prepare(
        self, x: Any, y: AnyArray, weighted: bool, batch: int, *, epochs: int = 0
    ) -> tuple[Any, AnyArray]:
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
        sparse = not isinstance(x, np.ndarray)
        x = x if sparse or edge.row_axis(x) else x[None]
        y = y if own else y[None]
        if y.dtype.kind in "iub":
            y = y.astype(np.int64, copy=False)
        if self.has_step and (
            params.trainable_slices is not optimizer._slices or optimizer.slots != optimizer._attached
        ):
            optimizer._attach(params)
        program = None if self.engine is None else self.engine.program
        pulled = epochs > 0 and any(one.pull for one in self.of_steps())
        now = (
            x.matrix.dtype if sparse else x.dtype,
            sparse,
            x.shape[2:],
            y.dtype,
            y.shape[2:],
            epochs,
            weighted,
            pulled,
            self.has_loss,
            self.has_step,
        )
        if program is not None and not epochs and program.batch < batch:
            batch = max(batch, 2 * program.batch)  # batches may grow with each step
        if program is None or program.batch < batch or now != self.written_for or not self._is_current():
            own_order = epochs > 0 and isinstance(self.data.rng, Generators)
            plan = Plan(
                state.model, self.loss, optimizer, x, y, batch=batch, kept=self.backup,
                weighted=weighted, keeps_outputs=self.keeps_outputs, epochs=epochs, threads=self.threads,
                pulled=pulled, own_order=own_order,
                own_share=weighted and epochs > 0 and (own_order or self.data.weight.ndim > 1),
                groups=self.groups,
            )  # fmt: skip
            self.engine = self.make_engine(plan)
            self.written_for, self.written_with = now, self._parts()
            self.shared = 0
        return x, y

    def _parts(self) -> list[Any]:
        """Return what a program knows the places of, or was chosen by, and others may have replaced."""
        optimizer: Any = self.state.optimizer
        kinds = type(optimizer._learning_rate), type(optimizer.rate_factor)  # or one for each replica
        groups = self.groups.penalized, self.groups.factors, self.groups.bounded
        return [
            self.data,
            self.loss,
            self.params.trainable_slices,
            *groups,
            *kinds,
            *optimizer.state.values(),
        ]

    def _is_current(self) -> bool:
        """Tell whether the program is what would be written now."""
        parts = self._parts()
        return (
            len(parts) == len(self.written_with)
            and all(map(is_, parts, self.written_with))
            and self.engine.program.is_current()
        )

    def make_engine(self, plan: Plan) -> Any:
        """Write the program."""
        return Training(plan)

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
        rows: Any = x.shape[state.model.boundary.row_axis(x)]
        most = self.data.batch_size if isinstance(self.data, Arrays) else 0
        self.given = x, y, weight is not None, max(rows, most)
        own_x, own_y = self.prepare(*self.given)
        engine = self.engine
        engine.take(own_x, own_y, rows)
        if engine.keys is not None:
            engine.keys[:, :1] = self.keys(1)
        divisor, count = rows, rows
        if weight is not None:
            count, divisor = self._weigh_rows(weight, rows)
        elif rows != self.shared:
            engine.row_share[:, :rows] = 1 / rows
            self.shared = rows
        single = self.params.replicas is None
        if not single:
            engine.active[:] = state.active
        pred = engine.pred[0, :rows] if single else engine.pred[:, :rows]
        if engine.has_loss:
            engine.run(engine.load, engine.loss_end, engine.backward_end, rows=rows)
            value: Any = engine.losses.item(0) if single else engine.losses[:, 0].copy()
            if (engine.stopped >= 0).any():
                self.check_targets(x, y)
                self.diverged(engine.stopped < 0, x, y)
        else:
            engine.run(engine.load, engine.forward_end, engine.forward_end, rows=rows)
            pred = pred.copy()  # a loss of a user's own may keep it
            value, divisor, count = self._numpy_loss(x, y, weight, pred, divisor)
            engine.run(engine.loss_end, engine.backward_end, engine.backward_end, rows=rows)
        if weight is not None and not np.all(count):  # no row of the batch counts: nothing could stand in
            self.params.grads[np.equal(count, 0)] = 0
        return pred.copy() if self.keeps_outputs else pred, value, divisor, count

    def check_targets(self, x: Any, y: AnyArray) -> None:
        """Let the loss say what is wrong with the targets of a batch whose loss is no number."""
        pred = np.zeros(self.state.model.boundary.pred_shape(x), self.params.dtype)
        self.value_and_grad(pred, y)

    def _weigh_rows(self, weight: Array, rows: int) -> tuple[Value, Value]:
        """Write the shares of the rows of a batch; return what it counts for, and what divides its loss."""
        count, counting = sum_and_rows(weight)
        divisor = self.mean_weight.divisor(count, counting)
        self.engine.row_weight[:, :rows] = weight
        self.engine.row_share[:, :rows] = weight / np.reshape(np.where(divisor, divisor, 1), (-1, 1))
        self.shared = 0
        return count, divisor

    def _numpy_loss(
        self, x: Array, y: AnyArray, weight: Array | None, pred: Array, rows: Value
    ) -> tuple[Value, Value, Value]:
        """Compute loss and slope by a loss that has no kernel."""
        self.ctx.rows.weight = weight
        value, dy = self.value_and_grad(pred, y, weight)
        if dy.shape != pred.shape:
            raise wrong_dy(self.state.model, dy.shape, pred.shape)
        divisor, count = rows, rows
        if weight is not None:
            value, dy, divisor, count = self.part_of_all(pred, y, weight, value, dy)
        if not np.isfinite(value).all():
            self.diverged(np.isfinite(value), x, y)
        self.engine.dy[:, : pred.shape[-2]] = dy
        return value, divisor, count

    def compiled_step(self, params: Parameters) -> None:
        """Move all trainable parameters once, as ``optimizer.step`` does."""
        if self.given is None:  # NumPy has computed the gradient
            self.numpy_step(params)
            return
        if self.hooks["on_grad_computed"]:  # where something may have been set
            self.prepare(*self.given)
        engine = self.engine
        optimizer: Any = self.state.optimizer
        engine.rates.write(0, 1, optimizer.steps)
        engine.job.forget()
        try:
            engine.run(engine.backward_end, engine.end, engine.end, rows=1)
        except BaseException:  # as a handler of signals raises, which may be behind the step
            vars(optimizer)["steps"] += int(engine.job.made)
            raise
        vars(optimizer)["steps"] += 1
