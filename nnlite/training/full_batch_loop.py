"""Training by optimizers that look at the loss over all data as one function."""

from __future__ import annotations

import math

import numpy as np

from nnlite.core.aliases import Array
from nnlite.optimizers.second_order import FullBatchOptimizer
from nnlite.training.loop import Loop
from nnlite.training.per_example import outputs_and_jacobian
from nnlite.training.sources import Batch

__all__ = ["FullBatchLoop"]


class FullBatchLoop(Loop):
    """Training by L-BFGS or Levenberg-Marquardt, where an epoch is one iteration; see `Loop`.

    Attributes
    ----------
    begin_anew : bool
        Set while an iteration ends, to end the search behind it and begin another one there.
    """

    begin_anew = False

    def train(self, optimizer: FullBatchOptimizer) -> None:
        """Hand the loss over all data to an optimizer that looks at it as one function."""
        state = self.state
        epochs = self.epochs()
        if not epochs:
            optimizer._begin()  # or the next training would go on from what it took from the checkpoint
            return
        now = self.begin_epoch(epochs[0])

        def end_epoch(value: float) -> None:
            metrics = self.measure(self.data, "training data", loss=None) if self.metrics else {}
            self.end_epoch(value, metrics, now)

        def on_iteration(value: float) -> bool:
            nonlocal now
            end_epoch(value)
            if state.stop_reason or state.epoch == state.epochs:
                return bool(state.stop_reason)
            self.groups.check(optimizer)  # which a callback may have changed
            now = self.begin_epoch(state.epoch + 1)
            return self.begin_anew

        evaluate = _Residuals(self) if optimizer.least_squares else self.full_loss
        while True:
            self.begin_anew = False
            reason = optimizer.minimize(
                state.model.params,
                evaluate,
                max_iterations=state.epochs - len(state.history),
                on_iteration=on_iteration,
            )
            if not self.begin_anew or state.stop_reason or len(state.history) >= state.epochs:
                break
            # As a training does that goes on from the checkpoint just written.
            optimizer.load_state_dict(optimizer.state_dict())
        if not state.history.rows:  # at the minimum from the start: there was nothing to iterate
            end_epoch(self.full_loss())
        if len(state.history) < state.epochs:
            state.stop(reason)

    def full_loss(self) -> float:
        """Compute the loss and the gradient over all data."""
        state = self.state
        grads, total, count = self.add_up()
        count = count or 1.0  # if no row counts, the loss is 0
        state.model.params.grads[...] = grads / count
        self.stepped = True
        state.batch_loss, state.batch_rows = total / count + self.groups.penalize(), count
        for hook in self.hooks["on_grad_computed"]:
            hook(state)
        return float(state.batch_loss)

    def add_up(self) -> tuple[Array, float, float]:
        """Return the sums over all rows of the gradient, of the loss, and of the weights."""
        state = self.state
        model, params = state.model, state.model.params
        grads = np.zeros_like(params.grads)
        total = count = 0.0
        bad = None
        for number, (x, y, weight) in enumerate(self.data, start=1):
            state.batch = number
            if not x.shape[0]:  # the share of a batch with fewer rows than there are to share it
                continue
            value = model._loss_and_grad(x, y, weight, state.loss, self.ctx)
            if not math.isfinite(float(value)):
                bad = x, y
                break
            rows = x.shape[0] if weight is None else float(weight.sum())
            total += float(value) * rows
            count += rows
            grads += params.grads * rows
        self.refuse(bad)
        return grads, total, count

    def add_weights(self, total: float) -> float:
        """Return the sum of the weights of all rows, of which some may be elsewhere."""
        return total

    def join_rows(self, rows: Array) -> Array:
        """Return what was computed for all rows, of which some may be elsewhere."""
        return rows


class _Residuals:
    """The mean squared error over all data as a sum of squares, one for each output of each row.

    It is computed in float64, on a copy of the model: what remains of a good fit is a small
    difference of large numbers.
    """

    def __init__(self, loop: FullBatchLoop) -> None:
        self.loop = loop
        self.model = loop.state.model._in_float64()
        # Copies: the same rows in the same order in every pass, which a stream does not promise.
        copies = [
            (
                x.astype(np.float64),
                y.astype(np.float64),
                np.ones(x.shape[0]) if weight is None else weight.astype(np.float64),
            )
            for x, y, weight in map(self._in_place_of_others, loop.data)
            if x.shape[0]
        ]
        # If no row counts, the loss is 0.
        total = loop.add_weights(sum(float(weight.sum()) for _, _, weight in copies)) or 1.0
        self.batches = [(x, y, np.sqrt(weight[:, None] / (total * y.shape[-1]))) for x, y, weight in copies]

    def __call__(self, values: Array, with_jacobian: bool) -> tuple[Array, Array | None]:
        """Compute the residuals, and the Jacobian if asked."""
        self.model.params.values[...] = values
        residuals: list[Array] = [np.zeros(0)]
        jacobians: list[Array] = []
        bad = None
        for number, (x, y, scale) in enumerate(self.batches, start=1):
            self.loop.state.batch = number
            if not with_jacobian:
                residuals.append((scale * (self.model._forward(x) - y)).reshape(-1))
                continue
            pred, jacobian = outputs_and_jacobian(self.model, x)
            # A step that leads to where nothing is finite is not taken; a place to step from is needed.
            if not (np.isfinite(pred).all() and np.isfinite(jacobian).all()):
                bad = x, y
                break
            residuals.append((scale * (pred - y)).reshape(-1))
            jacobian *= scale[..., None]
            jacobians.append(jacobian.reshape(-1, self.model.params.size))
        if not with_jacobian:
            return self.loop.join_rows(np.concatenate(residuals)), None
        self.loop.refuse(bad)
        self.loop.stepped = True
        # A single one without a copy, which may be a gigabyte.
        rows = jacobians[0] if len(jacobians) == 1 else self._stack(jacobians)
        return self.loop.join_rows(np.concatenate(residuals)), self.loop.join_rows(rows)

    def _in_place_of_others(self, batch: Batch) -> Batch:
        """Put rows that count in the place of those of weight 0, where 0 times an overflow is no number."""
        x, y, weight = batch
        if weight is not None and x.shape[0]:
            x, y = self.model.boundary.in_place_of_others(x, y, weight)
        return x, y, weight

    def _stack(self, jacobians: list[Array]) -> Array:
        return np.concatenate([np.zeros((0, self.model.params.size)), *jacobians])
