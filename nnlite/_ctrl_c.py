"""Ctrl-C while `python -m nnlite` still imports: one line and exit code 130, as later, and no traceback.

The first thing that ``nnlite/__init__.py`` imports. A plain ``import nnlite`` changes nothing.
"""

import os
import sys

__all__ = ["listen"]

_is_listening = False


def _end(*_: object) -> None:
    os.write(2, b"python -m nnlite: stopped by Ctrl-C\n")
    os._exit(130)


def _is_command() -> bool:
    """Tell whether this is the import that `python -m nnlite` begins with."""
    line = sys.orig_argv
    return sys.argv[:1] == ["-m"] and "-m" in line and line[line.index("-m") + 1 :][:1] == ["nnlite"]


def _begin() -> None:
    global _is_listening
    import signal

    # It may be ignored, as in a job that `nohup` began, and stays so.
    _is_listening = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if _is_listening:
        signal.signal(signal.SIGINT, _end)


def listen() -> None:
    """Let Ctrl-C be a KeyboardInterrupt again."""
    if _is_listening:
        import signal

        signal.signal(signal.SIGINT, signal.default_int_handler)


if _is_command():
    try:
        _begin()
    except KeyboardInterrupt:
        _end()
