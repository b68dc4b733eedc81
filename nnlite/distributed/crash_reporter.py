"""The crash reporter: says which rank was killed, and how to go on, since a killed process says nothing.

`mpiexec` ends all ranks by SIGKILL as soon as one has died, and names a process, but no rank. So the ranks
of a machine hold a line each to a process that is none of them. The line of a rank breaks when it ends,
and Linux hands over broken lines in the order in which they broke: the first is that of the rank that was
killed, however late the reporter comes to look. (A line keeps the place that it has from words that were
not taken in yet. So the reporter answers when all have been, and a rank waits for that.)

The reporter runs this file by its path, so nothing but Python's own modules may be imported here.
"""

from __future__ import annotations

import atexit
import os
import selectors
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from hashlib import blake2s
from pathlib import Path
from platform import node

__all__ = ["CrashReporter", "watch"]

#: Before each message of a rank, which takes the place of the one before; and when nobody on its machine
#: shall be named any more.
_NOW, _HUSH = b"\0", b"\1"
#: How long, in seconds, a rank waits for an answer.
PATIENCE = 1.0


class CrashReporter:
    """A process that is told what to say if this one ends.

    It is started once, and goes when all have ended. Where there can be none, because the system has
    no Unix sockets or no room for one more process, nobody speaks, and all else is the same.

    Parameters
    ----------
    job : str
        The same for all ranks, and for no other job; those on one machine share a reporter.
    barrier : callable ()
        Waits for all ranks.

    Examples
    --------
    >>> reporter = CrashReporter("doctest", barrier=lambda: None)
    >>> with reporter.told("rank 0 was killed"):
    ...     pass  # nothing is said
    >>> reporter.leave()
    """

    def __init__(self, job: str, *, barrier: Callable[[], object]) -> None:
        # Machines may share a folder, but no reporter; and the name of a socket must be short.
        name = blake2s(f"{job} {node()}".encode(), digest_size=8).hexdigest()
        path = Path(f"nnlite-{name}")
        self._line: socket.socket | None = None
        # Whatever fails here must keep no rank from the barriers.
        with suppress(OSError, AttributeError):
            path = Path(tempfile.gettempdir(), path)
            self._summon(path)
        summoned = self._line is not None
        barrier()  # until there is a reporter on each machine
        if not summoned:
            with suppress(OSError, AttributeError):
                self._hold_line(path)
        barrier()  # a reporter goes when nobody holds a line: so nobody leaves before all have come
        if summoned:
            path.unlink(missing_ok=True)
        if self._line is not None:
            atexit.register(self.leave)
            os.register_at_fork(after_in_child=self._line.close)  # or it would not break with this process

    @contextmanager
    def told(self, message: str) -> Iterator[None]:
        """Let it say something if this process ends before it leaves the context.

        Parameters
        ----------
        message : str
            What is then written to standard error.
        """
        self._send(_NOW + message.encode())
        try:
            yield
        finally:
            self._send(_NOW)

    def hush(self) -> None:
        """Let nobody on this machine be named: the reason is told already."""
        self._send(_HUSH)

    def leave(self) -> None:
        """Let the reporter go as far as this process needs none."""
        if self._line is not None:
            self._line.close()
            self._line = None

    def _send(self, words: bytes) -> None:
        if self._line is not None:
            with suppress(OSError):  # it may have gone, or stand still
                self._line.sendall(words)
                self._line.recv(1)  # until they have been taken in

    def _summon(self, path: Path) -> None:
        """Start the reporter of this machine, unless another rank has."""
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))  # one rank can
            listener.listen(socket.SOMAXCONN)
            self._hold_line(path)
            subprocess.run(
                [sys.executable or "python3", "-I", "-S", __file__],
                stdin=listener.fileno(),
                stdout=subprocess.DEVNULL,
                start_new_session=True,  # or what ends this process would end it too
                check=False,
            )

    def _hold_line(self, path: Path) -> None:
        line = socket.socket(socket.AF_UNIX)
        try:
            line.settimeout(PATIENCE)
            line.connect(str(path))
        except OSError:
            line.close()
            raise
        self._line = line


def watch(listener: socket.socket) -> str | None:
    """Wait until a line breaks, or all who hold one have left.

    Parameters
    ----------
    listener : socket.socket
        To which the lines come.

    Returns
    -------
    str or None
        The message of the first line that broke with one.
    """
    heard: dict[socket.socket, bytearray] = {}
    with ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        selector.register(listener, selectors.EVENT_READ, listener)
        unanswered: list[socket.socket] = []
        while True:
            ready = selector.select(0 if unanswered else None)  # in the order in which it happened
            if not ready:
                for heard_of in unanswered:
                    with suppress(OSError):
                        heard_of.send(_NOW)
                unanswered.clear()
            for key, _ in ready:
                line: socket.socket = key.data
                if line is listener:
                    line = stack.enter_context(listener.accept()[0])
                    line.setblocking(False)
                    selector.register(line, selectors.EVENT_READ, line)
                    heard[line] = bytearray()
                    continue
                whole = _listen(line, heard[line])
                unanswered.append(line)
                if _HUSH in heard[line]:
                    return None
                del heard[line][: max(heard[line].rfind(_NOW), 0)]
                if not whole:
                    selector.unregister(line)
                    _, _, message = heard.pop(line).rpartition(_NOW)
                    if message:
                        return message.decode(errors="replace")
            if not heard:
                return None


def _listen(line: socket.socket, heard: bytearray) -> bool:
    """Take in what has come, and tell whether the line is whole."""
    try:
        while part := line.recv(1 << 16):
            heard += part
    except BlockingIOError:
        return True
    except ConnectionError:
        pass
    return False


def _main() -> None:
    """Watch the socket that is standard input, apart from the process that has started this one."""
    if os.fork():
        return
    with socket.socket(fileno=os.dup(sys.stdin.fileno())) as listener:
        message = watch(listener)
    if message is not None:
        print(message, file=sys.stderr)


if __name__ == "__main__":
    _main()
