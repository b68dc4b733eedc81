"""Standardize: bring every feature to mean 0 and standard deviation 1, inside the model."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from itertools import repeat
from typing import Any, ClassVar

import numpy as np

from nnlite.core.aliases import AnyArray, Array
from nnlite.core.context import Context
from nnlite.core.layer import Layer
from nnlite.data.checks import check_rows, check_weight
from nnlite.data.moments import Moments
from nnlite.errors import (
    ArgumentError,
    ArgumentTypeError,
    DataWarning,
    NotFittedError,
    ShapeError,
    calls_to_user,
)
from nnlite.errors.checks import check_integer
from nnlite.errors.layers import check_features

__all__ = ["Standardize"]

#: The share of the scale by which a mean may be off because it is rounded to the dtype of the model.
FAR_OFF = 1e-3


def near(mean: AnyArray, scale: AnyArray, dtype: Any) -> AnyArray:
    """Round a mean to the dtype of a model, unless rounding it would matter.

    Examples
    --------
    >>> near(np.array([1.7e9 + 1]), np.array([1.0]), np.float32)
    array([1.7e+09])
    """
    rounded: AnyArray = mean.astype(dtype)
    return rounded if (np.abs(rounded - mean) <= FAR_OFF * np.abs(scale)).all() else mean


class Standardize(Layer):
    """Subtract each feature's mean and divide by its standard deviation.

    The two are measured on data by `adapt`, or by the first ``fit`` of the model on
    its training data, and are saved with the model. They are not learned. A row of weight 2
    counts as two rows.

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
        What is subtracted and divided by; for replicas with data or weights of their own, that of each.
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
    The standard deviation divides by the number of rows, or the sum of their weights.

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

    def adapt(self, X: AnyArray | Iterator[AnyArray], weight: Any = None) -> None:
        """Measure the mean and scale, replacing what was there.

        Parameters
        ----------
        X : ndarray of shape (..., rows, features), or an iterator of such blocks
            The data. Axes before the last are all rows.
        weight : array-like of shape (rows,) or (replicas, rows), or an iterator of such, optional
            How much each row counts. For an iterator of blocks it gives the weights of each, or None
            for 1. Replicas with weights of their own are measured one by one.

        Raises
        ------
        ArgumentTypeError
            If they are no numbers.
        ShapeError
            If they have another number of features, or `weight` another number of rows.
        ArgumentError
            If there are no rows, or a value or weight is not finite.

        Examples
        --------
        >>> layer = Standardize(1)
        >>> layer.adapt(np.array([[0.0], [4.0]]), weight=[3, 1])
        >>> layer.mean
        array([1.], dtype=float32)
        """
        if not isinstance(X, Iterator):
            X, weight = iter((X,)), iter((weight,))
        elif not isinstance(weight, Iterator | None):
            fix = "Give an iterator too, of an array for each block."
            got = type(weight).__name__
            raise ArgumentTypeError(f"{self}.adapt(weight=)", "the weights of each block", got, fix)
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused below
            self.buffers = self._measure(X, repeat(None) if weight is None else weight)

    def _measure(self, blocks: Iterator[AnyArray], weights: Iterator[Any]) -> dict[str, AnyArray]:
        moments, own = self._moments(blocks, weights)
        mean, scale = (
            found[0] if len(moments) == 1 else np.stack(found)
            for found in ([one.mean for one in moments], [one.scale(self.dtype) for one in moments])
        )
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
        mean = near(mean, scale, self.dtype)
        if own:
            mean, scale = (array.reshape(-1, 1, self.features) for array in (mean, scale))
        return {"mean": mean, "scale": scale}

    def _moments(self, blocks: Iterator[AnyArray], weights: Iterator[Any]) -> tuple[list[Moments], bool]:
        """Measure all rows together, or those of each replica; also tell whether it is each."""
        moments: list[Moments] = []
        own = each = False  # whether replicas have data, and weights, of their own
        replicas = None if self._params is None else self._params.replicas
        for block in blocks:
            weight = next(weights, None)
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
            where = f"{self}.adapt(weight=)"
            if weight is not None:
                rows = data.shape[:-1] if replicas is None else (replicas, data.shape[-2])
                weight = check_weight(where, weight, rows=rows, part=True)
            several = weight is not None and weight.ndim > 1 and replicas is not None
            if not moments:
                # Data of their own are measured for each replica, all others as one long list of rows.
                own, each = data.ndim == 3 and len(data) == replicas, several
                moments = [Moments(self.features) for _ in range(replicas or 1 if each else 1)]
            elif several != each:
                fix = "Give weights for each replica in all blocks or in none."
                raise ShapeError(where, "weights of one shape", "both of shape (rows,) and of one more", fix)
            if each and weight is not None:
                every = np.broadcast_to(data, (len(moments), *data.shape[-2:]))
                for one, its_rows, its_weight in zip(moments, every, weight, strict=True):
                    one.add(its_rows, its_weight)
            elif own:
                moments[0].add(data, weight)
            else:
                if weight is not None:
                    weight = np.broadcast_to(weight, data.shape[:-1]).reshape(-1)
                moments[0].add(data.reshape(-1, self.features), weight)
        if not moments or not all(one.rows for one in moments):
            raise ArgumentError(f"{self}.adapt", "at least one row", "none", "Give it the training data.")
        return moments, own or each

    def _warn_of(self, moments: list[Moments]) -> None:
        """Warn of columns of which the rounding of their dtype has left little."""
        for one in moments:
            lost = np.flatnonzero(one.collapsed()) % self.features
            if lost.size:
                break
        else:
            return
        low, high = (float(end.reshape(-1, self.features)[0, lost[0]]) for end in (one.low, one.high))
        warnings.warn(
            f"{self}.adapt: the numbers in feature {lost[0]}, from {low:.10g} to {high:.10g}, lie as close "
            "together as numbers of their dtype can: most of what told rows apart may be gone. Give them in "
            "float64, or count from a number near them.",
            DataWarning,
            stacklevel=calls_to_user(),
        )

    def forward(self, x: Array, ctx: Context | None = None) -> Array:
        """Compute ``(x - mean) / scale``."""
        known = self._measured()
        check_features(self, x)
        y: Array = x - known["mean"]
        y /= known["scale"]
        if y.dtype != known["scale"].dtype and (self._params is not None or x.dtype != y.dtype):
            y = y.astype(known["scale"].dtype)  # what was given in float64 has been subtracted in it
        return y

    def backward(self, dy: Array, ctx: Context) -> Array:
        """Divide the blame by the scale."""
        dx: Array = dy / self.scale
        return dx
