"""Layers, losses and optimizers to try the checks of `nnlite.testing` on.

Right ones, and broken ones of which one file tests that nothing else finds them, and another what is said.
"""

from __future__ import annotations

import numpy as np

from nnlite import BatchNorm, Dense, ReLU, Residual, Sequential, Tanh
from nnlite.errors import ArgumentError
from nnlite.layers import Layer, Parameter
from nnlite.losses import Loss
from nnlite.optimizers import Optimizer


class Affine(Layer):
    """Right. Broken ones change one thing each."""

    W = Parameter()
    b = Parameter()

    def __init__(self, in_features=4, out_features=3):
        self.in_features = in_features
        self.out_features = out_features
        self.declare("W", (in_features, out_features))
        self.declare("b", (out_features,), decay=False)

    @property
    def input_shape(self):
        return (self.in_features,)

    def output_shape(self, input_shape):
        return (self.out_features,)

    def forward(self, x, ctx=None):
        if ctx is not None:
            ctx.save(x)
        return x @ self.W + self.b

    def backward(self, dy, ctx):
        (x,) = ctx.saved
        self.weight_gradient(x, dy, ctx)
        self.bias_gradient(dy, ctx)
        return dy @ self.W.mT

    def weight_gradient(self, x, dy, ctx):
        ctx.grads.W[...] = x.mT @ dy

    def bias_gradient(self, dy, ctx):
        ctx.grads.b[...] = dy.sum(axis=-2)


class Square(Layer):
    """Right. Broken ones change one thing each."""

    def forward(self, x, ctx=None):
        if ctx is not None:
            ctx.save(x)
        return x * x

    def backward(self, dy, ctx):
        (x,) = ctx.saved
        return 2 * x * dy


class ChangesX(Square):
    def forward(self, x, ctx=None):
        y = super().forward(x.copy(), ctx)
        x[...] = 0
        return y


class ChangesDy(Square):
    def backward(self, dy, ctx):
        dx = super().backward(dy, ctx)
        dy[...] = 0
        return dx


class ChangesY(Square):
    def forward(self, x, ctx=None):
        y = super().forward(x)
        if ctx is not None:
            ctx.save(x, y)
        return y

    def backward(self, dy, ctx):
        x, y = ctx.saved
        y[...] = 0
        return 2 * x * dy


class ChangesParameters(Affine):
    spare = Parameter()

    def __init__(self):
        super().__init__()
        self.declare("spare", (2,), decay=False)

    def backward(self, dy, ctx):
        ctx.grads.spare[...] = 0
        self.spare[...] += 1
        return super().backward(dy, ctx)


class PredictsSomethingElse(Square):
    def forward(self, x, ctx=None):
        return super().forward(x, ctx) + (ctx is None)


class DrawsSecretly(Square):
    def forward(self, x, ctx=None):
        factor = ctx.rng.random(x.shape).astype(x.dtype) if ctx is not None and ctx.training else 1
        if ctx is not None:
            ctx.save(x, factor)
        return x * x * factor

    def backward(self, dy, ctx):
        x, factor = ctx.saved
        return 2 * x * dy * factor


class UsesUp(Square):
    def forward(self, x, ctx=None):
        if ctx is not None:
            ctx.save(2 * x)
        return x * x

    def backward(self, dy, ctx):
        (twice,) = ctx.saved
        twice *= dy
        return twice.copy()


class LearnsOnlyForDx(Affine):
    def backward(self, dy, ctx):
        return super().backward(dy, ctx) if ctx.needs_dx else None


class Quartic(Loss):
    """Right. Broken ones change one thing each."""

    def value_and_grad(self, pred, target, weight=None):
        gap = pred - target
        shares = np.ones(gap.shape[-2]) if weight is None else weight
        shares = (shares / shares.sum(axis=-1, keepdims=True))[..., None].astype(gap.dtype)
        shares = shares / gap.shape[-1]
        value = np.sum(shares * gap**4, axis=(-2, -1))
        return float(value) if value.ndim == 0 else value, 4 * shares * gap**3


class ChangesPred(Quartic):
    def value_and_grad(self, pred, target, weight=None):
        result = super().value_and_grad(pred, target, weight)
        pred[...] = 0
        return result


class ChangesTarget(Quartic):
    def value_and_grad(self, pred, target, weight=None):
        result = super().value_and_grad(pred, target, weight)
        target[...] = 0
        return result


class Broadcasts(Quartic):
    def prepare(self, target, pred_shape, dtype):
        return np.asarray(target, dtype)


class RefusesWeights(Quartic):
    def value_and_grad(self, pred, target, weight=None):
        if weight is not None:
            raise ArgumentError(f"{self}", "no weights", "some", "Leave them out.")
        return super().value_and_grad(pred, target)


class Momentum(Optimizer):
    """Right. Broken ones change one thing each."""

    @property
    def slots(self):
        return ("velocity",)

    def update(self, w, g, rate, decay, velocity):
        velocity *= 0.5
        velocity += g
        w -= rate * velocity


class Uphill(Optimizer):
    def update(self, w, g, rate, decay):
        w += rate * g


class ChangesGradients(Optimizer):
    def update(self, w, g, rate, decay):
        g *= rate
        w -= g


class AddsRates(Optimizer):
    def update(self, w, g, rate, decay):
        w -= np.sum(rate) * g


class Sum(Layer):
    """Right: two ways side by side, added up. It is made of layers, and only its ``forward`` knows how."""

    def __init__(self, first, second):
        self.first, self.second = self.hold([first, second])

    def output_shape(self, input_shape):
        return self.first.shape_after(input_shape)

    def forward(self, x, ctx=None):
        (first, a), (second, b) = self.held(ctx)
        return first.forward(x, a) + second.forward(x, b)

    def backward(self, dy, ctx):
        (first, a), (second, b) = self.held(ctx)
        return first.backward(dy, a) + second.backward(dy, b)


def net_of_blocks(features=4, outputs=3, width=5, **options):
    """Make a net with blocks two deep, a layer of one's own that holds others, and `BatchNorm` in both."""
    inner = Residual([Dense(width, width), BatchNorm(width), Tanh()])
    block = Residual([BatchNorm(width), Tanh(), inner, Sequential([Dense(width, width), ReLU()])])
    own = Sum(Dense(width, width), Sequential([Dense(width, width), BatchNorm(width)]))
    options = {"rng": 0, **options}
    return Sequential([Dense(features, width), block, own, Dense(width, outputs)], **options)
