"""Each rank with rows of its own: all of them take part, once an epoch, as if they were in one place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nnlite as nn
from nnlite import LBFGS, Adam, LevenbergMarquardt, MeanSquaredError
from nnlite.distributed import Shard, shard
from nnlite.errors import ArgumentError, ArgumentTypeError
from tests.ranks.jobs import data, net
from tests.ranks.mpi import needs_mpi, run
from tests.ranks.test_equal import check_same_everywhere


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with training and validation data in files."""
    for name, array in zip(("X", "y", "X1", "y1"), (*data(), *data(41, seed=1)), strict=True):
        np.save(tmp_path / f"{name}.npy", array)
    return tmp_path


def in_one_place(**options: Any) -> Any:
    """Train on all rows in one process."""
    model = net()
    history = model.fit(*data(), loss=MeanSquaredError(), **options)
    return model, history


@needs_mpi
@pytest.mark.parametrize("ranks", [2, 3, 4])
def test_shards_of_files(ranks: int, folder: Path) -> None:
    found, _ = run(ranks, "shards", folder)
    first = found[0]
    names = ("files", "fraction", "full batch", "levenberg-marquardt", "uneven")
    for name in names:
        check_same_everywhere([one[name] for one in found])
    assert all(one["mapped"] for one in found)
    # All rows at once have no order, so shards come to what one process comes to.
    for name, optimizer, epochs in (
        ("full batch", LBFGS(), 8),
        ("levenberg-marquardt", LevenbergMarquardt(), 6),
    ):
        model, history = in_one_place(optimizer=optimizer, epochs=epochs)
        np.testing.assert_allclose(first[name]["values"], model.params.values, rtol=1e-10, atol=1e-10)
        losses = [row["loss"] for row in first[name]["rows"]]
        np.testing.assert_allclose(losses, history["loss"], rtol=1e-10)
    # The mean over all shards, not that of one.
    np.testing.assert_allclose(first["files"]["mean"], data()[0].mean(axis=0), rtol=1e-12)
    for name in ("files", "fraction"):
        row = first[name]["rows"][-1]
        assert row["validation_loss"] < first[name]["rows"][0]["validation_loss"]
        assert 0 < row["validation_r2"] < 1


@needs_mpi
@pytest.mark.parametrize("ranks", [1, 2, 3, 4])
def test_all_rows_come_once_an_epoch_in_another_order(ranks: int, folder: Path) -> None:
    found, _ = run(ranks, "shards", folder)
    epochs = []
    for one in found:
        batches = len(one["seen"]) // 2
        assert batches == 4  # 103 rows, 32 a batch over all ranks
        epochs.append(
            [np.concatenate(part).tolist() for part in (one["seen"][:batches], one["seen"][batches:])]
        )
    for epoch in (0, 1):
        rows = np.concatenate([each[epoch] for each in epochs])
        assert sorted(rows) == list(range(103))
    assert all(each[0] != each[1] for each in epochs)
    # Each batch has about 32 rows in all.
    sizes = [sum(len(one["seen"][index]) for one in found) for index in range(4)]
    assert sum(sizes) == 103
    if ranks > 1:
        assert max(sizes) - min(sizes) <= ranks


@needs_mpi
def test_the_batches_of_shards_are_those_of_one_process_in_that_order(folder: Path) -> None:
    # What comes of shards is what one process comes to that takes the same rows in the same batches.
    found, _ = run(3, "uneven_steps", folder)
    for one in found:
        np.testing.assert_allclose(one["values"], one["again"], rtol=1e-12, atol=1e-14)


@needs_mpi
def test_weights_of_classes_are_balanced_over_all_shards(tmp_path: Path) -> None:
    found, _ = run(2, "class_weights", tmp_path)
    _, X, ids, _ = found[0]
    model = nn.Sequential([nn.Standardize(5), nn.Dense(5, 3)], rng=0, dtype=np.float64)
    weight = (len(ids) / (3 * np.bincount(ids)))[ids]
    model.fit(
        X, ids, weight=weight, loss=nn.SoftmaxCrossEntropy(), optimizer=nn.SGD(0.1), epochs=5, batch_size=103
    )
    for values, *_ in found:
        np.testing.assert_allclose(values, model.params.values, rtol=1e-10)
    # Rows that are held out do not count.
    sums = sum(one[-1] for one in found)
    np.testing.assert_allclose(sums, sums[0], rtol=1e-10)


def test_alone_a_shard_is_all_rows(tmp_path: Path) -> None:
    X, y = data()
    np.save(tmp_path / "X.npy", X)
    rows = shard(tmp_path / "X.npy")
    assert isinstance(rows.rows, np.memmap)
    assert len(rows) == len(X)
    models = [net(), net()]
    for model, given in zip(models, ((rows, Shard(y)), (X, y)), strict=True):
        model.fit(
            *given,
            loss=MeanSquaredError(),
            optimizer=Adam(0.01),
            epochs=3,
            distributed=True,
            validation=(X, y),
        )
    assert np.array_equal(models[0].params.values, models[1].params.values)


def test_what_is_no_shard_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.npy").write_text("no array")
    np.savez(tmp_path / "several.npz", a=np.ones(3))
    np.save(tmp_path / "objects.npy", np.array([{}, {}], object), allow_pickle=True)
    for name, words in (
        ("text.npy", "an .npy file"),
        ("several.npz", "one array"),
        ("objects.npy", "an .npy file"),
    ):
        with pytest.raises(ArgumentError, match=words):
            shard(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        shard(tmp_path / "none.npy")
    with pytest.raises(ArgumentError, match="at least one row"):
        shard(np.ones((0, 3)))
    with pytest.raises(ArgumentTypeError, match="It is one already"):
        Shard(Shard(np.ones(3)))
    X, y = data()
    with pytest.raises(ArgumentTypeError, match=r"distributed=True"):
        net().fit(Shard(X), Shard(y), loss=MeanSquaredError(), optimizer=Adam())
