"""The guards of conftest.py: each lets a good test pass and fails a bad one."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
import numpy as np
import pytest

def test_good(rng):
    assert rng.random() == np.random.default_rng(0).random()

def test_overflow():
    np.exp(np.float32([1000.0]))

@pytest.mark.nonfinite
def test_overflow_on_purpose():
    assert np.isinf(np.exp(np.float32([1000.0]))).all()

def test_global_draw():
    np.random.random()

def test_skipped():
    pytest.importorskip("no_such_package")
"""


@pytest.mark.parametrize(("required", "skipped"), [("0", "SKIPPED"), ("1", "FAILED")])
def test_guards(required, skipped, tmp_path):
    here = Path(__file__).parent
    shutil.copy(here / "conftest.py", tmp_path)
    shutil.copy(here.parent / "pyproject.toml", tmp_path)
    tmp_path.joinpath("test_guarded.py").write_text(TESTS, encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-v", "--color=no", "-p", "no:cacheprovider", "test_guarded.py"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "NNLITE_REQUIRE_PARITY": required},
        check=False,
    )
    outcomes = re.findall(r"^test_guarded\.py::(\w+) (\w+)", run.stdout, flags=re.MULTILINE)
    assert outcomes == [
        ("test_good", "PASSED"),
        ("test_overflow", "FAILED"),
        ("test_overflow_on_purpose", "PASSED"),
        ("test_global_draw", "PASSED"),  # the test itself; what follows it fails
        ("test_global_draw", "ERROR"),
        ("test_skipped", skipped),
    ], run.stdout + run.stderr
