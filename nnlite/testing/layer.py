"""`check_layer`: proves that a layer's ``backward`` is the derivative of its ``forward``."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from nnlite.core.aliases import RNG, Array
from nnlite.core.chain import joined
from nnlite.core.layer import Layer
from nnlite.data.checks import check_rows
from nnlite.errors import GradientCheckError, ShapeError
from nnlite.errors.arguments import check_method
from nnlite.errors.checks import check_finite, check_instance, check_integer, check_number, check_rng
from nnlite.errors.layers import sizes_of
from nnlite.testing.bench import Bench
from nnlite.testing.diagnosis import compare
from nnlite.testing.differences import STEP, Slopes, measure_slopes
from nnlite.testing.layer_rules import RULES, check_apart
from nnlite.testing.report import CheckReport, Rule

__all__ = ["check_layer"]

#: Features of a random input, for a layer that takes any number of them.
FEATURES = 4
#: And how many steps, lines or columns, if it takes any number of them.
OPEN = 6


def check_layer(
    layer: Layer,
    x: ArrayLike | None = None,
    *,
    batch: int = 5,
    replicas: int | None = None,
    rng: RNG = 0,
    tolerance: float = 1e-7,
) -> CheckReport:
    """Prove that a layer's gradients are right, and that it keeps the rules of `Layer`.

    A copy of the layer gets random parameters in float64, a random input x and a random
    gradient dy from above. What ``backward`` says is compared with central differences of
    ``forward``, for x and for every parameter. The layer itself is not changed.

    Parameters
    ----------
    layer : Layer
        What to check.
    x : array-like of shape (batch, features), optional
        The input; normal random numbers by default, or what ``layer.draw_input(rng, shape)``
        returns if there is such a method. Give it if ``forward`` takes only some numbers, such
        as positive ones. With replicas it may have a leading axis.
    batch : int
        Rows of a random input. The default differs from the usual numbers of features, so
        that a wrong factor or axis can be told from its size.
    replicas : int, optional
        Check that many nets at once: parameters, input and gradients then have a leading
        axis. A layer with parameters is also checked with one input for all replicas.
    rng : int, Generator or None
        The seed. A layer that draws random numbers draws the same ones in every pass.
    tolerance : float
        The largest relative error: the largest gap between a gradient and its central
        differences, over the largest entry of the two.

    Returns
    -------
    CheckReport

    Raises
    ------
    GradientCheckError
        If something is wrong. The message says what and where, and which usual slip fits.
    ArgumentTypeError, ArgumentError, ShapeError
        If an argument cannot be used.

    Notes
    -----
    The report lists what was tried, and nothing else is certified: without `replicas` it says
    nothing of replicas. A layer may mix the rows of a batch in training, as batch normalization
    does, but not in prediction. Where the slopes to the left and to the right differ, as those of
    a ReLU at 0, any gradient between the two is right.

    Examples
    --------
    >>> from nnlite import Dense, Layer
    >>> check_layer(Dense(3, 2)).largest_error < 1e-8
    True
    >>> class Square(Layer):
    ...     def forward(self, x, ctx=None):
    ...         if ctx is not None:
    ...             ctx.save(x)
    ...         return x * x
    ...     def backward(self, dy, ctx):
    ...         (x,) = ctx.saved
    ...         return x * dy
    >>> check_layer(Square(), [[1.0, 2.0]])
    Traceback (most recent call last):
    ...
    nnlite.errors.GradientCheckError: Square().backward: expected dL/dx to be 4.03864 at index (0, 1),
        as central differences say, got 2.01932, off by 0.5 of the largest entry (2 of 2 entries are wrong).
        It is half the slope: a missing factor of 2, as in the derivative 2 * x of x**2.
    """
    fix = "Give an instance of a Layer."
    check_instance("check_layer(layer)", layer, Layer, "a layer", fix=fix, arguments="...")
    for name in ("forward", "backward"):
        check_method(layer, name, Layer, kind=GradientCheckError)
    batch = check_integer("check_layer(batch=)", batch, low=1)
    tolerance = check_number("check_layer(tolerance=)", tolerance, low=0, low_open=True)
    generator = check_rng("check_layer(rng=)", rng)
    if replicas is not None:
        replicas = check_integer("check_layer(replicas=)", replicas, low=1)
    sample, data = _make_input(layer, x, batch, replicas, generator)
    seed = int(generator.integers(2**32))
    if replicas is None:
        return _check(layer, sample, data, None, seed, tolerance)
    try:
        return _check(layer, sample, data, replicas, seed, tolerance)
    except GradientCheckError as error:
        try:
            _check(layer, sample, data[0], None, seed, tolerance)
        except GradientCheckError:
            raise error from None  # it is not the replicas
        raise GradientCheckError(
            error.where,
            f"with replicas {error.expected}",
            error.got,
            "Without replicas the layer is right. Count axes from the end: axis=-2 is the batch, axis=-1 "
            "are the features, and .mT transposes, not .T.",
        ) from error


def _make_input(
    layer: Layer, x: ArrayLike | None, batch: int, replicas: int | None, rng: np.random.Generator
) -> tuple[tuple[int, ...], Array]:
    """Return the shape of a sample, and the input in float64, with an axis of replicas if there are any."""
    sample = layer.input_shape
    leading = () if replicas is None else (replicas,)
    if x is None:
        sample = tuple([size or OPEN for size in sample or (FEATURES,)])
        draw = getattr(layer, "draw_input", _normal)
        return sample, draw(rng, (*leading, batch, *sample))
    where = "check_layer(x)"
    given: Array = check_rows(where, x).astype(np.float64)
    check_finite(where, given)
    rank = 2 if sample is None else 1 + len(sample)
    start = 2 if replicas is not None and given.ndim > rank and len(given) == replicas else 1
    wanted, sample = sample, given.shape[start:]
    if not sample or (wanted is not None and joined(wanted, sample) is None):
        sizes = "features" if wanted is None else sizes_of(wanted)
        raise ShapeError(where, f"shape (batch, {sizes})", f"{given.shape}", "Give samples of that shape.")
    if replicas is not None and start == 1:
        given = np.repeat(given[None], replicas, axis=0)
    return sample, given


def _normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.normal(size=shape)


def _check(
    layer: Layer, sample: tuple[int, ...], x: Array, replicas: int | None, seed: int, tolerance: float
) -> CheckReport:
    """Run all checks on one input, and with replicas on one that they share too."""
    found = {}
    inputs = {"": x}
    if replicas is not None and layer.parameter_names:
        inputs[SHARED] = x[0]
    for label, data in inputs.items():
        make = partial(Bench, layer, sample, data, replicas)
        for rule in RULES:
            rule.check(make(np.float64, seed))
        errors = _check_gradients(make(np.float64, seed), tolerance)
        found.update({f"{name}{label}": error for name, error in errors.items()})
        NOT_TRAINING.check(make(np.float64, seed), tolerance)
        for rule in RULES:
            rule.check(make(np.float32, seed))
    checked = [rule.sentence for rule in (*RULES, NOT_TRAINING)]
    if replicas is not None:
        for data in (x, x[0]):
            APART.check(partial(Bench, layer, sample, data, replicas, np.float64, seed))
        checked.append(APART.sentence.format(replicas))
    return CheckReport(f"{layer}", found, tuple(checked))


def _check_not_training(bench: Bench, tolerance: float) -> None:
    """Check the gradients of a pass without noise, as `Sequential.jacobian` asks for them."""
    try:
        _check_gradients(bench, tolerance, training=False)
    except GradientCheckError as error:
        expected = f"{error.expected}, when ctx.training is False"
        raise GradientCheckError(error.where, expected, error.got, error.fix) from None


#: Like `RULES`, of what they are not enough for.
NOT_TRAINING = Rule("gradients are right with ctx.training False too", _check_not_training)
APART = Rule("{} replicas do not mix, with an x of their own and with one that they share", check_apart)
SHARED = " with an x that all replicas share"


def _check_gradients(bench: Bench, tolerance: float, *, training: bool = True) -> dict[str, float]:
    """Compare dL/dx and the gradient of each parameter with central differences."""
    where = f"{bench.layer}.backward"
    factors = {
        bench.batch: f"It is {bench.batch} times too large, and there are {bench.batch} rows: "
        "sum over the rows, and multiply by nothing.",
        1 / bench.batch: f"It is 1/{bench.batch} of the slope, and there are {bench.batch} rows: take the "
        "sum over the batch, not the mean; the loss has divided by the number of rows already.",
    }
    dx, grads = bench.gradients(training=training)
    output = partial(bench.output, training=training)
    errors = {}
    if bench.needs_dx and dx is not None:
        errors["dL/dx"] = compare(
            where,
            "dL/dx",
            dx,
            measure_slopes(output, bench.x, bench.dy, tolerance=tolerance),
            tolerance=tolerance,
            factors=factors,
            suspects=partial(_suspects_for_dx, bench),
            regions={"x is negative": bench.x < 0, "x is positive": bench.x > 0},
        )
    slopes = _parameter_slopes(bench, bench.dy, tolerance, training=training)
    for name, gradient in grads.items():
        errors[f"dL/d{name}"] = compare(
            where,
            f"dL/d{name}",
            gradient,
            slopes[name],
            tolerance=tolerance,
            factors=factors,
            suspects=partial(_suspects_for_parameter, bench, name, slopes),
        )
    return errors


def _parameter_slopes(
    bench: Bench, blame: Array, tolerance: float = 1.0, *, training: bool = True
) -> dict[str, Slopes]:
    """Measure the slope along every parameter."""
    output = partial(bench.output, training=training)
    flat = measure_slopes(output, bench.params.values, blame, tolerance=tolerance)
    low, high = bench.params.split(flat.low), bench.params.split(flat.high)
    return {name: Slopes(low[name], high[name], flat.floor) for name in bench.params}


def _suspects_for_dx(bench: Bench) -> Iterator[tuple[Array, str]]:
    """Give the dL/dx of each usual slip."""
    dy = bench.dy
    yield (
        dy,
        "It is dy itself: the derivative of forward is missing. By the chain rule, dL/dx = dL/dy * dy/dx.",
    )
    yield (
        measure_slopes(bench.output, bench.x, tolerance=1.0).low,
        "It does not depend on dy: multiply the derivative of forward by dy, as the chain rule says.",
    )
    for name in bench.layer._learned():  # of what it holds the layers themselves are asked
        W = getattr(bench.layer, name)
        if W.ndim == dy.ndim and W.shape[-2] == W.shape[-1] == dy.shape[-1]:
            yield dy @ W, f"It is dy @ {name}: {name} must be transposed, dy @ {name}.mT."
    if bench.x.shape == dy.shape:
        yield (
            _own_slopes(bench),
            "Each output is taken to depend on its own input only. Here it depends on others too: sum over "
            "all outputs, as Softmax does.",
        )


def _own_slopes(bench: Bench) -> Array:
    """Measure dy times the slope of each output along its own input: the diagonal of the Jacobian."""
    slopes = np.empty_like(bench.x)
    for index in np.ndindex(bench.x.shape):
        kept = bench.x[index]
        bench.x[index] = kept + STEP
        above = bench.output()[index]
        bench.x[index] = kept - STEP
        below = bench.output()[index]
        bench.x[index] = kept
        slopes[index] = bench.dy[index] * (above - below) / (2 * STEP)
    return slopes


def _suspects_for_parameter(
    bench: Bench, name: str, slopes: dict[str, Slopes]
) -> Iterator[tuple[Array, str]]:
    """Give the gradient of a parameter that each usual slip would give."""
    shape = slopes[name].low.shape
    over_batch = "Sum over the batch: np.sum(dy, axis=-2)."
    yield bench.dy.sum(axis=-1), f"The sum runs over the wrong axis. {over_batch}"
    yield np.full(shape, slopes[name].low.sum()), f"It is one total for all entries. {over_batch}"
    yield (
        _parameter_slopes(bench, np.ones_like(bench.dy))[name].low,
        "It does not depend on dy: multiply by dy, as the chain rule says.",
    )
    for other in bench.layer.parameter_names:
        if other != name:
            yield slopes[other].low, f"It is dL/d{other}: the two are swapped."
    for row, which in ((0, "first"), (bench.batch - 1, "last")):
        index = (slice(None),) * bench.batch_axis + (row,)
        blame = np.zeros_like(bench.dy)
        blame[index] = bench.dy[index]
        yield _parameter_slopes(bench, blame)[name].low, f"Only the {which} row counts. {over_batch}"
