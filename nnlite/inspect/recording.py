"""One real training step on a copy, with all that the layers answered and were blamed for."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlite.core.activations import LogSoftmax, Softmax
from nnlite.core.context import Context, Gradients
from nnlite.core.dense import Dense
from nnlite.core.layer import Layer
from nnlite.core.losses import Loss
from nnlite.core.optimizers import Optimizer
from nnlite.core.types import AnyArray, Array
from nnlite.model import Sequential
from nnlite.training.divergence import explain

__all__ = ["Recorder", "Step", "elementwise_slope", "make_step"]

#: Two computations of the same product agree this well, in units of the precision of the numbers.
ROUNDING = 64.0


class Recorder:
    """Stands in the place of a layer during one pass, and notes what goes through it.

    Parameters
    ----------
    layer : Layer
        The layer, which does all the work.

    Attributes
    ----------
    out : ndarray
        What it answered.
    blame : ndarray or None
        dL/d(out), as it was given to `backward`; None where blame is not traced so far back.

    Examples
    --------
    >>> from nnlite.layers import ReLU
    >>> recorder = Recorder(ReLU())
    >>> recorder.forward(np.array([[-1.0, 2.0]]), Context(Gradients({})))
    array([[0., 2.]])
    >>> recorder.out
    array([[0., 2.]])
    """

    def __init__(self, layer: Layer) -> None:
        self.layer = layer
        self.out: Array = np.empty(0)
        self.blame: Array | None = None

    def forward(self, x: Array, ctx: Context) -> Array:
        """Let the layer answer.

        Parameters
        ----------
        x : ndarray
            The input.
        ctx : Context
            Where the layer keeps what it needs.

        Returns
        -------
        ndarray
        """
        out = self.layer.forward(x, ctx)
        self.out = np.array(out)  # a copy: a layer behind it may not keep to the rules
        return out

    def backward(self, dy: Array, ctx: Context) -> Array | None:
        """Let the layer trace the blame back.

        Parameters
        ----------
        dy : ndarray
            dL/d(out).
        ctx : Context
            The one that `forward` got.

        Returns
        -------
        ndarray or None
        """
        self.blame = np.array(dy)
        return self.layer.backward(dy, ctx)


class Step:
    """What happened in one training step; see `make_step`.

    Parameters
    ----------
    model : Sequential
        A copy for the step, which has been changed by it.
    optimizer : Optimizer
        Its optimizer, after the step.
    recorders : list of Recorder
        One for each layer.
    slopes : list of (ndarray or None)
        For each layer the slopes of its answers, as `elementwise_slope` returns them.
    pred, dy : ndarray of shape (rows, outputs)
        The prediction, and dL/d(prediction).
    value : float
        The loss.
    rate : float
        The learning rate of the step.
    before, grads : ndarray of shape (size,)
        The parameters before the step, and their gradient before any clipping.

    Examples
    --------
    >>> import nnlite as nn
    >>> model = nn.Sequential([nn.Dense(1, 1)], rng=0)
    >>> x, y = np.ones((1, 1), np.float32), np.zeros((1, 1), np.float32)
    >>> step = make_step(model, x, y, None, nn.MeanSquaredError(), nn.SGD(0.5))
    >>> bool(np.allclose(step.before - 0.5 * step.grads, model.params.values))
    True
    """

    def __init__(
        self,
        model: Sequential,
        optimizer: Optimizer,
        recorders: list[Recorder],
        slopes: list[Array | None],
        *,
        pred: Array,
        dy: Array,
        value: float,
        rate: float,
        before: Array,
        grads: Array,
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.recorders = recorders
        self.slopes = slopes
        self.pred, self.dy, self.value, self.rate = pred, dy, value, rate
        self.before, self.grads = before, grads


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
    ctx = model.context()
    recorders = [Recorder(layer) for layer in model.layers]
    pairs = list(zip(recorders, ctx.layers, strict=True))
    ctx.steps = tuple((recorder.forward, kept) for recorder, kept in pairs)
    ctx.steps_back = tuple((recorder.backward, kept) for recorder, kept in reversed(pairs))
    before = params.values.copy()
    start_size = float(np.abs(before).max(initial=0.0))
    rate = optimizer.rate_at(optimizer.steps)
    # From here on what BatchLoop.train does, in its order.
    if weight is not None:
        x, y = model.boundary.in_place_of_others(x, y, weight)
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
    slopes = [
        elementwise_slope(each.layer, kept, each.out)
        for each, kept in zip(recorders, ctx.layers, strict=True)
    ]
    optimizer.step(params)
    return Step(
        model,
        optimizer,
        recorders,
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
        d out / d in; None for a layer that mixes numbers, such as Dense or Softmax.

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
    if isinstance(layer, Dense | Softmax | LogSoftmax) or (out.shape != ctx.x_shape and ctx.x_shape):
        return None
    # Its real gradients are not to be written over.
    own = Gradients({name: np.zeros_like(grad) for name, grad in vars(ctx.grads).items()})
    probe = Context(own, training=ctx.training)
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
