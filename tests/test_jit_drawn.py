"""Nets, losses, optimizers and options drawn at random: compiled loops make the step that NumPy makes."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("numba")

from compiled import assert_same_numbers, assert_same_rows, numbers_of, train

import nnlite as nn
from nnlite.losses import Masked

TOLERANCE = {"float32": 2e-4, "float64": 1e-10}
FEATURES = 3

ACTIVATIONS = [
    nn.ReLU, nn.LeakyReLU, nn.ELU, nn.Sigmoid, nn.Tanh, nn.GELU, lambda: nn.GELU(approximate=True), nn.SiLU,
    nn.Mish, nn.SELU, nn.ReLU6, nn.HardSigmoid, nn.HardSwish,
    nn.Clip, nn.Softplus, nn.Softmax, nn.LogSoftmax, lambda: nn.Dropout(0.0),
]  # fmt: skip
NORMS = [nn.LayerNorm, nn.RMSNorm, nn.BatchNorm]


@st.composite
def layers_of(draw, width, depth=2):
    """Draw some layers in a row that keep a width."""
    made = []
    for kind in draw(st.lists(st.sampled_from(["activation", "norm", "dense", "block", "row"]), max_size=3)):
        if kind == "activation":
            made.append(draw(st.sampled_from(ACTIVATIONS))())
        elif kind == "norm":
            made.append(draw(st.sampled_from(NORMS))(width))
        elif kind == "dense" or depth == 0:
            made.append(nn.Dense(width, width, bias=draw(st.booleans())))
        else:
            inner = draw(layers_of(width, depth - 1)) or [nn.Tanh()]
            made.append(nn.Residual(inner) if kind == "block" else nn.Sequential(inner))
    return made


#: Each with what makes targets for it, of so many outputs, and the outputs of the net for them.
LOSSES = {
    "squares": (nn.MeanSquaredError(), lambda rng, shape: rng.normal(size=shape), 1),
    "absolute": (nn.MeanAbsoluteError(), lambda rng, shape: rng.normal(size=shape), 1),
    "huber": (nn.Huber(0.7), lambda rng, shape: rng.normal(size=shape), 1),
    "quantile": (nn.Quantile(0.3), lambda rng, shape: rng.normal(size=shape), 1),
    "poisson": (nn.PoissonNLL(), lambda rng, shape: rng.integers(0, 5, shape), 1),
    "hinge": (nn.Hinge(), lambda rng, shape: rng.choice([-1, 1], shape), 1),
    "bits": (
        nn.BinaryCrossEntropy(label_smoothing=0.1, pos_weight=2.0),
        lambda rng, shape: rng.integers(0, 2, shape),
        1,
    ),
    "ids": (nn.SoftmaxCrossEntropy(), lambda rng, shape: rng.integers(0, shape[-1], shape[:-1]), 1),
    "shares": (
        nn.SoftmaxCrossEntropy(label_smoothing=0.2),
        lambda rng, shape: rng.dirichlet(np.ones(shape[-1]), shape[:-1]),
        1,
    ),
    "gaussian": (nn.GaussianNLL(), lambda rng, shape: rng.normal(size=shape), 2),
    "missing": (
        Masked(nn.Huber(0.7)),
        lambda rng, shape: np.where(rng.random(shape) < 0.3, np.nan, rng.normal(size=shape)),
        1,
    ),
}
OPTIMIZERS = [
    lambda **given: nn.SGD(0.1, **given),
    lambda **given: nn.SGD(0.1, momentum=0.9, **given),
    lambda **given: nn.SGD(0.1, momentum=0.9, nesterov=True, **given),
    lambda **given: nn.Adam(0.01, epsilon=0.1, **given),
    lambda **given: nn.AdamW(0.01, epsilon=0.1, **given),
    lambda **given: nn.RMSProp(0.01, epsilon=0.1, **given),
    lambda **given: nn.RMSProp(0.01, epsilon=0.1, momentum=0.5, **given),
    lambda **given: nn.Adagrad(0.1, epsilon=0.1, **given),
]


@st.composite
def trainings(draw):
    """Draw all that makes one step."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    # A norm of two numbers makes 1 and -1 of them, whatever they are: what is left of a gradient is rounding.
    width, outputs = draw(st.integers(3, 6)), draw(st.integers(2, 3))
    loss, make, each = LOSSES[draw(st.sampled_from(sorted(LOSSES)))]
    replicas, own = draw(st.sampled_from([None, 1, 3, 17])), draw(st.booleans())
    # More rows than outputs: a table of ids, a row of them for each replica, could be one of shares.
    rows, ahead = draw(st.integers(4, 12)), (replicas,) if replicas and own else ()
    X, y = rng.normal(size=(*ahead, rows, FEATURES)), make(rng, (*ahead, rows, outputs))
    layers = [nn.Dense(FEATURES, width), *draw(layers_of(width)), nn.Dense(width, each * outputs)]
    if draw(st.booleans()):
        layers.insert(0, nn.Standardize(FEATURES))
    dtype = draw(st.sampled_from(["float32", "float64"]))
    model = nn.Sequential(layers, rng=draw(st.integers(0, 9)), dtype=dtype, replicas=replicas)
    names = list(model.params)
    frozen = draw(st.sets(st.sampled_from(names), max_size=len(names) - 1))
    model.params.frozen = frozen
    clip = draw(st.sampled_from([{}, {"clip_norm": 0.1}, {"clip_value": 0.2}]))
    optimizer = draw(st.sampled_from(OPTIMIZERS))(**clip, weight_decay=draw(st.sampled_from([0.0, 0.2])))
    if replicas and draw(st.booleans()):
        optimizer.learning_rate = np.geomspace(0.1, 0.01, replicas)
    if replicas and draw(st.booleans()):
        optimizer.weight_decay = np.linspace(0.0, 0.2, replicas)
    weight = rng.uniform(0.1, 3, draw(st.sampled_from([(rows,), (*ahead, rows)])))
    options = {
        "loss": loss, "optimizer": optimizer, "batch_size": rows, "shuffle": draw(st.booleans()),
        "weight": draw(st.sampled_from([None, weight])), "by_step": draw(st.booleans()),
        "rng": list(range(replicas)) if replicas and draw(st.booleans()) else 3,
    }  # fmt: skip
    return model, X, y, options


def rounding(model, X, y, trained, options):
    """Return how far NumPy's own rounding takes a step, as a part of the largest number of an array.

    Norms in a row of nearly equal numbers make a thousand times more of a rounding than other layers do. What
    NumPy itself loses by it, beside float64, is the measure of what another order of the same sums may lose.
    """
    if model.params.dtype == np.float64:
        return 0.0
    exact = nn.Sequential(copy.deepcopy(list(model.layers)), dtype=np.float64, replicas=model.params.replicas)
    exact.params.numbers[...] = model.params.numbers
    exact.params.frozen = model.params.frozen
    found, wanted = numbers_of(*trained), numbers_of(*train(exact, X, y, jit=False, **options)[:2])
    gaps = [
        np.abs(found[name] - array).max() / (np.abs(array).max() or 1.0) for name, array in wanted.items()
    ]
    return max(gaps)


def check(training):
    model, X, y, options = training
    one, mine, history = train(model, X, y, jit=True, **options)
    other, theirs, expected = train(model, X, y, jit=False, **options)
    assert history.engine == ("jit by the step: Look looks at each batch" if options["by_step"] else "jit")
    tolerance = max(TOLERANCE[model.params.dtype.name], 4 * rounding(model, X, y, (other, theirs), options))
    assert_same_numbers((one, mine), (other, theirs), tolerance)
    assert_same_rows(history.rows, expected.rows, tolerance)


@given(trainings())
@settings(max_examples=60)
def test_any_net_makes_the_step_of_numpy(training):
    check(training)


@pytest.mark.thorough
@given(trainings())
@settings(max_examples=1500)
def test_very_many_nets_do(training):
    check(training)
