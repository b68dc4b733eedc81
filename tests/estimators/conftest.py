"""What all tests of the estimators are given."""

import pytest
from estimator_data import estimator_data


@pytest.fixture(scope="module")
def data():
    return estimator_data()
