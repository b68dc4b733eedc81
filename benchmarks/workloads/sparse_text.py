"""Documents in a sparse matrix: an epoch of `fit`, and the memory that it takes.

Whoever has a form for sparse rows trains on that, and is shown on the same rows made dense too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from benchmarks.report import Table, comparison, overview
from benchmarks.results import Contender, Result
from benchmarks.rounds import Session, interleave
from benchmarks.workload import Workload
from benchmarks.workloads.process import run_process

_AT = "benchmarks.libraries."
MEMORY = ", memory"
#: Memory is almost the same every time.
MEMORY_ROUNDS = 3


def program_of_memory(contender: Contender, case: str, threads: int) -> str:
    """Write the program that prints what dense rows, net and an epoch add to the sparse rows."""
    module, _, name = contender.code.partition(":")
    return (
        f"from {module} import {name} as Job\n"
        "from benchmarks.memory import forget_peak, peak, resident\n"
        "from benchmarks.tables import TABLES\n"
        f"TABLES[{case!r}](); forget_peak(); before = resident()\n"
        f"job = Job({case!r}, {threads}, **{contender.options!r}); job.reset(); job.train(1)\n"
        "print(peak() - before)"
    )


class _SparseText(Workload):
    def run(self, session: Session) -> Iterator[Result]:
        quick, threads = session.settings.quick, session.settings.threads
        contenders = session.present(self.contenders)
        rounds = min(session.settings.rounds, self.rounds or session.settings.rounds)
        for case in self.quick if quick else self.cases:
            if case.endswith(MEMORY):
                yield self._measure_memory(session, case, threads[0], contenders)
                continue
            for count in threads:
                yield session.measure(
                    self.name, case, count, contenders, reference=self.reference, rounds=rounds
                )

    def _measure_memory(
        self, session: Session, case: str, threads: int, contenders: Sequence[Contender]
    ) -> Result:
        """Run a process for each contender, in turn."""
        session.say(f"{self.name}, {case}: {len(contenders)} contenders")

        def turn(contender: Contender) -> float:
            program = program_of_memory(contender, case.removesuffix(MEMORY), threads)
            return run_process(program, threads)[1]

        turns = {c.name: partial(turn, c) for c in contenders}
        values, failed = interleave(turns, min(session.settings.rounds, MEMORY_ROUNDS))
        return Result(
            self.name,
            case,
            threads,
            "MB",
            values=values,
            roles={c.name: c.role for c in contenders if c.name in values},
            libraries={c.name: c.library for c in contenders},
            left_out=failed,
        )

    def tables(self, results: Sequence[Result]) -> list[Table]:
        remarks = {c.name: c.note for c in self.contenders if c.note}
        return [
            comparison(result, self.cases[result.case], unit=unit, scale=scale, remarks=remarks)
            for result in results
            for unit, scale in [("MB", 1.0) if result.unit == "MB" else (self.unit, self.scale)]
        ]

    def overview(self, results: Sequence[Result]) -> list[Table]:
        times = [result for result in results if result.unit != "MB"]
        memory = [result for result in results if result.unit == "MB"]
        tables = super().overview(times) if times else []
        if memory:
            title = f"{self.title}, memory"
            tables.append(overview(memory, title, self.cases, unit="MB", scale=1.0, brief=self.brief))
        return tables

    def draw(self, results: Sequence[Result], path: Path) -> None:
        super().draw([result for result in results if result.unit != "MB"], path)


WORKLOAD = _SparseText(
    "sparse-text",
    "One epoch on sparse rows",
    cases={
        "4,000 words": "1,280 documents of 4,000 words; 4000-64-8, batch 128, Adam",
        "20,000 words": "4,096 documents of 20,000 words; 20000-64-8, batch 128, Adam",
        f"20,000 words{MEMORY}": "memory that an epoch adds to the sparse rows; 20,000 words",
    },
    quick=("4,000 words",),
    reference=Contender("reference", "numpy", f"{_AT}reference:DenseShortEpochs", "yardstick"),
    unit="ms",
    scale=1e3,
    rounds=5,
    brief=("nnlite fit", "nnlite, dense rows"),
    contenders=(
        Contender("nnlite fit", "nnlite", f"{_AT}nnlite:FitEpochs", "ours"),
        Contender("nnlite, dense rows", "nnlite", f"{_AT}nnlite:DenseFitEpochs", "other"),
        Contender(
            "sklearn", "scikit-learn", f"{_AT}sklearn:PartialFitEpochs", note="an epoch by partial_fit"
        ),
        Contender(
            "torch bag",
            "torch",
            f"{_AT}torch:BagEpochs",
            options={"fused": True},
            note="embedding_bag, on rows that SciPy takes out of its matrix",
        ),
        Contender(
            "torch sparse",
            "torch",
            f"{_AT}torch:ProductEpochs",
            options={"fused": True},
            slow=True,
            note="torch.sparse.mm, on rows that SciPy takes out of its matrix",
        ),
        Contender(
            "torch, dense rows", "torch", f"{_AT}torch:DenseLoopEpochs", options={"fused": True}, slow=True
        ),
        Contender(
            "jax sparse",
            "jax",
            f"{_AT}jax:SparseLoopEpochs",
            slow=True,
            note="jax.experimental.sparse.BCSR, on rows that SciPy takes out of its matrix",
        ),
        Contender("jax, dense rows", "jax", f"{_AT}jax:DenseLoopEpochs", slow=True),
    ),
)
