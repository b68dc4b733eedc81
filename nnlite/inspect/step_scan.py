"""The hill in fog: the true loss along the step that the optimizer makes, by learning rate."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np

from nnlite.core.aliases import Array
from nnlite.core.optimizers import SGD, Optimizer
from nnlite.inspect.float64_copy import Float64Copy
from nnlite.inspect.numbers import plain
from nnlite.training.curvature import STEP

__all__ = ["LABELS", "OVERSHOOTS", "SHARE", "look_ahead"]

#: From too small to too large.
LABELS = ("barely moves", "good", "overshoots")
BARELY, GOOD, OVERSHOOTS = LABELS
#: A rate is good if its step gains at least this part of what the best step in the same direction gains.
SHARE = 0.05
#: How many rates are tried, how far below and above the rates that matter, and over how many powers of ten.
RATES = 61
BELOW, ABOVE = 100.0, 10.0
DECADES = 12.0
#: Rates are numbers of float64.
LARGEST = float(np.finfo(np.float64).max)
#: Steps of the golden section that finds the best rate between its neighbours.
SECTIONS = 16
GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0
#: How often rates ten times as large are tried too, while the loss goes on falling.
FARTHER = 4
#: Below this part of the loss a difference of two losses is rounding.
NOISE = 1e-13


def look_ahead(
    net: Float64Copy, optimizer: Optimizer, rate: float, grads: Array, direction_grads: Array
) -> dict[str, Any]:
    """Measure the loss along the step of an optimizer, for learning rates around its own.

    Parameters
    ----------
    net : Float64Copy
        The loss as a function of the weights.
    optimizer : Optimizer
        As it was before the step; it is copied.
    rate : float
        The learning rate of the step.
    grads : ndarray of shape (size,)
        The gradient that the optimizer was given.
    direction_grads : ndarray of shape (size,)
        The gradient of the true loss, which may differ from it by the noise of dropout.

    Returns
    -------
    dict
        What `StepTrace.to_dict` has under ``"fog"``.

    Examples
    --------
    Down ``w**2`` from w = 3 the best rate is 0.5, and 1 is where it begins to overshoot:

    >>> import nnlite as nn
    >>> model = nn.Sequential([nn.Dense(1, 1, bias=False)], rng=0)
    >>> model[0].W[...] = 3.0
    >>> net = Float64Copy(model, np.ones((1, 1)), np.zeros((1, 1)), None, nn.MeanSquaredError())
    >>> gradient = net.gradient(net.start)
    >>> [look_ahead(net, nn.SGD(rate), rate, gradient, gradient)["label"] for rate in (0.01, 0.4, 1.2)]
    ['barely moves', 'good', 'overshoots']
    """
    direction = _direction(net, optimizer, grads)
    before = net.loss(net.start)
    slope = float(direction_grads @ direction)
    length = float(np.linalg.norm(direction))
    bend = _bend(net, direction, length)
    rates, losses = _walk(net, direction, rate, slope, bend)
    after = net.loss(net.start + rate * direction)
    lowest = np.where(np.isfinite(losses), losses, np.inf)
    best = int(lowest.argmin())
    best_rate, best_loss = float(rates[best]), float(lowest[best])
    labels = [
        _label(each, value, before, best_rate, best_loss)
        for each, value in zip(rates.tolist(), losses.tolist(), strict=True)
    ]
    label = _label(rate, after, before, best_rate, best_loss)
    downhill = bool(best_loss < before - NOISE * abs(before))
    return {
        "direction": _name(optimizer),
        "rates": rates.tolist(),
        "losses": plain(losses),
        "rate": rate,
        "loss_before": before,
        "loss_after": plain(after),
        "forecast": plain(before + rate * slope),
        "best_rate": best_rate if downhill else None,
        "best_loss": best_loss if downhill else None,
        "label": label,
        "slope": plain(slope),
        "curvature": plain(bend / length**2) if length else 0.0,
        "zones": _zones(rates, labels),
    }


def _direction(net: Float64Copy, optimizer: Optimizer, grads: Array) -> Array:
    """Return the step that the optimizer makes, divided by its learning rate, in float64."""
    params = net.model.params
    walker = copy.deepcopy(optimizer)
    walker.state = {slot: array.astype(np.float64) for slot, array in walker.state.items()}
    rate = float(walker.rate)
    if not rate:  # at the start of a warm-up the rate may be 0, and there is a direction still
        rate = walker.learning_rate = walker.rate_factor = 1.0
    params.values[...] = net.start
    params.grads[...] = grads
    with np.errstate(all="ignore"):
        walker.step(params)
        direction: Array = (params.values - net.start) / rate
    params.values[...] = net.start
    return np.where(np.isfinite(direction), direction, 0.0)


def _bend(net: Float64Copy, direction: Array, length: float) -> float:
    """Measure the second derivative of the loss by the learning rate."""
    if not length:
        return 0.0
    reach = STEP * (1.0 + float(np.linalg.norm(net.start))) / length
    there, here = (net.gradient(net.start + sign * reach * direction) for sign in (1, -1))
    bend = float((there - here) @ direction) / (2.0 * reach)
    return bend if math.isfinite(bend) else 0.0


def _walk(net: Float64Copy, direction: Array, rate: float, slope: float, bend: float) -> tuple[Array, Array]:
    """Choose rates around the user's, and around the one that a parabola would call best; measure there."""
    marks = [rate] if rate else []
    if slope < 0 < bend and math.isfinite(-slope / bend):
        marks += [-slope / bend, -2.0 * slope / bend]
    low, high = min(marks, default=1.0) / BELOW, max(marks, default=1.0) * ABOVE
    if rate:  # the user's own rate is never cut off
        low, high = max(low, rate * 10.0**-DECADES), min(high, rate * 10.0**DECADES)
    for _ in range(1 + FARTHER):
        high = min(high, LARGEST)
        rates = np.geomspace(low, high, RATES)
        if rate:
            rates[np.abs(np.log(rates / rate)).argmin()] = rate
        losses = np.array([net.loss(net.start + each * direction) for each in rates])
        if not slope < 0 or np.where(np.isfinite(losses), losses, np.inf).argmin() < RATES - 1:
            break
        high *= 10.0
    best = int(np.where(np.isfinite(losses), losses, np.inf).argmin())
    if not 0 < best < RATES - 1:
        return rates, losses
    found, loss = _lowest(net, direction, float(rates[best - 1]), float(rates[best + 1]))
    if not loss < losses[best]:
        return rates, losses
    place = int(np.searchsorted(rates, found))
    return np.insert(rates, place, found), np.insert(losses, place, loss)


def _lowest(net: Float64Copy, direction: Array, low: float, high: float) -> tuple[float, float]:
    """Find the lowest loss between two rates by the golden section, on a scale of powers."""

    def measured(power: float) -> float:
        return net.loss(net.start + math.exp(power) * direction)

    left, right = math.log(low), math.log(high)
    inner, outer = right - GOLDEN * (right - left), left + GOLDEN * (right - left)
    at_inner, at_outer = measured(inner), measured(outer)
    for _ in range(SECTIONS):
        if at_inner <= at_outer:
            right, outer, at_outer = outer, inner, at_inner
            inner = right - GOLDEN * (right - left)
            at_inner = measured(inner)
        else:
            left, inner, at_inner = inner, outer, at_outer
            outer = left + GOLDEN * (right - left)
            at_outer = measured(outer)
    return (math.exp(inner), at_inner) if at_inner <= at_outer else (math.exp(outer), at_outer)


def _label(rate: float, loss: float, before: float, best_rate: float, best_loss: float) -> str:
    """Call a rate too small, good or too large; the rules stand in the notes of `explain_step`."""
    slack = NOISE * abs(before)
    if not math.isfinite(loss) or loss > before + slack:
        return OVERSHOOTS
    gain, most = before - loss, before - best_loss
    if most > slack and gain >= SHARE * most:
        return GOOD
    return OVERSHOOTS if most > slack and rate > best_rate else BARELY


def _zones(rates: Array, labels: list[str]) -> list[dict[str, Any]]:
    """Join neighbouring rates with the same label."""
    zones: list[dict[str, Any]] = []
    for rate, label in zip(rates.tolist(), labels, strict=True):
        if zones and zones[-1]["label"] == label:
            zones[-1]["to"] = rate
            continue
        if zones:  # they meet half-way, on a scale of powers
            zones[-1]["to"] = math.sqrt(zones[-1]["to"] * rate)
        zones.append({"label": label, "from": zones[-1]["to"] if zones else rate, "to": rate})
    return zones


def _name(optimizer: Optimizer) -> str:
    """Say which way the step goes."""
    plain = type(optimizer) is SGD and not optimizer.momentum and not np.any(optimizer.weight_decay)
    # Clipping single values turns the direction, clipping the norm does not.
    if plain and optimizer.clip_value is None:
        return "along the negative gradient"
    return f"along the step of {type(optimizer).__name__}"
