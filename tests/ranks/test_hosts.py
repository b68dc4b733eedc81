"""Ranks on separate hosts, with nothing between them but a network: network namespaces on one machine."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.hosts import hosts, why_not
from tests.ranks.jobs import OPTIMIZERS
from tests.ranks.mpi import needs_mpi, run, started
from tests.ranks.test_equal import check_close, check_same_everywhere
from tests.ranks.test_faults import IN_TIME, wait_for, wait_until_it_trains

REASON = why_not()
pytestmark = [needs_mpi, pytest.mark.skipif(bool(REASON), reason=REASON)]


@pytest.fixture
def two_hosts(tmp_path: Path) -> Iterator[list[str]]:
    """Options of mpiexec that start the ranks on two hosts."""
    with hosts(2, tmp_path) as where:
        yield where


def test_two_hosts_come_to_what_one_process_comes_to(two_hosts: list[str], tmp_path: Path) -> None:
    one = run(0, "optimizers", tmp_path, distributed=False)[0][0]
    found, _ = run(2, "optimizers", tmp_path, distributed=True, where=two_hosts)
    for name in OPTIMIZERS:
        check_same_everywhere([each[name] for each in found])
        check_close(one[name], found[0][name])
    ends = [each["lion"] for each in found]
    assert [end["host"] for end in ends] == ["host-1", "host-2"]
    # The gradients have gone over the network: two ranks send each other half of the sums, and their half.
    steps = sum(end["steps"] or 0 for end in found[0].values())
    assert all(end["sent"] > steps * ends[0]["values"].nbytes for end in ends)


def test_a_rank_killed_on_another_host_ends_the_job(two_hosts: list[str], tmp_path: Path) -> None:
    with started(2, "for_ever", tmp_path, checkpoint=True, where=two_hosts) as process:
        wait_until_it_trains(process, tmp_path)
        wait_for(tmp_path / "run.checkpoint")
        os.kill(int((tmp_path / "pid-1").read_text()), signal.SIGKILL)
        out, err = process.communicate(timeout=IN_TIME)
    assert process.returncode != 0
    assert "nnlite: rank 1 of 2 (process" in out + err
    assert "on host-2) was ended in the middle of fit" in out + err
    assert "it was the first on host-2" in out + err
