"""Schedules: the shape of each curve, its ends, and what is refused."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest

from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.schedules import (
    ConstantRate,
    CosineDecay,
    ExponentialDecay,
    OneCycle,
    Schedule,
    StepDecay,
    WarmUp,
)

ALL = [
    ConstantRate(0.1),
    StepDecay(0.1, every=3),
    ExponentialDecay(0.1, factor=0.9),
    CosineDecay(0.1, steps=10),
    WarmUp(0.1, steps=5),
    WarmUp(StepDecay(0.1, every=3), steps=5),
    OneCycle(0.1, steps=10),
]


def curve(schedule, steps):
    return [schedule(step) for step in range(steps)]


def test_constant_rate():
    assert curve(ConstantRate(0.3), 3) == [0.3, 0.3, 0.3]


def test_step_decay_is_a_staircase():
    assert curve(StepDecay(1.0, every=2, factor=0.5), 6) == [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]


def test_step_decay_drops_to_a_tenth_unless_told():
    assert StepDecay(1.0, every=1)(2) == pytest.approx(0.01)


def test_exponential_decay_is_smooth_and_meets_the_staircase():
    smooth, stairs = ExponentialDecay(0.8, factor=0.5, every=4), StepDecay(0.8, every=4, factor=0.5)
    assert smooth(2) == pytest.approx(0.8 * math.sqrt(0.5))
    for step in (0, 4, 8, 40):
        assert smooth(step) == pytest.approx(stairs(step), rel=1e-14)


def test_cosine_decay_ends_and_stays():
    schedule = CosineDecay(1.0, steps=8, final=0.2)
    rates = curve(schedule, 9)
    assert rates[0] == 1.0
    assert rates[4] == pytest.approx(0.6)
    assert rates[8] == schedule(9) == schedule(10**9) == 0.2
    assert np.all(np.diff(rates) < 0)


def test_warm_up_of_a_number_is_a_straight_line():
    assert curve(WarmUp(1.0, steps=4, start=0.5), 7) == [0.5, 0.625, 0.75, 0.875, 1.0, 1.0, 1.0]


def test_warm_up_multiplies_what_it_wraps():
    inner = CosineDecay(0.4, steps=20)
    outer = WarmUp(inner, steps=5)
    assert outer(0) == 0.0
    for step in range(1, 30):
        assert outer(step) == pytest.approx(inner(step) * min(step / 5, 1.0), rel=1e-14)


def test_warm_up_wraps_any_function_and_gives_a_python_float():
    rate = WarmUp(lambda step: np.float32(2.0) / (step + 1), steps=2)(1)
    assert rate == 0.5
    assert type(rate) is float


def test_one_cycle_rises_then_falls_then_stays():
    schedule = OneCycle(1.0, steps=100, warm_up=0.3, start_divisor=10.0, final_divisor=100.0)
    rates = curve(schedule, 100)
    assert rates[0] == pytest.approx(0.1)
    assert rates[29] == max(rates) == 1.0
    assert rates[99] == pytest.approx(0.001)
    assert schedule(100) == schedule(10**6) == rates[99]
    assert np.all(np.diff(rates[:30]) > 0)
    assert np.all(np.diff(rates[29:]) < 0)


@pytest.mark.parametrize(("steps", "warm_up"), [(1, 0.0), (1, 0.9), (2, 0.5), (5, 0.0), (5, 0.2), (5, 0.99)])
def test_one_cycle_with_no_room_for_a_rise_or_a_fall(steps, warm_up):
    schedule = OneCycle(1.0, steps=steps, warm_up=warm_up, start_divisor=10.0, final_divisor=100.0)
    rates = curve(schedule, steps)
    assert all(0.001 <= rate <= 1.0 for rate in rates)
    assert rates[-1] == pytest.approx(0.001)


@pytest.mark.parametrize("schedule", ALL, ids=repr)
def test_every_rate_is_a_finite_python_float(schedule):
    for step in (0, 1, 2, 7, 10, 10**6):
        rate = schedule(step)
        assert type(rate) is float
        assert 0.0 <= rate <= 0.1


@pytest.mark.parametrize("schedule", ALL, ids=repr)
def test_schedules_are_values(schedule):
    assert isinstance(schedule, Schedule)
    other = pickle.loads(pickle.dumps(schedule))
    assert other == schedule
    assert repr(other) == repr(schedule)
    with pytest.raises(ArgumentError):
        setattr(schedule, next(iter(schedule.config())), 3.0)


def test_numpy_settings_become_python_numbers():
    schedule = StepDecay(np.float32(0.5), every=np.int64(3), factor=np.float64(0.5))
    assert [type(getattr(schedule, name)) for name in ("rate", "every", "factor")] == [float, int, float]


@pytest.mark.parametrize(
    ("make", "kind", "where"),
    [
        (lambda: ConstantRate(0.0), ArgumentError, "ConstantRate(rate=)"),
        (lambda: ConstantRate(-0.1), ArgumentError, "ConstantRate(rate=)"),
        (lambda: ConstantRate(math.nan), ArgumentError, "ConstantRate(rate=)"),
        (lambda: ConstantRate(math.inf), ArgumentError, "ConstantRate(rate=)"),
        (lambda: ConstantRate("0.1"), ArgumentTypeError, "ConstantRate(rate=)"),
        (lambda: ConstantRate(True), ArgumentTypeError, "ConstantRate(rate=)"),
        (lambda: StepDecay(-1, every=2), ArgumentError, "StepDecay(rate=)"),
        (lambda: StepDecay(0.1, every=0), ArgumentError, "StepDecay(every=)"),
        (lambda: StepDecay(0.1, every=2.0), ArgumentTypeError, "StepDecay(every=)"),
        (lambda: StepDecay(0.1, every=2, factor=0), ArgumentError, "StepDecay(factor=)"),
        (lambda: StepDecay(0.1, every=2, factor=10), ArgumentError, "StepDecay(factor=)"),
        (lambda: ExponentialDecay(0, factor=0.5), ArgumentError, "ExponentialDecay(rate=)"),
        (lambda: ExponentialDecay(0.1, factor=-0.5), ArgumentError, "ExponentialDecay(factor=)"),
        (lambda: ExponentialDecay(0.1, factor=1.5), ArgumentError, "ExponentialDecay(factor=)"),
        (lambda: ExponentialDecay(0.1, factor=0.5, every=0), ArgumentError, "ExponentialDecay(every=)"),
        (lambda: CosineDecay(0, steps=5), ArgumentError, "CosineDecay(rate=)"),
        (lambda: CosineDecay(0.1, steps=0), ArgumentError, "CosineDecay(steps=)"),
        (lambda: CosineDecay(0.1, steps=5, final=-0.1), ArgumentError, "CosineDecay(final=)"),
        (lambda: CosineDecay(0.1, steps=5, final=0.2), ArgumentError, "CosineDecay(final=)"),
        (lambda: WarmUp(-0.1, steps=5), ArgumentError, "WarmUp(schedule=)"),
        (lambda: WarmUp("cosine", steps=5), ArgumentTypeError, "WarmUp(schedule=)"),
        (lambda: WarmUp(0.1, steps=0), ArgumentError, "WarmUp(steps=)"),
        (lambda: WarmUp(0.1, steps=5, start=1.5), ArgumentError, "WarmUp(start=)"),
        (lambda: OneCycle(0, steps=5), ArgumentError, "OneCycle(peak=)"),
        (lambda: OneCycle(0.1, steps=0), ArgumentError, "OneCycle(steps=)"),
        (lambda: OneCycle(0.1, steps=5, warm_up=1.0), ArgumentError, "OneCycle(warm_up=)"),
        (lambda: OneCycle(0.1, steps=5, warm_up=-0.1), ArgumentError, "OneCycle(warm_up=)"),
        (lambda: OneCycle(0.1, steps=5, start_divisor=0.5), ArgumentError, "OneCycle(start_divisor=)"),
        (lambda: OneCycle(0.1, steps=5, final_divisor=0), ArgumentError, "OneCycle(final_divisor=)"),
    ],
)
def test_settings_are_checked(make, kind, where):
    with pytest.raises(kind) as error:
        make()
    assert error.value.where == where


def test_settings_after_the_rate_are_keyword_only():
    with pytest.raises(TypeError, match="without a name"):
        StepDecay(0.1, 5)
