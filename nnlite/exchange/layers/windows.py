"""What convolutions and poolings have in common elsewhere: the same windows in ONNX, NumPy and C."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nnlite.exchange.description import loop
from nnlite.exchange.onnx.found import Found
from nnlite.exchange.onnx.graph import Graph
from nnlite.exchange.onnx.patterns import Pattern
from nnlite.exchange.onnx.windows import windows_of
from nnlite.layers import Permute
from nnlite.layers.windows import Sliding, Window

__all__ = [
    "GATHERED", "between", "channels_first", "channels_last", "einsum", "equation_of", "gathered", "image",
    "lengths_of", "many", "one_or_both", "pad_of", "padded", "places", "read_gathered", "read_padding",
    "seen",
]  # fmt: skip


def channels_first(x: str, axes: int, graph: Graph) -> str:
    """Write what brings the channels to the front, where ONNX has them."""
    return graph.node("Transpose", x, perm=[0, axes + 1, *range(1, axes + 1)])


def channels_last(x: str, axes: int, graph: Graph) -> str:
    """Write what brings the channels back to the end."""
    return graph.node("Transpose", x, perm=[0, *range(2, axes + 2), 1])


def between(axes: int, *layers: Any) -> list[Any]:
    """Return layers of channels-first samples: the channels go to the end before them, and back behind."""
    return [Permute((*range(1, axes + 1), 0)), *layers, Permute((axes, *range(axes)))]


def lengths_of(found: Found, axes: tuple[int, ...] = (1, 2)) -> tuple[int, ...]:
    """Return the shape of a sample without the channels in front, or refuse one of other axes."""
    if found.shape is None:
        fix = "Give the input of the graph a fixed shape."
        raise found.wrong("a known shape of a sample", "an open one", fix)
    if len(found.shape) - 1 not in axes:
        raise found.refused(f"{found.value.op} of samples of shape {found.shape}")
    return found.shape[1:]


def read_padding(
    found: Found, sizes: Sequence[int], attributes: dict[str, Any], *, causal: bool = False
) -> dict[str, Any]:
    """Return stride, dilation and padding of a node as arguments of a layer."""
    lengths = lengths_of(found)
    try:
        windows = windows_of(attributes, sizes, lengths)
    except ValueError as error:
        raise found.refused(f"{found.value.op} with {error}") from None
    if attributes.get("ceil_mode", 0) and any(
        (length + sum(pad) - window.reach) % window.stride
        for (window, pad), length in zip(windows, lengths, strict=True)
    ):
        raise found.refused(f"{found.value.op} with ceil_mode=1, of windows that are not whole")
    how = _arguments(found, windows, lengths, causal=causal)
    return how | {"padding": "same"} if attributes.get("auto_pad") == b"SAME_UPPER" else how


def _arguments(
    found: Found, read: Sequence[tuple[Window, tuple[int, int]]], lengths: Sequence[int], *, causal: bool
) -> dict[str, Any]:
    windows, pads = [window for window, _ in read], [pad for _, pad in read]
    how: dict[str, Any] = {
        "stride": one_or_both([window.stride for window in windows]),
        "dilation": one_or_both([window.dilation for window in windows]),
    }
    if all(before == behind for before, behind in pads):
        return how | {"padding": one_or_both([before for before, _ in pads])}
    for word in ("same", "causal") if causal else ("same",):
        if pads == [
            window._replace(padding=word).pads(length)
            for window, length in zip(windows, lengths, strict=True)
        ]:
            return how | {"padding": word}
    raise found.refused(f"{found.value.op} with other padding on one side than on the other, {pads}")


# Conv and AveragePool exist for float64 too, but no program such as onnxruntime runs them. So there the
# numbers of all windows are gathered, and Einsum adds them up.


def gathered(layer: Sliding, x: str, graph: Graph) -> str:
    """Write what gives the numbers of all windows: each axis becomes two, windows and numbers of them."""
    lengths = (graph.shape or ())[:-1]
    pads = pad_of(layer, lengths)
    if any(map(any, pads)):
        before, behind = zip(*pads, strict=True)
        x = graph.node("Pad", x, graph.constant([0, *before, 0, 0, *behind, 0], name="pads"))
    for axis, (window, length) in enumerate(zip(layer.windows, lengths, strict=True)):
        start = np.arange(window.count(length) or 0)[:, None] * window.stride
        x = graph.node(
            "Gather",
            x,
            graph.constant(start + np.arange(window.size) * window.dilation, name="places"),
            axis=2 * axis + 1,
        )
    return x


_FRAMED: Pattern = [("Pad", "x", "pads[]"), "x"]
#: What `gathered` writes, for samples with one axis and with two.
GATHERED: Pattern = [("Gather", ("Gather", _FRAMED, "rows[]"), "columns[]"), ("Gather", _FRAMED, "columns[]")]


def einsum(layer: Sliding, *, groups: bool = False, weights: bool = True) -> str:
    """Say what is added up of what `gathered` gives, as Einsum has it."""
    window, places = ("ij", "nrisj") if layer.axes == 2 else ("j", "nsj")
    behind = f"n{'r' if layer.axes == 2 else ''}s"
    group = "g" if groups else ""
    return f"{places}{group}c,{window}c{group}o->{behind}{group}o" if weights else f"{places}c->{behind}c"


def read_gathered(found: Found, *, causal: bool = False) -> tuple[int | tuple[int, ...], dict[str, Any]]:
    """Return the size of the windows, and stride, dilation and padding."""
    gathers = [node for node in found["nodes"] if node.op == "Gather"][::-1]
    shape, axes = found.shape, len(gathers)
    places = [found[name] for name in ("rows", "columns")[2 - axes :]]
    wanted = list(range(1, 2 * axes, 2))
    if (
        shape is None
        or len(shape) != axes + 1
        or [node.attributes.get("axis", 0) for node in gathers] != wanted
    ):
        raise found.refused("Gather of other things than windows")
    said = found["pads"].tolist() if "pads" in found else [0] * (2 * axes + 4)
    pads = [(said[axis + 1], said[axes + axis + 3]) for axis in range(axes)]
    uneven = any(before != behind for before, behind in pads)
    read = []
    for index, length, pad in zip(places, shape, pads, strict=False):
        dilation = int(index[0, 1] - index[0, 0]) if index.shape[1] > 1 else 1
        window = Window(index.shape[1], 1, dilation)
        # Of a single window the stride is not said: it is one that leaves no room for a second.
        stride = max(length + sum(pad) - window.reach + 1, length if uneven else 1)
        stride = int(index[1, 0] - index[0, 0]) if len(index) > 1 else stride
        window = window._replace(stride=stride)
        count = (length + sum(pad) - window.reach) // stride + 1
        start = np.arange(len(index))[:, None] * stride  # not of the length, which a file can claim to be any
        if count != len(index) or not np.array_equal(index, start + np.arange(window.size) * dilation):
            raise found.refused("Gather of other things than windows")
        read.append((window, pad))
    how = _arguments(found, read, shape[:-1], causal=causal)
    return one_or_both([window.size for window, _ in read]), how


def equation_of(found: Found) -> str:
    """Return what the Einsum in it says."""
    node = next(node for node in found["nodes"] if node.op == "Einsum")
    said = node.attributes.get("equation", b"")
    return (said.decode() if isinstance(said, bytes) else str(said)).replace(" ", "")


def one_or_both(values: Sequence[int]) -> int | tuple[int, ...]:
    """Return a number, or one for each axis if they differ."""
    return values[0] if len(set(values)) == 1 else tuple(values)


def image(
    layer: Sliding, shape: tuple[int, ...]
) -> tuple[tuple[Window, Window], tuple[int, ...], tuple[int, ...]]:
    """Return windows, and shapes of a sample before and behind, of two axes: a sequence has height 1."""
    behind = layer.output_shape(shape)
    if layer.axes == 2:
        rows, columns = layer.windows
        return (rows, columns), shape, behind
    (line,) = layer.windows
    return (Window(1), line), (1, *shape), (1, *behind)


def pad_of(layer: Sliding, shape: tuple[int, ...]) -> list[tuple[int, int]]:
    """Return how many places are added to each axis of a sample."""
    return [window.pads(length) for window, length in zip(layer.windows, shape, strict=False)]


def padded(pads: Sequence[tuple[int, int]], value: str = "") -> list[str]:
    """Write what adds them in NumPy."""
    if not any(map(any, pads)):
        return []
    sides = ", ".join(str(pad) for pad in [(0, 0), *pads, (0, 0)])
    return [f"x = np.pad(x, ({sides}){value})"]


def seen(layer: Sliding) -> list[str]:
    """Write what makes the windows the last axes in NumPy, behind that of the channels."""
    windows = layer.windows
    sizes = one_or_each([window.reach for window in windows])
    axes = one_or_each(range(1, layer.axes + 1))
    steps = [f"::{window.stride}" if window.stride > 1 else ":" for window in windows]
    parts = [f"::{window.dilation}" if window.dilation > 1 else ":" for window in windows]
    taken = [f"x = x[:, {', '.join([*steps, ':', *parts])}]"] if set(steps + parts) != {":"} else []
    return [f"x = np.lib.stride_tricks.sliding_window_view(x, {sizes}, axis={axes})", *taken]


def one_or_each(values: Sequence[int]) -> str:
    """Write one number alone, or several as a tuple."""
    return str(values[0] if len(values) == 1 else tuple(values))


def many(axes: int) -> str:
    """Name the last axes, those of a window, in NumPy."""
    return "-1" if axes == 1 else "(-2, -1)"


def places(layer: Sliding, source: Any, *body: str, first: Sequence[str]) -> list[str]:
    """Write loops of C over all windows, and in them over all their numbers that are no padding.

    Parameters
    ----------
    layer : Sliding
        The layer; its output goes to another array.
    source : CSource
        What is being written.
    *body : str
        What is done with the channels ``p`` at number ``[i][j]`` of a window ``[t][u]``, and with ``q``, the
        channels of the output there.
    first : sequence of str
        What is done with ``q`` at the beginning of each window.

    Returns
    -------
    list of str
    """
    windows, before, behind = image(layer, source.shape)
    x, y, real = source.x, source.into(), source.real

    def inside(place: str, window: Window, length: int, count: str, number: str) -> list[str]:
        top = window.pads(length)[0]
        start = f"{count} * {window.stride} + {number} * {window.dilation}{f' - {top}' if top else ''}"
        lines = [f"const long {place} = {start};"]
        if any(window.pads(length)):
            lines.append(f"if ({place} < 0 || {place} >= {length}) continue;")
        return lines

    rows, columns = windows
    numbers = loop(
        "j",
        columns.size,
        *inside("s", columns, before[1], "u", "j"),
        f"const {real} *const p = &{x}[(r * {before[1]} + s) * {before[2]}];",
        *body,
    )
    window = loop("i", rows.size, *inside("r", rows, before[0], "t", "i"), *numbers)
    output = f"{real} *const q = &{y}[(t * {behind[1]} + u) * {behind[2]}];"
    return loop("t", behind[0], *loop("u", behind[1], output, *first, *window))
