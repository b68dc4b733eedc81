"""All workloads, in the order in which they run."""

from __future__ import annotations

from benchmarks.workload import Workload
from benchmarks.workloads import (
    accuracy,
    epoch,
    estimators,
    growth,
    levenberg_marquardt,
    predict,
    process,
    replicas,
    sparse_text,
    training_step,
)

WORKLOADS: tuple[Workload, ...] = (
    training_step.WORKLOAD,
    predict.WORKLOAD,
    epoch.WORKLOAD,
    accuracy.WORKLOAD,
    replicas.WORKLOAD,
    process.WORKLOAD,
    growth.WORKLOAD,
    levenberg_marquardt.WORKLOAD,
    estimators.WORKLOAD,
    sparse_text.WORKLOAD,
)
