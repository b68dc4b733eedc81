"""Who is named when ranks end: the first, however late anybody comes to look."""

from __future__ import annotations

import os
import selectors
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from nnlite.distributed import crash_reporter
from nnlite.distributed.crash_reporter import CrashReporter, watch
from tests.ranks.test_faults import IN_TIME

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="needs Unix sockets")
needs_proc = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs the /proc of Linux")

#: Like a rank in `fit`: it waits for a word, and leaves.
RANK = """
import sys, time
from pathlib import Path
from nnlite.distributed.crash_reporter import CrashReporter

name, count, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
barriers = iter("ab")

def barrier():
    each = next(barriers)
    (folder / f"{each} {name}").touch()
    while len([*folder.glob(f"{each} *")]) < count:
        time.sleep(0.01)

reporter = CrashReporter("job", barrier=barrier)
with reporter.told("it is still early"):
    pass
with reporter.told(f"{name} was ended"):
    print("here", flush=True)
    word = sys.stdin.readline()
    if word == "hush\\n":
        reporter.hush()
        print("hushed", flush=True)
if word == "stay\\n":
    print("out", flush=True)
    sys.stdin.readline()
"""


@pytest.mark.parametrize("first", range(4))
def test_the_first_line_to_break_is_named_however_late_the_look(
    first: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(str(tmp_path / "socket"))
        listener.listen()
        held = [stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(4)]
        for number, line in enumerate(held):
            line.connect(listener.getsockname())
            line.sendall(b"\0before\0line %d" % number)
        broken = []

        class Late(selectors.DefaultSelector):
            def select(self, timeout: float | None = None) -> Any:
                found = super().select(0)
                if not found:  # all was taken in
                    assert not broken
                    broken.extend([held[first], *held[:first], *held[first + 1 :]])
                    for line in broken:
                        line.close()
                    found = super().select(0)
                return found

        monkeypatch.setattr(selectors, "DefaultSelector", Late)
        assert watch(listener) == f"line {first}"


class Ranks:
    """Processes that share a reporter, and what is said on standard error.

    Parameters
    ----------
    count : int
        How many.
    folder : Path
        For what passes between them; files for a while are made in its folder "tmp".
    """

    def __init__(self, count: int, folder: Path, *, tmp: str = "tmp") -> None:
        self.tmp = folder / tmp
        for made in (folder / "barriers", self.tmp):
            made.mkdir()
        end, begin = os.pipe()
        self.said = os.fdopen(end)
        self.each = [
            subprocess.Popen(
                [sys.executable, "-c", RANK, f"rank {number}", str(count), folder / "barriers"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=begin,
                text=True,
                env={**os.environ, "TMPDIR": str(self.tmp)},
            )
            for number in range(count)
        ]
        os.close(begin)

    def __enter__(self) -> Ranks:
        for each in self.each:
            assert each.stdout is not None
            assert each.stdout.readline() == "here\n"
        return self

    def __exit__(self, *_: object) -> None:
        for each in self.each:
            each.kill()
            each.communicate()
        self.said.close()

    def tell(self, number: int, word: str = "") -> str:
        """Let one leave, and return what it says."""
        out, _ = self.each[number].communicate(word + "\n", timeout=IN_TIME)
        assert self.each[number].returncode == 0
        return out

    def kill(self, number: int) -> None:
        """Kill one."""
        self.each[number].kill()
        self.each[number].wait(IN_TIME)

    def signal_reporter(self, number: signal.Signals) -> None:
        """Send a signal to the reporter of these ranks."""
        for each in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it may have ended
                command, variables = (each / "cmdline").read_bytes(), (each / "environ").read_bytes()
                if crash_reporter.__file__.encode() in command and str(self.tmp).encode() in variables:
                    os.kill(int(each.name), number)
                    return
        raise AssertionError("there is no reporter")

    def all_that_is_said(self) -> str:
        """Return it, when the reporter has gone too."""
        return self.said.read()


def test_those_who_leave_are_not_named(tmp_path: Path) -> None:
    with Ranks(3, tmp_path) as ranks:
        for number in range(3):
            ranks.tell(number)
        assert ranks.all_that_is_said() == ""
    assert [*(tmp_path / "tmp").iterdir()] == []


def test_the_first_killed_is_named_once(tmp_path: Path) -> None:
    with Ranks(3, tmp_path) as ranks:
        ranks.tell(0)
        ranks.kill(2)
        ranks.kill(1)
        assert ranks.all_that_is_said() == "rank 2 was ended\n"


@needs_proc
def test_the_first_killed_is_named_by_a_reporter_that_stood_still(tmp_path: Path) -> None:
    with Ranks(4, tmp_path) as ranks:
        ranks.signal_reporter(signal.SIGSTOP)
        for number in (2, 0, 3, 1):
            ranks.kill(number)
        ranks.signal_reporter(signal.SIGCONT)
        assert ranks.all_that_is_said() == "rank 2 was ended\n"


@needs_proc
def test_nobody_waits_for_a_reporter_that_stands_still(tmp_path: Path) -> None:
    with Ranks(2, tmp_path) as ranks:
        ranks.signal_reporter(signal.SIGSTOP)
        assert ranks.tell(1, "hush") == "hushed\n"
        ranks.kill(0)
        ranks.signal_reporter(signal.SIGCONT)
        assert ranks.all_that_is_said() == ""


def test_nobody_is_named_who_is_killed_behind_the_training(tmp_path: Path) -> None:
    with Ranks(2, tmp_path) as ranks:
        process = ranks.each[0]
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("stay\n")
        process.stdin.flush()
        assert process.stdout.readline() == "out\n"
        ranks.kill(0)
        ranks.kill(1)
        assert ranks.all_that_is_said() == "rank 1 was ended\n"


def test_a_child_of_a_rank_does_not_hold_its_line(tmp_path: Path) -> None:
    lines = (
        "import os, time\n"
        "from nnlite.distributed.crash_reporter import CrashReporter\n"
        "reporter = CrashReporter('job', barrier=lambda: None)\n"
        "with reporter.told('it was ended'):\n"
        "    if os.fork() == 0:\n"
        "        os.close(2)\n"
        "        time.sleep(60)\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    process = subprocess.run(
        [sys.executable, "-c", lines],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        timeout=IN_TIME,
    )
    assert process.stderr == b"it was ended\n"


def test_nobody_is_named_after_a_hush(tmp_path: Path) -> None:
    with Ranks(3, tmp_path) as ranks:
        assert ranks.tell(1, "hush") == "hushed\n"
        ranks.kill(2)
        ranks.tell(0)
        assert ranks.all_that_is_said() == ""


def test_where_there_can_be_no_reporter_all_else_goes_on(tmp_path: Path) -> None:
    with Ranks(2, tmp_path, tmp="x" * 120) as ranks:  # no socket can have so long a name
        ranks.kill(0)
        ranks.tell(1)
        assert ranks.all_that_is_said() == ""


def test_without_a_folder_for_files_all_come_to_the_barriers(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> str:
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr(crash_reporter.tempfile, "gettempdir", none)
    come: list[None] = []
    CrashReporter("job", barrier=lambda: come.append(None))
    assert len(come) == 2


def test_the_reporter_needs_only_what_comes_with_python() -> None:
    lines = f"import runpy; runpy.run_path({crash_reporter.__file__!r})"
    subprocess.run([sys.executable, "-I", "-S", "-c", lines], check=True)
