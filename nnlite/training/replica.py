"""One net out of several that were trained as one."""

from __future__ import annotations

import copy
from typing import TypeVar

from nnlite.core.layer import Layer
from nnlite.core.parameters import Parameters

__all__ = ["replica_of"]

Kind = TypeVar("Kind", bound=Layer)


def replica_of(layer: Kind, index: int) -> Kind:
    """Copy a layer as one of its replicas has it, out of its model.

    Parameters
    ----------
    layer : Layer
        With the numbers of several nets.
    index : int
        Which of them.

    Returns
    -------
    Layer
        With those of one.

    Examples
    --------
    >>> from nnlite import Dense, Sequential
    >>> model = Sequential([Dense(2, 3)], replicas=5)
    >>> replica_of(model[0], 4).W.shape
    (2, 3)
    """
    held = {id(child): replica_of(child, index) for child in layer.children}
    state = {name: value for name, value in layer._apart().items() if name != "buffers"}
    one = type(layer).__new__(type(layer))
    one.__dict__.update(copy.deepcopy(state, held) | {"_in_model": False, "_prefix": ""})
    for child in one.children:
        child._in_model = True
    one._frozen = layer._own_frozen()
    shapes = layer.buffer_shapes()
    one.buffers = {
        # What was measured on other data for each replica has an axis for them.
        name: array.copy() if array.shape == shapes.get(name, array.shape) else array[index, 0].copy()
        for name, array in layer.buffers.items()
    }
    if layer._params is not None:
        shape = {name: layer._specs[name].shape for name in layer._own()}
        one._views = {name: layer._views[name][index].reshape(shape[name]) for name in shape}
        one._move_into(Parameters(layer._specs.values(), dtype=layer.dtype))
    return one
