"""The updates: how long a step is beside the weights, layer by layer."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np

from nnlite.core.aliases import Array
from nnlite.core.optimizers import Optimizer
from nnlite.inspect.checkup.diagnosis import Finding, finding
from nnlite.inspect.checkup.given import take
from nnlite.inspect.checkup.patient import Patient, Skip

__all__ = ["judge_updates", "ratios_of", "updates"]

#: Above this part of their length, weights are replaced rather than corrected. It is only a note: of rates
#: that do so in the first step, a third still ended well. A step of USUAL is what is suggested.
REPLACED = 0.5
USUAL = 0.01


def updates(p: Patient) -> Iterator[Finding]:
    """Compare the length of one step with the length of the weights, layer by layer."""
    if not isinstance(p.optimizer, Optimizer):
        raise Skip(f"{type(p.optimizer).__name__} has no rate")
    model, optimizer = copy.deepcopy((p.model, p.optimizer))
    part = take(p.sample, np.random.default_rng(0).permutation(p.sample.x.shape[0])[: p.batch_size])
    before = model.params.values.copy()
    model._loss_and_grad(part.x, part.y, part.weight, p.loss, model.context(rng=np.random.default_rng(1)))
    optimizer.step(model.params)
    ratios = ratios_of(model, before)
    if not ratios:
        raise Skip("there are no weights")
    yield from judge_updates(ratios, p.optimizer.rate)


def judge_updates(ratios: dict[str, float], rate: Any) -> Iterator[Finding]:
    """Tell of steps that replace weights rather than correct them.

    Parameters
    ----------
    ratios : dict of str to float
        How long a step was for each array of weights, over their length.
    rate : float or None
        The learning rate.

    Yields
    ------
    Finding

    Examples
    --------
    >>> [one.code for one in judge_updates({"0.W": 2.0, "2.W": 0.1}, 1.0)]
    ['NN307']
    """
    worst = max(ratios, key=lambda name: ratios[name], default="")
    if not ratios or ratios[worst] <= REPLACED or rate is None:
        return
    yield finding(
        "NN307",
        "note",
        f"One step changes {worst} by {ratios[worst]:.2g} of its length; about a thousandth is usual, and "
        "more than a hundredth is much.",
        f"Try a rate of {float(rate) * USUAL / ratios[worst]:.1g}.",
        ratios=ratios,
        rate=float(rate),
    )


def ratios_of(model: Any, before: Array) -> dict[str, float]:
    """Return how far each array of weights has moved, over its length before.

    Parameters
    ----------
    model : Sequential
        With the values behind the step.
    before : ndarray of shape (size,)
        The values before it.

    Returns
    -------
    dict of str to float
        Without biases, which begin at 0, and without what is frozen.

    Examples
    --------
    >>> from nnlite import Dense, Sequential
    >>> model = Sequential([Dense(2, 1)], rng=0)
    >>> before = model.params.values.copy()
    >>> model[0].W *= 2
    >>> ratios_of(model, before)
    {'0.W': 1.0}
    """
    params = model.params
    old = params.split(before)
    found = {}
    for spec in params.specs:
        if not spec.decay or spec.name in params.frozen:
            continue
        length = float(np.linalg.norm(old[spec.name].astype(np.float64)))
        moved = float(np.linalg.norm((params[spec.name] - old[spec.name]).astype(np.float64)))
        if length > 0 and np.isfinite(moved):
            found[spec.name] = moved / length
    return found
