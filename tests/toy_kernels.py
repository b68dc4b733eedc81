"""Two small kernels, for `test_jit_cache.py`; nothing of numba is imported before they are loaded."""

import math
import time
from types import SimpleNamespace

import numpy as np

from nnlite.jit.cache import building


def squares(x):
    products = x * x  # an array, for which numba's own runtime must be there
    total = 0.0
    for value in products:
        total += value
    return total


def thrice(x):
    return 3.0 * x


def risen(x):
    return math.exp(x)


def load(announce=None):
    """Compile or load both; return the folder, how many were compiled, what they answer, and the seconds."""
    import numba
    from numba import types

    begin = time.perf_counter()
    with building(announce, files=[__file__]) as folder:
        entered = time.perf_counter()
        total = numba.njit(cache=True)(squares)
        total.compile((types.float64[::1],))
        scaled = numba.cfunc(types.float64(types.float64), cache=True, nopython=True)(thrice)
        loaded = time.perf_counter()
    end = time.perf_counter()
    return SimpleNamespace(
        folder=str(folder),
        compiled=sum(total.stats.cache_misses.values()) + 1 - scaled.cache_hits,
        answer=scaled.ctypes(total(np.arange(4.0))),
        seconds={"before": entered - begin, "inside": loaded - entered, "after": end - loaded},
    )
