"""What `fit(distributed=...)` asks for: how the ranks share the work, agree, and begin alike."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from platform import node
from typing import Any, TypeVar

import numpy as np

from nnlite._threads import VARIABLES as THREADS
from nnlite._threads import Limit, cores, is_chosen
from nnlite._version import __version__
from nnlite.core.optimizers import Optimizer
from nnlite.data.order import Order
from nnlite.data.splits import HeldOut
from nnlite.distributed.cuts import AllShards, OwnRows, PartOfEach, PartOfSame
from nnlite.distributed.loops import SharedBatchLoop, SharedFullBatchLoop, SharedLoop
from nnlite.distributed.settings import DataParallel
from nnlite.distributed.shards import Shard
from nnlite.distributed.world import World, world
from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.files.safetensors import short
from nnlite.optimizers.second_order import FullBatchOptimizer
from nnlite.training.checkpoint import Checkpoint
from nnlite.training.full_batch_loop import FullBatchLoop
from nnlite.training.loop import Loop
from nnlite.training.pieces import PiecewiseBatchLoop
from nnlite.training.random_states import get_states, set_states
from nnlite.training.ranks import SingleProcess
from nnlite.training.sources import Arrays, Blocks, Source

__all__ = ["THREADS", "DataParallel", "ranks_for"]

T = TypeVar("T")


def ranks_for(distributed: Any) -> SingleProcess:
    """Return those that train together.

    Parameters
    ----------
    distributed : bool or DataParallel
        As given to `Sequential.fit`.

    Returns
    -------
    SingleProcess
        That of one process, or that of several.

    Raises
    ------
    ArgumentTypeError
        If it is anything else.
    ArgumentError
        If there are several processes, and mpi4py cannot reach them.

    Examples
    --------
    >>> ranks_for(True).size
    1
    """
    if distributed is not True and not isinstance(distributed, DataParallel):
        name = getattr(distributed, "__name__", repr(distributed))
        raise ArgumentTypeError(
            "fit(distributed=)",
            "True, False or a DataParallel",
            f"the class {name}" if isinstance(distributed, type) else name,
            "Write distributed=True.",
        )
    settings = DataParallel() if distributed is True else distributed
    found = world()
    if found is None:
        return _OneOfOne(settings)
    found.meet("fit")
    return Together(found, settings)


def _kinds(given: Any) -> Any:
    """Say what was given as data, in words that ranks can compare."""
    if isinstance(given, tuple):
        return [_kinds(part) for part in given]
    if given is None or isinstance(given, float):
        return given
    return "a shard" if isinstance(given, Shard) else "whole"


class _WithShards(SingleProcess):
    """Those who may have been given shards."""

    def __init__(self, settings: DataParallel) -> None:
        self.settings = settings
        self._in_shards = {"training": False, "validation": False}

    def given(self, *data: Any) -> tuple[Any, ...]:
        """Take rows out of their shards."""
        *rows, validation = data
        found = self._take_out("training", rows)
        if isinstance(validation, tuple):
            validation = tuple(self._take_out("validation", validation))
        return (*found, validation)

    def _take_out(self, place: str, given: Sequence[Any]) -> list[Any]:
        self._in_shards[place] = any(isinstance(part, Shard) for part in given)
        return [part.rows if isinstance(part, Shard) else part for part in given]

    def _check(self, loop: Loop) -> None:
        """Refuse layers that pieces are nothing for, and groups of rows of which a rank has some only."""
        if isinstance(loop, PiecewiseBatchLoop):
            loop.refuse_pieces()
        part = loop.validation
        if self._in_shards["training"] and isinstance(part, HeldOut) and part.groups is not None:
            raise ArgumentError(
                "fit(groups=)",
                "rows that all ranks have, since a group may lie in several shards",
                "shards",
                "Give validation shards of their own: validation=(shard(X), shard(y)).",
            )


class _OneOfOne(_WithShards):
    """A process that could be one of several, and is alone."""

    def share(self, loop: Loop) -> None:
        """Let several ranks go on from here, if there are shards; refuse what cannot come in pieces."""
        replicas = loop.state.model.params.replicas
        if isinstance(loop, PiecewiseBatchLoop) and replicas is not None:
            raise ArgumentError(
                "DataParallel(accumulate=)",
                "one net",
                f"{replicas} replicas",
                "Write distributed=False, and give smaller batches.",
            )
        self._check(loop)
        for data, place in ((loop.data, "training"), (loop.validation, "validation")):
            if self._in_shards[place] and isinstance(data, Arrays):
                data.cutter = AllShards(total=data.rows)

    def loop(self, optimizer: Optimizer | FullBatchOptimizer) -> Callable[..., Loop]:
        """Return what makes the loop for an optimizer."""
        if self.settings.accumulate == 1 or isinstance(optimizer, FullBatchOptimizer):
            return super().loop(optimizer)
        return partial(
            PiecewiseBatchLoop, accumulate=self.settings.accumulate, where="DataParallel(accumulate=)"
        )


class Together(_WithShards):
    """The ranks of a job that train together; see `SingleProcess` for what each method is for.

    Parameters
    ----------
    found : World
        Who they are.
    settings : DataParallel
        How they share the work.
    """

    def __init__(self, found: World, settings: DataParallel) -> None:
        super().__init__(settings)
        self.world = found
        self.rank, self.size = found.rank, found.size
        self._gave: dict[str, Any] = {}
        self._epitaph = ""

    def agreeing(self) -> AbstractContextManager[None]:
        """Raise an error on all ranks if there is one on any of them."""
        return self.world.agreeing()

    def given(self, *data: Any) -> tuple[Any, ...]:
        """Take rows out of their shards."""
        *rows, validation = data
        self._gave = {"training data": _kinds(tuple(rows)), "validation": _kinds(validation)}
        return super().given(*data)

    def _take_out(self, place: str, given: Sequence[Any]) -> list[Any]:
        if len({isinstance(part, Shard) for part in given if part is not None}) > 1:
            raise ArgumentTypeError(
                f"fit, {place} data", "shards of all parts, or of none", "both", "Write distributed.shard(y)."
            )
        return super()._take_out(place, given)

    def loop(self, optimizer: Optimizer | FullBatchOptimizer) -> Callable[..., SharedLoop]:
        """Return what makes the loop for an optimizer."""
        kind = SharedFullBatchLoop if isinstance(optimizer, FullBatchOptimizer) else SharedBatchLoop
        return partial(kind, self.world, self.settings)

    def share(self, loop: SharedLoop) -> None:
        """Leave a loop its part of the data."""
        if True in self.world.comm.allgather(any(self._in_shards.values())):
            self.world.compare(self._gave, where="fit")  # or ranks would share different things out
        with self.agreeing():
            params = loop.state.model.params
            if params.replicas is not None:
                raise ArgumentError(
                    "fit(distributed=)",
                    "one net",
                    f"{params.replicas} replicas",
                    "Replicas need nothing from each other: spread them by nnlite.sweep(backend=).",
                )
            self._check(loop)
            for data in (loop.data, loop.validation):
                if isinstance(data, Blocks) and any(self._in_shards.values()):
                    raise ArgumentTypeError(
                        "fit(distributed=)",
                        "shards of arrays in memory or in files",
                        "a shard of a dask array",
                        "Give the whole dask array to all ranks, or save each shard as an .npy file.",
                    )
            full = isinstance(loop, FullBatchLoop)
            if self._in_shards["training"] and isinstance(loop.data, Arrays):
                self._check_batches(loop.data, full=full)
        self._cut(loop.data, "training", held_out=loop.validation, full=full)
        if not isinstance(loop.validation, HeldOut | None):
            self._cut(loop.validation, "validation")

    def _check_batches(self, data: Arrays, *, full: bool) -> None:
        """Refuse ways to cut batches that there are not for shards."""
        if isinstance(data.rng, Order):
            raise ArgumentError(
                "fit(shuffle=)",
                "True or False, for shards",
                "a function",
                "Write shuffle=True: each rank draws an order of its rows.",
            )
        if data.batch_size < self.size and not full:
            raise ArgumentError(
                "fit(batch_size=)",
                f"at least {self.size}, a row of each shard",
                f"{data.batch_size}",
                "It is the size of a batch of all ranks together.",
            )

    def _cut(self, data: Source, place: str, *, held_out: Any = None, full: bool = False) -> None:
        cutter: PartOfEach | OwnRows = PartOfEach(self.rank, self.size)
        if not isinstance(data, Arrays):
            data.cutter = PartOfSame(self.rank, self.size)
            return
        if self._in_shards[place]:
            rows = data.rows
            if isinstance(held_out, HeldOut):
                rows = len(held_out.split(np.arange(rows))[0])
            total, training = map(sum, zip(*self.world.comm.allgather((data.rows, rows)), strict=True))
            cutter = OwnRows(self.rank, total=total, training=training)
            # Of a full-batch optimizer that was given no other size.
            if full and all(self.world.comm.allgather(data.batch_size == data.rows)):
                data.batch_size = total
        data.cut(data.batch_size, data.rng, cutter)

    def start(self, loop: SharedLoop, training: dict[str, Any]) -> None:
        """Make sure that all train the same, and give all what rank 0 starts from."""
        state, comm = loop.state, self.world.comm
        about = {"version of nnlite": __version__, "version of NumPy": np.__version__, **training}
        more = {"epochs": state.epochs, "distributed": repr(self.settings), "metrics": list(state.metrics)}
        encoder = state.model.preprocessing
        more["preprocessing"] = encoder and [short(column, length=200) for column in encoder.columns]
        if isinstance(loop.data, Arrays):
            more["columns"] = loop.data.columns and list(loop.data.columns)
            more["shape of a target"] = list(map(int, loop.data.y.shape[1:]))
        checkpoints = [repr(one) for one in loop.callbacks if isinstance(one, Checkpoint)]
        self.world.compare(about | more | {"checkpoints": checkpoints}, where="fit")
        self._epitaph = self._last_words(loop)
        params, optimizer = state.model.params, state.optimizer
        comm.Bcast(params.numbers, root=0)
        kept = optimizer.state_dict() if isinstance(optimizer, Optimizer) else None
        buffers = state.model.measured()
        kept, buffers, draws = comm.bcast((kept, buffers, get_states(loop.rngs)), root=0)
        if self.rank:
            if isinstance(optimizer, Optimizer):
                optimizer.load_state_dict(kept)
            state.model.take_measured(buffers)
            set_states(loop.rngs, draws)
            loop.start_size = np.abs(params.values).reshape(1, -1).max(axis=1, initial=0.0)

    def _last_words(self, loop: SharedLoop) -> str:
        """Return what is to be said if this process is killed; all ranks come here."""
        paths = [f"{one.path}" for one in loop.callbacks if isinstance(one, Checkpoint)]
        if paths:
            advice = (
                f"Start the job again with fit(..., resume={paths[0]!r}): it goes on from the last "
                "checkpoint, if one was written, also with another number of ranks."
            )
        else:
            advice = "Nothing was saved: callbacks=[nnlite.Checkpoint(path)] would have."
        end = "the other ranks end with it"
        if len(set(self.world.comm.allgather(node()))) > 1:  # each machine has a reporter of its own
            end = f"it was the first on {node()}, and mpiexec says which process was the first of all"
        return (
            f"nnlite: rank {self.rank} of {self.size} (process {os.getpid()} on {node()}) was ended in the "
            f"middle of fit, by a signal or by exit; {end}. {advice}"
        )

    def from_first(self, make: Callable[[], T]) -> T:
        """Return what rank 0 has made, to all."""
        return self.world.from_first(make)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Let no rank wait for one that has failed, and no two ranks fight for a core."""
        with ExitStack() as stack:
            stack.enter_context(self.world.reporter.told(self._epitaph))
            stack.enter_context(self.world.running())
            own = self._cores_for_each()  # asks the others, also if this one need not know
            if not is_chosen():
                stack.enter_context(Limit(own))
            yield

    def _cores_for_each(self) -> int:
        """Return how many cores there are for each rank on this machine."""
        from mpi4py import MPI

        here = self.world.comm.Split_type(MPI.COMM_TYPE_SHARED)
        neighbours: int = here.Get_size()
        here.Free()
        return max(1, cores() // neighbours)
