"""One training step: forward, backward, update, over batches that are in memory."""

from __future__ import annotations

from benchmarks.nets import NETS
from benchmarks.results import Contender
from benchmarks.workload import Workload

_AT = "benchmarks.libraries."

WORKLOAD = Workload(
    "training-step",
    "One training step",
    cases={name: net.describe() for name, net in NETS.items()},
    quick=("2-8-1", "64-128-10", "784-256-128-10"),
    reference=Contender("reference", "numpy", f"{_AT}reference:Step", "yardstick"),
    floor="BLAS floor",
    brief=("BLAS floor", "bare loop", "nnlite fit", "nnlite jit", "jax scan"),
    contenders=(
        Contender("BLAS floor", "numpy", f"{_AT}bare:Floor", "yardstick"),
        Contender("bare step", "numpy", f"{_AT}bare:bare_step", "yardstick"),
        Contender("bare loop", "numpy", f"{_AT}bare:Loop", "yardstick"),
        Contender("nnlite fit", "nnlite", f"{_AT}nnlite:Fit", "ours"),
        Contender(
            "nnlite jit",
            "nnlite",
            f"{_AT}nnlite:Fit",
            "ours",
            options={"jit": True},
            note="fit(jit=True), compiled beforehand; a step inside an epoch",
        ),
        Contender("nnlite step", "nnlite", f"{_AT}nnlite:Step", "ours"),
        Contender("jax", "jax", f"{_AT}jax:Step"),
        Contender(
            "jax, loss read",
            "jax",
            f"{_AT}jax:ReadStep",
            "other",
            slow=True,
            note="jax that reads the loss after every step, as nnlite fit does; jax reads none of them",
        ),
        Contender(
            "jax scan",
            "jax",
            f"{_AT}jax:Scan",
            note="a whole epoch in one compiled call: nothing can be looked at or changed between its steps",
        ),
        Contender("torch", "torch", f"{_AT}torch:Step"),
        Contender("torch fused", "torch", f"{_AT}torch:Step", options={"fused": True}, slow=True),
        Contender(
            "torch compile",
            "torch",
            f"{_AT}torch:CompiledStep",
            slow=True,
            note="torch.func and the update in one graph, which needs a C++ compiler",
        ),
        Contender(
            "fann",
            "fann",
            f"{_AT}fann:Step",
            cases=("2-8-1",),
            note="holds tanh to 0.98 where it takes its slope; in the steps compared no neuron is beyond",
        ),
        Contender("thinc", "thinc", f"{_AT}thinc:Step"),
        Contender("thinc blas", "thinc", f"{_AT}thinc:Step", options={"blis": False}, slow=True),
        Contender("sklearn partial_fit", "scikit-learn", f"{_AT}sklearn:Step", slow=True),
        Contender("sklearn", "scikit-learn", f"{_AT}sklearn:Fit"),
        Contender("keras", "keras", f"{_AT}keras:Step", options={"jit": True}),
        Contender("keras on batch", "keras", f"{_AT}keras:OnBatch", slow=True),
    ),
)
