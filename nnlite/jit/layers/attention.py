"""SelfAttention and PositionEmbedding, compiled."""

from __future__ import annotations

import math

from nnlite.core.aliases import Array
from nnlite.core.parameters import _zeros
from nnlite.jit.functions import exp, highest
from nnlite.jit.kernel import LOW, TEAM, THREAD, every, number, rows, whole, word
from nnlite.jit.layers import dense
from nnlite.jit.layers.steps import as_rows, with_padding, write_lengths
from nnlite.jit.native import gemm, loops, pointer, share, sums
from nnlite.jit.program import Backward, Program
from nnlite.layers import PositionEmbedding, SelfAttention

__all__ = ["WRITERS"]


@loops
def _at(array, place):
    return pointer(array.ctypes.data + place * array.itemsize)


@sums
def _softmax(scores, scale, count):
    """Compute how much is taken from each of so many steps, and nothing of the others."""
    factor, total = scores.dtype.type(scale), scores.dtype.type(0)
    seen, unseen = scores[:count], scores[count:]
    for j in range(unseen.size):
        unseen[j] = 0
    if count == 0:
        return
    most = highest(seen)
    for j in range(seen.size):
        seen[j] = exp((seen[j] - most) * factor)
    for j in range(seen.size):
        total += seen[j]
    for j in range(seen.size):
        seen[j] /= total


@loops
def attend(projected, lengths, P, found, heads, causal, scale, low, product):
    """Take up what fits from all steps: queries, keys and values lie side by side in `projected`.

    `P` keeps what each query takes, of all rows; in prediction it has room for one head of one row.
    """
    n, time, features = found.shape
    deep, wide, zero = features // heads, 3 * features, found.dtype.type(0)
    for i in range(n):
        of_row = projected[i].reshape(-1)
        for head in range(heads):
            shares = P[((low + i) * heads + head) % len(P)]
            start = head * deep
            gemm(
                product, 2, time, time, deep, _at(of_row, start), wide, _at(of_row, features + start), wide,
                zero, _at(shares, 0), time,
            )  # fmt: skip
            for query in range(time):
                _softmax(shares[query], scale, min(lengths[i], query + 1) if causal else lengths[i])
            gemm(
                product, 0, time, deep, time, _at(shares, 0), time, _at(of_row, 2 * features + start), wide,
                zero, _at(found, i * time * features + start), features,
            )  # fmt: skip


@sums
def _softmax_back(shares, blame, scale):
    """Turn what the shares of a query are blamed for into dL/d of its products with all keys."""
    factor, total = shares.dtype.type(scale), shares.dtype.type(0)
    for j in range(shares.size):
        total += shares[j] * blame[j]
    for j in range(shares.size):
        blame[j] = shares[j] * (blame[j] - total) * factor


@loops
def attend_back(projected, P, dfound, d, blame, heads, scale, low, thread, product):
    """Compute what queries, keys and values are blamed for; `blame` is room for the scores of one head."""
    n, time, features = dfound.shape
    deep, wide, zero = features // heads, 3 * features, d.dtype.type(0)
    scores = blame[thread]
    for i in range(n):
        of_row, out = projected[i].reshape(-1), d[i].reshape(-1)
        for head in range(heads):
            shares, q = P[(low + i) * heads + head], head * deep
            k, v = features + q, 2 * features + q
            start = _at(dfound, i * time * features + q)
            gemm(product, 1, time, deep, time, _at(shares, 0), time, start, features, zero, _at(out, v), wide)
            gemm(
                product, 2, time, time, deep, start, features, _at(of_row, v), wide,
                zero, _at(scores, 0), time,
            )  # fmt: skip
            for query in range(time):
                _softmax_back(shares[query], scores[query], scale)
            gemm(
                product, 0, time, deep, time, _at(scores, 0), time, _at(of_row, k), wide,
                zero, _at(out, q), wide,
            )  # fmt: skip
            gemm(
                product, 1, time, deep, time, _at(scores, 0), time, _at(of_row, q), wide,
                zero, _at(out, k), wide,
            )  # fmt: skip


def _attention(layer: SelfAttention, prefix: str, x: Array, program: Program) -> tuple[Array, Backward]:
    time, features = x.shape[2:]
    heads, padding, causal = (program.read(layer, name) for name in ("heads", "padding", "causal"))
    lengths = write_lengths(x, padding, program)
    known = None if padding is None else lengths
    kept = program.batch * heads if program.training else 1
    P = whole(_zeros((program.nets, kept, time, time), program.dtype))
    program.work += program.batch * 2 * time * time * features
    settings = number(1 / math.sqrt(features // heads)), LOW
    ways: list[Backward] = []

    def multiply(weights: str, bias: str, array: Array) -> Array:
        def write(steps: Array) -> Array:
            y, way = dense.write_product(f"{prefix}{weights}", f"{prefix}{bias}", steps, program)
            ways.append(way)
            return y

        return as_rows(write, array, program)

    projected, found = multiply("W", "b", x), program.like(x)
    program.add(
        attend, rows(projected), rows(lengths), P, rows(found), word(heads), word(causal), *settings,
        program.product,
    )  # fmt: skip
    y = multiply("W_out", "b_out", found)
    of_inputs, of_outputs = ways

    def back(dy: Array, needed: bool) -> Array:
        dy = with_padding(dy, known, 0.0, program)
        dfound = as_rows(lambda steps: of_outputs(steps, True), dy, program)
        d, blame = program.like(projected), whole(program.scratch(time, time))
        program.add(
            attend_back, rows(projected), P, rows(dfound), rows(d), blame, word(heads), *settings, THREAD,
            program.product,
        )  # fmt: skip
        return as_rows(lambda steps: of_inputs(steps, needed), d, program)

    return with_padding(y, known, padding or 0.0, program), back


@loops
def add_places(x, W, lengths, y):
    """Add a row of W to each step that is there."""
    for i in range(len(x)):
        for t in range(x.shape[1]):
            for j in range(x.shape[2]):
                y[i, t, j] = x[i, t, j] + W[t, j] if t < lengths[i] else x[i, t, j]


@loops
def place_gradients(dy, dW, thread, team):
    """Add up over the batch; each thread some numbers of W, whose last rows may be of no step."""
    n, time, features = dy.shape
    size = time * features
    flat = dW.reshape(-1)
    first, last = share(flat.size, thread, team), share(flat.size, thread + 1, team)
    flat[first:last] = 0
    found = flat[min(first, size) : min(last, size)]
    for i in range(n):
        row = dy[i].reshape(-1)[min(first, size) : min(last, size)]
        for j in range(found.size):
            found[j] += row[j]


def _places(layer: PositionEmbedding, prefix: str, x: Array, program: Program) -> tuple[Array, Backward]:
    padding = program.read(layer, "padding")
    lengths = write_lengths(x, padding, program)
    y = program.like(x)
    program.add(add_places, rows(x), whole(program.values(f"{prefix}W")), rows(lengths), rows(y))

    def back(dy: Array, needed: bool) -> Array:
        dx = with_padding(dy, None if padding is None else lengths, 0.0, program)
        program.add(place_gradients, every(dx), whole(program.grads(f"{prefix}W")), THREAD, TEAM)
        return dx

    return y, back


WRITERS = {SelfAttention: _attention, PositionEmbedding: _places}
