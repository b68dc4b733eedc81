"""Every optimizer that PyTorch has too makes PyTorch's steps: the same weights after each of 100."""

from __future__ import annotations

import numpy as np
import pytest
from parity_tools import (
    BATCH_SIZE,
    assert_close,
    assert_same_parameters,
    digits,
    iris,
    tensor,
    torch,
    torch_step,
    twin,
)

from nnlite import (
    BatchNorm,
    Dense,
    LayerNorm,
    MeanSquaredError,
    PoissonNLL,
    ReLU,
    Residual,
    Sequential,
    SoftmaxCrossEntropy,
    Tanh,
)
from nnlite.optimizers import SGD, Adagrad, Adam, AdamW, Lion, NAdam, RMSProp
from nnlite.optimizers.second_order import LBFGS, LevenbergMarquardt
from nnlite.schedules import ConstantRate, CosineDecay, ExponentialDecay, OneCycle, StepDecay, WarmUp
from nnlite.training.callbacks import ReduceOnPlateau, TrainingState

STEPS = 100

#: What PyTorch adds to the norm before it divides by it; nnlite divides by the norm itself.
NORM_EPSILON = 1e-6


class TorchLion(torch.optim.Optimizer):
    """Algorithm 2 of the paper, line by line: torch.optim has no Lion."""

    def __init__(self, params, *, lr, betas=(0.9, 0.99)):
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": 0.0})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for weight in group["params"]:
                gradient = weight.grad
                momentum = self.state[weight].get("momentum", torch.zeros_like(weight))
                update = torch.sign(beta1 * momentum + (1 - beta1) * gradient)
                weight -= group["lr"] * (update + group["weight_decay"] * weight)
                self.state[weight]["momentum"] = beta2 * momentum + (1 - beta2) * gradient


@pytest.fixture(autouse=True)
def in_float64():
    """What PyTorch's NAdam keeps of the steps so far has the default dtype, not that of the weights."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


# Learning rate, our class and options, PyTorch's class and options. Weight decay is read from ours.
OPTIMIZERS = {
    "sgd": (0.1, SGD, {}, torch.optim.SGD, {}),
    "sgd-momentum": (0.05, SGD, {"momentum": 0.9}, torch.optim.SGD, {"momentum": 0.9}),
    "sgd-nesterov": (
        0.05,
        SGD,
        {"momentum": 0.8, "nesterov": True},
        torch.optim.SGD,
        {"momentum": 0.8, "nesterov": True},
    ),
    "sgd-decay": (0.1, SGD, {"weight_decay": 0.01}, torch.optim.SGD, {}),
    "sgd-nesterov-decay": (
        0.05,
        SGD,
        {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
        torch.optim.SGD,
        {"momentum": 0.9, "nesterov": True},
    ),
    "rmsprop": (0.003, RMSProp, {}, torch.optim.RMSprop, {}),
    "rmsprop-momentum": (
        0.001,
        RMSProp,
        {"momentum": 0.9, "rho": 0.9, "epsilon": 1e-6},
        torch.optim.RMSprop,
        {"momentum": 0.9, "alpha": 0.9, "eps": 1e-6},
    ),
    "rmsprop-decay": (0.003, RMSProp, {"weight_decay": 0.1}, torch.optim.RMSprop, {}),
    "rmsprop-momentum-decay": (
        0.001,
        RMSProp,
        {"momentum": 0.9, "weight_decay": 0.05},
        torch.optim.RMSprop,
        {"momentum": 0.9},
    ),
    "adagrad-decay": (0.05, Adagrad, {"weight_decay": 0.1}, torch.optim.Adagrad, {}),
    "adagrad": (0.05, Adagrad, {}, torch.optim.Adagrad, {}),
    "adagrad-epsilon": (0.05, Adagrad, {"epsilon": 1e-4}, torch.optim.Adagrad, {"eps": 1e-4}),
    "adam": (0.01, Adam, {}, torch.optim.Adam, {}),
    "adam-betas": (
        0.01,
        Adam,
        {"beta1": 0.8, "beta2": 0.95, "epsilon": 1e-4},
        torch.optim.Adam,
        {"betas": (0.8, 0.95), "eps": 1e-4},
    ),
    "adam-decay": (0.01, Adam, {"weight_decay": 0.1}, torch.optim.Adam, {}),
    "adam-amsgrad": (0.01, Adam, {"amsgrad": True}, torch.optim.Adam, {"amsgrad": True}),
    "adam-amsgrad-decay": (
        0.01,
        Adam,
        {"amsgrad": True, "beta2": 0.9, "weight_decay": 0.1},
        torch.optim.Adam,
        {"amsgrad": True, "betas": (0.9, 0.9)},
    ),
    "adamw-amsgrad": (0.01, AdamW, {"amsgrad": True}, torch.optim.AdamW, {"amsgrad": True}),
    "nadam": (0.002, NAdam, {}, torch.optim.NAdam, {}),
    "nadam-decay": (
        0.005,
        NAdam,
        {"beta1": 0.8, "beta2": 0.95, "epsilon": 1e-4, "momentum_decay": 0.05, "weight_decay": 0.01},
        torch.optim.NAdam,
        {"betas": (0.8, 0.95), "eps": 1e-4, "momentum_decay": 0.05},
    ),
    "adamw": (0.01, AdamW, {}, torch.optim.AdamW, {}),
    "adamw-decay": (0.01, AdamW, {"weight_decay": 0.3}, torch.optim.AdamW, {}),
    "lion": (0.003, Lion, {}, TorchLion, {}),
    "lion-decay": (
        0.003,
        Lion,
        {"beta1": 0.8, "beta2": 0.95, "weight_decay": 0.1},
        TorchLion,
        {"betas": (0.8, 0.95)},
    ),
}

lr_scheduler = torch.optim.lr_scheduler

# From the rate to our schedule, and from the optimizer to PyTorch's.
SCHEDULES = {
    "constant": (ConstantRate, lambda theirs: lr_scheduler.ConstantLR(theirs, factor=1.0)),
    "step": (
        lambda rate: StepDecay(rate, every=30, factor=0.5),
        lambda theirs: lr_scheduler.StepLR(theirs, 30, gamma=0.5),
    ),
    "exponential": (
        lambda rate: ExponentialDecay(rate, factor=0.97),
        lambda theirs: lr_scheduler.ExponentialLR(theirs, 0.97),
    ),
    "cosine": (
        lambda rate: CosineDecay(rate, steps=STEPS, final=rate / 50),
        lambda theirs: lr_scheduler.CosineAnnealingLR(theirs, STEPS, eta_min=theirs.defaults["lr"] / 50),
    ),
    "one-cycle": (
        lambda rate: OneCycle(rate, steps=STEPS),
        lambda theirs: lr_scheduler.OneCycleLR(
            theirs, theirs.defaults["lr"], total_steps=STEPS, cycle_momentum=False
        ),
    ),
    "warm-up": (
        lambda rate: WarmUp(rate, steps=20, start=0.1),
        lambda theirs: lr_scheduler.LinearLR(theirs, start_factor=0.1, total_iters=20),
    ),
    "function": (
        lambda rate: lambda step: rate / (1 + 0.1 * step),
        lambda theirs: lr_scheduler.LambdaLR(theirs, lambda step: 1 / (1 + 0.1 * step)),
    ),
}


def digit_net(**options):
    return Sequential(
        [Dense(64, 16), Tanh(), Dense(16, 12), ReLU(), Dense(12, 10)], dtype=np.float64, rng=0, **options
    )


def block_net(**options):
    """Make a net with layers two deep in others, and normalization of both kinds in them.

    No bias goes straight into a BatchNorm: it would be taken off again, and Adam would make whole steps of a
    gradient that is nothing but rounding.
    """
    inner = [Dense(12, 8, bias=False), BatchNorm(8, epsilon=1e-3), Tanh(), Dense(8, 12)]
    last = [ReLU(), Dense(12, 16, bias=False), BatchNorm(16, momentum=0.3), Tanh()]
    return Sequential(
        [
            Dense(64, 12),
            Residual([BatchNorm(12), ReLU(), Residual(inner)]),
            Sequential([LayerNorm(12), Sequential(last)]),
            Dense(16, 10),
        ],
        dtype=np.float64,
        rng=0,
        **options,
    )


NETS = {"layers": digit_net, "blocks": block_net}


def weights_and_biases(net, weight_decay):
    """Split the parameters into PyTorch's groups, so that it decays the weights alone."""
    weights = [parameter for parameter in net.parameters() if parameter.ndim == 2]
    biases = [parameter for parameter in net.parameters() if parameter.ndim == 1]
    return [{"params": weights, "weight_decay": weight_decay}, {"params": biases, "weight_decay": 0.0}]


def torch_optimizer(name, net, weight_decay):
    rate, _, _, cls, options = OPTIMIZERS[name]
    return cls(weights_and_biases(net, weight_decay), lr=rate, **options)


def our_optimizer(name, *, schedule=None, **more):
    rate, cls, options, _, _ = OPTIMIZERS[name]
    return cls(rate if schedule is None else schedule(rate), **options, **more)


def batch(step):
    """Return the rows of one step, going round and round through the digits."""
    X, y = digits()
    rows = np.arange(step * BATCH_SIZE, (step + 1) * BATCH_SIZE) % len(X)
    return X[rows], y[rows]


def assert_same_steps(model, net, optimizer, theirs, *, scheduler=None, clip=None):
    """Train both nets on the same batches; loss, weights and biases must agree at every step."""
    loss, criterion = SoftmaxCrossEntropy(), torch.nn.CrossEntropyLoss()
    values = []
    for step in range(STEPS):
        x, y = batch(step)
        value = model.loss_and_grad(x, y, loss)
        optimizer.step(model.params)
        expected = torch_step(net, theirs, criterion, x, y, clip=clip)
        if scheduler is not None and step + 1 < STEPS:
            scheduler.step()

        assert_close(value, expected, f"loss at step {step}")
        assert_same_parameters(model, net, f"step {step}")
        values.append(value)
    x, _ = batch(STEPS)
    assert_close(model.predict(x), net.eval()(tensor(x)), "what it says")
    assert np.mean(values[-10:]) < 0.9 * values[0], "nothing was learned, so nothing was compared"


@pytest.mark.parametrize("make", NETS.values(), ids=NETS)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_hundred_steps(name, make):
    model = make()
    net = twin(model)
    optimizer = our_optimizer(name)
    assert_same_steps(model, net, optimizer, torch_optimizer(name, net, optimizer.weight_decay))


@pytest.mark.parametrize("name", [name for name in OPTIMIZERS if name.endswith("decay")])
def test_weight_decay_that_is_set_later_is_the_same(name):
    """After the optimizer was made, and also between two steps."""
    rate, cls, options, _, _ = OPTIMIZERS[name]
    decay = options["weight_decay"]
    model = digit_net()
    net = twin(model)
    optimizer = cls(rate, **{**options, "weight_decay": 0.0})
    theirs = torch_optimizer(name, net, 0.0)
    loss, criterion = SoftmaxCrossEntropy(), torch.nn.CrossEntropyLoss()
    for step in range(10):
        if step == 5:
            optimizer.weight_decay = theirs.param_groups[0]["weight_decay"] = decay
        x, y = batch(step)
        model.loss_and_grad(x, y, loss)
        optimizer.step(model.params)
        torch_step(net, theirs, criterion, x, y)
        assert_same_parameters(model, net, f"step {step}")


@pytest.mark.parametrize("name", ["sgd-momentum", "adam"])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_hundred_steps_with_a_schedule(name, schedule):
    ours, make_scheduler = SCHEDULES[schedule]
    model = digit_net()
    net = twin(model)
    theirs = torch_optimizer(name, net, 0.0)
    scheduler = make_scheduler(theirs)
    assert_same_steps(model, net, our_optimizer(name, schedule=ours), theirs, scheduler=scheduler)


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_hundred_steps_with_clipping_by_value(name):
    limit = 0.02
    cut = []

    def clip(net):
        cut.append(max(float(parameter.grad.abs().max()) for parameter in net.parameters()) > limit)
        torch.nn.utils.clip_grad_value_(net.parameters(), limit)

    model = digit_net()
    net = twin(model)
    assert_same_steps(
        model, net, our_optimizer(name, clip_value=limit), torch_optimizer(name, net, 0.0), clip=clip
    )
    assert any(cut)


def clip_to_norm(net, limit):
    """Clip with PyTorch, take its epsilon back out, and tell whether there was anything to clip."""
    parameters = [parameter for parameter in net.parameters() if parameter.requires_grad]
    norm = torch.nn.utils.clip_grad_norm_(parameters, limit)
    clipped = bool(norm > limit)
    if clipped:
        for parameter in parameters:
            parameter.grad *= (norm + NORM_EPSILON) / norm
    return clipped


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_hundred_steps_with_a_block_that_is_frozen(name):
    """It goes by its running statistics, and leaves them, as PyTorch's does in eval()."""
    model = block_net()
    for step in range(5):  # which statistics it has seen must not be without consequence
        model.forward(batch(step)[0], model.context())
    model[1].trainable = False
    net = twin(model)
    net[1].requires_grad_(False).eval()
    before = model[1].children[0].running_mean.copy()
    assert_same_steps(model, net, our_optimizer(name), torch_optimizer(name, net, 0.0))
    assert_close(model[1].children[0].running_mean, before, "running mean")


@pytest.mark.parametrize("frozen", [False, True], ids=["all", "first layer frozen"])
@pytest.mark.parametrize("name", ["sgd", "adam"])
@pytest.mark.parametrize(("make", "limit"), [(digit_net, 0.4), (block_net, 0.8)], ids=NETS)
def test_hundred_steps_with_clipping_by_norm(name, frozen, make, limit):
    """The norm is that of the trainable parameters, here and there."""
    # The limit is between the norms that occur, so that some steps are clipped and some are not.
    model = make()
    net = twin(model)
    if frozen:
        model[0].freeze()
        net[0].requires_grad_(False)
    clipped = []

    def clip(net):
        clipped.append(clip_to_norm(net, limit))

    assert_same_steps(
        model, net, our_optimizer(name, clip_norm=limit), torch_optimizer(name, net, 0.0), clip=clip
    )
    assert any(clipped)
    assert not all(clipped)


def test_clipping_by_norm_differs_from_pytorch_by_its_epsilon_alone():
    model = digit_net()
    net = twin(model)
    x, y = batch(0)
    model.loss_and_grad(x, y, SoftmaxCrossEntropy())
    limit = 0.1
    before = model.params.values.copy()
    optimizer = SGD(1.0, clip_norm=limit)
    optimizer.step(model.params)

    torch.nn.CrossEntropyLoss()(net(tensor(x)), tensor(y)).backward()
    norm = float(torch.nn.utils.clip_grad_norm_(net.parameters(), limit))
    assert norm > limit
    theirs = torch.nn.utils.parameters_to_vector(parameter.grad for parameter in net.parameters())
    assert_close(np.linalg.norm(before - model.params.values), limit, "norm of our step")
    assert_close(
        torch.linalg.norm(theirs), limit * norm / (norm + NORM_EPSILON), "norm of PyTorch's gradient"
    )


@pytest.mark.parametrize("make", NETS.values(), ids=NETS)
def test_three_replicas_train_as_three_nets(make):
    """Each replica has its own moments, its own clipping, and statistics of its own."""
    model = make(replicas=3)
    optimizer = our_optimizer("adamw-decay", clip_norm=0.5)
    nets = [twin(model, replica=replica) for replica in range(3)]
    theirs = [torch_optimizer("adamw-decay", net, optimizer.weight_decay) for net in nets]
    criterion = torch.nn.CrossEntropyLoss()

    def clip(net):
        clip_to_norm(net, 0.5)

    for step in range(STEPS):
        x, y = batch(step)
        values = model.loss_and_grad(x, y, SoftmaxCrossEntropy())
        optimizer.step(model.params)
        for replica, (net, their_optimizer) in enumerate(zip(nets, theirs, strict=True)):
            expected = torch_step(net, their_optimizer, criterion, x, y, clip=clip)
            assert_close(values[replica], expected, f"loss of replica {replica} at step {step}")
            assert_same_parameters(model, net, f"step {step} in replica {replica}", replica=replica)
    x, _ = batch(STEPS)
    said = model.predict(x)
    for replica, net in enumerate(nets):
        assert_close(said[replica], net.eval()(tensor(x)), f"what replica {replica} says")


PLATEAUS = {
    "falls, then rests": [1.0, 0.5, 0.3, 0.2] + [0.2] * 16,
    "too little gain to count": [1.0 - 0.009 * epoch for epoch in range(20)],
    "a gain each third epoch, then rest": [1.0 - 0.1 * (min(epoch, 9) // 3) for epoch in range(20)],
    "up and down": [1.0, 1.2, 0.9, 1.1, 1.1, 1.1, 0.8, 0.85, 0.9, 0.95, 1.0, 0.7, 0.71, 0.72, 0.73, 0.74],
}


def our_rates(losses, *, rate=0.5, column="measured", **options):
    """Let the callback see these numbers, and return the rate behind each."""
    optimizer = SGD(rate)
    callback = ReduceOnPlateau(monitor=column, **options)
    state = TrainingState(
        Sequential([Dense(1, 1)]), optimizer, MeanSquaredError(), epochs=len(losses), columns=(column,)
    )
    callback.on_train_begin(state)
    found = []
    for value in losses:
        state.history.rows.append({column: value})
        callback.on_epoch_end(state)
        found.append(optimizer.rate)
    return found


def torch_rates(losses, *, rate=0.5, **options):
    theirs = torch.optim.SGD(torch.nn.Linear(1, 1).parameters(), lr=rate)
    scheduler = lr_scheduler.ReduceLROnPlateau(theirs, **options)
    found = []
    for value in losses:
        scheduler.step(value)
        found.append(theirs.param_groups[0]["lr"])
    return found


@pytest.mark.parametrize("losses", PLATEAUS.values(), ids=PLATEAUS.keys())
@pytest.mark.parametrize("size", [1e-8, 0.02, 1.0, 1e6])
@pytest.mark.parametrize("threshold", [1e-4, 0.1])
@pytest.mark.parametrize("higher_is_better", [False, True])
def test_reduce_on_plateau_by_a_part_of_the_best(losses, size, threshold, higher_is_better):
    """As PyTorch does by default, down to where a rate is left as it is."""
    losses = [size * value for value in losses + [losses[-1]] * 12]
    mode = "max" if higher_is_better else "min"
    expected = torch_rates(losses, mode=mode, patience=1, threshold=threshold, min_lr=1e-8)
    found = our_rates(losses, patience=2, threshold=threshold, higher_is_better=higher_is_better)
    assert_close(found, expected, "the rates")
    assert expected[-1] < 1e-3


def test_reduce_on_plateau_has_a_lowest_rate():
    losses = [1.0] * 200
    found = our_rates(losses, patience=1, higher_is_better=False)
    assert_close(found, torch_rates(losses, patience=0, min_lr=1e-8, eps=0.0), "the rates")
    assert found[-1] == pytest.approx(1e-8)


def test_of_losses_below_zero_worse_ones_are_no_improvement():
    """PyTorch's `best * (1 - threshold)` lies above a best loss below 0."""
    losses = [-1.5] + [-1.4999] * 5
    assert torch_rates(losses, patience=1) == [0.5] * 6
    assert our_rates(losses, patience=2, higher_is_better=False)[-1] == pytest.approx(0.005)
    falling = [-1.5 - 0.01 * epoch for epoch in range(20)]
    assert our_rates(falling, patience=1, higher_is_better=False) == [0.5] * 20
    rising = [-1.5 + 0.01 * epoch for epoch in range(20)]
    assert our_rates(rising, patience=1, higher_is_better=True) == [0.5] * 20


@pytest.mark.parametrize("losses", PLATEAUS.values(), ids=PLATEAUS.keys())
@pytest.mark.parametrize("patience", [1, 2, 4])
@pytest.mark.parametrize("min_rate", [0.0, 0.03])
@pytest.mark.parametrize("higher_is_better", [False, True])
def test_reduce_on_plateau(losses, patience, min_rate, higher_is_better):
    """PyTorch's patience counts the epochs that are forgiven: one fewer than ours."""
    sign = -1.0 if higher_is_better else 1.0
    net = torch.nn.Linear(1, 1)
    theirs = torch.optim.SGD(net.parameters(), lr=0.5)
    scheduler = lr_scheduler.ReduceLROnPlateau(
        theirs,
        mode="max" if higher_is_better else "min",
        factor=0.3,
        patience=patience - 1,
        threshold=0.05,
        threshold_mode="abs",
        min_lr=min_rate,
        eps=0.0,
    )
    optimizer = SGD(0.5)
    callback = ReduceOnPlateau(
        monitor="measured",
        factor=0.3,
        patience=patience,
        threshold=0.0,
        min_delta=0.05,
        min_rate=min_rate,
        higher_is_better=higher_is_better,
    )
    state = TrainingState(
        Sequential([Dense(1, 1)]), optimizer, MeanSquaredError(), epochs=len(losses), columns=("measured",)
    )
    callback.on_train_begin(state)
    for epoch, value in enumerate(losses):
        state.history.rows.append({"measured": sign * value})
        callback.on_epoch_end(state)
        scheduler.step(sign * value)
        assert_close(optimizer.rate, theirs.param_groups[0]["lr"], f"rate after epoch {epoch}")
    assert optimizer.rate < 0.5


@pytest.mark.parametrize(
    ("loss", "criterion"),
    [(MeanSquaredError(), torch.nn.MSELoss()), (PoissonNLL(), torch.nn.PoissonNLLLoss(log_input=True))],
    ids=["least squares", "Poisson regression"],
)
def test_lbfgs_finds_pytorchs_minimum(loss, criterion):
    """The two line searches differ, so what is compared is the one minimum of a convex problem.

    By Taylor's theorem a point with gradient g lies within about |g| / c of it, where c is the
    least curvature. So the points differ by at most (|g| of ours + |g| of theirs) / c, and the
    curvature at the minimum does not change by half over so short a way.
    """
    X, _ = iris()
    x, y = X[:, :3] - X[:, :3].mean(axis=0), X[:, 3:]  # petal width from the other three measurements
    model = Sequential([Dense(3, 1)], dtype=np.float64, rng=0)
    net = twin(model)
    optimizer = LBFGS(gradient_tolerance=1e-9, value_tolerance=0.0)
    history = model.fit(x, y, loss=loss, optimizer=optimizer, epochs=200)
    value = model.loss_and_grad(x, y, loss)

    theirs = torch.optim.LBFGS(
        net.parameters(),
        max_iter=200,
        tolerance_grad=1e-9,
        tolerance_change=0.0,
        line_search_fn="strong_wolfe",
    )

    def their_value():
        theirs.zero_grad()
        value = criterion(net(tensor(x)), tensor(y))
        value.backward()
        return value

    theirs.step(their_value)
    assert_close(value, their_value(), "loss at the minimum")

    def at(parameters):
        return criterion(tensor(x) @ parameters[:3, None] + parameters[3], tensor(y))

    ours = tensor(model.params.values)
    expected = torch.nn.utils.parameters_to_vector(net.parameters()).detach()
    curvature = torch.linalg.eigvalsh(torch.autograd.functional.hessian(at, expected)).min()
    their_gradient = torch.nn.utils.parameters_to_vector(p.grad for p in net.parameters())
    bound = 2 * (np.linalg.norm(model.params.grads) + torch.linalg.norm(their_gradient)) / curvature
    assert bound < 1e-5, f"{history.stop_reason}: not close enough to the minimum to compare anything"
    assert torch.linalg.norm(ours - expected) <= bound


def test_levenberg_marquardt_solves_least_squares():
    """PyTorch has no such optimizer, but the minimum of a linear net."""
    X, _ = iris()
    x, y = X[:, :3] - X[:, :3].mean(axis=0), X[:, 3:]
    model = Sequential([Dense(3, 1)], dtype=np.float64, rng=0)
    optimizer = LevenbergMarquardt(gradient_tolerance=1e-13, value_tolerance=0.0)
    model.fit(x, y, loss=MeanSquaredError(), optimizer=optimizer, epochs=100)
    columns = torch.cat([tensor(x), torch.ones(len(x), 1, dtype=torch.float64)], dim=1)
    assert_close(model.params.values, torch.linalg.lstsq(columns, tensor(y)).solution[:, 0], "the minimum")
