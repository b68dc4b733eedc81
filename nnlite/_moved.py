"""Modules that stood elsewhere once: pickles and programs that name them find them where they are now."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

__all__ = ["MOVED", "show"]

#: Old names and new ones.
MOVED = {
    "nnlite._config": "nnlite.core.config",
    "nnlite._typing": "nnlite.core.types",
    "nnlite.arguments": "nnlite.errors.arguments",
    "nnlite.dask_arrays": "nnlite.foreign",
    "nnlite.export.c_source": "nnlite.exchange.source.to_c",
    "nnlite.export.numpy_source": "nnlite.exchange.source.to_numpy",
    "nnlite.export.numpy_table": "nnlite.exchange.source.table",
    "nnlite.export.source": "nnlite.exchange.source.text",
    "nnlite.habits": "nnlite.errors.habits",
    "nnlite.handover": "nnlite.exchange.checks",
    "nnlite.layers.base": "nnlite.layers",
    "nnlite.layers.dense": "nnlite.core.dense",
    "nnlite.layers.dropout": "nnlite.core.dropout",
    "nnlite.masks": "nnlite.errors.arrays",
    "nnlite.onnx.columns": "nnlite.exchange.onnx.columns",
    "nnlite.onnx.graph": "nnlite.exchange.onnx.graph",
    "nnlite.onnx.noops": "nnlite.exchange.onnx.noops",
    "nnlite.onnx.package": "nnlite.exchange.onnx.package",
    "nnlite.onnx.parsing": "nnlite.exchange.onnx.parsing",
    "nnlite.onnx.patterns": "nnlite.exchange.onnx.patterns",
    "nnlite.onnx.reading": "nnlite.exchange.onnx.reading",
    "nnlite.onnx.wire": "nnlite.exchange.onnx.wire",
    "nnlite.onnx.writing": "nnlite.exchange.onnx.writing",
    "nnlite.parameters": "nnlite.core.parameters",
    "nnlite.quiet": "nnlite.core.quiet",
    "nnlite.reductions": "nnlite.core.sums",
    "nnlite.second_order": "nnlite.optimizers.second_order",
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


def show() -> None:
    """Give the packages their old names as attributes, for what has been imported at its new place."""
    for old, new in MOVED.items():
        parent = sys.modules.get(old.rpartition(".")[0])
        if new in sys.modules and parent is not None:
            setattr(parent, old.rpartition(".")[2], sys.modules[new])
