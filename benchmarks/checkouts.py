"""Processes that take ``nnlite`` from one checkout and the rest from this one, and are timed in turns."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.environment import ROOT

__all__ = ["Checkout", "answer"]

CHILD = """
import sys
sys.path.insert(0, sys.argv[1])
import nnlite
assert nnlite.__file__.startswith(sys.argv[1]), nnlite.__file__
sys.path.insert(0, sys.argv[2])
from importlib import import_module
import_module(sys.argv[3]).serve()
"""


def answer(measure: Callable[..., float]) -> None:
    """Answer each line of the standard input by the seconds that its words, between semicolons, took."""
    for line in sys.stdin:
        print(measure(*line.strip().split("; ")), flush=True)


class Checkout:
    """A process with the nnlite of one folder.

    Parameters
    ----------
    folder : Path
        The checkout.
    module : str
        The one here whose ``serve`` calls `answer`.
    environment : mapping of str to str
        Of the process.
    """

    def __init__(self, folder: Path, module: str, environment: Mapping[str, str]) -> None:
        self.folder = folder.resolve()
        self.process = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(self.folder), str(ROOT), module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=self.folder,
            env={key: value for key, value in environment.items() if key != "PYTHONPATH"},
        )

    def __enter__(self) -> Checkout:
        return self

    def __exit__(self, *failure: object) -> None:
        self.process.communicate()  # closes its input, at whose end it stops

    def time(self, *words: object) -> float:
        """Return the seconds that what some words name took there."""
        pipe: Any = self.process
        with suppress(BrokenPipeError):  # it has ended, and answers nothing
            print(*words, sep="; ", file=pipe.stdin, flush=True)
        found = pipe.stdout.readline()
        if not found:
            raise SystemExit(f"the process of {self.folder} has ended; see above")
        return float(found)
