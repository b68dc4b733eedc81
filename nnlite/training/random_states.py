"""Random generators: one for all replicas or one for each, and what their next draws depend on.

The latter is taken, put back, and checked if it is from a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from nnlite.core.aliases import RNG, AnyArray
from nnlite.errors import ArgumentError
from nnlite.errors.checks import check_rng

__all__ = [
    "Generators",
    "Seeds",
    "check_rngs",
    "check_state",
    "generators_of",
    "get_state",
    "get_states",
    "set_state",
    "set_states",
]


class Generators:
    """The generators of all replicas, drawing side by side.

    Each replica gets what a net on its own would draw from the same generator.

    Parameters
    ----------
    each : sequence of Generator
        One for each replica.

    Attributes
    ----------
    each : tuple of Generator
        What was given.

    Examples
    --------
    >>> both = Generators([np.random.default_rng(0), np.random.default_rng(1)])
    >>> both.permutation(4)
    array([[2, 0, 1, 3],
           [0, 1, 2, 3]])
    """

    def __init__(self, each: Sequence[np.random.Generator]) -> None:
        self.each = tuple(each)

    def random(self, size: tuple[int, ...], dtype: Any = np.float64) -> AnyArray:
        """Draw uniform numbers in [0, 1).

        Parameters
        ----------
        size : tuple of int
            ``(replicas, ...)``.
        dtype : dtype
            float32 or float64.

        Returns
        -------
        ndarray of shape `size`
        """
        return np.stack([rng.random(self._one(size), dtype=dtype) for rng in self.each])

    def standard_normal(self, size: tuple[int, ...], dtype: Any = np.float64) -> AnyArray:
        """Draw standard normal numbers.

        Parameters
        ----------
        size : tuple of int
            ``(replicas, ...)``.
        dtype : dtype
            float32 or float64.

        Returns
        -------
        ndarray of shape `size`
        """
        return np.stack([rng.standard_normal(self._one(size), dtype=dtype) for rng in self.each])

    def permutation(self, rows: int) -> AnyArray:
        """Draw an order of the rows for each replica.

        Parameters
        ----------
        rows : int
            How many there are.

        Returns
        -------
        ndarray of shape (replicas, rows)
        """
        return np.stack([rng.permutation(rows) for rng in self.each])

    def _one(self, size: tuple[int, ...]) -> tuple[int, ...]:
        """Return what one replica draws of a size for all."""
        if not isinstance(size, tuple) or not size or size[0] != len(self):
            raise ArgumentError(
                "ctx.rng, one generator for each replica",
                f"a size that begins with the {len(self)} replicas",
                f"{size}",
                "Draw as many as the input has: size=x.shape.",
            )
        return size[1:]

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"ctx.rng.{name}: of a generator for each replica there are random, standard_normal, permutation"
        )

    def __len__(self) -> int:
        return len(self.each)

    def __repr__(self) -> str:
        return f"Generators({len(self)} replicas)"


#: One seed, or one for each replica. Quoted, like `RNG`.
Seeds: TypeAlias = "RNG | Generators | Sequence[RNG]"


def check_rngs(where: str, value: Any, *, replicas: int | None) -> np.random.Generator | Generators:
    """Make a generator of a seed; or, of one seed for each replica, all their generators.

    Parameters
    ----------
    where : str
        Names the argument in the message.
    value : int, Generator or None, or a sequence of them
        The candidate. Without replicas a sequence of integers is one seed, as in NumPy.
    replicas : int or None
        How many nets are trained as one.

    Returns
    -------
    Generator or Generators

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If NumPy takes no such seed, or there are more or fewer than replicas.

    Examples
    --------
    >>> check_rngs("fit(rng=)", [0, 1, 2], replicas=3)
    Generators(3 replicas)
    """
    if isinstance(value, Generators):
        value = value.each
    if replicas is None or not isinstance(value, list | tuple | np.ndarray | range):
        return check_rng(where, value)
    if len(value) != replicas:
        raise ArgumentError(
            where,
            f"one seed, or one for each of {replicas} replicas",
            f"{len(value)} seeds",
            "Give as many as there are replicas.",
        )
    return Generators([check_rng(where, seed) for seed in value])


def generators_of(rng: np.random.Generator | Generators) -> tuple[np.random.Generator, ...]:
    """Return the generators one by one.

    Parameters
    ----------
    rng : Generator or Generators
        One for all replicas, or one for each.

    Returns
    -------
    tuple of Generator

    Examples
    --------
    >>> len(generators_of(np.random.default_rng(0)))
    1
    """
    return rng.each if isinstance(rng, Generators) else (rng,)


def get_state(rng: np.random.Generator | Generators) -> list[Any]:
    """Return what the next draws depend on.

    Parameters
    ----------
    rng : Generator or Generators
        Is left as it is.

    Returns
    -------
    list
        One entry for each generator, for `set_state`.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> state = get_state(rng)
    >>> first = rng.random()
    >>> set_state(rng, state)
    >>> bool(rng.random() == first)
    True
    """
    return get_states([rng])[0]


def set_state(rng: np.random.Generator | Generators, state: list[Any]) -> None:
    """Go back to a state.

    Parameters
    ----------
    rng : Generator or Generators
        Is changed.
    state : list
        What `get_state` returned.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> set_state(rng, get_state(np.random.default_rng(1)))
    >>> bool(rng.random() == np.random.default_rng(1).random())
    True
    """
    set_states([rng], [state])


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
