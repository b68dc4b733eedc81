"""What a layer holds and has not declared: it would be neither trained nor saved, without a word.

A model knows of a layer its parameters, its buffers, its arguments and the layers that it has declared
with `Layer.hold`, and nothing else. Another layer in one of its attributes, or an array there, takes
part in ``forward`` as it is, keeps the numbers that it began with, and is another one after `load`.
So both are looked for, also in lists, dicts, objects and functions that an attribute leads to, and
refused.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

import numpy as np

from nnlite.core.config import arguments_of
from nnlite.core.layer import Layer
from nnlite.core.model import Sequential
from nnlite.core.parameters import Parameter
from nnlite.errors import ArgumentError
from nnlite.errors.arguments import is_ours

__all__ = ["Held", "check_declared", "find_undeclared"]

#: Leads nowhere. Compared by the exact type, which is quicker than isinstance.
_PLAIN = frozenset((int, float, bool, str, bytes, complex, type(None), type(Ellipsis), range, slice))
#: What every layer has.
_STATE = frozenset(vars(Layer()))
#: Objects of the standard library lead to half of the process, such as loggers, but for these.
_WALKED = frozenset(("collections", "functools", "types", "dataclasses"))


class Held(NamedTuple):
    """Something that a layer holds and has not declared.

    Parameters
    ----------
    path : str
        Where it is, such as ``"self.branches[0]"``.
    thing : Layer, Parameter or array
        What it is.
    """

    path: str
    thing: Any

    def explain(self, layer: Layer) -> tuple[str, str, str]:
        """Return what was expected, what there is, and what to do.

        Parameters
        ----------
        layer : Layer
            Which holds it.

        Returns
        -------
        tuple of str
        """
        lost = "which is neither trained nor saved"
        if isinstance(self.thing, Layer):
            fix = "Write self.hold([...]) with it in __init__, and go through self.held(ctx) in forward and "
            fix += "backward."
            return f"the layers of {layer} to be declared", f"{self.thing} as {self.path}, {lost}", fix
        name = self.path.removeprefix("self.")
        name = name if name.isidentifier() else "W"
        learned = f"{name} = Parameter() in the class body and self.declare({name!r}, shape) in __init__"
        if isinstance(self.thing, Parameter):
            fix = f"Write {learned}."
            return f"the parameters of {layer} to be declared", f"a Parameter as {self.path}, {lost}", fix
        shape = getattr(self.thing, "shape", None)
        what = f"an array of shape {tuple(shape)}" if shape is not None else type(self.thing).__name__
        fix = (
            f"If it is learned, write {learned}; if not, write self.buffers[{name!r}] = ..., with its shape "
        )
        fix += f"in buffer_shapes(), or make it an argument, stored as self.{name}. "
        fix += "What only backward needs goes into ctx.save(...)."
        return f"the arrays of {layer} to be declared", f"{what} as {self.path}, {lost}", fix


def check_declared(
    where: str, layers: Iterable[tuple[str, Layer]], *, kind: type[ArgumentError] = ArgumentError
) -> None:
    """Refuse layers that hold other layers, or arrays, that they have not declared.

    Parameters
    ----------
    where : str
        Names them in the message; ``{}`` in it stands for the place of the layer.
    layers : iterable of (str, Layer)
        The candidates, as `Layer.walk` gives them.
    kind : type of ArgumentError
        What is raised.

    Raises
    ------
    ArgumentError
        If one of them does.

    Examples
    --------
    >>> from nnlite.layers import Dense
    >>> check_declared("here", Dense(2, 3).walk())
    >>> layer = Dense(2, 3)
    >>> layer._more = [np.zeros(3)]
    >>> find_undeclared(layer).path
    'self._more[0]'
    """
    for prefix, layer in layers:
        held = find_undeclared(layer)
        if held is not None:
            raise kind(where.format(prefix[:-1]), *held.explain(layer))


def find_undeclared(layer: Layer) -> Held | None:
    """Return the first layer or array that a layer has and has not declared; those that it holds are others.

    Arrays that belong to an argument, stored under its own name, are declared by that: they are a
    part of `Layer.config`. So are those in `Layer.buffers`. Arrays in the class body are constants
    of the program.

    Parameters
    ----------
    layer : Layer
        The candidate.

    Returns
    -------
    Held or None
    """
    ours = is_ours(type(layer))
    known = _STATE.union(layer._initializers)
    plain = all(type(value) in _PLAIN or name in known for name, value in vars(layer).items())
    plain = plain or (ours and isinstance(layer, Sequential))  # on a model users may keep what they like
    if ours and plain and all(type(array) is np.ndarray for array in layer.buffers.values()):
        return None  # as a rule, and quickly
    seen = {id(layer), *map(id, layer.children)}
    # An initializer has done its work when the numbers are drawn, whatever it draws them from.
    seen.update(id(used) for used in layer._initializers.values() if used is not None)
    arguments: Mapping[str, Any] | None = None
    for name, value in _attributes(layer):
        if type(value) in _PLAIN or (name in known and name != "buffers") or value is layer._params:
            continue
        if name == "buffers":
            value = {key: array for key, array in value.items() if type(array) is not np.ndarray}
        for held in _search(f"self.{name}", value, seen):
            if not isinstance(held.thing, Layer | Parameter):
                if arguments is None:
                    arguments = arguments_of(type(layer))  # type: ignore[arg-type]
                if name in arguments:
                    continue
            return held
    for cls in type(layer).__mro__:
        if is_ours(cls):  # ours are what they are
            break
        for name, value in vars(cls).items():
            if type(value) in _PLAIN or isinstance(value, Parameter):
                continue
            for held in _search(f"{cls.__name__}.{name}", value, seen):
                if isinstance(held.thing, Layer):
                    return held
    return None


def _attributes(thing: Any) -> Iterator[tuple[str, Any]]:
    """Give the attributes of an object, also those in slots."""
    yield from list(getattr(thing, "__dict__", {}).items())
    for cls in type(thing).__mro__:
        slots = cls.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in ("__dict__", "__weakref__") and hasattr(thing, name):
                yield name, getattr(thing, name)


def _search(path: str, thing: Any, seen: set[int]) -> Iterator[Held]:
    """Give all layers and arrays that something leads to."""
    waiting = [(path, thing)]
    while waiting:
        path, thing = waiting.pop()
        if type(thing) in _PLAIN or id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, Layer | Parameter):
            yield Held(path, thing)
        elif isinstance(thing, np.ndarray) and thing.dtype.kind != "O":
            if thing.dtype.kind in "biufc":
                yield Held(path, thing)
        elif hasattr(type(thing), "__array__") and not isinstance(thing, np.ndarray | np.generic):
            yield Held(path, thing)  # a tensor, a frame
        else:
            waiting.extend(reversed(list(_parts(path, thing))))


def _parts(path: str, thing: Any) -> Iterator[tuple[str, Any]]:
    """Give what something is made of, one step further."""
    if isinstance(thing, Mapping):
        for key, value in list(thing.items()):
            yield f"a key of {path}", key
            yield f"{path}[{key!r}]", value
    elif isinstance(thing, list | tuple | set | frozenset | np.ndarray) or type(thing).__name__ == "deque":
        for index, value in enumerate(thing.ravel() if isinstance(thing, np.ndarray) else thing):
            yield f"{path}[{index}]", value
    if isinstance(thing, partial):
        yield f"{path}.func", thing.func
        yield f"{path}.args", thing.args
        yield f"{path}.keywords", thing.keywords
    elif isinstance(thing, MethodType):
        yield f"{path}.__self__", thing.__self__
        yield f"{path}.__func__", thing.__func__
    elif isinstance(thing, FunctionType):
        cells = thing.__closure__ or ()
        for name, cell in zip(thing.__code__.co_freevars, cells, strict=True):
            try:
                yield f"{name} in {path}", cell.cell_contents
            except ValueError:  # not filled yet
                continue
        yield f"a default of {path}", thing.__defaults__
        yield f"a default of {path}", thing.__kwdefaults__
    elif isinstance(thing, staticmethod | classmethod):
        yield path, thing.__func__
    elif isinstance(thing, property):
        yield path, thing.fget
    elif not isinstance(thing, type | ModuleType | BuiltinFunctionType):
        module = str(type(thing).__module__).partition(".")[0]
        if module in _WALKED or module not in sys.stdlib_module_names:
            for name, value in _attributes(thing):
                yield f"{path}.{name}", value
