"""Rows of a series, forecasts, and sequences of different lengths."""

from __future__ import annotations

import re

import numpy as np
import pytest

import nnlite as nn
from nnlite.errors import ArgumentError, ArgumentTypeError, ShapeError


@pytest.mark.parametrize("horizon", [1, 3])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("targets", [None, 1, [2, 0]])
def test_windows_hold_what_was_known_and_what_came_next(horizon, stride, targets, rng):
    series = rng.normal(size=(20, 3))
    X, y = nn.windows(series, 5, horizon=horizon, stride=stride, targets=targets)
    columns = [0, 1, 2] if targets is None else np.atleast_1d(targets)
    starts = range(0, 20 - 5 - horizon + 1, stride)
    assert len(X) == len(y) == len(starts)
    for row, start in enumerate(starts):
        np.testing.assert_array_equal(X[row], series[start : start + 5])
        behind = series[start + 5 : start + 5 + horizon][:, columns]
        np.testing.assert_array_equal(y[row], behind.ravel())


def test_no_number_of_a_row_is_of_the_time_of_its_targets_or_later():
    time = np.arange(30.0)
    X, y = nn.windows(time, 7, horizon=4)
    assert (X.max(axis=(1, 2)) < y.min(axis=1)).all()
    assert y.max() == 29  # and the last step is told


def test_windows_of_several_series_do_not_reach_over_the_border(rng):
    a, b = rng.normal(size=(9, 2)), rng.normal(size=(6, 2))
    X, y = nn.windows([a, b], 4)
    parts = [nn.windows(one, 4) for one in (a, b)]
    np.testing.assert_array_equal(X, np.concatenate([part[0] for part in parts]))
    np.testing.assert_array_equal(y, np.concatenate([part[1] for part in parts]))


def test_windows_of_one_series_take_no_memory_of_their_own():
    series = np.arange(1000.0)
    X, _ = nn.windows(series, 100)
    assert np.shares_memory(X, series)
    with pytest.raises(ValueError, match="read-only"):
        X[0, 0, 0] = 1


class NextBySums(nn.Layer):
    """Tells that the next step is the sum of the last two."""

    def __init__(self, steps, features=1):
        self.steps, self.features = steps, features

    @property
    def input_shape(self):
        return (self.steps, self.features)

    def output_shape(self, input_shape):
        return (self.features,)

    def forward(self, x, ctx=None):
        return x[..., -1, :] + x[..., -2, :]


def test_a_forecast_goes_on_from_its_own_answers():
    model = nn.Sequential([NextBySums(3)], dtype=np.float64)
    np.testing.assert_array_equal(nn.forecast(model, [9, 1, 1, 1], 5), [2, 3, 5, 8, 13])
    two = nn.Sequential([NextBySums(3, 2)], dtype=np.float64)
    series = np.array([[1, 1], [1, 0], [1, 2]])
    np.testing.assert_array_equal(nn.forecast(two, series, 3), [[2, 2], [3, 4], [5, 6]])
    many = nn.forecast(two, np.stack([series, 10 * series]), 3)
    np.testing.assert_array_equal(many[1], 10 * many[0])


@pytest.mark.parametrize("steps", [1, 2, 3, 5])
def test_a_net_of_a_horizon_tells_several_steps_at_once(steps):
    model = nn.Sequential([nn.Dense(2, 2, bias=False)], dtype=np.float64)
    model[0].W[...] = [[-1, -2], [2, 3]]  # a straight line goes on: one step, two steps
    np.testing.assert_array_equal(nn.forecast(model, [5, 1.0, 2.0], steps), np.arange(3, 3 + steps))


def test_each_replica_goes_on_from_its_own_answers(rng):
    model = nn.Sequential([nn.Dense(4, 1)], replicas=3, rng=0, dtype=np.float64)
    found = nn.forecast(model, rng.normal(size=6), 5)
    rng = np.random.default_rng(0)
    assert found.shape == (3, 5)
    series = np.random.default_rng(7).normal(size=6)
    every = nn.forecast(model, series, 5)
    for index in range(3):
        np.testing.assert_allclose(every[index], nn.forecast(model.replica(index), series, 5), rtol=1e-12)


def test_a_net_learns_to_go_on_with_a_sine():
    time = np.arange(300)
    series = np.sin(0.3 * time)
    X, y = nn.windows(series[:200], 12)
    model = nn.Sequential([nn.Flatten((12, 1)), nn.Dense(12, 1)], dtype=np.float64, rng=0)
    model.fit(X, y, loss=nn.MeanSquaredError(), optimizer=nn.LBFGS(), epochs=60)
    np.testing.assert_allclose(nn.forecast(model, series[:200], 100), series[200:], atol=1e-3)


def test_sequences_are_padded_behind_their_ends():
    found = nn.pad_sequences([[[1.0, 2.0]], [[3.0, 4.0], [0.0, 1.0]], []], length=3, value=0.0)
    np.testing.assert_array_equal(found[0], [[1, 2], [0, 0], [0, 0]])
    np.testing.assert_array_equal(found[1], [[3, 4], [0, 1], [0, 0]])
    np.testing.assert_array_equal(found[2], np.zeros((3, 2)))
    assert nn.pad_sequences([[4, 5], [6]]).dtype.kind == "i"
    np.testing.assert_array_equal(nn.pad_sequences([[1, 2, 3]], length=2, keep="first"), [[1, 2]])
    np.testing.assert_array_equal(nn.pad_sequences([[1, 2, 3]], length=2, keep="last"), [[2, 3]])


SERIES = np.arange(12.0)


def test_columns_of_a_frame_are_told_by_their_names():
    frame_of = pytest.importorskip("pandas").DataFrame
    table = frame_of({"a": [1.0, 2.0, 3.0, 4.0], "b": [5.0, 6.0, 7.0, 8.0]})
    with pytest.raises(ArgumentError, match="expected one of a, b, got 'c'"):
        nn.windows(table, 2, targets="c")
    for targets, numbers in [("b", 1), (["b", "a"], [1, 0])]:
        for frame in (table, [table, table]):
            for found, expected in zip(
                nn.windows(frame, 2, targets=targets), nn.windows(frame, 2, targets=numbers), strict=True
            ):
                np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.windows(SERIES, 12), ShapeError, "expected at least 13 steps, 12 to look"),
        (lambda: nn.windows(SERIES, 0), ArgumentError, "windows(steps): expected"),
        (lambda: nn.windows(np.zeros((3, 4, 5)), 2), ShapeError, "shape (time,) or (time, features)"),
        (lambda: nn.windows(SERIES, 2, targets=1), ArgumentError, "columns from 0 to 0, got 1"),
        (lambda: nn.windows(SERIES, 2, targets=[0, 0]), ArgumentError, "different columns"),
        (lambda: nn.windows(SERIES, 2, targets=[]), ArgumentError, "different columns"),
        (
            lambda: nn.windows([SERIES, np.zeros((9, 2))], 2),
            ShapeError,
            "windows(series), series 1: expected 1 columns, as the first has, got 2.",
        ),
        (lambda: nn.windows(SERIES, 2, targets="a"), ArgumentError, "Names are those of a frame"),
        (lambda: nn.pad_sequences([[1.0, np.nan], [3]]), ArgumentError, "sequence 0: expected finite"),
        (lambda: nn.pad_sequences([[3.0], [np.inf]]), ArgumentError, "sequence 1: expected finite numbers"),
        (lambda: nn.windows(["a", "b"], 1), ArgumentTypeError, "windows(series)"),
        (lambda: nn.windows([[[1, 2], [3]]], 1), ShapeError, "windows(series), series 0: expected rows"),
        (lambda: nn.windows(SERIES, 2, targets=np.array(1)), ArgumentError, "columns from 0 to 0, got"),
        (lambda: nn.pad_sequences([[[1, 2], [3]]]), ShapeError, "sequence 0: expected rows of one length"),
        (lambda: nn.pad_sequences([np.ones((2, 2, 2))]), ShapeError, "steps that are numbers, or rows"),
        (lambda: nn.pad_sequences([[1]], value="0"), ArgumentTypeError, "pad_sequences(value=): expected"),
        (lambda: nn.pad_sequences([[1]], value=np.nan), ArgumentError, "pad_sequences(value=): expected"),
        (lambda: nn.pad_sequences([[1]], value=1e30), ArgumentError, "one that int64 holds, beside whole"),
        (lambda: nn.pad_sequences([np.ones(2, "u1")], value=-1), ArgumentError, "one that uint8 holds"),
        (lambda: nn.pad_sequences([np.ones(2, "f4")], value=1e300), ArgumentError, "number of float32"),
        (lambda: nn.pad_sequences([[1]], keep=np.ones(2)), ArgumentError, '"first" or "last", got'),
        (lambda: nn.pad_sequences([[1, 2], [3]], length=1), ArgumentError, "at most 1 steps, got 2"),
        (lambda: nn.pad_sequences([[1, 0]]), ArgumentError, "a last step that is not all 0.0"),
        (lambda: nn.pad_sequences([]), ShapeError, "expected sequences with steps, got none"),
        (lambda: nn.pad_sequences([[]]), ShapeError, "expected sequences with steps, got none"),
        (lambda: nn.pad_sequences([[1], [[2, 3]]]), ShapeError, "sequence 1: expected steps of shape ()"),
        (lambda: nn.pad_sequences([[1]], value=0.5), ArgumentError, "a whole number beside whole numbers"),
        (lambda: nn.pad_sequences([[1]], keep="end"), ArgumentError, '"first" or "last", got'),
        (lambda: nn.pad_sequences(np.zeros((2, 3))), ArgumentTypeError, "expected a list, got ndarray"),
        (lambda: nn.forecast("net", SERIES, 2), ArgumentTypeError, "expected a Sequential"),
        (lambda: nn.forecast(nn.Sequential([nn.Dense(3, 1)]), SERIES, 0), ArgumentError, "forecast(steps)"),
        (lambda: nn.forecast(nn.Sequential([nn.Dense(13, 1)]), SERIES, 2), ShapeError, "at least 13 steps"),
        (
            lambda: nn.forecast(nn.Sequential([nn.Dense(4, 1)]), np.zeros((9, 2)), 2),
            ShapeError,
            "expected a net that gives all 2 features of a step, or of several, got outputs of shape (1,)",
        ),
        (lambda: nn.forecast(nn.Sequential([nn.Dense(3, 2)]), [[1, 2]] * 9, 2), ShapeError, "rows of some"),
        (lambda: nn.forecast(nn.Sequential([nn.Tanh()]), SERIES, 2), ShapeError, "got one of any"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(call, error, message):
    with pytest.raises(error, match=re.escape(message)):
        call()


@pytest.mark.nonfinite
def test_a_loop_that_runs_away_is_named():
    model = nn.Sequential([nn.Dense(1, 1, bias=False)], rng=0)
    model[0].W[...] = 1e20
    with pytest.raises(ArgumentError, match="finite, got one that is not, in step 2"):
        nn.forecast(model, [1.0], 5)
