"""Whole processes: how long they take and how much memory, for an import and for a small training."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from benchmarks.environment import ROOT, environment
from benchmarks.report import Table, comparison
from benchmarks.results import Contender, Result
from benchmarks.rounds import Session, interleave
from benchmarks.worker import WorkerError
from benchmarks.workload import Workload

#: Seconds until a process is given up.
PATIENCE = 600.0
EPOCHS = 10

IMPORT = ("import", "import, memory")
SCRIPT = ("script", "script, memory")
FIT = "fit, memory"

CASES = {
    IMPORT[0]: "time of a process that imports it",
    IMPORT[1]: "peak memory of a process that imports it",
    SCRIPT[0]: f"time of a process that trains on digits for {EPOCHS} epochs",
    SCRIPT[1]: f"peak memory of a process that trains on digits for {EPOCHS} epochs",
    FIT: "memory that an epoch adds to data and net; 784-256-128-10, 60,000 rows",
}

#: What a user of the library imports, and the job that trains.
PROGRAMS = {
    "python": ("pass", None),
    "numpy": ("import numpy", "bare:LoopEpochs"),
    "nnlite": ("import nnlite", "nnlite:FitEpochs"),
    "jax": ("import jax", "jax:LoopEpochs"),
    "torch": ("import torch", "torch:LoopEpochs"),
    "thinc": ("import thinc.api", "thinc:LoopEpochs"),
    "sklearn": ("import sklearn.neural_network", "sklearn:FitEpochs"),
    "keras": ("import keras", "keras:FitEpochs"),
}
REMARKS = {"thinc": "imports torch where that is installed"}
_LIBRARIES = {"python": "numpy", "sklearn": "scikit-learn"}
CONTENDERS = tuple(
    Contender(
        name,
        _LIBRARIES.get(name, name),
        "",
        "yardstick" if name in ("python", "numpy") else "ours" if name == "nnlite" else "peer",
    )
    for name in PROGRAMS
)


def _job(place: str, case: str) -> str:
    module, _, name = place.partition(":")
    return f"from benchmarks.libraries.{module} import {name} as Job; job = Job({case!r}, 1); job.reset()"


def program_of_import(name: str) -> str:
    """Write the program that imports a library and prints the peak of its memory."""
    return f"{PROGRAMS[name][0]}\nfrom benchmarks.memory import peak; print(peak())"


def program_of_script(name: str) -> str:
    """Write the program that trains on digits and prints the peak of its memory."""
    job = _job(str(PROGRAMS[name][1]), "digits")
    return f"{job}; job.train({EPOCHS})\nfrom benchmarks.memory import peak; print(peak())"


def program_of_fit(name: str) -> str:
    """Write the program that prints what an epoch adds to the memory of data and model."""
    return (
        "from benchmarks.memory import forget_peak, peak, resident\n"
        f"{_job(str(PROGRAMS[name][1]), '60,000 images')}\n"
        "forget_peak(); before = resident(); job.train(1); print(peak() - before)"
    )


def run_process(program: str, threads: int) -> tuple[float, float]:
    """Run a program in a process of its own; give the milliseconds it took and the number it prints.

    Raises
    ------
    WorkerError
        If it failed.
    """
    begun = time.perf_counter()
    command = [sys.executable, "-c", program]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=ROOT, env=environment(threads), timeout=PATIENCE
        )
    except subprocess.TimeoutExpired:
        raise WorkerError(f"no end within {PATIENCE:.0f} s") from None
    taken = 1e3 * (time.perf_counter() - begun)
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise WorkerError(lines[-1] if lines else f"exit code {done.returncode}")
    return taken, float(done.stdout.split()[-1])


class _Process(Workload):
    def run(self, session: Session) -> Iterator[Result]:
        everyone = session.present(CONTENDERS)
        trained = [c for c in everyone if PROGRAMS[c.name][1]]
        if session.settings.quick:
            few = [c for c in everyone if c.library in ("numpy", "nnlite")]
            yield from self._measure(session, IMPORT, few, program_of_import)
            return
        yield from self._measure(session, IMPORT, everyone, program_of_import)
        yield from self._measure(session, SCRIPT, trained, program_of_script)
        # Memory is the same every time, and does not depend on what is in the cache of the disk.
        yield from self._measure(session, (None, FIT), trained, program_of_fit, uncounted=0)

    def tables(self, results: Sequence[Result]) -> list[Table]:
        return [
            comparison(result, self.cases[result.case], unit=result.unit, scale=self.scale, remarks=REMARKS)
            for result in results
        ]

    def _measure(
        self,
        session: Session,
        cases: tuple[str | None, str],
        contenders: list[Contender],
        write: Callable[[str], str],
        uncounted: int = 1,
    ) -> Iterator[Result]:
        """Run the programs in turn; the cases are those of time, or None, and of memory.

        The first round reads files from the disk and writes bytecode; it does not count.
        """
        threads = session.settings.threads[0]
        rounds = min(session.settings.rounds, self.rounds or session.settings.rounds)
        session.say(f"{self.name}, {cases[0] or cases[1]}: {len(contenders)} contenders")
        memory: dict[str, list[float]] = {c.name: [] for c in contenders}

        def turn(name: str) -> float:
            taken, printed = run_process(write(name), threads)
            memory[name].append(printed)
            return taken

        turns = {c.name: partial(turn, c.name) for c in contenders}
        taken, failed = interleave(turns, rounds + uncounted)
        for case, unit, values in ((cases[0], "ms", taken), (cases[1], "MB", memory)):
            if case is not None:
                yield Result(
                    self.name,
                    case,
                    threads,
                    unit,
                    values={name: values[name][uncounted:] for name in taken},
                    roles={c.name: c.role for c in contenders if c.name in taken},
                    libraries={c.name: c.library for c in contenders},
                    left_out=dict(failed),
                )


WORKLOAD = _Process(
    "process",
    "Whole processes",
    cases=CASES,
    quick=IMPORT,
    unit="ms or MB",
    scale=1.0,
    rounds=3,
    brief=("python", "numpy", "nnlite"),
)
