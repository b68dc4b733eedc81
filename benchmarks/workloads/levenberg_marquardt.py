"""Least squares on small nets: second-order steps against first-order steps.

The problems and the methods stand in `benchmarks.levenberg_marquardt`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.report import Table, number, threads
from benchmarks.results import Contender, Result
from benchmarks.rounds import Session
from benchmarks.workload import Workload

#: The mean squared error to reach, and the seconds for that.
GOAL, LIMIT = 1e-8, 1.0
OURS = "LevenbergMarquardt"
ADAM = "Adam(0.01), 20,000 steps"
SEEDS, ADAM_SEEDS = 10, 3


def _contender(name: str, role: Any = "other") -> Contender:
    place = "benchmarks.levenberg_marquardt:LeastSquares"
    return Contender(name, "nnlite", place, role, options={"method": name})


SECOND_ORDER = (
    _contender(OURS, "ours"),
    _contender(f"{OURS}, float32"),
    *(_contender(f"scipy, {name}") for name in ("lm", "trf", "dogbox")),
)


class _LeastSquares(Workload):
    """Every round is a seed."""

    def run(self, session: Session) -> Iterator[Result]:
        quick, count = session.settings.quick, session.settings.threads[0]
        if quick:
            contenders, seeds, limit = SECOND_ORDER[:1], 1, LIMIT / 5
        else:
            contenders, seeds, limit = SECOND_ORDER, SEEDS, LIMIT
        for case in self.quick if quick else self.cases:
            # The first request is for what is imported in the first call.
            requests = [{"method": "train", "seed": 0, "limit": 0.1}]
            requests += [{"method": "train", "seed": seed, "limit": limit} for seed in range(seeds)]
            result, answers = session.collect(self.name, case, count, contenders, requests)
            answers = {name: found for name, (_, *found) in answers.items()}
            if case == "sine" and not quick:
                whole = [{"method": "train", "seed": seed, "limit": None} for seed in range(ADAM_SEEDS)]
                adam, by_adam = session.collect(self.name, case, count, [_contender(ADAM)], whole)
                answers |= by_adam
                result.roles |= adam.roles
                result.libraries |= adam.libraries
                result.left_out |= adam.left_out
            result.details = {
                name: {key: [run[key] for run in found] for key in ("reached", "loss", "seconds")}
                for name, found in answers.items()
            }
            # Seconds until the goal, of those who came there from every seed.
            result.values = {
                name: kept["reached"] for name, kept in result.details.items() if None not in kept["reached"]
            }
            yield result

    def tables(self, results: Sequence[Result]) -> list[Table]:
        return [self._table(result) for result in results]

    def _table(self, result: Result) -> Table:
        rows = []
        for name, kept in result.details.items():
            times = [seconds for seconds in kept["reached"] if seconds is not None]
            rows.append(
                [
                    name,
                    f"{len(times)} of {len(kept['loss'])}",
                    f"{share_within(result, name):.0f} %",
                    number(median(times)) if times else "never",
                    number(max(times)) if times else "never",
                    f"{median(kept['loss']):.1e}",
                    f"{max(kept['loss']):.1e}",
                    number(median(kept["seconds"])),
                ]
            )
        goal = f"{GOAL:g}"
        header = ["", f"below {goal}", f"within {LIMIT:g} s", "after s, median", "worst"]
        return Table(
            f"{self.name}: {self.cases[result.case]}, {threads(result.threads)}",
            [*header, "loss in the end, median", "worst", "s in all"],
            rows,
            [
                f"medians over the seeds; second-order methods may go on for {LIMIT:g} s",
                "scipy: least_squares with the Jacobian of the model",
            ],
        )

    def overview(self, results: Sequence[Result]) -> list[Table]:
        return self.tables(results)

    def draw(self, results: Sequence[Result], path: Path) -> None:
        from benchmarks.chart import draw_comparison

        losses = [
            replace(result, values={name: kept["loss"] for name, kept in result.details.items()})
            for result in results
        ]
        draw_comparison(
            losses,
            f"After {LIMIT:g} s, or all of Adam's steps",
            self.cases,
            path,
            unit="mean squared error",
            scale=1,
        )


def share_within(result: Result, name: str) -> float:
    """Return how many of a hundred seeds came below the goal within the time."""
    reached = result.details[name]["reached"]
    return 100 * sum(seconds is not None and seconds <= LIMIT for seconds in reached) / len(reached)


WORKLOAD = _LeastSquares(
    "levenberg-marquardt",
    "Time to a mean squared error below 1e-8",
    cases={
        "sine": "sin(3x), 200 points, 1-16-1 tanh",
        "surface": "a surface of two outputs, 300 points, 2-12-2 tanh",
    },
    quick=("sine",),
    unit="s",
    scale=1.0,
)
