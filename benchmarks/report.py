"""Tables: as text for the terminal, as Markdown for docs/speed.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks.results import Result
from benchmarks.stats import Spread


class Table(NamedTuple):
    """A table; its first column holds names, the others numbers.

    Attributes
    ----------
    title : str
        What it shows.
    header : list of str
        Names of the columns.
    rows : list of list of str
        The cells.
    notes : list of str
        Lines that belong below it.
    """

    title: str
    header: list[str]
    rows: list[list[str]]
    notes: list[str]

    def text(self) -> str:
        """Align the columns with blanks."""
        table = [self.header, *self.rows]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = [self._line(row, widths) for row in table]
        lines.insert(1, "-" * len(lines[0]))
        return "\n".join([self.title, "", *lines, *self.notes])

    @staticmethod
    def _line(row: list[str], widths: list[int]) -> str:
        name, *cells = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        return "  ".join([name.strip().ljust(widths[0]), *cells])

    def markdown(self) -> str:
        """Write it as Markdown."""
        rule = ["---", *["---:"] * (len(self.header) - 1)]
        lines = ["| " + " | ".join(row) + " |" for row in [self.header, rule, *self.rows]]
        return "\n".join([f"**{self.title}**", "", *lines, *(f"\n{note}" for note in self.notes)])


def number(value: float) -> str:
    """Write a number with three digits that count, and one that is close to zero with its power of ten."""
    if 0 < abs(value) < 0.005:
        return f"{value:.1e}"
    if abs(value) >= 99.95:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 9.995 else f"{value:.2f}"


def threads(count: int) -> str:
    """Say how many threads."""
    return "1 thread" if count == 1 else f"{count} threads"


def _times(found: Spread) -> str:
    return f"{number(found.median)} ({number(found.low)} to {number(found.high)})"


def comparison(
    result: Result,
    description: str,
    *,
    unit: str,
    scale: float,
    floor: str | None = None,
    remarks: Mapping[str, str] | None = None,
) -> Table:
    """Compare all contenders of one result, the fastest first.

    Parameters
    ----------
    result : Result
        What was measured.
    description : str
        What the case is.
    unit, scale : str, float
        What to show, and how many of it a unit of the values is.
    floor : str, optional
        The contender that nobody can be faster than.
    remarks : dict of str to str, optional
        By contender, what a reader must know of it.
    """
    ours = result.ours()
    header = ["", unit]
    if ours:
        header.append(f"times {ours} (10 to 90 %)")
    if floor in result.values:
        header.append(f"times {floor}")
    rows = []
    for name in sorted(result.values, key=result.median):
        row = [name, number(scale * result.median(name))]
        if ours:
            row.append(_times(result.ratio(name, ours)))
        if floor in result.values:
            row.append(number(result.ratio(name, str(floor)).median))
        rows.append(row)
    said = [*(remarks or {}).items(), *result.remarks.items()]
    notes = [f"{name}: {note}" for name, note in said if name in result.values]
    notes += [f"{name}: worked on {cores:.1f} cores" for name, cores in _too_many_cores(result).items()]
    notes += [f"left out: {name}: {why.splitlines()[0]}" for name, why in result.left_out.items()]
    if result.errors:
        worst = max(result.errors, key=result.errors.__getitem__)
        notes.append(f"largest relative error: {result.errors[worst]:.1e}, {worst}")
    return Table(f"{result.workload}: {description}, {threads(result.threads)}", header, rows, notes)


def _too_many_cores(result: Result) -> dict[str, float]:
    """Find those that did not keep to the threads they were given."""
    used = {
        name: sum(result.details[name]["cpu"]) / sum(values)
        for name, values in result.values.items()
        if "cpu" in result.details.get(name, {})
    }
    return {name: cores for name, cores in used.items() if cores > result.threads + 0.15}


def overview(
    results: Sequence[Result],
    title: str,
    cases: Mapping[str, str],
    *,
    unit: str,
    scale: float,
    brief: Sequence[str],
) -> Table:
    """Put the medians of all results into one table.

    Parameters
    ----------
    results : sequence of Result
        What was measured; each gets a row.
    title : str
        What was done.
    cases : dict of str to str
        The cases, and what each is.
    unit, scale : str, float
        What to show, and how many of it a unit of the values is.
    brief : sequence of str
        Contenders that have a column of their own. Each library has one for the fastest of its other peers.
    """
    own = [name for name in brief if any(name in result.values for result in results)]
    libraries = dict.fromkeys(
        result.libraries[name]
        for result in results
        for name in result.values
        if result.roles[name] == "peer" and name not in own
    )
    many = len({result.threads for result in results}) > 1
    rows, behind = [], []
    for result in results:
        shown = [name for name in own if result.roles.get(name) == "ours" and name in result.values]
        ours, peer = min(shown, key=result.median, default=result.ours()), result.best()
        faster = min((name for name in (ours, peer) if name), key=result.median, default=None)
        place = cases[result.case] + (f", {threads(result.threads)}" if many else "")
        row = [place]
        for name in [*own, *(result.best(library, but=own) for library in libraries)]:
            cell = number(scale * result.median(name)) if name in result.values else ""
            row.append(f"**{cell}**" if name is not None and name == faster else cell)
        rows.append(row)
        if ours and peer and faster == peer:
            times = number(result.ratio(peer, ours).median)
            behind.append(f"- {place}: {peer} takes {times} times as long as {ours}.")
    notes = ["Each library in its fastest form; bold: the faster of nnlite and the best of them."]
    if behind:
        notes.append("\n".join(["nnlite is behind at", "", *behind]))
    return Table(f"{title}, {unit}", ["", *own, *libraries], rows, notes)


def caption(machine: Mapping[str, Any]) -> str:
    """Say when and on what a table was measured."""
    listed = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    return (
        f"Measured {machine['date']} on {machine['cpu']} with {machine['cores']} cores, {machine['system']}, "
        f"Python {machine['python']}, {machine['blas']}; {listed}."
    )
