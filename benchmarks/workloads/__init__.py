"""All workloads, in the order in which they run."""

from __future__ import annotations

from benchmarks.workload import Workload
from benchmarks.workloads import (
    accuracy,
    anchor,
    epoch,
    estimators,
    growth,
    levenberg_marquardt,
    predict,
    process,
    replicas,
    shapes,
    sparse_text,
    training_step,
    whole_fit,
)

WORKLOADS: tuple[Workload, ...] = (
    training_step.WORKLOAD,
    predict.WORKLOAD,
    shapes.WORKLOAD,
    epoch.WORKLOAD,
    whole_fit.WORKLOAD,
    accuracy.WORKLOAD,
    replicas.WORKLOAD,
    anchor.WORKLOAD,
    process.WORKLOAD,
    growth.WORKLOAD,
    levenberg_marquardt.WORKLOAD,
    estimators.WORKLOAD,
    sparse_text.WORKLOAD,
)
