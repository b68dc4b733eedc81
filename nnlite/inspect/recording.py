"""One real training step on a copy, with all that the layers answered and were blamed for."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from nnlite.core.aliases import AnyArray, Array
from nnlite.core.context import Context, Gradients
from nnlite.core.dense import Dense
from nnlite.core.layer import Layer
from nnlite.core.losses import Loss
from nnlite.core.optimizers import Optimizer
from nnlite.layers.activations import LogSoftmax, Softmax
from nnlite.model import Sequential
from nnlite.training.divergence import explain
from nnlite.training.inside import Passing, Stop, stops

__all__ = ["Step", "elementwise_slope", "make_step"]

#: Two computations of the same product agree this well, in units of the precision of the numbers.
ROUNDING = 64.0


class Step(NamedTuple):
    """What happened in one training step; see `make_step`.

    Parameters
    ----------
    model : Sequential
        A copy for the step, which has been changed by it.
    optimizer : Optimizer
        Its optimizer, after the step.
    way : list of Stop
        The layers that one comes by.
    passing : Passing
        What went through them.
    slopes : dict of str to (ndarray or None)
        For each of them, by its place, the slopes of its answers, as `elementwise_slope` returns them.
    pred, dy : ndarray of shape (rows, outputs)
        The prediction, and dL/d(prediction).
    value : float
        The loss.
    rate : float
        The learning rate of the step.
    before : ndarray of shape (size,)
        The values before the step.
    grads : ndarray of shape (size,)
        The gradient before any clipping.

    Examples
    --------
    >>> import nnlite as nn
    >>> model = nn.Sequential([nn.Dense(1, 1)], rng=0)
    >>> x, y = np.ones((1, 1), np.float32), np.zeros((1, 1), np.float32)
    >>> step = make_step(model, x, y, None, nn.MeanSquaredError(), nn.SGD(0.5))
    >>> bool(np.allclose(step.before - 0.5 * step.grads, model.params.values))
    True
    """

    model: Sequential
    optimizer: Optimizer
    way: list[Stop]
    passing: Passing
    slopes: dict[str, Array | None]
    pred: Array
    dy: Array
    value: float
    rate: float
    before: Array
    grads: Array


def make_step(
    model: Sequential, x: Array, y: AnyArray, weight: Array | None, loss: Loss, optimizer: Optimizer
) -> Step:
    """Make one training step as `fit` makes it, and note what the layers did.

    Parameters
    ----------
    model : Sequential
        One net, a copy that may be changed.
    x : ndarray of shape (rows, features)
        The input, checked.
    y : ndarray
        The targets, checked.
    weight : ndarray of shape (rows,) or None
        How much each row counts.
    loss : Loss
        What to lower.
    optimizer : Optimizer
        A copy too.

    Returns
    -------
    Step

    Raises
    ------
    DivergenceError
        If the loss is not finite before the step.
    """
    params = model.params
    way, passing = stops(model), Passing()
    ctx = model.context(watch=passing)
    before = params.values.copy()
    start_size = float(np.abs(params.values).max(initial=0.0))
    rate = optimizer.rate_at(optimizer.steps)
    # From here on what BatchLoop.train does, in its order.
    if weight is not None:
        x, y = model.boundary.in_place_of_others(x, y, weight)
        ctx.rows.weight = weight
    pred = model._forward(x, ctx)
    value, dy = loss.value_and_grad(pred, y, weight)
    if not np.isfinite(value):
        raise explain(
            model,
            x,
            y,
            where="explain_step",
            got="one that is not",
            rate=float(rate),
            start_size=start_size,
            stepped=False,
            kept=None,
        )
    model._backward(dy, ctx)
    grads = params.grads.copy()
    # Before the weights move, on which the slopes of a layer may depend.
    slopes = {
        place: np.ones_like(out) if joins else elementwise_slope(layer, passing.contexts[place], out)
        for place, layer, _, _, joins in way
        for out in (passing.outputs[place],)
    }
    optimizer.step(params)
    return Step(
        model,
        optimizer,
        way,
        passing,
        slopes,
        pred=np.array(pred),
        dy=np.array(dy),
        value=float(value),
        rate=float(rate),
        before=before,
        grads=grads,
    )


def elementwise_slope(layer: Layer, ctx: Context, out: Array) -> Array | None:
    """Ask a layer for the slope of each of its answers, if it treats every number alone.

    Parameters
    ----------
    layer : Layer
        After a pass.
    ctx : Context
        What it has kept of that pass.
    out : ndarray
        What it answered.

    Returns
    -------
    ndarray of the shape of `out`, or None
        d out / d in; None for a layer that mixes numbers, such as Dense or Softmax, or holds others.

    Examples
    --------
    >>> from nnlite.layers import Softmax, Tanh
    >>> ctx, layer = Context(Gradients({})), Tanh()
    >>> out = layer.forward(np.array([[0.0, 1.0]]), ctx)
    >>> elementwise_slope(layer, ctx, out).round(2)
    array([[1.  , 0.42]])
    >>> ctx, layer = Context(Gradients({})), Softmax()
    >>> elementwise_slope(layer, ctx, layer.forward(np.array([[0.0, 1.0]]), ctx)) is None
    True
    """
    # Of a softmax that is sure of itself nothing would be left to see that it mixes.
    mixes = layer.children or isinstance(layer, Dense | Softmax | LogSoftmax)
    if mixes or (out.shape != ctx.x_shape and ctx.x_shape):
        return None
    # Its real gradients are not to be written over.
    own = Gradients({name: np.zeros_like(grad) for name, grad in vars(ctx.grads).items()})
    probe = Context(own, training=ctx.training, rows=ctx.rows)
    probe.saved, probe.x_shape = ctx.saved, ctx.x_shape
    # A layer that treats every number alone multiplies any blame by the same slopes.
    blame = np.random.default_rng(0).uniform(0.5, 1.5, out.shape).astype(out.dtype)
    blame *= np.where(np.arange(out.size).reshape(out.shape) % 2, -1, 1).astype(out.dtype)
    found: Any
    try:
        slope, found = layer.backward(np.ones_like(out), probe), layer.backward(blame, probe)
    except Exception:  # of a layer of the user's own, which was not made for this
        return None
    if slope is None or found is None or np.shape(slope) != out.shape or np.shape(found) != out.shape:
        return None
    allowed = ROUNDING * np.finfo(out.dtype).eps
    # Also in absolute terms: where a neuron is saturated, its slope is what is left of 1 - 1.
    if not np.allclose(found, blame * slope, rtol=allowed, atol=allowed, equal_nan=True):
        return None
    return np.array(slope, out.dtype)
