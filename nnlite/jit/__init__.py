"""Training loops compiled by numba, for ``jit=True``. Nothing here is imported before it is asked for."""
