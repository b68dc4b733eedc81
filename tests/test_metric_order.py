"""Metrics of others: in which order they take predictions, targets and weights, and what they refuse."""

from __future__ import annotations

import functools

import numpy as np
import pytest

import nnlite as nn
from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.metrics import call_metric, named_metrics

MSE = nn.MeanSquaredError()


def share(part, whole):
    """Depend on the order: part / whole."""
    return float(np.sum(part) / np.sum(whole))


class Called:
    def __init__(self, function):
        self.function = function

    def __call__(self, targets, outputs, sample_weight=None):
        return self.function(outputs, targets)

    def method(self, labels_true, labels_pred):
        return self.function(labels_pred, labels_true)


def decorated(function):
    @functools.wraps(function)
    def inner(*args, **kwargs):
        return function(*args, **kwargs)

    return inner


#: Functions that all give the sum of the predictions over that of the targets, if they are called rightly.
RIGHT = {
    "names of nnlite": lambda pred, target: share(pred, target),
    "names without a meaning": lambda a, b: share(a, b),
    "scikit-learn": lambda y_true, y_pred: share(y_pred, y_true),
    "scores": lambda y_true, y_score: share(y_score, y_true),
    "probabilities": lambda y, y_proba: share(y_proba, y),
    "clusters": lambda labels_true, labels_pred: share(labels_pred, labels_true),
    "torchmetrics": lambda preds, target: share(preds, target),
    "torchmetrics, turned round": lambda target, preds: share(preds, target),
    "torch": lambda inputs, target: share(inputs, target),
    "tensorflow": lambda labels, logits: share(logits, labels),
    "one name only": lambda actual, b: share(b, actual),
    "the other name only": lambda a, prediction: share(prediction, a),
    "of y and its estimate": lambda y, yhat: share(yhat, y),
    "humps": lambda yTrue, yPred: share(yPred, yTrue),
    "expected and output": lambda expected_output, output: share(output, expected_output),
    "by name": lambda *, y_true, y_pred: share(y_pred, y_true),
    "one by name": lambda y_pred, *, y_true: share(y_pred, y_true),
    "places only": lambda y_true, y_pred, /: share(y_pred, y_true),
    "any number": lambda *arrays: share(*arrays),
    "with options": lambda y_true, y_pred, labels=None, *, pos_label=1: share(y_pred, y_true),
    "partial": functools.partial(lambda k, y_true, y_pred: k * share(y_pred, y_true), 1),
    "partial by name": functools.partial(
        lambda scale, y_true, y_pred: scale * share(y_pred, y_true), scale=1
    ),
    "an object": Called(share),
    "a method": Called(share).method,
    "decorated": decorated(lambda y_true, y_pred: share(y_pred, y_true)),
}


@pytest.mark.parametrize("kind", RIGHT)
def test_the_names_of_parameters_say_the_order(kind):
    pred, target = np.array([[1.0], [2.0]]), np.array([[4.0], [8.0]])
    assert call_metric(RIGHT[kind], pred, target, None) == 0.25
    both = call_metric(RIGHT[kind], np.stack([pred, 2 * pred]), target, None)
    assert both == [0.25, 0.5]


def total(weight):
    return 0.0 if weight is None else float(np.sum(weight))


@pytest.mark.parametrize(
    "metric",
    [
        lambda pred, target, weight=None: total(weight),
        lambda pred, target, weight: total(weight),
        lambda y_true, y_pred, *, labels=None, sample_weight=None: total(sample_weight),
        lambda y_true, y_pred, *, sample_weight: total(sample_weight),
        lambda y_true, y_pred, beta=1, weights=None: total(weights),
        lambda y_true, y_pred, w: total(w),
        lambda a, b, c: total(c),
        lambda a, b, c, /: total(c),
        lambda *arrays: total(arrays[2] if len(arrays) > 2 else None),
    ],
)
def test_weights_go_where_the_name_says(metric):
    pred, target = np.ones((3, 1)), np.ones((3, 1))
    assert call_metric(metric, pred, target, np.array([1.0, 2.0, 4.0])) == 7.0
    assert call_metric(metric, pred, target, None) == 0.0


@pytest.mark.parametrize(
    "metric",
    [lambda pred, target, k=5: 0.0, lambda y_true, y_pred, **options: 0.0, lambda y_true, y_pred: 0.0],
)
def test_weights_are_not_taken_for_another_option(metric):
    with pytest.raises(ArgumentTypeError, match="one that takes no weight"):
        call_metric(metric, np.ones((3, 1)), np.ones((3, 1)), np.ones(3))


def test_a_function_that_does_not_tell_gets_the_predictions_first():
    class Silent:
        __signature__ = "none"

        def __call__(self, *given):
            return share(*given)

    assert call_metric(Silent(), np.array([[1.0]]), np.array([[4.0]]), None) == 0.25


class Scorer:
    _score_func = staticmethod(nn.r2)

    def __call__(self, estimator, X, y_true):
        raise AssertionError


class Accumulator:
    def update_state(self, y_true, y_pred):
        raise AssertionError

    def __call__(self, *given):
        raise AssertionError


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        (Scorer(), "got a scorer, which takes an estimator. Give r2 itself"),
        (Accumulator(), "adds up what it is given from call to call"),
        (nn.MeanSquaredError, r"got the class MeanSquaredError\."),
        (lambda state: 0.0, "got one that takes 1 of the two"),
        (lambda: 0.0, "got one that takes none of the two"),
        (lambda y_true, y_pred, weight, k: 0.0, r"also needs k\. Write \{'own': functools.partial"),
        (lambda y_true, y_pred, *, beta: 0.0, "also needs beta"),
    ],
)
def test_what_cannot_be_called_is_refused_before_anything_is_trained(metric, message):
    model = nn.Sequential([nn.Dense(1, 1)], rng=0)
    before = model.params.values.copy()
    calls = [
        lambda: named_metrics({"own": metric}),
        lambda: model.evaluate([[1.0]], [[2.0]], metrics={"own": metric}),
        lambda: model.fit([[1.0]], [[2.0]], loss=MSE, optimizer=nn.SGD(), metrics={"own": metric}),
    ]
    for call in calls:
        with pytest.raises(ArgumentTypeError, match=message) as error:
            call()
        assert error.value.where == "metric 'own'"
    np.testing.assert_array_equal(model.params.values, before)


@pytest.mark.parametrize("kind", [ValueError, TypeError])
def test_what_a_function_refuses_is_said_and_undoes_the_training(kind):
    def picky(y_true, y_pred):
        raise kind("can't handle this.")

    model = nn.Sequential([nn.Dense(1, 2)], rng=0)
    before = model.params.values.copy()
    with pytest.raises(kind, match=r"metric 'picky': .* says: can't handle this\. .*argmax\(axis=1\)"):
        model.fit(
            [[1.0], [2.0]], [0, 1], loss=nn.SoftmaxCrossEntropy(), optimizer=nn.SGD(0.1), metrics=[picky]
        )
    np.testing.assert_array_equal(model.params.values, before)
    with pytest.raises(kind, match=r"Write a function around it"):
        model.evaluate([[1.0]], [[0.5, 0.5]], metrics=[picky])


@pytest.fixture(scope="module")
def theirs():
    return pytest.importorskip("sklearn.metrics")


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 4))
    return X, X[:, :1] + 0.3 * rng.normal(size=(60, 1)), rng.uniform(size=60)


@pytest.mark.parametrize("weighted", [False, True])
def test_scikit_learns_r2_is_ours_everywhere(theirs, rows, weighted):
    X, y, weight = rows
    weight = weight if weighted else None
    options = {"loss": MSE, "metrics": {"theirs": theirs.r2_score, "ours": nn.r2}, "weight": weight}
    model = nn.Sequential([nn.Dense(4, 1)], rng=0)
    many = nn.Sequential([nn.Dense(4, 1)], replicas=2, rng=0)
    found = [model.evaluate(X, y, **options), many.evaluate(X, y, **options)]
    parts = [(X[:20], y[:20]), (X[20:], y[20:])]
    if weighted:
        parts = [(*part, rows) for part, rows in zip(parts, (weight[:20], weight[20:]), strict=True)]
    found.append(model.evaluate(parts, **options | {"weight": None}))
    held_out = (X, y) if weight is None else (X, y, weight)
    for net, optimizer in ((model, nn.SGD(0.01)), (many, nn.SGD(0.01)), (model, nn.LBFGS())):
        found += list(net.fit(X, y, optimizer=optimizer, epochs=2, validation=held_out, **options))
    found += list(nn.sweep(model, X, y, learning_rate=[0.1, 0.2], seeds=1, epochs=2, **options).history)
    for row in found:
        for name in ("theirs", "validation_theirs"):
            if name in row:
                np.testing.assert_allclose(
                    row[name], row[name.replace("theirs", "ours")], rtol=1e-5, atol=1e-6
                )  # float32 in theirs
    assert found[0]["theirs"] != pytest.approx(theirs.r2_score(model.predict(X), y), abs=0.1)


def test_scikit_learns_scorers_and_class_metrics_are_refused_with_what_to_write(theirs, rows):
    X, y, _ = rows
    ids = (y[:, 0] > 0).astype(int)
    model = nn.Sequential([nn.Dense(4, 2)], rng=0)
    for scorer in (theirs.make_scorer(theirs.r2_score), theirs.get_scorer("r2")):
        with pytest.raises(ArgumentTypeError, match="Give r2_score itself"):
            model.evaluate(X, ids, metrics={"r2": scorer})
    with pytest.raises(ArgumentError, match=r"accuracy_score\(y_true, y_pred.argmax\(axis=1\)\)"):
        model.evaluate(X, ids, metrics=[theirs.accuracy_score])
    # What the message says to write works.
    share = model.evaluate(
        X,
        ids,
        metrics={
            "theirs": lambda y_true, y_pred: theirs.accuracy_score(y_true, y_pred.argmax(axis=1)),
            "ours": nn.accuracy,
        },
    )
    assert share["theirs"] == share["ours"]
    single = nn.Sequential([nn.Dense(4, 1)], rng=0)
    with pytest.raises(ArgumentError, match=r"y_pred\[:, 0\] > 0"):
        single.evaluate(X, ids, metrics=[theirs.accuracy_score])


@pytest.mark.parametrize("ids", [np.array([0, 1, 1, 0]), np.array([[0.0], [1.0], [1.0], [0.0]])])
def test_targets_have_one_shape_in_fit_and_in_evaluate(ids):
    seen = []

    def mine(pred, target):
        seen.append((pred.shape, target.shape))
        return float(((pred > 0) == target).mean())

    X = np.linspace(-1, 1, 8).reshape(4, 2)
    model = nn.Sequential([nn.Dense(2, 1)], rng=0)
    options = {"loss": nn.BinaryCrossEntropy(), "metrics": [mine]}
    history = model.fit(X, ids, validation=(X, ids), optimizer=nn.SGD(0.1), epochs=1, **options)
    assert model.evaluate(X, ids, **options)["mine"] == history["validation_mine"][0]
    model.evaluate(X, ids, metrics=[mine])
    assert set(seen) == {((4, 1), (4, 1))}
