"""What an optimizer is given back as its state: checked whole, before anything of it is taken."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnlite.errors import ArgumentError
from nnlite.errors.checks import check_integer, check_number, check_numbers

__all__ = ["check_belongs", "check_clipping", "check_state", "not_given"]

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


def check_belongs(name: str, state: Mapping[str, Array], values: Array, *, others: bool) -> None:
    """Refuse parameters that the state of an optimizer does not belong to.

    Parameters
    ----------
    name : str
        The class of the optimizer.
    state : mapping of str to ndarray
        What it keeps.
    values : ndarray
        The parameters.
    others : bool
        Whether it has been training other ones.

    Raises
    ------
    ArgumentError
        If it has, or what it keeps has another shape or dtype.

    Examples
    --------
    >>> check_belongs("SGD", {"velocity": np.zeros(3)}, np.ones(3), others=False)
    """
    if others:
        what = "the parameters that it has been training, to which its state belongs"
        fix = f"Make a new {name} for each model, or call its reset() first."
        raise ArgumentError(f"{name}.step", what, "those of another model", fix)
    for kept in state.values():
        if kept.shape != values.shape or kept.dtype != values.dtype:
            what = f"parameters of shape {kept.shape} and dtype {kept.dtype}, like its state"
            fix = "The state is that of another model; call reset() first."
            raise ArgumentError(f"{name}.step", what, f"{values.shape} and {values.dtype}", fix)


def check_clipping(name: str, norm: Any, value: Any) -> tuple[float | None, float | None]:
    """Return the two limits of clipping, of which at most one is given, as floats.

    Examples
    --------
    >>> check_clipping("SGD", 1, None)
    (1.0, None)
    """
    found = {"clip_norm": norm, "clip_value": value}
    limits = [
        None if limit is None else check_number(f"{name}({key}=)", limit, low=0, low_open=True)
        for key, limit in found.items()
    ]
    if None not in limits:
        fix = "Choose one: the first keeps the direction."
        raise ArgumentError(name, "clip_norm or clip_value", "both", fix)
    return limits[0], limits[1]


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
