"""How the cost of a training step grows with width, depth, batch and number of replicas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.nets import GROWTH
from benchmarks.report import Table, number, threads
from benchmarks.results import Contender, Result
from benchmarks.rounds import Session
from benchmarks.stats import Spread, spread
from benchmarks.workload import Workload

_AT = "benchmarks.libraries."
REPLICATED = "2-8-1"
#: The exponent is fitted to so many points, those of the largest nets.
FITTED = 3

WHAT = {
    "width": "64-n-n-10, batch 32, Adam",
    "depth": "64, n hidden layers of 64, 10; batch 32, Adam",
    "batch": "64-64-64-10, batch n, Adam",
    "replicas": f"n nets {REPLICATED} tanh MSE, batch 4, SGD, as one",
}

ONE = (
    Contender("BLAS floor", "numpy", f"{_AT}bare:Floor", "yardstick"),
    Contender("bare loop", "numpy", f"{_AT}bare:Loop", "yardstick"),
    Contender("nnlite fit", "nnlite", f"{_AT}nnlite:Fit", "ours"),
    Contender("nnlite jit", "nnlite", f"{_AT}nnlite:Fit", "ours", options={"jit": True}),
    Contender("jax", "jax", f"{_AT}jax:Step"),
    Contender("jax scan", "jax", f"{_AT}jax:Scan"),
    Contender("torch", "torch", f"{_AT}torch:Step", options={"fused": True}),
)
MANY = (
    Contender("nnlite fit", "nnlite", f"{_AT}nnlite:ManyFit", "ours"),
    Contender("nnlite jit", "nnlite", f"{_AT}nnlite:ManyFit", "ours", options={"jit": True}),
    Contender("jax", "jax", f"{_AT}jax:ManyStep", note="jax.vmap"),
    Contender("jax scan", "jax", f"{_AT}jax:ManyScan", note="jax.vmap"),
    Contender("torch", "torch", f"{_AT}torch:ManyStep", options={"fused": True}, note="torch.func.vmap"),
)
REFERENCE = {
    many: Contender("reference", "numpy", f"{_AT}reference:{job}", "yardstick")
    for many, job in ((False, "Step"), (True, "Many"))
}
YARDSTICKS = {c.name for c in ONE if c.role == "yardstick"}


class Curve(NamedTuple):
    """The cost of one contender along one axis.

    Attributes
    ----------
    sizes : list of int
        Where it was measured.
    seconds : list of float
        Medians.
    exponent : Spread or None
        Of the power law that fits the largest sizes, over the rounds; None if there are fewer than two.
    """

    sizes: list[int]
    seconds: list[float]
    exponent: Spread | None


def fit_exponents(sizes: Sequence[int], values: Sequence[Sequence[float]]) -> Spread | None:
    """Fit a power law to the largest sizes, round by round.

    Parameters
    ----------
    sizes : sequence of int
        Rising.
    values : sequence of sequences of float
        For each size, one number a round.
    """
    if len(sizes) < 2:
        return None
    rounds = np.log(np.array(values[-FITTED:]))
    return spread(np.polyfit(np.log(sizes[-FITTED:]), rounds, 1)[0].tolist())


def find_curves(axis: str, results: Sequence[Result]) -> dict[str, Curve]:
    """Put the results of an axis together, by contender."""
    found: dict[str, list[tuple[int, list[float]]]] = {}
    for result in results:
        place, size = result.case.split()
        if place == axis:
            for name, values in result.values.items():
                found.setdefault(name, []).append((int(size), values))
    curves = {}
    for name, points in found.items():
        sizes, values = zip(*sorted(points), strict=True)
        curves[name] = Curve(list(sizes), [spread(v).median for v in values], fit_exponents(sizes, values))
    return curves


class Lead(NamedTuple):
    """From where to where along an axis a contender is the fastest; at its end the next takes over."""

    name: str
    start: float
    end: float


def find_leads(curves: Mapping[str, Curve]) -> list[Lead]:
    """Find who is the fastest where, yardsticks apart.

    Between two sizes the time is taken to be a power of the size: a straight line on log scales.
    """
    times = {
        name: dict(zip(curve.sizes, curve.seconds, strict=True))
        for name, curve in curves.items()
        if name not in YARDSTICKS
    }
    sizes = sorted({size for at in times.values() for size in at})
    leads: list[Lead] = []
    for place, size in enumerate(sizes):
        fastest = min((name for name, at in times.items() if size in at), key=lambda name: times[name][size])
        if not leads or leads[-1].name != fastest:
            start: float = size
            if leads:
                ends = sizes[place - 1], size
                start = _crossing(ends, *(times[name] for name in (leads[-1].name, fastest)))
                leads[-1] = leads[-1]._replace(end=start)
            leads.append(Lead(fastest, start, size))
        leads[-1] = leads[-1]._replace(end=size)
    return leads


def _crossing(ends: tuple[int, int], before: Mapping[int, float], after: Mapping[int, float]) -> float:
    """Find where two lines cross; the second size, if one of them is not there at both."""
    if not all(size in at for size in ends for at in (before, after)):
        return ends[1]
    low, high = (float(np.log(after[size] / before[size])) for size in ends)
    return float(np.exp(np.interp(0.0, [high, low], np.log(ends[::-1]))))


def describe_leads(leads: Sequence[Lead]) -> str:
    """Say who leads where."""
    said = [f"{lead.name} to n = {number(lead.end)}" for lead in leads[:-1]]
    return "the fastest: " + ", then ".join([*said, *(lead.name for lead in leads[-1:])])


class _Growth(Workload):
    def run(self, session: Session) -> Iterator[Result]:
        rounds = min(session.settings.rounds, self.rounds or session.settings.rounds)
        for case in self.quick if session.settings.quick else self.cases:
            axis, size = case.split()
            many = axis == "replicas"
            result = session.measure(
                self.name,
                f"{size} x {REPLICATED}" if many else case,
                session.settings.threads[0],
                session.present(MANY if many else ONE),
                reference=REFERENCE[many],
                rounds=rounds,
            )
            result.case = case
            yield result

    def tables(self, results: Sequence[Result]) -> list[Table]:
        tables = []
        for axis, what in WHAT.items():
            curves = find_curves(axis, results)
            sizes = sorted({size for curve in curves.values() for size in curve.sizes})
            rows = []
            for name, curve in curves.items():
                at = dict(zip(curve.sizes, curve.seconds, strict=True))
                cells = [number(self.scale * at[size]) if size in at else "" for size in sizes]
                fitted = curve.exponent
                power = f"{fitted.median:.2f} ({fitted.low:.2f} to {fitted.high:.2f})" if fitted else ""
                rows.append([name, *cells, power])
            if rows:
                tables.append(
                    Table(
                        f"{self.name} with {axis}: {what}; {self.unit} a step, {threads(results[0].threads)}",
                        ["n", *map(str, sizes), "exponent"],
                        rows,
                        [
                            f"exponent: of n, on the last {min(FITTED, len(sizes))} columns (10 to 90 %)",
                            describe_leads(find_leads(curves)),
                            *self._left_out(axis, results),
                        ],
                    )
                )
        return tables

    @staticmethod
    def _left_out(axis: str, results: Sequence[Result]) -> list[str]:
        found = {
            f"left out: {name}: {why.splitlines()[0]}": result.case.split()[1]
            for result in reversed(results)
            if result.case.split()[0] == axis
            for name, why in result.left_out.items()
        }
        return [f"{line} (from n = {size})" for line, size in found.items()]

    def overview(self, results: Sequence[Result]) -> list[Table]:
        return self.tables(results)

    def draw(self, results: Sequence[Result], path: Path) -> None:
        from benchmarks.chart import draw_growth

        curves = {axis: find_curves(axis, results) for axis in WHAT}
        draw_growth({axis: found for axis, found in curves.items() if found}, WHAT, path, fitted=FITTED)


WORKLOAD = _Growth(
    "growth",
    "How a training step grows",
    cases={f"{axis} {size}": f"{axis} {size}" for axis, sizes in GROWTH.items() for size in sizes},
    quick=("width 8", "width 128", "batch 1", "batch 64"),
    rounds=5,
)
