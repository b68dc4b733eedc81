"""What a check gives back when all is right, and how it speaks when something is not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np

from nnlite.core.aliases import AnyArray
from nnlite.errors import ArgumentError, ArgumentTypeError, GradientCheckError

__all__ = ["CheckReport", "Rule", "Snapshot", "check_dtype", "check_shape", "guarded"]

Result = TypeVar("Result")


@dataclass(frozen=True)
class CheckReport:
    """What was checked and found right, and how close each gradient came.

    Parameters
    ----------
    subject : str
        The layer, loss or optimizer.
    errors : mapping of str to float
        The largest relative error of each gradient, such as ``{"dL/dx": 3e-11}``: the
        largest gap to central differences, over the largest entry. Empty for an optimizer.
    checked : tuple of str
        What else was checked, in words.

    Examples
    --------
    >>> print(CheckReport("Gain(3)", {"dL/dx": 2.5e-11}, ("float32 stays float32",)))
    Gain(3) is right.
      dL/dx: relative error 2.5e-11
      float32 stays float32
    """

    subject: str
    errors: Mapping[str, float]
    checked: tuple[str, ...]

    @property
    def largest_error(self) -> float:
        """The largest of the relative errors; 0 if no gradient was compared."""
        return max(self.errors.values(), default=0.0)

    def __str__(self) -> str:
        gradients = [f"  {name}: relative error {error:.2g}" for name, error in self.errors.items()]
        return "\n".join([f"{self.subject} is right.", *gradients, *(f"  {what}" for what in self.checked)])


class Rule(NamedTuple):
    """Something that is tried, and the sentence of the report that says so.

    Parameters
    ----------
    sentence : str
        What holds if the check passes, and nothing more.
    check : callable
        Tries it, and raises a `GradientCheckError` if it does not hold.

    Examples
    --------
    >>> Rule("it is right", print).sentence
    'it is right'
    """

    sentence: str
    check: Callable[..., None]


def guarded(
    where: str, expected: str, hint: Callable[[str], str], function: Callable[..., Result], *args: Any
) -> Result:
    """Call what the user wrote, and put an exception from it into nnlite's form.

    Parameters
    ----------
    where, expected : str
        For the message.
    hint : callable (str) -> str
        Makes the fix from the exception's own message.
    function : callable
        What to call.
    *args : object
        What to call it with.

    Returns
    -------
    object
        What `function` returned.

    Raises
    ------
    GradientCheckError
        If it raised anything.
    """
    try:
        return function(*args)
    except (ArgumentError, ArgumentTypeError) as error:  # says itself what is wrong
        raise GradientCheckError(error.where, error.expected, error.got, error.fix) from error
    except Exception as error:
        message = str(error).strip()
        got = f"{type(error).__name__}: {message.rstrip('.')}" if message else type(error).__name__
        raise GradientCheckError(where, expected, got, hint(message)) from error


class Snapshot:
    """Copies of arrays, to see later whether somebody has changed them.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        The arrays, under the names that the message uses.

    Examples
    --------
    >>> x = np.zeros(2)
    >>> snapshot = Snapshot({"x": x})
    >>> x[1] = 7
    >>> snapshot.check("Mine().forward")
    Traceback (most recent call last):
    ...
    nnlite.errors.GradientCheckError: Mine().forward: expected x to be unchanged, got another number at index
        (1,). Make a new array: *= and out= change the one that they are given.
    """

    def __init__(self, arrays: Mapping[str, AnyArray]) -> None:
        self._kept = {name: (array, array.copy()) for name, array in arrays.items()}

    def check(self, where: str) -> None:
        """Refuse a change.

        Parameters
        ----------
        where : str
            Who would have made it.

        Raises
        ------
        GradientCheckError
            If an array is not what it was.
        """
        for name, (array, copy) in self._kept.items():
            missing = (array != array) & (copy != copy)  # NaN, which differs from itself
            changed = np.argwhere((array != copy) & ~missing)
            if len(changed):
                index = tuple(int(i) for i in changed[0])
                raise GradientCheckError(
                    where,
                    f"{name} to be unchanged",
                    f"another number at index {index}",
                    "Make a new array: *= and out= change the one that they are given.",
                )


def check_shape(where: str, array: Any, shape: tuple[int, ...], fix: str) -> None:
    """Check that something is an array of a certain shape.

    Parameters
    ----------
    where : str
        What returned it.
    array : object
        The candidate.
    shape : tuple of int
        What it should have.
    fix : str
        What to say if it has another.

    Raises
    ------
    GradientCheckError
        If it is not so.
    """
    if not isinstance(array, np.ndarray):
        fix = "End it with a return." if array is None else "Return a NumPy array."
        raise GradientCheckError(where, f"an array of shape {shape}", f"{type(array).__name__}", fix)
    if array.shape != shape:
        raise GradientCheckError(where, f"an array of shape {shape}", f"shape {array.shape}", fix)


def check_dtype(where: str, array: AnyArray, dtype: np.dtype[Any]) -> None:
    """Check that an array has the dtype of the input.

    Parameters
    ----------
    where : str
        What returned it.
    array : ndarray
        The candidate.
    dtype : numpy.dtype
        What it should have.

    Raises
    ------
    GradientCheckError
        If it has another.
    """
    if array.dtype != dtype:
        raise GradientCheckError(
            where,
            f"dtype {dtype} for an input of {dtype}",
            f"dtype {array.dtype}",
            "Something in it has a dtype of its own: a NumPy number such as np.float64(2), where a Python "
            "number does not matter; an array made without dtype=x.dtype; or a cast.",
        )
