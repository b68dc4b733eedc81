"""`gradient_flow`: how much blame arrives at each layer."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from nnlite.checks.nets import check_net
from nnlite.core.aliases import Array
from nnlite.core.losses import Loss
from nnlite.core.optimizers import Optimizer
from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.errors.arguments import explained
from nnlite.model import Sequential
from nnlite.plot.style import (
    NEGATIVE,
    POSITIVE,
    SMALL,
    legend,
    name_axis,
    new_axes,
    open_frame,
    size_of,
    text_width,
)
from nnlite.training.inside import inside

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["gradient_flow"]

_WHERE = "plot.gradient_flow"
#: The top of the picture is at least so many times its bottom.
LEAST = 10.0
#: What part of the height names that stand upright may take.
UPRIGHT = 0.4


@explained
def gradient_flow(
    model: Sequential,
    X: Any,
    y: Any,
    loss: Loss,
    *,
    optimizer: Optimizer | None = None,
    weight: Any = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw how large the gradients of the weights are, layer by layer.

    A dot is the mean size of the gradients of a layer's weights, a line goes from the smallest
    tenth to the largest. Dots that fall from right to left show gradients that vanish on their
    way back, dots that rise show gradients that explode. A cross stands for a layer whose
    gradients are all 0; where some are, it is written below how many.

    Parameters
    ----------
    model : Sequential
        One net. It is left as it is, its gradients too.
    X : array-like of shape (rows, features)
        The input.
    y : array-like
        The targets, as the loss takes them.
    loss : Loss
        What is differentiated, without dropout; `BatchNorm` goes by these rows.
    optimizer : Optimizer, optional
        Draws how much its next step changes the weights instead: the change of each, divided by
        the mean size of the weights of its layer. The optimizer is left as it is.
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
        If the data do not fit, the net has no weights, or the optimizer needs all rows at once.

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
    if optimizer is not None and not isinstance(optimizer, Optimizer):
        fix = "Give an optimizer that makes one step a batch, such as SGD(0.1)."
        raise ArgumentTypeError(f"{_WHERE}(optimizer=)", "an Optimizer", f"{optimizer!r}", fix)
    found = _measure(model, X, y, loss, optimizer, weight)
    if not found:
        raise ArgumentError(f"{_WHERE}(model)", "a net with weights", f"{model}", "Add a Dense layer.")
    ax = new_axes(_WHERE, ax, figsize=(min(max(6.4, 1.2 * len(found)), 12.0), 4.8))
    _draw(ax, list(found.values()))
    _name(ax, list(found))
    ax.set_xlim(-0.5, len(found) - 0.5)
    words = ("size of the gradients", "gradients") if optimizer is None else ("change / weights",)
    name_axis(ax, "y", *words)
    open_frame(ax)
    return ax


def _measure(
    model: Sequential, X: Any, y: Any, loss: Any, optimizer: Optimizer | None, weight: Any
) -> dict[str, Array]:
    """Return the sizes of the gradients, or of the relative changes, of the weights of each layer."""
    # The optimizer may hold on to the parameters, so they are copied together.
    model, optimizer = copy.deepcopy((model, optimizer))
    if not all(layer.adapted for _, layer in model.walk()):  # as the first fit would do
        model.adapt(X)
    before = model.params.values.copy()
    model.loss_and_grad(X, y, loss, weight=weight, ctx=model._quiet_context())
    values = model.params.grads
    if optimizer is not None:
        optimizer.step(model.params)
        values = model.params.values - before
    parts, weights = model.params.split(values), model.params.split(before)
    found: dict[str, Array] = {}
    for place, layer, _ in inside(model):
        # Of a layer without weights that decay, such as one that scales, those that it has.
        names = [name for name in layer._learned() if layer._specs[name].decay] or layer._learned()
        if not names:
            continue
        size, whole = (
            np.concatenate([np.abs(split[f"{place}.{name}"], dtype=np.float64).ravel() for name in names])
            for split in (parts, weights)
        )
        scale = 1.0 if optimizer is None else float(whole.mean()) or 1.0
        found[f"{place} {layer}"] = size / scale
    return found


def _draw(ax: Axes, sizes: list[Array]) -> None:
    """Draw a dot and a band for each layer, and a cross where nothing arrives."""
    means = np.array([size.mean() for size in sizes])
    bands = np.array([np.quantile(size, (0.1, 0.9)) for size in sizes])
    alive = means > 0
    floor = 0.1 * float(np.where(bands > 0, bands, means[:, None])[alive].min()) if alive.any() else 0.1
    places = np.arange(len(sizes))
    ax.vlines(
        places[alive], np.maximum(bands[alive, 0], floor), bands[alive, 1], color=POSITIVE, lw=6, alpha=0.25
    )
    ax.plot(places[alive], means[alive], "o-", color=POSITIVE, lw=1.0)
    ax.set_yscale("log")
    if not alive.all():
        gone = places[~alive]
        ax.plot(gone, np.full(len(gone), floor), "X", color=NEGATIVE, ms=9, label="all are 0")
        legend(ax)
    if not alive.any():  # there is no scale
        ax.set(ylim=(floor / 10, floor * 10))
        ax.tick_params(axis="y", which="both", left=False, labelleft=False)
    low, high = ax.get_ylim()
    spare = math.sqrt(max(LEAST * low / high, 1.0))  # or what is nearly the same would look like much
    ax.set_ylim(low / spare, high * spare, auto=None)  # a picture beside it that shares the axis may widen it
    room = 72 * size_of(ax)[0] / len(sizes)
    for place, size in enumerate(sizes):
        zero = float(np.mean(size == 0))
        text = f"{'<1%' if zero < 0.005 else '>99%' if zero > 0.995 else f'{zero:.0%}'} are 0"
        if 0 < zero < 1 and text_width(text) + 4 < room:
            ax.text(
                place, 0.01, text, transform=ax.get_xaxis_transform(), ha="center", size=SMALL, color=NEGATIVE
            )


def _name(ax: Axes, names: list[str]) -> None:
    """Write the layers below, as fully as there is room."""
    room = 0.85 * 72 * size_of(ax)[0] / len(names) - 4  # a layout will take some of it
    short = [name.partition("(")[0].replace(" ", "\n", 1) for name in names]
    texts, rotation, size, every = names, 0, SMALL + 2, 1
    if max(text_width(name, size) for name in names) > room:
        texts = short
    if max(text_width(line, size) for name in short for line in name.split("\n")) > room:
        long = max(text_width(name) for name in names) > UPRIGHT * 72 * size_of(ax)[1]
        texts, rotation, size = [name.replace("\n", " ") for name in short] if long else names, 90, SMALL
        every = math.ceil(1.5 * SMALL / max(room + 4, 1))  # as many as there is room for
    shown = range(0, len(names), every)
    ax.set_xticks(shown, [texts[place] for place in shown], rotation=rotation, size=size, parse_math=False)
