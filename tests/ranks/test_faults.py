"""What goes wrong on one rank ends the job on all, in time and with a message that says what and where."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.ranks.mpi import command, environment, needs_mpi, results, run, started
from tests.ranks.test_equal import check_close, check_same_everywhere

pytestmark = needs_mpi

#: A job must have ended so many seconds after one of its ranks was killed.
IN_TIME = 10


def wait_for(path: Path) -> None:
    """Wait until a job has come so far."""
    end = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < end, f"{path.name} never came"
        time.sleep(0.02)


def wait_until_it_trains(process: subprocess.Popen[str], folder: Path) -> None:
    """Wait for some epochs."""
    for name in ("pid-0", "alive"):
        wait_for(folder / name)
    assert process.poll() is None


# Killed.


@pytest.mark.parametrize("rank", [0, 2])
def test_a_killed_rank_ends_the_job_with_its_number_and_how_to_go_on(rank: int, tmp_path: Path) -> None:
    with started(3, "for_ever", tmp_path, checkpoint=True) as process:
        wait_until_it_trains(process, tmp_path)
        wait_for(tmp_path / "run.checkpoint")
        pid = int((tmp_path / f"pid-{rank}").read_text())
        os.kill(pid, signal.SIGKILL)
        out, err = process.communicate(timeout=IN_TIME)
    assert process.returncode != 0
    said = [line for line in (out + err).splitlines() if line.startswith("nnlite: ")]
    assert len(said) == 1, "one rank speaks, that which was killed"
    assert said[0].startswith(f"nnlite: rank {rank} of 3 (process {pid} on ")
    assert f"resume={str(tmp_path / 'run.checkpoint')!r}" in said[0]
    # And it does go on, on as many ranks or fewer.
    for ranks in (3, 2):
        (tmp_path / "alive").unlink()
        with started(ranks, "for_ever", tmp_path, checkpoint=True, resume=True) as process:
            wait_until_it_trains(process, tmp_path)
            assert int((tmp_path / "alive").read_text()) > 1  # epochs that were done before count
            os.kill(process.pid, signal.SIGINT)
            process.communicate(timeout=IN_TIME)
        check_same_everywhere(results(ranks, tmp_path))


def test_a_killed_rank_without_a_checkpoint(tmp_path: Path) -> None:
    with started(2, "for_ever", tmp_path, checkpoint=False) as process:
        wait_until_it_trains(process, tmp_path)
        os.kill(int((tmp_path / "pid-1").read_text()), signal.SIGKILL)
        out, err = process.communicate(timeout=IN_TIME)
    assert process.returncode != 0
    assert "nnlite: rank 1 of 2" in out + err
    assert "Nothing was saved: callbacks=[nnlite.Checkpoint(path)] would have." in out + err


@pytest.mark.parametrize("to_all", [True, False])
def test_ctrl_c_ends_all_ranks_with_a_checkpoint(to_all: bool, tmp_path: Path) -> None:
    with started(3, "for_ever", tmp_path, checkpoint=True) as process:
        wait_until_it_trains(process, tmp_path)
        # A terminal sends it to every process, and mpiexec passes on what it gets.
        (os.killpg if to_all else os.kill)(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=IN_TIME)
    assert process.returncode == 0, err
    found = results(3, tmp_path)
    check_same_everywhere(found)
    assert found[0]["interrupted"]
    assert found[0]["stop_reason"] == "Ctrl-C"
    assert err.count("stopped by Ctrl-C") == 1  # one rank says it
    assert "nnlite: rank" not in out + err  # nobody was killed
    assert (tmp_path / "run.checkpoint").exists()


# Going on.


@pytest.mark.parametrize("unit", ["steps", "epochs", "seconds"])
def test_going_on_with_as_many_ranks_gives_the_same_bits(unit: str, tmp_path: Path) -> None:
    every: dict[str, Any] = {"every": {"steps": 2, "epochs": 2, "seconds": 0.001}[unit], "unit": unit}
    whole, _ = run(3, "resume", tmp_path, path="whole", stop=None, noise=0.2, **every)
    for stop in ([4, 2], [6, 3]):
        run(3, "resume", tmp_path, path="cut", stop=stop, noise=0.2, **every)
        found, _ = run(3, "resume", tmp_path, path="cut", stop=None, resume=True, noise=0.2, **every)
        check_same_everywhere(found)
        assert np.array_equal(found[0]["values"], whole[0]["values"])
        assert found[0]["rows"] == whole[0]["rows"]


def test_going_on_with_other_numbers_of_ranks(tmp_path: Path) -> None:
    whole = run(0, "resume", tmp_path, path="whole", stop=None)[0][0]
    for before, after in ((0, 3), (2, 0), (4, 3), (1, 2)):
        run(before, "resume", tmp_path, path="cut", stop=[5, 2])
        found, _ = run(after, "resume", tmp_path, path="cut", stop=None, resume=True)
        check_same_everywhere(found)
        check_close(whole, found[0])


def test_shards_go_on_in_the_middle_of_an_epoch_with_as_many_ranks_only(tmp_path: Path) -> None:
    whole, _ = run(2, "shards_in_the_middle", tmp_path, stop=None)
    run(2, "shards_in_the_middle", tmp_path, stop=[3, 2])
    for ranks in (0, 3):
        for text in run(ranks, "shards_in_the_middle", tmp_path, stop=None, resume=True)[0]:
            assert text.startswith(
                "fit(resume='shards.checkpoint'): expected 2 ranks, for shards in the middle of"
            )
    found, _ = run(2, "shards_in_the_middle", tmp_path, stop=None, resume=True)
    check_same_everywhere(found)
    assert np.array_equal(found[0]["values"], whole[0]["values"])


# Ranks that do not go together.


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (
            "model",
            r"fit, rank 2: expected the same entry 1 of layers .*, Dense\(5, 8\), got Dense\(5, 9\)",
        ),
        ("dtype", r"fit, rank 2: expected the same dtype as on rank 0, float64, got float32"),
        ("version", r"fit, rank 2: expected the same version of nnlite as on rank 0, .*, got 0\.0\.1"),
        ("data", r"fit, rank 2: expected the same checksum of X in training data as on rank 0"),
        ("optimizer", r"fit, rank 2: expected the same optimizer learning_rate as on rank 0, 0\.1, got 0\.2"),
        ("loss", r"fit, rank 2: expected the same loss as on rank 0, MeanSquaredError\(\), got Huber"),
        ("epochs", r"fit, rank 2: expected the same epochs as on rank 0, 3, got 4"),
        ("features", r"fit, rank 2: expected what can be trained, .*got ShapeError: fit\(X\): expected .*4"),
        ("nan", r"fit, rank 2: expected what can be trained, .*got ArgumentError: .*NaN at index \(7, 2\)"),
    ],
)
def test_a_rank_that_differs_is_refused_by_name(what: str, message: str, tmp_path: Path) -> None:
    found, _ = run(3, "odd_one", tmp_path, what=what)
    for rank, (kind, text, unchanged) in enumerate(found):
        assert unchanged
        if rank == 2 and what in {"features", "nan"}:
            assert (kind, text.partition(":")[0]) == (
                {"features": "ShapeError", "nan": "ArgumentError"}[what],
                "fit(X)",
            )
        else:
            assert kind == "RankError"
            assert re.match(message, text), text


def test_ranks_that_do_not_differ_are_not_refused(tmp_path: Path) -> None:
    assert run(3, "odd_one", tmp_path, what="")[0] == [None] * 3


@pytest.mark.parametrize("overlap", [False, True])
@pytest.mark.parametrize(("what", "rank"), [("gradient", 0), ("gradient", 2), ("loss", 2)])
def test_what_is_not_finite_on_one_rank_stops_all(
    what: str, rank: int, overlap: bool, tmp_path: Path
) -> None:
    found, _ = run(3, "not_finite", tmp_path, what=what, rank=rank, overlap=overlap)
    for text, steps, values, kept in found:
        assert steps == 6
        assert text.startswith(f"fit, epoch 2, batch 3, rank {rank}: expected a finite {what}, got ")
        assert np.array_equal(values, kept)
        if what == "gradient":
            assert "NaN or infinity in 0.W, 0.b" in text
    assert len({text for text, *_ in found}) == 1


def test_weights_that_differ_stop_the_run(tmp_path: Path) -> None:
    found, _ = run(3, "different_weights", tmp_path)
    for kind, text in found:
        assert kind == "RankError"
        assert text.startswith(
            "fit, epoch 2, batch 3: expected the same weights on all ranks, got others on rank 1."
        )


def test_streams_that_differ_are_refused(tmp_path: Path) -> None:
    found, _ = run(2, "streams", tmp_path)
    assert found[0] == found[1]
    fewer, other = (
        "expected as many batches on each rank, got fewer on rank 1.",
        "expected the same batches as on",
    )
    for case, text in found[0].items():
        name, place = case.split(", ")
        where = "fit, epoch 1, validation" if place == "validation" else "fit, epoch 1"
        if name == "none":
            assert text == ""
        elif name == "fewer":
            assert text.startswith(f"{where}: {fewer}")
        else:
            assert text.startswith(f"{where}, rank 1: {other} rank 0, got others. Give all ranks the same")


def test_an_order_drawn_by_a_function_is_that_of_rank_0(tmp_path: Path) -> None:
    alone = run(0, "orders", tmp_path)[0][0]
    found, _ = run(3, "orders", tmp_path)
    assert all(np.array_equal(found[0], one) for one in found)
    assert np.abs(found[0] - alone).max() < 1e-10


def test_the_errors_of_two_ranks_do_not_mix(tmp_path: Path) -> None:
    lines = "import nnlite as nn; r = nn.distributed.rank(); raise ValueError(f'of rank {r}')"
    process = subprocess.run(
        command(2, "-c", lines), env=environment(), capture_output=True, text=True, timeout=60
    )
    for rank in range(2):
        assert f"On rank {rank}:\nTraceback (most recent call last):\n" in process.stderr
        assert f"ValueError: of rank {rank}\n" in process.stderr


def test_only_the_rank_with_the_error_shows_it(tmp_path: Path) -> None:
    _, said = run(3, "one_has_nan", tmp_path, fails=True)
    assert said.count("Traceback") == 1
    assert said.count("On rank 1:") == 1
    assert "RankError" not in said


def test_rank_0_says_who_is_late(tmp_path: Path) -> None:
    _, said = run(3, "late", tmp_path)
    lines = [line for line in said.splitlines() if line.startswith("nnlite: ")]
    assert lines
    assert all(line.startswith("nnlite: rank 1 of 3 not at fit after ") for line in lines)


def test_ranks_do_not_fight_for_cores(tmp_path: Path) -> None:
    cores = len(os.sched_getaffinity(0))
    found, _ = run(2, "threads", tmp_path, variables={"OMP_NUM_THREADS": ""})
    assert [inside for _, inside, _ in found] == [max(1, min(found[0][0], cores // 2))] * 2
    assert all(before == after for before, _, after in found)
    # Who has said how many gets as many.
    found, _ = run(2, "threads", tmp_path)
    assert found == [(1, 1, 1)] * 2


# Errors.


@pytest.mark.parametrize(
    ("when", "words"), [("before", "rank 1 cannot begin"), ("during", "the disk of rank 1 is full")]
)
def test_an_error_on_one_rank_ends_the_job(when: str, words: str, tmp_path: Path) -> None:
    begin = time.monotonic()
    found, said = run(3, "fails", tmp_path, fails=True, when=when)
    assert time.monotonic() - begin < 30
    assert found == [None] * 3
    assert said.count("On rank 1 of 3:") == 1
    assert said.count(f"OSError: {words}") == 1
    assert "nnlite: rank" not in said  # none was killed before


def test_an_error_that_all_ranks_have_is_shown_once(tmp_path: Path) -> None:
    _, said = run(3, "all_fail", tmp_path, fails=True)
    assert said.count("On all 3 ranks:") == 1
    assert said.count("Traceback") == 1
    assert "nnlite.errors.ShapeError: fit(X): expected" in said


def test_a_launcher_that_mpi4py_does_not_know_is_refused() -> None:
    # As under the mpiexec of another MPI: each process would train alone, and none would say so.
    lines = "import nnlite; nnlite.distributed.size()"
    process = subprocess.run(
        [sys.executable, "-c", lines],
        env=environment(OMPI_COMM_WORLD_SIZE="4"),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert process.returncode == 1
    assert "expected all 4 processes of the job in one MPI world, got a world of 1" in process.stderr


def test_without_mpi4py_several_processes_are_refused() -> None:
    lines = (
        "import sys, importlib.util as u; find = u.find_spec\n"
        "u.find_spec = lambda name, *more: None if name == 'mpi4py' else find(name, *more)\n"
        "import nnlite; nnlite.distributed.rank()"
    )
    process = subprocess.run(
        command(2, "-c", lines), env=environment(), capture_output=True, text=True, timeout=60
    )
    assert process.returncode == 1
    assert 'Run python -m pip install ".[mpi]" where nnlite is checked out.' in process.stderr
