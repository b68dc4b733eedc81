"""What a `ParameterGroup` asks for beside loss and optimizer: penalties, bounds, and rates of its own."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlite.core.aliases import Array, Value
from nnlite.core.parameters import ParameterSpec
from nnlite.errors import ArgumentError
from nnlite.layers import ParameterGroup
from nnlite.model import Sequential
from nnlite.optimizers.second_order import FullBatchOptimizer

__all__ = ["Groups"]


class Groups:
    """The groups of a net, and what their parameters have to bear in each step.

    Parameters
    ----------
    model : Sequential, optional
        The net; without one there are no groups.

    Examples
    --------
    >>> from nnlite import Dense, ParameterGroup
    >>> model = Sequential([ParameterGroup([Dense(1, 2, bias=False)], l1=0.1), Dense(2, 1)], rng=0)
    >>> model[0][0].W[...] = [[2.0, -3.0]]
    >>> groups = Groups(model)
    >>> groups.penalize(), model.params.grad("0.0.W")
    (0.5, array([[ 0.1, -0.1]], dtype=float32))
    """

    params: Any

    def __init__(self, model: Sequential | None = None) -> None:
        every = [] if model is None else model.walk()
        self.params = None if model is None else model.params
        self.all = [(prefix, layer) for prefix, layer in every if isinstance(layer, ParameterGroup)]
        self._written: Any = None
        #: Where each parameter lies, and what it is penalized by; or the factor of its steps; or its bound.
        self.penalized: list[tuple[slice, float, float]] = []
        self.factors: list[tuple[slice, float]] = []
        self.bounded: list[tuple[slice, ParameterSpec, float]] = []

    def check(self, optimizer: FullBatchOptimizer) -> None:
        """Refuse what an optimizer that looks at the loss as one function cannot heed.

        Parameters
        ----------
        optimizer : FullBatchOptimizer
            The optimizer.

        Raises
        ------
        ArgumentError
            If a group asks for something else than penalties, or for anything of one that squares errors.
        """
        heeded = () if optimizer.least_squares else ("l1", "l2")
        for prefix, layer in self.all:
            for asked in [name for name in layer.asked if name not in heeded]:
                what = f"an optimizer that heeds the {asked} of layer {prefix[:-1]} {layer}"
                raise ArgumentError("fit(optimizer=)", what, type(optimizer).__name__, "Use SGD or Adam.")

    def settle(self) -> bool:
        """Look at what the groups ask for now, and at what is frozen; tell whether that is anything."""
        if not self.all:
            return False
        asked = [(one.l1, one.l2, one.max_norm, one.rate_factor) for _, one in self.all]
        now = asked, self.params.trainable_slices
        if now != self._written:
            self._written = now
            self._write()
        return bool(self.penalized or self.factors or self.bounded)

    def _write(self) -> None:
        self.penalized, self.factors, self.bounded = [], [], []
        start = 0
        for spec in self.params.specs:
            some, start = slice(start, start + spec.size), start + spec.size
            around = [one for prefix, one in self.all if spec.name.startswith(prefix)]
            if not around or spec.name in self.params.frozen:
                continue
            l1, l2 = sum(one.l1 for one in around), sum(one.l2 for one in around)
            factor = float(np.prod([one.rate_factor for one in around]))
            limit = min(np.inf if one.max_norm is None else one.max_norm for one in around)
            if spec.decay and (l1 or l2):
                self.penalized.append((some, l1, l2))
            if factor != 1:
                self.factors.append((some, factor))
            if spec.decay and len(spec.shape) > 1 and limit < np.inf:
                self.bounded.append((some, spec, limit))

    def penalize(self) -> Value:
        """Add the slopes of the penalties to the gradients.

        Returns
        -------
        float, or ndarray of float64 of shape (replicas,)
            What they come to.
        """
        if not self.settle():
            return 0.0
        params = self.params
        total: Any = 0.0 if params.replicas is None else np.zeros(params.replicas)
        for some, l1, l2 in self.penalized:
            w, g = params.values[..., some], params.grads[..., some]
            if l2:
                total = total + l2 * np.square(w, dtype=np.float64).sum(axis=-1)
                g += 2 * l2 * w
            if l1:
                total = total + l1 * np.abs(w, dtype=np.float64).sum(axis=-1)
                g += l1 * np.sign(w)
        return float(total) if params.replicas is None else total

    def bound(self, before: Array) -> None:
        """Make of the step of the optimizer what the groups allow.

        Parameters
        ----------
        before : ndarray of shape (..., size or more)
            The values, or all numbers, from before it.
        """
        if not self.settle():
            return
        values = self.params.values
        for some, factor in self.factors:
            now, old = values[..., some], before[..., some]
            now -= old
            now *= factor
            now += old
        for some, spec, limit in self.bounded:
            columns = values[..., some].reshape(*values.shape[:-1], -1, spec.shape[-1])
            norms = np.sqrt(np.square(columns, dtype=np.float64).sum(axis=-2, keepdims=True))
            if (norms > limit).any():
                columns *= (limit / np.maximum(norms, limit)).astype(columns.dtype)
