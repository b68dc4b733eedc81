"""One layer taken out of its model, with random parameters, an input, and a blame for its output."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from nnlite.core.aliases import AnyArray, Array
from nnlite.core.context import Context, Rows
from nnlite.core.layer import Layer
from nnlite.core.parameters import Parameters
from nnlite.testing.diagnosis import shape_hint
from nnlite.testing.report import guarded

__all__ = ["Bench"]


class Bench:
    """A copy of a layer, and what the checks do with it again and again.

    Parameters
    ----------
    layer : Layer
        It is copied, and not changed.
    sample : tuple of int
        Shape of one input sample.
    x : ndarray of shape (batch, *sample) or (replicas, batch, *sample)
        The input. Without the leading axis all replicas share it.
    replicas : int or None
        That many nets at once.
    dtype : dtype
        Of everything.
    seed : int
        Of everything random.

    Attributes
    ----------
    layer, x, params
        The copy, the input, and the parameters and gradients of the copy.
    dy : ndarray of the shape of the output
        The gradient that comes from above: normal random numbers.
    grads : ndarray
        Where contexts have gradients written: a buffer apart from that of the parameters.
    sample, replicas
        What was given.
    y_shape : tuple of int
        The shape that the output should have.
    batch, batch_axis : int
        The number of rows, and the axis of `dy` that counts them.
    needs_dx : bool
        Whether dL/dx is asked for; not if the replicas share `x`.
    """

    def __init__(
        self, layer: Layer, sample: tuple[int, ...], x: Array, replicas: int | None, dtype: Any, seed: int
    ) -> None:
        self.layer = copy.deepcopy(layer)
        self.x: Array = x.astype(dtype)
        self.sample, self.replicas = sample, replicas
        self.params = Parameters(self.layer._specs.values(), dtype=dtype, replicas=replicas)
        self.layer._in_model = True  # or a Sequential would be a model on its own
        self.layer._move_into(self.params)
        rng = np.random.default_rng(seed)
        every = {id(one): None for _, one in self.layer.walk()}
        self.layer._fill(self.layer._draw([rng] if replicas is None else rng.spawn(replicas), every))
        # Away from where they start: a bias of zero, or a gain of one, hides mistakes.
        self.params.values += rng.normal(scale=0.1, size=self.params.values.shape).astype(dtype)
        if not self.layer.adapted:
            self.layer.adapt(self.x)
        *leading, self.batch = x.shape[: x.ndim - len(sample)]
        self.needs_dx = replicas is None or bool(leading)
        if replicas is not None and self.layer.parameter_names:
            leading = [replicas]
        self.batch_axis = len(leading)
        self.y_shape = (*leading, self.batch, *self.layer.shape_after(sample))
        self.dy: Array = rng.normal(size=self.y_shape).astype(dtype)
        self.grads = np.zeros_like(self.params.grads)
        self.keep_buffers()

    def kept(self) -> dict[str, AnyArray]:
        """Copy what the layer has measured: its buffers, and its state."""
        found = {name: self.params[name].copy() for name in (spec.name for spec in self.params.state_specs)}
        for place, one in self.layer.walk():
            found |= {f"{place}buffers[{name!r}]": array.copy() for name, array in one.buffers.items()}
        return found

    def keep_buffers(self) -> None:
        """Let every pass begin with buffers and state as they are now, so that none depends on one before."""
        self._state = self.params.state.copy()
        self._buffers = copy.deepcopy(self.layer.measured())

    def put_back(self) -> None:
        """Put back what was kept."""
        self.params.state[...] = self._state
        self.layer.take_measured(self._buffers)

    def context(
        self, *, training: bool = True, seed: int = 0, needs_dx: bool | None = None, rng: Any = None
    ) -> Context:
        """Make a context. The same seed gives the same random numbers in ``forward``."""
        ctx: Context = self.layer._context(
            self.params.split(self.grads),
            training=training,
            rng=np.random.default_rng(seed) if rng is None else rng,
            needs_dx=self.needs_dx if needs_dx is None else needs_dx,
            rows=Rows(),
        )
        return ctx

    def other_input(self) -> Array:
        """Make another input of the same shape, of numbers that the layer takes."""
        rng = np.random.default_rng(1)
        draw = getattr(self.layer, "draw_input", None)
        if draw is None:  # the same numbers in other places, since only they are known to be taken
            return rng.permutation(self.x.ravel()).reshape(self.x.shape)
        other: Array = draw(rng, self.x.shape).astype(self.x.dtype)
        return other

    def forward(
        self, ctx: Context | None, x: Array | None = None, *, copied: bool = True, fresh: bool = True
    ) -> Array:
        """Run the layer forward, on a copy of the input and with buffers and state as they were."""
        if fresh:
            self.put_back()
        x = self.x if x is None else x
        x = x.copy() if copied else x
        return guarded(
            f"{self.layer}.forward",
            f"a result for x of shape {x.shape}",
            lambda _: (
                "The traceback above shows the line."
                if self.layer.input_shape is not None
                else "The traceback above shows the line. If that x does not fit, give one that does, "
                "check_layer(layer, x), or let the layer say its input_shape."
            ),
            self.layer.forward,
            x,
            ctx,
        )

    def backward(self, ctx: Context, dy: Array | None = None, *, copied: bool = True) -> Array | None:
        """Run the layer backward. The gradients of its parameters are then in `grads`."""
        dy = self.dy if dy is None else dy
        return guarded(
            f"{self.layer}.backward",
            f"a result for dy of shape {dy.shape}",
            shape_hint(self.batch),
            self.layer.backward,
            dy.copy() if copied else dy,
            ctx,
        )

    def output(self, *, training: bool = True) -> Array:
        """Compute the output, always with the same random numbers."""
        return self.forward(self.context(training=training))

    def gradients(
        self, ctx: Context | None = None, dy: Array | None = None, *, fill: float = 0.0, training: bool = True
    ) -> tuple[Array | None, dict[str, Array]]:
        """Run backward, and forward before it if there is no context of a pass.

        Parameters
        ----------
        ctx : Context, optional
            That of the pass forward.
        dy : ndarray, optional
            What comes from above, handed over as it lies; a copy of `self.dy` by default.
        fill : float
            What the gradient buffer holds before.
        training : bool
            What a context that is made here says.

        Returns
        -------
        dx : ndarray or None
            A copy of what ``backward`` returned.
        grads : dict of str to ndarray
            A copy of the gradient of each parameter.
        """
        if ctx is None:
            ctx = self.context(training=training)
            self.forward(ctx)
        self.grads[...] = fill
        dx = self.backward(ctx, dy, copied=dy is None)
        return None if dx is None else dx.copy(), self.params.split(self.grads.copy())
