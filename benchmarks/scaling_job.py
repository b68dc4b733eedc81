"""What two ranks measure together, in turns; `benchmarks.scaling` starts it by mpiexec and reads its JSON."""

from __future__ import annotations

import itertools
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from mpi4py import MPI

import nnlite as nn
from nnlite.distributed import DataParallel

WORLD = MPI.COMM_WORLD


@contextmanager
def others_asleep() -> Iterator[bool]:
    """Let rank 0 work alone; the others wait without using their core, as MPI's own waiting does."""
    if not WORLD.Get_rank():
        try:
            yield True
        finally:
            WORLD.Ibarrier().Wait()
    else:
        request = WORLD.Ibarrier()
        yield False
        while not request.Test():
            time.sleep(0.002)


def all_reduce(sizes: list[int], rounds: int) -> dict[int, list[float]]:
    """Time the sum of buffers of float32, in seconds; sizes in bytes, in turns.

    Every buffer has been written to just before, and has been pushed out of the caches by other work, as
    a gradient has.
    """
    buffers = {size: np.ones(max(size // 4, 1), np.float32) for size in sizes}
    other = np.ones(4_000_000, np.float32)
    found: dict[int, list[float]] = {size: [] for size in sizes}
    for _ in range(rounds):
        for size, buffer in buffers.items():
            buffer[...] = 1
            other += 1
            WORLD.Barrier()
            begin = time.perf_counter()
            WORLD.Allreduce(MPI.IN_PLACE, buffer)
            found[size].append(time.perf_counter() - begin)
    return found


class Training:
    """One configuration: a net, a batch, one rank or all; `apart`, all train at once, each on its own."""

    def __init__(
        self, sizes: list[int], batch: int, *, steps: int, ranks: int, apart: bool = False, **how: Any
    ) -> None:
        rng = np.random.default_rng(0)
        layers: list[nn.Layer] = []
        for inputs, outputs in itertools.pairwise(sizes):
            layers += [nn.Dense(inputs, outputs), nn.ReLU()]
        self.model = nn.Sequential(layers[:-1], rng=0)
        self.optimizer = nn.SGD(0.001, momentum=0.9)
        self.X = rng.normal(size=(batch * steps, sizes[0])).astype(np.float32)
        self.y = rng.integers(0, sizes[-1], batch * steps)
        self.batch, self.steps, self.ranks = batch, steps, ranks
        self.how: Any = DataParallel(**how) if ranks > 1 and not apart else False
        self.found: list[float] = []

    def turn(self, *, counts: bool = True) -> None:
        """Train for an epoch; note the seconds of a step."""
        history = self.model.fit(
            self.X,
            self.y,
            loss=nn.SoftmaxCrossEntropy(),
            optimizer=self.optimizer,
            epochs=2,
            batch_size=self.batch,
            distributed=self.how,
        )
        if counts:
            self.found.append(history["seconds"][-1] / self.steps)


def take_turns(trainings: dict[str, Training], rounds: int) -> dict[str, list[float]]:
    """Train in turns, A B C A B C, behind a first round that does not count."""
    for number in range(rounds + 1):
        for training in trainings.values():
            if training.ranks > 1:
                WORLD.Barrier()
                training.turn(counts=number > 0)
            else:
                with others_asleep() as mine:
                    if mine:
                        training.turn(counts=number > 0)
    return {name: training.found for name, training in trainings.items()}


def main() -> None:
    """Measure what was asked for."""
    asked = json.loads(sys.argv[1])
    found: dict[str, Any] = {}
    if "all_reduce" in asked:
        found["all_reduce"] = all_reduce(**asked["all_reduce"])
    if "trainings" in asked:
        trainings = {name: Training(**options) for name, options in asked["trainings"].items()}
        found["trainings"] = take_turns(trainings, asked["rounds"])
    if not WORLD.Get_rank():
        print(json.dumps(found))


if __name__ == "__main__":
    main()
