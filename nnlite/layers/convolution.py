"""Convolutions: the same small weights at every place of an image or a sequence."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple

import numpy as np

from nnlite.core.aliases import Array
from nnlite.core.context import Context
from nnlite.core.initializers import InitializerLike
from nnlite.core.parameters import Parameter
from nnlite.core.sums import sum_over_batch
from nnlite.errors import ArgumentError
from nnlite.errors.checks import check_bool, check_integer
from nnlite.layers.windows import Sliding, Window, check_padding, check_sizes

__all__ = ["Conv1D", "Conv2D"]

#: Bytes of the windows that are laid out at a time, to be multiplied by the weights in one product.
COLUMNS = 2**20


class Convolution(Sliding):
    """What convolutions over one axis and over two have in common; a sequence is an image of height 1."""

    W = Parameter()
    b = Parameter()

    words: ClassVar[tuple[str, ...]] = ("same",)

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        *,
        stride: int | tuple[int, ...] = 1,
        padding: int | str | tuple[int, ...] = 0,
        dilation: int | tuple[int, ...] = 1,
        groups: int = 1,
        bias: bool = True,
        weight_initializer: InitializerLike | None = None,
        bias_initializer: InitializerLike | None = None,
    ) -> None:
        name, axes = type(self).__name__, self.axes
        self.in_channels = check_integer(f"{name}(in_channels)", in_channels, low=1)
        self.out_channels = check_integer(f"{name}(out_channels)", out_channels, low=1)
        self.kernel_size = check_sizes(f"{name}(kernel_size)", kernel_size, axes, low=1)
        self.stride = check_sizes(f"{name}(stride=)", stride, axes, low=1)
        self.padding = check_padding(f"{name}(padding=)", padding, axes, self.words)
        self.dilation = check_sizes(f"{name}(dilation=)", dilation, axes, low=1)
        self.groups = check_integer(f"{name}(groups=)", groups, low=1)
        if math.gcd(self.in_channels, self.out_channels) % self.groups:
            channels = f"in_channels and out_channels, {self.in_channels} and {self.out_channels}"
            fix = "Each group has as many channels as the other."
            raise ArgumentError(f"{name}(groups=)", f"a divisor of {channels}", f"{self.groups}", fix)
        self.bias = check_bool(f"{name}(bias=)", bias)
        self.weight_initializer = weight_initializer
        self.bias_initializer = bias_initializer
        window = tuple(one.size for one in self.windows)
        shape = (*window, self.in_channels // self.groups, self.out_channels)
        self.declare("W", shape, initializer=weight_initializer)
        if self.bias:
            self.declare("b", (self.out_channels,), initializer=bias_initializer, decay=False)

    def _sizes(self) -> int | tuple[int, ...]:
        return self.kernel_size

    @property
    def input_shape(self) -> tuple[Any, ...]:
        """Shape of one input sample; None for an axis of any length."""
        return (*(None,) * self.axes, self.in_channels)

    def _takes(self, channels: int | None) -> bool:
        return channels in (None, self.in_channels)

    def _channels(self, channels: int | None) -> int:
        return self.out_channels

    def forward(self, x: Array, ctx: Context | None = None) -> Array:
        """Compute the weighted sum of each window, plus the bias."""
        behind = self._outcome(x)
        if ctx is not None:
            ctx.save(x)
        x, W = _images(x, self.axes), self._of_groups(self.W)
        axes = self._lines(x.shape)
        leading = np.broadcast_shapes(x.shape[:-4], W.shape[:-5])
        rows = (*leading, x.shape[-4])
        y = np.empty((*rows, *(line.results for line in axes), behind[-1]), np.result_type(x, W))
        _correlate(x, axes, W, y)
        if self.bias:
            y += self.b.reshape(*W.shape[:-5], 1, 1, 1, -1)
        return y.reshape(*rows, *behind)

    def backward(self, dy: Array, ctx: Context) -> Array | None:
        """Write dL/dW and dL/db, return dL/dx."""
        sample = ctx.saved[0].shape[-1 - self.axes :]
        x, dy = _images(ctx.saved[0], self.axes), _images(np.ascontiguousarray(dy), self.axes)
        leading = dy.shape[:-4]
        grads = self._of_groups(ctx.grads.W)
        for place in _shared(leading, x.shape[:-4]):
            _add_up(_at(x, place, 4), self._lines(x.shape), dy[place], grads[place])
        if self.bias:
            sum_over_batch(dy.reshape(*leading, -1, self.out_channels), out=ctx.grads.b)
        if not ctx.needs_dx:
            return None
        dx = np.zeros((*leading, *x.shape[-4:]), dy.dtype)
        for places, axes, W in self._phases(x.shape):
            _correlate(dy, axes, W, dx[(..., *places, slice(None))])
        return dx.reshape(*dx.shape[:-3], *sample)

    def _of_groups(self, W: Array) -> Array:
        """See weights as ``(..., groups, rows, columns, channels in, channels out)`` of each group."""
        W = W if self.axes == 2 else np.expand_dims(W, -4)
        return np.moveaxis(W.reshape(*W.shape[:-1], self.groups, -1), -2, -5)

    def _lines(self, shape: tuple[int, ...]) -> tuple[Line, Line]:
        """Return where the windows read images, of the shape of an input, on both axes."""
        rows, columns = self._both()
        return _read(rows, shape[-3]), _read(columns, shape[-2])

    def _both(self) -> tuple[Window, Window]:
        *rows, columns = self.windows
        return (rows or [Window(1)])[0], columns

    def _phases(
        self, shape: tuple[int, ...]
    ) -> Iterator[tuple[tuple[slice, slice], tuple[Line, Line], Array]]:
        """Give what dL/dx is made of: which places, where they read dL/dy, and the weights that they meet.

        Places a stride apart meet the same weights, those next to each other do not. So each such part of
        dL/dx is a convolution of dL/dy, with its share of the weights in reverse order.
        """
        W = self._of_groups(self.W).swapaxes(-1, -2)
        rows, columns = self._both()
        for top, across, i in _returned(rows, shape[-3]):
            for left, along, j in _returned(columns, shape[-2]):
                yield (top, left), (across, along), W[..., i, :, :, :][..., j, :, :]


class Line(NamedTuple):
    """Which places of an axis are read: ``start + t * stride + i * dilation`` as number i for result t."""

    start: int
    stride: int
    dilation: int
    numbers: int
    results: int

    def pads(self, length: int) -> tuple[int, int]:
        """Return how many of these places are in front of an axis of that length, and behind it."""
        last = self.start + (self.results - 1) * self.stride + (self.numbers - 1) * self.dilation
        return max(0, -self.start), max(0, last + 1 - length)


def _read(window: Window, length: int) -> Line:
    """Return which places of an axis of the input its windows read."""
    before, count = window.pads(length)[0], window.count(length) or 0
    return Line(-before, window.stride, window.dilation, window.size, count)


def _returned(window: Window, length: int) -> Iterator[tuple[slice, Line, list[int]]]:
    """Give places of an axis of the input, where they read dL/dy, and the numbers of a window that they were.

    Of the place p, the window t had it as number i if ``t * stride - before + i * dilation == p``.
    """
    before, stride = window.pads(length)[0], window.stride
    for first in range(min(stride, length)):
        met = [i for i in range(window.size) if (first + before - i * window.dilation) % stride == 0][::-1]
        if met:
            start = (first + before - met[0] * window.dilation) // stride
            apart = window.dilation // math.gcd(window.dilation, stride)
            line = Line(start, 1, apart, len(met), len(range(first, length, stride)))
            yield slice(first, None, stride), line, met


def _correlate(x: Array, axes: tuple[Line, Line], W: Array, y: Array) -> None:
    """Write to `y` the weighted sums of what is read of `x`; any leading axes are those of `x` and `W`."""
    leading = W.shape[:-5]
    if not leading and y.flags.c_contiguous:  # then nothing tells rows of different batches apart
        x, y = x.reshape(-1, *x.shape[-3:]), y.reshape(-1, *y.shape[-3:])
    groups, *_, each = W.shape[-5:]
    tile = _tile(axes[1], each)
    weights = _spread(W, axes[1], tile)
    for place in _shared(y.shape[:-4], x.shape[:-4]):
        out, matrices = y[place], weights[place[len(place) - len(leading) :]]
        wide = max(1, math.prod(out.shape[:-4])) * tile * each
        for block, columns in _columns(_at(x, place, 4), axes, groups, tile, wide):
            for group in range(groups):
                part = out[(..., *block, slice(None), slice(group * each, (group + 1) * each))]
                found = np.matmul(columns[group], matrices[..., group, :, :])
                part[...] = found.reshape(part.shape)


def _add_up(x: Array, axes: tuple[Line, Line], dy: Array, out: Array) -> None:
    """Write to `out`, for each weight, the sum of dL/dy times what it met."""
    groups, rows, columns, inner, each = out.shape[-5:]
    tile = _tile(axes[1], each)
    wide = max(1, math.prod(dy.shape[:-4])) * tile * each
    sums: list[Array] = []
    if not len(x):
        out[...] = 0
    for block, matrices in _columns(x, axes, groups, tile, wide):
        first = not sums
        for group in range(groups):
            blame = dy[(..., *block, slice(None), slice(group * each, (group + 1) * each))]
            found = np.matmul(matrices[group].T, blame.reshape(*dy.shape[:-4], -1, tile * each))
            if first:
                sums.append(found)
            else:
                sums[group] += found
    for group, found in enumerate(sums):
        part = out[..., group, :, :, :, :]
        spread = found.reshape(*dy.shape[:-4], rows, -1, inner, tile, each)
        for shift in range(tile):
            low = shift * axes[1].stride
            met = spread[..., low : low + columns, :, shift, :]
            if shift:
                part += met
            else:
                part[...] = met


def _tile(line: Line, channels: int) -> int:
    """Return how many results next to each other are computed by one row of a product.

    The row then has what any of them reads, and the weights are 0 where one does not read it. With few
    channels such a product is faster though it has more to multiply, and fewer numbers are laid out: the
    first two convolutions of LeNet-5 take half the time. Best were some 64 columns, and rows not above twice
    as long; for a single channel 8 results.
    """
    if line.dilation > 1 or line.numbers == 1:
        return 1
    most = min(64 // channels, max(line.numbers // line.stride + 1, 8 // channels))
    return max(tile for tile in range(1, max(1, most) + 1) if line.results % tile == 0)


def _spread(W: Array, line: Line, tile: int) -> Array:
    """Lay the weights out as matrices ``(..., groups, numbers read, results * channels)``."""
    *leading, rows, columns, inner, each = W.shape
    wide = columns + (tile - 1) * line.stride
    if tile == 1:
        return W.reshape(*leading, -1, each)
    spread = np.zeros((*leading, rows, wide, inner, tile, each), W.dtype)
    for shift in range(tile):
        low = shift * line.stride
        spread[..., low : low + columns, :, shift, :] = W
    return spread.reshape(*leading, rows * wide * inner, tile * each)


def _columns(
    x: Array, axes: tuple[Line, Line], groups: int, tile: int, wide: int
) -> Iterator[tuple[tuple[slice, slice], Array]]:
    """Give, block by block, what is read of images, as matrices ``(groups, results / tile, numbers read)``.

    A block is some images, whole ones if it can be, and some lines of results. `wide` is how many
    numbers will be computed of a row. It is the same array each time.
    """
    down, along = axes
    images, height, width, channels = x.shape
    (top, bottom), (left, right) = pads = (down.pads(height), along.pads(width))
    read = along.numbers + (tile - 1) * along.stride
    shape = (along.results // tile, down.numbers, read, channels // groups)
    most = max(groups * math.prod(shape[1:]), wide) * shape[0] * x.itemsize
    lines = min(down.results, max(1, COLUMNS // most))
    several = max(1, min(images, COLUMNS // (most * down.results)))
    frame = (
        np.zeros((several, top + height + bottom, left + width + right, channels), x.dtype)
        if any(map(any, pads))
        else None
    )
    kept = np.empty((groups, several, lines, *shape), x.dtype)
    for start in range(0, images, several):
        part = x[start : start + several]
        if frame is not None:
            frame[: len(part), top : top + height, left : left + width] = part
            part = frame[: len(part)]
        part = part[:, down.start + top :, along.start + left :]
        a, b, c, d = part.strides
        steps = (c * along.stride * tile, b * down.dilation, c * along.dilation, d)
        for low in range(0, down.results, lines):
            high = min(low + lines, down.results)
            seen = np.lib.stride_tricks.as_strided(
                part[:, low * down.stride :],
                (groups, len(part), high - low, *shape),
                (shape[-1] * d, a, b * down.stride, *steps),
                writeable=False,
            )
            block = kept[:, : len(part), : high - low]
            block[...] = seen
            yield (
                (slice(start, start + len(part)), slice(low, high)),
                block.reshape(groups, -1, math.prod(shape[1:])),
            )


def _images(x: Array, axes: int) -> Array:
    """Return sequences as images of height 1."""
    return x if axes == 2 else np.expand_dims(x, -3)


def _shared(leading: tuple[int, ...], own: tuple[int, ...]) -> Iterator[tuple[Any, ...]]:
    """Give the places of an input among leading axes: all along those on which others share it."""
    own = (1,) * (len(leading) - len(own)) + own
    for index in np.ndindex(own):
        yield tuple(
            slice(None) if mine < every else place
            for place, mine, every in zip(index, own, leading, strict=True)
        )


def _at(x: Array, place: tuple[Any, ...], rank: int) -> Array:
    """Return the input at a place that `_shared` gives."""
    own = place[len(place) - (x.ndim - rank) :]
    found: Array = x[tuple(0 if isinstance(index, slice) else index for index in own)]
    return found


class Conv2D(Convolution):
    """Move a small window over images: at each place a weighted sum of all numbers in it, plus a bias.

    ``y[r, s] = sum over i, j of x[r * stride + i * dilation, s * stride + j * dilation] @ W[i, j] + b``

    It is what libraries call a convolution: the window is not turned round.

    Parameters
    ----------
    in_channels, out_channels : int
        Numbers at each place of the input and of the output.
    kernel_size : int or (int, int)
        Size of the window, of both axes or ``(height, width)``.
    stride : int or (int, int)
        How far it is from one window to the next.
    padding : int, (int, int) or "same"
        How many rows, and columns, of zeros there are on each side. ``"same"``: as many as make
        ``ceil(size / stride)`` windows on each axis; where their number is odd, one more at the end.
    dilation : int or (int, int)
        How far it is from one number of a window to the next.
    groups : int
        The channels are cut into so many groups, and each output sees those of its group only.
        ``groups=in_channels`` is a depthwise convolution.
    bias : bool
        Whether there is a `b`.
    weight_initializer : callable (rng, shape) -> ndarray, optional
        How `W` is drawn. By default as `Dense` does, by what follows in the model. All numbers of a window
        count for `fan_in`, so with groups it is that of one group; `fan_out` counts the output
        channels of all groups.
    bias_initializer : callable (rng, shape) -> ndarray, optional
        How `b` is drawn; zeros by default.

    Attributes
    ----------
    W : ndarray of shape (kernel height, kernel width, in_channels // groups, out_channels)
        The weights.
    b : ndarray of shape (out_channels,)
        The biases.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If a size is no integer in its range, or `groups` does not divide both numbers of channels.
    ShapeError
        In ``forward``, if the images have other channels, or are smaller than the window.

    Notes
    -----
    Images are ``(batch, height, width, channels)``. The numbers of all windows, one a row of a matrix, are
    laid out and multiplied by `W` in blocks of 1 MiB of them, or one row of windows if
    that is more. Beside input and output, a pass takes no more than two such blocks, the weights as they are
    laid out for that, and the images of one block with their padding.

    With dy = dL/dy, dL/dW[i, j] is the sum of x.T @ dy over all places where `x` meets ``W[i, j]``, and
    dL/dx adds up dy @ W[i, j].T at those places.

    References
    ----------
    Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, "Gradient-Based Learning Applied to Document Recognition",
    Proceedings of the IEEE 86(11), 1998, section II.A.

    Examples
    --------
    A window that sees edges: where a number is larger than the one to its left.

    >>> layer = Conv2D(1, 1, (1, 2))
    >>> layer.W[...] = np.array([-1.0, 1.0]).reshape(1, 2, 1, 1)
    >>> image = np.array([[0.0, 0.0, 5.0, 5.0], [0.0, 3.0, 3.0, 3.0]])
    >>> layer.forward(image[None, :, :, None])[0, :, :, 0]
    array([[0., 5., 0.],
           [3., 0., 0.]])
    """

    axes: ClassVar[int] = 2


class Conv1D(Convolution):
    """Move a small window over sequences: at each step a weighted sum of all numbers in it, plus a bias.

    ``y[t] = sum over i of x[t * stride + i * dilation] @ W[i] + b``

    Parameters
    ----------
    in_channels, out_channels : int
        Numbers at each step of the input and of the output.
    kernel_size : int
        Steps in a window.
    stride : int
        How far it is from one window to the next.
    padding : int, "same" or "causal"
        How many steps of zeros there are at each end; ``"same"`` as in `Conv2D`. ``"causal"``: all in front,
        so many that no output sees a step behind its own.
    dilation, groups, bias, weight_initializer, bias_initializer
        As in `Conv2D`.

    Attributes
    ----------
    W : ndarray of shape (kernel_size, in_channels // groups, out_channels)
        The weights.
    b : ndarray of shape (out_channels,)
        The biases.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If a size is no integer in its range, or `groups` does not divide both numbers of channels.
    ShapeError
        In ``forward``, if the steps have other channels, or are fewer than the window has.

    Notes
    -----
    Sequences are ``(batch, time, features)``. It is computed as a `Conv2D` of height 1, in the same
    memory.

    References
    ----------
    A. van den Oord et al., "WaveNet: A Generative Model for Raw Audio", 2016, section 2.1, of causal and
    dilated ones. https://arxiv.org/abs/1609.03499

    Examples
    --------
    >>> layer = Conv1D(1, 1, 2, padding="causal")
    >>> layer.W[...] = 1.0
    >>> layer.forward(np.array([[[1.0], [2.0], [5.0]]]))[0, :, 0]  # each step, and the one before it
    array([1., 3., 7.])
    """

    axes: ClassVar[int] = 1
    words: ClassVar[tuple[str, ...]] = ("same", "causal")
