"""Layers that look from row to row: several ranks have the statistics of the whole batch."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnlite import SGD, MeanSquaredError
from nnlite.distributed import DataParallel
from nnlite.errors import ArgumentError
from tests.ranks.jobs import data, mixing_net
from tests.ranks.mpi import needs_mpi, run
from tests.ranks.test_equal import check_close, check_same_everywhere


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What one process comes to that knows nothing of ranks."""
    found: dict[str, Any] = run(0, "mixing", tmp_path_factory.mktemp("alone"), distributed=False)[0][0]
    return found


@needs_mpi
@pytest.mark.parametrize(
    ("ranks", "how"), [(0, {}), (2, {}), (2, {"overlap": True}), (3, {}), (4, {"overlap": True})], ids=str
)
def test_ranks_come_to_what_one_process_comes_to(
    ranks: int, how: dict[str, Any], alone: dict[str, Any], tmp_path: Path
) -> None:
    found, _ = run(ranks, "mixing", tmp_path, distributed=True, **how)
    for name in alone:
        check_same_everywhere([one[name] for one in found])
        check_close(alone[name], found[0][name])
    assert alone["early"]["stop_reason"].startswith("no better")
    assert alone["early"]["best_epoch"]
    assert found[0]["early"]["stop_reason"] == alone["early"]["stop_reason"]
    # What is to be shown would be shown by nets that leave their statistics, too.
    size = mixing_net().params.size
    states = {name: one["values"][size:] for name, one in alone.items()}
    assert not np.allclose(states["few rows"], states["thawed"])
    assert not np.allclose(states["thawed"], states["frozen"])


@needs_mpi
def test_going_on_in_the_middle_of_an_epoch(tmp_path: Path) -> None:
    options = {"mixing": True, "noise": 0.3, "unit": "steps", "every": 3}
    whole, _ = run(2, "resume", tmp_path, path="whole.checkpoint", stop=None, **options)
    check_same_everywhere(whole)
    stopped, _ = run(2, "resume", tmp_path, path="run.checkpoint", stop=[4, 2], **options)
    assert stopped[0]["interrupted"]
    assert len(stopped[0]["rows"]) < len(whole[0]["rows"])
    again, _ = run(2, "resume", tmp_path, path="run.checkpoint", stop=None, resume=True, **options)
    check_same_everywhere(again)
    for name in ("values", "rows", "next_draw"):
        assert np.array_equal(again[0][name], whole[0][name]), name


@needs_mpi
@pytest.mark.parametrize("overlap", [False, True])
def test_noise_in_blocks_is_that_of_each_rank_and_comes_again(overlap: bool, tmp_path: Path) -> None:
    (first, second), _ = run(2, "noise_in_blocks", tmp_path, overlap=overlap)
    check_same_everywhere([first[0], second[0]])
    assert first[1].shape == second[1].shape == (4, 16, 8)
    assert (first[1] != second[1]).any(axis=(1, 2)).all()
    (again, _), _ = run(2, "noise_in_blocks", tmp_path, overlap=overlap)
    assert np.array_equal(first[1], again[1])
    assert np.array_equal(first[0]["values"], again[0]["values"])


@needs_mpi
def test_what_cannot_be_is_refused_on_all_ranks(tmp_path: Path) -> None:
    found, _ = run(2, "refused", tmp_path)
    assert found[0] == found[1]
    for name, words in {
        "accumulate": r"DataParallel\(accumulate=\): expected 1, for a model with BatchNorm\(8\)",
        "batch_size": r"fit\(batch_size=\): expected at least 2, for a model with BatchNorm\(8\)",
        "optimizer": r"fit\(optimizer=\): expected .* looks at one point a step, for BatchNorm\(8\), ",
    }.items():
        said, unchanged = found[0][name]
        assert unchanged
        assert re.match(words, said), said


def test_pieces_are_refused_alone_too_and_when_a_callback_unfreezes_a_layer() -> None:
    X, y = data()
    model = mixing_net()
    before = model.params.numbers.copy()
    given = {"loss": MeanSquaredError(), "optimizer": SGD(0.01), "epochs": 2}
    with pytest.raises(ArgumentError, match=r"accumulate=\): expected 1, for a model with BatchNorm\(8\)"):
        model.fit(X, y, distributed=DataParallel(accumulate=2), **given)
    assert np.array_equal(model.params.numbers, before)
    for block in (model[2].layers[1], model[3].layers[0]):
        block.freeze()
    model.fit(X, y, distributed=DataParallel(accumulate=2), **given)
    assert np.array_equal(model.params.state, before[model.params.size :])
