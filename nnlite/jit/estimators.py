"""What the estimators have of their own, compiled: scikit-learn's solvers, and its ways to add up a loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nnlite.core.aliases import AnyArray, Array
from nnlite.jit import losses
from nnlite.jit.functions import exp, like
from nnlite.jit.kernel import each, number, whole
from nnlite.jit.losses import Kernel
from nnlite.jit.native import inlined, loops, named
from nnlite.jit.optimizers import Rates, adam, sgd
from nnlite.jit.program import Program

__all__ = ["adam_rule", "half_squared", "poisson_deviance", "sgd_rule", "summed"]


@loops
def running_velocity(w, g, kept, velocity, rate, decay, momentum, nesterov):
    """Step along a velocity in which each gradient has the rate of its own step."""
    kind = w.dtype.type
    r, m = kind(rate), kind(momentum)
    for i in range(w.size):
        value = w[i]
        kept[i] = value
        move = r * g[i]
        v = m * velocity[i] - move
        velocity[i] = v
        w[i] = value + m * v - move if nesterov else value + v


def sgd_rule(one: Any, rates: Rates, program: Program) -> Any:
    """Return what a step of `SklearnSGD` is."""
    if program.read(one, "momentum"):
        return running_velocity, (), (one.momentum, float(program.read(one, "nesterov")))
    return sgd, (), ()


def adam_rule(one: Any, rates: Rates, program: Program) -> Any:
    """Return what a step of `SklearnAdam` is: that of `Adam`, with another epsilon."""
    beta1, beta2, epsilon = (program.read(one, name) for name in ("beta1", "beta2", "epsilon"))
    same = each(np.ones((1, 1)))
    return adam, (rates.operand(rates.move), same), (0.0, beta1, beta2, epsilon / np.sqrt(1 - beta2))


@inlined
def deviance(z, t, a, b, w):
    rate = exp(z)
    least = t * np.log(t) - t if t > like(0, z) else like(0, z)
    return rate - t * z + least, rate - t


def _summed(rule: Any) -> Any:
    """Make the kernel that adds a function of single numbers up over the outputs of each row."""

    def summed(pred, target, share, paid, slope, a, b, factors):
        kind = pred.dtype.type
        p, q = kind(a), kind(b)
        for i in range(len(pred)):
            own, total = kind(share[i]), 0.0
            for j in range(pred.shape[1]):
                value, change = rule(pred[i, j], kind(target[i, j]), p, q, factors[j % factors.size])
                there = share[i] != 0 and target[i, j] == target[i, j]
                total += np.float64(value) if there else 0.0
                slope[i, j] = change * own if there else kind(0)
            paid[i] = total * share[i]

    return loops(named(summed, rule))


_huber = losses.KERNELS[losses.huber]
_deviance = losses.make_pointwise(deviance)
#: By the kernel that averages over the outputs, the one that adds them up.
_SUMMED = {
    _huber: _summed(losses.huber),
    _deviance: _summed(deviance),
    losses.KERNELS[losses.binary]: _summed(losses.binary),
}


def half_squared(loss: Any, program: Program, pred: Array, target: AnyArray) -> Kernel:
    """Return the kernel of half the squared error: Huber's, which never ends to be a square."""
    return _huber, (number(np.inf), number(0.0), whole(np.ones((1, 1), program.dtype)))


def poisson_deviance(loss: Any, program: Program, pred: Array, target: AnyArray) -> Kernel:
    """Return the kernel of half the Poisson deviance."""
    return _deviance, (number(0.0), number(0.0), whole(np.ones((1, 1), program.dtype)))


def summed(loss: Any, program: Program, pred: Array, target: AnyArray) -> Kernel:
    """Return the kernel of a loss that adds up over outputs what another one averages."""
    one: Any = losses.inner(loss.loss)
    writer: Callable[..., Kernel] = losses.WRITERS[type(one)]
    kernel, given = writer(one, program, pred, target)
    return _SUMMED[kernel], given
