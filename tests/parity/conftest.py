"""Where NNLITE_REQUIRE_PARITY=1, a parity test that is skipped is a parity test that failed.

Without PyTorch the parity tests skip, which is right on a user's machine and wrong in CI, where
a green run must mean that every comparison was made.
"""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

REQUIRED = os.environ.get("NNLITE_REQUIRE_PARITY") == "1"

if REQUIRED:
    import torch  # noqa: F401 - a missing PyTorch must stop the run here


def _fail_if_skipped(report: pytest.CollectReport | pytest.TestReport) -> None:
    if REQUIRED and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"skipped, but NNLITE_REQUIRE_PARITY=1 allows no skip: {report.longrepr}"


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn the skip of a whole module into a failure."""
    report = yield
    _fail_if_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn the skip of one test into a failure."""
    report = yield
    _fail_if_skipped(report)
    return report
