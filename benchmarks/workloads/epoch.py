"""One epoch of `fit`: a new order of the rows, all steps, and the loss on validation rows."""

from __future__ import annotations

from benchmarks.results import Contender
from benchmarks.workload import Workload

_AT = "benchmarks.libraries."

WORKLOAD = Workload(
    "epoch",
    "One epoch with shuffling and validation",
    cases={
        "table of 10,000 rows": "10,000 rows, a fifth of them for validation; 64-128-10, batch 32, Adam",
        "digits": "1,797 digits, a fifth of them for validation; 64-128-10, batch 32, Adam",
    },
    quick=("digits",),
    reference=Contender("reference", "numpy", f"{_AT}reference:ShortEpochs", "yardstick"),
    unit="ms",
    scale=1e3,
    rounds=5,
    brief=("bare loop", "nnlite fit", "nnlite jit", "jax scan"),
    contenders=(
        Contender("bare loop", "numpy", f"{_AT}bare:LoopEpochs", "yardstick"),
        Contender("nnlite fit", "nnlite", f"{_AT}nnlite:FitEpochs", "ours"),
        Contender("nnlite jit", "nnlite", f"{_AT}nnlite:FitEpochs", "ours", options={"jit": True}),
        Contender(
            "jax",
            "jax",
            f"{_AT}jax:LoopEpochs",
            note="a compiled step at a time, on data on the device, shuffled by NumPy",
        ),
        Contender(
            "jax scan",
            "jax",
            f"{_AT}jax:ScanEpochs",
            note="an epoch in one compiled call, shuffled there: nothing can be looked at between its steps",
        ),
        Contender("torch", "torch", f"{_AT}torch:LoopEpochs", options={"fused": True}),
        Contender("thinc", "thinc", f"{_AT}thinc:LoopEpochs"),
        Contender("thinc blas", "thinc", f"{_AT}thinc:LoopEpochs", options={"blis": False}, slow=True),
        Contender(
            "sklearn",
            "scikit-learn",
            f"{_AT}sklearn:FitEpochs",
            note="early_stopping=True, which measures the accuracy and keeps the best weights",
        ),
        Contender("sklearn partial_fit", "scikit-learn", f"{_AT}sklearn:PartialFitEpochs", slow=True),
        Contender("keras", "keras", f"{_AT}keras:FitEpochs", slow=True),
        Contender(
            "keras, 32 steps a call", "keras", f"{_AT}keras:FitEpochs", options={"steps": 32}, slow=True
        ),
    ),
)
