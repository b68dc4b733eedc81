"""Where ranks could wait for each other, or count rows wrongly: at stops, empty shares and odd data."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnlite import SGD, Checkpoint, Dense, MeanSquaredError, Sequential
from nnlite.distributed import DataParallel, Shard
from nnlite.errors import ArgumentError, ShapeError
from tests.ranks.jobs import data, net
from tests.ranks.mpi import needs_mpi, run
from tests.ranks.test_equal import check_same_everywhere


@needs_mpi
def test_a_stop_on_one_rank_stops_all_at_every_moment(tmp_path: Path) -> None:
    found, _ = run(2, "stops", tmp_path)
    assert len(found[0]) == 2 * 7 * 2
    for name in found[0]:
        check_same_everywhere([one[name] for one in found])
        optimizer, moment, rank = name.split()
        epochs = 1
        if moment == "on_train_begin":  # before there is anything to do
            epochs = 0
        elif optimizer == "LBFGS" and moment.startswith("on_batch_"):  # it has no batches
            assert len(found[0][name]["rows"]) == 3
            continue
        assert found[0][name]["stop_reason"] == f"rank {rank}", name
        assert len(found[0][name]["rows"]) == epochs, name


@needs_mpi
def test_losses_of_ones_own(tmp_path: Path) -> None:
    for ranks in (2, 3):
        for differences, unchanged in run(ranks, "own_losses", tmp_path)[0]:
            assert unchanged  # what a loss gives out may be its own
            assert max(differences.values()) < 1e-13, differences


@needs_mpi
def test_batches_of_shards_have_as_many_rows_as_was_said(tmp_path: Path) -> None:
    for one in run(2, "shard_batches", tmp_path)[0]:
        assert one == {"as many as a shard": [32, 32], "held out": [32]}


@needs_mpi
def test_shards_with_different_numbers_of_blocks(tmp_path: Path) -> None:
    for name, array in zip(("X", "y"), data(101), strict=True):
        np.save(tmp_path / f"{name}.npy", array)
    found, _ = run(2, "blocks", tmp_path)  # 50 rows and 51, in blocks of 25
    check_same_everywhere(found)
    for row in found[0]["rows"]:
        assert row["rows"] == row["validation_rows"] == 101
        assert row["validation_loss"] == pytest.approx(row["loss"], rel=1e-12)


@needs_mpi
@pytest.mark.parametrize(("where", "words"), [("weights", "batch 2: "), ("validation", "validation: ")])
def test_an_infinite_loss_where_a_rank_has_no_row(where: str, words: str, tmp_path: Path) -> None:
    found, _ = run(2, "empty_share", tmp_path, broken=where)
    assert found[0] == found[1]
    assert found[0].startswith(f"fit, epoch 1, {words}expected a finite loss, got ")


@needs_mpi
def test_shards_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("pandas")
    found, _ = run(2, "odd_shards", tmp_path)
    assert found[0] == found[1]
    expected = {
        "validation": "fit, rank 1: expected the same validation as on rank 0, ",
        "whole": "fit, rank 1: expected the same entry 0 of training data as on rank 0, a shard, got whole",
        "weight": "fit, rank 1: expected the same entry 2 of training data as on rank 0, a shard, got None",
        "columns": "fit, rank 1: expected the same entry 0 of columns as on rank 0, a, got e",
        "order": "fit(shuffle=): expected True or False, for shards",
        "batch": "fit(batch_size=): expected at least 2, a row of each shard, got 1",
    }
    assert found[0].keys() == expected.keys()
    for name, words in expected.items():
        assert found[0][name][1].startswith(words), name


@needs_mpi
@pytest.mark.parametrize(("before", "after"), [(2, 0), (0, 2), (2, 3)])
def test_shards_can_be_gone_on_with_by_another_number_of_ranks(
    before: int, after: int, tmp_path: Path
) -> None:
    options = {"path": "run", "stop": None, "every": 1, "unit": "epochs", "shards": True}
    first = run(before, "resume", tmp_path, epochs=3, **options)[0][0]
    found, _ = run(after, "resume", tmp_path, resume=True, **options)
    check_same_everywhere(found)
    assert found[0]["rows"][:3] == first["rows"]
    losses = [row["loss"] for row in found[0]["rows"]]
    assert len(losses) == 10
    assert losses[-1] < losses[2]


@needs_mpi
def test_only_one_rank_has_been_told_how_many_threads(tmp_path: Path) -> None:
    found, _ = run(2, "threads", tmp_path, variables={"OMP_NUM_THREADS": ""}, one_has_said=True)
    before, inside, _ = found[0]
    assert inside == max(1, min(before, len(os.sched_getaffinity(0)) // 2))


def test_replicas_do_not_come_in_pieces() -> None:
    model = Sequential([Dense(5, 1)], rng=0, replicas=3)
    X, y = data()
    given = {"loss": MeanSquaredError(), "optimizer": SGD(0.01), "epochs": 1}
    with pytest.raises(ArgumentError, match=r"DataParallel\(accumulate=\): expected one net, got 3 replicas"):
        model.fit(X, y, distributed=DataParallel(accumulate=2), **given)
    assert len(model.fit(X, y, distributed=True, **given)) == 1


def test_a_number_is_no_shard() -> None:
    with pytest.raises((ArgumentError, ShapeError)):
        Shard(np.float64(3))


def test_alone_a_shard_comes_to_the_bits_of_the_rows(tmp_path: Path) -> None:
    X, y = data()
    models = [net(), net()]
    for model, rows in zip(models, ((Shard(X), Shard(y)), (X, y)), strict=True):
        model.fit(
            *rows, loss=MeanSquaredError(), optimizer=SGD(0.01), epochs=2, validation=0.2, distributed=True
        )
    assert np.array_equal(models[0].params.values, models[1].params.values)


@pytest.mark.parametrize(
    ("variables", "callbacks", "warned"),
    [
        ({"PMI_SIZE": "2", "PMI_RANK": "0"}, ["file"], True),
        ({"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "0"}, ["file"], True),
        ({"PMI_SIZE": "2", "PMI_RANK": "1"}, ["file"], False),  # one process says it
        ({"PMI_SIZE": "1", "PMI_RANK": "0"}, ["file"], False),
        ({"PMIX_RANK": "0"}, ["file"], False),  # of how many, it does not say
        ({"PMI_SIZE": "2", "PMI_RANK": "0"}, [], False),
        ({}, ["file"], False),
    ],
)
def test_who_forgets_distributed_is_told_where_it_does_harm(
    variables: dict[str, str],
    callbacks: list[str],
    warned: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    X, y = data()
    given: dict[str, Any] = {"loss": MeanSquaredError(), "optimizer": SGD(0.01), "epochs": 1}
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        net().fit(X, y, callbacks=[Checkpoint(tmp_path / name) for name in callbacks], **given)
    assert len(told) == warned
    if warned:
        message = str(told[0].message)
        assert message.startswith("fit(distributed=): expected True for Checkpoint(")
        assert "in a job of 2 processes, got False: each trains alone" in message
        assert told[0].filename == __file__
