"""Proof of the gradient: nudge a weight to both sides, and see how the loss changes."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from nnlite.core.aliases import Array
from nnlite.inspect.float64_copy import Float64Copy
from nnlite.testing.differences import KINK, STEP

__all__ = ["KINKED", "TOO_SMALL", "Nudge", "nudge"]

#: What stands beside a weight whose slopes to the left and to the right differ.
KINKED = "kink"
#: What stands beside a gradient that drowns in the rounding of the two losses.
TOO_SMALL = "too small to measure"
#: float64 holds so many digits; more cannot agree.
DIGITS = 15.95
#: A gradient is too small to measure if rounding hides more of it than this part.
HIDDEN = 1e-4
#: The rounding of a loss, in units of its last place: some sums and functions come before it.
ULPS = 4.0


class Nudge(NamedTuple):
    """What came of moving one weight; see `nudge`.

    Parameters
    ----------
    value : float
        The weight.
    loss_minus, loss_plus : float
        The losses there.
    difference : float
        The central difference: the slope as it was measured.
    gradient : float
        The slope as backpropagation has it.
    digits : float
        How many of their digits agree.
    note : str or None
        `KINKED`, `TOO_SMALL`, or None.

    Examples
    --------
    >>> Nudge(1.0, 0.9, 1.1, 10.0, 10.0, 15.95, None).digits
    15.95
    """

    value: float
    loss_minus: float
    loss_plus: float
    difference: float
    gradient: float
    digits: float
    note: str | None


def nudge(net: Float64Copy, place: int, gradient: float, *, middle: float) -> Nudge:
    """Move one weight a little to both sides and measure the loss.

    Parameters
    ----------
    net : Float64Copy
        The loss as a function of the weights.
    place : int
        Which weight, in the flat array of all.
    gradient : float
        What backpropagation says.
    middle : float
        The loss where the weight is.

    Returns
    -------
    Nudge

    Examples
    --------
    >>> import nnlite as nn
    >>> model = nn.Sequential([nn.Dense(1, 1, bias=False)], rng=0)
    >>> model[0].W[...] = 3.0
    >>> net = Float64Copy(model, np.ones((1, 1)), np.zeros((1, 1)), None, nn.MeanSquaredError())
    >>> found = nudge(net, 0, net.gradient(net.start)[0], middle=net.loss(net.start))
    >>> round(found.difference, 6), found.gradient, found.digits > 8
    (6.0, 6.0, True)
    """
    values = net.start.copy()
    step = STEP * max(1.0, abs(float(values[place])))
    minus, plus, below, above = _both_sides(net, values, place, step)
    difference = (plus - minus) / (below + above)
    noise = ULPS * np.finfo(np.float64).eps * max(abs(minus), abs(plus), abs(middle)) / step
    size = max(abs(difference), abs(gradient))
    gap = abs(difference - gradient)
    if not size:
        digits = DIGITS
    elif not math.isfinite(gap):
        digits = 0.0
    else:
        digits = min(max(-math.log10(gap / size), 0.0), DIGITS) if gap else DIGITS
    note = None
    left, right = (middle - minus) / below, (plus - middle) / above
    bend = right - left
    if abs(bend) > KINK * size + noise and _is_kink(net, values, place, step, bend, middle, noise):
        note = KINKED
    elif gap <= noise and HIDDEN * size < noise and size:
        note = TOO_SMALL
    return Nudge(float(values[place]), minus, plus, difference, float(gradient), digits, note)


def _both_sides(
    net: Float64Copy, values: Array, place: int, step: float
) -> tuple[float, float, float, float]:
    """Return the losses below and above, and how far away they really are, since positions are rounded."""
    kept = float(values[place])
    high, low = kept + step, kept - step
    values[place] = high
    plus = net.loss(values)
    values[place] = low
    minus = net.loss(values)
    values[place] = kept
    return minus, plus, kept - low, high - kept


def _is_kink(
    net: Float64Copy, values: Array, place: int, step: float, bend: float, middle: float, noise: float
) -> bool:
    """Tell a kink from a strong bend: of a bend a tenth is left if one looks ten times as near."""
    minus, plus, below, above = _both_sides(net, values, place, step / 10.0)
    nearer = (plus - middle) / above - (middle - minus) / below
    return abs(nearer - bend / 10.0) > 0.05 * abs(bend) + 10.0 * noise
