"""Activations, compiled: those of single numbers by their value and their slope, and the softmax of a row."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from nnlite.core.aliases import Array
from nnlite.jit.functions import erfc, exp, expm1, like, log1p, sigmoid, softplus, tanh
from nnlite.jit.kernel import TEAM, THREAD, every, flat, number, rows, whole, word
from nnlite.jit.native import in_rows, inlined, loops, named, share, sums
from nnlite.jit.program import Backward, Program
from nnlite.layers import (
    ELU,
    GELU,
    SELU,
    Clip,
    HardSigmoid,
    HardSwish,
    LeakyReLU,
    LogSoftmax,
    Mish,
    PReLU,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Step,
    Tanh,
)
from nnlite.layers.activations import SELU_ALPHA, SELU_SCALE

__all__ = ["IN_PLACE", "WRITERS"]


def _values(value: Any) -> Any:
    """Make the kernel that computes an activation of every number."""

    def values(x, y, setting):
        a = x.dtype.type(setting)
        for i in range(x.size):
            y[i] = value(x[i], a)

    return loops(named(values, value))


def _slopes(slope: Any) -> Any:
    """Make the kernel that multiplies the blame by the slope of every number."""

    def slopes(x, y, dy, dx, setting):
        a = x.dtype.type(setting)
        for i in range(x.size):
            dx[i] = dy[i] * slope(x[i], y[i], a)

    return loops(named(slopes, slope))


def _single(value: Any, slope: Any, setting: str = "") -> Callable[..., tuple[Array, Backward]]:
    """Make the writer of an activation of single numbers, which may have one setting."""
    forward, backward = _values(inlined(value)), _slopes(inlined(slope))

    def write(layer: Any, prefix: str, x: Array, program: Program) -> tuple[Array, Backward]:
        y = program.like(x)
        given = number(program.read(layer, setting) if setting else 0.0)
        program.add(forward, flat(x), flat(y), given)

        def back(dy: Array, needed: bool) -> Array:
            if not needed:
                return dy
            dx = program.like(x)
            program.add(backward, flat(x), flat(y), flat(dy), flat(dx), given)
            return dx

        return y, back

    return write


def _in_place(value: Any, slope: Any, setting: str = "") -> Callable[..., Backward]:
    """Make the writer of one whose slope needs only what it gave, behind a product that is nobody else's.

    It adds the bias in the same pass. Of large batches the buffers that this saves would be read from memory
    and written there.
    """
    value, slope = inlined(value), inlined(slope)

    def biased(y, b, setting):
        a = y.dtype.type(setting)
        for i in range(len(y)):
            row = y[i]
            for j in range(b.size):
                row[j] = value(row[j] + b[j], a)

    def slopes_in_place(y, dy, setting):
        a = y.dtype.type(setting)
        for i in range(y.size):
            dy[i] *= slope(y[i], y[i], a)

    forward, backward = loops(named(biased, value)), loops(named(slopes_in_place, slope))

    def write(layer: Any, y: Array, b: Array, program: Program) -> Backward:
        given = number(program.read(layer, setting) if setting else 0.0)
        b = b if b.shape[-1] else program.array(y.shape[-1])
        program.add(forward, rows(y), whole(b), given)

        def back(dy: Array, needed: bool) -> Array:
            if needed:
                program.add(backward, flat(y), flat(dy), given)
            return dy

        return back

    return write


# Each of a sum v, of what the activation gave for it, y, and of its setting, a.


def relu(v, a):
    return max(v, like(0, v)) if v == v else v


def relu_slope(v, y, a):
    return like(1, v) if y > like(0, v) else like(0, v)


def leaky(v, a):
    return v if v > like(0, v) else a * v


def leaky_slope(v, y, a):
    return like(1, v) if v > like(0, v) else a


def elu(v, a):
    low = a * expm1(min(v, like(0, v)))
    return v if v > like(0, v) else low


def elu_slope(v, y, a):
    return like(1, v) if y > like(0, v) else y + a


def selu(v, a):
    low = like(SELU_SCALE * SELU_ALPHA, v) * expm1(min(v, like(0, v)))
    return like(SELU_SCALE, v) * v if v > like(0, v) else low


def selu_slope(v, y, a):
    return like(SELU_SCALE, v) if y > like(0, v) else y + like(SELU_SCALE * SELU_ALPHA, v)


def hard_sigmoid(v, a):
    return (min(max(v, like(-3, v)), like(3, v)) + like(3, v)) / like(6, v) if v == v else v


def hard_sigmoid_slope(v, y, a):
    return like(1 / 6, v) if y > like(0, v) and y < like(1, v) else like(0, v)


_hard_gate = inlined(hard_sigmoid)


def hard_swish(v, a):
    return v * _hard_gate(v, a)


def hard_swish_slope(v, y, a):
    gate = _hard_gate(v, a)
    return gate + v / like(6, v) if gate > like(0, v) and gate < like(1, v) else gate


def sigmoid_slope(v, y, a):
    return y * (like(1, v) - y)


def tanh_slope(v, y, a):
    return like(1, v) - y * y


def step(v, a):
    return like(1, v) if v > like(0, v) else like(0, v)


def step_slope(v, y, a):
    return like(0, v)


_ROOT_HALF, _DENSITY = math.sqrt(0.5), 1 / math.sqrt(2 * math.pi)


def gelu(v, a):
    return v * (like(0.5, v) * erfc(-v * like(_ROOT_HALF, v)))


def gelu_slope(v, y, a):
    c = min(max(v, like(-40, v)), like(40, v))
    gate = like(0.5, v) * erfc(-v * like(_ROOT_HALF, v))
    return gate + v * (like(_DENSITY, v) * exp(like(-0.5, v) * c * c))


_TANH_SCALE, _CUBIC = math.sqrt(2 / math.pi), 0.044715


def _tanh_gate(v):
    c = min(max(v, like(-40, v)), like(40, v))
    # (1 + tanh(u)) / 2
    return sigmoid(like(2 * _TANH_SCALE, v) * (c + like(_CUBIC, v) * c * c * c))


_tanh_gate = inlined(_tanh_gate)


def tanh_gelu(v, a):
    return v * _tanh_gate(v)


def tanh_gelu_slope(v, y, a):
    c = min(max(v, like(-40, v)), like(40, v))
    gate = _tanh_gate(v)
    change = (
        like(2 * _TANH_SCALE, v) * gate * (like(1, v) - gate) * (like(1, v) + like(3 * _CUBIC, v) * c * c)
    )
    return gate + v * change


def silu(v, a):
    return v * sigmoid(v)


def silu_slope(v, y, a):
    gate = sigmoid(v)
    return gate + y * (like(1, v) - gate)


def mish(v, a):
    return v * tanh(softplus(v))


def mish_slope(v, y, a):
    gate = tanh(softplus(v))
    c = max(v, like(-1e3, v))  # further down the slope is 0, and 0 times infinity would be no number
    return gate + c * sigmoid(v) * (like(1, v) - gate * gate)


def softplus_value(v, a):
    return softplus(v)


def softplus_slope(v, y, a):
    return sigmoid(v)


def sigmoid_value(v, a):
    return sigmoid(v)


def tanh_value(v, a):
    return tanh(v)


# Those with two limits.


@loops
def clip(x, y, low, high):
    """Compute ``min(max(x, low), high)``; NaN stays."""
    low, high = x.dtype.type(low), x.dtype.type(high)
    for i in range(x.size):
        v = x[i]
        y[i] = min(max(v, low), high) if v == v else v


@loops
def clip_back(y, dy, dx, low, high):
    """Let the blame through between the limits."""
    low, high = y.dtype.type(low), y.dtype.type(high)
    for i in range(y.size):
        dx[i] = dy[i] if y[i] > low and y[i] < high else y.dtype.type(0)


def _clip(layer: Clip, prefix: str, x: Array, program: Program) -> tuple[Array, Backward]:
    y = program.like(x)
    limits = [number(program.read(layer, name)) for name in ("low", "high")]
    program.add(clip, flat(x), flat(y), *limits)

    def back(dy: Array, needed: bool) -> Array:
        if not needed:
            return dy
        dx = program.like(x)
        program.add(clip_back, flat(y), flat(dy), flat(dx), *limits)
        return dx

    return y, back


# The one that learns its slopes, of which there may be one for all.


@loops
def prelu(x, slope, y, columns):
    """Compute x where positive, ``slope * x`` elsewhere."""
    x, y = in_rows(x, columns), in_rows(y, columns)
    one = slope.size == 1
    for i in range(len(x)):
        for j in range(columns):
            v = x[i, j]
            y[i, j] = v if v > x.dtype.type(0) else v * slope[0 if one else j]


@loops
def prelu_back(x, slope, dy, dx, columns):
    """Scale the blame by the slope of each side."""
    x, dy, dx = in_rows(x, columns), in_rows(dy, columns), in_rows(dx, columns)
    one = slope.size == 1
    for i in range(len(x)):
        for j in range(columns):
            dx[i, j] = dy[i, j] if x[i, j] > x.dtype.type(0) else dy[i, j] * slope[0 if one else j]


@sums
def slopes_back(x, dy, dslope, columns, thread, team):
    """Add up ``dy * min(x, 0)`` over rows, and over columns that share a slope; each thread some slopes."""
    x, dy = in_rows(x.reshape(-1), columns), in_rows(dy.reshape(-1), columns)
    nothing = dslope.dtype.type(0)
    if dslope.size < columns:
        if thread == 0:
            total = nothing
            for i in range(len(x)):
                for j in range(columns):
                    total += dy[i, j] * min(x[i, j], nothing)
            dslope[0] = total
        return
    first, last = share(columns, thread, team), share(columns, thread + 1, team)
    mine = dslope[first:last]
    mine[:] = 0
    for i in range(len(x)):
        blame, row = dy[i][first:last], x[i][first:last]
        for j in range(mine.size):
            mine[j] += blame[j] * min(row[j], nothing)


def _prelu(layer: PReLU, prefix: str, x: Array, program: Program) -> tuple[Array, Backward]:
    slope, y, columns = program.values(f"{prefix}slope"), program.like(x), word(x.shape[-1])
    program.add(prelu, flat(x), whole(slope), flat(y), columns)

    def back(dy: Array, needed: bool) -> Array:
        dslope = program.grads(f"{prefix}slope")
        program.add(slopes_back, every(x), every(dy), whole(dslope), columns, THREAD, TEAM)
        if not needed:
            return dy
        dx = program.like(x)
        program.add(prelu_back, flat(x), whole(slope), flat(dy), flat(dx), columns)
        return dx

    return y, back


# Those of a row.


@sums
def softmax(x, y, columns):
    """Compute ``exp(x - max) / sum`` of each row."""
    x, y = in_rows(x, columns), in_rows(y, columns)
    for i in range(len(x)):
        high = x[i, 0]
        for j in range(1, columns):
            high = max(high, x[i, j])
        total = x.dtype.type(0)
        for j in range(columns):
            y[i, j] = exp(x[i, j] - high)
        for j in range(columns):
            total += y[i, j]
        for j in range(columns):
            y[i, j] /= total


@sums
def softmax_back(y, dy, dx, columns):
    """Compute ``y * (dy - sum of y * dy)``."""
    y, dy, dx = in_rows(y, columns), in_rows(dy, columns), in_rows(dx, columns)
    for i in range(len(y)):
        total = y.dtype.type(0)
        for j in range(columns):
            total += y[i, j] * dy[i, j]
        for j in range(columns):
            dx[i, j] = y[i, j] * (dy[i, j] - total)


@sums
def log_softmax(x, y, columns):
    """Compute ``x - log(sum of exp(x))``, without a loss of digits where one class is nearly certain."""
    x, y = in_rows(x, columns), in_rows(y, columns)
    for i in range(len(x)):
        likely = 0
        for j in range(1, columns):
            if x[i, j] > x[i, likely]:
                likely = j
        high = x[i, likely]
        others = x.dtype.type(0)
        for j in range(columns):
            y[i, j] = x[i, j] - high
        for j in range(columns):
            others += exp(y[i, j]) if j != likely else x.dtype.type(0)
        rest = log1p(others)
        for j in range(columns):
            y[i, j] -= rest


@sums
def log_softmax_back(y, dy, dx, columns):
    """Compute ``dy - exp(y) * sum of dy``."""
    y, dy, dx = in_rows(y, columns), in_rows(dy, columns), in_rows(dx, columns)
    for i in range(len(y)):
        total = y.dtype.type(0)
        for j in range(columns):
            total += dy[i, j]
        for j in range(columns):
            # dy - p * total is dy * (1 - p) less p times what the others sum to.
            dx[i, j] = -dy[i, j] * expm1(y[i, j]) - exp(y[i, j]) * (total - dy[i, j])


def _of_rows(forward: Any, backward: Any) -> Callable[..., tuple[Array, Backward]]:
    def write(layer: Any, prefix: str, x: Array, program: Program) -> tuple[Array, Backward]:
        y = program.like(x)
        columns = word(x.shape[-1])
        program.add(forward, flat(x), flat(y), columns)

        def back(dy: Array, needed: bool) -> Array:
            if not needed:
                return dy
            dx = program.like(x)
            program.add(backward, flat(y), flat(dy), flat(dx), columns)
            return dx

        return y, back

    return write


_exact_gelu, _tanh_gelu = _single(gelu, gelu_slope), _single(tanh_gelu, tanh_gelu_slope)


def _gelu(layer: GELU, prefix: str, x: Array, program: Program) -> tuple[Array, Backward]:
    return (_tanh_gelu if program.read(layer, "approximate") else _exact_gelu)(layer, prefix, x, program)


WRITERS = {
    ReLU: _single(relu, relu_slope),
    LeakyReLU: _single(leaky, leaky_slope, "negative_slope"),
    ELU: _single(elu, elu_slope, "alpha"),
    SELU: _single(selu, selu_slope),
    HardSigmoid: _single(hard_sigmoid, hard_sigmoid_slope),
    HardSwish: _single(hard_swish, hard_swish_slope),
    Clip: _clip,
    ReLU6: _clip,
    PReLU: _prelu,
    Sigmoid: _single(sigmoid_value, sigmoid_slope),
    Tanh: _single(tanh_value, tanh_slope),
    Step: _single(step, step_slope),
    GELU: _gelu,
    SiLU: _single(silu, silu_slope),
    Mish: _single(mish, mish_slope),
    Softplus: _single(softplus_value, softplus_slope),
    Softmax: _of_rows(softmax, softmax_back),
    LogSoftmax: _of_rows(log_softmax, log_softmax_back),
}

#: What writes those that can be made in place.
IN_PLACE = {
    ReLU: _in_place(relu, relu_slope),
    ELU: _in_place(elu, elu_slope, "alpha"),
    Sigmoid: _in_place(sigmoid_value, sigmoid_slope),
    Tanh: _in_place(tanh_value, tanh_slope),
}
