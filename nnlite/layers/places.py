"""Samples with several axes as rows of features: what is done at each place of a sequence or an image."""

from __future__ import annotations

import math
from typing import Any

from nnlite.core.aliases import Array
from nnlite.core.layer import Layer
from nnlite.errors import ShapeError
from nnlite.errors.checks import check_integer
from nnlite.errors.layers import check_features

__all__ = ["EachPlace", "as_rows"]


class EachPlace(Layer):
    """A layer with numbers for each feature, which are on the last axis; all other axes are taken for rows.

    Examples
    --------
    >>> from nnlite.layers import LayerNorm
    >>> LayerNorm(3, ndim=2).input_shape
    (None, 3)
    """

    features: int
    ndim: int = 1  # also of a layer that was pickled when there was none

    def _take(self, features: int, ndim: int) -> None:
        """Check and store the arguments."""
        name = type(self).__name__
        self.features = check_integer(f"{name}(features)", features, low=1)
        self.ndim = check_integer(f"{name}(ndim=)", ndim, low=1)

    def config(self) -> dict[str, Any]:
        """Return the arguments; of rows of features without `ndim`, as files had it that older versions read.

        Returns
        -------
        dict
            What makes this object again.
        """
        given = super().config()
        return given if self.ndim > 1 else {name: given[name] for name in given if name != "ndim"}

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input sample; the sizes before the features are open."""
        sizes: tuple[Any, ...] = (None,) * (self.ndim - 1)
        return (*sizes, self.features)

    def _rows(self, x: Array) -> Array:
        """Put the places of all samples one behind the other, as rows of features."""
        check_features(self, x)
        if self.ndim == 1:
            return x
        if x.ndim <= self.ndim:
            sizes = ", ".join(["any"] * (self.ndim - 1))
            what = f"input of shape (batch, {sizes}, {self.features})"
            raise ShapeError(f"{self}", what, f"{x.shape}", "Write ndim=1 for rows of features.")
        return x.reshape(*x.shape[: -1 - self.ndim], math.prod(x.shape[-1 - self.ndim : -1]), self.features)

    def _samples(self, rows: Array, like: Array) -> Array:
        """Give such rows the shape of samples again."""
        return rows if self.ndim == 1 else rows.reshape(*rows.shape[:-2], *like.shape[-1 - self.ndim :])


def as_rows(array: Array, axes: int = 1) -> Array:
    """Take the steps of all rows as the rows of one matrix; the last `axes` axes are side by side in it.

    Examples
    --------
    >>> import numpy as np
    >>> as_rows(np.zeros((5, 3, 2))).shape, as_rows(np.zeros((5, 3, 2, 4)), 2).shape
    ((15, 2), (15, 8))
    """
    *leading, batch, time = array.shape[: array.ndim - axes]
    return array.reshape(*leading, batch * time, math.prod(array.shape[array.ndim - axes :]))
