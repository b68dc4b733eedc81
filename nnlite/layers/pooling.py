"""Pooling: the largest number, or the mean, of each window of an image or a sequence, channel by channel."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from nnlite.core.aliases import Array
from nnlite.core.context import Context
from nnlite.core.layer import Layer
from nnlite.errors import ArgumentError
from nnlite.errors.checks import check_integer
from nnlite.layers.padding import check_padding as check_number_that_pads
from nnlite.layers.padding import real_steps
from nnlite.layers.windows import Sliding, both, check_padding, check_sizes, wrong_rank

__all__ = [
    "AveragePool1D",
    "AveragePool2D",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "MaxPool1D",
    "MaxPool2D",
]


class Pooling(Sliding):
    """What poolings have in common: they go by the numbers of a window, each one of all windows at once."""

    def __init__(
        self,
        size: int | tuple[int, ...],
        *,
        stride: int | tuple[int, ...] | None = None,
        padding: int | str | tuple[int, ...] = 0,
    ) -> None:
        name, axes = type(self).__name__, self.axes
        self.size = check_sizes(f"{name}(size)", size, axes, low=1)
        self.stride = None if stride is None else check_sizes(f"{name}(stride=)", stride, axes, low=1)
        self.padding = check_padding(f"{name}(padding=)", padding, axes)
        if self.padding != "same":
            for one, pad in zip(both(self.size, axes), both(self.padding, axes), strict=True):
                if 2 * pad > one:
                    what = "at most half the window, so that none is all padding"
                    got = f"{self.padding!r} for windows of {self.size!r}"
                    fix = "Take a larger window or less padding."
                    raise ArgumentError(f"{name}(padding=)", what, got, fix)

    def _sizes(self) -> int | tuple[int, ...]:
        return self.size

    def _meetings(self, x: tuple[int, ...]) -> Iterator[tuple[Any, Any]]:
        """Give, for each number of a window, where it is no padding: which windows, and places in `x`."""
        spans = [
            [window.span(length, offset) for offset in range(window.size)]
            for window, length in zip(self.windows, x[-1 - self.axes :], strict=False)
        ]
        for offset in product(*spans):
            windows, places = zip(*offset, strict=True)
            yield (..., *windows, slice(None)), (..., *places, slice(None))


class MaxPooling(Pooling):
    """The largest number of each window."""

    def forward(self, x: Array, ctx: Context | None = None) -> Array:
        """Find the largest number of each window."""
        shape = (*x.shape[: -1 - self.axes], *self._outcome(x))
        y = np.full(shape, -np.inf, x.dtype)
        first = np.zeros(
            shape if ctx is not None else 0, np.min_scalar_type(math.prod(both(self.size, self.axes)))
        )
        for number, (windows, places) in enumerate(self._meetings(x.shape)):
            seen, largest = x[places], y[windows]
            if ctx is not None:
                # Only what is larger than all before it: the first of equals stays. The numbers grow, so that
                # a maximum does what np.copyto(where=) would take ten times as long for.
                seen = np.ascontiguousarray(seen)
                mark = np.multiply(seen > largest, first.dtype.type(number))
                np.maximum(first[windows], mark, out=first[windows])
            np.maximum(largest, seen, out=largest)
        if ctx is not None:
            ctx.save(first, x.shape)
        return y

    def backward(self, dy: Array, ctx: Context) -> Array:
        """Give the blame for each window to the first of its largest numbers."""
        first, shape = ctx.saved
        dx = np.zeros((*dy.shape[: -1 - self.axes], *shape[-1 - self.axes :]), dy.dtype)
        # All bits of the blame, or none: a product with 0 and 1 takes longer, and makes NaN of infinity.
        bits = np.ascontiguousarray(dy).view(f"i{dy.itemsize}")
        for number, (windows, places) in enumerate(self._meetings(shape)):
            mine = np.equal(first[windows], number).astype(bits.dtype)
            dx[places] += (np.negative(mine, out=mine) & bits[windows]).view(dy.dtype)
        return dx


class AveragePooling(Pooling):
    """The mean of each window."""

    def forward(self, x: Array, ctx: Context | None = None) -> Array:
        """Average each window."""
        y = np.zeros((*x.shape[: -1 - self.axes], *self._outcome(x)), x.dtype)
        for windows, places in self._meetings(x.shape):
            y[windows] += x[places]
        if ctx is not None:
            ctx.save(x.shape)
        y /= self._counts(x.shape, x.dtype)
        return y

    def backward(self, dy: Array, ctx: Context) -> Array:
        """Share the blame for each window among its numbers."""
        (shape,) = ctx.saved
        dx = np.zeros((*dy.shape[: -1 - self.axes], *shape[-1 - self.axes :]), dy.dtype)
        dy = dy / self._counts(shape, dy.dtype)
        for windows, places in self._meetings(shape):
            dx[places] += dy[windows]
        return dx

    def _counts(self, shape: tuple[int, ...], dtype: Any) -> Array:
        """Count the numbers of each window that are no padding."""
        counts: Any = np.ones(1, dtype)
        for window, length in zip(self.windows, shape[-1 - self.axes :], strict=False):
            start = np.arange(window.count(length) or 0) * window.stride - window.pads(length)[0]
            inside = np.minimum(start + window.size, length) - np.maximum(start, 0)
            counts = counts[..., None, :] * inside.astype(dtype)[:, None]
        return counts  # type: ignore[no-any-return]


class MaxPool2D(MaxPooling):
    """Take the largest number of each window of an image, channel by channel.

    What is learned then depends less on where in the image it stands.

    Parameters
    ----------
    size : int or (int, int)
        Size of the window, of both axes or ``(height, width)``.
    stride : int or (int, int), optional
        How far it is from one window to the next; by default its size, so that they do not overlap.
    padding : int, (int, int) or "same"
        How many places are added on each side, at most half the window; ``"same"`` as in `Conv2D`. They are
        never the largest.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If a size is no integer in its range.
    ShapeError
        In ``forward``, if the input is no images, or they are smaller than the window.

    Notes
    -----
    dL/dx is dL/dy at the first of the largest numbers of each window, row by row, and 0 elsewhere. NaN is
    larger than any number.

    References
    ----------
    K. Jarrett, K. Kavukcuoglu, M. Ranzato and Y. LeCun, "What is the Best Multi-Stage Architecture for Object
    Recognition?", ICCV 2009.

    Examples
    --------
    >>> image = np.arange(16.0).reshape(1, 4, 4, 1)
    >>> MaxPool2D(2).forward(image)[0, :, :, 0]
    array([[ 5.,  7.],
           [13., 15.]])
    """

    axes: ClassVar[int] = 2


class MaxPool1D(MaxPooling):
    """Take the largest number of each window of a sequence, feature by feature.

    Parameters
    ----------
    size : int
        Steps in a window.
    stride : int, optional
        How far it is from one window to the next; by default its size.
    padding : int or "same"
        How many steps are added at each end, at most half the window; ``"same"`` as in `Conv2D`.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If a size is no integer in its range.
    ShapeError
        In ``forward``, if the input is no sequences, or they are shorter than the window.

    See Also
    --------
    MaxPool2D : says more.

    Examples
    --------
    >>> MaxPool1D(2).forward(np.array([[[1.0], [3.0], [2.0], [0.0], [9.0]]]))[0, :, 0]
    array([3., 2.])
    """

    axes: ClassVar[int] = 1


class AveragePool2D(AveragePooling):
    """Take the mean of each window of an image, channel by channel.

    Parameters
    ----------
    size : int or (int, int)
        Size of the window, of both axes or ``(height, width)``.
    stride : int or (int, int), optional
        How far it is from one window to the next; by default its size.
    padding : int, (int, int) or "same"
        How many places are added on each side, at most half the window; ``"same"`` as in `Conv2D`. They do
        not count in the mean.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If a size is no integer in its range.
    ShapeError
        In ``forward``, if the input is no images, or they are smaller than the window.

    Examples
    --------
    >>> image = np.arange(16.0).reshape(1, 4, 4, 1)
    >>> AveragePool2D(2).forward(image)[0, :, :, 0]
    array([[ 2.5,  4.5],
           [10.5, 12.5]])
    """

    axes: ClassVar[int] = 2


class AveragePool1D(AveragePooling):
    """Take the mean of each window of a sequence, feature by feature.

    Parameters
    ----------
    size : int
        Steps in a window.
    stride : int, optional
        How far it is from one window to the next; by default its size.
    padding : int or "same"
        How many steps are added at each end, at most half the window; they do not count in the mean.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If a size is no integer in its range.
    ShapeError
        In ``forward``, if the input is no sequences, or they are shorter than the window.

    Examples
    --------
    >>> AveragePool1D(3, stride=1, padding=1).forward(np.array([[[1.0], [3.0], [8.0]]]))[0, :, 0]
    array([2. , 4. , 5.5])
    """

    axes: ClassVar[int] = 1


class GlobalPooling(Layer):
    """What is made of all places of an image, or of all steps of a sequence, channel by channel."""

    def __init__(self, axes: int = 2) -> None:
        where = f"{type(self).__name__}(axes)"
        self.axes = check_integer(where, axes, low=1)
        if self.axes > 2:
            fix = "Give 1 for sequences, 2 for images."
            raise ArgumentError(where, "1 or 2", f"{self.axes}", fix)

    @property
    def input_shape(self) -> tuple[Any, ...]:
        """Shape of one input sample; None for what may be of any length."""
        return (*(None,) * self.axes, None)

    def output_shape(self, input_shape: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the shape of one output sample: the channels."""
        if len(input_shape) != self.axes + 1:
            raise wrong_rank(self, self.axes, None, input_shape)
        return input_shape[-1:]

    def _rows(self, x: Array) -> Array:
        """Lay all places of a sample in one row."""
        if x.ndim < self.axes + 2:
            raise wrong_rank(self, self.axes, None, x.shape[1:])
        places = math.prod(x.shape[-1 - self.axes : -1])
        return x.reshape(*x.shape[: -1 - self.axes], places, x.shape[-1])


class GlobalAveragePool(GlobalPooling):
    """Take the mean of each channel over a whole image, or of each feature over all steps of a sequence.

    Parameters
    ----------
    axes : int
        How many axes a sample has in front of its channels: 2 for images, 1 for sequences.
    padding : float, optional
        Of sequences: steps at the end of a row all of whose features are this number are none, and the mean
        is over the others; 0 where there is no other. By default every step counts.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If `axes` is neither 1 nor 2, `padding` is no number, or images have one.
    ShapeError
        In ``forward``, if the samples have fewer axes.

    References
    ----------
    M. Lin, Q. Chen and S. Yan, "Network In Network", ICLR 2014, section 3.2. https://arxiv.org/abs/1312.4400

    Examples
    --------
    >>> GlobalAveragePool().forward(np.arange(8.0).reshape(1, 2, 2, 2))
    array([[3., 4.]])
    >>> GlobalAveragePool(1, padding=0.0).forward(np.array([[[1.0], [3.0], [0.0], [0.0]]]))
    array([[2.]])
    """

    padding: float | None = None  # also of one that was pickled when there was none

    def __init__(self, axes: int = 2, *, padding: float | None = None) -> None:
        super().__init__(axes)
        self.padding = check_number_that_pads("GlobalAveragePool(padding=)", padding)
        if self.padding is not None and self.axes > 1:
            fix = "Write GlobalAveragePool(1, padding=...) for sequences."
            raise ArgumentError("GlobalAveragePool(padding=)", "None for images", f"{self.padding:g}", fix)

    def forward(self, x: Array, ctx: Context | None = None) -> Array:
        """Average over all places that are no padding."""
        rows = self._rows(x)
        real = None if self.padding is None else real_steps(rows, self.padding)
        if ctx is not None:
            ctx.save(x.shape, real)
        if real is None:
            return rows.mean(axis=-2)  # type: ignore[no-any-return]
        y: Array = np.where(real[..., None], rows, rows.dtype.type(0)).sum(axis=-2)
        y /= _lengths(real, y.dtype)
        return y

    def backward(self, dy: Array, ctx: Context) -> Array:
        """Share the blame among all of them."""
        shape, real = ctx.saved
        places = shape[-1 - self.axes : -1]
        share = dy / (math.prod(places) if real is None else _lengths(real, dy.dtype))
        share = share.reshape(*dy.shape[:-1], *(1,) * self.axes, dy.shape[-1])
        dx: Array = np.repeat(share, places[-1], axis=-2)
        if real is not None:
            dx = np.where(real[..., None], dx, dx.dtype.type(0))
        return dx if self.axes == 1 else np.repeat(dx, places[0], axis=-3)


def _lengths(real: NDArray[np.bool_], dtype: Any) -> Array:
    """Count the steps of each row, to divide by: 1 where there is none."""
    counts: Array = np.maximum(real.sum(axis=-1, keepdims=True), 1).astype(dtype)
    return counts


class GlobalMaxPool(GlobalPooling):
    """Take the largest number of each channel of a whole image, or of each feature of a sequence.

    Parameters
    ----------
    axes : int
        How many axes a sample has in front of its channels: 2 for images, 1 for sequences.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If `axes` is neither 1 nor 2.
    ShapeError
        In ``forward``, if the samples have fewer axes.

    Notes
    -----
    dL/dx is dL/dy at the first of the largest numbers, and 0 elsewhere.

    Examples
    --------
    >>> GlobalMaxPool(1).forward(np.array([[[1.0, 5.0], [3.0, 2.0]]]))
    array([[3., 5.]])
    """

    def forward(self, x: Array, ctx: Context | None = None) -> Array:
        """Find the largest."""
        rows = self._rows(x)
        if ctx is not None:
            ctx.save(rows.argmax(axis=-2)[..., None, :], x.shape)
        y: Array = rows.max(axis=-2)
        return y

    def backward(self, dy: Array, ctx: Context) -> Array:
        """Give the blame to the first of the largest."""
        places, shape = ctx.saved
        of_sample = shape[-1 - self.axes :]
        dx = np.zeros((*dy.shape[:-1], math.prod(of_sample[:-1]), dy.shape[-1]), dy.dtype)
        places = np.broadcast_to(places, (*dy.shape[:-1], 1, dy.shape[-1]))
        np.put_along_axis(dx, places, dy[..., None, :], axis=-2)
        return dx.reshape(*dy.shape[:-1], *of_sample)
