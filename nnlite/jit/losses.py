"""Losses, compiled: what each row pays, times its share in the average, and the slope.

A row's share is its weight over what the loss of the batch is divided by; one over the number of rows where
all count the same. A row whose share is 0 is not looked at: its loss may be no number.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from nnlite.core.aliases import AnyArray, Array
from nnlite.core.losses import Loss
from nnlite.jit.functions import exp, expm1, highest, like, log1p
from nnlite.jit.kernel import THREAD, Operand, every, number, rows, whole
from nnlite.jit.native import inlined, loops, named, sums
from nnlite.jit.program import Program, is_as_shipped
from nnlite.losses import (
    BinaryCrossEntropy,
    GaussianNLL,
    Hinge,
    Huber,
    Masked,
    MeanAbsoluteError,
    MeanSquaredError,
    MultiTaskLoss,
    PoissonNLL,
    Quantile,
    SoftmaxCrossEntropy,
    Task,
)

__all__ = ["WRITERS", "covered", "lacking", "write_loss"]


@inlined
def pay_nothing(paid, slope, i):
    """Leave a row out of the loss, whatever number was predicted of it."""
    paid[i] = 0
    for j in range(slope.shape[1]):
        slope[i, j] = 0


def make_pointwise(rule: Any) -> Any:
    """Make the kernel that averages a function of single numbers over the outputs of each row.

    A target that is NaN is missing, and nothing is paid for it (`Masked`); other losses refuse it before.
    """

    def pointwise(pred, target, share, paid, slope, a, b, factors):
        outputs = pred.shape[1]
        kind = pred.dtype.type
        part = kind(1) / kind(outputs)
        p, q = kind(a), kind(b)
        for i in range(len(pred)):
            if share[i] == 0:
                pay_nothing(paid, slope, i)
                continue
            own = kind(share[i]) * part
            total = 0.0
            if factors.size == 1:
                for j in range(outputs):
                    value, change = rule(pred[i, j], target[i, j], p, q, factors[0])
                    there = target[i, j] == target[i, j]
                    total += np.float64(value) if there else 0.0
                    slope[i, j] = change * own if there else kind(0)
            else:
                for j in range(outputs):
                    value, change = rule(pred[i, j], target[i, j], p, q, factors[j])
                    there = target[i, j] == target[i, j]
                    total += np.float64(value) if there else 0.0
                    slope[i, j] = change * own if there else kind(0)
            paid[i] = total * (share[i] / outputs)

    return sums(named(pointwise, rule))


@inlined
def squared(z, t, a, b, w):
    gap = z - t
    return gap * gap, gap + gap


@inlined
def absolute(z, t, a, b, w):
    gap = z - t
    slope = like(1, z) if gap > like(0, z) else like(-1, z) if gap < like(0, z) else gap
    return abs(gap), slope


@inlined
def huber(z, t, a, b, w):
    gap = z - t
    cut = min(max(gap, -a), a) if gap == gap else gap
    return cut * (gap - like(0.5, z) * cut), cut


@inlined
def pinball(z, t, a, b, w):
    gap = z - t
    slope = b if gap > like(0, z) else -a
    slope = gap if gap == like(0, z) else slope
    return slope * gap, slope


@inlined
def poisson(z, t, a, b, w):
    rate = exp(z)
    return rate - t * z, rate - t


@inlined
def hinge(z, t, a, b, w):
    missing = like(1, z) - t * z
    slope = -t if missing > like(0, z) else like(0, z)
    return max(missing, like(0, z)) if missing == missing else missing, slope


@inlined
def binary(z, t, smooth, b, w):
    """Pay ``log(1 + exp(-|z|)) + |z| * wrong``, where `wrong` is how far z is off the target's side."""
    zero, one = like(0, z), like(1, z)
    yes = z >= zero
    t = t * (one - smooth) + like(0.5, z) * smooth
    size = abs(z)
    tail = exp(-size)
    sure = log1p(tail)
    other = tail / (one + tail)  # the chance of the other answer
    wrong = one - t if yes else t
    right = one - wrong
    if yes:
        right *= w
    else:
        wrong *= w
    slope = wrong * (one - other) - right * other
    value = sure * (wrong + right) + size * wrong
    return value if z == z else z, slope if yes else -slope


@inlined
def first_highest(row):
    """Return the largest number of a few, which are done before a vector is made of them."""
    high = row[0]
    for j in range(1, row.size):
        high = max(high, row[j])
    return high


def _class_ids(flavour: Any, highest: Any) -> Any:
    """Make the kernel of cross-entropy for targets that are ids, with what finds the largest of a row."""

    def class_ids(pred, target, share, paid, slope, smooth):
        """Pay minus the logarithm of the probability of a class, without it among the others; see there."""
        classes = pred.shape[1]
        kind = pred.dtype.type
        each = kind(smooth / classes)
        for i in range(len(pred)):
            high = highest(pred[i])
            for j in range(classes):
                slope[i, j] = pred[i, j] - high
            if not 0 <= target[i] < classes:  # as may be of targets that are changed while they are in use
                paid[i] = np.nan
                continue
            paid[i] = slope[i, target[i]]
            if smooth > 0:
                paid[i] *= 1 - smooth
                for j in range(classes):
                    paid[i] += each * slope[i, j]
        together = slope.reshape(-1)
        for i in range(together.size):  # of all rows: one alone is too short to make several at a time of
            together[i] = exp(together[i])
        for i in range(len(pred)):
            if share[i] == 0:
                pay_nothing(paid, slope, i)
                continue
            true = target[i] if 0 <= target[i] < classes else 0
            high = highest(pred[i])
            slope[i, true] = kind(0)
            others = kind(0)
            for j in range(classes):
                others += slope[i, j]
            less = expm1(pred[i, true] - high) + others  # the sum of all, less 1
            total = less + kind(1)
            own = kind(share[i])
            part = own / total
            slope[i, true] = kind(smooth) * total - others
            for j in range(classes):
                slope[i, j] = slope[i, j] * part - each * own
            paid[i] = (log1p(less) - paid[i]) * share[i]

    return flavour(named(class_ids, highest))


#: Of few classes, and of so many that sums and largest numbers of a row are made several at a time.
MANY = 64
class_ids, many_class_ids = _class_ids(loops, first_highest), _class_ids(sums, highest)


@loops
def class_shares(pred, target, share, paid, slope, smooth):
    """Pay the same for targets that are shares of the classes, with the likeliest one set aside."""
    classes = pred.shape[1]
    kind = pred.dtype.type
    for i in range(len(pred)):
        if share[i] == 0:
            pay_nothing(paid, slope, i)
            continue
        likely = 0
        for j in range(1, classes):
            if pred[i, j] > pred[i, likely]:
                likely = j
        high = pred[i, likely]
        others = kind(0)
        for j in range(classes):
            slope[i, j] = exp(pred[i, j] - high)
            others += slope[i, j] if j != likely else kind(0)
        total = others + kind(1) + (high - high)  # NaN where the largest is infinite
        sums_to = loss = beside = kind(0)
        for j in range(classes):
            t = kind(target[i, j]) * kind(1 - smooth) + kind(smooth / classes)
            sums_to += t
            beside += t if j != likely else kind(0)
            loss -= t * (pred[i, j] - high)
        own = kind(share[i])
        for j in range(classes):
            t = kind(target[i, j]) * kind(1 - smooth) + kind(smooth / classes)
            change = sums_to * (slope[i, j] / total) - t
            if j == likely:  # the same, where t is nearly sums_to if the class is nearly certain
                change = (beside - t * others) / total
            slope[i, j] = change * own
        paid[i] = (sums_to * log1p(others) + loss + (high - high)) * share[i]


@loops
def gaussian(pred, target, share, paid, slope, min_variance):
    """Pay half of the log-variance and of the squared gap in units of the variance."""
    columns = pred.shape[1] // 2
    kind = pred.dtype.type
    floor, half, one, zero = kind(math.log(min_variance)), kind(0.5), kind(1), kind(0)
    for i in range(len(pred)):
        if share[i] == 0:
            pay_nothing(paid, slope, i)
            continue
        own = kind(share[i] / columns)
        total = 0.0
        for j in range(columns):
            log_variance = pred[i, columns + j]
            s = max(log_variance, floor) if log_variance == log_variance else log_variance
            deviation = exp(-half * s)
            gap = (pred[i, j] - target[i, j]) * deviation
            surprise = gap * gap
            slope[i, j] = gap * deviation * own
            slope[i, columns + j] = half * (one - surprise) * own if log_variance > floor else zero
            total += half * (s + surprise)
        paid[i] = total * (share[i] / columns)


@loops
def see_numbers(pred, target, share, outputs, targets, task_pred, task_target, task_share, weight, masks):
    """Copy what a task looks at; a row without a target, or with some of them only, has no share."""
    for i in range(len(pred)):
        there = True
        for j in range(targets.size):
            one = target[i, targets[j]]
            task_target[i, j] = one
            there = there and (one == one or masks > 0)
        task_share[i] = share[i] * weight if there else 0.0
        for j in range(outputs.size):
            task_pred[i, j] = pred[i, outputs[j]]


@loops
def see_ids(pred, target, share, outputs, targets, task_pred, task_target, task_share, weight, masks):
    """Do the same for one column of class ids."""
    for i in range(len(pred)):
        one = target[i, targets[0]]
        there = one == one
        task_target[i] = np.int64(one) if there else 0
        task_share[i] = share[i] * weight if there else 0.0
        for j in range(outputs.size):
            task_pred[i, j] = pred[i, outputs[j]]


@loops
def collect(task_paid, task_slope, outputs, paid, slope, first):
    """Add what a task pays, and its slopes, to those of the tasks before."""
    for i in range(len(paid)):
        if first > 0:
            pay_nothing(paid, slope, i)
        paid[i] += task_paid[i]
        for j in range(outputs.size):
            slope[i, outputs[j]] += task_slope[i, j]


@loops
def add_up(paid, loss, thread):
    """Add up what all rows pay, one after the other; one thread does."""
    if thread == 0:
        total = 0.0
        for i in range(paid.size):
            total += paid[i]
        loss[0] = total


#: What a loss is, with its settings: the kernel, and what that is given beside the arrays.
Kernel = tuple[Any, tuple[Operand, ...]]


#: The kernels around functions of single numbers.
KERNELS: dict[Any, Any] = {}


def _single(rule: Any, a: str = "", b: Callable[[Any], float] = lambda loss: 0.0) -> Callable[..., Kernel]:
    pointwise = KERNELS[rule] = make_pointwise(rule)

    def kernel(loss: Any, program: Program, pred: Array, target: AnyArray) -> Kernel:
        factors = program.read(loss, "pos_weight") if hasattr(loss, "pos_weight") else None
        given = np.array(1.0 if factors is None else factors, program.dtype).reshape(1, -1)
        first = program.read(loss, a) if a else 0.0
        return pointwise, (number(first), number(b(loss)), whole(given))

    return kernel


def _cross_entropy(loss: Any, program: Program, pred: Array, target: AnyArray) -> Kernel:
    by_ids = many_class_ids if pred.shape[-1] >= MANY else class_ids
    return by_ids if target.ndim == 2 else class_shares, (number(program.read(loss, "label_smoothing")),)


WRITERS: dict[type[Loss], Callable[..., Kernel]] = {
    MeanSquaredError: _single(squared),
    MeanAbsoluteError: _single(absolute),
    Huber: _single(huber, "delta"),
    Quantile: _single(pinball, "q", lambda loss: 1 - loss.q),
    PoissonNLL: _single(poisson),
    Hinge: _single(hinge),
    BinaryCrossEntropy: _single(binary, "label_smoothing"),
    SoftmaxCrossEntropy: _cross_entropy,
    GaussianNLL: lambda loss, program, *_: (gaussian, (number(program.read(loss, "min_variance")),)),
}

#: All that may stand in a program.
KNOWN = {*WRITERS, Masked, MultiTaskLoss}
#: Those that `lanes` cannot train by.
ALONE: set[type[Loss]] = {GaussianNLL, MultiTaskLoss}


def inner(loss: Any) -> Loss:
    """Return the loss inside of one for targets of which some are missing, which cost nothing in any case."""
    return inner(loss.loss) if type(loss) is Masked else loss


def lacking(loss: Loss) -> str:
    """Name the class of a loss that has no kernel, or of one in it; empty if all have one."""
    one = inner(loss)
    if not (is_as_shipped(loss, KNOWN) and is_as_shipped(one, KNOWN)):
        return type(one if is_as_shipped(loss, KNOWN) else loss).__name__
    if not isinstance(one, MultiTaskLoss):
        return ""
    inside = ("" if is_as_shipped(task, {Task}) else type(task).__name__ for task in one.tasks.values())
    return next(filter(None, (*inside, *(lacking(task.loss) for task in one.tasks.values()))), "")


def covered(loss: Loss) -> bool:
    """Tell whether there is a kernel for a loss."""
    return not lacking(loss)


def write_loss(
    loss: Loss, program: Program, pred: Array, target: AnyArray, share: AnyArray
) -> tuple[Array, Array]:
    """Write the loss and its slope.

    Parameters
    ----------
    loss : Loss
        One that is `covered`.
    program : Program
        Where to.
    pred : ndarray of shape (nets, batch, outputs)
        Buffer of the predictions.
    target : ndarray of shape (nets or 1, batch, ...)
        Buffer of the targets, as the loss prepares them.
    share : ndarray of float64, (nets or 1, batch)
        Buffer of the shares of the rows.

    Returns
    -------
    value : ndarray of float64, (nets, 1)
        Where the loss will be.
    slope : ndarray of shape (nets, batch, outputs)
        Buffer of dL/d(pred).
    """
    write = _write_tasks if type(loss) is MultiTaskLoss else _write_rows
    paid, slope = write(loss, program, pred, target, share)
    value = program.array(1, dtype=np.float64)
    program.add(add_up, every(paid), whole(value), THREAD)
    return value, slope


def _write_rows(
    loss: Any, program: Program, pred: Array, target: AnyArray, share: AnyArray
) -> tuple[AnyArray, Array]:
    """Write what each row pays, and its slope."""
    one = inner(loss)
    kernel, given = WRITERS[type(one)](one, program, pred, target)
    paid, slope = program.buffer(dtype=np.float64), program.like(pred)
    program.add(kernel, rows(pred), rows(target), rows(share), rows(paid), rows(slope), *given)
    return paid, slope


def _write_tasks(
    loss: Any, program: Program, pred: Array, target: AnyArray, share: AnyArray
) -> tuple[AnyArray, Array]:
    """Write the same for each task, on copies of its columns, and bring them together."""
    paid, slope = program.buffer(dtype=np.float64), program.like(pred)
    for place, task in enumerate(program.read(loss, "parts").values()):
        outputs, targets = (whole(np.array([columns])) for columns in (task.outputs, task.targets))
        task_pred, task_share = program.buffer(len(task.outputs)), program.buffer(dtype=np.float64)
        see, task_target = see_numbers, program.buffer(len(task.targets))
        if task.takes_ids:
            see, task_target = see_ids, program.buffer(dtype=np.int64)
        program.add(
            see, rows(pred), rows(target), rows(share), outputs, targets, rows(task_pred), rows(task_target),
            rows(task_share), number(task.weight), number(task.loss.takes_missing),
        )  # fmt: skip
        task_paid, task_slope = _write_rows(task.loss, program, task_pred, task_target, task_share)
        program.add(
            collect, rows(task_paid), rows(task_slope), outputs, rows(paid), rows(slope), number(not place)
        )
    return paid, slope
