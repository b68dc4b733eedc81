"""Layers that put the axes of samples into another order: moved, joined and left out as far as it goes.

In an ONNX file the channels of an image are its first axis, here its last. So what is read as a layer of
images stands between two `Permute`. Most of these vanish: two that meet are one or none, and what does the
same to each number may stand in front of one as well as behind it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from nnlite.core.aliases import AnyArray
from nnlite.exchange.table import described
from nnlite.layers import Dense, Dropout, Flatten, Layer, Permute, Reshape

__all__ = ["around", "inverse", "permuted", "settled"]

#: What goes into the parameters of layers.
Numbers = list[tuple[Layer, str, AnyArray]]


def settled(layers: Sequence[Layer], numbers: Numbers) -> list[Layer]:
    """Return layers that do the same, with as few `Permute` as can be.

    Parameters
    ----------
    layers : sequence of Layer
        In a row.
    numbers : list of (Layer, str, ndarray)
        Their parameters. The rows of a Dense layer change places if images are flattened before it.

    Returns
    -------
    list of Layer

    Examples
    --------
    >>> from nnlite.layers import ReLU
    >>> settled([Permute((1, 2, 0)), ReLU(), Permute((2, 0, 1))], [])
    [ReLU()]
    """
    found: list[Layer] = []
    waiting: tuple[int, ...] = ()  # the order of a Permute that has not found its place
    for place, layer in enumerate(layers):
        if type(layer) is Permute:
            waiting = tuple(waiting[axis] for axis in layer.axes) if waiting else layer.axes
            waiting = () if waiting == tuple(range(len(waiting))) else waiting
            continue
        behind = type(layer) is Flatten and bool(waiting) and _weights_behind(layers[place + 1 :], numbers)
        if type(layer) is Flatten and behind is not False:
            layer = _flattened(layer, waiting, behind, numbers)
            waiting = ()
        elif waiting and not _alike(layer):
            found.append(Permute(waiting))
            waiting = ()
        last = found[-1] if found else None
        if (
            type(layer) is Flatten
            and type(last) is Reshape
            and math.prod(last.into[1:]) == len(last.shape) == 1
        ):
            found.pop()  # each channel was an image of one place, and is a number again
            continue
        found.append(layer)
    return [*found, Permute(waiting)] if waiting else found


def _alike(layer: Layer) -> bool:
    """Tell whether a layer does the same to each number, wherever it stands."""
    known = described(layer)
    return type(layer) is Dropout or (known is not None and known.slope is not None)


def _weights_behind(layers: Sequence[Layer], numbers: Numbers) -> int | bool:
    """Return where in the numbers the weights are that the next layer multiplies by, if it is Dense."""
    following = next((layer for layer in layers if not _alike(layer)), None)
    if type(following) is not Dense:
        return False
    return next(
        (place for place, (layer, name, _) in enumerate(numbers) if layer is following and name == "W"), False
    )


def _flattened(layer: Flatten, order: tuple[int, ...], place: int | bool, numbers: Numbers) -> Flatten:
    """Flatten what comes before a Permute, and put the rows of the weights behind into that order."""
    back = inverse(order)
    dense, name, W = numbers[place]
    W = W.reshape(*layer.shape, -1).transpose(*back, len(back)).reshape(W.shape)
    numbers[place] = (dense, name, W)
    return Flatten(tuple(layer.shape[axis] for axis in back))


def inverse(order: tuple[int, ...]) -> tuple[int, ...]:
    """Return the order that brings axes back.

    Examples
    --------
    >>> inverse((2, 0, 1))
    (1, 2, 0)
    """
    return tuple(map(int, np.argsort(order)))


def permuted(shape: tuple[int, ...], order: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of a sample whose axes are put into an order.

    Examples
    --------
    >>> permuted((3, 32, 48), (1, 2, 0))
    (32, 48, 3)
    """
    return tuple(shape[axis] for axis in order)


def around(
    ways: Sequence[Sequence[Layer]], numbers: Numbers, *, channels: int | None = None
) -> tuple[tuple[int, ...], list[list[Layer]]]:
    """Take a `Permute` that ends ways which are joined out of them, to stand behind the joint.

    Parameters
    ----------
    ways : sequence of sequence of Layer
        The ways.
    numbers : list of (Layer, str, ndarray)
        As of `settled`.
    channels : int, optional
        How many axes a sample has, if the ways are to be joined along its first one.

    Returns
    -------
    order : tuple of int
        What `Permute` does behind the joint; its reverse is to be done in front. Empty if there is none.
    ways : list of list of Layer
        The ways between those two.
    """
    orders = {way[-1].axes for way in ways if way and isinstance(way[-1], Permute)}
    order = orders.pop() if len(orders) == 1 else ()
    if channels is not None:
        order = (channels - 1, *range(channels - 1))
    if not order:
        return (), [list(way) for way in ways]
    # The reverse is done in front of all ways and the order behind them: in each it is the other way round.
    return order, [settled([Permute(order), *way, Permute(inverse(order))], numbers) for way in ways]
