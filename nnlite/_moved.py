"""Modules that stood elsewhere once: pickles and programs that name them find them where they are now."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

__all__ = ["MOVED"]

#: Old names and new ones.
MOVED = {
    "nnlite._config": "nnlite.core.config",
    "nnlite._typing": "nnlite.core.types",
    "nnlite.arguments": "nnlite.errors.arguments",
    "nnlite.habits": "nnlite.errors.habits",
    "nnlite.layers.base": "nnlite.layers",
    "nnlite.layers.dense": "nnlite.core.dense",
    "nnlite.layers.dropout": "nnlite.core.dropout",
    "nnlite.masks": "nnlite.errors.arrays",
    "nnlite.parameters": "nnlite.core.parameters",
    "nnlite.quiet": "nnlite.core.quiet",
    "nnlite.reductions": "nnlite.core.sums",
}


class _Finder(MetaPathFinder, Loader):
    """Gives the module at its new place for the old name."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if fullname in MOVED else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = import_module(MOVED[spec.name])
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # Its code has run. The import system has just written the old name into it.
        if module.__spec__ is not None:
            module.__spec__ = module.__spec__.loader_state


sys.meta_path.append(_Finder())
