"""Starts the jobs of `jobs.py` on several ranks, and reads what they have left."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from nnlite.distributed.parallel import THREADS

JOBS = Path(__file__).with_name("jobs.py")
#: Longer than any job takes; a job that hangs fails by it.
LIMIT = 100

MPIEXEC = next(
    (
        found
        for found in (Path(sys.executable).with_name("mpiexec"), shutil.which("mpiexec") or "")
        if Path(found).is_file()
    ),
    None,
)

needs_mpi = pytest.mark.skipif(
    find_spec("mpi4py") is None or MPIEXEC is None, reason="needs mpi4py and mpiexec: the extra mpi"
)


def command(ranks: int, *words: Any, where: Sequence[str] = ()) -> list[str]:
    """Return what starts a job on some ranks; on 0 it is started alone, without mpiexec."""
    launcher = [str(MPIEXEC), *where, "-n", str(ranks)] if ranks else []
    return [*launcher, sys.executable, *map(str, words)]


def environment(**more: str) -> dict[str, str]:
    """Return the environment of a job, with one BLAS thread; a variable that shall be empty is left out."""
    # Engines of searches leave limits behind in the environment of who starts them.
    chosen = {**os.environ, **dict.fromkeys(THREADS, ""), "OMP_NUM_THREADS": "1", **more}
    return {name: value for name, value in chosen.items() if value}


@contextmanager
def started(
    ranks: int,
    job: str,
    folder: Path,
    *,
    where: Sequence[str] = (),
    variables: Mapping[str, str] | None = None,
    **options: Any,
) -> Iterator[subprocess.Popen[str]]:
    """Start a job, in a session of its own as a terminal would.

    `where` are more options of mpiexec, and `variables` more of the environment.
    """
    process = subprocess.Popen(
        command(ranks, JOBS, job, folder, json.dumps(options), where=where),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**(variables or {})),
        start_new_session=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def run(ranks: int, job: str, folder: Path, *, fails: bool = False, **options: Any) -> tuple[list[Any], str]:
    """Run a job to its end; return what its ranks have left, and what they have said."""
    with started(ranks, job, folder, **options) as process:
        out, err = process.communicate(timeout=LIMIT)
    assert (process.returncode != 0) == fails, f"exit code {process.returncode}\n{out}\n{err}"
    return results(ranks, folder), out + err


def results(ranks: int, folder: Path) -> list[Any]:
    """Return what each rank has left; None of one that has left nothing."""
    found = []
    for rank in range(max(ranks, 1)):
        path = folder / f"rank-{rank}.pickle"
        found.append(pickle.loads(path.read_bytes()) if path.exists() else None)
        path.unlink(missing_ok=True)
    return found
