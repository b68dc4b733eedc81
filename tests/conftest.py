"""What every test gets: trapped floating-point errors, a watched global random state, fixed examples."""

from __future__ import annotations

import pickle
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import settings

# The same examples on every run and every machine, and no time limit that a slow machine could miss.
settings.register_profile("nnlite", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("nnlite")


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
