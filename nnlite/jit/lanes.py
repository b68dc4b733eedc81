"""Many tiny nets at a time: the net is the innermost axis, so that one instruction serves several of them.

Of a net of a few dozen weights the loops over neurons are too short for a processor that adds and multiplies
sixteen numbers at once. Where the same loops run over nets they are as long as one likes. So nets are put
side by side in *groups*; a group is what the machine takes for a net, and a *lane* of it is one of ours.
Numbers move there before some steps and back behind them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nnlite.core.aliases import AnyArray, Array
from nnlite.core.losses import Loss
from nnlite.core.optimizers import Optimizer
from nnlite.core.parameters import Parameters
from nnlite.jit import losses, optimizers
from nnlite.jit.engine import Training, copy_rows, gather
from nnlite.jit.functions import exp, expm1, log1p
from nnlite.jit.kernel import STEP, TEAM, THREAD, every, flat, rows, whole, word
from nnlite.jit.kernel import batch as of_epoch
from nnlite.jit.layers import activations, composition, dense
from nnlite.jit.machine import Job
from nnlite.jit.native import loops, named
from nnlite.jit.program import Backward, Program
from nnlite.layers import Dense, LogSoftmax, Softmax
from nnlite.losses import SoftmaxCrossEntropy
from nnlite.model import Sequential
from nnlite.schedules import Schedule

__all__ = ["Lanes", "has_lanes"]

#: Nets in a group, at most, and of what number it is a multiple: what a register of 64 bytes holds.
WIDE, REGISTER = 64, 16
#: Replicas from which on groups pay, and weights of a matrix from which on loops are long enough without.
MANY, LARGE = 8, 400


# Kernels of which the last axis of all arrays is that of the lanes.


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
                t, factor = target[i, j], factors[j % factors.size]
                there = t == t
                for lane in range(count):
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
        known = 0 <= target[i] < classes
        own, true = kind(share[i]), target[i] if known else 0
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
            if j != true:
                for lane in range(lanes):
                    others[lane] += slope[i, j, lane]
        for lane in range(lanes):
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
def add_up(paid, found, step, loss):
    """Add up what all rows pay in each lane; the sum of all is a number if each is one."""
    n, lanes = paid.shape
    total = 0.0
    for lane in range(lanes):
        own = 0.0
        for i in range(n):
            own += paid[i, lane]
        found[step, lane] = own
        total += own
    loss[0] = total


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

    Attributes
    ----------
    moved : list of (ndarray of shape (replicas, n), ndarray of shape (groups, n * lanes))
        What moves into groups before some steps and back behind them.
    """

    def __init__(self, params: Parameters, batch: int, *, steps: int, groups: int, lanes: int) -> None:
        self.groups, self.lanes = groups, lanes
        self.moved: list[tuple[Array, Array]] = []
        super().__init__(params, WRITERS, batch, steps=steps, training=True)
        self.nets = groups

    def per_net(self, array: Array) -> Array:
        """Make room for what is kept of each net, in groups."""
        found = np.zeros((self.groups, array.shape[1] * self.lanes), array.dtype)
        self.moved.append((array, found))
        return found

    def columns(self, some: slice) -> slice:
        """Return where some numbers of all lanes are."""
        return slice(some.start * self.lanes, some.stop * self.lanes)

    def _view(self, array: Array, name: str) -> Array:
        start, spec = self._places[name]
        some = array[:, self.columns(slice(start, start + spec.size))]
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
            nets, count = ours.shape
            padded = np.zeros((self.groups * self.lanes, count), ours.dtype)
            padded[:nets] = ours
            lanes = padded.reshape(self.groups, self.lanes, count)
            theirs.reshape(self.groups, count, self.lanes)[...] = lanes.swapaxes(1, 2)

    def move_out(self) -> None:
        """Move them back."""
        for ours, theirs in self.moved:
            nets, count = ours.shape
            lanes = theirs.reshape(self.groups, count, self.lanes).swapaxes(1, 2)
            ours[...] = lanes.reshape(-1, count)[:nets]


def has_lanes(
    model: Sequential, loss: Loss, optimizer: Optimizer, x: AnyArray, y: AnyArray, *, weighted: bool
) -> bool:
    """Tell whether replicas can be trained side by side, and are so small that it pays.

    Parameters
    ----------
    model, loss, optimizer
        What is trained, and by what.
    x, y : ndarray of shape (nets or 1, rows, ...)
        Inputs and targets, which all must share.
    weighted : bool
        Whether rows have weights.

    Returns
    -------
    bool
    """
    params = model.params
    layers = [layer for _, layer in model.walk()[1:]]
    return (
        (params.replicas or 1) >= MANY
        and len(x) == len(y) == 1
        and not weighted
        and not params.state_specs
        and max(spec.size for spec in params.specs) < LARGE
        and type(layers[0]) is Dense
        and all(type(layer) in WRITERS for layer in layers)
        and losses.covered(loss)
        and type(losses.inner(loss)) not in losses.ALONE
        and (type(loss) is not SoftmaxCrossEntropy or y.ndim == 2)
        and optimizer.clip_norm is None
        and not any(isinstance(one, np.ndarray) for one in (optimizer.rate, optimizer.weight_decay))
        # A function of the user's may give a number now, and one for each replica later.
        and (isinstance(optimizer.learning_rate, Schedule) or not callable(optimizer.learning_rate))
    )


class Lanes:
    """The program of a training of many tiny nets; it is used as a `Training` is.

    Parameters
    ----------
    model, loss, optimizer, x, y, batch, kept, keeps_outputs, epochs, threads
        As of a `Training` of whole epochs, of what `has_lanes` is true.
    ordinary : callable () -> Training
        Makes the program for when some nets part from the others.
    """

    def __init__(
        self,
        model: Sequential,
        loss: Loss,
        optimizer: Optimizer,
        x: AnyArray,
        y: AnyArray,
        *,
        batch: int,
        kept: Array,
        keeps_outputs: bool,
        threads: int,
        epochs: int,
        ordinary: Callable[[], Training],
    ) -> None:
        self._make_ordinary = ordinary
        self.nets = model.params.replicas or 1
        each = -(-self.nets // threads)
        lanes = min(WIDE, -(-each // REGISTER) * REGISTER)
        groups = -(-self.nets // lanes)
        count = x.shape[1] * epochs
        in_epoch = -(-x.shape[1] // batch)
        steps = in_epoch * epochs
        program = self.program = LaneProgram(model.params, batch, steps=steps, groups=groups, lanes=lanes)
        self.order = np.zeros((1, count), np.int64)
        self.share = np.zeros((1, count))
        self.weight, self.keys = None, None
        shared: list[AnyArray] = []
        for source in (x, y):
            buffer = np.zeros((groups, batch, *source.shape[2:]), source.dtype)
            in_line = source.reshape(*source.shape[:2], -1)
            program.add(gather, whole(in_line), of_epoch(self.order), flat(buffer), word(in_line.shape[2]))
            shared.append(buffer)
        share = np.zeros((groups, batch))
        program.add(optimizers.copy, of_epoch(self.share), rows(share))
        pred, back = program.write(model, "", shared[0])
        dy = self._write_loss(loss, pred, shared[1], share, steps)
        self.outputs: AnyArray | None = None
        if keeps_outputs:
            self._outputs = np.zeros((groups, count, *pred.shape[2:]), program.dtype)
            self.outputs = np.zeros((self.nets, count, *pred.shape[2:-1]), program.dtype)
            in_rows = pred.reshape(groups, batch, -1)
            program.add(copy_rows, rows(in_rows), of_epoch(self._outputs.reshape(groups, count, -1)))
        self.loss_end = len(program.operations)
        back(dy, False)
        self.rates = optimizers.Rates(optimizer, groups, steps)
        optimizers.write_step(optimizer, program, program.per_net(kept), self.rates)
        self.end = len(program.operations)
        self.job = Job(
            program.table(),
            batch,
            self._value.reshape(-1),
            steps=steps,
            in_epoch=in_epoch,
            threads=threads if groups > 1 else 1,
        )
        self.losses = np.zeros((self.nets, steps))
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
        self._losses = program.array(steps, program.lanes, dtype=np.float64)
        program.add(add_up, rows(paid), whole(self._losses), STEP, whole(self._value))
        return slope

    def look_at_ids(self) -> None:
        """No layer in lanes takes ids."""

    def run(self, begin: int, check: int, end: int, *, rows: int, first: int = 0, last: int = 1) -> None:
        """Make some steps; what a group cannot finish, as a loss is no number, an ordinary program does."""
        program = self.program
        program.move_in()
        self.job.run(begin, check, end, rows=rows, first=first, last=last)
        program.move_out()
        in_lanes = self._losses.swapaxes(1, 2).reshape(-1, self._losses.shape[1])
        self.losses[:, first:last] = in_lanes[: self.nets, first:last]
        if self.outputs is not None:
            lanes = np.moveaxis(self._outputs, -1, 1)
            self.outputs[...] = lanes.reshape(-1, *lanes.shape[2:])[: self.nets]
        self.stopped[:] = -1
        for group in np.flatnonzero(self.job.stopped >= 0):
            nets = np.arange(self.nets) // program.lanes == group
            self._go_on(nets, int(self.job.stopped[group]), last, rows)

    def ordinary(self) -> Training:
        """Return a program for the same epoch, in which nets can part from each other."""
        one = self._make_ordinary()
        one.order[...], one.share[...] = self.order, self.share
        one.rates.take(self.rates)
        return one

    def _go_on(self, nets: AnyArray, first: int, last: int, rows: int) -> None:
        one = self.ordinary()
        one.active[:] = nets
        one.run(0, one.loss_end, one.end, rows=rows, first=first, last=last)
        self.losses[nets, first:last] = one.losses[nets, first:last]
        self.stopped[nets] = one.stopped[nets]
        if self.outputs is not None:
            begin = first * self.program.batch
            self.outputs[nets, begin:] = one.outputs[nets, begin:]  # type: ignore[index]


#: By the kernel of a single net, that of lanes.
_KERNELS = {losses.KERNELS[rule]: _pointwise(rule) for rule in losses.KERNELS}
