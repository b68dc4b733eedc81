"""`gradient_flow`: how much blame arrives at each layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nnlite.errors import ArgumentError
from nnlite.losses import Loss
from nnlite.model import Sequential
from nnlite.plot.given import check_net
from nnlite.plot.style import NEGATIVE, POSITIVE, SMALL, new_axes, open_frame

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["gradient_flow"]

_WHERE = "plot.gradient_flow"


def gradient_flow(
    model: Sequential, X: Any, y: Any, loss: Loss, *, weight: Any = None, ax: Axes | None = None
) -> Axes:
    """Draw how large the gradients of the weights are, layer by layer.

    A dot is the mean size of the gradients of a layer's weights, a line goes from the smallest
    tenth to the largest. Dots that fall from right to left show gradients that vanish on their
    way back, dots that rise show gradients that explode. A cross stands for a layer whose
    gradients are all 0.

    Parameters
    ----------
    model : Sequential
        One net. It is left as it is, its gradients too.
    X : array-like of shape (rows, features)
        The input.
    y : array-like
        The targets, as the loss takes them.
    loss : Loss
        What is differentiated, without dropout.
    weight : array-like of shape (rows,), optional
        How much each row counts.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ModuleNotFoundError
        If matplotlib is not installed.
    ShapeError, ArgumentError, ArgumentTypeError
        If the data do not fit, or the net has no weights.

    Examples
    --------
    >>> import nnlite as nn
    >>> model = nn.Sequential([nn.Dense(2, 3), nn.Tanh(), nn.Dense(3, 1)], rng=0)
    >>> ax = gradient_flow(model, [[0.0, 1.0]], [[1.0]], nn.MeanSquaredError())
    >>> [label.get_text() for label in ax.get_xticklabels()]
    ['0 Dense(2, 3)', '2 Dense(3, 1)']
    >>> ax.figure.clear()
    """
    model = check_net(_WHERE, model)
    grads = np.zeros_like(model.params.grads)
    ctx = model.context(training=False, grads=grads)
    model.loss_and_grad(X, y, loss, weight=weight, ctx=ctx)
    found = _by_layer(model, model.params.split(grads))
    if not found:
        raise ArgumentError(f"{_WHERE}(model)", "a net with weights", f"{model}", "Add a Dense layer.")
    sizes = list(found.values())
    means = np.array([size.mean() for size in sizes])
    bands = np.array([np.quantile(size, (0.1, 0.9)) for size in sizes])
    alive = means > 0
    floor = 0.1 * float(np.where(bands > 0, bands, means[:, None])[alive].min()) if alive.any() else 0.1
    places = np.arange(len(sizes))
    ax = new_axes(_WHERE, ax, figsize=(min(max(4.8, 1.2 * len(sizes)), 12.0), 4.0))
    ax.vlines(
        places[alive], np.maximum(bands[alive, 0], floor), bands[alive, 1], color=POSITIVE, lw=6, alpha=0.25
    )
    ax.plot(places[alive], means[alive], "o-", color=POSITIVE, lw=1.0, label="mean size of the gradients")
    if not alive.all():
        gone = places[~alive]
        ax.plot(gone, np.full(len(gone), floor), "X", color=NEGATIVE, ms=9, label="all gradients are 0")
    ax.set_yscale("log")
    narrow = len(sizes) * max(map(len, found)) > 60
    ax.set_xticks(places, list(found), rotation=90 if narrow else 0, size=SMALL if narrow else None)
    ax.set(ylabel="size of the gradients", xlim=(-0.5, len(sizes) - 0.5))
    open_frame(ax)
    ax.legend(frameon=False)
    return ax


def _by_layer(model: Sequential, grads: Any) -> dict[str, Any]:
    """Return the sizes of the gradients of the weights of each layer, all in one array."""
    found: dict[str, Any] = {}
    for index, layer in enumerate(model.layers):
        # Of a layer without weights that decay, such as one that scales, those that it has.
        names = [name for name in layer.parameter_names if layer._specs[name].decay] or layer.parameter_names
        if names:
            own = [np.abs(grads[f"{index}.{name}"], dtype=np.float64).ravel() for name in names]
            found[f"{index} {layer}"] = np.concatenate(own)
    return found
