"""The machine, and the environment that holds a process to so many threads."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers import LIBRARIES

ROOT = Path(__file__).resolve().parents[1]

#: Variables that hold a number of threads: OpenMP, the BLAS libraries, Numba, XLA's pool, TensorFlow's
#: pools.
_COUNTS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "NPROC",
    "TF_NUM_INTRAOP_THREADS",
)


def environment(threads: int) -> dict[str, str]:
    """Return the environment of a process that may compute on so many threads."""
    # Bytecode may be written: compiling the sources of a library is no part of the work.
    chosen = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    chosen |= dict.fromkeys(_COUNTS, str(threads))
    chosen |= {
        "XLA_FLAGS": f"--xla_cpu_multi_thread_eigen={str(threads > 1).lower()}",
        "TF_NUM_INTEROP_THREADS": "1",
        "JAX_PLATFORMS": "cpu",
        "KERAS_BACKEND": "tensorflow",
        "CUDA_VISIBLE_DEVICES": "-1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TORCHINDUCTOR_COMPILE_THREADS": "1",
    }
    return chosen


def describe_machine() -> dict[str, Any]:
    """Say what a measurement was made on."""
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]  # type: ignore[index,call-overload]
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "blas": f"{blas['name']} {blas['version']}",
        "versions": {
            name: version
            for library in LIBRARIES.values()
            if not library.missing
            for name, version in library.versions().items()
        },
    }


def _cpu() -> str:
    """Name the CPU."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        fields = [line.partition(":") for line in cpuinfo.read_text(encoding="utf-8").splitlines()]
        names = [value.strip() for key, _, value in fields if key.strip() == "model name"]
        if names:
            return names[0]
    return platform.processor() or platform.machine()
