"""Second-order methods: L-BFGS and Levenberg-Marquardt, alone and through ``fit``."""

from __future__ import annotations

import copy
import json
import signal
from itertools import pairwise

import numpy as np
import pytest
from scipy.optimize import least_squares

import nnlite as nn
from nnlite.core.parameters import Parameters, ParameterSpec
from nnlite.errors import ArgumentError, ArgumentTypeError, DivergenceError
from nnlite.optimizers import second_order
from nnlite.optimizers.second_order import FullBatchOptimizer


class TestLBFGS:
    @staticmethod
    def bowl(params, centre):
        def evaluate():
            gap = params.values - centre
            params.grads[...] = 2 * gap
            return float(gap @ gap)

        return evaluate

    def test_it_finds_the_bottom_and_leaves_frozen_values(self):
        specs = [ParameterSpec("W", (3,)), ParameterSpec("V", (2,)), ParameterSpec("b", (1,), decay=False)]
        params = Parameters(specs, dtype=np.float64)
        params.frozen = {"V"}
        reason = nn.LBFGS().minimize(params, self.bowl(params, np.arange(6.0)), max_iterations=50)
        np.testing.assert_allclose(params.values, [0, 1, 2, 0, 0, 5], atol=1e-6)
        assert "CONVERGENCE" in reason

    def test_the_values_are_those_of_the_iteration_when_it_is_reported(self):
        params = Parameters([ParameterSpec("W", (3,))], dtype=np.float64)
        centre = np.array([1.0, 20.0, 300.0])
        evaluate = self.bowl(params, centre)
        seen = []

        def on_iteration(value):
            assert value == pytest.approx(float(np.sum((params.values - centre) ** 2)))
            seen.append(value)
            return len(seen) == 2

        nn.LBFGS().minimize(params, evaluate, max_iterations=50, on_iteration=on_iteration)
        assert len(seen) == 2
        assert seen[1] < seen[0]

    def test_an_error_in_the_loss_leaves_the_last_accepted_values(self):
        params = Parameters([ParameterSpec("W", (2,))], dtype=np.float64)
        params.values[...] = [5.0, 6.0]

        def broken():
            raise ArithmeticError

        with pytest.raises(ArithmeticError):
            nn.LBFGS().minimize(params, broken, max_iterations=5)
        np.testing.assert_array_equal(params.values, [5, 6])

    def test_scipy_gets_copies(self, monkeypatch):
        """Whatever SciPy keeps, it must not see the live buffers change."""
        params = Parameters([ParameterSpec("W", (3,))], dtype=np.float64)
        given = []

        def look(function, start, **options):
            given.extend([start, function(start.copy())[1]])
            raise StopIteration

        monkeypatch.setattr("scipy.optimize.minimize", look)
        with pytest.raises(StopIteration):
            nn.LBFGS().minimize(params, self.bowl(params, np.ones(3)), max_iterations=1)
        assert len(given) == 2
        for array in given:
            assert not np.shares_memory(array, params.values)
            assert not np.shares_memory(array, params.grads)

    def test_it_takes_no_replicas(self):
        params = Parameters([ParameterSpec("W", (2,))], replicas=2)
        with pytest.raises(ArgumentError, match="without replicas"):
            nn.LBFGS().minimize(params, lambda: 0.0, max_iterations=1)


# Levenberg-Marquardt on residuals of one's own.


def parameters(values, *, dtype=np.float64):
    params = Parameters([ParameterSpec("W", (len(values),))], dtype=dtype)
    params.values[...] = values
    return params


def rosenbrock(values, with_jacobian):
    a, b = values
    return np.array([10 * (b - a * a), 1 - a]), np.array([[-20 * a, 10.0], [-1.0, 0.0]])


TIMES = np.linspace(0, 3, 20)
DECAY = 2.0 * np.exp(-1.3 * TIMES) + 0.05 * np.cos(17 * TIMES)  # what is left at the minimum is not small


def decay(values, with_jacobian):
    size, rate = values
    curve = np.exp(-rate * TIMES)
    return size * curve - DECAY, np.stack([curve, -size * TIMES * curve], axis=1)


def powell(values, with_jacobian):
    """Powell's function, whose Jacobian is singular at the minimum."""
    a, b, c, d = values
    residuals = [a + 10 * b, np.sqrt(5) * (c - d), (b - 2 * c) ** 2, np.sqrt(10) * (a - d) ** 2]
    rows = [
        [1, 10, 0, 0],
        [0, 0, np.sqrt(5), -np.sqrt(5)],
        [0, 2 * (b - 2 * c), -4 * (b - 2 * c), 0],
        [2 * np.sqrt(10) * (a - d), 0, 0, -2 * np.sqrt(10) * (a - d)],
    ]
    return np.array(residuals), np.array(rows)


@pytest.mark.parametrize(
    ("problem", "start"),
    [(rosenbrock, [-1.2, 1.0]), (decay, [1.0, 0.1]), (powell, [3.0, -1.0, 0.0, 1.0])],
)
def test_small_problems_against_scipy(problem, start):
    params = parameters(start)
    reason = nn.LevenbergMarquardt(value_tolerance=1e-15).minimize(params, problem, max_iterations=200)
    assert reason.startswith("converged")
    theirs = least_squares(
        lambda w: problem(w, False)[0],
        start,
        lambda w: problem(w, True)[1],
        method="lm",
        ftol=1e-15,
        xtol=1e-15,
        gtol=1e-15,
    )
    ours = problem(params.values, False)[0]
    assert ours @ ours == pytest.approx(2 * theirs.cost, rel=1e-9, abs=1e-14)
    np.testing.assert_allclose(params.values, theirs.x, atol=1e-3 if problem is powell else 1e-7)


def test_a_linear_problem_is_solved_exactly(rng):
    matrix, target = rng.normal(size=(30, 5)), rng.normal(size=30)
    params = parameters(np.zeros(5))
    nn.LevenbergMarquardt().minimize(params, lambda w, _: (matrix @ w - target, matrix), max_iterations=50)
    np.testing.assert_allclose(params.values, np.linalg.lstsq(matrix, target)[0], rtol=1e-6)


def test_every_step_lowers_the_loss_and_is_in_place_when_it_is_reported():
    params = parameters([-1.2, 1.0])
    seen = []

    def on_iteration(value):
        residuals = rosenbrock(params.values, False)[0]
        assert value == pytest.approx(residuals @ residuals, rel=1e-12)
        seen.append(value)
        return len(seen) == 5

    reason = nn.LevenbergMarquardt().minimize(
        params, rosenbrock, max_iterations=99, on_iteration=on_iteration
    )
    assert reason == "ended by on_iteration"
    assert len(seen) == 5
    assert seen == sorted(seen, reverse=True)


def test_the_iterations_are_counted():
    params = parameters([-1.2, 1.0])
    assert nn.LevenbergMarquardt().minimize(params, rosenbrock, max_iterations=2) == "all 2 iterations done"


def test_it_ends_where_the_loss_falls_too_slowly():
    start = np.array([1.0, 0.1])
    seen = [float(np.square(decay(start, False)[0]).sum())]
    reason = nn.LevenbergMarquardt(value_tolerance=0.05).minimize(
        parameters(start), decay, max_iterations=99, on_iteration=seen.append
    )
    assert reason == "converged: the loss fell by less than 0.05 of itself"
    falls = 1 - np.array(seen[1:]) / seen[:-1]
    assert len(falls) > 1
    assert (falls[:-1] > 0.05).all()
    assert falls[-1] <= 0.05


def test_values_that_the_parameters_cannot_hold_are_not_looked_at():
    params = parameters([-1.2, 1.0], dtype=np.float32)
    seen = []

    def watch(values, with_jacobian):
        if with_jacobian:
            seen.append(values.copy())
        return rosenbrock(values, with_jacobian)

    nn.LevenbergMarquardt().minimize(params, watch, max_iterations=99)
    assert len(seen) > 3
    assert all((values == values.astype(np.float32)).all() for values in seen)
    np.testing.assert_allclose(params.values, 1.0, atol=1e-6)


def test_frozen_values_stay_and_errors_leave_the_last_step():
    specs = [ParameterSpec("W", (1,)), ParameterSpec("V", (1,))]
    params = Parameters(specs, dtype=np.float64)
    params.values[...] = [-1.2, 4.0]
    params.frozen = {"V"}
    nn.LevenbergMarquardt().minimize(params, rosenbrock, max_iterations=99)
    assert params.values[1] == 4.0
    line = least_squares(lambda w: rosenbrock([w[0], 4.0], False)[0], [-1.2], ftol=1e-15, xtol=1e-15)
    assert params.values[0] == pytest.approx(line.x[0], rel=1e-6)

    params = parameters([-1.2, 1.0])
    kept = []

    def breaks(values, with_jacobian):
        if len(kept) == 3:
            raise ArithmeticError
        return rosenbrock(values, with_jacobian)

    with pytest.raises(ArithmeticError):
        nn.LevenbergMarquardt().minimize(
            params, breaks, max_iterations=99, on_iteration=lambda value: kept.append(params.values.copy())
        )
    np.testing.assert_array_equal(params.values, kept[-1])


@pytest.mark.nonfinite
def test_a_step_to_where_nothing_is_finite_is_not_taken():
    def logarithm(values, with_jacobian):
        return np.log(values) + 5, np.diag(1 / values)

    params = parameters([1.0])  # a whole Gauss-Newton step leads to -4
    nn.LevenbergMarquardt(damping=1e-8).minimize(params, logarithm, max_iterations=99)
    assert params.values[0] == pytest.approx(np.exp(-5), rel=1e-6)


def test_nothing_to_train_and_no_replicas():
    params = parameters([1.0, 2.0])
    params.frozen = {"W"}
    assert nn.LevenbergMarquardt().minimize(params, rosenbrock, max_iterations=9) == "nothing to train"
    many = Parameters([ParameterSpec("W", (2,))], replicas=2)
    with pytest.raises(ArgumentError, match=r"LevenbergMarquardt\.minimize: expected parameters without rep"):
        nn.LevenbergMarquardt().minimize(many, rosenbrock, max_iterations=9)


def test_the_base_class_minimizes_nothing():
    assert issubclass(nn.LevenbergMarquardt, FullBatchOptimizer)
    with pytest.raises(NotImplementedError, match=r"FullBatchOptimizer\.minimize"):
        FullBatchOptimizer().minimize(parameters([1.0]), rosenbrock, max_iterations=1)


@pytest.mark.parametrize("name", ["damping", "gradient_tolerance", "value_tolerance"])
@pytest.mark.parametrize("value", [-1.0, np.nan, "small"])
def test_bad_arguments(name, value):
    with pytest.raises((ArgumentError, ArgumentTypeError), match=rf"LevenbergMarquardt\({name}=\): expected"):
        nn.LevenbergMarquardt(**{name: value})
    if name == "damping":
        with pytest.raises(ArgumentError, match="above 0"):
            nn.LevenbergMarquardt(damping=0)


# Levenberg-Marquardt through fit.


def net(*sizes, rng=0, **options):
    parts = []
    for inputs, outputs in pairwise(sizes):
        parts += [nn.Dense(inputs, outputs), nn.Tanh()]
    return nn.Sequential(parts[:-1], rng=rng, **options)


def fit(model, X, y, **options):
    options = {"loss": nn.MeanSquaredError(), "optimizer": nn.LevenbergMarquardt(), "epochs": 20} | options
    return model.fit(X, y, **options)


def surface(rng, rows=40):
    X = rng.uniform(-1, 1, (rows, 2))
    return X, np.column_stack([np.sin(2 * X[:, 0]) * X[:, 1], np.cos(X[:, 0] + X[:, 1])])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("seed", range(3))
def test_a_sine_is_learned_to_eight_digits(seed, dtype):
    X = np.linspace(-1, 1, 200)[:, None]
    model = net(1, 16, 1, rng=seed, dtype=dtype)
    history = fit(model, X, np.sin(3 * X), epochs=250)
    assert history["loss"][-1] < 1e-8
    assert model.evaluate(X, np.sin(3 * X), loss=nn.MeanSquaredError())["loss"] < 1.1e-8
    assert history["loss"] == sorted(history["loss"], reverse=True)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_minimum_is_that_of_scipy_on_the_same_net(weighted, rng):
    X = rng.normal(size=(60, 2))
    model = net(2, 2, 2, dtype=np.float64)
    # Near what another net of this kind gives, so that there is a minimum nearby, and not one at infinity.
    y = model.predict(X) + 0.05 * rng.normal(size=(60, 2))
    weight = rng.uniform(0.5, 2.0, 60) if weighted else None
    shares = np.full(60, 1 / 60) if weight is None else weight / weight.sum()
    model.params.values += 0.1 * rng.normal(size=model.params.size)
    start, other = model.params.values.copy(), copy.deepcopy(model)
    optimizer = nn.LevenbergMarquardt(value_tolerance=0.0, gradient_tolerance=1e-11)
    history = fit(model, X, y, weight=weight, epochs=500, optimizer=optimizer)

    def residuals(values):
        other.params.values[...] = values
        return (np.sqrt(shares / 2)[:, None] * (other.predict(X) - y)).ravel()

    theirs = least_squares(residuals, start, xtol=1e-15, ftol=1e-15, gtol=1e-11)
    assert history["loss"][-1] == pytest.approx(2 * theirs.cost, rel=1e-10)
    np.testing.assert_allclose(model.params.values, theirs.x, atol=1e-5)
    assert history.stop_reason.startswith("converged")
    loss = model.evaluate(X, y, loss=nn.MeanSquaredError(), weight=weight)["loss"]
    assert loss == pytest.approx(history["loss"][-1], rel=1e-12)


def test_it_trains_like_the_others_and_says_why_it_ended(rng):
    X, y = surface(rng)
    model = net(2, 6, 2, dtype=np.float64)
    history = fit(model, X, y, epochs=4, validation=(X, y), metrics=[nn.r2])
    assert history["epoch"] == [1, 2, 3, 4]
    assert history.stop_reason == "all 4 epochs done"
    assert history["loss"] == pytest.approx(history["validation_loss"], rel=1e-9)
    assert history["r2"] == sorted(history["r2"])
    assert history["learning_rate"] == [None] * 4
    json.dumps(history.to_dict())
    assert repr(nn.LevenbergMarquardt()) == "LevenbergMarquardt(damping=0.001)"


def test_batches_and_streams_give_the_same_steps(rng):
    X, y = surface(rng)
    weight = rng.uniform(0.5, 2, 40)
    whole, parts, stream = (net(2, 5, 2, dtype=np.float64) for _ in range(3))
    fit(whole, X, y, weight=weight, epochs=8)
    fit(parts, X, y, weight=weight, epochs=8, batch_size=7)
    fit(stream, nn.batches(X, y, weight, batch_size=13, rng=0), None, epochs=8)  # in a new order every time
    np.testing.assert_allclose(parts.params.values, whole.params.values, rtol=1e-6)
    np.testing.assert_allclose(stream.params.values, whole.params.values, rtol=1e-6)


def test_a_stream_may_use_one_array_again_and_again(rng):
    X, y = surface(rng)

    class Reused:
        def __iter__(self):
            x_batch, y_batch = np.empty((20, 2)), np.empty((20, 2))
            for start in (0, 20):
                x_batch[...], y_batch[...] = X[start : start + 20], y[start : start + 20]
                yield x_batch, y_batch

    whole, stream = (net(2, 5, 2, dtype=np.float64) for _ in range(2))
    fit(whole, X, y, epochs=3)
    fit(stream, Reused(), None, epochs=3)
    np.testing.assert_allclose(stream.params.values, whole.params.values, rtol=1e-6)


def test_a_weight_of_two_is_the_row_twice(rng):
    X, y = surface(rng)
    weight = np.tile([0.0, 1.0, 2.0, 1.0], 10)
    one, two = (net(2, 5, 2, dtype=np.float64) for _ in range(2))
    fit(one, X, y, weight=weight, epochs=8)
    times = weight.astype(int)
    fit(two, np.repeat(X, times, axis=0), np.repeat(y, times, axis=0), epochs=8)
    np.testing.assert_allclose(one.params.values, two.params.values, rtol=1e-6)


def test_frozen_layers_stay(rng):
    X, y = surface(rng)
    model = net(2, 5, 2)
    model[0].freeze("W")
    model[2].freeze("b")
    W, b, kept = model[0].W.copy(), model[2].b.copy(), model[2].W.copy()
    fit(model, X, y)
    np.testing.assert_array_equal(model[0].W, W)
    np.testing.assert_array_equal(model[2].b, b)
    assert (kept != model[2].W).all()


def test_callbacks_end_it_and_a_second_fit_goes_on(rng):
    X, y = surface(rng)

    class StopAtThree(nn.Callback):
        def on_epoch_end(self, state):
            if state.epoch == 3:
                state.stop("three is enough")

    model = net(2, 6, 2)
    history = fit(model, X, y, callbacks=[StopAtThree()])
    assert len(history) == 3
    assert history.stop_reason == "three is enough"
    assert fit(model, X, y, epochs=1)["loss"][0] < history["loss"][-1]


def test_ctrl_c_ends_it_after_the_iteration(rng):
    X, y = surface(rng)

    class Press(nn.Callback):
        def on_epoch_end(self, state):
            if state.epoch == 2:
                signal.raise_signal(signal.SIGINT)

    with pytest.warns(UserWarning, match="Ctrl-C"):
        history = fit(net(2, 6, 2), X, y, callbacks=[Press()])
    assert len(history) == 2
    assert history.interrupted


def test_at_the_minimum_there_is_still_a_row(rng):
    X = rng.normal(size=(20, 1))
    model = nn.Sequential([nn.Dense(1, 1)], rng=0, dtype=np.float64)
    model[0].W[...] = 2
    history = fit(model, X, 2 * X)
    assert history["loss"] == [0.0]
    assert history.stop_reason.startswith("converged: no gradient")


def test_the_same_seed_gives_the_same_bits(rng):
    X, y = surface(rng)
    models = [net(2, 6, 2) for _ in range(2)]
    for model in models:
        fit(model, X, y, validation=0.25)
    np.testing.assert_array_equal(models[0].params.values, models[1].params.values)


class HalfSquares(nn.MeanSquaredError):
    def pointwise(self, pred, target):
        gap = pred - target
        return 0.5 * gap * gap, gap


def refused(model, X, y, message, **options):
    before = model.params.values.copy()
    with pytest.raises(ArgumentError, match=message):
        fit(model, X, y, **options)
    np.testing.assert_array_equal(model.params.values, before)


def test_what_it_refuses(rng, monkeypatch):
    X, y = surface(rng)
    for loss in (nn.Huber(), HalfSquares()):
        refused(
            net(2, 5, 2), X, y, rf"takes any loss, for {type(loss).__name__}\(.*, got LevenbergM", loss=loss
        )
    refused(net(2, 5, 2, replicas=2), X, y, "for replicas, got LevenbergMarquardt. Use SGD or Adam")
    noisy = nn.Sequential([nn.Dense(2, 5), nn.Dropout(0.5), nn.Dense(5, 2)], rng=0)
    refused(noisy, X, y, r"a model with Dropout\(0\.5\), got LevenbergMarquardt")
    # 40 rows of 2 outputs, and 27 parameters.
    monkeypatch.setattr(second_order, "LARGEST_JACOBIAN", 80 * 27 * 8 - 1)
    refused(
        net(2, 5, 2), X, y, r"got 80 residuals x 27 parameters, .* Use LBFGS or Adam for a net of this size"
    )
    monkeypatch.setattr(second_order, "LARGEST_JACOBIAN", 80 * 27 * 8)
    fit(net(2, 5, 2), X, y, epochs=1)
    monkeypatch.setattr(second_order, "LARGEST_WORK", 80 * 27**2)
    refused(net(2, 5, 2), X, y, r"and 6\.5e\+04 multiplications\.")


def test_a_net_for_images_is_refused_before_its_jacobian_is_made():
    X, y = np.zeros((1000, 784), np.float32), np.zeros((1000, 10), np.float32)
    refused(net(784, 128, 10), X, y, r"10,000 residuals x 101,770 parameters, which make 7\.6 GiB")


@pytest.mark.nonfinite
def test_data_that_overflow_end_it_with_the_weights_as_they_were():
    X, y = np.full((5, 1), 1e300), np.ones((5, 1))
    model = nn.Sequential([nn.Dense(1, 1)], rng=0, dtype=np.float64)
    model[0].W[...] = 1e20
    before = model.params.values.copy()
    with pytest.raises(DivergenceError, match=r"epoch 1, batch 1: .*The weights are unchanged\."):
        fit(model, X, y)
    np.testing.assert_array_equal(model.params.values, before)


def test_a_layer_that_does_not_keep_examples_apart_is_named(rng):
    class Mixing(nn.Layer):
        def forward(self, x, ctx=None):
            return x

        def backward(self, dy, ctx):
            return dy - dy.mean(axis=0)

    X, y = surface(rng)
    model = nn.Sequential([nn.Dense(2, 4), Mixing(), nn.Dense(4, 2)], rng=0)
    refused(model, X, y, r"layer 1 Mixing\(\)\.backward: .* got dL/dx with the blame of one example")


@pytest.mark.parametrize("scale", [1e160, 1e-170], ids=["overflow", "underflow"])
def test_numbers_whose_squares_leave_the_range_end_the_search(scale):
    x = np.linspace(-1, 1, 20)[:, None] * scale
    model = nn.Sequential([nn.Dense(1, 1)], dtype=np.float64, rng=0)
    optimizer = nn.LevenbergMarquardt(gradient_tolerance=0)
    before = model.params.values.copy()
    if scale > 1:
        with pytest.raises(ArgumentError, match=r"finite squares.*Bring inputs and targets"):
            model.fit(x, x / scale, loss=nn.MeanSquaredError(), optimizer=optimizer, epochs=5)
        np.testing.assert_array_equal(model.params.values, before)
    else:
        model[0].freeze("b")
        history = model.fit(x, x / scale, loss=nn.MeanSquaredError(), optimizer=optimizer, epochs=5)
        assert history.stop_reason.startswith("converged: the squares of all derivatives are 0")


def test_residuals_that_are_no_numbers_are_an_error():
    params = Parameters([ParameterSpec("W", (1,))], dtype=np.float64)
    with pytest.raises(ArgumentError, match="finite squares, got sums of nan"):
        nn.LevenbergMarquardt().minimize(
            params, lambda v, j: (np.array([np.nan]), np.eye(1)), max_iterations=3
        )
