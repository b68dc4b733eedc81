"""One training step of nets of images and of sequences."""

from __future__ import annotations

from benchmarks.nets import SHAPED
from benchmarks.results import Contender
from benchmarks.workload import Workload

_AT = "benchmarks.libraries."

WORKLOAD = Workload(
    "shapes",
    "One training step of nets of images and of sequences",
    cases={name: net.describe() for name, net in SHAPED.items()},
    quick=("LeNet-5", "GRU"),
    reference=Contender("reference", "numpy", f"{_AT}reference:Step", "yardstick"),
    unit="ms",
    scale=1e3,
    brief=("nnlite fit", "nnlite jit", "jax scan"),
    contenders=(
        Contender("nnlite fit", "nnlite", f"{_AT}nnlite:Fit", "ours"),
        Contender(
            "nnlite jit",
            "nnlite",
            f"{_AT}nnlite:Fit",
            "ours",
            options={"jit": True},
            note="fit(jit=True), compiled beforehand; a step inside an epoch",
        ),
        Contender("jax", "jax", f"{_AT}jax:Step"),
        Contender(
            "jax scan",
            "jax",
            f"{_AT}jax:Scan",
            note="a whole epoch in one compiled call: nothing can be looked at or changed between its steps",
        ),
        Contender(
            "jax scan unrolled",
            "jax",
            f"{_AT}jax:UnrolledScan",
            cases=("GRU",),
            note="the same, with every step of a sequence compiled for itself",
        ),
        Contender("torch", "torch", f"{_AT}torch:Step"),
        Contender("torch fused", "torch", f"{_AT}torch:Step", options={"fused": True}, slow=True),
        Contender(
            "torch channels last",
            "torch",
            f"{_AT}torch:Step",
            cases=("LeNet-5",),
            options={"fused": True, "channels_last": True},
            slow=True,
            note="the update is the fused one too",
        ),
        Contender(
            "torch compile",
            "torch",
            f"{_AT}torch:CompiledStep",
            slow=True,
            note="torch.func and the update in one graph, which needs a C++ compiler",
        ),
        Contender("keras", "keras", f"{_AT}keras:Step", options={"jit": True}),
        Contender("keras graph", "keras", f"{_AT}keras:Step", note="a graph of TensorFlow's own kernels"),
    ),
)
