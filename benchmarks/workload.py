"""What a workload is: something to measure, the tables that report it, and perhaps a chart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.report import Table, comparison, overview
from benchmarks.results import Contender, Result
from benchmarks.rounds import Session


class Workload:
    """Cases, each done by several contenders in turn.

    The module of a workload makes one of these, or of a subclass that overrides `run` if
    turns in living processes are not what it needs, and `benchmarks.workloads.WORKLOADS`
    lists it.

    Parameters
    ----------
    name : str
        What it is called on the command line and in the results.
    title : str
        One line that says what is measured.
    cases : dict of str to str
        The cases, each with a line that describes it.
    contenders : sequence of Contender
        Who takes part; the first that is ours stands for nnlite.
    reference : Contender, optional
        Computes what all must compute.
    quick : sequence of str
        The cases of ``--quick``.
    floor : str, optional
        The contender that nobody can be faster than.
    unit, scale : str, float
        What the tables show, and how many of it a second is.
    rounds : int, optional
        The most rounds, for work that takes long.
    brief : sequence of str
        Contenders that the overview shows beside the fastest of each other library.
    """

    def __init__(
        self,
        name: str,
        title: str,
        *,
        cases: dict[str, str],
        contenders: Sequence[Contender] = (),
        reference: Contender | None = None,
        quick: Sequence[str] = (),
        floor: str | None = None,
        unit: str = "µs",
        scale: float = 1e6,
        rounds: int | None = None,
        brief: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.title = title
        self.cases = cases
        self.contenders = contenders
        self.reference = reference
        self.quick = quick
        self.floor = floor
        self.unit = unit
        self.scale = scale
        self.rounds = rounds
        self.brief = brief

    def run(self, session: Session) -> Iterator[Result]:
        """Measure all cases with each number of threads, and give each result when it is there."""
        present = session.present(self.contenders)
        cases = self.quick if session.settings.quick else self.cases
        rounds = min(session.settings.rounds, self.rounds or session.settings.rounds)
        for threads in session.settings.threads:
            for case in cases:
                contenders = [c for c in present if not c.cases or case in c.cases]
                yield session.measure(
                    self.name, case, threads, contenders, reference=self.reference, rounds=rounds
                )

    def tables(self, results: Sequence[Result]) -> list[Table]:
        """Report each result at length."""
        return [
            comparison(
                result,
                self.cases[result.case],
                unit=self.unit,
                scale=self.scale,
                floor=self.floor,
                remarks={c.name: c.note for c in self.contenders if c.note},
            )
            for result in results
        ]

    def overview(self, results: Sequence[Result]) -> list[Table]:
        """Report all results in brief, for docs/speed.md."""
        return [overview(results, self.title, self.cases, unit=self.unit, scale=self.scale, brief=self.brief)]

    def draw(self, results: Sequence[Result], path: Path) -> None:
        """Draw a chart into a PNG file."""
        from benchmarks.chart import draw_comparison

        draw_comparison(
            results, self.title, self.cases, path, unit=self.unit, scale=self.scale, floor=self.floor
        )
