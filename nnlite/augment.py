"""Augmentation: what `fit(augment=)` does to each training batch, so that no epoch sees the same rows again.

A function of one's own takes a batch and a generator, and gives a new batch of the same shape:
``lambda x, rng: x * rng.uniform(0.9, 1.1, (len(x), 1))``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nnlite.core.aliases import Array
from nnlite.core.config import Configured
from nnlite.errors import ArgumentTypeError, ShapeError
from nnlite.errors.checks import check_integer, check_number
from nnlite.errors.habits import missing_names

__all__ = ["Compose", "Flip", "Noise", "Shift"]


def _check_images(where: str, x: Array) -> None:
    if np.ndim(x) != 4:
        what = "images of shape (batch, height, width, channels)"
        fix = "Reshape them, and begin the net with Flatten if it takes rows."
        raise ShapeError(where, what, f"{np.shape(x)}", fix)


class Shift(Configured):
    """Move each image by some pixels, up or down and to a side; what comes in is 0.

    Parameters
    ----------
    pixels : int
        How far at most, in each direction. Every distance is as likely as any other.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If it is no integer of at least 1.
    ShapeError
        When it is called, if these are no images, or some that it could move out of sight.

    Examples
    --------
    >>> x = np.ones((1, 2, 2, 1))
    >>> Shift(1)(x, np.random.default_rng(0))[0, :, :, 0]
    array([[1., 1.],
           [0., 0.]])
    """

    def __init__(self, pixels: int) -> None:
        self.pixels = check_integer("Shift(pixels)", pixels, low=1)

    def __call__(self, x: Array, rng: np.random.Generator) -> Array:
        """Return moved images.

        Parameters
        ----------
        x : ndarray of shape (batch, height, width, channels)
            Images.
        rng : Generator
            Draws how far.

        Returns
        -------
        ndarray of the shape of `x`
        """
        _check_images("Shift", x)
        count, height, width, _ = x.shape
        most = self.pixels
        if most >= min(height, width):
            what, fix = f"images of more than {most} pixels in each direction", "Move them by less."
            raise ShapeError("Shift", what, f"{height} x {width}", fix)
        edge = (most, most)
        padded = np.pad(x, ((0, 0), edge, edge, (0, 0)))
        down, right = rng.integers(0, 2 * most + 1, (2, count, 1))
        rows, columns = down + np.arange(height), right + np.arange(width)
        moved: Array = padded[np.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]
        return moved


class Flip(Configured):
    """Exchange left and right of some images.

    Parameters
    ----------
    probability : float
        In [0, 1]: of each image.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If it is no such number.
    ShapeError
        When it is called, if these are no images.

    Examples
    --------
    >>> x = np.arange(3.0).reshape(1, 1, 3, 1)
    >>> Flip(1.0)(x, np.random.default_rng(0))[0, 0, :, 0]
    array([2., 1., 0.])
    """

    def __init__(self, probability: float = 0.5) -> None:
        self.probability = check_number("Flip(probability)", probability, low=0, high=1)

    def __call__(self, x: Array, rng: np.random.Generator) -> Array:
        """Return the images, some of them flipped.

        Parameters
        ----------
        x : ndarray of shape (batch, height, width, channels)
            Images.
        rng : Generator
            Draws which.

        Returns
        -------
        ndarray of the shape of `x`
        """
        _check_images("Flip", x)
        flipped = rng.random(len(x)) < self.probability
        return np.where(flipped[:, None, None, None], x[:, :, ::-1], x)


class Noise(Configured):
    """Add normal random numbers to all numbers of a batch, of any shape.

    Parameters
    ----------
    scale : float
        Their standard deviation.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If it is no number of at least 0.

    Examples
    --------
    >>> Noise(0.1)(np.zeros((1, 2)), np.random.default_rng(0)).round(3)
    array([[ 0.013, -0.013]])
    """

    def __init__(self, scale: float) -> None:
        self.scale = check_number("Noise(scale)", scale, low=0)

    def __call__(self, x: Array, rng: np.random.Generator) -> Array:
        """Return noisy numbers.

        Parameters
        ----------
        x : ndarray of shape (batch, ...)
            Any numbers.
        rng : Generator
            Draws the noise.

        Returns
        -------
        ndarray of the shape and dtype of `x`
        """
        drawn: Array = rng.standard_normal(x.shape, dtype=x.dtype.type)
        drawn *= self.scale
        drawn += x
        return drawn


class Compose(Configured):
    """Do several things to a batch, one after the other.

    Parameters
    ----------
    functions : sequence of callable (x, rng) -> x
        In the order in which they act.

    Raises
    ------
    ArgumentTypeError
        If one of them cannot be called.

    Examples
    --------
    >>> Compose([Shift(2), Flip(), Noise(0.1)])
    Compose([Shift(2), Flip(), Noise(0.1)])
    """

    def __init__(self, functions: Sequence[Callable[[Array, np.random.Generator], Array]]) -> None:
        self.functions = list(functions) if isinstance(functions, Sequence) else [functions]
        for one in self.functions:
            if not callable(one) or isinstance(one, type):
                what, fix = "functions of a batch and a generator", "Write Compose([Shift(2), Flip()])."
                raise ArgumentTypeError("Compose(functions)", what, f"{one!r}", fix)

    def __call__(self, x: Array, rng: np.random.Generator) -> Array:
        """Return what the last one gives.

        Parameters
        ----------
        x : ndarray of shape (batch, ...)
            A batch.
        rng : Generator
            What all draw from.

        Returns
        -------
        ndarray of the shape of `x`
        """
        for one in self.functions:
            x = one(x, rng)
        return x


__getattr__: Callable[[str], Any] = missing_names(__name__)
