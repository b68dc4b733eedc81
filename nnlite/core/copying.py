"""How a layer is copied: it takes its numbers along, and leaves the model."""

from __future__ import annotations

import copy
from typing import Any, ClassVar, Self

from nnlite.core.context import Gradients
from nnlite.core.parameters import Parameters
from nnlite.core.wiring import Wired

__all__ = ["Copied"]


class Copied(Wired):
    """What can be copied, pickled, and taken out of several that are trained as one."""

    #: What is made anew where the numbers are.
    _made_anew: ClassVar[frozenset[str]] = frozenset(("_params", "_views", "_grads"))

    def _replica(self, index: int) -> Self:
        """Copy the layer as one of its replicas has it, out of the model."""
        held: dict[int, Any] = {id(child): child._replica(index) for child in self.children}
        state = {name: value for name, value in self._apart().items() if name != "buffers"}
        layer = type(self).__new__(type(self))
        layer.__dict__.update(copy.deepcopy(state, held) | {"_in_model": False, "_prefix": ""})
        for child in layer.children:
            child._in_model = True
        layer._frozen = self._own_frozen()
        shapes: dict[str, tuple[int, ...]] = self.buffer_shapes()  # type: ignore[attr-defined]
        layer.buffers = {
            # What was measured on other data for each replica has an axis for them.
            name: array.copy() if array.shape == shapes.get(name, array.shape) else array[index, 0].copy()
            for name, array in self.buffers.items()
        }
        if self._params is not None:
            layer._views = {
                name: self._views[name][index].reshape(self._specs[name].shape) for name in self._own()
            }
            layer._move_into(Parameters(self._specs.values(), dtype=self.dtype))
        return layer

    def _apart(self) -> dict[str, Any]:
        """Return what it is apart from its numbers."""
        tied = self._made_anew.union(self._own())
        return {name: value for name, value in vars(self).items() if name not in tied}

    # A copy of a layer is a layer on its own: it takes its numbers along and leaves the model. Layers that it
    # holds bring theirs themselves.
    def __getstate__(self) -> dict[str, Any]:
        state, own = self._apart(), None
        if self._params is not None:
            specs = [self._specs[name] for name in self._own()]
            own = Parameters(specs, dtype=self.dtype, replicas=self._params.replicas)
            own.frozen = self._own_frozen()
            for name in self._own():
                own[name][...] = self._views[name]
        return {**state, "_params": own, "_prefix": "", "_in_model": False}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update({"children": (), "_views": {}, "_grads": Gradients({}), **state})
        own = self._params
        for child in self.children:
            child._in_model = True
        if own is not None:
            self._params = None
            self._frozen = own.frozen
            self._views = {name: own[name] for name in self._own()}
            self._move_into(Parameters(self._specs.values(), dtype=own.dtype, replicas=own.replicas))

    def __copy__(self) -> Self:
        """Copy what it holds too: two that share it would each cut it off from the other."""
        return copy.deepcopy(self)
