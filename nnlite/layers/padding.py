"""Sequences of different lengths in one array: which steps are real, and which only fill it up.

Padding is in the data: steps at the end of a row all of whose features are one number, such as 0, are none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnlite.core.aliases import AnyArray, Array
from nnlite.errors import ArgumentError, ShapeError
from nnlite.errors.checks import check_number

__all__ = ["check_padding", "check_sequence", "check_sequence_shape", "real_steps"]


def check_padding(where: str, padding: Any) -> float | None:
    """Return the number that fills up, as a Python float, or None if every step is real.

    Examples
    --------
    >>> check_padding("GRU(padding=)", 0), check_padding("GRU(padding=)", None)
    (0.0, None)
    """
    if padding is None:
        return None
    number = check_number(where, padding)
    if abs(number) > float(np.finfo(np.float32).max) or float(np.float32(number)) != number:
        what = "a number that float32 holds exactly"
        raise ArgumentError(where, what, f"{number:g}", "Fill up with 0.0 or -1.0, which are found again.")
    return number


def check_sequence(layer: object, x: AnyArray, features: int) -> None:
    """Refuse what is no batch of sequences with so many features a step.

    Examples
    --------
    >>> check_sequence("GRU(2, 3)", np.zeros((5, 4, 2)), 2)
    """
    if x.ndim < 3 or x.shape[-1] != features or not x.shape[-2]:
        raise _wrong_sequence(layer, features, x.shape)


def check_sequence_shape(layer: object, shape: Sequence[int | None], features: int) -> None:
    """Refuse the shape of a sample that is no sequence with so many features a step.

    Examples
    --------
    >>> check_sequence_shape("GRU(2, 3)", (None, 2), 2)
    """
    if len(shape) != 2 or shape[-1] != features:
        raise _wrong_sequence(layer, features, ("batch", *shape))


def _wrong_sequence(layer: object, features: int, got: Sequence[Any]) -> ShapeError:
    wanted = f"input of shape (batch, time, {features}), of at least one step"
    fix = "A sequence has an axis of steps and one of features; series[:, :, None] gives each step one."
    return ShapeError(f"{layer}", wanted, f"({', '.join(map(str, got))})", fix)


def real_steps(x: Array, padding: float, *, time: int = -2) -> NDArray[np.bool_]:
    """Tell which steps are real: all up to the last one that is not all padding.

    Parameters
    ----------
    x : ndarray of shape (..., batch, time, features)
        The sequences.
    padding : float
        What a step that is none is full of.
    time : int
        The axis of the steps; -3 for an array of shape (..., time, batch, features).

    Returns
    -------
    ndarray of bool, of the shape of `x` without the features

    Examples
    --------
    The 0 in the middle is a step, the ones at the end are none:

    >>> real_steps(np.array([[[1.0], [0.0], [2.0], [0.0], [0.0]]]), 0.0)
    array([[ True,  True,  True, False, False]])
    """
    filled: NDArray[np.bool_] = (x != padding).any(axis=-1)
    filled = np.flip(filled, time + 1)
    return np.flip(np.logical_or.accumulate(filled, axis=time + 1), time + 1)
