"""Divergence: when the loss is no number any more, say where it happened and what it most likely was."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlite.core.aliases import AnyArray, Array
from nnlite.core.context import Context, Watcher
from nnlite.data.conversion import is_sparse
from nnlite.errors import DivergenceError
from nnlite.layers.embedding import Embedding, TokenEmbedding
from nnlite.layers.normalization import BatchNorm
from nnlite.model import Sequential
from nnlite.training.inside import first_weights, what_reaches

__all__ = ["explain"]

#: Inputs and targets above these are taken for numbers that were never scaled.
LARGE_INPUT = 100.0
LARGE_TARGET = 1000.0
#: With a rate above this, or before the first step, data are blamed only if they are so many times larger.
LARGE_RATE = 1.0
#: What is tried in place of a rate that is beyond all measure.
ORDINARY_RATE = 0.1
MARGIN = 100.0
#: Targets above this make gradients large; where the rate is blamed, they are worth a word.
NOTABLE_TARGET = 10.0
#: Weights above this do not come from an initializer, and overflow by themselves.
LARGE_WEIGHT = 1000.0
#: Below this even exp, the fastest-growing function in use, does not overflow.
HARMLESS = 80.0


def explain(
    model: Sequential,
    x: Array,
    y: AnyArray,
    *,
    where: str,
    got: str,
    rate: float | None,
    start_size: float,
    stepped: bool,
    kept: Array | None,
    one_of_many: bool = False,
) -> DivergenceError:
    """Make the error for a batch whose loss is not finite.

    Parameters
    ----------
    model : Sequential
        With the weights that gave the loss.
    x : ndarray of shape (batch, features)
        The input of the batch.
    y : ndarray
        Its targets.
    where : str
        Names epoch and batch.
    got : str
        What was found instead of a finite loss.
    rate : float or None
        The learning rate; None if there is none.
    start_size : float
        Largest weight, by its size, when training began.
    stepped : bool
        Whether a step was made before, so that there was a finite loss.
    kept : ndarray or None
        The weights that the model goes back to; None if it does not.
    one_of_many : bool
        Whether the model is one of several replicas.

    Returns
    -------
    DivergenceError
        With the first layer whose output is not finite and the likely cause: data, rate
        or overflow.
    """
    with np.errstate(all="ignore"):
        place, harmless = _first_not_finite(model, x)
        inputs = _size(_reaches_first_weights(model, x))
        targets = _size(y) if y.dtype.kind == "f" else 0.0  # class ids have no scale
        size = _size(model.params.numbers)
    limit = 1.0 if stepped and (rate is None or rate <= LARGE_RATE) else MARGIN
    dtype = model.params.dtype.name
    if not np.isfinite(start_size):
        cause = "weights that were not finite when training began"
        fix = "Draw new ones with model.initialize()"
    elif inputs > max(limit * LARGE_INPUT, start_size):
        cause = f"data that were never scaled: inputs of size {inputs:.3g} reach the first weights"
        fix = "Start the model with Standardize(features)"
    elif targets > max(limit * LARGE_TARGET, start_size):
        cause = f"data that were never scaled: targets of size {targets:.3g}"
        fix = "Divide the targets by their standard deviation"
    elif start_size > LARGE_WEIGHT:
        cause = f"an overflow of {dtype}, from weights of size {start_size:.3g} when training began"
        fix = "Draw new ones with model.initialize()"
    elif harmless:
        cause = "a function that is not defined for what it gets, such as the logarithm of 0"
        fix = "Look at what it gets with model.activations(x)"
    elif stepped and rate is not None:
        cause = f"a learning rate that is too large, {rate:g}"
        fix = f"Try {min(rate / 10, ORDINARY_RATE):g}"
        if targets > NOTABLE_TARGET:
            fix += f", or train on (y - y.mean()) / y.std(): the targets are of size {targets:.3g}"
        else:
            fix += ", or clip_norm=1.0"
    else:
        cause = f"an overflow of {dtype}, with weights of size {size:.3g}"
        fix = (
            "Start from smaller weights" if dtype == "float64" else "Use dtype=np.float64, or smaller weights"
        )
    end = "The weights are unchanged."
    if stepped:
        end = "The model keeps the last weights that gave a finite loss."
    if kept is not None and _size(kept) > max(LARGE_WEIGHT, start_size):
        end = f"{end[:-1]}, of size {_size(kept):.3g}: call model.initialize() before you train again."
        if one_of_many:
            end += " That draws the weights of all replicas."
    return DivergenceError(
        where, "a finite loss", f"{got}, first in {place}; the likely cause is {cause}", f"{fix}. {end}"
    )


def _reaches_first_weights(model: Sequential, x: Array) -> Array:
    """Return the numbers that reach the first weights: a Standardize in front of them scales the data."""
    place, first = first_weights(model)
    seen: Array = what_reaches(model, place, x)
    # Ids have no scale; the numbers beside them go through to the weights behind. Of what comes in, BatchNorm
    # leaves no scale.
    ids = isinstance(first, Embedding | TokenEmbedding)
    ahead = first.numeric if ids else 0 if isinstance(first, BatchNorm) else None
    return seen[..., :ahead]


class _FirstNotFinite(Watcher):
    """Keeps the first layer whose output is not finite, with what went in and what came out."""

    found: tuple[str, Any, Array, Array] | None = None

    def forward(self, place: str, layer: Any, x: Array, ctx: Context) -> Array:
        y = super().forward(place, layer, x, ctx)
        if self.found is None and not np.isfinite(y).all():
            self.found = place, layer, x, y
        return y


def _first_not_finite(model: Sequential, x: Array) -> tuple[str, bool]:
    """Name the first layer whose output is not finite, and tell whether all that went in was small."""
    watch = _FirstNotFinite()
    pred = model._quiet_forward(x, watch=watch)
    if watch.found is not None:
        place, layer, given, output = watch.found
        replica = ""
        if output.ndim > x.ndim:
            which = np.flatnonzero(~np.isfinite(output).reshape(len(output), -1).all(axis=1))
            replica = f" of replica {', '.join(map(str, which))}"
        weights = [model.params[f"{place}.{name}"] for name in layer.parameter_names]
        reached = max(_size(array) for array in (given, *weights))
        return f"layer {place} {layer}{replica}", reached < HARMLESS
    for spec in (*model.params.specs, *model.params.state_specs):
        # A weight of minus infinity can hide behind a ReLU.
        if not np.isfinite(model.params[spec.name]).all():
            what = "parameter" if spec.learned else "state"
            return f"the {what} {spec.name} (the outputs of all layers are finite)", False
    noise = ", without dropout" if any(layer.stochastic for _, layer in model.walk()) else ""
    return f"the loss itself (the outputs of all layers are finite{noise})", _size(pred) < HARMLESS


def _size(array: AnyArray) -> float:
    """Return the largest absolute value; NaN counts as infinity."""
    numbers = array.data if is_sparse(array) else array
    largest = float(np.max(np.abs(numbers), initial=0.0))
    return np.inf if np.isnan(largest) else largest
