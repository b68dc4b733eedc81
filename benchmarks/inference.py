"""Rows per second that nnlite and onnxruntime predict: ``python -m benchmarks.inference``.

The same net, exported by `nnlite.onnx.export`, and the same rows, as an array, in a file, in blocks
and as a dask array. Every way has a process of its own; all must compute the same numbers, and then
take turns as in `benchmarks`. A second table has blocks of several sizes, a third what a run adds
to the memory of the process. ``--quick`` takes two nets and fewer rounds.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

from benchmarks.environment import describe_machine
from benchmarks.report import Table, caption, number, threads
from benchmarks.results import Contender, Result
from benchmarks.rounds import Session, Settings

#: Rows of a block, where nothing else is said.
BLOCK = 8192
SIZES = (32, 512, 8192)
CASES = (
    "20-64-64-1, 131,072 rows",
    "64-128-10, 65,536 rows",
    "784-256-128-10, 16,384 rows",
    "784-512-512-10, 16,384 rows",
)
QUICK = CASES[1:3]
#: The rows whose memory is compared: what does not depend on their number is the same for both.
MEMORY = ("64-128-10, 100,000 rows", "64-128-10, 400,000 rows")

_JOBS = "benchmarks.inference_jobs:"


def _way(name: str, library: str, job: str, **options: Any) -> Contender:
    role = "ours" if library == "nnlite" else "peer"
    return Contender(name, library, _JOBS + job, role, options)  # type: ignore[arg-type]


REFERENCE = Contender("reference", "numpy", f"{_JOBS}Reference", "yardstick")
WAYS = (
    _way("array", "nnlite", "Whole"),
    _way("file to file", "nnlite", "Files"),
    _way("blocks", "nnlite", "Blocks", block=BLOCK),
    _way("dask blocks", "nnlite", "DaskBlocks", block=BLOCK),
    _way("dask threads", "nnlite", "DaskThreads", block=BLOCK),
    _way("onnxruntime", "onnxruntime", "Onnx"),
    _way("onnxruntime, blocks", "onnxruntime", "OnnxBlocks", block=BLOCK),
)
BY_SIZE = tuple(
    _way(f"{name}{size:,}", library, job, block=size)
    for size in SIZES
    for name, library, job in (
        ("blocks of ", "nnlite", "Blocks"),
        ("onnxruntime, ", "onnxruntime", "OnnxBlocks"),
    )
)


def present(session: Session, ways: Sequence[Contender]) -> list[Contender]:
    """Leave out what needs a library that is not there."""
    found = session.present(ways)
    if find_spec("dask") is None:
        session.say("dask is not installed and is skipped: python -m pip install dask[array]")
        found = [way for way in found if not way.name.startswith("dask")]
    return found


def rows_of(result: Result) -> int:
    """Return the rows of a case."""
    return int(result.case.split(", ")[1].split()[0].replace(",", ""))


def rows_table(results: Sequence[Result], ways: Sequence[Contender], title: str) -> Table:
    """Show thousands of rows a second, of each net and number of threads."""
    names = [way.name for way in ways if any(way.name in result.values for result in results)]
    rows = []
    for result in results:
        rates = {name: rows_of(result) / result.median(name) / 1e3 for name in result.values}
        place = f"{result.case.split(', ')[0]}, {threads(result.threads)}"
        rows.append([place, *(number(rates[name]) if name in rates else "" for name in names)])
    return Table(f"{title}, thousands of rows a second", ["", *names], rows, _remarks(results))


def times_table(results: Sequence[Result], pairs: Sequence[tuple[str, str]]) -> Table:
    """Show how many times as long as onnxruntime each takes, round by round: median, and 10 to 90 %."""
    rows = []
    for result in results:
        cells = []
        for ours, theirs in pairs:
            if ours not in result.values or theirs not in result.values:
                cells.append("")
                continue
            found = result.ratio(ours, theirs)
            cells.append(f"{number(found.median)} ({number(found.low)} to {number(found.high)})")
        rows.append([f"{result.case.split(', ')[0]}, {threads(result.threads)}", *cells])
    header = ["", *(f"{ours} / {theirs}" for ours, theirs in pairs)]
    return Table("Time, in times that of onnxruntime (10 to 90 %)", header, rows, [])


def _remarks(results: Sequence[Result]) -> list[str]:
    left_out = {
        f"left out: {name}: {why.splitlines()[0]}"
        for result in results
        for name, why in result.left_out.items()
    }
    errors = [error for result in results for error in result.errors.values()]
    return [
        *sorted(left_out),
        *(f"largest relative error of what is compared: {max(errors):.1e}" for _ in errors[:1]),
    ]


def measure(
    session: Session, cases: Sequence[str], counts: Sequence[int], ways: Sequence[Contender]
) -> list[Result]:
    """Let all ways take turns, for each net and number of threads."""
    return [
        session.measure("inference", case, count, ways, reference=REFERENCE, warm=0)
        for count in counts
        for case in cases
    ]


def memory(session: Session, ways: Sequence[Contender], count: int) -> Table:
    """Measure by how much a run raises the peak of a process that holds the net and the rows."""
    names = [way.name for way in ways]
    rows, notes = [], []
    for case in MEMORY:
        # Unchecked: the first run shows what is taken, and what the process then keeps a second would use.
        fresh = [replace(way, options={**way.options, "checked": False}) for way in ways]
        result, answers = session.collect("memory", case, count, fresh, [{"method": "memory"}])
        rows.append([case, *(number(answers[name][0]) if name in answers else "" for name in names)])
        sizes = [int(size) for size in case.split(", ")[0].split("-")]
        files = rows_of(result) * (sizes[0] + sizes[-1]) * 4 / 1e6
        notes.append(
            f"file to file, {case}: {number(files)} MB are pages of the two files, which the system takes "
            "back when it needs them"
        )
        notes += _remarks([result])
    return Table("Memory that predicting adds, MB", ["", *names], rows, notes)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.inference", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--quick", action="store_true", help="two nets, fewer rounds")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="numbers of threads")
    parser.add_argument("--rounds", type=int, help="turns of each way")
    parser.add_argument(
        "--tables", nargs="+", choices=["ways", "sizes", "memory"], default=["ways", "sizes", "memory"]
    )
    parser.add_argument("--markdown", action="store_true", help="write the tables as Markdown")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print the tables."""
    chosen = parse(arguments)
    settings = Settings(
        rounds=chosen.rounds or (3 if chosen.quick else 7), turn=0.06, threads=tuple(chosen.threads)
    )
    cases = QUICK if chosen.quick else CASES
    tables: list[Table] = []
    with Session(settings) as session:
        ways, by_size = present(session, WAYS), session.present(BY_SIZE)
        if "ways" in chosen.tables:
            found = measure(session, cases, settings.threads, ways)
            tables.append(rows_table(found, ways, "Prediction"))
            pairs = [("array", "onnxruntime"), ("array", "onnxruntime, blocks")]
            pairs += [("blocks", "onnxruntime, blocks")]
            tables.append(times_table(found, pairs))
        if "sizes" in chosen.tables:
            found = measure(session, cases, settings.threads, by_size)
            tables.append(rows_table(found, by_size, "Blocks from an iterator"))
            pairs = [(f"blocks of {size:,}", f"onnxruntime, {size:,}") for size in SIZES]
            tables.append(times_table(found, pairs))
        if "memory" in chosen.tables:
            tables.append(memory(session, ways, settings.threads[0]))
    for table in tables:
        print(f"\n{table.markdown() if chosen.markdown else table.text()}")
    machine = describe_machine()
    machine["versions"] = {
        name: version
        for name, version in machine["versions"].items()
        if name in ("nnlite", "numpy", "onnxruntime", "onnx")
    }
    print(f"\n{caption(machine)}")


if __name__ == "__main__":
    main()
