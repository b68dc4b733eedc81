"""Where the weights start: as suits what they feed, an activation or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nnlite.core.initializers import HeNormal, InitializerLike

__all__ = ["LAST", "default_initializer"]

#: How the last layer starts if no activation follows it: He's rule with a tenth of its variance, which a
#: slope of 3 divides by 1 + 3**2. An answer as large as the targets would have to be unlearned first, for
#: which few rows leave no time; zeros would give no blame to the layers before. `benchmarks/starts.py`
#: measures it.
LAST = HeNormal(negative_slope=3.0)


def default_initializer(layers: Sequence[Any], index: int) -> InitializerLike | None:
    """Return the initializer that suits what a layer feeds: an activation, or nothing.

    Parameters
    ----------
    layers : sequence of Layer
        From input to output, and what a layer holds behind it.
    index : int
        Which layer is to be initialized.

    Returns
    -------
    callable (rng, shape) -> ndarray, or None
        None if the next layer that learns follows without an activation between them. The last layer that
        learns, if no activation follows it either, starts small: what it gives is the answer of the net.

    Examples
    --------
    >>> from nnlite.layers import Dense, ReLU
    >>> layers = (Dense(2, 8), ReLU(), Dense(8, 1))
    >>> default_initializer(layers, 0), default_initializer(layers, 2)
    (HeNormal(), HeNormal(negative_slope=3.0))
    """
    for follower in layers[index + 1 :]:
        if follower.children:  # what it holds comes next
            continue
        if follower.parameter_names:
            return None
        if follower.feeding_initializer is not None:
            starting: InitializerLike = follower.feeding_initializer
            return starting
    return LAST
