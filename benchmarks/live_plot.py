"""What `nnlite.plot.LivePlot` costs: ``python -m benchmarks.live_plot``.

The same training with and without it, in turns, so that what else the machine does falls on both. The
pictures are made as in a notebook, to PNG, and thrown away: without a screen there would be next to
nothing to measure. `--seconds` says how long a training takes.
"""

from __future__ import annotations

import argparse
import statistics
import time
from types import SimpleNamespace
from typing import Any

import numpy as np

import nnlite as nn
from nnlite.plot import live

SHARE = 0.05


class Sink:
    """A notebook that throws its pictures away."""

    def __init__(self, figure: Any) -> None:
        self.figure = figure

    def __call__(self) -> None:
        self.figure.canvas.print_png(_Nowhere())


class _Nowhere:
    """A file that keeps nothing."""

    def write(self, content: bytes) -> int:
        return len(content)

    def flush(self) -> None:
        pass


class Plot(live.LivePlot):
    """A LivePlot that always has somebody to see it."""

    def _on(self, screen: str) -> Any:
        return Sink(self._axes().figure)


def small() -> tuple[nn.Sequential, dict[str, Any]]:
    X, y = nn.datasets.xor()
    model = nn.Sequential([nn.Dense(2, 8), nn.Tanh(), nn.Dense(8, 1)], rng=0)
    return model, {
        "X": X, "y": y[:, None], "loss": nn.MeanSquaredError(), "optimizer": nn.SGD(0.01), "batch_size": 4,
    }  # fmt: skip


def larger() -> tuple[nn.Sequential, dict[str, Any]]:
    X, y = nn.datasets.digits()
    model = nn.Sequential([nn.Dense(X.shape[1], 128), nn.ReLU(), nn.Dense(128, 10)], rng=0)
    return model, {
        "X": X, "y": y, "loss": nn.SoftmaxCrossEntropy(), "optimizer": nn.Adam(1e-4), "validation": 0.2,
    }  # fmt: skip


def fit(make: Any, epochs: int, plot: Plot | None) -> tuple[float, float]:
    """Train; return the seconds by the clock, and those of this process."""
    model, options = make()
    begin, cpu = time.perf_counter(), time.process_time()
    model.fit(epochs=epochs, callbacks=[] if plot is None else [plot], rng=0, **options)
    return time.perf_counter() - begin, time.process_time() - cpu


def asking(plot: Plot) -> float:
    """Return the seconds that it takes, behind an epoch, to find that it is not time for a picture."""
    state: Any = SimpleNamespace(columns=("loss",), history=())
    plot.on_train_begin(state)
    plot._begin = plot._latest = time.perf_counter() + 1e6
    begin = time.perf_counter()
    for _ in range(100_000):
        plot.on_epoch_end(state)
    return (time.perf_counter() - begin) / 100_000


def measure(name: str, make: Any, seconds: float, pairs: int) -> None:
    """Print what the plot costs in one training."""
    epochs, probe = 20, 0.0
    while probe < seconds / 3:  # a training of a few epochs is mostly start
        epochs *= 2
        probe = fit(make, epochs, None)[0]
    epochs = int(epochs * seconds / probe)
    fit(make, 5, Plot(share=SHARE))  # fonts are loaded once in a process
    rows = []
    for turn in range(pairs):
        plot = Plot(share=SHARE)
        first, second = (plot, None) if turn % 2 else (None, plot)
        results = {one is None: fit(make, epochs, one) for one in (first, second)}
        (clock, cpu), (clock_without, cpu_without) = results[False], results[True]
        rows.append(
            (plot.pictures, plot.seconds / clock, plot.last_seconds, clock, clock_without, cpu, cpu_without)
        )
    pictures, share, last = (
        statistics.median(column) for column in zip(*(row[:3] for row in rows), strict=True)
    )
    # The quickest of each kind, since what else the machine does only ever adds.
    (clock, without), (cpu, cpu_without) = (
        (min(row[place] for row in rows), min(row[place + 1] for row in rows)) for place in (3, 5)
    )
    clock_share = epochs * asking(Plot(share=SHARE)) / without
    print(f"{name}: {epochs:,} epochs in {without:.1f} s")
    print(f"    {pictures:.0f} pictures, of which the last took {1e3 * last:.0f} ms")
    print(f"    pictures: {share:.1%} of the training time (at most {max(row[1] for row in rows):.1%})")
    print(f"    looking at the clock after every epoch: {clock_share:.1%}")
    print(
        f"    quickest training with it against quickest without: {clock / without - 1.0:+.1%} by the clock, "
        f"{cpu / cpu_without - 1.0:+.1%} by the processor"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.live_plot", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--seconds", type=float, default=8.0, help="how long a training takes, about")
    parser.add_argument("--pairs", type=int, default=5, help="trainings with and without, of each kind")
    arguments = parser.parse_args()
    print(f"LivePlot(share={SHARE}), medians of {arguments.pairs} pairs, NumPy {np.__version__}")
    for name, make in (("XOR, 2-8-1", small), ("digits, 64-128-10", larger)):
        measure(name, make, arguments.seconds, arguments.pairs)


if __name__ == "__main__":
    main()
