"""An answer for each step: a loss over time, what it averages, and metrics of the steps that are real."""

import copy
import pickle

import numpy as np
import pytest

import nnlite as nn
from nnlite.errors import ArgumentError, ArgumentTypeError, ShapeError
from nnlite.inspect import blame, doctor, explain_step
from nnlite.inspect.formulas import formula

ROWS, TIME, CLASSES = 30, 5, 3
LABELS = nn.SequenceLoss(nn.SoftmaxCrossEntropy(), TIME)
SQUARES = nn.SequenceLoss(nn.MeanSquaredError(), TIME)
RIGHT = nn.SequenceMetric(nn.accuracy, LABELS)


def data(*, replicas=None):
    """Give walks of different lengths, and where each stands at every step."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, TIME + 1, ROWS)
    there = np.arange(TIME) < lengths[:, None]
    X = np.where(there[..., None], rng.normal(size=(ROWS, TIME, 1)), 0.0)
    ids = np.where(there, np.digitize(np.cumsum(X[..., 0], axis=1), [-0.5, 0.5]), -1)
    if replicas is not None:
        ids = np.stack([ids, np.where(ids < 0, ids, 2 - ids), ids][:replicas])
    return X, ids, there


def net(outputs=CLASSES, **options):
    layers = [
        nn.Input((TIME, 1)),
        nn.GRU(1, 4, sequences=True, padding=0.0),
        nn.TimeDistributed([nn.Dense(4, outputs)], padding=0.0),
        nn.Flatten((TIME, outputs)),
    ]
    return nn.Sequential(layers, **{"rng": 0, "dtype": np.float64} | options)


def fit(model, X, y, **options):
    return model.fit(
        X, y, **{"loss": LABELS, "optimizer": nn.Adam(0.01), "epochs": 4, "batch_size": 8} | options
    )


# What is averaged.


def test_a_row_pays_the_mean_over_its_steps():
    X, y, there = data()
    pred = net().predict(X)
    each = pred.reshape(ROWS, TIME, CLASSES)
    paid = [
        nn.SoftmaxCrossEntropy().value_and_grad(each[r, there[r]], y[r, there[r]])[0] for r in range(ROWS)
    ]
    value, grad = LABELS.value_and_grad(pred, y)
    assert value == pytest.approx(np.mean(paid), rel=1e-12)
    assert not grad.reshape(each.shape)[~there].any()


def test_weighted_by_their_lengths_all_steps_count_the_same():
    X, y, there = data()
    pred = net().predict(X)
    each = pred.reshape(ROWS, TIME, CLASSES)
    value, grad = nn.SoftmaxCrossEntropy().value_and_grad(each[there], y[there])
    found, slopes = LABELS.value_and_grad(pred, y, there.sum(axis=1))
    assert found == pytest.approx(value, rel=1e-12)
    np.testing.assert_allclose(slopes.reshape(each.shape)[there], grad, rtol=1e-12)


def test_what_stands_at_padding_changes_nothing():
    X, y, there = data()
    pred = net().predict(X)
    value, grad = LABELS.value_and_grad(pred, y)
    wild = np.where(np.repeat(there, CLASSES, axis=1), pred, np.inf)
    found, slopes = LABELS.value_and_grad(wild, y)
    assert found == value
    assert np.array_equal(slopes, grad)


def test_a_row_without_a_step_pays_nothing_and_the_divisor_stays():
    pred = np.random.default_rng(0).normal(size=(2, TIME * CLASSES))
    y = np.array([[0, 1, -1, -1, -1], [-1] * TIME])
    one, _ = LABELS.value_and_grad(pred[:1], y[:1])
    assert LABELS.value_and_grad(pred, y)[0] == pytest.approx(one / 2)
    value, grad = LABELS.value_and_grad(pred[1:], y[1:])
    assert value == 0
    assert not grad.any()


@pytest.mark.parametrize("columns", [1, 2])
def test_numbers_in_two_shapes(columns):
    rng = np.random.default_rng(0)
    pred, y = rng.normal(size=(2, ROWS, TIME, columns))
    y[3, 2:] = np.nan
    flat = pred.reshape(ROWS, -1)
    value, grad = SQUARES.value_and_grad(flat, y)
    assert SQUARES.value_and_grad(flat, y.reshape(ROWS, -1))[0] == value
    paid = np.nanmean(np.square(pred - y).mean(axis=2), axis=1)
    assert value == pytest.approx(paid.mean(), rel=1e-12)
    assert grad.shape == flat.shape


def test_ids_for_padding_may_be_others():
    _, y, _ = data()
    pred = np.random.default_rng(0).normal(size=(ROWS, TIME * CLASSES))
    expected = LABELS.value_and_grad(pred, y)[0]
    for padding in (-100, 7):
        loss = nn.SequenceLoss(nn.SoftmaxCrossEntropy(), TIME, padding=padding)
        given = np.where(y < 0, padding, y)
        assert loss.value_and_grad(pred, given)[0] == expected
        assert loss.value_and_grad(pred, loss.prepare(given, pred.shape, np.dtype(float)))[0] == expected


def test_probabilities_and_yes_or_no_at_each_step():
    X, y, there = data()
    pred = net().predict(X)
    one_hot = np.where(there[..., None], np.eye(CLASSES)[y], np.nan)
    assert LABELS.value_and_grad(pred, one_hot)[0] == pytest.approx(LABELS.value_and_grad(pred, y)[0])
    yes = nn.SequenceLoss(nn.BinaryCrossEntropy(), TIME)
    answers = np.where(there, y > 1, np.nan)
    history = fit(net(1), X, answers, loss=yes, optimizer=nn.Adam(0.05), epochs=30)
    assert history["loss"][-1] < 0.8 * history["loss"][0]


# Training.


def test_it_learns_and_the_metric_sees_real_steps():
    X, y, there = data()
    model = net()
    history = fit(
        model, X, y, optimizer=nn.Adam(0.05), epochs=40, metrics={"right": RIGHT}, validation=(X, y)
    )
    said = model.predict(X).reshape(ROWS, TIME, CLASSES).argmax(axis=-1)
    assert history["validation_right"][-1] == pytest.approx(np.mean(said[there] == y[there]))
    assert history["validation_right"][-1] > 0.85
    assert model.evaluate(X, y, loss=LABELS, metrics={"right": RIGHT})["right"] == np.mean(
        said[there] == y[there]
    )


def test_padding_changes_no_gradient():
    """A net on sequences with more padding learns the same, bit by bit but for rounding."""
    X, y, _ = data()
    model = net()
    value = model.loss_and_grad(X, y, LABELS)
    grads = model.params.grads.copy()
    wide = nn.Sequential(
        [
            nn.Input((TIME + 3, 1)),
            nn.GRU(1, 4, sequences=True, padding=0.0),
            nn.TimeDistributed([nn.Dense(4, CLASSES)], padding=0.0),
            nn.Flatten((TIME + 3, CLASSES)),
        ],
        dtype=np.float64,
    )
    wide.params.values[...] = model.params.values
    loss = nn.SequenceLoss(nn.SoftmaxCrossEntropy(), TIME + 3)
    longer = np.pad(X, ((0, 0), (0, 3), (0, 0))), np.pad(y, ((0, 0), (0, 3)), constant_values=-1)
    assert wide.loss_and_grad(*longer, loss) == pytest.approx(value, rel=1e-12)
    np.testing.assert_allclose(wide.params.grads, grads, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("own", [False, True], ids=["shared", "own"])
def test_replicas_equal_to_single_nets(own):
    X, y, _ = data(replicas=3 if own else None)
    together = net(replicas=3, rng=[5, 6, 7])
    history = fit(together, X, y, metrics={"right": RIGHT}, rng=1)
    for r, seed in enumerate([5, 6, 7]):
        alone = net(rng=seed)
        expected = fit(alone, X, y[r] if own else y, metrics={"right": RIGHT}, rng=1)
        np.testing.assert_allclose(together.params.values[r], alone.params.values, rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose([row[r] for row in history["loss"]], expected["loss"], rtol=1e-8)
        assert [row[r] for row in history["right"]] == expected["right"]


@pytest.mark.parametrize("rows", [TIME, 3])
def test_as_many_replicas_as_rows_as_steps(rows):
    """Targets that all share are not taken for those of each."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(rows, TIME, 1)), rng.integers(0, CLASSES, (rows, TIME))
    model, alone = net(replicas=rows, rng=list(range(rows))), net(rng=1)
    fit(model, X, y, rng=1)
    fit(alone, X, y, rng=1)
    np.testing.assert_allclose(model.params.values[1], alone.params.values, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("options", [{"accumulate": 3}, {"jit": True}], ids=["pieces", "compiled"])
def test_pieces_and_compiled_come_to_the_same(options):
    if "jit" in options:
        pytest.importorskip("numba")
    X, y, there = data()
    one, other = net(), net()
    fit(one, X, y, rng=1, weight=there.sum(axis=1))
    fit(other, X, y, rng=1, weight=there.sum(axis=1), **options)
    np.testing.assert_allclose(other.params.values, one.params.values, rtol=1e-8, atol=1e-10)


def test_batches_come_to_the_same():
    X, y, _ = data()
    whole, parts = net(), net()
    fit(whole, X, y, batch_size=10, shuffle=False)
    parts.fit(
        [(X[i : i + 10], y[i : i + 10]) for i in (0, 10, 20)], loss=LABELS, optimizer=nn.Adam(0.01), epochs=4
    )
    np.testing.assert_array_equal(parts.params.values, whole.params.values)


def test_a_task_beside_others():
    X, y, there = data()
    ends = np.array([[row.sum()] for row in X])
    model = nn.Sequential(
        [
            nn.Input((TIME, 1)),
            nn.GRU(1, 4, sequences=True, padding=0.0),
            nn.Concatenate(
                [
                    nn.Sequential(
                        [nn.TimeDistributed([nn.Dense(4, CLASSES)], padding=0.0), nn.Flatten((TIME, CLASSES))]
                    ),
                    nn.Sequential([nn.GlobalAveragePool(1, padding=0.0), nn.Dense(4, 1)]),
                ]
            ),
        ],
        rng=0,
    )
    loss = nn.MultiTaskLoss(
        {
            "labels": nn.Task(LABELS, outputs=range(15), targets=range(TIME)),
            "sum": nn.Task(nn.MeanSquaredError(), outputs=15, targets=TIME),
        }
    )
    table = np.hstack([np.where(there, y, np.nan), ends])
    history = fit(model, X, table, loss=loss, optimizer=nn.Adam(0.03), epochs=20)
    assert history["loss_labels"][-1] < 0.8 * history["loss_labels"][0]


def test_several_labels_a_step():
    X, y, there = data()
    loss = nn.SequenceLoss(
        nn.MultiTaskLoss(
            {
                "label": nn.Task(nn.SoftmaxCrossEntropy(), outputs=[0, 1, 2], targets=0),
                "size": nn.Task(nn.MeanSquaredError(), outputs=3, targets=1),
            }
        ),
        TIME,
    )
    table = np.where(there[..., None], np.stack([y, X[..., 0]], axis=-1), np.nan)
    history = fit(net(4), X, table, loss=loss, optimizer=nn.Adam(0.03), epochs=20)
    assert history["loss"][-1] < 0.8 * history["loss"][0]


@pytest.mark.parametrize("change", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_copies_say_the_same(change):
    X, y, _ = data()
    pred = net().predict(X)
    assert change(LABELS).value_and_grad(pred, y)[0] == LABELS.value_and_grad(pred, y)[0]
    assert change(RIGHT)(pred, y) == RIGHT(pred, y)
    assert repr(change(RIGHT)) == repr(RIGHT)


# Other tools.


def test_the_doctor_and_a_step_explained():
    X, y, _ = data()
    found = doctor(net(), X, y, LABELS, nn.Adam(0.01))
    assert not [one for one in found if one.severity == "error"]
    assert "SequenceLoss" in str(explain_step(net(), X[:2], y[:2], LABELS, nn.SGD(0.1)))
    assert formula(SQUARES).startswith(
        "of each row, the mean over its steps that are no padding of: mean of ("
    )


def test_a_wrong_label_at_a_step_is_found():
    rng = np.random.default_rng(0)
    X = np.repeat(rng.choice([-1.0, 1.0], (60, 1)), TIME, axis=1)[..., None] + 0.1 * rng.normal(
        size=(60, TIME, 1)
    )
    y = np.where(X[..., 0] > 0, 1, 0)
    y[::2, 3:] = -1
    y[[8, 21], 2] = 1 - y[[8, 21], 2]
    model = net(2)
    loss = nn.SequenceLoss(nn.SoftmaxCrossEntropy(), TIME)
    fit(model, X, y, loss=loss, optimizer=nn.Adam(0.05), epochs=20)
    found = blame(model, X, y, loss).suspects(2)
    assert {one.row for one in found} == {8, 21}
    assert [one.target[2] for one in found] == [1 - one.expected[2] for one in found]
    assert sorted(one.row for one in blame(model, X, y, loss).suspects(2, by="loss")) == [8, 21]


def test_metrics_with_weights():
    X, y, there = data()
    pred = net().predict(X)
    weight = np.arange(ROWS) % 3
    right = pred.reshape(ROWS, TIME, CLASSES).argmax(axis=-1) == y
    share = (weight[:, None] * there)[there]
    assert RIGHT(pred, y, weight) == pytest.approx(np.average(right[there], weights=share))
    assert RIGHT.higher_is_better
    gaps = nn.SequenceMetric(nn.root_mean_squared_error, SQUARES)
    target = np.where(there, 1.0, np.nan)
    assert gaps(np.zeros((ROWS, TIME)), target) == 1.0
    with pytest.raises(ArgumentError, match="a target that is there, got missing ones only"):
        RIGHT(pred, np.full((ROWS, TIME), -1))


# What is refused.


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        (
            lambda y: y[:, :3],
            ShapeError,
            r"y for SequenceLoss\(SoftmaxCrossEntropy\(\), 5\): expected shape \(30, 5\) or",
        ),
        (lambda y: y[:, 0], ShapeError, "Give a target for each step"),
        (lambda y: y + 1, ArgumentError, "class ids from 0 to 2, got 3. .* or give each step 4 outputs"),
        (lambda y: y - 1, ArgumentError, "class ids from 0 to 2, got -2"),
        (lambda y: y / 2, ArgumentError, "class ids that are whole numbers, got 0.5"),
        (
            lambda y: np.stack([y, y], axis=-1),
            ShapeError,
            "targets for 3 outputs at each of 5 steps, got shape",
        ),
        (lambda y: np.full(y.shape, np.inf), ArgumentError, "class ids that are whole numbers, got inf"),
    ],
)
def test_targets_that_do_not_fit(change, kind, words):
    X, y, _ = data()
    model = net()
    before = model.params.values.copy()
    with pytest.raises(kind, match=words):
        fit(model, X, change(y))
    np.testing.assert_array_equal(model.params.values, before)


def test_nothing_but_padding_is_not_measured():
    X, y, _ = data()
    with pytest.raises(ArgumentError, match="missing ones only"):
        net().evaluate(X, np.full_like(y, -1), loss=LABELS)


def test_some_numbers_of_a_step():
    X, _, _ = data()
    y = np.zeros((ROWS, TIME, CLASSES))
    y[4, 2, 1] = np.nan
    with pytest.raises(ArgumentError, match="or none, got some of them in row 4, step 2"):
        fit(net(), X, y, loss=SQUARES)
    fit(net(), X, y, loss=nn.SequenceLoss(nn.Masked(nn.MeanSquaredError()), TIME))


def test_nets_that_do_not_fit():
    X, y, _ = data()
    with pytest.raises(ShapeError, match="a model with the outputs of 4 steps side by side, got 15 outputs"):
        fit(net(), X, y, loss=nn.SequenceLoss(nn.SoftmaxCrossEntropy(), 4))
    open_end = nn.Sequential([nn.Input((TIME, 1)), nn.GRU(1, 3, sequences=True)], rng=0)
    words = r"Flatten\(\(5, 3\)\); for an answer at each of 5 steps write SequenceLoss\(Soft.*\(\), 5\)\."
    with pytest.raises(ShapeError, match=words):
        fit(open_end, X, y, loss=nn.SoftmaxCrossEntropy())
    with pytest.raises(ShapeError, match=r"Flatten\(\(5, 3\)\)\.$"):
        fit(open_end, X, y)


def test_softmax_at_each_step_is_seen():
    X, y, _ = data()
    model = nn.Sequential(
        [
            nn.Input((TIME, 1)),
            nn.GRU(1, 4, sequences=True),
            nn.TimeDistributed([nn.Dense(4, CLASSES), nn.Softmax()]),
            nn.Flatten((TIME, CLASSES)),
        ]
    )
    with pytest.raises(ArgumentError, match=r"layer 2 .*logits for SequenceLoss.*reshape\(-1, 5, 3\)"):
        fit(model, X, y)


def test_arguments():
    with pytest.raises(ArgumentTypeError, match=r"SequenceLoss\(loss\): .*got the class"):
        nn.SequenceLoss(nn.SoftmaxCrossEntropy, 3)
    with pytest.raises(ArgumentError, match=r"SequenceLoss\(steps\)"):
        nn.SequenceLoss(nn.Huber(), 0)
    with pytest.raises(ArgumentTypeError, match=r"SequenceLoss\(padding=\)"):
        nn.SequenceLoss(nn.Huber(), 2, padding=0.5)
    with pytest.raises(ArgumentTypeError, match="a SequenceLoss"):
        nn.SequenceMetric(nn.accuracy, nn.Huber())
    with pytest.raises(ArgumentTypeError, match=r"a function \(pred, target\)"):
        nn.SequenceMetric("accuracy", LABELS)
    X, y, _ = data()
    pred = np.zeros((len(y), RIGHT.loss.steps * 2))
    with pytest.raises(
        ShapeError, match=rf"weight: expected weights of shape \({len(y)},\), got shape \(1,\)"
    ):
        RIGHT(pred, y, [1.0])
    with pytest.raises(ArgumentError, match="weight: expected finite weights of at least 0, got -1"):
        RIGHT(pred, y, np.arange(len(y)) - 1)
    with pytest.raises(ArgumentError, match="a class for each row and nothing else, got a SequenceLoss"):
        fit(net(), X, y, class_weight="balanced")


def test_classifiers_have_one_class_a_row():
    estimators = pytest.importorskip("nnlite.sklearn", exc_type=ImportError)
    X, y, _ = data()
    with pytest.raises(ArgumentError, match=r"MLPClassifier.*a loss of one class a row, got SequenceLoss"):
        estimators.MLPClassifier(loss=LABELS).fit(X[..., 0], y[:, 0])


def test_targets_filled_up_with_nan():
    padded = nn.pad_sequences([[1.0, 2.0], [3.0]], value=np.nan)
    np.testing.assert_array_equal(padded, [[1.0, 2.0], [3.0, np.nan]])
    with pytest.raises(ArgumentError, match=r"pad_sequences\(value=\)"):
        nn.pad_sequences([[1, 2], [3]], value=np.nan)


class FourthPower(nn.Loss):
    """A loss of one's own, which knows neither replicas nor batches without a row."""

    def value_and_grad(self, pred, target, weight=None):
        assert pred.ndim == 2
        gap = pred - target
        weight = np.ones(len(pred), pred.dtype) if weight is None else weight
        shares = weight[:, None] / (weight.sum() * pred.shape[1])
        return float(np.sum(shares * gap**4)), 4 * shares * gap**3


def test_a_loss_of_ones_own_is_asked_for_one_net_and_rows_that_are_there(rng):
    X = rng.normal(size=(24, 3))
    y = np.where((np.arange(24) < 8)[:, None], np.nan, X)
    loss, model = nn.SequenceLoss(FourthPower(), 3), nn.Sequential([nn.Dense(3, 3)], rng=0)
    options = {"loss": loss, "optimizer": nn.SGD(0.01), "batch_size": 4}
    history = model.fit(X, y, epochs=6, shuffle=False, **options)
    assert np.isfinite(history["loss"]).all()
    assert loss.value_and_grad(X, np.full((24, 3), np.nan))[0] == 0.0
    paid = ((model.predict(X) - y) ** 4).mean(axis=1)
    found = nn.inspect.blame(model, X, y, loss).losses
    np.testing.assert_allclose(found, np.nan_to_num(paid), rtol=1e-5)
    card = nn.inspect.card(model, X, y, loss, nn.SGD(0.01), history=history, seeds=[1]).to_dict()
    assert len(card["spread"]["scores"]["loss"]) == 1
    curve = nn.inspect.learning_curve(model, X[8:], y[8:], epochs=2, repeats=2, sizes=[6, 12], **options)
    assert np.isfinite(curve.validation).all()
