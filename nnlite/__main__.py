"""`python -m nnlite`: the main job on real data, from the command line."""

from __future__ import annotations

import argparse
import difflib
import io
import math
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn, TextIO

import numpy as np

from nnlite._ctrl_c import listen
from nnlite.cli.demo import Options, run
from nnlite.cli.recipes import RECIPES
from nnlite.cli.terminal import Screen
from nnlite.errors import ArgumentError

PROGRAM = "python -m nnlite"
#: More would take days, and numbers without a limit end in an overflow somewhere.
MOST_EPOCHS = 1_000_000
MOST_ROWS = 1_000_000_000


class _Parser(argparse.ArgumentParser):
    """A parser that says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        message = message.removeprefix("argument ")
        if ", got " not in message:
            message += f". Try {PROGRAM} --help."
        self.exit(2, f"{PROGRAM}: {message}\n")


def _refuse(expected: str, text: str, fix: str) -> NoReturn:
    raise argparse.ArgumentTypeError(f"expected {expected}, got {text!r}. {fix}")


def _closest(text: str, names: Sequence[str]) -> str:
    close = difflib.get_close_matches(text, names, n=1)
    return f"Did you mean {close[0]}?" if close else "Choose one of them."


def _one_of(names: Sequence[str]) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in names:
            _refuse(f"one of {', '.join(names)}", text, _closest(text, names))
        return text

    return parse


def _whole_number(low: int, high: float = math.inf) -> Callable[[str], int]:
    expected = (
        f"a whole number from {low} to {high:,}" if high < math.inf else f"a whole number from {low} up"
    )

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            _refuse(expected, text, "Write digits only.")
        if not low <= number <= high:
            _refuse(expected, text, f"Give {low} or more." if number < low else "Give a smaller one.")
        return number

    return parse


def _rate(text: str) -> float:
    expected = "a finite number above 0"
    try:
        number = float(text)
    except ValueError:
        _refuse(expected, text, "Write it like 0.01 or 1e-2.")
    if not 0 < number < math.inf:
        _refuse(expected, text, "Give a small positive number, such as 0.01.")
    return number


def _file_to_write(text: str) -> Path:
    path = Path(text)
    expected = "a file in a folder that can be written to"
    if not text or path.is_dir():
        _refuse(expected, text, "Add the name of a file.")
    if not path.parent.is_dir():
        _refuse(expected, text, f"There is no folder {path.parent}; make it first.")
    if path.exists() and not path.is_file():
        _refuse(expected, text, "That is a device or the like; choose another name.")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        _refuse(expected, text, f"You may not write to {path.parent}; choose another folder.")
    return path


def _parser() -> argparse.ArgumentParser:
    names = list(RECIPES)
    parser = _Parser(
        prog=PROGRAM,
        description="Train a small neural network and show how well it does: test accuracy, loss curve, "
        "and a picture of what it has learned.",
        epilog=f"`{PROGRAM} playground` opens a small net for a data set in the browser instead, live; with "
        "--save it writes that page to a file. Ctrl-C ends a training early; the report is then about the "
        "net so far. Every data set has epochs, learning rate and batch size of its own, which the options "
        "replace.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--data",
        type=_one_of(names),
        default=names[0],
        metavar="NAME",
        help=f"what to learn: {', '.join(names)} (default: {names[0]})",
    )
    parser.add_argument(
        "--epochs",
        type=_whole_number(1, MOST_EPOCHS),
        metavar="N",
        help="how many times to go over the training data",
    )
    parser.add_argument(
        "--learning-rate",
        type=_rate,
        metavar="RATE",
        help="highest learning rate; training starts and ends with lower ones",
    )
    parser.add_argument(
        "--batch-size", type=_whole_number(1, MOST_ROWS), metavar="N", help="rows in one training step"
    )
    parser.add_argument(
        "--seed",
        type=_whole_number(0),
        default=0,
        metavar="N",
        help="of everything random; the same seed gives the same net (default: 0)",
    )
    parser.add_argument(
        "--save", type=_file_to_write, metavar="PATH", help="keep the net in this file; nnlite.load reads it"
    )
    parser.add_argument(
        "--jit",
        action="store_true",
        help="train by compiled loops; needs numba, and some seconds to compile at the first use",
    )
    parser.add_argument("--quiet", action="store_true", help="print one line only: the result")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments; by default those of the process.

    Returns
    -------
    int
        The exit code: 0, or 1 if something went wrong, or 130 if Ctrl-C left nothing to
        report. A wrong argument exits at once with code 2.
    """
    parser = _parser()
    words = sys.argv[1:] if argv is None else list(argv)
    live = words[:1] == ["playground"]
    arguments, unknown = parser.parse_known_args(words[live:])
    if unknown:
        names = [f"--{name.replace('_', '-')}" for name in vars(arguments)]
        fix = (
            f"Write --data {unknown[0]}."
            if unknown[0] in RECIPES
            else _closest(unknown[0], [*names, "playground"])
        )
        parser.error(f"the command line: expected one of {', '.join(names)}, got {unknown[0]!r}. {fix}")
    options = Options(**vars(arguments))
    try:
        if options.jit:
            from nnlite.jit.cache import import_numba

            import_numba("--jit")
    except ModuleNotFoundError as error:
        parser.error(f"{error}")
    out = sys.stdout or io.StringIO()  # there is none if the caller closed it
    try:
        listen()
        # A wild learning rate ends in numbers that overflow; an error or the report says so.
        with np.errstate(over="ignore", invalid="ignore"):
            trouble = _play(options, out) if live else run(options, Screen(out))
        out.flush()
    except BrokenPipeError:  # whoever read the report has seen enough
        return _drop(out)
    except (ArgumentError, OSError) as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return _drop(out)
    except KeyboardInterrupt:
        print(f"{PROGRAM}: stopped by Ctrl-C", file=sys.stderr)
        return 130
    if trouble:
        print(f"{PROGRAM}: {trouble}", file=sys.stderr)
    return 1 if trouble else 0


def _play(options: Options, out: TextIO) -> str:
    """Show a net in the browser; there is no trouble to report."""
    from nnlite.cli.play import show  # it brings the page and its engine, which training here needs not

    print(show(options), file=out)
    return ""


def _drop(out: TextIO) -> int:
    """Send output that nobody takes nowhere, so that Python does not complain about it at exit."""
    try:
        out.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())
    return 1


if __name__ == "__main__":
    sys.exit(main())
