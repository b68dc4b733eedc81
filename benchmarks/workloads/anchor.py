"""A value and gradient of the net of SimpleChains.jl's README, beside the figures that stand there."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.report import Table
from benchmarks.results import Contender, Result
from benchmarks.workload import Workload

_AT = "benchmarks.anchor:"
FLOOR = "BLAS floor"
QUOTED = (
    "quoted, not measured, from another machine: SimpleChains.jl 5.7 µs, Flux 96 µs, the medians for value "
    "and gradient in the README of https://github.com/PumasAI/SimpleChains.jl"
)


class _Anchor(Workload):
    def tables(self, results: Sequence[Result]) -> list[Table]:
        return [table._replace(notes=[*table.notes, QUOTED]) for table in super().tables(results)]

    def overview(self, results: Sequence[Result]) -> list[Table]:
        return [table._replace(notes=[*table.notes, QUOTED]) for table in super().overview(results)]


WORKLOAD = _Anchor(
    "anchor",
    "Value and gradient of SimpleChains.jl's net",
    cases={"24-8-2": "24-8 tanh-dropout-2, 200 rows, float64"},
    quick=("24-8-2",),
    reference=Contender("reference", "numpy", f"{_AT}Reference", "yardstick"),
    floor=FLOOR,
    brief=(FLOOR, "nnlite gradient", "nnlite fit", "nnlite jit"),
    contenders=(
        Contender(FLOOR, "numpy", f"{_AT}Floor", "yardstick"),
        Contender(
            "nnlite gradient", "nnlite", f"{_AT}Gradient", "ours", note="loss_and_grad, dropout active"
        ),
        Contender(
            "nnlite fit",
            "nnlite",
            f"{_AT}Fit",
            "ours",
            note="a step inside an epoch: the gradient, the update of plain SGD, and the loop around it",
        ),
        Contender(
            "nnlite jit", "nnlite", f"{_AT}Fit", "ours", options={"jit": True}, note="the same step, compiled"
        ),
    ),
)
