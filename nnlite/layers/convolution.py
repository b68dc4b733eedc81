"""Convolutions: the same small weights at every place of an image or a sequence."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, ClassVar

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
        *counts, channels = self._outcome(x)
        if ctx is not None:
            ctx.save(x)
        rank = self.axes + 2
        W, leading = self.W, self.W.shape[:-rank]
        if not leading:  # then nothing tells rows of different batches apart
            own, x = x.shape[: 1 - rank], x.reshape(-1, *x.shape[1 - rank :])
        y_leading = np.broadcast_shapes(x.shape[:-rank], leading)
        y = np.empty((*y_leading, x.shape[-rank], *counts, channels), np.result_type(x, W))
        work = _Images(self.windows, self.groups, x.shape[-rank:], y.shape[-rank:])
        weights = W.reshape(*leading, -1, channels)
        bias = self.b.reshape(*leading, 1, channels) if self.bias else None
        for index in _nets(y_leading, x.shape[:-rank]):
            out, place = work.outputs(y[index]), _part(index, leading)
            for block, columns in work.columns(_one(x, index, rank)):
                found = out(block)
                for group, matrix in zip(work.of_groups, columns, strict=True):
                    np.matmul(matrix, weights[place][..., group], out=found[..., group])
                if bias is not None:
                    found += bias[place]
        return y if leading else y.reshape(*own, *counts, channels)

    def backward(self, dy: Array, ctx: Context) -> Array | None:
        """Write dL/dW and dL/db, return dL/dx."""
        (x,) = ctx.saved
        rank, channels = self.axes + 2, self.out_channels
        dy = np.ascontiguousarray(dy)
        leading = dy.shape[:-rank]
        work = _Images(self.windows, self.groups, x.shape[-rank:], dy.shape[-rank:])
        if self.bias:
            sum_over_batch(dy.reshape(*leading, -1, channels), out=ctx.grads.b)
        grads = ctx.grads.W.reshape(*leading, -1, channels)
        for index in _nets(leading, x.shape[:-rank]):
            blame, out = work.outputs(dy[index]), grads[index]
            first = True
            for block, columns in work.columns(_one(x, index, rank)):
                for group, matrix in zip(work.of_groups, columns, strict=True):
                    part = out[..., group]
                    if first:
                        np.matmul(matrix.T, blame(block)[..., group], out=part)
                    else:
                        part += np.matmul(matrix.T, blame(block)[..., group])
                first = False
        if not ctx.needs_dx:
            return None
        dx = np.zeros((*leading, *x.shape[-rank:]), dy.dtype)
        weights = self.W.reshape(*self.W.shape[:-rank], -1, channels)
        for index in np.ndindex(leading):
            work.trace_back(dy[index], weights[_part(index, weights.shape[:-2])], dx[index])
        return dx


class _Images:
    """The windows of one layer on images of one size, laid out as rows of matrices block by block.

    All of it works on two axes: one of length 1 is put in front of a single one.
    """

    def __init__(
        self, windows: tuple[Window, ...], groups: int, x: tuple[int, ...], y: tuple[int, ...]
    ) -> None:
        self.rank = len(x)
        self.windows = windows if len(windows) == 2 else (Window(1), *windows)
        self.shape = (x[0], *(1,) * (4 - len(x)), *x[1:])
        self.out = (y[0], *(1,) * (4 - len(y)), *y[1:])
        self.groups = groups
        each = y[-1] // groups
        self.of_groups = [slice(start, start + each) for start in range(0, y[-1], each)]
        self.places = self.windows[0].size * self.windows[1].size  # in a window

    def blocks(self, itemsize: int) -> Iterator[tuple[slice, slice]]:
        """Give images, whole ones if it can be, and rows of theirs, whose windows take `COLUMNS` bytes."""
        images, height, width, _ = self.out
        rows = max(1, COLUMNS // (width * self.places * self.shape[-1] * itemsize))
        several = max(1, rows // height)
        for start in range(0, images, several):
            for top in range(0, height, min(rows, height)):
                yield slice(start, min(start + several, images)), slice(top, min(top + rows, height))

    def outputs(self, y: Array) -> Any:
        """Return what gives a block's part of an output, as a view of shape (..., windows, channels)."""
        y = y.reshape(*y.shape[: -self.rank], *self.out)

        def part(block: tuple[slice, slice]) -> Array:
            found = y[(..., *block, slice(None), slice(None))]
            return found.reshape(*found.shape[:-4], -1, found.shape[-1])

        return part

    def columns(self, x: Array) -> Iterator[tuple[tuple[slice, slice], Array]]:
        """Give for each block the numbers in its windows, of shape (groups, windows, numbers).

        It is the same array each time.
        """
        x = x.reshape(self.shape)
        rows, cols = self.windows
        pads = (rows.pads(self.shape[1]), cols.pads(self.shape[2]))
        width = self.out[2]
        frame = kept = None
        for images, lines in self.blocks(x.itemsize):
            part = x[images]
            if any(map(any, pads)):
                if frame is None:
                    padded = [length + sum(pad) for length, pad in zip(x.shape[1:3], pads, strict=True)]
                    frame = np.zeros((len(part), *padded, x.shape[-1]), x.dtype)
                (top, _), (left, _) = pads
                frame = frame[: len(part)]
                frame[:, top : top + x.shape[1], left : left + x.shape[2]] = part
                part = frame
            count, line = len(part), lines.stop - lines.start
            a, b, c, d = part.strides
            seen = np.lib.stride_tricks.as_strided(
                part[:, lines.start * rows.stride :],
                (self.groups, count, line, width, rows.size, cols.size, x.shape[-1] // self.groups),
                (
                    x.shape[-1] // self.groups * d,
                    a,
                    b * rows.stride,
                    c * cols.stride,
                    b * rows.dilation,
                    c * cols.dilation,
                    d,
                ),
                writeable=False,
            )
            if kept is None or kept.shape != seen.shape:
                kept = np.empty(seen.shape, x.dtype)
            kept[...] = seen
            yield (images, lines), kept.reshape(self.groups, count * line * width, -1)

    def trace_back(self, dy: Array, weights: Array, dx: Array) -> None:
        """Add to dL/dx of one net what its dL/dy gives it."""
        dx = dx.reshape(self.shape)
        blame = self.outputs(dy)
        rows, cols = self.windows
        each = self.shape[-1] // self.groups
        for images, lines in self.blocks(dy.itemsize):
            for number, group in enumerate(self.of_groups):
                back = np.matmul(blame((images, lines))[..., group], weights[..., group].T)
                back = back.reshape(images.stop - images.start, -1, self.out[2], rows.size, cols.size, each)
                of_group = dx[images, ..., number * each : (number + 1) * each]
                for i in range(rows.size):
                    t, places = rows.span(self.shape[1], i, lines.start, lines.stop)
                    for j in range(cols.size):
                        s, columns = cols.span(self.shape[2], j)
                        of_group[:, places, columns] += back[:, t, s, i, j]


def _nets(leading: tuple[int, ...], own: tuple[int, ...]) -> Iterator[tuple[Any, ...]]:
    """Give the place of each input among the leading axes of the output: all of an axis that it has not."""
    own = (1,) * (len(leading) - len(own)) + own
    for index in np.ndindex(own):
        yield tuple(
            slice(None) if mine < all_ else place
            for place, mine, all_ in zip(index, own, leading, strict=True)
        )


def _one(x: Array, index: tuple[Any, ...], rank: int) -> Array:
    """Return the input at a place that `_nets` gives."""
    own = index[len(index) - (x.ndim - rank) :]
    found: Array = x[tuple(0 if isinstance(place, slice) else place for place in own)]
    return found


def _part(index: tuple[Any, ...], leading: tuple[int, ...]) -> tuple[Any, ...]:
    """Return the place of weights with fewer leading axes than the output has."""
    return index[len(index) - len(leading) :]


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
    laid out and multiplied by `W` in blocks of 1 MiB of them (or one row of windows, if
    that is more): beside its input and output, a pass takes no more than a few such blocks, and with
    padding one block of padded images.

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
