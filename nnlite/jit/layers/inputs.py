"""Layers that stand in front of the others, compiled: embeddings, Standardize, and those of shapes."""

from __future__ import annotations

import math

import numpy as np

from nnlite.core.aliases import Array
from nnlite.jit.kernel import TEAM, THREAD, every, flat, own, rows, whole, word
from nnlite.jit.native import in_rows, loops
from nnlite.jit.program import Backward, Program, in_lines
from nnlite.layers import Embedding, Flatten, Input, Permute, Reshape, Standardize, TokenEmbedding

__all__ = ["WRITERS"]


@loops
def look_up(x, offsets, W, y):
    """Let numbers pass, and put the row of W that each id stands for in its place."""
    features = W.shape[1]
    numeric = x.shape[1] - offsets.size
    for i in range(len(x)):
        for j in range(numeric):
            y[i, j] = x[i, j]
        for j in range(offsets.size):
            place = offsets[j] + np.int64(np.rint(x[i, numeric + j]))
            for k in range(features):
                y[i, numeric + j * features + k] = W[place, k]


@loops
def look_up_gradients(x, offsets, dy, dW, thread):
    """Add up what each row of W is blamed for; one thread does."""
    if thread > 0:
        return
    features = dW.shape[1]
    numeric = x.shape[1] - offsets.size
    dW[:] = 0
    for i in range(len(x)):
        for j in range(offsets.size):
            place = offsets[j] + np.int64(np.rint(x[i, numeric + j]))
            for k in range(features):
                dW[place, k] += dy[i, numeric + j * features + k]


@loops
def look_up_back(dy, dx, numeric):
    """Let the blame of numbers pass; an id has none."""
    for i in range(len(dx)):
        for j in range(dx.shape[1]):
            dx[i, j] = dy[i, j] if j < numeric else dx.dtype.type(0)


def _embedding(layer: Embedding, prefix: str, x: Array, program: Program) -> tuple[Array, Backward]:
    if not layer.categories:
        return x, lambda dy, needed: dy
    program.ids.append((layer, x))
    offsets = whole(np.cumsum((0, *layer.categories), dtype=np.int64)[None, :-1])
    W = program.values(f"{prefix}W")
    y = program.buffer(layer.numeric + len(layer.categories) * layer.features)
    program.add(look_up, rows(x), offsets, whole(W), rows(y))

    def back(dy: Array, needed: bool) -> Array:
        program.add(
            look_up_gradients, every(x), offsets, every(dy), whole(program.grads(f"{prefix}W")), THREAD
        )
        if not needed:
            return dy
        dx = program.like(x)
        program.add(look_up_back, rows(dy), rows(dx), word(layer.numeric))
        return dx

    return y, back


@loops
def tokens(x, W, padding, y):
    """Put the row of W that each token stands for in its place, and 0 for padding; -1 is no token."""
    for i in range(len(x)):
        for t in range(x.shape[1]):
            token = np.int64(np.rint(x[i, t]))
            row, given = y[i, t], W[token]
            for k in range(row.size):
                row[k] = given[k] if token != padding else row.dtype.type(0)


@loops
def token_gradients(x, dy, padding, dW, thread, team):
    """Add up what each row of W is blamed for; each thread those of some tokens."""
    first, last = len(dW) * thread // team, len(dW) * (thread + 1) // team
    dW[first:last] = 0
    for i in range(len(x)):
        for t in range(x.shape[1]):
            token = np.int64(np.rint(x[i, t]))
            if first <= token < last and token != padding:
                row, blame = dW[token], dy[i, t]
                for k in range(row.size):
                    row[k] += blame[k]


@loops
def nothing(dx):
    """Blame no id."""
    dx[:] = 0


def _tokens(layer: TokenEmbedding, prefix: str, x: Array, program: Program) -> tuple[Array, Backward]:
    program.ids.append((layer, x))
    found = program.read(layer, "padding")
    padding = word(-1 if found is None else found)
    y = program.buffer(x.shape[2], layer.features)
    program.add(tokens, rows(x), whole(program.values(f"{prefix}W")), padding, rows(y))

    def back(dy: Array, needed: bool) -> Array:
        dW = whole(program.grads(f"{prefix}W"))
        program.add(token_gradients, every(x), every(dy), padding, dW, THREAD, TEAM)
        if not needed:
            return dy
        dx = program.like(x)
        program.add(nothing, flat(dx))
        return dx

    return y, back


@loops
def standardize(x, mean, scale, y):
    """Compute ``(x - mean) / scale``; where x or the mean is in float64, so is the difference."""
    columns = scale.size
    x, y = in_rows(x, columns), in_rows(y, columns)
    for i in range(len(x)):
        for j in range(columns):
            y[i, j] = y.dtype.type((x[i, j] - mean[j]) / scale[j])


@loops
def standardize_back(dy, scale, dx):
    """Divide the blame by the scale."""
    columns = scale.size
    dy, dx = in_rows(dy, columns), in_rows(dx, columns)
    for i in range(len(dy)):
        for j in range(columns):
            dx[i, j] = dy[i, j] / scale[j]


def _standardize(layer: Standardize, prefix: str, x: Array, program: Program) -> tuple[Array, Backward]:
    # Of replicas with data of their own each has a mean of its own: (replicas, 1, features).
    found = (program.read(layer, name) for name in ("mean", "scale"))
    mean, scale = (whole(array.reshape(-1, layer.features)) for array in found)
    y = program.like(x)
    program.add(standardize, flat(x), mean, scale, flat(y))

    def back(dy: Array, needed: bool) -> Array:
        if not needed:
            return dy
        dx = program.like(x)
        program.add(standardize_back, flat(dy), scale, flat(dx))
        return dx

    return y, back


def _reshape(layer: Flatten | Reshape, prefix: str, x: Array, program: Program) -> tuple[Array, Backward]:
    y = x.reshape(*x.shape[:2], *layer.output_shape(layer.shape))
    return y, lambda dy, needed: dy.reshape(*dy.shape[:2], *layer.shape)


@loops
def take(x, places, y):
    """Copy the numbers of each sample in another order."""
    for i in range(len(x)):
        source, target = x[i], y[i]
        for j in range(places.size):
            target[j] = source[places[j]]


def _permute(layer: Permute, prefix: str, x: Array, program: Program) -> tuple[Array, Backward]:
    shape = x.shape[2:]
    places = np.arange(math.prod(shape)).reshape(shape).transpose(layer.axes)
    y = program.buffer(*places.shape)
    from_x, from_y = (own(table[None]) for table in (places.ravel(), places.ravel().argsort()))
    program.add(take, rows(in_lines(x)), from_x, rows(in_lines(y)))

    def back(dy: Array, needed: bool) -> Array:
        if not needed:
            return dy
        dx = program.like(x)
        program.add(take, rows(in_lines(dy)), from_y, rows(in_lines(dx)))
        return dx

    return y, back


def _input(layer: Input, prefix: str, x: Array, program: Program) -> tuple[Array, Backward]:
    return x, lambda dy, needed: dy


WRITERS = {
    Embedding: _embedding,
    Standardize: _standardize,
    TokenEmbedding: _tokens,
    Flatten: _reshape,
    Reshape: _reshape,
    Permute: _permute,
    Input: _input,
}
