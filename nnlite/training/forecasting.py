"""Forecasts of a series: a net looks at its last steps, and then at its own answers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from nnlite.core.aliases import Array
from nnlite.data.checks import check_rows
from nnlite.errors import ArgumentError, ArgumentTypeError, ShapeError
from nnlite.errors.arguments import explained
from nnlite.errors.checks import check_integer
from nnlite.model import Sequential

__all__ = ["forecast"]


@explained
def forecast(model: Sequential, series: ArrayLike, steps: int) -> Array:
    """Let a net tell the steps that follow a series, each from what it has told before (a closed loop).

    The net was trained on rows of `nnlite.windows`. Its answer is put behind the series, and the window
    moves on; a net of a `horizon` tells so many steps at once. Mistakes add up on the way, so the first
    steps are the surest ones. What was done to the series for the training, such as scaling, has to be done
    to this one, and undone in what comes back.

    Parameters
    ----------
    model : Sequential
        Takes samples ``(time, features)``, or rows of ``time * features`` numbers, and gives all features
        of the next step, or of several.
    series : array_like of shape (time,), (time, features) or (series, time, features)
        What is known. The net looks at its last steps.
    steps : int
        How many steps to tell.

    Returns
    -------
    ndarray of shape (steps,), (steps, features) or (series, steps, features)
        As the axes of `series`; with replicas an axis of these in front, for the loop of each.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If `model` is no net, or `steps` no positive integer, or a number of the series is not finite.
    ShapeError
        If the net takes other samples, or longer ones than the series, or does not give all features.

    See Also
    --------
    nnlite.windows : Make the rows that such a net learns from.

    Examples
    --------
    A net that has learned to go on as before, ``x[t] = 2 * x[t - 1] - x[t - 2]``:

    >>> from nnlite import Dense, Sequential, forecast
    >>> model = Sequential([Dense(2, 1, bias=False)], dtype=np.float64)
    >>> model[0].W[...] = [[-1], [2]]
    >>> forecast(model, [1.0, 2.0, 3.0], 4)
    array([4., 5., 6., 7.])
    """
    if not isinstance(model, Sequential):
        raise ArgumentTypeError("forecast(model)", "a Sequential", f"{model!r}", "Give a trained net.")
    steps = check_integer("forecast(steps)", steps, low=1)
    known = check_rows("forecast(series)", series)
    if known.ndim > 3:
        what = "shape (time,), (time, features) or (series, time, features)"
        raise ShapeError("forecast(series)", what, f"{known.shape}", "Give the steps along the axis of time.")
    many = known if known.ndim == 3 else known.reshape(1, len(known), -1)
    sample = _sample(model, many.shape)
    length = math.prod(sample) // many.shape[-1]
    told = _go_on(model, many[:, -length:], sample, steps)
    if known.ndim < 3:
        told = told[..., 0, :, :]
    return told[..., 0] if known.ndim == 1 else told


def _sample(model: Sequential, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of a sample of the net, or refuse a series that it cannot go on with."""
    _, time, features = shape
    model.boundary.check_sizes("forecast(model)", shape)
    sample = model.input_shape
    fits = sample is not None and (
        sample[1:] == (features,) if len(sample) > 1 else sample[0] % features == 0
    )
    if sample is None or not fits:
        what = f"a net of samples (time, {features}), or of rows of some steps of {features} numbers"
        got = "one of any" if sample is None else f"one of samples {sample}"
        raise ShapeError("forecast(model)", what, got, "Train one on nnlite.windows(series, steps).")
    if math.prod(sample) > time * features:
        what = f"at least {math.prod(sample) // features} steps, which the net looks at"
        raise ShapeError("forecast(series)", what, f"{time}", "Give a longer series.")
    (outputs,) = model.output_shape if model.output_shape and len(model.output_shape) == 1 else (0,)
    if outputs == 0 or outputs % features:
        what = f"a net that gives all {features} features of a step, or of several"
        fix = "Train it on nnlite.windows(series, steps) with all columns as targets."
        raise ShapeError("forecast(model)", what, f"outputs of shape {model.output_shape}", fix)
    return sample


def _go_on(model: Sequential, window: Any, sample: tuple[int, ...], steps: int) -> Array:
    """Predict, move the window on, and so forth; of shape (..., series, steps, features)."""
    window = np.asarray(window, np.result_type(model.params.dtype, window.dtype))
    features, replicas = window.shape[-1], model.params.replicas
    if replicas is not None:
        window = np.broadcast_to(window, (replicas, *window.shape))
    told: list[Array] = []
    while len(told) * (told[0].shape[-2] if told else 1) < steps:
        answer = model.predict(window.reshape(*window.shape[:-2], *sample))
        answer = answer.reshape(*answer.shape[:-1], -1, features)
        if not np.isfinite(answer).all():
            got = f"one that is not, in step {sum(one.shape[-2] for one in told) + 1}"
            fix = "The loop has run away: train the net longer, or tell fewer steps."
            raise ArgumentError("forecast(model)", "answers that are finite", got, fix)
        told.append(answer)
        window = np.concatenate([window, answer], axis=-2)[..., -window.shape[-2] :, :]
    return np.concatenate(told, axis=-2)[..., :steps, :]
