"""explain_step: one training step of a net, with every number of it."""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from nnlite.checks.inputs import column_names
from nnlite.checks.nets import check_net
from nnlite.core.aliases import AnyArray, Array
from nnlite.core.dense import Dense
from nnlite.core.layer import Layer
from nnlite.core.losses import Loss
from nnlite.core.optimizers import Optimizer
from nnlite.core.parameters import Parameters
from nnlite.data.conversion import is_sparse
from nnlite.data.row_weights import counting_rows
from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.errors.arguments import explained
from nnlite.errors.checks import check_instance
from nnlite.exchange.table import described
from nnlite.inspect.baseline import baseline
from nnlite.inspect.float64_copy import Float64Copy, paid
from nnlite.inspect.formulas import fill_in, formula, meaning, probabilities, row_losses
from nnlite.inspect.length import end_of_schedule, give_length
from nnlite.inspect.numbers import plain
from nnlite.inspect.proof import nudge
from nnlite.inspect.recording import Step, make_step
from nnlite.inspect.step_scan import look_ahead
from nnlite.inspect.trace import StepTrace
from nnlite.inspect.words import BEATS, describe_fog, describe_proof, describe_update
from nnlite.layers.group import ParameterGroup
from nnlite.layers.normalization import BatchNorm
from nnlite.layers.standardize import Standardize
from nnlite.model import Sequential
from nnlite.optimizers.second_order import FullBatchOptimizer
from nnlite.testing.differences import STEP
from nnlite.training.identity import arguments
from nnlite.training.inside import Passing, Stop, columns, is_row

__all__ = ["explain_step"]

#: A net with more parameters is large: only the weights that are most to blame are looked at one by one.
LARGE = 400
#: How many those are.
TOP = 20
#: So many rows may be in the batch: every number of every row is kept.
MOST_ROWS = 2000
#: Bars in a histogram.
BARS = 24
#: Steps of the training that a schedule without a length gets; it begins as in a longer one.
NOMINAL = 100
#: Numbers that differ by less than this part of their size differ by rounding.
ROUNDING = 1e-12


@explained
def explain_step(
    model: Sequential,
    x: Any,
    y: Any,
    loss: Loss,
    optimizer: Optimizer,
    *,
    weight: Any = None,
    class_names: Sequence[str] | None = None,
) -> StepTrace:
    """Make one training step on a copy, and keep every number of it.

    It is the step that ``model.fit(x, y, loss=loss, optimizer=optimizer, epochs=1,
    batch_size=len(x), shuffle=False)`` would make, to the bit. The model, the optimizer and
    their random generators stay as they are; `StepTrace.trained` is the model after the step.

    Parameters
    ----------
    model : Sequential
        One net.
    x : array-like of shape (rows, features)
        One batch.
    y : array-like
        Its targets, as the loss takes them.
    loss : Loss
        What to lower.
    optimizer : Optimizer
        How to step. One that has made steps before goes on from there; a schedule that has no length
        yet gets that of 100 such epochs.
    weight : array-like of shape (rows,), optional
        How much each row counts.
    class_names : sequence of str, optional
        What the classes are called, such as ``class_names`` of a data set: one name for each output, or of a
        net with one output the names of the lower and of the higher class.

    Returns
    -------
    StepTrace
        ``print`` shows it as text, a notebook as a page; ``to_html``, ``plot`` and ``to_dict``
        give the page, a picture and the numbers.

    Raises
    ------
    ShapeError, ArgumentError, ArgumentTypeError
        If the batch, the loss or the optimizer does not fit, the model has replicas or nothing to
        train, the batch has too many rows, or something cannot be copied.
    DivergenceError
        If the loss is not finite before the step.

    Notes
    -----
    *The fog.* The step of the optimizer is made in float64 for many learning rates, all in the
    direction of the real step, and the loss is measured without dropout. What a step gains is how much
    lower the loss is behind it; the best rate is the one that gains most. A rate

    - *overshoots* if the loss behind the step is higher than before or not finite, or if it is above
      the best rate and gains less than a twentieth of what that gains;
    - *barely moves* if it is below the best rate and gains less than a twentieth, or nothing at all;
    - is *good* otherwise. On a parabola that is from a fortieth of the best rate to nearly twice the best.

    *The proof.* Each weight is moved to both sides by 1e-5 (times its size, if that is above 1), in
    float64 and without dropout: the central difference of the losses beside the gradient of
    backpropagation there. Of nets with more than 400 parameters it is done for the 20 weights with
    the largest gradients.

    *Blocks.* The layers inside of a `Sequential` or a `Residual` are shown one by one, with their places,
    and behind the last one of a `Residual` the place where what came in is added. What has branches, a
    `TimeDistributed` and a layer of your own that holds others are each one layer, with their parameters.
    `BatchNorm` goes by the statistics of this batch in all that is measured here, since that is the loss
    which the step lowers.

    *A clueless net.* With logits it guesses evenly; otherwise it gives the constant answer with the
    lowest loss on the batch, found numerically. If all targets are alike, a constant would be right
    without knowing anything, and the net whose weights are all 0 takes its place.

    References
    ----------
    D. Rumelhart, G. Hinton and R. Williams, "Learning representations by back-propagating errors",
    Nature 323, 1986.

    Examples
    --------
    >>> import nnlite as nn
    >>> X, y = nn.datasets.xor()
    >>> model = nn.Sequential([nn.Dense(2, 3), nn.Tanh(), nn.Dense(3, 1)], rng=0)
    >>> trace = nn.inspect.explain_step(model, X, y[:, None], nn.MeanSquaredError(), nn.SGD(0.1))
    >>> trace.to_dict()["fog"]["label"]
    'good'
    >>> print(trace.neuron(1, 0, row=3)["text"])
    0.9704*1 - 0.8203*1 + 0 = 0.1502, tanh -> 0.1490
    """
    _check(model, optimizer, y)
    data = _data(model, x, y, weight, loss)
    try:
        own, walker, spent = copy.deepcopy((model, optimizer, loss))
    except (TypeError, NotImplementedError) as error:
        raise ArgumentTypeError(
            "explain_step",
            "a model, a loss and an optimizer that can be copied",
            f"the error {error}",
            "Keep what cannot be copied, such as open files, out of their attributes.",
        ) from error
    rows, target, shares = data
    give_length(walker, NOMINAL, 1)
    # A loss that is not finite is answered by an error that says more than NumPy's warnings.
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        own._adapt(lambda: iter([counting_rows(rows, shares, 0)]))
        before = copy.deepcopy(own)
        began = copy.deepcopy(walker)
        step = make_step(own, rows, target, shares, spent, walker)
        return StepTrace(
            plain(_trace(before, began, step, rows, target, shares, spent, column_names(x), class_names)),
            step.model,
            step.optimizer,
        )


def _check(model: Any, optimizer: Any, y: Any) -> None:
    if not isinstance(model, Sequential):
        raise ArgumentTypeError(
            "explain_step(model)", "a Sequential", f"{model!r}", "Write Sequential([...layers...])."
        )
    check_net("explain_step", model)
    for prefix, layer in model.walk():
        if isinstance(layer, ParameterGroup) and layer.asked:
            what = "a net whose steps are those of the optimizer alone"
            fix = "Put its layers into a Sequential, or let its group ask for nothing."
            raise ArgumentError("explain_step(model)", what, f"layer {prefix[:-1]} {layer}", fix)
    where = "explain_step(optimizer)"
    if isinstance(optimizer, FullBatchOptimizer):
        raise ArgumentTypeError(
            where, "an optimizer that makes one step a batch", f"{optimizer!r}", "Use SGD or Adam."
        )
    check_instance(where, optimizer, Optimizer, "an Optimizer instance", fix="Use one of nnlite.optimizers.")
    optimizer.check(model.params)
    if not model.params.trainable_slices:
        fix = "Call unfreeze() on a layer." if model.params.size else "Add a Dense layer."
        raise ArgumentError("explain_step(model)", "a model with something to train", "none", fix)
    if y is None:
        raise ArgumentTypeError("explain_step(y)", "the targets of the batch", "None", "Give x and y.")


def _data(model: Sequential, x: Any, y: Any, weight: Any, loss: Loss) -> tuple[Array, AnyArray, Array | None]:
    """Check and cast the batch as `fit` does."""
    if is_sparse(x):
        raise ArgumentTypeError(
            "explain_step(x)", "a dense array", f"a sparse {type(x).__name__}", "Write x.toarray()."
        )
    edge = model.boundary
    edge.check_loss(loss)
    x = edge.check_input(x, where="explain_step(x)", finite=True)
    if len(x) > MOST_ROWS:
        raise ArgumentError(
            "explain_step(x)",
            f"one batch of at most {MOST_ROWS:,} rows, of which every number is kept",
            f"{len(x):,} rows",
            "Give some of the rows, such as x[:32] and y[:32].",
        )
    y, weight = edge.check_targets(y, weight, loss, x)
    # As `fit` has them: bits depend on the order in memory too.
    return np.ascontiguousarray(x), np.ascontiguousarray(y), weight


def _trace(
    before: Sequential,
    optimizer: Optimizer,
    step: Step,
    x: Array,
    y: AnyArray,
    weight: Array | None,
    loss: Loss,
    names: tuple[str, ...] | None,
    class_names: Sequence[str] | None,
) -> dict[str, Any]:
    """Put everything together."""
    net = Float64Copy(before, x, y, weight, loss)
    gradient = net.gradient(net.start)
    large = step.before.size > LARGE
    ranked = np.argsort(-np.nan_to_num(np.abs(step.grads), nan=np.inf), kind="stable")[:TOP]
    places = _places(step.model.params)
    fog = look_ahead(net, optimizer, step.rate, step.grads.astype(np.float64), gradient)
    over = end_of_schedule(optimizer)
    fog["over"] = f"{over}." if over else None
    fog["why"] = " ".join(filter(None, (describe_fog(fog), fog["over"])))
    width = math.prod(x.shape[1:])
    names = before.feature_names or names
    rate = optimizer.learning_rate
    return {
        "format": 1,
        "model": {
            "text": repr(before),
            "parameters": int(step.before.size),
            "dtype": before.params.dtype.name,
            "rows": len(x),
        },
        "optimizer": {
            "text": _settings(optimizer),
            "name": type(optimizer).__name__,
            "learning_rate": step.rate,
            "schedule": repr(rate) if callable(rate) else None,
            "step": optimizer.steps,
            "settings": {
                name: value for name, value in arguments(optimizer) if isinstance(value, bool | int | float)
            },
        },
        "data": {
            "x": x.reshape(len(x), -1),
            "y": y,
            "weight": weight,
            "feature_names": list(names) if names is not None and len(names) == width else None,
            "class_names": _class_names(class_names, step.pred),
        },
        "stages": _stages(step, x, optimizer),
        "loss": _loss(loss, step, y, weight, net),
        "blame": {
            "top": [
                {"parameter": name, "index": index, "grad": step.grads[place]}
                for place in ranked
                for name, index in [places(int(place))]
            ]
        },
        "fog": fog,
        "update": _update(before, step, x, y, weight, loss, places),
        "state": _state(before, step),
        "proof": _proof(
            net, gradient, ranked.tolist() if large else range(step.before.size), places, not large
        ),
        "beats": [name for name, _ in BEATS],
        "large": large,
        "histograms": _histograms(step) if large else [],
    }


def _settings(optimizer: Optimizer) -> str:
    """Write an optimizer as it was made, without what is usual."""
    usual = inspect.signature(type(optimizer).__init__).parameters
    shown = [
        f"{name}={value!r}"
        for name, value in arguments(optimizer)
        if name == "learning_rate" or (name in usual and usual[name].default != value)
    ]
    return f"{type(optimizer).__name__}({', '.join(shown)})"


def _places(params: Parameters) -> Any:
    """Return the function from a place in the flat array to the name of the parameter and the index in it."""
    starts = np.cumsum([0, *(spec.size for spec in params.specs)])

    def find(place: int) -> tuple[str, list[int]]:
        at = int(np.searchsorted(starts, place, side="right")) - 1
        spec = params.specs[at]
        return spec.name, [int(part) for part in np.unravel_index(place - int(starts[at]), spec.shape)]

    return find


def _class_names(names: Sequence[str] | None, pred: Array) -> list[str] | None:
    from nnlite.plot.given import check_names

    outputs = math.prod(pred.shape[1:])
    # A data set of numbers has none.
    if names is None or (not isinstance(names, str) and not len(names)):
        return None
    return check_names("explain_step(class_names=)", names, max(outputs, 2), "classes")


def _stages(step: Step, x: Array, began: Optimizer) -> list[dict[str, Any]]:
    """Sort the layers into columns of neurons, each with what it did."""
    outputs = step.passing.outputs
    groups = columns(step.way, x.shape[1:], [outputs[stop.place].shape[1:] for stop in step.way])
    params = step.model.params
    kinds = {"before": step.before, "grad": step.grads, "after": params.values}
    if (step.grads != params.grads).any():
        kinds["clipped"] = params.grads
    numbers = {kind: params.split(buffer) for kind, buffer in kinds.items()}
    # What the optimizer keeps is 0 until it has made a step.
    kept = {
        slot: [params.split(began.state.get(slot, np.zeros_like(array))), params.split(array)]
        for slot, array in step.optimizer.state.items()
    }
    stages = []
    for place, group in enumerate(groups):
        last = outputs[group[-1].place] if group else x
        stages.append(
            {
                "label": _label(place, len(groups)),
                "units": math.prod(last.shape[1:]),
                "text": ", ".join(map(_named, group)),
                "steps": [_layer_step(step, stop, numbers, kept) for stop in group],
                "from": place - 1 if place else None,
            }
        )
    _tie(step.way, groups, stages)
    return stages


def _named(stop: Stop) -> str:
    """Name a layer; one of a block with its place."""
    if stop.joins:
        return f"+ input of {stop.place} {type(stop.layer).__name__}"
    own = f"{stop.place} {stop.layer!r}" if "." in stop.place or stop.layer.children else repr(stop.layer)
    held = ", ".join(f"{prefix[:-1]} {layer!r}" for prefix, layer in _held(stop))
    return f"{own} with {held}" if held else own


def _held(stop: Stop) -> list[tuple[str, Layer]]:
    """Give the layers that one is made of, with what the names of their parameters begin with."""
    every = stop.layer.walk(f"{stop.place}.")
    return [(prefix, layer) for prefix, layer in every if layer is not stop.layer and not is_row(layer)]


def _tie(way: list[Stop], groups: list[list[Stop]], stages: list[dict[str, Any]]) -> None:
    """Note where each `Residual` gets from what it adds, and there that it is added."""
    where = {stop.place: (stage, at) for stage, group in enumerate(groups) for at, stop in enumerate(group)}
    for stop in way:
        if stop.joins:
            stage, at = where[stop.place]
            added = stop.added(way)
            there, step = where[added.place] if added else (0, 0)
            stages[stage]["steps"][at]["adds"] = there
            if added:
                stages[there]["steps"][step].setdefault("ways", []).append([stage, at])


def _label(place: int, count: int) -> str:
    if not place:
        return "input"
    return "output" if place == count - 1 else f"hidden layer {place}"


def _layer_step(
    step: Step,
    stop: Stop,
    numbers: dict[str, dict[str, Array]],
    kept: dict[str, list[dict[str, Array]]],
) -> dict[str, Any]:
    place, layer, slope, passing = stop.place, stop.layer, step.slopes[stop.place], step.passing
    rows = len(passing.outputs[place])

    def by_rows(array: Array | None) -> Any:
        return None if array is None else array.reshape(rows, -1)

    names = [name.removeprefix(f"{place}.") for name in stop.learned]
    frozen = layer.frozen
    found = {
        "layer": int(place.partition(".")[0]),
        "place": place,
        "text": type(layer).__name__ if stop.joins else repr(layer),
        "kind": "join" if stop.joins else _kind(layer, slope),
        "out": by_rows(passing.outputs[place]),
        "blame": by_rows(passing.blames.get(place)),
        "slope": by_rows(slope),
        "parameters": {
            name: {
                "name": f"{place}.{name}",
                "shape": list(layer._specs[name].shape),
                "decay": layer._specs[name].decay,
                "frozen": name in frozen,
                **{kind: numbers[kind][f"{place}.{name}"] for kind in numbers},
                "kept": {slot: [one[f"{place}.{name}"] for one in both] for slot, both in kept.items()},
            }
            for name in names
        },
    }
    if stop.joins:
        found["came"] = by_rows(passing.inputs[place])
    elif layer.children:
        found["holds"] = [_inner(passing, prefix[:-1], inner, rows) for prefix, inner in _held(stop)]
    elif isinstance(layer, Standardize):
        found["mean"], found["scale"] = layer.mean, layer.scale
    return found


def _inner(passing: Passing, place: str, layer: Layer, rows: int) -> dict[str, Any]:
    """Say what a layer inside of another answered and was blamed for, as far as it was listened to."""

    def by_rows(array: Array | None) -> Any:
        # A layer that is called once for each part of a row answers for each; without padding those of a
        # row stand together. One that saw the parts of some rows only cannot be told apart by rows.
        whole = array is not None and len(array) and len(array) % rows == 0
        return array.reshape(rows, -1) if array is not None and whole else None

    return {
        "place": place,
        "text": repr(layer),
        "out": by_rows(passing.outputs.get(place)),
        "blame": by_rows(passing.blames.get(place)),
    }


def _state(before: Sequential, step: Step) -> list[dict[str, Any]]:
    """Tell what is kept and not learned, before and behind the step."""
    return [
        {
            "name": f"{prefix}{name}",
            "layer": repr(layer),
            "momentum": layer.momentum if isinstance(layer, BatchNorm) else None,
            "before": before.params[f"{prefix}{name}"],
            "after": step.model.params[f"{prefix}{name}"],
        }
        for prefix, layer in step.model.walk()
        for name in layer._own()
        if not layer._specs[name].learned
    ]


def _kind(layer: Layer, slope: Array | None) -> str:
    if isinstance(layer, Dense):
        return "dense"
    known = described(layer)
    if known is not None:
        return "activation" if known.slope or known.bounds else "other"
    return (
        "activation" if slope is not None and not layer.parameter_names and not layer.stochastic else "other"
    )


def _loss(loss: Loss, step: Step, y: AnyArray, weight: Array | None, net: Float64Copy) -> dict[str, Any]:
    rows = row_losses(loss, step.pred, y)
    filled, each = fill_in(loss, step.pred, y, weight, rows, step.value)
    return {
        "text": repr(loss),
        "value": step.value,
        "formula": formula(loss),
        "filled": filled,
        "filled_rows": each,
        "rows": rows,
        "worst": _worst(rows, weight),
        "blame": step.dy,
        "clueless": baseline(loss, net, step.pred),
        "prediction": step.pred,
        "prediction_text": meaning(loss),
        "probabilities": probabilities(loss, step.pred),
    }


def _worst(rows: list[float] | None, weight: Array | None) -> int | None:
    """Return the row that adds most to the loss."""
    if rows is None:
        return None
    parts = np.asarray(rows) if weight is None else np.asarray(rows) * weight
    return int(np.nan_to_num(parts, nan=-np.inf).argmax())


def _update(
    before: Sequential, step: Step, x: Array, y: AnyArray, weight: Array | None, loss: Loss, places: Any
) -> dict[str, Any]:
    """Compare prediction and loss before and behind the step, without dropout."""
    # With the statistics of this batch, where there is BatchNorm.
    old, new = before._quiet_forward(x, weight), step.model._quiet_forward(x, weight)
    change = np.abs(step.model.params.values.astype(np.float64) - step.before)
    largest = int(np.nan_to_num(change, nan=np.inf).argmax())
    name, index = places(largest)
    found = {
        "loss_before": paid(loss, old, y, weight),
        "loss_after": paid(loss, new, y, weight),
        "prediction_before": old,
        "prediction_after": new,
        "largest_change": change[largest],
        "largest": {
            "parameter": name,
            "index": index,
            "before": step.before[largest],
            "after": step.model.params.values[largest],
        },
        "noise": any(layer.stochastic for _, layer in before.walk()),
        "clipped": bool((step.grads != step.model.params.grads).any()),
        "moved": int((change > 0).sum()),
    }
    frozen = sum(spec.size for spec in before.params.specs if spec.name in before.params.frozen)
    return {**found, "text": describe_update(plain(found), step.before.size, frozen)}


def _proof(net: Float64Copy, gradient: Array, chosen: Any, places: Any, every: bool) -> dict[str, Any]:
    middle = net.loss(net.start)
    checks = []
    for place in chosen:
        name, index = places(place)
        found = nudge(net, place, float(gradient[place]), middle=middle)
        checks.append({"parameter": name, "index": index, **plain(found._asdict())})
    net.model.params.values[...] = net.start
    proof = {"step": STEP, "checks": checks, "all": every}
    return {**proof, "text": describe_proof(proof)}


def _histograms(step: Step) -> list[dict[str, Any]]:
    """Count values, gradients and changes of each parameter."""
    params = step.model.params
    found = []
    with np.errstate(all="ignore"):
        kinds = {
            "value": step.before,
            "gradient": step.grads,
            "change": params.values - step.before,
        }
    for spec in params.specs:
        for what, buffer in kinds.items():
            numbers = params.split(buffer)[spec.name].ravel().astype(np.float64)
            counts, edges = _histogram(numbers[np.isfinite(numbers)])
            found.append({"parameter": spec.name, "what": what, "edges": edges, "counts": counts})
    return found


def _histogram(numbers: Array) -> tuple[AnyArray, Array]:
    """Count numbers in bars; those that differ by rounding only share one."""
    low, high = (float(numbers.min()), float(numbers.max())) if len(numbers) else (0.0, 1.0)
    size = max(abs(low), abs(high))
    if high - low > ROUNDING * size:
        return np.histogram(numbers, bins=BARS)
    # No bars fit between them: these are all together as wide as the numbers are large.
    half = 0.5 * size or 0.5
    return np.histogram(numbers, bins=BARS, range=(low - half, low + half))
