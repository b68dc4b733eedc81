"""Per-example gradients and Jacobians against one row at a time, and against central differences."""

from __future__ import annotations

import numpy as np
import pytest
from samples import OF_FOUR
from workpieces import Affine, Sum, net_of_blocks

import nnlite as nn
from nnlite import losses
from nnlite.errors import ArgumentError, ShapeError
from nnlite.testing.differences import measure_slopes, relative_error
from nnlite.training import per_example

IDS = np.array([0, 2, 1, 1, 0])
TARGETS = {
    "SoftmaxCrossEntropy": IDS,
    "BinaryCrossEntropy": np.eye(3)[IDS],
    "Hinge": 2 * np.eye(3)[IDS] - 1,
    "PoissonNLL": np.arange(15.0).reshape(5, 3),
    "MultiTaskLoss": np.array([[0.5, 1], [-1.0, 0], [np.nan, 1], [2.0, np.nan], [np.nan, np.nan]]),
    "SequenceLoss": np.array([[0.5, 1, 2], [-1, 0, np.nan], [3, np.nan, np.nan], [np.nan] * 3, [1, 1, 1]]),
}
TASKS = {
    "squares": nn.Task(nn.MeanSquaredError(), outputs=0, targets=0),
    "kind": nn.Task(nn.SoftmaxCrossEntropy(), outputs=[1, 2], targets=1, weight=0.5),
}
ARGUMENTS = {
    "Masked": [losses.MeanSquaredError()],
    "MultiTaskLoss": [TASKS],
    "SequenceLoss": [losses.Huber(), 3],
}
LOSSES = sorted(name for name in losses.__all__ if name not in {"Loss", "PointwiseLoss", "Task"})

each_count = pytest.mark.parametrize("replicas", [None, 3])


def net(*middle, outputs=3, replicas=None, dtype=np.float64):
    parts = [nn.Dense(3, 4), nn.Tanh(), *middle, nn.Dense(4, outputs)]
    model = nn.Sequential(parts, dtype=dtype, replicas=replicas, rng=0)
    rng = np.random.default_rng(1)
    model.params.values += rng.normal(scale=0.1, size=model.params.values.shape).astype(dtype)
    return model


def row_by_row(model, x, y, loss):
    """Compute the gradients by a loop, each row as a batch of its own."""
    found = []
    for row in range(x.shape[-2]):
        ctx = model.context(training=False)
        model.loss_and_grad(x[..., row : row + 1, :], y[row : row + 1], loss, ctx=ctx)
        found.append(model.params.grads.copy())
    return np.stack(found, axis=-2)


def batch_gradient(model, x, y, loss, weight=None):
    model.loss_and_grad(x, y, loss, weight=weight, ctx=model.context(training=False))
    return model.params.grads.copy()


@each_count
@pytest.mark.parametrize("name", OF_FOUR)
def test_every_layer_against_a_loop(name, replicas, rng):
    model = net(OF_FOUR[name](), replicas=replicas)
    x, y = rng.normal(size=(5, 3)), rng.normal(size=(5, 3))
    model.adapt(x)
    loss = nn.MeanSquaredError()
    expected = row_by_row(model, x, y, loss)
    each = model.per_example_gradients(x, y, loss)
    assert each.shape == (*(() if replicas is None else (3,)), 5, model.params.size)
    np.testing.assert_allclose(each, expected, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(each.mean(axis=-2), batch_gradient(model, x, y, loss), rtol=1e-10, atol=1e-14)


@each_count
@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_against_a_loop(name, replicas, rng):
    loss = getattr(losses, name)(*ARGUMENTS.get(name, ()))
    model = net(outputs=6 if name == "GaussianNLL" else 3, replicas=replicas)
    x, y = rng.normal(size=(5, 3)), TARGETS.get(name, rng.normal(size=(5, 3)))
    each = model.per_example_gradients(x, y, loss)
    np.testing.assert_allclose(each, row_by_row(model, x, y, loss), rtol=1e-10, atol=1e-14)
    weight = np.array([0.5, 2.0, 0.0, 1.0, 1.5])
    weighted = model.per_example_gradients(x, y, loss, weight=weight)
    shares = weight / weight.mean()
    np.testing.assert_allclose(weighted, each * shares[:, None], rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(
        weighted.mean(axis=-2), batch_gradient(model, x, y, loss, weight), rtol=1e-10, atol=1e-14
    )


def test_rows_that_all_weigh_nothing(rng):
    model = net()
    x, y = rng.normal(size=(5, 3)), rng.normal(size=(5, 3))
    assert not model.per_example_gradients(x, y, nn.MeanSquaredError(), weight=np.zeros(5)).any()


def test_replicas_with_rows_of_their_own(rng):
    model = net(replicas=3)
    x, y = rng.normal(size=(3, 5, 3)), rng.normal(size=(5, 3))
    loss = nn.MeanSquaredError()
    np.testing.assert_allclose(
        model.per_example_gradients(x, y, loss), row_by_row(model, x, y, loss), rtol=1e-10, atol=1e-14
    )
    together = model.jacobian(x)
    assert together.shape == (3, 5, 3, model.params.size)
    alone = net()
    for replica in range(3):
        alone.params.values[...] = model.params.values[replica]
        np.testing.assert_allclose(together[replica], alone.jacobian(x[replica]), rtol=1e-10, atol=1e-14)


@each_count
def test_images(replicas, rng):
    parts = [nn.Flatten((2, 3)), nn.Dense(6, 4), nn.GELU(), nn.Dense(4, 2)]
    model = nn.Sequential(parts, dtype=np.float64, replicas=replicas, rng=0)
    x, y = rng.normal(size=(5, 2, 3)), np.array([0, 1, 1, 0, 1])
    loss = nn.SoftmaxCrossEntropy()
    each = model.per_example_gradients(x, y, loss)
    np.testing.assert_allclose(each.mean(axis=-2), batch_gradient(model, x, y, loss), rtol=1e-10, atol=1e-14)
    assert model.jacobian(x).shape == (*each.shape[:-1], 2, model.params.size)


@each_count
@pytest.mark.parametrize("name", OF_FOUR)
def test_jacobian_against_central_differences(name, replicas, rng):
    model = net(OF_FOUR[name](), replicas=replicas)
    x = rng.normal(size=(4, 3))
    model.adapt(x)
    found = model.jacobian(x)
    assert found.shape == (*model.predict(x).shape, model.params.size)
    values, step = model.params.values, 1e-5
    for index in range(model.params.size):
        kept = values[..., index].copy()
        values[..., index] = kept + step
        above = model.predict(x)
        values[..., index] = kept - step
        slope = (above - model.predict(x)) / (2 * step)
        values[..., index] = kept
        np.testing.assert_allclose(found[..., index], slope, rtol=1e-7, atol=1e-9)


def test_jacobian_of_one_output_is_the_gradient_of_the_output(rng):
    model = net(outputs=1)
    x = rng.normal(size=(4, 3))
    found = model.jacobian(x)
    slopes = measure_slopes(lambda: model.predict(x).sum(), model.params.values, tolerance=1e-7)
    total = found.sum(axis=(0, 1))
    assert relative_error(total, slopes.nearest(total)) < 1e-7


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nothing_on_the_model_is_written(dtype, rng):
    model = net(nn.Dropout(0.5), dtype=dtype)
    model[0].freeze()
    model.params.grads[...] = 7
    values, draws = model.params.values.copy(), model.rng.bit_generator.state
    x, y = rng.normal(size=(5, 3)), rng.normal(size=(5, 3))
    each = model.per_example_gradients(x, y, nn.MeanSquaredError())
    assert each.dtype == model.jacobian(x).dtype == dtype
    assert each.any(axis=-1).all()
    assert model.params.split(each)["0.W"].any()  # of frozen parameters too, as always
    assert (model.params.grads == 7).all()
    np.testing.assert_array_equal(model.params.values, values)
    assert model.rng.bit_generator.state == draws


def test_a_model_without_parameters(rng):
    model = nn.Sequential([nn.Tanh()], dtype=np.float64)
    x = rng.normal(size=(5, 3))
    assert model.jacobian(x).shape == (5, 3, 0)
    assert model.per_example_gradients(x, x, nn.MeanSquaredError()).shape == (5, 0)


# Layers and losses of one's own.


class FourthPower(nn.Loss):
    """A loss that knows no leading axes."""

    def value_and_grad(self, pred, target, weight=None):
        gap = pred - target
        return float(np.mean(gap**4)), 4 * gap**3 / gap.size


class Gain(nn.Layer):
    gain = nn.Parameter()

    def __init__(self, features, axis=-2, mixing=False):
        self.features, self.axis, self.mixing = features, axis, mixing
        self.declare("gain", (features,), decay=False)

    def forward(self, x, ctx=None):
        if ctx is not None:
            ctx.save(x)
        return x * (1 + self.gain)

    def backward(self, dy, ctx):
        (x,) = ctx.saved
        ctx.grads.gain[...] = np.sum(x * dy, axis=self.axis)
        return dy.mean(axis=0, keepdims=True) + 0 * dy if self.mixing else dy * (1 + self.gain)


class Squeeze(nn.Layer):
    def forward(self, x, ctx=None):
        return x.reshape(-1, x.shape[-1])

    def backward(self, dy, ctx):
        return dy


class Transposing(Gain):
    def backward(self, dy, ctx):
        (x,) = ctx.saved
        ctx.grads.gain[...] = np.diag(x.T @ dy)
        return dy


def test_a_loss_of_ones_own_sees_its_batch_as_ever(rng):
    model = net()
    x, y = rng.normal(size=(5, 3)), rng.normal(size=(5, 3))
    loss = FourthPower()
    each = model.per_example_gradients(x, y, loss)
    np.testing.assert_allclose(each, row_by_row(model, x, y, loss), rtol=1e-10, atol=1e-14)


@each_count
def test_a_layer_of_ones_own_that_leaves_leading_axes_alone(replicas, rng):
    model = net(Gain(4), replicas=replicas)
    x, y = rng.normal(size=(5, 3)), rng.normal(size=(5, 3))
    each = model.per_example_gradients(x, y, nn.MeanSquaredError())
    np.testing.assert_allclose(each, row_by_row(model, x, y, nn.MeanSquaredError()), rtol=1e-10, atol=1e-14)
    assert model.jacobian(x).shape == (*model.predict(x).shape, model.params.size)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (
            Gain(4, axis=0),
            r"layer 2 Gain\(4, .*\)\.backward: .* got a gradient of gain with the blame of one",
        ),
        (
            Gain(4, mixing=True),
            r"layer 2 Gain\(4, .*\)\.backward: .* got dL/dx with the blame of one example",
        ),
        (Squeeze(), r"layer 2 Squeeze\(\)\.forward: .* got an output of shape \(.*4\)"),
        (Transposing(4), r"layer 2 Transposing\(4\)\.backward: .* got the error .*\. Sum over axis=-2"),
    ],
    ids=["axis 0", "mixing", "squeezing", "transposing"],
)
def test_a_layer_that_does_not_is_named(layer, message, rng):
    x, y = rng.normal(size=(5, 3)), rng.normal(size=(5, 3))
    model = net(layer)
    with pytest.raises(ArgumentError, match=message):
        model.per_example_gradients(x, y, nn.MeanSquaredError())
    with pytest.raises(ArgumentError, match=r"layer 2 \w+\(.*\)\.\w+ward: expected all axes before"):
        model.jacobian(x)


# Bad input.


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda m, x: m.jacobian(x[0]),
            ShapeError,
            r"Sequential\.jacobian\(x\): .* For one row write x\[None\]",
        ),
        (lambda m, x: m.jacobian(x * np.nan), ArgumentError, r"jacobian\(x\): expected finite numbers"),
        (
            lambda m, x: m.per_example_gradients(x[:, None], x, nn.MeanSquaredError()),
            ShapeError,
            r"per_example_gradients\(x\): expected shape \(batch, 3\)",
        ),
        (
            lambda m, x: m.per_example_gradients(x, x[1:], nn.MeanSquaredError()),
            ShapeError,
            "5 rows, as many",
        ),
        (
            lambda m, x: m.per_example_gradients(x, x, nn.MeanSquaredError(), weight=[1.0]),
            ShapeError,
            "weights of shape",
        ),
        (
            lambda m, x: m.per_example_gradients(x, x, nn.MeanSquaredError),
            TypeError,
            r"Write MeanSquaredError\(\)",
        ),
    ],
)
def test_bad_input(call, error, message, rng):
    with pytest.raises(error, match=message):
        call(net(), rng.normal(size=(5, 3)))


def test_samples_that_are_no_row():
    with pytest.raises(ShapeError, match=r"End the model with Flatten\(\(2, 3\)\)"):
        nn.Sequential([nn.Flatten((6,)), Blocks()]).jacobian(np.ones((2, 6)))


class Blocks(nn.Layer):
    def output_shape(self, input_shape):
        return (2, 3)

    def forward(self, x, ctx=None):
        return x.reshape(*x.shape[:-1], 2, 3)


@each_count
def test_a_result_that_is_too_large(replicas, monkeypatch, rng):
    model = net(replicas=replicas)
    x, y = rng.normal(size=(50, 3)), rng.normal(size=(50, 3))
    a_row = model.params.size * 8 * (replicas or 1)
    monkeypatch.setattr(per_example, "LARGEST_RESULT", 12 * a_row)
    with pytest.raises(
        ArgumentError, match=r"50 x 31 numbers of float64, .* Give at most 12 rows at a time\."
    ):
        model.per_example_gradients(x, y, nn.MeanSquaredError())
    with pytest.raises(ArgumentError, match=r"50 x 3 x 31 numbers .* Give at most 4 rows at a time\."):
        model.jacobian(x)
    assert len(model.jacobian(x[:4])[..., 0, 0, 0].ravel()) == (replicas or 1)
    monkeypatch.setattr(per_example, "LARGEST_RESULT", 8)
    with pytest.raises(ArgumentError, match=r"Make the layers smaller\."):
        model.jacobian(x)


def settled(rng, **options):
    """Return a net of blocks whose running statistics are those of some data."""
    model = net_of_blocks(dtype=np.float64, **options)
    model.params.values += rng.normal(scale=0.1, size=model.params.values.shape)
    model.params.state[...] = rng.uniform(0.5, 2, model.params.state.shape)
    return model


@each_count
def test_blocks_and_running_statistics_against_a_loop(replicas, rng):
    model = settled(rng, replicas=replicas)
    x, y, loss = rng.normal(size=(5, 4)), rng.normal(size=(5, 3)), nn.MeanSquaredError()
    state = model.params.state.copy()
    each = model.per_example_gradients(x, y, loss)
    assert (model.params.state == state).all()
    np.testing.assert_allclose(each, row_by_row(model, x, y, loss), rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(each.mean(axis=-2), batch_gradient(model, x, y, loss), rtol=1e-10, atol=1e-14)
    jacobian = model.jacobian(x)
    single = np.concatenate([model.jacobian(x[row : row + 1]) for row in range(5)], axis=-3)
    np.testing.assert_allclose(jacobian, single, rtol=1e-10, atol=1e-14)
    if replicas is None:
        values = model.params.values.copy()

        def output(value):
            model.params.values[7] = value
            return model.predict(x)[:, 1]

        step = 1e-6
        slope = (output(values[7] + step) - output(values[7] - step)) / (2 * step)
        np.testing.assert_allclose(jacobian[:, 1, 7], slope, rtol=1e-6, atol=1e-9)


def test_a_layer_of_ones_own_inside_of_another_is_checked_and_named(rng):
    class TakesAll(Affine):
        def bias_gradient(self, dy, ctx):
            ctx.grads.b[...] = dy.sum(axis=tuple(range(dy.ndim - 1)))

    parts = [nn.Dense(4, 4), nn.Residual([nn.Tanh(), Sum(nn.Dense(4, 4), TakesAll(4, 4))]), nn.Dense(4, 3)]
    model = nn.Sequential(parts, dtype=np.float64, rng=0)
    x, y = rng.normal(size=(5, 4)), rng.normal(size=(5, 3))
    with pytest.raises(
        ArgumentError, match=r"layer 1\.1\.1 TakesAll\(.*\)\.backward: expected all axes before"
    ):
        model.per_example_gradients(x, y, nn.MeanSquaredError())


def test_a_layer_that_holds_others_and_mixes_examples_is_named(rng):
    class Turns(Sum):
        def forward(self, x, ctx=None):
            return super().forward(x, ctx)[::-1]

        def backward(self, dy, ctx):
            return super().backward(dy[::-1], ctx)

    model = nn.Sequential([nn.Dense(4, 4), Turns(nn.Dense(4, 3), nn.Dense(4, 3))], dtype=np.float64, rng=0)
    with pytest.raises(ArgumentError, match=r"layer 1\.\d Dense|layer 1 Turns"):
        model.jacobian(rng.normal(size=(5, 4)))
