"""Every loss that PyTorch has too gives PyTorch's value and gradient, with and without weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from parity_tools import assert_close, leaf, tensor, torch, weighted_mean

from nnlite import GRU, SGD, Dense, Flatten, Input, Sequential, Tanh, TimeDistributed
from nnlite.losses import (
    BinaryCrossEntropy,
    GaussianNLL,
    Hinge,
    Huber,
    Loss,
    Masked,
    MeanAbsoluteError,
    MeanSquaredError,
    MultiTaskLoss,
    PoissonNLL,
    Quantile,
    SequenceLoss,
    SoftmaxCrossEntropy,
    Task,
)

CLASSES = 7
SHAPES = [(1, 1), (1, 6), (13, 1), (33, 4)]


@dataclass
class Case:
    """A loss, its counterpart, and data that suit both."""

    ours: Loss
    #: From "mean" or "none" to a function of predictions and targets.
    theirs: Callable[[str], Callable[[Any, Any], Any]]
    #: From a generator and a shape to predictions and targets.
    data: Callable[[np.random.Generator, tuple[int, int]], tuple[Any, Any]]


def module(cls, **options):
    """Take a loss class of PyTorch as it is."""
    return lambda reduction: cls(reduction=reduction, **options)


def numbers(rng, shape):
    return rng.normal(size=shape) * 3, rng.normal(size=shape) * 3


def numbers_with_ties(rng, shape):
    pred, target = numbers(rng, shape)
    return np.where(rng.random(shape) < 0.3, target, pred), target


def numbers_with_gaps(rng, shape):
    pred, target = numbers(rng, shape)
    return pred, np.where(rng.random(shape) < 0.3, np.nan, target)


def counts(rng, shape):
    return rng.normal(size=shape) * 2, rng.poisson(4.0, size=shape).astype(float)


def signs(rng, shape):
    return rng.normal(size=shape) * 2, rng.choice([-1.0, 1.0], size=shape)


def labels(rng, shape):
    return rng.normal(size=shape) * 3, rng.integers(0, 2, size=shape).astype(float)


def soft_labels(rng, shape):
    return rng.normal(size=shape) * 3, rng.random(size=shape)


def extreme_labels(rng, shape):
    return rng.choice([-1e3, 0.0, 1e3], size=shape), rng.integers(0, 2, size=shape).astype(float)


def ids(rng, shape):
    return rng.normal(size=(shape[0], CLASSES)) * 3, rng.integers(0, CLASSES, size=shape[0])


def one_hot(rng, shape):
    pred, target = ids(rng, shape)
    return pred, np.eye(CLASSES)[target]


def soft_classes(rng, shape):
    return rng.normal(size=(shape[0], CLASSES)) * 3, rng.dirichlet(np.ones(CLASSES), size=shape[0])


def extreme_ids(rng, shape):
    return rng.choice([-1e3, 0.0, 1e3], size=(shape[0], CLASSES)), rng.integers(0, CLASSES, size=shape[0])


def extreme_soft_classes(rng, shape):
    pred, _ = extreme_ids(rng, shape)
    return pred, rng.dirichlet(np.ones(CLASSES), size=shape[0])


def means_and_log_variances(rng, shape):
    pred = np.concatenate([rng.normal(size=shape), rng.normal(size=shape) * 2], axis=-1)
    return pred, rng.normal(size=shape)


def smoothed_bce(smoothing):
    """PyTorch's class has no label smoothing, so it gets targets that are smoothed already."""

    def make(reduction):
        criterion = torch.nn.BCEWithLogitsLoss(reduction=reduction)
        return lambda pred, target: criterion(pred, target * (1 - smoothing) + smoothing / 2)

    return make


def gaussian(reduction):
    """PyTorch's class takes the variance; nnlite's model predicts its logarithm."""
    criterion = torch.nn.GaussianNLLLoss(full=False, eps=1e-6, reduction=reduction)

    def loss(pred, target):
        mean, log_variance = pred.chunk(2, dim=-1)
        return criterion(mean, target, torch.exp(log_variance))

    return loss


def hinge(reduction):
    """For the two classes -1 and +1 PyTorch's ranking loss against 0 is max(0, 1 - target * pred)."""
    criterion = torch.nn.MarginRankingLoss(margin=1.0, reduction=reduction)
    return lambda pred, target: criterion(pred, torch.zeros_like(pred), target)


def pinball(q):
    """PyTorch has no quantile loss: this is its definition, and the gradient is autograd's."""

    def make(reduction):
        def loss(pred, target):
            values = torch.maximum(q * (target - pred), (1 - q) * (pred - target))
            return values.mean() if reduction == "mean" else values

        return loss

    return make


def masked_squares(reduction):
    """PyTorch masks none: what is missing is replaced by the prediction, which so has no error."""
    criterion = torch.nn.MSELoss(reduction=reduction)
    return lambda pred, target: criterion(pred, torch.where(torch.isnan(target), pred, target))


CASES = {
    "mse": Case(MeanSquaredError(), module(torch.nn.MSELoss), numbers),
    "mae": Case(MeanAbsoluteError(), module(torch.nn.L1Loss), numbers),
    "mae-ties": Case(MeanAbsoluteError(), module(torch.nn.L1Loss), numbers_with_ties),
    "huber": Case(Huber(), module(torch.nn.HuberLoss), numbers),
    "huber-0.3": Case(Huber(0.3), module(torch.nn.HuberLoss, delta=0.3), numbers_with_ties),
    "huber-4": Case(Huber(4.0), module(torch.nn.HuberLoss, delta=4.0), numbers),
    "quantile-0.5": Case(Quantile(), pinball(0.5), numbers),
    "quantile-0.9": Case(Quantile(0.9), pinball(0.9), numbers),
    "poisson": Case(PoissonNLL(), module(torch.nn.PoissonNLLLoss, log_input=True, full=False), counts),
    "hinge": Case(Hinge(), hinge, signs),
    "bce": Case(BinaryCrossEntropy(), module(torch.nn.BCEWithLogitsLoss), labels),
    "bce-soft": Case(BinaryCrossEntropy(), module(torch.nn.BCEWithLogitsLoss), soft_labels),
    "bce-extreme": Case(BinaryCrossEntropy(), module(torch.nn.BCEWithLogitsLoss), extreme_labels),
    "bce-smooth": Case(BinaryCrossEntropy(label_smoothing=0.1), smoothed_bce(0.1), labels),
    "ce-ids": Case(SoftmaxCrossEntropy(), module(torch.nn.CrossEntropyLoss), ids),
    "ce-one-hot": Case(SoftmaxCrossEntropy(), module(torch.nn.CrossEntropyLoss), one_hot),
    "ce-soft": Case(SoftmaxCrossEntropy(), module(torch.nn.CrossEntropyLoss), soft_classes),
    "ce-extreme-ids": Case(SoftmaxCrossEntropy(), module(torch.nn.CrossEntropyLoss), extreme_ids),
    "ce-extreme-soft": Case(SoftmaxCrossEntropy(), module(torch.nn.CrossEntropyLoss), extreme_soft_classes),
    "masked": Case(Masked(MeanSquaredError()), masked_squares, numbers_with_gaps),
    "gaussian": Case(GaussianNLL(), gaussian, means_and_log_variances),
} | {
    f"ce-smooth-{data.__name__}": Case(
        SoftmaxCrossEntropy(label_smoothing=0.2), module(torch.nn.CrossEntropyLoss, label_smoothing=0.2), data
    )
    for data in (ids, soft_classes, extreme_ids)
}

each_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


def torch_value_and_grad(loss, pred, target):
    pred = leaf(pred)
    value = loss(pred, tensor(target))
    value.backward()
    return value, pred.grad


def assert_same_loss(case, expected, pred, target, weight=None):
    value, grad = case.ours.value_and_grad(pred, target, weight)
    expected_value, expected_grad = torch_value_and_grad(expected, pred, target)
    assert_close(value, expected_value, "value")
    assert_close(grad, expected_grad, "gradient")


@each_case
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_loss(case, shape, rng):
    assert_same_loss(case, case.theirs("mean"), *case.data(rng, shape))


@each_case
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_loss_with_a_weight_for_each_row(case, shape, rng):
    pred, target = case.data(rng, shape)
    weight = rng.uniform(0.1, 3.0, size=shape[0])
    weight[1::3] = 0.0  # rows that do not count
    assert_same_loss(case, weighted_mean(case.theirs("none"), weight), pred, target, weight)


@each_case
def test_prepared_targets_give_the_same_loss(case, rng):
    pred, target = case.data(rng, (33, 4))
    prepared = case.ours.prepare(target.tolist(), pred.shape, pred.dtype)
    value, _ = case.ours.value_and_grad(pred, prepared)
    assert_close(value, case.theirs("mean")(tensor(pred), tensor(target)), "value")


@each_case
def test_replicas_are_losses_of_their_own(case, rng):
    preds, targets = zip(*(case.data(rng, (9, 4)) for _ in range(3)), strict=True)
    values, grads = case.ours.value_and_grad(np.stack(preds), np.stack(targets))
    for replica in range(3):
        value, grad = torch_value_and_grad(case.theirs("mean"), preds[replica], targets[replica])
        assert_close(values[replica], value, "value")
        assert_close(grads[replica], grad, "gradient")


def test_binary_cross_entropy_takes_class_ids_for_one_output(rng):
    pred, target = rng.normal(size=(20, 1)), rng.integers(0, 2, size=20)
    value, grad = BinaryCrossEntropy().value_and_grad(pred, target)
    criterion = torch.nn.BCEWithLogitsLoss()
    expected_value, expected_grad = torch_value_and_grad(criterion, pred, target[:, None].astype(float))
    assert_close(value, expected_value, "value")
    assert_close(grad, expected_grad, "gradient")


@pytest.mark.parametrize("make", [labels, soft_labels, extreme_labels])
@pytest.mark.parametrize("pos_weight", [3.5, 0.0, [0.5, 2.0, 7.0]], ids=str)
def test_the_weight_of_a_yes(make, pos_weight, rng):
    pred, target = make(rng, (20, 3))
    criterion = torch.nn.BCEWithLogitsLoss(pos_weight=tensor(np.array(pos_weight)))
    value, grad = BinaryCrossEntropy(pos_weight=pos_weight).value_and_grad(pred, target)
    expected_value, expected_grad = torch_value_and_grad(criterion, pred, target)
    assert_close(value, expected_value, "value")
    assert_close(grad, expected_grad, "gradient")


def test_gaussian_nll_at_its_least_variance(rng):
    """Below it the values agree, and the gradients do but for that of the log-variance.

    PyTorch lets that gradient pass through its clamp; nnlite's is 0, as the value does
    not depend on the log-variance there.
    """
    mean, target = rng.normal(size=(9, 2)) * 1e-3, rng.normal(size=(9, 2)) * 1e-3
    pred = np.concatenate([mean, np.full_like(mean, -20.0)], axis=-1)
    value, grad = GaussianNLL(min_variance=1e-6).value_and_grad(pred, target)
    expected_value, expected_grad = torch_value_and_grad(gaussian("mean"), pred, target)
    assert_close(value, expected_value, "value")
    assert_close(grad[:, :2], expected_grad[:, :2], "gradient of the mean")
    assert_close(grad[:, 2:], np.zeros((9, 2)), "gradient of the log-variance")


@pytest.mark.parametrize("missing", [False, True], ids=["all known", "some missing"])
def test_hundred_steps_on_several_tasks(missing, rng):
    """A weighted sum of PyTorch's; what is missing counts for 0, and the sums are divided by all rows."""
    loss = MultiTaskLoss(
        {
            "numbers": Task(MeanSquaredError(), outputs=[6, 0], targets=[0, 3], weight=2.0),
            "kind": Task(SoftmaxCrossEntropy(), outputs=[1, 2, 3], targets=1, weight=0.5),
            "yes": Task(BinaryCrossEntropy(), outputs=4, targets=2),
            "spread": Task(GaussianNLL(), outputs=[7, 5], targets=4, weight=0.1),
        }
    )
    rows = 40
    x = rng.normal(size=(rows, 5))
    y = np.column_stack(
        [x @ rng.normal(size=5), rng.integers(3, size=rows), x[:, 0] > 0, rng.normal(size=(rows, 2))]
    )
    known = rng.random((rows, 4)) < (0.7 if missing else 2.0)  # of numbers, kind, yes and spread
    table = np.where(known[:, [0, 1, 2, 0, 3]], y, np.nan)
    model = Sequential([Dense(5, 7), Tanh(), Dense(7, 8)], dtype=np.float64, rng=0)
    weights = [leaf(model.params[name]) for name in ("0.W", "0.b", "2.W", "2.b")]
    optimizer, theirs = SGD(0.1, momentum=0.9), torch.optim.SGD(weights, 0.1, momentum=0.9)
    goals, there = tensor(y), tensor(known.astype(float))

    def torch_loss():
        pred = torch.tanh(tensor(x) @ weights[0] + weights[1]) @ weights[2] + weights[3]
        squares = ((pred[:, [6, 0]] - goals[:, [0, 3]]) ** 2).mean(dim=1)
        kind = torch.nn.CrossEntropyLoss(reduction="none")(pred[:, 1:4], goals[:, 1].long())
        yes = torch.nn.BCEWithLogitsLoss(reduction="none")(pred[:, 4], goals[:, 2])
        spread = torch.nn.GaussianNLLLoss(reduction="none")(pred[:, 7], goals[:, 4], pred[:, 5].exp())
        each = torch.stack([squares, kind, yes, spread], dim=1) * there
        return (each.sum(dim=0) / rows) @ tensor([2.0, 0.5, 1.0, 0.1])

    for step in range(100):
        value = model.loss_and_grad(x, table, loss)
        optimizer.step(model.params)
        theirs.zero_grad()
        expected = torch_loss()
        expected.backward()
        theirs.step()
        assert_close(value, expected, f"step {step}, loss")
    for name, weight in zip(("0.W", "0.b", "2.W", "2.b"), weights, strict=True):
        assert_close(model.params[name], weight, name)


def test_hundred_steps_of_labels_over_time(rng):
    """With its steps for the weight of a row all steps count the same: PyTorch's mean with ignore_index."""
    rows, time, width, classes = 12, 6, 3, 4
    lengths = np.array([6, 1, 3, 2, 6, 5, 4, 0, 2, 6, 1, 3])
    there = np.arange(time) < lengths[:, None]
    x = np.where(there[..., None], rng.normal(size=(rows, time, width)), 0.0)
    labels = np.where(there, rng.integers(classes, size=(rows, time)), -1)
    model = Sequential(
        [
            Input((time, width)),
            GRU(width, 5, sequences=True, padding=0.0),
            TimeDistributed([Dense(5, classes)], padding=0.0),
            Flatten((time, classes)),
        ],
        dtype=np.float64,
        rng=0,
    )
    recurrent, dense = model[1], model[2].layers[0]
    twin = torch.nn.ModuleList(
        [torch.nn.GRU(width, 5, batch_first=True), torch.nn.Linear(5, classes)]
    ).double()
    with torch.no_grad():
        names = {"W": "weight_ih_l0", "U": "weight_hh_l0", "b": "bias_ih_l0", "c": "bias_hh_l0"}
        for name, called_there in names.items():
            getattr(twin[0], called_there).copy_(tensor(getattr(recurrent, name).T))
        twin[1].weight.copy_(tensor(dense.W.T))
        twin[1].bias.copy_(tensor(dense.b))
    loss, optimizer = SequenceLoss(SoftmaxCrossEntropy(), time), SGD(0.5, momentum=0.9)
    theirs = torch.optim.SGD(twin.parameters(), 0.5, momentum=0.9)
    for step in range(100):
        value = model.loss_and_grad(x, labels, loss, weight=lengths)
        optimizer.step(model.params)
        theirs.zero_grad()
        logits = twin[1](twin[0](tensor(x))[0])
        expected = torch.nn.functional.cross_entropy(
            logits.transpose(1, 2), torch.as_tensor(labels), ignore_index=-1
        )
        expected.backward()
        theirs.step()
        assert_close(value, expected, f"step {step}, loss")
    said = twin[1](twin[0](tensor(x))[0])
    assert_close(model.predict(x).reshape(said.shape)[there], said[torch.as_tensor(there)], "predictions")
