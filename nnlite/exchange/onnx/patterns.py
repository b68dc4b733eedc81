"""Formulas found in a graph: several nodes that together are one layer."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from nnlite.core.aliases import AnyArray

__all__ = ["Pattern", "Value", "find", "shortest"]


@dataclass(slots=True, eq=False)  # each is itself alone
class Value:
    """What a node gives: it depends on the input of the graph.

    Parameters
    ----------
    op : str
        The operator.
    arguments : tuple of Value, ndarray or None
        What goes in: other values, constants, and None for what was left out.
    attributes : dict
        Of the node.
    place : str
        Names the node in messages.
    shape : tuple of int or None
        Of all rows; see `nnlite.exchange.onnx.noops`. None if it is not known.
    dtype : dtype or None
        None if it is not known.

    Attributes
    ----------
    dropout : list of float
        Rates of the Dropout nodes behind it, which change nothing in prediction.
    depth : int
        How many nodes there are on the longest way from the input. What is computed from a value is deeper.
    """

    op: str
    arguments: tuple[Value | AnyArray | None, ...]
    attributes: dict[str, Any]
    place: str
    shape: tuple[int, ...] | None = None
    dtype: np.dtype[Any] | None = None
    dropout: list[float] = field(default_factory=list, init=False)
    depth: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.depth = max((one.depth + 1 for one in self.arguments if isinstance(one, Value)), default=0)


#: A tuple is an operator and its arguments, a list alternatives, a number that number, None what was left
#: out, ``"x"`` what the formula is of, any other name a number to be found, with ``[]`` behind it an array,
#: with ``[][]`` one of several rows, and with ``()`` any result. ``"Transpose by 1 0 2"`` has that order.
Pattern: TypeAlias = "tuple[Any, ...] | list[Any] | str | float | None"

_COMMUTATIVE = {"Add", "Max", "Min", "Mul"}
#: Numbers such as sqrt(1/2) are written with more or fewer digits.
_TOLERANCE = 1e-5


def find(pattern: Pattern, value: Any) -> dict[str, Any] | None:
    """Compare a value with a formula.

    Parameters
    ----------
    pattern : tuple
        The formula.
    value : Value
        The candidate.

    Returns
    -------
    dict or None
        What stands in the place of ``"x"`` and of the names of numbers and arrays, and as ``"nodes"``
        all values that the formula consists of, the last result first; None if it is another formula.

    Examples
    --------
    >>> x = Value("Tanh", (), {}, "node 'a'")
    >>> y = Value("Mul", (np.array(3.0), x), {}, "node 'b'")
    >>> find(("Mul", "x", "factor"), y)["factor"]
    3.0
    """
    return next(_matches(pattern, value, {"nodes": ()}), None)


def _matches(pattern: Pattern, value: Any, found: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Give every way in which the value has that form and fits what has been found elsewhere in it."""
    if pattern is None:
        if value is None:
            yield found
    elif isinstance(pattern, list):
        for alternative in pattern:
            yield from _matches(alternative, value, found)
    elif pattern == "x":
        if isinstance(value, Value) and found.get("x", value) is value:
            yield found | {"x": value}
    elif isinstance(pattern, tuple):
        op, *wanted = pattern
        op, _, order = op.partition(" by ")
        fits = isinstance(value, Value) and value.op == op and len(value.arguments) == len(wanted)
        if fits and (not order or value.attributes.get("perm") == list(map(int, order.split()))):
            found = found | {"nodes": (*found["nodes"], value)}
            yield from _match_all(wanted, value.arguments, found)
            if op in _COMMUTATIVE:
                yield from _match_all(wanted, value.arguments[::-1], found)
    elif isinstance(pattern, str) and pattern.endswith("()"):
        if isinstance(value, Value) and found.get(pattern[:-2], value) is value:
            yield found | {pattern[:-2]: value}
    elif isinstance(pattern, str) and pattern.endswith("[][]"):
        if isinstance(value, np.ndarray) and value.ndim > 1 and value.shape[-2] > 1:
            yield found | {pattern[:-4]: value}
    elif isinstance(pattern, str) and pattern.endswith("[]"):
        if isinstance(value, np.ndarray):
            yield found | {pattern[:-2]: value}
    elif isinstance(value, np.ndarray) and value.size == 1:
        number = float(value.reshape(()))
        if isinstance(pattern, str):
            yield found | {pattern: number}
        elif math.isclose(number, pattern, rel_tol=_TOLERANCE):
            yield found


def _match_all(
    patterns: list[Any], values: tuple[Any, ...], found: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    if not patterns:
        yield found
        return
    for first in _matches(patterns[0], values[0], found):
        yield from _match_all(patterns[1:], values[1:], first)


def shortest(number: float) -> float:
    """Return a number that is kept as float32 as it was written.

    Parameters
    ----------
    number : float
        That of a node.

    Returns
    -------
    float

    Examples
    --------
    >>> shortest(0.009999999776482582)
    0.01
    """
    return float(str(np.float32(number)))
