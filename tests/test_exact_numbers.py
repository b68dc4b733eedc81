"""Losses, activations and optimizers where numbers are tiny or huge: exact, and without a word of NumPy."""

import itertools
from decimal import Decimal, localcontext

import numpy as np
import pytest

import nnlite as nn
from nnlite.core.context import Context, Gradients
from nnlite.training.calibration import fit_temperature

DTYPES = [np.float32, np.float64]
LOGITS = [-700.0, -80, -20, -5, -1, -0.1, -1e-5, -0.0, 0.0, 1e-5, 0.1, 1, 5, 20, 80, 700]


@pytest.fixture(autouse=True)
def everything_raises():
    with np.errstate(all="raise"):
        yield


def softplus(x):
    return (1 + (-abs(x)).exp()).ln() + max(x, Decimal(0))


def sigmoid(x):
    return 1 / (1 + (-x).exp()) if x >= 0 else x.exp() / (1 + x.exp())


def off(found, true, dtype):
    """Say how far a number is from the true one, in units of its last place."""
    place = max(abs(true), Decimal(float(np.finfo(dtype).tiny))) * Decimal(float(np.finfo(dtype).eps))
    return abs(Decimal(float(found)) - true) / place


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("smooth", "weight"), [(0.0, None), (0.0, 3.0), (0.1, None), (0.1, 3.0)])
def test_binary_cross_entropy_is_exact_at_every_logit(dtype, smooth, weight):
    loss = nn.BinaryCrossEntropy(label_smoothing=smooth, pos_weight=weight)
    with localcontext() as context:
        context.prec = 700
        factor = Decimal(weight or 1)
        for logit, target in itertools.product(LOGITS, [0, 1]):
            value, grad = loss.value_and_grad(np.array([[logit]], dtype), np.array([[target]], dtype))
            x = Decimal(float(dtype(logit)))
            yes = Decimal(target) * (1 - Decimal(smooth)) + Decimal(smooth) / 2
            true = factor * yes * softplus(-x) + (1 - yes) * softplus(x)
            slope = (1 - yes) * sigmoid(x) - factor * yes * sigmoid(-x)
            assert off(value, true, dtype) < 4, (logit, target)
            assert off(grad[0, 0], slope, dtype) < 8, (logit, target)


@pytest.mark.parametrize("dtype", DTYPES)
def test_gaussian_nll_of_large_gaps_with_large_variances(dtype):
    value, grad = nn.GaussianNLL().value_and_grad(np.array([[1e20, 80]], dtype), np.array([[0]], dtype))
    share = 1e40 * np.exp(-80.0)
    assert value == pytest.approx(40 + share / 2, rel=1e-5)
    assert grad == pytest.approx(np.array([[1e20 * np.exp(-80.0), (1 - share) / 2]]), rel=1e-4)


ACTIVATIONS = [
    nn.ELU(), nn.GELU(), nn.GELU(approximate=True), nn.LeakyReLU(), nn.LogSoftmax(), nn.ReLU(), nn.SiLU(),
    nn.Sigmoid(), nn.Softmax(), nn.Softplus(), nn.Tanh(),
]  # fmt: skip
INPUTS = [[1e20, -1e20, 0.0], [100, -100, 30], [1e-30, -1e-30, 1e-20], [800, -800, 1], [3e38, -3e38, 0]]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layer", ACTIVATIONS, ids=repr)
def test_activations_bear_every_input(layer, dtype):
    tiny = float(np.finfo(dtype).tiny)
    for row, blame in itertools.product([*INPUTS, [tiny / 3, -tiny / 7, tiny]], [1e-20, tiny / 3, 1.0]):
        x, ctx = np.array([row], dtype), Context(Gradients({}))
        y = layer.forward(x, ctx)
        dx = layer.backward(np.full_like(x, blame), ctx)
        assert not np.isnan(y).any()
        assert np.isfinite(dx).all()
        assert y.dtype == dx.dtype == dtype


@pytest.mark.parametrize("approximate", [False, True])
def test_gelu_of_huge_numbers(approximate):
    model = nn.Sequential([nn.GELU(approximate=approximate)])
    np.testing.assert_array_equal(model.predict([[1e20, -1e20]]), np.array([[1e20, 0]], np.float32))
    layer, ctx = nn.GELU(approximate=approximate), Context(Gradients({}))
    layer.forward(np.array([[1e20, -1e20]]), ctx)
    np.testing.assert_array_equal(layer.backward(np.ones((1, 2)), ctx), [[1, 0]])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("make", [nn.SGD, nn.RMSProp, nn.Adagrad, nn.Adam, nn.AdamW, nn.NAdam, nn.Lion])
def test_optimizers_bear_tiny_gradients(make, dtype):
    model = nn.Sequential([nn.Dense(2, 2)], dtype=dtype, rng=0)
    optimizer = make()
    for size in (1e-30, 1e-38, 0.0):
        model.params.grads[...] = size
        optimizer.step(model.params)
    assert np.isfinite(model.params.values).all()


def test_a_whole_training_raises_nothing(rng):
    X, y = 100 * rng.normal(size=(40, 3)), np.arange(40) % 2
    for activation in (nn.GELU, nn.SiLU, nn.Sigmoid, nn.Softplus, nn.Tanh, nn.ELU):
        for loss, outputs in ((nn.SoftmaxCrossEntropy(), 2), (nn.BinaryCrossEntropy(), 1)):
            model = nn.Sequential([nn.Dense(3, 8), activation(), nn.Dense(8, outputs)], rng=0)
            model.fit(X, y, loss=loss, optimizer=nn.Adam(0.1), epochs=3, validation=0.2)
            model.evaluate(X, y, loss=loss)
            model.loss_and_grad(X, y, loss)


# pos_weight.


def test_pos_weight_of_one_is_none(rng):
    pred, target = rng.normal(size=(9, 3)), rng.uniform(0, 1, (9, 3))
    plain = nn.BinaryCrossEntropy().value_and_grad(pred, target)
    for one in (1, 1.0, [1, 1, 1]):
        value, grad = nn.BinaryCrossEntropy(pos_weight=one).value_and_grad(pred, target)
        assert value == pytest.approx(plain[0], rel=1e-14)
        np.testing.assert_allclose(grad, plain[1], rtol=1e-12)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (-1.0, r"pos_weight=\): expected .* got -1"),
        ([1.0, -2.0], r"pos_weight=\)\[1\]: expected .*got -2"),
        ("3", "pos_weight"),
        ([[1.0]], "a number, or a list of numbers"),
        (float("nan"), "pos_weight"),
    ],
)
def test_pos_weight_that_is_none(given, message):
    with pytest.raises((ValueError, TypeError), match=message):
        nn.BinaryCrossEntropy(pos_weight=given)


def test_pos_weight_for_another_number_of_outputs(rng):
    loss = nn.BinaryCrossEntropy(pos_weight=[1.0, 2.0])
    with pytest.raises(nn.errors.ShapeError, match="one for each of 3 outputs, got 2"):
        loss.value_and_grad(rng.normal(size=(4, 3)), np.ones((4, 3)))
    print(nn.testing.check_loss(loss, rng.normal(size=(5, 2)), (rng.normal(size=(5, 2)) > 0).astype(float)))


# Softmax.


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("smooth", [0.0, 1e-4, 0.1])
@pytest.mark.parametrize("kind", ["ids", "rows", "weights", "replicas"])
def test_softmax_cross_entropy_is_exact_at_every_logit(dtype, smooth, kind):
    loss = nn.SoftmaxCrossEntropy(label_smoothing=smooth)
    share = Decimal(smooth) / 3
    with localcontext() as context:
        context.prec = 60
        for top, true in itertools.product([0, 0.5, 2, 2.5, 5, 8, 20, 64], range(3)):
            # Differences of the logits are exact: what is lost is lost by the loss. The second row is unsure.
            pred = np.array([[[top, 0, -1], [0.5, 0, 0.25]]], dtype)
            ids, weight = np.array([true, 0]), None
            if kind == "weights":
                weight = np.array([1, 0], dtype)
            if kind == "replicas":
                pred = np.concatenate([pred, pred[..., ::-1]])
            target = np.eye(3, dtype=dtype)[ids] if kind == "rows" else ids
            if kind != "replicas":
                pred = pred[0]
            _, grad = loss.value_and_grad(pred, target, weight)
            value, _ = loss.value_and_grad(pred[..., :1, :], target[:1])
            exps = [Decimal(float(x)).exp() for x in pred.reshape(-1, 3)[0]]
            chances = [e / sum(exps) for e in exps]
            wanted = [share + (1 - 3 * share if i == true else 0) for i in range(3)]
            cost = -sum(w * p.ln() for w, p in zip(wanted, chances, strict=True))
            assert off(np.ravel(value)[0], cost, dtype) < 8, (top, true)
            rows = 1 if kind == "weights" else 2
            for found, chance, part in zip(grad.reshape(-1, 3)[0], chances, wanted, strict=True):
                # Chance and wanted part are rounded numbers: where they are close, so is their difference.
                close = max(chance, part) if smooth and abs(chance - part) < part / 2 < Decimal("0.4") else 0
                size = max(abs(chance - part), close) / rows
                room = 16 * size * Decimal(float(np.finfo(dtype).eps)) + Decimal(float(np.finfo(dtype).tiny))
                assert abs(Decimal(float(found)) - (chance - part) / rows) < room, (top, true)


@pytest.mark.parametrize("dtype", DTYPES)
def test_log_softmax_is_exact_at_every_logit(dtype):
    layer, rtol = nn.LogSoftmax(), 8 * float(np.finfo(dtype).eps)
    for top in (0.5, 2, 2.5, 5, 20, 64):
        ctx = Context(Gradients({}))
        found = layer.forward(np.array([[top, 0, -1], [0.5, 0, 0.25]], dtype), ctx)[0]
        others = np.exp(-float(top)) * (1 + np.exp(-1))
        np.testing.assert_allclose(found, np.array([0, -top, -top - 1]) - np.log1p(others), rtol=rtol)
        dx = layer.backward(np.array([[1, 0, 0], [0, 1, 0]], dtype), ctx)[0]
        parts = np.array([others, -np.exp(-float(top)), -np.exp(-top - 1.0)])
        np.testing.assert_allclose(dx, parts / (1 + others), rtol=32 * rtol)  # through exp of large numbers


def test_a_temperature_is_found_without_a_word():
    logits, y = np.array([[900.0, -900], [-400, 300], [0.5, 0], [0, 2]]), [0, 1, 1, 1]
    assert fit_temperature(logits, y) > 0


@pytest.mark.parametrize("dtype", DTYPES)
def test_soft_targets_that_are_nearly_certain(dtype):
    part = dtype(2.0**-20)
    target = np.array([[1 - part, part, 0]], dtype)
    value, grad = nn.SoftmaxCrossEntropy().value_and_grad(np.array([[20, 0, 0]], dtype), target)
    other = np.exp(np.longdouble(-20))
    total = 1 + 2 * other
    true = [(part - (1 - part) * 2 * other) / total, other / total - part, other / total]
    np.testing.assert_allclose(grad[0], np.array(true, float), rtol=4 * np.finfo(dtype).eps)
    assert value == pytest.approx(float(np.log1p(2 * other) + 20 * part), rel=4 * float(np.finfo(dtype).eps))


@np.errstate(all="ignore")
def test_an_infinite_logit_shows_in_the_loss_and_in_the_gradient():
    pred = np.array([[np.inf, 0.0, 1.0]])
    for target in (np.array([0]), np.array([[1.0, 0.0, 0.0]])):
        value, grad = nn.SoftmaxCrossEntropy().value_and_grad(pred, target)
        assert np.isnan(value)
        assert np.isnan(grad).all()
    assert np.isnan(nn.LogSoftmax().forward(pred)).all()


def test_yes_or_no_is_one_of_two_classes(rng):
    pred, ids = rng.normal(size=(20, 1)), rng.integers(0, 2, size=20)
    yes_or_no, slopes = nn.BinaryCrossEntropy().value_and_grad(pred, ids)
    one_of_two, of_both = nn.SoftmaxCrossEntropy().value_and_grad(pred * [[0.0, 1.0]], ids)
    assert abs(yes_or_no - one_of_two) < 1e-15
    np.testing.assert_allclose(slopes[:, 0], of_both[:, 1], rtol=0, atol=1e-15)
