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
    "nnlite._demo": "nnlite.cli.demo",
    "nnlite._recipes": "nnlite.cli.recipes",
    "nnlite._terminal": "nnlite.cli.terminal",
    "nnlite._typing": "nnlite.core.aliases",
    "nnlite.arguments": "nnlite.errors.arguments",
    "nnlite.assembly": "nnlite.checks.layers",
    "nnlite.batch_loop": "nnlite.training.batch_loop",
    "nnlite.boundary": "nnlite.checks.inputs",
    "nnlite.calibration": "nnlite.training.calibration",
    "nnlite.callbacks": "nnlite.training.callbacks",
    "nnlite.cells": "nnlite.data.columns",
    "nnlite.checkpoint": "nnlite.training.checkpoint",
    "nnlite.class_weights": "nnlite.training.class_weights",
    "nnlite.curvature": "nnlite.training.curvature",
    "nnlite.core.dropout": "nnlite.layers.dropout",
    "nnlite.core.normalization": "nnlite.layers.normalization",
    "nnlite.core.random": "nnlite.training.random_states",
    "nnlite.core.residual": "nnlite.layers.composition",
    "nnlite.core.schedules": "nnlite.schedules.base",
    "nnlite.dask_arrays": "nnlite.data.conversion",
    "nnlite.divergence": "nnlite.training.divergence",
    "nnlite.evaluation": "nnlite.training.evaluation",
    "nnlite.export.c_source": "nnlite.exchange.source.to_c",
    "nnlite.export.numpy_source": "nnlite.exchange.source.to_numpy",
    "nnlite.export.numpy_table": "nnlite.exchange.source.table",
    "nnlite.export.source": "nnlite.exchange.source.text",
    "nnlite.file_kinds": "nnlite.files.kinds",
    "nnlite.foreign": "nnlite.data.conversion",
    "nnlite.full_batch_loop": "nnlite.training.full_batch_loop",
    "nnlite.habits": "nnlite.errors.habits",
    "nnlite.handover": "nnlite.exchange.checks",
    "nnlite.history": "nnlite.training.history",
    "nnlite.identity": "nnlite.training.identity",
    "nnlite.in_use": "nnlite.training.in_use",
    "nnlite.inspect.ledger": "nnlite.inspect.row_attribution",
    "nnlite.layers.base": "nnlite.layers",
    "nnlite.layers.dense": "nnlite.core.dense",
    "nnlite.layers.flatten": "nnlite.layers.shapes",
    "nnlite.likeness": "nnlite.training.likeness",
    "nnlite.loop": "nnlite.training.loop",
    "nnlite.masks": "nnlite.errors.arrays",
    "nnlite.moments": "nnlite.data.moments",
    "nnlite.onnx.columns": "nnlite.exchange.onnx.columns",
    "nnlite.onnx.graph": "nnlite.exchange.onnx.graph",
    "nnlite.onnx.noops": "nnlite.exchange.onnx.noops",
    "nnlite.onnx.package": "nnlite.exchange.onnx.package",
    "nnlite.onnx.parsing": "nnlite.exchange.onnx.parsing",
    "nnlite.onnx.patterns": "nnlite.exchange.onnx.patterns",
    "nnlite.onnx.reading": "nnlite.exchange.onnx.reading",
    "nnlite.onnx.wire": "nnlite.exchange.onnx.wire",
    "nnlite.onnx.writing": "nnlite.exchange.onnx.writing",
    "nnlite.packing": "nnlite.files.documents",
    "nnlite.parameters": "nnlite.core.parameters",
    "nnlite.per_example": "nnlite.training.per_example",
    "nnlite.persistence": "nnlite.files.models",
    "nnlite.quiet": "nnlite.core.quiet",
    "nnlite.ranks": "nnlite.training.ranks",
    "nnlite.reductions": "nnlite.core.sums",
    "nnlite.rows": "nnlite.data.lazy",
    "nnlite.second_order": "nnlite.optimizers.second_order",
    "nnlite.snapshot": "nnlite.training.snapshot",
    "nnlite.sources": "nnlite.training.sources",
    "nnlite.splits": "nnlite.data.splits",
    "nnlite.streams": "nnlite.training.random_states",
    "nnlite.summary": "nnlite.training.summary",
    "nnlite.table": "nnlite.data.table",
    "nnlite.undeclared": "nnlite.checks.undeclared",
    "nnlite.weighting": "nnlite.data.row_weights",
}


#: Classes that have left a module which is still there, and the packages that have them now.
_CLASSES = {
    "nnlite.core.activations.LogSoftmax": "nnlite.layers",
    "nnlite.core.activations.Softmax": "nnlite.layers",
    "nnlite.core.batches.Order": "nnlite.data",
    "nnlite.core.cross_entropy.BinaryCrossEntropy": "nnlite.losses",
    "nnlite.core.initializers.Constant": "nnlite.initializers",
    "nnlite.core.losses.MeanAbsoluteError": "nnlite.losses",
    "nnlite.core.optimizers.Adam": "nnlite.optimizers",
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
    """Give packages and modules what they had as attributes, for what has been imported at its new place."""
    for old, new in MOVED.items():
        parent = sys.modules.get(old.rpartition(".")[0])
        if new in sys.modules and parent is not None:
            setattr(parent, old.rpartition(".")[2], sys.modules[new])
    for old, home in _CLASSES.items():
        module, _, name = old.rpartition(".")
        setattr(sys.modules[module], name, getattr(sys.modules[home], name))
