"""`neuron`: what one neuron of a net responds to the rows of some data."""

from __future__ import annotations

from itertools import dropwhile
from typing import TYPE_CHECKING, Any

import numpy as np

from nnlite.checks.nets import check_net
from nnlite.core.layer import Layer
from nnlite.errors import ArgumentError
from nnlite.errors.arguments import explained
from nnlite.model import Sequential
from nnlite.plot.activations import responses
from nnlite.plot.given import check_dense, check_place
from nnlite.plot.style import GREY, LIGHT, POSITIVE, VALIDATION, legend, new_axes, open_frame, short
from nnlite.training.inside import pass_through, stops

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["neuron"]

_WHERE = "plot.neuron"
#: Points of the curve.
POINTS = 301


@explained
def neuron(
    model: Sequential, X: Any, *, layer: int | str | None = None, unit: int = 0, ax: Axes | None = None
) -> Axes:
    """Draw the answer of one neuron over its weighted sum: a dot for each row.

    Small sums stay quiet, large ones fire. The dotted line is the bias: the sum if nothing comes in.

    Parameters
    ----------
    model : Sequential
        One net.
    X : array-like of shape (rows, features)
        Rows that it shall respond to.
    layer : int or str, optional
        Index in ``model.layers`` of its Dense, or the place of one inside of another layer, such as
        ``"1.0"``; by default the first.
    unit : int
        Which neuron of that layer, from 0.
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
        If an argument cannot be used.

    Notes
    -----
    The curve is that of the activation behind the Dense. Behind layers that mix neurons, such as
    Softmax or `BatchNorm`, there is none. What a `Residual` adds is no part of the answer.

    Examples
    --------
    >>> import nnlite as nn
    >>> model = nn.Sequential([nn.Dense(2, 3), nn.Sigmoid(), nn.Dense(3, 1)], rng=0)
    >>> X = [[0.0, 1.0], [1.0, 0.0]]
    >>> ax = neuron(model, X, layer=0, unit=2)
    >>> bool((ax.lines[-1].get_ydata() == model.activations(X)[1][:, 2]).all())
    True
    >>> ax.figure.clear()
    """
    model = check_net(_WHERE, model)
    place, chosen = check_dense(f"{_WHERE}(layer=)", model, layer)
    unit = check_place(f"{_WHERE}(unit=)", unit, chosen.out_features, "neurons")
    outputs = pass_through(model, model.boundary.check_input(X, where=f"{_WHERE}(X)")).outputs
    own = answered = outputs[place]
    behind: list[Layer] = []
    for stop in dropwhile(lambda stop: stop.place != place, stops(model)):
        if stop.layer is chosen:
            continue
        if stop.joins or stop.mixes or outputs[stop.place].shape != own.shape:
            break
        behind.append(stop.layer)
        answered = outputs[stop.place]
    acting = [one for one in behind if not one.stochastic]  # dropout does nothing in a prediction
    sums = np.asarray(own, np.float64).reshape(-1, chosen.out_features)[:, unit]
    answers = answered.reshape(-1, chosen.out_features)[:, unit]
    ax = new_axes(_WHERE, ax)
    bias = float(chosen.b[unit]) if chosen.bias else 0.0
    low, high = min(sums.min(initial=0.0), bias), max(sums.max(initial=0.0), bias)
    room = 0.05 * (high - low) or 1.0
    x = np.linspace(low - room, high + room, POINTS)
    ax.axhline(0.0, color=LIGHT, lw=0.8)
    ax.axvline(bias, color=GREY, ls=":", lw=1.2, label=f"bias {short(bias)}")
    words = ", ".join(map(repr, acting))
    try:
        curve = responses(_WHERE, acting, x)[0] if acting else x
        ax.plot(x, curve, color=POSITIVE, lw=1.5, label=words or "no activation")
    except ArgumentError:  # it mixes neurons, so its answer is no function of the one sum
        pass
    ax.plot(
        sums,
        answers,
        "o",
        color=VALIDATION,
        ms=4,
        alpha=0.6,
        mew=0,
        label=f"{len(sums)} row{'s' if len(sums) > 1 else ''}",
    )
    ax.set(xlabel="weighted sum, plus bias", ylabel="answer")
    ax.set_title(f"neuron {unit} of layer {place}, {chosen}", size="small")
    open_frame(ax)
    legend(ax)
    return ax
