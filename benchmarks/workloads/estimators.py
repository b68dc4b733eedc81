"""`fit` of `nnlite.sklearn.MLPClassifier` beside that of the class whose place it takes.

The job stands in `benchmarks.estimators`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any

from benchmarks.report import Table, number, threads
from benchmarks.results import Contender, Result, Role
from benchmarks.rounds import Session
from benchmarks.workload import Workload

_AT = "benchmarks.estimators:"
FLOOR = "BLAS floor"
#: As many as a fit makes, whatever its losses are.
EPOCHS = {"digits": 100, "5,000 x 784": 20}
SEEDS = 5
THEIRS, OURS = "sklearn.neural_network", "nnlite.sklearn"
#: Compared with each other in `overview` and by the targets.
PAIRS = (
    ("scikit-learn", "nnlite"),
    ("scikit-learn", "nnlite jit"),
    ("scikit-learn", "nnlite, float32"),
    ("scikit-learn, float32", "nnlite, float32"),
)


def _contender(name: str, module: str, role: Role, note: str = "", **options: Any) -> Contender:
    library = "nnlite" if module == OURS else "scikit-learn"
    options["module"] = module
    return Contender(name, library, f"{_AT}Classifier", role, options=options, note=note)


class _Estimators(Workload):
    """The rounds go through the seeds again and again; for a seed all have the same start and orders."""

    def run(self, session: Session) -> Iterator[Result]:
        quick, reference = session.settings.quick, self.reference
        if reference is None or not session.present([reference]):
            return  # without scikit-learn there is nothing to take the place of
        rounds = min(session.settings.rounds, self.rounds or session.settings.rounds)
        rounds = rounds if quick else max(SEEDS, rounds)
        contenders = session.present(self.contenders)
        for count in session.settings.threads:
            for case in self.quick if quick else self.cases:
                fit = {"method": "fit", "epochs": EPOCHS[case]}
                requests = [fit | {"seed": number % SEEDS} for number in range(rounds)]
                result, answers = session.collect(
                    self.name, case, count, contenders, requests, reference=reference
                )
                for name, found in answers.items():
                    result.values[name] = [answer["seconds"] for answer in found]
                    # A seed that comes again gives the same net.
                    result.details[name] = {
                        key: [answer[key] for answer in found[:SEEDS]]
                        for key in ("epochs", "score")
                        if key in found[0]
                    }
                yield result

    def tables(self, results: Sequence[Result]) -> list[Table]:
        tables = []
        for result, table in zip(results, super().tables(results), strict=True):
            seeds = max((len(kept["epochs"]) for kept in result.details.values()), default=0)
            tables.append(
                table._replace(
                    header=[*table.header, "score, %"],
                    rows=[[*row, score(result, row[0])] for row in table.rows],
                    notes=[*table.notes, f"score: on rows that are not fitted, median of {seeds} seeds"],
                )
            )
        return tables

    def overview(self, results: Sequence[Result]) -> list[Table]:
        names = list(dict.fromkeys(name for pair in PAIRS for name in pair))
        header = ["", *names, *(f"{theirs} / {ours}" for theirs, ours in PAIRS)]
        rows = []
        for result in results:
            times = [
                f"{number(self.scale * result.median(name))} ({score(result, name)} %)"
                if name in result.values
                else ""
                for name in names
            ]
            ratios = [
                number(result.ratio(theirs, ours).median) if {theirs, ours} <= set(result.values) else ""
                for theirs, ours in PAIRS
            ]
            rows.append([f"{self.cases[result.case]}, {threads(result.threads)}", *times, *ratios])
        notes = ["In brackets the score on rows that are not fitted; medians over seeds."]
        return [Table(f"{self.title}, {self.unit}", header, rows, notes)]


def score(result: Result, name: str) -> str:
    """Write the median of the scores over the seeds, in per cent; nothing for who has none."""
    scores = result.details[name].get("score")
    return f"{100 * median(scores):.2f}" if scores else ""


WORKLOAD = _Estimators(
    "estimators",
    "One fit of an estimator",
    cases={
        "digits": f"MLPClassifier() on 1,440 of the digits, 64 features, {EPOCHS['digits']} epochs",
        "5,000 x 784": f"MLPClassifier() on 5,000 x 784, distorted digits, {EPOCHS['5,000 x 784']} epochs",
    },
    quick=("digits",),
    reference=_contender("reference", THEIRS, "yardstick"),
    unit="ms",
    scale=1e3,
    floor=FLOOR,
    rounds=2 * SEEDS,
    contenders=(
        Contender(FLOOR, "numpy", f"{_AT}Floor", "yardstick", note="only the matrix products"),
        Contender(
            f"{FLOOR}, float32", "numpy", f"{_AT}Floor", "yardstick", options={"data": "float32"}, slow=True
        ),
        _contender("nnlite", OURS, "ours"),
        _contender("nnlite jit", OURS, "ours", jit=True),
        _contender("nnlite, float32", OURS, "ours", dtype="float32", note='dtype="float32", on float64 rows'),
        _contender("scikit-learn", THEIRS, "peer"),
        _contender("scikit-learn, float32", THEIRS, "peer", data="float32", note="on float32 rows"),
    ),
)
