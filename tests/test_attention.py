"""SelfAttention, PositionEmbedding and TokenEmbedding: every option, padding, and one example at a time."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from nnlite.errors import ArgumentError, ShapeError
from nnlite.layers import Context, Gradients, PositionEmbedding, SelfAttention, TokenEmbedding
from nnlite.testing import check_layer

LENGTHS = (3, 0, 7, 1, 5, 0)
LAYERS = {
    f"{heads} heads{', causal' * causal}": {"heads": heads, "causal": causal}
    for heads, causal in product((1, 2), (False, True))
}

each_layer = pytest.mark.parametrize("options", LAYERS.values(), ids=LAYERS)


def made(layer, rng):
    """Draw all the numbers of a layer, biases too."""
    for name in layer.parameter_names:
        getattr(layer, name)[...] = rng.normal(scale=0.5, size=getattr(layer, name).shape)
    return layer


def one_pass(layer, x, dy, leading=()):
    """Run it forward and backward; the gradients get leading axes of their own."""
    shapes = {name: layer._specs[name].shape for name in layer.parameter_names}
    grads = {name: np.full((*leading, *shape), np.nan) for name, shape in shapes.items()}
    ctx = Context(Gradients(grads))
    y = layer.forward(x, ctx)
    return y, layer.backward(dy, ctx), grads


def padded(rng, features=4, steps=7, number=0.0):
    x = rng.normal(size=(len(LENGTHS), steps, features))
    for row, length in enumerate(LENGTHS):
        x[row, length:] = number
    return x


@pytest.mark.parametrize("replicas", [None, 3])
@each_layer
def test_gradients_of_attention(options, replicas):
    report = check_layer(SelfAttention(4, **options), replicas=replicas, tolerance=1e-7)
    assert {"dL/dx", "dL/dW", "dL/db", "dL/dW_out", "dL/db_out"} <= set(report.errors)


@pytest.mark.parametrize("replicas", [None, 3])
@pytest.mark.parametrize(
    "layer", [TokenEmbedding(5, 2), TokenEmbedding(5, 2, padding=3), PositionEmbedding(9, 2)], ids=repr
)
def test_gradients_of_embeddings(layer, replicas):
    assert {"dL/dx", "dL/dW"} <= set(check_layer(layer, replicas=replicas, tolerance=1e-7).errors)


@each_layer
def test_padding_changes_neither_output_nor_gradient(options, rng):
    layer = made(SelfAttention(4, padding=-1, **options), rng)
    bare = SelfAttention(4, **options)
    for name in layer.parameter_names:
        getattr(bare, name)[...] = getattr(layer, name)
    x = padded(rng, number=-1.0)
    dy = rng.normal(size=x.shape)
    y, dx, grads = one_pass(layer, x, dy)
    sums = {name: np.zeros_like(grad) for name, grad in grads.items()}
    for row, length in enumerate(LENGTHS):
        assert (y[row, length:] == -1).all()
        assert (dx[row, length:] == 0).all()
        if length:
            part = slice(row, row + 1), slice(length)
            alone, alone_dx, alone_grads = one_pass(bare, x[part], dy[part])
            np.testing.assert_allclose(y[part], alone, rtol=1e-12, atol=1e-14)
            np.testing.assert_allclose(dx[part], alone_dx, rtol=1e-12, atol=1e-14)
            for name, grad in alone_grads.items():
                sums[name] += grad
    for name, grad in grads.items():
        np.testing.assert_allclose(grad, sums[name], rtol=1e-11, atol=1e-13, err_msg=name)


@each_layer
def test_more_padding_changes_nothing(options, rng):
    layer = made(SelfAttention(4, padding=0, **options), rng)
    x = padded(rng)
    wider = np.concatenate([x, np.zeros((len(x), 4, 4))], axis=1)
    dy = rng.normal(size=wider.shape)
    y, dx, grads = one_pass(layer, x, dy[:, :7])
    y_wider, dx_wider, grads_wider = one_pass(layer, wider, dy)
    np.testing.assert_allclose(y_wider[:, :7], y, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(dx_wider[:, :7], dx, rtol=1e-12, atol=1e-14)
    assert not y_wider[:, 7:].any()
    assert not dx_wider[:, 7:].any()
    for name, grad in grads.items():
        np.testing.assert_allclose(grads_wider[name], grad, rtol=1e-11, atol=1e-13, err_msg=name)


def test_a_causal_step_sees_no_later_one(rng):
    layer = made(SelfAttention(4, 2, causal=True), rng)
    x = rng.normal(size=(3, 6, 4))
    later = x.copy()
    later[:, 4:] += rng.normal(size=(3, 2, 4))
    y, other = layer.forward(x), layer.forward(later)
    np.testing.assert_array_equal(other[:, :4], y[:, :4])
    assert abs(other[:, 4:] - y[:, 4:]).min() > 0


def test_without_positions_the_order_of_steps_says_nothing(rng):
    layer = made(SelfAttention(4, 2), rng)
    places = made(PositionEmbedding(6, 4), rng)
    x = rng.normal(size=(3, 6, 4))
    np.testing.assert_allclose(layer.forward(x[:, ::-1]), layer.forward(x)[:, ::-1], rtol=1e-10)
    there, back = layer.forward(places.forward(x)), layer.forward(places.forward(x[:, ::-1]))
    assert abs(back[:, ::-1] - there).max() > 0.1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scores_of_any_size_overflow_nothing(dtype):
    layer = SelfAttention(2, causal=True, padding=0)
    layer.W[...] = np.tile(np.eye(2), 3)
    x = (np.array([[[1.0, 0.0], [-1.0, 0.5], [0.5, 1.0], [0.0, 0.0]]]) * 1e15).astype(dtype)
    y, dx, _ = one_pass(layer, x, np.ones((1, 4, 2), dtype))
    assert np.isfinite(y).all()
    assert np.isfinite(dx).all()


@pytest.mark.parametrize("shared", [False, True])
@each_layer
def test_attention_one_example_at_a_time(options, shared, rng):
    nets = [made(SelfAttention(4, padding=0, **options), rng) for _ in range(2)]
    assert_one_at_a_time(SelfAttention(4, padding=0, **options), nets, shared, lambda: padded(rng), rng)


@pytest.mark.parametrize("shared", [False, True])
def test_embeddings_one_example_at_a_time(shared, rng):
    nets = [made(PositionEmbedding(9, 4, padding=0), rng) for _ in range(2)]
    assert_one_at_a_time(PositionEmbedding(9, 4, padding=0), nets, shared, lambda: padded(rng), rng)
    nets = [made(TokenEmbedding(5, 4, padding=0), rng) for _ in range(2)]
    ids = lambda: rng.integers(0, 5, (6, 7)).astype(float)  # noqa: E731
    assert_one_at_a_time(TokenEmbedding(5, 4, padding=0), nets, shared, ids, rng)


def assert_one_at_a_time(layer, nets, shared, draw, rng):
    """With an axis of examples in front, of replicas behind it, every example has a gradient of its own."""
    x = draw() if shared else np.stack([draw(), draw()[::-1]])
    each = x[:, None, None] if shared else x.swapaxes(0, 1)[:, :, None]
    for name in layer.parameter_names:
        shape = layer._specs[name].view_shape(2)
        layer._views[name] = np.stack([getattr(net, name) for net in nets]).reshape(shape)
        vars(layer)[name] = layer._views[name]
    y = layer.forward(each)
    dy = rng.normal(size=y.shape)
    y, dx, grads = one_pass(layer, each, dy, leading=y.shape[:2])
    for index, net in enumerate(nets):
        own = x if shared else x[index]
        for row in range(len(own)):
            alone, alone_dx, alone_grads = one_pass(net, own[row : row + 1], dy[row, index])
            np.testing.assert_allclose(y[row, index], alone, rtol=1e-12, atol=1e-14)
            np.testing.assert_allclose(dx[row, index], alone_dx, rtol=1e-11, atol=1e-14)
            for name, grad in alone_grads.items():
                np.testing.assert_allclose(grads[name][row, index], grad, rtol=1e-11, atol=1e-14)


def test_positions_leave_padding_as_it_is(rng):
    layer = made(PositionEmbedding(9, 4, padding=0), rng)
    x = padded(rng)
    y, dx, grads = one_pass(layer, x, np.ones_like(x))
    expected = np.zeros((9, 4))
    for row, length in enumerate(LENGTHS):
        np.testing.assert_allclose(y[row, :length], x[row, :length] + layer.W[:length])
        assert not y[row, length:].any()
        assert (dx[row, :length] == 1).all()
        assert not dx[row, length:].any()
        expected[:length] += 1
    np.testing.assert_array_equal(grads["W"], expected)


def test_more_steps_than_places():
    layer = PositionEmbedding(3, 2)
    for call in (lambda: layer.forward(np.zeros((1, 4, 2))), lambda: layer.output_shape((4, 2))):
        with pytest.raises(ShapeError, match=r"at most 3 steps, got 4. Write PositionEmbedding\(4, 2\)"):
            call()
    assert layer.output_shape((None, 2)) == (None, 2)


def test_the_token_for_padding_is_0_and_learns_nothing(rng):
    layer = made(TokenEmbedding(4, 3, padding=2), rng)
    ids = np.array([[1.0, 2.0, 3.0], [2.0, 2.0, 1.0]])
    y, dx, grads = one_pass(layer, ids, np.ones((2, 3, 3)))
    np.testing.assert_array_equal(y[0], [layer.W[1], [0, 0, 0], layer.W[3]])
    np.testing.assert_array_equal(grads["W"], np.array([0, 2, 0, 1])[:, None] * np.ones(3))
    assert dx.shape == ids.shape
    assert not dx.any()


@pytest.mark.nonfinite
@pytest.mark.parametrize("wrong", [4, -1, np.nan, np.inf])
def test_an_id_that_is_none_is_named(wrong):
    ids = np.array([[0.0, 1.0], [3.0, wrong]])
    with pytest.raises(ArgumentError, match=r"ids from 0 to 3, got .* in step 1 of row 1"):
        TokenEmbedding(4, 3).forward(ids)
