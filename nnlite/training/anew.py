"""A net with the layers of another and new weights, as before a training."""

from __future__ import annotations

import copy

from nnlite.model import Sequential
from nnlite.training.random_states import Seeds

__all__ = ["like"]


def like(model: Sequential, rng: Seeds, replicas: int | None = None) -> Sequential:
    """Make a net with the same layers and frozen numbers, and new weights.

    Parameters
    ----------
    model : Sequential
        One net.
    rng : int, Generator or None, or one of them for each replica
        Draws the weights.
    replicas : int, optional
        How many nets.

    Returns
    -------
    Sequential

    Examples
    --------
    >>> from nnlite import Dense
    >>> like(Sequential([Dense(1, 1)]), [0, 1, 2], replicas=3).params.values.shape
    (3, 2)
    """
    layers = [copy.deepcopy(layer) for layer in model.layers]
    twin = Sequential(
        layers, dtype=model.params.dtype, replicas=replicas, rng=rng, preprocessing=model.preprocessing
    )
    twin.feature_names = model.feature_names
    twin.takes_encoded = model.takes_encoded
    kept = {name: twin.params[name].copy() for name in (*twin.params.frozen, *_settled(twin))}
    twin.initialize(rng=rng)  # from the same streams as a new model: until now none was used
    for name, values in kept.items():
        twin.params[name][...] = values
    return twin


def _settled(model: Sequential) -> list[str]:
    """Name the state of layers that are frozen, which belongs to their numbers."""
    return [
        place + name
        for place, layer in model.walk()
        if layer._learned() and layer._own_frozen() == set(layer._learned())
        for name in set(layer._own()) - set(layer._learned())
    ]
