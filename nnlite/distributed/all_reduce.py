"""The sum of the gradients over all ranks: of all at once, or of each layer as soon as it is ready."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nnlite.core.aliases import Array
from nnlite.core.context import Context, Watcher
from nnlite.distributed.world import World
from nnlite.model import Sequential

__all__ = ["LayerwiseSum", "Sum"]

#: A smaller array of weights is not sent on its own: the sum would take longer to begin than to make.
LEAST_BYTES = 2**16


class Sum:
    """One all-reduce in place of the whole gradient, when it is complete.

    Parameters
    ----------
    world : World
        The ranks.
    model : Sequential
        Whose gradients.
    """

    def __init__(self, world: World, model: Sequential) -> None:
        self.world = world
        self.params = model.params
        self.names = list(model.params)

    def complete(self) -> list[str]:
        """Take note that the gradient of this rank is complete.

        Returns
        -------
        list of str
            The parameters with gradients that are not finite here.
        """
        for (
            name
        ) in self.params.frozen:  # what stands there is old, and a sum over the ranks would let it grow
            self.params.grad(name).fill(0)
        return [] if _is_finite(self.params.grads) else [name for name in self.names if self._is_bad(name)]

    def finish(self) -> None:
        """Wait until ``params.grads`` is the sum over all ranks."""
        self.world.add_up(self.params.grads)

    def _is_bad(self, name: str) -> bool:
        return not np.isfinite(self.params.grad(name)).all()


class LayerwiseSum(Sum, Watcher):
    """An all-reduce for each large array of weights, begun while blame goes on to the layers before.

    It watches the backward passes: those of contexts that were made with ``watch=`` it.

    Parameters
    ----------
    world : World
        The ranks.
    model : Sequential
        Whose gradients.
    """

    def __init__(self, world: World, model: Sequential) -> None:
        super().__init__(world, model)
        places, start = {}, 0
        for spec in self.params.specs:
            places[spec.name] = slice(start, start + spec.size)
            start += spec.size
        self.places = places
        large = [name for name in places if self.params.grad(name).nbytes >= LEAST_BYTES]
        # In the order in which blame comes to them, which is the same on all ranks.
        self.large = sorted(large, key=_layer_of, reverse=True)
        #: Neighbours among the others, which are sent as one.
        self.rest: list[tuple[slice, list[str]]] = []
        for name, place in places.items():
            if name in self.large:
                continue
            names = [name]
            if self.rest and self.rest[-1][0].stop == place.start:
                before, others = self.rest.pop()
                place, names = slice(before.start, place.stop), [*others, name]
            self.rest.append((place, names))
        self.waiting = list(self.large)
        self.requests: list[Any] = []
        self.bad: list[str] = []

    def backward(self, place: str, layer: Any, dy: Array, ctx: Context) -> Array | None:
        """Let a layer trace the blame back. What is inside of one is complete when the whole of it is."""
        dx = super().backward(place, layer, dy, ctx)
        if "." not in place:
            self.begin(int(place))
        return dx

    def begin(self, index: int) -> None:
        """Begin the sums of a layer, whose gradients are complete.

        Parameters
        ----------
        index : int
            Its place in the model.
        """
        while self.waiting and _layer_of(self.waiting[0]) >= index:
            name = self.waiting.pop(0)
            self._send(self.places[name], [name])

    def complete(self) -> list[str]:
        """Begin the sums that are left; see `Sum.complete`."""
        self.begin(0)
        for place, names in self.rest:
            self._send(place, names)
        bad, self.bad, self.waiting = self.bad, [], list(self.large)
        return bad

    def _send(self, place: slice, names: list[str]) -> None:
        from mpi4py import MPI

        part = self.params.grads[place]
        for name in names:
            if name in self.params.frozen:
                self.params.grad(name).fill(0)
        if not _is_finite(part):
            self.bad += [name for name in names if self._is_bad(name)]
        self.requests.append(self.world.comm.Iallreduce(MPI.IN_PLACE, part))

    def finish(self) -> None:
        """Wait until ``params.grads`` is the sum over all ranks."""
        from mpi4py import MPI

        MPI.Request.Waitall(self.requests)
        self.requests = []


def _layer_of(name: str) -> int:
    """Return the place of the layer that has a parameter, or holds one that has: 2 for ``"2.0.W"``."""
    return int(name.partition(".")[0])


def _is_finite(numbers: Array) -> bool:
    """Tell whether all numbers are finite."""
    # One product is faster, and not finite either where a number is not; for huge ones look again.
    return math.isfinite(float(np.dot(numbers, numbers))) or bool(np.isfinite(numbers).all())
