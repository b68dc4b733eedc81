"""The checks for people who write their own: what is right passes, and each slip is found and named."""

from __future__ import annotations

import copy
import dataclasses
import math

import numpy as np
import pytest
from workpieces import (
    AddsRates,
    Affine,
    Broadcasts,
    ChangesDy,
    ChangesGradients,
    ChangesParameters,
    ChangesPred,
    ChangesTarget,
    ChangesX,
    ChangesY,
    DrawsSecretly,
    LearnsOnlyForDx,
    Momentum,
    PredictsSomethingElse,
    Quartic,
    RefusesWeights,
    Square,
    Uphill,
    UsesUp,
)

from nnlite import optimizers
from nnlite.errors import ArgumentError, ArgumentTypeError, GradientCheckError, ShapeError
from nnlite.layers import Dense, Layer, Parameter, ReLU, Standardize, Step
from nnlite.losses import Huber, Loss, Masked, MeanAbsoluteError, MeanSquaredError, PointwiseLoss
from nnlite.optimizers import SGD, Adagrad, Adam, AdamW, Lion, NAdam, Optimizer, RMSProp
from nnlite.optimizers.second_order import LBFGS
from nnlite.testing import CheckReport, check_layer, check_loss, check_optimizer
from nnlite.testing.differences import measure_slopes, relative_error


class ScaleAndShift(Layer):
    """Right. Two parameters of one shape."""

    gain = Parameter()
    shift = Parameter()

    def __init__(self, features=4):
        self.features = features
        self.declare("gain", (features,), decay=False)
        self.declare("shift", (features,), decay=False)

    @property
    def input_shape(self):
        return (self.features,)

    def forward(self, x, ctx=None):
        if ctx is not None:
            ctx.save(x)
        return x * self.gain + self.shift

    def backward(self, dy, ctx):
        (x,) = ctx.saved
        np.sum(x * dy, axis=-2, out=ctx.grads.gain)
        np.sum(dy, axis=-2, out=ctx.grads.shift)
        return dy * self.gain


class OwnSoftmax(Layer):
    """Right."""

    def forward(self, x, ctx=None):
        y = np.exp(x)
        y /= y.sum(axis=-1, keepdims=True)
        if ctx is not None:
            ctx.save(y)
        return y

    def backward(self, dy, ctx):
        (y,) = ctx.saved
        return y * (dy - np.sum(y * dy, axis=-1, keepdims=True))


class Logarithm(Layer):
    """Right, for positive numbers."""

    def forward(self, x, ctx=None):
        if ctx is not None:
            ctx.save(x)
        with np.errstate(invalid="ignore"):
            return np.log(x)

    def backward(self, dy, ctx):
        (x,) = ctx.saved
        return dy / x


def changed(base, **methods):
    """Make a layer, loss or optimizer class with some methods replaced."""
    return type(f"Broken{base.__name__}", (base,), methods)


def weight(rule):
    """Make an Affine layer of 4 by 4 whose weight gradient follows a rule of (x, dy)."""

    def weight_gradient(self, x, dy, ctx):
        ctx.grads.W[...] = rule(x, dy)

    return changed(Affine, weight_gradient=weight_gradient)


def bias(rule):
    """Make an Affine layer whose bias gradient follows a rule of dy."""

    def bias_gradient(self, dy, ctx):
        ctx.grads.b[...] = rule(dy)

    return changed(Affine, bias_gradient=bias_gradient)


def slope(rule, base=Square):
    """Make a layer whose dL/dx follows a rule of (x, dy)."""

    def backward(self, dy, ctx):
        (x,) = ctx.saved
        return rule(x, dy)

    return changed(base, backward=backward)


def add_weights(self, x, dy, ctx):
    ctx.grads.W += x.mT @ dy


def bind_weights(self, x, dy, ctx):
    ctx.grads.W = x.mT @ dy


def write_one_bias(self, dy, ctx):
    ctx.grads.b[..., :1] = dy.sum(axis=-2)[..., :1]


def forget_the_transpose(self, dy, ctx):
    Affine.backward(self, dy, ctx)
    return dy @ self.W


def swap_gain_and_shift(self, dy, ctx):
    (x,) = ctx.saved
    np.sum(dy, axis=-2, out=ctx.grads.gain)
    np.sum(x * dy, axis=-2, out=ctx.grads.shift)
    return dy * self.gain


def wrong_in_one_column(x, dy):
    dx = 2 * x * dy
    dx[..., 1] += 1.0
    return dx


# A broken layer, and what the message says: which gradient or method, and the usual cause.
WRONG_GRADIENTS = {
    "W transposed, square": (weight(lambda x, dy: dy.mT @ x)(4, 4), "dL/dW", "It is transposed"),
    "W transposed, by shape": (weight(lambda x, dy: dy.mT @ x)(4, 3), "backward", "x.mT @ dy, not dy.mT @ x"),
    "W with the wrong sign": (weight(lambda x, dy: -x.mT @ dy)(), "dL/dW", "The sign is wrong"),
    "W the mean": (weight(lambda x, dy: x.mT @ dy / x.shape[-2])(), "dL/dW", "1/5 .*not the mean"),
    "W blind to dy": (weight(lambda x, dy: x.mT @ np.ones_like(dy))(), "dL/dW", "does not depend on dy"),
    "W added": (changed(Affine, weight_gradient=add_weights)(), "dL/dW", r"Gradients overwrite.* not \+="),
    "W bound": (changed(Affine, weight_gradient=bind_weights)(), "ctx.grads.W", r"Write ctx.grads.W\[...\]"),
    "b the mean": (bias(lambda dy: dy.mean(axis=-2))(), "dL/db", "1/5 .*take the sum over the batch"),
    "b times the rows": (bias(lambda dy: 5 * dy.sum(axis=-2))(), "dL/db", "5 times too large.* 5 rows"),
    "b over the wrong axis": (bias(lambda dy: dy.sum(axis=-1))(4, 5), "dL/db", "wrong axis"),
    "b over the wrong axis, by shape": (bias(lambda dy: dy.sum(axis=-1))(4, 3), "backward", "wrong axis"),
    "b one total": (bias(lambda dy: dy.sum())(), "dL/db", "one total for all entries"),
    "b not summed": (bias(lambda dy: dy)(), "backward", "one for each row: sum over the batch"),
    "b of the last row": (bias(lambda dy: dy[..., -1, :])(), "dL/db", "Only the last row counts"),
    "b of the first row": (bias(lambda dy: dy[..., 0, :])(), "dL/db", "Only the first row counts"),
    "b zero": (bias(lambda dy: 0)(), "dL/db", "zero everywhere"),
    "b NaN": (bias(lambda dy: np.nan)(), "dL/db", "computes NaN itself"),
    "b never written": (
        changed(Affine, bias_gradient=lambda self, dy, ctx: None)(),
        "dL/db to be written",
        r"nothing written. Write ctx.grads.b\[\.\.\.\] =",
    ),
    "b half written": (
        changed(Affine, bias_gradient=write_one_bias)(),
        "dL/db",
        "2 of 3 numbers not written",
    ),
    "gradients swapped": (
        changed(ScaleAndShift, backward=swap_gain_and_shift)(),
        "dL/dgain",
        "It is dL/dshift: the two are swapped",
    ),
    "no gradients without dx": (
        LearnsOnlyForDx(),
        "dL/dW",
        "the parameters still get their gradients",
    ),
    "dx without the transpose": (
        changed(Affine, backward=forget_the_transpose)(4, 4),
        "dL/dx",
        r"must be transposed, dy @ W\.mT",
    ),
    "dx with the wrong sign": (slope(lambda x, dy: -2 * x * dy)(), "dL/dx", "The sign is wrong"),
    "dx twice": (slope(lambda x, dy: 4 * x * dy)(), "dL/dx", "twice the slope: a factor of 2 too many"),
    "dx half": (slope(lambda x, dy: x * dy)(), "dL/dx", "half the slope: a missing factor of 2"),
    "dx times a constant": (slope(lambda x, dy: 7.4 * x * dy)(), "dL/dx", "3.7 times the slope everywhere"),
    "dx the mean": (slope(lambda x, dy: 2 * x * dy / len(x))(), "dL/dx", "1/5 .*not the mean"),
    "dx equal to dy": (slope(lambda x, dy: dy.copy())(), "dL/dx", "the derivative of forward is missing"),
    "dx blind to dy": (slope(lambda x, dy: 2 * x)(), "dL/dx", "does not depend on dy"),
    "dx zero": (slope(lambda x, dy: 0 * x)(), "dL/dx", "zero everywhere"),
    "dx wrong where negative": (
        slope(lambda x, dy: np.where(x > 0, 2, 3) * x * dy)(),
        "dL/dx",
        "wrong only where x is negative",
    ),
    "dx wrong in one column": (slope(wrong_in_one_column)(), "dL/dx", "wrong only in column 1"),
    "dx of no usual slip": (slope(lambda x, dy: np.cos(x) * dy)(), "dL/dx", "No usual slip"),
    "dx of the diagonal": (
        slope(lambda y, dy: y * (1 - y) * dy, OwnSoftmax)(),
        "dL/dx",
        "sum over all outputs, as Softmax does",
    ),
}


@pytest.mark.parametrize("case", WRONG_GRADIENTS)
def test_a_wrong_gradient_is_found_and_its_cause_named(case):
    layer, which, cause = WRONG_GRADIENTS[case]
    with pytest.raises(GradientCheckError, match=cause) as error:
        check_layer(layer)
    assert which in f"{error.value.where} {error.value.expected}"


def test_the_message_says_where_and_how_much(rng):
    # The slope of x**2 at 3 is 6; backward gives 6.6.
    layer = slope(lambda x, dy: 2.2 * x * dy)()
    with pytest.raises(GradientCheckError) as error:
        check_layer(layer, [[1e-3, 3.0]])
    found = error.value
    assert found.where == "BrokenSquare().backward"
    assert found.expected.startswith("dL/dx to be ")
    assert found.expected.endswith("at index (0, 1), as central differences say")
    right, wrong = float(found.expected.split()[3]), float(found.got.split(",")[0])
    assert wrong == pytest.approx(1.1 * right)
    assert "off by 0.091 of the largest entry (2 of 2 entries are wrong)" in found.got


@pytest.mark.parametrize("factor", [1e-6, -1e-6])
def test_an_error_of_one_in_a_million_is_found(factor):
    with pytest.raises(GradientCheckError, match="off by 1e-06 of the largest"):
        check_layer(slope(lambda x, dy: (2 + 2 * factor) * x * dy)())


def test_the_tolerance_decides():
    layer = slope(lambda x, dy: 2.002 * x * dy)()
    assert check_layer(layer, tolerance=2e-3).largest_error == pytest.approx(1e-3, rel=0.01)
    with pytest.raises(GradientCheckError):
        check_layer(layer, tolerance=5e-4)


# Layers that break a rule other than that their gradients are right.


class KeepsStateInTraining(Square):
    def forward(self, x, ctx=None):
        if ctx is not None:
            self.x = x
        return x * x

    def backward(self, dy, ctx):
        return 2 * self.x * dy


class KeepsStateAlways(KeepsStateInTraining):
    def forward(self, x, ctx=None):
        self.x = x
        return x * x


class KeepsStateInAList(Square):
    def __init__(self):
        self.last = []

    def forward(self, x, ctx=None):
        self.last[:] = [x]
        return x * x

    def backward(self, dy, ctx):
        return 2 * self.last[0] * dy


class DrawsElsewhere(Square):
    stochastic = True
    rng = np.random.default_rng(0)

    def forward(self, x, ctx=None):
        y = super().forward(x, ctx)
        return y * self.rng.uniform(size=x.shape) if ctx is not None and ctx.training else y


class NoBackward(Layer):
    def forward(self, x, ctx=None):
        return x + 1


BROKEN_RULES = {
    "state kept in training": (KeepsStateInTraining(), "nothing to be kept on the layer", r"self\.x written"),
    "state kept always": (KeepsStateAlways(), "nothing to be kept on the layer", r"self\.x written"),
    "state kept in a list": (KeepsStateInAList(), "nothing to be kept on the layer", r"self\.last written"),
    "x changed": (ChangesX(), "forward: expected x to be unchanged", r"index \(0, 0\)"),
    "dy changed": (ChangesDy(), "backward: expected dy to be unchanged", "Make a new array"),
    "parameters changed": (ChangesParameters(), "its parameters to be unchanged", "another number"),
    "y changed": (ChangesY(), "the output y to be unchanged", "another number"),
    "saved changed": (UsesUp(), "called again with the same context", "what forward saved"),
    "two forwards": (PredictsSomethingElse(), "the same output with a context", "a gap of 1"),
    "own chance": (DrawsElsewhere(), "nothing to be kept on the layer", r"DrawsElsewhere\.rng written"),
    "secret chance": (DrawsSecretly(), "no chance in the output", "stochastic = True"),
    "no backward": (NoBackward(), "NotImplementedError: NoBackward.backward is not", "traceback above"),
    "no output": (
        changed(Square, forward=lambda self, x, ctx=None: None)(),
        "forward",
        "got NoneType. End it",
    ),
    "no dx": (slope(lambda x, dy: None)(), "backward", "got NoneType. End it with a return"),
    "a list for dx": (slope(lambda x, dy: (2 * x * dy).tolist())(), "backward", "got list. Return a NumPy"),
    "output shape": (
        changed(Affine, output_shape=lambda self, shape: shape)(4, 3),
        r"an array of shape \(5, 4\), got shape \(5, 3\)",
        "write output_shape",
    ),
    "rows lost": (
        changed(Square, forward=lambda self, x, ctx=None: (x * x)[..., :1, :])(),
        r"an array of shape \(5, 4\), got shape \(1, 4\)",
        "Each row of x gives one row of y",
    ),
    "dx shape": (slope(lambda x, dy: x.sum(axis=0))(), r"got shape \(4,\)", "has the shape of x"),
    "dx transposed": (slope(lambda x, dy: (2 * x * dy).mT)(), r"got shape \(4, 5\)", "is transposed"),
    "float64 output": (
        changed(Affine, forward=lambda self, x, ctx=None: Affine.forward(self, x, ctx) * np.float64(1))(),
        "forward: expected dtype float32 for an input of float32",
        "got dtype float64",
    ),
    "float32 output": (
        changed(Square, forward=lambda self, x, ctx=None: Square.forward(self, x, ctx).astype(np.float32))(),
        "forward: expected dtype float64 for an input of float64",
        "got dtype float32",
    ),
    "float64 dx": (
        slope(lambda x, dy: np.float64(2) * x * dy)(),
        "backward: expected dtype float32 for an input of float32",
        "an array made without dtype=x.dtype",
    ),
    "not finite": (Logarithm(), "finite numbers, got NaN", "give check_layer an x of those"),
    "forward fails": (
        changed(Square, forward=lambda self, x, ctx=None: x @ x)(),
        r"forward: expected a result for x of shape \(5, 4\), got ValueError: matmul",
        "The traceback above",
    ),
    "backward fails": (
        slope(lambda x, dy: dy @ np.ones((3, 2)))(),
        r"backward: expected a result for dy of shape \(5, 4\), got ValueError: matmul",
        "Every gradient has the shape of what it belongs to",
    ),
}


@pytest.mark.parametrize("case", BROKEN_RULES)
def test_a_broken_rule_is_found(case):
    layer, what, cause = BROKEN_RULES[case]
    with pytest.raises(GradientCheckError, match=f"{what}.*{cause}|{cause}.*{what}"):
        check_layer(layer)


# Right for one net, wrong for several.
WITHOUT_REPLICAS_ONLY = {
    "bias over axis 0": bias(lambda dy: dy.sum(axis=0))(),
    "rows counted on axis 0": slope(lambda x, dy: 2 * x * dy * (len(x) / 5))(),
    "transposed by T": changed(
        Affine, weight_gradient=lambda self, x, dy, ctx: np.matmul(x.T, dy, out=ctx.grads.W)
    )(),
    "axes counted": changed(
        Square, forward=lambda self, x, ctx=None: Square.forward(self, x, ctx) * (x.ndim - 1)
    )(),
}


@pytest.mark.parametrize("case", WITHOUT_REPLICAS_ONLY)
def test_what_is_wrong_with_replicas_only_is_told_apart(case):
    layer = WITHOUT_REPLICAS_ONLY[case]
    check_layer(layer)
    with pytest.raises(
        GradientCheckError, match=r"with replicas .* Without replicas the layer is right. Count axes"
    ):
        check_layer(layer, replicas=3)


def test_what_is_wrong_anyway_is_not_blamed_on_the_replicas():
    with pytest.raises(GradientCheckError, match="The sign is wrong"):
        check_layer(weight(lambda x, dy: -x.mT @ dy)(), replicas=3)


def test_an_input_that_replicas_share_is_checked_too():
    # Right as long as the input has the axis of the replicas too.
    layer = weight(lambda x, dy: (1 + (x.ndim < dy.ndim)) * x.mT @ dy)()
    with pytest.raises(GradientCheckError, match="with replicas dL/dW"):
        check_layer(layer, replicas=3)


@pytest.mark.parametrize("replicas", [None, 3])
@pytest.mark.parametrize("layer", [Affine(), Square(), ScaleAndShift(), OwnSoftmax()], ids=repr)
def test_a_right_layer_passes(layer, replicas):
    report = check_layer(layer, replicas=replicas)
    assert report.largest_error < 1e-8
    names = ["dL/dx", *(f"dL/d{name}" for name in layer.parameter_names)]
    assert list(report.errors)[: len(names)] == names
    assert (len(report.errors) > len(names)) == (replicas is not None and bool(layer.parameter_names))


def test_the_report_is_a_frozen_readable_record():
    report = check_layer(Affine(4, 2), replicas=2)
    assert isinstance(report, CheckReport)
    with pytest.raises(dataclasses.FrozenInstanceError):
        report.subject = "another"
    lines = str(report).splitlines()
    assert lines[0] == "Affine(out_features=2) is right."
    assert any(line.startswith("  dL/dW: relative error ") for line in lines)
    assert "  2 replicas do not mix, with an x of their own and with one that they share" in lines
    assert report.largest_error == max(report.errors.values())


def test_the_layer_is_not_changed():
    layer = Standardize(3)
    check_layer(layer)
    assert not layer.adapted
    layer = Dense(3, 2)
    layer.W[...] = 1.0
    layer.freeze("b")
    kept = copy.deepcopy(layer)
    check_layer(layer, replicas=2)
    np.testing.assert_array_equal(layer.W, kept.W)
    np.testing.assert_array_equal(layer.b, kept.b)
    assert layer.W.dtype == np.float32
    assert layer.frozen == kept.frozen


def test_the_same_seed_gives_the_same_report():
    assert check_layer(Affine(), rng=5) == check_layer(Affine(), rng=5)
    assert check_layer(Affine(), rng=5) != check_layer(Affine(), rng=6)


@pytest.mark.parametrize("slope_at_zero", [0.0, 0.5, 1.0])
def test_at_a_kink_every_slope_between_the_two_sides_is_right(slope_at_zero):
    def backward(self, dy, ctx):
        (y,) = ctx.saved
        return dy * np.where(y > 0, 1.0, np.where(y < 0, 0.0, slope_at_zero)).astype(dy.dtype)

    def forward(self, x, ctx=None):
        if ctx is not None:
            ctx.save(x)
        return np.maximum(x, 0)

    layer = changed(ReLU, forward=forward, backward=backward)()
    assert check_layer(layer, [[0.0, 1.0, -1.0]]).largest_error < 1e-8
    assert check_layer(layer, [[0.0]]).largest_error < 1e-8


@pytest.mark.parametrize("slope_at_zero", [-0.1, 1.1])
def test_at_a_kink_a_slope_beyond_the_two_sides_is_wrong(slope_at_zero):
    def backward(self, dy, ctx):
        (y,) = ctx.saved
        return dy * np.where(y > 0, 1.0, slope_at_zero).astype(dy.dtype)

    with pytest.raises(GradientCheckError, match=r"at index \(0, 0\)"):
        check_layer(changed(ReLU, backward=backward)(), [[0.0, 1.0]])


def test_a_step_is_right_at_its_jump():
    assert check_layer(Step(), [[0.0, 1.0, -1.0]]).largest_error == 0


def test_an_input_of_ones_own():
    assert check_layer(Logarithm(), [[0.5, 2.0], [1.0, 3.0]]).largest_error < 1e-8
    assert check_layer(Logarithm(), [[0.5, 2.0], [1.0, 3.0]], replicas=2).largest_error < 1e-8
    assert check_layer(Logarithm(), np.full((2, 3, 1), 0.7), replicas=2).largest_error < 1e-8
    assert check_layer(Square(), np.ones((4, 2, 3))).largest_error < 1e-8  # a sample is 2 by 3


ONE_FOR_ALL = SGD(0.1)


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: check_layer(Dense), ArgumentTypeError, r"the class Dense\. Write Dense"),
        (lambda: check_layer("relu"), ArgumentTypeError, "expected a layer"),
        (lambda: check_layer(Dense(3, 2), np.ones((4, 5))), ShapeError, r"shape \(batch, 3\), got \(4, 5\)"),
        (lambda: check_layer(Dense(3, 2), np.ones(3)), ShapeError, r"got \(3,\)"),
        (lambda: check_layer(Dense(3, 2), np.ones((7, 4, 3)), replicas=2), ShapeError, r"got \(7, 4, 3\)"),
        (lambda: check_layer(Square(), np.ones(3)), ShapeError, r"shape \(batch, features\)"),
        (lambda: check_layer(Square(), [[np.nan]]), ArgumentError, "finite numbers"),
        (lambda: check_layer(Square(), batch=0), ArgumentError, "at least 1"),
        (lambda: check_layer(Square(), replicas=0), ArgumentError, "at least 1"),
        (lambda: check_layer(Square(), tolerance=0), ArgumentError, "tolerance"),
        (lambda: check_layer(Square(), rng="seed"), ArgumentTypeError, "rng"),
        (lambda: check_loss(Huber), ArgumentTypeError, "Give an instance"),
        (lambda: check_loss(Huber(), [[1.0]]), ArgumentError, "both of them or none"),
        (lambda: check_loss(Huber(), [1.0], [1.0]), ShapeError, r"shape \(batch, outputs\)"),
        (lambda: check_loss(Huber(), [[1.0]], [[1.0, 2.0]]), ShapeError, "target: expected shape"),
        (lambda: check_loss(Huber(), [[np.inf]], [[1.0]]), ArgumentError, "finite numbers"),
        (lambda: check_loss(Huber(), weight=[1.0]), ShapeError, "weights of shape"),
        (lambda: check_loss(Huber(), outputs=0), ArgumentError, "at least 1"),
        (lambda: check_loss(Huber(), replicas=0), ArgumentError, "at least 1"),
        (lambda: check_optimizer(Adam()), ArgumentTypeError, "Write lambda"),
        (lambda: check_optimizer(LBFGS), ArgumentTypeError, "one that returns LBFGS"),
        (lambda: check_optimizer(lambda: ONE_FOR_ALL), ArgumentTypeError, "a new optimizer at each"),
        (lambda: check_optimizer(Adam, replicas=0), ArgumentError, "at least 1"),
    ],
)
def test_bad_arguments_are_refused(call, kind, words):
    with pytest.raises(kind, match=words) as error:
        call()
    assert not isinstance(error.value, GradientCheckError)


# Losses.


def graded(rule):
    """Make a quartic loss whose gradient is changed by a rule."""

    def value_and_grad(self, pred, target, weight=None):
        value, grad = Quartic.value_and_grad(self, pred, target, weight)
        return value, rule(grad)

    return changed(Quartic, value_and_grad=value_and_grad)()


def returning(rule):
    """Make a quartic loss that returns something else."""

    def value_and_grad(self, pred, target, weight=None):
        return rule(*Quartic.value_and_grad(self, pred, target, weight))

    return changed(Quartic, value_and_grad=value_and_grad)()


class GradientIgnoresWeights(Quartic):
    def value_and_grad(self, pred, target, weight=None):
        value, _ = super().value_and_grad(pred, target, weight)
        return value, super().value_and_grad(pred, target)[1]


class IgnoresWeights(Quartic):
    def value_and_grad(self, pred, target, weight=None):
        return super().value_and_grad(pred, target)


class DividesByTheRows(Quartic):
    def value_and_grad(self, pred, target, weight=None):
        value, grad = super().value_and_grad(pred, target, weight)
        factor = 1 if weight is None else float(np.mean(weight))
        return value * factor, grad * factor


class TakesNoWeight(Quartic):
    def value_and_grad(self, pred, target):
        return super().value_and_grad(pred, target)


class GradientIsPred(Loss):
    """The gradient of half the sum of squares is the prediction itself."""

    def value_and_grad(self, pred, target, weight=None):
        return 0.5 * float(np.sum(pred * pred)), pred


class TakesNothing(Quartic):
    def prepare(self, target, pred_shape, dtype):
        raise ArgumentError(f"{self} target", "primes", "others", "Give primes.")


def fail(self, pred, target, weight=None):
    raise ZeroDivisionError


WRONG_LOSSES = {
    "wrong sign": (graded(lambda grad: -grad), "dL/dpred to be", "The sign is wrong"),
    "missing 1/rows": (graded(lambda grad: 5 * grad), "dL/dpred to be", "5 rows: a missing 1/n"),
    "missing 1/outputs": (graded(lambda grad: 3 * grad), "dL/dpred to be", "3 outputs: a missing 1/n"),
    "missing 1/n": (graded(lambda grad: 15 * grad), "dL/dpred to be", "15 rows times outputs: a missing 1/n"),
    "1/rows too many": (graded(lambda grad: grad / 5), "1/5 of the slope", "divided by their number"),
    "factor 2": (graded(lambda grad: 2 * grad), "dL/dpred to be", "a factor of 2 too many"),
    "factor 1/2": (graded(lambda grad: grad / 2), "dL/dpred to be", "a missing factor of 2"),
    "zero": (graded(lambda grad: 0 * grad), "dL/dpred to be", "zero everywhere"),
    "weights missing in the gradient": (
        GradientIgnoresWeights(),
        "dL/dpred with weights",
        "ignores the weights",
    ),
    "weights ignored": (IgnoresWeights(), "a weight of 2", "a value that ignores the weights"),
    "weights not normalized": (DividesByTheRows(), "a weight of 2", "instead of"),
    "no argument for weights": (
        TakesNoWeight(),
        "weight=None",
        "value_and_grad.self, pred, target, weight=None.",
    ),
    "pred changed": (ChangesPred(), "pred to be unchanged", "Make a new array"),
    "target changed": (ChangesTarget(), "target to be unchanged", "Make a new array"),
    "grad is pred": (GradientIsPred(), "a new array for the gradient", "shares memory with pred"),
    "no tuple": (returning(lambda value, grad: value), "two results, got float", "return value, grad"),
    "value is an array": (
        returning(lambda value, grad: (np.array(value), grad)),
        "a float, got ndarray",
        "Return float",
    ),
    "value is float32": (
        returning(lambda value, grad: (grad.dtype.type(value), grad)),
        "a float, got float32",
        "Return float",
    ),
    "value is not finite": (
        returning(lambda value, grad: (np.nan, grad)),
        "a finite value, got nan",
        "give check",
    ),
    "grad is flat": (
        graded(np.ravel),
        r"an array of shape \(5, 3\), got shape \(15,\)",
        "one entry for each of pred",
    ),
    "grad is float64": (graded(lambda grad: grad.astype(np.float64)), "dtype float32", "got dtype float64"),
    "broadcasts": (Broadcasts(), r"refuse a target of shape \(1, 3\)", "Compare the shapes in prepare"),
    "fails": (changed(Quartic, value_and_grad=fail)(), "got ZeroDivisionError. The", "traceback above"),
}


@pytest.mark.parametrize("case", WRONG_LOSSES)
def test_a_wrong_loss_is_found_and_its_cause_named(case):
    loss, what, cause = WRONG_LOSSES[case]
    with pytest.raises(GradientCheckError, match=f"{what}.*{cause}|{cause}.*{what}"):
        check_loss(loss)


class AveragesOverReplicas(Quartic):
    def value_and_grad(self, pred, target, weight=None):
        value, grad = super().value_and_grad(pred, target, weight)
        return float(np.mean(value)), grad


class GradientOfAllReplicas(Quartic):
    def value_and_grad(self, pred, target, weight=None):
        value, grad = super().value_and_grad(pred, target, weight)
        return value, grad if pred.ndim == 2 else grad / len(pred)


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (AveragesOverReplicas(), r"one number for each replica, shape \(3,\), got shape \(\)"),
        (GradientOfAllReplicas(), "for replica 0 of 3 what it gets alone, got another gradient"),
    ],
    ids=repr,
)
def test_a_loss_that_is_wrong_with_replicas_is_found(loss, words):
    check_loss(loss)
    with pytest.raises(GradientCheckError, match=rf"{words}.*axis=\(-2, -1\)"):
        check_loss(loss, replicas=3)


def test_a_loss_that_mixes_replicas_is_found():
    with pytest.raises(GradientCheckError, match="for replica 0 of 3"):
        check_loss(changed(Quartic, value_and_grad=mixed)(), replicas=3)


def mixed(self, pred, target, weight=None):
    value, grad = Quartic.value_and_grad(self, pred, target, weight)
    return (value, grad) if pred.ndim == 2 else (value[::-1].copy(), grad)


@pytest.mark.parametrize("replicas", [None, 3])
def test_a_right_loss_passes(replicas):
    report = check_loss(Quartic(), replicas=replicas)
    assert report.largest_error < 1e-8
    assert "a weight of 2 is the row twice, and one of 0 no row" in report.checked
    assert len(report.errors) == (2 if replicas is None else 4)


def test_weights_may_be_refused_or_left_out():
    assert "weights are refused" in check_loss(RefusesWeights(), replicas=2).checked
    report = check_loss(IgnoresWeights(), weighted=False)
    assert list(report.errors) == ["dL/dpred"]
    assert not any("weight" in what for what in report.checked)


def test_data_of_ones_own_reach_the_loss():
    assert check_loss(Huber(5.0), [[3.0], [0.5]], [[1.0], [1.0]], weight=[1.0, 3.0]).largest_error < 1e-8
    with pytest.raises(ArgumentError, match=r"Give pred and target"):
        check_loss(TakesNothing())
    with pytest.raises(GradientCheckError, match="finite value"):
        check_loss(LogLoss(), [[-1.0]], [[0.0]])
    assert check_loss(LogLoss(), [[0.2], [0.9]], [[0.0], [0.0]]).largest_error < 1e-8


class LogLoss(PointwiseLoss):
    def pointwise(self, pred, target):
        with np.errstate(invalid="ignore"):
            return -np.log(pred), -1 / pred


def test_a_loss_is_right_at_its_kink():
    assert check_loss(MeanAbsoluteError(), [[1.0], [2.0]], [[1.0], [3.0]]).largest_error < 1e-8


# Optimizers.


def updating(rule):
    """Make an optimizer without slots that updates by a rule."""
    return changed(Optimizer, update=lambda self, w, g, rate, decay: rule(self, w, g, rate))


def not_in_place(self, w, g, rate):
    w = w - rate * g


def by_the_norm_of_everything(self, w, g, rate):
    w -= rate * g / np.linalg.norm(g)


def by_the_norm_of_the_block(self, w, g, rate):
    w -= rate * g / np.linalg.norm(g, axis=-1, keepdims=True)


def count_calls(self, w, g, rate):
    self.steps += 1
    w -= rate * g


def count_calls_elsewhere(self, w, g, rate):
    self.calls = getattr(self, "calls", 0) + 1
    w -= rate / self.calls * g


def fail_to_update(self, w, g, rate):
    raise ZeroDivisionError


class StepsItself(Optimizer):
    """Right for the trainable values of any parameters."""

    def step(self, params):
        self.check(params)
        self._attach(params)
        for run in params.trainable_slices:
            params.values[..., run] -= self.rate * params.grads[..., run]
        self.steps += 1


class MakesNewValues(StepsItself):
    def step(self, params):
        super().step(params)
        params.values = params.values - 0.1 * params.grads


class MovesTheFrozen(Optimizer):
    def step(self, params):
        self.check(params)
        self._attach(params)
        params.values -= self.rate * params.grads
        self.steps += 1


class TakesAnyParameters(Optimizer):
    def step(self, params):
        for run in params.trainable_slices:
            params.values[..., run] -= self.rate * params.grads[..., run]
        self.steps += 1


class DoesNotCount(StepsItself):
    def step(self, params):
        super().step(params)
        self.steps -= 1


class KeepsItsVelocityOutsideSlots(StepsItself):
    velocity = 0.0

    def step(self, params):
        self.velocity = 0.5 * self.velocity + params.grads
        before, rate = params.values.copy(), self.rate
        super().step(params)
        moved = params.values != before
        params.values[moved] = (before - rate * self.velocity)[moved]


def by_the_root_of_the_rate(self, w, g, rate):
    w -= math.sqrt(rate) * g


class KeepsStateInFloat64(Momentum):
    def step(self, params):
        super().step(params)
        self.state["velocity"] = self.state["velocity"].astype(np.float64)


class LosesItsStateWhenCopied(Momentum):
    def __getstate__(self):
        return {**super().__getstate__(), "state": {}}


WRONG_OPTIMIZERS = {
    "uphill": (Uphill, "a lower loss", "The sign is wrong"),
    "not in place": (updating(not_in_place), "a lower loss", "have not moved"),
    "gradient changed": (ChangesGradients, "the gradient to be unchanged", "Make a new array"),
    "values replaced": (MakesNewValues, "params.values", "expected to be written in place"),
    "frozen values moved": (MovesTheFrozen, "frozen parameters to keep every bit", "trainable_slices"),
    "steps counted twice": (updating(count_calls), "steps to be 6 after 6 steps", "once for every block"),
    "steps not counted": (DoesNotCount, "steps to be 6 after 6 steps, got 0", "step counts them"),
    "state in float64": (KeepsStateInFloat64, "of float32 for parameters of float32", "change it in place"),
    "replicas mixed": (
        updating(by_the_norm_of_everything),
        "3 replicas to be trained",
        "axis=-1 with keepdims",
    ),
    "rates taken for one number": (
        updating(by_the_root_of_the_rate),
        "a step, got TypeError",
        "not those of math",
    ),
    "rates added up": (AddsRates, "with rates of their own", "not those of math"),
    "block by block": (updating(by_the_norm_of_the_block), "cut into blocks", "depend on no other"),
    "calls counted": (updating(count_calls_elsewhere), "from state_dict", "every count in steps"),
    "state outside slots": (KeepsItsVelocityOutsideSlots, "from state_dict", "Keep every array in slots"),
    "state not copied": (LosesItsStateWhenCopied, "from a copy", "Keep every array in slots"),
    "any parameters": (TakesAnyParameters, "of another model to be refused", r"self\.check\(params\)"),
    "no update": (Optimizer, "a step, got NotImplementedError", "traceback above"),
    "update fails": (updating(fail_to_update), "a step, got ZeroDivisionError. The", "traceback above"),
}


@pytest.mark.parametrize("case", WRONG_OPTIMIZERS)
def test_a_wrong_optimizer_is_found_and_its_cause_named(case):
    make, what, cause = WRONG_OPTIMIZERS[case]
    with pytest.raises(GradientCheckError, match=f"{what}.*{cause}|{cause}.*{what}"):
        check_optimizer(lambda: make(0.1))


@pytest.mark.parametrize("make", [Momentum, StepsItself], ids=lambda kind: kind.__name__)
def test_a_right_optimizer_passes(make):
    report = check_optimizer(lambda: make(0.1))
    assert "training goes on to the same bits from a pickle" in report.checked
    assert str(report).startswith(f"{make.__name__}(learning_rate=0.1, steps=0) is right.")
    assert report.largest_error == 0


@pytest.mark.parametrize(
    "make",
    [
        lambda: SGD(0.1),
        lambda: SGD(0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
        lambda: SGD(0.1, clip_norm=0.5),
        lambda: SGD(0.1, clip_value=0.5),
        lambda: RMSProp(0.01),
        lambda: RMSProp(0.01, momentum=0.5),
        lambda: Adagrad(0.1),
        lambda: Adam(0.01),
        lambda: AdamW(0.01, weight_decay=0.1),
        lambda: Adam(0.01, amsgrad=True),
        lambda: NAdam(0.01),
        lambda: Lion(0.01, weight_decay=0.1),
    ],
)
def test_our_optimizers_pass(make):
    assert len(check_optimizer(make).checked) >= 6


def test_the_optimizer_checks_cover_all_optimizers():
    kinds = {getattr(optimizers, name) for name in optimizers.__all__} - {Optimizer}
    assert kinds == {SGD, RMSProp, Adagrad, Adam, AdamW, NAdam, Lion}


def test_too_large_a_rate_is_told_from_a_wrong_sign():
    with pytest.raises(GradientCheckError, match="If the learning rate is large, make it smaller"):
        check_optimizer(lambda: SGD(50.0))


def test_what_cannot_be_pickled_is_copied_only():
    report = check_optimizer(lambda: SGD(lambda step: 0.1 / (step + 1)))
    assert "training goes on to the same bits from a copy" in report.checked
    assert "training goes on to the same bits from a pickle" not in report.checked


# The measuring itself.


def test_slopes_are_those_of_the_function(rng):
    x = rng.normal(size=(3, 2))
    before = x.copy()
    blame = rng.normal(size=(3, 2))
    slopes = measure_slopes(lambda: np.sin(x), x, blame, tolerance=1e-7)
    np.testing.assert_array_equal(x, before)
    np.testing.assert_array_equal(slopes.low, slopes.high)
    np.testing.assert_allclose(slopes.low, np.cos(x) * blame, rtol=0, atol=1e-9)


def test_slopes_do_not_care_whether_the_result_is_the_array_itself():
    x = np.array([1.0, 2.0])
    np.testing.assert_allclose(measure_slopes(lambda: x, x, tolerance=1e-7).low, 1.0)


def test_slopes_at_a_kink_are_an_interval():
    x = np.array([0.0, 1.0])
    slopes = measure_slopes(lambda: np.abs(x), x, tolerance=1e-7)
    np.testing.assert_allclose(slopes.low, [-1.0, 1.0])
    np.testing.assert_allclose(slopes.high, [1.0, 1.0])
    np.testing.assert_allclose(slopes.nearest(np.array([0.3, 0.3])), [0.3, 1.0])
    np.testing.assert_allclose(slopes.nearest(np.array([-7.0, 7.0])), [-1.0, 1.0])


def test_relative_error_is_the_largest_gap_over_the_largest_entry():
    assert relative_error(np.array([1.0, 4.0]), np.array([2.0, 3.0])) == 0.25
    assert relative_error(np.array([1.0]), np.array([2.0]), floor=10.0) == 0.1
    assert relative_error(np.zeros(2), np.zeros(2)) == 0.0
    assert relative_error(np.zeros(0), np.zeros(0)) == 0.0


@pytest.mark.parametrize(
    ("saves", "unpacks", "message"),
    [
        (True, False, r"ctx\.saved is a tuple: unpack it, \(x,\) = ctx\.saved"),
        (False, True, r"Did forward save what backward unpacks\? Write ctx\.save\(x\) there"),
    ],
)
def test_the_slips_with_the_context_are_known(saves, unpacks, message):
    class Slip(Layer):
        def forward(self, x, ctx=None):
            if ctx is not None and saves:
                ctx.save(x)
            return np.tanh(x)

        def backward(self, dy, ctx):
            x = ctx.saved
            if unpacks:
                (x,) = ctx.saved
            return dy * (1 - np.tanh(x) ** 2)

    with pytest.raises(GradientCheckError, match=message):
        check_layer(Slip(), np.ones((5, 3)))


def test_missing_targets_that_stay_missing_are_no_change(rng):
    target = rng.normal(size=(5, 2))
    target[1, 0] = np.nan
    check_loss(Masked(MeanSquaredError()), rng.normal(size=(5, 2)), target)
