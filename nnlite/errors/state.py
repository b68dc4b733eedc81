"""What an optimizer is given back as its state: checked whole, before anything of it is taken."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnlite.errors import ArgumentError
from nnlite.errors.checks import check_integer, check_numbers

__all__ = ["check_state", "not_given"]

Array = NDArray[np.floating[Any]]
_FIX = "Give what state_dict() of the same kind of optimizer returned."


def check_state(
    where: str, state: dict[str, Any], slots: tuple[str, ...]
) -> tuple[int, float | Array, dict[str, Array]]:
    """Return the steps, the factor of the rate and a copy of the arrays in a `state_dict`.

    Parameters
    ----------
    where : str
        Names the method in the message.
    state : dict
        The candidate.
    slots : tuple of str
        Names of the arrays; there need be none before the first step.

    Returns
    -------
    int, float or ndarray of shape (replicas,), dict of str to ndarray

    Raises
    ------
    ArgumentTypeError, ArgumentError, ShapeError
        If an entry is missing or unknown, or holds what it cannot.

    Examples
    --------
    >>> check_state("here", {"steps": 0, "rate_factor": 1.0}, ("velocity",))
    (0, 1.0, {})
    """
    kept = {name: array for name, array in state.items() if name not in {"steps", "rate_factor"}}
    whole = set(kept) == set(slots) if state.get("steps") else set(kept) <= set(slots)
    if not {"steps", "rate_factor"} <= set(state) or not whole:
        raise not_given(where, state, ("steps", "rate_factor", *slots))
    steps = check_integer(where, state["steps"])
    rate_factor = check_numbers(where, state["rate_factor"])
    arrays = {name: np.array(array) for name, array in kept.items()}
    kinds = {(array.dtype.kind, array.shape) for array in arrays.values()}
    if len(kinds) > 1 or any(kind != "f" for kind, _ in kinds):
        found = ", ".join(
            f"{name} of {array.dtype} and shape {array.shape}" for name, array in arrays.items()
        )
        raise ArgumentError(where, "floats in all arrays, which are of one shape", found, _FIX)
    return steps, rate_factor, arrays


def not_given(where: str, state: Iterable[str], entries: Iterable[str]) -> ArgumentError:
    """Make the error for a state with other entries than an optimizer of this kind gives.

    Parameters
    ----------
    where : str
        Names the method in the message.
    state, entries : iterable of str
        The names that there are, and those that there should be.

    Returns
    -------
    ArgumentError

    Examples
    --------
    >>> print(not_given("here", {}, ["loss"]))
    here: expected the entries ['loss'], got []. Give what state_dict() of the same kind of optimizer
        returned.
    """
    return ArgumentError(where, f"the entries {sorted(entries)}", f"{sorted(state)}", _FIX)
