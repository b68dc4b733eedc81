"""SimpleRNN, GRU and LSTM: every option, padding, replicas, and one example at a time."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from nnlite.errors import ShapeError
from nnlite.initializers import Constant
from nnlite.layers import GRU, LSTM, Context, Gradients, SimpleRNN
from nnlite.testing import check_layer

KINDS = (SimpleRNN, GRU, LSTM)
DIRECTIONS = ("forward", "backward", "both")
LENGTHS = (3, 0, 7, 1, 5, 0)

each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
each_direction = pytest.mark.parametrize("direction", DIRECTIONS)
each_output = pytest.mark.parametrize("sequences", [False, True], ids=["last", "all"])


def made(kind, *arguments, seed=0, **options):
    """Make a layer whose biases are not 0."""
    layer = kind(*arguments, bias_initializer=lambda rng, shape: rng.normal(size=shape), **options)
    layer.initialize(seed)
    return layer


def one_pass(layer, x, dy, leading=()):
    """Run it forward and backward; the gradients get leading axes of their own."""
    shapes = {name: layer._specs[name].shape for name in layer.parameter_names}
    grads = {name: np.full((*leading, *shape), np.nan) for name, shape in shapes.items()}
    ctx = Context(Gradients(grads))
    y = layer.forward(x, ctx)
    return y, layer.backward(dy, ctx), grads


def padded(rng, features=2, steps=7, number=0.0):
    x = rng.normal(size=(len(LENGTHS), steps, features))
    for row, length in enumerate(LENGTHS):
        x[row, length:] = number
    return x


@pytest.mark.parametrize("replicas", [None, 3])
@each_output
@each_direction
@each_kind
def test_gradients(kind, direction, sequences, replicas):
    layer = kind(3, 2, direction=direction, sequences=sequences)
    report = check_layer(layer, replicas=replicas, tolerance=1e-7)
    assert {"dL/dx", *(f"dL/d{name}" for name in layer.parameter_names)} <= set(report.errors)


@each_kind
def test_gradients_over_many_steps(kind, rng):
    assert check_layer(kind(2, 3, direction="both", sequences=True), rng.normal(size=(2, 20, 2)))


@each_output
@each_direction
@each_kind
def test_padding_changes_neither_output_nor_gradient(kind, direction, sequences, rng):
    """Each row comes out as it does alone, and the gradients are the sum of what the rows alone give."""
    layer = made(kind, 2, 3, direction=direction, sequences=sequences, padding=-1)
    bare = made(kind, 2, 3, direction=direction, sequences=sequences)
    x = padded(rng, number=-1.0)
    y = layer.forward(x)
    dy = rng.normal(size=y.shape)
    y, dx, grads = one_pass(layer, x, dy)
    sums = {name: np.zeros_like(grad) for name, grad in grads.items()}
    for row, length in enumerate(LENGTHS):
        assert (dx[row, length:] == 0).all()
        if sequences:
            assert (y[row, length:] == -1).all()
        if length == 0:
            assert sequences or (y[row] == 0).all()
            continue
        blame = dy[row : row + 1, :length] if sequences else dy[row : row + 1]
        alone, alone_dx, alone_grads = one_pass(bare, x[row : row + 1, :length], blame)
        np.testing.assert_allclose(y[row, :length] if sequences else y[row], alone[0], rtol=1e-13, atol=1e-15)
        np.testing.assert_allclose(dx[row, :length], alone_dx[0], rtol=1e-12, atol=1e-15)
        for name, grad in alone_grads.items():
            sums[name] += grad
    for name, grad in grads.items():
        np.testing.assert_allclose(grad, sums[name], rtol=1e-12, atol=1e-13, err_msg=name)


@each_output
@each_direction
@each_kind
def test_more_padding_changes_nothing(kind, direction, sequences, rng):
    layer = made(kind, 2, 3, direction=direction, sequences=sequences, padding=0)
    x = padded(rng)
    wider = np.concatenate([x, np.zeros((len(x), 4, 2))], axis=1)
    y, y_wider = layer.forward(x), layer.forward(wider)
    dy = rng.normal(size=y_wider.shape)  # what is blamed on padding counts for nothing
    _, dx, grads = one_pass(layer, x, dy[:, :7] if sequences else dy)
    _, dx_wider, grads_wider = one_pass(layer, wider, dy)
    if sequences:
        assert (y_wider[:, 7:] == 0).all()
        y_wider = y_wider[:, :7]
    np.testing.assert_array_equal(y_wider, y)
    np.testing.assert_allclose(dx_wider[:, :7], dx, rtol=1e-13, atol=1e-15)
    assert (dx_wider[:, 7:] == 0).all()
    for name, grad in grads.items():
        np.testing.assert_allclose(grads_wider[name], grad, rtol=1e-13, atol=1e-14, err_msg=name)


@each_kind
def test_nothing_but_padding(kind, rng):
    layer = made(kind, 2, 3, padding=0)
    y, dx, grads = one_pass(layer, np.zeros((4, 5, 2)), rng.normal(size=(4, 3)))
    assert not y.any()
    assert not dx.any()
    assert not any(grad.any() for grad in grads.values())


@each_kind
def test_padding_in_the_middle_is_a_step(kind, rng):
    x = rng.normal(size=(1, 5, 2))
    x[0, 1:3] = 0
    x[0, 4, 0] = 0  # of a step that is one feature may be the number, too
    np.testing.assert_array_equal(made(kind, 2, 3, padding=0).forward(x), made(kind, 2, 3).forward(x))


@each_direction
@each_kind
def test_padding_goes_on_to_the_next_layer(kind, direction, rng):
    first = made(kind, 2, 3, direction=direction, sequences=True, padding=0)
    width = 6 if direction == "both" else 3
    second = made(kind, width, 2, padding=0)
    x = padded(rng)
    together = second.forward(first.forward(x))
    for row, length in enumerate(LENGTHS):
        alone = second.forward(first.forward(x[row : row + 1, : max(length, 1)]))
        np.testing.assert_allclose(together[row], alone[0], rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("shared", [False, True])
@each_output
@each_direction
@each_kind
def test_one_example_at_a_time(kind, direction, sequences, shared, rng):
    """With an axis of examples in front, of replicas behind it, every example has a gradient of its own."""
    layer = made(kind, 2, 3, direction=direction, sequences=sequences, padding=0)
    nets = [made(kind, 2, 3, direction=direction, sequences=sequences, padding=0, seed=s) for s in range(2)]
    x = padded(rng) if shared else np.stack([padded(rng), padded(rng)[::-1]])
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
            np.testing.assert_allclose(y[row, index], alone, rtol=1e-13, atol=1e-15)
            np.testing.assert_allclose(dx[row, index], alone_dx, rtol=1e-12, atol=1e-14)
            for name, grad in alone_grads.items():
                np.testing.assert_allclose(grads[name][row, index], grad, rtol=1e-12, atol=1e-14)


@each_kind
def test_both_directions_are_two_layers_side_by_side(kind, rng):
    both = made(kind, 2, 3, direction="both", sequences=True)
    x = rng.normal(size=(4, 6, 2))
    parts = []
    for suffix, direction in (("", "forward"), ("_backward", "backward")):
        part = made(kind, 2, 3, direction=direction, sequences=True)
        for name in part.parameter_names:
            getattr(part, name)[...] = getattr(both, name + suffix)
        parts.append(part.forward(x))
    np.testing.assert_array_equal(both.forward(x), np.concatenate(parts, axis=-1))


@each_kind
def test_backward_is_forward_over_the_reversed_sequence(kind, rng):
    x = rng.normal(size=(4, 6, 2))
    there, back = (made(kind, 2, 3, direction=way, sequences=True) for way in ("forward", "backward"))
    np.testing.assert_allclose(
        back.forward(x)[:, ::-1], there.forward(np.ascontiguousarray(x[:, ::-1])), rtol=1e-13
    )


@each_kind
def test_the_last_state_is_that_behind_the_last_step(kind, rng):
    x = rng.normal(size=(4, 6, 2))
    last, every = (made(kind, 2, 3, sequences=sequences) for sequences in (False, True))
    np.testing.assert_array_equal(last.forward(x), every.forward(x)[:, -1])


@each_kind
def test_no_rows_and_one_step(kind):
    layer = made(kind, 2, 3, direction="both")
    assert layer.forward(np.zeros((0, 5, 2))).shape == (0, 6)
    assert layer.forward(np.ones((4, 1, 2))).shape == (4, 6)


@each_kind
def test_large_numbers_saturate(kind):
    """Without a warning, which would be an error here."""
    layer = made(kind, 1, 2)
    for x in (np.full((1, 3, 1), 1e30, np.float32), np.full((1, 3, 1), -1e30, np.float32)):
        y, dx, grads = one_pass(layer, x, np.ones((1, 2), np.float32))
        assert np.isfinite(y).all()
        assert np.isfinite(dx).all()
        assert np.isfinite(grads["b"]).all()


@each_kind
def test_no_dx_where_nobody_asks(kind, rng):
    layer = made(kind, 2, 3)
    ctx = layer._context(needs_dx=False)
    layer.forward(rng.normal(size=(4, 5, 2)).astype(np.float32), ctx)
    assert layer.backward(np.ones((4, 3), np.float32), ctx) is None


@each_kind
def test_start(kind):
    """Each gate has a rotation of its own, and W keeps to the limits of Glorot's rule for one gate."""
    layer = kind(5, 8)
    for U in np.split(layer.U, layer._gates, axis=1):
        np.testing.assert_allclose(U @ U.T, np.eye(8), atol=1e-6)
    limit = np.sqrt(6 / (5 + 8))
    assert 0.9 * limit < abs(layer.W).max() <= limit
    others = [name for name in layer.parameter_names if name in ("b", "c")]
    forget = slice(8, 16) if kind is LSTM else slice(0)
    for name in others:
        expected = np.zeros_like(getattr(layer, name))
        expected[forget] = 1
        np.testing.assert_array_equal(getattr(layer, name), expected)


def test_initializers_are_asked_for_each_gate():
    shapes = []

    def draw(rng, shape):
        shapes.append(shape)
        return np.zeros(shape)

    layer = GRU(5, 2, weight_initializer=draw, recurrent_initializer=draw, bias_initializer=Constant(0.5))
    assert (layer.b == 0.5).all()
    assert (layer.c == 0.5).all()
    assert shapes == [(5, 2)] * 3 + [(2, 2)] * 3


def test_shapes():
    for kind, sequences, (direction, width) in product(
        KINDS, (False, True), (("forward", 3), ("backward", 3), ("both", 6))
    ):
        layer = kind(2, 3, sequences=sequences, direction=direction)
        assert layer.input_shape == (None, 2)
        assert layer.output_shape((7, 2)) == ((7, width) if sequences else (width,))
        assert layer.output_shape((None, 2)) == ((None, width) if sequences else (width,))
        for wrong in ((7, 3), (2,), (1, 7, 2)):
            with pytest.raises(ShapeError, match=r"expected input of shape \(batch, time, 2\)"):
                layer.output_shape(wrong)
