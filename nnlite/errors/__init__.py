"""What nnlite raises, and the one form in which every message is written.

The form is ``<where>: expected <what>, got <value>. <fix>``. Every class is a
`ValueError` or a `TypeError`, so code that catches those goes on working.
"""

from __future__ import annotations

import sys
from typing import Self

__all__ = [
    "ArgumentError",
    "ArgumentTypeError",
    "DataWarning",
    "DivergenceError",
    "GradientCheckError",
    "ModelFileError",
    "NotFittedError",
    "RankError",
    "ReplicaWarning",
    "ShapeError",
    "calls_to_user",
]


class _Expected(Exception):
    """The shared form. The four parts stay readable as attributes.

    Parameters
    ----------
    where : str
        The function, layer or argument that refused the value.
    expected : str
        What it takes.
    got : str
        What it was given.
    fix : str
        One sentence, with its full stop, that says what to do.
    """

    def __init__(self, where: str, expected: str, got: str, fix: str) -> None:
        # All four go to Exception.args, so that the error survives pickling between processes.
        super().__init__(where, expected, got, fix)
        self.where = where
        self.expected = expected
        self.got = got
        self.fix = fix

    def within(self, place: str) -> Self:
        """Return the same error with a place in front, such as the number of a batch."""
        return type(self)(f"{place}: {self.where}", self.expected, self.got, self.fix)

    def __str__(self) -> str:
        return f"{self.where}: expected {self.expected}, got {self.got}. {self.fix}"


class ArgumentError(_Expected, ValueError):
    """A value that cannot be used: a negative rate, an empty array, a NaN in the data."""


class ArgumentTypeError(_Expected, TypeError):
    """A thing of the wrong kind: a string for a number, a class for a layer."""


class ShapeError(ArgumentError):
    """An array whose shape does not fit."""


class NotFittedError(ArgumentError):
    """A layer or model that must see data first."""


class DivergenceError(ArgumentError):
    """The loss stopped being a finite number during training.

    The model holds the last weights that gave a finite loss.
    """


class ModelFileError(ArgumentError):
    """A file that does not hold a whole and valid nnlite model."""


class GradientCheckError(ArgumentError):
    """A ``backward``, a loss or an update rule that disagrees with its definition."""


class RankError(ArgumentError):
    """The processes of a distributed training do not go together."""


class DataWarning(UserWarning):
    """The data can be used, and are probably not what is meant; the message has the counts and the fix."""


class ReplicaWarning(UserWarning):
    """Some of the nets that are trained as one have diverged; the others went on."""


def calls_to_user() -> int:
    """Count the calls between here and the code that called nnlite, for a warning to point there.

    Returns
    -------
    int
        The ``stacklevel`` of a warning that the caller raises.

    Examples
    --------
    >>> calls_to_user() >= 1
    True
    """
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals["__name__"].partition(".")[0] in {
        "nnlite",
        "contextlib",
        "numpy",  # np.errstate as a decorator
    }:
        level, frame = level + 1, frame.f_back
    return level
