"""Objects that are described by the arguments they were made with."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, ClassVar

from nnlite.errors import ArgumentError
from nnlite.errors.arguments import Declared, not_stored

__all__ = ["Configured", "Setting", "arguments_of"]


class Configured(Declared):
    """Base class of what stores each of its arguments under the argument's own name.

    That makes a ``repr`` from which the object can be made again, and a `config` for
    model files, without a word in the subclass.
    """

    #: Arguments that say how a model trains and not what it is made of.
    _of_a_model: ClassVar[frozenset[str]] = frozenset()

    def __init__(self) -> None:
        pass  # no docstring: every subclass would inherit it, and `help` show it

    def config(self) -> dict[str, Any]:
        """Return the arguments that make this object again, as stored in a model file.

        Returns
        -------
        dict
            Every argument of ``__init__`` with its value.

        Raises
        ------
        ArgumentError
            If an argument was not stored under its own name.

        Examples
        --------
        >>> from nnlite.layers import Dropout
        >>> Dropout(0.5).config()
        {'rate': 0.5}
        """
        arguments = arguments_of(type(self)).items()  # type: ignore[arg-type]
        return {name: self._argument(name, kind) for name, kind in arguments if name not in self._of_a_model}

    def _argument(self, name: str, kind: Any) -> Any:
        """Return the value of an argument."""
        if name not in self.__dict__ or kind.kind in (kind.VAR_POSITIONAL, kind.VAR_KEYWORD):
            raise not_stored(type(self), name)
        return self.__dict__[name]

    def __repr__(self) -> str:
        shown = []
        for name, parameter in arguments_of(type(self)).items():  # type: ignore[arg-type]
            value = self.__dict__.get(name, parameter.default)
            if value is parameter.empty:  # not stored, which only `config` needs
                shown.append("...")
            elif parameter.default is parameter.empty and parameter.kind is not parameter.KEYWORD_ONLY:
                shown.append(repr(value))
            elif repr(value) != repr(parameter.default):  # `!=` of arrays is no bool
                shown.append(f"{name}={value!r}")
        return f"{type(self).__name__}({', '.join(shown)})"


class Setting(Configured):
    """A `Configured` object that is nothing but its arguments: equal if they are equal.

    The arguments cannot be changed later, so they stay as they were checked.

    Examples
    --------
    >>> from nnlite.initializers import Constant
    >>> Constant(2.0) == Constant(2.0), Constant(2.0) == Constant(1.0)
    (True, False)
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.__dict__:
            fix = "Make a new object with that argument."
            raise ArgumentError(f"{self}.{name}", "to stay as it is", f"{value!r}", fix)
        super().__setattr__(name, value)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((type(self), *self.__dict__.values()))


@lru_cache(maxsize=256)
def arguments_of(cls: Any) -> Mapping[str, Any]:
    """Return the arguments of ``__init__`` of a class, without self, as `inspect` describes them.

    They are looked up once for each: it takes 15 us, and error messages are prepared in every batch.

    Examples
    --------
    >>> from nnlite.layers import Dropout
    >>> list(arguments_of(Dropout))
    ['rate']
    """
    import inspect  # 5 ms, and only a repr or a file asks for it

    signature = inspect.signature(cls.__init__)
    return dict(list(signature.parameters.items())[1:])
