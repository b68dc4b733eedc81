"""Standardize: bring every feature to mean 0 and standard deviation 1, inside the model."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from typing import ClassVar

import numpy as np

from nnlite._typing import AnyArray, Array
from nnlite.checks import check_integer, check_rows
from nnlite.errors import ArgumentError, DataWarning, NotFittedError, ShapeError
from nnlite.layers.base import Context, Layer
from nnlite.moments import Moments

__all__ = ["Standardize"]

#: The share of the scale by which a mean may be off because it is rounded to the dtype of the model.
FAR_OFF = 1e-3


class Standardize(Layer):
    """Subtract each feature's mean and divide by its standard deviation.

    The two are measured on data by `adapt`, or by the first ``fit`` of the model on
    its training data, and are saved with the model. They are not learned.

    They are measured in float64. A model of float32 that begins with this layer leaves float64 and
    integers as they are until the mean has been subtracted, so that times of about 1.7e9, which
    float32 rounds to multiples of 128, stay apart.

    Parameters
    ----------
    features : int
        Number of features.

    Attributes
    ----------
    mean, scale : ndarray of shape (features,), or (replicas, 1, features)
        What is subtracted and divided by; for replicas with data of their own, that of each.
        The scale of a feature that is constant is 1, and so is one that is too small to divide
        by. `mean` is of float64 in a model of float32 if a feature lies so far off that rounding
        it would matter.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If `features` is no positive integer.
    NotFittedError, ShapeError
        In ``forward``, before the mean and scale are known, or if `x` does not fit.

    Warns
    -----
    DataWarning
        In ``adapt``, if numbers lie as close together as their dtype allows, such as times in
        seconds that came as float32.

    Notes
    -----
    The standard deviation divides by the number of rows.

    Examples
    --------
    >>> layer = Standardize(2)
    >>> layer.adapt(np.array([[0.0, 5.0], [2.0, 5.0]]))
    >>> layer.mean, layer.scale
    (array([1., 5.], dtype=float32), array([1., 1.], dtype=float32))
    >>> layer.forward(np.array([[4.0, 5.0]], dtype=np.float32))
    array([[3., 0.]], dtype=float32)
    """

    exact_buffers: ClassVar[tuple[str, ...]] = ("mean",)

    def __init__(self, features: int) -> None:
        self.features = check_integer("Standardize(features)", features, low=1)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input sample."""
        return (self.features,)

    def buffer_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of `mean` and `scale`."""
        return {"mean": (self.features,), "scale": (self.features,)}

    @property
    def adapted(self) -> bool:
        """Whether the mean and scale are known."""
        return bool(self.buffers)

    @property
    def mean(self) -> AnyArray:
        """What is subtracted from each feature."""
        return self._measured()["mean"]

    @property
    def scale(self) -> AnyArray:
        """What each feature is divided by."""
        return self._measured()["scale"]

    def _measured(self) -> dict[str, AnyArray]:
        if not self.buffers:
            raise NotFittedError(
                f"{self}",
                "the mean and scale to be known",
                "a layer that has seen no data",
                "Call its adapt(X), or fit the model.",
            )
        return self.buffers

    def adapt(self, X: AnyArray | Iterator[AnyArray]) -> None:
        """Measure the mean and scale, replacing what was there.

        Parameters
        ----------
        X : ndarray of shape (..., rows, features), or an iterator of such blocks
            The data. Axes before the last are all rows.

        Raises
        ------
        ArgumentTypeError
            If they are no numbers.
        ShapeError
            If they have another number of features.
        ArgumentError
            If there are no rows, or a value is not finite.
        """
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused below
            self.buffers = self._measure(X if isinstance(X, Iterator) else (X,))

    def _measure(self, blocks: Iterable[AnyArray]) -> dict[str, AnyArray]:
        moments: Moments | None = None
        own = False
        for block in blocks:
            if isinstance(block, np.ndarray) and not block.size:
                continue
            data = check_rows(f"{self}.adapt", block)
            if data.ndim < 2 or data.shape[-1] != self.features:
                raise ShapeError(
                    f"{self}.adapt",
                    f"data of shape (rows, {self.features})",
                    f"{data.shape}",
                    "Give one column for each feature.",
                )
            if moments is None:
                moments = Moments(self.features)
                # Data of their own are measured for each replica, all others as one long list of rows.
                own = data.ndim == 3 and self._params is not None and len(data) == self._params.replicas
            moments.add(data if own else data.reshape(-1, self.features))
        if moments is None or not moments.rows:
            raise ArgumentError(f"{self}.adapt", "at least one row", "none", "Give it the training data.")
        mean, scale = moments.mean, moments.scale(self.dtype)
        fits = np.isfinite(mean) & np.isfinite(scale) & (np.abs(mean) <= np.finfo(self.dtype).max)
        if not fits.all():
            column = int(np.flatnonzero(~fits)[0]) % self.features
            raise ArgumentError(
                f"{self}.adapt",
                "finite numbers",
                f"NaN, infinity or a number too large for {self.dtype} in feature {column}",
                "Fill or drop such values first.",
            )
        self._warn_of(moments)
        rounded = mean.astype(self.dtype)
        near = np.abs(rounded - mean) <= FAR_OFF * scale
        mean = rounded if near.all() else mean
        return {"mean": mean[:, None], "scale": scale[:, None]} if own else {"mean": mean, "scale": scale}

    def _warn_of(self, moments: Moments) -> None:
        """Warn of columns of which the rounding of their dtype has left little."""
        lost = np.flatnonzero(moments.collapsed()) % self.features
        if not lost.size:
            return
        low, high = (float(end.reshape(-1, self.features)[0, lost[0]]) for end in (moments.low, moments.high))
        warnings.warn(
            f"{self}.adapt: the numbers in feature {lost[0]}, from {low:.10g} to {high:.10g}, lie as close "
            "together as numbers of their dtype can: most of what told rows apart may be gone. Give them in "
            "float64, or count from a number near them.",
            DataWarning,
            stacklevel=2,
        )

    def forward(self, x: Array, ctx: Context | None = None) -> Array:
        """Compute ``(x - mean) / scale``."""
        known = self._measured()
        if x.ndim < 2 or x.shape[-1] != self.features:
            raise ShapeError(
                f"{self}",
                f"input of shape (batch, {self.features})",
                f"{x.shape}",
                "The last axis holds the features, the one before it the batch.",
            )
        y: Array = x - known["mean"]
        y /= known["scale"]
        if y.dtype != known["scale"].dtype and (self._params is not None or x.dtype != y.dtype):
            y = y.astype(known["scale"].dtype)  # what was given in float64 has been subtracted in it
        return y

    def backward(self, dy: Array, ctx: Context) -> Array:
        """Divide the blame by the scale."""
        dx: Array = dy / self.scale
        return dx
