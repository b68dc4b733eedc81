"""Who is training: a model, an optimizer or a callback that two trainings change at once is neither's."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any

from nnlite.errors import ArgumentError

__all__ = ["InUse"]

#: By the `id` of each thing in use, who uses it. Kept here and not on the things, which may be copied and
#: pickled meanwhile. Python does one operation on a dict at a time, whatever the threads.
_users: dict[int, InUse] = {}


class InUse(AbstractContextManager["InUse"]):
    """Marks things as used by one training, until it is over.

    Examples
    --------
    >>> things = []
    >>> with InUse() as one, InUse() as other:
    ...     one.take("fit(things=)", things, "a list")
    ...     other.take("fit(things=)", things, "a list")
    Traceback (most recent call last):
    nnlite.errors.ArgumentError: fit(things=): expected a list that no other fit is using now, got list,
    which a fit in another thread or around this one is using. Give each fit its own, by copy.deepcopy for
    instance, or wait for the other one.
    """

    def __init__(self) -> None:
        self._process = os.getpid()
        self._taken: list[Any] = []

    def take(self, where: str, thing: Any, kind: str) -> None:
        """Mark a thing, or refuse it.

        Parameters
        ----------
        where : str
            Names the argument in the message.
        thing : object
            What is about to be changed.
        kind : str
            What it is, such as "a model".

        Raises
        ------
        ArgumentError
            If another training uses it, or this one has taken it before.
        """
        if any(one is thing for one in self._taken):
            fix = "Give it once, or make another one like it."
            raise ArgumentError(where, "each once", f"{_name(thing)} twice", fix)
        self._taken.append(thing)  # before the mark, so that none is left behind at Ctrl-C
        user = _users.setdefault(id(thing), self)
        if user is self:
            return
        if user._process == self._process:
            self._taken.pop()
            raise ArgumentError(
                where,
                f"{kind} that no other fit is using now",
                f"{_name(thing)}, which a fit in another thread or around this one is using",
                "Give each fit its own, by copy.deepcopy for instance, or wait for the other one.",
            )
        _users[id(thing)] = self  # the other one is a training of the process that this one was forked from

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._taken:
            thing = self._taken[-1]
            if _users.get(id(thing)) is self:
                del _users[id(thing)]
            self._taken.pop()


def _name(thing: Any) -> str:
    return type(thing).__name__
