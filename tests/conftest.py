"""What every test gets: trapped floating-point errors, a watched global random state, fixed examples.

Where NNLITE_REQUIRE_PARITY=1, a skipped test is a failed test. Without PyTorch and scikit-learn the
comparisons with them skip, which is right on a user's machine and wrong in CI, where green must mean
that each was made. What is marked `thorough` takes long and runs where NNLITE_THOROUGH=1, as in .ci/run.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Generator, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

# The same examples on every run and every machine, and no time limit that a slow machine could miss.
settings.register_profile("nnlite", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("nnlite")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what takes long, unless it is asked for."""
    if os.environ.get("NNLITE_THOROUGH") == "1":
        return
    for item in items:
        if item.get_closest_marker("thorough"):
            item.add_marker(pytest.mark.skip(reason="takes long; NNLITE_THOROUGH=1 asks for it"))


@pytest.fixture(autouse=True)
def trapped_floating_point(request: pytest.FixtureRequest) -> Iterator[None]:
    """Make overflow, division by zero and invalid values errors, unless the test is marked `nonfinite`."""
    action = "ignore" if request.node.get_closest_marker("nonfinite") else "raise"
    with np.errstate(divide=action, over=action, invalid=action):
        yield


@pytest.fixture(autouse=True)
def untouched_global_random_state() -> Iterator[None]:
    """Fail a test that reads from or writes to NumPy's global random state."""
    before = _global_random_state()
    yield
    if _global_random_state() != before:
        pytest.fail("the test, or the code it ran, used NumPy's global random state")


def _global_random_state() -> bytes:
    return pickle.dumps(np.random.get_state(legacy=False))  # noqa: NPY002 - the legacy state is what is watched


@pytest.fixture
def rng() -> np.random.Generator:
    """Give every test the same seeded generator."""
    return np.random.default_rng(0)


# Engines of sweeps and searches, with two worker processes each, for the tests of one file.


@pytest.fixture(scope="module")
def dask() -> Iterator[Any]:
    """Start two workers of dask; gives the client."""
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    """Start two workers of ray, which joblib can use too."""
    ray = pytest.importorskip("ray")
    from ray.util.joblib import register_ray

    register_ray()
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
        object_store_memory=100 * 2**20,
    )
    yield ray
    ray.shutdown()


@pytest.fixture(params=["loky", "dask", pytest.param("ray", marks=pytest.mark.thorough)])
def engine(request: pytest.FixtureRequest) -> str:
    """Start each engine when it is first asked for; gives its name."""
    name: str = request.param
    if name != "loky":
        request.getfixturevalue(name)
    return name


@pytest.fixture
def one_blas_thread() -> Iterator[None]:
    """Compute as workers do: the number of threads of the BLAS decides about the last bits."""
    threadpoolctl = pytest.importorskip("threadpoolctl")
    with threadpoolctl.threadpool_limits(1):
        yield


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """See a whole module that is skipped."""
    return _without_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """See a single test that is skipped."""
    return _without_skip((yield))


def _without_skip(report):
    if report.skipped and os.environ.get("NNLITE_REQUIRE_PARITY") == "1":
        report.outcome = "failed"
        report.longrepr = f"skipped, but NNLITE_REQUIRE_PARITY=1 allows no skip: {report.longrepr}"
    return report
