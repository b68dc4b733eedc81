"""A net, its loss and its optimizer as one program, and what of them has no kernel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from nnlite.core.aliases import AnyArray, Array
from nnlite.core.losses import Loss
from nnlite.core.optimizers import Optimizer
from nnlite.jit import losses, optimizers
from nnlite.jit.kernel import batch as batch_of
from nnlite.jit.kernel import flat, rows, whole, word
from nnlite.jit.layers.table import WRITERS
from nnlite.jit.machine import Job
from nnlite.jit.native import in_rows, loops
from nnlite.jit.program import Program, SparseBatch, is_as_shipped
from nnlite.layers import Embedding, TokenEmbedding
from nnlite.model import Sequential
from nnlite.training.inside import at_the_front

__all__ = ["Plan", "Training", "columns_at_front", "refuse_ids", "uncovered"]

#: Multiplications of a step from which on threads share it: with fewer they wait for each other too long.
SHARED = 5_000_000


@loops
def gather(source, order, target, columns):
    """Copy some rows."""
    target = in_rows(target, columns)
    for i in range(order.size):
        row = order[i]
        for j in range(columns):
            target[i, j] = source[row, j]


@loops
def copy_rows(source, target):
    """Copy rows as they come."""
    for i in range(len(source)):
        for j in range(source.shape[1]):
            target[i, j] = source[i, j]


def uncovered(model: Sequential) -> str:
    """Name a layer that has no kernel, or none where it stands.

    Parameters
    ----------
    model : Sequential
        Any.

    Returns
    -------
    str
        Empty if all have one.
    """
    front = columns_at_front(model)
    for _, layer in model.walk():
        if not is_as_shipped(layer, WRITERS):
            return f"{type(layer).__name__} has no kernel"
        if type(layer) in (Embedding, TokenEmbedding) and id(layer) not in front:
            return f"{type(layer).__name__} has a kernel at the beginning of a net only"
    return ""


def columns_at_front(model: Sequential) -> dict[int, list[int] | None]:
    """Return which columns of the input each layer gets that gets some as they are, by its `id`."""
    return {id(layer): columns for _, layer, columns in at_the_front(model)}


def refuse_ids(program: Program, columns: Mapping[int, list[int] | None], x: AnyArray) -> None:
    """Refuse ids that are none, among some inputs: a kernel would not see it.

    Parameters
    ----------
    program : Program
        Has the layers that take ids.
    columns : mapping of int to list of int or None
        What `columns_at_front` gave of its net.
    x : ndarray of shape (nets or 1, rows, ...)
        The inputs.

    Raises
    ------
    ArgumentError
        If a layer finds one.
    """
    lines = x.reshape(*x.shape[:2], -1)
    for layer, _ in program.ids:
        chosen = columns[id(layer)]
        layer._rows(lines if chosen is None else lines[..., chosen])


def _sparse_batch(x: Any, program: Program) -> SparseBatch:
    """See the rows of a CSR matrix as a batch."""
    matrix = x.matrix
    arrays = (matrix.indptr, matrix.indices, matrix.data)
    starts, columns, values = (array[None] for array in arrays)
    return SparseBatch(starts, columns, values, program.buffer(dtype=np.int64))


class Plan(NamedTuple):
    """What a program is written for.

    Parameters
    ----------
    model : Sequential
        The net.
    loss : Loss
        What is lowered; one that has no kernel is left out of the program.
    optimizer : Optimizer
        Likewise.
    x, y : ndarray of shape (nets or 1, rows, ...)
        Inputs and targets of all rows, or, one step at a time, of a batch.
    batch : int
        Rows in a batch, at most.
    kept : ndarray
        Where numbers from before a step are kept; laid out as those of the net.
    weighted : bool
        Whether rows may count for more than others.
    keeps_outputs : bool
        Whether the predictions of an epoch are wanted.
    epochs : int
        How many there may be in a call, one behind the other in all arrays; 0 for a step at a time.
    threads : int
        How many there may be.
    pulled : bool
        Whether a callback adds a penalty on the weights, see `optimizers.write_penalty`.
    own_order, own_share : bool
        Whether each net takes the rows in an order of its own, and they count for something else in each.
    """

    model: Sequential
    loss: Loss
    optimizer: Optimizer
    x: Any
    y: AnyArray
    batch: int
    kept: Array
    weighted: bool
    keeps_outputs: bool
    epochs: int
    threads: int
    pulled: bool
    own_order: bool
    own_share: bool


class Training:
    """The program of a training.

    Parameters
    ----------
    plan : Plan
        What it is written for.

    Attributes
    ----------
    order : ndarray of int64, (nets or 1, rows)
        In which order the epochs take them.
    share : ndarray of float64, (nets or 1, rows)
        The share of each row of the epoch, in that order, in the loss of its batch.
    weight : ndarray of shape (nets or 1, rows)
        Its weight.
    outputs : ndarray of shape (nets, rows, ...) or None
        The predictions of an epoch, in that order.
    keys : ndarray of int64, (nets, steps), or None
        What noise is made of in each step.
    losses : ndarray of float64, (nets, steps)
        The loss of each step.
    pull, penalties : ndarray of float64, (nets, steps), or None
        How strong the penalty is in each step, and what it comes to.
    """

    def __init__(self, plan: Plan) -> None:
        model, loss, optimizer, x, y, batch, *_ = plan
        epochs = plan.epochs
        whole, sparse = epochs > 0, not isinstance(x, np.ndarray)
        self.rows = x.shape[0] if sparse else x.shape[1]
        in_epoch = -(-self.rows // batch) if whole else 1
        steps = in_epoch * max(epochs, 1)
        self._columns = columns_at_front(model)
        program = self.program = Program(
            model.params, WRITERS, batch, steps=steps, threads=plan.threads, training=True
        )
        self.x: Any = _sparse_batch(x, program) if sparse else program.buffer(*x.shape[2:], dtype=x.dtype)
        self.y = program.buffer(*y.shape[2:], dtype=y.dtype)
        self.row_share = program.buffer(dtype=np.float64)
        self.row_weight = program.row_weight = program.buffer() if plan.weighted else None
        self.outputs = None
        if whole:
            self._write_loading(plan)
        self.load = len(program.operations)
        self.pred, backward = program.write(model, "", self.x)
        self.forward_end = len(program.operations)
        self.has_loss = losses.covered(loss)
        if self.has_loss:
            value, self.dy = losses.write_loss(loss, program, self.pred, self.y, self.row_share)
        else:
            value, self.dy = program.array(1, dtype=np.float64), program.like(self.pred)
        if whole and plan.keeps_outputs:
            self.outputs = np.zeros((program.nets, self.rows, *self.pred.shape[2:]), program.dtype)
            program.add(copy_rows, rows(self.pred), batch_of(self.outputs))
        self.loss_end = len(program.operations)
        backward(self.dy, False)
        self.pull = np.zeros((program.nets, steps)) if plan.pulled else None
        self.penalties = None if self.pull is None else optimizers.write_penalty(program, self.pull)
        self.backward_end = len(program.operations)
        self.rates = optimizers.Rates(optimizer, model.params.replicas, steps)
        if optimizers.covered(optimizer):
            optimizers.write_step(optimizer, program, program.per_net(plan.kept), self.rates)
        self.end = len(program.operations)
        self.keys = program.keys
        alone = program.nets == 1 and 3 * program.work < SHARED
        self.job = Job(
            program.table(),
            batch,
            value.reshape(-1),
            steps=steps,
            in_epoch=in_epoch,
            threads=1 if alone else plan.threads,
        )
        self.losses, self.stopped, self.active = self.job.losses, self.job.stopped, self.job.active

    def _write_loading(self, plan: Plan) -> None:
        """Write how a batch is taken from all rows."""
        program = self.program
        self._all_x = plan.x
        count, shares = self.rows * plan.epochs, program.nets if plan.own_share else 1
        self.order = np.zeros((program.nets if plan.own_order else 1, count), np.int64)
        self.share = np.zeros((shares, count))
        self.weight = None if self.row_weight is None else np.zeros((shares, count), program.dtype)
        pairs = [(plan.x, self.x), (plan.y, self.y)]
        if isinstance(self.x, SparseBatch):
            del pairs[0]
            program.add(optimizers.copy, batch_of(self.order), rows(self.x.rows))
        for source, target in pairs:
            in_line = source.reshape(*source.shape[:2], -1)
            program.add(gather, whole(in_line), batch_of(self.order), flat(target), word(in_line.shape[2]))
        program.add(optimizers.copy, batch_of(self.share), rows(self.row_share))
        if self.row_weight is not None:
            program.add(optimizers.copy, batch_of(self.weight), rows(self.row_weight))  # type: ignore[arg-type]

    def take(self, x: AnyArray, y: AnyArray, count: int) -> None:
        """Take a batch of so many rows, with an axis of nets in front."""
        self.x[:, :count], self.y[:, :count] = x, y
        if self.program.ids:
            refuse_ids(self.program, self._columns, self.x[:, :count])

    def look_at_ids(self) -> None:
        """Refuse ids that are none, among all inputs: a kernel would not see it."""
        if self.program.ids:
            refuse_ids(self.program, self._columns, self._all_x)

    def run(self, begin: int, check: int, end: int, *, rows: int, first: int = 0, last: int = 1) -> None:
        """Go through some operations; see `Job.run`."""
        self.job.run(begin, check, end, rows=rows, first=first, last=last)
