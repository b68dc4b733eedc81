"""Embedding: the right row for every id, the right blame for every row, alone and as replicas."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import nnlite as nn
from nnlite.errors import ArgumentError, ArgumentTypeError, ShapeError
from nnlite.initializers import Constant
from nnlite.layers import Embedding
from nnlite.layers import embedding as module
from nnlite.testing import check_layer

each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def one_hot_way(layer, W, x, dy):
    """Compute output and dL/dW by the definition: a product with a one-hot encoding, column by column."""
    numbers, ids = x[..., : layer.numeric], x[..., layer.numeric :].astype(int)
    outputs, grads, start = [numbers], [], 0
    for column, count in enumerate(layer.categories):
        hot = np.eye(count)[ids[..., column]]
        outputs.append(hot @ W[..., start : start + count, :])
        first = layer.numeric + column * layer.features
        grads.append(hot.mT @ dy[..., first : first + layer.features])
        start += count
    return outputs, np.concatenate(grads, axis=-2)


@pytest.mark.parametrize("numeric", [0, 2])
@pytest.mark.parametrize("features", [1, 3])
@pytest.mark.parametrize("categories", [1, 6, (4, 1, 9)], ids=str)
@each_dtype
def test_it_is_a_product_with_a_one_hot_encoding(categories, features, numeric, dtype, rng):
    model = nn.Sequential([Embedding(categories, features, numeric=numeric)], dtype=dtype, rng=0)
    (layer,) = model
    x = layer.draw_input(rng, (17, *layer.input_shape)).astype(dtype)
    dy = rng.normal(size=(17, *layer.output_shape(layer.input_shape))).astype(dtype)
    model.params.grads[...] = np.nan  # gradients overwrite, where no id leads to as well
    ctx = model.context(input_gradient=True)
    y = model.forward(x, ctx)
    dx = model.backward(dy, ctx)
    assert y.dtype == dx.dtype == dtype
    outputs, grads = one_hot_way(layer, layer.W, x, dy)
    np.testing.assert_allclose(y, np.concatenate(outputs, axis=-1), rtol=1e-6)
    np.testing.assert_allclose(model.params.grad("0.W"), grads, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(dx[:, :numeric], dy[:, :numeric])
    np.testing.assert_array_equal(dx[:, numeric:], 0)


def test_a_row_that_no_id_met_has_gradient_zero():
    model = nn.Sequential([Embedding((2, 3), 2)], rng=0)
    model.params.grads[...] = np.nan
    ctx = model.context()
    model.forward([[0, 2], [0, 2], [0, 0]], ctx)
    model.backward(np.ones((3, 4)), ctx)
    np.testing.assert_array_equal(model.params.grad("0.W"), [[3, 3], [0, 0], [1, 1], [0, 0], [2, 2]])


def test_ids_are_rounded():
    layer = Embedding(3, 1)
    layer.W[...] = [[10.0], [11.0], [12.0]]
    x = np.array([[-0.4], [0.4], [0.6], [1.9999999], [2.4]], np.float32)
    np.testing.assert_array_equal(layer.forward(x)[:, 0], [10, 10, 11, 12, 12])


def test_without_categories_numbers_go_through(rng):
    layer = Embedding([], 4, numeric=3)
    assert layer.parameter_names == ()
    assert layer.output_shape(layer.input_shape) == (3,)
    model = nn.Sequential([nn.Dense(2, 3), layer, nn.Dense(3, 1)], rng=0)
    same = nn.Sequential([nn.Dense(2, 3), nn.Dense(3, 1)], rng=0)
    same.params.values[...] = model.params.values
    x, y = rng.normal(size=(5, 2)), rng.normal(size=(5, 1))
    assert model.loss_and_grad(x, y, nn.MeanSquaredError()) == same.loss_and_grad(x, y, nn.MeanSquaredError())
    np.testing.assert_array_equal(model.params.grads, same.params.grads)


@pytest.mark.parametrize("batch", [1, 5])
@pytest.mark.parametrize("replicas", [None, 1, 3])
def test_the_check_of_layers_draws_ids_itself(replicas, batch):
    report = check_layer(Embedding((3, 5), 2, numeric=1), replicas=replicas, batch=batch)
    assert report.largest_error < 1e-10
    assert {"dL/dx", "dL/dW"} <= set(report.errors)


def test_the_check_finds_a_wrong_gradient():
    class Forgetful(Embedding):
        def backward(self, dy, ctx):
            dx = super().backward(dy, ctx)
            ctx.grads.W[0] = 0
            return dx

    with pytest.raises(nn.errors.GradientCheckError, match="dL/dW"):
        check_layer(Forgetful((2, 2), 2))


def test_any_layer_may_say_what_it_takes():
    class Root(nn.Layer):
        def draw_input(self, rng, shape):
            return rng.uniform(1.0, 2.0, shape)

        def forward(self, x, ctx=None):
            y = np.sqrt(x)
            if ctx is not None:
                ctx.save(y)
            return y

        def backward(self, dy, ctx):
            (y,) = ctx.saved
            return dy / (2 * y)

    assert check_layer(Root(), replicas=2).largest_error < 1e-8


def test_the_order_in_memory_changes_nothing(rng):
    model = nn.Sequential([Embedding((4, 3), 2, numeric=1)], dtype=np.float64, rng=0)
    x = model[0].draw_input(rng, (9, 3))
    dy = rng.normal(size=(9, 5))
    found = []
    for change in (np.ascontiguousarray, np.asfortranarray, lambda a: a[::-1].copy()[::-1]):
        ctx = model.context(input_gradient=True)
        y = model[0].forward(change(x), ctx.layers[0])
        dx = model[0].backward(change(dy), ctx.layers[0])
        found.append((y, dx, model.params.grads.copy()))
    for other in found[1:]:
        for array, same in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(array, same)


# Many nets, and single examples.

CATEGORIES, REPLICAS, ROWS = (4, 3), 3, 12


def net(**options):
    return nn.Sequential(
        [Embedding(CATEGORIES, 2, numeric=1), nn.Dense(5, 4), nn.Tanh(), nn.Dense(4, 1)],
        dtype=np.float64,
        **options,
    )


def data(rng, *leading):
    x = Embedding(CATEGORIES, 2, numeric=1).draw_input(rng, (*leading, ROWS, 3))
    return x, rng.normal(size=(*leading, ROWS, 1))


@pytest.mark.parametrize("own", [False, True], ids=["shared rows", "own rows"])
def test_replicas_train_as_each_alone(own, rng):
    X, y = data(rng, REPLICAS) if own else data(rng)
    options = {"loss": nn.MeanSquaredError(), "epochs": 5, "batch_size": 5, "validation": (X, y)}
    seeds = [3, 4, 5]
    model = net(replicas=REPLICAS, rng=seeds)
    history = model.fit(X, y, optimizer=nn.Adam(0.05), **options)
    for index, seed in enumerate(seeds):
        one = net(rng=seed)
        mine = {"X": X[index], "y": y[index]} if own else {"X": X, "y": y}
        record = one.fit(**mine, optimizer=nn.Adam(0.05), **options | {"validation": (mine["X"], mine["y"])})
        np.testing.assert_allclose(model.params.values[index], one.params.values, rtol=1e-8, atol=1e-12)
        assert history.replica(index)["validation_loss"] == pytest.approx(record["validation_loss"])
        np.testing.assert_allclose(model.replica(index).predict(mine["X"]), one.predict(mine["X"]))


@pytest.mark.parametrize("largest", [module.LARGEST_COUNT, 1], ids=["at once", "one by one"])
@pytest.mark.parametrize("replicas", [None, REPLICAS])
def test_single_examples_against_a_loop(replicas, largest, rng, monkeypatch):
    monkeypatch.setattr(module, "LARGEST_COUNT", largest)
    model = net(replicas=replicas, rng=0)
    model.params.values += rng.normal(size=model.params.values.shape)
    x, y = data(rng)
    loss = nn.MeanSquaredError()
    expected = []
    for row in range(ROWS):
        model.loss_and_grad(x[row : row + 1], y[row : row + 1], loss)
        expected.append(model.params.grads.copy())
    each = model.per_example_gradients(x, y, loss)
    np.testing.assert_allclose(each, np.stack(expected, axis=-2), rtol=1e-10, atol=1e-14)
    model.loss_and_grad(x, y, loss)
    np.testing.assert_allclose(each.mean(axis=-2), model.params.grads, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("replicas", [None, REPLICAS])
def test_jacobian_against_single_outputs(replicas, rng):
    model = nn.Sequential(
        [Embedding(CATEGORIES, 2, numeric=1), nn.Dense(5, 2)], dtype=np.float64, replicas=replicas, rng=0
    )
    x, _ = data(rng)
    found = model.jacobian(x)
    for output in range(2):
        for row in range(ROWS):
            ctx = model.context()
            y = model.forward(x[row : row + 1], ctx)
            blame = np.zeros_like(y)
            blame[..., output] = 1
            model.backward(blame, ctx)
            np.testing.assert_allclose(found[..., row, output, :], model.params.grads, rtol=1e-12, atol=1e-14)


# How it starts, and how it is described.


def test_the_start_is_small_and_can_be_chosen():
    W = Embedding(1000, 4).W
    assert 0.045 < W.max() <= 0.05
    assert -0.045 > W.min() >= -0.05
    np.testing.assert_array_equal(Embedding(3, 2, weight_initializer=Constant(2.0)).W, 2)
    # What follows does not change that, as it does for Dense.
    model = nn.Sequential([Embedding(1000, 4), nn.Dense(4, 3), nn.ReLU(), nn.Dense(3, 1)], rng=0)
    assert np.abs(model[0].W).max() <= 0.05


def test_config_makes_the_layer_again():
    layer = Embedding([3, 4], 2, numeric=1)
    assert repr(layer) == "Embedding((3, 4), 2, numeric=1)"
    assert repr(Embedding(7, 2)) == "Embedding((7,), 2)"
    again = Embedding(**layer.config())
    assert again.config() == layer.config()
    assert again.input_shape == (3,)
    assert again.output_shape((3,)) == (5,)


def test_copies_look_up_the_same(rng):
    model = net(rng=0)
    x, _ = data(rng)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(twin.predict(x), model.predict(x))


def test_saved_and_loaded(tmp_path, rng):
    model = nn.Sequential([Embedding(CATEGORIES, 2, numeric=1), nn.Dense(5, 1)], rng=0)
    model.save(tmp_path / "net.safetensors")
    again = nn.load(tmp_path / "net.safetensors")
    x, _ = data(rng)
    assert repr(again) == repr(model)
    np.testing.assert_array_equal(again.predict(x), model.predict(x))


def test_a_count_may_be_an_array():
    assert Embedding(np.array(3), 2).categories == Embedding(np.array([3]), 2).categories == (3,)


# Mistakes.

MANY = 2**24


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Embedding(0, 2), ArgumentError, r"Embedding\(categories\): .* at least 1, got 0"),
        (lambda: Embedding([3, 0], 2), ArgumentError, r"Embedding\(categories\): .* at least 1, got 0"),
        (lambda: Embedding(2.0, 2), ArgumentTypeError, r"Embedding\(categories\): expected an integer"),
        (lambda: Embedding("ab", 2), ArgumentTypeError, r"Embedding\(categories\): .* got 'ab'"),
        (lambda: Embedding([], 2), ArgumentError, "at least one column, got none"),
        (lambda: Embedding(MANY + 1, 2), ArgumentError, "at most 16,777,216 different ids"),
        (lambda: Embedding(3, 0), ArgumentError, r"Embedding\(features\): .* got 0"),
        (lambda: Embedding(3, 2, numeric=-1), ArgumentError, r"Embedding\(numeric=\): .* got -1"),
        (lambda: Embedding(3, 2, weight_initializer="he"), ArgumentTypeError, "a callable"),
    ],
)
def test_mistakes_in_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        ([[0.0, 4, 0]], ArgumentError, r"ids from 0 to 3 in column 1, got 4 in row 0\. .*return_inverse"),
        ([[0, 0, 0], [0, 0, 3]], ArgumentError, "ids from 0 to 2 in column 2, got 3 in row 1"),
        ([[0, -1, 0]], ArgumentError, "in column 1, got -1 in row 0"),
        ([[0, 0, np.nan]], ArgumentError, "in column 2, got nan in row 0"),
        ([[0, np.inf, 0]], ArgumentError, "in column 1, got inf in row 0"),
        ([[0, 1]], ShapeError, r"input of shape \(batch, 3\), got \(1, 2\)"),
        ([0, 1, 2], ShapeError, r"input of shape \(batch, 3\), got \(3,\)"),
    ],
)
@each_dtype
def test_mistakes_in_ids(x, error, message, dtype):
    layer = Embedding(CATEGORIES, 2, numeric=1)
    with pytest.raises(error, match=message):
        layer.forward(np.array(x, dtype))


def test_a_wrong_id_ends_training_before_it_has_changed_anything(rng):
    model = net(rng=0)
    X, y = data(rng)
    X[7, 1] = 4
    before = model.params.values.copy()
    with pytest.raises(ArgumentError, match="ids from 0 to 3 in column 1, got 4"):
        model.fit(X, y, loss=nn.MeanSquaredError(), optimizer=nn.Adam(0.01), epochs=1, batch_size=ROWS)
    np.testing.assert_array_equal(model.params.values, before)
