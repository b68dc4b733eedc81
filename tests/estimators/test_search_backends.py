"""Searches over parameters of the estimators in worker processes: the same scores, few BLAS threads."""

from __future__ import annotations

import contextlib
import os
import signal

import numpy as np
import pytest

joblib = pytest.importorskip("joblib")
pytest.importorskip("sklearn")
threadpoolctl = pytest.importorskip("threadpoolctl")

from estimator_data import estimator_data  # noqa: E402
from sklearn.base import clone  # noqa: E402
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, cross_validate  # noqa: E402

from nnlite.sklearn import MLPClassifier, MLPRegressor  # noqa: E402

pytestmark = [
    pytest.mark.engines,
    pytest.mark.filterwarnings("ignore:Stochastic Optimizer:sklearn.exceptions.ConvergenceWarning"),
    # The engines' own: sockets and processes that are closed a moment after the cluster is.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def without_times(results):
    return {name: np.asarray(values) for name, values in results.items() if "time" not in name}


def assert_same(found, expected):
    found, expected = without_times(found), without_times(expected)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        assert found[name].tolist() == values.tolist(), name


class TestSameScores:
    def test_grid_of_classifiers(self, engine):
        data = estimator_data()
        grid = {"hidden_layer_sizes": [(4,), (8,)], "learning_rate_init": [0.003, 0.03]}
        net = MLPClassifier(max_iter=15, tol=0, n_iter_no_change=np.inf, random_state=0)
        expected = GridSearchCV(net, grid, cv=3).fit(data.iris, data.species)
        assert len(set(expected.cv_results_["mean_test_score"])) > 1
        for workers in (1, 2):
            with joblib.parallel_config(backend=engine):
                found = GridSearchCV(net, grid, cv=3, n_jobs=workers).fit(data.iris, data.species)
            assert found.best_params_ == expected.best_params_
            assert_same(found.cv_results_, expected.cv_results_)
            for ours, theirs in zip(
                found.best_estimator_.coefs_, expected.best_estimator_.coefs_, strict=True
            ):
                assert ours.tobytes() == theirs.tobytes()

    def test_random_search_of_regressors(self, engine):
        data = estimator_data()
        choices = {"alpha": [1e-5, 1e-3, 0.1], "activation": ["tanh", "relu"], "dropout": [0.0, 0.2]}
        net = MLPRegressor(hidden_layer_sizes=(6,), max_iter=10, tol=0, random_state=1, scale_inputs=True)
        options = {"n_iter": 4, "random_state": 0, "cv": 2}
        expected = RandomizedSearchCV(net, choices, **options).fit(data.X, data.y)
        with joblib.parallel_config(backend=engine):
            found = RandomizedSearchCV(net, choices, n_jobs=2, **options).fit(data.X, data.y)
        assert found.best_params_ == expected.best_params_
        assert_same(found.cv_results_, expected.cv_results_)

    def test_cross_validation_with_early_stopping(self, engine):
        """And each worker has its share of the threads, which the engines see to by themselves."""
        data, here = estimator_data(), os.getpid()

        def threads(estimator, X, y):
            import threadpoolctl

            return max(pool["num_threads"] for pool in threadpoolctl.threadpool_info())

        def elsewhere(estimator, X, y):
            return os.getpid() != here

        def accuracy(estimator, X, y):
            return estimator.score(X, y)

        scoring = {"accuracy": accuracy, "threads": threads, "elsewhere": elsewhere}
        net = MLPClassifier((10,), early_stopping=True, max_iter=20, random_state=2)
        options = {"cv": 4, "scoring": scoring, "return_train_score": True}
        expected = cross_validate(net, data.X, data.binary, **options)
        with joblib.parallel_config(backend=engine):
            found = cross_validate(net, data.X, data.binary, n_jobs=2, **options)
        for part in ("test", "train"):
            assert found[f"{part}_accuracy"].tolist() == expected[f"{part}_accuracy"].tolist()
        assert found["test_elsewhere"].all()
        share = max(1, joblib.cpu_count() // 2) if engine == "loky" else 1
        # It may be less if OMP_NUM_THREADS says so to who runs the tests.
        assert found["test_threads"].max() <= share


@pytest.mark.parametrize("name", ["dask", pytest.param("ray", marks=pytest.mark.thorough)])
def test_a_worker_that_is_killed_loses_nothing(name, request, tmp_path):
    """Dask and ray begin its work anew, with these settings; loky does not."""
    request.getfixturevalue(name)
    data, marker = estimator_data(), tmp_path / "killed"
    settings = {
        "dask": {"scatter": [data.iris, data.species]},  # a copy on every worker, not on one
        "ray": {"ray_remote_args": {"max_restarts": 3, "max_task_retries": 3}},
    }[name]

    def score(estimator, X, y):
        if os.getpid() != here and estimator.alpha == 0.1:
            with contextlib.suppress(FileExistsError):
                marker.touch(exist_ok=False)
                os.kill(os.getpid(), signal.SIGKILL)
        return estimator.score(X, y)

    here = os.getpid()
    search = GridSearchCV(
        MLPClassifier((4,), max_iter=5, random_state=0), {"alpha": [0.001, 0.1]}, cv=2, scoring=score
    )
    expected = clone(search).fit(data.iris, data.species)
    with joblib.parallel_config(backend=name, **settings):
        found = clone(search).set_params(n_jobs=2).fit(data.iris, data.species)
    assert marker.exists()
    assert_same(found.cv_results_, expected.cv_results_)


@pytest.mark.parametrize("name", ["loky", "dask"])
def test_errors_come_back(name, request):
    if name == "dask":
        request.getfixturevalue(name)
    data = estimator_data()
    net = MLPClassifier((4,), dropout=1.5, max_iter=3)
    with (
        joblib.parallel_config(backend=name),
        pytest.raises(ValueError, match="The 'dropout' parameter of"),
    ):
        cross_validate(net, data.iris, data.species, n_jobs=2, error_score="raise")
