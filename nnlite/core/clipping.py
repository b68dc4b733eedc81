"""Clipping: a gradient that is too long keeps its direction and loses its length."""

from __future__ import annotations

import numpy as np

from nnlite.core.parameters import Parameters

__all__ = ["clip_to_norm"]


def clip_to_norm(params: Parameters, limit: float) -> None:
    """Scale the gradient down if its Euclidean norm is above a limit: ``g *= limit / max(norm, limit)``.

    Parameters
    ----------
    params : Parameters
        Their gradients are changed; those of each replica by a norm of its own.
    limit : float
        The largest norm over all trainable parameters, greater than 0.

    Examples
    --------
    >>> from nnlite.core.parameters import ParameterSpec
    >>> params = Parameters([ParameterSpec("W", (2,))])
    >>> params.grads[...] = [3.0, -4.0]
    >>> clip_to_norm(params, 1.0)
    >>> params.grads
    array([ 0.6, -0.8], dtype=float32)
    """
    # In float64, where neither the squares of float32 nor the division overflow. NaN stays and shows.
    squares = [
        np.square(params.grads[..., run], dtype=np.float64).sum(axis=-1) for run in params.trainable_slices
    ]
    norm = np.sqrt(np.sum(squares, axis=0))[..., None]
    factor = limit / np.maximum(norm, limit)
    params.grads *= factor.astype(params.dtype)
