"""A whole `fit` gives PyTorch's numbers: every loss, every weight, every learning rate."""

from __future__ import annotations

import math

import numpy as np
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
    weighted_mean,
)

from nnlite import (
    SGD,
    Adam,
    Add,
    BatchNorm,
    BinaryCrossEntropy,
    Callback,
    Columns,
    Concatenate,
    CosineDecay,
    Dense,
    Flatten,
    Input,
    MeanSquaredError,
    Multiply,
    ReduceOnPlateau,
    ReLU,
    Residual,
    RMSProp,
    Sequential,
    Sigmoid,
    SoftmaxCrossEntropy,
    Standardize,
    Tanh,
    TimeDistributed,
)

EPOCHS = 5


class Alongside(Callback):
    """Trains a PyTorch net beside ours, batch by batch, and compares all that can be compared.

    Parameters
    ----------
    net, optimizer
        PyTorch's.
    criterion
        A loss of PyTorch with ``reduction="none"``.
    X, y, weight
        The training data in the order in which `fit` is to go through them.
    validation
        A pair of arrays.
    scheduler
        A scheduler of PyTorch that is stepped with every batch.
    plateau
        One that is stepped with the validation loss of every epoch.
    stream
        Whether `fit` gets the batches one by one, and knows no weights but those so far.
    """

    def __init__(
        self,
        net,
        optimizer,
        criterion,
        X,
        y,
        *,
        weight=None,
        validation=None,
        scheduler=None,
        plateau=None,
        stream=False,
    ):
        self.net = net
        self.optimizer = optimizer
        self.criterion = criterion
        self.X = X
        self.y = y
        self.weight = np.ones(len(X)) if weight is None else weight
        self.validation = validation
        self.scheduler = scheduler
        self.plateau = plateau
        self.stream = stream
        self.steps = 0
        self.known = []  # the weights of all batches of a stream so far

    def on_epoch_begin(self, state):
        self.total = 0.0
        self.rate = self.optimizer.param_groups[0]["lr"]

    def on_batch_end(self, state):
        rows = slice((state.batch - 1) * BATCH_SIZE, state.batch * BATCH_SIZE)
        weight = self.weight[rows]
        # Its part of the average over the data, whose mean weight divides it.
        self.known.extend(weight)
        part = mean_weight(weight) / mean_weight(self.known if self.stream else self.weight)
        average = weighted_mean(self.criterion, weight)
        for module in self.net.modules():
            module.weight_of_rows = weight
        value = torch_step(
            self.net, self.optimizer, lambda *pair: average(*pair) * part, self.X[rows], self.y[rows]
        )
        if self.scheduler is not None:
            self.scheduler.step()
        when = f"epoch {state.epoch}, batch {state.batch}"
        assert_close(state.batch_loss, value, f"loss in {when}")
        learning = [layer for layer in state.model if not isinstance(layer, Standardize)]
        assert_same_parameters(learning, self.net, when)
        self.total += value.item() * weight.sum() / part
        self.steps += 1

    def on_epoch_end(self, state):
        row = state.history[-1]
        assert state.batch == math.ceil(len(self.X) / BATCH_SIZE)
        assert_close(row["loss"], self.total / self.weight.sum(), f"loss of epoch {state.epoch}")
        assert_close(row["learning_rate"], self.rate, f"learning rate of epoch {state.epoch}")
        if self.validation is not None:
            x, y = self.validation
            self.net.eval()
            with torch.no_grad():
                value = weighted_mean(self.criterion, np.ones(len(x)))(self.net(tensor(x)), tensor(y))
            self.net.train()
            assert_close(row["validation_loss"], value, f"validation loss of epoch {state.epoch}")
            if self.plateau is not None:
                self.plateau.step(value.item())


def mean_weight(weight):
    """Average over the rows that count."""
    return np.sum(weight) / np.count_nonzero(weight)


def fit_alongside(model, alongside, *, loss, optimizer, epochs=EPOCHS, callbacks=()):
    """Fit our model on the data of PyTorch's, which must go along all the way and learn."""
    before = alongside.steps
    history = model.fit(
        alongside.X,
        alongside.y,
        weight=alongside.weight,
        validation=alongside.validation,
        loss=loss,
        optimizer=optimizer,
        epochs=epochs,
        batch_size=BATCH_SIZE,
        shuffle=False,
        callbacks=[alongside, *callbacks],
    )
    assert len(alongside.X) % BATCH_SIZE, "the last batch was meant to be short"
    assert alongside.steps - before == epochs * math.ceil(len(alongside.X) / BATCH_SIZE)
    assert history["loss"][-1] < history["loss"][0]
    return history


def regression():
    """Return the first three iris measurements, the fourth as the target, and a weight for each flower."""
    X, _ = iris()
    return X[:, :3], X[:, 3:], np.random.default_rng(1).uniform(0.5, 2.0, size=len(X))


def test_classification_with_adam_and_a_schedule():
    X, y = digits()
    train, held_out = slice(0, 1500), slice(1500, None)
    model = Sequential([Dense(64, 24), ReLU(), Dense(24, 16), Tanh(), Dense(16, 10)], dtype=np.float64, rng=0)
    net = twin(model)
    steps = EPOCHS * math.ceil(1500 / BATCH_SIZE)
    theirs = torch.optim.Adam(net.parameters(), lr=0.01)
    alongside = Alongside(
        net,
        theirs,
        torch.nn.CrossEntropyLoss(reduction="none"),
        X[train],
        y[train],
        validation=(X[held_out], y[held_out]),
        scheduler=torch.optim.lr_scheduler.CosineAnnealingLR(theirs, steps),
    )
    optimizer = Adam(CosineDecay(0.01, steps=steps))
    fit_alongside(model, alongside, loss=SoftmaxCrossEntropy(), optimizer=optimizer)


def test_weighted_regression_with_momentum_behind_standardize():
    X, y, weight = regression()
    model = Sequential(
        [Standardize(3), Dense(3, 12), Tanh(), Dense(12, 8), Sigmoid(), Dense(8, 1)], dtype=np.float64, rng=0
    )
    mean = tensor(np.average(X, axis=0, weights=weight))  # a row of weight 2 is two rows here too
    std = tensor(np.sqrt(np.average((X - mean.numpy()) ** 2, axis=0, weights=weight)))
    net = twin(model[1:])
    net.register_forward_pre_hook(lambda module, inputs: (inputs[0] - mean) / std)
    theirs = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, nesterov=True)
    alongside = Alongside(net, theirs, torch.nn.MSELoss(reduction="none"), X, y, weight=weight)
    optimizer = SGD(0.05, momentum=0.9, nesterov=True)
    fit_alongside(model, alongside, loss=MeanSquaredError(), optimizer=optimizer)


def test_weighted_regression_with_blocks():
    """The running statistics are compared at every batch, and the validation loss goes by them."""
    X, y, weight = regression()
    train, held_out = slice(0, 110), slice(110, None)
    weight[5:30:3] = 0
    block = Residual(
        [BatchNorm(6, momentum=0.2), ReLU(), Residual([Dense(6, 6, bias=False), BatchNorm(6), Tanh()])]
    )
    model = Sequential(
        [Dense(3, 6), Sequential([block, Dense(6, 4)]), Tanh(), Dense(4, 1)], dtype=np.float64, rng=0
    )
    net = twin(model)
    alongside = Alongside(
        net,
        torch.optim.Adam(net.parameters(), lr=0.01),
        torch.nn.MSELoss(reduction="none"),
        X[train],
        y[train],
        weight=weight[train],
        validation=(X[held_out], y[held_out]),
    )
    fit_alongside(model, alongside, loss=MeanSquaredError(), optimizer=Adam(0.01))


def test_hundred_steps_of_branches_and_of_shared_weights():
    X, y, weight = regression()
    # No bias in front of BatchNorm: it would take steps by the sign of rounding.
    deep = [Columns([1, 2], of=3), Dense(2, 6, bias=False), BatchNorm(6), Tanh(), Dense(6, 4)]
    gate = Multiply([Dense(4, 4), Sequential([Dense(4, 4), Sigmoid()])])
    both = Concatenate([Columns([0], of=3), Add([Sequential(deep), Dense(3, 4)])])
    wide_and_deep = [both, Dense(5, 4), gate, Dense(4, 1)]
    twins = TimeDistributed([Dense(1, 5, bias=False), BatchNorm(5), Tanh(), Dense(5, 2)])
    for layers, data in (
        (wide_and_deep, X),
        ([Input((3, 1)), twins, Flatten((3, 2)), Dense(6, 1)], X[:, :, None]),
    ):
        model = Sequential(layers, dtype=np.float64, rng=0)
        net = twin(model)
        theirs = torch.optim.Adam(net.parameters(), lr=0.01)
        criterion = torch.nn.MSELoss(reduction="none")
        alongside = Alongside(net, theirs, criterion, data, y, weight=weight)
        fit_alongside(model, alongside, loss=MeanSquaredError(), optimizer=Adam(0.01), epochs=20)
        assert alongside.steps == 100


def test_a_second_fit_goes_on_where_the_first_stopped():
    X, ids = iris()
    y = np.eye(3)[ids]  # three yes-or-no questions at a time
    model = Sequential([Dense(4, 12), Tanh(), Dense(12, 8), ReLU(), Dense(8, 3)], dtype=np.float64, rng=0)
    net = twin(model)
    theirs = torch.optim.RMSprop(net.parameters(), lr=0.005, momentum=0.5)
    alongside = Alongside(net, theirs, torch.nn.BCEWithLogitsLoss(reduction="none"), X, y)
    optimizer = RMSProp(0.005, momentum=0.5)
    for epochs in (2, 3):
        fit_alongside(model, alongside, loss=BinaryCrossEntropy(), optimizer=optimizer, epochs=epochs)


def test_reduce_on_plateau_in_training():
    X, y, _ = regression()
    train, held_out = slice(0, 110), slice(110, None)
    model = Sequential([Dense(3, 8), Tanh(), Dense(8, 1)], dtype=np.float64, rng=0)
    net = twin(model)
    theirs = torch.optim.Adam(net.parameters(), lr=0.05)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
        theirs, factor=0.5, patience=0, threshold=0.01, threshold_mode="abs", eps=0.0
    )
    alongside = Alongside(
        net,
        theirs,
        torch.nn.MSELoss(reduction="none"),
        X[train],
        y[train],
        validation=(X[held_out], y[held_out]),
        plateau=plateau,
    )
    history = fit_alongside(
        model,
        alongside,
        loss=MeanSquaredError(),
        optimizer=Adam(0.05),
        epochs=4 * EPOCHS,
        callbacks=[ReduceOnPlateau(factor=0.5, patience=1, min_delta=0.01)],
    )
    assert len(set(history["learning_rate"])) > 2, "the rate was meant to be lowered more than once"


def test_batches_from_an_iterable():
    X, y, weight = regression()
    model = Sequential([Dense(3, 8), Tanh(), Dense(8, 1)], dtype=np.float64, rng=0)
    net = twin(model)
    theirs = torch.optim.SGD(net.parameters(), lr=0.05)
    alongside = Alongside(net, theirs, torch.nn.MSELoss(reduction="none"), X, y, weight=weight, stream=True)
    starts = range(0, len(X), BATCH_SIZE)
    batches = [tuple(array[start : start + BATCH_SIZE] for array in (X, y, weight)) for start in starts]
    model.fit(batches, loss=MeanSquaredError(), optimizer=SGD(0.05), epochs=EPOCHS, callbacks=[alongside])
    assert alongside.steps == EPOCHS * len(batches)
