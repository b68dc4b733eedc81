"""What functions and callbacks are, in plain data that are the same for the same ones in another process."""

from __future__ import annotations

import re
import sys
import zlib
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from os import PathLike
from types import CodeType
from typing import Any

import numpy as np

from nnlite.core.config import Configured
from nnlite.training.callbacks import Callback

__all__ = ["function_of", "settings", "text_of", "without_code", "without_modules"]

#: Longer lists are told apart by a checksum.
LONGEST = 100
#: How far functions are followed that another one has taken along.
DEEPEST = 3


def settings(callbacks: Iterable[Callback]) -> dict[str, Any]:
    """Return what callbacks were made with.

    Parameters
    ----------
    callbacks : iterable of Callback
        Before training. Of one that acts on the first rank only, which changes no training, nothing
        is of interest.

    Returns
    -------
    dict
        The arguments of each that are stored under their own name, or with an underscore in front,
        but for paths and those in `Callback.may_change`.

    Examples
    --------
    >>> from nnlite import EarlyStopping
    >>> settings([EarlyStopping(monitor="loss", patience=3)])["monitor of EarlyStopping"]
    'loss'
    """
    import inspect

    found: dict[str, Any] = {}
    names: list[str] = []
    for callback in callbacks:
        kind = type(callback)
        names.append(kind.__name__)
        if callback.first_rank_only:
            continue
        count = names.count(kind.__name__)
        who = kind.__name__ if count == 1 else f"{kind.__name__} {count}"
        for name in list(inspect.signature(kind.__init__).parameters)[1:]:
            place = name if name in vars(callback) else f"_{name}"
            if place not in vars(callback) or name in callback.may_change:
                continue
            value = vars(callback)[place]
            if not isinstance(value, PathLike):
                found[f"{name} of {who}"] = _described(value)
    return found


def function_of(function: Callable[..., Any]) -> Any:
    """Return the name of a function, and a checksum of its code and of what it has taken along.

    Parameters
    ----------
    function : callable
        Any. Of those of nnlite the name is enough.

    Returns
    -------
    str or dict

    Examples
    --------
    >>> from nnlite import accuracy
    >>> function_of(accuracy)
    'nnlite.metrics.classification.accuracy'
    """
    return _function(function, 0)


def without_code(described: Any) -> Any:
    """Leave out the checksums of code, which another version of Python compiles to something else.

    Parameters
    ----------
    described : object
        Plain data with what `function_of` returned in them.

    Returns
    -------
    object
    """
    if isinstance(described, dict):
        return {key: without_code(value) for key, value in described.items() if key != "code"}
    return [without_code(value) for value in described] if isinstance(described, list) else described


def without_modules(described: Any) -> Any:
    """Leave out in which module of nnlite something stands, which is no matter of what it does.

    Parameters
    ----------
    described : object
        Plain data with what `function_of` returned in them.

    Returns
    -------
    object

    Examples
    --------
    >>> without_modules(["nnlite.metrics.classification.accuracy", "nnlite.schedules.base.WarmUp.settle"])
    ['nnlite.accuracy', 'nnlite.WarmUp.settle']
    """
    if isinstance(described, dict):
        return {key: without_modules(value) for key, value in described.items()}
    if isinstance(described, list):
        return [without_modules(value) for value in described]
    is_text = isinstance(described, str)
    return re.sub(r"^nnlite\.([a-z_]\w*\.)+", "nnlite.", described) if is_text else described


def _function(function: Any, depth: int) -> Any:
    if isinstance(function, Configured):
        return text_of(function)
    if isinstance(function, partial):
        own = _function(function.func, depth)
        given = [_described(one, depth) for one in function.args]
        return {"name": "partial", "of": own, "args": given, "named": _described(function.keywords, depth)}
    kind = type(function)
    module = getattr(function, "__module__", None) or kind.__module__
    name = f"{module}.{getattr(function, '__qualname__', kind.__qualname__)}"
    if module.partition(".")[0] == "nnlite":
        return name
    plain = function if hasattr(function, "__code__") else getattr(function, "__func__", kind.__call__)
    code = getattr(plain, "__code__", None)
    if not isinstance(code, CodeType):
        return name
    taken = []
    for cell in getattr(plain, "__closure__", None) or ():
        try:
            taken.append(_taken(cell.cell_contents, depth))
        except ValueError:  # nothing is in it yet
            taken.append(None)
    defaults = [_described(plain.__defaults__, depth), _described(plain.__kwdefaults__, depth)]
    return {"name": name, "code": _checksum(code, plain.__doc__), "with": [*taken, *defaults]}


def _taken(value: Any, depth: int) -> Any:
    """Describe what a function has taken along; not what may change from call to call, such as a list."""
    if callable(value) and depth >= DEEPEST:
        return None
    fixed = value is None or isinstance(value, bool | int | float | str | tuple | np.ndarray | Configured)
    return _described(value, depth + 1) if fixed or callable(value) else type(value).__qualname__


def _described(value: Any, depth: int = 0) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray | np.generic):
        array = np.ascontiguousarray(value)
        content = array.tobytes() if array.dtype.kind != "O" else repr(array.tolist()).encode()
        return f"{array.dtype} {np.shape(value)} {zlib.crc32(content):08x}"
    if isinstance(value, list | tuple) and len(value) <= LONGEST:
        return [_described(one, depth) for one in value]
    if isinstance(value, Mapping) and len(value) <= LONGEST:
        return [[text_of(key), _described(one, depth)] for key, one in value.items()]
    if callable(value) and not isinstance(value, Configured):
        return _function(value, depth + 1) if depth < DEEPEST else None
    text = text_of(value)
    return (
        text if len(text) <= 10 * LONGEST else f"{type(value).__qualname__} {zlib.crc32(text.encode()):08x}"
    )


def text_of(value: Any) -> str:
    """Return the repr, without places in memory."""
    return re.sub(r" at 0x[0-9A-Fa-f]+", "", repr(value))


def _checksum(code: CodeType, doc: str | None) -> str:
    """Return a checksum of compiled code, but for its documentation, its place and its comments."""

    def parts(code: CodeType) -> Iterable[str]:
        yield repr((code.co_code, code.co_names, code.co_varnames, code.co_argcount, code.co_flags))
        for number, one in enumerate(code.co_consts):
            if isinstance(one, CodeType):
                yield from parts(one)
            elif isinstance(one, frozenset):  # whose order is another one in each process
                yield repr(sorted(map(repr, one)))
            elif number or one != doc:
                yield repr(one)

    text = "\n".join(parts(code)).encode(errors="surrogatepass")
    return f"{sys.implementation.cache_tag} {zlib.crc32(text):08x}"
