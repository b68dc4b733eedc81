"""Each sentence of a report of `check_layer`: a layer that breaks it, and nothing else, is found by it."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from workpieces import (
    Affine,
    ChangesDy,
    ChangesParameters,
    ChangesX,
    ChangesY,
    DrawsSecretly,
    LearnsOnlyForDx,
    PredictsSomethingElse,
    Square,
    UsesUp,
)

from nnlite.errors import GradientCheckError
from nnlite.layers import Dense, Dropout, Flatten, Layer, Parameter, Standardize
from nnlite.testing import check_layer
from nnlite.testing.bench import Bench
from nnlite.testing.layer import APART, NOT_TRAINING
from nnlite.testing.layer_rules import RULES

#: What layers that break a rule keep, where `check_layer` cannot look.
ELSEWHERE = {"predictions": 0}


class HoldsAnArray(Square):
    def __init__(self):
        self.ones = np.ones(4)


class HoldsALayer(Square):
    def __init__(self):
        self.inner = [Dense(2, 2)]


class SaysAnotherShape(Square):
    def output_shape(self, input_shape):
        return (1,)


class DxHasAnAxisMore(Square):
    def backward(self, dy, ctx):
        dx = super().backward(dy, ctx)
        return dx[None] if dx.ndim == 2 else dx


class GivesFloat64(Square):
    def forward(self, x, ctx=None):
        return super().forward(x, ctx) * np.float64(1)


class GivesDxInFloat64(Square):
    def backward(self, dy, ctx):
        return super().backward(dy, ctx) * np.float64(1)


class Counts(Square):
    """Writes to itself in training only."""

    def __init__(self):
        self.passes = 0

    def forward(self, x, ctx=None):
        if ctx is not None and ctx.training:
            self.passes += 1
        return super().forward(x, ctx)


class CountsBackward(Square):
    def __init__(self):
        self.passes = 0

    def backward(self, dy, ctx):
        self.passes += 1
        return super().backward(dy, ctx)


class CountsInAList(Square):
    def __init__(self):
        self.passes = {"n": [0]}

    def forward(self, x, ctx=None):
        if ctx is not None:
            self.passes["n"][0] += 1
        return super().forward(x, ctx)


class CountsOnItsClass(Square):
    passes = 0

    def forward(self, x, ctx=None):
        CountsOnItsClass.passes += 1
        return super().forward(x, ctx)


class MeasuresInPrediction(Square):
    def __init__(self):
        self.buffers["largest"] = np.zeros(())

    def forward(self, x, ctx=None):
        self.buffers["largest"] = self.buffers["largest"] + 1
        return super().forward(x, ctx)


class RemembersPredictions(Square):
    """Adds to each output of training how many predictions there were of other rows than were trained on."""

    def forward(self, x, ctx=None):
        if ctx is None:
            ELSEWHERE["predictions"] += not np.array_equal(x, ELSEWHERE.get("trained", x))
        elif ctx.training:
            ELSEWHERE["trained"] = x
            return super().forward(x, ctx) + ELSEWHERE["predictions"]
        return super().forward(x, ctx)


class CentersTheBatch(Layer):
    def forward(self, x, ctx=None):
        return x - x.mean(axis=-2, keepdims=True)

    def backward(self, dy, ctx):
        return dy - dy.mean(axis=-2, keepdims=True)


class FollowsTheMemoryOfX(Square):
    def forward(self, x, ctx=None):
        if ctx is not None:
            ctx.save(x)
        return np.reshape(x.ravel(order="K") ** 2, x.shape)


class FollowsTheMemoryOfDy(Square):
    def backward(self, dy, ctx):
        return super().backward(np.reshape(dy.ravel(order="K"), dy.shape), ctx)


class ReturnsOneArrayAgainAndAgain(Square):
    def forward(self, x, ctx=None):
        y = ELSEWHERE.setdefault((x.shape, x.dtype), np.empty_like(x))
        y[...] = super().forward(x, ctx)
        return y


class ReturnsItsParameter(Layer):
    b = Parameter()

    def __init__(self, features=4):
        self.features = features
        self.declare("b", (features,), decay=False)

    def forward(self, x, ctx=None):
        if ctx is not None:
            ctx.save(x.shape)
        return np.broadcast_to(self.b, np.broadcast_shapes(self.b.shape, x.shape))

    def backward(self, dy, ctx):
        ctx.grads.b[...] = dy.sum(axis=-2)
        return np.zeros_like(dy)


class Adds(Affine):
    def backward(self, dy, ctx):
        (x,) = ctx.saved
        ctx.grads.W[...] = x.mT @ dy
        ctx.grads.b += dy.sum(axis=-2)
        return dy @ self.W.mT


class KeepsTheLastX(Square):
    def forward(self, x, ctx=None):
        if ctx is not None and ctx.training:
            ELSEWHERE["x"] = x
        elif ctx is not None:
            ctx.save(x)
        return x * x

    def backward(self, dy, ctx):
        return 2 * (ELSEWHERE["x"] if ctx.training else ctx.saved[0]) * dy


class LearnsInTrainingOnly(Square):
    def backward(self, dy, ctx):
        return super().backward(dy, ctx) * (1 if ctx.training else 0.5)


class AddsReplicas(Layer):
    """Adds the sum over the replicas, with the right derivative."""

    def forward(self, x, ctx=None):
        if ctx is not None:
            ctx.save(x.ndim > 2)
        return x + x.sum(axis=0) if x.ndim > 2 else x + x

    def backward(self, dy, ctx):
        (mixes,) = ctx.saved
        return dy + dy.sum(axis=0) if mixes else 2 * dy


class AddsReplicasOfItsParameter(Affine):
    """The same, of its parameters, where the replicas share an x."""

    def forward(self, x, ctx=None):
        if ctx is not None:
            ctx.save(x)
        b = self.b
        return x @ self.W + (b.sum(axis=0) if b.ndim > 1 and x.ndim == 2 else b)

    def backward(self, dy, ctx):
        (x,) = ctx.saved
        dx = super().backward(dy, ctx)
        if x.ndim == 2 and dy.ndim > 2:
            ctx.grads.b[...] = dy.sum(axis=(0, -2))
        return dx


class RenamesItsArgument(Affine):
    def __init__(self, size=4):
        super().__init__()


MUTANTS = {
    "the layers and arrays that it has are declared": (HoldsAnArray, HoldsALayer),
    "its arguments are stored, so that a model file can hold it": (RenamesItsArgument,),
    "the output has the shape that output_shape says": (SaysAnotherShape,),
    "dL/dx has the shape of x": (DxHasAnAxisMore,),
    "float32 gives float32, and float64 gives float64": (GivesFloat64, GivesDxInFloat64),
    "nothing is changed in place: x, dy, the output, parameters": (
        ChangesX,
        ChangesDy,
        ChangesY,
        ChangesParameters,
    ),
    "nothing is kept on the layer but its state and buffers": (
        Counts,
        CountsBackward,
        CountsInAList,
        CountsOnItsClass,
    ),
    "state and buffers stay as they are in prediction": (MeasuresInPrediction,),
    "forward gives the same without a context as with one that does not train": (PredictsSomethingElse,),
    "the same x and generator give the same output, whatever went through before": (RemembersPredictions,),
    "there is no chance in it, unless stochastic = True says so": (DrawsSecretly,),
    "in prediction each row depends on itself alone": (CentersTheBatch,),
    "x and dy may lie in memory in any order": (FollowsTheMemoryOfX, FollowsTheMemoryOfDy),
    "what it returned stays as it is through later passes and steps": (
        ReturnsOneArrayAgainAndAgain,
        ReturnsItsParameter,
    ),
    "gradients overwrite what was there": (Adds,),
    "backward gives the same when it is called again": (UsesUp,),
    "two passes can be open at once": (KeepsTheLastX,),
    "gradients are the same when nobody needs dL/dx": (LearnsOnlyForDx,),
    "gradients are right with ctx.training False too": (LearnsInTrainingOnly,),
    "{} replicas do not mix, with an x of their own and with one that they share": (
        AddsReplicas,
        AddsReplicasOfItsParameter,
    ),
}
X = np.random.default_rng(7).normal(size=(3, 5, 4))


def sentences_that_fail(layer):
    """Try every sentence apart from the others."""
    failing = set()

    def attempt(sentence, check, *arguments):
        try:
            check(*arguments)
        except GradientCheckError:
            failing.add(sentence)

    attempt(APART.sentence, APART.check, partial(Bench, layer, (4,), X[0], 3, np.float64, 0))
    for replicas, x in ((None, X[0]), (3, X)):
        make = partial(Bench, layer, (4,), x, replicas)
        for dtype in (np.float64, np.float32):
            for rule in RULES:
                attempt(rule.sentence, rule.check, make(dtype, 0))
        attempt(NOT_TRAINING.sentence, NOT_TRAINING.check, make(np.float64, 0), 1e-7)
        if replicas:
            attempt(APART.sentence, APART.check, partial(make, np.float64, 0))
    return failing


@pytest.mark.parametrize(
    ("sentence", "mutant"),
    [(sentence, mutant) for sentence, mutants in MUTANTS.items() for mutant in mutants],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_a_layer_that_breaks_one_sentence_is_found_by_it_alone(sentence, mutant):
    assert sentences_that_fail(mutant()) == {sentence}
    with pytest.raises(GradientCheckError):
        check_layer(mutant(), X[0], replicas=3 if sentence == APART.sentence else None)


def test_every_sentence_is_tried_by_a_mutant_and_no_other_is_said():
    sentences = [rule.sentence for rule in (*RULES, NOT_TRAINING, APART)]
    assert sorted(sentences) == sorted(MUTANTS)
    assert list(check_layer(Affine(), replicas=2).checked) == [text.format(2) for text in sentences]
    assert list(check_layer(Affine()).checked) == sentences[:-1]


class RunningMean(Layer):
    """Right: subtracts the mean of the batch in training, and what it has measured in prediction."""

    def __init__(self, features=4):
        self.features = features
        self.buffers["mean"] = np.zeros(features)

    def buffer_shapes(self):
        return {"mean": (self.features,)}

    def forward(self, x, ctx=None):
        if ctx is None or not ctx.training:
            if ctx is not None:
                ctx.save(False)
            return x - self.buffers["mean"]
        mean = x.mean(axis=-2, keepdims=True)
        self.buffers["mean"] = (0.9 * self.buffers["mean"] + 0.1 * mean).astype(x.dtype)
        if x.ndim == 2:
            self.buffers["mean"] = self.buffers["mean"].reshape(self.features)
        ctx.save(True)
        return x - mean

    def backward(self, dy, ctx):
        (trained,) = ctx.saved
        return dy - dy.mean(axis=-2, keepdims=True) if trained else dy.copy()


class AveragesItsBufferOverReplicas(RunningMean):
    def forward(self, x, ctx=None):
        y = super().forward(x, ctx)
        if self.buffers["mean"].ndim > 1:
            self.buffers["mean"] = self.buffers["mean"].mean(axis=(0, 1))
        return y


@pytest.mark.parametrize("layer", [Affine(), Square(), RunningMean(), Dropout(0.5), Dense(4, 2)], ids=repr)
def test_a_right_layer_breaks_none(layer):
    assert sentences_that_fail(layer) == set()


@pytest.mark.parametrize("layer", [Standardize(3), Flatten((2, 3)), Dropout(0.3)], ids=repr)
def test_ours_pass_with_replicas(layer):
    check_layer(layer, replicas=3)


def test_what_is_measured_in_training_must_be_kept_apart_too():
    assert sentences_that_fail(AveragesItsBufferOverReplicas()) == {APART.sentence}


class WritesToItsOwnGradients(Affine):
    def backward(self, dy, ctx):
        (x,) = ctx.saved
        self._grads.W[...] = x.mT @ dy
        self._grads.b[...] = dy.sum(axis=-2)
        return dy @ self.W.mT


class DrawsFromTheGlobalState(Square):
    stochastic = True

    def forward(self, x, ctx=None):
        return super().forward(x, ctx) + (next(CHANCE) if ctx is not None and ctx.training else 0)


CHANCE = iter(np.random.default_rng(0).random(100_000))


@pytest.mark.parametrize("mutant", [WritesToItsOwnGradients, DrawsFromTheGlobalState])
def test_other_slips_are_found(mutant):
    with pytest.raises(GradientCheckError):
        check_layer(mutant())
