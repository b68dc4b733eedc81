"""The machine: goes through the operations of a program, batch after batch, with threads of our own.

It is compiled once, whatever the nets are. An operation is a row of 64-bit words, of which the first is the
address of a kernel's adaptor, and the last is 1 if threads need not meet behind it.
"""

from __future__ import annotations

import ctypes
import math
import os
from _thread import start_new_thread
from collections.abc import Callable
from functools import lru_cache, partial
from queue import SimpleQueue
from threading import Lock
from typing import Any

import numpy as np
from numba import carray

from nnlite.core.aliases import AnyArray
from nnlite.jit import native
from nnlite.jit.kernel import FRAME, with_all
from nnlite.jit.native import count_up, flush, invoke, look, pointer, unflush, words

__all__ = ["Job"]

ROWS, START, LOW, HIGH, THREAD, TEAM, NET, STEP = FRAME.values()

#: What a job says, and in which of its words: where the operations are, how long each is, which are to be
#: done, after which of them the loss is looked at; rows of an epoch and of a batch; the steps to be made, how
#: many there may be, and how many an epoch has; where a net finds its loss, and where the losses of all steps
#: go; the nets; where each says at which step it stopped, and whether it takes part; how threads meet;
#: whether it has begun.
JOB = (
    "table", "width", "begin", "check", "end", "rows", "batch", "first", "last", "steps",
    "in_epoch", "loss", "losses", "nets_low", "nets_high", "stopped", "active", "counter", "wait", "begun",
)  # fmt: skip
(
    TABLE, WIDTH, BEGIN, CHECK, END, ALL_ROWS, BATCH, FIRST, LAST, STEPS, IN_EPOCH, LOSS, LOSSES,
    NETS_LOW, NETS_HIGH, STOPPED, ACTIVE, COUNTER, WAIT, BEGUN,
) = range(len(JOB))  # fmt: skip
#: How often a thread looks whether the others are there before it lets them have its core.
PATIENCE = 2000


@native.loops
def _meet(job, team):
    """Wait until all threads are here."""
    if team > 1:
        all_here = (count_up(job[COUNTER]) // team + 1) * team
        looked = 0
        while look(job[COUNTER]) < all_here:
            looked += 1
            if looked > PATIENCE:
                invoke(job[WAIT], job, job)  # a function that takes nothing
                looked = 0


@native.loops
def _go(job, frame, first, last):
    """Go through some operations."""
    for place in range(first, last):
        operation = words(job[TABLE] + place * job[WIDTH] * 8)
        invoke(operation[0], operation, frame)
        if not operation[job[WIDTH] - 1]:
            _meet(job, frame[TEAM])


def machine(job, frame):
    """Make some steps, of one net after the other; a net whose loss is no number stops there."""
    before = flush()
    job[BEGUN] = 1
    loss = carray(pointer(job[LOSS]), (job[NETS_HIGH],), np.float64)
    losses = carray(pointer(job[LOSSES]), (job[NETS_HIGH], job[STEPS]), np.float64)
    stopped = carray(pointer(job[STOPPED]), (job[NETS_HIGH],), np.int64)
    active = carray(pointer(job[ACTIVE]), (job[NETS_HIGH],), np.int64)
    thread, team = frame[THREAD], frame[TEAM]
    for net in range(job[NETS_LOW], job[NETS_HIGH]):
        if not active[net]:
            continue
        frame[NET] = net
        for step in range(job[FIRST], job[LAST]):
            begin = step % job[IN_EPOCH] * job[BATCH]
            rows = min(job[BATCH], job[ALL_ROWS] - begin)
            start = step // job[IN_EPOCH] * job[ALL_ROWS] + begin
            frame[ROWS], frame[START], frame[STEP] = rows, start, step
            frame[LOW], frame[HIGH] = rows * thread // team, rows * (thread + 1) // team
            _go(job, frame, job[BEGIN], job[CHECK])
            if job[END] > job[CHECK]:
                value = loss[net]
                if thread == 0:
                    losses[net, step] = value
                if not math.isfinite(value):
                    if thread == 0:
                        stopped[net] = step
                    break
                _go(job, frame, job[CHECK], job[END])
    unflush(before)


_address = with_all(machine)


@lru_cache(maxsize=1)
def compiled() -> Any:
    """Return the machine; called so, it lets go of Python's lock."""
    return ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(_address())


#: Threads that have nothing to do, each by what it is given work through.
_idle: list[SimpleQueue[Callable[[], None]]] = []
# A process that was forked has none of them.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_idle.clear)


def _work(given: SimpleQueue[Callable[[], None]]) -> None:
    while True:
        given.get()()
        _idle.append(given)


def _hire(work: Callable[[], None]) -> bool:
    """Give work to a thread that has no other; tell whether there is one, or the system has started one.

    Those of a team wait for each other, so none may wait for a thread that never comes, as it might in the
    queue of a pool.
    """
    try:
        given = _idle.pop()
    except IndexError:
        given = SimpleQueue()
        try:
            start_new_thread(_work, (given,))
        except RuntimeError:
            return False
    given.put(work)
    return True


class Job:
    """Where a program lies and how it is gone through; what changes from call to call is given to `run`.

    Parameters
    ----------
    table : ndarray of int64, (operations, words)
        The operations.
    batch : int
        Rows in a batch.
    loss : ndarray of float64, (nets,)
        Where the program leaves the loss of a batch.
    steps : int
        How many there may be in a call.
    in_epoch : int
        How many batches an epoch has; behind them the rows of the next one begin.
    threads : int
        How many go through it: each has some of the nets, or, of one net, some of the rows of each batch.
        Where the system gives less, one does all.

    Attributes
    ----------
    losses : ndarray of float64, (nets, steps)
        The loss of each step.
    stopped : ndarray of int64, (nets,)
        The step at which the loss of a net was no number; -1 where it was one.
    active : ndarray of int64, (nets,)
        1 for the nets that take part.
    """

    def __init__(
        self,
        table: AnyArray,
        batch: int,
        loss: AnyArray,
        *,
        steps: int = 1,
        in_epoch: int = 2**40,
        threads: int = 1,
    ) -> None:
        nets = len(loss)
        self.losses = np.zeros((nets, steps))
        self._kept = table, loss
        self.stopped = np.full(nets, -1)
        self.active = np.ones(nets, np.int64)
        self._counter = np.zeros(16, np.int64)
        self.threads = max(1, min(threads, nets) if nets > 1 else threads)
        apart = nets > 1
        # Who does it alone, and behind that the team, if there is one.
        team = self.threads if self.threads > 1 else 0
        self._jobs = np.zeros((1 + team, 32), np.int64)  # lines of the cache that none shares
        self._frames = np.zeros((1 + team, 16), np.int64)
        given = {
            "table": table.ctypes.data, "width": table.shape[1], "batch": batch, "loss": loss.ctypes.data,
            "stopped": self.stopped.ctypes.data, "active": self.active.ctypes.data,
            "counter": self._counter.ctypes.data, "wait": native.yield_address(),
            "losses": self.losses.ctypes.data, "steps": steps, "in_epoch": in_epoch,
            "nets_low": 0, "nets_high": nets,
        }  # fmt: skip
        self._write(self._jobs, **given)
        self._frames[0, TEAM] = 1
        for thread, (job, frame) in enumerate(zip(self._jobs[1:], self._frames[1:], strict=True)):
            if apart:
                low, high = (nets * (thread + more) // team for more in (0, 1))
                self._write(job, nets_low=low, nets_high=high)
            frame[THREAD], frame[TEAM] = (0, 1) if apart else (thread, team)
        self._machine = compiled()
        # Where Python writes a number in a fifth of the time that it takes in an array.
        kind: Any = ctypes.c_int64 * len(JOB)
        self._words = [kind.from_buffer(job) for job in self._jobs]
        self._places = [
            (job.ctypes.data, frame.ctypes.data) for job, frame in zip(self._jobs, self._frames, strict=True)
        ]

    @staticmethod
    def _write(job: AnyArray, **values: int) -> None:
        for name, value in values.items():
            job[..., JOB.index(name)] = value

    def again(self, rows: int) -> None:
        """Go through the same operations as the last time, once, for so many rows; in one thread."""
        self._words[0][ALL_ROWS] = rows
        self._machine(*self._places[0])

    def run(self, begin: int, check: int, end: int, *, rows: int, first: int = 0, last: int = 1) -> None:
        """Go through some operations for some steps.

        Parameters
        ----------
        begin, check, end : int
            The operations from `begin` on, up to `end`; after those before `check` the loss is looked at, if
            there are any behind it.
        rows : int
            Of an epoch.
        first, last : int
            The steps.
        """
        for job in self._words:
            job[BEGIN], job[CHECK], job[END] = begin, check, end
            job[ALL_ROWS], job[FIRST], job[LAST] = rows, first, last
        self.stopped.fill(-1)
        if self.threads == 1:
            self._machine(*self._places[0])
            return
        self._together()

    def forget(self) -> None:
        """Let `made` be about the next run."""
        for job in self._words:
            job[BEGUN] = 0

    @property
    def made(self) -> bool:
        """Whether `run` has made its steps: where a handler of signals raises in it, all or none."""
        return any(job[BEGUN] for job in self._words)

    def _together(self) -> None:
        """Let all threads go through it, and wait for them: also where Ctrl-C, or a handler, cuts in.

        None begins before all are there, or those of a team would wait for one that the system does not
        give. One that was left behind would write where arrays have been: so what a handler raises, at
        whatever moment and however often, waits until all are through.
        """
        own, *others = self._places[1:]
        closed, through = Lock(), SimpleQueue[None]()
        go: list[bool] = []
        done: list[bool] = []
        asked, error = False, None

        def help_out(place: tuple[int, int]) -> None:
            with closed:
                pass
            if go:
                self._machine(*place)
                done.append(True)
                through.put(None)

        self._words[1][BEGUN] = 0
        while True:
            try:
                if not asked:
                    asked = True
                    with closed:
                        if all(_hire(partial(help_out, place)) for place in others):
                            go.append(True)
                if go:
                    if not self._words[1][BEGUN]:
                        self._machine(*own)
                    while len(done) < len(others):
                        through.get()
                elif error is None:  # those that are there go away again
                    self._machine(*self._places[0])
                break
            except BaseException as raised:
                error = error or raised
        if error is not None:
            try:
                raise error
            finally:
                del error  # or its own frame would hold it
