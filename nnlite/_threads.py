"""How many threads may work in this process, and how many of them NumPy's BLAS uses for a while.

A BLAS spreads products over threads that are far too small for it: their threads wait for each other longer
than they compute, and where a core is busy with something else, a thousand times as long. So who knows what
is computed holds it to a number of threads meanwhile. There is one BLAS in a process, so what it is held to
is written down here for all Python threads together.
"""

from __future__ import annotations

import os
import threading
from _thread import start_new_thread
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import copy_context
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["Hold", "Limit", "allowed", "blas", "cores", "is_chosen", "spread"]

#: What says how many threads a process may use; who has set one has decided.
VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS")
#: Where Linux says what share of its cores a container may use: cgroups of version 2 and 1.
QUOTAS = (
    ("/sys/fs/cgroup/cpu.max",),
    ("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "/sys/fs/cgroup/cpu/cpu.cfs_period_us"),
)


def is_chosen() -> bool:
    """Tell whether the environment says how many threads there shall be.

    Returns
    -------
    bool
    """
    return any(name in os.environ for name in VARIABLES)


def cores() -> int:
    """Return how many cores this process may use.

    Returns
    -------
    int
        At least 1. It goes by the cores that it is bound to and by the limit of its container, of which
        it takes whole ones: a thread that gets half a core holds up the others.

    Examples
    --------
    >>> 1 <= cores() <= os.cpu_count()
    True
    """
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(bound, _quota()))


@lru_cache(maxsize=1)
def _quota() -> int:
    """Return how many whole cores the container has."""
    for paths in QUOTAS:
        with suppress(OSError, ValueError):  # there are none, or "max"
            quota, period = map(int, " ".join(Path(path).read_text() for path in paths).split())
            if quota > 0 and period > 0:
                return quota // period
    return 2**16


class _Library(NamedTuple):
    """A library that computes on threads, and how its number of them is read and set."""

    path: str
    get: Callable[[], int]
    set: Callable[[int], None]
    #: Whether each Python thread has a number of its own, as with OpenMP.
    per_thread: bool


def _wrap(found: Any) -> _Library:
    """Take one that threadpoolctl has found."""
    if found.internal_api == "openblas" and found.threading_layer == "pthreads":
        # Its own functions: threadpoolctl lets one thread set this number, and does nothing for others.
        for name in found.check_symbols:
            if hasattr(found.dynlib, name):
                get, put = (getattr(found.dynlib, name.replace("_get_", how)) for how in ("_get_", "_set_"))
                return _Library(found.filepath, get, put, per_thread=False)
    per_thread = "openmp" in (found.user_api, getattr(found, "threading_layer", ""))
    return _Library(found.filepath, found.get_num_threads, found.set_num_threads, per_thread)


def _find() -> list[Any]:
    from threadpoolctl import ThreadpoolController

    return list(ThreadpoolController().lib_controllers)


def _blas() -> list[Any]:
    """Return NumPy's BLAS, or those that it may be."""
    import numpy as np

    found = [one for one in _find() if one.user_api == "blas"]
    # A wheel brings its own; elsewhere it may be one that others use too.
    home = str(Path(np.__file__).resolve().parent)
    own = [one for one in found if str(Path(one.filepath).resolve()).startswith(home)]
    return own or found


def blas() -> str | None:
    """Say which BLAS NumPy uses.

    Returns
    -------
    str or None
        Name and version; None where it cannot be asked.
    """
    return ", ".join(f"{one.internal_api} {one.version or ''}".strip() for one in _blas()) or None


@lru_cache(maxsize=1)
def _libraries() -> tuple[list[_Library], list[_Library]]:
    """Find NumPy's BLAS, once: among those with one number, or with one for each thread.

    There is nothing if it is one whose threads nobody can count.
    """
    wrapped = [_wrap(one) for one in _blas()]
    return [one for one in wrapped if not one.per_thread], [one for one in wrapped if one.per_thread]


class _Wish:
    """What one `Hold` asks for."""

    __slots__ = ("before", "count", "limits_all", "thread")

    def __init__(self, count: int, *, limits_all: bool) -> None:
        self.count, self.limits_all = count, limits_all
        self.thread = threading.get_ident()
        #: What libraries were set to that have a number for each thread.
        self.before = [(one, one.get()) for one in _libraries()[1]]


#: May be entered again by the thread that is inside: a signal or the garbage collector can lead there.
_lock = threading.RLock()
#: What is asked of the BLAS at present, in the order in which it was.
_wishes: list[_Wish] = []
#: What NumPy's BLAS was set to before, and other libraries before there was a limit for all.
_before: list[tuple[_Library, int]] = []
_others: list[tuple[_Library, int]] = []
#: How many threads are at work on blocks of rows.
_at_work = 0


class Hold:
    """Lets NumPy's BLAS use so many threads while something runs: ``with Hold(1): ...``.

    Of several that a Python thread is inside of, the innermost counts; if several Python threads are
    inside of some, the lowest number of theirs does. It is never more than the BLAS might use before. The
    last one to leave puts that back.

    Parameters
    ----------
    count : int
        How many threads.

    Examples
    --------
    >>> with Hold(1):
    ...     allowed() >= 1  # as before: other threads may work beside the BLAS
    True
    """

    #: Whether it limits all that is done here, and not the BLAS alone.
    limits_all = False

    def __init__(self, count: int) -> None:
        self.count = count
        self._mine: list[_Wish] = []  # as often as it was entered

    def __enter__(self) -> Hold:
        try:
            with _lock:
                wish = _Wish(self.count, limits_all=self.limits_all)
                self._mine.append(wish)
                _wishes.append(wish)
                _settle()
        except BaseException:  # Ctrl-C may be pressed here too
            self._leave()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._leave()

    def __del__(self) -> None:
        while self._mine:  # Ctrl-C came at the very moment of leaving
            self._leave()

    def change(self, count: int) -> None:
        """Take another number from now on.

        Parameters
        ----------
        count : int
            How many threads.
        """
        with _lock:
            for wish in self._mine:
                wish.count = count
            _settle()

    def _leave(self) -> None:
        with _lock:
            if not self._mine:
                return
            wish = self._mine[-1]
            if wish in _wishes:
                _wishes.remove(wish)
            _settle()
            for library, most in wish.before:
                library.set(most)
            self._mine.pop()


def _settle() -> None:
    """Set the libraries to what is asked of them at present."""
    if not _wishes:
        _restore(_before)
        if _others:
            _restore(_others)
        return
    if not _before:
        _before.extend([(one, one.get()) for one in _libraries()[0]])
    newest = _wishes[-1]
    if len(_wishes) == 1:
        count = newest.count
    else:  # of one thread the later ones take the place of the others
        count = min({id(one) if one.limits_all else one.thread: one.count for one in _wishes}.values())
    for library, most in _before:
        library.set(min(count, most))
    if newest.before and newest.thread == threading.get_ident():
        for library, most in newest.before:
            library.set(min(newest.count, most))
    limits = [one.count for one in _wishes if one.limits_all]
    if limits:
        # Found anew: SciPy has a BLAS of its own, others have OpenMP, and they may have come since.
        if not _others:
            own = {library.path for found in _libraries() for library in found}
            _others.extend((one, one.get()) for one in map(_wrap, _find()) if one.path not in own)
        for library, most in _others:
            library.set(min(*limits, most))
    elif _others:
        _restore(_others)


def _restore(numbers: list[tuple[_Library, int]]) -> None:
    for library, count in numbers:
        library.set(count)
    numbers.clear()


def _settle_in_child() -> None:
    """Begin anew in a process that was forked: of its threads there is the one that forked."""
    global _lock, _at_work
    _lock, _at_work = threading.RLock(), 0
    if _wishes:
        _wishes[:] = [one for one in _wishes if one.thread == threading.get_ident()]
        _settle()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_settle_in_child)


class Limit(Hold):
    """Lets nothing in this process use more threads while something runs, no library and nothing of ours.

    Parameters
    ----------
    count : int
        How many.

    Examples
    --------
    >>> with Limit(1):
    ...     allowed()
    1
    """

    limits_all = True


def allowed() -> int:
    """Return how many threads may work here together.

    Returns
    -------
    int
        As many as the BLAS may use when nobody holds it, which is what the environment says or what
        `threadpoolctl` was told; no more than there are cores, nor than a `Limit` says.

    Examples
    --------
    >>> 1 <= allowed() <= cores()
    True
    """
    with _lock:
        limits = [one.count for one in _wishes if one.limits_all]
        own = next((one.before for one in _wishes if one.thread == threading.get_ident()), [])
        counts = [most for _, most in (*_before, *own)] or [
            library.get() for found in _libraries() for library in found
        ]
    if counts:
        limits.append(max(counts))
    else:  # as of Apple's, which nobody can ask
        limits += [int(value) for name in VARIABLES if (value := os.environ.get(name, "")).isdigit()]
    return max(1, min(cores(), *limits))


def spread(work: Callable[[int], None], count: int, most: int) -> None:
    """Do some pieces of work, on several threads if there are any free, each with a BLAS of one thread.

    NumPy lets other threads run while it computes, so pieces of a tenth of a millisecond are enough.

    Parameters
    ----------
    work : callable (int) -> None
        Does one piece. Pieces must not depend on each other.
    count : int
        How many there are; they are numbered from 0.
    most : int
        How many threads they are worth.

    Raises
    ------
    Exception
        What the first of the pieces has raised that raised anything. Of those behind it some may be done.

    Examples
    --------
    >>> found = [0, 0, 0]
    >>> spread(lambda number: found.__setitem__(number, number**2), 3, most=2)
    >>> found
    [0, 1, 4]
    """
    with Hold(1), _several(min(count, most)) as threads:
        if threads == 1:
            for number in range(count):
                work(number)
            return
        _work_together(work, count, threads)


@contextmanager
def _several(most: int) -> Iterator[int]:
    """Give the number of threads for some work; all who work at the same time share what is allowed."""
    global _at_work
    with _lock:
        threads = max(1, min(most, allowed() - _at_work))
        _at_work += threads
    try:
        yield threads
    finally:
        with _lock:
            _at_work -= threads


def _work_together(work: Callable[[int], None], count: int, threads: int) -> None:
    """Do all pieces, this thread among others: each takes the next one when it is done with one."""
    changed = threading.Condition()
    ahead = busy = 0  # pieces that were taken, and those of them that others are at
    failed: list[tuple[int, BaseException]] = []

    def take() -> int | None:
        nonlocal ahead
        if failed or ahead == count:
            return None
        ahead += 1
        return ahead - 1

    def do(number: int) -> None:
        try:
            work(number)
        except BaseException as error:
            failed.append((number, error))

    def join_in() -> None:
        nonlocal busy
        with changed:
            number = take()
            busy += number is not None
        while number is not None:
            with Hold(1):  # counts for this thread alone, with some libraries
                do(number)
            with changed:
                number = take()
                if number is None:
                    busy -= 1
                    changed.notify()

    # Threads of the moment, which a fork cannot lose. A `threading.Thread` would be waited for until it runs,
    # which it does not while all cores are busy. What NumPy does at an overflow is in the context.
    with suppress(RuntimeError):  # the system gives no more of them
        for _ in range(threads - 1):
            start_new_thread(copy_context().run, (join_in,))
    try:
        while True:
            with changed:
                number = take()
            if number is None:
                break
            do(number)
    except BaseException as error:  # Ctrl-C between two pieces
        failed.append((-1, error))
    with changed:
        while busy:
            changed.wait()
    if failed:
        raise min(failed, key=lambda found: found[0])[1]
