"""Gradient accumulation: batches that go through the net in pieces, in the memory of one of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nnlite.core.aliases import AnyArray, Array, Value
from nnlite.core.layer import Layer
from nnlite.data.row_weights import sum_and_rows
from nnlite.errors import ArgumentError
from nnlite.training.batch_loop import BatchLoop

__all__ = ["PiecewiseBatchLoop", "count_rows"]


class PiecewiseBatchLoop(BatchLoop):
    """Training that goes through each batch in several pieces, and adds up their gradients.

    Parameters
    ----------
    accumulate : int
        How many pieces.
    where : str
        Names the argument that said so in messages.
    *given, **options : object
        See `Loop`.
    """

    def __init__(self, *given: Any, accumulate: int, where: str, **options: Any) -> None:
        super().__init__(*given, **options)
        self.accumulate, self.where = accumulate, where
        params = self.state.model.params
        self.pieces = np.zeros(params.grads.shape, params.dtype) if accumulate > 1 else None

    def gradient(self, x: Array, y: AnyArray, weight: Array | None) -> tuple[Array, Value, Value, Value]:
        """Fill ``params.grads``; see `BatchLoop.gradient`."""
        rows = count = count_rows(x, weight)
        if weight is not None:
            rows = float(self.mean_weight.divisor(*sum_and_rows(weight)))
        pred, total = self.add_pieces(x, y, weight, rows or 1.0)
        value = total / rows if rows else 0.0
        if not math.isfinite(value):
            self.diverged(False, x, y)
        return pred, value, rows, count

    def add_pieces(self, x: Array, y: AnyArray, weight: Array | None, whole: float) -> tuple[Array, float]:
        """Fill ``params.grads`` with a sum over the rows / `whole`; return outputs and the sum of losses."""
        grads = self.state.model.params.grads
        rows = x.shape[0]
        pieces = min(self.accumulate, rows)  # of one row each, if there are so many
        self.refuse_pieces()  # a callback may have unfrozen a layer
        if not rows:
            return self.add_nothing(x)
        if self.pieces is None:
            return self.add_piece(x, y, weight, whole)
        self.pieces.fill(0)
        preds, total = [], 0.0
        for index in range(pieces):
            part = slice(rows * index // pieces, rows * (index + 1) // pieces)
            pred, value = self.add_piece(x[part], y[part], None if weight is None else weight[part], whole)
            self.pieces += grads
            preds.append(pred)
            total += value
        grads[...] = self.pieces
        return np.concatenate(preds), total

    @property
    def mixing(self) -> Layer | None:
        """The first layer that mixes rows, if there is one."""
        return next((layer for _, layer in self.state.model.walk() if layer.mixes_rows), None)

    def refuse_pieces(self) -> None:
        """Refuse layers that compare the rows of a batch, if they are to see a piece of it at a time."""
        if self.accumulate > 1 and (layer := self.mixing) is not None:
            raise ArgumentError(
                self.where,
                f"1, for a model with {layer}, which compares the rows of a whole batch",
                f"{self.accumulate}",
                "Leave accumulate out, or write LayerNorm in its place, which looks at each row alone.",
            )

    def add_nothing(self, x: Array) -> tuple[Array, float]:
        """Do so where no row counts, of which a loss need not know anything."""
        model = self.state.model
        model.params.grads.fill(0)
        if self.mixing is not None:  # it asks the other ranks for what is in their rows, and they ask it
            self.ctx.rows.weight = None
            model._backward(model._forward(x[:0], self.ctx), self.ctx)
        return np.zeros(model.boundary.pred_shape(x), model.params.dtype), 0.0

    def add_piece(self, x: Array, y: AnyArray, weight: Array | None, whole: float) -> tuple[Array, float]:
        """Do so for one piece."""
        state = self.state
        params = state.model.params
        count = count_rows(x, weight)
        if not count:
            return self.add_nothing(x)
        if weight is not None:
            x, y = state.model.boundary.in_place_of_others(x, y, weight)
            self.ctx.rows.weight = weight
        pred = state.model._forward(x, self.ctx)
        value, dy = state.loss.value_and_grad(pred, y, weight)
        # A new array: a loss of one's own may keep the one that it gave.
        state.model._backward(np.multiply(dy, count / whole, dtype=params.dtype), self.ctx)
        return pred, float(value) * count


def count_rows(x: Array, weight: Array | None) -> float:
    """Return how many rows there are, or the sum of their weights.

    Examples
    --------
    >>> count_rows(np.ones((2, 3)), None), count_rows(np.ones((2, 3)), np.array([0.5, 2.0]))
    (2.0, 2.5)
    """
    return float(x.shape[0]) if weight is None else float(weight.sum(dtype=np.float64))
