"""Optimizers, compiled: one pass over the weights, which also keeps those from before the step."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from nnlite.core.aliases import AnyArray, Array
from nnlite.core.optimizers import SGD, Optimizer
from nnlite.errors.checks import check_each
from nnlite.jit.kernel import STEP, TEAM, THREAD, Operand, number, part, step, whole
from nnlite.jit.native import at, in_line, loops, sums
from nnlite.jit.program import Program, is_as_shipped
from nnlite.optimizers import Adagrad, Adam, AdamW, Lion, NAdam, RMSProp

__all__ = [
    "RULES", "Rates", "covered", "write_bounds", "write_costs", "write_penalty", "write_slopes", "write_step",
]  # fmt: skip

#: Gradients whose squares are added up by themselves: so the sum does not depend on the number of threads.
BLOCK = 16_384


@loops
def copy(source, target):
    """Copy numbers."""
    for i in range(source.size):
        target[i] = source[i]


@sums
def squares(g, found, thread, team):
    """Add up the squares of a gradient in float64, block by block."""
    for block in range(thread, found.size, team):
        total, part = 0.0, g[block * BLOCK : min(g.size, (block + 1) * BLOCK)]
        for i in range(part.size):
            value = np.float64(part[i])
            total += value * value
        found[block] = total


@loops
def penalize(found, penalties, step, pull, thread):
    """Write down half the sum of squares, times `pull`; one thread does."""
    if thread == 0:
        total = 0.0
        for block in range(found.size):
            total += found[block]
        penalties[step] = 0.5 * pull * total


@loops
def add_pull(w, g, pull):
    """Add the slope of that."""
    k = w.dtype.type(pull)
    for i in range(w.size):
        g[i] += k * w[i]


@loops
def clip_to_norm(g, found, limit):
    """Scale a gradient down whose norm is above a limit."""
    total = 0.0
    for block in range(found.size):
        total += found[block]
    norm = math.sqrt(total)
    if not norm <= limit:
        factor = g.dtype.type(limit / norm)
        for i in range(g.size):
            g[i] *= factor


@loops
def clip_values(g, limit):
    """Cut every number to a range."""
    high = g.dtype.type(limit)
    for i in range(g.size):
        value = g[i]
        g[i] = high if value > high else -high if value < -high else value


@sums
def weigh(w, l1, l2, found, thread, team):
    """Add up what weights cost in float64, block by block."""
    for block in range(thread, found.size, team):
        total, part = 0.0, w[block * BLOCK : min(w.size, (block + 1) * BLOCK)]
        for i in range(part.size):
            value = np.float64(part[i])
            total += l1 * abs(value) + l2 * (value * value)
        found[block] = total


@loops
def add_cost(found, loss, thread):
    """Add that to the loss of a batch; one thread does."""
    if thread == 0:
        for block in range(found.size):
            loss[0] += found[block]


@loops
def add_slopes(w, g, l1, l2):
    """Add the slopes of ``l1 * abs(w) + l2 * w**2``."""
    flat, steep = w.dtype.type(l1), w.dtype.type(2 * l2)
    for i in range(w.size):
        value = w[i]
        sign = w.dtype.type(1) if value > 0 else w.dtype.type(-1) if value < 0 else value
        g[i] += steep * value + flat * sign


@loops
def scale_step(w, kept, factor):
    """Make a step so many times what it was."""
    k = w.dtype.type(factor)
    for i in range(w.size):
        w[i] = kept[i] + k * (w[i] - kept[i])


@loops
def bound_columns(w, limit, thread):
    """Scale columns down whose norm is above a limit; one thread does."""
    if thread == 0:
        for j in range(w.shape[1]):
            total = 0.0
            for i in range(len(w)):
                value = np.float64(w[i, j])
                total += value * value
            norm = math.sqrt(total)
            if norm > limit:
                factor = w.dtype.type(limit / norm)
                for i in range(len(w)):
                    w[i, j] *= factor


# Of each rule: weights, gradients, where the weights from before are kept, what is kept for it; then the
# rate, weight decay, what else there is of the step; then settings. An array is a list of numbers for which
# the rate is the same, or has an axis of nets behind, with a rate for each.


@loops
def sgd(w, g, kept, rate, decay):
    w, g, kept = in_line(w), in_line(g), in_line(kept)
    kind = w.dtype.type
    for i in range(len(w)):
        for j in range(w.shape[1]):
            value = w[i, j]
            kept[i, j] = value
            w[i, j] = value - kind(at(rate, j)) * (g[i, j] + kind(at(decay, j)) * value)


@loops
def momentum(w, g, kept, velocity, rate, decay, momentum, nesterov):
    w, g, kept, velocity = in_line(w), in_line(g), in_line(kept), in_line(velocity)
    kind = w.dtype.type
    m = kind(momentum)
    # v, or g + m * v with Nesterov's look ahead
    plain, ahead = (kind(1), m) if nesterov else (kind(0), kind(1))
    for i in range(len(w)):
        for j in range(w.shape[1]):
            value = w[i, j]
            slope = g[i, j] + kind(at(decay, j)) * value
            v = m * velocity[i, j] + slope
            velocity[i, j] = v
            kept[i, j] = value
            w[i, j] = value - kind(at(rate, j)) * (plain * slope + ahead * v)


@loops
def adam(w, g, kept, first, second, rate, decay, move, scale, apart, beta1, beta2, epsilon):
    """Step by ``first / (sqrt(second) + epsilon * scale)`` times `move`; `apart` is 1 for AdamW's decay."""
    w, g, kept, first, second = in_line(w), in_line(g), in_line(kept), in_line(first), in_line(second)
    kind = w.dtype.type
    b1, b2 = kind(beta1), kind(beta2)
    for i in range(len(w)):
        for j in range(w.shape[1]):
            pull = at(decay, j)
            value = w[i, j]
            kept[i, j] = value
            slope = g[i, j] + kind(pull * (1 - apart)) * value
            a = b1 * first[i, j] + slope
            b = b2 * second[i, j] + slope * slope
            first[i, j] = a
            second[i, j] = b
            step = kind(at(move, j)) * (a / (np.sqrt(b) + kind(epsilon * at(scale, j))))
            w[i, j] = value * kind(1 - at(rate, j) * pull * apart) - step


@loops
def amsgrad(w, g, kept, first, second, largest, rate, decay, move, scale, apart, beta1, beta2, epsilon):
    """Step as `adam` does, by the root of the largest second moment so far."""
    w, g, kept, largest = in_line(w), in_line(g), in_line(kept), in_line(largest)
    first, second = in_line(first), in_line(second)
    kind = w.dtype.type
    b1, b2 = kind(beta1), kind(beta2)
    for i in range(len(w)):
        for j in range(w.shape[1]):
            pull = at(decay, j)
            value = w[i, j]
            kept[i, j] = value
            slope = g[i, j] + kind(pull * (1 - apart)) * value
            a = b1 * first[i, j] + slope
            b = b2 * second[i, j] + slope * slope
            first[i, j] = a
            second[i, j] = b
            most = largest[i, j]
            most = b if b > most else most
            largest[i, j] = most
            step = kind(at(move, j)) * (a / (np.sqrt(most) + kind(epsilon * at(scale, j))))
            w[i, j] = value * kind(1 - at(rate, j) * pull * apart) - step


@loops
def nadam(w, g, kept, first, second, rate, decay, move, ahead, scale, beta1, beta2, epsilon):
    """Step by ``first * move + g * ahead`` over ``sqrt(second) + epsilon * scale``."""
    w, g, kept, first, second = in_line(w), in_line(g), in_line(kept), in_line(first), in_line(second)
    kind = w.dtype.type
    b1, b2 = kind(beta1), kind(beta2)
    for i in range(len(w)):
        for j in range(w.shape[1]):
            value = w[i, j]
            kept[i, j] = value
            slope = g[i, j] + kind(at(decay, j)) * value
            a = b1 * first[i, j] + slope
            b = b2 * second[i, j] + slope * slope
            first[i, j] = a
            second[i, j] = b
            step = kind(at(move, j)) * a + kind(at(ahead, j)) * slope
            w[i, j] = value - step / (np.sqrt(b) + kind(epsilon * at(scale, j)))


@loops
def adagrad(w, g, kept, total, rate, decay, epsilon):
    w, g, kept, total = in_line(w), in_line(g), in_line(kept), in_line(total)
    kind = w.dtype.type
    e = kind(epsilon)
    for i in range(len(w)):
        for j in range(w.shape[1]):
            value = w[i, j]
            kept[i, j] = value
            slope = g[i, j] + kind(at(decay, j)) * value
            s = total[i, j] + slope * slope
            total[i, j] = s
            w[i, j] = value - kind(at(rate, j)) * (slope / (np.sqrt(s) + e))


@loops
def rmsprop(w, g, kept, square, rate, decay, rho, epsilon):
    w, g, kept, square = in_line(w), in_line(g), in_line(kept), in_line(square)
    kind = w.dtype.type
    p, q, e = kind(rho), kind(1 - rho), kind(epsilon)
    for i in range(len(w)):
        for j in range(w.shape[1]):
            value = w[i, j]
            kept[i, j] = value
            slope = g[i, j] + kind(at(decay, j)) * value
            s = p * square[i, j] + q * (slope * slope)
            square[i, j] = s
            w[i, j] = value - kind(at(rate, j)) * (slope / (np.sqrt(s) + e))


@loops
def rmsprop_momentum(w, g, kept, square, velocity, rate, decay, rho, epsilon, momentum):
    w, g, kept = in_line(w), in_line(g), in_line(kept)
    square, velocity = in_line(square), in_line(velocity)
    kind = w.dtype.type
    p, q, e, m = kind(rho), kind(1 - rho), kind(epsilon), kind(momentum)
    for i in range(len(w)):
        for j in range(w.shape[1]):
            value = w[i, j]
            kept[i, j] = value
            slope = g[i, j] + kind(at(decay, j)) * value
            s = p * square[i, j] + q * (slope * slope)
            square[i, j] = s
            v = m * velocity[i, j] + slope / (np.sqrt(s) + e)
            velocity[i, j] = v
            w[i, j] = value - kind(at(rate, j)) * v


@loops
def lion(w, g, kept, average, rate, decay, beta1, beta2):
    w, g, kept, average = in_line(w), in_line(g), in_line(kept), in_line(average)
    kind = w.dtype.type
    b1, c1, b2, c2 = kind(beta1), kind(1 - beta1), kind(beta2), kind(1 - beta2)
    for i in range(len(w)):
        for j in range(w.shape[1]):
            value = w[i, j]
            kept[i, j] = value
            mix = b1 * average[i, j] + c1 * g[i, j]
            sign = kind(1) if mix > 0 else kind(-1) if mix < 0 else mix
            average[i, j] = b2 * average[i, j] + c2 * g[i, j]
            w[i, j] = value * kind(1 - at(rate, j) * at(decay, j)) - kind(at(rate, j)) * sign


class Rates:
    """Numbers of each step that the update needs, written before the steps are made.

    Parameters
    ----------
    optimizer : Optimizer
        Knows the rate of each step.
    replicas : int or None
        How many nets there are as one.
    steps : int
        How many there may be in a call.
    lanes : int
        How many nets a group has.

    Attributes
    ----------
    rate, move, scale, ahead : ndarray of shape (groups, steps, lanes)
        The learning rate; for Adam what the step is multiplied by, and epsilon; and for NAdam what the
        gradient in it is multiplied by.
    """

    def __init__(self, optimizer: Optimizer, replicas: int | None, steps: int, lanes: int = 1) -> None:
        self._optimizer, self._replicas, self._lanes = optimizer, replicas, lanes
        groups = -(-(replicas or 1) // lanes)
        self.rate, self.move, self.scale, self.ahead = (np.zeros((groups, steps, lanes)) for _ in range(4))

    def write(self, first: int, last: int, made: int) -> int:
        """Write those of some steps of the epoch; the optimizer will have made so many before the first.

        Returns
        -------
        int
            How many of the steps can be made: those before the first for which a schedule has no usable rate.
            If that is the very first, its error is raised, as it would be by the step.
        """
        optimizer, count = self._optimizer, last - first
        if count == 1:
            self._write_one(first, made)
            return 1
        if callable(optimizer.learning_rate):
            for place in range(count):
                try:
                    self.rate[:, first + place] = self._at(made + place)
                except Exception:
                    if not place:
                        raise
                    count, last = place, first + place
                    break
        else:
            rate = self._at(made)
            self.rate[:, first:last] = rate if not np.ndim(rate) else np.expand_dims(rate, 1)
        if isinstance(optimizer, Adam):
            beta1, beta2 = optimizer.beta1, optimizer.beta2
            numbers = np.arange(made + 1, made + count + 1)
            scale = np.sqrt((1 - beta2**numbers) / (1 - beta2))
            move = scale * (1 - beta1) / (1 - beta1**numbers)
            self.scale[:, first:last] = scale[:, None]
            self.move[:, first:last] = self.rate[:, first:last] * move[:, None]
        elif isinstance(optimizer, NAdam):
            for place in range(count):
                self._look_ahead(optimizer, first + place, made + place)
        return count

    def _write_one(self, place: int, made: int) -> None:
        """Write those of one step, with little ado."""
        optimizer = self._optimizer
        self.rate[:, place] = rate = self._at(made)
        if isinstance(optimizer, Adam):
            beta1, beta2 = optimizer.beta1, optimizer.beta2
            number = np.array([made + 1])  # powers as of many: Python's own may have another last bit
            scale = math.sqrt((1 - (beta2**number).item()) / (1 - beta2))
            self.scale[:, place] = scale
            self.move[:, place] = rate * (scale * (1 - beta1) / (1 - (beta1**number).item()))
        elif isinstance(optimizer, NAdam):
            self._look_ahead(optimizer, place, made)

    def _look_ahead(self, optimizer: NAdam, place: int, made: int) -> None:
        scale, of_moment, of_gradient = optimizer.shares_at(made + 1)
        self.scale[:, place] = scale
        self.move[:, place] = self.rate[:, place] * of_moment
        self.ahead[:, place] = self.rate[:, place] * of_gradient

    def _at(self, step: int) -> float | Array:
        optimizer = self._optimizer
        rate = optimizer.rate_at(step)
        if not np.ndim(rate):
            return rate
        check_each(f"{type(optimizer).__name__}(learning_rate=)", rate, self._replicas)
        return in_groups(np.asarray(rate), self._lanes)

    def operand(self, numbers: AnyArray) -> Operand:
        """Give a kernel those of the step: one number, or one for each lane."""
        return step(numbers if self._lanes > 1 else numbers[..., 0])


def in_groups(numbers: AnyArray, lanes: int) -> AnyArray:
    """Return numbers of nets as those of groups: (groups, lanes, ...), with zeros behind the last."""
    groups = -(-len(numbers) // lanes)
    padded = np.zeros((groups * lanes, *numbers.shape[1:]), numbers.dtype)
    padded[: len(numbers)] = numbers
    return padded.reshape(groups, lanes, *numbers.shape[1:])


#: What a rule is, of its optimizer: the kernel, what it is given of the step beside the rate, its settings.
Rule = Callable[[Any, Rates, Program], tuple[Any, tuple[Operand, ...], tuple[float, ...]]]


def _sgd(one: SGD, rates: Rates, program: Program) -> Any:
    if program.read(one, "momentum"):
        return momentum, (), (one.momentum, float(program.read(one, "nesterov")))
    return sgd, (), ()


def _adam(one: Adam, rates: Rates, program: Program) -> Any:
    return (
        amsgrad if program.read(one, "amsgrad") else adam,
        (rates.operand(rates.move), rates.operand(rates.scale)),
        (float(type(one) is AdamW), *(program.read(one, name) for name in ("beta1", "beta2", "epsilon"))),
    )


def _nadam(one: NAdam, rates: Rates, program: Program) -> Any:
    of_step = tuple(map(rates.operand, (rates.move, rates.ahead, rates.scale)))
    return nadam, of_step, tuple(program.read(one, name) for name in ("beta1", "beta2", "epsilon"))


def _rmsprop(one: RMSProp, rates: Rates, program: Program) -> Any:
    settings = tuple(program.read(one, name) for name in ("rho", "epsilon", "momentum"))
    if one.momentum:
        return rmsprop_momentum, (), settings
    return rmsprop, (), settings[:2]


#: By class; a subclass may compute something else.
RULES: dict[type[Optimizer], Rule] = {
    SGD: _sgd,
    Adam: _adam,
    AdamW: _adam,
    NAdam: _nadam,
    RMSProp: _rmsprop,
    Adagrad: lambda one, rates, program: (adagrad, (), (program.read(one, "epsilon"),)),
    Lion: lambda one, rates, program: (lion, (), (program.read(one, "beta1"), program.read(one, "beta2"))),
}


def covered(optimizer: Any) -> bool:
    """Tell whether there is a kernel for the steps of an optimizer."""
    return is_as_shipped(optimizer, RULES)


def write_penalty(program: Program, pull: AnyArray) -> AnyArray:
    """Write a penalty ``pull / 2 * sum(W**2)`` on weights that decay: its slope goes to the gradients.

    Parameters
    ----------
    program : Program
        Where to, behind the way back.
    pull : ndarray of float64, (nets, steps)
        How strong it is in each step.

    Returns
    -------
    ndarray of float64, (nets, steps)
        Where the penalty of each step will be.
    """
    weights = slice(0, program.params.decayed)
    w, g = program.numbers[:, weights], program.gradients[:, weights]
    found, penalties = program.array(-(-w.shape[1] // BLOCK), dtype=np.float64), np.zeros_like(pull)
    program.add(squares, whole(w), whole(found), THREAD, TEAM)
    program.add(penalize, whole(found), whole(penalties), STEP, step(pull), THREAD)
    program.add(add_pull, part(w), part(g), step(pull))
    return penalties


def write_costs(groups: Any, program: Program, loss: AnyArray) -> None:
    """Write what groups of parameters add to the loss.

    Parameters
    ----------
    groups : Groups
        Those of the net.
    program : Program
        Where to, behind the loss of the data.
    loss : ndarray of float64, (nets, 1)
        Where that is.
    """
    for some, l1, l2 in groups.penalized:
        found = program.array(-(-(some.stop - some.start) // BLOCK), dtype=np.float64)
        w = whole(program.numbers[:, some])
        program.add(weigh, w, number(l1), number(l2), whole(found), THREAD, TEAM)
        program.add(add_cost, whole(found), whole(loss), THREAD)


def write_slopes(groups: Any, program: Program) -> None:
    """Write what they add to the gradients; see `write_costs`."""
    for some, l1, l2 in groups.penalized:
        w, g = part(program.numbers[:, some]), part(program.gradients[:, some])
        program.add(add_slopes, w, g, number(l1), number(l2))


def write_bounds(groups: Any, program: Program, kept: Array) -> None:
    """Write what they make of the step, with the numbers from before it; see `write_costs`."""
    for some, factor in groups.factors:
        program.add(scale_step, part(program.numbers[:, some]), part(kept[:, some]), number(factor))
    for some, spec, limit in groups.bounded:
        w = program.numbers[:, some].reshape(program.nets, -1, spec.shape[-1])
        program.add(bound_columns, whole(w), number(limit), THREAD)


def write_step(optimizer: Optimizer, program: Program, kept: Array, rates: Rates) -> None:
    """Write what an optimizer does with gradients: clipping, and the update of what is not frozen.

    Parameters
    ----------
    optimizer : Optimizer
        One of `RULES`, whose state is there.
    program : Program
        Where to.
    kept : ndarray of shape (nets, numbers)
        Where the numbers from before the step are kept.
    rates : Rates
        What changes from step to step.
    """
    params = program.params
    grads, learned = program.gradients, params.size
    state = slice(learned, None)
    if params.state_specs:
        program.add(copy, part(program.numbers[:, state]), part(kept[:, state]))
    clip_norm, clip_value = program.read(optimizer, "clip_norm"), program.read(optimizer, "clip_value")
    if clip_norm is not None:
        counts = [-(-(run.stop - run.start) // BLOCK) for run in params.trainable_slices]
        found = program.array(sum(counts), dtype=np.float64)
        for run, count, end in zip(params.trainable_slices, counts, np.cumsum(counts).tolist(), strict=True):
            program.add(squares, whole(grads[:, run]), whole(found[:, end - count : end]), THREAD, TEAM)
        program.add(clip_to_norm, part(grads), whole(found), number(clip_norm))
    elif clip_value is not None:
        program.add(clip_values, part(grads), number(clip_value))
    kernel, of_step, settings = RULES[type(optimizer)](optimizer, rates, program)
    given = [*of_step, *map(number, settings)]
    decay = np.asarray(program.read(optimizer, "weight_decay"), np.float64)
    border = params.decayed if decay.any() else 0
    none = np.zeros(())
    kept_by_rule = [program.per_net(optimizer.state[slot]) for slot in optimizer.slots]
    for run in params.trainable_slices:
        middle = min(max(border, run.start), run.stop)
        for some, pull in ((slice(run.start, middle), decay), (slice(middle, run.stop), none)):
            if some.stop > some.start:
                arrays = (program.numbers, grads, kept, *kept_by_rule)
                mine = [program.share(array, some) for array in arrays]
                program.add(kernel, *mine, rates.operand(rates.rate), program.of_nets(pull), *given)
