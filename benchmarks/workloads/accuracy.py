"""Time to reach a stated accuracy on rows that are not trained on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

from benchmarks.report import Table, comparison
from benchmarks.results import Contender, Result
from benchmarks.rounds import Session
from benchmarks.workload import Workload

_AT = "benchmarks.libraries."
GOALS = {"digits": 0.97, "spirals": 0.99}
SEEDS = 11
#: Epochs after which a library gives up.
LIMIT = 300


class _Accuracy(Workload):
    """Every round is a seed: the same initial weights for all, and for each its own orders of the rows."""

    def run(self, session: Session) -> Iterator[Result]:
        quick = session.settings.quick
        for case in self.quick if quick else self.cases:
            goal = {"method": "reach", "accuracy": GOALS[case], "epochs": LIMIT}
            seeds = range(1 if quick else SEEDS)
            # The first request is for what is compiled or made on the first call.
            requests = [goal | {"seed": 0, "epochs": 1}, *(goal | {"seed": seed} for seed in seeds)]
            result, answers = session.collect(
                self.name, case, session.settings.threads[0], session.present(self.contenders), requests
            )
            for name, (_, *found) in answers.items():
                missed = sum(answer["accuracy"] < GOALS[case] for answer in found)
                if missed:
                    result.left_out[name] = f"missed {missed} of {len(found)} goals within {LIMIT} epochs"
                else:
                    result.values[name] = [answer["seconds"] for answer in found]
                result.details[name] = {
                    key: [answer[key] for answer in found] for key in ("epochs", "accuracy")
                }
            yield result

    def tables(self, results: Sequence[Result]) -> list[Table]:
        tables = []
        for result in results:
            table = comparison(result, self.cases[result.case], unit=self.unit, scale=self.scale)
            epochs = [f"{median(result.details[name]['epochs']):.0f}" for name, *_ in table.rows]
            rows = [[*row, cell] for row, cell in zip(table.rows, epochs, strict=True)]
            count = max((len(values) for values in result.values.values()), default=0)
            tables.append(
                table._replace(
                    header=[*table.header, "epochs"],
                    rows=rows,
                    notes=[
                        *table.notes,
                        f"medians over seeds, {count} of them; all begin with the same weights",
                    ],
                )
            )
        return tables


WORKLOAD = _Accuracy(
    "accuracy",
    "Time to reach an accuracy",
    cases={
        "digits": f"{GOALS['digits']:.0%} of 357 digits; 64-128-10, batch 32, Adam(0.001)",
        "spirals": f"{GOALS['spirals']:.0%} of 200 points of spirals; 2-64-64-3 tanh, batch 32, Adam(0.01)",
    },
    quick=("digits",),
    unit="ms",
    scale=1e3,
    brief=("nnlite fit", "nnlite jit", "jax scan"),
    contenders=(
        Contender("nnlite fit", "nnlite", f"{_AT}nnlite:FitEpochs", "ours"),
        Contender("nnlite jit", "nnlite", f"{_AT}nnlite:FitEpochs", "ours", options={"jit": True}),
        Contender("jax", "jax", f"{_AT}jax:LoopEpochs"),
        Contender("jax scan", "jax", f"{_AT}jax:ScanEpochs"),
        Contender("torch", "torch", f"{_AT}torch:LoopEpochs", options={"fused": True}),
        Contender("thinc", "thinc", f"{_AT}thinc:LoopEpochs"),
        Contender("sklearn", "scikit-learn", f"{_AT}sklearn:PartialFitEpochs"),
        Contender("keras", "keras", f"{_AT}keras:FitEpochs", options={"steps": 8}, slow=True),
    ),
)
