"""Every gradient of the package against central differences, alone and in whole models."""

from __future__ import annotations

import numpy as np
import pytest
from samples import LAYERS, PUBLIC, again, before, context_of, draw, has

from nnlite import losses
from nnlite.core.parameters import Parameters
from nnlite.errors import ShapeError
from nnlite.exchange.table import DESCRIPTIONS
from nnlite.initializers import Constant, HeNormal
from nnlite.layers import (
    ELU,
    GELU,
    BatchNorm,
    Dense,
    Dropout,
    Flatten,
    LayerNorm,
    LeakyReLU,
    LogSoftmax,
    ReLU,
    RMSNorm,
    SelfAttention,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Standardize,
    Step,
    Tanh,
)
from nnlite.losses import (
    BinaryCrossEntropy,
    GaussianNLL,
    Hinge,
    Huber,
    Loss,
    Masked,
    MeanAbsoluteError,
    MeanSquaredError,
    MultiTaskLoss,
    PointwiseLoss,
    PoissonNLL,
    Quantile,
    SequenceLoss,
    SoftmaxCrossEntropy,
    Task,
)
from nnlite.model import Sequential
from nnlite.testing import check_layer, check_loss
from nnlite.testing.differences import measure_slopes, relative_error

#: What the project promises for every gradient.
TOLERANCE = 1e-7

NOT_LOSSES = {Loss, PointwiseLoss, Task}


def test_no_layer_is_forgotten():
    assert set(DESCRIPTIONS) == PUBLIC
    assert all(type(make()) is cls for cls, known in DESCRIPTIONS.items() for make in known.samples)


STARTED = Dense(4, 3, weight_initializer=HeNormal(), bias_initializer=Constant(0.5))


@pytest.mark.parametrize("replicas", [None, 3])
@pytest.mark.parametrize("layer", [*LAYERS, STARTED], ids=repr)
def test_layer(layer, replicas):
    report = check_layer(layer, replicas=replicas, tolerance=TOLERANCE)
    assert report.largest_error <= TOLERANCE
    expected = {"dL/dx", *(f"dL/d{name}" for name in layer.parameter_names)}
    assert expected <= set(report.errors)


@pytest.mark.parametrize("layer", [ReLU(), LeakyReLU(0.3), ELU(0.3), Step()], ids=repr)
def test_layer_at_its_kink(layer):
    report = check_layer(layer, [[0.0, 1.0, -1.0], [-2.0, 0.0, 0.0]], tolerance=TOLERANCE)
    assert report.largest_error <= TOLERANCE


@pytest.mark.parametrize("scale", [0.01, 10.0])
@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_layer_on_small_and_large_inputs(layer, scale, rng):
    x = draw(layer, rng)[:-1]  # in the last row may be no step: the mean of one that comes to be has a slope
    # Below, the step of the differences is no small part of the spread.
    if has(layer, BatchNorm, LayerNorm, RMSNorm):
        scale = max(scale, 0.1)
    if has(layer, SelfAttention):  # its scores grow with the square, and with them the curvature
        scale = min(scale, 3.0)
    if not hasattr(layer, "draw_input"):
        x *= scale
    assert check_layer(layer, x, tolerance=TOLERANCE).largest_error <= TOLERANCE


def test_standardize_keeps_what_it_has_measured(rng):
    layer = Standardize(3)
    layer.adapt(rng.normal(5.0, 2.0, size=(50, 3)))
    assert check_layer(layer, replicas=3, tolerance=TOLERANCE).largest_error <= TOLERANCE


# Each loss, with predictions and targets of every kind that it takes.
PRED, TARGET = np.random.default_rng(0).normal(size=(2, 5, 3))
SHARES = np.exp(TARGET) / np.exp(TARGET).sum(axis=-1, keepdims=True)
IDS = np.array([0, 2, 1, 1, 0])
ONE_HOT = np.eye(3)[IDS]
YES_NO = np.array([0, 1, 1, 0, 1])
COUNTS = np.array([[0, 1, 5], [2, 0, 0], [1, 1, 3], [7, 0, 2], [0, 0, 1]])
MEAN_AND_SPREAD = np.column_stack([PRED, PRED[:, ::-1]])

EIGHT = np.random.default_rng(1).normal(size=(5, 8))
STEPS = np.array([[0, 1, 1, 0], [1, 0, -1, -1], [-1] * 4, [1, 1, 0, -1], [0, -1, -1, -1]])
OVER_TIME = np.random.default_rng(2).normal(size=(5, 2, 4))
OVER_TIME[[1, 3], 1] = np.nan
TABLE = np.column_stack([TARGET[:, :2], IDS, YES_NO, TARGET[:, 2], SHARES[:, :2].sum(axis=1), SHARES[:, 2]])
# A row without any target, a task without one in a row, and a Masked one with one of two.
GAPS = np.zeros((5, 7), bool)
GAPS[0] = GAPS[2, 2] = GAPS[3, 0] = GAPS[4, 4] = GAPS[1, 5:] = True
SEVERAL = MultiTaskLoss(
    {
        "numbers": Task(Masked(MeanSquaredError()), outputs=[5, 0], targets=[0, 1], weight=2.0),
        "kind": Task(SoftmaxCrossEntropy(), outputs=[1, 2, 3], targets=2, weight=0.5),
        "yes": Task(BinaryCrossEntropy(), outputs=4, targets=3),
        "spread": Task(GaussianNLL(), outputs=[6, 7], targets=4),
        "shares": Task(SoftmaxCrossEntropy(), outputs=[6, 4], targets=[5, 6]),
        "off": Task(Huber(), outputs=0, targets=0, weight=0.0),
    }
)

LOSSES = {
    "mean squared error": (MeanSquaredError(), PRED, TARGET),
    "mean absolute error": (MeanAbsoluteError(), PRED, TARGET),
    "huber": (Huber(), PRED, TARGET),
    "huber, wide": (Huber(10.0), PRED, TARGET),
    "huber, narrow": (Huber(0.1), PRED, TARGET),
    "median": (Quantile(), PRED, TARGET),
    "quantile": (Quantile(0.9), PRED, TARGET),
    "binary, soft": (BinaryCrossEntropy(), PRED, SHARES),
    "binary, labels": (BinaryCrossEntropy(), PRED, ONE_HOT),
    "binary, ids": (BinaryCrossEntropy(), PRED[:, :1], YES_NO),
    "binary, smoothing": (BinaryCrossEntropy(label_smoothing=0.2), PRED[:, :1], YES_NO),
    "softmax, ids": (SoftmaxCrossEntropy(), PRED, IDS),
    "softmax, one-hot": (SoftmaxCrossEntropy(), PRED, ONE_HOT),
    "softmax, soft": (SoftmaxCrossEntropy(), PRED, SHARES),
    "softmax, ids, smoothing": (SoftmaxCrossEntropy(label_smoothing=0.1), PRED, IDS),
    "softmax, one-hot, smoothing": (SoftmaxCrossEntropy(label_smoothing=0.1), PRED, ONE_HOT),
    "softmax, soft, smoothing": (SoftmaxCrossEntropy(label_smoothing=0.1), PRED, SHARES),
    "poisson": (PoissonNLL(), PRED, COUNTS),
    "gaussian": (GaussianNLL(), MEAN_AND_SPREAD, TARGET),
    "gaussian, at the smallest variance": (GaussianNLL(min_variance=2.0), MEAN_AND_SPREAD, TARGET),
    "hinge": (Hinge(), PRED, np.where(ONE_HOT > 0, 1, -1)),
    "masked, nothing missing": (Masked(MeanSquaredError()), PRED, TARGET),
    "steps, ids": (SequenceLoss(SoftmaxCrossEntropy(), 4), EIGHT, STEPS),
    "steps, numbers": (SequenceLoss(MeanSquaredError(), 2), EIGHT, OVER_TIME),
    "steps, means and spreads": (SequenceLoss(GaussianNLL(), 2), EIGHT, OVER_TIME[..., :2]),
    "several tasks": (SEVERAL, EIGHT, TABLE),
    "several tasks, some missing": (SEVERAL, EIGHT, np.where(GAPS, np.nan, TABLE)),
}


def test_no_loss_is_forgotten():
    public = {getattr(losses, name) for name in losses.__all__} - NOT_LOSSES
    assert {type(loss) for loss, _, _ in LOSSES.values()} == public
    assert all(issubclass(kind, Loss) for kind in public)


@pytest.mark.parametrize("replicas", [None, 3])
@pytest.mark.parametrize("case", LOSSES)
def test_loss(case, replicas):
    loss, pred, target = LOSSES[case]
    report = check_loss(loss, pred, target, replicas=replicas, tolerance=TOLERANCE)
    assert report.largest_error <= TOLERANCE
    assert {"dL/dpred", "dL/dpred with weights"} <= set(report.errors)


@pytest.mark.parametrize("loss", {loss: None for loss, _, _ in LOSSES.values()}, ids=repr)
def test_loss_on_random_data_of_the_kind_that_it_takes(loss):
    assert check_loss(loss, replicas=3, rng=1, tolerance=TOLERANCE).largest_error <= TOLERANCE


@pytest.mark.parametrize("case", LOSSES)
def test_loss_with_rows_that_do_not_count(case):
    report = check_loss(*LOSSES[case], weight=[1.0, 0.0, 2.5, 0.0, 0.5], tolerance=TOLERANCE)
    assert report.largest_error <= TOLERANCE


@pytest.mark.parametrize("case", LOSSES)
def test_loss_refuses_to_broadcast_even_without_prepare(case):
    loss, pred, target = LOSSES[case]
    with pytest.raises(ShapeError):
        loss.value_and_grad(pred, target[:1])


@pytest.mark.parametrize("case", LOSSES)
def test_loss_of_rows_on_a_leading_axis_is_that_of_each_row_alone(case):
    # With this rule, rows on the axis of replicas give one gradient for each example.
    loss, pred, target = LOSSES[case]
    value, grad = loss.value_and_grad(pred, target)
    values, grads = loss.value_and_grad(pred[:, None], target[:, None])
    assert values.shape == (len(pred),)
    assert values.mean() == pytest.approx(value, rel=1e-12)
    np.testing.assert_allclose(grads[:, 0] / len(pred), grad, rtol=1e-12, atol=1e-15)


# Whole models: layers of several kinds, a loss, and one flat buffer.

MODELS = {
    "regression": (
        lambda: [Standardize(4), Dense(4, 6), Tanh(), Dense(6, 5, bias=False), GELU(), Dense(5, 3)],
        (4,),
        MeanSquaredError(),
        TARGET,
    ),
    "images": (
        lambda: [Flatten((2, 3)), Dense(6, 5), SiLU(), Dropout(0.4), Dense(5, 4), LeakyReLU(), Dense(4, 3)],
        (2, 3),
        SoftmaxCrossEntropy(label_smoothing=0.1),
        IDS,
    ),
    "several labels": (
        lambda: [Dense(4, 5), ELU(), Dropout(0.2), Softmax(), Dense(5, 3)],
        (4,),
        BinaryCrossEntropy(),
        ONE_HOT,
    ),
    "probabilities": (
        lambda: [Dense(4, 5), ReLU(), Softplus(), Dense(5, 3), Sigmoid()],
        (4,),
        MeanSquaredError(),
        SHARES,
    ),
    "mean and spread": (
        lambda: [Dense(4, 5), GELU(approximate=True), LogSoftmax(), Dense(5, 6)],
        (4,),
        GaussianNLL(),
        TARGET,
    ),
}


@pytest.fixture(params=MODELS)
def problem(request):
    """A function (replicas) -> model, x with an axis of replicas, loss, target."""
    make, sample, loss, target = MODELS[request.param]

    def build(replicas):
        rng = np.random.default_rng(2)
        model = Sequential(make(), dtype=np.float64, replicas=replicas, rng=rng)
        model.params.values += rng.normal(scale=0.1, size=model.params.values.shape)  # biases too
        leading = () if replicas is None else (replicas,)
        x = rng.normal(size=(*leading, 5, *sample))
        model.adapt(x)
        return model, x, loss, target

    return build


@pytest.mark.parametrize("weight", [None, np.array([0.5, 2.0, 0.0, 1.0, 1.0])], ids=["", "weights"])
@pytest.mark.parametrize(
    ("replicas", "shared"), [(None, False), (3, False), (3, True)], ids=["one", "replicas", "shared x"]
)
def test_model_gradient_of_every_parameter(problem, replicas, shared, weight):
    model, x, loss, target = problem(replicas)
    x = x[0] if shared else x

    def value():
        return np.asarray(model.loss_and_grad(x, target, loss, weight=weight, ctx=model.context(rng=0)))

    model.params.grads[...] = np.nan
    assert value().shape == (() if replicas is None else (replicas,))
    grads = model.params.grads.copy()
    slopes = measure_slopes(value, model.params.values, tolerance=TOLERANCE)
    assert grads.any(axis=-1).all()
    assert relative_error(grads, slopes.nearest(grads)) <= TOLERANCE


@pytest.mark.parametrize("replicas", [None, 3])
def test_model_gradient_of_the_input(problem, replicas):
    model, x, loss, target = problem(replicas)

    def value():
        y = model.forward(x, model.context(rng=0))
        return np.asarray(loss.value_and_grad(y, target)[0])

    ctx = model.context(rng=0, input_gradient=True)
    _, dy = loss.value_and_grad(model.forward(x, ctx), target)
    dx = model.backward(dy, ctx)
    slopes = measure_slopes(value, x, tolerance=TOLERANCE)
    assert dx.shape == x.shape
    assert relative_error(dx, slopes.nearest(dx)) <= TOLERANCE


def test_model_gradients_of_replicas_are_those_of_each_alone(problem):
    model, x, loss, target = problem(3)
    values = model.loss_and_grad(x, target, loss, ctx=model.context(training=False))
    for r in range(3):
        alone, _, _, _ = problem(None)
        alone.params.values[...] = model.params.values[r]
        for layer, other in zip(alone, model.replica(r), strict=True):
            layer.buffers = other.buffers
        value = alone.loss_and_grad(x[r], target, loss, ctx=alone.context(training=False))
        assert value == pytest.approx(values[r], rel=1e-12)
        np.testing.assert_allclose(alone.params.grads, model.params.grads[r], rtol=1e-9, atol=1e-14)


# Rows on a leading axis, and a gradient buffer with one row for each: gradients of single examples.


def test_model_gradients_of_single_examples(problem):
    model, x, loss, target = problem(None)
    ctx = model.context(training=False)
    _, dy = loss.value_and_grad(model.forward(x, ctx), target)
    model.backward(dy, ctx)

    each = np.full((len(x), model.params.size), np.nan)
    ctx = model.context(grads=each, training=False)
    model._forward(x[:, None], ctx)
    model._backward(dy[:, None], ctx)
    np.testing.assert_allclose(each.sum(axis=0), model.params.grads, rtol=1e-10, atol=1e-14)

    for row in range(len(x)):
        ctx = model.context(training=False)
        model.forward(x[row : row + 1], ctx)
        model.backward(dy[row : row + 1], ctx)
        np.testing.assert_allclose(each[row], model.params.grads, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_layer_gradients_of_single_examples(layer, rng):
    model = Sequential([*before(layer), again(layer)], dtype=np.float64, rng=0)
    x = draw(layer, rng)
    model.adapt(x)
    training = not has(layer, BatchNorm)  # in training, one example has no statistics
    ctx = model.context(rng=0, input_gradient=True, training=training)
    dy = rng.normal(size=model.forward(x, ctx).shape)
    dx = model.backward(dy, ctx)
    each = np.full((len(x), model.params.size), np.nan)
    ctx = model.context(rng=0, grads=each, input_gradient=True, training=training)
    model._forward(x[:, None], ctx)
    np.testing.assert_allclose(model._backward(dy[:, None], ctx)[:, 0], dx, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(each.sum(axis=0), model.params.grads, rtol=1e-12, atol=1e-14)


# What float32 must stand.

LARGE = np.concatenate([[0.0], np.logspace(-4, 4, 17), -np.logspace(-4, 4, 17)]).astype(np.float32)
# Every pair of them is a row: next to its neighbour, and next to the largest and the smallest.
PAIRS = np.stack(np.meshgrid(LARGE, LARGE), axis=-1).reshape(-1, 2)


@pytest.mark.parametrize("layer", [layer for layer in LAYERS if layer.input_shape is None], ids=repr)
def test_activations_stay_finite_and_right_up_to_ten_thousand_in_float32(layer):
    # The tests run with overflow, division by zero and invalid values as errors.
    found = {}
    for dtype in (np.float32, np.float64):
        one = again(layer)
        one._move_into(Parameters(one._specs.values(), dtype=dtype))
        ctx = context_of(one, np.random.default_rng(0))
        y = one.forward(PAIRS.astype(dtype), ctx)
        dx = one.backward(np.ones_like(y) * dtype(0.5), ctx)
        assert np.isfinite(y).all()
        assert np.isfinite(dx).all()
        assert np.isfinite(one.forward(PAIRS.astype(dtype))).all()
        found[dtype] = y, dx
    for single, double in zip(found[np.float32], found[np.float64], strict=True):
        assert single.dtype == np.float32
        np.testing.assert_allclose(single, double, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_layer_keeps_the_dtype(layer, dtype, rng):
    layer = again(layer)
    layer._move_into(Parameters(layer._specs.values(), dtype=dtype))
    x = draw(layer, rng).astype(dtype)
    layer.adapt(x)
    ctx = context_of(layer, rng)
    y = layer.forward(x, ctx)
    assert y.dtype == layer.forward(x).dtype == dtype
    assert layer.backward(np.ones_like(y), ctx).dtype == dtype


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", LOSSES)
def test_loss_keeps_the_dtype(case, dtype):
    loss, pred, target = LOSSES[case]
    pred = pred.astype(dtype)
    target = loss.prepare(target, pred.shape, np.dtype(dtype))
    for weight in (None, np.arange(5.0)):
        value, grad = loss.value_and_grad(pred, target, weight)
        assert type(value) is float
        assert grad.dtype == dtype
    values, grads = loss.value_and_grad(np.stack([pred, pred]), target)
    assert values.shape == (2,)
    assert values.dtype == grads.dtype == dtype


@pytest.mark.parametrize("case", [case for case in LOSSES if case.startswith(("binary", "softmax", "hinge"))])
def test_losses_from_logits_stay_finite_up_to_ten_thousand_in_float32(case):
    loss, pred, target = LOSSES[case]
    for scale in (1e4, -1e4):
        value, grad = loss.value_and_grad((scale * np.sign(pred)).astype(np.float32), target)
        assert np.isfinite(value)
        assert np.isfinite(grad).all()


class ExponentialGap(losses.PointwiseLoss):
    def pointwise(self, pred, target):
        grown = np.exp(pred - target)
        return grown, grown


class Product(losses.PointwiseLoss):
    def pointwise(self, pred, target):
        return pred * target, target


@pytest.mark.parametrize("weight", [None, np.array([1.0, 3.0])])
def test_a_pointwise_loss_may_give_one_array_twice_or_the_targets(weight):
    pred, target = np.array([[1.0], [2.0]]), np.array([[1.0], [2.0]])
    value, grad = ExponentialGap().value_and_grad(pred, target, weight)
    assert value == pytest.approx(1.0)
    assert grad.sum() == pytest.approx(1.0)
    Product().value_and_grad(pred, target, weight)
    assert target.tolist() == [[1.0], [2.0]]


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int16, np.uint64])
def test_class_ids_of_any_integer_dtype(dtype):
    pred, ids = np.array([[0.5, -1.0], [2.0, 0.0]]), np.array([0, 1])
    expected, slopes = losses.SoftmaxCrossEntropy().value_and_grad(pred, ids)
    value, grad = losses.SoftmaxCrossEntropy().value_and_grad(pred, ids.astype(dtype))
    assert value == expected
    assert np.array_equal(grad, slopes)
