"""The rules that every layer keeps, apart from its gradients being right."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlite._typing import Array
from nnlite.errors import GradientCheckError
from nnlite.layers.base import Context
from nnlite.testing.bench import Bench
from nnlite.testing.diagnosis import explain_shape
from nnlite.testing.differences import relative_error
from nnlite.testing.report import Snapshot, check_array

__all__ = ["check_backward_rules", "check_forward_rules"]


def check_forward_rules(bench: Bench) -> None:
    """Check what ``forward`` returns, and that it depends on nothing and changes nothing else.

    Parameters
    ----------
    bench : Bench
        The layer.

    Raises
    ------
    GradientCheckError
        If a rule is broken.
    """
    where = f"{bench.layer}.forward"
    snapshot = Snapshot({"x": bench.x, "its parameters": bench.params.values})
    before = dict(vars(bench.layer))
    y = bench.forward(None)
    snapshot.check(where)
    _check_kept_nothing(where, bench, before)
    check_array(where, y, bench.y_shape, bench.params.dtype, _explain_output(bench, y))
    if not np.isfinite(y).all():
        raise GradientCheckError(
            where,
            "finite numbers",
            "NaN or infinity",
            "If it takes only some numbers, such as positive ones, give check_layer an x of those.",
        )
    quiet = bench.forward(bench.context(training=False))
    _check_agreement(
        where,
        y,
        quiet,
        "the same output with a context, in which training is False, as without one",
        "A context is only the place to keep what backward needs.",
    )
    first, again, other = (bench.forward(bench.context(seed=seed)) for seed in (0, 0, 1))
    snapshot.check(where)
    _check_agreement(
        where,
        first,
        again,
        "the same output for the same x, parameters and random generator",
        "Draw random numbers from ctx.rng only, and keep nothing from one pass to the next.",
    )
    if not bench.layer.stochastic:
        _check_agreement(
            where,
            first,
            other,
            "no chance in the output of a layer that is not stochastic",
            "Write stochastic = True in the class.",
        )


def check_backward_rules(bench: Bench) -> None:
    """Check what ``backward`` returns and writes, and that it depends on its context alone.

    Parameters
    ----------
    bench : Bench
        The layer, whose ``forward`` keeps its rules.

    Raises
    ------
    GradientCheckError
        If a rule is broken.
    """
    where = f"{bench.layer}.backward"
    before = dict(vars(bench.layer))
    ctx = bench.context()
    y = bench.forward(ctx)
    snapshot = Snapshot(
        {"x": bench.x, "dy": bench.dy, "the output y": y, "its parameters": bench.params.values}
    )
    bench.params.grads[...] = np.nan
    dx = bench.backward(ctx)
    snapshot.check(where)
    if bench.needs_dx:
        check_array(where, dx, bench.x.shape, bench.params.dtype, _explain_dx(bench, dx))
    _check_written(where, bench)
    grads = bench.params.grads.copy()

    def check_same(ctx: Context, expected: str, fix: str) -> None:
        bench.params.grads[...] = np.nan
        again = bench.backward(ctx)
        if dx is not None and again is not None:
            _check_agreement(where, dx, again, f"dL/dx {expected}", fix)
        for name, kept in bench.params.split(grads).items():
            _check_agreement(where, kept, bench.params.grad(name), f"dL/d{name} {expected}", fix)

    check_same(
        ctx,
        "to be the same when it is called again with the same context",
        "It changes what forward saved: make new arrays instead.",
    )
    other = bench.other_input()
    ctx = bench.context()
    bench.forward(ctx)
    bench.forward(bench.context(seed=1), other)
    bench.forward(None, other)
    written = _written(bench, before)
    kept_in = f" It was kept in self.{written[0]}." if written else ""
    check_same(
        ctx,
        "not to change when another input goes forward in between, in a context of its own",
        f"Keep what backward needs in ctx.save(...), not on the layer.{kept_in}",
    )
    ctx = bench.context(needs_dx=False)
    bench.forward(ctx)
    check_same(
        ctx,
        "to be the same when ctx.needs_dx is False",
        "Without a need for dL/dx it may return None, but the parameters still get their gradients.",
    )


def _explain_output(bench: Bench, y: Any) -> str:
    if isinstance(y, np.ndarray) and y.shape[:-1] == bench.y_shape[:-1]:
        return "If the layer changes the shape of a sample, write output_shape(self, input_shape)."
    return "Each row of x gives one row of y; axes before the batch stay as they are."


def _explain_dx(bench: Bench, dx: Any) -> str:
    said = explain_shape(dx.shape, bench.x.shape, bench.batch) if isinstance(dx, np.ndarray) else ""
    return said or "It returns dL/dx, which has the shape of x: for y = x @ W it is dy @ W.mT."


def _agree(a: Array, b: Array) -> bool:
    """Tell whether two results are the same up to rounding."""
    return a.shape == b.shape and relative_error(a, b) < 100 * float(np.finfo(a.dtype).eps)


def _check_agreement(where: str, a: Array, b: Array, expected: str, fix: str) -> None:
    if not _agree(a, b):
        gap = np.abs(a - b).max() if a.shape == b.shape else np.nan
        got = "something else" if np.isnan(gap) else f"a gap of {gap:.3g}"
        raise GradientCheckError(where, expected, got, fix)


def _written(bench: Bench, before: dict[str, Any]) -> list[str]:
    """Return the names of the attributes that a pass has written on the layer."""
    return [name for name, value in vars(bench.layer).items() if before.get(name, before) is not value]


def _check_kept_nothing(where: str, bench: Bench, before: dict[str, Any]) -> None:
    written = _written(bench, before)
    if written:
        raise GradientCheckError(
            where,
            "nothing to be kept on the layer",
            f"self.{written[0]} written",
            "Two passes at once would mix: write `if ctx is not None: ctx.save(...)`, and read ctx.saved "
            "in backward.",
        )


def _check_written(where: str, bench: Bench) -> None:
    """Check that no parameter's gradient still holds the NaN that was put there before."""
    missing = [name for name in bench.params if np.isnan(bench.params.grad(name)).any()]
    if not missing:
        return
    name = missing[0]
    zero, one = (bench.params.split(bench.gradients(fill)[1])[name] for fill in (0.0, 1.0))
    what = f"dL/d{name} to be written to ctx.grads.{name}"
    if np.isnan(zero).any():
        got, fix = "NaN", "It computes NaN itself: look for 0 / 0, or the logarithm of a negative number."
    elif not zero.any() and (one == 1).all():
        got, fix = "nothing written", f"Write ctx.grads.{name}[...] = ..., or give it as out=."
    elif np.allclose(one - zero, 1):
        got = "an addition to what was there"
        fix = f"Gradients overwrite: write ctx.grads.{name}[...] = ..., not +=."
    else:
        got = f"{int((one != zero).sum())} of {one.size} numbers not written"
        fix = f"Write all of them: ctx.grads.{name}[...] = ..."
    raise GradientCheckError(where, what, got, fix)
