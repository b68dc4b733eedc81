"""The rules of every layer, apart from right gradients: a sentence for each, and how it is tried."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from nnlite.checks.undeclared import check_declared
from nnlite.core.aliases import AnyArray, Array
from nnlite.core.context import Context
from nnlite.core.layer import Layer
from nnlite.errors import ArgumentError, GradientCheckError
from nnlite.testing.bench import Bench
from nnlite.testing.diagnosis import explain_shape
from nnlite.testing.differences import relative_error
from nnlite.testing.report import Rule, Snapshot, check_dtype, check_shape
from nnlite.testing.state import changed, look
from nnlite.training.random_states import Generators
from nnlite.training.replica import replica_of

__all__ = ["RULES", "check_apart"]

_Gradients = tuple[Array | None, dict[str, Array]]


def _check_declared(bench: Bench) -> None:
    check_declared("check_layer(layer)", bench.layer.walk(), kind=GradientCheckError)


def _check_output_shape(bench: Bench) -> None:
    where = f"{bench.layer}.forward"
    for ctx in (None, bench.context()):
        y = bench.forward(ctx)
        fix = "Each row of x gives one row of y; axes before the batch stay as they are."
        if isinstance(y, np.ndarray) and y.shape[:-1] == bench.y_shape[:-1]:
            fix = "If the layer changes the shape of a sample, write output_shape(self, input_shape)."
        check_shape(where, y, bench.y_shape, fix)
        if not np.isfinite(y).all():
            raise GradientCheckError(
                where,
                "finite numbers",
                "NaN or infinity",
                "If it takes only some numbers, such as positive ones, give check_layer an x of those.",
            )


def _check_arguments(bench: Bench) -> None:
    try:
        bench.layer.config()
    except ArgumentError as error:
        where, *rest = error.args
        raise GradientCheckError(where, *rest) from None


def _check_dx_shape(bench: Bench) -> None:
    ctx = bench.context()
    bench.forward(ctx)
    dx = bench.backward(ctx)
    if bench.needs_dx:
        said = explain_shape(dx.shape, bench.x.shape, bench.batch) if isinstance(dx, np.ndarray) else ""
        fix = said or "It returns dL/dx, which has the shape of x: for y = x @ W it is dy @ W.mT."
        check_shape(f"{bench.layer}.backward", dx, bench.x.shape, fix)


def _check_dtypes(bench: Bench) -> None:
    ctx = bench.context()
    for y in (bench.forward(None), bench.forward(ctx)):
        check_dtype(f"{bench.layer}.forward", y, bench.params.dtype)
    dx = bench.backward(ctx)
    if bench.needs_dx and dx is not None:
        check_dtype(f"{bench.layer}.backward", dx, bench.params.dtype)


def _check_context(bench: Bench) -> None:
    _check_agreement(
        f"{bench.layer}.forward",
        bench.forward(None).copy(),
        bench.forward(bench.context(training=False)),
        "the same output with a context, in which training is False, as without one",
        "A context is only the place to keep what backward needs.",
    )


def _check_repeats(bench: Bench) -> None:
    first = bench.forward(bench.context()).copy()
    bench.forward(None, bench.other_input())
    bench.forward(bench.context(seed=1), bench.other_input())
    _check_agreement(
        f"{bench.layer}.forward",
        first,
        bench.forward(bench.context()),
        "the same output for the same x, parameters and random generator",
        "Draw random numbers from ctx.rng only, and keep nothing from one pass to the next.",
    )


def _check_chance(bench: Bench) -> None:
    if not bench.layer.stochastic:
        _check_agreement(
            f"{bench.layer}.forward",
            bench.forward(bench.context(seed=0)).copy(),
            bench.forward(bench.context(seed=1)),
            "no chance in the output of a layer that is not stochastic",
            "Write stochastic = True in the class.",
        )


def _check_in_place(bench: Bench) -> None:
    x, dy = bench.x.copy(), bench.dy.copy()
    kept = Snapshot({"x": x, "its parameters": bench.params.values})
    ctx = bench.context()
    for some in (None, bench.context(training=False), ctx):
        y = bench.forward(some, x, copied=False)
        kept.check(f"{bench.layer}.forward")
    kept = Snapshot({"x": x, "dy": dy, "the output y": y, "its parameters": bench.params.values})
    bench.backward(ctx, dy, copied=False)
    kept.check(f"{bench.layer}.backward")


def _check_kept_nothing(bench: Bench) -> None:
    def see() -> dict[str, Any]:
        return {
            f"{place}{name}": value
            for place, one in bench.layer.walk()
            for name, value in look(
                one, without={*vars(Layer()), *one._made_anew, *one._own()}, base=Layer
            ).items()
        }

    before = see()

    def check(what: str) -> None:
        written = changed(before, see())
        if written:
            raise GradientCheckError(
                f"{bench.layer}.{what}",
                "nothing to be kept on the layer",
                f"{written[0]} written",
                "Two passes at once would mix: write `if ctx is not None: ctx.save(...)`, and read ctx.saved "
                "in backward. What is measured in training is declared as State.",
            )

    ctx = bench.context()
    for some in (None, bench.context(training=False), ctx):
        bench.forward(some)
        check("forward")
    bench.backward(ctx)
    check("backward")


def _check_kept(bench: Bench) -> None:
    kept = bench.kept()
    for ctx in (None, bench.context(training=False)):
        bench.forward(ctx)
        moved = changed(look(SimpleNamespace(**kept)), look(SimpleNamespace(**bench.kept())))
        if moved:
            raise GradientCheckError(
                f"{bench.layer}.forward",
                "state and buffers to stay as they are in prediction",
                f"another {moved[0]}",
                "Write `if ctx is not None and ctx.training:` before it.",
            )


def _check_rows(bench: Bench) -> None:
    y = bench.forward(None)
    axis = bench.x.ndim - 1 - len(bench.sample)
    out = y.ndim - 1 - (len(bench.y_shape) - 1 - bench.batch_axis)
    for row in range(bench.batch if bench.batch > 1 else 0):
        alone = bench.forward(None, bench.x.take([row], axis=axis))
        _check_agreement(
            f"{bench.layer}.forward",
            y.take([row], axis=out),
            alone,
            f"in prediction the same output for row {row} alone as among {bench.batch} rows",
            "Rows are predicted in batches of any size. Measure over a batch in training only, where "
            "ctx.training is True, and keep what was measured as State for prediction.",
        )


def _check_layout(bench: Bench) -> None:
    y = bench.forward(None).copy()
    right = bench.gradients()
    fix = "Reshape with reshape, which follows the axes, and not by the order in memory."
    for arrange in (np.asfortranarray, _every_other):
        _check_agreement(
            f"{bench.layer}.forward",
            y,
            bench.forward(None, arrange(bench.x), copied=False),
            "the same output for the same x in another order in memory",
            fix,
        )
        ctx = bench.context()
        bench.forward(ctx, arrange(bench.x), copied=False)
        found = bench.gradients(ctx, arrange(bench.dy))
        what = "to be the same for x and dy in another order in memory"
        _check_gradients_agree(bench, right, found, what, fix)


def _every_other(array: Array) -> Array:
    wide = np.repeat(array, 2, axis=-1)
    return wide[..., ::2]


def _check_own(bench: Bench) -> None:
    ctx = bench.context()
    results = {"forward": [bench.forward(None), bench.forward(ctx)], "backward": []}
    if bench.needs_dx and (dx := bench.backward(ctx)) is not None:
        results["backward"].append(dx)
    kept = {name: [array.copy() for array in arrays] for name, arrays in results.items()}
    other = bench.context(seed=1)
    bench.forward(None, bench.other_input())
    bench.forward(other, bench.other_input())
    bench.backward(other)
    bench.params.values += 1  # as a step would
    bench.grads[...] = 0
    for name, arrays in results.items():
        for array, copy in zip(arrays, kept[name], strict=True):
            if not np.array_equal(array, copy, equal_nan=True):
                raise GradientCheckError(
                    f"{bench.layer}.{name}",
                    f"what {name} returned to stay as it is",
                    "other numbers after another pass and a step",
                    "Return a new array in every pass, and no view of a parameter.",
                )


def _check_overwrites(bench: Bench) -> None:
    _, grads = bench.gradients(fill=np.nan)
    name = next((name for name, grad in grads.items() if np.isnan(grad).any()), None)
    if name is None:
        return
    zero, one = (bench.gradients(fill=fill)[1][name] for fill in (0.0, 1.0))
    what = f"dL/d{name} to be written to ctx.grads.{name}"
    if np.isnan(zero).any():
        got, fix = "NaN", "It computes NaN itself: look for 0 / 0, or the logarithm of a negative number."
    elif not zero.any() and (one == 1).all():
        got, fix = "nothing written", f"Write ctx.grads.{name}[...] = ..., or give it as out=."
        if "." in name:
            fix = f"Call `backward` of layer {name.partition('.')[0]} of self.held(ctx) too."
    elif np.allclose(one - zero, 1):
        got = "an addition to what was there"
        fix = f"Gradients overwrite: write ctx.grads.{name}[...] = ..., not +=."
    else:
        got = f"{int((one != zero).sum())} of {one.size} numbers not written"
        fix = f"Write all of them: ctx.grads.{name}[...] = ..."
    raise GradientCheckError(f"{bench.layer}.backward", what, got, fix)


def _check_again(bench: Bench) -> None:
    ctx = bench.context()
    bench.forward(ctx)
    _check_gradients_agree(
        bench,
        bench.gradients(ctx),
        bench.gradients(ctx),
        "to be the same when it is called again with the same context",
        "It changes what forward saved: make new arrays instead.",
    )


def _check_two_passes(bench: Bench) -> None:
    first = bench.gradients()
    ctx = bench.context()
    bench.forward(ctx)
    bench.forward(bench.context(seed=1), bench.other_input())
    bench.forward(None, bench.other_input())
    _check_gradients_agree(
        bench,
        first,
        bench.gradients(ctx),
        "not to change when another input goes forward in between, in a context of its own",
        "Keep what backward needs in ctx.save(...), not on the layer.",
    )


def _check_no_need(bench: Bench) -> None:
    first = bench.gradients()
    ctx = bench.context(needs_dx=False)
    bench.forward(ctx)
    _check_gradients_agree(
        bench,
        first,
        bench.gradients(ctx),
        "to be the same when ctx.needs_dx is False",
        "Without a need for dL/dx it may return None, but the parameters still get their gradients.",
    )


#: In this order: what comes first is what the ones behind it take for granted.
RULES = (
    Rule("the layers and arrays that it has are declared", _check_declared),
    Rule("its arguments are stored, so that a model file can hold it", _check_arguments),
    Rule("the output has the shape that output_shape says", _check_output_shape),
    Rule("dL/dx has the shape of x", _check_dx_shape),
    Rule("float32 gives float32, and float64 gives float64", _check_dtypes),
    Rule("nothing is changed in place: x, dy, the output, parameters", _check_in_place),
    Rule("nothing is kept on the layer but its state and buffers", _check_kept_nothing),
    Rule("state and buffers stay as they are in prediction", _check_kept),
    Rule("forward gives the same without a context as with one that does not train", _check_context),
    Rule("the same x and generator give the same output, whatever went through before", _check_repeats),
    Rule("there is no chance in it, unless stochastic = True says so", _check_chance),
    Rule("in prediction each row depends on itself alone", _check_rows),
    Rule("x and dy may lie in memory in any order", _check_layout),
    Rule("what it returned stays as it is through later passes and steps", _check_own),
    Rule("gradients overwrite what was there", _check_overwrites),
    Rule("backward gives the same when it is called again", _check_again),
    Rule("two passes can be open at once", _check_two_passes),
    Rule("gradients are the same when nobody needs dL/dx", _check_no_need),
)  # fmt: skip


def check_apart(make: Callable[[], Bench]) -> None:
    """Check that each replica gives what it gives alone, in training and then in prediction.

    Parameters
    ----------
    make : callable () -> Bench
        Makes the layer with replicas anew.

    Raises
    ------
    GradientCheckError
        If one of them gives something else.
    """
    together = make()
    replicas = together.replicas or 1
    own = bool(together.x.ndim > 1 + len(together.sample))
    # A layer without parameters that replicas share gives one output for all.
    spread = together.batch_axis == 1
    rngs = [np.random.default_rng(seed) for seed in range(replicas)]
    training = own or not together.layer.stochastic
    ctx = together.context(training=training, rng=Generators(rngs) if own else rngs[0])
    found = _pass(together, ctx, together.x, together.dy)
    for r in range(replicas):
        bench = make()
        layer = bench.layer = replica_of(bench.layer, r)
        layer._in_model = True
        bench.params = layer._materialized()
        bench.keep_buffers()
        bench.grads = np.zeros_like(bench.params.grads)
        alone = _pass(
            bench,
            bench.context(training=training, rng=np.random.default_rng(r if own else 0)),
            together.x[r] if own else together.x,
            together.dy[r] if spread else together.dy,
        )
        for name, right in alone.items():
            mine = found[name]
            if mine is None or right is None or (name == "dL/dx" and not own):
                continue
            part = mine[r] if mine.size > right.size else mine
            part = part.reshape(right.shape) if part.size == right.size else part
            method = "forward" if name in {"the output", "a prediction afterwards"} else "backward"
            _check_agreement(
                f"{together.layer}.{method}",
                right,
                part,
                f"{name} of replica {r} of {replicas}"
                + ("" if own else ", which share an x,")
                + " to be what it is alone",
                "Count axes from the end, and leave those before the batch apart: a sum over axis 0 or over "
                "all axes mixes them.",
            )


def _pass(bench: Bench, ctx: Context, x: Array, dy: Array) -> dict[str, Array | None]:
    """Run forward, backward and a prediction, and return all that comes out."""
    y = bench.forward(ctx, x).copy()
    dx, grads = bench.gradients(ctx, dy.copy())
    after = bench.forward(None, x, fresh=False)
    by_name = {f"dL/d{name}": grad for name, grad in grads.items()}
    return {"the output": y, "dL/dx": dx, **by_name, "a prediction afterwards": after}


def _check_gradients_agree(
    bench: Bench, right: _Gradients, found: _Gradients, expected: str, fix: str
) -> None:
    """Refuse two results of `Bench.gradients` that are not the same up to rounding."""
    where, (right_dx, right_grads), (dx, grads) = f"{bench.layer}.backward", right, found
    if bench.needs_dx and right_dx is not None and dx is not None:
        _check_agreement(where, right_dx, dx, f"dL/dx {expected}", fix)
    for name, grad in right_grads.items():
        _check_agreement(where, grad, grads[name], f"dL/d{name} {expected}", fix)


def _check_agreement(where: str, a: AnyArray, b: AnyArray, expected: str, fix: str) -> None:
    """Refuse two results that are not the same up to rounding."""
    if a.shape == b.shape and np.array_equal(np.isnan(a), np.isnan(b)):
        known = ~np.isnan(a)
        if relative_error(a[known], b[known]) < 100 * float(np.finfo(a.dtype).eps):
            return
    gap = np.abs(a - b).max() if a.shape == b.shape else np.nan
    raise GradientCheckError(
        where, expected, "something else" if np.isnan(gap) else f"a gap of {gap:.3g}", fix
    )
