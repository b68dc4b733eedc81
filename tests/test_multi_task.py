"""Several losses on one net: what is added up, what goes into the history, and what is missing."""

import copy
import pickle

import numpy as np
import pytest

import nnlite as nn
from nnlite.errors import ArgumentError, ArgumentTypeError

ROWS = 50
PRICE = nn.Task(nn.MeanSquaredError(), outputs=0, targets=0, weight=2.0)
KIND = nn.Task(nn.SoftmaxCrossEntropy(), outputs=[1, 2, 3], targets=1, weight=0.5)
SOLD = nn.Task(nn.BinaryCrossEntropy(), outputs=4, targets=2)
LOSS = nn.MultiTaskLoss({"price": PRICE, "kind": KIND, "sold": SOLD})
PARTS = ["loss_price", "loss_kind", "loss_sold"]
WEIGHTS = {"loss_price": 2.0, "loss_kind": 0.5, "loss_sold": 1.0}


def data(*, missing=False, replicas=None):
    rng = np.random.default_rng(0)
    ahead = () if replicas is None else (replicas,)
    X = rng.normal(size=(ROWS, 3))
    y = np.empty((*ahead, ROWS, 3))
    y[..., 0] = X[:, 0] + 0.1 * rng.normal(size=(*ahead, ROWS))
    y[..., 1] = rng.integers(0, 3, (*ahead, ROWS))
    y[..., 2] = X[:, 1] > 0
    if missing:
        y[rng.random(y.shape) < 0.3] = np.nan
    return X, y


def net(**options):
    layers = [nn.Dense(3, 8), nn.Tanh(), nn.Dense(8, 5)]
    return nn.Sequential(layers, **{"rng": 0, "dtype": np.float64} | options)


def fit(model, X, y, **options):
    return model.fit(
        X, y, **{"loss": LOSS, "optimizer": nn.Adam(0.01), "epochs": 4, "batch_size": 8} | options
    )


# What is added up.


def test_the_sum_of_the_losses_each_of_its_own_columns():
    X, y = data()
    pred = net().predict(X)
    squares = nn.MeanSquaredError().value_and_grad(pred[:, :1], y[:, :1])
    kinds = nn.SoftmaxCrossEntropy().value_and_grad(pred[:, 1:4], y[:, 1].astype(int))
    sold = nn.BinaryCrossEntropy().value_and_grad(pred[:, 4:], y[:, 2:])
    value, grad = LOSS.value_and_grad(pred, y)
    assert value == pytest.approx(2 * squares[0] + 0.5 * kinds[0] + sold[0], rel=1e-12)
    np.testing.assert_allclose(grad, np.hstack([2 * squares[1], 0.5 * kinds[1], sold[1]]), rtol=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
def test_a_row_without_a_target_pays_nothing_and_the_divisor_stays(weighted):
    X, y = data(missing=True)
    pred = net().predict(X)
    weight = np.random.default_rng(1).uniform(0, 2, ROWS) if weighted else np.ones(ROWS)
    weight[3] = 0.0 if weighted else 1.0
    expected, grads = 0.0, np.zeros(pred.shape)
    for row in range(ROWS):  # each alone, with what is known of it
        for task in LOSS.tasks.values():
            known = task.targets[0]
            if np.isnan(y[row, known]):
                continue
            some, goal = pred[[row]][:, task.outputs], y[[row]][:, [known]]
            if task is KIND:
                goal = goal[:, 0].astype(int)
            value, slope = task.loss.value_and_grad(some, goal)
            share = task.weight * weight[row] / weight.sum()
            expected += share * value
            grads[row, list(task.outputs)] += share * slope[0]
    value, grad = LOSS.value_and_grad(pred, y, weight if weighted else None)
    assert value == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(grad, grads, rtol=1e-12, atol=1e-16)


def test_where_no_target_is_known_all_is_0():
    pred, y = net().predict(data()[0]), np.full((ROWS, 3), np.nan)
    value, grad = LOSS.value_and_grad(pred, y)
    assert value == 0.0
    assert not grad.any()


@pytest.mark.nonfinite
def test_a_task_of_weight_0_is_switched_off_whatever_was_predicted():
    X, y = data()
    pred = net().predict(X)
    off = nn.MultiTaskLoss(
        {**LOSS.tasks, "kind": nn.Task(nn.SoftmaxCrossEntropy(), outputs=[1, 2, 3], targets=1, weight=0)}
    )
    value, grad = off.value_and_grad(np.where(np.arange(5) == 2, np.nan, pred), y)
    assert np.isfinite(value)
    assert not grad[:, 1:4].any()


def test_one_column_is_class_ids_where_the_loss_takes_those_and_a_column_elsewhere():
    class Focal(nn.Loss):
        """One of a user's own that takes class ids."""

        def value_and_grad(self, pred, target, weight=None):
            assert target.dtype.kind == "i"
            return nn.SoftmaxCrossEntropy().value_and_grad(pred, target, weight)

    own = nn.Task(Focal(), outputs=[1, 2, 3], targets=1)
    assert own.takes_ids
    assert KIND.takes_ids
    assert not nn.Task(nn.GaussianNLL(), outputs=[0, 1], targets=0).takes_ids
    assert not nn.Task(nn.SoftmaxCrossEntropy(), outputs=[0, 1], targets=[0, 1]).takes_ids
    assert not nn.Task(nn.MeanSquaredError(), outputs=[0, 1], targets=0).takes_ids  # and is refused in `fit`
    X, y = data()
    pred = net().predict(X)
    assert own(pred, y) == pytest.approx(KIND(pred, y), rel=1e-12)


# What goes into the history.


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("replicas", [None, 3])
def test_the_history_has_each_task(missing, replicas, jit):
    if jit:
        pytest.importorskip("numba")
    X, y = data(missing=missing)
    model = net(replicas=replicas)
    history = fit(model, X, y, validation=(X[:20], y[:20]), jit=jit)
    both = ["loss", *PARTS]
    assert history.columns == [
        "epoch",
        *both,
        *(f"validation_{name}" for name in both),
        "learning_rate",
        "seconds",
    ]
    last = history[-1]
    pred = model.predict(X[:20])
    for name, task in LOSS.tasks.items():
        known = ~np.isnan(y[:20, task.targets[0]])
        expected = [task(one[known], y[:20][known]) for one in np.atleast_3d(pred).reshape(-1, 20, 5)]
        np.testing.assert_allclose(
            last[f"validation_loss_{name}"], expected if replicas else expected[0], rtol=1e-9
        )
    if not missing:  # then it is the sum, of batches of which the last is shorter
        for row in history:
            for ahead in ("", "validation_"):
                total = sum(np.multiply(row[ahead + part], weight) for part, weight in WEIGHTS.items())
                np.testing.assert_allclose(row[f"{ahead}loss"], total, rtol=1e-9)
    assert not any(history.higher_is_better[name] for name in history.columns[1:9])


def test_weights_of_rows_count_in_each_task():
    X, y = data(missing=True)
    weight = np.random.default_rng(2).integers(0, 3, ROWS).astype(float)
    twice = np.repeat(np.arange(ROWS), weight.astype(int))
    found = net().evaluate(X, y, loss=LOSS, weight=weight)
    expected = net().evaluate(X[twice], y[twice], loss=LOSS)
    assert found == pytest.approx(expected, rel=1e-12)
    history = fit(net(), X, y, weight=weight, epochs=1, batch_size=ROWS)
    assert {part: history[0][part] for part in PARTS} == pytest.approx(
        {part: expected[part] for part in PARTS}, rel=1e-12
    )


def test_batches_from_an_iterator_come_to_the_same():
    X, y = data(missing=True)
    one, other = net(), net()
    batches = [(X[i : i + 8], y[i : i + 8]) for i in range(0, ROWS, 8)]
    expected = fit(one, X, y, shuffle=False, validation=(X, y))
    found = fit(other, batches, None, batch_size=None, validation=batches)
    np.testing.assert_array_equal(one.params.values, other.params.values)
    for column in ["loss", *PARTS, "validation_loss", *(f"validation_{part}" for part in PARTS)]:
        assert found[column] == pytest.approx(expected[column], rel=1e-12)
    assert other.evaluate(batches, loss=LOSS) == pytest.approx(other.evaluate(X, y, loss=LOSS), rel=1e-12)


def test_callbacks_watch_one_task():
    X, y = data()
    stopping = nn.EarlyStopping(monitor="validation_loss_kind", patience=2)
    history = fit(net(), X, y, validation=0.3, callbacks=[stopping], epochs=200)
    assert len(history) < 200
    column = history["validation_loss_kind"]
    assert history.best_epoch == 1 + int(np.argmin(column))


@pytest.mark.parametrize("when", [{"every": 1}, {"every": 3, "unit": "steps"}], ids=["epochs", "steps"])
def test_a_training_goes_on_from_a_checkpoint_to_the_same_bits(tmp_path, when):
    X, y = data(missing=True)
    whole = net()
    expected = fit(whole, X, y, validation=(X, y))

    path = tmp_path / "training.ckpt"
    with pytest.raises(ZeroDivisionError):
        fit(net(), X, y, validation=(X, y), callbacks=[nn.Checkpoint(path, **when), Crash()])
    model = net()
    found = fit(model, X, y, validation=(X, y), resume=path, callbacks=[Crash(armed=False)])
    np.testing.assert_array_equal(model.params.values, whole.params.values)
    for column in expected.columns:
        if column != "seconds":
            assert found[column] == expected[column]
    other = nn.MultiTaskLoss({**LOSS.tasks, "price": nn.Task(nn.Huber(), outputs=0, targets=0)})
    with pytest.raises(ArgumentError, match="the same loss"):
        fit(net(), X, y, validation=(X, y), loss=other, resume=path, callbacks=[Crash(armed=False)])


class Crash(nn.Callback):
    """Breaks off in the middle of an epoch."""

    may_change = frozenset({"armed"})

    def __init__(self, armed=True):
        self.armed = armed

    def on_batch_end(self, state):
        if self.armed and (state.epoch, state.batch) == (3, 5):
            raise ZeroDivisionError


def test_a_loss_of_ones_own_may_have_parts_too():
    class Ridge(nn.MeanSquaredError):
        @property
        def parts(self):
            return {"squares": nn.root_mean_squared_error}

    X, y = data()
    model = nn.Sequential([nn.Dense(3, 1)], rng=0)
    history = model.fit(X, y[:, :1], loss=Ridge(), optimizer=nn.SGD(0.1), epochs=2)
    assert history.columns[:3] == ["epoch", "loss", "loss_squares"]

    class Listed(nn.MeanSquaredError):
        parts = ("of something", "else")

    model.fit(X, y[:, :1], loss=Listed(), optimizer=nn.SGD(0.1), epochs=1)
    assert history["loss_squares"][-1] ** 2 == pytest.approx(history["loss"][-1], rel=1e-5)


# Metrics of one task.


@pytest.mark.parametrize("measure", [KIND, nn.TaskMetric(nn.accuracy, KIND)], ids=["task", "metric"])
def test_targets_that_a_metric_of_one_task_cannot_use_are_refused(measure):
    pred = np.zeros((2, 5))
    assert measure(pred, [[1, 0], [1, np.nan]]) == pytest.approx(1.0 if measure is not KIND else np.log(3))
    with pytest.raises(ArgumentError, match=r"class ids that are whole numbers, got 0\.5"):
        measure(pred, np.array([[1, 0.5], [1, 0]]))
    with pytest.raises(ArgumentError, match="class ids that are whole numbers, got inf"):
        measure(pred, np.array([[1, np.inf], [1, 0]]))
    with pytest.raises(ArgumentTypeError, match="target: expected an array of numbers, got NoneType"):
        measure(pred, None)
    with pytest.raises(ArgumentTypeError, match="pred: expected an array of numbers, got 'a'"):
        measure("a", np.zeros((2, 2)))


def test_a_column_may_be_an_array_without_axes():
    assert nn.Task(nn.MeanSquaredError(), outputs=np.array(1), targets=0).outputs == (1,)


@pytest.mark.parametrize("replicas", [None, 3])
def test_a_metric_of_one_task_sees_its_columns_and_the_rows_that_have_a_target(replicas):
    X, y = data(missing=True)
    model = net(replicas=replicas)
    weight = np.random.default_rng(1).uniform(0.1, 2, ROWS)
    metrics = {"kinds": nn.TaskMetric(nn.accuracy, KIND), "r2": nn.TaskMetric(nn.r2, PRICE)}
    found = model.evaluate(X, y, metrics=metrics, weight=weight)
    known = [~np.isnan(y[:, column]) for column in (0, 1)]
    for index, pred in enumerate(np.reshape(model.predict(X), (-1, ROWS, 5))):
        some = {name: value[index] if replicas else value for name, value in found.items()}
        ids = y[known[1], 1].astype(int)
        assert some["kinds"] == nn.accuracy(pred[known[1], 1:4], ids, weight[known[1]])
        assert some["r2"] == nn.r2(pred[known[0], :1], y[known[0], :1], weight[known[0]])
    history = fit(model, X, y, metrics=metrics, callbacks=[nn.EarlyStopping(monitor="kinds", patience=9)])
    assert history.higher_is_better["kinds"]
    assert len(history["kinds"]) == 4


def test_a_metric_of_scikit_learns_order_is_called_in_its_order():
    def gap(y_true, y_pred):
        return float(np.mean(y_true - y_pred))

    X, y = data()
    pred = net().predict(X)
    assert nn.TaskMetric(gap, PRICE)(pred, y) == pytest.approx(np.mean(y[:, 0] - pred[:, 0]))
    assert nn.TaskMetric(gap, PRICE).higher_is_better is None


# Heads with layers of their own.


def heads(*branches):
    return nn.Sequential([nn.Dense(3, 8), nn.Tanh(), nn.Concatenate(list(branches))], rng=0, dtype=np.float64)


SOFTMAX, SIGMOID = (nn.Sequential([nn.Dense(8, n), end()]) for n, end in ((3, nn.Softmax), (1, nn.Sigmoid)))


@pytest.mark.parametrize("jit", [False, True])
def test_branches_are_heads(jit):
    if jit:
        pytest.importorskip("numba")
    X, y = data(missing=True)
    deep = nn.Sequential([nn.Dense(8, 4), nn.Tanh(), nn.Dense(4, 3)])
    model = heads(nn.Sequential([nn.Dense(8, 1), nn.Softplus()]), deep, nn.Dense(8, 1))
    history = fit(model, X, y, jit=jit, epochs=30)
    assert history.engine == ("jit" if jit else "numpy")
    assert all(history[part][-1] < history[part][0] for part in PARTS)


def test_probabilities_are_refused_where_a_task_takes_logits_and_nowhere_else():
    X, y = data()
    again = copy.deepcopy
    fit(heads(again(SIGMOID), nn.Dense(8, 4)), X, y)  # whose task is of squared errors
    said = r"layer 2 Concatenate, Softmax\(\): .*Softmax\(\)\.forward\(model\.predict\(X\)\[:, 1:4\]\)"
    with pytest.raises(ArgumentError, match=said):
        fit(heads(nn.Dense(8, 1), again(SOFTMAX), nn.Dense(8, 1)), X, y)
    nested = nn.Sequential([nn.Concatenate([nn.Dense(8, 2), nn.Concatenate([again(SOFTMAX)])])])
    with pytest.raises(ArgumentError, match="Softmax"):
        fit(heads(nested), X, y)
    with pytest.raises(ArgumentError, match=r"Sigmoid\(\)\.forward\(model\.predict\(X\)\[:, 4:5\]\)"):
        fit(heads(nn.Dense(8, 4), again(SIGMOID)), X, y)
    ids = y[:, 1].astype(int)
    with pytest.raises(ArgumentError, match=r"logits for SoftmaxCrossEntropy\(\)"):
        fit(heads(nn.Dense(8, 1), again(SOFTMAX)), X, ids, loss=nn.SoftmaxCrossEntropy())
    # Of what gives as many columns as it gets, nobody knows how many: it may be any.
    whole = nn.Sequential([nn.Dense(3, 5), nn.Concatenate([nn.Softmax()])], rng=0)
    with pytest.raises(ArgumentError, match="Softmax"):
        fit(whole, X, y)


# Elsewhere.


def test_it_is_described_by_what_it_was_made_with():
    assert eval(repr(LOSS), vars(nn)).config().keys() == LOSS.config().keys()
    for twin in (eval(repr(LOSS), vars(nn)), copy.deepcopy(LOSS), pickle.loads(pickle.dumps(LOSS))):
        assert repr(twin) == repr(LOSS)
        assert twin.from_logits
        X, y = data()
        assert twin.value_and_grad(net().predict(X), y)[0] == LOSS.value_and_grad(net().predict(X), y)[0]
    assert not nn.MultiTaskLoss({"price": PRICE}).from_logits


def test_tables_of_each_replica_are_checked_and_trained_on():
    X, y = data(missing=True, replicas=3)
    model = net(replicas=3, rng=[0, 1, 2])
    fit(model, X, y, shuffle=False)
    for index in range(3):
        alone = net(rng=index)
        fit(alone, X, y[index], shuffle=False)
        np.testing.assert_allclose(model.params.values[index], alone.params.values, rtol=1e-9)
    y[2, 7, 1] = 4
    with pytest.raises(ArgumentError, match=r"task 'kind', .*class ids from 0 to 2, got 4"):
        fit(net(replicas=3), X, y)


def test_targets_in_a_file_are_read_as_they_are_needed(tmp_path):
    X, y = data(missing=True)
    for name, array in (("X", X), ("y", y)):
        np.save(tmp_path / f"{name}.npy", array)
    mapped = [np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in "Xy"]
    one, other = net(), net()
    assert fit(one, X, y)["loss_kind"] == fit(other, *mapped)["loss_kind"]
    np.testing.assert_array_equal(one.params.values, other.params.values)


def test_a_loss_that_was_changed_is_compiled_anew():
    pytest.importorskip("numba")

    class Heavier(nn.Callback):
        def on_epoch_end(self, state):
            heavy = nn.Task(nn.MeanSquaredError(), outputs=0, targets=0, weight=2.0 + state.epoch)
            state.loss.tasks["price"] = heavy

    X, y = data()
    found = []
    for jit in (False, True):
        loss = nn.MultiTaskLoss(dict(LOSS.tasks))
        model = net()
        history = fit(model, X, y, loss=loss, callbacks=[Heavier()], jit=jit)
        assert history.engine == ("jit" if jit else "numpy")
        found.append((history["loss"], model.params.values))
    np.testing.assert_allclose(found[1][0], found[0][0], rtol=1e-10)
    np.testing.assert_allclose(found[1][1], found[0][1], rtol=1e-8)


def test_estimators_take_tasks_of_numbers():
    pytest.importorskip("sklearn")
    from nnlite.sklearn import MLPClassifier, MLPRegressor

    X, y = data()
    numbers = nn.MultiTaskLoss(
        {
            "one": nn.Task(nn.Huber(), outputs=0, targets=0),
            "other": nn.Task(nn.MeanSquaredError(), outputs=1, targets=1),
        }
    )
    kept = MLPRegressor(loss=numbers, random_state=0).partial_fit(X, y[:, [0, 2]])
    assert kept.predict(X).shape == (ROWS, 2)
    with pytest.raises(ArgumentError, match=r"MLPRegressor.*For classes beside numbers train a Sequential"):
        MLPRegressor(loss=LOSS).fit(X, y)
    with pytest.raises(ArgumentError, match=r"MLPClassifier.*a loss of one class a row"):
        MLPClassifier(loss=LOSS).fit(X, y[:, 2].astype(int))


def test_tools_that_take_any_loss_take_it():
    X, y = data(missing=True)
    given = X, y, LOSS
    assert nn.inspect.doctor(net(), *given, nn.Adam(0.01)).healthy
    assert nn.inspect.find_learning_rate(net(), *given, nn.Adam()).rate > 0
    table = nn.sweep(net(), X, y, learning_rate=[0.001, 0.1], seeds=2, loss=LOSS, epochs=3, validation=0.3)
    assert "validation loss kind" in str(table)
    history = fit(net(), X, y, optimizer=nn.LBFGS(), batch_size=None)
    assert history["loss_price"][-1] < history["loss_price"][0]


def test_messages_speak_of_the_task_by_its_name():
    X, y = data()
    column = KIND.targets[0]
    more, none = y.copy(), y.copy()
    more[3, column] = len(KIND.outputs)
    none[:, column] = np.nan
    words = rf"task 'kind'.*or give the task {len(KIND.outputs) + 1} outputs\.$"
    with pytest.raises(ArgumentError, match=words):
        fit(net(), X, more)
    with pytest.raises(ArgumentError, match=r"^metric 'loss_kind': .*got missing ones only"):
        net().evaluate(X, none, loss=LOSS)
