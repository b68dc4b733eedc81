"""The rules that every optimizer keeps."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from nnlite.core.aliases import Array
from nnlite.core.blocks import CHUNK
from nnlite.core.optimizers import Optimizer
from nnlite.core.parameters import Parameters, ParameterSpec
from nnlite.errors import ArgumentError, GradientCheckError
from nnlite.testing.differences import relative_error
from nnlite.testing.report import Rule, Snapshot, guarded

__all__ = ["BLOCKS", "DECAY", "PICKLE", "RATES", "RULES", "can_be_pickled"]

Make = Callable[[], Optimizer]

#: Steps in which the loss must have become smaller.
DOWNHILL_STEPS = 100
#: Steps of a run that is compared with another.
STEPS = 6
#: Largest relative difference between two ways to compute the same number in float64.
ROUNDING = 1e-12
SPECS = (ParameterSpec("W", (4, 3)), ParameterSpec("b", (3,), decay=False))


def check_downhill(make: Make, *_unused: Any) -> None:
    """Check that the loss becomes smaller on a sum of squares."""
    optimizer = make()
    start, end, moved = _descend(optimizer, 1.0)
    if end < start:
        return
    _, reversed_end, _ = _descend(make(), -1.0)
    if not moved:
        fix = "The values have not moved. Write into the array that update gets: w -= rate * g."
    elif reversed_end < start:
        fix = "The sign is wrong: write w -= rate * g."
    else:
        fix = "If the learning rate is large, make it smaller: plain descent needs one below 1 here."
    raise GradientCheckError(
        f"{type(optimizer).__name__}.step",
        f"a lower loss after {DOWNHILL_STEPS} steps on a sum of squares",
        f"{end:.6g} after {start:.6g}",
        fix,
    )


def _descend(optimizer: Optimizer, sign: float) -> tuple[float, float, bool]:
    """Step along the gradient of a sum of squares, and return the loss before and after."""
    params = Parameters(SPECS, dtype=np.float64)
    curvature = np.linspace(0.5, 2.0, params.size)
    optimum = np.where(np.arange(params.size) % 2, 1.0, -1.0)

    def loss() -> float:
        return float(0.5 * np.sum(curvature * (params.values - optimum) ** 2))

    start = loss()
    with np.errstate(over="ignore", invalid="ignore"):  # too large a rate is to be seen, not to warn
        for _ in range(DOWNHILL_STEPS):
            params.grads[...] = sign * curvature * (params.values - optimum)
            _step(optimizer, params)
        return start, loss(), bool(params.values.any())


def check_gradients(make: Make, _: int, rng: np.random.Generator) -> None:
    """Check that a step leaves the gradients as they are; clipping may change them."""
    optimizer = make()
    if optimizer.clip_norm is not None or optimizer.clip_value is not None:
        return
    params, gradients = _task(rng, dtype=np.float32)
    for gradient in gradients:
        params.grads[...] = gradient
        snapshot = Snapshot({"the gradient": params.grads})
        _step(optimizer, params)
        snapshot.check(f"{type(optimizer).__name__}.step")


def check_frozen(make: Make, _: int, rng: np.random.Generator) -> None:
    """Check that frozen values keep every bit."""
    optimizer = make()
    params, gradients = _task(rng, dtype=np.float32)
    params.frozen = {"b"}
    frozen = params["b"].copy()
    _run(optimizer, params, gradients)
    if not np.array_equal(params["b"], frozen):
        raise GradientCheckError(
            f"{type(optimizer).__name__}.step",
            "frozen parameters to keep every bit",
            f"a change of up to {np.abs(params['b'] - frozen).max():.3g}",
            "Change only params.values[..., run] for run in params.trainable_slices, or just write update.",
        )


def check_count(make: Make, _: int, rng: np.random.Generator) -> None:
    """Check that every step is counted once."""
    optimizer = make()
    _run(optimizer, *_task(rng, dtype=np.float32))
    if optimizer.steps != STEPS:
        raise GradientCheckError(
            f"{type(optimizer).__name__}.step",
            f"steps to be {STEPS} after {STEPS} steps",
            f"{optimizer.steps}",
            "step counts them, and update leaves them alone: it is called once for every block.",
        )


def check_state_dtype(make: Make, _: int, rng: np.random.Generator) -> None:
    """Check that what is kept for parameters of float32 is float32."""
    optimizer = make()
    _run(optimizer, *_task(rng, dtype=np.float32))
    for slot, array in optimizer.state.items():
        if array.dtype != np.float32:
            raise GradientCheckError(
                f"{type(optimizer).__name__}.step",
                f"state[{slot!r}] of float32 for parameters of float32",
                f"{array.dtype}",
                "Name it in slots, and change it in place.",
            )


def check_decay(make: Make, _: int, rng: np.random.Generator) -> None:
    """Check that the weight decay is none of the biases' business."""
    start, gradients = _task(rng)
    biases = []
    for decay in (0.0, 0.1):
        optimizer = make()
        optimizer.clip_norm = None  # which would bring the one into the step of the other
        optimizer.weight_decay = decay
        biases.append(_trained(optimizer, start, gradients)["b"])
    _check_same(
        make(),
        biases[1],
        biases[0],
        "biases to be trained alike with a weight_decay and without",
        "Use the decay that update is given, which is 0.0 for biases, and not self.weight_decay.",
    )


def check_schedule(make: Make, _: int, rng: np.random.Generator) -> None:
    """Check that a schedule gives the rate of every step."""

    def schedule(step: int) -> float:
        return 0.01 / (1 + step)

    start, gradients = _task(rng)
    scheduled, by_hand = make(), make()
    scheduled.learning_rate = schedule
    right = copy.deepcopy(start)
    for step, gradient in enumerate(gradients):
        by_hand.learning_rate = schedule(step)
        _run(by_hand, right, [gradient])
    _check_same(
        scheduled,
        _trained(scheduled, start, gradients).values,
        right.values,
        "a schedule to give the rate of every step",
        "Use the rate that update is given, or self.rate, in every step anew.",
    )


def check_rate_factor(make: Make, _: int, rng: np.random.Generator) -> None:
    """Check that ReduceOnPlateau, which sets the factor, is heard."""
    start, gradients = _task(rng)
    halved, right = make(), make()
    halved.learning_rate, right.learning_rate = 0.01, 0.005
    halved.rate_factor = 0.5
    _check_same(
        halved,
        _trained(halved, start, gradients).values,
        _trained(right, start, gradients).values,
        "a rate_factor of 0.5 to be half the learning rate",
        "Use the rate that update is given, or self.rate, and not self.learning_rate.",
    )


def check_reset(make: Make, _: int, rng: np.random.Generator) -> None:
    """Check that nothing is left after a reset."""
    start, gradients = _task(rng)
    optimizer = make()
    _trained(optimizer, start, gradients)
    optimizer.reset()
    _check_same(
        optimizer,
        _trained(optimizer, start, gradients).values,
        _trained(make(), start, gradients).values,
        "training after reset() as by a new optimizer",
        "Keep every array in slots, and every count in steps: that is what reset forgets.",
    )


def check_replicas(make: Make, replicas: int, rng: np.random.Generator) -> None:
    """Check that each replica is trained as it would be alone."""
    fix = "A sum or norm over a whole array mixes them: use axis=-1 with keepdims=True."
    _check_apart(make(), [make() for _ in range(replicas)], rng, "replicas", fix)


def check_rates(make: Make, replicas: int, rng: np.random.Generator) -> None:
    """Check that replicas with learning rates of their own are trained as each would be alone."""

    def make_with(rate: float | Array) -> Optimizer:
        optimizer = make()
        optimizer.learning_rate = rate
        return optimizer

    rates = np.linspace(0.01, 0.1, replicas)
    hint = "The rate may be an array of shape (replicas, 1): use NumPy's functions on it, not those of math."
    alone = [make_with(rate) for rate in rates.tolist()]
    _check_apart(make_with(rates), alone, rng, "replicas with rates of their own", hint, hint=hint)


def _check_apart(
    optimizer: Optimizer, alone: list[Optimizer], rng: np.random.Generator, who: str, fix: str, hint: str = ""
) -> None:
    together, gradients = _task(rng, replicas=len(alone))
    apart = []
    for r, one in enumerate(alone):
        params = Parameters(SPECS, dtype=np.float64)
        params.values[...] = together.values[r]
        _run(one, params, [gradient[r] for gradient in gradients])
        apart.append(params.values)
    _run(optimizer, together, gradients, hint=hint)
    _check_same(
        optimizer,
        together.values,
        np.stack(apart),
        f"{len(alone)} {who} to be trained as each would be alone",
        fix,
    )


def check_blocks(make: Make, _: int, rng: np.random.Generator) -> None:
    """Check that it makes no difference how the parameters are cut into blocks."""
    weights, biases = CHUNK + 50, 30
    whole = Parameters(
        [ParameterSpec("W", (weights,)), ParameterSpec("b", (biases,), decay=False)], dtype=np.float64
    )
    whole.values[...] = rng.normal(size=whole.size)
    gradients = _random_gradients(whole, rng)
    pieces = []
    for start, stop in ((0, 1000), (1000, weights), (weights, weights + biases)):
        piece = Parameters([ParameterSpec("part", (stop - start,), decay=stop <= weights)], dtype=np.float64)
        piece.values[...] = whole.values[start:stop]
        _run(make(), piece, [gradient[start:stop] for gradient in gradients])
        pieces.append(piece.values)
    optimizer = make()
    _run(optimizer, whole, gradients)
    _check_same(
        optimizer,
        whole.values,
        np.concatenate(pieces),
        "the same values however the parameters are cut into blocks",
        "update is called once for every block, several times a step: count with self.steps, keep arrays "
        "in slots, and let each number depend on no other.",
    )


def check_copy(make: Make, _: int, rng: np.random.Generator) -> None:
    """Check that training goes on to the same bits from a copy."""
    _check_going_on(make, rng, "a copy", lambda optimizer, params: copy.deepcopy((optimizer, params)))


def check_pickle(make: Make, _: int, rng: np.random.Generator) -> None:
    """Check that training goes on to the same bits from a pickle."""
    _check_going_on(
        make, rng, "a pickle", lambda optimizer, params: pickle.loads(pickle.dumps((optimizer, params)))
    )


def can_be_pickled(optimizer: Optimizer) -> bool:
    """Tell whether pickle can take it: no class inside a function, and no lambda as schedule."""
    with suppress(pickle.PicklingError, AttributeError, TypeError):
        pickle.dumps(optimizer)
        return True
    return False


def check_state_dict(make: Make, _: int, rng: np.random.Generator) -> None:
    """Check that training goes on to the same bits from what `state_dict` gave."""

    def restore(optimizer: Optimizer, params: Parameters) -> tuple[Optimizer, Parameters]:
        restored = make()
        guarded(
            f"{type(optimizer).__name__}.load_state_dict",
            "to take what state_dict returned",
            lambda _: "Name every array that it keeps in slots.",
            restored.load_state_dict,
            optimizer.state_dict(),
        )
        return restored, copy.deepcopy(params)

    _check_going_on(make, rng, "state_dict", restore)


def _check_going_on(
    make: Make,
    rng: np.random.Generator,
    way: str,
    take: Callable[[Optimizer, Parameters], tuple[Optimizer, Parameters]],
) -> None:
    params, gradients = _task(rng)
    optimizer = make()
    _run(optimizer, params, gradients)
    other, others = take(optimizer, params)
    _run(optimizer, params, gradients)
    _run(other, others, gradients)
    if not np.array_equal(others.values, params.values):
        raise GradientCheckError(
            f"{type(optimizer).__name__}",
            f"training to go on to the same bits from {way}",
            f"values that differ by up to {np.abs(others.values - params.values).max():.3g}",
            "Keep every array in slots, and every count in steps: that is what is saved.",
        )


def check_ownership(make: Make, _: int, rng: np.random.Generator) -> None:
    """Check that the parameters of another model are refused, and left as they are."""
    optimizer = make()
    own, others = _random_parameters(rng), _random_parameters(rng)
    _run(optimizer, own, _random_gradients(own, rng))
    others.grads[...] = 1.0
    before = others.values.copy()
    try:
        optimizer.step(others)
    except ArgumentError:
        if np.array_equal(others.values, before):
            return
    raise GradientCheckError(
        f"{type(optimizer).__name__}.step",
        "the parameters of another model to be refused and left as they are",
        "a step",
        "Its state belongs to the first model: call self.check(params) first, or just write update.",
    )


#: What is tried for every optimizer; ``{}`` stands for the number of replicas.
RULES = (
    Rule(f"the loss is lower after {DOWNHILL_STEPS} steps on a sum of squares", check_downhill),
    Rule("gradients stay as they are, unless they are clipped", check_gradients),
    Rule("frozen values keep every bit", check_frozen),
    Rule("every step is counted once", check_count),
    Rule("what it keeps for float32 is float32", check_state_dtype),
    Rule("{} replicas are trained as each would be alone", check_replicas),
    Rule("a schedule gives the rate of every step", check_schedule),
    Rule("rate_factor multiplies the learning rate", check_rate_factor),
    Rule("training goes on to the same bits from a copy", check_copy),
    Rule("training goes on to the same bits from state_dict", check_state_dict),
    Rule("reset() forgets all", check_reset),
    Rule("the parameters of another model are refused", check_ownership),
)
#: What can be tried for most.
PICKLE = Rule("training goes on to the same bits from a pickle", check_pickle)
RATES = Rule("so are replicas with learning rates of their own", check_rates)
DECAY = Rule("weight_decay leaves biases alone", check_decay)
BLOCKS = Rule("it makes no difference how the parameters are cut into blocks", check_blocks)


def _random_parameters(
    rng: np.random.Generator, *, replicas: int | None = None, dtype: Any = np.float64
) -> Parameters:
    params = Parameters(SPECS, dtype=dtype, replicas=replicas)
    params.values[...] = rng.normal(size=params.values.shape)
    return params


def _random_gradients(params: Parameters, rng: np.random.Generator) -> Sequence[Array]:
    return [rng.normal(size=params.grads.shape) for _ in range(STEPS)]


def _task(rng: np.random.Generator, **options: Any) -> tuple[Parameters, Sequence[Array]]:
    params = _random_parameters(rng, **options)
    return params, _random_gradients(params, rng)


def _trained(optimizer: Optimizer, start: Parameters, gradients: Iterable[Array]) -> Parameters:
    params = copy.deepcopy(start)
    _run(optimizer, params, gradients)
    return params


def _run(optimizer: Optimizer, params: Parameters, gradients: Iterable[Array], *, hint: str = "") -> None:
    for gradient in gradients:
        params.grads[...] = gradient
        _step(optimizer, params, hint=hint)


def _step(optimizer: Optimizer, params: Parameters, *, hint: str = "") -> None:
    guarded(
        f"{type(optimizer).__name__}.step",
        "a step",
        lambda _: hint or "The traceback above shows the line.",
        optimizer.step,
        params,
    )


def _check_same(optimizer: Optimizer, values: Array, right: Array, expected: str, fix: str) -> None:
    if relative_error(values, right) > ROUNDING:
        gap = np.abs(values - right).max()
        where = f"{type(optimizer).__name__}.step"
        raise GradientCheckError(where, expected, f"values that differ by up to {gap:.3g}", fix)
