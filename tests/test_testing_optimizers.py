"""Each sentence of a report of `check_optimizer`: an optimizer that breaks it is found by it alone."""

from __future__ import annotations

import weakref

import numpy as np
import pytest
from workpieces import AddsRates, ChangesGradients, Momentum, Uphill

from nnlite.errors import GradientCheckError
from nnlite.optimizers import Optimizer
from nnlite.testing import check_optimizer
from nnlite.testing.optimizer_rules import BLOCKS, DECAY, PICKLE, RATES, RULES


class MovesTheFrozen(Momentum):
    def step(self, params):
        frozen, params.frozen = params.frozen, frozenset()
        super().step(params)
        params.frozen = frozen


class DoesNotCountTheSixth(Momentum):
    def step(self, params):
        super().step(params)
        if self.steps == 6:
            self.steps -= 1


class KeepsFloat64(Momentum):
    def step(self, params):
        super().step(params)
        self.state["velocity"] = self.state["velocity"].astype(np.float64)
        self._release()

    def check(self, params):
        self.state = {slot: array.astype(params.dtype) for slot, array in self.state.items()}
        super().check(params)


class AveragesReplicas(Optimizer):
    def update(self, w, g, rate, decay):
        if g.ndim > 1 and isinstance(rate, float):
            g = g.mean(axis=0)
        w -= rate * g


class DependsOnTheBlock(Optimizer):
    def update(self, w, g, rate, decay):
        w -= rate * g / (1 if g.shape[-1] < 100 else np.linalg.norm(g, axis=-1, keepdims=True))


class DecaysBiases(Optimizer):
    def update(self, w, g, rate, decay):
        w *= 1 - rate * self.weight_decay
        w -= rate * g


class TakesTheFirstRate(Optimizer):
    def update(self, w, g, rate, decay):
        w -= (self.rate_at(0) if callable(self.learning_rate) else rate) * g


class IgnoresTheFactor(Optimizer):
    def update(self, w, g, rate, decay):
        w -= rate / self.rate_factor * g


class LosesItsStateInACopy(Momentum):
    def __deepcopy__(self, memo):
        other = type(self)(self.learning_rate)
        other.steps = self.steps
        return other


class LosesItsStateInAPickle(Momentum):
    def __getstate__(self):
        return {**super().__getstate__(), "state": {}}

    def __deepcopy__(self, memo):
        other = type(self)(self.learning_rate)
        other.load_state_dict(self.state_dict())
        return other


class LosesItsStateInADict(Momentum):
    def state_dict(self):
        state = super().state_dict()
        return {**state, "velocity": np.zeros_like(state["velocity"])} if "velocity" in state else state


class RemembersAfterReset(Optimizer):
    """Gets slower by the steps of its whole life."""

    life = 0

    def step(self, params):
        super().step(params)
        self.life += 1

    def update(self, w, g, rate, decay):
        w -= rate / (1 + self.life) * g

    def state_dict(self):
        return {**super().state_dict(), "life": self.life}

    def load_state_dict(self, state):
        kept = dict(state)
        life = kept.pop("life")
        super().load_state_dict(kept)
        self.life = life


class TakesAnyParameters(Momentum):
    def check(self, params):
        self._owner = weakref.ref(params)
        super().check(params)


MUTANTS = {
    "the loss is lower after 100 steps on a sum of squares": Uphill,
    "gradients stay as they are, unless they are clipped": ChangesGradients,
    "frozen values keep every bit": MovesTheFrozen,
    "every step is counted once": DoesNotCountTheSixth,
    "what it keeps for float32 is float32": KeepsFloat64,
    "{} replicas are trained as each would be alone": AveragesReplicas,
    "a schedule gives the rate of every step": TakesTheFirstRate,
    "rate_factor multiplies the learning rate": IgnoresTheFactor,
    "training goes on to the same bits from a copy": LosesItsStateInACopy,
    "training goes on to the same bits from state_dict": LosesItsStateInADict,
    "reset() forgets all": RemembersAfterReset,
    "the parameters of another model are refused": TakesAnyParameters,
    "training goes on to the same bits from a pickle": LosesItsStateInAPickle,
    "so are replicas with learning rates of their own": AddsRates,
    "it makes no difference how the parameters are cut into blocks": DependsOnTheBlock,
    "weight_decay leaves biases alone": DecaysBiases,
}
ALL = (*RULES, PICKLE, RATES, BLOCKS, DECAY)


def sentences_that_fail(kind):
    failing = set()
    for rule in ALL:
        try:
            rule.check(lambda: kind(0.1), 3, np.random.default_rng(0))
        except GradientCheckError:
            failing.add(rule.sentence)
    return failing


@pytest.mark.parametrize("sentence", MUTANTS)
def test_an_optimizer_that_breaks_one_sentence_is_found_by_it_alone(sentence):
    assert sentences_that_fail(MUTANTS[sentence]) == {sentence}
    with pytest.raises(GradientCheckError):
        check_optimizer(lambda: MUTANTS[sentence](0.1))


def test_every_sentence_is_tried_by_a_mutant_and_no_other_is_said():
    sentences = [rule.sentence for rule in ALL]
    assert sorted(sentences) == sorted(MUTANTS)
    report = check_optimizer(lambda: Momentum(0.1), replicas=2)
    assert list(report.checked) == [sentence.format(2) for sentence in sentences]
    assert sentences_that_fail(Momentum) == set()


def test_what_was_not_tried_is_not_said():
    checked = check_optimizer(lambda: Momentum(lambda step: 0.1, clip_norm=1.0)).checked
    assert PICKLE.sentence not in checked
    assert BLOCKS.sentence not in checked
    assert DECAY.sentence in checked
