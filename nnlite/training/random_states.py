"""What the next draws of random generators depend on: taken, put back, and checked if it is from a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nnlite.core.random import Generators, Seeds, check_rngs, generators_of

__all__ = [
    "Generators",
    "Seeds",
    "check_rngs",
    "check_state",
    "get_states",
    "set_states",
]


def get_states(rngs: Sequence[np.random.Generator | Generators]) -> list[list[Any]]:
    """Return what the next draws depend on.

    Parameters
    ----------
    rngs : sequence of Generator or Generators
        Are left as they are.

    Returns
    -------
    list of list
        For each, one entry for each of its generators, for `set_states`.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> states = get_states([rng])
    >>> first = rng.random()
    >>> set_states([rng], states)
    >>> bool(rng.random() == first)
    True
    """
    return [[one.bit_generator.state for one in generators_of(rng)] for rng in rngs]


def set_states(rngs: Sequence[np.random.Generator | Generators], states: list[list[Any]]) -> None:
    """Go back to what they were like.

    Parameters
    ----------
    rngs : sequence of Generator or Generators
        Are changed.
    states : list
        What `get_states` returned.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> set_states([rng], get_states([np.random.default_rng(1)]))
    >>> bool(rng.random() == np.random.default_rng(1).random())
    True
    """
    for rng, state in zip(rngs, states, strict=True):
        for one, kept in zip(generators_of(rng), state, strict=True):
            one.bit_generator.state = kept


def check_state(rng: np.random.Generator | Generators, state: Any) -> None:
    """Refuse a state, from a file, that the generators cannot be set to.

    Parameters
    ----------
    rng : Generator or Generators
        Is left as it is.
    state : object
        The candidate for an entry of what `set_states` takes.

    Raises
    ------
    ValueError
        If it is none.

    Examples
    --------
    >>> check_state(np.random.default_rng(0), get_states([np.random.default_rng(1)])[0])
    """
    if not isinstance(state, list) or len(state) != len(generators_of(rng)):
        raise ValueError(f"not one state for each of {len(generators_of(rng))} generators")
    for one, kept in zip(generators_of(rng), state, strict=True):
        kind = type(one.bit_generator)
        if getattr(np.random, kind.__name__, None) is not kind:
            raise ValueError(f"a state for {kind.__name__}, which is none of NumPy's")
        try:
            trial = kind(0)
            # NumPy takes any position, and reads the numbers there.
            if isinstance(trial, np.random.MT19937) and not 0 <= kept["state"]["pos"] <= 624:
                raise ValueError("a position outside of the numbers of MT19937")
            if isinstance(trial, np.random.Philox) and not 0 <= kept["buffer_pos"] <= 4:
                raise ValueError("a position outside of the numbers of Philox")
            trial.state = kept
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise ValueError(f"no state of {kind.__name__} ({error})") from None
