"""The processes of an MPI job: who there is, and how an error on one of them reaches the others."""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property, lru_cache
from importlib.util import find_spec
from typing import Any, TypeVar
from uuid import uuid4

import numpy as np

from nnlite.core.aliases import Array
from nnlite.distributed.crash_reporter import CrashReporter
from nnlite.errors import ArgumentError, RankError
from nnlite.training.identity import difference
from nnlite.training.ranks import launched

__all__ = ["World", "rank", "size", "world"]

T = TypeVar("T")

#: How long, in seconds, a rank that has failed waits for all the others to fail too.
GRACE = 2.0
#: How long, in seconds, rank 0 waits for the others without a word.
LATE = 30.0


def rank() -> int:
    """Return the number of this process among those that train together, from 0.

    Returns
    -------
    int
        0 alone.

    Raises
    ------
    ArgumentError
        If the process is one of several, and mpi4py cannot reach them.

    Examples
    --------
    >>> rank()
    0
    """
    found = world()
    return 0 if found is None else found.rank


def size() -> int:
    """Return how many processes train together.

    Returns
    -------
    int
        1 alone.

    Raises
    ------
    ArgumentError
        If the process is one of several, and mpi4py cannot reach them.

    Examples
    --------
    >>> size()
    1
    """
    found = world()
    return 1 if found is None else found.size


@lru_cache(maxsize=1)
def world() -> World | None:
    """Return the processes of this job; None for a process that is alone.

    Returns
    -------
    World or None

    Raises
    ------
    ArgumentError
        If there are several, and mpi4py is missing or belongs to another MPI.
    """
    expected = launched(os.environ)
    if expected == 1:
        return None
    if find_spec("mpi4py") is None:
        raise ArgumentError(
            "nnlite.distributed",
            "mpi4py, which reaches the other processes",
            f"one of {expected or 'several'} processes without it",
            'Run python -m pip install ".[mpi]" where nnlite is checked out.',
        )
    from mpi4py import MPI

    comm = MPI.COMM_WORLD
    if expected not in (None, comm.Get_size()):
        library = MPI.Get_library_version().splitlines()[0]
        raise ArgumentError(
            "nnlite.distributed",
            f"all {expected} processes of the job in one MPI world",
            f"a world of {comm.Get_size()}, by {library.strip()}",
            "Start the job with the mpiexec of the MPI that mpi4py was built for: "
            "pip install mpich brings one beside mpi4py's own wheel.",
        )
    if comm.Get_size() == 1:
        return None
    found = World(comm)
    sys.excepthook = found.report
    return found


class World:
    """The processes of one job, and the few things that they say to each other besides gradients.

    Parameters
    ----------
    comm : mpi4py.MPI.Intracomm
        All processes.

    Attributes
    ----------
    comm : mpi4py.MPI.Intracomm
        For training: a copy, so that its messages meet no others.
    rank, size : int
        Number of this process, and how many there are.
    """

    def __init__(self, comm: Any) -> None:
        self.comm = comm.Dup()
        self._alarm = comm.Dup()  # on which those that fail find out whether they all did
        self.rank: int = comm.Get_rank()
        self.size: int = comm.Get_size()

    @cached_property
    def reporter(self) -> CrashReporter:
        """Who says which rank was killed; all ranks come here when the first does."""
        return CrashReporter(self.comm.bcast(uuid4().hex, root=0), barrier=self.comm.Barrier)

    # Agreement.

    def meet(self, where: str) -> None:
        """Wait for all ranks to come here; if that takes long, say which are missing.

        A rank that has ended without a word, such as by `sys.exit`, would be waited for in silence.

        Parameters
        ----------
        where : str
            Names the place in the message.
        """
        tokens = np.zeros((self.size, 1))
        if self.rank:
            self._alarm.Send(tokens[0], dest=0)
            return
        missing = {number: self._alarm.Irecv(tokens[number], source=number) for number in range(1, self.size)}
        begin = said = time.monotonic()
        while missing:
            missing = {number: request for number, request in missing.items() if not request.Test()}
            now = time.monotonic()
            if missing and now - said > LATE:
                said = now
                print(
                    f"nnlite: {_numbers([*missing], self.size)} of {self.size} not at {where} after "
                    f"{now - begin:.0f} s; has it ended, or is it still at something else?",
                    file=sys.stderr,
                    flush=True,
                )
            if now - begin > 0.1:  # no longer worth a whole core
                time.sleep(0.005)

    @contextmanager
    def agreeing(self, expected: str = "what can be trained, as on the other ranks") -> Iterator[None]:
        """Raise an error on all ranks if there is one on any of them; `SingleProcess.agreeing` says more.

        Parameters
        ----------
        expected : str
            What the message says to the ranks that have none.
        """
        error = None
        try:
            yield
        except Exception as found:  # whatever it is, the others must not wait
            error = found
        reports = self.comm.allgather(None if error is None else f"{type(error).__name__}: {error}")
        if error is not None:
            raise error
        for number, report in enumerate(reports):
            if report is not None:
                raise RankError(
                    f"fit, rank {number}",
                    expected,
                    report.rstrip("."),
                    "Mend it there; all ranks have stopped.",
                )

    def from_first(self, make: Callable[[], T]) -> T:
        """Return what rank 0 has made, to all; an error of its is raised on all."""
        made = None
        with self.agreeing("no error in what it does for all"):
            if not self.rank:
                made = make()
        found: T = self.comm.bcast(made, root=0)
        return found

    def compare(self, mine: dict[str, Any], *, where: str) -> None:
        """Refuse a rank that says something else than rank 0.

        Parameters
        ----------
        mine : dict
            What this rank says, as plain data.
        where : str
            Names what is compared, in the message.

        Raises
        ------
        RankError
            On all ranks; it names the first rank that differs, and the first difference.
        """
        everyone = self.comm.allgather(mine)
        for number, other in enumerate(everyone):
            for name in dict.fromkeys((*everyone[0], *other)):
                # By their texts, since NaN is not equal to NaN.
                if repr(everyone[0].get(name, ...)) != repr(other.get(name, ...)):
                    what, first, here = difference(name, everyone[0].get(name), other.get(name))
                    fix = "Give all ranks the same script, arguments, data and versions."
                    if name in ("training data", "validation"):
                        fix = (
                            "Give all ranks the same data, with a seed for what draws or splits them; for "
                            "rows that only one rank has write nnlite.distributed.Shard(X)."
                        )
                    raise RankError(
                        f"{where}, rank {number}",
                        f"the same {what} as on rank 0, {first}",
                        f"{here}",
                        fix,
                    )

    def add_up(self, numbers: Array) -> Array:
        """Add up, in place, an array over all ranks.

        Parameters
        ----------
        numbers : ndarray
            Those of this rank.

        Returns
        -------
        ndarray
            The same array.
        """
        from mpi4py import MPI

        self.comm.Allreduce(MPI.IN_PLACE, numbers)
        return numbers

    # Failure.

    @contextmanager
    def running(self) -> Iterator[None]:
        """Let no rank wait for one that has failed: unless all fail together, end the job."""
        try:
            yield
        except BaseException as error:
            if not self.all_fail():
                self._abort(error)
            raise

    def all_fail(self) -> bool:
        """Tell whether all ranks come here within a short time.

        Returns
        -------
        bool
        """
        request = self._alarm.Ibarrier()
        end = time.monotonic() + GRACE
        while not request.Test():
            if time.monotonic() > end:
                return False
            time.sleep(0.01)
        return True

    def report(self, kind: type[BaseException], error: BaseException, trace: Any) -> None:
        """Show an error that nobody has caught; in the place of `sys.excepthook`.

        Parameters
        ----------
        kind : type
            Its class.
        error : BaseException
            The error.
        trace : traceback
            Where it was.
        """
        if not self.all_fail():
            self._abort(error)
            return
        # The same error once, not on every rank; and what a rank was told of another's, that one says itself.
        everyone = self._alarm.allgather((issubclass(kind, RankError), f"{kind.__name__}: {error}"))
        first = min(everyone)
        mine = everyone[self.rank]
        if everyone.index(mine) == self.rank and mine[0] == first[0]:
            same = [number for number, one in enumerate(everyone) if one == mine]
            text = "".join(traceback.format_exception(kind, error, trace))
            _say(f"On {_numbers(same, self.size)}:\n{text}")

    def _abort(self, error: BaseException) -> None:
        text = "".join(traceback.format_exception(error)).rstrip()
        message = f"On rank {self.rank} of {self.size}:\n{text}\nAll ranks are stopped.\n"
        _say(message)
        if reporter := vars(self).get("reporter"):  # not to be called now, without the others
            reporter.hush()
        self.comm.Abort(1)


def _say(message: str) -> None:
    """Write it at once, or lines of two ranks mix; a process without a console has nowhere to."""
    if sys.stderr is not None:
        sys.stderr.write(message)
        sys.stderr.flush()


def _numbers(ranks: list[int], size: int) -> str:
    if len(ranks) == size:
        return f"all {size} ranks"
    return f"rank {ranks[0]}" if len(ranks) == 1 else f"ranks {', '.join(map(str, ranks))}"
