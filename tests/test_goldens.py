"""What came of thirty sets of trainings is what came of them when `data/goldens.json` was written."""

from __future__ import annotations

import json

import pytest

from tests import goldens

KNOWN = json.loads(goldens.FILE.read_text(encoding="utf-8"))


def test_every_run_is_known() -> None:
    assert set(KNOWN["runs"]) == set(goldens.RUNS)


@pytest.mark.parametrize("name", goldens.RUNS)
def test_nothing_has_changed(name: str) -> None:
    if not goldens.can_run(name):
        pytest.skip(f"needs {', '.join(goldens.NEEDS[name])}")
    known, found = KNOWN["runs"][name], goldens.result_of(name)
    assert found["arrays"] == known["arrays"]
    assert found["sums"] == pytest.approx(known["sums"], rel=1e-3, abs=1e-6)
    if goldens.machine() == KNOWN["machine"]:  # elsewhere sums may be rounded otherwise
        assert found["bits"] == known["bits"]
