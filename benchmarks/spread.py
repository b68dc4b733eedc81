"""What more workers bring to sweeps and searches: ``python -m benchmarks.spread``.

The same work by one worker and by two, in turns, so that what else the machine does falls on both,
each worker with one thread of the BLAS. What an engine needs to start is measured apart, by a sweep
of next to no work. `--backend` chooses engines, `--quick` makes everything short, which shows that it
works and measures little.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

import nnlite as nn
from nnlite.sweeps.replicas import bytes_for_one
from nnlite.sweeps.spread import ENGINES, pack_size

#: Two workers are to be so many times as fast as one.
TARGET = 1.6
WORKERS = 2


class Sweep(NamedTuple):
    """What is swept."""

    name: str
    model: nn.Sequential
    options: dict[str, Any]

    def __call__(self, **where: Any) -> nn.sweeps.SweepResult:
        return nn.sweep(self.model, **self.options, **where)

    def packs(self) -> int:
        nets = len(self.options["learning_rate"]) * self.options["seeds"]
        need = bytes_for_one(self.model, self.options["batch_size"])
        return math.ceil(nets / pack_size(nets, need))


def digits(epochs: int) -> Sweep:
    X, y = nn.datasets.digits()
    model = nn.Sequential([nn.Dense(X.shape[1], 128), nn.ReLU(), nn.Dense(128, 10)])
    return Sweep(
        f"digits, {X.shape[1]}-128-10, 16 rates x 3 seeds, {epochs} epochs",
        model,
        {
            "X": X, "y": y, "optimizer": nn.Adam(), "epochs": epochs, "batch_size": 32, "seeds": 3,
            "learning_rate": np.geomspace(1e-4, 1e-2, 16),
        },
    )  # fmt: skip


def xor(epochs: int) -> Sweep:
    X, y = nn.datasets.xor()
    model = nn.Sequential([nn.Dense(2, 8), nn.Tanh(), nn.Dense(8, 1)])
    return Sweep(
        f"XOR, 2-8-1, 32 rates x 3 seeds, {epochs} epochs",
        model,
        {
            "X": X, "y": y[:, None] * 1.0, "epochs": epochs, "batch_size": 4, "seeds": 3,
            "learning_rate": np.geomspace(1e-4, 0.5, 32),
        },
    )  # fmt: skip


def sweeps(quick: bool) -> list[Sweep]:
    return [digits(3 if quick else 30), xor(20 if quick else 2000)]


def search(iterations: int) -> tuple[str, Callable[..., Any]]:
    from sklearn.model_selection import GridSearchCV

    from nnlite.sklearn import MLPClassifier

    X, y = nn.datasets.digits()
    X = X.reshape(len(X), -1).astype(np.float32)
    grid = {"hidden_layer_sizes": [(64,), (128,)], "learning_rate_init": [0.0003, 0.001, 0.003, 0.01]}
    net = MLPClassifier(max_iter=iterations, tol=0, n_iter_no_change=iterations, random_state=0)

    def run(n_jobs: int) -> Any:
        return GridSearchCV(net, grid, cv=3, n_jobs=n_jobs, refit=False).fit(X, y)

    return f"GridSearchCV, 8 MLPClassifiers x 3 folds, {iterations} epochs", run


def searches(quick: bool) -> list[tuple[str, Callable[..., Any]]]:
    """Return one of short tasks, in which the ways of an engine show, and one of longer ones."""
    return [search(iterations) for iterations in ([2] if quick else [40, 400])]


@contextlib.contextmanager
def running(engine: str, *, given_back: bool = False) -> Iterator[None]:
    """Start two workers of an engine; those of dask as it does by default if memory is `given_back`."""
    if engine == "dask":
        import dask
        from distributed import Client, LocalCluster

        # Else glibc gives memory back at once, and every new array is one of new pages; docs/spread.md.
        places = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_")
        settings = {f"distributed.nanny.pre-spawn-environ.{place}": 2**28 for place in places}
        with (
            contextlib.nullcontext() if given_back else dask.config.set(settings),
            LocalCluster(n_workers=WORKERS, threads_per_worker=1, dashboard_address=":0") as cluster,
            Client(cluster),
        ):
            yield
    elif engine == "ray":
        import ray
        from ray.util.joblib import register_ray

        register_ray()
        ray.init(num_cpus=WORKERS, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        yield
        ray.shutdown()
    else:
        yield


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    begin = time.perf_counter()
    result = work()
    return time.perf_counter() - begin, result


class Turns(NamedTuple):
    """What came of work done by one and by two, in turns."""

    one: float
    two: float
    ratio: float
    same: bool


def in_turns(one: Callable[[], Any], two: Callable[[], Any], rounds: int) -> Turns:
    """Return the fewest seconds of both, the middle of the ratios, and whether they gave the same bits."""
    found = []
    for number in range(rounds):
        order = (one, two) if number % 2 == 0 else (two, one)
        found.append({work: timed(work) for work in order})
    seconds = [(each[one][0], each[two][0]) for each in found]
    fewest = [min(column) for column in zip(*seconds, strict=True)]
    ratio = statistics.median(a / b for a, b in seconds)
    same = all(fingerprint(each[one][1]) == fingerprint(each[two][1]) for each in found)
    return Turns(*fewest, ratio, same)


def fingerprint(result: Any) -> bytes:
    """Return the numbers that must not depend on who computed them."""
    if hasattr(result, "cv_results_"):
        scores: bytes = result.cv_results_["mean_test_score"].tobytes()
        return scores
    values: bytes = result.model.params.values.tobytes()
    return values


def measure(engine: str, *, quick: bool, given_back: bool) -> list[tuple[str, Turns]]:
    """Measure one engine, and return the rows of the table."""
    from joblib import parallel_config
    from threadpoolctl import threadpool_limits

    rounds = 1 if quick else 7
    tiny = xor(2)
    rows = []
    with contextlib.ExitStack() as stack:
        start, _ = timed(lambda: stack.enter_context(running(engine, given_back=given_back)))
        first, _ = timed(lambda: tiny(backend=engine, workers=WORKERS))
        again, _ = timed(lambda: tiny(backend=engine, workers=WORKERS))
        print(
            f"{engine}: {start + first - again:.1f} s to start the engine and its workers, "
            f"{again:.2f} s for a sweep of next to no work",
            flush=True,
        )
        for sweep in sweeps(quick):

            def run(workers: int, sweep: Sweep = sweep) -> Any:
                return sweep(backend=engine, workers=workers)

            turns = in_turns(partial(run, 1), partial(run, WORKERS), rounds)
            rows.append((f"{sweep.name}, {sweep.packs()} packs", turns))

        def in_workers(grid: Callable[..., Any]) -> Any:
            with parallel_config(backend=engine):
                return grid(WORKERS)

        with threadpool_limits(1):  # the one worker is this process
            in_workers(search(1)[1])  # scikit-learn is imported there
            for name, grid in searches(quick):
                rows.append((name, in_turns(partial(grid, 1), partial(in_workers, grid), rounds)))
    return rows


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.spread", description=__doc__.split("\n")[0])
    parser.add_argument(
        "--backend", action="append", choices=list(ENGINES), help="the engine; all by default"
    )
    parser.add_argument("--quick", action="store_true", help="make it short")
    parser.add_argument("--dask-default", action="store_true", help="dask as it sets its workers' memory up")
    options = parser.parse_args(arguments)
    from threadpoolctl import threadpool_limits

    warnings.simplefilter("ignore")  # nets that have not converged, and the engines' own
    for engine in options.backend or ENGINES:
        rows = measure(engine, quick=options.quick, given_back=options.dask_default)
        width = max(len(name) for name, _ in rows)
        two = f"{WORKERS} workers"
        print(
            "Fewest seconds; times as fast by those, and in the middle round; whether the bits are the same"
        )
        print(f"{'':{width}}  {'1 worker':>8}  {two:>9}  {'fewest':>6}  {'middle':>6}  same")
        for name, turns in rows:
            print(
                f"{name:{width}}  {turns.one:8.2f}  {turns.two:9.2f}  {turns.one / turns.two:6.2f}  "
                f"{turns.ratio:6.2f}  {'yes' if turns.same else 'no'}"
            )
        print(flush=True)
    print("In this process, all nets as one fit, with one thread of the BLAS and with all of them:")
    for sweep in sweeps(options.quick):
        seconds: dict[str, list[float]] = {"one": [], "all": []}
        for _ in range(1 if options.quick else 3):
            with threadpool_limits(1):
                seconds["one"].append(timed(sweep)[0])
            seconds["all"].append(timed(sweep)[0])
        least, many = (min(found) for found in seconds.values())
        print(f"{sweep.name}  {least:.2f} s, {many:.2f} s", flush=True)
    print(f"\nThe target for {WORKERS} workers on as many cores, for nets that are not tiny: {TARGET} times.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
