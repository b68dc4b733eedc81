"""What a run has found, and the form in which it is kept."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Literal

from benchmarks.stats import Spread, ratios, spread

#: "ours" is nnlite; a "peer" is a library that the targets compare it with; a "yardstick" is NumPy alone;
#: "other" is shown and not compared, as it does not do quite the same thing.
Role = Literal["ours", "peer", "yardstick", "other"]


@dataclass(frozen=True)
class Contender:
    """One way to do the work of a workload.

    Attributes
    ----------
    name : str
        As it stands in the tables.
    library : str
        A key of `benchmarks.peers.LIBRARIES`.
    code : str
        "module:name" of a `benchmarks.job.Job`, made in the worker.
    role : {"ours", "peer", "yardstick", "other"}
        Its place in the comparison.
    options : dict
        Keyword arguments for the job.
    slow : bool
        Takes long to set up, and is left out by ``--quick``.
    cases : tuple of str
        Takes part in these cases only; in all if there are none.
    note : str
        What a reader of the table must know of it.
    """

    name: str
    library: str
    code: str
    role: Role = "peer"
    options: dict[str, Any] = field(default_factory=dict)
    slow: bool = False
    note: str = ""
    cases: tuple[str, ...] = ()


@dataclass
class Result:
    """One case of a workload with one number of threads.

    Attributes
    ----------
    workload, case : str
        What was done.
    threads : int
        Threads that each contender was given.
    unit : str
        That of the values, such as "s".
    values : dict of str to list of float
        By contender, one number a round.
    roles : dict of str to str
        By contender, its `Role`.
    libraries : dict of str to str
        By contender, its library.
    checks : dict of str to list of float
        By contender, the numbers that must agree, as far as it was asked for them.
    errors : dict of str to float
        By contender, how far they are off, relatively.
    left_out : dict of str to str
        Contenders that failed or did not compute the same, and how.
    remarks : dict of str to str
        By contender, what its job has to say.
    details : dict
        Anything else worth keeping, such as the steps of a turn.
    """

    workload: str
    case: str
    threads: int
    unit: str = "s"
    values: dict[str, list[float]] = field(default_factory=dict)
    roles: dict[str, Role] = field(default_factory=dict)
    libraries: dict[str, str] = field(default_factory=dict)
    checks: dict[str, list[float]] = field(default_factory=dict)
    errors: dict[str, float] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    remarks: dict[str, str] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)

    def median(self, name: str) -> float:
        """Return the median over the rounds."""
        return spread(self.values[name]).median

    def ratio(self, name: str, base: str) -> Spread:
        """Return how many times `base` it takes, round by round."""
        return ratios(self.values[name], self.values[base])

    def best(self, library: str | None = None, *, but: Collection[str] = ()) -> str | None:
        """Name the peer, perhaps only among those of one library or without some, with the lowest median."""
        peers = [name for name in self.values if self.roles[name] == "peer" and name not in but]
        names = [name for name in peers if library is None or self.libraries[name] == library]
        return min(names, key=self.median, default=None)

    def ours(self) -> str | None:
        """Name what stands for nnlite in comparisons: the first contender that is ours."""
        return next((name for name in self.values if self.roles[name] == "ours"), None)
