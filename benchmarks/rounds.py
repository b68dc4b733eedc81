"""Measure contenders in turn: A B C A B C ..., each in its own process."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from math import isfinite
from typing import Any

from benchmarks.peers import LIBRARIES
from benchmarks.results import Contender, Result
from benchmarks.stats import relative_error
from benchmarks.worker import Worker, WorkerError

#: Numbers that must agree may differ by this part.
TOLERANCE = 1e-4

#: Idle threads of a library go on spinning for a while after its turn; the next turn waits for that.
SETTLE = {1: 0.003}
SETTLE_THREADS = 0.03


@dataclass(frozen=True)
class Settings:
    """How long and how much to measure.

    Attributes
    ----------
    rounds : int
        How often each contender has its turn.
    turn : float
        About how many seconds a turn takes.
    threads : tuple of int
        The numbers of threads to measure with.
    quick : bool
        Fewer cases and contenders, and processes that live on from case to case.
    only : tuple of str or None
        Libraries to compare with; None is all that are installed.
    """

    rounds: int = 15
    turn: float = 0.1
    threads: tuple[int, ...] = (1, 2)
    quick: bool = False
    only: tuple[str, ...] | None = None


def calibrate(measure: Callable[[int], float], turn: float, multiple: int = 1) -> int:
    """Find how often to repeat the work so that it takes about so many seconds.

    Parameters
    ----------
    measure : callable (int) -> float
        Does the work that often, and gives the seconds.
    turn : float
        Seconds to aim at.
    multiple : int
        The answer is a multiple of this.
    """
    count = multiple
    seconds = measure(count)
    while seconds < turn / 4:
        count *= max(2, min(16, int(turn / 2 / max(seconds, 1e-9))))
        seconds = measure(count)
    return max(1, round(turn / seconds * count / multiple)) * multiple


def interleave(
    turns: Mapping[str, Callable[[], float]], rounds: int, pause: Callable[[], None] = lambda: None
) -> tuple[dict[str, list[float]], dict[str, str]]:
    """Give everyone a turn, round after round.

    Parameters
    ----------
    turns : dict of str to callable () -> float
        By name, what is measured.
    rounds : int
        How often.
    pause : callable, optional
        Called between two turns.

    Returns
    -------
    values : dict of str to list of float
        By name, one number a round.
    failed : dict of str to str
        By name, why its values are missing: one that fails loses its further turns.
    """
    values: dict[str, list[float]] = {name: [] for name in turns}
    failed: dict[str, str] = {}
    for _ in range(rounds):
        for name, turn in turns.items():
            if name in failed:
                continue
            try:
                values[name].append(turn())
            except WorkerError as error:
                failed[name] = str(error)
            pause()
    return {name: found for name, found in values.items() if name not in failed}, failed


class Session:
    """One run of the benchmarks: its settings, its processes, and what it has to say on the way.

    Parameters
    ----------
    settings : Settings
        How long and how much.
    say : callable (str) -> None
        Takes lines about the progress.
    """

    def __init__(self, settings: Settings, say: Callable[[str], None] = print) -> None:
        self.settings = settings
        self.say = say
        self.skipped: dict[str, str] = {}
        self._living: dict[tuple[str, int], Worker] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *failure: object) -> None:
        self._stack.close()

    def present(self, contenders: Sequence[Contender]) -> list[Contender]:
        """Leave out contenders whose library is missing, which is said once, or is not wanted."""
        found = []
        for contender in contenders:
            library, only = LIBRARIES[contender.library], self.settings.only
            if contender.role in ("peer", "other") and only is not None and contender.library not in only:
                continue
            if contender.slow and self.settings.quick:
                continue
            if library.missing:
                if contender.library not in self.skipped:
                    self.skipped[contender.library] = library.install
                    self.say(skip_message(contender.library))
                continue
            found.append(contender)
        return found

    def measure(
        self,
        workload: str,
        case: str,
        threads: int,
        contenders: Sequence[Contender],
        *,
        reference: Contender | None = None,
        warm: float = 0.1,
        rounds: int | None = None,
    ) -> Result:
        """Measure the seconds that each contender takes for the work once.

        Parameters
        ----------
        workload, case : str
            What to do; the case is given to the jobs.
        threads : int
            How many threads each may use.
        contenders : sequence of Contender
            Who takes part; see `present`.
        reference : Contender, optional
            Computes what the others must compute; it is not timed.
        warm : float
            The part of a turn that is done before and does not count. At 0, nothing is done before.
        rounds : int, optional
            How many, if not as many as the settings say.
        """
        result = Result(
            workload,
            case,
            threads,
            roles={c.name: c.role for c in contenders},
            libraries={c.name: c.library for c in contenders},
        )
        self.say(f"{workload}, {case}, {_threads(threads)}: {len(contenders)} contenders")
        everyone = [*([reference] if reference else []), *contenders]
        with ExitStack() as stack:
            workers = {c.name: self._worker(c.name, threads, stack) for c in everyone}
            made = self._make(result, everyone, workers)
            if reference is not None:
                self._check(result, reference.name, made)
            turns: dict[str, Callable[[], float]] = {}
            for name in [c.name for c in contenders if c.name not in result.left_out]:
                try:
                    turns[name] = self._turn(result, name, workers[name], made[name]["multiple"], warm)
                except WorkerError as error:
                    self._leave_out(result, name, str(error))
            settle = SETTLE.get(threads, SETTLE_THREADS)
            result.values, failed = interleave(
                turns, rounds or self.settings.rounds, lambda: time.sleep(settle)
            )
            for name, why in failed.items():
                self._leave_out(result, name, why)
            self._forget(result, workers)
        return result

    def collect(
        self,
        workload: str,
        case: str,
        threads: int,
        contenders: Sequence[Contender],
        requests: Sequence[Mapping[str, Any]],
        *,
        reference: Contender | None = None,
    ) -> tuple[Result, dict[str, list[Any]]]:
        """Ask the jobs of all contenders for one thing after another, and let them answer in turn.

        Parameters
        ----------
        workload, case, threads, contenders
            As for `measure`.
        requests : sequence of dict
            Each the name of a "method" of the job, and arguments for it.
        reference : Contender, optional
            As for `measure`; it is not asked for anything else.

        Returns
        -------
        result : Result
            Without values.
        answers : dict of str to list
            By contender, the answers, of those who could give all of them.
        """
        result = Result(
            workload,
            case,
            threads,
            roles={c.name: c.role for c in contenders},
            libraries={c.name: c.library for c in contenders},
        )
        self.say(f"{workload}, {case}, {_threads(threads)}: {len(contenders)} contenders")
        answers: dict[str, list[Any]] = {c.name: [] for c in contenders}
        with ExitStack() as stack:
            everyone = [*([reference] if reference else []), *contenders]
            workers = {c.name: self._worker(c.name, threads, stack) for c in everyone}
            made = self._make(result, everyone, workers)
            if reference is not None:
                self._check(result, reference.name, made)
            for request in requests:
                for name in [c.name for c in contenders if c.name not in result.left_out]:
                    try:
                        answers[name].append(workers[name].ask("call", **request))
                    except WorkerError as error:
                        self._leave_out(result, name, str(error))
            self._forget(result, workers)
        return result, {name: found for name, found in answers.items() if name not in result.left_out}

    def _forget(self, result: Result, workers: Mapping[str, Worker]) -> None:
        """Close the processes of those who failed: they may be in any state."""
        for name, worker in workers.items():
            if name in result.left_out:
                self._living.pop((name, result.threads), None)
                worker.close()

    def _worker(self, name: str, threads: int, stack: ExitStack) -> Worker:
        # A new process for each case: what one left in memory must not slow down or speed up the next.
        if not self.settings.quick:
            return stack.enter_context(Worker(threads))
        if (name, threads) not in self._living:
            self._living[name, threads] = self._stack.enter_context(Worker(threads))
        return self._living[name, threads]

    def _make(
        self, result: Result, contenders: Sequence[Contender], workers: Mapping[str, Worker]
    ) -> dict[str, dict[str, Any]]:
        """Let all prepare themselves, at the same time."""
        for c in contenders:
            workers[c.name].send(
                "make", code=c.code, case=result.case, threads=result.threads, options=c.options
            )
        made = {}
        for c in contenders:
            try:
                made[c.name] = workers[c.name].receive(600.0)
            except WorkerError as error:
                self._leave_out(result, c.name, str(error))
            else:
                if remark := made[c.name].get("remark"):
                    result.remarks[c.name] = remark
        return made

    def _check(self, result: Result, reference: str, made: Mapping[str, dict[str, Any]]) -> None:
        """Compare what they computed; who computed something else does not go on."""
        if reference not in made:
            raise WorkerError(f"{reference}: {result.left_out[reference]}")
        expected = made[reference]["check"]
        for name, answer in made.items():
            if not answer["check"]:  # the matrix products alone compute nothing to compare
                continue
            error = relative_error(answer["check"], expected)
            if isfinite(error):
                result.checks[name], result.errors[name] = answer["check"], error
            if not error <= TOLERANCE:
                self._leave_out(result, name, f"does not compute the same: relative error {error:.1e}")

    def _turn(
        self, result: Result, name: str, worker: Worker, multiple: int, warm: float
    ) -> Callable[[], float]:
        """Find out how much of the work makes a turn."""
        count = calibrate(
            lambda count: worker.ask("time", count=count, warm=0)["seconds"], self.settings.turn, multiple
        )
        cpu: list[float] = []
        result.details[name] = {"count": count, "cpu": cpu}

        def turn() -> float:
            answer = worker.ask("time", count=count, warm=max(1, int(count * warm)) if warm else 0)
            cpu.append(answer["cpu"] / count)
            return answer["seconds"] / count

        return turn

    def _leave_out(self, result: Result, name: str, why: str) -> None:
        result.left_out[name] = why
        result.roles.pop(name, None)
        self.say(f"  {name} is left out: {why.splitlines()[0]}")


def skip_message(library: str) -> str:
    """Say that a library is missing, and how to install it."""
    return f"{library} is not installed and is skipped: {LIBRARIES[library].install}"


def _threads(threads: int) -> str:
    return "1 thread" if threads == 1 else f"{threads} threads"


__all__ = ["TOLERANCE", "Session", "Settings", "calibrate", "interleave", "skip_message"]
