"""Windows of Conv and of the poolings, as the attributes of a node of ONNX say them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nnlite.layers.windows import Window

__all__ = ["attributes_of", "shape_behind", "windows_of"]

_SAME = {"SAME_UPPER": 1, "SAME_LOWER": -1}


def windows_of(
    attributes: dict[str, Any], sizes: Sequence[int], lengths: Sequence[int]
) -> list[tuple[Window, tuple[int, int]]]:
    """Return the windows of each axis, and how many places are added in front of it and behind.

    Parameters
    ----------
    attributes : dict
        Of the node.
    sizes : sequence of int
        Of a window.
    lengths : sequence of int
        Of the axes.

    Returns
    -------
    list of (Window, (int, int))
        The padding of the windows themselves is 0.

    Raises
    ------
    ValueError
        If it says something for another number of axes, or a size below 1.

    Examples
    --------
    >>> windows_of({"auto_pad": b"SAME_UPPER", "strides": [2]}, [3], [6])
    [(Window(size=3, stride=2, dilation=1, padding=0), (0, 1))]
    """
    axes = len(sizes)
    strides, dilations = (list(attributes.get(name, [1] * axes)) for name in ("strides", "dilations"))
    pads = list(attributes.get("pads", [0] * 2 * axes))
    if not len(lengths) == len(strides) == len(dilations) == len(pads) / 2 == axes > 0:
        raise ValueError("attributes for another number of axes")
    if min(*sizes, *strides, *dilations) < 1 or min(pads) < 0:
        raise ValueError("windows, steps or padding of no size")
    auto = attributes.get("auto_pad", b"NOTSET")
    step = _SAME.get(auto.decode() if isinstance(auto, bytes) else auto)
    found = []
    for axis, (size, stride, dilation, length) in enumerate(
        zip(sizes, strides, dilations, lengths, strict=True)
    ):
        before, behind = pads[axis], pads[axes + axis]
        if step is not None:
            before, behind = Window(size, stride, dilation, "same").pads(length)[::step]
        found.append((Window(size, stride, dilation), (before, behind)))
    return found


def shape_behind(attributes: dict[str, Any], sizes: Sequence[int], lengths: Sequence[int]) -> tuple[int, ...]:
    """Return how many windows there are on each axis.

    Parameters
    ----------
    attributes, sizes, lengths
        As of `windows_of`.

    Returns
    -------
    tuple of int

    Examples
    --------
    >>> shape_behind({"pads": [1, 0, 1, 0]}, [3, 3], [8, 8])
    (8, 6)
    """
    counts = []
    for (window, pads), length in zip(windows_of(attributes, sizes, lengths), lengths, strict=True):
        places = length + sum(pads) - window.reach
        places += window.stride - 1 if attributes.get("ceil_mode", 0) else 0
        counts.append(places // window.stride + 1)
    return tuple(counts)


def attributes_of(windows: Sequence[Window], lengths: Sequence[int]) -> dict[str, Any]:
    """Return the attributes of a node, but for the size of a window.

    Parameters
    ----------
    windows : sequence of Window
        Of each axis.
    lengths : sequence of int
        Of the axes.

    Returns
    -------
    dict of str to list of int, or str

    Examples
    --------
    >>> attributes_of([Window(3, stride=2, padding=1)], [8])
    {'strides': [2], 'pads': [1, 1]}
    """
    found: dict[str, Any] = {"strides": [window.stride for window in windows]}
    if any(window.dilation > 1 for window in windows):
        found["dilations"] = [window.dilation for window in windows]
    elif all(window.padding == "same" and window.stride <= window.size for window in windows):
        # onnxruntime does not know it of dilated windows, nor of those with places between them.
        return found | {"auto_pad": "SAME_UPPER"}
    sides = [window.pads(length) for window, length in zip(windows, lengths, strict=True)]
    before, behind = zip(*sides, strict=True)
    return found | {"pads": [*before, *behind]}
