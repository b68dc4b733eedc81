"""A witness: says which rank was killed, and how to go on, since a killed process says nothing.

`mpiexec` ends all ranks by SIGKILL as soon as one has died, and names a process, but no rank. So each
rank has a shell beside it that waits at a pipe. If the rank ends in the middle of a training, the pipe
breaks, and the first shell on the machine to see that speaks.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType

__all__ = ["Witness"]

#: Removes the folder, when all shells that look for it have looked.
_FORGET = '(sleep 5; rmdir "$1") >/dev/null 2>&1 &'
#: Reads until the rank sends a line or ends. Of several shells, one can make the folder, and speaks.
_SCRIPT = f"""
read -r line && exit
mkdir "$1" 2>/dev/null || exit
printf '%s\\n' "$2" >&2
{_FORGET}
"""


class Witness:
    """A shell that speaks if this process ends before it leaves the context.

    Parameters
    ----------
    message : str
        What it then writes to standard error.
    job : str
        The same for all ranks of one training, and for no other.

    Examples
    --------
    >>> with Witness("rank 0 was killed", job="doctest"):
    ...     pass  # nothing is said
    """

    def __init__(self, message: str, *, job: str) -> None:
        self.message = message
        self.told = Path(tempfile.gettempdir(), f"nnlite-{job}")
        self._shell: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Witness:
        shell = shutil.which("sh")
        if shell is not None:
            self._shell = subprocess.Popen(
                [shell, "-c", _SCRIPT, "nnlite-witness", str(self.told), self.message],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                start_new_session=True,  # or what ends this process would end it too
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.dismiss()

    def dismiss(self) -> None:
        """Send it home."""
        if self._shell is not None:
            self._shell.communicate(b"all is well\n")
            self._shell = None

    def hush(self) -> None:
        """Let no shell on this machine speak: the reason is told already."""
        self.dismiss()
        self.told.mkdir(exist_ok=True)
        shell = shutil.which("sh")
        if shell is not None:
            forget = [shell, "-c", _FORGET, "nnlite-witness", str(self.told)]
            subprocess.run(forget, start_new_session=True, check=False)
