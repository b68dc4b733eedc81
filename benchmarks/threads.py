"""Is nnlite ever slower with more threads than with one? ``python -m benchmarks.threads``.

    python -m benchmarks.threads
    python -m benchmarks.threads --checkout ../before

One process for each value of ``OPENBLAS_NUM_THREADS``, and one without it, take turns at fit, predictions and
replicas of several sizes. The table has the time of one by that of the process with one thread: the median
over the rounds, and the quickest round of each. Where other work keeps the cores busy the medians
of large nets are those of the other work; the quickest rounds say what the threads do by themselves.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.checkouts import Checkout, answer
from benchmarks.environment import ROOT, environment
from benchmarks.report import number
from benchmarks.stats import ratios

#: What the environment says; the others are compared with the first.
VALUES = ("1", "2", "16", "")
#: About how long a turn takes, in seconds.
TURN = 0.03
CASES = (
    "fit; 2-8-1",
    "fit; 2-64-64-3",
    "fit; 64-128-10",
    "fit; 784-256-128-10",
    "fit; 784-512-512-10",
    "replicas; 8 x 2-8-1",
    "replicas; 8 x 64-128-10",
    "replicas; 64 x 2-64-64-3",
    "predict; 64-128-10, 1 row",
    "predict; 64-128-10, 512 rows",
    "predict; 64-128-10, 2,000 rows",
    "predict; 64-128-10, 10,000 rows",
    "predict; 2-64-64-3, 10,000 rows",
    "predict; 784-256-128-10, 1 row",
    "predict; 784-256-128-10, 512 rows",
    "predict; 784-256-128-10, 10,000 rows",
    "predict; 784-512-512-10, 2,000 rows",
    "predict 8 nets; 64-128-10, 10,000 rows",
)


def make(kind: str, what: str) -> tuple[Any, int]:
    """Return a function that does so many steps or predictions, and what it must be a multiple of.

    Parameters
    ----------
    kind, what : str
        The parts of one of `CASES`.

    Returns
    -------
    (callable (int) -> None, int)
    """
    import numpy as np

    import nnlite as nn
    from benchmarks.libraries.nnlite import Fit, ManyFit
    from benchmarks.nets import NETS

    if not kind.startswith("predict"):
        job = (Fit if kind == "fit" else ManyFit)(what, 1)

        def train(count: int) -> None:
            job.reset()
            job.run(count)

        return train, job.multiple
    name, rows = what.split(", ", 1)
    sizes = NETS[name].sizes
    layers = [layer for wide in pairwise(sizes) for layer in (nn.Dense(*wide), nn.ReLU())]
    model = nn.Sequential(layers[:-1], rng=0, replicas=8 if "8" in kind else None)
    count = int(rows.split()[0].replace(",", ""))
    x = np.random.default_rng(0).normal(size=(count, sizes[0])).astype(np.float32)

    def predict(count: int) -> None:
        for _ in range(count):
            model.predict(x)

    return predict, 1


def serve() -> None:
    """Answer a number and a case by the seconds that each of so many steps or predictions took."""
    jobs: dict[tuple[str, ...], Any] = {}

    def measure(least: str, *case: str) -> float:
        if case not in jobs:
            jobs[case] = make(*case)
        run, multiple = jobs[case]
        count = -(-int(least) // multiple) * multiple
        begun = time.perf_counter()
        run(count)
        return (time.perf_counter() - begun) / count

    answer(measure)


def start(folder: Path, value: str) -> Checkout:
    """Start a process with one value in its environment."""
    given = {name: one for name, one in environment(1).items() if "THREADS" not in name and name != "NPROC"}
    if value:
        given["OPENBLAS_NUM_THREADS"] = value
    return Checkout(folder, "benchmarks.threads", given)


def measure(processes: Sequence[Checkout], case: str, rounds: int) -> list[str]:
    """Let the processes take turns, and return the cells behind the name of the case."""
    once = min(process.time(1, case) for process in (*processes, *processes))
    count = max(1, round(TURN / once))
    found: list[list[float]] = [[] for _ in processes]
    for turn in range(rounds):
        for shift in range(len(processes)):  # each comes first as often as the others
            place = (turn + shift) % len(processes)
            found[place].append(processes[place].time(count, case))
    base, *others = found
    cells = [f"{ratios(one, base).median:.2f} ({min(one) / min(base):.2f})" for one in others]
    return [number(min(base) * 1e6), *cells]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the command line, by default.

    Returns
    -------
    int
        0.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.threads", description=__doc__.splitlines()[0])
    parser.add_argument("--checkout", type=Path, default=ROOT, help="another checkout of nnlite")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--cases", default="", help="those that begin so, such as predict")
    chosen = parser.parse_args(arguments)
    header = ["1, us", *(value or "not set" for value in VALUES[1:])]
    print(f"{'OPENBLAS_NUM_THREADS':40}" + "".join(f"{cell:>15}" for cell in header))
    with ExitStack() as stack:
        processes = [stack.enter_context(start(chosen.checkout, value)) for value in VALUES]
        for case in CASES:
            if case.startswith(chosen.cases):
                cells = measure(processes, case, chosen.rounds)
                print(f"{case.replace(';', ''):40}" + "".join(f"{cell:>15}" for cell in cells), flush=True)
    print("\nTime by that with one thread: the median of the rounds (by the quickest of each).")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
