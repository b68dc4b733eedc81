"""Windows that slide over the axes of an image or a sequence: where they lie, and layers made of them."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

from nnlite.core.aliases import Array
from nnlite.core.layer import Layer
from nnlite.errors import ArgumentError, ShapeError
from nnlite.errors.checks import check_integer

__all__ = ["Sliding", "Window", "both", "wrong_rank"]

#: What the axes of a sample are called, by how many there are in front of the channels.
NAMES = {1: ("time",), 2: ("height", "width")}
#: What the last axis of a sample is called, by the same.
LAST = {1: "features", 2: "channels"}


class Window(NamedTuple):
    """How windows lie along one axis: all that layers, kernels and exports need to know of their places.

    The window t covers the places ``t * stride - before + offset * dilation`` for each offset below `size`,
    where `before` is the first of `pads`.

    Parameters
    ----------
    size : int
        How many numbers of the axis a window has.
    stride : int
        How far it is from one window to the next.
    dilation : int
        How far it is from one number of a window to the next.
    padding : int or str
        How many places there are in front of the axis and behind it; ``"same"``: as many as make
        ``ceil(length / stride)`` windows, the odd one at the end; ``"causal"``: as many, all in front, as
        end each window where it is counted from.

    Examples
    --------
    >>> window = Window(3, stride=2, padding="same")
    >>> window.pads(6), window.count(6)
    ((0, 1), 3)
    """

    size: int
    stride: int = 1
    dilation: int = 1
    padding: int | str = 0

    @property
    def reach(self) -> int:
        """Places from the first number of a window to its last."""
        return (self.size - 1) * self.dilation + 1

    def pads(self, length: int) -> tuple[int, int]:
        """Return how many places are added in front of an axis of that length, and behind it.

        Parameters
        ----------
        length : int
            Of the axis.

        Returns
        -------
        before, behind : int
        """
        if self.padding == "causal":
            return self.reach - 1, 0
        if self.padding == "same":
            windows = -(-length // self.stride)
            added = max((windows - 1) * self.stride + self.reach - length, 0)
            return added // 2, added - added // 2
        return int(self.padding), int(self.padding)

    def count(self, length: int | None) -> int | None:  # type: ignore[override]
        """Return how many windows there are on an axis; below 1 if the window is longer.

        Parameters
        ----------
        length : int or None
            Of the axis; None if it is not known.

        Returns
        -------
        int or None
        """
        if length is None:
            return None
        return (length + sum(self.pads(length)) - self.reach) // self.stride + 1

    def span(self, length: int, offset: int) -> tuple[slice, slice]:
        """Return which windows have their number at an offset inside the axis, and which places those are.

        Parameters
        ----------
        length : int
            Of the axis.
        offset : int
            Below `size`.

        Returns
        -------
        windows, places : slice
            Of the same number of elements.

        Examples
        --------
        >>> Window(3, padding=1).span(4, 0)  # the first window begins in the padding
        (slice(1, 4, None), slice(0, 3, 1))
        """
        shift = offset * self.dilation - self.pads(length)[0]
        low = max(0, -(shift // self.stride))  # the first t with t * stride + shift >= 0
        high = max(low, min(self.count(length) or 0, (length - 1 - shift) // self.stride + 1))
        first = low * self.stride + shift
        last = first + (high - low - 1) * self.stride + 1 if high > low else first
        return slice(low, high), slice(first, last, self.stride)


class Sliding(Layer):
    """The base of layers that go over images or sequences by windows.

    A subclass says how many axes there are, stores `stride`, `dilation` and `padding` where it has them, and
    gives the size of its windows by `_sizes`.
    """

    axes: ClassVar[int]
    stride: int | tuple[int, ...] | None = 1
    dilation: int | tuple[int, ...] = 1
    padding: int | str | tuple[int, ...] = 0

    def _sizes(self) -> int | tuple[int, ...]:
        """Return the size of a window."""
        raise NotImplementedError

    @property
    def windows(self) -> tuple[Window, ...]:
        """How its windows lie along each axis but that of the channels."""
        sizes = both(self._sizes(), self.axes)
        strides = sizes if self.stride is None else both(self.stride, self.axes)
        dilations, paddings = both(self.dilation, self.axes), both(self.padding, self.axes)
        return tuple(map(Window, sizes, strides, dilations, paddings))

    @property
    def input_shape(self) -> tuple[Any, ...]:
        """Shape of one input sample; None for what may be of any length."""
        return (*(None,) * self.axes, None)

    def output_shape(self, input_shape: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the shape of one output sample; None where that of the input is not known."""
        if len(input_shape) != self.axes + 1 or not self._takes(input_shape[-1]):
            raise wrong_rank(self, self.axes, self.input_shape[-1], input_shape)
        counts = []
        for name, window, length in zip(NAMES[self.axes], self.windows, input_shape, strict=False):
            count = window.count(length)
            if count is not None and count < 1:
                before, behind = window.pads(length)
                padded = f" and padding of {before} + {behind}" if before + behind else ""
                raise ShapeError(
                    f"{self}",
                    f"a {name} that a window of {window.reach} fits into",
                    f"{length}{padded}",
                    "Take a smaller window, or padding='same'.",
                )
            counts.append(count)
        return (*counts, self._channels(input_shape[-1]))

    def _takes(self, channels: int | None) -> bool:
        """Tell whether it takes so many channels."""
        return True

    def _channels(self, channels: int | None) -> int | None:
        """Return how many channels come out."""
        return channels

    def _outcome(self, x: Array) -> tuple[int, ...]:
        """Return the shape of an output sample, or say why the layer does not take an input."""
        if x.ndim < self.axes + 2:
            raise wrong_rank(self, self.axes, self.input_shape[-1], x.shape[1:])
        return self.output_shape(x.shape[-1 - self.axes :])


def wrong_rank(layer: object, axes: int, channels: int | None, got: tuple[Any, ...]) -> ShapeError:
    """Make the error for samples of another number of axes than a layer takes, or of other channels.

    Examples
    --------
    >>> print(wrong_rank("Conv2D(3, 8, 5)", 2, 3, (8, 8)))
    Conv2D(3, 8, 5): expected input of shape (batch, height, width, 3), got (batch, 8, 8). The channels are
        the last axis; one of a single channel is X[..., None].
    """
    names = ", ".join((*NAMES[axes], LAST[axes] if channels is None else str(channels)))
    found = f"(batch, {', '.join(map(str, got))})" if got else "(batch,)"
    fix = f"The {LAST[axes]} are the last axis; one of a single channel is X[..., None]."
    return ShapeError(f"{layer}", f"input of shape (batch, {names})", found, fix)


def both(value: Any, axes: int) -> tuple[Any, ...]:
    """Return what is said of each axis, of one number or word for all, or of one for each.

    Examples
    --------
    >>> both(3, 2), both((3, 5), 2), both("same", 1)
    ((3, 3), (3, 5), ('same',))
    """
    return tuple(value) if isinstance(value, tuple) else (value,) * axes


def check_sizes(where: str, value: Any, axes: int, *, low: int) -> int | tuple[int, ...]:
    """Return a number, or one for each axis; a single one if all are alike.

    Examples
    --------
    >>> check_sizes("Conv2D(kernel_size)", [3, 3], 2, low=1)
    3
    """
    if isinstance(value, str) or not isinstance(value, tuple | list) or axes == 1:
        return check_integer(where, value, low=low)
    if len(value) != axes:
        what = f"an integer, or one for each of {', '.join(NAMES[axes])}"
        raise ArgumentError(where, what, f"{value!r}", "Give one number for both, or (height, width).")
    sizes = tuple(check_integer(where, size, low=low) for size in value)
    return sizes[0] if len(set(sizes)) == 1 else sizes


def check_padding(
    where: str, value: Any, axes: int, words: tuple[str, ...] = ("same",)
) -> int | str | tuple[int, ...]:
    """Return a padding: a word, a number, or a number for each axis.

    Examples
    --------
    >>> check_padding("Conv2D(padding=)", "same", 2)
    'same'
    """
    if not isinstance(value, str):
        return check_sizes(where, value, axes, low=0)
    if value not in words:
        what = f"a number of places, or {' or '.join(map(repr, words))}"
        raise ArgumentError(
            where, what, f"{value!r}", "Without padding it is 0, which is called 'valid' elsewhere."
        )
    return value
