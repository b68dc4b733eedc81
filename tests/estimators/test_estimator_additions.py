"""What scikit-learn's estimators do not have: each is off by default, and does what it says."""

import operator
import pickle
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.9")

from estimator_data import quick
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss, recall_score

import nnlite as nn
from nnlite.errors import ArgumentError, ArgumentTypeError, ShapeError
from nnlite.losses import Masked
from nnlite.sklearn import MLPClassifier, MLPRegressor, ScaleWarning
from nnlite.sklearn.convergence import Penalty
from nnlite.sklearn.objectives import HalfPoissonDeviance, HalfSquaredError, SumOverOutputs
from nnlite.sklearn.solvers import SklearnAdam, SklearnSGD
from nnlite.testing import check_loss, check_optimizer

pytestmark = pytest.mark.filterwarnings(f"ignore::{ConvergenceWarning.__module__}.ConvergenceWarning")
each = pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])


def kinds_of_layers(net):
    return [type(layer).__name__ for layer in net.model_]


# The parts.


@pytest.mark.parametrize(
    "loss", [HalfSquaredError(), HalfPoissonDeviance(), nn.BinaryCrossEntropy()], ids=repr
)
@pytest.mark.parametrize(
    "wrap", [lambda loss: loss, SumOverOutputs, lambda loss: SumOverOutputs(Masked(loss))]
)
def test_value_and_gradient_of_the_losses_agree(loss, wrap, rng):
    target = rng.integers(0, 2, (6, 3)).astype(float)
    check_loss(wrap(loss), rng.normal(size=(6, 3)), target)


def test_the_sum_is_that_of_the_columns(rng):
    pred, target = rng.normal(size=(2, 6, 3))
    weight = rng.uniform(size=6)
    value, grad = SumOverOutputs(HalfSquaredError()).value_and_grad(pred, target, weight)
    alone = [HalfSquaredError().value_and_grad(pred[:, [i]], target[:, [i]], weight) for i in range(3)]
    assert value == pytest.approx(sum(one for one, _ in alone))
    np.testing.assert_allclose(grad, np.hstack([one for _, one in alone]))


@pytest.mark.parametrize(
    "make", [SklearnAdam, SklearnSGD, lambda rate: SklearnSGD(rate, momentum=0.5, nesterov=False)]
)
def test_solvers_are_optimizers(make):
    check_optimizer(lambda: make(0.01))


def test_the_penalty_is_the_slope_of_what_it_adds(data):
    """Central differences of the loss of a batch, penalty included."""
    net = quick(MLPRegressor, alpha=50.0, activation="tanh", max_iter=1).fit(data.X, data.several)
    model, loss = net.model_, net._objective_.loss
    seen = {}

    class Look(nn.Callback):
        def on_grad_computed(self, state):
            seen.update(grads=state.model.params.grads.copy(), values=state.model.params.values.copy())

    def full(values):
        model.params.values[...] = values
        weights = values[: model.params.decayed]
        data_loss = model.evaluate(data.X, data.several, loss=loss)["loss"]
        return data_loss + 0.5 * 50.0 * (weights @ weights) / len(data.X)

    callbacks = [Penalty(50.0), Look()]
    model.fit(
        data.X, data.several, loss=loss, optimizer=nn.SGD(1e-9), epochs=1, batch_size=120, callbacks=callbacks
    )
    for place in (0, 17, model.params.decayed - 1, model.params.decayed, model.params.size - 1):
        step = np.zeros(model.params.size)
        step[place] = 1e-5
        slope = (full(seen["values"] + step) - full(seen["values"] - step)) / 2e-5
        assert seen["grads"][place] == pytest.approx(slope, abs=1e-6)


# Layers.


def test_activations_and_dropout_for_each_layer(data):
    net = quick(
        MLPClassifier, hidden_layer_sizes=(8, 6), activation=["gelu", nn.LeakyReLU(0.2)], dropout=[0.0, 0.5]
    ).fit(data.X, data.binary)
    assert repr(net.model_.layers) == (
        "(Dense(5, 8), GELU(), Dense(8, 6), LeakyReLU(negative_slope=0.2), Dropout(0.5), Dense(6, 1))"
    )
    both = quick(MLPRegressor, hidden_layer_sizes=(8, 6), activation="silu", dropout=0.1).fit(data.X, data.y)
    assert kinds_of_layers(both) == ["Dense", "SiLU", "Dropout", "Dense", "SiLU", "Dropout", "Dense"]


def test_one_activation_layer_serves_all_places(data):
    given = nn.ELU(0.5)
    net = quick(MLPClassifier, hidden_layer_sizes=(8, 6), activation=given).fit(data.X, data.binary)
    assert net.model_[1] is not net.model_[3]
    assert given not in net.model_.layers
    assert net.get_params()["activation"] is given


def test_dropout_is_seeded_and_changes_the_result(data):
    nets = [quick(MLPClassifier, dropout=rate).fit(data.X, data.binary) for rate in (0.5, 0.5, None)]
    assert nets[0].loss_curve_ == nets[1].loss_curve_ != nets[2].loss_curve_
    assert (nets[0].predict_proba(data.X) == nets[1].predict_proba(data.X)).all()


@pytest.mark.parametrize(
    ("settings", "error", "says"),
    [
        ({"activation": ["relu", "tanh"]}, ArgumentError, "one for each of 1 hidden layers"),
        ({"activation": [nn.ReLU]}, ArgumentTypeError, r"Write ReLU\(\)"),
        ({"activation": "swish"}, ArgumentError, "silu"),
        ({"dropout": [0.1, 0.2]}, ArgumentError, "one for each of 1 hidden layers"),
        ({"dropout": [1.0]}, ArgumentError, r"\[0, 1\)"),
        ({"dropout": 0.5, "solver": "lbfgs"}, ArgumentError, "bears noise"),
        ({"layers": [nn.Dense(4, 1)]}, ShapeError, r"5 inputs.*got Dense\(4, 1\)"),
        ({"layers": [nn.Dense(5, 2)]}, ShapeError, r"1 outputs.*got Dense\(5, 2\)"),
        ({"layers": []}, ArgumentTypeError, "a list of layers"),
        ({"layers": [nn.Dense(5, 1), "relu"]}, ArgumentTypeError, "a list of layers"),
        ({"layers": [nn.Dense(5, 1), nn.Sigmoid()]}, ArgumentError, "Leave that layer out"),
        ({"loss": nn.BinaryCrossEntropy}, ValueError, "loss"),
        ({"dtype": "float16"}, ValueError, "dtype"),
        ({"max_time": 0}, ValueError, "max_time"),
        ({"callbacks": [print]}, ArgumentTypeError, "Callback"),
        ({"class_weight": "heavy"}, ValueError, "class_weight"),
    ],
    ids=str,
)
def test_what_cannot_be_used_is_refused(data, settings, error, says):
    net = quick(MLPClassifier, **settings)
    with pytest.raises(error, match=says):
        net.fit(data.X, data.binary)


def test_layers_of_ones_own(data):
    class Double(nn.Layer):
        def forward(self, x, ctx=None):
            return 2 * x

        def backward(self, dy, ctx):
            return 2 * dy

    given = [nn.Dense(4, 10), Double(), nn.Tanh(), nn.Dense(10, 3)]
    net = MLPClassifier(layers=given, max_iter=60, learning_rate_init=0.02, random_state=0)
    net.fit(data.iris, data.species)
    assert kinds_of_layers(net) == ["Dense", "Double", "Tanh", "Dense"]
    assert net.score(data.iris, data.species) > 0.9
    assert [array.shape for array in net.coefs_] == [(4, 10), (10, 3)]
    assert net.n_layers_ == 3
    again = MLPClassifier(layers=given, max_iter=60, learning_rate_init=0.02, random_state=0)
    assert again.fit(data.iris, data.species).loss_curve_ == net.loss_curve_


def blocks():
    """Make layers inside of others, with state, noise, and what must see data."""
    inner = nn.Sequential([nn.Dense(8, 8), nn.Tanh(), nn.Dropout(0.1)])
    block = nn.Residual([nn.Standardize(8), inner, nn.BatchNorm(8)])
    return [nn.Dense(4, 8), nn.BatchNorm(8), block, nn.Dense(8, 3)]


@pytest.mark.parametrize("way", ["as it is", "cloned", "pickled", "made anew"])
def test_blocks_and_state_train_to_the_same_however_the_estimator_came(data, way):
    def make():
        options = {"batch_size": 15, "learning_rate_init": 0.01, "random_state": 0}
        return MLPClassifier(layers=blocks(), max_iter=80, **options)

    ways = {
        "as it is": lambda net: net,
        "cloned": clone,
        "pickled": lambda net: pickle.loads(pickle.dumps(net)),
        "made anew": lambda net: make(),
    }
    first = make().fit(data.iris, data.species)
    net = ways[way](make())
    net.fit(data.iris, data.species)
    assert net.loss_curve_ == first.loss_curve_
    assert net.score(data.iris, data.species) > 0.9
    assert net.model_.params.numbers.tobytes() == first.model_.params.numbers.tobytes()
    assert [array.shape for array in net.coefs_] == [(4, 8), (8, 8), (8, 3)]
    assert net.layers[0].frozen == set()
    again = pickle.loads(pickle.dumps(net))
    np.testing.assert_array_equal(again.predict_proba(data.iris), net.predict_proba(data.iris))
    again.fit(data.iris, data.species)
    assert again.loss_curve_ == first.loss_curve_


def test_blocks_and_state_go_on_in_steps(data):
    """A net that goes on from its numbers has its running statistics too, also where it is made anew."""
    net = MLPClassifier(layers=blocks(), batch_size=15, learning_rate_init=0.01, random_state=0)
    for _ in range(30):
        net.partial_fit(data.iris, data.species, classes=np.unique(data.species))
    assert net.score(data.iris, data.species) > 0.85
    kept = pickle.loads(pickle.dumps(net))
    for one in (net, kept):
        one.partial_fit(data.iris, data.species)
    np.testing.assert_array_equal(net.model_.params.numbers, kept.model_.params.numbers)


def test_a_warm_start_with_another_description_takes_the_state_over(data):
    net = MLPClassifier(
        layers=blocks(), max_iter=20, learning_rate_init=0.01, random_state=0, warm_start=True
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net.fit(data.iris, data.species)
        before = net.model_.params.numbers.copy()
        measured = net.model_[2].layers[0].mean.copy()
        layers = blocks()
        layers[1] = nn.BatchNorm(8, momentum=0.2)
        net.set_params(layers=layers, max_iter=1, learning_rate_init=1e-12).fit(data.iris, data.species)
    model = net.model_
    assert model[1].momentum == 0.2
    np.testing.assert_allclose(model.params.values, before[: model.params.size], atol=1e-6)
    np.testing.assert_array_equal(model[2].layers[0].mean, measured)
    # One epoch from there; from 0 and 1 it would have come to elsewhere.
    kept = before[model.params.size :]
    assert np.abs(model.params.state - kept).max() < 0.5 * np.abs(kept).max()
    layers[1] = nn.LayerNorm(8)
    with pytest.raises(ArgumentError, match=r"a net with parameters of shapes .*Write warm_start=False"):
        net.set_params(layers=layers).fit(data.iris, data.species)


# Losses.


def test_a_loss_of_nnlite_for_numbers(data):
    y = data.y.copy()
    y[:6] += 40  # outliers
    plain, robust = (
        MLPRegressor(loss=loss, max_iter=300, learning_rate_init=0.01, random_state=0).fit(data.X, y)
        for loss in ("squared_error", nn.Huber(0.2))
    )
    errors = [np.abs(net.predict(data.X[6:]) - data.y[6:]).mean() for net in (plain, robust)]
    assert errors[1] < 0.7 * errors[0]
    high = MLPRegressor(loss=nn.Quantile(0.9), max_iter=300, random_state=0).fit(data.X, data.y)
    assert 0.8 < (data.y < high.predict(data.X)).mean() < 1


def test_a_loss_of_nnlite_means_the_same_as_the_word_for_it(data):
    word, loss = (
        quick(MLPRegressor, loss=loss, alpha=0).fit(data.X, data.counts)
        for loss in ("poisson", nn.PoissonNLL())
    )
    np.testing.assert_allclose(word.predict(data.X), loss.predict(data.X))
    assert loss.out_activation_ == "exp"
    word, loss = (
        quick(MLPClassifier, loss=loss).fit(data.iris, data.species)
        for loss in ("log_loss", nn.SoftmaxCrossEntropy())
    )
    assert word.loss_curve_ == loss.loss_curve_


def test_mean_and_variance(data):
    net = quick(MLPRegressor, loss=nn.GaussianNLL(), max_iter=50).fit(data.X, data.several)
    assert net.model_.output_shape == (6,)
    assert net.predict(data.X).shape == (120, 3)
    np.testing.assert_array_equal(net.predict(data.X), net.model_.predict(data.X)[:, :3])


def test_losses_for_classes(data):
    smooth = quick(MLPClassifier, loss=nn.SoftmaxCrossEntropy(label_smoothing=0.3), max_iter=200)
    assert smooth.fit(data.X, data.binary).predict_proba(data.X).max() < 0.97
    assert smooth.predict_proba(data.X).shape == (120, 2)
    for y in (data.binary, data.species[:120], data.labels):
        X = data.iris[:120] if y is not data.binary and y.ndim == 1 else data.X
        net = MLPClassifier(loss=nn.Hinge(), max_iter=100, learning_rate_init=0.01, random_state=0).fit(X, y)
        assert net.score(X, y) > 0.7
        assert not hasattr(net, "predict_proba")
    with pytest.raises(ArgumentError, match="SoftmaxCrossEntropy"):
        quick(MLPClassifier, loss=nn.BinaryCrossEntropy()).fit(data.iris, data.species)
    with pytest.raises(ArgumentError, match="BinaryCrossEntropy"):
        quick(MLPClassifier, loss=nn.SoftmaxCrossEntropy()).fit(data.X, data.labels)


# Weights of classes.


def test_class_weights_are_weights_of_rows(data):
    weight = np.where(data.binary == 1, 5.0, 0.5)
    named = quick(MLPClassifier, class_weight={0: 0.5, 1: 5.0}).fit(data.X, data.binary)
    given = quick(MLPClassifier).fit(data.X, data.binary, weight)
    assert named.loss_curve_ == given.loss_curve_
    both = quick(MLPClassifier, class_weight={0: 0.5, 1: 5.0}).fit(data.X, data.binary, data.weight)
    assert both.loss_curve_ == quick(MLPClassifier).fit(data.X, data.binary, weight * data.weight).loss_curve_


def test_balanced_classes_find_more_of_the_rare_one(rng):
    X = rng.normal(size=(300, 2))
    y = (X[:, 0] + rng.normal(size=300) > 2.0).astype(int)
    found = [
        recall_score(y, MLPClassifier(class_weight=w, max_iter=100, random_state=0).fit(X, y).predict(X))
        for w in (None, "balanced")
    ]
    assert found[1] > found[0] + 0.2
    with pytest.raises(ValueError, match="balanced"):
        MLPClassifier(class_weight="balanced").partial_fit(X, y, classes=[0, 1])


# Validation, callbacks, time.


@each
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_validation_loss_is_in_the_history(data, kind, solver):
    net = quick(kind, solver=solver).fit(
        data.X[:80], data.binary[:80], validation=(data.X[80:], data.binary[80:], data.weight[80:])
    )
    assert len(net.history_["validation_loss"]) == net.n_iter_ == 5
    if kind is MLPClassifier:
        chances = net.predict_proba(data.X[80:])
        expected = log_loss(data.binary[80:], chances, sample_weight=data.weight[80:])
        assert net.history_["validation_loss"][-1] == pytest.approx(expected)
    plain = quick(kind, solver=solver).fit(data.X[:80], data.binary[:80])
    assert plain.loss_curve_ == net.loss_curve_  # looking on changes nothing


def test_own_validation_data_decide_when_to_stop(data):
    settings = {"early_stopping": True, "max_iter": 200, "n_iter_no_change": 3, "learning_rate_init": 0.05}
    net = quick(MLPClassifier, **settings)
    net.fit(data.X[:80], data.binary[:80], validation=(data.X[80:], data.binary[80:]))
    assert net.n_iter_ < 200
    assert net.t_ == 80 * net.n_iter_  # no row was held out
    assert net.history_["validation_score"] == net.validation_scores_
    assert "Validation score did not improve" in net.history_.stop_reason


def test_callbacks_are_called(data):
    stop = nn.EarlyStopping(monitor="validation_loss", patience=3)
    net = quick(MLPRegressor, max_iter=300, learning_rate_init=0.1, callbacks=stop)
    net.fit(data.X[:60], data.y[:60], validation=(data.X[60:], data.y[60:]))
    assert net.n_iter_ < 300
    assert net.history_.best_epoch == 1 + int(np.argmin(net.history_["validation_loss"]))
    half = 0.5 * np.mean((net.predict(data.X[60:]) - data.y[60:]) ** 2)
    assert half == pytest.approx(min(net.history_["validation_loss"]))


class Remembers(nn.Callback):
    def __init__(self):
        self.losses = []

    def on_epoch_end(self, state):
        self.losses.append(state.history[-1]["loss"])
        self.epoch = state.epoch


@each
def test_callbacks_are_copied(data, kind):
    """One that was given to several estimators keeps no state of theirs apart, and is as it was."""
    one = Remembers()
    nets = [quick(kind, callbacks=[one], max_iter=rounds, alpha=rounds) for rounds in (2, 3)]
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda net: net.fit(data.X, data.binary), nets))
    assert vars(one) == {"losses": []}
    for net in nets:
        (own,) = net.callbacks_
        assert own.losses == net.history_["loss"]
        assert own.epoch == net.n_iter_
        assert net.callbacks[0] is one
        assert not hasattr(pickle.loads(pickle.dumps(net)), "callbacks_")
    one.lock = threading.Lock()
    with pytest.raises(ArgumentTypeError, match=r"callbacks that copy\.deepcopy can copy, got TypeError"):
        nets[0].fit(data.X, data.binary)


@each
@pytest.mark.parametrize("solver", ["sgd", "lbfgs"])
@pytest.mark.filterwarnings("default")
def test_a_time_limit(data, kind, solver):
    net = quick(kind, solver=solver, max_iter=10_000, tol=0, n_iter_no_change=np.inf, max_time=1e-9)
    with pytest.warns(ConvergenceWarning, match="time limit of 1e-09 s was over after 1 iterations"):
        net.fit(data.X, data.binary)
    assert net.n_iter_ == 1
    assert np.isfinite(net.loss_)


@each
def test_float32_on_request(data, kind):
    for solver in ("adam", "lbfgs"):
        net = quick(kind, dtype="float32", solver=solver).fit(data.X, data.binary)
        assert net.coefs_[0].dtype == np.float32


# Sizes.


def test_scaled_inputs_are_those_of_a_standard_scaler(data):
    X = data.X * [1, 10, 100, 1000, 1e4] + 500
    spread = (X - X.mean(axis=0)) / X.std(axis=0)
    own = quick(MLPRegressor, scale_inputs=True, max_iter=20).fit(X, data.y)
    outside = quick(MLPRegressor, max_iter=20).fit(spread, data.y)
    np.testing.assert_allclose(own.loss_curve_, outside.loss_curve_, rtol=1e-6)
    np.testing.assert_allclose(own.predict(X), outside.predict(spread), rtol=1e-6)
    assert kinds_of_layers(own)[0] == "Standardize"
    assert len(own.coefs_) == 2


def test_scaled_targets_are_undone(data):
    y = 1000 + 300 * data.several
    settings = {"hidden_layer_sizes": 30, "max_iter": 300, "learning_rate_init": 0.01, "random_state": 0}
    net = MLPRegressor(scale_targets=True, early_stopping=True, **settings).fit(data.X, y)
    assert net.score(data.X, y) > 0.8
    assert net.best_validation_score_ > 0.5
    same = MLPRegressor(scale_targets=True, solver="lbfgs", **settings).fit(data.X, y[:, 0])
    inside = MLPRegressor(solver="lbfgs", **settings).fit(data.X, (y[:, 0] - y[:, 0].mean()) / y[:, 0].std())
    assert same.loss_ == pytest.approx(inside.loss_, abs=1e-4)
    constant = quick(MLPRegressor, scale_targets=True, max_iter=100).fit(data.X, np.full(120, 7.0))
    assert abs(constant.predict(data.X) - 7).max() < 1
    with pytest.raises(ArgumentError, match="scale_targets=False"):
        MLPRegressor(loss="poisson", scale_targets=True).fit(data.X, data.counts)


@pytest.mark.filterwarnings("default")
def test_data_of_a_wrong_size_draw_a_warning_that_names_the_fix(data):
    from scipy.sparse import csr_array

    pixels = data.digits * 255
    for X in (pixels, csr_array(pixels)):
        with pytest.warns(ScaleWarning, match=r"MLPClassifier\(scale_inputs=True\)"):
            quick(MLPClassifier).fit(X, data.digit)
    with pytest.warns(ScaleWarning, match=r"column 1 .*MLPRegressor\(scale_targets=True\)"):
        quick(MLPRegressor).fit(data.X, np.column_stack([data.y, 200 + data.y]))


@pytest.mark.filterwarnings("error")
@pytest.mark.filterwarnings(f"ignore::{ConvergenceWarning.__module__}.ConvergenceWarning")
def test_and_others_do_not(data):
    quick(MLPClassifier).fit(data.digits * 16, data.digit)
    quick(MLPClassifier).fit(data.iris, data.species)
    quick(MLPClassifier, scale_inputs=True).fit(data.iris * 1000, data.species)
    quick(MLPRegressor, scale_targets=True).fit(data.X, data.y * 1000)
    quick(MLPRegressor, loss="poisson").fit(data.X, data.counts * 100)
    quick(MLPRegressor, solver="lbfgs").fit(data.X, data.y * 100)


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("size", [1e-3, 1e-6])
def test_numbers_that_are_too_small_draw_it_too(data, size):
    from scipy.sparse import csr_array

    for kind in (MLPClassifier, MLPRegressor):
        for X in (data.X * size, 5 + data.X * size, csr_array(data.X * size)):
            with pytest.warns(
                ScaleWarning, match=rf"the rows of X lie only .* Write {kind.__name__}\(scale_inp"
            ):
                quick(kind).fit(X, data.binary)
    for loss in ("squared_error", nn.MeanSquaredError(), nn.Quantile(0.5)):
        for solver in ("adam", "lbfgs"):
            with pytest.warns(ScaleWarning, match=r"targets in column 1 lie only .*scale_targets=True"):
                quick(MLPRegressor, loss=loss, solver=solver).fit(
                    data.X, np.column_stack([data.y, 7 + size * data.y])
                )
    gaps = np.where(data.X[:, :1] > 0, np.nan, size * data.several)
    with pytest.warns(ScaleWarning, match="the targets in column"):
        quick(MLPRegressor, mask_missing_targets=True).fit(data.X, gaps)


@pytest.mark.filterwarnings("error")
@pytest.mark.filterwarnings(f"ignore::{ConvergenceWarning.__module__}.ConvergenceWarning")
def test_small_numbers_that_draw_none(data):
    quick(MLPRegressor, scale_targets=True, scale_inputs=True).fit(data.X * 1e-6, data.y * 1e-6)
    quick(MLPRegressor).fit(np.ones((120, 3)), np.full(120, 0.1 + 0.2))  # constant, and of no size at all
    quick(MLPRegressor, loss="poisson").fit(data.X, data.counts * 1e-3)
    quick(MLPRegressor).fit(data.X * [1, 1, 1, 1, 1e-3], data.y)
    weight = (np.arange(120) < 60).astype(float)
    X, y = data.X.copy(), data.y.copy()
    X[60:], y[60:] = 1e6, 1e9
    quick(MLPRegressor).fit(X, y, weight)  # rows that do not count have no size


def test_float32_rounds_neither_far_off_targets_nor_inputs(data):
    settings = {"hidden_layer_sizes": 30, "max_iter": 300, "learning_rate_init": 0.01, "random_state": 0}
    y = 1.7e9 + 30 * data.y  # numbers of float32 lie 128 apart there
    X = data.X.astype(np.float32)
    net = MLPRegressor(scale_targets=True, **settings).fit(X, y)
    assert net.model_.params.dtype == np.float32
    assert net.predict(X).dtype == np.float64
    assert net.score(X, y) > 0.9
    lower, upper = net.calibrate(X, y).predict_interval(X, 0.9)
    assert 0.85 < ((lower <= y) & (y <= upper)).mean() < 0.97
    assert net.fit(X[:80], y[:80], validation=(X[80:], y[80:])).history_["validation_loss"][-1] < 0.5
    early = MLPRegressor(scale_targets=True, early_stopping=True, **settings).fit(X, y)
    assert early.best_validation_score_ > 0.8


def test_the_scale_of_targets_is_that_of_the_rows_that_count(data):
    weight = np.where(np.arange(120) < 100, 1.0, 0.0)
    weight[:10] = 3.0
    y = np.where(weight > 0, data.y, 1e6)
    net = quick(MLPRegressor, scale_targets=True, solver="lbfgs").fit(data.X, y, weight)
    copies = np.repeat(np.arange(120), weight.astype(int))
    same = quick(MLPRegressor, scale_targets=True, solver="lbfgs").fit(data.X[copies], y[copies])
    assert net._target_scale.scale == pytest.approx(same._target_scale.scale)
    assert net._target_scale.mean == pytest.approx(same._target_scale.mean)


# Missing targets.


def test_missing_targets_add_nothing(data):
    y = data.several.copy()
    y[::3, 0], y[5, 1] = np.nan, np.nan
    with pytest.raises(ValueError, match="contains NaN"):
        quick(MLPRegressor).fit(data.X, y)
    settings = {"hidden_layer_sizes": 30, "max_iter": 200, "learning_rate_init": 0.02, "random_state": 0}
    for more in ({}, {"early_stopping": True}, {"solver": "lbfgs"}, {"scale_targets": True}):
        net = MLPRegressor(mask_missing_targets=True, **settings | more).fit(data.X, y)
        assert np.isfinite(net.predict(data.X)).all()
        assert net.score(data.X, y) > 0.5
    whole = MLPRegressor(mask_missing_targets=True, **settings).fit(data.X, data.several)
    np.testing.assert_allclose(
        whole.loss_curve_, MLPRegressor(**settings).fit(data.X, data.several).loss_curve_, rtol=1e-9
    )


def test_a_row_without_targets_is_as_good_as_one_that_is_not_there(data):
    y = data.y.copy()
    y[100:] = np.nan
    settings = {"solver": "lbfgs", "alpha": 0.0, "tol": 1e-12, "max_iter": 30}
    missing = quick(MLPRegressor, mask_missing_targets=True, **settings).fit(data.X, y)
    gone = quick(MLPRegressor, **settings).fit(data.X[:100], y[:100])
    assert missing.loss_ * 120 == pytest.approx(gone.loss_ * 100, rel=1e-6)
    np.testing.assert_allclose(missing.predict(data.X), gone.predict(data.X), atol=1e-4)


def test_what_cannot_be_masked_is_refused(data):
    with pytest.raises(ArgumentTypeError, match="PointwiseLoss"):
        quick(MLPRegressor, loss=nn.GaussianNLL(), mask_missing_targets=True).fit(data.X, data.y)
    with pytest.raises(ValueError, match="infinity"):
        quick(MLPRegressor, mask_missing_targets=True).fit(data.X, np.where(data.y > 1, np.inf, data.y))
    with pytest.raises(ArgumentError, match="none in column 1"):
        quick(MLPRegressor, mask_missing_targets=True, scale_targets=True).fit(
            data.X, np.column_stack([data.y, np.full(120, np.nan)])
        )


@pytest.mark.parametrize("loss", [nn.MeanSquaredError(), nn.Huber(), nn.PoissonNLL()], ids=repr)
def test_a_loss_from_which_no_class_can_be_read_is_refused(loss, data):
    with pytest.raises(ArgumentError, match="a loss that takes logits"):
        quick(MLPClassifier, loss=loss).fit([[0.0], [1.0]] * 5, [0, 1] * 5)


@each
def test_arguments_go_by_what_a_subclass_makes_of_them(kind):
    class Doubled(kind):
        @property
        def alpha(self):
            return 2 * self._alpha

        @alpha.setter
        def alpha(self, value):
            self._alpha = value

    assert Doubled(alpha=1.0).alpha == 2.0


def test_a_scorer_that_tells_no_signature_and_does_not_work_is_explained(rng):
    X, y = rng.normal(size=(60, 2)), np.arange(60) % 2
    net = MLPClassifier(early_stopping=True, scoring=operator.methodcaller("score"), random_state=0)
    with pytest.raises(ArgumentError, match="expected a scorer that can judge this estimator"):
        net.fit(X, y)
