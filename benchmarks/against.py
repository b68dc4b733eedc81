"""Is `fit` slower than in another checkout? Both in turns, net by net, and the ratio round by round.

    git worktree add ../before <commit>
    python -m benchmarks.against ../before
    python -m benchmarks.against ../before --what replicas
    python -m benchmarks.against ../before --what predict

Each checkout has a process of its own, on one core and one thread; what is compared is processor time.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.checkouts import Checkout, answer
from benchmarks.environment import ROOT, environment
from benchmarks.nets import NETS
from benchmarks.stats import ratios, spread

#: About how long one of the two trains in a round, in seconds.
TURN = 0.2
#: What is measured of a net.
CASES = {"fit": "{}", "replicas": "8 x {}", "predict": "{}, 1,000 rows"}


def serve() -> None:
    """Answer a kind, a case and a number by the processor time of so many steps or predictions."""
    from benchmarks.libraries.nnlite import Fit, ManyFit, Predict

    kinds: dict[str, Any] = {"fit": Fit, "replicas": ManyFit, "predict": Predict}
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    jobs: dict[str, Any] = {}

    def measure(kind: str, case: str, count: str) -> float:
        if case not in jobs:
            jobs[case] = kinds[kind](case, 1)
        job = jobs[case]
        job.reset()
        begun = time.process_time()
        job.run(int(count))
        return time.process_time() - begun

    answer(measure)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line for each net.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the command line, by default.

    Returns
    -------
    int
        1 if a median is above what `--limit` allows.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.against", description=__doc__.splitlines()[0])
    parser.add_argument("other", type=Path, help="another checkout of nnlite")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--limit", type=float, default=1.03)
    parser.add_argument("--nets", nargs="*", default=list(NETS), choices=list(NETS))
    parser.add_argument("--what", default="fit", choices=list(CASES))
    chosen = parser.parse_args(arguments)
    kind = chosen.what
    unit = "us a call" if kind == "predict" else "us a step"
    print(f"{'net':48}{unit:>12}{'before':>12}{'ratio':>8}   tenths")
    worst = 0.0
    start = partial(Checkout, module="benchmarks.against", environment=environment(1))
    with start(ROOT) as ours, start(chosen.other) as theirs:
        for name in chosen.nets:
            net = NETS[name]
            case = CASES[kind].format(name)
            count = 2 * net.batches
            for checkout in (ours, theirs):  # the first one warms up
                seconds = checkout.time(kind, case, count)
            count *= max(1, round(TURN / seconds))
            turns = [
                tuple(checkout.time(kind, case, count) for checkout in (ours, theirs))
                for _ in range(chosen.rounds)
            ]
            mine, before = zip(*turns, strict=True)
            found = ratios(mine, before)
            worst = max(worst, found.median)
            print(
                f"{net.describe() if kind == 'fit' else case:48}{spread(mine).median / count * 1e6:12,.1f}"
                f"{spread(before).median / count * 1e6:12,.1f}{found.median:8.3f}"
                f"   {found.low:.3f} to {found.high:.3f}",
                flush=True,
            )
    print(f"\nthe largest ratio is {worst:.3f}, allowed are {chosen.limit:g}")
    return int(worst > chosen.limit)


if __name__ == "__main__":
    raise SystemExit(main())
