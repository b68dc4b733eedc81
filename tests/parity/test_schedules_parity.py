"""Every schedule that PyTorch has too gives PyTorch's learning rates, step for step."""

from __future__ import annotations

import pytest
from parity_tools import assert_close, torch

from nnlite.schedules import (
    CosineDecay,
    CosineRestarts,
    ExponentialDecay,
    OneCycle,
    PiecewiseConstant,
    PolynomialDecay,
    StepDecay,
    WarmUp,
)

lr_scheduler = torch.optim.lr_scheduler

STEPS = 100


def torch_rates(make_scheduler, *, rate=0.1, steps=STEPS):
    """Train one parameter and write down the learning rate of every update."""
    weight = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = torch.optim.SGD([weight], lr=rate)
    scheduler = make_scheduler(optimizer)
    rates = []
    for step in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        weight.grad = torch.ones_like(weight)
        optimizer.step()
        if step + 1 < steps:
            scheduler.step()
    return rates


def assert_same(schedule, expected):
    rates = [schedule(step) for step in range(len(expected))]
    assert_close(rates, expected, f"the rates of {schedule}")


@pytest.mark.parametrize(("every", "factor"), [(7, 0.1), (1, 0.97), (30, 0.5)])
def test_step_decay(every, factor):
    expected = torch_rates(lambda optimizer: lr_scheduler.StepLR(optimizer, every, gamma=factor))
    assert_same(StepDecay(0.1, every=every, factor=factor), expected)


@pytest.mark.parametrize("factor", [0.9, 0.99, 1.0])
def test_exponential_decay(factor):
    expected = torch_rates(lambda optimizer: lr_scheduler.ExponentialLR(optimizer, factor))
    assert_same(ExponentialDecay(0.1, factor=factor), expected)


@pytest.mark.parametrize("final", [0.0, 0.02])
def test_cosine_decay_up_to_its_last_step(final):
    def make(optimizer):
        return lr_scheduler.CosineAnnealingLR(optimizer, T_max=STEPS - 1, eta_min=final)

    assert_same(CosineDecay(0.1, steps=STEPS - 1, final=final), torch_rates(make))


@pytest.mark.parametrize(("steps", "start"), [(10, 0.25), (33, 0.01), (1, 0.5)])
def test_warm_up_of_a_constant_rate(steps, start):
    def make(optimizer):
        return lr_scheduler.LinearLR(optimizer, start_factor=start, total_iters=steps)

    assert_same(WarmUp(0.1, steps=steps, start=start), torch_rates(make))


def test_warm_up_in_front_of_an_exponential_decay():
    def make(optimizer):
        warm_up = lr_scheduler.LinearLR(optimizer, start_factor=0.1, total_iters=12)
        return lr_scheduler.ChainedScheduler([warm_up, lr_scheduler.ExponentialLR(optimizer, 0.95)])

    assert_same(WarmUp(ExponentialDecay(0.1, factor=0.95), steps=12, start=0.1), torch_rates(make))


@pytest.mark.parametrize(
    ("steps", "growth", "final"), [(10, 1, 0.0), (7, 2, 0.02), (1, 3, 0.0), (150, 1, 0.0)]
)
def test_cosine_restarts(steps, growth, final):
    def make(optimizer):
        return lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=steps, T_mult=growth, eta_min=final)

    assert_same(CosineRestarts(0.1, steps=steps, growth=growth, final=final), torch_rates(make))


@pytest.mark.parametrize(("steps", "power"), [(50, 1.0), (99, 2.0), (120, 0.5)])
def test_polynomial_decay(steps, power):
    def make(optimizer):
        return lr_scheduler.PolynomialLR(optimizer, total_iters=steps, power=power)

    assert_same(PolynomialDecay(0.1, steps=steps, power=power), torch_rates(make))


@pytest.mark.parametrize("boundaries", [[30, 60], [1], [10, 11, 12, 99]])
def test_piecewise_constant(boundaries):
    def make(optimizer):
        return lr_scheduler.MultiStepLR(optimizer, milestones=boundaries, gamma=0.1)

    rates = [0.1 * 0.1**number for number in range(len(boundaries) + 1)]
    assert_same(PiecewiseConstant(rates, boundaries=boundaries), torch_rates(make))


@pytest.mark.parametrize("steps", [10, 33, 100])
@pytest.mark.parametrize("warm_up", [0.0, 0.25, 0.3, 0.95])
@pytest.mark.parametrize("divisors", [(25.0, 1e4), (4.0, 10.0)])
def test_one_cycle(steps, warm_up, divisors):
    start, final = divisors

    def make(optimizer):
        return lr_scheduler.OneCycleLR(
            optimizer,
            max_lr=0.5,
            total_steps=steps,
            pct_start=warm_up,
            div_factor=start,
            final_div_factor=final,
            cycle_momentum=False,
        )

    schedule = OneCycle(0.5, steps=steps, warm_up=warm_up, start_divisor=start, final_divisor=final)
    assert_same(schedule, torch_rates(make, steps=steps))
