"""What somebody keeps from one call to the next: all that its attributes hold, in a form to compare."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterable, Mapping
from types import FunctionType, MethodType
from typing import Any

import numpy as np

from nnlite.core.layer import Layer

__all__ = ["changed", "look"]


def look(thing: Any, *, without: Iterable[str] = (), base: type = object) -> dict[str, Any]:
    """Take down what the attributes of an object and of its class hold, down to the last number.

    Parameters
    ----------
    thing : object
        Whose attributes.
    without : iterable of str
        Names of attributes that do not count.
    base : type
        The class in the package: what it and those above it hold does not count.

    Returns
    -------
    dict of str to object
        Under the name of each attribute something that is equal as long as nothing has changed.

    Examples
    --------
    >>> class Counter:
    ...     def __init__(self):
    ...         self.seen = [0]
    >>> counter = Counter()
    >>> before = look(counter)
    >>> counter.seen[0] += 1
    >>> changed(before, look(counter))
    ['self.seen']
    """
    left_out = set(without)
    # The layers that it is made of are looked at on their own: they have a state, which may change.
    apart = tuple(map(id, thing.children)) if isinstance(thing, Layer) else ()
    found = {
        f"self.{name}": _value(value, apart) for name, value in vars(thing).items() if name not in left_out
    }
    for cls in type(thing).__mro__:
        if cls is base:
            break
        found |= {
            f"{cls.__name__}.{name}": _value(value, ())
            for name, value in vars(cls).items()
            if not name.startswith("__") and not hasattr(value, "__get__")
        }
    return found


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return the names of what is not as it was.

    Parameters
    ----------
    before, after : mapping of str to object
        What `look` gave.

    Returns
    -------
    list of str
    """
    return [name for name in {**after, **before} if after.get(name, changed) != before.get(name, changed)]


def _value(thing: Any, above: tuple[int, ...]) -> Any:
    """Return something to compare; what leads back to itself, or stands apart, is not followed."""
    if thing is None or isinstance(thing, bool | int | float | complex | str | bytes | np.generic):
        return repr(thing)
    if id(thing) in above:
        return "itself"
    above = (*above, id(thing))
    if isinstance(thing, np.ndarray) and thing.dtype.kind != "O":
        return thing.shape, thing.dtype.str, thing.tobytes()
    if isinstance(thing, list | tuple | deque | np.ndarray):
        return [_value(value, above) for value in (thing.ravel() if isinstance(thing, np.ndarray) else thing)]
    if isinstance(thing, set | frozenset):
        return sorted(map(repr, thing))
    if isinstance(thing, Mapping):
        return [(repr(key), _value(value, above)) for key, value in thing.items()]
    if isinstance(thing, np.random.Generator):
        return _value(thing.bit_generator.state, above)
    if isinstance(thing, FunctionType | MethodType | type):
        return id(thing)
    inside = getattr(thing, "__dict__", None)
    if inside is None or str(type(thing).__module__).partition(".")[0] in sys.stdlib_module_names:
        return id(thing)
    return id(type(thing)), _value(inside, above)
