"""`predict` for one row and for many: NumPy arrays go in, outputs before any softmax come out."""

from __future__ import annotations

from benchmarks.results import Contender
from benchmarks.workload import Workload

_AT = "benchmarks.libraries."
FLOOR = "BLAS floor"

WORKLOAD = Workload(
    "predict",
    "Prediction",
    cases={
        "64-128-10, 1 row": "64-128-10, 1 row",
        "64-128-10, 10,000 rows": "64-128-10, 10,000 rows",
    },
    quick=("64-128-10, 1 row", "64-128-10, 10,000 rows"),
    reference=Contender("reference", "numpy", f"{_AT}reference:Predict", "yardstick"),
    floor=FLOOR,
    brief=("bare", "nnlite", "nnlite jit"),
    contenders=(
        Contender(
            FLOOR,
            "numpy",
            f"{_AT}bare:PredictFloor",
            "yardstick",
            note="all rows at once; blocks of them that stay in cache may be faster",
        ),
        Contender("bare", "numpy", f"{_AT}bare:Predict", "yardstick"),
        Contender("nnlite", "nnlite", f"{_AT}nnlite:Predict", "ours"),
        Contender("nnlite jit", "nnlite", f"{_AT}nnlite:Predict", "ours", options={"jit": True}),
        Contender("onnxruntime", "onnxruntime", f"{_AT}onnxruntime:Predict"),
        Contender("jax", "jax", f"{_AT}jax:Predict"),
        Contender("torch", "torch", f"{_AT}torch:Predict"),
        Contender("torch frozen", "torch", f"{_AT}torch:Predict", options={"kind": "frozen"}, slow=True),
        Contender("torch compile", "torch", f"{_AT}torch:Predict", options={"kind": "compiled"}, slow=True),
        Contender("thinc", "thinc", f"{_AT}thinc:Predict"),
        Contender("sklearn", "scikit-learn", f"{_AT}sklearn:Predict"),
        Contender("keras", "keras", f"{_AT}keras:Predict", options={"jit": True}),
        Contender("keras on batch", "keras", f"{_AT}keras:OnBatchPredict", slow=True),
    ),
)
