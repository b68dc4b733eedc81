"""What the measurements are held against, and whether they do."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Literal, NamedTuple

from benchmarks.nets import SHAPED
from benchmarks.report import number, threads
from benchmarks.results import Result
from benchmarks.stats import spread

#: Takes a result and finds the number that a target is about, or None if it was not measured.
Finder = Callable[[Result], float | None]


class Target(NamedTuple):
    """One number that was promised.

    Attributes
    ----------
    workload, case : str
        Where it is measured.
    what : str
        What the number is.
    sense : {"at most", "at least"}
        On which side of the limit it must lie.
    limit : float
        The limit.
    find : callable (Result) -> float or None
        Finds the number.
    threads : tuple of int or None
        The numbers of threads that it is about; None is all that were measured.
    """

    workload: str
    case: str
    what: str
    sense: Literal["at most", "at least"]
    limit: float
    find: Finder
    threads: tuple[int, ...] | None = None

    def holds(self, value: float) -> bool:
        """Tell whether a number is on the right side."""
        return value <= self.limit if self.sense == "at most" else value >= self.limit


class Verdict(NamedTuple):
    """What became of a target with one number of threads."""

    target: Target
    threads: int | None
    value: float | None

    def line(self) -> str:
        """Say it in a line."""
        target = self.target
        place = f"{target.workload}, {target.case}"
        if self.threads is not None:
            place += f", {threads(self.threads)}"
        promise = f"{place}: {target.what} {target.sense} {number(target.limit)}"
        if self.value is None:
            return f"{promise}: not measured"
        return f"{promise}, measured {number(self.value)}: " + (
            "holds" if target.holds(self.value) else "falls short"
        )


def ratio(name: str, base: str) -> Finder:
    """Find how many times the value of `base` the value of `name` is."""
    return lambda result: result.ratio(name, base).median if {name, base} <= set(result.values) else None


def lead(name: str, *, but: Collection[str] = ()) -> Finder:
    """Find how many times the value of `name` that of the best peer is, perhaps without some."""

    def find(result: Result) -> float | None:
        peer = result.best(but=but)
        return result.ratio(peer, name).median if peer and name in result.values else None

    return find


def microseconds(name: str) -> Finder:
    """Find the median of `name` in microseconds."""
    return lambda result: 1e6 * result.median(name) if name in result.values else None


def median(name: str) -> Finder:
    """Find the median of `name`, in the unit of the result."""
    return lambda result: result.median(name) if name in result.values else None


#: What only jit is held against: nothing can be looked at or changed between the steps of an epoch.
UNSEEN = ("jax scan",)


def _training_step() -> Iterator[Target]:
    for case, against_loop, against_peers, against_floor in (
        ("2-8-1", 1.3, 3.0, None),
        ("2-64-64-3", 1.3, 1.8, None),
        ("64-128-10", 1.3, 1.3, None),
        ("784-256-128-10", 1.05, 1.0, 1.65),
        ("784-512-512-10", 1.05, 1.0, 1.25),
        ("1024-2048-2048-1000", 1.05, 1.0, 1.10),
    ):
        at = ("training-step", case)
        yield Target(*at, "fit / bare loop", "at most", against_loop, ratio("nnlite fit", "bare loop"))
        yield Target(*at, "best peer / fit", "at least", against_peers, lead("nnlite fit", but=UNSEEN))
        if against_floor:
            yield Target(*at, "fit / BLAS floor", "at most", against_floor, ratio("nnlite fit", "BLAS floor"))


def _shapes() -> Iterator[Target]:
    for case in SHAPED:
        yield Target("shapes", case, "best peer / jit", "at least", 1.0, lead("nnlite jit"))
        yield Target("shapes", case, "fit / torch", "at most", 2.0, ratio("nnlite fit", "torch"))


def _replicas() -> Iterator[Target]:
    first = ("replicas", "64 x 2-8-1")
    yield Target(
        *first, "64 nets / one net", "at most", 10.0, ratio("nnlite fit", "nnlite, one net"), threads=(1,)
    )
    yield Target(
        *first, "torch in turn / fit", "at least", 100.0, ratio("torch in turn", "nnlite fit"), threads=(1,)
    )
    for name in ("2-8-1", "2-64-64-3", "64-128-10"):
        yield Target(
            "replicas", f"64 x {name}", "jax.vmap / fit", "at least", 1.0, ratio("jax", "nnlite fit")
        )


def _each(
    workload: str,
    case: str,
    what: str,
    sense: Literal["at most", "at least"],
    limits: float | tuple[float, float],
    find: Finder,
) -> Iterator[Target]:
    """Make one target for all numbers of threads, or one for 1 thread and one for 2."""
    if isinstance(limits, float):
        yield Target(workload, case, what, sense, limits, find)
        return
    for count, limit in enumerate(limits, start=1):
        yield Target(workload, case, what, sense, limit, find, threads=(count,))


def _jit() -> Iterator[Target]:
    """Give what `fit(jit=True)` and its like must reach; pairs are for 1 thread and for 2."""
    for case, against_peers, against_fit, above_floor in (
        ("2-8-1", 5.0, 15.0, 1.0),
        ("2-64-64-3", 1.7, 3.5, 1.2),
        ("64-128-10", 1.35, 2.3, 1.9),
        ("784-256-128-10", (1.05, 1.3), 1.3, 1.15),
        ("784-512-512-10", 1.0, 1.08, 1.08),
        ("1024-2048-2048-1000", (1.0, 0.95), (1.1, 1.35), (1.05, 1.08)),
    ):
        at = ("training-step", case)
        yield from _each(*at, "best peer / jit", "at least", against_peers, lead("nnlite jit"))
        yield from _each(*at, "fit / jit", "at least", against_fit, ratio("nnlite fit", "nnlite jit"))
        yield from _each(*at, "jit / BLAS floor", "at most", above_floor, ratio("nnlite jit", "BLAS floor"))
    # FANN, a C library for nets as small as this one, is the best peer there; this is XLA's loop.
    scan = ratio("jax scan", "nnlite jit")
    yield Target("training-step", "2-8-1", "jax scan / jit", "at least", 5.0, scan)
    for name, against_scan, against_fit in (
        ("2-8-1", 2.5, 12.0),
        ("2-64-64-3", (1.05, 1.5), (1.35, 2.0)),
        ("64-128-10", (1.05, 1.5), (1.35, 2.0)),
    ):
        at = ("replicas", f"64 x {name}")
        yield from _each(*at, "jax.vmap, scan / jit", "at least", against_scan, scan)
        yield from _each(*at, "fit / jit", "at least", against_fit, ratio("nnlite fit", "nnlite jit"))
    for case, times in (("digits", 3.0), ("5,000 x 784", 1.4)):
        find = ratio("scikit-learn", "nnlite jit")
        yield Target("estimators", case, "scikit-learn / nnlite jit", "at least", times, find)
    for case in ("64-128-10, 1 row", "64-128-10, 10,000 rows"):
        for peer in ("onnxruntime", "jax"):
            yield Target("predict", case, f"{peer} / jit", "at least", 1.0, ratio(peer, "nnlite jit"))


def _least_squares() -> Iterator[Target]:
    at = ("levenberg-marquardt", "sine")
    ours, adam = "LevenbergMarquardt", "Adam(0.01), 20,000 steps"

    def share(result: Result) -> float | None:
        reached = result.details.get(ours, {}).get("reached", [])
        within = [seconds is not None and seconds <= 1 for seconds in reached]
        return 100 * sum(within) / len(within) if within else None

    def loss(result: Result) -> float | None:
        losses = result.details.get(adam, {}).get("loss", [])
        return spread(losses).median / 1e-8 if losses else None

    yield Target(*at, "% of seeds below 1e-8 within 1 s", "at least", 100.0, share)
    yield Target(*at, "loss of Adam's 20,000 steps / 1e-8", "at least", 1.0, loss)


def _estimators() -> Iterator[Target]:
    def gain(name: str, base: str) -> Finder:
        """Find by how many points the median score of `name` is above that of `base`."""

        def find(result: Result) -> float | None:
            if not {name, base} <= set(result.details):
                return None
            ours, theirs = (spread(result.details[key]["score"]).median for key in (name, base))
            return 100 * (ours - theirs)

        return find

    # Both train the same net, so in float64 no row may be told otherwise. In float32 rounding alone
    # moves a row or two of 2,000, of scikit-learn's as of ours.
    for case, times in (("digits", 3.0), ("5,000 x 784", 1.5)):
        at = ("estimators", case)
        for theirs, ours, points in (
            ("scikit-learn", "nnlite", 0.0),
            ("scikit-learn", "nnlite, float32", -0.1),
            ("scikit-learn, float32", "nnlite, float32", -0.1),
        ):
            yield Target(*at, f"{theirs} / {ours}", "at least", times, ratio(theirs, ours))
            what = f"score of {ours} - {theirs}, points"
            yield Target(*at, what, "at least", points, gain(ours, theirs))


def _sparse_text() -> Iterator[Target]:
    for case in ("4,000 words", "20,000 words", "20,000 words, memory"):
        at = ("sparse-text", case)
        yield Target(*at, "best peer / fit", "at least", 1.0, lead("nnlite fit"))
        yield Target(
            *at, "dense rows / sparse rows", "at least", 1.0, ratio("nnlite, dense rows", "nnlite fit")
        )


#: All targets. A workload of yours gets its rows here.
TARGETS: tuple[Target, ...] = (
    *_training_step(),
    *_shapes(),
    Target("predict", "64-128-10, 1 row", "microseconds", "at most", 20.0, microseconds("nnlite")),
    Target(
        "predict", "64-128-10, 1 row", "nnlite / onnxruntime", "at most", 1.3, ratio("nnlite", "onnxruntime")
    ),
    *(
        Target("epoch", case, "best peer / fit", "at least", 1.0, lead("nnlite fit", but=UNSEEN))
        for case in ("table of 10,000 rows", "digits")
    ),
    *(
        Target("accuracy", case, "best peer / fit", "at least", 1.0, lead("nnlite fit", but=UNSEEN))
        for case in ("digits", "spirals")
    ),
    *_replicas(),
    *(
        Target("process", case, "best peer / nnlite", "at least", 1.0, lead("nnlite"))
        for case in ("import", "import, memory", "script", "script, memory")
    ),
    *_least_squares(),
    *_estimators(),
    *_sparse_text(),
    *_jit(),
    Target("process", "fit, memory", "MB that fit adds", "at most", 60.0, median("nnlite")),
)


def judge(results: Sequence[Result], targets: Sequence[Target] = TARGETS) -> list[Verdict]:
    """Hold results against targets; a target without a result is not measured."""
    verdicts = []
    for target in targets:
        found = [
            result
            for result in results
            if (result.workload, result.case) == (target.workload, target.case)
            and (target.threads is None or result.threads in target.threads)
        ]
        verdicts += [Verdict(target, result.threads, target.find(result)) for result in found]
        if not found:
            verdicts.append(Verdict(target, None, None))
    return verdicts
