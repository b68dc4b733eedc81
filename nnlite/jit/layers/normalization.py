"""LayerNorm, BatchNorm and RMSNorm, compiled."""

from __future__ import annotations

import numpy as np

from nnlite.core.aliases import Array
from nnlite.jit.kernel import TEAM, THREAD, every, flat, number, whole
from nnlite.jit.native import in_rows, share, sums
from nnlite.jit.program import Backward, Program
from nnlite.layers import BatchNorm, LayerNorm, RMSNorm

__all__ = ["WRITERS"]


@sums
def _deviation(x, i):
    """Return the mean of a row, what rounding has left of it, and the mean square around both."""
    columns = x.shape[1]
    mean = left = square = x.dtype.type(0)
    for j in range(columns):
        mean += x[i, j]
    mean /= x.dtype.type(columns)
    for j in range(columns):
        left += x[i, j] - mean
    left /= x.dtype.type(columns)
    for j in range(columns):
        z = (x[i, j] - mean) - left
        square += z * z
    return mean, left, square / x.dtype.type(columns)


@sums
def layer_norm(x, gain, bias, z, scale, y, epsilon):
    """Compute ``z = (x - mean) / sqrt(variance + epsilon)`` of each row, and ``y = gain * z + bias``."""
    columns = gain.size
    x, z, y = in_rows(x, columns), in_rows(z, columns), in_rows(y, columns)
    one = x.dtype.type(1)
    for i in range(len(x)):
        mean, left, square = _deviation(x, i)
        factor = one / np.sqrt(square + x.dtype.type(epsilon))
        scale[i] = factor
        for j in range(columns):
            z[i, j] = ((x[i, j] - mean) - left) * factor
            y[i, j] = z[i, j] * gain[j] + bias[j]


@sums
def layer_norm_back(z, scale, gain, dy, dx, centred):
    """Compute dL/dx, of which what moves mean and variance is taken away; `centred` is 0 for RMSNorm."""
    columns = gain.size
    z, dy, dx = in_rows(z, columns), in_rows(dy, columns), in_rows(dx, columns)
    part = gain.dtype.type(1) / gain.dtype.type(columns)
    for i in range(len(z)):
        plain = along = gain.dtype.type(0)
        for j in range(columns):
            g = dy[i, j] * gain[j]
            plain += g
            along += g * z[i, j]
        plain *= part * gain.dtype.type(centred)
        along *= part
        for j in range(columns):
            dx[i, j] = (dy[i, j] * gain[j] - plain - z[i, j] * along) * scale[i]


@sums
def gain_and_bias(z, dy, dgain, dbias, thread, team):
    """Add up ``dy * z`` and dy over all rows; each thread some columns. An empty `dbias` is none."""
    columns = dgain.size
    first, last = share(columns, thread, team), share(columns, thread + 1, team)
    z, dy = in_rows(z.reshape(-1), columns), in_rows(dy.reshape(-1), columns)
    gains, biases = dgain[first:last], dbias[first:last]  # the second is empty if there is none
    gains[:] = 0
    biases[:] = 0
    for i in range(len(z)):
        blame, row = dy[i][first:last], z[i][first:last]
        for j in range(gains.size):
            gains[j] += blame[j] * row[j]
        for j in range(biases.size):
            biases[j] += blame[j]


@sums
def rms_norm(x, gain, z, scale, y, epsilon):
    """Compute ``z = x / sqrt(mean(x**2) + epsilon)`` of each row, and ``y = gain * z``."""
    columns = gain.size
    x, z, y = in_rows(x, columns), in_rows(z, columns), in_rows(y, columns)
    one = x.dtype.type(1)
    for i in range(len(x)):
        square = x.dtype.type(0)
        for j in range(columns):
            square += x[i, j] * x[i, j]
        factor = one / np.sqrt(square / x.dtype.type(columns) + x.dtype.type(epsilon))
        scale[i] = factor
        for j in range(columns):
            z[i, j] = x[i, j] * factor
            y[i, j] = z[i, j] * gain[j]


def _layer_norm(layer: LayerNorm, prefix: str, x: Array, program: Program) -> tuple[Array, Backward]:
    gain, bias = program.values(f"{prefix}gain"), program.values(f"{prefix}bias")
    z, y, scale = program.like(x), program.like(x), program.buffer(*x.shape[2:-1])
    program.add(
        layer_norm,
        flat(x),
        whole(gain),
        whole(bias),
        flat(z),
        flat(scale),
        flat(y),
        number(program.read(layer, "epsilon")),
    )
    return y, _back(program, prefix, z, scale, gain, centred=1.0)


def _rms_norm(layer: RMSNorm, prefix: str, x: Array, program: Program) -> tuple[Array, Backward]:
    gain = program.values(f"{prefix}gain")
    z, y, scale = program.like(x), program.like(x), program.buffer(*x.shape[2:-1])
    program.add(
        rms_norm, flat(x), whole(gain), flat(z), flat(scale), flat(y), number(program.read(layer, "epsilon"))
    )
    return y, _back(program, prefix, z, scale, gain, centred=0.0)


def _back(program: Program, prefix: str, z: Array, scale: Array, gain: Array, *, centred: float) -> Backward:
    def back(dy: Array, needed: bool) -> Array:
        dbias = program.grads(f"{prefix}bias") if centred else program.array(0)
        dgain = program.grads(f"{prefix}gain")
        program.add(gain_and_bias, every(z), every(dy), whole(dgain), whole(dbias), THREAD, TEAM)
        if not needed:
            return dy
        dx = program.like(z)
        program.add(layer_norm_back, flat(z), flat(scale), whole(gain), flat(dy), flat(dx), number(centred))
        return dx

    return back


@sums
def batch_norm(
    x, weight, gain, bias, mean, variance, z, scale, y, now, spread, fixed, momentum, epsilon, thread, team
):
    """Bring each column to mean 0 and variance 1 over the batch, and renew the running statistics.

    With fewer than two rows that count, as with `fixed`, it goes by the running statistics; then `scale` is
    negative. Each thread has some columns. What `now` and `spread` hold is of no use behind it.
    """
    columns = gain.size
    x, z, y = (
        in_rows(x.reshape(-1), columns),
        in_rows(z.reshape(-1), columns),
        in_rows(y.reshape(-1), columns),
    )
    n = len(x)
    kind = x.dtype.type
    one = kind(1)
    first, last = share(columns, thread, team), share(columns, thread + 1, team)
    places = n // weight.size if weight.size else 1  # of a sample
    total, count = 0.0, 0
    for i in range(n):
        w = weight[i // places] if weight.size else one
        total += w
        count += w > 0
    few = fixed != 0 or count < 2
    # Row by row, over slices that begin at 0: so the loops are vectorised, see `dense.gradients`.
    mean, variance, scale, now, spread = (
        mean[first:last], variance[first:last], scale[first:last], now[first:last], spread[first:last],
    )  # fmt: skip
    gain, bias = gain[first:last], bias[first:last]
    if few:
        for i in range(n):
            row, own = x[i][first:last], z[i][first:last]
            for j in range(mean.size):
                own[j] = row[j] - mean[j]
        spread[:] = variance
    else:
        part = kind(1 / total)
        now[:] = 0
        for i in range(n):
            row, share_ = x[i][first:last], (weight[i // places] if weight.size else one) * part
            for j in range(now.size):
                now[j] += share_ * row[j]
        spread[:] = 0  # at first what rounding has left of the mean
        for i in range(n):
            row, own, share_ = (
                x[i][first:last],
                z[i][first:last],
                (weight[i // places] if weight.size else one) * part,
            )
            for j in range(now.size):
                own[j] = row[j] - now[j]
                spread[j] += share_ * own[j]
        for i in range(n):
            own = z[i][first:last]
            for j in range(now.size):
                own[j] -= spread[j]
        for j in range(now.size):
            mean[j] += kind(momentum) * ((now[j] + spread[j]) - mean[j])
        spread[:] = 0
        for i in range(n):
            own, share_ = z[i][first:last], (weight[i // places] if weight.size else one) * part
            for j in range(now.size):
                spread[j] += share_ * (own[j] * own[j])
        unbiased = kind(count / max(count - 1, 1))
        for j in range(now.size):
            variance[j] += kind(momentum) * (spread[j] * unbiased - variance[j])
    for j in range(scale.size):
        scale[j] = one / np.sqrt(spread[j] + kind(epsilon))
    for i in range(n):
        own, out = z[i][first:last], y[i][first:last]
        for j in range(scale.size):
            own[j] *= scale[j]
            out[j] = own[j] * gain[j] + bias[j]
    if few:
        for j in range(scale.size):
            scale[j] = -scale[j]


@sums
def batch_norm_back(z, weight, gain, scale, dgain, dbias, dy, dx, thread, team):
    """Compute dL/dx: what moves mean and variance is shared by the rows as they count."""
    columns = gain.size
    z, dy, dx = (
        in_rows(z.reshape(-1), columns),
        in_rows(dy.reshape(-1), columns),
        in_rows(dx.reshape(-1), columns),
    )
    n = len(z)
    kind = z.dtype.type
    places = n // weight.size if weight.size else 1
    first, last = share(columns, thread, team), share(columns, thread + 1, team)
    total = 0.0
    for i in range(n):
        total += weight[i // places] if weight.size else kind(1)
    part = kind(1 / total) if total > 0 else kind(0)
    gain, scale, dgain, dbias = gain[first:last], scale[first:last], dgain[first:last], dbias[first:last]
    for i in range(n):
        own = part * weight[i // places] if weight.size else part
        row, blame, out = z[i][first:last], dy[i][first:last], dx[i][first:last]
        for j in range(scale.size):
            moved = own * (row[j] * dgain[j] + dbias[j]) if scale[j] > 0 else kind(0)
            out[j] = (blame[j] - moved) * gain[j] * abs(scale[j])


def _batch_norm(layer: BatchNorm, prefix: str, x: Array, program: Program) -> tuple[Array, Backward]:
    gain, bias, mean, variance = (
        whole(program.values(f"{prefix}{name}"))
        for name in ("gain", "bias", "running_mean", "running_variance")
    )
    z, y, scale = program.like(x), program.like(x), whole(program.array(layer.features))
    weight = program.row_weight
    given = whole(program.array(0)) if weight is None else every(weight)
    fixed = not (program.training and program.read(layer, "mixes_rows"))
    program.add(
        batch_norm, every(x), given, gain, bias, mean, variance, every(z), scale, every(y),
        *(whole(program.array(layer.features)) for _ in range(2)),
        number(float(fixed)), *(number(program.read(layer, name)) for name in ("momentum", "epsilon")),
        THREAD, TEAM,
    )  # fmt: skip

    def back(dy: Array, needed: bool) -> Array:
        dgain, dbias = (whole(program.grads(f"{prefix}{name}")) for name in ("gain", "bias"))
        program.add(gain_and_bias, every(z), every(dy), dgain, dbias, THREAD, TEAM)
        if not needed:
            return dy
        dx = program.like(x)
        program.add(
            batch_norm_back, every(z), given, gain, scale, dgain, dbias, every(dy), every(dx), THREAD, TEAM
        )
        return dx

    return y, back


WRITERS = {LayerNorm: _layer_norm, RMSNorm: _rms_norm, BatchNorm: _batch_norm}
