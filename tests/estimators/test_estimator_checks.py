"""scikit-learn's own checks of estimators, all of them; none is expected to fail."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("sklearn", minversion="1.9")

from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

from nnlite.sklearn import MLPClassifier, MLPRegressor, ScaleWarning

# What the checks themselves warn of, and what they let overflow, is not ours.
pytestmark = [pytest.mark.nonfinite, pytest.mark.filterwarnings("ignore")]

#: Asks only estimators with a decision_function, which scikit-learn's own do not have either.
FOR_OTHERS = "check_classifiers_multilabel_output_format_decision_function"
#: Runs only if an environment variable is there before SciPy is imported: see the test of its own.
ARRAY_API = "check_array_api_input"


@pytest.fixture(autouse=True)
def untouched_global_random_state():
    """Let the checks draw from NumPy's global random state, as scikit-learn does."""


@parametrize_with_checks([MLPClassifier(), MLPRegressor()])
def test_check(estimator, check, recwarn):
    if check.func.__name__ not in (FOR_OTHERS, ARRAY_API):
        check(estimator)
    # None of their data is so badly scaled that one must say so.
    assert [one for one in recwarn if issubclass(one.category, ScaleWarning)] == []


RUN = f"""
import warnings
warnings.simplefilter("ignore")
from sklearn.utils.estimator_checks import estimator_checks_generator
from nnlite.sklearn import MLPClassifier, MLPRegressor
for kind in (MLPClassifier, MLPRegressor):
    for estimator, check in estimator_checks_generator(kind()):
        if check.func.__name__ == {ARRAY_API!r}:
            check(estimator)
            print("passed")
"""


def test_check_array_api_input():
    pytest.importorskip("array_api_strict")
    run = subprocess.run(
        [sys.executable, "-c", RUN],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"SCIPY_ARRAY_API": "1"},
        cwd=Path(__file__).parents[2],
    )
    assert (run.stdout.split(), run.stderr) == (["passed"] * 2, "")


def test_all_of_them_are_there():
    for kind, least in ((MLPClassifier, 60), (MLPRegressor, 54)):
        names = [check.func.__name__ for _, check in estimator_checks_generator(kind())]
        assert len(names) >= least
        assert ARRAY_API in names
