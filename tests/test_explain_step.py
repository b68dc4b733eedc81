"""explain_step: the same bits as `fit`, numbers that fit together, and its text and picture."""

import copy
import html
import json
import math
import re

import numpy as np
import pytest
from workpieces import net_of_blocks

import nnlite as nn
from nnlite.inspect import explain_step
from nnlite.inspect.baseline import _best_targets, baseline
from nnlite.inspect.float64_copy import Float64Copy
from nnlite.inspect.formulas import fill_in, row_losses
from nnlite.inspect.words import BEATS

OPTIMIZERS = [
    nn.SGD(0.05),
    nn.SGD(0.05, momentum=0.9),
    nn.SGD(0.05, momentum=0.9, nesterov=True, weight_decay=0.1),
    nn.SGD(0.5, clip_norm=0.1),
    nn.SGD(0.5, clip_value=0.01),
    nn.SGD(nn.ExponentialDecay(0.1, factor=0.5, every=2)),
    nn.Adam(nn.WarmUp(0.01, steps=3)),
    nn.RMSProp(0.01),
    nn.Adagrad(0.01),
    nn.Adam(0.01, beta1=0.8),
    nn.AdamW(0.01, weight_decay=0.1),
    nn.Lion(0.001),
]


class SquareRoot(nn.Layer):
    """Not in the package: mixes nothing, and has no parameters."""

    def forward(self, x, ctx=None):
        y = np.sqrt(1 + x * x)
        if ctx is not None:
            ctx.save(x, y)
        return y

    def backward(self, dy, ctx):
        x, y = ctx.saved
        return dy * x / y


class Gain(nn.Layer):
    """Not in the package: has a parameter and keeps the width."""

    gain = nn.Parameter()

    def __init__(self, features):
        self.features = features
        self.declare("gain", (features,), initializer=nn.initializers.Constant(1.5), decay=False)

    @property
    def input_shape(self):
        return (self.features,)

    def forward(self, x, ctx=None):
        if ctx is not None:
            ctx.save(x)
        return x * self.gain

    def backward(self, dy, ctx):
        (x,) = ctx.saved
        ctx.grads.gain[...] = np.sum(dy * x, axis=-2)
        return dy * self.gain


class Pairs(nn.Layer):
    """Not in the package: adds up neighbours, so it changes the width."""

    def output_shape(self, input_shape):
        return (input_shape[0] // 2,)

    def forward(self, x, ctx=None):
        return x[..., ::2] + x[..., 1::2]

    def backward(self, dy, ctx):
        return np.repeat(dy, 2, axis=-1)


class LogCosh(nn.losses.PointwiseLoss):
    """A loss of one's own."""

    def pointwise(self, pred, target):
        gap = pred - target
        return np.log(np.cosh(gap)), np.tanh(gap)


class WholeBatch(nn.losses.Loss):
    """A loss that needs more than one row, and takes no weights."""

    def value_and_grad(self, pred, target, weight=None):
        if len(pred) < 2:
            raise ValueError("too few rows")
        gap = pred - target
        return float(np.sum(gap**2)), 2 * gap


def mazur(**options):
    """Return the net of Matt Mazur's worked example, "A Step by Step Backpropagation Example", 2015."""
    model = nn.Sequential(
        [nn.Dense(2, 2), nn.Sigmoid(), nn.Dense(2, 2), nn.Sigmoid()], dtype=np.float64, **options
    )
    model[0].W[...], model[0].b[...] = [[0.15, 0.25], [0.20, 0.30]], 0.35
    model[2].W[...], model[2].b[...] = [[0.40, 0.50], [0.45, 0.55]], 0.60
    return model


def mazur_trace(optimizer=None):
    return explain_step(
        mazur(), [[0.05, 0.10]], [[0.01, 0.99]], nn.MeanSquaredError(), optimizer or nn.SGD(0.5)
    )


def small(rng, *, outputs=3, rows=7, dtype=np.float32, layers=None):
    """Return a net and a batch of one class id a row."""
    model = nn.Sequential(
        layers or [nn.Standardize(4), nn.Dense(4, 6), nn.Tanh(), nn.Dropout(0.3), nn.Dense(6, outputs)],
        dtype=dtype,
        rng=0,
    )
    return model, rng.normal(2, 3, (rows, 4)), rng.integers(0, outputs, rows)


def parameters(trace):
    data = trace.to_dict()
    return {
        parameter["name"]: parameter
        for stage in data["stages"]
        for step in stage["steps"]
        for parameter in step["parameters"].values()
    }


class Watch(nn.Callback):
    """Note what `fit` has in its hands."""

    def on_grad_computed(self, state):
        self.loss, self.grads = state.batch_loss, state.model.params.grads.copy()


# The worked example.


def test_the_worked_example_comes_out():
    data = mazur_trace().to_dict()
    assert data["loss"]["value"] == pytest.approx(0.2983711087600027, abs=1e-15)
    assert data["loss"]["filled"] == "((0.7514 - 0.01)² + (0.7729 - 0.99)²) / 2 = 0.2984"
    found = parameters(mazur_trace())
    assert found["2.W"]["after"][0][0] == pytest.approx(0.35891648, abs=5e-9)
    assert found["0.W"]["after"][0][0] == pytest.approx(0.14978072, abs=5e-9)


def test_the_worked_example_with_frozen_biases():
    model = mazur()
    model[0].freeze("b")
    model[2].freeze("b")
    trace = explain_step(model, [[0.05, 0.10]], [[0.01, 0.99]], nn.MeanSquaredError(), nn.SGD(0.5))
    data = trace.to_dict()
    assert data["update"]["loss_after"] == pytest.approx(0.29102777369359933, abs=1e-15)
    assert data["fog"]["loss_after"] == pytest.approx(0.29102777369359933, abs=1e-15)
    assert data["update"]["moved"] == 8
    assert [parameters(trace)[name]["frozen"] for name in ("0.W", "0.b")] == [False, True]


def test_a_neuron_and_a_weight_taken_apart():
    trace = mazur_trace()
    assert trace.neuron(1, 0)["text"] == "0.15*0.05 + 0.20*0.10 + 0.35 = 0.3775, sigmoid -> 0.5933"
    chain = trace.factors("2.W", (0, 0))
    kinds = [(factor["kind"], factor["value"]) for factor in chain["rows"][0]["factors"]]
    assert [kind for kind, _ in kinds] == ["input", "slope", "blame"]
    assert [value for _, value in kinds] == pytest.approx([0.59326999, 0.18681560, 0.74136507], abs=5e-9)
    assert chain["gradient"] == pytest.approx(0.082167041, abs=5e-10)
    assert trace.factors("2.b", [0])["text"] == "0.1868 * 0.7414 = 0.1385"


# The same bits as fit.


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_three_steps_have_the_bits_of_fit(optimizer, dtype, rng):
    model, x, y = small(rng, dtype=dtype)
    weight = rng.uniform(0, 2, len(x))
    optimizer, loss = copy.deepcopy(optimizer), nn.SoftmaxCrossEntropy(label_smoothing=0.1)
    for _ in range(3):
        trace = explain_step(model, x, y, loss, optimizer, weight=weight)
        watch = Watch()
        model.fit(
            x, y, loss=loss, optimizer=optimizer, epochs=1, batch_size=len(x), shuffle=False, weight=weight,
            callbacks=[watch],
        )  # fmt: skip
        assert trace.to_dict()["loss"]["value"] == watch.loss
        for name, grad in model.params.split(watch.grads).items():
            assert parameters(trace)[name]["grad"] == grad.tolist()
            assert parameters(trace)[name]["after"] == model.params[name].tolist()
        assert trace.trained.params.values.tobytes() == model.params.values.tobytes()
        assert trace.trained.rng.bit_generator.state == model.rng.bit_generator.state
        state, expected = trace.optimizer.state_dict(), optimizer.state_dict()
        assert state.keys() == expected.keys()
        assert all(np.array_equal(state[key], expected[key]) for key in expected)


def test_the_next_step_goes_on_from_the_trace(rng):
    model, x, y = small(rng)
    loss, optimizer = nn.SoftmaxCrossEntropy(), nn.Adam(0.01)
    trace = explain_step(model, x, y, loss, optimizer)
    trace = explain_step(trace.trained, x, y, loss, trace.optimizer)
    model.fit(x, y, loss=loss, optimizer=optimizer, epochs=2, batch_size=len(x), shuffle=False)
    assert trace.to_dict()["optimizer"]["step"] == 1
    assert trace.trained.params.values.tobytes() == model.params.values.tobytes()


def cases(rng):
    """Nets and losses of every kind."""
    numbers = rng.normal(size=(5, 4))
    target = rng.normal(size=(5, 2))
    ids = rng.integers(0, 2, 5)
    missing = np.where(rng.random((5, 2)) < 0.3, np.nan, target)
    table = np.column_stack([rng.normal(size=(5, 2)), rng.integers(0, 3, 5)])
    mse = nn.MeanSquaredError()
    return {
        "no hidden layer": ([nn.Dense(4, 2)], numbers, target, mse),
        "one of everything": ([nn.Dense(1, 1)], numbers[:, :1], target[:, :1], mse),
        "no bias": ([nn.Dense(4, 2, bias=False)], numbers, target, mse),
        "flatten": ([nn.Flatten((2, 2)), nn.Dense(4, 2)], numbers.reshape(5, 2, 2), target, mse),
        "embedding": ([nn.Embedding([3], 2, numeric=2), nn.Dense(4, 2)], table, target, mse),
        "class ids for one output": ([nn.Dense(4, 1)], numbers, ids, nn.BinaryCrossEntropy()),
        "missing": ([nn.Dense(4, 3), nn.Tanh(), nn.Dense(3, 2)], numbers, missing, nn.Masked(mse)),
        "softmax inside": ([nn.Dense(4, 3), nn.Softmax(), nn.Dense(3, 2)], numbers, target, mse),
        "own layers": (
            [Gain(4), nn.Dense(4, 6), SquareRoot(), Pairs(), nn.Dense(3, 4), Gain(4), Pairs()],
            numbers, target, mse,
        ),
        "own layers only": ([Gain(4), Pairs()], numbers, target, mse),
        "own loss": ([nn.Dense(4, 2)], numbers, target, LogCosh()),
        "own loss of a batch": ([nn.Dense(4, 2)], numbers, target, WholeBatch()),
        "error bars": ([nn.Dense(4, 4)], numbers, target, nn.GaussianNLL()),
        "soft targets": ([nn.Dense(4, 2)], numbers, np.full((5, 2), 0.5), nn.SoftmaxCrossEntropy()),
    }  # fmt: skip


@pytest.mark.parametrize("name", cases(np.random.default_rng(0)))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_kind_of_net(name, dtype, rng):
    layers, x, y, loss = cases(rng)[name]
    model = nn.Sequential(layers, rng=0, dtype=dtype)
    optimizer = nn.Adam(0.01)
    trace = explain_step(model, x, y, loss, optimizer)
    data = trace.to_dict()
    json.dumps(data, allow_nan=False)
    assert data["proof"]["checks"]
    assert min(check["digits"] for check in data["proof"]["checks"] if check["note"] is None) > 5
    assert data["fog"]["label"] in ("barely moves", "good", "overshoots")
    text = str(trace)
    assert [heading for _, heading in BEATS if heading not in text] == []
    assert max(map(len, text.splitlines())) <= 100
    for stage, column in enumerate(data["stages"]):
        for step in column["steps"]:
            assert np.shape(step["out"]) == (len(x), len(step["out"][0]))
        assert trace.neuron(stage, column["units"] - 1, row=4)["text"]
    for name, parameter in parameters(trace).items():
        grads = np.array(parameter["grad"])
        for index in np.ndindex(grads.shape):
            chain = trace.factors(name, index)
            assert chain["gradient"] == grads[index]
            if chain["rows"]:
                total = sum(row["product"] for row in chain["rows"])
                assert total == pytest.approx(grads[index], rel=1e-4, abs=1e-6)
    model.fit(x, y, loss=loss, optimizer=optimizer, epochs=1, batch_size=len(x), shuffle=False)
    assert trace.trained.params.values.tobytes() == model.params.values.tobytes()


def test_everything_of_the_user_stays_as_it_is(rng):
    model, x, y = small(rng)
    model.params.grads[...] = 7.0
    optimizer, loss = nn.Adam(0.01), nn.SoftmaxCrossEntropy()
    before = copy.deepcopy((model, optimizer))
    explain_step(model, x, y, loss, optimizer)
    assert model.params.values.tobytes() == before[0].params.values.tobytes()
    assert (model.params.grads == 7.0).all()
    assert model.rng.bit_generator.state == before[0].rng.bit_generator.state
    assert not model[0].adapted
    assert optimizer.state_dict() == before[1].state_dict() == {"steps": 0, "rate_factor": 1.0}
    optimizer.step(model.params)  # it is tied to no other parameters
    assert loss.__dict__ == nn.SoftmaxCrossEntropy().__dict__


def test_what_was_recorded_is_what_the_layers_say(rng):
    model, x, y = small(rng, layers=[nn.Dense(4, 6), nn.Tanh(), nn.Dense(6, 3)], dtype=np.float64)
    data = explain_step(model, x, y, nn.SoftmaxCrossEntropy(), nn.SGD(0.1)).to_dict()
    steps = [step for stage in data["stages"] for step in stage["steps"]]
    for step, out in zip(steps, model.activations(x), strict=True):
        np.testing.assert_allclose(step["out"], out, rtol=1e-12)
    dense, tanh, last = steps
    slope = 1 - np.tanh(np.array(dense["out"])) ** 2
    np.testing.assert_allclose(tanh["slope"], slope, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(dense["blame"], slope * tanh["blame"], rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(tanh["blame"], last["blame"] @ model[2].W.T, rtol=1e-10)
    assert last["blame"] == data["loss"]["blame"]
    assert [step["kind"] for step in steps] == ["dense", "activation", "dense"]


def test_numbers_of_a_layer_that_does_not_learn():
    """The blame of what comes in is not traced: `fit` does not trace it either."""
    model = nn.Sequential([nn.Standardize(2), nn.Dense(2, 1)], rng=0)
    trace = explain_step(model, [[1, 2], [3, 5]], [[1], [2]], nn.MeanSquaredError(), nn.SGD(0.1))
    (step,) = trace.to_dict()["stages"][0]["steps"]
    assert step["blame"] is None
    assert step["out"] == [[-1.0, -1.0], [1.0, 1.0]]
    assert trace.neuron(0, 1)["text"] == "2, Standardize(2) -> -1.000"


def test_own_layers_have_slopes_if_they_treat_each_number_alone(rng):
    layers, x, y, loss = cases(rng)["own layers"]
    data = explain_step(nn.Sequential(layers, rng=0), x, y, loss, nn.SGD(0.1)).to_dict()
    found = {
        step["layer"]: (step["kind"], step["slope"] is None) for s in data["stages"] for step in s["steps"]
    }
    assert found[0] == ("other", False)  # Gain
    assert found[2] == ("activation", False)  # SquareRoot
    assert found[3] == ("other", True)  # Pairs
    assert [stage["units"] for stage in data["stages"]] == [4, 6, 3, 4, 2]
    assert [stage["from"] for stage in data["stages"]] == [None, 0, 1, 2, 3]


def test_a_layer_that_is_wrong_is_named():
    class Wrong(nn.Layer):
        def forward(self, x, ctx=None):
            return x

        def backward(self, dy, ctx):
            return None

    model = nn.Sequential([nn.Dense(1, 1), Wrong()], rng=0)
    with pytest.raises(nn.errors.ArgumentTypeError, match=r"layer 1 Wrong\(\).backward"):
        explain_step(model, [[1.0]], [[1.0]], nn.MeanSquaredError(), nn.SGD(0.1))


# The loss.

LOSSES = [
    nn.MeanSquaredError(),
    nn.MeanAbsoluteError(),
    nn.Huber(0.7),
    nn.Quantile(0.9),
    nn.PoissonNLL(),
    nn.Hinge(),
    nn.BinaryCrossEntropy(),
    nn.BinaryCrossEntropy(label_smoothing=0.2),
    nn.SoftmaxCrossEntropy(),
    nn.SoftmaxCrossEntropy(label_smoothing=0.2),
    nn.GaussianNLL(),
    nn.Masked(nn.MeanSquaredError()),
    nn.MultiTaskLoss(
        {
            "squares": nn.Task(nn.MeanSquaredError(), outputs=0, targets=0),
            "kind": nn.Task(nn.SoftmaxCrossEntropy(), outputs=[1, 2, 3], targets=1, weight=0.5),
        }
    ),
]


def targets_for(loss, rng, rows):
    if isinstance(loss, nn.SoftmaxCrossEntropy):
        return rng.integers(0, 4, rows)
    if isinstance(loss, nn.MultiTaskLoss):
        table = np.column_stack([rng.normal(size=rows), rng.integers(0, 3, rows)])
        table[0, 1] = np.nan
        return table
    if isinstance(loss, nn.PoissonNLL):
        return rng.poisson(2, (rows, 4)).astype(float)
    if isinstance(loss, nn.Hinge):
        return rng.choice([-1.0, 1.0], (rows, 4))
    if isinstance(loss, nn.BinaryCrossEntropy):
        return rng.choice([0.0, 1.0, 0.25], (rows, 4))
    target = rng.normal(size=(rows, 2 if isinstance(loss, nn.GaussianNLL) else 4))
    if isinstance(loss, nn.Masked):
        target[0, 1] = np.nan
    return target


def compute(text):
    """Work out a formula that was filled in."""
    left = text.rpartition("=")[0].replace("²", "**2").replace("ln(", "log(").replace("(missing)", "")
    left = re.sub(r"\|([^|]*)\|", r"abs(\1)", left)
    return eval(left, {"log": math.log, "exp": math.exp, "max": max, "abs": abs})


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_the_filled_in_formula_gives_the_loss(loss, rng):
    pred, target = rng.normal(size=(3, 4)), targets_for(loss, rng, 3)
    value = loss.value_and_grad(pred, target)[0]
    rows = row_losses(loss, pred, target)
    whole, each = fill_in(loss, pred, target, None, rows, value)
    assert compute(whole) == pytest.approx(value, rel=2e-3)
    assert [compute(text) for text in each] == pytest.approx(rows, rel=2e-3, abs=1e-3)
    weight = np.array([0.5, 2.0, 0.0])
    value = loss.value_and_grad(pred, target, weight)[0]
    assert compute(fill_in(loss, pred, target, weight, rows, value)[0]) == pytest.approx(value, rel=2e-3)


@pytest.mark.parametrize(
    ("loss", "pred", "target", "text"),
    [
        (nn.SoftmaxCrossEntropy(), [-6.0, 6.0], 1, "-ln(1 - 6.144e-06) = 6.144e-06"),
        (nn.SoftmaxCrossEntropy(), [-600.0, 600.0], 0, "-ln(exp(-1200)) = 1200"),
        (nn.SoftmaxCrossEntropy(), [0.0, 0.0], 0, "-ln(0.50) = 0.6931"),
        (nn.BinaryCrossEntropy(), [12.0], [1.0], "-ln(1 - 6.144e-06) = 6.144e-06"),
        (nn.BinaryCrossEntropy(), [1200.0], [0.0], "-ln(exp(-1200)) = 1200"),
        (nn.MeanSquaredError(), [1.00003], [1.0], "(1.00003 - 1)² = 9.000e-10"),
        (nn.MeanAbsoluteError(), [123456.5], [123456.0], "|123456.50 - 123456| = 0.5000"),
        (nn.MeanSquaredError(), [1.0], [1.0], "(1 - 1)² = 0"),
    ],
)
def test_formulas_of_answers_that_are_nearly_right_can_be_computed(loss, pred, target, text):
    """Four digits of a probability of 0.999994 would be 1, whose logarithm is 0."""
    pred, target = np.array([pred]), np.array([target])
    value = loss.value_and_grad(pred, target)[0]
    assert fill_in(loss, pred, target, None, row_losses(loss, pred, target), value)[0] == text


def test_formulas_of_large_batches_and_own_losses_are_honest(rng):
    pred, target = rng.normal(size=(9, 5)), rng.normal(size=(9, 5))
    loss = LogCosh()
    whole, each = fill_in(
        loss, pred, target, None, row_losses(loss, pred, target), loss.value_and_grad(pred, target)[0]
    )
    assert whole.count("+ ...") == 1
    assert len(each) == 9
    assert each[0].startswith("LogCosh() says 0.")
    assert row_losses(WholeBatch(), pred, target) is None
    assert fill_in(WholeBatch(), pred, target, None, None, 3.0) == ("WholeBatch() says 3.000", [])


@pytest.mark.parametrize("loss", [*LOSSES, LogCosh()], ids=repr)
@pytest.mark.parametrize("weighted", [False, True])
def test_no_constant_answer_beats_the_clueless_net(loss, weighted, rng):
    target = targets_for(loss, rng, 12)
    weight = rng.uniform(0.1, 2, 12) if weighted else None
    model = nn.Sequential([nn.Dense(1, 4)], rng=0, dtype=np.float64)
    found = baseline(loss, Float64Copy(model, np.ones((12, 1)), target, weight, loss), np.zeros((12, 4)))

    def paid(constant):
        return loss.value_and_grad(np.tile(constant, (12, 1)), target, weight)[0]

    if getattr(loss, "loss", loss).from_logits and not isinstance(loss, nn.MultiTaskLoss):
        assert found["value"] == pytest.approx(paid(np.zeros(4)))
        return
    assert found["text"].startswith("the best constant answer, ")
    tried = [paid(answer) for answer in np.random.default_rng(1).normal(0, 1, (2000, 4))]
    assert found["value"] <= min(tried)
    # It is reached by the constant that is named, to the digits that are.
    named = [float(part) for part in found["text"].removeprefix("the best constant answer, ").split(", ")]
    assert paid(np.array(named)) == pytest.approx(found["value"], abs=1e-3)


@pytest.mark.parametrize(
    "loss", [nn.MeanAbsoluteError(), nn.Quantile(0.9), nn.Masked(nn.Huber(0.1))], ids=repr
)
def test_the_best_of_many_targets_is_found(loss, rng):
    target = rng.normal(size=(150, 2))
    if isinstance(loss, nn.Masked):
        target[::7, 0] = np.nan
    model = nn.Sequential([nn.Dense(1, 2)], rng=0, dtype=np.float64)
    twin = Float64Copy(model, np.ones((150, 1)), target, rng.uniform(0, 1, 150), loss)

    def paid(answer):
        return loss.value_and_grad(np.tile(answer, (150, 1)), target, twin.weight)[0]

    # Column by column, since what is paid is a sum over them.
    found = _best_targets(loss, twin.y, twin.weight)
    for column in range(2):
        others = []
        for value in target[~np.isnan(target[:, column]), column]:
            other = found.copy()
            other[column] = value
            others.append(paid(other))
        assert paid(found) == pytest.approx(min(others), abs=1e-12)


def test_a_clueless_net_pays_nothing_for_what_is_missing():
    target = np.array([[1.0, np.nan], [0.0, 1.0]])
    model = nn.Sequential([nn.Dense(1, 2)], rng=0)
    loss = nn.Masked(nn.BinaryCrossEntropy())
    found = explain_step(model, [[1.0], [2.0]], target, loss, nn.SGD(0.1)).to_dict()["loss"]["clueless"]
    assert found["value"] == pytest.approx(0.75 * math.log(2))
    assert found["text"] == "an even guess between yes and no, ln 2; 0 where the target is missing"


def test_clueless_nets_have_known_scores(rng):
    model, x, y = small(rng)
    loss = explain_step(model, x, y, nn.SoftmaxCrossEntropy(), nn.SGD(0.1)).to_dict()["loss"]
    assert loss["clueless"] == {
        "value": pytest.approx(math.log(3)),
        "text": "an even guess between 3 classes, ln 3",
    }
    np.testing.assert_allclose(np.sum(loss["probabilities"], axis=1), 1, rtol=1e-6)
    clue = mazur_trace().to_dict()["loss"]["clueless"]
    assert clue["text"] == "a net whose weights are all 0, which answers 0.50, 0.50"
    assert clue["value"] == pytest.approx(0.49**2)


# The fog.


def slope_down(rate, **options):
    """One weight at 3 on the parabola w**2: the best rate is 0.5, and 1 lands where it came from."""
    model = nn.Sequential([nn.Dense(1, 1, bias=False)], rng=0, dtype=np.float64)
    model[0].W[...] = 3.0
    return explain_step(model, [[1.0]], [[0.0]], nn.MeanSquaredError(), nn.SGD(rate, **options)).to_dict()


@pytest.mark.parametrize(
    ("rate", "label"),
    [(1e-3, "barely moves"), (0.01, "barely moves"), (0.02, "good"), (0.5, "good"), (0.9, "good"),
     (0.995, "overshoots"), (1.1, "overshoots"), (1e3, "overshoots")],
)  # fmt: skip
def test_labels_of_the_fog(rate, label):
    fog = slope_down(rate)["fog"]
    assert fog["label"] == label
    assert fog["curvature"] == pytest.approx(2.0, rel=1e-5)
    assert fog["slope"] == pytest.approx(-36.0)
    assert fog["best_rate"] == pytest.approx(0.5, rel=0.2)
    assert fog["loss_after"] == pytest.approx(9 * (1 - 2 * rate) ** 2)
    assert fog["forecast"] == pytest.approx(9 - 36 * rate)
    assert rate in fog["rates"]
    assert fog["direction"] == "along the negative gradient"
    zones = fog["zones"]
    assert [zone["label"] for zone in zones] == ["barely moves", "good", "overshoots"]
    assert zones[0]["from"] == fog["rates"][0]
    assert zones[-1]["to"] == fog["rates"][-1]
    assert [zone["to"] for zone in zones[:-1]] == [zone["from"] for zone in zones[1:]]
    assert zones[1]["from"] == pytest.approx(0.0127, rel=0.3)
    assert zones[1]["to"] == pytest.approx(0.987, rel=0.3)


def test_the_curve_of_the_fog_is_the_true_loss():
    fog = slope_down(0.1)["fog"]
    expected = [9 * (1 - 2 * rate) ** 2 for rate in fog["rates"]]
    assert fog["losses"] == pytest.approx(expected, abs=1e-12)
    assert fog["rates"] == sorted(fog["rates"])


def test_the_fog_follows_the_step_of_the_optimizer(rng):
    model, x, y = small(rng, layers=[nn.Dense(4, 3)], dtype=np.float64)
    for optimizer in (nn.Adam(0.01), nn.SGD(0.01, momentum=0.9), nn.SGD(0.1, clip_value=0.01)):
        trace = explain_step(model, x, y, nn.SoftmaxCrossEntropy(), optimizer)
        fog = trace.to_dict()["fog"]
        assert fog["direction"] == f"along the step of {type(optimizer).__name__}"
        expected = trace.trained.evaluate(x, y, loss=nn.SoftmaxCrossEntropy())["loss"]
        assert fog["loss_after"] == pytest.approx(expected, rel=1e-9)


def test_a_step_that_overflows_is_shown():
    model = nn.Sequential([nn.Dense(1, 2), nn.Dense(2, 1)], rng=0)
    trace = explain_step(model, [[10.0]], [[1.0]], nn.MeanSquaredError(), nn.SGD(1e30))
    data = trace.to_dict()
    json.dumps(data, allow_nan=False)
    assert data["update"]["loss_after"] is None
    assert data["fog"]["label"] == "overshoots"
    assert "overshoots" in str(trace)
    assert "not finite" in str(trace)


@pytest.mark.nonfinite
def test_rates_end_where_numbers_end():
    model = nn.Sequential([nn.Dense(1, 1)], rng=0, dtype=np.float64)
    trace = explain_step(model, [[1.0]], [[1.0]], nn.MeanSquaredError(), nn.SGD(1e308))
    json.dumps(trace.to_dict(), allow_nan=False)
    assert trace.to_dict()["fog"]["label"] == "overshoots"


@pytest.mark.nonfinite
def test_a_step_into_infinity_is_shown():
    model = nn.Sequential([nn.Dense(1, 1), nn.Dense(1, 1)], rng=0)
    model[0].W[...], model[1].W[...] = 1e15, 1.0
    trace = explain_step(model, [[1e3]], [[1.0]], nn.MeanSquaredError(), nn.SGD(1e38))
    data = trace.to_dict()
    json.dumps(data, allow_nan=False)
    assert str(trace)
    assert data["update"]["largest_change"] is None


def test_nothing_to_gain_at_the_bottom():
    model = nn.Sequential([nn.Dense(1, 1)], rng=0)
    model[0].W[...] = 2.0
    trace = explain_step(model, [[1.0]], [[2.0]], nn.MeanSquaredError(), nn.SGD(0.1))
    fog = trace.to_dict()["fog"]
    assert fog["label"] == "barely moves"
    assert fog["best_rate"] is None
    assert "the slope is 0" in fog["why"]
    assert "No parameter moves." in str(trace)


def test_a_step_uphill():
    """Momentum carries on in the old direction."""
    model = nn.Sequential([nn.Dense(1, 1, bias=False)], rng=0, dtype=np.float64)
    model[0].W[...] = 3.0
    optimizer, loss = nn.SGD(0.01, momentum=0.9), nn.MeanSquaredError()
    model.fit([[1.0]], [[9.0]], loss=loss, optimizer=optimizer, epochs=3, batch_size=1)
    fog = explain_step(model, [[1.0]], [[0.0]], loss, nn.SGD(0.01)).to_dict()["fog"]
    assert fog["slope"] < 0
    fog = explain_step(model, [[1.0]], [[3.2]], loss, optimizer).to_dict()["fog"]
    assert fog["slope"] > 0
    assert fog["label"] == "overshoots"
    assert "uphill" in fog["why"]


def test_a_rate_of_zero_has_a_direction():
    model = nn.Sequential([nn.Dense(1, 1)], rng=0)
    optimizer = nn.SGD(lambda step: 0.0 if step == 0 else 0.1)
    data = explain_step(model, [[1.0]], [[5.0]], nn.MeanSquaredError(), optimizer).to_dict()
    assert data["fog"]["rate"] == 0.0
    assert data["fog"]["label"] == "barely moves"
    assert data["fog"]["best_loss"] < data["fog"]["loss_before"]
    assert data["fog"]["why"] == "The rate of this step is 0, so nothing moves."


@pytest.mark.parametrize(
    ("schedule", "first"),
    [
        (nn.CosineDecay(0.1), 0.1),
        (nn.schedules.OneCycle(0.1), 0.004),
        (nn.schedules.StepDecay(0.1, every=1, unit="epochs"), 0.1),
    ],
    ids=repr,
)
def test_a_schedule_that_waits_for_fit_has_its_first_rate(schedule, first, rng):
    model, x, y = small(rng)
    loss, optimizer = nn.SoftmaxCrossEntropy(), nn.SGD(schedule)
    trace = explain_step(model, x, y, loss, optimizer)
    assert trace.to_dict()["fog"]["rate"] == pytest.approx(first)
    assert "is over" not in str(trace)
    with pytest.raises(nn.errors.ArgumentError, match="steps to count in"):
        _ = optimizer.rate  # still waits
    trace = explain_step(trace.trained, x, y, loss, trace.optimizer)  # and goes on from there
    assert 0 < trace.to_dict()["fog"]["rate"] != pytest.approx(first)


def test_a_schedule_that_is_over_is_told_of(rng):
    model, x, y = small(rng)
    loss, optimizer = nn.SoftmaxCrossEntropy(), nn.SGD(nn.CosineDecay(0.1))
    model.fit(x, y, loss=loss, optimizer=optimizer, epochs=3)
    assert explain_step(model, x, y, loss, optimizer).to_dict()["fog"]["why"] == (
        "The rate of this step is 0, so nothing moves. CosineDecay(0.1) is over after 3 steps; give a new "
        "optimizer."
    )
    optimizer = nn.SGD(nn.schedules.OneCycle(0.1, steps=3))  # which ends above 0
    model.fit(x, y, loss=loss, optimizer=optimizer, epochs=3)
    assert "is over after 3 steps" in str(explain_step(model, x, y, loss, optimizer))


# The proof.


def test_every_weight_of_a_small_net_is_nudged():
    proof = mazur_trace().to_dict()["proof"]
    assert proof["all"]
    assert len(proof["checks"]) == 12
    assert all(check["digits"] > 7 and check["note"] is None for check in proof["checks"])
    assert "all 12 parameters" in proof["text"]


def test_of_a_large_net_the_top_is_nudged(rng):
    model = nn.Sequential([nn.Dense(64, 16), nn.ReLU(), nn.Dense(16, 10)], rng=0)
    X, y = nn.datasets.digits()
    trace = explain_step(model, X[:32], y[:32], nn.SoftmaxCrossEntropy(), nn.Adam(0.001))
    data = trace.to_dict()
    assert data["large"]
    assert not data["proof"]["all"]
    assert len(data["proof"]["checks"]) == 20
    grads = np.abs(np.concatenate([np.ravel(p["grad"]) for p in parameters(trace).values()]))
    assert [abs(entry["grad"]) for entry in data["blame"]["top"]] == sorted(grads.tolist(), reverse=True)[:20]
    for entry in data["blame"]["top"]:
        grad = parameters(trace)[entry["parameter"]]["grad"]
        for part in entry["index"]:
            grad = grad[part]
        assert grad == entry["grad"]
    assert {(one["parameter"], one["what"]) for one in data["histograms"]} == {
        (name, what) for name in model.params for what in ("value", "gradient", "change")
    }
    sizes = {name: model.params[name].size for name in model.params}
    assert all(sum(one["counts"]) == sizes[one["parameter"]] for one in data["histograms"])
    text = str(trace)
    assert len(text.splitlines()) < 130
    assert max(map(len, text.splitlines())) <= 100


def test_histograms_of_numbers_that_differ_by_rounding(rng):
    """Neurons that begin alike have gradients that are alike but for the last digit."""
    alike = {"weight_initializer": nn.initializers.Constant(0.1)}
    layers = [
        nn.Dense(4, 30, **alike),
        nn.Tanh(),
        nn.Dense(30, 30, **alike),
        nn.Tanh(),
        nn.Dense(30, 3, **alike),
    ]
    model, x, y = small(rng, layers=layers, dtype=np.float64)
    trace = explain_step(model, x, y, nn.SoftmaxCrossEntropy(), nn.Adam(0.1))
    sizes = {name: model.params[name].size for name in model.params}
    for one in trace.to_dict()["histograms"]:
        assert sum(one["counts"]) == sizes[one["parameter"]]
        assert one["edges"] == sorted(set(one["edges"]))


def test_the_text_of_a_deep_net_is_bounded(rng):
    layers = [layer for _ in range(12) for layer in (nn.Dense(4, 4), nn.Tanh())]
    model, x, y = small(rng, layers=[*layers, nn.Dense(4, 3)])
    text = str(explain_step(model, x, y, nn.SoftmaxCrossEntropy(), nn.SGD(0.1)))
    assert "... 8 more columns of neurons" in text
    assert "hidden layer 3:" in text
    assert "hidden layer 4:" not in text
    assert "output:" in text
    assert len(text.splitlines()) < 130


def test_kinks_are_called_kinks():
    model = nn.Sequential([nn.Dense(1, 1), nn.ReLU(), nn.Dense(1, 1)], rng=0, dtype=np.float64)
    model[0].W[...], model[2].W[...] = 0.0, 1.0
    data = explain_step(model, [[1.0]], [[1.0]], nn.MeanSquaredError(), nn.SGD(0.1)).to_dict()
    notes = {check["parameter"]: check["note"] for check in data["proof"]["checks"]}
    assert notes == {"0.W": "kink", "0.b": "kink", "2.W": None, "2.b": None}
    assert "2 lie on a kink" in data["proof"]["text"]


def test_a_wrong_gradient_has_no_digits():
    class Wrong(nn.MeanSquaredError):
        def pointwise(self, pred, target):
            values, slopes = super().pointwise(pred, target)
            return values, 1.5 * slopes

    trace = explain_step(mazur(), [[0.05, 0.10]], [[0.01, 0.99]], Wrong(), nn.SGD(0.5))
    checks = trace.to_dict()["proof"]["checks"]
    assert all(check["digits"] < 1 for check in checks)
    assert "at least 0.4 digits" in trace.to_dict()["proof"]["text"]


def test_gradients_that_cannot_be_measured_are_said_to_be_so():
    model = nn.Sequential([nn.Dense(1, 1)], rng=0, dtype=np.float64)
    model[0].W[...] = 1.0
    trace = explain_step(model, [[1e-13]], [[1e3]], nn.MeanSquaredError(), nn.SGD(0.1))
    notes = {check["parameter"]: check["note"] for check in trace.to_dict()["proof"]["checks"]}
    assert notes == {"0.W": "too small to measure", "0.b": None}
    assert "drowns in rounding" in str(trace)


# The faces.


def test_to_dict_gives_a_copy():
    trace = mazur_trace()
    trace.to_dict()["loss"]["value"] = 0.0
    assert trace.to_dict()["loss"]["value"] > 0.2


def test_the_text_says_what_the_numbers_are():
    text = str(mazur_trace())
    for part in (
        "12 parameters, on 1 row",
        "row 0: 0.05  0.10  ->  0.01  0.99",
        "0.15*0.05 + 0.20*0.10 + 0.35 = 0.3775, sigmoid -> 0.5933",
        "a clueless net would score 0.2401",
        "input 0.5933 * slope 0.1868 * blame 0.7414",
        "<- your rate: good",
        "0.4 -> 0.35891648",
    ):
        assert part in text
    assert repr(mazur_trace()).startswith("<StepTrace: SGD(learning_rate=0.5), loss 0.2984 -> 0.2805")


def test_tables_have_their_names():
    table = {"height": [1.0, 2.0], "age": [3.0, 4.0]}
    model = nn.Sequential([nn.Dense(2, 1)], rng=0)
    frame = pytest.importorskip("pandas").DataFrame(table)
    trace = explain_step(model, frame, [[1.0], [2.0]], nn.MeanSquaredError(), nn.SGD(0.1))
    assert trace.to_dict()["data"]["feature_names"] == ["height", "age"]
    assert "features: height, age" in str(trace)
    assert model.feature_names is None


def test_names_do_not_command_the_terminal():
    model = nn.Sequential([nn.Dense(2, 1)], rng=0)
    table = {"a\x1b[31m": [1.0, 2.0], "two\nlines": [3.0, 4.0]}
    frame = pytest.importorskip("pandas").DataFrame(table)
    trace = explain_step(model, frame, [[1.0], [2.0]], nn.MeanSquaredError(), nn.SGD(0.1))
    assert "features: a [31m, two lines" in str(trace)
    assert trace.to_dict()["data"]["feature_names"] == list(table)


def test_an_encoded_table():
    table = {"size": [1.0, 2.0, 4.0], "kind": ["a", "b", "a"]}
    encoder = nn.TableEncoder().fit(table)
    model = nn.Sequential([encoder.layer(), nn.Dense(encoder.width, 1)], preprocessing=encoder, rng=0)
    trace = explain_step(model, table, [[1.0], [2.0], [3.0]], nn.MeanSquaredError(), nn.SGD(0.1))
    model.fit(
        table, [[1.0], [2.0], [3.0]], loss=nn.MeanSquaredError(), optimizer=nn.SGD(0.1), epochs=1,
        batch_size=3, shuffle=False,
    )  # fmt: skip
    assert trace.trained.params.values.tobytes() == model.params.values.tobytes()


def test_weights_of_rows_are_shown(rng):
    model, x, y = small(rng, rows=2)
    trace = explain_step(model, x, y, nn.SoftmaxCrossEntropy(), nn.SGD(0.1), weight=[0.5, 1.0])
    assert "(counts 0.50 times)" in str(trace)
    assert trace.to_dict()["data"]["weight"] == [0.5, 1.0]


def test_the_page_is_written(tmp_path):
    trace = mazur_trace()
    page = trace.to_html(tmp_path / "step.html", title="My net")
    assert (tmp_path / "step.html").read_text(encoding="utf-8") == page
    assert "<title>My net</title>" in page
    assert "<iframe" in trace._repr_html_()


@pytest.mark.parametrize("size", [(6.4, 4.8), (3.2, 3.0)])
def test_the_picture(size, rng):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots(figsize=size)
    assert mazur_trace().plot(ax) is ax
    words = " ".join(text.get_text() for text in ax.texts)
    assert "target 0.01" in words
    assert len(ax.patches) == 6
    plt.close(figure)
    model, x, y = small(rng)
    ax = explain_step(model, x, y, nn.SoftmaxCrossEntropy(), nn.Adam(0.01)).plot(row=3)
    assert "answer to row 3" in ax.get_title(loc="left")
    drawn = ax.figure
    drawn.canvas.draw()
    box = ax._left_title.get_window_extent()
    assert box.y1 <= drawn.bbox.y1
    assert box.x1 <= drawn.bbox.x1
    plt.close(drawn)


# What cannot be used.


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"model": 3}, nn.errors.ArgumentTypeError, r"explain_step\(model\): expected a Sequential, got 3"),
        ({"model": nn.Sequential([nn.Dense(2, 1)], replicas=3)}, nn.errors.ArgumentError, "3 replicas"),
        ({"model": nn.Sequential([nn.Tanh()])}, nn.errors.ArgumentError, "Add a Dense layer"),
        ({"optimizer": nn.LBFGS()}, nn.errors.ArgumentTypeError, "one step a batch"),
        ({"optimizer": nn.LevenbergMarquardt()}, nn.errors.ArgumentTypeError, "one step a batch"),
        ({"optimizer": nn.SGD}, nn.errors.ArgumentTypeError, r"Write SGD\(\)"),
        ({"optimizer": "sgd"}, nn.errors.ArgumentTypeError, "an Optimizer instance, got 'sgd'"),
        ({"loss": nn.MeanSquaredError}, nn.errors.ArgumentTypeError, r"Write MeanSquaredError\(\)"),
        ({"x": [[1.0, 2.0, 3.0]]}, nn.errors.ShapeError, "expected shape"),
        ({"x": [[1.0, np.nan]]}, nn.errors.ArgumentError, "NaN"),
        ({"x": np.zeros((2001, 2)), "y": np.zeros((2001, 1))}, nn.errors.ArgumentError, "2,001 rows"),
        ({"y": [[1.0], [2.0]]}, nn.errors.ShapeError, "rows"),
        ({"y": None}, nn.errors.ArgumentTypeError, "the targets of the batch"),
        ({"weight": [-1.0]}, nn.errors.ArgumentError, "weight"),
    ],
)
def test_what_cannot_be_explained(change, error, message):
    given = {
        "model": nn.Sequential([nn.Dense(2, 1)], rng=0),
        "x": [[1.0, 2.0]],
        "y": [[1.0]],
        "loss": nn.MeanSquaredError(),
        "optimizer": nn.SGD(0.1),
    } | change
    with pytest.raises(error, match=message):
        explain_step(given.pop("model"), given.pop("x"), given.pop("y"), given.pop("loss"), **given)


def test_sparse_rows_are_refused():
    from scipy.sparse import csr_array

    model = nn.Sequential([nn.Dense(2, 1)], rng=0)
    with pytest.raises(nn.errors.ArgumentTypeError, match=r"Write x\.toarray\(\)"):
        explain_step(model, csr_array([[1.0, 0.0]]), [[1.0]], nn.MeanSquaredError(), nn.SGD(0.1))


def test_an_optimizer_of_another_model_is_refused(rng):
    model, x, y = small(rng)
    other = nn.Sequential([nn.Dense(4, 3)], rng=0)
    optimizer = nn.SGD(0.1)
    other.fit(x, y, loss=nn.SoftmaxCrossEntropy(), optimizer=optimizer, epochs=1)
    with pytest.raises(nn.errors.ArgumentError, match="another model"):
        explain_step(model, x, y, nn.SoftmaxCrossEntropy(), optimizer)


def test_everything_frozen_is_refused():
    model = nn.Sequential([nn.Dense(2, 1)], rng=0)
    model[0].freeze()
    with pytest.raises(nn.errors.ArgumentError, match="unfreeze"):
        explain_step(model, [[1.0, 2.0]], [[1.0]], nn.MeanSquaredError(), nn.SGD(0.1))


def test_frozen_parameters_are_counted():
    model = nn.Sequential([nn.Dense(2, 3), nn.Dense(3, 1)], rng=0)
    model[0].freeze()
    trace = explain_step(model, [[1.0, 2.0]], [[1.0]], nn.MeanSquaredError(), nn.SGD(0.1))
    assert "4 of 13 parameters move (9 are frozen)" in " ".join(str(trace).split())


def test_what_cannot_be_copied_is_refused():
    model = nn.Sequential([nn.Dense(2, 1)], rng=0)
    model.note = (item for item in "no copy of this")
    with pytest.raises(nn.errors.ArgumentTypeError, match="that can be copied"):
        explain_step(model, [[1.0, 2.0]], [[1.0]], nn.MeanSquaredError(), nn.SGD(0.1))


def test_a_loss_that_is_not_finite_is_an_error_as_in_fit():
    model = nn.Sequential([nn.Dense(1, 1)], rng=0)
    model[0].W[...] = 1e30
    with pytest.raises(nn.errors.DivergenceError, match="explain_step: expected a finite loss"):
        explain_step(model, [[1.0]], [[0.0]], nn.MeanSquaredError(), nn.SGD(0.1))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda t: t.neuron(3, 0), nn.errors.ArgumentError, "a column from 0 to 2, got 3"),
        (lambda t: t.neuron(1, 2), nn.errors.ArgumentError, "a neuron from 0 to 1, got 2"),
        (lambda t: t.neuron(1, 0, row=1), nn.errors.ArgumentError, "a row from 0 to 0, got 1"),
        (lambda t: t.neuron("a", 0), nn.errors.ArgumentTypeError, "an integer"),
        (
            lambda t: t.factors("W", (0, 0)),
            nn.errors.ArgumentError,
            r"one of 0\.W, 0\.b, 2\.W, 2\.b, got 'W'",
        ),
        (lambda t: t.factors("0.W", 0), nn.errors.ArgumentTypeError, r"an index into shape \(2, 2\)"),
        (lambda t: t.factors("0.W", (0,)), nn.errors.ArgumentError, r"an index into shape \(2, 2\)"),
        (lambda t: t.factors("0.W", (0, 2)), nn.errors.ArgumentError, "a place from 0 to 1, got 2"),
        (lambda t: t.plot(row=1), nn.errors.ArgumentError, "a row from 0 to 0"),
        (lambda t: t.to_html(title=3), nn.errors.ArgumentTypeError, "a text"),
        (lambda t: t.to_html(3), nn.errors.ArgumentTypeError, "path"),
    ],
)
def test_what_a_trace_does_not_have(call, error, message):
    with pytest.raises(error, match=message):
        call(mazur_trace())


# Blocks, and what is kept and not learned.


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_step_of_blocks_has_the_bits_of_fit(weighted, dtype, rng):
    model = net_of_blocks(dtype=dtype)
    x, y = rng.normal(2, 3, (7, 4)), rng.integers(0, 3, 7)
    weight = rng.uniform(0, 2, 7) if weighted else None
    if weighted:
        weight[2] = 0
    loss, optimizer = nn.SoftmaxCrossEntropy(), nn.Adam(0.01)
    for _ in range(3):
        before = model.params.numbers.copy()
        trace = explain_step(model, x, y, loss, optimizer, weight=weight)
        assert (model.params.numbers == before).all()
        watch = Watch()
        model.fit(
            x, y, loss=loss, optimizer=optimizer, epochs=1, batch_size=7, shuffle=False, weight=weight,
            callbacks=[watch],
        )  # fmt: skip
        data = trace.to_dict()
        assert data["loss"]["value"] == watch.loss
        found = parameters(trace)
        assert found.keys() == set(model.params)
        for name, grad in model.params.split(watch.grads).items():
            assert found[name]["grad"] == grad.tolist()
            assert found[name]["after"] == model.params[name].tolist()
        assert (trace.trained.params.numbers == model.params.numbers).all()
        assert [kept["name"] for kept in data["state"]] == [spec.name for spec in model.params.state_specs]
        old = dict(zip(model.params.state_specs, np.split(before[model.params.size :], 6), strict=True))
        for kept, (spec, numbers) in zip(data["state"], old.items(), strict=True):
            assert kept["before"] == numbers.tolist()
            assert kept["after"] == model.params[spec.name].tolist()
        # The whole update is told with the batch's statistics, as it was computed.
        assert data["update"]["loss_before"] == pytest.approx(watch.loss, rel=1e-6)


@pytest.mark.parametrize(
    ("net", "places"),
    [
        (net_of_blocks(dtype=np.float64), ["0", "1.2.0", "1.3.0", "3"]),
        (
            nn.Sequential(
                [
                    nn.Dense(4, 3),
                    nn.Residual([nn.Residual([nn.Dense(3, 3), nn.Tanh()]), nn.Dense(3, 3)]),
                    nn.Residual([nn.Dense(3, 3), nn.BatchNorm(3)]),
                    nn.Dense(3, 3),
                ],
                dtype=np.float64,
                rng=0,
            ),
            ["0", "1.0.0", "1.1", "2.0", "3"],
        ),
    ],
    ids=["four kinds", "straight"],
)
def test_the_factors_of_every_weight_in_a_block_make_its_gradient(net, places, rng):
    model = net
    trace = explain_step(
        model, rng.normal(size=(5, 4)), rng.normal(size=(5, 3)), nn.MeanSquaredError(), nn.SGD(0.1)
    )
    stages = trace.to_dict()["stages"]
    dense = [step for stage in stages for step in stage["steps"] if step["kind"] == "dense"]
    assert [step["place"] for step in dense] == places
    summed = 0
    for step in dense:
        for parameter in step["parameters"].values():
            for index in np.ndindex(*parameter["shape"]):
                chain = trace.factors(parameter["name"], index)
                products = [row["product"] for row in chain["rows"]]
                assert sum(products) == pytest.approx(chain["gradient"], rel=1e-9, abs=1e-14)
                for row in chain["rows"]:
                    blame = row["factors"][-1]
                    if "terms" in blame:
                        terms = [weight * part for weight, part in blame["terms"]]
                        assert sum(terms) == pytest.approx(blame["value"], rel=1e-9, abs=1e-14)
                        summed += 1
    assert summed or len(places) == 4  # where none hears straight of a Dense what it adds up is not named


def test_a_block_shows_its_inside_and_where_it_joins(rng):
    model = nn.Sequential([nn.Dense(1, 1), nn.Residual([nn.Tanh(), nn.Dense(1, 1)])], dtype=np.float64, rng=0)
    model[0].W[...], model[1].layers[1].W[...], model[1].layers[1].b[...] = 2.0, 3.0, 0.5
    trace = explain_step(model, [[0.25]], [[0.0]], nn.MeanSquaredError(), nn.SGD(0.1))
    data = trace.to_dict()
    assert [stage["text"] for stage in data["stages"]] == [
        "", "Dense(1, 1), 1.0 Tanh()", "1.1 Dense(1, 1), + input of 1 Residual",
    ]  # fmt: skip
    join = data["stages"][2]["steps"][1]
    assert (join["place"], join["kind"], join["came"], join["adds"]) == ("1", "join", [[0.5]], 1)
    assert join["out"] == model.predict([[0.25]]).tolist()
    said = 3 * math.tanh(0.5) + 0.5
    assert trace.neuron(2, 0)["text"] == (
        f"3*0.4621 + 0.50 = {said:.3f}, + 0.50 that came in -> {said + 0.5:.3f}"
    )
    # Blame comes to the first layer by two ways, and is not the product of the slopes on one of them.
    (row,) = trace.factors("0.W", (0, 0))["rows"]
    dy = 2 * (said + 0.5)
    assert row["product"] == pytest.approx(0.25 * dy * (1 + 3 / math.cosh(0.5) ** 2), rel=1e-12)


def test_a_picture_shows_where_a_block_joins():
    pytest.importorskip("matplotlib")
    model = nn.Sequential([nn.Dense(1, 1), nn.Residual([nn.Tanh(), nn.Dense(1, 1)])], rng=0)
    ax = explain_step(model, [[0.25]], [[0.0]], nn.MeanSquaredError(), nn.SGD(0.1)).plot()
    assert {"+", "+ input"} <= {text.get_text() for text in ax.texts}


def test_the_text_and_the_page_name_blocks_and_what_is_kept(rng):
    model = net_of_blocks()
    trace = explain_step(
        model, rng.normal(size=(12, 4)), rng.normal(size=(12, 3)), nn.MeanSquaredError(), nn.SGD(0.1)
    )
    text = re.sub(r"\s+", " ", str(trace))
    assert "1.2.0 Dense(5, 5), 1.2.1 BatchNorm(5), 1.2.2 Tanh(), + input of 1.2 Residual" in text
    assert "1.3.0 Dense(5, 5), 1.3.1 ReLU(), + input of 1 Residual -> 2 Sum(" in text
    assert "with 2.0 Dense(5, 5), 2.1.0 Dense(5, 5), 2.1.1 BatchNorm(5)" in text
    assert "kept, and not learned: 1.0.running_mean[0]" in text
    assert "predict goes by the running statistics" in text
    mean = np.mean([row[0] for row in trace.to_dict()["stages"][1]["steps"][0]["out"]])
    assert f"= 0.90*0 + 0.10*{mean:#.4g}".replace("*-", "*(-") in text
    assert all(len(line) <= 100 for line in str(trace).splitlines())
    page = html.unescape(trace.to_html())
    for part in ("+ input of 1.2 Residual", '"came":', '"1.2.1.running_variance"', '"adds":1'):
        assert part in page
    assert str(trace).splitlines()[1] in page


def test_a_frozen_batch_norm_keeps_what_it_has_kept(rng):
    model = nn.Sequential([nn.Dense(3, 4), nn.BatchNorm(4), nn.Dense(4, 1)], rng=0)
    model[1].freeze()
    trace = explain_step(
        model, rng.normal(size=(6, 3)), rng.normal(size=(6, 1)), nn.MeanSquaredError(), nn.SGD(0.1)
    )
    assert all(kept["before"] == kept["after"] for kept in trace.to_dict()["state"])
    assert "stays" in str(trace)
    # By running statistics it treats every number alone, and has a slope.
    assert trace.to_dict()["stages"][1]["steps"][1]["slope"] is not None


def test_the_proof_of_blocks_agrees(rng):
    model = net_of_blocks(dtype=np.float64, width=3)
    trace = explain_step(
        model, rng.normal(size=(9, 4)), rng.normal(size=(9, 3)), nn.MeanSquaredError(), nn.SGD(0.1)
    )
    checks = [check for check in trace.to_dict()["proof"]["checks"] if check["note"] is None]
    assert len(checks) > 60
    assert min(check["digits"] for check in checks) > 6


# What the page and the text say of it.


def test_what_the_optimizer_keeps_is_what_its_rule_makes_of_it(rng):
    model = nn.Sequential([nn.Dense(2, 1)], dtype=np.float64, rng=0)
    optimizer = nn.Adam(0.1, clip_norm=0.5)
    data = rng.normal(size=(6, 2)), rng.normal(size=(6, 1)), nn.MeanSquaredError()
    trace = explain_step(model, *data, optimizer)
    trace = explain_step(trace.trained, *data, trace.optimizer)
    found = trace.to_dict()
    settings = found["optimizer"]["settings"]
    assert (settings["beta1"], settings["amsgrad"], settings["clip_norm"]) == (0.9, False, 0.5)
    parameters = found["stages"][1]["steps"][0]["parameters"]
    lengths = [np.square(parameters[name]["clipped"]).sum() for name in parameters]
    assert sum(lengths) == pytest.approx(0.25)
    for name, parameter in parameters.items():
        gradient = np.array(parameter["clipped"])
        for (slot, (before, after)), what in zip(
            parameter["kept"].items(), (gradient, gradient**2), strict=True
        ):
            share = settings["beta1" if slot == "first_moment" else "beta2"]
            np.testing.assert_allclose(after, share * np.array(before) + what, rtol=1e-12)
        first, second = (np.array(after) for _, after in parameter["kept"].values())
        first, second = first * 0.1 / (1 - 0.9**2), second * 0.001 / (1 - 0.999**2)
        moved = np.array(parameter["after"]) - parameter["before"]
        np.testing.assert_allclose(moved, -0.1 * first / (np.sqrt(second) + 1e-8), rtol=1e-9)
        assert name in ("W", "b")


@pytest.mark.parametrize(
    ("optimizer", "says"),
    [
        (nn.SGD(0.1), "much to blame, much to change"),
        (nn.SGD(0.1, momentum=0.9), "goes against a velocity"),
        (nn.SGD(0.1, momentum=0.9, nesterov=True), "Nesterov"),
        (nn.Adam(0.1), "the blame alone counts little"),
        (nn.Lion(0.1), "asks only for a sign"),
    ],
)
def test_the_text_says_what_the_optimizer_does(optimizer, says):
    text = re.sub(r"\s+", " ", str(mazur_trace(optimizer)))
    assert says in text
    assert ("much to change" in text) == (type(optimizer) is nn.SGD and not optimizer.momentum)


def test_the_text_goes_by_the_row_with_the_largest_loss():
    X, y = nn.datasets.xor()
    model = nn.Sequential([nn.Dense(2, 3), nn.Tanh(), nn.Dense(3, 1)], rng=0)
    trace = explain_step(model, X, y[:, None], nn.MeanSquaredError(), nn.SGD(0.1))
    loss = trace.to_dict()["loss"]
    assert loss["worst"] == int(np.argmax(loss["rows"])) == 1
    assert "of row 1, which has the largest loss:" in str(trace)
    assert trace.neuron(1, 0, row=1)["text"] in str(trace)
    # A row that does not count has no part in it.
    trace = explain_step(model, X, y[:, None], nn.MeanSquaredError(), nn.SGD(0.1), weight=[1, 0, 1, 1])
    assert trace.to_dict()["loss"]["worst"] == 2


def test_a_long_sum_has_its_largest_terms_first_and_what_the_others_come_to():
    model = nn.Sequential([nn.Dense(12, 1)], dtype=np.float64, rng=0)
    model[0].W[:, 0] = np.arange(12) - 3.0
    trace = explain_step(model, np.ones((1, 12)), [[0.0]], nn.MeanSquaredError(), nn.SGD(0.1))
    # The others are 2, -1, 0 and 1.
    largest = "8*1 + 7*1 + 6*1 + 5*1 + 4*1 - 3*1 + 3*1 - 2*1"
    assert trace.neuron(1, 0)["text"] == f"{largest} + 2.000 (the other 4) + 0 = 30.00"


@pytest.mark.parametrize(
    ("names", "error", "message"),
    [
        (["a"], nn.errors.ShapeError, "2 names"),
        (["a", "b", "c"], nn.errors.ShapeError, "There are 2 classes"),
        ("ab", nn.errors.ArgumentTypeError, "a list of names"),
    ],
)
def test_names_of_classes_that_do_not_fit(names, error, message):
    X, y = nn.datasets.xor()
    for outputs, loss, targets in (
        (2, nn.SoftmaxCrossEntropy(), y),
        (1, nn.BinaryCrossEntropy(), y[:, None]),
    ):
        model = nn.Sequential([nn.Dense(2, outputs)], rng=0)
        with pytest.raises(error, match=message):
            explain_step(model, X, targets, loss, nn.SGD(0.1), class_names=names)


def test_classes_are_called_by_their_names():
    data = nn.datasets.iris()
    model = nn.Sequential([nn.Dense(4, 3)], rng=0)
    trace = explain_step(
        model, *data, nn.SoftmaxCrossEntropy(), nn.SGD(0.1), class_names=(*data.class_names[:2], "two\nlines")
    )
    assert "->  setosa" in str(trace)
    assert "class 0" not in str(trace)
    assert trace.to_dict()["data"]["class_names"] == ["setosa", "versicolor", "two\nlines"]
    # A data set of numbers has no names.
    trace = explain_step(model, *data, nn.SoftmaxCrossEntropy(), nn.SGD(0.1), class_names=())
    assert trace.to_dict()["data"]["class_names"] is None


def test_the_inside_of_a_layer_for_each_part_is_shown_by_rows(rng):
    model = nn.Sequential(
        [
            nn.Input((4, 3)),
            nn.TimeDistributed([nn.Dense(3, 2), nn.Tanh()]),
            nn.Flatten((4, 2)),
            nn.Dense(8, 1),
        ],
        dtype=np.float64,
        rng=0,
    )
    trace = explain_step(
        model, rng.normal(size=(5, 4, 3)), rng.normal(size=(5, 1)), nn.MeanSquaredError(), nn.SGD(0.1)
    )
    steps = [step for stage in trace.to_dict()["stages"] for step in stage["steps"]]
    (whole,) = [step for step in steps if "holds" in step]
    assert [inner["text"] for inner in whole["holds"]] == ["Dense(3, 2)", "Tanh()"]
    assert whole["holds"][1]["out"] == whole["out"]
    assert whole["holds"][1]["blame"] == whole["blame"]
    assert np.shape(whole["holds"][0]["out"]) == (5, 8)


class Doubled(nn.Layer):
    """Not in the package: holds another layer."""

    def __init__(self, inner):
        self.inner = inner
        self.hold([inner])

    @property
    def input_shape(self):
        return self.inner.input_shape

    def output_shape(self, input_shape):
        return self.inner.shape_after(input_shape)

    def forward(self, x, ctx=None):
        ((layer, kept),) = self.held(ctx)
        return 2 * layer.forward(x, kept)

    def backward(self, dy, ctx):
        ((layer, kept),) = self.held(ctx)
        return layer.backward(2 * dy, kept)


@pytest.mark.parametrize(
    ("layer", "answer"),
    [
        (nn.Add([nn.Dense(3, 2), nn.Dense(3, 2)]), lambda a, b: a + b),
        (nn.Multiply([nn.Dense(3, 2), nn.Dense(3, 2)]), lambda a, b: a * b),
        (Doubled(nn.Dense(3, 2)), lambda a: 2 * a),
    ],
)
def test_layers_that_hold_others_show_what_each_answered(layer, answer, rng):
    model = nn.Sequential([layer, nn.Dense(2, 1)], dtype=np.float64, rng=0)
    trace = explain_step(
        model, rng.normal(size=(4, 3)), rng.normal(size=(4, 1)), nn.MeanSquaredError(), nn.SGD(0.1)
    )
    step = trace.to_dict()["stages"][1]["steps"][0]
    answers = [np.array(inner["out"]) for inner in step["holds"]]
    np.testing.assert_allclose(answer(*answers), step["out"], rtol=1e-12)
    gradient = step["parameters"]["0.b"]["grad"]
    np.testing.assert_allclose(np.sum(step["holds"][0]["blame"], axis=0), gradient, rtol=1e-9)
