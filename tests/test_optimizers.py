"""What optimizers promise beyond their update rules, which the parity tests prove."""

import copy
import fractions
import pickle

import numpy as np
import pytest

import nnlite as nn
from nnlite.core.blocks import CHUNK
from nnlite.core.parameters import Parameters, ParameterSpec
from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.testing import check_optimizer

MAKERS = {
    "SGD": lambda: nn.SGD(0.1),
    "SGD momentum": lambda: nn.SGD(0.1, momentum=0.9),
    "SGD nesterov decay": lambda: nn.SGD(0.05, momentum=0.9, nesterov=True, weight_decay=0.01),
    "RMSProp": lambda: nn.RMSProp(0.05),
    "RMSProp momentum": lambda: nn.RMSProp(0.01, momentum=0.5),
    "Adagrad": lambda: nn.Adagrad(0.5),
    "Adam": lambda: nn.Adam(0.1),
    "AdamW": lambda: nn.AdamW(0.1, weight_decay=0.001),
    "Adam AMSGrad": lambda: nn.Adam(0.1, amsgrad=True),
    "NAdam": lambda: nn.NAdam(0.1),
    "NAdam decay": lambda: nn.NAdam(0.05, momentum_decay=0.1, weight_decay=0.01),
    "Lion": lambda: nn.Lion(0.01),
    "Lion decay": lambda: nn.Lion(0.01, weight_decay=0.001),
    "schedule": lambda: nn.Adam(nn.ExponentialDecay(0.1, factor=0.99)),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_every_optimizer_keeps_the_promises(make):
    check_optimizer(make)


def params_with(values, grads, *, decay=True, dtype=np.float64):
    params = Parameters([ParameterSpec("W", np.shape(values), decay)], dtype=dtype)
    params.values[...] = values
    params.grads[...] = grads
    return params


def test_lion_steps_by_the_sign():
    params = params_with([1.0, 1.0, 1.0], [0.5, -3.0, 0.0])
    optimizer = nn.Lion(0.01, beta1=0.9, beta2=0.99)
    optimizer.step(params)
    np.testing.assert_allclose(params.values, [0.99, 1.01, 1.0])
    np.testing.assert_allclose(optimizer.state["momentum"], [0.005, -0.03, 0.0])
    params.grads[...] = [-0.01, 0.0, 0.0]  # the momentum outweighs the new gradient
    optimizer.step(params)
    np.testing.assert_allclose(params.values, [0.98, 1.02, 1.0])


@pytest.mark.parametrize("optimizer", [nn.SGD(0.5, weight_decay=0.1), nn.AdamW(0.5, weight_decay=0.1)])
def test_decay_pulls_weights_and_not_biases(optimizer):
    specs = [ParameterSpec("b", (2,), decay=False), ParameterSpec("W", (3,))]
    params = Parameters(specs, dtype=np.float64)
    params.values[...] = 1
    optimizer.step(params)  # all gradients are zero
    np.testing.assert_allclose(params["W"], 0.95)
    np.testing.assert_array_equal(params["b"], 1)


def test_weight_decay_can_be_changed_between_steps():
    params = params_with([1.0, 1.0], 0.0)
    optimizer = nn.SGD(0.5)
    optimizer.step(params)
    optimizer.weight_decay = 0.2
    optimizer.step(params)
    np.testing.assert_allclose(params.values, 0.9)


def test_clipping_by_norm_keeps_the_direction():
    params = params_with([0.0, 0.0], [3.0, 4.0])
    nn.SGD(1.0, clip_norm=1.0).step(params)
    np.testing.assert_allclose(params.values, [-0.6, -0.8])
    params = params_with([0.0, 0.0], [0.3, 0.4])
    nn.SGD(1.0, clip_norm=1.0).step(params)  # short enough already
    np.testing.assert_allclose(params.values, [-0.3, -0.4])
    params = params_with([1.0, 2.0], [0.0, 0.0])
    nn.SGD(1.0, clip_norm=1.0).step(params)
    np.testing.assert_array_equal(params.values, [1, 2])


def test_clipping_by_norm_looks_at_trainable_parameters_and_each_replica():
    specs = [ParameterSpec("W", (2,)), ParameterSpec("V", (2,))]
    params = Parameters(specs, dtype=np.float64, replicas=2)
    params.frozen = {"W"}
    params.grads[...] = [[1e6, 1e6, 3.0, 4.0], [1e6, 1e6, 0.3, 0.4]]
    nn.SGD(1.0, clip_norm=1.0).step(params)
    np.testing.assert_allclose(params.values, [[0, 0, -0.6, -0.8], [0, 0, -0.3, -0.4]])


def test_clipping_by_value():
    params = params_with([0.0, 0.0, 0.0], [3.0, -4.0, 0.5])
    nn.SGD(1.0, clip_value=1.0).step(params)
    np.testing.assert_allclose(params.values, [-1, 1, -0.5])


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_large_buffers_are_updated_as_small_ones_are(make, rng):
    size = 2 * CHUNK + 17
    values, grads = rng.normal(size=(2, size))
    whole = params_with(values, grads)
    optimizer = make()
    pieces = [params_with(values[i : i + 1000], grads[i : i + 1000]) for i in range(0, size, 1000)]
    optimizers = [make() for _ in pieces]
    for _ in range(3):
        optimizer.step(whole)
        for single, piece in zip(optimizers, pieces, strict=True):
            single.step(piece)
    np.testing.assert_array_equal(whole.values, np.concatenate([piece.values for piece in pieces]))


def test_a_schedule_is_asked_for_every_step():
    asked = []

    def schedule(step):
        asked.append(step)
        return 1.0 / (step + 1)

    params = params_with([0.0], [1.0])
    optimizer = nn.SGD(schedule)
    for _ in range(3):
        optimizer.step(params)
    assert asked == [0, 1, 2]
    assert params.values[0] == pytest.approx(-(1 + 1 / 2 + 1 / 3))
    optimizer.rate_factor = 0.5
    assert optimizer.rate == pytest.approx(0.125)


def test_a_schedule_that_gives_nonsense_changes_nothing():
    params = params_with([1.0], [1.0])
    for rate in (-1.0, np.nan, "fast"):
        optimizer = nn.SGD(lambda step, rate=rate: rate)
        with pytest.raises((ArgumentError, TypeError), match="the schedule of SGD at step 0"):
            optimizer.step(params)
        assert optimizer.steps == 0
    assert params.values[0] == 1


def test_an_optimizer_belongs_to_the_parameters_it_trains():
    first, second = params_with([1.0], [1.0]), params_with([1.0], [1.0])
    optimizer = nn.SGD(0.1)
    optimizer.step(first)
    with pytest.raises(ArgumentError, match="Make a new SGD for each model"):
        optimizer.step(second)
    assert second.values[0] == 1
    optimizer.reset()
    optimizer.step(second)
    assert second.values[0] == pytest.approx(0.9)
    larger = params_with([1.0, 2.0], [1.0, 1.0])
    adam = nn.Adam()
    adam.step(first)
    with pytest.raises(ArgumentError, match=r"parameters of shape \(1,\)"):
        copy.deepcopy(adam).step(larger)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))])
def test_a_copy_goes_on_where_the_original_stood(duplicate, rng):
    params, other = (params_with(np.ones(5), np.ones(5)) for _ in range(2))
    optimizer = nn.Adam(0.1)
    optimizer.step(params)
    other.values[...] = params.values
    twin = duplicate(optimizer)
    for _ in range(3):
        params.grads[...] = other.grads[...] = rng.normal(size=5)
        optimizer.step(params)
        twin.step(other)
    np.testing.assert_array_equal(params.values, other.values)
    assert twin.steps == optimizer.steps == 4


def test_load_state_dict_refuses_what_it_did_not_give():
    optimizer = nn.Adam(0.1)
    optimizer.step(params_with([1.0], [1.0]))
    for state in ({}, {"steps": 1}, nn.SGD(0.1, momentum=0.5).state_dict() | {"velocity": np.ones(1)}):
        with pytest.raises(ArgumentError, match="load_state_dict"):
            optimizer.load_state_dict(state)
    assert optimizer.steps == 1


def test_freezing_after_the_first_step_takes_effect():
    specs = [ParameterSpec("W", (2,)), ParameterSpec("b", (2,), decay=False)]
    params = Parameters(specs, dtype=np.float64)
    params.grads[...] = 1
    optimizer = nn.SGD(0.1, momentum=0.9)
    optimizer.step(params)
    params.frozen = {"W"}
    optimizer.step(params)
    np.testing.assert_allclose(params["W"], -0.1)
    np.testing.assert_allclose(params["b"], -0.1 - 0.19)


@pytest.mark.parametrize("limit", [0.5, 100.0])
def test_clipping_by_norm_of_no_and_of_huge_gradients(limit):
    """The squares of these do not fit into float32, nor does the limit over the smallest number."""
    params = Parameters([ParameterSpec("W", (2,))])
    nn.SGD(1.0, clip_norm=limit).step(params)
    assert not params.values.any()
    params.grads[...] = [3e25, -4e25]
    nn.SGD(1.0, clip_norm=limit).step(params)
    assert params.values == pytest.approx(np.array([-0.6, 0.8]) * limit, rel=1e-6)


@pytest.mark.parametrize(
    "state", [{"steps": 5, "rate_factor": 1.0}, {"steps": 1, "rate_factor": "one", "velocity": np.zeros(2)}]
)
def test_a_state_that_is_not_whole_changes_nothing(state):
    params = Parameters([ParameterSpec("W", (2,))])
    optimizer = nn.SGD(0.1, momentum=0.9)
    params.grads[...] = 1.0
    optimizer.step(params)
    with pytest.raises((ArgumentError, ArgumentTypeError), match="load_state_dict"):
        optimizer.load_state_dict(state)
    assert optimizer.steps == 1
    assert optimizer.state["velocity"].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("make", [nn.SGD, nn.RMSProp])
def test_momentum_can_be_switched_on_and_off_between_steps(make):
    params, other = (params_with(np.ones(3), [0.1, -0.2, 0.3]) for _ in range(2))
    switched, never = make(0.1), make(0.1)
    switched.step(params)
    never.step(other)
    np.testing.assert_array_equal(params.values, other.values)
    switched.momentum = 0.9
    for _ in range(2):
        switched.step(params)
        never.step(other)
    assert (params.values != other.values).all()
    before = params.values.copy()
    switched.momentum = 0.0
    switched.step(params)
    never.step(other)
    plain = make(0.1)
    plain.load_state_dict(switched.state_dict())  # no velocity is left behind
    assert set(plain.state) == set(plain.slots)
    if make is nn.SGD:
        np.testing.assert_allclose(params.values, before - 0.1 * params.grads)


class Foreign:
    """An array without axes of a library that nnlite does not know."""

    ndim, dtype = 0, np.dtype(np.float32)

    def __init__(self, number):
        self.number = number

    def __float__(self):
        return self.number

    def item(self):
        return self.number


@pytest.mark.parametrize(
    "make",
    [
        np.array,
        np.float32,
        np.float16,
        lambda rate: fractions.Fraction(1, 4),
        lambda rate: pytest.importorskip("torch").tensor(rate),
        lambda rate: pytest.importorskip("torch").tensor(rate, requires_grad=True),
        lambda rate: Foreign(rate),
    ],
    ids=["array", "float32", "float16", "Fraction", "tensor", "tensor with gradient", "another library's"],
)
def test_a_rate_is_what_float_takes(make):
    optimizer = nn.Adam(make(0.25), weight_decay=make(0.25), clip_norm=make(0.25), beta1=make(0.25))
    assert optimizer.learning_rate == optimizer.weight_decay == optimizer.clip_norm == optimizer.beta1 == 0.25
    assert type(optimizer.learning_rate) is type(optimizer.beta1) is float
    assert nn.SGD(lambda step: make(0.25)).rate_at(3) == 0.25
    schedule = nn.WarmUp(make(0.25), steps=np.array(4))
    assert (schedule.schedule, schedule.steps) == (0.25, 4)
    assert type(schedule(1)) is float


@pytest.mark.parametrize(
    "rate", [np.array(True), np.array("0.1"), np.array(0.1 + 0j), "0.1", True, None, 0.1 + 0j]
)
def test_a_rate_is_a_number(rate):
    with pytest.raises(ArgumentTypeError, match=r"expected a finite number above 0, got"):
        nn.SGD(rate)


def test_an_array_of_one_rate_is_that_of_one_replica():
    assert nn.SGD(np.array([0.1])).learning_rate.shape == (1,)
    with pytest.raises(ArgumentTypeError, match="a finite number"):
        nn.Dropout(np.array([0.1]))
