"""A layer of one's own that is made of others, as docs/own.md shows it, wherever a layer may be."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import samples

import nnlite as nn
from nnlite.errors import ArgumentError, GradientCheckError
from nnlite.testing import check_layer

MSE = nn.MeanSquaredError()


class Gated(nn.Layer):
    """Add what some layers make of the input, as far as others let it through: ``x + gate(x) * f(x)``."""

    def __init__(self, gate, f):
        self.gate, self.f = self.hold([gate, f])

    def forward(self, x, ctx=None):
        (gate, of_gate), (f, of_f) = self.held(ctx)
        g, z = gate.forward(x, of_gate), f.forward(x, of_f)
        if ctx is not None:
            ctx.save(g, z)
        return x + g * z

    def backward(self, dy, ctx):
        (gate, of_gate), (f, of_f) = self.held(ctx)
        g, z = ctx.saved
        return dy + gate.backward(dy * z, of_gate) + f.backward(dy * g, of_f)


def gated(features, *between):
    f = nn.Sequential([nn.Dense(features, 5), *between, nn.Tanh(), nn.Dense(5, features)])
    return Gated(nn.Sequential([nn.Dense(features, features), nn.Sigmoid()]), f)


@pytest.mark.parametrize("replicas", [None, 3])
@pytest.mark.parametrize("norm", [nn.LayerNorm, nn.BatchNorm])
def test_it_is_proved(norm, replicas, rng):
    # The state of what it holds changes in training, which is not to be taken for something that it keeps.
    check_layer(gated(4, norm(5)), rng.normal(size=(6, 4)), replicas=replicas)


def passed(model, x, rng):
    """Make a pass, and return all that comes of it."""
    ctx = model.context(input_gradient=True, rng=1)
    y = model.forward(x, ctx)
    dx = model.backward(rng.normal(size=y.shape), ctx)
    return y, dx, model.params.grads, model.params.numbers, model.predict(x)


@pytest.mark.parametrize("replicas", [None, 2])
@pytest.mark.parametrize("layer", samples.LAYERS, ids=repr)
def test_every_layer_does_the_same_inside_of_others(layer, replicas, rng):
    x = samples.draw(layer, rng)
    options = {"dtype": np.float64, "replicas": replicas}
    plain = nn.Sequential([*samples.before(layer), samples.again(layer)], rng=0, **options)
    inner = nn.Sequential([nn.Sequential([samples.again(layer)])])
    deep = nn.Sequential([*samples.before(layer), inner], rng=0, **options)
    deep.params.numbers[...] = plain.params.numbers
    for model in (plain, deep):
        if not model.adapted:
            model.adapt(x)
    for ours, theirs in zip(*(passed(model, x, copy.deepcopy(rng)) for model in (deep, plain)), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_replicas_share_what_comes_into_the_first_layer(rng):
    """Each has a dL/dx of its own inside, though nobody wants it outside."""
    x, y = rng.normal(size=(8, 3)), rng.normal(size=(8, 1))
    model = nn.Sequential([gated(3, nn.BatchNorm(5)), nn.Dense(3, 1)], dtype=np.float64, replicas=2, rng=0)
    alone = [model.replica(index) for index in range(2)]
    values = model.loss_and_grad(x, y, MSE)
    for index, net in enumerate(alone):
        assert net.loss_and_grad(x, y, MSE) == pytest.approx(values[index], rel=1e-12)
        np.testing.assert_allclose(net.params.grads, model.params.grads[index], rtol=1e-10, atol=1e-14)
        np.testing.assert_allclose(net.params.state, model.params.state[index], rtol=1e-12)


def test_a_model_inside_of_a_layer_is_a_part_wherever_that_goes(rng):
    x, y = rng.normal(size=(8, 3)), rng.normal(size=(8, 1))
    block = nn.Residual([nn.Sequential([nn.Sequential([nn.Dense(3, 3)]), nn.Tanh()])])
    one = nn.Sequential([nn.Dense(3, 3), block, nn.Dense(3, 1)], rng=0, replicas=2)
    for model in (one, one.replica(1), copy.deepcopy(one)):
        assert all(layer._in_model for _, layer in list(model.walk())[1:])
        before = model.loss_and_grad(x, y, MSE)
        nn.SGD(0.1).step(model.params)
        assert np.all(model.loss_and_grad(x, y, MSE) < before)


def test_a_wrong_shape_inside_is_still_found(rng):
    class Tall(nn.Layer):
        def forward(self, x, ctx=None):
            return x

        def backward(self, dy, ctx):
            return np.stack([dy, dy, dy])

    model = nn.Sequential([nn.Dense(2, 2), nn.Sequential([Tall()]), nn.Dense(2, 1)], replicas=2, rng=0)
    with pytest.raises(nn.errors.ArgumentTypeError, match=r"^layer 1\.0 Tall\(\)\.backward: expected dL/dx"):
        model.loss_and_grad(rng.normal(size=(4, 2)), np.zeros((4, 1)), MSE)


class Forgetful(Gated):
    def backward(self, dy, ctx):
        _, (f, of_f) = self.held(ctx)
        return dy + f.backward(dy * ctx.saved[0], of_f)


class Undeclared(Gated):
    def __init__(self, gate, f):
        self.gate, self.f = gate, f


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (
            Forgetful,
            r"dL/d0\.W to be written .*, got nothing written\. Call `backward` of layer 0 of self\.held",
        ),
        (Undeclared, r"Dense\(3, 3\) as self\.gate.*Write self\.hold\(\[\.\.\.\]\)"),
    ],
)
def test_what_is_forgotten_is_named(kind, words, rng):
    with pytest.raises(GradientCheckError, match=words):
        check_layer(kind(nn.Dense(3, 3), nn.Dense(3, 3)), rng.normal(size=(5, 3)))


def test_a_wrong_blame_is_said_and_where(rng):
    class Forgets(Gated):
        def backward(self, dy, ctx):
            return super().backward(dy, ctx) - dy  # the way past the gate

    with pytest.raises(GradientCheckError, match=r"Forgets.*backward: expected dL/dx"):
        check_layer(Forgets(nn.Dense(4, 4), nn.Dense(4, 4)), rng.normal(size=(6, 4)))


def test_who_forgets_the_inner_context_is_told(rng):
    class Outer(Gated):
        def forward(self, x, ctx=None):
            return self.gate.forward(x, ctx) * self.f.forward(x, ctx)

    class Empty(Gated):
        def forward(self, x, ctx=None):
            if ctx is not None:
                ctx.save(x, x)
            return self.gate.forward(x) * self.f.forward(x)

    inner = [nn.Sequential([nn.Dense(2, 2)]), nn.Dense(2, 2)]
    model = nn.Sequential([Outer(*copy.deepcopy(inner))], rng=0)
    with pytest.raises(AttributeError, match=r"self\.held\(ctx\)"):
        model.forward(rng.normal(size=(3, 2)), model.context())
    model = nn.Sequential([Empty(*copy.deepcopy(inner))], rng=0)
    with pytest.raises(ArgumentError, match=r"expected the context that its forward got, got an empty one"):
        model.loss_and_grad(rng.normal(size=(3, 2)), np.zeros((3, 2)), MSE)
