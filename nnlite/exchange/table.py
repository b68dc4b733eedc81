"""The descriptions of all layers, and whether a layer is one of ours."""

from __future__ import annotations

from nnlite.exchange.description import Description
from nnlite.exchange.layers import (
    activations,
    dense,
    dropout,
    embedding,
    flatten,
    normalization,
    standardize,
)
from nnlite.layers import Layer

__all__ = ["DESCRIPTIONS", "described"]

#: By class.
DESCRIPTIONS: dict[type[Layer], Description] = {
    one.layer: one
    for module in (activations, dense, dropout, embedding, flatten, normalization, standardize)
    for one in module.DESCRIPTIONS
}


def described(layer: Layer) -> Description | None:
    """Return what is known of a layer.

    Parameters
    ----------
    layer : Layer
        Any.

    Returns
    -------
    Description or None
        None for a layer of the user's own, also for one that inherits from one of ours: it
        computes something else.

    Examples
    --------
    >>> from nnlite.layers import ReLU
    >>> described(ReLU()).words
    'negative sums become 0, positive ones pass'
    """
    return DESCRIPTIONS.get(type(layer))
