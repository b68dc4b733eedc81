"""Conv2D and Conv1D, compiled: sums of products over windows that overlap, with no copy of each window.

All that depends on where a window lies stands in tables of places: so stride, dilation, padding and groups
cost the loops nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlite.core.aliases import Array
from nnlite.jit.kernel import TEAM, THREAD, own, rows, whole, word
from nnlite.jit.layers.places import Places, crop, pad, table
from nnlite.jit.native import loops, share
from nnlite.jit.program import Backward, Program, in_lines
from nnlite.jit.tiles import ROWS, lanes, tile, tile_more
from nnlite.layers import Conv1D, Conv2D

__all__ = ["WRITERS"]

#: Numbers of the input and of the blame that stay in the cache next to a core while weights go by them.
NEAR = 6144


@loops
def _apart(groups, columns, sizes):
    """Tell whether each output is of a channel of its own: loops over channels serve several then."""
    return groups > 1 and columns == 1 and sizes[4] == 1


@loops
def forward(x, W, b, y, padded, sizes, pixels, outs, taps, groups, thread):
    """Compute the weighted sum of each window, and add the bias."""
    zero, size = W.dtype.type(0), W.itemsize
    room, depth, columns = padded[thread], taps.size, W.shape[1] // groups
    most = lanes(size)
    for i in range(len(x)):
        if room.size:
            pad(x[i], room, sizes)
        source = room if room.size else x[i]
        if _apart(groups, columns, sizes):
            for p in range(y.shape[1] // groups):
                out = y[i][p * groups : (p + 1) * groups]
                for j in range(groups):
                    out[j] = b[j]
                for t in range(depth):
                    row, weights = source[pixels[p] + taps[t] :][:groups], W[t]
                    for j in range(groups):
                        out[j] += row[j] * weights[j]
            continue
        sample, place = source.ctypes.data, y[i].ctypes.data
        for group in range(groups):
            first = group * columns
            of_group = sample + group * sizes[4] * size
            for j in range(first, first + columns, most):
                for p in range(0, pixels.size, ROWS):
                    tile(
                        zero, of_group, pixels[p:].ctypes.data, taps.ctypes.data, depth,
                        W.ctypes.data + j * size, W.shape[1], b.ctypes.data + j * size,
                        place + j * size, outs[p:].ctypes.data, min(most, first + columns - j),
                    )  # fmt: skip


@loops
def gradients(x, dy, dWs, dbs, padded, sizes, pixels, count, tap_rows, weight_rows, groups, near, thread):
    """Add up what the weights are blamed for by this thread's rows, and the biases, line by line."""
    zero, size = dWs.dtype.type(0), dWs.itemsize
    room, dW, db = padded[thread], dWs[thread], dbs[thread]
    outputs = dW.shape[1]
    columns, most = outputs // groups, lanes(size)
    flat = dW.reshape(-1)
    for j in range(flat.size):
        flat[j] = zero
    for j in range(db.size):
        db[j] = zero
    for i in range(len(x)):
        if room.size:
            pad(x[i], room, sizes)
        source, blame = room if room.size else x[i], dy[i]
        sample = source.ctypes.data
        for start in range(0, blame.size if db.size else 0, max(db.size, 1)):
            line = blame[start : start + db.size]
            for j in range(line.size):
                db[j] += line[j]
        if _apart(groups, columns, sizes):
            for p in range(count):
                out = blame[p * groups : (p + 1) * groups]
                for t in range(len(dW) - 1):
                    row, found = source[pixels[p] + tap_rows[t] :][:groups], dW[t]
                    for j in range(groups):
                        found[j] += row[j] * out[j]
            continue
        for start in range(0, count, near):
            depth = min(near, count - start)
            for group in range(groups):
                first = group * columns
                of_group = sample + group * sizes[4] * size
                for j in range(first, first + columns, most):
                    for q in range(0, tap_rows.size, ROWS):
                        tile_more(
                            zero, of_group, tap_rows[q:].ctypes.data, pixels[start:].ctypes.data, depth,
                            blame.ctypes.data + (start * outputs + j) * size, outputs, 0,
                            dW.ctypes.data + j * size, weight_rows[q:].ctypes.data,
                            min(most, first + columns - j),
                        )  # fmt: skip


@loops
def add_up(dWs, dbs, dW, db, thread, team):
    """Add up what the threads have found, in their order; each thread some of the weights."""
    dW = dW.reshape(-1)
    first, last = share(dW.size, thread, team), share(dW.size, thread + 1, team)
    mine = dW[first:last]
    for other in range(team):
        found = dWs[other].reshape(-1)[first:last]
        for j in range(mine.size):
            mine[j] = found[j] if other == 0 else mine[j] + found[j]
    if thread == 0 and db.size:
        db[:] = 0
        for other in range(team):
            lines = dbs[other].reshape(-1, db.size)
            for i in range(len(lines)):
                for j in range(db.size):
                    db[j] += lines[i, j]


@loops
def _turn(W, W_T, runs, groups):
    """Lay the weights out for the way back: of each group and run of a window, an output's in a row."""
    columns, numbers = W.shape[1] // groups, len(W) // runs
    place = 0
    for group in range(groups):
        for run in range(runs):
            for output in range(columns):
                for j in range(numbers):
                    W_T[place] = W[run * numbers + j, group * columns + output]
                    place += 1


@loops
def backward(dy, W, dx, turned, spread, sizes, outs, pixels, runs, depths, groups, thread):
    """Add to each place what the windows over it give: run by run, a run being what lies in one piece."""
    zero, size = W.dtype.type(0), W.itemsize
    room, W_T, columns, most = spread[thread], turned[thread], depths.size, lanes(size)
    numbers = len(W) // runs.size
    if len(dy):
        _turn(W, W_T, runs.size, groups)
    for i in range(len(dy)):
        for j in range(room.size):
            room[j] = zero
        if _apart(groups, columns, sizes):
            for p in range(dy.shape[1] // groups):
                own_blame = dy[i][outs[p] :][:groups]
                for t in range(len(W)):
                    row, weights = room[pixels[p] + runs[t] :][:groups], W[t]
                    for j in range(groups):
                        row[j] += own_blame[j] * weights[j]
            crop(room, dx[i], sizes)
            continue
        for group in range(groups):
            blame = dy[i].ctypes.data + group * columns * size
            target = room.ctypes.data + group * sizes[4] * size
            weights = W_T.ctypes.data + group * runs.size * columns * numbers * size
            for run in range(runs.size):
                for j in range(0, numbers, most):
                    for p in range(0, outs.size, ROWS):
                        tile_more(
                            zero, blame, outs[p:].ctypes.data, depths.ctypes.data, columns,
                            weights + (run * columns * numbers + j) * size, numbers, 0,
                            target + (runs[run] + j) * size, pixels[p:].ctypes.data,
                            min(most, numbers - j),
                        )  # fmt: skip
        crop(room, dx[i], sizes)


def _convolution(layer: Any, prefix: str, x: Array, program: Program) -> tuple[Array, Backward]:
    shape = x.shape[2:]
    outputs, groups = layer.out_channels, layer.groups
    places = Places(layer.windows, shape, groups, outputs)
    W = program.values(f"{prefix}W").reshape(program.nets, -1, outputs)
    b = program.values(f"{prefix}b") if layer.bias else program.array(outputs)
    y = program.buffer(*layer.output_shape(shape))
    program.work += program.batch * places.outs.size * W[0].size
    samples, of_groups, sizes = in_lines(x), word(groups), table(places.sizes)
    padded = own(program.scratch(places.size if places.padded else 0))
    # The last window stands in for those that a tile lacks: it is only computed again.
    filled = int(places.corners[-1, -1]), int(places.outs[-1, -1])
    pixels, outs = (
        table(given, last) for given, last in zip((places.corners, places.outs), filled, strict=True)
    )
    program.add(
        forward, rows(samples), own(W), own(b), rows(in_lines(y)), padded, sizes, pixels, outs,
        table(places.taps), of_groups, THREAD,
    )  # fmt: skip

    def back(dy: Array, needed: bool) -> Array:
        dW = program.grads(f"{prefix}W").reshape(program.nets, -1, outputs)
        db = program.grads(f"{prefix}b") if layer.bias else program.array(0)
        depth, count = W.shape[1], places.outs.size
        found = program.scratch(depth + 1, outputs)  # behind the weights is what nobody wants
        lines = program.scratch(places.outs.shape[1] * db.shape[1])
        near = max(ROWS, NEAR // (shape[-1] + outputs))
        program.add(
            gradients, rows(samples), rows(in_lines(dy)), own(found), own(lines), padded, sizes, pixels,
            word(count), table(places.taps, 0), table(np.arange(depth) * outputs, depth * outputs), of_groups,
            word(near), THREAD,
        )  # fmt: skip
        program.add(add_up, whole(found), whole(lines), whole(dW), whole(db), THREAD, TEAM)
        if not needed:
            return dy
        dx = program.like(x)
        turned = own(program.scratch(W[0].size))
        spread = own(program.scratch(places.size + places.behind))
        # Column by column: windows beside each other overlap, and a number that has just been written in
        # another piece is slow to read.
        program.add(
            backward, rows(in_lines(dy)), own(W), rows(in_lines(dx)), turned, spread, sizes,
            table(places.outs.T, 0), table(places.corners.T, places.size), table(places.runs),
            table(np.arange(outputs // groups)), of_groups, THREAD,
        )  # fmt: skip
        return dx

    return y, back


WRITERS = {Conv1D: _convolution, Conv2D: _convolution}
