"""`activations`: how strongly a neuron responds to its sum, and how steep that is."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nnlite.core.aliases import Array
from nnlite.core.layer import Layer
from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.errors.arguments import explained
from nnlite.errors.checks import check_number
from nnlite.model import Sequential
from nnlite.plot.style import GREY, LIGHT, curve, legend, new_axes, open_frame

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["activations", "responses"]

_WHERE = "plot.activations"
#: Points of a curve.
POINTS = 501


@explained
def activations(
    layers: Layer | Sequence[Layer], *, span: tuple[float, float] = (-5.0, 5.0), ax: Axes | None = None
) -> Axes:
    """Draw activation functions, solid, and their slopes, dashed.

    The slope is what blame is multiplied by on its way back through the activation: where it is
    near 0, hardly any comes through.

    Parameters
    ----------
    layers : Layer, or list of Layer
        Such as ``[nn.ReLU(), nn.Tanh()]``; each must work on every number alone.
    span : (float, float)
        From where to where the sums go.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ModuleNotFoundError
        If matplotlib is not installed.
    ArgumentTypeError, ArgumentError
        If an argument cannot be used.

    Examples
    --------
    >>> import nnlite as nn
    >>> ax = activations([nn.ReLU(), nn.Tanh()])
    >>> [line.get_label() for line in ax.lines if not line.get_label().startswith("_")]
    ['ReLU()', 'Tanh()', 'slope']
    >>> ax.figure.clear()
    """
    chosen = [layers] if isinstance(layers, Layer) else layers
    if not isinstance(chosen, Sequence) or not chosen or not all(isinstance(one, Layer) for one in chosen):
        fix = "Write [nn.ReLU(), nn.Tanh()]."
        raise ArgumentTypeError(f"{_WHERE}(layers)", "a layer, or a list of layers", f"{layers!r}", fix)
    if not isinstance(span, tuple | list) or len(span) != 2:
        raise ArgumentTypeError(f"{_WHERE}(span=)", "two numbers", f"{span!r}", "Write span=(-5, 5).")
    low, high = (check_number(f"{_WHERE}(span=)", end) for end in span)
    if not low < high:
        raise ArgumentError(f"{_WHERE}(span=)", "the smaller number first", f"{span}", "Exchange them.")
    x = np.linspace(low, high, POINTS)
    curves = [responses(_WHERE, [one], x) for one in chosen]
    ax = new_axes(_WHERE, ax)
    ax.axhline(0.0, color=LIGHT, lw=0.8)
    ax.axvline(0.0, color=LIGHT, lw=0.8)
    for place, (one, (y, slope)) in enumerate(zip(chosen, curves, strict=True)):
        ax.plot(x, y, lw=1.8, label=f"{one}", **curve(place))
        ax.plot(x, slope, "--", lw=1.2, **curve(place))
    ax.plot([], [], "--", color=GREY, lw=1.2, label="slope")
    ax.set(xlabel="weighted sum", ylabel="answer", xlim=(low, high))
    ax.tick_params(colors=GREY, labelcolor="black")
    open_frame(ax)
    legend(ax)
    return ax


def responses(where: str, layers: Sequence[Layer], x: Array) -> tuple[Array, Array]:
    """Compute what layers that work on every number alone answer, and the slope of that.

    Parameters
    ----------
    where : str
        Names the function in the message.
    layers : sequence of Layer
        Each fed by the one before.
    x : ndarray of float64 of shape (points,)
        Where.

    Returns
    -------
    answer, slope : ndarray of shape (points,)

    Raises
    ------
    ArgumentError
        If one of the layers mixes numbers, or is made for a number of features.

    Examples
    --------
    >>> from nnlite.layers import ReLU
    >>> [part.tolist() for part in responses("here", [ReLU()], np.array([-1.0, 2.0]))]
    [[0.0, 2.0], [0.0, 1.0]]
    """
    for layer in layers:
        if layer.input_shape is not None or layer.stochastic or not layer.adapted:
            raise _mixes(where, layer)
    net = Sequential([copy.deepcopy(layer) for layer in layers], dtype=np.float64)
    with np.errstate(over="ignore"):  # the slopes of a few activations pass by infinity on the way to 0
        ctx = net.context(training=False, input_gradient=True)
        y = net.forward(x[:, None], ctx)
        together = net.forward(x[None, :])
        if y.shape != (len(x), 1) or not np.array_equal(y[:, 0], together.reshape(-1)):
            raise _mixes(where, layers[-1] if len(layers) == 1 else net)
        slope = net.backward(np.ones_like(y), ctx)
    return y[:, 0], np.zeros_like(x) if slope is None else slope[:, 0]


def _mixes(where: str, layer: Any) -> ArgumentError:
    fix = "Give ReLU(), Tanh(), Sigmoid() or the like."
    return ArgumentError(where, "activations that work on every number alone", f"{layer}", fix)
