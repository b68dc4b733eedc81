"""Many tiny nets at a time: the net is the innermost axis, so that one instruction serves several of them.

Of a net of a few dozen weights the loops over neurons are too short for a processor that adds and multiplies
sixteen numbers at once. Where the same loops run over nets they are as long as one likes. So nets are put
side by side in *groups*; a group is what the machine takes for a net, and a *lane* of it is one of ours.
Numbers move there before some steps and back behind them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlite.core.aliases import AnyArray, Array
from nnlite.core.losses import Loss
from nnlite.core.parameters import Parameters
from nnlite.jit import losses, optimizers
from nnlite.jit.engine import Plan, copy_rows, gather
from nnlite.jit.functions import exp, expm1, log1p
from nnlite.jit.kernel import (
    NET,
    START,
    STEP,
    TEAM,
    THREAD,
    Operand,
    each,
    every,
    flat,
    part,
    rows,
    whole,
    word,
)
from nnlite.jit.kernel import batch as of_epoch
from nnlite.jit.layers import activations, composition, dense
from nnlite.jit.machine import Job
from nnlite.jit.native import at, loops, named
from nnlite.jit.program import Backward, Program
from nnlite.layers import Dense, LogSoftmax, Softmax
from nnlite.losses import SoftmaxCrossEntropy

__all__ = ["Lanes", "has_lanes"]

#: Nets in a group, at most, and of what number it is a multiple: what a register of 64 bytes holds.
WIDE, REGISTER = 64, 16
#: Replicas from which on groups pay, and weights of a matrix from which on loops are long enough without.
MANY, LARGE = 8, 400


# Kernels of which the last axis of all arrays is that of the lanes.


@loops
def gather_own(source, order, start, target):
    """Copy some rows, of each lane others."""
    n, columns, lanes = target.shape
    for i in range(n):
        for lane in range(lanes):
            row = order[lane, start + i]
            for j in range(columns):
                target[i, j, lane] = source[row, j]


@loops
def forward(x, W, b, y):
    """Compute ``y = x @ W + b`` of each lane."""
    n, inputs, lanes = x.shape
    for i in range(n):
        for j in range(len(b)):
            for lane in range(lanes):
                y[i, j, lane] = b[j, lane]
            for k in range(inputs):
                for lane in range(lanes):
                    y[i, j, lane] += x[i, k, lane] * W[k, j, lane]


@loops
def gradients(x, dy, dW, db):
    """Compute ``dW = x.T @ dy`` and the sum of dy over the rows, of each lane."""
    n, inputs, lanes = x.shape
    dW[:] = 0
    db[:] = 0
    for i in range(n):
        for j in range(len(db)):
            for lane in range(lanes):
                db[j, lane] += dy[i, j, lane]
            for k in range(inputs):
                for lane in range(lanes):
                    dW[k, j, lane] += x[i, k, lane] * dy[i, j, lane]


@loops
def backward(dy, W, dx):
    """Compute ``dx = dy @ W.T`` of each lane."""
    n, outputs, lanes = dy.shape
    for i in range(n):
        for k in range(len(W)):
            for lane in range(lanes):
                dx[i, k, lane] = 0
            for j in range(outputs):
                for lane in range(lanes):
                    dx[i, k, lane] += dy[i, j, lane] * W[k, j, lane]


def _dense(layer: Dense, prefix: str, x: Array, program: Program) -> tuple[Array, Backward]:
    W, dW = program.values(f"{prefix}W"), program.grads(f"{prefix}W")
    lanes = W.shape[-1]
    if layer.bias:
        b, db = program.values(f"{prefix}b"), program.grads(f"{prefix}b")
    else:
        b, db = (program.array(layer.out_features, lanes) for _ in range(2))
    y = program.buffer(layer.out_features)
    shared = x.ndim == 3  # the input of the net, of which all lanes have the same
    if shared:  # as one net of so many times the neurons; by loops, for the bits must not tell how many

        def wide(array: Array) -> Array:
            return array.reshape(*array.shape[:-2], -1)

        operands = (every(x), whole(wide(W)), whole(wide(b)), every(wide(y)), word(0))
        none = whole(program.array(0))
        program.add(dense.forward, *operands, none, THREAD, TEAM)
    else:
        program.add(forward, rows(x), whole(W), whole(b), rows(y))

    def back(dy: Array, needed: bool) -> Array:
        if shared:
            program.add(
                dense.gradients, every(x), every(wide(dy)), whole(wide(dW)), whole(wide(db)), word(0),
                whole(program.array(0)), THREAD, TEAM,
            )  # fmt: skip
        else:
            program.add(gradients, rows(x), rows(dy), whole(dW), whole(db))
        if not needed:
            return dy
        dx = program.like(x)
        program.add(backward, rows(dy), whole(W), rows(dx))
        return dx

    return y, back


#: What writes layers; those of single numbers do not ask which axis is which.
WRITERS: dict[type, Any] = {
    Dense: _dense,
    **composition.WRITERS,
    **{layer: one for layer, one in activations.WRITERS.items() if layer not in (Softmax, LogSoftmax)},
}


def _pointwise(rule: Any) -> Any:
    """Make the kernel that averages a function of single numbers over the outputs of each row and lane."""

    def lanes(pred, target, share, paid, slope, a, b, factors):
        n, outputs, count = pred.shape
        kind = pred.dtype.type
        p, q = kind(a), kind(b)
        for i in range(n):
            own, part = kind(share[i] / outputs), share[i] / outputs
            for lane in range(count):
                paid[i, lane] = 0
            for j in range(outputs):
                factor = factors[j % factors.size]
                for lane in range(count):
                    t = at(target[i, j], lane)
                    there = t == t
                    value, change = rule(pred[i, j, lane], t, p, q, factor)
                    paid[i, lane] += np.float64(value) * part if there else 0.0
                    slope[i, j, lane] = change * own if there else kind(0)

    return loops(named(lanes, rule))


@loops
def class_ids(pred, target, share, paid, slope, smooth, high, others, logs):
    """Pay minus the logarithm of the probability of a class, as `losses.class_ids` does."""
    n, classes, lanes = pred.shape
    kind = pred.dtype.type
    one, each = kind(1), kind(smooth / classes)
    for i in range(n):
        own = kind(share[i])
        for lane in range(lanes):
            high[lane] = pred[i, 0, lane]
            others[lane] = kind(0)
            logs[lane] = kind(0)
        for j in range(1, classes):
            for lane in range(lanes):
                high[lane] = max(high[lane], pred[i, j, lane])
        for j in range(classes):
            if smooth > 0:
                for lane in range(lanes):
                    logs[lane] += pred[i, j, lane] - high[lane]
            for lane in range(lanes):
                slope[i, j, lane] = exp(pred[i, j, lane] - high[lane])
                others[lane] += slope[i, j, lane] if at(target[i], lane) != j else kind(0)
        for lane in range(lanes):
            known = 0 <= at(target[i], lane) < classes
            true = at(target[i], lane) if known else 0
            at_true = pred[i, true, lane] - high[lane]
            less = expm1(at_true) + others[lane]
            loss = log1p(less) - kind(1 - smooth) * at_true - each * logs[lane]
            paid[i, lane] = loss * share[i] if known else np.nan
            total = less + one
            slope[i, true, lane] = kind(smooth) * total - others[lane]
            logs[lane] = own / total
        for j in range(classes):
            for lane in range(lanes):
                slope[i, j, lane] = slope[i, j, lane] * logs[lane] - each * own


@loops
def add_up(paid, alive, found, step, group, loss):
    """Add up what all rows pay in each lane; the group's loss is a number if those of all nets alive are."""
    n, lanes = paid.shape
    lost = 0.0
    for lane in range(lanes):
        own = 0.0
        for i in range(n):
            own += paid[i, lane]
        found[step, group, lane] = own
        lost += own - own if alive[lane] else 0.0
    loss[0] = lost


class LaneProgram(Program):
    """A program whose nets are groups, with an axis of lanes behind all others.

    Parameters
    ----------
    params : Parameters
        The numbers of all nets.
    batch, steps : int
        As of a `Program`.
    groups, lanes : int
        How many groups there are, and nets in each.
    own : bool
        Whether a step moves each net at a rate of its own.

    Attributes
    ----------
    moved : list of (ndarray of shape (replicas, n), ndarray of shape (groups, n * lanes))
        What moves into groups before some steps and back behind them.
    """

    joins = False

    def __init__(
        self, params: Parameters, batch: int, *, steps: int, groups: int, lanes: int, own: bool
    ) -> None:
        self.groups, self.lanes, self.own = groups, lanes, own
        self.moved: list[tuple[Array, Array]] = []
        super().__init__(params, WRITERS, batch, steps=steps, training=True)
        self.nets = groups

    def per_net(self, array: Array) -> Array:
        """Make room for what is kept of each net, in groups."""
        found = np.zeros((self.groups, array.shape[1] * self.lanes), array.dtype)
        self.moved.append((array, found))
        return found

    def share(self, array: Array, some: slice) -> Operand:
        """Give a kernel of the update some numbers of all lanes, as a list or with an axis of lanes."""
        found = self._columns(array, some)
        return whole(found.reshape(self.groups, -1, self.lanes)) if self.own else part(found)

    def of_nets(self, numbers: AnyArray) -> Operand:
        """Give a kernel of the update a number that all nets share, or that of each lane."""
        return each(
            optimizers.in_groups(numbers, self.lanes)[:, None] if numbers.ndim else numbers.reshape(1, 1)
        )

    def _columns(self, array: Array, some: slice) -> Array:
        return array[:, some.start * self.lanes : some.stop * self.lanes]

    def _view(self, array: Array, name: str) -> Array:
        start, spec = self._places[name]
        some = self._columns(array, slice(start, start + spec.size))
        return some.reshape(self.groups, *spec.shape, self.lanes)

    def buffer(self, *sample: int, dtype: Any = None) -> Array:
        """Make room for a batch: (groups, batch, *sample, lanes)."""
        return super().buffer(*sample, self.lanes, dtype=dtype)

    def like(self, buffer: Array) -> Array:
        """Make room for a batch like another one."""
        return self.buffer(*buffer.shape[2:-1])

    def move_in(self) -> None:
        """Move the numbers of all nets into groups."""
        for ours, theirs in self.moved:
            grouped = theirs.reshape(self.groups, -1, self.lanes)
            grouped[...] = optimizers.in_groups(ours, self.lanes).swapaxes(1, 2)

    def take(self, some: AnyArray) -> list[Array]:
        """Return what there is of some nets."""
        found = []
        for ours, theirs in self.moved:
            lanes = theirs.reshape(self.groups, -1, self.lanes).swapaxes(1, 2)
            found.append(lanes.reshape(-1, ours.shape[1])[: len(ours)][some])
        return found

    def move_out(self, some: AnyArray, taken: list[Array]) -> None:
        """Move that back."""
        for (ours, _), array in zip(self.moved, taken, strict=True):
            ours[some] = array


def has_lanes(plan: Plan) -> bool:
    """Tell whether replicas can be trained side by side for whole epochs, and are so small that it pays."""
    params, loss, optimizer = plan.model.params, plan.loss, plan.optimizer
    layers = [layer for _, layer in plan.model.walk()[1:]]
    return (
        plan.epochs > 0
        and (params.replicas or 1) >= MANY
        and isinstance(plan.x, np.ndarray)
        and len(plan.x) == len(plan.y) == 1
        and not plan.own_share
        and not params.state_specs
        and max(spec.size for spec in params.specs) < LARGE
        and type(layers[0]) is Dense
        and all(type(layer) in WRITERS for layer in layers)
        and losses.covered(loss)
        and type(losses.inner(loss)) not in losses.ALONE
        and (type(loss) is not SoftmaxCrossEntropy or plan.y.ndim == 2)
        and optimizer.clip_norm is None
        and not plan.groups.settle()
    )


class Lanes:
    """The program of a training of many tiny nets; it is used as a `Training` is.

    Parameters
    ----------
    plan : Plan
        What it is written for; `has_lanes` is true of it.
    """

    pull = None

    def __init__(self, plan: Plan) -> None:
        model, loss, optimizer, x, y, batch, *_ = plan
        params = model.params
        self.nets = params.replicas or 1
        each = -(-self.nets // plan.threads)
        lanes = min(WIDE, -(-each // REGISTER) * REGISTER)
        groups = -(-self.nets // lanes)
        count = x.shape[1] * plan.epochs
        in_epoch = -(-x.shape[1] // batch)
        steps = in_epoch * plan.epochs
        # A function of the rate may give a number now, and one for each net later.
        own = callable(optimizer.learning_rate) or bool(
            np.ndim(optimizer.rate) or np.ndim(optimizer.weight_decay)
        )
        program = self.program = LaneProgram(params, batch, steps=steps, groups=groups, lanes=lanes, own=own)
        self.share = np.zeros((1, count))
        self.weight, self.keys = np.zeros((1, count)), None
        orders = np.zeros((groups, lanes, count) if plan.own_order else (1, 1, count), np.int64)
        self.order = orders.reshape(-1, count)[: self.nets]
        taken: list[AnyArray] = []
        for source in (x, y):
            in_line = source.reshape(*source.shape[:2], -1)
            if plan.own_order:
                buffer = program.buffer(*source.shape[2:], dtype=source.dtype)
                in_columns = buffer.reshape(groups, batch, -1, lanes)
                program.add(gather_own, whole(in_line), whole(orders), START, rows(in_columns))
            else:
                buffer = np.zeros((groups, batch, *source.shape[2:]), source.dtype)
                program.add(
                    gather, whole(in_line), of_epoch(orders[:, 0]), flat(buffer), word(in_line.shape[2])
                )
            taken.append(buffer)
        share = np.zeros((groups, batch))
        program.add(optimizers.copy, of_epoch(self.share), rows(share))
        pred, back = program.write(model, "", taken[0])
        dy = self._write_loss(loss, pred, taken[1], share, steps)
        self.outputs: AnyArray | None = None
        if plan.keeps_outputs:
            self._outputs = np.zeros((groups, count, *pred.shape[2:]), program.dtype)
            self.outputs = np.zeros((self.nets, count, *pred.shape[2:-1]), program.dtype)
            in_rows = pred.reshape(groups, batch, -1)
            program.add(copy_rows, rows(in_rows), of_epoch(self._outputs.reshape(groups, count, -1)))
        self.loss_end = len(program.operations)
        back(dy, False)
        self.rates = optimizers.Rates(
            optimizer, self.nets if own else groups, steps, lanes=lanes if own else 1
        )
        optimizers.write_step(optimizer, program, program.per_net(plan.kept), self.rates)
        self.end = len(program.operations)
        self.job = Job(
            program.table(),
            batch,
            self._value.reshape(-1),
            steps=steps,
            in_epoch=in_epoch,
            threads=plan.threads if groups > 1 else 1,
        )
        self.stopped = np.full(self.nets, -1)
        self.active = np.ones(self.nets, np.int64)

    def _write_loss(self, loss: Loss, pred: Array, target: AnyArray, share: Array, steps: int) -> Array:
        program = self.program
        inner: Any = losses.inner(loss)
        paid, slope = program.buffer(dtype=np.float64), program.like(pred)
        kernel, given = losses.WRITERS[type(inner)](inner, program, pred, target)
        if type(inner) is SoftmaxCrossEntropy:
            kernel, given = class_ids, (*given, *(whole(program.array(program.lanes)) for _ in range(3)))
        else:
            kernel = _KERNELS[kernel]
        program.add(kernel, rows(pred), rows(target), rows(share), rows(paid), rows(slope), *given)
        self._value = program.array(1, dtype=np.float64)
        self._alive = program.array(program.lanes, dtype=np.int64)
        found = np.zeros((1, steps, program.groups, program.lanes))
        self.losses = found.reshape(steps, -1).T[: self.nets]
        program.add(add_up, rows(paid), whole(self._alive), whole(found), STEP, NET, whole(self._value))
        return slope

    def look_at_ids(self) -> None:
        """No layer in lanes takes ids."""

    def run(self, begin: int, check: int, end: int, *, rows: int, first: int = 0, last: int = 1) -> None:
        """Make some steps; a net whose loss is no number is left behind, and its group goes on without it."""
        program, job, some = self.program, self.job, self.active != 0
        self._alive[...] = optimizers.in_groups(some, program.lanes)
        self.stopped[:] = -1
        left: list[tuple[AnyArray, list[Array]]] = []
        program.move_in()
        job.active[:] = self._alive.any(axis=1)
        job.run(begin, check, end, rows=rows, first=first, last=last)
        for group, step in enumerate(job.stopped.tolist()):
            job.active[:] = np.arange(program.groups) == group
            while step >= 0:
                here = (np.arange(self.nets) // program.lanes == group) & some & (self.stopped < 0)
                lost = here & ~np.isfinite(self.losses[:, step])
                self.stopped[lost] = step
                left.append((lost, program.take(lost)))
                self._alive[...] = optimizers.in_groups(some & (self.stopped < 0), program.lanes)
                job.active[group] = self._alive[group].any()
                job.run(begin, check, end, rows=rows, first=step, last=last)
                step = job.stopped.item(group)
        here = some & (self.stopped < 0)
        for nets, taken in (*left, (here, program.take(here))):
            program.move_out(nets, taken)
        if self.outputs is not None:
            now = slice(first * program.batch, last * program.batch)
            lanes = np.moveaxis(self._outputs[:, now], -1, 1)
            self.outputs[some, now] = lanes.reshape(-1, *lanes.shape[2:])[: self.nets][some]


#: By the kernel of a single net, that of lanes.
_KERNELS = {losses.KERNELS[rule]: _pointwise(rule) for rule in losses.KERNELS}
