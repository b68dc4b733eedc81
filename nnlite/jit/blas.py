"""Where the matrix products of compiled loops come from: NumPy's own BLAS, or SciPy's."""

from __future__ import annotations

import ctypes
import sys
from functools import lru_cache
from typing import Any

import numpy as np

from nnlite.errors import ArgumentError

__all__ = ["product_address"]


@lru_cache(maxsize=2)
def product_address(dtype: np.dtype[Any]) -> int:
    """Return the address of Fortran's ``sgemm`` or ``dgemm``.

    NumPy's own is taken where its library can be found: two libraries would have two sets of threads. Its
    names differ: those of NumPy's wheels end in ``_64_``, for 64-bit sizes. SciPy hands out the address
    of its own (`scipy.linalg.cython_blas`), which is there on every system.

    Parameters
    ----------
    dtype : dtype
        float32 or float64.

    Returns
    -------
    int

    Raises
    ------
    ArgumentError
        On a processor of the other byte order, where the sizes could not be read.
    """
    if sys.byteorder != "little":
        fix = "Leave jit= out."
        raise ArgumentError("fit(jit=)", "a processor of little-endian byte order", sys.byteorder, fix)
    name = "sgemm" if dtype == np.float32 else "dgemm"
    return _of_numpy(name) or _of_scipy(name)


def _of_numpy(name: str) -> int:
    try:
        # A search by the handle of an extension goes through what the extension is linked to.
        library = ctypes.CDLL(np._core._multiarray_umath.__file__)  # type: ignore[attr-defined]
    except (OSError, AttributeError):
        return 0
    for known in (f"scipy_{name}_64_", f"{name}_64_", f"{name}_"):
        if (function := getattr(library, known, None)) is not None:
            return ctypes.cast(function, ctypes.c_void_p).value or 0
    return 0


def _of_scipy(name: str) -> int:
    from scipy.linalg import cython_blas

    capsule = cython_blas.__pyx_capi__[name]
    python: Any = ctypes.pythonapi
    python.PyCapsule_GetName.restype = ctypes.c_char_p
    python.PyCapsule_GetName.argtypes = [ctypes.py_object]
    python.PyCapsule_GetPointer.restype = ctypes.c_void_p
    python.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    return int(python.PyCapsule_GetPointer(capsule, python.PyCapsule_GetName(capsule)))
