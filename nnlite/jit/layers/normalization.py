"""LayerNorm, BatchNorm and RMSNorm, compiled."""

from __future__ import annotations

import numpy as np

from nnlite.core.aliases import Array
from nnlite.jit.kernel import TEAM, THREAD, every, flat, number, rows, whole
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
    dgain[first:last] = 0
    for i in range(len(z)):
        for j in range(first, last):
            dgain[j] += dy[i, j] * z[i, j]
    if dbias.size:
        dbias[first:last] = 0
        for i in range(len(z)):
            for j in range(first, last):
                dbias[j] += dy[i, j]


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
    z, y, scale = program.like(x), program.like(x), program.buffer()
    program.add(
        layer_norm,
        flat(x),
        whole(gain),
        whole(bias),
        flat(z),
        rows(scale),
        flat(y),
        number(program.read(layer, "epsilon")),
    )
    return y, _back(program, prefix, z, scale, gain, centred=1.0)


def _rms_norm(layer: RMSNorm, prefix: str, x: Array, program: Program) -> tuple[Array, Backward]:
    gain = program.values(f"{prefix}gain")
    z, y, scale = program.like(x), program.like(x), program.buffer()
    program.add(
        rms_norm, flat(x), whole(gain), flat(z), rows(scale), flat(y), number(program.read(layer, "epsilon"))
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
        program.add(layer_norm_back, flat(z), rows(scale), whole(gain), flat(dy), flat(dx), number(centred))
        return dx

    return back


@sums
def batch_norm(x, weight, gain, bias, mean, variance, z, scale, y, fixed, momentum, epsilon, thread, team):
    """Bring each column to mean 0 and variance 1 over the batch, and renew the running statistics.

    With fewer than two rows that count, as with `fixed`, it goes by the running statistics; then `scale` is
    negative. Each thread has some columns.
    """
    n, columns = x.shape
    kind = x.dtype.type
    first, last = share(columns, thread, team), share(columns, thread + 1, team)
    total, count = 0.0, 0
    for i in range(n):
        w = weight[i] if weight.size else kind(1)
        total += w
        count += w > 0
    few = fixed != 0 or count < 2
    for j in range(first, last):
        if few:
            centre, spread = mean[j], variance[j]
        else:
            now = left = square = kind(0)
            part = kind(1 / total)
            for i in range(n):
                now += (weight[i] if weight.size else kind(1)) * x[i, j]
            now *= part
            for i in range(n):
                left += (weight[i] if weight.size else kind(1)) * (x[i, j] - now)
            left *= part
            for i in range(n):
                d = (x[i, j] - now) - left
                square += (weight[i] if weight.size else kind(1)) * (d * d)
            spread = square * part
            centre = now + left
            mean[j] += kind(momentum) * (centre - mean[j])
            variance[j] += kind(momentum) * (spread * kind(count / max(count - 1, 1)) - variance[j])
            for i in range(n):
                z[i, j] = (x[i, j] - now) - left
        factor = kind(1) / np.sqrt(spread + kind(epsilon))
        if few:
            for i in range(n):
                z[i, j] = x[i, j] - centre
        scale[j] = -factor if few else factor
        for i in range(n):
            z[i, j] *= factor
            y[i, j] = z[i, j] * gain[j] + bias[j]


@sums
def batch_norm_back(z, weight, gain, scale, dgain, dbias, dy, dx, thread, team):
    """Compute dL/dx: what moves mean and variance is shared by the rows as they count."""
    n, columns = z.shape
    kind = z.dtype.type
    first, last = share(columns, thread, team), share(columns, thread + 1, team)
    total = 0.0
    for i in range(n):
        total += weight[i] if weight.size else kind(1)
    part = kind(1 / total) if total > 0 else kind(0)
    for i in range(n):
        own = part * weight[i] if weight.size else part
        for j in range(first, last):
            if scale[j] < 0:
                dx[i, j] = dy[i, j] * gain[j] * -scale[j]
            else:
                dx[i, j] = (dy[i, j] - own * (z[i, j] * dgain[j] + dbias[j])) * gain[j] * scale[j]


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
