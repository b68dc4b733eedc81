"""Standardize: bring every feature to mean 0 and standard deviation 1, inside the model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from nnlite._typing import AnyArray, Array
from nnlite.checks import check_integer, check_rows
from nnlite.errors import ArgumentError, NotFittedError, ShapeError
from nnlite.layers.base import Context, Layer

__all__ = ["Standardize"]


class Standardize(Layer):
    """Subtract each feature's mean and divide by its standard deviation.

    The two are measured on data by `adapt`, or by the first ``fit`` of the model on
    its training data, and are saved with the model. They are not learned.

    Parameters
    ----------
    features : int
        Number of features.

    Attributes
    ----------
    mean, scale : ndarray of shape (features,), or (replicas, 1, features)
        What is subtracted and divided by; for replicas with data of their own, that of each.
        The scale of a feature that is constant, at the precision of the model, is 1: it stays
        finite.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If `features` is no positive integer.
    NotFittedError, ShapeError
        In ``forward``, before the mean and scale are known, or if `x` does not fit.

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
        rows = 0
        mean = np.zeros(self.features)
        squares = np.zeros(self.features)  # sum of squared distances from the mean so far
        for block in blocks:
            if isinstance(block, np.ndarray) and not block.size:
                continue
            # In the dtype of the model, as it will come in later, and from there on exactly.
            data = check_rows(f"{self}.adapt", block).astype(self.dtype, copy=False).astype(np.float64)
            if data.ndim < 2 or data.shape[-1] != self.features:
                raise ShapeError(
                    f"{self}.adapt",
                    f"data of shape (rows, {self.features})",
                    f"{data.shape}",
                    "Give one column for each feature.",
                )
            # Data of their own are measured for each replica, all others as one long list of rows.
            own = data.ndim == 3 and self._params is not None and len(data) == self._params.replicas
            data = data if own else data.reshape(-1, self.features)
            # Chan, Golub and LeVeque 1979, eq. 2.1: join the moments of two sets of rows.
            count = data.shape[-2]
            block_mean = data.mean(axis=-2, keepdims=own)
            gap = block_mean - mean
            total = rows + count
            squares = squares + np.square(data - block_mean).sum(axis=-2, keepdims=own)
            squares += gap**2 * (rows * count / total)
            mean = mean + gap * (count / total)
            rows = total
        if not rows:
            raise ArgumentError(f"{self}.adapt", "at least one row", "none", "Give it the training data.")
        if not np.isfinite(squares).all():
            column = int(np.flatnonzero(~np.isfinite(squares))[0]) % self.features
            raise ArgumentError(
                f"{self}.adapt",
                "finite numbers",
                f"NaN, infinity or a number too large for {self.dtype} in feature {column}",
                "Fill or drop such values first.",
            )
        scale = np.sqrt(squares / rows)
        # Below the resolution of the dtype, what is left of a constant feature is rounding noise.
        scale[scale <= np.finfo(self.dtype).eps * np.abs(mean)] = 1.0
        return {"mean": mean.astype(self.dtype), "scale": scale.astype(self.dtype)}

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
        return y

    def backward(self, dy: Array, ctx: Context) -> Array:
        """Divide the blame by the scale."""
        dx: Array = dy / self.scale
        return dx
