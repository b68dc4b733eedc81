"""Compiled training and prediction: the same mathematics, in loops that numba compiles.

A net becomes a *program* (`program`): a list of operations, each a *kernel* (`kernel`) and where its arrays
lie. A small *machine* (`machine`), compiled once, goes through the list for a whole epoch. So a new net needs
no compiler, only another list. What each layer, loss and optimizer does is in files of their names.
"""

from __future__ import annotations

from typing import Any

from nnlite.errors.checks import check_bool

__all__ = ["check_jit"]

#: Whether what it needs has been found.
_is_there = False


def check_jit(where: str, value: Any) -> bool:
    """Return whether something is to be compiled, if it can be.

    Parameters
    ----------
    where : str
        Names the call that has an argument ``jit``.
    value : bool
        The candidate.

    Returns
    -------
    bool

    Raises
    ------
    ArgumentTypeError
        If it is neither True nor False.
    ModuleNotFoundError
        If a package of the extra ``jit`` is not installed.

    Examples
    --------
    >>> check_jit("fit", False)
    False
    """
    global _is_there
    if value is False or (value is True and _is_there):
        return value
    if check_bool(f"{where}(jit=)", value):
        from nnlite.jit.cache import import_numba

        import_numba(f"{where}(jit=True)")
        _is_there = True
    return bool(value)
