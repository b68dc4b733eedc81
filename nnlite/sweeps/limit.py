"""The largest stable rate that theory knows, where it applies."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np

from nnlite.core.losses import Loss
from nnlite.core.optimizers import SGD, Optimizer
from nnlite.errors import ArgumentError
from nnlite.losses import Hinge, Quantile
from nnlite.losses.robust import MeanAbsoluteError
from nnlite.model import Sequential
from nnlite.sweeps.evidence import Runs
from nnlite.sweeps.labels import upper_median
from nnlite.sweeps.result import StabilityLimit
from nnlite.training.curvature import sharpness

__all__ = ["stability_limit", "why_no_limit"]

#: An eigenvalue that is known no better than to this part of itself gives no limit.
UNSURE = 0.05


def why_no_limit(
    optimizer: Optimizer,
    loss: Loss,
    model: Sequential,
    batches: bool,
    validation: Any,
    rates: Sequence[float],
    runs: Runs,
) -> str:
    """Say why 2/lambda_max is no limit here; empty if it is."""
    if type(optimizer) is not SGD:
        return f"it is that of SGD, and {type(optimizer).__name__} scales its steps"
    if optimizer.clip_norm is not None or optimizer.clip_value is not None:
        return "gradients are clipped"
    if batches:
        return "it is that of steps on all rows at once, and batches differ"
    if isinstance(validation, Real):
        return "rows are held out at random, other ones for each seed"
    noisy = [layer for _, layer in model.walk() if layer.stochastic]
    if noisy:
        return f"{noisy[0]} makes noise"
    if isinstance(loss, MeanAbsoluteError | Quantile | Hinge):
        return f"{loss} is made of straight lines, which do not curve"
    used = runs.column("learning_rate")
    if not (np.isnan(used) | (used == np.array(rates)[:, None])).all():
        return "the rates change during training"
    return ""


def stability_limit(
    optimizer: SGD,
    nets: Sequence[Sequential],
    end: Sequential | None,
    X: Any,
    y: Any,
    loss: Loss,
    weight: Any,
) -> StabilityLimit:
    """Measure the curvature, and say which rates it allows."""
    momentum, nesterov = optimizer.momentum, optimizer.nesterov
    factor, formula = 2.0, "2/lambda_max"
    if momentum:
        factor, formula = 2.0 * (1.0 + momentum), f"{2.0 * (1.0 + momentum):.4g}/lambda_max"
    if nesterov:
        factor /= 1.0 + 2.0 * momentum
        formula = f"{factor:.4g}/lambda_max"

    def measure(net: Sequential) -> float | None:
        try:
            found = sharpness(net, X, y, loss, weight=weight, weight_decay=float(optimizer.weight_decay))
        except ArgumentError:  # Lanczos has found nothing
            return None
        return found.value if found.value > 0 and found.error <= UNSURE * found.value else None

    start = [found for found in map(measure, nets) if found is not None]
    if len(start) < len(nets):
        return StabilityLimit(reason="the loss has no curvature upwards at the start that could be measured")
    last = None if end is None else measure(end)
    return StabilityLimit(
        formula=formula,
        start=factor / float(upper_median(np.array(start))),
        end=None if last is None else factor / last,
        sharpness_start=start,
        sharpness_end=last,
    )
