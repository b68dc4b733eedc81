"""Many nets as one: 64 nets of a kind, each with a start of its own, make one step."""

from __future__ import annotations

from benchmarks.nets import NETS
from benchmarks.results import Contender
from benchmarks.workload import Workload

_AT = "benchmarks.libraries."
FLOOR = "BLAS floor"
REPLICAS = 64
KINDS = ("2-8-1", "2-64-64-3", "64-128-10")

WORKLOAD = Workload(
    "replicas",
    "One training step of 64 nets",
    cases={f"{REPLICAS} x {name}": f"{REPLICAS} nets {NETS[name].describe()}" for name in KINDS},
    quick=(f"{REPLICAS} x {KINDS[0]}",),
    reference=Contender("reference", "numpy", f"{_AT}reference:Many", "yardstick"),
    floor=FLOOR,
    brief=(FLOOR, "nnlite, one net", "nnlite fit", "nnlite jit", "jax scan", "torch in turn"),
    contenders=(
        Contender(
            "nnlite, one net",
            "nnlite",
            f"{_AT}nnlite:OneOfMany",
            "other",
            note="the same fit of one of the nets",
        ),
        Contender(FLOOR, "numpy", f"{_AT}bare:ManyFloor", "yardstick", note="one net after the other"),
        Contender("nnlite fit", "nnlite", f"{_AT}nnlite:ManyFit", "ours"),
        Contender("nnlite jit", "nnlite", f"{_AT}nnlite:ManyFit", "ours", options={"jit": True}),
        Contender(
            "nnlite, 64 rates",
            "nnlite",
            f"{_AT}nnlite:ManyFit",
            "ours",
            options={"rates": True},
            note="fit with a learning rate for each net",
        ),
        Contender(
            "nnlite jit, 64 rates",
            "nnlite",
            f"{_AT}nnlite:ManyFit",
            "ours",
            options={"jit": True, "rates": True},
        ),
        Contender("nnlite step", "nnlite", f"{_AT}nnlite:ManyStep", "ours"),
        Contender("jax", "jax", f"{_AT}jax:ManyStep", note="jax.vmap of the step, compiled"),
        Contender(
            "jax, loss read",
            "jax",
            f"{_AT}jax:ManyReadStep",
            "other",
            slow=True,
            note="jax that reads the losses after every step, as nnlite fit does; jax reads none of them",
        ),
        Contender(
            "jax scan",
            "jax",
            f"{_AT}jax:ManyScan",
            note="jax.vmap, a whole epoch in one compiled call: nothing can be looked at between its steps",
        ),
        Contender(
            "torch", "torch", f"{_AT}torch:ManyStep", options={"fused": True}, note="torch.func.vmap, fused"
        ),
        Contender(
            "torch in turn",
            "torch",
            f"{_AT}torch:ManyInTurn",
            options={"fused": True},
            slow=True,
            note="one net after the other, all of them, as a loop over seeds does",
        ),
    ),
)
