"""Calibration: temperatures against a search, coverage against counting."""

import warnings

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_softmax, softmax

from nnlite.errors import ArgumentError, ArgumentTypeError, ShapeError
from nnlite.training.calibration import COLDEST, HOTTEST, conformal_radius, fit_temperature


@pytest.mark.parametrize("true", [0.4, 1.0, 3.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_temperature_of_made_data_is_found(true, weighted, rng):
    logits = rng.normal(size=(4000, 4)) * 3
    y = np.array([rng.choice(4, p=p) for p in softmax(logits / true, axis=1)])
    weight = rng.integers(0, 3, size=4000) if weighted else None
    found = fit_temperature(logits, y, weight=weight)
    assert found == pytest.approx(true, rel=0.1)
    share = np.ones(4000) if weight is None else weight

    def cross_entropy(log_t):
        return -share @ log_softmax(logits / np.exp(log_t), axis=1)[np.arange(4000), y]

    best = minimize_scalar(cross_entropy, bounds=(-3, 3), method="bounded", options={"xatol": 1e-10})
    assert found == pytest.approx(np.exp(best.x), rel=1e-5)


def test_one_logit_for_two_classes_and_questions_of_their_own(rng):
    logits = rng.normal(size=(3000, 2)) * 4
    y = (rng.random((3000, 2)) < expit(logits / 2)).astype(int)
    assert fit_temperature(logits, y) == pytest.approx(2, rel=0.1)
    one = fit_temperature(logits[:, :1], y[:, 0])
    two = fit_temperature(np.c_[np.zeros(3000), logits[:, 0]], y[:, 0])
    assert one == fit_temperature(logits[:, :1], y[:, :1])
    assert one == pytest.approx(two, rel=1e-9)


def test_it_ends_at_its_limits(rng):
    assert fit_temperature(np.eye(3), [1, 2, 0]) == HOTTEST  # always wrong
    faint = 1e-4 * np.eye(2)[[0, 0, 0, 0, 1]]
    assert fit_temperature(faint, [0, 0, 0, 1, 1]) == COLDEST


@pytest.mark.parametrize("kind", ["classes", "one output", "questions"])
def test_rows_that_are_all_right_leave_a_chance_of_being_wrong(kind, rng):
    """One row in n + 2, as the mean over all of them has it; a net that is surer stays as it is."""
    ids = rng.integers(0, 3, 200)
    logits, y = {
        "classes": (np.eye(3)[ids], ids),
        "one output": (np.where(ids > 0, 1.0, -1.0)[:, None], (ids > 0).astype(int)),
        "questions": (2.0 * np.eye(3)[ids] - 1, np.eye(3)[ids]),
    }[kind]
    with pytest.warns(UserWarning, match=r"fit_temperature: all of the 200 rows are right.*one in 202 wrong"):
        temperature = fit_temperature(logits, y)
    if kind == "classes":
        right = softmax(logits / temperature, axis=1)[np.arange(200), ids]
    else:
        right = expit(np.abs(logits) / temperature)
    assert right.mean() == pytest.approx(201 / 202, rel=1e-6)
    with pytest.warns(UserWarning, match="all of the"):
        assert fit_temperature(100 * logits, y) == 1.0
    with pytest.warns(UserWarning, match="all of the"):
        assert fit_temperature([*logits, logits[0]], [*y, y[0]]) == pytest.approx(
            _silently(logits, y, weight=[2.0] + [1.0] * 199)
        )


def test_rows_of_weight_0_are_none(rng):
    logits, y = 3 * rng.normal(size=(60, 3)), rng.integers(0, 3, 60)
    weight = rng.uniform(0.5, 2, 60)
    alone = fit_temperature(logits, y, weight=weight)
    more = np.vstack([logits, np.full((2, 3), np.nan)])
    assert fit_temperature(more, [*y, 0, 1], weight=[*weight, 0, 0]) == alone


def _silently(*args, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fit_temperature(*args, **options)


@pytest.mark.parametrize(
    ("logits", "y", "error"),
    [
        ([1.0, 2.0], [0, 1], ShapeError),
        (np.zeros((0, 2)), [], ShapeError),
        ([[np.nan, 0.0]], [0], ArgumentError),
        ([[1.0, 0.0]], [2], ArgumentError),
        ([[1.0, 0.0]], [-1], ArgumentError),
        ([[1.0, 0.0]], [0.5], ArgumentError),
        ([[1.0, 0.0]], [0, 1], ShapeError),
        ([[1.0, 0.0]], [[0, 2]], ArgumentError),
        ([["a", "b"]], [0], ArgumentTypeError),
    ],
)
def test_bad_logits_and_classes(logits, y, error):
    with pytest.raises(error, match=r"fit_temperature\("):
        fit_temperature(logits, y)


@pytest.mark.parametrize("rows", [19, 20, 99, 250])
@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.95])
def test_coverage_is_what_was_asked(rows, coverage):
    # The rank of a new error among the old ones is uniform, so the share of orders is exact.
    errors = np.arange(1.0, rows + 1)
    radius = conformal_radius(-errors, coverage)
    held = np.sum(errors <= radius) / (rows + 1)
    assert coverage - 1e-9 <= held < coverage + 1 / (rows + 1)


def test_coverage_on_drawn_data(rng):
    held = [
        np.mean(np.abs(rng.standard_cauchy(200)) <= conformal_radius(rng.standard_cauchy(50), 0.9))
        for _ in range(400)
    ]
    assert np.mean(held) == pytest.approx(0.9, abs=0.015)


def test_each_output_has_its_own_radius(rng):
    errors = rng.normal(size=(100, 2)) * [1, 10]
    np.testing.assert_array_equal(
        conformal_radius(errors, 0.9),
        [conformal_radius(errors[:, 0], 0.9), conformal_radius(errors[:, 1], 0.9)],
    )


def test_too_few_rows_are_refused_and_enough_are_named():
    with pytest.raises(
        ArgumentError, match=r"at most 0.9, which 9 rows can vouch for, got 0.95. Give at least 19"
    ):
        conformal_radius(np.ones(9), 0.95)
    assert conformal_radius(np.ones(19), 0.95) == 1


@pytest.mark.parametrize(
    ("errors", "coverage", "error"),
    [
        ([1.0], 0.0, ArgumentError),
        ([1.0], 1.0, ArgumentError),
        ([1.0], "0.5", ArgumentTypeError),
        ([np.inf], 0.5, ArgumentError),
        (np.zeros((2, 2, 2)), 0.5, ShapeError),
        ([], 0.5, ArgumentError),
    ],
)
def test_bad_errors_and_coverage(errors, coverage, error):
    with pytest.raises(error):
        conformal_radius(errors, coverage)
