"""Schedules: the shape of each curve, its ends, and what is refused."""

from __future__ import annotations

import math
import pickle
import re

import numpy as np
import pytest

import nnlite as nn
from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.schedules import (
    ConstantRate,
    CosineDecay,
    CosineRestarts,
    ExponentialDecay,
    OneCycle,
    PiecewiseConstant,
    PolynomialDecay,
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
    CosineRestarts(0.1, steps=3, growth=2),
    PolynomialDecay(0.1, steps=10, power=2),
    PiecewiseConstant([0.1, 0.05, 0.02], boundaries=[2, 7]),
]

#: Those that have a length, made without one.
LONG = [CosineDecay, CosineRestarts, OneCycle, PolynomialDecay, WarmUp]


def shown(schedule):
    """Name a case without a place in memory, which is another one in each process of the tests."""
    return re.sub(" at 0x[0-9a-f]+", "", repr(schedule)) if callable(schedule) else None


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


def test_cosine_restarts_begin_anew_and_grow():
    schedule = CosineRestarts(1.0, steps=4, growth=2, final=0.2)
    wave = CosineDecay(1.0, steps=4, final=0.2)
    assert curve(schedule, 4) == curve(wave, 4)
    assert [step for step in range(61) if schedule(step) == 1.0] == [0, 4, 12, 28, 60]
    assert schedule(8) == pytest.approx(0.6)  # half of the second wave
    even = CosineRestarts(1.0, steps=4)
    assert curve(even, 12) == curve(CosineDecay(1.0, steps=4), 4) * 3
    assert even(4 * 10**12) == 1.0


def test_polynomial_decay_ends_and_stays():
    assert curve(PolynomialDecay(1.0, steps=4, final=0.2), 6) == pytest.approx([1, 0.8, 0.6, 0.4, 0.2, 0.2])
    assert PolynomialDecay(1.0, steps=4, power=3)(2) == 0.125


def test_piecewise_constant_changes_at_the_boundary():
    assert curve(PiecewiseConstant([3, 2, 1], boundaries=[2, 3]), 5) == [3, 3, 2, 1, 1]
    assert curve(PiecewiseConstant(np.array([3.0]), boundaries=[]), 2) == [3, 3]


@pytest.mark.parametrize("make", LONG, ids=lambda make: make.__name__)
def test_without_a_length_it_is_that_of_the_training(make):
    schedule = make(0.1)
    assert schedule.lasts
    with pytest.raises(ArgumentError, match=r"steps to count in, outside of fit.*Write steps="):
        schedule(0)
    settled = schedule.settle(40, 8)
    assert settled == make(0.1, steps=40) != schedule
    assert settled.settle(10, 2) is settled
    assert make(0.1, epochs=2.5).settle(40, 8) == make(0.1, steps=20)
    assert make(0.1, epochs=0.001).settle(40, 8) == make(0.1, steps=1)
    assert not make(0.1, epochs=2).lasts
    with pytest.raises(ArgumentError, match=rf"{make.__name__}\(0\.1.*the number of batches is not known"):
        schedule.settle(None, None)
    with pytest.raises(ArgumentError, match=r"steps= or epochs=, got both"):
        make(0.1, steps=4, epochs=2)
    assert pickle.loads(pickle.dumps(schedule)) == schedule


def test_what_is_wrapped_is_settled_too():
    assert WarmUp(CosineDecay(0.1), steps=5).lasts
    assert WarmUp(CosineDecay(0.1), epochs=1).settle(40, 8) == WarmUp(CosineDecay(0.1, steps=40), steps=8)
    assert WarmUp(WarmUp(OneCycle(0.1)), steps=3).settle(40, 8)(100) == OneCycle(0.1, steps=40)(100)
    plain = WarmUp(CosineDecay(0.1, steps=9), steps=5)
    assert plain.settle(40, 8) is plain


@pytest.mark.parametrize(
    ("schedule", "settled"),
    [
        (StepDecay(0.1, every=3, unit="epochs"), StepDecay(0.1, every=24)),
        (ExponentialDecay(0.1, factor=0.5, unit="epochs"), ExponentialDecay(0.1, factor=0.5, every=8)),
        (
            PiecewiseConstant([0.1, 0.2, 0.3], boundaries=[1, 3], unit="epochs"),
            PiecewiseConstant([0.1, 0.2, 0.3], boundaries=[8, 24]),
        ),
    ],
    ids=repr,
)
def test_epochs_become_steps(schedule, settled):
    assert not schedule.lasts
    assert schedule.settle(40, 8) == settled
    with pytest.raises(ArgumentError, match="steps to count in, outside of fit"):
        schedule(0)
    with pytest.raises(ArgumentError, match="the number of batches is not known"):
        schedule.settle(None, None)


@pytest.mark.parametrize(
    ("schedule", "over"),
    [
        (CosineDecay(0.1, steps=20), 20),
        (CosineDecay(0.1, steps=20, final=0.0009), 20),
        (CosineDecay(0.1, steps=20, final=0.01), None),  # where it stays it is meant to train
        (PolynomialDecay(0.1, steps=20), 20),
        (PolynomialDecay(0.1, steps=20, final=0.05), None),
        (OneCycle(0.1, steps=20), 20),
        (OneCycle(0.1, steps=20, start_divisor=2, final_divisor=2), None),
        (WarmUp(CosineDecay(0.1, steps=20), steps=5), 20),
        (WarmUp(0.1, steps=5), None),
        (WarmUp(lambda step: 0.0, steps=5), None),
        (CosineRestarts(0.1, steps=20), None),
        (StepDecay(0.1, every=2, factor=0.25), 20),
        (ExponentialDecay(0.1, every=2, factor=0.25), 20),
        (ExponentialDecay(0.1, factor=0.9), 132),
        (WarmUp(ExponentialDecay(0.1, factor=0.9), steps=5), 132),
        (ExponentialDecay(0.1, factor=1.0), None),
        (StepDecay(0.1, every=2, unit="epochs"), None),
        (ConstantRate(0.1), None),
        (CosineDecay(0.1), None),
    ],
    ids=shown,
)
def test_when_it_is_over(schedule, over):
    assert schedule.over == over
    if over is not None:
        assert all(schedule(step) < 0.01 * 0.1 for step in (over, over + 1, 10**6))
    if over is not None and "factor" in repr(schedule):
        assert schedule(over) < 1e-6 * 0.1 <= 4 * schedule(over - 2)


class TestInFit:
    """What a training makes of a schedule: 40 rows in batches of 8, 5 steps an epoch."""

    X = np.linspace(-1, 1, 40)[:, None]

    def net(self, **options):
        return nn.Sequential([nn.Dense(1, 1)], rng=0, **options)

    def fit(self, optimizer, *, model=None, X=X, y=X, epochs=4, **options):
        model = model or self.net()
        options = {"loss": nn.MeanSquaredError(), "batch_size": 8, **options}
        return model.fit(X, y, optimizer=optimizer, epochs=epochs, **options)

    def rates(self, schedule, **options):
        """Return the rates of all steps."""
        seen = []

        class Watch(nn.Callback):
            def on_batch_begin(self, state):
                rate = state.optimizer.rate
                seen.append(rate.tolist() if isinstance(rate, np.ndarray) else rate)

        self.fit(nn.SGD(schedule), callbacks=[Watch()], **options)
        return seen

    @pytest.mark.parametrize("make", LONG, ids=lambda make: make.__name__)
    def test_it_lasts_as_long_as_the_training(self, make):
        assert self.rates(make(0.1)) == curve(make(0.1, steps=20), 20)
        assert self.rates(make(0.1, epochs=4)) == curve(make(0.1, steps=20), 20)
        assert self.rates(WarmUp(make(0.1), epochs=1)) == curve(WarmUp(make(0.1, steps=20), steps=5), 20)

    @pytest.mark.parametrize(
        ("options", "steps"),
        [
            ({"validation": 0.5}, 12),  # 20 rows left, 3 batches
            ({"batch_size": 40}, 4),
            ({"batch_size": 7}, 24),
            ({"epochs": 1}, 5),
            ({"shuffle": False}, 20),
            ({"weight": np.ones(40)}, 20),
            ({"X": [(X[:10], X[:10])] * 3, "y": None}, 12),
            ({"X": nn.batches(X, X, batch_size=10), "y": None}, 16),
        ],
    )
    def test_whatever_the_data_and_the_batches(self, options, steps):
        options = {"batch_size": 8, **options}
        assert self.rates(CosineDecay(0.1), **options) == curve(CosineDecay(0.1, steps=steps), steps)

    def test_replicas_have_rates_of_their_own(self):
        class Two(Schedule):
            def __init__(self, inner):
                self.inner = inner

            @property
            def lasts(self):
                return self.inner.lasts

            def settle(self, steps, steps_per_epoch):
                return Two(self.inner.settle(steps, steps_per_epoch))

            def __call__(self, step):
                return [self.inner(step), 2 * self.inner(step)]

        seen = self.rates(Two(CosineDecay(0.1)), model=self.net(replicas=2))
        one = curve(CosineDecay(0.1, steps=20), 20)
        assert seen == [[rate, 2 * rate] for rate in one]

    def test_a_second_training_begins_anew(self):
        model, optimizer = self.net(), nn.SGD(WarmUp(CosineDecay(0.1), epochs=1))
        first = self.fit(optimizer, model=model)["learning_rate"]
        second = self.fit(optimizer, model=model, epochs=2)["learning_rate"]
        assert optimizer.steps == 30
        schedule = WarmUp(CosineDecay(0.1, steps=20), steps=5)
        assert first == [schedule(step) for step in (0, 5, 10, 15)]
        schedule = WarmUp(CosineDecay(0.1, steps=10), steps=5)
        assert second == [schedule(step) for step in (0, 5)]

    @pytest.mark.parametrize(
        "schedule",
        [CosineDecay(0.1), WarmUp(0.1, epochs=2), StepDecay(0.1, every=2, unit="epochs")],
        ids=repr,
    )
    def test_where_the_number_of_batches_is_not_known_it_needs_steps(self, schedule):
        def batches():
            yield self.X, self.X

        model = self.net()
        kept = model.params.values.copy()
        with pytest.raises(
            ArgumentError, match=r"fit\(optimizer=\).*the number of batches is not known.*steps="
        ):
            self.fit(nn.SGD(schedule), X=batches, y=None, model=model)
        np.testing.assert_array_equal(model.params.values, kept)
        assert self.rates(CosineDecay(0.1, steps=4), X=batches, y=None) == curve(CosineDecay(0.1, steps=4), 4)

    @pytest.mark.parametrize("what", ["step", "rate"])
    def test_by_hand_it_needs_steps(self, what):
        model, optimizer = self.net(), nn.SGD(CosineDecay(0.1))
        kept = model.params.values.copy()
        use = {"step": lambda: optimizer.step(model.params), "rate": lambda: optimizer.rate}[what]
        with pytest.raises(ArgumentError, match=r"CosineDecay\(0\.1\): expected steps to count in"):
            use()
        np.testing.assert_array_equal(model.params.values, kept)
        self.fit(optimizer, model=model)
        assert optimizer.rate == 0.0  # it is known now, and goes on as it ended
        optimizer.reset()
        with pytest.raises(ArgumentError, match="outside of fit"):
            _ = optimizer.rate

    @pytest.mark.parametrize(
        ("schedule", "over", "wasted"),
        [
            (CosineDecay(0.1, steps=2), 2, 18),
            (CosineDecay(0.1, epochs=1), 5, 15),
            (OneCycle(0.1, steps=5), 5, 15),
            (PolynomialDecay(0.1, steps=18), 18, 2),
            (WarmUp(CosineDecay(0.1, steps=4), steps=2), 4, 16),
            (StepDecay(0.1, every=1), 7, 13),
            (ExponentialDecay(0.1, factor=1e-3, every=5), 15, 5),
        ],
        ids=repr,
    )
    def test_one_that_is_over_early_is_warned_of(self, schedule, over, wasted):
        with pytest.warns(UserWarning, match=r"fit\(optimizer=\)") as found:
            self.fit(nn.SGD(schedule))
        assert len(found) == 1
        text = f"{found[0].message}"
        assert "as long as the training, 20 steps, got " + f"{schedule}, which is over after {over}" in text
        assert f"{wasted} have a rate of" in text
        assert "Leave its length out" in text
        assert "steps=20" in text
        assert found[0].filename == __file__

    @pytest.mark.parametrize(
        "schedule",
        [
            CosineDecay(0.1, steps=20),
            CosineDecay(0.1, steps=19),  # a step or so is none to speak of
            CosineDecay(0.1, steps=200),
            CosineDecay(0.1, steps=5, final=0.05),
            WarmUp(0.1, steps=2),
            CosineRestarts(0.1, steps=5),
            StepDecay(0.1, every=5),
            lambda step: 0.0 if step > 3 else 0.1,
        ],
        ids=shown,
    )
    def test_others_are_not(self, schedule):
        self.fit(nn.SGD(schedule))  # a warning is an error

    def test_batches_without_a_length_tell_behind_the_first_epoch(self):
        def make():
            return ((self.X[start : start + 8], self.X[start : start + 8]) for start in range(0, 40, 8))

        with pytest.warns(UserWarning, match="20 steps, got .* over after 2 steps: 18 have") as found:
            self.net().fit(
                make, loss=nn.MeanSquaredError(), optimizer=nn.SGD(CosineDecay(0.1, steps=2)), epochs=4
            )
        assert len(found) == 1
        assert found[0].filename == __file__
        self.net().fit(
            make, loss=nn.MeanSquaredError(), optimizer=nn.SGD(CosineDecay(0.1, steps=20)), epochs=4
        )

    def test_one_that_is_over_before_a_second_training_is_warned_of(self):
        model, optimizer = self.net(), nn.SGD(CosineDecay(0.1, steps=20))
        self.fit(optimizer, model=model)
        with pytest.warns(UserWarning, match="over after 20 steps: 20 have a rate of 0.*steps=40"):
            self.fit(optimizer, model=model)

    def test_a_sweep_gives_it_to_each_net(self):
        found = nn.sweep(
            self.net(),
            self.X,
            self.X,
            learning_rate=[0.01, 0.1],
            seeds=1,
            schedule=CosineDecay,
            epochs=4,
            batch_size=8,
        )
        expected = [CosineDecay(0.1, steps=20)(step) for step in (0, 5, 10, 15)]
        assert [rates[1] for rates in found.history["learning_rate"]] == pytest.approx(expected)


class TestResumed:
    """A checkpoint of a training whose schedule lasts as long as it."""

    X = TestInFit.X

    def fit(self, path, *, epochs, stop=None, resume=None, schedule=None):
        class Stop(nn.Callback):
            def on_epoch_end(self, state):
                if state.epoch == stop:
                    raise ZeroDivisionError

        model = nn.Sequential([nn.Dense(1, 1)], rng=0)
        history = model.fit(
            self.X,
            self.X,
            loss=nn.MeanSquaredError(),
            optimizer=nn.Adam(schedule or WarmUp(CosineDecay(0.1), epochs=1)),
            epochs=epochs,
            batch_size=8,
            callbacks=[nn.Checkpoint(path, every=2, unit="steps"), Stop()],
            resume=resume,
        )
        return model.params.values.tolist(), history["learning_rate"]

    def test_the_same_number_of_epochs_goes_on_to_the_same_bits(self, tmp_path):
        path = tmp_path / "run"
        with pytest.raises(ZeroDivisionError):
            self.fit(path, epochs=5, stop=2)
        assert self.fit(path, epochs=5, resume=path) == self.fit(tmp_path / "other", epochs=5)

    def test_another_number_is_refused(self, tmp_path):
        path = tmp_path / "run"
        self.fit(path, epochs=2)
        with pytest.raises(ArgumentError, match=r"the same epochs, as long as which WarmUp\(.*2, got 5"):
            self.fit(path, epochs=5, resume=path)
        # With a length of its own it goes on.
        path, schedule = tmp_path / "steps", CosineDecay(0.1, steps=25)
        self.fit(path, epochs=2, schedule=schedule)
        longer = self.fit(path, epochs=5, resume=path, schedule=schedule)
        assert longer == self.fit(tmp_path / "other", epochs=5, schedule=schedule)

    def test_a_second_training_goes_on_where_its_schedule_was(self, tmp_path):
        """It counts from the beginning of that training, which the file knows."""
        X, path = self.X, tmp_path / "run"

        def fit(model, optimizer, epochs, **options):
            return model.fit(
                X, X, loss=nn.MeanSquaredError(), optimizer=optimizer, epochs=epochs, batch_size=8, **options
            )

        def begun():
            model, optimizer = nn.Sequential([nn.Dense(1, 1)], rng=0), nn.SGD(CosineDecay(0.1))
            fit(model, optimizer, 3)
            return model, optimizer

        class Stop(nn.Callback):
            def on_epoch_end(self, state):
                if state.epoch == 2 and state.optimizer is optimizer:
                    raise ZeroDivisionError

        model, optimizer = begun()
        whole = fit(model, optimizer, 4)["learning_rate"]
        model, optimizer = begun()
        with pytest.raises(ZeroDivisionError):
            fit(model, optimizer, 4, callbacks=[nn.Checkpoint(path), Stop()])
        other = nn.Sequential([nn.Dense(1, 1)], rng=0)
        resumed = fit(other, nn.SGD(CosineDecay(0.1)), 4, callbacks=[Stop()], resume=path)
        assert resumed["learning_rate"] == whole


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
        (lambda: CosineDecay(0.1, epochs=0), ArgumentError, "CosineDecay(epochs=)"),
        (lambda: CosineDecay(0.1, epochs="5"), ArgumentTypeError, "CosineDecay(epochs=)"),
        (lambda: StepDecay(0.1, every=2, unit="batches"), ArgumentError, "StepDecay(unit=)"),
        (lambda: CosineRestarts(0.1, steps=5, growth=0), ArgumentError, "CosineRestarts(growth=)"),
        (lambda: CosineRestarts(0.1, steps=5, growth=1.5), ArgumentTypeError, "CosineRestarts(growth=)"),
        (lambda: CosineRestarts(0.1, steps=5, final=0.2), ArgumentError, "CosineRestarts(final=)"),
        (lambda: PolynomialDecay(0.1, steps=5, power=0), ArgumentError, "PolynomialDecay(power=)"),
        (lambda: PolynomialDecay(0, steps=5), ArgumentError, "PolynomialDecay(rate=)"),
        (lambda: PiecewiseConstant(0.1, boundaries=[1]), ArgumentTypeError, "PiecewiseConstant(rates=)"),
        (lambda: PiecewiseConstant([0.1, 0], boundaries=[1]), ArgumentError, "PiecewiseConstant(rates=)"),
        (lambda: PiecewiseConstant([0.1], boundaries=[1]), ArgumentError, "PiecewiseConstant"),
        (
            lambda: PiecewiseConstant([3, 2, 1], boundaries=[5, 5]),
            ArgumentError,
            "PiecewiseConstant(boundaries=)",
        ),
        (
            lambda: PiecewiseConstant([3, 2], boundaries=[0.5]),
            ArgumentTypeError,
            "PiecewiseConstant(boundaries=)",
        ),
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


class Half:
    """Half of what another schedule says, which has all other names of that one too."""

    def __init__(self, schedule):
        self.schedule = schedule

    def __getattr__(self, name):
        return getattr(vars(self)["schedule"], name)

    def __call__(self, step):
        return 0.5 * self.schedule(step)


def test_a_schedule_that_wraps_another_keeps_what_it_does(rng):
    X, y = rng.normal(size=(40, 2)), rng.normal(size=(40, 1))
    rates = []
    for schedule in (nn.CosineDecay(0.1, steps=5), Half(nn.CosineDecay(0.1, steps=5))):
        model = nn.Sequential([nn.Dense(2, 1)], rng=0)
        options = {"loss": nn.MeanSquaredError(), "epochs": 3, "batch_size": 40}
        history = model.fit(X, y, optimizer=nn.SGD(schedule), **options)
        rates.append(history["learning_rate"])
    np.testing.assert_allclose(rates[1], 0.5 * np.array(rates[0]))
