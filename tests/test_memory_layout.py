"""The order of numbers in memory changes no result, and no input is written to."""

import numpy as np
import pytest
from samples import LAYERS, again, before, draw

import nnlite as nn

LOSSES = {
    "squares": (nn.MeanSquaredError(), 4, lambda rng: rng.normal(size=(6, 4))),
    "absolute": (nn.MeanAbsoluteError(), 4, lambda rng: rng.normal(size=(6, 4))),
    "huber": (nn.Huber(0.5), 4, lambda rng: rng.normal(size=(6, 4))),
    "quantile": (nn.Quantile(0.2), 4, lambda rng: rng.normal(size=(6, 4))),
    "binary": (nn.BinaryCrossEntropy(), 4, lambda rng: rng.integers(0, 2, (6, 4)).astype(float)),
    "class ids": (nn.SoftmaxCrossEntropy(label_smoothing=0.1), 4, lambda rng: rng.integers(0, 4, 6)),
    "one-hot": (nn.SoftmaxCrossEntropy(), 4, lambda rng: np.eye(4)[rng.integers(0, 4, 6)]),
    "poisson": (nn.PoissonNLL(), 4, lambda rng: rng.poisson(2.0, (6, 4)).astype(float)),
    "gaussian": (nn.GaussianNLL(), 4, lambda rng: rng.normal(size=(6, 2))),
    "hinge": (nn.Hinge(), 4, lambda rng: rng.choice([-1.0, 1.0], (6, 4))),
}


def layouts(array):
    """Give the same numbers in Fortran order, as every second column, and backwards."""
    yield np.asfortranarray(array)
    yield np.repeat(array, 2, axis=-1)[..., ::2]
    yield array[::-1].copy()[::-1]


@pytest.mark.parametrize("case", LOSSES)
def test_losses(case, rng):
    loss, outputs, make_target = LOSSES[case]
    pred, target = rng.normal(size=(6, outputs)), make_target(rng)
    kept = pred.copy(), target.copy()
    value, grad = loss.value_and_grad(pred, target)
    for other in layouts(pred):
        for same in layouts(target):
            found, slope = loss.value_and_grad(other, same)
            assert found == pytest.approx(value, rel=1e-14)
            np.testing.assert_allclose(slope, grad, rtol=1e-14, atol=1e-16)
    np.testing.assert_array_equal(pred, kept[0])
    np.testing.assert_array_equal(target, kept[1])


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_layers(layer, rng):
    x = draw(layer, rng, 6)
    model = nn.Sequential([*before(layer), again(layer)], rng=0, dtype=float)
    model.adapt(x)
    results = []
    for array in (x, *layouts(x)):
        kept = array.copy()
        ctx = model.context(input_gradient=True, rng=0)
        y = model.forward(array, ctx)
        dx = model.backward(np.asfortranarray(np.cos(y)), ctx)
        results.append((y, dx, model.params.grads.copy()))
        np.testing.assert_array_equal(array, kept)
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)
