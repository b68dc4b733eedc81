"""``fit(distributed=True, jit=True)``: several ranks train through NumPy; one alone is compiled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.ranks.mpi import needs_mpi, run
from tests.ranks.test_equal import check_close, check_same_everywhere

pytest.importorskip("numba")

pytestmark = needs_mpi


def test_several_ranks_train_through_numpy(tmp_path: Path) -> None:
    found, _ = run(2, "compiled", tmp_path)
    expected = {"plain": "several processes", "pieces": "several processes", "full": "LBFGS has no kernel"}
    for name, why in expected.items():
        (plain, engine), (asked, other) = found[0][name, False], found[0][name, True]
        assert engine == "numpy"
        assert other == f"numpy: {why}"
        assert asked["values"].tobytes() == plain["values"].tobytes()
        assert asked["rows"] == plain["rows"]
        check_same_everywhere([one[name, True][0] for one in found])


@pytest.mark.parametrize("ranks", [0, 1])
def test_one_rank_is_compiled(ranks: int, tmp_path: Path) -> None:
    found = run(ranks, "compiled", tmp_path)[0][0]
    engines = {name: found[name, True][1] for name in ("plain", "pieces", "full")}
    assert engines == {
        "plain": "jit", "pieces": "numpy: batches in pieces", "full": "numpy: LBFGS has no kernel"
    }  # fmt: skip
    check_close(found["plain", False][0], found["plain", True][0])
    for name in ("pieces", "full"):
        assert np.array_equal(found[name, True][0]["values"], found[name, False][0]["values"])


def test_all_ranks_are_told_of_one_without_numba(tmp_path: Path) -> None:
    found, _ = run(2, "without_numba", tmp_path)
    said = "fit(jit=True): expected numba to be installed, got no such package. Run "
    assert found[1][0] == "ModuleNotFoundError"
    assert found[1][1].startswith(said)
    assert found[0][0] == "RankError"
    assert found[0][1].startswith("fit, rank 1: expected what can be trained, as on the other ranks, got ")
    assert said in found[0][1]
