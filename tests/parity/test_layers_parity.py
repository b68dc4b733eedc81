"""Every layer that PyTorch has too gives PyTorch's outputs and gradients."""

from __future__ import annotations

import numpy as np
import pytest
from parity_tools import (
    assert_close,
    assert_same_parameters,
    leaf,
    parameter_pairs,
    tensor,
    torch,
    torch_pass,
    twin,
    weighted_mean,
)

from nnlite import MeanSquaredError, Sequential
from nnlite.layers import (
    ELU,
    GELU,
    SELU,
    Add,
    BatchNorm,
    Clip,
    Columns,
    Concatenate,
    Context,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    Gradients,
    HardSigmoid,
    HardSwish,
    Input,
    LayerNorm,
    LeakyReLU,
    LogSoftmax,
    Mish,
    Multiply,
    PReLU,
    ReLU,
    ReLU6,
    Residual,
    RMSNorm,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Standardize,
    Step,
    Tanh,
    TimeDistributed,
)

# PyTorch's Softplus returns x itself above a threshold. At its default of 20 that is off by
# exp(-20) = 2e-9; at 40 it is off by less than the precision of float64.
EXACT_SOFTPLUS = 40.0


def hard_sigmoid(x):
    """Compute it from what is exact: the slope of ``torch.nn.Hardsigmoid`` is 1/6 as float32 has it."""
    return torch.nn.functional.relu6(x + 3) / 6


ACTIVATIONS = [
    (ReLU(), torch.nn.ReLU()),
    (LeakyReLU(), torch.nn.LeakyReLU()),
    (LeakyReLU(0.3), torch.nn.LeakyReLU(0.3)),
    (LeakyReLU(-0.5), torch.nn.LeakyReLU(-0.5)),
    (ELU(), torch.nn.ELU()),
    (ELU(1.7), torch.nn.ELU(1.7)),
    (GELU(), torch.nn.GELU()),
    (GELU(approximate=True), torch.nn.GELU(approximate="tanh")),
    (SiLU(), torch.nn.SiLU()),
    (Mish(), torch.nn.Mish()),
    (SELU(), torch.nn.SELU()),
    (ReLU6(), torch.nn.ReLU6()),
    (Clip(-0.5, 2.0), torch.nn.Hardtanh(-0.5, 2.0)),
    (HardSigmoid(), hard_sigmoid),
    (HardSwish(), torch.nn.Hardswish()),
    (Sigmoid(), torch.nn.Sigmoid()),
    (Tanh(), torch.nn.Tanh()),
    (Softplus(), torch.nn.Softplus(threshold=EXACT_SOFTPLUS)),
    (Softmax(), torch.nn.Softmax(dim=-1)),
    (LogSoftmax(), torch.nn.LogSoftmax(dim=-1)),
]

each_activation = pytest.mark.parametrize(
    ("layer", "theirs"), ACTIVATIONS, ids=[repr(layer) for layer, _ in ACTIVATIONS]
)


def our_pass(layer, x, dy):
    """Run a layer without parameters forward and backward."""
    ctx = Context(Gradients({}))
    return layer.forward(x, ctx), layer.backward(dy, ctx)


def assert_same_pass(layer, theirs, x, dy):
    for ours, expected, what in zip(
        our_pass(layer, x, dy), torch_pass(theirs, x, dy), ("y", "dx"), strict=True
    ):
        assert_close(ours, expected, f"{layer} {what}")
    assert_close(layer.forward(x), theirs(tensor(x)), f"{layer} y in inference")


@each_activation
@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (64, 33), (3, 16, 10)], ids=str)
@pytest.mark.parametrize("scale", [1.0, 30.0, 1e4])
def test_activation(layer, theirs, shape, scale, rng):
    x = rng.normal(size=shape) * scale
    assert_same_pass(layer, theirs, x, rng.normal(size=shape))


@each_activation
def test_activation_at_its_corners(layer, theirs, rng):
    x = np.array([[0.0, -0.0, 1e4, -1e4], [1e-300, -1e-300, 700.0, -700.0], [0.0, 0.0, 0.0, 0.0]])
    assert_same_pass(layer, theirs, x, rng.normal(size=x.shape))


@each_activation
def test_activation_with_a_large_upstream_gradient(layer, theirs, rng):
    x = rng.normal(size=(9, 6))
    assert_same_pass(layer, theirs, x, rng.normal(size=x.shape) * 1e3)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_prelu(shared, scale, rng):
    model = Sequential([PReLU(5, shared=shared)], dtype=np.float64)
    assert (model[0].slope == 0.25).all()  # as theirs
    model.params.values[...] = rng.normal(size=model.params.size)
    x, dy = rng.normal(size=(9, 5)) * scale, rng.normal(size=(9, 5))
    x[0] = 0
    ctx = model.context(input_gradient=True)
    y = model.forward(x, ctx)
    dx = model.backward(dy, ctx)
    theirs = torch.nn.PReLU(1 if shared else 5, dtype=torch.float64)
    theirs.weight = torch.nn.Parameter(tensor(model[0].slope))
    expected_y, expected_dx = torch_pass(theirs, x, dy)
    assert_close(y, expected_y, "y")
    assert_close(dx, expected_dx, "dx")
    assert_close(model.params.grad("0.slope") / scale, theirs.weight.grad / scale, "dslope")


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("batch", "inputs", "outputs"), [(1, 1, 1), (1, 9, 4), (32, 64, 10), (5, 3, 70)])
@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_dense(bias, batch, inputs, outputs, scale, rng):
    model = Sequential([Dense(inputs, outputs, bias=bias)], dtype=np.float64, rng=rng)
    model.params.values[...] = rng.normal(size=model.params.size)
    x, dy = rng.normal(size=(batch, inputs)) * scale, rng.normal(size=(batch, outputs))
    ctx = model.context(input_gradient=True)
    y = model.forward(x, ctx)
    dx = model.backward(dy, ctx)

    linear = torch.nn.Linear(inputs, outputs, bias=bias, dtype=torch.float64)
    linear.weight = torch.nn.Parameter(tensor(model[0].W.T))
    if bias:
        linear.bias = torch.nn.Parameter(tensor(model[0].b))
    expected_y, expected_dx = torch_pass(linear, x, dy)
    # Sums of numbers of 1e4 in two orders differ by 1e-10, so what grows with x is compared at scale 1.
    assert_close(y / scale, expected_y / scale, "y")
    assert_close(dx, expected_dx, "dx")
    assert_close(model.params.grad("0.W") / scale, linear.weight.grad.T / scale, "dW")
    if bias:
        assert_close(model.params.grad("0.b"), linear.bias.grad, "db")


@pytest.mark.parametrize("features", [1, 7])
@pytest.mark.parametrize("numeric", [0, 3])
@pytest.mark.parametrize("categories", [(1,), (5,), (4, 100, 2)], ids=str)
def test_embedding(categories, numeric, features, rng):
    model = Sequential([Embedding(categories, features, numeric=numeric)], dtype=np.float64)
    model.params.values[...] = rng.normal(size=model.params.size)
    x = np.column_stack([rng.normal(size=(20, numeric)), rng.integers(0, categories, (20, len(categories)))])
    dy = rng.normal(size=(20, numeric + len(categories) * features))
    ctx = model.context(input_gradient=True)
    y = model.forward(x, ctx)
    dx = model.backward(dy, ctx)

    tables = [
        torch.nn.Embedding(count, features, dtype=torch.float64).requires_grad_() for count in categories
    ]
    with torch.no_grad():
        for table, rows in zip(tables, np.split(model[0].W, np.cumsum(categories)[:-1]), strict=True):
            table.weight[...] = tensor(rows)

    def look_up(z):
        ids = z[:, numeric:].long().unbind(dim=1)
        found = [table(column) for table, column in zip(tables, ids, strict=True)]
        return torch.cat([z[:, :numeric], *found], dim=1)

    expected_y, expected_dx = torch_pass(look_up, x, dy)
    assert_close(y, expected_y, "y")
    # In PyTorch, the cast of the ids to integers passes no gradient on, so theirs is 0 too.
    assert_close(dx, expected_dx, "dx")
    assert_close(model.params.grad("0.W"), torch.cat([table.weight.grad for table in tables]), "dW")


@pytest.mark.parametrize("shape", [(1,), (8, 8), (3, 4, 5)], ids=str)
def test_flatten(shape, rng):
    x = rng.normal(size=(6, *shape))
    assert_same_pass(Flatten(shape), torch.nn.Flatten(), x, rng.normal(size=(6, np.prod(shape))))


@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_standardize(scale, rng):
    x = rng.normal(size=(50, 7)) * scale + rng.normal(size=7)
    model = Sequential([Standardize(7)], dtype=np.float64)
    (layer,) = model
    layer.adapt(x)
    std, mean = torch.std_mean(tensor(x), dim=0, correction=0)
    assert_close(layer.mean, mean, "mean")
    assert_close(layer.scale, std, "scale")

    def batch_norm(z):
        return torch.nn.functional.batch_norm(z, mean, std**2, training=False, eps=0.0)

    assert_same_pass(layer, batch_norm, x, rng.normal(size=x.shape))


def test_step_forward_is_heaviside_with_0_at_0(rng):
    x = np.concatenate([rng.normal(size=(20, 6)) * 1e4, np.array([[0.0, -0.0, 1e-300, -1e-300, 1.0, -1.0]])])
    y, dx = our_pass(Step(), x, rng.normal(size=x.shape))
    assert_close(y, torch.heaviside(tensor(x), torch.zeros(1, dtype=torch.float64)), "y")
    # PyTorch has no derivative of heaviside; that of a function which is flat almost everywhere is 0.
    assert_close(dx, np.zeros_like(x), "dx")


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.9])
def test_dropout_scales_the_survivors_as_pytorch_does(rate, rng):
    x, dy = rng.uniform(1.0, 2.0, size=(40, 30)), rng.normal(size=(40, 30))
    ctx = Context(Gradients({}), rng=rng)
    layer = Dropout(rate)
    y = layer.forward(x, ctx)
    kept = tensor(y != 0)  # no input is 0, so a 0 in the output was dropped
    expected_y, expected_dx = torch_pass(lambda z: z * kept / (1 - rate), x, dy)
    assert_close(y, expected_y, "y")
    assert_close(layer.backward(dy, ctx), expected_dx, "dx")

    # PyTorch draws other coins, and does the same with them.
    torch.manual_seed(0)
    z = leaf(x)
    their_y = torch.nn.Dropout(rate)(z)
    their_y.backward(tensor(dy))
    their_kept = (their_y != 0).numpy()
    assert_close(x * their_kept / (1 - rate), their_y, "PyTorch's rule, forward")
    assert_close(dy * their_kept / (1 - rate), z.grad, "PyTorch's rule, backward")


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_keeps_the_expected_value(rate, rng):
    y = Dropout(rate).forward(np.ones((400, 250)), Context(Gradients({}), rng=rng))
    deviation = np.sqrt(rate / (1 - rate) / y.size)  # of the mean of that many scaled coins
    assert abs(y.mean() - 1) < 4 * deviation


def test_dropout_does_nothing_outside_of_training(rng):
    x, dy = rng.normal(size=(8, 5)), rng.normal(size=(8, 5))
    theirs = torch.nn.Dropout(0.5).eval()
    expected_y, expected_dx = torch_pass(theirs, x, dy)
    layer, ctx = Dropout(0.5), Context(Gradients({}), training=False, rng=rng)
    assert_close(layer.forward(x), expected_y, "y in inference")
    assert_close(layer.forward(x, ctx), expected_y, "y")
    assert_close(layer.backward(dy, ctx), expected_dx, "dx")


@pytest.mark.parametrize(("batch", "features"), [(1, 1), (1, 9), (32, 64), (5, 3)])
@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (1e4, 0.0), (1e-4, 3.0)])
@pytest.mark.parametrize("norm", [LayerNorm, RMSNorm])
def test_layer_norm(norm, batch, features, scale, shift, rng):
    model = filled(Sequential([norm(features, epsilon=1e-3)], dtype=np.float64), rng)
    x, dy = rng.normal(size=(batch, features)) * scale + shift, rng.normal(size=(batch, features))
    assert_same_net(model, x, dy)


def filled(model, rng):
    """Draw all numbers of a model, so that none is a 0 or 1 that would hide a mistake."""
    model.params.values[...] = rng.normal(size=model.params.values.shape)
    model.params.state[...] = rng.uniform(0.5, 2, size=model.params.state.shape)
    return model


def assert_same_net(model, x, dy, *, training=True, replica=None):
    """Compare output, dL/dx, gradients and what is kept with those of the twin, then what both predict."""
    net = twin(model, replica=replica).train(training)
    ctx = model.context(input_gradient=True, training=training)
    y = model.forward(x, ctx)
    dx = model.backward(dy, ctx)
    said, grads = model.predict(x), model.params.grads
    if replica is not None:
        y, dx, said, grads, dy = (array[replica] for array in (y, dx, said, grads, dy))
    expected_y, expected_dx = torch_pass(net, x, dy)
    assert_close(y, expected_y, "y")
    assert_close(dx, expected_dx, "dx")
    assert_same_gradients(model, net, grads, replica=replica)
    assert_same_parameters(model, net, "a pass", replica=replica)
    assert_close(said, net.eval()(tensor(x)), "y in inference")


def assert_same_gradients(model, net, grads, *, replica=None):
    views = model.params.split(grads)
    for name, theirs, _ in parameter_pairs(model, net, replica=replica):
        assert_close(views[name].T if name.endswith("W") else views[name], theirs.grad, f"d{name}")


def assert_same_loss(model, x, target, weight):
    """Compare loss, gradients and what is kept, where rows have weights, with the twin's."""
    net = twin(model)
    for module in net.modules():
        module.weight_of_rows = weight
    value = model.loss_and_grad(x, target, MeanSquaredError(), weight=weight)
    expected = weighted_mean(torch.nn.MSELoss(reduction="none"), weight)(net(tensor(x)), tensor(target))
    expected.backward()
    assert_close(value, expected, "loss")
    assert_same_gradients(model, net, model.params.grads)
    assert_same_parameters(model, net, "a pass")


@pytest.mark.parametrize(("batch", "features"), [(2, 1), (3, 9), (32, 64)])
@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (1e2, 0.0), (1e-2, 3.0)])
@pytest.mark.parametrize("training", [True, False])
def test_batch_norm(batch, features, scale, shift, training, rng):
    model = filled(Sequential([BatchNorm(features, epsilon=1e-3)], dtype=np.float64), rng)
    x, dy = rng.normal(size=(batch, features)) * scale + shift, rng.normal(size=(batch, features))
    assert_same_net(model, x, dy, training=training)


@pytest.mark.parametrize("momentum", [0.01, 0.5, 1.0])
@pytest.mark.parametrize("epsilon", [1e-12, 1e-5, 0.1])
def test_options_of_batch_norm(momentum, epsilon, rng):
    layer = BatchNorm(6, momentum=momentum, epsilon=epsilon)
    model = filled(Sequential([layer], dtype=np.float64), rng)
    assert_same_net(model, rng.normal(size=(20, 6)), rng.normal(size=(20, 6)))


@pytest.mark.parametrize(
    "weight", [[1.0] * 6, [0.0, 2.0, 0.5, 1.0, 0.0, 3.0], [0.0, 0.0, 1e-3, 0.0, 7.0, 0.0]]
)
def test_batch_norm_with_weights_of_rows(weight, rng):
    model = filled(Sequential([BatchNorm(4, momentum=0.3)], dtype=np.float64), rng)
    assert_same_loss(model, rng.normal(size=(6, 4)), rng.normal(size=(6, 4)), np.array(weight))


#: Two deep in each other, with both kinds of normalization inside.
BLOCKS = {
    "residual": lambda: [Residual([Dense(5, 3), Tanh(), Dense(3, 5)])],
    "residual in residual": lambda: [Residual([BatchNorm(5), ReLU(), Residual([Dense(5, 5), BatchNorm(5)])])],
    "residual of sequential": lambda: [Residual([Sequential([LayerNorm(5), Dense(5, 5)]), Sigmoid()])],
    "sequential in sequential": lambda: [
        Sequential([Dense(5, 6), Sequential([LayerNorm(6), Tanh(), Dense(6, 7)]), BatchNorm(7)])
    ],
    "all of them": lambda: [
        Dense(5, 4),
        Sequential([BatchNorm(4), Residual([Residual([LayerNorm(4), Dense(4, 4)]), BatchNorm(4)]), Tanh()]),
        Residual([Sequential([Sequential([Dense(4, 6), BatchNorm(6)]), ReLU(), Dense(6, 4)])]),
    ],
}
each_block = pytest.mark.parametrize("block", BLOCKS)


@each_block
@pytest.mark.parametrize("training", [True, False])
def test_residual_and_nested(block, training, rng):
    model = filled(Sequential(BLOCKS[block](), dtype=np.float64), rng)
    assert_same_net(
        model, rng.normal(size=(8, 5)), rng.normal(size=(8, *model.output_shape)), training=training
    )


@each_block
def test_weights_of_rows_reach_into_blocks(block, rng):
    model = filled(Sequential(BLOCKS[block](), dtype=np.float64), rng)
    weight = rng.uniform(size=8) * (np.arange(8) != 3)
    assert_same_loss(model, rng.normal(size=(8, 5)), rng.normal(size=(8, *model.output_shape)), weight)


@each_block
@pytest.mark.parametrize("replica", range(3))
def test_replicas_of_blocks(block, replica, rng):
    model = filled(Sequential(BLOCKS[block](), dtype=np.float64, replicas=3), rng)
    dy = rng.normal(size=(3, 8, *model.output_shape))
    assert_same_net(model, rng.normal(size=(8, 5)), dy, replica=replica)


#: What gives one input to several, inside of each other, and with what rows depend on each other by.
BRANCHES = {
    "wide and deep": lambda: [
        Concatenate([Columns([0, 3], of=5), Sequential([Columns(slice(1, 5), of=5), Dense(4, 6), ReLU()])])
    ],
    "a gated linear unit": lambda: [Multiply([Dense(5, 3), Sequential([Dense(5, 3), Sigmoid()])])],
    "a product of three": lambda: [Multiply([Input(5), Dense(5, 5), Sequential([Tanh(), Dense(5, 5)])])],
    "a sum": lambda: [Add([Dense(5, 2), Sequential([Dense(5, 4), BatchNorm(4), Tanh(), Dense(4, 2)])])],
    "all of them": lambda: [
        Dense(5, 4),
        Concatenate(
            [Add([Tanh(), Multiply([Dense(4, 4), BatchNorm(4)])]), Residual([Dense(4, 4)]), Input(4)]
        ),
        Sequential([Columns([11, 2, 5], of=12), Dense(3, 2)]),
    ],
}
each_of_branches = pytest.mark.parametrize("branches", BRANCHES)


@each_of_branches
@pytest.mark.parametrize("training", [True, False])
def test_branches(branches, training, rng):
    model = filled(Sequential(BRANCHES[branches](), dtype=np.float64), rng)
    x, dy = rng.normal(size=(8, 5)), rng.normal(size=(8, *model.output_shape))
    assert_same_net(model, x, dy, training=training)


@each_of_branches
def test_weights_of_rows_reach_into_branches(branches, rng):
    model = filled(Sequential(BRANCHES[branches](), dtype=np.float64), rng)
    weight = rng.uniform(size=8) * (np.arange(8) != 3)
    assert_same_loss(model, rng.normal(size=(8, 5)), rng.normal(size=(8, *model.output_shape)), weight)


@each_of_branches
@pytest.mark.parametrize("replica", range(3))
def test_replicas_of_branches(branches, replica, rng):
    model = filled(Sequential(BRANCHES[branches](), dtype=np.float64, replicas=3), rng)
    dy = rng.normal(size=(3, 8, *model.output_shape))
    assert_same_net(model, rng.normal(size=(8, 5)), dy, replica=replica)


def padded(rng, padding, *part):
    """Draw sequences of 6 steps, of which the last of some rows are padding; one in the middle is a step."""
    x = rng.normal(size=(8, 6, *part))
    if padding is not None:
        for row, steps in enumerate([6, 1, 3, 0, 6, 5, 2, 4]):
            x[row, steps:] = padding
        x[0, 2] = padding
    return x


@pytest.mark.parametrize("padding", [None, 0.0, -2.5])
@pytest.mark.parametrize("training", [True, False])
def test_time_distributed(padding, training, rng):
    first = TimeDistributed([Dense(5, 4), BatchNorm(4), Tanh()], padding=padding)
    gate = Multiply([Dense(4, 3), Sequential([Dense(4, 3), Sigmoid()])])
    behind = [TimeDistributed([gate, BatchNorm(3)], padding=padding), Flatten((6, 3)), Dense(18, 2)]
    model = filled(Sequential([Input((6, 5)), first, *behind], dtype=np.float64), rng)
    assert_same_net(model, padded(rng, padding, 5), rng.normal(size=(8, 2)), training=training)


@pytest.mark.parametrize("padding", [None, 0.0])
def test_weights_of_rows_reach_each_of_their_parts(padding, rng):
    layers = [TimeDistributed([Flatten((2, 2)), Dense(4, 3), BatchNorm(3)], padding=padding), Flatten((6, 3))]
    model = filled(Sequential([Input((6, 2, 2)), *layers, Dense(18, 2)], dtype=np.float64), rng)
    weight = rng.uniform(size=8) * (np.arange(8) != 5)
    assert_same_loss(model, padded(rng, padding, 2, 2), rng.normal(size=(8, 2)), weight)
