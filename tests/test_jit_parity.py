"""Compiled loops against NumPy: every layer, loss and optimizer, one step and whole trainings."""

from __future__ import annotations

import numpy as np
import pytest
from samples import LAYERS, PUBLIC, before, behind, draw, has
from test_gradients import LOSSES
from test_optimizers import MAKERS

pytest.importorskip("numba")

from compiled import CLOSE, assert_close, assert_same_numbers, assert_same_rows, train

import nnlite as nn
from nnlite import losses, optimizers
from nnlite.exchange.table import DESCRIPTIONS
from nnlite.jit.layers import composition
from nnlite.jit.layers.table import WRITERS
from nnlite.jit.losses import MANY, covered
from nnlite.jit.optimizers import RULES

ROWS, REPLICAS = 24, 3
DTYPES = [np.float32, np.float64]


def compare(model, X, y, *, optimizer, engine="jit", **options):
    """Make one step by both, and compare all that it leaves."""
    tolerance = CLOSE[model.params.dtype]
    options = {"batch_size": len(y), "optimizer": optimizer, **options}
    one, its_optimizer, history = train(model, X, y, jit=True, **options)
    other, reference, expected = train(model, X, y, jit=False, **options)
    assert history.engine == engine
    assert expected.engine == "numpy"
    assert_same_numbers((one, its_optimizer), (other, reference), tolerance)
    if optimizer.clip_norm is None and optimizer.clip_value is None:
        largest = np.abs(other.params.grads).max()
        for name in other.params:
            assert_close(one.params.grad(name), other.params.grad(name), 4 * tolerance, name, least=largest)
    assert_same_rows(history.rows, expected.rows, tolerance)
    assert its_optimizer.steps == reference.steps
    return one, history


def around(layer, rng, *, replicas=None, dtype=np.float32):
    """Put a layer in a net, and draw inputs for it."""
    first = (
        has(layer, nn.Embedding, nn.TokenEmbedding, nn.Standardize, nn.Input)
        or len(layer.input_shape or (4,)) > 1
    )
    x = draw(layer, rng, ROWS)
    layers = [*before(layer), layer, *behind(layer)]
    if not first:
        layers.insert(0, nn.Dense(4, x.shape[1]))
        x = rng.normal(size=(ROWS, 4))
    return nn.Sequential(layers, rng=0, dtype=dtype, replicas=replicas), x


def fresh(index):
    """Make a sample that belongs to no net."""
    makers = [make for known in DESCRIPTIONS.values() for make in known.samples]
    return makers[index]()


QUIET = [index for index, layer in enumerate(LAYERS) if not has(layer, nn.Dropout)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("index", QUIET, ids=lambda index: f"{index} {LAYERS[index]}")
def test_every_layer(index, dtype, rng):
    y = rng.normal(size=(ROWS, 2))
    weight = rng.uniform(0.2, 3, ROWS)
    model, x = around(fresh(index), rng, dtype=dtype)
    compare(model, x, y, optimizer=nn.SGD(0.1))
    compare(model, x, y, optimizer=nn.SGD(0.1), weight=weight)
    many, _ = around(fresh(index), rng, dtype=dtype, replicas=REPLICAS)
    compare(many, x, y, optimizer=nn.SGD(0.1), weight=weight)
    own_x, own_y = (np.stack([array[rng.permutation(ROWS)] for _ in range(REPLICAS)]) for array in (x, y))
    compare(many, own_x, own_y, optimizer=nn.SGD([0.1, 0.01, 0.2]), batch_size=ROWS)
    compare(
        many, x, own_y, optimizer=nn.SGD(0.1), batch_size=ROWS, weight=rng.uniform(0.2, 3, (REPLICAS, ROWS))
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_dropout_that_drops_nothing(dtype, rng):
    model, x = around(nn.Dropout(0.0), rng, dtype=dtype)
    compare(model, x, rng.normal(size=(ROWS, 2)), optimizer=nn.SGD(0.1))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", LOSSES)
def test_every_loss(case, dtype, rng):
    loss, pred, target = LOSSES[case]
    over_time = isinstance(loss, losses.SequenceLoss)
    engine = "jit by the step: SequenceLoss has no kernel" if over_time else "jit"
    rows = len(target)
    X = rng.normal(size=(rows, 4))

    def net(replicas=None):
        layers = [nn.Dense(4, 6), nn.Tanh(), nn.Dense(6, pred.shape[-1])]
        return nn.Sequential(layers, rng=0, dtype=dtype, replicas=replicas)

    given = {"loss": loss, "optimizer": nn.SGD(0.1), "engine": engine}
    compare(net(), X, target, **given)
    compare(net(REPLICAS), X, target, weight=rng.uniform(0.1, 2, rows), **given)
    own = np.stack([target[rng.permutation(rows)] for _ in range(REPLICAS)])
    compare(net(REPLICAS), X, own, batch_size=rows, **given)
    # Where rows of weight 0 are, others stand in, a step at a time.
    weight = np.ones(rows)
    weight[1::2] = 0
    if not over_time:
        given["engine"] = "jit by the step: rows of weight 0"
    compare(net(), X, target, weight=weight, **given)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "loss", [nn.Huber(0.5), nn.Quantile(0.8), nn.BinaryCrossEntropy(), nn.PoissonNLL()], ids=repr
)
def test_missing_targets_under_every_kind_of_loss(loss, dtype, rng):
    y = rng.integers(0, 2, (ROWS, 2)).astype(float)
    y[rng.random(y.shape) < 0.3] = np.nan
    model = nn.Sequential([nn.Dense(3, 5), nn.Tanh(), nn.Dense(5, 2)], rng=0, dtype=dtype)
    for masked in (losses.Masked(loss), losses.Masked(losses.Masked(loss))):
        compare(model, rng.normal(size=(ROWS, 3)), y, loss=masked, optimizer=nn.SGD(0.1))


@pytest.mark.parametrize("dtype", DTYPES)
def test_positive_weights_of_each_output(dtype, rng):
    model = nn.Sequential([nn.Dense(3, 2)], rng=0, dtype=dtype)
    y = rng.integers(0, 2, (ROWS, 2))
    for given in (3.0, [0.5, 4.0]):
        loss = nn.BinaryCrossEntropy(pos_weight=given, label_smoothing=0.1)
        compare(model, rng.normal(size=(ROWS, 3)), y, loss=loss, optimizer=nn.SGD(0.1))


#: What steps have beside their rule.
OPTIONS = {
    "clip_norm": {"clip_norm": 0.05},
    "clip_norm that is never reached": {"clip_norm": 1e6},
    "clip_value": {"clip_value": 0.1},
    "weight_decay": {"weight_decay": 0.3},
    "both": {"weight_decay": 0.3, "clip_norm": 0.1},
}
# With an epsilon that keeps small gradients small: by their sign alone, rounding would be seen.
KINDS = {
    "SGD": lambda rate=0.1, **given: nn.SGD(rate, **given),
    "Nesterov": lambda rate=0.1, **given: nn.SGD(rate, momentum=0.9, nesterov=True, **given),
    "RMSProp": lambda rate=0.01, **given: nn.RMSProp(rate, rho=0.8, epsilon=0.1, **given),
    "RMSProp with momentum": lambda rate=0.01, **given: nn.RMSProp(rate, momentum=0.5, epsilon=0.1, **given),
    "Adagrad": lambda rate=0.1, **given: nn.Adagrad(rate, epsilon=0.1, **given),
    "Adam": lambda rate=0.01, **given: nn.Adam(rate, beta1=0.8, beta2=0.9, epsilon=0.1, **given),
    "AdamW": lambda rate=0.01, **given: nn.AdamW(rate, **{"epsilon": 0.1, **given}),
    "Adam with AMSGrad": lambda rate=0.01, **given: nn.Adam(rate, amsgrad=True, epsilon=0.1, **given),
    "AdamW with AMSGrad": lambda rate=0.01, **given: nn.AdamW(
        rate, **{"amsgrad": True, "epsilon": 0.1, **given}
    ),
    "NAdam": lambda rate=0.01, **given: nn.NAdam(rate, beta1=0.8, momentum_decay=0.1, epsilon=0.1, **given),
    "Lion": lambda rate=0.001, **given: nn.Lion(rate, beta1=0.7, **given),
}


def small(dtype, **options):
    return nn.Sequential([nn.Dense(4, 8), nn.Tanh(), nn.Dense(8, 2)], rng=0, dtype=dtype, **options)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_optimizer(kind, option, dtype, rng):
    X, y = rng.normal(size=(ROWS, 4)), rng.normal(size=(ROWS, 2))
    optimizer = KINDS[kind](**OPTIONS[option])
    compare(small(dtype), X, y, optimizer=optimizer)
    many = KINDS[kind](**OPTIONS[option])
    decay = OPTIONS[option].get("weight_decay")
    if decay is not None:
        many.weight_decay = [0.0, decay, 2 * decay]
    many.learning_rate = np.array([0.5, 1, 2]) * many.learning_rate
    compare(small(dtype, replicas=REPLICAS), X, y, optimizer=many)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("maker", MAKERS)
def test_some_steps_of_every_optimizer(maker, dtype, rng):
    """Also of those whose first step is by the sign of a gradient."""
    X, y = rng.normal(size=(40, 4)), rng.normal(size=(40, 2))
    given = {"optimizer": MAKERS[maker](), "epochs": 2, "batch_size": 7}
    for weight in (None, rng.uniform(0.5, 2, 40)):
        one, mine, history = train(small(dtype), X, y, jit=True, weight=weight, **given)
        other, theirs, expected = train(small(dtype), X, y, jit=False, weight=weight, **given)
        tolerance = 100 * CLOSE[np.dtype(dtype)]
        assert_same_numbers((one, mine), (other, theirs), tolerance)
        assert_same_rows(history.rows, expected.rows, tolerance)


SCHEDULES = {
    "cosine": lambda: nn.CosineDecay(0.1),
    "warm up": lambda: nn.WarmUp(0.1, steps=7),
    "one cycle": lambda: nn.OneCycle(0.1),
    "a function": lambda: lambda step: 0.1 / (1 + step),
    "a function for each": lambda: lambda step: np.array([0.1, 0.05, 0.2]) / (1 + step),
    "now one, now each": lambda: lambda step: 0.1 if step < 5 else np.array([0.1, 0.05, 0.2]),
}


@pytest.mark.parametrize(
    ("kind", "replicas"),
    [(kind, count) for kind in SCHEDULES for count in ([3] if "each" in kind else [None, 3, 16])],
)
def test_schedules(kind, replicas, rng):
    X, y = rng.normal(size=(40, 4)), rng.normal(size=(40, 2))
    given = {"epochs": 3, "batch_size": 7}
    for make in (nn.SGD, nn.Adam):
        runs = [
            train(
                small(np.float64, replicas=replicas),
                X,
                y,
                jit=jit,
                optimizer=make(SCHEDULES[kind]()),
                **given,
            )
            for jit in (True, False)
        ]
        (one, mine, history), (other, theirs, expected) = runs
        assert history.engine == "jit"
        assert_close(one.params.values, other.params.values, 1e-9)
        assert_same_rows(history.rows, expected.rows, 1e-9)
        assert mine.steps == theirs.steps == 18


@pytest.mark.parametrize("frozen", [(0,), (2,), (0, 2), (4,)], ids=str)
@pytest.mark.parametrize("replicas", [None, 3])
def test_frozen_parameters(frozen, replicas, rng):
    layers = [nn.Dense(4, 6), nn.BatchNorm(6), nn.Dense(6, 6), nn.Residual([nn.Tanh()]), nn.Dense(6, 2)]
    model = nn.Sequential(layers, rng=0, dtype=np.float64, replicas=replicas)
    for index in frozen:
        model[index].freeze()
    X, y = rng.normal(size=(ROWS, 4)), rng.normal(size=(ROWS, 2))
    for optimizer in (
        nn.SGD(0.1, clip_norm=0.1, weight_decay=0.1),
        nn.Adam(0.01, clip_value=0.02, epsilon=0.01),
    ):
        one, mine, history = train(model, X, y, jit=True, optimizer=optimizer, epochs=2, batch_size=8)
        other, theirs, _ = train(model, X, y, jit=False, optimizer=optimizer, epochs=2, batch_size=8)
        assert history.engine == "jit"
        assert_same_numbers((one, mine), (other, theirs), 1e-9)
        for index in frozen:
            np.testing.assert_array_equal(one[index].W, model[index].W)


def test_one_parameter_of_a_layer_frozen(rng):
    model = small(np.float64)
    model.params.frozen = {"0.b", "2.W"}
    X, y = rng.normal(size=(ROWS, 4)), rng.normal(size=(ROWS, 2))
    one, _, _ = train(model, X, y, jit=True, optimizer=nn.SGD(0.1), epochs=3)
    other, _, _ = train(model, X, y, jit=False, optimizer=nn.SGD(0.1), epochs=3)
    assert_close(one.params.values, other.params.values, 1e-12)
    np.testing.assert_array_equal(one[2].W, model[2].W)


@pytest.mark.parametrize(
    "class_weight", ["balanced", {0: 1.0, 1: 5.0, 2: 0.5}, {0: 0.0, 1: 1.0, 2: 1.0}], ids=repr
)
@pytest.mark.parametrize("replicas", [None, 3])
def test_weights_of_classes(class_weight, replicas, rng):
    X, y = rng.normal(size=(40, 4)), rng.integers(0, 3, 40)
    model = nn.Sequential([nn.Dense(4, 3)], rng=0, dtype=np.float64, replicas=replicas)
    given = {
        "loss": nn.SoftmaxCrossEntropy(), "optimizer": nn.Adam(0.01), "class_weight": class_weight,
        "epochs": 3, "batch_size": 7, "metrics": [nn.accuracy], "weight": rng.uniform(0.5, 2, 40),
    }  # fmt: skip
    one, _, history = train(model, X, y, jit=True, **given)
    other, _, expected = train(model, X, y, jit=False, **given)
    assert history.engine.startswith("jit")
    assert_close(one.params.values, other.params.values, 1e-10)
    assert_same_rows(history.rows, expected.rows, 1e-10)


@pytest.mark.parametrize("seeds", [3, [1, 2, 3]], ids=["one seed", "own seeds"])
@pytest.mark.parametrize("own", [False, True], ids=["shared data", "own data"])
@pytest.mark.parametrize("weighted", [False, True, "own"])
def test_replicas_with_orders_data_and_weights_of_their_own(seeds, own, weighted, rng):
    shape = (3, 30) if own else (30,)
    X, y = rng.normal(size=(*shape, 4)), rng.normal(size=(*shape, 2))
    weight = rng.uniform(0.2, 2, (3, 30) if weighted == "own" else 30) if weighted else None
    model = nn.Sequential(
        [nn.Standardize(4), nn.Dense(4, 6), nn.BatchNorm(6), nn.Dense(6, 2)],
        rng=0,
        replicas=3,
        dtype=np.float64,
    )
    given = {
        "rng": seeds, "weight": weight, "epochs": 3, "batch_size": 7, "validation": 0.2, "metrics": [nn.r2],
        "optimizer": nn.SGD([0.1, 0.05, 0.01], momentum=0.9, weight_decay=[0, 0.1, 0.2]),
    }  # fmt: skip
    one, mine, history = train(model, X, y, jit=True, **given)
    other, theirs, expected = train(model, X, y, jit=False, **given)
    assert history.engine == "jit"
    assert_same_numbers((one, mine), (other, theirs), 1e-9)
    assert_same_rows(history.rows, expected.rows, 1e-9)


@pytest.mark.parametrize("replicas", [None, 3])
def test_rows_of_weight_0_may_hold_anything(replicas, rng):
    X, y, weight = rng.normal(size=(40, 4)), rng.normal(size=(40, 2)), rng.uniform(0.5, 2, 40)
    weight[::3], X[::3], y[::3] = 0, 1e38, -1e38
    layers = [nn.Dense(4, 6), nn.BatchNorm(6), nn.Tanh(), nn.Dense(6, 2)]
    model = nn.Sequential(layers, rng=0, replicas=replicas)
    given = {"weight": weight, "epochs": 2, "batch_size": 7, "optimizer": nn.SGD(0.1), "shuffle": False}
    one, _, history = train(model, X, y, jit=True, **given)
    other, _, expected = train(model, X, y, jit=False, **given)
    assert_close(one.params.numbers, other.params.numbers, 1e-5)
    assert_same_rows(history.rows, expected.rows, 1e-5)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
@pytest.mark.parametrize(
    "make", [nn.ReLU, nn.ELU, nn.Sigmoid, nn.Tanh, nn.GELU], ids=lambda make: make.__name__
)
@pytest.mark.parametrize("replicas", [None, 2])
def test_activations_behind_large_products(make, bias, dtype, replicas, rng):
    """Of a product that is large enough they are made in its place, if nobody else needs it."""
    block = nn.Residual([make(), nn.Dense(96, 96, bias=bias), make(), nn.Dense(96, 96), make()])
    layers = [nn.Dense(64, 96, bias=bias), make(), nn.Dense(96, 96), make(), nn.Dropout(0.0), block]
    model = nn.Sequential([*layers, nn.Dense(96, 2)], rng=0, dtype=dtype, replicas=replicas)
    X, y = rng.normal(size=(400, 64)), rng.normal(size=(400, 2))
    assert composition.LARGE <= 200 * 64 * 96
    given = {"optimizer": nn.SGD(0.01), "batch_size": 200, "epochs": 2, "shuffle": False}
    one, _, history = train(model, X, y, jit=True, **given)
    other, _, _ = train(model, X, y, jit=False, **given)
    assert history.engine == "jit"
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    assert_close(one.params.values, other.params.values, tolerance)
    assert_close(one.predict(X, jit=True), other.predict(X), tolerance)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_many_classes(dtype, smoothing, rng):
    classes = MANY + 5
    model = nn.Sequential([nn.Dense(4, classes)], rng=0, dtype=dtype)
    X, y = 3 * rng.normal(size=(50, 4)), rng.integers(0, classes, 50)
    loss = nn.SoftmaxCrossEntropy(label_smoothing=smoothing)
    compare(model, X, y, loss=loss, optimizer=nn.SGD(0.1), weight=rng.uniform(0.2, 3, 50))


# Whole trainings.


def test_trainings_come_to_the_same():
    X, y = nn.datasets.moons(300, noise=0.1, rng=0)
    found = []
    for jit in (True, False):
        losses = []
        for seed in range(5):  # each in some minimum, for which noise decides
            model = nn.Sequential([nn.Dense(2, 16), nn.Tanh(), nn.Dropout(0.1), nn.Dense(16, 1)], rng=seed)
            model.fit(X, y, loss=nn.BinaryCrossEntropy(), optimizer=nn.Adam(0.03), epochs=60, jit=jit)
            losses.append(model.evaluate(X, y, loss=nn.BinaryCrossEntropy())["loss"])
        found.append(np.median(losses))
    assert max(found) < 0.06
    assert abs(found[0] - found[1]) < 0.02


@pytest.mark.thorough
@pytest.mark.parametrize("dtype", DTYPES)
def test_digits_come_to_the_same_accuracy(dtype):
    X, y = nn.datasets.digits()
    X, X_test, y, y_test = nn.train_test_split(X, y, rng=0)
    found = []
    for jit in (True, False):
        accuracies = []
        for seed in range(5):
            model = nn.Sequential(
                [nn.Dense(64, 64), nn.ReLU(), nn.Dropout(0.2), nn.Dense(64, 10)], rng=seed, dtype=dtype
            )
            model.fit(X / 16, y, loss=nn.SoftmaxCrossEntropy(), optimizer=nn.Adam(0.003), epochs=20, jit=jit)
            accuracies.append(model.evaluate(X_test / 16, y_test, metrics=[nn.accuracy])["accuracy"])
        found.append(np.mean(accuracies))
    assert min(found) > 0.96
    assert abs(found[0] - found[1]) < 0.01


# Nothing is forgotten.


def public(module, base):
    things = (getattr(module, name) for name in module.__all__)
    return {thing for thing in things if isinstance(thing, type) and issubclass(thing, base)}


def test_every_layer_has_a_kernel():
    assert set(DESCRIPTIONS) == PUBLIC
    assert set(WRITERS) == PUBLIC


def test_every_loss_has_a_kernel():
    """But `SequenceLoss`, which NumPy computes."""
    assert {type(loss) for loss, _, _ in LOSSES.values()} == public(losses, nn.Loss) - {
        nn.Loss,
        nn.PointwiseLoss,
    }
    by_numpy = {type(loss) for loss, _, _ in LOSSES.values() if not covered(loss)}
    assert by_numpy == {losses.SequenceLoss}


def test_every_first_order_optimizer_has_a_kernel():
    """`LBFGS` and `LevenbergMarquardt` make no steps by batches; NumPy runs them."""
    assert set(RULES) == public(optimizers, nn.Optimizer) - {nn.Optimizer}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("replicas", [None, 3, 16])
@pytest.mark.parametrize("by_step", [False, True], ids=["whole epochs", "by the step"])
def test_groups_of_parameters(by_step, replicas, dtype, rng):
    X, y = rng.normal(size=(40, 4)), rng.normal(size=(40, 2))
    inner = nn.ParameterGroup([nn.Dense(6, 6), nn.Tanh()], rate_factor=0.2, max_norm=0.7)
    layers = [nn.ParameterGroup([nn.Dense(4, 6), nn.Tanh(), inner], l1=0.01, l2=0.03), nn.Dense(6, 2)]
    model = nn.Sequential(layers, rng=0, dtype=dtype, replicas=replicas)
    model[0][0].freeze("b")
    for optimizer in (nn.SGD(0.1, momentum=0.9), nn.Adam(0.01, clip_norm=0.5, epsilon=0.1)):
        given = {"optimizer": optimizer, "epochs": 5, "batch_size": 7, "weight": rng.uniform(0.5, 2, 40)}
        one, mine, history = train(model, X, y, jit=True, by_step=by_step, **given)
        other, theirs, expected = train(model, X, y, jit=False, **given)
        assert history.engine == ("jit by the step: Look looks at each batch" if by_step else "jit")
        tolerance = 100 * CLOSE[np.dtype(dtype)]
        assert_same_numbers((one, mine), (other, theirs), tolerance)
        assert_same_rows(history.rows, expected.rows, tolerance)


def test_another_penalty_writes_another_program(rng):
    class Double(nn.Callback):
        def on_epoch_begin(self, state):
            state.model[0].l2 *= 2

    X, y = rng.normal(size=(40, 4)), rng.normal(size=(40, 2))
    model = nn.Sequential([nn.ParameterGroup([nn.Dense(4, 2)], l2=0.01)], rng=0, dtype=np.float64)
    given = {"optimizer": nn.SGD(0.1), "epochs": 4, "callbacks": [Double()]}
    one, _, history = train(model, X, y, jit=True, **given)
    other, _, expected = train(model, X, y, jit=False, **given)
    assert history.engine == "jit"
    assert_close(one.params.values, other.params.values, 1e-12)
    assert_same_rows(history.rows, expected.rows, 1e-12)
