"""N ranks come to what one process comes to, within rounding, and all ranks to the same bits."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.ranks.jobs import OPTIMIZERS
from tests.ranks.mpi import needs_mpi, run

pytestmark = needs_mpi

RANKS = (1, 2, 3, 4)
#: In float64, for weights and numbers of size 1.
TOLERANCE = 1e-10


def check_same_everywhere(found: list[dict[str, Any]]) -> None:
    """All ranks have the same bits: weights, history, and what is drawn next."""
    for other in found[1:]:
        assert np.array_equal(other["values"], found[0]["values"])
        for key in ("rows", "seconds", "stop_reason", "best_epoch", "steps", "next_draw"):
            assert other[key] == found[0][key], key


def check_close(one: dict[str, Any], many: dict[str, Any]) -> None:
    """What came of one process, and of several, is the same up to rounding."""
    np.testing.assert_allclose(many["values"], one["values"], rtol=TOLERANCE, atol=TOLERANCE)
    assert len(many["rows"]) == len(one["rows"])
    for row, other in zip(one["rows"], many["rows"], strict=True):
        assert row.keys() == other.keys()
        for name in row:
            expected = row[name]  # L-BFGS has no rate
            if expected is not None:
                expected = pytest.approx(expected, rel=TOLERANCE, abs=TOLERANCE)
            assert other[name] == expected, name
    for key in ("best_epoch", "steps", "next_draw"):
        assert many[key] == one[key], key


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What one process comes to that knows nothing of ranks."""
    return run(0, "optimizers", tmp_path_factory.mktemp("alone"), distributed=False)[0][0]


@pytest.mark.parametrize("ranks", RANKS)
def test_every_optimizer_comes_to_what_one_process_comes_to(
    ranks: int, alone: dict[str, Any], tmp_path: Path
) -> None:
    found, _ = run(ranks, "optimizers", tmp_path, distributed=True)
    for name in OPTIMIZERS:
        check_same_everywhere([one[name] for one in found])
        check_close(alone[name], found[0][name])
    assert alone["adam"]["steps"] == 200


def test_one_rank_comes_to_the_same_bits(alone: dict[str, Any], tmp_path: Path) -> None:
    for ranks in (0, 1):
        found = run(ranks, "optimizers", tmp_path, distributed=True)[0][0]
        for name in OPTIMIZERS:
            assert np.array_equal(found[name]["values"], alone[name]["values"])
            assert found[name]["rows"] == alone[name]["rows"]


@pytest.mark.parametrize("how", [{}, {"accumulate": 3}, {"overlap": True}], ids=str)
def test_data_of_all_kinds_and_ways_to_add_up(how: dict[str, Any], tmp_path: Path) -> None:
    options = {**how, "dask": find_spec("dask") is not None}
    one = run(0, "kinds", tmp_path, distributed=False, **options)[0][0]
    for ranks in (0, *RANKS[1:]):
        found, _ = run(ranks, "kinds", tmp_path, distributed=True, **options)
        for name in one:
            check_same_everywhere([each[name] for each in found])
            check_close(one[name], found[0][name])


def test_callbacks_act_on_all_ranks_alike(tmp_path: Path) -> None:
    one = run(0, "callbacks", tmp_path, distributed=False)[0][0]
    assert one["early"]["stop_reason"].startswith("no better")
    for ranks in (2, 3):
        found, _ = run(ranks, "callbacks", tmp_path, distributed=True)
        for name in ("early", "one rank stops", "time limit"):
            check_same_everywhere([each[name] for each in found])
        check_close(one["early"], found[0]["early"])
        assert found[0]["early"]["stop_reason"] == one["early"]["stop_reason"]
        # What is for the first rank only is called there, and as often as alone.
        assert [each["calls"] for each in found] == [one["calls"], *[[]] * (ranks - 1)]
        stopped = found[0]["one rank stops"]
        assert (stopped["stop_reason"], len(stopped["rows"])) == ("the last rank has had enough", 5)
        assert found[0]["time limit"]["stop_reason"] == "time limit of 0.3 s"


def test_groups_averages_and_augmentation(tmp_path: Path) -> None:
    one = run(0, "groups", tmp_path, distributed=False)[0][0]
    for ranks in (2, 3):
        found, _ = run(ranks, "groups", tmp_path, distributed=True)
        for name in one:
            check_same_everywhere([each[name] for each in found])
        for name in ("plain", "moved"):
            check_close(one[name], found[0][name])
        # Noise of its own on each rank, which what all draw from in common does not tell.
        assert not np.allclose(found[0]["noisy"]["values"], one["noisy"]["values"], atol=1e-6)
        assert found[0]["noisy"]["next_draw"] == found[0]["plain"]["next_draw"]


def test_noise_differs_between_ranks_and_comes_again(tmp_path: Path) -> None:
    runs = [
        run(2, "resume", tmp_path, noise=0.3, path=f"{number}.checkpoint", stop=None)[0] for number in (0, 1)
    ]
    for found in runs:
        check_same_everywhere(found)
    assert np.array_equal(runs[0][0]["values"], runs[1][0]["values"])
    without = run(2, "resume", tmp_path, path="2.checkpoint", stop=None)[0][0]
    assert not np.allclose(runs[0][0]["values"], without["values"])
