"""What may stand in front of dense layers, forward and backward, in the plainest NumPy; not timed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.nets import GRU, Conv, Part, Pool

#: Takes dL/dy; gives dL/dx, and the gradient of each parameter.
Back = Callable[[Any], tuple[Any, list[Any]]]


def run(part: Part, x: Any, params: Sequence[Any], tanh: bool) -> tuple[Any, Back]:
    """Compute what a part gives, and what traces the blame back through it."""
    if isinstance(part, Conv):
        return _conv(part, x, params, tanh)
    return _pool(part, x) if isinstance(part, Pool) else _gru(part, x, params)


def _conv(part: Conv, x: Any, params: Sequence[Any], tanh: bool) -> tuple[Any, Back]:
    W, b = params
    edge = part.padding
    padded = np.pad(x, ((0, 0), (edge, edge), (edge, edge), (0, 0)))
    height, width = (size - part.size + 1 for size in padded.shape[1:3])

    def window(array: Any, i: int, j: int) -> Any:
        return array[:, i : i + height, j : j + width]

    taps = list(np.ndindex(part.size, part.size))
    z = b + sum(window(padded, i, j) @ W[i, j] for i, j in taps)
    y = np.tanh(z) if tanh else np.maximum(z, 0)

    def back(dy: Any) -> tuple[Any, list[Any]]:
        dz = dy * (1 - y**2 if tanh else z > 0)
        dpadded, dW = np.zeros_like(padded), np.zeros_like(W)
        for i, j in taps:
            window(dpadded, i, j)[...] += dz @ W[i, j].T
            dW[i, j] = np.tensordot(window(padded, i, j), dz, ([0, 1, 2], [0, 1, 2]))
        inside = slice(edge, -edge or None)
        return dpadded[:, inside, inside], [dW, dz.sum(axis=(0, 1, 2))]

    return y, back


def _pool(part: Pool, x: Any) -> tuple[Any, Back]:
    batch, height, width, channels = x.shape
    shape = batch, height // part.size, part.size, width // part.size, part.size, channels
    windows = x.reshape(shape)
    y = windows.max(axis=(2, 4), keepdims=True)

    def back(dy: Any) -> tuple[Any, list[Any]]:
        # Where several are the largest all are 0, and the ReLU in front lets no blame through.
        return ((windows == y) * dy.reshape(y.shape)).reshape(x.shape), []

    return y.reshape(batch, height // part.size, width // part.size, channels), back


def _sigmoid(v: Any) -> Any:
    return 1 / (1 + np.exp(-v))


def _gru(part: GRU, x: Any, params: Sequence[Any]) -> tuple[Any, Back]:
    W, U, b, c = params
    steps = []
    h = np.zeros((len(x), part.units))
    for t in range(x.shape[1]):
        of_x, of_h = np.split(x[:, t] @ W + b, 3, axis=1), np.split(h @ U + c, 3, axis=1)
        update, reset = (_sigmoid(of_x[gate] + of_h[gate]) for gate in (0, 1))
        new = np.tanh(of_x[2] + reset * of_h[2])
        steps.append((h, update, reset, new, of_h[2]))
        h = update * h + (1 - update) * new

    def back(dh: Any) -> tuple[Any, list[Any]]:
        dW, dU, db, dc = (np.zeros_like(part) for part in params)
        dx = np.zeros_like(x)
        for t in reversed(range(x.shape[1])):
            before, update, reset, new, of_h = steps[t]
            dnew = dh * (1 - update) * (1 - new**2)
            dupdate = dh * (before - new) * update * (1 - update)
            dreset = dnew * of_h * reset * (1 - reset)
            of_x = np.concatenate([dupdate, dreset, dnew], axis=1)
            of_state = np.concatenate([dupdate, dreset, dnew * reset], axis=1)
            dW += x[:, t].T @ of_x
            db += of_x.sum(axis=0)
            dU += before.T @ of_state
            dc += of_state.sum(axis=0)
            dx[:, t] = of_x @ W.T
            dh = dh * update + of_state @ U.T
        return dx, [dW, dU, db, dc]

    return h, back
