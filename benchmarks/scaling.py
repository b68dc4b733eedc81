"""How far data-parallel training scales: ``python -m benchmarks.scaling``.

Measures the all-reduce and the training of nets on one and two ranks, one BLAS thread a rank, in turns
inside one job of mpiexec. From that it predicts 8 to 1,024 ranks, one on each host, over networks of 10
and 100 Gb/s. It needs ``pip install -e ".[mpi]"``, and a machine with two cores that do nothing else.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np

from benchmarks.environment import ROOT, environment
from benchmarks.hosts import hosts, why_not
from benchmarks.report import Table, number
from benchmarks.stats import Spread, ratios, spread

#: The net that the target is about, and a small one.
LARGE, SMALL = [784, 512, 512, 10], [64, 128, 10]
#: Two ranks are to be so many times as fast as one, on the large net at this batch.
TARGET, TARGET_BATCH = 1.7, 512
#: Bytes of the sums that are timed.
SIZES = [8, 1024, 16_384, 131_072, 1_048_576, 4_194_304, 16_777_216]
RANKS = [2**power for power in range(3, 11)]
#: Bits a second.
NETWORKS = {"10 Gb/s": 10e9, "100 Gb/s": 100e9}


class Link(NamedTuple):
    """What a message costs between two ranks.

    Attributes
    ----------
    latency : float
        Seconds for the shortest one.
    bandwidth : float
        Bytes a second.
    """

    latency: float
    bandwidth: float

    def all_reduce(self, ranks: int, size: int) -> float:
        """Predict the seconds of the sum of `size` bytes over some ranks.

        The better of recursive doubling, which sends everything log2(ranks) times, and of a
        reduce-scatter with an all-gather, which sends 2 (ranks - 1) / ranks of it: R. Thakur, R.
        Rabenseifner and W. Gropp, "Optimization of Collective Communication Operations in MPICH",
        International Journal of High Performance Computing Applications 19, 2005, section 4.5.
        """
        if ranks == 1:
            return 0.0
        rounds = math.ceil(math.log2(ranks))
        doubling = rounds * (self.latency + size / self.bandwidth)
        halving = 2 * rounds * self.latency + 2 * (ranks - 1) / ranks * size / self.bandwidth
        return min(doubling, halving)


class Work(NamedTuple):
    """What the step of one rank costs besides the sum.

    Attributes
    ----------
    fixed : float
        Seconds that do not depend on the rows: the optimizer's step and other passes over all weights.
    row : float
        Seconds for each row.
    size : int
        Bytes of the gradient.
    """

    fixed: float
    row: float
    size: int

    def step(self, link: Link, ranks: int, batch: int) -> float:
        """Predict the seconds of a step with `batch` rows over all ranks."""
        return self.fixed + self.row * batch / ranks + link.all_reduce(ranks, self.size)


def fit_line(x: Sequence[float], y: Sequence[float]) -> tuple[float, float, float]:
    """Fit ``y = a + b * x`` so that relative errors count; return a, b, and the largest relative error."""
    x, y = np.asarray(x, float), np.asarray(y, float)
    columns = np.stack([1 / y, x / y], axis=1)
    a, b = np.linalg.lstsq(columns, np.ones(len(y)), rcond=None)[0]
    return float(a), float(b), float(np.max(np.abs((a + b * x) / y - 1)))


def run(
    asked: Mapping[str, Any], *, ranks: int = 2, tcp: bool = False, where: Sequence[str] = ()
) -> dict[str, Any]:
    """Let a job measure; with `tcp` its ranks speak to each other as if they were on different hosts.

    `where` are more options of mpiexec.
    """
    mpiexec = Path(sys.executable).with_name("mpiexec")
    launcher = str(mpiexec) if mpiexec.is_file() else shutil.which("mpiexec")
    if launcher is None:
        sys.exit('benchmarks.scaling: expected mpiexec, got none. Run pip install -e ".[mpi]".')
    variables = environment(1)
    if tcp:
        variables |= {"MPIR_CVAR_NOLOCAL": "1", "UCX_TLS": "tcp,self"}
    words = [
        launcher,
        *where,
        "-n",
        str(ranks),
        sys.executable,
        "-m",
        "benchmarks.scaling_job",
        json.dumps(asked),
    ]
    process = subprocess.run(words, capture_output=True, text=True, env=variables, cwd=ROOT, check=False)
    if process.returncode:
        sys.exit(f"benchmarks.scaling: the job failed.\n{process.stdout}\n{process.stderr}")
    found: dict[str, Any] = json.loads(process.stdout)
    return found


def milliseconds(seconds: Spread | float) -> str:
    """Write a time, or a median with its spread."""
    if isinstance(seconds, Spread):
        low, high = seconds.low * 1e3, seconds.high * 1e3
        return f"{number(seconds.median * 1e3)} ({number(low)} to {number(high)})"
    return number(seconds * 1e3)


def measure_link(rounds: int, *, tcp: bool) -> tuple[Link, Table]:
    """Time the sum over two ranks, and tabulate it beside the line through the times."""
    found = run({"all_reduce": {"sizes": SIZES, "rounds": rounds}}, tcp=tcp)["all_reduce"]
    medians = {int(size): spread(times) for size, times in found.items()}
    latency, slope, error = fit_line(list(medians), [one.median for one in medians.values()])
    link = Link(max(latency, 0.0), 1 / slope)
    rows = [
        [f"{size:,}", f"{one.median * 1e6:,.1f}", f"{link.all_reduce(2, size) * 1e6:,.1f}"]
        for size, one in medians.items()
    ]
    name = "TCP over the loopback" if tcp else "shared memory"
    note = (
        f"latency {link.latency * 1e6:.1f} us, bandwidth {link.bandwidth * 8e-9:.1f} Gb/s; "
        f"the line is off by at most {error:.0%}"
    )
    return link, Table(f"All-reduce over 2 ranks, {name}", ["bytes", "us", "model"], rows, [note])


def overlap(rounds: int, name: str, *, tcp: bool = False, where: Sequence[str] = ()) -> list[str]:
    """Make the row of a table: the gradients added up at the end, and layer by layer on the way."""
    common = {"sizes": LARGE, "batch": TARGET_BATCH, "steps": 8, "ranks": 2}
    asked = {"at the end": common, "on the way": {**common, "overlap": True}}
    found = run({"trainings": asked, "rounds": rounds}, tcp=tcp, where=where)["trainings"]
    gain = ratios(found["on the way"], found["at the end"])
    times = [milliseconds(spread(found[key])) for key in asked]
    return [name, *times, f"{gain.median:.2f} ({gain.low:.2f} to {gain.high:.2f})"]


def strong(trainings: dict[str, list[float]], batches: Sequence[int], name: str) -> list[list[str]]:
    """Make the rows of a table: the same batch on one and on two ranks."""
    rows = []
    for batch in batches:
        one, two = (trainings[f"{name} {batch} on {ranks}"] for ranks in (1, 2))
        gain = ratios(one, two)
        rows.append(
            [
                f"{name}, batch {batch}",
                milliseconds(spread(one)),
                milliseconds(spread(two)),
                f"{gain.median:.2f} ({gain.low:.2f} to {gain.high:.2f})",
            ]
        )
    return rows


def predict(work: Work, links: Mapping[str, Link], batch: int, *, weak: bool) -> Table:
    """Tabulate what the model says of many ranks."""
    rows = []
    notes = []
    alone = {name: work.step(link, 1, batch) for name, link in links.items()}
    best: dict[str, tuple[float, int]] = {name: (alone[name], 1) for name in links}
    stops: dict[str, int | None] = dict.fromkeys(links)
    for ranks in [2, 4, *RANKS]:
        cells = [f"{ranks:,}"]
        for name, link in links.items():
            seconds = work.step(link, ranks, batch * ranks if weak else batch)
            gain = alone[name] / seconds * (ranks if weak else 1)
            if gain / ranks < 0.5 and stops[name] is None:
                stops[name] = ranks
            if seconds < best[name][0]:
                best[name] = (seconds, ranks)
            cells += [milliseconds(seconds), f"{gain:,.1f}", f"{gain / ranks:.0%}"]
        if ranks in RANKS:
            rows.append(cells)
    for name in links:
        stop = f"at {stops[name]:,} ranks half of the work is waiting" if stops[name] else "never below half"
        more = "" if weak else f"; the shortest step is with {best[name][1]:,}"
        notes.append(f"{name}: {stop}{more}")
    header = ["ranks", *(text for name in links for text in (f"{name}: ms", "speed-up", "efficiency"))]
    kind = f"{batch} rows a rank" if weak else f"{batch:,} rows in all"
    return Table(f"Predicted, {'-'.join(map(str, LARGE))}, {kind}", header, rows, notes)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, predict, print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scaling", description="Measure and predict how far training scales."
    )
    parser.add_argument("--rounds", type=int, default=9, metavar="N", help="turns of each configuration")
    parser.add_argument("--quick", action="store_true", help="a run of half a minute, to see that it works")
    parser.add_argument(
        "--markdown", action="store_true", help="print the tables as docs/scaling.md has them"
    )
    parser.add_argument(
        "--hosts", metavar="RATE", help="also across two network namespaces, as root: 1gbit, for instance"
    )
    chosen = parser.parse_args(arguments)
    if chosen.hosts and why_not():
        parser.error(f"--hosts: {why_not()}")
    rounds = 2 if chosen.quick else chosen.rounds
    if rounds < 1:
        parser.error(f"--rounds: expected a number of at least 1, got {rounds}")

    def show(table: Table) -> None:
        print(f"{table.markdown() if chosen.markdown else table.text()}\n", flush=True)

    shared, times = measure_link(5 if chosen.quick else 60, tcp=False)
    show(times)
    tcp, times = measure_link(5 if chosen.quick else 30, tcp=True)
    show(times)

    batches, small_batches = [128, TARGET_BATCH, 2048], [32, 512]
    steps = {128: 40, TARGET_BATCH: 16, 1024: 8, 2048: 4}
    trainings: dict[str, Any] = {}
    for ranks in (1, 2):
        for batch in batches:
            trainings[f"784-512-512-10 {batch} on {ranks}"] = {
                "sizes": LARGE, "batch": batch, "steps": steps[batch], "ranks": ranks,
            }  # fmt: skip
        for batch in small_batches:
            trainings[f"64-128-10 {batch} on {ranks}"] = {
                "sizes": SMALL, "batch": batch, "steps": 100, "ranks": ranks,
            }  # fmt: skip
    trainings["apart"] = {
        "sizes": LARGE, "batch": TARGET_BATCH // 2, "steps": steps[TARGET_BATCH], "ranks": 2, "apart": True,
    }  # fmt: skip
    trainings["weak"] = {"sizes": LARGE, "batch": 1024, "steps": steps[1024], "ranks": 2}
    for pieces in (2, 4):
        trainings[f"in {pieces} pieces"] = {
            "sizes": LARGE, "batch": 2048, "steps": steps[2048], "ranks": 2, "accumulate": pieces,
        }  # fmt: skip
    found = run({"trainings": trainings, "rounds": rounds})["trainings"]

    rows = strong(found, batches, "784-512-512-10") + strong(found, small_batches, "64-128-10")
    header = ["ms a step, one BLAS thread a rank", "1 rank", "2 ranks", "speed-up"]
    alone = found[f"784-512-512-10 {TARGET_BATCH} on 1"]
    gain = ratios(alone, found[f"784-512-512-10 {TARGET_BATCH} on 2"]).median
    verdict = "holds" if gain >= TARGET else "falls short"
    most = ratios(alone, found["apart"])
    notes = [
        f"784-512-512-10, batch {TARGET_BATCH}: at least {TARGET} asked, {gain:.2f} measured: {verdict}",
        f"without a sum or waiting, {TARGET_BATCH // 2} rows on each of two ranks at once, ms a step: "
        f"{milliseconds(spread(found['apart']))}, a speed-up of {most.median:.2f} "
        f"({most.low:.2f} to {most.high:.2f})",
    ]
    show(Table("Strong scaling: the same batch", header, rows, notes))

    weak = ratios(alone, found["weak"])
    rows = [
        [
            "784-512-512-10, 512 rows a rank",
            milliseconds(spread(alone)),
            milliseconds(spread(found["weak"])),
            f"{weak.median:.0%} ({weak.low:.0%} to {weak.high:.0%})",
        ]
    ]
    show(Table("Weak scaling: twice the batch", [*header[:-1], "efficiency"], rows, []))

    rows = [
        [name, milliseconds(spread(found[key])), f"{ratios(found[key], found[whole]).median:.2f}"]
        for whole in ["784-512-512-10 2048 on 2"]
        for name, key in (("1", whole), ("2", "in 2 pieces"), ("4", "in 4 pieces"))
    ]
    title = "Accumulation: 784-512-512-10, batch 2048 on 2 ranks, in pieces"
    show(Table(title, ["pieces", "ms a step", "ratio"], rows, []))

    rows = [overlap(rounds, "shared memory"), overlap(rounds, "TCP over the loopback", tcp=True)]
    if chosen.hosts:
        with TemporaryDirectory() as folder, hosts(2, Path(folder), rate=chosen.hosts) as where:
            rows.append(overlap(rounds, f"two hosts, {chosen.hosts}", where=where))
    title = f"Overlap: 784-512-512-10, batch {TARGET_BATCH} on 2 ranks, ms a step; the sum of all gradients"
    show(Table(title, ["", "at the end", "on the way", "ratio"], rows, []))

    medians = [spread(found[f"784-512-512-10 {batch} on 1"]).median for batch in batches]
    fixed, row, error = fit_line(batches, medians)
    size = 4 * sum((inputs + 1) * outputs for inputs, outputs in itertools.pairwise(LARGE))
    work = Work(max(fixed, 0.0), row, size)
    rows = [
        [
            f"batch {batch}",
            milliseconds(work.step(shared, 2, batch)),
            milliseconds(spread(found[f"784-512-512-10 {batch} on 2"]).median),
        ]
        for batch in batches
    ]
    note = (
        f"a step of one rank: {work.fixed * 1e3:.2f} ms + {work.row * 1e6:.1f} us a row "
        f"(off by at most {error:.0%}); its gradient has {size:,} bytes"
    )
    show(Table("The model against two ranks", ["784-512-512-10, ms", "model", "measured"], rows, [note]))

    links = {name: Link(tcp.latency, bits / 8) for name, bits in NETWORKS.items()}
    for batch, weakly in ((TARGET_BATCH, False), (16_384, False), (TARGET_BATCH, True)):
        show(predict(work, links, batch, weak=weakly))
    print(
        f"The latency is that of TCP here, {tcp.latency * 1e6:.1f} us; the bandwidths are by name. "
        "Each rank has a host of its own."
    )


if __name__ == "__main__":
    main()
