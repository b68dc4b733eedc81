"""An epoch of 10,000 rows from one end to the other: a call of `fit` for each, with all that it does."""

from __future__ import annotations

from benchmarks.nets import NETS
from benchmarks.results import Contender
from benchmarks.tables import PLAIN
from benchmarks.workload import Workload

_AT = "benchmarks.libraries."

WORKLOAD = Workload(
    "whole-fit",
    "One call of fit for an epoch",
    cases={f"{name}, 10,000 rows": f"{NETS[name].describe()}, 10,000 rows" for name in PLAIN},
    quick=("2-8-1, 10,000 rows", "64-128-10, 10,000 rows"),
    reference=Contender("reference", "numpy", f"{_AT}reference:ShortEpochs", "yardstick"),
    unit="ms",
    scale=1e3,
    rounds=7,
    brief=("nnlite fit", "nnlite jit", "jax scan"),
    contenders=(
        Contender(
            "nnlite fit",
            "nnlite",
            f"{_AT}nnlite:WholeFits",
            "ours",
            note="with checks, shuffling, history, and the loss on 2,500 other rows, as the others have",
        ),
        Contender("nnlite jit", "nnlite", f"{_AT}nnlite:WholeFits", "ours", options={"jit": True}),
        Contender("jax", "jax", f"{_AT}jax:LoopEpochs", note="data on the device, compiled beforehand"),
        Contender("jax scan", "jax", f"{_AT}jax:ScanEpochs", note="shuffled there, an epoch in one call"),
        Contender("torch", "torch", f"{_AT}torch:LoopEpochs", options={"fused": True}),
    ),
)
