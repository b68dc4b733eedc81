"""Each sentence of a report of `check_loss`: a loss that breaks it is found by it alone."""

from __future__ import annotations

import numpy as np
import pytest
from workpieces import Broadcasts, ChangesPred, ChangesTarget, Quartic, RefusesWeights

from nnlite.errors import ArgumentError, GradientCheckError
from nnlite.losses import Masked, MeanSquaredError
from nnlite.testing import check_loss
from nnlite.testing.loss import REFUSED
from nnlite.testing.loss_rules import REPLICAS, RULES, WEIGHTS, Given

#: What losses that break a rule keep, where `check_loss` cannot look.
ELSEWHERE = {}


class GivesANumberOfNumPy(Quartic):
    def value_and_grad(self, pred, target, weight=None):
        value, grad = super().value_and_grad(pred, target, weight)
        return pred.dtype.type(value) if isinstance(
            value, float
        ) and pred.dtype == np.float32 else value, grad


class HasAnAxisMore(Quartic):
    def value_and_grad(self, pred, target, weight=None):
        value, grad = super().value_and_grad(pred, target, weight)
        return value, grad[None] if pred.ndim == 2 and pred.dtype == np.float32 and len(pred) == 5 else grad


class GivesFloat64(Quartic):
    def value_and_grad(self, pred, target, weight=None):
        value, grad = super().value_and_grad(pred, target, weight)
        return value, grad.astype(np.float64)


class ChangesWeights(Quartic):
    def value_and_grad(self, pred, target, weight=None):
        result = super().value_and_grad(pred, target, weight)
        if weight is not None:
            weight[...] = 1
        return result


class ReturnsOneArrayAgainAndAgain(Quartic):
    def value_and_grad(self, pred, target, weight=None):
        value, grad = super().value_and_grad(pred, target, weight)
        out = ELSEWHERE.setdefault((grad.shape, grad.dtype), np.empty_like(grad))
        out[...] = grad
        return value, out


class Counts(Quartic):
    def __init__(self):
        self.calls = [0]

    def value_and_grad(self, pred, target, weight=None):
        self.calls[0] += 1
        return super().value_and_grad(pred, target, weight)


class FollowsTheMemory(Quartic):
    def value_and_grad(self, pred, target, weight=None):
        value, grad = super().value_and_grad(pred, target, weight)
        return value, np.reshape(grad.ravel(order="K"), grad.shape)


class IsWrongInFloat32(Quartic):
    def value_and_grad(self, pred, target, weight=None):
        value, grad = super().value_and_grad(pred, target, weight)
        return value, grad + 1 if pred.dtype == np.float32 else grad


class AddsWeights(Quartic):
    """Divides by the rows, and not by the weights."""

    def value_and_grad(self, pred, target, weight=None):
        value, grad = super().value_and_grad(pred, target, weight)
        factor = 1 if weight is None else weight.mean(axis=-1)
        scaled = value * factor
        grad = grad * np.asarray(factor, grad.dtype)[..., None, None]
        return float(scaled) if np.ndim(scaled) == 0 else scaled, grad


class CentersReplicas(Quartic):
    """Takes the mean over the replicas out of the predictions of each, with the right gradient."""

    def value_and_grad(self, pred, target, weight=None):
        if pred.ndim < 3:
            return super().value_and_grad(pred, target, weight)
        value, grad = super().value_and_grad(pred - pred.mean(axis=0), target, weight)
        return value, grad - grad.mean(axis=0)


MUTANTS = {
    "the value is one finite float": (GivesANumberOfNumPy,),
    "the gradient has the shape of pred": (HasAnAxisMore,),
    "the gradient has the dtype of pred": (GivesFloat64,),
    "nothing that it is given is changed in place": (ChangesPred, ChangesTarget, ChangesWeights),
    "the gradient is a new array": (ReturnsOneArrayAgainAndAgain,),
    "nothing is kept on the loss": (Counts,),
    "pred and target may lie in memory in any order": (FollowsTheMemory,),
    "float32 gives what float64 gives, but for rounding": (IsWrongInFloat32,),
    "targets of another shape are refused": (Broadcasts,),
    "a weight of 2 is the row twice, and one of 0 no row": (AddsWeights,),
    "{} replicas do not mix, and may share a target": (CentersReplicas,),
}


def sentences_that_fail(loss):
    rng = np.random.default_rng(3)
    pred, raw = rng.normal(size=(5, 3)), rng.normal(size=(5, 3))
    given = Given(loss, pred, raw, rng.uniform(0.5, 2, size=5))
    failing = set()

    def attempt(rule, *arguments):
        try:
            rule.check(*arguments)
        except GradientCheckError:
            failing.add(rule.sentence)

    for rule in (*RULES, WEIGHTS):
        attempt(rule, given)
    many = np.stack([np.roll(pred, r, axis=0) for r in range(3)])
    targets = np.stack([np.roll(raw, -r, axis=0) for r in range(3)])
    for weight in (None, given.weight):
        attempt(REPLICAS, loss, many, targets, weight)
    return failing


@pytest.mark.parametrize(
    ("sentence", "mutant"),
    [(sentence, mutant) for sentence, mutants in MUTANTS.items() for mutant in mutants],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_a_loss_that_breaks_one_sentence_is_found_by_it_alone(sentence, mutant):
    assert sentences_that_fail(mutant()) == {sentence}
    with pytest.raises(GradientCheckError):
        check_loss(mutant(), replicas=3 if sentence == REPLICAS.sentence else None)


class IsChance(Quartic):
    """Gives each time another number."""

    def value_and_grad(self, pred, target, weight=None):
        value, grad = super().value_and_grad(pred, target, weight)
        ELSEWHERE["calls"] = ELSEWHERE.get("calls", 0) + 1
        return value + ELSEWHERE["calls"], grad


def test_a_loss_that_gives_something_else_each_time_is_found():
    # What does not repeat itself breaks all that compares two calls.
    assert "the same pred and target give the same" in sentences_that_fail(IsChance())
    with pytest.raises(GradientCheckError):
        check_loss(IsChance())


class TakesSome(RefusesWeights):
    """Says that it takes no weights, and takes them."""

    def value_and_grad(self, pred, target, weight=None):
        return Quartic.value_and_grad(self, pred, target, None)


def test_every_sentence_is_tried_by_a_mutant_and_no_other_is_said():
    sentences = [rule.sentence for rule in (*RULES, WEIGHTS, REPLICAS)]
    assert sorted(sentences) == sorted([*MUTANTS, "the same pred and target give the same"])
    said = [sentence.format(2) for sentence in sentences]
    assert list(check_loss(Quartic(), replicas=2).checked) == said
    assert list(check_loss(MeanSquaredError()).checked) == said[:-1]
    assert list(check_loss(RefusesWeights()).checked) == [*said[:-2], REFUSED]
    assert list(check_loss(TakesSome(), weighted=False).checked) == said[:-2]
    assert sentences_that_fail(Quartic()) == set()
    with pytest.raises(GradientCheckError, match="a value that ignores the weights"):
        check_loss(TakesSome())


def test_targets_that_are_given_are_read_as_fit_reads_them():
    masked = np.ma.masked_equal([[1.0], [0.0]], 0.0)
    with pytest.raises(ArgumentError, match=r"^check_loss\(target\): expected numbers without a mask"):
        check_loss(MeanSquaredError(), np.ones((2, 1)), masked)
    assert check_loss(Masked(MeanSquaredError()), np.full((2, 1), 3.0), masked).largest_error < 1e-6
