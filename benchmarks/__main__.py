"""The command line: ``python -m benchmarks``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.environment import describe_machine
from benchmarks.peers import LIBRARIES
from benchmarks.report import caption
from benchmarks.results import Result
from benchmarks.rounds import Session, Settings
from benchmarks.targets import TARGETS, judge
from benchmarks.workload import Workload
from benchmarks.workloads import WORKLOADS

OUTPUT = Path(__file__).with_name("results")
QUICK = Settings(rounds=3, turn=0.02, threads=(1,), quick=True)


class Run(NamedTuple):
    """All that a run has found.

    Attributes
    ----------
    machine : dict
        What it was measured on: see `describe_machine`.
    settings : dict
        Those of the run.
    skipped : dict of str to str
        Libraries that are not installed, and the command that installs each.
    results : list of Result
        What was measured.
    """

    machine: dict[str, Any]
    settings: dict[str, Any]
    skipped: dict[str, str]
    results: list[Result]


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure nnlite side by side with NumPy alone and with the libraries that are installed.",
        epilog="The exit code is 0 whatever the numbers are, and 1 if the run itself failed: "
        "a target that is missed is a finding.",
    )
    names = [workload.name for workload in WORKLOADS]
    parser.add_argument(
        "workloads", nargs="*", metavar="WORKLOAD", help=f"what to run: {', '.join(names)}; all by default"
    )
    parser.add_argument("--list", action="store_true", help="list workloads, cases and libraries, and stop")
    parser.add_argument("--quick", action="store_true", help="a run of a minute or two, to see that it works")
    parser.add_argument("--check", action="store_true", help="compare the run with the targets")
    parser.add_argument("--threads", type=int, nargs="+", metavar="N", help="numbers of threads: 1 2")
    parser.add_argument("--rounds", type=int, metavar="N", help="turns of each contender")
    parser.add_argument(
        "--only-peers", metavar="A,B", help="compare only with these libraries; an empty text is none"
    )
    parser.add_argument("--output", type=Path, default=OUTPUT, metavar="DIR", help="where files go")
    parser.add_argument(
        "--from", dest="earlier", type=Path, metavar="FILE", help="report again what is in a results.json"
    )
    parser.add_argument("--markdown", action="store_true", help="print the tables in Markdown, in brief")
    chosen = parser.parse_args(arguments)
    for name in chosen.workloads:
        if name not in names:
            parser.error(f"WORKLOAD: expected one of {', '.join(names)}, got {name}")
    for option in ("rounds", "threads"):
        given = getattr(chosen, option)
        if given is not None and min(given if isinstance(given, list) else [given]) < 1:
            parser.error(f"--{option}: expected a number of at least 1, got {given}")
    if chosen.only_peers is not None:
        chosen.only_peers = tuple(filter(None, chosen.only_peers.split(",")))
        for name in chosen.only_peers:
            if name not in LIBRARIES:
                parser.error(f"--only-peers: expected libraries of {', '.join(LIBRARIES)}, got {name}")
    return chosen


def make_settings(chosen: argparse.Namespace) -> Settings:
    """Turn the command line into settings."""
    settings = QUICK if chosen.quick else Settings()
    if chosen.rounds:
        settings = replace(settings, rounds=chosen.rounds)
    if chosen.threads:
        settings = replace(settings, threads=tuple(dict.fromkeys(chosen.threads)))
    return replace(settings, only=chosen.only_peers)


def show_list(workloads: Sequence[Workload]) -> None:
    """Say what there is."""
    for workload in workloads:
        print(f"{workload.name}: {workload.title}")
        for case, description in workload.cases.items():
            print(f"    {case}: {description}" if description != case else f"    {case}")
    print("libraries:")
    for name, library in LIBRARIES.items():
        there = f"not installed: {library.install}"
        if not library.missing:
            there = ", ".join(f"{package} {version}" for package, version in library.versions().items())
        print(f"    {name}: {there}")


def measure(workloads: Sequence[Workload], settings: Settings, path: Path) -> Run:
    """Run workloads, show the tables of each as soon as it is done, and write down all on the way."""
    with Session(settings, lambda line: print(line, file=sys.stderr, flush=True)) as session:
        run = Run(describe_machine(), asdict(settings), session.skipped, [])
        for workload in workloads:
            for result in workload.run(session):
                run.results.append(result)
                write(path, run)
            show_tables(workload, [result for result in run.results if result.workload == workload.name])
    return run


def read(path: Path) -> Run:
    """Read what an earlier run has written."""
    whole = json.loads(path.read_text(encoding="utf-8"))
    return Run(**whole | {"results": [Result(**result) for result in whole["results"]]})


def write(path: Path, run: Run) -> None:
    """Write down everything."""
    whole = run._asdict() | {"results": [asdict(result) for result in run.results]}
    path.write_text(json.dumps(whole, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def show_tables(workload: Workload, results: Sequence[Result]) -> None:
    """Print the tables of a workload."""
    for table in workload.tables(results):
        print(f"\n{table.text()}", flush=True)


def draw(workload: Workload, results: Sequence[Result], path: Path) -> None:
    """Draw the chart of a workload, if there is something to draw with."""
    try:
        workload.draw(results, path)
    except ImportError as error:
        print(f"no chart: {error}. python -m pip install matplotlib", file=sys.stderr)
    else:
        print(f"    {path.name}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, report and return the exit code."""
    chosen = parse(arguments)
    workloads = [w for w in WORKLOADS if not chosen.workloads or w.name in chosen.workloads]
    if chosen.list:
        show_list(workloads)
        return 0
    chosen.output.mkdir(parents=True, exist_ok=True)
    if chosen.earlier is None:
        run = measure(workloads, make_settings(chosen), chosen.output / "results.json")
    else:
        run = read(chosen.earlier)
    found = {w: [result for result in run.results if result.workload == w.name] for w in workloads}
    found = {workload: results for workload, results in found.items() if results}
    if chosen.earlier is not None:
        for workload, results in found.items():
            show_tables(workload, results)
    print(f"\n{caption(run.machine)}")
    for name, install in run.skipped.items():
        print(f"skipped, not installed: {name} ({install})")
    if chosen.markdown:
        for workload, results in found.items():
            for table in workload.overview(results):
                print(f"\n{table.markdown()}")
        print(f"\n{caption(run.machine)}")
    if chosen.check:
        names = [workload.name for workload in found]
        print("\nTargets:")
        for verdict in judge(run.results, [target for target in TARGETS if target.workload in names]):
            print(verdict.line())
    print(f"\nin {chosen.output}:")
    if chosen.earlier is None:
        print("    results.json")
    for workload, results in found.items():
        draw(workload, results, chosen.output / f"{workload.name}.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
