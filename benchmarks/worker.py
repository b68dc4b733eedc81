"""The process in which one contender works, and the other end of its pipe.

`Worker` starts ``python -m benchmarks.worker`` and speaks with it in lines of JSON:
``{"do": "time", "count": 100}`` goes in, ``{"result": ...}`` or ``{"error": ...}`` comes
back. Between two lines the process sleeps on the pipe, so only one works at a time.
"""

from __future__ import annotations

import gc
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import IO, Any

from benchmarks.environment import ROOT, environment
from benchmarks.job import Job


class WorkerError(Exception):
    """A worker could not do what it was asked for."""


class Worker:
    """A process of its own for one contender.

    Parameters
    ----------
    threads : int
        How many threads its libraries may use.
    """

    def __init__(self, threads: int) -> None:
        self._log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            cwd=ROOT,
            env=environment(threads),
        )
        self._answers: queue.Queue[str] = queue.Queue()
        self._ear = threading.Thread(target=self._listen, daemon=True)
        self._ear.start()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def _listen(self) -> None:
        stream = self._process.stdout
        for line in stream or ():
            self._answers.put(line)
        self._answers.put("")

    def send(self, do: str, **arguments: Any) -> None:
        """Ask for something; `receive` gives the answer."""
        stream = self._process.stdin
        with suppress(OSError):  # the process has ended; `receive` says why
            if stream is not None:
                stream.write(json.dumps({"do": do, **arguments}) + "\n")
                stream.flush()

    def receive(self, timeout: float) -> Any:
        """Wait for the answer.

        Raises
        ------
        WorkerError
            If the work failed, the process died, or it took too long.
        """
        try:
            line = self._answers.get(timeout=timeout)
        except queue.Empty:
            self._process.kill()
            raise WorkerError(f"no answer within {timeout:.0f} s") from None
        if not line:
            raise WorkerError(f"the process ended with exit code {self._process.wait()}{self._last_words()}")
        answer = json.loads(line)
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer["result"]

    def ask(self, do: str, *, timeout: float = 600.0, **arguments: Any) -> Any:
        """Ask for something and wait for the answer."""
        self.send(do, **arguments)
        return self.receive(timeout)

    def _last_words(self) -> str:
        self._log.seek(0)
        lines = [line.strip() for line in self._log if line.strip()]
        return f": {lines[-1]}" if lines else ""

    def close(self) -> None:
        """End the process, which holds nothing that anybody will miss."""
        self._process.kill()
        self._process.wait()
        self._ear.join()
        for stream in (self._process.stdin, self._process.stdout, self._log):
            if stream is not None:
                with suppress(OSError):  # something was still to be written
                    stream.close()


def _use_cores(cores: list[int]) -> None:
    """Hold this process, with all its threads, to some cores, where the system can do that."""
    # Not every library obeys the limits of `environment`: JAX computes in a thread of its own while
    # the caller prepares the next step, and so took 1.5 cores when it was told to take one.
    for thread in Path("/proc/self/task").glob("*"):
        with suppress(OSError):  # a thread that has just ended
            os.sched_setaffinity(int(thread.name), cores)


class _Desk:
    """What the process answers to each kind of line."""

    def __init__(self) -> None:
        self.job: Job | None = None
        self.cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []

    def make(self, code: str, case: str, threads: int, options: dict[str, Any]) -> dict[str, Any]:
        """Make the job of a contender, and let it compute what all must agree on.

        What was there before goes. All contenders do this at the same time, on all cores;
        from then on each keeps to as many as it has threads.
        """
        _use_cores(self.cores)
        self.job = None
        gc.collect()
        module, _, name = code.partition(":")
        self.job = getattr(import_module(module), name)(case, threads, **options)
        answer = {"multiple": self.job.multiple, "check": self.job.check()}
        if self.job.remark:
            answer["remark"] = self.job.remark
        _use_cores(self.cores[-threads:])
        return answer

    def call(self, method: str, **arguments: Any) -> Any:
        """Call a method of the job, and give what it returns, which JSON can hold."""
        return getattr(self.job, method)(**arguments)

    def time(self, count: int, warm: int) -> dict[str, float]:
        """Do the work, from the start and after a few times that do not count."""
        job = self.job
        if job is None:
            raise RuntimeError("nothing was made")
        job.reset()
        if warm:
            job.run(warm)
        clock, cpu = time.perf_counter(), time.process_time()
        job.run(count)
        return {"seconds": time.perf_counter() - clock, "cpu": time.process_time() - cpu}


def _serve(lines: IO[str], answers: IO[str]) -> None:
    """Answer line after line until there are no more."""
    desk = _Desk()
    for line in lines:
        request = json.loads(line)
        method: Callable[..., Any] = getattr(desk, request.pop("do"))
        try:
            answer = {"result": method(**request)}
        except Exception as error:  # whatever a library may raise: the parent leaves it out and says why
            answer = {"error": f"{type(error).__name__}: {str(error).strip() or 'no message'}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    # What a library prints must not get between the answers.
    pipe = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    _serve(sys.stdin, pipe)
