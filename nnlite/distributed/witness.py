"""A witness: says which rank was killed, and how to go on, since a killed process says nothing.

`mpiexec` ends all ranks by SIGKILL as soon as one has died, and names a process, but no rank. So the ranks
of a machine hold a line each to a process that is none of them. The line of a rank breaks when it ends,
and the system hands over broken lines in the order in which they broke: the first is that of the rank
that was killed, however late the witness comes to look.

The witness runs this file by its path, so nothing but Python's own modules may be imported here.
"""

from __future__ import annotations

import os
import selectors
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, suppress
from hashlib import blake2s
from pathlib import Path
from platform import node
from types import TracebackType

__all__ = ["Witness", "watch"]

#: What a rank sends when it leaves, and when nobody on its machine shall be named any more.
_BYE, _HUSH = b"\0bye", b"\0hush"


class Witness:
    """Lets another process speak if this one ends before it leaves the context.

    Where there is no such process, because the system has no Unix sockets or no room for one more
    process, nobody speaks, and all else is the same.

    Parameters
    ----------
    message : str
        What is then written to standard error.
    job : str
        The same for all ranks of one training, and for no other; those on one machine share a witness.
    barrier : callable ()
        Waits for all ranks.

    Examples
    --------
    >>> with Witness("rank 0 was killed", job="doctest", barrier=lambda: None):
    ...     pass  # nothing is said
    """

    def __init__(self, message: str, *, job: str, barrier: Callable[[], object]) -> None:
        self.message = message
        # Machines may share a folder, but no witness; and the name of a socket must be short.
        name = blake2s(f"{job} {node()}".encode(), digest_size=8).hexdigest()
        self.path = Path(tempfile.gettempdir(), f"nnlite-{name}")
        self._barrier = barrier
        self._line: socket.socket | None = None
        self._summoned = False

    def __enter__(self) -> Witness:
        # Whatever fails here must keep no rank from the barriers.
        with suppress(OSError, AttributeError):
            self._summon()
        self._barrier()  # until there is a witness on each machine
        if self._line is None:
            with suppress(OSError, AttributeError):
                self._hold_line()
        self._barrier()  # a witness goes when nobody holds a line: so nobody leaves before all have come
        if self._summoned:
            self.path.unlink(missing_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave(_BYE)

    def hush(self) -> None:
        """Let nobody on this machine be named: the reason is told already."""
        self._leave(_HUSH)

    def _summon(self) -> None:
        """Start the witness of this machine, unless another rank has."""
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self.path))  # one rank can
            self._summoned = True
            listener.listen(socket.SOMAXCONN)
            self._hold_line()
            subprocess.run(
                [sys.executable, "-I", "-S", __file__],
                stdin=listener.fileno(),
                stdout=subprocess.DEVNULL,
                start_new_session=True,  # or what ends this process would end it too
                check=False,
            )

    def _hold_line(self) -> None:
        line = socket.socket(socket.AF_UNIX)
        line.connect(str(self.path))
        line.sendall(self.message.encode())
        self._line = line

    def _leave(self, word: bytes) -> None:
        if self._line is not None:
            with suppress(OSError), self._line as line:  # the witness may have gone
                line.sendall(word)
                if word == _HUSH:
                    line.recv(1)  # until it has heard, and goes
            self._line = None


def watch(listener: socket.socket) -> str | None:
    """Wait until a line breaks, or all who hold one have left.

    Parameters
    ----------
    listener : socket.socket
        To which the lines come.

    Returns
    -------
    str or None
        The message of the line that broke first.
    """
    heard: dict[socket.socket, bytearray] = {}
    with ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        selector.register(listener, selectors.EVENT_READ, listener)
        while True:
            for key, _ in selector.select():  # in the order in which it happened
                line: socket.socket = key.data
                if line is listener:
                    line = stack.enter_context(listener.accept()[0])
                    line.setblocking(False)
                    selector.register(line, selectors.EVENT_READ, line)
                    heard[line] = bytearray()
                    continue
                whole = _listen(line, heard[line])
                if heard[line].endswith(_HUSH):
                    return None
                if not whole:
                    selector.unregister(line)
                    words = heard.pop(line)
                    if not words.endswith(_BYE):
                        return words.decode(errors="replace")
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
