"""Derivatives one example at a time, by a leading axis of examples in place of a loop over them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nnlite.core.aliases import Array
from nnlite.core.context import Context, Watcher
from nnlite.core.losses import Loss
from nnlite.data.conversion import is_sparse
from nnlite.errors import ArgumentError, ShapeError
from nnlite.errors.arguments import is_ours
from nnlite.model import Sequential

__all__ = ["jacobian", "outputs_and_jacobian", "per_example_gradients"]

#: Results above this many bytes are refused: it is easy to ask for more than there is by mistake.
LARGEST_RESULT = 4 * 2**30


def per_example_gradients(model: Sequential, x: Any, y: Any, loss: Loss, *, weight: Any = None) -> Array:
    """Compute the gradient of each example; see `Sequential.per_example_gradients`, which calls this."""
    where = "Sequential.per_example_gradients(x)"
    model.boundary.check_loss(loss)
    x = model.boundary.check_input(x, where=where, finite=True)
    y, weight = model.boundary.check_targets(y, weight, loss, x, part=True)
    grads = _allocate(model, model.boundary.rows(x), where)
    if not grads.size:
        return grads
    single = _examples_first(model, x)
    _check_layers(model, single, _axes(model))
    ctx = model.context(training=False, grads=_swap(model, grads))
    pred = _swap(model, model._forward(single, ctx)[..., 0, :])
    # The loss sees its batch as ever, so what it and the weights do to a row is its own affair.
    dy = loss.value_and_grad(pred, y, weight)[1] * pred.shape[-2]
    model._backward(_swap(model, dy)[..., None, :], ctx)
    if weight is not None and not weight.all():  # 0 times what has overflowed is no number
        np.copyto(grads, 0, where=(weight == 0)[..., None])
    return grads


def jacobian(model: Sequential, x: Any) -> Array:
    """Compute the derivative of every output by every parameter; see `Sequential.jacobian`."""
    x = model.boundary.check_input(x, where="Sequential.jacobian(x)", finite=True)
    if model.boundary.output_rank > 1:
        raise ShapeError(
            f"layer {len(model.layers) - 1} {model.layers[-1]}",
            "output of shape (batch, outputs)",
            f"samples of shape {model.output_shape}",
            f"End the model with Flatten({model.output_shape}).",
        )
    return outputs_and_jacobian(model, x)[1]


def outputs_and_jacobian(model: Sequential, x: Array) -> tuple[Array, Array]:
    """Compute the outputs and their Jacobian in one pass, for an input that was checked.

    Parameters
    ----------
    model : Sequential
        The net.
    x : ndarray of shape (rows, features) or (replicas, rows, features)
        The input.

    Returns
    -------
    outputs : ndarray of shape (rows, outputs) or (replicas, rows, outputs)
    jacobian : ndarray of shape (*outputs.shape, size)
        The last axis is laid out as ``model.params.values``.

    Raises
    ------
    ArgumentError
        If the result would be too large, or a layer does not keep examples apart.

    Examples
    --------
    >>> from nnlite import Dense
    >>> model = Sequential([Dense(1, 1)], rng=0)
    >>> outputs_and_jacobian(model, np.array([[3.0]], dtype=np.float32))[1]
    array([[[3., 1.]]], dtype=float32)
    """
    shape = model.boundary.pred_shape(x)
    jacobian = _allocate(model, shape, "Sequential.jacobian(x)")
    if not jacobian.size:
        return model._forward(x), jacobian
    # A second leading axis, one entry for each output. One backward pass for each output after a single
    # forward pass took the same time within 10 % from 1 to 20 outputs, and more lines.
    count = shape[-1]
    single = _examples_first(model, x)[:, None]
    single = np.broadcast_to(single, (len(single), count, *single.shape[2:]))
    _check_layers(model, single, 1 + _axes(model))
    by_rows = jacobian if model.params.replicas is None else np.moveaxis(jacobian, 0, 2)
    ctx = model.context(training=False, grads=by_rows)
    y = model._forward(single, ctx)
    unit = np.eye(count, dtype=y.dtype).reshape(count, *(1,) * (y.ndim - 3), count)
    model._backward(np.broadcast_to(unit, y.shape), ctx)
    return _swap(model, y[:, 0, ..., 0, :]), jacobian


def _axes(model: Sequential) -> int:
    """Count the leading axes of a pass: one of examples, and one of replicas if there are any."""
    return 1 if model.params.replicas is None else 2


def _swap(model: Sequential, array: Array) -> Array:
    """Exchange the axes of rows and replicas; the parameters ask for that of replicas behind that of rows."""
    return array if model.params.replicas is None else array.swapaxes(0, 1)


def _examples_first(model: Sequential, x: Array) -> Array:
    """Bring an input into the shape (rows, 1, features) or (rows, replicas or 1, 1, features)."""
    if is_sparse(x):
        # Smaller than the result, which has a number for every weight of every row.
        x = x.toarray()  # type: ignore[attr-defined]
    if model.params.replicas is None:
        return x[:, None]
    if model.boundary.row_axis(x) == 0:
        return x[:, None, None]
    return x.swapaxes(0, 1)[:, :, None]


def _allocate(model: Sequential, leading: tuple[int, ...], where: str) -> Array:
    """Make the array for the result, or say how many rows at a time would do."""
    size, dtype = model.params.size, model.params.dtype
    needed = math.prod(leading) * size * dtype.itemsize
    if needed > LARGEST_RESULT:
        axis = 0 if model.params.replicas is None else 1
        rows = LARGEST_RESULT // (needed // leading[axis])
        what = " x ".join(f"{count:,}" for count in (*leading, size))
        raise ArgumentError(
            where,
            f"a result of at most {LARGEST_RESULT / 2**30:g} GiB",
            f"{what} numbers of {dtype}, {needed / 2**30:.1f} GiB",
            f"Give at most {rows:,} rows at a time." if rows else "Make the layers smaller.",
        )
    return np.empty((*leading, size), dtype)


def _check_layers(model: Sequential, x: Array, axes: int) -> None:
    """Refuse a layer of the user's own that does not leave the leading axes alone.

    Two examples go through the layers, and only the first one gets a blame. A gradient of the
    other that is not exactly zero then shows a layer that has taken the leading axis for its batch.
    """
    if all(is_ours(type(layer)) for _, layer in model.walk()):  # the tests hold the package's layers to it
        return
    x = x[[0, -1]]
    leading = x.shape[:axes]
    if model.params.replicas is not None:
        leading = (*leading[:-1], model.params.replicas)
        x = np.broadcast_to(x, (*leading, *x.shape[axes:]))
    grads = np.zeros((*leading, model.params.size), x.dtype)
    ctx = model.context(training=False, grads=grads, watch=_Rule(leading))
    blame = np.zeros_like(model._forward(x, ctx))
    blame[(0,) * axes] = 1
    model._backward(blame, ctx)


class _Rule(Watcher):
    """Refuses what does not leave the leading axes alone, of layers inside of others first."""

    def __init__(self, leading: tuple[int, ...]) -> None:
        self.leading = leading
        self.said: ArgumentError | None = None

    def forward(self, place: str, layer: Any, x: Array, ctx: Context) -> Array:
        ctx.x_shape = x.shape  # a layer of the user's own that holds this one need not note it
        try:
            y = super().forward(place, layer, x, ctx)
        except (ValueError, IndexError) as error:
            if error is self.said:  # it is that of a layer inside
                raise
            raise self.broken(place, layer, "forward", f"the error {error}") from error
        if y.shape[: len(self.leading) + 1] != (*self.leading, 1):
            raise self.broken(place, layer, "forward", f"an output of shape {y.shape}")
        return y

    def backward(self, place: str, layer: Any, dy: Array, ctx: Context) -> Array | None:
        axes = len(self.leading)
        try:
            dx = super().backward(place, layer, dy, ctx)
        except (ValueError, IndexError) as error:
            if error is self.said:
                raise
            raise self.broken(place, layer, "backward", f"the error {error}") from error
        for name, grad in vars(ctx.grads).items():
            if _mixes(grad, axes):
                what = f"a gradient of {name} with the blame of one example in the row of another"
                raise self.broken(place, layer, "backward", what)
        if not ctx.needs_dx:
            return dx
        if dx is None or dx.shape != ctx.x_shape:
            got = "None" if dx is None else f"dL/dx of shape {dx.shape} for an input of shape {ctx.x_shape}"
            raise self.broken(place, layer, "backward", got)
        if _mixes(dx, axes):
            what = "dL/dx with the blame of one example in the row of another"
            raise self.broken(place, layer, "backward", what)
        return dx

    def broken(self, place: str, layer: Any, method: str, got: str) -> ArgumentError:
        self.said = ArgumentError(
            f"layer {place} {layer}.{method}",
            "all axes before (batch, features) to be left alone",
            got,
            "Sum over axis=-2, transpose with .mT; nnlite.testing.check_layer(layer, replicas=3) tests it.",
        )
        return self.said


def _mixes(array: Array, axes: int) -> bool:
    """Tell whether anything but the first entry of the leading axes is not zero; NaN is no evidence."""
    others = np.isfinite(array) & (array != 0)
    others[(0,) * axes] = False
    return bool(others.any())
