"""Which modules pytest may import, and how many threads it computes with."""

import os
from importlib.util import find_spec

#: Those that need a package are left out where it is not installed.
NEEDED = {
    "nnlite/exchange/onnx": "onnx",
    "nnlite/jit": "numba",
    "nnlite/onnx": "onnx",
    "nnlite/plot": "matplotlib",
    "nnlite/sklearn": "sklearn",
    "nnlite/sklearn/compiled.py": "numba",
    "tests/browser": "selenium",
    "tests/estimators": "sklearn",
    "tests/readable.py": "matplotlib",
    "tests/toy_kernels.py": "numba",
}

collect_ignore = [folder for folder, package in NEEDED.items() if not find_spec(package)]

# Where `-n` gives each core a process, more threads in each would only wait for one another.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
